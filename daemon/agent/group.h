/* One group on one node: when this node takes the group, how its grant is kept, passed to the workers, and given back.
 * Logic over election/client: no I/O, no clock, no thread. docs/failover.md is the contract; safety.md 2.2 the
 * arithmetic.
 *
 * How to drive it. The owner (the agent, or a simulator) tells what happens by the functions under "events" and calls
 * group_tick() when group_deadline() is reached. Requests to the ensemble are made on the host's client; outside of the
 * client's own callbacks the owner flushes the client after each event (client_loop_flush()). Everything the group
 * wants goes through `struct group_host`; its functions must not call back into the group.
 *
 * What holds:
 *  - A worker is told a deadline only from a write that was answered: its sent_ms + L(1-rho)/(1+rho), L and rho being
 *    those of the grant. The Stat in the answer must carry the token as czxid.
 *  - `released` is written only when every worker of the group has said STOPPED in the conversation of its present
 *    link, for the grant it was given there. A worker that is away, or has not said HELLO, counts as active (F7).
 *  - A token is the czxid of `active`, never a version (F3). */
#ifndef BATON_AGENT_GROUP_H
#define BATON_AGENT_GROUP_H

#include "daemon/agent/policy.h"
#include "daemon/common/log.h"
#include "daemon/common/message.h"
#include "daemon/common/node_config.h"
#include "election/client/client.h"

/* Bytes of `instance`: a hash in hexadecimal. */
#define GROUP_INSTANCE_BYTES_MAX 64
/* Candidates of a group that are looked at; more are left out, and said so. */
#define GROUP_CANDIDATES_MAX 128
/* Bytes of a reason for people. */
#define GROUP_REASON_BYTES_MAX 256
/* The stop budget where neither the configuration nor a plugin names one. */
#define GROUP_BUDGET_DEFAULT_MS 5000
/* The n-th in the policy's order waits n times so long, in case those before it cannot take the group. */
#define GROUP_TURN_MS 500
/* The longest rest after this node has given the group up. */
#define GROUP_BACKOFF_MAX_MS 300000
/* After so long a time of being active the rest is the first again. */
#define GROUP_PROVEN_MS 600000
/* A worker of a group that is held here and has left is waited for so long; then the group is given up. */
#define GROUP_WORKER_AWAY_MS 10000
/* Rest after a request that failed for another reason than a lost connection; it doubles. */
#define GROUP_RETRY_MIN_MS 50
/* The longest such rest. */
#define GROUP_RETRY_MAX_MS 2000

struct group;

/* What a member znode says of a node. */
struct group_member {
        enum node_role role;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        int64_t czxid; /* of the member znode: what it says of the boot counts only against older grants */
};

/* Kinds of lines, each with a MESSAGE_ID of its own in the journal. */
enum group_event {
        GROUP_EVENT_TAKEN,    /* this node has taken the group */
        GROUP_EVENT_TAKEN_UP, /* an earlier agent of this node had it, and has it still */
        GROUP_EVENT_ACTIVE,   /* all workers are active */
        GROUP_EVENT_STOPPING, /* it is given up, or has to be */
        GROUP_EVENT_LOST,     /* the grant is gone */
        GROUP_EVENT_RELEASED,
        GROUP_EVENT_WAITING, /* its holder is silent or gone; it is waited for the end of the lease */
        GROUP_EVENT_HOLDER,  /* another node has it */
        GROUP_EVENT_FAILED,  /* this node could not run it and rests */
        GROUP_EVENT_ODD,     /* something foreign or broken was found; what is done about it */
        GROUP_EVENT_TROUBLE, /* the ensemble refuses; it is tried again */
        GROUP_EVENT_COUNT,
};

/* All but `ended` must be there. */
struct group_host {
        /* CLOCK_BOOTTIME in milliseconds, read afresh at each call: a time that was read before a reply came in would
         * shorten the wait of a taker. */
        uint64_t (*now_ms)(void *ctx);
        /* This node's client. Its callbacks may come until it is freed, or after group_free(). */
        struct client *(*client)(void *ctx);
        /* What is known of a member, this node included. False: no such member. */
        bool (*member)(void *ctx, const char *node, struct group_member *ret);
        /* GRANT or REVOKE for the worker of that index; borrowed. Only to workers that have said HELLO. */
        void (*send)(void *ctx, struct group *g, size_t worker, const struct message *m);
        /* group_status() says something new. */
        void (*changed)(void *ctx, struct group *g);
        void (*log)(void *ctx, struct group *g, enum log_level level, enum group_event event, const char *text);
        /* group_stop() is done. */
        void (*ended)(void *ctx, struct group *g);
};

