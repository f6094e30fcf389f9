/* An established leader: proposals, acknowledgements, commits, and what learners forward.
 *
 * The tail of the history is what is proposed and not committed; leader.proposals runs beside it. */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Gets every later proposal: its sync has been cut. */
static bool forwarding(const struct zab_peer *p)
{
        return p->state >= (PLANTED(M8_FORWARDED_LATE) ? PEER_ACTIVE : PEER_SNAP);
}

/* ---- proposing ---- */

static void note_size(struct zab_stats *s, size_t len)
{
        int64_t size = (int64_t)len;
        s->proposals++;
        s->proposal_size_last = size;
        if (s->proposal_size_min < 0 || size < s->proposal_size_min)
                s->proposal_size_min = size;
        if (size > s->proposal_size_max)
                s->proposal_size_max = size;
}

/* Which proposal the peer owes an acknowledgement since when: one is watched, the latest is remembered to
 * be watched next (as Java's SyncLimitCheck does). */
static void watch_sent(struct zab_peer *p, uint64_t now_ms, int64_t zxid)
{
        if (p->state != PEER_ACTIVE)
                return;
        p->latest_zxid = zxid;
        p->latest_ms = now_ms;
        if (p->watch_zxid == 0) {
                p->watch_zxid = zxid;
                p->watch_ms = now_ms;
        }
}

static void watch_acked(struct zab_peer *p, int64_t zxid)
{
        if (p->watch_zxid == 0 || zxid < p->watch_zxid)
                return;
        bool behind = p->latest_zxid > zxid;
        p->watch_zxid = behind ? p->latest_zxid : 0;
        p->watch_ms = p->latest_ms;
}

void zab_propose(struct zab *z, uint64_t now_ms, const uint8_t *payload, size_t len, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        assert(z->role == ZAB_LEADING && z->phase == ZAB_BROADCAST);
        int64_t zxid = l->last_proposed + 1;
        assert(zab__counter(zxid) > 0 && zab__counter(zxid) < ZAB_COUNTER_END);
        assert(len >= JUTE_TXN_HEADER_SIZE);
        l->last_proposed = zxid;
        note_size(&z->stats, len);
        struct blob *b = jute_quorum_packet_blob(QP_PROPOSAL, zxid, payload, len);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (!forwarding(p) || p->observer)
                        continue;
                zab__peer_send(z, p, blob_ref(b), fx);
                if (!p->gone)
                        watch_sent(p, now_ms, zxid);
        }
        struct proposal *pr = zab__ring_push(&l->proposals);
        pr->since_ms = now_ms;
        zab__append(z, now_ms, zxid, b, JUTE_QUORUM_PACKET_DATA, (uint32_t)len, fx);
}

/* ---- committing ---- */

static bool committable(const struct zab *z, size_t i)
{
        const struct zab_leader *l = &z->leader;
        const struct proposal *pr = zab__ring_at(&l->proposals, i);
        struct member_set acks = {.bits = pr->acks.bits & l->synced.bits};
        if (PLANTED(M7_ACKS_OUTLIVE_CONNECTION))
                acks = pr->acks;
        if (z->durable_zxid >= zab__history_at(&z->history, z->history.committed + i)->zxid ||
            PLANTED(M1_LEADER_COUNTS_EARLY))
                member_set_add(&acks, z->config.ensemble, z->config.sid);
        return ensemble_is_quorum(z->config.ensemble, &acks);
}

static struct blob *commits_blob(int64_t first, int64_t last)
{
        size_t n = (size_t)(last - first + 1);
        struct jute_writer w;
        struct blob *b = jute_writer_in_blob(&w, n * JUTE_QUORUM_PACKET_MIN);
        for (int64_t zxid = first; zxid <= last; zxid++) {
                struct jute_quorum_packet q = {
                        .type = QP_COMMIT, .zxid = zxid, .data = {.len = -1}, .authinfo = {.count = -1}};
                jute_put_quorum_packet(&w, &q);
        }
        assert(jute_writer_filled(&w));
        return b;
}

/* Followers get COMMIT; but between NEWLEADER and UPTODATE it would meet a Java learner that does not
 * know the proposal yet, so it waits for zab__activate() (ZOOKEEPER-4394). */
