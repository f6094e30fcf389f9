#include "twin.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

struct twin_node *twin_find(struct twin *t, const char *path)
{
        assert(path);
        for (size_t i = 0; i < TWIN_NODES_MAX; i++)
                if (t->nodes[i].used && strcmp(t->nodes[i].path, path) == 0)
                        return &t->nodes[i];
        return NULL;
}

static void set_text(char *to, size_t size, const char *from)
{
        assert(from);
        size_t len = strlen(from);
        assert_true(len < size);
        memcpy(to, from, len + 1);
}

static void set_data(struct twin_node *n, const char *data)
{
        n->null_data = data == NULL;
        set_text(n->data, sizeof n->data, data ? data : "");
}

static struct twin_node *add(struct twin *t, const char *path, const char *data, unsigned acl)
{
        size_t i = 0;
        while (t->nodes[i].used)
                assert_true(++i < TWIN_NODES_MAX);
        struct twin_node *n = &t->nodes[i];
        memset(n, 0, sizeof *n);
        n->used = true;
        set_text(n->path, sizeof n->path, path);
        set_data(n, data);
        n->acl = acl;
        return n;
}

void twin_init(struct twin *t)
{
        memset(t, 0, sizeof *t);
        for (size_t i = 0; i <= TWIN_SESSIONS; i++)
                t->timeouts[i] = -1;
        (void)add(t, "", "", 0);
        (void)add(t, "/zookeeper", "", 0);
        (void)add(t, "/zookeeper/quota", "", 0);
        add(t, "/zookeeper/config", "", 3)->stat.aversion = -1;
}

static struct twin_node *find_parent(struct twin *t, const char *path)
{
        char parent[TWIN_PATH_MAX];
        set_text(parent, sizeof parent, path);
        *strrchr(parent, '/') = '\0';
        return twin_find(t, parent);
}

static void create(struct twin *t, int64_t session, int64_t zxid, const struct make *m)
{
        struct twin_node *parent = find_parent(t, m->path), *n = twin_find(t, m->path);
        if (!parent)
                return;
        int32_t cversion = m->number == -1 ? parent->stat.cversion + 1 : m->number;
        if (cversion > parent->stat.cversion) {
                parent->stat.cversion = cversion;
                parent->stat.pzxid = zxid;
        }
        if (n) {
                n->acl = m->acl;
                return;
        }
        n = add(t, m->path, m->data, m->acl);
        n->stat.czxid = n->stat.mzxid = n->stat.pzxid = zxid;
        n->stat.ctime = n->stat.mtime = time_of(zxid);
        if (m->type == OP_CREATE_CONTAINER)
                n->stat.ephemeral_owner = INT64_MIN;
        else if (m->type == OP_CREATE_TTL)
                n->stat.ephemeral_owner = (int64_t)((uint64_t)m->ttl | UINT64_C(0xFF00000000000000));
        else if (m->ephemeral)
                n->stat.ephemeral_owner = session;
}

static void delete (struct twin *t, int64_t zxid, const char *path)
{
        assert(path);
        struct twin_node *parent = find_parent(t, path);
        size_t len = strlen(path);
        if (!parent)
                return;
        if (zxid > parent->stat.pzxid)
                parent->stat.pzxid = zxid;
        for (size_t i = 0; i < TWIN_NODES_MAX; i++) {
                const char *p = t->nodes[i].path;
                if (strncmp(p, path, len) == 0 && (p[len] == '\0' || p[len] == '/'))
                        t->nodes[i].used = false;
        }
}

void twin_close(struct twin *t, int64_t session, int64_t zxid, const char *const *paths, size_t count)
{
        for (size_t i = 0; i < count; i++)
                delete (t, zxid, paths[i]);
        for (size_t i = 0; i < TWIN_NODES_MAX; i++)
                if (t->nodes[i].used && t->nodes[i].stat.ephemeral_owner == session)
                        delete (t, zxid, t->nodes[i].path);
        t->timeouts[session] = -1;
}

