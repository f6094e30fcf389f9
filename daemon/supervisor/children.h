/* The life of one child process, as a table of states and events. Pure: what happened goes in with the time, what is
 * to be done comes out; supervisor.c does it.
 *
 *             START             SPAWNED, READY
 *      OFF ──────────► STARTING ────────────► RUNNING          STARTING and RUNNING have a process
 *       ▲                 ▲  │                   │
 *       │         TIMER   │  │ EXITED            │ EXITED       the first restart after a crash is immediate, since
 *       │                 │  ▼                   │              leases run on; the next ones rest, twice as long each
 *       │              RESTING ◄─────────────────┘              time, up to a bound
 *       │ EXITED                                 │ STOP, RESTART
 *       ├────────────── STOPPING ◄───────────────┤              told to end; TIMER: it was given long enough
 *       │                  │ TIMER               │ HUNG, OVERDUE
 *       ├────────────── KILLED ◄─────────────────┘              SIGKILL was sent, and is again if it takes long
 *       │                  │ EXITED_DIRTY
 *       └────────────── ENSURING ◄──► WAITING                   a helper process stops what a worker left running;
 *                                                               while somebody else has the grant record it waits
 *
 * A child that is `wanted` is begun again when its process is gone, otherwise it ends in OFF. "Dirty" means that a
 * worker's grant record says its resource may be running; when nobody is to follow who would see to that, and the
 * stop was a release, ENSURING does. It does so too where the stop was to keep things as they are and the resource was
 * overdue already: to wait for a successor would delay its stop (safety.md F6). */
#ifndef BATON_SUPERVISOR_CHILDREN_H
#define BATON_SUPERVISOR_CHILDREN_H

#include "daemon/common/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Rest before the second restart in a row, in ms; it doubles with each further one. The first has none. */
#define CHILD_BACKOFF_MS 250
/* The longest rest. A node whose engine is refused by its disk goes on trying without noise. */
#define CHILD_BACKOFF_MAX_MS 30000
/* A child that has been ready for so long, in ms, is well: its next restart is the first again. */
#define CHILD_WELL_MS 60000
/* Until another look whether the grant record of a worker is free: its last user, a guard or a dying process, has it.
 */
#define CHILD_BUSY_MS 50
/* While its resource is overdue, so many ends in a row are followed by CHILD_BUSY_MS only; then it is nothing that a
 * next try would change. */
#define CHILD_OVERDUE_TRIES 8
/* A killed process that is still there after this time, in ms, is killed again and complained about. */
#define CHILD_KILL_MS 1000
/* No timer is set. */
#define CHILD_NEVER UINT64_MAX

enum child_state {
        CHILD_OFF,
        CHILD_RESTING,  /* wanted; a timer runs until the next start */
        CHILD_STARTING, /* a process is being made or exists, and is not ready */
        CHILD_RUNNING,  /* it has said READY */
        CHILD_STOPPING,
        CHILD_KILLED,
        CHILD_ENSURING,
        CHILD_WAITING, /* no process: the helper's record is in use; a timer runs until the next try */
        CHILD_STATE_MAX,
};

enum child_event {
        CHILD_START,        /* it is wanted */
        CHILD_STOP,         /* it is not wanted any more; how in the input */
        CHILD_RESTART,      /* a successor is to take its place: its configuration has changed */
        CHILD_SPAWNED,      /* answers the effect spawn or ensure */
        CHILD_SPAWN_FAILED, /* the other answer */
        CHILD_SPAWN_BUSY,   /* and the third: its grant record is in use, try soon */
        CHILD_READY,
        CHILD_UNREADY,
        CHILD_HUNG,    /* its pings are not answered */
        CHILD_OVERDUE, /* its grant has run out and it does not stop, or not fast enough; or it isn't there to do so */
        CHILD_EXITED,
        CHILD_EXITED_DIRTY,
        CHILD_TIMER,
        CHILD_EVENT_MAX,
};

struct child_limits {
        uint32_t release_ms; /* for STOP_RELEASE, until it is killed */
        uint32_t keep_ms;    /* for STOP_KEEP */
        uint32_t ensure_ms;  /* for the helper; and before, for whoever has the record, to give it back */
};

struct child {
        struct child_limits limits;
        enum child_state state;
        bool wanted;
        bool at_once;         /* in STOPPING and KILLED: the successor is begun without a rest */
        bool overdue;         /* its resource has to stop now, and no process has yet said that it has */
        enum stop_how how;    /* in STOPPING and after: what it was told */
        uint32_t strikes;     /* ends in a row that nobody asked for */
        uint32_t restarts;    /* starts but for the first */
        bool begun;           /* it was started before */
        uint64_t since_ms;    /* when the state began */
        uint64_t timer_ms;    /* CHILD_TIMER is due; CHILD_NEVER */
        uint64_t patience_ms; /* in ENSURING and WAITING: a record that is in use then stays so */
};

struct child_input {
        enum child_event event;
        enum stop_how how; /* CHILD_STOP */
        bool dirty;        /* CHILD_STOP: what CHILD_EXITED_DIRTY says, in case there is no process */
        uint64_t now_ms;   /* CLOCK_BOOTTIME */
};

/* What is to be done, in this order. At most one of `spawn` and `ensure`. */
struct child_effects {
        bool kill;     /* SIGKILL */
        bool stop;     /* MESSAGE_STOP, `how` */
        bool spawn;    /* make the process; then CHILD_SPAWNED, _FAILED or _BUSY */
        bool ensure;   /* make the helper that stops what is left; the same answers */
        bool unkilled; /* it has been killed before and is still there: say so */
        bool left;     /* the helper could not stop it: say so */
        enum stop_how how;
};

void child_init(struct child *c, const struct child_limits *limits, uint64_t now_ms);
/* Pure but for `c`. */
struct child_effects child_step(struct child *c, const struct child_input *in);
/* Whether a process exists or is being made. */
bool child_has_process(const struct child *c);
/* The rest before a start after `strikes` ends in a row (1: the first). */
uint64_t child_backoff_ms(uint32_t strikes);

const char *child_state_name(enum child_state state);
const char *child_event_name(enum child_event event);

#endif
