/* The machine's clock, as baton reads it (CLOCK_BOOTTIME): an offset, and a rate that may change at any instant within
 * what clock_rate_bound allows. While the machine sleeps it goes on; while a hypervisor holds the machine it stands.
 *
 * The agent's client has the same clock: offset and rate are copied to it (scene.h counts alike). The server beside it
 * has a clock of the same rate and the same rests (world.h). */
#include "tests/sim/fleet/fleet_internal.h"

#include <inttypes.h>

static uint64_t shown(const struct fleet_node *n)
{
        int64_t now = (int64_t)fleet_now(n->f);
        return (uint64_t)(n->offset_ms + now + now * n->rate_ppm / 1000000);
}

uint64_t fleet_node_now(const struct fleet_node *n)
{
        return n->vm_paused ? n->sleep_from_ms : shown(n);
}

uint64_t fleet_node_mono(const struct fleet_node *n)
{
        return (n->asleep ? n->sleep_from_ms : fleet_node_now(n)) - n->slept_ms;
}

static void tell_client(struct fleet_node *n)
{
        if (!n->agent)
                return;
        n->agent->offset_ms = n->offset_ms;
        n->agent->rate_ppm = n->rate_ppm;
}

void fleet_set_rate(struct fleet *f, int number, int32_t rate_ppm)
{
        struct fleet_node *n = fleet_node(f, number);
        uint64_t before = shown(n);
        n->rate_ppm = rate_ppm;
        n->offset_ms += (int64_t)before - (int64_t)shown(n);
        tell_client(n);
        world_set_rate(f->s->w, number, rate_ppm);
        fleet_say(f, "node %d: its clock goes %" PRId32 " ppm wrong", number, rate_ppm);
}

/* ---- machines that stand still ---- */

/* Server and agent; everything else is not given its turns. */
static void hold(struct fleet_node *n)
{
        enum world_pause how = n->vm_paused    ? WORLD_PAUSE_VM
                               : n->asleep     ? WORLD_PAUSE_SUSPEND
                               : n->all_stands ? WORLD_PAUSE_PROCESS
                                               : WORLD_PAUSE_NONE;
        world_pause(n->f->s->w, n->number, how);
        if (n->agent)
                n->agent->stopped = how != WORLD_PAUSE_NONE || n->paused;
}

/* What comes next of this worker is not covered (docs/failover.md). */
static void uncover(struct fleet_worker *w)
{
        uint64_t until = fleet_now(w->node->f) + 2 * w->record.budget_ms + 4000;
        if (until > w->node->uncovered_ms)
                w->node->uncovered_ms = until;
}

void fleet_suspend(struct fleet *f, int number, bool asleep)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->off || n->vm_paused || n->asleep == asleep)
                return;
        fleet_say(f, "node %d: %s", number, asleep ? "falls asleep" : "wakes");
        if (asleep) {
                n->sleep_from_ms = fleet_node_now(n);
                n->asleep = true;
        } else {
                n->asleep = false;
                n->slept_ms += fleet_node_now(n) - n->sleep_from_ms;
                n->woken_ms = fleet_now(f);
                uint64_t now = fleet_node_now(n);
                FLEET_EACH_WORKER(n, w)
                if (w->resource.occupied && w->recorded && now >= w->record.deadline_ms) {
                        fleet__hit(f, MARK_SLEPT_OVER_LEASE);
                        uncover(w);
                }
        }
        hold(n);
}

void fleet_vm_pause(struct fleet *f, int number, bool paused)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->off || n->asleep || n->vm_paused == paused)
                return;
        fleet_say(f, "node %d: its hypervisor %s it", number, paused ? "stops" : "goes on with");
        if (paused) {
                n->sleep_from_ms = shown(n);
                n->vm_paused = true;
        } else {
                n->offset_ms += (int64_t)n->sleep_from_ms - (int64_t)shown(n);
                n->vm_paused = false;
                FLEET_EACH_WORKER(n, w)
                uncover(w); /* its clock has yet to come to the end of what it had */
                tell_client(n);
        }
        hold(n);
}

void fleet_stand(struct fleet *f, int number, bool stands)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->off || n->all_stands == stands || (stands && n->batond == FLEET_BATOND_GONE))
                return;
        fleet_say(f, "node %d: batond and all its children %s", number, stands ? "stand still" : "go on");
        n->all_stands = stands;
        FLEET_EACH_WORKER(n, w)
        if (stands && w->resource.occupied && !w->resource.foreign && w->recorded &&
            grant_watchdog_left_ms(&w->record, fleet_node_now(n)) == GRANT_WATCHDOG_MIN_MS) {
                fleet__hit(f, MARK_STOOD_TOO_LATE);
                uncover(w);
        }
        hold(n);
}

bool fleet__is_dark(const struct fleet_node *n)
{
        return n->off || n->asleep || n->vm_paused;
}
