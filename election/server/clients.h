/* Client connections: framing, connecting and resuming sessions, each session's order of requests,
 * reads, watches, and replies (zookeeper/client-protocol.md 2, 4, 5.4, 7, 9).
 *
 * Per connection a queue of requests that wait: a write or sync for its commit or answer, a read or ping
 * for the writes before it. With an empty queue a read is answered at once, from memory. Replies leave
 * in request order; events of a transaction before any reply that shows it.
 *
 * Writes leave through the upcalls of `struct clients_host`; what comes back is told by clients_*
 * functions. Part of the room: only server.c uses this. */
#ifndef BATON_SERVER_CLIENTS_H
#define BATON_SERVER_CLIENTS_H

#include "election/jute/record.h"
#include "election/server/server.h"
#include "election/session/session.h"
#include "election/tree/database.h"
#include "election/tree/watch.h"

/* Requests of one connection read and not yet answered; past it the connection is not read. */
#define CLIENT_QUEUE_MAX 1000
/* What those requests weigh: the bytes of a write, the present size of its answer for a read. */
#define CLIENT_QUEUE_BYTES_MAX (8u << 20)
/* The same of all connections together, those that went while their writes were under way among them: past it
 * only those with nothing unanswered are read from, past twice as much none. So it also bounds the bytes of
 * the proposals that clients of this server have outstanding at the leader. */
#define CLIENTS_QUEUE_BYTES_MAX (64u << 20)
/* Bytes sent to all connections in one step, at which no more requests are taken in that step: answers are
 * made faster than the shell can judge who reads them. */
#define CLIENTS_TURN_BYTES_MAX (64u << 20)
/* Bytes sent to all connections in one step, past which those who are told of events are closed when they were sent
 * more than an equal share of it: events can't be put off, as reading requests can. */
#define CLIENTS_STEP_BYTES_MAX (256u << 20)
/* Unanswered requests of all connections, past which none is read from, even one that has none: what zab may
 * have outstanding. */
#define CLIENTS_OUTSTANDING_MAX 65536
/* Unfinished frames and frames not taken yet, of all connections: past it the largest of them is closed. */
#define CLIENTS_INPUT_BYTES_MAX (256u << 20)
/* Bytes sent to a connection since it had all of them, at which nothing more is read from it. */
#define CLIENT_WINDOW_BYTES (4u << 20)
/* What the results of a multiRead may come to, with the access lists looked at for them; one that is longer fails with
 * -5. The largest znode there can be has room in it. */
#define CLIENT_MULTI_READ_BYTES_MAX (48u << 20)
/* A connection whose watches weigh more than its limit (watches_weight_of()) is closed; past the limit for all
 * connections the one that watches most is. */
#define CLIENT_WATCH_BYTES_MAX  (64u << 20)
#define CLIENTS_WATCH_BYTES_MAX (512u << 20)
/* Syncs and resumed sessions that the leader was asked about and has not answered; past it a connection that
 * asks is closed. */
#define CLIENTS_ASKED_MAX 65536
/* Silent connections are looked for this often (client-protocol.md 11: the idle limit's step). */
#define CLIENTS_IDLE_CHECK_MS 10000

/* Answer of clients_host.submit on a learner: the zxid is the leader's to choose. */
#define CLIENTS_FORWARDED INT64_C(-1)

struct clients;

struct clients_host {
        void *ctx;
        /* A write of a session, or OP_CREATE_SESSION / OP_CLOSE_SESSION: has it proposed or forwarded. Returns the
         * zxid it will have, CLIENTS_FORWARDED where only the leader knows, or 0: dropped (the session is closing, or
         * this server is about to stop serving), and so must be whatever follows it in its session. */
        int64_t (*submit)(void *ctx, const struct event *e, int64_t session, int32_t cxid, int32_t opcode,
                          struct jute_str body, struct jute_vec ids, struct effects *fx);
        /* A sync; clients_sync_done() answers them in order, perhaps from inside this call. False: dropped. */
        bool (*sync)(void *ctx, const struct event *e, int64_t session, int32_t cxid, struct jute_str body,
                     struct jute_vec ids, struct effects *fx);
        /* A resumed session: 1 valid, 0 not, -EINPROGRESS: clients_revalidated() will tell, -ENOTCONN: nobody
         * can tell, another server must be asked. */
        int (*revalidate)(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms, struct effects *fx);
        /* The session was heard from. SESSION_EXPIRED: it is closing, nothing of it is executed any more.
         * SESSION_MOVED: this server leads, and knows that another one has the session now. */
        enum session_check (*touch)(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms);
        /* In read-only mode: a session that only this server knows begins, or ends because its client says so. False:
         * there are as many as there may be. */
        bool (*local_begin)(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms);
        void (*local_end)(void *ctx, int64_t session);
        /* The present database. */
        struct database *(*database)(void *ctx);
        /* How many bytes a four-letter word has before it can be answered: 4, or more where it has an argument. */
        size_t (*word_bytes)(void *ctx, const uint8_t word[4]);
        /* Answer to a four-letter word of word_bytes(): text appended to `w`. */
        void (*word)(void *ctx, const struct event *e, const uint8_t *word, struct jute_writer *w);
};

