/* Sessions as transactions: the clock, and what a closed session takes with it (quorum-protocol.md 5.3,
 * client-protocol.md 3, storage-format.md 3; safety S2, S3). */
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OTHER INT64_C(0x200000000000001)

/* The paths that the last proposal, a closeSession, lists. */
static struct jute_vec listed(const struct bench *b)
{
        const struct proposal *p = bench_last(b);
        struct jute_reader r;
        struct jute_txn_header h;
        struct jute_close_session_txn txn;
        jute_reader_init(&r, p->payload, p->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        assert_int_equal(h.type, OP_CLOSE_SESSION);
        jute_get_close_session_txn(&r, &txn);
        assert_int_equal(r.error, 0);
        assert_int_equal(jute_left(&r), JUTE_TXN_DIGEST_SIZE);
        return txn.paths;
}

static void assert_listed(const struct bench *b, const char *const *paths, int32_t count)
{
        struct jute_vec v = listed(b);
        assert_int_equal(v.count, count);
        for (int32_t i = 0; i < count; i++) {
                struct jute_reader r = jute_vec_reader(&v);
                bool found = false;
                for (int32_t k = 0; k < v.count; k++) {
                        struct jute_str path = jute_get_str(&r);
                        found = found || jute_str_is(path, paths[i]);
                }
                if (!found)
                        fail_msg("%s is not listed", paths[i]);
        }
}

static void test_a_created_session_may_act_at_once(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        b->session = OTHER;
        assert_int_equal(bench_create(b, "/e", 1), ZK_SESSION_EXPIRED);
        b->sid = BENCH_OTHER_SID;
        assert_int_equal(bench_create_session(b, OTHER, 4000), ZK_OK);
        assert_int_equal(bench_create(b, "/e", 1), ZK_OK);
        b->sid = BENCH_SID; /* it belongs to the server that it came through */
        assert_int_equal(bench_create(b, "/f", 1), ZK_SESSION_MOVED);
        bench_settle(b);
        int32_t timeout_ms;
        assert_true(session_table_find(database_sessions(b->db), OTHER, &timeout_ms));
        assert_int_equal(timeout_ms, 4000);
        bench_free(b);
}

static void test_its_clock_runs_from_the_proposal(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        session_clock_remove(b->clock, BENCH_SESSION);
        b->now_ms = 7000; /* the next request is made at 7003 */
        assert_int_equal(bench_create_session(b, OTHER, 4000), ZK_OK);
        assert_int_equal(session_clock_deadline(b->clock), 12000);
        bench_settle(b);
        bench_free(b);
}

static void test_closing_lists_what_is_there_and_what_is_coming_but_not_what_is_going(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create_session(b, OTHER, 10000);
        bench_create(b, "/p", 0);
        bench_create(b, "/p/there", 1);
        bench_create(b, "/p/going", 1);
        bench_create(b, "/p/changed", 1);
        bench_settle(b);
        bench_create(b, "/p/coming", 3);
        bench_create(b, "/p/short", 1);
        bench_delete(b, "/p/short");
        bench_delete(b, "/p/going");
        bench_set(b, "/p/changed", "y", -1);
        b->session = OTHER;
        bench_create(b, "/p/theirs", 1);
        bench_create(b, "/p/going", 1); /* the name, in other hands now */
        b->session = BENCH_SESSION;
        bench_create(b, "/p/lasting", 0);
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        const char *const paths[] = {"/p/there", "/p/changed", "/p/coming0000000003"};
        assert_listed(b, paths, 3);
        bench_settle(b);
        assert_int_equal(znode_children(bench_find(b, "/p")), 3);
        assert_non_null(bench_find(b, "/p/going"));
        assert_false(session_table_find(database_sessions(b->db), BENCH_SESSION, NULL));
        bench_free(b);
}

static void test_what_a_failed_multi_made_is_not_listed(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/kept", 1);
        const struct test_op ops[] = {{.opcode = OP_CREATE, .path = STR("/e"), .number = 1},
                                      {.opcode = OP_DELETE, .path = STR("/kept"), .number = -1},
                                      {.opcode = OP_CHECK, .path = STR("/none")}};
        bench_multi(b, ops, 3);
        bench_close_session(b, BENCH_SESSION);
        assert_listed(b, (const char *const[]){"/kept"}, 1);
        bench_settle(b);
        bench_free(b);
}

static void test_a_name_is_free_again_behind_the_closing(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create_session(b, OTHER, 10000);
        bench_create(b, "/e", 1);
        bench_close_session(b, BENCH_SESSION);
        b->session = OTHER;
        assert_int_equal(bench_create(b, "/e", 1), ZK_OK);
        assert_int_equal(bench_close_session(b, OTHER), ZK_OK);
        assert_listed(b, (const char *const[]){"/e"}, 1);
        bench_settle(b);
        assert_null(bench_find(b, "/e"));
        bench_free(b);
}

/* An ephemeral that was in flight when its session was closed, and is in the tree now, while the closing is
 * still in flight. */
static void test_what_a_closing_takes_stays_gone_while_its_creation_is_applied(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create_session(b, OTHER, 10000);
        bench_create(b, "/e", 1);
        bench_create(b, "/f", 1);
        bench_close_session(b, BENCH_SESSION);
        bench_apply(b, 3);
        assert_non_null(bench_find(b, "/e"));
        b->session = OTHER;
        assert_int_equal(bench_set(b, "/e", "", -1), ZK_NO_NODE);
        assert_int_equal(bench_create(b, "/e", 0), ZK_OK);
        bench_close_session(b, BENCH_SESSION);
        assert_listed(b, NULL, 0);
        bench_settle(b);
        bench_free(b);
}

/* From the moment it is marked closing, and after (safety S2). */
static void test_a_closed_session_may_do_nothing_more(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/n", 0);
        bench_close_session(b, BENCH_SESSION);
        assert_int_equal(bench_create(b, "/e", 1), ZK_SESSION_EXPIRED);
        assert_int_equal(bench_create(b, "/m", 0), ZK_SESSION_EXPIRED);
        assert_int_equal(bench_set(b, "/n", "", -1), ZK_SESSION_EXPIRED);
        assert_int_equal(bench_delete(b, "/n"), ZK_SESSION_EXPIRED);
        assert_int_equal(bench_create_session(b, BENCH_SESSION, 10000), ZK_OK); /* does not open it again */
        assert_int_equal(bench_create(b, "/e", 1), ZK_SESSION_EXPIRED);
        bench_settle(b);
        assert_int_equal(bench_create(b, "/e", 1), ZK_SESSION_EXPIRED);
        bench_settle(b);
        bench_free(b);
}

static void test_a_session_may_be_closed_twice_and_when_unknown(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        bench_create(b, "/e", 1);
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        assert_listed(b, (const char *const[]){"/e"}, 1);
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        assert_listed(b, NULL, 0);
        assert_int_equal(bench_close_session(b, OTHER), ZK_OK);
        assert_listed(b, NULL, 0);
        bench_apply(b, 2);
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        assert_listed(b, NULL, 0);
        bench_settle(b);
        bench_free(b);
}

/* The leader closes it under its own name, whichever server the session was at. */
static void test_an_expired_session_can_be_closed(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        int64_t id;
        bench_create(b, "/e", 1);
        assert_true(session_clock_expire(b->clock, 1000000, &id));
        assert_int_equal(id, BENCH_SESSION);
        b->sid = BENCH_OTHER_SID;
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        assert_listed(b, (const char *const[]){"/e"}, 1);
        bench_settle(b);
        assert_null(bench_find(b, "/e"));
        bench_free(b);
}

/* Containers and TTL nodes carry marks in the owner's place that begin like ids of server 128 and 255. */
static void test_sessions_of_every_server_own_what_they_make(void **state)
{
        (void)state;
        for (uint64_t sid = 0; sid < 256; sid++) {
                const int64_t session = (int64_t)(sid << 56 | UINT64_C(0x12345600000001));
                struct bench *b = bench_new();
                bench_create_session(b, session, 10000);
                b->session = session;
                assert_int_equal(bench_create(b, "/e", 1), ZK_OK);
                assert_int_equal(bench_create(b, "/e/kid", 0), ZK_NO_CHILDREN_FOR_EPHEMERALS);
                bench_settle(b);
                assert_int_equal(bench_create(b, "/e/kid", 0), ZK_NO_CHILDREN_FOR_EPHEMERALS);
                bench_create(b, "/f", 1);
                bench_close_session(b, session);
                assert_listed(b, (const char *const[]){"/e", "/f"}, 2);
                bench_settle(b);
                bench_free(b);
        }
}

/* The list stops at the limit; all of the session's nodes go nevertheless, and the digest knows. Half of them
 * are in the tree, half only foretold. */
static void test_more_ephemerals_than_a_list_can_hold_go_all_the_same(void **state)
{
        (void)state;
        enum { MANY = 100000 };
        struct bench *b = bench_new();
        char path[64];
        bench_create(b, "/p", 0);
        for (int i = 0; i < MANY; i++) {
                (void)snprintf(path, sizeof path, "/p/ephemeral-%d", i);
                assert_int_equal(bench_create(b, path, 1), ZK_OK);
                if (i == MANY / 2)
                        bench_settle(b);
        }
        assert_int_equal(bench_close_session(b, BENCH_SESSION), ZK_OK);
        assert_in_range(listed(b).count, MANY / 3, MANY / 2);
        assert_in_range(bench_last(b)->len, JUTE_MAXBUFFER_DEFAULT - 100,
                        JUTE_MAXBUFFER_DEFAULT + JUTE_TXN_DIGEST_SIZE);
        bench_settle(b);
        assert_int_equal(znode_children(bench_find(b, "/p")), 0);
        assert_int_equal(tree_ephemeral_count(database_tree(b->db)), 0);
        bench_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_created_session_may_act_at_once),
                cmocka_unit_test(test_its_clock_runs_from_the_proposal),
                cmocka_unit_test(test_closing_lists_what_is_there_and_what_is_coming_but_not_what_is_going),
                cmocka_unit_test(test_what_a_failed_multi_made_is_not_listed),
                cmocka_unit_test(test_a_name_is_free_again_behind_the_closing),
                cmocka_unit_test(test_what_a_closing_takes_stays_gone_while_its_creation_is_applied),
                cmocka_unit_test(test_a_closed_session_may_do_nothing_more),
                cmocka_unit_test(test_a_session_may_be_closed_twice_and_when_unknown),
                cmocka_unit_test(test_an_expired_session_can_be_closed),
                cmocka_unit_test(test_sessions_of_every_server_own_what_they_make),
                cmocka_unit_test(test_more_ephemerals_than_a_list_can_hold_go_all_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
