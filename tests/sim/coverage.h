/* Paths that must be taken lest a run be about nothing. One counter each; the report names those that are 0.
 * A name is said once, in coverage.c; whoever sees the path happen counts it. */
#ifndef BATON_TESTS_SIM_COVERAGE_H
#define BATON_TESTS_SIM_COVERAGE_H

#include <stdint.h>

enum mark {
        /* synchronisation */
        MARK_DIFF,
        MARK_TRUNC,
        MARK_SNAP,
        MARK_SNAP_INTERRUPTED,
        MARK_SNAP_UNDER_LOAD,
        /* leases and failover (fleet/) */
        MARK_UNCLEAN_TAKEOVER,
        MARK_RELEASED_TAKEOVER,
        MARK_TAKEN_UP,
        MARK_STOP_AT_DEADLINE,
        MARK_OVERDUE,
        MARK_LAST_RESORT,
        MARK_CHILD_HUNG,
        MARK_WATCHDOG,
        MARK_GUARD,
        MARK_LATE_START,
        MARK_RESULT_TWICE,
        MARK_RECORD_FULL,
        MARK_GROUP_RESTS,
        MARK_GRANT_AFTER_LEADER_CHANGE,
        MARK_TOKEN_REFUSED,
        MARK_SLEPT_OVER_LEASE,
        MARK_STOOD_TOO_LATE,
        MARK_FOREIGN_STOPPED,
        MARK_GRANT_LOST,
        MARK_RENEWAL_UNKNOWN,
        MARK_RELOAD_REMOVED,
        /* the list is extended by whoever has something to count, in its group, with a name in coverage.c */
        MARK_MAX,
};

struct coverage {
        uint64_t counts[MARK_MAX];
};

const char *mark_name(enum mark mark);
static inline void coverage_hit(struct coverage *c, enum mark mark)
{
        c->counts[mark]++;
}

#endif
