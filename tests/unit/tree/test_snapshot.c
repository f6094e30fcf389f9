/* Snapshots read out and loaded (storage-format.md 4.1, 4.2). */
#include "fixture.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- streams made by hand ---- */

struct raw_node {
        const char *path, *data;
        int64_t acl_key;
        struct jute_stat_persisted stat;
};

static void put_raw_node(struct jute_writer *w, struct raw_node n)
{
        jute_put_cstr(w, n.path);
        jute_put_cstr(w, n.data);
        jute_put_long(w, n.acl_key);
        jute_put_stat_persisted(w, &n.stat);
}

/* No session, no ACL row, the root. */
static void begin_raw(struct jute_writer *w)
{
        jute_writer_reset(w);
        jute_put_int(w, 0);
        jute_put_int(w, 0);
        put_raw_node(w, (struct raw_node){.path = "", .data = "", .acl_key = -1});
}

static int feed_all(const struct jute_writer *w)
{
        struct database_loader *l = database_loader_new(ITEM_MAX);
        int r = database_loader_feed(l, w->data, w->len, NULL);
        if (r == -EPROTO) /* and it stays so */
                assert_int_equal(database_loader_feed(l, (const uint8_t *)"\0\0\0\0", 4, NULL), -EPROTO);
        database_loader_free(l);
        return r;
}

/* A fresh server's snapshot: 595 bytes in 3.8 with header, two seals, digest section and 138 + 14
 * bytes of configuration text; here without the text. */
static void test_the_stream_has_the_layout_of_a_snapshot_file(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w, want;
        jute_writer_init(&w, ITEM_MAX);
        jute_writer_init(&want, ITEM_MAX);
        session_table_add(db->sessions, 77, 4000);
        read_snapshot(db, &w);
        jute_put_int(&want, 1);
        jute_put_long(&want, 77);
        jute_put_int(&want, 4000);
        jute_put_int(&want, 1);
        jute_put_long(&want, 1);
        jute_put_vec(&want, acl_choice(3));
        put_raw_node(&want, (struct raw_node){.path = "", .data = "", .acl_key = -1});
        put_raw_node(&want, (struct raw_node){.path = "/zookeeper", .data = "", .acl_key = -1});
        put_raw_node(&want, (struct raw_node){.path = "/zookeeper/quota", .data = "", .acl_key = -1});
        put_raw_node(&want,
                     (struct raw_node){.path = "/zookeeper/config", .data = "", .acl_key = 1, .stat.aversion = -1});
        jute_put_cstr(&want, "/");
        assert_same(&w, &want);
        jute_writer_done(&w);
        jute_writer_done(&want);
        database_free(db);
}

static void test_a_loaded_snapshot_is_the_same_state_at_the_same_zxid(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE_SESSION, .number = 4000}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/a", .acl = 4, .number = 2}, NULL);
        apply_one(db, 1, 3,
                  (struct make){.type = OP_CREATE, .path = "/a/b", .data = "xyz", .ephemeral = true, .number = 1},
                  NULL);
        read_snapshot(db, &w);
        assert_int_equal(database_snapshot_zxid(db), 3);
        assert_int_equal(database_snapshot_digest(db), tree_digest(db->tree));
        struct database *copy = load(&w, 3);
        assert_same_state(db, copy);
        assert_int_equal(database_zxid(copy), 3);
        assert_int_equal(tree_ephemerals(copy->tree, 1, NULL, NULL), 1);
        assert_int_equal(tree_data_size(copy->tree), tree_data_size(db->tree));
        database_free(copy);
        database_free(db);
        jute_writer_done(&w);
}

static void test_only_one_snapshot_is_read_at_a_time(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        assert_false(database_snapshot_busy(db));
        assert_int_equal(database_snapshot_begin(db), 0);
        assert_true(database_snapshot_busy(db));
        assert_int_equal(database_snapshot_begin(db), -EBUSY);
        database_snapshot_end(db);
        assert_false(database_snapshot_busy(db));
        read_snapshot(db, &w);
        struct database *copy = load(&w, 0);
        assert_same_state(db, copy);
        database_free(copy);
        database_free(db);
        jute_writer_done(&w);
}

