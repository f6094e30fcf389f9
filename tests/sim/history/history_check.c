/* The index of a history, and the checks one after the other. */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FINDING_BYTES 600

void check__find(struct check *c, const char *checker, uint32_t a, uint32_t b, const char *format, ...)
{
        char text[FINDING_BYTES];
        va_list args;
        c->found++;
        if (c->found > HISTORY_FINDINGS_MAX)
                return;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        struct history_finding f = {.checker = checker,
                                    .text = text,
                                    .a = a == ENTRY_NONE ? NULL : &c->entries[a],
                                    .b = b == ENTRY_NONE ? NULL : &c->entries[b]};
        c->report(c->ctx, &f);
}

/* ---- sorting: heap sort, since qsort() hands over no context and its ties are not the same everywhere ---- */

struct sorting {
        uint32_t *at;
        const void *ctx;
        int (*compare)(const void *ctx, uint32_t a, uint32_t b);
};

static bool sorts_before(const struct sorting *s, uint32_t a, uint32_t b)
{
        int order = s->compare(s->ctx, a, b);
        return order ? order < 0 : a < b;
}

static void sift(const struct sorting *s, size_t root, size_t count)
{
        for (size_t child; (child = 2 * root + 1) < count; root = child) {
                if (child + 1 < count && sorts_before(s, s->at[child], s->at[child + 1]))
                        child++;
                if (!sorts_before(s, s->at[root], s->at[child]))
                        return;
                uint32_t swap = s->at[root];
                s->at[root] = s->at[child];
                s->at[child] = swap;
        }
}

void check__sort(uint32_t *entries, size_t count, const void *ctx,
                 int (*compare)(const void *ctx, uint32_t a, uint32_t b))
{
        struct sorting s = {.at = entries, .ctx = ctx, .compare = compare};
        bool sorted = true;
        for (size_t i = 1; sorted && i < count; i++)
                sorted = sorts_before(&s, entries[i - 1], entries[i]);
        if (sorted)
                return;
        for (size_t i = count / 2; i-- > 0;)
                sift(&s, i, count);
        for (size_t i = count; i-- > 1;) {
                uint32_t swap = entries[0];
                entries[0] = entries[i];
                entries[i] = swap;
                sift(&s, 0, i);
        }
}

/* ---- paths ---- */

/* By text: grows with the strings. */
static void *by_text(void *array, size_t *count, text_id text, size_t size)
{
        if (text < *count)
                return array;
        size_t want = *count * 2 > text + 1u ? *count * 2 : text + 64u;
        array = mem_realloc(array, want * size);
        memset((char *)array + *count * size, 0, (want - *count) * size);
        *count = want;
        return array;
}

struct timeline *check__timeline(const struct check *c, text_id path)
{
        uint32_t index = path < c->timeline_texts ? c->timeline_of[path] : 0;
        return index ? &c->timelines[index - 1] : NULL;
}

struct timeline *check__timeline_make(struct check *c, text_id path)
{
        struct timeline *t = check__timeline(c, path);
        if (t)
                return t;
        text_id parent = check__parent(c, path);
        c->timeline_of = by_text(c->timeline_of, &c->timeline_texts, path, sizeof *c->timeline_of);
        c->timelines = mem_grow(c->timelines, &c->timeline_capacity, c->timeline_count + 1, sizeof *c->timelines);
        c->timelines[c->timeline_count] = (struct timeline){.path = path, .parent = parent};
        c->timeline_of[path] = (uint32_t)++c->timeline_count;
        return &c->timelines[c->timeline_count - 1];
}

struct version *check__push(struct timeline *t)
{
        t->versions = mem_grow(t->versions, &t->capacity, t->count + 1, sizeof *t->versions);
        struct version *v = &t->versions[t->count];
        if (t->count)
                *v = t->versions[t->count - 1];
        else
                *v = (struct version){.by = ENTRY_NONE};
        t->count++;
        return v;
}

