#include "election/base/map.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>

struct map_slot {
        uint64_t key;
        void *value; /* NULL: free */
};

void map_init(struct map *m)
{
        m->slots = NULL;
        m->count = 0;
        m->capacity = 0;
}

void map_done(struct map *m)
{
        mem_free(m->slots);
        map_init(m);
}

/* The slot that holds `key`, or the free one where it belongs. */
static size_t map_place(const struct map *m, uint64_t key)
{
        size_t i = (size_t)hash_u64(key) & (m->capacity - 1);
        while (m->slots[i].value && m->slots[i].key != key)
                i = (i + 1) & (m->capacity - 1);
        return i;
}

void *map_get(const struct map *m, uint64_t key)
{
        return m->capacity ? m->slots[map_place(m, key)].value : NULL;
}

static void map_resize(struct map *m)
{
        struct map old = *m;
        m->capacity = old.capacity ? old.capacity * 2 : 16;
        m->slots = mem_zalloc(m->capacity * sizeof *m->slots);
        for (size_t i = 0; i < old.capacity; i++)
                if (old.slots[i].value)
                        m->slots[map_place(m, old.slots[i].key)] = old.slots[i];
        mem_free(old.slots);
}

void map_put(struct map *m, uint64_t key, void *value)
{
        assert(value);
        if ((m->count + 1) * 4 > m->capacity * 3)
                map_resize(m);
        struct map_slot *s = &m->slots[map_place(m, key)];
        if (!s->value)
                m->count++;
        s->key = key;
        s->value = value;
}

void *map_remove(struct map *m, uint64_t key)
{
        if (!m->capacity)
                return NULL;
        size_t hole = map_place(m, key);
        void *value = m->slots[hole].value;
        if (!value)
                return NULL;
        m->slots[hole].value = NULL;
        m->count--;
        /* Close the gap: what probed past the hole moves back into it. */
        for (size_t i = (hole + 1) & (m->capacity - 1); m->slots[i].value; i = (i + 1) & (m->capacity - 1)) {
                size_t home = (size_t)hash_u64(m->slots[i].key) & (m->capacity - 1);
                if (((i - home) & (m->capacity - 1)) < ((i - hole) & (m->capacity - 1)))
                        continue;
                m->slots[hole] = m->slots[i];
                m->slots[i].value = NULL;
                hole = i;
        }
        return value;
}
