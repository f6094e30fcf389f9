/* The plugin `unit` against a real systemd: to be run as root on a host of its own (test_unit_plugin.py), whose units
 * it makes, breaks and stops. Each test has units of its own names, in /run/systemd/system. */
#include "tests/unit/plugins/mock_host.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

#define UNITS "/run/systemd/system"
/* Enough for anything that is expected to happen, in milliseconds. */
#define SOON 10000

/* ---- the host ---- */

/* Runs a program and returns its status; what it prints is returned in `out`, the last line break cut. */
static int run_for(char *out, size_t size, const char *const argv[])
{
        int pipe_fds[2];
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1), 0);
        pid_t pid;
        assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)close(pipe_fds[1]);
        size_t used = 0;
        ssize_t n;
        while ((n = read(pipe_fds[0], out + used, size - 1 - used)) > 0)
                used += (size_t)n;
        (void)close(pipe_fds[0]);
        out[used] = '\0';
        if (used && out[used - 1] == '\n')
                out[used - 1] = '\0';
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

#define RUN(...) run_for((char[4096]){0}, 4096, (const char *const[]){__VA_ARGS__, NULL})

static void systemctl(const char *verb, const char *unit)
{
        if (unit)
                assert_int_equal(RUN("systemctl", "--quiet", verb, unit), 0);
        else
                assert_int_equal(RUN("systemctl", "--quiet", verb), 0);
}

static const char *show(const char *unit, const char *property)
{
        static char out[4096];
        assert_int_equal(run_for(out, sizeof out,
                                 (const char *const[]){"systemctl", "show", "--value", "-p", property, unit, NULL}),
                         0);
        return out;
}

static pid_t main_pid(const char *unit)
{
        return (pid_t)strtol(show(unit, "MainPID"), NULL, 10);
}

static void assert_state(const char *unit, const char *state)
{
        assert_string_equal(show(unit, "ActiveState"), state);
}

static void write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

/* Makes a unit; the caller reloads. */
static void make_unit(const char *name, const char *text)
{
        char path[512];
        (void)snprintf(path, sizeof path, UNITS "/%s", name);
        write_file(path, text);
}

static void make_service(const char *name, const char *text)
{
        char all[4096];
        (void)snprintf(all, sizeof all, "[Service]\n%s", text);
        make_unit(name, all);
        systemctl("daemon-reload", NULL);
}

static struct mock_host *load(const char *units)
{
        struct mock_host *m = mock_host_load(UNIT_PLUGIN);
        mock_host_set(m, "unit", units);
        return m;
}

/* Opened, and made sure that nothing runs: as a fresh worker is before its first grant. */
static struct mock_host *standby(const char *units)
{
        struct mock_host *m = load(units);
        assert_int_equal(mock_host_open_unjudged(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 5000), 0);
        return m;
}

static void assert_logged(struct mock_host *m, const char *text)
{
        if (!mock_host_logged(m, text))
                fail_msg("'%s' is not in the log:\n%s", text, mock_host_log(m));
}

static void assert_why(struct mock_host *m, const char *text)
{
        if (!strstr(mock_host_why(m), text))
                fail_msg("'%s' is not in the reason: %s", text, mock_host_why(m));
}

/* Ends an instance whose units may run. */
static void finish(struct mock_host *m)
{
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_ENDING, 5000), 0);
        mock_host_free(m);
}

#define SLEEPS "ExecStart=/bin/sleep infinity\n"

/* ---- starting, failing, stopping ---- */

static void test_service_is_started_seen_to_fail_and_stopped(void **state)
{
        (void)state;
        make_service("simple.service", SLEEPS "TimeoutStopSec=500ms\n");
        struct mock_host *m = standby("simple");
        assert_int_equal(mock_host_budget(m), 2000); /* 4 phases of half a second */
        assert_int_equal(mock_host_activate(m), 0);
        assert_state("simple", "active");
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        assert_non_null(strstr(mock_host_status(m), "simple.service active (running)"));

        assert_int_equal(kill(main_pid("simple"), SIGKILL), 0);
        uint64_t killed = mock_now_ms();
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        assert_true(mock_now_ms() - killed < 300); /* by signal, not by the next look */
        assert_why(m, "simple.service has failed: signal, its main process was killed by SIGKILL");

        assert_int_equal(mock_host_deactivate(m, BATON_REASON_FAILED, 2000), 0);
        assert_int_equal(mock_host_activate(m), 0); /* tried again: a failed unit can be started */
        assert_state("simple", "active");
        finish(m);
        assert_state("simple", "inactive");
}

