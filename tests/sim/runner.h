/* Many lives at once, in processes of their own: one that dies or hangs is a finding with its seed, and the others go
 * on. */
#ifndef BATON_TESTS_SIM_RUNNER_H
#define BATON_TESTS_SIM_RUNNER_H

#include "tests/sim/report.h"

/* Findings that are kept; after as many no life begins. */
#define FINDINGS_MAX 64

struct finding {
        uint64_t seed;
        struct verdict verdict;
};

struct run_result {
        struct totals totals;
        struct finding findings[FINDINGS_MAX]; /* in order of their seeds */
        size_t count;
        uint64_t *digests; /* by seed - from, with --digests; caller frees */
};

/* Up to the first seed that breaks something, or all of them. What crashes and hangs said goes to stdout. */
void run_lives(const struct sim_options *o, bool first_only, struct run_result *ret);
/* Runs `live` in a process of its own, with this one's input and output, and yields what it returned. Where the process
 * ends before or otherwise, `ret_crash` says how and 0 is returned. */
int run_apart(int (*live)(const struct sim_options *o), const struct sim_options *o, struct verdict *ret_crash);
/* The plan of a seed, narrowed by the options. */
void life_plan_for(const struct sim_options *o, uint64_t seed, struct life_plan *ret);

#endif
