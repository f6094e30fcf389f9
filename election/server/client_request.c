/* A session's requests in their order: what is answered at once, what waits, and the replies to what
 * the ensemble has decided (zookeeper/client-protocol.md 2.6, 4, 9). */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"
#include "election/server/prep.h"

#include <assert.h>
#include <string.h>

/* ---- replies ---- */

struct jute_writer *client__reply_begin(struct client *k, int32_t xid, int64_t zxid, int32_t err)
{
        struct jute_writer *w = &k->all->scratch;
        struct jute_reply_header header = {.xid = xid, .zxid = zxid, .err = err};
        jute_writer_reset(w);
        jute_put_int(w, 0);
        jute_put_reply_header(w, &header);
        return w;
}

static void stats_reply(struct clients_stats *s, size_t size, uint64_t latency_us)
{
        s->sent++;
        s->latency_count++;
        s->latency_sum_us += latency_us;
        if (latency_us > s->latency_max_us)
                s->latency_max_us = latency_us;
        if (s->latency_count == 1 || latency_us < s->latency_min_us)
                s->latency_min_us = latency_us;
        s->reply_size_last = (int32_t)size;
        if (s->reply_size_min < 0 || s->reply_size_last < s->reply_size_min)
                s->reply_size_min = s->reply_size_last;
        if (s->reply_size_last > s->reply_size_max)
                s->reply_size_max = s->reply_size_last;
}

void client__reply_end(struct client *k, const struct event *e, uint64_t received_ns, struct effects *fx)
{
        struct jute_writer *w = &k->all->scratch;
        jute_patch_int(w, 0, (int32_t)(w->len - 4));
        stats_reply(&k->all->stats, w->len, (e->now.mono_ns - received_ns) / 1000);
        k->sent++;
        effect_send(fx, k->conn, jute_writer_blob(w));
}

void client__reply_error(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err,
                         uint64_t received_ns, struct effects *fx)
{
        (void)client__reply_begin(k, xid, zxid, err);
        client__reply_end(k, e, received_ns, fx);
}

void client__notify(struct client *k, enum watch_event type, struct jute_str path, struct effects *fx)
{
        enum { STATE_SYNC_CONNECTED = 3, XID_NOTIFICATION = -1 };
        struct jute_watcher_event event = {.type = (int32_t)type, .state = STATE_SYNC_CONNECTED, .path = path};
        struct jute_writer *w = client__reply_begin(k, XID_NOTIFICATION, -1, 0);
        jute_put_watcher_event(w, &event);
        jute_patch_int(w, 0, (int32_t)(w->len - 4));
        k->sent++;
        k->all->stats.sent++;
        effect_send(fx, k->conn, jute_writer_blob(w));
}

/* ---- the queue ---- */

static struct client_request *queue_push(struct client *k, const struct event *e, enum request_kind kind,
                                         const struct jute_request_header *h, struct jute_str body)
{
        /* A write that leaves at once needs no copy of its body here. */
        size_t keep = body.len < 0 || (kind == REQUEST_WRITE && !k->behind_sync) ? 0 : (size_t)body.len;
        struct client_request *q = mem_alloc(sizeof *q + keep);
        q->kind = kind;
        q->submitted = false;
        q->xid = h->xid;
        q->opcode = h->type;
        q->received_ns = e->now.mono_ns;
        q->body_len = keep;
        if (keep)
                memcpy(q->body, body.data, keep);
        list_push(&k->queue, &q->link);
        k->queue_len++;
        k->queue_bytes += keep;
        k->all->stats.outstanding++;
        return q;
}

static struct client_request *queue_head(struct client *k)
{
        return list_empty(&k->queue) ? NULL : LIST_ENTRY(k->queue.next, struct client_request, link);
}

static void queue_drop(struct client *k, struct client_request *q)
{
        list_remove(&q->link);
        k->queue_len--;
        k->queue_bytes -= q->body_len;
        k->all->stats.outstanding--;
        mem_free(q);
}

void client__drop_queue(struct client *k)
{
        for (struct client_request *q = queue_head(k); q; q = queue_head(k))
                queue_drop(k, q);
}

static void client_run(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                       uint64_t received_ns, struct effects *fx)
{
        if (opcode == OP_ERROR) /* a write whose body could not be read */
                client__reply_error(k, e, xid, database_zxid(k->all->host.database(k->all->host.ctx)),
                                    ZK_MARSHALLING_ERROR, received_ns, fx);
        else
                client__read(k, e, xid, opcode, body, received_ns, fx);
}

/* Runs the reads at the head: what came before them is done. */
static void queue_run(struct client *k, const struct event *e, struct effects *fx)
{
        for (struct client_request *q = queue_head(k); q && q->kind == REQUEST_READ; q = queue_head(k)) {
                client_run(k, e, q->xid, q->opcode, jute_str_of(q->body, q->body_len), q->received_ns, fx);
                queue_drop(k, q);
        }
}

