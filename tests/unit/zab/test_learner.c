/* A learner whose leader the test speaks for, in every way a Java leader may speak; and what it does not
 * put up with. Numbers in comments are those of the catalogue in safety.md 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

#include <string.h>

static struct node *me(struct world *w)
{
        return world_node(w, 1);
}

/* Server 1 learns; server 2 is the puppet that leads, server 3 just isn't there. */
static struct world *world_of_learner(bool observer)
{
        struct world *w = world_new(3, 0, 1);
        if (observer)
                w->ensemble.members[0].observer = true;
        world_make_puppet(w, 2);
        world_make_puppet(w, 3);
        return w;
}

/* Up to LEADERINFO(epoch) and the answer to it; fails unless ACKEPOCH says `zxid` and `current`. */
static struct pipe *discover(struct world *w, int64_t epoch, int64_t zxid, int32_t current)
{
        world_follow(w, 1, 2);
        struct pipe *p = puppet_accept(w, 2);
        assert_non_null(p);
        (void)puppet_expect(w, p, w->ensemble.members[0].observer ? QP_OBSERVERINFO : QP_FOLLOWERINFO);
        puppet_send(w, p, QP_LEADERINFO, z(epoch, 0), "\0\1\0\0", 4);
        struct jute_quorum_packet q;
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_ACKEPOCH);
        assert_int_equal(q.zxid, zxid);
        struct jute_reader r;
        jute_reader_init(&r, q.data.data, (size_t)q.data.len, 64);
        assert_int_equal(jute_get_int(&r), current);
        return p;
}

static void newleader(struct world *w, struct pipe *p, int64_t epoch)
{
        puppet_send(w, p, QP_NEWLEADER, z(epoch, 0), "version=0", 9);
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(epoch, 0));
}

static void uptodate(struct world *w, struct pipe *p, int64_t epoch)
{
        puppet_plain(w, p, QP_UPTODATE, -1);
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(epoch, 0));
        assert_true(me(w)->serving);
}

static struct pipe *join(struct world *w, int64_t epoch)
{
        struct pipe *p = discover(w, epoch, zab_last_logged(me(w)->zab), (int32_t)zab_current_epoch(me(w)->zab));
        puppet_plain(w, p, QP_DIFF, zab_last_logged(me(w)->zab));
        newleader(w, p, epoch);
        uptodate(w, p, epoch);
        return p;
}

static void end(struct world *w, struct pipe *p)
{
        world_cut(w, 1, 2);
        world_settle(w);
        puppet_skip(p, puppet_peek(p, &(const uint8_t *){NULL}));
        p->e[1].open = false;
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
}

static bool left(struct world *w)
{
        world_settle(w);
        return zab_role(me(w)->zab) == ZAB_IDLE;
}

/* ---- discovery ---- */

static void test_fresh_follower_joins_by_diff(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        (void)join(w, 1);
        assert_int_equal(me(w)->disk.accepted, 1);
        assert_int_equal(me(w)->disk.current, 1);
        world_free(w);
}

/* Z20: equal epoch: synchronise, but don't count. Lower: never. */
static void test_promise_is_given_once_per_epoch(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 5, 0, 0);
        end(w, p);
        p = discover(w, 5, 0, -1);
        end(w, p);
        world_follow(w, 1, 2);
        p = puppet_accept(w, 2);
        assert_int_equal(puppet_expect(w, p, QP_FOLLOWERINFO), z(5, 0));
        puppet_send(w, p, QP_LEADERINFO, z(4, 0), "\0\1\0\0", 4);
        assert_true(left(w));
        world_free(w);
}

/* 12, Z20: no promise before it is durable. */
static void test_promise_waits_for_the_disk(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        world_follow(w, 1, 2);
        struct pipe *p = puppet_accept(w, 2);
        (void)puppet_expect(w, p, QP_FOLLOWERINFO);
        me(w)->disk_stuck = true;
        puppet_send(w, p, QP_LEADERINFO, z(6, 0), "\0\1\0\0", 4);
        puppet_expect_nothing(w, p);
        me(w)->disk_stuck = false;
        (void)puppet_expect(w, p, QP_ACKEPOCH);
        world_free(w);
}

