/* The door: role changes, the log queue, and who gets which event.
 *
 * Leaving a role is never done in the middle of a call: zab__leave_soon() notes it, all loops stop
 * processing, and the outermost call carries it out. So nothing is freed under anybody's feet, and
 * nothing that was still buffered when the role ended is ever processed (safety: Z15).
 *
 * A received snapshot (SNAP) becomes this server's state in three steps: saved as a file, the log cut
 * behind it, memory swapped. From the moment saving began the file may be durable at any time, so the
 * steps are carried to their end even if the leader is lost meanwhile; until then the disk is not dry
 * and no role is taken. That state is legal without its leader: it is a prefix of the history of a
 * leader whose epoch a quorum promised, so it holds all that was ever committed before that epoch; and
 * currentEpoch has not risen, so this server claims no more than it did. A crash in between is legal
 * too: what recovery finds is either that snapshot, or, where the old log goes on behind it, the old
 * state. */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const role_names[] = {
        [ZAB_IDLE] = "idle",
        [ZAB_LEADING] = "leading",
        [ZAB_FOLLOWING] = "following",
        [ZAB_OBSERVING] = "observing",
};
static_assert(sizeof role_names / sizeof *role_names == ZAB_ROLE_MAX, "a name for each role");

/* As mntr spells them. */
static const char *const phase_names[] = {
        [ZAB_DISCOVERY] = "discovery",
        [ZAB_SYNCHRONIZATION] = "synchronization",
        [ZAB_BROADCAST] = "broadcast",
};
static_assert(sizeof phase_names / sizeof *phase_names == ZAB_PHASE_MAX, "a name for each phase");

static const char *const sync_names[] = {
        [ZAB_SYNC_NONE] = "none",
        [ZAB_SYNC_DIFF] = "DIFF",
        [ZAB_SYNC_TRUNC] = "TRUNC",
        [ZAB_SYNC_SNAP] = "SNAP",
};
static_assert(sizeof sync_names / sizeof *sync_names == ZAB_SYNC_MAX, "a name for each way");

const char *zab_sync_name(enum zab_sync sync)
{
        assert(sync < ZAB_SYNC_MAX);
        return sync_names[sync];
}

const char *zab_role_name(enum zab_role role)
{
        assert(role < ZAB_ROLE_MAX);
        return role_names[role];
}

const char *zab_phase_name(enum zab_phase phase)
{
        assert(phase < ZAB_PHASE_MAX);
        return phase_names[phase];
}

/* ---- birth and death ---- */

struct zab *zab_new(const struct zab_config *config, const struct zab_host *host, struct recovered *r)
{
        assert(ensemble_find(config->ensemble, config->sid));
        assert(config->tick_ms > 0 && config->init_limit > 0 && config->sync_limit > 0);
        struct zab *z = mem_zalloc(sizeof *z);
        z->config = *config;
        z->host = *host;
        z->accepted_epoch = r->accepted_epoch;
        z->current_epoch = r->current_epoch;
        z->prepared_epoch = r->current_epoch;
        z->durable_zxid = r->last_zxid;
        z->lost = r->lost;
        z->fuzzy = true; /* what recovery read may be such a snapshot */
        zab__history_init(&z->history, config->history_max, config->history_bytes_max);
        zab__history_load(&z->history, r);
        zab__ring_init(&z->disk, sizeof(struct disk_item));
        list_init(&z->peers);
        zab_stats_reset(z);
        return z;
}

void zab_free(struct zab *z)
{
        if (!z)
                return;
        struct effects unused; /* connections are the shell's to close */
        effects_init(&unused);
        z->leader.reading = NULL; /* the host may be half gone: no upcalls */
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                zab__peer_drop(z, p, true, false, &unused);
        }
        zab__peers_sweep(z);
        if (z->role == ZAB_LEADING)
                zab__leader_exit(z);
        else if (zab__learning(z)) {
                zab__stream_done(&z->learner.in);
                zab__ring_done(&z->learner.acks);
        }
        effects_done(&unused);
        zab__history_done(&z->history);
        zab__ring_done(&z->disk);
        mem_free(z);
}

/* ---- roles ---- */

bool zab__learning(const struct zab *z)
{
        return z->role == ZAB_FOLLOWING || z->role == ZAB_OBSERVING;
}

