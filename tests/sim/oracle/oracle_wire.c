/* Who is connected with whom, and what they send: a small parser of its own.
 *
 * It reads what a server hands out, a blob at a time, not what arrives: what is wrong to say is wrong whether it is
 * heard or not. Servers hand out whole packets; only a snapshot stream comes in other portions, and the one that ends
 * with its seal is the last. */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "election/vote/vote_internal.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <string.h>

/* type, zxid, length of data. */
#define PACKET_HEAD_BYTES 16
/* state, leader, zxid, round, epoch behind the frame's length. */
#define VOTE_FIXED_BYTES 40
#define HANDSHAKE_V1     INT64_C(-65536)
/* xid, zxid, error behind the frame's length. */
#define REPLY_HEAD_BYTES 16
/* With its length, and the byte that says whether it is read-only. */
#define CONNECT_RESPONSE_BYTES 41
/* xids of what answers no request. */
#define XID_NOTIFICATION (-1)

static const uint8_t snapshot_seal[] = {0, 0, 0, 10, 'B', 'e', 'n', 'W', 'a', 's', 'H', 'e', 'r', 'e'};

static uint64_t number(const uint8_t *at, size_t size)
{
        uint64_t v = 0;
        for (size_t i = 0; i < size; i++)
                v = v << 8 | at[i];
        return v;
}

static int32_t get_int(const uint8_t *at)
{
        return (int32_t)(uint32_t)number(at, 4);
}

static int64_t get_long(const uint8_t *at)
{
        return (int64_t)number(at, 8);
}

/* ---- connections ---- */

void oracle__dial(struct oracle *o, struct oracle_server *s, conn_id conn, enum port port, int target)
{
        struct oracle_link *l = mem_zalloc(sizeof *l);
        l->dialler = s->sid;
        l->acceptor = target;
        l->dialled = conn;
        l->port = port;
        l->next = o->links;
        o->links = l;
        map_put(&s->conns, conn, l);
}

void oracle__accepted(struct oracle *o, struct oracle_server *s, conn_id conn, int dialler, conn_id dialled,
                      enum port port)
{
        struct oracle_link *l = dialler ? map_get(&o->servers[dialler].conns, dialled) : NULL;
        if (!l)
                return;
        assert(l->port == port && l->acceptor == s->sid);
        l->accepted = conn;
        map_put(&s->conns, conn, l);
}

/* ---- between servers ---- */

static bool is_zab(const struct oracle_link *l)
{
        return l->port == PORT_QUORUM;
}

/* The next packet at `at`; returns its size, 0 when there is none whole. */
static size_t packet(const uint8_t *at, size_t left, int32_t *ret_type, int64_t *ret_zxid, int32_t *ret_len)
{
        if (left < PACKET_HEAD_BYTES + 4)
                return 0;
        *ret_type = get_int(at);
        *ret_zxid = get_long(at + 4);
        *ret_len = get_int(at + 12);
        size_t len = PACKET_HEAD_BYTES + (*ret_len > 0 ? (size_t)*ret_len : 0);
        if (left < len + 4)
                return 0;
        int32_t ids = get_int(at + len);
        len += 4;
        for (int32_t i = 0; i < 2 * ids; i++) { /* scheme and id */
                if (left < len + 4)
                        return 0;
                int32_t item = get_int(at + len);
                len += 4 + (item > 0 ? (size_t)item : 0);
        }
        return left < len ? 0 : len;
}

static bool ends_with_seal(const uint8_t *data, size_t len)
{
        return len >= sizeof snapshot_seal &&
               !memcmp(data + len - sizeof snapshot_seal, snapshot_seal, sizeof snapshot_seal);
}

static void zab_bytes(struct oracle *o, struct oracle_link *l, int from, const uint8_t *data, size_t len)
{
        bool leader = from == l->acceptor;
        if (leader && l->raw) {
                l->raw = !ends_with_seal(data, len);
                return;
        }
        while (len > 0) {
                int32_t type, data_len;
                int64_t zxid;
                size_t size = packet(data, len, &type, &zxid, &data_len);
                if (!size) {
                        ORACLE_BREAK(o, "Z15", "server %d sends %zu bytes that are no packet", from, len);
                        return;
                }
                oracle__packet(o, l, from, type, zxid, data_len >= 0 ? data + PACKET_HEAD_BYTES : NULL, data_len);
                l->raw |= leader && type == QP_SNAP;
                data += size;
                len -= size;
        }
}

