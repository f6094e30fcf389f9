/* One end of a socketpair between two processes of a node: whole messages in order, some with a descriptor.
 *
 * On the wire: an int length, then that many bytes (message.h), as ZooKeeper frames its own. A message that carries
 * a descriptor carries exactly one (SCM_RIGHTS, sent with the frame's first byte).
 *
 * A frame that is too long or that nobody can decode ends the conversation (-EPROTO): the other process is broken,
 * and whoever watches it will see to it. Nothing here waits: what the kernel does not take is queued, and a peer that
 * leaves IPC_QUEUE_BYTES_MAX unread is given up (-ENOBUFS). Loop thread only. */
#ifndef BATON_COMMON_IPC_H
#define BATON_COMMON_IPC_H

#include "daemon/common/message.h"

#include <uv.h>

/* What may wait to be read by the other process. */
#define IPC_QUEUE_BYTES_MAX (32u << 20)
/* Descriptors that came and whose message has not been read to its end yet. */
#define IPC_DESCRIPTORS_MAX 8

struct ipc;

/* `m` is borrowed until the function returns. m->fd (>= 0 only where the type carries one) belongs to the callee. */
typedef void ipc_message_fn(void *ctx, struct ipc *ipc, const struct message *m);
/* The conversation is over: 0 the other end closed, or -errno. Told once, never inside ipc_send(). The owner may call
 * ipc_free() in it. */
typedef void ipc_closed_fn(void *ctx, struct ipc *ipc, int status);

/* Takes `fd` (made non-blocking and close-on-exec), also when it fails. -errno of libuv. */
int ipc_new(uv_loop_t *loop, int fd, ipc_message_fn *on_message, ipc_closed_fn *on_closed, void *ctx, struct ipc **ret);
/* Closes at once; nothing is told any more, what is queued is dropped. May be called from its own callbacks, and with
 * NULL. The memory goes with the loop's next turn. */
void ipc_free(struct ipc *ipc);
/* Queues and tries to send. m->fd, if any, is duplicated and stays the caller's. Returns 0; -EPIPE when the other end
 * takes nothing any more (what it has sent before is still told, then on_closed with 0), -ENOBUFS, -EMSGSIZE, -EMFILE:
 * on_closed follows with the same. */
int ipc_send(struct ipc *ipc, const struct message *m);
/* Sends what is queued, waiting up to `wait_ms`: for the last word of a process that ends. */
void ipc_flush(struct ipc *ipc, uint64_t wait_ms);
/* A connected pair, both close-on-exec. 0 or -errno. */
int ipc_pair(int ret[2]);

#endif
