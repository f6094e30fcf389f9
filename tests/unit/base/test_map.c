/* Unit tests of the hash table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/hash.h"
#include "election/base/map.h"

#include <string.h>

static void test_fresh_map_holds_nothing(void **state)
{
        (void)state;
        struct map m;
        map_init(&m);
        assert_null(map_get(&m, 0));
        assert_null(map_remove(&m, 0));
        assert_int_equal(m.count, 0);
        map_done(&m);
        map_done(&m);
}

static void test_put_replaces_and_remove_returns(void **state)
{
        (void)state;
        int a, b;
        struct map m;
        map_init(&m);
        map_put(&m, 0, &a);
        map_put(&m, UINT64_MAX, &b);
        assert_int_equal(m.count, 2);
        assert_ptr_equal(map_get(&m, 0), &a);
        map_put(&m, 0, &b);
        assert_int_equal(m.count, 2);
        assert_ptr_equal(map_get(&m, 0), &b);
        assert_ptr_equal(map_remove(&m, 0), &b);
        assert_null(map_get(&m, 0));
        assert_ptr_equal(map_get(&m, UINT64_MAX), &b);
        assert_int_equal(m.count, 1);
        map_done(&m);
}

/* The twin: an array indexed by key. Few keys, so that probes collide, wrap and close gaps. */
static void test_map_agrees_with_an_array_through_random_changes(void **state)
{
        (void)state;
        enum { KEYS = 300 };
        static char values[KEYS];
        char *twin[KEYS];
        size_t count = 0;
        struct map m;
        struct prng p = {20260101};
        map_init(&m);
        memset(twin, 0, sizeof twin);
        for (int i = 0; i < 20000; i++) {
                uint64_t key = prng_next(&p) % KEYS;
                /* Growing and shrinking phases take turns. */
                if (prng_next(&p) % 10 < (i / 1000 % 2 ? 3U : 7U)) {
                        char *value = &values[prng_next(&p) % KEYS];
                        count += !twin[key];
                        twin[key] = value;
                        map_put(&m, key, value);
                } else {
                        assert_ptr_equal(map_remove(&m, key), twin[key]);
                        count -= twin[key] != NULL;
                        twin[key] = NULL;
                }
                assert_int_equal(m.count, count);
                if (i % 16 == 0)
                        for (uint64_t k = 0; k < KEYS; k++)
                                assert_ptr_equal(map_get(&m, k), twin[k]);
        }
        map_done(&m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fresh_map_holds_nothing),
                cmocka_unit_test(test_put_replaces_and_remove_returns),
                cmocka_unit_test(test_map_agrees_with_an_array_through_random_changes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
