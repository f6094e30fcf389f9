/* A child's part of the configuration as text. Lines are ordered by key and written without blanks around `=`, so that
 * what inih would take for a comment behind a blank stays what it was. */
#include "daemon/common/node_config_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What of [ensemble] the agent reads. */
static bool is_for_agent(const char *key)
{
        static const char *const keys[] = {"tick_time", "min_session_timeout", "max_session_timeout", "client"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                if (strcmp(key, keys[i]) == 0)
                        return true;
        return strncmp(key, "server.", strlen("server.")) == 0;
}

static int by_key(const void *a, const void *b)
{
        const struct inifile_entry *const *x = a;
        const struct inifile_entry *const *y = b;
        return strcmp((*x)->key, (*y)->key);
}

static void put_ensemble(const struct node_config *c, bool for_agent, FILE *out)
{
        const struct node_source *s = c->source;
        const struct inifile_entry **lines = mem_alloc((s->count + 1) * sizeof *lines);
        size_t count = 0;
        for (size_t i = 0; i < s->count; i++)
                if (s->entries[i].key && strcmp(s->entries[i].section, "ensemble") == 0 &&
                    (!for_agent || is_for_agent(s->entries[i].key)))
                        lines[count++] = &s->entries[i];
        qsort(lines, count, sizeof *lines, by_key); /* count 0 is fine: `lines` is no null pointer */
        (void)fputs("[ensemble]\n", out);
        for (size_t i = 0; i < count; i++)
                (void)fprintf(out, "%s=%s\n", lines[i]->key, lines[i]->value);
        mem_free(lines);
}

static void put_connect(const struct node_config *c, FILE *out)
{
        (void)fputs("[ensemble]\nconnect=", out);
        for (size_t i = 0; i < c->server_count; i++) {
                bool v6 = strchr(c->servers[i].host, ':');
                (void)fprintf(out, "%s%s%s%s:%u", i ? "," : "", v6 ? "[" : "", c->servers[i].host, v6 ? "]" : "",
                              (unsigned)c->servers[i].port);
        }
        (void)fputc('\n', out);
}

static void put_identity(const struct identity *who, FILE *out)
{
        if (who->user[0])
                (void)fprintf(out, "user=%s\n", who->user);
        if (who->group[0])
                (void)fprintf(out, "group=%s\n", who->group);
        if (who->capabilities[0])
                (void)fprintf(out, "capabilities=%s\n", who->capabilities);
}

static void put_node(const struct node_config *c, FILE *out)
{
        (void)fprintf(out, "[node]\nname=%s\n", c->node.text);
        if (c->id)
                (void)fprintf(out, "id=%" PRId64 "\n", c->id);
        (void)fprintf(out, "data_dir=%s\nruntime_dir=%s\n", c->data_dir, c->runtime_dir);
}

static void put_group(const struct node_group *g, FILE *out)
{
        (void)fprintf(out, "[group %s]\npolicy=%s\npriority=%" PRId32 "\n", g->name.text, node_policy_name(g->policy),
                      g->priority);
        if (g->stop_budget_ms)
                (void)fprintf(out, "stop_budget=%" PRIu32 "\n", g->stop_budget_ms);
        (void)fprintf(out, "failback_delay=%" PRIu32 "\nbackoff=%" PRIu32 "\n", g->failback_ms, g->backoff_ms);
        for (size_t i = 0; i < g->member_count; i++)
                (void)fprintf(out, "%s%s", i ? "," : "members=", g->members[i].text);
        if (g->member_count)
                (void)fputc('\n', out);
}

/* The beginning of a plugin's section, which agent and worker share. */
static void put_plugin(const struct node_plugin *p, FILE *out)
{
        (void)fprintf(out, "[plugin %s]\nmodule=%s\n", p->name.text, p->module);
        if (p->group.text[0])
                (void)fprintf(out, "group=%s\n", p->group.text);
        if (p->stop_budget_ms)
                (void)fprintf(out, "stop_budget=%" PRIu32 "\n", p->stop_budget_ms);
}

static void put_engine_part(const struct node_config *c, FILE *out)
{
        put_node(c, out);
        put_ensemble(c, false, out);
        (void)fputs("[engine]\n", out);
        put_identity(&c->engine, out);
}

static void put_agent_part(const struct node_config *c, FILE *out)
{
        put_node(c, out);
        if (c->has_engine)
                put_ensemble(c, true, out);
        else
                put_connect(c, out);
        (void)fprintf(out, "[agent]\nsession_timeout=%" PRIu32 "\nclock_rate_bound=%" PRIu32 ".%04" PRIu32 "\n",
                      c->session_timeout_ms, c->clock_rate_ppm / 10000, c->clock_rate_ppm % 10000);
        put_identity(&c->agent, out);
        for (size_t i = 0; i < c->group_count; i++)
                put_group(&c->groups[i], out);
        for (size_t i = 0; i < c->plugin_count; i++)
                put_plugin(&c->plugins[i], out);
}

static int by_setting_key(const void *a, const void *b)
{
        const struct node_setting *x = a;
        const struct node_setting *y = b;
        return strcmp(x->key, y->key);
}

static void put_settings(const struct node_plugin *p, FILE *out)
{
        struct node_setting *sorted = mem_dup(p->settings, p->setting_count * sizeof *sorted);
        qsort(sorted, p->setting_count, sizeof *sorted, by_setting_key);
        for (size_t i = 0; i < p->setting_count; i++)
                (void)fprintf(out, "%s=%s\n", sorted[i].key, sorted[i].value);
        mem_free(sorted);
}

static void put_worker_part(const struct node_config *c, const struct node_plugin *p, FILE *out)
{
        const struct node_group *g = node_config_group(c, p->group.text);
        (void)fprintf(out, "[node]\nname=%s\nruntime_dir=%s\npart=worker\n[supervisor]\nplugin_dir=%s\n", c->node.text,
                      c->runtime_dir, c->plugin_dir);
        if (g)
                (void)fprintf(out, "[group %s]\n", g->name.text);
        if (g && g->stop_budget_ms)
                (void)fprintf(out, "stop_budget=%" PRIu32 "\n", g->stop_budget_ms);
        put_plugin(p, out);
        (void)fprintf(out,
                      "check_interval=%" PRIu32 "\ncheck_timeout=%" PRIu32 "\nactivate_timeout=%" PRIu32
                      "\nretries=%" PRIu32 "\nretry_delay=%" PRIu32 "\nretry_window=%" PRIu32 "\n",
                      p->check_interval_ms, p->check_timeout_ms, p->activate_timeout_ms, p->retries, p->retry_delay_ms,
                      p->retry_window_ms);
        if (p->identity.user[0])
                (void)fprintf(out, "user=%s%s%s\n", p->identity.user, p->identity.group[0] ? ":" : "",
                              p->identity.group);
        if (p->identity.capabilities[0])
                (void)fprintf(out, "capabilities=%s\n", p->identity.capabilities);
        put_settings(p, out);
}

char *node_config_render(const struct node_config *c, enum node_part part, const char *plugin)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        const struct node_plugin *p = plugin ? node_config_plugin(c, plugin) : NULL;
        if (!out)
                abort(); /* no memory: election/base/alloc.h */
        switch (part) {
        case NODE_PART_ENGINE:
                assert(c->has_engine);
                put_engine_part(c, out);
                break;
        case NODE_PART_AGENT:
                put_agent_part(c, out);
                break;
        case NODE_PART_WORKER:
                assert(p);
                put_worker_part(c, p, out);
                break;
        }
        if (fclose(out) != 0 || !text)
                abort(); /* no memory, the same */
        return text;
}
