/* What can be known without the committed log: acknowledged writes, and those of unknown outcome that somebody read.
 * They become facts of their paths (check_facts_node.c judges them) and the timelines that watches are checked with. */
#include "tests/sim/history/check_facts.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_DIGITS 10

/* A quota's stats change without anybody writing them: nobody can tell what they must be. */
static text_id data_seen(const struct check *c, text_id path, text_id data)
{
        return check__is_comparable(c, path) ? data : TEXT_ABSENT;
}

void facts__add(struct facts *f, enum fact_kind kind, text_id path, int64_t zxid, uint32_t entry, text_id got)
{
        f->facts = mem_grow(f->facts, &f->capacity, f->count + 1, sizeof *f->facts);
        f->facts[f->count++] = (struct fact){.path = path, .zxid = zxid, .kind = kind, .entry = entry, .got = got};
}

/* ---- unknown outcomes that a read reveals ---- */

/* Whether the write could be what stands at this path. */
static bool could_stand(const struct check *c, const struct history_entry *w, text_id path)
{
        text_id subject = check__subject(w);
        if (subject == path)
                return true;
        if (!(w->flags & CREATE_SEQUENTIAL) || w->name)
                return false;
        size_t len = history_string_len(c->h, w->path);
        return history_string_len(c->h, path) == len + SEQUENCE_DIGITS &&
               !memcmp(history_string(c->h, path), history_string(c->h, w->path), len);
}

/* Somebody read this data as of `mzxid`: who wrote it? */
static void reveal(struct check *c, uint32_t reader, text_id path, text_id got, int64_t mzxid)
{
        uint32_t writer = got < c->writer_texts ? c->writer_of[got] : 0;
        if (!writer || writer == UINT32_MAX)
                return;
        writer--;
        const struct history_entry *w = &c->entries[writer], *whole = &c->entries[check__whole(c, writer)];
        uint32_t op = check__whole(c, writer);
        if (whole->kind != HISTORY_OP)
                return;
        if (!could_stand(c, w, path))
                check__find(c, "D2", writer, reader, "it holds what was written elsewhere");
        else if (whole->err && whole->err != HISTORY_UNKNOWN)
                check__find(c, w->kind == HISTORY_SUB ? "S10" : "D2", op, reader, "what it holds was refused with %d",
                            whole->err);
        else if (c->zxid[op] && c->zxid[op] != mzxid)
                check__find(c, "S5", op, reader, "one write is of 0x%" PRIx64 " and of 0x%" PRIx64,
                            (uint64_t)c->zxid[op], (uint64_t)mzxid);
        else if (!c->zxid[op])
                for (uint32_t s = 0; s <= whole->subs; s++)
                        c->zxid[op + s] = mzxid;
}

static void reveal_all(struct check *c)
{
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind == HISTORY_OP && e->verb == VERB_GET && !e->err && e->has_stat && e->got &&
                    !check__is_read_only(c, i))
                        reveal(c, i, e->path, e->got, e->stat.mzxid);
                else if (e->kind == HISTORY_NODE && e->data)
                        reveal(c, i, e->path, e->data, e->stat.mzxid);
        }
}

/* ---- doubts ---- */

static void collect_doubt(struct facts *f, uint32_t i)
{
        const struct check *c = f->c;
        const struct history_entry *e = &c->entries[i], *whole = &c->entries[check__whole(c, i)];
        if (!check__writes(e->verb) || whole->kind != HISTORY_OP || whole->err != HISTORY_UNKNOWN || c->zxid[i] ||
            check__is_read_only(c, i))
                return;
        f->doubts = mem_grow(f->doubts, &f->doubt_capacity, f->doubt_count + 1, sizeof *f->doubts);
        f->doubts[f->doubt_count++] = (struct doubt){
                .path = e->path, .verb = e->verb, .entry = i, .sequential = e->flags & CREATE_SEQUENTIAL};
}

static int by_path(const void *a, const void *b)
{
        const struct doubt *x = a, *y = b;
        if (x->path != y->path)
                return x->path < y->path ? -1 : 1;
        return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* What is asked of doubts. */
struct question {
        enum history_verb verb;
        bool sequential;
        uint8_t flags;  /* 0, or only creates with one of these */
        uint64_t by_us; /* asked for before */
        bool versioned; /* deletions of one of these versions, or of any */
        int32_t least, most;
};

/* When it had happened, at the latest: when it was answered; where the answer was lost, when anybody was who had come
 * so far. The request may have been under way for long after its sender gave it up. */
static uint64_t happened_by(const struct check *c, uint32_t entry)
{
        const struct history_entry *whole = &c->entries[check__whole(c, entry)];
        uint64_t by_us = UINT64_MAX;
        if (whole->kind != HISTORY_OP)
                return by_us;
        if (check__answered(whole))
                return whole->return_us;
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (check__answered(e) && e->zxid >= c->zxid[entry] && e->return_us < by_us &&
                    !check__is_read_only(c, i))
                        by_us = e->return_us;
        }
        return by_us;
}

