/* The real baton-worker, from its first word to its exit status, with a plugin that does what it is told to. */
#include "daemon/common/clock.h"
#include "daemon/worker/worker_core.h"
#include "tests/unit/worker/stage.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct stage s;

static int setup(void **state)
{
        (void)state;
        stage_init(&s);
        stage_mood(&s, "");
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        stage_done(&s);
        return 0;
}

static void expect_exit(int status, int code)
{
        if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
                fail_msg("wait status 0x%x instead of exit %d; said:\n%s", (unsigned)status, code, s.said);
}

static void to_active(void)
{
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_grant(&s, 7, 60000);
        stage_await(&s, "state active 0x7");
        assert_true(stage_runs(&s));
        stage_forget(&s);
}

/* ---- a life ---- */

static void test_a_life(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "ready");
        stage_await(&s, "hello opening 0x0 budget 5000");
        stage_await(&s, "state stopped 0x0");
        assert_true(stage_traced(&s, "deactivate 0"));
        stage_grant(&s, 7, 60000);
        stage_await(&s, "holding active 0x7");
        stage_await(&s, "state active 0x7");
        assert_true(stage_traced(&s, "activate 7 held 1"));
        stage_await(&s, "note: at ? ? your service");
        stage_await(&s, "health good");
        assert_int_equal(stage_record(&s).state, WORKER_ACTIVE);
        stage_revoke(&s, 7, REVOKE_SWITCHOVER);
        stage_await(&s, "state stopped 0x7");
        assert_false(stage_runs(&s));
        assert_true(stage_traced(&s, "deactivate 1"));
        stage_stop(&s, STOP_RELEASE);
        expect_exit(stage_await_end(&s), WORKER_EXIT_CLEAN);
        assert_true(stage_traced(&s, "close"));
}

static void test_pings_are_answered_while_a_callback_hangs(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_mood(&s, "role hang\n");
        struct message m = message_of(MESSAGE_ROLE);
        stage_tell(&s, &m);
        stage_await_trace(&s, "role 0");
        stage_ping(&s, 5);
        stage_await(&s, "pong 5");
        stage_mood(&s, "");
        stage_stop(&s, STOP_RELEASE);
        expect_exit(stage_await_end(&s), WORKER_EXIT_CLEAN);
}

