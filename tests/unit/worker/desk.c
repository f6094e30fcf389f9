/* See desk.h. */
#include "tests/unit/worker/desk.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const reason_names[] = {
        [BATON_REASON_START] = "START", [BATON_REASON_SWITCHOVER] = "SWITCHOVER", [BATON_REASON_FAILED] = "FAILED",
        [BATON_REASON_LOST] = "LOST",   [BATON_REASON_ENDING] = "ENDING",
};

__attribute__((format(printf, 2, 3))) static void note(struct desk *d, const char *format, ...)
{
        size_t len = strlen(d->text);
        va_list ap;
        if (d->quiet)
                return;
        va_start(ap, format);
        (void)vsnprintf(d->text + len, sizeof d->text - len, format, ap);
        va_end(ap);
        len = strlen(d->text);
        assert_true(len + 2 < sizeof d->text);
        memcpy(d->text + len, "\n", 2);
}

/* ---- what the core does ---- */

static void on_call(void *ctx, const struct worker_call *call)
{
        struct desk *d = ctx;
        assert_false(d->busy);
        d->busy = true;
        d->call = *call;
        if (call->kind == CALL_ACTIVATE)
                note(d, "call activate 0x%" PRIx64 "%s", (uint64_t)call->token, call->taken_up ? " taken up" : "");
        else if (call->kind == CALL_DEACTIVATE)
                note(d, "call deactivate %s in %" PRId64, reason_names[call->reason],
                     (int64_t)(call->until_ms - d->now_ms));
        else if (call->kind == CALL_CONFIG)
                note(d, "call config_changed %s = %.*s v%d 0x%" PRIx64, call->path, (int)call->size,
                     call->data ? (const char *)call->data : "", call->version, (uint64_t)call->zxid);
        else if (call->kind == CALL_ROLE)
                note(d, "call role_changed %s", node_role_name(call->role));
        else if (call->kind == CALL_MEMBERS)
                note(d, "call members_changed %zu", call->member_count);
        else
                note(d, "call %s", worker_call_name(call->kind));
}

static void on_tell_agent(void *ctx, const struct message *m)
{
        struct desk *d = ctx;
        bool why = m->text.len > 0;
        switch (m->type) {
        case MESSAGE_HELLO:
                d->told = m->state;
                note(d, "hello %s 0x%" PRIx64 " budget %u", worker_state_name(m->state), (uint64_t)m->token,
                     m->budget_ms);
                break;
        case MESSAGE_STATE:
                d->told = m->state;
                note(d, "state %s 0x%" PRIx64 "%s%.*s", worker_state_name(m->state), (uint64_t)m->token,
                     why ? ": " : "", why ? m->text.len : 0, (const char *)m->text.data);
                break;
        case MESSAGE_HEALTH:
                note(d, "health %s%s%.*s", health_name(m->health), why ? ": " : "", why ? m->text.len : 0,
                     (const char *)m->text.data);
                break;
        case MESSAGE_NOTE:
                note(d, "note: %.*s", m->text.len, (const char *)m->text.data);
                break;
        default:
                fail_msg("the agent is told %s", message_type_name(m->type));
        }
}

static void on_tell_supervisor(void *ctx, const struct message *m)
{
        struct desk *d = ctx;
        if (m->type == MESSAGE_READY) {
                d->ready = true;
                note(d, "ready");
        }
        if (m->type == MESSAGE_HOLDING && d->written) {
                assert_int_equal(m->state, d->record.state);
                assert_true(m->token == d->record.token && m->deadline_ms == d->record.deadline_ms);
                assert_int_equal(m->budget_ms, d->record.budget_ms);
        }
}

static int on_record(void *ctx, const struct grant_record *r)
{
        struct desk *d = ctx;
        if (d->record_error < 0)
                return d->record_error;
        d->record = *r;
        d->recorded = true;
        d->written = true;
        note(d, "record %s 0x%" PRIx64 " until %" PRIu64 "+%u", worker_state_name(r->state), (uint64_t)r->token,
             r->deadline_ms, r->budget_ms);
        return 0;
}

static void on_cancel(void *ctx, bool raised)
{
        struct desk *d = ctx;
        if (raised != d->cancelled)
                note(d, "%s", raised ? "cancel" : "uncancel");
        d->cancelled = raised;
}

static void on_end(void *ctx, enum worker_exit status)
{
        struct desk *d = ctx;
        assert_false(d->ended);
        d->ended = true;
        d->status = status;
        note(d, "end %d", status);
}

static void on_say(void *ctx, enum log_level level, const char *text)
{
        (void)ctx;
        (void)level;
        assert_true(strlen(text) > 0);
}

static void on_run_out(void *ctx, int64_t token)
{
        const struct desk *d = ctx;
        assert_true(token == worker_core_token(d->core));
        assert_true(d->now_ms >= worker_core_deadline_ms(d->core));
}