static void test_each_read_gives_at_least_one_item_and_about_as_much_as_asked(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        for (int64_t z = 1; z <= 200; z++) {
                char path[32];
                (void)snprintf(path, sizeof path, "/n%d", (int)z);
                apply_one(db, 1, z, (struct make){.type = OP_CREATE, .path = path, .data = "0123456789", .number = -1},
                          NULL);
        }
        assert_int_equal(database_snapshot_begin(db), 0);
        int more = 1;
        for (size_t before = 0; more; before = w.len) {
                more = database_snapshot_read(db, &w, 500);
                assert_true(w.len > before && w.len - before < 700);
        }
        size_t whole = w.len;
        assert_int_equal(database_snapshot_read(db, &w, 500), 0);
        assert_int_equal(w.len, whole);
        database_snapshot_end(db);
        jute_writer_done(&w);
        database_free(db);
}

/* The deeper node is put aside with the ancestors that were not out yet, in order. */
static void test_ancestors_go_out_before_a_node_that_is_put_aside(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w, before;
        jute_writer_init(&w, ITEM_MAX);
        jute_writer_init(&before, ITEM_MAX);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/a/b", .number = 1}, NULL);
        apply_one(db, 1, 3, (struct make){.type = OP_CREATE, .path = "/a/b/c", .data = "old", .number = 1}, NULL);
        dump(db, &before);
        assert_int_equal(database_snapshot_begin(db), 0);
        apply_one(db, 1, 4, (struct make){.type = OP_SET_DATA, .path = "/a/b/c", .data = "new", .number = 1}, NULL);
        apply_one(db, 1, 5, (struct make){.type = OP_DELETE, .path = "/a/b/c"}, NULL);
        apply_one(db, 1, 6, (struct make){.type = OP_DELETE, .path = "/a/b"}, NULL);
        apply_one(db, 1, 7, (struct make){.type = OP_CREATE, .path = "/a/b", .data = "again", .number = 2}, NULL);
        while (database_snapshot_read(db, &w, 1) == 1)
                assert_int_equal(w.error, 0);
        database_snapshot_end(db);
        struct database *copy = load(&w, 3);
        struct jute_writer got;
        jute_writer_init(&got, ITEM_MAX);
        dump(copy, &got);
        assert_same(&got, &before);
        jute_writer_done(&got);
        jute_writer_done(&before);
        jute_writer_done(&w);
        database_free(copy);
        database_free(db);
}

/* ---- loading what a server did not write ---- */

static void test_streams_that_no_server_can_have_written_are_refused(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        static const struct raw_node bad[] = {
                {.path = "/a/b", .data = ""}, /* before its parent */
                {.path = "", .data = ""},     /* twice */
                {.path = NULL, .data = ""},   {.path = "a", .data = ""},   {.path = "//", .data = ""},
                {.path = "//a", .data = ""},  {.path = "/a/", .data = ""},
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                begin_raw(&w);
                put_raw_node(&w, bad[i]);
                assert_int_equal(feed_all(&w), -EPROTO);
        }
        jute_writer_reset(&w); /* a root that goes with a session */
        jute_put_int(&w, 0);
        jute_put_int(&w, 0);
        put_raw_node(&w, (struct raw_node){.path = "", .data = "", .acl_key = -1, .stat.ephemeral_owner = 7});
        assert_int_equal(feed_all(&w), -EPROTO);

        jute_writer_reset(&w); /* no root */
        jute_put_int(&w, 0);
        jute_put_int(&w, 0);
        jute_put_cstr(&w, "/");
        assert_int_equal(feed_all(&w), -EPROTO);

        for (int64_t key = -1; key <= 0; key++) { /* keys begin with 1 */
                jute_writer_reset(&w);
                jute_put_int(&w, 0);
                jute_put_int(&w, 1);
                jute_put_long(&w, key);
                jute_put_vec(&w, acl_choice(1));
                assert_int_equal(feed_all(&w), -EPROTO);
        }
        jute_writer_reset(&w); /* one key twice */
        jute_put_int(&w, 0);
        jute_put_int(&w, 2);
        for (int i = 0; i < 2; i++) {
                jute_put_long(&w, 5);
                jute_put_vec(&w, acl_choice(1));
        }
        assert_int_equal(feed_all(&w), -EPROTO);
        jute_writer_done(&w);
}

/* Nodes are entered into the table of paths some at a time: two of one path may stand near each other or far apart. */
static void test_a_path_that_comes_twice_is_refused_at_the_end_at_the_latest(void **state)
{
        struct jute_writer w;
        (void)state;
        jute_writer_init(&w, ITEM_MAX);
        for (int between = 0; between < 40; between++) {
                char path[16];
                begin_raw(&w);
                put_raw_node(&w, (struct raw_node){.path = "/a"});
                for (int i = 0; i < between; i++) {
                        (void)snprintf(path, sizeof path, "/a/%d", i);
                        put_raw_node(&w, (struct raw_node){.path = path});
                }
                put_raw_node(&w, (struct raw_node){.path = "/a"});
                put_raw_node(&w, (struct raw_node){.path = "/a/x"});
                jute_put_cstr(&w, "/");
                assert_int_equal(feed_all(&w), -EPROTO);
        }
        jute_writer_done(&w);
}

