/* The snapshot writer's half: a file grows under a temporary name and gets its own only when it is whole,
 * its seals match and it is durable. Then old files go. */
#include "election/txnlog/store.h"

#include "election/base/alloc.h"
#include "election/txnlog/txnlog_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A long snapshot is synced in portions of this size, so that its end does not flood the disk that the log
 * is being synced to. */
#define SYNC_BYTES (16u << 20)

struct snapstore {
        const struct storage *io;
        size_t retain;
        struct storage_file *file; /* NULL: none is being written */
        int64_t zxid;
        uint64_t size, synced;
        struct txnlog__seal_check seal;
        struct txnlog__files verified;
        int failed; /* of the snapshot being written; its further effects repeat it */
};

struct snapstore *snapstore_new(const struct storage *io, const struct store_config *config)
{
        struct snapstore *s = mem_zalloc(sizeof *s);
        s->io = io;
        s->retain = config->retain_snapshots;
        s->failed = -EINVAL; /* until the first BEGIN */
        return s;
}

static void discard(struct snapstore *s)
{
        if (!s->file)
                return;
        s->io->close(s->file);
        s->file = NULL;
        (void)s->io->remove(s->io->ctx, TXNLOG__TMP_SNAPSHOT); /* recovery, or the next one, does it otherwise */
}

void snapstore_free(struct snapstore *s)
{
        if (!s)
                return;
        if (s->file)
                s->io->close(s->file); /* recovery removes it */
        mem_free(s->verified.list);
        mem_free(s);
}

static int fail(const struct snapstore *s, int error, const char *what, char why[STORE_WHY_MAX])
{
        return txnlog__fail(why, error, "snapshot.%" PRIx64 ": %s: %s", (uint64_t)s->zxid, what, strerror(-error));
}

static int begin(struct snapstore *s, int64_t zxid, char why[STORE_WHY_MAX])
{
        discard(s);
        s->zxid = zxid;
        s->size = s->synced = 0;
        s->failed = 0;
        txnlog__seal_begin(&s->seal);
        int r = s->io->create(s->io->ctx, TXNLOG__TMP_SNAPSHOT, &s->file);
        if (r < 0) {
                s->file = NULL;
                return fail(s, r, "can't be created", why);
        }
        return 0;
}

static int chunk(struct snapstore *s, const struct blob *b, char why[STORE_WHY_MAX])
{
        int r = s->io->write_at(s->file, s->size, b->data, b->len);
        if (r < 0)
                return fail(s, r, "write failed", why);
        if (b->len > 0)
                txnlog__seal_feed(&s->seal, b->data, b->len);
        s->size += b->len;
        if (s->size - s->synced < SYNC_BYTES)
                return 0;
        s->synced = s->size;
        r = s->io->sync(s->file);
        return r < 0 ? fail(s, r, "sync failed", why) : 0;
}

/* Makes it durable under its name. A file that could not be loaded again never gets one. */
static int publish(struct snapstore *s, int64_t zxid, bool received, char why[STORE_WHY_MAX])
{
        struct txnlog__snapshot_info info;
        char name[TXNLOG__NAME_MAX];
        if (zxid != s->zxid)
                return txnlog__fail(why, -EINVAL, "snapshot.%" PRIx64 " was begun as 0x%" PRIx64, (uint64_t)zxid,
                                    (uint64_t)s->zxid);
        if (txnlog__seal_end(&s->seal, &info) < 0)
                return fail(s, -EBADMSG, "what was written is no whole snapshot", why);
        int r = s->io->sync(s->file);
        if (r < 0)
                return fail(s, r, "sync failed", why);
        s->io->close(s->file);
        s->file = NULL;
        if (received) {
                r = txnlog__announce(s->io, zxid, why);
                if (r < 0)
                        return r;
        }
        txnlog__snapshot_name(name, zxid);
        r = s->io->rename(s->io->ctx, TXNLOG__TMP_SNAPSHOT, name);
        if (r < 0) {
                (void)s->io->remove(s->io->ctx, TXNLOG__TMP_SNAPSHOT); /* as in discard() */
                return fail(s, r, "can't be renamed", why);
        }
        r = s->io->sync_dir(s->io->ctx);
        return r < 0 ? fail(s, r, "sync of the directory failed", why) : 0;
}

static int end(struct snapstore *s, int64_t zxid, bool received, char why[STORE_WHY_MAX])
{
        int r = publish(s, zxid, received, why);
        if (r < 0)
                return r;
        struct txnlog__file f = {.zxid = zxid, .form = TXNLOG__PLAIN};
        txnlog__snapshot_name(f.name, zxid);
        txnlog__files_add(&s->verified, &f);
        s->failed = -EINVAL; /* nothing is being written */
        /* Files that could not be removed do no harm; `why` says which. Who received a snapshot waits for it. */
        (void)txnlog__retain(s->io, s->retain, &s->verified, !received, why);
        return 0;
}

static int perform(struct snapstore *s, const struct effect *e, char why[STORE_WHY_MAX])
{
        if (e->type == EFFECT_SNAPSHOT_BEGIN)
                return begin(s, e->snapshot.zxid, why);
        if (s->failed)
                return fail(s, s->failed, "has failed before", why);
        assert(s->file);
        if (e->type == EFFECT_SNAPSHOT_CHUNK)
                return chunk(s, e->snapshot.blob, why);
        assert(e->type == EFFECT_SNAPSHOT_END);
        return end(s, e->snapshot.zxid, e->snapshot.received, why);
}

int snapstore_perform(struct snapstore *s, const struct effect *e, char why[STORE_WHY_MAX])
{
        why[0] = '\0';
        if (e->type == EFFECT_SNAPSHOT_ABORT) {
                discard(s);
                s->failed = -EINVAL;
                return 0;
        }
        int r = perform(s, e, why);
        if (r < 0) {
                s->failed = r;
                discard(s);
        }
        return r;
}
