/* batond and what stands above it. What it decides is the production's: a child's life (children.h) and the deadline of
 * a grant (grants.h); pings, the guard and systemd's watchdog are done here as daemon/supervisor/kid.c, guard.c and
 * notify.c do them, for those are bound to processes. PID 1 itself does not fail. */
#include "tests/sim/fleet/fleet_internal.h"

#include "daemon/supervisor/guard.h"
#include "daemon/supervisor/plan.h"

#include <assert.h>
#include <string.h>

/* units/batond.service.in */
#define UNIT_WATCHDOG_MS 5000
#define UNIT_RESTART_MS  100
/* Making a process and its first instructions, at most. */
#define SPAWN_MS 20
/* The guard's, after the end of batond. */
#define GUARD_SPAWN_MS (3 * SPAWN_MS)
/* From the end of batond to the end of what the guard stops by force: its own making, its helper's open, a kill
 * (fleet_plugin.c); by a clock that is a tenth fast. In life the first alone takes longer (GRANT_REVIVE_MS). */
#define GUARD_STOP_MS 80
/* A boot after the last resort. */
#define REBOOT_MS 4000

/* ---- the record ---- */

static bool is_dirty(const struct fleet_worker *w)
{
        return w->recorded && grant_may_run(&w->record, w->record.boot_id);
}

static void read_grant(struct fleet_worker *w)
{
        const struct grant_record *seen = &w->watch.record, *r = &w->record;
        if (!w->recorded) {
                if (w->watch.known)
                        grant_watch_told(&w->watch, NULL);
        } else if (!w->watch.known || seen->state != r->state || seen->token != r->token ||
                   seen->deadline_ms != r->deadline_ms || seen->budget_ms != r->budget_ms) {
                grant_watch_told(&w->watch, r);
        }
}

/* ---- a worker as a child ---- */

static void make_process(struct fleet_worker *w, bool helper)
{
        struct fleet *f = w->node->f;
        if (w->core) { /* the guard's helper has the record */
                assert(w->guarded);
                fleet__kid_event(w, CHILD_SPAWN_BUSY, STOP_KEEP);
                return;
        }
        w->spawn_ms = fleet_now(f) + 1 + fleet__below(f, SPAWN_MS);
        w->spawn_helper = helper;
        w->missed = 0;
        if (!helper) {
                read_grant(w);
                grant_watch_fresh(&w->watch, fleet_node_now(w->node));
        }
        fleet__kid_event(w, CHILD_SPAWNED, STOP_KEEP);
}

static void carry_out(struct fleet_worker *w, const struct child_effects *e)
{
        if (e->kill) {
                w->spawn_ms = 0;
                fleet__worker_end(w, "is killed by the supervisor");
                w->kill_told = true; /* the supervisor sees its end in its next turn */
        }
        if (e->stop && w->core && !w->exiting && !w->stands)
                worker_core_stop(w->core, fleet_node_now(w->node), e->how);
        if (e->stop && w->spawn_ms) { /* it reads that first, and has nothing to keep */
                w->spawn_ms = 0;
                w->kill_told = true;
        }
        if (e->left)
                fleet_say(w->node->f, "node %d %s: its resource may be left running", w->node->number,
                          w->section.name.text);
        if (e->spawn || e->ensure)
                make_process(w, e->ensure);
}

void fleet__kid_event(struct fleet_worker *w, enum child_event event, enum stop_how how)
{
        struct child_input in = {.event = event, .how = how, .dirty = is_dirty(w), .now_ms = fleet_node_now(w->node)};
        struct child_effects e = child_step(&w->child, &in);
        carry_out(w, &e);
}

void fleet__kid_ready(struct fleet_worker *w)
{
        if (!w->helper && w->child.state == CHILD_STARTING)
                fleet__kid_event(w, CHILD_READY, STOP_KEEP);
}

