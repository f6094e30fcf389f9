/* The mock host itself, with a plugin that is linked in: what tests of plugins lean on. */
#include "tests/unit/plugins/mock_host.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a plugin ---- */

struct probe {
        const struct baton_host *host;
        int pipe[2];
        bool running;
};

static struct probe probe;

static int probe_open(const struct baton_host *host, void **ret)
{
        probe = (struct probe){.host = host};
        if (pipe(probe.pipe) < 0)
                return -errno;
        host->need_stop_budget(host->context, (uint32_t)host->setting_number(host->context, "budget"));
        *ret = &probe;
        return host->watch(host->context, probe.pipe[0], POLLIN);
}

static void probe_close(void *instance)
{
        struct probe *p = instance;
        (void)p->host->watch(p->host->context, p->pipe[0], 0);
        (void)close(p->pipe[0]);
        (void)close(p->pipe[1]);
}

static int probe_activate(void *instance, const struct baton_grant *grant)
{
        struct probe *p = instance;
        struct pollfd cancel = {.fd = p->host->cancel_fd, .events = POLLIN};
        if (p->host->setting_bool(p->host->context, "slow"))
                return poll(&cancel, 1, 5000) == 1 ? -ECANCELED : -ETIME;
        p->running = true;
        p->host->log(p->host->context, BATON_LOG_INFO, "token %lx%s", (unsigned long)grant->token,
                     grant->taken_up ? " again" : "");
        return p->host->held(p->host->context) && p->host->deadline(p->host->context) == grant->deadline_ms ? 0
                                                                                                            : -EPROTO;
}

static int probe_deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        struct probe *p = instance;
        (void)reason;
        p->running = false;
        return budget_ms > 0 ? 0 : -ETIME;
}

static int probe_check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        struct probe *p = instance;
        (void)snprintf(why, why_size, "it %s", p->running ? "runs" : "does not run");
        *ret = p->running ? BATON_HEALTH_GOOD : BATON_HEALTH_BAD;
        return 0;
}

static void probe_config(void *instance, const struct baton_config *c)
{
        struct probe *p = instance;
        void *copy = NULL;
        size_t size = 0;
        int32_t version = -1;
        int r = p->host->config_get(p->host->context, c->path, &copy, &size, &version);
        p->host->log(p->host->context, BATON_LOG_DEBUG, "%s v%d: %s", c->path, version, r < 0 ? "gone" : (char *)copy);
        free(copy);
}

static void probe_ready(void *instance, int fd)
{
        struct probe *p = instance;
        char byte = 0;
        if (fd < 0) {
                p->host->publish(p->host->context, "woken");
                return;
        }
        if (read(fd, &byte, 1) == 1)
                p->host->report(p->host->context, BATON_HEALTH_DEGRADED, "a byte came");
}

static void probe_judge(const struct baton_host *host)
{
        if (host->setting_number(host->context, "budget") == 13)
                host->problem(host->context, "budget", "brings no luck");
}

static const struct baton_setting table[] = {
        {.name = "budget", .type = BATON_SETTING_NUMBER, .fallback = "700", .min = 1, .max = 1000, .help = "ms"},
        {.name = "slow", .type = BATON_SETTING_BOOL, .fallback = "off", .help = "waits to be cancelled"},
        {.name = "name", .type = BATON_SETTING_TEXT, .required = true, .help = "anything"},
};

static const struct baton_plugin plugin = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof plugin,
        .name = "probe",
        .description = "shows what the mock does",
        .settings = table,
        .setting_count = 3,
        .check_settings = probe_judge,
        .open = probe_open,
        .close = probe_close,
        .activate = probe_activate,
        .deactivate = probe_deactivate,
        .check = probe_check,
        .config_changed = probe_config,
        .ready = probe_ready,
};

static struct mock_host *opened(const char *slow)
{
        struct mock_host *m = mock_host_new(&plugin);
        mock_host_set(m, "name", "x");
        mock_host_set(m, "slow", slow);
        assert_int_equal(mock_host_open(m), 0);
        return m;
}

/* ---- tests ---- */

