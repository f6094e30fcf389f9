/* Requests against what is proposed and not applied yet; what is foretold, and for how long; limits. */
#include "election/base/alloc.h"
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 100000

static int create_data(struct bench *b, const char *path, struct jute_str data)
{
        return bench_op(b, &(struct test_op){.opcode = OP_CREATE, .path = jute_cstr(path), .data = data});
}

static void assert_sequence(struct bench *b, const char *path, const char *made)
{
        assert_int_equal(bench_create(b, path, 2), ZK_OK);
        if (!jute_str_is(bench_last_path(b), made))
                fail_msg("made %.*s, expected %s", (int)bench_last_path(b).len, (const char *)bench_last_path(b).data,
                         made);
}

/* ---- sequence numbers (client-protocol.md 6.1, safety S11) ---- */

static void test_sequence_numbers_count_every_creation_in_flight(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/p", 0);
        assert_sequence(b, "/p/s", "/p/s0000000000");
        assert_sequence(b, "/p/", "/p/0000000001");
        bench_create(b, "/p/plain", 0);
        assert_sequence(b, "/p/t", "/p/t0000000003");
        bench_delete(b, "/p/t0000000003");
        bench_delete(b, "/p/plain");
        assert_sequence(b, "/p/t", "/p/t0000000004");
        assert_int_equal(bench_create(b, "/p/plain/x", 0), ZK_NO_NODE); /* a failure counts for nothing */
        assert_sequence(b, "/p/t", "/p/t0000000005");
        bench_apply(b, 4);
        assert_sequence(b, "/p/t", "/p/t0000000006");
        bench_settle(b);
        assert_sequence(b, "/p/t", "/p/t0000000007");
        assert_sequence(b, "/", "/0000000001"); /* the nodes of a fresh tree do not count, /p does */
        bench_settle(b);
        bench_free(b);
}

/* Applying only ever raises the parent's counter, so it stands still at its end (storage-format.md 3): the
 * number repeats, whether the creations before are applied or not. */
static void test_the_last_sequence_number_repeats(void **state)
{
        (void)state;
        for (int lag = 0; lag < 2; lag++) {
                struct bench *b = bench_new();
                bench_create(b, "/p", 0);
                bench_settle(b);
                bench_force_create(b, "/p/x", INT32_MAX - 1);
                assert_sequence(b, "/p/s", "/p/s2147483646");
                bench_apply(b, !lag);
                assert_sequence(b, "/p/s", "/p/s2147483647");
                bench_apply(b, !lag);
                assert_int_equal(bench_create(b, "/p/s", 2), ZK_NODE_EXISTS);
                assert_sequence(b, "/p/t", "/p/t2147483647");
                bench_apply(b, lag ? 0 : 2);
                assert_int_equal(bench_delete(b, "/p/s2147483647"), ZK_OK);
                assert_sequence(b, "/p/s", "/p/s2147483647");
                assert_int_equal(bench_create(b, "/p/plain", 0), ZK_OK);
                bench_settle(b);
                struct jute_stat_persisted stat;
                znode_stat_persisted(bench_find(b, "/p"), &stat);
                assert_int_equal(stat.cversion, INT32_MAX);
                bench_free(b);
        }
}

static void put_snapshot_node(struct jute_writer *w, const char *path, int32_t cversion)
{
        const struct jute_stat_persisted stat = {.cversion = cversion};
        jute_put_cstr(w, path);
        jute_put_cstr(w, "");
        jute_put_long(w, ACL_KEY_OPEN);
        jute_put_stat_persisted(w, &stat);
}

/* A counter that is negative in a snapshot prints as Java's %010d does; -1 in a transaction stands for the
 * stored count and one, which is the same. */
static void test_negative_sequence_numbers_count_up_through_zero(void **state)
{
        (void)state;
        struct jute_writer w;
        struct database_loader *l = database_loader_new(BENCH_ITEM_MAX);
        size_t consumed;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_long(&w, 0); /* no sessions, no ACL rows */
        put_snapshot_node(&w, "", 0);
        put_snapshot_node(&w, "/p", -3);
        jute_put_cstr(&w, "/");
        assert_int_equal(database_loader_feed(l, w.data, w.len, &consumed), 1);
        struct bench *b = bench_new_on(database_loader_take(l, 0));
        database_loader_free(l);
        jute_writer_done(&w);
        assert_sequence(b, "/p/s", "/p/s-000000003");
        assert_sequence(b, "/p/s", "/p/s-000000002");
        assert_sequence(b, "/p/s", "/p/s-000000001");
        assert_sequence(b, "/p/s", "/p/s0000000000");
        bench_settle(b);
        bench_free(b);
}

/* ---- versions, children, kinds ---- */

