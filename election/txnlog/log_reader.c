/* Reading one segment, in blocks, and telling its end from damage.
 *
 * A segment ends cleanly at the end of the file or where nothing but zeros follows (preallocation).
 * Anything else that is no valid record is reported with its offset; whether it is a torn tail or
 * corruption depends on what follows, which txnlog__cursor_valid_behind() tells, and on its own bytes (tear.c;
 * safety: D5). */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Reads file bytes so that [offset, offset + want) is in the buffer, as far as the file goes. */
static int refill(struct txnlog__cursor *c, uint64_t offset, size_t want)
{
        if (offset >= c->base && offset < c->base + c->fill) {
                size_t skip = (size_t)(offset - c->base);
                c->fill -= skip;
                memmove(c->buffer, c->buffer + skip, c->fill);
        } else {
                c->fill = 0;
        }
        c->base = offset;
        if (want < TXNLOG__BLOCK_BYTES)
                want = TXNLOG__BLOCK_BYTES;
        if (want > c->size - offset)
                want = (size_t)(c->size - offset);
        c->buffer = mem_grow(c->buffer, &c->capacity, want, 1);
        while (c->fill < want) {
                int64_t n = c->io->read_at(c->file, c->base + c->fill, c->buffer + c->fill, want - c->fill);
                if (n < 0)
                        return (int)n;
                if (n == 0)
                        break;
                c->fill += (size_t)n;
        }
        return 0;
}

int64_t txnlog__cursor_window(struct txnlog__cursor *c, uint64_t offset, size_t want, const uint8_t **ret)
{
        if (offset >= c->size)
                return 0;
        if (want > c->size - offset)
                want = (size_t)(c->size - offset);
        if (offset < c->base || offset + want > c->base + c->fill) {
                int r = refill(c, offset, want);
                if (r < 0)
                        return r;
        }
        assert(c->buffer);
        *ret = c->buffer + (offset - c->base);
        return (int64_t)(c->base + c->fill - offset);
}

static size_t leading_zeros(const uint8_t *at, size_t len)
{
        static const uint8_t zeros[256];
        assert(at);
        size_t i = 0;
        while (len - i >= sizeof zeros && memcmp(at + i, zeros, sizeof zeros) == 0)
                i += sizeof zeros;
        while (i < len && at[i] == 0)
                i++;
        return i;
}

/* 1 when nothing but zeros stands from `offset` to the end of the file. */
static int zeros_to_end(struct txnlog__cursor *c, uint64_t offset)
{
        while (offset < c->size) {
                const uint8_t *at = NULL;
                int64_t n = txnlog__cursor_window(c, offset, 1, &at);
                if (n < 0)
                        return (int)n;
                if (n == 0)
                        break;
                if (leading_zeros(at, (size_t)n) < (size_t)n)
                        return 0;
                offset += (uint64_t)n;
        }
        return 1;
}

static int judge_header(struct txnlog__cursor *c)
{
        const uint8_t *at = NULL;
        int64_t n = txnlog__cursor_window(c, 0, TXNLOG__HEADER_SIZE, &at);
        if (n < 0)
                return (int)n;
        c->at = TXNLOG__HEADER_SIZE;
        if (n >= TXNLOG__HEADER_SIZE && txnlog__header_ok(at)) {
                c->header = TXNLOG__HEADER_OK;
                return 0;
        }
        int r = n < TXNLOG__HEADER_SIZE ? 1 : zeros_to_end(c, 0);
        if (r < 0)
                return r;
        c->header = r ? TXNLOG__HEADER_EMPTY : TXNLOG__HEADER_BAD;
        return 0;
}

int txnlog__cursor_open(struct txnlog__cursor *c, const struct storage *io, const char *name, int32_t item_max)
{
        memset(c, 0, sizeof *c);
        c->io = io;
        c->item_max = item_max;
        int r = io->open(io->ctx, name, &c->file);
        if (r < 0)
                return r;
        int64_t size = io->size(c->file);
        c->size = size < 0 ? 0 : (uint64_t)size;
        r = size < 0 ? (int)size : judge_header(c);
        if (r < 0)
                txnlog__cursor_close(c);
        return r;
}

