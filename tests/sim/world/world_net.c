/* Byte streams between servers, and between clients and servers. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world_stream *world__stream_new(struct world *w)
{
        struct world_stream *s = mem_zalloc(sizeof *s);
        list_push(&w->streams, &s->link);
        return s;
}

void world__end_stream(struct world *w, struct world_stream *s)
{
        (void)w;
        for (int i = 0; i < 2; i++) {
                if (s->end[i].client && s->end[i].client->stream == s)
                        s->end[i].client->stream = NULL;
                mem_free(s->end[i].in.data);
        }
        list_remove(&s->link);
        mem_free(s);
}

static struct world_endpoint *end_find(struct world_node *n, conn_id conn, struct world_endpoint **ret_other)
{
        for (struct list *l = n->world->streams.next; l != &n->world->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                for (int i = 0; i < 2; i++)
                        if (s->end[i].open && s->end[i].sid == n->sid && s->end[i].conn == conn) {
                                *ret_other = &s->end[!i];
                                return &s->end[i];
                        }
        }
        return NULL;
}

static enum port port_of(uint16_t number)
{
        return number == WORLD_ELECTION_PORT ? PORT_ELECTION : number == WORLD_QUORUM_PORT ? PORT_QUORUM : PORT_CLIENT;
}

void world__accept(struct world_node *n, struct world_endpoint *end, enum port port, const char *from)
{
        n->accepted += 2;
        *end = (struct world_endpoint){.sid = n->sid, .conn = n->accepted, .open = true};
        world__event(n, &(struct event){.type = EVENT_CONN_ACCEPTED,
                                        .conn = end->conn,
                                        .accepted = {.port = port, .address = from, .remote_port = 40000}});
}

void world__dial(struct world_node *n, const struct effect *e)
{
        struct world *w = n->world;
        int sid = (int)strtol(e->peer.host + strlen("10.0.0."), NULL, 10);
        if (sid >= 1 && sid <= w->count && w->nodes[sid].played) {
                world__dial_peer(n, e, sid);
                return;
        }
        bool up = sid >= 1 && sid <= w->count && w->nodes[sid].running && w->nodes[sid].listening;
        struct world_stream *s = world__stream_new(w);
        s->end[0] = (struct world_endpoint){.sid = n->sid, .conn = e->conn, .open = true};
        s->quorum = e->peer.port == WORLD_QUORUM_PORT;
        if (!up) {
                s->end[0].eof = true;
                s->end[0].eof_status = -ECONNREFUSED;
                s->end[0].conn = e->conn;
                s->end[1].notify = true; /* marks a dial without an answer yet */
                return;
        }
        s->end[1] = (struct world_endpoint){.sid = sid, .open = true, .notify = false};
        s->end[1].conn = 0;
        s->end[0].notify = true; /* the outcome of the dial is still to be told */
        s->end[1].eof_status = (int)port_of(e->peer.port);
}

struct world_stream *world__client_stream(struct world *w, int sid, struct world_client *c)
{
        struct world_node *n = &w->nodes[sid];
        if (!n->running || !n->listening)
                return NULL;
        struct world_stream *s = world__stream_new(w);
        s->end[0] = (struct world_endpoint){.client = c, .open = true};
        world__accept(n, &s->end[1], PORT_CLIENT, "10.0.1.1");
        return s;
}

static void hold(struct world *w, struct world_endpoint *end)
{
        if (w->net_delay_ms)
                end->ready_ms = w->now + prng_next(&w->prng) % (w->net_delay_ms + 1);
}

void world__send(struct world_node *n, conn_id conn, const uint8_t *data, size_t len)
{
        struct world_endpoint *other, *end = end_find(n, conn, &other);
        /* After a reset nothing more arrives: what came behind a lost part would be a hole. */
        if (!end || other->eof || (!other->open && other->conn != 0))
                return;
        if (!other->in.len)
                hold(n->world, other);
        bytes_add(&other->in, data, len);
}

static void end_gone(struct world_endpoint *end, struct world_endpoint *other, int status)
{
        end->open = false;
        if (other->open) {
                other->eof = true;
                other->eof_status = status;
        }
}

void world__close(struct world_node *n, conn_id conn)
{
        struct world_endpoint *other, *end = end_find(n, conn, &other);
        if (end)
                end_gone(end, other, 0);
}

void world__reading(struct world_node *n, conn_id conn, bool on)
{
        struct world_endpoint *other, *end = end_find(n, conn, &other);
        if (end)
                end->stopped = !on;
}

void world__notify(struct world_node *n, conn_id conn)
{
        struct world_endpoint *other, *end = end_find(n, conn, &other);
        if (end)
                end->notify = true;
}

void world__drop_node(struct world_node *n)
{
        for (struct list *l = n->world->streams.next; l != &n->world->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                for (int i = 0; i < 2; i++)
                        if (s->end[i].open && s->end[i].sid == n->sid)
                                end_gone(&s->end[i], &s->end[!i], -ECONNRESET);
        }
}

void world__reset_stream(struct world *w, struct world_stream *s)
{
        if (s->end[0].sid && s->end[1].sid && !s->end[1].conn)
                return; /* a dial under way */
        for (int i = 0; i < 2; i++)
                if (s->end[i].open && !s->end[i].eof) {
                        s->end[i].in.len = prng_next(&w->prng) % (s->end[i].in.len + 1);
                        s->end[i].eof = true;
                        s->end[i].eof_status = -ECONNRESET;
                }
}

/* ---- delivery ---- */

static bool end_frozen(const struct world *w, const struct world_endpoint *end)
{
        return end->sid && w->nodes[end->sid].frozen;
}

/* Nothing gets from `from` to `to`. */
static bool ends_cut(const struct world *w, const struct world_endpoint *from, const struct world_endpoint *to)
{
        return from->sid && to->sid && w->cut[from->sid][to->sid];
}

