/* The pieces that other records are made of. Source: client-protocol.md 4.1, storage-format.md 4.1. */
#include "election/jute/record_internal.h"

/* clang-format off */
#define FIELDS_stat(F)                                                  \
        F(long, czxid) F(long, mzxid) F(long, ctime) F(long, mtime)     \
        F(int, version) F(int, cversion) F(int, aversion)               \
        F(long, ephemeral_owner) F(int, data_length) F(int, num_children) F(long, pzxid)
#define FIELDS_stat_persisted(F)                                        \
        F(long, czxid) F(long, mzxid) F(long, ctime) F(long, mtime)     \
        F(int, version) F(int, cversion) F(int, aversion)               \
        F(long, ephemeral_owner) F(long, pzxid)
#define FIELDS_id(F)  F(str, scheme) F(str, id)
#define FIELDS_acl(F) F(int, perms) F(id, id)
/* clang-format on */

JUTE_RECORD(stat)
JUTE_RECORD(stat_persisted)
JUTE_RECORD(id)
JUTE_RECORD(acl)

static void skip_id(struct jute_reader *r)
{
        struct jute_id id;
        jute_get_id(r, &id);
}

static void skip_acl(struct jute_reader *r)
{
        struct jute_acl acl;
        jute_get_acl(r, &acl);
}

static void skip_op(struct jute_reader *r)
{
        struct jute_txn_op op;
        jute_get_txn_op(r, &op);
}

struct jute_vec jute_get_id_vec(struct jute_reader *r)
{
        return jute_get_vec(r, 4 + 4, skip_id);
}

struct jute_vec jute_get_acl_vec(struct jute_reader *r)
{
        return jute_get_vec(r, 4 + 4 + 4, skip_acl);
}

struct jute_vec jute__get_op_vec(struct jute_reader *r)
{
        return jute_get_vec(r, 4 + 4, skip_op);
}
