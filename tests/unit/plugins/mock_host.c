/* See mock_host.h. */
#include "tests/unit/plugins/mock_internal.h"

#include "election/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* The token of the first grant: epoch 1, first transaction. */
#define FIRST_TOKEN 0x100000001

uint64_t mock_now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- making one ---- */

static size_t open_descriptors(void)
{
        size_t count = 0;
        DIR *d = opendir("/proc/self/fd");
        assert_non_null(d);
        while (readdir(d))
                count++;
        (void)closedir(d); /* it was open */
        return count;
}

static struct mock_host *make(void)
{
        struct mock_host *m = mem_zalloc(sizeof *m);
        m->cancel_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        assert_true(m->cancel_fd >= 0);
        m->wake_ms = UINT64_MAX;
        m->grant.token = FIRST_TOKEN - 1;
        m->zxid = 0x100000000;
        m->section.settings = m->given;
        m->section.origin = (struct origin){.file = "config", .line = 0};
        mock_host_names(m, "node1", "test", "group1");
        return m;
}

struct mock_host *mock_host_load(const char *path)
{
        char why[PLUGIN_WHY_MAX] = "";
        struct mock_host *m = make();
        if (plugin_module_load("", path, &m->module, why) < 0)
                fail_msg("%s", why);
        m->plugin = plugin_module_plugin(m->module);
        return m;
}

