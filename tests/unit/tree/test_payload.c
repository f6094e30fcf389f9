/* What is no transaction changes nothing (storage-format.md 2.1, 3). */
#include "fixture.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct database *some_database(void)
{
        struct database *db = database_new();
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE_SESSION, .number = 4000}, NULL);
        apply_one(db, 1, 2, (struct make){.type = OP_CREATE, .path = "/a", .data = "x", .acl = 4, .number = 2}, NULL);
        apply_one(db, 1, 3, (struct make){.type = OP_CREATE, .path = "/a/b", .ephemeral = true, .number = 1}, NULL);
        return db;
}

static void expect_refused(struct database *db, const struct jute_writer *w)
{
        struct jute_writer before, after;
        struct outcome out;
        outcome_init(&out);
        jute_writer_init(&before, ITEM_MAX);
        jute_writer_init(&after, ITEM_MAX);
        dump(db, &before);
        int64_t zxid = database_zxid(db);
        assert_false(database_reads(w->data, w->len));
        assert_int_equal(database_apply(db, w->data, w->len, &out), -EPROTO);
        dump(db, &after);
        assert_same(&before, &after);
        assert_int_equal(database_zxid(db), zxid);
        jute_writer_done(&before);
        jute_writer_done(&after);
        outcome_done(&out);
}

/* One transaction of each type, with a digest. */
static void put_sample(struct jute_writer *w, size_t which)
{
        static const struct make samples[] = {
                {.type = OP_CREATE, .path = "/n", .data = "x", .acl = 4, .number = 3},
                {.type = OP_CREATE2, .path = "/n", .acl = 1, .number = 3},
                {.type = OP_CREATE_CONTAINER, .path = "/n", .acl = 1, .number = 3},
                {.type = OP_CREATE_TTL, .path = "/n", .acl = 1, .number = 3, .ttl = 7},
                {.type = OP_DELETE, .path = "/a/b"},
                {.type = OP_DELETE_CONTAINER, .path = "/a/b"},
                {.type = OP_SET_DATA, .path = "/a", .data = "yy", .number = 1},
                {.type = OP_RECONFIG, .path = "/zookeeper/config", .data = "yy", .number = -1},
                {.type = OP_SET_ACL, .path = "/a", .acl = 4, .number = 1},
                {.type = OP_CREATE_SESSION, .number = 9},
                {.type = OP_ERROR, .number = -1},
        };
        static const char *const paths[] = {"/a/b", "/c", "/d"}; /* cut, two would look like a digest */
        const size_t count = sizeof samples / sizeof *samples;
        if (which < count) {
                begin_txn(w, 1, 50, samples[which].type);
                put_body(w, &samples[which]);
        } else if (which == count) {
                begin_txn(w, 1, 50, OP_CLOSE_SESSION);
                put_paths(w, paths, 3);
        } else {
                begin_txn(w, 1, 50, OP_MULTI);
                put_multi(w, samples, 7);
        }
        put_digest(w, 1);
}
#define SAMPLES 13

/* What is left when only the digest, or nothing but a closeSession's head, is missing is whole again. */
static bool is_whole_at(size_t which, size_t len, size_t whole)
{
        return len == whole || len == whole - JUTE_TXN_DIGEST_SIZE ||
               (which == SAMPLES - 2 && len == JUTE_TXN_HEADER_SIZE) ||
               (which == 0 && len == whole - JUTE_TXN_DIGEST_SIZE - 4); /* a create of version 0 */
}

static void test_a_transaction_cut_anywhere_is_refused(void **state)
{
        (void)state;
        for (size_t which = 0; which < SAMPLES; which++) {
                struct jute_writer w;
                jute_writer_init(&w, ITEM_MAX);
                put_sample(&w, which);
                const size_t whole = w.len;
                struct database *db = some_database();
                for (size_t len = 0; len < whole; len++) {
                        if (is_whole_at(which, len, whole) || (which == 1 && len == whole - JUTE_TXN_DIGEST_SIZE - 4))
                                continue;
                        /* In memory of its own length, so that a read too far is seen. */
                        uint8_t *copy = mem_dup(w.data, len);
                        struct jute_writer cut = {.data = copy, .len = len};
                        expect_refused(db, &cut);
                        mem_free(copy);
                }
                assert_int_equal(database_apply(db, w.data, whole, NULL), 0);
                database_free(db);
                jute_writer_done(&w);
        }
}

static void test_trailing_bytes_other_than_a_digest_are_refused(void **state)
{
        (void)state;
        for (size_t which = 0; which < SAMPLES; which++) {
                struct database *db = some_database();
                struct jute_writer w;
                jute_writer_init(&w, ITEM_MAX);
                put_sample(&w, which);
                for (int i = 0; i < 13; i++) {
                        jute_put_byte(&w, 0);
                        expect_refused(db, &w);
                }
                jute_writer_done(&w);
                database_free(db);
        }
}

static void test_unknown_types_are_refused(void **state)
{
        (void)state;
        static const int32_t types[] = {0, 3, 4, 6, 8, 9, 11, OP_CHECK, 17, 22, 100, -2, -12, INT32_MAX, INT32_MIN};
        struct database *db = some_database();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
                begin_txn(&w, 1, 50, types[i]);
                expect_refused(db, &w);
                put_body(&w, &(struct make){.type = OP_CHECK, .path = "/a", .number = 1});
                expect_refused(db, &w);
        }
        jute_writer_done(&w);
        database_free(db);
}

