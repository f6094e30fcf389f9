/* The leader's expiry clock.
 *
 * Sessions hang in buckets, one per deadline that anyone has; deadlines are multiples of the tick, so
 * that a busy session changes its bucket once per tick at most. Buckets stand in a ring in order of
 * time and in a table by deadline. Touching is O(1); where it is the first for its deadline, it also
 * walks over the buckets later than that one: at most max_timeout / tick of them, commonly none.
 *
 * A session marked closing is in no bucket and stays known until session_clock_remove(). */
#include "election/session/session.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/list.h"
#include "election/base/plant.h"
#include "election/session/index.h"

#include <assert.h>

struct bucket {
        struct list order;      /* in session_clock.buckets, ascending deadline */
        struct index_link link; /* in session_clock.by_deadline */
        struct list entries;    /* never empty */
        uint64_t deadline_ms;
};

struct entry {
        struct index_link link; /* in session_clock.by_id */
        struct list in_bucket;
        struct bucket *bucket; /* NULL when closing */
        int64_t id;
        int64_t owner_sid;
        int32_t timeout_ms; /* as last told */
};

struct session_clock {
        uint32_t tick_ms;
        struct index by_id;
        struct index by_deadline;
        struct list buckets;
};

struct session_clock *session_clock_new(uint32_t tick_ms)
{
        assert(tick_ms > 0);
        struct session_clock *c = mem_zalloc(sizeof *c);
        c->tick_ms = tick_ms;
        list_init(&c->buckets);
        return c;
}

static void entry_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct entry, link));
}

static void bucket_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct bucket, link));
}

void session_clock_free(struct session_clock *c)
{
        if (!c)
                return;
        index_each(&c->by_id, entry_free, NULL);
        index_each(&c->by_deadline, bucket_free, NULL);
        index_done(&c->by_id);
        index_done(&c->by_deadline);
        mem_free(c);
}

static struct entry *find(const struct session_clock *c, int64_t id)
{
        struct index_link *l = index_first(&c->by_id, hash_u64((uint64_t)id));
        for (; l; l = index_next(l)) {
                struct entry *e = INDEX_ENTRY(l, struct entry, link);
                if (e->id == id)
                        return e;
        }
        return NULL;
}

/* Unknown and closing sessions alike take no part in anything. */
static struct entry *find_open(const struct session_clock *c, int64_t id)
{
        struct entry *e = find(c, id);
        return e && e->bucket ? e : NULL;
}

/* client-protocol.md 3.2 */
static uint64_t deadline_of(const struct session_clock *c, uint64_t now_ms, int32_t timeout_ms)
{
        uint64_t timeout = timeout_ms > 0 ? (uint64_t)timeout_ms : 0;
        return ((now_ms + timeout) / c->tick_ms + 1) * c->tick_ms;
}

static struct bucket *bucket_find(const struct session_clock *c, uint64_t deadline_ms)
{
        struct index_link *l = index_first(&c->by_deadline, hash_u64(deadline_ms));
        for (; l; l = index_next(l)) {
                struct bucket *b = INDEX_ENTRY(l, struct bucket, link);
                if (b->deadline_ms == deadline_ms)
                        return b;
        }
        return NULL;
}

/* New deadlines are mostly late ones, so the place is looked for from the end. */
static void bucket_place(struct session_clock *c, struct bucket *b)
{
        struct list *later = &c->buckets;
        while (later->prev != &c->buckets &&
               LIST_ENTRY(later->prev, struct bucket, order)->deadline_ms > b->deadline_ms)
                later = later->prev;
        list_push(later, &b->order); /* in front of `later` */
}

static struct bucket *bucket_get(struct session_clock *c, uint64_t deadline_ms)
{
        struct bucket *b = bucket_find(c, deadline_ms);
        if (b)
                return b;
        b = mem_zalloc(sizeof *b);
        b->deadline_ms = deadline_ms;
        list_init(&b->entries);
        bucket_place(c, b);
        index_insert(&c->by_deadline, &b->link, hash_u64(deadline_ms));
        return b;
}

static void leave(struct session_clock *c, struct entry *e)
{
        struct bucket *b = e->bucket;
        if (!b)
                return;
        list_remove(&e->in_bucket);
        e->bucket = NULL;
        if (!list_empty(&b->entries))
                return;
        list_remove(&b->order);
        index_remove(&c->by_deadline, &b->link);
        mem_free(b);
}

