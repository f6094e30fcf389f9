/* Watches: each connection's registrations, the events it got, and the changes that must have fired them (safety W1 to
 * W6). With the log all changes are known; without it those that are acknowledged or were read. */
#include "tests/sim/history/check_stream.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>
#include <string.h>

/* A registration. */
struct armed {
        text_id path;
        enum table table;
        enum history_watch mode; /* HISTORY_WATCH_NONE: goes with its first event */
        int64_t zxid;            /* of the read it came with */
        uint32_t by;             /* that read, or the setWatches */
        int64_t due;             /* next change that is to fire it, INT64_MAX: none is known */
        uint32_t due_by;         /* entry */
        enum change change;
        bool late;                   /* found: one event came too late, or was another than was due */
        struct stream_cursor cursor; /* of those that stay */
};

/* An event that setWatches itself may have sent. */
struct early {
        text_id path;
        enum change type;
        uint32_t entry;
        bool used;
};

struct watching {
        struct check *c;
        struct streams *streams;
        const struct conn *conn;
        struct armed *armed;
        size_t count, capacity;
        struct early *early; /* events before the answer to setWatches that no registration explains */
        size_t early_count, early_capacity;
        uint32_t *past; /* events that have come, for telling W1 from W6 */
        size_t past_count, past_capacity;
        int64_t next_due; /* the earliest of all */
        int64_t newest;   /* zxid an event told of */
        uint32_t newest_by;
        bool reset_done;
};

/* ---- changes ---- */

static void find_due(const struct check *c, struct armed *a)
{
        const struct timeline *t = check__timeline(c, a->path);
        const struct version *at = t ? check__at(t, a->zxid) : NULL;
        size_t after = at ? (size_t)(at - t->versions) + 1 : 0;
        a->due = INT64_MAX;
        a->due_by = ENTRY_NONE;
        if (!t || after >= t->count || t->versions[after].next[a->table] == ENTRY_NONE)
                return;
        const struct version *v = &t->versions[t->versions[after].next[a->table]];
        a->due = v->zxid;
        a->due_by = v->by;
        a->change = v->change;
}

/* So that the change a watch waits for is found at once, however many others stand before it. */
static void link_changes(struct check *c)
{
        for (size_t k = 0; k < c->timeline_count; k++) {
                const struct timeline *t = &c->timelines[k];
                uint32_t next[2] = {ENTRY_NONE, ENTRY_NONE};
                for (size_t i = t->count; i-- > 0;)
                        for (int table = 0; table < 2; table++) {
                                if (check__fires((enum table)table, t->versions[i].change))
                                        next[table] = (uint32_t)i;
                                t->versions[i].next[table] = next[table];
                        }
        }
}

/* ---- registrations ---- */

/* Whether it is told of what this event says. */
static bool is_told(const struct check *c, const struct armed *a, const struct history_entry *e)
{
        if (!check__fires(a->table, (enum change)e->event))
                return false;
        return a->mode == HISTORY_WATCH_RECURSIVE ? check__is_within(c, a->path, e->path) : a->path == e->path;
}

static void next_due(struct watching *w)
{
        w->next_due = INT64_MAX;
        for (size_t i = 0; i < w->count; i++)
                if (w->armed[i].due < w->next_due)
                        w->next_due = w->armed[i].due;
}

static void disarm(struct watching *w, size_t index)
{
        w->armed[index] = w->armed[--w->count];
        next_due(w);
}

/* What one that stays is to be told of next. */
static void find_next(struct armed *a)
{
        const struct watched_change *next = a->late ? NULL : cursor_next(&a->cursor);
        a->due = next ? next->zxid : INT64_MAX;
        a->due_by = next ? next->by : ENTRY_NONE;
        a->change = next ? next->change : CHANGE_NONE;
}

static size_t find_armed(const struct watching *w, text_id path, enum table table, enum history_watch mode)
{
        for (size_t i = 0; i < w->count; i++)
                if (w->armed[i].path == path && w->armed[i].table == table && w->armed[i].mode == mode)
                        return i;
        return SIZE_MAX;
}

/* Several registrations of one kind on one path are one. */
static void arm(struct watching *w, text_id path, enum table table, enum history_watch mode, uint32_t by)
{
        if (find_armed(w, path, table, mode) != SIZE_MAX)
                return;
        struct armed a = {.path = path, .table = table, .mode = mode, .zxid = w->c->entries[by].zxid, .by = by};
        if (mode == HISTORY_WATCH_NONE) {
                find_due(w->c, &a);
        } else {
                cursor_start(&a.cursor, streams_get(w->streams, path, table, mode == HISTORY_WATCH_RECURSIVE), a.zxid);
                find_next(&a);
        }
        w->armed = mem_grow(w->armed, &w->capacity, w->count + 1, sizeof *w->armed);
        w->armed[w->count++] = a;
        if (a.due < w->next_due)
                w->next_due = a.due;
}

