/* Whole elections between vote machines, scenario by scenario (safety.md 4: 1, 6, 7, 8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vote/mesh.h"

#include "election/vote/vote_internal.h"

#include <stdio.h>

static const int64_t three[] = {1, 2, 3, 0};
static const int64_t five[] = {1, 2, 3, 4, 5, 0};

/* Each scenario is played with this many seeds. */
#ifndef SEEDS
#define SEEDS 25
#endif

static struct mesh *mesh_of(size_t voters, size_t observers, uint64_t seed, uint32_t latency_max_ms)
{
        const struct mesh_options o = {voters, observers, seed, latency_max_ms};
        return mesh_new(&o);
}

static struct mesh *started(size_t voters, uint64_t seed, uint32_t latency_max_ms)
{
        struct mesh *m = mesh_of(voters, 0, seed, latency_max_ms);
        for (size_t i = 1; i <= voters; i++)
                mesh_start(m, (int64_t)i);
        mesh_run_until_decided(m, voters == 3 ? three : five, 3000);
        mesh_run(m, 3000);
        return m;
}

static void expect_leader(const struct mesh *m, const int64_t *sids, int64_t leader)
{
        for (; *sids; sids++) {
                if (mesh_leader(m, *sids) != leader)
                        mesh_fail(m, "server %lld has leader %lld, not %lld", (long long)*sids,
                                  (long long)mesh_leader(m, *sids), (long long)leader);
        }
}

static void test_three_that_start_together_elect_the_largest_sid_without_waiting(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 0);
                for (int64_t sid = 1; sid <= 3; sid++)
                        mesh_start(m, sid);
                uint64_t took = mesh_run_until_decided(m, three, 1000);
                expect_leader(m, three, 3);
                /* Dials that cross, or come before the other listens, are repeated soon. */
                if (took > 100)
                        mesh_fail(m, "it took %llu ms", (unsigned long long)took);
                mesh_free(m);
        }
}

static void test_epoch_goes_before_zxid_before_sid(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 5);
                mesh_set_data(m, 1, 4, 0x300000005); /* scenario 4: the higher epoch wins over the longer log */
                mesh_set_data(m, 2, 3, 0x300000009);
                mesh_set_data(m, 3, 3, 0x300000009);
                for (int64_t sid = 3; sid >= 1; sid--) {
                        mesh_start(m, sid);
                        mesh_run(m, 30);
                }
                mesh_run_until_decided(m, three, 1000);
                expect_leader(m, three, 1);
                mesh_free(m);
        }
}

static void test_two_of_three_wait_for_the_third_as_zookeeper_does(void **state)
{
        (void)state;
        static const int64_t two[] = {1, 2, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 0);
                mesh_start(m, 1);
                mesh_start(m, 2);
                uint64_t took = mesh_run_until_decided(m, two, 1000);
                expect_leader(m, two, 2);
                /* Its dials are refused, but it never was connected: it may be about to start. */
                if (took < VOTE_FINALIZE_MS)
                        mesh_fail(m, "decided after %llu ms", (unsigned long long)took);
                mesh_free(m);
        }
}

static void test_after_the_leader_is_killed_no_timer_is_needed(void **state)
{
        (void)state;
        static const int64_t left_of_three[] = {1, 2, 0}, left_of_five[] = {1, 2, 3, 4, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                size_t n = seed % 2 ? 3 : 5;
                struct mesh *m = started(n, seed, 0);
                mesh_kill(m, (int64_t)n);
                mesh_run(m, 0);
                uint64_t took = mesh_run_until_decided(m, n == 3 ? left_of_three : left_of_five, 1000);
                expect_leader(m, n == 3 ? left_of_three : left_of_five, (int64_t)n - 1);
                if (took > 0)
                        mesh_fail(m, "a timer was needed: %llu ms", (unsigned long long)took);
                mesh_free(m);
        }
}

static void test_after_the_leader_is_killed_latency_is_all_it_takes(void **state)
{
        (void)state;
        static const int64_t left[] = {1, 2, 3, 4, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(5, seed, 3);
                mesh_kill(m, 5);
                mesh_run(m, 4); /* all notice */
                uint64_t took = mesh_run_until_decided(m, left, 1000);
                expect_leader(m, left, 4);
                /* notice, vote, adopt, each in up to four portions */
                if (took > 60)
                        mesh_fail(m, "%llu ms", (unsigned long long)took);
                mesh_free(m);
        }
}