uint64_t zab__ticks(const struct zab *z, uint32_t n)
{
        return (uint64_t)n * z->config.tick_ms;
}

void zab__set_phase(struct zab *z, enum zab_role role, enum zab_phase phase, const char *why, struct effects *fx)
{
        effect_report(fx, REPORT_INFO, "zab: %s (%s) -> %s (%s): %s", zab_role_name(z->role), zab_phase_name(z->phase),
                      zab_role_name(role), zab_phase_name(phase), why);
        z->role = role;
        z->phase = phase;
}

void zab__leave_soon(struct zab *z, const char *format, ...)
{
        if (z->leaving || z->role == ZAB_IDLE)
                return;
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(z->leave_reason, sizeof z->leave_reason, format, ap); /* a long reason is cut */
        va_end(ap);
        z->leaving = true;
}

/* Order matters: the connections first (nothing in them may be processed any more), then the host stops
 * serving, and only then the tail goes into its database: a client must never be told that a
 * transaction of the tail was committed (safety: D2). */
static void role_leave(struct zab *z, struct effects *fx)
{
        enum zab_role old = z->role;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                zab__peer_drop(z, p, false, z->leave_flush, fx);
        }
        if (old == ZAB_LEADING)
                zab__leader_exit(z);
        else
                zab__learner_exit(z, z->leave_flush, fx);
        zab__set_phase(z, ZAB_IDLE, ZAB_DISCOVERY, z->leave_reason, fx);
        z->leaving = false;
        z->leave_flush = false;
        if (PLANTED(TAIL_SHOWN))
                zab__deliver(z, zab__history_tail(&z->history), fx);
        z->host.ended(z->host.ctx, z->leave_reason, fx);
        zab__deliver(z, zab__history_tail(&z->history), fx);
}

static void door_enter(struct zab *z)
{
        if (z->depth == 0)
                z->step_bytes = 0;
        z->depth++;
}

static void door_exit(struct zab *z, struct effects *fx)
{
        if (z->depth == 1) {
                if (z->leaving)
                        role_leave(z, fx);
                zab__peers_sweep(z);
        }
        z->depth--;
}

void zab_lead(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        assert(z->role == ZAB_IDLE && z->depth == 0);
        assert(zab_disk_dry(z));
        door_enter(z);
        z->again = false;
        zab__leader_enter(z, now_ms, fx);
        door_exit(z, fx);
}

void zab_follow(struct zab *z, uint64_t now_ms, int64_t leader_sid, struct effects *fx)
{
        assert(z->role == ZAB_IDLE && z->depth == 0);
        assert(zab_disk_dry(z));
        assert(leader_sid != z->config.sid);
        door_enter(z);
        z->hide_log |= z->again;
        z->again = false;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                zab__peer_drop(z, p, false, false, fx); /* they mistake this server for a leader */
        }
        zab__learner_enter(z, now_ms, leader_sid, fx);
        door_exit(z, fx);
}

void zab_leave(struct zab *z, uint64_t now_ms, const char *reason, struct effects *fx)
{
        (void)now_ms;
        assert(z->depth == 0);
        door_enter(z);
        zab__leave_soon(z, "%s", reason);
        door_exit(z, fx);
}

void zab_stop(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        assert(z->depth == 0);
        door_enter(z);
        z->leave_flush = z->role != ZAB_IDLE;
        if (z->role == ZAB_LEADING && z->phase == ZAB_BROADCAST && zab_outstanding(z) > 0) {
                z->leader.stopping = true;
                z->leader.stop_ms = now_ms + zab__ticks(z, z->config.sync_limit);
        } else {
                zab__leave_soon(z, "stopped");
        }
        door_exit(z, fx);
}

enum zab_role zab_role(const struct zab *z)
{
        return z->role;
}

enum zab_phase zab_phase(const struct zab *z)
{
        return z->phase;
}

int64_t zab_leader(const struct zab *z)
{
        if (z->role == ZAB_LEADING)
                return z->config.sid;
        return zab__learning(z) ? z->learner.leader_sid : -1;
}

int64_t zab_last_logged(const struct zab *z)
{
        return z->history.last;
}

int64_t zab_last_committed(const struct zab *z)
{
        return z->history.last_committed;
}

