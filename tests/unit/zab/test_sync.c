/* Machines synchronising machines: each kind of sync forced and counted, traffic going on meanwhile, and
 * the power failing. Numbers in comments are those of the catalogue in safety.md 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

static struct zab_stats stats(struct world *w, int64_t sid)
{
        struct zab_stats s;
        zab_stats(world_node(w, sid)->zab, &s);
        return s;
}

/* Three serving servers, 3 leading, with `n` transactions. */
static struct world *serving(uint64_t seed, size_t history_max, size_t observers, size_t n)
{
        struct world *w = world_new_history(3, observers, seed, history_max);
        world_form(w, 3);
        world_settle(w);
        world_proposals(w, 3, n);
        world_settle(w);
        assert_true(world_all_serve(w));
        return w;
}

static void leave_and_cut(struct world *w, int64_t sid)
{
        world_leave(w, sid);
        world_settle(w);
}

static void test_follower_that_missed_a_little_gets_diff(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = serving(seed, 500, 0, 5);
                struct zab_stats before = stats(w, 3);
                leave_and_cut(w, 1);
                world_proposals(w, 3, 7);
                world_settle(w);
                world_follow(w, 1, 3);
                world_settle(w);
                assert_int_equal(stats(w, 3).sync_diff, before.sync_diff + 1);
                assert_int_equal(stats(w, 3).sync_snap, before.sync_snap);
                world_assert_equal(w);
                world_free(w);
        }
}

static void test_follower_that_missed_much_gets_snap(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = serving(seed, 4, 0, 5);
                leave_and_cut(w, 1);
                world_proposals(w, 3, 30);
                world_settle(w);
                world_follow(w, 1, 3);
                world_settle(w);
                assert_int_equal(stats(w, 3).sync_snap, 1);
                assert_int_equal(world_node(w, 1)->disk.snapshots[world_node(w, 1)->disk.snapshot_count - 1].zxid,
                                 z(1, 35));
                world_proposals(w, 3, 3);
                world_settle(w);
                world_assert_equal(w);
                /* And what it got so is its own: it comes back from its disk. */
                world_crash(w, 1, 0);
                world_boot(w, 1);
                assert_int_equal(world_node(w, 1)->db.n, 38);
                world_free(w);
        }
}

/* Server 3 logs two proposals that nobody else has, then leads no more. */
static struct world *with_a_lonely_tail(uint64_t seed)
{
        struct world *w = serving(seed, 500, 0, 5);
        world_block(w, 3, 1, true);
        world_block(w, 3, 2, true);
        world_proposals(w, 3, 2);
        world_settle(w);
        assert_int_equal(w->committed.n, 5);
        /* What is under way is lost with the connections. */
        for (int64_t sid = 1; sid <= 3; sid++)
                world_leave(w, sid);
        world_settle(w);
        world_block(w, 3, 1, false);
        world_block(w, 3, 2, false);
        world_settle(w);
        assert_int_equal(world_node(w, 3)->db.n, 7);
        return w;
}

/* 3, 31: the tail that only a deposed leader had is cut, on disk and in memory. */
static void test_tail_of_a_deposed_leader_gets_trunc(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = with_a_lonely_tail(seed);
                world_lead(w, 2);
                world_follow(w, 1, 2);
                world_settle(w);
                assert_true(world_node(w, 2)->serving);
                world_follow(w, 3, 2);
                world_settle(w);
                assert_int_equal(stats(w, 2).sync_trunc, 1);
                world_assert_equal(w);
                world_free(w);
        }
}

static void test_tail_of_a_deposed_leader_gets_trunc_then_diff(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = with_a_lonely_tail(seed);
                world_lead(w, 2);
                world_follow(w, 1, 2);
                world_settle(w);
                world_proposals(w, 2, 4);
                world_settle(w);
                world_follow(w, 3, 2);
                world_settle(w);
                assert_int_equal(stats(w, 2).sync_trunc, 1);
                assert_int_equal(world_node(w, 3)->db.n, 9);
                world_assert_equal(w);
                world_free(w);
        }
}

/* The same server with its longer log, elected: its tail is everybody's then. */
static void test_tail_of_an_elected_leader_is_kept(void **state)
{
        (void)state;
        struct world *w = with_a_lonely_tail(1);
        world_form(w, 3);
        world_settle(w);
        assert_true(world_all_serve(w));
        assert_int_equal(w->committed.n, 7);
        world_assert_equal(w);
        world_free(w);
}

/* 24, 25, 32, Z14: commits go on in every moment of a sync; nothing is lost, nothing comes twice. */
static void test_sync_under_load(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct world *w = serving(seed, seed % 2 ? 500 : 3, seed % 3 == 0, 5);
                int64_t late = seed % 3 == 0 && seed % 4 == 0 ? 4 : 1;
                leave_and_cut(w, late);
                world_proposals(w, 3, 10);
                world_settle(w);
                world_proposals(w, 3, 2);
                world_follow(w, late, 3);
                for (int i = 0; i < 60 || !world_all_serve(w); i++) {
                        (void)world_step(w);
                        if (i < 60 && world_random(w, 3) == 0)
                                world_proposals(w, 3, 1);
                        assert_true(i < 10000);
                }
                world_settle(w);
                world_assert_equal(w);
                assert_int_equal(world_node(w, late)->ended_count, 1);
                world_free(w);
        }
}

