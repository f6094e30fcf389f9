/* See notify.h. sd_notify() without a socket to talk to returns 0 and does nothing; that it fails is nothing one could
 * act upon, systemd's own timeouts remain. */
#include "daemon/supervisor/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

static void set_limit(struct notify *n, uint64_t limit_ms)
{
        n->limit_ms = limit_ms;
        n->watchdog_ms = limit_ms / 4 > 0 ? limit_ms / 4 : 1; /* twice as often as is asked for */
}

void notify_init(struct notify *n)
{
        uint64_t usec = 0;
        *n = (struct notify){.ready = false};
        if (sd_watchdog_enabled(0, &usec) <= 0)
                return;
        n->unit_ms = usec / 1000 > 0 ? usec / 1000 : 1;
        set_limit(n, n->unit_ms);
}

void notify_watchdog_limit(struct notify *n, uint64_t limit_ms, bool well)
{
        if (limit_ms > n->unit_ms)
                limit_ms = n->unit_ms;
        if (limit_ms == n->limit_ms || (limit_ms > n->limit_ms && !well))
                return; /* without a watchdog all are 0 */
        set_limit(n, limit_ms);
        n->watchdog_last_ms = 0;
        (void)sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64, limit_ms * 1000);
}

void notify_ready(struct notify *n)
{
        if (n->ready)
                return;
        n->ready = true;
        (void)sd_notify(0, "READY=1");
}

void notify_status(struct notify *n, const char *text)
{
        char line[NOTIFY_STATUS_MAX];
        size_t len = 0;
        /* A line end would begin another assignment. */
        for (; *text && len < sizeof line - 1; text++)
                line[len++] = (unsigned char)*text < 0x20 ? ' ' : *text;
        line[len] = '\0';
        if (strcmp(line, n->status) == 0)
                return;
        memcpy(n->status, line, len + 1);
        (void)sd_notifyf(0, "STATUS=%s", line);
}

void notify_watchdog(struct notify *n, uint64_t now_ms)
{
        if (n->unit_ms == 0 || now_ms - n->watchdog_last_ms < n->watchdog_ms)
                return;
        n->watchdog_last_ms = now_ms;
        (void)sd_notify(0, "WATCHDOG=1");
}

void notify_reloading(const struct notify *n)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        if (n->ready)
                (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                                 (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
}

void notify_reloaded(const struct notify *n)
{
        if (n->ready)
                (void)sd_notify(0, "READY=1");
}

void notify_stopping(uint64_t limit_ms)
{
        (void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, limit_ms * 1000);
}
