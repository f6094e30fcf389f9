/* See engine.h. */
#include "daemon/engine/engine.h"

#include "daemon/common/log.h"
#include "daemon/engine/audit_log.h"
#include "daemon/engine/control.h"
#include "daemon/engine/facts.h"
#include "daemon/engine/log_writer.h"
#include "daemon/engine/memory.h"
#include "daemon/engine/net.h"
#include "daemon/engine/snapshot_writer.h"
#include "daemon/engine/status.h"
#include "daemon/engine/status_json.h"
#include "election/base/alloc.h"
#include "election/base/pool.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

struct engine {
        struct engine_parts parts;
        uv_loop_t loop;
        bool loop_made, closed;
        uv_prepare_t before_wait; /* ends what timers began */
        uv_check_t after_wait;    /* ends what I/O began */
        uv_idle_t busy;           /* active while a turn left work behind: the loop must not wait */
        uv_timer_t timer;
        uint64_t armed_ms; /* what the timer is set to; UINT64_MAX: not set */
        uv_signal_t terminate, interrupt;
        struct net *net;
        struct control *control;    /* NULL: nobody supervises it, or it is over */
        struct status *status_call; /* NULL: nobody can ask, or it is over */
        uint64_t awaited;           /* the snapshot that somebody there waits for */
        struct log_writer *log;
        struct snapshot_writer *snapshots;
        struct effects fx;
        struct server_facts facts;
        uint64_t facts_ms; /* when they were read; 0: never */
        struct memory memory;
        bool stepping, stopping, ready, halted;
        int status;
};

/* ---- stepping the core ---- */

static struct moment now(void)
{
        struct timespec wall;
        uint64_t ns = uv_hrtime();
        (void)clock_gettime(CLOCK_REALTIME, &wall); /* cannot fail for this clock */
        return (struct moment){.mono_ms = ns / 1000000,
                               .mono_ns = ns,
                               .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000};
}

static void refresh_facts(struct engine *e, const struct event *event)
{
        bool wanted =
                event->type == EVENT_START || (event->type == EVENT_CONN_BYTES && event->bytes.len <= FACTS_WORD_BYTES);
        if (!wanted || (e->facts_ms && event->now.mono_ms - e->facts_ms < FACTS_AGE_MS))
                return;
        facts_read(e->parts.storage, &e->facts);
        e->facts.queued_client_bytes = net_client_backlog(e->net);
        e->facts_ms = event->now.mono_ms;
        server_set_facts(e->parts.server, &e->facts);
}

static void say_role(struct engine *e, const char *text)
{
        log_info("%s", text);
        if (e->control) {
                control_role(e->control, text);
                return; /* the supervisor speaks for the whole node */
        }
        (void)sd_notifyf(0, "STATUS=%s", text); /* nobody may be listening */
        if (e->ready || strcmp(text, "looking") == 0)
                return;
        e->ready = true;
        (void)sd_notify(0, "READY=1");
}

static void say(const struct effect *effect)
{
        static const enum log_level levels[] = {
                [REPORT_DEBUG] = LOG_LEVEL_DEBUG,
                [REPORT_INFO] = LOG_LEVEL_INFO,
                [REPORT_WARNING] = LOG_LEVEL_WARNING,
                [REPORT_ERROR] = LOG_LEVEL_ERROR,
        };
        log_line(levels[effect->report.level], "%s", effect->report.text);
}

static void halt(struct engine *e, const struct effect *effect)
{
        e->halted = true;
        e->status = effect->halt.status;
        if (e->parts.config->server.audit)
                audit_log_server("serverStop", e->status ? "failure" : "success");
        log_line(e->status ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "%s", effect->halt.text);
}

