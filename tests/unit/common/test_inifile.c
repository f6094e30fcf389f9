/* Reading INI files strictly, with line numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/inifile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "test_inifile.conf"

/* What the reader said, one line per entry: "LINE section.key=value" or "LINE [section]". */
struct transcript {
        char text[8192];
        size_t len;
};

static void on_entry(void *ctx, const struct inifile_entry *e)
{
        struct transcript *t = ctx;
        int n = e->key ? snprintf(t->text + t->len, sizeof t->text - t->len, "%d %s.%s=%s\n", e->at.line, e->section,
                                  e->key, e->value)
                       : snprintf(t->text + t->len, sizeof t->text - t->len, "%d [%s]\n", e->at.line, e->section);
        assert_true(n > 0 && (size_t)n < sizeof t->text - t->len);
        t->len += (size_t)n;
}

static void write_file(const char *data, size_t len)
{
        FILE *f = fopen(FILE_NAME, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, len, f), len);
        assert_int_equal(fclose(f), 0);
}

/* Reads `data` and compares entries and problems with what is expected. */
static void expect_bytes(const char *data, size_t len, const char *entries, const char *complaints)
{
        struct transcript t = {.len = 0};
        struct problems p;
        char said[4096] = "";
        size_t at = 0;
        write_file(data, len);
        problems_init(&p, FILE_NAME);
        assert_int_equal(inifile_read(FILE_NAME, on_entry, &t, &p), 0);
        for (size_t i = 0; i < p.count && i < PROBLEMS_MAX; i++) {
                at += (size_t)problems_text(&p, i, said + at, sizeof said - at);
                at += (size_t)snprintf(said + at, sizeof said - at, "\n");
        }
        assert_string_equal(t.text, entries);
        assert_string_equal(said, complaints);
        assert_int_equal(unlink(FILE_NAME), 0);
}

static void expect(const char *data, const char *entries, const char *complaints)
{
        expect_bytes(data, strlen(data), entries, complaints);
}

static void test_sections_and_keys_come_with_their_lines(void **state)
{
        (void)state;
        expect("; a comment\n"
               "[node]\n"
               "\n"
               "name = n1\n"
               "# another\n"
               "[ensemble]\n"
               "tick_time=200\r\n"
               "empty =\n",
               "2 [node]\n4 node.name=n1\n6 [ensemble]\n7 ensemble.tick_time=200\n8 ensemble.empty=\n", "");
}

static void test_a_semicolon_inside_a_value_stays_and_after_a_blank_it_begins_a_comment(void **state)
{
        (void)state;
        expect("[e]\n"
               "server.1 = h:1:2:participant;127.0.0.1:2181\n"
               "server.2 = h:1:2:participant;127.0.0.1:2182   ; a comment\n"
               "server.3 = [::1]:1:2:observer;[::1]:2183\t; another; one\n",
               "1 [e]\n"
               "2 e.server.1=h:1:2:participant;127.0.0.1:2181\n"
               "3 e.server.2=h:1:2:participant;127.0.0.1:2182\n"
               "4 e.server.3=[::1]:1:2:observer;[::1]:2183\n",
               "");
}

static void test_an_indented_line_is_a_line_of_its_own(void **state)
{
        (void)state;
        expect("[a]\nx = 1\n  y = 2\n\t[b]\n  z = 3\n", "1 [a]\n2 a.x=1\n3 a.y=2\n4 [b]\n5 b.z=3\n", "");
}

/* Whatever inih passes over before a section, that section has been told of. */
static void test_a_section_behind_any_blank_is_told(void **state)
{
        (void)state;
        expect("[a]\n\v\f[b]\nx = 1\n\r[c]\ny = 2\n", "1 [a]\n2 [b]\n3 b.x=1\n4 [c]\n5 c.y=2\n", "");
        expect("broken\n\xef\xbb\xbf[b]\nx = 1\n", "",
               FILE_NAME ":1: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":2: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":3: a key before the first [section]\n");
}

static void test_every_line_that_is_nothing_is_told_and_the_rest_is_read(void **state)
{
        (void)state;
        expect("[a]\nbroken\nx = 1\nbroken too\n[b\ny = 2\n", "1 [a]\n3 a.x=1\n6 a.y=2\n",
               FILE_NAME ":2: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":4: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":5: neither [section], nor key = value, nor a comment\n");
}