/* All is copied but `host` and `ctx`. */
struct group_config {
        const struct node_group *settings;
        struct name node;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        uint32_t rate_ppm;          /* clock_rate_bound, in millionths */
        const struct name *workers; /* the group's plugin instances, in the order of their sections */
        size_t worker_count;        /* 1..NODE_PLUGINS_MAX */
        const struct group_host *host;
        void *ctx;
};

/* -EINVAL for what is not as said above. */
int group_new(const struct group_config *config, struct group **ret);
/* Takes nothing back: what is held stays held until its lease ends. Before or after client_free(). */
void group_free(struct group *g);

/* ---- events ---- */

/* The client's state has changed: CONNECTED (a new session), RESUMED, SUSPENDED, EXPIRED; others are ignored. Called
 * from the client's on_state, before the client_start() that follows EXPIRED. */
void group_session(struct group *g, enum client_state state);
/* What member() says has changed. */
void group_members_changed(struct group *g);
/* HELLO, STATE or HEALTH of the worker of that index; others are ignored. HELLO begins a new conversation. */
void group_worker_message(struct group *g, size_t worker, const struct message *m);
/* The link to this worker has ended. Also to be called when a new link replaces it. */
void group_worker_gone(struct group *g, size_t worker);
/* Due when group_deadline() is reached; harmless at any time. */
void group_tick(struct group *g);
/* RELEASE: the candidate is removed, the resources are stopped, the group is released, then `ended` is called, from a
 * later event or from within this call. KEEP: nothing is written or sent any more; `ended` is called at once. */
void group_stop(struct group *g, enum stop_how how);
/* When the next group_tick() is due; UINT64_MAX: nothing to wait for. */
uint64_t group_deadline(const struct group *g);

/* ---- what it knows ---- */

enum group_state {
        GROUP_OFFLINE, /* nothing is known of the group yet, or no more */
        GROUP_STANDBY, /* another node has it, or nobody and this node is not to take it */
        GROUP_WAITING, /* nobody renews it; `free_ms` says when it may be taken */
        GROUP_TAKING,
        GROUP_STARTING,  /* held here, not all workers are active */
        GROUP_ACTIVE,    /* held here, all workers are active */
        GROUP_STOPPING,  /* held here until all workers are stopped, or lost and they are not yet */
        GROUP_RELEASING, /* all are stopped; being written down */
        GROUP_ENDED,     /* after group_stop() */
        GROUP_STATE_COUNT,
};
const char *group_state_name(enum group_state state);

struct group_candidate {
        struct policy_candidate who;
        char reason[GROUP_REASON_BYTES_MAX + 1]; /* why it is not healthy */
};

/* Borrowed until the next event. */
struct group_status {
        const char *group;
        enum group_policy policy;
        enum group_state state;
        const char *holder;           /* node that has it, or had it last; "" */
        const char *holder_state;     /* "active", "released", "fenced"; "" when there is no `holder` */
        bool here;                    /* it is this node's, STARTING to RELEASING */
        int64_t token;                /* of the present or last grant known; 0 */
        uint64_t deadline_ms;         /* of the grant held here; 0: none, or not confirmed yet */
        uint64_t free_ms;             /* WAITING: when it may be taken by this node's clock; 0 otherwise */
        uint32_t lease_ms, budget_ms; /* of the grant seen or held */
        const char *reason;           /* why it stands as it does, for people; "" */
        bool candidate;               /* this node is one */
        uint32_t failures;            /* of this node in a row */
        uint64_t rest_until_ms;       /* it is not a healthy candidate before; 0 */
        const struct group_candidate *candidates;
        size_t candidate_count;
};
void group_status(const struct group *g, struct group_status *ret);
const char *group_name(const struct group *g);
const char *group_event_name(enum group_event event);
/* The worker's state as far as its present conversation says; WORKER_OPENING when it is away. */
enum worker_state group_worker_state(const struct group *g, size_t worker);

#endif
