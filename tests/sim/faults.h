/* What goes wrong in a life: when, where and for how long. Each kind is a row of the table in faults.c.
 *
 * The n-th fault of a life draws from a stream of its own, made of the seed and n: a fault that is left out (by
 * --without or --faults) does not change what the others do, so that a life can be made smaller. */
#ifndef BATON_TESTS_SIM_FAULTS_H
#define BATON_TESTS_SIM_FAULTS_H

#include "election/base/hash.h"
#include "tests/sim/coverage.h"
#include "tests/sim/fleet/fleet.h"
#include "tests/sim/oracle/oracle.h"
#include "tests/sim/trace.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world/world.h"

#include <stdbool.h>

/* Bytes that FAULT_LATE holds up come less than so many ms later, after the mend too. */
#define FAULT_LATE_MAX_MS 1510

enum fault {
        FAULT_POWER,
        FAULT_KILL,
        FAULT_STOP,
        FAULT_FREEZE,
        FAULT_SUSPEND,
        FAULT_VM_PAUSE,
        FAULT_CLOCK_RATE,
        FAULT_WALL_CLOCK,
        FAULT_CUT,
        FAULT_SPLIT,
        FAULT_CLIENTS_CUT,
        FAULT_BLACKHOLE,
        FAULT_SLOW_LINK,
        FAULT_LATE,
        FAULT_RESET,
        FAULT_SLOW_DISK,
        FAULT_HANGING_DISK,
        FAULT_FULL_DISK,
        FAULT_BAD_DISK,
        FAULT_ROT,
        FAULT_LOST_DISK,
        FAULT_SNAPSHOT,
        FAULT_ALL_DOWN,
        FAULT_IN_SYNC,
        FAULT_IN_WORK,
        FAULT_TAIL,
        FAULT_PAUSE,
        FAULT_DEAF,
        FAULT_OUTAGE,
        FAULT_RIVALS,
        FAULT_MIDWRITE,
        FAULT_COMEBACK,
        /* of machines in a fleet: enum fleet_fault from here on */
        FAULT_FLEET,
        FAULT_MAX = FAULT_FLEET + FLEET_FAULT_MAX,
};

/* One word, as on the command line; and what it does. */
const char *fault_name(enum fault fault);
const char *fault_text(enum fault fault);
/* FAULT_MAX when there is none of that name. `len` of its bytes count. */
enum fault fault_by_name(const char *name, size_t len);

/* Which faults a life has; drawn with it (swarm.h) and narrowed by the command line. */
struct fault_plan {
        uint32_t weights[FAULT_MAX]; /* how often, among the others; 0: not in this life */
        bool without[FAULT_MAX];     /* its turns are passed over */
        uint64_t pause_ms;           /* about so long between two */
        uint32_t most;               /* no more than so many */
};

/* What is going on at one server; times 0: nothing. */
struct trouble {
        uint64_t start_ms, thaw_ms, mend_ms, swift_ms, die_ms, unhang_ms, reset_ms;
        bool disk_failing; /* it may halt because of its disk */
        bool reboot;       /* the machine starts anew with it: its page cache is gone */
        bool in_snap;      /* is being sent a snapshot */
        int64_t rot_zxid;  /* its log was on its disk up to here when a byte of it rotted; 0: none has, or it was cut
                              since */
        bool lost;         /* its files are gone, and no leader has synchronised it since */
        bool away;         /* and stays so */
};

/* What is going on between two; 0 stands for the clients. */
struct link_trouble {
        uint64_t join_ms, clear_ms;
};

/* Work of disks in which a server may be made to die. */
enum work {
        WORK_CUT,      /* of a log, back */
        WORK_RECEIVED, /* a leader's snapshot is saved */
        WORK_SNAPSHOT, /* its own is */
        WORK_EPOCH,
        WORK_SEGMENT, /* a new one begins */
        WORK_MAX,
};

struct faults {
        struct world *world;
        struct trace *trace;
        struct verdict *verdict;
        struct coverage *coverage;
        struct oracle *oracle; /* is told what is damaged */
        struct fleet *fleet;   /* NULL: there is none */
        struct fault_plan plan;
        uint64_t seed, next_ms;
        uint32_t turns;             /* that have come, those passed over among them */
        struct prng prng;           /* of the fault under way */
        struct prng mending;        /* how long things take to come back */
        uint64_t in_sync;           /* deaths in a synchronisation still to come */
        uint32_t awaited[WORK_MAX]; /* deaths in such work still to come */
        uint64_t rivals_ms;         /* until then no candidate's epoch is heard of; 0: they are */
        uint64_t counts[FAULT_MAX];
        struct trouble trouble[WORLD_SERVERS_MAX + 1];
        struct link_trouble links[WORLD_SERVERS_MAX + 1][WORLD_SERVERS_MAX + 1]; /* [from][to] */
        int32_t rate_ppm; /* clocks go so much too fast or too slow at most */
        bool bulk;        /* records may be large */
        bool bit_rotted;  /* the last rot was of a bit, not of a sector */
        bool mended;      /* nothing goes wrong any more */
};

void faults_init(struct faults *f, struct world *w, const struct fault_plan *plan, uint64_t seed);
/* Once a millisecond: what is due goes wrong, what has been wrong for long enough is mended. */
void faults_turn(struct faults *f);
/* A server has said a line: some faults wait for one. */
void faults_noted(struct faults *f, int sid, const char *text);

/* A server asks for something: some faults wait for it. */
void faults_stepped(struct faults *f, int sid, const struct effects *fx);

/* The world has told what was done to it. */
void faults_told(struct faults *f, const char *text);
/* It has recovered so much: damage may be refused, and is never to be passed over (safety D5). */
void faults_recovered(struct faults *f, int sid, const struct recovered *r);

/* What becomes of the servers that are not healed. */
enum heal {
        HEAL_DEAD, /* they stay down */
        HEAL_CUT,  /* nothing gets through to them */
};
/* From here on nothing fails any more at the servers of the set (a bit for each sid); the others are lost. */
void faults_heal(struct faults *f, uint32_t set, enum heal rest);
/* A server of the set that was about to end when all was mended has ended, and starts again. */
void faults_restart_ended(struct faults *f, uint32_t set);

#endif
