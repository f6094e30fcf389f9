/* How soon a leader that has stood still is left, and what keeps one from standing still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

#define SYNC_LIMIT_MS       (WORLD_SYNC * WORLD_TICK_MS - WORLD_TICK_MS / 4)
#define ELECTION_TIMEOUT_MS 50
/* As learner.c. */
#define LAST_CHANCE_MS 20

static struct node *me(struct world *w)
{
        return world_node(w, 1);
}

static void boot_anew(struct world *w)
{
        world_crash(w, 1, 0);
        world_boot(w, 1);
}

/* ---- learner ---- */

static struct world *world_of_learner(void)
{
        struct world *w = world_of_puppets(3, 0);
        w->election_timeout_ms = ELECTION_TIMEOUT_MS;
        boot_anew(w);
        return w;
}

static struct pipe *join(struct world *w, int64_t epoch)
{
        world_follow(w, 1, 2);
        struct pipe *p = puppet_accept(w, 2);
        assert_non_null(p);
        (void)puppet_expect(w, p, QP_FOLLOWERINFO);
        puppet_send(w, p, QP_LEADERINFO, z(epoch, 0), "\0\1\0\0", 4);
        (void)puppet_expect(w, p, QP_ACKEPOCH);
        puppet_plain(w, p, QP_DIFF, zab_last_logged(me(w)->zab));
        puppet_send(w, p, QP_NEWLEADER, z(epoch, 0), "version=0", 9);
        (void)puppet_expect(w, p, QP_ACK);
        puppet_plain(w, p, QP_UPTODATE, -1);
        (void)puppet_expect(w, p, QP_ACK);
        assert_true(me(w)->serving);
        return p;
}

/* A PING that says so; 0: as a ZooKeeper server's. */
static void ping(struct world *w, struct pipe *p, int32_t every_ms)
{
        uint8_t data[4] = {0, 0, (uint8_t)(every_ms >> 8), (uint8_t)every_ms};
        puppet_send(w, p, QP_PING, z(1, 0), every_ms ? data : NULL, every_ms ? sizeof data : 0);
}

/* Serving for `ms` of silence, and not a millisecond longer. */
static void expect_left_after(struct world *w, uint64_t ms)
{
        world_run(w, ms - 1);
        assert_true(me(w)->serving);
        world_run(w, 1);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
}

static void test_leader_that_says_how_often_it_pings_is_left_sooner(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        struct pipe *p = join(w, 1);
        ping(w, p, 10);
        world_run(w, 30);
        ping(w, p, 10);
        expect_left_after(w, ELECTION_TIMEOUT_MS);
        world_free(w);
}

static void test_zookeeper_leader_is_left_by_sync_limit(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        struct pipe *p = join(w, 1);
        ping(w, p, 0);
        expect_left_after(w, SYNC_LIMIT_MS);
        p = join(w, 2);
        ping(w, p, -1); /* 0xffff in the low half, more than sync_limit: no sooner than that either */
        expect_left_after(w, SYNC_LIMIT_MS);
        world_free(w);
}

static void test_as_many_pings_must_be_missing(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        struct pipe *p = join(w, 1);
        ping(w, p, 20);
        expect_left_after(w, (uint64_t)20 * ZAB_HEARTBEATS_MISSED_MIN);
        world_free(w);
}

static void test_election_timeout_of_nothing_is_sync_limit(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        w->election_timeout_ms = 0;
        boot_anew(w);
        struct pipe *p = join(w, 1);
        ping(w, p, 10);
        expect_left_after(w, SYNC_LIMIT_MS);
        world_free(w);
}

/* A machine that is too slow for its election timeout must not elect for ever. */
static void test_patience_doubles_and_ends(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        static const uint64_t after[] = {12, 24, 48, 95, 95}; /* the last by sync_limit */
        w->election_timeout_ms = 12;
        boot_anew(w);
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
                struct pipe *p = join(w, 1 + (int64_t)i);
                ping(w, p, 3);
                assert_int_equal(SYNC_LIMIT_MS, 95);
                /* A timeout below the last chance is that. */
                expect_left_after(w, after[i] < LAST_CHANCE_MS ? LAST_CHANCE_MS : after[i]);
        }
        /* The minute counts from when it was left, whatever is done meanwhile. */
        struct pipe *p = join(w, 10);
        for (uint64_t ms = 0; ms < ZAB_PATIENCE_MS; ms += 10) {
                ping(w, p, 3);
                world_run(w, 10);
        }
        ping(w, p, 3);
        expect_left_after(w, LAST_CHANCE_MS);
        world_free(w);
}

