/* The plugin `unit` against a fake systemd: what a real one does too rarely, or never when it is watched. The ordinary
 * life of units is tests/system/unit_plugin.c's. */
#include "plugins/unit_internal.h"
#include "tests/unit/plugins/fake_systemd.h"
#include "tests/unit/plugins/mock_host.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNIT "web.service"
/* Enough for anything that is expected to happen, in milliseconds. */
#define SOON 10000
/* What a busy machine may add to a time that has an end. */
#define LATE_MS 400

static struct fake_systemd *fake;
static struct baton_plugin plugin;

static int open_below_fake(const struct baton_host *host, void **ret)
{
        return unit__open(host, fake_cgroups(fake), ret);
}

static int setup(void **state)
{
        (void)state;
        fake = fake_systemd_new();
        fake_unit(fake, UNIT);
        plugin = baton_plugin_v1;
        plugin.open = open_below_fake;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        fake_systemd_free(fake);
        return 0;
}

static struct mock_host *load(void)
{
        struct mock_host *m = mock_host_new(&plugin);
        mock_host_set(m, "unit", "web");
        mock_host_allow_descriptors(m); /* the fake has its own in this process */
        return m;
}

static struct mock_host *standby(void)
{
        struct mock_host *m = load();
        assert_int_equal(mock_host_open_unjudged(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 1000), 0);
        return m;
}

static struct mock_host *active(void)
{
        struct mock_host *m = standby();
        assert_int_equal(mock_host_activate(m), 0);
        return m;
}

static void assert_logged(struct mock_host *m, const char *text)
{
        if (!mock_host_logged(m, text))
                fail_msg("'%s' is not in the log:\n%s", text, mock_host_log(m));
}

/* ---- doing something while a callback runs ---- */

struct later {
        pthread_t thread;
        const char *method; /* once it has been called that often… */
        size_t calls;
        void (*act)(void); /* …this is done */
};

static void *run_later(void *ctx)
{
        struct later *l = ctx;
        uint64_t end = mock_now_ms() + SOON;
        while (fake_calls(fake, l->method) < l->calls && mock_now_ms() < end)
                (void)poll(NULL, 0, 1); /* the fake announces calls to nobody */
        l->act();
        return NULL;
}

static void later(struct later *l, const char *method, void (*act)(void))
{
        *l = (struct later){.method = method, .calls = fake_calls(fake, method) + 1, .act = act};
        assert_int_equal(pthread_create(&l->thread, NULL, run_later, l), 0);
}

static void join(struct later *l)
{
        assert_int_equal(pthread_join(l->thread, NULL), 0);
}

/* ---- signals are hints ---- */

/* Scenario 74: JobRemoved is lost, with all other signals. */
static void test_lost_signals_are_no_failure(void **state)
{
        (void)state;
        fake_fault(fake, FAKE_NO_SIGNALS, true);
        struct mock_host *m = standby();
        assert_int_equal(mock_host_activate(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_SWITCHOVER, 2000), 0);
        mock_host_free(m);
}

static void become_active(void)
{
        fake_state(fake, UNIT, "active", "running");
}

static void test_start_waits_for_the_unit_although_no_signal_tells(void **state)
{
        (void)state;
        struct mock_host *m = standby();
        fake_fault(fake, FAKE_NO_SIGNALS, true);
        fake_fault(fake, FAKE_SLOW_START, true);
        struct later l;
        later(&l, "StartUnit", become_active);
        assert_int_equal(mock_host_activate(m), 0);
        join(&l);
        mock_host_free(m);
}

/* "done" is said of a job while the unit is still activating, and the job is in the queue. */
static void test_job_removed_is_not_believed(void **state)
{
        (void)state;
        struct mock_host *m = load();
        mock_host_set(m, "start_timeout", "400");
        assert_int_equal(mock_host_open_unjudged(m), 0);
        fake_fault(fake, FAKE_LIES_ON_START, true);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_activate(m), -ETIMEDOUT);
        assert_true(mock_now_ms() - begun >= 400);
        assert_int_equal(fake_calls(fake, "StopUnit"), 1); /* and it was taken back */
        mock_host_free(m);
}

