/* The question for our own unit's job, asked over a socketpair of a process that answers as systemd's manager does
 * (org.freedesktop.systemd1(5)). */
#include "daemon/supervisor/systemd_job.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct manager {
        const char *job; /* its type; NULL: the unit has none */
        bool knows_us, answers;
        pid_t pid;
        sd_bus *bus; /* our end */
};

static int answer(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        const struct manager *manager = ctx;
        const char *interface = NULL, *property = NULL;
        uint32_t pid = 0;
        if (!manager->answers)
                return 1;
        if (sd_bus_message_is_method_call(m, "org.freedesktop.systemd1.Manager", "GetUnitByPID")) {
                if (sd_bus_message_read(m, "u", &pid) < 0 || pid != 4711 || !manager->knows_us)
                        return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoUnitForPID", "none");
                return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/unit/batond_2eservice");
        }
        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get") ||
            sd_bus_message_read(m, "ss", &interface, &property) < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_METHOD, "?");
        if (strcmp(property, "Job") == 0)
                return sd_bus_reply_method_return(m, "v", "(uo)", manager->job ? 12u : 0u,
                                                  manager->job ? "/org/freedesktop/systemd1/job/12" : "/");
        if (strcmp(property, "JobType") == 0 &&
            strcmp(sd_bus_message_get_path(m), "/org/freedesktop/systemd1/job/12") == 0)
                return sd_bus_reply_method_return(m, "v", "s", manager->job);
        return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "?");
}

static _Noreturn void serve(int fd, struct manager *manager)
{
        sd_bus *bus = NULL;
        sd_id128_t id = {.bytes = {1}};
        if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_set_server(bus, 1, id) < 0 ||
            sd_bus_set_anonymous(bus, 1) < 0 || sd_bus_add_filter(bus, NULL, answer, manager) < 0 ||
            sd_bus_start(bus) < 0)
                _exit(1);
        for (;;) {
                int r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        _exit(0); /* the other end is gone */
        }
}

static void begin(struct manager *manager)
{
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        manager->pid = fork();
        assert_true(manager->pid >= 0);
        if (manager->pid == 0) {
                (void)close(ends[0]);
                serve(ends[1], manager);
        }
        (void)close(ends[1]);
        assert_true(sd_bus_new(&manager->bus) >= 0);
        assert_true(sd_bus_set_fd(manager->bus, ends[0], ends[0]) >= 0);
        assert_true(sd_bus_set_anonymous(manager->bus, 1) >= 0);
        assert_true(sd_bus_start(manager->bus) >= 0);
}

static void finish(struct manager *manager)
{
        sd_bus_close_unref(manager->bus);
        (void)kill(manager->pid, SIGKILL);
        assert_int_equal(waitpid(manager->pid, NULL, 0), manager->pid);
}

static int ask(struct manager manager, uint64_t wait_ms)
{
        begin(&manager);
        int r = systemd_job_ask(manager.bus, 4711, wait_ms);
        finish(&manager);
        return r;
}

static void test_restart_jobs_are_told_apart(void **state)
{
        (void)state;
        static const struct {
                const char *job;
                int want;
        } cases[] = {{"restart", 1}, {"try-restart", 1}, {"stop", 0}, {"start", 0}, {"reload", 0}, {NULL, 0}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(ask((struct manager){.job = cases[i].job, .knows_us = true, .answers = true}, 10000),
                                 cases[i].want);
}

static void test_a_process_of_no_unit_is_an_error(void **state)
{
        (void)state;
        assert_true(ask((struct manager){.answers = true}, 10000) < 0);
}

static void test_a_silent_manager_is_not_waited_for(void **state)
{
        (void)state;
        assert_int_equal(ask((struct manager){.job = "restart", .knows_us = true}, 50), -ETIMEDOUT);
}

static void test_no_bus_is_an_error_at_once(void **state)
{
        (void)state;
        sd_bus *bus = NULL;
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/socket", 1), 0);
        assert_true(systemd_bus_open(1000, &bus) < 0);
        assert_true(systemd_job_is_restart() < 0);
        assert_int_equal(unsetenv("DBUS_SYSTEM_BUS_ADDRESS"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_restart_jobs_are_told_apart),
                cmocka_unit_test(test_a_process_of_no_unit_is_an_error),
                cmocka_unit_test(test_a_silent_manager_is_not_waited_for),
                cmocka_unit_test(test_no_bus_is_an_error_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
