/* The life of a grant on a worker: taken, renewed, stopped, tried again, given up. See worker_core.h for the rules and
 * core_internal.h for who does what.
 *
 *   OPENING ──► STOPPED ──GRANT──► STARTING ──► ACTIVE         a record that holds: OPENING ──► STARTING
 *                  ▲                  │  ▲        │
 *                  │                  ▼  │retry   ▼            FAILED is STOPPING after the last try
 *                  └──────────────── STOPPING ◄───┘ */
#include "daemon/worker/core_internal.h"

#include "daemon/worker/plugin_host.h"
#include "election/base/plant.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- saying ---- */

void core__tell_state(struct worker_core *c, const char *text)
{
        struct message m = message_of(MESSAGE_STATE);
        if (!c->hello_told)
                return; /* HELLO says the same, and comes first */
        m.state = c->state;
        m.token = c->grant.held ? c->grant.token : c->token_ended;
        m.text = jute_cstr(text ? text : "");
        c->io.tell_agent(c->io.ctx, &m);
}

void core__tell_holding(struct worker_core *c)
{
        struct message m = message_of(MESSAGE_HOLDING);
        m.state = c->recorded ? c->record.state : WORKER_OPENING;
        m.token = c->record.token;
        m.deadline_ms = c->record.deadline_ms;
        m.budget_ms = c->record.budget_ms;
        c->io.tell_supervisor(c->io.ctx, &m);
}

void core__set_state(struct worker_core *c, enum worker_state state, const char *text)
{
        struct message m = message_of(MESSAGE_STATUS);
        char line[MESSAGE_TEXT_MAX];
        if (c->state == state && !text)
                return;
        c->state = state;
        (void)snprintf(line, sizeof line, "%s%s%s", worker_state_name(state), text ? ": " : "", text ? text : "");
        m.text = jute_cstr(line);
        c->io.tell_supervisor(c->io.ctx, &m);
        core__tell_state(c, text);
        if (!c->ready_told && (state == WORKER_STOPPED || state == WORKER_ACTIVE)) {
                struct message ready = message_of(MESSAGE_READY);
                c->ready_told = true;
                c->io.tell_supervisor(c->io.ctx, &ready);
        }
}

/* ---- the record ---- */

/* Writes it and tells the supervisor. Returns 0 or -errno; then the file says what it said before. */
static int write_record(struct worker_core *c, enum worker_state state, uint64_t deadline_ms)
{
        struct grant_record r = {
                .plugin = c->section->name,
                .group = c->section->group,
                .state = state,
                .token = c->grant.held ? c->grant.token : c->record.token,
                .deadline_ms = deadline_ms,
                .lease_ms = c->grant.held ? c->grant.lease_ms : c->record.lease_ms,
                .budget_ms = c->grant.held ? c->grant.budget_ms : c->record.budget_ms,
        };
        memcpy(r.boot_id, c->boot_id, sizeof r.boot_id);
        int error = c->io.record(c->io.ctx, &r);
        if (error < 0) {
                core__say(c, LOG_LEVEL_ERROR, "the grant record cannot be written (%s)", strerror(-error));
                return error;
        }
        c->record = r;
        c->recorded = true;
        core__tell_holding(c);
        return 0;
}

/* ---- the stop ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* The last part of a budget is the supervisor's: by then it kills a worker that has not stopped, and a fresh one tries
 * (daemon/supervisor/grants.h counts alike; a test holds the two together). So the plugin is told of less. */
static uint32_t reserve_ms(uint32_t budget_ms)
{
        uint32_t quarter_ms = budget_ms / 4;
        uint32_t ms = quarter_ms < WORKER_RESERVE_MIN_MS   ? WORKER_RESERVE_MIN_MS
                      : quarter_ms > WORKER_RESERVE_MAX_MS ? WORKER_RESERVE_MAX_MS
                                                           : quarter_ms;
        return ms < budget_ms / 2 ? ms : budget_ms / 2;
}

/* What uses all of its time would else return in the instant in which it is judged. */
static uint32_t answer_ms(uint64_t budget_ms)
{
        return budget_ms / 10 < WORKER_ANSWER_MS ? (uint32_t)(budget_ms / 10) : WORKER_ANSWER_MS;
}