static void test_versions_are_those_in_flight(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/n", 0);
        assert_int_equal(bench_set(b, "/n", "1", 1), ZK_BAD_VERSION);
        assert_int_equal(bench_set(b, "/n", "1", 0), ZK_OK);
        assert_int_equal(bench_set(b, "/n", "2", 0), ZK_BAD_VERSION);
        assert_int_equal(bench_set(b, "/n", "2", 1), ZK_OK);
        const struct test_op stale = {.opcode = OP_DELETE, .path = STR("/n"), .number = 1};
        assert_int_equal(bench_op(b, &stale), ZK_BAD_VERSION);
        bench_apply(b, 2);
        assert_int_equal(bench_set(b, "/n", "3", 2), ZK_OK);
        bench_apply(b, 1);
        assert_int_equal(bench_set(b, "/n", "4", 3), ZK_OK);
        bench_delete(b, "/n");
        bench_create(b, "/n", 0);
        assert_int_equal(bench_set(b, "/n", "5", 0), ZK_OK); /* a new node, versions from 0 */
        bench_settle(b);
        struct jute_stat stat;
        bench_stat(b, "/n", &stat);
        assert_int_equal(stat.version, 1);
        bench_free(b);
}

static void test_children_in_flight_keep_their_parent(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/p", 0);
        bench_settle(b);
        bench_create(b, "/p/a", 0);
        bench_create(b, "/p/b", 0);
        assert_int_equal(bench_delete(b, "/p"), ZK_NOT_EMPTY);
        bench_delete(b, "/p/a");
        assert_int_equal(bench_delete(b, "/p"), ZK_NOT_EMPTY);
        bench_delete(b, "/p/b");
        assert_int_equal(bench_delete(b, "/p"), ZK_OK);
        assert_int_equal(bench_create(b, "/p/c", 0), ZK_NO_NODE);
        assert_int_equal(bench_delete(b, "/p"), ZK_NO_NODE);
        assert_int_equal(bench_create(b, "/p", 1), ZK_OK);
        assert_int_equal(bench_create(b, "/p/c", 0), ZK_NO_CHILDREN_FOR_EPHEMERALS);
        bench_settle(b);
        bench_free(b);
}

static void test_a_child_in_the_tree_may_be_on_its_way_out(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/p", 0);
        bench_create(b, "/p/a", 0);
        bench_settle(b);
        bench_delete(b, "/p/a");
        assert_int_equal(bench_set(b, "/p/a", "", -1), ZK_NO_NODE);
        assert_int_equal(bench_delete(b, "/p"), ZK_OK);
        bench_settle(b);
        assert_null(bench_find(b, "/p"));
        bench_free(b);
}

/* ---- the digest: bench_apply() compares it each time ---- */

static void test_the_digest_covers_null_empty_and_changed_data(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        create_data(b, "/null", STR_NULL);
        create_data(b, "/empty", STR(""));
        create_data(b, "/full", STR("some\0data"));
        bench_create(b, "/null/kid", 0);
        bench_set(b, "/full", "other", -1);
        bench_create(b, "/full/kid", 0); /* the parent is digested anew, its data only being foretold */
        bench_op(b, &(struct test_op){.opcode = OP_SET_DATA, .path = STR("/full"), .data = STR_NULL, .number = -1});
        bench_create(b, "/full/kid2", 0);
        bench_settle(b);
        bench_create(b, "/full/kid3", 0); /* and anew, with its data in the tree */
        bench_set(b, "/full", "more", -1);
        bench_settle(b);
        bench_free(b);
}

static void test_the_root_is_one_node_under_two_names(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_set(b, "/", "root", 0);
        bench_create(b, "/n", 0);
        bench_set(b, "/", "toor", 1);
        bench_create(b, "/m", 2);
        assert_int_equal(bench_set(b, "/", "", 0), ZK_BAD_VERSION);
        bench_settle(b);
        struct jute_stat stat;
        bench_stat(b, "/", &stat);
        assert_int_equal(stat.version, 2);
        assert_int_equal(stat.num_children, 3);
        bench_free(b);
}

/* Nodes below /zookeeper/ do not count, /zookeeper itself does (storage-format.md 7). */
static void test_the_reserved_tree_counts_by_its_top_alone(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/zookeeper/x", 0);
        bench_create(b, "/zookeeper/x/y", 1);
        bench_set(b, "/zookeeper", "z", -1);
        bench_set(b, "/zookeeper/x", "z", -1);
        bench_create(b, "/zookeepers", 0);
        bench_create(b, "/zookeepers/x", 0);
        bench_delete(b, "/zookeeper/x/y");
        bench_settle(b);
        bench_free(b);
}

/* ---- for how long ---- */

