/* Reads, watches and pings: answered from memory, one at a time with the transactions, so that what a
 * read returns and the watch it sets belong together (zookeeper/client-protocol.md 5.4, 7, safety W2). */
#include "election/server/clients_internal.h"

#include "election/base/plant.h"
#include "election/server/acl.h"

#include <string.h>

struct read {
        struct client *k;
        const struct event *e;
        int32_t xid;
        uint64_t received_ns;
        const struct tree *tree;
        int64_t zxid;           /* of the state read */
        const struct blob *ids; /* who asks */
        struct jute_reader body;
        struct effects *fx;
};

bool client__is_read(int32_t opcode)
{
        switch (opcode) {
        case OP_PING:
        case OP_EXISTS:
        case OP_GET_DATA:
        case OP_GET_ACL:
        case OP_GET_CHILDREN:
        case OP_GET_CHILDREN2:
        case OP_CHECK_WATCHES:
        case OP_REMOVE_WATCHES:
        case OP_SET_WATCHES:
        case OP_SET_WATCHES2:
        case OP_ADD_WATCH:
        case OP_WHO_AM_I:
        case OP_MULTI_READ:
        case OP_GET_EPHEMERALS:
        case OP_GET_ALL_CHILDREN_NUMBER:
                return true;
        default:
                return false;
        }
}

/* A reply of the header alone. */
static void read_status(struct read *q, int32_t err)
{
        client__reply_error(q->k, q->e, q->xid, q->zxid, err, q->received_ns, q->fx);
}

static struct jute_writer *read_begin(struct read *q)
{
        return client__reply_begin(q->k, q->xid, q->zxid, ZK_OK);
}

static void read_end(struct read *q)
{
        client__reply_end(q->k, q->e, q->received_ns, q->fx);
}

/* A node whose list is missing (a snapshot that lacks it) may be read by nobody; a Java server fails on it
 * likewise. */
int32_t client__read_check(struct client *k, const struct blob *ids, const struct tree *tree, const struct znode *n,
                           int32_t perms)
{
        struct jute_vec acl = tree_acl(tree, n);
        if (acl.count < 0)
                return ZK_MARSHALLING_ERROR;
        client__weigh(k, acl.size);
        return acl_allows(&k->all->config->acl, acl, perms, client__ids(ids)) ? ZK_OK : ZK_NO_AUTH;
}

static int32_t read_check(const struct read *q, const struct znode *n, int32_t perms)
{
        return client__read_check(q->k, q->ids, q->tree, n, perms);
}

static void watch(struct read *q, enum watch_table table, struct jute_str path)
{
        client__watch(q->k, table, WATCH_ONE_SHOT, path);
}

/* The common beginning of getData and getChildren: NULL when the reply has been sent. */
static const struct znode *read_node(struct read *q, struct jute_path_watch *ret)
{
        jute_get_path_watch(&q->body, ret);
        if (q->body.error || ret->path.len < 0) {
                read_status(q, ZK_MARSHALLING_ERROR);
                return NULL;
        }
        const struct znode *n = tree_find(q->tree, ret->path);
        int32_t err = n ? read_check(q, n, ACL_READ) : ZK_NO_NODE;
        if (!err)
                return n;
        read_status(q, err);
        return NULL;
}

static void read_data(struct read *q)
{
        struct jute_path_watch request;
        const struct znode *n = read_node(q, &request);
        if (!n)
                return;
        if (request.watch)
                watch(q, WATCH_DATA, request.path);
        struct jute_get_data_response reply = {.data = znode_data(n)};
        znode_stat(n, &reply.stat);
        jute_put_get_data_response(read_begin(q), &reply);
        read_end(q);
}

static void read_children(struct read *q, bool with_stat)
{
        struct jute_path_watch request;
        const struct znode *n = read_node(q, &request);
        if (!n)
                return;
        if (request.watch)
                watch(q, WATCH_CHILD, request.path);
        struct jute_writer *w = read_begin(q);
        tree_put_children(q->tree, n, w);
        if (with_stat) {
                struct jute_stat stat;
                znode_stat(n, &stat);
                jute_put_stat(w, &stat);
        }
        read_end(q);
}

/* The watch is set when the node is missing too, but not when reading it is refused. */
static void read_exists(struct read *q)
{
        struct jute_path_watch request;
        jute_get_path_watch(&q->body, &request);
        if (q->body.error || request.path.len < 0) {
                read_status(q, ZK_MARSHALLING_ERROR);
                return;
        }
        if (memchr(request.path.data, 0, (size_t)request.path.len)) {
                read_status(q, ZK_BAD_ARGUMENTS);
                return;
        }
        const struct znode *n = tree_find(q->tree, request.path);
        int32_t err = n ? read_check(q, n, ACL_READ) : ZK_OK;
        if (err) {
                read_status(q, err);
                return;
        }
        if (request.watch && !(PLANTED(M19_ABSENT_NOT_WATCHED) && !n))
                watch(q, WATCH_DATA, request.path);
        if (!n) {
                read_status(q, ZK_NO_NODE);
                return;
        }
        struct jute_stat stat;
        znode_stat(n, &stat);
        jute_put_stat(read_begin(q), &stat);
        read_end(q);
}