/* inih objects to such a line; to begin anew with that section would be to begin anew for ever. */
static void test_a_comment_that_begins_in_a_section_name_leaves_no_section(void **state)
{
        (void)state;
        expect("[a]\nx = 1\n[t ;z]\nbroken\ny = 2\n[b;c]\nz = 3\n", "1 [a]\n2 a.x=1\n5 a.y=2\n6 [b;c]\n7 b;c.z=3\n",
               FILE_NAME ":3: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":4: neither [section], nor key = value, nor a comment\n");
}

static void test_a_key_outside_of_sections_or_without_a_name_is_told(void **state)
{
        (void)state;
        expect("x = 1\n[a]\n = 2\n", "2 [a]\n",
               FILE_NAME ":1: a key before the first [section]\n" FILE_NAME ":3: a value without a key\n");
}

static void test_a_broken_line_before_the_first_section_does_not_open_one(void **state)
{
        (void)state;
        expect("broken\nx = 1\n", "",
               FILE_NAME ":1: neither [section], nor key = value, nor a comment\n" FILE_NAME
                         ":2: a key before the first [section]\n");
}

static void test_long_lines_and_names_are_told_not_cut(void **state)
{
        static char data[3 * INIFILE_LINE_MAX];
        (void)state;
        int n = snprintf(data, sizeof data, "[a]\nx = %0*d\ny = 1\n[%0*d]\n;%0*d\n", INIFILE_LINE_MAX, 1,
                         INIFILE_SECTION_MAX + 1, 2, INIFILE_LINE_MAX, 3);
        assert_true(n > 0 && (size_t)n < sizeof data);
        expect(data, "1 [a]\n3 a.y=1\n",
               FILE_NAME ":2: the line is longer than 2046 bytes\n" FILE_NAME
                         ":4: the section's name is longer than 48 bytes\n");
}

static void test_the_longest_line_and_section_are_read_whole(void **state)
{
        static char data[2 * INIFILE_LINE_MAX], entries[2 * INIFILE_LINE_MAX];
        (void)state;
        (void)snprintf(data, sizeof data, "[%0*d]\nx=%0*d\n", INIFILE_SECTION_MAX, 7, INIFILE_LINE_MAX - 2, 1);
        (void)snprintf(entries, sizeof entries, "1 [%0*d]\n2 %0*d.x=%0*d\n", INIFILE_SECTION_MAX, 7,
                       INIFILE_SECTION_MAX, 7, INIFILE_LINE_MAX - 2, 1);
        expect(data, entries, "");
}

static void test_a_nul_byte_is_told(void **state)
{
        static const char data[] = "[a]\nx = 1\0 2\ny = 3";
        (void)state;
        expect_bytes(data, sizeof data - 1, "1 [a]\n3 a.y=3\n", FILE_NAME ":2: a NUL byte: this is no text file\n");
}

static void test_a_byte_order_mark_is_passed_over(void **state)
{
        (void)state;
        expect("\xef\xbb\xbf[a]\nx = 1\n", "1 [a]\n2 a.x=1\n", "");
}

static void test_a_file_that_cannot_be_read_is_a_problem_of_the_whole_file(void **state)
{
        struct transcript t = {.len = 0};
        struct problems p;
        char text[PROBLEM_TEXT_MAX + 64];
        (void)state;
        problems_init(&p, "no/such.conf");
        assert_int_equal(inifile_read("no/such.conf", on_entry, &t, &p), -ENOENT);
        assert_int_equal(p.count, 1);
        (void)problems_text(&p, 0, text, sizeof text);
        assert_string_equal(text, "no/such.conf: cannot be read: No such file or directory");
        problems_init(&p, ".");
        assert_int_equal(inifile_read(".", on_entry, &t, &p), -EISDIR);
}

static void test_a_stream_without_end_is_not_read_for_ever(void **state)
{
        struct transcript t = {.len = 0};
        struct problems p;
        (void)state;
        problems_init(&p, "/dev/zero");
        assert_int_equal(inifile_read("/dev/zero", on_entry, &t, &p), -EFBIG);
        assert_int_equal(t.len, 0);
}

static void test_problems_beyond_the_limit_are_counted_and_sorted_by_line(void **state)
{
        struct problems p;
        (void)state;
        problems_init(&p, "f");
        for (int i = PROBLEMS_MAX + 3; i > 0; i--)
                problems_add(&p, i, "number %d", i);
        assert_int_equal(p.count, PROBLEMS_MAX + 3);
        problems_sort(&p);
        assert_int_equal(p.list[0].line, 4);
        assert_int_equal(p.list[PROBLEMS_MAX - 1].line, PROBLEMS_MAX + 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sections_and_keys_come_with_their_lines),
                cmocka_unit_test(test_a_semicolon_inside_a_value_stays_and_after_a_blank_it_begins_a_comment),
                cmocka_unit_test(test_an_indented_line_is_a_line_of_its_own),
                cmocka_unit_test(test_a_section_behind_any_blank_is_told),
                cmocka_unit_test(test_every_line_that_is_nothing_is_told_and_the_rest_is_read),
                cmocka_unit_test(test_a_comment_that_begins_in_a_section_name_leaves_no_section),
                cmocka_unit_test(test_a_key_outside_of_sections_or_without_a_name_is_told),
                cmocka_unit_test(test_a_broken_line_before_the_first_section_does_not_open_one),
                cmocka_unit_test(test_long_lines_and_names_are_told_not_cut),
                cmocka_unit_test(test_the_longest_line_and_section_are_read_whole),
                cmocka_unit_test(test_a_nul_byte_is_told),
                cmocka_unit_test(test_a_byte_order_mark_is_passed_over),
                cmocka_unit_test(test_a_file_that_cannot_be_read_is_a_problem_of_the_whole_file),
                cmocka_unit_test(test_a_stream_without_end_is_not_read_for_ever),
                cmocka_unit_test(test_problems_beyond_the_limit_are_counted_and_sorted_by_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