static void test_the_state_directory_is_its_own(void **state)
{
        (void)state;
        char line[256];
        struct stat st;
        stage_start(&s);
        (void)snprintf(line, sizeof line, "open n1 shop web %s/plugins/shop", s.dir);
        stage_await_trace(&s, line);
        (void)snprintf(line, sizeof line, "%s/plugins/shop", s.dir);
        assert_int_equal(stat(line, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        stage_await(&s, "state stopped 0x0");
}

/* ---- the deadline ---- */

static void test_without_renewals_it_stops_by_itself(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        uint64_t begin_ms = clock_boottime_ms();
        stage_grant(&s, 7, 300);
        stage_await(&s, "state active 0x7");
        stage_await(&s, "holding stopping 0x7");
        uint64_t after_ms = clock_boottime_ms() - begin_ms;
        stage_await(&s, "state stopped 0x7");
        assert_true(stage_traced(&s, "deactivate 3"));
        assert_true(after_ms >= 299);
        assert_false(stage_runs(&s));
}

static void test_renewals_keep_it_running_also_over_a_new_link(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_grant(&s, 7, 800);
        stage_await(&s, "state active 0x7");
        stage_grant(&s, 7, 1200);
        stage_cut(&s);
        stage_forget(&s);
        stage_link(&s);
        stage_await(&s, "hello active 0x7 budget 5000");
        stage_grant(&s, 7, 60000);
        while (stage_record(&s).deadline_ms < clock_boottime_ms() + 50000) {
                stage_ping(&s, 1);
                stage_await(&s, "pong 1");
                stage_forget(&s);
        }
        assert_true(stage_runs(&s));
        assert_int_equal(stage_record(&s).state, WORKER_ACTIVE);
}

static void test_a_stop_is_not_held_up_by_a_start(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_mood(&s, "activate wait\n");
        stage_grant(&s, 7, 60000);
        stage_await_trace(&s, "activate waits");
        stage_revoke(&s, 7, REVOKE_LOST);
        stage_await(&s, "state stopped 0x7");
        assert_true(stage_traced(&s, "activate cancelled"));
        assert_false(stage_runs(&s));
}

/* ---- crashes ---- */

static void test_a_killed_worker_is_taken_up(void **state)
{
        (void)state;
        to_active();
        stage_kill(&s, SIGKILL);
        assert_true(WIFSIGNALED(stage_await_end(&s)));
        assert_true(stage_runs(&s));
        stage_start(&s);
        stage_await(&s, "state active 0x7");
        assert_true(stage_traced(&s, "activate 7 taken up it runs held 1"));
        assert_int_equal(stage_trace_count(&s, "deactivate 0"), 1); /* of the first process */
}

static void test_a_worker_killed_for_longer_than_its_grant_stops_first(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_grant(&s, 7, 400);
        stage_await(&s, "state active 0x7");
        uint64_t deadline_ms = stage_record(&s).deadline_ms;
        stage_kill(&s, SIGKILL);
        (void)stage_await_end(&s);
        while (clock_boottime_ms() <= deadline_ms)
                (void)usleep(10000); /* that time passes is the event */
        stage_forget(&s);
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        assert_false(stage_runs(&s));
        assert_int_equal(stage_trace_count(&s, "deactivate 0"), 2);
}

static void test_a_plugin_that_crashes_while_starting_is_begun_again(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_mood(&s, "activate crash\n");
        stage_grant(&s, 7, 60000);
        assert_true(WIFSIGNALED(stage_await_end(&s)));
        assert_int_equal(stage_record(&s).state, WORKER_STARTING);
        stage_mood(&s, "");
        stage_start(&s);
        stage_await(&s, "state active 0x7");
}

static void test_the_lost_supervisor_leaves_the_resource_alone(void **state)
{
        (void)state;
        int status = 0;
        to_active();
        ipc_free(s.control);
        s.control = NULL;
        assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
        s.pid = -1;
        expect_exit(status, WORKER_EXIT_CLEAN);
        assert_true(stage_runs(&s));
        assert_int_equal(stage_record(&s).state, WORKER_ACTIVE);
        assert_false(stage_traced(&s, "close"));
}

static void test_keep_and_a_successor(void **state)
{
        (void)state;
        to_active();
        stage_stop(&s, STOP_KEEP);
        expect_exit(stage_await_end(&s), WORKER_EXIT_CLEAN);
        assert_true(stage_runs(&s));
        stage_start(&s);
        stage_await(&s, "state active 0x7");
        stage_stop(&s, STOP_RELEASE);
        expect_exit(stage_await_end(&s), WORKER_EXIT_CLEAN);
        assert_false(stage_runs(&s));
        assert_int_equal(stage_record(&s).state, WORKER_STOPPED);
}

static void test_signals_of_others_change_nothing(void **state)
{
        (void)state;
        to_active();
        stage_kill(&s, SIGTERM);
        stage_kill(&s, SIGINT);
        stage_ping(&s, 9);
        stage_await(&s, "pong 9");
        assert_true(stage_runs(&s));
}

/* ---- hanging ---- */

static void test_a_check_that_hangs_ends_the_process(void **state)
{
        (void)state;
        s.check_timeout_ms = 200;
        to_active();
        stage_mood(&s, "check hang\n");
        expect_exit(stage_await_end(&s), WORKER_EXIT_HUNG);
        assert_int_equal(stage_record(&s).state, WORKER_STOPPING);
        stage_mood(&s, "");
        stage_forget(&s);
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        assert_false(stage_runs(&s));
}

static void test_a_stop_that_hangs_ends_the_process(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "stop_budget = 500\n");
        s.budget_ms = 500;
        to_active();
        stage_mood(&s, "deactivate hang\n");
        uint64_t begin_ms = clock_boottime_ms();
        stage_revoke(&s, 7, REVOKE_LOST);
        expect_exit(stage_await_end(&s), WORKER_EXIT_STOP_FAILED);
        assert_true(clock_boottime_ms() - begin_ms >= 499);
        assert_int_equal(stage_record(&s).state, WORKER_STOPPING);
}

static void test_a_plugin_that_hangs_between_callbacks_is_noticed_by_the_stop(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "stop_budget = 500\n");
        s.budget_ms = 500;
        to_active();
        stage_mood(&s, "ready hang\n");
        stage_config(&s, "command/poke", "", 0, 11);
        stage_await_trace(&s, "ready descriptor");
        stage_revoke(&s, 7, REVOKE_LOST);
        expect_exit(stage_await_end(&s), WORKER_EXIT_HUNG);
}

