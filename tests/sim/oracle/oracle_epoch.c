/* Promises, leaders, and what is said between leader and learner: what must be on disk before each word of it. */
#include "tests/sim/oracle/oracle_internal.h"

#include <string.h>

static uint64_t pair(int64_t epoch, int sid)
{
        return (uint64_t)epoch << 8 | (uint64_t)sid;
}

/* ---- epoch files ---- */

/* The connection over which it follows a leader of this epoch, the latest one. */
static const struct oracle_link *link_of(const struct oracle *o, const struct oracle_server *s, int64_t epoch)
{
        for (const struct oracle_link *l = o->links; l; l = l->next)
                if (l->port == PORT_QUORUM && !l->dialler_gone && l->dialler == s->sid && l->announced == epoch)
                        return l;
        return NULL;
}

/* The synced history first, and on disk: reversed, a shorter log would look newer (safety: Z24). */
static void check_history_first(struct oracle *o, const struct oracle_server *s, const struct oracle_ask *a)
{
        int64_t epoch = a->value;
        const struct oracle_link *l = a->leads || s->leads == epoch ? NULL : link_of(o, s, epoch);
        if (!l)
                return;
        if (l->step == LINK_SYNC)
                ORACLE_BREAK(o, "Z24",
                             "server %d has currentEpoch %" PRId64 " on disk; server %d has not sent NEWLEADER", s->sid,
                             epoch, l->acceptor);
        else if (!oracle__holds(o, oracle__durable_end(s), l->sync_end))
                ORACLE_BREAK(o, "Z24",
                             "server %d has currentEpoch %" PRId64 " on disk and a log up to " ZX
                             "; it was synchronised up to " ZX,
                             s->sid, epoch, (uint64_t)oracle__durable_end(s), (uint64_t)l->sync_end);
}

void oracle__epoch_durable(struct oracle *o, struct oracle_server *s, const struct oracle_ask *a)
{
        bool current = a->kind == ASK_CURRENT;
        int64_t value = a->value;
        const char *name = current ? "currentEpoch" : "acceptedEpoch";
        int64_t old = current ? s->current : s->accepted;
        if (value < old)
                ORACLE_BREAK(o, "Z23", "server %d writes %s %" PRId64 " over %" PRId64, s->sid, name, value, old);
        if (current && value > s->accepted)
                ORACLE_BREAK(o, "Z23", "server %d writes currentEpoch %" PRId64 " above its acceptedEpoch %" PRId64,
                             s->sid, value, s->accepted);
        if (current && value > old)
                check_history_first(o, s, a);
        if (current) {
                s->current = value;
                s->lost = false; /* what it holds now it has from a leader */
        } else {
                s->accepted = value;
        }
}

/* ---- leaders ---- */

void oracle__leads(struct oracle *o, struct oracle_server *s, int64_t epoch)
{
        int other = (int)oracle__number(&o->leaders, (uint64_t)epoch);
        if (other && other != s->sid) {
                bool still = o->servers[other].running && o->servers[other].leads == epoch;
                ORACLE_BREAK(o, still ? "Z1" : "Z2", "servers %d and %d both lead epoch %" PRId64 "%s", other, s->sid,
                             epoch, still ? ", at once" : "");
        }
        if (s->current < epoch)
                ORACLE_BREAK(o, "Z12",
                             "server %d leads epoch %" PRId64 " while its currentEpoch is %" PRId64 " on disk", s->sid,
                             epoch, s->current);
        oracle__set_number(&o->leaders, (uint64_t)epoch, (uint64_t)s->sid);
}

/* ---- a learner speaks ---- */

static void on_info(struct oracle *o, struct oracle_link *l, const struct oracle_server *s, bool observes, int64_t zxid)
{
        l->told = true;
        l->observes = observes;
        l->promised = oracle__epoch_of(zxid);
        if (l->promised < s->accepted)
                ORACLE_BREAK(o, "Z20",
                             "server %d tells server %d that it promised epoch %" PRId64 "; it promised %" PRId64,
                             s->sid, l->acceptor, l->promised, s->accepted);
}

