/* What the files of the client half share.
 *
 * Who may close a connection: client__close() frees the client, so only the outermost callers use it, those
 * who look at nothing of it afterwards. Whatever meets a limit deeper down calls client__doom(): from then on
 * the connection is read no more and sent nothing, and clients_settle() closes it. */
#ifndef BATON_SERVER_CLIENTS_INTERNAL_H
#define BATON_SERVER_CLIENTS_INTERNAL_H

#include "election/base/list.h"
#include "election/base/map.h"
#include "election/server/clients.h"
#include "election/session/index.h"

/* Longest numeric address: IPv6 with a scope. */
#define CLIENT_ADDRESS_MAX 64
/* Identities of one connection, and their bytes in encoded form: a learner sends them along with each request
 * that it forwards. An auth packet that would add more is refused. */
#define CLIENT_IDENTITIES_MAX       64
#define CLIENT_IDENTITIES_BYTES_MAX (16u << 10)

enum client_state {
        CLIENT_NEW,      /* nothing read: a four-letter word or a ConnectRequest follows */
        CLIENT_CREATING, /* createSession is on its way */
        CLIENT_RESUMING, /* the leader is asked whether the session lives */
        CLIENT_OPEN,
        CLIENT_ENDING, /* the session is closing, or the connection: nothing more is read */
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
        int64_t zxid; /* of a submitted write, CLIENTS_FORWARDED when not known */
        uint64_t received_ns;
        struct blob *ids; /* who sent it: the connection's identities when it was read */
        size_t weight;
        size_t body_len;
        uint8_t body[]; /* of what is not submitted yet, and of a sync, whose path is echoed */
};

/* Where connections come from. */
struct client_address {
        struct index_link link; /* in clients.addresses */
        size_t count;           /* connections, never 0 */
        char text[CLIENT_ADDRESS_MAX];
};

/* What `cons` tells of a session's connection: of requests that were answered. */
struct client_figures {
        uint64_t count, sum_us;
        uint32_t last_us, min_us, max_us;
        int32_t operation; /* opcode of the last one, 0 before the first */
        int32_t xid;       /* of the last ordinary one, -1 before the first */
        int64_t zxid;      /* in the last one's reply, -1 before the first */
        uint64_t at_ms;    /* of the last reply, monotonic */
};

struct client {
        struct clients *all;
        conn_id conn;
        struct list link;          /* in clients.list, by age */
        struct list fresh_link;    /* in clients.fresh while CLIENT_NEW, by age */
        struct list paused_link;   /* in clients.paused while not read */
        struct list released_link; /* in clients.released when a sync was answered */
        struct list doomed_link;   /* in clients.doomed */
        enum client_state state;
        struct client_address *address;
        uint16_t remote_port;
        struct blob *ids; /* identities: vector<Id>; replaced as a whole, never changed */
        uint64_t since_ms, heard_ms;
        int64_t since_wall_ms;
        uint64_t asked_ns; /* when the ConnectRequest came */
        int64_t session;   /* 0 before one is bound */
        int32_t timeout_ms;
        bool old; /* a client that sent no read-only byte */
        bool doomed;
        bool silent;       /* at the last look for idle ones */
        bool behind_sync;  /* a sync is unanswered, or what waited for it is not released yet */
        struct list queue; /* client_request */
        size_t queue_len, queue_bytes;
        uint8_t *input; /* bytes of an unfinished frame, or of frames not taken yet */
        size_t input_len, input_capacity;
        size_t window; /* bytes sent since the last EFFECT_NOTIFY_SENT */
        bool choked;   /* which is not answered yet */
        uint64_t turn; /* of clients.turn, in which it was sent ... */
        size_t turn_bytes;
        uint64_t judged_outcome; /* of clients.outcomes, of which it was asked whether it may read ... */
        const uint8_t *judged_list;
        bool judged_may;
        uint64_t received, sent; /* packets */
        struct client_figures figures;
};

/* A reply in the making, for the figures. */
struct client_answer {
        int32_t operation; /* 0: not to be told of */
        int32_t xid;
        int64_t zxid;
};

