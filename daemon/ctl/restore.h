/* A snapshot, or a copy of a data directory, put where a server will start on it. Asks no server: the server of that
 * directory must not run.
 *
 * The snapshot gets its name last, when everything else is durable: a directory in which this was cut off starts no
 * server, and is refused the next time until it is emptied. SIGINT, SIGTERM and SIGHUP cut nothing off: what is there
 * of it is removed first, as after any failure. */
#ifndef BATON_CTL_RESTORE_H
#define BATON_CTL_RESTORE_H

#include "election/txnlog/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Logs that come with a directory. */
#define RESTORE_LOGS_MAX 4096

struct restore {
        const char *from;     /* a snapshot file, or a directory with snapshots and logs */
        const char *data_dir; /* empty, or not there yet */
        int64_t id;           /* of the server */
        bool fuzzy;           /* a snapshot that holds parts of later transactions is taken all the same */
};

struct restored {
        int64_t zxid; /* of the last transaction that the server will have */
        size_t znodes, sessions, logs;
        bool exact; /* see struct snapshot_report; with logs: they were replayed */
};

/* Returns an exit status, the reason printed. */
int restore_run(const struct restore *how, struct restored *ret);

#endif
