/* The one line of commits, and what is shown of it.
 *
 * A transaction is committed at the instant a leader counts it as such: when it is established (its whole history),
 * and whenever it sends COMMIT later. At that instant a quorum must have it on disk; from then on it is in every
 * later leader's log, at the same place (safety: Z3, Z5, Z6, Z8, Z12, D1). */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/base/alloc.h"

#include <assert.h>

int64_t oracle__committed_end(const struct oracle *o)
{
        return o->commit_count ? o->commits[o->commit_count - 1].txn->zxid : 0;
}

size_t oracle__floor(const struct oracle *o, int64_t zxid)
{
        size_t low = 0, high = o->commit_count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (o->commits[middle].txn->zxid <= zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low ? low - 1 : SIZE_MAX;
}

/* ---- committing ---- */

static void mark_sweep(struct oracle *o, int64_t zxid)
{
        int64_t czxid;
        enum model_sweep swept = model_swept(o->model, &czxid);
        if (swept == MODEL_NO_SWEEP)
                return;
        oracle__mark(o, swept == MODEL_TTL_SWEPT ? MARK_TTL_SWEPT : MARK_CONTAINER_SWEPT);
        if (czxid >> 32 != zxid >> 32)
                oracle__mark(o, MARK_SWEPT_BY_NEW_LEADER);
}

static void commit(struct oracle *o, struct oracle_txn *t)
{
        const char *checker;
        if (model_apply(o->model, t->zxid, t->bytes, t->len)) {
                const char *text = model_complaint(o->model, &checker);
                ORACLE_BREAK(o, checker, "%s (proposed by server %d)", text, t->proposer);
        }
        mark_sweep(o, t->zxid);
        t->place = o->commit_count;
        o->commits = mem_grow(o->commits, &o->commit_capacity, o->commit_count + 1, sizeof *o->commits);
        o->commits[o->commit_count++] = (struct oracle_commit){
                .txn = t, .digest = model_digest(o->model), .sessions = model_session_count(o->model)};
}

/* Commits the line that ends at `zxid`. False when the line of commits is not its beginning. */
static bool commit_line(struct oracle *o, int64_t zxid)
{
        struct oracle_txn **line = NULL;
        size_t count = 0, capacity = 0;
        int64_t end = oracle__committed_end(o), at = zxid;
        while (at > end) {
                struct oracle_txn *t = oracle__txn(o, at);
                if (!t)
                        break;
                line = mem_grow(line, &capacity, count + 1, sizeof(struct oracle_txn *));
                line[count++] = t;
                at = t->before;
        }
        bool whole = at == end;
        while (whole && count > 0)
                commit(o, line[--count]);
        mem_free(line);
        return whole;
}

/* Voters whose disks hold everything up to `zxid`, in that epoch or a later one. */
static uint64_t holders(const struct oracle *o, int64_t epoch, int64_t zxid)
{
        uint64_t bits = 0;
        for (int sid = 1; sid <= o->count; sid++) {
                const struct oracle_server *s = &o->servers[sid];
                bool holds = s->current >= epoch && oracle__holds(o, oracle__durable_end(s), zxid);
                if (s->voter && (holds || oracle__excused(o, s)))
                        bits |= oracle__bit(sid);
        }
        return bits;
}

static void check_quorum(struct oracle *o, const struct oracle_server *s, int64_t epoch, int64_t zxid, const char *what)
{
        uint64_t bits = holders(o, epoch, zxid);
        if (oracle__is_quorum(o, bits))
                return;
        ORACLE_BREAK(o, "Z12",
                     "server %d, leader of epoch %" PRId64 ", %s " ZX "; of the voters only those of the set %" PRIx64
                     " (bits by sid) have it on disk",
                     s->sid, epoch, what, (uint64_t)zxid, bits);
}

/* A leader that stood still hears late that a quorum is synchronised with it, when later epochs have committed on top.
 * What was committed before its own it must have. */
static bool is_late_and_whole(const struct oracle *o, int64_t epoch, int64_t end)
{
        int64_t committed = oracle__committed_end(o);
        if (oracle__epoch_of(committed) <= epoch || end >= committed)
                return false;
        size_t place = oracle__floor(o, end);
        bool there = end == 0 || (place != SIZE_MAX && o->commits[place].txn->zxid == end);
        size_t next = place == SIZE_MAX ? 0 : place + 1;
        return there && oracle__epoch_of(o->commits[next].txn->zxid) > epoch;
}

void oracle__established(struct oracle *o, struct oracle_server *s, int64_t epoch)
{
        int64_t end = oracle__log_end(s), committed = oracle__committed_end(o);
        size_t before = o->commit_count;
        oracle__leads(o, s, epoch);
        check_quorum(o, s, epoch, end, "is established with a history up to");
        if (!is_late_and_whole(o, epoch, end) && !commit_line(o, end))
                ORACLE_BREAK(o, "Z3",
                             "server %d is established in epoch %" PRId64 " with a history that ends at " ZX
                             " and lacks " ZX ", which was committed",
                             s->sid, epoch, (uint64_t)end, (uint64_t)committed);
        if (o->commit_count > before && before > 0)
                oracle__mark(o, MARK_TAIL_ADOPTED);
        s->established = true;
}

/* Learners that are not ready for it while it happens. */
static void mark_learners(struct oracle *o, const struct oracle_server *s)
{
        bool joining = false, loading = false;
        for (const struct oracle_link *l = o->links; l; l = l->next) {
                bool here = l->acceptor == s->sid && !l->acceptor_gone && !l->dialler_gone;
                joining |= here && l->step == LINK_NEWLEADER;
                loading |= here && l->raw;
        }
        if (joining)
                oracle__mark(o, MARK_COMMIT_BEFORE_UPTODATE);
        if (loading)
                oracle__mark(o, MARK_SNAP_UNDER_LOAD);
}

void oracle__commit_to(struct oracle *o, struct oracle_server *s, int64_t epoch, int64_t zxid)
{
        int64_t committed = oracle__committed_end(o);
        if (zxid <= committed)
                return;
        if ((int)oracle__number(&o->leaders, (uint64_t)epoch) != s->sid)
                ORACLE_BREAK(o, "Z1", "server %d commits " ZX " in epoch %" PRId64 ", which server %d leads", s->sid,
                             (uint64_t)zxid, epoch, (int)oracle__number(&o->leaders, (uint64_t)epoch));
        check_quorum(o, s, epoch, zxid, "commits");
        if (!commit_line(o, zxid))
                ORACLE_BREAK(o, "Z3",
                             "server %d commits " ZX " in epoch %" PRId64 " on a line that lacks " ZX
                             ", which was committed",
                             s->sid, (uint64_t)zxid, epoch, (uint64_t)committed);
        mark_learners(o, s);
        if (o->world && o->image_period && prng_next(&o->prng) % o->image_period == 0) {
                oracle__test_images(o);
                oracle__compare_serving(o);
        }
}

/* ---- what is shown ---- */

/* (e, 0) is no transaction: it stands for all that was there before the epoch. */
static bool is_committed(const struct oracle *o, int64_t zxid)
{
        if (zxid == 0 || oracle__counter_of(zxid) == 0)
                return true;
        const struct oracle_txn *t = oracle__txn(o, zxid);
        return t && t->place != SIZE_MAX;
}

void oracle__shows(struct oracle *o, struct oracle_server *s, int64_t zxid, uint64_t digest, size_t sessions)
{
        if (s->shown >= 0 && zxid < s->shown)
                ORACLE_BREAK(o, "Z6", "server %d serves " ZX " after " ZX, s->sid, (uint64_t)zxid, (uint64_t)s->shown);
        s->shown = zxid;
        if (!is_committed(o, zxid)) {
                ORACLE_BREAK(o, "D2", "server %d serves " ZX ", which is not committed (the last one is " ZX ")",
                             s->sid, (uint64_t)zxid, (uint64_t)oracle__committed_end(o));
                return;
        }
        size_t place = oracle__floor(o, zxid);
        uint64_t due = place == SIZE_MAX ? o->fresh_digest : o->commits[place].digest;
        if (digest != due)
                ORACLE_BREAK(o, "D4", "server %d has tree %" PRIx64 " at " ZX ", where the transactions make %" PRIx64,
                             s->sid, digest, (uint64_t)zxid, due);
        if (sessions != (place == SIZE_MAX ? 0 : o->commits[place].sessions))
                ORACLE_BREAK(o, "S3", "server %d has %zu sessions at " ZX ", where the transactions leave %zu", s->sid,
                             sessions, (uint64_t)zxid, place == SIZE_MAX ? 0 : o->commits[place].sessions);
}

/* Its own log to the end, committed or not; but where it is, the tree is the one that the transactions make. */
void oracle__shows_alone(struct oracle *o, struct oracle_server *s, int64_t zxid, uint64_t digest)
{
        if (s->shown_alone >= 0)
                ORACLE_BREAK(o, "R3", "server %d shows " ZX " after " ZX " in read-only mode", s->sid, (uint64_t)zxid,
                             (uint64_t)s->shown_alone);
        s->shown_alone = zxid;
        if (s->lost)
                ORACLE_BREAK(o, "R3", "server %d has lost its disk, and shows " ZX " in read-only mode", s->sid,
                             (uint64_t)zxid);
        if (oracle__counter_of(zxid) && zxid != oracle__log_end(s))
                ORACLE_BREAK(o, "R3", "server %d shows " ZX " in read-only mode, and its log ends at " ZX, s->sid,
                             (uint64_t)zxid, (uint64_t)oracle__log_end(s));
        if (!is_committed(o, zxid))
                return;
        const size_t place = oracle__floor(o, zxid);
        const uint64_t due = place == SIZE_MAX ? o->fresh_digest : o->commits[place].digest;
        if (digest != due)
                ORACLE_BREAK(o, "D4",
                             "server %d shows tree %" PRIx64 " at " ZX ", where the transactions make %" PRIx64, s->sid,
                             digest, (uint64_t)zxid, due);
}

void oracle__told(struct oracle *o, const struct oracle_server *s, int64_t zxid)
{
        if (!is_committed(o, zxid))
                ORACLE_BREAK(o, "D2",
                             "server %d tells a client " ZX ", which is not committed (the last one is " ZX ")", s->sid,
                             (uint64_t)zxid, (uint64_t)oracle__committed_end(o));
}
