/* Reads about many nodes at a time: multiRead, getEphemerals, getAllChildrenNumber
 * (zookeeper/client-protocol.md 4.2, 4.3, 5.4). None of them sets a watch.
 *
 * What ZooKeeper calls a blank prefix, and what it does with paths that are null, was observed on 3.9.5. */
#include "election/server/clients_internal.h"

#include "election/base/plant.h"
#include "election/server/acl.h"
#include "election/server/prep.h"

#include <string.h>

struct read_many {
        struct client *k;
        const struct event *e;
        int32_t xid;
        uint64_t received_ns;
        const struct tree *tree;
        const struct blob *ids; /* who asks */
        struct jute_reader body;
        size_t judged; /* bytes of the access lists that were looked at */
        struct effects *fx;
};

static void many_status(struct read_many *q, int32_t err)
{
        client__reply_error(q->k, q->e, q->xid, clients__zxid(q->k->all), err, q->received_ns, q->fx);
}

static struct jute_writer *many_begin(struct read_many *q, int32_t err)
{
        return client__reply_begin(q->k, q->xid, clients__zxid(q->k->all), err);
}

static void many_end(struct read_many *q)
{
        client__reply_end(q->k, q->e, q->received_ns, q->fx);
}

/* ---- multiRead ---- */

static bool is_multi_read_op(int32_t type)
{
        return type == OP_GET_DATA || type == OP_GET_CHILDREN;
}

static void put_result_header(struct jute_writer *w, int32_t type, int32_t err)
{
        const struct jute_multi_header h = {.type = type, .done = false, .err = err};
        jute_put_multi_header(w, &h);
}

static void put_results_end(struct jute_writer *w)
{
        const struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        jute_put_multi_header(w, &end);
}

/* One operation's result. False: a null path or a node whose ACL is missing, which fails the whole. */
static bool put_result(struct read_many *q, int32_t type, struct jute_str path, struct jute_writer *w)
{
        if (path.len < 0)
                return false;
        const struct znode *n = tree_find(q->tree, path);
        int32_t err = n ? client__read_check(q->k, q->ids, q->tree, n, ACL_READ) : ZK_NO_NODE;
        q->judged += n ? tree_acl(q->tree, n).size : 0;
        if (err == ZK_MARSHALLING_ERROR)
                return false;
        if (err) {
                put_result_header(w, OP_ERROR, err);
                jute_put_int(w, err);
                return true;
        }
        put_result_header(w, type, ZK_OK);
        if (type == OP_GET_CHILDREN) {
                tree_put_children(q->tree, n, w);
                return true;
        }
        struct jute_get_data_response reply = {.data = znode_data(n)};
        znode_stat(n, &reply.stat);
        jute_put_get_data_response(w, &reply);
        return true;
}

/* What a multi may hold may stand in a multiRead's record too, and is refused only when it is run: until then
 * the record was well. */
enum multi_read_kind {
        MULTI_READ_BROKEN, /* can't be decoded, or mixes reads with writes */
        MULTI_READ_WRITES, /* a multi */
        MULTI_READ_READS,
};

static enum multi_read_kind multi_read_kind(struct jute_reader r)
{
        bool reads = false, writes = false;
        for (;;) {
                struct jute_multi_header h;
                struct jute_path_watch op;
                jute_get_multi_header(&r, &h);
                if (r.error)
                        return MULTI_READ_BROKEN;
                if (h.done)
                        break;
                if (is_multi_read_op(h.type)) {
                        jute_get_path_watch(&r, &op);
                        reads = true;
                } else {
                        if (!prep_multi_op_skip(&r, h.type))
                                return MULTI_READ_BROKEN;
                        writes = true;
                }
                if (r.error || (reads && writes))
                        return MULTI_READ_BROKEN;
        }
        return writes ? MULTI_READ_WRITES : MULTI_READ_READS;
}

/* The results that were there when it failed are sent with the error, as ZooKeeper does. */
static void multi_read_fail(struct read_many *q, struct jute_writer *w)
{
        jute_patch_int(w, CLIENT_REPLY_ERR_AT, ZK_MARSHALLING_ERROR);
        put_results_end(w);
        many_end(q);
}

static void read_multi(struct read_many *q)
{
        enum multi_read_kind kind = multi_read_kind(q->body);
        if (kind == MULTI_READ_BROKEN) {
                many_status(q, ZK_MARSHALLING_ERROR);
                return;
        }
        struct jute_writer *w = many_begin(q, ZK_OK);
        bool ok = kind == MULTI_READ_READS;
        for (struct jute_multi_header h; ok;) {
                struct jute_path_watch op;
                jute_get_multi_header(&q->body, &h);
                if (h.done)
                        break;
                jute_get_path_watch(&q->body, &op);
                ok = put_result(q, h.type, op.path, w);
                if (w->len + q->judged > CLIENT_MULTI_READ_BYTES_MAX) {
                        many_status(q, ZK_MARSHALLING_ERROR);
                        return;
                }
        }
        if (!ok) {
                multi_read_fail(q, w);
                return;
        }
        put_results_end(w);
        many_end(q);
}

