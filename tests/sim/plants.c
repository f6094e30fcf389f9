#include "tests/sim/plants.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct plant_row rows[] = {
        [PLANT_NONE] = {NULL, NULL, NULL, 0},
        [PLANT_M1_ACK_BEFORE_FSYNC] = {"M1-ack-before-fsync", "D1 Z12 Z3",
                                       "a follower acknowledges a proposal that is not on its disk yet", 20},
        [PLANT_M1_LEADER_COUNTS_EARLY] = {"M1-leader-counts-early", "D1 Z12 Z3",
                                          "a leader counts itself before its own fsync", 20},
        [PLANT_M2_PROMISE_BEFORE_FSYNC] = {"M2-promise-before-fsync", "Z20 Z2 Z1",
                                           "ACKEPOCH goes out before acceptedEpoch is durable", 20},
        [PLANT_M4_PROMISE_COUNTS_TWICE] = {"M4-promise-counts-twice", "Z20 Z1 Z2",
                                           "a second ACKEPOCH for the same epoch counts", 20},
        [PLANT_M5_HALF_IS_ENOUGH] = {"M5-half-is-enough", "Z1 Z2 Z3 Z12", "half of the voters are a quorum", 60},
        [PLANT_M6_ZXID_BEFORE_EPOCH] = {"M6-zxid-before-epoch", "Z9 Z22 Z3 Z5 D1",
                                        "votes and ACKEPOCH are compared by zxid before epoch", 80},
        [PLANT_M10_DAMAGE_ENDS_THE_LOG] = {"M10-damage-ends-the-log", "D1 D3 D5 Z3",
                                           "a damaged record in the middle counts as the end of the log", 30},
        [PLANT_M11_FSYNC_TRIED_AGAIN] = {"M11-fsync-tried-again", "D1 D3 Z3", "an fsync that failed is tried again",
                                         80},
        [PLANT_M11_DIRECTORY_NOT_SYNCED] = {"M11-directory-not-synced", "D1 D3 Z3",
                                            "the directory is not synced after a new segment", 20},
        [PLANT_M13_LEASE_FROM_REPLY] = {"M13-lease-from-reply", "F1 F2",
                                        "a lease counts from when its renewal was answered, not sent", 0},
};
static_assert(sizeof rows / sizeof *rows == PLANT_MAX, "a row for each plant");

#ifdef BATON_PLANTS
enum plant baton_plant;
#endif

const struct plant_row *plant_row(enum plant plant)
{
        return &rows[plant];
}

enum plant plant_by_name(const char *name)
{
        size_t len = strlen(name);
        for (int i = PLANT_NONE + 1; i < PLANT_MAX; i++)
                if (!strncmp(rows[i].name, name, len) && (rows[i].name[len] == 0 || rows[i].name[len] == '-'))
                        return (enum plant)i;
        return PLANT_NONE;
}

bool plants_present(void)
{
#ifdef BATON_PLANTS
        return true;
#else
        return false;
#endif
}

void plant_set(enum plant plant)
{
#ifdef BATON_PLANTS
        baton_plant = plant;
#else
        assert(plant == PLANT_NONE);
#endif
}
