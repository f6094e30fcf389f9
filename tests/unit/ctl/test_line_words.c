/* Lines taken apart, and base64 (daemon/ctl/line_words.h, base64.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/base64.h"
#include "daemon/ctl/line_words.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

static void assert_words(const char *line, const char *const *words)
{
        struct line_words w;
        char why[200];
        size_t count = 0;
        assert_int_equal(line_words_split(line, strlen(line), &w, why, sizeof why), 0);
        while (words[count])
                count++;
        assert_int_equal(w.count, count);
        assert_null(w.words[count]);
        for (size_t i = 0; i < count; i++) {
                assert_string_equal(w.words[i], words[i]);
                assert_int_equal(w.sizes[i], strlen(words[i]));
        }
        line_words_done(&w);
}

static void test_words_are_parted_by_blanks_outside_of_quotes(void **state)
{
        (void)state;
        assert_words("", (const char *const[]){NULL});
        assert_words("  \t ", (const char *const[]){NULL});
        assert_words("a  b\tc\r", (const char *const[]){"a", "b", "c", NULL});
        assert_words("\"a b\" 'c d' e\\ f", (const char *const[]){"a b", "c d", "e f", NULL});
        assert_words("a\"b c\"d'e f'", (const char *const[]){"ab cde f", NULL});
        assert_words("'' \"\"", (const char *const[]){"", "", NULL});
        assert_words("'a\\b'", (const char *const[]){"a\\b", NULL});
        assert_words("\"\\\"\\\\\\n\\t\\r\\x41\"", (const char *const[]){"\"\\\n\t\rA", NULL});
}

static void test_a_comment_begins_a_word(void **state)
{
        (void)state;
        assert_words("# all", (const char *const[]){NULL});
        assert_words("a # b", (const char *const[]){"a", NULL});
        assert_words("a#b '#' \\#", (const char *const[]){"a#b", "#", "#", NULL});
}

static void test_what_is_not_closed_is_said(void **state)
{
        (void)state;
        static const char *const bad[] = {"\"a", "'a", "a\\", "\"\\q\"", "\"\\x4\"", "\"\\x", "\"\\", "\"\\xgg\""};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct line_words w;
                char why[200] = "";
                assert_int_equal(line_words_split(bad[i], strlen(bad[i]), &w, why, sizeof why), -EINVAL);
                assert_true(why[0]);
                line_words_done(&w);
        }
}

static void test_a_word_may_hold_any_byte(void **state)
{
        (void)state;
        struct line_words w;
        char why[200];
        assert_int_equal(line_words_split("\"a\\x00b\"", 8, &w, why, sizeof why), 0);
        assert_int_equal(w.sizes[0], 3);
        assert_memory_equal(w.words[0], "a\0b", 4);
        line_words_done(&w);
}

/* The vectors of RFC 4648, section 10. */
static void test_base64_there_and_back(void **state)
{
        (void)state;
        static const char *const pairs[][2] = {{"", ""},
                                               {"f", "Zg=="},
                                               {"fo", "Zm8="},
                                               {"foo", "Zm9v"},
                                               {"foob", "Zm9vYg=="},
                                               {"fooba", "Zm9vYmE="},
                                               {"foobar", "Zm9vYmFy"}};
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
                char *text = base64_encode(pairs[i][0], strlen(pairs[i][0])), *data;
                size_t size;
                assert_string_equal(text, pairs[i][1]);
                assert_int_equal(base64_decode(text, strlen(text), &data, &size), 0);
                assert_int_equal(size, strlen(pairs[i][0]));
                assert_memory_equal(data, pairs[i][0], size + 1);
                mem_free(data);
                mem_free(text);
        }
}

static void test_what_is_no_base64_is_refused(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "Z", "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "=Zg="};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                char *data;
                size_t size;
                assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &data, &size), -EINVAL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_are_parted_by_blanks_outside_of_quotes),
                cmocka_unit_test(test_a_comment_begins_a_word),
                cmocka_unit_test(test_what_is_not_closed_is_said),
                cmocka_unit_test(test_a_word_may_hold_any_byte),
                cmocka_unit_test(test_base64_there_and_back),
                cmocka_unit_test(test_what_is_no_base64_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
