/* Nodes with a time to live, containers, and the leader's own deletions (client-protocol.md 5.3, 6.1, 6.2;
 * storage-format.md 3). bench_apply() holds every digest against the tree's. */
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct bench *extended(void)
{
        struct bench *b = bench_new();
        prep_allow_ttl(b->prep, true);
        return b;
}

static int64_t owner(const struct bench *b, const char *path)
{
        struct jute_stat_persisted stat;
        const struct znode *n = bench_find(b, path);
        assert_non_null(n);
        znode_stat_persisted(n, &stat);
        return stat.ephemeral_owner;
}

static int create(struct bench *b, int32_t opcode, int32_t flags, int64_t ttl)
{
        const struct test_op op = {.opcode = opcode, .path = STR("/t"), .data = STR("x"), .number = flags, .ttl = ttl};
        return bench_op(b, &op);
}

/* 5.3 rows 1 to 3. */
static void test_which_times_and_flags_go_together(void **state)
{
        (void)state;
        static const struct {
                int32_t opcode, flags;
                int64_t ttl;
                int err;
        } rows[] = {
                {OP_CREATE_TTL, 5, 0, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 5, -1, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 5, ZNODE_TTL_MAX + 1, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 6, INT64_MIN, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 0, 5, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 0, -1, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 4, -1, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 7, 5, ZK_BAD_ARGUMENTS},
                {OP_CREATE, 5, 0, ZK_BAD_ARGUMENTS},
                {OP_CREATE2, 6, 0, ZK_BAD_ARGUMENTS},
                {OP_CREATE_CONTAINER, 5, 0, ZK_BAD_ARGUMENTS},
                {OP_CREATE_TTL, 5, 1, ZK_OK},
        };
        struct bench *b = extended();
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(create(b, rows[i].opcode, rows[i].flags, rows[i].ttl), rows[i].err);
        bench_settle(b);
        bench_free(b);
}

/* 6.1: what is stored has the time, what is shown has not. */
static void test_owner_holds_the_time(void **state)
{
        (void)state;
        static const int64_t times[] = {1, 60000, ZNODE_TTL_MAX};
        struct bench *b = extended();
        for (size_t i = 0; i < COUNT(times); i++) {
                struct jute_stat stat;
                assert_int_equal(create(b, OP_CREATE_TTL, 5, times[i]), ZK_OK);
                bench_settle(b);
                assert_int_equal(owner(b, "/t"), (int64_t)(UINT64_C(0xff00000000000000) | (uint64_t)times[i]));
                assert_int_equal(znode_ttl_of_owner(owner(b, "/t")), times[i]);
                bench_stat(b, "/t", &stat);
                assert_int_equal(stat.ephemeral_owner, 0);
                assert_int_equal(bench_create(b, "/t/child", 1), ZK_OK);
                assert_int_equal(bench_delete(b, "/t/child"), ZK_OK);
                assert_int_equal(bench_delete(b, "/t"), ZK_OK);
                bench_settle(b);
        }
        bench_free(b);
}

static void test_sequential_with_a_time(void **state)
{
        (void)state;
        struct bench *b = extended();
        assert_int_equal(create(b, OP_CREATE_TTL, 6, 9), ZK_OK);
        assert_true(jute_str_is(bench_last_path(b), "/t0000000000"));
        bench_settle(b);
        bench_free(b);
}

/* Its session's end leaves it alone. */
static void test_close_of_its_session_leaves_it(void **state)
{
        (void)state;
        struct bench *b = extended();
        assert_int_equal(bench_create_ttl(b, "/t", 1000), ZK_OK);
        assert_int_equal(bench_create(b, "/e", 1), ZK_OK);
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        bench_settle(b);
        assert_non_null(bench_find(b, "/t"));
        assert_null(bench_find(b, "/e"));
        bench_free(b);
}

/* 4.3, as observed on 3.9.5: per operation, with a time in place; of the whole without. */
static void test_times_in_a_multi(void **state)
{
        (void)state;
        const struct test_op ops[] = {
                {.opcode = OP_CREATE_TTL, .path = STR("/a"), .data = STR("x"), .number = 5, .ttl = 7},
                {.opcode = OP_CREATE, .path = STR("/a/b"), .data = STR("x")},
                {.opcode = OP_CREATE_TTL, .path = STR("/c"), .data = STR("x"), .number = 5, .ttl = 0}};
        const struct test_op without = {.opcode = OP_CREATE, .path = STR("/c"), .data = STR("x"), .number = 5};
        struct bench *b = extended();
        assert_int_equal(bench_multi(b, ops, 3), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_OK);
        assert_int_equal(bench_multi_err(b, 2), ZK_BAD_ARGUMENTS);
        assert_int_equal(bench_multi(b, ops, 2), ZK_OK);
        assert_int_equal(bench_multi(b, &without, 1), ZK_MARSHALLING_ERROR);
        bench_settle(b);
        assert_int_equal(znode_ttl_of_owner(owner(b, "/a")), 7);
        assert_null(bench_find(b, "/c"));
        bench_free(b);
}

/* ---- the leader's own deletions ---- */

