/* See plugin_settings.h. */
#include "daemon/worker/plugin_settings.h"

#include "daemon/common/log.h"
#include "daemon/common/settings.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin_settings {
        const struct baton_plugin *plugin;
        const struct node_plugin *section;
        char **values;                 /* one for each row of the table; NULL: none */
        const struct origin **origins; /* the same; NULL: not given */
};

/* Where faults go, and how many there were. */
struct fault_list {
        plugin_problem_fn *on_problem;
        void *ctx;
        size_t count;
};

__attribute__((format(printf, 3, 4))) static void fault(struct fault_list *f, const struct origin *where,
                                                        const char *format, ...)
{
        char text[PROBLEM_TEXT_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* a cut sentence still says where */
        va_end(ap);
        f->on_problem(f->ctx, where, text);
        f->count++;
}

/* ---- one value ---- */

static int read_number(const struct baton_setting *row, const char *value, char **ret, char *why, size_t why_size)
{
        char text[24];
        int64_t n = 0;
        if (settings_number(value, row->min, row->max, &n) < 0) {
                (void)snprintf(why, why_size, "must be a number from %" PRId64 " to %" PRId64, row->min, row->max);
                return -EINVAL;
        }
        (void)snprintf(text, sizeof text, "%" PRId64, n);
        *ret = mem_strdup(text);
        return 0;
}

static int read_bool(const char *value, char **ret, char *why, size_t why_size)
{
        static const struct setting row = {.section = "", .key = "", .type = SETTING_BOOL, .size = sizeof(bool)};
        bool b = false;
        if (settings_set(&row, value, &b, why, why_size) < 0)
                return -EINVAL;
        *ret = mem_strdup(b ? "yes" : "no");
        return 0;
}

static int read_text(const char *value, char **ret, char *why, size_t why_size)
{
        if (!*value) {
                (void)snprintf(why, why_size, "must not be empty");
                return -EINVAL;
        }
        for (const char *c = value; *c; c++) {
                if (iscntrl((unsigned char)*c)) {
                        (void)snprintf(why, why_size, "must not contain control characters");
                        return -EINVAL;
                }
        }
        *ret = mem_strdup(value);
        return 0;
}

int plugin_setting_read(const struct baton_setting *row, const char *value, char **ret, char *why, size_t why_size)
{
        switch (row->type) {
        case BATON_SETTING_NUMBER:
                return read_number(row, value, ret, why, why_size);
        case BATON_SETTING_BOOL:
                return read_bool(value, ret, why, why_size);
        case BATON_SETTING_TEXT:
        default: /* the table was judged when the plugin was loaded */
                return read_text(value, ret, why, why_size);
        }
}

/* ---- a section ---- */

/* The row of `name`, or setting_count. */
static size_t row_of(const struct baton_plugin *plugin, const char *name)
{
        size_t i = 0;
        while (i < plugin->setting_count && strcmp(plugin->settings[i].name, name) != 0)
                i++;
        return i;
}

static void read_given(struct plugin_settings *s, const struct node_setting *given, struct fault_list *faults)
{
        size_t i = row_of(s->plugin, given->key);
        char why[128];
        if (i == s->plugin->setting_count) {
                fault(faults, &given->origin, "plugin %s has no setting %s", s->plugin->name,
                      log_quote(given->key).text);
                return;
        }
        s->origins[i] = &given->origin;
        mem_free(s->values[i]); /* the configuration lets no key stand twice */
        s->values[i] = NULL;
        if (plugin_setting_read(&s->plugin->settings[i], given->value, &s->values[i], why, sizeof why) < 0)
                fault(faults, &given->origin, "%s = %s: %s", given->key, log_quote(given->value).text, why);
}

size_t plugin_settings_new(const struct baton_plugin *plugin, const struct node_plugin *section,
                           plugin_problem_fn *on_problem, void *ctx, struct plugin_settings **ret)
{
        struct fault_list faults = {.on_problem = on_problem, .ctx = ctx};
        struct plugin_settings *s = mem_zalloc(sizeof *s);
        s->plugin = plugin;
        s->section = section;
        s->values = mem_zalloc(plugin->setting_count * sizeof *s->values);
        s->origins = mem_zalloc(plugin->setting_count * sizeof *s->origins);
        for (size_t i = 0; i < section->setting_count; i++)
                read_given(s, &section->settings[i], &faults);
        for (size_t i = 0; i < plugin->setting_count; i++) {
                const struct baton_setting *row = &plugin->settings[i];
                char why[128];
                if (!s->origins[i] && row->required)
                        fault(&faults, &section->origin, "[plugin %s] %s is missing%s%s", section->name.text, row->name,
                              row->help ? ": " : "", row->help ? row->help : "");
                if (!s->values[i] && row->fallback)
                        (void)plugin_setting_read(row, row->fallback, &s->values[i], why, sizeof why); /* judged */
        }
        *ret = s;
        return faults.count;
}

void plugin_settings_free(struct plugin_settings *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < s->plugin->setting_count; i++)
                mem_free(s->values[i]);
        mem_free(s->values);
        mem_free(s->origins);
        mem_free(s);
}

bool plugin_settings_has(const struct plugin_settings *s, const char *name)
{
        return row_of(s->plugin, name) < s->plugin->setting_count;
}

const char *plugin_settings_text(const struct plugin_settings *s, const char *name)
{
        size_t i = row_of(s->plugin, name);
        return i < s->plugin->setting_count ? s->values[i] : NULL;
}

int64_t plugin_settings_number(const struct plugin_settings *s, const char *name)
{
        const char *text = plugin_settings_text(s, name);
        int64_t n = 0;
        if (!text || settings_number(text, INT64_MIN, INT64_MAX, &n) < 0)
                return 0;
        return n;
}

bool plugin_settings_bool(const struct plugin_settings *s, const char *name)
{
        const char *text = plugin_settings_text(s, name);
        return text && strcmp(text, "yes") == 0;
}

const struct origin *plugin_settings_origin(const struct plugin_settings *s, const char *name)
{
        size_t i = name ? row_of(s->plugin, name) : s->plugin->setting_count;
        return i < s->plugin->setting_count && s->origins[i] ? s->origins[i] : &s->section->origin;
}
