/* Quotas, for this room only: the paths that have one, and what applying does about them.
 *
 * Invariant: a path is registered from the creation of its limits node to the deletion of one that ZooKeeper takes
 * for it. Paths are kept as ZooKeeper's PathTrie has them, by their names that are not blank, and "/a/b", "a/b" and
 * "/a/ /b" are the same there. */
#ifndef BATON_TREE_QUOTA_INTERNAL_H
#define BATON_TREE_QUOTA_INTERNAL_H

#include "election/session/index.h"
#include "election/tree/quota.h"

#define QUOTA_ROOT        "/zookeeper/quota"
#define QUOTA_LIMITS_NAME "zookeeper_limits"
#define QUOTA_STATS_NAME  "zookeeper_stats"

/* A path with a quota, or the beginning of one. */
struct quota_path {
        struct index_link link; /* in quotas.paths, by parent and name */
        struct quota_path *parent;
        uint32_t children;
        bool registered;
        uint32_t name_at;   /* where its name begins */
        uint32_t path_len;  /* without the stats node's name */
        uint32_t stats_len; /* the whole */
        char path[];        /* of the stats node */
};

struct quotas {
        struct index paths;
        uint64_t hash_seed;
        size_t registered;
};

/* ---- quota_paths.c ---- */
void quota_paths__init(struct quotas *q, uint64_t hash_seed);
void quota_paths__done(struct quotas *q);
/* A path without any name is none: neither does anything then. */
void quota_paths__add(struct quotas *q, struct jute_str path);
void quota_paths__remove(struct quotas *q, struct jute_str path);
/* The longest registered path that is a beginning of this one; NULL if there is none. */
const struct quota_path *quota_paths__innermost(const struct quotas *q, struct jute_str path);
/* The path with the quota, and that of its stats node. */
struct jute_str quota_paths__subtree(const struct quota_path *p);
struct jute_str quota_paths__stats(const struct quota_path *p);
/* Whether there is any name in it. */
bool quota_paths__has_name(struct jute_str path);

/* ---- quota_text.c ---- */
/* Writes a stats text with `bytes` and `count` added to what `text` says, -1 where it says nothing. Parts that
 * nobody knows stay. False, and nothing written, for a text that can't be read. */
bool quota_text__add(struct jute_str text, int64_t bytes, int64_t count, struct jute_writer *w);
/* Writes a text that says nothing else. */
void quota_text__write(int64_t bytes, int64_t count, struct jute_writer *w);

/* ---- quota.c ---- */
/* A node has been made with `data_len` bytes of data (-1: null). */
void quota__created(struct tree *t, struct znode *n, int32_t data_len);
/* Its data, once of this length, has been replaced. */
void quota__changed(struct tree *t, const struct znode *n, int32_t old_len);
/* It is about to be removed. */
void quota__removing(struct tree *t, const struct znode *n);
/* A whole tree has been loaded: registers its quotas and counts anew. */
void quota__loaded(struct tree *t);

#endif
