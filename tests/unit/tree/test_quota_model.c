/* Random changes below quotas, nested ones too, against stats that are counted from the difference of two whole trees.
 * Snapshots are read while that goes on: what they have is what the stats were at their beginning, and a tree loaded
 * from one counts all anew. */
#include "fixture.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS     20
#define STEPS     600
#define PATH_SIZE 64
#define QUOTAS    4
#define Q         "/zookeeper/quota"

static const char *const quota_of[QUOTAS] = {"/a", "/a/b", "/c", "/c/a/b"};

struct counted {
        int64_t count, bytes;
};

struct world {
        struct prng p;
        struct database *db;
        struct outcome out;
        int64_t zxid;
        bool set[QUOTAS];
        struct counted want[QUOTAS];
};

/* All nodes outside /zookeeper, by path. */
struct look {
        char (*paths)[PATH_SIZE];
        int32_t *lens;
        size_t count;
};

static struct look look_at(const struct database *db)
{
        struct look l = {.count = 0};
        size_t max = tree_count(database_tree(db));
        l.paths = mem_alloc(max * sizeof *l.paths);
        l.lens = mem_alloc(max * sizeof *l.lens);
        for (struct znode *n = db->tree->root; n; n = tree__next(db->tree->root, n)) {
                char *path = l.paths[l.count]; /* a znode's path has no end of its own */
                (void)snprintf(path, PATH_SIZE, "%.*s", (int)n->path_len, n->path);
                if (n->path_len == 0 || !strncmp(path, "/zookeeper", 10))
                        continue;
                l.lens[l.count++] = n->data_len > 0 ? n->data_len : 0;
        }
        return l;
}

static void look_done(struct look *l)
{
        mem_free(l->paths);
        mem_free(l->lens);
}

static bool is_in(const char *path, const char *top)
{
        size_t len = strlen(top);
        return !strncmp(path, top, len) && (path[len] == '\0' || path[len] == '/');
}

static int innermost(const struct world *x, const char *path)
{
        int found = -1;
        for (int i = 0; i < QUOTAS; i++)
                if (x->set[i] && is_in(path, quota_of[i]) &&
                    (found < 0 || strlen(quota_of[i]) > strlen(quota_of[found])))
                        found = i;
        return found;
}

static struct counted count_all(const struct look *l, const char *top)
{
        struct counted c = {0, 0};
        for (size_t i = 0; i < l->count; i++) {
                if (!is_in(l->paths[i], top))
                        continue;
                c.count++;
                c.bytes += l->lens[i];
        }
        return c;
}

/* One node's part, by what it is in: +1 as it is now, -1 as it was. */
static void charge(struct world *x, const struct look *l, int sign)
{
        for (size_t i = 0; i < l->count; i++) {
                int q = innermost(x, l->paths[i]);
                if (q < 0)
                        continue;
                x->want[q].count += sign;
                x->want[q].bytes += sign * l->lens[i];
        }
}

static void check_stats(const struct world *x, const struct database *db, const struct counted *want)
{
        char path[PATH_SIZE], text[PATH_SIZE];
        for (int i = 0; i < QUOTAS; i++) {
                if (!x->set[i])
                        continue;
                (void)snprintf(path, sizeof path, Q "%s/zookeeper_stats", quota_of[i]);
                (void)snprintf(text, sizeof text, "count=%" PRId64 ",bytes=%" PRId64, want[i].count, want[i].bytes);
                const struct znode *n = node(db, path);
                assert_non_null(n);
                if (!jute_str_is(znode_data(n), text))
                        fail_msg("%s: %.*s, not %s", path, (int)znode_data(n).len, (const char *)znode_data(n).data,
                                 text);
        }
}

/* ---- steps ---- */

static const char *random_path(struct world *x, char path[PATH_SIZE])
{
        size_t len = 0;
        for (unsigned depth = 1 + below(&x->p, 4); depth > 0; depth--)
                len += (size_t)snprintf(path + len, PATH_SIZE - len, "/%c", (char)('a' + below(&x->p, 3)));
        return path;
}

static const char *random_data(struct world *x)
{
        static const char text[] = "0123456789";
        unsigned at = below(&x->p, sizeof text + 1);
        return at == sizeof text ? NULL : text + at;
}

