/* Transactions applied. Effects: storage-format.md 3; what is met in a fuzzy snapshot: 5.3. */
#include "election/tree/database_internal.h"

#include "election/base/plant.h"

#include <errno.h>

/* One transaction being applied. */
struct apply {
        struct database *db;
        struct tree *tree;
        int64_t session, zxid, time;
        struct outcome *out;
};

/* ---- create ---- */

static int32_t wrapping_add(int32_t v, uint32_t by)
{
        return (int32_t)((uint32_t)v + by);
}

/* The parent's count of creations is only ever raised, by every type of create: ZooKeeper raises it for
 * type 1 only where the node exists, which can leave it low (5.3, last paragraph). */
static void raise_creations(const struct apply *a, struct znode *parent, int32_t cversion)
{
        if (cversion == -1)
                cversion = wrapping_add(parent->cversion, 1);
        if (cversion <= parent->cversion)
                return;
        tree__change_begin(a->tree, parent);
        parent->cversion = cversion;
        parent->pzxid = a->zxid;
        tree__change_end(a->tree, parent);
}

static struct znode *create_node(const struct apply *a, const struct txn_body *b, struct znode *parent)
{
        const struct jute_stat_persisted stat = {
                .czxid = a->zxid,
                .mzxid = a->zxid,
                .pzxid = a->zxid,
                .ctime = a->time,
                .mtime = a->time,
                .ephemeral_owner = b->owner,
        };
        return tree__insert(a->tree, parent, b->path, b->data, acl_table_intern(&a->tree->acls, b->vec), &stat);
}

/* A fuzzy snapshot has the node already. It takes the transaction's ACL, as from ZooKeeper 3.9.4 on: the
 * snapshot's ACL map may lack the node's own key (ZOOKEEPER-4846). A later setACL follows in the log. */
static void adopt_acl(const struct apply *a, const struct txn_body *b, struct znode *n)
{
        tree__change_begin(a->tree, n);
        tree__set_acl(a->tree, n, acl_table_intern(&a->tree->acls, b->vec));
        tree__change_end(a->tree, n);
}

static int32_t apply_create(const struct apply *a, const struct txn_body *b)
{
        struct znode *n = NULL, *parent = NULL;
        int32_t err = 0;
        if (!path__is_sound(b->path))
                err = tree__find(a->tree, b->path) ? ZK_NODE_EXISTS : ZK_BAD_ARGUMENTS;
        else if (!(parent = tree__find(a->tree, path_parent(b->path))))
                err = ZK_NO_NODE;
        else if ((n = tree__find(a->tree, b->path)))
                err = ZK_NODE_EXISTS;
        if (err == 0)
                n = create_node(a, b, parent);
        else if (n)
                adopt_acl(a, b, n);
        if (n)
                raise_creations(a, parent, b->number);
        if (err == 0)
                outcome__event(a->out, EVENT_NODE_CREATED, b->path, a->tree, n);
        outcome__op(a->out, b->type, err, b->path, err ? NULL : n);
        if (err == 0)
                quota__created(a->tree, n, b->data.len); /* the Stat answered is the one before: so ZooKeeper's */
        return err;
}

/* ---- delete ---- */

static void raise_pzxid(struct tree *t, struct znode *n, int64_t zxid)
{
        if (zxid <= n->pzxid)
                return;
        tree__change_begin(t, n);
        n->pzxid = zxid;
        tree__change_end(t, n);
}

/* Deepest nodes first; no recursion, since depth is limited by the length of a path only. */
static void remove_below(struct tree *t, struct znode *top, struct outcome *out)
{
        for (struct znode *n = top; n->family || n != top;) {
                if (n->family) {
                        n = n->family->first_child;
                        continue;
                }
                struct znode *parent = n->parent;
                outcome__event_copy(out, EVENT_NODE_DELETED, znode_path(n), t, n);
                quota__removing(t, n);
                tree__remove(t, n);
                n = parent;
        }
}

