/* The bugs that can be planted (election/base/plant.h), and who should notice. */
#ifndef BATON_TESTS_SIM_PLANTS_H
#define BATON_TESTS_SIM_PLANTS_H

#include "election/base/plant.h"
#include "tests/sim/swarm.h"

#include <stdint.h>

/* Lives in which it can show itself. */
enum plant_lives {
        LIVES_SERVERS,   /* without a fleet: they go more quickly */
        LIVES_CLIENTS,   /* the same, with clients whose histories are kept */
        LIVES_READ_ONLY, /* ... and read-only mode */
        LIVES_FLEET,
};

struct plant_row {
        const char *name; /* as on the command line */
        enum plant_lives lives;
        const char *checkers; /* ids of the promises that it breaks, with blanks between them */
        const char *text;     /* what is broken */
};

/* By number; the row of PLANT_NONE has no name. */
const struct plant_row *plant_row(enum plant plant);
/* PLANT_NONE when there is none of that name. "M4" will do where one begins so. */
enum plant plant_by_name(const char *name);
/* Whether this program has them at all. */
bool plants_present(void);
/* From now on this one is there. */
void plant_set(enum plant plant);
/* Whether it can show itself in a life so planned. True when there is none. */
bool plant_may_show(const struct life_plan *p);

#endif
