/* Recovery: what a directory holds, or why it is not to be trusted.
 *
 * Steps: finish a truncation that was begun; load the newest valid snapshot; replay the log; judge the
 * epochs, and whether anything was lost (mark.c). Only when all of that has succeeded is anything changed: leftovers
 * removed, the torn tail and the last segment's padding cut, epoch files written. A crash during recovery just makes it
 * begin anew.
 *
 * What is gone from the end of the log alone, seen by its bytes (tear.c) or known from where it once ended (ends.c), is
 * a loss like that of all files: what is left is good, and the server neither votes nor counts until a leader has
 * synchronised it. That keeps the machine useful without a person, and nothing acknowledged depends on it meanwhile.
 *
 * Falling back from a damaged snapshot to an older one is sound only if the log reaches at least as far
 * as the damaged one did: what that one held was acknowledged (safety: D3). */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Snapshots tried, newest first, before a start is refused; as many as Java tries. */
#define SNAPSHOTS_TRIED_MAX 100

struct recovery {
        const struct storage *io;
        const struct store_config *config;
        struct txnlog__dir dir;
        struct txnlog__replay replay;
        struct txnlog__epochs epochs;
        struct txnlog__ends *ends;
        const struct txnlog__file *loaded;  /* the snapshot that the replay began from, NULL for none */
        const struct txnlog__file *damaged; /* newest snapshot that was passed over as damaged */
        enum txnlog__mark mark;
        bool fresh, lost, short_of_end;
};

/* ---- the snapshot ---- */

/* Tries them newest first. 1 loaded, 0 there is none in the directory, -errno. */
static int load_newest(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        const struct txnlog__files *f = &v->dir.snapshots;
        for (size_t i = f->count; i-- > 0 && f->count - i <= SNAPSHOTS_TRIED_MAX;) {
                struct txnlog__snapshot_info info;
                struct database *db = NULL;
                assert(f->list);
                int r = txnlog__snapshot_load(v->io, &f->list[i], v->config, &db, &info, why);
                if (r >= 0) {
                        v->loaded = &f->list[i];
                        txnlog__replay_init(&v->replay, v->io, v->config, v->ends, db, f->list[i].zxid, &info);
                        return 1;
                }
                if (r != -EBADMSG && r != -ENODATA && r != -EIO)
                        return r;
                if (r != -ENODATA && !v->damaged)
                        v->damaged = &f->list[i];
                txnlog__note(ret->note, "%s; passed over", why);
        }
        if (f->count == 0)
                return 0;
        return txnlog__fail(why, -EUCLEAN, "no snapshot is valid: %s; " TXNLOG__MEND, ret->note);
}

/* Whether any segment holds anything but its header. */
static int log_has_records(struct recovery *v, char why[STORE_WHY_MAX])
{
        for (size_t i = 0; i < v->dir.logs.count; i++) {
                const char *name = v->dir.logs.list[i].name;
                struct txnlog__cursor c;
                struct txnlog__record rec;
                int r = txnlog__cursor_open(&c, v->io, name, v->config->item_max);
                if (r < 0)
                        return txnlog__fail(why, r, "%s can't be read: %s", name, strerror(-r));
                if (c.header == TXNLOG__HEADER_OK)
                        r = txnlog__cursor_next(&c, &rec);
                else
                        r = c.header == TXNLOG__HEADER_BAD;
                txnlog__cursor_close(&c);
                if (r != 0 && r != -EUCLEAN)
                        return r < 0 ? txnlog__fail(why, r, "%s can't be read: %s", name, strerror(-r)) : 1;
        }
        return 0;
}

static int begin_fresh(struct recovery *v, char why[STORE_WHY_MAX])
{
        static const struct txnlog__snapshot_info none;
        int r = log_has_records(v, why);
        if (r < 0)
                return r;
        if (r > 0)
                return txnlog__fail(why, -EUCLEAN,
                                    "there is a log but no snapshot under it, so that its beginning may be missing; "
                                    "restore a snapshot.* file (ZooKeeper writes one at each start), or " TXNLOG__MEND);
        txnlog__replay_init(&v->replay, v->io, v->config, v->ends, database_new_hashed(v->config->hash_seed), 0, &none);
        v->fresh = true;
        return 0;
}

