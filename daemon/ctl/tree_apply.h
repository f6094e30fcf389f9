/* A tree written to the ensemble: what is missing is made, what is there must be the same or is replaced.
 *
 * First all of it is compared, and nothing is changed where a difference stands in the way. Then multis of bounded size
 * follow, each all or nothing, not all of them together. What was made is the same when it is applied again, so that
 * whoever was interrupted runs it again. */
#ifndef BATON_CTL_TREE_APPLY_H
#define BATON_CTL_TREE_APPLY_H

#include "daemon/ctl/ctl.h"
#include "daemon/ctl/tree_file.h"

/* Operations of one multi. */
#define TREE_BATCH_OPS_MAX 500
/* Bytes of the values and paths of one multi; a single larger one goes alone. */
#define TREE_BATCH_BYTES_MAX (512u << 10)
/* Differences that are printed. */
#define TREE_SHOWN_MAX 10

struct tree_apply {
        bool replace; /* what differs is overwritten */
        bool parents; /* those of the root are made */
        bool dry;     /* only shown */
};

struct tree_applied {
        size_t made, changed, same, ephemerals; /* ephemerals are left out: they belong to a session */
};

/* Gives the tree another root. */
void tree_move(struct tree *t, const char *root);
/* Returns an exit status, the reason printed, how much was done too; `ret` in any case. */
int tree_apply(struct ctl *c, const struct tree *t, const struct tree_apply *how, struct tree_applied *ret);
/* The end of import and cp, for a person or a program. */
void tree_show_applied(const struct ctl_options *o, const char *root, bool dry, const struct tree_applied *a);

#endif
