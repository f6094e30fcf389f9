/* What each transaction does to Stat, tables and events (client-protocol.md 6, storage-format.md 3). */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SESSION 0x100000000000001

static struct jute_stat stat_of(const struct database *db, const char *path)
{
        struct jute_stat s;
        const struct znode *n = node(db, path);
        assert_non_null(n);
        znode_stat(n, &s);
        return s;
}

static void assert_stat(struct jute_stat got, struct jute_stat want)
{
        assert_int_equal(got.czxid, want.czxid);
        assert_int_equal(got.mzxid, want.mzxid);
        assert_int_equal(got.pzxid, want.pzxid);
        assert_int_equal(got.ctime, want.ctime);
        assert_int_equal(got.mtime, want.mtime);
        assert_int_equal(got.version, want.version);
        assert_int_equal(got.cversion, want.cversion);
        assert_int_equal(got.aversion, want.aversion);
        assert_int_equal(got.ephemeral_owner, want.ephemeral_owner);
        assert_int_equal(got.data_length, want.data_length);
        assert_int_equal(got.num_children, want.num_children);
}

static void assert_event(const struct outcome *o, size_t i, enum watch_event type, const char *path)
{
        assert_true(i < o->event_count);
        assert_int_equal(o->events[i].type, type);
        assert_true(jute_str_is(o->events[i].path, path));
}

/* client-protocol.md 6.1 and 6.3: "/" shows cversion -1, "/zookeeper" -2, srvr counts 5 nodes. */
static void test_a_fresh_tree_is_that_of_a_java_server(void **state)
{
        (void)state;
        struct database *db = database_new();
        const struct tree *t = database_tree(db);
        assert_stat(stat_of(db, "/"), (struct jute_stat){.cversion = -1, .num_children = 1});
        assert_stat(stat_of(db, "/zookeeper"), (struct jute_stat){.cversion = -2, .num_children = 2});
        assert_stat(stat_of(db, "/zookeeper/quota"), (struct jute_stat){.num_children = 0});
        assert_stat(stat_of(db, "/zookeeper/config"), (struct jute_stat){.aversion = -1});
        assert_int_equal(tree_count(t), 5);
        assert_int_equal(tree_data_size(t), 44);
        assert_true(tree_memory_bytes(t) > 44);
        assert_int_equal(tree_ephemeral_count(t), 0);
        assert_int_equal(tree_descendants(t, node(db, "/")), 3);
        assert_int_equal(database_zxid(db), 0);
        assert_ptr_equal(node(db, ""), node(db, "/"));
        assert_null(tree_parent(t, node(db, "/")));
        assert_null(tree_find(t, jute_cstr(NULL)));
        assert_null(node(db, "zookeeper"));
        assert_null(node(db, "/zookeeper/"));
        assert_true(jute_str_is(znode_data(node(db, "/zookeeper")), ""));
        struct jute_vec acl = tree_acl(t, node(db, "/zookeeper/config"));
        assert_int_equal(acl.count, 1);
        assert_int_equal(acl.data[3], 1);
        tree__check(t);
        database_free(db);
        database_free(NULL);
}

static void test_create_sets_the_node_and_counts_at_the_parent(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        const struct jute_stat fresh = {
                .czxid = 7, .mzxid = 7, .pzxid = 7, .ctime = time_of(7), .mtime = time_of(7), .data_length = 3};
        apply_one(db, SESSION, 7, (struct make){.type = OP_CREATE2, .path = "/a", .data = "xyz", .acl = 3, .number = 2},
                  &out);
        assert_stat(stat_of(db, "/a"), fresh);
        assert_stat(stat_of(db, "/"), (struct jute_stat){.cversion = 2, .num_children = 2, .pzxid = 7});
        assert_int_equal(out.err, 0);
        assert_int_equal(out.op_count, 1);
        assert_int_equal(out.ops[0].type, OP_CREATE2);
        assert_true(jute_str_is(out.ops[0].path, "/a"));
        assert_stat(out.ops[0].stat, fresh);
        assert_int_equal(out.event_count, 1);
        assert_event(&out, 0, EVENT_NODE_CREATED, "/a");
        assert_int_equal(tree_acl(database_tree(db), node(db, "/a")).data[3], 1);
        assert_int_equal(database_zxid(db), 7);
        assert_ptr_equal(tree_parent(database_tree(db), node(db, "/a")), node(db, "/"));
        outcome_done(&out);
        database_free(db);
}

