/* Single operations: create in its forms, delete, setData, setACL, check. The order of checks is the
 * one of zookeeper/client-protocol.md 5.3; what each writes is in storage-format.md 3. */
#include "election/server/prep_internal.h"

#include "election/base/plant.h"
#include "election/server/acl.h"

#include <stdio.h>
#include <string.h>

/* Digits of a sequence suffix, sign and terminator. */
#define SEQUENCE_SIZE 16

/* ---- decoding ---- */

struct jute_reader prep__reader(struct jute_str body, int32_t item_max)
{
        struct jute_reader r;
        jute_reader_init(&r, body.data, body.len > 0 ? (size_t)body.len : 0, item_max);
        return r;
}

static void decode_create(struct jute_reader *r, struct prep_op *op)
{
        struct jute_create_request q;
        jute_get_create_request(r, &q);
        op->path = q.path;
        op->data = q.data;
        op->acl = q.acl;
        op->flags = q.flags;
}

static void decode_create_ttl(struct jute_reader *r, struct prep_op *op)
{
        struct jute_create_ttl_request q;
        jute_get_create_ttl_request(r, &q);
        op->path = q.path;
        op->data = q.data;
        op->acl = q.acl;
        op->flags = q.flags;
        op->ttl = q.ttl;
}

static void decode_path_version(struct jute_reader *r, struct prep_op *op)
{
        struct jute_path_version q;
        jute_get_path_version(r, &q);
        op->path = q.path;
        op->version = q.version;
}

static void decode_set_data(struct jute_reader *r, struct prep_op *op)
{
        struct jute_set_data_request q;
        jute_get_set_data_request(r, &q);
        op->path = q.path;
        op->data = q.data;
        op->version = q.version;
}

static void decode_set_acl(struct jute_reader *r, struct prep_op *op)
{
        struct jute_set_acl_request q;
        jute_get_set_acl_request(r, &q);
        op->path = q.path;
        op->acl = q.acl;
        op->version = q.version;
}

bool prep__decode(struct jute_reader *r, int32_t opcode, struct prep_op *ret)
{
        *ret = (struct prep_op){.opcode = opcode};
        switch (opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
                decode_create(r, ret);
                break;
        case OP_CREATE_TTL:
                decode_create_ttl(r, ret);
                break;
        case OP_DELETE:
        case OP_CHECK:
                decode_path_version(r, ret);
                break;
        case OP_SET_DATA:
                decode_set_data(r, ret);
                break;
        case OP_SET_ACL:
                decode_set_acl(r, ret);
                break;
        default:
                return false;
        }
        return !r->error;
}

bool prep__is_create(int32_t opcode)
{
        return opcode == OP_CREATE || opcode == OP_CREATE2 || opcode == OP_CREATE_CONTAINER || opcode == OP_CREATE_TTL;
}

bool prep__flags_ok(int32_t flags)
{
        return flags >= CREATE_PERSISTENT && flags <= CREATE_FLAG_TTL_SEQUENTIAL;
}

bool prep__flags_are_ttl(int32_t flags)
{
        return flags == CREATE_FLAG_TTL || flags == CREATE_FLAG_TTL_SEQUENTIAL;
}

/* ---- common checks ---- */

static int check_session(struct prep_txn *t)
{
        switch (session_clock_check(t->prep->clock, t->request->session, t->request->from_sid)) {
        case SESSION_EXPIRED:
                return ZK_SESSION_EXPIRED;
        case SESSION_MOVED:
                return PLANTED(MOVED_CALLED_EXPIRED) ? ZK_SESSION_EXPIRED : ZK_SESSION_MOVED;
        default:
                return ZK_OK;
        }
}

static int check_allowed(struct prep_txn *t, const struct pending *n, int32_t needed)
{
        if (t->request->ids.count < 0 || prep__acl(n).count < 0)
                return ZK_MARSHALLING_ERROR;
        return acl_allows(&t->prep->acl, prep__acl(n), needed, t->request->ids) ? ZK_OK : ZK_NO_AUTH;
}

static int check_version(int32_t wanted, int32_t present)
{
        return wanted == -1 || wanted == present ? ZK_OK : ZK_BAD_VERSION;
}

/* The loose rule of client-protocol.md 5.2: contains a '/', and no NUL. A null path is one of ZooKeeper's
 * unexpected exceptions here (observed on 3.8.0), while the strict rule calls it BadArguments. */
