/* Which node has a group: directed scenarios against three whole servers. Numbers are those of the catalogue of nasty
 * scenarios (safety.md 4) that the design keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* L + B(1+rho)/(1-rho) with 2 s, 1 s and 0.1; and what a commit, a turn and a start take. */
#define LEASE_MS    2000
#define TAKE_MAX_MS (LEASE_MS + 1223 + 500)
#define RENEW_MS    (LEASE_MS / 6 + 10)
/* Until a first holder: nobody knows that nothing runs. */
#define FIRST_MAX_MS 6000

static int begin(struct fleet *f, const struct fleet_options *o)
{
        fleet_test_init(f, o);
        int n = fleet_await_active(f, 0, 0, FIRST_MAX_MS);
        fleet_run(f, 20); /* until it is told */
        return n;
}

static void test_a_new_group_is_taken_after_a_wait(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(1);
        fleet_test_init(&f, &o);
        fleet_run(&f, LEASE_MS);
        assert_int_equal(fleet_running(&f, 0), 0); /* a living holder may have lost its znodes */
        int n = fleet_await_active(&f, 0, 0, FIRST_MAX_MS);
        fleet_run(&f, 20);
        assert_int_equal(n, 1); /* all else being equal, the name decides */
        struct group_status st = fleet_status(&f, n, 0);
        assert_int_equal(st.state, GROUP_ACTIVE);
        assert_true(st.here && st.candidate && st.token > 0);
        assert_int_equal(st.candidate_count, 3);
        assert_int_equal(st.lease_ms, LEASE_MS);
        assert_int_equal(fleet_get(&f, "/baton/groups/web/active", &r), ZK_OK);
        assert_true(r.stat.czxid == st.token);
        assert_int_equal(fleet_get(&f, "/baton/groups/web/holder", &r), ZK_OK);
        assert_true(r.stat.mzxid == st.token);
        assert_non_null(strstr(r.text, "\"state\":\"active\""));
        assert_non_null(strstr(r.text, "\"lease_ms\":2000"));
        assert_non_null(strstr(r.text, "\"budget_ms\":1000"));
        fleet_run(&f, 10000); /* it stays */
        assert_int_equal(f.takes[0], 1);
        assert_int_equal(fleet_active(&f, 0), n);
        st = fleet_status(&f, 2, 0);
        assert_string_equal(st.holder, "node1");
        assert_int_equal(st.state, GROUP_STANDBY);
        fleet_done(&f);
}

/* ---- losing the holder ---- */

/* Power loss of the holder; it comes back as a standby. The bound is what `batonctl config check` promises. */
static void lost_holder(uint64_t seed, bool leads)
{
        struct fleet f;
        struct fleet_options o = fleet_options(seed);
        if (leads)
                o.policy = POLICY_LEADER;
        int n = begin(&f, &o);
        if (leads)
                assert_int_equal(n, world_leader(f.s->w));
        fleet_run(&f, 500 + (seed * 37) % 300);
        uint64_t at = fleet_now(&f);
        fleet_machine_off(&f, n);
        int next = fleet_await_active(&f, 0, n, TAKE_MAX_MS);
        assert_true(fleet_now(&f) - at >= LEASE_MS - 400); /* no sooner than the lease from the last renewal */
        fleet_machine_on(&f, n);
        fleet_run(&f, 8000);
        assert_int_equal(fleet_active(&f, 0), next);
        assert_int_equal(f.takes[0], 2);
        assert_int_equal(fleet_status(&f, n, 0).state, GROUP_STANDBY);
        fleet_done(&f);
}

static void test_a_lost_holder_is_replaced_in_time(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 4; seed++)
                lost_holder(seed, false);
}

/* 70: leader and holder at once; the policy puts them together. */
static void test_a_lost_leader_and_holder_is_replaced_in_time(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 4; seed++)
                lost_holder(seed, true);
}

