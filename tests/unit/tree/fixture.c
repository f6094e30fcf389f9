#include "fixture.h"

#include "election/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct jute_vec acl_choice(unsigned which)
{
        static const uint8_t lists[] = {
                0,   0,   0,   31,  0, 0, 0, 5, 'w', 'o', 'r', 'l', 'd', 0,   0,   0, 6, 'a', 'n', 'y', 'o',
                'n', 'e', 0,   0,   0, 1, 0, 0, 0,   5,   'w', 'o', 'r', 'l', 'd', 0, 0, 0,   6,   'a', 'n',
                'y', 'o', 'n', 'e', 0, 0, 0, 3, 0,   0,   0,   2,   'i', 'p', 0,   0, 0, 1,   'x',
        };
        switch (which) {
        case 0:
                return (struct jute_vec){.data = NULL, .size = 0, .count = -1};
        case 1:
                return (struct jute_vec){.data = lists, .size = 23, .count = 1};
        case 2:
                return (struct jute_vec){.data = lists, .size = 0, .count = 0};
        case 3:
                return (struct jute_vec){.data = lists + 23, .size = 23, .count = 1};
        case 4:
                return (struct jute_vec){.data = lists + 23, .size = 38, .count = 2};
        default:
                return (struct jute_vec){.data = lists + 46, .size = 15, .count = 1};
        }
}

unsigned below(struct prng *p, unsigned n)
{
        return (unsigned)(prng_next(p) % n);
}

const struct znode *node(const struct database *db, const char *path)
{
        return tree_find(database_tree(db), jute_cstr(path));
}

/* ---- transactions ---- */

int64_t time_of(int64_t zxid)
{
        return 1700000000000 + zxid * 10;
}

void begin_txn(struct jute_writer *w, int64_t session, int64_t zxid, int32_t type)
{
        const struct jute_txn_header h = {
                .session_id = session, .cxid = 1, .zxid = zxid, .time = time_of(zxid), .type = type};
        jute_writer_reset(w);
        jute_put_txn_header(w, &h);
}

void put_digest(struct jute_writer *w, uint64_t digest)
{
        jute_put_int(w, JUTE_DIGEST_VERSION);
        jute_put_long(w, (int64_t)digest);
}

void put_body(struct jute_writer *w, const struct make *m)
{
        const bool creates = m->type == OP_CREATE || m->type == OP_CREATE2 || m->type == OP_CREATE_CONTAINER ||
                             m->type == OP_CREATE_TTL;
        const bool sets_data = m->type == OP_SET_DATA || m->type == OP_RECONFIG;
        if (m->type != OP_ERROR && m->type != OP_CREATE_SESSION)
                jute_put_cstr(w, m->path);
        if (creates || sets_data)
                jute_put_cstr(w, m->data);
        if (creates || m->type == OP_SET_ACL)
                jute_put_vec(w, acl_choice(m->acl));
        if (m->type == OP_CREATE || m->type == OP_CREATE2)
                jute_put_bool(w, m->ephemeral);
        if (m->type != OP_DELETE && m->type != OP_DELETE_CONTAINER)
                jute_put_int(w, m->number);
        if (m->type == OP_CREATE_TTL)
                jute_put_long(w, m->ttl);
}

void put_multi(struct jute_writer *w, const struct make *ops, size_t count)
{
        jute_put_int(w, (int32_t)count);
        for (size_t i = 0; i < count; i++) {
                jute_put_int(w, ops[i].type);
                const size_t at = w->len;
                jute_put_int(w, 0);
                put_body(w, &ops[i]);
                jute_patch_int(w, at, (int32_t)(w->len - at - 4));
        }
}

void put_paths(struct jute_writer *w, const char *const *paths, size_t count)
{
        jute_put_int(w, (int32_t)count);
        for (size_t i = 0; i < count; i++)
                jute_put_cstr(w, paths[i]);
}

void apply(struct database *db, struct jute_writer *w, struct outcome *out)
{
        assert_int_equal(database_apply(db, w->data, w->len, out), 0);
        /* `w` keeps its bytes: the outcome points into them. */
        w->len = 0;
        tree__check(db->tree);
}

