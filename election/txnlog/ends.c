/* Where the history ended: a small file beside the log that says what the log itself can't, that it once was longer.
 *
 * An end of a segment that is lost and reads as zeros looks like padding. Inside an epoch the next segment's zxid tells
 * of it. Where an epoch begins, and at the end of all, nothing does: the digest is that of the tree, and sessions are
 * not in the tree. So two kinds of sentences are written down (safety: D3, D5, S3):
 *
 *   - end: when currentEpoch was to become e, and at each start, the history had reached z. Written before
 *     currentEpoch, and after the log has been synced: a log that ends before z has lost its end. Its server is in the
 *     state of one that lost its files (mark.c): what is left is good, but it does not vote with less than it once had
 *     until a leader has synchronised it.
 *   - seam: the record x, the first one of an epoch and of a segment, was logged right behind z. Written before that
 *     segment is made. A replay that meets x without having come to z lacks a part of an older segment. That is a hole
 *     in the log, which is refused.
 *
 * Neither may raise a false alarm, whatever has happened to the directory meanwhile:
 *
 *   - A seam is true for ever and everywhere: a transaction has one predecessor in all logs (safety: Z10, Z11), whoever
 *     wrote them. It names its record by checksum too. So it holds after a TRUNC, a SNAP, a stay with ZooKeeper's
 *     server or a restored copy, and where that record is not met, or the history begins in a snapshot behind z, it
 *     says nothing. Should epochs be given anew (older files put back on all servers), the records are others.
 *   - An end holds while currentEpoch is no greater than e. We cut a log (TRUNC, SNAP) only after the end was set back,
 *     under the intent of truncate.c. ZooKeeper's server knows nothing of this file, but in the course of an epoch that
 *     was established no leader asks anybody to go back behind where it began, and by the end of a synchronisation
 *     with another leader currentEpoch is greater. It would take a crash of ZooKeeper's server between a TRUNC and the
 *     currentEpoch that follows, and then a start of ours on its files: that server has no vote until a leader has
 *     synchronised it, which is all that a wrong alarm does.
 *   - Without the mark of mark.c (somebody has taken it away to give up what is lost, or these are another program's
 *     files) an end says nothing.
 *   - Older files in place of newer ones are less than there was: where this file stays, they are found out, where it
 *     is replaced with them, they are not. Retention removes only what a snapshot holds, and replay begins in one.
 *   - A crash between this file and what it is about leaves an end at or before the log's (the log and the names of its
 *     segments were synced first, or the intent is carried out at the next start), and a seam for a record that is not
 *     there. Its new name becomes durable with what it is about, and may do so later: then it says less.
 *   - A file that is missing, or whose checksum does not fit, says nothing: the log is then judged as a log without it.
 *     It is written aside and renamed, so that no crash of ours leaves such a one. One that can't be read for an I/O
 *     error keeps the server from starting, as every file does.
 *
 * The text, one sentence a line, ends with the CRC-32 of all lines before:
 *
 *   baton.ends 1
 *   end <epoch> <zxid>
 *   seam <zxid> <checksum of its payload> <zxid before it>        up to TXNLOG__SEAMS_MAX of them, ascending
 *   crc <CRC-32>
 *
 * All numbers are in hex. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/checksum.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TITLE "baton.ends 1\n"
/* Longest line: "seam " and 16, 8 and 16 digits. */
#define LINE_MAX_BYTES 56
/* The whole text: a title, an end, the seams, the checksum. */
#define TEXT_MAX_BYTES ((size_t)(TXNLOG__SEAMS_MAX + 4) * LINE_MAX_BYTES)

/* ---- reading ---- */

static bool word(const char **at, const char *wanted)
{
        size_t len = strlen(wanted);
        if (strncmp(*at, wanted, len) != 0)
                return false;
        *at += len;
        return true;
}