static void test_a_forecast_holds_until_its_last_transaction_is_applied(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        assert_int_equal(prep_pending(b->prep), 0);
        bench_create(b, "/a", 0); /* root, /a */
        assert_int_equal(prep_pending(b->prep), 2);
        bench_create(b, "/b", 0); /* root, /b */
        assert_int_equal(prep_pending(b->prep), 3);
        bench_set(b, "/gone", "", -1); /* a failure looks at paths too */
        assert_int_equal(prep_pending(b->prep), 4);
        bench_apply(b, 1);
        assert_int_equal(prep_pending(b->prep), 3);
        bench_apply(b, 1);
        assert_int_equal(prep_pending(b->prep), 1);
        bench_settle(b);
        bench_free(b);
}

/* As a server does that begins to lead, and one that stops in the middle of things. */
static void test_a_new_one_starts_from_what_the_tree_holds(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/a", 1);
        bench_settle(b);
        prep_free(b->prep);
        b->prep = prep_new(b->db, b->clock, BENCH_ITEM_MAX, JUTE_MAXBUFFER_DEFAULT);
        assert_int_equal(bench_create(b, "/a/b", 0), ZK_NO_CHILDREN_FOR_EPHEMERALS);
        assert_int_equal(bench_delete(b, "/a"), ZK_OK);
        prep_free(b->prep); /* with forecasts in it */
        b->prep = prep_new(b->db, b->clock, BENCH_ITEM_MAX, JUTE_MAXBUFFER_DEFAULT);
        prep_free(NULL);
        bench_free(b);
}

/* A hundred thousand in flight, under one parent, then under as many; it has to end in time, so nothing may
 * cost by the number of all. */
static void test_a_hundred_thousand_may_be_outstanding(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        char path[64];
        bench_create(b, "/p", 0);
        for (int i = 0; i < MANY; i++)
                assert_int_equal(bench_create(b, "/p/n", 2), ZK_OK);
        assert_int_equal(bench_outstanding(b), MANY + 1);
        assert_int_equal(prep_pending(b->prep), MANY + 2);
        bench_apply(b, MANY / 2);
        assert_int_equal(bench_create(b, "/p/n", 2), ZK_OK);
        bench_settle(b);
        for (int i = 0; i < MANY; i++) {
                (void)snprintf(path, sizeof path, "/p/n%010d", i);
                assert_int_equal(i % 2 ? bench_set(b, path, "y", 0) : bench_delete(b, path), ZK_OK);
        }
        bench_settle(b);
        assert_int_equal(znode_children(bench_find(b, "/p")), MANY / 2 + 1);
        bench_free(b);
}

/* ---- how long a payload may be ---- */

#define LIMIT 1000

static int set_bytes(struct bench *b, size_t size)
{
        uint8_t *data = mem_zalloc(size);
        int err = bench_op(
                b, &(struct test_op){
                           .opcode = OP_SET_DATA, .path = STR("/n"), .data = jute_str_of(data, size), .number = -1});
        mem_free(data);
        return err;
}

static void test_no_payload_is_longer_than_the_limit_and_its_slack(void **state)
{
        (void)state;
        struct bench *b = bench_new_limited(LIMIT);
        const size_t most = LIMIT + PREP_SLACK_BYTES;
        /* setData: path, data and version around the data. */
        const size_t around = JUTE_TXN_HEADER_SIZE + 4 + 2 + 4 + 4 + JUTE_TXN_DIGEST_SIZE;
        bench_create(b, "/n", 0);
        assert_int_equal(set_bytes(b, most - around), ZK_OK);
        assert_int_equal(bench_last(b)->len, most);
        for (size_t more = 1; more <= JUTE_TXN_DIGEST_SIZE + 1; more++)
                assert_int_equal(set_bytes(b, most - around + more), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_set(b, "/n", "", 1), ZK_OK); /* the refused ones have changed nothing */
        bench_settle(b);
        bench_free(b);
}

static void test_a_create_that_would_be_too_long_is_refused(void **state)
{
        (void)state;
        struct bench *b = bench_new_limited(LIMIT);
        uint8_t *data = mem_zalloc(LIMIT + PREP_SLACK_BYTES);
        assert_int_equal(create_data(b, "/n", jute_str_of(data, LIMIT + PREP_SLACK_BYTES)), ZK_MARSHALLING_ERROR);
        assert_int_equal(create_data(b, "/n", jute_str_of(data, PREP_SLACK_BYTES)), ZK_OK);
        mem_free(data);
        /* An ACL that `auth` makes longer than a whole frame. */
        struct test_id ids[LIMIT / 8];
        const struct test_acl all[] = {{31, {"auth", ""}}};
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
                ids[i] = (struct test_id){"digest", "user:pass"};
        bench_ids(b, ids, sizeof ids / sizeof *ids);
        assert_int_equal(
                bench_op(b, &(struct test_op){.opcode = OP_CREATE, .path = STR("/m"), .acl = all, .acl_count = 1}),
                ZK_INVALID_ACL);
        assert_int_equal(bench_delete(b, "/m"), ZK_NO_NODE);
        bench_settle(b);
        bench_free(b);
}