static void test_leaders_killed_one_after_the_other_are_replaced_while_a_quorum_is_left(void **state)
{
        (void)state;
        static const int64_t four[] = {1, 2, 3, 4, 0}, last[] = {1, 2, 3, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(5, seed, 0);
                mesh_kill(m, 5);
                mesh_run_until_decided(m, four, 1000);
                mesh_run(m, 2000);
                expect_leader(m, four, 4);
                mesh_kill(m, 4);
                mesh_run(m, 0);
                assert_int_equal(mesh_run_until_decided(m, last, 1000), 0);
                expect_leader(m, last, 3);
                mesh_run(m, 2000);
                mesh_kill(m, 3);
                mesh_run(m, 10000);
                expect_leader(m, (const int64_t[]){1, 2, 0}, 0);
                mesh_free(m);
        }
}

static void test_a_stopped_leader_is_waited_for_200_ms(void **state)
{
        (void)state;
        static const int64_t two[] = {1, 2, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(3, seed, 0);
                mesh_stop(m, 3);
                mesh_run(m, 500); /* then the followers' Zab gives up */
                mesh_lose(m, 1);
                mesh_lose(m, 2);
                mesh_run(m, 0);
                uint64_t took = mesh_run_until_decided(m, two, 1000);
                expect_leader(m, two, 2);
                if (took < VOTE_FINALIZE_MS || took > VOTE_FINALIZE_MS + 50)
                        mesh_fail(m, "%llu ms", (unsigned long long)took);
                mesh_run(m, 500);
                mesh_continue(m, 3);
                mesh_run(m, 5000);
                expect_leader(m, three, 2);
                mesh_free(m);
        }
}

static void test_a_follower_that_restarts_joins_the_leader_at_once(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(3, seed, 0);
                unsigned looks = mesh_looks(m, 3);
                for (int i = 0; i < 5; i++) {
                        mesh_kill(m, 1 + (int64_t)(seed % 2));
                        mesh_run(m, mesh_random(m, 300));
                        mesh_start(m, 1 + (int64_t)(seed % 2));
                        uint64_t took = mesh_run_until_decided(m, three, 1000);
                        expect_leader(m, three, 3);
                        if (took > 100)
                                mesh_fail(m, "%llu ms", (unsigned long long)took);
                }
                assert_int_equal(mesh_looks(m, 3), looks);
                mesh_free(m);
        }
}

static void test_a_leader_that_restarts_quickly_is_not_taken_for_away(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(3, seed, 2);
                mesh_kill(m, 3);
                mesh_start(m, 3);
                mesh_run_until_decided(m, three, 3000);
                mesh_run(m, 5000);
                int64_t leader = mesh_leader(m, 1);
                if (leader != 2 && leader != 3)
                        mesh_fail(m, "the leader is %lld", (long long)leader);
                expect_leader(m, three, leader);
                mesh_free(m);
        }
}

static void test_the_dead_leaders_vote_does_not_survive_it(void **state)
{
        (void)state;
        static const int64_t two[] = {1, 2, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 3);
                mesh_set_data(m, 3, 9, 0x900000000);
                for (int64_t sid = 1; sid <= 3; sid++)
                        mesh_start(m, sid);
                /* Killed in the middle of its election, which it is about to win. */
                mesh_run(m, mesh_random(m, 25));
                mesh_kill(m, 3);
                mesh_run(m, 5000);
                int64_t leader = mesh_leader(m, 1); /* whoever has followed 3 into its epoch, if one has */
                assert_true(leader == 1 || leader == 2);
                expect_leader(m, two, leader);
                mesh_free(m);
        }
}

static void test_a_settled_ensemble_is_silent(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(5, seed, 5);
                uint64_t bytes = mesh_bytes(m), dials = mesh_dials(m);
                mesh_run(m, 60000);
                assert_true(mesh_bytes(m) == bytes);
                assert_true(mesh_dials(m) == dials);
                for (int64_t sid = 1; sid <= 5; sid++)
                        assert_true(vote_deadline(mesh_vote(m, sid)) == UINT64_MAX);
                mesh_free(m);
        }
}

static void test_a_server_alone_looks_at_growing_intervals(void **state)
{
        (void)state;
        struct mesh *m = mesh_of(3, 0, 1, 0);
        mesh_start(m, 1);
        mesh_run(m, 60000);
        assert_int_equal(mesh_leader(m, 1), 0);
        /* Two peers, dialled once a second at most after the first second. */
        assert_true(mesh_dials(m) < 2 * 70);
        assert_true(mesh_dials(m) > 2 * 50);
        mesh_free(m);
}

