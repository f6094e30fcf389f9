/* What holds when batond and everything in its control group is gone: somebody stops, at the deadline, what nobody has
 * taken up again (docs/failover.md, safety.md 2.2 rule 7).
 *
 *   batond dies (killed, watchdog, crash, restart)
 *     └─ systemd: ExecStopPost=batond --guard-arm      looks at the grant records; nothing may run: done
 *          └─ systemd: baton-guard-PID.service          batond --guard, a unit of its own, which the end of
 *                                                       batond.service does not touch
 *     └─ systemd: Restart= starts batond again          takes the grants up, or stops what it finds expired
 *
 * For each record that may tell of a running resource the guard sleeps until its deadline and reads it again:
 *
 *   stopped, or renewed             nothing, or another deadline
 *   a supervisor is in charge       it watches the record itself: left to it
 *   somebody has the record         asked again soon
 *   otherwise                       baton-worker --ensure-stopped, as the user and with the configuration of the last
 *                                   worker (workers/ of the runtime directory), the record locked meanwhile, so that a
 *                                   worker of a new batond waits; then STOPPED is written
 *
 * A stop that fails is repeated; at the end of the budget the last resort follows, and the repeating goes on. */
#ifndef BATON_SUPERVISOR_GUARD_H
#define BATON_SUPERVISOR_GUARD_H

#include <stdint.h>

/* Between two looks at a record that somebody else has, in ms. */
#define GUARD_BUSY_MS 50
/* Between two tries of a stop that failed, in ms. */
#define GUARD_RETRY_MS 250
/* The least time one try gets, in ms, also when the budget is over. */
#define GUARD_TRY_MIN_MS 1000
/* A stop that has failed so long after the budget's end is given up, in ms: a person is needed. */
#define GUARD_GIVE_UP_MS 60000
/* How long systemd may take to start the guard's unit, in ms. */
#define GUARD_ARM_MS 2000

/* Exit statuses of both: 0, 1 something is still running. */

/* Starts a guard if one is needed. Without systemd, or where it does not answer, guards in this process. */
int guard_arm(const char *runtime_dir);
/* Guards until there is nothing to guard. SIGTERM: stops what is held at once, then ends. */
int guard_run(const char *runtime_dir);

#endif
