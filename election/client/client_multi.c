/* multi and multiRead, made. Source of the records: client-protocol.md 4.3. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <errno.h>

static int op_check(const struct client *c, const struct client_op *op, bool reads)
{
        bool creates = client__op_creates((int32_t)op->type);
        bool known = reads ? op->type == OP_GET_DATA || op->type == OP_GET_CHILDREN
                           : creates || op->type == OP_DELETE || op->type == OP_SET_DATA || op->type == OP_CHECK;
        if (!known || (creates && client__create_check(op) < 0))
                return -EINVAL;
        return client__path_check(c, op->path, creates && (op->flags & CLIENT_SEQUENTIAL));
}

static void put_op(const struct client *c, struct jute_writer *w, const struct client_op *op)
{
        struct jute_multi_header h = {.type = (int32_t)op->type, .done = false, .err = -1};
        jute_put_multi_header(w, &h);
        if (client__op_creates((int32_t)op->type)) {
                client__put_create(c, w, op);
                return;
        }
        client__put_path(c, w, op->path);
        if (op->type == OP_GET_DATA || op->type == OP_GET_CHILDREN) {
                jute_put_bool(w, false); /* servers set no watch here */
                return;
        }
        if (op->type == OP_SET_DATA)
                jute_put_str(w, op->data);
        jute_put_int(w, op->version);
}

static int multi(struct client *c, int32_t type, const struct client_op *ops, size_t count,
                 const struct client_call *call)
{
        const struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        struct jute_writer w;
        struct client_request *q;
        call = call ? call : &client__no_call;
        if (count < 1 || count > CLIENT_MULTI_OPS_MAX)
                return -EINVAL;
        int r = client__may_request(c, call);
        for (size_t i = 0; i < count && r == 0; i++)
                r = op_check(c, &ops[i], type == OP_MULTI_READ);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, type);
        for (size_t i = 0; i < count; i++)
                put_op(c, &w, &ops[i]);
        jute_put_multi_header(&w, &end);
        r = client__enqueue(c, type, &w, NULL, call, &q);
        if (r < 0)
                return r;
        q->op_types = mem_alloc(count * sizeof *q->op_types);
        q->op_count = count;
        for (size_t i = 0; i < count; i++)
                q->op_types[i] = (int32_t)ops[i].type;
        return 0;
}

int client_multi(struct client *c, const struct client_op *ops, size_t count, const struct client_call *call)
{
        return multi(c, OP_MULTI, ops, count, call);
}

int client_multi_read(struct client *c, const struct client_op *ops, size_t count, const struct client_call *call)
{
        return multi(c, OP_MULTI_READ, ops, count, call);
}
