/* What arrives, and when: dials and their outcomes, bytes, ends of connections. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* So much arrives although nothing gets back: ten segments, TCP's first window. */
#define WINDOW_BYTES 14600
/* The longest wait until a sender tries again and learns that nobody knows its connection. */
#define RETRY_MS 400
/* A portion may be so small that it splits a length. */
#define CRUMB_BYTES 7

static bool end_frozen(const struct world *w, const struct world_endpoint *end)
{
        return end->sid && w->nodes[end->sid].frozen;
}

/* Its machine answers nothing. */
static bool end_dead(const struct world *w, const struct world_endpoint *end)
{
        const struct world_node *n = &w->nodes[end->sid];
        return end->sid && (n->off || n->pause == WORLD_PAUSE_SUSPEND || n->pause == WORLD_PAUSE_VM);
}

/* ---- dials ---- */

static void tell_dialled(struct world *w, struct world_stream *s, int status)
{
        struct world_endpoint *from = &s->end[0];
        bool told = s->told;
        s->told = true;
        if (status < 0) {
                s->dial = WORLD_DIAL_DONE;
                from->open = s->end[1].open = false; /* and found no more, once this has been told */
                if (from->client)
                        from->client->refused = from->client->closed = true;
        }
        if (!told)
                world__event(&w->nodes[from->sid],
                             &(struct event){.type = EVENT_CONN_DIALLED, .conn = from->conn, .status = status});
        if (status < 0)
                world__end_shut(w, from);
}

static bool dial_under_way(struct world *w, struct world_stream *s)
{
        struct world_endpoint *from = &s->end[0], *to = &s->end[1];
        struct world_node *target = &w->nodes[to->sid];
        if (!from->open) { /* given up, or gone */
                world__end_shut(w, to);
                return true;
        }
        if (end_frozen(w, from))
                return false;
        if (w->now >= s->dial_end_ms) {
                tell_dialled(w, s, -ETIMEDOUT);
                return true;
        }
        world__soon(w, s->dial_end_ms);
        if (w->now < s->dial_ms) {
                world__soon(w, s->dial_ms);
                return false;
        }
        if (!world__way(w, from, to) || !world__way(w, to, from) || w->links[from->sid][to->sid].blackhole ||
            end_dead(w, to))
                return false;
        if (target->played) {
                world__peer_taken(w, s);
                return true;
        }
        if (!target->running || !target->listening) {
                tell_dialled(w, s, -ECONNREFUSED);
                return true;
        }
        s->dial = WORLD_DIAL_TAKEN;
        return true;
}

/* The system has it. The program gets it as soon as it runs; whoever has dialled need not wait for that. */
static bool dial_taken(struct world *w, struct world_stream *s)
{
        struct world_node *target = &w->nodes[s->end[1].sid];
        if (!target->listening) {
                world__end_gone(w, &s->end[1], &s->end[0], -ECONNRESET);
                s->dial = WORLD_DIAL_DONE;
                return true;
        }
        if (target->frozen)
                return false;
        world__accept(w, s);
        return true;
}

/* ---- bytes ---- */

static uint32_t rate_of(const struct world *w, const struct world_endpoint *from, const struct world_endpoint *to)
{
        uint32_t rate = w->links[from->sid][to->sid].bytes_per_ms;
        return rate ? rate : w->net_bytes_per_ms;
}

/* How much of `len` may arrive now. */
static size_t within_rate(struct world *w, struct world_endpoint *end, const struct world_endpoint *from, size_t len)
{
        uint32_t rate = rate_of(w, from, end);
        if (end->taken_ms != w->now)
                end->taken = 0;
        end->taken_ms = w->now;
        if (rate && end->taken >= rate)
                return 0;
        if (rate && len > rate - end->taken)
                len = rate - end->taken;
        return len;
}

/* Any portion may arrive by itself. */
static size_t portion_of(struct world *w, size_t len)
{
        switch (world__draw(w, WORLD_DRAW_NET) % 6) {
        case 0:
                len = len < CRUMB_BYTES ? len : CRUMB_BYTES;
                return 1 + world__draw(w, WORLD_DRAW_NET) % len;
        case 1:
                return 1 + world__draw(w, WORLD_DRAW_NET) % len;
        default:
                return len;
        }
}

/* Without the way back only what was sent before an acknowledgement was needed. */
static size_t within_window(const struct world *w, struct world_endpoint *end, const struct world_endpoint *other,
                            size_t len)
{
        if (world__way(w, end, other)) {
                end->unacked = 0;
                return len;
        }
        size_t left = end->unacked < WINDOW_BYTES ? WINDOW_BYTES - end->unacked : 0;
        return len < left ? len : left;
}

