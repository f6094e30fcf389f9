/* One znode: Stat in its two forms, and the digest (client-protocol.md 6.1, storage-format.md 7). */
#include "election/base/checksum.h"
#include "election/tree/tree_internal.h"

#include <string.h>

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
        return (int32_t)znode__children(n);
}

int64_t znode_acl_key(const struct znode *n)
{
        return n->acl_key;
}

void znode_stat(const struct znode *n, struct jute_stat *ret)
{
        /* Unsigned, so that it wraps as Java's int does. */
        uint32_t changes = (uint32_t)n->cversion * 2 - znode__children(n);
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
                .num_children = (int32_t)znode__children(n),
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

uint32_t tree_content_crc(struct jute_str path, struct jute_str data)
{
        uint32_t crc = CHECKSUM_CRC32;
        if (!jute_str_is(path, "/") && path.len > 0)
                crc = checksum_crc32(crc, path.data, (size_t)path.len);
        return data.len > 0 ? checksum_crc32(crc, data.data, (size_t)data.len) : crc;
}

static uint8_t *put_int(uint8_t *at, uint32_t v)
{
        at[0] = (uint8_t)(v >> 24);
        at[1] = (uint8_t)(v >> 16);
        at[2] = (uint8_t)(v >> 8);
        at[3] = (uint8_t)v;
        return at + 4;
}

static uint8_t *put_long(uint8_t *at, int64_t v)
{
        return put_int(put_int(at, (uint32_t)((uint64_t)v >> 32)), (uint32_t)(uint64_t)v);
}

/* pzxid comes third here, unlike in the persisted Stat. */
static uint32_t stat_crc(uint32_t crc, const struct jute_stat_persisted *s)
{
        uint8_t bytes[DIGEST_STAT_SIZE];
        uint8_t *at = bytes;
        at = put_long(at, s->czxid);
        at = put_long(at, s->mzxid);
        at = put_long(at, s->pzxid);
        at = put_long(at, s->ctime);
        at = put_long(at, s->mtime);
        at = put_int(at, (uint32_t)s->version);
        at = put_int(at, (uint32_t)s->cversion);
        at = put_int(at, (uint32_t)s->aversion);
        (void)put_long(at, s->ephemeral_owner); /* the last field */
        return checksum_crc32(crc, bytes, sizeof bytes);
}

static bool counts_for_digest(struct jute_str path)
{
        const size_t prefix = sizeof TREE_UNDIGESTED - 1;
        return path.len < (int32_t)prefix || memcmp(path.data, TREE_UNDIGESTED, prefix) != 0;
}

uint32_t tree_node_digest(struct jute_str path, uint32_t content_crc, const struct jute_stat_persisted *stat)
{
        return counts_for_digest(path) ? stat_crc(content_crc, stat) : 0;
}

uint32_t znode_content_crc(const struct znode *n)
{
        return n->content_crc;
}

uint32_t znode_digest(const struct znode *n)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        return tree_node_digest(znode_path(n), n->content_crc, &stat);
}
