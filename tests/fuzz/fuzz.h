/* What the fuzzers share: an input that is used up piece by piece.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput(). It runs the real code on the input and asserts what
 * has to hold; it keeps nothing from one input to the next, so that an input alone repeats what it did. Whatever is
 * given to the code is copied to memory of exactly its length, so that reading beyond it is noticed. */
#ifndef BATON_TESTS_FUZZ_FUZZ_H
#define BATON_TESTS_FUZZ_FUZZ_H

#include "election/base/alloc.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Called by the fuzzer with each input. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
        const uint8_t *at, *end;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size)
{
        return (struct fuzz_input){.at = data, .end = data + size};
}

static inline size_t fuzz_left(const struct fuzz_input *in)
{
        return (size_t)(in->end - in->at);
}

/* 0 where there is nothing left; so are the numbers below. */
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
        return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
        uint16_t high = fuzz_byte(in);
        return (uint16_t)(high << 8 | fuzz_byte(in));
}

static inline uint64_t fuzz_u64(struct fuzz_input *in)
{
        uint64_t v = 0;
        for (int i = 0; i < 8; i++)
                v = v << 8 | fuzz_byte(in);
        return v;
}

/* Bytes of the target's own, to be freed with mem_free(). */
struct fuzz_bytes {
        uint8_t *data;
        size_t len;
};

/* The next `len` bytes, or as many as there are. */
static inline struct fuzz_bytes fuzz_take(struct fuzz_input *in, size_t len)
{
        struct fuzz_bytes b = {.len = len < fuzz_left(in) ? len : fuzz_left(in)};
        b.data = mem_dup(in->at, b.len);
        in->at += b.len;
        return b;
}

/* A piece that says its length itself, in two bytes. */
static inline struct fuzz_bytes fuzz_piece(struct fuzz_input *in)
{
        size_t len = fuzz_u16(in);
        return fuzz_take(in, len);
}

/* The same as a string, which ends at its first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t len)
{
        size_t text_len = strnlen((const char *)data, len);
        char *text = mem_alloc(text_len + 1);
        memcpy(text, data, text_len);
        text[text_len] = '\0';
        return text;
}

#endif