static void arm_to_stay(struct watching *w, text_id path, enum history_watch mode, uint32_t by)
{
        arm(w, path, TABLE_DATA, mode, by);
        if (mode == HISTORY_WATCH_PERSISTENT)
                arm(w, path, TABLE_CHILD, mode, by);
}

/* Whether removeWatches of this kind takes it away. */
static bool is_of_kind(const struct armed *a, enum history_watch kind)
{
        switch (kind) {
        case HISTORY_WATCH_CHILDREN:
                return a->mode == HISTORY_WATCH_NONE && a->table == TABLE_CHILD;
        case HISTORY_WATCH_DATA:
                return a->mode == HISTORY_WATCH_NONE && a->table == TABLE_DATA;
        case HISTORY_WATCH_ANY:
                return true;
        default:
                return a->mode == kind;
        }
}

/* Events stand in one line with answers, so what is armed here is just what the server has. */
static void remove_watches(struct watching *w, uint32_t reply)
{
        const struct history_entry *e = &w->c->entries[reply];
        bool found = false;
        for (size_t i = 0; i < w->count;) {
                if (w->armed[i].path != e->path || !is_of_kind(&w->armed[i], (enum history_watch)e->mode)) {
                        i++;
                        continue;
                }
                if (e->err == ZK_NO_WATCHER && !found)
                        check__find(w->c, "W5", w->armed[i].by, reply, "the watch is gone, and was told of nothing");
                found = true;
                disarm(w, i);
        }
        if (!e->err && !found)
                check__find(w->c, "W6", reply, ENTRY_NONE, "a watch was removed that nobody had set");
}

static void check_watches(struct watching *w, uint32_t reply)
{
        const struct history_entry *e = &w->c->entries[reply];
        uint32_t by = ENTRY_NONE;
        for (size_t i = 0; i < w->count && by == ENTRY_NONE; i++)
                if (w->armed[i].path == e->path && is_of_kind(&w->armed[i], (enum history_watch)e->mode))
                        by = w->armed[i].by;
        if (e->err && by != ENTRY_NONE)
                check__find(w->c, "W5", by, reply, "the watch is said to be gone, and was told of nothing");
        else if (!e->err && by == ENTRY_NONE)
                check__find(w->c, "W6", reply, ENTRY_NONE, "a watch is said to be there that nobody had set");
}

/* An answer shows a change, and the event did not come before it. */
static void check_overdue(struct watching *w, uint32_t reply)
{
        int64_t zxid = w->c->entries[reply].zxid;
        for (size_t i = 0; zxid >= w->next_due && i < w->count;) {
                struct armed a = w->armed[i];
                if (a.due > zxid) {
                        i++;
                        continue;
                }
                bool comes = false;
                for (uint32_t k = reply + 1; k < w->c->count && !comes; k++) {
                        const struct history_entry *e = &w->c->entries[k];
                        comes = e->kind == HISTORY_EVENT && e->conn == w->conn->number && is_told(w->c, &a, e);
                }
                check__find(w->c, comes ? "W3" : "W5", a.by, reply,
                            "the watch on %s was to be told of 0x%" PRIx64 " (line %" PRIu32 ") before this answer",
                            history_string(w->c->h, a.path), (uint64_t)a.due,
                            a.due_by == ENTRY_NONE ? 0 : w->c->entries[a.due_by].line);
                if (comes || a.mode != HISTORY_WATCH_NONE) {
                        w->armed[i].due = INT64_MAX;
                        w->armed[i++].late = true;
                        next_due(w);
                } else {
                        disarm(w, i);
                }
        }
}

/* ---- setWatches ---- */

/* What it must answer at once for a path of this list, by the state at its zxid. CHANGE_NONE: it is armed. Returns
 * false when that is not known. */
static bool answer_at_once(const struct check *c, text_id path, int list, const struct history_entry *e,
                           enum change *ret)
{
        enum { LIST_DATA, LIST_EXIST };
        const struct timeline *t = check__timeline(c, path);
        const struct version *v = t ? check__at(t, e->zxid) : NULL;
        *ret = CHANGE_NONE;
        if (!c->log_known && !v)
                return false;
        bool there = v && v->exists;
        if (!c->log_known) {
                /* A known change since then: which event tells of it may depend on what is not known. */
                if (list == LIST_EXIST)
                        return false;
                for (size_t i = 0; i <= (size_t)(v - t->versions); i++)
                        if (t->versions[i].zxid > e->seen &&
                            check__fires(list == LIST_DATA ? TABLE_DATA : TABLE_CHILD, t->versions[i].change))
                                *ret = list == LIST_DATA ? CHANGE_DATA : CHANGE_CHILDREN;
                return *ret != CHANGE_NONE;
        }
        if (list == LIST_EXIST)
                *ret = there ? CHANGE_CREATED : CHANGE_NONE;
        else if (!there)
                *ret = CHANGE_DELETED;
        else if (list == LIST_DATA)
                *ret = v->stat.mzxid > e->seen ? CHANGE_DATA : CHANGE_NONE;
        else
                *ret = v->stat.pzxid > e->seen ? CHANGE_CHILDREN : CHANGE_NONE;
        return true;
}

