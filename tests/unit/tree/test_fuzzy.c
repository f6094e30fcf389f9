/* Snapshots as a Java server takes them, node by node while transactions go on (storage-format.md 5):
 * loading one and replaying what came after its zxid must give the state of a server that never
 * stopped, with every Stat, ACL and session. The history is one that a leader could have made. */
#include "fixture.h"

#include "election/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS        200
#define STEPS_BEFORE 150
#define STEPS_AFTER  30
#define SESSIONS     4
#define PATH_SIZE    64

struct txn_bytes {
        uint8_t *data;
        size_t len;
        int64_t zxid;
};

struct world {
        struct prng p;
        struct database *db;
        struct jute_writer w;
        int64_t zxid;
        struct txn_bytes *log;
        size_t log_count, log_capacity;
};

static void commit(struct world *x)
{
        x->log = mem_grow(x->log, &x->log_capacity, x->log_count + 1, sizeof *x->log);
        x->log[x->log_count++] =
                (struct txn_bytes){.data = mem_dup(x->w.data, x->w.len), .len = x->w.len, .zxid = x->zxid};
        apply(x->db, &x->w, NULL);
}

/* What a leader would make of a random request; false where it would refuse it. */
static bool make_valid(struct world *x, struct make *m, char path[PATH_SIZE])
{
        static const int32_t types[] = {OP_CREATE, OP_CREATE2, OP_CREATE_CONTAINER, OP_CREATE_TTL,
                                        OP_DELETE, OP_DELETE,  OP_SET_DATA,         OP_SET_ACL};
        size_t len = 0;
        for (unsigned depth = 1 + below(&x->p, 3); depth > 0; depth--)
                len += (size_t)snprintf(path + len, PATH_SIZE - len, "/%c", (char)('a' + below(&x->p, 3)));
        *m = (struct make){.type = types[below(&x->p, 8)], .path = path, .acl = below(&x->p, ACL_CHOICES)};
        m->data = below(&x->p, 2) ? "some data" : NULL;
        m->ttl = 1000;
        const struct znode *n = node(x->db, path);
        const struct znode *parent = tree_find(x->db->tree, path_parent(jute_cstr(path)));
        if (!parent || znode_is_ephemeral(parent))
                return false;
        if (m->type == OP_DELETE)
                return n && !n->family;
        if (m->type == OP_SET_DATA || m->type == OP_SET_ACL) {
                m->number = !n ? 0 : m->type == OP_SET_DATA ? n->version + 1 : n->aversion + 1;
                return n != NULL;
        }
        m->number = parent->cversion + 1;
        m->ephemeral = m->type != OP_CREATE_CONTAINER && m->type != OP_CREATE_TTL && below(&x->p, 2);
        return !n;
}

static void list_path(void *ctx, const struct znode *n)
{
        jute_put_str(ctx, znode_path(n));
}

static void step_session(struct world *x, int64_t session)
{
        if (!session_table_find(x->db->sessions, session, NULL)) {
                begin_txn(&x->w, session, ++x->zxid, OP_CREATE_SESSION);
                jute_put_int(&x->w, 4000 + (int32_t)x->zxid);
        } else {
                begin_txn(&x->w, session, ++x->zxid, OP_CLOSE_SESSION);
                jute_put_int(&x->w, (int32_t)tree_ephemerals(x->db->tree, session, NULL, NULL));
                (void)tree_ephemerals(x->db->tree, session, list_path, &x->w); /* the count is known */
        }
        commit(x);
}

