/* What sessions were told of themselves: that they are over, or elsewhere. Who is told so gives up what it holds, so a
 * refusal is judged like an answer (safety S4, S6). And what nothing can be refused with that changes nothing (S5). */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>

/* ---- over ---- */

static int by_call(const void *ctx, uint32_t a, uint32_t b)
{
        const struct history_entry *e = ctx;
        return e[a].call_us < e[b].call_us ? -1 : e[a].call_us > e[b].call_us;
}

/* Writes that were done, in the order of their calls; and of each and all behind it the one with the least zxid. */
struct later_writes {
        uint32_t *writes, *least;
        size_t count;
};

static void later_writes_init(const struct check *c, struct later_writes *w)
{
        w->writes = mem_alloc((c->count + 1) * sizeof *w->writes);
        w->least = mem_alloc((c->count + 1) * sizeof *w->least);
        w->count = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (c->entries[i].kind == HISTORY_OP && c->zxid[i])
                        w->writes[w->count++] = i;
        check__sort(w->writes, w->count, c->entries, by_call);
        w->least[w->count] = ENTRY_NONE;
        for (size_t i = w->count; i-- > 0;) {
                uint32_t next = w->least[i + 1];
                bool first = next == ENTRY_NONE || c->zxid[w->writes[i]] < c->zxid[next];
                w->least[i] = first ? w->writes[i] : next;
        }
}

static void later_writes_done(struct later_writes *w)
{
        mem_free(w->writes);
        mem_free(w->least);
}

/* Of the writes that were asked for after this instant the one with the least zxid, ENTRY_NONE. */
static uint32_t least_asked_after(const struct check *c, const struct later_writes *w, uint64_t us)
{
        size_t low = 0, high = w->count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (c->entries[w->writes[middle]].call_us <= us)
                        low = middle + 1;
                else
                        high = middle;
        }
        return w->least[low];
}

/* The log closes it, and the leader had asked for that when it was refused: else what was asked for later would not
 * stand before its end. */
static void check_over(struct check *c, const struct session *s, const struct later_writes *w)
{
        uint32_t later = least_asked_after(c, w, c->entries[s->refused].return_us);
        if (!s->gone_zxid)
                check__find(c, "S4", s->opened, s->refused,
                            "session 0x%" PRIx64 " was refused, and the log does not close it", (uint64_t)s->id);
        else if (later != ENTRY_NONE && c->zxid[later] < s->gone_zxid)
                check__find(c, "S4", s->refused, later,
                            "session 0x%" PRIx64 " was refused, and a later request became 0x%" PRIx64
                            ", before its end at 0x%" PRIx64,
                            (uint64_t)s->id, (uint64_t)c->zxid[later], (uint64_t)s->gone_zxid);
}

/* By an answer: its zxid says when. */
static void check_called_over(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const struct session *s = check__session(c, e->session);
        if (s->opened != ENTRY_NONE && !s->read_only && s->gone_zxid && e->zxid && e->zxid < s->gone_zxid)
                check__find(c, "S4", s->opened, i,
                            "session 0x%" PRIx64 " was called expired at 0x%" PRIx64 ", and ended at 0x%" PRIx64,
                            (uint64_t)e->session, (uint64_t)e->zxid, (uint64_t)s->gone_zxid);
}

/* ---- elsewhere ---- */

/* Another connection of the session was asked for before that was said. Of one that was never answered nothing is
 * known; but then its client has left this one, and hears nothing of it. */
static void check_called_moved(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        for (size_t k = 0; k < c->conn_count; k++) {
                const struct conn *other = &c->conns[k];
                if (k != c->conn_of[i] && other->session == e->session && other->opened != ENTRY_NONE &&
                    c->entries[other->opened].call_us < e->return_us)
                        return;
        }
        check__find(c, "S6", c->conns[c->conn_of[i]].opened, i,
                    "session 0x%" PRIx64 " was called moved on its only connection", (uint64_t)e->session);
}

/* ---- for a reason that there can be ---- */

static bool changes_nothing(enum history_verb verb)
{
        return verb >= VERB_GET && verb <= VERB_CHECK_WATCHES;
}

/* Whether that was so of a node is judged where its state is known, of a watch with the others; how busy a server is
 * nobody knows. */
static bool may_be_refused_so(const struct history_entry *e)
{
        switch (e->err) {
        case ZK_OK:
        case HISTORY_UNKNOWN:
        case ZK_SESSION_EXPIRED:
        case ZK_SESSION_MOVED:
        case ZK_THROTTLED_OP:
        case ZK_NOT_READ_ONLY: /* check_read_only.c */
                return true;
        case ZK_NO_NODE:
        case ZK_NO_AUTH:
                return check__reads(e->verb);
        case ZK_NO_WATCHER:
                return e->verb == VERB_REMOVE_WATCHES || e->verb == VERB_CHECK_WATCHES;
        default:
                return false;
        }
}

static void check_reason(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        if (changes_nothing(e->verb) && !may_be_refused_so(e))
                check__find(c, "S5", c->conns[c->conn_of[i]].opened, i, "nothing of its kind is refused with %d",
                            e->err);
}

void check__refusals(struct check *c)
{
        struct later_writes w;
        for (uint32_t i = 0; i < c->count; i++) {
                if (c->entries[i].kind != HISTORY_OP)
                        continue;
                check_reason(c, i);
                if (c->entries[i].err == ZK_SESSION_MOVED)
                        check_called_moved(c, i);
                else if (c->entries[i].err == ZK_SESSION_EXPIRED && c->log_known)
                        check_called_over(c, i);
        }
        if (!c->log_known)
                return; /* that it was served later: check_session.c */
        later_writes_init(c, &w);
        for (size_t i = 0; i < c->session_count; i++)
                if (c->sessions[i].refused != ENTRY_NONE && c->sessions[i].opened != ENTRY_NONE &&
                    !c->sessions[i].read_only)
                        check_over(c, &c->sessions[i], &w);
        later_writes_done(&w);
}