static bool end_bytes(struct world *w, const struct world_stream *s, struct world_endpoint *end,
                      struct world_endpoint *other)
{
        size_t most = s->port == PORT_QUORUM ? world__gate(w, other->sid, end) : end->in.len;
        most = within_window(w, end, other, most);
        if (!most)
                return false;
        if (!within_rate(w, end, other, most)) {
                world__soon(w, w->now + 1);
                return false;
        }
        size_t len = within_rate(w, end, other, portion_of(w, most));
        end->taken += (uint32_t)len;
        if (s->port == PORT_QUORUM)
                world__gate_passed(end, len);
        if (!world__way(w, end, other))
                end->unacked += (uint32_t)len;
                /* Aside, since the step may end this connection; under a sanitizer on its own, so that it sees who
                 * reads on. */
#ifdef BATON_SANITIZED
        uint8_t *portion = mem_dup(end->in.data, len);
#else
        w->portion.len = 0;
        bytes_add(&w->portion, end->in.data, len);
        uint8_t *portion = w->portion.data;
#endif
        bytes_take(&end->in, len);
        end->held = false;
        if (end->client)
                world__client_bytes(end->client, portion, len);
        else if (end->sid)
                world__event(&w->nodes[end->sid], &(struct event){.type = EVENT_CONN_BYTES,
                                                                  .conn = end->conn,
                                                                  .bytes = {.data = portion, .len = len}});
#ifdef BATON_SANITIZED
        mem_free(portion);
#endif
        return true;
}

/* ---- ends ---- */

static void end_closed(struct world *w, struct world_endpoint *end, int status)
{
        end->open = false; /* and found no more, once this has been told */
        end->eof = false;
        if (end->client)
                end->client->closed = true;
        else if (end->sid)
                world__event(&w->nodes[end->sid],
                             &(struct event){.type = EVENT_CONN_CLOSED, .conn = end->conn, .status = status});
        world__end_shut(w, end);
}

/* Its own doing, or what its system has found out. Returns whether the connection has failed. */
static bool end_fails(struct world *w, struct world_stream *s, struct world_endpoint *end, struct world_endpoint *other)
{
        if (end->overrun) {
                end->overrun = false;
                end_closed(w, end, -ENOBUFS);
                return true;
        }
        bool acked = world__way(w, end, other) && world__way(w, other, end) && !other->vanished && !end_dead(w, other);
        if (acked || !s->silence_ms) {
                end->broken_ms = 0;
                return false;
        }
        if (!end->broken_ms)
                end->broken_ms = w->now;
        if (w->now < end->broken_ms + s->silence_ms) {
                world__soon(w, end->broken_ms + s->silence_ms);
                return false;
        }
        world__end_gone(w, end, other, -ECONNRESET);
        end_closed(w, end, -ETIMEDOUT);
        return true;
}

/* A machine that has power again knows nothing of its connections, and says so to whoever uses one. */
static void end_unknown(struct world *w, struct world_stream *s, struct world_endpoint *end,
                        struct world_endpoint *other)
{
        if (!other->vanished || !other->in.len || end_dead(w, other) || !world__way(w, end, other) ||
            !world__way(w, other, end))
                return;
        if (!s->reset_ms)
                s->reset_ms = w->now + 1 + world__draw(w, WORLD_DRAW_NET) % RETRY_MS;
        if (w->now < s->reset_ms) {
                world__soon(w, s->reset_ms);
                return;
        }
        other->vanished = false;
        other->in.len = 0;
        end->eof = true;
        end->eof_status = -ECONNRESET;
}

static bool end_deliver(struct world *w, struct world_stream *s, int side)
{
        struct world_endpoint *end = &s->end[side], *other = &s->end[!side];
        if (!end->open || end_frozen(w, end) || (side ? s->dial != WORLD_DIAL_DONE : !s->told))
                return false;
        if (end_fails(w, s, end, other))
                return true;
        end_unknown(w, s, end, other);
        if (end->notify && other->in.len <= w->socket_bytes) {
                end->notify = false;
                world__event(&w->nodes[end->sid], &(struct event){.type = EVENT_CONN_SENT, .conn = end->conn});
                return true;
        }
        if (!world__way(w, other, end))
                return false;
        if (end->in.len && !end->held)
                world__hold(w, s, end);
        if (w->now < end->ready_ms) {
                if (end->in.len || end->eof)
                        world__soon(w, end->ready_ms);
                return false;
        }
        if (end->in.len && !end->stopped)
                return end_bytes(w, s, end, other);
        if (end->eof && !end->in.len) {
                end_closed(w, end, end->eof_status);
                return true;
        }
        return false;
}

static bool stream_deliver(struct world *w, struct world_stream *s)
{
        if (s->dial == WORLD_DIAL_UNDER_WAY)
                return dial_under_way(w, s);
        bool any = s->dial == WORLD_DIAL_TAKEN && dial_taken(w, s);
        if (!s->told && s->end[0].open && !end_frozen(w, &s->end[0])) {
                tell_dialled(w, s, 0);
                any = true;
        }
        any |= end_deliver(w, s, 0);
        return end_deliver(w, s, 1) || any;
}

bool world__deliver(struct world *w)
{
        bool any = false;
        struct list *last = w->streams.prev;
        for (struct list *l = w->streams.next; l != &w->streams;) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                bool end = l == last;
                any |= stream_deliver(w, s);
                l = l->next; /* read after the deliveries: they only add at the end */
                if (!s->end[0].open && !s->end[1].open)
                        world__end_stream(w, s);
                if (end)
                        break;
        }
        return any;
}
