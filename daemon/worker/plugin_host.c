/* See plugin_host.h. The host that check_settings() sees has nothing behind it: no grant, no clock, no node. */
#include "daemon/worker/plugin_host.h"

#include "daemon/common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct judge {
        const struct plugin_settings *settings;
        const struct node_plugin *section;
        plugin_problem_fn *on_problem;
        void *ctx;
        size_t problems;
        uint32_t need_ms;
};

static const enum log_level log_levels[] = {
        [BATON_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [BATON_LOG_INFO] = LOG_LEVEL_INFO,
        [BATON_LOG_WARNING] = LOG_LEVEL_WARNING,
        [BATON_LOG_ERROR] = LOG_LEVEL_ERROR,
};

/* ---- the host ---- */

__attribute__((format(printf, 3, 4))) static void on_log(void *context, enum baton_log_level level, const char *format,
                                                         ...)
{
        struct judge *j = context;
        char text[LOG_LINE_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        log_line((unsigned)level <= BATON_LOG_ERROR ? log_levels[level] : LOG_LEVEL_ERROR, "plugin %s: %s",
                 j->section->name.text, text);
}

static const char *on_setting(void *context, const char *name)
{
        struct judge *j = context;
        return plugin_settings_text(j->settings, name);
}

static int64_t on_setting_number(void *context, const char *name)
{
        struct judge *j = context;
        return plugin_settings_number(j->settings, name);
}

static bool on_setting_bool(void *context, const char *name)
{
        struct judge *j = context;
        return plugin_settings_bool(j->settings, name);
}

static bool on_held(void *context)
{
        (void)context;
        return false;
}

static uint64_t on_deadline(void *context)
{
        (void)context;
        return 0;
}

static int64_t on_token(void *context)
{
        (void)context;
        return 0;
}

static void on_need_stop_budget(void *context, uint32_t budget_ms)
{
        struct judge *j = context;
        j->need_ms = budget_ms;
}

static void on_report(void *context, enum baton_health health, const char *why)
{
        (void)context;
        (void)health;
        (void)why;
}

static void on_publish(void *context, const char *text)
{
        (void)context;
        (void)text;
}

static int on_watch(void *context, int fd, short events)
{
        (void)context;
        (void)fd;
        (void)events;
        return -EOPNOTSUPP;
}

static void on_wake_at(void *context, uint64_t when_ms)
{
        (void)context;
        (void)when_ms;
}

static int on_config_get(void *context, const char *path, void **ret, size_t *ret_size, int32_t *ret_version)
{
        (void)context;
        (void)path;
        (void)ret;
        (void)ret_size;
        (void)ret_version;
        return -ENOENT;
}

static int on_config_set(void *context, const char *path, const void *data, size_t size, int32_t version)
{
        (void)context;
        (void)path;
        (void)data;
        (void)size;
        (void)version;
        return -EOPNOTSUPP;
}

__attribute__((format(printf, 3, 4))) static void on_problem(void *context, const char *setting, const char *format,
                                                             ...)
{
        struct judge *j = context;
        char text[PROBLEM_TEXT_MAX];
        va_list ap;
        int at;
        if (setting) {
                const char *value = plugin_settings_text(j->settings, setting);
                at = value ? snprintf(text, sizeof text, "%s = %s: ", setting, log_quote(value).text)
                           : snprintf(text, sizeof text, "%s: ", setting);
        } else {
                at = snprintf(text, sizeof text, "[plugin %s] ", j->section->name.text);
        }
        if (at < 0 || (size_t)at >= sizeof text)
                at = 0; /* the plugin's words matter more than the name */
        va_start(ap, format);
        (void)vsnprintf(text + at, sizeof text - (size_t)at, format, ap); /* a cut sentence still says where */
        va_end(ap);
        j->on_problem(j->ctx, plugin_settings_origin(j->settings, setting), text);
        j->problems++;
}

/* ---- judging ---- */

int plugin_stop_budget(const struct node_plugin *section, uint32_t need_ms, uint32_t *ret, char *why, size_t why_size)
{
        if (section->stop_budget_ms > 0 && need_ms > section->stop_budget_ms) {
                (void)snprintf(
                        why, why_size,
                        "[plugin %s] needs %u ms to stop, stop_budget gives %u ms; raise it, or make the stop shorter",
                        section->name.text, need_ms, section->stop_budget_ms);
                *ret = need_ms;
                return -ERANGE;
        }
        *ret = section->stop_budget_ms > 0 ? section->stop_budget_ms : need_ms > 0 ? need_ms : PLUGIN_STOP_BUDGET_MS;
        return 0;
}

size_t plugin_judge_settings(const struct node_config *config, const struct node_plugin *section,
                             const struct baton_plugin *plugin, const struct plugin_settings *settings,
                             plugin_problem_fn *fn, void *ctx, uint32_t *ret_need_ms)
{
        struct judge j = {.settings = settings, .section = section, .on_problem = fn, .ctx = ctx};
        const struct baton_host host = {
                .size = sizeof host,
                .context = &j,
                .node = config->node.text,
                .instance = section->name.text,
                .group = section->group.text,
                .state_dir = NULL,
                .cancel_fd = -1,
                .stop_budget_ms = section->stop_budget_ms,
                .log = on_log,
                .setting = on_setting,
                .setting_number = on_setting_number,
                .setting_bool = on_setting_bool,
                .held = on_held,
                .deadline = on_deadline,
                .token = on_token,
                .need_stop_budget = on_need_stop_budget,
                .report = on_report,
                .publish = on_publish,
                .watch = on_watch,
                .wake_at = on_wake_at,
                .config_get = on_config_get,
                .config_set = on_config_set,
                .problem = on_problem,
        };
        if (plugin->check_settings)
                plugin->check_settings(&host);
        *ret_need_ms = j.need_ms;
        return j.problems;
}

/* Whom the worker is to be: batond could not start it as somebody who is not there, and a group without one of its
 * workers is given up. Names only, as batond resolves them. */
static size_t judge_user(const struct node_plugin *section, plugin_problem_fn *fn, void *ctx)
{
        const struct identity *who = &section->identity;
        char text[PROBLEM_TEXT_MAX];
        size_t problems = 0;
        if (who->user[0] && !getpwnam(who->user)) {
                (void)snprintf(text, sizeof text,
                               "[plugin %s] there is no user \"%s\" on this machine; make it (useradd)",
                               section->name.text, who->user);
                fn(ctx, &section->origin, text);
                problems++;
        }
        if (who->group[0] && !getgrnam(who->group)) {
                (void)snprintf(text, sizeof text,
                               "[plugin %s] there is no group \"%s\" on this machine; make it (groupadd)",
                               section->name.text, who->group);
                fn(ctx, &section->origin, text);
                problems++;
        }
        return problems;
}

static void judge_here(const struct node_config *config, const struct node_plugin *section, plugin_problem_fn *fn,
                       void *ctx, struct plugin_judgement *ret)
{
        struct plugin_module *module = NULL;
        struct plugin_settings *settings = NULL;
        char why[PLUGIN_WHY_MAX] = "";
        *ret = (struct plugin_judgement){.problems = 0};
        if (plugin_module_load(config->plugin_dir, section->module, &module, why) < 0) {
                fn(ctx, &section->origin, why);
                ret->problems = 1;
                return;
        }
        const struct baton_plugin *plugin = plugin_module_plugin(module);
        ret->problems = plugin_settings_new(plugin, section, fn, ctx, &settings);
        if (ret->problems == 0)
                ret->problems = ret->objections =
                        plugin_judge_settings(config, section, plugin, settings, fn, ctx, &ret->need_ms);
        if (plugin_stop_budget(section, ret->need_ms, &ret->budget_ms, why, sizeof why) < 0) {
                fn(ctx, &section->origin, why);
                ret->problems++;
        }
        size_t users = judge_user(section, fn, ctx);
        ret->problems += users;
        ret->objections += users;
        plugin_settings_free(settings);
        plugin_module_free(module);
}

/* ---- in a process of its own ---- */

/* What the child tells: a fault, or (where NULL) its judgement. Written at once, so that it is read at once (pipe(7)).
 */
struct word {
        const struct origin *where; /* in the configuration, which is at the same place in both */
        struct plugin_judgement judgement;
        char text[PROBLEM_TEXT_MAX];
};
static_assert(sizeof(struct word) <= PIPE_BUF, "one write is one word");

static void tell_parent(void *ctx, const struct origin *where, const char *text)
{
        const int *pipe_fd = ctx;
        struct word word = {.where = where};
        (void)snprintf(word.text, sizeof word.text, "%s", text);
        if (write(*pipe_fd, &word, sizeof word) != (ssize_t)sizeof word)
                _exit(EXIT_FAILURE); /* nobody listens */
}

static void be_child(const struct node_config *config, const struct node_plugin *section, int pipe_fd)
{
        struct word word = {.where = NULL};
        (void)alarm(PLUGIN_JUDGE_SECONDS); /* its default action ends the process */
        judge_here(config, section, tell_parent, &pipe_fd, &word.judgement);
        ssize_t n = write(pipe_fd, &word, sizeof word);
        _exit(n == (ssize_t)sizeof word ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Whatever a plugin may have written into the pipe: only places of this section are believed. */
static bool is_place(const struct node_plugin *section, const struct origin *where)
{
        bool found = where == &section->origin;
        for (size_t i = 0; i < section->setting_count; i++)
                found = found || where == &section->settings[i].origin;
        return found;
}

/* Passes on faults until the judgement comes. Returns whether it came. */
static bool listen_to(int pipe_fd, const struct node_plugin *section, plugin_problem_fn *fn, void *ctx,
                      struct plugin_judgement *ret)
{
        struct word word;
        for (;;) {
                ssize_t n = read(pipe_fd, &word, sizeof word);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n != (ssize_t)sizeof word || (word.where && !is_place(section, word.where)))
                        return false;
                if (!word.where)
                        break;
                word.text[sizeof word.text - 1] = '\0';
                fn(ctx, word.where, word.text);
                ret->problems++;
        }
        *ret = word.judgement;
        return true;
}

static void say_no_judgement(const struct node_plugin *section, const char *what, plugin_problem_fn *fn, void *ctx,
                             struct plugin_judgement *ret)
{
        char text[PROBLEM_TEXT_MAX];
        (void)snprintf(text, sizeof text, "[plugin %s] plugin %s %s", section->name.text, section->module, what);
        fn(ctx, &section->origin, text);
        ret->problems++;
}

void plugin_judge(const struct node_config *config, const struct node_plugin *section, plugin_problem_fn *fn, void *ctx,
                  struct plugin_judgement *ret)
{
        int ends[2];
        int status = 0;
        *ret = (struct plugin_judgement){.problems = 0};
        if (pipe2(ends, O_CLOEXEC) < 0) {
                say_no_judgement(section, strerror(errno), fn, ctx, ret);
                return;
        }
        (void)fflush(NULL); /* else the child would write it once more */
        pid_t pid = fork();
        if (pid == 0)
                be_child(config, section, ends[1]);
        (void)close(ends[1]); /* the child's */
        bool judged = pid > 0 && listen_to(ends[0], section, fn, ctx, ret);
        (void)close(ends[0]);
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        if (pid < 0)
                say_no_judgement(section, "cannot be judged: there is no process for it", fn, ctx, ret);
        else if (!judged && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
                say_no_judgement(section, "took too long while it judged its settings", fn, ctx, ret);
        else if (!judged)
                say_no_judgement(section, "crashed while it judged its settings", fn, ctx, ret);
}
