/* A leader on its way to an epoch, among learners that the test speaks for: which one it takes, whose promise counts.
 * Numbers in comments are those of the catalogue in safety.md 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

#include <string.h>

/* 11, Z21: the epoch is above every promise its learners gave. */
static void test_epoch_is_above_every_promise(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 6);
        assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(7, 0));
        assert_int_equal(world_node(w, 1)->disk.accepted, 7);
        world_free(w);
}

/* One message must not use up what epochs there are: a promise is never taken back. */
static void test_a_learner_with_an_absurd_epoch_is_refused(void **state)
{
        static const int64_t absurd[] = {0x7fffffff, 0x7ffffffe, ZAB_EPOCH_HEARD_LEAP_MAX + 1};
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
                struct pipe *p = puppet_dial(w, 1);
                puppet_hello(w, p, QP_FOLLOWERINFO, 2, absurd[i]);
                puppet_expect_nothing(w, p);
                assert_int_equal(world_bad_input(w), i + 1);
        }
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 6);
        assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(7, 0));
        world_free(w);
}

/* What a leader believes, its voters believe, or nobody would follow it any more. */
static void test_voters_follow_above_the_highest_promise_that_is_believed(void **state)
{
        (void)state;
        struct world *w = world_new(3, 1, 1);
        world_make_puppet(w, 4);
        world_form(w, 1);
        world_settle(w);
        assert_int_equal(zab_phase(world_machine(w)), ZAB_BROADCAST);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_OBSERVERINFO, 4, 1 + ZAB_EPOCH_HEARD_LEAP_MAX);
        world_settle(w);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_form(w, 1);
        world_settle(w);
        for (int64_t sid = 1; sid <= 3; sid++) {
                assert_int_equal(zab_phase(world_node(w, sid)->zab), ZAB_BROADCAST);
                assert_int_equal(zab_accepted_epoch(world_node(w, sid)->zab), 2 + ZAB_EPOCH_HEARD_LEAP_MAX);
        }
        world_free(w);
}

/* 13, Z21: what is announced is durable, so that a crash can't make it be announced twice. */
static void test_epoch_is_announced_only_when_durable(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_node(w, 1)->disk_stuck = true;
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 0);
        puppet_expect_nothing(w, p);
        world_node(w, 1)->disk_stuck = false;
        assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(1, 0));
        world_free(w);
}

/* Z20, Z21: whoever comes before it is announced and has promised as much already is not told of it: it could not be
 * counted, or not follow. */
static void test_epoch_rises_above_who_comes_while_it_is_written(void **state)
{
        static const int64_t promised[] = {1, 5};
        (void)state;
        for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
                struct world *w = world_of_puppets(3, 1);
                world_node(w, 1)->disk_stuck = true;
                world_lead(w, 1);
                struct pipe *p = puppet_dial(w, 1);
                puppet_hello(w, p, QP_FOLLOWERINFO, 2, 0);
                puppet_expect_nothing(w, p);
                struct pipe *q = puppet_dial(w, 1);
                puppet_hello(w, q, i ? QP_OBSERVERINFO : QP_FOLLOWERINFO, i ? 4 : 3, promised[i]);
                puppet_expect_nothing(w, q);
                world_node(w, 1)->disk_stuck = false;
                assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(promised[i] + 1, 0));
                assert_int_equal(puppet_expect(w, q, QP_LEADERINFO), z(promised[i] + 1, 0));
                assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
                world_free(w);
        }
}

