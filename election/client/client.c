/* Life of a client: its states, its deadlines, its end. */
#include "election/client/client.h"

#include "election/base/alloc.h"
#include "election/client/client_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
        [CLIENT_IDLE] = "idle",       [CLIENT_CONNECTING] = "connecting", [CLIENT_CONNECTED] = "connected",
        [CLIENT_RESUMED] = "resumed", [CLIENT_SUSPENDED] = "suspended",   [CLIENT_EXPIRED] = "expired",
        [CLIENT_CLOSED] = "closed",
};
_Static_assert(sizeof state_names / sizeof *state_names == CLIENT_STATE_MAX, "every state has its name");

/* ---- beginning ---- */

static bool server_ok(const struct client_server *s)
{
        size_t len = strnlen(s->host, sizeof s->host);
        return len > 0 && len < sizeof s->host && s->port != 0;
}

/* From the one at `first` on. */
static void shuffle(struct client *c, size_t first)
{
        for (size_t i = c->server_count - 1; i > first; i--) {
                size_t k = first + prng_next(&c->prng) % (i + 1 - first);
                struct client_server s = c->servers[i];
                c->servers[i] = c->servers[k];
                c->servers[k] = s;
        }
}

static int config_check(const struct client_config *config)
{
        const struct client nowhere = {.chroot_len = 0};
        if (config->server_count < 1 || config->server_count > CLIENT_SERVERS_MAX || config->session_timeout_ms <= 0 ||
            config->max_buffer < 0 || config->max_reply < 0 || config->answer_divisor < 0 ||
            config->answer_divisor > CLIENT_ANSWER_DIVISOR_MAX)
                return -EINVAL;
        for (size_t i = 0; i < config->server_count; i++)
                if (!server_ok(&config->servers[i]))
                        return -EINVAL;
        return config->chroot && client__path_check(&nowhere, config->chroot, false) < 0 ? -EINVAL : 0;
}

int client_new(const struct client_config *config, struct client **ret)
{
        int r = config_check(config);
        if (r < 0)
                return r;
        struct client *c = mem_zalloc(sizeof *c);
        bool rooted = config->chroot && strcmp(config->chroot, "/") != 0;
        c->servers = mem_dup(config->servers, config->server_count * sizeof *c->servers);
        c->server_count = config->server_count;
        c->chroot = mem_strdup(rooted ? config->chroot : "");
        c->chroot_len = strlen(c->chroot);
        c->max_buffer = config->max_buffer ? config->max_buffer : JUTE_MAXBUFFER_DEFAULT;
        c->max_reply = config->max_reply;
        c->wanted_timeout_ms = c->timeout_ms = config->session_timeout_ms;
        c->answer_divisor = config->answer_divisor;
        c->read_only = config->read_only;
        c->on_state = config->on_state;
        c->ctx = config->ctx;
        c->prng.state = config->seed;
        c->session = config->session;
        c->next_xid = 1;
        list_init(&c->waiting);
        list_init(&c->in_flight);
        list_init(&c->watched);
        list_init(&c->auths);
        map_init(&c->watch_paths);
        shuffle(c, config->own_first ? 1 : 0);
        *ret = c;
        return 0;
}

/* ---- states ---- */

void client__because(struct client *c, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(c->why, sizeof c->why, format, ap); /* cut, as the header says */
        va_end(ap);
}

void client__tell_state(struct client *c, enum client_state state, int status)
{
        /* Copied: what the callback asks for may fail and say why itself. */
        char why[CLIENT_WHY_MAX];
        bool failed = state == CLIENT_SUSPENDED || state == CLIENT_EXPIRED || state == CLIENT_CLOSED;
        memcpy(why, c->why, sizeof why);
        c->state = state;
        if (!c->on_state)
                return;
        c->calling++;
        c->on_state(c->ctx, state, status, failed ? why : "");
        c->calling--;
}

void client__forget_conn(struct client *c)
{
        c->conn = 0;
        c->close_sent = false;
        client__auth_forget_conn(c);
        mem_free(c->in);
        c->in = NULL;
        c->in_len = c->in_capacity = 0;
}

