/* Every setting of a node that is not the engine's, with range, default and meaning. */
#include "daemon/common/node_config_internal.h"

#include "daemon/engine/engine_config.h"

#include <assert.h>

#define NODE(member)   SETTING_FIELD(struct node_values, member)
#define GROUP(member)  SETTING_FIELD(struct node_group_values, member)
#define PLUGIN(member) SETTING_FIELD(struct node_plugin_values, member)

/* An hour: longer intervals and budgets are mistakes of unit. */
#define HOUR_MS 3600000

/* engine_config_help() explains these. */
static const struct setting base_rows[] = {
        {"node", "name", SETTING_TEXT, NODE(name), .help = ""},
        {"node", "id", SETTING_NUMBER, NODE(id), 1, 255, .help = ""},
        {"node", "data_dir", SETTING_TEXT, NODE(data_dir), .fallback = "/var/lib/baton", .help = ""},
        {"node", "runtime_dir", SETTING_TEXT, NODE(runtime_dir), .fallback = "/run/baton", .help = ""},
        {"node", "part", SETTING_TEXT, NODE(part), .help = ""},
        {"ensemble", "connect", SETTING_TEXT, NODE(connect), .help = ""},
};

#define USER_HELP         "whom it runs as; default as batond does"
#define GROUP_HELP        "its group; default that of the user"
#define CAPABILITIES_HELP "what it keeps of the privileges: CAP_… names with blanks; default none, but all without user"

static const struct setting own_rows[] = {
        {"supervisor", "plugin_dir", SETTING_TEXT, NODE(plugin_dir), .fallback = BATON_PLUGIN_DIR,
         .help = "absolute path; where module = NAME finds NAME.so"},
        {"supervisor", "libexec_dir", SETTING_TEXT, NODE(libexec_dir), .fallback = BATON_LIBEXEC_DIR,
         .help = "absolute path; where baton-engine, baton-agent and baton-worker are"},
        {"supervisor", "last_resort", SETTING_TEXT, NODE(last_resort), .fallback = "log",
         .help = "none, log or reboot: what follows when a resource could not be stopped within its stop budget"},
        {"engine", "user", SETTING_TEXT, NODE(engine.user), .help = USER_HELP},
        {"engine", "group", SETTING_TEXT, NODE(engine.group), .help = GROUP_HELP},
        {"engine", "capabilities", SETTING_TEXT, NODE(engine.capabilities), .help = CAPABILITIES_HELP},
        {"agent", "user", SETTING_TEXT, NODE(agent.user), .help = USER_HELP},
        {"agent", "group", SETTING_TEXT, NODE(agent.group), .help = GROUP_HELP},
        {"agent", "capabilities", SETTING_TEXT, NODE(agent.capabilities), .help = CAPABILITIES_HELP},
        {"agent", "session_timeout", SETTING_NUMBER, NODE(session_timeout), 100, HOUR_MS,
         .help = "milliseconds; the length of a lease; default 2000, or what the ensemble allows that is nearest"},
        {"agent", "clock_rate_bound", SETTING_TEXT, NODE(clock_rate_bound), .fallback = "10",
         .help = "percent by which the rate of a clock may be wrong; 0..50, up to 4 decimals"},
};

static const struct setting group_rows[] = {
        {NODE_SECTION_GROUP, "policy", SETTING_TEXT, GROUP(policy), .fallback = "leader",
         .help = "leader, priority or sticky: who takes the group when it is free"},
        {NODE_SECTION_GROUP, "priority", SETTING_NUMBER, GROUP(priority), -1000, 1000, "0",
         "of this node; higher is wanted"},
        {NODE_SECTION_GROUP, "stop_budget", SETTING_NUMBER, GROUP(stop_budget), NODE_STOP_BUDGET_MIN_MS, HOUR_MS,
         .help = "milliseconds all plugins may take to stop; default what they say, or 5000"},
        {NODE_SECTION_GROUP, "failback_delay", SETTING_NUMBER, GROUP(failback_delay), 0, HOUR_MS, "10000",
         "milliseconds a better node must have been there; policy priority only"},
        {NODE_SECTION_GROUP, "backoff", SETTING_NUMBER, GROUP(backoff), 100, HOUR_MS, "10000",
         "milliseconds this node rests after it has given the group up; doubles"},
        {NODE_SECTION_GROUP, "members", SETTING_TEXT, GROUP(members),
         .help = "names of the nodes that may have it, with commas; default all"},
};

