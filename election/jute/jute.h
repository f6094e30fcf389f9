/* Jute, ZooKeeper's wire encoding: bounded reader and writer.
 *
 * All integers are big-endian. A string or buffer is an int length and its bytes, -1 meaning null; a
 * vector is an int count and its elements, -1 meaning null (zookeeper/client-protocol.md section 1).
 *
 * Reader: a window with a sticky error. After the first fault every getter yields 0 / null and the
 * window does not move; judge once, at the end of the message. -ENODATA says the bytes ended too
 * early (on a stream: wait for more), -EPROTO that no more bytes could mend it.
 * Nothing is copied: what a getter yields points into the window and lives as long as it does.
 *
 * Writer: a growing buffer with a maximum given at birth, and a sticky error (-EMSGSIZE). */
#ifndef BATON_JUTE_JUTE_H
#define BATON_JUTE_JUTE_H

#include "election/base/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* jute.maxbuffer's default, and the slack granted to what is inside a frame. */
#define JUTE_MAXBUFFER_DEFAULT 0xfffff
#define JUTE_EXTRA_DEFAULT     0xfffff

/* A string or buffer. len -1 is null (data NULL); 0 is empty (data not to be read). */
struct jute_str {
        const uint8_t *data;
        int32_t len;
};

/* A vector kept in its encoded form: `count` elements in `size` bytes at `data`, already validated.
 * count -1 is null. A count below -1 is read as empty, as Java does. */
struct jute_vec {
        const uint8_t *data;
        size_t size;
        int32_t count;
};

struct jute_reader {
        const uint8_t *at;
        const uint8_t *end;
        int error;        /* 0, -ENODATA, -EPROTO */
        int32_t item_max; /* longest string or buffer accepted */
};

/* `item_max` bounds each string and buffer: jute.maxbuffer + extra where ZooKeeper grants it. */
void jute_reader_init(struct jute_reader *r, const void *data, size_t len, int32_t item_max);
size_t jute_left(const struct jute_reader *r);
/* Marks the message malformed; keeps an earlier error. */
void jute_fail(struct jute_reader *r);

uint8_t jute_get_byte(struct jute_reader *r);
bool jute_get_bool(struct jute_reader *r); /* any non-zero is true */
int32_t jute_get_int(struct jute_reader *r);
int64_t jute_get_long(struct jute_reader *r);
struct jute_str jute_get_str(struct jute_reader *r); /* string or buffer */
/* Skips `len` raw bytes and yields where they were (NULL after an error). */
const uint8_t *jute_get_raw(struct jute_reader *r, size_t len);
struct jute_vec jute_get_str_vec(struct jute_reader *r); /* vector<ustring> */

/* Reads one element of a vector, for its checks only. */
typedef void jute_skip_fn(struct jute_reader *r);
/* A vector of anything: checks each element with `skip`; none takes fewer than `element_min` bytes.
 * All elements together may take `item_max` bytes: they came in one frame or one packet, and no
 * frame is longer. A count that could not fit is -EPROTO at once. */
struct jute_vec jute_get_vec(struct jute_reader *r, size_t element_min, jute_skip_fn *skip);

/* A reader over a vector's elements, to be called `count` times. */
struct jute_reader jute_vec_reader(const struct jute_vec *v);

struct jute_writer {
        uint8_t *data;
        size_t len, capacity, max;
        int error; /* 0 or -EMSGSIZE */
};

void jute_writer_init(struct jute_writer *w, size_t max);
void jute_writer_done(struct jute_writer *w);
/* Empties it; keeps the memory and the maximum, clears the error. */
void jute_writer_reset(struct jute_writer *w);
/* The bytes as a blob with one reference; NULL if the writer has an error. The writer is reset. */
struct blob *jute_writer_blob(struct jute_writer *w);
/* For what is known to take `len` bytes: returns a blob of that length, which the writer fills in place. Nothing grows
 * and nothing is copied. The caller writes exactly so many, and does not call jute_writer_done(). */
struct blob *jute_writer_in_blob(struct jute_writer *w, size_t len);
/* Whether exactly so many have been written. */
bool jute_writer_filled(const struct jute_writer *w);

void jute_put_byte(struct jute_writer *w, uint8_t v);
void jute_put_bool(struct jute_writer *w, bool v);
void jute_put_int(struct jute_writer *w, int32_t v);
void jute_put_long(struct jute_writer *w, int64_t v);
void jute_put_str(struct jute_writer *w, struct jute_str v);
void jute_put_cstr(struct jute_writer *w, const char *s); /* NULL writes null */
void jute_put_raw(struct jute_writer *w, const void *data, size_t len);
void jute_put_vec(struct jute_writer *w, struct jute_vec v); /* count and elements */
/* Overwrites the int at `offset` (for a length or count known only later). */
void jute_patch_int(struct jute_writer *w, size_t offset, int32_t v);

/* Constructors and tests for strings. */
struct jute_str jute_str_of(const void *data, size_t len);
struct jute_str jute_cstr(const char *s);
bool jute_str_equal(struct jute_str a, struct jute_str b); /* null equals null only */
bool jute_str_is(struct jute_str a, const char *s);

#endif
