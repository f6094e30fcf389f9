/* A leader's way to its epoch: the three barriers (quorum-protocol.md 3.3).
 *
 *   E  a quorum of voters is connected      -> epoch chosen, acceptedEpoch durable, LEADERINFO
 *   A  a quorum promised it, none is ahead  -> synchronisation begins, currentEpoch written
 *   N  a quorum's history is this leader's  -> established: the whole history is committed
 *
 * Each has init_limit ticks. Only voters count, this server among them (safety: Z16). What this server
 * contributes itself counts when it is durable. */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static void barrier_begin(struct zab *z, uint64_t now_ms)
{
        z->leader.barrier_ms = now_ms + zab__ticks(z, z->config.init_limit);
}

static bool is_quorum(const struct zab *z, struct member_set set)
{
        return ensemble_is_quorum(z->config.ensemble, &set);
}

static void set_add(const struct zab *z, struct member_set *set, int64_t sid)
{
        member_set_add(set, z->config.ensemble, sid);
}

/* ---- barrier E ---- */

static void epoch_choose(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        if (l->epoch != 0)
                return;
        struct member_set heard = {0};
        set_add(z, &heard, z->config.sid);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state >= PEER_KNOWN && p->voter)
                        set_add(z, &heard, p->sid);
        }
        if (!is_quorum(z, heard))
                return;
        const int64_t highest = z->heard_epoch > z->accepted_epoch ? z->heard_epoch : z->accepted_epoch;
        if (highest >= ZAB_EPOCH_MAX) {
                zab__leave_soon(z, "epochs are used up");
                return;
        }
        l->epoch = highest + 1;
        zab__epoch_write(z, now_ms, EPOCH_ACCEPTED, l->epoch, fx);
}

static void inform(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        struct jute_writer w;
        jute_writer_init(&w, 4);
        jute_put_int(&w, ZAB_PROTOCOL_VERSION);
        struct blob *b = jute_quorum_packet_blob(QP_LEADERINFO, zab__zxid(z->leader.epoch, 0), w.data, w.len);
        jute_writer_done(&w);
        p->state = PEER_INFORMED;
        p->deadline_ms = now_ms + zab__ticks(z, z->config.init_limit);
        zab__peer_send(z, p, b, fx);
}

static bool learner_info_ok(const struct zab *z, const struct jute_quorum_packet *q, struct jute_learner_info *info,
                            const char **why)
{
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, q->data.len > 0 ? (size_t)q->data.len : 0, z->config.item_max);
        jute_get_learner_info(&r, info);
        *why = NULL;
        if (r.error != 0 || info->protocol_version < ZAB_PROTOCOL_VERSION)
                *why = "too old a protocol";
        else if (info->config_version > z->config.ensemble->version)
                *why = "it knows a newer configuration";
        else if (info->sid == z->config.sid)
                *why = "it claims this server's own id";
        else if (!zab__epoch_plausible(z->accepted_epoch, zab__epoch(q->zxid), ZAB_EPOCH_HEARD_LEAP_MAX))
                *why = "impossible acceptedEpoch";
        return !*why;
}

/* A server has one connection; an older one is dead and just not known to be. */
static void replace_older(struct zab *z, const struct zab_peer *newer, struct effects *fx)
{
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p != newer && p->state != PEER_WAITING && p->sid == newer->sid)
                        zab__peer_drop(z, p, false, false, fx);
        }
}

static void on_learner_info(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                            struct effects *fx)
{
        struct jute_learner_info info;
        const char *why;
        if (q->type != QP_FOLLOWERINFO && q->type != QP_OBSERVERINFO) {
                zab__peer_bad(z, p, "not a learner's first packet", fx);
                return;
        }
        if (!learner_info_ok(z, q, &info, &why)) {
                zab__peer_bad(z, p, why, fx);
                return;
        }
        p->sid = info.sid;
        p->observer = q->type == QP_OBSERVERINFO;
        p->voter = !p->observer && ensemble_is_voter(z->config.ensemble, p->sid);
        p->state = PEER_KNOWN;
        p->deadline_ms = UINT64_MAX;
        replace_older(z, p, fx);
        /* Any member's role raises the epoch (quorum-protocol.md 3.3.2); a stranger just refuses one too low. */
        const bool member = ensemble_find(z->config.ensemble, p->sid);
        if (member && zab__epoch(q->zxid) > z->heard_epoch)
                z->heard_epoch = zab__epoch(q->zxid);
        if (z->leader.announced && member && zab__epoch(q->zxid) > z->leader.epoch)
                /* It promised a later epoch to a candidate that came to nothing, so it can never follow this
                 * leader. Java leaves it out until elections happen to have passed that epoch; here the next one
                 * takes it in. One election for one promise at most, as this server remembers it. */
                zab__leave_soon(z, "%s %" PRId64 " promised epoch %" PRId64 ", above this one",
                                p->voter ? "voter" : "observer", p->sid, zab__epoch(q->zxid));
        else if (z->leader.announced)
                inform(z, now_ms, p, fx);
        else
                epoch_choose(z, now_ms, fx);
}