static int check_loose_path(struct jute_str path)
{
        if (path.len < 0)
                return ZK_MARSHALLING_ERROR;
        bool ok = path.len > 0 && memchr(path.data, '/', (size_t)path.len) && !memchr(path.data, 0, (size_t)path.len);
        return ok ? ZK_OK : ZK_BAD_ARGUMENTS;
}

/* Counters wrap as Java's do. */
static int32_t next_counter(int32_t v)
{
        return (int32_t)((uint32_t)v + 1);
}

/* ---- create ---- */

static int check_flags(const struct prep_txn *t, const struct prep_op *op)
{
        if (!prep__flags_ok(op->flags))
                return ZK_BAD_ARGUMENTS;
        bool ttl = op->opcode == OP_CREATE_TTL;
        if (!prep__flags_are_ttl(op->flags))
                return ttl ? ZK_BAD_ARGUMENTS : ZK_OK;
        if (!t->prep->ttl_allowed)
                return ZK_UNIMPLEMENTED;
        return ttl && op->ttl > 0 && op->ttl <= ZNODE_TTL_MAX ? ZK_OK : ZK_BAD_ARGUMENTS;
}

static void write_create(const struct prep_op *op, struct jute_str path, struct jute_vec acl, bool ephemeral,
                         int32_t parent_cversion, struct jute_writer *w)
{
        if (op->opcode == OP_CREATE_CONTAINER) {
                struct jute_create_container_txn txn = {
                        .path = path, .data = op->data, .acl = acl, .parent_cversion = parent_cversion};
                jute_put_create_container_txn(w, &txn);
                return;
        }
        if (op->opcode == OP_CREATE_TTL) {
                struct jute_create_ttl_txn txn = {
                        .path = path, .data = op->data, .acl = acl, .parent_cversion = parent_cversion, .ttl = op->ttl};
                jute_put_create_ttl_txn(w, &txn);
                return;
        }
        struct jute_create_txn txn = {
                .path = path, .data = op->data, .acl = acl, .ephemeral = ephemeral, .parent_cversion = parent_cversion};
        jute_put_create_txn(w, &txn);
}

static void forecast_create(struct prep_txn *t, struct pending *parent, struct pending *n, const struct prep_op *op,
                            struct jute_vec acl, int64_t owner)
{
        int32_t cversion = next_counter(parent->now.stat.cversion);
        prep__change_begin(t, parent);
        /* Applying only ever raises the counter: at its end it stands still, and pzxid with it
         * (storage-format.md 3). */
        if (cversion > parent->now.stat.cversion) {
                parent->now.stat.cversion = cversion;
                parent->now.stat.pzxid = t->zxid;
        }
        parent->now.children++;
        prep__change_end(t, parent);

        prep__change_begin(t, n);
        n->now.exists = true;
        n->now.children = 0;
        n->now.stat = (struct jute_stat_persisted){.czxid = t->zxid,
                                                   .mzxid = t->zxid,
                                                   .ctime = t->wall_ms,
                                                   .mtime = t->wall_ms,
                                                   .ephemeral_owner = owner,
                                                   .pzxid = t->zxid};
        n->now.content_crc = tree_content_crc(jute_str_of(n->path, n->path_len), op->data);
        n->now.data_len = op->data.len;
        prep__set_acl(n, acl.data, acl.size, acl.count);
        prep__change_end(t, n);
}

static int64_t create_owner(const struct prep_txn *t, const struct prep_op *op)
{
        if (op->opcode == OP_CREATE_CONTAINER)
                return ZNODE_OWNER_CONTAINER;
        if (op->opcode == OP_CREATE_TTL)
                return znode_owner_of_ttl(op->ttl);
        bool ephemeral = op->flags == CREATE_EPHEMERAL || op->flags == CREATE_EPHEMERAL_SEQUENTIAL;
        return ephemeral ? t->request->session : 0;
}

/* The last checks, on the final path; then the body and the forecast. */
static int create_at(struct prep_txn *t, const struct prep_op *op, struct pending *parent, struct jute_str path,
                     struct jute_vec acl, struct jute_writer *w)
{
        int64_t owner = create_owner(t, op);
        if (!path_is_valid(path))
                return ZK_BAD_ARGUMENTS;
        struct pending *n = prep__look(t, path);
        if (n->now.exists)
                return ZK_NODE_EXISTS;
        if (prep__owner_is_session(parent->now.stat.ephemeral_owner))
                return ZK_NO_CHILDREN_FOR_EPHEMERALS;
        int err = prep__quota_create(t, path, op->data);
        if (err)
                return err;
        if (quota_path_is_deadly(path))
                return ZK_BAD_ARGUMENTS;
        write_create(op, path, acl, owner != 0, next_counter(parent->now.stat.cversion), w);
        if (w->error)
                return ZK_MARSHALLING_ERROR;
        forecast_create(t, parent, n, op, acl, owner);
        return ZK_OK;
}

