/* Counting into stats nodes (client-protocol.md 6.4; ZooKeeper: DataTree, Quotas, PathTrie). What odd paths do was
 * read in those and observed on 3.8.0 and 3.9.5. */
#include "fixture.h"

#include "election/tree/quota_internal.h"
#include "election/tree/tree_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SESSION 0x100000000000001
#define Q       "/zookeeper/quota"

/* Transactions one after the other. */
struct line {
        struct database *db;
        struct outcome out;
        int64_t zxid;
};

static struct line begin(void)
{
        struct line l = {.db = database_new()};
        outcome_init(&l.out);
        return l;
}

static void end(struct line *l)
{
        outcome_done(&l->out);
        database_free(l->db);
}

static void create(struct line *l, const char *path, const char *data)
{
        apply_one(l->db, SESSION, ++l->zxid,
                  (struct make){.type = OP_CREATE2, .path = path, .data = data, .acl = 1, .number = -1}, &l->out);
        assert_int_equal(l->out.err, 0);
}

/* With every node above it. */
static void create_deep(struct line *l, const char *path, const char *data)
{
        char above[256];
        for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                (void)snprintf(above, sizeof above, "%.*s", (int)(slash - path), path);
                if (!node(l->db, above))
                        create(l, above, "");
        }
        create(l, path, data);
}

static void remove_node(struct line *l, const char *path)
{
        apply_one(l->db, SESSION, ++l->zxid, (struct make){.type = OP_DELETE, .path = path}, &l->out);
        assert_int_equal(l->out.err, 0);
}

static void set(struct line *l, const char *path, const char *data)
{
        apply_one(l->db, SESSION, ++l->zxid,
                  (struct make){.type = OP_SET_DATA, .path = path, .data = data, .number = 1}, &l->out);
        assert_int_equal(l->out.err, 0);
}

static void set_quota(struct line *l, const char *path)
{
        char at[256];
        (void)snprintf(at, sizeof at, Q "%s/zookeeper_limits", path);
        create_deep(l, at, "count=5,bytes=-1");
        (void)snprintf(at, sizeof at, Q "%s/zookeeper_stats", path);
        create(l, at, "count=0,bytes=0");
}

static void assert_data(const struct line *l, const char *path, const char *want)
{
        const struct znode *n = node(l->db, path);
        assert_non_null(n);
        if (!jute_str_is(znode_data(n), want))
                fail_msg("%s: %.*s, not %s", path, (int)znode_data(n).len, (const char *)znode_data(n).data, want);
}

/* Loads what a snapshot has, as a server does that starts. */
static void restart(struct line *l)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        read_snapshot(l->db, &w);
        struct database *again = load(&w, l->zxid);
        jute_writer_done(&w);
        database_free(l->db);
        l->db = again;
}

/* ---- the ordinary life of a quota ---- */

static void test_changes_below_a_quota_are_counted(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "12");
        create(&l, "/a/b", "345");
        set_quota(&l, "/a");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=5");
        create(&l, "/a/c", "6789");
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=9");
        set(&l, "/a/c", "6");
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=6");
        set(&l, "/a", NULL);
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=4");
        remove_node(&l, "/a/b");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=1");
        create(&l, "/ab", "no part of it");
        create(&l, "/x", "nor this");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=1");
        restart(&l);
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=1");
        create(&l, "/a/d", NULL);
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=1");
        end(&l);
}

/* The path need not be there when its quota is made, nor stay. */
static void test_a_quota_may_be_there_before_its_path(void **state)
{
        (void)state;
        struct line l = begin();
        set_quota(&l, "/later/on");
        assert_data(&l, Q "/later/on/zookeeper_stats", "count=0,bytes=0");
        create(&l, "/later", "x");
        assert_data(&l, Q "/later/on/zookeeper_stats", "count=0,bytes=0");
        create(&l, "/later/on", "yy");
        assert_data(&l, Q "/later/on/zookeeper_stats", "count=1,bytes=2");
        remove_node(&l, "/later/on");
        assert_data(&l, Q "/later/on/zookeeper_stats", "count=0,bytes=0");
        end(&l);
}

static void assert_same_stat(struct jute_stat a, struct jute_stat b)
{
        struct jute_writer x, y;
        jute_writer_init(&x, ITEM_MAX);
        jute_writer_init(&y, ITEM_MAX);
        jute_put_stat(&x, &a);
        jute_put_stat(&y, &b);
        assert_same(&x, &y);
        jute_writer_done(&x);
        jute_writer_done(&y);
}

