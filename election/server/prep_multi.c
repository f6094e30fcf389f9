/* multi: all operations under one zxid, each seeing the ones before it, or none (client-protocol.md 4.3,
 * storage-format.md 3, safety S10). */
#include "election/server/prep_internal.h"

static bool multi_may_hold(int32_t opcode)
{
        switch (opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
        case OP_DELETE:
        case OP_SET_DATA:
        case OP_CHECK:
                return true;
        default:
                return false;
        }
}

/* Reads the next operation: 1 one was read, 0 the end, -1 the multi fails as a whole. */
static int multi_next(struct jute_reader *r, struct prep_op *ret)
{
        enum { FLAG_CONTAINER = 4 };
        struct jute_multi_header h;
        jute_get_multi_header(r, &h);
        if (r->error)
                return -1;
        if (h.done)
                return 0;
        if (!multi_may_hold(h.type) || !prep__decode(r, h.type, ret) || !prep__flags_ok(ret))
                return -1;
        if ((h.type == OP_CREATE || h.type == OP_CREATE2) && ret->flags == FLAG_CONTAINER)
                ret->opcode = OP_CREATE_CONTAINER;
        return 1;
}

bool prep__multi_decodes(struct jute_str body, int32_t item_max)
{
        struct jute_reader r;
        struct prep_op op;
        int next;
        jute_reader_init(&r, body.data, (size_t)body.len, item_max);
        while ((next = multi_next(&r, &op)) > 0)
                ;
        return next == 0;
}

static void put_error_op(struct jute_writer *w, int32_t err)
{
        jute_put_int(w, OP_ERROR);
        jute_put_int(w, 4);
        jute_put_int(w, err);
}

/* What of the writer belongs to the operation that failed is taken back. */
static void cut(struct jute_writer *w, size_t len)
{
        w->len = len;
        w->error = 0;
}

static int32_t multi_op(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w)
{
        int32_t type;
        size_t at = w->len;
        jute_put_int(w, 0);
        jute_put_int(w, 0);
        int32_t err = w->error ? ZK_MARSHALLING_ERROR : prep__op(t, op, w, &type);
        if (err) {
                cut(w, at);
                return err;
        }
        jute_patch_int(w, at, type);
        jute_patch_int(w, at + 4, (int32_t)(w->len - at - 8));
        return ZK_OK;
}

int prep__multi(struct prep_txn *t, struct jute_writer *w)
{
        struct jute_str body = t->request->body;
        if (!prep__multi_decodes(body, t->prep->item_max))
                return ZK_MARSHALLING_ERROR;
        struct jute_reader r;
        struct prep_op op;
        int32_t failed = ZK_OK, count = 0;
        size_t count_at = w->len;
        jute_reader_init(&r, body.data, (size_t)body.len, t->prep->item_max);
        jute_put_int(w, 0);
        prep__undo_begin(t->prep);
        for (; multi_next(&r, &op) > 0; count++) {
                if (failed) {
                        put_error_op(w, ZK_RUNTIME_INCONSISTENCY);
                        continue;
                }
                failed = multi_op(t, &op, w);
                if (failed)
                        put_error_op(w, failed);
        }
        jute_patch_int(w, count_at, count);
        bool fits = !w->error;
        prep__undo_end(t->prep, !failed && fits);
        return fits ? ZK_OK : ZK_MARSHALLING_ERROR;
}
