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
#include "election/tree/database.h"
#include "election/tree/watch.h"

/* Requests of one connection read and not yet answered; past it the connection is not read. */
#define CLIENT_QUEUE_MAX 1000
/* Bytes of those requests that are kept. */
#define CLIENT_QUEUE_BYTES_MAX (8u << 20)

struct clients;

struct clients_host {
        void *ctx;
        /* A write of a session, or OP_CREATE_SESSION / OP_CLOSE_SESSION: has it proposed or forwarded. False:
         * dropped (the session is closing, or this server is about to stop serving). */
        bool (*submit)(void *ctx, const struct event *e, int64_t session, int32_t cxid, int32_t opcode,
                       struct jute_str body, struct jute_vec ids, struct effects *fx);
        /* A sync; clients_sync_done() answers them in order. */
        bool (*sync)(void *ctx, const struct event *e, int64_t session, int32_t cxid, struct jute_str body,
                     struct jute_vec ids, struct effects *fx);
        /* A resumed session: 1 valid, 0 not, -EINPROGRESS: clients_revalidated() will tell. */
        int (*revalidate)(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms, struct effects *fx);
        /* The session was heard from. */
        void (*touch)(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms);
        /* The present database. */
        struct database *(*database)(void *ctx);
        /* Answer to a four-letter word: text appended to `w`. */
        void (*word)(void *ctx, const struct event *e, const char word[4], struct jute_writer *w);
};

struct clients *clients_new(const struct server_config *config, const struct clients_host *host, int64_t first_session);
void clients_free(struct clients *c);

/* Serving or not: ending to serve closes every connection that has begun to connect. */
void clients_serve(struct clients *c, bool serving, struct effects *fx);

void clients_accepted(struct clients *c, const struct event *e, struct effects *fx);
bool clients_bytes(struct clients *c, const struct event *e, struct effects *fx);
bool clients_closed(struct clients *c, const struct event *e, struct effects *fx);
void clients_tick(struct clients *c, uint64_t now_ms, struct effects *fx);
uint64_t clients_deadline(const struct clients *c);

/* A transaction was applied: events, then the reply where the request came from here. */
void clients_applied(struct clients *c, const struct event *e, const struct outcome *o, struct effects *fx);
void clients_sync_done(struct clients *c, const struct event *e, struct effects *fx);
void clients_revalidated(struct clients *c, const struct event *e, int64_t session, bool valid, struct effects *fx);

/* Connections that were not read go on, as far as the limits let them. To be called at the end of each
 * step, never from within an upcall. */
void clients_settle(struct clients *c, const struct event *e, struct effects *fx);

struct clients_stats {
        uint64_t received, sent; /* packets */
        uint64_t latency_count, latency_sum_us, latency_max_us, latency_min_us;
        uint64_t bad_input;    /* connections closed because of what they sent */
        uint64_t rejected;     /* connections refused by a limit */
        uint64_t dropped_slow; /* connections dropped because they did not read */
        uint64_t sessionless_expired;
        size_t connections, outstanding, watches;
        int32_t reply_size_last, reply_size_min, reply_size_max; /* -1 before the first */
};
void clients_stats(const struct clients *c, struct clients_stats *ret);
void clients_stats_reset(struct clients *c);
/* One line per connection as `stat` prints it. */
void clients_list(const struct clients *c, struct jute_writer *w);

#endif
