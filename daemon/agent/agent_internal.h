/* What the files of the agent share.
 *
 * agent.c         life: session, turns, the end
 * agent_worker.c  conversations with workers
 * agent_group.c   the hosts of groups and membership
 * agent_status.c  what the node says of itself: to systemd, to the others */
#ifndef BATON_AGENT_INTERNAL_H
#define BATON_AGENT_INTERNAL_H

#include "daemon/agent/agent.h"
#include "daemon/agent/config_set.h"
#include "daemon/agent/config_watch.h"

enum agent_phase {
        AGENT_RUNNING,
        AGENT_RELEASING, /* groups are being stopped */
        AGENT_CLOSING,   /* the session is being closed */
        AGENT_ENDED,
};

struct agent_worker {
        const struct node_plugin *plugin;
        struct agent_group *group; /* NULL: none */
        size_t index_in_group;
        uint64_t conversation; /* counts the links */
        bool linked, hello;
        bool config_synced; /* it has been told the state, and is told changes */
        enum worker_state state;
        enum health health;
        char text[MEMBER_TEXT_BYTES_MAX + 4];
        char note[MEMBER_TEXT_BYTES_MAX + 4];
};

struct agent_group {
        struct agent *agent;
        struct group *group;
        size_t *workers; /* their index in agent.workers */
        size_t worker_count;
        bool ended;
};

struct agent {
        const struct node_config *config;
        const struct agent_host *host;
        void *ctx;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        const char *version;
        int64_t started;

        enum agent_phase phase;
        struct membership *membership;
        struct config_watch *watch;
        struct config_sets sets;
        struct agent_worker *workers; /* config->plugin_count */
        struct agent_group *groups;
        size_t group_count;

        enum node_role role;
        char engine_text[MEMBER_TEXT_BYTES_MAX + 4];
        bool ready;
        char taken[512]; /* why the node's name is not ours; "" */
        char status[MESSAGE_TEXT_MAX];

        bool was_connected;   /* at least once */
        uint64_t patience_ms; /* when to say that there is no connection; UINT64_MAX: there is one */
        int64_t saved_zxid;   /* in the session's file */
        uint64_t saved_ms;    /* when it was written last */
        bool has_session;     /* there is one to be saved */

        struct message_member *members; /* last told: MESSAGE_MEMBERS_MAX */
        size_t member_count;
        bool members_told;  /* the list is known */
        bool members_dirty; /* and may be another by now */
        bool self_dirty;    /* what the node says of itself may be another */
};

/* agent.c */
void agent__log(struct agent *a, enum log_level level, enum agent_event event, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* A text of another process, cut to fit. */
void agent__text(char *ret, size_t size, struct jute_str text);

/* agent_worker.c */
extern const struct config_watch_host agent__watch_host;
void agent__tell_role(struct agent *a);
void agent__tell_members(struct agent *a);
void agent__config_done(void *ctx, const struct config_set_from *from, int32_t error, int32_t version);

/* agent_group.c */
extern const struct membership_host agent__membership_host;
void agent__groups_new(struct agent *a);
void agent__groups_free(struct agent *a);
bool agent__groups_ended(const struct agent *a);

/* agent_status.c */
/* Writes the status line and publishes the member value, where they have changed. */
void agent__say_self(struct agent *a);

#endif
