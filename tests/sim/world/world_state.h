/* The insides of the small world: what its files share, and what checkers look at. */
#ifndef BATON_TESTS_SIM_WORLD_STATE_H
#define BATON_TESTS_SIM_WORLD_STATE_H

#include "election/base/hash.h"
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
        bool stopped;  /* not reading */
        bool notify;   /* wants EVENT_CONN_SENT */
        bool vanished; /* its machine has lost its power; the other end has not been told */
        bool overrun;  /* it left more unsent than it may: fails with -ENOBUFS */
        bool eof;      /* the other end is gone: told after the last byte */
        int eof_status;
        struct world_bytes in; /* on its way to this end */
        bool held;             /* and has been given its delay: */
        uint64_t ready_ms;     /* nothing arrives before */
        uint64_t taken_ms;     /* when something last did, */
        uint32_t taken;        /* and how many bytes in that millisecond */
        uint32_t unacked;      /* bytes taken since the way back is cut */
        uint64_t broken_ms;    /* since when nothing can be acknowledged; 0: it can */
        /* Quorum port (world_gate.c): what is left of the packet that is arriving; from a SNAP on packets are not told
         * apart; one waits that is held back. */
        size_t packet_left;
        bool raw, gated;
        struct world_endpoint *next; /* of the same bucket: world_node.conns */
};

enum world_dial {
        WORLD_DIAL_UNDER_WAY,
        WORLD_DIAL_TAKEN, /* by the system, not yet by the program */
        WORLD_DIAL_DONE,
};

struct world_stream {
        struct list link;
        struct world_endpoint end[2]; /* the first one has dialled */
        enum port port;
        enum world_dial dial;
        bool told;            /* whoever has dialled knows of it */
        uint64_t dial_ms;     /* nothing of the dial arrives before */
        uint64_t dial_end_ms; /* then it has failed */
        uint64_t reset_ms;    /* when a machine that has lost this connection says so; 0: never */
        uint32_t late_ms;     /* what it carries comes up to so much later */
        uint64_t silence_ms;  /* an election connection ends after so long without an acknowledgement */
};

/* From one server to another, 0 standing for the clients. */
struct world_link {
        bool cut;
        bool blackhole; /* no dial gets an answer; what is connected goes on */
        uint32_t delay_ms, bytes_per_ms, dial_ms;
        int32_t hold; /* the packet that is held back, with all behind it; 0: none is */
};

#define WORLD_CONN_BUCKETS 64

struct world_node {
        struct world *world;
        int sid;
        bool running;
        bool frozen; /* paused, one way or another */
        enum world_pause pause;
        bool off; /* the machine has no power */
        int halted;
        bool refused; /* its files, by recovery: */
        char refusal[STORE_WHY_MAX];
        uint64_t starts;
        uint64_t tick_ms; /* when its deadline will have passed */
        /* Its monotonic clock stood at clock_ns when the world's stood at clock_since_ms. */
        uint64_t clock_ns, clock_since_ms;
        int32_t rate_ppm;
        uint64_t suspended_ns; /* what its CLOCK_BOOTTIME is ahead */
        int64_t wall_step_ms;
        struct server *server;
        struct effects fx;
        struct memory_storage *disk;
        const struct storage *storage;
        struct store *store;
        struct snapstore *snapstore;
        struct effects log_queue, snapshot_queue; /* effects waiting for the disk */
        bool log_dead;
        bool disk_hangs;
        uint64_t log_due; /* when the group under way is written */
        uint64_t snapshot_due;
        uint32_t log_ms, snapshot_ms; /* slow disk: longest delays, 0 for the usual ones */
        uint32_t snapshot_failures;   /* to come */
        int64_t rot_zxid;             /* the last rot has turned its log to zeros from here on, seen as its end; or 0 */
        bool disk_died;               /* under an operation */
        bool dies_by_power;           /* then; else the process alone does */
        bool dies_in_step;            /* when so many effects more are carried out; by power or alone, as above */
        uint64_t effects_left;
        conn_id accepted; /* last even number given */
        bool listening;
        bool played;                                      /* by hand: world_peer.c */
        struct world_endpoint *conns[WORLD_CONN_BUCKETS]; /* open connections */
        char log[WORLD_LOG_SIZE];
        size_t log_len;
};