void txnlog__cursor_close(struct txnlog__cursor *c)
{
        if (c->file)
                c->io->close(c->file);
        mem_free(c->buffer);
        memset(c, 0, sizeof *c);
}

/* 1 when what begins at `offset` has a record's head and all of the length that it says, 0 when not, -errno. */
static int find_bytes(struct txnlog__cursor *c, uint64_t offset, const uint8_t **ret, uint32_t *ret_len)
{
        int64_t n = txnlog__cursor_window(c, offset, TXNLOG__RECORD_HEAD, ret);
        if (n < TXNLOG__RECORD_HEAD)
                return n < 0 ? (int)n : 0;
        int32_t len = txnlog__record_len(*ret, c->item_max);
        if (len < 0)
                return 0;
        *ret_len = (uint32_t)len;
        size_t whole = (size_t)len + TXNLOG__RECORD_OVERHEAD;
        n = txnlog__cursor_window(c, offset, whole, ret);
        return n < 0 ? (int)n : (size_t)n >= whole;
}

/* 1 when a valid record begins at `offset`, 0 when not, -errno. */
static int judge(struct txnlog__cursor *c, uint64_t offset, struct txnlog__record *ret)
{
        const uint8_t *at = NULL;
        uint32_t len = 0;
        int r = find_bytes(c, offset, &at, &len);
        if (r <= 0)
                return r;
        ret->offset = offset;
        return txnlog__record_get(at, len, ret);
}

int txnlog__cursor_next(struct txnlog__cursor *c, struct txnlog__record *ret)
{
        assert(c->header == TXNLOG__HEADER_OK);
        if (c->at >= c->size)
                return 0;
        int r = judge(c, c->at, ret);
        if (r > 0)
                c->at += (uint64_t)ret->len + TXNLOG__RECORD_OVERHEAD;
        if (r != 0)
                return r;
        r = zeros_to_end(c, c->at);
        if (r < 0)
                return r;
        return r || PLANTED(M10_DAMAGE_ENDS_THE_LOG) ? 0 : -EUCLEAN;
}

int txnlog__cursor_padded(struct txnlog__cursor *c)
{
        static const uint8_t zero;
        const uint8_t *at = &zero;
        int64_t n = c->size > 0 ? txnlog__cursor_window(c, c->size - 1, 1, &at) : 0;
        return n < 0 ? (int)n : *at == 0;
}

/* ---- any valid record ---- */

/* A client may write data in which what looks like a long record begins everywhere. To add up the bytes of each of them
 * would take minutes. So Adler-32's two sums are known of all beginnings of the file that are so many steps long, and
 * those of any stretch follow from two of them and the bytes at its rims. */
#define SUMS_STEP  256u
#define ADLER_BASE 65521u

struct sums {
        uint64_t origin; /* in the file */
        struct sum {
                uint32_t plain, placed; /* of the bytes; of the bytes times their place, counted from the origin */
        } * list;                       /* of the first 0, 1, 2... steps; NULL: not made yet */
        size_t count;
};

/* Up to a step. */
static void add(struct sum *s, uint64_t place, const uint8_t *bytes, size_t len)
{
        uint64_t plain = s->plain, placed = s->placed;
        place %= ADLER_BASE;
        for (size_t i = 0; i < len; i++) {
                plain += bytes[i];
                placed += (place + i) * bytes[i];
        }
        s->plain = (uint32_t)(plain % ADLER_BASE);
        s->placed = (uint32_t)(placed % ADLER_BASE);
}

