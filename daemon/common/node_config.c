/* See node_config.h. All lines are read first (node_source.c), then each goes to its section here, then the whole is
 * judged (node_judge.c); only a whole without problems becomes a configuration. */
#include "daemon/common/node_config.h"

#include "daemon/common/log.h"
#include "daemon/common/node_config_internal.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- one line ---- */

/* Reads a value into its field. Returns whether the table has such a key. */
static bool take(const struct node_table *t, const char *section, const struct inifile_entry *e, void *values,
                 struct origin *origins, struct problems *problems)
{
        char why[PROBLEM_TEXT_MAX / 2];
        const struct setting *row = settings_find(t->rows, t->count, section, e->key);
        if (!row)
                return false;
        struct origin *origin = &origins[row - t->rows];
        if (origin->line)
                problems_add_at(problems, e->at, "%s stands in %s already", e->key, origin_text(e->at, *origin).text);
        else if (settings_set(row, e->value, values, why, sizeof why) < 0)
                problems_add_at(problems, e->at, "%s = %s: %s", e->key, log_quote(e->value).text, why);
        if (!origin->line)
                *origin = e->at;
        return true;
}

static struct node_group_loading *find_group(struct node_loading *l, const char *name)
{
        for (size_t i = 0; i < l->group_count; i++)
                if (strcmp(l->groups[i].name.text, name) == 0)
                        return &l->groups[i];
        return NULL;
}

static struct node_plugin_loading *find_plugin(struct node_loading *l, const char *name)
{
        for (size_t i = 0; i < l->plugin_count; i++)
                if (strcmp(l->plugins[i].name.text, name) == 0)
                        return &l->plugins[i];
        return NULL;
}

/* What stands behind "group " or "plugin " in the section's name; NULL when it is another section. */
static const char *name_behind(const char *section, const char *kind)
{
        size_t len = strlen(kind);
        return strncmp(section, kind, len) == 0 && section[len] == ' ' ? section + len + 1 : NULL;
}

static void begin_group(struct node_loading *l, const struct inifile_entry *e, const char *name)
{
        if (find_group(l, name))
                return; /* continued */
        if (l->group_count == NODE_GROUPS_MAX) {
                problems_add_at(l->problems, e->at, "more than %d groups", NODE_GROUPS_MAX);
                return;
        }
        l->groups = mem_grow(l->groups, &l->group_capacity, l->group_count + 1, sizeof *l->groups);
        struct node_group_loading *g = &l->groups[l->group_count++];
        memset(g, 0, sizeof *g);
        memcpy(g->name.text, name, strlen(name) + 1);
        g->origin = e->at;
        settings_fallbacks(node_table_group.rows, node_table_group.count, &g->v);
}

static void begin_plugin(struct node_loading *l, const struct inifile_entry *e, const char *name)
{
        if (find_plugin(l, name))
                return; /* continued */
        if (l->plugin_count == NODE_PLUGINS_MAX) {
                problems_add_at(l->problems, e->at, "more than %d plugins", NODE_PLUGINS_MAX);
                return;
        }
        l->plugins = mem_grow(l->plugins, &l->plugin_capacity, l->plugin_count + 1, sizeof *l->plugins);
        struct node_plugin_loading *p = &l->plugins[l->plugin_count++];
        memset(p, 0, sizeof *p);
        memcpy(p->name.text, name, strlen(name) + 1);
        p->origin = e->at;
        settings_fallbacks(node_table_plugin.rows, node_table_plugin.count, &p->v);
}

static bool is_single(const char *section)
{
        static const char *const known[] = {"node", "ensemble", "supervisor", "engine", "agent"};
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (strcmp(section, known[i]) == 0)
                        return true;
        return false;
}

static void begin_section(struct node_loading *l, const struct inifile_entry *e)
{
        const char *group = name_behind(e->section, "group");
        const char *plugin = name_behind(e->section, "plugin");
        const char *name = group ? group : plugin;
        for (const struct inifile_entry *before = l->source->entries; before < e; before++) {
                if (!before->key && before->at.file == e->at.file && strcmp(before->section, e->section) == 0) {
                        problems_add_at(l->problems, e->at, "[%s] begins in line %d already", e->section,
                                        before->at.line);
                        return;
                }
        }
        if (!name && !is_single(e->section))
                problems_add_at(l->problems, e->at, "unknown section [%s]", log_quote(e->section).text);
        else if (name && !name_is_valid(name))
                problems_add_at(l->problems, e->at,
                                "%s can't be a name: at most %d letters, digits, - _ . beginning with letter or digit",
                                log_quote(name).text, NAME_BYTES_MAX);
        else if (group)
                begin_group(l, e, name);
        else if (plugin)
                begin_plugin(l, e, name);
}

