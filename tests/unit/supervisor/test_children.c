/* One child's life on a desk: events go in with a time, a line of what came out is compared. */
#include "daemon/supervisor/children.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct child_limits limits = {.release_ms = 5000, .keep_ms = 1000, .ensure_ms = 3000};

struct desk {
        struct child child;
        uint64_t now_ms;
};

static struct desk desk(void)
{
        struct desk d = {.now_ms = 1000};
        child_init(&d.child, &limits, d.now_ms);
        return d;
}

static struct child_effects give(struct desk *d, struct child_input in)
{
        in.now_ms = d->now_ms;
        return child_step(&d->child, &in);
}

/* Gives an event and compares "effects; state". */
static void expect(struct desk *d, enum child_event event, const char *want)
{
        struct child_effects e = give(d, (struct child_input){.event = event, .how = STOP_RELEASE});
        char got[128];
        (void)snprintf(got, sizeof got, "%s%s%s%s%s%s%s", e.kill ? "kill " : "",
                       e.stop ? (e.how == STOP_KEEP ? "keep " : "release ") : "", e.spawn ? "spawn " : "",
                       e.ensure ? "ensure " : "", e.unkilled ? "unkilled " : "", e.left ? "left " : "",
                       child_state_name(d->child.state));
        assert_string_equal(got, want);
}

/* Lets the time come for which the timer is set, which must be `rest_ms` away. */
static void expect_timer(struct desk *d, uint64_t rest_ms, const char *want)
{
        assert_int_equal(d->child.timer_ms, d->now_ms + rest_ms);
        d->now_ms = d->child.timer_ms;
        expect(d, CHILD_TIMER, want);
}

static struct desk running(void)
{
        struct desk d = desk();
        expect(&d, CHILD_START, "spawn starting");
        expect(&d, CHILD_SPAWNED, "starting");
        expect(&d, CHILD_READY, "running");
        return d;
}

static void test_every_state_answers_every_event(void **state)
{
        (void)state;
        for (int s = 0; s < CHILD_STATE_MAX; s++)
                for (int e = 0; e < CHILD_EVENT_MAX; e++) {
                        struct desk d = desk();
                        d.child.state = (enum child_state)s;
                        struct child_effects out = give(&d, (struct child_input){.event = (enum child_event)e});
                        assert_true((unsigned)d.child.state < CHILD_STATE_MAX);
                        /* A new process only where there is none, and never without a state that waits for it. */
                        if (out.spawn)
                                assert_int_equal(d.child.state, CHILD_STARTING);
                        if (out.ensure)
                                assert_int_equal(d.child.state, CHILD_ENSURING);
                        assert_non_null(child_event_name((enum child_event)e));
                }
}

/* Leases run on while the agent or a worker is away (docs/failover.md). */
static void test_the_first_restart_is_immediate(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_EXITED, "spawn starting");
        assert_int_equal(d.child.restarts, 1);
}

static void test_rests_grow_to_a_bound(void **state)
{
        (void)state;
        struct desk d = running();
        uint64_t want = CHILD_BACKOFF_MS;
        expect(&d, CHILD_EXITED, "spawn starting");
        for (int i = 0; i < 40; i++) {
                expect(&d, CHILD_EXITED, "resting");
                expect_timer(&d, want, "spawn starting");
                want = want * 2 > CHILD_BACKOFF_MAX_MS ? CHILD_BACKOFF_MAX_MS : want * 2;
        }
        assert_int_equal(want, CHILD_BACKOFF_MAX_MS);
        assert_int_equal(child_backoff_ms(UINT32_MAX), CHILD_BACKOFF_MAX_MS);
}

static void test_being_well_for_a_while_forgets_the_strikes(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_EXITED, "spawn starting");
        expect(&d, CHILD_READY, "running");
        d.now_ms += CHILD_WELL_MS - 1;
        expect(&d, CHILD_EXITED, "resting");
        expect_timer(&d, CHILD_BACKOFF_MS, "spawn starting");
        expect(&d, CHILD_READY, "running");
        d.now_ms += CHILD_WELL_MS;
        expect(&d, CHILD_EXITED, "spawn starting");
}

/* A node that loses its ensemble says UNREADY: what was well before stays forgotten. */
static void test_unready_after_being_well_forgets_too(void **state)
{
        (void)state;
        struct desk d = running();
        d.child.strikes = 5;
        d.now_ms += CHILD_WELL_MS;
        expect(&d, CHILD_UNREADY, "starting");
        expect(&d, CHILD_EXITED, "spawn starting");
}