/* Whoever may not administer the node sees no digests: what follows the user's name becomes "x". */
static void put_acl_masked(struct jute_writer *w, struct jute_vec acl)
{
        struct jute_reader r = jute_vec_reader(&acl);
        jute_put_int(w, acl.count);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                const uint8_t *colon =
                        entry.id.id.len > 0 ? memchr(entry.id.id.data, ':', (size_t)entry.id.id.len) : NULL;
                if (!colon || !jute_str_is(entry.id.scheme, "digest")) {
                        jute_put_acl(w, &entry);
                        continue;
                }
                size_t user = (size_t)(colon - entry.id.id.data) + 1;
                jute_put_int(w, entry.perms);
                jute_put_str(w, entry.id.scheme);
                jute_put_int(w, (int32_t)user + 1);
                jute_put_raw(w, entry.id.id.data, user);
                jute_put_raw(w, "x", 1);
        }
}

static void read_acl(struct read *q)
{
        struct jute_path request;
        jute_get_path(&q->body, &request);
        if (q->body.error || request.path.len < 0) {
                read_status(q, ZK_MARSHALLING_ERROR);
                return;
        }
        const struct znode *n = tree_find(q->tree, request.path);
        int32_t err = n ? read_check(q, n, ACL_READ | ACL_ADMIN) : ZK_NO_NODE;
        if (err) {
                read_status(q, err);
                return;
        }
        struct jute_stat stat;
        struct jute_writer *w = read_begin(q);
        znode_stat(n, &stat);
        if (!read_check(q, n, ACL_ADMIN))
                jute_put_vec(w, tree_acl(q->tree, n));
        else
                put_acl_masked(w, tree_acl(q->tree, n));
        jute_put_stat(w, &stat);
        read_end(q);
}

/* ---- watches ---- */

static void read_set_watches(struct read *q, int32_t opcode)
{
        read_status(q, client__set_watches(q->k, q->tree, opcode, &q->body, q->fx));
}

/* Unlike the other requests of its kind it is answered with a code within the body too: clients that find none
 * there give the connection up (13.1). */
static void read_add_watch(struct read *q)
{
        int32_t err = client__add_watch(q->k, &q->body);
        if (err) {
                read_status(q, err);
                return;
        }
        jute_put_int(read_begin(q), ZK_OK);
        read_end(q);
}

/* A name in a list of children, as a guess. */
#define CHILD_NAME_BYTES 32

size_t client__node_weight(int32_t opcode, const struct znode *n)
{
        struct jute_str data = znode_data(n);
        if (opcode == OP_GET_DATA)
                return data.len > 0 ? (size_t)data.len : 0;
        return (size_t)znode_children(n) * CHILD_NAME_BYTES;
}

size_t client__read_weight(const struct client *k, int32_t opcode, struct jute_str body)
{
        const struct clients *c = k->all;
        struct jute_reader r;
        struct jute_path request;
        if (opcode == OP_MULTI_READ || opcode == OP_GET_EPHEMERALS)
                return client__read_many_weight(k, opcode, body);
        if (opcode != OP_GET_DATA && opcode != OP_GET_CHILDREN && opcode != OP_GET_CHILDREN2)
                return 0;
        jute_reader_init(&r, body.data, (size_t)body.len, c->item_max);
        jute_get_path(&r, &request);
        const struct znode *n = NULL;
        if (!r.error && request.path.len >= 0)
                n = tree_find(database_tree(c->host.database(c->host.ctx)), request.path);
        if (!n)
                return 0;
        return client__node_weight(opcode, n);
}

void client__read(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                  const struct blob *ids, uint64_t received_ns, struct effects *fx)
{
        struct clients *c = k->all;
        const struct database *db = c->host.database(c->host.ctx);
        struct read q = {.k = k,
                         .e = e,
                         .xid = xid,
                         .received_ns = received_ns,
                         .tree = database_tree(db),
                         .zxid = clients__zxid(c),
                         .ids = ids,
                         .fx = fx};
        jute_reader_init(&q.body, body.data, (size_t)body.len, c->item_max);
        switch (opcode) {
        case OP_PING:
                q.xid = -2; /* whatever it came with (observed on 3.9.5) */
                read_status(&q, ZK_OK);
                break;
        case OP_EXISTS:
                read_exists(&q);
                break;
        case OP_GET_DATA:
                read_data(&q);
                break;
        case OP_GET_ACL:
                read_acl(&q);
                break;
        case OP_GET_CHILDREN:
                read_children(&q, false);
                break;
        case OP_GET_CHILDREN2:
                read_children(&q, true);
                break;
        case OP_SET_WATCHES:
        case OP_SET_WATCHES2:
                read_set_watches(&q, opcode);
                break;
        case OP_ADD_WATCH:
                read_add_watch(&q);
                break;
        case OP_CHECK_WATCHES:
                read_status(&q, client__check_watches(k, &q.body));
                break;
        case OP_REMOVE_WATCHES:
                read_status(&q, client__remove_watches(k, &q.body));
                break;
        case OP_WHO_AM_I:
                client__put_who(ids, read_begin(&q));
                read_end(&q);
                break;
        default:
                client__read_many(k, e, xid, opcode, body, ids, received_ns, fx);
                break;
        }
}