static void test_refused_dials_are_repeated_for_a_second(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        world_block(w, 1, 2, true);
        world_follow(w, 1, 2);
        world_settle(w);
        world_run(w, 150);
        assert_int_equal(zab_role(me(w)->zab), ZAB_FOLLOWING);
        world_block(w, 1, 2, false);
        world_run(w, 100);
        assert_non_null(puppet_accept(w, 2));
        world_free(w);
}

static void test_unreachable_leader_is_given_up(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        world_block(w, 1, 2, true);
        world_follow(w, 1, 2);
        world_run(w, 1100);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        world_free(w);
}

static void test_silent_leader_is_left(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        (void)join(w, 1);
        world_run(w, WORLD_SYNC * WORLD_TICK_MS - WORLD_TICK_MS / 4 - 1);
        assert_true(me(w)->serving);
        world_run(w, 1);
        assert_false(me(w)->serving);
        world_free(w);
}

static void test_leader_silent_in_discovery_is_left_after_init_limit(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        world_follow(w, 1, 2);
        world_settle(w);
        world_run(w, WORLD_INIT * WORLD_TICK_MS - WORLD_TICK_MS / 4 - 1);
        assert_int_equal(zab_role(me(w)->zab), ZAB_FOLLOWING);
        world_run(w, 1);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        world_free(w);
}

/* ---- synchronisation ---- */

/* 20, 21, Z24: history, then epoch, then ACK: whatever of the disk's steps is the last before a crash. */
static void test_crash_between_any_two_disk_steps_keeps_the_order(void **state)
{
        (void)state;
        for (size_t steps = 0; steps <= 6; steps++) {
                struct world *w = world_of_learner(false);
                struct pipe *p = discover(w, 3, 0, 0);
                me(w)->disk_stuck = true;
                puppet_plain(w, p, QP_DIFF, z(2, 1));
                for (int64_t i = 1; i <= 3; i++) {
                        puppet_propose(w, p, QP_PROPOSAL, z(1, i));
                        puppet_plain(w, p, QP_COMMIT, z(1, i));
                }
                puppet_send(w, p, QP_NEWLEADER, z(3, 0), NULL, 0);
                puppet_expect_nothing(w, p);
                me(w)->disk_stuck = false;
                world_crash(w, 1, steps);
                const struct disk *d = &me(w)->disk;
                /* currentEpoch.tmp, three records, currentEpoch */
                assert_int_equal(d->log_count, steps < 1 ? 0 : steps - 1 < 3 ? steps - 1 : 3);
                assert_int_equal(d->current, steps >= 5 ? 3 : 0);
                assert_int_equal(d->accepted, 3);
                world_boot(w, 1);
                world_free(w);
        }
}

static void test_newleader_is_acked_when_everything_is_durable(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        w->hold_reports = true;
        puppet_send(w, p, QP_NEWLEADER, z(1, 0), NULL, 0);
        puppet_expect_nothing(w, p);
        w->hold_reports = false;
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 0));
        world_free(w);
}

/* 23, 24: proposals between, COMMITs between, as Java sends them; our ACKs come after UPTODATE, in order. */
static void test_java_order_of_sync_packets(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        puppet_propose(w, p, QP_PROPOSAL, z(1, 1));
        puppet_plain(w, p, QP_COMMIT, z(1, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(1, 2));
        puppet_plain(w, p, QP_PING, z(1, 2));
        newleader(w, p, 1);
        puppet_propose(w, p, QP_PROPOSAL, z(1, 3));
        puppet_plain(w, p, QP_COMMIT, z(1, 2));
        puppet_plain(w, p, QP_PING, z(1, 3));
        puppet_expect_nothing(w, p);
        assert_int_equal(me(w)->db.n, 2);
        uptodate(w, p, 1);
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 2));
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 3));
        puppet_plain(w, p, QP_COMMIT, z(1, 3));
        assert_int_equal(me(w)->db.n, 3);
        world_free(w);
}

