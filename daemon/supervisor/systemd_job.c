/* See systemd_job.h. sd_bus_call() waits for a connection without a bound of ours, so the connection is awaited here
 * first, and each call gets what is left of the time. */
#include "daemon/supervisor/systemd_job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANAGER           "org.freedesktop.systemd1"
#define MANAGER_PATH      "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
/* Where PID 1 listens for root, with no bus between. */
#define MANAGER_ADDRESS "unix:path=/run/systemd/private"
#define BUS_ADDRESS     "unix:path=/run/dbus/system_bus_socket"

static uint64_t now_us(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What is left until `end_us`, never 0: that would mean the default of 25 s to sd-bus. */
static uint64_t left_us(uint64_t end_us)
{
        uint64_t now = now_us();
        return end_us > now ? end_us - now : 1;
}

static int await_ready(sd_bus *bus, uint64_t end_us)
{
        for (;;) {
                int r = sd_bus_is_ready(bus);
                if (r != 0)
                        return r < 0 ? r : 0;
                if (now_us() >= end_us)
                        return -ETIMEDOUT;
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, left_us(end_us));
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int open_one(const char *address, uint64_t end_us, sd_bus **ret)
{
        sd_bus *bus = NULL;
        int r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0 && strcmp(address, MANAGER_ADDRESS) != 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = await_ready(bus, end_us);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

int systemd_bus_open(uint64_t wait_ms, sd_bus **ret)
{
        const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        uint64_t begin = now_us();
        int r = -ENOTCONN;
        /* The manager's own socket first, as systemctl does: no bus daemon between, which may be restarting too. Half
         * of the time for each, so that one that hangs does not take the other with it. */
        if (!given && geteuid() == 0)
                r = open_one(MANAGER_ADDRESS, begin + wait_ms * 500, ret);
        if (r < 0)
                r = open_one(given ? given : BUS_ADDRESS, begin + wait_ms * 1000, ret);
        return r;
}

/* One call with one answer of an object path. */
static int unit_of_pid(sd_bus *bus, uint32_t pid, uint64_t end_us, sd_bus_message **ret, const char **path)
{
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "GetUnitByPID");
        if (r >= 0)
                r = sd_bus_message_append(call, "u", pid);
        if (r >= 0)
                r = sd_bus_call(bus, call, left_us(end_us), NULL, ret);
        sd_bus_message_unref(call);
        return r < 0 ? r : sd_bus_message_read(*ret, "o", path);
}

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *name, const char *type,
                        uint64_t end_us, sd_bus_message **ret)
{
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, MANAGER, path, "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", interface, name);
        if (r >= 0)
                r = sd_bus_call(bus, call, left_us(end_us), NULL, ret);
        sd_bus_message_unref(call);
        return r < 0 ? r : sd_bus_message_enter_container(*ret, 'v', type);
}

static int job_is_restart(sd_bus *bus, const char *job, uint64_t end_us)
{
        sd_bus_message *reply = NULL;
        const char *type = "";
        int r = get_property(bus, job, MANAGER ".Job", "JobType", "s", end_us, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &type);
        if (r >= 0)
                r = strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0;
        sd_bus_message_unref(reply);
        return r;
}

int systemd_job_ask(sd_bus *bus, uint32_t pid, uint64_t wait_ms)
{
        uint64_t end_us = now_us() + wait_ms * 1000;
        sd_bus_message *unit = NULL, *job = NULL;
        const char *unit_path = NULL, *job_path = NULL;
        uint32_t job_id = 0;
        int r = await_ready(bus, end_us);
        if (r >= 0)
                r = unit_of_pid(bus, pid, end_us, &unit, &unit_path);
        if (r >= 0)
                r = get_property(bus, unit_path, MANAGER ".Unit", "Job", "(uo)", end_us, &job);
        if (r >= 0)
                r = sd_bus_message_read(job, "(uo)", &job_id, &job_path);
        if (r >= 0)
                r = job_id > 0 ? job_is_restart(bus, job_path, end_us) : 0;
        sd_bus_message_unref(unit);
        sd_bus_message_unref(job);
        return r;
}

int systemd_job_is_restart(void)
{
        sd_bus *bus = NULL;
        uint64_t begin = now_us();
        int r = systemd_bus_open(SYSTEMD_JOB_WAIT_MS / 2, &bus);
        if (r < 0)
                return r;
        uint64_t used_ms = (now_us() - begin) / 1000;
        r = systemd_job_ask(bus, (uint32_t)getpid(), used_ms < SYSTEMD_JOB_WAIT_MS ? SYSTEMD_JOB_WAIT_MS - used_ms : 1);
        sd_bus_close_unref(bus);
        return r;
}
