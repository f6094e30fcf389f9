/* The agent's process: the production agent over a production client, with the shell that daemon/agent/main.c is in
 * life. The session's file is kept in memory and survives the process, not the boot. */
#include "tests/sim/fleet/fleet_internal.h"

#include "daemon/agent/agent_internal.h"
#include "daemon/agent/group_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rounds of work in one millisecond, as in daemon/agent/main.c. */
#define ROUNDS_MAX 16

/* ---- what the agent wants ---- */

static struct fleet_worker *worker_of(struct fleet_node *n, size_t plugin)
{
        FLEET_EACH_WORKER(n, w)
        if (w->plugin == plugin)
                return w;
        assert(false);
        return NULL;
}

static uint64_t on_now(void *ctx)
{
        return fleet_node_now(ctx);
}

static struct client *on_client(void *ctx)
{
        const struct fleet_node *n = ctx;
        return n->agent->c;
}

static void on_start(void *ctx)
{
        struct fleet_node *n = ctx;
        if (!n->dying)
                client_start(n->agent->c, fleet_node_now(n), &n->agent->fx);
}

static void on_close(void *ctx, uint64_t wait_ms)
{
        struct fleet_node *n = ctx;
        client_close(n->agent->c, fleet_node_now(n), wait_ms, &n->agent->fx);
}

static void on_control(void *ctx, const struct message *m)
{
        struct fleet_node *n = ctx;
        if (m->type == MESSAGE_READY && n->agent_child.state == CHILD_STARTING) {
                struct child_input in = {.event = CHILD_READY, .now_ms = fleet_node_now(n)};
                (void)child_step(&n->agent_child, &in); /* asks for nothing */
        }
}

static void on_send(void *ctx, size_t plugin, const struct message *m)
{
        struct fleet_node *n = ctx;
        struct fleet_worker *w = worker_of(n, plugin);
        if (n->dying)
                return;
        if (m->type == MESSAGE_GRANT)
                fleet__see_grant(w, m);
        fleet__post(w, false, m);
}

static void on_drop(void *ctx, size_t plugin)
{
        struct fleet_node *n = ctx;
        struct fleet_worker *w = worker_of(n, plugin);
        if (!n->dying)
                fleet__unlink(w, true);
}

static void on_save(void *ctx, const struct client_session *session)
{
        struct fleet_node *n = ctx;
        if (!n->dying)
                n->saved = session ? *session : (struct client_session){.id = 0};
}

static size_t index_of(const struct fleet *f, const char *group)
{
        for (size_t i = 0; i < f->o.groups; i++)
                if (strcmp(group, fleet__group_name(i)) == 0)
                        return i;
        assert(false);
        return 0;
}

static void on_log(void *ctx, const struct agent_line *line)
{
        struct fleet_node *n = ctx;
        struct fleet *f = n->f;
        if (n->dying)
                return;
        fleet_say(f, "node %d%s%s: %s", n->number, line->group ? " " : "", line->group ? line->group : "", line->text);
        if (!line->group)
                return;
        size_t group = index_of(f, line->group);
        if (line->event == AGENT_EVENT_GROUP_ACQUIRED && line->token > f->truth[group].taken_token)
                fleet__see_taken(n, group, line->token);
        else if (line->event == AGENT_EVENT_GROUP_ACQUIRED)
                fleet__hit(f, MARK_TAKEN_UP);
        else if (line->event == AGENT_EVENT_GROUP_LOST)
                fleet__hit(f, MARK_GRANT_LOST);
        else if (line->event == AGENT_EVENT_GROUP_RELEASED)
                fleet__see_released(n, group);
        else if (line->event == AGENT_EVENT_GROUP_GIVEN_UP)
                fleet__hit(f, MARK_GROUP_RESTS);
}

static void on_ended(void *ctx)
{
        ((struct fleet_node *)ctx)->agent_ended = true;
}

static const struct agent_host host = {
        .now_ms = on_now,
        .client = on_client,
        .start = on_start,
        .close = on_close,
        .control = on_control,
        .send = on_send,
        .drop = on_drop,
        .save = on_save,
        .log = on_log,
        .ended = on_ended,
};

/* ---- the configuration ---- */