void fleet__kid_exited(struct fleet_worker *w)
{
        if (w->helper && w->status == WORKER_EXIT_CLEAN && w->recorded && !w->record_full)
                w->record.state = WORKER_STOPPED; /* as runtime_record_stopped() */
        w->helper = false;
        if (w->guarded) {
                w->guarded = false;
                if (w->status == WORKER_EXIT_CLEAN)
                        w->resort_ms = UINT64_MAX;
                w->guard_retry_ms = fleet_node_now(w->node) + GUARD_RETRY_MS;
                return;
        }
        if (w->node->batond != FLEET_BATOND_GONE)
                fleet__kid_event(w, is_dirty(w) ? CHILD_EXITED_DIRTY : CHILD_EXITED, STOP_KEEP);
}

static void take_last_resort(struct fleet_worker *w)
{
        struct fleet_node *n = w->node;
        struct fleet *f = n->f;
        fleet__hit(f, MARK_LAST_RESORT);
        fleet_say(f, "node %d %s: not stopped in its budget: the last resort", n->number, w->section.name.text);
        if (n->last_resort != LAST_RESORT_REBOOT)
                return;
        fleet_machine_off(f, n->number);
        n->reboot_ms = fleet_now(f) + REBOOT_MS;
}

/* Returns false when the machine is off. */
static bool judge(struct fleet_worker *w, uint64_t now_ms)
{
        if (w->kill_told) {
                w->kill_told = false;
                w->status = WORKER_EXIT_HUNG;
                fleet__kid_exited(w);
        }
        if (w->spawn_ms && fleet_now(w->node->f) >= w->spawn_ms) {
                w->spawn_ms = 0;
                fleet__worker_begin(w, w->spawn_helper ? w->child.limits.ensure_ms : 0);
        }
        read_grant(w);
        if (now_ms >= w->child.timer_ms)
                fleet__kid_event(w, CHILD_TIMER, STOP_KEEP);
        if (now_ms < grant_watch_next_ms(&w->watch))
                return true;
        switch (grant_watch_step(&w->watch, now_ms)) {
        case GRANT_OVERDUE:
                fleet__hit(w->node->f, MARK_OVERDUE);
                fleet__kid_event(w, CHILD_OVERDUE, STOP_KEEP);
                break;
        case GRANT_LAST_RESORT:
                take_last_resort(w);
                break;
        default:
                break;
        }
        return !w->node->off;
}

/* ---- the agent as a child ---- */

void fleet__agent_event(struct fleet_node *n, enum child_event event, enum stop_how how)
{
        struct fleet *f = n->f;
        struct child_input in = {.event = event, .how = how, .now_ms = fleet_node_now(n)};
        struct child_effects e = child_step(&n->agent_child, &in);
        if (e.kill) {
                bool was = n->agent || n->agent_spawn_ms;
                fleet__agent_end(n, "is killed by the supervisor");
                n->agent_spawn_ms = 0;
                if (was)
                        n->agent_kill_told = true;
        }
        if (e.stop && n->brain && !n->paused)
                agent_stop(n->brain, e.how);
        if (e.stop && n->agent_spawn_ms) {
                n->agent_spawn_ms = 0;
                n->agent_kill_told = true;
        }
        if (e.spawn) {
                n->agent_spawn_ms = fleet_now(f) + 1 + fleet__below(f, SPAWN_MS);
                n->agent_missed = 0;
                fleet__agent_event(n, CHILD_SPAWNED, STOP_KEEP);
        }
}

void fleet__agent_exited(struct fleet_node *n)
{
        if (n->batond != FLEET_BATOND_GONE && child_has_process(&n->agent_child))
                fleet__agent_event(n, CHILD_EXITED, STOP_KEEP);
}

static void judge_agent(struct fleet_node *n, uint64_t now_ms)
{
        if (n->agent_kill_told) {
                n->agent_kill_told = false;
                fleet__agent_exited(n);
        }
        if (n->agent_spawn_ms && fleet_now(n->f) >= n->agent_spawn_ms) {
                n->agent_spawn_ms = 0;
                fleet__agent_begin(n, true);
        }
        if (now_ms >= n->agent_child.timer_ms)
                fleet__agent_event(n, CHILD_TIMER, STOP_KEEP);
}

