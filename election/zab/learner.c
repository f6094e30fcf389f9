/* A learner's way to its leader: dial, say who it is, promise the epoch (quorum-protocol.md 3.2, 3.6).
 *
 * What is told to the leader is what a crash would leave: ACKEPOCH goes out when the log queue is dry. */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- connection ---- */

static void dial(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        const struct member *m = ensemble_find(z->config.ensemble, l->leader_sid);
        l->retry_at_ms = UINT64_MAX;
        l->conn = effect_dial(fx, PORT_QUORUM, m->host, m->quorum_port);
}

void zab__learner_enter(struct zab *z, uint64_t now_ms, int64_t leader_sid, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        *l = (struct zab_learner){
                .step = STEP_DIAL,
                .leader_sid = leader_sid,
                .silent_ms = now_ms + zab__ticks(z, z->config.init_limit),
                .retry_at_ms = UINT64_MAX,
                .dial_end_ms = now_ms + ZAB_DIAL_TOTAL_MS,
                .retry_ms = ZAB_DIAL_RETRY_MIN_MS,
        };
        zab__stream_init(&l->in);
        zab__ring_init(&l->acks, sizeof(int64_t));
        const struct member *self = ensemble_find(z->config.ensemble, z->config.sid);
        zab__set_phase(z, self->observer ? ZAB_OBSERVING : ZAB_FOLLOWING, ZAB_DISCOVERY, "a leader was elected", fx);
        if (ensemble_find(z->config.ensemble, leader_sid))
                dial(z, fx);
        else
                zab__leave_soon(z, "leader %" PRId64 " is no member", leader_sid);
}

void zab__learner_exit(struct zab *z, bool flush, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (l->conn)
                effect_close(fx, l->conn, flush);
        if (l->step == STEP_SNAP_LOAD || l->step == STEP_SNAP_SEAL || l->step == STEP_SNAP_PREPARE)
                z->host.load_drop(z->host.ctx, fx);
        zab__stream_done(&l->in);
        zab__ring_done(&l->acks);
        memset(l, 0, sizeof *l);
}

void zab__learner_send(struct zab *z, struct blob *b, struct effects *fx)
{
        effect_send(fx, z->learner.conn, b);
}

static void send_info(struct zab *z, struct effects *fx)
{
        const struct jute_learner_info info = {
                .sid = z->config.sid,
                .protocol_version = ZAB_PROTOCOL_VERSION,
                .config_version = z->config.ensemble->version,
        };
        struct jute_writer w;
        jute_writer_init(&w, 20);
        jute_put_learner_info(&w, &info);
        int32_t type = z->role == ZAB_OBSERVING ? QP_OBSERVERINFO : QP_FOLLOWERINFO;
        zab__learner_send(z, jute_quorum_packet_blob(type, zab__zxid(z->accepted_epoch, 0), w.data, w.len), fx);
        jute_writer_done(&w);
}

/* A leader that has just been elected may not listen yet: refused dials are repeated for a while. */
static void dial_failed(struct zab *z, uint64_t now_ms, int status)
{
        struct zab_learner *l = &z->learner;
        l->conn = 0;
        if (now_ms + l->retry_ms > l->dial_end_ms) {
                zab__leave_soon(z, "leader %" PRId64 " can't be reached (error %d)", l->leader_sid, -status);
                return;
        }
        l->retry_at_ms = now_ms + l->retry_ms;
        l->retry_ms = l->retry_ms * 2 < ZAB_DIAL_RETRY_MAX_MS ? l->retry_ms * 2 : ZAB_DIAL_RETRY_MAX_MS;
}

void zab__learner_dialled(struct zab *z, uint64_t now_ms, int status, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        assert(l->step == STEP_DIAL);
        if (status < 0) {
                dial_failed(z, now_ms, status);
                return;
        }
        l->step = STEP_HELLO;
        zab__learner_heard(z, now_ms);
        send_info(z, fx);
}

/* ---- silence ---- */

