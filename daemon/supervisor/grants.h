/* What becomes of a grant whose worker does not do its part: pure rules over the grant record (docs/failover.md).
 *
 *      deadline                                                    deadline + budget
 *         │  grace                                        reserve         │
 *   held  │───────►│  not stopping, not renewed: OVERDUE     │────────────►│  still not stopped: LAST_RESORT
 *                                          not stopped: OVERDUE
 *
 * OVERDUE means: the worker is killed, and a fresh one begins, whose first act is to stop the resource.
 * The record is about the resource, not about a process: the rules hold while no worker is there, too. */
#ifndef BATON_SUPERVISOR_GRANTS_H
#define BATON_SUPERVISOR_GRANTS_H

#include "daemon/common/grant_record.h"

/* How long after the deadline a worker may take to say that it stops, in ms; a fifth of the budget, if that is less. */
#define GRANT_GRACE_MS 100
/* The last part of the budget, in ms, belongs to a fresh worker: a quarter of it, within these bounds, and never
 * more than half. */
#define GRANT_RESERVE_MIN_MS 100
#define GRANT_RESERVE_MAX_MS 2000

/* From the instant at which systemd kills a batond that stands still to the beginning of the guard's stop, in ms. */
#define GRANT_REVIVE_MS 500
/* The least that is asked of systemd's watchdog, in ms: some turns of the supervisor's own clock. */
#define GRANT_WATCHDOG_MIN_MS 750
/* What is left is told to systemd in steps, in ms, so that it is not told anew in each turn. Divides the least. */
#define GRANT_WATCHDOG_STEP_MS 250

enum grant_verdict {
        GRANT_FINE,
        GRANT_OVERDUE,     /* told twice at most for one deadline */
        GRANT_LAST_RESORT, /* told once for one deadline */
        GRANT_VERDICT_MAX,
};

struct grant_watch {
        struct grant_record record;
        bool known;      /* there is a record of this boot */
        uint8_t stage;   /* judgements passed for this deadline: 0 to 3 */
        uint64_t end_ms; /* of the budget; later when the judge came too late for it */
};

/* Whether the resource of this record may be running, whatever the clock says (safety.md F7). */
bool grant_may_run(const struct grant_record *r, const char *boot_id);
/* What the record says now; NULL: there is none, or it is of an earlier boot. */
void grant_watch_told(struct grant_watch *w, const struct grant_record *r);
/* A fresh worker has been started: past the deadline it stops the resource as its first act, and has the time for it,
 * unless the last resort is due because one before it could not. */
void grant_watch_fresh(struct grant_watch *w, uint64_t now_ms);
/* Judges; the caller has told what the record says at this moment. */
enum grant_verdict grant_watch_step(struct grant_watch *w, uint64_t now_ms);
/* How soon systemd's watchdog has to end a node that stands still as a whole, worker and supervisor, while such a grant
 * is held, so that the guard can still stop the resource within the budget: the grant may be a sixth of the lease old,
 * and the reserve of the budget is the guard's. */
uint64_t grant_watchdog_ms(uint32_t lease_ms, uint32_t budget_ms, uint32_t rate_ppm);
/* The same for a grant as it stands now: one that was not renewed for longer, or is being stopped, leaves less time.
 * Systemd counts from the instant at which it is told. Nothing can be done in time once less than GRANT_WATCHDOG_MIN_MS
 * is left of it; then it is that. */
uint64_t grant_watchdog_left_ms(const struct grant_record *r, uint64_t now_ms);
/* When to judge next; UINT64_MAX: nothing is held. */
uint64_t grant_watch_next_ms(const struct grant_watch *w);

#endif