/* Sixty nodes, each three of them one and its children; before the one at `place` stands `fault`, if there is any. */
static int feed_with(struct jute_writer *w, const struct raw_node *fault, int place, bool whole)
{
        begin_raw(w);
        for (int i = 0; i < 60 && (whole || i < place); i++) {
                char path[32];
                (void)snprintf(path, sizeof path, i % 3 ? "/n%d/%d" : "/n%d", i - i % 3, i);
                if (fault && i == place)
                        put_raw_node(w, *fault);
                put_raw_node(w, (struct raw_node){.path = path, .acl_key = i % 5});
        }
        if (whole)
                jute_put_cstr(w, "/");
        return feed_all(w);
}

/* The nodes before it are freed, whether they are found by their paths yet or not. */
static void test_a_fault_is_found_wherever_it_stands(void **state)
{
        static const struct raw_node faults[] = {
                {.path = "/missing/a"},                                    /* without a parent */
                {.path = "/n57/a", .stat.ephemeral_owner = 7},             /* before its parent */
                {.path = "/n0", .acl_key = 99, .stat.ephemeral_owner = 7}, /* twice, the second time of a session */
                {.path = "/n0/", .acl_key = 5},                            /* no path */
        };
        struct jute_writer w;
        (void)state;
        jute_writer_init(&w, ITEM_MAX);
        assert_int_equal(feed_with(&w, NULL, 0, true), 1);
        for (int place = 1; place < 57; place++) {
                assert_int_equal(feed_with(&w, NULL, place, false), 0); /* and no end */
                for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
                        assert_int_equal(feed_with(&w, &faults[i], place, true), -EPROTO);
        }
        jute_writer_done(&w);
}

static void test_items_beyond_the_limit_are_refused_without_waiting_for_them(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        begin_raw(&w);
        jute_put_int(&w, 2000); /* a path, with a limit of 1000; a little follows, not 2000 bytes */
        for (int i = 0; i < 100; i++)
                jute_put_byte(&w, 'x');
        struct database_loader *l = database_loader_new(1000);
        assert_int_equal(database_loader_feed(l, w.data, w.len, NULL), -EPROTO);
        database_loader_free(l);

        jute_writer_reset(&w); /* an ACL list that grows and grows */
        jute_put_int(&w, 0);
        jute_put_int(&w, 1);
        jute_put_long(&w, 1);
        jute_put_int(&w, INT32_MAX);
        for (int i = 0; i < 50; i++)
                jute_put_raw(&w, acl_choice(1).data, acl_choice(1).size);
        l = database_loader_new(1000);
        assert_int_equal(database_loader_feed(l, w.data, w.len, NULL), -EPROTO);
        database_loader_free(l);
        jute_writer_done(&w);
}

/* Counts below 0 are none, as a Java server reads them. */
static void test_odd_counts_and_stats_load_and_do_no_harm(void **state)
{
        (void)state;
        struct jute_writer w;
        struct jute_stat stat;
        jute_writer_init(&w, ITEM_MAX);
        jute_put_int(&w, -5);
        jute_put_int(&w, INT32_MIN);
        put_raw_node(&w, (struct raw_node){.path = "",
                                           .data = NULL,
                                           .acl_key = -1,
                                           .stat = {.cversion = INT32_MIN, .version = -9, .pzxid = INT64_MIN}});
        put_raw_node(&w, (struct raw_node){.path = "/a",
                                           .acl_key = INT64_MAX,
                                           .stat = {.ephemeral_owner = -2, .cversion = INT32_MAX}});
        jute_put_cstr(&w, "/");
        struct database *db = load(&w, 5);
        znode_stat(node(db, "/"), &stat);
        assert_int_equal(stat.cversion, -1);
        znode_stat(node(db, "/a"), &stat);
        assert_int_equal(stat.cversion, -2);
        assert_int_equal(tree_ephemeral_count(db->tree), 1);
        /* A file without the reserved nodes: they come with the configuration, or with its place. */
        database_keep_config(db);
        znode_stat(node(db, "/zookeeper/config"), &stat);
        assert_int_equal(stat.version, 0);
        assert_int_equal(stat.data_length, 0);
        database_set_config(db, jute_cstr("version=0"), 0, 1);
        assert_int_equal(tree_acl(db->tree, node(db, "/zookeeper/config")).data[3], 1);
        znode_stat(node(db, "/zookeeper/config"), &stat);
        assert_int_equal(stat.version, -1);
        assert_int_equal(stat.aversion, -1);
        tree__check(db->tree);
        database_free(db);
        jute_writer_done(&w);
}

