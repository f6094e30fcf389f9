/* The replicated table: id -> timeout. */
#include "election/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_session_is_there_from_add_to_remove(void **state)
{
        (void)state;
        struct session_table *t = session_table_new();
        int32_t timeout = 0;
        assert_false(session_table_find(t, -5, &timeout));
        session_table_add(t, -5, 4000);
        assert_true(session_table_find(t, -5, &timeout));
        assert_int_equal(timeout, 4000);
        assert_true(session_table_find(t, -5, NULL));
        assert_true(session_table_remove(t, -5));
        assert_false(session_table_remove(t, -5));
        assert_false(session_table_find(t, -5, &timeout));
        session_table_free(t);
}

static void test_adding_again_changes_the_timeout(void **state)
{
        (void)state;
        struct session_table *t = session_table_new();
        int32_t timeout = 0;
        session_table_add(t, 1, 4000);
        session_table_add(t, 1, 6000);
        assert_int_equal(session_table_count(t), 1);
        assert_true(session_table_find(t, 1, &timeout));
        assert_int_equal(timeout, 6000);
        session_table_free(t);
}

static void sum_up(void *ctx, int64_t id, int32_t timeout_ms)
{
        *(uint64_t *)ctx += (uint64_t)id * (uint64_t)timeout_ms; /* wraps */
}

static void test_each_visits_every_session_once(void **state)
{
        (void)state;
        struct session_table *t = session_table_new();
        uint64_t sum = 0, expected = 0;
        for (int32_t i = 0; i < 1000; i++) {
                session_table_add(t, INT64_C(0x100000000000000) + i, i);
                expected += (UINT64_C(0x100000000000000) + (uint64_t)i) * (uint64_t)i;
        }
        session_table_each(t, sum_up, &sum);
        assert_int_equal(sum, expected);
        assert_int_equal(session_table_count(t), 1000);
        session_table_free(t);
        session_table_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_session_is_there_from_add_to_remove),
                cmocka_unit_test(test_adding_again_changes_the_timeout),
                cmocka_unit_test(test_each_visits_every_session_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