/* A machine that has booted anew runs nothing of before: it is not waited for. */
static void test_a_restarted_machine_is_not_waited_for(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(5);
        o.stop_budget_ms = 60000;
        fleet_test_init(&f, &o);
        int n = fleet_await_active(&f, 0, 0, 90000);
        fleet_machine_off(&f, n);
        fleet_run(&f, 1000);
        fleet_machine_on(&f, n);
        fleet_await_active(&f, 0, 0, 4000);
        fleet_done(&f);
}

/* Machines copied from one image, machine id and all: the other's grant is not one of an earlier boot of this one. */
static void test_machines_with_one_machine_id_are_not_one(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(27);
        o.copies = true;
        int n = begin(&f, &o);
        fleet_run(&f, 8000);
        assert_int_equal(fleet_active(&f, 0), n);
        assert_int_equal(f.takes[0], 1);
        uint64_t at = fleet_now(&f);
        fleet_machine_off(&f, n);
        fleet_await_active(&f, 0, n, TAKE_MAX_MS);
        assert_true(fleet_now(&f) - at >= LEASE_MS - 400);
        fleet_done(&f);
}

/* 66: the holder is cut off alone; clocks at both ends of what is allowed, and a stop that takes all of its time. */
static void test_66_a_holder_in_a_minority_has_stopped_before_another_starts(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 6; seed++) {
                struct fleet f;
                struct fleet_options o = fleet_options(seed);
                for (int i = 0; i < 3; i++)
                        o.rate_ppm[i] = (i == 0) == (seed % 2 == 1) ? -100000 : 100000;
                o.rate_ppm[2] = 100000;
                int n = begin(&f, &o);
                fleet_run(&f, seed * 61);
                fleet_cut(&f, n, true);
                int next = fleet_await_active(&f, 0, n, TAKE_MAX_MS + 400);
                fleet_run(&f, 3000);
                fleet_cut(&f, n, false);
                fleet_run(&f, 5000);
                assert_int_equal(fleet_active(&f, 0), next);
                fleet_done(&f);
        }
}

/* 67, 68: the holder's server leads, and is cut off from its peers; its agent talks on to it. */
static void test_67_a_deposed_leader_renews_nothing(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct fleet f;
                struct fleet_options o = fleet_options(seed);
                o.policy = POLICY_LEADER;
                int n = begin(&f, &o);
                assert_int_equal(world_leader(f.s->w), n);
                for (int other = 1; other <= 3; other++)
                        if (other != n) {
                                world_cut(f.s->w, n, other, true);
                                world_cut(f.s->w, other, n, true);
                        }
                fleet_run(&f, 6000);
                assert_int_not_equal(fleet_active(&f, 0), 0); /* here, by way of another server, or elsewhere */
                fleet_done(&f);
        }
}

/* 69, planted bug M13: the answer to a renewal comes late, and nothing after it. The deadline counts from the sending:
 * by the time another node starts, the holder has stopped, however slow its clock. */
static void test_69_a_late_answer_moves_no_deadline(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct fleet f;
                struct fleet_options o = fleet_options(seed);
                o.answer_divisor = 0; /* it waits long for its server */
                for (int i = 0; i < 3; i++)
                        o.rate_ppm[i] = 100000;
                o.policy = POLICY_PRIORITY;
                o.priority[0] = 1;
                o.rate_ppm[0] = -100000;
                int n = begin(&f, &o);
                if (n != 1) /* its clock is slow, others may come first; then it takes it back */
                        n = fleet_await_active(&f, 0, n, 10000);
                assert_int_equal(n, 1);
                struct fleet_worker *w = &fleet_node(&f, n)->groups[0].workers[0];
                uint64_t told = w->deadline_ms;
                for (int i = 0; i < 1000 && w->deadline_ms == told; i++)
                        fleet_run(&f, 1);
                fleet_deafen(&f, n, true);
                told = w->deadline_ms;
                fleet_run(&f, 1100);
                assert_true(w->deadline_ms == told);
                fleet_mute(&f, n); /* its next renewal is lost */
                fleet_deafen(&f, n, false);
                for (int i = 0; i < 20 && w->deadline_ms == told; i++)
                        fleet_run(&f, 1);
                assert_true(w->deadline_ms >
                            told); /* the one it had sent; the oracle sees whether it counts from then */
                fleet_cut_agent(&f, n, true);
                fleet_await_active(&f, 0, n, 6000);
                fleet_done(&f);
        }
}

