/* Transactions and trees as entries of a history. */
#include "tests/sim/load/load_internal.h"

#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

text_id load__text(struct history *h, struct jute_str s)
{
        return s.len < 0 ? TEXT_ABSENT : history_data(h, s.data, (size_t)s.len);
}

struct history_stat load__stat(const struct jute_stat *s)
{
        return (struct history_stat){.czxid = s->czxid,
                                     .mzxid = s->mzxid,
                                     .pzxid = s->pzxid,
                                     .owner = s->ephemeral_owner,
                                     .version = s->version,
                                     .cversion = s->cversion,
                                     .aversion = s->aversion,
                                     .data_length = s->data_length,
                                     .children = s->num_children};
}

text_id load__acl_text(struct history *h, const struct jute_vec *acl)
{
        char text[512];
        size_t len = 0;
        struct jute_reader r = jute_vec_reader(acl);
        for (int32_t i = 0; i < acl->count && len < sizeof text - 1; i++) {
                struct jute_acl a;
                jute_get_acl(&r, &a);
                int n = snprintf(text + len, sizeof text - len, "%s%.*s:%.*s:%d", i ? "|" : "", a.id.scheme.len,
                                 (const char *)a.id.scheme.data, a.id.id.len, (const char *)a.id.id.data, a.perms);
                len += (size_t)n;
        }
        return history_text(h, text, len < sizeof text ? len : sizeof text - 1);
}

/* ---- transactions ---- */

static void take_create(struct history *h, struct jute_reader *r, int32_t type, struct history_entry *e)
{
        e->verb = VERB_CREATE;
        e->path = load__text(h, jute_get_str(r));
        e->data = load__text(h, jute_get_str(r));
        struct jute_vec acl = jute_get_acl_vec(r);
        if (!r->error)
                e->acl = load__acl_text(h, &acl);
        if (type == OP_CREATE || type == OP_CREATE2)
                e->flags = jute_get_bool(r) ? CREATE_EPHEMERAL : 0;
        else
                e->flags = type == OP_CREATE_CONTAINER ? CREATE_CONTAINER : CREATE_TTL;
        e->parent_cversion = jute_get_int(r);
        if (type == OP_CREATE_TTL)
                (void)jute_get_long(r);
}

static void take_op(struct history *h, struct jute_reader *r, int32_t type, struct history_entry *e)
{
        switch (type) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                take_create(h, r, type, e);
                break;
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                e->verb = VERB_DELETE;
                e->path = load__text(h, jute_get_str(r));
                break;
        case OP_SET_DATA:
        case OP_RECONFIG:
                e->verb = VERB_SET;
                e->path = load__text(h, jute_get_str(r));
                e->data = load__text(h, jute_get_str(r));
                e->version = jute_get_int(r);
                break;
        case OP_SET_ACL: {
                e->verb = VERB_SET_ACL;
                e->path = load__text(h, jute_get_str(r));
                struct jute_vec acl = jute_get_acl_vec(r);
                if (!r->error)
                        e->acl = load__acl_text(h, &acl);
                e->version = jute_get_int(r);
                break;
        }
        case OP_CHECK:
                e->verb = VERB_CHECK;
                e->path = load__text(h, jute_get_str(r));
                e->version = jute_get_int(r);
                break;
        case OP_CREATE_SESSION:
                e->verb = VERB_OPEN;
                e->timeout_ms = jute_get_int(r);
                break;
        case OP_CLOSE_SESSION:
                e->verb = VERB_CLOSE;
                break;
        case OP_ERROR:
                e->verb = VERB_ERROR;
                e->err = jute_get_int(r);
                break;
        default:
                jute_fail(r);
                break;
        }
}

static int take_multi(struct history *h, struct jute_reader *r, struct history_entry *e)
{
        struct jute_multi_txn multi;
        jute_get_multi_txn(r, &multi);
        if (r->error || multi.ops.count < 0)
                return -EPROTO;
        e->verb = VERB_MULTI;
        e->subs = (uint32_t)multi.ops.count;
        history_add(h, e);
        struct jute_reader ops = jute_vec_reader(&multi.ops);
        for (int32_t i = 0; i < multi.ops.count; i++) {
                struct history_entry sub = history_blank(HISTORY_SUB);
                struct jute_txn_op op;
                struct jute_reader body;
                jute_get_txn_op(&ops, &op);
                jute_reader_init(&body, op.body.data, op.body.len < 0 ? 0 : (size_t)op.body.len, INT32_MAX);
                take_op(h, &body, op.type, &sub);
                if (body.error)
                        sub.verb = VERB_ERROR; /* seen by whoever compares it with what was asked */
                history_add(h, &sub);
        }
        return 0;
}

int load_record_txn(struct history *h, int64_t zxid, const uint8_t *txn, size_t len)
{
        struct history_entry e = history_blank(HISTORY_TXN);
        struct jute_txn_header header;
        struct jute_reader r;
        jute_reader_init(&r, txn, len, INT32_MAX);
        jute_get_txn_header(&r, &header);
        e.zxid = zxid;
        e.session = header.session_id;
        e.cxid = header.cxid;
        if (header.type == OP_MULTI)
                return take_multi(h, &r, &e);
        take_op(h, &r, header.type, &e);
        if (r.error || header.zxid != zxid)
                return -EPROTO;
        history_add(h, &e);
        return 0;
}

/* ---- trees ---- */

static void add_node(struct history *h, const struct tree *t, const struct znode *n)
{
        struct history_entry e = history_blank(HISTORY_NODE);
        struct jute_str path = znode_path(n);
        struct jute_stat stat;
        struct jute_vec acl = tree_acl(t, n);
        znode_stat(n, &stat);
        e.path = path.len > 0 ? load__text(h, path) : history_cstr(h, "/");
        e.data = load__text(h, znode_data(n));
        if (acl.count >= 0)
                e.acl = load__acl_text(h, &acl);
        e.has_stat = true;
        e.stat = load__stat(&stat);
        history_add(h, &e);
}

/* Paths are short here: how deep it goes is bounded by them. */
static void add_below(struct history *h, const struct tree *t, const struct znode *n)
{
        struct jute_writer names;
        struct jute_reader r;
        jute_writer_init(&names, SIZE_MAX);
        add_node(h, t, n);
        tree_put_children(t, n, &names);
        jute_reader_init(&r, names.data, names.len, INT32_MAX);
        int32_t count = jute_get_int(&r);
        for (int32_t i = 0; i < count; i++) {
                char path[512];
                struct jute_str parent = znode_path(n), name = jute_get_str(&r);
                (void)snprintf(path, sizeof path, "%.*s/%.*s", parent.len, (const char *)parent.data, name.len,
                               (const char *)name.data);
                const struct znode *child = tree_find(t, jute_cstr(path));
                if (child)
                        add_below(h, t, child);
        }
        jute_writer_done(&names);
}

static void add_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct history_entry e = history_blank(HISTORY_SESSION);
        e.session = id;
        e.timeout_ms = timeout_ms;
        history_add(ctx, &e);
}

void load_record_tree(struct history *h, struct world *w, int sid)
{
        const struct database *db = w->nodes[sid].server->db;
        const struct tree *t = database_tree(db);
        struct history_entry e = history_blank(HISTORY_FINAL);
        e.server = sid;
        e.zxid = database_zxid(db);
        e.return_us = world_now(w) * 1000;
        history_add(h, &e);
        add_below(h, t, tree_find(t, jute_cstr("/")));
        session_table_each(database_sessions(db), add_session, h);
}
