/* Deadlines that a worker does not keep, seen by its supervisor, and by the guard when that one is gone. */
#include "daemon/common/clock.h"
#include "world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WEB       "[group g]\n[plugin web]\nmodule = fake\ngroup = g\n"
#define FAST_STOP "stop_budget = 100\n"

static void hold(struct world *w, struct actor *a, const char *what, uint64_t from_now_ms, uint32_t budget_ms)
{
        char line[128];
        (void)snprintf(line, sizeof line, "holding %s %" PRIu64 " %" PRIu32, what, clock_boottime_ms() + from_now_ms,
                       budget_ms);
        world_tell(a, line);
        (void)snprintf(line, sizeof line, "held %s", what);
        world_await(w, a, line);
}

static struct actor *start(struct world *w)
{
        world_start(w, 0);
        (void)world_await_child(w, "agent");
        struct actor *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        return web;
}

static void finish(struct world *w)
{
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_worker_that_does_not_stop_at_its_deadline_is_replaced(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        uint64_t begin_ms = clock_boottime_ms();
        hold(w, web, "active", 300, 20000);
        world_await_gone(w, web);
        assert_true(clock_boottime_ms() >= begin_ms + 300 + 100);
        struct actor *fresh = world_await_child(w, "web");
        world_await_log(w, "is killed: it does not stop its resource in time; a fresh one does");
        hold(w, fresh, "stopped", 0, 20000);
        finish(w);
}

static void test_a_worker_that_hangs_in_its_stop_is_replaced_before_the_budget_ends(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        uint64_t begin_ms = clock_boottime_ms();
        hold(w, web, "stopping", 0, 1200);
        world_await_gone(w, web);
        assert_true(clock_boottime_ms() >= begin_ms + 900);
        struct actor *fresh = world_await_child(w, "web");
        hold(w, fresh, "stopped", 0, 1200);
        finish(w);
}

static void test_renewed_and_stopped_grants_are_left_alone(void **state)
{
        (void)state;
        struct world *w = world_new(WEB "[plugin other]\nmodule = fake\ngroup = g\n");
        struct actor *web = start(w), *other = world_await_child(w, "other");
        hold(w, other, "active", 400, 20000);
        hold(w, web, "active", 200, 20000);
        hold(w, web, "active", 100000, 20000);
        world_await_gone(w, other); /* by then the first deadline of web is long over */
        free(world_ask_config(w, web));
        assert_true(world_status_has(w, "\"state\": \"active\""));
        hold(w, web, "stopped", 0, 20000);
        other = world_await_child(w, "other");
        hold(w, other, "stopped", 0, 0);
        finish(w);
}

static void test_the_last_resort_follows_when_nothing_stops_it(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        hold(w, web, "active", 0, 600);
        world_await_log(w, "web could not be stopped within its stop budget: another node may start it now");
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_free(w);
}

/* The worker was killed over its stop; the supervisor does not leave before the resource is stopped. */
static void test_the_end_sees_to_what_a_killed_worker_leaves(void **state)
{
        (void)state;
        struct world *w = world_new(WEB FAST_STOP);
        struct actor *web = start(w);
        hold(w, web, "active", 100000, 100);
        world_tell(web, "stubborn");
        free(world_ask_config(w, web));
        world_signal(w, SIGTERM);
        world_await_gone(w, web);
        struct actor *helper = world_await_helper(w, "web");
        world_tell(helper, "exit 0");
        assert_int_equal(world_await_end(w), 0);
        assert_int_equal(world_run(w, "--guard"), 0); /* and nothing is left to guard */
        world_free(w);
}

static void test_what_nobody_could_stop_is_said_with_the_exit_status(void **state)
{
        (void)state;
        struct world *w = world_new(WEB FAST_STOP);
        struct actor *web = start(w);
        hold(w, web, "active", 100000, 100);
        world_tell(web, "stubborn");
        world_signal(w, SIGTERM);
        world_tell(world_await_helper(w, "web"), "exit 5");
        assert_int_equal(world_await_end(w), 4);
        world_await_log(w, "web has ended, but its resource may still be running");
        world_free(w);
}

static void test_a_plugin_that_vanished_while_batond_was_down_is_stopped(void **state)
{
        (void)state;
        struct world *w = world_new(WEB "[plugin gone]\nmodule = fake\ngroup = g\n");
        (void)start(w);
        struct actor *gone = world_await_child(w, "gone");
        hold(w, gone, "active", 100000, 1000);
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_await_gone(w, gone);
        world_configure(w, WEB);
        (void)start(w);
        struct actor *helper = world_await_helper(w, "gone");
        char *config = world_ask_config(w, helper);
        assert_non_null(strstr(config, "[plugin gone]")); /* what its last worker had */
        free(config);
        world_tell(helper, "exit 0");
        world_await_log(w, "gone is not in the configuration any more");
        finish(w);
}

/* Ends batond while `gone` is active and takes its record, as a dying worker or a guard's helper has it. */
static int gone_with_its_record_in_use(struct world *w)
{
        char path[256];
        (void)start(w);
        struct actor *gone = world_await_child(w, "gone");
        hold(w, gone, "active", 100000, 1000);
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_await_gone(w, gone);
        (void)snprintf(path, sizeof path, "%s/grants/gone", w->runtime);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        world_configure(w, WEB);
        (void)start(w);
        return fd;
}

static void test_a_plugin_that_vanished_is_stopped_when_its_record_is_free(void **state)
{
        (void)state;
        struct world *w = world_new(WEB "[plugin gone]\nmodule = fake\ngroup = g\n");
        int fd = gone_with_its_record_in_use(w);
        world_await_log(w, "gone is not in the configuration any more");
        (void)close(fd);
        world_tell(world_await_helper(w, "gone"), "exit 0");
        finish(w);
}

/* Its record is not given back in time: that is said, and the others are not left alone for it. */
static void test_a_plugin_that_vanished_and_cannot_be_stopped_keeps_nobody_from_beginning(void **state)
{
        (void)state;
        struct world *w = world_new(WEB "[plugin gone]\nmodule = fake\ngroup = g\n");
        int fd = gone_with_its_record_in_use(w);
        world_await_log(w, "gone has ended, but its resource may still be running");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 4);
        (void)close(fd);
        world_free(w);
}