static bool queue_full(const struct client *k)
{
        const struct clients *c = k->all;
        return k->queue_len >= CLIENT_QUEUE_MAX || k->queue_bytes >= CLIENT_QUEUE_BYTES_MAX ||
               (k->queue_len && c->stats.outstanding >= c->config->outstanding_limit);
}

/* ---- requests ---- */

static void request_submit(struct client *k, const struct event *e, struct client_request *q, struct jute_str body,
                           struct effects *fx)
{
        struct clients *c = k->all;
        q->submitted = true;
        if (!c->host.submit(c->host.ctx, e, k->session, q->xid, q->opcode, body, k->ids, fx))
                queue_drop(k, q);
}

static void request_sync(struct client *k, const struct event *e, struct client_request *q, struct effects *fx)
{
        struct clients *c = k->all;
        struct client_sync *s = mem_alloc(sizeof *s);
        s->conn = k->conn;
        s->xid = q->xid;
        list_push(&c->syncs, &s->link);
        q->submitted = true;
        k->behind_sync = true;
        if (c->host.sync(c->host.ctx, e, k->session, q->xid, jute_str_of(q->body, q->body_len), k->ids, fx))
                return;
        list_remove(&s->link);
        mem_free(s);
        k->behind_sync = false;
        queue_drop(k, q);
}

/* A sync has been answered: what was held back behind it goes its way, up to the next sync. */
static void queue_release(struct client *k, const struct event *e, struct effects *fx)
{
        for (struct list *l = k->queue.next, *next; l != &k->queue; l = next) {
                struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                next = l->next;
                if (q->submitted || q->kind == REQUEST_READ)
                        continue;
                if (q->kind == REQUEST_SYNC) {
                        request_sync(k, e, q, fx); /* which may be answered, and the queue run, before it returns */
                        return;
                }
                request_submit(k, e, q, jute_str_of(q->body, q->body_len), fx);
        }
        queue_run(k, e, fx);
}

/* A sync is a barrier within its session. Its answer waits for a round of the quorum, so a later write of
 * the same session could commit before it, and a read between the two would see that write. */
static void client_submit(struct client *k, const struct event *e, const struct jute_request_header *h,
                          struct jute_str body, struct effects *fx)
{
        enum request_kind kind = h->type == OP_SYNC ? REQUEST_SYNC : REQUEST_WRITE;
        struct client_request *q = queue_push(k, e, kind, h, body);
        if (k->behind_sync)
                return;
        if (kind == REQUEST_SYNC)
                request_sync(k, e, q, fx);
        else
                request_submit(k, e, q, body, fx);
}

static void client_unimplemented(struct client *k, const struct event *e, int32_t xid, struct effects *fx)
{
        client__reply_error(k, e, xid, -1, ZK_UNIMPLEMENTED, e->now.mono_ns, fx);
        client__close(k, true, fx);
}

static bool sync_path(struct jute_str body, int32_t item_max, struct jute_str *ret)
{
        struct jute_reader r;
        struct jute_path sync;
        jute_reader_init(&r, body.data, (size_t)body.len, item_max);
        jute_get_path(&r, &sync);
        *ret = sync.path;
        return !r.error;
}

static bool client_writes(int32_t opcode)
{
        return opcode != OP_CREATE_SESSION && opcode != OP_DELETE_CONTAINER && prep_handles(opcode);
}

static void client_wait_or_run(struct client *k, const struct event *e, const struct jute_request_header *h,
                               struct jute_str body, struct effects *fx)
{
        if (list_empty(&k->queue))
                client_run(k, e, h->xid, h->type, body, e->now.mono_ns, fx);
        else
                (void)queue_push(k, e, REQUEST_READ, h, body);
}

/* Whether a write's or a sync's record can be read at all. */
static bool body_ok(const struct clients *c, int32_t opcode, struct jute_str body)
{
        struct jute_str path;
        return opcode == OP_SYNC ? sync_path(body, c->item_max, &path) : prep_body_ok(opcode, body, c->item_max);
}

void client__request(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx)
{
        struct clients *c = k->all;
        struct jute_reader r;
        struct jute_request_header h;
        jute_reader_init(&r, data, len, c->item_max);
        jute_get_request_header(&r, &h);
        if (r.error) {
                client__reject(k, fx);
                return;
        }
        struct jute_str body = jute_str_of(r.at, jute_left(&r));
        k->received++;
        c->stats.received++;
        c->host.touch(c->host.ctx, e, k->session, k->timeout_ms);

        bool asks = h.type == OP_SYNC || client_writes(h.type);
        if (!asks && !client__is_read(h.type)) {
                client_unimplemented(k, e, h.xid, fx);
                return;
        }
        if (asks && body_ok(c, h.type, body)) {
                if (h.type == OP_CLOSE_SESSION)
                        k->state = CLIENT_ENDING;
                client_submit(k, e, &h, body, fx);
        } else {
                if (asks)
                        h.type = OP_ERROR;
                client_wait_or_run(k, e, &h, body, fx);
        }
        if (queue_full(k))
                k->paused = true;
}

/* ---- outcomes ---- */

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

