/* multi: all or nothing under one zxid (client-protocol.md 4.3, storage-format.md 3, safety S10). */
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a)            (sizeof(a) / sizeof *(a))
#define CREATE(p)           CREATE_AS(OP_CREATE, p, 0)
#define CREATE_AS(op, p, f) ((struct test_op){.opcode = (op), .path = STR(p), .data = STR("x"), .number = (f)})
#define DELETE(p)           ((struct test_op){.opcode = OP_DELETE, .path = STR(p), .number = -1})
#define CHECK(p, v)         ((struct test_op){.opcode = OP_CHECK, .path = STR(p), .number = (v)})
#define SET(p, d, v)        ((struct test_op){.opcode = OP_SET_DATA, .path = STR(p), .data = STR(d), .number = (v)})

static void assert_results(const struct bench *b, const int32_t *errors, size_t count)
{
        for (size_t i = 0; i < count; i++)
                assert_int_equal(bench_multi_err(b, i), errors[i]);
}

static void test_each_operation_sees_the_ones_before_it(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        const struct test_op ops[] = {CREATE("/n"),      SET("/n", "1", 0), CHECK("/n", 1),  CREATE("/n/kid"),
                                      DELETE("/n/kid"),  DELETE("/n"),      CREATE("/n"),    CHECK("/n", 0),
                                      SET("/n", "2", 0), SET("/n", "3", 1), CREATE("/n/kid")};
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        for (size_t i = 0; i < COUNT(ops); i++)
                assert_int_equal(bench_multi_err(b, i), ZK_OK);
        int64_t zxid = bench_last(b)->zxid;
        bench_settle(b);

        struct jute_stat stat;
        bench_stat(b, "/n", &stat);
        assert_int_equal(stat.version, 2);
        assert_int_equal(stat.czxid, zxid);
        assert_int_equal(stat.mzxid, zxid);
        assert_int_equal(stat.pzxid, zxid);
        assert_int_equal(stat.ctime, stat.mtime);
        assert_int_equal(stat.num_children, 1);
        bench_free(b);
}

