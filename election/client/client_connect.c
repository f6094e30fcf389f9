/* Servers, one after the other: dialling, the handshake, the end of a connection and the rest before the next.
 *
 * The order is shuffled once, from the seed, so that the clients of one ensemble spread over it (but for a server of
 * the same machine, which fails with its client). After a connection that lasted, the next server is dialled at once; a
 * whole round in vain is followed by a rest. Source: client-protocol.md 2.2 to 2.4, 3.3. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Doublings of an attempt's time, at most: by then it is longer than any session timeout allows. */
#define ATTEMPT_DOUBLINGS_MAX 8

/* ---- how long ---- */

static uint64_t two_thirds(const struct client *c)
{
        return (uint64_t)c->timeout_ms * 2 / 3;
}

/* A dial, or the answer of a server to a session it should know. All servers together get one session timeout (as
 * in Java's client), so that one that hangs does not cost the session; slow ones get longer in the next round. */
static uint64_t attempt_ms(const struct client *c)
{
        uint64_t round = c->failures / c->server_count;
        uint64_t ms = (uint64_t)c->timeout_ms / c->server_count;
        ms <<= round < ATTEMPT_DOUBLINGS_MAX ? round : ATTEMPT_DOUBLINGS_MAX;
        if (ms > two_thirds(c))
                ms = two_thirds(c);
        return ms < CLIENT_ATTEMPT_MIN_MS ? CLIENT_ATTEMPT_MIN_MS : ms;
}

/* A new session costs a transaction, and asking too soon again leaves one behind that nobody uses. */
static uint64_t handshake_ms(const struct client *c)
{
        uint64_t ms = attempt_ms(c);
        return c->session.id == 0 && two_thirds(c) > ms ? two_thirds(c) : ms;
}

static uint64_t rest_ms(struct client *c)
{
        uint64_t most = (uint64_t)c->timeout_ms / 4 < CLIENT_BACKOFF_MAX_MS ? (uint64_t)c->timeout_ms / 4
                                                                            : CLIENT_BACKOFF_MAX_MS;
        c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : CLIENT_BACKOFF_MIN_MS;
        if (c->backoff_ms > most)
                c->backoff_ms = most < CLIENT_BACKOFF_MIN_MS ? CLIENT_BACKOFF_MIN_MS : most;
        /* Not all clients of a lost server at the same moment. */
        return c->backoff_ms / 2 + prng_next(&c->prng) % (c->backoff_ms / 2 + 1);
}

/* ---- dialling ---- */

void client__dial(struct client *c, uint64_t now_ms, struct effects *fx)
{
        const struct client_server *s = &c->servers[c->server];
        assert(c->conn == 0);
        c->conn = effect_dial(fx, PORT_CLIENT, s->host, s->port);
        c->phase = PHASE_DIALLING;
        c->phase_deadline_ms = now_ms + attempt_ms(c);
}

static void next_attempt(struct client *c, uint64_t now_ms, bool lasted)
{
        c->server = (c->server + 1) % c->server_count;
        c->failures = lasted ? 0 : c->failures + 1;
        if (lasted)
                c->backoff_ms = 0;
        c->phase = PHASE_PAUSE;
        c->phase_deadline_ms = now_ms;
        if (c->failures && c->failures % c->server_count == 0)
                c->phase_deadline_ms += rest_ms(c);
}

void client__lose(struct client *c, uint64_t now_ms, int status, bool ours, struct effects *fx)
{
        struct list lost;
        bool open = c->phase == PHASE_OPEN;
        assert(c->conn != 0);
        if (ours)
                effect_close(fx, c->conn, false);
        client__forget_conn(c);
        next_attempt(c, now_ms, open && now_ms >= c->opened_ms + CLIENT_STABLE_MS);
        if (!open)
                return;
        list_init(&lost);
        client__take_in_flight(c, &lost);
        client__take_waiting(c, true, &lost);
        client__tell_state(c, CLIENT_SUSPENDED, status);
        client__fail_all(c, &lost, CLIENT_ERROR_NOT_CONNECTED);
}