static void test_what_cannot_be_made_rests_at_once(void **state)
{
        (void)state;
        struct desk d = desk();
        expect(&d, CHILD_START, "spawn starting");
        expect(&d, CHILD_SPAWN_FAILED, "resting");
        expect_timer(&d, CHILD_BACKOFF_MS, "spawn starting");
        expect(&d, CHILD_SPAWN_FAILED, "resting");
        expect_timer(&d, CHILD_BACKOFF_MS * 2, "spawn starting");
}

static void test_a_busy_record_is_tried_soon_and_is_no_strike(void **state)
{
        (void)state;
        struct desk d = desk();
        expect(&d, CHILD_START, "spawn starting");
        for (int i = 0; i < 20; i++) {
                expect(&d, CHILD_SPAWN_BUSY, "resting");
                expect_timer(&d, CHILD_BUSY_MS, "spawn starting");
        }
        assert_int_equal(d.child.strikes, 0);
}

static void test_a_stop_ends_in_off(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_STOP, "stopping");
        expect(&d, CHILD_EXITED, "off");
        expect(&d, CHILD_TIMER, "off");
}

static void test_a_stop_while_resting_ends_at_once(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_EXITED, "spawn starting");
        expect(&d, CHILD_EXITED, "resting");
        expect(&d, CHILD_STOP, "off");
        assert_int_equal(d.child.timer_ms, CHILD_NEVER);
}

static void test_a_stop_that_takes_too_long_is_a_kill(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect_timer(&d, limits.release_ms, "kill killed");
        expect_timer(&d, CHILD_KILL_MS, "kill unkilled killed");
        expect_timer(&d, CHILD_KILL_MS, "kill unkilled killed");
        expect(&d, CHILD_EXITED, "off");
}

static void test_release_after_keep_is_said_again(void **state)
{
        (void)state;
        struct desk d = running();
        struct child_effects e = give(&d, (struct child_input){.event = CHILD_STOP, .how = STOP_KEEP});
        assert_true(e.stop && e.how == STOP_KEEP);
        assert_int_equal(d.child.timer_ms, d.now_ms + limits.keep_ms);
        expect(&d, CHILD_STOP, "release stopping");
        assert_int_equal(d.child.timer_ms, d.now_ms + limits.release_ms);
}

static void test_new_configuration_restarts_without_a_rest(void **state)
{
        (void)state;
        struct desk d = running();
        d.child.strikes = 7;
        expect(&d, CHILD_RESTART, "keep stopping");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        assert_int_equal(d.child.strikes, 0);
        expect(&d, CHILD_EXITED, "spawn starting");
        expect(&d, CHILD_EXITED, "resting");
        expect(&d, CHILD_RESTART, "spawn starting");
}

static void test_a_stop_during_a_restart_wins(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_RESTART, "keep stopping");
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED, "off");
}

static void test_a_child_wanted_again_while_it_stops_comes_back(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_START, "stopping");
        expect(&d, CHILD_EXITED, "spawn starting");
}

static void test_a_hung_child_is_killed_and_follows_the_rests(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_HUNG, "kill killed");
        expect(&d, CHILD_HUNG, "killed");
        expect(&d, CHILD_EXITED, "spawn starting");
        expect(&d, CHILD_HUNG, "kill killed");
        expect(&d, CHILD_EXITED, "resting");
}

/* The fresh worker's first act is to stop the resource: that never rests (safety.md F6). */
static void test_an_overdue_worker_is_replaced_at_once(void **state)
{
        (void)state;
        struct desk d = running();
        d.child.strikes = 9;
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        expect(&d, CHILD_EXITED_DIRTY, "resting");
        expect(&d, CHILD_OVERDUE, "spawn starting");
}

static void test_an_overdue_worker_that_stops_with_a_successor_is_killed(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_RESTART, "keep stopping");
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
}

static void test_what_a_released_worker_leaves_is_stopped_by_a_helper(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect_timer(&d, limits.release_ms, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_SPAWNED, "ensuring");
        expect(&d, CHILD_EXITED, "off");
}

