/* Nodes with groups, in the small world of whole servers (tests/sim/world/world.h): machine n carries server n and what
 * batond runs beside it. Everything that decides is the production's: the agent (daemon/agent: groups, membership,
 * policy), each worker's core (daemon/worker/worker_core.h), a child's life and a grant's deadline as the supervisor
 * judges them (daemon/supervisor/children.h, grants.h). What is here is their shell and their surroundings:
 *
 *   fleet.c          a fleet's life and its turns
 *   fleet_clock.c    each machine's CLOCK_BOOTTIME: offset, rate, sleep, pause
 *   fleet_link.c     the links between agent and workers
 *   fleet_agent.c    the agent's process
 *   fleet_worker.c   a worker's process
 *   fleet_plugin.c   what a plugin's callbacks take and yield, and the resource
 *   fleet_batond.c   the supervisor, the guard, and PID 1 with its watchdog
 *   fleet_oracle.c   the checkers F1 to F8
 *   fleet_fault.c    what befalls them, by the seed
 *   fleet_admin.c    an administrator, and what tests await
 *
 * A fleet lives in a scene (tests/sim/world/scene.h), its own or another's: then whoever runs the scene calls
 * fleet_turn() after each millisecond of it. */
#ifndef BATON_TESTS_SIM_FLEET_FLEET_H
#define BATON_TESTS_SIM_FLEET_FLEET_H

#include "daemon/agent/agent.h"
#include "daemon/supervisor/children.h"
#include "daemon/supervisor/grants.h"
#include "daemon/worker/worker_core.h"
#include "election/base/hash.h"
#include "tests/sim/coverage.h"
#include "tests/sim/trace.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world/scene.h"

#define FLEET_NODES_MAX   5
#define FLEET_GROUPS_MAX  2
#define FLEET_WORKERS_MAX 3
/* Workers of one machine. */
#define FLEET_PLUGINS_MAX (FLEET_GROUPS_MAX * FLEET_WORKERS_MAX)
/* Messages under way on one link; a conversation that has more of them breaks. */
#define FLEET_QUEUE_MAX   256
#define FLEET_STORY_BYTES (4u << 20)

struct fleet;
struct fleet_node;

/* ---- links ---- */

enum fleet_letter_kind { FLEET_LETTER_MESSAGE, FLEET_LETTER_UP, FLEET_LETTER_DOWN };

/* What arrives at this instant of real time: a message in its encoded form, or that the link is there, or gone. */
struct fleet_letter {
        uint64_t at_ms;
        enum fleet_letter_kind kind;
        void *bytes;
        size_t len;
};
struct fleet_queue {
        struct fleet_letter *letters; /* of FLEET_QUEUE_MAX, from the first one on */
        size_t count;
};

/* ---- a plugin and its resource ---- */

/* Callbacks that go wrong, each once. */
enum fleet_slip {
        FLEET_SLIP_NONE,
        FLEET_SLIP_HANG,  /* it does not return before it is asked to */
        FLEET_SLIP_DEAF,  /* nor then */
        FLEET_SLIP_CRASH, /* the process ends in it */
        FLEET_SLIP_TWICE, /* its end is told twice */
};

/* The callback under way in a worker's plugin thread. */
struct fleet_callback {
        bool busy, begun, raised;
        struct worker_call call; /* without what it points at */
        enum fleet_slip slip;
        uint64_t begin_ms, due_ms; /* node's clock */
};

/* What a worker starts and stops: the control group of a unit, or of a child process. It occupies its node from the
 * instant at which its start is issued until it is verified to be empty (safety.md F1). */
struct fleet_resource {
        bool occupied, foreign; /* foreign: an operator started it, under no grant */
        bool works;             /* it does what it is for; else its check is bad */
        int64_t token;          /* under which it runs */
        uint64_t since_ms;      /* real time */
        uint64_t ended_ms;      /* real time at which it was empty last */
        uint64_t stuck_ms;      /* real time until which nothing ends it: its processes are in D-state */
        bool refused;           /* a store has refused its token */
};

/* ---- a worker ---- */

/* One worker of one group on one machine. What the record says outlives its process, not the boot. */
struct fleet_worker {
        struct fleet_node *node;
        size_t group, index, plugin; /* plugin: index in the node's configuration */

        /* its process */
        struct worker_core *core; /* NULL: there is none */
        struct node_plugin section;
        bool helper;  /* it is `baton-worker --ensure-stopped` */
        bool guarded; /* and the guard's, not the supervisor's */
        bool stands;  /* stopped by a signal */
        bool exiting;
        enum worker_exit status;
        bool linked;
        uint64_t link_ms;                     /* real time before which no link is made */
        size_t link, worker_link, agent_link; /* number of the present one; of the one each side knows */
        struct fleet_callback now;

