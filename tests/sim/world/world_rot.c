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

struct damage {
        const char *text;
        size_t offset, len;
        uint8_t bytes[MEMORY_SECTOR_BYTES];
};

static void damage_bit(struct damage *d, const uint8_t *data, unsigned bit)
{
        d->text = "a bit has flipped";
        d->len = 1;
        d->bytes[0] = (uint8_t)(data[d->offset] ^ 1u << bit);
}

/* A whole sector: never written or written twice elsewhere, or what another sector was to hold. */
static void damage_sector(struct damage *d, const uint8_t *data, size_t len, size_t durable, struct prng *prng)
{
        static const char *const texts[] = {"a sector is zero", "a sector is garbage", "a sector holds another one"};
        size_t sectors = (durable + MEMORY_SECTOR_BYTES - 1) / MEMORY_SECTOR_BYTES;
        size_t how = prng_next(prng) % 3;
        d->text = texts[how];
        d->offset -= d->offset % MEMORY_SECTOR_BYTES;
        d->len = durable - d->offset < MEMORY_SECTOR_BYTES ? durable - d->offset : MEMORY_SECTOR_BYTES;
        size_t from = prng_next(prng) % sectors * MEMORY_SECTOR_BYTES;
        for (size_t i = 0; i < d->len; i++)
                d->bytes[i] = how == 0 ? 0 : how == 1 ? (uint8_t)prng_next(prng) : from + i < len ? data[from + i] : 0;
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
        struct damage damage = {0};
        (void)n->storage->list(n->storage->ctx, collect, &names);
        if (!names.count || !world_may_lose(w, sid))
                return false;
        const char *name = choose(&names, &prng);
        size_t durable = 0;
        const uint8_t *data = memory_storage_durable(n->disk, name, &durable);
        size_t len = data ? used(data, durable) : 0;
        if (!len)
                return false;
        damage.offset = prng_next(&prng) % len;
        if (file == WORLD_FILE_EPOCH) {
                /* It has no checksum. What makes another number of it can't be noticed, and is no fault that anybody
                 * promises to survive: its first digit becomes none. */
                damage.offset = 0;
                damage_bit(&damage, data, 5 + (unsigned)(prng_next(&prng) % 3));
        } else if (prng_next(&prng) % 4) {
                damage_bit(&damage, data, (unsigned)(prng_next(&prng) % 8));
        } else {
                damage_sector(&damage, data, len, durable, &prng);
        }
        if (!memory_storage_rot(n->disk, name, damage.offset, damage.bytes, damage.len))
                return false;
        world__fault(w, "at byte %zu of %s of %d %s", damage.offset, name, sid, damage.text);
        return true;
}
