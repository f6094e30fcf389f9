/* The hosts of groups and membership: what they want of the world goes on to the agent's own host. */
#include "daemon/agent/agent_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- groups ---- */

static struct agent *agent_of(void *ctx)
{
        return ((struct agent_group *)ctx)->agent;
}

static uint64_t group_now_ms(void *ctx)
{
        struct agent *a = agent_of(ctx);
        return a->host->now_ms(a->ctx);
}

static struct client *group_client(void *ctx)
{
        struct agent *a = agent_of(ctx);
        return a->host->client(a->ctx);
}

static bool group_member(void *ctx, const char *node, struct group_member *ret)
{
        return membership_find(agent_of(ctx)->membership, node, ret);
}

static void group_send(void *ctx, struct group *g, size_t worker, const struct message *m)
{
        struct agent_group *mine = ctx;
        struct agent *a = mine->agent;
        (void)g;
        assert(worker < mine->worker_count);
        if (a->workers[mine->workers[worker]].hello)
                a->host->send(a->ctx, mine->workers[worker], m);
}

static void group_changed(void *ctx, struct group *g)
{
        (void)g;
        agent_of(ctx)->self_dirty = true;
}

static void group_ended(void *ctx, struct group *g)
{
        struct agent_group *mine = ctx;
        (void)g;
        mine->ended = true;
        mine->agent->self_dirty = true; /* has agent_turn() look */
}

/* What of a group's own kinds has a kind of its own in the journal. */
static const enum agent_event group_kinds[] = {
        [GROUP_EVENT_TAKEN] = AGENT_EVENT_GROUP_ACQUIRED,  [GROUP_EVENT_TAKEN_UP] = AGENT_EVENT_GROUP_ACQUIRED,
        [GROUP_EVENT_ACTIVE] = AGENT_EVENT_GROUP_ACTIVE,   [GROUP_EVENT_STOPPING] = AGENT_EVENT_PLAIN,
        [GROUP_EVENT_LOST] = AGENT_EVENT_GROUP_LOST,       [GROUP_EVENT_RELEASED] = AGENT_EVENT_GROUP_RELEASED,
        [GROUP_EVENT_WAITING] = AGENT_EVENT_PLAIN,         [GROUP_EVENT_HOLDER] = AGENT_EVENT_PLAIN,
        [GROUP_EVENT_FAILED] = AGENT_EVENT_GROUP_GIVEN_UP, [GROUP_EVENT_ODD] = AGENT_EVENT_PLAIN,
        [GROUP_EVENT_TROUBLE] = AGENT_EVENT_PLAIN,
};
static_assert(sizeof group_kinds / sizeof *group_kinds == GROUP_EVENT_COUNT, "every event has its kind");

static void group_log(void *ctx, struct group *g, enum log_level level, enum group_event event, const char *text)
{
        struct agent *a = agent_of(ctx);
        struct group_status status;
        group_status(g, &status);
        const struct agent_line line = {.level = level,
                                        .event = group_kinds[event],
                                        .group = group_name(g),
                                        .token = status.token,
                                        .reason = status.reason,
                                        .role = a->role,
                                        .text = text};
        a->host->log(a->ctx, &line);
}

static const struct group_host group_host = {.now_ms = group_now_ms,
                                             .client = group_client,
                                             .member = group_member,
                                             .send = group_send,
                                             .changed = group_changed,
                                             .log = group_log,
                                             .ended = group_ended};

/* The plugins of a group, in the order of their sections. */
static size_t collect(struct agent *a, struct agent_group *mine, const struct node_group *settings,
                      struct name names[NODE_PLUGINS_MAX])
{
        size_t count = 0;
        mine->workers = mem_alloc(a->config->plugin_count * sizeof *mine->workers);
        for (size_t i = 0; i < a->config->plugin_count; i++) {
                if (strcmp(a->config->plugins[i].group.text, settings->name.text) != 0)
                        continue;
                a->workers[i].group = mine;
                a->workers[i].index_in_group = count;
                names[count] = a->config->plugins[i].name;
                mine->workers[count++] = i;
        }
        return count;
}

