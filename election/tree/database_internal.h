/* The database's insides, for this room only. */
#ifndef BATON_TREE_DATABASE_INTERNAL_H
#define BATON_TREE_DATABASE_INTERNAL_H

#include "election/tree/database.h"
#include "election/tree/digest_log.h"
#include "election/tree/tree_internal.h"

struct database {
        struct tree *tree;
        struct session_table *sessions;
        int64_t zxid;
        int64_t snapshot_zxid;
        uint64_t snapshot_digest;
        struct digest_log digests;
};

/* Without any node, not even the root: what a loader fills. */
struct database *database__new(uint64_t hash_seed);
/* Removes a node with all below it, raising the parent's pzxid to at least `zxid`. A committed delete
 * meets children only where a fuzzy snapshot already has those of a later incarnation; the transactions
 * that create them follow in the log. Events go to `out` (NULL: nowhere); `path` is the node's name as
 * the payload has it, which outlives the node, or null. */
void database__remove(struct database *db, struct znode *n, int64_t zxid, struct jute_str path, struct outcome *out);

/* ---- txn.c: transactions decoded ---- */
/* One operation, whatever its type. */
struct txn_body {
        int32_t type;
        struct jute_str path, data;
        struct jute_vec vec; /* create*, setACL: ACL; closeSession: paths; multi: operations */
        int32_t number;      /* create*: parentCVersion; set*, check: version; createSession: timeout; error: code */
        int64_t owner;       /* create*: owner as stored */
};

struct txn {
        struct jute_txn_header header;
        struct txn_body body;
        bool has_digest;
        struct jute_txn_digest digest;
};

/* Decodes and validates a whole payload, each operation of a multi included. Returns 0 or -EPROTO. */
int txn__parse(const uint8_t *payload, size_t len, struct txn *ret);
/* Decodes one operation of a multi. Returns 0 or -EPROTO. */
int txn__parse_op(const struct jute_txn_op *op, int64_t session, struct txn_body *ret);

/* ---- outcome.c ---- */
/* All of these take NULL: nobody wants to know. */
void outcome__begin(struct outcome *o, const struct jute_txn_header *header);
void outcome__op(struct outcome *o, int32_t type, int32_t err, struct jute_str path, const struct znode *n);
/* `n` is the node that was created or changed, or is about to go; `path` must live as long as the payload. */
void outcome__event(struct outcome *o, enum watch_event type, struct jute_str path, const struct tree *t,
                    const struct znode *n);
/* The same for a path that will not: it is copied. */
void outcome__event_copy(struct outcome *o, enum watch_event type, struct jute_str path, const struct tree *t,
                         const struct znode *n);
/* Copied paths get their final addresses. */
void outcome__end(struct outcome *o);

#endif