/* A full file system below the runtime directory: what runs is not left without its worker. */
static void test_a_worker_that_holds_comes_back_although_nothing_can_be_written(void **state)
{
        (void)state;
        char in_the_way[256];
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        hold(w, web, "active", 100000, 1000);
        (void)snprintf(in_the_way, sizeof in_the_way, "%s/workers/web.new", w->runtime);
        assert_int_equal(mkdir(in_the_way, 0700), 0);
        world_tell(web, "exit 1");
        world_await_gone(w, web);
        web = world_await_child(w, "web");
        world_await_log(w, "without it a guard would stop it as it was configured before");
        hold(w, web, "stopped", 0, 1000);
        finish(w);
}

/* The unit's WatchdogSec knows no lease: a node that stands still while it holds one has to end sooner. */
static void test_systemd_is_to_act_sooner_while_something_is_held(void **state)
{
        (void)state;
        struct world *w = world_new("[agent]\nsession_timeout = 2000\n" WEB);
        world_start(w, 5000);
        (void)world_await_child(w, "agent");
        struct actor *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        hold(w, web, "active", 100000, 1500);
        world_told(w, "WATCHDOG_USEC=1928000");
        hold(w, web, "stopped", 0, 1500);
        world_told(w, "WATCHDOG_USEC=5000000");
        finish(w);
}

/* ---- the guard ---- */

static struct world *killed_while_holding(uint64_t from_now_ms, uint32_t budget_ms)
{
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        hold(w, web, "active", from_now_ms, budget_ms);
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_await_gone(w, web);
        return w;
}

static void test_the_guard_stops_at_the_deadline_what_nobody_takes_up(void **state)
{
        (void)state;
        uint64_t begin_ms = clock_boottime_ms();
        struct world *w = killed_while_holding(500, 20000);
        world_start_guard(w);
        struct actor *helper = world_await_helper(w, "web");
        assert_true(clock_boottime_ms() >= begin_ms + 500);
        world_tell(helper, "exit 0");
        assert_int_equal(world_await_end(w), 0);
        assert_int_equal(world_run(w, "--guard"), 0); /* STOPPED was written */
        world_free(w);
}

