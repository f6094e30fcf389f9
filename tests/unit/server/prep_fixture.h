/* Request preparation on a bench: a database, a session clock, and what lies between them and a quorum,
 * a queue of transactions that were proposed and not yet applied.
 *
 * bench_apply() holds each transaction against its promise: its header, its result, and the digest that
 * was foretold for the tree. */
#ifndef BATON_TESTS_PREP_FIXTURE_H
#define BATON_TESTS_PREP_FIXTURE_H

#include "election/server/acl.h"
#include "election/server/prep.h"

/* The server that the bench's session came through, and one that it did not. */
#define BENCH_SID       INT64_C(1)
#define BENCH_OTHER_SID INT64_C(2)
#define BENCH_SESSION   INT64_C(0x100000000000001)
#define BENCH_ITEM_MAX  (2 * 0xfffff)

/* A string constant, zero bytes in it included. */
#define STR(text) ((struct jute_str){.data = (const uint8_t *)(text), .len = (int32_t)sizeof(text) - 1})
#define STR_NULL  ((struct jute_str){.data = NULL, .len = -1})

struct test_id {
        const char *scheme, *id; /* NULL is sent as null */
};

struct test_acl {
        int32_t perms;
        struct test_id id;
};

/* One operation, alone or in a multi. */
struct test_op {
        int32_t opcode;
        struct jute_str path;
        struct jute_str data;
        int32_t number; /* create*: flags; others: version */
        int64_t ttl;
        const struct test_acl *acl; /* NULL: world:anyone may do all */
        int32_t acl_count;          /* -1 with an acl: a null vector */
};

struct proposal {
        uint8_t *payload;
        size_t len;
        int64_t zxid;
        int err;
        struct prep_request request; /* body and ids not kept */
};

struct bench {
        struct database *db;
        struct session_clock *clock;
        struct prep *prep;
        struct outcome outcome;
        struct jute_writer txn, body, ids;
        struct jute_vec id_vec;
        int64_t zxid;
        uint64_t now_ms;
        int64_t session, sid; /* of the next request */
        bool sweep;           /* it is the leader's own */
        int64_t wall_ms;      /* what its time is ahead of now_ms; changed by a test that sets the wall clock */
        int32_t cxid;
        struct proposal *queue;
        size_t first, end, capacity;
};

/* With BENCH_SESSION created and applied. */
struct bench *bench_new(void);
/* Takes the database. */
struct bench *bench_new_on(struct database *db);
struct bench *bench_new_limited(size_t payload_max);
struct bench *bench_new_headroom(size_t payload_max, int32_t item_max);
void bench_free(struct bench *b);
/* Whose identities the next requests carry; a count of -1 sends a null vector. */
void bench_ids(struct bench *b, const struct test_id *ids, int32_t count);

/* Encoding, appended to `w`. */
void put_op(struct jute_writer *w, const struct test_op *op);
void put_multi_op(struct jute_writer *w, const struct test_op *op);
void put_multi_end(struct jute_writer *w);
void put_acl(struct jute_writer *w, const struct test_acl *acl, int32_t count);

/* Each proposes one transaction and leaves it outstanding; returns prep_make()'s error. */
int bench_request(struct bench *b, int32_t opcode, struct jute_str body);
int bench_op(struct bench *b, const struct test_op *op);
int bench_multi(struct bench *b, const struct test_op *ops, size_t count);
int bench_create_session(struct bench *b, int64_t session, int32_t timeout_ms);
int bench_close_session(struct bench *b, int64_t session);
int bench_create(struct bench *b, const char *path, int32_t flags);
int bench_delete(struct bench *b, const char *path);
int bench_create_ttl(struct bench *b, const char *path, int64_t ttl_ms);
/* deleteContainer by the leader itself. */
int bench_sweep(struct bench *b, const char *path);
int bench_set(struct bench *b, const char *path, const char *data, int32_t version);
/* A multi's results, as they would be on applying the last proposal. */
int32_t bench_multi_err(const struct bench *b, size_t index);

/* The last proposal. */
const struct proposal *bench_last(const struct bench *b);
/* Its path: of a create, the final one. */
struct jute_str bench_last_path(const struct bench *b);
size_t bench_outstanding(const struct bench *b);
/* Applies the oldest ones, at most `count`. */
void bench_apply(struct bench *b, size_t count);
/* Applies all; afterwards nothing may be foretold any more. */
void bench_settle(struct bench *b);
/* Applies a transaction that prep knows nothing of; nothing may be outstanding. */
void bench_force_create(struct bench *b, const char *path, int32_t parent_cversion);

const struct znode *bench_find(const struct bench *b, const char *path);
void bench_stat(const struct bench *b, const char *path, struct jute_stat *ret);

#endif
