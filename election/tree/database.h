/* The replicated state: tree + session table + the zxid they stand at. Transactions go in, outcomes
 * (replies' contents and watch events) come out; an exact snapshot can be read out while transactions
 * go on being applied.
 *
 * Replay rules are those of storage-format.md 5.3: a transaction that meets a state it does not expect
 * (a fuzzy snapshot of a Java server underneath) is applied idempotently; its errors are reported in
 * the outcome and never stop the replay. */
#ifndef BATON_TREE_DATABASE_H
#define BATON_TREE_DATABASE_H

#include "election/session/session.h"
#include "election/tree/tree.h"

struct database;

/* A fresh database: /, /zookeeper, /zookeeper/quota, /zookeeper/config; zxid 0. */
struct database *database_new(void);
/* The same, its tables keyed by a seed that clients can't know. */
struct database *database_new_hashed(uint64_t hash_seed);
void database_free(struct database *db);
const struct tree *database_tree(const struct database *db);
const struct session_table *database_sessions(const struct database *db);
/* zxid of the last transaction wholly applied (or of the snapshot, or of the epoch: see set). */
int64_t database_zxid(const struct database *db);
/* Calls `fn` with the tree's digest after each of the latest transactions whose zxid is a multiple of 128
 * (digest_log.h), the oldest first. Kept since this database was made, recovered or loaded. */
void database_digests(const struct database *db, void (*fn)(void *ctx, int64_t zxid, uint64_t digest), void *ctx);
/* Raises it without a transaction: a leader's (epoch, 0). Never lowers. */
void database_set_zxid(struct database *db, int64_t zxid);
/* Installs the ensemble's configuration in /zookeeper/config, locally, without a transaction
 * (client-protocol.md 12): version -1, aversion -1, mzxid = version, mtime = wall_ms; creates the node
 * with ACL world:anyone READ if a snapshot lacks it. No event. */
void database_set_config(struct database *db, struct jute_str text, int64_t version, int64_t wall_ms);
/* Only creates that node, empty, if a snapshot lacks it. */
void database_keep_config(struct database *db);
/* Removes ephemerals whose session is not in the table (what a Java server does when it starts to lead
 * or after a load: storage-format.md 5.2.4). Returns how many. */
size_t database_remove_orphans(struct database *db);

/* ---- applying ---- */
enum watch_event {
        EVENT_NODE_CREATED = 1,
        EVENT_NODE_DELETED = 2,
        EVENT_NODE_DATA_CHANGED = 3,
        EVENT_NODE_CHILDREN_CHANGED = 4,
};

struct acl_row;

/* One change of the tree, in the order of application: what triggers watches. A creation or deletion of
 * P stands here once, as CREATED or DELETED of P; that it concerns P's parent's child watches follows.
 * Who may be told is up to the lists as they were at this change, also where a later operation of the same
 * transaction alters them: the rows are kept for that long, nothing is copied. */
struct tree_event {
        enum watch_event type; /* CREATED, DELETED or DATA_CHANGED */
        struct jute_str path;
        const struct acl_row *acl, *parent_acl; /* of the node, of its parent (not for DATA_CHANGED) */
};
/* The list of access that decides about an event of type `told` that this change gives rise to: the
 * parent's for CHILDREN_CHANGED, otherwise the node's. Null: there is none to be found. */
struct jute_vec tree_event_acl(const struct tree_event *e, enum watch_event told);

/* Result of one operation, with what a reply needs. */
struct outcome_op {
        int32_t type; /* transaction type, OP_ERROR for a failed one */
        int32_t err;
        struct jute_str path;  /* create*: final path; otherwise the path concerned */
        struct jute_stat stat; /* right after this operation: create2, container, TTL, setData, setACL */
};

/* Reused from one transaction to the next; strings live until the next apply or outcome_done(), or as
 * long as the payload; lists of access until the next apply to the same database, or its end. */
struct outcome {
        struct jute_txn_header header;
        int32_t err; /* an error transaction's code, or a single operation's; 0 for a multi (its operations have
                        their own) and for sessions */
        struct outcome_op *ops; /* one, or one per operation of a multi; none for sessions */
        size_t op_count, op_capacity;
        struct tree_event *events;
        size_t event_count, event_capacity;
        /* The payload's digest differs from the tree's / is the tree's; neither where there is none to compare. */
        bool digest_mismatch, digest_agrees;
        uint8_t *text; /* storage for paths that the payload does not hold */
        size_t text_len, text_capacity;
};
void outcome_init(struct outcome *o);
void outcome_done(struct outcome *o);

/* Applies one transaction payload (header + body + optional digest). Advances the zxid after the whole
 * transaction only. `out` may be NULL (replay).
 * Returns 0, or -EPROTO for bytes that are no transaction: nothing was changed then. */
int database_apply(struct database *db, const uint8_t *payload, size_t len, struct outcome *out);
/* Whether database_apply() would take these bytes for a transaction. Depends on nothing but them. */
bool database_reads(const uint8_t *payload, size_t len);

/* ---- an exact snapshot, read in pieces ----
 * The stream is sessions, ACL map, nodes (parents first), "/" : the middle part of a snapshot file and
 * of the SNAP stream (storage-format.md 4.1, quorum-protocol.md 3.5). It shows the state at the moment
 * of begin: a node about to change that has not been read out yet is put aside in its old form first
 * (ancestors before it), so the loop never stops and replay needs no tolerance. Costs: the put-aside
 * bytes. */
/* Returns 0, or -EBUSY while another one is being read. */
int database_snapshot_begin(struct database *db);
/* Appends about `max_bytes` (at least one item) to `w`. Returns 1 when there is more, 0 after the end
 * marker was written. The caller judges w->error: once it is set nothing more comes out and 1 is returned. */
int database_snapshot_read(struct database *db, struct jute_writer *w, size_t max_bytes);
/* Ends or abandons it. */
void database_snapshot_end(struct database *db);
int64_t database_snapshot_zxid(const struct database *db);
uint64_t database_snapshot_digest(const struct database *db);
bool database_snapshot_busy(const struct database *db);

/* ---- loading the same stream ---- */
struct database_loader;
struct database_loader *database_loader_new(int32_t item_max);
/* As database_new_hashed(). */
struct database_loader *database_loader_new_hashed(int32_t item_max, uint64_t hash_seed);
void database_loader_free(struct database_loader *l);
/* Consumes bytes in any portions. Returns 1 when the end marker was met (`ret_consumed` tells how much of
 * this portion belonged to the stream), 0 to go on, -EPROTO for a stream no server can have written. */
int database_loader_feed(struct database_loader *l, const uint8_t *data, size_t len, size_t *ret_consumed);
/* After 1: the database, standing at `zxid`. Ownership passes to the caller. */
struct database *database_loader_take(struct database_loader *l, int64_t zxid);

#endif
