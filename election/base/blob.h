/* Immutable, reference-counted bytes: one encoded packet shared by all its receivers and the log.
 *
 * A blob is filled right after blob_new() and never changed once a second reference exists. Counts
 * are not atomic: references are taken and dropped on the loop thread only (the log writer reads
 * the bytes of a blob that the loop keeps alive until the writer has reported the write). */
#ifndef BATON_BASE_BLOB_H
#define BATON_BASE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob {
        uint32_t refs;
        uint32_t len;
        uint8_t data[];
};

/* One reference, contents undefined. */
struct blob *blob_new(size_t len);
/* One reference, contents copied. */
struct blob *blob_copy(const void *data, size_t len);
struct blob *blob_ref(struct blob *b);
/* Takes NULL. */
void blob_unref(struct blob *b);

#endif
