/* Modules that are no proper plugins; which one, a definition says. */
#include "plugins/baton/plugin.h"

#if defined(ODD_ABI) || defined(ODD_TABLE) || defined(ODD_SHORT) || defined(ODD_STOP)
static int odd_open(const struct baton_host *host, void **ret)
{
        (void)host;
        *ret = (void *)host;
        return 0;
}
#endif

#if defined(ODD_ABI)
const struct baton_plugin baton_plugin_v1 = {.abi = 7, .size = sizeof baton_plugin_v1, .name = "odd", .open = odd_open};
#elif defined(ODD_VERSION)
extern const int baton_plugin_v3 __attribute__((visibility("default")));
const int baton_plugin_v3 = 3;
#elif defined(ODD_NOTHING)
extern const int something_else __attribute__((visibility("default")));
const int something_else = 1;
#elif defined(ODD_TABLE)
static const struct baton_setting table[] = {
        {.name = "depth", .type = BATON_SETTING_NUMBER, .min = 1, .max = 5, .fallback = "9"},
};
const struct baton_plugin baton_plugin_v1 = {.abi = BATON_PLUGIN_ABI,
                                             .size = sizeof baton_plugin_v1,
                                             .name = "odd",
                                             .settings = table,
                                             .setting_count = 1,
                                             .open = odd_open};
#elif defined(ODD_STOP)
static int odd_activate(void *instance, const struct baton_grant *grant)
{
        (void)instance;
        return grant->token > 0 ? 0 : -1;
}
const struct baton_plugin baton_plugin_v1 = {.abi = BATON_PLUGIN_ABI,
                                             .size = sizeof baton_plugin_v1,
                                             .name = "odd",
                                             .open = odd_open,
                                             .activate = odd_activate};
#elif defined(ODD_SHORT)
/* As an older header would have built it: it ends behind `open`. What follows in memory is not its own. */
static void odd_close(void *instance)
{
        (void)instance;
        __builtin_trap();
}
const struct baton_plugin baton_plugin_v1 = {.abi = BATON_PLUGIN_ABI,
                                             .size = offsetof(struct baton_plugin, close),
                                             .name = "short",
                                             .open = odd_open,
                                             .close = odd_close};
#endif
