/* Requests: made, kept in order, sent as far as the window allows.
 *
 * A request is encoded when it is made and gets its xid when it is sent, so that xids rise in the order of
 * sending whatever was thrown out of the queue in between. Source of the records: client-protocol.md 4. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Where a frame has its xid: after the length. */
#define XID_OFFSET 4

/* world:anyone, all permissions: client-protocol.md 8. */
#define PERMISSIONS_ALL 31

static const struct client_call no_call;

/* ---- making ---- */

static int may_request(const struct client *c, const struct client_call *call)
{
        if (c->closing || c->state == CLIENT_EXPIRED || c->state == CLIENT_CLOSED)
                return -ESHUTDOWN;
        if (call->at_once && !client_is_connected(c))
                return -ENOTCONN;
        if (c->waiting_count + c->in_flight_count >= CLIENT_REQUESTS_MAX)
                return -ENOBUFS;
        return 0;
}

/* A frame that the server would refuse leaves the writer's error behind. */
static void frame_begin(const struct client *c, struct jute_writer *w, int32_t op)
{
        struct jute_request_header h = {.xid = 0, .type = op};
        jute_writer_init(w, (size_t)c->max_buffer + XID_OFFSET);
        jute_put_int(w, 0);
        jute_put_request_header(w, &h);
}

static struct blob *frame_end(struct jute_writer *w)
{
        jute_patch_int(w, 0, (int32_t)(w->len - XID_OFFSET));
        struct blob *b = jute_writer_blob(w);
        jute_writer_done(w);
        return b;
}

static bool op_watches(int32_t op)
{
        return op == OP_EXISTS || op == OP_GET_DATA || op == OP_GET_CHILDREN || op == OP_GET_CHILDREN2;
}

/* The one door into the queue. Ends `w` in any case. */
static int enqueue(struct client *c, int32_t op, struct jute_writer *w, const char *path,
                   const struct client_call *call)
{
        bool watches = call->watch && op_watches(op);
        int r = 0;
        if (w->error)
                r = w->error;
        else if (c->waiting_bytes && c->waiting_bytes + w->len > CLIENT_WAITING_BYTES_MAX)
                r = -ENOBUFS;
        char *full = r == 0 && watches ? client__path_full(c, path) : NULL;
        if (full && !client__watch_reserve(c, strlen(full)))
                r = -ENOBUFS;
        if (r < 0) {
                mem_free(full);
                jute_writer_done(w);
                return r;
        }
        struct client_request *q = mem_zalloc(sizeof *q);
        q->op = op;
        q->size_bytes = w->len;
        q->frame = frame_end(w);
        q->at_once = call->at_once;
        q->done = call->done;
        q->ctx = call->ctx;
        q->watch = watches ? call->watch : NULL;
        q->watch_ctx = call->watch_ctx;
        q->watch_path = full;
        list_push(&c->waiting, &q->link);
        c->waiting_count++;
        c->waiting_bytes += q->size_bytes;
        return 0;
}

static int path_and_state_check(const struct client *c, const char *path, bool open_end, const struct client_call *call)
{
        int r = may_request(c, call);
        return r < 0 ? r : client__path_check(c, path, open_end);
}

static void put_acl(struct jute_writer *w, const struct jute_vec *acl)
{
        static const char scheme[] = "world", id[] = "anyone";
        if (acl) {
                jute_put_vec(w, *acl);
                return;
        }
        struct jute_acl open = {.perms = PERMISSIONS_ALL, .id = {.scheme = jute_cstr(scheme), .id = jute_cstr(id)}};
        jute_put_int(w, 1);
        jute_put_acl(w, &open);
}

static bool flags_ok(int32_t flags)
{
        return (flags & ~(CLIENT_EPHEMERAL | CLIENT_SEQUENTIAL)) == 0;
}

static void put_create(const struct client *c, struct jute_writer *w, const char *path, struct jute_str data,
                       int32_t flags, const struct jute_vec *acl)
{
        client__put_path(c, w, path);
        jute_put_str(w, data);
        put_acl(w, acl);
        jute_put_int(w, flags);
}

