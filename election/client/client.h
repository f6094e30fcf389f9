/* An asynchronous ZooKeeper client: one session, kept over any number of connections. Events in, effects out.
 *
 * How to drive it. The owner carries out the effects (base/effect.h: DIAL with PORT_CLIENT, SEND, CLOSE) and
 * tells what comes of them with client_conn_*(); it calls client_tick() when client_deadline() is reached.
 * Requests are only queued by the functions that make them; they go out with the next event or with
 * client_flush(). The time comes with each call: monotonic milliseconds, read *before* the call (see `sent_ms`).
 * One loop; no thread.
 *
 * Callbacks run inside the event functions and client_free(), never inside a request function. A callback may
 * make requests, look, and call client_start(), client_close() and client_flush() (with the effects of the
 * event): what that asks for is carried out when the event ends. What it is given is borrowed until it returns.
 *
 * What holds:
 *  - A request that was accepted (0 returned) completes exactly once, at the latest in client_free(). Replies
 *    come in the order of requests; a server that answers out of order is left.
 *  - Nothing is ever sent twice. A request that was sent and not answered when the connection ended completes
 *    as CLIENT_UNKNOWN: it may have been carried out or not (client-protocol.md 9).
 *  - A watch for which a completion said `watching` is called exactly once: with the event, or with
 *    CLIENT_EVENT_NONE when the session has ended. It outlives connections (setWatches, client-protocol.md 7.4).
 *    The one gap is the protocol's: while disconnected, a node made and deleted again is not told to
 *    an exists-watch. Event and watch come before any reply that shows the change.
 *  - A persistent watch (client_add_watch()) is called with every event, until a last time with CLIENT_EVENT_NONE, or
 *    with CLIENT_EVENT_REMOVED. It outlives connections too, but what changes while there is none is not told: who
 * needs to know reads again at CLIENT_RESUMED.
 *  - Identities (client_add_auth()) outlive connections and sessions: they go out first on each new connection. One
 * that a server refuses ends the client.
 *  - A lost connection is replaced at once; only when all servers in a row were tried in vain it rests, for a
 *    time that grows and is bounded. A server that stays silent for 2/3 of the timeout is left; sooner where it owes
 *    an answer and the owner says so (answer_divisor).
 *
 * For leases (safety.md 2.2): a deadline counts from `sent_ms` of a committed write that was CLIENT_ANSWERED,
 * never from the time of the reply. Being CLIENT_CONNECTED proves nothing: pings are answered by any server. */
#ifndef BATON_CLIENT_CLIENT_H
#define BATON_CLIENT_CLIENT_H

#include "election/base/effect.h"
#include "election/jute/record.h"
#include "election/session/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Servers of one client. */
#define CLIENT_SERVERS_MAX 64
/* Bytes of a host name or address. */
#define CLIENT_HOST_MAX 255
/* Bytes of a path, the chroot included. */
#define CLIENT_PATH_MAX 32768
/* Requests in hand, sent or waiting; one more is refused. */
#define CLIENT_REQUESTS_MAX 8192
/* Bytes of the requests that wait; one more request beyond is refused. */
#define CLIENT_WAITING_BYTES_MAX (16u << 20)
/* Requests sent and not answered; others wait. ZooKeeper's own servers stop reading at 1000. */
#define CLIENT_IN_FLIGHT_MAX 512
/* Bytes of requests sent and not answered; others wait. A single larger one goes alone. */
#define CLIENT_IN_FLIGHT_BYTES_MAX (4u << 20)
/* Watches set or being set. */
#define CLIENT_WATCHES_MAX 65536
/* Bytes of all watched paths. */
#define CLIENT_WATCHED_BYTES_MAX (16u << 20)
/* Bytes of paths in one setWatches; as Java's client. */
#define CLIENT_SET_WATCHES_BYTES (128u << 10)
/* Operations of one multi. */
#define CLIENT_MULTI_OPS_MAX 1024
/* Identities of one client. */
#define CLIENT_AUTHS_MAX 64
/* Bytes of all of them: they go out again with every connection. */
#define CLIENT_AUTH_BYTES_MAX (64u << 10)
/* The longest life of a TTL znode; ZooKeeper keeps it in 40 bits. */
#define CLIENT_TTL_MAX_MS 0xffffffffff
/* A dial, or the answer to a resumed session, is waited for so long at least. */
#define CLIENT_ATTEMPT_MIN_MS 100
/* The first rest after all servers failed; it doubles. */
#define CLIENT_BACKOFF_MIN_MS 20
/* The longest rest; a quarter of the session timeout where that is less. */
#define CLIENT_BACKOFF_MAX_MS 1000
/* A connection that ended sooner counts as a failed attempt, so that no fault makes us spin. */
#define CLIENT_STABLE_MS 100
/* The least part of the timeout that a server may take to answer: less, and a commit on a busy disk costs the
 * connection. CLIENT_ATTEMPT_MIN_MS in any case. */