/* The same of the acquire itself. */
static void test_69_a_late_answer_to_taking_moves_no_deadline(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(4);
        o.answer_divisor = 0;
        o.rate_ppm[0] = -100000;
        o.rate_ppm[1] = o.rate_ppm[2] = 100000;
        fleet_test_init(&f, &o);
        fleet_agent_kill(&f, 2);
        fleet_agent_kill(&f, 3);
        for (int i = 0; i < FIRST_MAX_MS && fleet_status(&f, 1, 0).state != GROUP_TAKING; i++)
                fleet_run(&f, 1);
        assert_int_equal(fleet_status(&f, 1, 0).state, GROUP_TAKING);
        fleet_agent_start(&f, 2, false);
        fleet_agent_start(&f, 3, false);
        uint64_t sent = fleet_node_now(fleet_node(&f, 1));
        fleet_deafen(&f, 1, true);
        fleet_run(&f, 500); /* less, and its client would look for another server */
        fleet_mute(&f, 1);
        fleet_deafen(&f, 1, false);
        struct fleet_worker *w = &fleet_node(&f, 1)->groups[0].workers[0];
        for (int i = 0; i < 50 && !w->held; i++)
                fleet_run(&f, 1);
        assert_true(w->held);
        if (w->deadline_ms > sent + 2 + 1636)
                fleet_fail(&f, "the deadline counts from the answer");
        fleet_cut_agent(&f, 1, true);
        fleet_await_active(&f, 0, 1, 6000);
        fleet_done(&f);
}

/* A taker that was away sees `active` gone: there may have been renewals that it has not seen, and it waits anew. */
static void test_what_was_not_seen_may_have_been_a_renewal(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(31);
        int n = begin(&f, &o);
        assert_int_equal(n, 1);
        fleet_machine_off(&f, 3);
        fleet_cut_agent(&f, 2, true);
        fleet_run(&f, 6000);
        assert_int_equal(fleet_active(&f, 0), 1);
        fleet_agent_pause(&f, 1, true);
        for (int i = 0; i < 5000; i++) { /* until the session has ended */
                struct scene_reply r;
                if (fleet_get(&f, "/baton/groups/web/active", &r) == ZK_NO_NODE)
                        break;
        }
        fleet_cut_agent(&f, 2, false);
        assert_int_equal(fleet_await_active(&f, 0, 1, 6000), 2);
        fleet_done(&f);
}

/* What a node's member znode says of its boot counts against a grant only when it was made after the grant: an older
 * one speaks of a boot before it, whatever it says. */
static void test_an_old_member_znode_proves_no_restart(void **state)
{
        static const char member[] = "{\"node\":\"ghost\",\"instance\":\"i\",\"boot\":\"another\"}";
        (void)state;
        for (int late = 0; late < 2; late++) {
                struct fleet f;
                struct fleet_options o = fleet_options(32);
                fleet_test_init(&f, &o);
                fleet_run(&f, 500);
                assert_int_equal(fleet_create(&f, "/baton/members/ghost", member), ZK_OK);
                assert_int_equal(
                        fleet_create(&f, "/baton/groups/web/holder",
                                     "{\"node\":\"ghost\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\","
                                     "\"lease_ms\":2000,\"budget_ms\":1000,\"rate_ppm\":100000}"),
                        ZK_OK);
                uint64_t at = fleet_now(&f);
                if (late) {
                        assert_int_equal(fleet_delete(&f, "/baton/members/ghost"), ZK_OK);
                        assert_int_equal(fleet_create(&f, "/baton/members/ghost", member), ZK_OK);
                }
                fleet_await_active(&f, 0, 0, TAKE_MAX_MS);
                if (late)
                        assert_true(fleet_now(&f) - at < 1000);
                else
                        assert_true(fleet_now(&f) - at >= LEASE_MS + 1222);
                fleet_done(&f);
        }
}