/* 25, Z14: the same proposal by sync and by forwarding: logged once, acknowledged once. */
static void test_repeated_proposals_of_a_sync_are_dropped(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 4, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        puppet_propose(w, p, QP_PROPOSAL, z(3, 1));
        puppet_plain(w, p, QP_COMMIT, z(3, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(3, 1));
        puppet_plain(w, p, QP_COMMIT, z(3, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(4, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(4, 1));
        newleader(w, p, 4);
        uptodate(w, p, 4);
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(4, 1));
        puppet_expect_nothing(w, p);
        assert_int_equal(me(w)->disk.log_count, 2);
        world_free(w);
}

/* The learner's own tail that a DIFF confirms without a word is committed with it. */
static void test_tail_confirmed_by_diff_is_kept(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        puppet_propose(w, p, QP_PROPOSAL, z(1, 1));
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 1));
        end(w, p);
        assert_int_equal(me(w)->db.n, 1); /* delivered when the role ended */
        p = discover(w, 2, z(1, 1), 1);
        puppet_plain(w, p, QP_DIFF, z(1, 1));
        newleader(w, p, 2);
        uptodate(w, p, 2);
        puppet_propose(w, p, QP_PROPOSAL, z(2, 1));
        puppet_plain(w, p, QP_COMMIT, z(2, 1));
        assert_int_equal(me(w)->db.n, 2);
        world_free(w);
}

static struct pipe *with_log(struct world *w, int64_t committed, int64_t all)
{
        struct pipe *p = join(w, 1);
        for (int64_t i = 1; i <= all; i++)
                puppet_propose(w, p, QP_PROPOSAL, z(1, i));
        for (int64_t i = 1; i <= committed; i++)
                puppet_plain(w, p, QP_COMMIT, z(1, i));
        world_settle(w);
        return p;
}

static void test_trunc_cuts_log_and_memory(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        end(w, with_log(w, 2, 4));
        assert_int_equal(me(w)->db.n, 4);
        struct pipe *p = discover(w, 2, z(1, 4), 1);
        puppet_plain(w, p, QP_TRUNC, z(1, 2));
        newleader(w, p, 2);
        uptodate(w, p, 2);
        assert_int_equal(me(w)->db.n, 2);
        assert_int_equal(me(w)->disk.log_count, 2);
        puppet_propose(w, p, QP_PROPOSAL, z(2, 1));
        puppet_plain(w, p, QP_COMMIT, z(2, 1));
        assert_int_equal(me(w)->db.n, 3);
        world_free(w);
}