/* All that is open, out of the client's hands: callbacks may already fill it anew. */
struct open_ends {
        struct list requests, watched;
};

static void take_open_ends(struct client *c, struct open_ends *ret)
{
        list_init(&ret->requests);
        list_init(&ret->watched);
        client__take_in_flight(c, &ret->requests);
        client__take_waiting(c, false, &ret->requests);
        client__watch_take_all(c, &ret->watched);
}

void client__end(struct client *c, enum client_state state, int status)
{
        struct open_ends ends;
        assert(state == CLIENT_EXPIRED || state == CLIENT_CLOSED);
        client__forget_conn(c);
        c->phase = PHASE_REST;
        if (status == 0) { /* else it ends by its timeout, and could still be resumed until then */
                c->session.id = 0;
                memset(c->session.passwd, 0, sizeof c->session.passwd);
        }
        take_open_ends(c, &ends);
        client__tell_state(c, state, status);
        client__watch_drop_all(c, &ends.watched);
        int32_t error = state == CLIENT_EXPIRED ? CLIENT_ERROR_EXPIRED
                        : status == -EACCES     ? CLIENT_ERROR_AUTH_FAILED
                                                : CLIENT_ERROR_CLOSING;
        client__fail_all(c, &ends.requests, error);
        if (state == CLIENT_CLOSED) /* a new session would take them along */
                client__auth_fail_all(c, error);
}

void client_free(struct client *c)
{
        struct open_ends ends;
        if (!c)
                return;
        assert(!c->calling);
        c->state = CLIENT_CLOSED; /* nothing more is taken */
        c->phase = PHASE_REST;
        take_open_ends(c, &ends);
        client__watch_drop_all(c, &ends.watched);
        client__fail_all(c, &ends.requests, CLIENT_ERROR_CLOSING);
        client__auth_fail_all(c, CLIENT_ERROR_CLOSING);
        client__auth_free_all(c);
        client__forget_conn(c);
        map_done(&c->watch_paths);
        mem_free(c->servers);
        mem_free(c->chroot);
        mem_free(c);
}

/* ---- closing ---- */

/* There is no session, and no server has been asked for one. */
static bool nothing_to_close(const struct client *c)
{
        return c->session.id == 0 && c->phase != PHASE_HANDSHAKE && c->phase != PHASE_OPEN;
}

static void advance_closing(struct client *c, uint64_t now_ms, struct effects *fx)
{
        if (nothing_to_close(c)) {
                client__because(c, "closed without a session");
                if (c->conn)
                        effect_close(fx, c->conn, false);
                client__end(c, CLIENT_CLOSED, 0);
                return;
        }
        if (c->phase == PHASE_OPEN && list_empty(&c->waiting) && !c->close_sent)
                client__send_close(c, now_ms, fx);
        if (now_ms < c->give_up_ms)
                return;
        client__because(c, "no server confirmed the end of the session; it ends by its timeout");
        if (c->conn)
                effect_close(fx, c->conn, true); /* what was sent may still do its work */
        client__end(c, CLIENT_CLOSED, -ETIMEDOUT);
}

void client_close(struct client *c, uint64_t now_ms, uint64_t wait_ms, struct effects *fx)
{
        if (c->closing || c->state == CLIENT_CLOSED)
                return;
        c->closing = true;
        c->give_up_ms = wait_ms < UINT64_MAX - now_ms ? now_ms + wait_ms : UINT64_MAX;
        client_flush(c, now_ms, fx);
}

/* ---- the clock ---- */

void client_start(struct client *c, uint64_t now_ms, struct effects *fx)
{
        if (c->closing || (c->state != CLIENT_IDLE && c->state != CLIENT_EXPIRED))
                return;
        c->phase = PHASE_PAUSE;
        c->phase_deadline_ms = now_ms;
        c->failures = 0;
        c->backoff_ms = 0;
        client__tell_state(c, CLIENT_CONNECTING, 0);
        client_flush(c, now_ms, fx);
}