/* 71: the agent stands still; its workers keep the deadline by themselves. */
static void test_71_a_standing_agent_loses_the_group(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(7);
        int n = begin(&f, &o);
        fleet_agent_pause(&f, n, true);
        fleet_await_down(&f, 0, LEASE_MS + 1000);
        int next = fleet_await_active(&f, 0, n, TAKE_MAX_MS);
        fleet_agent_pause(&f, n, false);
        fleet_run(&f, 5000);
        assert_int_equal(fleet_active(&f, 0), next);
        assert_int_equal(fleet_status(&f, n, 0).failures, 0); /* it is not held against it */
        fleet_done(&f);
}

/* ---- the agent comes and goes ---- */

/* 72, systemctl restart: the resource does not notice. */
static void test_72_a_restarted_agent_takes_up_what_runs(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(8);
        int n = begin(&f, &o);
        int64_t token = fleet_status(&f, n, 0).token;
        for (int i = 0; i < 10; i++) {
                if (i % 2)
                        fleet_agent_stop(&f, n, STOP_KEEP);
                fleet_agent_kill(&f, n);
                fleet_run(&f, (uint64_t)i * 40);
                fleet_agent_start(&f, n, true);
                fleet_run(&f, 1500);
                assert_int_equal(fleet_status(&f, n, 0).state, GROUP_ACTIVE);
        }
        assert_true(fleet_status(&f, n, 0).token == token);
        assert_int_equal(fleet_node(&f, n)->groups[0].workers[0].starts, 1);
        assert_int_equal(f.takes[0], 1);
        assert_true(fleet_told(&f, "taken up"));
        fleet_done(&f);
}

static void test_an_agent_that_returns_too_late_begins_anew(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(9);
        int n = begin(&f, &o);
        fleet_agent_kill(&f, n);
        int next = fleet_await_active(&f, 0, n, TAKE_MAX_MS);
        fleet_agent_start(&f, n, true);
        fleet_run(&f, 5000);
        assert_int_equal(fleet_active(&f, 0), next);
        assert_int_equal(fleet_status(&f, n, 0).state, GROUP_STANDBY);
        assert_true(fleet_status(&f, n, 0).candidate);
        fleet_done(&f);
}

/* The session's file is lost: the holding cannot be taken up, so what runs is stopped; and nobody waits for long. */
static void test_an_agent_without_its_session_lets_go(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(10);
        int n = begin(&f, &o);
        fleet_agent_kill(&f, n);
        fleet_run(&f, 100);
        fleet_agent_start(&f, n, false);
        fleet_await_down(&f, 0, 1500); /* revoked at once, B is used up */
        fleet_await_active(&f, 0, 0, TAKE_MAX_MS);
        assert_int_equal(f.takes[0], 2);
        fleet_done(&f);
}

/* systemctl stop: moved in the time of the stop and the start. */
static void test_a_node_that_ends_releases(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(11);
        int n = begin(&f, &o);
        uint64_t at = fleet_now(&f);
        fleet_agent_stop(&f, n, STOP_RELEASE);
        fleet_await_active(&f, 0, n, 730 /* stop: all that the plugin is told */ + 100 /* start */ + 200);
        assert_true(fleet_agent_ended(&f, n));
        assert_true(fleet_now(&f) - at >= 730);
        assert_int_equal(fleet_get(&f, "/baton/groups/web/candidates/node1", &r), ZK_NO_NODE);
        fleet_run(&f, 3000);
        assert_int_equal(fleet_status(&f, n, 0).state, GROUP_ENDED);
        fleet_done(&f);
}

