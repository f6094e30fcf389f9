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
        /* a life as a whole, counted by life.c and faults.c */
        MARK_SNAPSHOT_WRITTEN,
        MARK_SNAPSHOT_UNDER_LOAD,
        MARK_SNAPSHOT_FAILED,
        MARK_TORN_TAIL,
        MARK_LEADER_LEFT_PROPOSALS,
        MARK_DISK_FAILURE,
        MARK_FILES_REFUSED,
        MARK_LOST_DISK_REPLACED,
        MARK_CORE_SERVES,
        MARK_REST_RETURNS,
        MARK_FLEET_SETTLED,
        /* clients */
        MARK_SESSION_MOVED,
        MARK_SESSION_MOVED_MEANWHILE,
        MARK_SESSION_EXPIRED,
        MARK_WATCH_FIRED,
        MARK_WATCHES_RESTORED,
        MARK_WATCH_PERSISTENT,
        MARK_WATCH_RECURSIVE,
        MARK_WATCH_REMOVED,
        MARK_LEFT_CONNECTION_SPOKE,
        MARK_UNKNOWN_OUTCOME,
        MARK_SESSION_GONE,
        MARK_MULTI_ROLLED_BACK,
        MARK_WRONG_PASSWORD,
        MARK_CONTAINER_SWEPT,
        MARK_TTL_SWEPT,
        MARK_SWEPT_BY_NEW_LEADER,
        MARK_MULTI_READ,
        MARK_WATCH_FOUND,
        MARK_DESCENDANTS,
        MARK_EPHEMERALS_LISTED,
        MARK_IDENTITIES_TOLD,
        MARK_READ_ONLY_SHOWN,
        MARK_READ_ONLY_REFUSED,
        MARK_READ_ONLY_OVER,
        /* seen by the oracle (tests/sim/oracle): disks and recovery */
        MARK_DISK_LOST,
        MARK_RECOVERABLE_GAP,
        MARK_TRUNC_INTERRUPTED,
        MARK_SNAP_SAVED_BY_CRASH,
        /* epochs, and leaders that come and go */
        MARK_PROMISE_REPEATED,
        MARK_LEARNER_AHEAD,
        MARK_TAIL_ADOPTED,
        MARK_PROPOSAL_BEFORE_UPTODATE,
        MARK_COMMIT_BEFORE_UPTODATE,
        MARK_EQUAL_ZXIDS,
        /* why roles end */
        MARK_LEFT_PROMISES,
        MARK_LEFT_SILENCE,
        MARK_LEFT_QUORUM,
        MARK_LEFT_BARRIER_E,
        MARK_LEFT_BARRIER_A,
        MARK_LEFT_BARRIER_N,
        MARK_LEFT_SLOW_DISK,
        MARK_LEFT_CONNECTION,
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
