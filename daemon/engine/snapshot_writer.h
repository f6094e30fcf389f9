/* The snapshot queue's thread: carries out SNAPSHOT_* effects one by one and reports each, so that the
 * core hands over the next portion when the last one is written. At most the few portions that the core
 * has under way are ever in memory.
 *
 * A failure is reported once, for the effect it met. What still waits of that snapshot is passed over
 * without a report, but for SNAPSHOT_ABORT, which is carried out and reported as done; SNAPSHOT_BEGIN
 * starts afresh. */
#ifndef BATON_ENGINE_SNAPSHOT_WRITER_H
#define BATON_ENGINE_SNAPSHOT_WRITER_H

#include "daemon/engine/disk_thread.h"

struct snapshot_writer;

/* The functions of disk_thread.h, for the snapshot queue. `store` is borrowed; it belongs to the thread
 * until snapshot_writer_stop() returns. */
int snapshot_writer_new(uv_loop_t *loop, struct snapstore *store, disk_result_fn result, void *ctx,
                        struct snapshot_writer **ret);
void snapshot_writer_add(struct snapshot_writer *w, const struct effect *e);
void snapshot_writer_submit(struct snapshot_writer *w);
void snapshot_writer_stop(struct snapshot_writer *w);
/* Takes NULL. */
void snapshot_writer_free(struct snapshot_writer *w);

#endif
