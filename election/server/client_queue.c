/* The requests of a connection that wait for their turn or their answer, and those whose connection went
 * before their outcome came.
 *
 * Such orphans matter: a learner knows an outcome as its own by session and xid only, and some clients count
 * their xids from 1 again after they have reconnected. Without them the outcome of an old write would be
 * taken for that of a new one. */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"
#include "election/base/pool.h"
#include "election/server/audit.h"

#include <string.h>

/* Submitted writes of one session, oldest first. */
struct client_orphans {
        struct list link; /* in clients.orphan_sessions */
        struct list queue;
        int64_t session;
};

struct client_request *client__push(struct client *k, const struct event *e, enum request_kind kind,
                                    const struct jute_request_header *h, struct jute_str body, bool keep)
{
        const size_t body_len = body.len > 0 ? (size_t)body.len : 0;
        const size_t kept = keep ? body_len : 0;
        struct client_request *q = pool_alloc(sizeof *q + kept);
        *q = (struct client_request){.kind = kind,
                                     .xid = h->xid,
                                     .opcode = h->type,
                                     .received_ns = e->now.mono_ns,
                                     .ids = blob_ref(k->ids),
                                     .weight = sizeof *q + body_len,
                                     .body_len = kept};
        if (kind == REQUEST_READ)
                q->weight += client__read_weight(k, h->type, body);
        if (kept)
                memcpy(q->body, body.data, kept);
        list_push(&k->queue, &q->link);
        k->queue_len++;
        k->queue_bytes += q->weight;
        k->all->queue_bytes += q->weight;
        k->all->stats.outstanding++;
        return q;
}

static struct client_request *first(const struct list *queue)
{
        return list_empty(queue) ? NULL : LIST_ENTRY(queue->next, struct client_request, link);
}

struct client_request *client__head(const struct client *k)
{
        return first(&k->queue);
}

/* Takes it out of its connection's queue; it stays outstanding. */
static void queue_remove(struct client *k, struct client_request *q)
{
        list_remove(&q->link);
        k->queue_len--;
        k->queue_bytes -= q->weight;
}

static void request_free(struct clients *c, struct client_request *q)
{
        c->stats.outstanding--;
        c->queue_bytes -= q->weight;
        c->moved = true;
        blob_unref(q->ids);
        pool_free(q);
}

void client__drop(struct client *k, struct client_request *q)
{
        queue_remove(k, q);
        request_free(k->all, q);
}

void client__drop_from(struct client *k, struct client_request *q)
{
        for (struct list *l = &q->link, *next; l != &k->queue; l = next) {
                next = l->next;
                client__drop(k, LIST_ENTRY(l, struct client_request, link));
        }
}

bool client__full(const struct client *k)
{
        const struct clients *c = k->all;
        return k->queue_len >= CLIENT_QUEUE_MAX || k->queue_bytes >= CLIENT_QUEUE_BYTES_MAX ||
               (k->queue_len && c->stats.outstanding >= c->config->outstanding_limit) ||
               (k->queue_len && c->queue_bytes >= CLIENTS_QUEUE_BYTES_MAX) ||
               c->stats.outstanding >= CLIENTS_OUTSTANDING_MAX || c->queue_bytes >= 2 * CLIENTS_QUEUE_BYTES_MAX;
}

bool request__is_answered(const struct client_request *q, const struct outcome *o)
{
        if (!q || q->kind != REQUEST_WRITE || !q->submitted)
                return false;
        return q->zxid == CLIENTS_FORWARDED ? q->xid == o->header.cxid : q->zxid == o->header.zxid;
}

/* ---- orphans ---- */

static struct client_orphans *orphans_get(struct clients *c, int64_t session)
{
        struct client_orphans *of = map_get(&c->orphans, (uint64_t)session);
        if (of)
                return of;
        of = mem_alloc(sizeof *of);
        of->session = session;
        list_init(&of->queue);
        list_push(&c->orphan_sessions, &of->link);
        map_put(&c->orphans, (uint64_t)session, of);
        return of;
}

void client__orphan_queue(struct client *k)
{
        struct clients *c = k->all;
        for (struct client_request *q = client__head(k); q; q = client__head(k)) {
                if (!c->serving || q->kind != REQUEST_WRITE || !q->submitted) {
                        client__drop(k, q);
                        continue;
                }
                queue_remove(k, q);
                list_push(&orphans_get(c, k->session)->queue, &q->link);
        }
}

static void orphans_free(struct clients *c, struct client_orphans *of)
{
        for (struct client_request *q = first(&of->queue); q; q = first(&of->queue)) {
                list_remove(&q->link);
                request_free(c, q);
        }
        (void)map_remove(&c->orphans, (uint64_t)of->session);
        list_remove(&of->link);
        mem_free(of);
}

bool clients__orphan_done(struct clients *c, const struct outcome *o, struct effects *fx)
{
        struct client_orphans *of = map_get(&c->orphans, (uint64_t)o->header.session_id);
        struct client_request *q = of ? first(&of->queue) : NULL;
        if (!request__is_answered(q, o))
                return false;
        audit_write(c, q, o, fx);
        list_remove(&q->link);
        request_free(c, q);
        if (list_empty(&of->queue))
                orphans_free(c, of);
        return true;
}

void clients__orphans_drop(struct clients *c, int64_t session)
{
        struct client_orphans *of = map_get(&c->orphans, (uint64_t)session);
        if (of)
                orphans_free(c, of);
}

void clients__orphans_drop_all(struct clients *c)
{
        while (!list_empty(&c->orphan_sessions))
                orphans_free(c, LIST_ENTRY(c->orphan_sessions.next, struct client_orphans, link));
}
