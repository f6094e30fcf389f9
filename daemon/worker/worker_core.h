/* What a worker does and when, without I/O, clock or threads: events go in as calls that carry the time, effects come
 * out through `struct worker_io`. The shell (worker.c) runs callbacks, keeps the clock and the channels.
 *
 * The rules (docs/failover.md; safety.md of the design, 2.2):
 *   - The record is written before the resource is touched: STARTING before activate, STOPPING (its deadline is then
 *     the present) before deactivate, STOPPED only after a deactivate that returned 0.
 *   - A fresh process whose record still holds takes the resource up, asking nobody. Else its first act is a stop.
 *   - Before activate is issued the deadline is compared with the clock again. When it has passed, the stop begins.
 *   - One grant at a time. A renewal has its token; a later token is refused while anything may be running; an older
 *     one than any seen counts for nothing, and so does the token of a grant that this process has ended.
 *   - What was revoked or has run out while a callback ran is stopped when it returns, whatever it returned. When half
 *     of the stop budget is gone and the stop has not begun, the process ends: a fresh one stops in the other half.
 *   - A callback that overruns is asked to return (cancel), and after WORKER_CANCEL_GRACE_MS the process ends.
 *   - A stop that fails or overruns ends the process. Nothing is called stopped that has not been verified.
 *   - Losing the agent changes nothing, since the deadline decides. Losing the supervisor is STOP_KEEP.
 *
 * Every callback has an id. One is under way at a time; worker_core_begun() says that it has left the queue. */
#ifndef BATON_WORKER_CORE_H
#define BATON_WORKER_CORE_H

#include "daemon/common/grant_record.h"
#include "daemon/common/log.h"
#include "daemon/common/node_config.h"
#include "plugins/baton/plugin.h"

/* How long a callback that was asked to return may still take. */
#define WORKER_CANCEL_GRACE_MS 1000
/* The least a plugin is told for a stop that is overdue already; half of the budget, where that is less, without
 * WORKER_ANSWER_MS. */
#define WORKER_STOP_MIN_MS 200
/* What is kept of a stop budget for a fresh process: a quarter of it within these bounds, at most half. */
#define WORKER_RESERVE_MIN_MS 100
#define WORKER_RESERVE_MAX_MS 2000
/* From a stop's return to the record that says so, at most; a tenth of the budget, where that is less. The plugin is
 * told of so much less than there is: who returns in time is not ended, nor is the last resort taken for it. */
#define WORKER_ANSWER_MS 20
/* How long the plugin's thread may take to begin with a stop that was issued late. */
#define WORKER_BEGIN_MS 100
/* Failed tries remembered; more `retries` than this are as good as this many. */
#define WORKER_FAILURES_MAX 128
/* Bytes of configuration that wait for the plugin; one that takes less in than comes is ended. */
#define WORKER_CONFIG_QUEUE_BYTES_MAX (128u << 20)

/* How the process ends. What is not 0 is told by the supervisor, which starts a fresh one. */
enum worker_exit {
        WORKER_EXIT_CLEAN = 0,       /* told to end: at rest, or left as it is for a successor */
        WORKER_EXIT_USAGE = 1,       /* wrong call, or the system refused something */
        WORKER_EXIT_CONFIG = 2,      /* the configuration is wrong; trying again changes nothing */
        WORKER_EXIT_OPEN = 3,        /* the plugin could not be opened */
        WORKER_EXIT_HUNG = 4,        /* a callback did not return in time */
        WORKER_EXIT_STOP_FAILED = 5, /* the resource may still be running */
        WORKER_EXIT_CHANNEL = 6,     /* what came over a channel can't be, or does not fit into memory */
        WORKER_EXIT_OBJECTION = 7, /* --check: the configuration is sound, but a plugin objects to what it finds here */
};

enum worker_call_kind {
        CALL_OPEN,
        CALL_ACTIVATE,
        CALL_DEACTIVATE,
        CALL_CHECK,
        CALL_ROLE,
        CALL_MEMBERS,
        CALL_CONFIG,
        CALL_CONFIG_SYNCED,
        CALL_CLOSE,
        CALL_KIND_COUNT,
};