static void test_null_and_empty_data_are_kept_apart(void **state)
{
        (void)state;
        struct database *db = database_new();
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/null", .data = NULL, .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/empty", .data = "", .number = 3}, NULL);
        assert_int_equal(znode_data(node(db, "/null")).len, -1);
        assert_int_equal(znode_data(node(db, "/empty")).len, 0);
        assert_int_equal(stat_of(db, "/null").data_length, 0);
        apply_one(db, 1, 3, (struct make){.type = OP_SET_DATA, .path = "/empty", .data = NULL, .number = 1}, NULL);
        assert_int_equal(znode_data(node(db, "/empty")).len, -1);
        database_free(db);
}

/* cversion shows creations + deletions; the stored one counts creations only. */
static void test_delete_raises_the_parents_pzxid_and_shown_cversion(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_DELETE, .path = "/a"}, &out);
        assert_null(node(db, "/a"));
        assert_stat(stat_of(db, "/"), (struct jute_stat){.cversion = 3, .num_children = 1, .pzxid = 2});
        struct jute_stat_persisted stored;
        znode_stat_persisted(node(db, "/"), &stored);
        assert_int_equal(stored.cversion, 2);
        assert_int_equal(out.ops[0].type, OP_DELETE);
        assert_event(&out, 0, EVENT_NODE_DELETED, "/a");
        assert_int_equal(out.event_count, 1);
        outcome_done(&out);
        database_free(db);
}

static void test_shown_cversion_wraps_like_an_int(void **state)
{
        (void)state;
        struct database *db = database_new();
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .number = INT32_MAX}, NULL);
        assert_int_equal(stat_of(db, "/").cversion, -4);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/b", .number = -1}, NULL);
        struct jute_stat_persisted stored;
        znode_stat_persisted(node(db, "/"), &stored);
        assert_int_equal(stored.cversion, INT32_MAX); /* INT32_MIN is not larger */
        database_free(db);
}

static void test_set_data_changes_data_version_mzxid_and_mtime_only(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .data = "x", .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_SET_DATA, .path = "/a", .data = "four", .number = 1}, &out);
        const struct jute_stat want = {.czxid = 1,
                                       .mzxid = 2,
                                       .pzxid = 1,
                                       .ctime = time_of(1),
                                       .mtime = time_of(2),
                                       .version = 1,
                                       .data_length = 4};
        assert_stat(stat_of(db, "/a"), want);
        assert_stat(out.ops[0].stat, want);
        assert_true(jute_str_is(znode_data(node(db, "/a")), "four"));
        assert_event(&out, 0, EVENT_NODE_DATA_CHANGED, "/a");
        assert_int_equal(stat_of(db, "/").pzxid, 1);
        apply_one(db, 1, 3, (struct make){.type = OP_SET_DATA, .path = "/", .data = "root", .number = 1}, &out);
        assert_int_equal(stat_of(db, "/").mzxid, 3);
        assert_event(&out, 0, EVENT_NODE_DATA_CHANGED, "/");
        outcome_done(&out);
        database_free(db);
}

static void test_set_acl_changes_acl_and_aversion_only(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .acl = 1, .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_SET_ACL, .path = "/a", .acl = 4, .number = 1}, &out);
        assert_stat(
                stat_of(db, "/a"),
                (struct jute_stat){
                        .czxid = 1, .mzxid = 1, .pzxid = 1, .ctime = time_of(1), .mtime = time_of(1), .aversion = 1});
        assert_int_equal(tree_acl(database_tree(db), node(db, "/a")).count, 2);
        assert_int_equal(out.event_count, 0);
        assert_int_equal(out.ops[0].stat.aversion, 1);
        outcome_done(&out);
        database_free(db);
}

