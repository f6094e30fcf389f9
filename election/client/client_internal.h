/* What the files of the client share.
 *
 * client.c          life, states, deadlines
 * client_connect.c  servers, dialling, rests, the handshake, the end of a connection
 * client_frame.c    bytes to frames, frames to replies and notifications
 * client_request.c  the queue of requests: its one door, and how it is sent
 * client_znode.c    requests about one znode, made
 * client_multi.c    multi and multiRead, made
 * client_result.c   a reply's body, and completions
 * client_auth.c     identities, and whoAmI
 * client_watch.c    watches, and whom an event concerns
 * client_rewatch.c  addWatch, removeWatches, checkWatches; setWatches on a new connection
 * client_path.c     paths and the chroot */
#ifndef BATON_CLIENT_INTERNAL_H
#define BATON_CLIENT_INTERNAL_H

#include "election/base/hash.h"
#include "election/base/list.h"
#include "election/base/map.h"
#include "election/client/client.h"

/* Fixed xids (client-protocol.md 2.6). */
#define CLIENT_XID_NOTIFICATION (-1)
#define CLIENT_XID_PING         (-2)
#define CLIENT_XID_AUTH         (-4)
#define CLIENT_XID_SET_WATCHES  (-8)

enum client_phase {
        PHASE_REST,      /* no connection is wanted: before the start, after the end */
        PHASE_PAUSE,     /* the next dial is at phase_deadline_ms */
        PHASE_DIALLING,  /* given up at phase_deadline_ms */
        PHASE_HANDSHAKE, /* connect request sent; given up at phase_deadline_ms */
        PHASE_OPEN,
};

/* In the order of setWatches2's lists; setWatches has the first three. */
enum client_watch_kind { WATCH_DATA, WATCH_EXIST, WATCH_CHILD, WATCH_PERSISTENT, WATCH_RECURSIVE, WATCH_KIND_MAX };
/* The one-shot kinds come first. */
#define WATCH_ONE_SHOT_MAX WATCH_PERSISTENT

/* A frame's length field. */
#define CLIENT__LENGTH_SIZE 4

struct client_request {
        struct list link;
        int32_t op, xid;
        struct blob *frame; /* NULL once sent */
        size_t size_bytes;  /* of the frame */
        uint64_t sent_ms;
        conn_id conn;
        bool at_once;
        client_done_fn *done;
        void *ctx;
        client_watch_fn *watch;
        void *watch_ctx;
        char *watch_path;   /* with the chroot; NULL without a watch */
        int32_t watch_type; /* of addWatch, its mode; of removeWatches, the type */
        char *remove_path;  /* of removeWatches, with the chroot */
        int32_t *op_types;  /* of a multi */
        size_t op_count;
};

/* An identity, and who waits for it to be taken. */
struct client_auth {
        struct list link;
        char *scheme;
        uint8_t *auth;
        size_t auth_len;
        bool waited_for; /* `done` has not been called */
        client_done_fn *done;
        void *ctx;
};

struct client_watch {
        struct list link;
        client_watch_fn *fn;
        void *ctx;
};

/* All watches of one path. Empty ones are not kept. */
struct client_watched {
        struct list link;            /* in client.watched: order of the first registration */
        struct client_watched *next; /* another path of the same hash */
        char *path;                  /* with the chroot */
        size_t path_len;
        struct list kinds[WATCH_KIND_MAX];
};

struct client {
        struct client_server *servers; /* shuffled */
        size_t server_count;
        size_t server; /* in use, or to be tried next */
        char *chroot;  /* "" for none; no slash at its end */
        size_t chroot_len;
        int32_t max_buffer, max_reply, wanted_timeout_ms, timeout_ms, answer_divisor;
        bool read_only;     /* will do */
        bool read_only_now; /* that is what the last server that took the session was */
        client_state_fn *on_state;
        void *ctx;
        struct prng prng;

        enum client_state state;
        enum client_phase phase;
        uint64_t phase_deadline_ms;
        uint64_t failures; /* attempts in a row, without a stable connection among them */
        uint64_t backoff_ms;
        conn_id conn;
        uint64_t opened_ms;   /* handshake done */
        uint64_t sent_ms;     /* last time anything was sent */
        uint64_t received_ms; /* last time anything came */
        struct client_session session;
        int32_t next_xid;
        uint8_t *in; /* the beginning of a frame */
        size_t in_len, in_capacity;

        struct list waiting, in_flight;
        size_t waiting_count, waiting_bytes, in_flight_count, in_flight_bytes;

        struct map watch_paths; /* hash -> chain of client_watched */
        struct list watched;
        size_t watch_count;     /* set, or asked for by a request in hand */
        size_t watch_bytes;     /* their paths */
        size_t recursive_count; /* paths with a recursive watch */

        struct list auths;
        size_t auth_count, auth_bytes;
        size_t auths_sent, auths_taken; /* on the present connection: the first so many of them */

        bool closing;    /* client_close() was called */
        bool close_sent; /* on the present connection */
        uint64_t give_up_ms;
        unsigned calling; /* callbacks under way */
        char why[CLIENT_WHY_MAX];
};

/* client.c */
void client__tell_state(struct client *c, enum client_state state, int status);
/* The session is over, by a server's word (EXPIRED, or CLOSED if that was wanted, or -EACCES) or ours (CLOSED): rests,
 * tells the state, drops watches and completes what is open. `conn` has been dealt with. */
