/* Retention: keep the newest N snapshots that were verified, and what they need of the log; remove the rest.
 *
 * Snapshots go before logs, each step durable before the next, oldest first: an older snapshot must never
 * remain without its log. Nothing goes while there are fewer than N valid ones: a damaged file never counts
 * (safety: D9; storage-format.md 6). */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

static bool known_valid(const struct storage *io, const struct txnlog__file *f, struct txnlog__files *verified)
{
        struct txnlog__snapshot_info info;
        char unused[STORE_WHY_MAX];
        for (size_t i = 0; i < verified->count; i++)
                if (strcmp(verified->list[i].name, f->name) == 0)
                        return true;
        if (txnlog__snapshot_check(io, f, &info, unused) < 0)
                return false; /* recovery says why, should it ever meet this file */
        txnlog__files_add(verified, f);
        return true;
}

/* Place of the oldest snapshot to keep, 0 when all are. */
static size_t oldest_kept(const struct storage *io, const struct txnlog__files *f, size_t retain,
                          struct txnlog__files *verified)
{
        size_t valid = 0;
        for (size_t i = f->count; i-- > 0;)
                if (known_valid(io, &f->list[i], verified) && ++valid == retain)
                        return i;
        return 0;
}

/* Removes list[0 .. count) and makes that durable. */
static int remove_oldest(const struct storage *io, const struct txnlog__files *f, size_t count, bool slowly,
                         char why[STORE_WHY_MAX])
{
        int (*remove_one)(void *ctx, const char *name) = slowly && io->remove_slowly ? io->remove_slowly : io->remove;
        int r = 0;
        for (size_t i = 0; i < count; i++) {
                r = remove_one(io->ctx, f->list[i].name);
                if (r < 0 && r != -ENOENT)
                        return txnlog__fail(why, r, "%s can't be removed: %s", f->list[i].name, strerror(-r));
        }
        if (count > 0)
                r = io->sync_dir(io->ctx);
        return r < 0 ? txnlog__fail(why, r, "the data directory can't be synced: %s", strerror(-r)) : 0;
}

static void forget_removed(struct txnlog__files *verified, int64_t oldest_zxid)
{
        size_t kept = 0;
        for (size_t i = 0; i < verified->count; i++)
                if (verified->list[i].zxid >= oldest_zxid)
                        verified->list[kept++] = verified->list[i];
        verified->count = kept;
}

int txnlog__retain(const struct storage *io, size_t retain, struct txnlog__files *verified, bool slowly,
                   char why[STORE_WHY_MAX])
{
        struct txnlog__dir dir;
        int r = txnlog__dir_scan(io, &dir, why);
        if (r >= 0 && dir.snapshots.count > 0) {
                size_t oldest = oldest_kept(io, &dir.snapshots,
                                            retain < TXNLOG__RETAIN_MIN ? TXNLOG__RETAIN_MIN : retain, verified);
                int64_t zxid = dir.snapshots.list[oldest].zxid;
                if (oldest > 0) {
                        size_t needed = txnlog__files_upto(&dir.logs, zxid);
                        r = remove_oldest(io, &dir.snapshots, oldest, slowly, why);
                        if (r >= 0)
                                r = remove_oldest(io, &dir.logs, needed == SIZE_MAX ? 0 : needed, slowly, why);
                        forget_removed(verified, zxid);
                }
        }
        txnlog__dir_done(&dir);
        return r;
}
