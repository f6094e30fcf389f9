/* Texts of limits and stats nodes. Source: ZooKeeper's StatsTrack, of which 3.8.0 and 3.9.5 have the same; what
 * Java's split() and parseLong() make of odd texts was observed. */
#include "election/tree/quota_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "count=", "bytes=", a comma, two numbers with their signs, and a terminator. */
#define TOTALS_SIZE 64

/* key=value */
struct part {
        struct jute_str key;
        int64_t value;
};

/* ---- numbers ---- */

/* The first of ten digits each, in Java's eyes; those of ASCII aside. */
static const uint16_t digit_rows[] = {
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
        0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
        0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
};

/* One code point below U+10000, 0 for anything else, which no digit is. */
static uint32_t next_char(const uint8_t **at, const uint8_t *end)
{
        const uint8_t *p = *at;
        const size_t left = (size_t)(end - p);
        if (left >= 2 && p[0] >= 0xC2 && p[0] < 0xE0 && (p[1] & 0xC0) == 0x80) {
                *at += 2;
                return ((uint32_t)p[0] & 0x1F) << 6 | ((uint32_t)p[1] & 0x3F);
        }
        if (left >= 3 && (p[0] & 0xF0) == 0xE0 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
                *at += 3;
                return ((uint32_t)p[0] & 0x0F) << 12 | ((uint32_t)p[1] & 0x3F) << 6 | ((uint32_t)p[2] & 0x3F);
        }
        *at += 1;
        return p[0] < 0x80 ? p[0] : 0;
}

/* -1 for what is no digit. */
static int next_digit(const uint8_t **at, const uint8_t *end)
{
        const uint32_t c = next_char(at, end);
        if (c >= '0' && c <= '9')
                return (int)(c - '0');
        for (size_t i = 0; i < sizeof digit_rows / sizeof *digit_rows && c > 0x7F; i++)
                if (c >= digit_rows[i] && c < digit_rows[i] + 10U)
                        return (int)(c - digit_rows[i]);
        return -1;
}

static bool read_number(const uint8_t *at, const uint8_t *end, int64_t *ret)
{
        const bool minus = at < end && *at == '-';
        const uint64_t max = minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
        uint64_t v = 0;
        if (at < end && (*at == '-' || *at == '+'))
                at++;
        if (at == end)
                return false;
        while (at < end) {
                const int digit = next_digit(&at, end);
                if (digit < 0 || v > (max - (uint64_t)digit) / 10)
                        return false;
                v = v * 10 + (uint64_t)digit;
        }
        *ret = (int64_t)(minus ? 0 - v : v);
        return true;
}

/* ---- parts ---- */

static bool is_separator(uint8_t c)
{
        return c == ',' || c == ';';
}

/* "key=value", and after one more '=' whatever there is. An empty value is -1 where something follows it: Java
 * drops empty pieces at the end, and misses the value then. */
static bool read_part(const uint8_t *at, size_t len, struct part *ret)
{
        const uint8_t *end = at + len, *equals = memchr(at, '=', len);
        if (!equals)
                return false;
        ret->key = jute_str_of(at, (size_t)(equals - at));
        const uint8_t *value = equals + 1, *rest = value;
        while (rest < end && *rest == '=')
                rest++;
        if (rest == end)
                return false;
        ret->value = -1;
        if (rest > value)
                return true;
        const uint8_t *stop = value;
        while (stop < end && *stop != '=')
                stop++;
        return read_number(value, stop, &ret->value);
}

/* Reads the next part: 1 one was read, 0 the end, -1 not to be read. Separators at the end and between parts may be
 * many; at the beginning they make an empty part, unless there is nothing else. */
static int next_part(const uint8_t *begin, const uint8_t **at, const uint8_t *end, struct part *ret)
{
        const uint8_t *start = *at;
        while (start < end && is_separator(*start))
                start++;
        if (start == end)
                return 0;
        if (*at == begin && start > begin)
                return -1;
        const uint8_t *stop = start;
        while (stop < end && !is_separator(*stop))
                stop++;
        *at = stop;
        return read_part(start, (size_t)(stop - start), ret) ? 1 : -1;
}

static bool is_total(const struct part *p)
{
        return jute_str_is(p->key, "count") || jute_str_is(p->key, "bytes");
}

bool quota_text_read(struct jute_str text, struct quota_text *ret)
{
        *ret = (struct quota_text){.count = -1, .bytes = -1, .count_hard = -1, .bytes_hard = -1};
        if (text.len < 0)
                return false;
        if (text.len == 0)
                return true;
        const uint8_t *at = text.data, *end = at + text.len;
        struct part p;
        int r;
        while ((r = next_part(text.data, &at, end, &p)) > 0) {
                if (jute_str_is(p.key, "count"))
                        ret->count = p.value;
                else if (jute_str_is(p.key, "bytes"))
                        ret->bytes = p.value;
                else if (jute_str_is(p.key, "countHardLimit"))
                        ret->count_hard = p.value;
                else if (jute_str_is(p.key, "byteHardLimit"))
                        ret->bytes_hard = p.value;
        }
        return r == 0;
}

/* ---- writing ---- */

static int by_key(const void *a, const void *b)
{
        const struct part *x = a, *y = b;
        const int32_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
        const int order = len > 0 ? memcmp(x->key.data, y->key.data, (size_t)len) : 0;
        if (order)
                return order;
        if (x->key.len != y->key.len)
                return x->key.len < y->key.len ? -1 : 1;
        return x->key.data < y->key.data ? -1 : x->key.data > y->key.data; /* of one key the later part counts */
}

static void put_parts(struct part *parts, size_t count, struct jute_writer *w)
{
        char number[24];
        qsort(parts, count, sizeof *parts, by_key);
        jute_put_raw(w, "=", 1); /* so that 3.4 takes the rest for no number */
        for (size_t i = 0; i < count; i++) {
                if (i + 1 < count && jute_str_equal(parts[i].key, parts[i + 1].key))
                        continue;
                jute_put_raw(w, ";", 1);
                jute_put_raw(w, parts[i].key.data, (size_t)parts[i].key.len);
                int len = snprintf(number, sizeof number, "=%" PRId64, parts[i].value);
                jute_put_raw(w, number, (size_t)len);
        }
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
        return (int64_t)((uint64_t)a + (uint64_t)b);
}

void quota_text__write(int64_t bytes, int64_t count, struct jute_writer *w)
{
        char totals[TOTALS_SIZE];
        int len = snprintf(totals, sizeof totals, "count=%" PRId64 ",bytes=%" PRId64, count, bytes);
        jute_put_raw(w, totals, (size_t)len);
}

bool quota_text__add(struct jute_str text, int64_t bytes, int64_t count, struct jute_writer *w)
{
        struct quota_text t;
        struct part p, *others = NULL;
        size_t other_count = 0, capacity = 0;
        if (!quota_text_read(text, &t))
                return false;
        const uint8_t *at = text.data, *end = text.len > 0 ? at + text.len : at;
        while (at < end && next_part(text.data, &at, end, &p) > 0) {
                if (is_total(&p))
                        continue;
                others = mem_grow(others, &capacity, other_count + 1, sizeof *others);
                others[other_count++] = p;
        }
        quota_text__write(wrapping_add(t.bytes, bytes), wrapping_add(t.count, count), w);
        if (other_count > 0)
                put_parts(others, other_count, w);
        mem_free(others);
        return true;
}
