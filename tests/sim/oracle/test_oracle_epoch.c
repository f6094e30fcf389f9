/* Promises, epochs, disks and votes that no lawful ensemble has: each must be named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/oracle/oracle_bench.h"

#include "election/vote/vote.h"

#define Z(epoch, counter) bench_zxid(epoch, counter)

/* Server 1 leads epoch 1 with 2, and (1,1) is committed on both. */
static void begin(struct bench *b)
{
        bench_lead(b, 1, 2, 1);
        bench_commit(b, 1, 2, Z(1, 1));
        bench_clean(b);
}

/* ---- leaders ---- */

static void test_two_leaders_of_one_epoch(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, 3)->current = 1;
        oracle__leads(b->o, bench_server(b, 3), 1);
        bench_caught(b, "Z1");
}

/* The first one is long gone. */
static void test_epoch_that_had_another_leader(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, 1)->running = false;
        bench_server(b, 3)->current = 1;
        oracle__leads(b->o, bench_server(b, 3), 1);
        bench_caught(b, "Z2");
}

static void test_leader_before_its_epoch_is_on_disk(void **state)
{
        struct bench *b = *state;
        oracle__leads(b->o, bench_server(b, 3), 1);
        bench_caught(b, "Z12");
}

/* ---- promises ---- */

/* Scenario 12: with the power gone it would promise the same to another. */
static void test_promise_before_it_is_on_disk(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_connect(b, 2, 1);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, 0, "", 0);
        bench_epoch(b, 1, ASK_ACCEPTED, 1);
        bench_from_leader(b, 2, QP_LEADERINFO, Z(1, 0));
        oracle__ask(b->o, bench_server(b, 2), ASK_ACCEPTED, 1, 1);
        bench_clean(b);
        bench_ack_epoch(b, 2, 0, 0);
        bench_caught(b, "Z20");
}

/* Scenario 14. */
static void test_promise_that_counts_twice(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_promise(b, 2, 1, 1);
        bench_promise(b, 2, 1, 1); /* says -1 */
        bench_clean(b);
        bench_ack_epoch(b, 2, 0, 0);
        bench_caught(b, "Z20");
}

static void test_promise_below_an_earlier_one(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_connect(b, 2, 1);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, 0, "", 0);
        bench_epoch(b, 1, ASK_ACCEPTED, 1);
        bench_from_leader(b, 2, QP_LEADERINFO, Z(1, 0));
        bench_epoch(b, 2, ASK_ACCEPTED, 2);
        bench_ack_epoch(b, 2, 0, 0);
        bench_caught(b, "Z20");
}

/* What counts in no quorum binds an observer as long as it says that it does. */
static void test_observer_below_an_earlier_promise(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_connect(b, 2, 1);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, 0, "", 0);
        bench_connect(b, 4, 1);
        bench_epoch(b, 4, ASK_ACCEPTED, 2);
        bench_from_follower(b, 4, QP_OBSERVERINFO, Z(2, 0), "", 0);
        bench_epoch(b, 1, ASK_ACCEPTED, 1);
        bench_from_leader(b, 4, QP_LEADERINFO, Z(1, 0));
        bench_ack_epoch(b, 4, -1, 0);
        bench_clean(b);
        bench_ack_epoch(b, 4, 0, 0);
        bench_caught(b, "Z20");
}

static void test_promise_that_is_forgotten(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_connect(b, 2, 3);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, 0, "", 0);
        bench_caught(b, "Z20");
}

static void test_promise_that_says_less_than_the_log(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_candidate(b, 1, 2);
        bench_connect(b, 2, 1);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, Z(1, 0), "", 0);
        bench_epoch(b, 1, ASK_ACCEPTED, 2);
        bench_from_leader(b, 2, QP_LEADERINFO, Z(2, 0));
        bench_epoch(b, 2, ASK_ACCEPTED, 2);
        bench_ack_epoch(b, 2, 1, 0);
        bench_caught(b, "Z22");
}