/* ---- pings and the watchdog ---- */

static uint32_t missed_limit(const struct fleet_worker *w)
{
        return grant_watch_next_ms(&w->watch) != UINT64_MAX ? PLAN_HOLDING_MISSED_MAX : PLAN_WORKER_MISSED_MAX;
}

static uint32_t agent_missed_limit(const struct fleet_node *n)
{
        uint32_t missed = n->lease_ms / 8 * 3 / PLAN_PING_MS;
        return missed > PLAN_AGENT_MISSED_MIN ? missed : PLAN_AGENT_MISSED_MIN;
}

static bool ping_worker(struct fleet_worker *w)
{
        bool asked = w->child.state == CHILD_STARTING || w->child.state == CHILD_RUNNING;
        if (!asked || !w->core || w->helper)
                return w->child.state != CHILD_KILLED;
        w->missed = w->stands ? w->missed + 1 : 0;
        if (w->missed < missed_limit(w))
                return true;
        fleet__hit(w->node->f, MARK_CHILD_HUNG);
        fleet__kid_event(w, CHILD_HUNG, STOP_KEEP);
        return false;
}

static bool ping_agent(struct fleet_node *n)
{
        bool asked = n->agent_child.state == CHILD_STARTING || n->agent_child.state == CHILD_RUNNING;
        if (!asked || !n->agent || !n->f->o.supervised)
                return n->agent_child.state != CHILD_KILLED;
        n->agent_missed = n->paused ? n->agent_missed + 1 : 0;
        if (n->agent_missed < agent_missed_limit(n))
                return true;
        fleet__hit(n->f, MARK_CHILD_HUNG);
        fleet__agent_event(n, CHILD_HUNG, STOP_KEEP);
        return false;
}

static void ping(struct fleet_node *n)
{
        uint64_t mono = fleet_node_mono(n);
        bool well = true;
        if (mono < n->ping_ms)
                return;
        n->ping_ms = mono + PLAN_PING_MS;
        FLEET_EACH_WORKER(n, w)
        well = ping_worker(w) && well;
        well = ping_agent(n) && well;
        if (well && mono >= n->fed_ms + n->fed_limit_ms / 4)
                n->fed_ms = mono;
}

/* As kid_watchdog_ms() and notify_watchdog_limit(). */
static void tell_watchdog(struct fleet_node *n)
{
        uint64_t limit_ms = UNIT_WATCHDOG_MS;
        FLEET_EACH_WORKER(n, w)
        {
                const struct grant_record *r = &w->watch.record;
                if (!w->watch.known || !grant_may_run(r, r->boot_id))
                        continue;
                uint64_t ms = grant_watchdog_ms(r->lease_ms > 0 ? r->lease_ms : n->lease_ms, r->budget_ms,
                                                n->config.clock_rate_ppm);
                uint64_t left = grant_watchdog_left_ms(r, fleet_node_now(n));
                ms = left < ms ? left : ms;
                limit_ms = ms < limit_ms ? ms : limit_ms;
        }
        if (limit_ms == n->fed_limit_ms)
                return;
        n->fed_limit_ms = limit_ms;
        n->fed_ms = fleet_node_mono(n); /* systemd begins to count anew with WATCHDOG_USEC= */
}

/* ---- batond's own life ---- */

void fleet__set_limits(struct fleet_node *n)
{
        uint32_t budget_ms = n->stop_budget_ms > 0 ? n->stop_budget_ms : PLAN_BUDGET_MS;
        FLEET_EACH_WORKER(n, w)
        w->child.limits = (struct child_limits){.release_ms = budget_ms + PLAN_WORKER_EXTRA_MS,
                                                .keep_ms = PLAN_KEEP_MS,
                                                .ensure_ms = budget_ms + PLAN_WORKER_EXTRA_MS};
        n->agent_child.limits =
                (struct child_limits){.release_ms = budget_ms + PLAN_RELEASE_MS, .keep_ms = PLAN_KEEP_MS};
}

