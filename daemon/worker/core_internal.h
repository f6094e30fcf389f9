/* The inside of the worker's core: worker_core.c takes the events and decides what runs next, core_grant.c has the life
 * of a grant, core_queue.c what waits for the plugin to be told. */
#ifndef BATON_WORKER_CORE_INTERNAL_H
#define BATON_WORKER_CORE_INTERNAL_H

#include "daemon/worker/worker_core.h"
#include "election/base/list.h"

/* After the stop. */
enum stop_then {
        STOP_THEN_REST,  /* STOPPED, the grant is over */
        STOP_THEN_RETRY, /* activate again, under the same grant */
};

enum ending { ENDING_NO, ENDING_RELEASE, ENDING_KEEP };

struct core_grant {
        bool held; /* the rest counts only then */
        int64_t token;
        uint64_t deadline_ms;
        uint32_t lease_ms, budget_ms;
        bool taken_up; /* until the first activate has returned */
};

struct core_stop {
        bool wanted; /* from the decision until the resource is verified to be stopped */
        enum baton_reason reason;
        enum stop_then then;
        uint64_t half_ms;  /* by then it has begun, or the process ends */
        uint64_t told_ms;  /* the end of the budget that the plugin is told */
        uint64_t until_ms; /* by then it is done, or the process ends */
};

/* The callback under way. */
struct core_call {
        bool busy, begun, timed_out;
        struct worker_call call;
        uint64_t timeout_ms;    /* an instant; UINT64_MAX: none */
        struct core_item *item; /* what `call` points into; NULL: nothing */
};

/* Something to be told to the plugin: a configuration value, or that they are complete. */
struct core_item {
        struct list link;
        struct worker_call call;
        size_t bytes;
        char *path;
        void *data;
        struct message_member *members;
};

struct core_queue {
        struct list items; /* of core_item: configuration, in order */
        size_t bytes;
        struct core_item *members; /* the newest not told yet */
        bool role_waits;
        enum node_role role;
};

struct worker_core {
        const struct node_plugin *section;
        struct worker_io io;
        char boot_id[37];
        bool has_check;

        enum worker_state state;
        struct grant_record record; /* as last written or found */
        bool recorded;              /* whether there is one of this boot */
        struct core_grant grant;
        struct core_stop stop;
        int64_t token_seen, token_ended;
        bool activate_wanted;
        uint64_t activate_at_ms;

        uint64_t failures_ms[WORKER_FAILURES_MAX]; /* the newest last */
        size_t failure_count;
        enum health health;
        char why[MESSAGE_TEXT_MAX], note[MESSAGE_TEXT_MAX];
        uint64_t check_at_ms;

        uint32_t need_ms, budget_ms;
        bool budget_refused; /* the plugin needs more than it is given */

        bool link_up, hello_told, opened, closed, ready_told, ended;
        uint64_t generation;
        enum ending ending;
        uint64_t keep_until_ms;

        struct core_call now;
        struct core_queue queue;
        uint64_t last_id;
};

/* ---- worker_core.c ---- */

void core__end(struct worker_core *c, enum worker_exit status);
void core__say(const struct worker_core *c, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void core__set_health(struct worker_core *c, enum health health, const char *why);

/* ---- core_grant.c ---- */

/* Applies, then tells agent and supervisor. `text` may be NULL. */
void core__set_state(struct worker_core *c, enum worker_state state, const char *text);
void core__tell_state(struct worker_core *c, const char *text);
/* What the record says, told to the supervisor. */
void core__tell_holding(struct worker_core *c);
/* What a fresh process makes of the record it found. */
void core__adopt_record(struct worker_core *c, uint64_t now_ms, const struct grant_record *found);
/* The plugin is open: take up, or stop first. */
void core__after_open(struct worker_core *c, uint64_t now_ms);
void core__grant(struct worker_core *c, uint64_t now_ms, const struct message *m);
void core__revoke(struct worker_core *c, uint64_t now_ms, const struct message *m);
/* Everything that the clock alone decides about the grant. */
void core__expire(struct worker_core *c, uint64_t now_ms);
/* Ends the grant, if there is one: the stop is wanted from now on. */
void core__give_up(struct worker_core *c, uint64_t now_ms, enum baton_reason reason);
/* A try has failed: another one, or FAILED. */
void core__failure(struct worker_core *c, uint64_t now_ms, const char *text);
/* Results. */
void core__activated(struct worker_core *c, uint64_t now_ms, int status);
void core__deactivated(struct worker_core *c, uint64_t now_ms, int status);
/* Writes STARTING. False: it could not be written, the grant is being given up. */
bool core__before_activate(struct worker_core *c, uint64_t now_ms);
/* The process ends with a callback that hangs: a fresh one is to stop, not to take up. */
void core__forsake(struct worker_core *c, uint64_t now_ms);

/* ---- core_queue.c ---- */

void core__queue_init(struct core_queue *q);
void core__queue_done(struct core_queue *q);
/* -ENOBUFS: more waits than may. */
int core__queue_config(struct core_queue *q, const struct message *m, uint64_t generation);
void core__queue_members(struct core_queue *q, const struct message *m);
/* Takes what is to be told next; false: nothing. `*ret_item` is freed with core__item_free(). */
bool core__queue_next(struct core_queue *q, struct worker_call *ret, struct core_item **ret_item);
bool core__queue_empty(const struct core_queue *q);
void core__item_free(struct core_item *item);

#endif
