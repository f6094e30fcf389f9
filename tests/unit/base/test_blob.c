/* Unit tests of shared bytes. That the last reference frees is seen by the leak checker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/blob.h"

static void test_new_blob_has_one_reference(void **state)
{
        (void)state;
        struct blob *b = blob_new(5);
        assert_int_equal(b->refs, 1);
        assert_int_equal(b->len, 5);
        for (uint8_t i = 0; i < 5; i++)
                b->data[i] = i;
        blob_unref(b);
}

static void test_blob_lives_until_the_last_reference_goes(void **state)
{
        (void)state;
        struct blob *b = blob_copy("abc", 3);
        assert_ptr_equal(blob_ref(b), b);
        assert_int_equal(b->refs, 2);
        blob_unref(b);
        assert_int_equal(b->refs, 1);
        assert_memory_equal(b->data, "abc", 3);
        blob_unref(b);
}

static void test_empty_blob_needs_no_bytes(void **state)
{
        (void)state;
        struct blob *b = blob_copy(NULL, 0);
        assert_int_equal(b->len, 0);
        blob_unref(b);
        blob_unref(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new_blob_has_one_reference),
                cmocka_unit_test(test_blob_lives_until_the_last_reference_goes),
                cmocka_unit_test(test_empty_blob_needs_no_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