const struct version *check__at(const struct timeline *t, int64_t zxid)
{
        size_t low = 0, high = t->count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (t->versions[middle].zxid <= zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low ? &t->versions[low - 1] : NULL;
}

text_id check__parent(struct check *c, text_id path)
{
        const char *text = history_string(c->h, path);
        size_t len = history_string_len(c->h, path);
        if (len <= 1)
                return TEXT_ABSENT;
        while (len > 0 && text[len - 1] != '/')
                len--;
        return history_text(c->h, len > 1 ? text : "/", len > 1 ? len - 1 : 1);
}

bool check__has_prefix(const struct check *c, text_id path, text_id prefix)
{
        const size_t len = history_string_len(c->h, prefix);
        return len == 1 || !strncmp(history_string(c->h, path), history_string(c->h, prefix), len);
}

/* ---- entries ---- */

bool check__is_read_only(const struct check *c, uint32_t entry)
{
        const uint32_t conn = c->conn_of[check__whole(c, entry)];
        return conn != ENTRY_NONE && c->conns[conn].read_only;
}

bool check__is_unjudged(const struct check *c, uint32_t entry)
{
        const uint32_t conn = c->conn_of[check__whole(c, entry)];
        return conn != ENTRY_NONE && c->conns[conn].unjudged;
}

bool check__writes(enum history_verb verb)
{
        return verb == VERB_CREATE || verb == VERB_DELETE || verb == VERB_SET || verb == VERB_SET_ACL;
}

uint32_t check__whole(const struct check *c, uint32_t entry)
{
        while (entry > 0 && c->entries[entry].kind == HISTORY_SUB)
                entry--;
        return entry;
}

text_id check__subject(const struct history_entry *e)
{
        return e->verb == VERB_CREATE && e->name ? e->name : e->path;
}

uint64_t check__request_key(int64_t session, int32_t cxid)
{
        return hash_u64(hash_u64((uint64_t)session) + (uint32_t)cxid);
}

uint32_t check__request(const struct check *c, int64_t session, int32_t cxid)
{
        uintptr_t index = (uintptr_t)map_get(&c->requests, check__request_key(session, cxid));
        return index ? (uint32_t)(index - 1) : ENTRY_NONE;
}

struct session *check__session(struct check *c, int64_t id)
{
        uintptr_t index = (uintptr_t)map_get(&c->session_map, (uint64_t)id);
        if (index)
                return &c->sessions[index - 1];
        c->sessions = mem_grow(c->sessions, &c->session_capacity, c->session_count + 1, sizeof *c->sessions);
        c->sessions[c->session_count++] = (struct session){
                .id = id, .opened = ENTRY_NONE, .closed = ENTRY_NONE, .refused = ENTRY_NONE, .begun = ENTRY_NONE};
        map_put(&c->session_map, (uint64_t)id, (void *)c->session_count); // NOLINT(performance-no-int-to-ptr)
        return &c->sessions[c->session_count - 1];
}

static uint32_t conn_index(struct check *c, const struct history_entry *e)
{
        uintptr_t index = (uintptr_t)map_get(&c->conn_map, e->conn);
        if (index)
                return (uint32_t)(index - 1);
        c->conns = mem_grow(c->conns, &c->conn_capacity, c->conn_count + 1, sizeof *c->conns);
        c->conns[c->conn_count++] = (struct conn){.number = e->conn,
                                                  .client = e->client,
                                                  .session = e->session,
                                                  .opened = ENTRY_NONE,
                                                  .lost = ENTRY_NONE,
                                                  .reset = ENTRY_NONE};
        map_put(&c->conn_map, e->conn, (void *)c->conn_count); // NOLINT(performance-no-int-to-ptr)
        return (uint32_t)(c->conn_count - 1);
}

static void note_writer(struct check *c, uint32_t entry)
{
        const struct history_entry *e = &c->entries[entry];
        if ((e->verb != VERB_CREATE && e->verb != VERB_SET) || !e->data)
                return;
        c->writer_of = by_text(c->writer_of, &c->writer_texts, e->data, sizeof *c->writer_of);
        c->writer_of[e->data] = c->writer_of[e->data] ? UINT32_MAX : entry + 1;
}

static void index_op(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        struct conn *k = &c->conns[c->conn_of[i]];
        if (e->verb == VERB_SET_WATCHES && k->reset == ENTRY_NONE)
                k->reset = i;
        if (!e->err && e->zxid > 0 && !k->read_only &&
            (check__writes(e->verb) || e->verb == VERB_MULTI || e->verb == VERB_CLOSE))
                c->zxid[i] = e->zxid;
        for (uint32_t s = 1; s <= e->subs; s++) {
                c->zxid[i + s] = c->zxid[i];
                note_writer(c, i + s);
        }
        note_writer(c, i);
}

static void index_requests(struct check *c)
{
        for (uint32_t i = 0; c->log_known && i < c->count; i++)
                if (c->entries[i].kind == HISTORY_OP && c->entries[i].cxid > 0)
                        map_put(&c->requests, check__request_key(c->entries[i].session, c->entries[i].cxid),
                                (void *)((uintptr_t)i + 1)); // NOLINT(performance-no-int-to-ptr)
}

static void note_begun(struct check *c, uint32_t open)
{
        struct session *s = check__session(c, c->entries[open].session);
        s->read_only = c->entries[open].read_only;
        s->begun = open;
}

static void index_entries(struct check *c)
{
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                c->conn_of[i] = ENTRY_NONE;
                if (e->conn)
                        c->conn_of[i] = conn_index(c, e);
                if (e->kind == HISTORY_OPEN || e->kind == HISTORY_RESUME) {
                        struct conn *k = &c->conns[c->conn_of[i]];
                        k->opened = i;
                        k->session = e->session;
                        k->resumed = e->kind == HISTORY_RESUME;
                        k->read_only = e->read_only;
                        if (e->kind == HISTORY_OPEN)
                                note_begun(c, i);
                } else if (e->kind == HISTORY_LOST) {
                        c->conns[c->conn_of[i]].lost = i;
                } else if (e->kind == HISTORY_OP) {
                        index_op(c, i);
                } else if (e->kind == HISTORY_TXN) {
                        if (!c->log_known)
                                c->log_first = e->zxid;
                        c->log_known = true;
                        c->log_last = e->zxid;
                }
        }
}