static void send_commits(struct zab *z, int64_t first, int64_t last, struct effects *fx)
{
        struct blob *b = commits_blob(first, last);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->observer || (p->state != PEER_SNAP && p->state != PEER_ACTIVE))
                        continue;
                p->commit_sent = last;
                zab__peer_send(z, p, blob_ref(b), fx);
        }
        blob_unref(b);
}

static void send_inform(struct zab *z, const struct store_txn *t, struct effects *fx)
{
        struct blob *b = NULL;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (!p->observer || !forwarding(p))
                        continue;
                if (!b)
                        b = jute_quorum_packet_blob(QP_INFORM, t->zxid, t->blob->data + t->offset, t->len);
                zab__peer_send(z, p, blob_ref(b), fx);
        }
        blob_unref(b);
}

static void stop_if_finished(struct zab *z)
{
        if (z->leader.stopping && zab__history_tail(&z->history) == 0)
                zab__leave_soon(z, "stopped");
}

/* How many of the tail are committed now: in order, each by a quorum of voters that have it durable (safety: Z12),
 * as far as this call has room. */
static size_t committed_now(struct zab *z, uint64_t now_ms)
{
        struct zab_leader *l = &z->leader;
        size_t n = 0;
        l->more_ms = UINT64_MAX;
        while (n < l->proposals.count && committable(z, n)) {
                if (z->step_bytes >= z->config.step_bytes_max) {
                        l->more_ms = now_ms + 1;
                        break;
                }
                z->step_bytes += zab__history_at(&z->history, z->history.committed + n)->len;
                n++;
        }
        return n;
}

/* Word goes out first, then the database is changed, then syncs that waited are answered. */
void zab__commit_ready(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        if (z->leaving)
                return;
        size_t n = committed_now(z, now_ms);
        if (n > 0) {
                size_t at = z->history.committed;
                int64_t first = zab__history_at(&z->history, at)->zxid;
                assert(zab__epoch(first) == z->leader.epoch);
                send_commits(z, first, first + (int64_t)n - 1, fx);
                for (size_t i = 0; i < n; i++) {
                        send_inform(z, zab__history_at(&z->history, at + i), fx);
                        const struct proposal *pr = zab__ring_at(&z->leader.proposals, 0);
                        histogram_add(&z->stats.quorum_ms, now_ms - pr->since_ms);
                        zab__ring_pop(&z->leader.proposals);
                }
                zab__deliver(z, n, fx);
        }
        zab__syncs_ready(z, now_ms, fx);
        stop_if_finished(z);
}

/* ---- acknowledgements ---- */

/* Counts for exactly this zxid; what is unknown, committed already or no proposal's is ignored
 * (quorum-protocol.md 4.2). */
void zab__ack(struct zab *z, uint64_t now_ms, struct zab_peer *p, int64_t zxid, struct effects *fx)
{
        watch_acked(p, zxid);
        if (zxid > p->acked_zxid)
                p->acked_zxid = zxid;
        if (!p->voter || z->leader.proposals.count == 0)
                return;
        int64_t first = zab__history_at(&z->history, z->history.committed)->zxid;
        if (zxid < first || zxid > z->leader.last_proposed)
                return;
        struct proposal *pr = zab__ring_at(&z->leader.proposals, (size_t)(zxid - first));
        member_set_add(&pr->acks, z->config.ensemble, p->sid);
        zab__commit_ready(z, now_ms, fx);
}

void zab__forget_acks(struct zab *z, const struct zab_peer *p)
{
        const struct ensemble *e = z->config.ensemble;
        if (p->state >= PEER_ACKED)
                member_set_remove(&z->leader.synced, e, p->sid);
        if (!forwarding(p) || PLANTED(M7_ACKS_OUTLIVE_CONNECTION))
                return;
        for (size_t i = 0; i < z->leader.proposals.count; i++) {
                struct proposal *pr = zab__ring_at(&z->leader.proposals, i);
                member_set_remove(&pr->acks, e, p->sid);
        }
}

/* ---- activation ---- */

/* UPTODATE, and the COMMITs held back for it: up to the latest, not just to its sync point. What this
 * leader committed in its epoch is contiguous, so the zxids need no list. */