static int create_named(struct prep_txn *t, const struct prep_op *op, struct jute_vec acl, struct jute_writer *w)
{
        struct pending *parent = prep__look(t, path_parent(op->path));
        if (!parent->now.exists)
                return ZK_NO_NODE;
        int err = check_allowed(t, parent, ACL_CREATE);
        if (err)
                return err;
        bool sequential = op->flags == CREATE_SEQUENTIAL || op->flags == CREATE_EPHEMERAL_SEQUENTIAL ||
                          op->flags == CREATE_FLAG_TTL_SEQUENTIAL;
        if (!sequential)
                return create_at(t, op, parent, op->path, acl, w);
        char suffix[SEQUENCE_SIZE];
        struct jute_writer path;
        (void)snprintf(suffix, sizeof suffix, "%010d", parent->now.stat.cversion);
        jute_writer_init(&path, (size_t)op->path.len + sizeof suffix);
        jute_put_raw(&path, op->path.data, (size_t)op->path.len);
        jute_put_raw(&path, suffix, strlen(suffix));
        err = create_at(t, op, parent, jute_str_of(path.data, path.len), acl, w);
        jute_writer_done(&path);
        return err;
}

static int op_create(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int err = check_flags(t, op);
        if (!err)
                err = check_session(t);
        if (!err)
                err = check_loose_path(op->path);
        if (err)
                return err;
        struct jute_writer fixed;
        jute_writer_init(&fixed, t->prep->payload_max);
        err = acl_fixup(&t->prep->acl, op->acl, t->request->ids, &fixed);
        if (!err && fixed.error)
                err = ZK_INVALID_ACL;
        if (!err) {
                struct jute_reader r;
                jute_reader_init(&r, fixed.data, fixed.len, t->prep->item_max);
                struct jute_vec acl = jute_get_acl_vec(&r);
                err = create_named(t, op, acl, w);
        }
        jute_writer_done(&fixed);
        return err;
}

/* ---- delete ---- */

static bool is_reserved(struct jute_str path)
{
        return jute_str_is(path, "/") || jute_str_is(path, "/zookeeper") || jute_str_is(path, "/zookeeper/quota") ||
               jute_str_is(path, "/zookeeper/config");
}

void prep__remove(struct prep_txn *t, struct pending *n)
{
        struct pending *parent = prep__look(t, path_parent(jute_str_of(n->path, n->path_len)));
        prep__change_begin(t, parent);
        parent->now.children--;
        if (t->zxid > parent->now.stat.pzxid)
                parent->now.stat.pzxid = t->zxid;
        prep__change_end(t, parent);
        prep__change_begin(t, n);
        n->now.exists = false;
        prep__change_end(t, n);
}

static int op_delete(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int err = check_session(t);
        if (!err)
                err = check_loose_path(op->path);
        if (err)
                return err;
        if (is_reserved(op->path))
                return ZK_BAD_ARGUMENTS;
        struct pending *parent = prep__look(t, path_parent(op->path));
        if (!parent->now.exists)
                return ZK_NO_NODE;
        err = check_allowed(t, PLANTED(NODE_ASKED_FOR_PARENT) ? prep__look(t, op->path) : parent, ACL_DELETE);
        if (err)
                return err;
        struct pending *n = prep__look(t, op->path);
        if (!n->now.exists)
                return ZK_NO_NODE;
        err = check_version(op->version, n->now.stat.version);
        if (err)
                return err;
        if (n->now.children > 0)
                return ZK_NOT_EMPTY;
        if (quota_path_is_deadly(op->path))
                return ZK_BAD_ARGUMENTS;
        jute_put_str(w, op->path);
        if (w->error)
                return ZK_MARSHALLING_ERROR;
        prep__remove(t, n);
        return ZK_OK;
}

/* The leader's own: no session, no ACL. Nothing but what may be swept is deleted so, and nothing with a child, be it
 * one that is not applied yet. A ZooKeeper takes this request from any client, and deletes any node for it. */
