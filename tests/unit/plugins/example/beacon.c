/* beacon: while this node is the active one, a file says so.
 *
 *   [plugin beacon]
 *   module = /usr/local/lib/baton/beacon.so
 *   group = web
 *   path = /run/shop/active
 *
 * The file holds the fencing token and the text of /baton/config/beacon/text. Whoever reads it can refuse a token that
 * is smaller than one it has seen. */
#include <baton/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct beacon {
        const struct baton_host *host;
        const char *path;
        char text[256];
};

static uint64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Written aside and renamed: a reader never sees half of it. */
static int light(struct beacon *b)
{
        const struct baton_host *host = b->host;
        char aside[512];
        if (snprintf(aside, sizeof aside, "%s.new", b->path) >= (int)sizeof aside)
                return -ENAMETOOLONG;
        FILE *f = fopen(aside, "we");
        if (!f)
                return -errno;
        fprintf(f, "%lld %s\n", (long long)host->token(host->context), b->text);
        if (fclose(f) != 0 || rename(aside, b->path) < 0)
                return -errno;
        return 0;
}

static void check_settings(const struct baton_host *host)
{
        const char *path = host->setting(host->context, "path");
        if (path[0] != '/')
                host->problem(host->context, "path", "must be an absolute path");
}

static int open_beacon(const struct baton_host *host, void **ret)
{
        struct beacon *b = calloc(1, sizeof *b);
        if (!b)
                return -ENOMEM;
        b->host = host;
        b->path = host->setting(host->context, "path");
        host->need_stop_budget(host->context, 500);
        *ret = b;
        return 0;
}

static void close_beacon(void *instance)
{
        free(instance);
}

static int activate(void *instance, const struct baton_grant *grant)
{
        struct beacon *b = instance;
        if (now_ms() >= b->host->deadline(b->host->context))
                return -ETIME; /* too late: somebody else may be active */
        b->host->log(b->host->context, BATON_LOG_INFO, "lighting %s for group %s", b->path, grant->group);
        return light(b); /* when the grant was taken up this changes nothing */
}

/* Also the first call in a fresh process: what an earlier one has left must go. */
static int deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        struct beacon *b = instance;
        (void)reason;
        (void)budget_ms;
        return unlink(b->path) < 0 && errno != ENOENT ? -errno : 0;
}

static int check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        struct beacon *b = instance;
        *ret = BATON_HEALTH_GOOD;
        if (access(b->path, F_OK) < 0) {
                *ret = BATON_HEALTH_BAD;
                snprintf(why, why_size, "%s: %s", b->path, strerror(errno));
        }
        return 0;
}

static void config_changed(void *instance, const struct baton_config *config)
{
        struct beacon *b = instance;
        if (strcmp(config->path, "beacon/text") != 0)
                return;
        int len = config->data ? (int)strnlen(config->data, config->size) : 0;
        snprintf(b->text, sizeof b->text, "%.*s", len, len > 0 ? (const char *)config->data : "");
        if (b->host->held(b->host->context) && light(b) < 0)
                b->host->report(b->host->context, BATON_HEALTH_DEGRADED, "the new text could not be written");
}

static const struct baton_setting settings[] = {
        {.name = "path", .type = BATON_SETTING_TEXT, .required = true, .help = "absolute path of the file"},
};

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof baton_plugin_v1,
        .name = "beacon",
        .description = "a file that says which node is active",
        .settings = settings,
        .setting_count = sizeof settings / sizeof *settings,
        .check_settings = check_settings,
        .open = open_beacon,
        .close = close_beacon,
        .activate = activate,
        .deactivate = deactivate,
        .check = check,
        .config_changed = config_changed,
};