/* What a silent leader is given to be read from what has arrived: this server may have stood still itself. */
#define LAST_CHANCE_MS 20
/* Beyond it election_timeout is longer than any sync_limit: 10 ms become 11 minutes. */
#define PATIENCE_MAX 16

/* How long the leader may be silent at most. One that has stood still for the whole limit is given up: it pings every
 * half tick, so the silence that counts ends a quarter of a tick early and the next election begins within the limit.
 */
static uint64_t silence_by_ticks(const struct zab *z)
{
        uint32_t limit = z->learner.step <= STEP_SYNC ? z->config.init_limit : z->config.sync_limit;
        return zab__ticks(z, limit) - z->config.tick_ms / 4;
}

/* The same where pings tell how often they come, without patience; UINT64_MAX: they don't, or it does not matter. */
static uint64_t silence_by_pings(const struct zab *z)
{
        const struct zab_learner *l = &z->learner;
        if (l->step != STEP_BROADCAST || l->heartbeat_ms == 0 || z->config.election_timeout_ms == 0)
                return UINT64_MAX;
        uint64_t least = (uint64_t)l->heartbeat_ms * ZAB_HEARTBEATS_MISSED_MIN;
        return z->config.election_timeout_ms > least ? z->config.election_timeout_ms : least;
}

static uint64_t silence(const struct zab *z, bool *ret_hasty)
{
        uint64_t by_ticks = silence_by_ticks(z), by_pings = silence_by_pings(z);
        *ret_hasty = by_pings < by_ticks && by_pings << z->patience < by_ticks;
        return *ret_hasty ? by_pings << z->patience : by_ticks;
}

/* It ends when it was not needed for a minute. */
static void patience_end(struct zab *z, uint64_t now_ms)
{
        if (z->patience > 0 && now_ms - z->learner.heard_ms >= silence_by_pings(z))
                z->patient_until_ms = now_ms + ZAB_PATIENCE_MS;
        if (now_ms >= z->patient_until_ms)
                z->patience = 0;
}

void zab__learner_heard(struct zab *z, uint64_t now_ms)
{
        struct zab_learner *l = &z->learner;
        if (l->paused)
                return;
        patience_end(z, now_ms);
        uint64_t ms = silence(z, &l->hasty);
        l->suspected = false;
        l->heard_ms = now_ms;
        l->silent_ms = now_ms + (ms > LAST_CHANCE_MS ? ms - LAST_CHANCE_MS : 0);
}

void zab__learner_heartbeat(struct zab *z, uint64_t now_ms, struct jute_str data)
{
        struct zab_learner *l = &z->learner;
        struct jute_reader r;
        if (data.len != (int32_t)sizeof(int32_t))
                return; /* a ZooKeeper server */
        jute_reader_init(&r, data.data, sizeof(int32_t), z->config.item_max);
        int32_t ms = jute_get_int(&r);
        l->heartbeat_ms = ms > 0 ? ms : 0;
        zab__learner_heard(z, now_ms);
}

/* What came with the leader's last word is not durable yet: with so much in the log queue that the shell does not read,
 * it is this server that does not hear. */
static bool disk_behind(const struct zab *z)
{
        const struct disk_item *oldest = z->disk.count > 0 ? zab__ring_at(&z->disk, 0) : NULL;
        return oldest && oldest->since_ms <= z->learner.heard_ms;
}

/* Twice, with what has arrived being read in between. */
static void silence_check(struct zab *z, uint64_t now_ms)
{
        struct zab_learner *l = &z->learner;
        uint64_t by_ticks_ms = l->heard_ms + silence_by_ticks(z);
        if (l->hasty && disk_behind(z) && by_ticks_ms > now_ms + LAST_CHANCE_MS) {
                uint64_t last = by_ticks_ms - LAST_CHANCE_MS, next = now_ms + LAST_CHANCE_MS;
                l->suspected = false;
                l->silent_ms = next < last ? next : last;
                return;
        }
        if (by_ticks_ms <= now_ms + LAST_CHANCE_MS)
                l->hasty = false; /* it would be left without haste, too */
        if (!l->suspected) {
                l->suspected = true;
                l->silent_ms = now_ms + LAST_CHANCE_MS;
                return;
        }
        if (l->hasty) {
                z->patience += z->patience < PATIENCE_MAX;
                z->patient_until_ms = now_ms + ZAB_PATIENCE_MS;
        }
        zab__leave_soon(z, "leader %" PRId64 " was silent for too long", l->leader_sid);
}

