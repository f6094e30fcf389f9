/* See digest_log.h. The ring doubles until it has its full size: a server that was just made needs none of it. */
#include "election/tree/digest_log.h"

#include "election/base/alloc.h"

/* Size of the first ring. */
#define DIGEST_LOG_MIN 16

struct digest_log_entry {
        int64_t zxid;
        uint64_t digest;
};

void digest_log_done(struct digest_log *l)
{
        mem_free(l->ring);
        *l = (struct digest_log){.ring = NULL};
}

void digest_log_note(struct digest_log *l, int64_t zxid, uint64_t digest)
{
        if (zxid % DIGEST_LOG_INTERVAL != 0)
                return;
        if (l->count == l->capacity && l->capacity < DIGEST_LOG_MAX) {
                l->capacity = l->capacity ? 2 * l->capacity : DIGEST_LOG_MIN;
                l->ring = mem_realloc(l->ring, l->capacity * sizeof *l->ring);
                l->next = l->count; /* while it grew it was never overwritten: it begins at 0 */
        }
        l->ring[l->next] = (struct digest_log_entry){zxid, digest};
        l->next = (l->next + 1) % l->capacity;
        if (l->count < l->capacity)
                l->count++;
}

void digest_log_each(const struct digest_log *l, void (*fn)(void *ctx, int64_t zxid, uint64_t digest), void *ctx)
{
        for (size_t i = 0; i < l->count; i++) {
                const struct digest_log_entry *e = &l->ring[(l->next + l->capacity - l->count + i) % l->capacity];
                fn(ctx, e->zxid, e->digest);
        }
}
