/* Many requests of one kind, some of them under way at a time: a tree over a slow line is read in as many rounds as it
 * is deep and not as it is large. Requests of one session are carried out in the order in which they were made. */
#ifndef BATON_CTL_PIPELINE_H
#define BATON_CTL_PIPELINE_H

#include "daemon/ctl/ctl.h"

/* Requests under way at a time. */
#define PIPELINE_WIDTH_MAX 128

/* Makes request number `index` (client_get() or the like) and returns what that did; 1: there is none of this number.
 */
typedef int pipeline_ask_fn(void *ctx, struct client *session, size_t index, const struct client_call *how);
/* Its answer: outcome CLIENT_ANSWERED, any error. What it holds is borrowed. */
typedef void pipeline_take_fn(void *ctx, size_t index, const struct client_result *r);

/* Asks for 0..*count-1, where `take` may raise *count. Returns CTL_DONE when all are answered, else an exit status, the
 * reason printed; then `take` is called no more. */
int pipeline_run(struct ctl *c, pipeline_ask_fn *ask, pipeline_take_fn *take, void *ctx, const size_t *count);

#endif
