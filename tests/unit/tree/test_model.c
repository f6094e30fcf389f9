/* Random transactions, sensible and not, against the dumb twin; and exact snapshots taken while they
 * run: a snapshot loaded must be the state at its beginning, whatever happened since. */
#include "fixture.h"
#include "twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS   30
#define STEPS   1500
#define OPS_MAX 6

/* A snapshot in the making. */
struct shot {
        bool on;
        struct jute_writer want; /* dump at its beginning */
        struct jute_writer stream;
        struct database_loader *loader;
        size_t fed;
        int64_t zxid;
        uint64_t digest;
};

struct world {
        struct prng p;
        struct database *db;
        struct twin twin;
        struct jute_writer w;
        struct outcome out;
        struct shot shot;
        int64_t zxid;
        size_t shots;
        char paths[OPS_MAX][TWIN_PATH_MAX];
        char data[OPS_MAX][TWIN_DATA_MAX];
};

static const char *random_path(struct world *x, size_t slot)
{
        char *path = x->paths[slot];
        size_t len = 0;
        for (unsigned depth = 1 + below(&x->p, 4); depth > 0; depth--)
                len += (size_t)snprintf(path + len, TWIN_PATH_MAX - len, "/%c", (char)('a' + below(&x->p, 4)));
        return path;
}

static const char *random_data(struct world *x, size_t slot)
{
        if (below(&x->p, 5) == 0)
                return NULL;
        (void)snprintf(x->data[slot], TWIN_DATA_MAX, "%.*s", (int)below(&x->p, 20), "abcdefghijklmnopqrstuvwxyz");
        return x->data[slot];
}

/* The parent's counter as a leader would say it, mostly. */
static int32_t random_counter(struct world *x, const char *path)
{
        char parent[TWIN_PATH_MAX];
        (void)snprintf(parent, sizeof parent, "%s", path);
        *strrchr(parent, '/') = '\0';
        const struct twin_node *n = twin_find(&x->twin, parent);
        switch (below(&x->p, 8)) {
        case 0:
                return -1;
        case 1:
                return (int32_t)below(&x->p, 50);
        default:
                return n ? n->stat.cversion + 1 : 1;
        }
}

/* One that may stand in a multi, too. */
static struct make random_op(struct world *x, size_t slot)
{
        static const int32_t types[] = {
                OP_CREATE, OP_CREATE, OP_CREATE,           OP_CREATE2,  OP_CREATE2,  OP_CREATE_TTL, OP_CREATE_CONTAINER,
                OP_DELETE, OP_DELETE, OP_DELETE_CONTAINER, OP_SET_DATA, OP_SET_DATA, OP_SET_DATA,   OP_SET_DATA};
        struct make m = {.type = types[below(&x->p, sizeof types / sizeof *types)]};
        m.path = random_path(x, slot);
        m.data = random_data(x, slot);
        m.acl = below(&x->p, ACL_CHOICES);
        m.ephemeral = below(&x->p, 3) == 0;
        m.ttl = below(&x->p, 1000000);
        m.number = m.type == OP_SET_DATA ? (int32_t)below(&x->p, 100) : random_counter(x, m.path);
        return m;
}

static void step_one(struct world *x, int64_t session, struct make m)
{
        begin_txn(&x->w, session, x->zxid, m.type);
        put_body(&x->w, &m);
        twin_apply(&x->twin, session, x->zxid, &m);
}

/* The random counter of a later operation is guessed before the earlier ones are applied: so be it. */
static void step_multi(struct world *x, int64_t session)
{
        struct make ops[OPS_MAX];
        size_t count = below(&x->p, OPS_MAX + 1);
        bool failed = false;
        for (size_t i = 0; i < count; i++) {
                ops[i] = random_op(x, i);
                if (below(&x->p, 12) == 0)
                        ops[i] = (struct make){.type = OP_CHECK, .path = random_path(x, i), .number = 1};
                if (below(&x->p, 12) == 0)
                        ops[i] = (struct make){.type = OP_ERROR, .number = ZK_NO_NODE};
                failed = failed || ops[i].type == OP_ERROR;
        }
        begin_txn(&x->w, session, x->zxid, OP_MULTI);
        put_multi(&x->w, ops, count);
        for (size_t i = 0; i < count && !failed; i++)
                twin_apply(&x->twin, session, x->zxid, &ops[i]);
}

static void step_close(struct world *x, int64_t session)
{
        const char *paths[OPS_MAX];
        size_t count = below(&x->p, OPS_MAX);
        bool list = below(&x->p, 4) > 0;
        for (size_t i = 0; i < count; i++)
                paths[i] = random_path(x, i);
        begin_txn(&x->w, session, x->zxid, OP_CLOSE_SESSION);
        if (list)
                put_paths(&x->w, paths, count);
        twin_close(&x->twin, session, x->zxid, paths, list ? count : 0);
}

