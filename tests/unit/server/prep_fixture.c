#include "tests/unit/server/prep_fixture.h"

#include "election/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BENCH_TICK_MS    2000
#define BENCH_TIMEOUT_MS 10000
/* Of the header's time from the monotonic clock. */
#define BENCH_WALL_MS INT64_C(1700000000000)

static struct bench *bench_start(struct database *db, size_t payload_max, int32_t item_max)
{
        struct bench *b = mem_zalloc(sizeof *b);
        b->db = db;
        b->clock = session_clock_new(BENCH_TICK_MS);
        b->prep = prep_new(b->db, b->clock, item_max, payload_max);
        outcome_init(&b->outcome);
        jute_writer_init(&b->txn, payload_max + PREP_SLACK_BYTES);
        jute_writer_init(&b->body, SIZE_MAX);
        jute_writer_init(&b->ids, SIZE_MAX);
        b->zxid = INT64_C(0x100000000);
        database_set_zxid(b->db, b->zxid);
        b->now_ms = 1000;
        b->wall_ms = BENCH_WALL_MS;
        b->sid = BENCH_SID;
        bench_ids(b, &(struct test_id){"ip", "127.0.0.1"}, 1);
        assert_int_equal(bench_create_session(b, BENCH_SESSION, BENCH_TIMEOUT_MS), 0);
        bench_settle(b);
        b->session = BENCH_SESSION;
        return b;
}

struct bench *bench_new(void)
{
        return bench_start(database_new(), JUTE_MAXBUFFER_DEFAULT, BENCH_ITEM_MAX);
}

struct bench *bench_new_on(struct database *db)
{
        return bench_start(db, JUTE_MAXBUFFER_DEFAULT, BENCH_ITEM_MAX);
}

struct bench *bench_new_limited(size_t payload_max)
{
        return bench_start(database_new(), payload_max, BENCH_ITEM_MAX);
}

struct bench *bench_new_headroom(size_t payload_max, int32_t item_max)
{
        return bench_start(database_new(), payload_max, item_max);
}

void bench_free(struct bench *b)
{
        for (size_t i = b->first; i < b->end; i++)
                mem_free(b->queue[i].payload);
        mem_free(b->queue);
        prep_free(b->prep);
        session_clock_free(b->clock);
        database_free(b->db);
        outcome_done(&b->outcome);
        jute_writer_done(&b->txn);
        jute_writer_done(&b->body);
        jute_writer_done(&b->ids);
        mem_free(b);
}

void bench_ids(struct bench *b, const struct test_id *ids, int32_t count)
{
        jute_writer_reset(&b->ids);
        for (int32_t i = 0; i < count; i++) {
                jute_put_cstr(&b->ids, ids[i].scheme);
                jute_put_cstr(&b->ids, ids[i].id);
        }
        b->id_vec = (struct jute_vec){.data = b->ids.data, .size = b->ids.len, .count = count};
}

/* ---- encoding ---- */

void put_acl(struct jute_writer *w, const struct test_acl *acl, int32_t count)
{
        jute_put_int(w, count);
        for (int32_t i = 0; i < count; i++) {
                jute_put_int(w, acl[i].perms);
                jute_put_cstr(w, acl[i].id.scheme);
                jute_put_cstr(w, acl[i].id.id);
        }
}

static void put_op_acl(struct jute_writer *w, const struct test_op *op)
{
        static const struct test_acl open = {ACL_ALL, {"world", "anyone"}};
        if (op->acl)
                put_acl(w, op->acl, op->acl_count);
        else
                put_acl(w, &open, 1);
}

void put_op(struct jute_writer *w, const struct test_op *op)
{
        jute_put_str(w, op->path);
        switch (op->opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                jute_put_str(w, op->data);
                put_op_acl(w, op);
                jute_put_int(w, op->number);
                if (op->opcode == OP_CREATE_TTL)
                        jute_put_long(w, op->ttl);
                break;
        case OP_SET_DATA:
                jute_put_str(w, op->data);
                jute_put_int(w, op->number);
                break;
        case OP_SET_ACL:
                put_op_acl(w, op);
                jute_put_int(w, op->number);
                break;
        default: /* delete, check */
                jute_put_int(w, op->number);
                break;
        }
}

void put_multi_op(struct jute_writer *w, const struct test_op *op)
{
        const struct jute_multi_header h = {.type = op->opcode, .done = false, .err = -1};
        jute_put_multi_header(w, &h);
        put_op(w, op);
}