static void test_stats_change_without_a_trace_in_stat_event_or_digest(void **state)
{
        (void)state;
        struct line l = begin(), m = begin();
        struct jute_stat before, after;
        create(&l, "/a", "12");
        create(&m, "/a", "12");
        set_quota(&l, "/a");
        m.zxid = l.zxid;
        znode_stat(node(l.db, Q "/a/zookeeper_stats"), &before);
        create(&l, "/a/b", "123456789012345");
        create(&m, "/a/b", "123456789012345");
        znode_stat(node(l.db, Q "/a/zookeeper_stats"), &after);
        assert_int_equal(before.data_length, 15);
        assert_int_equal(after.data_length, 16); /* count=2,bytes=17 */
        before.data_length = after.data_length;
        assert_same_stat(before, after);
        assert_int_equal(l.out.event_count, 1);
        assert_true(jute_str_is(l.out.events[0].path, "/a/b"));
        assert_int_equal(tree_digest(database_tree(l.db)), tree_digest(database_tree(m.db)));
        end(&m);
        end(&l);
}

/* The Stat is copied for the answer before the stats are counted. */
static void test_the_answer_has_the_length_that_was_sent(void **state)
{
        (void)state;
        struct line l = begin();
        create_deep(&l, Q "/a/zookeeper_limits", "count=5");
        create(&l, Q "/a/zookeeper_stats", "x");
        assert_int_equal(l.out.ops[0].stat.data_length, 1);
        assert_data(&l, Q "/a/zookeeper_stats", "count=0,bytes=0");
        end(&l);
}

static void test_only_the_innermost_quota_counts_until_the_next_start(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        create(&l, "/a/b", "");
        set_quota(&l, "/a");
        set_quota(&l, "/a/b");
        create(&l, "/a/b/c", "123");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=0");
        assert_data(&l, Q "/a/b/zookeeper_stats", "count=2,bytes=3");
        restart(&l);
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=3");
        assert_data(&l, Q "/a/b/zookeeper_stats", "count=2,bytes=3");
        end(&l);
}

static void test_the_limits_node_makes_the_quota(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        create_deep(&l, Q "/a/zookeeper_stats", "");
        assert_data(&l, Q "/a/zookeeper_stats", "count=1,bytes=0");
        create(&l, "/a/b", "1");
        assert_data(&l, Q "/a/zookeeper_stats", "count=1,bytes=0");
        create(&l, Q "/a/zookeeper_limits", "");
        create(&l, "/a/c", "1");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=1");
        remove_node(&l, Q "/a/zookeeper_limits");
        create(&l, "/a/d", "1");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=1");
        assert_int_equal(l.db->tree->quotas.paths.count, 0);
        remove_node(&l, Q "/a/zookeeper_stats");
        end(&l);
}

static void test_a_closed_session_s_ephemerals_are_counted(void **state)
{
        (void)state;
        struct line l = begin();
        struct jute_writer w;
        const char *const paths[] = {"/a/1"};
        jute_writer_init(&w, ITEM_MAX);
        create(&l, "/a", "");
        set_quota(&l, "/a");
        for (int i = 0; i < 2; i++)
                apply_one(l.db, SESSION, ++l.zxid,
                          (struct make){.type = OP_CREATE,
                                        .path = i ? "/a/1" : "/a/2",
                                        .data = "12",
                                        .acl = 1,
                                        .ephemeral = true,
                                        .number = -1},
                          &l.out);
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=4");
        begin_txn(&w, SESSION, ++l.zxid, OP_CLOSE_SESSION); /* one listed, one not */
        put_paths(&w, paths, 1);
        apply(l.db, &w, &l.out);
        assert_data(&l, Q "/a/zookeeper_stats", "count=1,bytes=0");
        jute_writer_done(&w);
        end(&l);
}

/* A fuzzy snapshot's children of a later incarnation go with the node, and come again. */
static void test_what_goes_with_its_parent_is_counted(void **state)
{
        (void)state;
        struct line l = begin();
        create_deep(&l, "/a/b/c/d", "123");
        set_quota(&l, "/a");
        assert_data(&l, Q "/a/zookeeper_stats", "count=4,bytes=3");
        remove_node(&l, "/a/b");
        assert_data(&l, Q "/a/zookeeper_stats", "count=1,bytes=0");
        end(&l);
}