int64_t zab_current_epoch(const struct zab *z)
{
        return z->current_epoch;
}

int64_t zab_accepted_epoch(const struct zab *z)
{
        return z->accepted_epoch;
}

bool zab_lost(const struct zab *z)
{
        return z->lost;
}

void zab__again_soon(struct zab *z)
{
        if (z->leaving)
                return;
        z->again = true;
        zab__leave_soon(z, "the tree differs from that of leader %" PRId64 ": asking for a snapshot", zab_leader(z));
}

void zab_distrust(struct zab *z)
{
        z->distrust = true;
        if (zab__learning(z) && z->phase == ZAB_BROADCAST)
                zab__again_soon(z);
}

bool zab_distrusts(const struct zab *z)
{
        return z->distrust;
}

bool zab_fuzzy(const struct zab *z)
{
        return z->fuzzy;
}

bool zab_again(const struct zab *z)
{
        return z->again;
}

/* ---- the log queue ---- */

bool zab_disk_dry(const struct zab *z)
{
        return z->disk.count == 0 && z->adoption == ADOPT_NONE;
}

static void disk_push(struct zab *z, uint64_t now_ms, uint64_t ticket, enum disk_kind kind, int64_t value)
{
        struct disk_item *d = zab__ring_push(&z->disk);
        *d = (struct disk_item){.ticket = ticket, .kind = kind, .value = value, .since_ms = now_ms};
}

void zab__append(struct zab *z, uint64_t now_ms, int64_t zxid, struct blob *blob, uint32_t offset, uint32_t len,
                 struct effects *fx)
{
        z->stats.logged++;
        summary_add(&z->stats.log_queue, z->disk.count);
        disk_push(z, now_ms, effect_log_append(fx, blob, offset, len, zxid), DISK_APPEND, zxid);
        zab__history_push(&z->history, zxid, blob, offset, len);
}

void zab__epoch_write(struct zab *z, uint64_t now_ms, enum epoch_kind kind, int64_t epoch, struct effects *fx)
{
        static const enum disk_kind kinds[] = {
                [EPOCH_ACCEPTED] = DISK_ACCEPTED,
                [EPOCH_CURRENT_PREPARE] = DISK_PREPARE,
                [EPOCH_CURRENT] = DISK_CURRENT,
        };
        assert(epoch > 0 && epoch <= ZAB_EPOCH_MAX);
        assert(kind != EPOCH_ACCEPTED || epoch > z->accepted_epoch);
        assert(kind == EPOCH_ACCEPTED || epoch <= z->accepted_epoch);
        assert(kind == EPOCH_ACCEPTED || epoch > z->current_epoch || (z->lost && epoch == z->current_epoch));
        if (kind != EPOCH_ACCEPTED)
                z->prepared_epoch = epoch;
        disk_push(z, now_ms, effect_epoch_write(fx, kind, epoch), kinds[kind], epoch);
}

void zab__cut(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx)
{
        assert(!z->cutting && zab__history_tail(&z->history) == 0);
        z->cutting = true;
        disk_push(z, now_ms, effect_truncate(fx, zxid, true), DISK_CUT, zxid);
}

/* The log ends where the disk says; memory follows it, role or no role. */
static void cut_done(struct zab *z, int64_t zxid, struct recovered *r, struct effects *fx)
{
        z->cutting = false;
        if (!r) {
                z->hide_log = true;
                /* Without an election: the leader has this server's promise for its epoch. The answer that asks for
                 * a snapshot does not count, and where there is no more than a bare quorum no other one would. */
                z->again = zab__learning(z) && !z->leaving;
                zab__leave_soon(z, "the log can't be cut back to 0x%" PRIx64 "; asking for a snapshot", (uint64_t)zxid);
                effect_report(fx, REPORT_WARNING, "no snapshot and log on disk reach 0x%" PRIx64 ": nothing was cut",
                              (uint64_t)zxid);
                return;
        }
        assert(r->last_zxid == zxid);
        if (!PLANTED(M9_TREE_KEPT_AFTER_TRUNC))
                z->host.reloaded(z->host.ctx, r);
        zab__history_load(&z->history, r);
        z->durable_zxid = zxid;
}

