/* What an expiry counts: when ephemerals were gone, and what other clients waited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/expiry.h"

#define MS UINT64_C(1000000)

static struct expiry e;

static void begin(int64_t sessions)
{
        e = (struct expiry){
                .sessions = sessions, .cut_ns = 1000 * MS, .first_due_ns = 4900 * MS, .last_due_ns = 5000 * MS};
        for (uint32_t i = 0; i < EXPIRY_READERS; i++)
                e.left[i] = sessions;
        histogram_init(&e.before);
        histogram_init(&e.writes);
        histogram_init(&e.reads);
}

static double real_at(const json_t *o, const char *name)
{
        const json_t *v = json_object_get(o, name);
        assert_true(json_is_number(v));
        return json_number_value(v);
}

/* The first counts when it is gone for anybody, the last when it is gone for everybody. */
static void test_the_last_is_gone_when_every_reader_sees_none(void **state)
{
        (void)state;
        begin(10);
        expiry_counted(&e, 0, 4900 * MS, 10);
        assert_int_equal(e.first_ns, 0);
        expiry_counted(&e, 1, 6000 * MS, 4);
        expiry_counted(&e, 0, 6100 * MS, 0);
        expiry_counted(&e, 2, 6200 * MS, 0);
        assert_int_equal(e.last_ns, 0);
        expiry_counted(&e, 1, 6300 * MS, 0);
        expiry_counted(&e, 0, 6400 * MS, 0);
        assert_int_equal(e.first_ns, 6000 * MS);
        assert_int_equal(e.last_ns, 6300 * MS);
        json_t *r = expiry_report(&e);
        assert_float_equal(real_at(r, "first_after_due_ms"), 1100, 1e-6);
        assert_float_equal(real_at(r, "last_after_due_ms"), 1300, 1e-6);
        assert_float_equal(real_at(r, "took_ms"), 300, 1e-6);
        assert_float_equal(real_at(r, "due_within_ms"), 100, 1e-6);
        json_decref(r);
}

/* Sessions that end before they are due are a negative time: nothing hides it. */
static void test_too_early_is_told(void **state)
{
        (void)state;
        begin(1);
        for (uint32_t i = 0; i < EXPIRY_READERS; i++)
                expiry_counted(&e, i, 4000 * MS, 0);
        json_t *r = expiry_report(&e);
        assert_float_equal(real_at(r, "last_after_due_ms"), -1000, 1e-6);
        json_decref(r);
}

static void test_who_waits_at_the_cut_waits_because_of_it(void **state)
{
        (void)state;
        begin(1);
        expiry_took(&e, 900 * MS, 950 * MS, true);
        expiry_took(&e, 900 * MS, 950 * MS, false);
        expiry_took(&e, 990 * MS, 1700 * MS, true);
        expiry_took(&e, 1200 * MS, 1300 * MS, false);
        assert_int_equal(e.before.count, 1);
        assert_int_equal(e.writes.count, 1);
        assert_int_equal(e.reads.count, 1);
        for (uint32_t i = 0; i < EXPIRY_READERS; i++)
                expiry_counted(&e, i, 6000 * MS, 0);
        json_t *r = expiry_report(&e);
        assert_float_equal(real_at(r, "others_write_max_ms"), 710, 1e-6);
        assert_float_equal(real_at(r, "others_read_max_ms"), 100, 1e-6);
        json_decref(r);
}

/* Before the cut there is nothing to be after. */
static void test_nothing_is_after_a_cut_that_was_not_made(void **state)
{
        (void)state;
        begin(1);
        e.cut_ns = 0;
        expiry_took(&e, 1, 5000 * MS, true);
        assert_int_equal(e.before.count, 1);
        assert_int_equal(e.writes.count, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_is_gone_when_every_reader_sees_none),
                cmocka_unit_test(test_too_early_is_told),
                cmocka_unit_test(test_who_waits_at_the_cut_waits_because_of_it),
                cmocka_unit_test(test_nothing_is_after_a_cut_that_was_not_made),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