/* ---- getEphemerals ---- */

/* What a node counts for that is looked at and perhaps not told of: about the memory that is read. */
#define EPHEMERAL_LOOK_BYTES 64

struct ephemerals {
        struct jute_str prefix;
        struct jute_writer *w;
        int32_t count;
};

/* As Java's String.trim() would have it. */
static bool is_blank_or_root(struct jute_str s)
{
        int32_t from = 0, to = s.len;
        while (from < to && s.data[from] <= ' ')
                from++;
        while (to > from && s.data[to - 1] <= ' ')
                to--;
        return from >= to || (to - from == 1 && s.data[from] == '/');
}

static void put_ephemeral(void *ctx, const struct znode *n)
{
        struct ephemerals *all = ctx;
        struct jute_str path = znode_path(n);
        if (path.len < all->prefix.len || memcmp(path.data, all->prefix.data, (size_t)all->prefix.len) != 0)
                return;
        jute_put_str(all->w, path);
        all->count++;
}

static void read_ephemerals(struct read_many *q)
{
        struct jute_path request;
        jute_get_path(&q->body, &request);
        if (q->body.error) {
                many_status(q, ZK_MARSHALLING_ERROR);
                return;
        }
        struct ephemerals all = {.prefix = request.path};
        if (is_blank_or_root(request.path) || PLANTED(PREFIX_IGNORED))
                all.prefix = jute_str_of("", 0);
        all.w = many_begin(q, ZK_OK);
        size_t count_at = all.w->len;
        jute_put_int(all.w, 0);
        /* All are looked at, whatever the prefix. */
        size_t looked = tree_ephemerals(q->tree, q->k->session, put_ephemeral, &all);
        client__weigh(q->k, looked * EPHEMERAL_LOOK_BYTES);
        jute_patch_int(all.w, count_at, all.count);
        many_end(q);
}

/* ---- getAllChildrenNumber ---- */

static void read_all_children_number(struct read_many *q)
{
        struct jute_path request;
        jute_get_path(&q->body, &request);
        if (q->body.error || request.path.len < 0) {
                many_status(q, ZK_MARSHALLING_ERROR);
                return;
        }
        const struct znode *n = tree_find(q->tree, request.path);
        int32_t err = n ? client__read_check(q->k, q->ids, q->tree, n, ACL_READ) : ZK_NO_NODE;
        if (err) {
                many_status(q, err);
                return;
        }
        /* Under its other name the root is one of those below it. */
        size_t count = tree_descendants(q->tree, n) + (request.path.len == 0);
        jute_put_int(many_begin(q, ZK_OK), (int32_t)count);
        many_end(q);
}

/* ---- what the answer would take ---- */

/* Past the limit it is an error's. */
static size_t multi_read_weight(const struct tree *tree, struct jute_reader r)
{
        size_t weight = 0;
        while (weight < CLIENT_MULTI_READ_BYTES_MAX) {
                struct jute_multi_header h;
                struct jute_path_watch op;
                jute_get_multi_header(&r, &h);
                if (r.error || h.done || !is_multi_read_op(h.type))
                        break;
                jute_get_path_watch(&r, &op);
                const struct znode *n = tree_find(tree, op.path);
                weight += n ? client__node_weight(h.type, n) : 0;
        }
        return weight < CLIENT_MULTI_READ_BYTES_MAX ? weight : CLIENT_MULTI_READ_BYTES_MAX;
}

static void add_path(void *ctx, const struct znode *n)
{
        size_t *weight = ctx;
        *weight += 4 + (size_t)znode_path(n).len;
}

size_t client__read_many_weight(const struct client *k, int32_t opcode, struct jute_str body)
{
        const struct clients *c = k->all;
        const struct tree *tree = database_tree(c->host.database(c->host.ctx));
        struct jute_reader r;
        size_t weight = 0;
        jute_reader_init(&r, body.data, (size_t)body.len, c->item_max);
        if (opcode == OP_MULTI_READ)
                return multi_read_weight(tree, r);
        (void)tree_ephemerals(tree, k->session, add_path, &weight);
        return weight;
}

void client__read_many(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                       const struct blob *ids, uint64_t received_ns, struct effects *fx)
{
        struct clients *c = k->all;
        struct read_many q = {.k = k,
                              .e = e,
                              .xid = xid,
                              .received_ns = received_ns,
                              .tree = database_tree(c->host.database(c->host.ctx)),
                              .ids = ids,
                              .fx = fx};
        jute_reader_init(&q.body, body.data, (size_t)body.len, c->item_max);
        if (opcode == OP_MULTI_READ)
                read_multi(&q);
        else if (opcode == OP_GET_EPHEMERALS)
                read_ephemerals(&q);
        else
                read_all_children_number(&q);
}
