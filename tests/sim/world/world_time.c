/* Time in the small world: the servers' clocks, and how it passes. */
#include "tests/sim/world/world_state.h"

#include "election/server/server_internal.h"

#include <assert.h>

#define NS_PER_MS 1000000u
/* Unix time when the world's clock stands at 0. */
#define WALL_EPOCH_MS 1700000000000

/* ---- draws ---- */

uint64_t world__draw(struct world *w, enum world_draw concern)
{
        return prng_next(&w->draws[concern]);
}

uint64_t world_draw(struct world *w)
{
        return world__draw(w, WORLD_DRAW_WORK);
}

/* ---- the servers' clocks ---- */

static bool stands(const struct world_node *n)
{
        return n->pause == WORLD_PAUSE_SUSPEND || n->pause == WORLD_PAUSE_VM;
}

/* What a clock of this machine gains in a millisecond. */
static uint64_t rate_ns(const struct world_node *n)
{
        return (uint64_t)((int64_t)NS_PER_MS + n->rate_ppm);
}

static uint64_t mono_ns(const struct world_node *n)
{
        return n->clock_ns + (stands(n) ? 0 : (n->world->now - n->clock_since_ms) * rate_ns(n));
}

static uint64_t suspended_ns(const struct world_node *n)
{
        uint64_t more = n->pause == WORLD_PAUSE_SUSPEND ? (n->world->now - n->clock_since_ms) * rate_ns(n) : 0;
        return n->suspended_ns + more;
}

/* A new piece begins here. */
static void settle(struct world_node *n)
{
        uint64_t mono = mono_ns(n), suspended = suspended_ns(n);
        if (n->pause == WORLD_PAUSE_VM)
                n->wall_step_ms -= (int64_t)(n->world->now - n->clock_since_ms);
        n->clock_ns = mono;
        n->suspended_ns = suspended;
        n->clock_since_ms = n->world->now;
}

static int64_t wall_ms(const struct world_node *n)
{
        uint64_t now = n->pause == WORLD_PAUSE_VM ? n->clock_since_ms : n->world->now;
        return (int64_t)now + WALL_EPOCH_MS + n->wall_step_ms;
}

struct moment world__moment(const struct world_node *n)
{
        uint64_t ns = mono_ns(n);
        return (struct moment){.mono_ms = ns / NS_PER_MS, .mono_ns = ns, .wall_ms = wall_ms(n)};
}

uint64_t world_clock_ms(const struct world *w, int sid, enum world_clock clock)
{
        const struct world_node *n = &w->nodes[sid];
        switch (clock) {
        case WORLD_CLOCK_MONOTONIC:
                break;
        case WORLD_CLOCK_BOOTTIME:
                return (mono_ns(n) + suspended_ns(n)) / NS_PER_MS;
        case WORLD_CLOCK_WALL:
                return (uint64_t)wall_ms(n);
        }
        return mono_ns(n) / NS_PER_MS;
}

uint64_t world__when(const struct world_node *n, uint64_t mono_ms)
{
        if (mono_ms > UINT64_MAX / NS_PER_MS || stands(n))
                return UINT64_MAX;
        uint64_t ns = mono_ms * NS_PER_MS;
        if (ns <= n->clock_ns)
                return n->clock_since_ms;
        return n->clock_since_ms + (ns - n->clock_ns + rate_ns(n) - 1) / rate_ns(n);
}

void world__set_deadline(struct world_node *n)
{
        n->tick_ms = n->running ? world__when(n, server_deadline(n->server)) : UINT64_MAX;
}

void world_set_rate(struct world *w, int sid, int32_t rate_ppm)
{
        struct world_node *n = &w->nodes[sid];
        assert(rate_ppm > -1000000);
        world__fault(w, "the clock of %d goes %d ppm %s", sid, rate_ppm < 0 ? -rate_ppm : rate_ppm,
                     rate_ppm < 0 ? "slow" : "fast");
        settle(n);
        n->rate_ppm = rate_ppm;
        world__set_deadline(n);
}

void world_set_clock(struct world *w, int sid, int64_t offset_ms, int32_t rate_ppm)
{
        struct world_node *n = &w->nodes[sid];
        int64_t to_ms = (int64_t)w->now + offset_ms;
        world_set_rate(w, sid, rate_ppm);
        uint64_t to_ns = to_ms < 0 ? 0 : (uint64_t)to_ms * NS_PER_MS;
        if (!n->running || to_ns > n->clock_ns)
                n->clock_ns = to_ns;
        world__set_deadline(n);
}

void world_step_wall(struct world *w, int sid, int64_t by_ms)
{
        world__fault(w, "the wall clock of %d is set %lld ms %s", sid, (long long)(by_ms < 0 ? -by_ms : by_ms),
                     by_ms < 0 ? "back" : "on");
        w->nodes[sid].wall_step_ms += by_ms;
}

void world_pause(struct world *w, int sid, enum world_pause how)
{
        static const char *const names[] = {
                [WORLD_PAUSE_NONE] = "goes on",
                [WORLD_PAUSE_PROCESS] = "stands still",
                [WORLD_PAUSE_SUSPEND] = "is suspended",
                [WORLD_PAUSE_VM] = "is paused with its machine",
        };
        struct world_node *n = &w->nodes[sid];
        if (how != n->pause)
                world__fault(w, "%d %s", sid, names[how]);
        settle(n);
        n->pause = how;
        n->frozen = how != WORLD_PAUSE_NONE;
        world__set_deadline(n);
}

void world_freeze(struct world *w, int sid, bool frozen)
{
        world_pause(w, sid, frozen ? WORLD_PAUSE_PROCESS : WORLD_PAUSE_NONE);
}

/* ---- how time passes ---- */

uint64_t world_now(const struct world *w)
{
        return w->now;
}

/* Returns whether it has done anything. */
static bool node_turn(struct world_node *n)
{
        if (!n->running || n->frozen)
                return false;
        bool acted = world__disk_run(n);
        if (n->disk_died)
                world__died(n);
        if (n->running && n->tick_ms <= n->world->now) {
                world__event(n, &(struct event){.type = EVENT_TICK});
                acted = true;
        }
        world__soon(n->world, n->running ? n->tick_ms : UINT64_MAX);
        return acted;
}

/* One millisecond: whatever can happen at this instant, then the clock moves. */
static void step(struct world *w)
{
        for (bool more = true; more && !w->over;) {
                w->next = UINT64_MAX;
                more = world__deliver(w);
                for (int sid = 1; sid <= w->count; sid++)
                        if (node_turn(&w->nodes[sid]))
                                world__soon(w, w->now);
        }
        for (size_t i = 0; i < w->witness_count; i++)
                if (w->witnesses[i].turned)
                        w->witnesses[i].turned(w->witnesses[i].ctx, w);
        w->now++;
        if (w->next < w->now)
                w->next = w->now;
}

/* Somebody wants to see each millisecond. */
static bool watched(const struct world *w)
{
        for (size_t i = 0; i < w->witness_count; i++)
                if (w->witnesses[i].turned && !w->witnesses[i].lazy)
                        return true;
        return false;
}

void world_run(struct world *w, uint64_t ms)
{
        bool each = watched(w);
        for (uint64_t end = w->now + ms; w->now < end;) {
                step(w);
                if (!each && w->next > w->now)
                        w->now = w->next < end ? w->next : end;
        }
}

void world_end(struct world *w)
{
        w->over = true;
}

uint64_t world_next(const struct world *w)
{
        return w->next;
}
