/* See check_stream.h. */
#include "tests/sim/history/check_stream.h"

#include "election/base/alloc.h"

#include <string.h>

/* So many changes of one operation are told apart. */
#define TAKEN_MAX 64

bool check__fires(enum table table, enum change change)
{
        if (table == TABLE_DATA)
                return change == CHANGE_CREATED || change == CHANGE_DELETED || change == CHANGE_DATA;
        return change == CHANGE_DELETED || change == CHANGE_CHILDREN;
}

bool check__is_within(const struct check *c, text_id above, text_id path)
{
        const char *text = history_string(c->h, path), *prefix = history_string(c->h, above);
        size_t len = history_string_len(c->h, above);
        if (path == above || len == 1)
                return true;
        return !strncmp(text, prefix, len) && text[len] == '/';
}

/* ---- streams ---- */

static void add_timeline(struct stream *s, const struct timeline *t)
{
        for (size_t i = 0; i < t->count; i++) {
                const struct version *v = &t->versions[i];
                if (!check__fires(s->table, v->change))
                        continue;
                s->changes = mem_grow(s->changes, &s->capacity, s->count + 1, sizeof *s->changes);
                s->changes[s->count++] =
                        (struct watched_change){.zxid = v->zxid, .by = v->by, .path = t->path, .change = v->change};
        }
}

static int by_zxid_and_operation(const void *ctx, uint32_t a, uint32_t b)
{
        const struct watched_change *x = (const struct watched_change *)ctx + a,
                                    *y = (const struct watched_change *)ctx + b;
        if (x->zxid != y->zxid)
                return x->zxid < y->zxid ? -1 : 1;
        return x->by < y->by ? -1 : x->by > y->by;
}

static void sort(struct stream *s)
{
        uint32_t *order = mem_alloc((s->count + 1) * sizeof *order);
        struct watched_change *sorted = mem_alloc((s->count + 1) * sizeof *sorted);
        for (size_t i = 0; i < s->count; i++)
                order[i] = (uint32_t)i;
        check__sort(order, s->count, s->changes, by_zxid_and_operation);
        for (size_t i = 0; i < s->count; i++)
                sorted[i] = s->changes[order[i]];
        mem_free(order);
        mem_free(s->changes);
        s->changes = sorted;
}

const struct stream *streams_get(struct streams *s, text_id path, enum table table, bool below)
{
        for (size_t i = 0; i < s->count; i++)
                if (s->all[i]->path == path && s->all[i]->table == table && s->all[i]->below == below)
                        return s->all[i];
        struct stream *made = mem_zalloc(sizeof *made);
        made->path = path;
        made->table = table;
        made->below = below;
        for (size_t i = 0; i < s->c->timeline_count; i++) {
                const struct timeline *t = &s->c->timelines[i];
                if (below ? check__is_within(s->c, path, t->path) : t->path == path)
                        add_timeline(made, t);
        }
        sort(made);
        s->all = mem_grow(s->all, &s->capacity, s->count + 1, sizeof *s->all);
        s->all[s->count++] = made;
        return made;
}

void streams_done(struct streams *s)
{
        for (size_t i = 0; i < s->count; i++) {
                mem_free(s->all[i]->changes);
                mem_free(s->all[i]);
        }
        mem_free(s->all);
}

/* ---- cursors ---- */

void cursor_start(struct stream_cursor *k, const struct stream *s, int64_t zxid)
{
        *k = (struct stream_cursor){.stream = s};
        while (k->at < s->count && s->changes[k->at].zxid <= zxid)
                k->at++;
}

static bool same_operation(const struct watched_change *x, const struct watched_change *y)
{
        return x->zxid == y->zxid && x->by == y->by;
}

const struct watched_change *cursor_next(const struct stream_cursor *k)
{
        return k->at < k->stream->count ? &k->stream->changes[k->at] : NULL;
}

/* All of an operation has been told: on to the next. */
static void advance(struct stream_cursor *k)
{
        while (k->taken & 1) {
                k->taken >>= 1;
                k->at++;
        }
}

bool cursor_tell(struct stream_cursor *k, text_id path, enum change change, int64_t zxid)
{
        const struct stream *s = k->stream;
        for (size_t i = k->at; i < s->count && i - k->at < TAKEN_MAX; i++) {
                const struct watched_change *w = &s->changes[i];
                if (!same_operation(w, &s->changes[k->at]))
                        return false;
                if (k->taken >> (i - k->at) & 1 || w->path != path || w->change != change || (zxid && w->zxid != zxid))
                        continue;
                k->taken |= UINT64_C(1) << (i - k->at);
                advance(k);
                return true;
        }
        return false;
}
