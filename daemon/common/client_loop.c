/* The shell of one client. A wire is a connection as the client knows it (one name, whatever number of addresses is
 * tried for it); a socket is one libuv handle. What fails while effects are carried out is noted and told in the
 * timer's next turn, so the client is never stepped inside itself. */
#include "daemon/common/client_loop.h"

#include "daemon/common/clock.h"
#include "election/base/alloc.h"
#include "election/base/list.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one read. */
#define READ_BYTES (64u << 10)
/* Pieces of one write; the kernel takes up to 1024. */
#define WRITE_PIECES_MAX 256

struct wire;

/* One libuv handle and what libuv may still look at until it is closed. */
struct sock {
        uv_tcp_t tcp;
        uv_connect_t connect;
        uv_write_t write; /* one at a time, of the first `writing` blobs */
        uv_shutdown_t shutdown;
        struct wire *wire; /* NULL: nobody asks for it any more */
        struct blob **out;
        size_t out_count, out_capacity, writing;
        size_t out_bytes;
        uint32_t head_sent; /* bytes of the first blob that are gone */
};

struct lookup {
        uv_getaddrinfo_t request;
        struct wire *wire; /* NULL: given up while the resolver was busy */
};

enum wire_state {
        WIRE_DIALLING,
        WIRE_OPEN,
        WIRE_LINGERING, /* no business of the client's any more: passes on its last words */
};

struct wire {
        struct client_loop *loop;
        struct list link; /* lingering ones */
        conn_id id;
        enum wire_state state;
        uint16_t port;
        struct lookup *lookup; /* while resolving */
        struct sock *sock;
        struct sockaddr_storage addresses[CLIENT_LOOP_ADDRESSES_MAX];
        size_t address_count, next;
        int status;          /* of the dial so far: the first that is not ECONNREFUSED counts */
        uint64_t end_ms;     /* of the whole dial, or of lingering */
        uint64_t attempt_ms; /* when the next address is due */
        bool failed;         /* `status` is to be told */
};

struct client_loop {
        uv_loop_t *loop;
        uv_timer_t timer;
        struct client *client;
        struct effects fx;
        struct wire *wire; /* the client's present connection */
        struct list lingering;
        bool stepping;
        uint8_t in[READ_BYTES];
};

static void attempt(struct wire *w);
static void on_timer(uv_timer_t *timer);

/* ---- sockets ---- */

static void on_sock_closed(uv_handle_t *handle)
{
        struct sock *s = handle->data;
        for (size_t i = 0; i < s->out_count; i++)
                blob_unref(s->out[i]);
        mem_free(s->out);
        mem_free(s);
}

static void sock_close(struct sock *s)
{
        if (!s)
                return;
        s->wire = NULL;
        uv_close((uv_handle_t *)&s->tcp, on_sock_closed);
}

static struct sock *sock_new(struct wire *w)
{
        struct sock *s = mem_zalloc(sizeof *s);
        int r = uv_tcp_init(w->loop->loop, &s->tcp);
        assert(r == 0); /* no socket is made yet: nothing can fail */
        (void)r;
        s->tcp.data = s;
        s->wire = w;
        return s;
}

/* ---- wires ---- */

/* Has it told by the timer. */
static void fail(struct wire *w, int status)
{
        if (w->failed)
                return;
        w->failed = true;
        w->status = status;
        (void)uv_timer_start(&w->loop->timer, on_timer, 0, 0); /* fails without a callback only */
}

static void wire_free(struct wire *w)
{
        if (!w)
                return;
        if (w->lookup) {
                w->lookup->wire = NULL;
                (void)uv_cancel((uv_req_t *)&w->lookup->request); /* busy: the callback finds nobody */
        }
        sock_close(w->sock);
        list_remove(&w->link);
        mem_free(w);
}

/* ---- sending ---- */

static void out_pop(struct sock *s, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                s->out_bytes -= s->out[i]->len - s->head_sent;
                s->head_sent = 0;
                blob_unref(s->out[i]);
        }
        s->out_count -= count;
        memmove(s->out, s->out + count, s->out_count * sizeof *s->out);
}

