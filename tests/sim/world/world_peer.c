/* Servers that are played by hand: what they send is made up, what they are sent is looked at. To the others they are
 * members like any; they run no program. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>

void world_play(struct world *w, int sid, bool played)
{
        assert(!w->nodes[sid].running);
        w->nodes[sid].played = played;
        w->nodes[sid].off = false;
}

static struct world_client *peer_end(struct world *w, int sid, struct world_stream *s, struct world_endpoint *end)
{
        struct world_client *c = mem_zalloc(sizeof *c);
        c->world = w;
        c->stream = s;
        c->played = sid;
        c->port = s->port;
        end->client = c;
        list_push(&w->clients, &c->link);
        return c;
}

void world__peer_taken(struct world *w, struct world_stream *s)
{
        s->dial = WORLD_DIAL_DONE;
        (void)peer_end(w, s->end[1].sid, s, &s->end[1]);
}

struct world_wire *world_peer_dial(struct world *w, int from, int to, enum port port)
{
        const struct world_node *n = &w->nodes[to];
        if (!n->running || !n->listening || n->frozen)
                return NULL;
        struct world_stream *s = world__stream_new(w, from, to, port);
        struct world_client *c = peer_end(w, from, s, &s->end[0]);
        c->accepted = true;
        s->told = true;
        world__accept(w, s);
        return world__wire_of(c);
}

struct world_wire *world_peer_accept(struct world *w, int sid, enum port port, int *ret_from)
{
        for (struct list *l = w->clients.next; l != &w->clients; l = l->next) {
                struct world_client *c = LIST_ENTRY(l, struct world_client, link);
                if (c->played != sid || c->port != port || c->accepted)
                        continue;
                c->accepted = true;
                *ret_from = c->stream ? c->stream->end[0].sid : 0;
                return world__wire_of(c);
        }
        return NULL;
}