/* The budget runs from `since_ms`. */
static void want_stop(struct worker_core *c, uint64_t now_ms, enum baton_reason reason, uint64_t since_ms,
                      enum stop_then then)
{
        uint32_t budget_ms = c->grant.budget_ms;
        /* When even the beginning comes too late (the process was held up), ending it would only make it worse. */
        uint64_t half_ms = budget_ms / 2 - answer_ms(budget_ms);
        uint64_t least_ms = half_ms < WORKER_STOP_MIN_MS ? half_ms : WORKER_STOP_MIN_MS;
        assert(c->grant.held);
        c->stop = (struct core_stop){
                .wanted = true,
                .reason = reason,
                .then = then,
                .half_ms = since_ms + budget_ms / 2,
                .told_ms =
                        later(since_ms + budget_ms - reserve_ms(budget_ms) - answer_ms(budget_ms), now_ms + least_ms),
                .until_ms = later(since_ms + budget_ms, now_ms + least_ms + answer_ms(budget_ms)),
        };
        c->activate_wanted = false;
        (void)write_record(c, WORKER_STOPPING, earlier(c->grant.deadline_ms, now_ms)); /* said; the old one is no lie */
        if (c->state != WORKER_FAILED && c->state != WORKER_OPENING)
                core__set_state(c, WORKER_STOPPING, NULL);
}

/* The first act of a fresh process: whatever an earlier one has left is stopped. Overdue stops are told little time,
 * so that the plugin is not gentle, but they get all they need: to be ended and begun anew would help nobody. */
static void want_first_stop(struct worker_core *c, uint64_t now_ms)
{
        bool unfinished = c->recorded && c->record.state != WORKER_STOPPED;
        uint64_t budget_ms = later(c->budget_ms, WORKER_STOP_MIN_MS);
        uint64_t until_ms = now_ms + budget_ms;
        uint64_t fence_ms = unfinished ? c->record.deadline_ms + c->record.budget_ms : until_ms;
        uint64_t reserve_at_ms = fence_ms - (unfinished ? reserve_ms(c->record.budget_ms) : 0);
        if (now_ms < reserve_at_ms)
                fence_ms = reserve_at_ms; /* there may be another fresh process after this one */
        fence_ms -= unfinished ? answer_ms(c->record.budget_ms) : 0;
        c->stop = (struct core_stop){
                .wanted = true,
                .reason = BATON_REASON_START,
                .then = STOP_THEN_REST,
                .half_ms = now_ms + budget_ms / 2,
                .told_ms = earlier(later(fence_ms, now_ms + WORKER_STOP_MIN_MS), until_ms),
                .until_ms = until_ms + answer_ms(budget_ms),
        };
}

/* The grant is over and nothing runs. Where the record cannot say so, "may run" errs on the safe side, but for one
 * thing: a fresh process would take the grant up. While it would, nobody is told that this one has stopped. */
static void rest(struct worker_core *c, uint64_t now_ms)
{
        bool to_write = c->grant.held || !c->recorded || c->record.state != WORKER_STOPPED;
        if (to_write && write_record(c, WORKER_STOPPED, c->record.deadline_ms) < 0 && c->recorded &&
            grant_record_holds(&c->record, c->boot_id, now_ms)) {
                core__say(
                        c, LOG_LEVEL_ERROR,
                        "it has stopped, and the record of its grant says that it runs: the grant is left to run out");
                core__end(c, WORKER_EXIT_STOP_FAILED);
                return;
        }
        if (c->grant.held && c->grant.token > c->token_ended)
                c->token_ended = c->grant.token;
        c->grant.held = false;
        c->activate_wanted = false;
        c->check_at_ms = UINT64_MAX;
        core__set_health(c, HEALTH_UNKNOWN, "");
        core__set_state(c, WORKER_STOPPED, NULL);
}

void core__give_up(struct worker_core *c, uint64_t now_ms, enum baton_reason reason)
{
        if (!c->grant.held)
                return;
        if (c->stop.wanted) {
                c->stop.then = STOP_THEN_REST; /* it is under way already; its budget runs */
                return;
        }
        if (c->recorded && c->record.state == WORKER_STOPPED) {
                rest(c, now_ms); /* before the first try, or between two: nothing was touched since the last verified
                                    stop */
                return;
        }
        want_stop(c, now_ms, reason, earlier(now_ms, c->grant.deadline_ms), STOP_THEN_REST);
}

