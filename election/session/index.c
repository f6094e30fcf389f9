/* Linear hashing. Bucket of a hash h: h & mask, and where that bucket is not there yet, the one it
 * will be split from, h & (mask >> 1). Growing splits the next bucket in turn, shrinking merges the
 * last one back. */
#include "election/session/index.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdbool.h>

/* Buckets of a table that has held anything. */
#define INDEX_SIZE_MIN 8
/* Shrinks below one entry per this many buckets; grows above one per bucket. */
#define INDEX_SPARSE 4
/* A bucket's links are fetched so many splits before its own. */
#define INDEX_AHEAD 4

void index_init(struct index *ix)
{
        *ix = (struct index){.slots = NULL};
}

void index_done(struct index *ix)
{
        mem_free(ix->slots);
        index_init(ix);
}

static size_t bucket(const struct index *ix, uint32_t hash)
{
        size_t b = hash & ix->mask;
        return b < ix->size ? b : hash & (ix->mask >> 1);
}

static void reserve(struct index *ix)
{
        if (ix->size < ix->capacity)
                return;
        ix->capacity = ix->capacity ? ix->capacity * 2 : INDEX_SIZE_MIN;
        ix->slots = mem_realloc(ix->slots, ix->capacity * sizeof(struct index_link *));
}

void index_fetch(const struct index *ix, uint64_t hash)
{
        if (ix->count > 0)
                __builtin_prefetch(&ix->slots[bucket(ix, (uint32_t)hash)]);
}

void index_fetch_link(const struct index *ix, uint64_t hash)
{
        if (ix->count > 0)
                __builtin_prefetch(ix->slots[bucket(ix, (uint32_t)hash)]);
}

/* Adds one bucket and moves into it what belongs there from the bucket that stood for it so far. */
static void split(struct index *ix)
{
        reserve(ix);
        size_t fresh = ix->size++;
        if (fresh > ix->mask)
                ix->mask = ix->mask * 2 + 1;
        ix->slots[fresh] = NULL;
        const size_t parted = fresh & (ix->mask >> 1);
        struct index_link **from = &ix->slots[parted];
        /* Buckets are split in order, and the links of each lie anywhere. */
        __builtin_prefetch(ix->slots[(parted + INDEX_AHEAD) & (ix->mask >> 1)]);
        while (*from) {
                struct index_link *l = *from;
                if ((l->hash & ix->mask) != fresh) {
                        from = &l->next;
                        continue;
                }
                *from = l->next;
                l->next = ix->slots[fresh];
                ix->slots[fresh] = l;
        }
}

/* The opposite of split. */
static void merge(struct index *ix)
{
        size_t last = --ix->size;
        struct index_link **to = &ix->slots[last & (ix->mask >> 1)];
        while (*to)
                to = &(*to)->next;
        *to = ix->slots[last];
        if (ix->size <= (ix->mask >> 1) + 1)
                ix->mask >>= 1;
        if (ix->size <= ix->capacity / 4) {
                ix->capacity /= 2;
                ix->slots = mem_realloc(ix->slots, ix->capacity * sizeof(struct index_link *));
        }
}

static void start(struct index *ix)
{
        reserve(ix);
        ix->size = INDEX_SIZE_MIN;
        ix->mask = INDEX_SIZE_MIN - 1;
        for (size_t i = 0; i < ix->size; i++)
                ix->slots[i] = NULL;
}

void index_insert(struct index *ix, struct index_link *l, uint64_t hash)
{
        if (ix->size == 0)
                start(ix);
        else if (ix->count >= ix->size && ix->size <= UINT32_MAX / 2)
                split(ix);
        l->hash = (uint32_t)hash;
        struct index_link **head = &ix->slots[bucket(ix, l->hash)];
        l->next = *head;
        *head = l;
        ix->count++;
}

void index_remove(struct index *ix, struct index_link *l)
{
        assert(ix->count > 0);
        struct index_link **at = &ix->slots[bucket(ix, l->hash)];
        while (*at != l) {
                assert(*at);
                at = &(*at)->next;
        }
        *at = l->next;
        l->next = NULL;
        ix->count--;
        while (ix->size > INDEX_SIZE_MIN && ix->count < ix->size / INDEX_SPARSE)
                merge(ix);
}

static struct index_link *same_hash(struct index_link *l, uint32_t hash)
{
        while (l && l->hash != hash)
                l = l->next;
        return l;
}

struct index_link *index_first(const struct index *ix, uint64_t hash)
{
        if (ix->count == 0)
                return NULL;
        return same_hash(ix->slots[bucket(ix, (uint32_t)hash)], (uint32_t)hash);
}

struct index_link *index_next(const struct index_link *l)
{
        return same_hash(l->next, l->hash);
}

void index_each(const struct index *ix, void (*fn)(void *ctx, struct index_link *l), void *ctx)
{
        for (size_t i = 0; i < ix->size; i++)
                for (struct index_link *l = ix->slots[i], *next; l; l = next) {
                        next = l->next;
                        fn(ctx, l);
                }
}
