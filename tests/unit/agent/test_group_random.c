/* Fleets under faults, by seed: agents killed, paused and restarted with and without their session, machines that lose
 * power, cut cables, servers that crash and hang, slow networks, workers that die or fail, znodes deleted and broken.
 * Each seed enables some of these (safety.md 3.5). Clock rates lie at both ends of what is allowed. In the first phase
 * anything goes, and the oracle of fleet.h watches; in the second all is mended, and each group must be active on
 * exactly one node within a bound, and stay there.
 * BATON_SEED=N runs that seed alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BATON_SANITIZED
#define SEEDS 40
#else
#define SEEDS 100
#endif
#define FAULTS 30
/* Longest rest of a failed node here (backoff 1 s, doubling, few failures), a wait, an election and a start. */
#define MENDED_MS 90000

enum fault {
        FAULT_AGENT_KILL,
        FAULT_AGENT_PAUSE,
        FAULT_AGENT_STOP,
        FAULT_POWER,
        FAULT_CUT,
        FAULT_CUT_AGENT,
        FAULT_DEAF,
        FAULT_SERVER_CRASH,
        FAULT_SERVER_FREEZE,
        FAULT_RESET,
        FAULT_SLOW_NET,
        FAULT_WORKER_KILL,
        FAULT_WORKER_FAIL,
        FAULT_ZNODE,
        FAULT_COUNT,
};

static uint64_t one_of(struct fleet *f, uint64_t a, uint64_t b)
{
        return fleet__below(f, 2) ? a : b;
}

/* Roughly as often short as long. */
static uint64_t span_ms(struct fleet *f)
{
        return one_of(f, fleet__below(f, 400), fleet__below(f, 5000));
}

static void znode(struct fleet *f)
{
        static const char *const groups[] = {"web", "db"};
        static const char *const nodes[] = {"active", "holder", "candidates/node1", "candidates/node2"};
        static const char *const values[] = {"", "{}", "{\"node\":\"x\",\"state\":\"active\",\"lease_ms\":1}",
                                             "{\"priority\":99,\"healthy\":true}"};
        char path[128];
        (void)snprintf(path, sizeof path, "/baton/groups/%s/%s", groups[fleet__below(f, (uint32_t)f->o.groups)],
                       nodes[fleet__below(f, 4)]);
        /* Not awaited: there may be no quorum. */
        if (!client_is_connected(f->admin->c))
                return;
        if (fleet__below(f, 2)) {
                fleet_say(f, "admin: deletes %s", path);
                (void)client_delete(f->admin->c, path, -1, NULL);
        } else {
                const char *value = values[fleet__below(f, 4)];
                fleet_say(f, "admin: sets %s to %s", path, value);
                (void)client_set(f->admin->c, path, jute_cstr(value), -1, NULL);
        }
}

/* Answers come late, and then it may be the last that comes. */
static void deafness(struct fleet *f, int n)
{
        fleet_deafen(f, n, true);
        fleet_run(f, fleet__below(f, 1400));
        bool last = fleet__below(f, 2);
        if (last)
                fleet_mute(f, n);
        fleet_deafen(f, n, false);
        fleet_run(f, 2);
        if (last)
                fleet_cut_agent(f, n, true);
}

static void strike(struct fleet *f, enum fault fault)
{
        int n = 1 + (int)fleet__below(f, (uint32_t)f->o.nodes), other = n % f->o.nodes + 1;
        struct fleet_node *node = fleet_node(f, n);
        size_t group = fleet__below(f, (uint32_t)f->o.groups), worker = fleet__below(f, (uint32_t)f->o.workers);
        switch (fault) {
        case FAULT_AGENT_KILL:
                if (node->off)
                        return;
                if (node->agent)
                        fleet_agent_kill(f, n);
                else
                        fleet_agent_start(f, n, fleet__below(f, 4) != 0);
                break;
        case FAULT_AGENT_PAUSE:
                fleet_agent_pause(f, n, !node->paused);
                break;
        case FAULT_AGENT_STOP:
                if (node->agent)
                        fleet_agent_stop(f, n, fleet__below(f, 3) ? STOP_RELEASE : STOP_KEEP);
                break;
        case FAULT_POWER:
                if (node->off)
                        fleet_machine_on(f, n);
                else
                        fleet_machine_off(f, n);
                break;
        case FAULT_CUT:
                fleet_cut(f, n, !node->cut);
                break;
        case FAULT_CUT_AGENT:
                fleet_cut_agent(f, n, !node->cut);
                break;
        case FAULT_DEAF:
                deafness(f, n);
                break;
        case FAULT_SERVER_CRASH:
                if (node->off)
                        return;
                if (world_running(f->s.w, n))
                        world_crash(f->s.w, n);
                else
                        world_start(f->s.w, n);
                break;
        case FAULT_SERVER_FREEZE:
                world_freeze(f->s.w, n, fleet__below(f, 2));
                break;
        case FAULT_RESET:
                world_reset(f->s.w, n, (int)one_of(f, 0, (uint64_t)other));
                break;
        case FAULT_SLOW_NET:
                world_slow_net(f->s.w, fleet__below(f, 1500) * fleet__below(f, 2), 0);
                break;
        case FAULT_WORKER_KILL:
                fleet_worker_kill(f, n, group, worker, span_ms(f));
                break;
        case FAULT_WORKER_FAIL:
                node->groups[group].workers[worker].failures = fleet__below(f, 3);
                break;
        case FAULT_ZNODE:
                znode(f);
                break;
        case FAULT_COUNT:
                break;
        }
}

