/* What the files of the client half share. */
#ifndef BATON_SERVER_CLIENTS_INTERNAL_H
#define BATON_SERVER_CLIENTS_INTERNAL_H

#include "election/base/list.h"
#include "election/base/map.h"
#include "election/server/clients.h"

/* Longest numeric address: IPv6 with a scope. */
#define CLIENT_ADDRESS_MAX 64

enum client_state {
        CLIENT_NEW,      /* nothing read: a four-letter word or a ConnectRequest follows */
        CLIENT_CREATING, /* createSession is on its way */
        CLIENT_RESUMING, /* the leader is asked whether the session lives */
        CLIENT_OPEN,
        CLIENT_ENDING, /* closeSession is on its way: nothing more is read */
};

enum request_kind {
        REQUEST_READ,  /* runs when it is at the head */
        REQUEST_WRITE, /* its outcome comes as a transaction */
        REQUEST_SYNC,  /* its answer comes from the leader */
};

/* A request that waits for its turn. */
struct client_request {
        struct list link;
        enum request_kind kind;
        bool submitted; /* the ensemble has been asked */
        int32_t xid, opcode;
        uint64_t received_ns;
        size_t body_len;
        uint8_t body[]; /* of what is not submitted yet, and of a sync, whose path is echoed */
};

struct client {
        struct clients *all;
        conn_id conn;
        struct list link;          /* in clients.list, by age */
        struct list paused_link;   /* in clients.paused while not read */
        struct list released_link; /* in clients.released when a sync was answered */
        enum client_state state;
        char address[CLIENT_ADDRESS_MAX];
        uint16_t remote_port;
        struct jute_vec ids; /* identities, encoded; data owned */
        uint64_t since_ms;
        int64_t session; /* 0 before one is bound */
        int32_t timeout_ms;
        bool old;    /* a client that sent no read-only byte */
        bool closed; /* closed within this call: swept afterwards */
        bool paused;
        bool behind_sync;  /* a sync is unanswered: what follows it is not submitted before */
        struct list queue; /* client_request */
        size_t queue_len, queue_bytes;
        uint8_t *input; /* bytes of an unfinished frame, or of frames read while paused */
        size_t input_len, input_capacity;
        uint64_t received, sent; /* packets */
};

struct clients {
        const struct server_config *config;
        struct clients_host host;
        bool serving;
        int64_t next_session;
        struct map by_conn, by_session;
        struct list list;
        struct list paused;
        struct list released;
        struct list syncs; /* client_sync, in the order of asking */
        struct watches *watches;
        struct jute_writer scratch;
        struct clients_stats stats;
        int32_t item_max;
};

/* A sync asked for: its connection may be gone when the answer comes. */
struct client_sync {
        struct list link;
        conn_id conn;
        int32_t xid;
};

struct client *clients__find_session(struct clients *c, int64_t session);
/* Binds the session to the connection; an older connection of it must be closed already. */
void client__bind(struct client *k, int64_t session, int32_t timeout_ms);
/* Closes and forgets the connection. The client must not be used afterwards. */
void client__close(struct client *k, bool flush, struct effects *fx);
/* The same, counting bad input. */
void client__reject(struct client *k, struct effects *fx);

/* client_connect.c */
void client__connect(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
void client__session_created(struct client *k, const struct event *e, struct effects *fx);
void client__session_resumed(struct client *k, const struct event *e, bool valid, struct effects *fx);

/* client_frame.c: goes on with what was read; called again when a pause ends. Returns false when the
 * connection was closed. */
bool client__feed(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
bool client__resume_input(struct client *k, const struct event *e, struct effects *fx);
/* Whether frames may be taken from the connection now. */
bool client__ready(const struct client *k);

/* client_request.c */
void client__request(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
void client__drop_queue(struct client *k);

/* client_read.c: answers a read, ping or setWatches now. */
void client__read(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                  uint64_t received_ns, struct effects *fx);
bool client__is_read(int32_t opcode);

/* Replies: begin leaves room for the frame length and writes the header; end sends. */
struct jute_writer *client__reply_begin(struct client *k, int32_t xid, int64_t zxid, int32_t err);
void client__reply_end(struct client *k, const struct event *e, uint64_t received_ns, struct effects *fx);
void client__reply_error(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err,
                         uint64_t received_ns, struct effects *fx);
void client__notify(struct client *k, enum watch_event type, struct jute_str path, struct effects *fx);

#endif