#define CLIENT_ANSWER_DIVISOR_MAX 10
/* Longest explanation; longer ones are cut. */
#define CLIENT_WHY_MAX 384

struct client;

/* What of a session outlives a process: enough to resume it. */
struct client_session {
        int64_t id; /* 0: none */
        uint8_t passwd[SESSION_PASSWD_SIZE];
        int64_t last_zxid; /* highest seen in a reply: no server behind it is accepted */
};

enum client_state {
        CLIENT_IDLE,       /* not started */
        CLIENT_CONNECTING, /* started; no server has confirmed the session yet */
        CLIENT_CONNECTED,  /* a new session */
        CLIENT_RESUMED,    /* the same session on a new connection; its watches are being set again */
        CLIENT_SUSPENDED,  /* the connection ended; the session may live on and is being resumed */
        CLIENT_EXPIRED,    /* a server said that the session is over. Told once. Rests until client_start() */
        CLIENT_CLOSED,     /* client_close() is done, or a server refused an identity; final */
        CLIENT_STATE_MAX,
};

/* `status` says why: 0, -ECONNRESET or what the shell said of the connection, -ETIMEDOUT (silence, or no
 * answer to client_close() in time), -EPROTO (the server broke the protocol), -EACCES (it refused an identity of
 * client_add_auth()). CLOSED with 0 means that the session has ended at the servers. `why` is one sentence for a log.
 */
typedef void client_state_fn(void *ctx, enum client_state state, int status, const char *why);

struct client_server {
        char host[CLIENT_HOST_MAX + 1];
        uint16_t port;
};

struct client_config {
        const struct client_server *servers; /* borrowed until client_new() returns */
        size_t server_count;                 /* 1..CLIENT_SERVERS_MAX */
        bool own_first;                      /* the first is this machine's: tried first, whatever the seed */
        int32_t session_timeout_ms;          /* wanted, > 0; the server decides */
        uint64_t seed;                       /* order of servers, length of rests */
        const char *chroot;                  /* NULL or "/": none; else a path that must exist at the servers */
        /* A server that owes an answer and says nothing at all for 1/answer_divisor of the session timeout is left. For
         * leases: a stopped server must cost less than what is left when a renewal stays out. 0: after 2/3, as ever. */
        int32_t answer_divisor; /* 0..CLIENT_ANSWER_DIVISOR_MAX */
        /* A server in read-only mode will do (client-protocol.md 2.8): what it shows may be old without bound, and its
         * session is its own: it expires at the next server. */
        bool read_only;
        int32_t max_buffer;            /* jute.maxbuffer: 0 is the default */
        int32_t max_reply;             /* longest reply: 0 is twice max_buffer */
        struct client_session session; /* to be resumed; id 0: a new one */
        client_state_fn *on_state;     /* may be NULL */
        void *ctx;
};

/* -EINVAL for a number or chroot that is not as said above. */
int client_new(const struct client_config *config, struct client **ret);
/* Completes what is still open (CLIENT_UNKNOWN, CLIENT_NOT_SENT), drops the watches. The connection is left to
 * the shell (client_conn()), the session to its timeout: client_close() first is the polite way. */