static void test_a_helper_that_fails_is_told_of(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect_timer(&d, limits.ensure_ms, "kill ensuring");
        expect(&d, CHILD_EXITED_DIRTY, "left off");
        d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_SPAWN_FAILED, "left off");
}

/* A guard's helper is at it, or a dying worker still has its locks. */
static void test_a_helper_waits_for_its_record(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_SPAWN_BUSY, "waiting");
        expect_timer(&d, CHILD_BUSY_MS, "ensure ensuring");
        expect(&d, CHILD_SPAWN_BUSY, "waiting");
        expect_timer(&d, CHILD_BUSY_MS, "ensure ensuring");
        expect(&d, CHILD_SPAWNED, "ensuring");
        expect_timer(&d, limits.ensure_ms, "kill ensuring"); /* the whole time is its own */
        expect(&d, CHILD_EXITED, "off");
}

static void test_a_record_that_nobody_gives_back_is_told_of(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        uint64_t until = d.now_ms + limits.ensure_ms;
        while (d.now_ms < until) {
                expect(&d, CHILD_SPAWN_BUSY, "waiting");
                expect_timer(&d, CHILD_BUSY_MS, "ensure ensuring");
        }
        expect(&d, CHILD_SPAWN_BUSY, "left off");
        /* and the next time it is waited for as long again */
        expect(&d, CHILD_START, "spawn starting");
        expect(&d, CHILD_STOP, "release stopping");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_SPAWN_BUSY, "waiting");
        expect(&d, CHILD_STOP, "waiting");
        struct desk kept = d;
        (void)give(&kept, (struct child_input){.event = CHILD_STOP, .how = STOP_KEEP});
        assert_int_equal(kept.child.state, CHILD_OFF);
        expect(&d, CHILD_START, "waiting");
        expect_timer(&d, CHILD_BUSY_MS, "ensure ensuring");
        expect(&d, CHILD_EXITED, "spawn starting");
}

static void test_what_is_kept_is_left_alone(void **state)
{
        (void)state;
        struct desk d = running();
        (void)give(&d, (struct child_input){.event = CHILD_STOP, .how = STOP_KEEP});
        expect(&d, CHILD_EXITED_DIRTY, "off");
}

/* Seed 3871: batond was told to restart while a worker stopped what was overdue, and killed it at the reserve of its
 * budget. To wait for the end of the others and for the guard left no time for another try (safety.md F6). */
static void test_what_is_overdue_is_stopped_even_where_all_else_is_kept(void **state)
{
        (void)state;
        const struct child_input keep = {.event = CHILD_STOP, .how = STOP_KEEP, .dirty = true};
        struct desk d = running();
        (void)give(&d, keep);
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_EXITED, "off");
        /* the word comes when it is being killed already */
        d = running();
        expect(&d, CHILD_OVERDUE, "kill killed");
        (void)give(&d, keep);
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        expect(&d, CHILD_SPAWN_BUSY, "waiting");
        (void)give(&d, keep);
        assert_int_equal(d.child.state, CHILD_WAITING);
        /* or when a fresh one has begun with the stop */
        d = running();
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        (void)give(&d, keep);
        expect(&d, CHILD_EXITED_DIRTY, "ensure ensuring");
        /* or when none could be made */
        d = running();
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        expect(&d, CHILD_SPAWN_FAILED, "resting");
        assert_true(give(&d, keep).ensure);
}

/* The fresh process has stopped it, or taken it up again: what runs from then on is kept. */
static void test_what_was_overdue_once_is_kept_again(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        expect(&d, CHILD_READY, "running");
        (void)give(&d, (struct child_input){.event = CHILD_STOP, .how = STOP_KEEP});
        expect(&d, CHILD_EXITED_DIRTY, "off");
}

/* The budget runs: nobody rests for long between two tries, but for one that fails again and again. */
static void test_what_is_overdue_is_tried_again_soon(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_OVERDUE, "kill killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
        for (int strikes = 2; strikes <= CHILD_OVERDUE_TRIES; strikes++) {
                expect(&d, CHILD_EXITED_DIRTY, "resting");
                expect_timer(&d, CHILD_BUSY_MS, "spawn starting");
        }
        expect(&d, CHILD_EXITED_DIRTY, "resting");
        assert_true(d.child.timer_ms - d.now_ms > CHILD_BUSY_MS);
}