/* storage-format.md 4.2: it loads, and every access to the node then fails with -5. */
static void test_a_key_missing_in_the_map_stays_and_has_no_list(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        begin_raw(&w);
        put_raw_node(&w, (struct raw_node){.path = "/a", .acl_key = 3});
        jute_put_cstr(&w, "/");
        struct database *db = load(&w, 5);
        assert_int_equal(znode_acl_key(node(db, "/a")), 3);
        assert_int_equal(tree_acl(db->tree, node(db, "/a")).count, -1);
        assert_null(tree_acl(db->tree, node(db, "/a")).data);
        /* No new list may take that key, or /a would have it. */
        for (unsigned i = 1; i < ACL_CHOICES; i++) {
                char path[] = "/n0";
                path[2] = (char)('0' + i);
                apply_one(db, 1, 10 + i, (struct make){.type = OP_CREATE, .path = path, .acl = i, .number = -1}, NULL);
                assert_true(znode_acl_key(node(db, path)) > 3);
        }
        assert_int_equal(tree_acl(db->tree, node(db, "/a")).count, -1);
        /* A snapshot of it has the same key. */
        jute_writer_reset(&w);
        read_snapshot(db, &w);
        struct database *copy = load(&w, 5);
        assert_int_equal(znode_acl_key(node(copy, "/a")), 3);
        assert_same_state(db, copy);
        database_free(copy);
        database_free(db);
        jute_writer_done(&w);
}

static void test_unused_rows_of_the_map_are_dropped(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        jute_put_int(&w, 0);
        jute_put_int(&w, 3);
        for (int64_t key = 1; key <= 3; key++) {
                jute_put_long(&w, key);
                jute_put_vec(&w, acl_choice((unsigned)key + 1));
        }
        put_raw_node(&w, (struct raw_node){.path = "", .data = "", .acl_key = 2});
        jute_put_cstr(&w, "/");
        struct database *db = load(&w, 5);
        assert_int_equal(acl_table_count(&db->tree->acls), 1);
        assert_int_equal(tree_acl(db->tree, node(db, "/")).size, acl_choice(3).size);
        database_free(db);
        jute_writer_done(&w);
}

static void test_bytes_behind_the_end_are_left_alone(void **state)
{
        (void)state;
        struct jute_writer w;
        size_t used = 0;
        jute_writer_init(&w, ITEM_MAX);
        begin_raw(&w);
        jute_put_cstr(&w, "/");
        const size_t whole = w.len;
        jute_put_cstr(&w, "BenWasHere");
        struct database_loader *l = database_loader_new(ITEM_MAX);
        assert_int_equal(database_loader_feed(l, w.data, w.len, &used), 1);
        assert_int_equal(used, whole);
        assert_int_equal(database_loader_feed(l, w.data, w.len, &used), 1);
        assert_int_equal(used, 0);
        database_free(database_loader_take(l, 0));
        database_loader_free(l);
        database_loader_free(NULL);
        jute_writer_done(&w);
}

/* A megabyte in portions of every size down to single bytes: quadratic work would not end in time. */
static void test_large_items_may_arrive_byte_by_byte(void **state)
{
        (void)state;
        struct jute_writer w;
        const size_t size = 1000000;
        uint8_t *data = mem_alloc(size);
        memset(data, 'd', size);
        jute_writer_init(&w, 4 * size);
        begin_raw(&w);
        for (int i = 0; i < 3; i++) {
                const struct jute_stat_persisted stat = {.czxid = i};
                char path[] = "/a";
                path[1] = (char)('a' + i);
                jute_put_cstr(&w, path);
                jute_put_str(&w, jute_str_of(data, size));
                jute_put_long(&w, -1);
                jute_put_stat_persisted(&w, &stat);
        }
        jute_put_cstr(&w, "/");
        struct database_loader *l = database_loader_new(ITEM_MAX);
        assert_int_equal(feed_randomly(l, NULL, w.data, w.len, NULL), 1);
        struct database *db = database_loader_take(l, 0);
        assert_int_equal(znode_data(node(db, "/c")).len, size);
        assert_memory_equal(znode_data(node(db, "/b")).data, data, size);
        database_loader_free(l);
        database_free(db);
        jute_writer_done(&w);
        mem_free(data);
}

