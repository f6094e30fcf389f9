/* Servers that are played by hand: what they send is made up, what they are sent is looked at. To the others they are
 * members like any; they run no program. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdio.h>

void world_play(struct world *w, int sid, bool played)
{
        assert(!w->nodes[sid].running);
        w->nodes[sid].played = played;
}

static enum port port_of(uint16_t number)
{
        return number == WORLD_ELECTION_PORT ? PORT_ELECTION : number == WORLD_QUORUM_PORT ? PORT_QUORUM : PORT_CLIENT;
}

static struct world_client *peer_end(struct world *w, int sid, enum port port, struct world_stream *s)
{
        struct world_client *c = mem_zalloc(sizeof *c);
        c->world = w;
        c->stream = s;
        c->played = sid;
        c->port = port;
        list_push(&w->clients, &c->link);
        return c;
}

void world__dial_peer(struct world_node *n, const struct effect *e, int sid)
{
        struct world_stream *s = world__stream_new(n->world);
        struct world_client *c = peer_end(n->world, sid, port_of(e->peer.port), s);
        s->end[0] = (struct world_endpoint){.client = c, .open = true};
        s->end[1] = (struct world_endpoint){.sid = n->sid, .conn = e->conn, .open = true, .dialled = true};
}

struct world_wire *world_peer_dial(struct world *w, int from, int to, enum port port)
{
        struct world_node *n = &w->nodes[to];
        char address[32];
        if (!n->running || !n->listening)
                return NULL;
        struct world_stream *s = world__stream_new(w);
        struct world_client *c = peer_end(w, from, port, s);
        c->accepted = true;
        s->end[0] = (struct world_endpoint){.client = c, .open = true};
        (void)snprintf(address, sizeof address, "10.0.0.%d", from);
        world__accept(n, &s->end[1], port, address);
        return world__wire_of(c);
}

struct world_wire *world_peer_accept(struct world *w, int sid, enum port port, int *ret_from)
{
        for (struct list *l = w->clients.next; l != &w->clients; l = l->next) {
                struct world_client *c = LIST_ENTRY(l, struct world_client, link);
                if (c->played != sid || c->port != port || c->accepted)
                        continue;
                c->accepted = true;
                *ret_from = c->stream ? c->stream->end[1].sid : 0;
                return world__wire_of(c);
        }
        return NULL;
}
