/* batonctl plugins MODULE: what a plugin understands, read from the plugin itself. Asks no server. */
#include "daemon/ctl/ctl.h"
#include "daemon/worker/plugin_module.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static const char *const type_names[] = {
        [BATON_SETTING_TEXT] = "text",
        [BATON_SETTING_NUMBER] = "number",
        [BATON_SETTING_BOOL] = "yes or no",
};

static void print_text(const char *module, const struct baton_plugin *p)
{
        (void)printf("%s: %s\n", module, p->description ? p->description : p->name);
        if (p->setting_count)
                (void)printf("\nSettings of a [plugin NAME] with module = %s:\n\n", module);
        for (size_t i = 0; i < p->setting_count; i++) {
                const struct baton_setting *s = &p->settings[i];
                (void)printf("  %-24s %s", s->name, s->help ? s->help : type_names[s->type]);
                if (s->type == BATON_SETTING_NUMBER)
                        (void)printf("; %" PRId64 "..%" PRId64, s->min, s->max);
                if (s->fallback)
                        (void)printf("; default %s", s->fallback);
                (void)printf("%s\n", s->required ? "; must be given" : "");
        }
        (void)printf("\nEvery [plugin NAME] also knows the keys that `batond --help` lists.\n");
}

static void print_json(const char *module, const struct baton_plugin *p)
{
        json_t *settings = json_array();
        for (size_t i = 0; i < p->setting_count; i++) {
                const struct baton_setting *s = &p->settings[i];
                json_t *row = json_pack("{s:s,s:s,s:b,s:s?,s:s?}", "name", s->name, "type", type_names[s->type],
                                        "required", s->required, "default", s->fallback, "help", s->help);
                if (s->type == BATON_SETTING_NUMBER) {
                        (void)json_object_set_new(row, "min", json_integer((json_int_t)s->min));
                        (void)json_object_set_new(row, "max", json_integer((json_int_t)s->max));
                }
                (void)json_array_append_new(settings, row);
        }
        json_t *all = json_pack("{s:s,s:s,s:s?,s:i,s:o}", "module", module, "name", p->name, "description",
                                p->description, "abi", (int)p->abi, "settings", settings);
        (void)json_dumpf(all, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(all);
}

/* The configuration says where plugins are; where there is none, the installation does. */
static int find_plugin_dir(const struct ctl_options *o, struct node_config **ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        const char *path = o->config ? o->config : NODE_CONFIG_DEFAULT;
        if (!o->config && access(path, R_OK) < 0)
                return CTL_DONE;
        problems_init(&problems, path);
        if (node_config_load(path, ret, &problems) == 0)
                return CTL_DONE;
        problems_print(&problems, stderr);
        return CTL_USAGE;
}

int ctl_show_module(const struct ctl_options *o, const char *name)
{
        struct node_config *config = NULL;
        struct plugin_module *module = NULL;
        char why[PLUGIN_WHY_MAX] = "";
        int status = name[0] == '/' ? CTL_DONE : find_plugin_dir(o, &config);
        if (status != CTL_DONE)
                return status;
        if (plugin_module_load(config ? config->plugin_dir : BATON_PLUGIN_DIR, name, &module, why) < 0) {
                (void)fprintf(stderr, "batonctl: %s\n", why);
                status = CTL_REFUSED;
        } else if (o->json) {
                print_json(name, plugin_module_plugin(module));
        } else {
                print_text(name, plugin_module_plugin(module));
        }
        plugin_module_free(module);
        node_config_free(config);
        return status;
}