static void out_sent(struct sock *s, size_t len)
{
        size_t whole = 0;
        while (whole < s->out_count && len >= s->out[whole]->len - (whole ? 0 : s->head_sent)) {
                len -= s->out[whole]->len - (whole ? 0 : s->head_sent);
                whole++;
        }
        out_pop(s, whole);
        s->head_sent += (uint32_t)len;
        s->out_bytes -= len;
}

static unsigned out_pieces(const struct sock *s, uv_buf_t pieces[WRITE_PIECES_MAX], size_t *ret_bytes)
{
        unsigned count = 0;
        *ret_bytes = 0;
        for (size_t i = 0; i < s->out_count && count < WRITE_PIECES_MAX; i++) {
                uint32_t skip = i == 0 ? s->head_sent : 0;
                pieces[count] = uv_buf_init((char *)s->out[i]->data + skip, s->out[i]->len - skip);
                *ret_bytes += pieces[count++].len;
        }
        return count;
}

static void finish_lingering(struct wire *w);
static int sock_flush(struct sock *s);

static void on_written(uv_write_t *request, int status)
{
        struct sock *s = request->data;
        size_t count = s->writing;
        s->writing = 0;
        if (!s->wire)
                return;
        if (status == 0) {
                out_pop(s, count);
                status = sock_flush(s);
        }
        if (status < 0)
                fail(s->wire, status);
        else if (s->wire->state == WIRE_LINGERING)
                finish_lingering(s->wire);
}

/* Writes what the kernel takes; libuv carries on with the rest. 0 or -errno. */
static int sock_flush(struct sock *s)
{
        while (!s->writing && s->out_count) {
                uv_buf_t pieces[WRITE_PIECES_MAX];
                size_t want = 0;
                unsigned count = out_pieces(s, pieces, &want);
                int r = uv_try_write((uv_stream_t *)&s->tcp, pieces, count);
                if (r < 0 && r != UV_EAGAIN)
                        return r;
                if (r > 0)
                        out_sent(s, (size_t)r);
                if (r >= 0 && (size_t)r == want)
                        continue;
                count = out_pieces(s, pieces, &want);
                s->write.data = s;
                r = uv_write(&s->write, (uv_stream_t *)&s->tcp, pieces, count, on_written);
                if (r < 0)
                        return r;
                s->writing = count;
        }
        return 0;
}

static void wire_send(struct wire *w, struct blob *b)
{
        struct sock *s = w->sock;
        if (w->failed || w->state != WIRE_OPEN || b->len == 0)
                return;
        s->out = mem_grow(s->out, &s->out_capacity, s->out_count + 1, sizeof *s->out);
        s->out[s->out_count++] = blob_ref(b);
        s->out_bytes += b->len;
}

/* At the end of a step: all it asked for in one go. */
static void wire_flush(struct wire *w)
{
        if (!w || w->failed || w->state != WIRE_OPEN)
                return;
        int r = sock_flush(w->sock);
        if (r < 0)
                fail(w, r);
        else if (w->sock->out_bytes > CLIENT_LOOP_BACKLOG_BYTES)
                fail(w, -ENOBUFS);
}

/* ---- steps ---- */

static void carry_out(struct client_loop *l);

/* Every step of the client stands between these two. */
static uint64_t step_begin(struct client_loop *l)
{
        assert(!l->stepping);
        l->stepping = true;
        return clock_boottime_ms();
}

static void step_end(struct client_loop *l)
{
        l->stepping = false;
        carry_out(l);
}

static void tell_dialled(struct wire *w, int status)
{
        struct client_loop *l = w->loop;
        conn_id id = w->id;
        if (status < 0) {
                wire_free(w);
                l->wire = NULL;
        }
        uint64_t now = step_begin(l);
        client_conn_dialled(l->client, now, id, status, &l->fx);
        step_end(l);
}

