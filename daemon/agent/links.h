/* The agent's conversations with the other processes of its node: one with each worker, one with the engine. The
 * supervisor makes both ends and passes ours (MESSAGE_LINK); a new link replaces the one before. Loop thread only. */
#ifndef BATON_AGENT_LINKS_H
#define BATON_AGENT_LINKS_H

#include "daemon/common/ipc.h"
#include "daemon/common/node_config.h"

struct links;

/* Workers go by their index in node_config.plugins. All must be there. They may call links_send() and links_drop(). */
struct links_host {
        void (*worker_linked)(void *ctx, size_t worker);
        void (*worker_message)(void *ctx, size_t worker, const struct message *m);
        void (*worker_gone)(void *ctx, size_t worker);
        void (*engine_message)(void *ctx, const struct message *m);
        void (*engine_gone)(void *ctx);
};

/* `config` and `host` are borrowed. */
struct links *links_new(uv_loop_t *loop, const struct node_config *config, const struct links_host *host, void *ctx);
/* Nothing is told any more. Takes NULL. */
void links_free(struct links *l);
/* Takes `fd`. `name`: "engine", or a plugin instance. */
void links_take(struct links *l, const char *name, int fd);
/* To a worker that is linked; else nothing happens. Trouble shows by worker_gone(), later. */
void links_send(struct links *l, size_t worker, const struct message *m);
/* Ends the conversation; worker_gone() is not told. */
void links_drop(struct links *l, size_t worker);

#endif
