/* The network half of the shell: connections as the core's events and effects see them, over libuv.
 *
 *   net_listen.c   listening sockets, accepting; a pause when descriptors run out
 *   net_dial.c     outgoing connections, names resolved each time
 *   net_send.c     what is queued on a connection, and how it gets into the socket
 *   net.c          the table of connections, reading, closing, the end of a loop turn
 *
 * Events reach the caller only from libuv's callbacks and from net_turn(), never from inside one of the
 * functions that carry out effects: those note what went wrong, net_turn() tells it. So a step of the
 * core is never entered twice. A connection's name is dead when CONN_CLOSED or a failed CONN_DIALLED has
 * been told or net_close() was called; effects for dead names do nothing, since the core may have asked
 * for them before it knew.
 *
 * All functions run on the loop thread. */
#ifndef BATON_ENGINE_NET_H
#define BATON_ENGINE_NET_H

#include "election/base/effect.h"
#include "election/server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* One read. All connections share the buffer. */
#define NET_READ_BYTES (64u << 10)
/* What all clients together may leave unread; the largest backlog is dropped first. One step of the core can
 * add CLIENTS_TURN_BYTES_MAX of answers, what waited behind one write (CLIENTS_QUEUE_BYTES_MAX, twice), or as
 * many bytes of events as the watches took that are gone then. */
#define NET_CLIENT_BACKLOG_TOTAL_BYTES (256u << 20)
/* A client with this much unread is not read from until half of it is gone: who does not take its
 * answers gets no more questions in. */
#define NET_CLIENT_READ_PAUSE_BYTES (8u << 20)
/* What a client has sent is handed over in portions, the first of this size, so that a portion full of
 * small questions with large answers cannot run past its limit before anybody looks: while the answers
 * are small the portions double, and what is left when reading must pause waits here. */
#define NET_PORTION_BYTES 1024
/* Answers queued beyond this are not small. */
#define NET_PORTION_SMALL_BYTES (64u << 10)
/* An outgoing connection, resolving its name included; ZooKeeper: zookeeper.cnxTimeout, 5 s. */
#define NET_DIAL_TIMEOUT_MS 5000
/* Addresses of one name that are tried, one after the other. */
#define NET_DIAL_ADDRESSES_MAX 8
/* A closed connection may take this long to flush and to see the other side close. */
#define NET_CLOSE_TIMEOUT_MS 2000
/* Connections in that state; beyond, the oldest is dropped, once its socket has been offered what it still
 * has to say. */
#define NET_CLOSING_MAX 1024
/* Listening sockets: three ports, each on a few addresses. */
#define NET_LISTENERS_MAX  16
#define NET_LISTEN_BACKLOG 1024
/* Connections accepted from one socket in one turn. */
#define NET_ACCEPT_TURN_MAX 64
/* With no descriptor left, a listening socket rests this long. */
#define NET_ACCEPT_PAUSE_MS 100
/* Connections flushed, failed or notified in one turn; the rest wait for the next, so that reading and
 * timers get their share. */
#define NET_TURN_MAX 4096
/* What is told of clients, and of servers, in one turn ends after so many nanoseconds each, and goes on in the next:
 * all that is written, and timers, wait for a turn's end, and a leader that is not heard is left (struct zab_config,
 * election_timeout_ms). */
#define NET_TURN_NS 50000000
/* An election connection is idle for days and then has to work at once. What the other machine's kernel has
 * not acknowledged for this long is lost, and so is the connection, which is made again; an idle one is
 * probed after as long. Left to TCP alone, a cut of a minute without a reset would hold the channel up for
 * another after its end, and for a quarter of an hour if the other machine is gone. The quorum port has
 * pings of its own, and a server busy with its disk may rightly not read from it for longer. */
#define NET_ELECTION_SILENCE_MS 3000
/* How long net_finish() lets closing connections flush. */
#define NET_FINISH_MS 250

struct net_limits {
        size_t client_backlog_bytes; /* SERVER_CLIENT_BACKLOG_BYTES */
        size_t peer_backlog_bytes;   /* SERVER_PEER_BACKLOG_BYTES */
        size_t client_backlog_total_bytes;
        size_t client_read_pause_bytes;
        uint32_t dial_timeout_ms, close_timeout_ms;
        size_t closing_max;
        uint64_t turn_ns;          /* NET_TURN_NS */
        int client_listen_backlog; /* NET_LISTEN_BACKLOG; other ports always have that */
};
/* All of the above. */
extern const struct net_limits net_limits_default;

/* `e` is CONN_ACCEPTED, CONN_DIALLED, CONN_BYTES, CONN_CLOSED or CONN_SENT, complete but for the time;
 * pointers in it live until the call returns. */
typedef void (*net_event_fn)(void *ctx, struct event *e);

struct net;

/* Listens nowhere yet. `limits` is copied. */
struct net *net_new(uv_loop_t *loop, const struct net_limits *limits, net_event_fn fn, void *ctx);

/* Binds and listens; connections are accepted after net_accept(). A wildcard host (0.0.0.0, ::) means
 * IPv4 and IPv6, as with Java; a name means each of its addresses that is this machine's, at least one.
 * May block on the resolver: call it before the loop runs. Returns 0, or -errno with a sentence. */
int net_listen(struct net *n, enum port port, const char *host, uint16_t number, char *why, size_t why_size);
/* The number of the first listening socket for `port` (useful after listening on 0), 0 for none. */
uint16_t net_listening_on(const struct net *n, enum port port);
void net_accept(struct net *n);

/* ---- effects ---- */
void net_dial(struct net *n, conn_id conn, enum port kind, const char *host, uint16_t number);
/* Takes a reference of its own. */
void net_send(struct net *n, conn_id conn, struct blob *b);
void net_close(struct net *n, conn_id conn, bool flush);
void net_notify_sent(struct net *n, conn_id conn);
void net_read(struct net *n, conn_id conn, bool start);
void net_unlisten(struct net *n);

/* Stops or resumes reading from all accepted and dialled connections of one port: back-pressure from
 * the disk. */
void net_hold(struct net *n, enum port port, bool hold);

/* Ends a loop turn: writes what was queued, tells what went wrong and what has been sent. Returns whether
 * something is left for the next turn, which must then not wait for I/O. */
bool net_turn(struct net *n);

/* ---- facts ---- */
/* Bytes queued for clients. */
uint64_t net_client_backlog(const struct net *n);
/* Connections with a name. */
size_t net_connections(const struct net *n);

/* ---- the end ---- */
/* Closes listeners and all connections that have a name; those that net_close() left flushing get
 * NET_FINISH_MS. No event follows. Then run the loop until it is empty, and free. */
void net_finish(struct net *n);
/* Every handle must be closed: the loop has run dry after net_finish(). Takes NULL. */
void net_free(struct net *n);

#endif
