/* The log queue's thread: appends, syncs in groups, epoch files, truncation (base/effect.h has the rules).
 *
 * All that waits is written, then synced once; what arrives during that sync forms the next group. An
 * epoch file or a truncation is durable by itself, together with all before it, and is reported at once.
 * After the first failure nothing more is carried out or reported (safety: D6).
 *
 * The queue has no bound of its own, since an effect cannot be refused: the core bounds what it proposes
 * (ZAB_OUTSTANDING_MAX), and past LOG_WRITER_HIGH_BYTES the shell stops reading from the other servers,
 * so that a learner whose disk is slower than its leader cannot pile up more than that and one turn. */
#ifndef BATON_ENGINE_LOG_WRITER_H
#define BATON_ENGINE_LOG_WRITER_H

#include "daemon/engine/disk_thread.h"

/* With this much in the queue the quorum connections are not read from, until half of it is gone. */
#define LOG_WRITER_HIGH_BYTES (256u << 20)

struct log_writer;

/* The functions of disk_thread.h, for the log queue. A result with a status is the last one. `store` is
 * borrowed and must have recovered; it belongs to the thread until log_writer_stop() returns. */
int log_writer_new(uv_loop_t *loop, struct store *store, disk_result_fn result, void *ctx, struct log_writer **ret);
/* An EFFECT_LOG_APPEND, LOG_ROLL, EPOCH_WRITE or TRUNCATE. */
void log_writer_add(struct log_writer *w, const struct effect *e);
void log_writer_submit(struct log_writer *w);
size_t log_writer_bytes(const struct log_writer *w);
void log_writer_stop(struct log_writer *w);
/* Takes NULL. */
void log_writer_free(struct log_writer *w);

#endif