/* ---- a stop is over when nobody lives ---- */

static void empty_the_group(void)
{
        (void)poll(NULL, 0, 100);
        fake_populated(fake, UNIT, false);
}

/* M17: the unit is inactive, its processes are not yet gone. */
static void test_stop_waits_for_the_last_process(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_LEFT_BEHIND, true);
        struct later l;
        later(&l, "StopUnit", empty_the_group);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_SWITCHOVER, 4000), 0);
        assert_in_range(mock_now_ms() - begun, 90, 1500);
        assert_int_equal(fake_calls(fake, "KillUnit"), 0);
        join(&l);
        mock_host_free(m);
}

/* Scenario 73: SIGKILL ends nothing (state D), and systemd says that the unit is at rest. */
static void test_process_that_nothing_kills_is_no_stop(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_LEFT_BEHIND, true);
        fake_fault(fake, FAKE_IMMORTAL, true);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 600), -ETIMEDOUT);
        assert_in_range(mock_now_ms() - begun, 500, 600 + LATE_MS);
        assert_true(fake_calls(fake, "KillUnit") >= 2);
        assert_logged(m, "has not surely stopped within the budget: ");
        assert_logged(m, "and processes of it are left"); /* whether or not the last answer came in time */
        fake_populated(fake, UNIT, false);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 600), 0);
        mock_host_free(m);
}

static void test_slow_stop_is_killed_by_systemd_at_half_of_the_budget(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_SLOW_STOP, true);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 1000), 0);
        assert_in_range(mock_now_ms() - begun, 500, 800 + LATE_MS);
        assert_false(fake_cgroup_killed(fake, UNIT));
        mock_host_free(m);
}

/* ---- systemd does not answer ---- */

static void test_silent_systemd_is_done_without(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_SILENT, true);
        uint64_t begun = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 1000), -ETIMEDOUT); /* dead, but who knows */
        assert_in_range(mock_now_ms() - begun, 900, 1000 + LATE_MS);
        assert_true(fake_cgroup_killed(fake, UNIT));
        assert_logged(m, "without systemd");
        fake_fault(fake, FAKE_SILENT, false);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 2000), 0);
        mock_host_free(m);
}

static void test_slow_status_is_no_failure(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_SILENT, true);
        assert_true(mock_host_run(m, NULL, NULL, 1000));
        assert_int_not_equal(mock_host_health(m), BATON_HEALTH_BAD);
        assert_int_equal(mock_host_check(m), BATON_HEALTH_DEGRADED);
        fake_fault(fake, FAKE_SILENT, false);
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        mock_host_free(m);
}

/* A worker that starts while the bus is away knows from its predecessor what to kill. */
static void test_remembered_group_is_killed_without_a_bus(void **state)
{
        (void)state;
        struct mock_host *first = active();
        struct mock_host *m = load();
        mock_host_state_dir(m, mock_host_state(first));
        mock_host_close(first);
        fake_bus_away(fake, true);
        assert_int_equal(mock_host_open_unjudged(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 600), -ETIMEDOUT);
        assert_true(fake_cgroup_killed(fake, UNIT));
        fake_bus_away(fake, false);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 2000), 0);
        mock_host_free(m);
        mock_host_free(first);
}

static void test_no_bus_and_nothing_remembered_is_said(void **state)
{
        (void)state;
        fake_bus_away(fake, true);
        struct mock_host *m = load();
        assert_int_equal(mock_host_judge(m), 0); /* no fault of the configuration */
        assert_int_equal(mock_host_open_unjudged(m), -ENOTCONN);
        assert_logged(m, "systemd can't be reached");
        mock_host_free(m);
}

/* ---- connections that end ---- */

/* Scenario 74: between StopUnit and its answer. */
static void test_connection_lost_while_stopping(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_fault(fake, FAKE_DROPS_STOP, true);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 2000), 0);
        assert_int_equal(fake_calls(fake, "KillUnit"), 0);
        mock_host_free(m);
}