void put_multi_end(struct jute_writer *w)
{
        const struct jute_multi_header h = {.type = -1, .done = true, .err = -1};
        jute_put_multi_header(w, &h);
}

/* ---- proposing ---- */

/* What was made is a transaction for this request: its header, and an error that stands in it too. */
static void check_payload(const struct bench *b, const struct prep_request *r, int err)
{
        struct jute_reader in;
        struct jute_txn_header h;
        jute_reader_init(&in, b->txn.data, b->txn.len, BENCH_ITEM_MAX);
        jute_get_txn_header(&in, &h);
        assert_int_equal(h.session_id, r->session);
        assert_int_equal(h.cxid, r->cxid);
        assert_int_equal(h.zxid, b->zxid);
        assert_int_equal(h.time, b->wall_ms + (int64_t)b->now_ms);
        assert_int_equal(h.type, err ? OP_ERROR : r->opcode);
        if (err) {
                assert_int_equal(jute_get_int(&in), err);
                assert_int_equal(jute_left(&in), 0); /* no digest */
        } else {
                (void)jute_get_raw(&in, jute_left(&in) - JUTE_TXN_DIGEST_SIZE);
                assert_int_equal(jute_get_int(&in), JUTE_DIGEST_VERSION);
        }
        assert_int_equal(in.error, 0);
}

int bench_request(struct bench *b, int32_t opcode, struct jute_str body)
{
        struct prep_request r = {.session = b->session,
                                 .cxid = ++b->cxid,
                                 .opcode = opcode,
                                 .body = body,
                                 .ids = b->id_vec,
                                 .sweep = b->sweep,
                                 .from_sid = b->sid};
        b->zxid++;
        b->now_ms += 3;
        jute_writer_reset(&b->txn);
        int err = prep_make(b->prep, b->now_ms, &r, b->zxid, b->wall_ms + (int64_t)b->now_ms, &b->txn);
        assert_int_equal(b->txn.error, 0);
        check_payload(b, &r, err);
        b->queue = mem_grow(b->queue, &b->capacity, b->end + 1, sizeof *b->queue);
        b->queue[b->end++] = (struct proposal){.payload = mem_dup(b->txn.data, b->txn.len),
                                               .len = b->txn.len,
                                               .zxid = b->zxid,
                                               .err = err,
                                               .request = {.session = r.session, .cxid = r.cxid, .opcode = opcode}};
        return err;
}

int bench_op(struct bench *b, const struct test_op *op)
{
        jute_writer_reset(&b->body);
        put_op(&b->body, op);
        return bench_request(b, op->opcode, jute_str_of(b->body.data, b->body.len));
}

int bench_multi(struct bench *b, const struct test_op *ops, size_t count)
{
        jute_writer_reset(&b->body);
        for (size_t i = 0; i < count; i++)
                put_multi_op(&b->body, &ops[i]);
        put_multi_end(&b->body);
        return bench_request(b, OP_MULTI, jute_str_of(b->body.data, b->body.len));
}

int bench_create_session(struct bench *b, int64_t session, int32_t timeout_ms)
{
        int64_t kept = b->session;
        jute_writer_reset(&b->body);
        jute_put_int(&b->body, timeout_ms);
        b->session = session;
        int err = bench_request(b, OP_CREATE_SESSION, jute_str_of(b->body.data, b->body.len));
        b->session = kept;
        return err;
}

int bench_close_session(struct bench *b, int64_t session)
{
        int64_t kept = b->session;
        b->session = session;
        int err = bench_request(b, OP_CLOSE_SESSION, STR_NULL);
        b->session = kept;
        return err;
}

int bench_create_ttl(struct bench *b, const char *path, int64_t ttl_ms)
{
        const struct test_op op = {
                .opcode = OP_CREATE_TTL, .path = jute_cstr(path), .data = STR("x"), .number = 5, .ttl = ttl_ms};
        return bench_op(b, &op);
}

int bench_sweep(struct bench *b, const char *path)
{
        int64_t session = b->session;
        jute_writer_reset(&b->body);
        jute_put_cstr(&b->body, path);
        b->session = 0;
        b->sweep = true;
        int err = bench_request(b, OP_DELETE_CONTAINER, jute_str_of(b->body.data, b->body.len));
        b->session = session;
        b->sweep = false;
        return err;
}

