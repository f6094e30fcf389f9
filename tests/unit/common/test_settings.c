/* Settings read through a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values {
        int64_t number;
        bool flag;
        char text[8];
};

static const struct setting table[] = {
        {"a", "number", SETTING_NUMBER, SETTING_FIELD(struct values, number), -5, 100, "7", "a number"},
        {"a", "flag", SETTING_BOOL, SETTING_FIELD(struct values, flag), .fallback = "yes", .help = "a flag"},
        {"b", "text", SETTING_TEXT, SETTING_FIELD(struct values, text), .help = "a text"},
};
#define COUNT (sizeof table / sizeof *table)

static void test_a_key_is_found_in_its_section_only(void **state)
{
        (void)state;
        assert_ptr_equal(settings_find(table, COUNT, "a", "number"), &table[0]);
        assert_ptr_equal(settings_find(table, COUNT, "b", "text"), &table[2]);
        assert_null(settings_find(table, COUNT, "b", "number"));
        assert_null(settings_find(table, COUNT, "a", "Number"));
}

static void test_fallbacks_fill_what_has_one(void **state)
{
        struct values v = {.text = "keep"};
        (void)state;
        settings_fallbacks(table, COUNT, &v);
        assert_int_equal(v.number, 7);
        assert_true(v.flag);
        assert_string_equal(v.text, "keep");
}

static void test_values_are_taken_or_refused_with_a_reason(void **state)
{
        static const struct {
                size_t setting;
                const char *value, *why; /* NULL: taken */
        } cases[] = {
                {0, "-5", NULL},
                {0, "100", NULL},
                {0, "007", NULL},
                {0, "101", "must be a number from -5 to 100"},
                {0, "-6", "must be a number from -5 to 100"},
                {0, "", "must be a number from -5 to 100"},
                {0, "-", "must be a number from -5 to 100"},
                {0, "+5", "must be a number from -5 to 100"},
                {0, "5 ", "must be a number from -5 to 100"},
                {0, "0x5", "must be a number from -5 to 100"},
                {0, "99999999999999999999", "must be a number from -5 to 100"},
                {1, "yes", NULL},
                {1, "off", NULL},
                {1, "0", NULL},
                {1, "maybe", "must be yes or no"},
                {1, "", "must be yes or no"},
                {2, "1234567", NULL},
                {2, "12345678", "must not be longer than 7 bytes"},
                {2, "", "must not be empty"},
                {2, "a\tb", "must not contain control characters"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct values v = {.number = 1}, before = v;
                char why[128] = "";
                int r = settings_set(&table[cases[i].setting], cases[i].value, &v, why, sizeof why);
                assert_int_equal(r, cases[i].why ? -EINVAL : 0);
                assert_string_equal(why, cases[i].why ? cases[i].why : "");
                if (cases[i].why)
                        assert_memory_equal(&v, &before, sizeof v);
        }
}

static void test_numbers_tell_what_is_none_from_what_is_out_of_range(void **state)
{
        int64_t n = 0;
        (void)state;
        assert_int_equal(settings_number("12", 0, 20, &n), 0);
        assert_int_equal(n, 12);
        assert_int_equal(settings_number("21", 0, 20, &n), -ERANGE);
        assert_int_equal(settings_number("9223372036854775808", INT64_MIN, INT64_MAX, &n), -ERANGE);
        assert_int_equal(settings_number("1e3", 0, 20000, &n), -EINVAL);
        assert_int_equal(n, 12);
}

static void test_help_names_range_and_default_under_each_section(void **state)
{
        char *text = NULL;
        size_t len = 0;
        (void)state;
        FILE *f = open_memstream(&text, &len);
        assert_non_null(f);
        settings_help(table, COUNT, f);
        assert_int_equal(fclose(f), 0);
        assert_string_equal(text, "\n[a]\n"
                                  "  number                   a number; -5..100; default 7\n"
                                  "  flag                     a flag; default yes\n"
                                  "\n[b]\n"
                                  "  text                     a text\n");
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_key_is_found_in_its_section_only),
                cmocka_unit_test(test_fallbacks_fill_what_has_one),
                cmocka_unit_test(test_values_are_taken_or_refused_with_a_reason),
                cmocka_unit_test(test_numbers_tell_what_is_none_from_what_is_out_of_range),
                cmocka_unit_test(test_help_names_range_and_default_under_each_section),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
