/* What keeps a leader honest about its being one: pings, the quorum check of each tick, and syncs, which
 * are answered only after a quorum has answered a ping sent after they were asked (safety: S9).
 *
 * Ping rounds are numbered. A learner answers pings from UPTODATE on, each once and in order, so its
 * k-th answer belongs to the k-th round after its activation. */
#include "election/zab/zab_internal.h"

#include "election/base/plant.h"

#include <assert.h>
#include <inttypes.h>

/* Half a tick is what ZooKeeper's learners count on. */
static uint32_t ping_interval(const struct zab *z)
{
        uint32_t half_tick = z->config.tick_ms > 1 ? z->config.tick_ms / 2 : 1;
        uint32_t mine = z->config.heartbeat_ms;
        return mine > 0 && mine < half_tick ? mine : half_tick;
}

/* ---- pings ---- */

/* A ZooKeeper server does not look at the data of a leader's PING, and sends none as leader. */
static struct blob *ping_blob(const struct zab *z)
{
        if (z->config.heartbeat_ms == 0)
                return jute_quorum_packet_blob(QP_PING, z->leader.last_proposed, NULL, 0);
        struct jute_writer w;
        jute_writer_init(&w, sizeof(int32_t));
        jute_put_int(&w, (int32_t)ping_interval(z));
        struct blob *b = jute_quorum_packet_blob(QP_PING, z->leader.last_proposed, w.data, w.len);
        jute_writer_done(&w);
        return b;
}

void zab__ping_round(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        l->ping_round++;
        l->ping_ms = now_ms + ping_interval(z);
        struct blob *b = ping_blob(z);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state < PEER_SYNC)
                        continue;
                zab__peer_send(z, p, blob_ref(b), fx);
                if (p->state == PEER_ACTIVE)
                        p->pings_sent++;
        }
        blob_unref(b);
}

static uint64_t answered_round(const struct zab_peer *p)
{
        return p->pings_answered > 0 ? p->ping_base + p->pings_answered : 0;
}

/* Whether a quorum answered that round or a later one. `idle_too`: or owes no answer. */
static bool round_confirmed(const struct zab *z, uint64_t round, bool idle_too)
{
        struct member_set set = {0};
        member_set_add(&set, z->config.ensemble, z->config.sid);
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                bool idle = idle_too && p->pings_answered == p->pings_sent;
                if (p->state == PEER_ACTIVE && p->voter && (idle || answered_round(p) >= round))
                        member_set_add(&set, z->config.ensemble, p->sid);
        }
        return ensemble_is_quorum(z->config.ensemble, &set);
}

void zab__ping_answered(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        if (p->pings_answered == p->pings_sent)
                return; /* an answer to nothing */
        p->pings_answered++;
        zab__syncs_ready(z, now_ms, fx);
}

/* ---- syncs ---- */

static void ask(struct zab *z, uint64_t now_ms, const struct pending_sync *s, struct effects *fx)
{
        struct pending_sync *to = zab__ring_push(&z->leader.syncs);
        *to = *s;
        zab__syncs_ready(z, now_ms, fx);
}

void zab__sync_ask(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        const struct zab_leader *l = &z->leader;
        ask(z, now_ms, &(struct pending_sync){.conn = conn, .zxid = l->last_proposed, .round = l->ping_round + 1}, fx);
}

static bool sync_finished(const struct zab *z, const struct pending_sync *s)
{
        /* Nothing proposed in this epoch yet: s->zxid is (epoch, 0), everything older is committed. */
        bool committed = zab__history_tail(&z->history) == 0 || z->history.last_committed >= s->zxid;
        return committed && (PLANTED(SYNC_WITHOUT_ROUND) || round_confirmed(z, s->round, false));
}

bool zab__session_ask(struct zab *z, uint64_t now_ms, conn_id conn, int64_t session, int32_t timeout_ms,
                      struct effects *fx)
{
        const struct zab_leader *l = &z->leader;
        struct pending_sync s = {.conn = conn,
                                 .zxid = l->last_proposed,
                                 .round = l->ping_round + 1,
                                 .asks_session = true,
                                 .session = session,
                                 .timeout_ms = timeout_ms};
        if (l->syncs.count == 0 && sync_finished(z, &s))
                return true;
        ask(z, now_ms, &s, fx);
        return false;
}

void zab__session_answer(struct zab *z, struct zab_peer *p, int64_t session, bool valid, struct effects *fx)
{
        struct jute_writer w;
        jute_writer_init(&w, 9);
        jute_put_long(&w, session);
        jute_put_bool(&w, valid);
        zab__peer_send(z, p, jute_quorum_packet_blob(QP_REVALIDATE, -1, w.data, w.len), fx);
        jute_writer_done(&w);
}

