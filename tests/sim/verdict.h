/* What a checker found. The first violation of a life is kept, with the id of the promise that is broken: "Z3", "D1",
 * "F1" …, as in docs/safety.md; "LIVE" for a promise of progress, "CRASH" for an assertion or a signal. */
#ifndef BATON_TESTS_SIM_VERDICT_H
#define BATON_TESTS_SIM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#define VERDICT_TEXT_BYTES 1024

struct verdict {
        char checker[16]; /* "" while nothing is broken */
        char text[VERDICT_TEXT_BYTES];
        uint64_t at_ms; /* simulated time, as said by whoever broke it */
};

/* Later ones are dropped: what is broken once breaks more. */
void verdict_break(struct verdict *v, uint64_t at_ms, const char *checker, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
static inline bool verdict_broken(const struct verdict *v)
{
        return v->checker[0] != 0;
}

#endif
