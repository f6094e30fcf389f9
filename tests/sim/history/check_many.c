/* Answers about several nodes at a time, against the timelines of the log: how many are below one, and which are those
 * of a session (D4). */
#include "tests/sim/history/check_stream.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdlib.h>

/* A node that a session has made some day. */
struct owned {
        int64_t session;
        uint32_t timeline;
};

struct many {
        struct check *c;
        struct streams streams;
        text_id *stood; /* before the first transaction */
        size_t stood_count, stood_capacity;
        struct owned *owned; /* by session */
        size_t owned_count, owned_capacity;
};

static int by_session(const void *a, const void *b)
{
        const struct owned *x = a, *y = b;
        if (x->session != y->session)
                return x->session < y->session ? -1 : 1;
        return x->timeline < y->timeline ? -1 : x->timeline > y->timeline;
}

/* Each node once for each session. */
static void sort_owned(struct many *m)
{
        size_t kept = 0;
        if (m->owned_count)
                qsort(m->owned, m->owned_count, sizeof *m->owned, by_session);
        for (size_t i = 0; i < m->owned_count; i++)
                if (!kept || by_session(&m->owned[i], &m->owned[kept - 1]))
                        m->owned[kept++] = m->owned[i];
        m->owned_count = kept;
}

static void add_owned(struct many *m, uint32_t timeline)
{
        const struct timeline *t = &m->c->timelines[timeline];
        for (size_t i = 0; i < t->count; i++) {
                const struct version *v = &t->versions[i];
                if (v->change != CHANGE_CREATED || !v->stat.owner || v->container)
                        continue;
                m->owned = mem_grow(m->owned, &m->owned_capacity, m->owned_count + 1, sizeof *m->owned);
                m->owned[m->owned_count++] = (struct owned){.session = v->stat.owner, .timeline = timeline};
        }
}

struct many *many_new(struct check *c)
{
        struct many *m = mem_zalloc(sizeof *m);
        m->c = c;
        m->streams.c = c;
        for (size_t i = 0; i < c->timeline_count; i++) {
                const struct timeline *t = &c->timelines[i];
                add_owned(m, (uint32_t)i);
                if (!t->count || !t->versions[0].exists || t->versions[0].change != CHANGE_NONE)
                        continue;
                m->stood = mem_grow(m->stood, &m->stood_capacity, m->stood_count + 1, sizeof *m->stood);
                m->stood[m->stood_count++] = t->path;
        }
        sort_owned(m);
        return m;
}

void many_free(struct many *m)
{
        streams_done(&m->streams);
        mem_free(m->stood);
        mem_free(m->owned);
        mem_free(m);
}

int32_t many_below(struct many *m, text_id path, int64_t zxid)
{
        const struct stream *s = streams_get(&m->streams, path, TABLE_DATA, true);
        int32_t n = 0;
        for (size_t i = 0; i < m->stood_count; i++)
                n += m->stood[i] != path && check__is_within(m->c, path, m->stood[i]);
        for (size_t i = 0; i < s->count && s->changes[i].zxid <= zxid; i++)
                if (s->changes[i].path != path)
                        n += (s->changes[i].change == CHANGE_CREATED) - (s->changes[i].change == CHANGE_DELETED);
        return n;
}

/* Whether it was there then, of this session. */
static bool is_own(const struct timeline *t, int64_t session, int64_t zxid)
{
        const struct version *v = check__at(t, zxid);
        return v && v->exists && v->stat.owner == session && !v->container;
}

static size_t first_owned(const struct many *m, int64_t session)
{
        size_t low = 0, high = m->owned_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (m->owned[middle].session < session)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

void many_check_ephemerals(struct many *m, uint32_t i)
{
        struct check *c = m->c;
        const struct history_entry *e = &c->entries[i];
        uint64_t listed = 0, had = 0;
        uint32_t count = 0;
        for (uint32_t k = 0; k < e->kids.count; k++)
                listed += c->h->texts[history_list_at(c->h, &e->kids, k)].hash;
        for (size_t k = first_owned(m, e->session); k < m->owned_count && m->owned[k].session == e->session; k++) {
                const struct timeline *t = &c->timelines[m->owned[k].timeline];
                if (!is_own(t, e->session, e->zxid) || !check__has_prefix(c, t->path, e->path))
                        continue;
                had += c->h->texts[t->path].hash;
                count++;
        }
        if (count != e->kids.count || had != listed)
                check__find(c, "D4", i, ENTRY_NONE, "it had %" PRIu32 " other nodes at 0x%" PRIx64, count,
                            (uint64_t)e->zxid);
}
