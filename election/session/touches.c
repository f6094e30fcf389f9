/* A learner's touches: which sessions were heard from since the last answer to the leader's ping
 * (quorum-protocol.md 5.3). Entries are dense in an array; the table finds one by id. Bounded by the
 * sessions of this server's connections. */
#include "election/session/session.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/session/index.h"

struct touch {
        struct index_link link;
        int32_t timeout_ms;
        int64_t id;
        size_t at; /* place in session_touches.list */
};

struct session_touches {
        struct index by_id;
        struct touch **list;
        size_t count, capacity;
};

struct session_touches *session_touches_new(void)
{
        return mem_zalloc(sizeof(struct session_touches));
}

void session_touches_free(struct session_touches *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < t->count; i++)
                mem_free(t->list[i]);
        mem_free(t->list);
        index_done(&t->by_id);
        mem_free(t);
}

static struct touch *find(const struct session_touches *t, int64_t id)
{
        struct index_link *l = index_first(&t->by_id, hash_u64((uint64_t)id));
        for (; l; l = index_next(l)) {
                struct touch *touch = INDEX_ENTRY(l, struct touch, link);
                if (touch->id == id)
                        return touch;
        }
        return NULL;
}

void session_touches_add(struct session_touches *t, int64_t id, int32_t timeout_ms)
{
        struct touch *touch = find(t, id);
        if (!touch) {
                t->list = mem_grow(t->list, &t->capacity, t->count + 1, sizeof *t->list);
                touch = mem_zalloc(sizeof *touch);
                touch->id = id;
                touch->at = t->count;
                t->list[t->count++] = touch;
                index_insert(&t->by_id, &touch->link, hash_u64((uint64_t)id));
        }
        touch->timeout_ms = timeout_ms;
}

static void take_out(struct session_touches *t, struct touch *touch)
{
        struct touch *last = t->list[--t->count];
        t->list[touch->at] = last;
        last->at = touch->at;
        index_remove(&t->by_id, &touch->link);
        mem_free(touch);
}

void session_touches_remove(struct session_touches *t, int64_t id)
{
        struct touch *touch = find(t, id);
        if (touch)
                take_out(t, touch);
}

void session_touches_drain(struct session_touches *t, struct jute_writer *w, size_t max)
{
        for (; max > 0 && t->count > 0; max--) {
                struct touch *touch = t->list[t->count - 1];
                jute_put_long(w, touch->id);
                jute_put_int(w, touch->timeout_ms);
                take_out(t, touch);
        }
}