/* storage-format.md 4.1: the open ACL spelled out gets a key of its own, a null one is key -1. */
static void test_equal_acls_share_a_row_that_goes_with_its_last_node(void **state)
{
        (void)state;
        struct database *db = database_new();
        const struct acl_table *acls = &db->tree->acls;
        assert_int_equal(acl_table_count(acls), 1);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/a", .acl = 1, .number = 2}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/b", .acl = 1, .number = 3}, NULL);
        apply_one(db, 1, 3, (struct make){.type = OP_CREATE, .path = "/c", .acl = 0, .number = 4}, NULL);
        assert_int_equal(acl_table_count(acls), 2);
        assert_true(znode_acl_key(node(db, "/a")) >= 1);
        assert_int_equal(znode_acl_key(node(db, "/a")), znode_acl_key(node(db, "/b")));
        assert_int_equal(znode_acl_key(node(db, "/c")), ACL_KEY_OPEN);
        struct jute_vec a = tree_acl(db->tree, node(db, "/a")), c = tree_acl(db->tree, node(db, "/c"));
        assert_int_equal(a.size, c.size);
        assert_memory_equal(a.data, c.data, a.size);
        apply_one(db, 1, 4, (struct make){.type = OP_SET_ACL, .path = "/a", .acl = 2, .number = 1}, NULL);
        assert_int_equal(tree_acl(db->tree, node(db, "/a")).count, 0);
        assert_int_equal(acl_table_count(acls), 3);
        apply_one(db, 1, 5, (struct make){.type = OP_DELETE, .path = "/b"}, NULL);
        apply_one(db, 1, 6, (struct make){.type = OP_DELETE, .path = "/a"}, NULL);
        assert_int_equal(acl_table_count(acls), 1);
        database_free(db);
}

static void test_containers_and_ttl_nodes_show_no_owner(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_stat_persisted stored;
        apply_one(db, SESSION, 1, (struct make){.type = OP_CREATE_CONTAINER, .path = "/c", .number = 2}, NULL);
        apply_one(db, SESSION, 2, (struct make){.type = OP_CREATE_TTL, .path = "/t", .number = 3, .ttl = 0xABCDE},
                  NULL);
        apply_one(db, SESSION, 3, (struct make){.type = OP_CREATE, .path = "/e", .ephemeral = true, .number = 4}, NULL);
        znode_stat_persisted(node(db, "/c"), &stored);
        assert_int_equal(stored.ephemeral_owner, INT64_MIN);
        znode_stat_persisted(node(db, "/t"), &stored);
        assert_int_equal(stored.ephemeral_owner, (int64_t)UINT64_C(0xFF000000000ABCDE));
        assert_int_equal(stat_of(db, "/c").ephemeral_owner, 0);
        assert_int_equal(stat_of(db, "/t").ephemeral_owner, 0);
        assert_int_equal(stat_of(db, "/e").ephemeral_owner, SESSION);
        assert_false(znode_is_ephemeral(node(db, "/c")));
        assert_false(znode_is_ephemeral(node(db, "/t")));
        assert_true(znode_is_ephemeral(node(db, "/e")));
        assert_int_equal(tree_ephemeral_count(db->tree), 1);
        assert_int_equal(tree_ephemerals(db->tree, SESSION, NULL, NULL), 1);
        assert_int_equal(tree_ephemerals(db->tree, INT64_MIN, NULL, NULL), 0);
        database_free(db);
}

/* A session of server 255 begins with FF too; its ephemerals must not be taken for TTL nodes. */
static void test_sessions_of_server_255_own_ephemerals(void **state)
{
        (void)state;
        struct database *db = database_new();
        int64_t session = session_first_id(255, 1700000000000);
        apply_one(db, session, 1, (struct make){.type = OP_CREATE, .path = "/e", .ephemeral = true, .number = 2}, NULL);
        assert_true(znode_is_ephemeral(node(db, "/e")));
        assert_int_equal(stat_of(db, "/e").ephemeral_owner, session);
        database_free(db);
}

