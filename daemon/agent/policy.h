/* Which node ought to have a group. Pure; any thread. docs/failover.md "Who takes". */
#ifndef BATON_AGENT_POLICY_H
#define BATON_AGENT_POLICY_H

#include "daemon/common/node_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy_candidate {
        struct name name;
        int32_t priority;
        bool healthy;
        bool leads; /* its server leads the ensemble */
};

/* Negative when `a` is to have it rather than `b`, positive the other way round, 0 for one and the same. Health is not
 * looked at. `last` is the node that had the group last, "" for none. A total order: all nodes that see the same agree.
 */
int policy_compare(enum group_policy policy, const char *last, const struct policy_candidate *a,
                   const struct policy_candidate *b);
/* How many healthy candidates come before the one named; -ENOENT when it is not among them or not healthy. */
int policy_rank(enum group_policy policy, const char *last, const struct policy_candidate *list, size_t count,
                const char *name);
/* "leader", "priority", "sticky". */
const char *policy_name(enum group_policy policy);

#endif