static void test_stop_from_outside_is_a_failure(void **state)
{
        (void)state;
        make_service("byhand.service", SLEEPS);
        struct mock_host *m = standby("byhand");
        assert_int_equal(mock_host_activate(m), 0);
        systemctl("restart", "byhand");
        assert_true(mock_host_run(m, NULL, NULL, 300));
        assert_int_not_equal(mock_host_health(m), BATON_HEALTH_BAD); /* a restart is none */
        systemctl("stop", "byhand");
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        assert_why(m, "stopped from outside");
        finish(m);
}

static void test_failing_start_is_told_with_its_reason(void **state)
{
        (void)state;
        make_service("fails.service", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'exit 3'\n");
        struct mock_host *m = standby("fails");
        assert_int_equal(mock_host_activate(m), -EIO);
        assert_why(m, "fails.service has failed: exit-code, its main process exited with status 3");
        finish(m);
}

static void test_unmet_condition_is_told(void **state)
{
        (void)state;
        make_unit("cond.service", "[Unit]\nConditionPathExists=/nowhere\n[Service]\n" SLEEPS);
        systemctl("daemon-reload", NULL);
        struct mock_host *m = standby("cond");
        assert_int_equal(mock_host_activate(m), -EIO);
        assert_why(m, "one of its conditions is not met");
        finish(m);
}

static void test_activate_waits_for_a_slow_start(void **state)
{
        (void)state;
        make_service("slow.service", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 1\n");
        struct mock_host *m = standby("slow");
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_activate(m), 0);
        assert_true(mock_now_ms() - begun >= 1000);
        assert_state("slow", "active");
        finish(m);
        assert_state("slow", "inactive");
}

static void test_start_timeout_is_kept(void **state)
{
        (void)state;
        make_service("never.service", "Type=notify\n" SLEEPS "TimeoutStartSec=infinity\n");
        struct mock_host *m = load("never");
        mock_host_set(m, "start_timeout", "500");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 5000), 0);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_activate(m), -ETIMEDOUT);
        assert_in_range(mock_now_ms() - begun, 500, 1500);
        assert_why(m, "did not become active within 500 ms");
        finish(m);
}

/* F8: a start that is no longer wanted is taken back. */
static void test_revoked_start_is_taken_back(void **state)
{
        (void)state;
        make_service("revoked.service", "Type=notify\n" SLEEPS "TimeoutStartSec=infinity\n");
        struct mock_host *m = standby("revoked");
        uint64_t begun = mock_now_ms();
        mock_host_cancel(m, 300);
        assert_int_equal(mock_host_activate(m), -ECANCELED);
        assert_true(mock_now_ms() - begun < 1000);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 2000), 0); /* cancel_fd is still readable */
        assert_state("revoked", "inactive");
        mock_host_free(m);
}

static void test_grant_that_has_run_out_starts_nothing(void **state)
{
        (void)state;
        make_service("late.service", SLEEPS);
        struct mock_host *m = standby("late");
        mock_host_deadline_in(m, -1);
        assert_int_equal(mock_host_activate(m), -ECANCELED);
        assert_state("late", "inactive");
        assert_string_equal(show("late", "NRestarts"), "0");
        assert_string_equal(show("late", "ExecMainStartTimestampMonotonic"), "0");
        mock_host_free(m);
}

static void test_units_start_in_order_and_stop_in_reverse(void **state)
{
        (void)state;
        (void)unlink("/run/order");
        for (const char *n = "abc"; *n; n++) {
                char name[32], text[256];
                (void)snprintf(name, sizeof name, "order-%c.service", *n);
                (void)snprintf(
                        text, sizeof text,
                        "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'sleep 0.1; echo +%c >>/run/order'\n"
                        "ExecStop=/bin/sh -c 'sleep 0.1; echo -%c >>/run/order'\n",
                        *n, *n);
                make_service(name, text);
        }
        struct mock_host *m = standby("order-b, order-a  order-c.service");
        assert_int_equal(mock_host_activate(m), 0);
        finish(m);
        char order[256];
        assert_int_equal(run_for(order, sizeof order, (const char *const[]){"paste", "-sd", " ", "/run/order", NULL}),
                         0);
        assert_string_equal(order, "+b +a +c -c -a -b");
}

