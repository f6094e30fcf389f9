/* A worker's core on a desk: the test is clock, agent, supervisor, plugin and record file. What the core does is
 * written down line by line:
 *
 *   call activate 0x7 [taken up]        call deactivate START in 5000      call check
 *   record active 0x7 until 3000+500    state active 0x7 [: why]           hello stopped 0x0 budget 5000
 *   cancel | uncancel                   health bad: why                    note: text
 *   ready                               end 4
 *
 * desk_expect() compares with all that was written since the last time. */
#ifndef BATON_TESTS_DESK_H
#define BATON_TESTS_DESK_H

#include "daemon/worker/core_internal.h"

#define DESK_BOOT "01234567-89ab-cdef-0123-456789abcdef"

struct desk {
        struct node_plugin section;
        struct worker_core *core;
        uint64_t now_ms;
        struct grant_record record; /* the file */
        bool recorded, written;     /* ever; by this process */
        int record_error;           /* what writing returns; 0 writes */
        bool busy;
        struct worker_call call; /* under way */
        bool cancelled, ended, ready;
        enum worker_exit status;
        enum worker_state told; /* the last STATE or HELLO */
        bool quiet;             /* writes nothing down */
        char text[16384];
};

/* Group "web", budget 1000 (of the section: 0), check every 100 taking at most 50, activate at most 400, 1 retry in
 * 10 s after 20. now is 1000. */
void desk_init(struct desk *d);
void desk_done(struct desk *d);
/* Begins a process with the record as it is, and a link. */
void desk_start(struct desk *d);
/* The process ends without a word (it was killed, or has ended). */
void desk_crash(struct desk *d);
/* desk_start(), open and the first stop, to STOPPED; forgets what was written. */
void desk_to_stopped(struct desk *d);
/* And the grant 0x7 until now + 3000 with a budget of 1000, to ACTIVE. */
void desk_to_active(struct desk *d);

/* Time passes, in steps of what the core waits for. */
void desk_sleep(struct desk *d, uint64_t ms);
/* The callback under way begins (unless it has), and returns. It must be of this kind. */
void desk_begin(struct desk *d, enum worker_call_kind kind);
void desk_return(struct desk *d, enum worker_call_kind kind, int status);
void desk_check(struct desk *d, enum health health, const char *why);
void desk_grant(struct desk *d, int64_t token, uint64_t deadline_ms);
void desk_revoke(struct desk *d, int64_t token, enum revoke_reason reason);
void desk_expect(struct desk *d, const char *text);
void desk_forget(struct desk *d);

#endif