struct clients *clients_new(const struct server_config *config, const struct clients_host *host, int64_t first_session);
void clients_free(struct clients *c);

/* Begins to serve. No reply shows an earlier zxid than `zxid`, that of the epoch: its leader's clients have
 * been shown it, and all that came before it is applied. */
void clients_serve(struct clients *c, int64_t zxid);
/* Begins to serve reads alone, of a database that stands still, to clients that said they would have that
 * (client-protocol.md 2.8): sessions are local ones, and nothing is submitted. Until clients_end(). */
void clients_serve_read_only(struct clients *c);
/* From now on nothing is answered but four-letter words. May be called from inside an upcall. */
void clients_mute(struct clients *c);
/* The role is over: closes every connection that has begun to connect, after what was answered to it. */
void clients_end(struct clients *c, struct effects *fx);

void clients_accepted(struct clients *c, const struct event *e, struct effects *fx);
bool clients_bytes(struct clients *c, const struct event *e, struct effects *fx);
bool clients_sent(struct clients *c, const struct event *e, struct effects *fx);
bool clients_closed(struct clients *c, const struct event *e, struct effects *fx);
void clients_tick(struct clients *c, uint64_t now_ms, struct effects *fx);
uint64_t clients_deadline(const struct clients *c);

/* A transaction was applied: events, then the reply where the request came from here. */
void clients_applied(struct clients *c, const struct event *e, const struct outcome *o, struct effects *fx);
void clients_sync_done(struct clients *c, const struct event *e, struct effects *fx);
void clients_revalidated(struct clients *c, const struct event *e, int64_t session, bool valid, struct effects *fx);

/* A local session has expired: its connection is closed. */
void clients_session_over(struct clients *c, int64_t session, struct effects *fx);

/* Connections that were not read go on, as far as the limits let them; those that ran into one are closed.
 * To be called at the end of each step, never from within an upcall. */
void clients_settle(struct clients *c, const struct event *e, struct effects *fx);

struct clients_stats {
        uint64_t received, sent; /* packets */
        uint64_t received_bytes, sent_bytes;
        struct summary latency_us;           /* of all requests that were answered */
        struct histogram read_us, update_us; /* of those that read, of those that wrote */
        uint64_t watch_bytes;                /* sent as events of watches */
        uint64_t connects, resumes;          /* ConnectRequests; those that resume a session */
        uint64_t left;                       /* connections that the client ended, without closing its session */
        uint64_t bad_input;                  /* connections closed because of what they sent */
        uint64_t rejected;                   /* connections refused by a limit */
        uint64_t dropped_slow;               /* connections dropped because they did not read */
        uint64_t dropped_input;              /* ... because of too many bytes of unfinished requests */
        uint64_t dropped_watches;            /* ... because of too many watches */
        uint64_t dropped_idle;               /* ... because nothing was heard from them */
        uint64_t sessionless_expired;        /* ... because they did not connect */
        uint64_t not_serving;                /* ConnectRequests met while not serving */
        uint64_t auth_failed;                /* auth packets refused */
        size_t connections, outstanding, watches;
        int32_t reply_size_last, reply_size_min, reply_size_max; /* -1 before the first */
};
void clients_stats(const struct clients *c, struct clients_stats *ret);
void clients_stats_reset(struct clients *c);

/* What is known of one connection. Times are milliseconds; latencies are those of answered requests, from the
 * bytes' arrival to the reply, in microseconds. */
struct client_info {
        conn_id conn;
        const char *address;
        uint16_t port;
        bool reading;            /* its next request is read when it comes */
        size_t queued;           /* requests without an answer */
        uint64_t received, sent; /* packets */
        int64_t session;         /* 0 before one is bound; the rest up to the latencies means something with one only */
        int32_t timeout_ms;
        const char *last_operation; /* as `cons` names it; "NA" before the first */
        int64_t last_xid;           /* of an ordinary request, -1 before the first */
        int64_t last_zxid;          /* shown with the last reply, -1 before the first */
        uint64_t last_reply_ms;     /* monotonic, 0 before the first */
        uint32_t latency_last_us, latency_min_us, latency_max_us;
        uint64_t latency_sum_us, latency_count;
        int64_t since_ms;     /* wall clock, when it was accepted */
        uint64_t deadline_ms; /* monotonic: when it is closed if nothing is heard of it */
        size_t watch_bytes;   /* what its watches are charged */
        size_t unread_bytes;  /* of requests not taken yet */
};
/* Calls `fn` for each connection accepted after `after` (0: all), the oldest first, until it returns false. What
 * `info` points to lives until then. */
void clients_each(const struct clients *c, conn_id after, bool (*fn)(void *ctx, const struct client_info *info),
                  void *ctx);
/* The session of a connection, 0 for none. */
int64_t clients_session(const struct clients *c, conn_id conn);
/* All watches of this server's connections. */
const struct watches *clients_watches(const struct clients *c);
/* Forgets what was counted of each connection. */
void clients_each_reset(struct clients *c);

#endif
