/* The fake disk: a queue of log effects done one by one, files of snapshots, and recovery. */
#include "tests/unit/zab/world.h"

#include "election/base/alloc.h"

#include <string.h>

void disk_take(struct node *n, const struct effect *e)
{
        struct disk *d = &n->disk;
        struct disk_op op = {.type = e->type, .ticket = e->ticket};
        if (e->type == EFFECT_LOG_APPEND) {
                op.value = e->log.zxid;
                op.blob = blob_copy(e->log.blob->data + e->log.offset, e->log.len);
                struct item i = item_of(op.blob->data, op.blob->len, op.value);
                check_append(n, &i);
        } else if (e->type == EFFECT_EPOCH_WRITE) {
                op.kind = e->epoch.kind;
                op.value = e->epoch.value;
        } else if (e->type == EFFECT_TRUNCATE) {
                op.value = e->truncate.zxid;
                op.reload = e->truncate.reload;
        }
        d->queue = mem_grow(d->queue, &d->queue_capacity, d->queue_count + 1, sizeof *d->queue);
        d->queue[d->queue_count++] = op;
}

/* The newest snapshot not above `limit` and the contiguous log behind it, up to `limit`. */
void disk_recover(const struct node *n, int64_t limit, struct recovered *r, struct items *db)
{
        const struct disk *d = &n->disk;
        memset(r, 0, sizeof *r);
        r->accepted_epoch = d->accepted;
        r->current_epoch = d->current;
        r->lost = d->lost;
        const struct snapshot *s = NULL;
        for (size_t i = 0; i < d->snapshot_count; i++)
                if (d->snapshots[i].zxid <= limit)
                        s = &d->snapshots[i];
        memset(db, 0, sizeof *db);
        if (!s) {
                r->last_zxid = -1;
                return;
        }
        items_copy(db, &s->items);
        r->snapshot_zxid = s->zxid;
        r->last_zxid = s->zxid;
        size_t first = 0;
        while (first < d->log_count && d->log[first].zxid <= s->zxid)
                first++;
        size_t end = first;
        while (end < d->log_count && d->log[end].zxid <= limit) {
                const struct log_record *l = &d->log[end];
                if (!zab__follows(r->last_zxid, l->zxid)) {
                        if (limit == INT64_MAX)
                                world_fail(n->world, "Z11: hole in the log of %zu at 0x%llx", n->index + 1,
                                           (unsigned long long)l->zxid);
                        break;
                }
                items_push(db, item_of(l->blob->data, l->blob->len, l->zxid));
                r->last_zxid = l->zxid;
                end++;
        }
        r->replayed = end - first;
        size_t keep = r->replayed < n->world->history_max ? r->replayed : n->world->history_max;
        r->history = mem_alloc((keep + 1) * sizeof *r->history);
        r->history_count = keep;
        for (size_t i = 0; i < keep; i++) {
                const struct log_record *l = &d->log[end - keep + i];
                r->history[i] = (struct store_txn){
                        .zxid = l->zxid, .blob = blob_ref(l->blob), .offset = 0, .len = l->blob->len};
        }
}

static void recovered_drop(struct recovered *r)
{
        for (size_t i = 0; i < r->history_count; i++)
                blob_unref(r->history[i].blob);
        mem_free(r->history);
        if (r->db) {
                struct items *db = (struct items *)(void *)r->db;
                items_done(db);
                mem_free(db);
        }
        memset(r, 0, sizeof *r);
}

static void cut(struct disk *d, int64_t zxid)
{
        while (d->log_count > 0 && d->log[d->log_count - 1].zxid > zxid)
                blob_unref(d->log[--d->log_count].blob);
        while (d->snapshot_count > 0 && d->snapshots[d->snapshot_count - 1].zxid > zxid)
                items_done(&d->snapshots[--d->snapshot_count].items);
}

static void perform_truncate(struct node *n, const struct disk_op *op)
{
        struct disk *d = &n->disk;
        if (n->saving == SAVING_OWN || n->saving == SAVING_RECEIVED)
                world_fail(n->world, "TRUNCATE while a snapshot file is being written on %zu", n->index + 1);
        if (!op->reload) {
                cut(d, op->value);
                return;
        }
        struct recovered r;
        struct items *db = mem_alloc(sizeof *db);
        disk_recover(n, op->value, &r, db);
        r.db = (struct database *)(void *)db;
        if (r.last_zxid != op->value) {
                recovered_drop(&r);
                return;
        }
        cut(d, op->value);
        d->reloaded = r;
        d->has_reloaded = true;
}

static void perform_epoch(struct node *n, const struct disk_op *op)
{
        struct disk *d = &n->disk;
        int64_t *file = op->kind == EPOCH_ACCEPTED ? &d->accepted : &d->current;
        if (op->kind == EPOCH_CURRENT_PREPARE)
                return;
        if (op->value < *file)
                world_fail(n->world, "Z23: epoch of %zu goes back from %lld to %lld", n->index + 1, (long long)*file,
                           (long long)op->value);
        *file = op->value;
        if (op->kind == EPOCH_CURRENT)
                d->lost = false;
        if (d->current > d->accepted)
                world_fail(n->world, "Z23: currentEpoch above acceptedEpoch on %zu", n->index + 1);
}

