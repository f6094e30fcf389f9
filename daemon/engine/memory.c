/* See memory.h. */
#include "daemon/engine/memory.h"

#include "election/base/pool.h"

#include <malloc.h>

static bool is_small(const struct memory *m, uint64_t tree_bytes)
{
        uint64_t gone = m->most_bytes > tree_bytes ? m->most_bytes - tree_bytes : 0;
        return gone >= MEMORY_TRIM_BYTES && gone >= m->most_bytes / MEMORY_TRIM_PART;
}

bool memory_rest(struct memory *m, uint64_t now_ms, uint64_t tree_bytes)
{
        if (now_ms - m->rested_ms < MEMORY_REST_MS)
                return false;
        m->rested_ms = now_ms;
        pool_rest();
        if (tree_bytes > m->most_bytes)
                m->most_bytes = tree_bytes;
        m->small = is_small(m, tree_bytes) ? m->small + 1 : 0;
        if (m->small < MEMORY_TRIM_LOOKS)
                return false;
        (void)malloc_trim(0); /* that there was nothing to give back is no failure */
        m->most_bytes = tree_bytes;
        m->small = 0;
        return true;
}
