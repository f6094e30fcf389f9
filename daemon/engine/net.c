/* See net.h. A connection's life: net__conn_new -> (dialling) -> open -> lost, closed or closing -> dead ->
 * freed by on_closed(). Everything that ends one goes through net__kill(). */
#include "daemon/engine/net_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

const struct net_limits net_limits_default = {
        .client_backlog_bytes = SERVER_CLIENT_BACKLOG_BYTES,
        .peer_backlog_bytes = SERVER_PEER_BACKLOG_BYTES,
        .client_backlog_total_bytes = NET_CLIENT_BACKLOG_TOTAL_BYTES,
        .client_read_pause_bytes = NET_CLIENT_READ_PAUSE_BYTES,
        .dial_timeout_ms = NET_DIAL_TIMEOUT_MS,
        .close_timeout_ms = NET_CLOSE_TIMEOUT_MS,
        .closing_max = NET_CLOSING_MAX,
        .client_listen_backlog = NET_LISTEN_BACKLOG,
        .turn_ns = NET_TURN_NS,
};

/* ---- deadlines ---- */

static void on_timeout(uv_timer_t *timer);

static uint64_t first_deadline(const struct list *waiting)
{
        return list_empty(waiting) ? UINT64_MAX : LIST_ENTRY(waiting->next, struct conn, waiting)->deadline_ms;
}

static void arm(struct net *n)
{
        uint64_t dialling = first_deadline(&n->dialling);
        uint64_t closing = first_deadline(&n->closing);
        uint64_t at = dialling < closing ? dialling : closing;
        uint64_t now = uv_now(n->loop);
        if (uv_is_closing((uv_handle_t *)&n->timeouts))
                return;
        if (at == UINT64_MAX)
                (void)uv_timer_stop(&n->timeouts); /* always 0 */
        else
                (void)uv_timer_start(&n->timeouts, on_timeout, at > now ? at - now : 0,
                                     0); /* fails on a closed one only */
}

static void on_timeout(uv_timer_t *timer)
{
        struct net *n = timer->data;
        uint64_t now = uv_now(n->loop);
        while (first_deadline(&n->dialling) <= now)
                net__fail(LIST_ENTRY(n->dialling.next, struct conn, waiting), -ETIMEDOUT);
        while (first_deadline(&n->closing) <= now)
                net__kill(LIST_ENTRY(n->closing.next, struct conn, waiting));
        arm(n);
}

void net__wait(struct conn *c, struct list *where, uint32_t ms)
{
        struct net *n = c->net;
        list_remove(&c->waiting);
        c->deadline_ms = uv_now(n->loop) + ms;
        list_push(where, &c->waiting);
        arm(n);
}

/* ---- the table ---- */

struct conn *net__conn_new(struct net *n, conn_id id, enum port port, enum conn_state state)
{
        struct conn *c = mem_zalloc(sizeof *c);
        int r = uv_tcp_init(n->loop, &c->tcp);
        assert(r == 0); /* makes no socket yet, so nothing can fail */
        (void)r;
        c->tcp.data = c;
        c->net = n;
        c->id = id;
        c->port = port;
        c->state = state;
        c->holds = n->held[port] ? HOLD_PORT : 0;
        list_init(&c->due);
        list_init(&c->waiting);
        list_push(&n->conns, &c->all);
        map_put(&n->by_id, id, c);
        return c;
}

static struct conn *find(const struct net *n, conn_id id)
{
        return map_get(&n->by_id, id);
}

void net__unname(struct conn *c)
{
        if (find(c->net, c->id) == c)
                (void)map_remove(&c->net->by_id, c->id); /* known to be c */
}

void net__tell(struct conn *c, struct event *e)
{
        struct net *n = c->net;
        enum port port = c->port;
        uint64_t began_ns = uv_hrtime();
        e->conn = c->id;
        n->fn(n->ctx, e);
        n->spent_ns[port] += uv_hrtime() - began_ns;
}

void net__due(struct conn *c)
{
        if (c->state != CONN_DEAD && list_empty(&c->due))
                list_push(&c->net->due, &c->due);
}

static void finish_if_closed(struct net *n)
{
        if (n->finishing && list_empty(&n->closing) && !uv_is_closing((uv_handle_t *)&n->timeouts))
                uv_close((uv_handle_t *)&n->timeouts, NULL);
}

