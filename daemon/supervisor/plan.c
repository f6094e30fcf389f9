/* See plan.h. */
#include "daemon/supervisor/plan.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name, *program;
} kinds[] = {
        [KID_ENGINE] = {"engine", "baton-engine"},
        [KID_AGENT] = {"agent", "baton-agent"},
        [KID_WORKER] = {"worker", "baton-worker"},
};
static_assert(sizeof kinds / sizeof *kinds == KID_KIND_MAX, "every kind has its program");

const char *kid_kind_name(enum kid_kind kind)
{
        assert((unsigned)kind < KID_KIND_MAX);
        return kinds[kind].name;
}

const char *kid_program(enum kid_kind kind)
{
        assert((unsigned)kind < KID_KIND_MAX);
        return kinds[kind].program;
}

static uint32_t budget_of(const struct node_config *c, const struct node_plugin *p)
{
        const struct node_group *group = p->group.text[0] ? node_config_group(c, p->group.text) : NULL;
        uint32_t budget =
                group && group->stop_budget_ms > p->stop_budget_ms ? group->stop_budget_ms : p->stop_budget_ms;
        return budget > 0 ? budget : PLAN_BUDGET_MS;
}

static void add_engine(struct planned *p, const struct node_config *c)
{
        *p = (struct planned){.kind = KID_ENGINE,
                              .identity = c->engine,
                              .config = node_config_render(c, NODE_PART_ENGINE, NULL),
                              .limits = {.release_ms = PLAN_ENGINE_STOP_MS, .keep_ms = PLAN_ENGINE_STOP_MS},
                              .missed_max = PLAN_ENGINE_MISSED_MAX,
                              .missed_start_max = PLAN_ENGINE_START_MISSED_MAX};
        (void)snprintf(p->name.text, sizeof p->name.text, "engine");
}

static void add_agent(struct planned *p, const struct node_config *c, uint32_t budget_max_ms)
{
        uint32_t missed = c->session_timeout_ms / 8 * 3 / PLAN_PING_MS;
        *p = (struct planned){.kind = KID_AGENT,
                              .identity = c->agent,
                              .config = node_config_render(c, NODE_PART_AGENT, NULL),
                              .limits = {.release_ms = budget_max_ms + PLAN_RELEASE_MS, .keep_ms = PLAN_KEEP_MS},
                              .missed_max = missed > PLAN_AGENT_MISSED_MIN ? missed : PLAN_AGENT_MISSED_MIN,
                              .missed_start_max = PLAN_START_MISSED_MAX};
        (void)snprintf(p->name.text, sizeof p->name.text, "agent");
}

static void add_worker(struct planned *p, const struct node_config *c, const struct node_plugin *plugin)
{
        uint32_t stop_ms = budget_of(c, plugin) + PLAN_WORKER_EXTRA_MS;
        *p = (struct planned){.kind = KID_WORKER,
                              .name = plugin->name,
                              .identity = plugin->identity,
                              .config = node_config_render(c, NODE_PART_WORKER, plugin->name.text),
                              .limits = {.release_ms = stop_ms, .keep_ms = PLAN_KEEP_MS, .ensure_ms = stop_ms},
                              .missed_max = PLAN_WORKER_MISSED_MAX,
                              .missed_start_max = PLAN_START_MISSED_MAX};
}

struct plan *plan_new(const struct node_config *c)
{
        struct plan *p = mem_zalloc(sizeof *p);
        uint32_t budget_max_ms = 0;
        p->list = mem_zalloc((c->plugin_count + 2) * sizeof *p->list);
        for (size_t i = 0; i < c->plugin_count; i++)
                if (budget_of(c, &c->plugins[i]) > budget_max_ms)
                        budget_max_ms = budget_of(c, &c->plugins[i]);
        if (c->has_engine)
                add_engine(&p->list[p->count++], c);
        add_agent(&p->list[p->count++], c, budget_max_ms);
        for (size_t i = 0; i < c->plugin_count; i++)
                add_worker(&p->list[p->count++], c, &c->plugins[i]);
        return p;
}

void plan_free(struct plan *p)
{
        if (!p)
                return;
        for (size_t i = 0; i < p->count; i++)
                free(p->list[i].config); /* node_config_render() gives it so */
        mem_free(p->list);
        mem_free(p);
}

const struct planned *plan_find(const struct plan *p, const char *name)
{
        for (size_t i = 0; i < p->count; i++)
                if (strcmp(p->list[i].name.text, name) == 0)
                        return &p->list[i];
        return NULL;
}

bool planned_differs(const struct planned *a, const struct planned *b)
{
        return strcmp(a->config, b->config) != 0 || strcmp(a->identity.user, b->identity.user) != 0 ||
               strcmp(a->identity.group, b->identity.group) != 0 ||
               strcmp(a->identity.capabilities, b->identity.capabilities) != 0;
}
