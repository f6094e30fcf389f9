/* Replies and notifications: how they are written, and how much of them a connection is sent before it has
 * taken what it got (zookeeper/client-protocol.md 2.6, 4, 7.1). */
#include "election/server/clients_internal.h"

#include <string.h>

/* The scratch writer gives back what a larger reply took. */
#define CLIENT_SCRATCH_KEEP_BYTES (1u << 20)

/* Work counts for this part of the bytes that were gone through. */
#define CLIENT_WORK_SHARE 8

/* ---- sending ---- */

void clients__scratch_rest(struct clients *c)
{
        if (c->scratch.capacity > CLIENT_SCRATCH_KEEP_BYTES)
                jute_writer_done(&c->scratch);
}

static void turn_counted(struct client *k, size_t size)
{
        struct clients *c = k->all;
        if (k->turn != c->turn)
                k->turn_bytes = 0;
        k->turn = c->turn;
        k->turn_bytes += size;
        c->turn_bytes += size;
}

/* Who is sent more in one step than the shell would keep unread can't have read it, and is not worth the
 * memory of the rest. */
static void send_counted(struct client *k, size_t size)
{
        struct clients *c = k->all;
        turn_counted(k, size);
        k->window += size;
        k->sent++;
        c->stats.sent++;
        c->stats.sent_bytes += size;
        if (k->turn_bytes > SERVER_CLIENT_BACKLOG_BYTES)
                client__doom(k, &c->stats.dropped_slow);
}

void client__weigh(struct client *k, size_t size)
{
        k->window += size / CLIENT_WORK_SHARE;
}

static void window_check(struct client *k, struct effects *fx)
{
        if (k->choked || k->window < CLIENT_WINDOW_BYTES)
                return;
        k->choked = true;
        k->window = 0;
        effect_notify_sent(fx, k->conn);
}

/* Takes over the reference. */
static void send_blob(struct client *k, struct blob *b, struct effects *fx)
{
        send_counted(k, b->len);
        effect_send(fx, k->conn, b);
        window_check(k, fx);
}

static struct blob *frame_blob(struct jute_writer *w)
{
        jute_patch_int(w, 0, (int32_t)(w->len - 4));
        return jute_writer_blob(w);
}

void client__send(struct client *k, struct effects *fx)
{
        if (!k->doomed)
                send_blob(k, frame_blob(&k->all->scratch), fx);
        clients__scratch_rest(k->all);
}

void client__sent(struct client *k, struct effects *fx)
{
        k->choked = false;
        k->all->moved = true;
        window_check(k, fx);
}

/* ---- replies ---- */

static struct jute_writer *frame_begin(struct clients *c, int32_t xid, int64_t zxid, int32_t err)
{
        struct jute_writer *w = &c->scratch;
        struct jute_reply_header header = {.xid = xid, .zxid = zxid, .err = err};
        jute_writer_reset(w);
        jute_put_int(w, 0);
        jute_put_reply_header(w, &header);
        return w;
}

struct jute_writer *client__reply_begin(struct client *k, int32_t xid, int64_t zxid, int32_t err)
{
        k->all->answer.xid = xid;
        k->all->answer.zxid = zxid;
        return frame_begin(k->all, xid, zxid, err);
}

static void stats_reply(struct clients_stats *s, size_t size)
{
        s->reply_size_last = size > INT32_MAX ? INT32_MAX : (int32_t)size;
        if (s->reply_size_min < 0 || s->reply_size_last < s->reply_size_min)
                s->reply_size_min = s->reply_size_last;
        if (s->reply_size_last > s->reply_size_max)
                s->reply_size_max = s->reply_size_last;
}

void client__reply_end(struct client *k, const struct event *e, uint64_t received_ns, struct effects *fx)
{
        stats_reply(&k->all->stats, k->all->scratch.len);
        client__answered(k, e, (e->now.mono_ns - received_ns) / 1000);
        client__send(k, fx);
}

void client__reply_error(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err,
                         uint64_t received_ns, struct effects *fx)
{
        (void)client__reply_begin(k, xid, zxid, err);
        client__reply_end(k, e, received_ns, fx);
}

/* ---- events ---- */

struct blob *clients__event(struct clients *c, int64_t zxid, enum watch_event type, struct jute_str path)
{
        enum { STATE_SYNC_CONNECTED = 3, XID_NOTIFICATION = -1 };
        struct jute_watcher_event event = {.type = (int32_t)type, .state = STATE_SYNC_CONNECTED, .path = path};
        struct jute_writer *w = frame_begin(c, XID_NOTIFICATION, zxid, ZK_OK);
        jute_put_watcher_event(w, &event);
        return frame_blob(w);
}

/* One transaction may concern many watches of many connections, and it can't be put off: past what all may be sent in
 * a step those go who were sent more than their share of it. */
static void shed_if_over(struct client *k)
{
        struct clients *c = k->all;
        if (c->turn_bytes > c->step_bytes_max && k->turn_bytes > c->step_bytes_max / c->by_conn.count)
                client__doom(k, &c->stats.dropped_slow);
}

void client__charge(struct client *k, size_t size)
{
        turn_counted(k, size / CLIENT_WORK_SHARE);
        shed_if_over(k);
}

void client__tell(struct client *k, struct blob *event, struct effects *fx)
{
        struct clients *c = k->all;
        if (k->doomed)
                return;
        c->stats.watch_bytes += event->len - 4;
        send_blob(k, blob_ref(event), fx);
        shed_if_over(k);
}

/* ---- the reply to a write ---- */

static void put_multi_op(struct jute_writer *w, const struct outcome_op *op)
{
        struct jute_multi_header header = {.type = op->type, .done = false, .err = op->err};
        if (op->type == OP_CREATE_CONTAINER || op->type == OP_CREATE_TTL)
                header.type = OP_CREATE2;
        jute_put_multi_header(w, &header);
        switch (header.type) {
        case OP_CREATE:
                jute_put_str(w, op->path);
                break;
        case OP_CREATE2:
                jute_put_str(w, op->path);
                jute_put_stat(w, &op->stat);
                break;
        case OP_SET_DATA:
                jute_put_stat(w, &op->stat);
                break;
        case OP_ERROR:
                jute_put_int(w, op->err);
                break;
        default:
                break;
        }
}

static void put_multi(struct jute_writer *w, const struct outcome *o)
{
        const struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        for (size_t i = 0; i < o->op_count; i++)
                put_multi_op(w, &o->ops[i]);
        jute_put_multi_header(w, &end);
}

static void put_op(struct jute_writer *w, int32_t opcode, const struct outcome_op *op)
{
        switch (opcode) {
        case OP_CREATE:
                jute_put_str(w, op->path);
                break;
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                jute_put_str(w, op->path);
                jute_put_stat(w, &op->stat);
                break;
        case OP_SET_DATA:
        case OP_SET_ACL:
                jute_put_stat(w, &op->stat);
                break;
        default:
                break;
        }
}

void client__write_reply(struct client *k, const struct event *e, const struct client_request *q,
                         const struct outcome *o, struct effects *fx)
{
        const bool multi = o->header.type == OP_MULTI;
        const int32_t err = multi ? ZK_OK : o->err;
        struct jute_writer *w = client__reply_begin(k, q->xid, o->header.zxid, err);
        clients__answering(k->all, o->header.type == OP_ERROR ? OP_ERROR : q->opcode);
        if (multi)
                put_multi(w, o);
        else if (!err && o->op_count)
                put_op(w, q->opcode, &o->ops[0]);
        client__reply_end(k, e, q->received_ns, fx);
}
