/* A session's requests in their order: what is answered at once, what waits, and what follows when the
 * ensemble has decided (zookeeper/client-protocol.md 2.6, 4, 9). */
#include "election/server/clients_internal.h"

#include "election/base/plant.h"
#include "election/server/audit.h"
#include "election/server/prep.h"

#include <assert.h>

/* ---- reads in their turn ---- */

static void client_run(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                       const struct blob *ids, uint64_t received_ns, struct effects *fx)
{
        clients__answering(k->all, opcode);
        if (opcode == OP_ERROR) /* a write whose body could not be read */
                client__reply_error(k, e, xid, clients__zxid(k->all), ZK_MARSHALLING_ERROR, received_ns, fx);
        else
                client__read(k, e, xid, opcode, body, ids, received_ns, fx);
}

/* Runs the reads at the head: what came before them is done. A role that ended within this step has left
 * transactions in the database that may never be committed: no more is read then. */
static void queue_run(struct client *k, const struct event *e, struct effects *fx)
{
        for (struct client_request *q = client__head(k); q && q->kind == REQUEST_READ && !k->doomed && k->all->serving;
             q = client__head(k)) {
                client_run(k, e, q->xid, q->opcode, jute_str_of(q->body, q->body_len), q->ids, q->received_ns, fx);
                client__drop(k, q);
        }
}

/* ---- asking the ensemble ---- */

/* It won't be executed, so nothing that follows it may be: the connection is about to be closed, by the end of
 * its session or of this server's role. */
static void request_refused(struct client *k, struct client_request *q)
{
        client__drop_from(k, q);
        client__set_state(k, CLIENT_ENDING);
}

/* False: refused, `q` and what was behind it are gone. */
static bool request_submit(struct client *k, const struct event *e, struct client_request *q, struct jute_str body,
                           struct effects *fx)
{
        struct clients *c = k->all;
        q->submitted = true;
        q->zxid = c->host.submit(c->host.ctx, e, k->session, q->xid, q->opcode, body, client__ids(q->ids), fx);
        if (q->zxid)
                return true;
        request_refused(k, q);
        return false;
}

/* May be answered, and the queue run, before it returns: `q` is gone then. */
static void request_sync(struct client *k, const struct event *e, struct client_request *q, struct effects *fx)
{
        struct clients *c = k->all;
        struct client_asked *a = clients__ask(c, &c->syncs, k->conn);
        if (!a) {
                client__doom(k, &c->stats.rejected);
                return;
        }
        a->xid = q->xid;
        q->submitted = true;
        k->behind_sync = true;
        if (c->host.sync(c->host.ctx, e, k->session, q->xid, jute_str_of(q->body, q->body_len), client__ids(q->ids),
                         fx))
                return;
        clients__asked_done(c, a);
        request_refused(k, q);
}

/* A sync has been answered: what was held back behind it goes its way, up to the next sync. */
static void queue_release(struct client *k, const struct event *e, struct effects *fx)
{
        k->behind_sync = false;
        for (struct list *l = k->queue.next, *next; l != &k->queue; l = next) {
                struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                next = l->next;
                if (q->submitted || q->kind == REQUEST_READ)
                        continue;
                if (q->kind == REQUEST_SYNC) {
                        request_sync(k, e, q, fx);
                        return;
                }
                if (!request_submit(k, e, q, jute_str_of(q->body, q->body_len), fx))
                        break;
        }
        queue_run(k, e, fx);
}

void client__submit_held(struct client *k, const struct event *e, struct effects *fx)
{
        if (!k->all->serving || !k->behind_sync)
                return;
        for (struct list *l = k->queue.next; l != &k->queue; l = l->next) {
                struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                if (q->submitted || q->kind != REQUEST_WRITE)
                        continue;
                if (!request_submit(k, e, q, jute_str_of(q->body, q->body_len), fx))
                        return;
        }
}

/* A sync is a barrier within its session. Its answer waits for a round of the quorum, so a later write of
 * the same session could commit before it, and a read between the two would see that write. */
static void client_submit(struct client *k, const struct event *e, const struct jute_request_header *h,
                          struct jute_str body, struct effects *fx)
{
        /* A write that leaves at once needs no copy of its body here, but to tell of it when it is done. */
        enum request_kind kind = h->type == OP_SYNC ? REQUEST_SYNC : REQUEST_WRITE;
        const bool keep = kind == REQUEST_SYNC || k->behind_sync || k->all->config->audit;
        struct client_request *q = client__push(k, e, kind, h, body, keep);
        if (k->behind_sync)
                return;
        if (kind == REQUEST_SYNC)
                request_sync(k, e, q, fx);
        else
                (void)request_submit(k, e, q, body, fx);
}

void client__refuse(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err, struct effects *fx)
{
        client__submit_held(k, e, fx);
        client__reply_error(k, e, xid, zxid, err, e->now.mono_ns, fx);
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
                client_run(k, e, h->xid, h->type, body, k->ids, e->now.mono_ns, fx);
        else
                (void)client__push(k, e, REQUEST_READ, h, body, true);
}

