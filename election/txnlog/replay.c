/* Replaying the log over a snapshot, and judging what does not fit.
 *
 * The snapshot stands at F. Records <= F are passed over; each later one must follow its predecessor
 * (safety: Z11). An invalid record is
 *   - a torn tail, when it stands in the last segment, no valid record stands behind it, and its bytes are those of a
 *     write that was cut short (tear.c): recovery cuts it;
 *   - a damaged tail, when they are not: what stood there may have been acknowledged. What is before it is good, so
 *     recovery cuts it too, but the server has lost something, and has no vote until a leader has synchronised it;
 *   - a doubt, when it ends an earlier segment with nothing valid behind it there. A Java server leaves such
 *     ends: it does not cut a torn tail, it just goes on in a new file; padding stands behind it. The next record
 *     clears the doubt if it shows that nothing is missing in between: by its zxid (the next of the same epoch), by
 *     being known to follow what was reached (ends.c), or, where the end looks torn, by carrying the digest of the
 *     very tree;
 *   - corruption otherwise (safety: D5).
 * A good record that does not follow is corruption as well, but for those that repeat what was replayed, up to its end:
 * ZooKeeper's server leaves such a series when a synchronisation was broken off after it had logged it, and it comes
 * again without a restart in between (ZOOKEEPER-4394, 4712).
 * A lost end that reads as zeros looks like padding, and where the next segment begins an epoch no zxid shows what is
 * missing. Where we wrote that segment, ends.c knows what its first record follows. Else the first digest behind it
 * tells (a transaction that failed has none): where it is the first not to fit, the log is refused. Only a digest that
 * did fit before makes it a proof: a tree that a Java server has loaded from a fuzzy snapshot, or that wrote no digests
 * until then, may differ without any loss. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The history's dead front is closed up when it is this long. */
#define HISTORY_SLACK 1024

void txnlog__replay_init(struct txnlog__replay *r, const struct storage *io, const struct store_config *config,
                         const struct txnlog__ends *ends, struct database *db, int64_t from,
                         const struct txnlog__snapshot_info *snapshot)
{
        memset(r, 0, sizeof *r);
        r->io = io;
        r->config = config;
        r->ends = ends;
        r->db = db;
        r->from = r->last = from;
        r->until = INT64_MAX;
        r->snapshot = *snapshot;
        outcome_init(&r->outcome);
        /* Nothing was applied after the snapshot's own zxid: its digest is that of the tree right now. */
        r->compare = !snapshot->has_digest || snapshot->digest_zxid <= from;
        r->proven = snapshot->has_digest && snapshot->digest_zxid == from &&
                    snapshot->digest == tree_digest(database_tree(db));
        if (snapshot->has_digest && snapshot->digest_zxid == from && from != 0 && !r->proven)
                r->digest_mismatches++;
}

void txnlog__replay_done(struct txnlog__replay *r)
{
        for (size_t i = r->history_head; i < r->history_end; i++)
                blob_unref(r->history[i].blob);
        mem_free(r->history);
        outcome_done(&r->outcome);
        database_free(r->db);
        memset(r, 0, sizeof *r);
}

/* ---- the newest transactions, for DIFF ---- */

static void history_drop_oldest(struct txnlog__replay *r)
{
        struct store_txn *t = &r->history[r->history_head++];
        r->history_bytes -= t->len;
        blob_unref(t->blob);
}

static void history_push(struct txnlog__replay *r, const struct txnlog__record *rec)
{
        if (r->history_head >= HISTORY_SLACK && r->history_head * 2 >= r->history_end) {
                r->history_end -= r->history_head;
                memmove(r->history, r->history + r->history_head, r->history_end * sizeof *r->history);
                r->history_head = 0;
        }
        r->history = mem_grow(r->history, &r->history_capacity, r->history_end + 1, sizeof *r->history);
        r->history[r->history_end++] = (struct store_txn){
                .zxid = rec->zxid, .blob = blob_copy(rec->payload, rec->len), .offset = 0, .len = rec->len};
        r->history_bytes += rec->len;
        while (r->history_head < r->history_end && (r->history_end - r->history_head > r->config->history_max ||
                                                    r->history_bytes > r->config->history_bytes_max))
                history_drop_oldest(r);
}

void txnlog__replay_take(struct txnlog__replay *r, struct recovered *ret)
{
        size_t count = r->history_end - r->history_head;
        ret->db = r->db;
        ret->last_zxid = r->last;
        ret->snapshot_zxid = r->from;
        ret->replayed = r->replayed;
        ret->digest_mismatches = r->digest_mismatches;
        if (count > 0 && r->history_head > 0)
                memmove(r->history, r->history + r->history_head, count * sizeof *r->history);
        ret->history = r->history;
        ret->history_count = count;
        r->db = NULL;
        r->history = NULL;
        r->history_head = r->history_end = r->history_capacity = 0;
}