/* What is sent behind TRUNC waits in the connection until the cut is done. */
static void test_trunc_then_diff(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        end(w, with_log(w, 1, 3));
        struct pipe *p = discover(w, 3, z(1, 3), 1);
        me(w)->disk_stuck = true;
        puppet_plain(w, p, QP_TRUNC, z(1, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(2, 1));
        puppet_plain(w, p, QP_COMMIT, z(2, 1));
        assert_int_equal(me(w)->db.n, 3);
        me(w)->disk_stuck = false;
        newleader(w, p, 3);
        uptodate(w, p, 3);
        assert_int_equal(me(w)->db.n, 2);
        world_free(w);
}

/* 28 (ZOOKEEPER-5094): the leader goes while the log is being cut: memory follows the disk all the same. */
static void test_trunc_finishes_though_the_leader_is_gone(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        end(w, with_log(w, 1, 3));
        struct pipe *p = discover(w, 2, z(1, 3), 1);
        me(w)->disk_stuck = true;
        puppet_plain(w, p, QP_TRUNC, z(1, 1));
        end(w, p);
        assert_false(zab_disk_dry(me(w)->zab));
        assert_int_equal(me(w)->db.n, 3);
        me(w)->disk_stuck = false;
        world_settle(w);
        assert_true(zab_disk_dry(me(w)->zab));
        assert_int_equal(me(w)->db.n, 1);
        assert_int_equal(zab_last_logged(me(w)->zab), z(1, 1));
        world_free(w);
}

/* 30: a snapshot file being written is given up before the log is cut. */
static void test_trunc_waits_for_a_snapshot_being_written(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = with_log(w, 3, 3);
        me(w)->disk_stuck = true;
        world_snapshot(w, 1);
        end(w, p);
        me(w)->disk_stuck = false;
        p = discover(w, 2, z(1, 3), 1);
        me(w)->saving = SAVING_OWN;
        puppet_plain(w, p, QP_TRUNC, z(1, 1));
        assert_int_equal(me(w)->saving, SAVING_NONE);
        assert_int_equal(me(w)->db.n, 1);
        for (size_t i = 0; i < me(w)->disk.snapshot_count; i++)
                assert_true(me(w)->disk.snapshots[i].zxid <= z(1, 1));
        world_free(w);
}

static void snap_stream(struct world *w, struct pipe *p, const struct item *items, size_t n, bool sealed)
{
        struct jute_writer o;
        jute_writer_init(&o, 4096);
        jute_put_int(&o, (int32_t)n);
        for (size_t i = 0; i < n; i++) {
                jute_put_long(&o, items[i].zxid);
                jute_put_long(&o, (int64_t)items[i].hash);
        }
        if (sealed)
                jute_put_cstr(&o, "BenWasHere");
        puppet_raw(w, p, o.data, o.len);
        jute_writer_done(&o);
}

static struct item txn_item(int64_t zxid)
{
        uint8_t payload[64];
        size_t len = puppet_txn(zxid, (uint64_t)zxid * 31, payload);
        return item_of(payload, len, zxid);
}

/* 29 (ZOOKEEPER-3701): a cut that can't be made is never passed over: the next sync is a snapshot; the
 * answer that asks for it understates the log, so it does not count; and it is given only once. It is given to the same
 * leader at once, which has this server's promise: with no more than a bare quorum it would never have another. */
static void test_impossible_trunc_asks_for_a_snapshot(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        struct item items[] = {txn_item(z(1, 1)), txn_item(z(1, 2))};
        puppet_plain(w, p, QP_SNAP, z(1, 2));
        snap_stream(w, p, items, 2, true);
        newleader(w, p, 1);
        end(w, p);
        world_purge(w, 1);
        p = discover(w, 2, z(1, 2), 1);
        puppet_plain(w, p, QP_TRUNC, z(1, 1));
        assert_true(left(w));
        assert_true(zab_again(me(w)->zab));
        assert_int_equal(me(w)->db.n, 2);
        p->e[1].open = false;
        p = discover(w, 3, 0, -1);
        end(w, p);
        assert_false(zab_again(me(w)->zab));
        p = discover(w, 4, z(1, 2), 1);
        puppet_plain(w, p, QP_TRUNC, z(1, 1));
        assert_true(left(w));
        p->e[1].open = false;
        p = discover(w, 5, 0, -1);
        puppet_plain(w, p, QP_SNAP, z(1, 1));
        snap_stream(w, p, items, 1, true);
        newleader(w, p, 5);
        uptodate(w, p, 5);
        assert_int_equal(me(w)->db.n, 1);
        world_free(w);
}

/* A Java snapshot is later than its cut: what is in it already comes again and is dropped. */
static void test_snap_with_overlapping_proposals(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        struct item items[] = {txn_item(z(1, 1)), txn_item(z(1, 2))};
        puppet_plain(w, p, QP_SNAP, z(1, 2));
        snap_stream(w, p, items, 2, true);
        puppet_propose(w, p, QP_PROPOSAL, z(1, 2));
        puppet_plain(w, p, QP_COMMIT, z(1, 2));
        puppet_propose(w, p, QP_PROPOSAL, z(1, 3));
        newleader(w, p, 1);
        uptodate(w, p, 1);
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 3));
        puppet_plain(w, p, QP_COMMIT, z(1, 3));
        assert_int_equal(me(w)->db.n, 3);
        world_free(w);
}

/* A snapshot named by an epoch's beginning, as a Java leader names it; the epoch's first follows. */
static void test_snap_named_by_an_epoch(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 4, 0, 0);
        struct item items[] = {txn_item(z(2, 1))};
        puppet_plain(w, p, QP_SNAP, z(4, 0));
        snap_stream(w, p, items, 1, true);
        newleader(w, p, 4);
        uptodate(w, p, 4);
        assert_int_equal(zab_last_logged(me(w)->zab), z(4, 0));
        puppet_propose(w, p, QP_PROPOSAL, z(4, 1));
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(4, 1));
        world_free(w);
}

/* 27 (ZOOKEEPER-2872, 3642): a snapshot that did not arrive whole leaves the old state, in memory too. */
static void test_snap_interrupted_in_the_stream_leaves_the_old_state(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        end(w, with_log(w, 2, 2));
        struct pipe *p = discover(w, 5, z(1, 2), 1);
        struct item items[] = {txn_item(z(4, 1))};
        puppet_plain(w, p, QP_SNAP, z(4, 1));
        snap_stream(w, p, items, 1, false);
        end(w, p);
        assert_int_equal(me(w)->drops, 1);
        assert_int_equal(me(w)->db.n, 2);
        assert_int_equal(zab_last_logged(me(w)->zab), z(1, 2));
        assert_true(zab_disk_dry(me(w)->zab));
        world_free(w);
}