/* ---- stopping what does not want to ---- */

static void assert_stops_within(struct mock_host *m, const char *unit, uint32_t budget_ms)
{
        pid_t pid = main_pid(unit);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, budget_ms), 0);
        uint64_t took = mock_now_ms() - begun;
        if (took > budget_ms)
                fail_msg("took %llu ms of %u", (unsigned long long)took, budget_ms);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
}

static void test_service_that_ignores_sigterm_is_killed_in_time(void **state)
{
        (void)state;
        make_service("deaf.service",
                     "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1000; done'\nTimeoutStopSec=60\n");
        struct mock_host *m = standby("deaf");
        assert_int_equal(mock_host_budget(m), 5000);
        assert_int_equal(mock_host_activate(m), 0);
        assert_stops_within(m, "deaf", 500);
        assert_logged(m, "deaf.service has not stopped in time: killing it");
        mock_host_free(m);
}

/* Each command of the way down hangs; each is killed in turn. */
static void test_service_whose_stop_commands_hang_is_killed_in_time(void **state)
{
        (void)state;
        make_service("hung.service", SLEEPS "ExecStop=-/bin/sleep infinity\nExecStop=-/bin/sleep infinity\n"
                                            "ExecStopPost=-/bin/sleep infinity\nExecStopPost=-/bin/sleep infinity\n"
                                            "TimeoutStopSec=infinity\n");
        struct mock_host *m = standby("hung");
        assert_int_equal(mock_host_activate(m), 0);
        assert_logged(m, "hung.service may take longer to stop by its own settings");
        assert_stops_within(m, "hung", 2000);
        mock_host_free(m);
}

/* Children that ignore SIGTERM in sub-groups, and one that forks all the time. */
static void test_whole_tree_is_gone_when_the_stop_returns(void **state)
{
        (void)state;
        make_service("tree.service",
                     "KillMode=mixed\nDelegate=yes\nTimeoutStopSec=60\n"
                     "ExecStart=/bin/sh -c 'c=/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup); mkdir $c/below; "
                     "(trap \"\" TERM; while :; do sleep 0.02; done) & echo $! >$c/below/cgroup.procs; "
                     "trap \"\" TERM; while :; do sleep 0.01 & wait; done'\n");
        struct mock_host *m = standby("tree");
        assert_int_equal(mock_host_activate(m), 0);
        assert_true(mock_host_run(m, NULL, NULL, 300));
        assert_stops_within(m, "tree", 1000);
        assert_int_equal(access("/sys/fs/cgroup/system.slice/tree.service/cgroup.procs", F_OK), -1);
        mock_host_free(m);
}

/* Scenario 79: Restart=always, crashing while it is stopped and in standby. */
static void test_restarting_service_does_not_revive(void **state)
{
        (void)state;
        make_service("phoenix.service", SLEEPS "Restart=always\nRestartSec=100ms\nExecStop=/bin/sleep 0.5\n");
        struct mock_host *m = standby("phoenix");
        assert_int_equal(mock_host_activate(m), 0);
        assert_int_equal(kill(main_pid("phoenix"), SIGKILL), 0);
        assert_true(mock_host_await_health(m, BATON_HEALTH_DEGRADED, SOON));
        assert_why(m, "restarted by systemd");
        assert_true(mock_host_await_health(m, BATON_HEALTH_GOOD, SOON));

        assert_int_equal(kill(main_pid("phoenix"), SIGKILL), 0); /* auto-restart is pending now */
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 3000), 0);
        assert_true(mock_host_run(m, NULL, NULL, 500));
        assert_true(!strcmp(show("phoenix", "ActiveState"), "inactive") ||
                    !strcmp(show("phoenix", "ActiveState"), "failed"));
        assert_int_equal(main_pid("phoenix"), 0);
        mock_host_free(m);
}