static void vote_bytes(struct oracle *o, struct oracle_server *s, const uint8_t *data, size_t len)
{
        if (len < 4 + VOTE_FIXED_BYTES || get_long(data) == HANDSHAKE_V1)
                return;
        struct oracle_vote v = {.state = get_int(data + 4),
                                .leader = get_long(data + 8),
                                .zxid = get_long(data + 16),
                                .round = get_long(data + 24),
                                .epoch = get_long(data + 32)};
        const struct server *server = o->world->nodes[s->sid].server;
        const struct vote_tally *t = &server->vote->tally;
        v.fresh = t->looking && t->round == v.round && !zab_distrusts(server->zab);
        oracle__voted(o, s, &v, zab_lost(server->zab));
}

int64_t oracle__commit_in(struct oracle *o, struct oracle_server *s, conn_id conn, const uint8_t *data, size_t len)
{
        const struct oracle_link *l = map_get(&s->conns, conn);
        int64_t last = 0;
        (void)o;
        if (!l || !is_zab(l) || l->acceptor != s->sid || l->raw)
                return 0;
        while (len > 0) {
                int32_t type, data_len;
                int64_t zxid;
                size_t size = packet(data, len, &type, &zxid, &data_len);
                if (!size)
                        return last;
                if (type == QP_COMMIT && zxid > last)
                        last = zxid;
                data += size;
                len -= size;
        }
        return last;
}

/* ---- to clients ---- */

/* The last byte of a ConnectResponse. */
static bool is_read_only_greeting(const uint8_t *data, size_t len)
{
        return len >= CONNECT_RESPONSE_BYTES && (size_t)(uint32_t)get_int(data) + 4 == CONNECT_RESPONSE_BYTES &&
               data[CONNECT_RESPONSE_BYTES - 1];
}

/* Replies name the zxid that the client may count on from then on. */
static void client_bytes(struct oracle *o, struct oracle_server *s, conn_id conn, const uint8_t *data, size_t len)
{
        const void *client = map_get(&s->clients, conn);
        bool greeted = client == CLIENT_GREETED;
        if (client == CLIENT_READ_ONLY || (!greeted && is_read_only_greeting(data, len))) {
                map_put(&s->clients, conn, CLIENT_READ_ONLY);
                return;
        }
        map_put(&s->clients, conn, CLIENT_GREETED);
        for (; len > 4; greeted = true) {
                size_t frame = (size_t)(uint32_t)get_int(data) + 4;
                if (frame > len)
                        return; /* a word's text */
                if (greeted && frame >= 4 + REPLY_HEAD_BYTES && get_int(data + 4) != XID_NOTIFICATION)
                        oracle__told(o, s, get_long(data + 8));
                data += frame;
                len -= frame;
        }
}

void oracle__closed(struct oracle_server *s, conn_id conn)
{
        struct oracle_link *l = map_get(&s->conns, conn);
        if (l && l->dialler == s->sid)
                l->dialler_closed = true;
        else if (l)
                l->acceptor_closed = true;
        else if (map_get(&s->clients, conn))
                map_put(&s->clients, conn, CLIENT_CLOSED);
}

void oracle__send(struct oracle *o, struct oracle_server *s, conn_id conn, const uint8_t *data, size_t len)
{
        struct oracle_link *l = map_get(&s->conns, conn);
        const void *client = map_get(&s->clients, conn);
        bool closed = l ? (l->dialler == s->sid ? l->dialler_closed : l->acceptor_closed) : client == CLIENT_CLOSED;
        if (closed)
                ORACLE_BREAK(o, "Z15", "server %d sends %zu bytes on connection %" PRIu64 ", which it has closed",
                             s->sid, len, conn);
        else if (l && is_zab(l))
                zab_bytes(o, l, s->sid, data, len);
        else if (l)
                vote_bytes(o, s, data, len);
        else if (client)
                client_bytes(o, s, conn, data, len);
}
