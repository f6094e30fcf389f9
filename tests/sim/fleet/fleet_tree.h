/* What the oracle reads in the servers' trees. A file of its own, for the server's inside and the client's header do
 * not go together. */
#ifndef BATON_TESTS_SIM_FLEET_FLEET_TREE_H
#define BATON_TESTS_SIM_FLEET_FLEET_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct world;

/* The greatest zxid that any server has applied. */
int64_t fleet__tree_zxid(const struct world *w);
/* The greatest mzxid that the znode has in the tree of any server that runs; 0: it is in none. */
int64_t fleet__tree_mzxid(const struct world *w, const char *path);

/* Whether the newest tree there is has no such node. */
bool fleet__tree_lacks(const struct world *w, const char *path);

#endif
