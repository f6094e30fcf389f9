/* The command line of baton-sim. */
#ifndef BATON_TESTS_SIM_OPTIONS_H
#define BATON_TESTS_SIM_OPTIONS_H

#include "tests/sim/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Processes at once. */
#define SIM_JOBS_MAX 64

enum sim_mode {
        SIM_SEEDS,  /* a range of them */
        SIM_ONE,    /* one, here, with or without its trace */
        SIM_SHRINK, /* one that breaks something, made smaller */
        SIM_PLANTS, /* what bugs can be planted */
        SIM_HELP,
};

struct sim_options {
        enum sim_mode mode;
        uint64_t from, seeds;
        uint32_t jobs, minutes; /* 0 minutes: as long as it takes */
        bool trace, repeat, digests, suite, brief;
        const char *plant; /* NULL: none; "all": one after the other; "suite": those of every test run */
        bool without[FAULT_MAX];
        uint32_t faults; /* no more than so many in a life */
};

/* 0, or -EINVAL with one line in `why`. */
int sim_options_parse(int argc, char **argv, struct sim_options *ret, char *why, size_t size);
const char *sim_usage(void);
/* The options that narrow a life (" --plant M1 --without cut --faults 7"), for the command that replays it. */
void sim_options_narrowing(const struct sim_options *o, char *ret, size_t size);

#endif