/* Bodies before the failed operation stay as they are; -2 after it (storage-format.md 3). */
static void test_a_failed_one_says_where_and_does_nothing(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/a", 0);
        bench_settle(b);
        uint64_t digest = tree_digest(database_tree(b->db));
        const struct test_op ops[] = {CREATE("/n"), SET("/a", "1", 0), DELETE("/gone"), CREATE("/m"), DELETE("/a")};
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        assert_results(b, (int32_t[]){0, 0, ZK_NO_NODE, ZK_RUNTIME_INCONSISTENCY, ZK_RUNTIME_INCONSISTENCY}, 5);

        /* The first operation's record is the one that it would have been applied with. */
        const struct proposal *p = bench_last(b);
        struct jute_reader r;
        struct jute_txn_header h;
        struct jute_txn_op op;
        struct jute_create_txn create;
        jute_reader_init(&r, p->payload, p->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        assert_int_equal(jute_get_int(&r), COUNT(ops));
        jute_get_txn_op(&r, &op);
        assert_int_equal(op.type, OP_CREATE);
        struct jute_reader body;
        jute_reader_init(&body, op.body.data, (size_t)op.body.len, BENCH_ITEM_MAX);
        jute_get_create_txn(&body, &create);
        assert_int_equal(body.error, 0);
        assert_int_equal(jute_left(&body), 0);
        assert_true(jute_str_is(create.path, "/n"));
        assert_int_equal(create.parent_cversion, 2);

        bench_settle(b);
        assert_null(bench_find(b, "/n"));
        assert_true(tree_digest(database_tree(b->db)) == digest);
        assert_int_equal(b->outcome.op_count, COUNT(ops));
        for (size_t i = 0; i < COUNT(ops); i++)
                assert_int_equal(b->outcome.ops[i].type, OP_ERROR);
        bench_free(b);
}

/* Whatever kind of forecast the failed multi had changed is as before: found out by requests that are made
 * while it is still outstanding. (Safety scenario 53, mutant M21.) */
static void test_a_failed_one_is_taken_back_from_what_is_foretold(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        const struct test_acl closed[] = {{0, {"world", "anyone"}}};
        bench_create(b, "/p", 0);
        bench_create(b, "/p/s", 2); /* 0 */
        bench_create(b, "/gone", 0);
        bench_create(b, "/eph", 1);
        bench_delete(b, "/gone");
        const struct test_op ops[] = {CREATE_AS(OP_CREATE, "/p/s", 2),
                                      CREATE_AS(OP_CREATE, "/p/s", 3),
                                      SET("/p", "1", 0),
                                      DELETE("/eph"),
                                      CREATE("/gone"),
                                      CREATE("/gone/kid"),
                                      CREATE("/fresh"),
                                      {.opcode = OP_CREATE, .path = STR("/eph"), .acl = closed, .acl_count = 1},
                                      CHECK("/p", 7)};
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        assert_int_equal(bench_multi_err(b, COUNT(ops) - 1), ZK_BAD_VERSION);
        assert_int_equal(bench_multi_err(b, COUNT(ops) - 2), ZK_OK);

        assert_int_equal(bench_create(b, "/p/s", 2), ZK_OK);
        assert_true(jute_str_is(bench_last_path(b), "/p/s0000000001"));
        assert_int_equal(bench_set(b, "/p", "2", 0), ZK_OK);
        assert_int_equal(bench_create(b, "/eph/kid", 0), ZK_NO_CHILDREN_FOR_EPHEMERALS);
        assert_int_equal(bench_set(b, "/gone", "", -1), ZK_NO_NODE);
        assert_int_equal(bench_create(b, "/gone", 0), ZK_OK);
        assert_int_equal(bench_delete(b, "/gone"), ZK_OK);
        assert_int_equal(bench_delete(b, "/fresh"), ZK_NO_NODE);
        assert_int_equal(bench_close_session(b, b->session), ZK_OK);
        assert_int_equal(bench_create_session(b, 77, 10000), ZK_OK);
        b->session = 77;
        assert_int_equal(bench_create(b, "/eph", 0), ZK_OK); /* it was the session's again, and went with it */
        bench_settle(b);
        struct jute_stat stat;
        bench_stat(b, "/p", &stat);
        assert_int_equal(stat.num_children, 2);
        bench_free(b);
}

/* The same without anything outstanding before: forecasts made by the multi itself. */
static void test_a_failed_one_leaves_the_tree_as_it_was(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/p", 0);
        bench_create(b, "/p/s", 2);
        bench_settle(b);
        const struct test_op ops[] = {CREATE_AS(OP_CREATE, "/p/s", 2),
                                      DELETE("/p/s0000000000"),
                                      SET("/p", "1", 0),
                                      DELETE("/p/s0000000001"),
                                      DELETE("/p"),
                                      CREATE("/p"),
                                      CHECK("/p", 1)};
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        assert_int_equal(bench_multi_err(b, COUNT(ops) - 1), ZK_BAD_VERSION);
        assert_int_equal(bench_delete(b, "/p"), ZK_NOT_EMPTY);
        assert_int_equal(bench_create(b, "/p/s", 2), ZK_OK);
        assert_true(jute_str_is(bench_last_path(b), "/p/s0000000001"));
        assert_int_equal(bench_set(b, "/p", "1", 0), ZK_OK);
        bench_settle(b);
        bench_free(b);
}

static void test_many_failed_ones_and_good_ones_may_be_outstanding(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/q", 0);
        for (int i = 0; i < 200; i++) {
                const struct test_op ops[] = {CREATE_AS(OP_CREATE, "/q/s", 2 + i % 2), SET("/q", "x", -1),
                                              i % 3 ? CHECK("/q", -1) : CHECK("/q", 100000)};
                assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
                assert_int_equal(bench_multi_err(b, 2), i % 3 ? ZK_OK : ZK_BAD_VERSION);
                bench_apply(b, i % 5 == 0 ? 4 : 0);
        }
        bench_settle(b);
        struct jute_stat stat;
        bench_stat(b, "/q", &stat);
        assert_int_equal(stat.num_children, 133); /* numbered without a gap */
        assert_non_null(bench_find(b, "/q/s0000000132"));
        bench_free(b);
}

static void test_an_empty_one_takes_a_zxid_and_changes_nothing(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        uint64_t digest = tree_digest(database_tree(b->db));
        assert_int_equal(bench_multi(b, NULL, 0), ZK_OK);
        bench_settle(b);
        assert_int_equal(b->outcome.op_count, 0);
        assert_int_equal(database_zxid(b->db), b->zxid);
        assert_true(tree_digest(database_tree(b->db)) == digest);
        bench_free(b);
}

/* ---- what makes it fail as a whole ---- */

static void assert_fails_whole(struct bench *b, const struct test_op *ops, size_t count)
{
        assert_int_equal(bench_multi(b, ops, count), ZK_MARSHALLING_ERROR);
        assert_true(prep_body_ok(OP_MULTI, jute_str_of(b->body.data, b->body.len), BENCH_ITEM_MAX));
}

static void test_operations_that_have_no_place_in_it_fail_it_whole(void **state)
{
        (void)state;
        static const int32_t outsiders[] = {
                OP_SET_ACL,        OP_EXISTS, OP_GET_DATA, OP_GET_CHILDREN, OP_DELETE_CONTAINER,
                OP_CREATE_SESSION, OP_SYNC,   OP_MULTI,    OP_RECONFIG,     OP_ERROR,
                OP_CLOSE_SESSION,  0,         999};
        struct bench *b = bench_new();
        for (size_t i = 0; i < COUNT(outsiders); i++) {
                const struct test_op ops[] = {CREATE("/n"), {.opcode = outsiders[i], .path = STR("/n")}};
                assert_fails_whole(b, ops, COUNT(ops));
                assert_int_equal(bench_delete(b, "/n"), ZK_NO_NODE);
        }
        bench_settle(b);
        bench_free(b);
}

static void test_a_null_path_fails_it_whole(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_CREATE, OP_DELETE, OP_SET_DATA, OP_CHECK};
        struct bench *b = bench_new();
        for (size_t i = 0; i < COUNT(opcodes); i++) {
                const struct test_op ops[] = {CREATE("/n"), {.opcode = opcodes[i], .path = STR_NULL, .data = STR("")}};
                assert_fails_whole(b, ops, COUNT(ops));
        }
        bench_settle(b);
        bench_free(b);
}

