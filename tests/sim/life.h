/* One life of an ensemble: it begins, things go wrong for a while, all of it or a majority is healed and must serve
 * again within a bound, and then what clients were told is held against what there is. The checkers look on from the
 * first millisecond to the last. */
#ifndef BATON_TESTS_SIM_LIFE_H
#define BATON_TESTS_SIM_LIFE_H

#include "tests/sim/coverage.h"
#include "tests/sim/swarm.h"
#include "tests/sim/verdict.h"

#include <stdio.h>

/* What a life came to: plain numbers, which a process may leave to another. */
struct life_result {
        struct verdict verdict;
        uint64_t digest; /* of the trace */
        uint64_t simulated_ms, transactions, operations, fault_turns;
        uint64_t faults[FAULT_MAX];
        struct coverage coverage;
};

/* Lives the life. `trace` NULL: only its digest is kept. */
void life_live(const struct life_plan *plan, FILE *trace, struct life_result *ret);

#endif