void zab__activate(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        zab__peer_send(z, p, jute_quorum_packet_blob(QP_UPTODATE, -1, NULL, 0), fx);
        p->state = PEER_ACTIVE;
        p->active_ms = now_ms;
        p->deadline_ms = now_ms + zab__ticks(z, z->config.sync_limit);
        p->ping_base = z->leader.ping_round;
        p->pings_sent = 0;
        p->pings_answered = 0;
        int64_t last = z->history.last_committed;
        int64_t first = p->commit_sent + 1;
        if (zab__epoch(p->commit_sent) != z->leader.epoch)
                first = zab__zxid(z->leader.epoch, 1);
        if (!p->observer && first <= last)
                zab__peer_send(z, p, commits_blob(first, last), fx);
        p->commit_sent = last;
}

/* ---- packets of an active learner ---- */

static void on_ping(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                    struct effects *fx)
{
        size_t len = q->data.len > 0 ? (size_t)q->data.len : 0;
        if (len % 12 != 0) {
                zab__peer_bad(z, p, "malformed PING", fx);
                return;
        }
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, len, z->config.item_max);
        while (jute_left(&r) > 0) {
                int64_t session = jute_get_long(&r);
                int32_t timeout_ms = jute_get_int(&r);
                z->host.touch(z->host.ctx, session, timeout_ms);
        }
        zab__ping_answered(z, now_ms, p, fx);
}

static void overrun(struct zab *z, struct zab_peer *p, struct effects *fx)
{
        /* Nothing is wrong with the request: load, not bad input. */
        effect_report(fx, REPORT_WARNING, "learner %" PRId64 " forwards more than can be outstanding, dropped", p->sid);
        zab__peer_drop(z, p, false, false, fx);
}

/* A session that lives is confirmed at once: that harms nobody, whoever leads. That one is over is said only by who
 * surely leads: a client that is told so gives up what lives under a successor (safety: S4). */
static void on_revalidate(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                          struct effects *fx)
{
        if (q->data.len != 12) {
                zab__peer_bad(z, p, "malformed REVALIDATE", fx);
                return;
        }
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, (size_t)q->data.len, z->config.item_max);
        int64_t session = jute_get_long(&r);
        int32_t timeout_ms = jute_get_int(&r);
        if (z->host.revalidate(z->host.ctx, p->sid, session, timeout_ms))
                zab__session_answer(z, p, session, true, fx);
        else if (z->leader.syncs.count >= ZAB_SYNCS_MAX)
                overrun(z, p, fx);
        else if (zab__session_ask(z, now_ms, p->conn, session, timeout_ms, fx))
                zab__session_answer(z, p, session, false, fx);
}

static void on_request(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                       struct effects *fx)
{
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, q->data.len > 0 ? (size_t)q->data.len : 0, z->config.item_max);
        int64_t session = jute_get_long(&r);
        int32_t cxid = jute_get_int(&r);
        int32_t opcode = jute_get_int(&r);
        if (r.error != 0) {
                zab__peer_bad(z, p, "malformed REQUEST", fx);
                return;
        }
        if (zab__history_tail(&z->history) >= ZAB_OUTSTANDING_MAX ||
            z->history.tail_bytes >= z->config.outstanding_bytes_max || z->leader.syncs.count >= ZAB_SYNCS_MAX) {
                overrun(z, p, fx);
                return;
        }
        z->host.heard(z->host.ctx, session);
        if (opcode == OP_SYNC)
                zab__sync_ask(z, now_ms, p->conn, fx);
        else
                z->host.request(z->host.ctx, p->sid, session, cxid, opcode, jute_str_of(r.at, jute_left(&r)),
                                q->authinfo, fx);
}

void zab__broadcast_packet(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                           struct effects *fx)
{
        switch (q->type) {
        case QP_ACK:
                zab__ack(z, now_ms, p, q->zxid, fx);
                break;
        case QP_PING:
                on_ping(z, now_ms, p, q, fx);
                break;
        case QP_REVALIDATE:
                on_revalidate(z, now_ms, p, q, fx);
                break;
        case QP_REQUEST:
                on_request(z, now_ms, p, q, fx);
                break;
        default: /* ignored, as Java does after activation */
                effect_report(fx, REPORT_WARNING, "learner %" PRId64 " sent a packet of type %" PRId32 ", ignored",
                              p->sid, q->type);
                break;
        }
}
