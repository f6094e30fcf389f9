/* See plugin_module.h. */
#include "daemon/worker/plugin_module.h"

#include "daemon/common/log.h"
#include "daemon/worker/plugin_settings.h"
#include "election/base/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Symbols of later versions are looked for up to this one, to say which it is. */
#define ABI_LOOK_MAX 32
/* A descriptor that ends before this lacks what every plugin must have. */
#define DESCRIPTOR_SIZE_MIN (offsetof(struct baton_plugin, open) + sizeof(void (*)(void)))

struct plugin_module {
        void *handle; /* NULL: linked in */
        struct baton_plugin plugin;
};

/* ---- the descriptor ---- */

static bool name_is_plain(const char *name)
{
        return name && *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] == '\0';
}

static int judge_row(const struct baton_setting *row, char *why)
{
        char reason[128];
        char *value = NULL;
        if (!name_is_plain(row->name)) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "a setting has no proper name");
                return -EINVAL;
        }
        if ((unsigned)row->type > BATON_SETTING_BOOL) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "setting %s has type %u, which does not exist", row->name,
                               (unsigned)row->type);
                return -EINVAL;
        }
        if (row->type == BATON_SETTING_NUMBER && row->min > row->max) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "setting %s allows no number at all", row->name);
                return -EINVAL;
        }
        if (row->fallback && plugin_setting_read(row, row->fallback, &value, reason, sizeof reason) < 0) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "the default of setting %s: %s", row->name, reason);
                return -EINVAL;
        }
        mem_free(value);
        return 0;
}

static int judge_table(const struct baton_plugin *p, char *why)
{
        if (p->setting_count > PLUGIN_SETTINGS_MAX || (p->setting_count > 0 && !p->settings)) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "its table of %zu settings cannot be", p->setting_count);
                return -EINVAL;
        }
        for (size_t i = 0; i < p->setting_count; i++) {
                if (judge_row(&p->settings[i], why) < 0)
                        return -EINVAL;
                for (size_t k = 0; k < i; k++) {
                        if (strcmp(p->settings[i].name, p->settings[k].name) == 0) {
                                (void)snprintf(why, PLUGIN_WHY_MAX, "it has setting %s twice", p->settings[i].name);
                                return -EINVAL;
                        }
                }
        }
        return 0;
}

static int judge(const struct baton_plugin *p, char *why)
{
        if (!name_is_plain(p->name)) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "it has no proper name");
                return -EINVAL;
        }
        if (!p->open) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "it has no open()");
                return -EINVAL;
        }
        if (p->activate && !p->deactivate) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "it has activate() but no deactivate(): it could not be stopped");
                return -EINVAL;
        }
        return judge_table(p, why);
}

/* Copies what both sides know. `size` is the plugin's word, and believed only after its version was. */
static int adopt(struct plugin_module *m, const struct baton_plugin *descriptor, char *why)
{
        if (descriptor->abi != BATON_PLUGIN_ABI) {
                (void)snprintf(why, PLUGIN_WHY_MAX,
                               "built for version %u of the plugin ABI, this baton has version %d; build it again",
                               descriptor->abi, BATON_PLUGIN_ABI);
                return -EPROTO;
        }
        if (descriptor->size < DESCRIPTOR_SIZE_MIN) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "its descriptor is broken: %u bytes are too few", descriptor->size);
                return -EINVAL;
        }
        size_t known = descriptor->size < sizeof m->plugin ? descriptor->size : sizeof m->plugin;
        memcpy(&m->plugin, descriptor, known);
        char reason[PLUGIN_WHY_MAX];
        if (judge(&m->plugin, reason) < 0) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "its descriptor is broken: %s", reason);
                return -EINVAL;
        }
        return 0;
}

int plugin_module_of(const struct baton_plugin *descriptor, struct plugin_module **ret, char why[PLUGIN_WHY_MAX])
{
        struct plugin_module *m = mem_zalloc(sizeof *m);
        int r = adopt(m, descriptor, why);
        if (r < 0) {
                plugin_module_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

/* ---- the file ---- */

/* Says of a module without our symbol which other version it has. */
static int say_other_version(void *handle, const char *path, char *why)
{
        for (unsigned version = BATON_PLUGIN_ABI + 1; version <= ABI_LOOK_MAX; version++) {
                char symbol[32];
                (void)snprintf(symbol, sizeof symbol, "baton_plugin_v%u", version);
                if (dlsym(handle, symbol)) {
                        (void)snprintf(why, PLUGIN_WHY_MAX,
                                       "plugin %s is built for version %u of the plugin ABI, this baton has version %d",
                                       path, version, BATON_PLUGIN_ABI);
                        return -EPROTO;
                }
        }
        (void)snprintf(why, PLUGIN_WHY_MAX, "%s is no plugin of baton: it exports no %s", path, BATON_PLUGIN_SYMBOL);
        return -ELIBBAD;
}

static int open_file(struct plugin_module *m, const char *path, char *why)
{
        struct stat st;
        if (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
                (void)snprintf(why, PLUGIN_WHY_MAX, "there is no plugin %s; is its package installed?", path);
                return -ENOENT;
        }
        m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!m->handle) {
                const char *reason = dlerror();
                (void)snprintf(why, PLUGIN_WHY_MAX, "plugin cannot be loaded: %s", reason ? reason : path);
                return -ELIBBAD;
        }
        const struct baton_plugin *descriptor = dlsym(m->handle, BATON_PLUGIN_SYMBOL);
        if (!descriptor)
                return say_other_version(m->handle, path, why);
        char reason[PLUGIN_WHY_MAX];
        int r = adopt(m, descriptor, reason);
        if (r < 0)
                (void)snprintf(why, PLUGIN_WHY_MAX, "plugin %s: %s", path, reason);
        return r;
}

int plugin_module_load(const char *plugin_dir, const char *module, struct plugin_module **ret, char why[PLUGIN_WHY_MAX])
{
        char path[2 * NODE_PATH_MAX + 8];
        if (module[0] == '/')
                (void)snprintf(path, sizeof path, "%s", module);
        else if (*module && !strchr(module, '/'))
                (void)snprintf(path, sizeof path, "%s/%s.so", plugin_dir, module);
        else {
                (void)snprintf(why, PLUGIN_WHY_MAX, "module = %s: must be the name of a plugin, or an absolute path",
                               log_quote(module).text);
                return -ENOENT;
        }
        struct plugin_module *m = mem_zalloc(sizeof *m);
        int r = open_file(m, path, why);
        if (r < 0) {
                plugin_module_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

void plugin_module_free(struct plugin_module *m)
{
        if (!m)
                return;
        if (m->handle)
                (void)dlclose(m->handle); /* what a destructor does wrong harms this process only */
        mem_free(m);
}

const struct baton_plugin *plugin_module_plugin(const struct plugin_module *m)
{
        return &m->plugin;
}