/* ---- one record ---- */

/* Counts a mismatch from the snapshot's digest zxid on (storage-format.md 5.4). */
static void compare_digest(struct txnlog__replay *r, const struct txnlog__record *rec)
{
        r->proven = r->proven || r->outcome.digest_agrees;
        if (r->compare) {
                r->digest_mismatches += r->outcome.digest_mismatch;
                return;
        }
        if (rec->zxid < r->snapshot.digest_zxid)
                return;
        r->compare = true;
        if (rec->zxid == r->snapshot.digest_zxid)
                r->digest_mismatches += r->snapshot.digest != tree_digest(database_tree(r->db));
        else
                r->digest_mismatches += r->outcome.digest_mismatch;
}

/* Whether the payload ends with the digest of the tree as it is now: 64 bits that agree by no accident. */
static bool carries_tree_digest(const struct txnlog__replay *r, const struct txnlog__record *rec)
{
        struct jute_reader reader;
        struct jute_txn_digest d;
        if (rec->len < JUTE_TXN_HEADER_SIZE + JUTE_TXN_DIGEST_SIZE)
                return false;
        jute_reader_init(&reader, rec->payload + rec->len - JUTE_TXN_DIGEST_SIZE, JUTE_TXN_DIGEST_SIZE, 0);
        jute_get_txn_digest(&reader, &d);
        return d.version == JUTE_DIGEST_VERSION && (uint64_t)d.tree_digest == tree_digest(database_tree(r->db));
}

static int clear_doubt(struct txnlog__replay *r, const struct txnlog__record *rec, int64_t before,
                       char why[STORE_WHY_MAX])
{
        bool cleared =
                txnlog__epoch(rec->zxid) == txnlog__epoch(before) || (!r->doubt_damaged && carries_tree_digest(r, rec));
        if (!cleared)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: what stands at offset %" PRIu64 " is no valid record, and the log goes on "
                                    "with 0x%" PRIx64
                                    " of a later epoch, so that transactions may be missing; " TXNLOG__MEND,
                                    r->doubt, r->doubt_offset, (uint64_t)rec->zxid);
        r->doubt = NULL;
        return 0;
}

/* The first record taken from a segment is of a later epoch: whether the tree that it was made for is the one that the
 * log before it comes to is still to be seen. */
static void open_seam(struct txnlog__replay *r, const char *name, const struct txnlog__record *rec)
{
        if (r->seam.name || !r->proven || r->digest_mismatches || txnlog__epoch(rec->zxid) == txnlog__epoch(r->last))
                return;
        r->seam = (struct txnlog__seam){.name = name, .offset = rec->offset, .zxid = rec->zxid, .before = r->last};
}

static int check_seam(struct txnlog__replay *r, char why[STORE_WHY_MAX])
{
        const struct txnlog__seam *s = &r->seam;
        if (s->name && r->digest_mismatches)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: 0x%" PRIx64 " at offset %" PRIu64
                                    " begins an epoch on another tree than the log before "
                                    "it makes: transactions behind 0x%" PRIx64 " are missing; " TXNLOG__MEND,
                                    s->name, (uint64_t)s->zxid, s->offset, (uint64_t)s->before);
        if (r->outcome.digest_agrees)
                r->seam.name = NULL;
        return 0;
}

/* 1 when it is known that this record follows what was reached, 0 when nothing is known, -EUCLEAN. */
static int check_known_seam(struct txnlog__replay *r, const char *name, const struct txnlog__record *rec,
                            char why[STORE_WHY_MAX])
{
        const struct txnlog__known_seam *known = r->ends ? txnlog__ends_find(r->ends, rec) : NULL;
        if (!known || r->last >= known->before)
                return known != NULL;
        return txnlog__fail(why, -EUCLEAN,
                            "%s: 0x%" PRIx64 " at offset %" PRIu64 " was written behind 0x%" PRIx64
                            ", and the log before it ends with 0x%" PRIx64
                            ": transactions are missing in between; " TXNLOG__MEND,
                            name, (uint64_t)rec->zxid, rec->offset, (uint64_t)known->before, (uint64_t)r->last);
}