/* A dial's outcome is told before any byte. Returns whether it was a dial. */
static bool finish_dial(struct world *w, struct world_stream *s)
{
        struct world_endpoint *from = &s->end[0], *to = &s->end[1];
        if (to->dialled) {
                to->dialled = false;
                world__event(&w->nodes[to->sid], &(struct event){.type = EVENT_CONN_DIALLED, .conn = to->conn});
                return true;
        }
        if (from->sid && from->eof && from->eof_status == -ECONNREFUSED && to->notify) {
                struct world_node *n = &w->nodes[from->sid];
                conn_id conn = from->conn;
                to->notify = false;
                from->open = false;
                world__event(n, &(struct event){.type = EVENT_CONN_DIALLED, .conn = conn, .status = -ECONNREFUSED});
                return true;
        }
        if (!from->sid || !to->sid || to->conn)
                return false;
        if (!from->open) { /* given up, or gone */
                to->open = false;
                return true;
        }
        if (end_frozen(w, from) || ends_cut(w, from, to) || ends_cut(w, to, from))
                return false;
        struct world_node *target = &w->nodes[to->sid];
        bool told = to->notify;
        if (told && (!target->running || !to->open)) {
                to->conn = UINT64_MAX; /* accepted by the system and never by the program */
                return true;
        }
        if (target->running && target->listening && target->frozen) {
                /* The system accepts for a process that stands still. */
                if (told)
                        return false;
                to->notify = true;
                from->notify = false;
                world__event(&w->nodes[from->sid], &(struct event){.type = EVENT_CONN_DIALLED, .conn = from->conn});
                return true;
        }
        if (!target->running || !target->listening) {
                to->open = false;
                from->eof = true;
                from->eof_status = -ECONNREFUSED;
                to->notify = true;
                return true;
        }
        enum port port = (enum port)to->eof_status;
        struct world_bytes early = to->in;
        char address[32];
        (void)snprintf(address, sizeof address, "10.0.0.%d", from->sid);
        if (!told)
                from->notify = false;
        world__accept(target, to, port, address);
        to->in = early;
        if (from->open && !told)
                world__event(&w->nodes[from->sid], &(struct event){.type = EVENT_CONN_DIALLED, .conn = from->conn});
        return true;
}

/* How much of it may arrive now; at least a byte where anything may. */
static size_t within_rate(struct world *w, struct world_endpoint *end, size_t len)
{
        if (!w->net_bytes_per_ms)
                return len;
        if (end->taken_ms != w->now)
                end->taken = 0;
        end->taken_ms = w->now;
        if (len > w->net_bytes_per_ms - end->taken)
                len = w->net_bytes_per_ms - end->taken;
        end->taken += (uint32_t)len;
        return len;
}

static bool rate_used_up(const struct world *w, const struct world_endpoint *end)
{
        return w->net_bytes_per_ms && end->taken_ms == w->now && end->taken >= w->net_bytes_per_ms;
}

/* At most `max` of them. */
static void end_bytes(struct world *w, struct world_endpoint *end, size_t max, bool quorum)
{
        /* Any portion may arrive by itself. */
        size_t len = prng_next(&w->prng) % 3 ? end->in.len : 1 + prng_next(&w->prng) % end->in.len;
        len = within_rate(w, end, len < max ? len : max);
        if (quorum)
                world__gate_passed(end, len);
        uint8_t *portion = mem_dup(end->in.data, len);
        bytes_take(&end->in, len);
        hold(w, end);
        if (end->client)
                world__client_bytes(end->client, portion, len);
        else
                world__event(&w->nodes[end->sid], &(struct event){.type = EVENT_CONN_BYTES,
                                                                  .conn = end->conn,
                                                                  .bytes = {.data = portion, .len = len}});
        mem_free(portion);
}

static void end_closed(struct world *w, struct world_endpoint *end)
{
        end->open = false;
        end->eof = false;
        if (end->client)
                end->client->closed = true;
        else
                world__event(&w->nodes[end->sid],
                             &(struct event){.type = EVENT_CONN_CLOSED, .conn = end->conn, .status = end->eof_status});
}

static bool end_deliver(struct world *w, struct world_stream *s, int side)
{
        struct world_endpoint *end = &s->end[side], *other = &s->end[!side];
        if (!end->open || end_frozen(w, end) || ends_cut(w, other, end) || w->now < end->ready_ms)
                return false;
        if (end->in.len && !end->stopped) {
                size_t max = s->quorum ? world__gate(w, other->sid, end) : end->in.len;
                if (!max || rate_used_up(w, end))
                        return false;
                end_bytes(w, end, max, s->quorum);
                return true;
        }
        if (end->notify && !other->in.len) {
                end->notify = false;
                world__event(&w->nodes[end->sid], &(struct event){.type = EVENT_CONN_SENT, .conn = end->conn});
                return true;
        }
        if (end->eof && !end->in.len) {
                end_closed(w, end);
                return true;
        }
        return false;
}

bool world__deliver(struct world *w)
{
        bool any = false;
        struct list *last = w->streams.prev;
        for (struct list *l = w->streams.next; l != &w->streams;) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                bool end = l == last;
                bool dialled = finish_dial(w, s);
                any |= dialled;
                if (!dialled &&
                    s->end[1].conn + (conn_id)(s->end[1].client != NULL) + (conn_id)(s->end[0].client != NULL))
                        for (int i = 0; i < 2; i++)
                                any |= end_deliver(w, s, i);
                l = l->next; /* read after the deliveries: they only add at the end */
                if (!s->end[0].open && !s->end[1].open)
                        world__end_stream(w, s);
                if (end)
                        break;
        }
        return any;
}
