/* Logs and commits that no lawful ensemble has: each must be named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/oracle/oracle_bench.h"

#define Z(epoch, counter) bench_zxid(epoch, counter)

/* Server 1 leads epoch 1 with 2; (1,1) and (1,2) are committed on both. */
static void begin(struct bench *b)
{
        bench_lead(b, 1, 2, 1);
        bench_commit(b, 1, 2, Z(1, 1));
        bench_commit(b, 1, 2, Z(1, 2));
        bench_clean(b);
}

/* ---- the lawful histories ---- */

static void test_lawful_history_is_left_alone(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_promise(b, 3, 1, 1);
        bench_from_leader(b, 3, QP_DIFF, Z(1, 2));
        bench_from_leader(b, 3, QP_PROPOSAL, Z(1, 1));
        bench_from_leader(b, 3, QP_PROPOSAL, Z(1, 2));
        bench_from_leader(b, 3, QP_NEWLEADER, Z(1, 0));
        bench_log(b, 3, Z(1, 1));
        bench_log(b, 3, Z(1, 2));
        bench_epoch(b, 3, ASK_CURRENT, 1);
        bench_from_follower(b, 3, QP_ACK, Z(1, 0), NULL, 0);
        bench_clean(b);
        assert_int_equal(oracle_commits(b->o), 2);
        assert_int_equal(oracle__committed_end(b->o), Z(1, 2));
}

/* What an old leader left uncommitted, and a new one holds, is committed with the new one's establishment. */
static void test_tail_is_committed_with_its_leader(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        bench_log(b, 2, Z(1, 3));
        assert_int_equal(oracle__committed_end(b->o), Z(1, 2));
        bench_depose(b, 1);
        bench_lead(b, 2, 1, 2);
        bench_clean(b);
        assert_int_equal(oracle__committed_end(b->o), Z(1, 3));
        bench_commit(b, 2, 1, Z(2, 1));
        bench_clean(b);
}

/* A tail that nobody else has may go. */
static void test_tail_of_a_deposed_leader_may_be_cut(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_promise(b, 3, 1, 1);
        bench_log(b, 3, Z(1, 1));
        bench_log(b, 3, Z(1, 2));
        bench_join(b, 3, 1);
        bench_log(b, 1, Z(1, 3));
        bench_depose(b, 1);
        bench_lead(b, 2, 3, 2);
        bench_commit(b, 2, 3, Z(2, 1));
        oracle__cut(b->o, bench_server(b, 1), Z(1, 2));
        bench_log(b, 1, Z(2, 1));
        bench_clean(b);
        assert_true(oracle__holds(b->o, Z(2, 1), Z(1, 2)));
        assert_false(oracle__holds(b->o, Z(2, 1), Z(1, 3)));
}

/* ---- records ---- */

static void test_record_that_nobody_proposed(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 2, Z(1, 3), -1);
        bench_caught(b, "Z4");
}

static void test_zxid_with_other_bytes(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 3), -1);
        bench_append(b, 2, Z(1, 3), -2);
        bench_caught(b, "Z10");
}

static void test_zxid_proposed_twice(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 3), -1);
        oracle__cut(b->o, bench_server(b, 1), Z(1, 2));
        bench_append(b, 1, Z(1, 3), -1);
        bench_caught(b, "Z10");
}

static void test_hole_in_a_log(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 3), -1);
        bench_append(b, 1, Z(1, 4), -1);
        bench_append(b, 2, Z(1, 4), -1);
        bench_caught(b, "Z11");
}

static void test_record_taken_twice(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 3), -1);
        bench_append(b, 2, Z(1, 3), -1);
        bench_append(b, 2, Z(1, 3), -1);
        bench_caught(b, "Z11");
}

static void test_proposal_after_a_gap(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 4), -1);
        bench_caught(b, "Z11");
}

static void test_counter_that_ends(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__replace(bench_server(b, 1), Z(1, 0xfffffffe));
        bench_append(b, 1, Z(1, 0xffffffff), -1);
        bench_caught(b, "Z26");
}

static void test_proposal_in_an_epoch_that_is_not_its_own(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(2, 1), -1);
        bench_caught(b, "Z7");
}

static void test_leader_that_sends_other_bytes(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_from_leader(b, 2, QP_INFORM, Z(1, 2)); /* without any */
        bench_caught(b, "Z10");
}