struct clients {
        const struct server_config *config;
        struct clients_host host;
        bool serving;
        bool read_only; /* and no more than that */
        bool moved;     /* something happened that may let a paused connection go on */
        int64_t zxid_min, next_session;
        int64_t first_local; /* next_session when read-only mode began: from there on sessions are local */
        struct map by_conn, by_session;
        struct index addresses;
        struct list list, fresh, paused, released, doomed;
        struct list syncs, resumes; /* client_asked, in the order of asking */
        size_t asked_count;
        struct map orphans; /* client_orphans, by session */
        struct list orphan_sessions;
        struct watches *watches;
        size_t watch_bytes_max, step_bytes_max; /* CLIENTS_WATCH_BYTES_MAX, CLIENTS_STEP_BYTES_MAX; tests have less */
        uint64_t idle_check_ms;
        uint64_t turn;     /* counts settlings */
        size_t turn_bytes; /* sent since the last one */
        uint64_t outcomes; /* transactions whose events were told */
        size_t queue_bytes, input_bytes;
        struct jute_writer scratch;
        struct client_answer answer;
        struct clients_stats stats;
        int32_t item_max;
};

/* What the leader was asked for a connection that may be gone when the answer comes. */
struct client_asked {
        struct list link;
        conn_id conn;
        int64_t session; /* of a resume */
        int32_t xid;     /* of a sync */
};

struct client *clients__find_session(struct clients *c, int64_t session);
/* The zxid that replies show: of the state that reads see. */
int64_t clients__zxid(const struct clients *c);
/* Binds the session to the connection; an older connection of it must be closed already. */
void client__bind(struct client *k, int64_t session, int32_t timeout_ms);
void client__set_state(struct client *k, enum client_state state);
/* Closes and forgets the connection. The client must not be used afterwards. */
void client__close(struct client *k, bool flush, struct effects *fx);
/* The same, counting bad input. */
void client__reject(struct client *k, struct effects *fx);
/* Closes it at the end of the step, counting that in `counter`; once. */
void client__doom(struct client *k, uint64_t *counter);
/* NULL past CLIENTS_ASKED_MAX. */
struct client_asked *clients__ask(struct clients *c, struct list *where, conn_id conn);
void clients__asked_done(struct clients *c, struct client_asked *a);

/* client_auth.c */
/* The identity that every connection has, that of its address. */
struct blob *client__first_identity(const char *address);
/* Identities as requests and checks take them. Point into the blob. */
struct jute_vec client__ids(const struct blob *ids);
/* auth and sasl: answered at once, before whatever waits (client-protocol.md 4.4). May close the connection. */
void client__auth(struct client *k, const struct event *e, int32_t xid, struct jute_str body, struct effects *fx);
void client__sasl(struct client *k, const struct event *e, int32_t xid, struct jute_str body, struct effects *fx);
/* Whether the connection has an identity such as are demanded of all. */
bool client__admitted(const struct client *k);
/* What is shown of an identity: of a digest the user alone. */
struct jute_str client__user_of(const struct jute_id *id);
/* The reply to whoAmI. */
void client__put_who(const struct blob *ids, struct jute_writer *w);

