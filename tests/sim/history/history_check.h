/* Whether what clients were told can be true (safety.md 1.4, 1.5, 3.6). Needs no access to any server.
 *
 * With the committed log every answer is compared with the state at its zxid. Without it, what is known of a node is
 * put together from acknowledged writes and from what was read; where an unknown outcome explains a contradiction it
 * is accepted, once. The history must hold every writer of the paths it speaks of.
 *
 * Costs n log n in the entries; without the log a list of children costs as many steps as children were ever known. */
#ifndef BATON_TESTS_SIM_HISTORY_CHECK_H
#define BATON_TESTS_SIM_HISTORY_CHECK_H

#include "tests/sim/history/history.h"
#include "tests/sim/verdict.h"

/* More are counted and not reported: what is broken once breaks more. */
#define HISTORY_FINDINGS_MAX 50

struct history_finding {
        const char *checker; /* the broken promise, as in docs/safety.md */
        const char *text;
        /* What contradicts each other; either may be NULL. */
        const struct history_entry *a, *b;
};

/* Calls `report` for each finding, in no particular order; returns how many there are. Adds strings to `h`, no entries.
 */
size_t history_check(struct history *h, void (*report)(void *ctx, const struct history_finding *f), void *ctx);
/* The first finding as a verdict, its lines behind it. Returns whether there was none. */
bool history_judge(struct history *h, uint64_t at_ms, struct verdict *ret);

#endif