        /* as the supervisor sees it */
        struct child child;
        struct grant_watch watch;
        uint64_t spawn_ms; /* real time at which a process that is being made begins; 0: none */
        uint64_t helper_kill_ms;
        uint32_t missed;
        bool spawn_helper;                  /* it will be a helper */
        uint64_t guard_retry_ms, resort_ms; /* node's clock: of the guard */
        bool guard_tried;
        bool kill_told; /* its end is still to be seen by the supervisor */
        bool removed;   /* its section is gone */

        struct grant_record record;
        bool recorded;
        bool record_full; /* no space for a write */

        struct fleet_resource resource;
        uint32_t failures;    /* so many starts fail from now on */
        uint32_t stop_fails;  /* so many stops fail from now on */
        enum fleet_slip slip; /* of the next callback of that kind */
        enum worker_call_kind slip_kind;

        /* what the core says, for tests to read */
        enum worker_state state;
        bool held, running;
        int64_t token;
        uint64_t deadline_ms, budget_ms; /* node's clock */
        int starts;

        struct fleet_queue to_worker, to_agent;
};

struct fleet_group {
        struct fleet_node *node;
        size_t index;
        bool configured; /* it is in the node's configuration */
        struct fleet_worker workers[FLEET_WORKERS_MAX];
};

/* ---- a machine ---- */

/* What `systemctl reload` may bring. */
enum fleet_change { FLEET_CHANGE_LEASE, FLEET_CHANGE_BUDGET, FLEET_CHANGE_REMOVE, FLEET_CHANGE_ADD };

enum fleet_batond {
        FLEET_BATOND_RUNS,
        FLEET_BATOND_ENDS, /* told to end */
        FLEET_BATOND_GONE, /* PID 1 starts it again at `batond_ms`, 0: not by itself */
};

struct fleet_node {
        struct fleet *f;
        int number; /* from 1; its server's sid */

        /* the clock */
        int64_t offset_ms;
        int32_t rate_ppm;
        uint64_t slept_ms;      /* CLOCK_BOOTTIME that CLOCK_MONOTONIC has not */
        uint64_t sleep_from_ms; /* own time; of a sleep or pause under way */

        bool off, cut;
        bool asleep;     /* suspended: nothing runs, CLOCK_BOOTTIME goes on */
        bool vm_paused;  /* nothing runs, no clock goes */
        bool all_stands; /* batond and all it started are stopped by a signal, the engine too */
        int boot;
        uint64_t woken_ms;     /* real time at which it woke last; 0: never */
        uint64_t uncovered_ms; /* real time until which F1 is not promised of it (fleet_oracle.c) */

        /* batond and PID 1 */
        enum fleet_batond batond;
        enum stop_how how;
        uint64_t batond_ms;            /* real time */
        uint64_t ping_ms;              /* own time of the next round of pings */
        uint64_t fed_ms, fed_limit_ms; /* CLOCK_MONOTONIC: systemd's watchdog */
        bool workers_told;
        uint64_t reboot_ms; /* real time; 0: none */
        bool reloads;
        bool mends; /* what it was configured to be at first is to come back */
        enum fleet_change change;
        size_t change_group;
        bool guard;        /* the guard's unit runs */
        uint64_t guard_ms; /* real time at which it begins */
        enum last_resort last_resort;

        /* the agent */
        struct patron *agent; /* NULL: not running */
        struct agent *brain;
        bool paused, dying, agent_ended;
        struct child agent_child;
        uint64_t agent_spawn_ms; /* real time; 0: none is being made */
        uint32_t agent_missed;
        bool agent_kill_told;
        struct client_session saved; /* the session's file */
        uint32_t lease_ms;
        uint32_t stop_budget_ms;
        struct node_config config;
        struct node_group settings[FLEET_GROUPS_MAX];
        struct node_plugin plugins[FLEET_PLUGINS_MAX];
        struct node_server servers[WORLD_SERVERS_MAX];
        enum node_role role;
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
        uint32_t check_ms;      /* between two checks; 0: never */
        uint32_t retries;
        bool copies;     /* the machines were copied from one image: one machine id for all */
        bool random;     /* starts and stops take up to so long */
        bool mortal;     /* resources end with their worker's process, as those of `process` and `exec` */
        bool supervised; /* the supervisor begins dead and hanging agents anew, and PID 1 batond */
        bool story;      /* what was said is kept, for a test to read */
        enum last_resort last_resort;
        int32_t rate_ppm[FLEET_NODES_MAX];
        int32_t priority[FLEET_NODES_MAX];
};