static void test_reconfig_sets_the_config_node_and_leaves_its_version(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        database_set_config(db, jute_cstr("version=100000000"), 0x100000000, 99);
        assert_stat(stat_of(db, "/zookeeper/config"),
                    (struct jute_stat){
                            .mzxid = 0x100000000, .mtime = 99, .version = -1, .aversion = -1, .data_length = 17});
        assert_int_equal(database_zxid(db), 0);
        apply_one(db, 1, 0x100000005,
                  (struct make){.type = OP_RECONFIG, .path = "/zookeeper/config", .data = "new", .number = -1}, &out);
        assert_stat(stat_of(db, "/zookeeper/config"), (struct jute_stat){.mzxid = 0x100000005,
                                                                         .mtime = time_of(0x100000005),
                                                                         .version = -1,
                                                                         .aversion = -1,
                                                                         .data_length = 3});
        assert_int_equal(out.ops[0].type, OP_RECONFIG);
        assert_event(&out, 0, EVENT_NODE_DATA_CHANGED, "/zookeeper/config");
        outcome_done(&out);
        database_free(db);
}

static void test_closing_a_session_removes_what_it_owns(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        struct outcome out;
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        apply_one(db, SESSION, 1, (struct make){.type = OP_CREATE_SESSION, .number = 4000}, &out);
        assert_int_equal(out.op_count, 0);
        assert_int_equal(out.err, 0);
        apply_one(db, SESSION, 2, (struct make){.type = OP_CREATE, .path = "/p", .number = 2}, NULL);
        apply_one(db, SESSION, 3, (struct make){.type = OP_CREATE, .path = "/p/e", .ephemeral = true, .number = 1},
                  NULL);
        apply_one(db, SESSION, 4, (struct make){.type = OP_CREATE, .path = "/f", .ephemeral = true, .number = 3}, NULL);
        apply_one(db, SESSION + 1, 5, (struct make){.type = OP_CREATE, .path = "/g", .ephemeral = true, .number = 4},
                  NULL);
        const char *listed[] = {"/f"};
        begin_txn(&w, SESSION, 6, OP_CLOSE_SESSION);
        put_paths(&w, listed, 1);
        apply(db, &w, &out);
        assert_int_equal(out.event_count, 2);
        assert_event(&out, 0, EVENT_NODE_DELETED, "/f");
        assert_event(&out, 1, EVENT_NODE_DELETED, "/p/e"); /* not listed, but its own */
        assert_null(node(db, "/f"));
        assert_null(node(db, "/p/e"));
        assert_non_null(node(db, "/g"));
        assert_int_equal(stat_of(db, "/p").pzxid, 6);
        assert_int_equal(stat_of(db, "/").pzxid, 6);
        assert_false(session_table_find(database_sessions(db), SESSION, NULL));
        assert_int_equal(tree_ephemerals(db->tree, SESSION, NULL, NULL), 0);
        jute_writer_done(&w);
        outcome_done(&out);
        database_free(db);
}

static void test_an_error_transaction_only_takes_its_zxid(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, 9, (struct make){.type = OP_ERROR, .number = ZK_NODE_EXISTS}, &out);
        assert_int_equal(out.err, ZK_NODE_EXISTS);
        assert_int_equal(out.op_count, 1);
        assert_int_equal(out.ops[0].type, OP_ERROR);
        assert_int_equal(out.ops[0].err, ZK_NODE_EXISTS);
        assert_int_equal(out.event_count, 0);
        assert_int_equal(database_zxid(db), 9);
        outcome_done(&out);
        database_free(db);
}