static void test_patience_lasts_while_it_is_needed(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        w->election_timeout_ms = 40;
        boot_anew(w);
        ping(w, join(w, 1), 10);
        expect_left_after(w, 40);
        struct pipe *p = join(w, 2);
        for (uint64_t ms = 0; ms < 2 * ZAB_PATIENCE_MS; ms += 50) { /* slow, again and again */
                ping(w, p, 10);
                world_run(w, 50);
        }
        assert_true(me(w)->serving);
        for (uint64_t ms = 0; ms < ZAB_PATIENCE_MS; ms += 10) {
                ping(w, p, 10);
                world_run(w, 10);
        }
        ping(w, p, 10);
        expect_left_after(w, 40);
        world_free(w);
}

/* It was this server that stood still: what has arrived meanwhile is read before anybody is left. */
static void test_server_that_stood_still_reads_before_it_judges(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        struct pipe *p = join(w, 1);
        ping(w, p, 10);
        w->now_ms += 10000;
        zab_tick(me(w)->zab, w->now_ms, &me(w)->fx);
        node_flush(me(w));
        assert_true(me(w)->serving);
        ping(w, p, 10);
        expect_left_after(w, ELECTION_TIMEOUT_MS);
        world_free(w);
}

/* With a log queue that does not move, nothing may be read of the leader: that is not its silence. */
static void test_slow_disk_is_no_silence_of_the_leader(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        struct pipe *p = join(w, 1);
        me(w)->disk_stuck = true;
        puppet_propose(w, p, QP_PROPOSAL, z(1, 1));
        ping(w, p, 10);
        expect_left_after(w, SYNC_LIMIT_MS);
        w->now_ms += ZAB_PATIENCE_MS;
        me(w)->disk_stuck = false;
        world_settle(w);
        p = join(w, 2);
        me(w)->disk_stuck = true;
        puppet_propose(w, p, QP_PROPOSAL, z(2, 1));
        ping(w, p, 10);
        world_run(w, ELECTION_TIMEOUT_MS);
        assert_true(me(w)->serving);
        me(w)->disk_stuck = false; /* what is silent now is the leader */
        world_settle(w);
        world_run(w, (uint64_t)2 * LAST_CHANCE_MS);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        world_free(w);
}

/* It may stand still as soon as it has let this server serve, and has pinged before that. */
static void test_pings_before_uptodate_tell_how_often_they_come(void **state)
{
        (void)state;
        struct world *w = world_of_learner();
        world_follow(w, 1, 2);
        struct pipe *p = puppet_accept(w, 2);
        (void)puppet_expect(w, p, QP_FOLLOWERINFO);
        puppet_send(w, p, QP_LEADERINFO, z(1, 0), "\0\1\0\0", 4);
        (void)puppet_expect(w, p, QP_ACKEPOCH);
        puppet_plain(w, p, QP_DIFF, 0);
        puppet_send(w, p, QP_NEWLEADER, z(1, 0), "version=0", 9);
        (void)puppet_expect(w, p, QP_ACK);
        ping(w, p, 10);
        puppet_plain(w, p, QP_UPTODATE, -1);
        expect_left_after(w, ELECTION_TIMEOUT_MS);
        world_free(w);
}

/* ---- leader ---- */

static struct world *world_of_leader(uint32_t heartbeat_ms, size_t step_bytes_max)
{
        struct world *w = world_of_puppets(3, 0);
        w->heartbeat_ms = heartbeat_ms;
        w->step_bytes_max = step_bytes_max;
        boot_anew(w);
        world_lead(w, 1);
        return w;
}

