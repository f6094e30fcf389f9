/* status.json in the runtime directory: what the supervisor knows of its children, for batonctl and tests. */
#ifndef BATON_SUPERVISOR_STATUS_FILE_H
#define BATON_SUPERVISOR_STATUS_FILE_H

#include "daemon/supervisor/supervisor_internal.h"

/* The text; to be freed with free().
 *
 *   {"pid": …, "node": "n1", "version": "…", "boot": "…", "state": "starting|member|stopping", "status": "one line",
 *    "children": [{"name": "web", "kind": "worker", "pid": 0, "state": "running", "ready": true, "restarts": 0,
 *                  "strikes": 0, "since_ms": …, "next_ms": …, "last_exit": "signal 9 (Killed)", "role": "leading",
 *                  "grant": {"group": "web", "state": "active", "token": …, "budget_ms": …}}]}
 *
 * Instants are milliseconds of CLOCK_BOOTTIME. `pid` is 0 where there is no process, next_ms (the next start of a
 * child that rests), role (engine) and grant (workers with a record) are left out where they do not apply. */
char *status_file_text(const struct supervisor *s);

#endif
