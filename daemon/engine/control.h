/* The engine's conversation with the supervisor that started it, and its links to the agent: it answers pings from its
 * loop, says which role its server has, and ends when it is told to or when the supervisor is gone. */
#ifndef BATON_ENGINE_CONTROL_H
#define BATON_ENGINE_CONTROL_H

#include <uv.h>

/* Links at a time: the agent's, and those of agents before it that nobody has closed yet. */
#define CONTROL_LINKS_MAX 8

/* The engine is to end. `why` is for the log. Told once at most, from the loop. */
typedef void control_stop_fn(void *ctx, const char *why);

struct control;

/* Takes `fd`, one end of a socketpair (daemon/common/ipc.h), also when it fails. 0 or -errno. Loop thread only. */
int control_new(uv_loop_t *loop, int fd, control_stop_fn *on_stop, void *ctx, struct control **ret);
/* The server has another role; `text` begins with its word, as EFFECT_ROLE has it ("leading, epoch 3"). Whoever has a
 * link is told, now and when the link comes. "looking" is no taking part: UNREADY; all else is READY. */
void control_role(struct control *c, const char *text);
/* Closes all; the loop has to run once more. Takes NULL. */
void control_free(struct control *c);

#endif