static void test_connection_lost_while_starting(void **state)
{
        (void)state;
        struct mock_host *m = standby();
        fake_fault(fake, FAKE_DROPS_START, true);
        assert_int_equal(mock_host_activate(m), 0);
        assert_int_equal(fake_calls(fake, "StartUnit"), 1); /* the state was read again; it runs */
        mock_host_free(m);
}

static void bus_back(void)
{
        fake_bus_away(fake, false);
}

static void test_bus_that_comes_back_changes_nothing(void **state)
{
        (void)state;
        struct mock_host *m = active();
        fake_bus_away(fake, true);
        assert_true(mock_host_await_log(m, "systemd can't be reached", SOON));
        assert_int_not_equal(mock_host_health(m), BATON_HEALTH_BAD);
        bus_back();
        assert_true(mock_host_await_log(m, "systemd answers again", SOON));
        fake_state(fake, UNIT, "failed", "failed");
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        mock_host_free(m);
}

/* ---- health ---- */

static void test_states_on_the_way_are_degraded_until_they_last(void **state)
{
        (void)state;
        struct mock_host *m = load();
        mock_host_set(m, "start_timeout", "700");
        assert_int_equal(mock_host_open_unjudged(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        fake_state(fake, UNIT, "reloading", "reload");
        assert_true(mock_host_await_status(m, "reloading", SOON));
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        fake_state(fake, UNIT, "activating", "auto-restart");
        assert_true(mock_host_await_health(m, BATON_HEALTH_DEGRADED, SOON));
        uint64_t since = mock_now_ms();
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON));
        assert_true(mock_now_ms() - since >= 600);
        fake_state(fake, UNIT, "active", "running");
        assert_true(mock_host_await_health(m, BATON_HEALTH_GOOD, SOON));
        mock_host_free(m);
}

static void test_denied_start_says_what_is_needed(void **state)
{
        (void)state;
        struct mock_host *m = standby();
        fake_fault(fake, FAKE_DENIES, true);
        assert_int_equal(mock_host_activate(m), -EACCES);
        assert_logged(m, "polkit");
        mock_host_free(m);
}

static void test_cancelled_start_is_taken_back(void **state)
{
        (void)state;
        struct mock_host *m = standby();
        fake_fault(fake, FAKE_SLOW_START, true);
        mock_host_cancel(m, 50);
        assert_int_equal(mock_host_activate(m), -ECANCELED);
        assert_int_equal(fake_calls(fake, "StopUnit"), 1);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 1000), 0);
        mock_host_free(m);
}

static void test_unit_that_runs_in_standby_is_stopped(void **state)
{
        (void)state;
        struct mock_host *m = standby();
        fake_populated(fake, UNIT, true);
        fake_state(fake, UNIT, "active", "running");
        assert_true(mock_host_await_log(m, "was started on this node", SOON));
        assert_int_equal(fake_calls(fake, "StopUnit"), 1);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_ENDING, 1000), 0);
        mock_host_free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_lost_signals_are_no_failure),
                TEST(test_start_waits_for_the_unit_although_no_signal_tells),
                TEST(test_job_removed_is_not_believed),
                TEST(test_stop_waits_for_the_last_process),
                TEST(test_process_that_nothing_kills_is_no_stop),
                TEST(test_slow_stop_is_killed_by_systemd_at_half_of_the_budget),
                TEST(test_silent_systemd_is_done_without),
                TEST(test_slow_status_is_no_failure),
                TEST(test_remembered_group_is_killed_without_a_bus),
                TEST(test_no_bus_and_nothing_remembered_is_said),
                TEST(test_connection_lost_while_stopping),
                TEST(test_connection_lost_while_starting),
                TEST(test_bus_that_comes_back_changes_nothing),
                TEST(test_states_on_the_way_are_degraded_until_they_last),
                TEST(test_denied_start_says_what_is_needed),
                TEST(test_cancelled_start_is_taken_back),
                TEST(test_unit_that_runs_in_standby_is_stopped),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