static void add_setting(struct node_loading *l, struct node_plugin_loading *p, const struct inifile_entry *e)
{
        for (size_t i = 0; i < p->setting_count; i++) {
                if (strcmp(p->settings[i].key, e->key) == 0) {
                        problems_add_at(l->problems, e->at, "%s stands in %s already", log_quote(e->key).text,
                                        origin_text(e->at, p->settings[i].origin).text);
                        return;
                }
        }
        if (p->setting_count == NODE_SETTINGS_MAX) {
                problems_add_at(l->problems, e->at, "more than %d settings for one plugin", NODE_SETTINGS_MAX);
                return;
        }
        p->settings[p->setting_count++] = (struct node_setting){.key = e->key, .value = e->value, .origin = e->at};
}

static void on_key(struct node_loading *l, const struct inifile_entry *e)
{
        const char *group = name_behind(e->section, "group");
        const char *plugin = name_behind(e->section, "plugin");
        struct node_group_loading *g = group ? find_group(l, group) : NULL;
        struct node_plugin_loading *p = plugin ? find_plugin(l, plugin) : NULL;
        if (g && !take(&node_table_group, NODE_SECTION_GROUP, e, &g->v, g->origins, l->problems))
                problems_add_at(l->problems, e->at, "a group has no setting %s", log_quote(e->key).text);
        if (p && !take(&node_table_plugin, NODE_SECTION_PLUGIN, e, &p->v, p->origins, l->problems))
                add_setting(l, p, e);
        if (strcmp(e->section, "supervisor") != 0 && strcmp(e->section, "engine") != 0 &&
            strcmp(e->section, "agent") != 0)
                return; /* refused at its beginning, or the engine's (node_judge.c) */
        if (!take(&node_table_own, e->section, e, &l->v, l->own_origins, l->problems))
                problems_add_at(l->problems, e->at, "[%s] has no setting %s", e->section, log_quote(e->key).text);
}

/* ---- the whole ---- */

static void loading_done(struct node_loading *l)
{
        mem_free(l->groups);
        mem_free(l->plugins);
        mem_free(l);
}

int node_config_load(const char *path, struct node_config **ret, struct problems *problems)
{
        struct node_config *c = mem_zalloc(sizeof *c);
        struct node_loading *l = mem_zalloc(sizeof *l);
        int status = 0;
        l->path = path;
        l->problems = problems;
        if (strlen(path) > NODE_PATH_MAX) {
                problems_add(problems, 0, "the path is longer than %d bytes", NODE_PATH_MAX);
                status = -ENAMETOOLONG;
        } else {
                memcpy(c->path, path, strlen(path) + 1);
                status = node_source_read(path, &c->source, problems);
        }
        if (status == 0) {
                l->source = c->source;
                settings_fallbacks(node_table_base.rows, node_table_base.count, &l->v);
                settings_fallbacks(node_table_own.rows, node_table_own.count, &l->v);
                for (size_t i = 0; i < l->source->count; i++) {
                        const struct inifile_entry *e = &l->source->entries[i];
                        if (e->key)
                                on_key(l, e);
                        else
                                begin_section(l, e);
                }
                node_judge(l, c);
        }
        problems_sort(problems);
        loading_done(l);
        if (status == 0 && problems->count > 0)
                status = -EINVAL;
        if (status < 0) {
                node_config_free(c);
                return status;
        }
        *ret = c;
        return 0;
}

void node_config_free(struct node_config *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->group_count; i++)
                mem_free(c->groups[i].members);
        for (size_t i = 0; i < c->plugin_count; i++)
                mem_free(c->plugins[i].settings);
        mem_free(c->groups);
        mem_free(c->plugins);
        mem_free(c->servers);
        node_source_free(c->source);
        mem_free(c);
}

const struct node_group *node_config_group(const struct node_config *c, const char *name)
{
        for (size_t i = 0; i < c->group_count; i++)
                if (strcmp(c->groups[i].name.text, name) == 0)
                        return &c->groups[i];
        return NULL;
}

const struct node_plugin *node_config_plugin(const struct node_config *c, const char *name)
{
        for (size_t i = 0; i < c->plugin_count; i++)
                if (strcmp(c->plugins[i].name.text, name) == 0)
                        return &c->plugins[i];
        return NULL;
}
