/* Connections of clients that bring their own protocol half. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* The world's end of such a connection is a client's; it stays with the world until that ends. */
struct world_wire {
        struct world_client end;
};

struct world_wire *world__wire_of(struct world_client *c)
{
        static_assert(offsetof(struct world_wire, end) == 0, "an end is a wire");
        return (struct world_wire *)c;
}

struct world_wire *world_wire_open(struct world *w, int sid)
{
        struct world_wire *wire = mem_zalloc(sizeof *wire);
        wire->end.world = w;
        wire->end.stream = world__client_stream(w, sid, &wire->end);
        if (!wire->end.stream) {
                mem_free(wire);
                return NULL;
        }
        list_push(&w->clients, &wire->end.link);
        return wire;
}

void world_wire_close(struct world_wire *wire)
{
        struct world_stream *s = wire->end.stream;
        if (s) {
                struct world_endpoint *other, *end = world__client_end(&wire->end, &other);
                world__end_gone(wire->end.world, end, other, 0);
                end->client = NULL;
        }
        list_remove(&wire->end.link);
        mem_free(wire->end.in.data);
        mem_free(wire);
}

void world_wire_send(struct world_wire *wire, const void *data, size_t len)
{
        world__client_send(&wire->end, data, len);
}

size_t world_wire_take(struct world_wire *wire, void *ret, size_t size)
{
        size_t len = wire->end.in.len < size ? wire->end.in.len : size;
        if (!len)
                return 0;
        memcpy(ret, wire->end.in.data, len);
        bytes_take(&wire->end.in, len);
        return len;
}

bool world_wire_dialled(const struct world_wire *wire)
{
        if (!wire->end.stream) /* has come to its end since */
                return !wire->end.refused;
        return wire->end.stream->dial != WORLD_DIAL_UNDER_WAY;
}

bool world_wire_refused(const struct world_wire *wire)
{
        return wire->end.refused;
}

void world_wire_vanish(struct world_wire *wire)
{
        struct world_stream *s = wire->end.stream;
        if (s && s->end[0].open) {
                s->end[0].open = false;
                s->end[0].vanished = s->end[1].open && !s->end[1].eof;
                s->end[0].client = NULL;
        }
        list_remove(&wire->end.link);
        mem_free(wire->end.in.data);
        mem_free(wire);
}

bool world_wire_ended(const struct world_wire *wire)
{
        return wire->end.closed;
}

int world_wire_server(const struct world_wire *wire)
{
        struct world_endpoint *other;
        if (!wire->end.stream)
                return 0;
        (void)world__client_end(&wire->end, &other);
        return other->sid;
}
