/* A leader among learners that the test speaks for: what it sends when, what it counts, what it forgives.
 * Numbers in comments are those of the catalogue in safety.md 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

#include <errno.h>
#include <string.h>

/* ---- acknowledgements (quorum-protocol.md 3.6: every variant of a Java learner) ---- */

/* 23 (ZOOKEEPER-4685): a proposal's ACK may overtake NEWLEADER's; it counts from that on. */
static void test_proposal_ack_before_newleader_ack_counts_afterwards(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(5, 0);
        world_lead(w, 1);
        struct pipe *p2 = puppet_dial(w, 1);
        puppet_hello(w, p2, QP_FOLLOWERINFO, 2, 0);
        struct pipe *p3 = puppet_dial(w, 1);
        puppet_hello(w, p3, QP_FOLLOWERINFO, 3, 0);
        struct pipe *both[] = {p2, p3};
        for (int i = 0; i < 2; i++) {
                (void)puppet_expect(w, both[i], QP_LEADERINFO);
                puppet_ack_epoch(w, both[i], 0, 0);
        }
        for (int i = 0; i < 2; i++) {
                (void)puppet_expect(w, both[i], QP_DIFF);
                (void)puppet_expect(w, both[i], QP_NEWLEADER);
                puppet_plain(w, both[i], QP_ACK, z(1, 0));
        }
        struct pipe *p4 = puppet_dial(w, 1);
        puppet_hello(w, p4, QP_FOLLOWERINFO, 4, 0);
        (void)puppet_expect(w, p4, QP_LEADERINFO);
        puppet_ack_epoch(w, p4, 0, 0);
        (void)puppet_expect(w, p4, QP_DIFF);
        (void)puppet_expect(w, p4, QP_NEWLEADER);
        world_proposals(w, 1, 1);
        assert_int_equal(puppet_expect(w, p4, QP_PROPOSAL), z(1, 1));
        puppet_plain(w, p2, QP_ACK, z(1, 1));
        puppet_plain(w, p4, QP_ACK, z(1, 1)); /* third of five with the leader, but not in the epoch yet */
        assert_int_equal(zab_last_committed(world_machine(w)), 0);
        puppet_plain(w, p4, QP_ACK, z(1, 0));
        assert_int_equal(zab_last_committed(world_machine(w)), z(1, 1));
        (void)puppet_expect(w, p4, QP_UPTODATE);
        assert_int_equal(puppet_expect(w, p4, QP_COMMIT), z(1, 1));
        world_free(w);
}

/* 24 (ZOOKEEPER-4394): no COMMIT between NEWLEADER and UPTODATE; the latest one right behind it. */
static void test_commits_are_held_back_until_uptodate(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        struct pipe *q = puppet_dial(w, 1);
        puppet_hello(w, q, QP_FOLLOWERINFO, 3, 0);
        (void)puppet_expect(w, q, QP_LEADERINFO);
        puppet_ack_epoch(w, q, 0, 0);
        (void)puppet_expect(w, q, QP_DIFF);
        assert_int_equal(puppet_expect(w, q, QP_PROPOSAL), z(1, 1));
        (void)puppet_expect(w, q, QP_NEWLEADER);
        world_proposals(w, 1, 1);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        puppet_plain(w, p, QP_ACK, z(1, 2));
        assert_int_equal(zab_last_committed(world_machine(w)), z(1, 2));
        assert_int_equal(puppet_expect(w, q, QP_PROPOSAL), z(1, 2));
        puppet_expect_nothing(w, q);
        puppet_plain(w, q, QP_ACK, z(1, 0));
        (void)puppet_expect(w, q, QP_UPTODATE);
        assert_int_equal(puppet_expect(w, q, QP_COMMIT), z(1, 1));
        assert_int_equal(puppet_expect(w, q, QP_COMMIT), z(1, 2));
        world_free(w);
}

