#include "daemon/agent/agent.h"

#include "daemon/agent/agent_internal.h"
#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void agent__log(struct agent *a, enum log_level level, enum agent_event event, const char *format, ...)
{
        char text[LOG_LINE_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut, as the log would */
        va_end(ap);
        const struct agent_line line = {.level = level, .event = event, .role = a->role, .text = text};
        a->host->log(a->ctx, &line);
}

void agent__text(char *ret, size_t size, struct jute_str text)
{
        (void)snprintf(ret, size, "%.*s", text.len > 0 ? text.len : 0, text.len > 0 ? (const char *)text.data : "");
}

/* ---- beginning and end ---- */

struct agent *agent_new(const struct agent_config *config)
{
        struct agent *a = mem_zalloc(sizeof *a);
        a->config = config->config;
        a->host = config->host;
        a->ctx = config->ctx;
        a->version = config->version;
        a->started = config->started;
        memcpy(a->instance, config->instance, sizeof a->instance);
        memcpy(a->boot_id, config->boot_id, sizeof a->boot_id);
        a->members = mem_alloc(MESSAGE_MEMBERS_MAX * sizeof *a->members);
        a->workers = mem_zalloc(a->config->plugin_count * sizeof *a->workers);
        for (size_t i = 0; i < a->config->plugin_count; i++)
                a->workers[i].plugin = &a->config->plugins[i];
        struct membership_config membership = {.node = a->config->node, .host = &agent__membership_host, .ctx = a};
        memcpy(membership.instance, a->instance, sizeof membership.instance);
        memcpy(membership.boot_id, a->boot_id, sizeof membership.boot_id);
        a->membership = membership_new(&membership);
        a->watch = config_watch_new(&agent__watch_host, a);
        a->sets = (struct config_sets){.done = agent__config_done, .ctx = a};
        agent__groups_new(a);
        a->patience_ms = a->host->now_ms(a->ctx) + AGENT_CONNECT_PATIENCE_MS;
        a->self_dirty = true;
        return a;
}

void agent_free(struct agent *a)
{
        if (!a)
                return;
        agent__groups_free(a);
        config_watch_free(a->watch);
        membership_free(a->membership);
        mem_free(a->workers);
        mem_free(a->members);
        mem_free(a);
}

/* ---- the session ---- */

static void save(struct agent *a)
{
        struct client_session s;
        client_session(a->host->client(a->ctx), &s);
        a->has_session = s.id != 0;
        a->saved_zxid = s.last_zxid;
        a->saved_ms = a->host->now_ms(a->ctx);
        a->host->save(a->ctx, s.id ? &s : NULL);
}

static void forget_session(struct agent *a)
{
        a->has_session = false;
        a->host->save(a->ctx, NULL);
}

static bool save_is_due(const struct agent *a)
{
        struct client_session s;
        if (!a->has_session || a->phase == AGENT_ENDED)
                return false;
        client_session(a->host->client(a->ctx), &s);
        return s.id != 0 && s.last_zxid != a->saved_zxid;
}

static void connected(struct agent *a, enum client_state state)
{
        struct client *c = a->host->client(a->ctx);
        const struct client_server *s = client_server(c);
        struct client_session session;
        client_session(c, &session);
        a->was_connected = true;
        a->patience_ms = UINT64_MAX;
        agent__log(a, LOG_LEVEL_INFO, AGENT_EVENT_PLAIN, "connected to %s:%u, %s 0x%" PRIx64 ", timeout %" PRId32 " ms",
                   s->host, (unsigned)s->port, state == CLIENT_CONNECTED ? "a new session" : "the session goes on,",
                   (uint64_t)session.id, client_timeout_ms(c));
        save(a);
        for (size_t i = 0; i < a->group_count; i++)
                group_session(a->groups[i].group, state);
        membership_session(a->membership, state);
        config_watch_session(a->watch);
}

static void disconnected(struct agent *a, enum client_state state, const char *why)
{
        if (state == CLIENT_SUSPENDED)
                agent__log(a, LOG_LEVEL_WARNING, AGENT_EVENT_PLAIN, "%s; trying the next server", why);
        else
                agent__log(a, LOG_LEVEL_WARNING, AGENT_EVENT_PLAIN, "%s; beginning a new session", why);
        a->patience_ms = a->host->now_ms(a->ctx) + AGENT_CONNECT_PATIENCE_MS;
        for (size_t i = 0; i < a->group_count; i++)
                group_session(a->groups[i].group, state);
        membership_session(a->membership, state);
        if (state != CLIENT_EXPIRED)
                return;
        forget_session(a);
        a->host->start(a->ctx);
}

static void end(struct agent *a)
{
        if (a->phase == AGENT_ENDED)
                return;
        a->phase = AGENT_ENDED;
        a->host->ended(a->ctx);
}

void agent_client_state(struct agent *a, enum client_state state, const char *why)
{
        if (a->phase == AGENT_ENDED)
                return;
        a->self_dirty = true;
        switch (state) {
        case CLIENT_CONNECTED:
        case CLIENT_RESUMED:
                connected(a, state);
                break;
        case CLIENT_SUSPENDED:
        case CLIENT_EXPIRED:
                disconnected(a, state, why);
                break;
        case CLIENT_CLOSED:
                if (*why && a->phase == AGENT_CLOSING)
                        agent__log(a, LOG_LEVEL_INFO, AGENT_EVENT_PLAIN, "%s", why);
                forget_session(a);
                end(a);
                break;
        default:
                break;
        }
}

/* ---- the engine ---- */

static void set_role(struct agent *a, enum node_role role, const char *text)
{
        bool news = a->role != role;
        a->role = role;
        (void)snprintf(a->engine_text, sizeof a->engine_text, "%s", text);
        a->self_dirty = true;
        if (!news)
                return;
        agent__log(a, LOG_LEVEL_INFO, AGENT_EVENT_ROLE, "this node's server: %s",
                   *text ? text : (role == ROLE_NONE ? "not there" : node_role_name(role)));
        agent__tell_role(a);
}

void agent_engine_role(struct agent *a, enum node_role role, struct jute_str text)
{
        char line[MEMBER_TEXT_BYTES_MAX + 4];
        agent__text(line, sizeof line, text);
        set_role(a, role, line);
}

void agent_engine_gone(struct agent *a)
{
        set_role(a, ROLE_NONE, "");
}

/* ---- stopping ---- */

void agent_stop(struct agent *a, enum stop_how how)
{
        if (a->phase == AGENT_ENDED || (how == STOP_RELEASE && a->phase != AGENT_RUNNING))
                return;
        for (size_t i = 0; i < a->group_count; i++)
                group_stop(a->groups[i].group, how);
        a->self_dirty = true;
        if (how == STOP_RELEASE) {
                a->phase = AGENT_RELEASING; /* agent_turn() goes on when the groups have ended */
                return;
        }
        membership_stop(a->membership);
        if (save_is_due(a))
                save(a);
        end(a);
}

static void advance_stop(struct agent *a)
{
        if (a->phase != AGENT_RELEASING || !agent__groups_ended(a))
                return;
        a->phase = AGENT_CLOSING;
        membership_stop(a->membership);
        a->host->close(a->ctx, AGENT_CLOSE_MS);
}

/* ---- turns ---- */

/* One clear line with all that was tried. */
static void say_unreachable(struct agent *a, uint64_t now_ms)
{
        char servers[512] = "";
        struct client *c = a->host->client(a->ctx);
        const char *why = client_why(c);
        for (size_t i = 0; i < a->config->server_count; i++) {
                size_t len = strlen(servers);
                (void)snprintf(servers + len, sizeof servers - len, "%s%s:%u", i ? ", " : "",
                               a->config->servers[i].host, (unsigned)a->config->servers[i].port); /* cut */
        }
        agent__log(a, LOG_LEVEL_WARNING, AGENT_EVENT_PLAIN,
                   "no server of the ensemble takes this node: tried %s%s%s%s; "
                   "trying on. Are they running, and reachable from here?",
                   servers, *why ? " (the last: " : "", why, *why ? ")" : "");
        a->patience_ms = now_ms + AGENT_CONNECT_REMIND_MS;
}

static void tick_parts(struct agent *a, uint64_t now_ms)
{
        for (size_t i = 0; i < a->group_count; i++)
                if (group_deadline(a->groups[i].group) <= now_ms)
                        group_tick(a->groups[i].group);
        if (membership_deadline(a->membership) <= now_ms)
                membership_tick(a->membership);
        if (config_watch_deadline(a->watch) <= now_ms)
                config_watch_tick(a->watch);
}

void agent_turn(struct agent *a)
{
        uint64_t now = a->host->now_ms(a->ctx);
        if (a->phase == AGENT_ENDED)
                return;
        tick_parts(a, now);
        advance_stop(a);
        if (a->members_dirty)
                agent__tell_members(a);
        if (a->self_dirty)
                agent__say_self(a);
        if (save_is_due(a) && now >= a->saved_ms + AGENT_SAVE_MS)
                save(a);
        if (now >= a->patience_ms && a->phase == AGENT_RUNNING)
                say_unreachable(a, now);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t agent_deadline(const struct agent *a)
{
        uint64_t at = a->phase == AGENT_RUNNING ? a->patience_ms : UINT64_MAX;
        if (a->phase == AGENT_ENDED)
                return UINT64_MAX;
        if (a->members_dirty || a->self_dirty || (a->phase == AGENT_RELEASING && agent__groups_ended(a)))
                return 0;
        for (size_t i = 0; i < a->group_count; i++)
                at = sooner(at, group_deadline(a->groups[i].group));
        at = sooner(at, membership_deadline(a->membership));
        at = sooner(at, config_watch_deadline(a->watch));
        return save_is_due(a) ? sooner(at, a->saved_ms + AGENT_SAVE_MS) : at;
}
