/* Byte streams between servers, and between clients and servers: what servers ask for. world_deliver.c does it. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* daemon/engine/net.h: NET_DIAL_TIMEOUT_MS. */
#define DIAL_TIMEOUT_MS 5000
/* The same: NET_ELECTION_SILENCE_MS, and what keep-alive may take longer. */
#define SILENCE_MS 3000

struct world_stream *world__stream_new(struct world *w, int from, int to, enum port port)
{
        struct world_stream *s = mem_zalloc(sizeof *s);
        const struct world_link *way = &w->links[from][to];
        s->port = port;
        s->end[0].sid = from;
        s->end[0].open = true;
        s->end[1].sid = to;
        s->end[1].open = true;
        s->dial_ms = w->now + (way->dial_ms ? world__draw(w, WORLD_DRAW_NET) % way->dial_ms : 0);
        s->dial_end_ms = w->now + DIAL_TIMEOUT_MS;
        list_push(&w->streams, &s->link);
        return s;
}

void world__end_stream(struct world *w, struct world_stream *s)
{
        for (int i = 0; i < 2; i++) {
                world__end_shut(w, &s->end[i]);
                if (s->end[i].client && s->end[i].client->stream == s)
                        s->end[i].client->stream = NULL;
                mem_free(s->end[i].in.data);
        }
        list_remove(&s->link);
        mem_free(s);
}

/* ---- names ---- */

static struct world_endpoint **bucket_of(struct world *w, int sid, conn_id conn)
{
        return &w->nodes[sid].conns[hash_u64(conn) % WORLD_CONN_BUCKETS];
}

void world__end_name(struct world *w, struct world_endpoint *end, conn_id conn)
{
        struct world_endpoint **bucket = bucket_of(w, end->sid, conn);
        assert(end->sid && conn && !end->conn);
        end->conn = conn;
        end->next = *bucket;
        *bucket = end;
}

void world__end_shut(struct world *w, struct world_endpoint *end)
{
        end->open = false;
        if (!end->sid || !end->conn)
                return;
        for (struct world_endpoint **at = bucket_of(w, end->sid, end->conn); *at; at = &(*at)->next)
                if (*at == end) {
                        *at = end->next;
                        return;
                }
}

struct world_endpoint *world__end_find(struct world_node *n, conn_id conn, struct world_endpoint **ret_other)
{
        struct world_endpoint *end = *bucket_of(n->world, n->sid, conn);
        while (end && end->conn != conn)
                end = end->next;
        if (!end)
                return NULL;
        /* The first end of a stream names its conn with an odd number. */
        *ret_other = conn % 2 ? end + 1 : end - 1;
        return end;
}

struct world_stream *world__stream_of(struct world_endpoint *end)
{
        return end->conn % 2 ? LIST_ENTRY(end, struct world_stream, end[0])
                             : LIST_ENTRY(end, struct world_stream, end[1]);
}

/* ---- dials ---- */

static enum port port_of(uint16_t number)
{
        return number == WORLD_ELECTION_PORT ? PORT_ELECTION : number == WORLD_QUORUM_PORT ? PORT_QUORUM : PORT_CLIENT;
}

void world__dial(struct world_node *n, const struct effect *e)
{
        int sid = (int)strtol(e->peer.host + strlen("10.0.0."), NULL, 10);
        assert(sid >= 1 && sid <= n->world->count);
        struct world_stream *s = world__stream_new(n->world, n->sid, sid, port_of(e->peer.port));
        world__end_name(n->world, &s->end[0], e->conn);
        if (s->port == PORT_ELECTION)
                s->silence_ms = SILENCE_MS + world__draw(n->world, WORLD_DRAW_NET) % SILENCE_MS;
}

void world__accept(struct world *w, struct world_stream *s)
{
        struct world_endpoint *end = &s->end[1];
        struct world_node *n = &w->nodes[end->sid];
        char address[32] = "10.0.1.1";
        if (s->end[0].sid)
                (void)snprintf(address, sizeof address, "10.0.0.%d", s->end[0].sid);
        n->accepted += 2;
        world__end_name(w, end, n->accepted);
        s->dial = WORLD_DIAL_DONE;
        world__event(n, &(struct event){.type = EVENT_CONN_ACCEPTED,
                                        .conn = end->conn,
                                        .accepted = {.port = s->port, .address = address, .remote_port = 40000}});
}

struct world_stream *world__client_stream(struct world *w, int sid, struct world_client *c)
{
        struct world_node *n = &w->nodes[sid];
        bool lost = n->off; /* nobody is there to refuse it */
        if (!lost && (!n->running || !n->listening))
                return NULL;
        struct world_stream *s = world__stream_new(w, 0, sid, PORT_CLIENT);
        s->end[0].client = c;
        s->told = true;
        if (!lost && !n->frozen && !w->links[0][sid].blackhole && s->dial_ms <= w->now &&
            world__way(w, &s->end[0], &s->end[1]) && world__way(w, &s->end[1], &s->end[0]))
                world__accept(w, s);
        return s;
}

/* ---- what is sent ---- */

