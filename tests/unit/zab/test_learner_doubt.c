/* A learner that must not count, because its disk was lost, or must not serve, because its tree differs from its
 * leader's; the test speaks for the leader. */
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
static struct world *world_of_learner(bool lost)
{
        struct world *w = world_new(3, 0, 1);
        world_make_puppet(w, 2);
        world_make_puppet(w, 3);
        if (lost) {
                world_crash(w, 1, 0);
                me(w)->disk.lost = true;
                world_boot(w, 1);
        }
        return w;
}

/* Up to LEADERINFO(epoch) and the answer to it; fails unless ACKEPOCH says `zxid` and `current`. */
static struct pipe *discover(struct world *w, int64_t epoch, int64_t zxid, int32_t current)
{
        world_follow(w, 1, 2);
        struct pipe *p = puppet_accept(w, 2);
        assert_non_null(p);
        (void)puppet_expect(w, p, QP_FOLLOWERINFO);
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
}

static void end(struct world *w, struct pipe *p)
{
        world_cut(w, 1, 2);
        world_settle(w);
        p->e[1].open = false;
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
}

/* A stream of nothing. */
static void empty_snapshot(struct world *w, struct pipe *p, int64_t zxid)
{
        struct jute_writer o;
        jute_writer_init(&o, 64);
        puppet_plain(w, p, QP_SNAP, zxid);
        jute_put_int(&o, 0);
        jute_put_cstr(&o, "BenWasHere");
        puppet_raw(w, p, o.data, o.len);
        jute_writer_done(&o);
}

static void committed(struct world *w, struct pipe *p, int64_t zxid)
{
        puppet_propose(w, p, QP_PROPOSAL, zxid);
        puppet_plain(w, p, QP_COMMIT, zxid);
}

/* ---- a lost disk ---- */

static void test_lost_server_promises_nothing_until_it_is_synchronised(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        struct pipe *p = discover(w, 3, 0, -1);
        assert_true(zab_lost(me(w)->zab));
        empty_snapshot(w, p, z(2, 7));
        world_settle(w);
        assert_true(zab_lost(me(w)->zab));
        newleader(w, p, 3);
        assert_false(zab_lost(me(w)->zab));
        uptodate(w, p, 3);
        assert_true(me(w)->serving);
        end(w, p);
        (void)discover(w, 4, z(2, 7), 3);
        world_free(w);
}

/* Leaders come and go: each is told the same. */
static void test_lost_server_stays_so_from_leader_to_leader(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        end(w, discover(w, 3, 0, -1));
        struct pipe *p = discover(w, 4, 0, -1);
        empty_snapshot(w, p, z(2, 7));
        world_settle(w);
        end(w, p);
        p = discover(w, 5, z(2, 7), -1);
        puppet_plain(w, p, QP_DIFF, z(2, 7));
        newleader(w, p, 5);
        assert_false(zab_lost(me(w)->zab));
        world_free(w);
}

/* NEWLEADER is not acknowledged before the loss has ended on disk. */
static void test_loss_ends_before_newleader_is_acknowledged(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        struct pipe *p = discover(w, 3, 0, -1);
        puppet_plain(w, p, QP_DIFF, 0);
        me(w)->disk_stuck = true;
        puppet_send(w, p, QP_NEWLEADER, z(3, 0), "version=0", 9);
        puppet_expect_nothing(w, p);
        assert_true(me(w)->disk.lost);
        me(w)->disk_stuck = false;
        assert_int_equal(puppet_expect(w, p, QP_ACK), z(3, 0));
        assert_false(me(w)->disk.lost);
        world_free(w);
}

/* A crash right between currentEpoch and the mark: the epoch is there, and still it is lost. */
static void test_epoch_that_is_there_already_is_written_once_more(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        struct pipe *p = discover(w, 3, 0, -1);
        puppet_plain(w, p, QP_DIFF, 0);
        newleader(w, p, 3);
        end(w, p);
        world_crash(w, 1, 0);
        assert_int_equal(me(w)->disk.current, 3);
        me(w)->disk.lost = true;
        world_boot(w, 1);
        p = discover(w, 3, 0, -1);
        puppet_plain(w, p, QP_DIFF, 0);
        newleader(w, p, 3);
        assert_false(me(w)->disk.lost);
        assert_false(zab_lost(me(w)->zab));
        world_free(w);
}

