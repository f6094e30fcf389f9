#include "tests/sim/swarm.h"

#include <inttypes.h>
#include <string.h>

/* One stream for each concern: what is added to one does not change what the others draw. */
enum concern {
        CONCERN_ENSEMBLE,
        CONCERN_NET,
        CONCERN_FAULTS,
        CONCERN_RECOVERY,
        CONCERN_FLEET,
        CONCERN_THEME,
        CONCERN_SWEEPS,
        CONCERN_READ_ONLY,
        CONCERN_HASTE,
};

static struct prng stream(uint64_t seed, enum concern concern)
{
        return (struct prng){.state = hash_u64(hash_u64(seed) + (uint64_t)concern)};
}

static uint64_t draw(struct prng *p, uint64_t below)
{
        return prng_next(p) % below;
}

#define ONE_OF(p, list) ((list)[draw(p, sizeof(list) / sizeof *(list))])

static void draw_ensemble(struct life_plan *p)
{
        static const uint32_t snap_counts[] = {20, 60, 200, 1000}, log_counts[] = {10, 50, 500};
        static const int voters[] = {1, 3, 3, 3, 3, 3, 4, 5, 5, 5}, observers[] = {0, 0, 1, 2};
        static const uint32_t ticks[] = {100, 100, 100, 50, 200}, inits[] = {10, 10, 10, 5}, syncs[] = {5, 5, 5, 3};
        struct prng r = stream(p->seed, CONCERN_ENSEMBLE);
        p->voters = ONE_OF(&r, voters);
        p->observers = ONE_OF(&r, observers);
        p->snap_count = ONE_OF(&r, snap_counts);
        p->commit_log_count = ONE_OF(&r, log_counts);
        p->tick_ms = ONE_OF(&r, ticks);
        p->init_limit = ONE_OF(&r, inits);
        p->sync_limit = ONE_OF(&r, syncs);
}

static void draw_net(struct life_plan *p)
{
        static const uint32_t delays[] = {0, 1, 4, 15, 50};
        struct prng r = stream(p->seed, CONCERN_NET);
        p->net_delay_ms = ONE_OF(&r, delays);
        p->net_bytes_per_ms = draw(&r, 2) ? 0 : 4000;
}

static void draw_sweeps(struct life_plan *p)
{
        static const uint32_t intervals[] = {10, 50, 300}, rates[] = {600, 6000, 60000};
        struct prng r = stream(p->seed, CONCERN_SWEEPS);
        p->sweep_interval_ms = ONE_OF(&r, intervals);
        p->sweeps_per_minute = ONE_OF(&r, rates);
}

/* Some leave a leader sooner than the net carries its pings: that, too, must come to an end. */
static void draw_haste(struct life_plan *p)
{
        static const uint32_t heartbeats[] = {0, 10, 20, 40}, timeouts[] = {0, 60, 120, 300},
                              steps[] = {0, 0, 300, 3000};
        struct prng r = stream(p->seed, CONCERN_HASTE);
        p->heartbeat_ms = ONE_OF(&r, heartbeats);
        p->election_timeout_ms = ONE_OF(&r, timeouts);
        p->step_bytes_max = ONE_OF(&r, steps);
}

static void draw_faults(struct life_plan *p)
{
        static const uint64_t pauses[] = {60, 200, 500, 1000};
        struct prng r = stream(p->seed, CONCERN_FAULTS);
        struct fault_plan *f = &p->faults;
        f->pause_ms = ONE_OF(&r, pauses);
        f->most = UINT32_MAX;
        for (int i = 0; i < FAULT_FLEET; i++)
                f->weights[i] = draw(&r, 3) ? 0 : 1 + (uint32_t)draw(&r, 10);
        f->weights[draw(&r, FAULT_FLEET)] += 3; /* at least one */
        /* What keeps everybody from working keeps the others from mattering. */
        f->weights[FAULT_OUTAGE] = f->weights[FAULT_OUTAGE] > 0;
        f->weights[FAULT_RIVALS] = f->weights[FAULT_RIVALS] > 0;
        f->weights[FAULT_DEAF] = f->weights[FAULT_DEAF] > 0;
        /* What tears and forks logs is worth more seeds. */
        f->weights[FAULT_MIDWRITE] += draw(&r, 2) ? 6 : 0;
        f->weights[FAULT_TAIL] += draw(&r, 2) ? 3 : 0;
        f->weights[FAULT_PAUSE] += draw(&r, 3) ? 0 : 3;
        f->weights[FAULT_COMEBACK] += draw(&r, 3) ? 0 : 3;
        p->faulty_ms = 1500 + draw(&r, draw(&r, 3) ? 5000 : 20000);
}

