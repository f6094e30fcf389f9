/* A plugin whose resource is a file, and which does what the file of moods says at each callback: a line
 * "CALLBACK MOOD" ("check bad", "activate hang"). Everything it is told goes into its trace. */
#include "plugins/baton/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct probe {
        const struct baton_host *host;
        int poke; /* eventfd, watched */
};

static struct probe probe;

static const char *setting(const char *name)
{
        return probe.host->setting(probe.host->context, name);
}

static void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void trace(const char *format, ...)
{
        char line[256];
        va_list ap;
        va_start(ap, format);
        int len = vsnprintf(line, sizeof line - 1, format, ap);
        va_end(ap);
        if (len < 0 || (size_t)len > sizeof line - 2)
                return;
        line[len] = '\n';
        int fd = open(setting("trace"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
                ssize_t r = write(fd, line, (size_t)len + 1);
                (void)r;
                close(fd);
        }
}

static bool mood(const char *callback, const char *what)
{
        char line[128];
        char wanted[128];
        bool found = false;
        FILE *f = fopen(setting("moods"), "re");
        if (!f)
                return false;
        snprintf(wanted, sizeof wanted, "%s %s\n", callback, what);
        while (!found && fgets(line, sizeof line, f))
                found = strcmp(line, wanted) == 0;
        fclose(f);
        return found;
}

/* What every callback may do. Returns 0, or -errno to be returned. */
static int indulge(const char *callback)
{
        if (mood(callback, "crash"))
                raise(SIGKILL);
        while (mood(callback, "hang"))
                usleep(1000); /* deaf to cancel; a test ends the process */
        if (mood(callback, "wait")) {
                struct pollfd cancel = {.fd = probe.host->cancel_fd, .events = POLLIN};
                trace("%s waits", callback);
                poll(&cancel, 1, -1);
                trace("%s cancelled", callback);
                return -ECANCELED;
        }
        return mood(callback, "fail") ? -EIO : 0;
}

static int probe_open(const struct baton_host *host, void **ret)
{
        probe.host = host;
        trace("open %s %s %s %s", host->node, host->instance, host->group, host->state_dir);
        probe.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        host->watch(host->context, probe.poke, POLLIN);
        if (host->setting_number(host->context, "need") > 0)
                host->need_stop_budget(host->context, (uint32_t)host->setting_number(host->context, "need"));
        *ret = &probe;
        return indulge("open");
}

static void probe_close(void *instance)
{
        struct probe *p = instance;
        trace("close");
        close(p->poke);
}

static int probe_activate(void *instance, const struct baton_grant *grant)
{
        struct probe *p = instance;
        bool again = access(setting("resource"), F_OK) == 0;
        trace("activate %lld%s%s held %d", (long long)grant->token, grant->taken_up ? " taken up" : "",
              again ? " it runs" : "", p->host->held(p->host->context));
        int fd = open(setting("resource"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        close(fd);
        p->host->publish(p->host->context, "at \x01 \xff your service");
        return indulge("activate");
}

static int probe_deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        (void)instance;
        trace("deactivate %d%s", (int)reason, budget_ms > 0 ? "" : " without time");
        int r = indulge("deactivate");
        if (r < 0)
                return r;
        return unlink(setting("resource")) < 0 && errno != ENOENT ? -errno : 0;
}

static int probe_check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        (void)instance;
        if (mood("check", "leak"))
                for (int i = 0; i < 100 && dup(0) >= 0; i++)
                        continue;
        snprintf(why, why_size, "%s", mood("check", "bad") ? "bad mood" : "");
        *ret = mood("check", "bad") ? BATON_HEALTH_BAD : BATON_HEALTH_GOOD;
        if (mood("check", "garbage")) {
                memset(why, 0xff, why_size);
                *ret = (enum baton_health)77;
        }
        return indulge("check");
}

static void probe_role(void *instance, enum baton_role role)
{
        (void)instance;
        trace("role %d", (int)role);
        indulge("role");
}

static void probe_members(void *instance, const struct baton_member *members, size_t count)
{
        (void)instance;
        for (size_t i = 0; i < count; i++)
                trace("member %s%s", members[i].name, members[i].here ? " here" : "");
}

/* "command/ask": writes what it was told to "answer"; "command/poke": its descriptor becomes ready; "command/wake". */
static void probe_config(void *instance, const struct baton_config *c)
{
        struct probe *p = instance;
        const struct baton_host *h = p->host;
        const uint64_t one = 1;
        struct timespec now;
        trace("config %s = %.*s v%d", c->path, c->data ? (int)c->size : 6, c->data ? (const char *)c->data : "(gone)",
              c->version);
        if (strcmp(c->path, "command/ask") == 0) {
                int r = h->config_set(h->context, "answer", c->data, c->size, -1);
                trace("asked %d", r);
        } else if (strcmp(c->path, "command/get") == 0) {
                void *data = NULL;
                size_t size = 0;
                int32_t version = 0;
                int r = h->config_get(h->context, "value", &data, &size, &version);
                trace("got %d %.*s v%d", r, (int)size, data ? (char *)data : "", version);
                free(data);
        } else if (strcmp(c->path, "command/poke") == 0) {
                ssize_t r = write(p->poke, &one, sizeof one);
                (void)r;
        } else if (strcmp(c->path, "command/wake") == 0) {
                clock_gettime(CLOCK_BOOTTIME, &now);
                h->wake_at(h->context, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 20);
        } else if (strcmp(c->path, "command/report") == 0) {
                h->report(h->context, BATON_HEALTH_BAD, "reported");
        } else if (strcmp(c->path, "command/flood") == 0) {
                for (int i = 0; i < 5000; i++)
                        h->publish(h->context, i % 2 ? "odd" : "even");
        }
}

static void probe_synced(void *instance)
{
        (void)instance;
        trace("synced");
}

static void probe_ready(void *instance, int fd)
{
        struct probe *p = instance;
        uint64_t count = 0;
        if (fd >= 0 && read(p->poke, &count, sizeof count) != (ssize_t)sizeof count)
                trace("ready without reason");
        trace("ready %s", fd < 0 ? "wake" : "descriptor");
        indulge("ready");
}

static void probe_judge(const struct baton_host *host)
{
        if (strcmp(host->setting(host->context, "resource"), "crash") == 0)
                raise(SIGKILL);
        if (host->setting(host->context, "resource")[0] != '/')
                host->problem(host->context, "resource", "must be an absolute path");
}

static const struct baton_setting table[] = {
        {.name = "resource", .type = BATON_SETTING_TEXT, .required = true, .help = "absolute path of a file"},
        {.name = "trace", .type = BATON_SETTING_TEXT, .required = true, .help = "absolute path of a file"},
        {.name = "moods", .type = BATON_SETTING_TEXT, .required = true, .help = "absolute path of a file"},
        {.name = "need", .type = BATON_SETTING_NUMBER, .fallback = "0", .min = 0, .max = 60000, .help = "ms to stop"},
        {.name = "loud", .type = BATON_SETTING_BOOL, .fallback = "no", .help = "nothing"},
};

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof baton_plugin_v1,
        .name = "probe",
        .description = "does what its moods say",
        .settings = table,
        .setting_count = sizeof table / sizeof *table,
        .check_settings = probe_judge,
        .open = probe_open,
        .close = probe_close,
        .activate = probe_activate,
        .deactivate = probe_deactivate,
        .check = probe_check,
        .role_changed = probe_role,
        .members_changed = probe_members,
        .config_changed = probe_config,
        .config_synced = probe_synced,
        .ready = probe_ready,
};