/* 44 (ZOOKEEPER-1551): an observer that comes with proposals in flight gets them when they commit. */
static void test_observer_with_proposals_in_flight_gets_inform(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 1);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        struct pipe *o = puppet_dial(w, 1);
        puppet_hello(w, o, QP_OBSERVERINFO, 4, 0);
        (void)puppet_expect(w, o, QP_LEADERINFO);
        puppet_ack_epoch(w, o, 0, 0);
        (void)puppet_expect(w, o, QP_DIFF);
        (void)puppet_expect(w, o, QP_NEWLEADER);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        assert_int_equal(puppet_expect(w, o, QP_INFORM), z(1, 1));
        puppet_plain(w, o, QP_ACK, z(1, 0));
        (void)puppet_expect(w, o, QP_UPTODATE);
        puppet_expect_nothing(w, o);
        world_free(w);
}

/* Z12: commits go in order; an ACK counts for its own proposal only; unknown ones are ignored. */
static void test_acks_count_singly_and_commits_go_in_order(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 3);
        puppet_plain(w, p, QP_ACK, z(1, 2));
        puppet_plain(w, p, QP_ACK, z(1, 3));
        puppet_plain(w, p, QP_ACK, z(1, 9));
        puppet_plain(w, p, QP_ACK, z(0, 1));
        assert_int_equal(zab_last_committed(world_machine(w)), 0);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        assert_int_equal(zab_last_committed(world_machine(w)), z(1, 3));
        puppet_plain(w, p, QP_ACK, z(1, 1));
        assert_int_equal(world_bad_input(w), 0);
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_free(w);
}

/* 36, Z12: the leader counts itself only after its own disk. */
static void test_leader_counts_itself_when_durable(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_node(w, 1)->disk_stuck = true;
        world_proposals(w, 1, 1);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        assert_int_equal(zab_last_committed(world_machine(w)), 0);
        world_node(w, 1)->disk_stuck = false;
        world_settle(w);
        assert_int_equal(zab_last_committed(world_machine(w)), z(1, 1));
        world_free(w);
}

/* An acknowledgement is worth what its connection is: reconnecting may cut what was acknowledged. */
static void test_acks_of_a_lost_connection_do_not_count(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        (void)puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *p = puppet_join(w, 1, 3, 0, 0, 0);
        world_node(w, 1)->disk_stuck = true;
        world_proposals(w, 1, 1);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        world_cut(w, 0, 1);
        world_settle(w);
        world_node(w, 1)->disk_stuck = false;
        world_settle(w);
        assert_int_equal(zab_last_committed(world_machine(w)), 0);
        world_free(w);
}

/* 40, Z15: what an old connection still holds is not processed after the role ended. */
static void test_nothing_is_processed_after_the_role_ended(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        world_leave(w, 1);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        world_settle(w);
        assert_true(puppet_closed(p));
        assert_int_equal(world_node(w, 1)->ended_count, 1);
        assert_int_equal(w->commits, 0);
        world_free(w);
}

/* ---- syncs, sessions, requests ---- */

/* 43, S9: a sync needs a quorum's answer to a ping sent after it. */
static void test_sync_waits_for_a_fresh_ping_of_a_quorum(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_sync(w, 1);
        (void)puppet_expect(w, p, QP_PING);
        assert_int_equal(world_node(w, 1)->synced, 0);
        world_sync(w, 1); /* asked while that ping is under way: it can't vouch for this one */
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_int_equal(world_node(w, 1)->synced, 1);
        (void)puppet_expect(w, p, QP_PING);
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_int_equal(world_node(w, 1)->synced, 2);
        world_free(w);
}

static void test_unasked_ping_answers_confirm_nothing(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        for (int i = 0; i < 5; i++)
                puppet_send(w, p, QP_PING, 0, "", 0);
        world_sync(w, 1);
        assert_int_equal(world_node(w, 1)->synced, 0);
        world_free(w);
}

static void test_sync_waits_for_the_proposals_before_it(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        world_sync(w, 1);
        assert_int_equal(puppet_expect(w, p, QP_PROPOSAL), z(1, 1));
        (void)puppet_expect(w, p, QP_PING);
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_int_equal(world_node(w, 1)->synced, 0);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        assert_int_equal(world_node(w, 1)->synced, 1);
        world_free(w);
}

