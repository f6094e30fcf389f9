/* What the files of a group share.
 *
 *   group.c          life, events, status; think(), which is called after every event and does what is due
 *   group_call.c     requests that outlive the group, errors and rests
 *   group_read.c     `holder` and `active`: reading, watching, noting when they changed
 *   group_field.c    the candidates: this node's own, and the others'
 *   group_grant.c    taking, renewing, releasing
 *   group_worker.c   the conversations with the workers
 *
 * Events only note what they bring and then think(). So nothing hangs on the order in which things come, and a
 * request whose outcome is unknown costs no more than reading again. */
#ifndef BATON_AGENT_GROUP_INTERNAL_H
#define BATON_AGENT_GROUP_INTERNAL_H

#include "daemon/agent/group.h"
#include "daemon/agent/group_value.h"
#include "election/base/list.h"

/* Bytes of a path of ours. */
#define GROUP_PATH_MAX 256

/* ---- requests ---- */

struct group_call;
typedef void group_done_fn(struct group *g, struct group_call *call, const struct client_result *r);
typedef void group_event_fn(struct group *g, struct group_call *call, enum client_event event);

/* A request or a watch in hand. It outlives its group: then `g` is NULL. */
struct group_call {
        struct list link;
        struct group *g;
        group_done_fn *done;
        group_event_fn *event;
        struct group_call *watch; /* of a request that sets one: the other's call, freed if it was not set */
        uint64_t serial;          /* of the round, or what `done` likes */
        struct name node;         /* of a candidate */
};

/* A call to pass on; NULL `event` sets no watch. Freed when it is done. */
struct client_call group__call(struct group *g, group_done_fn *done, group_event_fn *event, uint64_t serial,
                               const char *node);
/* What the request function returned: when it took nothing, the call is freed. Returns `r`. */
int group__asked(struct group *g, const struct client_call *call, int r);
/* The next try of what failed is due after a rest that grows. `what` was refused with this code. */
void group__trouble(struct group *g, const char *what, int32_t error);
/* Makes the persistent parents, for whoever found one missing. */
void group__make_parents(struct group *g);

/* ---- what was seen of `holder` and `active` ---- */

struct sight {
        bool has_holder, has_active, broken; /* broken: `holder` has a value that is none */
        int32_t holder_version, active_version;
        int64_t holder_czxid, holder_mzxid;
        int64_t token; /* czxid of active */
        int64_t owner;
        struct holder_value holder;
};

struct reading {
        bool wanted, under_way;
        uint64_t round;
        bool failed;
        bool holder_watched, active_watched;
        bool stirred; /* a watch fired or was lost since the last round that counted: what is absent may have been there
                       */
        /* `active` as it was when its watch was set, on this connection; token 0: not known. */
        uint64_t watch_round; /* in which it was set */
        int64_t watched_token;
        int32_t watched_version;
        bool vanished; /* the first that happened to it then was its deletion; so it was: */
        int64_t gone_token;
        int32_t gone_version;
        /* The round under way: `active` is read before and after `holder`. When both show the same, then `holder`
         * and `active` were so at one and the same time. */
        struct sight before, after;
};

/* ---- candidates ---- */

struct contender {
        struct name name;
        bool listed; /* in the list under way */
        bool watched, reading, known;
        int32_t version;
        int64_t owner;
};

struct field {
        bool list_wanted, list_under_way, list_watched;
        bool making; /* a create, set or delete of the own one is under way */
        size_t count;
        struct contender contenders[GROUP_CANDIDATES_MAX];
        struct group_candidate values[GROUP_CANDIDATES_MAX]; /* same index */
        struct group_candidate known[GROUP_CANDIDATES_MAX];  /* those that were read, for the status */
        size_t known_count;
        bool crowd_told;
};

/* ---- the grant ---- */

struct grant {
        bool held;           /* this node's: taken, or found to be owned by this session */
        bool stopping, lost; /* lost: no more to be renewed */
        enum revoke_reason why;
        char reason[GROUP_REASON_BYTES_MAX + 1];
        int64_t token;
        uint32_t lease_ms, budget_ms, rate_ppm;
        int32_t holder_version;
        uint64_t deadline_ms; /* 0: not confirmed yet */
        uint64_t renewed;     /* times */
        uint64_t renew_ms;    /* when the next is due */
        bool renewing;
        uint64_t stop_ms;   /* when the stop began */
        uint64_t active_ms; /* when all workers were active first; 0 */
        uint64_t better_ms; /* since when a better candidate has been seen; 0 */
};

