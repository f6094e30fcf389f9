/* The functions a plugin may ask for, on a desk. See mock_internal.h. */
#include "tests/unit/plugins/mock_internal.h"

#include "election/base/alloc.h"
#include "election/jute/jute.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const level_names[] = {
        [BATON_LOG_DEBUG] = "debug",
        [BATON_LOG_INFO] = "info",
        [BATON_LOG_WARNING] = "warning",
        [BATON_LOG_ERROR] = "error",
};

void mock__append(char **text, const char *format, ...)
{
        char line[2048];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(line, sizeof line, format, ap); /* cut */
        va_end(ap);
        size_t before = *text ? strlen(*text) : 0;
        size_t len = strlen(line);
        *text = mem_realloc(*text, before + len + 1);
        memcpy(*text + before, line, len + 1);
}

/* ---- configuration values ---- */

struct mock_value *mock__value_find(const struct mock_host *m, const char *path)
{
        for (size_t i = 0; i < m->value_count; i++)
                if (strcmp(m->values[i].path, path) == 0)
                        return (struct mock_value *)&m->values[i];
        return NULL;
}

struct mock_value *mock__value_set(struct mock_host *m, const char *path, const void *data, size_t size)
{
        struct mock_value *v = mock__value_find(m, path);
        if (!v) {
                assert_true(m->value_count < MOCK_VALUES_MAX);
                v = &m->values[m->value_count++];
                *v = (struct mock_value){.path = mem_strdup(path), .version = -1};
        }
        v->version = v->data ? v->version + 1 : 0;
        mem_free(v->data);
        v->data = NULL;
        v->size = data ? size : 0;
        if (data) {
                v->data = mem_alloc(size + 1);
                memcpy(v->data, data, size);
                v->data[size] = '\0';
        }
        m->zxid++;
        return v;
}

/* ---- the table ---- */

__attribute__((format(printf, 3, 4))) static void on_log(void *context, enum baton_log_level level, const char *format,
                                                         ...)
{
        struct mock_host *m = context;
        char text[MOCK_TEXT_MAX];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        assert_true((unsigned)level <= BATON_LOG_ERROR);
        mock__append(&m->log, "%s: %s\n", level_names[level], text);
        if (getenv("MOCK_LOG"))
                (void)fprintf(stderr, "[plugin] %s: %s\n", level_names[level], text);
}

static void expect_setting(struct mock_host *m, const char *name)
{
        assert_non_null(name);
        if (!plugin_settings_has(m->settings, name))
                fail_msg("the plugin asks for setting %s, which its table doesn't have", name);
}

static const char *on_setting(void *context, const char *name)
{
        struct mock_host *m = context;
        expect_setting(m, name);
        return plugin_settings_text(m->settings, name);
}

static int64_t on_setting_number(void *context, const char *name)
{
        struct mock_host *m = context;
        expect_setting(m, name);
        return plugin_settings_number(m->settings, name);
}

static bool on_setting_bool(void *context, const char *name)
{
        struct mock_host *m = context;
        expect_setting(m, name);
        return plugin_settings_bool(m->settings, name);
}

static bool on_held(void *context)
{
        struct mock_host *m = context;
        return m->held;
}

static uint64_t on_deadline(void *context)
{
        struct mock_host *m = context;
        return m->held ? m->deadline_ms : 0;
}

static int64_t on_token(void *context)
{
        struct mock_host *m = context;
        return m->held ? m->grant.token : 0;
}

static void on_need_stop_budget(void *context, uint32_t budget_ms)
{
        struct mock_host *m = context;
        m->need_ms = budget_ms;
}

static void on_report(void *context, enum baton_health health, const char *why)
{
        struct mock_host *m = context;
        assert_true((unsigned)health <= BATON_HEALTH_BAD);
        m->health = health;
        m->reports++;
        (void)snprintf(m->why, sizeof m->why, "%s", why ? why : "");
}

static void on_publish(void *context, const char *text)
{
        struct mock_host *m = context;
        assert_non_null(text);
        (void)snprintf(m->status, sizeof m->status, "%s", text);
}

static int on_watch(void *context, int fd, short events)
{
        struct mock_host *m = context;
        size_t i = 0;
        while (i < m->watch_count && m->watches[i].fd != fd)
                i++;
        if (events == 0) {
                if (i == m->watch_count)
                        return -ENOENT;
                m->watches[i] = m->watches[--m->watch_count];
                return 0;
        }
        if (fd < 0 || fcntl(fd, F_GETFD) < 0)
                fail_msg("the plugin watches descriptor %d, which isn't open", fd);
        if (i == MOCK_WATCHES_MAX)
                return -ENOSPC;
        if (i == m->watch_count)
                m->watch_count++;
        m->watches[i] = (struct pollfd){.fd = fd, .events = events};
        return 0;
}

static void on_wake_at(void *context, uint64_t when_ms)
{
        struct mock_host *m = context;
        m->wake_ms = when_ms;
}

static int on_config_get(void *context, const char *path, void **ret, size_t *ret_size, int32_t *ret_version)
{
        struct mock_host *m = context;
        const struct mock_value *v = mock__value_find(m, path);
        if (!v || !v->data)
                return -ENOENT;
        char *copy = malloc(v->size + 1); /* the plugin frees it with free() */
        assert_non_null(copy);
        memcpy(copy, v->data, v->size + 1);
        *ret = copy;
        *ret_size = v->size;
        if (ret_version)
                *ret_version = v->version;
        return 0;
}

static int on_config_set(void *context, const char *path, const void *data, size_t size, int32_t version)
{
        struct mock_host *m = context;
        const struct mock_value *v = mock__value_find(m, path);
        if (m->config_error < 0)
                return m->config_error;
        if (size > JUTE_MAXBUFFER_DEFAULT)
                return -EMSGSIZE;
        if (version != -1 && (!v || !v->data || v->version != version))
                return -ESTALE;
        (void)mock__value_set(m, path, data, size);
        return 0;
}

__attribute__((format(printf, 3, 4))) static void on_problem(void *context, const char *setting, const char *format,
                                                             ...)
{
        (void)context;
        (void)setting;
        (void)format;
        fail_msg("host->problem() is for check_settings() only");
}

void mock__table(struct mock_host *m)
{
        m->host = (struct baton_host){
                .size = sizeof m->host,
                .context = m,
                .node = m->config.node.text,
                .instance = m->section.name.text,
                .group = m->section.group.text,
                .state_dir = m->state_dir,
                .cancel_fd = m->cancel_fd,
                .stop_budget_ms = m->section.stop_budget_ms,
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