/* A number of 1 to `digits` digits and the byte behind it. */
static bool number(const char **at, size_t digits, char behind, uint64_t *ret)
{
        size_t n = strspn(*at, "0123456789abcdef");
        *ret = 0;
        if (n == 0 || n > digits)
                return false;
        for (; n > 0; n--, (*at)++)
                *ret = *ret << 4 | (uint64_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
        return *(*at)++ == behind && *ret <= INT64_MAX;
}

static uint32_t crc(const char *text, size_t len)
{
        return checksum_crc32(CHECKSUM_CRC32, text, len);
}

static bool parse_seam(const char **at, struct txnlog__ends *e)
{
        uint64_t zxid, sum, before;
        if (e->count == TXNLOG__SEAMS_MAX || !number(at, 16, ' ', &zxid) || !number(at, 8, ' ', &sum) ||
            !number(at, 16, '\n', &before))
                return false;
        if (before >= zxid || (e->count > 0 && (int64_t)zxid <= e->seams[e->count - 1].zxid))
                return false;
        e->seams[e->count++] =
                (struct txnlog__known_seam){.zxid = (int64_t)zxid, .before = (int64_t)before, .sum = (uint32_t)sum};
        return true;
}

static bool parse(const char *text, struct txnlog__ends *e)
{
        const char *at = text;
        uint64_t epoch, end, sum;
        memset(e, 0, sizeof *e);
        if (!word(&at, TITLE) || !word(&at, "end ") || !number(&at, 8, ' ', &epoch) || !number(&at, 16, '\n', &end))
                return false;
        e->epoch = (int64_t)epoch;
        e->end = (int64_t)end;
        while (word(&at, "seam "))
                if (!parse_seam(&at, e))
                        return false;
        size_t covered = (size_t)(at - text);
        return word(&at, "crc ") && number(&at, 8, '\n', &sum) && *at == '\0' && sum == crc(text, covered);
}

int txnlog__ends_read(const struct storage *io, struct txnlog__ends *ret, char note[STORE_WHY_MAX],
                      char why[STORE_WHY_MAX])
{
        char text[TEXT_MAX_BYTES];
        int r = txnlog__text_read(io, TXNLOG__ENDS, text, sizeof text);
        if (r >= 0 && parse(text, ret))
                return 0;
        memset(ret, 0, sizeof *ret);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return txnlog__fail(why, r, "%s can't be read: %s", TXNLOG__ENDS, strerror(-r));
        if (r != -ENOENT)
                txnlog__note(note,
                             "%s is not as it was written; passed over: should the log have lost its end, that "
                             "may not be seen at this start",
                             TXNLOG__ENDS);
        return 0;
}

const struct txnlog__known_seam *txnlog__ends_find(const struct txnlog__ends *e, const struct txnlog__record *rec)
{
        for (size_t i = e->count; i-- > 0 && e->seams[i].zxid >= rec->zxid;)
                if (e->seams[i].zxid == rec->zxid && !PLANTED(ENDS_IGNORED))
                        return e->seams[i].sum == txnlog__record_sum(rec->payload, rec->len) ? &e->seams[i] : NULL;
        return NULL;
}

/* ---- writing ---- */

static void put(char text[TEXT_MAX_BYTES], const struct txnlog__ends *e)
{
        int len = snprintf(text, TEXT_MAX_BYTES, TITLE "end %" PRIx64 " %" PRIx64 "\n", (uint64_t)e->epoch,
                           (uint64_t)e->end);
        for (size_t i = 0; i < e->count; i++)
                len += snprintf(text + len, TEXT_MAX_BYTES - (size_t)len, "seam %" PRIx64 " %" PRIx32 " %" PRIx64 "\n",
                                (uint64_t)e->seams[i].zxid, e->seams[i].sum, (uint64_t)e->seams[i].before);
        len += snprintf(text + len, TEXT_MAX_BYTES - (size_t)len, "crc %" PRIx32 "\n", crc(text, (size_t)len));
        assert(len > 0 && (size_t)len < TEXT_MAX_BYTES);
}

static int write_down(const struct storage *io, struct txnlog__ends *e, const struct txnlog__ends *next,
                      char why[STORE_WHY_MAX])
{
        char text[TEXT_MAX_BYTES];
        put(text, next);
        int r = txnlog__small_put(io, TXNLOG__TMP_ENDS, TXNLOG__ENDS, text);
        if (r < 0)
                return txnlog__fail(why, r, "%s can't be written: %s", TXNLOG__ENDS, strerror(-r));
        *e = *next;
        return 1;
}

int txnlog__ends_reach(const struct storage *io, struct txnlog__ends *e, int64_t epoch, int64_t end,
                       char why[STORE_WHY_MAX])
{
        struct txnlog__ends next = *e;
        assert(epoch >= 0 && end >= 0);
        next.epoch = epoch;
        next.end = end;
        return epoch == e->epoch && end == e->end ? 0 : write_down(io, e, &next, why);
}

static void forget_above(struct txnlog__ends *e, int64_t zxid)
{
        while (e->count > 0 && e->seams[e->count - 1].zxid > zxid)
                e->count--;
}

int txnlog__ends_seam(const struct storage *io, struct txnlog__ends *e, const struct txnlog__known_seam *seam,
                      char why[STORE_WHY_MAX])
{
        struct txnlog__ends next = *e;
        assert(seam->zxid > seam->before);
        forget_above(&next, seam->zxid - 1); /* of a record that never was, or is no more */
        if (next.count == TXNLOG__SEAMS_MAX)
                memmove(next.seams, next.seams + 1, --next.count * sizeof *next.seams);
        next.seams[next.count++] = *seam;
        return write_down(io, e, &next, why);
}

int txnlog__ends_cut(const struct storage *io, struct txnlog__ends *e, int64_t zxid, char why[STORE_WHY_MAX])
{
        struct txnlog__ends next = *e;
        forget_above(&next, zxid);
        if (next.end > zxid)
                next.end = zxid;
        return next.count == e->count && next.end == e->end ? 0 : write_down(io, e, &next, why);
}
