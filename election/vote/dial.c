/* The dialling half of the election channel: when and where to dial, and what the outcome says. */
#include "election/vote/channel.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>

void vote__dial_forget_callbacks(struct vote_peer *p)
{
        mem_free(p->callbacks);
        p->callbacks = NULL;
        p->callback_count = p->callback_next = 0;
}

static uint32_t doubled(uint32_t ms, uint32_t first, uint32_t most)
{
        if (ms == 0)
                return first;
        return ms > most / 2 ? most : ms * 2;
}

/* Where to dial next: what is left of the peer's own addresses, then the configured one. */
static bool next_address(const struct vote_channel *ch, struct vote_peer *p, const char **ret_host, uint16_t *ret_port)
{
        p->dial_back = p->callback_next < p->callback_count;
        if (p->dial_back) {
                const struct vote_address *a = &p->callbacks[p->callback_next++];
                *ret_host = a->host;
                *ret_port = a->port;
                return true;
        }
        const struct member *m = ensemble_find(ch->ensemble, p->sid);
        if (!m)
                return false;
        *ret_host = m->host;
        *ret_port = m->election_port;
        return true;
}

void vote__dial_try(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, struct effects *fx)
{
        const char *host;
        uint16_t port;
        if (p->conn || p->dial || !p->wanted || now_ms < p->redial_at_ms)
                return;
        if (!next_address(ch, p, &host, &port)) {
                p->wanted = false;
                return;
        }
        p->dial = effect_dial(fx, PORT_ELECTION, host, port);
        p->dial_deadline_ms = now_ms + VOTE_DIAL_TIMEOUT_MS;
        if (!p->dial_back)
                p->backoff_ms = doubled(p->backoff_ms, VOTE_REDIAL_MIN_MS, VOTE_REDIAL_MAX_MS);
}

void vote__dial_back(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, const struct vote_handshake *h,
                     struct effects *fx)
{
        vote__dial_forget_callbacks(p);
        if (h->address_count > 0) {
                p->callbacks = mem_dup(h->addresses, h->address_count * sizeof *h->addresses);
                p->callback_count = h->address_count;
        }
        p->wanted = true;
        p->redial_at_ms = now_ms;
        vote__dial_try(ch, now_ms, p, fx);
}

void vote__dial_cancel(struct vote_peer *p, struct effects *fx)
{
        if (p->dial)
                effect_close(fx, p->dial, false);
        p->dial = 0;
}

bool vote__dial_mends(const struct vote_channel *ch, const struct vote_peer *p)
{
        if (!p->voter)
                return false;
        return ch->searching || (p->sid < ch->sid && p->mend_tries > 0);
}

/* What follows says nothing to the peer, for a while: it has just been called. But it may be dead. */
static void probe(struct vote_peer *p)
{
        p->probes = VOTE_PROBES;
        p->probe_wait_ms = VOTE_PROBE_WAIT_MS;
}

void vote__dial_after_loss(struct vote_peer *p, uint64_t now_ms)
{
        if (now_ms - p->up_since_ms >= VOTE_STABLE_MS)
                p->backoff_ms = 0;
        p->redial_at_ms = now_ms + p->backoff_ms;
        p->crossed = p->called && now_ms - p->called_at_ms < VOTE_CROSSING_MS;
        if (p->crossed)
                probe(p);
}

void vote__dial_hurry(struct vote_peer *p, uint64_t now_ms)
{
        if (p->probes > 0 && now_ms - p->called_at_ms < VOTE_CROSSING_MS)
                return; /* soon anyway */
        p->probes = 0;
        p->backoff_ms = 0;
        p->callback_wait_ms = 0;
        if (!p->called || now_ms - p->called_at_ms >= VOTE_CROSSING_MS)
                p->redial_at_ms = now_ms;
}

/* The peer has a larger sid: it is told who called, left, and expected to dial. */
static void call(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, conn_id conn, struct effects *fx)
{
        effect_send(fx, conn, blob_ref(ch->handshake));
        effect_close(fx, conn, true);
        p->called = true;
        p->crossed = false;
        p->called_at_ms = now_ms;
        p->callback_wait_ms = doubled(p->callback_wait_ms, VOTE_CALLBACK_WAIT_MIN_MS, VOTE_CALLBACK_WAIT_MAX_MS);
        p->redial_at_ms = now_ms + p->callback_wait_ms;
        p->wanted = vote__dial_mends(ch, p);
        if (!p->wanted || !p->reset)
                return;
        probe(p);
        p->redial_at_ms = now_ms + p->probe_wait_ms;
}

/* It is there, or still dying; either way it has been called. */
static void probed(struct vote_peer *p, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        effect_close(fx, conn, false);
        p->probe_wait_ms *= 2;
        uint32_t patience_ms = p->callback_wait_ms > VOTE_CROSSING_MS ? p->callback_wait_ms : VOTE_CROSSING_MS;
        p->redial_at_ms = --p->probes > 0 ? now_ms + p->probe_wait_ms : p->called_at_ms + patience_ms;
}

static void dial_succeeded(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, conn_id conn,
                           struct effects *fx)
{
        assert(!p->conn);
        vote__dial_forget_callbacks(p);
        vote__peer_alive(ch, p);
        if (p->probes > 0) {
                probed(p, now_ms, conn, fx);
                return;
        }
        if (p->sid > ch->sid) {
                call(ch, now_ms, p, conn, fx);
                return;
        }
        effect_send(fx, conn, blob_ref(ch->handshake));
        vote__peer_up(ch, now_ms, p, conn, fx);
}

static void dial_failed(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, int status, struct effects *fx)
{
        bool was_away = p->reset && p->refused;
        p->probes = 0;
        if (status == -ECONNREFUSED && !p->dial_back)
                p->refused = true;
        if (p->mend_tries > 0)
                p->mend_tries = p->refused ? 0 : p->mend_tries - 1;
        p->redial_at_ms = now_ms + p->backoff_ms;
        p->wanted = vote__dial_mends(ch, p);
        bool more = p->callback_next < p->callback_count;
        if (p->dial_back || more) {
                /* The peer asked to be dialled back: its next address at once, the configured one last. */
                p->redial_at_ms = now_ms;
                p->wanted = p->member || more;
        }
        vote__dial_try(ch, now_ms, p, fx);
        if (!was_away && p->reset && p->refused)
                ch->host.away(ch->host.self, now_ms, p->sid, fx);
        vote__peer_release(p);
}

static struct vote_peer *dialling(struct vote_channel *ch, conn_id conn)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                if (ch->peers[i].used && ch->peers[i].dial == conn)
                        return &ch->peers[i];
        }
        return NULL;
}

bool vote__channel_dialled(struct vote_channel *ch, uint64_t now_ms, conn_id conn, int status, struct effects *fx)
{
        struct vote_peer *p = conn ? dialling(ch, conn) : NULL;
        if (!p)
                return false;
        p->dial = 0;
        if (status == 0)
                dial_succeeded(ch, now_ms, p, conn, fx);
        else
                dial_failed(ch, now_ms, p, status, fx);
        return true;
}

void vote__dial_timeout(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, struct effects *fx)
{
        if (!p->dial || now_ms < p->dial_deadline_ms)
                return;
        vote__dial_cancel(p, fx);
        dial_failed(ch, now_ms, p, -ETIMEDOUT, fx);
}