/* 27: once it is being written it becomes the state, whatever becomes of the leader. */
static void test_snap_interrupted_while_saving_is_carried_to_its_end(void **state)
{
        (void)state;
        for (int stage = 0; stage < 3; stage++) {
                struct world *w = world_of_learner(false);
                end(w, with_log(w, 2, 2));
                struct pipe *p = discover(w, 5, z(1, 2), 1);
                struct item items[] = {txn_item(z(4, 1))};
                me(w)->disk_stuck = true;
                puppet_plain(w, p, QP_SNAP, z(4, 1));
                snap_stream(w, p, items, 1, true);
                if (stage > 0) {
                        me(w)->disk_stuck = false; /* currentEpoch.tmp, then the file begins */
                        while (me(w)->saving != SAVING_RECEIVED)
                                assert_true(world_step(w));
                        if (stage > 1)
                                assert_true(disk_saving_step(me(w)));
                        me(w)->disk_stuck = true;
                }
                end(w, p);
                me(w)->disk_stuck = false;
                world_settle(w);
                assert_true(zab_disk_dry(me(w)->zab));
                assert_int_equal(zab_last_logged(me(w)->zab), stage == 0 ? z(1, 2) : z(4, 1));
                assert_int_equal(me(w)->db.n, stage == 0 ? 2 : 1);
                assert_int_equal(zab_current_epoch(me(w)->zab), 1);
                world_free(w);
        }
}

/* 22, 27: a crash at any step of a snapshot sync leaves the old state or the new one. */
static void test_crash_at_any_step_of_a_snapshot_sync(void **state)
{
        (void)state;
        for (int steps = 0; steps < 12; steps++) {
                struct world *w = world_of_learner(false);
                end(w, with_log(w, 2, 2));
                struct pipe *p = discover(w, 5, z(1, 2), 1);
                struct item items[] = {txn_item(z(4, 1))};
                me(w)->disk_stuck = true;
                puppet_plain(w, p, QP_SNAP, z(4, 1));
                snap_stream(w, p, items, 1, true);
                puppet_send(w, p, QP_NEWLEADER, z(5, 0), NULL, 0);
                me(w)->disk_stuck = false;
                for (int i = 0; i < steps && world_step(w); i++)
                        continue;
                world_crash(w, 1, 0);
                world_boot(w, 1);
                bool old = me(w)->db.n == 2 && zab_last_logged(me(w)->zab) == z(1, 2);
                bool new = me(w)->db.n == 1 && zab_last_logged(me(w)->zab) == z(4, 1);
                assert_true(old || new);
                assert_true(new || zab_current_epoch(me(w)->zab) == 1);
                world_free(w);
        }
}

static void test_snap_without_its_seal_is_refused(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_SNAP, z(1, 1));
        snap_stream(w, p, &(struct item){.zxid = z(1, 1)}, 1, false);
        puppet_raw(w, p, "\0\0\0\12BenWasThere", 15);
        assert_true(left(w));
        assert_int_equal(me(w)->db.n, 0);
        assert_int_equal(me(w)->drops, 1);
        world_free(w);
}

/* ---- broadcast ---- */

/* Z13: a COMMIT of anything but the oldest proposal ends the role. */
static void test_commit_of_another_proposal_ends_the_role(void **state)
{
        (void)state;
        static const int64_t counters[] = {2, 7};
        for (size_t i = 0; i < 2; i++) {
                struct world *w = world_of_learner(false);
                struct pipe *p = with_log(w, 0, 3);
                puppet_plain(w, p, QP_COMMIT, z(1, counters[i]));
                assert_true(left(w));
                world_free(w);
        }
}

static void test_commit_of_nothing_ends_the_role(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        puppet_plain(w, p, QP_COMMIT, z(1, 1));
        assert_true(left(w));
        world_free(w);
}

/* 26, Z11: a hole, a step back, a foreign epoch, (e, 0): none of them gets into the log. */
static void test_proposals_out_of_order_end_the_role(void **state)
{
        (void)state;
        const int64_t bad[] = {z(1, 4), z(1, 2), z(1, 1), z(2, 1), z(0, 9), z(1, 0)};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct world *w = world_of_learner(false);
                struct pipe *p = with_log(w, 1, 2);
                puppet_propose(w, p, QP_PROPOSAL, bad[i]);
                assert_true(left(w));
                assert_int_equal(me(w)->disk.log_count, 2);
                world_free(w);
        }
}