/* storage-format.md 3: setACL, reconfig, sessions and multi itself are not allowed inside. */
static void test_a_multi_with_a_foreign_operation_is_refused_whole(void **state)
{
        (void)state;
        static const int32_t types[] = {OP_SET_ACL, OP_RECONFIG, OP_CREATE_SESSION, OP_CLOSE_SESSION, OP_MULTI,
                                        OP_EXISTS,  99};
        struct database *db = some_database();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
                const struct make ops[] = {{.type = OP_DELETE, .path = "/a/b"},
                                           {.type = types[i], .path = "/a", .data = "x"}};
                begin_txn(&w, 1, 50, OP_MULTI);
                put_multi(&w, ops, 2);
                expect_refused(db, &w);
        }
        jute_writer_done(&w);
        database_free(db);
}

static void test_a_multi_with_a_longer_or_null_body_is_refused_whole(void **state)
{
        (void)state;
        struct database *db = some_database();
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, 1, 50, OP_MULTI);
        jute_put_int(&w, 1);
        jute_put_int(&w, OP_DELETE);
        jute_put_int(&w, 9);
        jute_put_raw(&w, "\0\0\0\x04/a/b", 9);
        expect_refused(db, &w);
        begin_txn(&w, 1, 50, OP_MULTI);
        jute_put_int(&w, 1);
        jute_put_int(&w, OP_ERROR);
        jute_put_int(&w, 3);
        jute_put_raw(&w, "\xFF\xFF\xFF", 3);
        expect_refused(db, &w);
        begin_txn(&w, 1, 50, OP_MULTI);
        jute_put_int(&w, 1);
        jute_put_int(&w, OP_ERROR);
        jute_put_int(&w, -1);
        expect_refused(db, &w);
        jute_writer_done(&w);
        database_free(db);
}

/* As a follower of ZooKeeper 3.9 has logged it: applied first, which marks the create as failed, and logged then. */
static void test_a_failed_multi_may_keep_the_bodies_it_had(void **state)
{
        (void)state;
        static const uint8_t logged[] =
                "\x03\x00\x01\xe6\x91\x2d\x00\x00\x00\x00\x03\x81\x00\x00\x00\x01\x00\x00\x03\x82\x00\x00\x01\xa2"
                "\x29\xbb\x90\xfb\x00\x00\x00\x0e\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x34\x00\x00\x00\x0c"
                "/files/never\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05"
                "world\x00\x00\x00\x06"
                "anyone\x00\x00\x00\x02"
                "a\xff\xff\xff\xff\x00\x00\x00\x04\xff\xff\xff\x9b"
                "\x00\x00\x00\x02\x00\x00\x01\x01\x6f\x26\xf2\x4a";
        struct database *db = some_database();
        struct outcome out;
        outcome_init(&out);
        assert_int_equal(database_apply(db, logged, sizeof logged - 1, &out), 0);
        assert_null(node(db, "/files/never"));
        assert_int_equal(out.op_count, 2);
        assert_int_equal(out.ops[0].err, 0);
        assert_int_equal(out.ops[1].err, ZK_NO_NODE);
        outcome_done(&out);
        database_free(db);
}

/* The form of the 3.3 line, without parentCVersion: treated as -1. */
static void test_a_create_without_parent_counter_counts_one_on(void **state)
{
        (void)state;
        struct database *db = some_database();
        struct jute_writer w;
        struct jute_stat_persisted stat;
        jute_writer_init(&w, ITEM_MAX);
        begin_txn(&w, 1, 50, OP_CREATE);
        jute_put_cstr(&w, "/old");
        jute_put_cstr(&w, "data");
        jute_put_vec(&w, acl_choice(1));
        jute_put_bool(&w, false);
        apply(db, &w, NULL);
        assert_non_null(node(db, "/old"));
        znode_stat_persisted(node(db, "/"), &stat);
        assert_int_equal(stat.cversion, 3);
        assert_int_equal(stat.pzxid, 50);
        jute_writer_done(&w);
        database_free(db);
}

static void test_a_changed_byte_never_harms(void **state)
{
        (void)state;
        const uint64_t seed = 4711;
        struct prng p = {.state = seed};
        printf("seed %llu\n", (unsigned long long)seed);
        size_t refused = 0, taken = 0;
        for (int round = 0; round < 4000; round++) {
                struct database *db = some_database();
                struct jute_writer w;
                struct outcome out;
                outcome_init(&out);
                jute_writer_init(&w, ITEM_MAX);
                put_sample(&w, below(&p, SAMPLES));
                for (unsigned n = 1 + below(&p, 3); n > 0; n--)
                        w.data[28 + below(&p, (unsigned)w.len - 28)] =
                                (uint8_t)(below(&p, 2) ? below(&p, 256) : below(&p, 3) + 254);
                bool reads = database_reads(w.data, w.len);
                int r = database_apply(db, w.data, w.len, &out);
                assert_true(r == 0 || r == -EPROTO);
                assert_int_equal(reads, r == 0);
                refused += r != 0;
                taken += r == 0;
                tree__check(db->tree);
                outcome_done(&out);
                jute_writer_done(&w);
                database_free(db);
        }
        assert_true(refused > 100 && taken > 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_transaction_cut_anywhere_is_refused),
                cmocka_unit_test(test_trailing_bytes_other_than_a_digest_are_refused),
                cmocka_unit_test(test_unknown_types_are_refused),
                cmocka_unit_test(test_a_multi_with_a_foreign_operation_is_refused_whole),
                cmocka_unit_test(test_a_multi_with_a_longer_or_null_body_is_refused_whole),
                cmocka_unit_test(test_a_failed_multi_may_keep_the_bodies_it_had),
                cmocka_unit_test(test_a_create_without_parent_counter_counts_one_on),
                cmocka_unit_test(test_a_changed_byte_never_harms),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
