/* A plugin that keeps to its contract (plugins/baton/plugin.h) as narrowly as it may, unless it was told to slip: its
 * callbacks take what the options and the seed say, a stop all the time that it is told.
 *
 * Its resource is what `unit` has: a start once issued goes on without the worker; only a stop that has seen the
 * control group empty says that it is over. With `mortal` it is what `process` has: it ends with the worker. */
#include "tests/sim/fleet/fleet_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What taking up, looking and telling take at most. */
#define QUICK_MS 10
/* What another process takes to stop by force, its making and all that kills the one before it included. */
#define TRY_MS 600
/* What SIGKILL and looking take at most. */
#define KILL_MS 3

static uint64_t took(struct fleet *f, uint32_t ms)
{
        return f->o.random ? fleet__below(f, ms) : ms;
}

/* The plugin is asked by its own rules to be done within what is left. */
static uint64_t stop_due_ms(struct fleet_worker *w, uint64_t now_ms)
{
        struct fleet *f = w->node->f;
        uint64_t until_ms = w->now.call.until_ms;
        uint64_t by_force_ms = now_ms + 1 + fleet__below(f, KILL_MS);
        if (!w->resource.occupied)
                return now_ms + fleet__below(f, KILL_MS);
        /* So little is told where there is no time to be gentle (worker_core.h). */
        if (until_ms <= now_ms + WORKER_STOP_MIN_MS || until_ms <= by_force_ms)
                return by_force_ms;
        uint64_t gently_ms = f->o.stop_ms == UINT32_MAX ? until_ms : now_ms + took(f, f->o.stop_ms);
        if (f->o.random && f->o.stop_ms == UINT32_MAX && fleet__below(f, 3))
                gently_ms = now_ms + fleet__below(f, (uint32_t)(until_ms - now_ms));
        return gently_ms < until_ms ? gently_ms : until_ms;
}

static uint64_t due_ms(struct fleet_worker *w, uint64_t now_ms)
{
        struct fleet *f = w->node->f;
        switch (w->now.call.kind) {
        case CALL_ACTIVATE:
                if (w->resource.occupied && w->resource.token == w->now.call.token && w->now.call.taken_up)
                        return now_ms + fleet__below(f, QUICK_MS);
                return now_ms + took(f, f->o.start_ms);
        case CALL_DEACTIVATE:
                return stop_due_ms(w, now_ms);
        case CALL_OPEN:
        case CALL_CHECK:
                return now_ms + fleet__below(f, QUICK_MS / 2);
        default:
                return now_ms;
        }
}

/* ---- the thread ---- */

bool fleet__may_hang(const struct fleet_worker *w)
{
        const struct grant_record *r = &w->record;
        uint64_t now = fleet_node_now(w->node);
        if (w->node->last_resort == LAST_RESORT_REBOOT || !w->recorded || r->state == WORKER_STOPPED)
                return true;
        return !w->helper && now + r->budget_ms / 2 <= r->deadline_ms + r->budget_ms;
}

static bool may_slip(const struct fleet_worker *w)
{
        return (w->slip_kind != CALL_DEACTIVATE && w->slip_kind != CALL_OPEN) || fleet__may_hang(w);
}

void fleet__plugin_call(struct fleet_worker *w, const struct worker_call *call)
{
        uint64_t now = fleet_node_now(w->node);
        w->now = (struct fleet_callback){.busy = true, .call = *call, .begin_ms = now};
        w->now.call.members = NULL;
        w->now.call.path = NULL;
        w->now.call.data = NULL;
        if (w->slip && w->slip_kind == call->kind && may_slip(w)) {
                w->now.slip = w->slip;
                w->slip = FLEET_SLIP_NONE;
        }
}

void fleet__plugin_cancel(struct fleet_worker *w, bool raised)
{
        w->now.raised = raised;
}

/* ---- what callbacks do ---- */

void fleet__resource_end(struct fleet_worker *w)
{
        if (w->resource.occupied && !w->resource.foreign)
                w->resource.ended_ms = fleet_now(w->node->f);
        w->resource.occupied = w->resource.foreign = false;
}

static void begin_activate(struct fleet_worker *w)
{
        struct fleet_resource *r = &w->resource;
        bool goes_on = r->occupied && !r->foreign && r->token == w->now.call.token && w->now.call.taken_up;
        if (goes_on)
                return;
        w->starts++;
        fleet__see_start(w, w->now.call.token);
        r->since_ms = fleet_now(w->node->f);
        r->token = w->now.call.token;
        r->occupied = r->works = true;
        r->foreign = r->refused = false;
}

static int end_activate(struct fleet_worker *w, bool late)
{
        if (late) {
                fleet__hit(w->node->f, MARK_LATE_START);
                return -ECANCELED; /* what it has begun may go on */
        }
        if (w->failures) {
                w->failures--;
                return -EIO;
        }
        return 0;
}

