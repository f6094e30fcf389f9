#include "election/zab/ring.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

enum { RING_CAPACITY_MIN = 8 };

void zab__ring_init(struct ring *r, size_t item_size)
{
        memset(r, 0, sizeof *r);
        r->item_size = item_size;
}

void zab__ring_done(struct ring *r)
{
        size_t item_size = r->item_size;
        mem_free(r->items);
        zab__ring_init(r, item_size);
}

void *zab__ring_at(const struct ring *r, size_t i)
{
        assert(i < r->count);
        return r->items + ((r->head + i) & (r->capacity - 1)) * r->item_size;
}

/* Doubles the room and lays the items out from the beginning. */
static void ring_grow(struct ring *r)
{
        size_t capacity = r->capacity ? r->capacity * 2 : RING_CAPACITY_MIN;
        unsigned char *items = mem_alloc(capacity * r->item_size);
        for (size_t i = 0; i < r->count; i++)
                memcpy(items + i * r->item_size, zab__ring_at(r, i), r->item_size);
        mem_free(r->items);
        r->items = items;
        r->capacity = capacity;
        r->head = 0;
}

void *zab__ring_push(struct ring *r)
{
        if (r->count == r->capacity)
                ring_grow(r);
        r->count++;
        void *item = zab__ring_at(r, r->count - 1);
        memset(item, 0, r->item_size);
        return item;
}

void zab__ring_pop(struct ring *r)
{
        assert(r->count > 0);
        r->head = (r->head + 1) & (r->capacity - 1);
        r->count--;
}

void zab__ring_pop_last(struct ring *r)
{
        assert(r->count > 0);
        r->count--;
}