static void test_a_plugin_that_does_not_open(void **state)
{
        (void)state;
        stage_mood(&s, "open fail\n");
        stage_start(&s);
        expect_exit(stage_await_end(&s), WORKER_EXIT_OPEN);
        stage_mood(&s, "open hang\n");
        stage_start(&s);
        expect_exit(stage_await_end(&s), WORKER_EXIT_HUNG);
}

static void test_a_stop_that_fails_ends_the_process(void **state)
{
        (void)state;
        to_active();
        stage_mood(&s, "deactivate fail\n");
        stage_revoke(&s, 7, REVOKE_LOST);
        expect_exit(stage_await_end(&s), WORKER_EXIT_STOP_FAILED);
}

/* ---- failures ---- */

static void test_bad_health_is_tried_again_then_given_up(void **state)
{
        (void)state;
        to_active();
        stage_mood(&s, "check bad\n");
        stage_await(&s, "health bad: bad mood");
        stage_await(&s, "state failed 0x7: check: bad mood");
        stage_await(&s, "state stopped 0x7");
        assert_int_equal(stage_trace_count(&s, "activate 7 held 1"), 2);
        assert_false(stage_runs(&s));
}

static void test_a_failing_start_is_given_up(void **state)
{
        (void)state;
        stage_start(&s);
        stage_await(&s, "state stopped 0x0");
        stage_mood(&s, "activate fail\n");
        stage_grant(&s, 7, 60000);
        stage_await(&s, "state failed 0x7: activate failed: Input/output error");
        stage_await(&s, "state stopped 0x7");
        assert_false(stage_runs(&s));
}

static void test_a_report_counts_at_once(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "retries = 0\n");
        to_active();
        stage_config(&s, "command/report", "", 0, 11);
        stage_await(&s, "state failed 0x7: reported");
        stage_await(&s, "state stopped 0x7");
}

static void test_leaks_and_garbage_harm_nobody_else(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "retries = 0\n");
        to_active();
        stage_mood(&s, "check leak\n");
        stage_await(&s, "health good");
        stage_mood(&s, "check garbage\n");
        stage_await(&s, "state stopped 0x7"); /* a health that doesn't exist is bad */
        stage_config(&s, "command/flood", "", 0, 11);
        stage_await(&s, "note: odd");
        stage_ping(&s, 3);
        stage_await(&s, "pong 3");
}

/* ---- configuration ---- */

static void synced(int64_t zxid)
{
        struct message m = message_of(MESSAGE_CONFIG_SYNCED);
        m.zxid = zxid;
        stage_tell(&s, &m);
}

static void test_configuration_is_told_once_over_all_links(void **state)
{
        (void)state;
        s.group = false;
        stage_start(&s);
        stage_await(&s, "hello stopped 0x0 budget 5000");
        stage_config(&s, "value", "one", 0, 11);
        stage_config(&s, "gone", "soon", 0, 12);
        synced(12);
        stage_config(&s, "value", "two", 1, 13);
        stage_await_trace(&s, "config value = two v1");
        stage_link(&s);
        stage_config(&s, "value", "two", 1, 13);
        stage_config(&s, "new", "three", 0, 15);
        synced(15);
        stage_await_trace(&s, "config gone = (gone) v-1");
        stage_config(&s, "command/get", "", 0, 16);
        stage_await_trace(&s, "got 0 two v1");
        assert_int_equal(stage_trace_count(&s, "config value = two v1"), 1);
        assert_int_equal(stage_trace_count(&s, "config new = three v0"), 1);
        assert_int_equal(stage_trace_count(&s, "synced"), 1);
}