/* Whether a write's or a sync's record can be read at all. */
static bool body_ok(const struct clients *c, int32_t opcode, struct jute_str body)
{
        struct jute_str path;
        return opcode == OP_SYNC ? sync_path(body, c->item_max, &path) : prep_body_ok(opcode, body, c->item_max);
}

/* What needs the ensemble is refused whatever it says; of opcodes that nobody may send that alone which ZooKeeper
 * refuses so (observed on 3.9.5). */
static bool client_take_read_only(struct client *k, const struct event *e, const struct jute_request_header *h,
                                  struct effects *fx)
{
        struct clients *c = k->all;
        const int64_t zxid = clients__zxid(c);
        if (h->type == OP_CLOSE_SESSION) {
                c->host.local_end(c->host.ctx, k->session);
                clients__answering(c, h->type);
                client__reply_error(k, e, h->xid, zxid, ZK_OK, e->now.mono_ns, fx);
                client__close(k, true, fx);
                return true;
        }
        if (h->type != OP_SYNC && (h->type == OP_CREATE_SESSION || !prep_handles(h->type)))
                return false;
        clients__answering(c, h->type);
        client__reply_error(k, e, h->xid, zxid, ZK_NOT_READ_ONLY, e->now.mono_ns, fx);
        return true;
}

static void client_take(struct client *k, const struct event *e, struct jute_request_header *h, struct jute_str body,
                        struct effects *fx)
{
        if (k->all->read_only && client_take_read_only(k, e, h, fx))
                return;
        bool asks = h->type == OP_SYNC || client_writes(h->type);
        if (!asks && !client__is_read(h->type)) {
                k->all->stats.bad_input++;
                client__refuse(k, e, h->xid, -1, ZK_UNIMPLEMENTED, fx);
                return;
        }
        if (!asks || !body_ok(k->all, h->type, body)) {
                if (asks)
                        h->type = OP_ERROR;
                client_wait_or_run(k, e, h, body, fx);
                return;
        }
        if (h->type == OP_CLOSE_SESSION)
                client__set_state(k, CLIENT_ENDING);
        client_submit(k, e, h, body, fx);
}

static void client_unauthenticated(struct client *k, const struct event *e, int32_t xid, struct effects *fx)
{
        const struct jute_str none = {.len = -1};
        audit_auth(k, none, ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH, fx);
        client__refuse(k, e, xid, 0, ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH, fx);
}

/* Writes of a session that has moved are refused by their transactions, a close of it is executed. Reads and syncs
 * go on at the old server, but not where it leads: that one knows (observed on 3.9.5). */
static void client_touch_and_take(struct client *k, const struct event *e, struct jute_request_header *h,
                                  struct jute_str body, struct effects *fx)
{
        struct clients *c = k->all;
        enum session_check check = c->host.touch(c->host.ctx, e, k->session, k->timeout_ms);
        if (check == SESSION_EXPIRED)
                client__set_state(k, CLIENT_ENDING); /* its end is on its way (client-protocol.md 3.2) */
        else if (check == SESSION_MOVED && (h->type == OP_SYNC || client__is_read(h->type)))
                client__close(k, false, fx);
        else
                client_take(k, e, h, body, fx);
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
        k->received++;
        c->stats.received++;
        struct jute_str body = jute_str_of(r.at, jute_left(&r));
        if (h.type == OP_AUTH)
                client__auth(k, e, h.xid, body, fx);
        else if (h.type == OP_SASL)
                client__sasl(k, e, h.xid, body, fx);
        else if (!client__admitted(k))
                client_unauthenticated(k, e, h.xid, fx);
        else
                client_touch_and_take(k, e, &h, body, fx);
}

/* ---- outcomes ---- */

static void session_closed(struct client *k, const struct event *e, const struct outcome *o, struct effects *fx)
{
        struct client_request *q = client__head(k);
        if (k->state == CLIENT_RESUMING)
                return; /* the leader knows, and its answer refuses the session properly */
        if (k->state == CLIENT_ENDING && request__is_answered(q, o) && q->opcode == OP_CLOSE_SESSION) {
                clients__answering(k->all, OP_CLOSE_SESSION);
                client__reply_error(k, e, q->xid, o->header.zxid, ZK_OK, q->received_ns, fx);
                client__drop(k, q);
                client__close(k, true, fx);
                return;
        }
        client__close(k, false, fx); /* expired: a bare close */
}

static void session_created(struct client *k, const struct event *e, const struct outcome *o, struct effects *fx)
{
        if (o->header.type == OP_CREATE_SESSION)
                client__session_created(k, e, o->header.zxid, fx);
        else
                client__close(k, false, fx); /* refused; nothing is known of that session */
}

/* A session that has moved away: a bare close (client-protocol.md 2.7, 4.3). */
static bool is_moved(const struct outcome *o)
{
        if (o->err == ZK_SESSION_MOVED)
                return true;
        for (size_t i = 0; o->header.type == OP_MULTI && i < o->op_count; i++)
                if (o->ops[i].err == ZK_SESSION_MOVED)
                        return true;
        return false;
}

