/* Seeded lives of small ensembles with an adversary instead of elections (safety.md E6): it names
 * arbitrary leaders, crashes servers in the middle of their disk's work, cuts and blocks connections,
 * interrupts snapshots. The world's checkers look on after every step. Then peace: with proper elections
 * the survivors must agree and serve within bounded time.
 *
 *   ZAB_SEEDS   how many seeds (default 2000)
 *   ZAB_SEED    only this one, with its story */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 1500, PEACE_MS = 4000 };

struct weather {
        uint64_t favourite; /* the adversary's preferred leader */
        uint64_t crash, cut, block, leave, snapshot, purge, propose, role, time, stuck, stop;
};

static struct {
        uint64_t commits, snaps, truncs, diffs, adoptions_left, epochs;
} seen;

/* Each seed has its own mix of faults (swarm testing): none, rare or frequent. */
static uint64_t strength(struct world *w, uint64_t rare)
{
        static const uint64_t factor[] = {0, 1, 1, 4};
        return rare * factor[world_random(w, 4)];
}

static struct weather weather_new(struct world *w)
{
        return (struct weather){
                .crash = strength(w, 3),
                .cut = strength(w, 5),
                .block = strength(w, 2),
                .leave = strength(w, 2),
                .snapshot = strength(w, 10),
                .purge = strength(w, 5),
                .propose = 60 + strength(w, 60),
                .role = 60,
                .time = 20 + strength(w, 20),
                .stuck = strength(w, 2),
                .stop = strength(w, 1),
        };
}

static bool free_for_role(const struct node *n)
{
        return n->up && zab_role(n->zab) == ZAB_IDLE && zab_disk_dry(n->zab);
}

static void adversary_names(struct world *w, struct weather *sky)
{
        if (world_random(w, 12) == 0)
                sky->favourite = world_random(w, w->count);
        size_t at = (size_t)world_random(w, w->count);
        if (!free_for_role(&w->nodes[at]))
                return;
        uint64_t leader = world_random(w, 5) == 0 ? world_random(w, w->count) : sky->favourite;
        if (leader == at)
                world_lead(w, (int64_t)at + 1);
        else
                world_follow(w, (int64_t)at + 1, (int64_t)leader + 1);
}

static void propose_somewhere(struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                struct node *n = &w->nodes[i];
                if (n->up && n->serving && zab_role(n->zab) == ZAB_LEADING && zab_outstanding(n->zab) < 12)
                        (void)world_propose(w, (int64_t)i + 1);
        }
}

static int64_t somebody(struct world *w)
{
        return (int64_t)world_random(w, w->count) + 1;
}

static void crash_or_boot(struct world *w, int64_t sid)
{
        if (world_node(w, sid)->up) {
                size_t queue = world_node(w, sid)->disk.queue_count;
                world_crash(w, sid, (size_t)world_random(w, queue + 1));
        } else {
                world_boot(w, sid);
        }
}

static void block_or_mend(struct world *w)
{
        int64_t a = somebody(w);
        int64_t b = somebody(w);
        if (a != b)
                world_block(w, a, b, world_random(w, 2) == 0);
}

static void act(struct world *w, struct weather *sky)
{
        uint64_t dice = world_random(w, 1000);
        const uint64_t weights[] = {sky->crash, sky->cut,     sky->block, sky->leave, sky->snapshot, sky->purge,
                                    sky->stuck, sky->propose, sky->role,  sky->time,  sky->stop};
        size_t what = 0;
        for (; what < sizeof weights / sizeof *weights && dice >= weights[what]; what++)
                dice -= weights[what];
        int64_t who = somebody(w);
        struct node *n = world_node(w, who);
        switch (what) {
        case 0:
                crash_or_boot(w, who);
                break;
        case 1:
                world_cut(w, who, somebody(w));
                break;
        case 2:
                block_or_mend(w);
                break;
        case 3:
                if (n->up)
                        world_leave(w, who);
                break;
        case 4:
                world_snapshot(w, who);
                break;
        case 5:
                if (n->saving == SAVING_NONE)
                        world_purge(w, who);
                break;
        case 6:
                n->disk_stuck = !n->disk_stuck;
                break;
        case 7:
                propose_somewhere(w);
                break;
        case 8:
                adversary_names(w, sky);
                break;
        case 9:
                world_skip(w);
                break;
        case 10:
                if (n->up)
                        world_stop(w, who);
                break;
        default:
                (void)world_step(w);
                break;
        }
}

static void count(const struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                if (!w->nodes[i].up)
                        continue;
                struct zab_stats s;
                zab_stats(w->nodes[i].zab, &s);
                seen.snaps += s.sync_snap;
                seen.truncs += s.sync_trunc;
                seen.diffs += s.sync_diff;
        }
        seen.commits += w->commits;
        seen.epochs += w->leader_count;
}

static void make_peace(struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                w->nodes[i].disk_stuck = false;
                if (!w->nodes[i].up)
                        world_boot(w, (int64_t)i + 1);
                for (size_t k = 0; k < w->count; k++)
                        w->blocked[i][k] = false;
        }
        w->elects = true;
        uint64_t end = w->now_ms + PEACE_MS;
        while (w->now_ms < end && !world_all_serve(w))
                world_run(w, 50);
        if (!world_all_serve(w))
                world_fail(w, "E7: no service after %d ms of peace", PEACE_MS);
        propose_somewhere(w);
        world_run(w, 200);
        if (!world_all_serve(w))
                world_fail(w, "E7: service ended in peace");
        world_assert_equal(w);
}

static void live(uint64_t seed)
{
        static const size_t voters[] = {3, 3, 5, 2, 4, 1};
        size_t kind = (size_t)(seed % 6);
        size_t observers = seed % 5 == 0 ? 1 : 0;
        size_t history_max = seed % 3 == 0 ? 4 : 500;
        struct world *w = world_new_history(voters[kind], observers, seed, history_max);
        struct weather sky = weather_new(w);
        sky.favourite = world_random(w, voters[kind]);
        for (int i = 0; i < STEPS; i++)
                act(w, &sky);
        count(w);
        make_peace(w);
        count(w);
        world_free(w);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Z1-Z14, Z20-Z26, D1-D3 under an adversary; then E7. */
static void test_nothing_is_lost_or_forked_under_an_adversary(void **state)
{
        (void)state;
        uint64_t only = number("ZAB_SEED", 0);
        uint64_t seeds = number("ZAB_SEEDS", 2000);
        if (only) {
                live(only);
                return;
        }
        for (uint64_t seed = 1; seed <= seeds; seed++)
                live(seed);
        (void)printf("%llu commits in %llu epochs; syncs: %llu DIFF, %llu TRUNC, %llu SNAP\n",
                     (unsigned long long)seen.commits, (unsigned long long)seen.epochs, (unsigned long long)seen.diffs,
                     (unsigned long long)seen.truncs, (unsigned long long)seen.snaps);
        /* A simulator that got weaker must be noticed. */
        assert_true(seen.commits > seeds);
        assert_true(seen.truncs > seeds / 20);
        assert_true(seen.snaps > seeds / 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_lost_or_forked_under_an_adversary),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