void core__deactivated(struct worker_core *c, uint64_t now_ms, int status)
{
        if (status < 0 && !PLANTED(M17_FAILED_STOP_COUNTS)) {
                core__say(c, LOG_LEVEL_ERROR, "the stop has failed (%s): a fresh process tries again",
                          strerror(-status));
                core__end(c, WORKER_EXIT_STOP_FAILED);
                return;
        }
        enum stop_then then = c->stop.then;
        c->stop.wanted = false;
        if (then == STOP_THEN_REST || now_ms >= c->grant.deadline_ms) {
                rest(c, now_ms);
                return;
        }
        (void)write_record(c, WORKER_STOPPED, c->record.deadline_ms); /* said; see rest() */
        c->activate_wanted = true;
        c->activate_at_ms = now_ms + c->section->retry_delay_ms;
        core__set_state(c, WORKER_STARTING, NULL);
}

/* ---- the beginning ---- */

void core__adopt_record(struct worker_core *c, uint64_t now_ms, const struct grant_record *found)
{
        if (!found || strcmp(found->boot_id, c->boot_id) != 0 || !c->boot_id[0])
                return;
        c->record = *found;
        c->recorded = true;
        c->token_seen = found->token;
        bool same = strcmp(found->plugin.text, c->section->name.text) == 0 &&
                    strcmp(found->group.text, c->section->group.text) == 0;
        uint64_t at_ms = PLANTED(EXPIRED_RECORD_TAKEN_UP) ? 0 : now_ms;
        uint64_t deadline_ms = PLANTED(EXPIRED_RECORD_TAKEN_UP) ? now_ms + found->lease_ms : found->deadline_ms;
        if (same && c->section->group.text[0] && grant_record_holds(found, c->boot_id, at_ms))
                c->grant = (struct core_grant){
                        .held = true,
                        .token = found->token,
                        .deadline_ms = deadline_ms,
                        .lease_ms = found->lease_ms,
                        .budget_ms = found->budget_ms,
                        .taken_up = true,
                };
}

void core__after_open(struct worker_core *c, uint64_t now_ms)
{
        char why[PLUGIN_WHY_MAX];
        if (plugin_stop_budget(c->section, c->need_ms, &c->budget_ms, why, sizeof why) < 0) {
                c->budget_refused = true;
                core__say(c, LOG_LEVEL_ERROR, "%s:%d: %s", c->section->origin.file, c->section->origin.line, why);
        }
        if (c->budget_refused)
                core__give_up(c, now_ms, BATON_REASON_FAILED);
        if (c->grant.held && c->stop.wanted)
                return; /* revoked or run out while it was being opened */
        if (c->grant.held) {
                core__say(c, LOG_LEVEL_INFO, "taking up the grant of an earlier process, token 0x%" PRIx64,
                          (uint64_t)c->grant.token);
                c->activate_wanted = true;
                c->activate_at_ms = now_ms;
                core__set_state(c, WORKER_STARTING, NULL);
                return;
        }
        if (c->section->group.text[0] || (c->recorded && c->record.state != WORKER_STOPPED))
                want_first_stop(c, now_ms);
        else
                rest(c, now_ms);
}

bool core__before_activate(struct worker_core *c, uint64_t now_ms)
{
        if (now_ms >= c->grant.deadline_ms) {
                core__give_up(c, now_ms, BATON_REASON_LOST);
                return false;
        }
        if (write_record(c, WORKER_STARTING, c->grant.deadline_ms) < 0) {
                core__set_state(c, WORKER_FAILED, "the grant record cannot be written, so nothing is started");
                if (c->grant.taken_up)
                        want_stop(c, now_ms, BATON_REASON_FAILED, now_ms, STOP_THEN_REST);
                else
                        rest(c, now_ms);
                return false;
        }
        c->activate_wanted = false;
        core__set_state(c, WORKER_STARTING, NULL);
        return true;
}