static void tell_closed(struct wire *w, int status)
{
        struct client_loop *l = w->loop;
        conn_id id = w->id;
        wire_free(w);
        l->wire = NULL;
        uint64_t now = step_begin(l);
        client_conn_closed(l->client, now, id, status, &l->fx);
        step_end(l);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct sock *s = handle->data;
        (void)suggested;
        *ret = s->wire ? uv_buf_init((char *)s->wire->loop->in, READ_BYTES) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
        struct sock *s = stream->data;
        struct wire *w = s->wire;
        if (!w || len == 0)
                return;
        if (w->state == WIRE_LINGERING) {
                if (len < 0)
                        wire_free(w); /* the other side has read all, or is gone */
                return;
        }
        if (w->failed)
                return; /* told in a moment; nothing comes after a failure */
        if (len < 0) {
                tell_closed(w, len == UV_EOF ? 0 : (int)len);
                return;
        }
        struct client_loop *l = w->loop;
        uint64_t now = step_begin(l);
        client_conn_bytes(l->client, now, w->id, (const uint8_t *)buffer->base, (size_t)len, &l->fx);
        step_end(l);
}

/* ---- dialling ---- */

static void note(struct wire *w, int status)
{
        if (w->status == 0 || w->status == -ECONNREFUSED)
                w->status = status;
}

/* On loopback, dialling a port that nobody listens on can meet itself: the kernel picks that very port as
 * the local one, and the two ends of a simultaneous open are the same socket. */
static bool met_itself(const uv_tcp_t *tcp)
{
        struct sockaddr_storage local = {0}, remote = {0};
        int local_len = sizeof local, remote_len = sizeof remote;
        return uv_tcp_getsockname(tcp, (struct sockaddr *)&local, &local_len) == 0 &&
               uv_tcp_getpeername(tcp, (struct sockaddr *)&remote, &remote_len) == 0 && local_len == remote_len &&
               memcmp(&local, &remote, (size_t)local_len) == 0;
}

static void on_connected(uv_connect_t *request, int status)
{
        struct sock *s = request->data;
        struct wire *w = s->wire;
        if (!w || w->failed)
                return;
        if (status == 0 && met_itself(&s->tcp))
                status = -ECONNREFUSED;
        if (status == 0)
                status = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
        if (status < 0) {
                note(w, status);
                attempt(w);
                return;
        }
        (void)uv_tcp_nodelay(&s->tcp, 1); /* slower without, nothing worse */
        w->state = WIRE_OPEN;
        tell_dialled(w, 0);
}

/* Tries the addresses that are left, until one attempt is under way. */
static void attempt(struct wire *w)
{
        while (w->next < w->address_count) {
                uint64_t now = clock_boottime_ms();
                uint64_t left = w->end_ms > now ? w->end_ms - now : 0;
                const struct sockaddr *address = (const struct sockaddr *)&w->addresses[w->next];
                sock_close(w->sock);
                w->sock = sock_new(w);
                w->attempt_ms = now + left / (w->address_count - w->next);
                w->next++;
                w->sock->connect.data = w->sock;
                int r = uv_tcp_connect(&w->sock->connect, &w->sock->tcp, address, on_connected);
                if (r == 0)
                        return;
                note(w, r);
        }
        fail(w, w->status);
}

/* Resolver codes are libuv's own; the client knows errno only. */
static int resolver_errno(int status)
{
        switch (status) {
        case UV_EAI_MEMORY:
                return -ENOMEM;
        case UV_EAI_AGAIN:
                return -EAGAIN;
        case UV_ECANCELED:
                return -ECANCELED;
        default:
                return -EHOSTUNREACH;
        }
}