static size_t count_doubts(const struct facts *f, text_id path, const struct question *q)
{
        const struct history_entry *entries = f->c->entries;
        size_t low = 0, high = f->doubt_count, n = 0;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (f->doubts[middle].path < path)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; path && low < f->doubt_count && f->doubts[low].path == path; low++) {
                const struct doubt *d = &f->doubts[low];
                const struct history_entry *whole = &entries[check__whole(f->c, d->entry)];
                bool earlier = whole->call_us <= q->by_us; /* what was asked later can't have come first */
                bool flagged = !q->flags || entries[d->entry].flags & q->flags;
                int32_t version = entries[d->entry].version;
                bool heeded = !q->versioned || version < 0 || (version >= q->least && version <= q->most);
                n += d->verb == q->verb && d->sequential == q->sequential && flagged && heeded && earlier;
        }
        return n;
}

static size_t count_creates(const struct facts *f, text_id path, uint8_t flags, uint32_t entry)
{
        struct question q = {.verb = VERB_CREATE, .flags = flags, .by_us = happened_by(f->c, entry)};
        const char *text = history_string(f->c->h, path);
        size_t len = history_string_len(f->c->h, path), n = count_doubts(f, path, &q);
        q.sequential = true;
        if (len > SEQUENCE_DIGITS)
                n += count_doubts(f, history__find(f->c->h, text, len - SEQUENCE_DIGITS), &q);
        return n;
}

size_t facts__doubts(const struct facts *f, text_id path, enum history_verb verb, uint32_t entry)
{
        if (verb == VERB_CREATE)
                return count_creates(f, path, 0, entry);
        struct question q = {.verb = verb, .by_us = happened_by(f->c, entry)};
        return count_doubts(f, path, &q);
}

size_t facts__deletions(const struct facts *f, text_id path, uint32_t entry, int32_t least, int32_t most)
{
        struct question q = {.verb = VERB_DELETE,
                             .by_us = happened_by(f->c, entry),
                             .versioned = true,
                             .least = least,
                             .most = most};
        return count_doubts(f, path, &q);
}

bool facts__fleeting(const struct facts *f, text_id path, uint32_t entry, uint8_t flags)
{
        return count_creates(f, path, flags, entry) > 0;
}

/* ---- facts ---- */

static void collect_writes(struct facts *f)
{
        struct check *c = f->c;
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                bool known = c->zxid[i] && check__writes(e->verb);
                bool named = !(e->verb == VERB_CREATE && e->flags & CREATE_SEQUENTIAL && !e->name);
                if (known && named)
                        facts__add(f, FACT_WRITE, check__subject(e), c->zxid[i], i, TEXT_ABSENT);
                if (!known || !named || !(e->flags & CREATE_EPHEMERAL))
                        continue;
                const struct session *s = check__session(c, c->entries[check__whole(c, i)].session);
                if (s->closed_zxid)
                        facts__add(f, FACT_ENDED, e->name ? e->name : e->path, s->closed_zxid, i, TEXT_ABSENT);
        }
}

static int by_zxid(const void *ctx, uint32_t a, uint32_t b)
{
        const struct fact *f = ctx;
        return f[a].zxid < f[b].zxid ? -1 : f[a].zxid > f[b].zxid;
}

/* A change that is known; the rest of its state is not. */
static void note_change(struct check *c, text_id path, const struct fact *f, enum change kind)
{
        if (!path)
                return;
        struct version *v = check__push(check__timeline_make(c, path));
        v->zxid = f->zxid;
        v->by = f->entry;
        v->change = kind;
        v->exists = kind != CHANGE_DELETED;
        v->creations += kind == CHANGE_CHILDREN;
        if (kind == CHANGE_CHILDREN)
                v->child_by = f->entry;
}

/* Sequence numbers count all children ever made, so those that are known are not too many. */
struct numbers {
        long last;
        uint32_t by;
        int since; /* known creations */
        bool any;
};

static void check_number(struct check *c, struct numbers *n, const struct fact *f)
{
        const struct history_entry *e = &c->entries[f->entry];
        n->since++;
        if (!(e->flags & CREATE_SEQUENTIAL))
                return;
        const char *name = history_string(c->h, f->path);
        size_t len = strlen(name);
        long number = len > SEQUENCE_DIGITS ? strtol(name + len - SEQUENCE_DIGITS, NULL, 10) : -1;
        if (n->any && number < n->last + n->since)
                check__find(c, "S11", n->by, f->entry, "sequence number %ld after %ld and %d creations", number,
                            n->last, n->since);
        *n = (struct numbers){.last = number, .by = f->entry, .any = true};
}