static int create(struct client *c, int32_t op, const char *path, struct jute_str data, int32_t flags,
                  const struct jute_vec *acl, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &no_call;
        if (!flags_ok(flags))
                return -EINVAL;
        int r = path_and_state_check(c, path, flags & CLIENT_SEQUENTIAL, call);
        if (r < 0)
                return r;
        frame_begin(c, &w, op);
        put_create(c, &w, path, data, flags, acl);
        return enqueue(c, op, &w, path, call);
}

int client_create(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                  const struct client_call *call)
{
        return create(c, OP_CREATE, path, data, flags, acl, call);
}

int client_create2(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                   const struct client_call *call)
{
        return create(c, OP_CREATE2, path, data, flags, acl, call);
}

int client_delete(struct client *c, const char *path, int32_t version, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &no_call;
        int r = path_and_state_check(c, path, false, call);
        if (r < 0)
                return r;
        frame_begin(c, &w, OP_DELETE);
        client__put_path(c, &w, path);
        jute_put_int(&w, version);
        return enqueue(c, OP_DELETE, &w, path, call);
}

int client_set(struct client *c, const char *path, struct jute_str data, int32_t version,
               const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &no_call;
        int r = path_and_state_check(c, path, false, call);
        if (r < 0)
                return r;
        frame_begin(c, &w, OP_SET_DATA);
        client__put_path(c, &w, path);
        jute_put_str(&w, data);
        jute_put_int(&w, version);
        return enqueue(c, OP_SET_DATA, &w, path, call);
}

/* Reads that are a path, and for some a watch flag behind it. */
static int read_path(struct client *c, int32_t op, const char *path, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &no_call;
        int r = path_and_state_check(c, path, false, call);
        if (r < 0)
                return r;
        frame_begin(c, &w, op);
        client__put_path(c, &w, path);
        if (op_watches(op))
                jute_put_bool(&w, call->watch != NULL);
        return enqueue(c, op, &w, path, call);
}

int client_exists(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_EXISTS, path, call);
}

int client_get(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_GET_DATA, path, call);
}

int client_children(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_GET_CHILDREN, path, call);
}

int client_children2(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_GET_CHILDREN2, path, call);
}

int client_sync(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_SYNC, path, call);
}

int client_get_acl(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_GET_ACL, path, call);
}

/* ---- multi ---- */

static int op_check(const struct client *c, const struct client_op *op)
{
        bool creates = op->type == OP_CREATE || op->type == OP_CREATE2;
        if (!creates && op->type != OP_DELETE && op->type != OP_SET_DATA && op->type != OP_CHECK)
                return -EINVAL;
        if (creates && !flags_ok(op->flags))
                return -EINVAL;
        return client__path_check(c, op->path, creates && (op->flags & CLIENT_SEQUENTIAL));
}

static void put_op(const struct client *c, struct jute_writer *w, const struct client_op *op)
{
        struct jute_multi_header h = {.type = (int32_t)op->type, .done = false, .err = -1};
        jute_put_multi_header(w, &h);
        if (op->type == OP_CREATE || op->type == OP_CREATE2) {
                put_create(c, w, op->path, op->data, op->flags, op->acl);
                return;
        }
        client__put_path(c, w, op->path);
        if (op->type == OP_SET_DATA)
                jute_put_str(w, op->data);
        jute_put_int(w, op->version);
}