/* ---- what was lost ---- */

/* Whether anything here says that this server took part in an ensemble. */
static bool has_past(const struct recovery *v)
{
        return v->replay.last > 0 || v->epochs.accepted > 0 || v->epochs.current > 0;
}

/* Whether the log once reached further than it does now (ends.c). */
static bool ends_short(const struct recovery *v)
{
        return v->mark != TXNLOG__MARK_NONE && v->ends->epoch >= v->epochs.current && v->ends->end > v->replay.last &&
               !PLANTED(ENDS_IGNORED);
}

/* Nobody can replace what is lost. */
static int refuse_alone(const struct recovery *v, char why[STORE_WHY_MAX])
{
        const struct txnlog__replay *p = &v->replay;
        if (p->zeroed)
                return txnlog__fail(
                        why, -EUCLEAN,
                        "%s is all zeros: the disk has lost what stood in it, and there is no other voter to "
                        "get it from: restore version-2 from a copy, or give that up by removing this file "
                        "and " STORE_MARK,
                        p->zeroed->name);
        if (p->damaged)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: what stands at offset %" PRIu64 " is no valid record, nor is it what a crash "
                                    "leaves of one: it is damaged, and there is no other voter to get it from: "
                                    "restore version-2 from a copy, or give it up by cutting the file there "
                                    "(truncate -s %" PRIu64 ") and removing " STORE_MARK,
                                    p->tail->name, p->tail_end, p->tail_end);
        if (v->short_of_end)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s says that the log reached 0x%" PRIx64 ", and it ends with 0x%" PRIx64
                                    ": its end is lost, and there is no other voter to get it from: restore version-2 "
                                    "from a copy, or give that up by removing " STORE_MARK,
                                    TXNLOG__ENDS, (uint64_t)v->ends->end, (uint64_t)p->last);
        return txnlog__fail(why, -EUCLEAN,
                            STORE_MARK " says that this server had data, but version-2 has lost it, and there is no "
                                       "other voter to get it from: restore version-2 from a copy, or leave it empty "
                                       "to begin with nothing; then remove " STORE_MARK " and start again");
}

/* No crash of ours leaves a mark beside files without a past: it is written after them. Nor does one leave the newest
 * segment all zeros: then its records are gone, and nobody can tell whether there were any (safety: D5). Another
 * program's may be so, hence without a mark it is none of our business. A damaged tail is, whoever wrote it. */
static int judge_loss(struct recovery *v, char why[STORE_WHY_MAX])
{
        v->short_of_end = ends_short(v);
        bool gone = v->fresh || !has_past(v) || v->replay.zeroed || v->short_of_end;
        v->lost = v->mark == TXNLOG__MARK_LOST || (v->mark == TXNLOG__MARK_WHOLE && gone) || v->replay.damaged;
        return v->lost && v->config->alone ? refuse_alone(v, why) : 0;
}

static int mend_mark(struct recovery *v, enum txnlog__mark mark, char why[STORE_WHY_MAX])
{
        int r = v->mark == mark ? 0 : txnlog__mark_write(v->io, mark, why);
        if (r >= 0)
                v->mark = mark;
        return r;
}

static void note_loss(const struct recovery *v, struct recovered *ret)
{
        if (v->replay.zeroed)
                txnlog__note(ret->note, "%s is all zeros: what stood in it is lost", v->replay.zeroed->name);
        if (v->short_of_end)
                txnlog__note(ret->note, "%s says that the log reached 0x%" PRIx64 ", and it ends with 0x%" PRIx64,
                             TXNLOG__ENDS, (uint64_t)v->ends->end, (uint64_t)v->replay.last);
        bool partly = v->replay.zeroed || v->replay.damaged || v->short_of_end;
        txnlog__note(ret->note,
                     "%s: it neither votes nor counts until a leader has synchronised it, which needs a quorum of "
                     "servers that lost nothing. Should a quorum have lost its data, restore version-2 from copies, "
                     "or give up what is lost, by removing " STORE_MARK " before a start",
                     partly ? "so this server has lost a part of its data"
                            : STORE_MARK " says that this server had data, and version-2 has lost it");
}