void twin_apply(struct twin *t, int64_t session, int64_t zxid, const struct make *m)
{
        struct twin_node *n = m->path ? twin_find(t, m->path) : NULL;
        switch (m->type) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                create(t, session, zxid, m);
                break;
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                delete (t, zxid, m->path);
                break;
        case OP_SET_DATA:
        case OP_RECONFIG:
                if (!n)
                        break;
                set_data(n, m->data);
                n->stat.version = m->number;
                n->stat.mzxid = zxid;
                n->stat.mtime = time_of(zxid);
                break;
        case OP_SET_ACL:
                if (!n)
                        break;
                n->acl = m->acl;
                n->stat.aversion = m->number;
                break;
        case OP_CREATE_SESSION:
                t->timeouts[session] = m->number;
                break;
        default:
                break;
        }
}

/* ---- comparing ---- */

static void put(uint8_t *bytes, size_t *at, uint64_t v, size_t size)
{
        for (size_t i = size; i > 0; i--)
                bytes[(*at)++] = (uint8_t)(v >> (8 * (i - 1)));
}

static uint64_t digest_of(const struct twin_node *n)
{
        uint8_t bytes[TWIN_PATH_MAX + TWIN_DATA_MAX + 60];
        size_t at = strlen(n->path), data_len = strlen(n->data);
        if (strncmp(n->path, "/zookeeper/", 11) == 0)
                return 0;
        memcpy(bytes, n->path, at);
        memcpy(bytes + at, n->data, data_len);
        at += data_len;
        put(bytes, &at, (uint64_t)n->stat.czxid, 8);
        put(bytes, &at, (uint64_t)n->stat.mzxid, 8);
        put(bytes, &at, (uint64_t)n->stat.pzxid, 8);
        put(bytes, &at, (uint64_t)n->stat.ctime, 8);
        put(bytes, &at, (uint64_t)n->stat.mtime, 8);
        put(bytes, &at, (uint32_t)n->stat.version, 4);
        put(bytes, &at, (uint32_t)n->stat.cversion, 4);
        put(bytes, &at, (uint32_t)n->stat.aversion, 4);
        put(bytes, &at, (uint64_t)n->stat.ephemeral_owner, 8);
        return crc32(0, bytes, (uInt)at);
}

static void compare_node(const struct twin_node *n, const struct database *db)
{
        const struct znode *z = node(db, n->path);
        struct jute_stat_persisted stat;
        if (!z)
                fail_msg("missing: %s", n->path);
        znode_stat_persisted(z, &stat);
        assert_int_equal(stat.czxid, n->stat.czxid);
        assert_int_equal(stat.mzxid, n->stat.mzxid);
        assert_int_equal(stat.pzxid, n->stat.pzxid);
        assert_int_equal(stat.ctime, n->stat.ctime);
        assert_int_equal(stat.mtime, n->stat.mtime);
        assert_int_equal(stat.version, n->stat.version);
        assert_int_equal(stat.cversion, n->stat.cversion);
        assert_int_equal(stat.aversion, n->stat.aversion);
        assert_int_equal(stat.ephemeral_owner, n->stat.ephemeral_owner);
        assert_int_equal(znode_data(z).len, n->null_data ? -1 : (int)strlen(n->data));
        assert_true(n->null_data || jute_str_is(znode_data(z), n->data));
        struct jute_vec want = acl_choice(n->acl ? n->acl : 1), got = tree_acl(database_tree(db), z);
        assert_int_equal(got.count, want.count);
        assert_int_equal(got.size, want.size);
        assert_true(got.size == 0 || memcmp(got.data, want.data, got.size) == 0);
}

void twin_compare(struct twin *t, const struct database *db)
{
        uint64_t digest = 0;
        size_t count = 0, sessions = 0;
        for (size_t i = 0; i < TWIN_NODES_MAX; i++) {
                if (!t->nodes[i].used)
                        continue;
                compare_node(&t->nodes[i], db);
                digest += digest_of(&t->nodes[i]);
                count++;
        }
        assert_int_equal(tree_count(database_tree(db)), count + 1);
        assert_int_equal(tree_digest(database_tree(db)), digest);
        for (int64_t s = 1; s <= TWIN_SESSIONS; s++) {
                int32_t timeout = -1;
                (void)session_table_find(database_sessions(db), s, &timeout); /* -1 stays where it is not there */
                assert_int_equal(timeout, t->timeouts[s]);
                sessions += timeout != -1;
        }
        assert_int_equal(session_table_count(database_sessions(db)), sessions);
}