static void carry_out(struct engine *e, const struct effect *effect)
{
        switch (effect->type) {
        case EFFECT_DIAL:
                net_dial(e->net, effect->conn, effect->peer.kind, effect->peer.host, effect->peer.port);
                break;
        case EFFECT_SEND:
                net_send(e->net, effect->conn, effect->send.blob);
                break;
        case EFFECT_CLOSE:
                net_close(e->net, effect->conn, effect->close.flush);
                break;
        case EFFECT_NOTIFY_SENT:
                net_notify_sent(e->net, effect->conn);
                break;
        case EFFECT_READ_STOP:
        case EFFECT_READ_START:
                net_read(e->net, effect->conn, effect->type == EFFECT_READ_START);
                break;
        case EFFECT_LOG_APPEND:
        case EFFECT_LOG_ROLL:
        case EFFECT_EPOCH_WRITE:
        case EFFECT_TRUNCATE:
                log_writer_add(e->log, effect);
                break;
        case EFFECT_SNAPSHOT_BEGIN:
        case EFFECT_SNAPSHOT_CHUNK:
        case EFFECT_SNAPSHOT_END:
        case EFFECT_SNAPSHOT_ABORT:
                snapshot_writer_add(e->snapshots, effect);
                break;
        case EFFECT_UNLISTEN:
                net_unlisten(e->net);
                break;
        case EFFECT_REPORT:
                say(effect);
                break;
        case EFFECT_AUDIT:
                audit_log(effect->audit.failed, effect->audit.text);
                break;
        case EFFECT_ROLE:
                say_role(e, effect->role.text);
                break;
        case EFFECT_HALT:
                halt(e, effect);
                break;
        case EFFECT_MAX:
                assert(effect->type < EFFECT_MAX);
                break;
        }
}

/* A snapshot that was asked for has ended, whichever event it was that ended it. */
static void answer_snapshot(struct engine *e)
{
        struct server_snapshots s;
        if (!e->status_call || !status_waits(e->status_call))
                return;
        server_snapshots(e->parts.server, &s);
        if (s.ended >= e->awaited)
                status_answer(e->status_call, status_json_snapshot(&s, e->parts.config->data_dir));
}

static void step(struct engine *e, struct event *event)
{
        if (e->halted)
                return;
        assert(!e->stepping); /* effects never tell events from inside: net.h */
        e->stepping = true;
        event->now = now();
        refresh_facts(e, event);
        server_step(e->parts.server, event, &e->fx);
        for (size_t i = 0; i < e->fx.count; i++)
                carry_out(e, &e->fx.list[i]);
        effects_reset(&e->fx);
        e->stepping = false;
        answer_snapshot(e);
}

/* ---- where events come from ---- */

static void on_net(void *ctx, struct event *event)
{
        step(ctx, event);
}

static void on_log_result(void *ctx, struct disk_result *result)
{
        struct event event = {.type = result->status < 0 ? EVENT_DISK_FAILED : EVENT_DISK_DONE,
                              .status = result->status,
                              .disk = {.ticket = result->ticket,
                                       .reloaded = result->reloaded,
                                       .why = result->why,
                                       .fsync_us = result->sync_us,
                                       .batch = result->batch}};
        step(ctx, &event);
        if (!result->reloaded)
                return;
        recovered_done(result->reloaded);
        mem_free(result->reloaded);
}

static void on_snapshot_result(void *ctx, struct disk_result *result)
{
        if (result->status == 0 && result->why[0])
                log_warning("the snapshot is written, but old files take up room: %s", result->why);
        struct event event = {.type = EVENT_SNAPSHOT_DONE,
                              .status = result->status,
                              .disk = {.ticket = result->ticket, .why = result->why}};
        step(ctx, &event);
}

static void on_timer(uv_timer_t *timer)
{
        struct engine *e = timer->data;
        struct event event = {.type = EVENT_TICK};
        e->armed_ms = UINT64_MAX;
        step(e, &event);
}

static void ask_to_stop(struct engine *e, const char *why)
{
        struct event event = {.type = EVENT_STOP};
        log_info("%s: stopping", why);
        if (!e->control)
                (void)sd_notify(0, "STOPPING=1"); /* nobody may be listening */
        e->stopping = true;
        step(e, &event);
}

static void on_signal(uv_signal_t *handle, int number)
{
        struct engine *e = handle->data;
        if (e->stopping) {
                log_warning("%s once more: ending at once", strsignal(number));
                _exit(ENGINE_EXIT_AT_ONCE);
        }
        ask_to_stop(e, strsignal(number));
}

static void on_control_stop(void *ctx, const char *why)
{
        struct engine *e = ctx;
        if (!e->stopping)
                ask_to_stop(e, why);
}

/* ---- the status call ---- */

static char *tell_status(struct engine *e)
{
        const struct moment at = now();
        facts_read(e->parts.storage, &e->facts);
        e->facts.queued_client_bytes = net_client_backlog(e->net);
        e->facts_ms = at.mono_ms;
        server_set_facts(e->parts.server, &e->facts);
        return status_json(e->parts.server, &e->parts.config->server, &e->facts, &at);
}

