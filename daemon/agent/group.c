#include "daemon/agent/group_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
        [GROUP_OFFLINE] = "offline",   [GROUP_STANDBY] = "standby",     [GROUP_WAITING] = "waiting",
        [GROUP_TAKING] = "taking",     [GROUP_STARTING] = "starting",   [GROUP_ACTIVE] = "active",
        [GROUP_STOPPING] = "stopping", [GROUP_RELEASING] = "releasing", [GROUP_ENDED] = "ended",
};
static_assert(sizeof state_names / sizeof *state_names == GROUP_STATE_COUNT, "every state has its name");

static const char *const event_names[] = {
        [GROUP_EVENT_TAKEN] = "taken",       [GROUP_EVENT_TAKEN_UP] = "taken-up", [GROUP_EVENT_ACTIVE] = "active",
        [GROUP_EVENT_STOPPING] = "stopping", [GROUP_EVENT_LOST] = "lost",         [GROUP_EVENT_RELEASED] = "released",
        [GROUP_EVENT_WAITING] = "waiting",   [GROUP_EVENT_HOLDER] = "holder",     [GROUP_EVENT_FAILED] = "failed",
        [GROUP_EVENT_ODD] = "odd",           [GROUP_EVENT_TROUBLE] = "trouble",
};
static_assert(sizeof event_names / sizeof *event_names == GROUP_EVENT_COUNT, "every event has its name");

const char *group_state_name(enum group_state state)
{
        return state_names[state];
}

const char *group_event_name(enum group_event event)
{
        return event_names[event];
}

const char *group_name(const struct group *g)
{
        return g->settings.name.text;
}

/* ---- small things for all ---- */

uint64_t group__now(const struct group *g)
{
        return g->host->now_ms(g->ctx);
}

void group__wake(struct group *g, uint64_t at_ms)
{
        if (at_ms < g->wake_ms)
                g->wake_ms = at_ms;
}

void group__log(struct group *g, enum log_level level, enum group_event event, const char *format, ...)
{
        char text[LOG_LINE_MAX];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        g->host->log(g->ctx, g, level, event, text);
}

bool group__can_ask(const struct group *g, uint64_t now_ms)
{
        return g->connected && now_ms >= g->retry_ms;
}

uint32_t group__budget_ms(const struct group *g)
{
        uint32_t budget = 0;
        if (g->settings.stop_budget_ms)
                return g->settings.stop_budget_ms;
        for (size_t i = 0; i < g->worker_count; i++)
                if (budget < g->workers[i].budget_ms)
                        budget = g->workers[i].budget_ms;
        return budget ? budget : GROUP_BUDGET_DEFAULT_MS;
}

/* ---- ending ---- */

static bool workers_at_rest(const struct group *g)
{
        for (size_t i = 0; i < g->worker_count; i++)
                if (g->workers[i].granted)
                        return false;
        return true;
}

/* When all is stopped and written down; or when it cannot be, for what was not released runs out by itself. */
static void end_due(struct group *g, uint64_t now_ms)
{
        const struct field *f = &g->field;
        uint64_t limit_ms = g->ending_ms + (uint64_t)group__budget_ms(g) * g->worker_count + GROUP_WORKER_AWAY_MS;
        if (!workers_at_rest(g)) {
                g->at_rest_ms = 0;
        } else {
                if (!g->at_rest_ms)
                        g->at_rest_ms = now_ms;
                uint64_t patience_ms = (uint64_t)client_timeout_ms(g->host->client(g->ctx));
                if (limit_ms > g->at_rest_ms + patience_ms)
                        limit_ms = g->at_rest_ms + patience_ms;
        }
        bool busy = g->grant.held || g->taking || g->releasing || f->making || !workers_at_rest(g);
        bool written = g->connected && g->fresh && !group__to_release(g) && group__field_gone(g);
        if ((!busy && written) || now_ms >= limit_ms) {
                g->ended = true;
                g->wake_ms = UINT64_MAX;
        } else {
                group__wake(g, limit_ms);
        }
}

void group_stop(struct group *g, enum stop_how how)
{
        if (g->ended || g->kept || (g->ending && how == STOP_RELEASE))
                return;
        if (how == STOP_KEEP) {
                g->kept = true;
                g->wake_ms = UINT64_MAX;
                g->state = GROUP_ENDED;
                if (g->host->ended)
                        g->host->ended(g->ctx, g);
                return;
        }
        g->ending = true;
        g->ending_ms = group__now(g);
        group__think(g);
}

