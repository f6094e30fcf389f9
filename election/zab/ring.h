/* A queue of small values in a growing ring. It has no limit of its own: each user names one. */
#ifndef BATON_ZAB_RING_H
#define BATON_ZAB_RING_H

#include <stddef.h>

struct ring {
        unsigned char *items;
        size_t item_size, head, count, capacity; /* capacity is a power of two, or 0 */
};

void zab__ring_init(struct ring *r, size_t item_size);
/* Frees the memory; the ring is empty and usable afterwards. */
void zab__ring_done(struct ring *r);
/* A new, zeroed item at the end. The pointer lives until the next push. */
void *zab__ring_push(struct ring *r);
/* The item `i` places from the front. */
void *zab__ring_at(const struct ring *r, size_t i);
/* Removes the first, the last. */
void zab__ring_pop(struct ring *r);
void zab__ring_pop_last(struct ring *r);

#endif