void fleet__batond_init(struct fleet_node *n)
{
        struct fleet *f = n->f;
        uint64_t now = fleet_node_now(n);
        struct child_limits none = {.keep_ms = 0};
        n->batond = FLEET_BATOND_RUNS;
        n->batond_ms = 0;
        n->fed_ms = n->ping_ms = fleet_node_mono(n);
        n->fed_limit_ms = UNIT_WATCHDOG_MS;
        child_init(&n->agent_child, &none, now);
        fleet__configure(n);
        for (size_t g = 0; g < f->o.groups; g++)
                for (size_t k = 0; k < f->o.workers; k++) {
                        struct fleet_worker *w = &n->groups[g].workers[k];
                        child_init(&w->child, &none, now);
                        grant_watch_told(&w->watch, NULL);
                        w->removed = !n->groups[g].configured;
                }
        fleet__set_limits(n);
        fleet__agent_event(n, CHILD_START, STOP_KEEP);
        FLEET_EACH_WORKER(n, w)
        {
                if (!w->removed || is_dirty(w))
                        fleet__kid_event(w, CHILD_START, STOP_KEEP);
                if (w->removed && is_dirty(w)) /* left by an earlier configuration */
                        fleet__kid_event(w, CHILD_STOP, STOP_RELEASE);
        }
}

void fleet__batond_gone(struct fleet_node *n)
{
        bool held = false;
        n->batond = FLEET_BATOND_GONE;
        n->all_stands = false;
        fleet__agent_end(n, "ends with batond");
        n->agent_spawn_ms = 0;
        n->agent_kill_told = false;
        FLEET_EACH_WORKER(n, w)
        {
                w->spawn_ms = 0;
                w->kill_told = false;
                if (!n->guard) {
                        w->guard_tried = false;
                        w->resort_ms = UINT64_MAX;
                }
                if (!w->guarded) {
                        fleet__worker_end(w, "ends with batond");
                        w->helper = false;
                }
                held = held || is_dirty(w);
        }
        if (held && !n->guard) {
                n->guard = true;
                n->guard_ms = fleet_now(n->f) + 1 + fleet__below(n->f, GUARD_SPAWN_MS);
        }
}

bool fleet__guard_has_time(const struct fleet_node *n)
{
        for (size_t g = 0; g < n->f->o.groups; g++)
                for (size_t k = 0; k < n->f->o.workers; k++) {
                        const struct fleet_worker *w = &n->groups[g].workers[k];
                        if (w->recorded && w->resource.occupied && !w->resource.foreign &&
                            fleet_node_now(n) + GUARD_STOP_MS > w->record.deadline_ms + w->record.budget_ms)
                                return false;
                }
        return true;
}

void fleet_batond_kill(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (fleet__is_dark(n) || n->batond == FLEET_BATOND_GONE)
                return;
        fleet_say(f, "node %d: batond is killed", number);
        if (n->all_stands && world_running(f->s->w, number))
                world_freeze(f->s->w, number, false);
        if (world_running(f->s->w, number))
                world_kill(f->s->w, number);
        fleet__batond_gone(n);
        n->batond_ms = fleet_now(f) + UNIT_RESTART_MS + fleet__below(f, 3 * SPAWN_MS);
}

void fleet_batond_stop(struct fleet *f, int number, enum stop_how how)
{
        struct fleet_node *n = fleet_node(f, number);
        if (fleet__is_dark(n) || n->all_stands || n->batond != FLEET_BATOND_RUNS)
                return;
        fleet_say(f, "node %d: batond is told to %s", number, how == STOP_KEEP ? "restart" : "stop");
        n->batond = FLEET_BATOND_ENDS;
        n->how = how;
        n->workers_told = how == STOP_KEEP;
        if (child_has_process(&n->agent_child) || n->agent_child.state == CHILD_RESTING)
                fleet__agent_event(n, CHILD_STOP, how);
        FLEET_EACH_WORKER(n, w)
        if (how == STOP_KEEP)
                fleet__kid_event(w, CHILD_STOP, how);
}

static bool workers_off(struct fleet_node *n)
{
        bool off = true;
        FLEET_EACH_WORKER(n, w)
        off = off && w->child.state == CHILD_OFF;
        return off;
}