static void test_the_last_node_writes_down_its_release(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(12);
        int n = begin(&f, &o);
        int64_t token = fleet_status(&f, n, 0).token;
        char text[40];
        for (int i = 1; i <= 3; i++)
                if (i != n)
                        fleet_agent_kill(&f, i);
        fleet_agent_stop(&f, n, STOP_RELEASE);
        fleet_run(&f, 3000);
        assert_true(fleet_agent_ended(&f, n));
        assert_int_equal(fleet_get(&f, "/baton/groups/web/holder", &r), ZK_OK);
        assert_non_null(strstr(r.text, "\"state\":\"released\""));
        (void)snprintf(text, sizeof text, "\"token\":%lld", (long long)token);
        assert_non_null(strstr(r.text, text));
        assert_int_equal(fleet_get(&f, "/baton/groups/web/active", &r), ZK_NO_NODE);
        fleet_done(&f);
}

/* ---- failing ---- */

/* 76: it cannot be started anywhere. Each node tries, rests, and rests longer. */
static void test_76_what_fails_everywhere_is_damped(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(13);
        fleet_test_init(&f, &o);
        for (int i = 1; i <= 3; i++)
                fleet_node(&f, i)->groups[0].workers[0].failures = 1000;
        fleet_run(&f, 65000);
        for (int i = 1; i <= 3; i++) {
                struct group_status st = fleet_status(&f, i, 0);
                assert_true(st.failures >= 3 && st.failures <= 5); /* 5 s, 10 s, 20 s, 40 s */
                assert_true(st.candidate);
        }
        assert_int_equal(fleet_get(&f, "/baton/groups/web/holder", &r), ZK_OK);
        assert_non_null(strstr(r.text, "w0: activate failed"));
        for (int i = 1; i <= 3; i++)
                fleet_node(&f, i)->groups[0].workers[0].failures = 0;
        fleet_await_active(&f, 0, 0, 60000);
        fleet_done(&f);
}

/* It moves to a node that can, with the reason written down. */
static void test_a_failing_node_gives_the_group_to_another(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(14);
        fleet_test_init(&f, &o);
        fleet_node(&f, 1)->groups[0].workers[0].failures = 1;
        int n = fleet_await_active(&f, 0, 0, FIRST_MAX_MS + 2000);
        assert_int_equal(n, 2);
        struct group_status st = fleet_status(&f, 2, 0);
        assert_false(st.candidates[0].who.healthy);
        assert_non_null(strstr(st.candidates[0].reason, "w0: activate failed"));
        fleet_run(&f, 6000); /* it is healthy again, and that moves nothing */
        assert_true(fleet_status(&f, 2, 0).candidates[0].who.healthy);
        assert_int_equal(fleet_active(&f, 0), 2);
        fleet_done(&f);
}

static void test_a_worker_that_crashes_takes_up_its_grant(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(15);
        int n = begin(&f, &o);
        for (int i = 0; i < 3; i++) { /* the supervisor takes its time from the second on */
                fleet_worker_kill(&f, n, 0, 0, 300);
                fleet_run(&f, 1000);
                assert_int_equal(fleet_active(&f, 0), n);
        }
        assert_int_equal(fleet_node(&f, n)->groups[0].workers[0].starts, 1);
        assert_int_equal(f.takes[0], 1);
        fleet_done(&f);
}

/* A worker that does not come back is unknown, hence active: the group is not released, but no more renewed. */
static void test_a_worker_that_stays_away_gives_the_group_up(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(16);
        int n = begin(&f, &o);
        fleet_worker_kill(&f, n, 0, 0, 60000);
        int next = fleet_await_active(&f, 0, n, GROUP_WORKER_AWAY_MS * 2 + 1000 + TAKE_MAX_MS + 1000);
        fleet_run(&f, 60000);
        assert_int_equal(fleet_active(&f, 0), next);
        fleet_done(&f);
}

