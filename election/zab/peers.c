/* Connections that others made to the quorum port: their list, their input, their end.
 *
 * While this server looks, they wait: a learner that decided earlier than its leader need not dial
 * again. A waiting connection may hold no more than a first packet's worth of bytes. */
#include "election/zab/zab_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* A connection's first packet and what may lie behind it. */
#define WAITING_ITEM_MAX 4096

struct zab_peer *zab__peer_find(const struct zab *z, conn_id conn)
{
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->conn == conn)
                        return p;
        }
        return NULL;
}

/* The one that has waited longest without saying a word makes room. */
static bool waiting_room(struct zab *z, struct effects *fx)
{
        struct zab_peer *oldest = NULL;
        size_t waiting = 0;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->state != PEER_WAITING)
                        continue;
                waiting++;
                if (!oldest)
                        oldest = p;
        }
        if (waiting < ZAB_WAITING_MAX)
                return z->peer_count < ZAB_PEERS_MAX;
        zab__peer_drop(z, oldest, false, false, fx);
        return true;
}

void zab_conn_accepted(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        assert(z->depth == 0);
        if (zab__learning(z) || !waiting_room(z, fx)) {
                effect_close(fx, conn, false);
                zab__peers_sweep(z);
                return;
        }
        zab__peers_sweep(z);
        struct zab_peer *p = mem_zalloc(sizeof *p);
        p->conn = conn;
        p->state = PEER_WAITING;
        p->sid = -1;
        p->deadline_ms = now_ms + zab__ticks(z, z->config.init_limit);
        zab__stream_init(&p->in);
        zab__ring_init(&p->queue, sizeof(struct blob *));
        list_push(&z->peers, &p->link);
        z->peer_count++;
}

static void queue_clear(struct zab_peer *p)
{
        for (size_t i = 0; i < p->queue.count; i++)
                blob_unref(*(struct blob **)zab__ring_at(&p->queue, i));
        zab__ring_done(&p->queue);
        p->queue_bytes = 0;
}

void zab__peer_drop(struct zab *z, struct zab_peer *p, bool closed, bool flush, struct effects *fx)
{
        assert(!p->gone);
        p->gone = true;
        z->peers_gone = true;
        z->peer_count--;
        if (!closed)
                effect_close(fx, p->conn, flush);
        queue_clear(p);
        if (z->role != ZAB_LEADING)
                return;
        /* What it acknowledged on this connection counts no longer: on the next one it may have to cut
         * its log before it gets the same proposals again. */
        if (p->voter)
                zab__forget_acks(z, p);
        if (z->leader.reading == p) {
                z->leader.reading = NULL;
                z->host.snapshot_end(z->host.ctx);
        }
        if (p->state >= PEER_PROMISED)
                effect_report(fx, REPORT_INFO, "learner %" PRId64 " is gone", p->sid);
}

void zab__peer_bad(struct zab *z, struct zab_peer *p, const char *what, struct effects *fx)
{
        z->stats.bad_input++;
        effect_report(fx, REPORT_WARNING, "quorum connection of %s %" PRId64 " closed: %s",
                      p->state == PEER_WAITING ? "unknown server" : "server", p->sid, what);
        zab__peer_drop(z, p, false, false, fx);
}

void zab__peers_sweep(struct zab *z)
{
        if (!z->peers_gone)
                return;
        z->peers_gone = false;
        for (struct list *at = z->peers.next, *next; at != &z->peers; at = next) {
                next = at->next;
                struct zab_peer *p = LIST_ENTRY(at, struct zab_peer, link);
                if (!p->gone)
                        continue;
                list_remove(&p->link);
                zab__stream_done(&p->in);
                mem_free(p);
        }
}

/* A connection that only waits is given the memory of a first packet. */
static bool waits_quietly(const struct zab_peer *p)
{
        const uint8_t *data;
        return zab__stream_peek(&p->in, &data) <= WAITING_ITEM_MAX;
}

/* How long it may be silent: init_limit until it is part of the ensemble, sync_limit afterwards; without
 * end while it is this server's turn (quorum-protocol.md 3.3, 6). */
static void peer_heard(const struct zab *z, uint64_t now_ms, struct zab_peer *p)
{
        if (p->deadline_ms == UINT64_MAX || p->state == PEER_WAITING)
                return;
        uint32_t limit = p->state == PEER_ACTIVE ? z->config.sync_limit : z->config.init_limit;
        p->deadline_ms = now_ms + zab__ticks(z, limit);
}

void zab__peer_run(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx)
{
        if (z->role != ZAB_LEADING) {
                if (!waits_quietly(p))
                        zab__peer_bad(z, p, "too many bytes before this server leads", fx);
                return;
        }
        peer_heard(z, now_ms, p);
        while (!p->gone && !z->leaving) {
                struct jute_quorum_packet q;
                int32_t item_max = p->state == PEER_WAITING ? WAITING_ITEM_MAX : z->config.item_max;
                int r = zab__stream_next(&p->in, item_max, &q);
                if (r < 0)
                        zab__peer_bad(z, p, "malformed packet", fx);
                if (r <= 0)
                        return;
                zab__leader_packet(z, now_ms, p, &q, fx);
        }
}

void zab__peer_send(struct zab *z, struct zab_peer *p, struct blob *b, struct effects *fx)
{
        if (p->gone) {
                blob_unref(b);
                return;
        }
        if (p->state != PEER_SNAP) {
                effect_send(fx, p->conn, b);
                return;
        }
        struct blob **slot = zab__ring_push(&p->queue);
        *slot = b;
        p->queue_bytes += b->len;
        if (p->queue_bytes <= z->config.learner_queue_bytes_max)
                return;
        effect_report(fx, REPORT_WARNING, "learner %" PRId64 " takes its snapshot too slowly, dropped", p->sid);
        zab__peer_drop(z, p, false, false, fx);
}

/* Half a packet, then silence. Of a server that does not lead nothing is read, so that whole ones may wait. */
static bool stuck(const struct zab *z, const struct zab_peer *p)
{
        const uint8_t *data;
        return z->role == ZAB_LEADING && p->state == PEER_WAITING && zab__stream_peek(&p->in, &data) > 0;
}

void zab__peers_tick(struct zab *z, uint64_t now_ms, struct effects *fx)
{
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (now_ms < p->deadline_ms)
                        continue;
                z->stats.bad_input += stuck(z, p);
                effect_report(fx, REPORT_WARNING, "quorum connection of server %" PRId64 " closed: silent for too long",
                              p->sid);
                zab__peer_drop(z, p, false, false, fx);
        }
}

uint64_t zab__peers_deadline(const struct zab *z)
{
        uint64_t at = UINT64_MAX;
        struct zab_peer *p;
        EACH_PEER(z, p)
        {
                if (p->deadline_ms < at)
                        at = p->deadline_ms;
        }
        return at;
}