void client_flush(struct client *c, uint64_t now_ms, struct effects *fx)
{
        if (c->calling)
                return; /* the event under way does it when it ends */
        if (c->phase == PHASE_PAUSE && now_ms >= c->phase_deadline_ms && !(c->closing && nothing_to_close(c)))
                client__dial(c, now_ms, fx);
        client__send_waiting(c, now_ms, fx);
        if (c->closing && c->state != CLIENT_CLOSED)
                advance_closing(c, now_ms, fx);
}

/* A ping is due after this much silence of ours; twice of theirs is too much (client-protocol.md 3.3). */
static uint64_t heartbeat_ms(const struct client *c)
{
        return c->timeout_ms < 3 ? 1 : (uint64_t)c->timeout_ms / 3;
}

static uint64_t answer_limit_ms(const struct client *c)
{
        uint64_t ms = (uint64_t)c->timeout_ms / (uint64_t)c->answer_divisor;
        return ms < CLIENT_ATTEMPT_MIN_MS ? CLIENT_ATTEMPT_MIN_MS : ms;
}

/* Any byte breaks the silence: a server that answers others of our requests, or delivers a large answer, is alive. */
static uint64_t silence_ends_ms(const struct client *c)
{
        uint64_t ends = c->received_ms + 2 * heartbeat_ms(c);
        if (!c->answer_divisor || list_empty(&c->in_flight))
                return ends;
        const struct client_request *oldest = LIST_ENTRY(c->in_flight.next, struct client_request, link);
        uint64_t since = oldest->sent_ms > c->received_ms ? oldest->sent_ms : c->received_ms;
        return since + answer_limit_ms(c) < ends ? since + answer_limit_ms(c) : ends;
}

void client_tick(struct client *c, uint64_t now_ms, struct effects *fx)
{
        bool trying = c->phase == PHASE_DIALLING || c->phase == PHASE_HANDSHAKE;
        if (c->calling)
                return;
        if ((trying && now_ms >= c->phase_deadline_ms) || (c->phase == PHASE_OPEN && now_ms >= silence_ends_ms(c)))
                client__attempt_timed_out(c, now_ms, fx);
        client_flush(c, now_ms, fx);
        if (c->phase == PHASE_OPEN && now_ms >= c->sent_ms + heartbeat_ms(c))
                client__send_ping(c, now_ms, fx);
}

static uint64_t phase_deadline(const struct client *c)
{
        switch (c->phase) {
        case PHASE_REST:
                break;
        case PHASE_PAUSE:
        case PHASE_DIALLING:
        case PHASE_HANDSHAKE:
                return c->phase_deadline_ms;
        case PHASE_OPEN:
                if (client__can_send(c) || c->auths_sent < c->auth_count)
                        return 0;
                return c->sent_ms + heartbeat_ms(c) < silence_ends_ms(c) ? c->sent_ms + heartbeat_ms(c)
                                                                         : silence_ends_ms(c);
        }
        return UINT64_MAX;
}

uint64_t client_deadline(const struct client *c)
{
        uint64_t at = phase_deadline(c);
        if (c->closing && c->state != CLIENT_CLOSED && c->give_up_ms < at)
                return c->give_up_ms;
        return at;
}

/* ---- what it knows ---- */

enum client_state client_state(const struct client *c)
{
        return c->state;
}

const char *client_state_name(enum client_state state)
{
        assert(state >= 0 && state < CLIENT_STATE_MAX);
        return state_names[state];
}

bool client_is_connected(const struct client *c)
{
        return c->phase == PHASE_OPEN;
}

bool client_is_read_only(const struct client *c)
{
        return client_is_connected(c) && c->read_only_now;
}

void client_session(const struct client *c, struct client_session *ret)
{
        *ret = c->session;
}

int32_t client_timeout_ms(const struct client *c)
{
        return c->timeout_ms;
}

conn_id client_conn(const struct client *c)
{
        return c->conn;
}

const struct client_server *client_server(const struct client *c)
{
        return &c->servers[c->server];
}

const char *client_why(const struct client *c)
{
        return c->why;
}
