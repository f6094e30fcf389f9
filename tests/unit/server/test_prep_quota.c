/* Limits enforced where transactions are made (client-protocol.md 5.3 and 6.4). */
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define Q "/zookeeper/quota"

static int create(struct bench *b, const char *path, const char *data)
{
        const struct test_op op = {.opcode = OP_CREATE, .path = jute_cstr(path), .data = jute_cstr(data)};
        return bench_op(b, &op);
}

/* /app with a quota, everything applied. */
static struct bench *limited(const char *limits)
{
        struct bench *b = bench_new();
        assert_int_equal(create(b, "/app", ""), ZK_OK);
        assert_int_equal(create(b, Q "/app", ""), ZK_OK);
        assert_int_equal(create(b, Q "/app/zookeeper_limits", limits), ZK_OK);
        assert_int_equal(create(b, Q "/app/zookeeper_stats", ""), ZK_OK);
        bench_settle(b);
        prep_enforce_quota(b->prep, true);
        return b;
}

static void test_limits_refuse_only_when_enforced(void **state)
{
        (void)state;
        struct bench *b = limited("countHardLimit=2");
        struct prep_excess x;
        prep_enforce_quota(b->prep, false);
        assert_int_equal(create(b, "/app/1", "x"), ZK_OK);
        assert_int_equal(create(b, "/app/2", "x"), ZK_OK);
        bench_settle(b);
        assert_false(prep_take_excess(b->prep, &x));
        prep_enforce_quota(b->prep, true);
        assert_int_equal(create(b, "/app/3", "x"), ZK_QUOTA_EXCEEDED);
        assert_int_equal(create(b, "/other", "x"), ZK_OK);
        assert_int_equal(bench_delete(b, "/app/1"), ZK_OK);
        assert_int_equal(bench_delete(b, "/app/2"), ZK_OK);
        bench_settle(b);
        assert_int_equal(create(b, "/app/3", "x"), ZK_OK);
        bench_free(b);
}

static void test_what_was_met_can_be_asked_for(void **state)
{
        (void)state;
        struct bench *b = limited("countHardLimit=1,bytes=2");
        struct prep_excess x;
        assert_int_equal(create(b, "/app/1", "123"), ZK_QUOTA_EXCEEDED);
        assert_int_equal(create(b, "/app/2", "123"), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_set(b, "/app", "1234", -1), ZK_OK);
        assert_true(prep_take_excess(b->prep, &x));
        assert_int_equal(x.count, 3);
        assert_int_equal(x.refused, 2);
        assert_true(x.bytes && !x.hard);
        assert_int_equal(x.used, 4);
        assert_int_equal(x.limit, 2);
        assert_true(jute_str_is(jute_str_of(x.path, x.path_len), "/app"));
        assert_true(jute_str_is(jute_str_of(x.name, x.name_len), "app"));
        assert_false(prep_take_excess(b->prep, &x));
        bench_free(b);
}

/* ZooKeeper compares with what has been applied. */
static void test_what_is_under_way_does_not_count(void **state)
{
        (void)state;
        struct bench *b = limited("countHardLimit=2");
        const struct test_op ops[] = {
                {.opcode = OP_CREATE, .path = STR("/app/3")},
                {.opcode = OP_CREATE, .path = STR("/app/4")},
        };
        assert_int_equal(create(b, "/app/1", ""), ZK_OK);
        assert_int_equal(create(b, "/app/2", ""), ZK_OK);
        assert_int_equal(bench_multi(b, ops, 2), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_OK);
        bench_settle(b);
        assert_int_equal(create(b, "/app/5", ""), ZK_QUOTA_EXCEEDED);
        bench_free(b);
}

/* The length that a setData replaces is the one foretold. */
static void test_the_length_replaced_is_the_foretold_one(void **state)
{
        (void)state;
        struct bench *b = limited("byteHardLimit=10");
        assert_int_equal(bench_set(b, "/app", "1234567890", -1), ZK_OK);
        assert_int_equal(bench_set(b, "/app", "12345678901", -1), ZK_OK); /* one more than foretold; 0 are there */
        assert_int_equal(bench_set(b, "/app", "12345678901", -1), ZK_OK);
        bench_settle(b);
        assert_int_equal(bench_set(b, "/app", "12345678901", -1), ZK_OK); /* no change */
        assert_int_equal(bench_set(b, "/app", "123456789012", -1), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_set(b, "/app", "1234567890", -1), ZK_OK);
        bench_free(b);
}

static void test_a_refused_operation_refuses_its_multi(void **state)
{
        (void)state;
        struct bench *b = limited("countHardLimit=1");
        const struct test_op ops[] = {
                {.opcode = OP_CREATE, .path = STR("/free")},
                {.opcode = OP_CREATE, .path = STR("/app/1")},
                {.opcode = OP_DELETE, .path = STR("/free"), .number = -1},
        };
        assert_int_equal(bench_multi(b, ops, 3), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_OK);
        assert_int_equal(bench_multi_err(b, 1), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_multi_err(b, 2), ZK_RUNTIME_INCONSISTENCY);
        bench_settle(b);
        assert_null(bench_find(b, "/free"));
        bench_free(b);
}

/* ZooKeeper throws an exception there that nobody expects. */
static void test_limits_that_cannot_be_read_fail_a_multi_whole(void **state)
{
        (void)state;
        struct bench *b = limited("count");
        const struct test_op ops[] = {
                {.opcode = OP_CREATE, .path = STR("/free")},
                {.opcode = OP_CREATE, .path = STR("/app/1")},
        };
        assert_int_equal(create(b, "/app/1", ""), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_multi(b, ops, 2), ZK_MARSHALLING_ERROR);
        bench_settle(b);
        assert_null(bench_find(b, "/free"));
        bench_free(b);
}