void zab__adopt(struct zab *z, int64_t zxid, struct effects *fx)
{
        assert(z->adoption == ADOPT_NONE && zab__history_tail(&z->history) == 0);
        z->adoption = ADOPT_SAVING;
        z->adoption_zxid = zxid;
        z->host.load_save(z->host.ctx, zxid, fx);
}

static void adoption_done(struct zab *z)
{
        assert(z->adoption == ADOPT_CUTTING);
        z->adoption = ADOPT_NONE;
        z->host.load_adopt(z->host.ctx, z->adoption_zxid);
        zab__history_reset(&z->history, z->adoption_zxid);
        z->durable_zxid = z->adoption_zxid;
        z->hide_log = false;
        z->distrust = false;
        z->fuzzy = true;
}

static void disk_settled(struct zab *z, const struct disk_item *d, struct recovered *reloaded, struct effects *fx)
{
        switch (d->kind) {
        case DISK_APPEND:
                assert(d->value > z->durable_zxid);
                z->durable_zxid = d->value;
                break;
        case DISK_ACCEPTED:
                z->accepted_epoch = d->value;
                break;
        case DISK_CURRENT:
                z->current_epoch = d->value;
                if (z->lost)
                        effect_report(fx, REPORT_INFO, "synchronised anew after its disk was lost: this server counts");
                z->lost = false;
                break;
        case DISK_CUT:
                cut_done(z, d->value, reloaded, fx);
                break;
        case DISK_CUT_BEHIND:
                adoption_done(z);
                break;
        case DISK_PREPARE:
        case DISK_ROLL:
                break;
        }
}

void zab_disk_done(struct zab *z, uint64_t now_ms, uint64_t ticket, struct recovered *reloaded, struct effects *fx)
{
        assert(z->depth == 0);
        door_enter(z);
        while (z->disk.count > 0) {
                struct disk_item d = *(const struct disk_item *)zab__ring_at(&z->disk, 0);
                if (d.ticket > ticket)
                        break;
                zab__ring_pop(&z->disk);
                if (d.kind == DISK_APPEND)
                        histogram_add(&z->stats.log_ms, now_ms - d.since_ms);
                disk_settled(z, &d, reloaded, fx);
        }
        if (z->role == ZAB_LEADING)
                zab__leader_disk(z, now_ms, fx);
        else if (zab__learning(z))
                zab__learner_disk(z, now_ms, fx);
        door_exit(z, fx);
}

void zab_snapshot_saved(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        assert(z->depth == 0 && z->adoption == ADOPT_SAVING);
        door_enter(z);
        z->adoption = ADOPT_CUTTING;
        disk_push(z, now_ms, effect_truncate(fx, z->adoption_zxid, false), DISK_CUT_BEHIND, z->adoption_zxid);
        /* What follows the snapshot begins a segment of its own: no segment has a gap inside. */
        disk_push(z, now_ms, effect_log_roll(fx), DISK_ROLL, 0);
        door_exit(z, fx);
}

void zab_snapshot_free(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        assert(z->depth == 0);
        door_enter(z);
        if (z->role == ZAB_LEADING)
                zab__sync_snapshots(z, now_ms, fx);
        else if (zab__learning(z) && z->learner.step == STEP_TRUNC_WAIT)
                zab__learner_truncate(z, now_ms, fx);
        door_exit(z, fx);
}

void zab__deliver(struct zab *z, size_t n, struct effects *fx)
{
        for (; n > 0; n--) {
                struct store_txn t = zab__history_commit(&z->history);
                z->stats.commits++;
                z->host.deliver(z->host.ctx, &t, fx);
                blob_unref(t.blob);
        }
        zab__history_trim(&z->history);
}

void zab__jump(struct zab *z, int64_t zxid)
{
        assert(z->disk.count == 0 && zab__history_tail(&z->history) == 0 && zxid >= z->history.last);
        zab__history_reset(&z->history, zxid);
        z->durable_zxid = zxid;
        if (z->role == ZAB_LEADING)
                z->leader.last_proposed = zxid;
}

/* ---- connections ---- */

bool zab_conn_dialled(struct zab *z, uint64_t now_ms, conn_id conn, int status, struct effects *fx)
{
        if (!zab__learning(z) || conn != z->learner.conn)
                return false;
        door_enter(z);
        zab__learner_dialled(z, now_ms, status, fx);
        door_exit(z, fx);
        return true;
}