/* D1: no ACK before the disk; then one per proposal. */
static void test_proposals_are_acked_when_durable(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        me(w)->disk_stuck = true;
        puppet_propose(w, p, QP_PROPOSAL, z(1, 1));
        puppet_propose(w, p, QP_PROPOSAL, z(1, 2));
        puppet_expect_nothing(w, p);
        me(w)->disk_stuck = false;
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 1));
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(1, 2));
        puppet_expect_nothing(w, p);
        world_free(w);
}

/* 31 (ZOOKEEPER-2845): what was logged and not committed is in memory once the role is over, not before. */
static void test_tail_is_delivered_when_the_role_ends(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = with_log(w, 1, 3);
        assert_int_equal(me(w)->db.n, 1);
        end(w, p);
        assert_int_equal(me(w)->db.n, 3);
        assert_int_equal(zab_last_committed(me(w)->zab), z(1, 3));
        world_free(w);
}

static void test_pings_are_answered_with_touches(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        puppet_plain(w, p, QP_PING, z(1, 9));
        struct jute_quorum_packet q;
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_PING);
        assert_int_equal(q.zxid, z(1, 9));
        assert_int_equal(q.data.len, 12);
        world_free(w);
}

static void test_requests_syncs_and_revalidations(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct zab *zab = me(w)->zab;
        struct jute_vec none = {.count = -1};
        assert_false(zab_forward(zab, 5, 6, OP_DELETE, jute_cstr("body"), none, &me(w)->fx));
        assert_false(zab_revalidate(zab, 5, 100, &me(w)->fx));
        struct pipe *p = join(w, 1);
        assert_true(zab_forward(zab, 5, 6, OP_DELETE, jute_cstr("body"), none, &me(w)->fx));
        assert_true(zab_revalidate(zab, 5, 100, &me(w)->fx));
        node_flush(me(w));
        struct jute_quorum_packet q;
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_REQUEST);
        assert_int_equal(q.data.len, 20);
        assert_memory_equal(q.data.data, "\0\0\0\0\0\0\0\5\0\0\0\6\0\0\0\2body", 20);
        assert_int_equal(q.authinfo.count, -1);
        assert_true(puppet_next(w, p, &q));
        assert_int_equal(q.type, QP_REVALIDATE);
        assert_int_equal(q.data.len, 12);
        puppet_send(w, p, QP_REVALIDATE, -1, "\0\0\0\0\0\0\0\5\1", 9);
        assert_int_equal(me(w)->revalidated, 1);
        assert_true(me(w)->revalidated_valid);
        puppet_plain(w, p, QP_SYNC, 0);
        assert_int_equal(me(w)->sync_replies, 1);
        world_free(w);
}

/* quorum-protocol.md 4.4: observers log and apply at once, and acknowledge nothing. */
static void test_observer_applies_informs_without_acks(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        puppet_propose(w, p, QP_PROPOSAL, z(1, 1));
        puppet_plain(w, p, QP_COMMIT, z(1, 1));
        puppet_propose(w, p, QP_INFORM, z(1, 2));
        newleader(w, p, 1);
        puppet_propose(w, p, QP_INFORM, z(1, 3));
        uptodate(w, p, 1);
        puppet_propose(w, p, QP_INFORM, z(1, 4));
        puppet_propose(w, p, QP_PROPOSAL, z(1, 5)); /* not for observers: ignored */
        puppet_expect_nothing(w, p);
        assert_int_equal(me(w)->db.n, 4);
        assert_int_equal(me(w)->disk.log_count, 4);
        world_free(w);
}

/* A Java leader's reconfiguration: the transaction is committed, the members stay as configured here. */
static void test_reconfiguration_commits_its_transaction(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = with_log(w, 0, 1);
        puppet_send(w, p, QP_COMMIT_AND_ACTIVATE, z(1, 1), "\0\0\0\0\0\0\0\2", 8);
        assert_int_equal(me(w)->db.n, 1);
        assert_true(me(w)->serving);
        world_free(w);
}

