/* Memory for the core.
 *
 * Running out of memory ends the process at once (abort): a half-applied transaction is worse than
 * a restart, from which the log recovers everything acknowledged. So nothing in election/ returns
 * -ENOMEM; what keeps memory in bounds is that every queue and table has a named limit. */
#ifndef BATON_BASE_ALLOC_H
#define BATON_BASE_ALLOC_H

#include <stddef.h>

/* Each aborts when the system has no memory; a size of 0 yields a valid, unique pointer. */
void *mem_alloc(size_t size_bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_zalloc(size_t size_bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_realloc(void *p, size_t size_bytes) __attribute__((returns_nonnull, warn_unused_result));
void *mem_dup(const void *p, size_t size_bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* Copies a NUL-terminated string. */
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* Takes NULL. */
void mem_free(void *p);

/* Grows `array` (element size `size_bytes`) to hold at least `want` elements; doubles, starts at 8. */
void *mem_grow(void *array, size_t *capacity, size_t want, size_t size_bytes)
        __attribute__((returns_nonnull, warn_unused_result));

#endif
