/* Groups whose znodes are deleted, broken or forged by other hands, and machines that are fenced or whose batond is
 * killed. See test_group.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_test.h"

#include <stdio.h>
#include <string.h>

/* L + B(1+rho)/(1-rho) with 2 s, 1 s and 0.1; and what a commit, a turn and a start take. */
#define LEASE_MS    2000
#define TAKE_MAX_MS (LEASE_MS + 1223 + 500)
#define RENEW_MS    (LEASE_MS / 6 + 10)
/* Until a first holder: nobody knows that nothing runs. */
#define FIRST_MAX_MS 6000

static int begin(struct fleet *f, const struct fleet_options *o)
{
        fleet_test_init(f, o);
        int n = fleet_await_active(f, 0, 0, FIRST_MAX_MS);
        fleet_run(f, 20); /* until it is told */
        return n;
}

/* 80: deleting `active` shortens no wait. The holder sees it and stops; the others wait for what they saw last. */
static void test_80_a_deleted_lease_shortens_no_wait(void **state)
{
        (void)state;
        for (int whole = 0; whole < 2; whole++) {
                struct fleet f;
                struct fleet_options o = fleet_options(22);
                int n = begin(&f, &o);
                int64_t token = fleet_status(&f, n, 0).token;
                fleet_cut_agent(&f, n, true); /* so that it does not release */
                uint64_t at = fleet_now(&f);
                if (whole) {
                        for (int i = 1; i <= 3; i++) {
                                char path[64];
                                (void)snprintf(path, sizeof path, "/baton/groups/web/candidates/node%d", i);
                                assert_int_equal(fleet_delete(&f, path), ZK_OK);
                        }
                        assert_int_equal(fleet_delete(&f, "/baton/groups/web/holder"), ZK_OK);
                        (void)fleet_delete(&f, "/baton/groups/web/candidates"); /* they may be back already */
                }
                assert_int_equal(fleet_delete(&f, "/baton/groups/web/active"), ZK_OK);
                fleet_await_active(&f, 0, n, TAKE_MAX_MS);
                assert_true(fleet_now(&f) - at >= LEASE_MS + 1222 - RENEW_MS);
                assert_true(f.token_seen > token);
                fleet_done(&f);
        }
}

/* A taker that saw nothing, was cut off while the group was taken, and comes back when all of it has been deleted, sees
 * nothing, as before. The holder may still be there: it knows as little of it. */
static void test_80_a_grant_that_nobody_saw_shortens_no_wait(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(31);
        fleet_test_init(&f, &o);
        fleet_run(&f, 1500); /* all have seen nothing, and wait */
        assert_int_equal(f.takes[0], 0);
        fleet_cut_agent(&f, 1, true);
        int n = fleet_await_active(&f, 0, 1, FIRST_MAX_MS);
        fleet_run(&f, 1000);
        for (int i = 2; i <= 3; i++)
                fleet_cut_agent(&f, i, true);
        uint64_t at = fleet_now(&f);
        assert_int_equal(fleet_delete(&f, "/baton/groups/web/holder"), ZK_OK);
        assert_int_equal(fleet_delete(&f, "/baton/groups/web/active"), ZK_OK);
        fleet_cut_agent(&f, 1, false);
        assert_int_equal(fleet_await_active(&f, 0, n, 2 * TAKE_MAX_MS), 1);
        assert_true(fleet_now(&f) - at >= LEASE_MS + 1222 - RENEW_MS);
        fleet_done(&f);
}

/* 80, 87: the holder is there, sees that it was deleted, stops and releases: then nobody waits. */
static void test_87_a_deleted_group_comes_again_with_a_greater_token(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(23);
        int n = begin(&f, &o);
        int64_t token = fleet_status(&f, n, 0).token;
        assert_int_equal(fleet_delete(&f, "/baton/groups/web/holder"), ZK_OK);
        assert_int_equal(fleet_delete(&f, "/baton/groups/web/active"), ZK_OK);
        fleet_await_down(&f, 0, 1500);
        fleet_await_active(&f, 0, 0, TAKE_MAX_MS);
        assert_int_equal(fleet_get(&f, "/baton/groups/web/active", &r), ZK_OK);
        assert_true(r.stat.czxid > token);
        fleet_run(&f, 3000);
        assert_int_equal(f.takes[0], 2);
        fleet_done(&f);
}

/* The record alone is deleted: the holder has `active` still, stops, and writes its release down. */
static void test_a_deleted_holder_is_released(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(24);
        begin(&f, &o);
        assert_int_equal(fleet_delete(&f, "/baton/groups/web/holder"), ZK_OK);
        fleet_await_down(&f, 0, 1500);
        fleet_await_active(&f, 0, 0, 1000);
        fleet_done(&f);
}

/* A value that is none counts as an active holder, for as long as the longest grant known. */
static void test_a_broken_holder_counts_as_active(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(25);
        int n = begin(&f, &o);
        fleet_cut_agent(&f, n, true);
        uint64_t at = fleet_now(&f);
        assert_int_equal(fleet_set(&f, "/baton/groups/web/holder", "{\"state\":\"released\",\"lease_ms\":1}"), ZK_OK);
        fleet_await_active(&f, 0, n, TAKE_MAX_MS);
        assert_true(fleet_now(&f) - at >= LEASE_MS + 1222);
        assert_true(fleet_told(&f, "is no holder; it counts as an active one"));
        fleet_done(&f);
}