/* Phases: what no state accepts ends the role (quorum-protocol.md 10.10, 10.18). */
static void test_packets_of_the_wrong_phase_end_the_role(void **state)
{
        (void)state;
        static const int32_t first[] = {QP_PROPOSAL, QP_NEWLEADER, QP_UPTODATE, QP_LEADERINFO, QP_PING, 99};
        for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
                struct world *w = world_of_learner(false);
                struct pipe *p = discover(w, 1, 0, 0);
                puppet_plain(w, p, first[i], z(1, 0));
                assert_true(left(w));
                world_free(w);
        }
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        puppet_plain(w, p, QP_UPTODATE, -1);
        assert_true(left(w));
        world_free(w);
}

static void test_malformed_transactions_end_the_role(void **state)
{
        (void)state;
        uint8_t payload[64];
        size_t len = puppet_txn(z(1, 1), 5, payload);
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        puppet_send(w, p, QP_PROPOSAL, z(1, 1), payload, 31);
        assert_true(left(w));
        p->e[1].open = false;
        p = join(w, 2);
        puppet_send(w, p, QP_PROPOSAL, z(2, 1), payload, len); /* its header says (1, 1) */
        assert_true(left(w));
        struct zab_stats s;
        zab_stats(me(w)->zab, &s);
        assert_int_equal(s.bad_input, 2);
        assert_int_equal(me(w)->disk.log_count, 0);
        world_free(w);
}

/* Logged, it would keep this server from ever starting again. */
static void test_a_transaction_that_can_not_be_applied_is_not_logged(void **state)
{
        static const int32_t types[] = {QP_PROPOSAL, QP_INFORM, QP_PROPOSAL};
        (void)state;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
                bool serving = i < 2;
                struct world *w = world_of_learner(types[i] == QP_INFORM);
                struct pipe *p = serving ? join(w, 1) : discover(w, 1, 0, 0);
                if (!serving)
                        puppet_plain(w, p, QP_DIFF, z(1, 1));
                struct jute_writer txn;
                jute_writer_init(&txn, 64);
                jute_put_txn_header(&txn, &(struct jute_txn_header){.zxid = z(1, 1), .type = UNREADABLE});
                puppet_send(w, p, types[i], z(1, 1), txn.data, txn.len);
                jute_writer_done(&txn);
                assert_true(left(w));
                struct zab_stats s;
                zab_stats(me(w)->zab, &s);
                assert_int_equal(s.bad_input, 1);
                assert_int_equal(me(w)->disk.log_count, 0);
                world_free(w);
        }
}

/* An acceptedEpoch is never taken back, so one near the end of all epochs must not get there by one message. */
static void test_an_absurd_epoch_is_not_promised(void **state)
{
        static const int64_t absurd[] = {0x7fffffff, 0x7ffffffe, 6 + ZAB_EPOCH_LEAP_MAX, -1};
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 5, 0, 0);
        for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
                end(w, p);
                world_follow(w, 1, 2);
                p = puppet_accept(w, 2);
                assert_int_equal(puppet_expect(w, p, QP_FOLLOWERINFO), z(5, 0));
                puppet_send(w, p, QP_LEADERINFO, z(absurd[i], 0), "\0\1\0\0", 4);
                assert_true(left(w));
                assert_int_equal(me(w)->disk.accepted, 5);
        }
        end(w, p);
        (void)discover(w, 5 + ZAB_EPOCH_LEAP_MAX, 0, 0);
        assert_int_equal(me(w)->disk.accepted, 5 + ZAB_EPOCH_LEAP_MAX);
        world_free(w);
}

static void test_follower_refuses_learners(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        (void)join(w, 1);
        struct pipe *p = puppet_dial(w, 1);
        assert_true(puppet_closed(p));
        world_free(w);
}

/* Hands over so many proposals, of which the disk writes none. */
static void fall_behind(struct world *w, const struct pipe *p, int64_t proposals)
{
        const int32_t type = w->ensemble.members[0].observer ? QP_INFORM : QP_PROPOSAL;
        me(w)->disk_stuck = true;
        for (int64_t i = 1; i <= proposals; i++) {
                uint8_t payload[64];
                struct blob *b = jute_quorum_packet_blob(type, z(1, i), payload, puppet_txn(z(1, i), 1, payload));
                zab_conn_bytes(me(w)->zab, w->now_ms, p->e[0].conn, b->data, b->len, &me(w)->fx);
                blob_unref(b);
        }
}

