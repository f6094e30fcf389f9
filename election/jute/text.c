/* See text.h. */
#include "election/jute/text.h"

/* One step of the decoder: a character, or a malformed part. */
struct step {
        uint32_t character; /* U+FFFD for a malformed part */
        size_t len;         /* bytes it was made of */
};

#define REPLACEMENT 0xFFFD

static bool is_tail(uint8_t c)
{
        return (c & 0xC0) == 0x80;
}

static struct step malformed(size_t len)
{
        return (struct step){.character = REPLACEMENT, .len = len};
}

static struct step step_two(const uint8_t *at, size_t left)
{
        if (left < 2 || !is_tail(at[1]))
                return malformed(1);
        return (struct step){.character = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu), .len = 2};
}

/* An encoded surrogate is one malformed part. */
static struct step step_three(const uint8_t *at, size_t left)
{
        if (left < 2 || !is_tail(at[1]) || (at[0] == 0xE0 && at[1] < 0xA0))
                return malformed(1);
        if (left < 3 || !is_tail(at[2]))
                return malformed(2);
        uint32_t c = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
        return c >= 0xD800 && c <= 0xDFFF ? malformed(3) : (struct step){.character = c, .len = 3};
}

static struct step step_four(const uint8_t *at, size_t left)
{
        if (left < 2 || !is_tail(at[1]) || (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F))
                return malformed(1);
        if (left < 3 || !is_tail(at[2]))
                return malformed(2);
        if (left < 4 || !is_tail(at[3]))
                return malformed(3);
        return (struct step){.character = (at[0] & 0x07u) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 |
                                          (at[3] & 0x3Fu),
                             .len = 4};
}

static struct step step(const uint8_t *at, size_t left)
{
        if (at[0] < 0x80)
                return (struct step){.character = at[0], .len = 1};
        if (at[0] >= 0xC2 && at[0] < 0xE0)
                return step_two(at, left);
        if (at[0] >= 0xE0 && at[0] < 0xF0)
                return step_three(at, left);
        if (at[0] >= 0xF0 && at[0] < 0xF5)
                return step_four(at, left);
        return malformed(1);
}

void text_put_repaired(struct jute_writer *w, struct jute_str text)
{
        static const uint8_t replacement[] = {0xEF, 0xBF, 0xBD};
        const size_t len = text.len > 0 ? (size_t)text.len : 0;
        size_t good = 0; /* where what is not appended yet begins */
        for (size_t at = 0; at < len;) {
                struct step s = step(text.data + at, len - at);
                if (s.character == REPLACEMENT) { /* or a replacement that stood there: the same bytes */
                        jute_put_raw(w, text.data + good, at - good);
                        jute_put_raw(w, replacement, sizeof replacement);
                        good = at + s.len;
                }
                at += s.len;
        }
        if (good < len)
                jute_put_raw(w, text.data + good, len - good);
}

uint32_t text_java_hash(struct jute_str text)
{
        const size_t len = text.len > 0 ? (size_t)text.len : 0;
        uint32_t hash = 0;
        for (size_t at = 0; at < len;) {
                struct step s = step(text.data + at, len - at);
                if (s.character >= 0x10000) {
                        hash = hash * 31 + (0xD800 + ((s.character - 0x10000) >> 10));
                        hash = hash * 31 + (0xDC00 + (s.character & 0x3FF));
                } else {
                        hash = hash * 31 + s.character;
                }
                at += s.len;
        }
        return hash;
}