/* A value that is well formed, and a lie: it shortens no wait, whatever it says of the lease. */
static void test_a_forged_holder_shortens_no_wait(void **state)
{
        static const char *const lies[] = {
                "{\"node\":\"node1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\","
                "\"lease_ms\":1,\"budget_ms\":1}",
                "{\"node\":\"node1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"released\","
                "\"lease_ms\":1,\"budget_ms\":1}",
        };
        (void)state;
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
                struct fleet f;
                struct fleet_options o = fleet_options(28);
                int n = begin(&f, &o);
                fleet_cut_agent(&f, n, true); /* so that it does not see it and stop */
                uint64_t at = fleet_now(&f);
                assert_int_equal(fleet_set(&f, "/baton/groups/web/holder", lies[i]), ZK_OK);
                fleet_await_active(&f, 0, n, TAKE_MAX_MS);
                assert_true(fleet_now(&f) - at >= LEASE_MS + 1222);
                assert_true(fleet_told(&f, "was written by another hand"));
                fleet_done(&f);
        }
}

/* An operator has made sure that the holder is off, and says so. */
static void test_a_fenced_holder_is_not_waited_for(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(26);
        o.stop_budget_ms = 30000;
        fleet_test_init(&f, &o);
        int n = fleet_await_active(&f, 0, 0, 60000);
        fleet_machine_off(&f, n);
        assert_int_equal(fleet_set(&f, "/baton/groups/web/holder",
                                   "{\"node\":\"node1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"fenced\","
                                   "\"lease_ms\":2000,\"budget_ms\":30000}"),
                         ZK_OK);
        fleet_await_active(&f, 0, n, 6000);
        fleet_done(&f);
}

static void test_a_broken_candidate_takes_nothing(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(27);
        o.policy = POLICY_PRIORITY;
        o.priority[1] = 5;
        int n = begin(&f, &o);
        assert_int_equal(n, 2);
        assert_int_equal(fleet_create(&f, "/baton/groups/web/candidates/ghost", "priority 99"), ZK_OK);
        assert_int_equal(fleet_set(&f, "/baton/groups/web/candidates/node3", "[]"), ZK_OK); /* it mends that */
        fleet_run(&f, 5000);
        assert_int_equal(fleet_active(&f, 0), 2);
        struct group_status st = fleet_status(&f, 1, 0);
        assert_int_equal(st.candidate_count, 4);
        assert_string_equal(st.candidates[0].who.name.text, "ghost");
        assert_false(st.candidates[0].who.healthy);
        assert_true(st.candidates[3].who.healthy);
        fleet_done(&f);
}

/* ---- batond is killed ---- */

/* A stop has hung, its fresh process takes all that is left, and batond is killed so long before the end of the budget.
 * Returns whether the fault struck. */
static bool killed_in_a_rescue(uint32_t left_ms, uint64_t seed)
{
        struct fleet f;
        struct fleet_options o = fleet_options(seed);
        o.supervised = true;
        int n = begin(&f, &o);
        struct fleet_node *node = fleet_node(&f, n);
        struct fleet_worker *w = &node->groups[0].workers[0];
        w->slip_kind = CALL_DEACTIVATE;
        w->slip = FLEET_SLIP_HANG;
        fleet_cut_agent(&f, n, true);
        while (w->state != WORKER_STOPPING)
                fleet_run(&f, 1);
        while (fleet_node_now(node) + left_ms < w->record.deadline_ms + w->record.budget_ms)
                fleet_run(&f, 1);
        assert_true(w->resource.occupied);
        for (int i = 0; i < 30; i++) /* it strikes one of the machines */
                fleet_strike(&f, FLEET_BATOND_KILL);
        bool struck = node->batond == FLEET_BATOND_GONE;
        fleet_run(&f, 1000); /* F6 looks on */
        assert_false(w->resource.occupied);
        fleet_done(&f);
        return struck;
}

/* The guard stops it in time, where there is any. What is struck later breaks a promise that nobody has made: see
 * docs/failover.md, "What this can't do". */
static void test_batond_is_killed_while_its_guard_has_time(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed < 40; seed++)
                assert_true(killed_in_a_rescue(80 + (uint32_t)seed * 3, seed));
        for (uint32_t left_ms = 30; left_ms < 80; left_ms += 7)
                assert_false(killed_in_a_rescue(left_ms, left_ms));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_80_a_deleted_lease_shortens_no_wait),
                cmocka_unit_test(test_80_a_grant_that_nobody_saw_shortens_no_wait),
                cmocka_unit_test(test_87_a_deleted_group_comes_again_with_a_greater_token),
                cmocka_unit_test(test_a_deleted_holder_is_released),
                cmocka_unit_test(test_a_broken_holder_counts_as_active),
                cmocka_unit_test(test_a_forged_holder_shortens_no_wait),
                cmocka_unit_test(test_a_fenced_holder_is_not_waited_for),
                cmocka_unit_test(test_a_broken_candidate_takes_nothing),
                cmocka_unit_test(test_batond_is_killed_while_its_guard_has_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
