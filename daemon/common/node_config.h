/* The configuration of a node: baton.conf and conf.d/ *.conf beside it, read in name order as if they were one file.
 *
 *   [node]          name, id, data_dir, runtime_dir
 *   [ensemble]      the engine's (daemon/engine/engine_config.h), or connect = HOST:PORT,…
 *   [supervisor]    plugin_dir, libexec_dir, last_resort
 *   [engine]        user, group, capabilities
 *   [agent]         user, group, capabilities; session_timeout, clock_rate_bound
 *   [group NAME]    policy, priority, stop_budget, members, …
 *   [plugin NAME]   module, group, user (USER or USER:GROUP), capabilities, check_interval, …; every other key is the
 *                   plugin's own setting
 *
 * What is wrong is told as FILE:LINE, all of it at once; nothing is touched. A section may be continued in another
 * file, but stands once in each; a key given twice in one section is refused, naming both places. Whether users exist
 * and what a plugin thinks of its settings is judged by others (the supervisor, plugin_host.h). */
#ifndef BATON_COMMON_NODE_CONFIG_H
#define BATON_COMMON_NODE_CONFIG_H

#include "daemon/common/names.h"
#include "daemon/common/problems.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The main file, where no other is named. */
#define NODE_CONFIG_DEFAULT "/etc/baton/baton.conf"
/* The stop budget where neither group nor plugins say one. */
#define NODE_STOP_BUDGET_DEFAULT_MS 5000
/* Shorter ones are refused: stopping anything takes a few turns of the scheduler. */
#define NODE_STOP_BUDGET_MIN_MS 100
/* A lease is renewed this many times in its length (docs/failover.md). */
#define NODE_RENEWALS_PER_LEASE 6
/* So many renewals in a row, and one commit of this length, must fit into what the holder has of a lease. */
#define NODE_RENEWALS_MIN 3
#define NODE_COMMIT_MS    100
/* Files of one configuration, baton.conf among them. */
#define NODE_CONFIG_FILES_MAX 64
/* Groups of one node. */
#define NODE_GROUPS_MAX 64
/* Plugin instances of one node. */
#define NODE_PLUGINS_MAX 128
/* Settings of one plugin instance. */
#define NODE_SETTINGS_MAX 64
/* Nodes a group may be limited to. */
#define NODE_GROUP_MEMBERS_MAX 64
/* Servers in `connect`. */
#define NODE_CONNECT_MAX 64
/* Bytes of a path. */
#define NODE_PATH_MAX 256
/* Bytes of a value. */
#define NODE_VALUE_MAX 2046
/* Bytes of a host name, user or group. */
#define NODE_WORD_MAX 255
/* Sections and keys of all files together. */
#define NODE_ENTRIES_MAX 16384

/* What is to happen when a resource could not be stopped in time: another node may start it (safety.md 2.4). */
enum last_resort { LAST_RESORT_NONE, LAST_RESORT_LOG, LAST_RESORT_REBOOT, LAST_RESORT_MAX };

enum group_policy { POLICY_LEADER, POLICY_PRIORITY, POLICY_STICKY, POLICY_COUNT };

/* Who a child runs as. Empty: as the supervisor does. */
struct identity {
        char user[NODE_WORD_MAX + 1], group[NODE_WORD_MAX + 1];
        char capabilities[NODE_VALUE_MAX + 1]; /* names with blanks: CAP_NET_ADMIN … */
};

struct node_server {
        char host[NODE_WORD_MAX + 1];
        uint16_t port;
};

struct node_group {
        struct name name;
        struct origin origin;
        enum group_policy policy;
        int32_t priority;        /* of this node in this group; higher is wanted */
        uint32_t stop_budget_ms; /* 0: what the plugins say, or 5 s */
        uint32_t failback_ms;    /* POLICY_PRIORITY: how long a better node must have been there */
        uint32_t backoff_ms;     /* first rest after this node has given the group up; it doubles */
        struct name *members;    /* nodes that may have it; none: all */
        size_t member_count;
};

struct node_setting {
        const char *key, *value;
        struct origin origin;
};

