/* Figures of fixed size (election/base/summary.h). */
#include "election/base/hash.h"
#include "election/base/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_an_empty_one_is_all_zero(void **state)
{
        (void)state;
        struct histogram h = {.summary = {0}};
        assert_int_equal(histogram_quantile(&h, 999), 0);
        summary_merge(&h.summary, &(struct summary){.min = 7});
        assert_int_equal(h.summary.min, 0);
        summary_add(&h.summary, 9);
        assert_true(h.summary.count == 1 && h.summary.min == 9 && h.summary.max == 9 && h.summary.sum == 9);
        summary_merge(&h.summary, &(struct summary){.count = 2, .sum = 12, .min = 2, .max = 10});
        assert_true(h.summary.count == 3 && h.summary.min == 2 && h.summary.max == 10 && h.summary.sum == 21);
}

static int by_value(const void *a, const void *b)
{
        const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return (x > y) - (x < y);
}

/* Against sorted values, of every size there may be: never below the truth, at most an eighth above. */
static void test_quantiles_are_near_the_truth(void **state)
{
        (void)state;
        static const uint32_t asked[] = {1, 500, 950, 990, 999, 1000};
        enum { VALUES = 2000 };
        static uint64_t values[VALUES];
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct prng prng = {.state = seed};
                struct histogram h = {.summary = {0}};
                for (size_t i = 0; i < VALUES; i++) {
                        values[i] = prng_next(&prng) >> (32 + prng_next(&prng) % (seed % 32 + 1));
                        histogram_add(&h, values[i]);
                }
                qsort(values, VALUES, sizeof *values, by_value);
                assert_int_equal(h.summary.min, values[0]);
                assert_int_equal(h.summary.max, values[VALUES - 1]);
                for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
                        const uint64_t truth = values[(VALUES * asked[i] + 999) / 1000 - 1];
                        const uint64_t found = histogram_quantile(&h, asked[i]);
                        assert_true(found >= truth && found <= truth + truth / 8);
                }
        }
}

/* What is too large for a bucket of its own is not lost, and not more than the greatest. */
static void test_huge_values_share_the_last_bucket(void **state)
{
        (void)state;
        struct histogram h = {.summary = {0}};
        histogram_add(&h, UINT64_MAX);
        assert_true(histogram_quantile(&h, 500) == UINT64_MAX);
        histogram_add(&h, UINT64_C(1) << HISTOGRAM_BITS);
        histogram_add(&h, (UINT64_C(1) << HISTOGRAM_BITS) - 1);
        assert_true(histogram_quantile(&h, 1) >= (UINT64_C(1) << HISTOGRAM_BITS) - 1);
        assert_int_equal(h.summary.count, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_empty_one_is_all_zero),
                cmocka_unit_test(test_quantiles_are_near_the_truth),
                cmocka_unit_test(test_huge_values_share_the_last_bucket),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
