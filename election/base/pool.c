#include "election/base/pool.h"

#include "election/base/alloc.h"

#include <malloc.h>
#include <string.h>

/* The sizes of the lists: from LEAST_BYTES in steps of 32 bytes, and above FINE_MAX in steps of 256. They are sizes
 * that malloc() gives without rounding up (16 k + 8 on 64 bits). */
#define LEAST_BYTES  24
#define FINE_BYTES   32
#define FINE_MAX     1048
#define COARSE_BYTES 256
/* What malloc() may add to a size. */
#define ROUNDED_BYTES 16
#define FINE_LISTS    ((FINE_MAX - LEAST_BYTES) / FINE_BYTES + 1)
#define LISTS         (FINE_LISTS + (POOL_BLOCK_BYTES_MAX - FINE_MAX) / COARSE_BYTES)

/* A block that nobody uses. */
struct block {
        struct block *next;
};

struct blocks {
        struct block *first;
        size_t count;
        size_t unwanted; /* the least that lay here since the last pool_rest() */
};

static _Thread_local struct {
        struct blocks lists[LISTS];
        size_t bytes;
        bool keeps;
} pool;

/* Whether this build is one that keeps anything. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEPS false
#elif defined(__has_feature)
#define POOL_KEEPS (!__has_feature(address_sanitizer))
#else
#define POOL_KEEPS true
#endif

static size_t size_of(size_t list)
{
        if (list < FINE_LISTS)
                return LEAST_BYTES + list * FINE_BYTES;
        return FINE_MAX + (list - FINE_LISTS + 1) * COARSE_BYTES;
}

/* The list whose blocks are large enough, and no larger than need be. */
static size_t list_for(size_t size)
{
        if (size <= LEAST_BYTES)
                return 0;
        if (size <= FINE_MAX)
                return (size - LEAST_BYTES + FINE_BYTES - 1) / FINE_BYTES;
        return FINE_LISTS + (size - FINE_MAX - 1) / COARSE_BYTES;
}

/* The list that a block of this size can serve; LISTS: none. */
static size_t list_of(size_t usable)
{
        if (usable < LEAST_BYTES || usable > POOL_BLOCK_BYTES_MAX + ROUNDED_BYTES)
                return LISTS;
        if (usable <= FINE_MAX)
                return (usable - LEAST_BYTES) / FINE_BYTES;
        return FINE_LISTS - 1 + (usable - FINE_MAX) / COARSE_BYTES;
}

static struct block *take(size_t list)
{
        struct blocks *l = &pool.lists[list];
        struct block *b = l->first;
        l->first = b->next;
        l->count--;
        if (l->count < l->unwanted)
                l->unwanted = l->count;
        pool.bytes -= size_of(list);
        return b;
}

void *pool_alloc(size_t size_bytes)
{
        if (!POOL_KEEPS || size_bytes > POOL_BLOCK_BYTES_MAX)
                return mem_alloc(size_bytes);
        size_t list = list_for(size_bytes);
        return pool.lists[list].first ? take(list) : mem_alloc(size_of(list));
}

void *pool_zalloc(size_t size_bytes)
{
        return memset(pool_alloc(size_bytes), 0, size_bytes);
}

void pool_free(void *p)
{
        size_t list = p && pool.keeps ? list_of(malloc_usable_size(p)) : LISTS;
        if (list == LISTS || pool.bytes + size_of(list) > POOL_KEEP_BYTES) {
                mem_free(p);
                return;
        }
        struct blocks *l = &pool.lists[list];
        struct block *b = p;
        b->next = l->first;
        l->first = b;
        l->count++;
        pool.bytes += size_of(list);
}

void pool_rest(void)
{
        for (size_t i = 0; i < LISTS; i++) {
                struct blocks *l = &pool.lists[i];
                for (size_t n = l->unwanted; n > 0; n--)
                        mem_free(take(i));
                l->unwanted = l->count;
        }
}

void pool_keep(bool keep)
{
        pool.keeps = keep && POOL_KEEPS;
        if (keep)
                return;
        for (size_t i = 0; i < LISTS; i++)
                while (pool.lists[i].first)
                        mem_free(take(i));
}

size_t pool_kept_bytes(void)
{
        return pool.bytes;
}