static void test_endless_restarts_are_a_failure(void **state)
{
        (void)state;
        make_unit("loop.service",
                  "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 0.1\nRestart=always\n"
                  "RestartSec=50ms\n");
        systemctl("daemon-reload", NULL);
        struct mock_host *m = load("loop");
        mock_host_set(m, "restart_limit", "3");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 5000), 0);
        assert_int_equal(mock_host_activate(m), 0);
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        assert_why(m, "fails again and again");
        finish(m);
        assert_state("loop", "inactive");
}

/* ---- standby ---- */

static void test_unit_started_by_hand_in_standby_is_stopped(void **state)
{
        (void)state;
        make_service("stray.service", SLEEPS "Restart=always\n");
        struct mock_host *m = standby("stray");
        assert_int_equal(RUN("systemctl", "start", "stray"), 0);
        assert_true(mock_host_await_log(m, "stray.service was started on this node", SOON));
        assert_state("stray", "inactive");
        mock_host_free(m);
}

static void test_unit_found_running_at_start_is_stopped(void **state)
{
        (void)state;
        make_service("found.service", SLEEPS);
        systemctl("start", "found");
        struct mock_host *m = standby("found");
        assert_logged(m, "warning: found.service runs although the group is not here");
        assert_state("found", "inactive");
        mock_host_free(m);
}

static void test_running_unit_is_taken_up(void **state)
{
        (void)state;
        make_service("taken.service", SLEEPS);
        struct mock_host *m = standby("taken");
        assert_int_equal(mock_host_activate(m), 0);
        pid_t pid = main_pid("taken");
        mock_host_free(m); /* a worker that ends without a stop */
        m = load("taken");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_take_up(m), 0);
        assert_int_equal(main_pid("taken"), pid);
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        finish(m);
}

static void test_timer_is_stopped_with_what_it_triggers(void **state)
{
        (void)state;
        make_service("job.service", SLEEPS);
        make_unit("job.timer", "[Timer]\nOnActiveSec=100ms\nAccuracySec=10ms\n");
        systemctl("daemon-reload", NULL);
        struct mock_host *m = standby("job.timer");
        assert_int_equal(mock_host_activate(m), 0);
        assert_state("job.timer", "active");
        if (!mock_host_await_status(m, "job.service active", SOON))
                fail_msg("%s; %s\n%s", mock_host_status(m), show("job.timer", "SubState"), mock_host_log(m));
        finish(m);
        assert_state("job.timer", "inactive");
        assert_state("job.service", "inactive");
}

/* ---- systemd and the bus have a life of their own ---- */

static void test_reload_reexec_and_bus_restart_change_nothing(void **state)
{
        (void)state;
        make_service("calm.service", SLEEPS "ExecReload=/bin/sleep 0.2\n");
        struct mock_host *m = standby("calm");
        assert_int_equal(mock_host_activate(m), 0);
        pid_t pid = main_pid("calm");
        static const char *const troubles[][2] = {
                {"daemon-reload", NULL}, {"daemon-reexec", NULL}, {"restart", "dbus"}, {"reload", "calm"}};
        for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
                systemctl(troubles[i][0], troubles[i][1]);
                assert_true(mock_host_run(m, NULL, NULL, 500));
                assert_int_not_equal(mock_host_health(m), BATON_HEALTH_BAD);
                enum baton_health health = mock_host_check(m);
                if (health != BATON_HEALTH_GOOD)
                        fail_msg("after %s: %s", troubles[i][0], mock_host_why(m));
                assert_int_equal(main_pid("calm"), pid);
        }
        /* And failures are still seen at once. */
        assert_int_equal(kill(pid, SIGKILL), 0);
        uint64_t killed = mock_now_ms();
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        assert_true(mock_now_ms() - killed < 300);
        finish(m);
}

static void test_bus_restart_during_start_and_stop(void **state)
{
        (void)state;
        make_service("bumpy.service",
                     "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'systemctl restart dbus; sleep 1'\n"
                     "ExecStop=/bin/sh -c 'systemctl restart dbus; sleep 0.5'\n");
        struct mock_host *m = standby("bumpy");
        assert_int_equal(mock_host_activate(m), 0);
        assert_state("bumpy", "active");
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_SWITCHOVER, 5000), 0);
        assert_state("bumpy", "inactive");
        mock_host_free(m);
}