/* ---- status ---- */

static enum group_state state_now(struct group *g, uint64_t now_ms)
{
        const struct grant *grant = &g->grant;
        const struct sight *s = &g->sight;
        if (g->ended)
                return GROUP_ENDED;
        if (grant->held && grant->stopping)
                return group__workers_stopped(g) ? GROUP_RELEASING : GROUP_STOPPING;
        if (grant->held)
                return group__workers_active(g) ? GROUP_ACTIVE : GROUP_STARTING;
        if (g->taking)
                return GROUP_TAKING;
        if (g->releasing)
                return GROUP_RELEASING;
        if (!g->connected || !g->seen)
                return GROUP_OFFLINE;
        if (now_ms >= g->rest_end_ms || g->free_since_ms)
                return GROUP_STANDBY;
        /* A holder renews six times in a lease; three missed ones are worth a word. */
        uint64_t silent_ms = g->change_ms + s->holder.lease_ms / 2;
        if (!s->has_active || now_ms >= silent_ms)
                return GROUP_WAITING;
        group__wake(g, silent_ms);
        return GROUP_STANDBY;
}

static void explain(struct group *g, char *ret, size_t size)
{
        const struct sight *s = &g->sight;
        if (g->grant.held)
                (void)snprintf(ret, size, "%s", g->grant.reason);
        else if (g->seen && s->broken)
                (void)snprintf(ret, size, "its holder znode has no value that can be read");
        else if (g->seen && s->has_holder && s->holder.state != HOLDER_ACTIVE)
                (void)snprintf(ret, size, "%s", s->holder.reason);
        else
                (void)snprintf(ret, size, "%s", "");
}

static void set_state(struct group *g, uint64_t now_ms)
{
        char reason[sizeof g->reason];
        enum group_state state = state_now(g, now_ms);
        explain(g, reason, sizeof reason);
        bool changed = g->dirty || state != g->state || strcmp(reason, g->reason) != 0;
        if (state == GROUP_WAITING && state != g->state)
                group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_WAITING, "%s does not renew; it may be taken in %llu ms",
                           g->sight.holder.node.text[0] ? g->sight.holder.node.text : "whoever has it",
                           (unsigned long long)(g->rest_end_ms - now_ms));
        g->state = state;
        g->dirty = false;
        memcpy(g->reason, reason, sizeof reason);
        if (changed)
                g->host->changed(g->ctx, g);
}

void group_status(const struct group *g, struct group_status *ret)
{
        const struct sight *s = &g->sight;
        const struct grant *grant = &g->grant;
        *ret = (struct group_status){
                .group = g->settings.name.text,
                .policy = g->settings.policy,
                .state = g->state,
                .holder = grant->held ? g->node.text : s->holder.node.text,
                .holder_state = s->has_holder && !s->broken ? holder_state_name(s->holder.state) : "",
                .here = grant->held,
                .token = grant->held     ? grant->token
                         : s->has_active ? s->token
                                         : s->holder.token,
                .deadline_ms = grant->held ? grant->deadline_ms : 0,
                .free_ms = g->state == GROUP_WAITING ? g->rest_end_ms : 0,
                .lease_ms = grant->held ? grant->lease_ms : s->holder.lease_ms,
                .budget_ms = grant->held ? grant->budget_ms : s->holder.budget_ms,
                .reason = g->reason,
                .candidate = group__is_candidate(g),
                .failures = g->failures,
                .rest_until_ms = g->rest_until_ms,
                .candidates = g->field.known,
                .candidate_count = g->field.known_count,
        };
}

/* ---- events ---- */

void group__think(struct group *g)
{
        uint64_t now_ms = group__now(g);
        if (g->ended || g->kept)
                return;
        g->wake_ms = UINT64_MAX;
        if (g->connected && g->retry_ms > now_ms)
                group__wake(g, g->retry_ms);
        if (g->rest_until_ms && now_ms >= g->rest_until_ms) {
                g->rest_until_ms = 0;
                g->dirty = true;
        }
        group__judge(g, now_ms);
        group__grant_due(g, now_ms);
        group__workers_due(g, now_ms);
        group__read_due(g, now_ms);
        group__field_due(g, now_ms);
        if (g->ending)
                end_due(g, now_ms);
        set_state(g, now_ms);
        if (g->ended && g->host->ended)
                g->host->ended(g->ctx, g);
}

