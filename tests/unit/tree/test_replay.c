/* Replay over a state that does not fit, as a fuzzy snapshot gives it (storage-format.md 5.3). */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct jute_stat_persisted stored(const struct database *db, const char *path)
{
        struct jute_stat_persisted s;
        assert_non_null(node(db, path));
        znode_stat_persisted(node(db, path), &s);
        return s;
}

/* Applies one operation, expecting its error and no event. */
static void expect_ignored(struct database *db, int64_t zxid, struct make m, int32_t err)
{
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, zxid, m, &out);
        assert_int_equal(out.err, err);
        assert_int_equal(out.op_count, 1);
        assert_int_equal(out.ops[0].type, OP_ERROR);
        assert_int_equal(out.ops[0].err, err);
        assert_int_equal(out.event_count, 0);
        assert_int_equal(database_zxid(db), zxid);
        outcome_done(&out);
}

static struct database *with_a(void)
{
        struct database *db = database_new();
        apply_one(db, 1, 10, (struct make){.type = OP_CREATE, .path = "/a", .data = "old", .acl = 3, .number = 5},
                  NULL);
        return db;
}

/* Every type of create raises the parent's counters, not type 1 alone as in ZooKeeper. */
static void test_creating_what_exists_raises_the_parents_counters_only(void **state)
{
        (void)state;
        static const int32_t types[] = {OP_CREATE, OP_CREATE2, OP_CREATE_CONTAINER, OP_CREATE_TTL};
        for (size_t i = 0; i < 4; i++) {
                struct database *db = with_a();
                struct make m = {.type = types[i], .path = "/a", .data = "new", .acl = 3, .ttl = 9};
                m.number = 5; /* not larger than stored */
                expect_ignored(db, 20, m, ZK_NODE_EXISTS);
                assert_int_equal(stored(db, "/").cversion, 5);
                assert_int_equal(stored(db, "/").pzxid, 10);
                m.number = 7;
                expect_ignored(db, 21, m, ZK_NODE_EXISTS);
                assert_int_equal(stored(db, "/").cversion, 7);
                assert_int_equal(stored(db, "/").pzxid, 21);
                m.number = -1; /* stored + 1 */
                expect_ignored(db, 22, m, ZK_NODE_EXISTS);
                assert_int_equal(stored(db, "/").cversion, 8);
                assert_int_equal(stored(db, "/").pzxid, 22);
                assert_true(jute_str_is(znode_data(node(db, "/a")), "old"));
                assert_int_equal(stored(db, "/a").czxid, 10);
                assert_int_equal(stored(db, "/a").ephemeral_owner, 0);
                database_free(db);
        }
}

/* As from 3.9.4 on (ZOOKEEPER-4846). */
static void test_creating_what_exists_gives_it_the_transactions_acl(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_CREATE, .path = "/a", .acl = 4, .number = 6}, ZK_NODE_EXISTS);
        assert_int_equal(tree_acl(db->tree, node(db, "/a")).count, 2);
        assert_int_equal(stored(db, "/a").aversion, 0);
        database_free(db);
}

static void test_creating_the_root_changes_nothing(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_CREATE, .path = "/", .number = 50}, ZK_NODE_EXISTS);
        expect_ignored(db, 21, (struct make){.type = OP_CREATE, .path = "", .number = 50}, ZK_NODE_EXISTS);
        assert_int_equal(stored(db, "/").cversion, 5);
        assert_int_equal(stored(db, "/").pzxid, 10);
        database_free(db);
}

static void test_creating_below_a_missing_parent_is_ignored(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_CREATE, .path = "/none/x", .number = 1}, ZK_NO_NODE);
        assert_null(node(db, "/none/x"));
        database_free(db);
}

static void test_counters_of_the_parent_are_never_lowered_by_a_new_node(void **state)
{
        (void)state;
        struct database *db = with_a();
        apply_one(db, 1, 20, (struct make){.type = OP_CREATE, .path = "/b", .number = 3}, NULL);
        assert_non_null(node(db, "/b"));
        assert_int_equal(stored(db, "/").cversion, 5);
        assert_int_equal(stored(db, "/").pzxid, 10);
        database_free(db);
}

static void test_deleting_what_is_missing_still_raises_the_parents_pzxid(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_DELETE, .path = "/b"}, ZK_NO_NODE);
        assert_int_equal(stored(db, "/").pzxid, 20);
        assert_int_equal(stored(db, "/").cversion, 5);
        database_free(db);
}

static void test_pzxid_is_not_lowered_by_an_older_delete(void **state)
{
        (void)state;
        struct database *db = with_a();
        apply_one(db, 1, 30, (struct make){.type = OP_DELETE, .path = "/b"}, NULL);
        apply_one(db, 1, 25, (struct make){.type = OP_DELETE, .path = "/a"}, NULL);
        assert_int_equal(stored(db, "/").pzxid, 30);
        assert_null(node(db, "/a"));
        database_free(db);
}