/* ---- all judgements, nothing written ---- */

static int judge(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        int r = load_newest(v, ret, why);
        if (r == 0)
                r = begin_fresh(v, why);
        if (r >= 0)
                r = txnlog__replay_run(&v->replay, &v->dir, why);
        if (r >= 0 && v->damaged && v->replay.last < v->damaged->zxid)
                r = txnlog__fail(why, -EUCLEAN,
                                 "%s is damaged, and older snapshot and log reach only 0x%" PRIx64 "; " TXNLOG__MEND,
                                 v->damaged->name, (uint64_t)v->replay.last);
        if (r >= 0)
                r = txnlog__epochs_read(v->io, &v->epochs, why);
        if (r >= 0)
                r = txnlog__epochs_settle(&v->epochs, v->replay.last, v->fresh, why);
        if (r >= 0)
                r = judge_loss(v, why);
        return r;
}

/* ---- then the mending ---- */

/* Writes the first `len` bytes of a file once more as they are. */
static int rewrite(const struct storage *io, struct storage_file *f, uint64_t len)
{
        uint8_t *block = mem_alloc(len < TXNLOG__BLOCK_BYTES ? (size_t)len + 1 : TXNLOG__BLOCK_BYTES);
        int r = 0;
        for (uint64_t at = 0; at < len && r >= 0;) {
                size_t want = len - at < TXNLOG__BLOCK_BYTES ? (size_t)(len - at) : TXNLOG__BLOCK_BYTES;
                int64_t got = io->read_at(f, at, block, want);
                if (got <= 0)
                        r = got < 0 ? (int)got : -EIO; /* it was longer a moment ago */
                else
                        r = io->write_at(f, at, block, (size_t)got);
                at += got > 0 ? (uint64_t)got : 0;
        }
        mem_free(block);
        return r;
}

static int sync_file(struct recovery *v, const char *name, char why[STORE_WHY_MAX])
{
        struct storage_file *f = NULL;
        int r = v->io->open(v->io->ctx, name, &f);
        if (r >= 0) {
                r = v->io->sync(f);
                v->io->close(f);
        }
        return r < 0 ? txnlog__fail(why, r, "%s can't be synced: %s", name, strerror(-r)) : 0;
}

/* The snapshot, and the segments before the last one. Ours are long on disk, and a sync of what is costs nothing.
 * ZooKeeper's server syncs no snapshot of its own, and a segment that it has left only with its next commit. */
static int sync_read(struct recovery *v, char why[STORE_WHY_MAX])
{
        const struct txnlog__replay *p = &v->replay;
        int r = v->loaded ? sync_file(v, v->loaded->name, why) : 0;
        for (size_t i = p->first; i + 1 < p->live && r >= 0; i++)
                r = sync_file(v, v->dir.logs.list[i].name, why);
        return r;
}

/* What was read may stand in the page cache only: a process that was killed between writing and syncing leaves
 * it so. It will be voted with, so it is made durable first, cut or not (safety: D1). A sync alone would not do for the
 * last segment: where an earlier one has failed, the pages count as clean, and it would succeed without them (safety:
 * D6). It is not read once more: that would show what the page cache holds, which is what was written. */