static void take_addresses(struct wire *w, const struct addrinfo *list)
{
        for (; list && w->address_count < CLIENT_LOOP_ADDRESSES_MAX; list = list->ai_next) {
                struct sockaddr_storage *a = &w->addresses[w->address_count];
                if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) || list->ai_addrlen > sizeof *a)
                        continue;
                memcpy(a, list->ai_addr, list->ai_addrlen);
                if (a->ss_family == AF_INET6)
                        ((struct sockaddr_in6 *)a)->sin6_port = htons(w->port);
                else
                        ((struct sockaddr_in *)a)->sin_port = htons(w->port);
                w->address_count++;
        }
}

/* Attempts made outside the timer: their deadlines are to be kept. */
static void arm(struct client_loop *l);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
        struct lookup *lookup = request->data;
        struct wire *w = lookup->wire;
        mem_free(lookup);
        if (w) {
                w->lookup = NULL;
                if (status == 0)
                        take_addresses(w, list);
                if (w->address_count == 0)
                        w->status = status < 0 ? resolver_errno(status) : -EHOSTUNREACH;
                if (!w->failed)
                        attempt(w);
                arm(w->loop);
        }
        uv_freeaddrinfo(list);
}

static void resolve(struct wire *w, const char *host)
{
        static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        struct lookup *lookup = mem_zalloc(sizeof *lookup);
        lookup->request.data = lookup;
        lookup->wire = w;
        int r = uv_getaddrinfo(w->loop->loop, &lookup->request, on_resolved, host, NULL, &hints);
        if (r < 0) {
                mem_free(lookup);
                fail(w, r == UV_ENOMEM ? -ENOMEM : -EHOSTUNREACH); /* a name that no resolver takes */
                return;
        }
        w->lookup = lookup;
}

static void dial(struct client_loop *l, const struct effect *e)
{
        uint64_t now = clock_boottime_ms(), gives_up = client_deadline(l->client);
        struct wire *w = mem_zalloc(sizeof *w);
        assert(!l->wire); /* a client has one connection at a time */
        l->wire = w;
        w->loop = l;
        w->id = e->conn;
        w->port = e->peer.port;
        w->end_ms = now + CLIENT_LOOP_DIAL_MS < gives_up ? now + CLIENT_LOOP_DIAL_MS : gives_up;
        w->attempt_ms = w->end_ms;
        list_init(&w->link);
        if (uv_ip4_addr(e->peer.host, w->port, (struct sockaddr_in *)&w->addresses[0]) == 0 ||
            uv_ip6_addr(e->peer.host, w->port, (struct sockaddr_in6 *)&w->addresses[0]) == 0) {
                w->address_count = 1;
                attempt(w);
        } else {
                resolve(w, e->peer.host);
        }
}

/* ---- closing ---- */

static void on_shut(uv_shutdown_t *request, int status)
{
        struct sock *s = request->data;
        if (s->wire && status < 0)
                wire_free(s->wire);
}

/* All is written: our end is told, theirs awaited, since a close over unread bytes would undo what was sent. */
static void finish_lingering(struct wire *w)
{
        w->sock->shutdown.data = w->sock;
        if (uv_shutdown(&w->sock->shutdown, (uv_stream_t *)&w->sock->tcp, on_shut) < 0)
                wire_free(w);
}

static void hang_up(struct client_loop *l, bool flush)
{
        struct wire *w = l->wire;
        l->wire = NULL;
        if (!flush || w->failed || w->state != WIRE_OPEN || sock_flush(w->sock) < 0) {
                wire_free(w);
                return;
        }
        w->state = WIRE_LINGERING;
        w->end_ms = clock_boottime_ms() + CLIENT_LOOP_LINGER_MS;
        list_push(&l->lingering, &w->link);
        if (!w->sock->writing)
                finish_lingering(w);
}

/* ---- the turn ---- */

static void apply(struct client_loop *l, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_DIAL:
                dial(l, e);
                break;
        case EFFECT_SEND:
                if (l->wire && l->wire->id == e->conn)
                        wire_send(l->wire, e->send.blob);
                break;
        case EFFECT_CLOSE:
                if (l->wire && l->wire->id == e->conn)
                        hang_up(l, e->close.flush);
                break;
        default:
                abort(); /* a client asks for nothing else */
        }
}

