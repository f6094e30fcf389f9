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

/* In a multi flags that say container make one of any create, and createContainer makes one whatever they say. A
 * time to live without the flags for it is ignored. A create2 stays one, and is answered with a Stat. All as
 * observed on 3.9.5; 3.8.0 differs (client-protocol.md 4.3). */
static void create_by_flags(struct prep_op *op)
{
        if (op->flags == CREATE_FLAG_CONTAINER)
                op->opcode = OP_CREATE_CONTAINER;
        else if (op->opcode == OP_CREATE_TTL && !prep__flags_are_ttl(op->flags))
                op->opcode = OP_CREATE;
}

enum multi_next {
        MULTI_END,
        MULTI_OPERATION,
        MULTI_UNREADABLE, /* fails it whole, by a transaction that says so */
        MULTI_LISTLESS,   /* fails it whole, before it becomes one */
};

/* What is wrong with a create, in a Java server's order (observed on 3.9.5). One without an ACL list stops it
 * before it has taken a zxid, all else that can't be in a multi after that. Only createTTL's record has the time
 * that the flags for it need. Flags that do not exist, and no list, are errors of the operation there. */
static enum multi_next check_create(const struct prep_op *op)
{
        if (op->opcode == OP_CREATE_TTL)
                return MULTI_OPERATION;
        if (!prep__flags_ok(op->flags))
                return MULTI_UNREADABLE;
        if (op->acl.count < 0)
                return MULTI_LISTLESS;
        return prep__flags_are_ttl(op->flags) ? MULTI_UNREADABLE : MULTI_OPERATION;
}

bool prep_multi_op_skip(struct jute_reader *r, int32_t opcode)
{
        struct prep_op op = {0};
        if (!multi_may_hold(opcode) || !prep__decode(r, opcode, &op))
                return false;
        return !prep__is_create(opcode) || check_create(&op) == MULTI_OPERATION;
}

/* A read has no place in a multi, but a Java server finds that out only at the next operation that is none, and
 * after it has looked at that one's list (observed on 3.9.5). */
static enum multi_next behind_read(struct jute_reader *r, struct jute_multi_header h)
{
        struct prep_op op = {0};
        while (!r->error && !h.done && (h.type == OP_GET_DATA || h.type == OP_GET_CHILDREN)) {
                struct jute_path_watch read;
                jute_get_path_watch(r, &read);
                jute_get_multi_header(r, &h);
        }
        bool create = !r->error && !h.done && prep__is_create(h.type) && prep__decode(r, h.type, &op);
        return create && check_create(&op) == MULTI_LISTLESS ? MULTI_LISTLESS : MULTI_UNREADABLE;
}

/* Reads the next operation. */
static enum multi_next multi_next(struct jute_reader *r, bool first, struct prep_op *ret)
{
        struct jute_multi_header h;
        jute_get_multi_header(r, &h);
        if (r->error)
                return MULTI_UNREADABLE;
        if (h.done)
                return MULTI_END;
        if (h.type == OP_GET_DATA || h.type == OP_GET_CHILDREN)
                return first ? behind_read(r, h) : MULTI_UNREADABLE;
        if (!multi_may_hold(h.type) || !prep__decode(r, h.type, ret))
                return MULTI_UNREADABLE;
        if (!prep__is_create(h.type))
                return MULTI_OPERATION;
        enum multi_next next = check_create(ret);
        create_by_flags(ret);
        return next;
}

/* How it ends, and whether each of its operations has a path. */
static enum multi_next multi_last(struct jute_str body, int32_t item_max, bool *ret_paths)
{
        struct jute_reader r = prep__reader(body, item_max);
        struct prep_op op = {0};
        enum multi_next next;
        *ret_paths = true;
        for (bool first = true; (next = multi_next(&r, first, &op)) == MULTI_OPERATION; first = false)
                *ret_paths = *ret_paths && op.path.len >= 0;
        return next;
}

bool prep__multi_takes_zxid(struct jute_str body, int32_t item_max)
{
        bool paths;
        return multi_last(body, item_max, &paths) != MULTI_LISTLESS;
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

/* `ret_whole`: what went wrong is no error of the operation but what a Java server throws an exception for that
 * nobody expects; that fails the whole multi. */
static int32_t multi_op(struct prep_txn *t, const struct prep_op *op, struct jute_writer *w, bool *ret_whole)
{
        size_t at = w->len;
        jute_put_int(w, op->opcode);
        jute_put_int(w, 0);
        int32_t err = w->error ? ZK_MARSHALLING_ERROR : prep__op(t, op, w);
        *ret_whole = err == ZK_MARSHALLING_ERROR && !w->error;
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
        bool paths;
        if (multi_last(body, t->prep->item_max, &paths) != MULTI_END || !paths)
                return ZK_MARSHALLING_ERROR;
        struct jute_reader r = prep__reader(body, t->prep->item_max);
        struct prep_op op = {0};
        int32_t failed = ZK_OK, count = 0;
        bool whole = false;
        size_t count_at = w->len;
        jute_put_int(w, 0);
        prep__undo_begin(t->prep);
        for (; !whole && multi_next(&r, count == 0, &op) == MULTI_OPERATION; count++) {
                if (failed) {
                        put_error_op(w, ZK_RUNTIME_INCONSISTENCY);
                        continue;
                }
                failed = multi_op(t, &op, w, &whole);
                if (failed)
                        put_error_op(w, failed);
        }
        jute_patch_int(w, count_at, count);
        prep__undo_end(t->prep, !failed || PLANTED(M21_NOT_ROLLED_BACK));
        return whole || w->error ? ZK_MARSHALLING_ERROR : ZK_OK; /* no room for all the failures */
}
