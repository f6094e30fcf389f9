/* What the node says of itself: one line for systemd, and its member value for the others. */
#include "daemon/agent/agent_internal.h"

#include "election/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(char *line, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *line, size_t size, const char *format, ...)
{
        size_t len = strlen(line);
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(line + len, size - len, format, ap); /* cut */
        va_end(ap);
}

/* ---- the line ---- */

static const char *role_word(enum node_role role)
{
        switch (role) {
        case ROLE_LEADING:
                return "leader";
        case ROLE_FOLLOWING:
                return "follower";
        case ROLE_OBSERVING:
                return "observer";
        default:
                return "member"; /* no server here, or one that is looking while another one serves us */
        }
}

/* Under which word a group stands in the line. */
static const char *group_word(enum group_state state)
{
        switch (state) {
        case GROUP_ACTIVE:
                return "active";
        case GROUP_TAKING:
        case GROUP_STARTING:
                return "starting";
        case GROUP_STOPPING:
        case GROUP_RELEASING:
                return "stopping";
        case GROUP_WAITING:
                return "waiting";
        case GROUP_STANDBY:
                return "standby";
        default:
                return "unknown";
        }
}

static void add_groups(const struct agent *a, char *line, size_t size)
{
        static const char *const words[] = {"active", "starting", "stopping", "waiting", "standby", "unknown"};
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
                bool first = true;
                for (size_t i = 0; i < a->group_count; i++) {
                        struct group_status s;
                        group_status(a->groups[i].group, &s);
                        if (strcmp(group_word(s.state), words[w]) != 0)
                                continue;
                        if (first)
                                add(line, size, ", %s: %s", words[w], s.group);
                        else
                                add(line, size, " %s", s.group);
                        first = false;
                }
        }
}

static void add_servers(const struct agent *a, char *line, size_t size)
{
        for (size_t i = 0; i < a->config->server_count; i++)
                add(line, size, "%s%s:%u", i ? ", " : "", a->config->servers[i].host,
                    (unsigned)a->config->servers[i].port);
}

static void without_connection(const struct agent *a, char *line, size_t size)
{
        const char *why = client_why(a->host->client(a->ctx));
        if (a->role == ROLE_LOOKING) {
                add(line, size, "no quorum: %s", a->engine_text[0] ? a->engine_text : "this server looks for a leader");
        } else {
                add(line, size, "connecting: ");
                add_servers(a, line, size);
                if (*why)
                        add(line, size, " (%s)", why);
        }
        if (a->was_connected)
                add_groups(a, line, size);
}

static void status_line(const struct agent *a, char *line, size_t size)
{
        line[0] = 0;
        if (a->phase != AGENT_RUNNING)
                add(line, size, "ending, ");
        if (!client_is_connected(a->host->client(a->ctx))) {
                without_connection(a, line, size);
                return;
        }
        if (!a->ready) {
                add(line, size, "no member: %s", a->taken[0] ? a->taken : "joining");
                return;
        }
        add(line, size, "%s of %zu", role_word(a->role), a->member_count);
        add_groups(a, line, size);
}

static void say_status(struct agent *a)
{
        char line[MESSAGE_TEXT_MAX];
        struct message m = message_of(MESSAGE_STATUS);
        status_line(a, line, sizeof line);
        if (strcmp(line, a->status) == 0)
                return;
        memcpy(a->status, line, sizeof line);
        m.text = jute_cstr(a->status);
        a->host->control(a->ctx, &m);
}

/* ---- the value ---- */

static void fill_plugins(const struct agent *a, struct member_plugin *plugins)
{
        for (size_t i = 0; i < a->config->plugin_count; i++) {
                const struct agent_worker *w = &a->workers[i];
                plugins[i] = (struct member_plugin){.name = w->plugin->name.text,
                                                    .module = w->plugin->module,
                                                    .group = w->plugin->group.text,
                                                    .linked = w->hello,
                                                    .state = w->state,
                                                    .health = w->health,
                                                    .text = w->text,
                                                    .note = w->note};
        }
}

static void fill_groups(const struct agent *a, struct member_group *groups)
{
        for (size_t i = 0; i < a->group_count; i++) {
                struct group_status s;
                group_status(a->groups[i].group, &s);
                groups[i] = (struct member_group){.name = s.group,
                                                  .state = group_state_name(s.state),
                                                  .holder = s.holder,
                                                  .reason = s.reason,
                                                  .token = s.token};
        }
}

static void publish(struct agent *a)
{
        char address[MEMBER_ADDRESS_BYTES_MAX + 1];
        struct member_plugin *plugins = mem_alloc(a->config->plugin_count * sizeof *plugins);
        struct member_group *groups = mem_alloc(a->group_count * sizeof *groups);
        struct member_self self = {.node = a->config->node.text,
                                   .instance = a->instance,
                                   .boot_id = a->boot_id,
                                   .version = a->version,
                                   .started = a->started,
                                   .role = a->role,
                                   .plugins = plugins,
                                   .plugin_count = a->config->plugin_count,
                                   .groups = groups,
                                   .group_count = a->group_count};
        fill_plugins(a, plugins);
        fill_groups(a, groups);
        if (a->config->has_engine) {
                const struct node_server *s = &a->config->address;
                bool v6 = strchr(s->host, ':');
                (void)snprintf(address, sizeof address, "%s%s%s:%u", v6 ? "[" : "", s->host, v6 ? "]" : "",
                               (unsigned)s->port);
                self.addresses[self.address_count++] = address;
        }
        char *value = member_value_render(&self);
        membership_publish(a->membership, value);
        mem_free(value);
        mem_free(groups);
        mem_free(plugins);
}

void agent__say_self(struct agent *a)
{
        a->self_dirty = false;
        publish(a);
        say_status(a);
}