/* What only the oracle knows of a group. */
struct fleet_truth {
        int64_t token_max;    /* of all that have started */
        int token_node;       /* who started under it */
        int64_t store_token;  /* the greatest a store has seen */
        int64_t taken_token;  /* the last that was taken */
        int taken_by, leader; /* the leader then; 0: none was known */
        bool released;        /* since then */
        int64_t renewed_zxid; /* of the last write to `active`, and each machine's clock when it was seen first */
        uint64_t renewed_ms[FLEET_NODES_MAX];
};

enum fleet_fault {
        FLEET_AGENT_KILL,
        FLEET_AGENT_PAUSE,
        FLEET_CUT,
        FLEET_CUT_AGENT,
        FLEET_DEAF,
        FLEET_LATE_ANSWER, /* an answer comes late, and is the last */
        FLEET_POWER,
        FLEET_SUSPEND,
        FLEET_VM_PAUSE,
        FLEET_STAND,
        FLEET_BATOND_KILL,
        FLEET_BATOND_STOP,
        FLEET_RATE,
        FLEET_WORKER_KILL,
        FLEET_WORKER_STAND,
        FLEET_START_FAILS,
        FLEET_STOP_FAILS,
        FLEET_CALLBACK,
        FLEET_RECORD_FULL,
        FLEET_RESOURCE_DIES,
        FLEET_OPERATOR,
        FLEET_ZNODE,
        FLEET_RELOAD,
        FLEET_NAP, /* a holder's machine sleeps for a part of its lease; on waking its agent may be cut off */
        /* A holder can't renew; near the end of its lease all of batond stands still, or what it runs is killed. */
        FLEET_LATE_STAND,
        FLEET_LATE_KILL,
        FLEET_BLIND, /* takers see nothing of a grant; when they do again it is gone, and its holder does not know */
        FLEET_DEAF_TAKERS, /* a holder seems to be lost, and takers hear nothing when it renews after all */
        FLEET_FAULT_MAX,
};

/* A fault that waits for a holder of its group. */
struct fleet_await {
        bool on;
        size_t group;
        uint32_t ms;
};

struct fleet {
        struct scene *s, *own; /* own: made by fleet_init() */
        struct fleet_options o;
        struct fleet_node nodes[FLEET_NODES_MAX];
        struct fleet_truth truth[FLEET_GROUPS_MAX];
        int64_t committed_seen;
        int64_t token_seen; /* of all grants */
        int takes[FLEET_GROUPS_MAX];
        uint64_t down_ms[FLEET_GROUPS_MAX]; /* milliseconds in which it ran nowhere */
        struct prng prng;                   /* durations, and what a test draws */
        struct prng fault_prng;             /* what fleet_strike() decides */
        uint32_t blind;                     /* nodes whose agents FLEET_BLIND has cut off, as bits */
        int napper;                         /* the node that FLEET_NAP has put to sleep, 0: none */
        bool mended;                        /* a batond that was being stopped then comes back, too */
        uint64_t nap_end_ms;
        bool nap_cuts; /* and whose agent is cut off then */
        struct fleet_await awaits[FLEET_FAULT_MAX];
        int late;        /* the holder that FLEET_LATE_… has cut off; 0: none */
        bool late_fills; /* and then no record can be written */
        enum { LATE_STANDS, LATE_WORKERS_KILLED, LATE_BATOND_KILLED } late_what;
        uint32_t late_ms; /* before the end of its lease and stop budget, or behind that of its lease, the moment comes
                           */
        uint32_t late_for_ms; /* so long it lasts */
        uint64_t late_end_ms; /* it has come, and lasts until then */
        int returner;         /* the holder that FLEET_DEAF_TAKERS has cut off, 0: none */
        uint64_t returns_ms, hear_ms;
        size_t blind_group;
        uint64_t blind_end_ms;
        struct patron *admin;
        char *story;
        size_t story_len;

        /* Of whoever runs the life; none need be there. */
        struct verdict *verdict, own_verdict;
        struct trace *trace;
        struct coverage *coverage;
        /* Called once, when the verdict is broken by this fleet. A unit test ends in it. */
        void (*broken)(struct fleet *f);
};

/* ---- life (fleet.c) ---- */

/* Three nodes, one group of one worker, stop budget 1 s of which all is used, starts of 100 ms, policy sticky; nobody
 * restarts an agent that a test has killed. */
struct fleet_options fleet_options(uint64_t seed);
/* Draws them all, supervised, for a life of the simulator. */
struct fleet_options fleet_draw_options(uint64_t seed, int nodes);
/* Starts servers, agents and workers. */
void fleet_init(struct fleet *f, const struct fleet_options *o);
/* The same in a scene that is there, on machines 1 to o->nodes, which carry the servers of these sids. The scene
 * outlives the fleet. */
