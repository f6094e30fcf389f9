/* A server's tree against the model's, node by node, whole Stats included (safety: Z3, D4, S3, S11). */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <stdio.h>
#include <string.h>

/* Installed by each server for itself, without a transaction. */
#define OWN_NODE "/zookeeper/config"

static void stat_text(char *to, size_t size, const struct jute_stat *s)
{
        (void)snprintf(to, size,
                       "czxid %" PRIx64 " mzxid %" PRIx64 " pzxid %" PRIx64 " ctime %" PRId64 " mtime %" PRId64
                       " versions %d %d %d owner %" PRIx64 " length %d children %d",
                       (uint64_t)s->czxid, (uint64_t)s->mzxid, (uint64_t)s->pzxid, s->ctime, s->mtime, s->version,
                       s->cversion, s->aversion, (uint64_t)s->ephemeral_owner, s->data_length, s->num_children);
}

static bool same_stat(const struct jute_stat *a, const struct jute_stat *b)
{
        return a->czxid == b->czxid && a->mzxid == b->mzxid && a->pzxid == b->pzxid && a->ctime == b->ctime &&
               a->mtime == b->mtime && a->version == b->version && a->cversion == b->cversion &&
               a->aversion == b->aversion && a->ephemeral_owner == b->ephemeral_owner &&
               a->data_length == b->data_length && a->num_children == b->num_children;
}

static bool same_acl(struct jute_vec theirs, const struct model_node *mine)
{
        uint32_t count = (uint32_t)mine->acl[0] << 24 | (uint32_t)mine->acl[1] << 16 | (uint32_t)mine->acl[2] << 8 |
                         mine->acl[3];
        return theirs.count == (int32_t)count && theirs.size == mine->acl_len - 4 &&
               (!theirs.size || !memcmp(theirs.data, mine->acl + 4, theirs.size));
}

static bool compare_node(struct oracle *o, int sid, const struct database *db, const struct model_node *mine)
{
        const struct tree *tree = database_tree(db);
        const struct znode *n = tree_find(tree, jute_str_of(mine->path, mine->path_len));
        struct jute_stat want, have;
        char want_text[256], have_text[256];
        if (!n) {
                ORACLE_BREAK(o, "D4", "server %d has no node %s, which the transactions make", sid, mine->path);
                return false;
        }
        struct jute_str data = znode_data(n);
        model_stat(mine, &want);
        znode_stat(n, &have);
        if (!same_stat(&want, &have)) {
                stat_text(want_text, sizeof want_text, &want);
                stat_text(have_text, sizeof have_text, &have);
                ORACLE_BREAK(o, "S11", "server %d, %s: %s; the transactions make %s", sid, mine->path, have_text,
                             want_text);
                return false;
        }
        if (data.len != mine->data_len || (data.len > 0 && memcmp(data.data, mine->data, (size_t)data.len) != 0)) {
                ORACLE_BREAK(o, "D4", "server %d has other data (%d bytes) in %s than was written (%d bytes)", sid,
                             data.len, mine->path, mine->data_len);
                return false;
        }
        if (!same_acl(tree_acl(tree, n), mine))
                ORACLE_BREAK(o, "D4", "server %d has another ACL at %s than was set", sid, mine->path);
        if (znode_is_ephemeral(n) && !session_table_find(database_sessions(db), have.ephemeral_owner, NULL))
                ORACLE_BREAK(o, "S3", "server %d has %s, whose session 0x%" PRIx64 " is closed", sid, mine->path,
                             (uint64_t)have.ephemeral_owner);
        return true;
}

struct session_walk {
        struct oracle *o;
        int sid;
};

static void check_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct session_walk *w = ctx;
        int32_t mine_ms = 0;
        if (!model_session(w->o->model, id, &mine_ms) || mine_ms != timeout_ms)
                ORACLE_BREAK(w->o, "S3",
                             "server %d has session 0x%" PRIx64 " with timeout %d ms; the transactions leave %d",
                             w->sid, (uint64_t)id, timeout_ms, mine_ms);
}

void oracle__compare_tree(struct oracle *o, int sid, const struct database *db)
{
        size_t nodes = model_count(o->model);
        for (size_t i = 0; i < nodes; i++) {
                const struct model_node *mine = model_at(o->model, i);
                if (strcmp(mine->path, OWN_NODE) != 0 && !compare_node(o, sid, db, mine))
                        return;
        }
        /* A tree counts its root twice. */
        if (tree_count(database_tree(db)) != nodes + 1)
                ORACLE_BREAK(o, "D4", "server %d has %zu nodes, the transactions make %zu", sid,
                             tree_count(database_tree(db)) - 1, nodes);
        session_table_each(database_sessions(db), check_session, &(struct session_walk){.o = o, .sid = sid});
        if (session_table_count(database_sessions(db)) != model_session_count(o->model))
                ORACLE_BREAK(o, "S3", "server %d has %zu sessions, the transactions leave %zu", sid,
                             session_table_count(database_sessions(db)), model_session_count(o->model));
}

void oracle__compare_serving(struct oracle *o)
{
        for (int sid = 1; sid <= o->count; sid++) {
                const struct world_node *n = &o->world->nodes[sid];
                /* One that is behind, or ahead by its epoch's beginning, is compared another time. */
                if (n->running && n->server->serving && database_zxid(n->server->db) == model_zxid(o->model))
                        oracle__compare_tree(o, sid, n->server->db);
        }
}