static void request(struct world *w, struct pipe *p, int32_t opcode)
{
        struct jute_writer o;
        jute_writer_init(&o, 64);
        jute_put_long(&o, 77);
        jute_put_int(&o, 1);
        jute_put_int(&o, opcode);
        puppet_send(w, p, QP_REQUEST, -1, o.data, o.len);
        jute_writer_done(&o);
}

static void test_sync_of_a_learner_is_answered_after_a_ping(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        request(w, p, OP_SYNC);
        (void)puppet_expect(w, p, QP_PING);
        puppet_expect_nothing(w, p);
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_int_equal(puppet_expect(w, p, QP_SYNC), 0);
        assert_int_equal(world_node(w, 1)->forwarded, 0);
        assert_int_equal(world_node(w, 1)->heard, 1);
        world_free(w);
}

static void test_requests_reach_the_host_and_are_proposed(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        request(w, p, OP_SET_DATA);
        assert_int_equal(world_node(w, 1)->forwarded, 1);
        assert_int_equal(world_node(w, 1)->heard, 1);
        assert_int_equal(puppet_expect(w, p, QP_PROPOSAL), z(1, 1));
        world_free(w);
}

/* A learner that goes on forwarding past the limit is dropped; nothing of what was taken is lost, and once it
 * has committed there is room again. */
static void test_bytes_of_outstanding_proposals_are_bounded(void **state)
{
        (void)state;
        static const uint8_t body[50000];
        struct world *w = world_of_puppets(5, 0);
        world_lead(w, 1);
        struct pipe *p[3];
        for (int i = 0; i < 3; i++) {
                p[i] = puppet_dial(w, 1);
                puppet_hello(w, p[i], QP_FOLLOWERINFO, 2 + i, 0);
        }
        for (int i = 0; i < 3; i++) {
                (void)puppet_expect(w, p[i], QP_LEADERINFO);
                puppet_ack_epoch(w, p[i], 0, 0);
        }
        for (int i = 0; i < 3; i++) {
                (void)puppet_expect(w, p[i], QP_DIFF);
                puppet_plain(w, p[i], QP_ACK, puppet_expect(w, p[i], QP_NEWLEADER));
        }
        struct jute_writer o;
        jute_writer_init(&o, 1 << 16);
        jute_put_long(&o, 77);
        jute_put_int(&o, 1);
        jute_put_int(&o, OP_SET_DATA);
        jute_put_raw(&o, body, sizeof body);
        size_t sent = 0;
        for (; sent < 100 && !puppet_closed(p[0]); sent++)
                puppet_send(w, p[0], QP_REQUEST, -1, o.data, o.len);
        assert_true(puppet_closed(p[0]));
        assert_int_equal(world_bad_input(w), 0);                               /* load is none */
        assert_int_equal(sent, WORLD_OUTSTANDING_BYTES_MAX / sizeof body + 2); /* the last one is refused */
        assert_int_equal(zab_outstanding(world_machine(w)), sent - 1);
        for (size_t i = 1; i < sent; i++) {
                puppet_plain(w, p[1], QP_ACK, z(1, (int64_t)i));
                puppet_plain(w, p[2], QP_ACK, z(1, (int64_t)i));
        }
        assert_int_equal(zab_last_committed(world_machine(w)), z(1, (int64_t)sent - 1));
        puppet_send(w, p[1], QP_REQUEST, -1, o.data, o.len);
        assert_false(puppet_closed(p[1]));
        assert_int_equal(zab_outstanding(world_machine(w)), 1);
        jute_writer_done(&o);
        world_free(w);
}

static void test_revalidation_and_touches_reach_the_host(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        static const char body[] = "\0\0\0\0\0\0\0\115\0\0\0\144"; /* 77, 100 ms */
        puppet_send(w, p, QP_REVALIDATE, -1, body, 12);
        struct jute_quorum_packet q;
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_REVALIDATE);
        assert_int_equal(q.zxid, -1);
        assert_int_equal(q.data.len, 9);
        assert_int_equal(q.data.data[8], 1);
        puppet_send(w, p, QP_PING, 0, body, 12);
        assert_int_equal(world_node(w, 1)->touched, 1);
        world_free(w);
}

