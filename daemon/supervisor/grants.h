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
/* A fresh worker has been started: past the deadline it stops the resource as its first act, and has the time for it.
 */
void grant_watch_fresh(struct grant_watch *w, uint64_t now_ms);
/* Judges; the caller has told what the record says at this moment. */
enum grant_verdict grant_watch_step(struct grant_watch *w, uint64_t now_ms);
/* When to judge next; UINT64_MAX: nothing is held. */
uint64_t grant_watch_next_ms(const struct grant_watch *w);

#endif
