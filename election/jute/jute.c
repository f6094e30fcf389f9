/* The bounded reader and writer behind every record.
 *
 * Reader: a fault leaves `at` where the faulty item began, so a sticky error also says where. What
 * could still be completed by more bytes is -ENODATA; what no bytes could mend is -EPROTO, even if
 * the window ends early as well: a stream must not wait for the rest of a two-gigabyte string.
 *
 * Writer: `len <= capacity <= max` always; an append that does not fit changes nothing. */
#include "election/jute/jute.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The first allocation of a writer; most replies and acks fit. */
#define WRITER_FIRST_BYTES 128

static uint32_t load32(const uint8_t *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void store32(uint8_t *p, uint32_t v)
{
        p[0] = (uint8_t)(v >> 24);
        p[1] = (uint8_t)(v >> 16);
        p[2] = (uint8_t)(v >> 8);
        p[3] = (uint8_t)v;
}

/* ---- reader ---- */

void jute_reader_init(struct jute_reader *r, const void *data, size_t len, int32_t item_max)
{
        static const uint8_t nothing[1];
        assert(data || len == 0);
        assert(item_max >= 0);
        r->at = data ? data : nothing; /* arithmetic on NULL is undefined even with 0 */
        r->end = r->at + len;
        r->error = 0;
        r->item_max = item_max;
}

size_t jute_left(const struct jute_reader *r)
{
        return (size_t)(r->end - r->at);
}

static void fault(struct jute_reader *r, int error)
{
        if (!r->error)
                r->error = error;
}

void jute_fail(struct jute_reader *r)
{
        fault(r, -EPROTO);
}

const uint8_t *jute_get_raw(struct jute_reader *r, size_t len)
{
        if (r->error)
                return NULL;
        if (len > jute_left(r)) {
                fault(r, -ENODATA);
                return NULL;
        }
        const uint8_t *p = r->at;
        r->at += len;
        return p;
}

uint8_t jute_get_byte(struct jute_reader *r)
{
        const uint8_t *p = jute_get_raw(r, 1);
        return p ? *p : 0;
}

bool jute_get_bool(struct jute_reader *r)
{
        return jute_get_byte(r) != 0;
}

int32_t jute_get_int(struct jute_reader *r)
{
        const uint8_t *p = jute_get_raw(r, 4);
        return p ? (int32_t)load32(p) : 0;
}

int64_t jute_get_long(struct jute_reader *r)
{
        const uint8_t *p = jute_get_raw(r, 8);
        return p ? (int64_t)((uint64_t)load32(p) << 32 | load32(p + 4)) : 0;
}

struct jute_str jute_get_str(struct jute_reader *r)
{
        const struct jute_str null = {.data = NULL, .len = -1};
        const uint8_t *start = r->at;
        int32_t len = jute_get_int(r);
        if (r->error || len == -1)
                return null;
        if (len < -1 || len > r->item_max)
                fault(r, -EPROTO);
        const uint8_t *p = jute_get_raw(r, (size_t)len);
        if (!p) {
                r->at = start;
                return null;
        }
        return (struct jute_str){.data = p, .len = len};
}

/* Reads the elements of a vector whose count has been read; false leaves the fault in `r`. */
static bool skip_elements(struct jute_reader *r, int32_t count, size_t element_min, jute_skip_fn *skip)
{
        const uint8_t *first = r->at;
        size_t size_max = (size_t)r->item_max;
        if ((size_t)count > size_max / element_min)
                fault(r, -EPROTO);
        for (int32_t i = 0; i < count && !r->error; i++) {
                skip(r);
                if ((size_t)(r->at - first) > size_max)
                        fault(r, -EPROTO);
        }
        return !r->error;
}

struct jute_vec jute_get_vec(struct jute_reader *r, size_t element_min, jute_skip_fn *skip)
{
        const struct jute_vec null = {.data = NULL, .size = 0, .count = -1};
        const uint8_t *start = r->at;
        int32_t count = jute_get_int(r);
        if (r->error || count == -1)
                return null;
        if (count < 0)
                count = 0;
        const uint8_t *first = r->at;
        if (!skip_elements(r, count, element_min, skip)) {
                r->at = start;
                return null;
        }
        return (struct jute_vec){.data = first, .size = (size_t)(r->at - first), .count = count};
}

static void skip_str(struct jute_reader *r)
{
        (void)jute_get_str(r); /* for its checks only */
}

struct jute_vec jute_get_str_vec(struct jute_reader *r)
{
        return jute_get_vec(r, 4, skip_str);
}

struct jute_reader jute_vec_reader(const struct jute_vec *v)
{
        struct jute_reader r;
        /* Every element was held against its limit when the vector was read. */
        jute_reader_init(&r, v->data, v->size, INT32_MAX);
        return r;
}

/* ---- writer ---- */

void jute_writer_init(struct jute_writer *w, size_t max)
{
        *w = (struct jute_writer){.max = max};
}

void jute_writer_done(struct jute_writer *w)
{
        if (!w)
                return;
        mem_free(w->data);
        *w = (struct jute_writer){.max = w->max};
}

void jute_writer_reset(struct jute_writer *w)
{
        w->len = 0;
        w->error = 0;
}

struct blob *jute_writer_blob(struct jute_writer *w)
{
        struct blob *b = w->error ? NULL : blob_copy(w->data, w->len);
        jute_writer_reset(w);
        return b;
}

struct blob *jute_writer_in_blob(struct jute_writer *w, size_t len)
{
        struct blob *b = blob_new(len);
        *w = (struct jute_writer){.data = b->data, .capacity = len, .max = len};
        return b;
}

bool jute_writer_filled(const struct jute_writer *w)
{
        return !w->error && w->len == w->max;
}

/* Room for `len` more bytes, already counted; NULL when they do not fit. */
static uint8_t *extend(struct jute_writer *w, size_t len)
{
        if (w->error)
                return NULL;
        if (len > w->max - w->len) {
                w->error = -EMSGSIZE;
                return NULL;
        }
        size_t want = w->len + len;
        if (want > w->capacity) {
                size_t grown = w->capacity > w->max / 2 ? w->max : w->capacity * 2;
                if (grown < WRITER_FIRST_BYTES)
                        grown = w->max < WRITER_FIRST_BYTES ? w->max : WRITER_FIRST_BYTES;
                if (grown < want)
                        grown = want;
                w->data = mem_realloc(w->data, grown);
                w->capacity = grown;
        }
        uint8_t *p = w->data + w->len;
        w->len = want;
        return p;
}

void jute_put_raw(struct jute_writer *w, const void *data, size_t len)
{
        if (len == 0)
                return;
        uint8_t *p = extend(w, len);
        if (p)
                memcpy(p, data, len);
}

void jute_put_byte(struct jute_writer *w, uint8_t v)
{
        jute_put_raw(w, &v, 1);
}

void jute_put_bool(struct jute_writer *w, bool v)
{
        jute_put_byte(w, v ? 1 : 0);
}

void jute_put_int(struct jute_writer *w, int32_t v)
{
        uint8_t *p = extend(w, 4);
        if (p)
                store32(p, (uint32_t)v);
}

void jute_put_long(struct jute_writer *w, int64_t v)
{
        uint8_t *p = extend(w, 8);
        if (!p)
                return;
        store32(p, (uint32_t)((uint64_t)v >> 32));
        store32(p + 4, (uint32_t)(uint64_t)v);
}

void jute_put_str(struct jute_writer *w, struct jute_str v)
{
        assert(v.len >= -1);
        jute_put_int(w, v.len);
        if (v.len > 0)
                jute_put_raw(w, v.data, (size_t)v.len);
}

void jute_put_cstr(struct jute_writer *w, const char *s)
{
        jute_put_str(w, jute_cstr(s));
}

void jute_put_vec(struct jute_writer *w, struct jute_vec v)
{
        assert(v.count >= -1);
        assert(v.count > 0 || v.size == 0);
        jute_put_int(w, v.count);
        jute_put_raw(w, v.data, v.size);
}

void jute_patch_int(struct jute_writer *w, size_t offset, int32_t v)
{
        if (w->error)
                return;
        assert(offset <= w->len && w->len - offset >= 4);
        store32(w->data + offset, (uint32_t)v);
}

/* ---- strings ---- */

struct jute_str jute_str_of(const void *data, size_t len)
{
        assert(len <= INT32_MAX);
        return (struct jute_str){.data = data, .len = (int32_t)len};
}

struct jute_str jute_cstr(const char *s)
{
        if (!s)
                return (struct jute_str){.data = NULL, .len = -1};
        return jute_str_of(s, strlen(s));
}

bool jute_str_equal(struct jute_str a, struct jute_str b)
{
        if (a.len != b.len)
                return false;
        return a.len <= 0 || memcmp(a.data, b.data, (size_t)a.len) == 0;
}

bool jute_str_is(struct jute_str a, const char *s)
{
        return jute_str_equal(a, jute_cstr(s));
}