/* 15, Z16: an observer's promise raises the epoch, and counts for nothing. */
static void test_observer_raises_the_epoch_and_does_not_count(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 1);
        world_lead(w, 1);
        struct pipe *o = puppet_dial(w, 1);
        puppet_hello(w, o, QP_OBSERVERINFO, 4, 90);
        puppet_expect_nothing(w, o);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 0);
        assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(91, 0));
        assert_int_equal(puppet_expect(w, o, QP_LEADERINFO), z(91, 0));
        puppet_ack_epoch(w, o, 0, 0);
        puppet_expect_nothing(w, o);
        assert_int_equal(zab_phase(world_machine(w)), ZAB_DISCOVERY);
        puppet_ack_epoch(w, p, 0, 0);
        (void)puppet_expect(w, o, QP_DIFF);
        (void)puppet_expect(w, o, QP_NEWLEADER);
        puppet_plain(w, o, QP_ACK, z(91, 0));
        puppet_expect_nothing(w, o);
        assert_int_equal(zab_phase(world_machine(w)), ZAB_SYNCHRONIZATION);
        world_free(w);
}

/* 14, Z20: a promise given before does not count again; a new election is sought when none is left. */
static void test_a_second_promise_does_not_count(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 0);
        (void)puppet_expect(w, p, QP_LEADERINFO);
        puppet_ack_epoch(w, p, 0, -1);
        puppet_expect_nothing(w, p);
        assert_int_equal(zab_phase(world_machine(w)), ZAB_DISCOVERY);
        struct pipe *q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_FOLLOWERINFO, 3, 1);
        (void)puppet_expect(w, q, QP_LEADERINFO);
        puppet_ack_epoch(w, q, 0, -1);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_free(w);
}

static struct world *world_with_log(int64_t current)
{
        struct world *w = world_new(3, 0, 1);
        world_form(w, 1);
        world_settle(w);
        world_proposals(w, 1, 3);
        world_settle(w);
        world_make_puppet(w, 2);
        world_make_puppet(w, 3);
        world_leave(w, 1);
        world_settle(w);
        assert_int_equal(zab_current_epoch(world_machine(w)), current);
        return w;
}

/* 16, Z22: a more recent follower is never cut; its leader does without it. */
static void test_follower_with_a_longer_log_is_not_counted(void **state)
{
        (void)state;
        struct world *w = world_with_log(1);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 1);
        (void)puppet_expect(w, p, QP_LEADERINFO);
        puppet_ack_epoch(w, p, z(1, 4), 1);
        world_settle(w);
        assert_true(puppet_closed(p));
        assert_int_equal(zab_phase(world_machine(w)), ZAB_DISCOVERY);
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_free(w);
}

/* 4, Z22: epochs are compared before zxids. */
static void test_follower_of_a_higher_epoch_with_a_shorter_log_is_ahead(void **state)
{
        (void)state;
        struct world *w = world_with_log(1);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 2);
        (void)puppet_expect(w, p, QP_LEADERINFO);
        puppet_ack_epoch(w, p, z(1, 2), 2);
        world_settle(w);
        assert_true(puppet_closed(p));
        assert_int_equal(zab_phase(world_machine(w)), ZAB_DISCOVERY);
        world_free(w);
}

static void test_follower_of_a_lower_epoch_with_a_longer_log_is_not_ahead(void **state)
{
        (void)state;
        struct world *w = world_with_log(1);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 1);
        (void)puppet_expect(w, p, QP_LEADERINFO);
        puppet_ack_epoch(w, p, z(1, 9), 0);
        assert_int_equal(puppet_expect(w, p, QP_TRUNC), z(1, 3));
        assert_int_equal(puppet_expect(w, p, QP_NEWLEADER), z(2, 0));
        world_free(w);
}

/* A voter that promised a later epoch to a failed candidate could never come back otherwise. */
static void test_leader_makes_way_for_a_voter_with_a_later_promise(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        (void)puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_FOLLOWERINFO, 3, 5);
        world_settle(w);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_free(w);
}

/* An observer would be kept out just as long. The next epoch is above its promise, whether it comes in time or not. */
static void test_leader_makes_way_for_an_observer_with_a_later_promise(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 1);
        world_lead(w, 1);
        (void)puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_OBSERVERINFO, 4, 5);
        world_settle(w);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_lead(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 1);
        assert_int_equal(puppet_expect(w, p, QP_LEADERINFO), z(6, 0));
        /* Known by now: nothing more comes of it. */
        q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_OBSERVERINFO, 4, 5);
        assert_int_equal(puppet_expect(w, q, QP_LEADERINFO), z(6, 0));
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_free(w);
}