static void test_deleting_below_a_missing_parent_is_ignored(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_DELETE, .path = "/none/x"}, ZK_NO_NODE);
        expect_ignored(db, 21, (struct make){.type = OP_DELETE_CONTAINER, .path = "/none/x"}, ZK_NO_NODE);
        assert_int_equal(stored(db, "/").pzxid, 10);
        database_free(db);
}

static void test_deleting_the_root_is_ignored(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_DELETE, .path = "/"}, ZK_BAD_ARGUMENTS);
        expect_ignored(db, 21, (struct make){.type = OP_DELETE, .path = ""}, ZK_BAD_ARGUMENTS);
        expect_ignored(db, 22, (struct make){.type = OP_DELETE, .path = NULL}, ZK_BAD_ARGUMENTS);
        expect_ignored(db, 23, (struct make){.type = OP_CREATE, .path = NULL, .number = 1}, ZK_BAD_ARGUMENTS);
        expect_ignored(db, 24, (struct make){.type = OP_CREATE, .path = "/a//b", .number = 1}, ZK_BAD_ARGUMENTS);
        expect_ignored(db, 25, (struct make){.type = OP_CREATE, .path = "//b", .number = 1}, ZK_BAD_ARGUMENTS);
        database_free(db);
}

/* Children of a later incarnation go with the node; their creations follow in the log. */
static void test_deleting_a_node_with_children_takes_them_along(void **state)
{
        (void)state;
        struct database *db = with_a();
        struct outcome out;
        outcome_init(&out);
        apply_one(db, 1, 11, (struct make){.type = OP_CREATE, .path = "/a/b", .number = 1}, NULL);
        apply_one(db, 1, 12, (struct make){.type = OP_CREATE, .path = "/a/b/c", .ephemeral = true, .number = 1}, NULL);
        apply_one(db, 1, 13, (struct make){.type = OP_CREATE, .path = "/a/d", .number = 2}, NULL);
        apply_one(db, 1, 14, (struct make){.type = OP_DELETE, .path = "/a"}, &out);
        assert_null(node(db, "/a/b/c"));
        assert_null(node(db, "/a/b"));
        assert_null(node(db, "/a"));
        assert_int_equal(tree_ephemeral_count(db->tree), 0);
        assert_int_equal(out.event_count, 4);
        assert_true(jute_str_is(out.events[3].path, "/a"));
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(out.events[i].type, EVENT_NODE_DELETED);
        outcome_done(&out);
        database_free(db);
}

static void test_setting_what_is_missing_is_ignored(void **state)
{
        (void)state;
        struct database *db = with_a();
        expect_ignored(db, 20, (struct make){.type = OP_SET_DATA, .path = "/b", .data = "x", .number = 1}, ZK_NO_NODE);
        expect_ignored(db, 21, (struct make){.type = OP_SET_ACL, .path = "/b", .acl = 1, .number = 1}, ZK_NO_NODE);
        database_free(db);
}

/* Values are absolute: a later transaction in the log brings the node forward again. */
static void test_a_newer_node_is_overwritten(void **state)
{
        (void)state;
        struct database *db = with_a();
        apply_one(db, 1, 30, (struct make){.type = OP_SET_DATA, .path = "/a", .data = "v3", .number = 3}, NULL);
        apply_one(db, 1, 20, (struct make){.type = OP_SET_DATA, .path = "/a", .data = "v1", .number = 1}, NULL);
        assert_int_equal(stored(db, "/a").version, 1);
        assert_int_equal(stored(db, "/a").mzxid, 20);
        assert_true(jute_str_is(znode_data(node(db, "/a")), "v1"));
        apply_one(db, 1, 30, (struct make){.type = OP_SET_ACL, .path = "/a", .acl = 4, .number = 3}, NULL);
        apply_one(db, 1, 20, (struct make){.type = OP_SET_ACL, .path = "/a", .acl = 5, .number = 2}, NULL);
        assert_int_equal(stored(db, "/a").aversion, 2);
        assert_int_equal(tree_acl(db->tree, node(db, "/a")).count, 1);
        database_free(db);
}

static void close_session(struct database *db, int64_t session, int64_t zxid, const char *const *paths, size_t count)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, session, zxid, OP_CLOSE_SESSION);
        put_paths(&w, paths, count);
        apply(db, &w, NULL);
        jute_writer_done(&w);
}