/* ---- commits ---- */

static void test_commit_without_the_followers_disk(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        bench_append(b, 2, Z(1, 3), -1);
        oracle__commit_to(b->o, bench_server(b, 1), 1, Z(1, 3));
        bench_caught(b, "Z12");
}

/* It counts itself only when its own disk has it (scenario 36). */
static void test_commit_without_the_leaders_disk(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_append(b, 1, Z(1, 3), -1);
        bench_log(b, 2, Z(1, 3));
        oracle__commit_to(b->o, bench_server(b, 1), 1, Z(1, 3));
        bench_caught(b, "Z12");
}

static void test_observers_never_count(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, BENCH_OBSERVER)->current = 1;
        bench_log(b, 1, Z(1, 3));
        bench_log(b, BENCH_OBSERVER, Z(1, 1));
        bench_log(b, BENCH_OBSERVER, Z(1, 2));
        bench_log(b, BENCH_OBSERVER, Z(1, 3));
        oracle__commit_to(b->o, bench_server(b, 1), 1, Z(1, 3));
        bench_caught(b, "Z12");
}

static void test_copies_in_an_older_epoch_do_not_commit(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        bench_log(b, 2, Z(1, 3));
        bench_candidate(b, 2, 2);
        bench_server(b, 2)->accepted = bench_server(b, 2)->current = 2;
        oracle__established(b->o, bench_server(b, 2), 2);
        bench_caught(b, "Z12");
}

static void test_leader_that_lacks_what_was_committed(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, 2)->damaged = true; /* else the quorum alone tells */
        bench_candidate(b, 3, 2);
        bench_server(b, 3)->accepted = bench_server(b, 3)->current = 2;
        oracle__established(b->o, bench_server(b, 3), 2);
        bench_caught(b, "Z3");
}

/* A log that lacks what an older epoch committed. */
static void test_proposal_without_all_that_was_committed(void **state)
{
        struct bench *b = *state;
        begin(b);
        struct oracle_server *s = bench_server(b, 3);
        s->leads = 2;
        s->established = true;
        bench_append(b, 3, Z(2, 1), -1);
        bench_caught(b, "Z9");
}

static void test_commit_by_who_does_not_lead(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        bench_log(b, 2, Z(1, 3));
        oracle__commit_to(b->o, bench_server(b, 2), 1, Z(1, 3));
        bench_caught(b, "Z1");
}

/* ---- what is shown ---- */

static void test_uncommitted_is_not_served(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        oracle__shows(b->o, bench_server(b, 1), Z(1, 3), b->o->fresh_digest, 0);
        bench_caught(b, "D2");
}

static void test_uncommitted_is_not_told(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        oracle__told(b->o, bench_server(b, 1), Z(1, 2));
        bench_clean(b);
        oracle__told(b->o, bench_server(b, 1), Z(1, 3));
        bench_caught(b, "D2");
}

/* The same as bytes to a client: the answer to its hello, then a reply. */
static void test_replies_are_read(void **state)
{
        struct bench *b = *state;
        const uint8_t bytes[] = {0, 0, 0, 4,  1, 2, 3, 4, /* no reply */
                                 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9 /* zxid */, 0, 0, 0, 0};
        begin(b);
        bench_log(b, 1, Z(1, 3));
        map_put(&bench_server(b, 1)->clients, 77, CLIENT_NEW);
        oracle__send(b->o, bench_server(b, 1), 77, bytes, sizeof bytes);
        bench_caught(b, "D2");
}

/* Likewise, but the hello says that it is a server without a leader who answers. */
static void test_replies_in_read_only_mode_need_not_be_committed(void **state)
{
        struct bench *b = *state;
        uint8_t hello[41] = {[3] = 37, [40] = 1};
        const uint8_t reply[] = {0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9 /* zxid */, 0, 0, 0, 0};
        begin(b);
        bench_log(b, 1, Z(1, 3));
        map_put(&bench_server(b, 1)->clients, 77, CLIENT_NEW);
        map_put(&bench_server(b, 1)->clients, 78, CLIENT_NEW);
        oracle__send(b->o, bench_server(b, 1), 77, hello, sizeof hello);
        oracle__send(b->o, bench_server(b, 1), 77, reply, sizeof reply);
        bench_clean(b);
        hello[40] = 0;
        oracle__send(b->o, bench_server(b, 1), 78, hello, sizeof hello);
        oracle__send(b->o, bench_server(b, 1), 78, reply, sizeof reply);
        bench_caught(b, "D2");
}