static void mend(struct fleet *f)
{
        fleet_say(f, "all is mended");
        world_slow_net(f->s.w, 0, 0);
        for (int n = 1; n <= f->o.nodes; n++) {
                struct fleet_node *node = fleet_node(f, n);
                world_freeze(f->s.w, n, false);
                fleet_cut(f, n, false);
                if (node->paused)
                        fleet_agent_pause(f, n, false);
                if (node->off)
                        fleet_machine_on(f, n);
                if (!world_running(f->s.w, n))
                        world_start(f->s.w, n);
                for (size_t g = 0; g < f->o.groups; g++)
                        for (size_t k = 0; k < f->o.workers; k++)
                                node->groups[g].workers[k].failures = 0;
                bool ended = node->agent && node->groups[0].ended;
                if (ended || (node->agent && fleet__below(f, 4) == 0))
                        fleet_agent_kill(f, n);
                if (!node->agent)
                        fleet_agent_start(f, n, true);
        }
}

static void settle(struct fleet *f)
{
        uint64_t start = fleet_now(f);
        for (size_t g = 0; g < f->o.groups; g++) {
                uint64_t past = fleet_now(f) - start;
                (void)fleet_await_active(f, g, 0, past < MENDED_MS ? MENDED_MS - past : 1);
        }
        /* Then nothing moves, but for failback and what is still to be counted against a node. */
        fleet_run(f, 15000);
        int takes[FLEET_GROUPS_MAX] = {0}, at[FLEET_GROUPS_MAX] = {0};
        for (size_t g = 0; g < f->o.groups; g++) {
                takes[g] = f->takes[g];
                at[g] = fleet_await_active(f, g, 0, 10000);
        }
        fleet_run(f, 15000);
        for (size_t g = 0; g < f->o.groups && g < FLEET_GROUPS_MAX; g++)
                if (f->o.policy != POLICY_PRIORITY && (fleet_active(f, g) != at[g] || f->takes[g] != takes[g]))
                        fleet_fail(f, "a group moves though nothing is wrong");
}

static struct fleet_options options(uint64_t seed)
{
        struct prng p = {.state = seed * 31 + 7};
        struct fleet_options o = fleet_options(seed);
        static const int32_t rates[] = {-100000, 100000, 0};
        o.groups = 1 + prng_next(&p) % 2;
        o.workers = 1 + prng_next(&p) % 3;
        o.policy = (enum group_policy)(prng_next(&p) % POLICY_COUNT);
        o.stop_budget_ms = 200 + (uint32_t)(prng_next(&p) % 3000);
        o.backoff_ms = 1000;
        o.random = prng_next(&p) % 2;
        o.answer_divisor = prng_next(&p) % 2 ? 4 : 0;
        o.start_ms = (uint32_t)(prng_next(&p) % 1500);
        o.link_ms = 1 + (uint32_t)(prng_next(&p) % 30);
        for (int i = 0; i < 3; i++) {
                o.rate_ppm[i] = rates[prng_next(&p) % 3];
                o.priority[i] = (int32_t)(prng_next(&p) % 3);
        }
        return o;
}

static void live(uint64_t seed)
{
        struct fleet *f = calloc(1, sizeof *f);
        assert_non_null(f);
        struct fleet_options o = options(seed);
        bool enabled[FAULT_COUNT];
        fleet_init(f, &o);
        for (int i = 0; i < FAULT_COUNT; i++)
                enabled[i] = fleet__below(f, 3) == 0;
        fleet_run(f, fleet__below(f, 12000));
        for (int i = 0; i < FAULTS; i++) {
                enum fault fault = (enum fault)fleet__below(f, FAULT_COUNT);
                if (enabled[fault])
                        strike(f, fault);
                fleet_run(f, span_ms(f));
        }
        mend(f);
        settle(f);
        fleet_done(f);
        free(f);
}

static void test_at_most_one_and_in_the_end_one(void **state)
{
        const char *one = getenv("BATON_SEED"), *many = getenv("BATON_SEEDS");
        (void)state;
        if (one) {
                live(strtoull(one, NULL, 10));
                return;
        }
        uint64_t seeds = many ? strtoull(many, NULL, 10) : SEEDS;
        for (uint64_t seed = 1; seed <= seeds; seed++)
                live(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_at_most_one_and_in_the_end_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