static int apply(struct txnlog__replay *r, const char *name, const struct txnlog__record *rec, bool first,
                 char why[STORE_WHY_MAX])
{
        int64_t before = r->last;
        int known = check_known_seam(r, name, rec, why);
        if (known < 0)
                return known;
        if (!txnlog__follows(before, rec->zxid))
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: at offset %" PRIu64 " stands 0x%" PRIx64 ", which does not follow 0x%" PRIx64
                                    ": transactions are missing or doubled; " TXNLOG__MEND,
                                    name, rec->offset, (uint64_t)rec->zxid, (uint64_t)before);
        if (database_apply(r->db, rec->payload, rec->len, &r->outcome) < 0)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: the record at offset %" PRIu64 " (0x%" PRIx64 ") has a good checksum but is "
                                    "no transaction this server knows; " TXNLOG__MEND,
                                    name, rec->offset, (uint64_t)rec->zxid);
        if (known)
                r->doubt = NULL;
        else if (first)
                open_seam(r, name, rec);
        r->last = rec->zxid;
        r->replayed++;
        compare_digest(r, rec);
        history_push(r, rec);
        int done = r->doubt ? clear_doubt(r, rec, before, why) : 0;
        return done < 0 ? done : check_seam(r, why);
}

/* ---- one segment ---- */

static int io_error(const char *name, int error, char why[STORE_WHY_MAX])
{
        return txnlog__fail(why, error, "%s can't be read: %s", name, strerror(-error));
}

/* Whether this record is there once more: it is of the snapshot, or is one that was replayed, and stands in a series of
 * such. That this comes to the end of what was replayed is for the next record to show, or the end of all. */
static bool repeats(struct txnlog__replay *r, const struct txnlog__record *rec)
{
        if (rec->zxid > r->last || (r->repeated && !txnlog__follows(r->repeated, rec->zxid)))
                return false;
        size_t i = r->history_end;
        while (i > r->history_head && r->history[i - 1].zxid > rec->zxid)
                i--;
        if (rec->zxid > r->from) {
                const struct store_txn *t = i > r->history_head ? &r->history[i - 1] : NULL;
                if (!t || t->zxid != rec->zxid || t->len != rec->len ||
                    memcmp(t->blob->data + t->offset, rec->payload, rec->len) != 0)
                        return false;
        }
        r->repeated = rec->zxid < r->last ? rec->zxid : 0;
        return true;
}

/* A series of repeated records has to come to the end of what was replayed: others may be stale blocks of a disk, in
 * the place of what is lost. */
static int check_repeated(const struct txnlog__replay *r, const char *name, char why[STORE_WHY_MAX])
{
        if (!r->repeated)
                return 0;
        return txnlog__fail(why, -EUCLEAN,
                            "%s: records up to 0x%" PRIx64 " stand in it once more, behind 0x%" PRIx64
                            ", and what was to follow may be missing; " TXNLOG__MEND,
                            name, (uint64_t)r->repeated, (uint64_t)r->last);
}

/* What to make of an invalid record. `seen` is the last zxid read in this segment, -1 for none. */
static int judge_invalid(struct txnlog__replay *r, struct txnlog__cursor *c, const struct txnlog__file *f, bool last,
                         int64_t seen, char why[STORE_WHY_MAX])
{
        const char *name = f->name;
        uint64_t valid = 0;
        int behind = txnlog__cursor_valid_behind(c, &valid);
        if (behind < 0)
                return io_error(name, behind, why);
        if (behind)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: what stands at offset %" PRIu64 " is no valid record, but a valid one "
                                    "follows at offset %" PRIu64 ": the file is damaged, not torn; " TXNLOG__MEND,
                                    name, c->at, valid);
        int padded = last ? 1 : txnlog__cursor_padded(c);
        if (padded < 0)
                return io_error(name, padded, why);
        /* A segment that was left is cut at its end, and what was torn there was cut before: by us. ZooKeeper's have
         * padding behind what was torn. Whether a record is missing need not show in the tree: sessions don't. */
        if (!padded)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: what stands at offset %" PRIu64 " is no valid record, and it is not the last "
                                    "segment, so that this is no torn write; " TXNLOG__MEND,
                                    name, c->at);
        int torn = txnlog__cursor_torn(c, seen, f->zxid);
        if (torn < 0)
                return io_error(name, torn, why);
        if (last) {
                r->torn = torn;
                r->damaged = !torn;
        } else if ((seen < 0 || seen >= r->from) && !r->doubt) {
                r->doubt = name;
                r->doubt_offset = c->at;
                r->doubt_damaged = !torn;
        }
        return 0;
}

/* A segment is named by its first record. With an older one in it, it is none of this log: passed over now, it
 * would stand in the way of what is written from here on. */
