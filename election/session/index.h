/* A hash table of links that live inside their owners (sessions, znodes, watches, ...).
 *
 * Linear hashing: the table grows and shrinks by one bucket at a time, so that no single insertion
 * pays for rehashing all others; an event loop may hold a million entries here and never stall. Only
 * the array of bucket heads is moved now and then (realloc, which remaps large arrays).
 *
 * The table knows hashes only; the caller compares keys:
 *         for (struct index_link *l = index_first(ix, h); l; l = index_next(l))
 *                 if (key matches INDEX_ENTRY(l, struct thing, link)) ... */
#ifndef BATON_SESSION_INDEX_H
#define BATON_SESSION_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_link {
        struct index_link *next;
        uint32_t hash;
};

struct index {
        struct index_link **slots;
        size_t count;    /* links in the table */
        size_t size;     /* buckets in use */
        size_t capacity; /* buckets allocated */
        size_t mask;     /* smallest 2^n - 1 that covers `size` buckets */
};

#define INDEX_ENTRY(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

/* No memory is taken before the first insertion. */
void index_init(struct index *ix);
/* Frees the table, not the links; takes a zeroed one. */
void index_done(struct index *ix);
/* Has the processor fetch where a hash's chain begins, and later the first link of it, while other work is done: in a
 * large table each is a wait for memory. The second looks at what the first has fetched. */
void index_fetch(const struct index *ix, uint64_t hash);
void index_fetch_link(const struct index *ix, uint64_t hash);
/* Adds a link that is in no table. The caller sees to it that no equal key is there. */
void index_insert(struct index *ix, struct index_link *l, uint64_t hash);
/* Takes out a link that is in the table. */
void index_remove(struct index *ix, struct index_link *l);
/* First link with this hash, NULL if none. */
struct index_link *index_first(const struct index *ix, uint64_t hash);
/* The next one with the same hash. */
struct index_link *index_next(const struct index_link *l);
/* Calls `fn` for each link, in no particular order. `fn` may free its link, but not change the table. */
void index_each(const struct index *ix, void (*fn)(void *ctx, struct index_link *l), void *ctx);

#endif