/* Its own log, to the end, and the tree that belongs to it. */
static void test_what_read_only_mode_shows(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        oracle__shows_alone(b->o, bench_server(b, 1), Z(1, 3), b->o->fresh_digest + 1);
        bench_clean(b);
        oracle__shows_alone(b->o, bench_server(b, 2), Z(1, 2), b->o->fresh_digest + 1);
        bench_caught(b, "D4");
}

static void test_read_only_mode_shows_no_less_than_the_log(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_log(b, 1, Z(1, 3));
        oracle__shows_alone(b->o, bench_server(b, 1), Z(1, 2), b->o->fresh_digest);
        bench_caught(b, "R3");
}

static void test_read_only_mode_stands_still(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__shows_alone(b->o, bench_server(b, 1), Z(1, 2), b->o->fresh_digest);
        bench_log(b, 1, Z(1, 3));
        bench_clean(b);
        oracle__shows_alone(b->o, bench_server(b, 1), Z(1, 3), b->o->fresh_digest);
        bench_caught(b, "R3");
}

static void test_a_lost_disk_is_not_shown(void **state)
{
        struct bench *b = *state;
        begin(b);
        bench_server(b, 1)->lost = true;
        oracle__shows_alone(b->o, bench_server(b, 1), Z(1, 2), b->o->fresh_digest);
        bench_caught(b, "R3");
}

static void test_served_state_does_not_go_back(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__shows(b->o, bench_server(b, 2), Z(1, 2), b->o->fresh_digest, 0);
        bench_clean(b);
        oracle__shows(b->o, bench_server(b, 2), Z(1, 1), b->o->fresh_digest, 0);
        bench_caught(b, "Z6");
}

static void test_tree_that_differs(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__shows(b->o, bench_server(b, 2), Z(1, 2), b->o->fresh_digest + 1, 0);
        bench_caught(b, "D4");
}

static void test_sessions_that_differ(void **state)
{
        struct bench *b = *state;
        begin(b);
        oracle__shows(b->o, bench_server(b, 2), Z(1, 2), b->o->fresh_digest, 1);
        bench_caught(b, "S3");
}

int main(void)
{
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)
        const struct CMUnitTest tests[] = {
                BENCHED(test_lawful_history_is_left_alone),
                BENCHED(test_tail_is_committed_with_its_leader),
                BENCHED(test_tail_of_a_deposed_leader_may_be_cut),
                BENCHED(test_record_that_nobody_proposed),
                BENCHED(test_zxid_with_other_bytes),
                BENCHED(test_zxid_proposed_twice),
                BENCHED(test_hole_in_a_log),
                BENCHED(test_record_taken_twice),
                BENCHED(test_proposal_after_a_gap),
                BENCHED(test_counter_that_ends),
                BENCHED(test_proposal_in_an_epoch_that_is_not_its_own),
                BENCHED(test_leader_that_sends_other_bytes),
                BENCHED(test_commit_without_the_followers_disk),
                BENCHED(test_commit_without_the_leaders_disk),
                BENCHED(test_observers_never_count),
                BENCHED(test_copies_in_an_older_epoch_do_not_commit),
                BENCHED(test_leader_that_lacks_what_was_committed),
                BENCHED(test_proposal_without_all_that_was_committed),
                BENCHED(test_commit_by_who_does_not_lead),
                BENCHED(test_uncommitted_is_not_served),
                BENCHED(test_uncommitted_is_not_told),
                BENCHED(test_replies_are_read),
                BENCHED(test_replies_in_read_only_mode_need_not_be_committed),
                BENCHED(test_what_read_only_mode_shows),
                BENCHED(test_read_only_mode_shows_no_less_than_the_log),
                BENCHED(test_read_only_mode_stands_still),
                BENCHED(test_a_lost_disk_is_not_shown),
                BENCHED(test_served_state_does_not_go_back),
                BENCHED(test_tree_that_differs),
                BENCHED(test_sessions_that_differ),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
