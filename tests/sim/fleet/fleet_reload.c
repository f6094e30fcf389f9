/* systemctl reload, as daemon/supervisor/reload.c and family.c do it: only what has changed begins anew, services stay,
 * and what is removed has stopped before the agent learns of it. */
#include "tests/sim/fleet/fleet_internal.h"

static void begin_anew(struct fleet_node *n, bool workers)
{
        fleet__set_limits(n);
        if (n->agent_child.state != CHILD_OFF)
                fleet__agent_event(n, CHILD_RESTART, STOP_KEEP);
        FLEET_EACH_WORKER(n, w)
        if (workers && !w->removed && w->child.state != CHILD_OFF)
                fleet__kid_event(w, CHILD_RESTART, STOP_KEEP);
}

static void set_budget(struct fleet_node *n, uint32_t budget_ms)
{
        n->stop_budget_ms = budget_ms;
        for (size_t i = 0; i < n->config.plugin_count; i++)
                n->plugins[i].stop_budget_ms = budget_ms; /* the agent reads the group's, when it begins anew */
}

static void remove_group(struct fleet_node *n, size_t group)
{
        fleet__hit(n->f, MARK_RELOAD_REMOVED);
        n->reloads = true;
        n->change_group = group;
        for (size_t k = 0; k < n->f->o.workers; k++) {
                struct fleet_worker *w = &n->groups[group].workers[k];
                w->removed = true;
                fleet__kid_event(w, CHILD_STOP, STOP_RELEASE);
        }
}

static void add_group(struct fleet_node *n, size_t group)
{
        n->groups[group].configured = true;
        for (size_t k = 0; k < n->f->o.workers; k++) {
                struct fleet_worker *w = &n->groups[group].workers[k];
                w->removed = false;
                w->section.stop_budget_ms = n->stop_budget_ms;
                fleet__kid_event(w, CHILD_START, STOP_KEEP);
        }
        begin_anew(n, false);
}

void fleet_reload(struct fleet *f, int number, enum fleet_change change, uint32_t value)
{
        static const char *const names[] = {"another lease", "another stop budget", "a group less", "a group more"};
        struct fleet_node *n = fleet_node(f, number);
        if (!f->o.supervised || fleet__is_dark(n) || n->all_stands || n->batond != FLEET_BATOND_RUNS || n->reloads)
                return;
        fleet_say(f, "node %d: reload: %s, %u", number, names[change], value);
        switch (change) {
        case FLEET_CHANGE_LEASE:
                n->lease_ms = value;
                begin_anew(n, false);
                break;
        case FLEET_CHANGE_BUDGET:
                set_budget(n, value);
                begin_anew(n, true);
                break;
        case FLEET_CHANGE_REMOVE:
                if (n->groups[value].configured)
                        remove_group(n, value);
                break;
        case FLEET_CHANGE_ADD:
                if (!n->groups[value].configured)
                        add_group(n, value);
                break;
        }
}

/* One after the other. */
static void mend(struct fleet_node *n)
{
        bool all = true;
        if (!n->mends)
                return;
        for (size_t g = 0; g < n->f->o.groups; g++) {
                if (!n->groups[g].configured)
                        fleet_reload(n->f, n->number, FLEET_CHANGE_ADD, (uint32_t)g);
                all = all && n->groups[g].configured;
        }
        n->mends = !all;
}

void fleet__reload_turn(struct fleet_node *n)
{
        if (!n->reloads) {
                mend(n);
                return;
        }
        for (size_t k = 0; k < n->f->o.workers; k++)
                if (n->groups[n->change_group].workers[k].child.state != CHILD_OFF)
                        return;
        n->reloads = false;
        n->groups[n->change_group].configured = false;
        begin_anew(n, false);
}