static int check_name(const struct txnlog__file *f, const struct txnlog__record *rec, char why[STORE_WHY_MAX])
{
        if (rec->zxid >= f->zxid)
                return 0;
        return txnlog__fail(why, -EUCLEAN,
                            "%s: at offset %" PRIu64 " stands 0x%" PRIx64
                            ", which is older than its name; " TXNLOG__MEND,
                            f->name, rec->offset, (uint64_t)rec->zxid);
}

/* 1 when the wanted zxid was reached, 0 at the end of the segment. */
static int read_records(struct txnlog__replay *r, struct txnlog__cursor *c, const struct txnlog__file *f, bool last,
                        char why[STORE_WHY_MAX])
{
        const char *name = f->name;
        struct txnlog__record rec;
        int64_t seen = -1;
        bool first = true;
        for (;;) {
                int more = txnlog__cursor_next(c, &rec);
                if (more == -EUCLEAN)
                        return judge_invalid(r, c, f, last, seen, why);
                if (more < 0)
                        return io_error(name, more, why);
                if (more == 0)
                        return 0;
                int done = check_name(f, &rec, why);
                if (done < 0)
                        return done;
                seen = rec.zxid;
                if (rec.zxid > r->until)
                        return 1;
                r->tail_records = true;
                if (rec.zxid <= r->from && r->replayed == 0)
                        continue;
                if (repeats(r, &rec))
                        continue;
                done = check_repeated(r, name, why);
                if (done == 0)
                        done = apply(r, name, &rec, first, why);
                if (done < 0)
                        return done;
                first = false;
                if (rec.zxid == r->until)
                        return 1;
        }
}

static int read_segment(struct txnlog__replay *r, const struct txnlog__file *f, bool last, char why[STORE_WHY_MAX])
{
        struct txnlog__cursor c;
        int done = txnlog__cursor_open(&c, r->io, f->name, r->config->item_max);
        if (done < 0)
                return io_error(f->name, done, why);
        r->tail_records = false;
        if (c.header == TXNLOG__HEADER_BAD) {
                done = txnlog__fail(why, -EUCLEAN, "%s does not begin like a transaction log; " TXNLOG__MEND, f->name);
        } else if (c.header == TXNLOG__HEADER_EMPTY) {
                /* Not the last one: those were set apart. */
                if (!r->doubt) {
                        r->doubt = f->name;
                        r->doubt_offset = 0;
                        r->doubt_damaged = false;
                }
        } else {
                done = read_records(r, &c, f, last, why);
        }
        if (last && done == 0) {
                r->tail = f;
                r->tail_end = c.at;
                r->tail_size = c.size;
        }
        txnlog__cursor_close(&c);
        return done;
}

/* Segments at the end that have not even a header hold nothing (catalogue 61): how many are left. */
static int count_live(struct txnlog__replay *r, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        r->live = dir->logs.count;
        while (r->live > 0) {
                struct txnlog__cursor c;
                const struct txnlog__file *f = &dir->logs.list[r->live - 1];
                int done = txnlog__cursor_open(&c, r->io, f->name, r->config->item_max);
                if (done < 0)
                        return io_error(f->name, done, why);
                bool empty = c.header == TXNLOG__HEADER_EMPTY;
                if (empty && c.size >= TXNLOG__HEADER_SIZE)
                        r->zeroed = f;
                txnlog__cursor_close(&c);
                if (!empty)
                        break;
                r->live--;
        }
        return 0;
}

int txnlog__replay_run(struct txnlog__replay *r, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        int done = count_live(r, dir, why);
        if (done < 0 || r->last >= r->until)
                return done;
        size_t first = txnlog__files_upto(&dir->logs, r->from + 1);
        if (first == SIZE_MAX)
                first = 0;
        /* One that holds nothing goes, and then the one before it is read: now too, so that what stands in it is
         * refused before anything is changed, not at the next start. */
        if (first >= r->live && r->live > 0)
                first = r->live - 1;
        r->first = first;
        for (size_t i = first; i < r->live; i++) {
                done = read_segment(r, &dir->logs.list[i], i + 1 == r->live, why);
                if (done != 0)
                        return done < 0 ? done : 0;
        }
        if (r->repeated)
                return check_repeated(r, dir->logs.list[r->live - 1].name, why);
        if (r->doubt)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s: what stands at offset %" PRIu64 " is no valid record, and it is not the last "
                                    "segment, so that this is no torn write; " TXNLOG__MEND,
                                    r->doubt, r->doubt_offset);
        return 0;
}