static void client_outcome(struct client *k, const struct event *e, const struct outcome *o, struct effects *fx)
{
        struct client_request *q = client__head(k);
        if (!request__is_answered(q, o))
                return;
        audit_write(k->all, q, o, fx);
        if (is_moved(o)) {
                client__drop(k, q);
                client__close(k, false, fx);
                return;
        }
        client__write_reply(k, e, q, o, fx);
        client__drop(k, q);
        queue_run(k, e, fx);
}

static void fire_all(struct clients *c, const struct outcome *o, struct effects *fx)
{
        c->outcomes++;
        for (size_t i = 0; i < o->event_count; i++)
                clients__fire(c, &o->events[i], o->header.zxid, fx);
}

static void answer(struct clients *c, const struct event *e, const struct outcome *o, struct effects *fx)
{
        if (o->header.type == OP_CLOSE_SESSION)
                clients__orphans_drop(c, o->header.session_id);
        else if (clients__orphan_done(c, o, fx))
                return;
        struct client *k = clients__find_session(c, o->header.session_id);
        if (!k)
                return;
        if (o->header.type == OP_CLOSE_SESSION)
                session_closed(k, e, o, fx);
        else if (k->state == CLIENT_CREATING)
                session_created(k, e, o, fx);
        else
                client_outcome(k, e, o, fx);
}

/* Events first: nobody is shown a change before what it watched tells of it (safety: W3). */
void clients_applied(struct clients *c, const struct event *e, const struct outcome *o, struct effects *fx)
{
        if (!c->serving)
                return;
        if (!PLANTED(EVENT_AFTER_REPLY))
                fire_all(c, o, fx);
        answer(c, e, o, fx);
        if (PLANTED(EVENT_AFTER_REPLY))
                fire_all(c, o, fx);
}

/* ---- syncs ---- */

static void sync_reply(struct client *k, const struct event *e, const struct client_request *q, struct effects *fx)
{
        struct clients *c = k->all;
        struct jute_str path;
        clients__answering(c, OP_SYNC);
        (void)sync_path(jute_str_of(q->body, q->body_len), c->item_max, &path); /* it could be read when it came */
        jute_put_str(client__reply_begin(k, q->xid, clients__zxid(c), ZK_OK), path);
        client__reply_end(k, e, q->received_ns, fx);
}

/* What is held back behind the sync is released when the step ends; until then more may join it, so that
 * nothing overtakes. */
void clients_sync_done(struct clients *c, const struct event *e, struct effects *fx)
{
        if (!c->serving || list_empty(&c->syncs))
                return;
        struct client_asked *a = LIST_ENTRY(c->syncs.next, struct client_asked, link);
        struct client *k = map_get(&c->by_conn, a->conn);
        struct client_request *q = k ? client__head(k) : NULL;
        bool waits = q && q->kind == REQUEST_SYNC && q->submitted && q->xid == a->xid;
        clients__asked_done(c, a);
        if (!waits)
                return; /* its asker is gone */
        sync_reply(k, e, q, fx);
        client__drop(k, q);
        queue_run(k, e, fx);
        list_push(&c->released, &k->released_link);
}

/* ---- the end of a step ---- */

static void settle_released(struct clients *c, const struct event *e, struct effects *fx)
{
        while (!list_empty(&c->released)) {
                struct client *k = LIST_ENTRY(c->released.next, struct client, released_link);
                list_remove(&k->released_link);
                if (!k->doomed && c->serving)
                        queue_release(k, e, fx);
        }
}

/* Each that is paused now is looked at once: it goes on, is closed, or joins the end of the line. */
static void settle_paused(struct clients *c, const struct event *e, struct effects *fx)
{
        struct list line;
        list_init(&line);
        while (!list_empty(&c->paused)) {
                struct list *l = c->paused.next;
                list_remove(l);
                list_push(&line, l);
        }
        while (!list_empty(&line)) {
                struct client *k = LIST_ENTRY(line.next, struct client, paused_link);
                list_remove(&k->paused_link);
                if (client__ready(k))
                        client__resume_input(k, e, fx);
                else if (k->state != CLIENT_ENDING)
                        list_push(&c->paused, &k->paused_link);
        }
}

static void settle_doomed(struct clients *c, struct effects *fx)
{
        while (!list_empty(&c->doomed))
                client__close(LIST_ENTRY(c->doomed.next, struct client, doomed_link), false, fx);
}

void clients_settle(struct clients *c, const struct event *e, struct effects *fx)
{
        c->turn++;
        while (c->moved || !list_empty(&c->released)) {
                c->moved = false;
                settle_released(c, e, fx);
                settle_paused(c, e, fx);
        }
        settle_doomed(c, fx);
        /* Who had to stop for what all were sent in this step goes on in the next, which comes at once. */
        c->moved = c->turn_bytes >= CLIENTS_TURN_BYTES_MAX && !list_empty(&c->paused);
        c->turn_bytes = 0;
}