int client_multi(struct client *c, const struct client_op *ops, size_t count, const struct client_call *call)
{
        const struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        struct jute_writer w;
        call = call ? call : &no_call;
        if (count < 1 || count > CLIENT_MULTI_OPS_MAX)
                return -EINVAL;
        int r = may_request(c, call);
        for (size_t i = 0; i < count && r == 0; i++)
                r = op_check(c, &ops[i]);
        if (r < 0)
                return r;
        frame_begin(c, &w, OP_MULTI);
        for (size_t i = 0; i < count; i++)
                put_op(c, &w, &ops[i]);
        jute_put_multi_header(&w, &end);
        r = enqueue(c, OP_MULTI, &w, NULL, call);
        if (r < 0)
                return r;
        struct client_request *q = LIST_ENTRY(c->waiting.prev, struct client_request, link);
        q->op_types = mem_alloc(count * sizeof *q->op_types);
        q->op_count = count;
        for (size_t i = 0; i < count; i++)
                q->op_types[i] = (int32_t)ops[i].type;
        return 0;
}

/* ---- sending ---- */

static int32_t take_xid(struct client *c)
{
        int32_t xid = c->next_xid;
        /* Negative ones have meanings of their own: after the last comes 1, as in Java's client. */
        c->next_xid = xid == INT32_MAX ? 1 : xid + 1;
        return xid;
}

static void store_xid(struct blob *frame, int32_t xid)
{
        uint32_t v = (uint32_t)xid;
        for (int i = 0; i < 4; i++)
                frame->data[XID_OFFSET + i] = (uint8_t)(v >> (24 - 8 * i));
}

bool client__can_send(const struct client *c)
{
        if (c->phase != PHASE_OPEN || list_empty(&c->waiting) || c->in_flight_count >= CLIENT_IN_FLIGHT_MAX)
                return false;
        const struct client_request *q = LIST_ENTRY(c->waiting.next, struct client_request, link);
        return !c->in_flight_count || c->in_flight_bytes + q->size_bytes <= CLIENT_IN_FLIGHT_BYTES_MAX;
}

static void send_request(struct client *c, uint64_t now_ms, struct client_request *q, struct effects *fx)
{
        q->xid = take_xid(c);
        q->sent_ms = now_ms;
        q->conn = c->conn;
        store_xid(q->frame, q->xid);
        effect_send(fx, c->conn, q->frame);
        q->frame = NULL;
        c->sent_ms = now_ms;
        list_push(&c->in_flight, &q->link);
        c->in_flight_count++;
        c->in_flight_bytes += q->size_bytes;
}

void client__send_waiting(struct client *c, uint64_t now_ms, struct effects *fx)
{
        while (client__can_send(c)) {
                struct client_request *q = LIST_ENTRY(c->waiting.next, struct client_request, link);
                list_remove(&q->link);
                c->waiting_count--;
                c->waiting_bytes -= q->size_bytes;
                send_request(c, now_ms, q, fx);
        }
}

void client__send_ping(struct client *c, uint64_t now_ms, struct effects *fx)
{
        struct jute_writer w;
        frame_begin(c, &w, OP_PING);
        struct blob *frame = frame_end(&w);
        store_xid(frame, CLIENT_XID_PING);
        effect_send(fx, c->conn, frame);
        c->sent_ms = now_ms;
}

void client__send_close(struct client *c, uint64_t now_ms, struct effects *fx)
{
        struct jute_writer w;
        struct client_request *q = mem_zalloc(sizeof *q);
        frame_begin(c, &w, OP_CLOSE_SESSION);
        q->op = OP_CLOSE_SESSION;
        q->size_bytes = w.len;
        q->frame = frame_end(&w);
        send_request(c, now_ms, q, fx);
        c->close_sent = true;
}

void client__take_waiting(struct client *c, bool at_once_only, struct list *ret)
{
        for (struct list *l = c->waiting.next, *next; l != &c->waiting; l = next) {
                struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                next = l->next;
                if (at_once_only && !q->at_once)
                        continue;
                list_remove(l);
                c->waiting_count--;
                c->waiting_bytes -= q->size_bytes;
                list_push(ret, l);
        }
}

void client__take_in_flight(struct client *c, struct list *ret)
{
        while (!list_empty(&c->in_flight)) {
                struct list *l = c->in_flight.next;
                list_remove(l);
                list_push(ret, l);
        }
        c->in_flight_count = c->in_flight_bytes = 0;
}
