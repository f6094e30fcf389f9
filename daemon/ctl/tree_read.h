/* A subtree read from the ensemble, node by node. */
#ifndef BATON_CTL_TREE_READ_H
#define BATON_CTL_TREE_READ_H

#include "daemon/ctl/ctl.h"
#include "daemon/ctl/tree_file.h"

/* Takes what the node holds, by emptying it, or looks at it. Returns CTL_DONE, or an exit status, the reason printed:
 * the reading ends then. */
typedef int tree_node_fn(void *ctx, struct tree_node *node);

struct tree_read {
        const char *path;
        bool acl; /* ACLs too; refused where they are shown masked, by whoever may not administer a znode */
        bool one; /* the znode alone */
        tree_node_fn *on_node;
        void *ctx;
};

/* Parents before children, siblings by name, ephemerals as such. The servers' own /zookeeper is left out below "/". Not
 * of one moment: a change while it runs may be seen or not. Returns an exit status, the reason printed. */
int tree_read(struct ctl *c, const struct tree_read *what);

#endif