static void test_lost_server_never_leads(void **state)
{
        (void)state;
        struct world *w = world_of_learner(true);
        world_lead(w, 1);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        assert_non_null(strstr(me(w)->ended, "lost its disk"));
        world_free(w);
}

/* ---- a tree that differs ---- */

/* From the transaction on that shows it, nothing is served; then a snapshot is asked for, by an answer that
 * does not count. */
static void test_differing_tree_ends_the_role_and_asks_for_a_snapshot(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        newleader(w, p, 1);
        uptodate(w, p, 1);
        me(w)->differs = true;
        committed(w, p, z(1, 1));
        world_settle(w);
        assert_int_equal(zab_role(me(w)->zab), ZAB_IDLE);
        assert_false(me(w)->serving);
        assert_true(zab_again(me(w)->zab));
        me(w)->differs = false;
        p->e[1].open = false;
        p = discover(w, 1, 0, -1);
        assert_false(zab_again(me(w)->zab));
        empty_snapshot(w, p, z(1, 1));
        newleader(w, p, 1);
        uptodate(w, p, 1);
        assert_true(me(w)->serving);
        assert_false(zab_distrusts(me(w)->zab));
        world_free(w);
}

/* After an election it tells what its log holds, and counts: the leader may need it. What it may not do is serve. */
static void test_distrust_tells_the_truth_and_serves_nobody(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 1, 0, 0);
        puppet_plain(w, p, QP_DIFF, 0);
        newleader(w, p, 1);
        uptodate(w, p, 1);
        me(w)->differs = true;
        committed(w, p, z(1, 1));
        world_settle(w);
        p->e[1].open = false;
        end(w, discover(w, 1, 0, -1)); /* the snapshot that does not come */
        p = discover(w, 2, z(1, 1), 1);
        puppet_plain(w, p, QP_DIFF, z(1, 1));
        newleader(w, p, 2);
        assert_false(zab_again(me(w)->zab));
        puppet_plain(w, p, QP_UPTODATE, -1);
        world_settle(w);
        assert_false(me(w)->serving);
        assert_true(zab_again(me(w)->zab));
        p->e[1].open = false;
        end(w, discover(w, 2, 0, -1));
        world_free(w);
}

/* A Java snapshot may hold what comes again behind it; all of that comes before NEWLEADER. */
static void test_what_follows_a_snapshot_proves_nothing_until_newleader(void **state)
{
        (void)state;
        struct world *w = world_of_learner(false);
        struct pipe *p = discover(w, 2, 0, 0);
        empty_snapshot(w, p, z(1, 5));
        me(w)->differs = true;
        committed(w, p, z(1, 6));
        world_settle(w);
        assert_false(zab_distrusts(me(w)->zab));
        assert_int_equal(me(w)->db.n, 1);
        newleader(w, p, 2);
        committed(w, p, z(2, 1)); /* differs, and is judged; the role goes on until the leader has its due */
        world_settle(w);
        assert_true(zab_distrusts(me(w)->zab));
        assert_int_equal(zab_role(me(w)->zab), ZAB_FOLLOWING);
        puppet_plain(w, p, QP_UPTODATE, -1);
        world_settle(w);
        assert_false(me(w)->serving);
        assert_true(zab_again(me(w)->zab));
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lost_server_promises_nothing_until_it_is_synchronised),
                cmocka_unit_test(test_lost_server_stays_so_from_leader_to_leader),
                cmocka_unit_test(test_loss_ends_before_newleader_is_acknowledged),
                cmocka_unit_test(test_epoch_that_is_there_already_is_written_once_more),
                cmocka_unit_test(test_lost_server_never_leads),
                cmocka_unit_test(test_differing_tree_ends_the_role_and_asks_for_a_snapshot),
                cmocka_unit_test(test_distrust_tells_the_truth_and_serves_nobody),
                cmocka_unit_test(test_what_follows_a_snapshot_proves_nothing_until_newleader),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
