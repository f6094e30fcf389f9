/* The replicated session table. Its size is bounded by the sessions the ensemble has agreed on. */
#include "election/session/session.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/session/index.h"

struct session {
        struct index_link link;
        int32_t timeout_ms;
        int64_t id;
};

struct session_table {
        struct index sessions;
};

struct session_table *session_table_new(void)
{
        return mem_zalloc(sizeof(struct session_table));
}

static void session_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct session, link));
}

void session_table_free(struct session_table *t)
{
        if (!t)
                return;
        index_each(&t->sessions, session_free, NULL);
        index_done(&t->sessions);
        mem_free(t);
}

static struct session *find(const struct session_table *t, int64_t id)
{
        struct index_link *l = index_first(&t->sessions, hash_u64((uint64_t)id));
        for (; l; l = index_next(l)) {
                struct session *s = INDEX_ENTRY(l, struct session, link);
                if (s->id == id)
                        return s;
        }
        return NULL;
}

void session_table_add(struct session_table *t, int64_t id, int32_t timeout_ms)
{
        struct session *s = find(t, id);
        if (!s) {
                s = mem_zalloc(sizeof *s);
                s->id = id;
                index_insert(&t->sessions, &s->link, hash_u64((uint64_t)id));
        }
        s->timeout_ms = timeout_ms;
}

bool session_table_remove(struct session_table *t, int64_t id)
{
        struct session *s = find(t, id);
        if (!s)
                return false;
        index_remove(&t->sessions, &s->link);
        mem_free(s);
        return true;
}

bool session_table_find(const struct session_table *t, int64_t id, int32_t *ret_timeout_ms)
{
        const struct session *s = find(t, id);
        if (s && ret_timeout_ms)
                *ret_timeout_ms = s->timeout_ms;
        return s != NULL;
}

size_t session_table_count(const struct session_table *t)
{
        return t->sessions.count;
}

struct each {
        void (*fn)(void *ctx, int64_t id, int32_t timeout_ms);
        void *ctx;
};

static void each_session(void *ctx, struct index_link *l)
{
        const struct each *each = ctx;
        const struct session *s = INDEX_ENTRY(l, struct session, link);
        each->fn(each->ctx, s->id, s->timeout_ms);
}

void session_table_each(const struct session_table *t, void (*fn)(void *ctx, int64_t id, int32_t timeout_ms), void *ctx)
{
        struct each each = {.fn = fn, .ctx = ctx};
        index_each(&t->sessions, each_session, &each);
}
