/* The database as a whole: made fresh, configured, stripped of orphans. */
#include "election/tree/database_internal.h"

#include "election/base/alloc.h"

struct database *database__new(uint64_t hash_seed)
{
        struct database *db = mem_zalloc(sizeof *db);
        db->tree = tree__new(hash_seed);
        db->sessions = session_table_new();
        return db;
}

void database_free(struct database *db)
{
        if (!db)
                return;
        tree__free(db->tree);
        session_table_free(db->sessions);
        digest_log_done(&db->digests);
        mem_free(db);
}

/* Reserved nodes have empty data, not null, and a Stat of zeros (storage-format.md 4.2). */
static struct znode *reserve_node(struct tree *t, const char *path, int64_t acl_key, int32_t aversion)
{
        struct jute_str p = jute_cstr(path);
        struct znode *n = tree__find(t, p);
        if (n)
                return n;
        const struct jute_stat_persisted stat = {.aversion = aversion};
        struct znode *parent = p.len > 0 ? tree__find(t, path_parent(p)) : NULL;
        return tree__insert(t, parent, p, jute_cstr(""), acl_key, &stat);
}

/* ACL world:anyone READ, aversion -1 (client-protocol.md 6.3). */
static struct znode *reserve_config(struct tree *t)
{
        static const uint8_t read_acl[] = {0,   0, 0, 1, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                           'd', 0, 0, 0, 6, 'a', 'n', 'y', 'o', 'n', 'e'};
        const char *path = "/zookeeper/config";
        struct znode *n = tree__find(t, jute_cstr(path));
        if (n)
                return n;
        (void)reserve_node(t, "/zookeeper", ACL_KEY_OPEN, 0);
        struct jute_vec acl = {.data = read_acl, .size = sizeof read_acl, .count = 1};
        return reserve_node(t, path, acl_table_intern(&t->acls, acl), -1);
}

struct database *database_new(void)
{
        return database_new_hashed(0);
}

struct database *database_new_hashed(uint64_t hash_seed)
{
        struct database *db = database__new(hash_seed);
        (void)reserve_node(db->tree, "", ACL_KEY_OPEN, 0);
        (void)reserve_node(db->tree, "/zookeeper", ACL_KEY_OPEN, 0);
        (void)reserve_node(db->tree, "/zookeeper/quota", ACL_KEY_OPEN, 0);
        (void)reserve_config(db->tree);
        return db;
}

const struct tree *database_tree(const struct database *db)
{
        return db->tree;
}

const struct session_table *database_sessions(const struct database *db)
{
        return db->sessions;
}

int64_t database_zxid(const struct database *db)
{
        return db->zxid;
}

void database_digests(const struct database *db, void (*fn)(void *ctx, int64_t zxid, uint64_t digest), void *ctx)
{
        digest_log_each(&db->digests, fn, ctx);
}

void database_set_zxid(struct database *db, int64_t zxid)
{
        if (zxid > db->zxid)
                db->zxid = zxid;
}

void database_set_config(struct database *db, struct jute_str text, int64_t version, int64_t wall_ms)
{
        struct znode *n = reserve_config(db->tree);
        const int32_t old_len = n->data_len;
        tree__change_begin(db->tree, n);
        tree__set_data(db->tree, n, text);
        n->version = -1;
        n->aversion = -1;
        n->mzxid = version;
        n->mtime = wall_ms;
        tree__change_end(db->tree, n);
        quota__changed(db->tree, n, old_len);
}

void database_keep_config(struct database *db)
{
        (void)reserve_config(db->tree);
}

/* Sessions that own something and are not in the table; collected first, since removing changes the
 * table of owners. */
struct orphan_search {
        const struct session_table *sessions;
        int64_t *found;
        size_t count, capacity;
};

static void look_for_orphan(void *ctx, struct index_link *l)
{
        struct orphan_search *s = ctx;
        const struct owner *o = INDEX_ENTRY(l, struct owner, link);
        if (session_table_find(s->sessions, o->session, NULL))
                return;
        s->found = mem_grow(s->found, &s->capacity, s->count + 1, sizeof *s->found);
        s->found[s->count++] = o->session;
}

size_t database_remove_orphans(struct database *db)
{
        const struct jute_str null = {.data = NULL, .len = -1};
        const size_t before = db->tree->ephemerals;
        struct orphan_search s = {.sessions = db->sessions};
        index_each(&db->tree->owners, look_for_orphan, &s);
        for (size_t i = 0; i < s.count; i++)
                for (struct znode *n; (n = tree__ephemeral(db->tree, s.found[i]));)
                        database__remove(db, n, db->zxid, null, NULL);
        mem_free(s.found);
        return before - db->tree->ephemerals;
}