/* In the order of zxids over all paths. */
static void make_timelines(struct facts *f)
{
        struct check *c = f->c;
        uint32_t *order = mem_alloc((f->count + 1) * sizeof *order);
        size_t n = 0;
        for (size_t i = 0; i < f->count; i++)
                if (f->facts[i].kind == FACT_WRITE)
                        order[n++] = (uint32_t)i;
        check__sort(order, n, f->facts, by_zxid);
        for (size_t i = 0; i < n; i++) {
                const struct fact *w = &f->facts[order[i]];
                text_id parent = check__timeline_make(c, w->path)->parent;
                if (parent)
                        (void)check__timeline_make(c, parent);
        }
        struct numbers *numbers = mem_zalloc((c->timeline_count + 1) * sizeof *numbers);
        for (size_t i = 0; i < n; i++) {
                const struct fact *w = &f->facts[order[i]];
                enum history_verb verb = c->entries[w->entry].verb;
                text_id parent = check__timeline(c, w->path)->parent;
                if (verb == VERB_SET)
                        note_change(c, w->path, w, CHANGE_DATA);
                if (verb != VERB_CREATE && verb != VERB_DELETE)
                        continue;
                note_change(c, w->path, w, verb == VERB_CREATE ? CHANGE_CREATED : CHANGE_DELETED);
                note_change(c, parent, w, CHANGE_CHILDREN);
                if (verb == VERB_CREATE && parent)
                        check_number(c, &numbers[check__timeline(c, parent) - c->timelines], w);
        }
        mem_free(numbers);
        mem_free(order);
}

/* ---- what was seen ---- */

/* Children of each path of which something is known. */
struct family {
        uint32_t *first; /* by timeline of the parent: index + 1 of a child's timeline */
        uint32_t *next;  /* by timeline of the child */
        uint32_t *stamp; /* by text: the list it was last seen in */
        uint32_t round;
        struct made *made; /* ephemerals, by session */
        size_t made_count, made_capacity;
};

/* An ephemeral that is known to have been made. */
struct made {
        int64_t session;
        text_id path;
        uint32_t entry;
};

static int by_session(const void *a, const void *b)
{
        const struct made *x = a, *y = b;
        if (x->session != y->session)
                return x->session < y->session ? -1 : 1;
        return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void collect_made(const struct facts *f, struct family *y)
{
        const struct check *c = f->c;
        for (size_t i = 0; i < f->count; i++) {
                const struct fact *x = &f->facts[i];
                const struct history_entry *e = &c->entries[x->entry];
                if (x->kind != FACT_WRITE || e->verb != VERB_CREATE || !(e->flags & CREATE_EPHEMERAL))
                        continue;
                y->made = mem_grow(y->made, &y->made_capacity, y->made_count + 1, sizeof *y->made);
                y->made[y->made_count++] =
                        (struct made){c->entries[check__whole(c, x->entry)].session, x->path, x->entry};
        }
        if (y->made_count)
                qsort(y->made, y->made_count, sizeof *y->made, by_session);
}

static void make_family(struct check *c, struct family *y)
{
        y->first = mem_zalloc((c->timeline_count + 1) * sizeof *y->first);
        y->next = mem_zalloc((c->timeline_count + 1) * sizeof *y->next);
        y->stamp = mem_zalloc(((size_t)history_text_end(c->h) + 1) * sizeof *y->stamp);
        for (size_t i = 0; i < c->timeline_count; i++) {
                const struct timeline *t = &c->timelines[i];
                const struct timeline *parent = t->parent ? check__timeline(c, t->parent) : NULL;
                if (!parent)
                        continue;
                y->next[i] = y->first[parent - c->timelines];
                y->first[parent - c->timelines] = (uint32_t)i + 1;
        }
}

static text_id base_name(const struct check *c, text_id path)
{
        const char *text = history_string(c->h, path), *slash = strrchr(text, '/');
        return slash ? history__find(c->h, slash + 1, strlen(slash + 1)) : TEXT_ABSENT;
}

/* A list of children says of each known child whether it was there. */
static void see_children(struct facts *f, struct family *y, uint32_t i)
{
        struct check *c = f->c;
        const struct history_entry *e = &c->entries[i];
        const struct timeline *t = check__timeline(c, e->path);
        if (!t)
                return;
        y->round++;
        for (uint32_t k = 0; k < e->kids.count; k++)
                y->stamp[history_list_at(c->h, &e->kids, k)] = y->round;
        for (uint32_t k = y->first[t - c->timelines]; k; k = y->next[k - 1]) {
                const struct timeline *child = &c->timelines[k - 1];
                text_id name = base_name(c, child->path);
                bool there = name && y->stamp[name] == y->round;
                if (child->count)
                        facts__add(f, there ? FACT_THERE : FACT_GONE, child->path, e->zxid, i, TEXT_ABSENT);
        }
}

/* Which of the nodes that a session is known to have made it still has. */
static void see_ephemerals(struct facts *f, struct family *y, uint32_t i)
{
        struct check *c = f->c;
        const struct history_entry *e = &c->entries[i];
        size_t low = 0, high = y->made_count;
        y->round++;
        for (uint32_t k = 0; k < e->kids.count; k++) {
                text_id path = history_list_at(c->h, &e->kids, k);
                y->stamp[path] = y->round;
                facts__add(f, FACT_OWNED, path, e->zxid, i, TEXT_ABSENT);
        }
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (y->made[middle].session < e->session)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < y->made_count && y->made[low].session == e->session; low++) {
                text_id path = y->made[low].path;
                if (y->stamp[path] == y->round || !check__has_prefix(c, path, e->path))
                        continue;
                y->stamp[path] = y->round;
                facts__add(f, FACT_NOT_OWNED, path, e->zxid, i, TEXT_ABSENT);
        }
}