static void on_closed(uv_handle_t *handle)
{
        struct conn *c = handle->data;
        net__outbox_done(c);
        list_remove(&c->all);
        mem_free(c->rest);
        mem_free(c->dial);
        mem_free(c);
}

void net__kill(struct conn *c)
{
        struct net *n = c->net;
        if (c->state == CONN_DEAD)
                return;
        net__unname(c);
        if (c->state == CONN_CLOSING)
                n->closing_count--;
        c->state = CONN_DEAD;
        c->reading = false;
        list_remove(&c->due);
        list_remove(&c->waiting);
        if (net__sort(c) == CONN_CLIENT)
                n->client_backlog -= c->out.bytes;
        c->out.bytes = 0;
        net__dial_cancel(c);
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        finish_if_closed(n);
}

/* ---- reading ---- */

/* What clients, or servers, have sent has taken its time of this turn. Election is little, and must not wait. */
static bool time_is_spent(const struct conn *c)
{
        return c->port != PORT_ELECTION && c->net->spent_ns[c->port] >= c->net->limits.turn_ns;
}

/* A turn ends before it has handled all there is (NET_TURN_NS), but epoll tells of connections in the same order again.
 * So clients go in rounds: until a turn has refused nobody, who was read in this round waits for those who were not.
 * Servers are few: each is read once in every turn, and further only while there is time. */
static bool must_wait(struct conn *c)
{
        struct net *n = c->net;
        bool again = c->read_turn == n->turn; /* libuv reads on while there is more */
        n->asked = true;
        if (c->port == PORT_ELECTION || c->state == CONN_CLOSING)
                return false;
        if (time_is_spent(c) && (c->port == PORT_CLIENT || again)) {
                n->refused |= c->port == PORT_CLIENT && c->read_round != n->round;
                return true;
        }
        if (c->port == PORT_CLIENT && c->read_round == n->round && !again)
                return true;
        c->read_turn = n->turn;
        c->read_round = n->round;
        return false;
}

/* Without a buffer libuv reads nothing, says so (UV_ENOBUFS), and comes again in its next turn. */
static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct conn *c = handle->data;
        (void)suggested;
        *ret = must_wait(c) ? uv_buf_init(NULL, 0) : uv_buf_init((char *)c->net->read_buffer, NET_READ_BYTES);
}

/* From inside a libuv callback only: tells at once. */
static void lost(struct conn *c, int status)
{
        struct event e = {.type = EVENT_CONN_CLOSED, .status = status};
        net__kill(c);
        net__tell(c, &e);
}

/* A closing connection: what still comes is thrown away, until the other side ends or time is up. */
static void drained(struct conn *c, ssize_t len)
{
        if (len >= 0)
                return;
        c->ended = true;
        if (len != UV_EOF || c->shut)
                net__kill(c);
}

/* Hands over bytes in portions (NET_PORTION_BYTES) for as long as the connection may be read from. Returns
 * how many. */
static size_t hand_over(struct conn *c, const uint8_t *data, size_t len)
{
        size_t at = 0;
        size_t portion = net__sort(c) == CONN_CLIENT ? NET_PORTION_BYTES : len;
        while (at < len && c->state == CONN_OPEN && !c->failed && c->holds == 0 && !(at > 0 && time_is_spent(c))) {
                size_t n = len - at < portion ? len - at : portion;
                struct event e = {.type = EVENT_CONN_BYTES, .bytes = {.data = data + at, .len = n}};
                net__tell(c, &e);
                at += n;
                portion = c->out.bytes <= NET_PORTION_SMALL_BYTES ? 2 * portion : NET_PORTION_BYTES;
        }
        return at;
}

/* Not from inside an effect. */
static void take_in(struct conn *c, const uint8_t *data, size_t len)
{
        size_t done = hand_over(c, data, len);
        if (done == len || c->state != CONN_OPEN || c->failed)
                return;
        c->rest = mem_dup(data + done, len - done);
        c->rest_len = len - done;
        net__reading(c);
        if (c->holds == 0)
                net__due(c);
}

/* Goes on with what was left when reading had to pause. */
static void take_in_rest(struct conn *c)
{
        uint8_t *rest = c->rest;
        if (!rest || c->holds != 0)
                return;
        if (time_is_spent(c)) {
                list_remove(&c->due); /* its answers may have put it there meanwhile */
                list_push(&c->net->later, &c->due);
                return;
        }
        c->rest = NULL;
        take_in(c, rest, c->rest_len);
        mem_free(rest);
        if (c->state == CONN_OPEN)
                net__reading(c);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
        struct conn *c = stream->data;
        if (len == 0 || len == UV_ENOBUFS || c->state == CONN_DEAD)
                return;
        if (c->state == CONN_CLOSING) {
                drained(c, len);
        } else if (len < 0) {
                lost(c, len == UV_EOF ? 0 : (int)len);
        } else {
                take_in(c, (const uint8_t *)buffer->base, (size_t)len);
        }
}