/* E7: nobody tells the others of it, so at worst each of them leads once in vain. */
static void test_one_promise_costs_each_voter_one_election_at_most(void **state)
{
        enum { VOTERS = 5, OBSERVER = 6, PROMISED = 50 };
        (void)state;
        struct world *w = world_new(VOTERS, 1, 1);
        world_make_puppet(w, OBSERVER);
        for (int64_t sid = 1; sid <= VOTERS; sid++) {
                world_form(w, sid);
                world_settle(w);
                assert_int_equal(zab_phase(world_node(w, sid)->zab), ZAB_BROADCAST);
                puppet_hello(w, puppet_dial(w, sid), QP_OBSERVERINFO, OBSERVER, PROMISED);
                world_settle(w);
                for (int64_t i = 1; i <= VOTERS; i++)
                        assert_int_equal(zab_role(world_node(w, i)->zab), ZAB_IDLE);
        }
        world_form(w, 1);
        world_settle(w);
        (void)puppet_join(w, 1, OBSERVER, PROMISED, 0, 0);
        for (int64_t i = 1; i <= VOTERS; i++)
                assert_int_equal(zab_current_epoch(world_node(w, i)->zab), PROMISED + 1);
        world_free(w);
}

/* Whom the configuration does not name has no say over the ensemble's elections. */
static void test_leader_stays_for_a_stranger_with_a_later_promise(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        (void)puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_OBSERVERINFO, 77, 5);
        assert_int_equal(puppet_expect(w, q, QP_LEADERINFO), z(1, 0));
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_free(w);
}

static void test_leader_without_a_quorum_gives_up_after_init_limit(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        world_run(w, WORLD_INIT * WORLD_TICK_MS - 1);
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_run(w, 1);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_free(w);
}

/* A learner that decided first dials before its leader knows that it leads. */
static void test_learner_that_comes_early_is_kept_waiting(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        struct pipe *p = puppet_dial(w, 1);
        puppet_hello(w, p, QP_FOLLOWERINFO, 2, 0);
        puppet_expect_nothing(w, p);
        assert_false(puppet_closed(p));
        world_lead(w, 1);
        (void)puppet_expect(w, p, QP_LEADERINFO);
        world_free(w);
}

static void test_new_connection_of_a_learner_replaces_the_old_one(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *q = puppet_join(w, 1, 2, 1, 0, -1);
        assert_true(puppet_closed(p));
        assert_false(puppet_closed(q));
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_epoch_is_above_every_promise),
                cmocka_unit_test(test_a_learner_with_an_absurd_epoch_is_refused),
                cmocka_unit_test(test_voters_follow_above_the_highest_promise_that_is_believed),
                cmocka_unit_test(test_epoch_is_announced_only_when_durable),
                cmocka_unit_test(test_epoch_rises_above_who_comes_while_it_is_written),
                cmocka_unit_test(test_observer_raises_the_epoch_and_does_not_count),
                cmocka_unit_test(test_a_second_promise_does_not_count),
                cmocka_unit_test(test_follower_with_a_longer_log_is_not_counted),
                cmocka_unit_test(test_follower_of_a_higher_epoch_with_a_shorter_log_is_ahead),
                cmocka_unit_test(test_follower_of_a_lower_epoch_with_a_longer_log_is_not_ahead),
                cmocka_unit_test(test_leader_makes_way_for_a_voter_with_a_later_promise),
                cmocka_unit_test(test_leader_makes_way_for_an_observer_with_a_later_promise),
                cmocka_unit_test(test_one_promise_costs_each_voter_one_election_at_most),
                cmocka_unit_test(test_leader_stays_for_a_stranger_with_a_later_promise),
                cmocka_unit_test(test_leader_without_a_quorum_gives_up_after_init_limit),
                cmocka_unit_test(test_learner_that_comes_early_is_kept_waiting),
                cmocka_unit_test(test_new_connection_of_a_learner_replaces_the_old_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
