#include "election/zab/history.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"
#include "election/zab/zxid.h"

#include <assert.h>
#include <string.h>

void zab__history_init(struct history *h, size_t max, size_t bytes_max)
{
        memset(h, 0, sizeof *h);
        zab__ring_init(&h->txns, sizeof(struct store_txn));
        h->max = max;
        h->bytes_max = bytes_max;
}

const struct store_txn *zab__history_at(const struct history *h, size_t i)
{
        return zab__ring_at(&h->txns, i);
}

static void history_empty(struct history *h)
{
        for (size_t i = 0; i < h->txns.count; i++)
                blob_unref(zab__history_at(h, i)->blob);
        zab__ring_done(&h->txns);
        h->committed = 0;
        h->bytes = 0;
        h->tail_bytes = 0;
}

void zab__history_done(struct history *h)
{
        history_empty(h);
}

void zab__history_reset(struct history *h, int64_t zxid)
{
        history_empty(h);
        h->base = zxid;
        h->last = zxid;
        h->last_committed = zxid;
}

/* What stood before the first recovered record. Inside an epoch that is certain; for the first of an
 * epoch only when it directly follows the snapshot recovery began from. */
static int64_t recovered_base(const struct recovered *r)
{
        if (r->history_count == 0)
                return r->last_zxid;
        int64_t first = r->history[0].zxid;
        if (zab__counter(first) > 1)
                return first - 1;
        bool all = r->history_count == r->replayed || PLANTED(HISTORY_BASE_GUESSED);
        if (all && r->snapshot_zxid < first)
                return r->snapshot_zxid;
        return HISTORY_BASE_UNKNOWN;
}

void zab__history_load(struct history *h, struct recovered *r)
{
        history_empty(h);
        h->base = recovered_base(r);
        h->last = h->base;
        for (size_t i = 0; i < r->history_count; i++) {
                const struct store_txn *t = &r->history[i];
                assert(i == 0 || zab__follows(h->last, t->zxid));
                struct store_txn *mine = zab__ring_push(&h->txns);
                *mine = *t;
                h->bytes += t->len;
                h->last = t->zxid;
        }
        assert(h->last == r->last_zxid);
        mem_free(r->history);
        r->history = NULL;
        r->history_count = 0;
        h->committed = h->txns.count;
        h->last_committed = h->last;
        zab__history_trim(h);
}

void zab__history_push(struct history *h, int64_t zxid, struct blob *blob, uint32_t offset, uint32_t len)
{
        assert(zab__follows(h->last, zxid));
        assert(len <= blob->len && offset <= blob->len - len);
        struct store_txn *t = zab__ring_push(&h->txns);
        *t = (struct store_txn){.zxid = zxid, .blob = blob, .offset = offset, .len = len};
        h->bytes += len;
        h->tail_bytes += len;
        h->last = zxid;
}

size_t zab__history_tail(const struct history *h)
{
        return h->txns.count - h->committed;
}

struct store_txn zab__history_commit(struct history *h)
{
        assert(zab__history_tail(h) > 0);
        struct store_txn t = *zab__history_at(h, h->committed);
        assert(t.zxid > h->last_committed);
        (void)blob_ref(t.blob);
        h->committed++;
        h->tail_bytes -= t.len;
        h->last_committed = t.zxid;
        return t;
}

void zab__history_trim(struct history *h)
{
        while (h->committed > 0 && (h->committed > h->max || h->bytes > h->bytes_max)) {
                const struct store_txn *t = zab__history_at(h, 0);
                h->base = t->zxid;
                h->bytes -= t->len;
                blob_unref(t->blob);
                zab__ring_pop(&h->txns);
                h->committed--;
        }
}

size_t zab__history_after(const struct history *h, int64_t zxid)
{
        size_t low = 0;
        size_t high = h->txns.count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (zab__history_at(h, middle)->zxid <= zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void zab__history_check(const struct history *h)
{
        int64_t last = h->base;
        size_t bytes = 0, tail_bytes = 0;
        for (size_t i = 0; i < h->txns.count; i++) {
                const struct store_txn *t = zab__history_at(h, i);
                assert((i == 0 && last == HISTORY_BASE_UNKNOWN) || zab__follows(last, t->zxid));
                last = t->zxid;
                bytes += t->len;
                tail_bytes += i < h->committed ? 0 : t->len;
        }
        assert(h->last == last);
        assert(h->bytes == bytes && h->tail_bytes == tail_bytes);
        assert(h->committed <= h->txns.count);
        assert(h->committed == 0 || zab__history_at(h, h->committed - 1)->zxid == h->last_committed);
        assert(h->last_committed <= h->last);
}

/* ---- the choice ---- */

static struct sync_choice choose(enum sync_kind kind, int64_t zxid, size_t from)
{
        return (struct sync_choice){.kind = kind, .zxid = zxid, .from = from};
}

/* Cutting to `target` is sure to work only where the learner's log must hold that record: its log ends
 * at `peer` in the same epoch, and an epoch's records are contiguous. A counter of 0 is no record. */
static bool cuttable(int64_t target, int64_t peer)
{
        return zab__epoch(target) == zab__epoch(peer) && zab__counter(target) != 0;
}

/* The learner has more than was committed, or went another way. */
static struct sync_choice choose_ahead(const struct history *h, int64_t peer, int64_t epoch)
{
        int64_t end = h->last_committed;
        /* (e, 0) of our own epoch: what we had when we were established, which is where we still are. */
        if (epoch > 0 && peer == zab__zxid(epoch, 0))
                return choose(SYNC_DIFF, end, h->committed);
        if (zab__counter(peer) != 0 && cuttable(end, peer))
                return choose(SYNC_TRUNC, end, h->committed);
        return choose(SYNC_SNAP, end, h->committed);
}

static struct sync_choice choose_behind(const struct history *h, int64_t peer)
{
        int64_t end = h->last_committed;
        size_t next = zab__history_after(h, peer);
        int64_t before = next > 0 ? zab__history_at(h, next - 1)->zxid : h->base;
        if (before == HISTORY_BASE_UNKNOWN || (peer < before && !PLANTED(DIFF_OVER_A_HOLE)) || next >= h->committed)
                return choose(SYNC_SNAP, end, h->committed);
        /* (e, 0) stands for the whole history before epoch e, which is what we have before it. */
        if (peer == before || zab__counter(peer) == 0 || (PLANTED(DIFF_OVER_A_HOLE) && peer < before))
                return choose(SYNC_DIFF, end, next);
        if (cuttable(before, peer))
                return choose(SYNC_TRUNC, before, next);
        return choose(SYNC_SNAP, end, h->committed);
}

struct sync_choice zab__choose_sync(const struct history *h, int64_t peer_zxid, int64_t epoch)
{
        int64_t end = h->last_committed;
        if (peer_zxid == end)
                return choose(SYNC_DIFF, end, h->committed);
        /* 0 also means "whatever I have, don't build on it" (a TRUNC that failed), so never DIFF. */
        if (peer_zxid <= 0)
                return choose(SYNC_SNAP, end, h->committed);
        return peer_zxid > end ? choose_ahead(h, peer_zxid, epoch) : choose_behind(h, peer_zxid);
}