/* ---- what clients do to the nodes themselves ---- */

static void test_a_text_of_a_client_is_counted_on_until_the_next_start(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        set_quota(&l, "/a");
        set(&l, Q "/a/zookeeper_stats", "bytes=100,note=7");
        create(&l, "/a/b", "123");
        assert_data(&l, Q "/a/zookeeper_stats", "count=0,bytes=103=;note=7");
        set(&l, Q "/a/zookeeper_stats", "");
        create(&l, "/a/c", "1");
        assert_data(&l, Q "/a/zookeeper_stats", "count=0,bytes=0");
        set(&l, Q "/a/zookeeper_stats", "count=7;");
        set(&l, "/a/c", "2"); /* nothing to add; written anew all the same */
        assert_data(&l, Q "/a/zookeeper_stats", "count=7,bytes=-1");
        restart(&l);
        assert_data(&l, Q "/a/zookeeper_stats", "count=3,bytes=4");
        end(&l);
}

/* It would end a ZooKeeper server; here it stays what it is. */
static void test_a_text_that_can_not_be_read_is_left_alone(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        set_quota(&l, "/a");
        set(&l, Q "/a/zookeeper_stats", "nonsense");
        create(&l, "/a/b", "123");
        assert_data(&l, Q "/a/zookeeper_stats", "nonsense");
        set(&l, Q "/a/zookeeper_stats", NULL);
        remove_node(&l, "/a/b");
        assert_true(znode_data(node(l.db, Q "/a/zookeeper_stats")).len == -1);
        end(&l);
}

static void test_without_a_stats_node_nothing_is_counted(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        create_deep(&l, Q "/a/zookeeper_limits", "");
        create(&l, "/a/b", "123");
        create(&l, Q "/a/zookeeper_stats", "");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=3");
        end(&l);
}

/* ---- odd paths ---- */

/* The quota's own nodes lie below the path: the stats node is counted by the recount, and once more. */
static void test_a_quota_of_the_reserved_tree_counts_its_own_nodes(void **state)
{
        (void)state;
        struct line l = begin();
        create_deep(&l, Q "/zookeeper/zookeeper_limits", "count=5");
        create(&l, Q "/zookeeper/zookeeper_stats", "12");
        /* config, quota, zookeeper, limits (7), stats (2): 6 with /zookeeper itself; then +1, +2 */
        assert_data(&l, Q "/zookeeper/zookeeper_stats", "count=7,bytes=11");
        database_set_config(l.db, jute_cstr("server"), 1, 1);
        assert_data(&l, Q "/zookeeper/zookeeper_stats", "count=7,bytes=17");
        remove_node(&l, Q "/zookeeper/zookeeper_stats");
        end(&l);
}

/* Names that are blank are none; and whatever begins like the quota's root belongs to it. */
static void test_names_are_taken_as_the_path_trie_takes_them(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/X", "");
        create_deep(&l, Q "/X/zookeeper_stats", "");
        create_deep(&l, Q "X/zookeeper_limits", "count=5"); /* registers "X" */
        create(&l, "/X/ ", "12");
        assert_data(&l, Q "/X/zookeeper_stats", "count=2,bytes=2");
        create(&l, Q "X/zookeeper_stats", "?");
        assert_data(&l, Q "X/zookeeper_stats", "count=0,bytes=0"); /* nothing is named "X" */
        create(&l, "/ ", "");
        create(&l, "/ /X", "123");
        assert_data(&l, Q "/X/zookeeper_stats", "count=3,bytes=5");
        remove_node(&l, Q "X/zookeeper_limits");
        create(&l, "/X/1", "12");
        assert_data(&l, Q "/X/zookeeper_stats", "count=3,bytes=5");
        end(&l);
}