void database__remove(struct database *db, struct znode *n, int64_t zxid, struct jute_str path, struct outcome *out)
{
        struct znode *parent = n->parent;
        remove_below(db->tree, n, out);
        if (path.data)
                outcome__event(out, EVENT_NODE_DELETED, path, db->tree, n);
        else
                outcome__event_copy(out, EVENT_NODE_DELETED, znode_path(n), db->tree, n);
        quota__removing(db->tree, n);
        tree__remove(db->tree, n);
        raise_pzxid(db->tree, parent, zxid);
}

static int32_t delete_path(const struct apply *a, struct jute_str path)
{
        if (!path__is_sound(path))
                return ZK_BAD_ARGUMENTS;
        struct znode *parent = tree__find(a->tree, path_parent(path));
        if (!parent)
                return ZK_NO_NODE;
        struct znode *n = tree__find(a->tree, path);
        if (n)
                database__remove(a->db, n, a->zxid, path, a->out);
        else
                raise_pzxid(a->tree, parent, a->zxid); /* the snapshot may have been ahead of the parent */
        return n ? 0 : ZK_NO_NODE;
}

static int32_t apply_delete(const struct apply *a, const struct txn_body *b)
{
        int32_t err = delete_path(a, b->path);
        outcome__op(a->out, b->type, err, b->path, NULL);
        return err;
}

/* ---- set ---- */

/* Also reconfig: its path is /zookeeper/config and its version -1. Values are absolute. */
static int32_t apply_set_data(const struct apply *a, const struct txn_body *b)
{
        struct znode *n = tree__find(a->tree, b->path);
        int32_t err = n ? 0 : ZK_NO_NODE;
        const int32_t old_len = n ? n->data_len : 0;
        if (n) {
                tree__change_begin(a->tree, n);
                tree__set_data(a->tree, n, b->data);
                n->version = b->number;
                n->mzxid = a->zxid;
                n->mtime = a->time;
                tree__change_end(a->tree, n);
                outcome__event(a->out, EVENT_NODE_DATA_CHANGED, b->path, a->tree, n);
        }
        outcome__op(a->out, b->type, err, b->path, n);
        if (n)
                quota__changed(a->tree, n, old_len);
        return err;
}

static int32_t apply_set_acl(const struct apply *a, const struct txn_body *b)
{
        struct znode *n = tree__find(a->tree, b->path);
        int32_t err = n ? 0 : ZK_NO_NODE;
        if (n) {
                tree__change_begin(a->tree, n);
                tree__set_acl(a->tree, n, acl_table_intern(&a->tree->acls, b->vec));
                n->aversion = b->number;
                tree__change_end(a->tree, n);
        }
        outcome__op(a->out, b->type, err, b->path, n);
        return err;
}

/* ---- sessions ---- */

/* The listed paths go whoever owns them: a later session may have made one anew within the range of a
 * fuzzy snapshot, and that creation follows in the log. Then whatever else the session still owns. */
static void apply_close_session(const struct apply *a, const struct txn_body *b)
{
        const struct jute_str null = {.data = NULL, .len = -1};
        struct jute_reader r = jute_vec_reader(&b->vec);
        for (int32_t i = 0; i < b->vec.count; i++)
                (void)delete_path(a, jute_get_str(&r)); /* one that is gone already is no error here */
        for (struct znode *n; !PLANTED(M20_EPHEMERAL_LEFT) && (n = tree__ephemeral(a->tree, a->session));)
                database__remove(a->db, n, a->zxid, null, a->out);
        (void)session_table_remove(a->db->sessions, a->session); /* it may be gone: replay */
}

/* ---- one operation, and many ---- */

static int32_t apply_error(const struct apply *a, int32_t err)
{
        const struct jute_str null = {.data = NULL, .len = -1};
        outcome__op(a->out, OP_ERROR, err, null, NULL);
        if (a->out)
                a->out->ops[a->out->op_count - 1].type = OP_ERROR; /* also with code 0: before a failed one */
        return err;
}