static void enter(struct session_clock *c, struct entry *e, uint64_t deadline_ms)
{
        if (e->bucket && e->bucket->deadline_ms == deadline_ms)
                return;
        leave(c, e);
        e->bucket = bucket_get(c, deadline_ms);
        list_push(&e->bucket->entries, &e->in_bucket);
}

void session_clock_add(struct session_clock *c, uint64_t now_ms, int64_t id, int32_t timeout_ms, int64_t owner_sid)
{
        struct entry *e = find(c, id);
        if (e && !e->bucket)
                return; /* closing is final (safety: S2) */
        if (!e) {
                e = mem_zalloc(sizeof *e);
                e->id = id;
                e->owner_sid = SESSION_NO_OWNER;
                list_init(&e->in_bucket);
                index_insert(&c->by_id, &e->link, hash_u64((uint64_t)id));
        }
        if (owner_sid != SESSION_NO_OWNER)
                e->owner_sid = owner_sid;
        e->timeout_ms = timeout_ms;
        enter(c, e, deadline_of(c, now_ms, timeout_ms));
}

void session_clock_remove(struct session_clock *c, int64_t id)
{
        struct entry *e = find(c, id);
        if (!e)
                return;
        leave(c, e);
        index_remove(&c->by_id, &e->link);
        mem_free(e);
}

bool session_clock_touch(struct session_clock *c, uint64_t now_ms, int64_t id, int32_t timeout_ms)
{
        struct entry *e = find_open(c, id);
        if (!e)
                return false;
        uint64_t deadline_ms = deadline_of(c, now_ms, timeout_ms);
        e->timeout_ms = timeout_ms;
        if (deadline_ms > e->bucket->deadline_ms)
                enter(c, e, deadline_ms);
        return true;
}

bool session_clock_touch_again(struct session_clock *c, uint64_t now_ms, int64_t id)
{
        const struct entry *e = find_open(c, id);
        return e && session_clock_touch(c, now_ms, id, e->timeout_ms);
}

bool session_clock_close(struct session_clock *c, int64_t id)
{
        struct entry *e = find(c, id);
        if (!e)
                return false;
        leave(c, e);
        return true;
}

enum session_check session_clock_check(struct session_clock *c, int64_t id, int64_t sid)
{
        struct entry *e = find_open(c, id);
        if (!e)
                return SESSION_EXPIRED;
        if (e->owner_sid == SESSION_NO_OWNER)
                e->owner_sid = sid;
        return e->owner_sid == sid || PLANTED(MOVED_SESSION_WRITES) ? SESSION_VALID : SESSION_MOVED;
}

bool session_clock_set_owner(struct session_clock *c, int64_t id, int64_t sid)
{
        struct entry *e = find_open(c, id);
        if (!e)
                return false;
        e->owner_sid = sid;
        return true;
}

static struct bucket *first_bucket(const struct session_clock *c)
{
        return list_empty(&c->buckets) ? NULL : LIST_ENTRY(c->buckets.next, struct bucket, order);
}

uint64_t session_clock_deadline(const struct session_clock *c)
{
        const struct bucket *b = first_bucket(c);
        return b ? b->deadline_ms : UINT64_MAX;
}

bool session_clock_expire(struct session_clock *c, uint64_t now_ms, int64_t *ret_id)
{
        struct bucket *b = first_bucket(c);
        if (!b || b->deadline_ms > now_ms)
                return false;
        struct entry *e = LIST_ENTRY(b->entries.next, struct entry, in_bucket);
        *ret_id = e->id;
        leave(c, e);
        return true;
}

size_t session_clock_count(const struct session_clock *c)
{
        return c->by_id.count;
}

static size_t bucket_count(const struct bucket *b)
{
        size_t count = 0;
        for (const struct list *l = b->entries.next; l != &b->entries; l = l->next)
                count++;
        return count;
}

static bool bucket_show(const struct bucket *b, const struct session_clock_visitor *v)
{
        if (!v->bucket(v->ctx, b->deadline_ms, bucket_count(b)))
                return false;
        for (const struct list *l = b->entries.next; l != &b->entries; l = l->next)
                if (!v->session(v->ctx, LIST_ENTRY(l, const struct entry, in_bucket)->id))
                        return false;
        return true;
}

void session_clock_show(const struct session_clock *c, const struct session_clock_visitor *v)
{
        for (const struct list *l = c->buckets.next; l != &c->buckets; l = l->next)
                if (!bucket_show(LIST_ENTRY(l, const struct bucket, order), v))
                        return;
}

size_t session_clock_buckets(const struct session_clock *c)
{
        return c->by_deadline.count;
}
