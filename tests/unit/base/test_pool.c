/* Unit tests of the memory that comes back with the next request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer nothing is kept. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#elif defined(__has_feature)
#define KEEPS (!__has_feature(address_sanitizer))
#else
#define KEEPS true
#endif

static void test_nothing_is_kept_before_it_is_said(void **state)
{
        (void)state;
        pool_free(pool_alloc(100));
        assert_int_equal(pool_kept_bytes(), 0);
}

/* The lists are the thread's: each test begins and ends with none kept. */
static int empty(void **state)
{
        (void)state;
        pool_keep(false);
        pool_keep(true);
        return pool_kept_bytes() == 0 ? 0 : -1;
}

static void test_a_block_comes_back_for_its_size_and_no_other(void **state)
{
        (void)state;
        if (!KEEPS)
                skip();
        void *p = pool_alloc(1100);
        pool_free(p);
        void *larger = pool_alloc(1400), *smaller = pool_alloc(1000);
        assert_ptr_not_equal(larger, p);
        assert_ptr_not_equal(smaller, p);
        void *again = pool_alloc(1110);
        assert_ptr_equal(again, p);
        pool_free(again);
        pool_free(larger);
        pool_free(smaller);
}

static void test_every_size_can_be_filled_to_its_end(void **state)
{
        (void)state;
        enum { SIZES = POOL_BLOCK_BYTES_MAX + 100 };
        static uint8_t *blocks[SIZES];
        for (int round = 0; round < 2; round++) {
                for (size_t size = 0; size < SIZES; size++) {
                        blocks[size] = pool_alloc(size);
                        memset(blocks[size], (int)(size & 0xff), size);
                }
                for (size_t size = 0; size < SIZES; size++) {
                        for (size_t i = 0; i < size; i++)
                                assert_int_equal(blocks[size][i], size & 0xff);
                        pool_free(blocks[size]);
                }
                assert_true(pool_kept_bytes() <= POOL_KEEP_BYTES);
        }
}

static void test_zeroed_memory_is_zero_the_second_time_too(void **state)
{
        (void)state;
        static const uint8_t zeros[500];
        uint8_t *p = pool_alloc(sizeof zeros);
        memset(p, 0xff, sizeof zeros);
        pool_free(p);
        p = pool_zalloc(sizeof zeros);
        assert_memory_equal(p, zeros, sizeof zeros);
        pool_free(p);
        pool_free(NULL);
}

/* What was made before anything was kept, or by others, has the size that was asked for, or nearly: it must not come
 * back for more. */
static void test_no_block_comes_back_for_more_than_it_holds(void **state)
{
        (void)state;
        enum { SIZES = POOL_BLOCK_BYTES_MAX + 300 };
        static uint8_t *blocks[SIZES];
        for (size_t size = 0; size < SIZES; size++)
                blocks[size] = mem_alloc(size);
        for (size_t size = 0; size < SIZES; size += 7)
                pool_free(blocks[size]);
        assert_true(pool_kept_bytes() <= POOL_KEEP_BYTES && (!KEEPS || pool_kept_bytes() > POOL_KEEP_BYTES / 2));
        for (size_t size = 0; size < SIZES; size += 7) {
                blocks[size] = pool_alloc(size);
                assert_true(malloc_usable_size(blocks[size]) >= size);
        }
        for (size_t size = 0; size < SIZES; size++)
                pool_free(blocks[size]);
}

static void test_what_is_kept_is_bounded(void **state)
{
        (void)state;
        enum { BLOCKS = 2 * POOL_KEEP_BYTES / POOL_BLOCK_BYTES_MAX };
        static void *blocks[BLOCKS];
        for (size_t i = 0; i < BLOCKS; i++)
                blocks[i] = pool_alloc(POOL_BLOCK_BYTES_MAX);
        for (size_t i = 0; i < BLOCKS; i++) {
                pool_free(blocks[i]);
                assert_true(pool_kept_bytes() <= POOL_KEEP_BYTES);
        }
}

static void test_larger_blocks_go_back_at_once(void **state)
{
        (void)state;
        for (size_t size = POOL_BLOCK_BYTES_MAX + 17; size < POOL_BLOCK_BYTES_MAX + 600; size++) {
                pool_free(pool_alloc(size));
                assert_int_equal(pool_kept_bytes(), 0);
        }
}

static void test_what_is_not_wanted_goes_and_what_is_stays(void **state)
{
        (void)state;
        if (!KEEPS)
                skip();
        void *blocks[10];
        for (size_t i = 0; i < 10; i++)
                blocks[i] = pool_alloc(256);
        for (size_t i = 0; i < 10; i++)
                pool_free(blocks[i]);
        pool_rest(); /* some were wanted since the last one */
        size_t ten = pool_kept_bytes();
        for (size_t i = 0; i < 4; i++)
                blocks[i] = pool_alloc(256);
        for (size_t i = 0; i < 4; i++)
                pool_free(blocks[i]);
        pool_rest(); /* six lay there all the time */
        assert_int_equal(pool_kept_bytes(), ten - ten / 10 * 6);
        pool_rest();
        assert_int_equal(pool_kept_bytes(), 0);
}

static void *let_go(void *p)
{
        pool_keep(true);
        pool_free(p);
        bool kept = pool_kept_bytes() == (KEEPS ? 312 : 0);
        pool_keep(false);
        return kept && pool_kept_bytes() == 0 ? p : NULL;
}

static void test_a_block_may_be_let_go_by_another_thread(void **state)
{
        (void)state;
        pthread_t thread;
        void *p = pool_alloc(300), *mine = pool_alloc(300), *emptied = NULL;
        memset(p, 1, 300);
        pool_free(mine);
        assert_int_equal(pool_kept_bytes(), KEEPS ? 312 : 0);
        assert_int_equal(pthread_create(&thread, NULL, let_go, p), 0);
        assert_int_equal(pthread_join(thread, &emptied), 0);
        assert_ptr_equal(emptied, p);
        assert_int_equal(pool_kept_bytes(), KEEPS ? 312 : 0); /* the lists of each are its own */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_kept_before_it_is_said),
                cmocka_unit_test_setup_teardown(test_a_block_comes_back_for_its_size_and_no_other, empty, empty),
                cmocka_unit_test_setup_teardown(test_every_size_can_be_filled_to_its_end, empty, empty),
                cmocka_unit_test_setup_teardown(test_zeroed_memory_is_zero_the_second_time_too, empty, empty),
                cmocka_unit_test_setup_teardown(test_no_block_comes_back_for_more_than_it_holds, empty, empty),
                cmocka_unit_test_setup_teardown(test_what_is_kept_is_bounded, empty, empty),
                cmocka_unit_test_setup_teardown(test_larger_blocks_go_back_at_once, empty, empty),
                cmocka_unit_test_setup_teardown(test_what_is_not_wanted_goes_and_what_is_stays, empty, empty),
                cmocka_unit_test_setup_teardown(test_a_block_may_be_let_go_by_another_thread, empty, empty),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
