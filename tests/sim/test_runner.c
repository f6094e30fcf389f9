/* Lives in processes of their own: how each of them ends is known, and of which seed that is. */
#include "tests/sim/runner.h"

#include "election/base/alloc.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int ends_well(const struct sim_options *o)
{
        return (int)o->from;
}

static int aborts(const struct sim_options *o)
{
        struct rlimit none = {0}; /* no core */
        (void)setrlimit(RLIMIT_CORE, &none);
        if (o)
                abort();
        return 0;
}

static int exits(const struct sim_options *o)
{
        exit((int)o->from);
}

static void test_a_life_apart_tells_what_it_came_to(void **state)
{
        (void)state;
        struct sim_options o = {.from = 4};
        struct verdict v = {.at_ms = 0};
        assert_int_equal(run_apart(ends_well, &o, &v), 4);
        assert_false(verdict_broken(&v));
}

static void test_a_life_apart_that_dies_is_a_crash(void **state)
{
        (void)state;
        struct sim_options o = {.from = 9};
        struct verdict v = {.at_ms = 0}, w = {.at_ms = 0};
        assert_int_equal(run_apart(aborts, &o, &v), 0);
        assert_string_equal(v.checker, "CRASH");
        assert_non_null(strstr(v.text, "ended by signal 6"));
        assert_int_equal(run_apart(exits, &o, &w), 0);
        assert_string_equal(w.checker, "CRASH");
        assert_non_null(strstr(w.text, "ended with status 9"));
}

/* The last seeds there are, and no more. */
static void test_the_last_seeds_are_lived(void **state)
{
        (void)state;
        static struct run_result r;
        struct sim_options o = {.from = UINT64_MAX - 1, .seeds = 2, .jobs = 2, .digests = true, .faults = 3};
        run_lives(&o, false, &r);
        assert_int_equal(r.totals.lives, 2);
        assert_int_equal(r.count, 0);
        struct life_plan plan;
        struct life_result alone;
        life_plan_for(&o, UINT64_MAX, &plan);
        life_live(&plan, NULL, &alone);
        assert_true(r.digests[1] == alone.digest);
        mem_free(r.digests);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_life_apart_tells_what_it_came_to),
                cmocka_unit_test(test_a_life_apart_that_dies_is_a_crash),
                cmocka_unit_test(test_the_last_seeds_are_lived),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
