/* What a plugin may ask for (struct baton_host), in the worker. All of it runs on the callback thread, but log(),
 * held(), deadline() and token(), which any thread of the plugin's may call. A plugin's mistakes are its own: they are
 * said in the log and answered with an error. */
#include "daemon/worker/callback_internal.h"

#include "daemon/common/clock.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

static const enum log_level log_levels[] = {
        [BATON_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [BATON_LOG_INFO] = LOG_LEVEL_INFO,
        [BATON_LOG_WARNING] = LOG_LEVEL_WARNING,
        [BATON_LOG_ERROR] = LOG_LEVEL_ERROR,
};

/* ---- saying ---- */

__attribute__((format(printf, 3, 4))) static void on_log(void *context, enum baton_log_level level, const char *format,
                                                         ...)
{
        const struct callback_thread *t = context;
        char raw[MESSAGE_TEXT_MAX];
        char text[MESSAGE_TEXT_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(raw, sizeof raw, format, ap); /* cut */
        va_end(ap);
        callback__text(text, raw, sizeof raw);
        log_line((unsigned)level <= BATON_LOG_ERROR ? log_levels[level] : LOG_LEVEL_ERROR, "%s: %s",
                 t->setup.section->name.text, text);
}

static void mistake(const struct callback_thread *t, const char *what)
{
        log_error("%s: mistake of plugin %s: %s", t->setup.section->name.text, t->setup.plugin->name, what);
}

static void on_report(void *context, enum baton_health health, const char *why)
{
        struct callback_thread *t = context;
        struct callback_event e = {.kind = CALLBACK_REPORT, .health = callback__health(health)};
        callback__text(e.text, why ? why : "", SIZE_MAX);
        callback__post(t, &e);
}

static void on_publish(void *context, const char *text)
{
        struct callback_thread *t = context;
        struct callback_event e = {.kind = CALLBACK_PUBLISH};
        callback__text(e.text, text ? text : "", SIZE_MAX);
        callback__post(t, &e);
}

static void on_need_stop_budget(void *context, uint32_t budget_ms)
{
        struct callback_thread *t = context;
        const struct callback_event e = {.kind = CALLBACK_NEED_BUDGET, .budget_ms = budget_ms};
        callback__post(t, &e);
}

__attribute__((format(printf, 3, 4))) static void on_problem(void *context, const char *setting, const char *format,
                                                             ...)
{
        (void)setting;
        (void)format;
        mistake(context, "problem() outside of check_settings()");
}

/* ---- settings ---- */

static const char *on_setting(void *context, const char *name)
{
        const struct callback_thread *t = context;
        if (!plugin_settings_has(t->setup.settings, name))
                mistake(t, "asks for a setting that its table doesn't have");
        return plugin_settings_text(t->setup.settings, name);
}

static int64_t on_setting_number(void *context, const char *name)
{
        const struct callback_thread *t = context;
        if (!plugin_settings_has(t->setup.settings, name))
                mistake(t, "asks for a setting that its table doesn't have");
        return plugin_settings_number(t->setup.settings, name);
}

static bool on_setting_bool(void *context, const char *name)
{
        const struct callback_thread *t = context;
        if (!plugin_settings_has(t->setup.settings, name))
                mistake(t, "asks for a setting that its table doesn't have");
        return plugin_settings_bool(t->setup.settings, name);
}

/* ---- the grant ---- */

static bool on_held(void *context)
{
        struct callback_thread *t = context;
        return atomic_load(&t->token) != 0;
}

static uint64_t on_deadline(void *context)
{
        struct callback_thread *t = context;
        return atomic_load(&t->deadline_ms);
}

static int64_t on_token(void *context)
{
        struct callback_thread *t = context;
        return atomic_load(&t->token);
}

/* ---- descriptors and wake-ups ---- */

static int on_watch(void *context, int fd, short events)
{
        struct callback_thread *t = context;
        size_t i = 0;
        while (i < t->watch_count && t->watches[i].fd != fd)
                i++;
        if (events == 0) {
                if (i == t->watch_count)
                        return -ENOENT;
                t->watches[i] = t->watches[--t->watch_count];
                return 0;
        }
        if (!t->setup.plugin->ready)
                return -EINVAL;
        if (fd < 0 || fcntl(fd, F_GETFD) < 0)
                return -EBADF;
        if (i == CALLBACK_WATCHES_MAX)
                return -ENOSPC;
        if (i == t->watch_count)
                t->watch_count++;
        t->watches[i] = (struct pollfd){.fd = fd, .events = events};
        return 0;
}

static void on_wake_at(void *context, uint64_t when_ms)
{
        struct callback_thread *t = context;
        struct itimerspec when = {.it_value = {0}};
        t->wake_set = when_ms != UINT64_MAX && t->setup.plugin->ready;
        if (t->wake_set) {
                when.it_value.tv_sec = (time_t)(when_ms / 1000);
                when.it_value.tv_nsec = (long)(when_ms % 1000) * 1000000;
                if (when_ms == 0)
                        when.it_value.tv_nsec = 1; /* zero would disarm it */
        }
        if (timerfd_settime(t->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
                mistake(t, "wake_at() with an instant that cannot be");
}

/* ---- configuration ---- */

static int on_config_get(void *context, const char *path, void **ret, size_t *ret_size, int32_t *ret_version)
{
        const struct callback_thread *t = context;
        const void *data = NULL;
        size_t size = 0;
        int32_t version = 0;
        int r = config_cache_get(t->cache, path, &data, &size, &version);
        if (r < 0)
                return r;
        char *copy = malloc(size + 1); /* the plugin frees it with free() */
        if (!copy)
                return -ENOMEM;
        memcpy(copy, data, size);
        copy[size] = '\0'; /* beyond size: a text can be read as one */
        *ret = copy;
        if (ret_size)
                *ret_size = size;
        if (ret_version)
                *ret_version = version;
        return 0;
}

/* Waits for the answer, the cancel (which the loop answers) or the end of its time. */
static int await_answer(struct callback_thread *t)
{
        uint64_t until_ns = uv_hrtime() + CALLBACK_CONFIG_SET_MS * UINT64_C(1000000);
        uv_mutex_lock(&t->mutex);
        while (!t->answered) {
                uint64_t now_ns = uv_hrtime();
                if (now_ns >= until_ns || uv_cond_timedwait(&t->answer, &t->mutex, until_ns - now_ns) == UV_ETIMEDOUT)
                        break;
        }
        int status = t->answered ? t->answer_status : -EAGAIN;
        t->asking = false;
        uv_mutex_unlock(&t->mutex);
        return status;
}

static int on_config_set(void *context, const char *path, const void *data, size_t size, int32_t version)
{
        struct callback_thread *t = context;
        if (!path || !*path || *path == '/' || strlen(path) > CALLBACK_PATH_BYTES_MAX || (!data && size > 0))
                return -EINVAL;
        if (size > CALLBACK_VALUE_BYTES_MAX)
                return -EMSGSIZE;
        struct callback_event e = {.kind = CALLBACK_CONFIG_SET, .size = size, .version = version};
        e.path = mem_strdup(path);
        e.data = size > 0 ? mem_dup(data, size) : mem_alloc(1);
        uv_mutex_lock(&t->mutex);
        t->asking = true;
        t->answered = false;
        uv_mutex_unlock(&t->mutex);
        /* A cancel from now on is answered by the loop; one from before nobody would answer. */
        struct pollfd cancel = {.fd = t->cancel_fd, .events = POLLIN};
        if (poll(&cancel, 1, 0) > 0)
                callback_thread_answer(t, -EAGAIN);
        callback__post(t, &e);
        return await_answer(t);
}

void callback__table(struct callback_thread *t)
{
        t->host = (struct baton_host){
                .size = sizeof t->host,
                .context = t,
                .node = t->setup.node,
                .instance = t->setup.section->name.text,
                .group = t->setup.section->group.text,
                .stop_budget_ms = t->setup.section->stop_budget_ms,
                .state_dir = t->setup.state_dir,
                .cancel_fd = t->cancel_fd,
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
}