static void peer_bytes(struct zab *z, uint64_t now_ms, struct zab_peer *p, const uint8_t *data, size_t len,
                       struct effects *fx)
{
        zab__stream_feed(&p->in, data, len);
        zab__peer_run(z, now_ms, p, fx);
        zab__stream_settle(&p->in);
}

static void learner_bytes(struct zab *z, uint64_t now_ms, const uint8_t *data, size_t len, struct effects *fx)
{
        zab__learner_heard(z, now_ms);
        zab__stream_feed(&z->learner.in, data, len);
        zab__learner_run(z, now_ms, fx);
        zab__stream_settle(&z->learner.in);
}

bool zab_conn_bytes(struct zab *z, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len, struct effects *fx)
{
        assert(z->depth == 0);
        bool mine = zab__learning(z) && conn == z->learner.conn;
        struct zab_peer *p = mine ? NULL : zab__peer_find(z, conn);
        if (!mine && !p)
                return false;
        door_enter(z);
        if (mine)
                learner_bytes(z, now_ms, data, len, fx);
        else
                peer_bytes(z, now_ms, p, data, len, fx);
        door_exit(z, fx);
        return true;
}

bool zab_conn_closed(struct zab *z, uint64_t now_ms, conn_id conn, int reason, struct effects *fx)
{
        (void)now_ms;
        assert(z->depth == 0);
        bool mine = zab__learning(z) && conn == z->learner.conn;
        struct zab_peer *p = mine ? NULL : zab__peer_find(z, conn);
        if (!mine && !p)
                return false;
        door_enter(z);
        if (mine) {
                z->learner.conn = 0;
                zab__leave_soon(z, "the leader's connection %s", reason ? "failed" : "was closed");
        } else {
                zab__peer_drop(z, p, true, false, fx);
        }
        door_exit(z, fx);
        return true;
}

bool zab_conn_sent(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        assert(z->depth == 0);
        struct zab_peer *p = zab__peer_find(z, conn);
        if (!p)
                return zab__learning(z) && conn == z->learner.conn;
        door_enter(z);
        zab__sync_more(z, now_ms, p, fx);
        door_exit(z, fx);
        return true;
}

/* ---- time ---- */

void zab_tick(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        assert(z->depth == 0);
        door_enter(z);
        zab__peers_tick(z, now_ms, fx);
        if (z->role == ZAB_LEADING)
                zab__leader_tick(z, now_ms, fx);
        else if (zab__learning(z))
                zab__learner_tick(z, now_ms, fx);
        door_exit(z, fx);
}

uint64_t zab_deadline(const struct zab *z)
{
        uint64_t at = zab__peers_deadline(z);
        uint64_t role = UINT64_MAX;
        if (z->role == ZAB_LEADING)
                role = zab__leader_deadline(z);
        else if (zab__learning(z))
                role = zab__learner_deadline(z);
        return at < role ? at : role;
}

/* ---- the leader's and the learner's own clients ---- */

static bool leader_serving(const struct zab *z)
{
        return z->role == ZAB_LEADING && z->phase == ZAB_BROADCAST && !z->leaving;
}

int64_t zab_next_zxid(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        (void)now_ms;
        if (!leader_serving(z) || z->leader.stopping)
                return 0;
        int64_t last = z->leader.last_proposed;
        if (zab__counter(last) + 1 < ZAB_COUNTER_END)
                return last + 1;
        door_enter(z);
        zab__leave_soon(z, "counter used up in epoch %" PRId64, z->leader.epoch);
        door_exit(z, fx);
        return 0;
}

size_t zab_outstanding(const struct zab *z)
{
        return z->role == ZAB_LEADING ? zab__history_tail(&z->history) : 0;
}

void zab_sync(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        if (!leader_serving(z))
                return;
        door_enter(z);
        zab__sync_ask(z, now_ms, 0, fx);
        door_exit(z, fx);
}

int zab_session_unknown(struct zab *z, uint64_t now_ms, int64_t session, int32_t timeout_ms, struct effects *fx)
{
        if (!leader_serving(z) || z->leader.syncs.count >= ZAB_SYNCS_MAX)
                return -ENOTCONN;
        door_enter(z);
        bool surely = zab__session_ask(z, now_ms, 0, session, timeout_ms, fx);
        door_exit(z, fx);
        return surely ? 0 : -EINPROGRESS;
}