/* 89: the node is to end while the worker's process is gone. What it left may run: it is not released. */
static void test_what_a_lost_worker_left_is_not_released(void **state)
{
        (void)state;
        struct fleet f;
        struct scene_reply r;
        struct fleet_options o = fleet_options(33);
        int n = begin(&f, &o);
        fleet_worker_kill(&f, n, 0, 0, 100000);
        fleet_agent_stop(&f, n, STOP_RELEASE);
        while (fleet_running(&f, 0) == n) {
                fleet_run(&f, 10);
                assert_int_equal(fleet_get(&f, "/baton/groups/web/holder", &r), ZK_OK);
                assert_null(strstr(r.text, "released"));
        }
        fleet_await_active(&f, 0, n, 20000);
        fleet_done(&f);
}

/* F8: what a worker said before the GRANT reached it is not about that grant. */
static void test_a_stop_told_before_the_grant_came_counts_for_nothing(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(34);
        fleet_test_init(&f, &o);
        const struct group *g = fleet_group(&f, 1, 0);
        for (int i = 0; i < FIRST_MAX_MS && group_worker_state(g, 0) != WORKER_STARTING; i++)
                fleet_run(&f, 1);
        assert_int_equal(group_worker_state(g, 0), WORKER_STARTING);
        struct message m = {.type = MESSAGE_STATE, .fd = -1, .state = WORKER_STOPPED};
        group_worker_message(fleet_group(&f, 1, 0), 0, &m);
        assert_int_equal(group_worker_state(fleet_group(&f, 1, 0), 0), WORKER_STARTING);
        fleet_agent_stop(&f, 1, STOP_RELEASE);
        m.token = 0;
        group_worker_message(fleet_group(&f, 1, 0), 0, &m);
        fleet_await_active(&f, 0, 1, 3000); /* the oracle watches */
        fleet_done(&f);
}

/* ---- workers of one group ---- */

static void test_workers_start_in_order_and_stop_in_reverse(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(17);
        o.workers = 3;
        o.start_ms = 700;
        o.stop_budget_ms = 3000; /* all of it is used, three times: longer than the lease */
        fleet_test_init(&f, &o);
        struct fleet_worker *w = fleet_node(&f, 1)->groups[0].workers;
        for (int i = 0; i < 15000 && w[2].state != WORKER_ACTIVE; i++) {
                fleet_run(&f, 1);
                for (int k = 0; k < 2; k++)
                        assert_true(!w[k + 1].running || w[k].state == WORKER_ACTIVE);
        }
        assert_int_equal(w[2].state, WORKER_ACTIVE);
        fleet_run(&f, 5000);
        fleet_agent_stop(&f, 1, STOP_RELEASE);
        for (int i = 0; i < 12000 && w[0].running; i++) {
                fleet_run(&f, 1);
                for (int k = 0; k < 2; k++)
                        assert_true(!w[k + 1].running || w[k].state == WORKER_ACTIVE);
        }
        assert_false(w[0].running);
        fleet_await_active(&f, 0, 1, 3000);
        fleet_done(&f);
}

/* What of a group does not come while another worker of it fails. */
static void test_a_failing_worker_stops_the_whole_group(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(18);
        o.workers = 3;
        fleet_test_init(&f, &o);
        fleet_node(&f, 1)->groups[0].workers[1].failures = 1;
        assert_int_equal(fleet_await_active(&f, 0, 0, 15000), 2);
        assert_int_equal(fleet_node(&f, 1)->groups[0].workers[0].starts, 1);
        assert_int_equal(fleet_node(&f, 1)->groups[0].workers[2].starts, 0);
        fleet_done(&f);
}

/* ---- the ensemble ---- */

