/* A learner becoming equal to its leader: DIFF, TRUNC or SNAP, the history that follows, NEWLEADER and
 * UPTODATE (quorum-protocol.md 3.6).
 *
 * On disk, in this order: currentEpoch.tmp, history (appended as it comes, or the snapshot), currentEpoch;
 * then ACK of NEWLEADER (safety: Z24). The log queue is a FIFO, so waiting for the last of them is enough. */
#include "election/zab/zab_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The ustring "BenWasHere" behind the snapshot stream (quorum-protocol.md 3.5). */
static const uint8_t snapshot_seal[] = {0, 0, 0, 10, 'B', 'e', 'n', 'W', 'a', 's', 'H', 'e', 'r', 'e'};

void zab__learner_prepare(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx)
{
        int64_t epoch = z->learner.epoch;
        if (zab__epoch(zxid) > z->current_epoch && z->prepared_epoch < epoch)
                zab__epoch_write(z, now_ms, EPOCH_CURRENT_PREPARE, epoch, fx);
}

static void report_kind(struct zab *z, const char *kind, int64_t zxid, struct effects *fx)
{
        effect_report(fx, REPORT_INFO,
                      "synchronising from leader %" PRId64 " by %s 0x%" PRIx64 ", own log ends at 0x%" PRIx64,
                      z->learner.leader_sid, kind, (uint64_t)zxid, (uint64_t)z->history.last);
}

/* History follows; all that is here already is covered by the sync itself. */
static void begin_history(struct zab *z)
{
        z->learner.step = STEP_SYNC;
        z->learner.floor = z->history.last;
}

/* ---- TRUNC ---- */

/* A snapshot file being written may hold what is to be cut: it is given up first. */
void zab__learner_truncate(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        l->step = STEP_TRUNC_WAIT;
        zab__learner_pause(z, fx);
        if (z->host.snapshot_writing(z->host.ctx, fx))
                return;
        l->step = STEP_TRUNC;
        zab__cut(z, now_ms, l->target, fx);
}

static void on_trunc(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx)
{
        report_kind(z, "TRUNC", zxid, fx);
        if (z->learner.hidden || zxid < 0 || zxid > z->history.last) {
                zab__learner_bad(z, "TRUNC to what this log does not hold");
                return;
        }
        z->learner.target = zxid;
        if (zxid == z->history.last)
                begin_history(z);
        else
                zab__learner_truncate(z, now_ms, fx);
}

/* ---- SNAP ---- */

static void on_snap(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx)
{
        report_kind(z, "SNAP", zxid, fx);
        if (zxid < 0 || zab__epoch(zxid) > z->learner.epoch) {
                zab__learner_bad(z, "SNAP of an impossible zxid");
                return;
        }
        z->learner.target = zxid;
        z->learner.step = STEP_SNAP_LOAD;
        zab__learner_prepare(z, now_ms, zxid, fx);
        z->host.load_begin(z->host.ctx);
}

/* The file must not be there before currentEpoch.tmp is. */
static void save_if_dry(struct zab *z, struct effects *fx)
{
        if (z->disk.count > 0)
                return;
        z->learner.step = STEP_SNAP_SAVE;
        zab__adopt(z, z->learner.target, fx);
}

static bool check_seal(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        const uint8_t *data;
        if (zab__stream_peek(&l->in, &data) < sizeof snapshot_seal)
                return false;
        if (memcmp(data, snapshot_seal, sizeof snapshot_seal) != 0) {
                zab__learner_bad(z, "a snapshot without its seal");
                return false;
        }
        zab__stream_skip(&l->in, sizeof snapshot_seal);
        l->step = STEP_SNAP_PREPARE;
        zab__learner_pause(z, fx);
        save_if_dry(z, fx);
        return true;
}

bool zab__learner_load(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        (void)now_ms;
        struct zab_learner *l = &z->learner;
        if (l->step == STEP_SNAP_SEAL)
                return check_seal(z, fx);
        const uint8_t *data;
        size_t len = zab__stream_peek(&l->in, &data);
        size_t consumed = 0;
        if (len == 0)
                return false;
        int r = z->host.load_feed(z->host.ctx, data, len, &consumed);
        if (r < 0) {
                zab__learner_bad(z, "a snapshot that can't be read");
                return false;
        }
        zab__stream_skip(&l->in, consumed);
        if (r > 0)
                l->step = STEP_SNAP_SEAL;
        return r > 0 || consumed > 0;
}

/* ---- first packet ---- */

