/* Bytes that change by themselves on the disk, and who may lose what.
 *
 * The promise holds while at most a minority of the copies is damaged (safety: 3.3). The fault atlas is what the disks
 * hold at this moment: a copy counts when the stable image of that disk recovers to all that any server has applied and
 * no byte of it has rotted; a position is spoiled only where a majority of the voters has such a copy without it. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Sectors of an end that are lost at once, at most. */
#define END_SECTORS_MAX 16

struct damage {
        const char *text;
        size_t offset, len;
        uint8_t bytes[END_SECTORS_MAX * MEMORY_SECTOR_BYTES];
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

/* Of the newest records on, all sectors. */
static void damage_end(struct damage *d, size_t len, size_t durable)
{
        d->text = "an end is lost";
        d->offset -= d->offset % MEMORY_SECTOR_BYTES;
        size_t end = len + MEMORY_SECTOR_BYTES - 1;
        end -= end % MEMORY_SECTOR_BYTES;
        d->len = (end < durable ? end : durable) - d->offset;
        if (d->len > sizeof d->bytes) {
                d->offset += d->len - sizeof d->bytes;
                d->len = sizeof d->bytes;
        }
        memset(d->bytes, 0, d->len);
}

/* ---- zeros: which of them must be noticed ---- */

static uint64_t number(const uint8_t *at, size_t len)
{
        uint64_t v = 0;
        while (len-- > 0)
                v = v << 8 | *at++;
        return v;
}

/* The zxid of the first record of a log that overlaps the damage, 0 for none; and whether one begins behind it. */
static int64_t first_broken(const uint8_t *data, size_t len, const struct damage *d, bool *ret_behind)
{
        int64_t broken = 0;
        *ret_behind = false;
        for (size_t at = 16; at + 45 <= len;) { /* file header; the least that a record has */
                size_t size = (size_t)number(data + at + 8, 4) + 13;
                if (size < 45 || size > len - at)
                        break;
                if (!broken && at + size > d->offset && at < d->offset + d->len)
                        broken = (int64_t)number(data + at + 24, 8);
                *ret_behind |= broken && at >= d->offset + d->len;
                at += size;
        }
        return broken;
}

/* Its log's zxid, from a name. */
static int64_t zxid_of(const char *name)
{
        return (int64_t)strtoull(strchr(name, '.') + 1, NULL, 16);
}

/* Sectors of zeros at the end of a log look like space that was never written: of those a server knows only what it has
 * written down in a file of its own (election/txnlog/ends.c). Others are beyond what is promised (docs/safety.md). */
static bool is_zero_noticed(const struct world_node *n, const struct names *logs, const char *name, int64_t broken)
{
        static const char *const prefixes[] = {"snapshot.", NULL};
        const char *next = NULL;
        char text[4096], seam[40];
        size_t len = 0;
        uint64_t epoch = 0, end = 0;
        const uint8_t *ends = memory_storage_durable(n->disk, "baton.ends", &len);
        if (!ends || len >= sizeof text)
                return false;
        memcpy(text, ends, len);
        text[len] = 0;
        if (sscanf(text, "baton.ends 1\nend %" SCNx64 " %" SCNx64, &epoch, &end) != 2)
                return false;
        for (size_t i = 0; i < logs->count; i++)
                if (newer(logs->list[i], name) && (!next || newer(next, logs->list[i])))
                        next = logs->list[i];
        if (next) {
                (void)snprintf(seam, sizeof seam, "\nseam %" PRIx64 " ", (uint64_t)zxid_of(next));
                return zxid_of(next) >> 32 == broken >> 32 || strstr(text, seam);
        }
        struct names snapshots = {.prefixes = prefixes};
        (void)n->storage->list(n->storage->ctx, collect, &snapshots);
        for (size_t i = 0; i < snapshots.count; i++)
                if (zxid_of(snapshots.list[i]) >= broken)
                        return false;
        return broken <= (int64_t)end;
}

/* Whether these zeros may be there; otherwise they are made garbage. */
static bool may_be_zero(const struct world_node *n, const struct names *names, const char *name, const uint8_t *data,
                        size_t len, const struct damage *d, int64_t *ret_broken)
{
        bool behind;
        int64_t broken = first_broken(data, len, d, &behind);
        *ret_broken = 0;
        if (!broken || behind) /* none of a record; or what is behind shows it */
                return true;
        *ret_broken = broken;
        return is_zero_noticed(n, names, name, broken);
}

static void damage_log(struct world_node *n, const struct names *names, const char *name, struct damage *d,
                       const uint8_t *data, size_t len, size_t durable, struct prng *prng)
{
        n->rot_zxid = 0;
        if (prng_next(prng) % 2)
                damage_end(d, len, durable);
        else
                damage_sector(d, data, len, durable, prng);
        if (d->bytes[0] || memcmp(d->bytes, d->bytes + 1, d->len - 1) != 0)
                return;
        if (may_be_zero(n, names, name, data, len, d, &n->rot_zxid))
                return;
        n->rot_zxid = 0;
        d->text = "sectors are garbage";
        for (size_t i = 0; i < d->len; i++)
                d->bytes[i] = (uint8_t)prng_next(prng);
}

bool world_rot(struct world *w, int sid, enum world_file file, uint64_t seed)
{
        static const char *const prefixes[WORLD_FILE_MAX][4] = {
                [WORLD_FILE_LOG] = {"log."},
                [WORLD_FILE_SNAPSHOT] = {"snapshot."},
                [WORLD_FILE_EPOCH] = {"acceptedEpoch", "currentEpoch", "baton.ends"},
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
        n->rot_zxid = 0;
        damage.offset = prng_next(&prng) % len;
        if (file == WORLD_FILE_EPOCH) {
                /* It has no checksum. What makes another number of it can't be noticed, and is no fault that anybody
                 * promises to survive: its first digit becomes none. And what tells of a lost end does not go with
                 * it. */
                if (memory_storage_rotten(n->disk))
                        return false;
                damage.offset = 0;
                damage_bit(&damage, data, 5 + (unsigned)(prng_next(&prng) % 3));
        } else if (prng_next(&prng) % (file == WORLD_FILE_LOG ? 2 : 4)) {
                damage_bit(&damage, data, (unsigned)(prng_next(&prng) % 8));
        } else if (file == WORLD_FILE_LOG) {
                damage_log(n, &names, name, &damage, data, len, durable, &prng);
        } else {
                damage_sector(&damage, data, len, durable, &prng);
        }
        if (!memory_storage_rot(n->disk, name, damage.offset, damage.bytes, damage.len))
                return false;
        world__fault(w, "at byte %zu of %s of %d %s", damage.offset, name, sid, damage.text);
        return true;
}