/* Depth is limited by the length of a path only: nothing may recurse. */
static void test_very_deep_trees_are_walked_and_removed(void **state)
{
        (void)state;
        enum { DEPTH = 3000 };
        static char path[2 * DEPTH + 1];
        struct database *db = database_new();
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (int i = 0; i < DEPTH; i++) {
                const struct make m = {.type = OP_CREATE, .path = path, .number = -1};
                memcpy(path + 2 * i, "/x", 3);
                begin_txn(&w, 1, i + 1, OP_CREATE);
                put_body(&w, &m);
                assert_int_equal(database_apply(db, w.data, w.len, NULL), 0);
        }
        assert_int_equal(tree_descendants(db->tree, node(db, "/x")), DEPTH - 1);
        assert_int_equal(database_snapshot_begin(db), 0);
        apply_one(db, 1, 5000, (struct make){.type = OP_SET_DATA, .path = path, .data = "deep", .number = 1}, NULL);
        jute_writer_reset(&w);
        while (database_snapshot_read(db, &w, 4096) == 1)
                assert_int_equal(w.error, 0);
        database_snapshot_end(db);
        struct database *copy = load(&w, 4999);
        assert_int_equal(tree_count(copy->tree), tree_count(db->tree));
        database_free(copy);
        apply_one(db, 1, 5001, (struct make){.type = OP_DELETE, .path = "/x"}, NULL);
        assert_int_equal(tree_count(db->tree), 5);
        jute_writer_done(&w);
        database_free(db);
}

static void test_a_changed_byte_never_harms(void **state)
{
        (void)state;
        const uint64_t seed = 815;
        struct prng p = {.state = seed};
        struct jute_writer w;
        size_t refused = 0, taken = 0;
        printf("seed %llu\n", (unsigned long long)seed);
        jute_writer_init(&w, ITEM_MAX);
        struct database *db = database_new();
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE_SESSION, .number = 4000}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/a", .acl = 4, .number = 2}, NULL);
        apply_one(db, 1, 3,
                  (struct make){.type = OP_CREATE, .path = "/a/b", .data = "x", .ephemeral = true, .number = 1}, NULL);
        read_snapshot(db, &w);
        uint8_t *bytes = mem_alloc(w.len);
        for (int round = 0; round < 5000; round++) {
                struct database_loader *l = database_loader_new(10000);
                memcpy(bytes, w.data, w.len);
                for (unsigned n = 1 + below(&p, 3); n > 0; n--)
                        bytes[below(&p, (unsigned)w.len)] =
                                (uint8_t)(below(&p, 2) ? below(&p, 256) : below(&p, 3) + 254);
                int r = feed_randomly(l, &p, bytes, w.len, NULL);
                assert_true(r == 0 || r == 1 || r == -EPROTO);
                if (r == 1) {
                        struct database *copy = database_loader_take(l, 3);
                        tree__check(copy->tree);
                        database_free(copy);
                }
                taken += r == 1;
                refused += r == -EPROTO;
                database_loader_free(l);
        }
        assert_true(taken > 100 && refused > 100);
        mem_free(bytes);
        jute_writer_done(&w);
        database_free(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_stream_has_the_layout_of_a_snapshot_file),
                cmocka_unit_test(test_a_loaded_snapshot_is_the_same_state_at_the_same_zxid),
                cmocka_unit_test(test_only_one_snapshot_is_read_at_a_time),
                cmocka_unit_test(test_each_read_gives_at_least_one_item_and_about_as_much_as_asked),
                cmocka_unit_test(test_ancestors_go_out_before_a_node_that_is_put_aside),
                cmocka_unit_test(test_streams_that_no_server_can_have_written_are_refused),
                cmocka_unit_test(test_a_path_that_comes_twice_is_refused_at_the_end_at_the_latest),
                cmocka_unit_test(test_a_fault_is_found_wherever_it_stands),
                cmocka_unit_test(test_items_beyond_the_limit_are_refused_without_waiting_for_them),
                cmocka_unit_test(test_odd_counts_and_stats_load_and_do_no_harm),
                cmocka_unit_test(test_a_key_missing_in_the_map_stays_and_has_no_list),
                cmocka_unit_test(test_unused_rows_of_the_map_are_dropped),
                cmocka_unit_test(test_bytes_behind_the_end_are_left_alone),
                cmocka_unit_test(test_large_items_may_arrive_byte_by_byte),
                cmocka_unit_test(test_very_deep_trees_are_walked_and_removed),
                cmocka_unit_test(test_a_changed_byte_never_harms),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