/* ---- barrier A ---- */

static void newleader_make(struct zab *z)
{
        const struct ensemble *e = z->config.ensemble;
        size_t len = ensemble_text(e, NULL, 0);
        char *text = mem_alloc(len + 1);
        (void)ensemble_text(e, text, len + 1);
        z->leader.newleader = jute_quorum_packet_blob(QP_NEWLEADER, zab__zxid(z->leader.epoch, 0), text, len);
        mem_free(text);
}

/* Enough voters promised: what they hold and this server doesn't was never committed. */
static void synchronise(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        zab__set_phase(z, ZAB_LEADING, ZAB_SYNCHRONIZATION, "a quorum promised the epoch", fx);
        barrier_begin(z, now_ms);
        newleader_make(z);
        zab__epoch_write(z, now_ms, EPOCH_CURRENT, z->leader.epoch, fx);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state == PEER_PROMISED)
                        zab__sync_start(z, now_ms, p, fx);
        }
}

/* Voters that promised this epoch before, or are ahead, won't ever be counted: when no quorum can be made
 * of the others, a new election is better than waiting for the barrier's time. */
static bool hopeless(const struct zab *z)
{
        const struct ensemble *e = z->config.ensemble;
        struct member_set left = {0};
        for (size_t i = 0; i < e->count; i++) {
                if (!member_set_has(&z->leader.spent, e, e->members[i].sid))
                        member_set_add(&left, e, e->members[i].sid);
        }
        return !ensemble_is_quorum(e, &left);
}

static void promise_check(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        if (z->phase != ZAB_DISCOVERY)
                return;
        if (is_quorum(z, z->leader.promised))
                synchronise(z, now_ms, fx);
        else if (hopeless(z))
                zab__leave_soon(z, "no quorum can promise epoch %" PRId64, z->leader.epoch);
}

static bool is_ahead(const struct zab *z, int64_t epoch, int64_t zxid)
{
        const struct zab_leader *l = &z->leader;
        if (PLANTED(M6_ZXID_BEFORE_EPOCH))
                return zxid > l->own_zxid;
        return epoch > l->own_epoch || (epoch == l->own_epoch && zxid > l->own_zxid);
}

/* Counts a promise, once; false when the peer was dropped for being more recent than this leader
 * (safety: Z20, Z22). */
static bool promise_count(struct zab *z, struct zab_peer *p, int64_t epoch, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        bool counted = epoch >= 0 && p->last_zxid != -1;
        if (counted && is_ahead(z, epoch, p->last_zxid)) {
                effect_report(fx, REPORT_WARNING,
                              "server %" PRId64 " is ahead: epoch %" PRId64 ", 0x%" PRIx64 "; this leader has %" PRId64
                              ", 0x%" PRIx64,
                              p->sid, epoch, (uint64_t)p->last_zxid, l->own_epoch, (uint64_t)l->own_zxid);
                if (p->voter)
                        set_add(z, &l->spent, p->sid);
                zab__peer_drop(z, p, false, false, fx);
                return false;
        }
        if (p->voter && !member_set_has(&l->promised, z->config.ensemble, p->sid))
                set_add(z, counted ? &l->promised : &l->spent, p->sid);
        return true;
}

static void on_ack_epoch(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                         struct effects *fx)
{
        if (q->type != QP_ACKEPOCH || q->data.len != 4) {
                zab__peer_bad(z, p, "ACKEPOCH expected", fx);
                return;
        }
        struct jute_reader r;
        jute_reader_init(&r, q->data.data, (size_t)q->data.len, z->config.item_max);
        int64_t epoch = jute_get_int(&r);
        p->last_zxid = q->zxid;
        p->acked_zxid = q->zxid;
        p->state = PEER_PROMISED;
        p->deadline_ms = UINT64_MAX;
        bool discovering = z->phase == ZAB_DISCOVERY;
        if (discovering && !promise_count(z, p, epoch, fx)) {
                promise_check(z, now_ms, fx);
                return;
        }
        if (discovering)
                promise_check(z, now_ms, fx);
        else
                zab__sync_start(z, now_ms, p, fx);
}

/* ---- barrier N ---- */

