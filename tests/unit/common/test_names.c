/* Names of nodes, groups and plugin instances; the clock of leases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/clock.h"
#include "daemon/common/names.h"

#include <string.h>
#include <time.h>

static void test_letters_digits_and_three_marks_make_a_name(void **state)
{
        static const char *const good[] = {"a", "Z", "0", "n1", "web-1", "a_b.c", "a.", "9-"};
        static const char *const bad[] = {"",    "-a",  "_a",  ".",        "..",        "a/b", "a b",
                                          "a\n", "a%b", "a@b", "\xc3\xa4", "a\xc3\xa4", "a:b", " a"};
        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                assert_true(name_is_valid(good[i]));
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_false(name_is_valid(bad[i]));
}

static void test_a_name_fits_its_field(void **state)
{
        char text[NAME_BYTES_MAX + 2];
        (void)state;
        memset(text, 'x', sizeof text);
        text[NAME_BYTES_MAX] = '\0';
        assert_true(name_is_valid(text));
        text[NAME_BYTES_MAX] = 'x';
        text[NAME_BYTES_MAX + 1] = '\0';
        assert_false(name_is_valid(text));
}

/* safety.md 2.3: leases count the time that the machine sleeps. */
static void test_the_clock_is_boottime(void **state)
{
        struct timespec before, after;
        (void)state;
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &before), 0);
        uint64_t t = clock_boottime_ms();
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &after), 0);
        assert_in_range(t, (uint64_t)before.tv_sec * 1000 + (uint64_t)before.tv_nsec / 1000000,
                        (uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000);
}

static void test_the_boot_id_stays(void **state)
{
        char a[37], b[37];
        (void)state;
        clock_boot_id(a);
        clock_boot_id(b);
        assert_string_equal(a, b);
        assert_true(strlen(a) == 36 || a[0] == '\0');
        assert_int_equal(strspn(a, "0123456789abcdef-"), strlen(a));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_letters_digits_and_three_marks_make_a_name),
                cmocka_unit_test(test_a_name_fits_its_field),
                cmocka_unit_test(test_the_clock_is_boottime),
                cmocka_unit_test(test_the_boot_id_stays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