static int make_sums(struct sums *s, struct txnlog__cursor *c)
{
        struct sum sum = {0, 0};
        size_t capacity = 0;
        uint64_t place = 0;
        s->list = mem_grow(NULL, &capacity, (size_t)((c->size - s->origin) / SUMS_STEP) + 1, sizeof *s->list);
        s->list[s->count++] = sum;
        while (s->origin + place + SUMS_STEP <= c->size) {
                const uint8_t *at = NULL;
                int64_t n = txnlog__cursor_window(c, s->origin + place, SUMS_STEP, &at);
                if (n < SUMS_STEP || !at)
                        return n < 0 ? (int)n : 0;
                add(&sum, place, at, SUMS_STEP);
                s->list[s->count++] = sum;
                place += SUMS_STEP;
        }
        return 0;
}

/* Whether a record with these bytes, `at` in the file, can be valid: its last byte and its checksum. */
static bool may_be_valid(const struct sums *s, uint64_t at, const uint8_t *bytes, uint32_t len)
{
        const uint8_t *payload = bytes + TXNLOG__RECORD_HEAD;
        uint64_t begin = at + TXNLOG__RECORD_HEAD - s->origin, end = begin + len;
        uint64_t first = (begin + SUMS_STEP - 1) / SUMS_STEP, last = end / SUMS_STEP;
        if (first >= last || last >= s->count)
                return true; /* a short one, or one at the end: for judge() */
        struct sum sum = {
                .plain = (ADLER_BASE + s->list[last].plain - s->list[first].plain) % ADLER_BASE,
                .placed = (ADLER_BASE + s->list[last].placed - s->list[first].placed) % ADLER_BASE,
        };
        add(&sum, begin, payload, (size_t)(first * SUMS_STEP - begin));
        add(&sum, last * SUMS_STEP, payload + (last * SUMS_STEP - begin), (size_t)(end - last * SUMS_STEP));
        uint64_t low = (1 + sum.plain) % ADLER_BASE;
        uint64_t high = (len + end % ADLER_BASE * sum.plain + ADLER_BASE - sum.placed) % ADLER_BASE;
        uint64_t said = (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 | (uint64_t)bytes[6] << 8 | bytes[7];
        return said == (high << 16 | low);
}

/* judge() where a record may begin at any byte. */
static int judge_any(struct txnlog__cursor *c, struct sums *s, uint64_t offset, struct txnlog__record *ret)
{
        const uint8_t *at = NULL;
        uint32_t len = 0;
        int r = find_bytes(c, offset, &at, &len);
        if (r <= 0 || at[TXNLOG__RECORD_HEAD + len] != TXNLOG__RECORD_END)
                return r < 0 ? r : 0;
        if (len >= 2 * SUMS_STEP && !s->list) {
                r = make_sums(s, c);
                if (r >= 0)
                        r = find_bytes(c, offset, &at, &len);
                if (r <= 0)
                        return r;
        }
        return s->list && !may_be_valid(s, offset, at, len) ? 0 : judge(c, offset, ret);
}

static int find_valid(struct txnlog__cursor *c, struct sums *s, uint64_t *ret_offset)
{
        uint64_t offset = s->origin;
        while (offset + TXNLOG__RECORD_SIZE_MIN <= c->size) {
                const uint8_t *at = NULL;
                int64_t n = txnlog__cursor_window(c, offset, TXNLOG__RECORD_HEAD, &at);
                if (n < TXNLOG__RECORD_HEAD)
                        return n < 0 ? (int)n : 0;
                size_t zeros = leading_zeros(at, (size_t)n);
                if (zeros >= TXNLOG__RECORD_HEAD) {
                        /* No length here: the next head that may hold one ends at the first other byte. */
                        offset += zeros - (TXNLOG__RECORD_HEAD - 1);
                        continue;
                }
                struct txnlog__record rec;
                int r = zeros < 4 ? 0 : judge_any(c, s, offset, &rec); /* the checksum's upper half is zero */
                if (r > 0)
                        *ret_offset = offset;
                if (r != 0)
                        return r;
                offset++;
        }
        return 0;
}

int txnlog__cursor_valid_behind(struct txnlog__cursor *c, uint64_t *ret_offset)
{
        struct sums s = {.origin = c->at + 1};
        int r = find_valid(c, &s, ret_offset);
        mem_free(s.list);
        return r;
}