/* A stop that fails and fails again is promised to be over in time only with a last resort that ends it. */
static bool may_fail(const struct fleet_worker *w)
{
        uint64_t now = fleet_node_now(w->node), end = w->record.deadline_ms + w->record.budget_ms;
        return w->node->last_resort == LAST_RESORT_REBOOT || !w->recorded || now + TRY_MS <= end;
}

static int end_deactivate(struct fleet_worker *w)
{
        struct fleet *f = w->node->f;
        if (w->resource.stuck_ms > fleet_now(f))
                return -EBUSY;
        if (w->stop_fails && may_fail(w)) {
                w->stop_fails--;
                return -EIO;
        }
        fleet__resource_end(w);
        return 0;
}

static void finish(struct fleet_worker *w, bool late)
{
        struct fleet_callback done = w->now;
        struct worker_result result = {.health = HEALTH_GOOD};
        w->now.busy = false;
        switch (done.call.kind) {
        case CALL_ACTIVATE:
                result.status = end_activate(w, late);
                break;
        case CALL_DEACTIVATE:
                result.status = end_deactivate(w);
                break;
        case CALL_CHECK:
                result.status = late ? -ECANCELED : 0;
                if (!w->resource.works || !w->resource.occupied) {
                        result.health = HEALTH_BAD;
                        result.text = "it does not run";
                }
                break;
        default:
                break;
        }
        fleet__mirror(w);
        worker_core_finished(w->core, fleet_node_now(w->node), done.call.id, &result);
        if (done.slip == FLEET_SLIP_TWICE && !w->exiting) {
                fleet__hit(w->node->f, MARK_RESULT_TWICE);
                worker_core_finished(w->core, fleet_node_now(w->node), done.call.id, &result);
        }
}

static void begin(struct fleet_worker *w, uint64_t now_ms)
{
        w->now.begun = true;
        w->now.due_ms = due_ms(w, now_ms);
        if (w->now.call.kind == CALL_ACTIVATE)
                begin_activate(w);
        worker_core_begun(w->core, now_ms, w->now.call.id);
}

bool fleet__plugin_turn(struct fleet_worker *w)
{
        uint64_t now = fleet_node_now(w->node);
        /* Bounded: one callback may lead to another that takes no time. */
        for (int i = 0; i < 8 && w->now.busy && !w->exiting; i++) {
                struct fleet_callback *c = &w->now;
                if (!c->begun) {
                        begin(w, now);
                        continue;
                }
                bool hangs = c->slip == FLEET_SLIP_HANG || c->slip == FLEET_SLIP_DEAF;
                bool asked = c->raised && c->slip != FLEET_SLIP_DEAF;
                bool over = !hangs && now >= c->due_ms;
                if (over && c->slip == FLEET_SLIP_CRASH)
                        return false;
                if (c->call.kind == CALL_DEACTIVATE && hangs)
                        return true; /* it has its own end */
                if (!over && !asked)
                        return true;
                finish(w, !over);
        }
        return true;
}

/* ---- what it sees by itself ---- */

bool fleet__plugin_sees(const struct fleet_worker *w)
{
        const struct fleet_resource *r = &w->resource;
        if (w->now.busy || w->helper || w->exiting)
                return false;
        return (r->foreign && w->state == WORKER_STOPPED) || (w->state == WORKER_ACTIVE && !(r->occupied && r->works));
}

void fleet__plugin_watch(struct fleet_worker *w)
{
        if (w->resource.foreign) {
                fleet__hit(w->node->f, MARK_FOREIGN_STOPPED);
                fleet_say(w->node->f, "node %d %s: was started by hand, and is stopped", w->node->number,
                          w->section.name.text);
                fleet__resource_end(w);
        } else {
                worker_core_report(w->core, fleet_node_now(w->node), HEALTH_BAD, "it has ended");
        }
}

/* ---- an operator ---- */

void fleet_operator_start(struct fleet *f, int number, size_t group, size_t worker)
{
        struct fleet_worker *w = &fleet_node(f, number)->groups[group].workers[worker];
        if (fleet__is_dark(w->node) || w->resource.occupied)
                return;
        fleet_say(f, "node %d %s: an operator starts its resource", number, w->section.name.text);
        w->resource = (struct fleet_resource){.occupied = true,
                                              .foreign = true,
                                              .works = true,
                                              .since_ms = fleet_now(f),
                                              .ended_ms = w->resource.ended_ms};
}

void fleet_operator_stop(struct fleet *f, int number, size_t group, size_t worker)
{
        struct fleet_worker *w = &fleet_node(f, number)->groups[group].workers[worker];
        if (fleet__is_dark(w->node) || !w->resource.occupied)
                return;
        fleet_say(f, "node %d %s: an operator ends its resource", number, w->section.name.text);
        w->resource.works = false;
        if (w->now.busy && w->now.call.kind == CALL_ACTIVATE)
                return; /* its start goes on */
        fleet__resource_end(w);
        fleet__mirror(w);
}