void client_free(struct client *c);

/* ---- events ---- */

/* Begins to connect. After CLIENT_EXPIRED: with a new session. No effect in any other state but IDLE. */
void client_start(struct client *c, uint64_t now_ms, struct effects *fx);
/* Ends the session and then the client: no more requests are taken, those waiting are sent, then closeSession;
 * CLIENT_CLOSED is told when a server has confirmed, or `wait_ms` later. With 0 a connected client says
 * farewell and does not wait. */
void client_close(struct client *c, uint64_t now_ms, uint64_t wait_ms, struct effects *fx);
/* The outcome of EFFECT_DIAL: 0 or -errno. Connections that are not the present one are ignored, here and below. */
void client_conn_dialled(struct client *c, uint64_t now_ms, conn_id conn, int status, struct effects *fx);
void client_conn_bytes(struct client *c, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len,
                       struct effects *fx);
/* status: 0 at the end of the stream, or -errno. */
void client_conn_closed(struct client *c, uint64_t now_ms, conn_id conn, int status, struct effects *fx);
/* Due when client_deadline() is reached; harmless at any time. */
void client_tick(struct client *c, uint64_t now_ms, struct effects *fx);
/* Sends what was requested since. `now_ms` becomes `sent_ms`: read the clock for it. */
void client_flush(struct client *c, uint64_t now_ms, struct effects *fx);
/* When the next client_tick() is due: 0 = now (requests to be sent), UINT64_MAX = nothing to wait for. */
uint64_t client_deadline(const struct client *c);

/* ---- what it knows ---- */

enum client_state client_state(const struct client *c);
const char *client_state_name(enum client_state state);
/* CONNECTED or RESUMED. */
bool client_is_connected(const struct client *c);
/* And by a server in read-only mode. */
bool client_is_read_only(const struct client *c);
/* For a file: what client_new() needs to resume. id 0 when there is no session. */
void client_session(const struct client *c, struct client_session *ret);
/* As granted by the server; as wanted before there is a session. */
int32_t client_timeout_ms(const struct client *c);
/* The present connection, being dialled or open; 0 for none. */
conn_id client_conn(const struct client *c);
/* The server of that connection, or the next to be tried. */
const struct client_server *client_server(const struct client *c);
/* Why the last connection, or attempt at one, failed; "" if none did. */
const char *client_why(const struct client *c);

/* ---- requests ---- */

enum client_outcome {
        CLIENT_ANSWERED, /* the server's reply, on the very connection the request was sent on */
        CLIENT_UNKNOWN,  /* sent; the connection ended before the reply: carried out or not, nobody knows here */
        CLIENT_NOT_SENT, /* certainly not carried out */
};

/* `error` of what was not answered, in ZooKeeper's numbers; the server sends none of them but -112. */
enum client_error {
        CLIENT_ERROR_CONNECTION_LOSS = -4, /* CLIENT_UNKNOWN */
        CLIENT_ERROR_NOT_CONNECTED = -9,   /* an `at_once` request met a lost connection */
        CLIENT_ERROR_EXPIRED = ZK_SESSION_EXPIRED,
        CLIENT_ERROR_AUTH_FAILED = ZK_AUTH_FAILED, /* an identity was refused, and the client has ended with it */
        CLIENT_ERROR_CLOSING = -116,
};

struct client_op_result {
        int32_t error; /* ZK_OK, the operation's own error, or -2: not tried, another one failed */
        struct jute_str path;
        struct jute_str data;     /* OP_GET_DATA */
        struct jute_vec children; /* OP_GET_CHILDREN */
        struct jute_stat stat;
        bool has_stat;
};