/* As advance() of supervisor.c. */
static void advance(struct fleet_node *n)
{
        struct fleet *f = n->f;
        if (n->batond != FLEET_BATOND_ENDS || n->agent_child.state != CHILD_OFF)
                return;
        if (!n->workers_told) {
                n->workers_told = true;
                FLEET_EACH_WORKER(n, w)
                fleet__kid_event(w, CHILD_STOP, n->how);
        }
        if (!workers_off(n))
                return;
        fleet_say(f, "node %d: batond has ended", n->number);
        fleet__batond_gone(n);
        n->batond_ms = n->how == STOP_KEEP ? fleet_now(f) + 1 + fleet__below(f, 10 * SPAWN_MS) : 0;
}

void fleet_batond_start(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (fleet__is_dark(n) || n->batond != FLEET_BATOND_GONE)
                return;
        fleet_say(f, "node %d: batond starts", number);
        if (!world_running(f->s->w, number))
                world_start(f->s->w, number);
        fleet__batond_init(n);
}

/* ---- the guard ---- */

/* As guard.c: at each deadline, where no supervisor is in charge. */
static void guard_turn(struct fleet_node *n)
{
        uint64_t now = fleet_node_now(n);
        bool needed = false;
        if (!n->guard || fleet_now(n->f) < n->guard_ms)
                return;
        FLEET_EACH_WORKER(n, w)
        {
                if (is_dirty(w) && now >= w->resort_ms) {
                        w->resort_ms = UINT64_MAX;
                        take_last_resort(w);
                        if (n->off)
                                return;
                }
                if (w->guarded && now >= w->helper_kill_ms) {
                        fleet__worker_end(w, "is killed by the guard");
                        w->status = WORKER_EXIT_HUNG;
                        fleet__kid_exited(w);
                }
                needed = needed || w->guarded;
                if (w->core || !is_dirty(w) || n->batond != FLEET_BATOND_GONE)
                        continue;
                needed = true;
                if (now < w->record.deadline_ms || now < w->guard_retry_ms)
                        continue;
                uint64_t end = w->record.deadline_ms + w->record.budget_ms;
                uint64_t left = end > now + GUARD_TRY_MIN_MS ? end - now : GUARD_TRY_MIN_MS;
                fleet__hit(n->f, MARK_GUARD);
                fleet_say(n->f, "node %d %s: the guard stops it", n->number, w->section.name.text);
                if (!w->guard_tried)
                        w->resort_ms = now < end ? end : now + GUARD_TRY_MIN_MS;
                w->guarded = w->guard_tried = true;
                w->helper_kill_ms = now + left + GUARD_TRY_MIN_MS;
                fleet__worker_begin(w, left);
        }
        n->guard = needed;
}

/* ---- turns ---- */

void fleet__batond_turn(struct fleet_node *n)
{
        struct fleet *f = n->f;
        uint64_t now = fleet_node_now(n);
        if (n->reboot_ms && n->off && fleet_now(f) >= n->reboot_ms)
                fleet_machine_on(f, n->number);
        if (fleet__is_dark(n))
                return;
        guard_turn(n);
        if (n->batond == FLEET_BATOND_GONE) {
                if ((n->batond_ms && fleet_now(f) >= n->batond_ms) || n->mends || f->mended)
                        fleet_batond_start(f, n->number);
                return;
        }
        if (fleet_node_mono(n) > n->fed_ms + n->fed_limit_ms) {
                fleet__hit(f, MARK_WATCHDOG);
                fleet_say(f, "node %d: systemd's watchdog: nobody has fed it", n->number);
                fleet_batond_kill(f, n->number);
                return;
        }
        if (n->all_stands)
                return;
        FLEET_EACH_WORKER(n, w)
        if (!judge(w, now))
                return;
        if (f->o.supervised || n->agent_spawn_ms || n->agent_kill_told)
                judge_agent(n, now);
        fleet__reload_turn(n);
        advance(n);
        ping(n);
        tell_watchdog(n);
}