static void configure_plugins(struct fleet_node *n, size_t group)
{
        static const char letters[FLEET_GROUPS_MAX] = {'w', 'd'};
        struct fleet *f = n->f;
        for (size_t k = 0; k < f->o.workers; k++) {
                struct fleet_worker *w = &n->groups[group].workers[k];
                struct node_plugin *p = &n->plugins[n->config.plugin_count];
                w->plugin = n->config.plugin_count++;
                *p = (struct node_plugin){.module = "sim",
                                          .check_interval_ms = f->o.check_ms,
                                          .check_timeout_ms = 1000,
                                          .retries = f->o.retries,
                                          .retry_delay_ms = 200,
                                          .retry_window_ms = 60000,
                                          .stop_budget_ms = n->stop_budget_ms,
                                          .activate_timeout_ms = f->o.start_ms * 2 + 1000};
                (void)snprintf(p->name.text, sizeof p->name.text, "%c%zu", letters[group], k);
                p->group = n->settings[n->config.group_count].name;
                p->origin = (struct origin){.file = "baton.conf", .line = 1};
        }
}

void fleet__configure(struct fleet_node *n)
{
        struct fleet *f = n->f;
        assert(!n->brain);
        n->config = (struct node_config){.id = n->number,
                                         .has_engine = true,
                                         .servers = n->servers,
                                         .server_count = (size_t)f->o.nodes,
                                         .session_timeout_ms = n->lease_ms,
                                         .clock_rate_ppm = 100000,
                                         .tick_time_ms = 100,
                                         .last_resort = n->last_resort,
                                         .groups = n->settings,
                                         .plugins = n->plugins};
        (void)snprintf(n->config.node.text, sizeof n->config.node.text, "node%d", n->number);
        for (int i = 0; i < f->o.nodes; i++) {
                (void)snprintf(n->servers[i].host, sizeof n->servers[i].host, "10.0.0.%d", i + 1);
                n->servers[i].port = WORLD_CLIENT_PORT;
        }
        n->config.address = n->servers[n->number - 1];
        for (size_t i = 0; i < f->o.groups; i++) {
                struct node_group *g = &n->settings[n->config.group_count];
                if (!n->groups[i].configured)
                        continue;
                *g = (struct node_group){.policy = f->o.policy,
                                         .priority = f->o.priority[n->number - 1],
                                         .stop_budget_ms = n->stop_budget_ms,
                                         .failback_ms = f->o.failback_ms,
                                         .backoff_ms = f->o.backoff_ms};
                (void)snprintf(g->name.text, sizeof g->name.text, "%s", fleet__group_name(i));
                configure_plugins(n, i);
                n->config.group_count++;
        }
        /* Workers of a group that is not there keep a number of their own, which no agent asks for. */
        size_t beyond = n->config.plugin_count;
        for (size_t i = 0; i < f->o.groups; i++)
                for (size_t k = 0; k < f->o.workers && !n->groups[i].configured; k++)
                        n->groups[i].workers[k].plugin = beyond++;
}

/* ---- its life ---- */

static void on_state(struct patron *p, enum client_state state)
{
        struct fleet_node *n = p->ctx;
        if (n->agent != p || !n->brain || n->dying)
                return;
        for (size_t i = 0; i < n->brain->group_count && state == CLIENT_SUSPENDED; i++)
                if (n->brain->groups[i].group->grant.renewing)
                        fleet__hit(n->f, MARK_RENEWAL_UNKNOWN);
        agent_client_state(n->brain, state, client_why(p->c));
}

