/* Deadlines of grants: docs/failover.md, safety.md 2.2 and F7. */
#include "daemon/supervisor/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BOOT "11111111-2222-3333-4444-555555555555"

static struct grant_record record(enum worker_state state, uint64_t deadline_ms, uint32_t budget_ms)
{
        struct grant_record r = {.boot_id = BOOT,
                                 .state = state,
                                 .token = 7,
                                 .deadline_ms = deadline_ms,
                                 .lease_ms = 2000,
                                 .budget_ms = budget_ms};
        return r;
}

static struct grant_watch watch(enum worker_state state, uint64_t deadline_ms, uint32_t budget_ms)
{
        struct grant_watch w = {.known = false};
        struct grant_record r = record(state, deadline_ms, budget_ms);
        grant_watch_told(&w, &r);
        return w;
}

static void test_only_a_verified_stop_is_no_danger(void **state)
{
        (void)state;
        for (int s = 0; s < WORKER_STATE_COUNT; s++) {
                struct grant_record r = record((enum worker_state)s, 1000, 500);
                assert_int_equal(grant_may_run(&r, BOOT), s != WORKER_STOPPED);
                assert_false(grant_may_run(&r, "another boot"));
                r.deadline_ms = 0;
                assert_false(grant_may_run(&r, BOOT));
        }
}

static void test_nothing_is_judged_before_the_grace_is_over(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 5000);
        assert_int_equal(grant_watch_next_ms(&w), 10000 + GRANT_GRACE_MS);
        assert_int_equal(grant_watch_step(&w, 10000 + GRANT_GRACE_MS - 1), GRANT_FINE);
        assert_int_equal(grant_watch_step(&w, 10000 + GRANT_GRACE_MS), GRANT_OVERDUE);
        assert_int_equal(grant_watch_step(&w, 10000 + GRANT_GRACE_MS), GRANT_FINE);
}

static void test_a_renewal_moves_everything(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 5000);
        struct grant_record r = record(WORKER_ACTIVE, 11000, 5000);
        grant_watch_told(&w, &r);
        assert_int_equal(grant_watch_step(&w, 10500), GRANT_FINE);
        assert_int_equal(grant_watch_next_ms(&w), 11000 + GRANT_GRACE_MS);
}

static void test_a_stop_under_way_gets_its_budget_but_for_the_reserve(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_STOPPING, 10000, 4000);
        assert_int_equal(grant_watch_step(&w, 10100), GRANT_FINE);
        assert_int_equal(grant_watch_next_ms(&w), 13000);
        assert_int_equal(grant_watch_step(&w, 12999), GRANT_FINE);
        assert_int_equal(grant_watch_step(&w, 13000), GRANT_OVERDUE);
        assert_int_equal(grant_watch_next_ms(&w), 14000);
        assert_int_equal(grant_watch_step(&w, 13999), GRANT_FINE);
        assert_int_equal(grant_watch_step(&w, 14000), GRANT_LAST_RESORT);
        assert_int_equal(grant_watch_next_ms(&w), UINT64_MAX);
        assert_int_equal(grant_watch_step(&w, 20000), GRANT_FINE);
}

static void test_a_verified_stop_ends_it_at_any_stage(void **state)
{
        (void)state;
        const uint64_t times[] = {10100, 13000, 13999};
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
                struct grant_watch w = watch(WORKER_STOPPING, 10000, 4000);
                (void)grant_watch_step(&w, times[i]);
                struct grant_record r = record(WORKER_STOPPED, 10000, 4000);
                grant_watch_told(&w, &r);
                assert_int_equal(grant_watch_next_ms(&w), UINT64_MAX);
                assert_int_equal(grant_watch_step(&w, 99999), GRANT_FINE);
        }
}

static void test_small_budgets_leave_time_for_both(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 500);
        assert_int_equal(grant_watch_next_ms(&w), 10100);
        assert_int_equal(grant_watch_step(&w, 10100), GRANT_OVERDUE);
        assert_int_equal(grant_watch_next_ms(&w), 10375);
        w = watch(WORKER_ACTIVE, 10000, 0);
        assert_int_equal(grant_watch_step(&w, 10000), GRANT_OVERDUE);
}

/* A rest between two tries may end with the budget: that is no reason to begin the budget anew. */
static void test_a_fresh_worker_does_not_put_off_the_last_resort(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_STOPPING, 10000, 4000);
        while (grant_watch_next_ms(&w) < 14000)
                (void)grant_watch_step(&w, grant_watch_next_ms(&w));
        grant_watch_fresh(&w, 14000);
        assert_int_equal(grant_watch_next_ms(&w), 14000);
        assert_int_equal(grant_watch_step(&w, 14000), GRANT_LAST_RESORT);
}

/* The machine slept, or the supervisor was down: the last resort is for what a fresh worker could not do. */
static void test_who_comes_late_tries_before_the_last_resort(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 5000);
        assert_int_equal(grant_watch_step(&w, 60000), GRANT_OVERDUE);
        grant_watch_fresh(&w, 60000);
        assert_int_equal(grant_watch_step(&w, 60001), GRANT_FINE);
        assert_int_equal(grant_watch_step(&w, 63750), GRANT_OVERDUE);
        assert_int_equal(grant_watch_step(&w, 65000), GRANT_LAST_RESORT);
}

