/* What servers without a leader have told in read-only mode. Their sessions are theirs alone (R1), nothing is written
 * there (R2), and what they show is one state for as long as it lasts, that is not older than what the client said to
 * have seen (R3). It may be old without bound otherwise, and may hold what was never committed and goes again: where
 * its zxid is one of the committed log, so is the state, and is judged like any other; else it is believed. */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>

struct read_only {
        struct check *c;
        int64_t *log; /* zxids that are committed, ascending */
        size_t log_count;
        uint32_t *shown; /* by connection: the first answer, ENTRY_NONE */
};

static bool is_committed(const struct read_only *r, int64_t zxid)
{
        size_t low = 0, high = r->log_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (r->log[middle] < zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        /* That of an epoch alone was shown by one that served in it. */
        return !(zxid & 0xffffffff) || (low < r->log_count && r->log[low] == zxid);
}

/* ---- sessions ---- */

static void check_connection(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const struct session *s = check__session(c, e->session);
        const struct history_entry *opened = s->begun == ENTRY_NONE ? NULL : &c->entries[s->begun];
        if (e->kind != HISTORY_RESUME || !opened)
                return;
        if (e->read_only != opened->read_only)
                check__find(c, "R1", s->begun, i,
                            e->read_only ? "a session of the ensemble goes on in read-only mode"
                                         : "a session of read-only mode goes on in the ensemble");
        else if (e->read_only && e->server != opened->server)
                check__find(c, "R1", s->begun, i, "a session of one server's read-only mode goes on at another");
}

static void check_txn(struct check *c, uint32_t i)
{
        const struct session *s = check__session(c, c->entries[i].session);
        if (s->read_only)
                check__find(c, "R1", s->begun, i, "a session of read-only mode has a transaction");
}

/* ---- answers ---- */

static bool needs_ensemble(enum history_verb verb)
{
        return check__writes(verb) || verb == VERB_MULTI || verb == VERB_SYNC;
}

static void check_shown(struct read_only *r, uint32_t i)
{
        struct check *c = r->c;
        const struct history_entry *e = &c->entries[i];
        struct conn *k = &c->conns[c->conn_of[i]];
        uint32_t *first = &r->shown[c->conn_of[i]];
        const struct history_entry *opened = k->opened == ENTRY_NONE ? NULL : &c->entries[k->opened];
        if (opened && opened->has_seen && e->zxid < opened->seen)
                check__find(c, "R3", k->opened, i, "it shows 0x%" PRIx64 ", and more had been seen", (uint64_t)e->zxid);
        if (*first == ENTRY_NONE)
                *first = i;
        else if (c->entries[*first].zxid != e->zxid)
                check__find(c, "R3", *first, i, "in read-only mode 0x%" PRIx64 " became 0x%" PRIx64,
                            (uint64_t)c->entries[*first].zxid, (uint64_t)e->zxid);
        k->unjudged |= !is_committed(r, e->zxid);
}

static void check_op(struct read_only *r, uint32_t i)
{
        struct check *c = r->c;
        const struct history_entry *e = &c->entries[i];
        if (!check__answered(e))
                return;
        if (!check__is_read_only(c, i)) {
                if (e->err == ZK_NOT_READ_ONLY)
                        check__find(c, "R2", c->conns[c->conn_of[i]].opened, i,
                                    "refused for read-only mode, where there is none");
                return;
        }
        if (needs_ensemble(e->verb) != (e->err == ZK_NOT_READ_ONLY))
                check__find(c, "R2", c->conns[c->conn_of[i]].opened, i, "answered with %d in read-only mode", e->err);
        if (e->zxid > 0)
                check_shown(r, i);
}

/* Nothing happens there: only setWatches may tell, before its answer, of what it finds. */
static void check_event(struct check *c, uint32_t i)
{
        const struct conn *k = &c->conns[c->conn_of[i]];
        if (k->read_only && (k->reset == ENTRY_NONE || k->reset < i))
                check__find(c, "R3", k->opened, i, "an event in read-only mode");
}

void check__read_only(struct check *c)
{
        struct read_only r = {.c = c};
        r.log = mem_alloc((c->count + 1) * sizeof *r.log);
        r.shown = mem_alloc((c->conn_count + 1) * sizeof *r.shown);
        for (size_t i = 0; i < c->conn_count; i++) {
                r.shown[i] = ENTRY_NONE;
                c->conns[i].unjudged = c->conns[i].read_only && !c->log_known;
        }
        for (uint32_t i = 0; i < c->count; i++)
                if (c->entries[i].kind == HISTORY_TXN)
                        r.log[r.log_count++] = c->entries[i].zxid;
        for (uint32_t i = 0; i < c->count; i++) {
                switch (c->entries[i].kind) {
                case HISTORY_RESUME:
                        check_connection(c, i);
                        break;
                case HISTORY_TXN:
                        check_txn(c, i);
                        break;
                case HISTORY_OP:
                        check_op(&r, i);
                        break;
                case HISTORY_EVENT:
                        check_event(c, i);
                        break;
                default:
                        break;
                }
        }
        mem_free(r.log);
        mem_free(r.shown);
}