struct client_result {
        enum client_outcome outcome;
        int32_t error;     /* enum zk_error or client_error; of a failed multi, its first real error */
        int64_t zxid;      /* of the reply: a write's transaction, a read's state. 0 when not answered */
        uint64_t sent_ms;  /* time of the call that handed it out for sending; 0 when not sent */
        conn_id conn;      /* the connection it was sent on; 0 when not sent */
        size_t size_bytes; /* of the request, as max_buffer counts */
        bool watching;     /* the watch is set and will be called, once or as often as said at client_add_watch() */
        /* null, or empty, where the request has no such answer or failed. Paths are without the chroot. */
        struct jute_str path;     /* all creates, sync */
        struct jute_str data;     /* get */
        struct jute_vec children; /* children, children2: vector of names; ephemerals: of paths */
        struct jute_vec acl;      /* get_acl */
        struct jute_vec who;      /* who_am_i: vector of struct jute_id, scheme and user */
        int32_t number;           /* all_children_number; else 0 */
        struct jute_stat stat;
        bool has_stat;
        const struct client_op_result *ops; /* multi, multi_read: one for each operation, also of a failed multi */
        size_t op_count;
};
typedef void client_done_fn(void *ctx, const struct client_result *r);

enum client_event {
        CLIENT_EVENT_REMOVED = -2, /* client_remove_watches() removed the watch */
        CLIENT_EVENT_NONE = -1,    /* the session has ended, the watch with it */
        CLIENT_EVENT_CREATED = 1,
        CLIENT_EVENT_DELETED = 2,
        CLIENT_EVENT_DATA = 3,
        CLIENT_EVENT_CHILDREN = 4,
};
/* `path` as it was asked for, without the chroot; of a recursive watch, where the change is. */
typedef void client_watch_fn(void *ctx, enum client_event event, const char *path);

/* How a request is to be carried out and answered. */
struct client_call {
        client_done_fn *done; /* may be NULL */
        void *ctx;
        client_watch_fn *watch; /* exists, get, children, children2, add_watch: NULL sets no watch. Each call sets one
                                   of its own, so ask for none where one stands. Other requests ignore it */
        void *watch_ctx;
        bool at_once; /* while there is no connection: do not wait for one, fail */
};

/* All return 0, and then `done` is called exactly once; or, and then nothing is ever called:
 *   -EINVAL    a bad path, flag or count
 *   -EMSGSIZE  longer than the server takes (max_buffer), or a path beyond CLIENT_PATH_MAX
 *   -ENOBUFS   a limit above is reached
 *   -ENOTCONN  `at_once` and not connected
 *   -ESHUTDOWN the session has expired or is being closed
 * Paths and data are copied. */

enum client_create_flags { CLIENT_PERSISTENT = 0, CLIENT_EPHEMERAL = 1, CLIENT_SEQUENTIAL = 2 };

/* `acl` NULL: open to all. create2 yields the Stat too (servers from 3.5 on). */
int client_create(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                  const struct client_call *call);
int client_create2(struct client *c, const char *path, struct jute_str data, int32_t flags, const struct jute_vec *acl,
                   const struct client_call *call);
/* version -1: any. */
int client_delete(struct client *c, const char *path, int32_t version, const struct client_call *call);
int client_set(struct client *c, const char *path, struct jute_str data, int32_t version,
               const struct client_call *call);
/* Its watch is set also when the node does not exist (ZK_NO_NODE). */
int client_exists(struct client *c, const char *path, const struct client_call *call);
int client_get(struct client *c, const char *path, const struct client_call *call);
int client_children(struct client *c, const char *path, const struct client_call *call);
int client_children2(struct client *c, const char *path, const struct client_call *call);
/* What is read afterwards is as new as every write acknowledged before (client-protocol.md 9). */
int client_sync(struct client *c, const char *path, const struct client_call *call);
int client_get_acl(struct client *c, const char *path, const struct client_call *call);
/* `version` is the one of the ACL (aversion); -1: any. */
int client_set_acl(struct client *c, const char *path, const struct jute_vec *acl, int32_t version,
                   const struct client_call *call);