/* Root needs no bus: systemd has a socket of its own, and Restart=always does not get around it. */
static void test_stop_without_a_bus(void **state)
{
        (void)state;
        make_service("lonely.service", SLEEPS "Restart=always\nRestartSec=0\n");
        struct mock_host *m = standby("lonely");
        assert_int_equal(mock_host_activate(m), 0);
        pid_t pid = main_pid("lonely");
        assert_int_equal(RUN("systemctl", "stop", "dbus.socket", "dbus.service"), 0);
        uint64_t begun = mock_now_ms();
        int r = mock_host_deactivate(m, BATON_REASON_LOST, 1000);
        uint64_t took = mock_now_ms() - begun;
        bool dead = kill(pid, 0) < 0;
        systemctl("start", "dbus.socket");
        systemctl("start", "dbus.service");
        assert_true(took <= 1000);
        assert_true(dead);
        assert_int_equal(r, 0);
        assert_state("lonely", "inactive");
        mock_host_free(m);
}

/* A D-Bus that is there and silent. */
static void test_stop_while_the_bus_hangs(void **state)
{
        (void)state;
        make_service("patient.service", SLEEPS);
        struct mock_host *m = standby("patient");
        assert_int_equal(mock_host_activate(m), 0);
        pid_t pid = main_pid("patient"), bus = main_pid("dbus");
        assert_int_equal(kill(bus, SIGSTOP), 0);
        uint64_t begun = mock_now_ms();
        enum baton_health health = mock_host_check(m); /* slow: no failure */
        uint64_t checked = mock_now_ms();
        int r = mock_host_deactivate(m, BATON_REASON_LOST, 2000);
        uint64_t took = mock_now_ms() - checked;
        bool dead = kill(pid, 0) < 0;
        assert_int_equal(kill(bus, SIGCONT), 0);
        assert_int_equal(health, BATON_HEALTH_DEGRADED);
        assert_true(checked - begun < 2500);
        assert_true(took <= 2000);
        assert_true(dead);
        assert_int_equal(r, 0);
        mock_host_free(m);
}

/* ---- what is refused ---- */

static void assert_refused(const char *unit, const char *why)
{
        struct mock_host *m = load(unit);
        if (mock_host_judge(m) != 1)
                fail_msg("%s: not one problem, but: %s", unit, mock_host_problems(m));
        if (!strstr(mock_host_problems(m), why))
                fail_msg("'%s' is not in: %s", why, mock_host_problems(m));
        mock_host_free(m);
}

static void test_units_that_cannot_be_managed_are_refused(void **state)
{
        (void)state;
        make_unit("boot.service", "[Service]\n" SLEEPS "[Install]\nWantedBy=multi-user.target\n");
        make_unit("wanted.service", "[Service]\n" SLEEPS);
        make_unit("wanting.service", "[Unit]\nWants=wanted.service\n[Service]\n" SLEEPS);
        make_service("stubborn.service", SLEEPS "SendSIGKILL=no\n");
        make_service("leaves.service", SLEEPS "KillMode=process\n");
        make_service("once.service", "Type=oneshot\n" SLEEPS);
        make_unit("manual.service", "[Unit]\nRefuseManualStop=yes\n[Service]\n" SLEEPS);
        make_service("broken.service", "Type=simple\n"); /* nothing to execute */
        assert_int_equal(symlink("/dev/null", UNITS "/masked.service"), 0);
        systemctl("daemon-reload", NULL);
        assert_int_equal(RUN("systemctl", "--runtime", "--quiet", "enable", "boot"), 0);
        systemctl("start", "wanting");
        assert_refused("boot", "`systemctl disable boot.service`");
        assert_refused("wanted", "started together with wanting.service");
        assert_refused("stubborn", "SendSIGKILL=no");
        assert_refused("leaves", "KillMode=process");
        assert_refused("once", "RemainAfterExit=yes");
        assert_refused("manual", "RefuseManualStop=yes");
        assert_refused("broken", "can't be loaded");
        assert_refused("masked", "`systemctl unmask masked.service`");
        assert_refused("absent", "absent.service does not exist");
        systemctl("stop", "wanting");
        systemctl("stop", "wanted");

        struct mock_host *m = load("boot");
        assert_int_equal(mock_host_open_unjudged(m), -EPERM);
        assert_logged(m, "error: boot.service is enabled");
        mock_host_set(m, "allow_enabled", "yes");
        assert_int_equal(mock_host_judge(m), 0);
        mock_host_free(m);
}