static void attempt_failed(struct client *c, uint64_t now_ms, int status, bool ours, struct effects *fx)
{
        const struct client_server *s = client_server(c);
        if (status == 0)
                client__because(c, "%s:%u closed the connection%s", s->host, s->port,
                                c->phase == PHASE_OPEN ? "" : " before it took the session");
        else
                client__because(c, "%s:%u: %s: %s", s->host, s->port,
                                c->phase == PHASE_DIALLING ? "cannot connect" : "connection lost", strerror(-status));
        client__lose(c, now_ms, status ? status : -ECONNRESET, ours, fx);
}

/* ---- the handshake ---- */

static void send_connect_request(struct client *c, uint64_t now_ms, struct effects *fx)
{
        struct jute_writer w;
        struct jute_connect_request q = {.last_zxid_seen = c->session.last_zxid,
                                         .timeout = c->wanted_timeout_ms,
                                         .session_id = c->session.id,
                                         .passwd = jute_str_of(c->session.passwd, SESSION_PASSWD_SIZE),
                                         .read_only = c->read_only,
                                         .has_read_only = true};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        jute_put_connect_request(&w, &q);
        jute_patch_int(&w, 0, (int32_t)(w.len - 4));
        effect_send(fx, c->conn, jute_writer_blob(&w));
        jute_writer_done(&w);
        c->sent_ms = now_ms;
}

void client_conn_dialled(struct client *c, uint64_t now_ms, conn_id conn, int status, struct effects *fx)
{
        if (conn == 0 || conn != c->conn || c->phase != PHASE_DIALLING)
                return;
        if (status < 0) {
                attempt_failed(c, now_ms, status, false, fx);
        } else {
                c->phase = PHASE_HANDSHAKE;
                c->phase_deadline_ms = now_ms + handshake_ms(c);
                send_connect_request(c, now_ms, fx);
        }
        client_flush(c, now_ms, fx);
}

/* The server does not know the session any more. An answer with another id is the same: never adopt it
 * (client-protocol.md 2.4). */
static void expired(struct client *c, struct effects *fx)
{
        const struct client_server *s = client_server(c);
        client__because(c, "%s:%u: session 0x%" PRIx64 " has expired", s->host, s->port, (uint64_t)c->session.id);
        effect_close(fx, c->conn, false);
        client__end(c, c->closing ? CLIENT_CLOSED : CLIENT_EXPIRED, 0);
}

static void opened(struct client *c, uint64_t now_ms, const struct jute_connect_response *reply, struct effects *fx)
{
        bool resumed = c->session.id != 0;
        c->timeout_ms = reply->timeout;
        c->read_only_now = reply->read_only;
        c->session.id = reply->session_id;
        memcpy(c->session.passwd, reply->passwd.data, SESSION_PASSWD_SIZE);
        c->phase = PHASE_OPEN;
        c->opened_ms = now_ms;
        /* Before any request: a reply must not show a change that a watch has not told, nor a request be refused, or an
         * event withheld, for want of an identity. */
        client__auth_send(c, now_ms, fx);
        client__watch_send(c, fx);
        client__tell_state(c, resumed ? CLIENT_RESUMED : CLIENT_CONNECTED, 0);
}

void client__handshake_reply(struct client *c, uint64_t now_ms, const uint8_t *data, size_t len, struct effects *fx)
{
        struct jute_reader r;
        struct jute_connect_response reply;
        jute_reader_init(&r, data, len, (int32_t)len);
        jute_get_connect_response(&r, &reply);
        bool valid = reply.timeout > 0 && reply.session_id != 0;
        if (r.error || (valid && reply.passwd.len != SESSION_PASSWD_SIZE))
                client__protocol_error(c, now_ms, "sent a malformed answer to the connect request", fx);
        else if (c->session.id != 0 && (!valid || reply.session_id != c->session.id))
                expired(c, fx);
        else if (!valid)
                client__protocol_error(c, now_ms, "refused a new session", fx);
        else if (reply.read_only && !c->read_only)
                client__protocol_error(c, now_ms, "is read-only", fx);
        else
                opened(c, now_ms, &reply, fx);
}

/* ---- the end of a connection ---- */

void client_conn_closed(struct client *c, uint64_t now_ms, conn_id conn, int status, struct effects *fx)
{
        if (conn == 0 || conn != c->conn)
                return;
        attempt_failed(c, now_ms, status, false, fx);
        client_flush(c, now_ms, fx);
}

void client__attempt_timed_out(struct client *c, uint64_t now_ms, struct effects *fx)
{
        attempt_failed(c, now_ms, -ETIMEDOUT, true, fx);
}
