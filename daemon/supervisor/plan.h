/* What a configuration means for the supervisor: which children there are, with which text and as whom. Pure. Two plans
 * can be compared, so that a reload changes only what has changed. */
#ifndef BATON_SUPERVISOR_PLAN_H
#define BATON_SUPERVISOR_PLAN_H

#include "daemon/common/node_config.h"
#include "daemon/supervisor/children.h"

/* How often a child is asked whether it lives, in ms. One period is one count of the limits below. */
#define PLAN_PING_MS 250
/* Pings an engine may leave unanswered: its loop waits for no disk, but a busy machine may be slow. */
#define PLAN_ENGINE_MISSED_MAX 40
/* Pings a worker at rest may leave unanswered. Its main thread runs no code of a plugin. */
#define PLAN_WORKER_MISSED_MAX 20
/* The same for one that holds a grant. Its deadline is watched besides (grants.h). */
#define PLAN_HOLDING_MISSED_MAX 8
/* The fewest that an agent may leave unanswered; else three eighths of the session timeout, so that its successor
 * resumes the session in the rest. */
#define PLAN_AGENT_MISSED_MIN 3
/* Pings until the first answer of an agent or worker. */
#define PLAN_START_MISSED_MAX 60
/* The same for an engine, which may read a long log first: ten minutes. */
#define PLAN_ENGINE_START_MISSED_MAX 2400
/* What an agent needs beyond the longest stop to release its groups, in ms. */
#define PLAN_RELEASE_MS 3000
/* What a worker needs beyond its stop budget, in ms. */
#define PLAN_WORKER_EXTRA_MS 1000
/* The stop budget of a worker where nothing says another one, in ms. */
#define PLAN_BUDGET_MS 5000
/* An engine finishes what it has proposed, in ms. */
#define PLAN_ENGINE_STOP_MS 10000
/* Agent and workers, told to leave everything as it is, in ms: what they leave is the same when they are killed. */
#define PLAN_KEEP_MS 1000

enum kid_kind { KID_ENGINE, KID_AGENT, KID_WORKER, KID_KIND_MAX };

struct planned {
        enum kid_kind kind;
        struct name name; /* "engine", "agent", or the plugin instance's */
        char *config;     /* the part it gets */
        struct identity identity;
        struct child_limits limits;
        uint32_t missed_max, missed_start_max;
};

struct plan {
        size_t count;
        struct planned *list; /* engine, agent, workers in the order of their sections */
};

struct plan *plan_new(const struct node_config *config);
void plan_free(struct plan *p);
const struct planned *plan_find(const struct plan *p, const char *name);
/* Whether a child with plan `a` would have to be started anew for `b`. */
bool planned_differs(const struct planned *a, const struct planned *b);
const char *kid_kind_name(enum kid_kind kind);
/* File name of the program, in libexec_dir. */
const char *kid_program(enum kid_kind kind);

#endif
