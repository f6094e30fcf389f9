/* multi: all operations under one zxid, each seeing the ones before it, or none (client-protocol.md 4.3,
 * storage-format.md 3, safety S10). */
#include "election/server/prep_internal.h"

#include "election/base/plant.h"

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

/* In a multi the flags alone say what a create makes, whatever opcode it came under, and a time to live
 * without such flags is ignored; those flags need createTTL's record, which has the time. False makes the
 * multi fail. A create2 stays one, and is answered with a Stat, as from 3.9 on; 3.8.0 makes it a create.
 * Otherwise as observed on 3.8.0, invalid flags as from 3.8.2 on (client-protocol.md 4.3). */
static bool create_by_flags(struct prep_op *op)
{
        if (prep__flags_are_ttl(op->flags))
                return op->opcode == OP_CREATE_TTL;
        if (op->flags == CREATE_FLAG_CONTAINER)
                op->opcode = OP_CREATE_CONTAINER;
        else if (op->opcode != OP_CREATE2)
                op->opcode = OP_CREATE;
        return prep__flags_ok(op->flags);
}

bool prep_multi_op_skip(struct jute_reader *r, int32_t opcode)
{
        struct prep_op op;
        return multi_may_hold(opcode) && prep__decode(r, opcode, &op);
}

/* Reads the next operation: 1 one was read, 0 the end, -1 the multi fails as a whole. */
static int multi_next(struct jute_reader *r, struct prep_op *ret)
{
        struct jute_multi_header h;
        jute_get_multi_header(r, &h);
        if (r->error)
                return -1;
        if (h.done)
                return 0;
        if (!multi_may_hold(h.type) || !prep__decode(r, h.type, ret) || ret->path.len < 0)
                return -1;
        if (prep__is_create(h.type) && !create_by_flags(ret))
                return -1;
        return 1;
}

bool prep__multi_decodes(struct jute_str body, int32_t item_max)
{
        struct jute_reader r = prep__reader(body, item_max);
        struct prep_op op;
        int next;
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
        size_t at = w->len;
        jute_put_int(w, op->opcode);
        jute_put_int(w, 0);
        int32_t err = w->error ? ZK_MARSHALLING_ERROR : prep__op(t, op, w);
        if (err) {
                cut(w, at);
                return err;
        }
        jute_patch_int(w, at + 4, (int32_t)(w->len - at - 8));
        return ZK_OK;
}

int prep__multi(struct prep_txn *t, struct jute_writer *w)
{
        struct jute_str body = t->request->body;
        if (!prep__multi_decodes(body, t->prep->item_max))
                return ZK_MARSHALLING_ERROR;
        struct jute_reader r = prep__reader(body, t->prep->item_max);
        struct prep_op op;
        int32_t failed = ZK_OK, count = 0;
        size_t count_at = w->len;
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
        prep__undo_end(t->prep, !failed || PLANTED(M21_NOT_ROLLED_BACK));
        return w->error ? ZK_MARSHALLING_ERROR : ZK_OK; /* no room for all the failures */
}