int prep__sweep(struct prep_txn *t, struct jute_writer *w)
{
        struct jute_reader r = prep__reader(t->request->body, t->prep->item_max);
        struct jute_str path = jute_get_str(&r);
        int err = r.error ? ZK_MARSHALLING_ERROR : check_loose_path(path);
        if (err)
                return err;
        struct pending *n = prep__look(t, path);
        if (!n->now.exists)
                return ZK_NO_NODE;
        if (n->now.children > 0 && !PLANTED(SWEPT_WITH_CHILD))
                return ZK_NOT_EMPTY;
        int64_t owner = n->now.stat.ephemeral_owner;
        if (!owner || prep__owner_is_session(owner))
                return ZK_BAD_VERSION;
        if (quota_path_is_deadly(path))
                return ZK_BAD_ARGUMENTS;
        jute_put_str(w, path);
        if (w->error)
                return ZK_MARSHALLING_ERROR;
        prep__remove(t, n);
        return ZK_OK;
}

/* ---- setData, setACL, check ---- */

static int op_set_data(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int err = check_session(t);
        if (err)
                return err;
        if (!path_is_valid(op->path))
                return ZK_BAD_ARGUMENTS;
        struct pending *n = prep__look(t, op->path);
        if (!n->now.exists)
                return ZK_NO_NODE;
        err = check_allowed(t, n, ACL_WRITE);
        if (!err)
                err = prep__quota_set_data(t, op->path, op->data, n->now.data_len);
        if (!err)
                err = check_version(op->version, n->now.stat.version);
        if (!err && quota_text_is_deadly(op->path, op->data))
                err = ZK_BAD_ARGUMENTS;
        if (err)
                return err;
        struct jute_set_data_txn txn = {
                .path = op->path, .data = op->data, .version = next_counter(n->now.stat.version)};
        jute_put_set_data_txn(w, &txn);
        if (w->error)
                return ZK_MARSHALLING_ERROR;
        prep__change_begin(t, n);
        n->now.stat.version = txn.version;
        n->now.stat.mzxid = t->zxid;
        n->now.stat.mtime = t->wall_ms;
        n->now.content_crc = tree_content_crc(jute_str_of(n->path, n->path_len), op->data);
        n->now.data_len = op->data.len;
        prep__change_end(t, n);
        return ZK_OK;
}

static int set_acl_fixed(struct prep_txn *t, const struct prep_op *op, struct jute_vec acl, struct jute_writer *w)
{
        struct pending *n = prep__look(t, op->path);
        if (!n->now.exists)
                return ZK_NO_NODE;
        int err = check_allowed(t, n, ACL_ADMIN);
        if (!err)
                err = check_version(op->version, n->now.stat.aversion);
        if (err)
                return err;
        struct jute_set_acl_txn txn = {.path = op->path, .acl = acl, .version = next_counter(n->now.stat.aversion)};
        jute_put_set_acl_txn(w, &txn);
        if (w->error)
                return ZK_MARSHALLING_ERROR;
        prep__change_begin(t, n);
        n->now.stat.aversion = txn.version;
        prep__set_acl(n, acl.data, acl.size, acl.count);
        prep__change_end(t, n);
        return ZK_OK;
}

static int op_set_acl(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int err = check_session(t);
        if (err)
                return err;
        if (!path_is_valid(op->path))
                return ZK_BAD_ARGUMENTS;
        struct jute_writer fixed;
        jute_writer_init(&fixed, t->prep->payload_max);
        err = acl_fixup(&t->prep->acl, op->acl, t->request->ids, &fixed);
        if (!err && fixed.error)
                err = ZK_INVALID_ACL;
        if (!err) {
                struct jute_reader r;
                jute_reader_init(&r, fixed.data, fixed.len, t->prep->item_max);
                err = set_acl_fixed(t, op, jute_get_acl_vec(&r), w);
        }
        jute_writer_done(&fixed);
        return err;
}

static int op_check(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int err = check_session(t);
        if (err)
                return err;
        if (!path_is_valid(op->path))
                return ZK_BAD_ARGUMENTS;
        struct pending *n = prep__look(t, op->path);
        if (!n->now.exists)
                return ZK_NO_NODE;
        err = check_allowed(t, n, ACL_READ);
        if (!err)
                err = check_version(op->version, n->now.stat.version);
        if (err)
                return err;
        struct jute_path_version txn = {.path = op->path, .version = next_counter(n->now.stat.version)};
        jute_put_path_version(w, &txn);
        return w->error ? ZK_MARSHALLING_ERROR : ZK_OK;
}

int prep__op(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        switch (op->opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                return op_create(t, op, w);
        case OP_DELETE:
                return op_delete(t, op, w);
        case OP_SET_DATA:
                return op_set_data(t, op, w);
        case OP_SET_ACL:
                return op_set_acl(t, op, w);
        default:
                return op_check(t, op, w);
        }
}