void net__reading(struct conn *c)
{
        bool want = (c->state == CONN_OPEN && c->holds == 0 && !c->rest && !c->failed) ||
                    (c->state == CONN_CLOSING && !c->ended);
        if (want == c->reading)
                return;
        c->reading = want;
        if (!want) {
                (void)uv_read_stop((uv_stream_t *)&c->tcp); /* always 0 */
                return;
        }
        int r = uv_read_start((uv_stream_t *)&c->tcp, on_buffer, on_read);
        if (r < 0) {
                c->reading = false;
                net__fail(c, r);
        }
}

void net__hold(struct conn *c, unsigned why, bool hold)
{
        c->holds = hold ? c->holds | why : c->holds & ~why;
        net__reading(c);
        if (c->rest && c->holds == 0)
                net__due(c);
}

/* See NET_ELECTION_SILENCE_MS. Failures are ignored: the other side may be gone again, reading will tell. */
static void watch_silence(struct conn *c)
{
        static const int on = 1, idle_s = NET_ELECTION_SILENCE_MS / 1000, interval_s = 1, probes = 3;
        static const unsigned timeout_ms = NET_ELECTION_SILENCE_MS;
        uv_os_fd_t fd;
        if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) < 0)
                return;
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

void net__opened(struct conn *c)
{
        int r = uv_tcp_nodelay(&c->tcp, 1);
        (void)r; /* the other side may be gone again: reading will tell */
        if (c->port == PORT_ELECTION)
                watch_silence(c);
        net__reading(c);
}

/* ---- closing ---- */

void net__fail(struct conn *c, int status)
{
        assert(status < 0);
        if (c->state == CONN_CLOSING) {
                net__kill(c);
                return;
        }
        if (c->state == CONN_DEAD || c->failed)
                return;
        c->failed = true;
        c->failure = status;
        list_remove(&c->waiting);
        net__outbox_drop(c);
        net__reading(c);
        net__due(c);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
        struct conn *c = req->data;
        if (c->state == CONN_DEAD)
                return;
        c->shut = true;
        if (status < 0 || c->ended)
                net__kill(c);
}

/* All is written: says so to the other side. Its unread bytes must be drained before the socket is closed,
 * or the kernel resets the connection and what we wrote last may be lost (client-protocol.md, trap 29). */
static void shut_when_flushed(struct conn *c)
{
        if (c->out.count > 0 || c->writing > 0 || c->shutting)
                return;
        c->shutting = true;
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
                net__kill(c);
}

/* Too many are closing. One turn can close them all, and none of them has been flushed yet: the oldest goes
 * when its last answer is in the socket, or does not fit there. What is in the socket reaches the other
 * side, unless it goes on talking. */
static void drop_oldest(struct net *n)
{
        struct conn *c = LIST_ENTRY(n->closing.next, struct conn, waiting);
        (void)net__flush(c); /* it ends either way */
        net__kill(c);
}

static void close_gently(struct conn *c)
{
        struct net *n = c->net;
        net__unname(c);
        c->state = CONN_CLOSING;
        c->holds = 0;
        n->closing_count++;
        net__wait(c, &n->closing, n->limits.close_timeout_ms);
        net__reading(c);
        net__due(c);
        if (n->closing_count > n->limits.closing_max)
                drop_oldest(n);
}

void net_close(struct net *n, conn_id conn, bool flush)
{
        struct conn *c = find(n, conn);
        if (!c)
                return;
        if (flush && c->state == CONN_OPEN && !c->failed)
                close_gently(c);
        else
                net__kill(c);
}

/* ---- the turn ---- */

static void tell_failure(struct conn *c)
{
        struct event e = {.type = c->state == CONN_DIALLING ? EVENT_CONN_DIALLED : EVENT_CONN_CLOSED,
                          .status = c->failure};
        net__kill(c);
        net__tell(c, &e);
}

