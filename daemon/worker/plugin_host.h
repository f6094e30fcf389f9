/* Judges plugin sections without running anything: loads the module, holds the settings against its table, and asks the
 * plugin itself (check_settings). Used by `baton-worker --check`, `batonctl config check` and each worker at its start.
 */
#ifndef BATON_WORKER_PLUGIN_HOST_H
#define BATON_WORKER_PLUGIN_HOST_H

#include "daemon/worker/plugin_module.h"
#include "daemon/worker/plugin_settings.h"

/* What a stop may take where neither the plugin nor the configuration says. */
#define PLUGIN_STOP_BUDGET_MS 5000
/* How long a plugin may take to judge its settings. */
#define PLUGIN_JUDGE_SECONDS 10

struct plugin_judgement {
        size_t problems;
        size_t objections;  /* of them, what may depend on the machine's state: what the plugin's own check_settings()
                             * says, and a user that is not there */
        uint32_t need_ms;   /* what the plugin says it needs to stop; 0: nothing */
        uint32_t budget_ms; /* what it gets */
};

/* The stop budget: what is configured, else what the plugin needs, else PLUGIN_STOP_BUDGET_MS. Returns 0; or -ERANGE
 * with a sentence when the plugin needs more than is configured, *ret being what it needs then. Pure. */
int plugin_stop_budget(const struct node_plugin *section, uint32_t need_ms, uint32_t *ret, char *why, size_t why_size);

/* Judges settings that have been read, by the plugin's own check_settings(). Returns how many faults it told. */
size_t plugin_judge_settings(const struct node_config *config, const struct node_plugin *section,
                             const struct baton_plugin *plugin, const struct plugin_settings *settings,
                             plugin_problem_fn *on_problem, void *ctx, uint32_t *ret_need_ms);

/* All of it for one section, in a process of its own: a plugin that crashes, or takes more than
 * PLUGIN_JUDGE_SECONDS, spoils its own judgement only, which is then one more fault. The caller has one thread. */
void plugin_judge(const struct node_config *config, const struct node_plugin *section, plugin_problem_fn *on_problem,
                  void *ctx, struct plugin_judgement *ret);

#endif