int bench_create(struct bench *b, const char *path, int32_t flags)
{
        return bench_op(
                b, &(struct test_op){.opcode = OP_CREATE, .path = jute_cstr(path), .data = STR("x"), .number = flags});
}

int bench_delete(struct bench *b, const char *path)
{
        return bench_op(b, &(struct test_op){.opcode = OP_DELETE, .path = jute_cstr(path), .number = -1});
}

int bench_set(struct bench *b, const char *path, const char *data, int32_t version)
{
        return bench_op(
                b, &(struct test_op){
                           .opcode = OP_SET_DATA, .path = jute_cstr(path), .data = jute_cstr(data), .number = version});
}

/* ---- what was proposed ---- */

const struct proposal *bench_last(const struct bench *b)
{
        assert_true(b->end > b->first);
        return &b->queue[b->end - 1];
}

struct jute_str bench_last_path(const struct bench *b)
{
        const struct proposal *p = bench_last(b);
        struct jute_reader r;
        struct jute_txn_header h;
        jute_reader_init(&r, p->payload, p->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        return jute_get_str(&r);
}

int32_t bench_multi_err(const struct bench *b, size_t index)
{
        const struct proposal *p = bench_last(b);
        struct jute_reader r;
        struct jute_txn_header h;
        struct jute_txn_op op = {.type = 0};
        jute_reader_init(&r, p->payload, p->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        assert_int_equal(h.type, OP_MULTI);
        assert_true((size_t)jute_get_int(&r) > index);
        for (size_t i = 0; i <= index; i++)
                jute_get_txn_op(&r, &op);
        if (op.type != OP_ERROR)
                return ZK_OK;
        struct jute_reader body;
        jute_reader_init(&body, op.body.data, (size_t)op.body.len, BENCH_ITEM_MAX);
        return jute_get_int(&body);
}

size_t bench_outstanding(const struct bench *b)
{
        return b->end - b->first;
}

/* ---- applying ---- */

static void check_outcome(const struct bench *b, const struct proposal *p)
{
        const struct outcome *o = &b->outcome;
        assert_false(o->digest_mismatch);
        assert_int_equal(o->err, p->err);
        /* In a multi that is all of a piece, nothing that was promised may fail. */
        bool failed = false;
        for (size_t i = 0; i < o->op_count; i++)
                failed = failed || o->ops[i].type == OP_ERROR;
        for (size_t i = 0; i < o->op_count && !failed; i++)
                assert_int_equal(o->ops[i].err, 0);
}

void bench_apply(struct bench *b, size_t count)
{
        for (; count > 0 && b->first < b->end; count--) {
                struct proposal *p = &b->queue[b->first++];
                assert_int_equal(database_apply(b->db, p->payload, p->len, &b->outcome), 0);
                check_outcome(b, p);
                if (p->request.opcode == OP_CLOSE_SESSION)
                        session_clock_remove(b->clock, p->request.session);
                prep_applied(b->prep, p->zxid);
                mem_free(p->payload);
        }
        if (b->first == b->end)
                b->first = b->end = 0;
}

void bench_settle(struct bench *b)
{
        bench_apply(b, SIZE_MAX);
        assert_int_equal(prep_pending(b->prep), 0);
}

void bench_force_create(struct bench *b, const char *path, int32_t parent_cversion)
{
        assert_int_equal(bench_outstanding(b), 0);
        struct jute_txn_header h = {.session_id = b->session, .zxid = ++b->zxid, .time = 1, .type = OP_CREATE};
        jute_writer_reset(&b->txn);
        jute_put_txn_header(&b->txn, &h);
        jute_put_cstr(&b->txn, path);
        jute_put_str(&b->txn, STR_NULL);
        put_acl(&b->txn, &(struct test_acl){ACL_ALL, {"world", "anyone"}}, 1);
        jute_put_bool(&b->txn, false);
        jute_put_int(&b->txn, parent_cversion);
        assert_int_equal(database_apply(b->db, b->txn.data, b->txn.len, &b->outcome), 0);
        assert_int_equal(b->outcome.err, 0);
        prep_applied(b->prep, b->zxid);
}

const struct znode *bench_find(const struct bench *b, const char *path)
{
        return tree_find(database_tree(b->db), jute_cstr(path));
}

void bench_stat(const struct bench *b, const char *path, struct jute_stat *ret)
{
        const struct znode *n = bench_find(b, path);
        assert_non_null(n);
        znode_stat(n, ret);
}