/* Scenario 13. */
static void test_epoch_announced_before_it_is_on_disk(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_connect(b, 2, 1);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, 0, "", 0);
        bench_from_leader(b, 2, QP_LEADERINFO, Z(1, 0));
        bench_caught(b, "Z21");
}

static void test_epoch_announced_without_a_quorum_below_it(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_epoch(b, 1, ASK_ACCEPTED, 1);
        bench_connect(b, BENCH_OBSERVER, 1); /* scenario 15 */
        bench_from_follower(b, BENCH_OBSERVER, QP_OBSERVERINFO, 0, "", 0);
        bench_from_leader(b, BENCH_OBSERVER, QP_LEADERINFO, Z(1, 0));
        bench_caught(b, "Z21");
}

/* Scenario 16. */
static void test_leader_behind_its_follower(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_candidate(b, 3, 2);
        bench_promise(b, 2, 3, 2);
        bench_clean(b);
        bench_from_leader(b, 2, QP_NEWLEADER, Z(2, 0));
        bench_caught(b, "Z22");
}

static void test_promises_of_observers_do_not_count(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_promise(b, 2, 1, 1);
        bench_ack_epoch(b, 2, -1, 0);
        bench_candidate(b, 3, 2);
        bench_connect(b, 2, 3);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, Z(1, 0), "", 0); /* connects, and promises nothing */
        bench_promise(b, BENCH_OBSERVER, 3, 2);
        bench_clean(b);
        bench_from_leader(b, BENCH_OBSERVER, QP_NEWLEADER, Z(2, 0));
        bench_caught(b, "Z22");
}

/* ---- the order on a learner's disk ---- */

/* Scenario 21. */
static void test_epoch_before_the_history(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_promise(b, 3, 1, 1);
        bench_from_leader(b, 3, QP_DIFF, Z(1, 1));
        bench_from_leader(b, 3, QP_PROPOSAL, Z(1, 1));
        bench_from_leader(b, 3, QP_NEWLEADER, Z(1, 0));
        bench_clean(b);
        bench_epoch(b, 3, ASK_CURRENT, 1);
        bench_caught(b, "Z24");
}

/* Two candidates have chosen one epoch, the first of which the second was to follow. The second is none any more,
 * either, when its disk has answered; what it wrote was for its own epoch. */
static void test_epoch_of_a_candidate_that_gave_up(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 3, 1);
        bench_epoch(b, 3, ASK_ACCEPTED, 1);
        bench_connect(b, 2, 3);
        bench_from_follower(b, 2, QP_FOLLOWERINFO, Z(0, 0), "", 0);
        bench_from_leader(b, 2, QP_LEADERINFO, Z(1, 0));
        bench_depose(b, 3);
        bench_candidate(b, 2, 1);
        bench_epoch(b, 2, ASK_ACCEPTED, 1);
        oracle__ask(b->o, bench_server(b, 2), ASK_CURRENT, 1, ++b->tickets[2]);
        bench_depose(b, 2);
        bench_sync(b, 2);
        bench_clean(b);
}

/* Scenario 20. */
static void test_newleader_acknowledged_before_the_history(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_promise(b, 3, 1, 1);
        bench_server(b, 3)->current = 1; /* from before */
        bench_from_leader(b, 3, QP_DIFF, Z(1, 1));
        bench_from_leader(b, 3, QP_PROPOSAL, Z(1, 1));
        bench_from_leader(b, 3, QP_NEWLEADER, Z(1, 0));
        bench_append(b, 3, Z(1, 1), -1);
        bench_from_follower(b, 3, QP_ACK, Z(1, 0), NULL, 0);
        bench_caught(b, "Z24");
}

static void test_newleader_acknowledged_before_the_epoch(void **state)
{
        struct bench *b = *state;
        bench_candidate(b, 1, 1);
        bench_promise(b, 2, 1, 1);
        bench_from_leader(b, 2, QP_DIFF, 0);
        bench_from_leader(b, 2, QP_NEWLEADER, Z(1, 0));
        bench_from_follower(b, 2, QP_ACK, Z(1, 0), NULL, 0);
        bench_caught(b, "Z24");
}