/* Deletion cuts sixteen characters off any parent below /zookeeper. */
static void test_a_limits_node_elsewhere_may_end_a_quota(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/eat", "");
        set_quota(&l, "/eat");
        create_deep(&l, "/zookeeper_is_great/zookeeper_limits", "");
        create_deep(&l, "/zookeeper/zookeeper_limits", ""); /* its deletion would end ZooKeeper */
        create_deep(&l, "/zookeeper/\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9/zookeeper_limits", "");
        remove_node(&l, "/zookeeper/zookeeper_limits");
        remove_node(&l, "/zookeeper/\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9/zookeeper_limits");
        create(&l, "/eat/1", "");
        assert_data(&l, Q "/eat/zookeeper_stats", "count=2,bytes=0");
        remove_node(&l, "/zookeeper_is_great/zookeeper_limits");
        create(&l, "/eat/2", "");
        assert_data(&l, Q "/eat/zookeeper_stats", "count=2,bytes=0");
        end(&l);
}

/* At a start the path ends with the first such name, and a limits node with children is none. */
static void test_a_start_looks_for_limits_nodes_without_children(void **state)
{
        (void)state;
        struct line l = begin();
        create(&l, "/a", "");
        create(&l, "/b", "");
        set_quota(&l, "/a");
        set_quota(&l, "/b");
        create_deep(&l, Q "/a/zookeeper_limits/x/zookeeper_limits", "");
        create(&l, Q "/b/zookeeper_limits/x", "");
        restart(&l);
        create(&l, "/a/1", "");
        create(&l, "/b/1", "");
        assert_data(&l, Q "/a/zookeeper_stats", "count=2,bytes=0");
        assert_data(&l, Q "/b/zookeeper_stats", "count=1,bytes=0");
        end(&l);
}

static void test_deadly_nodes_and_texts_are_known(void **state)
{
        (void)state;
        static const char *const deadly[] = {
                Q "/zookeeper_limits",
                Q "/ /zookeeper_limits",
                "/zookeeper/zookeeper_limits",
                "/zookeeper_1/zookeeper_limits",
                "/zookeeper/confi/zookeeper_limits",
                "/zookeeper123456/zookeeper_limits",
                "/zookeeper123456 /zookeeper_limits",
                Q "/zookeeper_limits2/zookeeper_limits",
                "/zookeeper/\xc3\xa9\xc3\xa9/zookeeper_limits",
        };
        static const char *const harmless[] = {
                Q "/a/zookeeper_limits",
                Q "X/zookeeper_limits",
                Q "/zookeeper_stats",
                "/zookeeper_limits",
                "/a/zookeeper_limits",
                "/zookeeper123456x/zookeeper_limits",
                "/zookeeper/x",
                "/zookeeper/config/zookeeper_limits",
                Q "/a/zookeeper_limits2",
                Q "/ /a/zookeeper_limits",
                "/zookee/zookeeper_limits",
        };
        for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
                if (!quota_path_is_deadly(jute_cstr(deadly[i])))
                        fail_msg("%s", deadly[i]);
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
                if (quota_path_is_deadly(jute_cstr(harmless[i])))
                        fail_msg("%s", harmless[i]);
        static char long_text[QUOTA_STATS_TEXT_MAX + 2];
        memset(long_text, ';', sizeof long_text - 1);
        assert_true(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr("count")));
        assert_true(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr(NULL)));
        assert_true(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr("\xd9\xa1=1")));
        assert_true(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr(long_text)));
        long_text[QUOTA_STATS_TEXT_MAX] = '\0';
        assert_false(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr(long_text)));
        assert_false(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_stats"), jute_cstr("")));
        assert_false(quota_text_is_deadly(jute_cstr(Q "/a/zookeeper_limits"), jute_cstr("count")));
        assert_false(quota_text_is_deadly(jute_cstr("/a/zookeeper_stats"), jute_cstr("count")));
}

/* ---- what a stats node begins with ---- */

static void apply_multi(struct line *l, const struct make *ops, size_t count)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, SESSION, ++l->zxid, OP_MULTI);
        put_multi(&w, ops, count);
        apply(l->db, &w, NULL);
        jute_writer_done(&w);
}

/* As many nodes as a transaction may well have. */
#define NODES 20000

static void create_many(struct line *l)
{
        static char paths[NODES][16];
        static struct make ops[NODES];
        for (size_t i = 0; i < NODES; i++) {
                (void)snprintf(paths[i], sizeof paths[i], "/a/b/%zu", i);
                ops[i] = (struct make){.type = OP_CREATE2, .path = paths[i], .data = "345", .acl = 1, .number = -1};
        }
        apply_multi(l, ops, NODES);
}

