/* JSON values: what is read, what is refused, what a missing key yields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/json.h"

#include <stdlib.h>
#include <string.h>

static json_t *read_text(const char *text, char *why, size_t why_size)
{
        size_t len = strlen(text);
        char *copy = malloc(len ? len : 1); /* no NUL behind it, as in a znode */
        assert_non_null(copy);
        for (size_t i = 0; i < len; i++)
                copy[i] = text[i];
        json_t *o = json_value_read(copy, len, why, why_size);
        free(copy);
        return o;
}

static void test_getters_yield_what_is_there_or_the_fallback(void **state)
{
        (void)state;
        json_t *o = read_text("{\"node\":\"n1\",\"token\":9007199254740993,\"big\":1.0,\"yes\":true,\"none\":null}",
                              NULL, 0);
        assert_non_null(o);
        assert_string_equal(json_value_text(o, "node", "?"), "n1");
        assert_string_equal(json_value_text(o, "token", "?"), "?");
        assert_string_equal(json_value_text(o, "none", "?"), "?");
        assert_null(json_value_text(o, "missing", NULL));
        assert_true(json_value_number(o, "token", 0) == 9007199254740993); /* no detour over a double */
        assert_int_equal(json_value_number(o, "big", -1), -1);
        assert_int_equal(json_value_number(o, "node", -1), -1);
        assert_true(json_value_flag(o, "yes", false));
        assert_true(json_value_flag(o, "node", true));
        json_decref(o);
        assert_string_equal(json_value_text(NULL, "node", "?"), "?");
        assert_int_equal(json_value_number(NULL, "node", 3), 3);
        assert_false(json_value_flag(NULL, "node", false));
}

static void test_what_is_no_object_is_refused_with_a_sentence(void **state)
{
        static const char *const bad[] = {"",
                                          "{",
                                          "[]",
                                          "1",
                                          "\"x\"",
                                          "{} {}",
                                          "{a:1}",
                                          "{\"a\":1,}",
                                          "{\"a\":1,\"a\":2}",
                                          "{\"a\":\"\\u0000\"}",
                                          "{\"a\":\"\xff\"}",
                                          "{\"\\u0000\":1}"};
        char why[200];
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                why[0] = '\0';
                assert_null(read_text(bad[i], why, sizeof why));
                assert_non_null(strstr(why, "no JSON object"));
                assert_null(read_text(bad[i], NULL, 0));
        }
}

static void test_bounds_of_length_and_depth(void **state)
{
        char why[200];
        size_t size = JSON_VALUE_BYTES_MAX + 1;
        char *text = malloc(size);
        (void)state;
        assert_non_null(text);
        memset(text, ' ', size);
        text[0] = '{';
        text[1] = '}';
        json_t *o = json_value_read(text, size - 1, why, sizeof why);
        assert_non_null(o);
        json_decref(o);
        assert_null(json_value_read(text, size, why, sizeof why));
        assert_string_equal(why, "longer than 262144 bytes");
        memset(text, '[', size - 1);
        assert_null(json_value_read(text, size - 1, why, sizeof why)); /* no stack is deep enough for this */
        free(text);
}

static void test_values_are_written_in_one_line(void **state)
{
        (void)state;
        json_t *o =
                json_pack("{s:s,s:I,s:b,s:{s:[i,i]}}", "node", "n\n1", "token", (json_int_t)5, "ok", 1, "x", "y", 1, 2);
        assert_non_null(o);
        char *text = json_value_write(o);
        assert_string_equal(text, "{\"node\":\"n\\n1\",\"token\":5,\"ok\":true,\"x\":{\"y\":[1,2]}}");
        json_t *back = read_text(text, NULL, 0);
        assert_true(json_equal(o, back));
        free(text);
        json_decref(o);
        json_decref(back);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_getters_yield_what_is_there_or_the_fallback),
                cmocka_unit_test(test_what_is_no_object_is_refused_with_a_sentence),
                cmocka_unit_test(test_bounds_of_length_and_depth),
                cmocka_unit_test(test_values_are_written_in_one_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
