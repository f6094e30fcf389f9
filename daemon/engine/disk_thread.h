/* One thread that carries out disk effects in order, and the two queues between it and the loop. What is
 * done with them is its owner's business: log_writer.c groups and syncs, snapshot_writer.c takes them one
 * by one.
 *
 *   loop:    add, add, add, submit ──► thread: work(list of all that waits) ──► publish ──► loop: result()
 *
 * Blobs stay referenced by the loop until the result that covers their ticket has been taken, since their
 * counts are not atomic (base/blob.h): the thread only reads bytes. Results of one kind are merged: one
 * call may stand for many effects. */
#ifndef BATON_ENGINE_DISK_THREAD_H
#define BATON_ENGINE_DISK_THREAD_H

#include "election/base/effect.h"
#include "election/base/summary.h"
#include "election/txnlog/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Touched pages count as memory, not this. */
#define DISK_THREAD_STACK_BYTES (512u << 10)

struct disk_result {
        uint64_t ticket;            /* status 0: all effects up to this one are done */
        int status;                 /* or -errno */
        struct recovered *reloaded; /* mem_alloc()ed, or NULL; result() takes it */
        char why[STORE_WHY_MAX];    /* with a status; with 0: what went wrong beside it, mostly nothing */
        struct summary sync_us;     /* what disk_thread_note() told since the result before this one */
        struct summary batch;
};

struct disk_thread;

/* On the thread: carries out list[0..count), publishing as it goes. */
typedef void (*disk_work_fn)(void *ctx, struct disk_thread *t, const struct effect *list, size_t count);
/* On the loop, from its own callback. */
typedef void (*disk_result_fn)(void *ctx, struct disk_result *result);

/* Starts the thread. `ctx` is for both functions. Returns 0 or -errno. */
int disk_thread_new(uv_loop_t *loop, const char *name, disk_work_fn work, disk_result_fn result, void *ctx,
                    struct disk_thread **ret);

/* ---- on the loop ---- */
/* Notes one effect of this turn; takes a reference on its blob. */
void disk_thread_add(struct disk_thread *t, const struct effect *e);
/* Hands over what was added since; wakes the thread when there is something. */
void disk_thread_submit(struct disk_thread *t);
/* Bytes added and not yet covered by a result. */
size_t disk_thread_bytes(const struct disk_thread *t);
/* Effects added and not yet covered by a result. */
size_t disk_thread_count(const struct disk_thread *t);
/* Lets the thread finish all that was submitted and joins it; drops results not yet taken; closes the
 * handle. No result() follows. Then run the loop until it is empty, and free. */
void disk_thread_stop(struct disk_thread *t);
/* After disk_thread_stop() and the loop. Takes NULL. */
void disk_thread_free(struct disk_thread *t);

/* ---- on the thread ---- */
/* One sync took `us` microseconds and made `appends` transactions durable: comes with the next result. */
void disk_thread_note(struct disk_thread *t, uint64_t us, uint64_t appends);
/* Reports. `reloaded` is handed over; `why` is copied and may be NULL. */
void disk_thread_publish(struct disk_thread *t, uint64_t ticket, int status, struct recovered *reloaded,
                         const char *why);

#endif