static void carry_out(struct client_loop *l)
{
        for (size_t i = 0; i < l->fx.count; i++)
                apply(l, &l->fx.list[i]);
        effects_reset(&l->fx);
        wire_flush(l->wire);
        arm(l);
}

static void arm(struct client_loop *l)
{
        uint64_t at = client_deadline(l->client), now = clock_boottime_ms();
        if (l->wire && l->wire->failed)
                at = 0;
        if (l->wire && l->wire->state == WIRE_DIALLING && l->wire->attempt_ms < at)
                at = l->wire->attempt_ms;
        for (const struct list *k = l->lingering.next; k != &l->lingering; k = k->next) {
                const struct wire *w = LIST_ENTRY(k, struct wire, link);
                if (w->failed || w->end_ms < at)
                        at = w->failed ? 0 : w->end_ms;
        }
        if (at == UINT64_MAX) {
                (void)uv_timer_stop(&l->timer); /* never fails */
                return;
        }
        uv_update_time(l->loop); /* a timer counts from the loop's own idea of now */
        (void)uv_timer_start(&l->timer, on_timer, at > now ? at - now : 0, 0); /* fails without a callback only */
}

static void end_lingering(struct client_loop *l, uint64_t now_ms)
{
        for (struct list *k = l->lingering.next, *next; k != &l->lingering; k = next) {
                struct wire *w = LIST_ENTRY(k, struct wire, link);
                next = k->next;
                if (w->failed || now_ms >= w->end_ms)
                        wire_free(w);
        }
}

static void on_timer(uv_timer_t *timer)
{
        struct client_loop *l = timer->data;
        struct wire *w = l->wire;
        uint64_t now = clock_boottime_ms();
        end_lingering(l, now);
        if (w && w->failed) {
                if (w->state == WIRE_DIALLING)
                        tell_dialled(w, w->status);
                else
                        tell_closed(w, w->status);
        } else if (w && w->state == WIRE_DIALLING && now >= w->attempt_ms) {
                note(w, -ETIMEDOUT);
                attempt(w); /* the next address, or none is left */
        }
        now = step_begin(l);
        client_tick(l->client, now, &l->fx);
        step_end(l);
}

/* ---- what the owner calls ---- */

int client_loop_new(uv_loop_t *loop, struct client *client, struct client_loop **ret)
{
        struct client_loop *l = mem_zalloc(sizeof *l);
        int r = uv_timer_init(loop, &l->timer);
        if (r < 0) {
                mem_free(l);
                return r;
        }
        l->loop = loop;
        l->client = client;
        l->timer.data = l;
        effects_init(&l->fx);
        list_init(&l->lingering);
        *ret = l;
        return 0;
}

struct client *client_loop_client(struct client_loop *l)
{
        return l->client;
}

void client_loop_start(struct client_loop *l)
{
        bool within = l->stepping;
        client_start(l->client, within ? clock_boottime_ms() : step_begin(l), &l->fx);
        if (!within)
                step_end(l);
}

void client_loop_close(struct client_loop *l, uint64_t wait_ms)
{
        bool within = l->stepping;
        client_close(l->client, within ? clock_boottime_ms() : step_begin(l), wait_ms, &l->fx);
        if (!within)
                step_end(l);
}

void client_loop_flush(struct client_loop *l)
{
        if (l->stepping)
                return; /* it goes out when the event ends */
        client_flush(l->client, step_begin(l), &l->fx);
        step_end(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
        mem_free(handle->data);
}

void client_loop_free(struct client_loop *l)
{
        if (!l)
                return;
        assert(!l->stepping);
        l->stepping = true; /* the last callbacks may flush: to nowhere */
        client_free(l->client);
        l->client = NULL;
        wire_free(l->wire);
        l->wire = NULL;
        while (!list_empty(&l->lingering))
                wire_free(LIST_ENTRY(l->lingering.next, struct wire, link));
        effects_done(&l->fx);
        uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
