/* A torn write or damage: what stands behind the last good record of a log, told from its bytes (safety: D5).
 *
 * A log file is written front to back in front of zeros (preallocation, or space that the file has just gained), and a
 * record is acknowledged only after a sync. So what a crash leaves of a record that nobody was promised is
 *
 *   - a beginning of it, at any byte, and then nothing but zeros to the end of the file: a process that was killed in a
 *     write, a short write, the buffer of ZooKeeper's server (8 KiB). Its last byte, 'B', is not there.
 *   - or all of it but for sectors that never reached the disk. A sector is written whole or not at all, and one that
 *     was not is still zeros; etcd tells its torn entries by the same (wal/decoder.go, isTornEntry).
 *
 * What is neither was written whole and has changed since: it may be a record that was acknowledged. Each field of the
 * record's head is doubted as well: a length that grew makes a whole record look as if its end were missing.
 *
 * Zeros in place of a sector that was written are a tear to this file, as they are to anybody who has only the bytes.
 * Whether the log was longer once is for ends.c to know. A record may hold a whole sector of zeros by itself (a node's
 * data): there a change of one bit is still recognised, since the checksum says which it was, but no larger one. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>

/* What a disk writes whole or not at all. Those that write 4096 bytes so leave the same traces, only longer. */
#define SECTOR_BYTES 512u
/* The checksum's upper half is zero in every record. */
#define SUM_BYTES      8u
#define SUM_ZERO_BYTES 4u
/* Where the zxid stands: behind the record's head, session and cxid. */
#define ZXID_AT  (TXNLOG__RECORD_HEAD + 12)
#define ZXID_END (ZXID_AT + 8)
/* No record is of an epoch so much later than the one before it: garbage is. */
#define EPOCH_STEP_MAX 65536
/* Adler-32's modulus: the largest prime below 65536. */
#define ADLER_BASE 65521u

struct tail {
        struct txnlog__cursor *c;
        uint64_t at, used; /* the record; behind the last byte of the file that is not zero */
        uint64_t sum;
        uint32_t len;
};

/* ---- looking at bytes ---- */

static int find_used(struct tail *t)
{
        for (uint64_t offset = t->at; offset < t->c->size;) {
                const uint8_t *bytes = NULL;
                int64_t n = txnlog__cursor_window(t->c, offset, 1, &bytes);
                if (n <= 0)
                        return (int)n;
                for (size_t i = (size_t)n; i-- > 0;)
                        if (bytes[i] != 0) {
                                t->used = offset + i + 1;
                                break;
                        }
                offset += (uint64_t)n;
        }
        return 0;
}

/* 1 when the sector that holds `offset` is blank from the record's begin, or its own, to its end; 0, -errno. */
static int blank(struct tail *t, uint64_t offset)
{
        uint64_t from = offset - offset % SECTOR_BYTES, end = from + SECTOR_BYTES;
        const uint8_t *bytes = NULL;
        if (from < t->at)
                from = t->at;
        if (end > t->c->size)
                end = t->c->size;
        if (from >= end)
                return 1;
        int64_t n = txnlog__cursor_window(t->c, from, (size_t)(end - from), &bytes);
        if (n < 0)
                return (int)n;
        for (uint64_t i = 0; i < end - from && i < (uint64_t)n; i++)
                if (bytes[i] != 0)
                        return 0;
        return 1;
}

static uint64_t big_endian(const uint8_t *at, size_t len)
{
        uint64_t v = 0;
        while (len-- > 0)
                v = v << 8 | *at++;
        return v;
}

/* How many of the record's bytes stand in its first sector. */
static uint64_t first_part(const struct tail *t)
{
        return SECTOR_BYTES - t->at % SECTOR_BYTES;
}

/* The record's bytes, if its length is one and all of it is within the file: 1, 0, -errno. */
static int whole(struct tail *t, uint32_t len, const uint8_t **ret)
{
        uint64_t size = (uint64_t)len + TXNLOG__RECORD_OVERHEAD;
        if (len < JUTE_TXN_HEADER_SIZE || len > (uint32_t)t->c->item_max || size > t->c->size - t->at)
                return 0;
        int64_t n = txnlog__cursor_window(t->c, t->at, (size_t)size, ret);
        return n < 0 ? (int)n : (uint64_t)n >= size;
}

static bool is_one_bit(uint64_t v)
{
        return v != 0 && (v & (v - 1)) == 0;
}

/* ---- all of it is there, and something has changed ---- */

/* 1 when it is a good record but for its length, which should be `len`. */
static int is_whole_with(struct tail *t, uint32_t len)
{
        const uint8_t *bytes = NULL;
        int r = whole(t, len, &bytes);
        return r <= 0 ? r
                      : bytes[TXNLOG__RECORD_HEAD + len] == TXNLOG__RECORD_END &&
                                t->sum == txnlog__record_sum(bytes + TXNLOG__RECORD_HEAD, len);
}

static int is_whole_with_another_length(struct tail *t)
{
        uint64_t left = t->used - t->at;
        int r = 0;
        if (left > TXNLOG__RECORD_OVERHEAD && left <= INT32_MAX)
                r = is_whole_with(t, (uint32_t)left - TXNLOG__RECORD_OVERHEAD);
        for (unsigned bit = 0; bit < 32 && r == 0; bit++)
                r = is_whole_with(t, t->len ^ UINT32_C(1) << bit);
        return r;
}

/* Whether a payload with this checksum becomes one with the wanted checksum by one other bit. Adler-32 is two sums
 * modulo ADLER_BASE, of all bytes, and of all bytes times their distance from the end: the difference of the first says
 * by how much a byte has changed, the second says which. */