/* Killed for another reason when its resource becomes overdue: its successor does not rest. */
static void test_overdue_while_it_is_killed_leaves_no_rest(void **state)
{
        (void)state;
        struct desk d = running();
        d.child.strikes = 5;
        expect(&d, CHILD_HUNG, "kill killed");
        expect(&d, CHILD_OVERDUE, "killed");
        expect(&d, CHILD_EXITED_DIRTY, "spawn starting");
}

static void test_a_resting_worker_s_resource_is_stopped_when_it_is_released(void **state)
{
        (void)state;
        struct desk d = running();
        expect(&d, CHILD_EXITED, "spawn starting");
        expect(&d, CHILD_EXITED_DIRTY, "resting");
        struct child_effects e =
                give(&d, (struct child_input){.event = CHILD_STOP, .how = STOP_RELEASE, .dirty = true});
        assert_true(e.ensure);
        expect(&d, CHILD_START, "ensuring");
        expect(&d, CHILD_EXITED, "spawn starting");
}

/* Whatever happens in whatever order: a wanted child always has a process or a timer, and never starts twice within
 * one rest without a reason that excuses it. */
static void test_random_lives_never_spin_and_never_get_stuck(void **state)
{
        (void)state;
        uint64_t x = 42;
        struct desk d = desk();
        unsigned spawns = 0;
        expect(&d, CHILD_START, "spawn starting");
        for (int i = 0; i < 200000; i++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                enum child_event event = (enum child_event)((x >> 33) % CHILD_EVENT_MAX);
                if (event == CHILD_STOP || event == CHILD_RESTART || event == CHILD_OVERDUE || event == CHILD_START)
                        continue; /* these are excuses */
                d.now_ms += 1;
                if (event == CHILD_TIMER && d.now_ms < d.child.timer_ms)
                        continue;
                spawns += give(&d, (struct child_input){.event = event}).spawn;
                assert_true(d.child.wanted);
                assert_true(child_has_process(&d.child) || d.child.timer_ms != CHILD_NEVER);
        }
        /* 200 s of it, all crashes: 250 ms, then twice as long each time. SPAWN_BUSY has its own pace. */
        assert_in_range(spawns, 8, 200000 / CHILD_BUSY_MS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_state_answers_every_event),
                cmocka_unit_test(test_the_first_restart_is_immediate),
                cmocka_unit_test(test_rests_grow_to_a_bound),
                cmocka_unit_test(test_being_well_for_a_while_forgets_the_strikes),
                cmocka_unit_test(test_unready_after_being_well_forgets_too),
                cmocka_unit_test(test_what_cannot_be_made_rests_at_once),
                cmocka_unit_test(test_a_busy_record_is_tried_soon_and_is_no_strike),
                cmocka_unit_test(test_a_stop_ends_in_off),
                cmocka_unit_test(test_a_stop_while_resting_ends_at_once),
                cmocka_unit_test(test_a_stop_that_takes_too_long_is_a_kill),
                cmocka_unit_test(test_release_after_keep_is_said_again),
                cmocka_unit_test(test_new_configuration_restarts_without_a_rest),
                cmocka_unit_test(test_a_stop_during_a_restart_wins),
                cmocka_unit_test(test_a_child_wanted_again_while_it_stops_comes_back),
                cmocka_unit_test(test_a_hung_child_is_killed_and_follows_the_rests),
                cmocka_unit_test(test_an_overdue_worker_is_replaced_at_once),
                cmocka_unit_test(test_an_overdue_worker_that_stops_with_a_successor_is_killed),
                cmocka_unit_test(test_what_a_released_worker_leaves_is_stopped_by_a_helper),
                cmocka_unit_test(test_a_helper_that_fails_is_told_of),
                cmocka_unit_test(test_a_helper_waits_for_its_record),
                cmocka_unit_test(test_a_record_that_nobody_gives_back_is_told_of),
                cmocka_unit_test(test_what_is_kept_is_left_alone),
                cmocka_unit_test(test_what_is_overdue_is_stopped_even_where_all_else_is_kept),
                cmocka_unit_test(test_what_was_overdue_once_is_kept_again),
                cmocka_unit_test(test_what_is_overdue_is_tried_again_soon),
                cmocka_unit_test(test_overdue_while_it_is_killed_leaves_no_rest),
                cmocka_unit_test(test_a_resting_worker_s_resource_is_stopped_when_it_is_released),
                cmocka_unit_test(test_random_lives_never_spin_and_never_get_stuck),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
