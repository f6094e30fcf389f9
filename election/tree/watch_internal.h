/* What watch.c, which keeps the watches, and watch_fire.c, which tells them, share. */
#ifndef BATON_TREE_WATCH_INTERNAL_H
#define BATON_TREE_WATCH_INTERNAL_H

#include "election/base/list.h"
#include "election/session/index.h"
#include "election/tree/watch.h"

/* A path in one of the tables. */
struct target {
        struct index_link link; /* in watches.targets */
        struct list watchers;   /* never empty */
        uint64_t number;        /* of its own, for hashing (path, connection) */
        enum watch_table table;
        int32_t path_len; /* -1: null */
        char path[];
};

/* A connection that watches something, or has done so. */
struct watcher {
        struct index_link link; /* in watches.watchers */
        struct list targets;
        conn_id conn;
        uint64_t told; /* number of the last trigger that it was told of */
        size_t weight;
        size_t data_count; /* registrations in the data table */
        bool listed;       /* counts as one that watches data: watches_summary() */
};

struct registration {
        struct index_link link; /* in watches.registrations */
        struct list of_target, of_watcher;
        struct target *target;
        struct watcher *watcher;
        unsigned modes; /* never 0 */
};

struct watches {
        uint64_t hash_seed;
        struct index targets, watchers, registrations;
        uint64_t target_number; /* last given */
        uint64_t triggers;      /* so far */
        size_t recursive;       /* registrations that are recursive, perhaps among other modes */
        size_t weight;
        struct watches_summary data;
        struct watches_told told[EVENT_NODE_CHILDREN_CHANGED + 1];
};

/* What a path's hash begins with, in this table. */
uint64_t watches__table_seed(const struct watches *w, enum watch_table table);
/* A null path hashes as an empty one. */
size_t watches__path_bytes(struct jute_str path);
/* NULL where nobody watches it. */
struct target *watches__target(const struct watches *w, enum watch_table table, struct jute_str path);
/* The same where the hash of the path is known. */
struct target *watches__target_hashed(const struct watches *w, enum watch_table table, struct jute_str path,
                                      uint64_t hash);
/* Takes modes away, and the registration with its last one. */
void watches__reduce(struct watches *w, struct registration *r, unsigned modes);

#endif