/* 34 and concurrency: one snapshot is read at a time; who waits gets his turn. */
static void test_two_learners_want_snapshots_at_once(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = world_new_history(5, 0, seed, 3);
                world_form(w, 5);
                world_settle(w);
                leave_and_cut(w, 1);
                leave_and_cut(w, 2);
                world_proposals(w, 5, 20);
                world_settle(w);
                world_follow(w, 1, 5);
                world_follow(w, 2, 5);
                world_settle(w);
                assert_int_equal(stats(w, 5).sync_snap, 2);
                world_assert_equal(w);
                world_free(w);
        }
}

static void test_busy_database_is_tried_again(void **state)
{
        (void)state;
        struct world *w = serving(1, 3, 0, 5);
        leave_and_cut(w, 1);
        world_proposals(w, 3, 20);
        world_settle(w);
        world_node(w, 3)->busy = true;
        world_follow(w, 1, 3);
        world_settle(w);
        assert_false(world_node(w, 1)->serving);
        world_node(w, 3)->busy = false;
        world_run(w, WORLD_TICK_MS);
        world_assert_equal(w);
        assert_true(world_node(w, 1)->serving);
        world_free(w);
}

static void test_lost_learner_frees_the_snapshot(void **state)
{
        (void)state;
        struct world *w = serving(1, 3, 0, 5);
        leave_and_cut(w, 1);
        world_proposals(w, 3, 40);
        world_settle(w);
        world_follow(w, 1, 3);
        while (!world_node(w, 3)->is_reading)
                assert_true(world_step(w));
        world_leave(w, 1);
        world_settle(w);
        assert_false(world_node(w, 3)->is_reading);
        world_follow(w, 1, 3);
        world_settle(w);
        world_assert_equal(w);
        world_free(w);
}

/* 20, 36, D1: everybody's power fails at any moment; what was committed is still there. */
static void test_power_failure_of_all_loses_nothing_committed(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 200; seed++) {
                struct world *w = serving(seed, 500, 0, 3);
                world_proposals(w, 3, 6);
                for (uint64_t i = 0; i < seed % 40; i++)
                        (void)world_step(w);
                for (int64_t sid = 1; sid <= 3; sid++)
                        world_crash(w, sid, (size_t)world_random(w, 4));
                for (int64_t sid = 1; sid <= 3; sid++)
                        world_boot(w, sid);
                w->elects = true;
                world_run(w, 500);
                assert_true(world_all_serve(w));
                assert_true(w->committed.n >= 3);
                world_assert_equal(w);
                world_free(w);
        }
}

/* 19: candidates with overlapping followers, one of which changes sides again and again. */
static void test_follower_between_two_leaders(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct world *w = world_new(3, 0, seed);
                world_lead(w, 1);
                world_lead(w, 3);
                for (int i = 0; i < 12; i++) {
                        struct node *n = world_node(w, 2);
                        if (zab_role(n->zab) == ZAB_IDLE && zab_disk_dry(n->zab))
                                world_follow(w, 2, i % 2 ? 1 : 3);
                        for (uint64_t k = world_random(w, 12); k > 0; k--)
                                (void)world_step(w);
                        if (zab_role(n->zab) != ZAB_IDLE)
                                world_leave(w, 2);
                }
                w->elects = true;
                world_run(w, 1500);
                assert_true(world_all_serve(w));
                world_free(w);
        }
}

/* 41, 43: a leader that is cut off steps down by itself; nothing it asks is confirmed meanwhile. */
static void test_leader_that_is_cut_off_steps_down(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 0, 3);
        world_block(w, 3, 1, true);
        world_block(w, 3, 2, true);
        (void)world_propose(w, 3);
        world_sync(w, 3);
        world_run(w, WORLD_SYNC * WORLD_TICK_MS + 2 * WORLD_TICK_MS);
        assert_int_equal(zab_role(world_node(w, 3)->zab), ZAB_IDLE);
        assert_int_equal(world_node(w, 3)->synced, 0);
        assert_int_equal(w->committed.n, 3);
        world_free(w);
}

/* The only follower left reconnects: its leader waits for it instead of asking for a new election. */
static void test_leader_waits_for_a_follower_being_synchronised(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 0, 3);
        world_crash(w, 1, 0);
        world_settle(w);
        leave_and_cut(w, 2);
        world_follow(w, 2, 3);
        while (stats(w, 3).learners == 0)
                assert_true(world_step(w));
        w->hold_reports = true;
        world_run(w, 3 * WORLD_TICK_MS);
        assert_int_equal(zab_role(world_node(w, 3)->zab), ZAB_LEADING);
        w->hold_reports = false;
        world_settle(w);
        assert_true(world_node(w, 2)->serving);
        world_crash(w, 2, 0);
        world_run(w, 2 * WORLD_TICK_MS);
        assert_int_equal(zab_role(world_node(w, 3)->zab), ZAB_IDLE);
        world_free(w);
}

