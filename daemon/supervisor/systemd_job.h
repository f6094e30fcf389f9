/* Why systemd stops us: asks the manager for the job of our own unit.
 *
 * `systemctl restart batond` (an upgrade) sends the same SIGTERM as `systemctl stop`. While the old process ends, the
 * unit's job says "restart" (or "try-restart"): then a successor comes and services stay where they are. */
#ifndef BATON_SUPERVISOR_SYSTEMD_JOB_H
#define BATON_SUPERVISOR_SYSTEMD_JOB_H

#include <stdint.h>
#include <systemd/sd-bus.h>

/* How long the answer may take, all steps together, in ms. The services' leases run meanwhile. */
#define SYSTEMD_JOB_WAIT_MS 150

/* Connects to the manager: its own socket if we are root, else, or where that fails, the system bus. Bounded by
 * `wait_ms`. Returns 0 with *ret to be released with sd_bus_flush_close_unref(), or -errno. */
int systemd_bus_open(uint64_t wait_ms, sd_bus **ret);
/* Whether our unit is being restarted. Returns 1 yes, 0 no (another job or none, or no unit), -errno: nobody could say.
 * Waits for at most SYSTEMD_JOB_WAIT_MS. */
int systemd_job_is_restart(void);
/* The same over this bus, for this process (tests: a bus of their own). */
int systemd_job_ask(sd_bus *bus, uint32_t pid, uint64_t wait_ms);

#endif