/* Before it has taken a zxid. To createTTL no list is an empty one. Observed on 3.9.5. */
static void test_a_null_acl_fails_it_whole(void **state)
{
        (void)state;
        static const struct test_acl none;
        static const int32_t opcodes[] = {OP_CREATE, OP_CREATE2, OP_CREATE_CONTAINER};
        struct bench *b = bench_new();
        for (size_t i = 0; i < COUNT(opcodes); i++) {
                const struct test_op ops[] = {CREATE("/n"),
                                              {.opcode = opcodes[i], .path = STR("/m"), .acl = &none, .acl_count = -1}};
                assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_MARSHALLING_ERROR);
                assert_false(prep_body_ok(OP_MULTI, jute_str_of(b->body.data, b->body.len), BENCH_ITEM_MAX));
                const struct test_op bad_flags = {
                        .opcode = opcodes[i], .path = STR("/m"), .number = 7, .acl = &none, .acl_count = -1};
                assert_fails_whole(b, &bad_flags, 1);
        }
        const struct test_op with_ttl = {
                .opcode = OP_CREATE_TTL, .path = STR("/m"), .ttl = 9, .acl = &none, .acl_count = -1};
        assert_int_equal(bench_multi(b, &with_ttl, 1), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_INVALID_ACL);
        bench_settle(b);
        bench_free(b);
}

static void test_a_body_that_ends_early_fails_it_whole(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        const struct test_op ops[] = {CREATE("/n"), SET("/n", "y", 0)};
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        bench_delete(b, "/n");
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (size_t i = 0; i < COUNT(ops); i++)
                put_multi_op(&w, &ops[i]);
        put_multi_end(&w);
        for (size_t len = 0; len < w.len; len++)
                assert_int_equal(bench_request(b, OP_MULTI, jute_str_of(w.data, len)), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_request(b, OP_MULTI, STR_NULL), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_delete(b, "/n"), ZK_NO_NODE);
        assert_int_equal(bench_request(b, OP_MULTI, jute_str_of(w.data, w.len)), ZK_OK);
        jute_writer_done(&w);
        bench_settle(b);
        bench_free(b);
}

