/* Log lines: their form, their limits, foreign strings in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect_line(const char *ident, enum log_level level, int to_journal, const char *text, const char *line)
{
        char buffer[LOG_LINE_MAX];
        size_t len = log_format(buffer, sizeof buffer, ident, level, to_journal, text);
        assert_int_equal(len, strlen(line));
        assert_memory_equal(buffer, line, len);
}

static void test_a_line_says_who_and_how_bad(void **state)
{
        (void)state;
        expect_line("baton-engine", LOG_LEVEL_INFO, 0, "leading", "baton-engine: leading\n");
        expect_line("baton-engine", LOG_LEVEL_WARNING, 0, "torn", "baton-engine: warning: torn\n");
        expect_line(NULL, LOG_LEVEL_ERROR, 0, "no", "error: no\n");
}

static void test_the_journal_gets_the_level_in_front(void **state)
{
        (void)state;
        expect_line("x", LOG_LEVEL_ERROR, 1, "no", "<3>no\n");
        expect_line("x", LOG_LEVEL_WARNING, 1, "hm", "<4>hm\n");
        expect_line("x", LOG_LEVEL_INFO, 1, "yes", "<6>yes\n");
        expect_line("x", LOG_LEVEL_DEBUG, 1, "oh", "<7>oh\n");
}

static void test_no_text_can_make_a_second_line(void **state)
{
        (void)state;
        expect_line("x", LOG_LEVEL_INFO, 0, "a\nerror: b\r\x1b[31m", "x: a?error: b??[31m\n");
}

static void test_a_long_line_is_cut_and_still_ends(void **state)
{
        char text[100], buffer[32];
        (void)state;
        memset(text, 'a', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        size_t len = log_format(buffer, sizeof buffer, "x", LOG_LEVEL_INFO, 0, text);
        assert_int_equal(len, sizeof buffer);
        assert_int_equal(buffer[len - 1], '\n');
}

static void test_foreign_strings_are_quoted_and_cut(void **state)
{
        char text[200], expected[200];
        (void)state;
        assert_string_equal(log_quote("plain").text, "\"plain\"");
        assert_string_equal(log_quote("a\"b\\c").text, "\"a\\\"b\\\\c\"");
        assert_string_equal(log_quote("a\nb\xc3\xa4").text, "\"a\\x0ab\\xc3\\xa4\"");
        assert_string_equal(log_quote_bytes("a\0b", 3).text, "\"a\\x00b\"");
        memset(text, 'a', sizeof text);
        (void)snprintf(expected, sizeof expected, "\"%.*s\"…", LOG_QUOTE_MAX, text);
        assert_string_equal(log_quote_bytes(text, sizeof text).text, expected);
        memset(text, 1, sizeof text); /* the longest outcome */
        assert_int_equal(strlen(log_quote_bytes(text, sizeof text).text), 2 + 4 * LOG_QUOTE_MAX + strlen("…"));
}

static void test_equal_texts_are_held_back_after_a_burst_and_counted(void **state)
{
        struct log_limit l = {0};
        unsigned long left_out;
        (void)state;
        for (int i = 0; i < LOG_BURST; i++)
                assert_int_equal(log_limit_pass(&l, "same", 1000, &left_out), 1);
        for (int i = 0; i < 7; i++)
                assert_int_equal(log_limit_pass(&l, "same", 1001, &left_out), 0);
        assert_int_equal(log_limit_pass(&l, "other", 1001, &left_out), 1);
        assert_int_equal(left_out, 0);
        assert_int_equal(log_limit_pass(&l, "same", 1000 + LOG_WINDOW_MS, &left_out), 1);
        assert_int_equal(left_out, 7);
        assert_int_equal(log_limit_pass(&l, "same", 1000 + LOG_WINDOW_MS, &left_out), 1);
        assert_int_equal(left_out, 0);
}

static void test_many_different_texts_all_pass(void **state)
{
        struct log_limit l = {0};
        unsigned long left_out;
        (void)state;
        for (unsigned i = 0; i < 20 * LOG_TEXTS_MAX; i++) {
                char text[32];
                (void)snprintf(text, sizeof text, "number %u", i);
                assert_int_equal(log_limit_pass(&l, text, i, &left_out), 1);
        }
}

/* Reads what is in the pipe; returns whether a line in it holds `text`. */
static bool pipe_has(int fd, const char *text)
{
        static char buffer[1 << 17];
        ssize_t n = read(fd, buffer, sizeof buffer - 1);
        assert_true(n > 0);
        buffer[n] = '\0';
        return strstr(buffer, text) != NULL;
}

static void test_a_reader_that_has_stopped_is_not_waited_for(void **state)
{
        int fds[2], before = dup(STDERR_FILENO);
        (void)state;
        assert_true(before >= 0);
        assert_int_equal(pipe(fds), 0);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        (void)alarm(20); /* a line that waits would wait for ever */
        for (int i = 0; i < 10000; i++)
                log_info("line %d, which is no other's", i);
        bool first = pipe_has(fds[0], "line 0,");
        log_info("somebody reads again");
        bool counted = pipe_has(fds[0], "lines are lost");
        (void)alarm(0);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        assert_true(first);
        assert_true(counted);
        (void)close(before);
        (void)close(fds[0]);
        (void)close(fds[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line_says_who_and_how_bad),
                cmocka_unit_test(test_the_journal_gets_the_level_in_front),
                cmocka_unit_test(test_no_text_can_make_a_second_line),
                cmocka_unit_test(test_a_long_line_is_cut_and_still_ends),
                cmocka_unit_test(test_foreign_strings_are_quoted_and_cut),
                cmocka_unit_test(test_equal_texts_are_held_back_after_a_burst_and_counted),
                cmocka_unit_test(test_many_different_texts_all_pass),
                cmocka_unit_test(test_a_reader_that_has_stopped_is_not_waited_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