void zab__learner_kind(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx)
{
        switch (q->type) {
        case QP_DIFF:
                report_kind(z, "DIFF", q->zxid, fx);
                if (z->learner.hidden)
                        zab__learner_bad(z, "DIFF where only a snapshot helps");
                else
                        begin_history(z);
                break;
        case QP_TRUNC:
                on_trunc(z, now_ms, q->zxid, fx);
                break;
        case QP_SNAP:
                on_snap(z, now_ms, q->zxid, fx);
                break;
        default:
                zab__learner_bad(z, "neither DIFF, TRUNC nor SNAP");
                break;
        }
}

/* ---- history, NEWLEADER, UPTODATE ---- */

static void ack_newleader(struct zab *z, struct effects *fx)
{
        zab__learner_send(z, jute_quorum_packet_blob(QP_ACK, zab__zxid(z->learner.epoch, 0), NULL, 0), fx);
}

static void epoch_if_durable(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (z->disk.count > 0 && ((const struct disk_item *)zab__ring_at(&z->disk, 0))->ticket <= l->wait_ticket)
                return;
        assert(z->current_epoch == l->epoch);
        l->step = STEP_UPTODATE;
        ack_newleader(z, fx);
}

static void on_newleader(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (l->step != STEP_SYNC || zxid != zab__zxid(l->epoch, 0)) {
                zab__learner_bad(z, "a wrong NEWLEADER");
                return;
        }
        zab__learner_acks_skip(z);
        z->fuzzy = false;
        /* Written once more, it ends the loss that a crash right before the mark has left in force. */
        if (z->current_epoch < l->epoch || z->lost)
                zab__epoch_write(z, now_ms, EPOCH_CURRENT, l->epoch, fx);
        l->wait_ticket = 0;
        if (z->disk.count > 0)
                l->wait_ticket = ((const struct disk_item *)zab__ring_at(&z->disk, z->disk.count - 1))->ticket;
        l->step = STEP_EPOCH;
        zab__learner_heard(z, now_ms);
        epoch_if_durable(z, fx);
}

/* The second ACK is what Java sends too; leaders ignore it. Proposals' ACKs follow it: a Java leader
 * takes the first ACK it reads for NEWLEADER's (ZOOKEEPER-4685). */
static void on_uptodate(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (l->step != STEP_UPTODATE) {
                zab__learner_bad(z, "UPTODATE before its time");
                return;
        }
        ack_newleader(z, fx);
        l->step = STEP_BROADCAST;
        zab__learner_heard(z, now_ms);
        zab__set_phase(z, z->role, ZAB_BROADCAST, "synchronised", fx);
        zab__learner_acks(z, fx);
        /* By now the leader has this server's acknowledgement, and is established should it have needed it. */
        if (z->distrust)
                zab__again_soon(z);
        else
                z->host.serving(z->host.ctx, l->epoch, fx);
}

void zab__learner_sync_packet(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx)
{
        struct jute_str data = q->data;
        switch (q->type) {
        case QP_PROPOSAL:
                (void)zab__learner_proposal(z, now_ms, q->zxid, data, fx);
                break;
        case QP_COMMIT_AND_ACTIVATE:
                if (zab__learner_activation(z, &data, fx))
                        (void)zab__learner_commit(z, q->zxid, fx);
                break;
        case QP_COMMIT:
                (void)zab__learner_commit(z, q->zxid, fx);
                break;
        case QP_INFORM_AND_ACTIVATE:
                if (zab__learner_activation(z, &data, fx))
                        (void)zab__learner_inform(z, now_ms, q->zxid, data, fx);
                break;
        case QP_INFORM:
                (void)zab__learner_inform(z, now_ms, q->zxid, data, fx);
                break;
        case QP_NEWLEADER:
                on_newleader(z, now_ms, q->zxid, fx);
                break;
        case QP_UPTODATE:
                on_uptodate(z, now_ms, fx);
                break;
        case QP_PING: /* no answer before activation */
                zab__learner_heartbeat(z, now_ms, q->data);
                break;
        default:
                break;
        }
}

void zab__learner_sync_disk(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        bool placed =
                (l->step == STEP_TRUNC && !z->cutting) || (l->step == STEP_SNAP_SAVE && z->adoption == ADOPT_NONE);
        if (placed) {
                begin_history(z);
                zab__learner_resume(z, now_ms, fx);
        } else if (l->step == STEP_SNAP_PREPARE) {
                save_if_dry(z, fx);
        } else if (l->step == STEP_EPOCH) {
                epoch_if_durable(z, fx);
        }
}