static void sync_done(struct zab *z, const struct pending_sync *s, struct effects *fx)
{
        struct zab_peer *p = s->conn ? zab__peer_find(z, s->conn) : NULL;
        if (s->conn && !p)
                return;
        if (s->asks_session) {
                int64_t sid = p ? p->sid : z->config.sid;
                bool valid = z->host.revalidate(z->host.ctx, sid, s->session, s->timeout_ms);
                if (p)
                        zab__session_answer(z, p, s->session, valid, fx);
                else
                        z->host.revalidated(z->host.ctx, s->session, valid, fx);
        } else if (p) {
                zab__peer_send(z, p, jute_quorum_packet_blob(QP_SYNC, 0, NULL, 0), fx);
        } else {
                z->host.synced(z->host.ctx, fx);
        }
}

/* Answers what is finished, in order of asking. One round is under way at a time: what is asked during it
 * shares the next. */
void zab__syncs_ready(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        while (l->syncs.count > 0 && !z->leaving) {
                struct pending_sync s = *(const struct pending_sync *)zab__ring_at(&l->syncs, 0);
                if (!sync_finished(z, &s))
                        break;
                zab__ring_pop(&l->syncs);
                sync_done(z, &s, fx);
        }
        if (l->syncs.count == 0 || z->leaving)
                return;
        const struct pending_sync *last = zab__ring_at(&l->syncs, l->syncs.count - 1);
        if (last->round > l->ping_round && round_confirmed(z, l->ping_round, true))
                zab__ping_round(z, now_ms, fx);
}

/* ---- time ---- */

/* A follower that came back and is being synchronised counts for staying, as it does in Java: it is there.
 * (It commits nothing before it has acknowledged NEWLEADER.) */
static struct member_set present_voters(const struct zab *z)
{
        struct member_set set = z->leader.synced;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->voter && p->state >= PEER_PROMISED)
                        member_set_add(&set, z->config.ensemble, p->sid);
        }
        return set;
}

/* A peer that was silent for too long has been dropped, and with it its place in the set. */
static void quorum_check(struct zab *z, uint64_t now_ms)
{
        struct zab_leader *l = &z->leader;
        if (z->phase != ZAB_BROADCAST || now_ms < l->tick_ms)
                return;
        l->tick_ms = now_ms + z->config.tick_ms;
        struct member_set present = present_voters(z);
        if (!ensemble_is_quorum(z->config.ensemble, &present))
                zab__leave_soon(z, "no quorum of synchronised followers any more");
}

/* A log device that hangs must not go unnoticed while pings go on (ZOOKEEPER-2247). */
static void disk_check(struct zab *z, uint64_t now_ms)
{
        if (z->disk.count == 0 || PLANTED(M23_LEADS_WITHOUT_LOG))
                return;
        const struct disk_item *oldest = zab__ring_at(&z->disk, 0);
        if (now_ms >= oldest->since_ms + zab__ticks(z, z->config.sync_limit))
                zab__leave_soon(z, "the log was not written for %" PRIu64 " ms", now_ms - oldest->since_ms);
}

/* A follower whose log hangs answers pings, but its acknowledgements stay out (ZOOKEEPER-87). */
static void watches_check(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->watch_zxid == 0 || now_ms < p->watch_ms + zab__ticks(z, z->config.sync_limit))
                        continue;
                effect_report(fx, REPORT_WARNING,
                              "follower %" PRId64 " did not acknowledge 0x%" PRIx64 " in time, dropped", p->sid,
                              (uint64_t)p->watch_zxid);
                zab__peer_drop(z, p, false, false, fx);
        }
}

static void barrier_check(struct zab *z, uint64_t now_ms)
{
        if (z->phase == ZAB_BROADCAST || now_ms < z->leader.barrier_ms)
                return;
        if (z->leader.epoch == 0)
                zab__leave_soon(z, "no quorum of voters connected in time");
        else if (z->phase == ZAB_DISCOVERY)
                zab__leave_soon(z, "no quorum promised epoch %" PRId64 " in time", z->leader.epoch);
        else
                zab__leave_soon(z, "no quorum was synchronised in time");
}

void zab__leader_tick(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_leader *l = &z->leader;
        barrier_check(z, now_ms);
        disk_check(z, now_ms);
        if (now_ms >= l->more_ms)
                zab__commit_ready(z, now_ms, fx);
        if (l->stopping && now_ms >= l->stop_ms)
                zab__leave_soon(z, "stopped with proposals not committed");
        if (now_ms >= l->ping_ms && !z->leaving) {
                watches_check(z, now_ms, fx);
                zab__ping_round(z, now_ms, fx);
        }
        quorum_check(z, now_ms);
        zab__sync_snapshots(z, now_ms, fx);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t zab__leader_deadline(const struct zab *z)
{
        const struct zab_leader *l = &z->leader;
        uint64_t at = earlier(l->ping_ms, l->more_ms);
        at = earlier(at, z->phase == ZAB_BROADCAST ? l->tick_ms : l->barrier_ms);
        if (l->stopping)
                at = earlier(at, l->stop_ms);
        if (z->disk.count > 0) {
                const struct disk_item *oldest = zab__ring_at(&z->disk, 0);
                at = earlier(at, oldest->since_ms + zab__ticks(z, z->config.sync_limit));
        }
        return at;
}