static const struct setting plugin_rows[] = {
        {NODE_SECTION_PLUGIN, "module", SETTING_TEXT, PLUGIN(module),
         .help = "unit, process, exec, file, …, or the absolute path of a .so"},
        {NODE_SECTION_PLUGIN, "group", SETTING_TEXT, PLUGIN(group),
         .help = "its [group NAME]; default none: it is never active"},
        {NODE_SECTION_PLUGIN, "user", SETTING_TEXT, PLUGIN(user),
         .help = "USER or USER:GROUP whom it runs as; default as batond does"},
        {NODE_SECTION_PLUGIN, "capabilities", SETTING_TEXT, PLUGIN(capabilities), .help = CAPABILITIES_HELP},
        {NODE_SECTION_PLUGIN, "check_interval", SETTING_NUMBER, PLUGIN(check_interval), 0, HOUR_MS, "1000",
         "milliseconds between checks while active; 0: never"},
        {NODE_SECTION_PLUGIN, "check_timeout", SETTING_NUMBER, PLUGIN(check_timeout), 10, HOUR_MS, "5000",
         "milliseconds a check may take"},
        {NODE_SECTION_PLUGIN, "activate_timeout", SETTING_NUMBER, PLUGIN(activate_timeout), 10, HOUR_MS, "30000",
         "milliseconds a start may take"},
        {NODE_SECTION_PLUGIN, "retries", SETTING_NUMBER, PLUGIN(retries), 0, 100, "1",
         "starts tried again within retry_window before the group is given up"},
        {NODE_SECTION_PLUGIN, "retry_delay", SETTING_NUMBER, PLUGIN(retry_delay), 0, HOUR_MS, "1000",
         "milliseconds before each of them"},
        {NODE_SECTION_PLUGIN, "retry_window", SETTING_NUMBER, PLUGIN(retry_window), 0, 24 * HOUR_MS, "60000",
         "milliseconds after which a retry is forgotten"},
        {NODE_SECTION_PLUGIN, "stop_budget", SETTING_NUMBER, PLUGIN(stop_budget), NODE_STOP_BUDGET_MIN_MS, HOUR_MS,
         .help = "milliseconds its resource may take to stop; default what the plugin says"},
};

#define ROWS(table)                                                                                                    \
        {                                                                                                              \
                table, sizeof(table) / sizeof *(table)                                                                 \
        }
const struct node_table node_table_base = ROWS(base_rows), node_table_own = ROWS(own_rows),
                        node_table_group = ROWS(group_rows), node_table_plugin = ROWS(plugin_rows);

static_assert(sizeof base_rows / sizeof *base_rows <= NODE_ROWS_MAX, "rows have their origins");
static_assert(sizeof own_rows / sizeof *own_rows <= NODE_ROWS_MAX, "rows have their origins");
static_assert(sizeof group_rows / sizeof *group_rows <= NODE_ROWS_MAX, "rows have their origins");
static_assert(sizeof plugin_rows / sizeof *plugin_rows <= NODE_ROWS_MAX, "rows have their origins");

struct origin node_origin(const struct node_table *t, const struct origin *origins, const char *section,
                          const char *key)
{
        const struct setting *row = settings_find(t->rows, t->count, section, key);
        assert(row);
        return origins[row - t->rows];
}

void node_config_help(FILE *out)
{
        engine_config_help(out);
        settings_help(node_table_own.rows, node_table_own.count, out);
        settings_help(node_table_group.rows, node_table_group.count, out);
        settings_help(node_table_plugin.rows, node_table_plugin.count, out);
        (void)fprintf(out, "  %-24s %s\n", "…",
                      "every other key is a setting of the plugin: batonctl plugins MODULE shows them");
}
