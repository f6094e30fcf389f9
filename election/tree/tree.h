/* The data tree: znodes by path, their Stat, ACL lists, ephemerals by owner, and the data digest.
 * Only committed transactions change it (apply.h); everything else reads.
 * Sources: zookeeper/client-protocol.md 6, storage-format.md 3, 4 and 7. */
#ifndef BATON_TREE_TREE_H
#define BATON_TREE_TREE_H

#include "election/jute/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree;
struct znode;

/* Stored owners that are no session (storage-format.md 3). */
#define ZNODE_OWNER_CONTAINER INT64_MIN
/* Longest time to live, some 34 years: 40 bits of the owner hold it (client-protocol.md 6.1). */
#define ZNODE_TTL_MAX INT64_C(0xffffffffff)
/* Key of the open ACL world:anyone:31, which has no table row. */
#define ACL_KEY_OPEN (-1)

/* NULL when absent. "/" and "" both name the root. */
const struct znode *tree_find(const struct tree *t, struct jute_str path);
/* NULL for the root. */
const struct znode *tree_parent(const struct tree *t, const struct znode *n);

/* As clients see it: cversion = 2·created − children, ephemeralOwner 0 for containers and TTL nodes. */
void znode_stat(const struct znode *n, struct jute_stat *ret);
/* As stored and shipped: cversion counts creations, ephemeralOwner raw. */
void znode_stat_persisted(const struct znode *n, struct jute_stat_persisted *ret);
struct jute_str znode_path(const struct znode *n); /* root: "" of length 0 */
struct jute_str znode_data(const struct znode *n); /* null and empty differ */
int32_t znode_children(const struct znode *n);
/* A session's ephemeral (not a container, not a TTL node). */
bool znode_is_ephemeral(const struct znode *n);
/* The owner as stored of a node with a time to live of `ttl_ms`, and back: 0 for any other owner. */
int64_t znode_owner_of_ttl(int64_t ttl_ms);
int64_t znode_ttl_of_owner(int64_t owner);
/* CRC-32 of the node (storage-format.md 7); 0 below /zookeeper/. */
uint32_t znode_digest(const struct znode *n);
/* tree_content_crc() of the node; kept, not counted here. */
uint32_t znode_content_crc(const struct znode *n);
int64_t znode_acl_key(const struct znode *n);

/* Writes vector<string> of the children's names. */
void tree_put_children(const struct tree *t, const struct znode *n, struct jute_writer *w);
/* The node's ACL list in encoded form; lives as long as the tree is not changed. */
struct jute_vec tree_acl(const struct tree *t, const struct znode *n);

/* Calls `fn` for each ephemeral of a session, in no particular order; returns how many there are. */
size_t tree_ephemerals(const struct tree *t, int64_t session, void (*fn)(void *ctx, const struct znode *n), void *ctx);

/* Calls `fn` for each session that owns ephemerals, with their number, in no particular order; returns how many
 * such sessions there are. `fn` may be NULL. */
size_t tree_owners(const struct tree *t, void (*fn)(void *ctx, int64_t session, size_t ephemerals), void *ctx);

/* Containers and nodes with a time to live, by place: NULL from `count` on. One that goes gives its place to the
 * last one, so a walk from the last place to the first misses none that was there when it began. */
size_t tree_special_count(const struct tree *t);
const struct znode *tree_special(const struct tree *t, size_t place);

uint64_t tree_digest(const struct tree *t);
/* Of the table of its paths; for other tables of paths. */
uint64_t tree_hash_seed(const struct tree *t);
size_t tree_count(const struct tree *t); /* as srvr and mntr print it: a fresh tree has 5 */
size_t tree_ephemeral_count(const struct tree *t);
uint64_t tree_data_size(const struct tree *t); /* path characters + data bytes */
/* That, and the znodes around them. */
uint64_t tree_memory_bytes(const struct tree *t);
/* Number of all descendants; kept, not counted here. */
size_t tree_descendants(const struct tree *t, const struct znode *n);

/* The digest of a node that does not exist yet, or will have changed: what prep needs to foretell the tree digest of
 * a transaction. It is made of two parts, of which the first is the dear one: the CRC-32 of path and data, ... */
uint32_t tree_content_crc(struct jute_str path, struct jute_str data);
/* ... and the Stat that goes on from there. 0 for a path below /zookeeper/. */
uint32_t tree_node_digest(struct jute_str path, uint32_t content_crc, const struct jute_stat_persisted *stat);

/* ---- path rules (client-protocol.md 5.2) ---- */
/* The strict rule; false means BadArguments. Null is not valid. */
bool path_is_valid(struct jute_str path);
/* Text before the last '/'; "/" yields "" (the root). The path must contain a '/'. */
struct jute_str path_parent(struct jute_str path);
/* Text after the last '/'. */
struct jute_str path_name(struct jute_str path);

#endif