static bool group_begin(struct agent *a, struct agent_group *mine, const struct node_group *settings)
{
        struct name names[NODE_PLUGINS_MAX];
        struct group_config config = {.settings = settings,
                                      .node = a->config->node,
                                      .rate_ppm = a->config->clock_rate_ppm,
                                      .workers = names,
                                      .host = &group_host,
                                      .ctx = mine};
        *mine = (struct agent_group){.agent = a};
        mine->worker_count = config.worker_count = collect(a, mine, settings, names);
        memcpy(config.instance, a->instance, sizeof config.instance);
        memcpy(config.boot_id, a->boot_id, sizeof config.boot_id);
        if (mine->worker_count > 0 && group_new(&config, &mine->group) == 0)
                return true;
        agent__log(a, LOG_LEVEL_WARNING, AGENT_EVENT_PLAIN, "group %s has no plugins here: this node never takes it",
                   settings->name.text);
        mem_free(mine->workers);
        return false;
}

void agent__groups_new(struct agent *a)
{
        a->groups = mem_zalloc(a->config->group_count * sizeof *a->groups);
        for (size_t i = 0; i < a->config->group_count; i++)
                if (group_begin(a, &a->groups[a->group_count], &a->config->groups[i]))
                        a->group_count++;
}

void agent__groups_free(struct agent *a)
{
        for (size_t i = 0; i < a->group_count; i++) {
                group_free(a->groups[i].group);
                mem_free(a->groups[i].workers);
        }
        mem_free(a->groups);
}

bool agent__groups_ended(const struct agent *a)
{
        for (size_t i = 0; i < a->group_count; i++)
                if (!a->groups[i].ended)
                        return false;
        return true;
}

/* ---- membership ---- */

static uint64_t membership_now_ms(void *ctx)
{
        struct agent *a = ctx;
        return a->host->now_ms(a->ctx);
}

static struct client *membership_client(void *ctx)
{
        struct agent *a = ctx;
        return a->host->client(a->ctx);
}

static void members_changed(void *ctx)
{
        struct agent *a = ctx;
        a->members_dirty = true;
        for (size_t i = 0; i < a->group_count; i++)
                group_members_changed(a->groups[i].group);
}

static void standing(void *ctx, enum membership_state state, const char *text)
{
        struct agent *a = ctx;
        bool ready = state == MEMBERSHIP_IN;
        (void)snprintf(a->taken, sizeof a->taken, "%s", text);
        a->self_dirty = true;
        if (ready == a->ready)
                return;
        a->ready = ready;
        struct message m = message_of(ready ? MESSAGE_READY : MESSAGE_UNREADY);
        a->host->control(a->ctx, &m);
}

static const enum agent_event membership_kinds[] = {
        [MEMBERSHIP_EVENT_JOINED] = AGENT_EVENT_MEMBER_JOINED, [MEMBERSHIP_EVENT_LEFT] = AGENT_EVENT_MEMBER_LEFT,
        [MEMBERSHIP_EVENT_IN] = AGENT_EVENT_MEMBER_JOINED,     [MEMBERSHIP_EVENT_OUT] = AGENT_EVENT_MEMBER_LEFT,
        [MEMBERSHIP_EVENT_TAKEN] = AGENT_EVENT_PLAIN,          [MEMBERSHIP_EVENT_ODD] = AGENT_EVENT_PLAIN,
};
static_assert(sizeof membership_kinds / sizeof *membership_kinds == MEMBERSHIP_EVENT_COUNT, "every event has its kind");

static void membership_log(void *ctx, enum log_level level, enum membership_event event, const char *node,
                           const char *text)
{
        struct agent *a = ctx;
        const struct agent_line line = {
                .level = level, .event = membership_kinds[event], .member = node, .role = a->role, .text = text};
        a->host->log(a->ctx, &line);
}

const struct membership_host agent__membership_host = {.now_ms = membership_now_ms,
                                                       .client = membership_client,
                                                       .changed = members_changed,
                                                       .standing = standing,
                                                       .log = membership_log};
