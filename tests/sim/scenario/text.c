#include "tests/sim/scenario/text.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest piece added with a format. */
#define PIECE_BYTES 4096

void text_put(struct text *t, const char *bytes, size_t len)
{
        t->data = mem_grow(t->data, &t->capacity, t->len + len + 1, 1);
        memcpy(t->data + t->len, bytes, len);
        t->len += len;
        t->data[t->len] = 0;
}

void text_add(struct text *t, const char *format, ...)
{
        char piece[PIECE_BYTES];
        va_list args;
        va_start(args, format);
        int len = vsnprintf(piece, sizeof piece, format, args);
        va_end(args);
        if (len > 0)
                text_put(t, piece, (size_t)len < sizeof piece ? (size_t)len : sizeof piece - 1);
}

void text_clear(struct text *t)
{
        t->len = 0;
        if (t->data)
                t->data[0] = 0;
}

void text_done(struct text *t)
{
        mem_free(t->data);
        *t = (struct text){.len = 0};
}

const char *text_of(const struct text *t)
{
        return t->data ? t->data : "";
}

bool text_number(const char *word, int64_t *ret)
{
        char *end;
        *ret = strtoll(word, &end, 0);
        return end != word && !*end;
}

bool text_zxid(const char *word, int64_t *ret)
{
        char *end;
        if (*word++ != '(')
                return false;
        int64_t epoch = strtoll(word, &end, 10);
        if (end == word || *end != ',')
                return false;
        word = end + 1;
        int64_t counter = strtoll(word, &end, 10);
        if (end == word || end[0] != ')' || end[1] || epoch < 0 || counter < 0 || counter > UINT32_MAX)
                return false;
        *ret = (int64_t)((uint64_t)epoch << 32 | (uint64_t)counter);
        return true;
}

bool text_duration(const char *word, uint64_t *ret_ms)
{
        char *end;
        if (*word < '0' || *word > '9')
                return false;
        *ret_ms = strtoull(word, &end, 10);
        if (strcmp(end, "ms") == 0)
                return true;
        *ret_ms *= 1000;
        return strcmp(end, "s") == 0;
}

const char *text_of_zxid(int64_t zxid, char out[TEXT_ZXID_BYTES])
{
        if (zxid < 0)
                (void)snprintf(out, TEXT_ZXID_BYTES, "%" PRId64, zxid);
        else
                (void)snprintf(out, TEXT_ZXID_BYTES, "(%" PRId64 ",%" PRId64 ")", zxid >> 32,
                               zxid & INT64_C(0xffffffff));
        return out;
}
