/* The insides of the small world: what its files share, and what checkers look at. */
#ifndef BATON_TESTS_SIM_WORLD_STATE_H
#define BATON_TESTS_SIM_WORLD_STATE_H

#include "election/base/hash.h"
#include "tests/sim/world/memory_storage.h"
#include "tests/sim/world/world.h"

#define WORLD_QUORUM_PORT   2888
#define WORLD_ELECTION_PORT 3888
#define WORLD_LOG_SIZE      (64u << 10)

struct world_bytes {
        uint8_t *data;
        size_t len, capacity;
};

/* One end of a byte stream: a server's connection, or a raw client's. */
struct world_endpoint {
        int sid; /* 0: a client */
        conn_id conn;
        struct world_client *client;
        bool open;
        bool stopped;          /* not reading */
        bool notify;           /* wants EVENT_CONN_SENT */
        struct world_bytes in; /* on its way to this end */
        uint64_t ready_ms;     /* nothing arrives before */
        uint64_t taken_ms;     /* when something last did, */
        uint32_t taken;        /* and how many bytes in that millisecond */
        bool eof;              /* the other end is gone: told after the last byte */
        int eof_status;
        /* Quorum port (world_gate.c): what is left of the packet that is arriving; from a SNAP on, packets are not told
         * apart; one waits that is held. */
        size_t packet_left;
        bool raw, held;
        bool dialled; /* at a server played by hand: accepted, and that is still to be told */
};

struct world_stream {
        struct list link;
        bool quorum; /* a connection to a quorum port */
        struct world_endpoint end[2];
};

struct world_node {
        struct world *world;
        int sid;
        bool running, frozen;
        int halted;
        struct server *server;
        struct effects fx;
        struct memory_storage *disk;
        const struct storage *storage;
        struct store *store;
        struct snapstore *snapstore;
        struct effects log_queue, snapshot_queue; /* effects waiting for the disk */
        bool log_dead;
        uint64_t log_due; /* when the group under way is written */
        uint64_t snapshot_due;
        uint32_t log_ms, snapshot_ms; /* slow disk: longest delays, 0 for the usual ones */
        uint32_t snapshot_failures;   /* to come */
        bool disk_died;               /* under an operation */
        bool dies_by_power;           /* then; else the process alone does */
        conn_id accepted;             /* last even number given */
        bool listening;
        bool played; /* by hand: world_peer.c */
        char log[WORLD_LOG_SIZE];
        size_t log_len;
};

struct world {
        struct prng prng;
        uint64_t now;
        int count;
        struct world_node nodes[WORLD_SERVERS_MAX + 1]; /* by sid */
        struct server_config config;
        struct list streams;
        struct list clients;
        char text[16384];
        uint32_t net_delay_ms, net_bytes_per_ms;
        bool cut[WORLD_SERVERS_MAX + 1][WORLD_SERVERS_MAX + 1];     /* [from][to] */
        int32_t hold[WORLD_SERVERS_MAX + 1][WORLD_SERVERS_MAX + 1]; /* [from][to]; 0: nothing is held */
        struct world_witness witnesses[WORLD_WITNESSES_MAX];
        size_t witness_count;
};

struct world_client {
        struct world *world;
        struct list link;
        int played;     /* the sid of the server this is an end of (world_peer.c), 0: a client's */
        enum port port; /* which of its ports was dialled */
        bool accepted;  /* its owner knows of it */
        struct world_stream *stream;
        bool connected, refused, closed;
        int64_t session;
        int32_t timeout_ms, next_xid;
        uint8_t passwd[16];
        int64_t seen;          /* lastZxidSeen when resuming */
        struct world_bytes in; /* bytes received, not taken yet */
        char event[512];
        char events[4096]; /* notifications, one per line, not read yet */
        uint8_t *reply;
        size_t reply_len;
};

void bytes_add(struct world_bytes *b, const void *data, size_t len);
void bytes_take(struct world_bytes *b, size_t len);

/* Tells each witness that has this function. */
#define WORLD_TELL(w, fn, ...)                                                                                         \
        for (size_t i_ = 0; i_ < (w)->witness_count; i_++)                                                             \
                if ((w)->witnesses[i_].fn)                                                                             \
        (w)->witnesses[i_].fn((w)->witnesses[i_].ctx, (w), __VA_ARGS__)

/* world_net.c */
void world__dial(struct world_node *n, const struct effect *e);
void world__send(struct world_node *n, conn_id conn, const uint8_t *data, size_t len);
void world__close(struct world_node *n, conn_id conn);
void world__reading(struct world_node *n, conn_id conn, bool on);
void world__notify(struct world_node *n, conn_id conn);
struct world_stream *world__client_stream(struct world *w, int sid, struct world_client *c);
void world__drop_node(struct world_node *n);
void world__reset_stream(struct world *w, struct world_stream *s);
void world__end_stream(struct world *w, struct world_stream *s);
bool world__deliver(struct world *w);

/* world_gate.c: how many of the bytes on their way to this end may arrive, and the next `len` do. */
size_t world__gate(struct world *w, int from, struct world_endpoint *end);
void world__gate_passed(struct world_endpoint *end, size_t len);
/* world_peer.c */
struct world_stream *world__stream_new(struct world *w);
void world__accept(struct world_node *n, struct world_endpoint *end, enum port port, const char *from);
/* A dial to a server that is played by hand is accepted at once. */
void world__dial_peer(struct world_node *n, const struct effect *e, int sid);

/* world_wire.c */
struct world_wire *world__wire_of(struct world_client *c);

/* world_disk.c */
/* Returns 0, or the store's error with the server's last word noted. */
int world__disk_open(struct world_node *n, struct recovered *ret);
/* Whoever dies while a group is under way dies between two operations of it. Returns whether one was; then the
 * disk is to be revived or crashed. */
bool world__disk_interrupt(struct world_node *n);
void world__disk_close(struct world_node *n);
void world__disk_crash(struct world_node *n); /* power loss */
void world__disk_revive(struct world_node *n);
void world__disk_run(struct world_node *n);

/* world_faults.c */
void world__died(struct world_node *n);
/* world.c */
void world__event(struct world_node *n, struct event *e);
void world__note(struct world_node *n, const char *text);
void world__node_free(struct world_node *n, enum world_end how);
/* world_client.c */
void world__client_bytes(struct world_client *c, const uint8_t *data, size_t len);

#endif
