/* What the files of node_config share: the lines as read (node_source.c), the tables (node_table.c), values by section
 * on their way to a configuration (node_config.c, judged by node_judge.c). */
#ifndef BATON_COMMON_NODE_CONFIG_INTERNAL_H
#define BATON_COMMON_NODE_CONFIG_INTERNAL_H

#include "daemon/common/inifile.h"
#include "daemon/common/node_config.h"
#include "daemon/common/settings.h"

/* ---- the lines of all files, in order ---- */

struct node_source {
        char *files[NODE_CONFIG_FILES_MAX];
        size_t file_count;
        struct inifile_entry *entries; /* strings are the source's own */
        size_t count, capacity;
        struct problems *problems; /* while reading */
};

/* Reads the main file and conf.d beside it. *ret is to be freed either way. Returns 0 when all of them could be read,
 * else -errno, told in `problems`. */
int node_source_read(const char *path, struct node_source **ret, struct problems *problems);
void node_source_free(struct node_source *s);

/* ---- what stands in the tables ---- */

/* Rows of the largest table. */
#define NODE_ROWS_MAX 16

struct node_identity_values {
        char user[NODE_WORD_MAX + 1], group[NODE_WORD_MAX + 1];
        char capabilities[NODE_VALUE_MAX + 1];
};

/* Of the sections that exist once. Numbers are 0 where nothing is given and there is no default. */
struct node_values {
        char name[NODE_WORD_MAX + 1];
        int64_t id;
        char data_dir[NODE_PATH_MAX + 1], runtime_dir[NODE_PATH_MAX + 1];
        char part[16];
        char connect[NODE_VALUE_MAX + 1];
        char plugin_dir[NODE_PATH_MAX + 1], libexec_dir[NODE_PATH_MAX + 1];
        char last_resort[16];
        struct node_identity_values engine, agent;
        int64_t session_timeout;
        char clock_rate_bound[16];
};

struct node_group_values {
        char policy[16];
        int64_t priority, stop_budget, failback_delay, backoff;
        char members[NODE_VALUE_MAX + 1];
};

struct node_plugin_values {
        char module[NODE_PATH_MAX + 1];
        char group[NODE_WORD_MAX + 1];
        char user[2 * NODE_WORD_MAX + 2];
        char capabilities[NODE_VALUE_MAX + 1];
        int64_t check_interval, check_timeout, activate_timeout;
        int64_t retries, retry_delay, retry_window, stop_budget;
};

/* A table with its size and the name that its sections have there. */
struct node_table {
        const struct setting *rows;
        size_t count;
};
/* [node] and [ensemble] connect, which the engine's own table explains; the rest of what exists once. */
extern const struct node_table node_table_base, node_table_own, node_table_group, node_table_plugin;
/* The section that rows of the last two have. */
#define NODE_SECTION_GROUP  "group NAME"
#define NODE_SECTION_PLUGIN "plugin NAME"

/* ---- on the way ---- */

struct node_group_loading {
        struct name name;
        struct origin origin;
        struct node_group_values v;
        struct origin origins[NODE_ROWS_MAX]; /* by row; line 0: not given */
};

struct node_plugin_loading {
        struct name name;
        struct origin origin;
        struct node_plugin_values v;
        struct origin origins[NODE_ROWS_MAX];
        struct node_setting settings[NODE_SETTINGS_MAX]; /* strings are the source's */
        size_t setting_count;
};

struct node_loading {
        const char *path;
        struct node_source *source;
        struct problems *problems;
        struct node_values v;
        struct origin base_origins[NODE_ROWS_MAX], own_origins[NODE_ROWS_MAX];
        struct node_group_loading *groups;
        size_t group_count, group_capacity;
        struct node_plugin_loading *plugins;
        size_t plugin_count, plugin_capacity;
};

/* Where the key of a table stands; line 0: nowhere. The key exists. */
struct origin node_origin(const struct node_table *t, const struct origin *origins, const char *section,
                          const char *key);
/* Judges all that was read and fills in `c`, as far as it can be. Faults go to l->problems. */
void node_judge(struct node_loading *l, struct node_config *c);
/* Its part of it: [node] and [ensemble], with the engine's own judgement; session and lease. After [agent]. */
void node_judge_ensemble(struct node_loading *l, struct node_config *c);
const char *node_policy_name(enum group_policy policy);

#endif