static int32_t int_of(const uint8_t *data, int32_t len)
{
        if (len < 4)
                return -1;
        return (int32_t)((uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3]);
}

/* What it says of itself is what a crash would leave. */
static void check_summary(struct oracle *o, const struct oracle_server *s, int64_t current, int64_t zxid)
{
        if (current != s->current || zxid != oracle__durable_end(s))
                ORACLE_BREAK(o, "Z22",
                             "server %d says with its promise that it has epoch %" PRId64 " and " ZX
                             "; on disk are %" PRId64 " and " ZX,
                             s->sid, current, (uint64_t)zxid, s->current, (uint64_t)oracle__durable_end(s));
}

static bool is_behind(const struct oracle_server *leader, int64_t current, int64_t zxid)
{
        return current > leader->led_epoch || (current == leader->led_epoch && zxid > leader->led_zxid);
}

static void on_ack_epoch(struct oracle *o, struct oracle_link *l, const struct oracle_server *s, int64_t zxid,
                         int32_t current)
{
        int64_t e = l->announced;
        /* An observer's promise counts nowhere: it may go below one, if it says so, but not below its history. */
        bool below = l->observes && !s->voter && current < 0 && e >= s->current && e < s->accepted;
        if (s->accepted != e && !below) {
                ORACLE_BREAK(o, "Z20",
                             "server %d promises epoch %" PRId64 " to server %d; on disk it has promised %" PRId64,
                             s->sid, e, l->acceptor, s->accepted);
                return;
        }
        if (current < 0) {
                oracle__mark(o, MARK_PROMISE_REPEATED);
                return;
        }
        check_summary(o, s, current, zxid);
        if (oracle__number(&o->promises, pair(e, s->sid)))
                ORACLE_BREAK(o, "Z20",
                             "server %d promises epoch %" PRId64 " for the second time, to server %d now, before to %d",
                             s->sid, e, l->acceptor, (int)oracle__number(&o->promises, pair(e, s->sid)));
        oracle__set_number(&o->promises, pair(e, s->sid), (uint64_t)l->acceptor);
        if (is_behind(&o->servers[l->acceptor], current, zxid)) {
                oracle__mark(o, MARK_LEARNER_AHEAD);
                return;
        }
        uint64_t key = pair(e, l->acceptor);
        if (s->voter && !l->observes)
                oracle__set_number(&o->counted, key, oracle__number(&o->counted, key) | oracle__bit(s->sid));
}

static void on_ack(struct oracle *o, const struct oracle_link *l, const struct oracle_server *s, int64_t zxid)
{
        int64_t end = oracle__durable_end(s);
        if (s->disk_failed)
                ORACLE_BREAK(o, "D6", "server %d acknowledges " ZX " after its disk failed", s->sid, (uint64_t)zxid);
        if (oracle__counter_of(zxid) != 0) {
                if (!oracle__holds(o, end, zxid))
                        ORACLE_BREAK(o, "D1", "server %d acknowledges " ZX "; on disk its log ends at " ZX, s->sid,
                                     (uint64_t)zxid, (uint64_t)end);
                return;
        }
        if (s->current != oracle__epoch_of(zxid) || !oracle__holds(o, end, l->sync_end))
                ORACLE_BREAK(o, "Z24",
                             "server %d acknowledges NEWLEADER of epoch %" PRId64 " behind " ZX
                             "; on disk are currentEpoch %" PRId64 " and a log up to " ZX,
                             s->sid, oracle__epoch_of(zxid), (uint64_t)l->sync_end, s->current, (uint64_t)end);
}

static void learner_packet(struct oracle *o, struct oracle_link *l, int32_t type, int64_t zxid, const uint8_t *data,
                           int32_t len)
{
        struct oracle_server *s = &o->servers[l->dialler];
        switch (type) {
        case QP_FOLLOWERINFO:
        case QP_OBSERVERINFO:
                on_info(o, l, s, type == QP_OBSERVERINFO, zxid);
                break;
        case QP_ACKEPOCH:
                on_ack_epoch(o, l, s, zxid, int_of(data, len));
                break;
        case QP_ACK:
                on_ack(o, l, s, zxid);
                break;
        default:
                break;
        }
}