/* What it says is what all earlier changes have left, at any depth. That this is kept, not found by a walk, shows in
 * that the test ends soon. */
static void test_a_stats_node_may_come_and_go_at_no_cost(void **state)
{
        static struct make ops[NODES];
        const struct make create_stats = {
                .type = OP_CREATE2, .path = Q "/a/zookeeper_stats", .data = "", .acl = 1, .number = -1};
        (void)state;
        struct line l = begin();
        create(&l, "/a", "12");
        create(&l, "/a/b", NULL);
        create_many(&l);
        set(&l, "/a/b/7", "34567");
        set(&l, "/a/b/8", NULL);
        set(&l, "/a/b", "6");
        remove_node(&l, "/a/b/9");
        create_deep(&l, Q "/a/zookeeper_stats", "");
        assert_data(&l, Q "/a/zookeeper_stats", "count=20001,bytes=59999");
        for (size_t i = 0; i < NODES; i += 2) {
                ops[i] = (struct make){.type = OP_DELETE, .path = Q "/a/zookeeper_stats"};
                ops[i + 1] = create_stats;
        }
        apply_multi(&l, ops, NODES);
        assert_data(&l, Q "/a/zookeeper_stats", "count=20001,bytes=59999");
        restart(&l);
        tree__check(database_tree(l.db));
        remove_node(&l, Q "/a/zookeeper_stats");
        create(&l, Q "/a/zookeeper_stats", "");
        assert_data(&l, Q "/a/zookeeper_stats", "count=20001,bytes=59999");
        end(&l);
}

/* ---- judging, and adding up ---- */

static enum quota_verdict check(struct line *l, const char *path, int64_t bytes, int64_t count, int64_t *ret_limit)
{
        struct quota_excess e = {.limit = -99};
        enum quota_verdict v = quota_check(database_tree(l->db), jute_cstr(path), bytes, count, &e);
        *ret_limit = e.limit;
        return v;
}

static void test_limits_are_judged_as_the_original_does(void **state)
{
        (void)state;
        static const struct {
                const char *limits;
                int64_t bytes, count;
                enum quota_verdict verdict;
                int64_t limit;
        } rows[] = {
                /* there are 2 nodes with 5 bytes */
                {"count=3", 0, 1, QUOTA_OK, -99},
                {"count=2", 0, 1, QUOTA_SOFT, 2},
                {"count=2", 100, 0, QUOTA_OK, -99},
                {"countHardLimit=2", 0, 1, QUOTA_HARD, 2},
                {"countHardLimit=3,count=1", 0, 1, QUOTA_OK, -99}, /* the hard one alone */
                {"countHardLimit=0", 0, 1, QUOTA_HARD, 0},
                {"countHardLimit=-5", 0, 1, QUOTA_OK, -99},
                {"bytes=6", 1, 1, QUOTA_OK, -99},
                {"bytes=6", 2, 1, QUOTA_SOFT, 6},
                {"byteHardLimit=6", 2, 1, QUOTA_HARD, 6},
                {"byteHardLimit=3", -1, 0, QUOTA_HARD, 3}, /* fewer, and still too many */
                {"byteHardLimit=3", 0, 1, QUOTA_OK, -99},
                {"count=1,byteHardLimit=1", 1, 1, QUOTA_HARD, 1},
                {"countHardLimit=1,bytes=1", 1, 1, QUOTA_HARD, 1},
                {"count=2,bytes=3", 1, 1, QUOTA_SOFT, 3},
                {"", 1000, 1, QUOTA_OK, -99},
                {"count", 1, 1, QUOTA_UNREADABLE, -99},
                {NULL, 1, 1, QUOTA_UNREADABLE, -99},
        };
        struct line l = begin();
        int64_t limit;
        create(&l, "/a", "12");
        create(&l, "/a/b", "345");
        assert_int_equal(check(&l, "/a/c", 1, 1, &limit), QUOTA_OK);
        set_quota(&l, "/a");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                set(&l, Q "/a/zookeeper_limits", rows[i].limits);
                if (check(&l, "/a/c", rows[i].bytes, rows[i].count, &limit) != rows[i].verdict ||
                    limit != rows[i].limit)
                        fail_msg("row %zu", i);
        }
        static char long_text[QUOTA_LIMITS_TEXT_MAX + 2];
        memset(long_text, ';', sizeof long_text - 1);
        memcpy(long_text, "count=0", strlen("count=0"));
        set(&l, Q "/a/zookeeper_limits", long_text);
        assert_int_equal(check(&l, "/a/c", 1, 1, &limit), QUOTA_UNREADABLE);
        long_text[QUOTA_LIMITS_TEXT_MAX] = '\0';
        set(&l, Q "/a/zookeeper_limits", long_text);
        assert_int_equal(check(&l, "/a/c", 1, 1, &limit), QUOTA_SOFT);
        set(&l, Q "/a/zookeeper_limits", "countHardLimit=0");
        assert_int_equal(check(&l, "/b", 1, 1, &limit), QUOTA_OK);
        assert_int_equal(check(&l, "/", 1, 1, &limit), QUOTA_OK);
        set(&l, Q "/a/zookeeper_stats", "");
        assert_int_equal(check(&l, "/a/c", 1, 1, &limit), QUOTA_OK); /* -1 + 1 */
        remove_node(&l, Q "/a/zookeeper_stats");
        assert_int_equal(check(&l, "/a/c", 1, 1, &limit), QUOTA_OK);
        end(&l);
}

