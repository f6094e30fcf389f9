/* Bytes in: frames, and what a frame means. Lengths are checked before they are trusted; what no server may say
 * ends the connection. Source: client-protocol.md 1, 2.6, 7.1. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A buffer beyond this is given back when its frame has been read. */
#define IN_KEEP_BYTES (64u << 10)

void client__protocol_error(struct client *c, uint64_t now_ms, const char *what, struct effects *fx)
{
        const struct client_server *s = client_server(c);
        client__because(c, "%s:%u: %s", s->host, s->port, what);
        client__lose(c, now_ms, -EPROTO, true, fx);
}

/* Longest reply: the server puts no bound on its own, Java's client takes jute.maxbuffer; the slack that ZooKeeper
 * grants to what is inside a frame is granted here too, where nobody has asked for more. */
static int64_t reply_max(const struct client *c)
{
        if (c->max_reply)
                return c->max_reply;
        return (int64_t)c->max_buffer + (c->max_buffer > JUTE_EXTRA_DEFAULT ? c->max_buffer : JUTE_EXTRA_DEFAULT);
}

static void notified(struct client *c, uint64_t now_ms, struct jute_reader *r, struct effects *fx)
{
        struct jute_watcher_event e;
        jute_get_watcher_event(r, &e);
        if (r->error || e.type < CLIENT_EVENT_CREATED || e.type > CLIENT_EVENT_CHILDREN) {
                client__protocol_error(c, now_ms, "sent a notification that means nothing", fx);
                return;
        }
        client__watch_fire(c, (enum client_event)e.type, e.path);
}

static void replied(struct client *c, uint64_t now_ms, const struct jute_reply_header *h, struct jute_reader *r,
                    struct effects *fx)
{
        char text[96];
        const struct client_request *q =
                list_empty(&c->in_flight) ? NULL : LIST_ENTRY(c->in_flight.next, struct client_request, link);
        if (!q || q->xid != h->xid) {
                (void)snprintf(text, sizeof text, "answered request %" PRId32 ", due was %" PRId32, h->xid,
                               q ? q->xid : 0);
                client__protocol_error(c, now_ms, text, fx);
                return;
        }
        bool farewell = q->op == OP_CLOSE_SESSION;
        /* Known before the completion runs: a callback that saves the session saves this too. Only replies count:
         * a notification's transaction may have more watches to come, which setWatches must not skip. */
        int64_t before = c->session.last_zxid;
        if (h->zxid > before)
                c->session.last_zxid = h->zxid;
        if (!client__answer(c, h, r)) {
                c->session.last_zxid = before;
                client__protocol_error(c, now_ms, "sent a malformed reply", fx);
                return;
        }
        if (farewell) {
                effect_close(fx, c->conn, false);
                c->conn = 0;
                client__because(c, "the session was closed");
                client__end(c, CLIENT_CLOSED, h->err == ZK_OK || h->err == ZK_SESSION_EXPIRED ? 0 : -EPROTO);
        }
}

static void frame(struct client *c, uint64_t now_ms, const uint8_t *data, size_t len, struct effects *fx)
{
        struct jute_reader r;
        struct jute_reply_header h;
        if (c->phase == PHASE_HANDSHAKE) {
                client__handshake_reply(c, now_ms, data, len, fx);
                return;
        }
        jute_reader_init(&r, data, len, (int32_t)len);
        jute_get_reply_header(&r, &h);
        if (r.error)
                client__protocol_error(c, now_ms, "sent a reply without a header", fx);
        else if (h.xid == CLIENT_XID_NOTIFICATION)
                notified(c, now_ms, &r, fx);
        else if (h.xid == CLIENT_XID_AUTH) {
                if (!client__auth_answer(c, &h, fx))
                        client__protocol_error(c, now_ms, "answered an authentication that nobody asked for", fx);
        } else if (h.xid == CLIENT_XID_SET_WATCHES && h.err != ZK_OK)
                client__protocol_error(c, now_ms, "refused to set watches again", fx);
        else if (h.xid != CLIENT_XID_SET_WATCHES && h.xid != CLIENT_XID_PING)
                replied(c, now_ms, &h, &r, fx);
}

/* What the frame that begins at `data` has behind its length field. */
static uint32_t frame_length(const uint8_t *data)
{
        return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void reply_too_long(struct client *c, uint64_t now_ms, uint32_t length, struct effects *fx)
{
        char text[96];
        (void)snprintf(text, sizeof text, "announced a reply of %" PRIu32 " bytes; %" PRId64 " are taken at most",
                       length, reply_max(c));
        client__protocol_error(c, now_ms, text, fx);
}

/* Adds what is missing for the frame that has begun in c->in. Returns how many bytes were used. */
static size_t gather(struct client *c, const uint8_t *data, size_t len, size_t want)
{
        size_t take = want - c->in_len < len ? want - c->in_len : len;
        c->in = mem_grow(c->in, &c->in_capacity, c->in_len + take, 1);
        memcpy(c->in + c->in_len, data, take);
        c->in_len += take;
        return take;
}

static void gathered_frame(struct client *c, uint64_t now_ms, struct effects *fx)
{
        /* The buffer is out of the client's hands while callbacks run: dropping the connection clears it. */
        uint8_t *in = c->in;
        size_t len = c->in_len, capacity = c->in_capacity;
        c->in = NULL;
        c->in_len = c->in_capacity = 0;
        frame(c, now_ms, in + CLIENT__LENGTH_SIZE, len - CLIENT__LENGTH_SIZE, fx);
        if (c->in || capacity > IN_KEEP_BYTES) {
                mem_free(in);
                return;
        }
        c->in = in;
        c->in_capacity = capacity;
}

/* Takes one frame, or the beginning of one. Returns how many bytes of `data` were used; 0: a protocol error. */
static size_t take(struct client *c, uint64_t now_ms, const uint8_t *data, size_t len, struct effects *fx)
{
        size_t used = 0;
        if (c->in_len < CLIENT__LENGTH_SIZE && (c->in_len || len < CLIENT__LENGTH_SIZE)) {
                used = gather(c, data, len, CLIENT__LENGTH_SIZE);
                if (c->in_len < CLIENT__LENGTH_SIZE)
                        return used;
        }
        const uint32_t length = frame_length(c->in_len ? c->in : data);
        if (length > reply_max(c)) {
                reply_too_long(c, now_ms, length, fx);
                return 0;
        }
        const size_t size = (size_t)length + CLIENT__LENGTH_SIZE;
        if (!c->in_len && size <= len) { /* whole: no need to copy */
                frame(c, now_ms, data + CLIENT__LENGTH_SIZE, length, fx);
                return size;
        }
        used += gather(c, data + used, len - used, size);
        if (c->in_len == size)
                gathered_frame(c, now_ms, fx);
        return used;
}

void client_conn_bytes(struct client *c, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len,
                       struct effects *fx)
{
        if (conn == 0 || conn != c->conn)
                return;
        c->received_ms = now_ms;
        while (len > 0 && conn == c->conn && (c->phase == PHASE_HANDSHAKE || c->phase == PHASE_OPEN)) {
                size_t used = take(c, now_ms, data, len, fx);
                if (!used)
                        break;
                data += used;
                len -= used;
        }
        client_flush(c, now_ms, fx);
}
