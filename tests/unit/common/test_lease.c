/* The arithmetic of leases, held against the worst clocks it allows for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/node_config.h"
#include "election/base/hash.h"

#define MILLION 1000000

/* Whether the holder has surely stopped when the taker takes, both clocks being wrong as far as the bound lets them.
 *
 * The holder's clock runs slow: its lease and its budget last (D + B) / (1 - rho). The taker's runs fast: what it waits
 * lasts W / (1 + rho), and it begins to wait after the holder's clock was read. docs/failover.md, "The lease". */
static int taker_is_late_enough(uint32_t lease_ms, uint32_t budget_ms, uint32_t ppm)
{
        __extension__ typedef unsigned __int128 wide;
        wide held = (wide)lease_holder_ms(lease_ms, ppm) + budget_ms;
        wide waited = lease_taker_ms(lease_ms, budget_ms, ppm);
        return waited * (MILLION - ppm) >= held * (MILLION + ppm);
}

static void test_the_holder_has_stopped_before_a_taker_starts(void **state)
{
        static const uint32_t leases[] = {1, 2, 3, 99, 100, 101, 315, 2000, 4001, 40000, 3600000, UINT32_MAX};
        static const uint32_t budgets[] = {0, 1, 100, 500, 5000, 90001, 3600000, UINT32_MAX};
        static const uint32_t rates[] = {0, 1, 7, 500, 9999, 100000, 333333, 499999, 500000};
        struct prng p = {.state = 1};
        (void)state;
        for (size_t l = 0; l < sizeof leases / sizeof *leases; l++)
                for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++)
                        for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
                                assert_true(taker_is_late_enough(leases[l], budgets[b], rates[r]));
        for (int i = 0; i < 200000; i++)
                assert_true(taker_is_late_enough((uint32_t)prng_next(&p), (uint32_t)prng_next(&p),
                                                 (uint32_t)(prng_next(&p) % 500001)));
}

/* The bound is no larger than it has to be: a millisecond less would not do. */
static void test_the_wait_is_as_short_as_it_may_be(void **state)
{
        (void)state;
        assert_int_equal(lease_holder_ms(2000, 100000), 1636);  /* 2000 * 0.9 / 1.1 = 1636.36 */
        assert_true(lease_taker_ms(2000, 500, 100000) == 2612); /* 2000 + 500 * 1.1 / 0.9 = 2611.1 */
        assert_int_equal(lease_holder_ms(2000, 0), 2000);
        assert_true(lease_taker_ms(2000, 500, 0) == 2500);
        assert_true(lease_taker_ms(2000, 0, 500000) == 2000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_holder_has_stopped_before_a_taker_starts),
                cmocka_unit_test(test_the_wait_is_as_short_as_it_may_be),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
