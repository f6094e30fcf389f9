/* Unit tests of what is given back to the system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* A look once in its time. */
static bool look(struct memory *m, uint64_t *now, uint64_t tree_bytes)
{
        *now += MEMORY_REST_MS;
        return memory_rest(m, *now, tree_bytes);
}

/* As many looks at a tree of one size as giving back takes: whether the last one did, and no other. */
static bool looks(struct memory *m, uint64_t *now, uint64_t tree_bytes)
{
        for (unsigned i = 1; i < MEMORY_TRIM_LOOKS; i++)
                assert_false(look(m, now, tree_bytes));
        return look(m, now, tree_bytes);
}

static void test_a_tree_that_grows_or_shrinks_little_is_let_be(void **state)
{
        (void)state;
        struct memory m = {0};
        uint64_t now = 0;
        for (uint64_t size = 0; size < 1000; size += 100)
                assert_false(looks(&m, &now, size * MIB));
        assert_false(looks(&m, &now, 900 * MIB - MEMORY_TRIM_BYTES)); /* not an eighth */
        assert_false(looks(&m, &now, 900 * MIB));
}

static void test_what_a_tree_shrinks_by_is_given_back_once(void **state)
{
        (void)state;
        struct memory m = {0};
        uint64_t now = 0;
        assert_false(looks(&m, &now, 100 * MIB));
        assert_false(looks(&m, &now, 69 * MIB));
        assert_true(looks(&m, &now, 68 * MIB));
        assert_false(looks(&m, &now, 68 * MIB));
        assert_false(looks(&m, &now, 40 * MIB));
        assert_true(looks(&m, &now, 30 * MIB));
        assert_false(looks(&m, &now, 0)); /* what is left is not worth it */
        assert_false(looks(&m, &now, 40 * MIB));
        assert_true(looks(&m, &now, 5 * MIB));
}

static void test_a_tree_that_grows_again_keeps_its_memory(void **state)
{
        (void)state;
        struct memory m = {0};
        uint64_t now = 0;
        for (int i = 0; i < 5; i++) {
                assert_false(look(&m, &now, 100 * MIB));
                for (int quiet = 1; quiet < MEMORY_TRIM_LOOKS; quiet++)
                        assert_false(look(&m, &now, 0));
        }
        assert_false(look(&m, &now, 100 * MIB));
        assert_true(looks(&m, &now, 0));
}

static void test_it_is_not_looked_more_often_than_said(void **state)
{
        (void)state;
        struct memory m = {0};
        uint64_t now = 0;
        assert_false(look(&m, &now, 100 * MIB));
        for (int i = 1; i < MEMORY_TRIM_LOOKS; i++)
                assert_false(look(&m, &now, 0));
        for (int i = 1; i < MEMORY_REST_MS; i++)
                assert_false(memory_rest(&m, now + (uint64_t)i, 0));
        assert_true(look(&m, &now, 0));
}

static uint64_t resident(void)
{
        unsigned long all = 0, resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
        (void)fclose(f);
        return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_the_process_gets_smaller_below_something_that_lives(void **state)
{
        (void)state;
        enum { BLOCKS = 50000, BYTES = 1100 };
        static void *blocks[BLOCKS];
        struct memory m = {0};
        uint64_t now = 0;
        for (size_t i = 0; i < BLOCKS; i++) {
                blocks[i] = malloc(BYTES);
                assert_non_null(blocks[i]);
                memset(blocks[i], 1, BYTES);
        }
        void *above = malloc(BYTES);
        assert_non_null(above);
        if (mallinfo2().uordblks < (size_t)BLOCKS * BYTES) { /* a sanitizer's own malloc() */
                for (size_t i = 0; i < BLOCKS; i++)
                        free(blocks[i]);
                free(above);
                skip();
        }
        (void)look(&m, &now, (uint64_t)BLOCKS * BYTES);
        for (size_t i = 0; i < BLOCKS; i++)
                free(blocks[i]);
        uint64_t before = resident();
        assert_true(looks(&m, &now, 0));
        assert_true(resident() + 40 * MIB < before);
        free(above);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_tree_that_grows_or_shrinks_little_is_let_be),
                cmocka_unit_test(test_what_a_tree_shrinks_by_is_given_back_once),
                cmocka_unit_test(test_a_tree_that_grows_again_keeps_its_memory),
                cmocka_unit_test(test_it_is_not_looked_more_often_than_said),
                cmocka_unit_test(test_the_process_gets_smaller_below_something_that_lives),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
