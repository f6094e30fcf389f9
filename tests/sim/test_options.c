/* How baton-sim is called: nothing that is asked for is passed over in silence. */
#include "tests/sim/options.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <string.h>

#define ARGS_MAX 8

/* As main() would; `line` has single blanks. */
static int parse(const char *line, struct sim_options *ret, char *why, size_t size)
{
        char text[200], *argv[ARGS_MAX + 1], *rest = NULL;
        int argc = 1;
        argv[0] = (char[]){"baton-sim"};
        assert_true(strlen(line) < sizeof text);
        memcpy(text, line, strlen(line) + 1);
        for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
                assert_true(argc < ARGS_MAX);
                argv[argc++] = word;
        }
        argv[argc] = NULL;
        return sim_options_parse(argc, argv, ret, why, size);
}

static struct sim_options good(const char *line)
{
        struct sim_options o;
        char why[200] = "";
        int r = parse(line, &o, why, sizeof why);
        if (r < 0)
                fail_msg("%s: %s", line, why);
        return o;
}

static void expect_refused(const char *line, const char *says)
{
        struct sim_options o;
        char why[200] = "";
        assert_int_equal(parse(line, &o, why, sizeof why), -EINVAL);
        if (!strstr(why, says))
                fail_msg("%s: %s", line, why);
}

static void test_what_does_not_go_together_is_refused(void **state)
{
        (void)state;
        static const char *const many[] = {"--seeds 2", "--from 2",  "--jobs 2", "--minutes 2",
                                           "--repeat",  "--digests", "--suite",  "--brief"};
        char line[64];
        for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
                (void)good(many[i]);
                (void)snprintf(line, sizeof line, "--seed 5 %s", many[i]);
                expect_refused(line, "does not go with --seed");
                (void)snprintf(line, sizeof line, "%s --shrink 5", many[i]);
                expect_refused(line, "does not go with --shrink");
                (void)snprintf(line, sizeof line, "%s --plants", many[i]);
                expect_refused(line, "does not go with --plants");
        }
        expect_refused("--trace", "--trace does not go with many seeds");
        expect_refused("--seed 1 --shrink 2", "--seed does not go with --shrink");
        expect_refused("--shrink 2 --seed 1", "--shrink does not go with --seed");
        assert_true(good("--seed 5 --trace --faults 3 --without cut").trace);
        assert_int_equal(good("--shrink 5 --faults 3 --without cut").mode, SIM_SHRINK);
        assert_int_equal(good("--seed 5 --help --repeat").mode, SIM_HELP);
}

static void test_every_seed_is_one(void **state)
{
        (void)state;
        assert_true(good("--seed 18446744073709551615").from == UINT64_MAX);
        assert_true(good("--shrink 9223372036854775808").from == UINT64_C(1) << 63);
        struct sim_options o = good("--from 18446744073709551614 --seeds 2");
        assert_true(o.from == UINT64_MAX - 1 && o.seeds == 2);
        expect_refused("--from 18446744073709551614 --seeds 3", "not as many seeds");
        expect_refused("--seed 18446744073709551616", "wants a number up to 18446744073709551615");
}

static void test_what_is_no_number_is_refused(void **state)
{
        (void)state;
        static const char *const bad[] = {"-1", "+1", "1x", "x", "0x10", "1.5"};
        char line[64];
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                (void)snprintf(line, sizeof line, "--seed %s", bad[i]);
                expect_refused(line, "wants a number");
        }
        expect_refused("--seed", "wants a value");
        expect_refused("--seeds 0", "wants at least 1");
        expect_refused("--jobs 65", "wants a number up to 64");
        expect_refused("--sed 1", "there is no option '--sed'");
        expect_refused("--without cut,cat", "there is no such kind of fault");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_does_not_go_together_is_refused),
                cmocka_unit_test(test_every_seed_is_one),
                cmocka_unit_test(test_what_is_no_number_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
