/* Completions: a reply's body taken apart, or what is said of a request that got none.
 *
 * A reply is decoded in full before anything is told: one that is malformed ends the connection, and its
 * request counts as unanswered. Source: client-protocol.md 4.2 and 4.3. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

static void request_free(struct client_request *q)
{
        blob_unref(q->frame);
        mem_free(q->watch_path);
        mem_free(q->remove_path);
        mem_free(q->op_types);
        mem_free(q);
}

static void complete(struct client *c, struct client_request *q, const struct client_result *r)
{
        if (q->done) {
                c->calling++;
                q->done(q->ctx, r);
                c->calling--;
        }
        request_free(q);
}

static struct client_result result_of(const struct client_request *q)
{
        const struct jute_str no_str = {.data = NULL, .len = -1};
        const struct jute_vec no_vec = {.data = NULL, .size = 0, .count = -1};
        return (struct client_result){.path = no_str,
                                      .data = no_str,
                                      .children = no_vec,
                                      .acl = no_vec,
                                      .who = no_vec,
                                      .sent_ms = q->sent_ms,
                                      .size_bytes = q->size_bytes - CLIENT__LENGTH_SIZE,
                                      .conn = q->conn};
}

/* ---- bodies ---- */

static void get_stat(struct jute_reader *r, struct jute_stat *ret, bool *ret_has)
{
        jute_get_stat(r, ret);
        *ret_has = true;
}

static struct jute_str get_path(const struct client *c, struct jute_reader *r)
{
        struct jute_str path = jute_get_str(r);
        if (path.len < 0)
                jute_fail(r);
        return client__path_strip(c, path);
}

/* Whether a result of type `type` answers an operation of type `asked`. All creates but the plain one answer as
 * create2, and so does a container made by flags; ZooKeeper 3.8.0 answers a create2 as create, without a Stat. */
static bool op_answers(int32_t type, int32_t asked)
{
        if (client__op_creates(asked))
                return type == OP_CREATE || type == OP_CREATE2;
        return type == asked;
}

/* One operation of a multi or multiRead. `asked` is its type in the request. */
static void get_op(const struct client *c, struct jute_reader *r, int32_t asked, struct client_op_result *ret)
{
        struct jute_multi_header h;
        jute_get_multi_header(r, &h);
        *ret = (struct client_op_result){.error = h.err,
                                         .path = {.data = NULL, .len = -1},
                                         .data = {.data = NULL, .len = -1},
                                         .children = {.data = NULL, .count = -1}};
        if (h.done)
                jute_fail(r);
        if (h.type == OP_ERROR) {
                ret->error = jute_get_int(r);
                return;
        }
        if (!op_answers(h.type, asked))
                jute_fail(r);
        if (h.type == OP_CREATE || h.type == OP_CREATE2)
                ret->path = get_path(c, r);
        if (h.type == OP_GET_DATA)
                ret->data = jute_get_str(r);
        if (h.type == OP_GET_CHILDREN)
                ret->children = jute_get_str_vec(r);
        if (h.type == OP_CREATE2 || h.type == OP_SET_DATA || h.type == OP_GET_DATA)
                get_stat(r, &ret->stat, &ret->has_stat);
}

/* The first real error, as Java and C clients choose it: a failed multi has 0 in its header. */
static int32_t multi_error(const struct client_op_result *ops, size_t count)
{
        int32_t error = ZK_OK;
        for (size_t i = 0; i < count; i++) {
                if (ops[i].error != ZK_OK && ops[i].error != ZK_RUNTIME_INCONSISTENCY)
                        return ops[i].error;
                if (ops[i].error != ZK_OK)
                        error = ops[i].error;
        }
        return error;
}

static void get_multi(const struct client *c, const struct client_request *q, struct jute_reader *r,
                      struct client_op_result *ops, struct client_result *ret)
{
        struct jute_multi_header end;
        assert(ops); /* no multi is without operations */
        for (size_t i = 0; i < q->op_count && !r->error; i++)
                get_op(c, r, q->op_types[i], &ops[i]);
        jute_get_multi_header(r, &end);
        if (!end.done)
                jute_fail(r);
        if (r->error)
                return;
        ret->ops = ops;
        ret->op_count = q->op_count;
        if (q->op == OP_MULTI) /* reads fail one by one */
                ret->error = multi_error(ops, q->op_count);
}