static void test_proposal_acknowledged_before_it_is_on_disk(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 2));
        bench_append(b, 2, Z(1, 2), -1);
        bench_from_follower(b, 2, QP_ACK, Z(1, 2), NULL, 0);
        bench_caught(b, "D1");
}

static void test_acknowledgement_after_the_disk_failed(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, 2)->disk_failed = true;
        bench_from_follower(b, 2, QP_ACK, Z(1, 1), NULL, 0);
        bench_caught(b, "D6");
}

static void test_epochs_only_grow(void **state)
{
        struct bench *b = *state;
        bench_epoch(b, 1, ASK_ACCEPTED, 5);
        bench_epoch(b, 1, ASK_CURRENT, 5);
        bench_clean(b);
        bench_epoch(b, 1, ASK_ACCEPTED, 4);
        bench_caught(b, "Z23");
}

static void test_current_epoch_is_promised_first(void **state)
{
        struct bench *b = *state;
        bench_epoch(b, 1, ASK_CURRENT, 1);
        bench_caught(b, "Z23");
}

static void test_word_on_a_closed_connection(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__closed(bench_server(b, 2), b->conns[2]);
        bench_from_leader(b, 2, QP_COMMIT, Z(1, 1)); /* the other end does not know yet */
        bench_clean(b);
        bench_from_follower(b, 2, QP_ACK, Z(1, 1), NULL, 0);
        bench_caught(b, "Z15");
}

/* ---- recovery ---- */

static struct oracle_found found(struct bench *b, int64_t zxid, int64_t epoch)
{
        return (struct oracle_found){
                .last_zxid = zxid, .accepted = epoch, .current = epoch, .digest = b->o->fresh_digest};
}

static void test_recovery_may_keep_what_was_not_synced(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_found f = found(b, Z(1, 2), 1);
        bench_append(b, 1, Z(1, 2), -1);
        bench_append(b, 1, Z(1, 3), -1);
        oracle__recovered(b->o, bench_server(b, 1), &f);
        bench_clean(b);
        assert_int_equal(oracle__durable_end(bench_server(b, 1)), Z(1, 2));
}

static void test_recovery_without_a_synced_record(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_found f = found(b, 0, 1);
        oracle__recovered(b->o, bench_server(b, 2), &f);
        bench_caught(b, "D3");
}

static void test_recovery_of_what_was_never_written(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_found f = found(b, Z(1, 2), 1);
        oracle__recovered(b->o, bench_server(b, 2), &f);
        bench_caught(b, "D3");
}

static void test_recovery_of_a_record_that_was_cut(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 2));
        struct oracle_found f = found(b, Z(1, 2), 1);
        oracle__ask(b->o, bench_server(b, 1), ASK_CUT, Z(1, 1), ++b->tickets[1]);
        bench_sync(b, 1);
        oracle__cut_done(b->o, bench_server(b, 1), true);
        oracle__recovered(b->o, bench_server(b, 1), &f);
        bench_caught(b, "D3");
}

static void test_recovery_that_forgets_a_promise(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_found f = found(b, Z(1, 1), 0);
        oracle__recovered(b->o, bench_server(b, 2), &f);
        bench_caught(b, "Z23");
}

static void test_recovery_of_another_tree(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_found f = found(b, Z(1, 1), 1);
        f.digest++;
        oracle__recovered(b->o, bench_server(b, 2), &f);
        bench_caught(b, "D4");
}

/* ---- votes ---- */

static void vote(struct bench *b, int sid, int64_t leader, int64_t zxid, int64_t epoch, bool lost)
{
        oracle__voted(b->o, bench_server(b, sid),
                      &(struct oracle_vote){.state = VOTE_LOOKING,
                                            .leader = leader,
                                            .zxid = zxid,
                                            .round = 1,
                                            .epoch = epoch,
                                            .fresh = true},
                      lost);
}

static void decide(struct bench *b, int sid, int64_t leader, int64_t zxid, int64_t epoch)
{
        oracle__decided(b->o, bench_server(b, sid),
                        &(struct oracle_vote){.leader = leader, .zxid = zxid, .round = 1, .epoch = epoch});
}

