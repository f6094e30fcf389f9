/* Packets on the way from one server to another that are made to wait: the connection keeps its order, so all that
 * comes behind waits too. */
#include "tests/sim/world/world_state.h"

#include <assert.h>

void world_hold(struct world *w, int from, int to, int32_t packet)
{
        assert(from >= 1 && from <= w->count && to >= 1 && to <= w->count);
        w->links[from][to].hold = packet;
}

bool world_held(const struct world *w, int from, int to)
{
        for (const struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                const struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                for (int i = 0; i < 2; i++)
                        if (s->end[i].sid == to && s->end[!i].sid == from && s->end[i].open && s->end[i].gated)
                                return true;
        }
        return false;
}

/* The packet that begins at `at`: its size; 0 where there is none whole. */
static size_t packet_at(const struct world_endpoint *end, size_t at, int32_t *ret_type)
{
        struct jute_quorum_packet q;
        struct jute_reader r;
        jute_reader_init(&r, end->in.data + at, end->in.len - at, INT32_MAX);
        jute_get_quorum_packet(&r, &q);
        *ret_type = q.type;
        return r.error ? 0 : end->in.len - at - jute_left(&r);
}

size_t world__gate(struct world *w, int from, struct world_endpoint *end)
{
        int32_t hold = w->links[from][end->sid].hold;
        end->gated = false;
        if (!hold || end->raw)
                return end->in.len;
        for (size_t at = end->packet_left; at < end->in.len;) {
                int32_t type;
                size_t size = packet_at(end, at, &type);
                if (size && (type == hold || hold == WORLD_PACKET_ANY)) {
                        end->gated = true;
                        return at;
                }
                if (!size || type == QP_SNAP)
                        break;
                at += size;
        }
        return end->in.len;
}

void world__gate_passed(struct world_endpoint *end, size_t len)
{
        for (size_t at = 0; at < len && !end->raw;) {
                int32_t type = 0;
                if (!end->packet_left) {
                        end->packet_left = packet_at(end, at, &type);
                        end->raw = !end->packet_left || type == QP_SNAP;
                }
                size_t step = end->packet_left < len - at ? end->packet_left : len - at;
                end->packet_left -= step;
                at += step;
        }
}
