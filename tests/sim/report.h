/* What many lives came to, and how it is told. */
#ifndef BATON_TESTS_SIM_REPORT_H
#define BATON_TESTS_SIM_REPORT_H

#include "tests/sim/life.h"
#include "tests/sim/options.h"

struct totals {
        uint64_t lives, simulated_ms, transactions, operations;
        uint64_t faults[FAULT_MAX];
        struct coverage coverage;
        uint64_t taken[MARK_MAX]; /* lives in which each path was */
};

void totals_add(struct totals *t, const struct life_result *r);
void totals_sum(struct totals *t, const struct totals *other);
/* Seeds, time, transactions, faults by kind, paths taken and those never taken; `brief`: the sums alone. */
void report_totals(const struct totals *t, bool brief);
/* How many paths were never taken that so many lives must take. */
int report_holes(const struct totals *t);
/* What was found, and the one command that replays it. */
void report_finding(const struct sim_options *o, uint64_t seed, const struct verdict *v);

#endif
