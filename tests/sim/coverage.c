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
        [MARK_FILES_REFUSED] = "damaged files refused",
        [MARK_LOST_DISK_REPLACED] = "a lost disk synchronised anew",
        [MARK_CORE_SERVES] = "a majority serves while the rest is lost",
        [MARK_REST_RETURNS] = "servers return to a majority that went on without them",
        [MARK_SESSION_MOVED] = "session moved",
        [MARK_SESSION_EXPIRED] = "session expired",
        [MARK_WATCH_FIRED] = "watch fired",
        [MARK_WATCHES_RESTORED] = "watches restored",
        [MARK_LEFT_CONNECTION_SPOKE] = "write on a connection its session had left",
        [MARK_UNKNOWN_OUTCOME] = "write without an answer",
        [MARK_DISK_LOST] = "server began with its disk lost",
        [MARK_RECOVERABLE_GAP] = "recovery with records above currentEpoch",
        [MARK_TRUNC_REFUSED] = "TRUNC that the disk could not carry out",
        [MARK_TRUNC_INTERRUPTED] = "crash during TRUNC, which recovery finished",
        [MARK_SNAP_SAVED_BY_CRASH] = "crash during SNAP, whose file was recovered",
        [MARK_PROMISE_REPEATED] = "promise that does not count",
        [MARK_LEARNER_AHEAD] = "promise of a learner that is ahead of its leader",
        [MARK_LEADER_BEHIND] = "leader drops a learner that is ahead",
        [MARK_TAIL_ADOPTED] = "new leader commits what an old one left",
        [MARK_PROPOSAL_BEFORE_UPTODATE] = "PROPOSAL between NEWLEADER and UPTODATE",
        [MARK_COMMIT_BEFORE_UPTODATE] = "commit while a learner is between NEWLEADER and UPTODATE",
        [MARK_EQUAL_ZXIDS] = "election among equal zxids",
        [MARK_LEFT_HOPELESS] = "role ended: no quorum can promise",
        [MARK_LEFT_OUTBID] = "role ended: a voter promised a later epoch",
        [MARK_LEFT_OLD_LEADER] = "role ended: leader of an old epoch",
        [MARK_LEFT_SILENCE] = "role ended: leader silent",
        [MARK_LEFT_UNREACHED] = "role ended: leader can't be reached",
        [MARK_LEFT_QUORUM] = "role ended: followers lost",
        [MARK_LEFT_BARRIER_E] = "role ended: no quorum connected in time",
        [MARK_LEFT_BARRIER_A] = "role ended: no quorum promised in time",
        [MARK_LEFT_BARRIER_N] = "role ended: no quorum synchronised in time",
        [MARK_LEFT_SLOW_DISK] = "role ended: disk too slow",
        [MARK_LEFT_CONNECTION] = "role ended: connection to the leader gone",
};
static_assert(sizeof names / sizeof *names == MARK_MAX, "a name for each mark");

const char *mark_name(enum mark mark)
{
        return names[mark];
}