static void test_close_session_deletes_listed_paths_whoever_owns_them(void **state)
{
        (void)state;
        struct database *db = database_new();
        const char *listed[] = {"/x", "/gone", "/gone/too"};
        apply_one(db, 8, 1, (struct make){.type = OP_CREATE_SESSION, .number = 1}, NULL);
        apply_one(db, 8, 2, (struct make){.type = OP_CREATE, .path = "/x", .ephemeral = true, .number = 2}, NULL);
        apply_one(db, 7, 3, (struct make){.type = OP_CREATE, .path = "/own", .ephemeral = true, .number = 3}, NULL);
        close_session(db, 7, 4, listed, 3);
        assert_null(node(db, "/x"));
        assert_null(node(db, "/own"));
        assert_true(session_table_find(database_sessions(db), 8, NULL));
        close_session(db, 7, 5, listed, 0);
        assert_int_equal(database_zxid(db), 5);
        database_free(db);
}

static void test_close_session_without_a_list_removes_what_the_session_owns(void **state)
{
        (void)state;
        for (int digest = 0; digest < 2; digest++) {
                struct database *db = database_new();
                struct jute_writer w;
                jute_writer_init(&w, ITEM_MAX);
                apply_one(db, 7, 1, (struct make){.type = OP_CREATE_SESSION, .number = 1}, NULL);
                apply_one(db, 7, 2, (struct make){.type = OP_CREATE, .path = "/x", .ephemeral = true, .number = 2},
                          NULL);
                begin_txn(&w, 7, 3, OP_CLOSE_SESSION);
                if (digest) /* the trap: twelve bytes that a default Java server fails on */
                        put_digest(&w, 0x1234);
                struct outcome out;
                outcome_init(&out);
                apply(db, &w, &out);
                assert_int_equal(out.digest_mismatch, digest == 1);
                assert_int_equal(out.event_count, 1);
                assert_true(jute_str_is(out.events[0].path, "/x"));
                assert_null(node(db, "/x"));
                assert_int_equal(session_table_count(database_sessions(db)), 0);
                outcome_done(&out);
                jute_writer_done(&w);
                database_free(db);
        }
}

static void test_close_session_with_an_empty_list_and_a_digest_is_understood(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        struct outcome out;
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, 7, 3, OP_CLOSE_SESSION);
        put_paths(&w, NULL, 0);
        put_digest(&w, tree_digest(db->tree));
        apply(db, &w, &out);
        assert_false(out.digest_mismatch);
        begin_txn(&w, 7, 4, OP_CLOSE_SESSION);
        jute_put_int(&w, -1);
        apply(db, &w, &out);
        assert_int_equal(database_zxid(db), 4);
        outcome_done(&out);
        jute_writer_done(&w);
        database_free(db);
}

/* Operations of a multi are applied one by one under the rules above. */
static void test_a_multi_half_inside_the_snapshot_is_completed(void **state)
{
        (void)state;
        struct database *db = with_a();
        struct jute_writer w;
        struct outcome out;
        const struct make ops[] = {
                {.type = OP_CREATE, .path = "/a", .acl = 3, .number = 6},
                {.type = OP_CREATE, .path = "/b", .number = 7},
                {.type = OP_DELETE, .path = "/c"},
        };
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, 1, 20, OP_MULTI);
        put_multi(&w, ops, 3);
        apply(db, &w, &out);
        assert_int_equal(out.err, 0);
        assert_int_equal(out.ops[0].err, ZK_NODE_EXISTS);
        assert_int_equal(out.ops[0].type, OP_ERROR);
        assert_int_equal(out.ops[1].err, 0);
        assert_int_equal(out.ops[2].err, ZK_NO_NODE);
        assert_int_equal(out.event_count, 1);
        assert_int_equal(stored(db, "/").cversion, 7);
        assert_int_equal(stored(db, "/").pzxid, 20);
        outcome_done(&out);
        jute_writer_done(&w);
        database_free(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_creating_what_exists_raises_the_parents_counters_only),
                cmocka_unit_test(test_creating_what_exists_gives_it_the_transactions_acl),
                cmocka_unit_test(test_creating_the_root_changes_nothing),
                cmocka_unit_test(test_creating_below_a_missing_parent_is_ignored),
                cmocka_unit_test(test_counters_of_the_parent_are_never_lowered_by_a_new_node),
                cmocka_unit_test(test_deleting_what_is_missing_still_raises_the_parents_pzxid),
                cmocka_unit_test(test_pzxid_is_not_lowered_by_an_older_delete),
                cmocka_unit_test(test_deleting_below_a_missing_parent_is_ignored),
                cmocka_unit_test(test_deleting_the_root_is_ignored),
                cmocka_unit_test(test_deleting_a_node_with_children_takes_them_along),
                cmocka_unit_test(test_setting_what_is_missing_is_ignored),
                cmocka_unit_test(test_a_newer_node_is_overwritten),
                cmocka_unit_test(test_close_session_deletes_listed_paths_whoever_owns_them),
                cmocka_unit_test(test_close_session_without_a_list_removes_what_the_session_owns),
                cmocka_unit_test(test_close_session_with_an_empty_list_and_a_digest_is_understood),
                cmocka_unit_test(test_a_multi_half_inside_the_snapshot_is_completed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