bool world__way(const struct world *w, const struct world_endpoint *from, const struct world_endpoint *to)
{
        return !w->links[from->sid][to->sid].cut;
}

void world__hold(struct world *w, const struct world_stream *s, struct world_endpoint *end)
{
        int from = end == &s->end[0] ? s->end[1].sid : s->end[0].sid;
        uint32_t delay_ms = w->links[from][end->sid].delay_ms;
        if (!delay_ms)
                delay_ms = w->net_delay_ms;
        end->held = true;
        if (delay_ms)
                end->ready_ms = w->now + world__draw(w, WORLD_DRAW_NET) % (delay_ms + 1);
        if (s->late_ms)
                end->ready_ms = w->now + world__draw(w, WORLD_DRAW_NET) % (s->late_ms + 1);
}

/* Any beginning of it arrives. */
static void tear(struct world *w, struct world_endpoint *end)
{
        end->in.len = world__draw(w, WORLD_DRAW_NET) % (end->in.len + 1);
}

void world__send(struct world_node *n, conn_id conn, const uint8_t *data, size_t len)
{
        struct world *w = n->world;
        struct world_endpoint *other, *end = world__end_find(n, conn, &other);
        /* After a reset nothing more arrives: what came behind a lost part would be a hole. */
        if (!end || !end->open || end->overrun || other->eof || (!other->open && !other->vanished))
                return;
        const struct world_stream *s = world__stream_of(end);
        size_t backlog = s->port == PORT_CLIENT ? w->client_backlog_bytes : w->peer_backlog_bytes;
        if (other->in.len + len > w->socket_bytes + backlog) {
                end->overrun = true;
                tear(w, other);
                other->eof = other->open;
                other->eof_status = -ECONNRESET;
                return;
        }
        bytes_add(&other->in, data, len);
}

struct world_endpoint *world__client_end(const struct world_client *c, struct world_endpoint **ret_other)
{
        int i = c->stream->end[1].client == c;
        *ret_other = &c->stream->end[!i];
        return &c->stream->end[i];
}

void world__client_send(struct world_client *c, const void *data, size_t len)
{
        struct world_endpoint *to = NULL;
        if (c->stream)
                (void)world__client_end(c, &to);
        /* Behind what a reset has swallowed nothing arrives. */
        if (to && !to->eof && (to->open || to->vanished))
                bytes_add(&to->in, data, len);
}

void world__end_gone(struct world *w, struct world_endpoint *end, struct world_endpoint *other, int status)
{
        world__end_shut(w, end);
        if (other->open && !other->eof) {
                other->eof = true;
                other->eof_status = status;
        }
}

void world__close(struct world_node *n, conn_id conn, bool flush)
{
        struct world_endpoint *other, *end = world__end_find(n, conn, &other);
        if (!end || !end->open)
                return;
        if (!flush && other->open && !other->eof && world__draw(n->world, WORLD_DRAW_NET) % 2)
                tear(n->world, other);
        world__end_gone(n->world, end, other, 0);
}

void world__reading(struct world_node *n, conn_id conn, bool on)
{
        struct world_endpoint *other, *end = world__end_find(n, conn, &other);
        if (end)
                end->stopped = !on;
}

void world__notify(struct world_node *n, conn_id conn)
{
        struct world_endpoint *other, *end = world__end_find(n, conn, &other);
        if (end)
                end->notify = true;
}

/* ---- ends ---- */

/* Without power nobody says anything: what was on its way arrives in part, and then there is silence. */
static void vanish(struct world *w, struct world_endpoint *end, struct world_endpoint *other)
{
        world__end_shut(w, end);
        end->vanished = other->open && !other->eof;
        end->eof = false;
        end->in.len = 0;
        if (end->vanished)
                tear(w, other);
}

/* The system closes what a process leaves behind: politely, or with a reset where something was not read. */
static void leave(struct world *w, struct world_endpoint *end, struct world_endpoint *other)
{
        bool reset = end->in.len || world__draw(w, WORLD_DRAW_NET) % 2;
        if (reset && other->open && !other->eof)
                tear(w, other);
        world__end_gone(w, end, other, reset ? -ECONNRESET : 0);
}

void world__drop_node(struct world_node *n, bool silent)
{
        struct world *w = n->world;
        for (struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                for (int i = 0; i < 2; i++) {
                        struct world_endpoint *end = &s->end[i];
                        /* Of a dial under way the target knows nothing. */
                        if (!end->open || end->sid != n->sid || (i && s->dial == WORLD_DIAL_UNDER_WAY))
                                continue;
                        s->dial = s->dial == WORLD_DIAL_TAKEN ? WORLD_DIAL_DONE : s->dial;
                        if (silent)
                                vanish(w, end, &s->end[!i]);
                        else
                                leave(w, end, &s->end[!i]);
                }
        }
}

void world__reset_stream(struct world *w, struct world_stream *s)
{
        if (s->dial != WORLD_DIAL_DONE)
                return;
        for (int i = 0; i < 2; i++)
                if (s->end[i].open && !s->end[i].eof) {
                        tear(w, &s->end[i]);
                        s->end[i].eof = true;
                        s->end[i].eof_status = -ECONNRESET;
                }
}
