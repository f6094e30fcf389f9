/* Bringing one learner up to date: what zab__choose_sync() chose, then live traffic, then NEWLEADER.
 *
 * The cut is the moment of the choice: everything committed by then is in what is sent as history (or in
 * the snapshot), everything later goes to the learner as it happens (safety: Z14). With a snapshot the
 * later part queues up here until the stream is out, so that NEWLEADER stands behind what it vouches for
 * (ZOOKEEPER-3104). */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SNAPSHOT_SEAL "BenWasHere"

static bool reads_packet(const struct store_txn *t)
{
        struct jute_reader r;
        jute_reader_init(&r, t->blob->data, t->blob->len, (int32_t)t->len);
        struct jute_quorum_packet q;
        jute_get_quorum_packet(&r, &q);
        return r.error == 0 && r.at == r.end && q.type == QP_PROPOSAL && q.zxid == t->zxid &&
               q.data.len == (int32_t)t->len && q.authinfo.count == -1;
}

/* The transaction as a PROPOSAL: what came in or went out as one is shared, recovered ones are wrapped. */
static struct blob *proposal_of(const struct store_txn *t)
{
        bool shaped = t->offset == JUTE_QUORUM_PACKET_DATA && t->blob->len == t->len + JUTE_QUORUM_PACKET_MIN;
        if (shaped && reads_packet(t))
                return blob_ref(t->blob);
        return jute_quorum_packet_blob(QP_PROPOSAL, t->zxid, t->blob->data + t->offset, t->len);
}

static void send_plain(struct zab *z, struct zab_peer *p, int32_t type, int64_t zxid, struct effects *fx)
{
        zab__peer_send(z, p, jute_quorum_packet_blob(type, zxid, NULL, 0), fx);
}

/* History from place `from` on, each with its COMMIT; then, for a follower, what is proposed and not
 * committed. */
static void send_history(struct zab *z, struct zab_peer *p, size_t from, struct effects *fx)
{
        const struct history *h = &z->history;
        size_t end = p->observer ? h->committed : h->txns.count;
        for (size_t i = from; i < end; i++) {
                const struct store_txn *t = zab__history_at(h, i);
                zab__peer_send(z, p, proposal_of(t), fx);
                if (i < h->committed)
                        send_plain(z, p, QP_COMMIT, t->zxid, fx);
        }
        p->commit_sent = h->last_committed;
}

static void send_newleader(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        p->state = PEER_SYNC;
        p->deadline_ms = now_ms + zab__ticks(z, z->config.init_limit);
        zab__peer_send(z, p, blob_ref(z->leader.newleader), fx);
}

/* Learners being synchronised by now, `p` among them. */
static size_t inflight(const struct zab *z, bool by_snapshot)
{
        size_t count = 0;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                bool snapshot = p->sync == ZAB_SYNC_SNAP;
                count += p->state >= PEER_SNAP_WAIT && p->state < PEER_ACTIVE && snapshot == by_snapshot;
        }
        return count;
}

void zab__sync_start(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        static const char *const names[] = {[SYNC_DIFF] = "DIFF", [SYNC_TRUNC] = "TRUNC", [SYNC_SNAP] = "SNAP"};
        int64_t epoch = z->phase == ZAB_BROADCAST ? z->leader.epoch : 0;
        struct sync_choice c = zab__choose_sync(&z->history, p->last_zxid, epoch);
        effect_report(fx, REPORT_INFO, "synchronising learner %" PRId64 " by %s from 0x%" PRIx64 " to 0x%" PRIx64,
                      p->sid, names[c.kind], (uint64_t)p->last_zxid, (uint64_t)z->history.last_committed);
        p->sync_ms = now_ms;
        switch (c.kind) {
        case SYNC_SNAP:
                z->stats.sync_snap++;
                p->sync = ZAB_SYNC_SNAP;
                p->state = PEER_SNAP_WAIT;
                summary_add(&z->stats.inflight_snap, inflight(z, true));
                zab__sync_snapshots(z, now_ms, fx);
                if (p->state == PEER_SNAP_WAIT)
                        effect_report(fx, REPORT_INFO,
                                      "learner %" PRId64 " waits: the tree is being read out for another snapshot",
                                      p->sid);
                return;
        case SYNC_TRUNC:
                z->stats.sync_trunc++;
                p->sync = ZAB_SYNC_TRUNC;
                send_plain(z, p, QP_TRUNC, c.zxid, fx);
                break;
        case SYNC_DIFF:
                z->stats.sync_diff++;
                p->sync = ZAB_SYNC_DIFF;
                send_plain(z, p, QP_DIFF, c.zxid, fx);
                break;
        }
        send_history(z, p, c.from, fx);
        send_newleader(z, now_ms, p, fx);
        summary_add(&z->stats.inflight_diff, inflight(z, false));
}

/* ---- snapshots ---- */

static struct zab_peer *first_waiting(struct zab *z)
{
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state == PEER_SNAP_WAIT)
                        return p;
        }
        return NULL;
}

void zab__sync_snapshots(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_peer *p = z->leader.reading || z->leaving ? NULL : first_waiting(z);
        if (!p)
                return;
        int64_t zxid;
        if (z->host.snapshot_begin(z->host.ctx, &zxid) < 0)
                return;
        /* The database may call itself (epoch, 0) by now; the last transaction in it is the better name,
         * for a learner's log goes on from there and it can be compared with others' logs. */
        assert(zxid >= z->history.last_committed);
        z->leader.reading = p;
        send_plain(z, p, QP_SNAP, z->history.last_committed, fx);
        p->state = PEER_SNAP; /* what is sent from here on waits for the stream */
        p->deadline_ms = now_ms + zab__ticks(z, z->config.init_limit);
        send_history(z, p, z->history.committed, fx);
        zab__sync_more(z, now_ms, p, fx);
}

/* The stream is out: what waited follows it, and the next learner may have its snapshot. */
static void stream_end(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        z->leader.reading = NULL;
        z->host.snapshot_end(z->host.ctx);
        while (p->queue.count > 0) {
                effect_send(fx, p->conn, *(struct blob **)zab__ring_at(&p->queue, 0));
                zab__ring_pop(&p->queue);
        }
        zab__ring_done(&p->queue);
        p->queue_bytes = 0;
        send_newleader(z, now_ms, p, fx);
        zab__sync_snapshots(z, now_ms, fx);
}

void zab__sync_more(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        if (z->role != ZAB_LEADING || z->leader.reading != p || z->leaving)
                return;
        /* A learner that takes bytes is alive, however long the whole takes (ZOOKEEPER-1697). */
        p->deadline_ms = now_ms + zab__ticks(z, z->config.init_limit);
        struct jute_writer w;
        /* One portion overshoots by at most one item: a node's path and data. */
        jute_writer_init(&w, ZAB_SNAPSHOT_CHUNK_BYTES + 2 * (size_t)z->config.item_max + STREAM_SLACK_BYTES);
        int more = z->host.snapshot_read(z->host.ctx, &w, ZAB_SNAPSHOT_CHUNK_BYTES);
        if (more == 0)
                jute_put_cstr(&w, SNAPSHOT_SEAL);
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        if (!b) {
                effect_report(fx, REPORT_ERROR, "the snapshot for learner %" PRId64 " has an item too long to send",
                              p->sid);
                zab__peer_drop(z, p, false, false, fx);
                zab__sync_snapshots(z, now_ms, fx);
                return;
        }
        effect_send(fx, p->conn, b);
        if (more == 0)
                stream_end(z, now_ms, p, fx);
        else
                effect_notify_sent(fx, p->conn);
}
