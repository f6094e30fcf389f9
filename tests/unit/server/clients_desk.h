/* The client half on a desk: connections on one side, on the other a leader's prep and a queue of
 * transactions that are committed when the test says so. In place of a leader the desk may play a learner:
 * then zxids are not foretold, and resumed sessions and syncs wait for an answer. */
#ifndef BATON_TESTS_CLIENTS_DESK_H
#define BATON_TESTS_CLIENTS_DESK_H

#include "election/server/clients_internal.h"
#include "election/server/prep.h"

#define DESK_SID           INT64_C(1)
#define DESK_FIRST_SESSION INT64_C(0x100000000000000)
#define DESK_EPOCH_ZXID    INT64_C(0x500000000)
/* Resumed sessions the desk can have been asked about at a time. */
#define DESK_ASKED_MAX 256

struct desk_txn {
        uint8_t *payload;
        size_t len;
        int64_t zxid, session;
        int32_t cxid, opcode;
};

/* What the shell would know of a connection. */
struct desk_conn {
        conn_id conn;
        uint8_t *out; /* sent, not taken by the test */
        size_t out_len, out_capacity;
        size_t sent; /* bytes in all */
        bool reading, closed, flushed, notify, answered;
        int64_t zxid;       /* of the last reply: never goes back */
        int64_t event_zxid; /* of the last event */
};

struct desk {
        struct server_config config;
        struct clients *clients;
        struct database *db;
        struct session_clock *clock;
        struct prep *prep;
        struct outcome outcome;
        struct jute_writer txn, frame;
        struct effects fx;
        struct event event;
        uint64_t now_ms;
        int64_t zxid;
        struct desk_txn *queue;
        size_t first, end, capacity;
        struct desk_conn *conns;
        size_t conn_count, conn_capacity;
        bool learner, refuse, closing, no_leader;
        bool sync_at_once;             /* where nothing waits to be committed */
        size_t syncs, resumes;         /* asked, not answered */
        int64_t asked[DESK_ASKED_MAX]; /* the sessions of `resumes`, oldest first */
        char text[1 << 16], audit[1 << 15];
};

struct desk *desk_new(void);
struct desk *desk_new_on(struct database *db);
void desk_free(struct desk *d);

/* ---- connections ---- */
conn_id desk_accept(struct desk *d, const char *address);
void desk_bytes(struct desk *d, conn_id conn, const void *data, size_t len);
/* A ConnectRequest; the session's own password. */
void desk_connect(struct desk *d, conn_id conn, int64_t session, int64_t seen);
/* A connection with a new session, the reply taken. */
conn_id desk_open(struct desk *d);
/* The other side closes. */
void desk_hang_up(struct desk *d, conn_id conn);
void desk_tick(struct desk *d, uint64_t ms);
/* All that was sent is in the socket. */
void desk_sent(struct desk *d, conn_id conn);
struct desk_conn *desk_conn(struct desk *d, conn_id conn);
int64_t desk_session(struct desk *d, conn_id conn);

/* What has come out of a connection since the last time, as words: "open", "refused", "XID:ERR",
 * "!TYPE PATH" for an event, "closed" ("flushed" where what was sent goes out first). Four-letter words'
 * answers are not for this. */
const char *desk_take(struct desk *d, conn_id conn);

/* ---- requests ---- */
/* Starts a pipeline, adds a frame to it, sends it. */
void desk_begin(struct desk *d);
void desk_add(struct desk *d, int32_t xid, int32_t opcode, const struct jute_writer *body);
void desk_add_path(struct desk *d, int32_t xid, int32_t opcode, const char *path, int32_t number);
void desk_add_create(struct desk *d, int32_t xid, const char *path, size_t data_len, int32_t flags);
void desk_add_set(struct desk *d, int32_t xid, const char *path, size_t data_len);
void desk_put(struct desk *d, conn_id conn);
/* One request by itself. */
void desk_path(struct desk *d, conn_id conn, int32_t xid, int32_t opcode, const char *path, int32_t number);
void desk_create(struct desk *d, conn_id conn, int32_t xid, const char *path);
void desk_bare(struct desk *d, conn_id conn, int32_t xid, int32_t opcode);

/* ---- the ensemble ---- */
/* Commits up to `count` proposals. */
void desk_commit(struct desk *d, size_t count);
/* The oldest proposal is never committed. */
void desk_lose(struct desk *d);
/* A write of a session that came through another server. */
void desk_foreign(struct desk *d, int64_t session, int32_t cxid, int32_t opcode, const struct jute_writer *body);
/* A transaction as another server, or another leader, would have made it: an error for a session's request. */
void desk_foreign_error(struct desk *d, int64_t session, int32_t cxid, int32_t err);
void desk_close_session(struct desk *d, int64_t session);
void desk_sync_done(struct desk *d);
void desk_revalidated(struct desk *d, int64_t session, bool valid);
/* Answers the oldest question as a leader would. */
void desk_revalidate(struct desk *d);
/* The role ends with what was not committed lost, and the next epoch begins. */
void desk_new_epoch(struct desk *d);

#endif
