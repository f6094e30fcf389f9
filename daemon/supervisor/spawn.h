/* Making a child process: fork and exec with exactly the descriptors it is to have, and nothing else of ours.
 *
 *   0, 1, 2   /dev/null, and twice stderr of the supervisor (or `output`, both)
 *   3 …       the given ones, in order; SPAWN_FD_* say which is which for children of the supervisor
 *
 * It has a session of its own. Signals are as after boot, user and capabilities as configured, new privileges
 * impossible, and the kernel kills it when the supervisor dies: no process of an earlier supervisor is left to answer,
 * hold a lock, or hang. What it did is on tmpfs (grant records, session) or on the disk, as for any crash. */
#ifndef BATON_SUPERVISOR_SPAWN_H
#define BATON_SUPERVISOR_SPAWN_H

#include "daemon/supervisor/identity.h"

#include <sys/types.h>

/* The control channel (daemon/common/ipc.h), the configuration (a sealed memfd), the grant record (workers). An engine
 * has its status socket (daemon/common/status_socket.h) where a worker has its record. */
#define SPAWN_FD_CONTROL 3
#define SPAWN_FD_CONFIG  4
#define SPAWN_FD_RECORD  5
/* Descriptors that can be passed. */
#define SPAWN_FDS_MAX 3
/* A sentence about why a process could not be made. */
#define SPAWN_WHY_MAX 512

struct spawn {
        const char *program;     /* absolute path */
        const char *const *argv; /* NULL at the end */
        const struct identity_ids *identity;
        int fds[SPAWN_FDS_MAX]; /* borrowed; become 3, 4, 5 */
        size_t fd_count;
        int output; /* stdout and stderr; -1: the supervisor's stderr */
};

/* Returns 0 with the pid, or -errno with `why`. Waits until the program runs (exec has been done) or has failed. */
int spawn_process(const struct spawn *s, pid_t *ret, char why[SPAWN_WHY_MAX]);
/* A sealed memfd with this text, readable from its beginning; or -errno. */
int spawn_text_fd(const char *name, const char *text);

#endif