static int settle_tail(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        const struct txnlog__replay *p = &v->replay;
        struct storage_file *f = NULL;
        ret->torn = p->torn;
        if (p->torn || p->damaged)
                txnlog__note(ret->note, "%s %s at offset %" PRIu64 " of %" PRIu64 " and has been cut there",
                             p->tail->name, p->torn ? "was torn" : "is damaged, not torn,", p->tail_end, p->tail_size);
        if (!p->tail || !p->tail_records || PLANTED(VOTES_WITH_UNSYNCED))
                return 0;
        int r = v->io->open_write(v->io->ctx, p->tail->name, &f);
        if (r >= 0) {
                if (p->tail_end < p->tail_size)
                        r = v->io->truncate(f, p->tail_end);
                if (r >= 0)
                        r = rewrite(v->io, f, p->tail_end);
                if (r >= 0)
                        r = v->io->sync(f);
                v->io->close(f);
        }
        if (r < 0)
                return txnlog__fail(why, r, "%s can't be cut at offset %" PRIu64 " and written to disk: %s",
                                    p->tail->name, p->tail_end, strerror(-r));
        return 0;
}

static int remove_file(struct recovery *v, const char *name, char why[STORE_WHY_MAX])
{
        int r = v->io->remove(v->io->ctx, name);
        if (r < 0 && r != -ENOENT)
                return txnlog__fail(why, r, "%s can't be removed: %s", name, strerror(-r));
        return 0;
}

static int sync_directory(struct recovery *v, char why[STORE_WHY_MAX])
{
        int r = v->io->sync_dir(v->io->ctx);
        return r < 0 ? txnlog__fail(why, r, "the data directory can't be synced: %s", strerror(-r)) : 0;
}

/* Segments without a record, and temporary files. Newest first: no crash leaves a gap. The directory is synced
 * in any case: names that a killed process gave may not be durable yet (segments, epoch files, snapshots). */
static int remove_leftovers(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        const struct txnlog__replay *p = &v->replay;
        int r = 0;
        for (size_t i = v->dir.logs.count; i-- > p->live && r >= 0;) {
                txnlog__note(ret->note, "%s holds nothing and has been removed", v->dir.logs.list[i].name);
                r = remove_file(v, v->dir.logs.list[i].name, why);
        }
        if (r >= 0 && p->tail && !p->tail_records)
                r = remove_file(v, p->tail->name, why);
        if (r >= 0 && v->dir.tmp_log)
                r = remove_file(v, TXNLOG__TMP_LOG, why);
        if (r >= 0 && v->dir.tmp_snapshot)
                r = remove_file(v, TXNLOG__TMP_SNAPSHOT, why);
        if (r >= 0 && v->dir.tmp_intent)
                r = remove_file(v, TXNLOG__TMP_INTENT, why);
        if (r >= 0 && v->dir.tmp_accepted)
                r = remove_file(v, TXNLOG__ACCEPTED_TMP, why);
        /* What it says is decided now. Over an older text that is on the disk a later one may be in the page cache
         * only: the next start after a loss of power would find another epoch than this one. */
        if (r >= 0 && v->dir.tmp_current && !v->epochs.promote)
                r = remove_file(v, TXNLOG__CURRENT_TMP, why);
        if (r >= 0 && v->dir.tmp_ends)
                r = remove_file(v, TXNLOG__TMP_ENDS, why);
        if (r < 0)
                return r;
        return sync_directory(v, why);
}

/* snapshot.0 through the same door as every other snapshot. */
static int write_first_snapshot(struct recovery *v, char why[STORE_WHY_MAX])
{
        struct effects fx;
        struct jute_writer w;
        struct snapfile_writer seals;
        struct database *db = v->replay.db;
        effects_init(&fx);
        jute_writer_init(&w, SIZE_MAX);
        int r = database_snapshot_begin(db);
        assert(r == 0);
        snapfile_begin(&seals, &w);
        size_t offset = w.len;
        while (database_snapshot_read(db, &w, TXNLOG__BLOCK_BYTES) > 0)
                ;
        snapfile_note(&seals, &w, offset);
        snapfile_end(&seals, &w, 0, database_snapshot_digest(db));
        database_snapshot_end(db);
        (void)effect_snapshot_begin(&fx, 0);
        (void)effect_snapshot_chunk(&fx, jute_writer_blob(&w));
        (void)effect_snapshot_end(&fx, 0, false);

        struct snapstore *s = snapstore_new(v->io, v->config);
        for (size_t i = 0; i < fx.count && r >= 0; i++)
                r = snapstore_perform(s, &fx.list[i], why);
        snapstore_free(s);
        jute_writer_done(&w);
        effects_done(&fx);
        return r;
}