/* A leader that does not know yet that it is deposed knows nothing of sessions that its successor has made: that one is
 * over is said only after a quorum has answered a ping sent after the question (safety: S4). */
static void test_session_is_called_unknown_after_a_ping(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        struct jute_quorum_packet q;
        puppet_send(w, p, QP_REVALIDATE, -1, "\0\0\0\0\0\0\0\116\0\0\0\144", 12); /* 78, 100 ms */
        (void)puppet_expect(w, p, QP_PING);
        puppet_expect_nothing(w, p);
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_REVALIDATE);
        assert_int_equal(q.data.data[7], 78);
        assert_int_equal(q.data.data[8], 0);
        world_free(w);
}

static void test_own_client_hears_of_an_unknown_session_after_a_ping(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        assert_int_equal(zab_session_unknown(world_machine(w), w->now_ms, 78, 100, &world_node(w, 1)->fx),
                         -EINPROGRESS);
        node_flush(world_node(w, 1));
        (void)puppet_expect(w, p, QP_PING);
        assert_int_equal(world_node(w, 1)->revalidated, 0);
        puppet_send(w, p, QP_PING, 0, "", 0);
        assert_int_equal(world_node(w, 1)->revalidated, 1);
        assert_false(world_node(w, 1)->revalidated_valid);
        world_free(w);
}

/* ---- liveness ---- */

static void answer_pings(struct world *w, struct pipe *p)
{
        struct jute_quorum_packet q;
        while (puppet_next(w, p, &q))
                if (q.type == QP_PING)
                        puppet_send(w, p, QP_PING, q.zxid, "", 0);
}

/* 41: without its followers a leader steps down, even when nothing happens at all. */
static void test_silent_followers_end_the_leader_within_sync_limit(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        for (int i = 0; i < 100; i++) {
                world_run(w, WORLD_TICK_MS / 2);
                answer_pings(w, p);
        }
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_run(w, (WORLD_SYNC + 1) * WORLD_TICK_MS);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        assert_true(puppet_closed(p));
        world_free(w);
}

static void test_half_a_packet_is_not_waited_for_and_counts(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *joined = puppet_join(w, 1, 2, 0, 0, 0);
        struct pipe *half = puppet_dial(w, 1), *silent = puppet_dial(w, 1);
        puppet_raw(w, half, "\0\0\0", 3);
        for (int i = 0; i < 2 * WORLD_INIT + 2; i++) {
                world_run(w, WORLD_TICK_MS / 2);
                answer_pings(w, joined);
        }
        assert_true(puppet_closed(half) && puppet_closed(silent));
        assert_int_equal(world_bad_input(w), 1);
        world_free(w);
}

/* 42 (ZOOKEEPER-87): answering pings is not enough; proposals must be acknowledged. */
static void test_follower_whose_disk_hangs_is_dropped(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        for (int i = 0; i < 2 * WORLD_SYNC - 2; i++) {
                world_run(w, WORLD_TICK_MS / 2);
                answer_pings(w, p);
        }
        assert_false(puppet_closed(p));
        for (int i = 0; i < 6; i++) {
                world_run(w, WORLD_TICK_MS / 2);
                answer_pings(w, p);
        }
        assert_true(puppet_closed(p));
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_free(w);
}

/* 37 (ZOOKEEPER-2247): a leader whose own log hangs steps down though its followers are fine. */
static void test_leader_whose_log_hangs_steps_down(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_node(w, 1)->disk_stuck = true;
        world_proposals(w, 1, 1);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        for (int i = 0; i < 2 * WORLD_SYNC + 1; i++) {
                world_run(w, WORLD_TICK_MS / 2);
                answer_pings(w, p);
        }
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        assert_false(zab_disk_dry(world_machine(w)));
        world_free(w);
}

