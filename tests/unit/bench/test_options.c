/* The command line of the load generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/options.h"

#include <errno.h>
#include <string.h>

#define ARGS_MAX 16

static int parse(struct load_options *o, char *why, size_t size, const char *line)
{
        static char copy[512];
        char *argv[ARGS_MAX] = {"baton-bench-load"}, *rest = copy;
        int argc = 1;
        assert_true(strlen(line) < sizeof copy);
        memcpy(copy, line, strlen(line) + 1);
        for (char *word; (word = strsep(&rest, " ")) != NULL && argc < ARGS_MAX;)
                argv[argc++] = word;
        return load_options_parse(argc, argv, o, why, size);
}

static void test_all_options_are_taken(void **state)
{
        (void)state;
        struct load_options o;
        char why[128] = "";
        assert_int_equal(parse(&o, why, sizeof why,
                               "--servers 127.0.0.1:2181,127.0.0.2:65535 --workload mixed --writes 10 --pids 7,8 "
                               "--rate 2500.5 --seconds 0.25 --keep"),
                         0);
        assert_int_equal(o.servers_count, 2);
        assert_int_equal(ntohs(o.servers[1].sin_port), 65535);
        assert_int_equal(ntohl(o.servers[1].sin_addr.s_addr), 0x7f000002);
        assert_int_equal(o.workload, WORKLOAD_MIXED);
        assert_int_equal(o.write_percent, 10);
        assert_int_equal(o.pids_count, 2);
        assert_int_equal(o.pids[1], 8);
        assert_true(o.rate == 2500.5 && o.seconds == 0.25 && o.warmup_seconds == 1);
        assert_true(o.keep && !o.canned);
        assert_int_equal(o.connections, 32);
}

static void test_what_is_wrong_is_said(void **state)
{
        (void)state;
        static const char *const rows[][2] = {
                {"--workload set", "--servers and --workload are needed"},
                {"--servers 127.0.0.1:1", "--servers and --workload are needed"},
                {"--servers localhost:1", "--servers wants ADDRESS:PORT, not 'localhost:1'"},
                {"--servers 127.0.0.1:1,", "--servers wants ADDRESS:PORT, not ''"},
                {"--servers 127.0.0.1:0", "--servers wants ADDRESS:PORT, not '127.0.0.1:0'"},
                {"--servers 127.0.0.1:65536", "--servers wants ADDRESS:PORT, not '127.0.0.1:65536'"},
                {"--workload nothing", "no workload 'nothing'"},
                {"--connections 0", "--connections wants a number from 1 to 19000, not '0'"},
                {"--size 15", "--size wants a number from 16 to 1000000, not '15'"},
                {"--rate nan", "--rate wants a number up to 100000000, not 'nan'"},
                {"--rate -1", "--rate wants a number up to 100000000, not '-1'"},
                {"--root /a/b", "--root wants one level such as /bench, not '/a/b'"},
                {"--pids 1,x", "--pids wants numbers, not 'x'"},
                {"--seconds", "no such option, or one without its value: --seconds"},
                {"--what 1", "no such option: --what"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct load_options o;
                char why[128] = "";
                assert_int_equal(parse(&o, why, sizeof why, rows[i][0]), -EINVAL);
                assert_string_equal(why, rows[i][1]);
        }
}

static void test_every_workload_has_a_name_and_is_in_the_usage(void **state)
{
        (void)state;
        for (size_t i = 0; i < WORKLOAD_MAX; i++) {
                assert_non_null(workload_name((enum workload)i));
                assert_non_null(strstr(load_usage(), workload_name((enum workload)i)));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_options_are_taken),
                cmocka_unit_test(test_what_is_wrong_is_said),
                cmocka_unit_test(test_every_workload_has_a_name_and_is_in_the_usage),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