struct sums {
        struct quota_namespace a, b;
        size_t count;
};

static void take_sums(void *ctx, const struct quota_namespace *n)
{
        struct sums *s = ctx;
        s->count++;
        *(jute_str_is(n->name, "a") ? &s->a : &s->b) = *n;
}

static void test_quotas_are_added_up_by_first_name(void **state)
{
        (void)state;
        struct line l = begin();
        struct sums s = {.count = 0};
        quota_each_namespace(database_tree(l.db), take_sums, &s);
        assert_int_equal(s.count, 0);
        create_deep(&l, "/a/x", "12");
        create_deep(&l, "/a/y", "345");
        set_quota(&l, "/a/x");
        set_quota(&l, "/a/y");
        set(&l, Q "/a/y/zookeeper_limits", "count=1,bytes=7=;countHardLimit=10");
        create_deep(&l, Q "/b/zookeeper_limits", "byteHardLimit=0");
        create_deep(&l, Q "/c/other", "");
        create_deep(&l, Q "/d/zookeeper_limits", "nonsense");
        quota_each_namespace(database_tree(l.db), take_sums, &s);
        assert_int_equal(s.count, 2);
        assert_true(s.a.has_limits && s.a.has_stats && s.b.has_limits && !s.b.has_stats);
        assert_int_equal(s.a.count_limit, 15);
        assert_int_equal(s.a.bytes_limit, 6);
        assert_int_equal(s.a.count_usage, 2);
        assert_int_equal(s.a.bytes_usage, 5);
        assert_int_equal(s.b.count_limit, -1);
        assert_int_equal(s.b.bytes_limit, 0);
        end(&l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_changes_below_a_quota_are_counted),
                cmocka_unit_test(test_a_quota_may_be_there_before_its_path),
                cmocka_unit_test(test_stats_change_without_a_trace_in_stat_event_or_digest),
                cmocka_unit_test(test_the_answer_has_the_length_that_was_sent),
                cmocka_unit_test(test_only_the_innermost_quota_counts_until_the_next_start),
                cmocka_unit_test(test_the_limits_node_makes_the_quota),
                cmocka_unit_test(test_a_closed_session_s_ephemerals_are_counted),
                cmocka_unit_test(test_what_goes_with_its_parent_is_counted),
                cmocka_unit_test(test_a_text_of_a_client_is_counted_on_until_the_next_start),
                cmocka_unit_test(test_a_text_that_can_not_be_read_is_left_alone),
                cmocka_unit_test(test_without_a_stats_node_nothing_is_counted),
                cmocka_unit_test(test_a_quota_of_the_reserved_tree_counts_its_own_nodes),
                cmocka_unit_test(test_names_are_taken_as_the_path_trie_takes_them),
                cmocka_unit_test(test_a_limits_node_elsewhere_may_end_a_quota),
                cmocka_unit_test(test_a_start_looks_for_limits_nodes_without_children),
                cmocka_unit_test(test_deadly_nodes_and_texts_are_known),
                cmocka_unit_test(test_a_stats_node_may_come_and_go_at_no_cost),
                cmocka_unit_test(test_limits_are_judged_as_the_original_does),
                cmocka_unit_test(test_quotas_are_added_up_by_first_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