/* ---- workers ---- */

struct worker {
        struct name name;
        bool here; /* it has said HELLO on its present link */
        enum worker_state state;
        int64_t token;     /* of the grant that it has, or had last; 0 */
        bool granted;      /* it has one, and has not said STOPPED for it */
        bool acknowledged; /* it has spoken of that token */
        bool revoked;      /* told to stop, in this conversation */
        bool refused;      /* it did not take its last grant: that one had ended there */
        bool restarted;    /* a new process, at rest, of one that had been given something */
        int64_t given;     /* the last token it was given in any conversation */
        uint64_t told_ms;  /* the deadline it was told last */
        uint64_t away_ms;  /* since when it is not here */
        uint32_t budget_ms;
        enum health health;
};

struct group {
        struct node_group settings; /* `members` is a copy */
        struct name node;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        uint32_t rate_ppm;
        const struct group_host *host;
        void *ctx;

        char path[GROUP_PATH_MAX], candidates_path[GROUP_PATH_MAX], own_path[GROUP_PATH_MAX];
        char holder_path[GROUP_PATH_MAX], active_path[GROUP_PATH_MAX];

        struct list calls;
        bool connected;
        bool kept, ending, ended;       /* stop() was called */
        uint64_t ending_ms, at_rest_ms; /* since when; and the workers */
        int64_t session;

        struct reading reading;
        bool seen;  /* `sight` was read once */
        bool fresh; /* and in this connection, and nothing is known to have changed since */
        struct sight sight;
        uint64_t change_ms;                       /* since when `sight` has been so */
        uint64_t rest_end_ms;                     /* by the wait alone, it may be taken from here on */
        uint64_t free_since_ms;                   /* it has been seen to be free since; 0: it is not */
        uint32_t lease_known_ms, budget_known_ms; /* the largest seen */

        struct field field;
        struct grant grant;
        bool taking, releasing;
        struct grant wanted; /* of the acquire under way */

        uint32_t failures;
        uint64_t rest_until_ms; /* after giving up */
        char failure[GROUP_REASON_BYTES_MAX + 1];

        uint32_t troubles; /* refusals in a row */
        uint64_t retry_ms; /* no request before; 0: at once */

        uint64_t wake_ms;
        enum group_state state;
        char reason[GROUP_REASON_BYTES_MAX + 1]; /* of the status */
        int64_t holder_told;                     /* token of the holder last logged */

        struct worker *workers;
        size_t worker_count;
        bool dirty; /* the status says something new */
};

uint64_t group__now(const struct group *g);
void group__think(struct group *g);
/* The deadline is to be no later than this. */
void group__wake(struct group *g, uint64_t at_ms);
void group__log(struct group *g, enum log_level level, enum group_event event, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
bool group__can_ask(const struct group *g, uint64_t now_ms);
uint32_t group__budget_ms(const struct group *g);

void group__read_want(struct group *g);
void group__read_due(struct group *g, uint64_t now_ms);
/* Whether the holder record is of this node in this boot; of this node before its boot. */
bool group__is_own(const struct group *g, const struct sight *s);
bool group__is_of_earlier_boot(const struct group *g, const struct sight *s);
/* Whether `active` is owned by this node's session. */
bool group__is_ours(const struct group *g, const struct sight *s);

void group__field_sum_up(struct group *g);
void group__field_reset(struct group *g);
void group__field_due(struct group *g, uint64_t now_ms);
bool group__is_candidate(const struct group *g);
int group__rank(struct group *g);
/* A healthy candidate of higher priority, NULL if there is none. */
const struct group_candidate *group__better(const struct group *g);
bool group__field_gone(const struct group *g);

void group__grant_due(struct group *g, uint64_t now_ms);
/* Begins to stop what is held; `failed` counts against this node. */
void group__give_up(struct group *g, uint64_t now_ms, enum revoke_reason why, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* The grant is no more, or is not to be renewed any more. */
void group__lose(struct group *g, uint64_t now_ms, const char *format, ...) __attribute__((format(printf, 3, 4)));
void group__judge(struct group *g, uint64_t now_ms);
/* Whether there is something of this node's to be released. */
bool group__to_release(const struct group *g);

void group__workers_due(struct group *g, uint64_t now_ms);
bool group__workers_stopped(const struct group *g);
bool group__workers_active(const struct group *g);
/* Every worker has said HELLO and is stopped, or has the present grant. */
bool group__workers_ready(const struct group *g);

#endif
