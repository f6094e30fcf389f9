#include "tests/sim/fleet/fleet_tree.h"

#include "election/server/server_internal.h"
#include "election/tree/tree.h"
#include "tests/sim/world/world_state.h"

int64_t fleet__tree_zxid(const struct world *w)
{
        return w->committed;
}

int64_t fleet__tree_mzxid(const struct world *w, const char *path)
{
        int64_t greatest = 0;
        for (int sid = 1; sid <= w->count; sid++) {
                if (!w->nodes[sid].running)
                        continue;
                const struct znode *z = tree_find(database_tree(w->nodes[sid].server->db), jute_cstr(path));
                struct jute_stat_persisted stat;
                if (!z)
                        continue;
                znode_stat_persisted(z, &stat);
                greatest = stat.mzxid > greatest ? stat.mzxid : greatest;
        }
        return greatest;
}

bool fleet__tree_lacks(const struct world *w, const char *path)
{
        for (int sid = 1; sid <= w->count; sid++) {
                const struct world_node *n = &w->nodes[sid];
                if (n->running && database_zxid(n->server->db) == w->committed)
                        return !tree_find(database_tree(n->server->db), jute_cstr(path));
        }
        return false;
}