static void connected(struct group *g, uint64_t now_ms)
{
        struct client_session session;
        client_session(g->host->client(g->ctx), &session);
        if (g->grant.held && session.id != g->session)
                group__lose(g, now_ms, "the session is another one");
        g->session = session.id;
        g->connected = true;
        g->retry_ms = 0;
        g->grant.renew_ms = now_ms; /* what is held is renewed at once */
        g->reading.under_way = false;
        /* Where a watch stands from before, another one is set: only that tells whether a deletion was the first
         * change. */
        g->reading.watched_token = 0;
        g->reading.active_watched = false;
        g->reading.stirred = true;
        group__field_reset(g);
        group__read_want(g);
}

void group_session(struct group *g, enum client_state state)
{
        uint64_t now_ms = group__now(g);
        if (g->kept || g->ended)
                return;
        switch (state) {
        case CLIENT_CONNECTED:
        case CLIENT_RESUMED:
                connected(g, now_ms);
                break;
        case CLIENT_SUSPENDED:
                g->connected = g->fresh = false;
                g->reading.stirred = true;
                g->reading.watched_token = 0; /* what its watch tells from now on may be the last of several changes */
                break;
        case CLIENT_EXPIRED:
        case CLIENT_CLOSED:
                g->connected = g->fresh = false;
                g->session = 0;
                group__lose(g, now_ms, "the session with the ensemble has expired");
                break;
        case CLIENT_IDLE:
        case CLIENT_CONNECTING:
        case CLIENT_STATE_MAX:
                return;
        }
        group__think(g);
}

void group_members_changed(struct group *g)
{
        group__field_sum_up(g);
        group__think(g);
}

void group_tick(struct group *g)
{
        group__think(g);
}

uint64_t group_deadline(const struct group *g)
{
        return g->wake_ms;
}

/* ---- life ---- */

static bool is_valid(const struct group_config *c)
{
        return c->settings && c->host && name_is_valid(c->settings->name.text) && name_is_valid(c->node.text) &&
               c->instance[0] && c->rate_ppm < 1000000 && c->worker_count >= 1 && c->worker_count <= NODE_PLUGINS_MAX;
}

static void set_paths(struct group *g)
{
        (void)snprintf(g->path, sizeof g->path, "/baton/groups/%s", g->settings.name.text);
        (void)snprintf(g->candidates_path, sizeof g->candidates_path, "%s/candidates", g->path);
        (void)snprintf(g->own_path, sizeof g->own_path, "%s/%s", g->candidates_path, g->node.text);
        (void)snprintf(g->holder_path, sizeof g->holder_path, "%s/holder", g->path);
        (void)snprintf(g->active_path, sizeof g->active_path, "%s/active", g->path);
}

int group_new(const struct group_config *config, struct group **ret)
{
        if (!is_valid(config))
                return -EINVAL;
        struct group *g = mem_zalloc(sizeof *g);
        g->settings = *config->settings;
        g->settings.members =
                mem_dup(config->settings->members, config->settings->member_count * sizeof *g->settings.members);
        g->node = config->node;
        memcpy(g->instance, config->instance, sizeof g->instance);
        memcpy(g->boot_id, config->boot_id, sizeof g->boot_id);
        g->rate_ppm = config->rate_ppm;
        g->host = config->host;
        g->ctx = config->ctx;
        g->wake_ms = UINT64_MAX;
        list_init(&g->calls);
        set_paths(g);
        g->worker_count = config->worker_count;
        g->workers = mem_zalloc(g->worker_count * sizeof *g->workers);
        for (size_t i = 0; i < g->worker_count; i++) {
                g->workers[i].name = config->workers[i];
                g->workers[i].away_ms = group__now(g);
        }
        *ret = g;
        return 0;
}

void group_free(struct group *g)
{
        if (!g)
                return;
        while (!list_empty(&g->calls)) {
                struct group_call *call = LIST_ENTRY(g->calls.next, struct group_call, link);
                call->g = NULL;
                list_remove(&call->link);
        }
        mem_free(g->settings.members);
        mem_free(g->workers);
        mem_free(g);
}