void client__end(struct client *c, enum client_state state, int status);
/* The connection is gone, or about to be closed: drops what was kept for it. */
void client__forget_conn(struct client *c);
/* Says why in c->why. */
void client__because(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* client_connect.c */
void client__dial(struct client *c, uint64_t now_ms, struct effects *fx);
/* The present attempt or connection is over; asks for the next one, tells the state, completes what was in
 * flight. `ours`: the shell still has it open. c->why must have been set. */
void client__lose(struct client *c, uint64_t now_ms, int status, bool ours, struct effects *fx);
/* A dial, a handshake or an open connection took too long. */
void client__attempt_timed_out(struct client *c, uint64_t now_ms, struct effects *fx);
void client__handshake_reply(struct client *c, uint64_t now_ms, const uint8_t *data, size_t len, struct effects *fx);

/* client_frame.c */
/* The wire's fault: drops the connection. */
void client__protocol_error(struct client *c, uint64_t now_ms, const char *what, struct effects *fx);

/* client_request.c */
extern const struct client_call client__no_call;
/* 0, or what a request function returns: -ESHUTDOWN, -ENOTCONN, -ENOBUFS. */
int client__may_request(const struct client *c, const struct client_call *call);
/* That, and the path's check. */
int client__may_ask(const struct client *c, const char *path, bool open_end, const struct client_call *call);
/* A frame that the server would refuse leaves the writer's error behind. */
void client__frame_begin(const struct client *c, struct jute_writer *w, int32_t op);
struct blob *client__frame_end(struct jute_writer *w);
void client__frame_xid(struct blob *frame, int32_t xid);
/* The one door into the queue. Ends `w` in any case. `path` is what a watch is set on, if the request sets one; `ret`
 * (may be NULL) is the request, still the queue's. */
int client__enqueue(struct client *c, int32_t op, struct jute_writer *w, const char *path,
                    const struct client_call *call, struct client_request **ret);
/* Whether the request has a flag that sets a one-shot watch. */
bool client__op_watches(int32_t op);
void client__send_waiting(struct client *c, uint64_t now_ms, struct effects *fx);
bool client__can_send(const struct client *c);
void client__send_ping(struct client *c, uint64_t now_ms, struct effects *fx);
/* Sends closeSession behind all that was sent. */
void client__send_close(struct client *c, uint64_t now_ms, struct effects *fx);
/* Moves requests from a queue to `ret`, in order: all, or only those that are `at_once`. */
void client__take_waiting(struct client *c, bool at_once_only, struct list *ret);
void client__take_in_flight(struct client *c, struct list *ret);

/* client_znode.c */
bool client__op_creates(int32_t op);
/* 0, or -EINVAL for flags or a TTL that this kind of create can't have. */
int client__create_check(const struct client_op *op);
void client__put_create(const struct client *c, struct jute_writer *w, const struct client_op *op);

/* client_result.c */
/* Answers the oldest request in flight from a reply's body. False: the body is malformed, nothing was done. */
bool client__answer(struct client *c, const struct jute_reply_header *h, struct jute_reader *r);
/* Completes and frees each, in order: CLIENT_UNKNOWN if it was sent, else CLIENT_NOT_SENT with `error`. */
void client__fail_all(struct client *c, struct list *requests, int32_t error);

/* client_auth.c */
/* Sends what has not been sent on this connection. */
void client__auth_send(struct client *c, uint64_t now_ms, struct effects *fx);
/* False: it was not asked for. */
bool client__auth_answer(struct client *c, const struct jute_reply_header *h, struct effects *fx);
/* A new connection knows nobody. */
void client__auth_forget_conn(struct client *c);
/* Completes those that are waited for: not sent, with `error`. */
void client__auth_fail_all(struct client *c, int32_t error);
void client__auth_free_all(struct client *c);

/* client_watch.c */
/* Whether one more watch of that path is within limits; counts it. Given back by unreserve or with the watch. */
bool client__watch_reserve(struct client *c, size_t path_len);
void client__watch_unreserve(struct client *c, size_t path_len);
/* Adds a watch that was reserved. */
void client__watch_add(struct client *c, enum client_watch_kind kind, const char *path, client_watch_fn *fn, void *ctx);
/* Calls and removes what an event concerns. */
void client__watch_fire(struct client *c, enum client_event event, struct jute_str path);
/* Ends the watches of that type on a path, which has the chroot. */
void client__watch_remove(struct client *c, enum client_watch_type type, const char *path);
/* Takes all watched paths out, and later tells each watch that it is over. */
void client__watch_take_all(struct client *c, struct list *ret);
void client__watch_drop_all(struct client *c, struct list *watched);
void client__watch_check(const struct client *c);

/* client_rewatch.c */
/* Sends setWatches for all, in as many frames as needed. */
void client__watch_send(struct client *c, struct effects *fx);

/* client_path.c */
/* 0, -EINVAL or -EMSGSIZE. `open_end`: of a sequential create, which may end in a slash. */
int client__path_check(const struct client *c, const char *path, bool open_end);
void client__put_path(const struct client *c, struct jute_writer *w, const char *path);
char *client__path_full(const struct client *c, const char *path);
/* Without the chroot; a path outside stays as it is. */
struct jute_str client__path_strip(const struct client *c, struct jute_str path);
/* The same for a vector of paths, written to `w`. */
void client__paths_strip(const struct client *c, struct jute_vec paths, struct jute_writer *w);

#endif
