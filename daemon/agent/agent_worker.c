/* Conversations with workers: HELLO first, then they are told role, members and configuration as they are, and every
 * change from then on. */
#include "daemon/agent/agent_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- what they are told ---- */

static void tell_role(struct agent *a, size_t worker)
{
        struct message m = message_of(MESSAGE_ROLE);
        m.role = a->role;
        m.text = jute_cstr(a->engine_text);
        a->host->send(a->ctx, worker, &m);
}

void agent__tell_role(struct agent *a)
{
        for (size_t i = 0; i < a->config->plugin_count; i++)
                if (a->workers[i].hello)
                        tell_role(a, i);
}

static void tell_members(struct agent *a, size_t worker)
{
        struct message m = message_of(MESSAGE_MEMBERS);
        m.members = a->members;
        m.member_count = a->member_count;
        a->host->send(a->ctx, worker, &m);
}

static bool same_members(const struct message_member *x, const struct message_member *y, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(x[i].name.text, y[i].name.text) != 0 || x[i].role != y[i].role || x[i].here != y[i].here)
                        return false;
        return true;
}

void agent__tell_members(struct agent *a)
{
        static struct message_member now[MESSAGE_MEMBERS_MAX]; /* too large for a stack; one loop, one agent */
        size_t count = membership_list(a->membership, now);
        a->members_dirty = false;
        if (a->members_told && count == a->member_count && same_members(now, a->members, count))
                return;
        a->members_told = true;
        a->member_count = count;
        memcpy(a->members, now, count * sizeof *now);
        a->self_dirty = true;
        for (size_t i = 0; i < a->config->plugin_count; i++)
                if (a->workers[i].hello)
                        tell_members(a, i);
}

/* ---- committed configuration ---- */

static struct message config_message(const struct config_change *change)
{
        struct message m = message_of(MESSAGE_CONFIG);
        m.path = jute_cstr(change->path);
        m.data = change->data;
        m.version = change->version;
        m.zxid = change->zxid;
        return m;
}

struct listener {
        struct agent *a;
        size_t worker;
};

static void replay_one(void *ctx, const struct config_change *change)
{
        const struct listener *l = ctx;
        struct message m = config_message(change);
        if (l->a->workers[l->worker].hello) /* still: a link that overflows ends within this */
                l->a->host->send(l->a->ctx, l->worker, &m);
}

static void tell_config(struct agent *a, size_t worker)
{
        struct listener l = {.a = a, .worker = worker};
        struct message m = message_of(MESSAGE_CONFIG_SYNCED);
        m.zxid = config_watch_replay(a->watch, replay_one, &l);
        a->workers[worker].config_synced = true;
        if (a->workers[worker].hello)
                a->host->send(a->ctx, worker, &m);
}

static void on_config_changed(void *ctx, const struct config_change *change)
{
        struct agent *a = ctx;
        struct message m = config_message(change);
        for (size_t i = 0; i < a->config->plugin_count; i++)
                if (a->workers[i].hello && a->workers[i].config_synced)
                        a->host->send(a->ctx, i, &m);
}

static void on_config_synced(void *ctx, int64_t zxid)
{
        struct agent *a = ctx;
        (void)zxid; /* the replay says it */
        for (size_t i = 0; i < a->config->plugin_count; i++)
                if (a->workers[i].hello)
                        tell_config(a, i);
}

static uint64_t watch_now_ms(void *ctx)
{
        struct agent *a = ctx;
        return a->host->now_ms(a->ctx);
}

static struct client *watch_client(void *ctx)
{
        struct agent *a = ctx;
        return a->host->client(a->ctx);
}

static void watch_log(void *ctx, enum log_level level, const char *text)
{
        agent__log(ctx, level, AGENT_EVENT_PLAIN, "%s", text);
}