/* ---- life ---- */

void desk_init(struct desk *d)
{
        *d = (struct desk){
                .now_ms = 1000,
                .section = {.name = {"shop"},
                            .group = {"web"},
                            .origin = {.file = "baton.conf", .line = 7},
                            .check_interval_ms = 100,
                            .check_timeout_ms = 50,
                            .activate_timeout_ms = 400,
                            .retries = 1,
                            .retry_delay_ms = 20,
                            .retry_window_ms = 10000,
                            .stop_budget_ms = 1000},
        };
}

void desk_crash(struct desk *d)
{
        worker_core_free(d->core);
        d->core = NULL;
        d->busy = false;
        d->cancelled = false;
        d->ended = false;
        d->ready = false;
        d->written = false;
}

void desk_done(struct desk *d)
{
        desk_crash(d);
}

void desk_start(struct desk *d)
{
        const struct worker_io io = {
                .call = on_call,
                .tell_agent = on_tell_agent,
                .tell_supervisor = on_tell_supervisor,
                .record = on_record,
                .cancel = on_cancel,
                .end = on_end,
                .say = on_say,
                .run_out = on_run_out,
                .ctx = d,
        };
        assert_null(d->core);
        d->told = WORKER_OPENING;
        d->core = worker_core_new(&d->section, DESK_BOOT, true, &io);
        worker_core_start(d->core, d->now_ms, d->recorded ? &d->record : NULL);
        worker_core_link(d->core, d->now_ms, true);
        worker_core_verify(d->core);
}

void desk_to_stopped(struct desk *d)
{
        desk_start(d);
        desk_return(d, CALL_OPEN, 0);
        desk_return(d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d->core), WORKER_STOPPED);
        desk_forget(d);
}

void desk_to_active(struct desk *d)
{
        desk_to_stopped(d);
        desk_grant(d, 7, d->now_ms + 3000);
        desk_return(d, CALL_ACTIVATE, 0);
        assert_int_equal(worker_core_state(d->core), WORKER_ACTIVE);
        desk_forget(d);
}

/* ---- events ---- */

void desk_sleep(struct desk *d, uint64_t ms)
{
        uint64_t until_ms = d->now_ms + ms;
        while (!d->ended && worker_core_next_ms(d->core) <= until_ms) {
                uint64_t next_ms = worker_core_next_ms(d->core);
                if (next_ms > d->now_ms)
                        d->now_ms = next_ms;
                worker_core_tick(d->core, d->now_ms);
                worker_core_verify(d->core);
                if (!d->ended && worker_core_next_ms(d->core) <= d->now_ms)
                        fail_msg("the core does not get further at %" PRIu64 ":\n%s", d->now_ms, d->text);
        }
        d->now_ms = until_ms;
}

void desk_begin(struct desk *d, enum worker_call_kind kind)
{
        if (!d->busy || d->call.kind != kind)
                fail_msg("%s is not under way:\n%s", worker_call_name(kind), d->text);
        worker_core_begun(d->core, d->now_ms, d->call.id);
        worker_core_verify(d->core);
}

static void finish(struct desk *d, enum worker_call_kind kind, const struct worker_result *result)
{
        desk_begin(d, kind);
        if (d->ended)
                return;
        d->busy = false;
        worker_core_finished(d->core, d->now_ms, d->call.id, result);
        worker_core_verify(d->core);
}

void desk_return(struct desk *d, enum worker_call_kind kind, int status)
{
        const struct worker_result result = {.status = status};
        finish(d, kind, &result);
}

void desk_check(struct desk *d, enum health health, const char *why)
{
        const struct worker_result result = {.health = health, .text = why};
        finish(d, CALL_CHECK, &result);
}

static void from_agent(struct desk *d, const struct message *m)
{
        assert_int_equal(worker_core_agent(d->core, d->now_ms, m), 0);
        worker_core_verify(d->core);
}

void desk_grant(struct desk *d, int64_t token, uint64_t deadline_ms)
{
        struct message m = message_of(MESSAGE_GRANT);
        m.group = d->section.group;
        m.token = token;
        m.deadline_ms = deadline_ms;
        m.lease_ms = 4000;
        m.budget_ms = 1000;
        from_agent(d, &m);
}

void desk_revoke(struct desk *d, int64_t token, enum revoke_reason reason)
{
        struct message m = message_of(MESSAGE_REVOKE);
        m.group = d->section.group;
        m.token = token;
        m.reason = reason;
        from_agent(d, &m);
}

void desk_expect(struct desk *d, const char *text)
{
        assert_string_equal(d->text, text);
        desk_forget(d);
}

void desk_forget(struct desk *d)
{
        d->text[0] = '\0';
}