/* 39, Z26: the last counter is never proposed; the leader goes, and the next epoch begins at 1. */
static void test_counter_is_never_used_up(void **state)
{
        (void)state;
        struct world *w = world_new(1, 0, 1);
        world_lead(w, 1);
        world_settle(w);
        zab__jump(world_machine(w), z(1, 0xfffffffc));
        world_node(w, 1)->disk.snapshots[0].zxid = z(1, 0xfffffffc);
        world_proposals(w, 1, 2);
        assert_int_equal(zab_next_zxid(world_machine(w), w->now_ms, &world_node(w, 1)->fx), 0);
        node_flush(world_node(w, 1));
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_settle(w);
        assert_int_equal(zab_last_logged(world_machine(w)), z(1, 0xfffffffe));
        world_lead(w, 1);
        world_settle(w);
        assert_int_equal(zab_next_zxid(world_machine(w), w->now_ms, &world_node(w, 1)->fx), z(2, 1));
        world_free(w);
}

/* ---- clean stop ---- */

static void test_stopping_leader_finishes_what_it_proposed(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 2);
        world_stop(w, 1);
        assert_false(world_propose(w, 1));
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        puppet_plain(w, p, QP_ACK, z(1, 1));
        puppet_plain(w, p, QP_ACK, z(1, 2));
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        assert_string_equal(world_node(w, 1)->ended, "stopped");
        (void)puppet_expect(w, p, QP_PROPOSAL);
        (void)puppet_expect(w, p, QP_PROPOSAL);
        assert_int_equal(puppet_expect(w, p, QP_COMMIT), z(1, 1));
        assert_int_equal(puppet_expect(w, p, QP_COMMIT), z(1, 2));
        assert_true(puppet_closed(p));
        world_free(w);
}

static void test_stop_does_not_wait_for_ever(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        (void)puppet_join(w, 1, 2, 0, 0, 0);
        world_proposals(w, 1, 1);
        world_stop(w, 1);
        world_run(w, WORLD_SYNC * WORLD_TICK_MS);
        assert_int_equal(zab_role(world_machine(w)), ZAB_IDLE);
        world_free(w);
}

/* ---- bad input ---- */

static void test_bad_first_packets_close_the_connection(void **state)
{
        (void)state;
        static const struct {
                int32_t type;
                size_t len;
        } bad[] = {{QP_ACK, 0}, {QP_REQUEST, 20}, {99, 20}, {QP_FOLLOWERINFO, 8}, {QP_FOLLOWERINFO, 12}};
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        uint8_t zeros[20] = {0};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct pipe *p = puppet_dial(w, 1);
                puppet_send(w, p, bad[i].type, 0, zeros, bad[i].len);
                world_settle(w);
                assert_true(puppet_closed(p));
                assert_int_equal(world_bad_input(w), i + 1);
        }
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        world_free(w);
}

static void test_negative_and_oversized_lengths_close_the_connection(void **state)
{
        (void)state;
        static const int32_t lengths[] = {-2, INT32_MIN, INT32_MAX, 1 << 24};
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                struct pipe *p = puppet_join(w, 1, 2, i > 0, 0, i > 0 ? -1 : 0);
                struct jute_writer o;
                jute_writer_init(&o, 64);
                jute_put_int(&o, QP_PING);
                jute_put_long(&o, 0);
                jute_put_int(&o, lengths[i]);
                jute_put_long(&o, 0);
                puppet_raw(w, p, o.data, o.len);
                jute_writer_done(&o);
                assert_true(puppet_closed(p));
                assert_int_equal(world_bad_input(w), i + 1);
        }
        world_free(w);
}

static void test_random_bytes_disturb_nothing(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *good = puppet_join(w, 1, 2, 0, 0, 0);
        for (int i = 0; i < 500; i++) {
                struct pipe *p = puppet_dial(w, 1);
                uint8_t junk[200];
                for (size_t k = 0; k < sizeof junk; k++)
                        junk[k] = (uint8_t)world_random(w, 256);
                junk[0] = junk[1] = junk[2] = 0;
                puppet_raw(w, p, junk, (size_t)world_random(w, sizeof junk));
        }
        assert_int_equal(zab_role(world_machine(w)), ZAB_LEADING);
        assert_int_equal(zab_phase(world_machine(w)), ZAB_BROADCAST);
        assert_false(puppet_closed(good));
        assert_true(world_machine(w)->peer_count <= ZAB_WAITING_MAX + 1);
        world_free(w);
}

