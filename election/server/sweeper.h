/* The leader's sweeps: containers that have lost their last child, and nodes whose time to live is over, are
 * deleted by transactions of the leader's own (zookeeper/client-protocol.md 6.2).
 *
 * A sweep begins every check interval and looks at each container and each node with a time to live, some at a
 * time; deletions are spread, so many a minute. Other nodes cost nothing.
 *
 * Time. A time to live counts from the node's mtime, which is wall time of the leader that wrote it; so does the
 * patience with a container that was never used. ZooKeeper compares it with its wall clock. Here a second clock
 * must agree: the monotonic one, counted from what the wall clock said when this leader wrote the node, or, of
 * nodes of earlier leaders, when it began to lead. So a wall clock that is set forward deletes nothing early, and
 * one that is set back makes nodes live longer, as it does with ZooKeeper. What stays is the wall clock that a
 * leader begins with: if that is fast, nodes of earlier leaders go early. */
#ifndef BATON_SERVER_SWEEPER_H
#define BATON_SERVER_SWEEPER_H

#include "election/server/prep.h"
#include "election/server/server.h"

/* Nodes looked at in one step; the sweep goes on in the next. */
#define SWEEPER_LOOK_MAX 1024
/* Deletions that a late step makes up for, as time at their rate. */
#define SWEEPER_LAG_MS 100
/* Steps of the wall clock that are remembered; of those before, only the one that lets nodes live longest. */
#define SWEEPER_STEPS_MAX 16
/* Less than this is no step: the two clocks are not read at the same instant. */
#define SWEEPER_STEP_MS 1000

struct sweeper_config {
        bool ttl; /* nodes with a time to live are swept: zookeeper.extendedTypesEnabled */
        uint32_t check_interval_ms, max_per_minute; /* not 0 */
        uint64_t max_never_used_ms;                 /* 0: a container without any child ever stays */
};

struct sweeper;

/* For one leadership, which begins now. */
struct sweeper *sweeper_new(const struct sweeper_config *config, const struct moment *now);
void sweeper_free(struct sweeper *s);
/* A transaction is about to be made: what it writes bears this wall time. */
void sweeper_stamp(struct sweeper *s, const struct moment *now, int64_t zxid);
/* The next node to delete now, a null path when there is none yet. To be called until then; the path lives as long
 * as the tree is not changed. What is proposed but not applied is seen through `prep`. */
struct jute_str sweeper_next(struct sweeper *s, const struct tree *tree, const struct prep *prep,
                             const struct moment *now);
/* Whether the node has a time to live. */
bool sweeper_is_ttl(const struct znode *n);
/* When sweeper_next() is wanted (monotonic ms); UINT64_MAX while there is nothing to look at. */
uint64_t sweeper_deadline(const struct sweeper *s, const struct tree *tree);

#endif
