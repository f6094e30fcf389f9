/* What znodes cost: 100,000 of 100 bytes must stay far below 60 MiB. */
#include "fixture.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODES              100000
#define DATA_SIZE          100
#define BYTES_PER_NODE_MAX 330
/* What malloc keeps before each block. */
#define MALLOC_HEAD 8

static void fill(struct database *db, const char *data, size_t count)
{
        struct jute_writer w;
        char path[64];
        jute_writer_init(&w, ITEM_MAX);
        for (size_t i = 0; i < count; i++) {
                (void)snprintf(path, sizeof path, "/bench/node-%010zu", i);
                begin_txn(&w, 1, (int64_t)i + 2, OP_CREATE);
                put_body(&w,
                         &(struct make){
                                 .type = OP_CREATE, .path = path, .data = data, .acl = 1, .number = (int32_t)i + 1});
                assert_int_equal(database_apply(db, w.data, w.len, NULL), 0);
        }
        jute_writer_done(&w);
}

static size_t memory_of(const struct tree *t)
{
        size_t sum = malloc_usable_size(t->nodes.slots) + MALLOC_HEAD;
        for (const struct list *l = t->ring.next; l != &t->ring; l = l->next) {
                struct znode *n = LIST_ENTRY(l, struct znode, ring);
                sum += malloc_usable_size(n) + MALLOC_HEAD;
                sum += n->family ? malloc_usable_size(n->family) + MALLOC_HEAD : 0;
                sum += n->data ? malloc_usable_size(n->data) + MALLOC_HEAD : 0;
        }
        return sum;
}

static void test_a_small_znode_costs_little(void **state)
{
        (void)state;
        struct database *db = database_new();
        char data[DATA_SIZE + 1];
        memset(data, 'x', DATA_SIZE);
        data[DATA_SIZE] = '\0';
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/bench", .number = 2}, NULL);
        fill(db, data, NODES);
        assert_int_equal(tree_descendants(database_tree(db), node(db, "/bench")), NODES);
        size_t each = memory_of(database_tree(db)) / NODES;
        printf("%zu bytes per znode of %d bytes data\n", each, DATA_SIZE);
        assert_true(each <= BYTES_PER_NODE_MAX);
        tree__check(db->tree);
        database_free(db);
}

/* What decides when memory is given back: near enough, and back where it was when the znodes have gone. */
static void test_the_size_that_is_told_is_about_that_taken(void **state)
{
        (void)state;
        struct database *db = database_new();
        char data[1000] = "";
        memset(data, 'x', sizeof data - 1);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/bench", .number = 2}, NULL);
        const uint64_t before = tree_memory_bytes(db->tree);
        fill(db, data, 1000);
        const uint64_t told = tree_memory_bytes(db->tree) - before, taken = memory_of(db->tree);
        assert_true(told > taken / 4 * 3 && told < taken);
        apply_one(db, 1, 2000, (struct make){.type = OP_DELETE, .path = "/bench"}, NULL);
        assert_true(tree_memory_bytes(db->tree) < before);
        database_free(db);
}

static void test_a_fresh_database_is_small(void **state)
{
        (void)state;
        struct database *db = database_new();
        assert_true(memory_of(database_tree(db)) < 4096);
        assert_true(db->tree->walk.aside.capacity == 0);
        database_free(db);
}

/* A finished snapshot leaves no memory behind. */
static void test_put_aside_bytes_are_given_back(void **state)
{
        (void)state;
        struct database *db = database_new();
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        apply_one(db, 1, 1, (struct make){.type = OP_CREATE, .path = "/bench", .number = 2}, NULL);
        fill(db, "some data", 5000);
        assert_int_equal(database_snapshot_begin(db), 0);
        for (size_t i = 0; i < 5000; i++) {
                char path[64];
                (void)snprintf(path, sizeof path, "/bench/node-%010zu", i);
                jute_writer_reset(&w);
                begin_txn(&w, 1, 10000 + (int64_t)i, OP_DELETE);
                put_body(&w, &(struct make){.type = OP_DELETE, .path = path});
                assert_int_equal(database_apply(db, w.data, w.len, NULL), 0);
        }
        assert_true(db->tree->walk.aside.len > 5000 * 80);
        jute_writer_reset(&w);
        for (size_t before = 0; database_snapshot_read(db, &w, 4096) == 1; before = w.len)
                assert_true(w.len > before && w.len - before <= 4096 + 200); /* in pieces, too */
        assert_true(db->tree->walk.aside.capacity < 100000);
        database_snapshot_end(db);
        assert_int_equal(db->tree->walk.aside.capacity, 0);
        assert_true(db->tree->nodes.capacity <= 64);
        jute_writer_done(&w);
        database_free(db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_small_znode_costs_little),
                cmocka_unit_test(test_the_size_that_is_told_is_about_that_taken),
                cmocka_unit_test(test_a_fresh_database_is_small),
                cmocka_unit_test(test_put_aside_bytes_are_given_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
