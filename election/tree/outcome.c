/* What a transaction did. Memory is bounded by the largest transaction and kept from one to the next. */
#include "election/tree/database_internal.h"

#include "election/base/alloc.h"

#include <string.h>

void outcome_init(struct outcome *o)
{
        *o = (struct outcome){.ops = NULL};
}

void outcome_done(struct outcome *o)
{
        mem_free(o->ops);
        mem_free(o->events);
        mem_free(o->text);
        outcome_init(o);
}

void outcome__begin(struct outcome *o, const struct jute_txn_header *header)
{
        if (!o)
                return;
        o->header = *header;
        o->err = 0;
        o->op_count = 0;
        o->event_count = 0;
        o->text_len = 0;
        o->digest_mismatch = o->digest_agrees = false;
}

void outcome__op(struct outcome *o, int32_t type, int32_t err, struct jute_str path, const struct znode *n)
{
        if (!o)
                return;
        o->ops = mem_grow(o->ops, &o->op_capacity, o->op_count + 1, sizeof *o->ops);
        struct outcome_op *op = &o->ops[o->op_count++];
        *op = (struct outcome_op){.type = err ? OP_ERROR : type, .err = err, .path = path};
        if (n)
                znode_stat(n, &op->stat);
}

void outcome__event(struct outcome *o, enum watch_event type, struct jute_str path)
{
        if (!o)
                return;
        o->events = mem_grow(o->events, &o->event_capacity, o->event_count + 1, sizeof *o->events);
        o->events[o->event_count++] = (struct tree_event){.type = type, .path = path};
}

/* The text may still move: until outcome__end() such an event has its length only. Their order is the
 * order of the copies. */
void outcome__event_copy(struct outcome *o, enum watch_event type, struct jute_str path)
{
        if (!o)
                return;
        size_t len = (size_t)path.len;
        o->text = mem_grow(o->text, &o->text_capacity, o->text_len + len, 1);
        memcpy(o->text + o->text_len, path.data, len);
        o->text_len += len;
        outcome__event(o, type, (struct jute_str){.data = NULL, .len = path.len});
}

void outcome__end(struct outcome *o)
{
        if (!o)
                return;
        size_t at = 0;
        for (size_t i = 0; i < o->event_count; i++) {
                if (o->events[i].path.data)
                        continue;
                o->events[i].path.data = o->text + at;
                at += (size_t)o->events[i].path.len;
        }
}
