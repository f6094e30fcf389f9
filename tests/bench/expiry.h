/* What expiry.c counts; apart from the run, so that its arithmetic can be tested. */
#ifndef BATON_TESTS_BENCH_EXPIRY_H
#define BATON_TESTS_BENCH_EXPIRY_H

#include "tests/bench/pump.h"

/* Connections, the first of them, whose sessions live on: the other clients. With three servers each has one that reads
 * and one that writes. */
#define EXPIRY_OTHERS  6
#define EXPIRY_READERS 3

struct expiry {
        int64_t sessions;             /* that are to end */
        int64_t left[EXPIRY_READERS]; /* ephemerals that each reader saw last */
        /* When the first and the last of the sessions will have been silent for their timeout. */
        uint64_t first_due_ns, last_due_ns;
        uint64_t cut_ns;
        uint64_t first_ns, last_ns, heard_ns; /* one was gone for some reader; all for all; any reply came */
        struct histogram before, writes, reads;
};

/* A request of one of the others took from `began` to `now`, nanoseconds. One that was under way at the cut counts as
 * after it: it is among those that had to wait. */
void expiry_took(struct expiry *e, uint64_t began, uint64_t now, bool write);
/* `reader` was told at `now` that so many ephemerals are left. More than before end the run. */
void expiry_counted(struct expiry *e, uint32_t reader, uint64_t now, int64_t left);
/* Times after the moments at which the first and the last session were due, and what others waited; the caller releases
 * it. */
json_t *expiry_report(const struct expiry *e);

#endif