static void client_write_reply(struct client *k, const struct event *e, const struct client_request *q,
                               const struct outcome *o, struct effects *fx)
{
        const bool multi = o->header.type == OP_MULTI;
        const int32_t err = multi ? ZK_OK : o->err;
        struct jute_writer *w = client__reply_begin(k, q->xid, o->header.zxid, err);
        if (multi) {
                put_multi(w, o);
        } else if (!err && o->op_count) {
                const struct outcome_op *op = &o->ops[0];
                if (q->opcode == OP_CREATE || q->opcode == OP_CREATE2 || q->opcode == OP_CREATE_CONTAINER ||
                    q->opcode == OP_CREATE_TTL)
                        jute_put_str(w, op->path);
                if (q->opcode == OP_CREATE2 || q->opcode == OP_CREATE_CONTAINER || q->opcode == OP_CREATE_TTL ||
                    q->opcode == OP_SET_DATA || q->opcode == OP_SET_ACL)
                        jute_put_stat(w, &op->stat);
        }
        client__reply_end(k, e, q->received_ns, fx);
}

struct fire {
        struct clients *clients;
        struct effects *fx;
};

static void fire_one(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct fire *f = ctx;
        struct client *k = map_get(&f->clients->by_conn, conn);
        assert(k); /* watches are dropped with their connection */
        client__notify(k, type, path, f->fx);
}

static void session_closed(struct client *k, const struct event *e, const struct outcome *o, struct effects *fx)
{
        struct client_request *q = queue_head(k);
        if (k->state == CLIENT_ENDING && q && q->submitted && q->opcode == OP_CLOSE_SESSION &&
            q->xid == o->header.cxid) {
                client__reply_error(k, e, q->xid, o->header.zxid, ZK_OK, q->received_ns, fx);
                client__close(k, true, fx);
                return;
        }
        client__close(k, false, fx); /* expired: a bare close */
}

static bool is_answer(const struct client_request *q, const struct outcome *o)
{
        return q && q->kind == REQUEST_WRITE && q->submitted && q->xid == o->header.cxid;
}

void clients_applied(struct clients *c, const struct event *e, const struct outcome *o, struct effects *fx)
{
        struct fire fire = {.clients = c, .fx = fx};
        for (size_t i = 0; i < o->event_count; i++)
                watches_fire(c->watches, &o->events[i], fire_one, &fire);

        struct client *k = clients__find_session(c, o->header.session_id);
        if (!k)
                return;
        if (o->header.type == OP_CREATE_SESSION) {
                if (k->state == CLIENT_CREATING)
                        client__session_created(k, e, fx);
                return;
        }
        if (o->header.type == OP_CLOSE_SESSION) {
                session_closed(k, e, o, fx);
                return;
        }
        struct client_request *q = queue_head(k);
        if (!is_answer(q, o))
                return;
        if (o->err == ZK_SESSION_MOVED) {
                client__close(k, false, fx);
                return;
        }
        client_write_reply(k, e, q, o, fx);
        queue_drop(k, q);
        queue_run(k, e, fx);
}

static void sync_reply(struct client *k, const struct event *e, const struct client_request *q, struct effects *fx)
{
        struct clients *c = k->all;
        struct jute_str path;
        (void)sync_path(jute_str_of(q->body, q->body_len), c->item_max, &path); /* it could be read when it came */
        jute_put_str(client__reply_begin(k, q->xid, database_zxid(c->host.database(c->host.ctx)), ZK_OK), path);
        client__reply_end(k, e, q->received_ns, fx);
}

void clients_sync_done(struct clients *c, const struct event *e, struct effects *fx)
{
        if (list_empty(&c->syncs))
                return; /* its asker stopped being served meanwhile */
        struct client_sync *s = LIST_ENTRY(c->syncs.next, struct client_sync, link);
        struct client *k = map_get(&c->by_conn, s->conn);
        struct client_request *q = k ? queue_head(k) : NULL;
        list_remove(&s->link);
        if (q && q->kind == REQUEST_SYNC && q->submitted && q->xid == s->xid) {
                sync_reply(k, e, q, fx);
                queue_drop(k, q);
                k->behind_sync = false;
                queue_run(k, e, fx);
                list_push(&c->released, &k->released_link);
        }
        mem_free(s);
}

void clients_revalidated(struct clients *c, const struct event *e, int64_t session, bool valid, struct effects *fx)
{
        struct client *k = clients__find_session(c, session);
        if (k && k->state == CLIENT_RESUMING)
                client__session_resumed(k, e, valid, fx);
}

void clients_settle(struct clients *c, const struct event *e, struct effects *fx)
{
        while (!list_empty(&c->released)) {
                struct client *k = LIST_ENTRY(c->released.next, struct client, released_link);
                list_remove(&k->released_link);
                queue_release(k, e, fx);
        }
        struct list *last = c->paused.prev;
        for (struct list *l = c->paused.next, *next; l != &c->paused; l = next) {
                struct client *k = LIST_ENTRY(l, struct client, paused_link);
                bool end = l == last;
                next = l->next;
                if (!queue_full(k))
                        (void)client__resume_input(k, e, fx);
                if (end)
                        break;
        }
}
