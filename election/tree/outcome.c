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

static void add_event(struct outcome *o, const struct tree_event *e)
{
        o->events = mem_grow(o->events, &o->event_capacity, o->event_count + 1, sizeof *o->events);
        o->events[o->event_count++] = *e;
}

static struct tree_event make_event(enum watch_event type, struct jute_str path, const struct tree *t,
                                    const struct znode *n)
{
        struct tree_event e = {.type = type, .path = path, .acl = acl_table_row(&t->acls, n->acl_key)};
        if (type != EVENT_NODE_DATA_CHANGED && n->parent)
                e.parent_acl = acl_table_row(&t->acls, n->parent->acl_key);
        return e;
}

void outcome__event(struct outcome *o, enum watch_event type, struct jute_str path, const struct tree *t,
                    const struct znode *n)
{
        if (!o)
                return;
        const struct tree_event e = make_event(type, path, t, n);
        add_event(o, &e);
}

/* The text may still move: until outcome__end() such an event has its length only. Their order is the
 * order of the copies. */
void outcome__event_copy(struct outcome *o, enum watch_event type, struct jute_str path, const struct tree *t,
                         const struct znode *n)
{
        if (!o)
                return;
        size_t len = (size_t)path.len;
        o->text = mem_grow(o->text, &o->text_capacity, o->text_len + len, 1);
        memcpy(o->text + o->text_len, path.data, len);
        o->text_len += len;
        outcome__event(o, type, (struct jute_str){.data = NULL, .len = path.len}, t, n);
}

struct jute_vec tree_event_acl(const struct tree_event *e, enum watch_event told)
{
        return acl_row_list(told == EVENT_NODE_CHILDREN_CHANGED ? e->parent_acl : e->acl);
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