void fleet__agent_begin(struct fleet_node *n, bool resume)
{
        struct fleet *f = n->f;
        struct agent_config config = {.config = &n->config, .version = "sim", .started = 1, .host = &host, .ctx = n};
        int32_t timeout = f->s->timeout_ms, divisor = f->s->answer_divisor;
        assert(!n->agent);
        fleet_say(f, "node %d: agent starts", n->number);
        fleet__configure(n);
        n->agent_ended = false;
        f->s->timeout_ms = (int32_t)n->lease_ms;
        f->s->answer_divisor = f->o.answer_divisor;
        n->agent = scene_add_skewed(f->s, 0, resume && n->saved.id ? &n->saved : NULL, n->offset_ms, n->rate_ppm);
        f->s->timeout_ms = timeout;
        f->s->answer_divisor = divisor;
        n->agent->on_state = on_state;
        n->agent->ctx = n;
        n->agent->cut = n->cut;
        n->agent->stopped = n->paused = false;
        (void)snprintf(config.instance, sizeof config.instance, "instance-%d", f->o.copies ? 1 : n->number);
        (void)snprintf(config.boot_id, sizeof config.boot_id, "%08d-0000-4000-8000-%012d", n->number, n->boot);
        n->brain = agent_new(&config);
        if (n->role != ROLE_NONE)
                agent_engine_role(n->brain, n->role, jute_cstr(""));
        FLEET_EACH_WORKER(n, w)
        fleet__link(w);
}

void fleet__agent_end(struct fleet_node *n, const char *how)
{
        struct fleet *f = n->f;
        if (!n->agent)
                return;
        fleet_say(f, "node %d: agent %s", n->number, how);
        n->dying = true; /* nothing that it still thinks leaves the process */
        FLEET_EACH_WORKER(n, w)
        fleet__unlink(w, true);
        scene_kill_client(n->agent);
        agent_free(n->brain);
        n->agent = NULL;
        n->brain = NULL;
        n->dying = n->paused = false;
}

static void hear(struct fleet_node *n, struct fleet_worker *w)
{
        enum fleet_letter_kind kind;
        struct message m;
        while (n->brain && fleet__fetch(w, true, &kind, &m)) {
                if (w->plugin >= n->config.plugin_count)
                        continue; /* its section is gone */
                if (kind == FLEET_LETTER_UP)
                        agent_worker_linked(n->brain, w->plugin);
                else if (kind == FLEET_LETTER_DOWN)
                        agent_worker_gone(n->brain, w->plugin);
                else
                        agent_worker_message(n->brain, w->plugin, &m);
        }
}

void fleet__agent_turn(struct fleet_node *n)
{
        if (!n->agent || n->paused || n->all_stands)
                return;
        FLEET_EACH_WORKER(n, w)
        {
                if (!w->linked && w->link_ms && fleet_now(n->f) >= w->link_ms) {
                        w->link_ms = 0;
                        fleet__link(w);
                }
                if (fleet__waits(w, true))
                        hear(n, w);
        }
        for (int i = 0; i < ROUNDS_MAX && agent_deadline(n->brain) <= fleet_node_now(n); i++)
                agent_turn(n->brain);
        if (n->agent_ended && n->f->o.supervised) {
                fleet__agent_end(n, "has ended");
                fleet__agent_exited(n);
        }
}

/* ---- what the engine beside it says ---- */

static enum node_role role_of(struct fleet *f, int number, int leader)
{
        if (!world_running(f->s->w, number))
                return ROLE_NONE;
        return leader == number ? ROLE_LEADING : leader ? ROLE_FOLLOWING : ROLE_LOOKING;
}

void fleet__engine_roles(struct fleet *f)
{
        int leader = world_leader(f->s->w);
        for (int i = 0; i < f->o.nodes; i++) {
                struct fleet_node *n = &f->nodes[i];
                enum node_role role = role_of(f, n->number, leader);
                if (role == n->role || fleet__is_dark(n) || n->all_stands || n->paused)
                        continue;
                n->role = role;
                if (n->brain && role == ROLE_NONE)
                        agent_engine_gone(n->brain);
                else if (n->brain)
                        agent_engine_role(n->brain, role, jute_cstr(""));
        }
}

/* ---- as tests see it ---- */

struct group *fleet_group(struct fleet *f, int number, size_t group)
{
        struct agent *a = fleet_node(f, number)->brain;
        for (size_t i = 0; a && i < a->group_count; i++)
                if (strcmp(group_name(a->groups[i].group), fleet__group_name(group)) == 0)
                        return a->groups[i].group;
        return NULL;
}

struct group_status fleet_status(struct fleet *f, int number, size_t group)
{
        struct group_status st = {.holder = "", .holder_state = "", .reason = "", .state = GROUP_OFFLINE};
        const struct group *g = fleet_group(f, number, group);
        if (g)
                group_status(g, &st);
        return st;
}