/* Tails that are cut, on disks that keep little, by servers that die of it. */
static void theme_tails(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights;
        (void)r;
        p->snap_count = 20;
        p->commit_log_count = 10;
        p->faults.pause_ms = 200;
        w[FAULT_TAIL] += 12;
        w[FAULT_MIDWRITE] += 8;
        w[FAULT_IN_SYNC] += 4;
        w[FAULT_IN_WORK] += 6;
        w[FAULT_SNAPSHOT] += 3;
}

/* Candidates that don't know of each other. */
static void theme_split(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights;
        p->commit_log_count = 1 + (uint32_t)draw(r, 6); /* it may begin with an epoch, of which there are many */
        p->snap_count = 200;
        p->faults.pause_ms = 200;
        w[FAULT_ALL_DOWN] += 5;
        w[FAULT_SPLIT] += 10;
        w[FAULT_BLACKHOLE] += 8;
        w[FAULT_LATE] += 6;
        w[FAULT_KILL] += 3;
        w[FAULT_LOST_DISK] += 2;
}

/* Candidates that don't know of each other's epochs. */
static void theme_rivals(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights;
        p->commit_log_count = 1 + (uint32_t)draw(r, 6);
        p->snap_count = 200;
        p->init_limit = 5; /* they give up soon, and try again */
        p->faults.pause_ms = 800;
        w[FAULT_RIVALS] += 20;
        w[FAULT_LOST_DISK] += 4;
        w[FAULT_KILL] += 3;
}

/* Leaders that go on although there is another, and are asked. */
static void theme_deposed(struct life_plan *p, struct prng *r)
{
        static const uint32_t syncs[] = {5, 10, 20};
        uint32_t *w = p->faults.weights;
        p->sync_limit = ONE_OF(r, syncs);
        p->faults.pause_ms = 500;
        p->load_bent = LOAD_SYNCS;
        w[FAULT_DEAF] += 20;
        w[FAULT_PAUSE] += 8;
        w[FAULT_CLOCK_RATE] += 3;
}

/* Disks that hang and fail, under leaders too. */
static void theme_disks(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights;
        (void)r;
        w[FAULT_HANGING_DISK] += 8;
        w[FAULT_BAD_DISK] += 6;
        w[FAULT_FULL_DISK] += 4;
        w[FAULT_ROT] += 4;
        w[FAULT_LOST_DISK] += 4;
        w[FAULT_COMEBACK] += 6;
}

/* Learners that are sent snapshots while others write. */
static void theme_learners(struct life_plan *p, struct prng *r)
{
        static const uint32_t rates[] = {1500, 3000, 6000};
        uint32_t *w = p->faults.weights;
        p->voters = p->voters < 3 ? 3 : p->voters;
        p->commit_log_count = 10;
        p->net_bytes_per_ms = ONE_OF(r, rates);
        p->load_bent = LOAD_BULK;
        w[FAULT_KILL] += 8;
        w[FAULT_POWER] += 8;
        w[FAULT_CUT] += 6;
        w[FAULT_LOST_DISK] += 4;
        w[FAULT_IN_SYNC] += 4;
        w[FAULT_IN_WORK] += 4;
}

/* Epochs of few transactions, servers that remember few and missed some of them. */
static void theme_epochs(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights;
        p->voters = p->voters < 3 ? 3 : p->voters;
        p->commit_log_count = 1 + (uint32_t)draw(r, 2);
        p->snap_count = 1000;
        p->faults.pause_ms = 200;
        w[FAULT_ALL_DOWN] += 12;
        w[FAULT_KILL] += 8;
        w[FAULT_CUT] += 8;
}

