/* Hash table from a 64-bit key to a pointer: open addressing, linear probing, no tombstones. */
#ifndef BATON_BASE_MAP_H
#define BATON_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
        struct map_slot *slots;
        size_t count, capacity; /* capacity 0 or a power of two */
};

void map_init(struct map *m);
void map_done(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, uint64_t key);
/* `value` must not be NULL; replaces. */
void map_put(struct map *m, uint64_t key, void *value);
/* Returns what was there, or NULL. */
void *map_remove(struct map *m, uint64_t key);

#endif
