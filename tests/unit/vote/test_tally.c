/* The counting of votes, rule by rule: quorum-protocol.md 2.2 to 2.4, safety.md E1 to E5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/vote/tally.h"

#include <string.h>

#define T0 1000

static struct ensemble ensemble_of(int64_t voters, int64_t observers)
{
        struct ensemble e = {0};
        for (int64_t sid = 1; sid <= voters + observers; sid++) {
                struct member m = {.sid = sid, .observer = sid > voters, .host = "h", .election_port = 1};
                assert_int_equal(ensemble_add(&e, &m), 0);
        }
        return e;
}

static struct vote_notification looking(int64_t leader, int64_t zxid, int64_t round, int64_t epoch)
{
        return (struct vote_notification){VOTE_LOOKING, leader, zxid, round, epoch, VOTE_NOTIFICATION_VERSION};
}

static struct vote_notification settled(enum vote_state s, int64_t leader, int64_t zxid, int64_t round, int64_t epoch)
{
        return (struct vote_notification){s, leader, zxid, round, epoch, VOTE_NOTIFICATION_VERSION};
}

static unsigned tell(struct vote_tally *t, uint64_t now_ms, int64_t from, struct vote_notification n)
{
        unsigned r = vote__tally_receive(t, now_ms, from, &n);
        vote__tally_check(t);
        return r;
}

/* Server `sid` looking in round 1 with an empty log. */
static void begin(struct vote_tally *t, const struct ensemble *e, int64_t sid)
{
        vote__tally_init(t, e, sid);
        assert_int_equal(vote__tally_begin(t, T0, 0, 0), VOTE_TALLY_SEND);
        vote__tally_check(t);
}

static void test_order_is_epoch_then_zxid_then_sid(void **state)
{
        (void)state;
        static const struct vote_ballot rising[] = {
                {VOTE_NONE, VOTE_NONE, VOTE_NONE},
                {9, -1, 0},
                {1, 0, 0},
                {2, 0, 0},
                {1, 5, 0},
                {1, 0x500000000, 0},
                {1, 0, 1},
                {3, 0, 1},
                {2, 1, 1},
                {1, 0, 2},
        };
        for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
                for (size_t k = 0; k < sizeof rising / sizeof *rising; k++)
                        assert_int_equal(vote__ballot_better(&rising[i], &rising[k]), i > k);
        }
}

static void test_a_looking_servers_vote_equals_in_every_part_or_not_at_all(void **state)
{
        (void)state;
        const struct vote_said a = {true, {3, 7, 2}, 4, VOTE_LOOKING, 0};
        struct vote_said b = a;
        assert_true(vote__said_equal(&a, &b));
        b.state = VOTE_FOLLOWING; /* one of the two looking is enough */
        assert_true(vote__said_equal(&a, &b));
        b.version = 2;
        assert_true(vote__said_equal(&a, &b));
        b = a, b.ballot.leader = 2;
        assert_false(vote__said_equal(&a, &b));
        b = a, b.ballot.zxid = 8;
        assert_false(vote__said_equal(&a, &b));
        b = a, b.ballot.epoch = 3;
        assert_false(vote__said_equal(&a, &b));
        b = a, b.round = 5;
        assert_false(vote__said_equal(&a, &b));
}

static void test_settled_votes_equal_by_leader_and_epoch_or_by_leader_alone_for_old_servers(void **state)
{
        (void)state;
        const struct vote_said a = {true, {3, 7, 2}, 4, VOTE_FOLLOWING, 2};
        struct vote_said b = {true, {3, 99, 2}, 11, VOTE_LEADING, 2};
        assert_true(vote__said_equal(&a, &b)); /* ZOOKEEPER-1732: zxid and round may differ */
        b.ballot.epoch = 3;
        assert_false(vote__said_equal(&a, &b));
        b.version = 0;
        assert_true(vote__said_equal(&a, &b));
        b.ballot.leader = 2;
        assert_false(vote__said_equal(&a, &b));
        struct vote_said c = a;
        c.version = b.version = 0;
        b.ballot.leader = 3;
        assert_false(vote__said_equal(&c, &b)); /* both old: the epoch counts again */
}