/* Many lives are about one thing: what it takes to get there is in the way of each other often enough. */
static void draw_theme(struct life_plan *p)
{
        static void (*const themes[])(struct life_plan * p, struct prng * r) = {
                theme_tails, theme_tails, theme_split,    theme_rivals,   theme_deposed, theme_deposed,
                theme_disks, theme_disks, theme_learners, theme_learners, theme_epochs,  theme_epochs,
        };
        struct prng r = stream(p->seed, CONCERN_THEME);
        size_t which = draw(&r, 15);
        if (which < sizeof themes / sizeof *themes)
                themes[which](p, &r);
}

static void draw_recovery(struct life_plan *p)
{
        static const enum recovery recoveries[] = {RECOVERY_ALL, RECOVERY_ALL, RECOVERY_CORE, RECOVERY_BOTH};
        struct prng r = stream(p->seed, CONCERN_RECOVERY);
        p->recovery = p->voters > 2 ? ONE_OF(&r, recoveries) : RECOVERY_ALL;
        p->rest = draw(&r, 2) ? HEAL_DEAD : HEAL_CUT;
}

/* Most fleets have more of what belongs together. */
static void draw_fleet_theme(struct life_plan *p, struct prng *r)
{
        uint32_t *w = p->faults.weights, *of = w + FAULT_FLEET;
        uint64_t theme = draw(r, 8);
        for (int i = 0; i < FAULT_FLEET && theme < 6; i++)
                w[i] /= 3; /* a fleet that has servers to talk to */
        switch (theme) {
        case 0: /* processes that end, and callbacks that go wrong */
                of[FLEET_CALLBACK] += 12;
                of[FLEET_WORKER_KILL] += 4;
                of[FLEET_BATOND_KILL] += 10;
                of[FLEET_START_FAILS] += 3;
                of[FLEET_RECORD_FULL] += 3;
                break;
        case 1: /* machines that do nothing for a while, and clocks at their limits */
                of[FLEET_SUSPEND] += 8;
                of[FLEET_NAP] += 8;
                of[FLEET_RATE] += 4;
                break;
        case 2: /* the same without warning, or at the worst moment: of these less is promised */
                of[FLEET_LATE_STAND] += 12;
                of[FLEET_LATE_KILL] += 10;
                of[FLEET_VM_PAUSE] += 6;
                of[FLEET_STAND] += 3;
                break;
        case 3: /* takers who know less than they might */
                of[FLEET_BLIND] += 8;
                of[FLEET_LATE_ANSWER] += 4;
                of[FLEET_DEAF] += 3;
                of[FLEET_ZNODE] += 3;
                break;
        case 4: /* holders who renew when they had been given up */
                p->fleet_options.stop_budget_ms = 200 + (uint32_t)draw(r, 150);
                p->faults.pause_ms = 2500;
                memset(p->faults.weights, 0, sizeof p->faults.weights); /* there have to be holders */
                of[FLEET_DEAF_TAKERS] = 10;
                w[FAULT_OUTAGE] = 5;
                w[FAULT_SLOW_LINK] = 3;
                of[draw(r, FLEET_VM_PAUSE)] += 2;
                break;
        case 5: /* groups that have to move before they have begun */
                p->fleet_options.start_ms = 1500;
                of[FLEET_RELOAD] += 6;
                of[FLEET_ZNODE] += 6;
                of[FLEET_CUT_AGENT] += 6;
                of[FLEET_BATOND_STOP] += 6;
                break;
        default:
                break;
        }
}

/* Leases are longer than elections: all goes more slowly, and fewer things at once. What the machine's own faults do
 * to a server is not done to it by other hands. */
