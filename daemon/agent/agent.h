/* The agent of one node: ties client, membership, committed configuration, groups and workers together. Logic only: no
 * loop, no socket, no file. What happens comes in by the functions under "events"; what is wanted goes out through
 * `struct agent_host`, whose functions must not call back.
 *
 * After every event the owner calls agent_turn() and then flushes the client, until agent_deadline() lies ahead: many
 * changes of one turn make one message and one write. */
#ifndef BATON_AGENT_AGENT_H
#define BATON_AGENT_AGENT_H

#include "daemon/agent/group.h"
#include "daemon/agent/membership.h"
#include "daemon/common/log.h"
#include "daemon/common/message.h"
#include "daemon/common/node_config.h"
#include "election/client/client.h"

/* Without a connection for so long, it is said once, with every server that was tried. */
#define AGENT_CONNECT_PATIENCE_MS 3000
/* And again, as long as it lasts. */
#define AGENT_CONNECT_REMIND_MS 300000
/* The session's file is written no more often than that, but for a new session. */
#define AGENT_SAVE_MS 1000
/* How long the end of the session is waited for. */
#define AGENT_CLOSE_MS 1500

struct agent;

/* Kinds of lines, each with a MESSAGE_ID of its own in the journal. */
enum agent_event {
        AGENT_EVENT_PLAIN, /* no kind that anybody waits for */
        AGENT_EVENT_MEMBER_JOINED,
        AGENT_EVENT_MEMBER_LEFT,
        AGENT_EVENT_ROLE,
        AGENT_EVENT_GROUP_ACQUIRED,
        AGENT_EVENT_GROUP_ACTIVE,
        AGENT_EVENT_GROUP_RELEASED,
        AGENT_EVENT_GROUP_LOST,
        AGENT_EVENT_GROUP_GIVEN_UP,
        AGENT_EVENT_COUNT,
};

/* One line of the log and its fields. Borrowed. */
struct agent_line {
        enum log_level level;
        enum agent_event event;
        const char *group;  /* NULL: none */
        int64_t token;      /* 0: none */
        const char *reason; /* of the group's standing; NULL: none */
        const char *member; /* NULL: none */
        enum node_role role;
        const char *text;
};

/* Workers go by their index in node_config.plugins. */
struct agent_host {
        uint64_t (*now_ms)(void *ctx); /* CLOCK_BOOTTIME, read afresh */
        struct client *(*client)(void *ctx);
        /* client_start(), client_close(); the latter may call agent_client_state() at once. */
        void (*start)(void *ctx);
        void (*close)(void *ctx, uint64_t wait_ms);
        /* To the supervisor. */
        void (*control)(void *ctx, const struct message *m);
        void (*send)(void *ctx, size_t worker, const struct message *m);
        /* Ends the conversation with a worker that breaks its rules; agent_worker_gone() is not called for it. */
        void (*drop)(void *ctx, size_t worker);
        /* Keeps the session where a successor finds it. NULL: there is none any more. */
        void (*save)(void *ctx, const struct client_session *session);
        void (*log)(void *ctx, const struct agent_line *line);
        /* agent_stop() is done: nothing more will be asked for. */
        void (*ended)(void *ctx);
};

struct agent_config {
        const struct node_config *config; /* borrowed for the agent's life */
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        const char *version; /* borrowed */
        int64_t started;     /* seconds since 1970 */
        const struct agent_host *host;
        void *ctx;
};

/* Asks for nothing yet. */
struct agent *agent_new(const struct agent_config *config);
/* After client_free(). Takes NULL. */
void agent_free(struct agent *a);

/* ---- events ---- */

/* Of the client's on_state. */
void agent_client_state(struct agent *a, enum client_state state, const char *why);
/* A new conversation with a worker; one before it has ended. */
void agent_worker_linked(struct agent *a, size_t worker);
void agent_worker_message(struct agent *a, size_t worker, const struct message *m);
void agent_worker_gone(struct agent *a, size_t worker);
/* The engine of this node says its role; it is gone. */
void agent_engine_role(struct agent *a, enum node_role role, struct jute_str text);
void agent_engine_gone(struct agent *a);
/* RELEASE: groups are stopped and released, then the session is closed. KEEP: all stays as it is. Then `ended`. A KEEP
 * that comes during a RELEASE ends it. */
void agent_stop(struct agent *a, enum stop_how how);
/* Does what is due. */
void agent_turn(struct agent *a);
/* When agent_turn() is due again: 0 = now, UINT64_MAX = nothing to wait for. */
uint64_t agent_deadline(const struct agent *a);

#endif