static void test_a_multi_applies_all_under_one_zxid_in_order(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        struct outcome out;
        const struct make ops[] = {
                {.type = OP_CREATE, .path = "/a", .data = "1", .number = 2},
                {.type = OP_CHECK, .path = "/a", .number = 1},
                {.type = OP_SET_DATA, .path = "/a", .data = "22", .number = 1},
                {.type = OP_CREATE2, .path = "/a/e", .ephemeral = true, .number = 1},
                {.type = OP_DELETE, .path = "/a/e"},
        };
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, SESSION, 3, OP_MULTI);
        put_multi(&w, ops, 5);
        apply(db, &w, &out);
        assert_int_equal(out.err, 0);
        assert_int_equal(out.op_count, 5);
        for (size_t i = 0; i < 5; i++) {
                assert_int_equal(out.ops[i].type, ops[i].type);
                assert_int_equal(out.ops[i].err, 0);
        }
        assert_int_equal(out.ops[0].stat.version, 0);
        assert_int_equal(out.ops[2].stat.version, 1);
        assert_int_equal(out.ops[3].stat.ephemeral_owner, SESSION);
        assert_int_equal(out.event_count, 4);
        assert_event(&out, 0, EVENT_NODE_CREATED, "/a");
        assert_event(&out, 1, EVENT_NODE_DATA_CHANGED, "/a");
        assert_event(&out, 2, EVENT_NODE_CREATED, "/a/e");
        assert_event(&out, 3, EVENT_NODE_DELETED, "/a/e");
        assert_stat(stat_of(db, "/a"), (struct jute_stat){.czxid = 3,
                                                          .mzxid = 3,
                                                          .pzxid = 3,
                                                          .ctime = time_of(3),
                                                          .mtime = time_of(3),
                                                          .version = 1,
                                                          .cversion = 2,
                                                          .data_length = 2});
        begin_txn(&w, SESSION, 4, OP_MULTI);
        put_multi(&w, NULL, 0);
        apply(db, &w, &out);
        assert_int_equal(out.op_count, 0);
        assert_int_equal(database_zxid(db), 4);
        jute_writer_done(&w);
        outcome_done(&out);
        database_free(db);
}

/* storage-format.md 3: results 0 before, the code at, -2 after; nothing is applied. */
static void test_a_failed_multi_applies_nothing_and_tells_the_codes(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w, before, after;
        struct outcome out;
        const struct make ops[] = {
                {.type = OP_CREATE, .path = "/a", .number = 2},
                {.type = OP_ERROR, .number = ZK_BAD_VERSION},
                {.type = OP_ERROR, .number = ZK_RUNTIME_INCONSISTENCY},
                {.type = OP_DELETE, .path = "/zookeeper/quota"},
        };
        const int32_t codes[] = {0, ZK_BAD_VERSION, ZK_RUNTIME_INCONSISTENCY, ZK_RUNTIME_INCONSISTENCY};
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        jute_writer_init(&before, ITEM_MAX);
        jute_writer_init(&after, ITEM_MAX);
        dump(db, &before);
        begin_txn(&w, SESSION, 3, OP_MULTI);
        put_multi(&w, ops, 4);
        put_digest(&w, tree_digest(db->tree));
        apply(db, &w, &out);
        dump(db, &after);
        assert_same(&before, &after);
        assert_false(out.digest_mismatch);
        assert_int_equal(out.event_count, 0);
        assert_int_equal(out.err, 0);
        assert_int_equal(out.op_count, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(out.ops[i].type, OP_ERROR);
                assert_int_equal(out.ops[i].err, codes[i]);
        }
        assert_int_equal(database_zxid(db), 3);
        jute_writer_done(&w);
        jute_writer_done(&before);
        jute_writer_done(&after);
        outcome_done(&out);
        database_free(db);
}

