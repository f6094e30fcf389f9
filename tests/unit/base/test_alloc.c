/* Unit tests of the core's memory functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"

#include <string.h>

static void test_size_zero_yields_a_pointer_of_its_own(void **state)
{
        (void)state;
        void *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_dup(NULL, 0);
        assert_ptr_not_equal(a, b);
        assert_ptr_not_equal(b, c);
        a = mem_realloc(a, 0);
        assert_ptr_not_equal(a, b);
        mem_free(a);
        mem_free(b);
        mem_free(c);
        mem_free(NULL);
}

static void test_zeroed_memory_is_zero(void **state)
{
        (void)state;
        static const uint8_t zeros[1000];
        uint8_t *p = mem_zalloc(sizeof zeros);
        assert_memory_equal(p, zeros, sizeof zeros);
        mem_free(p);
}

static void test_copies_are_equal_and_apart(void **state)
{
        (void)state;
        char text[] = "baton";
        char *a = mem_strdup(text), *b = mem_dup(text, 3);
        text[0] = 'x';
        assert_string_equal(a, "baton");
        assert_memory_equal(b, "bat", 3);
        mem_free(a);
        mem_free(b);
}

static void test_array_starts_at_eight_and_doubles(void **state)
{
        (void)state;
        size_t capacity = 0;
        uint64_t *array = NULL;
        for (size_t i = 0; i < 1000; i++) {
                size_t before = capacity;
                array = mem_grow(array, &capacity, i + 1, sizeof *array);
                assert_true(capacity >= i + 1);
                assert_true(capacity == before || capacity == (before ? before * 2 : 8));
                array[i] = i;
        }
        assert_int_equal(capacity, 1024);
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(array[i], i);
        mem_free(array);
}

static void test_array_grows_at_once_to_what_is_wanted(void **state)
{
        (void)state;
        size_t capacity = 0;
        uint8_t *array = mem_grow(NULL, &capacity, 100, 1);
        assert_int_equal(capacity, 128);
        assert_ptr_equal(mem_grow(array, &capacity, 128, 1), array);
        assert_int_equal(capacity, 128);
        mem_free(array);
}

static void test_empty_array_is_made_when_nothing_is_wanted(void **state)
{
        (void)state;
        size_t capacity = 0;
        uint8_t *array = mem_grow(NULL, &capacity, 0, 1);
        assert_non_null(array);
        assert_int_equal(capacity, 8);
        memset(array, 1, capacity);
        mem_free(array);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size_zero_yields_a_pointer_of_its_own),
                cmocka_unit_test(test_zeroed_memory_is_zero),
                cmocka_unit_test(test_copies_are_equal_and_apart),
                cmocka_unit_test(test_array_starts_at_eight_and_doubles),
                cmocka_unit_test(test_array_grows_at_once_to_what_is_wanted),
                cmocka_unit_test(test_empty_array_is_made_when_nothing_is_wanted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
