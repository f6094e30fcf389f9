/* The data digest (storage-format.md 7). */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Seen on running 3.8 and 3.9 servers. */
#define DIGEST_FRESH UINT64_C(0x51C6D660)

static void test_a_fresh_tree_has_the_digest_of_a_java_server(void **state)
{
        (void)state;
        struct database *db = database_new();
        assert_int_equal(tree_digest(database_tree(db)), DIGEST_FRESH);
        database_free(db);
}

/* quorum-protocol.md appendix A: a PROPOSAL's data as a Java leader sent it. */
static void test_a_java_leaders_first_transaction_agrees(void **state)
{
        (void)state;
        static const uint8_t payload[] = {
                0x01, 0x00, 0x00, 0x14, 0xC3, 0x2D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
                0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0xA2, 0x05, 0xEF, 0x5C, 0xF6, 0xFF, 0xFF, 0xFF, 0xF6,
                0x00, 0x00, 0x27, 0x10, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x51, 0xC6, 0xD6, 0x60,
        };
        struct database *db = database_new();
        struct outcome out;
        int32_t timeout = 0;
        outcome_init(&out);
        assert_int_equal(database_apply(db, payload, sizeof payload, &out), 0);
        assert_false(out.digest_mismatch);
        assert_int_equal(out.header.session_id, 0x01000014C32D0000);
        assert_int_equal(out.op_count, 0);
        assert_int_equal(database_zxid(db), 0x100000001);
        assert_true(session_table_find(database_sessions(db), 0x01000014C32D0000, &timeout));
        assert_int_equal(timeout, 10000);
        outcome_done(&out);
        database_free(db);
}

static void test_a_different_digest_is_reported_and_the_transaction_applied(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        struct outcome out;
        outcome_init(&out);
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, 1, 1, OP_CREATE);
        put_body(&w, &(struct make){.type = OP_CREATE, .path = "/a", .number = 2});
        put_digest(&w, DIGEST_FRESH);
        apply(db, &w, &out);
        assert_true(out.digest_mismatch);
        assert_non_null(node(db, "/a"));

        begin_txn(&w, 1, 2, OP_ERROR);
        put_body(&w, &(struct make){.type = OP_ERROR, .number = ZK_NO_NODE});
        put_digest(&w, tree_digest(database_tree(db)) + 1); /* a failed multi's, of what it would have made */
        apply(db, &w, &out);
        assert_false(out.digest_mismatch || out.digest_agrees);

        /* Another version's digest says nothing. */
        begin_txn(&w, 1, 3, OP_DELETE);
        put_body(&w, &(struct make){.type = OP_DELETE, .path = "/a"});
        jute_put_int(&w, 1);
        jute_put_long(&w, 0);
        apply(db, &w, &out);
        assert_false(out.digest_mismatch);
        jute_writer_done(&w);
        outcome_done(&out);
        database_free(db);
}

static void test_what_lies_below_zookeeper_does_not_count(void **state)
{
        (void)state;
        struct database *db = database_new();
        database_set_config(db, jute_cstr("server.1=h:1:2:participant\nversion=0"), 7, 12345);
        assert_int_equal(tree_digest(database_tree(db)), DIGEST_FRESH);
        assert_int_equal(znode_digest(node(db, "/zookeeper/config")), 0);
        assert_int_not_equal(znode_digest(node(db, "/zookeeper")), 0);
        database_free(db);
}

static void test_a_digest_can_be_foretold(void **state)
{
        (void)state;
        struct database *db = database_new();
        apply_one(db, 1, 5, (struct make){.type = OP_CREATE, .path = "/a", .data = "xyz", .number = 2}, NULL);
        const struct jute_stat_persisted stat = {
                .czxid = 5, .mzxid = 5, .pzxid = 5, .ctime = time_of(5), .mtime = time_of(5)};
        const uint32_t content = tree_content_crc(jute_cstr("/a"), jute_cstr("xyz"));
        assert_int_equal(content, znode_content_crc(node(db, "/a")));
        assert_int_equal(tree_node_digest(jute_cstr("/a"), content, &stat), znode_digest(node(db, "/a")));
        assert_int_equal(tree_node_digest(jute_cstr("/zookeeper/a"), content, &stat), 0);
        struct jute_stat_persisted root;
        znode_stat_persisted(node(db, "/"), &root);
        const uint32_t nothing = tree_content_crc(jute_cstr("/"), jute_cstr(""));
        assert_int_equal(nothing, tree_content_crc(jute_cstr(""), jute_cstr("")));
        assert_int_equal(tree_node_digest(jute_cstr(""), nothing, &root), znode_digest(node(db, "/")));
        assert_int_equal(tree_node_digest(jute_cstr("/"), nothing, &root), znode_digest(node(db, "/")));
        database_free(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_fresh_tree_has_the_digest_of_a_java_server),
                cmocka_unit_test(test_a_java_leaders_first_transaction_agrees),
                cmocka_unit_test(test_a_different_digest_is_reported_and_the_transaction_applied),
                cmocka_unit_test(test_what_lies_below_zookeeper_does_not_count),
                cmocka_unit_test(test_a_digest_can_be_foretold),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
