/* Transactions on their way through a learner, and the rest of the talk with its leader.
 *
 * A proposal is logged when it comes, acknowledged when it is durable, applied when its COMMIT comes
 * (which may be before its own sync: a server whose log fails ends, so memory ahead of the disk is never
 * kept). What is out of order is never skipped over: the role ends (safety: Z11, Z13). */
#include "election/zab/zab_internal.h"

#include "election/base/plant.h"

#include <assert.h>
#include <inttypes.h>

/* ---- transactions ---- */

static bool payload_ok(const struct zab *z, int64_t zxid, struct jute_str payload)
{
        if (payload.len < JUTE_TXN_HEADER_SIZE || zab__epoch(zxid) > z->learner.epoch)
                return false;
        struct jute_reader r;
        jute_reader_init(&r, payload.data, (size_t)payload.len, z->config.item_max);
        struct jute_txn_header h;
        jute_get_txn_header(&r, &h);
        return r.error == 0 && h.zxid == zxid && z->host.readable(z->host.ctx, payload.data, (size_t)payload.len);
}

/* Kept in the shape of a PROPOSAL packet, which is how it would be passed on. */
static void log_txn(struct zab *z, uint64_t now_ms, int64_t zxid, struct jute_str payload, struct effects *fx)
{
        zab__learner_prepare(z, now_ms, zxid, fx);
        size_t len = (size_t)payload.len;
        struct blob *b = jute_quorum_packet_blob(QP_PROPOSAL, zxid, payload.data, len);
        zab__append(z, now_ms, zxid, b, JUTE_QUORUM_PACKET_DATA, (uint32_t)len, fx);
}

static bool in_order(struct zab *z, int64_t zxid)
{
        const struct history *h = &z->history;
        if (!zab__follows(h->last, zxid)) {
                zab__leave_soon(z, "leader %" PRId64 " sent 0x%" PRIx64 " after 0x%" PRIx64, z->learner.leader_sid,
                                (uint64_t)zxid, (uint64_t)h->last);
                return false;
        }
        if (zab__history_tail(h) >= ZAB_TAIL_MAX ||
            (zab__history_tail(h) > 0 && h->bytes > ZAB_TAIL_BYTES_MAX + z->config.history_bytes_max)) {
                zab__leave_soon(z, "too many proposals that are not committed");
                return false;
        }
        return true;
}

bool zab__learner_proposal(struct zab *z, uint64_t now_ms, int64_t zxid, struct jute_str payload, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (!payload_ok(z, zxid, payload)) {
                zab__learner_bad(z, "a malformed proposal");
                return false;
        }
        /* The same proposal may come by the sync and by forwarding (safety: Z14). */
        if (zxid <= z->history.last && (l->step < STEP_BROADCAST || zxid <= l->floor))
                return true;
        if (!in_order(z, zxid))
                return false;
        z->stats.learner_proposals++;
        log_txn(z, now_ms, zxid, payload, fx);
        if (z->role == ZAB_FOLLOWING) {
                int64_t *owed = zab__ring_push(&l->acks);
                *owed = zxid;
                if (PLANTED(APPLIED_WHEN_PROPOSED) && l->step == STEP_BROADCAST)
                        zab__deliver(z, zab__history_tail(&z->history), fx);
                if (PLANTED(M1_ACK_BEFORE_FSYNC))
                        zab__learner_acks(z, fx);
        }
        return true;
}

bool zab__learner_commit(struct zab *z, int64_t zxid, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        const struct history *h = &z->history;
        if (zxid <= l->floor ||
            ((l->step < STEP_BROADCAST || PLANTED(APPLIED_WHEN_PROPOSED)) && zxid <= h->last_committed))
                return true;
        if (zab__history_tail(h) == 0 || zab__history_at(h, h->committed)->zxid != zxid) {
                zab__leave_soon(z, "leader %" PRId64 " committed 0x%" PRIx64 ", which is not the oldest proposal",
                                l->leader_sid, (uint64_t)zxid);
                return false;
        }
        z->stats.learner_commits++;
        zab__deliver(z, 1, fx);
        if (l->step == STEP_SYNC)
                zab__learner_acks_skip(z);
        return true;
}

/* Proposed and committed at once: what observers get. */
bool zab__learner_inform(struct zab *z, uint64_t now_ms, int64_t zxid, struct jute_str payload, struct effects *fx)
{
        const struct history *h = &z->history;
        if (!payload_ok(z, zxid, payload)) {
                zab__learner_bad(z, "a malformed transaction");
                return false;
        }
        if (zxid > h->last) {
                if (!in_order(z, zxid))
                        return false;
                log_txn(z, now_ms, zxid, payload, fx);
        }
        return zab__learner_commit(z, zxid, fx);
}