static void test_a_better_vote_is_adopted_and_told(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(5, 0);
        struct vote_tally t;
        begin(&t, &e, 2);
        assert_int_equal(tell(&t, T0, 1, looking(1, 0, 1, 0)), 0);
        assert_int_equal(t.proposal.leader, 2);
        assert_int_equal(tell(&t, T0, 4, looking(4, 0, 1, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.proposal.leader, 4);
        assert_int_equal(tell(&t, T0, 3, looking(3, 5, 1, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.proposal.leader, 3);
        assert_int_equal(tell(&t, T0, 5, looking(5, 0, 1, 1)), VOTE_TALLY_SEND);
        assert_int_equal(t.proposal.leader, 5);
}

static void test_a_newer_round_is_joined_and_clears_the_votes(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 2);
        (void)tell(&t, T0, 3, looking(3, 0, 1, 0)); /* a quorum in round 1, with 1 missing */
        assert_true(t.finalize_at_ms != VOTE_NEVER);
        assert_int_equal(tell(&t, T0, 1, looking(1, 0, 4, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.round, 4);
        assert_int_equal(t.proposal.leader, 2); /* not 3: that was in an older round (E2) */
        assert_true(t.finalize_at_ms == VOTE_NEVER);
        assert_int_equal(tell(&t, T0, 3, looking(3, 9, 2, 9)), 0); /* scenario 1: older rounds don't count */
        assert_int_equal(t.proposal.leader, 2);
        assert_int_equal(tell(&t, T0, 3, looking(3, 0, 7, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.proposal.leader, 3); /* better than our own initial vote */
}

static void test_all_alike_decides_at_once(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 3);
        assert_int_equal(tell(&t, T0, 1, looking(3, 0, 1, 0)), 0);
        assert_int_equal(vote__tally_deadline(&t), T0 + VOTE_FINALIZE_MS);
        assert_int_equal(tell(&t, T0, 2, looking(3, 0, 1, 0)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_LEADING);
        begin(&t, &e, 1);
        (void)tell(&t, T0, 2, looking(3, 0, 1, 0));
        assert_int_equal(tell(&t, T0, 3, looking(3, 0, 1, 0)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_FOLLOWING);
        assert_int_equal(t.current.ballot.leader, 3);
        assert_int_equal(t.current.round, 1);
}

static void test_a_quorum_waits_for_200_ms_without_news(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(5, 0);
        struct vote_tally t;
        begin(&t, &e, 3);
        (void)tell(&t, T0, 1, looking(3, 0, 1, 0));
        assert_true(t.finalize_at_ms == VOTE_NEVER); /* two of five */
        (void)tell(&t, T0 + 10, 2, looking(3, 0, 1, 0));
        assert_int_equal(vote__tally_deadline(&t), T0 + 210);
        assert_int_equal(vote__tally_tick(&t, T0 + 209), 0);
        (void)tell(&t, T0 + 150, 2, looking(3, 0, 1, 0)); /* the same again: no news */
        assert_int_equal(vote__tally_deadline(&t), T0 + 210);
        (void)tell(&t, T0 + 160, 4, looking(3, 0, 1, 0));
        assert_int_equal(vote__tally_deadline(&t), T0 + 360);
        assert_int_equal(vote__tally_tick(&t, T0 + 360), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_LEADING);
        assert_true(vote__tally_deadline(&t) == VOTE_NEVER);
}

static void test_a_better_vote_during_the_wait_is_followed(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 2);
        (void)tell(&t, T0, 1, looking(2, 0, 1, 0));
        assert_int_equal(tell(&t, T0 + 199, 3, looking(3, 0, 1, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.proposal.leader, 3); /* with 3 that is a quorum again, without 1 */
        assert_int_equal(vote__tally_tick(&t, T0 + 200), 0);
        assert_int_equal(vote__tally_tick(&t, T0 + 399), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.ballot.leader, 3);
}

static void test_a_server_known_to_be_away_is_not_waited_for(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 2);
        (void)tell(&t, T0, 1, looking(2, 0, 1, 0));
        assert_int_equal(vote__tally_away(&t, T0, 3), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_LEADING);

        begin(&t, &e, 2);
        assert_int_equal(vote__tally_away(&t, T0, 3), 0); /* two away or silent: no quorum */
        assert_int_equal(tell(&t, T0, 1, looking(2, 0, 1, 0)), VOTE_TALLY_SETTLED);

        begin(&t, &e, 2);
        (void)vote__tally_away(&t, T0, 3);
        vote__tally_back(&t, 3);
        assert_int_equal(tell(&t, T0, 1, looking(2, 0, 1, 0)), 0); /* it may vote otherwise */

        assert_int_equal(vote__tally_away(&t, T0, 99), 0); /* a stranger */
}

static void test_away_servers_never_make_a_quorum(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(5, 0);
        struct vote_tally t;
        begin(&t, &e, 5);
        (void)tell(&t, T0, 1, looking(5, 0, 1, 0));
        (void)vote__tally_away(&t, T0, 2);
        (void)vote__tally_away(&t, T0, 3);
        (void)vote__tally_away(&t, T0, 4);
        assert_true(t.looking);
        assert_true(t.finalize_at_ms == VOTE_NEVER);
}

static void test_what_an_away_server_said_is_forgotten(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        /* It leads, one follower says so too, but it died before the second answer came. */
        (void)tell(&t, T0, 3, settled(VOTE_LEADING, 3, 0, 7, 2));
        (void)vote__tally_away(&t, T0, 3);
        assert_int_equal(tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, 0, 7, 2)), 0);
        assert_true(t.looking);
}

static void test_when_the_proposed_server_goes_away_a_new_round_begins_without_it(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        (void)tell(&t, T0, 3, looking(3, 0, 1, 0));
        assert_int_equal(t.proposal.leader, 3);
        assert_int_equal(vote__tally_away(&t, T0, 3), VOTE_TALLY_SEND);
        assert_int_equal(t.round, 2);
        assert_int_equal(t.proposal.leader, 1);
}

static void test_votes_for_a_server_that_is_away_begin_one_new_round_and_count_when_repeated_in_it(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        (void)vote__tally_away(&t, T0, 3);
        assert_int_equal(tell(&t, T0, 2, looking(3, 5, 1, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.round, 2);
        assert_int_equal(t.proposal.leader, 1);
        assert_int_equal(tell(&t, T0, 2, looking(3, 5, 2, 0)), VOTE_TALLY_SEND);
        assert_int_equal(t.round, 2);
        assert_int_equal(t.proposal.leader, 3); /* only 3 itself can have brought its vote into round 2 */
        assert_true(t.looking);                 /* and so it is waited for */
}

static void test_joining_needs_a_quorum_and_the_leaders_own_word(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(5, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        (void)tell(&t, T0, 2, settled(VOTE_FOLLOWING, 5, 1, 7, 3));
        (void)tell(&t, T0, 3, settled(VOTE_FOLLOWING, 5, 2, 8, 3));
        assert_int_equal(tell(&t, T0, 4, settled(VOTE_FOLLOWING, 5, 3, 9, 3)), 0); /* three, but not 5 itself */
        assert_int_equal(tell(&t, T0, 5, settled(VOTE_LEADING, 5, 4, 11, 3)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_FOLLOWING);
        assert_int_equal(t.current.ballot.leader, 5);
        assert_int_equal(t.round, 11); /* 2.3.7: the clock follows */

        begin(&t, &e, 1);
        (void)tell(&t, T0, 5, settled(VOTE_LEADING, 5, 4, 11, 3));
        (void)tell(&t, T0, 2, settled(VOTE_FOLLOWING, 5, 1, 7, 3));
        assert_true(t.looking); /* two of five */
        (void)tell(&t, T0, 4, settled(VOTE_FOLLOWING, 5, 1, 7, 2));
        assert_true(t.looking); /* another epoch: another vote */
        assert_int_equal(tell(&t, T0, 3, settled(VOTE_FOLLOWING, 5, 1, 7, 3)), VOTE_TALLY_SETTLED);
}

static void test_the_word_of_the_leader_that_was_voted_for_is_enough(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(5, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        (void)tell(&t, T0, 5, looking(5, 0, 1, 0));
        assert_true(t.looking); /* two of five */
        assert_int_equal(tell(&t, T0, 5, settled(VOTE_LEADING, 5, 0, 1, 0)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_FOLLOWING);
        assert_int_equal(t.current.ballot.leader, 5);

        static const struct vote_notification too_little[] = {
                {VOTE_LEADING, 5, 0, 2, 0, VOTE_NOTIFICATION_VERSION},   /* of a round that this server is not in */
                {VOTE_LEADING, 5, 1, 1, 0, VOTE_NOTIFICATION_VERSION},   /* with another log */
                {VOTE_LEADING, 5, 0, 1, 1, VOTE_NOTIFICATION_VERSION},   /* established without this server */
                {VOTE_FOLLOWING, 5, 0, 1, 0, VOTE_NOTIFICATION_VERSION}, /* not its own word */
                {VOTE_LEADING, 4, 0, 1, 0, VOTE_NOTIFICATION_VERSION},   /* not voted for */
        };
        for (size_t i = 0; i < sizeof too_little / sizeof *too_little; i++) {
                begin(&t, &e, 1);
                (void)tell(&t, T0, 5, looking(5, 0, 1, 0));
                int64_t from = i < 3 ? 5 : 4;
                assert_int_equal(tell(&t, T0, from, too_little[i]), 0);
                assert_true(t.looking);
        }
        /* One that votes for itself is no follower of a leader that it has not voted for. */
        begin(&t, &e, 5);
        assert_int_equal(tell(&t, T0, 4, settled(VOTE_LEADING, 4, 0, 1, 0)), 0);
}

static void test_the_clock_never_goes_back(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        vote__tally_init(&t, &e, 1);
        for (int i = 0; i < 9; i++)
                (void)vote__tally_begin(&t, T0, 0, 0);
        (void)tell(&t, T0, 3, settled(VOTE_LEADING, 3, 0, 2, 1));
        assert_int_equal(tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, 0, 2, 1)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.round, 9);
        assert_int_equal(t.current.round, 2);
        begin(&t, &e, 1);
        (void)tell(&t, T0, 3, settled(VOTE_LEADING, 3, 0, -1, -1)); /* designated by a reconfiguration (2.4) */
        assert_int_equal(tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, 0, -1, -1)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.round, 1);
}

/* A faulty server can bring everybody to the last round there is. It must not keep them there undecided, nor
 * make anybody count beyond. */
static void test_at_the_end_of_the_clock_elections_go_on_in_the_last_round(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 2);
        tell(&t, T0, 1, looking(2, 0, VOTE_ROUND_MAX, 0));
        assert_true(t.round == VOTE_ROUND_MAX);
        for (int64_t zxid = 1; zxid <= 3; zxid++) {
                assert_true(vote__tally_begin(&t, T0, zxid, 0) & VOTE_TALLY_SEND);
                assert_true(t.round == VOTE_ROUND_MAX);
                assert_false(t.received[0].present); /* of the election before */
                vote__tally_away(&t, T0, 3);
                tell(&t, T0, 1, looking(3, 99, VOTE_ROUND_MAX, 0)); /* away: a new round, were there one */
                assert_int_equal(t.proposal.leader, 2);
                assert_true(tell(&t, T0, 1, looking(2, zxid, VOTE_ROUND_MAX, 0)) & VOTE_TALLY_SETTLED);
                assert_int_equal(t.current.state, VOTE_LEADING);
        }
}

static void test_a_settled_server_counts_for_the_proposal_of_its_round(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        (void)tell(&t, T0, 2, looking(3, 0, 1, 0));
        /* 3 has all votes and leads already, in a new epoch: its word must not undo its vote. */
        assert_int_equal(tell(&t, T0, 3, settled(VOTE_LEADING, 3, 0, 1, 1)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.ballot.leader, 3);
}

static void test_we_lead_by_others_word_only_on_what_we_proposed_in_this_round(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        vote__tally_init(&t, &e, 3);
        (void)vote__tally_begin(&t, T0, 9, 4);
        (void)tell(&t, T0, 1, settled(VOTE_FOLLOWING, 3, 9, 8, 4));
        (void)tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, 9, 8, 4));
        assert_true(t.looking); /* 2.3.8: of another round; they have not noticed that we restarted */
        (void)tell(&t, T0, 1, settled(VOTE_FOLLOWING, 3, 2, 1, 3));
        (void)tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, 2, 1, 3));
        assert_true(t.looking); /* not what we have */
        assert_int_equal(tell(&t, T0, 1, settled(VOTE_FOLLOWING, 3, 9, 1, 4)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_LEADING);
}

static void test_only_voters_and_votes_for_voters_count(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 2);
        struct vote_tally t;
        begin(&t, &e, 1);
        assert_int_equal(tell(&t, T0, 4, looking(1, 0, 1, 0)), 0); /* an observer */
        assert_int_equal(tell(&t, T0, 5, looking(1, 0, 1, 0)), 0);
        assert_int_equal(tell(&t, T0, 77, looking(1, 0, 9, 9)), 0); /* nobody we know */
        assert_int_equal(tell(&t, T0, 2, looking(5, 0, 9, 9)), 0);  /* for an observer */
        assert_int_equal(tell(&t, T0, 2, looking(77, 0, 9, 9)), 0);
        assert_int_equal(tell(&t, T0, 2, settled(VOTE_OBSERVING, 1, 0, 1, 0)), 0);
        assert_int_equal(t.round, 1);
        assert_true(t.finalize_at_ms == VOTE_NEVER);
}

static void test_a_lost_database_does_not_count_but_can_follow(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        vote__tally_init(&t, &e, 3);
        (void)vote__tally_begin(&t, T0, -1, 5);
        assert_int_equal(t.proposal.zxid, -1);
        assert_int_equal(tell(&t, T0, 1, looking(3, -1, 1, 5)), 0);
        assert_int_equal(tell(&t, T0, 2, looking(3, -1, 1, 5)), 0);
        (void)tell(&t, T0, 1, settled(VOTE_FOLLOWING, 3, -1, 1, 5));
        (void)tell(&t, T0, 2, settled(VOTE_FOLLOWING, 3, -1, 1, 5));
        assert_true(t.looking); /* E5: not even when others want it */
        (void)tell(&t, T0, 1, settled(VOTE_FOLLOWING, 2, 0, 4, 5));
        assert_int_equal(tell(&t, T0, 2, settled(VOTE_LEADING, 2, 0, 4, 5)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.ballot.leader, 2);

        begin(&t, &e, 1);
        assert_int_equal(tell(&t, T0, 3, looking(3, -1, 8, 9)), 0); /* and its votes are not counted by others */
        assert_int_equal(t.round, 1);
        assert_int_equal(t.proposal.leader, 1);
}

static void test_an_observer_proposes_nobody_and_follows_the_voters(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 1);
        struct vote_tally t;
        vote__tally_init(&t, &e, 4);
        (void)vote__tally_begin(&t, T0, 0x900000000, 9);
        assert_true(t.proposal.leader == VOTE_NONE && t.proposal.zxid == VOTE_NONE && t.proposal.epoch == VOTE_NONE);
        (void)tell(&t, T0, 3, settled(VOTE_LEADING, 3, 0, 4, 1));
        assert_true(t.looking); /* its own opinion is none */
        assert_int_equal(tell(&t, T0, 1, settled(VOTE_FOLLOWING, 3, 0, 4, 1)), VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_OBSERVING);
}

static void test_one_voter_is_a_quorum(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(1, 1);
        struct vote_tally t;
        vote__tally_init(&t, &e, 1);
        assert_int_equal(vote__tally_begin(&t, T0, 0, 0), VOTE_TALLY_SEND | VOTE_TALLY_SETTLED);
        assert_int_equal(t.current.state, VOTE_LEADING);
}

static void test_four_voters_need_three(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(4, 0);
        struct vote_tally t;
        begin(&t, &e, 4);
        (void)tell(&t, T0, 1, looking(4, 0, 1, 0));
        assert_true(t.finalize_at_ms == VOTE_NEVER);
        (void)tell(&t, T0, 2, looking(4, 0, 1, 0));
        assert_true(t.finalize_at_ms != VOTE_NEVER);
}

static void test_repetition_slows_down_from_200_ms_to_a_minute(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of(3, 0);
        struct vote_tally t;
        begin(&t, &e, 1);
        uint64_t now = T0;
        static const uint64_t want[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
        for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
                assert_int_equal(vote__tally_deadline(&t) - now, want[i]);
                now = vote__tally_deadline(&t);
                assert_int_equal(vote__tally_tick(&t, now - 1), 0);
                assert_int_equal(vote__tally_tick(&t, now), VOTE_TALLY_SEND);
        }
}

/* A deliberately dumb twin of the decision rule, compared over random votes: decided at once if and only if
 * a majority votes like the best vote there is and everybody else is away. */
static void test_the_early_decision_agrees_with_a_dumb_twin(void **state)
{
        (void)state;
        struct prng prng = {3};
        for (int round = 0; round < 50000; round++) {
                int64_t voters = 1 + (int64_t)(prng_next(&prng) % 7);
                struct ensemble e = ensemble_of(voters, 0);
                struct vote_tally t;
                vote__tally_init(&t, &e, voters); /* the best: nobody's vote changes ours */
                (void)vote__tally_begin(&t, T0, 0, 0);
                int64_t alike = 1, away = 0;
                for (int64_t sid = 1; sid < voters; sid++) {
                        switch (prng_next(&prng) % 4) {
                        case 0:
                        case 1:
                                alike++;
                                if (t.looking)
                                        (void)tell(&t, T0, sid, looking(voters, 0, 1, 0));
                                break;
                        case 2:
                                away++;
                                (void)vote__tally_away(&t, T0, sid);
                                break;
                        default: /* silent, or votes for itself */
                                if (t.looking && prng_next(&prng) % 2)
                                        (void)tell(&t, T0, sid, looking(sid, 0, 1, 0));
                                break;
                        }
                }
                assert_int_equal(!t.looking, alike > voters / 2 && alike + away == voters);
                assert_int_equal(t.looking && t.finalize_at_ms != VOTE_NEVER,
                                 alike > voters / 2 && alike + away < voters);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order_is_epoch_then_zxid_then_sid),
                cmocka_unit_test(test_a_looking_servers_vote_equals_in_every_part_or_not_at_all),
                cmocka_unit_test(test_settled_votes_equal_by_leader_and_epoch_or_by_leader_alone_for_old_servers),
                cmocka_unit_test(test_a_better_vote_is_adopted_and_told),
                cmocka_unit_test(test_a_newer_round_is_joined_and_clears_the_votes),
                cmocka_unit_test(test_all_alike_decides_at_once),
                cmocka_unit_test(test_a_quorum_waits_for_200_ms_without_news),
                cmocka_unit_test(test_a_better_vote_during_the_wait_is_followed),
                cmocka_unit_test(test_a_server_known_to_be_away_is_not_waited_for),
                cmocka_unit_test(test_away_servers_never_make_a_quorum),
                cmocka_unit_test(test_what_an_away_server_said_is_forgotten),
                cmocka_unit_test(test_when_the_proposed_server_goes_away_a_new_round_begins_without_it),
                cmocka_unit_test(
                        test_votes_for_a_server_that_is_away_begin_one_new_round_and_count_when_repeated_in_it),
                cmocka_unit_test(test_joining_needs_a_quorum_and_the_leaders_own_word),
                cmocka_unit_test(test_the_word_of_the_leader_that_was_voted_for_is_enough),
                cmocka_unit_test(test_the_clock_never_goes_back),
                cmocka_unit_test(test_at_the_end_of_the_clock_elections_go_on_in_the_last_round),
                cmocka_unit_test(test_a_settled_server_counts_for_the_proposal_of_its_round),
                cmocka_unit_test(test_we_lead_by_others_word_only_on_what_we_proposed_in_this_round),
                cmocka_unit_test(test_only_voters_and_votes_for_voters_count),
                cmocka_unit_test(test_a_lost_database_does_not_count_but_can_follow),
                cmocka_unit_test(test_an_observer_proposes_nobody_and_follows_the_voters),
                cmocka_unit_test(test_one_voter_is_a_quorum),
                cmocka_unit_test(test_four_voters_need_three),
                cmocka_unit_test(test_repetition_slows_down_from_200_ms_to_a_minute),
                cmocka_unit_test(test_the_early_decision_agrees_with_a_dumb_twin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
