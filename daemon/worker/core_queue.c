/* What waits to be told to the plugin. Of role and members only the newest counts; configuration is told change by
 * change. See core_internal.h. */
#include "daemon/worker/core_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

/* What one entry costs beside its texts. */
#define ITEM_OVERHEAD_BYTES sizeof(struct core_item)

void core__queue_init(struct core_queue *q)
{
        *q = (struct core_queue){.bytes = 0};
        list_init(&q->items);
}

void core__item_free(struct core_item *item)
{
        if (!item)
                return;
        mem_free(item->path);
        mem_free(item->data);
        mem_free(item->members);
        mem_free(item);
}

void core__queue_done(struct core_queue *q)
{
        while (!list_empty(&q->items)) {
                struct core_item *item = LIST_ENTRY(q->items.next, struct core_item, link);
                list_remove(&item->link);
                core__item_free(item);
        }
        core__item_free(q->members);
        q->members = NULL;
}

static struct core_item *item_new(enum worker_call_kind kind)
{
        struct core_item *item = mem_zalloc(sizeof *item);
        list_init(&item->link);
        item->call.kind = kind;
        item->bytes = ITEM_OVERHEAD_BYTES;
        return item;
}

int core__queue_config(struct core_queue *q, const struct message *m, uint64_t generation)
{
        size_t path_len = m->path.len > 0 ? (size_t)m->path.len : 0;
        size_t data_len = m->data.len > 0 ? (size_t)m->data.len : 0;
        if (q->bytes + ITEM_OVERHEAD_BYTES + path_len + data_len > WORKER_CONFIG_QUEUE_BYTES_MAX)
                return -ENOBUFS;
        struct core_item *item = item_new(m->type == MESSAGE_CONFIG ? CALL_CONFIG : CALL_CONFIG_SYNCED);
        item->call.zxid = m->zxid;
        item->call.generation = generation;
        if (m->type == MESSAGE_CONFIG) {
                item->path = mem_alloc(path_len + 1);
                if (path_len > 0)
                        memcpy(item->path, m->path.data, path_len);
                item->path[path_len] = '\0';
                if (m->data.len >= 0)
                        item->data = data_len > 0 ? mem_dup(m->data.data, data_len) : mem_alloc(1);
                item->call.path = item->path;
                item->call.data = item->data;
                item->call.size = data_len;
                item->call.version = m->version;
        }
        item->bytes += path_len + data_len;
        q->bytes += item->bytes;
        list_push(&q->items, &item->link);
        return 0;
}

void core__queue_members(struct core_queue *q, const struct message *m)
{
        core__item_free(q->members);
        q->members = item_new(CALL_MEMBERS);
        q->members->members = mem_dup(m->members, m->member_count * sizeof *m->members);
        q->members->call.members = q->members->members;
        q->members->call.member_count = m->member_count;
}

bool core__queue_empty(const struct core_queue *q)
{
        return !q->role_waits && !q->members && list_empty(&q->items);
}

bool core__queue_next(struct core_queue *q, struct worker_call *ret, struct core_item **ret_item)
{
        *ret_item = NULL;
        if (q->role_waits) {
                *ret = (struct worker_call){.kind = CALL_ROLE, .role = q->role};
                q->role_waits = false;
                return true;
        }
        if (q->members) {
                *ret_item = q->members;
                q->members = NULL;
        } else if (!list_empty(&q->items)) {
                *ret_item = LIST_ENTRY(q->items.next, struct core_item, link);
                list_remove(&(*ret_item)->link);
                q->bytes -= (*ret_item)->bytes;
        } else {
                return false;
        }
        *ret = (*ret_item)->call;
        return true;
}
