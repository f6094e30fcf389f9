/* Who ought to have a group: docs/failover.md "Who takes". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/agent/policy.h"

#include <errno.h>
#include <stdlib.h>

static const struct policy_candidate nodes[] = {
        {.name = {"a"}, .priority = 1, .healthy = true},
        {.name = {"b"}, .priority = 5, .healthy = true},
        {.name = {"c"}, .priority = 5, .healthy = true, .leads = true},
        {.name = {"d"}, .priority = 9, .healthy = false},
};
#define COUNT (sizeof nodes / sizeof *nodes)

static int rank(enum group_policy policy, const char *last, const char *name)
{
        return policy_rank(policy, last, nodes, COUNT, name);
}

static void test_leader_then_last_then_priority_then_name(void **state)
{
        (void)state;
        assert_int_equal(rank(POLICY_LEADER, "a", "c"), 0);
        assert_int_equal(rank(POLICY_LEADER, "a", "a"), 1);
        assert_int_equal(rank(POLICY_LEADER, "a", "b"), 2);
        assert_int_equal(rank(POLICY_LEADER, "", "b"), 1);
        assert_int_equal(rank(POLICY_LEADER, "", "a"), 2);
}

static void test_priority_then_last_then_name(void **state)
{
        (void)state;
        assert_int_equal(rank(POLICY_PRIORITY, "a", "b"), 0);
        assert_int_equal(rank(POLICY_PRIORITY, "a", "c"), 1);
        assert_int_equal(rank(POLICY_PRIORITY, "a", "a"), 2);
        assert_int_equal(rank(POLICY_PRIORITY, "c", "c"), 0);
}

static void test_sticky_stays_with_the_last(void **state)
{
        (void)state;
        assert_int_equal(rank(POLICY_STICKY, "a", "a"), 0);
        assert_int_equal(rank(POLICY_STICKY, "a", "b"), 1);
        assert_int_equal(rank(POLICY_STICKY, "gone", "b"), 0);
        assert_int_equal(rank(POLICY_STICKY, "gone", "c"), 1);
}

static void test_who_is_not_healthy_or_not_there_has_no_rank(void **state)
{
        (void)state;
        assert_int_equal(rank(POLICY_STICKY, "d", "d"), -ENOENT);
        assert_int_equal(rank(POLICY_STICKY, "", "x"), -ENOENT);
        assert_int_equal(policy_rank(POLICY_LEADER, "", NULL, 0, "a"), -ENOENT);
}

/* All nodes that see the same must agree: a total order, for every policy and any last holder. */
static void test_the_order_is_total(void **state)
{
        static const char *const lasts[] = {"", "a", "b", "c", "d", "x"};
        (void)state;
        for (int p = 0; p < POLICY_COUNT; p++)
                for (size_t l = 0; l < sizeof lasts / sizeof *lasts; l++)
                        for (size_t i = 0; i < COUNT; i++)
                                for (size_t j = 0; j < COUNT; j++) {
                                        enum group_policy policy = (enum group_policy)p;
                                        int ij = policy_compare(policy, lasts[l], &nodes[i], &nodes[j]);
                                        int ji = policy_compare(policy, lasts[l], &nodes[j], &nodes[i]);
                                        assert_true((ij < 0) == (ji > 0) && (ij == 0) == (i == j));
                                        for (size_t k = 0; ij < 0 && k < COUNT; k++)
                                                if (policy_compare(policy, lasts[l], &nodes[j], &nodes[k]) < 0)
                                                        assert_true(policy_compare(policy, lasts[l], &nodes[i],
                                                                                   &nodes[k]) < 0);
                                }
}

static void test_every_policy_has_a_name(void **state)
{
        (void)state;
        for (int p = 0; p < POLICY_COUNT; p++)
                assert_non_null(policy_name((enum group_policy)p));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_leader_then_last_then_priority_then_name),
                cmocka_unit_test(test_priority_then_last_then_name),
                cmocka_unit_test(test_sticky_stays_with_the_last),
                cmocka_unit_test(test_who_is_not_healthy_or_not_there_has_no_rank),
                cmocka_unit_test(test_the_order_is_total),
                cmocka_unit_test(test_every_policy_has_a_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
