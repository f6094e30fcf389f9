/* Sessions and what each was told, answer after answer (safety S1, S2, S4, S5, S7, S8, S9). */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>

/* Clocks may run this much apart, in percent; a session that ended earlier than that was ended early. */
#define CLOCK_SLACK_PERCENT 25

/* What a connection or a session has been shown. */
struct seen {
        int64_t zxid;
        uint32_t by;
        int32_t cxid;
        uint32_t cxid_by;
        int64_t sync_floor;
        uint32_t sync_by;
};

/* ---- what became of each session ---- */

static void note_open(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        struct session *s = check__session(c, e->session);
        if (e->kind == HISTORY_OPEN && s->opened != ENTRY_NONE)
                check__find(c, "S1", s->opened, i, "session id 0x%" PRIx64 " was handed out twice",
                            (uint64_t)e->session);
        if (e->kind == HISTORY_OPEN && s->opened == ENTRY_NONE)
                s->opened = i;
        if (e->timeout_ms)
                s->timeout_ms = e->timeout_ms;
        if (e->wrong)
                check__find(c, "S6", i, s->opened, "session 0x%" PRIx64 " was resumed with a password that is not its",
                            (uint64_t)e->session);
}

static void note_refused(struct check *c, uint32_t i)
{
        struct session *s = check__session(c, c->entries[i].session);
        if (s->refused == ENTRY_NONE || c->entries[s->refused].return_us > c->entries[i].return_us)
                s->refused = i;
}

static void note_op(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        struct session *s = check__session(c, e->session);
        s->close_asked |= e->verb == VERB_CLOSE;
        if (e->err == ZK_SESSION_EXPIRED) {
                note_refused(c, i);
        } else if (e->verb == VERB_CLOSE) {
                if (!e->err && s->closed == ENTRY_NONE) {
                        s->closed = i;
                        s->closed_zxid = s->read_only ? 0 : e->zxid;
                }
        } else if (check__answered(e) && e->zxid > s->alive_zxid) {
                s->alive_zxid = e->zxid;
        }
}

static void note_sessions(struct check *c)
{
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind == HISTORY_OPEN || e->kind == HISTORY_RESUME) {
                        note_open(c, i);
                } else if (e->kind == HISTORY_REFUSE && !e->wrong && e->session) {
                        note_refused(c, i);
                } else if (e->kind == HISTORY_OP) {
                        note_op(c, i);
                } else if (e->kind == HISTORY_SESSION) {
                        check__session(c, e->session)->alive_zxid = INT64_MAX; /* to the end */
                }
        }
}

/* ---- the end of a session ---- */

static void check_ended(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const struct session *s = check__session(c, e->session);
        const uint32_t ends[] = {s->closed, s->refused};
        if (e->kind == HISTORY_OP && (e->err || i == s->closed))
                return;
        for (int k = 0; k < 2; k++)
                if (ends[k] != ENTRY_NONE && e->call_us > c->entries[ends[k]].return_us) {
                        check__find(c, "S2", ends[k], i, "session 0x%" PRIx64 " had ended and was served",
                                    (uint64_t)e->session);
                        return;
                }
        if (s->closed_zxid && c->zxid[i] > s->closed_zxid)
                check__find(c, "S2", s->closed, i, "session 0x%" PRIx64 " was closed at 0x%" PRIx64 " and wrote later",
                            (uint64_t)e->session, (uint64_t)s->closed_zxid);
}

/* ---- expiry ---- */

/* When each session was known to be over, by whom. */
struct over {
        uint32_t by;
        uint64_t at_us;
};

static int by_reply_zxid(const void *ctx, uint32_t a, uint32_t b)
{
        const struct history_entry *e = ctx;
        return e[a].zxid < e[b].zxid ? -1 : e[a].zxid > e[b].zxid;
}