/* Takes an event of this path that came with setWatches; CHANGE_NONE: of any type that fits the list. */
static bool take_early(struct watching *w, text_id path, enum change type, int list)
{
        for (size_t i = 0; i < w->early_count; i++) {
                struct early *y = &w->early[i];
                bool fits = type != CHANGE_NONE ? y->type == type || (!w->c->log_known && y->type == CHANGE_DELETED)
                            : list == 2         ? y->type == CHANGE_CHILDREN || y->type == CHANGE_DELETED
                            : list == 1         ? y->type == CHANGE_CREATED
                                                : y->type == CHANGE_DATA || y->type == CHANGE_DELETED;
                if (y->used || y->path != path || !fits)
                        continue;
                y->used = true;
                return true;
        }
        return false;
}

static void reset_path(struct watching *w, uint32_t reply, text_id path, int list)
{
        const struct history_entry *e = &w->c->entries[reply];
        enum change expected;
        bool known = answer_at_once(w->c, path, list, e, &expected);
        bool came = (!known || expected != CHANGE_NONE) && take_early(w, path, expected, list);
        if (known && expected != CHANGE_NONE && !came)
                check__find(w->c, "W5", reply, ENTRY_NONE, "%s changed since 0x%" PRIx64 ", and no event says so",
                            history_string(w->c->h, path), (uint64_t)e->seen);
        else if (!came)
                arm(w, path, list == 2 ? TABLE_CHILD : TABLE_DATA, HISTORY_WATCH_NONE, reply);
}

static void reset(struct watching *w, uint32_t reply)
{
        const struct history_entry *e = &w->c->entries[reply];
        for (int list = 0; list < 3; list++)
                for (uint32_t k = 0; k < e->watched[list].count; k++)
                        reset_path(w, reply, history_list_at(w->c->h, &e->watched[list], k), list);
        for (int list = 3; list < HISTORY_WATCHED_MAX; list++)
                for (uint32_t k = 0; k < e->watched[list].count; k++)
                        arm_to_stay(w, history_list_at(w->c->h, &e->watched[list], k),
                                    list == 3 ? HISTORY_WATCH_PERSISTENT : HISTORY_WATCH_RECURSIVE, reply);
        for (size_t i = 0; i < w->early_count; i++)
                if (!w->early[i].used)
                        check__find(w->c, "W6", reply, w->early[i].entry, "nothing of that kind had happened to it");
        w->early_count = 0;
        w->reset_done = true;
}

/* ---- events ---- */

static bool is_listed(const struct check *c, const struct history_entry *reset, text_id path)
{
        for (int list = 0; list < 3; list++)
                for (uint32_t k = 0; k < reset->watched[list].count; k++)
                        if (history_list_at(c->h, &reset->watched[list], k) == path)
                                return true;
        return false;
}

/* Before the answer to setWatches its own events come. */
static bool may_be_early(const struct watching *w, const struct history_entry *e)
{
        if (w->conn->reset == ENTRY_NONE || w->reset_done)
                return false;
        return is_listed(w->c, &w->c->entries[w->conn->reset], e->path);
}

static void unexpected(struct watching *w, uint32_t i)
{
        const struct history_entry *e = &w->c->entries[i];
        for (size_t k = w->past_count; k > 0; k--)
                if (w->c->entries[w->past[k - 1]].path == e->path) {
                        check__find(w->c, "W1", w->past[k - 1], i, "a second event of one registration");
                        return;
                }
        check__find(w->c, "W6", i, ENTRY_NONE, "an event that nobody watches for");
}

/* Events come in the order of the changes. */
static void check_turn(struct watching *w, int64_t zxid, uint32_t i)
{
        if (zxid < w->newest)
                check__find(w->c, "W4", w->newest_by, i, "it tells of 0x%" PRIx64 " after 0x%" PRIx64, (uint64_t)zxid,
                            (uint64_t)w->newest);
        if (zxid > w->newest) {
                w->newest = zxid;
                w->newest_by = i;
        }
}

