/* The settings of one plugin instance: what its section says, held against the table of its plugin.
 *
 * Every fault is told with the place it stands at; those of a section as a whole with the section's. */
#ifndef BATON_WORKER_PLUGIN_SETTINGS_H
#define BATON_WORKER_PLUGIN_SETTINGS_H

#include "daemon/common/node_config.h"
#include "plugins/baton/plugin.h"

/* Settings in a plugin's table; one with more is refused. */
#define PLUGIN_SETTINGS_MAX 128

struct plugin_settings;

/* One fault: `text` is a sentence without the place. */
typedef void plugin_problem_fn(void *ctx, const struct origin *where, const char *text);

/* Reads `section` by the table of `plugin`, which both must outlive the result. Tells each fault: a setting the plugin
 * doesn't know, a required one that is missing, a value of the wrong type or out of range. Returns how many there
 * were; *ret is made in any case, the faulty settings with their defaults. */
size_t plugin_settings_new(const struct baton_plugin *plugin, const struct node_plugin *section,
                           plugin_problem_fn *on_problem, void *ctx, struct plugin_settings **ret);
void plugin_settings_free(struct plugin_settings *s);

/* Whether the plugin has a setting of this name. */
bool plugin_settings_has(const struct plugin_settings *s, const char *name);
/* The value, or the default; numbers in plain decimal, "yes" or "no". NULL: neither, or no such setting. */
const char *plugin_settings_text(const struct plugin_settings *s, const char *name);
/* 0 and false where there is no value, or one of another type. */
int64_t plugin_settings_number(const struct plugin_settings *s, const char *name);
bool plugin_settings_bool(const struct plugin_settings *s, const char *name);
/* Where the setting stands, or else the section. */
const struct origin *plugin_settings_origin(const struct plugin_settings *s, const char *name);

/* Judges one value by its row. `ret` gets the normal form (to be freed with mem_free()) on 0; -EINVAL with `why` ("must
 * be …"). Pure. */
int plugin_setting_read(const struct baton_setting *row, const char *value, char **ret, char *why, size_t why_size);

#endif