void zab__learner_pause(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (l->paused)
                return;
        l->paused = true;
        l->silent_ms = UINT64_MAX; /* it can't be heard now */
        effect_read(fx, l->conn, false);
}

void zab__learner_resume(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (!l->paused)
                return;
        l->paused = false;
        zab__learner_heard(z, now_ms);
        zab__learner_run(z, now_ms, fx);
        if (!l->paused && !z->leaving)
                effect_read(fx, l->conn, true);
}

void zab__learner_bad(struct zab *z, const char *what)
{
        z->stats.bad_input++;
        zab__leave_soon(z, "leader %" PRId64 " sent %s", z->learner.leader_sid, what);
}

/* ---- discovery ---- */

static void send_ack_epoch(struct zab *z, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        /* After a TRUNC that could not be carried out, or with a tree that is not to be trusted, only a snapshot
         * helps: zxid 0 asks for one. Such an
         * answer understates this server's log, so it must not count towards the promise quorum: a leader
         * that lacks what was committed here could take it for consent. It is said once; should this
         * attempt fail too, the next one tells the truth again, lest a quorum be short of this voter. */
        l->hidden = z->hide_log;
        z->hide_log = false;
        struct jute_writer w;
        jute_writer_init(&w, 4);
        /* Nor must one count that does not know what it promised and held before (safety: E5, Z20). */
        jute_put_int(&w, l->hidden || (z->lost && !PLANTED(LOST_DISK_COUNTS)) ? -1 : (int32_t)l->promise);
        int64_t zxid = l->hidden ? 0 : z->history.last;
        zab__learner_send(z, jute_quorum_packet_blob(QP_ACKEPOCH, zxid, w.data, w.len), fx);
        jute_writer_done(&w);
        l->step = STEP_KIND;
        zab__set_phase(z, z->role, ZAB_SYNCHRONIZATION, "epoch acknowledged", fx);
}

static void promise_if_durable(struct zab *z, struct effects *fx)
{
        if (z->disk.count == 0 || PLANTED(M2_PROMISE_BEFORE_FSYNC))
                send_ack_epoch(z, fx);
}

static bool leader_info_ok(const struct jute_quorum_packet *q, int32_t item_max)
{
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, q->data.len > 0 ? (size_t)q->data.len : 0, item_max);
        return q->type == QP_LEADERINFO && jute_get_int(&r) >= ZAB_PROTOCOL_VERSION && zab__epoch(q->zxid) > 0 &&
               zab__counter(q->zxid) == 0;
}

/* A promise is given once per epoch: the second time it must not count (safety: Z20). */
static void on_leader_info(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (!leader_info_ok(q, z->config.item_max)) {
                zab__learner_bad(z, "no proper LEADERINFO");
                return;
        }
        l->epoch = zab__epoch(q->zxid);
        /* A new server knows no epochs to compare with. */
        if (z->accepted_epoch > 0 && !zab__epoch_plausible(z->accepted_epoch, l->epoch, ZAB_EPOCH_LEAP_MAX)) {
                zab__learner_bad(z, "an impossible epoch");
                return;
        }
        if (l->epoch < z->accepted_epoch) {
                zab__leave_soon(z, "epoch %" PRId64 " of leader %" PRId64 " is below %" PRId64 ", promised already",
                                l->epoch, l->leader_sid, z->accepted_epoch);
                return;
        }
        l->step = STEP_PROMISE;
        l->promise = PLANTED(M4_PROMISE_COUNTS_TWICE) ? z->current_epoch : -1;
        if (l->epoch > z->accepted_epoch) {
                l->promise = z->current_epoch;
                zab__epoch_write(z, now_ms, EPOCH_ACCEPTED, l->epoch, fx);
                if (PLANTED(M2_PROMISE_BEFORE_FSYNC))
                        z->accepted_epoch = l->epoch;
        }
        promise_if_durable(z, fx);
}

