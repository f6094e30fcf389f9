/* Memory for what is made and let go with every request: blobs, requests under way, forecasts.
 *
 * A block that is let go is kept in a list of blocks of its size, so that the next one of about that size costs neither
 * a search nor a merge of neighbours in malloc(). It is a cache in front of mem_alloc() and nothing else: which memory
 * comes is all it decides. A block is filed by the size that malloc() says it has, so that it makes no difference where
 * it came from.
 *
 * A thread keeps blocks once it has called pool_keep(true): the engine's loop does. All others are given what malloc()
 * gives them; so is the simulator, which fills that with one byte and then with another to find who reads what was
 * never written, and so is everybody under AddressSanitizer, which finds who uses what was let go. Each thread has
 * lists of its own; a block may be let go by another thread than made it. */
#ifndef BATON_BASE_POOL_H
#define BATON_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

/* Larger blocks come from mem_alloc() and go back at once. */
#define POOL_BLOCK_BYTES_MAX 8216
/* What a thread keeps, at most, but for what a block is larger than its list says. */
#define POOL_KEEP_BYTES (4u << 20)

/* Aborts when the system has no memory, as mem_alloc() does. Contents are undefined. */
void *pool_alloc(size_t size_bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *pool_zalloc(size_t size_bytes) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* Takes what the two above or election/base/alloc.h have made, and NULL. */
void pool_free(void *p);

/* From now on this thread keeps blocks, and has to call pool_rest() now and then; or it gives back all that it kept,
 * and keeps nothing more, as a thread must before it ends. */
void pool_keep(bool keep);
/* Gives back, of each size, as many blocks as lay there since the last call without being wanted: what a load needed is
 * gone after the second call that follows it. */
void pool_rest(void);
/* What this thread keeps. */
size_t pool_kept_bytes(void);

#endif