/* The first answer, in time, that shows a state without the session. */
static void find_over_by_log(const struct check *c, struct over *over)
{
        uint32_t *replies = mem_alloc((c->count + 1) * sizeof *replies);
        size_t n = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (check__answered(&c->entries[i]) && c->entries[i].zxid > 0 && !check__is_read_only(c, i))
                        replies[n++] = i;
        check__sort(replies, n, c->entries, by_reply_zxid);
        uint32_t *earliest = mem_alloc((n + 1) * sizeof *earliest); /* of this one and those behind it */
        earliest[n] = ENTRY_NONE;
        for (size_t i = n; i-- > 0;) {
                uint32_t next = earliest[i + 1];
                bool first = next == ENTRY_NONE || c->entries[replies[i]].return_us < c->entries[next].return_us;
                earliest[i] = first ? replies[i] : next;
        }
        for (size_t s = 0; s < c->session_count; s++) {
                size_t low = 0, high = n;
                while (low < high) {
                        size_t middle = (low + high) / 2;
                        if (c->entries[replies[middle]].zxid < c->sessions[s].gone_zxid)
                                low = middle + 1;
                        else
                                high = middle;
                }
                uint32_t by = c->sessions[s].gone_zxid ? earliest[low] : ENTRY_NONE;
                if (by != ENTRY_NONE && c->entries[by].return_us < over[s].at_us)
                        over[s] = (struct over){.by = by, .at_us = c->entries[by].return_us};
        }
        mem_free(earliest);
        mem_free(replies);
}

/* The last sign of life that a leader itself has seen: a transaction, or taking the session over. */
static void find_touched(struct check *c, const struct over *over, uint32_t *touched)
{
        for (size_t i = 0; i < c->session_count; i++)
                touched[i] = ENTRY_NONE;
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                bool opens = e->kind == HISTORY_OPEN || e->kind == HISTORY_RESUME;
                if (!opens && (e->kind != HISTORY_OP || !c->zxid[i]))
                        continue;
                size_t s = (size_t)(check__session(c, e->session) - c->sessions);
                if (e->call_us > over[s].at_us)
                        continue;
                if (touched[s] == ENTRY_NONE || c->entries[touched[s]].call_us < e->call_us)
                        touched[s] = i;
        }
}

/* That a session was taken over is no sign of life that the leader must have heard. It may have asked for the end
 * before, and be deposed before that was committed: its successor commits it though the session goes on meanwhile. Or
 * who let it go on was of an epoch that is over and did not know it, as the client did not, which has seen nothing
 * later. */
static bool may_be_an_old_end(const struct check *c, const struct session *s, uint32_t touched)
{
        const struct history_entry *e = &c->entries[touched];
        int64_t ended = s->gone_zxid >> 32;
        return e->kind == HISTORY_RESUME && (!s->gone_zxid || ended < c->log_last >> 32 || e->seen >> 32 < ended);
}

void check__expiry(struct check *c)
{
        size_t n = c->session_count;
        uint32_t *touched = mem_alloc((n + 1) * sizeof *touched);
        struct over *over = mem_alloc((n + 1) * sizeof *over);
        for (size_t i = 0; i < n; i++) {
                uint32_t refused = c->sessions[i].refused;
                over[i].by = refused;
                over[i].at_us = refused == ENTRY_NONE ? UINT64_MAX : c->entries[refused].return_us;
        }
        if (c->log_known)
                find_over_by_log(c, over);
        find_touched(c, over, touched);
        for (size_t i = 0; i < n; i++) {
                const struct session *s = &c->sessions[i];
                if (s->read_only || s->close_asked || over[i].by == ENTRY_NONE || touched[i] == ENTRY_NONE ||
                    s->timeout_ms <= 0)
                        continue;
                if (may_be_an_old_end(c, s, touched[i]))
                        continue;
                uint64_t lived_us = over[i].at_us - c->entries[touched[i]].call_us;
                if (lived_us < (uint64_t)s->timeout_ms * 10 * (100 - CLOCK_SLACK_PERCENT))
                        check__find(c, "S4", touched[i], over[i].by,
                                    "session 0x%" PRIx64 " (timeout %d ms) was over %" PRIu64
                                    " ms after its last sign of life",
                                    (uint64_t)s->id, s->timeout_ms, lived_us / 1000);
        }
        mem_free(over);
        mem_free(touched);
}