static bool differs_in_one_bit(const uint8_t *payload, uint32_t len, uint32_t sum, uint32_t wanted)
{
        uint32_t by = (ADLER_BASE + (wanted & 0xffff) - (sum & 0xffff)) % ADLER_BASE;
        uint32_t weighted = (ADLER_BASE + (wanted >> 16) - (sum >> 16)) % ADLER_BASE;
        for (unsigned bit = 0; bit < 8; bit++) {
                uint32_t step = 1u << bit;
                bool was_clear = by == ADLER_BASE - step; /* and is set now */
                if (by != step && !was_clear)
                        continue;
                for (uint32_t i = 0; i < len; i++)
                        if ((payload[i] >> bit & 1) == was_clear &&
                            (uint64_t)(len - i) % ADLER_BASE * by % ADLER_BASE == weighted)
                                return true;
        }
        return false;
}

static int is_whole_but_for_one_bit(struct tail *t)
{
        const uint8_t *bytes = NULL;
        int r = whole(t, t->len, &bytes);
        if (r <= 0)
                return r;
        const uint8_t *payload = bytes + TXNLOG__RECORD_HEAD;
        uint32_t sum = txnlog__record_sum(payload, t->len);
        if (payload[t->len] != TXNLOG__RECORD_END) /* a zero there is a write that was one byte short */
                return t->sum == sum && payload[t->len] != 0;
        if (is_one_bit(t->sum ^ sum))
                return 1;
        return t->sum <= UINT32_MAX && differs_in_one_bit(payload, t->len, sum, (uint32_t)t->sum);
}

/* ---- something of it is not there ---- */

/* The head is in one sector, or in two. Few bytes of it in the first one are zeros in any record: those alone say
 * nothing. */
static int is_head_missing(struct tail *t)
{
        uint64_t first = first_part(t);
        int r = first >= SUM_BYTES ? blank(t, t->at) : 0;
        if (r == 0 && first < TXNLOG__RECORD_HEAD)
                r = blank(t, t->at + first);
        return r;
}

/* Some bytes of the checksum stood in the first sector, and are zeros: did they not reach the disk? Then the others are
 * those of the payload's checksum. */
static int is_sum_cut(struct tail *t)
{
        const uint8_t *bytes = NULL;
        uint64_t first = first_part(t);
        if (first <= SUM_ZERO_BYTES || first >= SUM_BYTES)
                return 0;
        int r = blank(t, t->at);
        if (r > 0)
                r = whole(t, t->len, &bytes);
        if (r <= 0)
                return r;
        uint64_t sum = txnlog__record_sum(bytes + TXNLOG__RECORD_HEAD, t->len);
        return t->sum == (sum & ((UINT64_C(1) << 8 * (SUM_BYTES - first)) - 1));
}

/* 1 when its zxid is there and none that can stand here. (ZooKeeper's server leaves gaps behind a snapshot that it was
 * sent.) */
static int is_another_record(struct tail *t, int64_t before, int64_t first)
{
        const uint8_t *bytes = NULL;
        if (t->used < t->at + ZXID_END)
                return 0;
        int r = blank(t, t->at + ZXID_AT);
        if (r == 0)
                r = blank(t, t->at + ZXID_END - 1);
        if (r != 0)
                return r < 0 ? r : 0;
        int64_t n = txnlog__cursor_window(t->c, t->at, ZXID_END, &bytes);
        if (n < ZXID_END)
                return n < 0 ? (int)n : 0;
        int64_t zxid = (int64_t)big_endian(bytes + ZXID_AT, 8);
        if (before < 0)
                return zxid != first;
        return zxid <= before || txnlog__epoch(zxid) - txnlog__epoch(before) > EPOCH_STEP_MAX;
}

static int is_part_missing(struct tail *t)
{
        uint64_t end = t->at + t->len + TXNLOG__RECORD_OVERHEAD;
        int r = t->used < end;
        for (uint64_t offset = t->at + first_part(t); offset < end && r == 0; offset += SECTOR_BYTES)
                r = blank(t, offset);
        return r;
}

int txnlog__cursor_torn(struct txnlog__cursor *c, int64_t before, int64_t first)
{
        struct tail t = {.c = c, .at = c->at};
        const uint8_t *head = NULL;
        int r = find_used(&t);
        if (r < 0 || PLANTED(DAMAGE_COUNTS_AS_TORN))
                return r < 0 ? r : 1;
        r = is_head_missing(&t);
        if (r != 0)
                return r;
        int64_t n = txnlog__cursor_window(c, t.at, TXNLOG__RECORD_HEAD, &head);
        if (n < TXNLOG__RECORD_HEAD)
                return n < 0 ? (int)n : 1; /* the file ends in it */
        t.sum = big_endian(head, SUM_BYTES);
        t.len = (uint32_t)big_endian(head + SUM_BYTES, 4);
        r = is_sum_cut(&t);
        if (r != 0)
                return r;
        int damaged = is_whole_with_another_length(&t);
        if (damaged == 0)
                damaged = is_whole_but_for_one_bit(&t);
        if (damaged == 0 && t.used >= t.at + TXNLOG__RECORD_HEAD)
                damaged = t.sum > UINT32_MAX || t.len < JUTE_TXN_HEADER_SIZE || t.len > (uint32_t)c->item_max;
        if (damaged == 0)
                damaged = is_another_record(&t, before, first);
        if (damaged != 0)
                return damaged < 0 ? damaged : 0;
        return is_part_missing(&t);
}