struct world {
        struct prng draws[WORLD_DRAW_MAX];
        uint64_t seed;
        uint64_t now;
        uint64_t next; /* nothing happens by itself before */
        int count;
        struct world_node nodes[WORLD_SERVERS_MAX + 1]; /* by sid */
        struct server_config config;
        struct list streams;
        struct list clients;
        char text[1 << 16];
        uint32_t net_delay_ms, net_bytes_per_ms;
        struct world_link links[WORLD_SERVERS_MAX + 1][WORLD_SERVERS_MAX + 1]; /* [from][to] */
        size_t socket_bytes, peer_backlog_bytes, client_backlog_bytes;
        bool loud_crashes;
        bool over;         /* nothing happens any more */
        int64_t committed; /* the greatest zxid any server has applied */
        struct world_bytes portion;
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
        bool read_only; /* served by a server that is in read-only mode */
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

/* Something happens by itself at `at`. */
static inline void world__soon(struct world *w, uint64_t at)
{
        if (at < w->next)
                w->next = at;
}

/* world_time.c */
uint64_t world__draw(struct world *w, enum world_draw concern);
struct moment world__moment(const struct world_node *n);
/* When its monotonic clock will show `mono_ms`: world time, UINT64_MAX for never. */
uint64_t world__when(const struct world_node *n, uint64_t mono_ms);
void world__set_deadline(struct world_node *n);

/* world_net.c */
struct world_stream *world__stream_new(struct world *w, int from, int to, enum port port);
/* Which end of its stream is a client's. */
struct world_endpoint *world__client_end(const struct world_client *c, struct world_endpoint **ret_other);
void world__dial(struct world_node *n, const struct effect *e);
void world__send(struct world_node *n, conn_id conn, const uint8_t *data, size_t len);
void world__close(struct world_node *n, conn_id conn, bool flush);
void world__reading(struct world_node *n, conn_id conn, bool on);
void world__notify(struct world_node *n, conn_id conn);
/* NULL: refused. Where the way is cut or the server stands still the dial is under way. */
struct world_stream *world__client_stream(struct world *w, int sid, struct world_client *c);
/* On its connection, if it has one; a machine without power takes it too. */
void world__client_send(struct world_client *c, const void *data, size_t len);
/* The process has ended, or (`silent`) the machine without a word. */
void world__drop_node(struct world_node *n, bool silent);
void world__reset_stream(struct world *w, struct world_stream *s);
void world__end_stream(struct world *w, struct world_stream *s);
struct world_endpoint *world__end_find(struct world_node *n, conn_id conn, struct world_endpoint **ret_other);
struct world_stream *world__stream_of(struct world_endpoint *end); /* of a server's named end */
void world__end_name(struct world *w, struct world_endpoint *end, conn_id conn);
/* It is closed: nobody may find it any more. */
void world__end_shut(struct world *w, struct world_endpoint *end);
void world__end_gone(struct world *w, struct world_endpoint *end, struct world_endpoint *other, int status);
void world__hold(struct world *w, const struct world_stream *s, struct world_endpoint *end);
/* Whether anything gets from `from` to `to`. */
bool world__way(const struct world *w, const struct world_endpoint *from, const struct world_endpoint *to);
void world__accept(struct world *w, struct world_stream *s);

/* world_gate.c: how many of the bytes on their way to this end may arrive, and that the next `len` do. */
size_t world__gate(struct world *w, int from, struct world_endpoint *end);
void world__gate_passed(struct world_endpoint *end, size_t len);
/* world_peer.c: a server that is played takes a dial. */
void world__peer_taken(struct world *w, struct world_stream *s);
/* world_wire.c */
struct world_wire *world__wire_of(struct world_client *c);

/* world_deliver.c */
bool world__deliver(struct world *w);

/* world_disk.c */
extern const struct store_config world__store_config;
/* 0, or what recovery said; then nothing is open and `n->refusal` has the reason. */
int world__disk_open(struct world_node *n, struct recovered *ret);
/* Whoever dies while a group is under way dies between two operations of it. Returns whether one was; then the
 * disk is to be revived or crashed. */
bool world__disk_interrupt(struct world_node *n);
void world__disk_close(struct world_node *n);
void world__disk_crash(struct world_node *n); /* power loss */
void world__disk_revive(struct world_node *n);
/* Returns whether anything was done. */
bool world__disk_run(struct world_node *n);

/* world_faults.c */
void world__died(struct world_node *n);
/* Tells the witnesses what befalls whom. */
void world__fault(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* world.c */
void world__event(struct world_node *n, struct event *e);
void world__note(struct world_node *n, const char *text);
void world__node_free(struct world_node *n, enum world_end how);
/* world_client.c */
void world__client_bytes(struct world_client *c, const uint8_t *data, size_t len);

#endif