static void test_a_plugin_writes_configuration_and_waits_for_the_commit(void **state)
{
        (void)state;
        struct message done = message_of(MESSAGE_CONFIG_DONE);
        s.group = false;
        stage_start(&s);
        stage_await(&s, "hello stopped 0x0 budget 5000");
        stage_config(&s, "command/ask", "x", 0, 11);
        stage_await(&s, "set answer = x v-1 number 1");
        done.number = 77; /* of nobody */
        stage_tell(&s, &done);
        done.number = 1;
        stage_tell(&s, &done);
        stage_await_trace(&s, "asked 0");
        stage_config(&s, "command/ask", "y", 1, 12);
        stage_await(&s, "set answer = y v-1 number 2");
        done.number = 2;
        done.error = -103;
        stage_tell(&s, &done);
        char line[32];
        (void)snprintf(line, sizeof line, "asked %d", -ESTALE);
        stage_await_trace(&s, line);
        stage_config(&s, "command/ask", "z", 2, 13);
        stage_await(&s, "set answer = z v-1 number 3");
        stage_cut(&s);
        (void)snprintf(line, sizeof line, "asked %d", -EAGAIN);
        stage_await_trace(&s, line);
}

static void test_descriptors_wakes_and_members_come_through(void **state)
{
        (void)state;
        const struct message_member members[] = {{.name = {"n1"}, .here = true}, {.name = {"n2"}}};
        struct message m = message_of(MESSAGE_MEMBERS);
        s.group = false;
        stage_start(&s);
        stage_await(&s, "hello stopped 0x0 budget 5000");
        m.members = members;
        m.member_count = 2;
        stage_tell(&s, &m);
        stage_config(&s, "command/poke", "", 0, 11);
        stage_await_trace(&s, "ready descriptor");
        stage_config(&s, "command/wake", "", 0, 12);
        stage_await_trace(&s, "ready wake");
        assert_true(stage_traced(&s, "member n1 here"));
        assert_true(stage_traced(&s, "member n2"));
        assert_false(stage_traced(&s, "ready without reason"));
        m = message_of(MESSAGE_ROLE);
        m.role = ROLE_LEADING;
        stage_tell(&s, &m);
        stage_await_trace(&s, "role 4");
}

/* ---- the stop budget ---- */

static void test_a_budget_that_is_too_small_is_refused(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "need = 900\nstop_budget = 500\n");
        stage_start(&s);
        expect_exit(stage_await_end(&s), WORKER_EXIT_CONFIG);
        assert_int_equal(stage_record(&s).state, WORKER_STOPPED);
}

static void test_the_need_is_told(void **state)
{
        (void)state;
        (void)snprintf(s.settings, sizeof s.settings, "need = 900\n");
        stage_start(&s);
        stage_await(&s, "hello opening 0x0 budget 900");
}

/* ---- without a supervisor ---- */

static void test_ensure_stopped(void **state)
{
        (void)state;
        char out[4096];
        const char *const arguments[] = {"--config",         "baton.conf", "--plugin", "shop",
                                         "--ensure-stopped", "--budget",   "3000",     NULL};
        to_active();
        stage_kill(&s, SIGKILL);
        (void)stage_await_end(&s);
        assert_true(stage_runs(&s));
        assert_int_equal(stage_run(&s, arguments, out, sizeof out), WORKER_EXIT_CLEAN);
        assert_false(stage_runs(&s));
        stage_mood(&s, "deactivate fail\n");
        assert_int_equal(stage_run(&s, arguments, out, sizeof out), WORKER_EXIT_STOP_FAILED);
}

static void test_ensure_stopped_has_an_end(void **state)
{
        (void)state;
        char out[4096];
        const char *const arguments[] = {"--config",         "baton.conf", "--plugin", "shop",
                                         "--ensure-stopped", "--budget",   "300",      NULL};
        stage_mood(&s, "deactivate hang\n");
        assert_int_not_equal(stage_run(&s, arguments, out, sizeof out), 0);
        stage_mood(&s, "open hang\n");
        assert_int_equal(stage_run(&s, arguments, out, sizeof out), 128 + SIGALRM);
}