void core__activated(struct worker_core *c, uint64_t now_ms, int status)
{
        char text[MESSAGE_TEXT_MAX];
        c->grant.taken_up = false;
        if (c->stop.wanted && status < 0 && PLANTED(M17_CANCELLED_START_IS_NONE)) {
                c->stop.wanted = false;
                rest(c, now_ms);
                return;
        }
        if (c->stop.wanted)
                return; /* over while it started: the stop follows, whatever has come of it (F8) */
        if (status < 0) {
                (void)snprintf(text, sizeof text, "activate failed: %s",
                               c->now.timed_out ? "it did not return in time" : strerror(-status));
                core__failure(c, now_ms, text);
                return;
        }
        (void)write_record(c, WORKER_ACTIVE,
                           c->grant.deadline_ms); /* said; STARTING says the same to whoever reads it */
        c->check_at_ms =
                c->has_check && c->section->check_interval_ms > 0 ? now_ms + c->section->check_interval_ms : UINT64_MAX;
        core__set_state(c, WORKER_ACTIVE, NULL);
        if (c->health == HEALTH_BAD) {
                (void)snprintf(text, sizeof text, "bad: %.*s", (int)sizeof text - 8, c->why);
                core__failure(c, now_ms, text);
        }
}

/* ---- trying again ---- */

/* Notes one more and says whether it was one too many. */
static bool too_many_failures(struct worker_core *c, uint64_t now_ms)
{
        uint32_t window_ms = c->section->retry_window_ms;
        uint32_t retries = c->section->retries;
        size_t kept = 0;
        for (size_t i = 0; i < c->failure_count; i++)
                if (now_ms - c->failures_ms[i] < window_ms)
                        c->failures_ms[kept++] = c->failures_ms[i];
        if (kept == WORKER_FAILURES_MAX)
                return true;
        c->failures_ms[kept++] = now_ms;
        c->failure_count = kept;
        return kept > retries;
}

void core__failure(struct worker_core *c, uint64_t now_ms, const char *text)
{
        bool last = too_many_failures(c, now_ms);
        if (last) {
                core__say(c, LOG_LEVEL_ERROR, "%s; given up here after %zu in %u s", text, c->failure_count,
                          c->section->retry_window_ms / 1000);
                core__set_state(c, WORKER_FAILED, text);
        } else {
                core__say(c, LOG_LEVEL_WARNING, "%s; stopping it, and trying again in %u ms", text,
                          c->section->retry_delay_ms);
        }
        want_stop(c, now_ms, BATON_REASON_FAILED, earlier(now_ms, c->grant.deadline_ms),
                  last ? STOP_THEN_REST : STOP_THEN_RETRY);
        if (last)
                c->failure_count = 0; /* the next grant is a new chance: whether there is one, others decide */
}

/* ---- the agent's word ---- */

/* While nothing runs the answer names the token that was refused, and it counts as ended: the agent waits for a word
 * about it, and must not believe that a later renewal begins it after all. */
static void refuse(struct worker_core *c, enum log_level level, const struct message *m, const char *why)
{
        core__say(c, level, "grant 0x%" PRIx64 " is not taken: %s", (uint64_t)m->token, why);
        if (!c->grant.held && c->state == WORKER_STOPPED && m->token > c->token_ended)
                c->token_ended = m->token;
        core__tell_state(c, why);
}

static void renew(struct worker_core *c, uint64_t now_ms, const struct message *m)
{
        uint64_t before_ms = c->grant.deadline_ms;
        if (c->stop.wanted || m->deadline_ms <= before_ms)
                return; /* the time of the stop runs; or told late */
        assert(now_ms < before_ms);
        (void)now_ms;
        c->grant.deadline_ms = m->deadline_ms;
        if (c->record.state != WORKER_STOPPED && write_record(c, c->record.state, m->deadline_ms) < 0)
                c->grant.deadline_ms = before_ms; /* a fresh process would not know of it */
}

static void accept(struct worker_core *c, uint64_t now_ms, const struct message *m)
{
        c->grant = (struct core_grant){
                .held = true,
                .token = m->token,
                .deadline_ms = m->deadline_ms,
                .lease_ms = m->lease_ms,
                .budget_ms = m->budget_ms,
        };
        c->activate_wanted = true;
        c->activate_at_ms = now_ms;
        c->failure_count = 0;
        core__set_state(c, WORKER_STARTING, NULL);
}

