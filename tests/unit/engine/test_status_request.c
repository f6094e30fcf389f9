/* The line that a client of the status socket says (docs/status.md). */
#include "daemon/engine/status_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

static int parse(const char *line, struct status_request *ret)
{
        const char *why = NULL;
        int r = status_request_parse(line, strlen(line), ret, &why);
        assert_true(r == 0 || (why && *why));
        return r;
}

static void test_commands_are_known_by_their_names(void **state)
{
        (void)state;
        for (int i = 0; i < STATUS_COMMAND_MAX; i++) {
                struct status_request r;
                assert_int_equal(parse(status_command_name((enum status_command)i), &r), 0);
                assert_int_equal(r.command, i);
        }
}

static void test_a_page_has_a_beginning_and_a_length(void **state)
{
        (void)state;
        static const struct {
                const char *line;
                uint64_t after;
                size_t count;
        } cases[] = {{"connections", 0, STATUS_PAGE_MAX},
                     {"connections 7", 7, STATUS_PAGE_MAX},
                     {"  connections  7   1 ", 7, 1},
                     {"connections 18446744073709551600 1000", UINT64_MAX - 15, 1000}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct status_request r;
                assert_int_equal(parse(cases[i].line, &r), 0);
                assert_int_equal(r.command, STATUS_CONNECTIONS);
                assert_true(r.after == cases[i].after);
                assert_int_equal(r.count, cases[i].count);
        }
}

static void test_what_is_no_request_is_refused(void **state)
{
        (void)state;
        static const char *const lines[] = {"",
                                            " ",
                                            "statu",
                                            "statuss",
                                            "STATUS",
                                            "status status",
                                            "snapshot 1",
                                            "reset all",
                                            "connections -1",
                                            "connections 1x",
                                            "connections 0 0",
                                            "connections 0 1001",
                                            "connections 0 1 2",
                                            "connections 18446744073709551616",
                                            "connections\t1"};
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                struct status_request r;
                assert_int_equal(parse(lines[i], &r), -EINVAL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_commands_are_known_by_their_names),
                cmocka_unit_test(test_a_page_has_a_beginning_and_a_length),
                cmocka_unit_test(test_what_is_no_request_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
