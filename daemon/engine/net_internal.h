/* What the files of net.h share. */
#ifndef BATON_ENGINE_NET_INTERNAL_H
#define BATON_ENGINE_NET_INTERNAL_H

#include "daemon/engine/net.h"
#include "election/base/list.h"
#include "election/base/map.h"

#include <netinet/in.h>

enum conn_state {
        CONN_DIALLING, /* has a name */
        CONN_OPEN,     /* has a name */
        CONN_CLOSING,  /* no name any more: flushing, then waiting for the other side's end */
        CONN_DEAD,     /* handle closed; freed by its close callback */
};

/* Small blobs of one write, put together. */
#define NET_GATHER_BYTES (64u << 10)

enum conn_sort { CONN_CLIENT, CONN_PEER };

/* Why a connection is not read from. */
#define HOLD_CORE    1u /* EFFECT_READ_STOP */
#define HOLD_BACKLOG 2u /* the client does not take its answers */
#define HOLD_PORT    4u /* net_hold() */

/* An outgoing connection being made. */
struct dial {
        uv_getaddrinfo_t resolve;
        uv_connect_t connect;
        struct conn *conn; /* NULL: closed while the resolver was still busy */
        bool resolving;
        uint16_t number;
        struct sockaddr_storage addresses[NET_DIAL_ADDRESSES_MAX];
        size_t count, next;
        int status; /* of the attempts so far: the first that is not ECONNREFUSED counts */
};

/* What waits to be sent: blobs, and NULL where CONN_SENT is wanted. A ring of a power of two. */
struct outbox {
        struct blob **slots;
        size_t head, count, capacity;
        uint32_t head_sent; /* bytes of the first blob that are gone */
        size_t bytes;       /* not yet in the socket */
};

struct conn {
        uv_tcp_t tcp;
        struct net *net;
        conn_id id;
        enum port port;
        enum conn_state state;
        struct list all;     /* net.conns */
        struct list due;     /* net.due: needs net_turn() */
        struct list waiting; /* net.dialling or net.closing, oldest deadline first */
        uint64_t deadline_ms;
        struct dial *dial;
        struct outbox out;
        uv_write_t write; /* one at a time, of out's first `writing` slots */
        size_t writing;
        uv_shutdown_t shutdown;
        unsigned holds;
        uint8_t *rest;                  /* read, not yet handed over; NULL for nothing */
        size_t rest_len;                /* at most NET_READ_BYTES */
        int failure;                    /* -errno to be told by net_turn() */
        uint64_t read_turn, read_round; /* the last in which it was read */
        bool failed;
        bool reading;
        bool ended;          /* closing: the other side has sent its last byte */
        bool shutting, shut; /* closing: our side's end is on its way, is sent */
        uint32_t sent_due;   /* CONN_SENT events to be told */
};

struct listener {
        uv_poll_t poll;
        struct net *net;
        int fd; /* -1: closed */
        enum port port;
        bool resting;
};

struct net {
        uv_loop_t *loop;
        struct net_limits limits;
        net_event_fn fn;
        void *ctx;
        struct map by_id;                          /* connections with a name */
        struct list conns;                         /* every conn whose memory lives */
        struct list due, later, dialling, closing; /* later: due in the next turn */
        size_t closing_count;
        conn_id last_accepted;
        uint64_t client_backlog;
        bool held[PORT_MAX];
        bool accepting, finishing;
        uint64_t spent_ns[PORT_MAX]; /* by what was told of each in this turn */
        uint64_t turn, round;        /* see must_wait() */
        bool asked, refused; /* in this turn: for a buffer; and a client, that had not been read in this round */
        struct listener *listeners[NET_LISTENERS_MAX];
        size_t listener_count;
        uv_timer_t timeouts;  /* of dialling and closing */
        uv_timer_t rest;      /* of listeners */
        uint8_t *read_buffer; /* NET_READ_BYTES */
        uint8_t *gather;      /* where small blobs are put together before a write */
};

/* ---- net.c ---- */
/* A connection with a name, in the table; its handle has no socket yet. Replaces an older one of that
 * name in the table. */
struct conn *net__conn_new(struct net *n, conn_id id, enum port port, enum conn_state state);
/* Tells the caller. `e` needs type and its own fields; conn is filled in. */
void net__tell(struct conn *c, struct event *e);
/* Has net_turn() look at it. */
void net__due(struct conn *c);
/* Notes that the connection is lost (or was never made) for `status`; net_turn() tells. */
void net__fail(struct conn *c, int status);
/* Begins reading, or stops, as the holds say. */
void net__reading(struct conn *c);
void net__hold(struct conn *c, unsigned why, bool hold);
/* A connection that was just made: options, then reading. */
void net__opened(struct conn *c);
/* Takes a name away: from now on effects do not reach it. */
void net__unname(struct conn *c);
/* Closes the handle now, dropping what is queued. */
void net__kill(struct conn *c);
/* Puts `c` at the end of a list of waiting ones, due in `ms`. */
void net__wait(struct conn *c, struct list *where, uint32_t ms);

/* ---- net_send.c ---- */
static inline enum conn_sort net__sort(const struct conn *c)
{
        return c->port == PORT_CLIENT ? CONN_CLIENT : CONN_PEER;
}
/* Writes what the socket takes. Returns 0 or -errno: the connection is lost. */
int net__flush(struct conn *c);
/* Drops what is queued, but for what libuv is writing just now. */
void net__outbox_drop(struct conn *c);
/* Drops it all and frees it: nothing is being written any more. */
void net__outbox_done(struct conn *c);

/* ---- net_dial.c ---- */
/* Lets go of an attempt that is under way, as its handle is closed. */
void net__dial_cancel(struct conn *c);

#endif
