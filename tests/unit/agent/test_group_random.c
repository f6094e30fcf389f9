/* Fleets under faults, by seed: what fleet_strike() has (tests/sim/fleet/fleet_fault.c), and servers that crash and
 * hang, reset connections, slow networks. Each seed enables some of these (safety.md 3.5). Clock rates lie at both ends
 * of what is allowed. In the first phase anything goes, and the oracle of fleet.h watches; in the second all is mended,
 * and each group must be active on exactly one node within a bound, and stay there.
 * BATON_SEED=N runs that seed alone, BATON_SEEDS=N the first N. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BATON_SANITIZED
#define SEEDS 40
#else
#define SEEDS 100
#endif
#define FAULTS 40

/* Of the servers; those of machines come before them. */
enum fault {
        FAULT_SERVER_CRASH = FLEET_FAULT_MAX,
        FAULT_SERVER_FREEZE,
        FAULT_RESET,
        FAULT_SLOW_NET,
        FAULT_COUNT,
};

static uint32_t below(struct prng *p, uint32_t n)
{
        return (uint32_t)(prng_next(p) % n);
}

/* Roughly as often short as long. */
static uint64_t span_ms(struct prng *p)
{
        return below(p, 2) ? below(p, 400) : below(p, 5000);
}

static void strike_server(struct fleet *f, struct prng *p, enum fault fault)
{
        int n = 1 + (int)below(p, (uint32_t)f->o.nodes), other = n % f->o.nodes + 1;
        uint32_t what = below(p, 2), ms = below(p, 1500);
        const struct fleet_node *node = fleet_node(f, n);
        if (node->off || node->asleep || node->vm_paused || node->all_stands || node->batond == FLEET_BATOND_GONE)
                return;
        switch (fault) {
        case FAULT_SERVER_CRASH:
                if (world_running(f->s->w, n))
                        world_crash(f->s->w, n);
                else
                        world_start(f->s->w, n);
                break;
        case FAULT_SERVER_FREEZE:
                world_freeze(f->s->w, n, what);
                break;
        case FAULT_RESET:
                world_reset(f->s->w, n, what ? other : 0);
                break;
        default:
                world_slow_net(f->s->w, ms * what, 0);
                break;
        }
}

static void mend(struct fleet *f)
{
        fleet_mend(f);
        world_slow_net(f->s->w, 0, 0);
        for (int n = 1; n <= f->o.nodes; n++) {
                world_freeze(f->s->w, n, false);
                if (!world_running(f->s->w, n))
                        world_start(f->s->w, n);
        }
}

static void settle(struct fleet *f)
{
        fleet_await_mended(f);
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

/* Those that are on in this life, and how many. A machine held by its hypervisor, of which less is promised, seldom. */
static uint32_t enable(struct prng *p, int enabled[FAULT_COUNT])
{
        uint32_t count = 0, part = 1 + below(p, 4);
        for (int i = 0; i < FAULT_COUNT; i++) {
                bool is_on = below(p, 8) < part;
                if (is_on && (i != FLEET_VM_PAUSE || below(p, 4) == 0))
                        enabled[count++] = i;
        }
        return count;
}

static void live(uint64_t seed, struct coverage *coverage, struct trace *trace)
{
        struct fleet *f = calloc(1, sizeof *f);
        assert_non_null(f);
        struct fleet_options o = fleet_draw_options(seed, 3);
        struct prng p = {.state = seed * 977 + 3};
        int enabled[FAULT_COUNT];
        fleet_test_init(f, &o);
        fleet_watch(f, NULL, trace, coverage);
        uint32_t count = enable(&p, enabled);
        fleet_run(f, below(&p, 12000));
        for (int i = 0; i < FAULTS && count; i++) {
                int fault = enabled[below(&p, count)];
                if (fault >= FLEET_FAULT_MAX)
                        strike_server(f, &p, (enum fault)fault);
                else
                        fleet_strike(f, (enum fleet_fault)fault);
                fleet_run(f, span_ms(&p));
        }
        mend(f);
        settle(f);
        fleet_done(f);
        free(f);
}

static void report(const struct coverage *c)
{
        for (int i = 0; i < MARK_MAX; i++)
                (void)printf("%8" PRIu64 "  %s\n", c->counts[i], mark_name((enum mark)i));
}

static void test_at_most_one_and_in_the_end_one(void **state)
{
        const char *one = getenv("BATON_SEED"), *many = getenv("BATON_SEEDS");
        static struct coverage coverage;
        struct trace trace;
        (void)state;
        if (one) {
                trace_init(&trace, NULL);
                live(strtoull(one, NULL, 10), &coverage, &trace);
                (void)printf("seed %s: digest %016" PRIx64 "\n", one, trace.digest);
                return;
        }
        uint64_t seeds = many ? strtoull(many, NULL, 10) : SEEDS;
        for (uint64_t seed = 1; seed <= seeds; seed++)
                live(seed, &coverage, NULL);
        if (many)
                report(&coverage);
}

/* Byte for byte, or no seed could be replayed. */
static void test_the_same_seed_tells_the_same_story(void **state)
{
        uint64_t digests[2] = {0};
        (void)state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                for (int i = 0; i < 2; i++) {
                        struct coverage coverage = {.counts = {0}};
                        struct trace trace;
                        trace_init(&trace, NULL);
                        live(seed, &coverage, &trace);
                        digests[i] = trace.digest;
                }
                assert_true(digests[0] == digests[1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_at_most_one_and_in_the_end_one),
                cmocka_unit_test(test_the_same_seed_tells_the_same_story),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
