/* One znode: Stat in its two forms, and the digest (client-protocol.md 6.1, storage-format.md 7). */
#include "election/tree/tree_internal.h"

#include <string.h>
#include <zlib.h>

/* TTL nodes: top byte FF, then the type code 0 in 16 bits, then the time (client-protocol.md 6.1). The type
 * code is looked at too, so that sessions of server 255 are not taken for times. */
#define OWNER_TTL_MASK (UINT64_C(0xFFFFFF) << 40)
#define OWNER_TTL      (UINT64_C(0xFF0000) << 40)

/* The Stat fields that a digest covers. */
#define DIGEST_STAT_SIZE 60

bool znode__owner_is_session(int64_t owner)
{
        return owner != 0 && owner != ZNODE_OWNER_CONTAINER && ((uint64_t)owner & OWNER_TTL_MASK) != OWNER_TTL;
}

int64_t znode_owner_of_ttl(int64_t ttl_ms)
{
        return (int64_t)(OWNER_TTL | ((uint64_t)ttl_ms & (uint64_t)ZNODE_TTL_MAX));
}

int64_t znode_ttl_of_owner(int64_t owner)
{
        return ((uint64_t)owner & OWNER_TTL_MASK) == OWNER_TTL ? owner & ZNODE_TTL_MAX : 0;
}

bool znode_is_ephemeral(const struct znode *n)
{
        return znode__owner_is_session(n->owner);
}

struct jute_str znode_path(const struct znode *n)
{
        return jute_str_of(n->path, n->path_len);
}

struct jute_str znode_data(const struct znode *n)
{
        return (struct jute_str){.data = n->data, .len = n->data_len};
}

int32_t znode_children(const struct znode *n)
{
        return (int32_t)n->children;
}

int64_t znode_acl_key(const struct znode *n)
{
        return n->acl_key;
}

void znode_stat(const struct znode *n, struct jute_stat *ret)
{
        /* Unsigned, so that it wraps as Java's int does. */
        uint32_t changes = (uint32_t)n->cversion * 2 - n->children;
        *ret = (struct jute_stat){
                .czxid = n->czxid,
                .mzxid = n->mzxid,
                .ctime = n->ctime,
                .mtime = n->mtime,
                .version = n->version,
                .cversion = (int32_t)changes,
                .aversion = n->aversion,
                .ephemeral_owner = znode_is_ephemeral(n) ? n->owner : 0,
                .data_length = n->data_len > 0 ? n->data_len : 0,
                .num_children = (int32_t)n->children,
                .pzxid = n->pzxid,
        };
}

void znode_stat_persisted(const struct znode *n, struct jute_stat_persisted *ret)
{
        *ret = (struct jute_stat_persisted){
                .czxid = n->czxid,
                .mzxid = n->mzxid,
                .ctime = n->ctime,
                .mtime = n->mtime,
                .version = n->version,
                .cversion = n->cversion,
                .aversion = n->aversion,
                .ephemeral_owner = n->owner,
                .pzxid = n->pzxid,
        };
}

/* ---- digest ---- */

static uint32_t crc_add(uint32_t crc, const void *data, size_t len)
{
        /* zlib takes a NULL buffer for "start anew". */
        return len > 0 ? (uint32_t)crc32_z(crc, data, len) : crc;
}

uint32_t znode__content_crc(struct jute_str path, struct jute_str data)
{
        uint32_t crc = 0;
        if (!jute_str_is(path, "/") && path.len > 0)
                crc = crc_add(crc, path.data, (size_t)path.len);
        return data.len > 0 ? crc_add(crc, data.data, (size_t)data.len) : crc;
}

static uint8_t *put_big_endian(uint8_t *at, uint64_t v, size_t size)
{
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
        return at + size;
}

/* pzxid comes third here, unlike in the persisted Stat. */
static uint32_t stat_crc(uint32_t crc, const struct jute_stat_persisted *s)
{
        uint8_t bytes[DIGEST_STAT_SIZE];
        uint8_t *at = bytes;
        at = put_big_endian(at, (uint64_t)s->czxid, 8);
        at = put_big_endian(at, (uint64_t)s->mzxid, 8);
        at = put_big_endian(at, (uint64_t)s->pzxid, 8);
        at = put_big_endian(at, (uint64_t)s->ctime, 8);
        at = put_big_endian(at, (uint64_t)s->mtime, 8);
        at = put_big_endian(at, (uint32_t)s->version, 4);
        at = put_big_endian(at, (uint32_t)s->cversion, 4);
        at = put_big_endian(at, (uint32_t)s->aversion, 4);
        (void)put_big_endian(at, (uint64_t)s->ephemeral_owner, 8); /* the last field */
        return crc_add(crc, bytes, sizeof bytes);
}

static bool counts_for_digest(struct jute_str path)
{
        const size_t prefix = sizeof TREE_UNDIGESTED - 1;
        return path.len < (int32_t)prefix || memcmp(path.data, TREE_UNDIGESTED, prefix) != 0;
}

uint32_t znode_digest(const struct znode *n)
{
        struct jute_stat_persisted stat;
        if (!counts_for_digest(znode_path(n)))
                return 0;
        znode_stat_persisted(n, &stat);
        return stat_crc(n->content_crc, &stat);
}

uint32_t tree_node_digest(struct jute_str path, struct jute_str data, const struct jute_stat_persisted *stat)
{
        if (!counts_for_digest(path))
                return 0;
        return stat_crc(znode__content_crc(path, data), stat);
}
