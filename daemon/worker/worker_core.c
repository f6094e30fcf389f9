/* See worker_core.h. Each event is entered in the same way: first whatever the clock has decided by now, then the
 * event, then settle(): what runs next, whether a callback is to be cut short, whether the process is at its end. */
#include "daemon/worker/core_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const call_names[] = {
        [CALL_OPEN] = "open",
        [CALL_ACTIVATE] = "activate",
        [CALL_DEACTIVATE] = "deactivate",
        [CALL_CHECK] = "check",
        [CALL_ROLE] = "role_changed",
        [CALL_MEMBERS] = "members_changed",
        [CALL_CONFIG] = "config_changed",
        [CALL_CONFIG_SYNCED] = "config_synced",
        [CALL_CLOSE] = "close",
};
static_assert(sizeof call_names / sizeof *call_names == CALL_KIND_COUNT, "every call has its name");

const char *worker_call_name(enum worker_call_kind kind)
{
        assert((unsigned)kind < CALL_KIND_COUNT);
        return call_names[kind];
}

/* ---- small things ---- */

void core__say(const struct worker_core *c, enum log_level level, const char *format, ...)
{
        char text[LOG_LINE_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        c->io.say(c->io.ctx, level, text);
}

void core__end(struct worker_core *c, enum worker_exit status)
{
        if (c->ended)
                return;
        c->ended = true;
        c->io.end(c->io.ctx, status);
}

static void tell_note(const struct worker_core *c)
{
        struct message m = message_of(MESSAGE_NOTE);
        m.text = jute_cstr(c->note);
        if (c->hello_told && !c->ended)
                c->io.tell_agent(c->io.ctx, &m);
}

static void tell_health(const struct worker_core *c)
{
        struct message m = message_of(MESSAGE_HEALTH);
        if (!c->hello_told)
                return;
        m.health = c->health;
        m.text = jute_cstr(c->why);
        c->io.tell_agent(c->io.ctx, &m);
}

void core__set_health(struct worker_core *c, enum health health, const char *why)
{
        bool changed = c->health != health || strncmp(c->why, why, sizeof c->why - 1) != 0;
        c->health = health;
        (void)snprintf(c->why, sizeof c->why, "%s", why);
        if (changed)
                tell_health(c);
}

/* ---- what runs next ---- */

static uint64_t timeout_of(const struct worker_core *c, const struct worker_call *call, uint64_t now_ms)
{
        uint32_t ms = call->kind == CALL_CHECK ? c->section->check_timeout_ms : c->section->activate_timeout_ms;
        if (call->kind == CALL_DEACTIVATE || ms == 0)
                return UINT64_MAX; /* a stop has its own end */
        return now_ms + ms;
}

static void issue(struct worker_core *c, uint64_t now_ms, struct worker_call call, struct core_item *item)
{
        assert(!c->now.busy && !c->ended);
        call.id = ++c->last_id;
        c->now = (struct core_call){.busy = true, .call = call, .item = item};
        c->now.timeout_ms = timeout_of(c, &call, now_ms);
        c->io.cancel(c->io.ctx, false);
        c->io.call(c->io.ctx, &c->now.call);
}

static void issue_deactivate(struct worker_core *c, uint64_t now_ms)
{
        if (c->stop.half_ms < now_ms + WORKER_BEGIN_MS)
                c->stop.half_ms = now_ms + WORKER_BEGIN_MS;
        issue(c, now_ms,
              (struct worker_call){.kind = CALL_DEACTIVATE,
                                   .reason = c->stop.reason,
                                   .until_ms = c->stop.told_ms,
                                   .token = c->grant.held ? c->grant.token : c->record.token},
              NULL);
}

static void issue_activate(struct worker_core *c, uint64_t now_ms)
{
        if (core__before_activate(c, now_ms))
                issue(c, now_ms,
                      (struct worker_call){.kind = CALL_ACTIVATE,
                                           .token = c->grant.token,
                                           .deadline_ms = c->grant.deadline_ms,
                                           .lease_ms = c->grant.lease_ms,
                                           .budget_ms = c->grant.budget_ms,
                                           .taken_up = c->grant.taken_up},
                      NULL);
}

/* At rest with nothing under way: closes the plugin, or ends. */
static void end_at_rest(struct worker_core *c, uint64_t now_ms)
{
        if (!c->opened || c->closed)
                core__end(c, WORKER_EXIT_CLEAN);
        else
                issue(c, now_ms, (struct worker_call){.kind = CALL_CLOSE}, NULL);
}

/* In order of importance: stop, end, start, look after it, tell. */
static void run_next(struct worker_core *c, uint64_t now_ms)
{
        struct worker_call call;
        struct core_item *item = NULL;
        if (!c->opened)
                return;
        if (c->stop.wanted)
                issue_deactivate(c, now_ms);
        else if (c->budget_refused && c->state == WORKER_STOPPED)
                core__end(c, WORKER_EXIT_CONFIG);
        else if (c->ending == ENDING_KEEP)
                core__end(c, WORKER_EXIT_CLEAN);
        else if (c->ending == ENDING_RELEASE && c->state == WORKER_STOPPED)
                end_at_rest(c, now_ms);
        else if (c->activate_wanted && now_ms >= c->activate_at_ms)
                issue_activate(c, now_ms);
        else if (c->state == WORKER_ACTIVE && now_ms >= c->check_at_ms)
                issue(c, now_ms, (struct worker_call){.kind = CALL_CHECK, .token = c->grant.token}, NULL);
        else if (core__queue_next(&c->queue, &call, &item))
                issue(c, now_ms, call, item);
}

/* A stop has a budget instead; and nothing can be stopped by a plugin whose open was cut short. */
static bool ought_to_return(const struct worker_core *c)
{
        if (!c->now.busy || c->now.call.kind == CALL_DEACTIVATE)
                return false;
        if (c->now.call.kind == CALL_OPEN || c->now.call.kind == CALL_CLOSE)
                return c->now.timed_out;
        return c->stop.wanted || c->now.timed_out || c->ending != ENDING_NO;
}

static void settle(struct worker_core *c, uint64_t now_ms)
{
        /* A try that ends before it was issued leaves another thing to do: bounded, each turn settles one. */
        for (int i = 0; i < 4 && !c->now.busy && !c->ended; i++)
                run_next(c, now_ms);
        if (!c->ended && c->now.busy)
                c->io.cancel(c->io.ctx, ought_to_return(c));
}

/* ---- the clock ---- */

static void expire_call(struct worker_core *c, uint64_t now_ms)
{
        if (!c->now.busy || c->now.timeout_ms == UINT64_MAX || now_ms < c->now.timeout_ms)
                return;
        if (!c->now.timed_out) {
                c->now.timed_out = true;
                core__say(c, LOG_LEVEL_WARNING, "the plugin's %s has not returned in time",
                          call_names[c->now.call.kind]);
        }
        if (now_ms < c->now.timeout_ms + WORKER_CANCEL_GRACE_MS || c->stop.wanted)
                return; /* a stop that waits has its own end */
        core__say(c, LOG_LEVEL_ERROR, "the plugin's %s does not return: the process is begun anew",
                  call_names[c->now.call.kind]);
        core__forsake(c, now_ms);
        core__end(c, c->now.call.kind == CALL_CLOSE ? WORKER_EXIT_CLEAN : WORKER_EXIT_HUNG);
}

static bool enter(struct worker_core *c, uint64_t now_ms)
{
        if (!c->ended)
                core__expire(c, now_ms);
        if (!c->ended)
                expire_call(c, now_ms);
        if (!c->ended && c->ending == ENDING_KEEP && now_ms >= c->keep_until_ms && !c->stop.wanted)
                core__end(c, WORKER_EXIT_CLEAN);
        return !c->ended;
}

void worker_core_tick(struct worker_core *c, uint64_t now_ms)
{
        if (enter(c, now_ms))
                settle(c, now_ms);
}

static void sooner(uint64_t *at_ms, uint64_t than_ms)
{
        if (than_ms < *at_ms)
                *at_ms = than_ms;
}

uint64_t worker_core_next_ms(const struct worker_core *c)
{
        uint64_t at_ms = UINT64_MAX;
        if (c->ended)
                return at_ms;
        if (c->stop.wanted) {
                bool begun = c->now.busy && c->now.begun && c->now.call.kind == CALL_DEACTIVATE;
                sooner(&at_ms, begun ? c->stop.until_ms : c->stop.half_ms);
        } else {
                if (c->grant.held)
                        sooner(&at_ms, c->grant.deadline_ms);
                if (c->ending == ENDING_KEEP)
                        sooner(&at_ms, c->keep_until_ms);
                if (c->now.busy && c->now.timeout_ms != UINT64_MAX)
                        sooner(&at_ms, c->now.timeout_ms + (c->now.timed_out ? WORKER_CANCEL_GRACE_MS : 0));
                if (c->activate_wanted && !c->now.busy)
                        sooner(&at_ms, c->activate_at_ms);
                if (c->state == WORKER_ACTIVE && !c->now.busy)
                        sooner(&at_ms, c->check_at_ms);
        }
        return at_ms;
}

/* ---- life ---- */

struct worker_core *worker_core_new(const struct node_plugin *section, const char *boot_id, bool has_check,
                                    const struct worker_io *io)
{
        struct worker_core *c = mem_zalloc(sizeof *c);
        c->section = section;
        c->io = *io;
        c->has_check = has_check;
        c->check_at_ms = UINT64_MAX;
        c->budget_ms = section->stop_budget_ms;
        (void)snprintf(c->boot_id, sizeof c->boot_id, "%s", boot_id);
        core__queue_init(&c->queue);
        return c;
}

void worker_core_free(struct worker_core *c)
{
        if (!c)
                return;
        core__item_free(c->now.item);
        core__queue_done(&c->queue);
        mem_free(c);
}

void worker_core_start(struct worker_core *c, uint64_t now_ms, const struct grant_record *found)
{
        assert(!c->opened && !c->now.busy);
        core__adopt_record(c, now_ms, found);
        core__tell_holding(c);
        issue(c, now_ms, (struct worker_call){.kind = CALL_OPEN}, NULL);
}

/* ---- the agent ---- */

/* Before the plugin is open nobody knows its budget; the agent hears of the worker then. */
static void tell_hello(struct worker_core *c)
{
        struct message m = message_of(MESSAGE_HELLO);
        if (!c->link_up || !c->opened)
                return;
        c->hello_told = true;
        m.name = c->section->name;
        m.group = c->section->group;
        m.state = c->state;
        m.token = c->grant.held ? c->grant.token : 0;
        m.budget_ms = c->budget_ms;
        c->io.tell_agent(c->io.ctx, &m);
}

/* What the agent cannot know from HELLO. */
static void tell_known(const struct worker_core *c)
{
        if (!c->hello_told)
                return;
        if (c->health != HEALTH_UNKNOWN || c->why[0])
                tell_health(c);
        if (c->note[0])
                tell_note(c);
}

void worker_core_link(struct worker_core *c, uint64_t now_ms, bool up)
{
        if (!enter(c, now_ms))
                return;
        c->link_up = up;
        c->hello_told = false;
        c->generation += up;
        tell_hello(c);
        tell_known(c);
        settle(c, now_ms);
}

int worker_core_agent(struct worker_core *c, uint64_t now_ms, const struct message *m)
{
        int r = 0;
        if (!enter(c, now_ms))
                return 0;
        switch (m->type) {
        case MESSAGE_GRANT:
                core__grant(c, now_ms, m);
                break;
        case MESSAGE_REVOKE:
                core__revoke(c, now_ms, m);
                break;
        case MESSAGE_ROLE:
                c->queue.role_waits = true;
                c->queue.role = m->role;
                break;
        case MESSAGE_MEMBERS:
                core__queue_members(&c->queue, m);
                break;
        case MESSAGE_CONFIG:
        case MESSAGE_CONFIG_SYNCED:
                r = core__queue_config(&c->queue, m, c->generation);
                break;
        default:
                r = -EPROTO;
                break;
        }
        if (r == -ENOBUFS) {
                core__say(c, LOG_LEVEL_ERROR, "the plugin takes in configuration more slowly than it comes");
                core__forsake(c, now_ms);
                core__end(c, WORKER_EXIT_CHANNEL);
        }
        settle(c, now_ms);
        return r;
}

/* ---- the supervisor ---- */

void worker_core_stop(struct worker_core *c, uint64_t now_ms, enum stop_how how)
{
        if (!enter(c, now_ms))
                return;
        if (how == STOP_KEEP && c->ending != ENDING_KEEP) {
                c->ending = ENDING_KEEP;
                c->keep_until_ms = now_ms + WORKER_CANCEL_GRACE_MS;
                if (!c->opened)
                        core__end(c, WORKER_EXIT_CLEAN); /* the record says what there is */
        } else if (how == STOP_RELEASE && c->ending == ENDING_NO) {
                c->ending = ENDING_RELEASE;
                core__give_up(c, now_ms, BATON_REASON_ENDING);
        }
        if (!c->ended)
                settle(c, now_ms);
}

void worker_core_control_lost(struct worker_core *c, uint64_t now_ms)
{
        worker_core_stop(c, now_ms, STOP_KEEP);
}

/* ---- the plugin ---- */

void worker_core_begun(struct worker_core *c, uint64_t now_ms, uint64_t id)
{
        if (!c->ended && c->now.busy && c->now.call.id == id && !c->now.begun) {
                c->now.begun = true;
                if (c->now.call.kind == CALL_ACTIVATE)
                        core__set_health(c, HEALTH_UNKNOWN, ""); /* what is told from now on is of this try */
        }
        if (enter(c, now_ms))
                settle(c, now_ms);
}

static void on_opened(struct worker_core *c, uint64_t now_ms, int status)
{
        if (status < 0) {
                core__say(c, LOG_LEVEL_ERROR, "the plugin cannot be opened: %s", strerror(-status));
                core__end(c, WORKER_EXIT_OPEN);
                return;
        }
        c->opened = true;
        core__after_open(c, now_ms);
        if (c->ended)
                return;
        tell_hello(c);
        tell_known(c);
}

static void on_checked(struct worker_core *c, uint64_t now_ms, const struct worker_result *result)
{
        char text[MESSAGE_TEXT_MAX];
        const char *why = result->text ? result->text : "";
        enum health health = result->health;
        if (result->status < 0) {
                health = HEALTH_BAD;
                if (!*why)
                        why = c->now.timed_out ? "check did not return in time" : strerror(-result->status);
        }
        if (c->stop.wanted || c->state != WORKER_ACTIVE)
                return;
        c->check_at_ms = now_ms + c->section->check_interval_ms;
        core__set_health(c, health, why);
        if (health == HEALTH_BAD) {
                (void)snprintf(text, sizeof text, "check: %.*s", (int)sizeof text - 8, *why ? why : "bad");
                core__failure(c, now_ms, text);
        }
}

void worker_core_finished(struct worker_core *c, uint64_t now_ms, uint64_t id, const struct worker_result *result)
{
        if (c->ended || !c->now.busy || c->now.call.id != id)
                return;
        /* Before the clock is asked: a stop that was done just in time is done. */
        struct core_call done = c->now;
        c->now.busy = false;
        c->now.item = NULL;
        switch (done.call.kind) {
        case CALL_OPEN:
                on_opened(c, now_ms, result->status);
                break;
        case CALL_ACTIVATE:
                core__expire(c, now_ms);
                if (!c->ended)
                        core__activated(c, now_ms, result->status);
                break;
        case CALL_DEACTIVATE:
                core__deactivated(c, now_ms, result->status);
                break;
        case CALL_CHECK:
                core__expire(c, now_ms);
                if (!c->ended)
                        on_checked(c, now_ms, result);
                break;
        case CALL_CLOSE:
                c->closed = true;
                break;
        default:
                break;
        }
        core__item_free(done.item);
        if (enter(c, now_ms))
                settle(c, now_ms);
}

void worker_core_report(struct worker_core *c, uint64_t now_ms, enum health health, const char *why)
{
        char text[MESSAGE_TEXT_MAX];
        if (!enter(c, now_ms))
                return;
        core__set_health(c, health, why ? why : "");
        if (health == HEALTH_BAD && c->state == WORKER_ACTIVE && !c->stop.wanted) {
                (void)snprintf(text, sizeof text, "%s", why && *why ? why : "reported to be bad");
                core__failure(c, now_ms, text);
        }
        settle(c, now_ms);
}

void worker_core_publish(struct worker_core *c, uint64_t now_ms, const char *text)
{
        (void)now_ms;
        (void)snprintf(c->note, sizeof c->note, "%s", text);
        tell_note(c);
}

void worker_core_need_budget(struct worker_core *c, uint64_t now_ms, uint32_t budget_ms)
{
        if (!enter(c, now_ms))
                return;
        bool news = c->need_ms != budget_ms;
        c->need_ms = budget_ms;
        if (c->opened && news) {
                uint32_t configured_ms = c->section->stop_budget_ms;
                if (configured_ms > 0 && budget_ms > configured_ms) {
                        core__say(c, LOG_LEVEL_ERROR,
                                  "%s:%d: [plugin %s] needs %u ms to stop, stop_budget gives %u ms; a grant that gives "
                                  "no "
                                  "more is refused",
                                  c->section->origin.file, c->section->origin.line, c->section->name.text, budget_ms,
                                  configured_ms);
                        c->budget_ms = budget_ms;
                } else {
                        c->budget_ms = configured_ms > 0 ? configured_ms : budget_ms;
                }
                tell_hello(c); /* the only word that carries it; to the agent a new beginning of the conversation */
                tell_known(c);
        }
        settle(c, now_ms);
}

/* ---- what the shell reads ---- */

enum worker_state worker_core_state(const struct worker_core *c)
{
        return c->state;
}

int64_t worker_core_token(const struct worker_core *c)
{
        return c->grant.held ? c->grant.token : 0;
}

uint64_t worker_core_deadline_ms(const struct worker_core *c)
{
        return c->grant.held ? c->grant.deadline_ms : 0;
}

void worker_core_verify(const struct worker_core *c)
{
        bool touching = c->now.busy && c->now.call.kind == CALL_ACTIVATE;
        assert(!touching || (c->recorded && c->record.state != WORKER_STOPPED));
        assert(c->state != WORKER_ACTIVE || (c->grant.held && c->record.state != WORKER_STOPPED));
        assert(c->state != WORKER_STOPPED || !c->grant.held);
        assert(!c->grant.held || c->token_seen >= c->grant.token);
        assert(!c->activate_wanted || (c->grant.held && !c->stop.wanted));
        assert(!c->stop.wanted || c->stop.half_ms <= c->stop.until_ms);
        assert(c->state == WORKER_ACTIVE || c->state == WORKER_STOPPING || c->state == WORKER_FAILED ||
               c->state == WORKER_STOPPED || c->state == WORKER_STARTING || c->state == WORKER_OPENING);
}
