#include "tests/sim/coverage.h"

#include <assert.h>

static const char *const names[] = {
        [MARK_DIFF] = "sync by DIFF",
        [MARK_TRUNC] = "sync by TRUNC",
        [MARK_SNAP] = "sync by SNAP",
        [MARK_SNAP_INTERRUPTED] = "learner died during SNAP",
        [MARK_SNAP_UNDER_LOAD] = "SNAP while transactions were committed",
        [MARK_UNCLEAN_TAKEOVER] = "group taken after its lease ran out",
        [MARK_RELEASED_TAKEOVER] = "group taken after a release",
        [MARK_TAKEN_UP] = "grant taken up by a fresh agent",
        [MARK_STOP_AT_DEADLINE] = "worker stops at its deadline, asking nobody",
        [MARK_OVERDUE] = "supervisor forces a stop",
        [MARK_LAST_RESORT] = "last resort of the supervisor",
        [MARK_CHILD_HUNG] = "child killed for its silence",
        [MARK_WATCHDOG] = "systemd's watchdog ends batond",
        [MARK_GUARD] = "guard stops what nobody took up",
        [MARK_LATE_START] = "start under way is cancelled",
        [MARK_RESULT_TWICE] = "result of a callback told twice",
        [MARK_RECORD_FULL] = "grant record cannot be written",
        [MARK_GROUP_RESTS] = "node gives a group up and rests",
        [MARK_GRANT_AFTER_LEADER_CHANGE] = "grant by another leader than the last",
        [MARK_TOKEN_REFUSED] = "resource refuses an old token",
        [MARK_SLEPT_OVER_LEASE] = "machine sleeps over its lease",
        [MARK_STOOD_TOO_LATE] = "all of batond stopped by a signal near the end of a lease",
        [MARK_FOREIGN_STOPPED] = "resource started by hand is stopped",
        [MARK_GRANT_LOST] = "grant lost: removed, or not renewed in time",
        [MARK_RENEWAL_UNKNOWN] = "outcome of a renewal unknown",
        [MARK_RELOAD_REMOVED] = "group removed by a reload",
};
static_assert(sizeof names / sizeof *names == MARK_MAX, "a name for each mark");

const char *mark_name(enum mark mark)
{
        return names[mark];
}
