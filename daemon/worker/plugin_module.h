/* A plugin as a file: finding it, loading it, judging its descriptor before anything of it is believed. */
#ifndef BATON_WORKER_PLUGIN_MODULE_H
#define BATON_WORKER_PLUGIN_MODULE_H

#include "plugins/baton/plugin.h"

/* What is wrong with a module, as a sentence. */
#define PLUGIN_WHY_MAX 384

struct plugin_module;

/* `module` is a name ("unit": plugin_dir/unit.so) or an absolute path. Runs the module's constructors, as loading
 * does. Returns 0; or -ENOENT (it isn't there), -ELIBBAD (cannot be loaded, or is no plugin), -EPROTO (of another ABI
 * version), -EINVAL (its descriptor is broken), with a sentence in `why`. */
int plugin_module_load(const char *plugin_dir, const char *module, struct plugin_module **ret,
                       char why[PLUGIN_WHY_MAX]);
/* The same for a descriptor that is linked in. */
int plugin_module_of(const struct baton_plugin *descriptor, struct plugin_module **ret, char why[PLUGIN_WHY_MAX]);
void plugin_module_free(struct plugin_module *m);

/* The descriptor as this host knows it: what an older, shorter one does not have is NULL. Lives as long as the module.
 */
const struct baton_plugin *plugin_module_plugin(const struct plugin_module *m);

#endif