static void test_faults_of_settings_have_their_lines(void **state)
{
        (void)state;
        struct mock_host *m = mock_host_new(&plugin);
        mock_host_set(m, "budget", "1001");
        mock_host_set(m, "slow", "perhaps");
        mock_host_set(m, "colour", "red");
        assert_int_equal(mock_host_judge(m), 4);
        assert_string_equal(mock_host_problems(m), "config:1: budget = \"1001\": must be a number from 1 to 1000\n"
                                                   "config:2: slow = \"perhaps\": must be yes or no\n"
                                                   "config:3: plugin probe has no setting \"colour\"\n"
                                                   "config:0: [plugin test] name is missing: anything\n");
        mock_host_free(m);
}

static void test_the_plugins_own_judgement_is_told(void **state)
{
        (void)state;
        struct mock_host *m = mock_host_new(&plugin);
        mock_host_set(m, "name", "x");
        mock_host_set(m, "budget", "013");
        assert_int_equal(mock_host_judge(m), 1);
        assert_string_equal(mock_host_problems(m), "config:2: budget = \"13\": brings no luck\n");
        mock_host_free(m);
}

static void test_a_life(void **state)
{
        (void)state;
        struct mock_host *m = opened("no");
        assert_int_equal(mock_host_budget(m), 700);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 100), 0);
        assert_int_equal(mock_host_check(m), BATON_HEALTH_BAD);
        assert_string_equal(mock_host_why(m), "it does not run");
        assert_int_equal(mock_host_activate(m), 0);
        assert_int_equal(mock_host_take_up(m), 0);
        assert_string_equal(mock_host_log(m), "info: token 100000001\ninfo: token 100000001 again\n");
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_ENDING, 0), -ETIME);
        mock_host_free(m);
}

static void test_a_cancel_ends_a_long_wait(void **state)
{
        (void)state;
        struct mock_host *m = opened("yes");
        mock_host_cancel(m, 30);
        assert_int_equal(mock_host_activate(m), -ECANCELED);
        assert_int_equal(mock_host_activate(m), -ECANCELED); /* it stays raised */
        mock_host_uncancel(m);
        struct pollfd p = {.fd = probe.host->cancel_fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 0), 0);
        mock_host_cancel(m, 0);
        assert_int_equal(poll(&p, 1, 0), 1);
        mock_host_free(m);
}

static void test_descriptors_and_wakes_come_through(void **state)
{
        (void)state;
        struct mock_host *m = opened("no");
        assert_false(mock_host_await_health(m, BATON_HEALTH_DEGRADED, 20));
        assert_int_equal(write(probe.pipe[1], "x", 1), 1);
        assert_true(mock_host_await_health(m, BATON_HEALTH_DEGRADED, 5000));
        assert_string_equal(mock_host_why(m), "a byte came");
        uint64_t when = mock_now_ms() + 20;
        probe.host->wake_at(probe.host->context, when);
        assert_true(mock_host_await_status(m, "woken", 5000));
        assert_true(mock_now_ms() >= when);
        assert_true(mock_host_wake(m) == UINT64_MAX);
        mock_host_free(m);
}

static void test_configuration_is_kept_and_told(void **state)
{
        (void)state;
        struct mock_host *m = opened("no");
        const struct baton_host *h = probe.host;
        mock_host_config_text(m, "a/b", "one");
        mock_host_config_text(m, "a/b", "two");
        mock_host_config(m, "a/b", NULL, 0);
        assert_string_equal(mock_host_log(m), "debug: a/b v0: one\ndebug: a/b v1: two\ndebug: a/b v-1: gone\n");
        assert_int_equal(h->config_set(h->context, "c", "x", 1, 0), -ESTALE);
        assert_int_equal(h->config_set(h->context, "c", "x", 1, -1), 0);
        assert_int_equal(h->config_set(h->context, "c", "y", 1, 0), 0);
        assert_string_equal(mock_host_config_value(m, "c"), "y");
        mock_host_config_fails(m, -EAGAIN);
        assert_int_equal(h->config_set(h->context, "c", "z", 1, -1), -EAGAIN);
        assert_string_equal(mock_host_config_value(m, "c"), "y");
        mock_host_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_faults_of_settings_have_their_lines),
                cmocka_unit_test(test_the_plugins_own_judgement_is_told),
                cmocka_unit_test(test_a_life),
                cmocka_unit_test(test_a_cancel_ends_a_long_wait),
                cmocka_unit_test(test_descriptors_and_wakes_come_through),
                cmocka_unit_test(test_configuration_is_kept_and_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
