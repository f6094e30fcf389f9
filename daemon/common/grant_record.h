/* What a worker knows of its grant, where it survives the worker: runtime_dir/grants/<plugin>, on tmpfs.
 *
 * The supervisor makes the file and passes its descriptor; the worker writes it whenever something changes, before it
 * acts on the change: ACTIVE (or STARTING) before the resource is touched, STOPPED only after the stop was verified.
 * Whoever comes later (a fresh worker, the supervisor, the guard that ExecStopPost arms) reads it: safety.md 2.2
 * rule 7.
 *
 * One write of a fixed size; a checksum tells a torn or foreign one. */
#ifndef BATON_COMMON_GRANT_RECORD_H
#define BATON_COMMON_GRANT_RECORD_H

#include "daemon/common/message.h"

struct grant_record {
        char boot_id[37];
        struct name plugin, group;
        enum worker_state state;
        int64_t token;
        uint64_t deadline_ms; /* CLOCK_BOOTTIME: the resource begins to stop */
        uint32_t lease_ms;
        uint32_t budget_ms; /* deadline_ms + budget_ms: it has surely stopped */
};

/* `fd` is not O_APPEND. 0 or -errno. */
int grant_record_write(int fd, const struct grant_record *r);
/* 0, -ENOENT (never written), -EBADMSG (not a record), -errno. */
int grant_record_read(int fd, struct grant_record *ret);
/* Whether the resource may still be used on this record's word: written in this boot (`boot_id`, of clock_boot_id()),
 * starting or active, deadline ahead. What was being stopped is stopped to its end. Pure. */
bool grant_record_holds(const struct grant_record *r, const char *boot_id, uint64_t now_ms);

#endif