static void test_an_ensemble_of_one_decides_at_once(void **state)
{
        (void)state;
        struct mesh *m = mesh_of(1, 0, 1, 0);
        mesh_start(m, 1);
        assert_int_equal(mesh_leader(m, 1), 1);
        assert_int_equal(mesh_state(m, 1), VOTE_LEADING);
        assert_int_equal(mesh_dials(m), 0);
        mesh_free(m);
}

static void test_observers_find_the_leader_and_are_not_counted(void **state)
{
        (void)state;
        static const int64_t voters[] = {1, 2, 3, 0}, all[] = {1, 2, 3, 4, 5, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 2, seed, 2);
                mesh_set_data(m, 5, 7, 0x700000001); /* not electable, however much it has */
                mesh_start(m, 4);
                mesh_start(m, 5);
                mesh_start(m, 1);
                mesh_run(m, 20000); /* Z16: one voter and two observers are no quorum */
                expect_leader(m, all, 0);
                mesh_start(m, 2);
                mesh_start(m, 3);
                mesh_run_until_decided(m, voters, 3000);
                expect_leader(m, voters, 3);
                mesh_run_until_decided(m, all, 70000); /* they ask again at their own interval */
                expect_leader(m, all, 3);
                assert_int_equal(mesh_state(m, 4), VOTE_OBSERVING);
                mesh_kill(m, 3);
                mesh_run(m, 3000);
                expect_leader(m, (const int64_t[]){1, 2, 4, 5, 0}, 2);
                mesh_free(m);
        }
}

static void test_a_server_with_a_lost_database_joins_but_does_not_vote(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 1);
                mesh_set_data(m, 3, 0, -1);
                mesh_start(m, 3);
                mesh_start(m, 1);
                mesh_run(m, 10000); /* E5: scenario 5 */
                expect_leader(m, three, 0);
                mesh_start(m, 2);
                mesh_run(m, 20000);
                expect_leader(m, three, 2);
                mesh_free(m);
        }
}

/* safety.md scenario 6 */
static void test_a_newcomer_joins_settled_servers_of_different_rounds(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(5, seed, 0);
                /* Rounds drift apart: server 2 looks several times and rejoins. */
                for (int i = 0; i < 4; i++) {
                        mesh_lose(m, 2);
                        mesh_run(m, 50);
                }
                mesh_kill(m, 1);
                mesh_run(m, 1000);
                mesh_start(m, 1);
                uint64_t took = mesh_run_until_decided(m, five, 1000);
                expect_leader(m, five, 5);
                if (took > 100)
                        mesh_fail(m, "%llu ms", (unsigned long long)took);
                mesh_free(m);
        }
}

/* safety.md scenario 7 */
static void test_a_reset_in_the_middle_of_a_vote_disturbs_nobody(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 3);
                for (int64_t sid = 1; sid <= 3; sid++)
                        mesh_start(m, sid);
                for (int i = 0; i < 6; i++) {
                        mesh_run(m, mesh_random(m, 10));
                        int64_t a = 1 + (int64_t)mesh_random(m, 3);
                        mesh_reset(m, a, a % 3 + 1);
                }
                mesh_run_until_decided(m, three, 3000);
                mesh_run(m, 5000);
                expect_leader(m, three, 3);
                for (int64_t sid = 1; sid <= 3; sid++)
                        assert_int_equal(vote_bad_input_count(mesh_vote(m, sid)), 0);
                mesh_free(m);
        }
}

static void test_a_blackholed_peer_does_not_delay_the_others(void **state)
{
        (void)state;
        static const int64_t two[] = {1, 2, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 2);
                mesh_cut(m, 1, 3, true);
                mesh_cut(m, 2, 3, true);
                for (int64_t sid = 1; sid <= 3; sid++)
                        mesh_start(m, sid);
                uint64_t took = mesh_run_until_decided(m, two, 1000);
                expect_leader(m, two, 2);
                if (took > VOTE_FINALIZE_MS + 100)
                        mesh_fail(m, "%llu ms", (unsigned long long)took);
                mesh_run(m, 3000);
                mesh_cut(m, 1, 3, false);
                mesh_cut(m, 2, 3, false);
                mesh_run(m, 70000);
                expect_leader(m, three, 2);
                mesh_free(m);
        }
}

