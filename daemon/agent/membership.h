/* This node among the members: its own znode /baton/members/<node>, and what the others say in theirs. No I/O, no clock
 * of its own.
 *
 * The own znode is ephemeral: it lives with the session. It is made anew when the session is new, or when somebody
 * has removed it; written again when what it says has changed, at most every MEMBERSHIP_WRITE_MS.
 *
 * Where the znode is there and belongs to another session, its `instance` and boot say whose it is. Ours: an earlier
 * agent's that the ensemble has not forgotten yet; it is removed. Another's: two nodes were given one name; this one
 * stays out, says so, and tries again when that znode vanishes. Of another boot: ours, or that of a machine which was
 * copied with its machine id; it is waited for, too. */
#ifndef BATON_AGENT_MEMBERSHIP_H
#define BATON_AGENT_MEMBERSHIP_H

#include "daemon/agent/member_value.h"
#include "daemon/common/log.h"
#include "election/client/client.h"

/* Where they are. */
#define MEMBERS_ROOT "/baton/members"
/* The own znode is written no more often than that. */
#define MEMBERSHIP_WRITE_MS 200
/* After a refusal that is no answer (no right to create) it is tried again so much later. */
#define MEMBERSHIP_RETRY_MS 2000

struct membership;

enum membership_state {
        MEMBERSHIP_OUT,   /* not yet, or no more */
        MEMBERSHIP_TAKEN, /* another node has this node's name */
        MEMBERSHIP_IN,
        MEMBERSHIP_STATE_COUNT,
};

/* Kinds of lines, each with a MESSAGE_ID of its own in the journal. */
enum membership_event {
        MEMBERSHIP_EVENT_JOINED, /* another member has come */
        MEMBERSHIP_EVENT_LEFT,
        MEMBERSHIP_EVENT_IN,    /* this node has become a member */
        MEMBERSHIP_EVENT_OUT,   /* it is none any more */
        MEMBERSHIP_EVENT_TAKEN, /* another node has this node's name */
        MEMBERSHIP_EVENT_ODD,   /* something foreign or refused */
        MEMBERSHIP_EVENT_COUNT,
};

/* All must be there; none may call back into the membership but to look. */
struct membership_host {
        uint64_t (*now_ms)(void *ctx);
        struct client *(*client)(void *ctx);
        /* The list, or what somebody's znode says of itself, has changed. Not before all that was there is known. */
        void (*changed)(void *ctx);
        /* `state` is another one. `text`: for MEMBERSHIP_TAKEN, by whom; else "". */
        void (*standing)(void *ctx, enum membership_state state, const char *text);
        void (*log)(void *ctx, enum log_level level, enum membership_event event, const char *node, const char *text);
};

/* All is copied but `host` and `ctx`. */
struct membership_config {
        struct name node;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        const struct membership_host *host;
        void *ctx;
};

struct membership *membership_new(const struct membership_config *config);
/* After client_free(): nothing may call it back any more. Takes NULL. */
void membership_free(struct membership *m);

/* What the own znode is to say; copied. Nothing is made before the first. */
void membership_publish(struct membership *m, const char *value);
/* The client's state has changed: CONNECTED (a new session), RESUMED, EXPIRED; others are ignored. */
void membership_session(struct membership *m, enum client_state state);
/* From now on nothing is made or written any more: the session is about to be closed, or left to a successor. */
void membership_stop(struct membership *m);
/* Due when membership_deadline() is reached; harmless at any time. */
void membership_tick(struct membership *m);
uint64_t membership_deadline(const struct membership *m);

enum membership_state membership_state(const struct membership *m);
/* All members in name order, this node too where its znode is there. At most MESSAGE_MEMBERS_MAX; returns how many. */
size_t membership_list(const struct membership *m, struct message_member *ret);
/* False: no such member, or not known yet. */
bool membership_find(const struct membership *m, const char *node, struct group_member *ret);

#endif