static void tell_sent(struct conn *c)
{
        while (c->sent_due > 0 && c->state == CONN_OPEN && !c->failed) {
                struct event e = {.type = EVENT_CONN_SENT};
                c->sent_due--;
                net__tell(c, &e);
        }
}

static void turn_one(struct conn *c)
{
        if (!c->failed && c->state != CONN_DIALLING) {
                int r = net__flush(c);
                if (r < 0)
                        net__fail(c, r);
        }
        if (c->state == CONN_DEAD)
                return;
        if (c->failed)
                tell_failure(c);
        else if (c->state == CONN_CLOSING)
                shut_when_flushed(c);
        else
                tell_sent(c);
        if (c->state == CONN_OPEN && !c->failed)
                take_in_rest(c);
}

bool net_turn(struct net *n)
{
        for (size_t i = 0; i < NET_TURN_MAX && !list_empty(&n->due); i++) {
                struct conn *c = LIST_ENTRY(n->due.next, struct conn, due);
                list_remove(&c->due);
                turn_one(c);
        }
        while (!list_empty(&n->later)) {
                struct list *link = n->later.next;
                list_remove(link);
                list_push(&n->due, link);
        }
        memset(n->spent_ns, 0, sizeof n->spent_ns);
        n->turn += n->asked;
        n->round += n->asked && !n->refused;
        n->asked = n->refused = false;
        return !list_empty(&n->due);
}

/* ---- effects that need no file of their own ---- */

void net_read(struct net *n, conn_id conn, bool start)
{
        struct conn *c = find(n, conn);
        if (c)
                net__hold(c, HOLD_CORE, !start);
}

void net_hold(struct net *n, enum port port, bool hold)
{
        if (n->held[port] == hold)
                return;
        n->held[port] = hold;
        for (struct list *l = n->conns.next; l != &n->conns; l = l->next) {
                struct conn *c = LIST_ENTRY(l, struct conn, all);
                if (c->port == port && (c->state == CONN_OPEN || c->state == CONN_DIALLING))
                        net__hold(c, HOLD_PORT, hold);
        }
}

uint64_t net_client_backlog(const struct net *n)
{
        return n->client_backlog;
}

size_t net_connections(const struct net *n)
{
        return n->by_id.count;
}

/* ---- beginning and end ---- */

struct net *net_new(uv_loop_t *loop, const struct net_limits *limits, net_event_fn fn, void *ctx)
{
        struct net *n = mem_zalloc(sizeof *n);
        *n = (struct net){.loop = loop, .limits = *limits, .fn = fn, .ctx = ctx, .turn = 1, .round = 1};
        map_init(&n->by_id);
        list_init(&n->conns);
        list_init(&n->due);
        list_init(&n->later);
        list_init(&n->dialling);
        list_init(&n->closing);
        int r = uv_timer_init(loop, &n->timeouts);
        assert(r == 0); /* only links the handle into the loop */
        r = uv_timer_init(loop, &n->rest);
        assert(r == 0);
        (void)r;
        n->timeouts.data = n;
        n->rest.data = n;
        n->read_buffer = mem_alloc(NET_READ_BYTES);
        n->gather = mem_alloc(NET_GATHER_BYTES);
        return n;
}

/* Closing connections keep what they have left to say, within NET_FINISH_MS. */
static void hurry(struct net *n)
{
        uint64_t latest = uv_now(n->loop) + NET_FINISH_MS;
        for (struct list *l = n->closing.next; l != &n->closing; l = l->next) {
                struct conn *c = LIST_ENTRY(l, struct conn, waiting);
                if (c->deadline_ms > latest)
                        c->deadline_ms = latest;
        }
        arm(n);
}

void net_finish(struct net *n)
{
        n->finishing = true;
        net_unlisten(n);
        uv_close((uv_handle_t *)&n->rest, NULL);
        for (struct list *l = n->conns.next, *next; l != &n->conns; l = next) {
                struct conn *c = LIST_ENTRY(l, struct conn, all);
                next = l->next; /* killing frees later, in the loop */
                if (c->state == CONN_OPEN || c->state == CONN_DIALLING)
                        net__kill(c);
        }
        hurry(n);
        while (net_turn(n))
                continue; /* only closing ones are left, and each is looked at once */
        finish_if_closed(n);
}

void net_free(struct net *n)
{
        if (!n)
                return;
        assert(list_empty(&n->conns) && n->listener_count == 0);
        map_done(&n->by_id);
        mem_free(n->read_buffer);
        mem_free(n->gather);
        mem_free(n);
}
