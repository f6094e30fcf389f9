/* Bugs planted on purpose: the simulator must find each of them, or it is too kind (tests/sim/plants.c tells what each
 * one breaks and who should notice).
 *
 * In every build that is installed or tested, PLANTED(…) is the constant false: no branch, no symbol. Only the
 * simulator's second build, of the same sources, is compiled with BATON_PLANTS, and plants the one bug that is asked
 * for. A site is one line: `if (z->disk.count == 0 || PLANTED(M2_PROMISE_BEFORE_FSYNC))`. */
#ifndef BATON_BASE_PLANT_H
#define BATON_BASE_PLANT_H

#include <stdbool.h>

/* Numbers in the names are those of the table of mutants in docs/safety.md. */
enum plant {
        PLANT_NONE,
        PLANT_M1_ACK_BEFORE_FSYNC,
        PLANT_M1_LEADER_COUNTS_EARLY,
        PLANT_M2_PROMISE_BEFORE_FSYNC,
        PLANT_M4_PROMISE_COUNTS_TWICE,
        PLANT_M5_HALF_IS_ENOUGH,
        PLANT_M6_ZXID_BEFORE_EPOCH,
        PLANT_M10_DAMAGE_ENDS_THE_LOG,
        PLANT_M11_FSYNC_TRIED_AGAIN,
        PLANT_M11_DIRECTORY_NOT_SYNCED,
        PLANT_M13_LEASE_FROM_REPLY,
        PLANT_MAX,
};

#ifdef BATON_PLANTS
extern enum plant baton_plant;
#define PLANTED(name) (baton_plant == PLANT_##name)
#else
#define PLANTED(name) ((void)PLANT_##name, false)
#endif

#endif
