/* Nodes with groups, in the small world of whole servers (tests/sim/world/world.h): machine n carries server n, an
 * agent with its groups over a real client, and workers. Workers are models that keep their own deadline on their
 * machine's clock, as docs/failover.md demands; every machine's clock has its own rate.
 *
 * The oracle looks each millisecond of real time: a resource runs from the instant its start is issued until its stop
 * is done. No group may have such resources on two machines at once (F1), and each new grant that starts something has
 * a greater token than all before (F3). What it finds ends the test, with the story told before. */
#ifndef BATON_TESTS_SIM_FLEET_FLEET_H
#define BATON_TESTS_SIM_FLEET_FLEET_H

#include "daemon/agent/group.h"
#include "election/base/hash.h"
#include "tests/sim/world/scene.h"

#define FLEET_NODES_MAX   5
#define FLEET_GROUPS_MAX  2
#define FLEET_WORKERS_MAX 3
/* Messages under way on one link. */
#define FLEET_QUEUE_MAX   64
#define FLEET_STORY_BYTES (4u << 20)

struct fleet;
struct fleet_node;

/* A message that arrives at this instant of real time. */
struct fleet_letter {
        uint64_t at_ms;
        struct message m;
        char text[128];
};
struct fleet_queue {
        struct fleet_letter *letters; /* of FLEET_QUEUE_MAX, from the first one on: a fleet shall fit on a stack */
        size_t count;
};

/* One worker of one group on one machine. What its record says outlives its process. */
struct fleet_worker {
        struct fleet_node *node;
        size_t group, index;
        bool alive, linked;
        enum worker_state state;
        bool running; /* the resource */
        bool held;
        int64_t token, token_ended;
        uint64_t deadline_ms, budget_ms; /* node's clock */
        bool stopping;
        uint64_t due_ms;     /* of the start or the stop under way; node's clock */
        uint64_t fence_ms;   /* when the supervisor has stopped it by force; node's clock */
        uint64_t restart_ms; /* real time */
        uint32_t failures;   /* so many starts fail from now on */
        struct fleet_queue to_worker, to_agent;
        int starts;
};

struct fleet_group {
        struct fleet_node *node;
        struct group *g;
        size_t index;
        bool ended;
        struct fleet_worker workers[FLEET_WORKERS_MAX];
};

struct fleet_node {
        struct fleet *f;
        int number; /* from 1; its server's sid */
        int64_t offset_ms;
        int32_t rate_ppm;
        struct patron *agent; /* NULL: not running */
        bool paused, off;     /* the agent; the machine */
        bool cut;
        int boot;
        int64_t czxid; /* of its member znode */
        char shown_boot[37];
        struct client_session saved; /* the session's file */
        struct fleet_group groups[FLEET_GROUPS_MAX];
};

struct fleet_options {
        int nodes;
        uint64_t seed;
        size_t groups, workers;
        enum group_policy policy;
        uint32_t stop_budget_ms; /* 0: the workers' */
        uint32_t failback_ms, backoff_ms;
        uint32_t start_ms;
        uint32_t stop_ms;       /* how long a stop takes; UINT32_MAX: all of the budget */
        int32_t answer_divisor; /* of the agents' clients */
        uint32_t link_ms;       /* how long a message takes at most */
        bool copies;            /* the machines were copied from one image: one machine id for all */
        bool random;            /* starts and stops take up to so long */
        int32_t rate_ppm[FLEET_NODES_MAX];
        int32_t priority[FLEET_NODES_MAX];
};

struct fleet {
        struct scene s;
        struct fleet_options o;
        struct fleet_node nodes[FLEET_NODES_MAX];
        int64_t token_max[FLEET_GROUPS_MAX]; /* of all that have started */
        int64_t token_seen;                  /* of all grants */
        int takes[FLEET_GROUPS_MAX];
        uint64_t down_ms[FLEET_GROUPS_MAX]; /* milliseconds in which it ran nowhere */
        struct prng prng;
        struct patron *admin;
        char *story;
        size_t story_len;
};

/* Three nodes, one group of one worker, stop budget 1 s of which all is used, starts of 100 ms, policy sticky. */
struct fleet_options fleet_options(uint64_t seed);
/* Starts servers, agents and workers. */
void fleet_init(struct fleet *f, const struct fleet_options *o);
void fleet_done(struct fleet *f);
void fleet_run(struct fleet *f, uint64_t ms);
uint64_t fleet_now(const struct fleet *f);
uint64_t fleet_node_now(const struct fleet_node *n);
struct fleet_node *fleet_node(struct fleet *f, int number);
/* The node on which all workers of the group are active, 0 for none; on which anything of it runs. */
int fleet_active(const struct fleet *f, size_t group);
int fleet_running(const struct fleet *f, size_t group);
/* Runs until a node other than `but` has it active: its number. Fails after max_ms. */
int fleet_await_active(struct fleet *f, size_t group, int but, uint64_t max_ms);
/* Runs until nothing of it runs; fails after max_ms. Returns how long it took. */
uint64_t fleet_await_down(struct fleet *f, size_t group, uint64_t max_ms);
struct group_status fleet_status(struct fleet *f, int number, size_t group);
/* Ends the test with the story. */
void fleet_fail(struct fleet *f, const char *why) __attribute__((noreturn));
/* Whether the story has this text. */
bool fleet_told(const struct fleet *f, const char *text);
void fleet_say(struct fleet *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- what befalls them ---- */

/* Process of the agent. */
void fleet_agent_kill(struct fleet *f, int number);
void fleet_agent_start(struct fleet *f, int number, bool resume);
void fleet_agent_pause(struct fleet *f, int number, bool paused);
void fleet_agent_stop(struct fleet *f, int number, enum stop_how how);
bool fleet_agent_ended(struct fleet *f, int number);
/* The cable of agent and server. */
void fleet_cut(struct fleet *f, int number, bool cut);
/* Only that of the agent. */
void fleet_cut_agent(struct fleet *f, int number, bool cut);
/* What servers send to the agent waits. */
void fleet_deafen(struct fleet *f, int number, bool deaf);
/* What it sends from now on is lost; what servers have sent arrives. To be followed by fleet_cut_agent(). */
void fleet_mute(struct fleet *f, int number);
/* Power: nothing of it runs. The boot brings server, workers and agent back. */
void fleet_machine_off(struct fleet *f, int number);
void fleet_machine_on(struct fleet *f, int number);
/* The process; its resource goes on. A fresh one comes after `ms`. */
void fleet_worker_kill(struct fleet *f, int number, size_t group, size_t worker, uint64_t ms);

/* ---- the administrator ---- */

/* Each runs until it is answered: the server's code. */
int fleet_set(struct fleet *f, const char *path, const char *data);
int fleet_create(struct fleet *f, const char *path, const char *data);
int fleet_delete(struct fleet *f, const char *path);
/* Data of a znode into `ret`. */
int fleet_get(struct fleet *f, const char *path, struct scene_reply *ret);

#endif