const struct config_watch_host agent__watch_host = {.now_ms = watch_now_ms,
                                                    .client = watch_client,
                                                    .changed = on_config_changed,
                                                    .synced = on_config_synced,
                                                    .log = watch_log};

void agent__config_done(void *ctx, const struct config_set_from *from, int32_t error, int32_t version)
{
        struct agent *a = ctx;
        struct message m = message_of(MESSAGE_CONFIG_DONE);
        const struct agent_worker *w = &a->workers[from->worker];
        if (!w->hello || w->conversation != from->conversation)
                return; /* who asked is gone */
        m.number = from->number;
        m.error = error;
        m.version = version;
        a->host->send(a->ctx, from->worker, &m);
}

/* ---- what they say ---- */

static void reset(struct agent_worker *w)
{
        w->linked = w->hello = w->config_synced = false;
        w->state = WORKER_OPENING;
        w->health = HEALTH_UNKNOWN;
        w->text[0] = 0;
}

void agent_worker_linked(struct agent *a, size_t worker)
{
        struct agent_worker *w = &a->workers[worker];
        reset(w);
        w->linked = true;
        w->conversation++;
        a->self_dirty = true;
}

void agent_worker_gone(struct agent *a, size_t worker)
{
        struct agent_worker *w = &a->workers[worker];
        bool said_hello = w->hello;
        if (!w->linked)
                return;
        reset(w);
        a->self_dirty = true;
        if (w->group && said_hello)
                group_worker_gone(w->group->group, w->index_in_group);
}

static void drop(struct agent *a, size_t worker, const char *why)
{
        agent__log(a, LOG_LEVEL_WARNING, AGENT_EVENT_PLAIN, "worker %s: %s; its link is closed",
                   a->workers[worker].plugin->name.text, why);
        a->host->drop(a->ctx, worker);
        agent_worker_gone(a, worker);
}

static void hello(struct agent *a, size_t worker, const struct message *m)
{
        struct agent_worker *w = &a->workers[worker];
        if (strcmp(m->name.text, w->plugin->name.text) != 0 || strcmp(m->group.text, w->plugin->group.text) != 0) {
                drop(a, worker, "it says that it is another plugin, or of another group, than the configuration has");
                return;
        }
        w->hello = true;
        w->state = m->state;
        if (w->group)
                group_worker_message(w->group->group, w->index_in_group, m);
        tell_role(a, worker);
        if (a->members_told && w->hello)
                tell_members(a, worker);
        if (config_watch_is_synced(a->watch) && w->hello)
                tell_config(a, worker);
}

static void asked_to_set(struct agent *a, size_t worker, const struct message *m)
{
        const struct config_set_from from = {
                .worker = worker, .conversation = a->workers[worker].conversation, .number = m->number};
        config_set(&a->sets, a->host->client(a->ctx), &from, m->path, m->data, m->version);
}

void agent_worker_message(struct agent *a, size_t worker, const struct message *m)
{
        struct agent_worker *w = &a->workers[worker];
        if (a->phase == AGENT_ENDED || !w->linked)
                return;
        if (!w->hello && m->type != MESSAGE_HELLO) {
                drop(a, worker, "it does not begin with HELLO");
                return;
        }
        a->self_dirty = true;
        switch (m->type) {
        case MESSAGE_HELLO:
                hello(a, worker, m);
                return;
        case MESSAGE_STATE:
                w->state = m->state;
                agent__text(w->text, sizeof w->text, m->text);
                break;
        case MESSAGE_HEALTH:
                w->health = m->health;
                agent__text(w->text, sizeof w->text, m->text);
                break;
        case MESSAGE_NOTE:
                agent__text(w->note, sizeof w->note, m->text);
                return;
        case MESSAGE_CONFIG_SET:
                asked_to_set(a, worker, m);
                return;
        default:
                drop(a, worker, "it says what no worker says to an agent");
                return;
        }
        if (w->group)
                group_worker_message(w->group->group, w->index_in_group, m);
}