/* Type 20 of session 0, the path alone. */
static void test_sweep_is_a_deletion_of_nobodys(void **state)
{
        (void)state;
        struct jute_reader r;
        struct jute_txn_header h;
        struct jute_stat stat;
        struct bench *b = extended();
        assert_int_equal(bench_create_ttl(b, "/t", 1), ZK_OK);
        assert_int_equal(bench_sweep(b, "/t"), ZK_OK);
        const struct proposal *c = bench_last(b);
        jute_reader_init(&r, c->payload, c->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        assert_int_equal(h.type, OP_DELETE_CONTAINER);
        assert_int_equal(h.session_id, 0);
        assert_true(jute_str_is(jute_get_str(&r), "/t"));
        assert_int_equal(jute_left(&r), JUTE_TXN_DIGEST_SIZE);
        assert_int_equal(bench_sweep(b, "/t"), ZK_NO_NODE);
        int64_t zxid = c->zxid;
        bench_settle(b);
        assert_null(bench_find(b, "/t"));
        bench_stat(b, "/", &stat);
        assert_int_equal(stat.pzxid, zxid);
        bench_free(b);
}

/* Twice: with the nodes applied, and with them still on their way. */
static void test_nothing_is_swept_that_may_not_be(void **state)
{
        (void)state;
        for (int applied = 0; applied < 2; applied++) {
                struct bench *b = extended();
                assert_int_equal(bench_create(b, "/plain", 0), ZK_OK);
                assert_int_equal(bench_create(b, "/ephemeral", 1), ZK_OK);
                assert_int_equal(bench_create_ttl(b, "/t", 1), ZK_OK);
                if (applied)
                        bench_apply(b, SIZE_MAX);
                assert_int_equal(bench_create(b, "/t/child", 0), ZK_OK);
                assert_int_equal(bench_sweep(b, "/plain"), ZK_BAD_VERSION);
                assert_int_equal(bench_sweep(b, "/ephemeral"), ZK_BAD_VERSION);
                assert_int_equal(bench_sweep(b, "/"), ZK_NOT_EMPTY);
                assert_int_equal(bench_sweep(b, "/zookeeper/quota"), ZK_BAD_VERSION);
                assert_int_equal(bench_sweep(b, "/none"), ZK_NO_NODE);
                assert_int_equal(bench_sweep(b, "none"), ZK_BAD_ARGUMENTS);
                assert_int_equal(bench_sweep(b, NULL), ZK_MARSHALLING_ERROR);
                assert_int_equal(bench_sweep(b, "/t"), ZK_NOT_EMPTY);
                bench_settle(b);
                assert_non_null(bench_find(b, "/t/child"));
                assert_non_null(bench_find(b, "/plain"));
                bench_free(b);
        }
}

/* A member that is ZooKeeper's forwards what a client sent it: 3.8 the bare path, 3.9 a string. */
static void test_nobody_else_may_ask_for_it(void **state)
{
        (void)state;
        struct bench *b = extended();
        struct jute_writer w;
        jute_writer_init(&w, 100);
        jute_put_cstr(&w, "/t");
        assert_int_equal(bench_create_ttl(b, "/t", 1), ZK_OK);
        assert_int_equal(bench_request(b, OP_DELETE_CONTAINER, STR("/t")), ZK_UNIMPLEMENTED);
        assert_int_equal(bench_request(b, OP_DELETE_CONTAINER, jute_str_of(w.data, w.len)), ZK_UNIMPLEMENTED);
        bench_settle(b);
        assert_non_null(bench_find(b, "/t"));
        jute_writer_done(&w);
        bench_free(b);
}

/* ---- what a sweeper is told ---- */

static void test_peek_sees_what_is_on_its_way(void **state)
{
        (void)state;
        struct jute_stat_persisted stat;
        int32_t children;
        struct bench *b = extended();
        assert_false(prep_peek(b->prep, STR("/t"), &stat, &children));
        assert_int_equal(bench_create_ttl(b, "/t", 77), ZK_OK);
        assert_true(prep_peek(b->prep, STR("/t"), &stat, &children));
        assert_int_equal(znode_ttl_of_owner(stat.ephemeral_owner), 77);
        assert_int_equal(children, 0);
        bench_settle(b);
        assert_true(prep_peek(b->prep, STR("/t"), &stat, &children));
        int64_t mtime = stat.mtime;
        assert_int_equal(bench_set(b, "/t", "y", -1), ZK_OK);
        assert_int_equal(bench_create(b, "/t/child", 0), ZK_OK);
        assert_true(prep_peek(b->prep, STR("/t"), &stat, &children));
        assert_true(stat.mtime > mtime && children == 1);
        assert_int_equal(bench_delete(b, "/t/child"), ZK_OK);
        assert_int_equal(bench_delete(b, "/t"), ZK_OK);
        assert_false(prep_peek(b->prep, STR("/t"), &stat, &children));
        bench_settle(b);
        assert_int_equal(prep_pending(b->prep), 0);
        bench_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_which_times_and_flags_go_together),
                cmocka_unit_test(test_owner_holds_the_time),
                cmocka_unit_test(test_sequential_with_a_time),
                cmocka_unit_test(test_close_of_its_session_leaves_it),
                cmocka_unit_test(test_times_in_a_multi),
                cmocka_unit_test(test_sweep_is_a_deletion_of_nobodys),
                cmocka_unit_test(test_nothing_is_swept_that_may_not_be),
                cmocka_unit_test(test_nobody_else_may_ask_for_it),
                cmocka_unit_test(test_peek_sees_what_is_on_its_way),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