/* What the file says already is true as well, only less of it: a full disk is no reason not to start. Without a mark it
 * may be untrue, and the mark is to be written next. */
static int mend_ends(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        int r = txnlog__ends_reach(v->io, v->ends, v->epochs.current, v->replay.last, why);
        if (r > 0)
                return sync_directory(v, why);
        if ((r != -ENOSPC && r != -EDQUOT) || v->mark == TXNLOG__MARK_NONE)
                return r;
        txnlog__note(ret->note, "%s; should the log lose its end, that may not be seen", why);
        return 0;
}

static int mend(struct recovery *v, struct recovered *ret, char why[STORE_WHY_MAX])
{
        int r = v->lost ? mend_mark(v, TXNLOG__MARK_LOST, why) : 0; /* before these files can look like a past */
        if (r >= 0)
                r = sync_read(v, why);
        if (r >= 0)
                r = settle_tail(v, ret, why);
        if (r >= 0)
                r = remove_leftovers(v, ret, why);
        if (r >= 0 && !v->lost)
                r = mend_ends(v, ret, why);
        if (r >= 0)
                r = txnlog__epochs_mend(v->io, &v->epochs, why);
        if (r >= 0 && v->fresh)
                r = write_first_snapshot(v, why);
        if (r >= 0 && !v->lost && has_past(v))
                r = mend_mark(v, TXNLOG__MARK_WHOLE, why);
        return r;
}

/* Damage is a past too. Whoever moves it away, as we advise, must not get a server that votes with nothing. */
static void note_past(struct recovery *v)
{
        char unused[STORE_WHY_MAX];
        (void)txnlog__mark_write(v->io, TXNLOG__MARK_WHOLE, unused); /* where that fails, so did the start */
}

static int scan_and_redo(struct recovery *v, char why[STORE_WHY_MAX])
{
        int r = txnlog__dir_scan(v->io, &v->dir, why);
        if (r < 0 || !v->dir.intent)
                return r;
        r = txnlog__truncate_redo(v->io, v->config, v->ends, why);
        txnlog__dir_done(&v->dir);
        return r < 0 ? r : txnlog__dir_scan(v->io, &v->dir, why);
}

int txnlog__recover(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                    struct recovered *ret, char why[STORE_WHY_MAX])
{
        struct recovery v = {.io = io, .config = config, .ends = ends};
        memset(ret, 0, sizeof *ret);
        memset(ends, 0, sizeof *ends);
        int r = txnlog__mark_read(io, &v.mark, why);
        if (r >= 0)
                r = txnlog__ends_read(io, ends, ret->note, why);
        if (r >= 0) {
                r = scan_and_redo(&v, why);
                if (r >= 0)
                        r = judge(&v, ret, why);
                if (r == -EUCLEAN && v.mark == TXNLOG__MARK_NONE)
                        note_past(&v);
        }
        if (r >= 0)
                r = mend(&v, ret, why);
        if (r >= 0) {
                ret->lost = v.lost;
                if (v.lost)
                        note_loss(&v, ret);
                txnlog__replay_take(&v.replay, ret);
                ret->accepted_epoch = v.epochs.accepted;
                ret->current_epoch = v.epochs.current;
                if (ret->digest_mismatches)
                        txnlog__note(ret->note, "%zu transactions or snapshots do not agree with their digests",
                                     ret->digest_mismatches);
        }
        txnlog__replay_done(&v.replay);
        txnlog__dir_done(&v.dir);
        return r < 0 ? r : 0;
}

void recovered_done(struct recovered *r)
{
        database_free(r->db);
        for (size_t i = 0; i < r->history_count; i++)
                blob_unref(r->history[i].blob);
        mem_free(r->history);
        r->db = NULL;
        r->history = NULL;
        r->history_count = 0;
}