/* Where the headroom is less than the slack, it is what counts: no log gives a longer record back. */
static void test_no_payload_is_longer_than_what_can_be_read(void **state)
{
        (void)state;
        enum { MAX = 4096, EXTRA = 1024 };
        struct bench *b = bench_new_headroom(MAX, MAX + EXTRA);
        const size_t around = JUTE_TXN_HEADER_SIZE + 4 + 2 + 4 + 4 + JUTE_TXN_DIGEST_SIZE;
        bench_create(b, "/n", 0);
        assert_int_equal(set_bytes(b, MAX + EXTRA - around), ZK_OK);
        assert_int_equal(bench_last(b)->len, MAX + EXTRA);
        assert_int_equal(set_bytes(b, MAX + EXTRA - around + 1), ZK_MARSHALLING_ERROR);
        bench_settle(b);
        bench_free(b);
}

/* The operation that does not fit fails, its successors with it. */
static void test_an_operation_of_a_multi_that_would_be_too_long_fails(void **state)
{
        (void)state;
        struct bench *b = bench_new_limited(LIMIT);
        uint8_t *data = mem_zalloc(LIMIT + PREP_SLACK_BYTES);
        const struct test_op small = {.opcode = OP_CREATE, .path = STR("/n"), .data = STR("x"), .number = 2};
        const struct test_op ops[] = {
                small,
                {.opcode = OP_CREATE, .path = STR("/big"), .data = jute_str_of(data, LIMIT + PREP_SLACK_BYTES)},
                small};
        assert_int_equal(bench_multi(b, ops, 3), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_OK);
        assert_int_equal(bench_multi_err(b, 1), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_multi_err(b, 2), ZK_RUNTIME_INCONSISTENCY);
        mem_free(data);
        assert_sequence(b, "/n", "/n0000000000");
        bench_settle(b);
        bench_free(b);
}

/* When there is no room for its failures either, the whole fails. Names grow by their numbers here. */
static void test_a_multi_that_would_be_too_long_fails_whole(void **state)
{
        (void)state;
        enum { OPS = 12000 };
        struct bench *b = bench_new_limited(LIMIT);
        struct test_op *ops = mem_zalloc(OPS * sizeof *ops);
        for (size_t i = 0; i < OPS; i++)
                ops[i] = (struct test_op){.opcode = OP_CREATE, .path = STR("/n"), .data = STR("x"), .number = 2};
        assert_int_equal(bench_multi(b, ops, OPS), ZK_MARSHALLING_ERROR);
        assert_sequence(b, "/n", "/n0000000000");
        assert_int_equal(bench_multi(b, ops, OPS / 2), ZK_OK);
        assert_in_range(bench_last(b)->len, OPS / 2 * 60, LIMIT + PREP_SLACK_BYTES);
        assert_sequence(b, "/n", "/n0000006001");
        assert_int_equal(bench_multi(b, ops, OPS), ZK_MARSHALLING_ERROR);
        assert_sequence(b, "/n", "/n0000006002");
        mem_free(ops);
        bench_settle(b);
        bench_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sequence_numbers_count_every_creation_in_flight),
                cmocka_unit_test(test_the_last_sequence_number_repeats),
                cmocka_unit_test(test_negative_sequence_numbers_count_up_through_zero),
                cmocka_unit_test(test_versions_are_those_in_flight),
                cmocka_unit_test(test_children_in_flight_keep_their_parent),
                cmocka_unit_test(test_a_child_in_the_tree_may_be_on_its_way_out),
                cmocka_unit_test(test_the_digest_covers_null_empty_and_changed_data),
                cmocka_unit_test(test_the_root_is_one_node_under_two_names),
                cmocka_unit_test(test_the_reserved_tree_counts_by_its_top_alone),
                cmocka_unit_test(test_a_forecast_holds_until_its_last_transaction_is_applied),
                cmocka_unit_test(test_a_new_one_starts_from_what_the_tree_holds),
                cmocka_unit_test(test_a_hundred_thousand_may_be_outstanding),
                cmocka_unit_test(test_no_payload_is_longer_than_the_limit_and_its_slack),
                cmocka_unit_test(test_no_payload_is_longer_than_what_can_be_read),
                cmocka_unit_test(test_a_create_that_would_be_too_long_is_refused),
                cmocka_unit_test(test_an_operation_of_a_multi_that_would_be_too_long_fails),
                cmocka_unit_test(test_a_multi_that_would_be_too_long_fails_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