static void draw_fleet(struct life_plan *p)
{
        static const enum fault elsewhere[] = {FAULT_SUSPEND, FAULT_VM_PAUSE, FAULT_CLOCK_RATE, FAULT_BAD_DISK};
        static const uint64_t pauses[] = {400, 1000, 2500};
        struct prng r = stream(p->seed, CONCERN_FLEET);
        struct fault_plan *f = &p->faults;
        p->fleet = draw(&r, 3) == 0;
        if (!p->fleet)
                return;
        p->voters = draw(&r, 4) ? 3 : 5;
        p->observers = 0;
        p->tick_ms = 100;
        p->init_limit = 10;
        p->sync_limit = 5;
        p->net_delay_ms = p->net_delay_ms > 15 ? 15 : p->net_delay_ms;
        p->load_bent = LOAD_AS_DRAWN;
        p->load = draw(&r, 3) == 0;
        if (p->snap_count < 200)
                p->snap_count = 200;
        p->recovery = RECOVERY_ALL;
        p->faulty_ms = 8000 + draw(&r, p->load ? 10000 : 40000);
        p->fleet_options = fleet_draw_options(draw(&r, UINT64_MAX), p->voters);
        f->pause_ms = ONE_OF(&r, pauses);
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
                f->weights[elsewhere[i]] = 0;
        uint64_t part = 1 + draw(&r, 4);
        for (int i = FAULT_FLEET; i < FAULT_MAX; i++)
                f->weights[i] = draw(&r, 8) < part ? 1 + (uint32_t)draw(&r, 10) : 0;
        /* Of a machine held by its hypervisor less is promised. */
        if (draw(&r, 4))
                f->weights[FAULT_FLEET + FLEET_VM_PAUSE] = 0;
        f->weights[FAULT_FLEET + draw(&r, FLEET_VM_PAUSE)]++;
        draw_fleet_theme(p, &r);
}

/* What it takes is that nobody leads, for longer than servers wait for that, while clients are there. */
static void draw_read_only(struct life_plan *p)
{
        struct prng r = stream(p->seed, CONCERN_READ_ONLY);
        uint32_t *w = p->faults.weights;
        p->read_only = draw(&r, 6) == 0;
        if (!p->read_only || p->fleet || draw(&r, 4) == 0)
                return;
        for (int i = 0; i < FAULT_FLEET; i++)
                w[i] /= 3;
        w[FAULT_OUTAGE] += 8;
        w[FAULT_KILL] += 2;
        w[FAULT_POWER] += 1;
        p->faults.pause_ms = 700;
        if (p->faulty_ms < 9000)
                p->faulty_ms = 9000;
}

void life_plan_draw(struct life_plan *p, uint64_t seed)
{
        *p = (struct life_plan){.seed = seed, .load = true};
        draw_ensemble(p);
        draw_net(p);
        draw_sweeps(p);
        draw_haste(p);
        draw_faults(p);
        draw_theme(p);
        draw_recovery(p);
        draw_fleet(p);
        draw_read_only(p);
}

void life_plan_say(const struct life_plan *p, struct trace *t)
{
        trace_line(t, 0, "seed %" PRIu64 ": %d voters, %d observers%s%s", p->seed, p->voters, p->observers,
                   p->load ? ", clients" : "", p->read_only ? ", read-only mode" : "");
        trace_line(t, 0,
                   "tick %" PRIu32 " ms, initLimit %" PRIu32 ", syncLimit %" PRIu32 ", snapCount %" PRIu32
                   ", committed log of %" PRIu32,
                   p->tick_ms, p->init_limit, p->sync_limit, p->snap_count, p->commit_log_count);
        trace_line(t, 0,
                   "pings each %" PRIu32 " ms, left after %" PRIu32 " ms (0: half a tick, syncLimit); %" PRIu32
                   " bytes committed at once (0: as usual)",
                   p->heartbeat_ms, p->election_timeout_ms, p->step_bytes_max);
        trace_line(t, 0, "net: up to %" PRIu32 " ms, %" PRIu32 " bytes per ms (0: all)", p->net_delay_ms,
                   p->net_bytes_per_ms);
        if (p->fleet)
                trace_line(t, 0, "a fleet of %d: %zu groups of %zu workers, policy %d, stop budget %" PRIu32 " ms",
                           p->fleet_options.nodes, p->fleet_options.groups, p->fleet_options.workers,
                           (int)p->fleet_options.policy, p->fleet_options.stop_budget_ms);
        trace_line(t, 0, "faults for %" PRIu64 " ms, one in about %" PRIu64 " ms", p->faulty_ms, p->faults.pause_ms);
        for (int i = 0; i < FAULT_MAX; i++)
                if (p->faults.weights[i])
                        trace_line(t, 0, "  %s: %" PRIu32 "%s", fault_name((enum fault)i), p->faults.weights[i],
                                   p->faults.without[i] ? " (left out)" : "");
}