/* 84: no quorum: all stops by its deadline. When it returns, one start, with a greater token (the oracle's F3). */
static void test_84_without_a_quorum_everything_stops(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(19);
        o.groups = 2;
        int n = begin(&f, &o);
        fleet_await_active(&f, 1, 0, FIRST_MAX_MS);
        for (int i = 1; i <= 3; i++)
                if (i != n)
                        world_crash(f.s->w, i);
        for (size_t group = 0; group < 2; group++)
                fleet_await_down(&f, group, LEASE_MS + 1300);
        fleet_run(&f, 20000);
        assert_int_equal(fleet_running(&f, 0), 0);
        for (int i = 1; i <= 3; i++)
                if (i != n)
                        world_start(f.s->w, i);
        fleet_await_active(&f, 0, 0, 8000);
        fleet_await_active(&f, 1, 0, 8000);
        fleet_run(&f, 5000);
        assert_int_equal(f.takes[0], 2);
        assert_int_equal(f.takes[1], 2);
        fleet_done(&f);
}

/* 85: every server restarted, leader last, twice: nothing moves, for the agents go to other servers. */
static void test_85_a_rolling_restart_moves_nothing(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(20);
        int n = begin(&f, &o);
        for (int round = 0; round < 2; round++) {
                int leader = world_leader(f.s->w);
                for (int i = 1; i <= 3; i++) {
                        int sid = i == 3 ? leader : i < leader ? i : i + 1;
                        world_stop_begin(f.s->w, sid);
                        fleet_run(&f, 300);
                        world_start(f.s->w, sid);
                        fleet_run(&f, 3000);
                }
        }
        assert_int_equal(fleet_active(&f, 0), n);
        assert_int_equal(f.takes[0], 1);
        fleet_done(&f);
}

/* 90: the holder's own server can write no more. */
static void test_90_a_full_disk_beside_the_holder_moves_nothing(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(21);
        int n = begin(&f, &o);
        world_fill_disk(f.s->w, n, true);
        fleet_run(&f, 6000);
        assert_int_equal(fleet_active(&f, 0), n);
        assert_int_equal(f.takes[0], 1);
        fleet_done(&f);
}

/* ---- policies ---- */

static void test_priority_takes_it_back_after_a_delay(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(28);
        o.policy = POLICY_PRIORITY;
        o.priority[2] = 7;
        o.priority[1] = 3;
        assert_int_equal(begin(&f, &o), 3);
        fleet_machine_off(&f, 3);
        assert_int_equal(fleet_await_active(&f, 0, 3, TAKE_MAX_MS), 2);
        fleet_machine_on(&f, 3);
        fleet_run(&f, 2500);
        assert_int_equal(fleet_active(&f, 0), 2);
        assert_int_equal(fleet_await_active(&f, 0, 2, 8000), 3);
        assert_true(fleet_told(&f, "node3 has a higher priority"));
        fleet_run(&f, 8000);
        assert_int_equal(fleet_active(&f, 0), 3);
        assert_int_equal(f.takes[0], 3);
        fleet_done(&f);
}

/* The policy is about who takes, not who lets go. */
static void test_leader_follows_no_change_of_the_leader(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(29);
        o.policy = POLICY_LEADER;
        int n = begin(&f, &o);
        world_crash(f.s->w, n);
        fleet_run(&f, 5000);
        assert_int_not_equal(world_leader(f.s->w), n);
        assert_int_equal(fleet_active(&f, 0), n);
        assert_int_equal(f.takes[0], 1);
        fleet_done(&f);
}

/* 88: the holder crashes between its stop and its release; then the target crashes right after its grant. */
static void test_88_a_switchover_survives_crashes(void **state)
{
        (void)state;
        struct fleet f;
        struct fleet_options o = fleet_options(30);
        o.policy = POLICY_PRIORITY;
        o.priority[0] = 7;
        assert_int_equal(begin(&f, &o), 1);
        fleet_agent_stop(&f, 1, STOP_RELEASE);
        fleet_await_down(&f, 0, 1500);
        fleet_agent_kill(&f, 1);
        int takes = f.takes[0];
        for (int i = 0; i < 5000 && f.takes[0] == takes; i++)
                fleet_run(&f, 1);
        assert_int_equal(f.takes[0], takes + 1);
        int target = fleet_status(&f, 2, 0).here ? 2 : 3;
        fleet_machine_off(&f, target);
        fleet_await_active(&f, 0, 0, TAKE_MAX_MS + 500);
        fleet_done(&f);
}