struct node_plugin {
        struct name name;
        struct origin origin;
        char module[NODE_PATH_MAX + 1]; /* "unit", or an absolute path of a .so */
        struct name group;              /* "" for none */
        struct identity identity;
        uint32_t check_interval_ms; /* 0: never */
        uint32_t check_timeout_ms;
        uint32_t activate_timeout_ms;
        uint32_t retries; /* of a failed activate, and restarts after a bad check, in retry_window_ms */
        uint32_t retry_delay_ms;
        uint32_t retry_window_ms;
        uint32_t stop_budget_ms; /* the group's where it says none itself; 0: what the plugin says */
        struct node_setting *settings;
        size_t setting_count;
};

struct node_source;

/* Every `origin` in it names a file as long as the configuration lives. */
struct node_config {
        struct node_source *source;   /* the lines as they were read, for node_config_render() */
        char path[NODE_PATH_MAX + 1]; /* of the main file */
        struct name node;
        int64_t id; /* 0: none */
        char data_dir[NODE_PATH_MAX + 1], runtime_dir[NODE_PATH_MAX + 1];
        bool has_engine; /* false: `connect`, or a worker's part */
        struct node_server
                *servers; /* the agent's: of every server.N with a client address, the own first; or connect */
        size_t server_count;
        struct node_server address; /* has_engine: where others reach this node's server; servers[0] is for this node */
        uint32_t session_timeout_ms; /* not given: 2 s, or what the ensemble allows that is nearest */
        uint32_t clock_rate_ppm;     /* rho, in millionths */
        uint32_t tick_time_ms;       /* 0: no engine */
        struct identity engine, agent;
        char plugin_dir[NODE_PATH_MAX + 1], libexec_dir[NODE_PATH_MAX + 1];
        enum last_resort last_resort;
        struct node_group *groups;
        size_t group_count;
        struct node_plugin *plugins;
        size_t plugin_count;
};

/* Reads and judges everything but what plugins say of their own settings (plugin_host.h). `path` may be a descriptor's
 * (/proc/self/fd/N): then there is no conf.d beside it. Returns 0 with *ret to be freed; or -EINVAL (-errno, where a
 * file could not be read) with at least one entry in `problems`. Problems carry "FILE:LINE" themselves. */
int node_config_load(const char *path, struct node_config **ret, struct problems *problems);
/* Takes NULL. */
void node_config_free(struct node_config *c);
/* NULL where there is none. */
const struct node_group *node_config_group(const struct node_config *c, const char *name);
const struct node_plugin *node_config_plugin(const struct node_config *c, const char *name);
const char *last_resort_name(enum last_resort what);
/* LAST_RESORT_MAX: there is none of this name. */
enum last_resort last_resort_of(const char *name);
/* Writes the parts that a child needs, and who it runs as, in a form that node_config_load() (engine:
 * engine_config_load()) reads back. The same settings always give the same bytes, in whichever file and order they
 * stand, so a reload can compare. What a child does not need is left out, so that it need not be restarted for it: the
 * agent knows of plugins only module, group and stop budget, a worker of its group only the stop budget, and nothing of
 * the ensemble ([node] part = worker stands for that). */
enum node_part { NODE_PART_ENGINE, NODE_PART_AGENT, NODE_PART_WORKER };
/* `plugin`: NODE_PART_WORKER only. Returns memory to be freed with free(). */
char *node_config_render(const struct node_config *c, enum node_part part, const char *plugin);
/* Every setting with range, default and meaning. */
void node_config_help(FILE *out);

/* The lease of a grant, from the session timeout L that the ensemble has granted (safety.md 2.2): how long after the
 * sending of a confirmed renewal the holder may go on, and how long after the last renewal it saw a taker waits. */
uint32_t lease_holder_ms(uint32_t lease_ms, uint32_t rate_ppm);                    /* L(1-rho)/(1+rho), rounded down */
uint64_t lease_taker_ms(uint32_t lease_ms, uint32_t budget_ms, uint32_t rate_ppm); /* L + B(1+rho)/(1-rho), up */

#endif
