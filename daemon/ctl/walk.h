/* All znodes below one, as one list. Not of one moment: what is made or removed meanwhile may be missing, or there. */
#ifndef BATON_CTL_WALK_H
#define BATON_CTL_WALK_H

#include "daemon/ctl/ctl.h"

/* Znodes of one list. */
#define WALK_ZNODES_MAX 2000000

struct walk_node {
        char *path;
        struct jute_stat stat;
        int32_t error; /* ZK_OK, or why its children are not known: no permission, or it has gone */
};

struct walk {
        struct walk_node *nodes; /* parents before children, siblings by name; the first is where it began */
        size_t count, capacity;
        bool too_many;
};

/* Returns an exit status, the reason printed, also when `path` itself is not there. Znodes that go meanwhile are left
 * out. Ended by walk_done() in any case. */
int walk_read(struct ctl *c, const char *path, struct walk *ret);
void walk_done(struct walk *w);
/* CTL_DONE, or CTL_REFUSED when some znode could not be looked into, the first of them printed. */
int walk_complete(const struct walk *w);

#endif