/* Observed on 3.9.5. */
static void test_flags_say_what_a_create_in_it_makes(void **state)
{
        (void)state;
        enum { WHOLE = 0 };
        static const struct {
                int32_t opcode, flags;
                int64_t ttl;
                int32_t type; /* of the transaction; WHOLE: the multi fails */
                int32_t err;
        } rows[] = {
                {OP_CREATE, 0, 0, OP_CREATE, ZK_OK},
                {OP_CREATE, 1, 0, OP_CREATE, ZK_OK},
                {OP_CREATE, 3, 0, OP_CREATE, ZK_OK},
                {OP_CREATE, 4, 0, OP_CREATE_CONTAINER, ZK_OK},
                {OP_CREATE2, 0, 0, OP_CREATE2, ZK_OK},
                {OP_CREATE2, 4, 0, OP_CREATE_CONTAINER, ZK_OK},
                {OP_CREATE_CONTAINER, 0, 0, OP_CREATE_CONTAINER, ZK_OK},
                {OP_CREATE_CONTAINER, 1, 0, OP_CREATE_CONTAINER, ZK_OK},
                {OP_CREATE_CONTAINER, 4, 0, OP_CREATE_CONTAINER, ZK_OK},
                {OP_CREATE_TTL, 0, 5, OP_CREATE, ZK_OK},
                {OP_CREATE_TTL, 0, -1, OP_CREATE, ZK_OK},
                {OP_CREATE_TTL, 5, 5, OP_ERROR, ZK_UNIMPLEMENTED},
                {OP_CREATE_TTL, 6, 5, OP_ERROR, ZK_UNIMPLEMENTED},
                {OP_CREATE, 5, 0, WHOLE, 0},
                {OP_CREATE2, 6, 0, WHOLE, 0},
                {OP_CREATE_CONTAINER, 5, 0, WHOLE, 0},
                {OP_CREATE, 7, 0, WHOLE, 0},
                {OP_CREATE2, -1, 0, WHOLE, 0},
                {OP_CREATE_TTL, 7, 5, OP_ERROR, ZK_BAD_ARGUMENTS},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct bench *b = bench_new();
                const struct test_op op = {
                        .opcode = rows[i].opcode, .path = STR("/n"), .number = rows[i].flags, .ttl = rows[i].ttl};
                if (rows[i].type == WHOLE) {
                        assert_fails_whole(b, &op, 1);
                        bench_settle(b);
                } else {
                        assert_int_equal(bench_multi(b, &op, 1), ZK_OK);
                        assert_int_equal(bench_multi_err(b, 0), rows[i].err);
                        bench_settle(b);
                        assert_int_equal(b->outcome.ops[0].type, rows[i].type);
                }
                bench_free(b);
        }
}

/* Each operation looks at the session, so the first one fails; an empty multi has none that would. */
static void test_a_session_that_may_not_act_fails_the_first_operation(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        const struct test_op ops[] = {CREATE("/n"), CREATE("/m")};
        b->sid = BENCH_OTHER_SID;
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        assert_results(b, (int32_t[]){ZK_SESSION_MOVED, ZK_RUNTIME_INCONSISTENCY}, 2);
        b->sid = BENCH_SID;
        bench_close_session(b, b->session);
        assert_int_equal(bench_multi(b, ops, COUNT(ops)), ZK_OK);
        assert_results(b, (int32_t[]){ZK_SESSION_EXPIRED, ZK_RUNTIME_INCONSISTENCY}, 2);
        assert_int_equal(bench_multi(b, NULL, 0), ZK_OK);
        bench_settle(b);
        bench_free(b);
}

static void test_missing_identities_fail_it_whole_where_they_are_needed(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        const struct test_op ops[] = {DELETE("/gone/x"), CREATE("/n")};
        bench_ids(b, NULL, -1);
        assert_int_equal(bench_multi(b, ops + 1, 1), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_multi(b, ops, 2), ZK_OK);
        assert_int_equal(bench_multi_err(b, 0), ZK_NO_NODE);
        bench_settle(b);
        bench_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_operation_sees_the_ones_before_it),
                cmocka_unit_test(test_a_failed_one_says_where_and_does_nothing),
                cmocka_unit_test(test_a_failed_one_is_taken_back_from_what_is_foretold),
                cmocka_unit_test(test_a_failed_one_leaves_the_tree_as_it_was),
                cmocka_unit_test(test_many_failed_ones_and_good_ones_may_be_outstanding),
                cmocka_unit_test(test_an_empty_one_takes_a_zxid_and_changes_nothing),
                cmocka_unit_test(test_operations_that_have_no_place_in_it_fail_it_whole),
                cmocka_unit_test(test_a_null_path_fails_it_whole),
                cmocka_unit_test(test_a_null_acl_fails_it_whole),
                cmocka_unit_test(test_a_body_that_ends_early_fails_it_whole),
                cmocka_unit_test(test_flags_say_what_a_create_in_it_makes),
                cmocka_unit_test(test_a_session_that_may_not_act_fails_the_first_operation),
                cmocka_unit_test(test_missing_identities_fail_it_whole_where_they_are_needed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