static char *begin_snapshot(struct engine *e)
{
        struct event event = {.type = EVENT_SNAPSHOT_WANTED};
        struct server_snapshots before, after;
        server_snapshots(e->parts.server, &before);
        step(e, &event);
        server_snapshots(e->parts.server, &after);
        if (after.begun == before.begun)
                return status_json_error(after.busy ? "the tree is being read out for another snapshot: ask again"
                                                    : "the server does not serve: it has no tree to be trusted");
        e->awaited = after.begun;
        return after.ended < after.begun ? NULL : status_json_snapshot(&after, e->parts.config->data_dir);
}

static char *on_status_asked(void *ctx, const struct status_request *r)
{
        struct engine *e = ctx;
        switch (r->command) {
        case STATUS_STATUS:
                return tell_status(e);
        case STATUS_CONNECTIONS:
                return status_json_connections(e->parts.server, r);
        case STATUS_SNAPSHOT:
                return begin_snapshot(e);
        case STATUS_RESET:
                server_stats_reset(e->parts.server);
                server_connections_reset(e->parts.server);
                return status_json_reset();
        case STATUS_COMMAND_MAX:
                break;
        }
        return status_json_error("unknown command");
}

/* ---- the turn's end ---- */

static void arm_timer(struct engine *e)
{
        uint64_t at = server_deadline(e->parts.server);
        if (at == e->armed_ms)
                return;
        e->armed_ms = at;
        if (at == UINT64_MAX) {
                (void)uv_timer_stop(&e->timer); /* always 0 */
                return;
        }
        uv_update_time(&e->loop);
        uint64_t current = uv_now(&e->loop);
        (void)uv_timer_start(&e->timer, on_timer, at > current ? at - current : 0, 0); /* fails on a closed one only */
}

static void on_busy(uv_idle_t *idle)
{
        (void)idle; /* that it is active is all */
}

static void submit(struct engine *e)
{
        log_writer_submit(e->log);
        snapshot_writer_submit(e->snapshots);
}

/* A disk that cannot keep up slows the other servers down, before memory fills. */
static void judge_log_queue(struct engine *e)
{
        size_t bytes = log_writer_bytes(e->log);
        if (bytes > LOG_WRITER_HIGH_BYTES)
                net_hold(e->net, PORT_QUORUM, true);
        else if (bytes <= LOG_WRITER_HIGH_BYTES / 2)
                net_hold(e->net, PORT_QUORUM, false);
}

static void close_all(struct engine *e);

static void end_turn(struct engine *e)
{
        if (e->closed)
                return;
        submit(e); /* first, so that disk and network work at the same time */
        bool more = net_turn(e->net);
        submit(e); /* what connections lost or flushed have led to */
        if (e->halted) {
                close_all(e);
                return;
        }
        judge_log_queue(e);
        (void)memory_rest(&e->memory, uv_now(&e->loop), server_tree_bytes(e->parts.server));
        arm_timer(e);
        if (more)
                (void)uv_idle_start(&e->busy, on_busy); /* fails without a callback only */
        else
                (void)uv_idle_stop(&e->busy); /* always 0 */
}

static void on_before_wait(uv_prepare_t *handle)
{
        end_turn(handle->data);
}

static void on_after_wait(uv_check_t *handle)
{
        end_turn(handle->data);
}

/* ---- beginning and end ---- */

/* The loop runs dry when connections that still flush have done so, see net_finish(). From here on a
 * second signal has its default effect: a disk that hangs must not keep the process. */
static void close_all(struct engine *e)
{
        e->closed = true;
        net_finish(e->net);
        control_free(e->control);
        e->control = NULL;
        status_close(e->status_call);
        e->status_call = NULL;
        uv_close((uv_handle_t *)&e->terminate, NULL);
        uv_close((uv_handle_t *)&e->interrupt, NULL);
        uv_close((uv_handle_t *)&e->timer, NULL);
        uv_close((uv_handle_t *)&e->busy, NULL);
        uv_close((uv_handle_t *)&e->before_wait, NULL);
        uv_close((uv_handle_t *)&e->after_wait, NULL);
        if (e->parts.storage)
                storage_posix_hurry(e->parts.storage);
        log_writer_stop(e->log);
        snapshot_writer_stop(e->snapshots);
}