static struct make random_op(struct world *x, char path[PATH_SIZE])
{
        static const int32_t types[] = {OP_CREATE,   OP_CREATE2,  OP_CREATE, OP_CREATE_CONTAINER,
                                        OP_SET_DATA, OP_SET_DATA, OP_DELETE, OP_DELETE};
        return (struct make){.type = types[below(&x->p, sizeof types / sizeof *types)],
                             .path = random_path(x, path),
                             .data = random_data(x),
                             .acl = 1,
                             .ephemeral = below(&x->p, 3) == 0,
                             .number = -1};
}

static void change(struct world *x)
{
        struct look before = look_at(x->db);
        struct jute_writer w;
        char paths[4][PATH_SIZE];
        struct make ops[4];
        unsigned kind = below(&x->p, 12);
        jute_writer_init(&w, ITEM_MAX);
        if (kind == 0) {
                begin_txn(&w, 1 + below(&x->p, 2), ++x->zxid, OP_CLOSE_SESSION);
                put_paths(&w, NULL, 0);
        } else if (kind < 3) {
                for (int i = 0; i < 4; i++)
                        ops[i] = random_op(x, paths[i]);
                begin_txn(&w, 1 + below(&x->p, 2), ++x->zxid, OP_MULTI);
                put_multi(&w, ops, 4);
        } else {
                ops[0] = random_op(x, paths[0]);
                begin_txn(&w, 1 + below(&x->p, 2), ++x->zxid, ops[0].type);
                put_body(&w, &ops[0]);
        }
        apply(x->db, &w, &x->out);
        jute_writer_done(&w);
        struct look after = look_at(x->db);
        charge(x, &before, -1);
        charge(x, &after, 1);
        look_done(&before);
        look_done(&after);
}

static void one(struct world *x, int32_t type, const char *path)
{
        apply_one(x->db, 1, ++x->zxid, (struct make){.type = type, .path = path, .data = "x", .acl = 1, .number = -1},
                  &x->out);
        assert_int_equal(x->out.err, 0);
}

static void toggle(struct world *x, int i)
{
        char limits[PATH_SIZE], stats[PATH_SIZE];
        (void)snprintf(limits, sizeof limits, Q "%s/zookeeper_limits", quota_of[i]);
        (void)snprintf(stats, sizeof stats, Q "%s/zookeeper_stats", quota_of[i]);
        const int32_t type = x->set[i] ? OP_DELETE : OP_CREATE;
        const bool stats_first = below(&x->p, 2);
        one(x, type, stats_first ? stats : limits);
        one(x, type, stats_first ? limits : stats);
        x->set[i] = !x->set[i];
        struct look l = look_at(x->db);
        x->want[i] = count_all(&l, quota_of[i]);
        look_done(&l);
}

/* A snapshot read in pieces between some changes. */
static void snapshot(struct world *x)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        struct look l = look_at(x->db);
        struct counted anew[QUOTAS];
        for (int i = 0; i < QUOTAS; i++)
                anew[i] = count_all(&l, quota_of[i]);
        look_done(&l);
        const int64_t zxid = x->zxid;
        assert_int_equal(database_snapshot_begin(x->db), 0);
        while (database_snapshot_read(x->db, &w, 200) == 1)
                change(x);
        database_snapshot_end(x->db);
        struct database *copy = load(&w, zxid);
        check_stats(x, copy, anew);
        database_free(copy);
        jute_writer_done(&w);
}

static void restart(struct world *x)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        read_snapshot(x->db, &w);
        database_free(x->db);
        x->db = load(&w, x->zxid);
        jute_writer_done(&w);
        struct look l = look_at(x->db);
        for (int i = 0; i < QUOTAS; i++)
                x->want[i] = count_all(&l, quota_of[i]);
        look_done(&l);
}

static void live(uint64_t seed)
{
        struct world x = {.p.state = hash_u64(seed), .db = database_new()};
        outcome_init(&x.out);
        const char *const above[] = {Q "/a", Q "/a/b", Q "/c", Q "/c/a", Q "/c/a/b"};
        for (size_t i = 0; i < sizeof above / sizeof *above; i++)
                one(&x, OP_CREATE, above[i]);
        for (int step = 0; step < STEPS; step++) {
                if (below(&x.p, 30) == 0)
                        toggle(&x, (int)below(&x.p, QUOTAS));
                else if (below(&x.p, 60) == 0)
                        snapshot(&x);
                else if (below(&x.p, 100) == 0)
                        restart(&x);
                else
                        change(&x);
                check_stats(&x, x.db, x.want);
        }
        outcome_done(&x.out);
        database_free(x.db);
}

static void test_stats_are_what_the_trees_say(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                print_message("seed %" PRIu64 "\n", seed);
                live(seed);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stats_are_what_the_trees_say),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