static void test_election_by_a_quorum(void **state)
{
        struct bench *b = *state;
        begin(b);
        vote(b, 1, 1, Z(1, 1), 1, false);
        vote(b, 2, 2, Z(1, 1), 1, false);
        vote(b, 1, 2, Z(1, 1), 1, false);
        decide(b, 1, 2, Z(1, 1), 1);
        decide(b, 2, 2, Z(1, 1), 1);
        bench_clean(b);
}

static void test_election_without_a_quorum(void **state)
{
        struct bench *b = *state;
        begin(b);
        vote(b, 3, 3, 0, 0, false);
        decide(b, 3, 3, 0, 0);
        bench_caught(b, "E1");
}

static void test_votes_of_observers_do_not_count(void **state)
{
        struct bench *b = *state;
        vote(b, BENCH_OBSERVER, 3, 0, 0, false);
        decide(b, 3, 3, 0, 0);
        bench_caught(b, "E1");
}

static void test_vote_that_says_more_than_the_disk(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 2), -1);
        vote(b, 1, 1, Z(1, 2), 1, false);
        bench_caught(b, "E1");
}

static void test_round_that_goes_back(void **state)
{
        struct bench *b = *state;
        oracle__rounds(b->o, bench_server(b, 1), 4);
        oracle__rounds(b->o, bench_server(b, 1), 3);
        bench_caught(b, "E2");
}

static void test_vote_for_an_observer(void **state)
{
        struct bench *b = *state;
        vote(b, 1, BENCH_OBSERVER, 0, 0, false);
        bench_caught(b, "E4");
}

static void test_vote_of_a_lost_disk(void **state)
{
        struct bench *b = *state;
        vote(b, 1, 1, -1, 0, true);
        bench_clean(b);
        vote(b, 1, 1, 0, 0, true);
        bench_caught(b, "E5");
}

int main(void)
{
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)
        const struct CMUnitTest tests[] = {
                BENCHED(test_two_leaders_of_one_epoch),
                BENCHED(test_epoch_that_had_another_leader),
                BENCHED(test_leader_before_its_epoch_is_on_disk),
                BENCHED(test_promise_before_it_is_on_disk),
                BENCHED(test_promise_that_counts_twice),
                BENCHED(test_promise_below_an_earlier_one),
                BENCHED(test_observer_below_an_earlier_promise),
                BENCHED(test_promise_that_is_forgotten),
                BENCHED(test_promise_that_says_less_than_the_log),
                BENCHED(test_epoch_announced_before_it_is_on_disk),
                BENCHED(test_epoch_announced_without_a_quorum_below_it),
                BENCHED(test_leader_behind_its_follower),
                BENCHED(test_promises_of_observers_do_not_count),
                BENCHED(test_epoch_before_the_history),
                BENCHED(test_epoch_of_a_candidate_that_gave_up),
                BENCHED(test_newleader_acknowledged_before_the_history),
                BENCHED(test_newleader_acknowledged_before_the_epoch),
                BENCHED(test_proposal_acknowledged_before_it_is_on_disk),
                BENCHED(test_acknowledgement_after_the_disk_failed),
                BENCHED(test_word_on_a_closed_connection),
                BENCHED(test_epochs_only_grow),
                BENCHED(test_current_epoch_is_promised_first),
                BENCHED(test_recovery_may_keep_what_was_not_synced),
                BENCHED(test_recovery_without_a_synced_record),
                BENCHED(test_recovery_of_what_was_never_written),
                BENCHED(test_recovery_of_a_record_that_was_cut),
                BENCHED(test_recovery_that_forgets_a_promise),
                BENCHED(test_recovery_of_another_tree),
                BENCHED(test_election_by_a_quorum),
                BENCHED(test_election_without_a_quorum),
                BENCHED(test_votes_of_observers_do_not_count),
                BENCHED(test_vote_that_says_more_than_the_disk),
                BENCHED(test_round_that_goes_back),
                BENCHED(test_vote_for_an_observer),
                BENCHED(test_vote_of_a_lost_disk),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
