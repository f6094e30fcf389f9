/* Bytes that change by themselves on the disk, and who may lose what.
 *
 * The promise holds while at most a minority of the copies is damaged (safety: 3.3). The fault atlas is what the disks
 * hold at this moment: a copy counts when the stable image of that disk recovers to all that any server has applied and
 * no byte of it has rotted; a position is spoiled only where a majority of the voters has such a copy without it. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FILES_MAX      64
#define FILE_NAME_SIZE 64

/* ---- the atlas ---- */

/* Its disk, if all power failed now and nothing survived that was not synced. */
static bool copy_reaches(const struct world_node *n, int64_t zxid)
{
        char why[STORE_WHY_MAX];
        struct recovered r = {0};
        if (memory_storage_rotten(n->disk))
                return false;
        struct memory_storage *image = memory_storage_image(n->disk, MEMORY_CRASH_NOTHING, 0);
        struct store *store = store_new(memory_storage_io(image), &world__store_config);
        bool reaches = store_recover(store, &r, why) >= 0 && !r.lost && r.last_zxid >= zxid;
        recovered_done(&r);
        store_free(store);
        memory_storage_free(image);
        return reaches;
}

bool world_may_lose(const struct world *w, int sid)
{
        struct member_set holders = {0};
        if (ensemble_find(&w->config.ensemble, sid)->observer)
                return true;
        for (int other = 1; other <= w->count; other++)
                if (other != sid && !ensemble_find(&w->config.ensemble, other)->observer &&
                    copy_reaches(&w->nodes[other], w->committed))
                        member_set_add(&holders, &w->config.ensemble, other);
        return ensemble_is_quorum(&w->config.ensemble, &holders);
}

bool world_rotten(const struct world *w, int sid)
{
        return memory_storage_rotten(w->nodes[sid].disk) > 0;
}

/* ---- rot ---- */

struct names {
        const char *const *prefixes;
        char list[FILES_MAX][FILE_NAME_SIZE];
        size_t count;
};

static void collect(void *ctx, const char *name)
{
        struct names *names = ctx;
        for (const char *const *p = names->prefixes; *p; p++)
                if (!strncmp(name, *p, strlen(*p)) && !strstr(name, ".tmp") && names->count < FILES_MAX)
                        (void)snprintf(names->list[names->count++], FILE_NAME_SIZE, "%s", name);
}

/* Behind the last byte that is not padding. */
static size_t used(const uint8_t *data, size_t len)
{
        while (len && !data[len - 1])
                len--;
        return len;
}

/* The names end in a zxid in hex. */
static bool newer(const char *a, const char *b)
{
        size_t len_a = strlen(a), len_b = strlen(b);
        return len_a != len_b ? len_a > len_b : strcmp(a, b) > 0;
}

/* Any file, and every second time the newest: most of what older ones say is never read again. */
static const char *choose(const struct names *names, struct prng *prng)
{
        uint64_t newest = prng_next(prng) % 2;
        size_t at = prng_next(prng) % names->count;
        for (size_t i = 0; newest && i < names->count; i++)
                if (newer(names->list[i], names->list[at]))
                        at = i;
        return names->list[at];
}

bool world_rot(struct world *w, int sid, enum world_file file, uint64_t seed)
{
        static const char *const prefixes[WORLD_FILE_MAX][3] = {
                [WORLD_FILE_LOG] = {"log."},
                [WORLD_FILE_SNAPSHOT] = {"snapshot."},
                [WORLD_FILE_EPOCH] = {"acceptedEpoch", "currentEpoch"},
        };
        struct world_node *n = &w->nodes[sid];
        struct prng prng = {.state = seed};
        struct names names = {.prefixes = prefixes[file]};
        (void)n->storage->list(n->storage->ctx, collect, &names);
        if (!names.count || !world_may_lose(w, sid))
                return false;
        const char *name = choose(&names, &prng);
        size_t len = 0;
        const uint8_t *data = memory_storage_durable(n->disk, name, &len);
        len = data ? used(data, len) : 0;
        if (!len)
                return false;
        size_t offset = prng_next(&prng) % len;
        /* An epoch has no checksum. What makes another number of it can't be noticed, and is no fault that anybody
         * promises to survive: a digit stays none. */
        unsigned bit = (unsigned)(file == WORLD_FILE_EPOCH ? 5 + prng_next(&prng) % 3 : prng_next(&prng) % 8);
        if (file == WORLD_FILE_EPOCH && (data[offset] < '0' || data[offset] > '9'))
                offset = 0;
        if (!memory_storage_rot(n->disk, name, offset, (uint8_t)(1u << bit)))
                return false;
        world__fault(w, "bit %u of byte %zu of %s has rotted at %d", bit, offset, name, sid);
        return true;
}