/* A disk that falls far behind stops the reading, not the server. */
static void test_reading_stops_while_the_disk_is_far_behind(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = join(w, 1);
        fall_behind(w, p, ZAB_UNSYNCED_MAX + 10);
        assert_int_equal(me(w)->zab->disk.count, ZAB_UNSYNCED_MAX);
        assert_true(me(w)->zab->learner.paused);
        zab_disk_done(me(w)->zab, w->now_ms, me(w)->fx.log_ticket, NULL, &me(w)->fx);
        assert_false(me(w)->zab->learner.paused);
        assert_int_equal(zab_last_logged(me(w)->zab), z(1, ZAB_UNSYNCED_MAX + 10));
        effects_reset(&me(w)->fx);
        world_free(w);
}

/* ... but not for ever: its clients would be shown an ever older state after the leader has given it up. */
static void test_learner_that_stopped_reading_leaves_when_its_log_hangs(void **state)
{
        (void)state;
        for (int observer = 0; observer < 2; observer++) {
                struct world *w = world_of_learner(observer);
                fall_behind(w, join(w, 1), ZAB_UNSYNCED_MAX + 10);
                world_run(w, (WORLD_SYNC - 1) * WORLD_TICK_MS);
                assert_true(me(w)->serving && me(w)->zab->learner.paused);
                world_run(w, 2 * WORLD_TICK_MS);
                assert_false(me(w)->serving || zab_disk_dry(me(w)->zab));
                assert_non_null(strstr(me(w)->ended, "the disk is too slow or hangs"));
                world_free(w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_learner_that_stopped_reading_leaves_when_its_log_hangs),
                cmocka_unit_test(test_fresh_follower_joins_by_diff),
                cmocka_unit_test(test_promise_is_given_once_per_epoch),
                cmocka_unit_test(test_promise_waits_for_the_disk),
                cmocka_unit_test(test_refused_dials_are_repeated_for_a_second),
                cmocka_unit_test(test_unreachable_leader_is_given_up),
                cmocka_unit_test(test_silent_leader_is_left),
                cmocka_unit_test(test_leader_silent_in_discovery_is_left_after_init_limit),
                cmocka_unit_test(test_crash_between_any_two_disk_steps_keeps_the_order),
                cmocka_unit_test(test_newleader_is_acked_when_everything_is_durable),
                cmocka_unit_test(test_java_order_of_sync_packets),
                cmocka_unit_test(test_repeated_proposals_of_a_sync_are_dropped),
                cmocka_unit_test(test_tail_confirmed_by_diff_is_kept),
                cmocka_unit_test(test_trunc_cuts_log_and_memory),
                cmocka_unit_test(test_trunc_then_diff),
                cmocka_unit_test(test_trunc_finishes_though_the_leader_is_gone),
                cmocka_unit_test(test_trunc_waits_for_a_snapshot_being_written),
                cmocka_unit_test(test_impossible_trunc_asks_for_a_snapshot),
                cmocka_unit_test(test_snap_with_overlapping_proposals),
                cmocka_unit_test(test_snap_named_by_an_epoch),
                cmocka_unit_test(test_snap_interrupted_in_the_stream_leaves_the_old_state),
                cmocka_unit_test(test_snap_interrupted_while_saving_is_carried_to_its_end),
                cmocka_unit_test(test_crash_at_any_step_of_a_snapshot_sync),
                cmocka_unit_test(test_snap_without_its_seal_is_refused),
                cmocka_unit_test(test_commit_of_another_proposal_ends_the_role),
                cmocka_unit_test(test_commit_of_nothing_ends_the_role),
                cmocka_unit_test(test_proposals_out_of_order_end_the_role),
                cmocka_unit_test(test_proposals_are_acked_when_durable),
                cmocka_unit_test(test_tail_is_delivered_when_the_role_ends),
                cmocka_unit_test(test_pings_are_answered_with_touches),
                cmocka_unit_test(test_requests_syncs_and_revalidations),
                cmocka_unit_test(test_observer_applies_informs_without_acks),
                cmocka_unit_test(test_reconfiguration_commits_its_transaction),
                cmocka_unit_test(test_packets_of_the_wrong_phase_end_the_role),
                cmocka_unit_test(test_malformed_transactions_end_the_role),
                cmocka_unit_test(test_a_transaction_that_can_not_be_applied_is_not_logged),
                cmocka_unit_test(test_an_absurd_epoch_is_not_promised),
                cmocka_unit_test(test_follower_refuses_learners),
                cmocka_unit_test(test_reading_stops_while_the_disk_is_far_behind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
