/* Requests about one znode, made. Source of the records: client-protocol.md 4. */
#include "election/client/client_internal.h"

#include <errno.h>

/* world:anyone, all permissions: client-protocol.md 8. */
#define PERMISSIONS_ALL 31

/* Flags of creates on the wire; which of them a server obeys depends on the opcode (client-protocol.md 4.2). */
#define FLAGS_CONTAINER      4
#define FLAGS_TTL            5
#define FLAGS_TTL_SEQUENTIAL 6

/* ---- creates ---- */

bool client__op_creates(int32_t op)
{
        return op == OP_CREATE || op == OP_CREATE2 || op == OP_CREATE_CONTAINER || op == OP_CREATE_TTL;
}

int client__create_check(const struct client_op *op)
{
        int32_t allowed = CLIENT_EPHEMERAL | CLIENT_SEQUENTIAL;
        if (op->type == OP_CREATE_CONTAINER)
                allowed = 0;
        if (op->type == OP_CREATE_TTL)
                allowed = CLIENT_SEQUENTIAL;
        if (op->flags & ~allowed)
                return -EINVAL;
        return op->type == OP_CREATE_TTL && (op->ttl_ms < 1 || op->ttl_ms > CLIENT_TTL_MAX_MS) ? -EINVAL : 0;
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

static int32_t wire_flags(const struct client_op *op)
{
        if (op->type == OP_CREATE_CONTAINER)
                return FLAGS_CONTAINER;
        if (op->type == OP_CREATE_TTL)
                return op->flags & CLIENT_SEQUENTIAL ? FLAGS_TTL_SEQUENTIAL : FLAGS_TTL;
        return op->flags;
}

void client__put_create(const struct client *c, struct jute_writer *w, const struct client_op *op)
{
        client__put_path(c, w, op->path);
        jute_put_str(w, op->data);
        put_acl(w, op->acl);
        jute_put_int(w, wire_flags(op));
        if (op->type == OP_CREATE_TTL)
                jute_put_long(w, op->ttl_ms);
}

static int create(struct client *c, const struct client_op *op, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__create_check(op);
        if (r < 0)
                return r;
        r = client__may_ask(c, op->path, op->flags & CLIENT_SEQUENTIAL, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, (int32_t)op->type);
        client__put_create(c, &w, op);
        return client__enqueue(c, (int32_t)op->type, &w, op->path, call, NULL);
}

int client_create(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                  const struct client_call *call)
{
        const struct client_op op = {.type = OP_CREATE, .path = path, .data = data, .flags = flags, .acl = acl};
        return create(c, &op, call);
}

int client_create2(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                   const struct client_call *call)
{
        const struct client_op op = {.type = OP_CREATE2, .path = path, .data = data, .flags = flags, .acl = acl};
        return create(c, &op, call);
}

int client_create_container(struct client *c, const char *path, struct jute_str data, const struct jute_vec *acl,
                            const struct client_call *call)
{
        const struct client_op op = {.type = OP_CREATE_CONTAINER, .path = path, .data = data, .acl = acl};
        return create(c, &op, call);
}

int client_create_ttl(struct client *c, const char *path, struct jute_str data, int32_t flags, int64_t ttl_ms,
                      const struct jute_vec *acl, const struct client_call *call)
{
        const struct client_op op = {
                .type = OP_CREATE_TTL, .path = path, .data = data, .flags = flags, .acl = acl, .ttl_ms = ttl_ms};
        return create(c, &op, call);
}

/* ---- changes ---- */

int client_delete(struct client *c, const char *path, int32_t version, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, OP_DELETE);
        client__put_path(c, &w, path);
        jute_put_int(&w, version);
        return client__enqueue(c, OP_DELETE, &w, path, call, NULL);
}

int client_set(struct client *c, const char *path, struct jute_str data, int32_t version,
               const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, OP_SET_DATA);
        client__put_path(c, &w, path);
        jute_put_str(&w, data);
        jute_put_int(&w, version);
        return client__enqueue(c, OP_SET_DATA, &w, path, call, NULL);
}

int client_set_acl(struct client *c, const char *path, const struct jute_vec *acl, int32_t version,
                   const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, OP_SET_ACL);
        client__put_path(c, &w, path);
        put_acl(&w, acl);
        jute_put_int(&w, version);
        return client__enqueue(c, OP_SET_ACL, &w, path, call, NULL);
}

/* ---- reads: a path, and for some a watch flag behind it ---- */

static int read_path(struct client *c, int32_t op, const char *path, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, op);
        client__put_path(c, &w, path);
        if (client__op_watches(op))
                jute_put_bool(&w, call->watch != NULL);
        return client__enqueue(c, op, &w, path, call, NULL);
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

int client_all_children_number(struct client *c, const char *path, const struct client_call *call)
{
        return read_path(c, OP_GET_ALL_CHILDREN_NUMBER, path, call);
}

int client_ephemerals(struct client *c, const char *path, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, OP_GET_EPHEMERALS);
        if (c->chroot_len && !path[1]) {
                /* The server compares texts: all that is below the chroot, and not its neighbours of a longer name. */
                jute_put_int(&w, (int32_t)c->chroot_len + 1);
                jute_put_raw(&w, c->chroot, c->chroot_len);
                jute_put_raw(&w, "/", 1);
        } else {
                client__put_path(c, &w, path);
        }
        return client__enqueue(c, OP_GET_EPHEMERALS, &w, path, call, NULL);
}
