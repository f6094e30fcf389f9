/* All members, as their znodes say: /baton/members and each child of it, read and watched. No I/O. Part of the
 * membership (membership.h), whose host it uses. */
#ifndef BATON_AGENT_MEMBER_LIST_H
#define BATON_AGENT_MEMBER_LIST_H

#include "daemon/agent/membership.h"

struct member_list;

/* The own znode was read: `stat` NULL: it is not there. The callee may make requests. */
typedef void member_list_own_fn(void *ctx, const struct jute_stat *stat, const struct member_said *said);

/* `host` with `host_ctx` gets `changed` and `log`; `own` is called with `ctx`. `node`: this node's name. */
struct member_list *member_list_new(const char *node, const struct membership_host *host, void *host_ctx,
                                    member_list_own_fn *own, void *ctx);
/* After client_free(). Takes NULL. */
void member_list_free(struct member_list *l);
/* The client is CONNECTED or RESUMED: reads what is neither being read nor watched. Harmless at any time. */
void member_list_session(struct member_list *l);
/* The same, for /baton/members when it has just been made. */
void member_list_root_made(struct member_list *l);

size_t member_list_all(const struct member_list *l, struct message_member *ret);
bool member_list_find(const struct member_list *l, const char *node, struct group_member *ret);

#endif