/* The registration that an event answers has its change. */
static void check_cause(struct watching *w, const struct armed *a, uint32_t i)
{
        const struct history_entry *e = &w->c->entries[i];
        if (a->late || !w->c->log_known)
                return; /* found before, or perhaps caused by a write that nobody read */
        if (a->due == INT64_MAX || a->change != (enum change)e->event || (e->zxid && e->zxid != a->due))
                check__find(w->c, "W6", a->by, i, "no change of that kind came first after 0x%" PRIx64,
                            (uint64_t)a->zxid);
        else
                check_turn(w, a->due, i);
}

/* The same for one that stays, which goes on to its next change. */
static void check_next(struct watching *w, struct armed *a, uint32_t i)
{
        const struct history_entry *e = &w->c->entries[i];
        const int64_t due = a->due;
        if (cursor_tell(&a->cursor, e->path, (enum change)e->event, e->zxid)) {
                if (w->c->log_known && !a->late)
                        check_turn(w, due, i);
        } else if (w->c->log_known && !a->late) {
                check__find(w->c, "W6", a->by, i, "its watch was to be told of 0x%" PRIx64 " next (line %" PRIu32 ")",
                            due == INT64_MAX ? 0 : (uint64_t)due,
                            a->due_by == ENTRY_NONE ? 0 : w->c->entries[a->due_by].line);
                a->late = true;
        }
        find_next(a);
        next_due(w);
}

/* One event answers all registrations that are told of it: one that stays, one that does not, and of a deletion one on
 * children too. */
static void take_event(struct watching *w, uint32_t i)
{
        const struct history_entry *e = &w->c->entries[i];
        bool explained = false;
        for (size_t k = 0; k < w->count;) {
                if (!is_told(w->c, &w->armed[k], e)) {
                        k++;
                        continue;
                }
                if (w->armed[k].mode != HISTORY_WATCH_NONE) {
                        check_next(w, &w->armed[k++], i);
                } else {
                        check_cause(w, &w->armed[k], i);
                        disarm(w, k);
                }
                explained = true;
        }
        if (!explained && may_be_early(w, e)) {
                w->early = mem_grow(w->early, &w->early_capacity, w->early_count + 1, sizeof *w->early);
                w->early[w->early_count++] = (struct early){.path = e->path, .type = (enum change)e->event, .entry = i};
        } else if (!explained) {
                unexpected(w, i);
        }
        w->past = mem_grow(w->past, &w->past_capacity, w->past_count + 1, sizeof *w->past);
        w->past[w->past_count++] = i;
}

/* ---- a connection, entry by entry ---- */

static void take_reply(struct watching *w, uint32_t i)
{
        const struct history_entry *e = &w->c->entries[i];
        if (!check__answered(e) || e->zxid <= 0)
                return;
        check_overdue(w, i);
        if (e->verb == VERB_SET_WATCHES && !e->err && i == w->conn->reset)
                reset(w, i);
        else if (e->verb == VERB_ADD_WATCH && !e->err)
                arm_to_stay(w, e->path, (enum history_watch)e->mode, i);
        else if (e->verb == VERB_REMOVE_WATCHES && (!e->err || e->err == ZK_NO_WATCHER))
                remove_watches(w, i);
        else if (e->verb == VERB_CHECK_WATCHES && (!e->err || e->err == ZK_NO_WATCHER))
                check_watches(w, i);
        else if (e->watch && e->verb == VERB_CHILDREN && !e->err)
                arm(w, e->path, TABLE_CHILD, HISTORY_WATCH_NONE, i);
        else if (e->watch &&
                 ((e->verb == VERB_GET && !e->err) || (e->verb == VERB_EXISTS && (!e->err || e->err == ZK_NO_NODE))))
                arm(w, e->path, TABLE_DATA, HISTORY_WATCH_NONE, i);
}

void check__watches(struct check *c)
{
        struct streams streams = {.c = c};
        link_changes(c);
        struct watching *all = mem_zalloc((c->conn_count + 1) * sizeof *all);
        for (size_t i = 0; i < c->conn_count; i++)
                all[i] = (struct watching){.c = c,
                                           .streams = &streams,
                                           .conn = &c->conns[i],
                                           .next_due = INT64_MAX,
                                           .newest_by = ENTRY_NONE};
        for (uint32_t i = 0; i < c->count; i++) {
                if (check__is_unjudged(c, i))
                        continue; /* check_read_only.c: nothing may have happened there */
                if (c->entries[i].kind == HISTORY_OP)
                        take_reply(&all[c->conn_of[i]], i);
                else if (c->entries[i].kind == HISTORY_EVENT)
                        take_event(&all[c->conn_of[i]], i);
        }
        for (size_t i = 0; i < c->conn_count; i++) {
                mem_free(all[i].armed);
                mem_free(all[i].early);
                mem_free(all[i].past);
        }
        mem_free(all);
        streams_done(&streams);
}