bool zab__learner_activation(struct zab *z, struct jute_str *data, struct effects *fx)
{
        if (data->len < 8) {
                zab__learner_bad(z, "a malformed activation");
                return false;
        }
        data->data += 8;
        data->len -= 8;
        effect_report(fx, REPORT_WARNING,
                      "leader %" PRId64 " activated a reconfiguration; this server keeps the members of its own "
                      "configuration: adapt it and restart if they differ",
                      z->learner.leader_sid);
        return true;
}

/* ---- acknowledgements ---- */

void zab__learner_acks(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (l->step != STEP_BROADCAST)
                return;
        struct jute_writer w;
        jute_writer_init(&w, l->acks.count * JUTE_QUORUM_PACKET_MIN);
        while (l->acks.count > 0) {
                int64_t zxid = *(const int64_t *)zab__ring_at(&l->acks, 0);
                if (zxid > z->durable_zxid && !PLANTED(M1_ACK_BEFORE_FSYNC))
                        break;
                zab__ring_pop(&l->acks);
                struct jute_quorum_packet q = {
                        .type = QP_ACK, .zxid = zxid, .data = {.len = -1}, .authinfo = {.count = -1}};
                jute_put_quorum_packet(&w, &q);
        }
        if (w.len > 0)
                zab__learner_send(z, jute_writer_blob(&w), fx);
        jute_writer_done(&w);
}

void zab__learner_acks_skip(struct zab *z)
{
        struct ring *acks = &z->learner.acks;
        while (acks->count > 0 && *(const int64_t *)zab__ring_at(acks, 0) <= z->history.last_committed)
                zab__ring_pop(acks);
}

/* ---- the rest ---- */

/* sessionId, timeout: touches of one answer; what is beyond waits for the next one. */
#define TOUCH_SIZE  12
#define TOUCHES_MAX 65536

static void on_ping(struct zab *z, int64_t zxid, struct effects *fx)
{
        struct jute_writer w;
        size_t max = (size_t)z->config.item_max;
        jute_writer_init(&w, max < TOUCH_SIZE * TOUCHES_MAX ? max : TOUCH_SIZE * TOUCHES_MAX);
        z->host.touches(z->host.ctx, &w);
        size_t whole = w.error ? 0 : w.len - w.len % TOUCH_SIZE;
        /* An empty buffer, not a null one, when there is none. */
        zab__learner_send(z, jute_quorum_packet_blob(QP_PING, zxid, w.data ? (const void *)w.data : "", whole), fx);
        jute_writer_done(&w);
}

static void on_revalidate(struct zab *z, const struct jute_quorum_packet *q, struct effects *fx)
{
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, q->data.len > 0 ? (size_t)q->data.len : 0, z->config.item_max);
        int64_t session = jute_get_long(&r);
        bool valid = jute_get_bool(&r);
        if (r.error != 0)
                zab__learner_bad(z, "a malformed REVALIDATE");
        else
                z->host.revalidated(z->host.ctx, session, valid, fx);
}

static void unexpected(struct zab *z, int32_t type, struct effects *fx)
{
        effect_report(fx, REPORT_WARNING, "leader %" PRId64 " sent a packet of type %" PRId32 ", ignored",
                      z->learner.leader_sid, type);
}

/* What only a follower, or only an observer, is sent. */
static void on_txn(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx)
{
        struct jute_str data = q->data;
        bool for_follower = q->type == QP_PROPOSAL || q->type == QP_COMMIT || q->type == QP_COMMIT_AND_ACTIVATE;
        if (for_follower != (z->role == ZAB_FOLLOWING)) {
                unexpected(z, q->type, fx);
                return;
        }
        bool activation = q->type == QP_COMMIT_AND_ACTIVATE || q->type == QP_INFORM_AND_ACTIVATE;
        if (activation && !zab__learner_activation(z, &data, fx))
                return;
        if (q->type == QP_PROPOSAL)
                (void)zab__learner_proposal(z, now_ms, q->zxid, data, fx);
        else if (for_follower)
                (void)zab__learner_commit(z, q->zxid, fx);
        else
                (void)zab__learner_inform(z, now_ms, q->zxid, data, fx);
}

void zab__learner_broadcast_packet(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q,
                                   struct effects *fx)
{
        switch (q->type) {
        case QP_PROPOSAL:
        case QP_COMMIT:
        case QP_COMMIT_AND_ACTIVATE:
        case QP_INFORM:
        case QP_INFORM_AND_ACTIVATE:
                on_txn(z, now_ms, q, fx);
                break;
        case QP_PING:
                zab__learner_heartbeat(z, now_ms, q->data);
                on_ping(z, q->zxid, fx);
                break;
        case QP_REVALIDATE:
                on_revalidate(z, q, fx);
                break;
        case QP_SYNC:
                z->host.sync_reply(z->host.ctx, fx);
                break;
        default:
                unexpected(z, q->type, fx);
                break;
        }
}