/* One callback to be run. What it points at lives until worker_core_finished(). */
struct worker_call {
        uint64_t id;
        enum worker_call_kind kind;
        int64_t token; /* ACTIVATE, and what follows from it */
        uint64_t deadline_ms;
        uint32_t lease_ms, budget_ms;
        bool taken_up;
        enum baton_reason reason; /* DEACTIVATE, by `until_ms` */
        uint64_t until_ms;
        enum node_role role;                  /* ROLE */
        const struct message_member *members; /* MEMBERS */
        size_t member_count;
        const char *path; /* CONFIG, with NUL */
        const void *data; /* NULL: removed */
        size_t size;
        int32_t version;
        int64_t zxid;        /* CONFIG, CONFIG_SYNCED */
        uint64_t generation; /* which agent link it came over */
};

/* What the shell does. None of these may call back into the core before they have returned. */
struct worker_io {
        void (*call)(void *ctx, const struct worker_call *call);
        void (*tell_agent)(void *ctx, const struct message *m); /* dropped where there is no link */
        void (*tell_supervisor)(void *ctx, const struct message *m);
        int (*record)(void *ctx, const struct grant_record *r); /* 0 or -errno; written when it returns */
        void (*cancel)(void *ctx, bool raised);
        void (*end)(void *ctx, enum worker_exit status); /* once; no event counts any more */
        void (*say)(void *ctx, enum log_level level, const char *text);
        void (*run_out)(void *ctx, int64_t token); /* this grant's deadline has passed: to be said */
        void *ctx;
};

/* What callbacks of the plugin can yield. */
struct worker_result {
        int status;         /* 0 or -errno */
        enum health health; /* CHECK */
        const char *text;   /* CHECK: why; borrowed; may be NULL */
};

struct worker_core;

/* `section` is borrowed for the core's life. `has_check`: whether the plugin has a check at all. */
struct worker_core *worker_core_new(const struct node_plugin *section, const char *boot_id, bool has_check,
                                    const struct worker_io *io);
void worker_core_free(struct worker_core *c);

/* ---- events ---- */

/* First of all. `found`: the record there was, NULL for none. */
void worker_core_start(struct worker_core *c, uint64_t now_ms, const struct grant_record *found);
/* The agent's link: there is a new one (true), or it is gone. */
void worker_core_link(struct worker_core *c, uint64_t now_ms, bool up);
/* GRANT, REVOKE, ROLE, MEMBERS, CONFIG, CONFIG_SYNCED; others are refused (-EPROTO). */
int worker_core_agent(struct worker_core *c, uint64_t now_ms, const struct message *m);
/* From the supervisor. */
void worker_core_stop(struct worker_core *c, uint64_t now_ms, enum stop_how how);
void worker_core_control_lost(struct worker_core *c, uint64_t now_ms);
/* From the plugin's thread, in the order in which it happened there. */
void worker_core_begun(struct worker_core *c, uint64_t now_ms, uint64_t id);
void worker_core_finished(struct worker_core *c, uint64_t now_ms, uint64_t id, const struct worker_result *result);
void worker_core_report(struct worker_core *c, uint64_t now_ms, enum health health, const char *why);
void worker_core_publish(struct worker_core *c, uint64_t now_ms, const char *text);
void worker_core_need_budget(struct worker_core *c, uint64_t now_ms, uint32_t budget_ms);
/* The instant of worker_core_next_ms() has come; harmless at any other. */
void worker_core_tick(struct worker_core *c, uint64_t now_ms);

/* ---- what the shell reads ---- */

/* When worker_core_tick() is due; UINT64_MAX: only after another event. */
uint64_t worker_core_next_ms(const struct worker_core *c);
enum worker_state worker_core_state(const struct worker_core *c);
/* The grant that is held: its token and deadline, or 0 and 0. */
int64_t worker_core_token(const struct worker_core *c);
uint64_t worker_core_deadline_ms(const struct worker_core *c);
const char *worker_call_name(enum worker_call_kind kind);
/* Asserts what always holds; for tests. */
void worker_core_verify(const struct worker_core *c);

#endif
