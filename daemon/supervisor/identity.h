/* Who a child runs as: names of the configuration become numbers, before the fork, and are taken on after it. */
#ifndef BATON_SUPERVISOR_IDENTITY_H
#define BATON_SUPERVISOR_IDENTITY_H

#include "daemon/common/node_config.h"

#include <stdbool.h>
#include <sys/types.h>

/* Supplementary groups of one user. */
#define IDENTITY_GROUPS_MAX 64
/* A sentence about what is wrong. */
#define IDENTITY_WHY_MAX 256

struct identity_ids {
        bool change; /* false: stays who the supervisor is */
        uid_t uid;
        gid_t gid;
        gid_t groups[IDENTITY_GROUPS_MAX];
        size_t group_count;
        bool limit_capabilities; /* true: exactly `capabilities`; false: all that the supervisor has (root stays root)
                                  */
        uint64_t capabilities;   /* bit n: capability number n */
};

/* Looks the names up. A user without a group gets the user's own groups. Without a user and with capabilities, the
 * child stays the supervisor's user with these capabilities only. Returns 0, or -EINVAL with `why`. */
int identity_resolve(const struct identity *names, struct identity_ids *ret, char why[IDENTITY_WHY_MAX]);

/* What names became, kept: a name service may take its time, and whoever stops a service has none. */
struct identity_known {
        bool known;
        struct identity names;
        struct identity_ids ids;
};

/* Like identity_resolve(), which it asks once for the same names. What was wrong is asked again. `*ret` is valid until
 * the next call. */
int identity_find(struct identity_known *k, const struct identity *names, const struct identity_ids **ret,
                  char why[IDENTITY_WHY_MAX]);
/* The number of CAP_…, or -1. Case does not matter. */
int identity_capability(const char *name);
/* Between fork and exec, async-signal-safe: groups, user, capabilities (ambient too), no new privileges. 0 or -errno
 * with the step's name in *step. */
int identity_take_on(const struct identity_ids *ids, const char **step);

#endif