static void test_check_judges_all_sections(void **state)
{
        (void)state;
        char out[8192];
        const char *const arguments[] = {"--config", "baton.conf", "--check", NULL};
        assert_int_equal(stage_run(&s, arguments, out, sizeof out), WORKER_EXIT_CLEAN);
        assert_string_equal(out, "baton.conf: nothing wrong with its plugins\n");
        (void)snprintf(s.settings, sizeof s.settings,
                       "need = many\ncolour = red\n"
                       "[plugin two]\nmodule = /nowhere/two.so\n"
                       "[plugin three]\nmodule = " PROBE "\nresource = relative\ntrace = /x\n"
                       "[plugin four]\nmodule = " PROBE "\nresource = crash\ntrace = /x\nmoods = /x\n"
                       "[plugin five]\nmodule = " PROBE "\nresource = relative\ntrace = /x\nmoods = /x\n");
        assert_int_equal(stage_run(&s, arguments, out, sizeof out), WORKER_EXIT_CONFIG);
        assert_string_equal(out, "baton.conf:17: need = \"many\": must be a number from 0 to 60000\n"
                                 "baton.conf:18: plugin probe has no setting \"colour\"\n"
                                 "baton.conf:19: there is no plugin /nowhere/two.so; is its package installed?\n"
                                 "baton.conf:21: [plugin three] moods is missing: absolute path of a file\n"
                                 "baton.conf:25: [plugin four] plugin " PROBE " crashed while it judged its settings\n"
                                 "baton.conf:32: resource = \"relative\": must be an absolute path\n");
        assert_false(stage_runs(&s));
}

static void test_wrong_usage(void **state)
{
        (void)state;
        char out[4096];
        const char *const nothing[] = {NULL};
        const char *const unknown[] = {"--config",         "baton.conf", "--plugin", "other",
                                       "--ensure-stopped", "--budget",   "9",        NULL};
        const char *const budget[] = {"--config",         "baton.conf", "--plugin", "shop",
                                      "--ensure-stopped", "--budget",   "-9",       NULL};
        assert_int_equal(stage_run(&s, nothing, out, sizeof out), WORKER_EXIT_USAGE);
        assert_int_equal(stage_run(&s, budget, out, sizeof out), WORKER_EXIT_USAGE);
        assert_int_equal(stage_run(&s, unknown, out, sizeof out), WORKER_EXIT_CONFIG);
        assert_string_equal(out, "baton.conf: there is no section [plugin other]\n");
}

#define PLAY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLAY(test_a_life),
                PLAY(test_pings_are_answered_while_a_callback_hangs),
                PLAY(test_the_state_directory_is_its_own),
                PLAY(test_without_renewals_it_stops_by_itself),
                PLAY(test_renewals_keep_it_running_also_over_a_new_link),
                PLAY(test_a_stop_is_not_held_up_by_a_start),
                PLAY(test_a_killed_worker_is_taken_up),
                PLAY(test_a_worker_killed_for_longer_than_its_grant_stops_first),
                PLAY(test_a_plugin_that_crashes_while_starting_is_begun_again),
                PLAY(test_the_lost_supervisor_leaves_the_resource_alone),
                PLAY(test_keep_and_a_successor),
                PLAY(test_signals_of_others_change_nothing),
                PLAY(test_a_check_that_hangs_ends_the_process),
                PLAY(test_a_stop_that_hangs_ends_the_process),
                PLAY(test_a_plugin_that_hangs_between_callbacks_is_noticed_by_the_stop),
                PLAY(test_a_plugin_that_does_not_open),
                PLAY(test_a_stop_that_fails_ends_the_process),
                PLAY(test_bad_health_is_tried_again_then_given_up),
                PLAY(test_a_failing_start_is_given_up),
                PLAY(test_a_report_counts_at_once),
                PLAY(test_leaks_and_garbage_harm_nobody_else),
                PLAY(test_configuration_is_told_once_over_all_links),
                PLAY(test_a_plugin_writes_configuration_and_waits_for_the_commit),
                PLAY(test_descriptors_wakes_and_members_come_through),
                PLAY(test_a_budget_that_is_too_small_is_refused),
                PLAY(test_the_need_is_told),
                PLAY(test_ensure_stopped),
                PLAY(test_ensure_stopped_has_an_end),
                PLAY(test_check_judges_all_sections),
                PLAY(test_wrong_usage),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
