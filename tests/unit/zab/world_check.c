/* The checkers. They see what machines log, send, deliver and what their disks hold, and remember it
 * across crashes. Names of rules are those of safety.md. */
#include "tests/unit/zab/world.h"

#include "election/base/alloc.h"

#include <string.h>

static bool has_puppet(const struct world *w)
{
        for (size_t i = 0; i < w->count; i++)
                if (w->nodes[i].puppet)
                        return true;
        return false;
}

static bool same(const struct item *a, const struct item *b)
{
        return a->zxid == b->zxid && a->hash == b->hash;
}

static size_t items_after(const struct items *l, int64_t zxid)
{
        size_t low = 0;
        size_t high = l->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (l->v[middle].zxid <= zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool items_have(const struct items *l, const struct item *i)
{
        size_t at = items_after(l, i->zxid);
        return at > 0 && same(&l->v[at - 1], i);
}

/* ---- logging ---- */

/* Z10: one zxid names one byte string, committed or not. Z26: the last counter is never used. */
void check_append(struct node *n, const struct item *i)
{
        struct world *w = n->world;
        if (zab__counter(i->zxid) == 0 || zab__counter(i->zxid) >= ZAB_COUNTER_END)
                world_fail(w, "Z26/Z11: record 0x%llx on %zu", (unsigned long long)i->zxid, n->index + 1);
        size_t at = items_after(&w->logged, i->zxid);
        if (at > 0 && w->logged.v[at - 1].zxid == i->zxid) {
                if (!same(&w->logged.v[at - 1], i))
                        world_fail(w, "Z10: two transactions 0x%llx, the second on %zu", (unsigned long long)i->zxid,
                                   n->index + 1);
                return;
        }
        items_push(&w->logged, *i);
        memmove(w->logged.v + at + 1, w->logged.v + at, (w->logged.n - 1 - at) * sizeof *w->logged.v);
        w->logged.v[at] = *i;
}

/* Whether a crash now would leave this transaction on that disk. */
static bool durable_has(const struct node *n, const struct item *i)
{
        const struct disk *d = &n->disk;
        const struct snapshot *s = d->snapshot_count ? &d->snapshots[d->snapshot_count - 1] : NULL;
        if (s && i->zxid <= s->zxid)
                return items_have(&s->items, i);
        for (size_t k = d->log_count; k > 0 && d->log[k - 1].zxid >= i->zxid; k--) {
                const struct log_record *l = &d->log[k - 1];
                struct item found = item_of(l->blob->data, l->blob->len, l->zxid);
                if (same(&found, i))
                        return true;
        }
        return false;
}

/* ---- delivery ---- */

/* Z12, D1: committed means durable on a quorum of voters that entered the epoch. */
static void check_commit_rule(struct node *n, const struct item *i)
{
        struct world *w = n->world;
        struct member_set have = {0};
        for (size_t k = 0; k < w->count; k++) {
                const struct node *m = &w->nodes[k];
                if (durable_has(m, i) && m->disk.current >= zab__epoch(i->zxid))
                        member_set_add(&have, &w->ensemble, (int64_t)k + 1);
        }
        if (!ensemble_is_quorum(&w->ensemble, &have))
                world_fail(w, "Z12: %zu committed 0x%llx without a durable quorum", n->index + 1,
                           (unsigned long long)i->zxid);
}

/* Z3, Z5, Z6, Z7, Z8 at once: everybody delivers the one sequence, place by place; only leaders extend it. */
void check_deliver(struct node *n, const struct item *i)
{
        struct world *w = n->world;
        if (zab_phase(n->zab) != ZAB_BROADCAST)
                return;
        size_t place = n->db.n;
        if (place < w->committed.n) {
                if (!same(&w->committed.v[place], i))
                        world_fail(w, "Z3: %zu delivers 0x%llx where 0x%llx was committed", n->index + 1,
                                   (unsigned long long)i->zxid, (unsigned long long)w->committed.v[place].zxid);
                return;
        }
        if (place > w->committed.n)
                world_fail(w, "Z3: %zu delivers 0x%llx beyond what was committed", n->index + 1,
                           (unsigned long long)i->zxid);
        if (zab_role(n->zab) != ZAB_LEADING && !has_puppet(w))
                world_fail(w, "Z13: learner %zu delivers 0x%llx before its leader", n->index + 1,
                           (unsigned long long)i->zxid);
        if (!has_puppet(w))
                check_commit_rule(n, i);
        items_push(&w->committed, *i);
        w->commits++;
}

/* Z9: a new leader has all that was ever committed; a learner serves nothing but that. */
void check_serving(struct node *n, int64_t epoch)
{
        struct world *w = n->world;
        bool leads = zab_role(n->zab) == ZAB_LEADING;
        if (n->disk.current != epoch)
                world_fail(w, "Z24: %zu serves epoch %lld before it is durable", n->index + 1, (long long)epoch);
        size_t common = n->db.n < w->committed.n ? n->db.n : w->committed.n;
        for (size_t k = 0; k < common; k++)
                if (!same(&w->committed.v[k], &n->db.v[k]))
                        world_fail(w, "Z9: %zu serves epoch %lld with 0x%llx where 0x%llx was committed", n->index + 1,
                                   (long long)epoch, (unsigned long long)n->db.v[k].zxid,
                                   (unsigned long long)w->committed.v[k].zxid);
        if (leads && n->db.n < w->committed.n)
                world_fail(w, "Z9: leader %zu of epoch %lld lacks 0x%llx", n->index + 1, (long long)epoch,
                           (unsigned long long)w->committed.v[n->db.n].zxid);
        if (!leads && n->db.n > w->committed.n && !has_puppet(w))
                world_fail(w, "D2: learner %zu serves 0x%llx, which was not committed", n->index + 1,
                           (unsigned long long)n->db.v[w->committed.n].zxid);
        for (size_t k = w->committed.n; k < n->db.n; k++)
                items_push(&w->committed, n->db.v[k]);
}

/* Among servers of our own kind nothing is ever malformed, out of order or unasked for, whatever happens. */
void check_ended(struct node *n, const char *reason)
{
        if (!has_puppet(n->world) && (strstr(reason, " sent ") || strstr(reason, " committed 0x")))
                world_fail(n->world, "Z13/Z14: %zu left because %s", n->index + 1, reason);
}

/* ---- what is sent ---- */

/* Z20: a promise is durable before it is given, and given once. */
static void check_ack_epoch(struct node *n, const struct jute_quorum_packet *q)
{
        struct world *w = n->world;
        int64_t epoch = n->zab->learner.epoch;
        if (n->disk.accepted != epoch)
                world_fail(w, "Z20: %zu promises %lld before it is durable, or below an older promise", n->index + 1,
                           (long long)epoch);
        if (q->data.len == 4 && q->data.data[0] == 0xff)
                return; /* -1: not to be counted */
        for (size_t k = 0; k < w->promise_count; k++)
                if (w->promises[k].epoch == epoch && w->promises[k].node == (int)n->index)
                        world_fail(w, "Z20: %zu promises %lld twice", n->index + 1, (long long)epoch);
        w->promises = mem_grow(w->promises, &w->promise_capacity, w->promise_count + 1, sizeof *w->promises);
        w->promises[w->promise_count].epoch = epoch;
        w->promises[w->promise_count++].node = (int)n->index;
}

/* What is delivered and not durable may only be what came behind NEWLEADER, which the ACK does not cover:
 * far enough back in the queue, or an effect that stands behind this very ACK. */
static bool came_after_newleader(const struct node *n, int64_t zxid)
{
        for (size_t i = 0; i < n->disk.queue_count; i++) {
                const struct disk_op *op = &n->disk.queue[i];
                if (op->type == EFFECT_LOG_APPEND && op->value == zxid)
                        return op->ticket > n->zab->learner.wait_ticket;
        }
        return true;
}

/* Z24, D1: history and epoch durable before NEWLEADER is acknowledged; a proposal before its ACK. */
static void check_ack(struct node *n, int64_t zxid)
{
        struct world *w = n->world;
        struct recovered r;
        struct items db;
        disk_recover(n, INT64_MAX, &r, &db);
        if (zab__counter(zxid) == 0) {
                if (n->disk.current != zab__epoch(zxid))
                        world_fail(w, "Z24: %zu acknowledges epoch %lld before it is durable", n->index + 1,
                                   (long long)zab__epoch(zxid));
                for (size_t k = 0; k < n->db.n; k++)
                        if ((k >= db.n || !same(&db.v[k], &n->db.v[k])) && !came_after_newleader(n, n->db.v[k].zxid))
                                world_fail(w, "Z24: %zu acknowledges epoch %lld without 0x%llx on disk", n->index + 1,
                                           (long long)zab__epoch(zxid), (unsigned long long)n->db.v[k].zxid);
        } else if (r.last_zxid < zxid) {
                world_fail(w, "D1: %zu acknowledges 0x%llx before it is durable", n->index + 1,
                           (unsigned long long)zxid);
        }
        for (size_t i = 0; i < r.history_count; i++)
                blob_unref(r.history[i].blob);
        mem_free(r.history);
        items_done(&db);
}

static void check_learner_packet(struct node *n, const struct jute_quorum_packet *q)
{
        if (q->type == QP_ACKEPOCH)
                check_ack_epoch(n, q);
        else if (q->type == QP_ACK)
                check_ack(n, q->zxid);
}

void check_send(struct node *n, conn_id conn, const struct blob *b)
{
        struct world *w = n->world;
        struct jute_reader r;
        jute_reader_init(&r, b->data, b->len, 1 << 20);
        struct jute_quorum_packet q;
        if (zab__learning(n->zab) && conn == n->zab->learner.conn) {
                while (jute_left(&r) > 0) {
                        jute_get_quorum_packet(&r, &q);
                        if (r.error != 0)
                                world_fail(w, "%zu sends what is no packet", n->index + 1);
                        check_learner_packet(n, &q);
                }
                return;
        }
        if (b->len != JUTE_QUORUM_PACKET_MIN + 4)
                return; /* what else a leader sends may be raw snapshot bytes */
        jute_get_quorum_packet(&r, &q);
        /* Z21: announced epochs are durable. */
        if (r.error == 0 && q.type == QP_LEADERINFO && n->disk.accepted < zab__epoch(q.zxid))
                world_fail(w, "Z21: %zu announces %lld before it is durable", n->index + 1,
                           (long long)zab__epoch(q.zxid));
}

/* ---- after every step ---- */

/* Z1, Z2: one leader per epoch ever gets past the promise barrier. */
static void check_leadership(struct node *n)
{
        struct world *w = n->world;
        if (zab_role(n->zab) != ZAB_LEADING || zab_phase(n->zab) == ZAB_DISCOVERY)
                return;
        int64_t epoch = n->zab->leader.epoch;
        for (size_t k = 0; k < w->leader_count; k++) {
                if (w->leaders[k].epoch != epoch)
                        continue;
                if (w->leaders[k].node != (int)n->index)
                        world_fail(w, "Z2: epoch %lld has leaders %d and %zu", (long long)epoch, w->leaders[k].node + 1,
                                   n->index + 1);
                return;
        }
        w->leaders = mem_grow(w->leaders, &w->leader_capacity, w->leader_count + 1, sizeof *w->leaders);
        w->leaders[w->leader_count].epoch = epoch;
        w->leaders[w->leader_count++].node = (int)n->index;
}

/* The rule of memory and disk: without a role, the database is what a restart would find. */
static void check_memory_is_disk(struct node *n)
{
        if (zab_role(n->zab) != ZAB_IDLE || !zab_disk_dry(n->zab))
                return;
        struct world *w = n->world;
        struct recovered r;
        struct items db;
        disk_recover(n, INT64_MAX, &r, &db);
        bool equal = db.n == n->db.n && r.last_zxid == zab_last_logged(n->zab) &&
                     r.last_zxid == zab_last_committed(n->zab) && r.accepted_epoch == zab_accepted_epoch(n->zab) &&
                     r.current_epoch == zab_current_epoch(n->zab);
        for (size_t k = 0; equal && k < db.n; k++)
                equal = same(&db.v[k], &n->db.v[k]);
        if (!equal)
                world_fail(w, "memory of %zu (0x%llx, %zu items) differs from its disk (0x%llx, %zu items)",
                           n->index + 1, (unsigned long long)zab_last_logged(n->zab), n->db.n,
                           (unsigned long long)r.last_zxid, db.n);
        for (size_t i = 0; i < r.history_count; i++)
                blob_unref(r.history[i].blob);
        mem_free(r.history);
        items_done(&db);
}

void check_node(struct node *n)
{
        zab__history_check(&n->zab->history);
        check_leadership(n);
        check_memory_is_disk(n);
}
