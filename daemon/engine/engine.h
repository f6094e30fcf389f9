/* The shell's loop: libuv's callbacks in, the core's effects out.
 *
 * One turn of the loop: callbacks step the core, whose effects are carried out at once where they are
 * cheap (queueing, dialling, closing) and gathered where they gain by company; the turn's end hands the
 * log queue to its thread, writes what is queued on connections, and sets the timer to the core's next
 * deadline. Nothing else runs: an idle engine wakes for the protocol's ticks only. */
#ifndef BATON_ENGINE_ENGINE_H
#define BATON_ENGINE_ENGINE_H

#include "daemon/engine/engine_config.h"
#include "daemon/engine/storage_posix.h"
#include "election/server/server.h"
#include "election/txnlog/store.h"

/* Exit statuses of baton-engine. */
enum engine_exit {
        ENGINE_EXIT_CLEAN = 0,
        ENGINE_EXIT_AT_ONCE = 1, /* told twice to stop, or something no other status names */
        ENGINE_EXIT_CONFIG = 2,  /* the configuration is wrong; nothing was touched */
        ENGINE_EXIT_DATA = 3,    /* the data directory is refused: locked, damaged, lost, somebody else's */
        ENGINE_EXIT_DISK = 4,    /* the disk failed while running (the core's status of EFFECT_HALT) */
        ENGINE_EXIT_LISTEN = 5,  /* a port cannot be opened */
};

struct engine_parts {
        const struct engine_config *config;
        struct server *server;
        struct store *store; /* recovered */
        struct snapstore *snapstore;
        struct storage_posix *storage; /* for its sizes, and to be hurried at the end; may be NULL */
        uint64_t recovery_ms;          /* what recovery took ... */
        uint64_t recovered_txns;       /* ... and read from the log; to be shown */
};

struct engine;

/* Opens the ports and starts the threads; accepts nothing yet. The parts are borrowed and used by nobody
 * else until engine_free(). Returns 0, or -errno with a sentence in `why`: `ret` is to be freed either way.
 * Main thread. */
int engine_new(const struct engine_parts *parts, struct engine **ret, char *why, size_t why_size);
/* Speaks over `fd` with the supervisor that started it (daemon/engine/control.h). Takes `fd`. Before engine_run(),
 * once; without it SIGTERM and SIGINT are all there is. Returns 0 or -errno. */
int engine_control(struct engine *e, int fd);
/* Answers the status call (docs/status.md) on `fd`, a listening Unix socket. Takes `fd`. Before engine_run(), once;
 * without it nobody can ask. Returns 0 or -errno. */
int engine_status(struct engine *e, int fd);
/* The number of a listening port, 0 for none (useful after configuring 0). */
uint16_t engine_listening_on(const struct engine *e, enum port port);
/* Runs until the core has ended (SIGTERM, SIGINT and the supervisor ask it to) and returns the exit status. A second
 * signal ends the process at once, as a crash would. Once. */
int engine_run(struct engine *e);
/* Takes NULL, and an engine that never ran. */
void engine_free(struct engine *e);

#endif