static void test_silent_connections_are_dropped_and_do_not_pile_up(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        struct pipe *first = puppet_dial(w, 1);
        for (int i = 0; i < ZAB_WAITING_MAX; i++)
                (void)puppet_dial(w, 1);
        assert_true(puppet_closed(first));
        assert_int_equal(world_machine(w)->peer_count, ZAB_WAITING_MAX);
        world_run(w, WORLD_INIT * WORLD_TICK_MS);
        assert_int_equal(world_machine(w)->peer_count, 0);
        world_free(w);
}

/* A packet whose end never comes holds no more than one packet's memory. */
static void test_endless_packet_is_bounded(void **state)
{
        (void)state;
        struct world *w = world_of_puppets(3, 0);
        world_lead(w, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        struct jute_writer o;
        jute_writer_init(&o, 64);
        jute_put_int(&o, QP_REQUEST);
        jute_put_long(&o, 0);
        jute_put_int(&o, -1);
        jute_put_int(&o, INT32_MAX); /* authinfo of very many ids */
        puppet_raw(w, p, o.data, o.len);
        jute_writer_done(&o);
        uint8_t ids[8000] = {0}; /* empty scheme, empty id, over and over */
        size_t sent = 0;
        for (; sent < (1u << 20) && !puppet_closed(p); sent += sizeof ids)
                puppet_raw(w, p, ids, sizeof ids);
        assert_true(puppet_closed(p));
        assert_true(sent <= (1 << 16) + STREAM_SLACK_BYTES + 2 * sizeof ids);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_proposal_ack_before_newleader_ack_counts_afterwards),
                cmocka_unit_test(test_commits_are_held_back_until_uptodate),
                cmocka_unit_test(test_observer_with_proposals_in_flight_gets_inform),
                cmocka_unit_test(test_acks_count_singly_and_commits_go_in_order),
                cmocka_unit_test(test_leader_counts_itself_when_durable),
                cmocka_unit_test(test_acks_of_a_lost_connection_do_not_count),
                cmocka_unit_test(test_nothing_is_processed_after_the_role_ended),
                cmocka_unit_test(test_sync_waits_for_a_fresh_ping_of_a_quorum),
                cmocka_unit_test(test_unasked_ping_answers_confirm_nothing),
                cmocka_unit_test(test_sync_waits_for_the_proposals_before_it),
                cmocka_unit_test(test_sync_of_a_learner_is_answered_after_a_ping),
                cmocka_unit_test(test_requests_reach_the_host_and_are_proposed),
                cmocka_unit_test(test_bytes_of_outstanding_proposals_are_bounded),
                cmocka_unit_test(test_revalidation_and_touches_reach_the_host),
                cmocka_unit_test(test_session_is_called_unknown_after_a_ping),
                cmocka_unit_test(test_own_client_hears_of_an_unknown_session_after_a_ping),
                cmocka_unit_test(test_silent_followers_end_the_leader_within_sync_limit),
                cmocka_unit_test(test_half_a_packet_is_not_waited_for_and_counts),
                cmocka_unit_test(test_follower_whose_disk_hangs_is_dropped),
                cmocka_unit_test(test_leader_whose_log_hangs_steps_down),
                cmocka_unit_test(test_counter_is_never_used_up),
                cmocka_unit_test(test_stopping_leader_finishes_what_it_proposed),
                cmocka_unit_test(test_stop_does_not_wait_for_ever),
                cmocka_unit_test(test_bad_first_packets_close_the_connection),
                cmocka_unit_test(test_negative_and_oversized_lengths_close_the_connection),
                cmocka_unit_test(test_random_bytes_disturb_nothing),
                cmocka_unit_test(test_silent_connections_are_dropped_and_do_not_pile_up),
                cmocka_unit_test(test_endless_packet_is_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