/* ---- what had been shown before a call ---- */

static int by_call(const void *ctx, uint32_t a, uint32_t b)
{
        const struct history_entry *e = ctx;
        return e[a].call_us < e[b].call_us ? -1 : e[a].call_us > e[b].call_us;
}

static int by_return(const void *ctx, uint32_t a, uint32_t b)
{
        const struct history_entry *e = ctx;
        return e[a].return_us < e[b].return_us ? -1 : e[a].return_us > e[b].return_us;
}

static void index_shown(struct check *c)
{
        uint32_t *calls = mem_alloc((c->count + 1) * sizeof *calls);
        uint32_t *returns = mem_alloc((c->count + 1) * sizeof *returns);
        size_t call_count = 0, return_count = 0;
        for (uint32_t i = 0; i < c->count; i++) {
                if (c->entries[i].kind != HISTORY_OP)
                        continue;
                calls[call_count++] = i;
                if (check__answered(&c->entries[i]) && c->entries[i].zxid > 0 && !check__is_read_only(c, i))
                        returns[return_count++] = i;
        }
        check__sort(calls, call_count, c->entries, by_call);
        check__sort(returns, return_count, c->entries, by_return);
        int64_t newest = 0;
        uint32_t newest_by = ENTRY_NONE;
        for (size_t i = 0, r = 0; i < call_count; i++) {
                for (; r < return_count && c->entries[returns[r]].return_us < c->entries[calls[i]].call_us; r++) {
                        if (c->entries[returns[r]].zxid <= newest)
                                continue;
                        newest = c->entries[returns[r]].zxid;
                        newest_by = returns[r];
                }
                c->shown[calls[i]] = newest;
                c->shown_by[calls[i]] = newest_by;
        }
        mem_free(calls);
        mem_free(returns);
}

/* ---- all of it ---- */

static void check_done(struct check *c)
{
        for (size_t i = 0; i < c->timeline_count; i++)
                mem_free(c->timelines[i].versions);
        mem_free(c->timelines);
        mem_free(c->timeline_of);
        mem_free(c->writer_of);
        mem_free(c->zxid);
        mem_free(c->shown);
        mem_free(c->shown_by);
        mem_free(c->conn_of);
        mem_free(c->conns);
        mem_free(c->sessions);
        map_done(&c->conn_map);
        map_done(&c->session_map);
        map_done(&c->requests);
}

size_t history_check(struct history *h, void (*report)(void *ctx, const struct history_finding *f), void *ctx)
{
        size_t n = history_count(h);
        assert(n < UINT32_MAX);
        struct check c = {.h = h, .report = report, .ctx = ctx, .count = (uint32_t)n, .entries = h->entries};
        c.zxid = mem_zalloc((n + 1) * sizeof *c.zxid);
        c.shown = mem_zalloc((n + 1) * sizeof *c.shown);
        c.shown_by = mem_zalloc((n + 1) * sizeof *c.shown_by);
        c.conn_of = mem_zalloc((n + 1) * sizeof *c.conn_of);
        map_init(&c.conn_map);
        map_init(&c.session_map);
        map_init(&c.requests);
        index_entries(&c);
        index_requests(&c);
        index_shown(&c);
        check__read_only(&c);
        check__sessions(&c);
        if (c.log_known) {
                check__log(&c);
                check__answers(&c);
                check__rights(&c);
        } else {
                check__facts(&c);
        }
        check__who(&c);
        check__refusals(&c);
        check__expiry(&c);
        check__order(&c);
        check__watches(&c);
        check__finals(&c);
        check_done(&c);
        return c.found;
}

/* ---- as a verdict ---- */

struct judging {
        struct history *h;
        struct verdict *verdict;
        uint64_t at_ms;
};

static void judge(void *ctx, const struct history_finding *f)
{
        struct judging *j = ctx;
        char a[VERDICT_TEXT_BYTES / 3] = "", b[VERDICT_TEXT_BYTES / 3] = "";
        if (f->a)
                (void)history_line(j->h, f->a, a, sizeof a);
        if (f->b)
                (void)history_line(j->h, f->b, b, sizeof b);
        verdict_break(j->verdict, j->at_ms, f->checker, "%s\n  %s\n  %s", f->text, a, b);
}

bool history_judge(struct history *h, uint64_t at_ms, struct verdict *ret)
{
        struct judging j = {.h = h, .verdict = ret, .at_ms = at_ms};
        return history_check(h, judge, &j) == 0;
}
