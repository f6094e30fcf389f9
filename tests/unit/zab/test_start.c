/* From nothing to a serving ensemble, and broadcast in quiet weather. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/zab/world.h"

static void start(size_t voters, size_t observers)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = world_new(voters, observers, seed);
                world_form(w, (int64_t)voters);
                world_settle(w);
                assert_true(world_all_serve(w));
                world_proposals(w, (int64_t)voters, 30);
                world_settle(w);
                assert_int_equal(w->committed.n, 30);
                world_assert_equal(w);
                world_free(w);
        }
}

static void test_one_alone_serves_and_commits(void **state)
{
        (void)state;
        start(1, 0);
}

static void test_three_start_and_commit(void **state)
{
        (void)state;
        start(3, 0);
}

static void test_five_start_and_commit(void **state)
{
        (void)state;
        start(5, 0);
}

static void test_observers_get_everything(void **state)
{
        (void)state;
        start(3, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_alone_serves_and_commits),
                cmocka_unit_test(test_three_start_and_commit),
                cmocka_unit_test(test_five_start_and_commit),
                cmocka_unit_test(test_observers_get_everything),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
