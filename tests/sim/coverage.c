#include "tests/sim/coverage.h"

#include <assert.h>

static const char *const names[] = {
        [MARK_DIFF] = "sync by DIFF",
        [MARK_TRUNC] = "sync by TRUNC",
        [MARK_SNAP] = "sync by SNAP",
        [MARK_SNAP_INTERRUPTED] = "learner died during SNAP",
        [MARK_SNAP_UNDER_LOAD] = "SNAP while transactions were committed",
        [MARK_SNAPSHOT_WRITTEN] = "snapshot written",
        [MARK_SNAPSHOT_UNDER_LOAD] = "snapshot while transactions were applied",
        [MARK_SNAPSHOT_FAILED] = "snapshot file failed",
        [MARK_TORN_TAIL] = "torn tail cut",
        [MARK_LEADER_LEFT_PROPOSALS] = "leader ended with proposals outstanding",
        [MARK_DISK_FAILURE] = "server halted by its disk",
        [MARK_CORE_SERVES] = "a majority serves while the rest is lost",
        [MARK_REST_RETURNS] = "servers return to a majority that went on without them",
        [MARK_SESSION_MOVED] = "session moved",
        [MARK_SESSION_EXPIRED] = "session expired",
        [MARK_WATCH_FIRED] = "watch fired",
        [MARK_WATCHES_RESTORED] = "watches restored",
        [MARK_LEFT_CONNECTION_SPOKE] = "write on a connection its session had left",
        [MARK_UNKNOWN_OUTCOME] = "write without an answer",
};
static_assert(sizeof names / sizeof *names == MARK_MAX, "a name for each mark");

const char *mark_name(enum mark mark)
{
        return names[mark];
}
