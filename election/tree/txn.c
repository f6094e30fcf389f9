/* Transactions decoded and judged before anything is changed (storage-format.md 3). */
#include "election/tree/database_internal.h"

#include <errno.h>

static void parse_create(struct jute_reader *r, int64_t session, struct txn_body *ret)
{
        struct jute_create_txn v;
        jute_get_create_txn(r, &v);
        ret->path = v.path;
        ret->data = v.data;
        ret->vec = v.acl;
        ret->number = v.parent_cversion;
        ret->owner = v.ephemeral ? session : 0;
}

static void parse_create_container(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_create_container_txn v;
        jute_get_create_container_txn(r, &v);
        ret->path = v.path;
        ret->data = v.data;
        ret->vec = v.acl;
        ret->number = v.parent_cversion;
        ret->owner = ZNODE_OWNER_CONTAINER;
}

static void parse_create_ttl(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_create_ttl_txn v;
        jute_get_create_ttl_txn(r, &v);
        ret->path = v.path;
        ret->data = v.data;
        ret->vec = v.acl;
        ret->number = v.parent_cversion;
        ret->owner = znode_owner_of_ttl(v.ttl);
}

static void parse_path(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_path v;
        jute_get_path(r, &v);
        ret->path = v.path;
}

static void parse_set_data(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_set_data_txn v;
        jute_get_set_data_txn(r, &v);
        ret->path = v.path;
        ret->data = v.data;
        ret->number = v.version;
}

static void parse_set_acl(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_set_acl_txn v;
        jute_get_set_acl_txn(r, &v);
        ret->path = v.path;
        ret->vec = v.acl;
        ret->number = v.version;
}

static void parse_check(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_path_version v;
        jute_get_path_version(r, &v);
        ret->path = v.path;
        ret->number = v.version;
}

static bool is_digest_only(struct jute_reader r)
{
        return jute_left(&r) == JUTE_TXN_DIGEST_SIZE && jute_get_int(&r) == JUTE_DIGEST_VERSION;
}

/* The body may be missing, with or without a digest behind it: the closeSession trap of section 3. */
static void parse_close_session(struct jute_reader *r, struct txn_body *ret)
{
        struct jute_close_session_txn v;
        if (jute_left(r) == 0 || is_digest_only(*r))
                return;
        jute_get_close_session_txn(r, &v);
        ret->vec = v.paths;
}

/* What may stand alone and inside a multi. */
static void parse_common(struct jute_reader *r, int64_t session, struct txn_body *ret)
{
        switch (ret->type) {
        case OP_CREATE:
        case OP_CREATE2:
                parse_create(r, session, ret);
                break;
        case OP_CREATE_CONTAINER:
                parse_create_container(r, ret);
                break;
        case OP_CREATE_TTL:
                parse_create_ttl(r, ret);
                break;
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                parse_path(r, ret);
                break;
        case OP_SET_DATA:
                parse_set_data(r, ret);
                break;
        case OP_ERROR:
                ret->number = jute_get_int(r);
                break;
        default:
                jute_fail(r);
                break;
        }
}

static struct txn_body blank(int32_t type)
{
        const struct jute_str null = {.data = NULL, .len = -1};
        return (struct txn_body){.type = type, .path = null, .data = null, .vec = {.count = -1}};
}

int txn__parse_op(const struct jute_txn_op *op, int64_t session, struct txn_body *ret)
{
        struct jute_reader r;
        if (op->body.len < 0)
                return -EPROTO;
        jute_reader_init(&r, op->body.data, (size_t)op->body.len, op->body.len);
        *ret = blank(op->type);
        if (op->type == OP_CHECK)
                parse_check(&r, ret);
        else
                parse_common(&r, session, ret);
        /* ZooKeeper's server marks what came before the failure as failed when it applies the multi. Where it commits
         * before it has logged (a follower, a leader with a slow disk), its log has the mark and the old body. */
        if (op->type == OP_ERROR && !r.error && jute_left(&r) > 0) {
                ret->number = 0;
                return 0;
        }
        return r.error || jute_left(&r) > 0 ? -EPROTO : 0;
}

static void parse_multi(struct jute_reader *r, int64_t session, struct txn_body *ret)
{
        struct jute_multi_txn v;
        jute_get_multi_txn(r, &v);
        ret->vec = v.ops;
        struct jute_reader ops = jute_vec_reader(&v.ops);
        for (int32_t i = 0; i < v.ops.count && !r->error; i++) {
                struct jute_txn_op op;
                struct txn_body body;
                jute_get_txn_op(&ops, &op);
                if (ops.error || txn__parse_op(&op, session, &body) < 0)
                        jute_fail(r);
        }
}

static void parse_body(struct jute_reader *r, const struct jute_txn_header *header, struct txn_body *ret)
{
        *ret = blank(header->type);
        switch (header->type) {
        case OP_CREATE_SESSION: {
                struct jute_create_session_txn v;
                jute_get_create_session_txn(r, &v);
                ret->number = v.timeout;
                break;
        }
        case OP_CLOSE_SESSION:
                parse_close_session(r, ret);
                break;
        case OP_MULTI:
                parse_multi(r, header->session_id, ret);
                break;
        case OP_SET_ACL:
                parse_set_acl(r, ret);
                break;
        case OP_RECONFIG:
                parse_set_data(r, ret);
                break;
        default:
                parse_common(r, header->session_id, ret);
                break;
        }
}

int txn__parse(const uint8_t *payload, size_t len, struct txn *ret)
{
        struct jute_reader r;
        if (len > INT32_MAX)
                return -EPROTO;
        jute_reader_init(&r, payload, len, (int32_t)len);
        jute_get_txn_header(&r, &ret->header);
        if (r.error)
                return -EPROTO;
        parse_body(&r, &ret->header, &ret->body);
        ret->has_digest = !r.error && jute_left(&r) > 0;
        if (ret->has_digest)
                jute_get_txn_digest(&r, &ret->digest);
        return r.error || jute_left(&r) > 0 ? -EPROTO : 0;
}