/* ---- input ---- */

static void learner_packet(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx)
{
        switch (z->learner.step) {
        case STEP_HELLO:
                on_leader_info(z, now_ms, q, fx);
                break;
        case STEP_KIND:
                zab__learner_kind(z, now_ms, q, fx);
                break;
        case STEP_SYNC:
        case STEP_EPOCH:
        case STEP_UPTODATE:
                zab__learner_sync_packet(z, now_ms, q, fx);
                break;
        case STEP_BROADCAST:
                zab__learner_broadcast_packet(z, now_ms, q, fx);
                break;
        case STEP_DIAL:
        case STEP_PROMISE:
        case STEP_TRUNC_WAIT:
        case STEP_TRUNC:
        case STEP_SNAP_LOAD:
        case STEP_SNAP_SEAL:
        case STEP_SNAP_PREPARE:
        case STEP_SNAP_SAVE:
                zab__learner_bad(z, "a packet when none was due");
                break;
        }
}

static bool next_packet(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct jute_quorum_packet q;
        int r = zab__stream_next(&z->learner.in, z->config.item_max, &q);
        if (r < 0)
                zab__learner_bad(z, "a malformed packet");
        if (r <= 0)
                return false;
        learner_packet(z, now_ms, &q, fx);
        return true;
}

void zab__learner_run(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        bool more = true;
        while (more && !l->paused && !z->leaving) {
                bool raw = l->step == STEP_SNAP_LOAD || l->step == STEP_SNAP_SEAL;
                more = raw ? zab__learner_load(z, now_ms, fx) : next_packet(z, now_ms, fx);
                if (l->step >= STEP_SYNC && z->disk.count >= ZAB_UNSYNCED_MAX)
                        zab__learner_pause(z, fx);
        }
}

/* ---- disk and time ---- */

void zab__learner_disk(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (z->leaving)
                return;
        if (l->step == STEP_PROMISE)
                promise_if_durable(z, fx);
        else
                zab__learner_sync_disk(z, now_ms, fx);
        zab__learner_acks(z, fx);
        if (l->paused && l->step >= STEP_SYNC && z->disk.count <= ZAB_UNSYNCED_LOW)
                zab__learner_resume(z, now_ms, fx);
}

/* While it does not read because its disk is behind, a serving learner hears neither its leader nor the end of
 * the connection, and the leader has given it up when what it logged is sync_limit old. Nothing else would end
 * the role: its clients would be shown an ever older state, and be told that their sessions live (safety: E7). */
static uint64_t log_deadline(const struct zab *z)
{
        const struct zab_learner *l = &z->learner;
        if (!l->paused || l->step != STEP_BROADCAST || z->disk.count == 0)
                return UINT64_MAX;
        const struct disk_item *oldest = zab__ring_at(&z->disk, 0);
        return oldest->since_ms + zab__ticks(z, z->config.sync_limit);
}

void zab__learner_tick(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_learner *l = &z->learner;
        if (now_ms >= l->silent_ms)
                silence_check(z, now_ms);
        if (now_ms >= log_deadline(z))
                zab__leave_soon(z, "the log was not written in time: the disk is too slow or hangs");
        if (now_ms >= l->retry_at_ms && !z->leaving)
                dial(z, fx);
}

uint64_t zab__learner_deadline(const struct zab *z)
{
        const struct zab_learner *l = &z->learner;
        uint64_t at = l->retry_at_ms < l->silent_ms ? l->retry_at_ms : l->silent_ms;
        uint64_t log_at = log_deadline(z);
        return log_at < at ? log_at : at;
}
