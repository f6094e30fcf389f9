/* Arming the guard: a transient unit, so that it lives outside batond.service, whose end it is to outlive. */
#include "daemon/supervisor/guard.h"

#include "daemon/common/log.h"
#include "daemon/supervisor/grants.h"
#include "daemon/supervisor/runtime.h"
#include "daemon/supervisor/systemd_job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static size_t count_held(const char *dir)
{
        static struct name names[RUNTIME_RECORDS_MAX];
        char boot_id[37];
        size_t held = 0, count = runtime_records(dir, names);
        runtime_boot_id(dir, boot_id);
        for (size_t i = 0; i < count; i++) {
                struct grant_record r;
                int e = runtime_record_read(dir, names[i].text, &r);
                if (e == 0)
                        held += grant_may_run(&r, boot_id);
                else if (e != -ENOENT)
                        log_error("grant record of %s: %s", names[i].text, strerror(-e));
        }
        return held;
}

static int append_command(sd_bus_message *m, const char *program, const char *dir)
{
        int r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "ExecStart");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sasb)", 1, program, 4, program, "--guard", "--runtime-dir", dir, false);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int start_unit(sd_bus *bus, const char *name, const char *program, const char *dir)
{
        sd_bus_message *call = NULL, *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                               "org.freedesktop.systemd1.Manager", "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", name, "replace");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)(sv)(sv)(sv)", "Description", "s",
                                          "Stops what batond held, unless it is taken up again", "Type", "s", "exec",
                                          "CollectMode", "s", "inactive-or-failed", "SyslogIdentifier", "s",
                                          "baton-guard");
        if (r >= 0)
                r = append_command(call, program, dir);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, (uint64_t)GUARD_ARM_MS * 1000, &error, &reply);
        if (r < 0 && error.message)
                log_error("%s: %s", name, error.message);
        sd_bus_error_free(&error);
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return r;
}

static int arm(const char *dir)
{
        char name[64], program[512];
        sd_bus *bus = NULL;
        ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
        if (n < 0)
                return -errno;
        program[n] = '\0';
        (void)snprintf(name, sizeof name, "baton-guard-%ld.service", (long)getpid());
        int r = systemd_bus_open(GUARD_ARM_MS, &bus);
        if (r < 0)
                return r;
        r = start_unit(bus, name, program, dir);
        sd_bus_flush_close_unref(bus);
        if (r >= 0)
                log_info("%s is armed", name);
        return r;
}

int guard_arm(const char *runtime_dir)
{
        size_t held = count_held(runtime_dir);
        if (held == 0)
                return 0;
        int r = arm(runtime_dir);
        if (r >= 0)
                return 0;
        log_error("no guard's unit for the %zu that may be running (%s): guarding here, which delays batond's restart",
                  held, strerror(-r));
        return guard_run(runtime_dir);
}