/* session, cxid, opcode, body (quorum-protocol.md 3.1, REQUEST) */
#define REQUEST_PREFIX_SIZE 16

bool zab_forward(struct zab *z, int64_t session, int32_t cxid, int32_t opcode, struct jute_str body,
                 struct jute_vec authinfo, struct effects *fx)
{
        if (!zab__learning(z) || z->phase != ZAB_BROADCAST || z->leaving)
                return false;
        size_t body_len = body.len > 0 ? (size_t)body.len : 0;
        struct jute_writer w;
        struct blob *b =
                jute_writer_in_blob(&w, JUTE_QUORUM_PACKET_MIN + REQUEST_PREFIX_SIZE + body_len + authinfo.size);
        jute_put_int(&w, QP_REQUEST);
        jute_put_long(&w, -1);
        jute_put_int(&w, (int32_t)(REQUEST_PREFIX_SIZE + body_len));
        jute_put_long(&w, session);
        jute_put_int(&w, cxid);
        jute_put_int(&w, opcode);
        if (body_len > 0)
                jute_put_raw(&w, body.data, body_len);
        jute_put_vec(&w, authinfo);
        assert(jute_writer_filled(&w));
        zab__learner_send(z, b, fx);
        return true;
}

bool zab_revalidate(struct zab *z, int64_t session, int32_t timeout_ms, struct effects *fx)
{
        if (!zab__learning(z) || z->phase != ZAB_BROADCAST || z->leaving)
                return false;
        struct jute_writer w;
        jute_writer_init(&w, 12);
        jute_put_long(&w, session);
        jute_put_int(&w, timeout_ms);
        zab__learner_send(z, jute_quorum_packet_blob(QP_REVALIDATE, -1, w.data, w.len), fx);
        jute_writer_done(&w);
        return true;
}

/* ---- figures ---- */

void zab_stats(const struct zab *z, struct zab_stats *ret)
{
        *ret = z->stats;
        ret->learners = 0;
        ret->synced_followers = 0;
        ret->synced_observers = 0;
        ret->synced_non_voting = 0;
        ret->pending_syncs = z->role == ZAB_LEADING ? z->leader.syncs.count : 0;
        if (z->role != ZAB_LEADING)
                return;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                ret->learners += p->state >= PEER_PROMISED;
                ret->synced_observers += p->state == PEER_ACTIVE && p->observer;
                ret->synced_followers += p->state == PEER_ACTIVE && !p->observer;
                ret->synced_non_voting += p->state == PEER_ACTIVE && !p->observer && !p->voter;
        }
}

static int64_t sent_to(const struct zab *z, const struct zab_peer *p)
{
        if (p->state < PEER_SNAP)
                return p->acked_zxid;
        return p->observer ? z->history.last_committed : z->leader.last_proposed;
}

static struct zab_learner_info learner_info(const struct zab *z, const struct zab_peer *p)
{
        const bool active = p->state == PEER_ACTIVE;
        return (struct zab_learner_info){
                .sid = p->sid,
                .observer = p->observer,
                .voter = p->voter,
                .state = active    ? "active"
                         : p->sync ? "synchronising"
                                   : "joining",
                .sync = p->sync,
                .since_ms = active ? p->active_ms : p->sync_ms,
                .acked_zxid = p->observer && active ? -1 : p->acked_zxid,
                .sent_zxid = sent_to(z, p),
                .queued_bytes = p->queue_bytes,
                .pings_sent = p->pings_sent,
                .pings_answered = p->pings_answered,
        };
}

void zab_learners(const struct zab *z, void (*fn)(void *ctx, const struct zab_learner_info *info), void *ctx)
{
        const struct zab_peer *p;
        if (z->role != ZAB_LEADING)
                return;
        EACH_PEER(z, p)
        {
                if (p->state < PEER_PROMISED)
                        continue;
                const struct zab_learner_info info = learner_info(z, p);
                fn(ctx, &info);
        }
}

void zab_stats_reset(struct zab *z)
{
        z->stats = (struct zab_stats){
                .proposal_size_last = -1,
                .proposal_size_min = -1,
                .proposal_size_max = -1,
        };
}