static void get_body(const struct client *c, const struct client_request *q, struct jute_reader *r,
                     struct client_op_result *ops, struct client_result *ret)
{
        switch (q->op) {
        case OP_CREATE:
        case OP_SYNC:
                ret->path = get_path(c, r);
                break;
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                ret->path = get_path(c, r);
                get_stat(r, &ret->stat, &ret->has_stat);
                break;
        case OP_EXISTS:
        case OP_SET_DATA:
        case OP_SET_ACL:
                get_stat(r, &ret->stat, &ret->has_stat);
                break;
        case OP_GET_DATA:
                ret->data = jute_get_str(r);
                get_stat(r, &ret->stat, &ret->has_stat);
                break;
        case OP_GET_ACL:
                ret->acl = jute_get_acl_vec(r);
                get_stat(r, &ret->stat, &ret->has_stat);
                break;
        case OP_GET_CHILDREN:
        case OP_GET_EPHEMERALS:
                ret->children = jute_get_str_vec(r);
                break;
        case OP_GET_ALL_CHILDREN_NUMBER:
                ret->number = jute_get_int(r);
                break;
        case OP_WHO_AM_I:
                ret->who = jute_get_id_vec(r); /* of the same form */
                break;
        case OP_ADD_WATCH: {
                /* An ErrorResponse, as client libraries expect it (client-protocol.md 4.2). */
                int32_t error = jute_get_int(r);
                ret->error = r->error ? ret->error : error;
                break;
        }
        case OP_GET_CHILDREN2:
                ret->children = jute_get_str_vec(r);
                get_stat(r, &ret->stat, &ret->has_stat);
                break;
        case OP_MULTI:
        case OP_MULTI_READ:
                get_multi(c, q, r, ops, ret);
                break;
        default: /* delete, closeSession, removeWatches, checkWatches: no body */
                break;
        }
}

/* ---- completions ---- */

static enum client_watch_kind kind_of(const struct client_request *q)
{
        if (q->op == OP_ADD_WATCH)
                return q->watch_type == CLIENT_WATCH_RECURSIVE ? WATCH_RECURSIVE : WATCH_PERSISTENT;
        return q->op == OP_GET_CHILDREN || q->op == OP_GET_CHILDREN2 ? WATCH_CHILD : WATCH_DATA;
}

/* The watch that came with the request: set by its reply, or not. */
static bool settle_watch(struct client *c, struct client_request *q, int32_t error)
{
        if (!q->watch_path)
                return false;
        if (error == ZK_OK) {
                client__watch_add(c, kind_of(q), q->watch_path, q->watch, q->watch_ctx);
                return true;
        }
        if (error == ZK_NO_NODE && q->op == OP_EXISTS) {
                client__watch_add(c, WATCH_EXIST, q->watch_path, q->watch, q->watch_ctx);
                return true;
        }
        client__watch_unreserve(c, strlen(q->watch_path));
        return false;
}

/* Paths of ephemerals come with the chroot. */
static void complete_stripped(struct client *c, struct client_request *q, struct client_result *result)
{
        struct jute_writer w;
        if (q->op != OP_GET_EPHEMERALS || result->children.count <= 0 || !c->chroot_len) {
                complete(c, q, result);
                return;
        }
        jute_writer_init(&w, SIZE_MAX);
        client__paths_strip(c, result->children, &w);
        result->children.data = w.data;
        result->children.size = w.len;
        complete(c, q, result);
        jute_writer_done(&w);
}

bool client__answer(struct client *c, const struct jute_reply_header *h, struct jute_reader *r)
{
        assert(!list_empty(&c->in_flight));
        struct client_request *q = LIST_ENTRY(c->in_flight.next, struct client_request, link);
        struct client_result result = result_of(q);
        struct client_op_result *ops = q->op_count ? mem_zalloc(q->op_count * sizeof *ops) : NULL;
        result.outcome = CLIENT_ANSWERED;
        result.error = h->err;
        result.zxid = h->zxid;
        if (h->err == ZK_OK)
                get_body(c, q, r, ops, &result);
        if (r->error) {
                mem_free(ops);
                return false;
        }
        list_remove(&q->link);
        c->in_flight_count--;
        c->in_flight_bytes -= q->size_bytes;
        result.watching = settle_watch(c, q, result.error);
        if (q->remove_path && result.error == ZK_OK)
                client__watch_remove(c, (enum client_watch_type)q->watch_type, q->remove_path);
        complete_stripped(c, q, &result);
        mem_free(ops);
        return true;
}

void client__fail_all(struct client *c, struct list *requests, int32_t error)
{
        /* Watches first: a callback may look at the limits. */
        for (struct list *l = requests->next; l != requests; l = l->next)
                (void)settle_watch(c, LIST_ENTRY(l, struct client_request, link), CLIENT_ERROR_CONNECTION_LOSS);
        while (!list_empty(requests)) {
                struct client_request *q = LIST_ENTRY(requests->next, struct client_request, link);
                bool sent = !q->frame;
                struct client_result result = result_of(q);
                list_remove(&q->link);
                result.outcome = sent ? CLIENT_UNKNOWN : CLIENT_NOT_SENT;
                result.error = sent ? (int32_t)CLIENT_ERROR_CONNECTION_LOSS : error;
                complete(c, q, &result);
        }
}