static void see_final(struct facts *f, struct family *y, uint32_t final)
{
        struct check *c = f->c;
        y->round++;
        uint32_t i = final + 1;
        for (; i < c->count && (c->entries[i].kind == HISTORY_NODE || c->entries[i].kind == HISTORY_SESSION); i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind != HISTORY_NODE)
                        continue;
                y->stamp[e->path] = y->round;
                facts__add(f, FACT_SEEN, e->path, INT64_MAX, i, data_seen(c, e->path, e->data));
        }
        for (size_t t = 0; t < c->timeline_count; t++)
                if (c->timelines[t].count && y->stamp[c->timelines[t].path] != y->round &&
                    history_string_len(c->h, c->timelines[t].path) > 1)
                        facts__add(f, FACT_GONE, c->timelines[t].path, INT64_MAX, final, TEXT_ABSENT);
}

static void collect_seen(struct facts *f)
{
        struct check *c = f->c;
        struct family y = {0};
        make_family(c, &y);
        collect_made(f, &y);
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind == HISTORY_FINAL)
                        see_final(f, &y, i);
                if (e->kind != HISTORY_OP || e->zxid <= 0 || e->err == HISTORY_UNKNOWN || check__is_read_only(c, i))
                        continue;
                if (e->verb == VERB_EPHEMERALS && !e->err)
                        see_ephemerals(f, &y, i);
                if (!check__reads(e->verb) || (e->err && e->err != ZK_NO_NODE))
                        continue;
                if (e->err)
                        facts__add(f, FACT_GONE, e->path, e->zxid, i, TEXT_ABSENT);
                else
                        facts__add(f, e->has_stat ? FACT_SEEN : FACT_THERE, e->path, e->zxid, i,
                                   data_seen(c, e->path, e->got));
                if (!e->err && e->kids.known)
                        see_children(f, &y, i);
        }
        mem_free(y.first);
        mem_free(y.next);
        mem_free(y.stamp);
        mem_free(y.made);
}

/* ---- path by path ---- */

static int by_path_and_zxid(const void *ctx, uint32_t a, uint32_t b)
{
        const struct fact *x = (const struct fact *)ctx + a, *y = (const struct fact *)ctx + b;
        if (x->path != y->path)
                return x->path < y->path ? -1 : 1;
        if (x->zxid != y->zxid)
                return x->zxid < y->zxid ? -1 : 1;
        return (int)x->kind - (int)y->kind;
}

static void judge_paths(struct facts *f)
{
        uint32_t *order = mem_alloc((f->count + 1) * sizeof *order);
        for (size_t i = 0; i < f->count; i++)
                order[i] = (uint32_t)i;
        check__sort(order, f->count, f->facts, by_path_and_zxid);
        for (size_t first = 0, i = 0; i < f->count; i++) {
                if (i + 1 < f->count && f->facts[order[i + 1]].path == f->facts[order[first]].path)
                        continue;
                facts__judge(f, order + first, i + 1 - first);
                first = i + 1;
        }
        mem_free(order);
}

void check__facts(struct check *c)
{
        struct facts f = {.c = c};
        reveal_all(c);
        for (uint32_t i = 0; i < c->count; i++)
                collect_doubt(&f, i);
        if (f.doubt_count)
                qsort(f.doubts, f.doubt_count, sizeof *f.doubts, by_path);
        collect_writes(&f);
        make_timelines(&f);
        collect_seen(&f);
        judge_paths(&f);
        mem_free(f.facts);
        mem_free(f.doubts);
}