/* client_connect.c */
void client__connect(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
void client__session_created(struct client *k, const struct event *e, int64_t zxid, struct effects *fx);

/* client_frame.c: goes on with what was read; called again when a pause ends. */
void client__feed(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
void client__resume_input(struct client *k, const struct event *e, struct effects *fx);
/* Whether frames may be taken from the connection now. */
bool client__ready(const struct client *k);
void client__drop_input(struct client *k);

/* client_limits.c */
struct client_address *clients__address_get(struct clients *c, const char *text);
void clients__address_put(struct clients *c, struct client_address *a);
size_t clients__address_count(const struct clients *c, const char *text);
/* Registers a watch, as far as the connection may have more. */
void client__watch(struct client *k, enum watch_table table, enum watch_mode mode, struct jute_str path);
/* Room for unfinished frames ran out: dooms the connection with most of them. */
void clients__shed_input(struct clients *c);

/* client_queue.c */
/* `keep`: the body is copied. */
struct client_request *client__push(struct client *k, const struct event *e, enum request_kind kind,
                                    const struct jute_request_header *h, struct jute_str body, bool keep);
/* NULL when empty. */
struct client_request *client__head(const struct client *k);
void client__drop(struct client *k, struct client_request *q);
/* Drops `q` and all behind it. */
void client__drop_from(struct client *k, struct client_request *q);
/* Whether the connection has as much unanswered as it may. */
bool client__full(const struct client *k);
/* The connection goes, its session stays: the writes it has submitted will still have their outcomes. */
void client__orphan_queue(struct client *k);
/* Takes an outcome that is an orphan's; false when it is none. */
bool clients__orphan_done(struct clients *c, const struct outcome *o, struct effects *fx);
/* Forgets the orphans of a session, of all sessions. */
void clients__orphans_drop(struct clients *c, int64_t session);
void clients__orphans_drop_all(struct clients *c);
/* Whether the outcome is that of this request. */
bool request__is_answered(const struct client_request *q, const struct outcome *o);

/* client_request.c */
void client__request(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx);
/* Answers with an error and closes the connection, which must not be used afterwards. What was read before is
 * executed all the same. */
void client__refuse(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err,
                    struct effects *fx);
/* The connection is going: has what was held back behind a sync executed all the same. */
void client__submit_held(struct client *k, const struct event *e, struct effects *fx);

/* client_figures.c */
/* The next reply answers a request of this type. */
void clients__answering(struct clients *c, int32_t opcode);
/* A request came to its end after `latency_us`; what clients__answering() and the reply's header said is noted. */
void client__answered(struct client *k, const struct event *e, uint64_t latency_us);
void client__figures_reset(struct client *k);

/* client_read.c: answers a read, a ping or a request about watches now.
 *   ids   who asked: the connection's identities when the request was read */
void client__read(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                  const struct blob *ids, uint64_t received_ns, struct effects *fx);
bool client__is_read(int32_t opcode);
/* ZK_OK, or why whoever has these identities may not do with the node what needs one of `perms`. */
int32_t client__read_check(struct client *k, const struct blob *ids, const struct tree *tree, const struct znode *n,
                           int32_t perms);
/* About how many bytes the answer would take now. */
size_t client__read_weight(const struct client *k, int32_t opcode, struct jute_str body);
/* The same for getData and getChildren of one node. */
size_t client__node_weight(int32_t opcode, const struct znode *n);

/* client_read_many.c: the same for multiRead, getEphemerals and getAllChildrenNumber. */
void client__read_many(struct client *k, const struct event *e, int32_t xid, int32_t opcode, struct jute_str body,
                       const struct blob *ids, uint64_t received_ns, struct effects *fx);
size_t client__read_many_weight(const struct client *k, int32_t opcode, struct jute_str body);

/* client_watch.c: requests about watches, of which the body alone is left to be read. Each returns the code of
 * the reply. */
/* OP_SET_WATCHES or OP_SET_WATCHES2. */
int32_t client__set_watches(struct client *k, const struct tree *tree, int32_t opcode, struct jute_reader *body,
                            struct effects *fx);
int32_t client__add_watch(struct client *k, struct jute_reader *body);
int32_t client__check_watches(const struct client *k, struct jute_reader *body);
int32_t client__remove_watches(struct client *k, struct jute_reader *body);
/* Tells the watchers concerned by one change of the transaction `zxid`. */
void clients__fire(struct clients *c, const struct tree_event *e, int64_t zxid, struct effects *fx);

/* client_reply.c: begin leaves room for the frame length and writes the header; end sends. */
/* Where the header's error stands. */
#define CLIENT_REPLY_ERR_AT 16
struct jute_writer *client__reply_begin(struct client *k, int32_t xid, int64_t zxid, int32_t err);
void client__reply_end(struct client *k, const struct event *e, uint64_t received_ns, struct effects *fx);
void client__reply_error(struct client *k, const struct event *e, int32_t xid, int64_t zxid, int32_t err,
                         uint64_t received_ns, struct effects *fx);
/* An event as it is sent, one for all who are told of it. `zxid`: of the transaction, -1 for none. */
struct blob *clients__event(struct clients *c, int64_t zxid, enum watch_event type, struct jute_str path);
void client__tell(struct client *k, struct blob *event, struct effects *fx);
/* Counts bytes gone through for a connection that watches, as if a part of them had been sent to it in this step. */
void client__charge(struct client *k, size_t size);
/* Likewise for an answer, before it is sent: who asks for much work is read again when it has the answers. */
void client__weigh(struct client *k, size_t size);
/* Sends the scratch writer's content as one packet. */
void client__send(struct client *k, struct effects *fx);
/* The scratch writer's content has been taken: it gives back what is more than it needs every day. */
void clients__scratch_rest(struct clients *c);
/* EVENT_CONN_SENT. */
void client__sent(struct client *k, struct effects *fx);
/* The reply to a write. */
void client__write_reply(struct client *k, const struct event *e, const struct client_request *q,
                         const struct outcome *o, struct effects *fx);

#endif
