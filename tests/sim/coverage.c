#include "tests/sim/coverage.h"

#include <assert.h>

static const char *const names[] = {
        [MARK_DIFF] = "sync by DIFF",
        [MARK_TRUNC] = "sync by TRUNC",
        [MARK_SNAP] = "sync by SNAP",
        [MARK_SNAP_INTERRUPTED] = "learner died during SNAP",
        [MARK_SNAP_UNDER_LOAD] = "SNAP while transactions were committed",
};
static_assert(sizeof names / sizeof *names == MARK_MAX, "a name for each mark");

const char *mark_name(enum mark mark)
{
        return names[mark];
}