static void perform_append(struct node *n, struct disk_op *op)
{
        struct disk *d = &n->disk;
        if (d->log_count > 0 && d->log[d->log_count - 1].zxid >= op->value)
                world_fail(n->world, "Z11: log of %zu not ascending at 0x%llx", n->index + 1,
                           (unsigned long long)op->value);
        d->log = mem_grow(d->log, &d->log_capacity, d->log_count + 1, sizeof *d->log);
        d->log[d->log_count++] = (struct log_record){.zxid = op->value, .blob = op->blob};
        op->blob = NULL;
}

bool disk_perform(struct node *n)
{
        struct disk *d = &n->disk;
        if (d->queue_count == 0 || n->disk_stuck)
                return false;
        struct disk_op op = d->queue[0];
        d->queue_count--;
        memmove(d->queue, d->queue + 1, d->queue_count * sizeof *d->queue);
        if (op.type == EFFECT_LOG_APPEND)
                perform_append(n, &op);
        else if (op.type == EFFECT_EPOCH_WRITE)
                perform_epoch(n, &op);
        else if (op.type == EFFECT_TRUNCATE)
                perform_truncate(n, &op);
        blob_unref(op.blob);
        d->done_ticket = op.ticket;
        return true;
}

bool disk_can_report(const struct node *n)
{
        return n->disk.done_ticket > n->disk.reported_ticket;
}

void disk_report(struct node *n)
{
        struct disk *d = &n->disk;
        bool has = d->has_reloaded;
        struct recovered r = d->reloaded;
        d->has_reloaded = false;
        d->reported_ticket = d->done_ticket;
        zab_disk_done(n->zab, n->world->now_ms, d->done_ticket, has ? &r : NULL, &n->fx);
        if (has)
                recovered_drop(&r);
        node_flush(n);
}

/* ---- snapshot files ---- */

static void snapshot_store(struct disk *d, const struct snapshot *s)
{
        size_t at = d->snapshot_count;
        while (at > 0 && d->snapshots[at - 1].zxid > s->zxid)
                at--;
        if (at > 0 && d->snapshots[at - 1].zxid == s->zxid) {
                items_copy(&d->snapshots[at - 1].items, &s->items);
                return;
        }
        d->snapshots = mem_grow(d->snapshots, &d->snapshot_capacity, d->snapshot_count + 1, sizeof *d->snapshots);
        memmove(d->snapshots + at + 1, d->snapshots + at, (d->snapshot_count - at) * sizeof *d->snapshots);
        d->snapshot_count++;
        memset(&d->snapshots[at], 0, sizeof d->snapshots[at]);
        d->snapshots[at].zxid = s->zxid;
        items_copy(&d->snapshots[at].items, &s->items);
}

/* Written, then reported: two steps, so that a crash fits between. */
bool disk_saving_step(struct node *n)
{
        struct world *w = n->world;
        switch (n->saving) {
        case SAVING_NONE:
                return false;
        case SAVING_OWN:
                if (n->disk_stuck)
                        return false;
                snapshot_store(&n->disk, &n->saving_snapshot);
                n->saving = SAVING_DONE_OWN;
                return true;
        case SAVING_RECEIVED:
                if (n->disk_stuck)
                        return false;
                if (zab__epoch(n->saving_snapshot.zxid) > n->disk.accepted)
                        world_fail(w, "snapshot of an epoch never promised on %zu", n->index + 1);
                snapshot_store(&n->disk, &n->saving_snapshot);
                n->saving = SAVING_DONE_RECEIVED;
                return true;
        case SAVING_DONE_RECEIVED:
                n->saving = SAVING_NONE;
                zab_snapshot_saved(n->zab, w->now_ms, &n->fx);
                zab_snapshot_free(n->zab, w->now_ms, &n->fx);
                node_flush(n);
                return true;
        case SAVING_DONE_OWN:
        case SAVING_ABORTED:
                n->saving = SAVING_NONE;
                zab_snapshot_free(n->zab, w->now_ms, &n->fx);
                node_flush(n);
                return true;
        }
        return false;
}

void disk_done(struct disk *d)
{
        for (size_t i = 0; i < d->queue_count; i++)
                blob_unref(d->queue[i].blob);
        for (size_t i = 0; i < d->log_count; i++)
                blob_unref(d->log[i].blob);
        for (size_t i = 0; i < d->snapshot_count; i++)
                items_done(&d->snapshots[i].items);
        mem_free(d->queue);
        mem_free(d->log);
        mem_free(d->snapshots);
        if (d->has_reloaded)
                recovered_drop(&d->reloaded);
        memset(d, 0, sizeof *d);
}

/* What a crash takes: the queue, and what was recovered for a report that never came. */
void world_crash(struct world *w, int64_t sid, size_t steps)
{
        struct node *n = world_node(w, sid);
        while (steps-- > 0 && disk_perform(n))
                continue;
        struct disk *d = &n->disk;
        for (size_t i = 0; i < d->queue_count; i++)
                blob_unref(d->queue[i].blob);
        d->queue_count = 0;
        d->done_ticket = 0;
        d->reported_ticket = 0;
        if (d->has_reloaded)
                recovered_drop(&d->reloaded);
        d->has_reloaded = false;
        pipes_crash(n);
        zab_free(n->zab);
        n->zab = NULL;
        effects_done(&n->fx);
        items_done(&n->db);
        items_done(&n->reading);
        items_done(&n->received);
        items_done(&n->saving_snapshot.items);
        mem_free(n->loading);
        n->loading = NULL;
        n->loading_len = 0;
        n->is_reading = false;
        n->has_received = false;
        n->saving = SAVING_NONE;
        n->serving = false;
        n->up = false;
}