static void step(struct world *x)
{
        int64_t session = 1 + below(&x->p, TWIN_SESSIONS);
        struct make m = {.type = OP_ERROR, .number = -1};
        unsigned what = below(&x->p, 100);
        x->zxid += 1 + below(&x->p, 3);
        if (what < 10) {
                step_multi(x, session);
        } else if (what < 14) {
                step_close(x, session);
        } else {
                if (what < 20)
                        m = (struct make){.type = OP_CREATE_SESSION, .number = (int32_t)below(&x->p, 9999)};
                else if (what < 25)
                        m = (struct make){.type = OP_SET_ACL,
                                          .path = random_path(x, 0),
                                          .acl = below(&x->p, ACL_CHOICES),
                                          .number = 3};
                else if (what < 27)
                        m = (struct make){.type = OP_RECONFIG, .path = "/zookeeper/config", .data = "c", .number = -1};
                else if (what < 29)
                        m = (struct make){.type = OP_SET_DATA, .path = "/", .data = "r", .number = 4};
                else if (what < 97)
                        m = random_op(x, 0);
                if (m.path && strcmp(m.path, "/") == 0) { /* the twin knows the root as "" only */
                        begin_txn(&x->w, session, x->zxid, m.type);
                        put_body(&x->w, &m);
                        m.path = "";
                        twin_apply(&x->twin, session, x->zxid, &m);
                } else {
                        step_one(x, session, m);
                }
        }
        apply(x->db, &x->w, below(&x->p, 2) ? &x->out : NULL);
        assert_int_equal(database_zxid(x->db), x->zxid);
}

/* ---- the snapshot beside it ---- */

static void shot_begin(struct world *x)
{
        struct shot *s = &x->shot;
        dump(x->db, &s->want);
        jute_writer_reset(&s->stream);
        s->fed = 0;
        s->zxid = database_zxid(x->db);
        s->digest = tree_digest(database_tree(x->db));
        s->loader = database_loader_new(ITEM_MAX);
        s->on = true;
        assert_int_equal(database_snapshot_begin(x->db), 0);
}

static void shot_drop(struct world *x)
{
        database_snapshot_end(x->db);
        database_loader_free(x->shot.loader);
        x->shot.on = false;
}

static void shot_finish(struct world *x)
{
        struct shot *s = &x->shot;
        struct jute_writer got;
        assert_int_equal(database_snapshot_zxid(x->db), s->zxid);
        assert_int_equal(database_snapshot_digest(x->db), s->digest);
        struct database *copy = database_loader_take(s->loader, s->zxid);
        jute_writer_init(&got, SIZE_MAX);
        dump(copy, &got);
        assert_same(&got, &s->want);
        tree__check(copy->tree);
        jute_writer_done(&got);
        database_free(copy);
        x->shots++;
        shot_drop(x);
}

/* Reads a piece and hands it to the loader in random portions. */
static void shot_step(struct world *x)
{
        struct shot *s = &x->shot;
        int more = database_snapshot_read(x->db, &s->stream, below(&x->p, 3) ? below(&x->p, 200) : below(&x->p, 3000));
        int loaded = feed_randomly(s->loader, &x->p, s->stream.data + s->fed, s->stream.len - s->fed, NULL);
        s->fed = s->stream.len;
        assert_int_equal(loaded, !more);
        if (!more)
                shot_finish(x);
}

static void shot_maybe(struct world *x)
{
        unsigned what = below(&x->p, 100);
        if (!x->shot.on && what < 4)
                shot_begin(x);
        else if (x->shot.on && what == 0)
                shot_drop(x);
        else if (x->shot.on && what < 40)
                shot_step(x);
}

static size_t run(uint64_t seed)
{
        static struct world x;
        memset(&x, 0, sizeof x);
        x.p.state = seed;
        x.db = database_new();
        twin_init(&x.twin);
        outcome_init(&x.out);
        jute_writer_init(&x.w, ITEM_MAX);
        jute_writer_init(&x.shot.want, SIZE_MAX);
        jute_writer_init(&x.shot.stream, SIZE_MAX);
        for (int i = 0; i < STEPS; i++) {
                step(&x);
                shot_maybe(&x);
                if (i % 10 == 0)
                        twin_compare(&x.twin, x.db);
        }
        twin_compare(&x.twin, x.db);
        if (x.shot.on)
                shot_drop(&x);
        jute_writer_done(&x.shot.want);
        jute_writer_done(&x.shot.stream);
        jute_writer_done(&x.w);
        outcome_done(&x.out);
        database_free(x.db);
        return x.shots;
}

static void test_random_transactions_and_snapshots_agree_with_a_dumb_twin(void **state)
{
        (void)state;
        size_t shots = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                printf("seed %llu\n", (unsigned long long)seed);
                shots += run(seed);
        }
        printf("%zu snapshots compared\n", shots);
        assert_true(shots > SEEDS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_random_transactions_and_snapshots_agree_with_a_dumb_twin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