static size_t pings(struct world *w, struct pipe *p, int32_t data_len, uint8_t every_ms)
{
        struct jute_quorum_packet q;
        size_t n = 0;
        while (puppet_next(w, p, &q)) {
                if (q.type != QP_PING)
                        continue;
                n++;
                assert_int_equal(q.data.len, data_len);
                if (data_len > 0)
                        assert_int_equal(q.data.data[3], every_ms);
                puppet_send(w, p, QP_PING, q.zxid, "", 0);
        }
        return n;
}

static void test_leader_pings_as_often_as_it_says(void **state)
{
        (void)state;
        struct world *w = world_of_leader(4, 0);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        world_run(w, 4);
        (void)pings(w, p, 4, 4);
        world_run(w, 40);
        assert_int_equal(pings(w, p, 4, 4), 10);
        world_free(w);
}

static void test_leader_pings_each_half_tick_at_least(void **state)
{
        (void)state;
        for (uint32_t heartbeat_ms = 0; heartbeat_ms <= 1000; heartbeat_ms += 1000) {
                struct world *w = world_of_leader(heartbeat_ms, 0);
                struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
                int32_t len = heartbeat_ms ? 4 : -1;
                world_run(w, WORLD_TICK_MS / 2);
                (void)pings(w, p, len, WORLD_TICK_MS / 2);
                world_run(w, 2 * WORLD_TICK_MS);
                assert_int_equal(pings(w, p, len, WORLD_TICK_MS / 2), 4);
                world_free(w);
        }
}

/* Of four proposals it is known in one call that a quorum has them. */
static void four_at_once(struct world *w, struct pipe *p)
{
        me(w)->disk_stuck = true;
        world_proposals(w, 1, 4);
        for (int64_t i = 1; i <= 4; i++) {
                assert_int_equal(puppet_expect(w, p, QP_PROPOSAL), z(1, i));
                puppet_plain(w, p, QP_ACK, z(1, i));
        }
        assert_int_equal(zab_last_committed(me(w)->zab), 0);
        me(w)->disk_stuck = false;
        while (disk_perform(me(w)))
                ;
        world_disk_report(w, 1);
}

/* What a quorum has may be much at once: pings and clients have their turn before all of it is committed. */
static void test_leader_commits_in_portions(void **state)
{
        (void)state;
        struct world *w = world_of_leader(0, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        four_at_once(w, p);
        for (int64_t i = 1; i <= 4; i++) {
                assert_int_equal(zab_last_committed(me(w)->zab), z(1, i));
                world_run(w, 1);
        }
        for (int64_t i = 1; i <= 4; i++)
                assert_int_equal(puppet_expect(w, p, QP_COMMIT), z(1, i));
        world_free(w);
}

/* Nothing is lost of what is held up when the leader stops. */
static void test_leader_that_stops_commits_the_rest(void **state)
{
        (void)state;
        struct world *w = world_of_leader(0, 1);
        struct pipe *p = puppet_join(w, 1, 2, 0, 0, 0);
        four_at_once(w, p);
        world_stop(w, 1);
        assert_int_equal(zab_role(me(w)->zab), ZAB_LEADING);
        world_run(w, 3);
        assert_int_equal(zab_last_committed(me(w)->zab), z(1, 4));
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_leader_that_says_how_often_it_pings_is_left_sooner),
                cmocka_unit_test(test_zookeeper_leader_is_left_by_sync_limit),
                cmocka_unit_test(test_as_many_pings_must_be_missing),
                cmocka_unit_test(test_election_timeout_of_nothing_is_sync_limit),
                cmocka_unit_test(test_patience_doubles_and_ends),
                cmocka_unit_test(test_patience_lasts_while_it_is_needed),
                cmocka_unit_test(test_server_that_stood_still_reads_before_it_judges),
                cmocka_unit_test(test_slow_disk_is_no_silence_of_the_leader),
                cmocka_unit_test(test_pings_before_uptodate_tell_how_often_they_come),
                cmocka_unit_test(test_leader_pings_as_often_as_it_says),
                cmocka_unit_test(test_leader_pings_each_half_tick_at_least),
                cmocka_unit_test(test_leader_commits_in_portions),
                cmocka_unit_test(test_leader_that_stops_commits_the_rest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
