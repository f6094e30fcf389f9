/* What the processes of one node say to each other. One struct for all of it; which fields count depends on the type,
 * as the table says. Encoded as jute (election/jute): the type, then the type's fields in the order given here.
 *
 *   channel              made by    carries
 *   control              spawn      supervisor <-> engine, agent, worker
 *   agent-worker link    LINK       agent <-> one worker; made anew by the supervisor whenever either is
 *   agent-engine link    LINK       engine -> agent
 */
#ifndef BATON_COMMON_MESSAGE_H
#define BATON_COMMON_MESSAGE_H

#include "daemon/common/names.h"
#include "election/jute/jute.h"

#include <stdbool.h>
#include <stdint.h>

/* A message in its encoded form: a configuration value (jute.maxbuffer) and its path fit. */
#define MESSAGE_BYTES_MAX (2u << 20)
/* Texts for people; longer ones are cut by whoever makes them. */
#define MESSAGE_TEXT_MAX 1024
/* Members told of. */
#define MESSAGE_MEMBERS_MAX 1024

enum message_type {
        /* supervisor -> child */
        MESSAGE_PING, /* number. Asks for MESSAGE_PONG with the same; answered by the thread that keeps the clock */
        MESSAGE_STOP, /* stop: how to end. Then the child ends by itself, status 0 */
        MESSAGE_LINK, /* name (the process at the other end: "agent", "engine" or a plugin instance), fd */

        /* child -> supervisor */
        MESSAGE_PONG,  /* number */
        MESSAGE_READY, /* engine: it takes part; agent: this node is a member; worker: opened, and at rest or holding */
        MESSAGE_UNREADY, /* the opposite of the last READY */
        MESSAGE_STATUS,  /* text: one line for a person. Of the agent: what `systemctl status` shows */
        MESSAGE_HOLDING, /* worker: state, token, deadline_ms, budget_ms: what its record says (grant_record.h).
                            The supervisor kills what is not at rest when deadline_ms + budget_ms is near */

        /* engine -> agent and supervisor */
        MESSAGE_ROLE, /* role; text (the engine's own words). Agent -> worker: the same */

        /* agent -> worker */
        MESSAGE_GRANT,   /* group, token, deadline_ms, lease_ms, budget_ms. A new token: activate. The same: renewed */
        MESSAGE_REVOKE,  /* group, token, reason, text. Deactivate; STATE with WORKER_STOPPED is the answer */
        MESSAGE_MEMBERS, /* members: all of them */
        MESSAGE_CONFIG,  /* path (below /baton/config, without leading '/'), data (null: it was removed), version, zxid
                          */
        MESSAGE_CONFIG_SYNCED, /* zxid: the state as it was at the beginning has been told; from now on changes */
        MESSAGE_CONFIG_DONE,   /* number, error (of enum zk_error or client_error), version: answers CONFIG_SET */

        /* worker -> agent */
        MESSAGE_HELLO,      /* name, group ("" for none), state, token (0: none), budget_ms. First on every link */
        MESSAGE_STATE,      /* state, token (of the grant it is about; STOPPED names the one that has ended), text (why,
                               for WORKER_FAILED) */
        MESSAGE_HEALTH,     /* health, text: of the resource; told when it changes */
        MESSAGE_NOTE,       /* text: what the plugin publishes about itself */
        MESSAGE_CONFIG_SET, /* number, path, data, version (-1: any, or create) */
        MESSAGE_MAX,
};

enum stop_how {
        STOP_RELEASE, /* stop the resources, release the groups, close the session */
        STOP_KEEP,    /* a successor comes: leave resources, session and records as they are */
        STOP_MAX,
};

enum node_role {
        ROLE_NONE, /* no engine here, or not known yet */
        ROLE_LOOKING,
        ROLE_FOLLOWING,
        ROLE_OBSERVING,
        ROLE_LEADING, /* a server alone too */
        ROLE_COUNT,
};

/* Of a worker's resource. STARTING, ACTIVE, STOPPING and FAILED count as active: it may be running (safety.md F7). */
enum worker_state {
        WORKER_OPENING, /* the plugin is being opened, or the first stop is under way */
        WORKER_STOPPED, /* surely not running, and not to run again without another GRANT */
        WORKER_STARTING,
        WORKER_ACTIVE,
        WORKER_STOPPING,
        WORKER_FAILED, /* given up after the configured tries; it is being stopped, STOPPED follows */
        WORKER_STATE_COUNT,
};

enum health { HEALTH_UNKNOWN, HEALTH_GOOD, HEALTH_DEGRADED, HEALTH_BAD, HEALTH_COUNT };

enum revoke_reason {
        REVOKE_SWITCHOVER, /* another node is to have it */
        REVOKE_FAILED,     /* this node gives it up: activate or check failed */
        REVOKE_LOST,       /* the grant is gone: removed, or its session has expired */
        REVOKE_ENDING,     /* the node is being stopped */
        REVOKE_COUNT,
};

struct message_member {
        struct name name;
        enum node_role role;
        bool here; /* this very node */
};

struct message {
        enum message_type type;
        int fd; /* LINK; -1 otherwise */
        int64_t number;
        enum stop_how stop;
        struct name name, group;
        enum node_role role;
        enum worker_state state;
        enum health health;
        enum revoke_reason reason;
        int64_t token;
        uint64_t deadline_ms; /* CLOCK_BOOTTIME; 0: none */
        uint32_t lease_ms, budget_ms;
        int32_t version, error;
        int64_t zxid;
        struct jute_str text, path, data; /* borrowed; text and path contain no NUL, data may be null (len -1) */
        const struct message_member *members;
        size_t member_count;
};

/* A message of this type with all else zero or empty, data null, and no descriptor. */
struct message message_of(enum message_type type);
/* Appends the encoded form, without frame length or descriptor. The writer's error says whether it fitted. Texts are
 * cut to MESSAGE_TEXT_MAX at the beginning of a UTF-8 character; texts and paths also at their first NUL, which nobody
 * but a broken server could have put there. */
void message_encode(const struct message *m, struct jute_writer *w);
/* Texts and data point into `data`; `members` (MESSAGE_MEMBERS only) is memory of the caller's for
 * MESSAGE_MEMBERS_MAX entries. Every enum is within its range and every name valid or empty afterwards;
 * text and path are never null.
 * Returns 0 or -EPROTO. fd is -1. */
int message_decode(const void *data, size_t len, struct message_member *members, struct message *ret);
/* Whether this type travels with a descriptor. */
bool message_has_fd(enum message_type type);

const char *message_type_name(enum message_type type);
const char *node_role_name(enum node_role role);        /* "leading", …; as in member znodes */
const char *worker_state_name(enum worker_state state); /* "active", … */
const char *health_name(enum health health);
const char *revoke_reason_name(enum revoke_reason reason);

#endif
