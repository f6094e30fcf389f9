/* The segment being written: create, append, preallocate, sync, leave.
 *
 * Order of a segment's birth: header written and synced under a temporary name, then renamed, so that
 * no crash leaves a log file without its header (a Java server would not start on one). The directory is
 * synced with the first sync of records.
 *
 * Appends gather in memory and are written in one piece per group, in front of preallocated zeros. A
 * segment is synced whole before the next one is created, so that an invalid record in any but the last
 * is damage, never a torn write. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A segment grows by its next step when less than this is left in it; as in Java. */
#define RESERVE_BYTES 4096u
/* Reserved blocks that nobody has written to are marked so, and the first sync of each has to have the mark removed,
 * which takes a commit of the file system's journal. So a small group that comes to such blocks writes zeros to many of
 * them, which its sync pays for, and those of the next groups find them written. A large group is worth its own commit,
 * and should not write twice as much. A MiB of zeros takes 3 ms to 6 ms where the page cache has to grow into memory
 * that a virtual machine was not given yet: 128 KiB are few enough that nobody waits for them, and enough that a commit
 * for each does not count. */
#define ZEROS_BYTES       (128u << 10)
#define SMALL_GROUP_BYTES (64u << 10)
/* A running server reads its log only to cut it, and the page cache would grow by all of it, into memory that may be
 * dear: it is given back in portions, and the next ones find it. Each portion begins a little before the end of the
 * last one: what stood there only in part, or in one piece of memory with what came behind, was kept. */
#define UNCACHE_BYTES       (256u << 10)
#define UNCACHE_AGAIN_BYTES (256u << 10)

void txnlog__segment_init(struct txnlog__segment *s, const struct storage *io, const struct store_config *config)
{
        memset(s, 0, sizeof *s);
        s->io = io;
        s->preallocate = config->preallocate_bytes;
        jute_writer_init(&s->pending,
                         (size_t)TXNLOG__PENDING_BYTES + (size_t)config->item_max + TXNLOG__RECORD_OVERHEAD);
}

static void forget(struct txnlog__segment *s)
{
        if (s->file)
                s->io->close(s->file);
        s->file = NULL;
        s->unsynced = s->unnamed = false;
        jute_writer_reset(&s->pending);
}

void txnlog__segment_done(struct txnlog__segment *s)
{
        forget(s);
        jute_writer_done(&s->pending);
}

static int fail(const struct txnlog__segment *s, int error, const char *what, char why[STORE_WHY_MAX])
{
        return txnlog__fail(why, error, "%s: %s at offset %" PRIu64 ": %s", s->name, what, s->end, strerror(-error));
}

/* Grows the file so that `need` bytes fit, by a whole step when the disk has room for it. */
static int reserve(struct txnlog__segment *s, uint64_t need)
{
        if (s->preallocate == 0 || need + RESERVE_BYTES <= s->allocated)
                return 0;
        uint64_t step = s->preallocate;
        for (;;) {
                int r = s->io->allocate(s->file, need + step);
                if (r >= 0) {
                        if (s->allocated < need + step)
                                s->allocated = need + step;
                        return 0;
                }
                if (r != -ENOSPC)
                        return r;
                if (step == 0)
                        return need <= s->allocated ? 0 : r;
                step = step > RESERVE_BYTES ? step / 8 : 0;
        }
}

/* A file of the name we are about to take holds nothing, or this is not our log's continuation. */
static int check_unused(struct txnlog__segment *s, int32_t item_max, char why[STORE_WHY_MAX])
{
        struct txnlog__cursor c;
        struct txnlog__record rec;
        int r = txnlog__cursor_open(&c, s->io, s->name, item_max);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return fail(s, r, "left over, can't be read", why);
        r = c.header == TXNLOG__HEADER_OK ? txnlog__cursor_next(&c, &rec) : 0;
        txnlog__cursor_close(&c);
        if (r <= 0)
                return 0;
        return txnlog__fail(why, -EEXIST, "%s already holds records and would be overwritten; " TXNLOG__MEND, s->name);
}

static int create(struct txnlog__segment *s)
{
        int r = s->io->create(s->io->ctx, TXNLOG__TMP_LOG, &s->file);
        if (r < 0) {
                s->file = NULL;
                return r;
        }
        txnlog__header_put(&s->pending);
        assert(s->pending.len == TXNLOG__HEADER_SIZE);
        r = s->io->write_at(s->file, 0, s->pending.data, s->pending.len);
        jute_writer_reset(&s->pending);
        if (r < 0)
                return r;
        s->end = s->allocated = s->written = TXNLOG__HEADER_SIZE;
        s->uncached = 0;
        r = reserve(s, s->end);
        if (r >= 0)
                r = s->io->sync(s->file);
        if (r >= 0)
                r = s->io->rename(s->io->ctx, TXNLOG__TMP_LOG, s->name);
        return r < 0 ? r : 0;
}