/* ---- answer after answer ---- */

/* A new connection begins where the client said it was, or where it must have been. */
static struct seen begin_at(const struct check *c, uint32_t i, const struct seen *session)
{
        const struct history_entry *e = &c->entries[i];
        struct seen s = {.by = ENTRY_NONE, .cxid_by = ENTRY_NONE, .sync_by = ENTRY_NONE};
        if (e->kind != HISTORY_RESUME)
                return s;
        if (e->has_seen) {
                s.zxid = e->seen;
                s.by = i;
        } else if (session->by != ENTRY_NONE && c->entries[session->by].return_us <= e->call_us) {
                s.zxid = session->zxid;
                s.by = session->by;
        }
        return s;
}

static void check_cxid(struct check *c, uint32_t i, struct seen *k)
{
        const struct history_entry *e = &c->entries[i];
        if (e->cxid <= 0)
                return;
        if (k->cxid_by != ENTRY_NONE && e->cxid <= k->cxid)
                check__find(c, "S5", k->cxid_by, i, "request %d was answered after request %d", e->cxid, k->cxid);
        k->cxid = e->cxid;
        k->cxid_by = i;
}

static void check_shown(struct check *c, uint32_t i, struct seen *k)
{
        const struct history_entry *e = &c->entries[i];
        if (e->zxid < k->zxid)
                check__find(c, k->by != ENTRY_NONE && c->zxid[k->by] ? "S8" : "S7", k->by, i,
                            "session 0x%" PRIx64 " was shown 0x%" PRIx64 " after 0x%" PRIx64, (uint64_t)e->session,
                            (uint64_t)e->zxid, (uint64_t)k->zxid);
        else if (e->zxid == k->zxid && c->zxid[i] && k->by != ENTRY_NONE)
                check__find(c, "S5", k->by, i, "a write has a zxid that had been shown before: 0x%" PRIx64,
                            (uint64_t)e->zxid);
        if (e->zxid < k->sync_floor)
                check__find(c, "S9", c->shown_by[k->sync_by], i,
                            "0x%" PRIx64 " was shown behind a sync that was asked for when 0x%" PRIx64
                            " had been acknowledged (line %" PRIu32 ")",
                            (uint64_t)e->zxid, (uint64_t)k->sync_floor, c->entries[k->sync_by].line);
        if (e->zxid > k->zxid) {
                k->zxid = e->zxid;
                k->by = i;
        }
}

static void check_answer(struct check *c, uint32_t i, struct seen *k, struct seen *session)
{
        const struct history_entry *e = &c->entries[i];
        if (!check__answered(e))
                return;
        check_cxid(c, i, k);
        if (e->verb == VERB_SYNC && !e->err && c->shown[i] > k->sync_floor) {
                k->sync_floor = c->shown[i];
                k->sync_by = i;
        }
        if (e->zxid <= 0)
                return;
        check_shown(c, i, k);
        if (e->zxid > session->zxid) {
                session->zxid = e->zxid;
                session->by = i;
        }
}

void check__sessions(struct check *c)
{
        note_sessions(c);
        struct seen *conns = mem_zalloc((c->conn_count + 1) * sizeof *conns);
        struct seen *sessions = mem_zalloc((c->session_count + 1) * sizeof *sessions);
        for (size_t i = 0; i < c->conn_count; i++)
                conns[i] = (struct seen){.by = ENTRY_NONE, .cxid_by = ENTRY_NONE, .sync_by = ENTRY_NONE};
        for (size_t i = 0; i < c->session_count; i++)
                sessions[i].by = ENTRY_NONE;
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                bool opens = e->kind == HISTORY_OPEN || e->kind == HISTORY_RESUME;
                if (!opens && e->kind != HISTORY_OP)
                        continue;
                struct seen *session = &sessions[check__session(c, e->session) - c->sessions];
                if (opens)
                        conns[c->conn_of[i]] = begin_at(c, i, session);
                else
                        check_answer(c, i, &conns[c->conn_of[i]], session);
                check_ended(c, i);
        }
        mem_free(conns);
        mem_free(sessions);
}
