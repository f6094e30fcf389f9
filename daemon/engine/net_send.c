/* Sending: each connection has an outbox of blobs, shared with other connections and with the log. At the
 * end of a loop turn all of it goes to the kernel in as few calls as possible: small blobs are copied
 * together, larger ones referenced. What the socket does not take is handed to libuv, one request at a
 * time, straight from the blobs.
 *
 * A place where the core wants to hear that all before it is in the socket is an empty slot. */
#include "daemon/engine/net_internal.h"

#include "daemon/common/log.h"
#include "election/base/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Pieces of one write; the kernel takes up to 1024. */
#define WRITE_PIECES_MAX 64
/* A blob up to this size is copied next to its neighbours: cheaper than a piece of its own. */
#define SMALL_BYTES 512
/* An emptied outbox keeps at most this many slots. */
#define OUTBOX_KEEP 64

static struct blob **slot(struct outbox *o, size_t i)
{
        return &o->slots[(o->head + i) & (o->capacity - 1)];
}

static void grow(struct outbox *o)
{
        size_t capacity = o->capacity ? 2 * o->capacity : 8;
        struct blob **slots = pool_alloc(capacity * sizeof *slots);
        for (size_t i = 0; i < o->count; i++)
                slots[i] = *slot(o, i);
        pool_free(o->slots);
        o->slots = slots;
        o->capacity = capacity;
        o->head = 0;
}

/* Takes a reference of its own; NULL is a mark. */
static void push(struct outbox *o, struct blob *b)
{
        if (o->count == o->capacity)
                grow(o);
        *slot(o, o->count) = b ? blob_ref(b) : NULL;
        o->count++;
}

static void account(struct conn *c, size_t gone)
{
        assert(gone <= c->out.bytes);
        c->out.bytes -= gone;
        if (net__sort(c) == CONN_CLIENT)
                c->net->client_backlog -= gone;
}

static void shrink(struct outbox *o)
{
        if (o->count > 0 || o->capacity <= OUTBOX_KEEP)
                return;
        pool_free(o->slots);
        *o = (struct outbox){.bytes = o->bytes};
}

/* Takes the first slot out. */
static void pop(struct conn *c)
{
        struct outbox *o = &c->out;
        struct blob *b = *slot(o, 0);
        if (!b)
                c->sent_due++;
        blob_unref(b);
        o->head_sent = 0;
        o->head = (o->head + 1) & (o->capacity - 1);
        o->count--;
}

/* Takes marks and finished blobs off the front. */
static void pop_finished(struct conn *c)
{
        struct outbox *o = &c->out;
        while (o->count > 0 && (!*slot(o, 0) || (*slot(o, 0))->len == o->head_sent))
                pop(c);
        shrink(o);
}

/* The socket has taken `len` bytes more. */
static void consume(struct conn *c, size_t len)
{
        struct outbox *o = &c->out;
        account(c, len);
        pop_finished(c);
        while (len > 0) {
                struct blob *b = *slot(o, 0);
                size_t left = b->len - o->head_sent;
                size_t taken = len < left ? len : left;
                o->head_sent += (uint32_t)taken;
                len -= taken;
                pop_finished(c);
        }
}

/* Describes the front of the outbox as pieces, small blobs copied together. Returns their number. */
static unsigned gather(struct conn *c, uv_buf_t pieces[WRITE_PIECES_MAX], size_t *ret_bytes)
{
        struct outbox *o = &c->out;
        size_t used = 0; /* of the gathering buffer */
        unsigned count = 0;
        bool joins = false; /* the last piece ends where the buffer's free part begins */
        *ret_bytes = 0;
        for (size_t i = 0; i < o->count; i++) {
                struct blob *b = *slot(o, i);
                if (!b)
                        continue;
                uint32_t skip = i == 0 ? o->head_sent : 0;
                size_t len = b->len - skip;
                bool small = len <= SMALL_BYTES && used + len <= NET_GATHER_BYTES;
                if (!(small && joins) && count == WRITE_PIECES_MAX)
                        break;
                char *at = (char *)b->data + skip;
                if (small) {
                        at = (char *)c->net->gather + used;
                        memcpy(at, b->data + skip, len);
                        used += len;
                }
                if (small && joins)
                        pieces[count - 1].len += len;
                else
                        pieces[count++] = uv_buf_init(at, (unsigned)len);
                joins = small;
                *ret_bytes += len;
        }
        return count;
}

static void on_written(uv_write_t *req, int status)
{
        struct conn *c = req->data;
        size_t slots = c->writing;
        c->writing = 0;
        if (c->state == CONN_DEAD || c->failed)
                return;
        if (status < 0) {
                net__fail(c, status);
                return;
        }
        for (size_t i = 0; i < slots; i++) {
                struct blob *b = *slot(&c->out, 0);
                if (b)
                        account(c, b->len - c->out.head_sent);
                pop(c);
        }
        shrink(&c->out);
        net__due(c);
}

