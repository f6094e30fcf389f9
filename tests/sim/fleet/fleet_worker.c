/* A worker's process: the production core (daemon/worker/worker_core.h) with the shell that daemon/worker/worker.c is
 * in life. Every event goes into the core with the machine's present time. The grant record is the production's, in a
 * file of memory that survives the process. */
#include "tests/sim/fleet/fleet_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What its timer counts. */
static uint64_t timer_ms(const struct fleet_worker *w)
{
        return PLANTED(M18_HOLDER_COUNTS_AWAKE) ? fleet_node_mono(w->node) : fleet_node_now(w->node);
}

static void say(const struct fleet_worker *w, const char *text)
{
        fleet_say(w->node->f, "node %d %s: %s", w->node->number, w->section.name.text, text);
}

/* ---- what the core wants ---- */

static void on_call(void *ctx, const struct worker_call *call)
{
        fleet__plugin_call(ctx, call);
}

static void on_tell_agent(void *ctx, const struct message *m)
{
        fleet__post(ctx, true, m);
}

static void on_tell_supervisor(void *ctx, const struct message *m)
{
        struct fleet_worker *w = ctx;
        char line[MESSAGE_TEXT_MAX + 1];
        if (m->type == MESSAGE_READY)
                fleet__kid_ready(w);
        if (m->type != MESSAGE_STATUS)
                return; /* HOLDING: the supervisor reads the record itself */
        (void)snprintf(line, sizeof line, "%.*s", m->text.len, (const char *)m->text.data);
        say(w, line);
}

static int on_record(void *ctx, const struct grant_record *r)
{
        struct fleet_worker *w = ctx;
        if (w->record_full) {
                fleet__hit(w->node->f, MARK_RECORD_FULL);
                return -ENOSPC;
        }
        w->record = *r;
        w->recorded = true;
        return 0;
}

static void on_cancel(void *ctx, bool raised)
{
        fleet__plugin_cancel(ctx, raised);
}

static void on_end(void *ctx, enum worker_exit status)
{
        struct fleet_worker *w = ctx;
        w->exiting = true;
        w->status = status;
}

static void on_say(void *ctx, enum log_level level, const char *text)
{
        (void)level;
        say(ctx, text);
}

static void on_run_out(void *ctx, int64_t token)
{
        struct fleet_worker *w = ctx;
        (void)token;
        fleet__hit(w->node->f, MARK_STOP_AT_DEADLINE);
        say(w, "the grant was not renewed in time: stopping");
}

static const struct worker_io io = {
        .call = on_call,
        .tell_agent = on_tell_agent,
        .tell_supervisor = on_tell_supervisor,
        .record = on_record,
        .cancel = on_cancel,
        .end = on_end,
        .say = on_say,
        .run_out = on_run_out,
};

/* ---- its life ---- */

void fleet__mirror(struct fleet_worker *w)
{
        w->state = w->core ? worker_core_state(w->core) : WORKER_OPENING;
        w->token = w->core ? worker_core_token(w->core) : 0;
        w->held = w->token != 0;
        if (w->held) {
                w->deadline_ms = worker_core_deadline_ms(w->core);
                w->budget_ms = w->section.stop_budget_ms;
        }
        w->running = w->resource.occupied && !w->resource.foreign;
}

void fleet__worker_begin(struct fleet_worker *w, uint64_t helper_ms)
{
        struct fleet_node *n = w->node;
        struct worker_io mine = io;
        char boot[37];
        uint64_t now = fleet_node_now(n);
        assert(!w->core);
        if (w->plugin < n->config.plugin_count)
                w->section = n->plugins[w->plugin]; /* else it is removed: as the last one was configured */
        w->helper = helper_ms > 0;
        w->exiting = w->stands = false;
        w->now = (struct fleet_callback){.busy = false};
        if (w->helper) {
                w->section.stop_budget_ms = (uint32_t)helper_ms;
                w->section.check_interval_ms = 0;
        }
        mine.ctx = w;
        (void)snprintf(boot, sizeof boot, "%08d-0000-4000-8000-%012d", n->number, n->boot);
        w->core = worker_core_new(&w->section, boot, true, &mine);
        worker_core_start(w->core, now, w->recorded ? &w->record : NULL);
        if (w->helper)
                worker_core_stop(w->core, now, STOP_RELEASE);
        fleet__link(w);
        fleet__mirror(w);
}

void fleet__worker_end(struct fleet_worker *w, const char *how)
{
        if (!w->core)
                return;
        say(w, how);
        fleet__unlink(w, false);
        worker_core_free(w->core);
        w->core = NULL;
        w->exiting = w->stands = false;
        w->now.busy = false;
        if (w->node->f->o.mortal && !w->helper && w->resource.occupied && !w->resource.foreign)
                fleet__resource_end(w);
        fleet__mirror(w);
}

static void hear(struct fleet_worker *w)
{
        enum fleet_letter_kind kind;
        struct message m;
        while (w->core && !w->exiting && fleet__fetch(w, false, &kind, &m)) {
                uint64_t now = fleet_node_now(w->node);
                if (kind == FLEET_LETTER_MESSAGE)
                        (void)worker_core_agent(w->core, now, &m); /* the agent is the production's too */
                else
                        worker_core_link(w->core, now, kind == FLEET_LETTER_UP);
        }
}

void fleet__worker_turn(struct fleet_worker *w)
{
        uint64_t now = timer_ms(w);
        bool waits = fleet__waits(w, false);
        bool due = w->core && worker_core_next_ms(w->core) <= now;
        if (!w->core || w->stands || (!waits && !due && !w->now.busy && !w->exiting && !fleet__plugin_sees(w)))
                return;
        if (!w->exiting && w->now.busy && !fleet__plugin_turn(w)) {
                w->status = WORKER_EXIT_HUNG; /* anything but a clean end */
                fleet__worker_end(w, "has crashed in its plugin");
                fleet__kid_exited(w);
                return;
        }
        if (fleet__plugin_sees(w))
                fleet__plugin_watch(w);
        if (waits && !w->exiting)
                hear(w);
        if (!w->exiting && worker_core_next_ms(w->core) <= timer_ms(w))
                worker_core_tick(w->core, fleet_node_now(w->node));
        if (w->exiting) {
                char how[32];
                (void)snprintf(how, sizeof how, "ends with status %d", (int)w->status);
                fleet__worker_end(w, how);
                fleet__kid_exited(w);
                return;
        }
        worker_core_verify(w->core);
        fleet__mirror(w);
}
