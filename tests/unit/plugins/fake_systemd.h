/* Stands where the system bus and systemd stand, for tests of the plugin `unit`: a socket, a thread behind it, units
 * that do as they are told, and the faults that a real systemd shows too rarely. It sets DBUS_SYSTEM_BUS_ADDRESS.
 *
 * A unit starts and stops at once when it is asked to, unless told otherwise; its control group is a directory with
 * cgroup.events and cgroup.kill in a tree of files, fake_cgroups(). All functions may be called while a callback of the
 * plugin runs on another thread. */
#ifndef BATON_TESTS_FAKE_SYSTEMD_H
#define BATON_TESTS_FAKE_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_systemd;

enum fake_fault {
        FAKE_SILENT,        /* nothing is answered */
        FAKE_NO_SIGNALS,    /* nothing is told */
        FAKE_SLOW_START,    /* a start stays a queued job until fake_state() */
        FAKE_SLOW_STOP,     /* a stop does */
        FAKE_LEFT_BEHIND,   /* the unit is at rest after its stop, its processes live on */
        FAKE_IMMORTAL,      /* SIGKILL does not end them either */
        FAKE_DENIES,        /* not allowed to */
        FAKE_DROPS_START,   /* the connection ends after StartUnit was done, before its answer; once */
        FAKE_DROPS_STOP,    /* the same with StopUnit */
        FAKE_LIES_ON_START, /* says that the job is done, while the unit is still activating */
        FAKE_FAULTS
};

struct fake_systemd *fake_systemd_new(void);
void fake_systemd_free(struct fake_systemd *f);
/* What to give for /sys/fs/cgroup. */
const char *fake_cgroups(const struct fake_systemd *f);
void fake_fault(struct fake_systemd *f, enum fake_fault fault, bool on);
/* A service, loaded and inactive. */
void fake_unit(struct fake_systemd *f, const char *name);
/* Its state changes, as if by itself; the job, if there is one, goes with "done". Tells it. */
void fake_state(struct fake_systemd *f, const char *name, const char *active, const char *sub);
/* Whether processes live in its control group. */
void fake_populated(struct fake_systemd *f, const char *name, bool populated);
/* The bus ends all connections, and accepts none until it is back. */
void fake_bus_away(struct fake_systemd *f, bool away);
/* How often a method was called. */
size_t fake_calls(struct fake_systemd *f, const char *method);
/* Whether the plugin has told the kernel to kill the unit's control group. */
bool fake_cgroup_killed(struct fake_systemd *f, const char *name);

#endif