/* ---- a leader speaks ---- */

/* Before it announces an epoch it has promised it itself, and a quorum has told it of lower ones (safety: Z21). */
static void on_leader_info(struct oracle *o, struct oracle_link *l, const struct oracle_server *s, int64_t zxid)
{
        int64_t e = oracle__epoch_of(zxid);
        uint64_t lower = oracle__bit(s->sid);
        l->announced = e;
        if (s->accepted != e)
                ORACLE_BREAK(o, "Z21", "server %d announces epoch %" PRId64 "; on disk it has promised %" PRId64,
                             s->sid, e, s->accepted);
        for (const struct oracle_link *i = o->links; i; i = i->next)
                if (i->port == PORT_QUORUM && !i->acceptor_gone && i->acceptor == s->sid && i->told && !i->observes &&
                    i->promised < e)
                        lower |= oracle__bit(i->dialler);
        if (!oracle__is_quorum(o, lower))
                ORACLE_BREAK(o, "Z21",
                             "server %d announces epoch %" PRId64 " while only those of the set %" PRIx64
                             " (bits by sid) had promised lower ones",
                             s->sid, e, lower);
}

/* Whom it synchronises has to be at most as far as itself, and to have promised (safety: Z16, Z20, Z22). */
static void on_newleader(struct oracle *o, struct oracle_link *l, const struct oracle_server *s, int64_t zxid)
{
        int64_t e = oracle__epoch_of(zxid);
        uint64_t bits = oracle__number(&o->counted, pair(e, s->sid)) | oracle__bit(s->sid);
        l->step = LINK_NEWLEADER;
        if (e != l->announced)
                ORACLE_BREAK(o, "Z15", "server %d sends NEWLEADER of epoch %" PRId64 " where it announced %" PRId64,
                             s->sid, e, l->announced);
        if (!oracle__is_quorum(o, bits))
                ORACLE_BREAK(o, "Z22",
                             "server %d leads epoch %" PRId64 " though only those of the set %" PRIx64
                             " (bits by sid) promised it and were not ahead of it",
                             s->sid, e, bits);
}

static void on_txn(struct oracle *o, const struct oracle_server *s, int64_t zxid, const uint8_t *data, int32_t len)
{
        const struct oracle_txn *t = oracle__txn(o, zxid);
        if (!t)
                ORACLE_BREAK(o, "Z4", "server %d sends " ZX ", which nobody proposed", s->sid, (uint64_t)zxid);
        else if (len < 0 || (size_t)len != t->len || memcmp(data, t->bytes, t->len) != 0)
                ORACLE_BREAK(o, "Z10",
                             "server %d sends " ZX " with other bytes (%d) than server %d proposed it with (%zu)",
                             s->sid, (uint64_t)zxid, len, t->proposer, t->len);
}

static void leader_packet(struct oracle *o, struct oracle_link *l, int32_t type, int64_t zxid, const uint8_t *data,
                          int32_t len)
{
        const struct oracle_server *s = &o->servers[l->acceptor];
        switch (type) {
        case QP_LEADERINFO:
                on_leader_info(o, l, s, zxid);
                break;
        case QP_PROPOSAL:
                if (l->step == LINK_NEWLEADER)
                        oracle__mark(o, MARK_PROPOSAL_BEFORE_UPTODATE);
                __attribute__((fallthrough));
        case QP_INFORM:
                on_txn(o, s, zxid, data, len);
                __attribute__((fallthrough));
        case QP_DIFF:
        case QP_TRUNC:
        case QP_SNAP:
                if (l->step == LINK_SYNC && zxid > l->sync_end)
                        l->sync_end = zxid;
                break;
        case QP_NEWLEADER:
                on_newleader(o, l, s, zxid);
                break;
        case QP_UPTODATE:
                l->step = LINK_ACTIVE;
                break;
        default:
                break;
        }
}

void oracle__packet(struct oracle *o, struct oracle_link *l, int from, int32_t type, int64_t zxid, const uint8_t *data,
                    int32_t len)
{
        if (from == l->dialler)
                learner_packet(o, l, type, zxid, data, len);
        else
                leader_packet(o, l, type, zxid, data, len);
}