struct mock_host *mock_host_new(const struct baton_plugin *plugin)
{
        char why[PLUGIN_WHY_MAX] = "";
        struct mock_host *m = make();
        if (plugin_module_of(plugin, &m->module, why) < 0)
                fail_msg("%s", why);
        m->plugin = plugin_module_plugin(m->module);
        return m;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

void mock_host_free(struct mock_host *m)
{
        if (!m)
                return;
        if (m->open)
                mock_host_close(m);
        if (m->own_state_dir)
                (void)nftw(m->state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* a leftover in /tmp is no failure */
        plugin_settings_free(m->settings);
        plugin_module_free(m->module);
        for (size_t i = 0; i < m->section.setting_count; i++) {
                mem_free((char *)m->given[i].key);
                mem_free((char *)m->given[i].value);
        }
        for (size_t i = 0; i < m->value_count; i++) {
                mem_free(m->values[i].path);
                mem_free(m->values[i].data);
        }
        mem_free(m->log);
        mem_free(m->problems);
        (void)close(m->cancel_fd); /* nothing was written to it */
        mem_free(m);
}

const struct baton_plugin *mock_host_plugin(const struct mock_host *m)
{
        return m->plugin;
}

static void set_name(struct name *name, const char *text)
{
        assert_true(strlen(text) <= NAME_BYTES_MAX);
        (void)snprintf(name->text, sizeof name->text, "%s", text);
}

void mock_host_names(struct mock_host *m, const char *node, const char *instance, const char *group)
{
        assert_false(m->open);
        if (node)
                set_name(&m->config.node, node);
        if (instance)
                set_name(&m->section.name, instance);
        if (group)
                set_name(&m->section.group, group);
}

void mock_host_set(struct mock_host *m, const char *name, const char *value)
{
        assert_false(m->open);
        mock_host_unset(m, name);
        size_t n = m->section.setting_count++;
        assert_true(n < NODE_SETTINGS_MAX);
        m->given[n] = (struct node_setting){
                .key = mem_strdup(name), .value = mem_strdup(value), .origin = {.file = "config", .line = (int)n + 1}};
}

void mock_host_unset(struct mock_host *m, const char *name)
{
        for (size_t i = 0; i < m->section.setting_count; i++) {
                if (strcmp(m->given[i].key, name) != 0)
                        continue;
                mem_free((char *)m->given[i].key);
                mem_free((char *)m->given[i].value);
                memmove(&m->given[i], &m->given[i + 1], (--m->section.setting_count - i) * sizeof m->given[0]);
                return;
        }
}

void mock_host_stop_budget(struct mock_host *m, uint32_t budget_ms)
{
        m->section.stop_budget_ms = budget_ms;
}

void mock_host_state_dir(struct mock_host *m, const char *path)
{
        assert_false(m->open);
        assert_true(strlen(path) < sizeof m->state_dir);
        (void)snprintf(m->state_dir, sizeof m->state_dir, "%s", path);
}

void mock_host_allow_descriptors(struct mock_host *m)
{
        m->allow_descriptors = true;
}

const char *mock_host_state(const struct mock_host *m)
{
        return m->state_dir;
}

/* ---- settings ---- */

static void note_problem(void *ctx, const struct origin *where, const char *text)
{
        struct mock_host *m = ctx;
        mock__append(&m->problems, "%s:%d: %s\n", where->file, where->line, text);
}

size_t mock_host_judge(struct mock_host *m)
{
        struct plugin_settings *settings = NULL;
        mem_free(m->problems);
        m->problems = NULL;
        size_t count = plugin_settings_new(m->plugin, &m->section, note_problem, m, &settings);
        if (count == 0) {
                uint32_t need_ms = 0;
                count = plugin_judge_settings(&m->config, &m->section, m->plugin, settings, note_problem, m, &need_ms);
        }
        plugin_settings_free(settings);
        return count;
}

const char *mock_host_problems(const struct mock_host *m)
{
        return m->problems ? m->problems : "";
}

/* ---- callbacks ---- */

int mock_host_open(struct mock_host *m)
{
        assert_false(m->open);
        if (mock_host_judge(m) > 0)
                fail_msg("%s", mock_host_problems(m));
        return mock_host_open_unjudged(m);
}

int mock_host_open_unjudged(struct mock_host *m)
{
        assert_false(m->open);
        if (!m->state_dir[0]) {
                (void)snprintf(m->state_dir, sizeof m->state_dir, "/tmp/baton-plugin-XXXXXX");
                assert_non_null(mkdtemp(m->state_dir));
                m->own_state_dir = true;
        }
        plugin_settings_free(m->settings);
        if (plugin_settings_new(m->plugin, &m->section, note_problem, m, &m->settings) > 0)
                fail_msg("%s", mock_host_problems(m));
        mock__table(m);
        m->descriptors = open_descriptors();
        int r = m->plugin->open(&m->host, &m->instance);
        m->open = r == 0;
        return r;
}

void mock_host_close(struct mock_host *m)
{
        assert_true(m->open);
        if (m->plugin->close)
                m->plugin->close(m->instance);
        m->open = false;
        m->held = false;
        m->watch_count = 0;
        m->wake_ms = UINT64_MAX;
        size_t now = open_descriptors();
        if (!m->allow_descriptors && now > m->descriptors)
                fail_msg("the plugin has left %zu descriptors open", now - m->descriptors);
}

static int give(struct mock_host *m, int64_t token, bool taken_up)
{
        assert_true(m->open);
        assert_non_null(m->plugin->activate);
        if (!m->own_deadline)
                m->deadline_ms = mock_now_ms() + MOCK_LEASE_MS;
        m->grant = (struct baton_grant){
                .group = m->section.group.text,
                .token = token,
                .deadline_ms = m->deadline_ms,
                .lease_ms = MOCK_LEASE_MS,
                .budget_ms = m->need_ms ? m->need_ms : MOCK_BUDGET_MS,
                .taken_up = taken_up,
        };
        m->held = true;
        return m->plugin->activate(m->instance, &m->grant);
}

int mock_host_activate(struct mock_host *m)
{
        return give(m, m->grant.token + 1, false);
}

int mock_host_take_up(struct mock_host *m)
{
        return give(m, m->grant.token, true);
}

int mock_host_deactivate(struct mock_host *m, enum baton_reason reason, uint32_t budget_ms)
{
        assert_true(m->open);
        assert_non_null(m->plugin->deactivate);
        int r = m->plugin->deactivate(m->instance, reason, budget_ms);
        m->held = false;
        return r;
}

enum baton_health mock_host_check(struct mock_host *m)
{
        assert_true(m->open);
        assert_non_null(m->plugin->check);
        m->health = BATON_HEALTH_UNKNOWN;
        m->why[0] = '\0';
        int r = m->plugin->check(m->instance, &m->health, m->why, sizeof m->why);
        if (r < 0) {
                m->health = BATON_HEALTH_BAD;
                if (!m->why[0])
                        (void)snprintf(m->why, sizeof m->why, "%s", strerror(-r));
        }
        assert_true((unsigned)m->health <= BATON_HEALTH_BAD);
        return m->health;
}

void mock_host_role(struct mock_host *m, enum baton_role role)
{
        assert_true(m->open);
        if (m->plugin->role_changed)
                m->plugin->role_changed(m->instance, role);
}

void mock_host_members(struct mock_host *m, const struct baton_member *members, size_t count)
{
        assert_true(m->open);
        if (m->plugin->members_changed)
                m->plugin->members_changed(m->instance, members, count);
}

void mock_host_config(struct mock_host *m, const char *path, const void *data, size_t size)
{
        const struct mock_value *v = mock__value_set(m, path, data, size);
        const struct baton_config told = {
                .path = v->path, .data = v->data, .size = v->size, .version = v->version, .zxid = m->zxid};
        assert_true(m->open);
        if (m->plugin->config_changed)
                m->plugin->config_changed(m->instance, &told);
}

void mock_host_config_text(struct mock_host *m, const char *path, const char *text)
{
        mock_host_config(m, path, text, strlen(text));
}

void mock_host_config_synced(struct mock_host *m)
{
        assert_true(m->open);
        if (m->plugin->config_synced)
                m->plugin->config_synced(m->instance);
}

/* ---- what changes while a callback runs ---- */

void mock_host_cancel(struct mock_host *m, uint32_t delay_ms)
{
        struct itimerspec when = {
                .it_value = {.tv_sec = delay_ms / 1000, .tv_nsec = (long)(delay_ms % 1000) * 1000000}};
        if (delay_ms == 0)
                when.it_value.tv_nsec = 1;
        assert_int_equal(timerfd_settime(m->cancel_fd, 0, &when, NULL), 0);
        if (delay_ms == 0) { /* readable when this returns */
                struct pollfd p = {.fd = m->cancel_fd, .events = POLLIN};
                assert_int_equal(poll(&p, 1, 5000), 1);
        }
}

void mock_host_uncancel(struct mock_host *m)
{
        const struct itimerspec never = {.it_value = {0}};
        assert_int_equal(timerfd_settime(m->cancel_fd, 0, &never, NULL), 0);
}

void mock_host_deadline_in(struct mock_host *m, int64_t ms)
{
        m->own_deadline = true;
        m->deadline_ms = (uint64_t)((int64_t)mock_now_ms() + ms);
}

void mock_host_config_fails(struct mock_host *m, int error)
{
        assert_true(error <= 0);
        m->config_error = error;
}

/* ---- driving ready() ---- */

/* Calls ready() for whatever is due, waiting for it until `until_ms`. One descriptor's call may end the watch of
 * another, so each is looked for again before it is told. */
static void turn(struct mock_host *m, uint64_t until_ms)
{
        struct pollfd polled[MOCK_WATCHES_MAX];
        size_t count = m->watch_count;
        uint64_t now = mock_now_ms();
        uint64_t due = m->wake_ms < until_ms ? m->wake_ms : until_ms;
        memcpy(polled, m->watches, count * sizeof polled[0]);
        int r = poll(polled, (nfds_t)count, due > now ? (int)(due - now) : 0);
        assert_true(r >= 0 || errno == EINTR);
        if (m->wake_ms <= mock_now_ms()) {
                m->wake_ms = UINT64_MAX;
                assert_non_null(m->plugin->ready);
                m->plugin->ready(m->instance, -1);
        }
        for (size_t i = 0; r > 0 && i < count; i++) {
                bool watched = false;
                for (size_t k = 0; k < m->watch_count; k++)
                        watched = watched || m->watches[k].fd == polled[i].fd;
                if (!polled[i].revents || !watched)
                        continue;
                if (polled[i].revents & POLLNVAL)
                        fail_msg("the plugin watches descriptor %d, which it has closed", polled[i].fd);
                assert_non_null(m->plugin->ready);
                m->plugin->ready(m->instance, polled[i].fd);
        }
}

bool mock_host_run(struct mock_host *m, mock_done_fn *done, void *ctx, uint32_t timeout_ms)
{
        uint64_t until_ms = mock_now_ms() + timeout_ms;
        assert_true(m->open);
        for (;;) {
                if (done && done(m, ctx))
                        return true;
                if (mock_now_ms() >= until_ms)
                        return !done;
                turn(m, until_ms);
        }
}

static bool health_is(struct mock_host *m, void *ctx)
{
        const enum baton_health *health = ctx;
        return m->health == *health;
}

bool mock_host_await_health(struct mock_host *m, enum baton_health health, uint32_t timeout_ms)
{
        return mock_host_run(m, health_is, &health, timeout_ms);
}

static bool log_has(struct mock_host *m, void *ctx)
{
        return mock_host_logged(m, *(const char **)ctx);
}

bool mock_host_await_log(struct mock_host *m, const char *text, uint32_t timeout_ms)
{
        return mock_host_run(m, log_has, (void *)&text, timeout_ms);
}

static bool status_has(struct mock_host *m, void *ctx)
{
        return strstr(m->status, *(const char **)ctx) != NULL;
}

bool mock_host_await_status(struct mock_host *m, const char *text, uint32_t timeout_ms)
{
        return mock_host_run(m, status_has, (void *)&text, timeout_ms);
}

/* ---- what it has said ---- */

const char *mock_host_log(const struct mock_host *m)
{
        return m->log ? m->log : "";
}

bool mock_host_logged(const struct mock_host *m, const char *text)
{
        return strstr(mock_host_log(m), text) != NULL;
}

void mock_host_log_clear(struct mock_host *m)
{
        mem_free(m->log);
        m->log = NULL;
}

enum baton_health mock_host_health(const struct mock_host *m)
{
        return m->health;
}

const char *mock_host_why(const struct mock_host *m)
{
        return m->why;
}

size_t mock_host_reports(const struct mock_host *m)
{
        return m->reports;
}

const char *mock_host_status(const struct mock_host *m)
{
        return m->status;
}

uint32_t mock_host_budget(const struct mock_host *m)
{
        return m->need_ms;
}

int64_t mock_host_token(const struct mock_host *m)
{
        return m->grant.token;
}

size_t mock_host_watches(const struct mock_host *m)
{
        return m->watch_count;
}

uint64_t mock_host_wake(const struct mock_host *m)
{
        return m->wake_ms;
}

const char *mock_host_config_value(const struct mock_host *m, const char *path)
{
        const struct mock_value *v = mock__value_find(m, path);
        return v ? v->data : NULL;
}