void fleet_init_in(struct fleet *f, const struct fleet_options *o, struct scene *s);
/* Whom to tell from now on; each may be NULL. */
void fleet_watch(struct fleet *f, struct verdict *verdict, struct trace *trace, struct coverage *coverage);
void fleet_done(struct fleet *f);
/* One millisecond of the machines, after the scene's own. */
void fleet_turn(struct fleet *f);
/* scene_run() and fleet_turn(), so often. Ends early when the verdict is broken. */
void fleet_run(struct fleet *f, uint64_t ms);
uint64_t fleet_now(const struct fleet *f);
struct fleet_node *fleet_node(struct fleet *f, int number);
/* The node on which all workers of the group are active, 0 for none; on which anything of it runs. */
int fleet_active(const struct fleet *f, size_t group);
int fleet_running(const struct fleet *f, size_t group);
/* Runs until a node other than `but` has it active: its number. LIVE is broken after max_ms, and 0 returned. */
int fleet_await_active(struct fleet *f, size_t group, int but, uint64_t max_ms);
/* Runs until nothing of it runs; LIVE is broken after max_ms. Returns how long it took. */
uint64_t fleet_await_down(struct fleet *f, size_t group, uint64_t max_ms);
struct group_status fleet_status(struct fleet *f, int number, size_t group);
/* The production group on that node; NULL where no agent runs. */
struct group *fleet_group(struct fleet *f, int number, size_t group);
/* Breaks the promise of this id. */
void fleet_break(struct fleet *f, const char *checker, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whether the story has this text. */
bool fleet_told(const struct fleet *f, const char *text);
void fleet_say(struct fleet *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- clocks (fleet_clock.c) ---- */

/* CLOCK_BOOTTIME and CLOCK_MONOTONIC of the machine. */
uint64_t fleet_node_now(const struct fleet_node *n);
uint64_t fleet_node_mono(const struct fleet_node *n);
/* From now on its clock goes at this rate; the time it shows does not jump. */
void fleet_set_rate(struct fleet *f, int number, int32_t rate_ppm);

/* ---- what befalls them (fleet_fault.c draws it) ---- */

/* Process of the agent. `resume`: it finds the session's file. In a supervised fleet a killed one comes back. */
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
/* Suspend: nothing of it runs, CLOCK_BOOTTIME goes on. What ran goes on when it wakes. */
void fleet_suspend(struct fleet *f, int number, bool asleep);
/* The hypervisor stops it, clocks and all. From then on F1 is not promised of it, but the order of tokens is. */
void fleet_vm_pause(struct fleet *f, int number, bool paused);
/* SIGSTOP for batond, agent, engine and workers, or SIGCONT. The resource goes on. */
void fleet_stand(struct fleet *f, int number, bool stands);
/* batond is killed and takes all with it but the resource; PID 1 starts the guard and a new batond. */
void fleet_batond_kill(struct fleet *f, int number);
/* systemctl stop (RELEASE), restart (KEEP), and start of what was stopped. */
void fleet_batond_stop(struct fleet *f, int number, enum stop_how how);
void fleet_batond_start(struct fleet *f, int number);
/* The process; its resource goes on. A fresh one has no link to the agent before `ms` have passed. */
void fleet_worker_kill(struct fleet *f, int number, size_t group, size_t worker, uint64_t ms);
/* SIGSTOP for a worker's process. */
void fleet_worker_stand(struct fleet *f, int number, size_t group, size_t worker, bool stands);
/* Somebody starts the resource without asking baton, or ends it. */
void fleet_operator_start(struct fleet *f, int number, size_t group, size_t worker);
void fleet_operator_stop(struct fleet *f, int number, size_t group, size_t worker);

/* `value`: ms of the lease or the budget, or the group. Only in a supervised fleet. */
void fleet_reload(struct fleet *f, int number, enum fleet_change change, uint32_t value);

const char *fleet_fault_name(enum fleet_fault fault);
/* Lets it happen, or ends it where it lasts; where and how is drawn from a stream of its own. Runs nothing. */
void fleet_strike(struct fleet *f, enum fleet_fault fault);
/* Ends all of it: from now on every group must become active on one node. Servers are the world's business. */
void fleet_mend(struct fleet *f);
/* After fleet_mend() and a serving ensemble: by then each group is active on exactly one node. */
#define FLEET_MENDED_MS 90000
/* Runs until each group is active on one node; LIVE is broken after FLEET_MENDED_MS. */
void fleet_await_mended(struct fleet *f);

/* ---- the administrator (fleet_admin.c) ---- */

/* Each runs until it is answered: the server's code. */
int fleet_set(struct fleet *f, const char *path, const char *data);
int fleet_create(struct fleet *f, const char *path, const char *data);
int fleet_delete(struct fleet *f, const char *path);
/* Data of a znode into `ret`. */
int fleet_get(struct fleet *f, const char *path, struct scene_reply *ret);

#endif
