/* Quotas of subtrees (client-protocol.md 6.4). The quota of a path P is a pair of nodes that clients make,
 *     /zookeeper/quota + P + /zookeeper_limits    what the subtree may have
 *     /zookeeper/quota + P + /zookeeper_stats     what it has, P included
 * each with a text such as "count=5,bytes=-1=;byteHardLimit=10". The tree counts into the stats of the innermost
 * quota alone, in the node's data and without any trace in its Stat, exactly as a ZooKeeper server does: the data
 * is part of the tree that all servers must have. Whether anything is refused is the leader's affair (prep.h).
 *
 * What has no quota costs one look at a counter; otherwise each name of a written path costs one look into a
 * table, down to the first that no quota's path has. */
#ifndef BATON_TREE_QUOTA_H
#define BATON_TREE_QUOTA_H

#include "election/tree/tree.h"

/* Bytes of a text that a client may put into a stats node: every change below the quota reads it, and writes it anew
 * with its parts in order. What a ZooKeeper makes of it itself has less than 150. */
#define QUOTA_STATS_TEXT_MAX 512
/* Bytes of a limits node that are looked at: every change below the quota does so. What is longer can't be read. */
#define QUOTA_LIMITS_TEXT_MAX 4096

/* A text, read. -1: not there, which means unlimited. */
struct quota_text {
        int64_t count, bytes;           /* soft limits, or what there is */
        int64_t count_hard, bytes_hard; /* hard limits */
};

/* Reads it as ZooKeeper's StatsTrack does. False for what that throws an exception at: null, a part without a
 * value, a value that is no 64-bit number. */
bool quota_text_read(struct jute_str text, struct quota_text *ret);

enum quota_verdict {
        QUOTA_OK,
        QUOTA_SOFT,       /* over a soft limit: said, and done nevertheless */
        QUOTA_HARD,       /* over a hard limit */
        QUOTA_UNREADABLE, /* over nothing that could be told: the texts can't be read */
};

/* The limit that was met. */
struct quota_excess {
        struct jute_str path; /* of the quota; lives as long as that */
        bool bytes;           /* bytes, or nodes */
        int64_t used, limit;  /* `used` with the change */
};

/* Judges a change of `bytes` (and `count` nodes) at a path by the innermost quota there, as applied so far.
 * `ret` is written for QUOTA_SOFT and QUOTA_HARD.
 * Source: ZooKeeperServer.checkQuota(): a quota whose nodes are missing is none; bytes that stay the same are not
 * looked at, fewer are; of an excess of nodes and one of bytes the first that is hard counts. */
enum quota_verdict quota_check(const struct tree *t, struct jute_str path, int64_t bytes, int64_t count,
                               struct quota_excess *ret);

/* Nodes and texts that no client may make, because a ZooKeeper server that applies the transaction, or counts
 * below such a quota, ends and never starts again with that log:
 * a limits node of no path, or one below /zookeeper whose deletion makes it cut a name too short; */
bool quota_path_is_deadly(struct jute_str path);
/* a stats node's new text that it can't read. Stricter than that: only ASCII, and QUOTA_STATS_TEXT_MAX at most. */
bool quota_text_is_deadly(struct jute_str path, struct jute_str data);

/* The quotas below one first name, added up: what mntr shows of it. */
struct quota_namespace {
        struct jute_str name;
        bool has_limits, has_stats;
        int64_t count_limit, bytes_limit; /* the hard limit of each where it has one; -1s are added up too */
        int64_t count_usage, bytes_usage;
};

/* Calls `fn` for each first name below which there is a readable limits or stats node, in no particular order; walks
 * over all quota nodes. Source: QuotaMetricsUtils. */
void quota_each_namespace(const struct tree *t, void (*fn)(void *ctx, const struct quota_namespace *n), void *ctx);

#endif
