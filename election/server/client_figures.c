/* What is counted of clients, together and one by one, and how it is shown (stat, cons, dump, mntr, the status
 * call: zookeeper/client-protocol.md 10.2). */
#include "election/server/clients_internal.h"

#include "election/server/prep.h"

#include <string.h>

/* ---- noting ---- */

void clients__answering(struct clients *c, int32_t opcode)
{
        c->answer.operation = opcode;
}

void client__figures_reset(struct client *k)
{
        k->received = 0;
        k->sent = 0;
        k->figures = (struct client_figures){.xid = -1, .zxid = -1};
}

static void note_latency(struct client_figures *f, uint64_t latency_us)
{
        const uint32_t us = latency_us > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_us;
        f->last_us = us;
        if (!f->count || us < f->min_us)
                f->min_us = us;
        if (us > f->max_us)
                f->max_us = us;
        f->count++;
        f->sum_us += us;
}

/* What went through the ensemble counts as an update, as with ZooKeeper: sessions too, and writes that failed. */
static bool is_update(int32_t opcode)
{
        return opcode == OP_ERROR || prep_handles(opcode);
}

static void note_all(struct clients_stats *s, int32_t opcode, uint64_t latency_us)
{
        summary_add(&s->latency_us, latency_us);
        if (opcode)
                histogram_add(is_update(opcode) ? &s->update_us : &s->read_us, latency_us);
}

/* A request without a name (an unknown opcode, authentication) is not the last operation of anybody. */
void client__answered(struct client *k, const struct event *e, uint64_t latency_us)
{
        struct client_answer *a = &k->all->answer;
        note_all(&k->all->stats, a->operation, latency_us);
        if (!a->operation)
                return;
        struct client_figures *f = &k->figures;
        f->operation = a->operation;
        f->zxid = a->zxid;
        if (a->xid >= 0) /* not a ping or the like */
                f->xid = a->xid;
        f->at_ms = e->now.mono_ms;
        note_latency(f, latency_us);
        a->operation = 0;
}

/* ---- showing ---- */

/* ZooKeeper's names (FinalRequestProcessor); a write that failed has none. */
static const char *operation_name(int32_t opcode)
{
        static const struct {
                int32_t opcode;
                const char *name;
        } names[] = {
                {OP_PING, "PING"},
                {OP_CREATE_SESSION, "SESS"},
                {OP_MULTI, "MULT"},
                {OP_MULTI_READ, "MLTR"},
                {OP_CREATE, "CREA"},
                {OP_CREATE2, "CREA"},
                {OP_CREATE_TTL, "CREA"},
                {OP_CREATE_CONTAINER, "CREA"},
                {OP_DELETE, "DELE"},
                {OP_DELETE_CONTAINER, "DELE"},
                {OP_SET_DATA, "SETD"},
                {OP_RECONFIG, "RECO"},
                {OP_SET_ACL, "SETA"},
                {OP_CLOSE_SESSION, "CLOS"},
                {OP_SYNC, "SYNC"},
                {OP_CHECK, "CHEC"},
                {OP_EXISTS, "EXIS"},
                {OP_GET_DATA, "GETD"},
                {OP_SET_WATCHES, "SETW"},
                {OP_SET_WATCHES2, "STW2"},
                {OP_ADD_WATCH, "ADDW"},
                {OP_GET_ACL, "GETA"},
                {OP_GET_CHILDREN, "GETC"},
                {OP_GET_CHILDREN2, "GETC"},
                {OP_GET_ALL_CHILDREN_NUMBER, "GETACN"},
                {OP_CHECK_WATCHES, "CHKW"},
                {OP_REMOVE_WATCHES, "REMW"},
                {OP_WHO_AM_I, "HOMI"},
                {OP_GET_EPHEMERALS, "GETE"},
        };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (names[i].opcode == opcode)
                        return names[i].name;
        return "NA";
}

static uint64_t idle_deadline(const struct client *k)
{
        return k->session ? k->heard_ms + (uint64_t)k->timeout_ms : k->since_ms + SERVER_CONNECT_TIMEOUT_MS;
}

static struct client_info client_info(const struct client *k)
{
        const struct client_figures *f = &k->figures;
        return (struct client_info){
                .conn = k->conn,
                .address = k->address->text,
                .port = k->remote_port,
                .reading = list_empty(&k->paused_link) && k->state != CLIENT_ENDING,
                .queued = k->queue_len,
                .received = k->received,
                .sent = k->sent,
                .session = k->session,
                .timeout_ms = k->timeout_ms,
                .last_operation = operation_name(f->operation),
                .last_xid = f->xid,
                .last_zxid = f->zxid,
                .last_reply_ms = f->at_ms,
                .latency_last_us = f->last_us,
                .latency_min_us = f->min_us,
                .latency_max_us = f->max_us,
                .latency_sum_us = f->sum_us,
                .latency_count = f->count,
                .since_ms = k->since_wall_ms,
                .deadline_ms = idle_deadline(k),
                .watch_bytes = watches_weight_of(k->all->watches, k->conn),
                .unread_bytes = k->input_len,
        };
}

/* They stand in the order of their names, which the shell gives in the order of accepting. */
void clients_each(const struct clients *c, conn_id after, bool (*fn)(void *ctx, const struct client_info *info),
                  void *ctx)
{
        for (const struct list *l = c->list.next; l != &c->list; l = l->next) {
                const struct client *k = LIST_ENTRY(l, const struct client, link);
                const struct client_info info = client_info(k);
                if (k->conn > after && !fn(ctx, &info))
                        return;
        }
}

int64_t clients_session(const struct clients *c, conn_id conn)
{
        const struct client *k = map_get(&c->by_conn, conn);
        return k ? k->session : 0;
}

const struct watches *clients_watches(const struct clients *c)
{
        return c->watches;
}

void clients_each_reset(struct clients *c)
{
        for (struct list *l = c->list.next; l != &c->list; l = l->next)
                client__figures_reset(LIST_ENTRY(l, struct client, link));
}

void clients_stats(const struct clients *c, struct clients_stats *ret)
{
        *ret = c->stats;
        ret->connections = c->by_conn.count;
        ret->watches = watches_count(c->watches);
}

void clients_stats_reset(struct clients *c)
{
        size_t outstanding = c->stats.outstanding;
        c->stats = (struct clients_stats){
                .outstanding = outstanding, .reply_size_last = -1, .reply_size_min = -1, .reply_size_max = -1};
        watches_told_reset(c->watches);
}