/* Records of an earlier life, read at the start together with the first workers. */
static void test_a_fresh_worker_is_not_killed_for_what_it_found(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 5000);
        grant_watch_fresh(&w, 60000);
        assert_int_equal(grant_watch_step(&w, 60000), GRANT_FINE);
        assert_true(grant_watch_next_ms(&w) > 60000 && grant_watch_next_ms(&w) < 65000);
        /* Within the budget: the end stays where it was promised. */
        w = watch(WORKER_ACTIVE, 10000, 4000);
        grant_watch_fresh(&w, 10200);
        assert_int_equal(grant_watch_next_ms(&w), 13000);
        assert_int_equal(grant_watch_step(&w, 13000), GRANT_OVERDUE);
        assert_int_equal(grant_watch_next_ms(&w), 14000);
        /* Before the deadline nothing changes: it takes the grant up. */
        w = watch(WORKER_ACTIVE, 10000, 4000);
        grant_watch_fresh(&w, 9000);
        assert_int_equal(grant_watch_next_ms(&w), 10100);
}

static void test_no_record_holds_nothing(void **state)
{
        (void)state;
        struct grant_watch w = watch(WORKER_ACTIVE, 10000, 4000);
        grant_watch_told(&w, NULL);
        assert_int_equal(grant_watch_next_ms(&w), UINT64_MAX);
        assert_int_equal(grant_watch_step(&w, 99999), GRANT_FINE);
}

/* safety.md 71: whenever everything stops at once, the guard begins with the reserve of the budget left. */
static void test_the_watchdog_leaves_the_guard_its_time(void **state)
{
        static const uint32_t leases_ms[] = {1000, 2000, 6000, 30000}, budgets_ms[] = {500, 1500, 5000, 60000};
        (void)state;
        for (size_t i = 0; i < 4; i++)
                for (size_t k = 0; k < 4; k++) {
                        uint32_t lease_ms = leases_ms[i], budget_ms = budgets_ms[k];
                        uint64_t renewed_ms = 100000, now_ms = renewed_ms + lease_ms / 6;
                        uint64_t deadline_ms = renewed_ms + (uint64_t)lease_ms * 9 / 11;
                        uint64_t begun_ms = now_ms + grant_watchdog_ms(lease_ms, budget_ms, 100000) + GRANT_REVIVE_MS;
                        struct grant_watch w = watch(WORKER_ACTIVE, deadline_ms, budget_ms);
                        grant_watch_fresh(&w, deadline_ms);
                        if (grant_watchdog_ms(lease_ms, budget_ms, 100000) > GRANT_WATCHDOG_MIN_MS)
                                assert_true(begun_ms <= grant_watch_next_ms(&w));
                        assert_true(begun_ms <= deadline_ms + budget_ms || lease_ms == 1000);
                }
        assert_int_equal(grant_watchdog_ms(2000, 1500, 100000), 1636 + 1500 - 333 - 375 - GRANT_REVIVE_MS);
        assert_int_equal(grant_watchdog_ms(100, 100, 100000), GRANT_WATCHDOG_MIN_MS);
}

/* The same when the grant was not renewed for long, or its stop has begun: seed 15 of the fleets under faults (F6). */
static void test_an_old_grant_leaves_the_watchdog_less(void **state)
{
        (void)state;
        struct grant_record r = record(WORKER_STOPPING, 100000, 2769);
        for (uint64_t now_ms = 98500; now_ms < 103000; now_ms += 7) {
                uint64_t left_ms = grant_watchdog_left_ms(&r, now_ms);
                assert_true(left_ms >= GRANT_WATCHDOG_MIN_MS);
                assert_int_equal(left_ms % GRANT_WATCHDOG_STEP_MS, 0);
                if (left_ms > GRANT_WATCHDOG_MIN_MS) /* then the guard has the reserve */
                        assert_true(now_ms + left_ms + GRANT_REVIVE_MS <= 100000 + 2769 - 2769 / 4);
        }
        assert_int_equal(grant_watchdog_left_ms(&r, 98500), 100000 + 2769 - 692 - GRANT_REVIVE_MS - 98500 - 77);
        assert_int_equal(grant_watchdog_left_ms(&r, UINT64_MAX / 2), GRANT_WATCHDOG_MIN_MS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_a_verified_stop_is_no_danger),
                cmocka_unit_test(test_nothing_is_judged_before_the_grace_is_over),
                cmocka_unit_test(test_a_renewal_moves_everything),
                cmocka_unit_test(test_a_stop_under_way_gets_its_budget_but_for_the_reserve),
                cmocka_unit_test(test_a_verified_stop_ends_it_at_any_stage),
                cmocka_unit_test(test_small_budgets_leave_time_for_both),
                cmocka_unit_test(test_who_comes_late_tries_before_the_last_resort),
                cmocka_unit_test(test_a_fresh_worker_does_not_put_off_the_last_resort),
                cmocka_unit_test(test_a_fresh_worker_is_not_killed_for_what_it_found),
                cmocka_unit_test(test_no_record_holds_nothing),
                cmocka_unit_test(test_the_watchdog_leaves_the_guard_its_time),
                cmocka_unit_test(test_an_old_grant_leaves_the_watchdog_less),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