static void on_sync_packet(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                           struct effects *fx)
{
        if (q->type != QP_ACK) {
                zab__peer_bad(z, p, "ACK expected", fx);
                return;
        }
        if (p->state != PEER_SYNC || q->zxid != zab__zxid(z->leader.epoch, 0)) {
                /* A Java log writer may acknowledge proposals before NEWLEADER (ZOOKEEPER-4685). */
                zab__ack(z, now_ms, p, q->zxid, fx);
                return;
        }
        p->state = PEER_ACKED;
        p->acked_zxid = p->commit_sent; /* and perhaps more, of which it will tell */
        p->deadline_ms = UINT64_MAX;
        if (p->voter)
                set_add(z, &z->leader.synced, p->sid);
        if (z->phase == ZAB_BROADCAST) {
                zab__activate(z, now_ms, p, fx);
                zab__commit_ready(z, now_ms, fx);
        } else {
                zab__leader_established(z, now_ms, fx);
        }
}

void zab__leader_established(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        struct member_set having = PLANTED(ESTABLISHED_BY_PROMISES) ? l->promised : l->synced;
        if (z->phase != ZAB_SYNCHRONIZATION || z->current_epoch != l->epoch || !is_quorum(z, having))
                return;
        assert(member_set_has(&l->synced, z->config.ensemble, z->config.sid));
        zab__set_phase(z, ZAB_LEADING, ZAB_BROADCAST, "a quorum has this history", fx);
        z->distrust = z->fuzzy = false;
        l->last_proposed = zab__zxid(l->epoch, 0);
        l->tick_ms = now_ms + z->config.tick_ms;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state == PEER_ACKED)
                        zab__activate(z, now_ms, p, fx);
        }
        z->host.serving(z->host.ctx, l->epoch, fx);
}

/* ---- events ---- */

void zab__leader_packet(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                        struct effects *fx)
{
        switch (p->state) {
        case PEER_WAITING:
                on_learner_info(z, now_ms, p, q, fx);
                break;
        case PEER_INFORMED:
                on_ack_epoch(z, now_ms, p, q, fx);
                break;
        case PEER_KNOWN:
        case PEER_PROMISED:
        case PEER_SNAP_WAIT:
                zab__peer_bad(z, p, "nothing was expected now", fx);
                break;
        case PEER_SNAP:
        case PEER_SYNC:
        case PEER_ACKED:
                on_sync_packet(z, now_ms, p, q, fx);
                break;
        case PEER_ACTIVE:
                zab__broadcast_packet(z, now_ms, p, q, fx);
                break;
        }
}

static void announce(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        l->announced = true;
        barrier_begin(z, now_ms);
        set_add(z, &l->promised, z->config.sid);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state == PEER_KNOWN)
                        inform(z, now_ms, p, fx);
        }
        promise_check(z, now_ms, fx);
}

/* Who came while the epoch was being written may have promised as much, and could not follow it. Nobody has been told
 * of it yet: a later one costs a write, where making way would cost an election. */
static void settle_epoch(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        if (z->heard_epoch < z->leader.epoch) {
                announce(z, now_ms, fx);
                return;
        }
        z->leader.epoch = 0;
        epoch_choose(z, now_ms, fx);
}

void zab__leader_disk(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        if (z->leaving)
                return;
        if (!l->announced && l->epoch != 0 && z->accepted_epoch == l->epoch)
                settle_epoch(z, now_ms, fx);
        if (z->phase == ZAB_SYNCHRONIZATION && z->current_epoch == l->epoch) {
                set_add(z, &l->synced, z->config.sid);
                zab__leader_established(z, now_ms, fx);
        }
        if (z->phase == ZAB_BROADCAST)
                zab__commit_ready(z, now_ms, fx);
}

void zab__leader_enter(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        *l = (struct zab_leader){
                .own_epoch = z->current_epoch,
                .own_zxid = z->history.last,
                .last_proposed = z->history.last,
                .ping_ms = now_ms,
                .more_ms = UINT64_MAX,
        };
        zab__ring_init(&l->proposals, sizeof(struct proposal));
        zab__ring_init(&l->syncs, sizeof(struct pending_sync));
        zab__set_phase(z, ZAB_LEADING, ZAB_DISCOVERY, "elected", fx);
        if (!ensemble_is_voter(z->config.ensemble, z->config.sid)) {
                zab__leave_soon(z, "an observer can't lead");
                return;
        }
        if (z->lost) {
                zab__leave_soon(z, "a server that lost its disk can't lead");
                return;
        }
        barrier_begin(z, now_ms);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                zab__peer_run(z, now_ms, p, fx); /* those that came before this server knew */
        }
        epoch_choose(z, now_ms, fx);
}

void zab__leader_exit(struct zab *z)
{
        struct zab_leader *l = &z->leader;
        zab__ring_done(&l->proposals);
        zab__ring_done(&l->syncs);
        blob_unref(l->newleader);
        memset(l, 0, sizeof *l);
}