/* An operation alone, or two in a multi of which the second does not depend on the first. */
static void step(struct world *x)
{
        struct make m[2];
        char paths[2][PATH_SIZE];
        int64_t session = 1 + below(&x->p, SESSIONS);
        unsigned what = below(&x->p, 10);
        if (what == 0 || !session_table_find(x->db->sessions, session, NULL)) {
                step_session(x, session);
                return;
        }
        if (!make_valid(x, &m[0], paths[0]))
                return;
        if (what == 1 && m[0].type != OP_SET_ACL) {
                m[1] = (struct make){
                        .type = OP_SET_DATA, .path = "/", .data = "root", .number = node(x->db, "/")->version + 1};
                begin_txn(&x->w, session, ++x->zxid, OP_MULTI);
                put_multi(&x->w, m, 2);
        } else {
                begin_txn(&x->w, session, ++x->zxid, m[0].type);
                put_body(&x->w, &m[0]);
        }
        commit(x);
}

/* ---- a snapshot as Java takes it ---- */

struct walk_path {
        char text[PATH_SIZE];
};

static void put_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        jute_put_long(ctx, id);
        jute_put_int(ctx, timeout_ms);
}

static void put_node(struct jute_writer *w, const struct znode *n)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        jute_put_str(w, znode_path(n));
        jute_put_str(w, znode_data(n));
        jute_put_long(w, znode_acl_key(n));
        jute_put_stat_persisted(w, &stat);
}

/* Sessions and ACL map at once; then each node in its state of the moment the walk comes to it, with the
 * children it has then; nodes gone by then are left out. Transactions happen in between. */
static void take_fuzzy(struct world *x, struct jute_writer *w)
{
        static struct walk_path stack[4000];
        size_t depth = 1;
        jute_put_int(w, (int32_t)session_table_count(x->db->sessions));
        session_table_each(x->db->sessions, put_session, w);
        acl_table_put(&x->db->tree->acls, w);
        stack[0].text[0] = '\0';
        while (depth > 0) {
                struct walk_path at = stack[--depth];
                for (unsigned n = below(&x->p, 4); n > 0; n--)
                        step(x);
                const struct znode *n = node(x->db, at.text);
                if (!n)
                        continue;
                put_node(w, n);
                for (const struct znode *c = znode__first_child(n); c; c = c->next) {
                        assert_true(depth < sizeof stack / sizeof *stack && c->path_len < PATH_SIZE);
                        memcpy(stack[depth].text, c->path, c->path_len);
                        stack[depth++].text[c->path_len] = '\0';
                }
        }
        jute_put_cstr(w, "/");
}

static void replay(struct world *x, struct database *db, int64_t after)
{
        for (size_t i = 0; i < x->log_count; i++) {
                if (x->log[i].zxid <= after)
                        continue;
                assert_int_equal(database_apply(db, x->log[i].data, x->log[i].len, NULL), 0);
                tree__check(db->tree);
        }
}

static size_t run(uint64_t seed)
{
        struct world x = {.p = {.state = seed}};
        struct jute_writer stream;
        x.db = database_new();
        jute_writer_init(&x.w, ITEM_MAX);
        jute_writer_init(&stream, ITEM_MAX);
        for (int i = 0; i < STEPS_BEFORE; i++)
                step(&x);
        const int64_t from = x.zxid;
        take_fuzzy(&x, &stream);
        const int64_t until = x.zxid;
        for (int i = 0; i < STEPS_AFTER; i++)
                step(&x);
        struct database *copy = load(&stream, from);
        replay(&x, copy, from);
        assert_int_equal(database_zxid(copy), x.zxid);
        assert_same_state(x.db, copy);
        database_free(copy);
        database_free(x.db);
        for (size_t i = 0; i < x.log_count; i++)
                mem_free(x.log[i].data);
        mem_free(x.log);
        jute_writer_done(&x.w);
        jute_writer_done(&stream);
        return (size_t)(until - from);
}

static void test_replay_over_a_fuzzy_snapshot_ends_in_the_live_state(void **state)
{
        (void)state;
        size_t during = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                printf("seed %llu\n", (unsigned long long)seed);
                during += run(seed);
        }
        printf("%zu transactions during %d walks\n", during, SEEDS);
        assert_true(during > 5 * SEEDS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replay_over_a_fuzzy_snapshot_ends_in_the_live_state),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
