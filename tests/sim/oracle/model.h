/* What the tree must be: committed transactions, replayed one after the other through a tree of its own. It shares no
 * code with the servers' tree (election/tree) and is deliberately simple: nodes in one array in order of their paths,
 * a decoder written from the format's description (storage-format.md 3), Stat arithmetic in the open.
 *
 * Where the servers' replay is tolerant, the model is not: transactions come from a leader that checked them against
 * all that stood before, in the very order in which they are applied here. One that meets a state it was not made for
 * is a broken promise, and model_complaint() says which.
 *
 * /zookeeper/config is each server's own affair (installed without a transaction) and stands here as an empty node. */
#ifndef BATON_TESTS_SIM_ORACLE_MODEL_H
#define BATON_TESTS_SIM_ORACLE_MODEL_H

#include "election/jute/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest complaint; a longer one is cut. */
#define MODEL_COMPLAINT_BYTES 512

struct model_node {
        char *path; /* NUL-terminated; the root's is "" */
        size_t path_len;
        uint8_t *data;
        int32_t data_len; /* -1: null */
        uint8_t *acl;     /* vector<ACL> as in the transaction: count, then the elements */
        size_t acl_len;
        int64_t czxid, mzxid, pzxid, ctime, mtime;
        int32_t version, creations, aversion; /* creations: the stored form of cversion */
        int64_t owner;                        /* as stored: a session, a container's or TTL node's mark, 0 */
        uint32_t children;
        uint32_t digest;
};

struct model;

/* The tree of a fresh ensemble, at zxid 0. */
struct model *model_new(void);
/* Takes NULL. */
void model_free(struct model *m);
/* Applies one transaction's bytes (header, body, digest if any), which must be those of `zxid`.
 * Returns 0; 1 when it was applied but contradicts what stood there, or its own digest (model_complaint());
 * -EPROTO for bytes that are no transaction: nothing was changed then. */
int model_apply(struct model *m, int64_t zxid, const uint8_t *txn, size_t len);
/* After 1 or -EPROTO: what was wrong, and the promise it breaks ("S11" …) in `ret_checker`. */
const char *model_complaint(const struct model *m, const char **ret_checker);

/* What the last transaction was, where it was a leader's own deletion; `ret_czxid` (may be NULL): that made the
 * node. */
enum model_sweep { MODEL_NO_SWEEP, MODEL_CONTAINER_SWEPT, MODEL_TTL_SWEPT };
enum model_sweep model_swept(const struct model *m, int64_t *ret_czxid);

/* Of the last transaction, 0 at first. */
int64_t model_zxid(const struct model *m);
/* The sum of all nodes' digests (storage-format.md 7). */
uint64_t model_digest(const struct model *m);
/* NULL when absent. "/" and "" both name the root. Valid until the next model_apply(). */
const struct model_node *model_find(const struct model *m, const char *path);
/* As a client sees it. */
void model_stat(const struct model_node *n, struct jute_stat *ret);
/* Calls `fn` for each child in order of its name; returns how many there are. `fn` may be NULL. */
size_t model_children(const struct model *m, const struct model_node *n,
                      void (*fn)(void *ctx, const struct model_node *child), void *ctx);
/* All nodes, parents before their children. */
size_t model_count(const struct model *m);
const struct model_node *model_at(const struct model *m, size_t i);
/* Whether an owner is a session (not none, container or TTL). */
bool model_owner_is_session(int64_t owner);

/* Whether the session is open; `ret_timeout_ms` may be NULL. */
bool model_session(const struct model *m, int64_t id, int32_t *ret_timeout_ms);
size_t model_session_count(const struct model *m);

#endif