/* Told as FAILED, so that the agent gives the group to a node that can. */
static void cannot_take(struct worker_core *c, const struct message *m, const char *why)
{
        c->token_ended = m->token;
        core__say(c, LOG_LEVEL_ERROR, "grant 0x%" PRIx64 " is not taken: %s", (uint64_t)m->token, why);
        core__set_state(c, WORKER_FAILED, why);
        core__set_state(c, WORKER_STOPPED, NULL);
}

void core__grant(struct worker_core *c, uint64_t now_ms, const struct message *m)
{
        char why[160];
        if (!c->section->group.text[0] || strcmp(m->group.text, c->section->group.text) != 0) {
                refuse(c, LOG_LEVEL_ERROR, m, "it is of another group");
                return;
        }
        if (m->token < c->token_seen)
                return; /* of an agent that has not heard the newest yet */
        c->token_seen = m->token;
        if (c->grant.held && m->token == c->grant.token)
                renew(c, now_ms, m);
        else if (c->grant.held)
                refuse(c, LOG_LEVEL_WARNING, m, "the one before it has not ended");
        else if (c->state != WORKER_STOPPED)
                refuse(c, LOG_LEVEL_INFO, m, "not known to be stopped yet");
        else if (c->ending != ENDING_NO)
                refuse(c, LOG_LEVEL_INFO, m, "the process ends");
        else if (m->token <= c->token_ended)
                refuse(c, LOG_LEVEL_INFO, m, "it has ended here");
        else if (now_ms >= m->deadline_ms)
                refuse(c, LOG_LEVEL_INFO, m, "it has run out");
        else if (c->budget_refused)
                cannot_take(c, m, "the plugin needs more time to stop than its stop_budget");
        else if (m->budget_ms < c->budget_ms) {
                (void)snprintf(why, sizeof why, "%u ms to stop are too few, plugin instance %s needs %u ms",
                               m->budget_ms, c->section->name.text, c->budget_ms);
                cannot_take(c, m, why);
        } else
                accept(c, now_ms, m);
}

void core__revoke(struct worker_core *c, uint64_t now_ms, const struct message *m)
{
        static const enum baton_reason reasons[REVOKE_COUNT] = {
                [REVOKE_SWITCHOVER] = BATON_REASON_SWITCHOVER,
                [REVOKE_FAILED] = BATON_REASON_FAILED,
                [REVOKE_LOST] = BATON_REASON_LOST,
                [REVOKE_ENDING] = BATON_REASON_ENDING,
        };
        assert((unsigned)m->reason < REVOKE_COUNT);
        if (m->token > c->token_seen)
                c->token_seen = m->token; /* its grant may still be on the way */
        if (!c->grant.held && m->token > c->token_ended)
                c->token_ended = m->token;
        if (c->grant.held && m->token >= c->grant.token)
                core__give_up(c, now_ms, reasons[m->reason]); /* STOPPED is the answer, now or later */
        else
                core__tell_state(c, NULL);
}

/* ---- the clock's word ---- */

void core__expire(struct worker_core *c, uint64_t now_ms)
{
        if (c->grant.held && !c->stop.wanted && now_ms >= c->grant.deadline_ms) {
                c->io.run_out(c->io.ctx, c->grant.token);
                core__give_up(c, now_ms, BATON_REASON_LOST);
        }
        if (!c->stop.wanted)
                return;
        bool begun = c->now.busy && c->now.begun && c->now.call.kind == CALL_DEACTIVATE;
        if (begun && now_ms >= c->stop.until_ms) {
                core__say(c, LOG_LEVEL_ERROR, "the stop takes longer than its budget: a fresh process tries again");
                core__end(c, WORKER_EXIT_STOP_FAILED);
        } else if (!begun && now_ms >= c->stop.half_ms && (c->now.busy || now_ms >= c->stop.until_ms)) {
                core__say(c, LOG_LEVEL_ERROR,
                          "the plugin's %s does not return, and the resource has to stop: "
                          "a fresh process stops it",
                          c->now.busy && c->now.call.kind != CALL_DEACTIVATE ? worker_call_name(c->now.call.kind)
                                                                             : "ready");
                core__end(c, WORKER_EXIT_HUNG);
        }
}

void core__forsake(struct worker_core *c, uint64_t now_ms)
{
        if (c->grant.held && !c->stop.wanted && c->state != WORKER_OPENING)
                (void)write_record(c, WORKER_STOPPING, earlier(c->grant.deadline_ms, now_ms)); /* said */
}