/* The socket is full: libuv writes on when it can, straight from the blobs, which stay where they are. */
static int write_later(struct conn *c)
{
        uv_buf_t pieces[WRITE_PIECES_MAX];
        struct outbox *o = &c->out;
        unsigned count = 0;
        size_t i = 0;
        for (; i < o->count && count < WRITE_PIECES_MAX; i++) {
                struct blob *b = *slot(o, i);
                uint32_t skip = i == 0 ? o->head_sent : 0;
                if (b)
                        pieces[count++] = uv_buf_init((char *)b->data + skip, b->len - skip);
        }
        c->write.data = c;
        int r = uv_write(&c->write, (uv_stream_t *)&c->tcp, pieces, count, on_written);
        if (r == 0)
                c->writing = i;
        return r;
}

/* A client that has begun to take its answers again is read from again. */
static void ease(struct conn *c)
{
        if ((c->holds & HOLD_BACKLOG) && c->out.bytes <= c->net->limits.client_read_pause_bytes / 2)
                net__hold(c, HOLD_BACKLOG, false);
}

int net__flush(struct conn *c)
{
        while (c->writing == 0) {
                uv_buf_t pieces[WRITE_PIECES_MAX];
                size_t want = 0;
                pop_finished(c);
                if (c->out.count == 0)
                        break;
                unsigned count = gather(c, pieces, &want);
                int r = uv_try_write((uv_stream_t *)&c->tcp, pieces, count);
                if (r < 0 && r != UV_EAGAIN)
                        return r;
                if (r > 0)
                        consume(c, (size_t)r);
                if (r < 0 || (size_t)r < want) {
                        r = write_later(c);
                        if (r < 0)
                                return r;
                }
        }
        ease(c);
        return 0;
}

void net__outbox_drop(struct conn *c)
{
        struct outbox *o = &c->out;
        while (o->count > c->writing) {
                struct blob *b = *slot(o, o->count - 1);
                if (b)
                        account(c, b->len - (o->count == 1 ? o->head_sent : 0));
                blob_unref(b);
                o->count--;
        }
}

void net__outbox_done(struct conn *c)
{
        struct outbox *o = &c->out;
        for (size_t i = 0; i < o->count; i++)
                blob_unref(*slot(o, i));
        pool_free(o->slots);
        *o = (struct outbox){0};
}

/* All clients together leave too much unread: the worst one goes. */
static void drop_largest(struct net *n)
{
        struct conn *worst = NULL;
        for (struct list *l = n->conns.next; l != &n->conns; l = l->next) {
                struct conn *c = LIST_ENTRY(l, struct conn, all);
                if (net__sort(c) == CONN_CLIENT && (!worst || c->out.bytes > worst->out.bytes))
                        worst = c;
        }
        assert(worst);
        log_warning("clients leave %llu bytes unread: dropping the one with the most (%zu bytes)",
                    (unsigned long long)n->client_backlog, worst->out.bytes);
        net__fail(worst, -ENOBUFS);
}

/* Judges the backlog after something was queued. */
static void judge_backlog(struct conn *c)
{
        struct net *n = c->net;
        bool client = net__sort(c) == CONN_CLIENT;
        size_t max = client ? n->limits.client_backlog_bytes : n->limits.peer_backlog_bytes;
        if (c->out.bytes > max) {
                /* The socket may have room: what one turn produced is not yet a backlog. */
                int r = c->state == CONN_DIALLING ? 0 : net__flush(c);
                if (r < 0 || c->out.bytes > max) {
                        net__fail(c, r < 0 ? r : -ENOBUFS);
                        return;
                }
        }
        if (client && c->out.bytes > n->limits.client_read_pause_bytes)
                net__hold(c, HOLD_BACKLOG, true);
        if (n->client_backlog > n->limits.client_backlog_total_bytes)
                drop_largest(n);
}

static struct conn *sendable(struct net *n, conn_id conn)
{
        struct conn *c = map_get(&n->by_id, conn);
        return c && !c->failed ? c : NULL;
}

void net_send(struct net *n, conn_id conn, struct blob *b)
{
        struct conn *c = sendable(n, conn);
        if (!c || b->len == 0)
                return;
        push(&c->out, b);
        c->out.bytes += b->len;
        if (net__sort(c) == CONN_CLIENT)
                n->client_backlog += b->len;
        net__due(c);
        judge_backlog(c);
}

void net_notify_sent(struct net *n, conn_id conn)
{
        struct conn *c = sendable(n, conn);
        if (!c)
                return;
        push(&c->out, NULL);
        net__due(c);
}