static void test_a_quota_is_judged_after_all_but_the_version(void **state)
{
        (void)state;
        static const struct test_acl read_only[] = {{ACL_READ, {"world", "anyone"}}};
        struct bench *b = limited("countHardLimit=0,byteHardLimit=0");
        prep_enforce_quota(b->prep, false);
        assert_int_equal(create(b, "/app/there", ""), ZK_OK);
        assert_int_equal(bench_create(b, "/app/short", 1), ZK_OK);
        struct test_op closed = {.opcode = OP_CREATE, .path = STR("/app/closed"), .acl = read_only, .acl_count = 1};
        assert_int_equal(bench_op(b, &closed), ZK_OK);
        bench_settle(b);
        prep_enforce_quota(b->prep, true);
        assert_int_equal(create(b, "/app/none/x", "1"), ZK_NO_NODE);
        assert_int_equal(create(b, "/app/closed/x", "1"), ZK_NO_AUTH);
        assert_int_equal(create(b, "/app/x/", "1"), ZK_NO_NODE);
        assert_int_equal(create(b, "/app/there/", "1"), ZK_BAD_ARGUMENTS);
        assert_int_equal(create(b, "/app/there", "1"), ZK_NODE_EXISTS);
        assert_int_equal(create(b, "/app/short/x", "1"), ZK_NO_CHILDREN_FOR_EPHEMERALS);
        assert_int_equal(create(b, "/app/x", "1"), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_set(b, "/app/none", "1", 7), ZK_NO_NODE);
        assert_int_equal(bench_set(b, "/app/closed", "1", 7), ZK_NO_AUTH);
        assert_int_equal(bench_set(b, "/app/there", "1", 7), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_set(b, "/app/there", "", 7), ZK_BAD_VERSION);
        bench_free(b);
}

/* Sequential names, ephemerals, containers: each is one node. */
static void test_every_kind_of_create_is_judged(void **state)
{
        (void)state;
        struct bench *b = limited("countHardLimit=1");
        assert_int_equal(bench_create(b, "/app/s", 2), ZK_QUOTA_EXCEEDED);
        assert_int_equal(bench_create(b, "/app/e", 1), ZK_QUOTA_EXCEEDED);
        const struct test_op box = {.opcode = OP_CREATE_CONTAINER, .path = STR("/app/c"), .number = 4};
        assert_int_equal(bench_op(b, &box), ZK_QUOTA_EXCEEDED);
        bench_free(b);
}

/* An exception that nobody expected, to a ZooKeeper leader. */
static void test_limits_that_can_not_be_read_refuse_everything(void **state)
{
        (void)state;
        struct bench *b = limited("nonsense");
        assert_int_equal(create(b, "/app/x", "1"), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_set(b, "/app", "1", -1), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_set(b, Q "/app/zookeeper_limits", "count=-1", -1), ZK_OK);
        bench_settle(b);
        assert_int_equal(create(b, "/app/x", "1"), ZK_OK);
        bench_free(b);
}

/* What would end every ZooKeeper server that applies it, enforced or not. */
static void test_deadly_nodes_and_texts_are_refused(void **state)
{
        (void)state;
        struct bench *b = limited("");
        const struct test_op op = {
                .opcode = OP_SET_DATA, .path = STR(Q "/app/zookeeper_stats"), .data = STR_NULL, .number = -1};
        prep_enforce_quota(b->prep, false);
        assert_int_equal(create(b, Q "/zookeeper_limits", ""), ZK_BAD_ARGUMENTS);
        assert_int_equal(create(b, "/zookeeper/zookeeper_limits", ""), ZK_BAD_ARGUMENTS);
        assert_int_equal(create(b, Q "/none/zookeeper_limits", ""), ZK_NO_NODE);
        assert_int_equal(bench_set(b, Q "/app/zookeeper_stats", "nonsense", -1), ZK_BAD_ARGUMENTS);
        assert_int_equal(bench_set(b, Q "/app/zookeeper_stats", "nonsense", 7), ZK_BAD_VERSION);
        assert_int_equal(bench_op(b, &op), ZK_BAD_ARGUMENTS);
        assert_int_equal(bench_set(b, Q "/app/zookeeper_stats", "count=9", -1), ZK_OK);
        assert_int_equal(bench_set(b, Q "/app/zookeeper_limits", "nonsense", -1), ZK_OK);
        bench_settle(b);
        /* A ZooKeeper leader may have let one through. */
        bench_force_create(b, "/zookeeper/zookeeper_limits", -1);
        assert_int_equal(bench_delete(b, "/zookeeper/zookeeper_limits"), ZK_BAD_ARGUMENTS);
        assert_int_equal(bench_delete(b, Q "/app/zookeeper_limits"), ZK_OK);
        bench_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limits_refuse_only_when_enforced),
                cmocka_unit_test(test_what_was_met_can_be_asked_for),
                cmocka_unit_test(test_what_is_under_way_does_not_count),
                cmocka_unit_test(test_the_length_replaced_is_the_foretold_one),
                cmocka_unit_test(test_a_refused_operation_refuses_its_multi),
                cmocka_unit_test(test_limits_that_cannot_be_read_fail_a_multi_whole),
                cmocka_unit_test(test_a_quota_is_judged_after_all_but_the_version),
                cmocka_unit_test(test_every_kind_of_create_is_judged),
                cmocka_unit_test(test_limits_that_can_not_be_read_refuse_everything),
                cmocka_unit_test(test_deadly_nodes_and_texts_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