/* Its worker's user can open neither the file that root has put aside, nor anything else of the guard's. */
static void test_the_guard_stops_as_the_worker_s_user(void **state)
{
        (void)state;
        if (geteuid() != 0)
                skip(); /* only root has others to become */
        struct world *w = world_new(WEB "user = nobody\n");
        struct actor *web = start(w);
        hold(w, web, "active", 300, 20000);
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_start_guard(w);
        struct actor *helper = world_await_helper(w, "web");
        char *config = world_ask_config(w, helper);
        assert_non_null(strstr(config, "[plugin web]"));
        free(config);
        world_tell(helper, "exit 0");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_the_guard_tries_again(void **state)
{
        (void)state;
        struct world *w = killed_while_holding(300, 1);
        world_start_guard(w);
        world_tell(world_await_helper(w, "web"), "exit 5");
        struct actor *helper = world_await_helper(w, "web");
        world_await_log(w, "web was not stopped (status 5)");
        world_await_log(w, "could not be stopped within its stop budget");
        world_tell(helper, "exit 0");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

/* A try that hangs does not put it off. */
static void test_the_guard_s_last_resort_comes_at_the_end_of_the_budget(void **state)
{
        (void)state;
        char text[16384];
        struct world *w = killed_while_holding(300, 500);
        world_start_guard(w);
        (void)world_await_helper(w, "web"); /* it says nothing, and is killed a while after the budget */
        world_await_log(w, "web was not stopped (signal 9)");
        FILE *log = fopen(w->log, "re");
        assert_non_null(log);
        text[fread(text, 1, sizeof text - 1, log)] = '\0';
        (void)fclose(log);
        const char *resort = strstr(text, "could not be stopped within its stop budget");
        assert_non_null(resort);
        assert_true(resort < strstr(text, "web was not stopped (signal 9)"));
        world_tell(world_await_helper(w, "web"), "exit 0");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

/* Told to end (the machine shuts down): it does not wait. */
static void test_the_guard_that_is_ended_stops_at_once(void **state)
{
        (void)state;
        struct world *w = killed_while_holding(100000, 20000);
        world_start_guard(w);
        world_await_log(w, "guards");
        world_signal(w, SIGTERM);
        world_tell(world_await_helper(w, "web"), "exit 0");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_new_supervisor_relieves_the_guard(void **state)
{
        (void)state;
        struct world *w = killed_while_holding(1000, 20000);
        world_start_guard(w);
        world_await_log(w, "guards");
        pid_t guard = w->batond;
        w->batond = 0;
        struct actor *web = start(w);
        hold(w, web, "active", 100000, 20000);
        int status = 0;
        assert_int_equal(waitpid(guard, &status, 0), guard);
        assert_int_equal(status, 0);
        hold(w, web, "stopped", 0, 0);
        finish(w);
}

/* The record is locked while it is stopped: the new worker begins after that. */
static void test_a_new_worker_waits_for_the_guard_s_stop(void **state)
{
        (void)state;
        struct world *w = killed_while_holding(300, 20000);
        world_start_guard(w);
        struct actor *helper = world_await_helper(w, "web");
        pid_t guard = w->batond;
        w->batond = 0;
        world_start(w, 0);
        struct actor *agent = world_await_child(w, "agent");
        free(world_ask_config(w, agent));
        assert_false(world_has(agent, "link web"));
        world_tell(helper, "exit 0");
        struct actor *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        int status = 0;
        assert_int_equal(waitpid(guard, &status, 0), guard);
        assert_int_equal(status, 0);
        finish(w);
}

static void test_nothing_held_needs_no_guard(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        struct actor *web = start(w);
        hold(w, web, "stopped", 1000, 1000);
        finish(w);
        w = world_new(WEB);
        assert_int_equal(world_run(w, "--guard"), 0);
        assert_int_equal(world_run(w, "--guard-arm"), 0);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_worker_that_does_not_stop_at_its_deadline_is_replaced),
                cmocka_unit_test(test_a_worker_that_hangs_in_its_stop_is_replaced_before_the_budget_ends),
                cmocka_unit_test(test_renewed_and_stopped_grants_are_left_alone),
                cmocka_unit_test(test_the_last_resort_follows_when_nothing_stops_it),
                cmocka_unit_test(test_the_end_sees_to_what_a_killed_worker_leaves),
                cmocka_unit_test(test_what_nobody_could_stop_is_said_with_the_exit_status),
                cmocka_unit_test(test_a_plugin_that_vanished_while_batond_was_down_is_stopped),
                cmocka_unit_test(test_a_plugin_that_vanished_is_stopped_when_its_record_is_free),
                cmocka_unit_test(test_a_plugin_that_vanished_and_cannot_be_stopped_keeps_nobody_from_beginning),
                cmocka_unit_test(test_a_worker_that_holds_comes_back_although_nothing_can_be_written),
                cmocka_unit_test(test_systemd_is_to_act_sooner_while_something_is_held),
                cmocka_unit_test(test_the_guard_stops_at_the_deadline_what_nobody_takes_up),
                cmocka_unit_test(test_the_guard_stops_as_the_worker_s_user),
                cmocka_unit_test(test_the_guard_tries_again),
                cmocka_unit_test(test_the_guard_s_last_resort_comes_at_the_end_of_the_budget),
                cmocka_unit_test(test_the_guard_that_is_ended_stops_at_once),
                cmocka_unit_test(test_a_new_supervisor_relieves_the_guard),
                cmocka_unit_test(test_a_new_worker_waits_for_the_guard_s_stop),
                cmocka_unit_test(test_nothing_held_needs_no_guard),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
