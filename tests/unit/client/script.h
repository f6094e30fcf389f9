/* A client against a server made of lines: what the client asks of the world and what it tells its owner is
 * written down, one line each, and compared; what the server says is put in by hand. */
#ifndef BATON_TESTS_CLIENT_SCRIPT_H
#define BATON_TESTS_CLIENT_SCRIPT_H

#include "election/client/client_internal.h"

#define SCRIPT_LOG_SIZE   (256u << 10)
#define SCRIPT_TIMEOUT_MS 3000
#define SCRIPT_SESSION    0x1234

struct script {
        struct client *c;
        struct effects fx;
        uint64_t now;
        char log[SCRIPT_LOG_SIZE];
        size_t log_len;
        bool quiet;  /* requests sent, completions and events are not written down */
        size_t sent; /* requests */
        size_t answered, unknown, not_sent;
        int32_t last_xid; /* of the last request sent */
        void (*on_state)(struct script *s, enum client_state state);
        void (*on_done)(struct script *s, const char *label, const struct client_result *r);
        void (*on_watch)(struct script *s, const char *label, enum client_event event);
};

/* A config of `servers` hosts s1, s2, …, port 2181; the wanted timeout is SCRIPT_TIMEOUT_MS. */
struct client_config *script_config(size_t servers);
/* Time starts at 1000. */
struct script *script_new(const struct client_config *config);
/* Three servers, started, and connected to a new session. The log is empty. */
struct script *script_connected(void);
struct script *script_connected_with(const struct client_config *config);
void script_free(struct script *s);

/* Compares what was written since the last call, and forgets it. */
void script_expect(struct script *s, const char *text);
void script_forget(struct script *s);

/* ---- events ---- */
void script_start(struct script *s);
void script_flush(struct script *s);
/* Lets time pass, ticking whenever the client wants it. */
void script_run(struct script *s, uint64_t ms);
void script_dialled(struct script *s, int status);
/* Dialled, and the handshake answered. */
void script_accept(struct script *s, int64_t session);
void script_closed(struct script *s, int status);
void script_bytes(struct script *s, const void *data, size_t len);
/* A frame around `payload`. */
void script_frame(struct script *s, const struct jute_writer *payload);
/* The answer to the connect request. */
void script_handshake(struct script *s, int64_t session, int32_t timeout_ms);
/* `body` NULL: the header only. */
void script_reply(struct script *s, int32_t xid, int64_t zxid, int32_t err, const struct jute_writer *body);
void script_event(struct script *s, int32_t type, const char *path);

/* A call that writes "label: …" when it completes and, with a watch, when that fires. `label` must live on. */
struct client_call script_call(struct script *s, const char *label);
struct client_call script_watch(struct script *s, const char *label);

/* A Stat whose fields follow from `mzxid`. */
struct jute_stat script_stat(int64_t mzxid);

#endif