int txnlog__segment_open(struct txnlog__segment *s, int64_t zxid, char why[STORE_WHY_MAX])
{
        assert(!s->file && s->pending.len == 0);
        txnlog__log_name(s->name, zxid);
        s->end = 0;
        int r = check_unused(s, INT32_MAX - TXNLOG__RECORD_OVERHEAD, why);
        if (r < 0)
                return r;
        r = create(s);
        if (r < 0) {
                forget(s);
                return fail(s, r, "can't create this segment", why);
        }
        s->unnamed = true;
        return 0;
}

/* After a group of `len` bytes. Never beyond what is reserved; if there is no room for them all the same, the zeros
 * were only for speed. */
static int write_ahead(struct txnlog__segment *s, size_t len)
{
        static uint8_t zeros[ZEROS_BYTES]; /* not const: so it takes no room, in the program or in memory */
        uint64_t from = s->end, room = s->allocated - s->end;
        if (!s->io->in_place || from < s->written || len > SMALL_GROUP_BYTES || room == 0)
                return 0;
        size_t ahead = room < ZEROS_BYTES ? (size_t)room : ZEROS_BYTES;
        s->written = from + ahead;
        int r = s->io->write_at(s->file, from, zeros, ahead);
        return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

static int flush(struct txnlog__segment *s, char why[STORE_WHY_MAX])
{
        size_t len = s->pending.len;
        if (len == 0)
                return 0;
        assert(s->pending.error == 0);
        int r = reserve(s, s->end + len);
        if (r < 0)
                return fail(s, r, "can't reserve space", why);
        r = s->io->write_at(s->file, s->end, s->pending.data, len);
        if (r < 0)
                return fail(s, r, "write failed", why);
        s->end += len;
        if (s->allocated < s->end)
                s->allocated = s->end;
        bool whole = !s->unsynced; /* so far: what is left of a large group is not a small one */
        s->unsynced = true;
        r = whole ? write_ahead(s, len) : 0;
        if (r < 0)
                return fail(s, r, "write failed", why);
        jute_writer_reset(&s->pending);
        if (s->pending.capacity > 2 * TXNLOG__PENDING_BYTES) {
                size_t max = s->pending.max;
                jute_writer_done(&s->pending);
                jute_writer_init(&s->pending, max);
        }
        return 0;
}

int txnlog__segment_append(struct txnlog__segment *s, const uint8_t *payload, uint32_t len, char why[STORE_WHY_MAX])
{
        assert(s->file);
        int r = 0;
        if (s->pending.len > 0 && s->pending.len + len + TXNLOG__RECORD_OVERHEAD > TXNLOG__PENDING_BYTES)
                r = flush(s, why);
        if (r < 0)
                return r;
        txnlog__record_put(&s->pending, payload, len);
        return 0;
}

void txnlog__segment_uncache(struct txnlog__segment *s)
{
        if (!s->file || !s->io->uncache || s->unsynced || s->end - s->uncached < UNCACHE_BYTES)
                return;
        uint64_t from = s->uncached > UNCACHE_AGAIN_BYTES ? s->uncached - UNCACHE_AGAIN_BYTES : 0;
        s->io->uncache(s->file, from, s->end - from);
        s->uncached = s->end;
}

int txnlog__segment_sync(struct txnlog__segment *s, char why[STORE_WHY_MAX])
{
        if (!s->file)
                return 0;
        int r = flush(s, why);
        if (r < 0)
                return r;
        if (s->unsynced) {
                r = s->io->sync(s->file);
                if (r < 0 && PLANTED(M11_FSYNC_TRIED_AGAIN))
                        r = s->io->sync(s->file);
                if (r < 0)
                        return fail(s, r, "sync failed", why);
                s->unsynced = false;
        }
        if (s->unnamed && !PLANTED(M11_DIRECTORY_NOT_SYNCED)) {
                r = s->io->sync_dir(s->io->ctx);
                if (r < 0)
                        return fail(s, r, "sync of the directory failed", why);
                s->unnamed = false;
        }
        return 0;
}

int txnlog__segment_leave(struct txnlog__segment *s, char why[STORE_WHY_MAX])
{
        if (!s->file)
                return 0;
        int r = flush(s, why);
        if (r < 0)
                return r;
        if (s->allocated > s->end) {
                r = s->io->truncate(s->file, s->end);
                if (r < 0)
                        return fail(s, r, "can't cut the padding", why);
                s->unsynced = true;
        }
        r = txnlog__segment_sync(s, why);
        if (r < 0)
                return r;
        forget(s);
        return 0;
}