/* What a learner is owed behind its snapshot is bounded: one whose socket takes nothing is dropped, and gets
 * all of it the next time. */
static void test_learner_that_does_not_take_its_snapshot_is_dropped_at_a_limit(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 0, 3);
        leave_and_cut(w, 1);
        world_proposals(w, 3, 1200);
        world_settle(w);
        w->hold_sent = true;
        world_follow(w, 1, 3);
        world_settle(w);
        assert_int_equal(stats(w, 3).learners, 2);
        size_t more = 0;
        for (; stats(w, 3).learners == 2 && more < 100000; more += 10) {
                world_proposals(w, 3, 10);
                world_settle(w);
        }
        assert_int_equal(stats(w, 3).learners, 1);
        assert_in_range(more, WORLD_LEARNER_QUEUE_BYTES_MAX / 200, WORLD_LEARNER_QUEUE_BYTES_MAX / 40);
        assert_int_equal(zab_role(world_node(w, 3)->zab), ZAB_LEADING);
        w->hold_sent = false;
        world_settle(w);
        world_follow(w, 1, 3);
        world_settle(w);
        assert_true(world_all_serve(w));
        world_assert_equal(w);
        world_free(w);
}

static void test_quiet_ensemble_stays_together(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 1, 3);
        world_run(w, 100 * WORLD_TICK_MS);
        assert_true(world_all_serve(w));
        for (int64_t sid = 1; sid <= 4; sid++)
                assert_int_equal(world_node(w, sid)->ended_count, 0);
        assert_true(world_node(w, 3)->touched > 100);
        world_free(w);
}

static void test_syncs_of_all_are_answered(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 1, 3);
        for (int64_t sid = 1; sid <= 4; sid++)
                for (int i = 0; i < 3; i++)
                        world_sync(w, sid);
        world_settle(w);
        assert_int_equal(world_node(w, 3)->synced, 3);
        assert_int_equal(world_node(w, 1)->sync_replies, 3);
        assert_int_equal(world_node(w, 2)->sync_replies, 3);
        assert_int_equal(world_node(w, 4)->sync_replies, 3);
        assert_int_equal(stats(w, 3).pending_syncs, 0);
        world_free(w);
}

/* A stopped leader lets its followers go at once, with everything it proposed. */
static void test_stopped_leader_leaves_nothing_behind(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = serving(seed, 500, 0, 3);
                world_proposals(w, 3, 10);
                world_stop(w, 3);
                world_settle(w);
                assert_int_equal(w->committed.n, 13);
                for (int64_t sid = 1; sid <= 3; sid++)
                        assert_int_equal(zab_role(world_node(w, sid)->zab), ZAB_IDLE);
                world_assert_equal(w);
                world_free(w);
        }
}

static void test_figures_follow_events(void **state)
{
        (void)state;
        struct world *w = serving(1, 500, 1, 3);
        struct zab_stats s = stats(w, 3);
        assert_int_equal(s.learners, 3);
        assert_int_equal(s.synced_followers, 2);
        assert_int_equal(s.synced_observers, 1);
        assert_int_equal(s.proposals, 3);
        assert_int_equal(s.commits, 3);
        assert_int_equal(s.proposal_size_last, 40);
        zab_stats_reset(world_node(w, 3)->zab);
        s = stats(w, 3);
        assert_int_equal(s.proposals, 0);
        assert_int_equal(s.proposal_size_max, -1);
        assert_int_equal(zab_leader(world_node(w, 1)->zab), 3);
        assert_int_equal(zab_leader(world_node(w, 3)->zab), 3);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_follower_that_missed_a_little_gets_diff),
                cmocka_unit_test(test_follower_that_missed_much_gets_snap),
                cmocka_unit_test(test_tail_of_a_deposed_leader_gets_trunc),
                cmocka_unit_test(test_tail_of_a_deposed_leader_gets_trunc_then_diff),
                cmocka_unit_test(test_tail_of_an_elected_leader_is_kept),
                cmocka_unit_test(test_sync_under_load),
                cmocka_unit_test(test_two_learners_want_snapshots_at_once),
                cmocka_unit_test(test_busy_database_is_tried_again),
                cmocka_unit_test(test_lost_learner_frees_the_snapshot),
                cmocka_unit_test(test_power_failure_of_all_loses_nothing_committed),
                cmocka_unit_test(test_follower_between_two_leaders),
                cmocka_unit_test(test_leader_that_is_cut_off_steps_down),
                cmocka_unit_test(test_leader_waits_for_a_follower_being_synchronised),
                cmocka_unit_test(test_learner_that_does_not_take_its_snapshot_is_dropped_at_a_limit),
                cmocka_unit_test(test_quiet_ensemble_stays_together),
                cmocka_unit_test(test_syncs_of_all_are_answered),
                cmocka_unit_test(test_stopped_leader_leaves_nothing_behind),
                cmocka_unit_test(test_figures_follow_events),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