/* safety.md scenario 8 */
static void test_a_cut_between_two_does_not_make_leaders_change(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(3, 0, seed, 2);
                int64_t a = 1 + (int64_t)(seed % 3), b = a % 3 + 1, c = b % 3 + 1;
                mesh_cut(m, a, b, true);
                for (int64_t sid = 1; sid <= 3; sid++)
                        mesh_start(m, sid);
                mesh_run(m, 20000);
                int64_t leader = mesh_leader(m, c);
                if (leader == 0)
                        mesh_fail(m, "the server that sees both has no leader");
                unsigned looks = mesh_looks(m, c), leader_looks = mesh_looks(m, leader);
                mesh_run(m, 120000);
                assert_int_equal(mesh_leader(m, c), leader);
                assert_int_equal(mesh_leader(m, leader), leader);
                assert_int_equal(mesh_looks(m, c), looks);
                assert_int_equal(mesh_looks(m, leader), leader_looks);
                mesh_free(m);
        }
}

/* Both see the leader, and without either of them there is no quorum. */
static void test_two_voters_of_a_bare_quorum_need_not_see_each_other(void **state)
{
        (void)state;
        static const int64_t there[] = {3, 4, 5, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = mesh_of(5, 0, seed, 2);
                mesh_cut(m, 3, 4, true);
                for (int64_t sid = 3; sid <= 5; sid++)
                        mesh_start(m, sid);
                uint64_t took = mesh_run_until_decided(m, there, 5000);
                expect_leader(m, there, 5);
                if (took > VOTE_FINALIZE_MS + 100)
                        mesh_fail(m, "%llu ms", (unsigned long long)took);
                mesh_run(m, 20000);
                expect_leader(m, there, 5);
                assert_int_equal(mesh_looks(m, 5), 1);
                mesh_free(m);
        }
}

/* safety.md scenario 1: what a dead server said in an older round comes late, on a fresh connection. */
static void test_a_vote_of_an_older_round_does_not_count(void **state)
{
        (void)state;
        static const int64_t left[] = {1, 2, 3, 4, 0};
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct mesh *m = started(5, seed, 1);
                /* 4's link with 1 stalls with votes in it, while 5 dies and a later round is held. */
                mesh_cut(m, 1, 4, true);
                mesh_kill(m, 5);
                mesh_run(m, 3000);
                mesh_reset(m, 1, 4);
                mesh_cut(m, 1, 4, false);
                mesh_run(m, 70000);
                int64_t leader = mesh_leader(m, 2);
                assert_true(leader > 0 && leader < 5);
                expect_leader(m, left, leader);
                mesh_free(m);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_three_that_start_together_elect_the_largest_sid_without_waiting),
                cmocka_unit_test(test_epoch_goes_before_zxid_before_sid),
                cmocka_unit_test(test_two_of_three_wait_for_the_third_as_zookeeper_does),
                cmocka_unit_test(test_after_the_leader_is_killed_no_timer_is_needed),
                cmocka_unit_test(test_after_the_leader_is_killed_latency_is_all_it_takes),
                cmocka_unit_test(test_leaders_killed_one_after_the_other_are_replaced_while_a_quorum_is_left),
                cmocka_unit_test(test_a_stopped_leader_is_waited_for_200_ms),
                cmocka_unit_test(test_a_follower_that_restarts_joins_the_leader_at_once),
                cmocka_unit_test(test_a_leader_that_restarts_quickly_is_not_taken_for_away),
                cmocka_unit_test(test_the_dead_leaders_vote_does_not_survive_it),
                cmocka_unit_test(test_a_settled_ensemble_is_silent),
                cmocka_unit_test(test_a_server_alone_looks_at_growing_intervals),
                cmocka_unit_test(test_an_ensemble_of_one_decides_at_once),
                cmocka_unit_test(test_observers_find_the_leader_and_are_not_counted),
                cmocka_unit_test(test_a_server_with_a_lost_database_joins_but_does_not_vote),
                cmocka_unit_test(test_a_newcomer_joins_settled_servers_of_different_rounds),
                cmocka_unit_test(test_a_reset_in_the_middle_of_a_vote_disturbs_nobody),
                cmocka_unit_test(test_a_blackholed_peer_does_not_delay_the_others),
                cmocka_unit_test(test_a_cut_between_two_does_not_make_leaders_change),
                cmocka_unit_test(test_two_voters_of_a_bare_quorum_need_not_see_each_other),
                cmocka_unit_test(test_a_vote_of_an_older_round_does_not_count),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