static int32_t apply_op(const struct apply *a, const struct txn_body *b)
{
        switch (b->type) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                return apply_create(a, b);
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                return apply_delete(a, b);
        case OP_SET_DATA:
        case OP_RECONFIG:
                return apply_set_data(a, b);
        case OP_SET_ACL:
                return apply_set_acl(a, b);
        case OP_CHECK: /* it was checked when the transaction was made */
                outcome__op(a->out, OP_CHECK, 0, b->path, NULL);
                return 0;
        default:
                return apply_error(a, b->number);
        }
}

static struct txn_body next_op(const struct apply *a, struct jute_reader *ops)
{
        struct jute_txn_op op;
        struct txn_body body;
        jute_get_txn_op(ops, &op);
        (void)txn__parse_op(&op, a->session, &body); /* txn__parse() has seen that it is well */
        return body;
}

static bool multi_failed(const struct txn_body *b)
{
        struct jute_reader ops = jute_vec_reader(&b->vec);
        for (int32_t i = 0; i < b->vec.count; i++) {
                struct jute_txn_op op;
                jute_get_txn_op(&ops, &op);
                if (op.type == OP_ERROR)
                        return true;
        }
        return false;
}

/* Nothing of a failed multi is applied: 0 for what came before the failure, -2 for what came after. */
static void report_failed_multi(const struct apply *a, const struct txn_body *b)
{
        struct jute_reader ops = jute_vec_reader(&b->vec);
        int32_t rest = 0;
        for (int32_t i = 0; i < b->vec.count; i++) {
                struct txn_body op = next_op(a, &ops);
                if (op.type == OP_ERROR)
                        rest = ZK_RUNTIME_INCONSISTENCY;
                (void)apply_error(a, op.type == OP_ERROR ? op.number : rest);
        }
}

static void apply_multi(const struct apply *a, const struct txn_body *b)
{
        if (multi_failed(b)) {
                report_failed_multi(a, b);
                return;
        }
        struct jute_reader ops = jute_vec_reader(&b->vec);
        for (int32_t i = 0; i < b->vec.count; i++) {
                struct txn_body op = next_op(a, &ops);
                (void)apply_op(a, &op); /* its error stands in the outcome */
        }
}

/* Returns the transaction's own error. */
static int32_t apply_body(const struct apply *a, const struct txn_body *b)
{
        switch (b->type) {
        case OP_CREATE_SESSION:
                session_table_add(a->db->sessions, a->session, b->number);
                return 0;
        case OP_CLOSE_SESSION:
                apply_close_session(a, b);
                return 0;
        case OP_MULTI:
                apply_multi(a, b);
                return 0;
        default:
                return apply_op(a, b);
        }
}

bool database_reads(const uint8_t *payload, size_t len)
{
        struct txn txn;
        return txn__parse(payload, len, &txn) == 0;
}

int database_apply(struct database *db, const uint8_t *payload, size_t len, struct outcome *out)
{
        struct txn txn;
        int r = txn__parse(payload, len, &txn);
        if (r < 0)
                return r;
        const struct apply a = {
                .db = db,
                .tree = db->tree,
                .session = txn.header.session_id,
                .zxid = txn.header.zxid,
                .time = txn.header.time,
                .out = out,
        };
        acl_table_bury(&db->tree->acls);
        outcome__begin(out, &txn.header);
        int32_t err = apply_body(&a, &txn.body);
        outcome__end(out);
        if (out) {
                out->err = err;
                /* The digest of a multi that failed of an exception nobody expected is that of what it would have made;
                 * an error changes nothing, so there is nothing to find in any (observed on 3.9.5). */
                bool comparable =
                        txn.has_digest && txn.digest.version == JUTE_DIGEST_VERSION && txn.header.type != OP_ERROR;
                out->digest_agrees = comparable && (uint64_t)txn.digest.tree_digest == tree_digest(db->tree);
                out->digest_mismatch = comparable && !out->digest_agrees;
        }
        digest_log_note(&db->digests, txn.header.zxid, tree_digest(db->tree));
        database_set_zxid(db, txn.header.zxid); /* after the whole of it (ZOOKEEPER-3127) */
        return 0;
}
