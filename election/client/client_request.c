/* The queue of requests: kept in order, sent as far as the window allows.
 *
 * A request is encoded when it is made and gets its xid when it is sent, so that xids rise in the order of
 * sending whatever was thrown out of the queue in between. Source of the records: client-protocol.md 4. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Where a frame has its xid: after the length. */
#define XID_OFFSET CLIENT__LENGTH_SIZE

const struct client_call client__no_call;

/* ---- the door ---- */

int client__may_request(const struct client *c, const struct client_call *call)
{
        if (c->closing || c->state == CLIENT_EXPIRED || c->state == CLIENT_CLOSED)
                return -ESHUTDOWN;
        if (call->at_once && !client_is_connected(c))
                return -ENOTCONN;
        if (c->waiting_count + c->in_flight_count >= CLIENT_REQUESTS_MAX)
                return -ENOBUFS;
        return 0;
}

int client__may_ask(const struct client *c, const char *path, bool open_end, const struct client_call *call)
{
        int r = client__may_request(c, call);
        return r < 0 ? r : client__path_check(c, path, open_end);
}

void client__frame_begin(const struct client *c, struct jute_writer *w, int32_t op)
{
        struct jute_request_header h = {.xid = 0, .type = op};
        jute_writer_init(w, (size_t)c->max_buffer + XID_OFFSET);
        jute_put_int(w, 0);
        jute_put_request_header(w, &h);
}

struct blob *client__frame_end(struct jute_writer *w)
{
        jute_patch_int(w, 0, (int32_t)(w->len - XID_OFFSET));
        struct blob *b = jute_writer_blob(w);
        jute_writer_done(w);
        return b;
}

bool client__op_watches(int32_t op)
{
        return op == OP_EXISTS || op == OP_GET_DATA || op == OP_GET_CHILDREN || op == OP_GET_CHILDREN2;
}

int client__enqueue(struct client *c, int32_t op, struct jute_writer *w, const char *path,
                    const struct client_call *call, struct client_request **ret)
{
        bool watches = call->watch && (client__op_watches(op) || op == OP_ADD_WATCH);
        int r = 0;
        if (w->error)
                r = w->error;
        else if (c->waiting_bytes && c->waiting_bytes + w->len > CLIENT_WAITING_BYTES_MAX)
                r = -ENOBUFS;
        char *full = r == 0 && watches ? client__path_full(c, path) : NULL;
        if (full && !client__watch_reserve(c, strlen(full)))
                r = -ENOBUFS;
        if (r < 0) {
                mem_free(full);
                jute_writer_done(w);
                return r;
        }
        struct client_request *q = mem_zalloc(sizeof *q);
        q->op = op;
        q->size_bytes = w->len;
        q->frame = client__frame_end(w);
        q->at_once = call->at_once;
        q->done = call->done;
        q->ctx = call->ctx;
        q->watch = watches ? call->watch : NULL;
        q->watch_ctx = call->watch_ctx;
        q->watch_path = full;
        list_push(&c->waiting, &q->link);
        c->waiting_count++;
        c->waiting_bytes += q->size_bytes;
        if (ret)
                *ret = q;
        return 0;
}

/* ---- sending ---- */

static int32_t take_xid(struct client *c)
{
        int32_t xid = c->next_xid;
        /* Negative ones have meanings of their own: after the last comes 1, as in Java's client. */
        c->next_xid = xid == INT32_MAX ? 1 : xid + 1;
        return xid;
}

void client__frame_xid(struct blob *frame, int32_t xid)
{
        uint32_t v = (uint32_t)xid;
        for (int i = 0; i < 4; i++)
                frame->data[XID_OFFSET + i] = (uint8_t)(v >> (24 - 8 * i));
}

bool client__can_send(const struct client *c)
{
        if (c->phase != PHASE_OPEN || list_empty(&c->waiting) || c->in_flight_count >= CLIENT_IN_FLIGHT_MAX)
                return false;
        const struct client_request *q = LIST_ENTRY(c->waiting.next, struct client_request, link);
        return !c->in_flight_count || c->in_flight_bytes + q->size_bytes <= CLIENT_IN_FLIGHT_BYTES_MAX;
}

static void send_request(struct client *c, uint64_t now_ms, struct client_request *q, struct effects *fx)
{
        q->xid = take_xid(c);
        q->sent_ms = now_ms;
        q->conn = c->conn;
        client__frame_xid(q->frame, q->xid);
        effect_send(fx, c->conn, q->frame);
        q->frame = NULL;
        c->sent_ms = now_ms;
        list_push(&c->in_flight, &q->link);
        c->in_flight_count++;
        c->in_flight_bytes += q->size_bytes;
}

void client__send_waiting(struct client *c, uint64_t now_ms, struct effects *fx)
{
        if (c->phase == PHASE_OPEN)
                client__auth_send(c, now_ms, fx); /* whoever asks next may count on them */
        while (client__can_send(c)) {
                struct client_request *q = LIST_ENTRY(c->waiting.next, struct client_request, link);
                list_remove(&q->link);
                c->waiting_count--;
                c->waiting_bytes -= q->size_bytes;
                send_request(c, now_ms, q, fx);
        }
}

void client__send_ping(struct client *c, uint64_t now_ms, struct effects *fx)
{
        struct jute_writer w;
        client__frame_begin(c, &w, OP_PING);
        struct blob *frame = client__frame_end(&w);
        client__frame_xid(frame, CLIENT_XID_PING);
        effect_send(fx, c->conn, frame);
        c->sent_ms = now_ms;
}

void client__send_close(struct client *c, uint64_t now_ms, struct effects *fx)
{
        struct jute_writer w;
        struct client_request *q = mem_zalloc(sizeof *q);
        client__frame_begin(c, &w, OP_CLOSE_SESSION);
        q->op = OP_CLOSE_SESSION;
        q->size_bytes = w.len;
        q->frame = client__frame_end(&w);
        send_request(c, now_ms, q, fx);
        c->close_sent = true;
}

void client__take_waiting(struct client *c, bool at_once_only, struct list *ret)
{
        for (struct list *l = c->waiting.next, *next; l != &c->waiting; l = next) {
                struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                next = l->next;
                if (at_once_only && !q->at_once)
                        continue;
                list_remove(l);
                c->waiting_count--;
                c->waiting_bytes -= q->size_bytes;
                list_push(ret, l);
        }
}

void client__take_in_flight(struct client *c, struct list *ret)
{
        while (!list_empty(&c->in_flight)) {
                struct list *l = c->in_flight.next;
                list_remove(l);
                list_push(ret, l);
        }
        c->in_flight_count = c->in_flight_bytes = 0;
}
