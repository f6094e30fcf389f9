/* What systemd is told (sd_notify(3)); without systemd, all of it is nothing.
 *
 * READY=1 comes with the node's first membership, which needs a quorum of the ensemble. A node whose partners are not
 * there yet waits for them, so the unit has TimeoutStartSec=infinity, and STATUS says what is waited for. The watchdog
 * begins to count with READY. */
#ifndef BATON_SUPERVISOR_NOTIFY_H
#define BATON_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the status line. */
#define NOTIFY_STATUS_MAX 512

struct notify {
        bool ready;           /* READY=1 was said */
        uint64_t unit_ms;     /* after such a silence systemd acts, as the unit says; 0: it has no watchdog */
        uint64_t limit_ms;    /* the same, as last told */
        uint64_t watchdog_ms; /* how often WATCHDOG=1 is to be said at least */
        uint64_t watchdog_last_ms;
        char status[NOTIFY_STATUS_MAX];
};

/* Reads WATCHDOG_USEC. */
void notify_init(struct notify *n);
void notify_ready(struct notify *n);
/* Tells only what has changed. */
void notify_status(struct notify *n, const char *text);
/* From now on systemd is to act after such a silence, where that is less than the unit says; UINT64_MAX: as the unit
 * says. Tells only what has changed. Systemd takes it for a sign of life too: it begins to count anew. So a longer time
 * than before is not told while a child is not `well`; shorter ones come to an end by themselves. */
void notify_watchdog_limit(struct notify *n, uint64_t limit_ms, bool well);
/* To be called often, and only while every child is well. */
void notify_watchdog(struct notify *n, uint64_t now_ms);
/* A reload has begun; notify_reloaded() when it is over, whether the new configuration was taken or refused. Before the
 * first READY both are nothing: they would end the start. */
void notify_reloading(const struct notify *n);
void notify_reloaded(const struct notify *n);
/* The end begins, and may take so long. */
void notify_stopping(uint64_t limit_ms);

#endif