static void test_children_are_listed_by_name(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        struct jute_reader r;
        jute_writer_init(&w, ITEM_MAX);
        tree_put_children(db->tree, node(db, "/zookeeper"), &w);
        jute_reader_init(&r, w.data, w.len, ITEM_MAX);
        struct jute_vec names = jute_get_str_vec(&r);
        assert_int_equal(names.count, 2);
        struct jute_reader n = jute_vec_reader(&names);
        struct jute_str a = jute_get_str(&n), b = jute_get_str(&n);
        assert_true((jute_str_is(a, "quota") && jute_str_is(b, "config")) ||
                    (jute_str_is(b, "quota") && jute_str_is(a, "config")));
        jute_writer_reset(&w);
        tree_put_children(db->tree, node(db, "/"), &w);
        assert_int_equal(w.len, 4 + 4 + strlen("zookeeper"));
        jute_writer_reset(&w);
        tree_put_children(db->tree, node(db, "/zookeeper/quota"), &w);
        assert_int_equal(w.len, 4);
        jute_writer_done(&w);
        database_free(db);
}

/* storage-format.md 5.2.4: locally, with pzxid as by a delete at the present zxid. */
static void test_ephemerals_without_a_session_are_removed_on_demand(void **state)
{
        (void)state;
        struct database *db = database_new();
        apply_one(db, 5, 1, (struct make){.type = OP_CREATE_SESSION, .number = 4000}, NULL);
        apply_one(db, 5, 2, (struct make){.type = OP_CREATE, .path = "/mine", .ephemeral = true, .number = 2}, NULL);
        for (int64_t s = 10; s < 20; s++) {
                char path[] = "/x0";
                path[2] = (char)('0' + s - 10);
                apply_one(db, s, s, (struct make){.type = OP_CREATE, .path = path, .ephemeral = true, .number = -1},
                          NULL);
        }
        apply_one(db, 5, 30, (struct make){.type = OP_ERROR, .number = -1}, NULL);
        assert_int_equal(database_remove_orphans(db), 10);
        assert_int_equal(database_remove_orphans(db), 0);
        assert_non_null(node(db, "/mine"));
        assert_null(node(db, "/x0"));
        assert_int_equal(stat_of(db, "/").pzxid, 30);
        tree__check(db->tree);
        database_free(db);
}

static void test_the_zxid_is_never_lowered(void **state)
{
        (void)state;
        struct database *db = database_new();
        database_set_zxid(db, 0x200000000);
        database_set_zxid(db, 0x100000005);
        assert_int_equal(database_zxid(db), 0x200000000);
        apply_one(db, 1, 0x100000009, (struct make){.type = OP_ERROR, .number = -1}, NULL);
        assert_int_equal(database_zxid(db), 0x200000000);
        database_free(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_fresh_tree_is_that_of_a_java_server),
                cmocka_unit_test(test_create_sets_the_node_and_counts_at_the_parent),
                cmocka_unit_test(test_null_and_empty_data_are_kept_apart),
                cmocka_unit_test(test_delete_raises_the_parents_pzxid_and_shown_cversion),
                cmocka_unit_test(test_shown_cversion_wraps_like_an_int),
                cmocka_unit_test(test_set_data_changes_data_version_mzxid_and_mtime_only),
                cmocka_unit_test(test_set_acl_changes_acl_and_aversion_only),
                cmocka_unit_test(test_equal_acls_share_a_row_that_goes_with_its_last_node),
                cmocka_unit_test(test_containers_and_ttl_nodes_show_no_owner),
                cmocka_unit_test(test_sessions_of_server_255_own_ephemerals),
                cmocka_unit_test(test_reconfig_sets_the_config_node_and_leaves_its_version),
                cmocka_unit_test(test_closing_a_session_removes_what_it_owns),
                cmocka_unit_test(test_an_error_transaction_only_takes_its_zxid),
                cmocka_unit_test(test_a_multi_applies_all_under_one_zxid_in_order),
                cmocka_unit_test(test_a_failed_multi_applies_nothing_and_tells_the_codes),
                cmocka_unit_test(test_children_are_listed_by_name),
                cmocka_unit_test(test_ephemerals_without_a_session_are_removed_on_demand),
                cmocka_unit_test(test_the_zxid_is_never_lowered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