/* These yield the Stat as create2 does. A container is removed by the servers when its last child has gone; a TTL node
 * (`flags`: CLIENT_SEQUENTIAL or none) when it has had no child and no change for 1..CLIENT_TTL_MAX_MS. */
int client_create_container(struct client *c, const char *path, struct jute_str data, const struct jute_vec *acl,
                            const struct client_call *call);
int client_create_ttl(struct client *c, const char *path, struct jute_str data, int32_t flags, int64_t ttl_ms,
                      const struct jute_vec *acl, const struct client_call *call);

/* The session's own ephemerals whose path begins with that of `path`, as a text. */
int client_ephemerals(struct client *c, const char *path, const struct client_call *call);
/* How many znodes there are below. */
int client_all_children_number(struct client *c, const char *path, const struct client_call *call);

struct client_op {
        /* OP_CREATE, OP_CREATE2, OP_CREATE_CONTAINER, OP_CREATE_TTL, OP_DELETE, OP_SET_DATA, OP_CHECK;
         * of multi_read: OP_GET_DATA, OP_GET_CHILDREN */
        enum opcode type;
        const char *path;
        struct jute_str data;       /* creates, set */
        int32_t flags;              /* creates, as in the functions above */
        const struct jute_vec *acl; /* creates; NULL: open */
        int32_t version;            /* delete, set, check */
        int64_t ttl_ms;             /* OP_CREATE_TTL */
};
/* All or nothing. 1..CLIENT_MULTI_OPS_MAX operations. */
int client_multi(struct client *c, const struct client_op *ops, size_t count, const struct client_call *call);
/* Reads, of one moment; each succeeds or fails on its own, and `error` is that of the whole (servers from 3.6 on). */
int client_multi_read(struct client *c, const struct client_op *ops, size_t count, const struct client_call *call);

/* ---- watches that stay, and the end of watches (servers from 3.6 on) ---- */

/* The protocol's numbers. Servers before 3.9 keep one of the two on a path: the last. */
enum client_watch_mode {
        CLIENT_WATCH_PERSISTENT = 0, /* every event of the znode: what all one-shot watches would tell */
        CLIENT_WATCH_RECURSIVE = 1,  /* created, deleted and data, of the znode and all below it */
};
/* call->watch must be given. The znode need not exist. */
int client_add_watch(struct client *c, const char *path, enum client_watch_mode mode, const struct client_call *call);

enum client_watch_type { /* the protocol's numbers; those from 4 on need servers from 3.9 on */
                         CLIENT_WATCHES_CHILDREN = 1,
                         CLIENT_WATCHES_DATA = 2, /* those of exists too */
                         CLIENT_WATCHES_ANY = 3,  /* all five kinds */
                         CLIENT_WATCHES_PERSISTENT = 4,
                         CLIENT_WATCHES_RECURSIVE = 5,
};
/* Ends all watches of that type on the path, each with CLIENT_EVENT_REMOVED before `done`. None there: ZK_NO_WATCHER.
 */
int client_remove_watches(struct client *c, const char *path, enum client_watch_type type,
                          const struct client_call *call);
/* Whether the server has any: ZK_OK or ZK_NO_WATCHER. */
int client_check_watches(struct client *c, const char *path, enum client_watch_type type,
                         const struct client_call *call);

/* ---- who one is ---- */

/* Adds an identity, such as scheme "digest" and "user:password": all requests that have not been sent yet are made with
 * it, and it is sent first on every connection from now on. `call` (done, ctx; may be NULL) completes when a server
 * has taken it, also if that takes several connections; one that is refused ends the client (CLIENT_CLOSED, -EACCES).
 * 0, -EINVAL (no scheme), -ENOBUFS (CLIENT_AUTHS_MAX, CLIENT_AUTH_BYTES_MAX) or -ESHUTDOWN (being closed). */
int client_add_auth(struct client *c, const char *scheme, struct jute_str auth, const struct client_call *call);
/* Whom the server takes us for (servers from 3.7 on). */
int client_who_am_i(struct client *c, const struct client_call *call);

#endif
