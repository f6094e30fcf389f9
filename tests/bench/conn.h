/* One connection of a client: its socket, its session, and the requests under way on it.
 *
 * Requests are collected in a buffer and leave with one write for each turn of the loop. Replies come back in order;
 * each is matched with the oldest request, and another xid ends the run. Anything unexpected does: see fail.h. */
#ifndef BATON_TESTS_BENCH_CONN_H
#define BATON_TESTS_BENCH_CONN_H

#include "election/jute/record.h"

#include <netinet/in.h>

/* Bytes of requests not yet written on one connection, and of one reply. More ends the run. */
#define CONN_BYTES_MAX (8u << 20)

enum conn_state {
        CONN_CLOSED,
        CONN_CONNECTING, /* the socket is not connected yet */
        CONN_GREETING,   /* the session is asked for */
        CONN_READY,
};

/* What is awaited: kept from the request until its reply. */
struct conn_request {
        uint64_t began_ns; /* when it was sent; at a fixed rate, when it was due */
        uint64_t stamp;
        uint32_t key;
        uint8_t op;
};

struct conn {
        int fd;
        enum conn_state state;
        bool dirty;      /* stands in the loop's list of those with something to write */
        bool awaits_out; /* the socket was full: epoll says when it is not */
        uint32_t index;
        uint32_t lives; /* how often it was opened: what was read for one is not for the next */
        int64_t session;
        int32_t timeout_ms;
        uint64_t opened_ns;
        struct jute_writer out;
        size_t written; /* of out */
        uint8_t *in;
        size_t in_len, in_size;
        int32_t xid; /* of the next request */
        struct conn_request *under_way;
        uint32_t oldest, count, room; /* of under_way; room is a power of two */
};

/* `room`: requests under way at once, rounded up to a power of two. */
void conn_init(struct conn *c, uint32_t index, uint32_t room);
void conn_done(struct conn *c);
/* Begins to connect; `timeout_ms` is what the session asks for. The socket has no delay and does not block. */
void conn_open(struct conn *c, const struct sockaddr_in *to, int32_t timeout_ms, uint64_t now_ns);
/* Closes the socket at once, without a session's end and without TIME_WAIT: a storm would use up the ports. */
void conn_abort(struct conn *c);

/* Whether another request may be put. */
bool conn_has_room(const struct conn *c);
/* Begins a request: the frame's header is in c->out. The caller puts the body, then calls conn_end(). */
size_t conn_begin(struct conn *c, int32_t type, struct conn_request what);
void conn_end(struct conn *c, size_t mark);
/* A ping has an xid of its own and is not counted as under way. */
void conn_ping(struct conn *c);
/* Writes what can be written. Returns whether all of it is out. */
bool conn_flush(struct conn *c);

/* Called for each complete frame after the greeting. */
typedef void conn_frame_fn(void *context, struct conn *c, struct jute_reader *frame);
/* Reads what there is. Returns true when the session was granted during this call. */
bool conn_read(struct conn *c, conn_frame_fn *frame, void *context);
/* The socket is connected: the session is asked for. */
void conn_greet(struct conn *c);
/* The request a reply belongs to, taken off the list. */
struct conn_request conn_match(struct conn *c, int32_t xid);

#endif
