/* tests/bench/histogram.c against a sorted list of the same values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/histogram.h"

#include <stdlib.h>

#define VALUES 20000

static int by_value(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return (x > y) - (x < y);
}

static uint64_t next(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

static void test_an_empty_histogram_says_zero(void **state)
{
        (void)state;
        static struct histogram h;
        histogram_init(&h);
        assert_int_equal(histogram_at(&h, 0.5), 0);
        assert_int_equal(h.max, 0);
        assert_true(histogram_mean(&h) == 0);
}

/* Each value lies in its bucket, the bucket before ends below it, and no bucket is wider than 1/128 of its values. */
static void test_buckets_follow_each_other_without_a_gap(void **state)
{
        (void)state;
        for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
                uint64_t from = histogram_bucket_end(i - 1) + 1, to = histogram_bucket_end(i);
                assert_true(to >= from);
                assert_int_equal(histogram_bucket(from), i);
                assert_int_equal(histogram_bucket(to), i);
                assert_true((to - from) * 128 <= from);
        }
        assert_int_equal(histogram_bucket_end(HISTOGRAM_BUCKETS - 1), HISTOGRAM_VALUE_MAX);
        assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_parts_are_those_of_the_sorted_values(void **state)
{
        (void)state;
        static const double parts[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
        static struct histogram h;
        static uint64_t values[VALUES];
        uint64_t seed = 88172645463325252u;
        histogram_init(&h);
        double sum = 0;
        for (size_t i = 0; i < VALUES; i++) {
                values[i] = next(&seed) >> (24 + next(&seed) % 40);
                sum += (double)values[i];
                histogram_add(&h, values[i]);
        }
        qsort(values, VALUES, sizeof *values, by_value);
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
                size_t rank = (size_t)(parts[p] * VALUES);
                if ((double)rank < parts[p] * VALUES)
                        rank++;
                uint64_t exact = values[rank ? rank - 1 : 0], found = histogram_at(&h, parts[p]);
                assert_true(found >= exact);
                assert_true(found - exact <= exact / 128);
        }
        assert_int_equal(h.min, values[0]);
        assert_int_equal(h.max, values[VALUES - 1]);
        assert_true(histogram_mean(&h) > 0.999999 * sum / VALUES && histogram_mean(&h) < 1.000001 * sum / VALUES);
}

static void test_one_slow_value_is_seen_at_the_end_only(void **state)
{
        (void)state;
        static struct histogram h;
        histogram_init(&h);
        for (int i = 0; i < 999; i++)
                histogram_add(&h, 100);
        histogram_add(&h, 5000000);
        assert_int_equal(histogram_at(&h, 0.5), 100);
        assert_int_equal(histogram_at(&h, 0.999), 100);
        assert_int_equal(histogram_at(&h, 0.9991), 5000000);
}

static void test_a_value_beyond_all_buckets_keeps_its_maximum(void **state)
{
        (void)state;
        static struct histogram h;
        histogram_init(&h);
        histogram_add(&h, UINT64_MAX - 1);
        assert_true(h.max == UINT64_MAX - 1);
        assert_true(histogram_at(&h, 1) == UINT64_MAX - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_empty_histogram_says_zero),
                cmocka_unit_test(test_buckets_follow_each_other_without_a_gap),
                cmocka_unit_test(test_parts_are_those_of_the_sorted_values),
                cmocka_unit_test(test_one_slow_value_is_seen_at_the_end_only),
                cmocka_unit_test(test_a_value_beyond_all_buckets_keeps_its_maximum),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
