/* The plugin `exec` with real programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plugins/mock_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mock_host *host_with(const char *name, const char *command)
{
        struct mock_host *m = mock_host_load(PLUGIN_DIR "/exec.so");
        mock_host_set(m, name, command);
        return m;
}

static void open_host(struct mock_host *m)
{
        assert_int_equal(mock_host_judge(m), 0);
        assert_int_equal(mock_host_open(m), 0);
}

static void test_one_program_is_called_with_the_event(void **state)
{
        (void)state;
        struct mock_host *m =
                host_with("program", "sh -c 'echo \"$0 $BATON_EVENT $BATON_NODE $BATON_GROUP $BATON_TOKEN\"'");
        open_host(m);
        assert_int_equal(mock_host_activate(m), 0);
        assert_true(mock_host_logged(m, "activate activate node1 group1 4294967297"));
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        assert_true(mock_host_logged(m, "check check node1"));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 3000), 0);
        assert_true(mock_host_logged(m, "deactivate deactivate node1"));
        /* Not among the events it is for. */
        mock_host_role(m, BATON_ROLE_LEADING);
        assert_false(mock_host_logged(m, "role role"));
        mock_host_free(m);
}

static void test_facts_come_as_json_on_stdin(void **state)
{
        (void)state;
        struct mock_host *m = host_with("config", "cat");
        mock_host_set(m, "members", "cat");
        mock_host_set(m, "role", "cat");
        open_host(m);
        mock_host_config_text(m, "nginx/motd", "a \"b\"");
        assert_true(mock_host_logged(m, "\"path\":\"nginx/motd\""));
        assert_true(mock_host_logged(m, "\"value\":\"a \\\"b\\\"\""));
        mock_host_config(m, "raw", "\xff\x00", 2);
        assert_true(mock_host_logged(m, "\"value_hex\":\"ff00\""));
        const struct baton_member members[] = {{"n1", BATON_ROLE_LEADING, true}, {"n2", BATON_ROLE_FOLLOWING, false}};
        mock_host_members(m, members, 2);
        assert_true(mock_host_logged(m, "{\"name\":\"n1\",\"role\":\"leading\",\"here\":true}"));
        mock_host_role(m, BATON_ROLE_LOOKING);
        assert_true(mock_host_logged(m, "\"role\":\"looking\""));
        mock_host_free(m);
}

static void test_what_a_check_says_is_its_health(void **state)
{
        static const struct {
                const char *command;
                enum baton_health health;
                const char *why;
        } cases[] = {
                {"sh -c 'echo fine'", BATON_HEALTH_GOOD, "fine"},
                {"sh -c 'echo slow; exit 1'", BATON_HEALTH_DEGRADED, "slow"},
                {"sh -c 'echo one; echo dead; exit 2'", BATON_HEALTH_BAD, "dead"},
                {"sh -c 'kill -9 $$'", BATON_HEALTH_BAD, "signal 9"},
                {"/nowhere/at/all", BATON_HEALTH_BAD, "can't be run"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct mock_host *m = host_with("check", cases[i].command);
                open_host(m);
                assert_int_equal(mock_host_check(m), cases[i].health);
                assert_non_null(strstr(mock_host_why(m), cases[i].why));
                mock_host_free(m);
        }
}

static void test_a_program_that_hangs_is_ended(void **state)
{
        (void)state;
        struct mock_host *m = host_with("check", "sh -c 'trap \"\" TERM; sleep 1000 & while :; do sleep 1; done'");
        mock_host_set(m, "timeout", "200");
        open_host(m);
        uint64_t began = mock_now_ms();
        assert_int_equal(mock_host_check(m), BATON_HEALTH_BAD);
        assert_true(mock_now_ms() - began < 2000);
        assert_string_equal(mock_host_why(m), "check took too long");
        mock_host_free(m);
}

static void test_a_revoked_activate_is_called_off(void **state)
{
        (void)state;
        struct mock_host *m = host_with("activate", "sleep 1000");
        mock_host_set(m, "deactivate", "true");
        open_host(m);
        mock_host_cancel(m, 100);
        uint64_t began = mock_now_ms();
        assert_int_equal(mock_host_activate(m), -ECANCELED);
        assert_true(mock_now_ms() - began < 2000);
        mock_host_free(m);
}

static void test_a_deactivate_that_fails_is_no_stop(void **state)
{
        (void)state;
        struct mock_host *m = host_with("activate", "true");
        mock_host_set(m, "deactivate", "sh -c 'echo cannot; exit 1'");
        open_host(m);
        assert_int_equal(mock_host_activate(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 3000), -EIO);
        assert_true(mock_host_logged(m, "deactivate failed: cannot"));
        mock_host_free(m);
}

static void test_a_slow_deactivate_is_ended_within_the_budget(void **state)
{
        (void)state;
        struct mock_host *m = host_with("activate", "true");
        mock_host_set(m, "deactivate", "sleep 1000");
        open_host(m);
        uint64_t began = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 500), -ETIMEDOUT);
        assert_true(mock_now_ms() - began < 2000);
        mock_host_free(m);
}

static void test_faults_in_settings_are_told(void **state)
{
        (void)state;
        struct mock_host *m = host_with("activate", "true");
        mock_host_set(m, "events", "activate sometimes");
        mock_host_set(m, "check", "'open");
        assert_int_equal(mock_host_judge(m), 3);
        assert_non_null(strstr(mock_host_problems(m), "'sometimes' is no event"));
        assert_non_null(strstr(mock_host_problems(m), "a `deactivate` must end"));
        assert_non_null(strstr(mock_host_problems(m), "ends within a quote"));
        mock_host_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_program_is_called_with_the_event),
                cmocka_unit_test(test_facts_come_as_json_on_stdin),
                cmocka_unit_test(test_what_a_check_says_is_its_health),
                cmocka_unit_test(test_a_program_that_hangs_is_ended),
                cmocka_unit_test(test_a_revoked_activate_is_called_off),
                cmocka_unit_test(test_a_deactivate_that_fails_is_no_stop),
                cmocka_unit_test(test_a_slow_deactivate_is_ended_within_the_budget),
                cmocka_unit_test(test_faults_in_settings_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