/* It runs and may not be managed: it is stopped all the same, and not started. */
static void test_refused_unit_that_runs_is_stopped(void **state)
{
        (void)state;
        make_unit("boot2.service", "[Service]\n" SLEEPS "[Install]\nWantedBy=multi-user.target\n");
        systemctl("daemon-reload", NULL);
        assert_int_equal(RUN("systemctl", "--runtime", "--quiet", "enable", "--now", "boot2"), 0);
        struct mock_host *m = standby("boot2");
        assert_state("boot2", "inactive");
        assert_int_equal(mock_host_activate(m), -EPERM);
        assert_why(m, "`systemctl disable boot2.service`");
        assert_int_equal(RUN("systemctl", "--runtime", "--quiet", "disable", "boot2"), 0);
        assert_int_equal(mock_host_activate(m), 0);
        finish(m);
}

static void test_nginx(void **state)
{
        (void)state;
        assert_refused("nginx", "`systemctl disable nginx.service` leaves the start to baton");
        assert_int_equal(RUN("systemctl", "--quiet", "disable", "--now", "nginx"), 0);
        struct mock_host *m = standby("nginx");
        assert_int_equal(mock_host_budget(m), 5000);
        assert_int_equal(mock_host_activate(m), 0);
        systemctl("reload", "nginx");
        assert_true(mock_host_run(m, NULL, NULL, 300));
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        assert_stops_within(m, "nginx", 500);
        assert_int_equal(mock_host_activate(m), 0);
        finish(m);
}

/* An argument selects tests, with * and ? as in a shell. */
int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_service_is_started_seen_to_fail_and_stopped),
                cmocka_unit_test(test_stop_from_outside_is_a_failure),
                cmocka_unit_test(test_failing_start_is_told_with_its_reason),
                cmocka_unit_test(test_unmet_condition_is_told),
                cmocka_unit_test(test_activate_waits_for_a_slow_start),
                cmocka_unit_test(test_start_timeout_is_kept),
                cmocka_unit_test(test_revoked_start_is_taken_back),
                cmocka_unit_test(test_grant_that_has_run_out_starts_nothing),
                cmocka_unit_test(test_units_start_in_order_and_stop_in_reverse),
                cmocka_unit_test(test_service_that_ignores_sigterm_is_killed_in_time),
                cmocka_unit_test(test_service_whose_stop_commands_hang_is_killed_in_time),
                cmocka_unit_test(test_whole_tree_is_gone_when_the_stop_returns),
                cmocka_unit_test(test_restarting_service_does_not_revive),
                cmocka_unit_test(test_endless_restarts_are_a_failure),
                cmocka_unit_test(test_unit_started_by_hand_in_standby_is_stopped),
                cmocka_unit_test(test_unit_found_running_at_start_is_stopped),
                cmocka_unit_test(test_running_unit_is_taken_up),
                cmocka_unit_test(test_timer_is_stopped_with_what_it_triggers),
                cmocka_unit_test(test_reload_reexec_and_bus_restart_change_nothing),
                cmocka_unit_test(test_bus_restart_during_start_and_stop),
                cmocka_unit_test(test_stop_without_a_bus),
                cmocka_unit_test(test_stop_while_the_bus_hangs),
                cmocka_unit_test(test_units_that_cannot_be_managed_are_refused),
                cmocka_unit_test(test_refused_unit_that_runs_is_stopped),
                cmocka_unit_test(test_nginx),
        };
        if (getpid() == 1 || access("/run/systemd/system", F_OK) < 0) {
                (void)fputs("unit_plugin: this host does not run systemd; see test_unit_plugin.py\n", stderr);
                return 2;
        }
        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