static void init_handles(struct engine *e)
{
        int r = 0;
        r |= uv_prepare_init(&e->loop, &e->before_wait);
        r |= uv_check_init(&e->loop, &e->after_wait);
        r |= uv_idle_init(&e->loop, &e->busy);
        r |= uv_timer_init(&e->loop, &e->timer);
        r |= uv_signal_init(&e->loop, &e->terminate);
        r |= uv_signal_init(&e->loop, &e->interrupt);
        assert(r == 0); /* they only link into the loop; the signal pipe was made with it */
        (void)r;
        e->before_wait.data = e->after_wait.data = e->busy.data = e;
        e->timer.data = e->terminate.data = e->interrupt.data = e;
}

static_assert(NET_LISTEN_BACKLOG == 1024, "the table of settings says the same");

static int start_loop(struct engine *e)
{
        int r = uv_loop_init(&e->loop);
        if (r < 0)
                return r;
        e->loop_made = true;
        init_handles(e);
        struct net_limits limits = net_limits_default;
        if (e->parts.config->server.listen_backlog > 0)
                limits.client_listen_backlog = e->parts.config->server.listen_backlog;
        e->net = net_new(&e->loop, &limits, on_net, e);
        r = log_writer_new(&e->loop, e->parts.store, on_log_result, e, &e->log);
        if (r == 0)
                r = snapshot_writer_new(&e->loop, e->parts.snapstore, on_snapshot_result, e, &e->snapshots);
        if (r == 0)
                r = uv_signal_start(&e->terminate, on_signal, SIGTERM);
        if (r == 0)
                r = uv_signal_start(&e->interrupt, on_signal, SIGINT);
        return r;
}

static int open_ports(struct engine *e, char *why, size_t why_size)
{
        const struct engine_config *c = e->parts.config;
        const struct member *own = ensemble_find(&c->server.ensemble, c->server.sid);
        assert(own);
        const char *host = c->listen_all ? "0.0.0.0" : own->host;
        int r = 0;
        if (c->peers)
                r = net_listen(e->net, PORT_ELECTION, host, own->election_port, why, why_size);
        if (r == 0 && c->peers)
                r = net_listen(e->net, PORT_QUORUM, host, own->quorum_port, why, why_size);
        if (r == 0)
                r = net_listen(e->net, PORT_CLIENT, c->client_host, c->client_port, why, why_size);
        return r;
}

int engine_new(const struct engine_parts *parts, struct engine **ret, char *why, size_t why_size)
{
        struct engine *e = mem_zalloc(sizeof *e);
        e->parts = *parts;
        e->armed_ms = UINT64_MAX;
        effects_init(&e->fx);
        facts_once(&e->facts);
        e->facts.recovery_ms = parts->recovery_ms;
        e->facts.recovered_txns = parts->recovered_txns;
        *ret = e;
        int r = start_loop(e);
        if (r < 0) {
                (void)snprintf(why, why_size, "the event loop cannot be set up: %s", strerror(-r));
                return r;
        }
        return open_ports(e, why, why_size);
}

int engine_control(struct engine *e, int fd)
{
        return control_new(&e->loop, fd, on_control_stop, e, &e->control);
}

int engine_status(struct engine *e, int fd)
{
        const struct status_host host = {.ctx = e, .ask = on_status_asked, .client_ms = STATUS_CLIENT_MS};
        return status_new(&e->loop, fd, &host, &e->status_call);
}

uint16_t engine_listening_on(const struct engine *e, enum port port)
{
        return net_listening_on(e->net, port);
}

int engine_run(struct engine *e)
{
        struct event start = {.type = EVENT_START};
        pool_keep(true);
        (void)uv_prepare_start(&e->before_wait, on_before_wait); /* these fail without a callback only */
        (void)uv_check_start(&e->after_wait, on_after_wait);
        net_accept(e->net);
        if (e->parts.config->server.audit)
                audit_log_server("serverStart", "success");
        step(e, &start);
        (void)uv_run(&e->loop, UV_RUN_DEFAULT); /* returns when every handle is closed */
        assert(e->closed);
        pool_keep(false);
        return e->status;
}

void engine_free(struct engine *e)
{
        if (!e)
                return;
        if (e->loop_made) {
                if (!e->closed)
                        close_all(e);
                (void)uv_run(&e->loop, UV_RUN_DEFAULT); /* until the handles of close_all() are gone */
                int r = uv_loop_close(&e->loop);
                assert(r == 0);
                (void)r;
        }
        snapshot_writer_free(e->snapshots);
        log_writer_free(e->log);
        net_free(e->net);
        effects_done(&e->fx);
        mem_free(e);
}
