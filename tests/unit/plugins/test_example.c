/* The example of docs/writing-a-plugin.md: it is the file that is built here, and it does what the page says. */
#include "tests/unit/plugins/mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *read_all(const char *path)
{
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        char *text = calloc(1, 1 << 16);
        assert_non_null(text);
        size_t len = fread(text, 1, (1 << 16) - 1, f);
        assert_in_range(len, 1, (1 << 16) - 2);
        (void)fclose(f);
        return text;
}

static void test_the_page_shows_what_is_built(void **state)
{
        (void)state;
        char *page = read_all(EXAMPLE_PAGE);
        char *source = read_all(EXAMPLE_SOURCE);
        char *begin = strstr(page, "```c\n/* beacon:");
        assert_non_null(begin);
        begin += strlen("```c\n");
        char *end = strstr(begin, "```\n");
        assert_non_null(end);
        *end = '\0';
        assert_string_equal(begin, source);
        free(page);
        free(source);
}

/* Whether the file holds this; NULL: that it isn't there. */
static void expect_file(const char *path, const char *text)
{
        char line[128] = "";
        FILE *f = fopen(path, "re");
        if (!text) {
                assert_null(f);
                return;
        }
        assert_non_null(f);
        assert_non_null(fgets(line, sizeof line, f));
        (void)fclose(f);
        assert_string_equal(line, text);
}

static void test_the_example_works(void **state)
{
        (void)state;
        char dir[] = "/tmp/baton-beacon-XXXXXX";
        char path[64];
        assert_non_null(mkdtemp(dir));
        (void)snprintf(path, sizeof path, "%s/active", dir);

        struct mock_host *m = mock_host_load(EXAMPLE);
        assert_int_equal(mock_host_judge(m), 1);
        mock_host_set(m, "path", "active");
        assert_int_equal(mock_host_judge(m), 1);
        assert_string_equal(mock_host_problems(m), "config:1: path = \"active\": must be an absolute path\n");
        mock_host_set(m, "path", path);
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_budget(m), 500);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 500), 0);
        mock_host_config_text(m, "beacon/text", "hello");
        expect_file(path, NULL);

        assert_int_equal(mock_host_activate(m), 0);
        expect_file(path, "4294967297 hello\n");
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        mock_host_config_text(m, "beacon/text", "good bye");
        expect_file(path, "4294967297 good bye\n");
        assert_int_equal(mock_host_take_up(m), 0);
        mock_host_config(m, "beacon/text", NULL, 0);
        expect_file(path, "4294967297 \n");

        assert_int_equal(unlink(path), 0);
        assert_int_equal(mock_host_check(m), BATON_HEALTH_BAD);
        assert_non_null(strstr(mock_host_why(m), "No such file"));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_FAILED, 500), 0);
        assert_int_equal(mock_host_activate(m), 0);
        expect_file(path, "4294967298 \n");
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 500), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 500), 0);
        expect_file(path, NULL);
        mock_host_deadline_in(m, -1);
        assert_true(mock_host_activate(m) < 0);
        expect_file(path, NULL);
        mock_host_free(m);
        assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_page_shows_what_is_built),
                cmocka_unit_test(test_the_example_works),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
