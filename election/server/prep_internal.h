/* What the files of request preparation share. */
#ifndef BATON_SERVER_PREP_INTERNAL_H
#define BATON_SERVER_PREP_INTERNAL_H

#include "election/base/blob.h"
#include "election/base/list.h"
#include "election/base/map.h"
#include "election/server/prep.h"

/* What the tree will say of one path once all that is proposed has been applied. */
struct forecast {
        bool exists;
        struct jute_stat_persisted stat;
        int32_t children;
        uint32_t content_crc; /* tree_content_crc(): where the node's digest begins */
        int32_t data_len;     /* -1: null */
        struct blob *acl;     /* encoded list; NULL: none known */
        int32_t acl_count;
};

/* One path's forecast. It holds until the transaction that last touched it has been applied. */
struct pending {
        struct pending *hash_next;
        struct list order; /* in prep.order, by zxid */
        struct list owned; /* in the owner's list while it exists as a session's ephemeral */
        int64_t zxid;
        struct forecast now;
        bool saved; /* `before` is what it was before the multi under way */
        struct forecast before;
        struct list undo; /* in prep.undo while saved */
        uint32_t hash;
        uint32_t path_len;
        uint8_t path[]; /* the root is "" */
};

struct prep {
        const struct database *db;
        struct session_clock *clock;
        int32_t item_max;
        size_t payload_max;
        struct acl_policy acl;
        uint64_t hash_seed;
        struct pending **buckets;
        size_t bucket_count, count;
        struct list order;
        struct map owners; /* session -> struct owner */
        uint64_t digest;   /* of the tree after everything proposed */
        bool ttl_allowed;
        bool in_multi;
        struct list undo;
        uint64_t undo_digest;
        bool enforce_quota;
        struct prep_excess excess;
};

/* The transaction under way. */
struct prep_txn {
        struct prep *prep;
        const struct prep_request *request;
        int64_t zxid, wall_ms;
        uint64_t now_ms;
};

/* Create flags (client-protocol.md 4.2). */
enum create_flag {
        CREATE_PERSISTENT = 0,
        CREATE_EPHEMERAL = 1,
        CREATE_SEQUENTIAL = 2,
        CREATE_EPHEMERAL_SEQUENTIAL = 3,
        CREATE_FLAG_CONTAINER = 4,
        CREATE_FLAG_TTL = 5,
        CREATE_FLAG_TTL_SEQUENTIAL = 6,
};

/* One operation of a request, decoded. */
struct prep_op {
        int32_t opcode;
        struct jute_str path, data;
        struct jute_vec acl;
        int32_t flags, version;
        int64_t ttl;
};

/* ---- prep_pending.c ---- */
void prep__pending_init(struct prep *p);
void prep__pending_done(struct prep *p);
/* The forecast for a path, made from the tree where there is none. It stays until t's zxid is applied. */
struct pending *prep__look(struct prep_txn *t, struct jute_str path);
/* Changes it through `change`, keeping digest, owner's list and (in a multi) the way back. */
void prep__change_begin(struct prep_txn *t, struct pending *n);
void prep__change_end(struct prep_txn *t, struct pending *n);
void prep__undo_begin(struct prep *p);
/* Keeps what was done, or takes it all back. */
void prep__undo_end(struct prep *p, bool keep);
struct jute_vec prep__acl(const struct pending *n);
void prep__set_acl(struct pending *n, const uint8_t *data, size_t size, int32_t count);
/* Writes the paths of the session's ephemerals as vector<string>, as many as fit in `max` bytes, and
 * removes all of them from the forecast. */
void prep__remove_ephemerals(struct prep_txn *t, int64_t session, struct jute_writer *w, size_t max);
bool prep__owner_is_session(int64_t owner);

/* ---- prep_op.c ---- */
/* A reader over a request's body; null is read as empty. */
struct jute_reader prep__reader(struct jute_str body, int32_t item_max);
/* Decodes an operation's record; false when it can't be. */
bool prep__decode(struct jute_reader *r, int32_t opcode, struct prep_op *ret);
bool prep__is_create(int32_t opcode);
/* Whether create flags are among 0..6 (for multi, which fails as a whole otherwise). */
bool prep__flags_ok(int32_t flags);
bool prep__flags_are_ttl(int32_t flags);
/* Checks the operation, writes the body of a transaction of its opcode's type and only then changes the
 * forecast. Returns ZK_OK, or the error; `w` may hold half a body then. */
int prep__op(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w);
/* deleteContainer. */
int prep__sweep(struct prep_txn *t, struct jute_writer *w);
/* A child leaves its parent, in the forecast. */
void prep__remove(struct prep_txn *t, struct pending *n);

/* ---- prep_multi.c ---- */
/* The same for a multi: returns ZK_OK with the body of a multi transaction, failed or not; an error when
 * it fails as a whole. */
int prep__multi(struct prep_txn *t, struct jute_writer *w);
/* Whether it becomes a transaction at all, if only one that says that it failed. */
bool prep__multi_takes_zxid(struct jute_str body, int32_t item_max);

/* ---- prep_quota.c ---- */
/* Judges what a create with this data, or a setData in place of data of `old_len` bytes, would add at a path. Returns
 * ZK_OK or the error. */
int prep__quota_create(struct prep_txn *t, struct jute_str path, struct jute_str data);
int prep__quota_set_data(struct prep_txn *t, struct jute_str path, struct jute_str data, int32_t old_len);

/* ---- prep_session.c ---- */
int prep__create_session(struct prep_txn *t, struct jute_writer *w);
int prep__close_session(struct prep_txn *t, struct jute_writer *w);

#endif