void apply_one(struct database *db, int64_t session, int64_t zxid, struct make m, struct outcome *out)
{
        static struct jute_writer w = {.max = ITEM_MAX}; /* lives on: `out` points into it */
        begin_txn(&w, session, zxid, m.type);
        put_body(&w, &m);
        apply(db, &w, out);
}

/* ---- canonical form ---- */

struct dumped {
        const struct znode **nodes;
        int64_t (*sessions)[2];
        size_t count;
};

static int by_path(const void *a, const void *b)
{
        struct jute_str x = znode_path(*(const struct znode *const *)a),
                        y = znode_path(*(const struct znode *const *)b);
        int order = memcmp(x.data, y.data, (size_t)(x.len < y.len ? x.len : y.len));
        return order ? order : (x.len > y.len) - (x.len < y.len);
}

static int by_id(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

static void put_node(const struct database *db, const struct znode *n, struct jute_writer *w)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        jute_put_str(w, znode_path(n));
        jute_put_str(w, znode_data(n));
        jute_put_vec(w, tree_acl(database_tree(db), n));
        jute_put_stat_persisted(w, &stat);
        jute_put_int(w, znode_children(n));
}

static void dump_nodes(const struct database *db, struct jute_writer *w)
{
        const struct tree *t = database_tree(db);
        const struct znode **nodes = mem_alloc(t->nodes.count * sizeof *nodes);
        size_t count = 0;
        for (struct znode *n = t->root; n; n = tree__next(t->root, n))
                nodes[count++] = n;
        qsort(nodes, count, sizeof *nodes, by_path);
        for (size_t i = 0; i < count; i++)
                put_node(db, nodes[i], w);
        mem_free(nodes);
}

static void collect_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct dumped *d = ctx;
        d->sessions[d->count][0] = id;
        d->sessions[d->count++][1] = timeout_ms;
}

void dump(const struct database *db, struct jute_writer *w)
{
        const struct session_table *s = database_sessions(db);
        struct dumped d = {.sessions = mem_alloc(session_table_count(s) * sizeof *d.sessions)};
        session_table_each(s, collect_session, &d);
        qsort(d.sessions, d.count, sizeof *d.sessions, by_id);
        jute_writer_reset(w);
        for (size_t i = 0; i < d.count; i++) {
                jute_put_long(w, d.sessions[i][0]);
                jute_put_long(w, d.sessions[i][1]);
        }
        mem_free(d.sessions);
        dump_nodes(db, w);
        jute_put_long(w, (int64_t)tree_digest(database_tree(db)));
}

void assert_same(const struct jute_writer *a, const struct jute_writer *b)
{
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->data, b->data, a->len);
}

void assert_same_state(const struct database *a, const struct database *b)
{
        struct jute_writer x, y;
        jute_writer_init(&x, SIZE_MAX);
        jute_writer_init(&y, SIZE_MAX);
        dump(a, &x);
        dump(b, &y);
        assert_same(&x, &y);
        jute_writer_done(&x);
        jute_writer_done(&y);
}

/* ---- snapshots ---- */

int feed_randomly(struct database_loader *l, struct prng *p, const uint8_t *data, size_t len, size_t *ret_consumed)
{
        size_t at = 0;
        int r = 0;
        while (at < len && r == 0) {
                size_t used = 0, portion = 1;
                if (p && below(p, 3) > 0)
                        portion = 1 + below(p, below(p, 4) == 0 ? 4000 : 30);
                if (portion > len - at)
                        portion = len - at;
                r = database_loader_feed(l, data + at, portion, &used);
                assert_true(used <= portion && (r != 0 || used == portion));
                at += used;
        }
        if (ret_consumed)
                *ret_consumed = at;
        return r;
}

struct database *load(const struct jute_writer *stream, int64_t zxid)
{
        struct database_loader *l = database_loader_new(ITEM_MAX);
        size_t used = 0;
        assert_int_equal(database_loader_feed(l, stream->data, stream->len, &used), 1);
        assert_int_equal(used, stream->len);
        struct database *db = database_loader_take(l, zxid);
        database_loader_free(l);
        tree__check(db->tree);
        return db;
}

void read_snapshot(struct database *db, struct jute_writer *w)
{
        assert_int_equal(database_snapshot_begin(db), 0);
        while (database_snapshot_read(db, w, 1000) == 1)
                assert_int_equal(w->error, 0);
        database_snapshot_end(db);
}
