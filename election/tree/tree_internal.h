/* The tree's insides, for this room only.
 *
 * Invariants (tree__check() holds them all against a recount):
 *  - every node but the root hangs in its parent's list of children, and its path is the parent's path,
 *    a slash, and its name; the path stands once, in the node;
 *  - the ring holds all nodes in order of creation, so parents always stand before their children;
 *  - `digest` is the sum of the nodes' digests, `data_size` that of their paths and data;
 *  - a node is a session's ephemeral if and only if it stands in that session's list of ephemerals, and a
 *    container or a node with a time to live if and only if it stands in the list of special nodes. */
#ifndef BATON_TREE_TREE_INTERNAL_H
#define BATON_TREE_TREE_INTERNAL_H

#include "election/base/list.h"
#include "election/session/index.h"
#include "election/tree/acl_table.h"
#include "election/tree/quota_internal.h"
#include "election/tree/tree.h"

/* Below this prefix nodes do not count for the digest (storage-format.md 7). */
#define TREE_UNDIGESTED "/zookeeper/"

/* What a znode has besides while it has children: most have none. */
struct family {
        struct znode *first_child;
        uint64_t data_below; /* bytes of data of all descendants, counted as they are */
        uint32_t children;
        uint32_t descendants; /* of all depths: counted on the way up at each creation and deletion */
};

struct znode {
        struct index_link link; /* in tree.nodes */
        struct znode *parent;
        struct family *family;     /* owned; NULL without children */
        struct znode *next, *prev; /* siblings */
        struct list ring;          /* in tree.ring */
        uint8_t *data;             /* owned; NULL when null or empty */
        int64_t czxid, mzxid, pzxid, ctime, mtime;
        int64_t owner; /* as stored: session, container or TTL marker, 0 */
        int64_t acl_key;
        int32_t version, cversion, aversion;
        int32_t data_len;     /* -1: null */
        uint32_t content_crc; /* CRC-32 of path and data: the digest's first part */
        uint32_t generation;  /* of the last snapshot that has this node, or needs not have it */
        uint32_t place;       /* among its session's ephemerals, or among the special nodes */
        uint32_t path_len;
        char path[];
};

static inline struct znode *znode__first_child(const struct znode *n)
{
        return n->family ? n->family->first_child : NULL;
}

static inline uint32_t znode__children(const struct znode *n)
{
        return n->family ? n->family->children : 0;
}

/* A session's ephemerals; there while there is one. */
struct owner {
        struct index_link link; /* in tree.owners */
        int64_t session;
        struct znode **nodes;
        size_t count, capacity;
};

/* A snapshot being read out (walk.c). */
struct walk {
        bool on;
        bool ended; /* the end marker was written */
        uint32_t generation;
        struct list *cursor;      /* next in the ring to look at */
        size_t left;              /* nodes the snapshot has and that were not written yet */
        struct jute_writer aside; /* bytes that go out before the walk goes on */
        size_t aside_at;          /* how many of them went out */
};

struct tree {
        uint64_t hash_seed;
        struct index nodes;
        struct znode *root; /* NULL only while a snapshot is being loaded */
        struct list ring;
        struct index owners;
        struct znode **specials; /* containers and nodes with a time to live */
        size_t special_count, special_capacity;
        struct acl_table acls;
        struct walk walk;
        struct quotas quotas;
        uint64_t digest;
        uint64_t data_size;
        size_t ephemerals;
};

/* Without any node. */
struct tree *tree__new(uint64_t hash_seed);
void tree__free(struct tree *t);
struct znode *tree__find(const struct tree *t, struct jute_str path);
/* Adds a node under `parent` (NULL: the root); its path must not be there. Takes over the caller's
 * reference on `acl_key`; copies path and data. Parent's Stat is the caller's business. */
struct znode *tree__insert(struct tree *t, struct znode *parent, struct jute_str path, struct jute_str data,
                           int64_t acl_key, const struct jute_stat_persisted *stat);
/* The same in two steps, for many nodes in a row: placed, and then to be found by their paths. False if that of one
 * was there before. */
struct znode *tree__place(struct tree *t, struct znode *parent, struct jute_str path, struct jute_str data,
                          int64_t acl_key, const struct jute_stat_persisted *stat);
bool tree__name(struct tree *t, struct znode *const *nodes, size_t count);
/* Removes a node without children. */
void tree__remove(struct tree *t, struct znode *n);
/* Any change of a node's data, Stat or ACL stands between these two. */
void tree__change_begin(struct tree *t, struct znode *n);
void tree__change_end(struct tree *t, struct znode *n);
void tree__set_data(struct tree *t, struct znode *n, struct jute_str data);
/* Takes over the caller's reference on `acl_key`. */
void tree__set_acl(struct tree *t, struct znode *n, int64_t acl_key);
/* One of a session's ephemerals, NULL if there is none. */
struct znode *tree__ephemeral(const struct tree *t, int64_t session);
/* Next node in a walk over a subtree, parents first; NULL after the last. */
struct znode *tree__next(const struct znode *top, const struct znode *n);
/* Bytes of data of the node and all below it; kept, not counted here. */
uint64_t tree__subtree_bytes(const struct znode *n);
/* Asserts the invariants; costs a walk over everything. For tests. */
void tree__check(const struct tree *t);

/* Whether an owner is a session (not none, container or TTL). */
bool znode__owner_is_session(int64_t owner);

/* Good enough to stand in the tree: begins with a slash, ends with none, no empty name. The strict rule
 * was applied by the leader before; the root's names are not sound. */
bool path__is_sound(struct jute_str path);

/* ---- walk.c ---- */
/* Starts a walk over all present nodes. Bytes already in walk.aside go out first. */
void tree__walk_begin(struct tree *t);
int tree__walk_read(struct tree *t, struct jute_writer *w, size_t max_bytes);
void tree__walk_end(struct tree *t);
/* A node is about to change or to go: it goes out in its present form, its ancestors before it. */
void tree__walk_keep(struct tree *t, struct znode *n);

#endif