static void test_bad_configurations_are_refused(void **state)
{
        (void)state;
        struct node_group settings = {.name = {"web"}};
        struct name worker = {"w"};
        struct group_host host = {.ended = NULL};
        struct group_config good = {.settings = &settings,
                                    .node = {"n"},
                                    .instance = "i",
                                    .workers = &worker,
                                    .worker_count = 1,
                                    .host = &host};
        struct group *g = NULL;
        struct group_config bad = good;
        bad.worker_count = 0;
        assert_int_equal(group_new(&bad, &g), -EINVAL);
        bad = good;
        bad.node = (struct name){"a/b"};
        assert_int_equal(group_new(&bad, &g), -EINVAL);
        bad = good;
        bad.rate_ppm = 1000000;
        assert_int_equal(group_new(&bad, &g), -EINVAL);
        bad = good;
        bad.instance[0] = 0;
        assert_int_equal(group_new(&bad, &g), -EINVAL);
        assert_null(g);
        group_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_group_is_taken_after_a_wait),
                cmocka_unit_test(test_a_lost_holder_is_replaced_in_time),
                cmocka_unit_test(test_a_lost_leader_and_holder_is_replaced_in_time),
                cmocka_unit_test(test_a_restarted_machine_is_not_waited_for),
                cmocka_unit_test(test_machines_with_one_machine_id_are_not_one),
                cmocka_unit_test(test_66_a_holder_in_a_minority_has_stopped_before_another_starts),
                cmocka_unit_test(test_67_a_deposed_leader_renews_nothing),
                cmocka_unit_test(test_69_a_late_answer_moves_no_deadline),
                cmocka_unit_test(test_69_a_late_answer_to_taking_moves_no_deadline),
                cmocka_unit_test(test_what_was_not_seen_may_have_been_a_renewal),
                cmocka_unit_test(test_an_old_member_znode_proves_no_restart),
                cmocka_unit_test(test_71_a_standing_agent_loses_the_group),
                cmocka_unit_test(test_72_a_restarted_agent_takes_up_what_runs),
                cmocka_unit_test(test_an_agent_that_returns_too_late_begins_anew),
                cmocka_unit_test(test_an_agent_without_its_session_lets_go),
                cmocka_unit_test(test_a_node_that_ends_releases),
                cmocka_unit_test(test_the_last_node_writes_down_its_release),
                cmocka_unit_test(test_76_what_fails_everywhere_is_damped),
                cmocka_unit_test(test_a_failing_node_gives_the_group_to_another),
                cmocka_unit_test(test_a_worker_that_crashes_takes_up_its_grant),
                cmocka_unit_test(test_a_worker_that_stays_away_gives_the_group_up),
                cmocka_unit_test(test_what_a_lost_worker_left_is_not_released),
                cmocka_unit_test(test_a_stop_told_before_the_grant_came_counts_for_nothing),
                cmocka_unit_test(test_workers_start_in_order_and_stop_in_reverse),
                cmocka_unit_test(test_a_failing_worker_stops_the_whole_group),
                cmocka_unit_test(test_84_without_a_quorum_everything_stops),
                cmocka_unit_test(test_85_a_rolling_restart_moves_nothing),
                cmocka_unit_test(test_90_a_full_disk_beside_the_holder_moves_nothing),
                cmocka_unit_test(test_priority_takes_it_back_after_a_delay),
                cmocka_unit_test(test_leader_follows_no_change_of_the_leader),
                cmocka_unit_test(test_88_a_switchover_survives_crashes),
                cmocka_unit_test(test_bad_configurations_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
