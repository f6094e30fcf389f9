/* What the plugin `unit` makes of names, facts and control groups, without a bus. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char why[UNIT_WHY_MAX];

/* ---- names ---- */

static void assert_names(const char *text, const char *expected)
{
        char *names[UNIT_UNITS_MAX], joined[1024] = "";
        int count = unit__names_parse(text, names, why);
        if (count < 0)
                fail_msg("%s", why);
        size_t used = 0;
        for (int i = 0; i < count; i++) {
                used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%s", i ? " " : "", names[i]);
                free(names[i]);
        }
        assert_string_equal(joined, expected);
}

static void assert_no_names(const char *text, const char *reason)
{
        char *names[UNIT_UNITS_MAX];
        assert_int_equal(unit__names_parse(text, names, why), -EINVAL);
        if (!strstr(why, reason))
                fail_msg("'%s' is not in: %s", reason, why);
}

static void test_names_are_split_and_completed(void **state)
{
        (void)state;
        assert_names("nginx", "nginx.service");
        assert_names(" a.socket,a ,\tb@1.service ", "a.socket a.service b@1.service");
        assert_names("php8.2-fpm", "php8.2-fpm.service"); /* a dot makes no suffix */
        assert_names("srv-data\\x2d1.mount", "srv-data\\x2d1.mount");
}

static void test_what_is_no_unit_is_refused(void **state)
{
        (void)state;
        assert_no_names("", "names no unit");
        assert_no_names(" , ", "names no unit");
        assert_no_names("a b/c", "'b/c' is no name of a unit");
        assert_no_names("nginx nginx.service", "names nginx.service twice");
        assert_no_names("multi-user.target", "name the services themselves");
        assert_no_names("pg@.service", "is a template; name an instance of it, as in pg@NAME.service");
        char text[4096] = "";
        memset(text, 'a', 300);
        assert_no_names(text, "longer than 255 bytes");
        size_t used = 0;
        for (int i = 0; i <= UNIT_UNITS_MAX; i++)
                used += (size_t)snprintf(text + used, sizeof text - used, "u%d ", i);
        assert_no_names(text, "more than 32 units");
}

/* ---- facts ---- */

static struct unit_facts service(void)
{
        return (struct unit_facts){.id = "web.service",
                                   .load_state = "loaded",
                                   .active_state = "active",
                                   .sub_state = "running",
                                   .type = "simple",
                                   .kill_mode = "control-group",
                                   .has_kill = true,
                                   .send_sigkill = true,
                                   .timeout_stop_us = 90000000};
}

/* Once with the fault it is refused for, and never without. */
#define ASSERT_REFUSED(change, reason)                                                                                 \
        do {                                                                                                           \
                struct unit_facts f = service();                                                                       \
                assert_false(unit__rules_refuse("web", &f, why));                                                      \
                change;                                                                                                \
                assert_true(unit__rules_refuse("web", &f, why));                                                       \
                assert_non_null(strstr(why, reason));                                                                  \
        } while (0)

static void set(char *word, const char *text)
{
        (void)snprintf(word, UNIT_WORD_MAX, "%s", text);
}

static void test_each_reason_refuses_by_itself(void **state)
{
        (void)state;
        ASSERT_REFUSED(set(f.load_state, "not-found"), "does not exist");
        ASSERT_REFUSED(set(f.load_state, "masked"), "systemctl unmask");
        ASSERT_REFUSED(set(f.load_state, "bad-setting"), "can't be loaded");
        ASSERT_REFUSED(f.refuse_start = true, "RefuseManualStart");
        ASSERT_REFUSED(f.refuse_stop = true, "RefuseManualStop");
        ASSERT_REFUSED(f.send_sigkill = false, "SendSIGKILL");
        ASSERT_REFUSED(set(f.kill_mode, "process"), "KillMode=process");
        ASSERT_REFUSED(set(f.kill_mode, "none"), "KillMode=none");
        struct unit_facts timer = {.load_state = "loaded"}; /* kills nobody */
        assert_false(unit__rules_refuse("a.timer", &timer, why));
}

static void test_starters_are_told_unless_they_are_managed(void **state)
{
        (void)state;
        struct unit_facts f = service();
        char mine[] = "stack.service", *managed[] = {mine};
        f.wanted_by = (struct unit_list){.count = 1, .names = {mine}};
        set(f.file_state, "static");
        assert_false(unit__rules_started_elsewhere(&f, managed, 1, why));
        assert_true(unit__rules_started_elsewhere(&f, NULL, 0, why));
        assert_non_null(strstr(why, "stack.service"));
        f.wanted_by.count = 0;
        set(f.file_state, "enabled-runtime");
        assert_true(unit__rules_started_elsewhere(&f, managed, 1, why));
        assert_non_null(strstr(why, "systemctl disable web.service"));
}

static enum baton_health health(const char *active, const char *sub, uint32_t job)
{
        struct unit_facts f = service();
        set(f.active_state, active);
        set(f.sub_state, sub);
        f.job = job;
        return unit__rules_health(&f, why);
}

static void test_only_rest_is_bad(void **state)
{
        (void)state;
        assert_int_equal(health("active", "running", 0), BATON_HEALTH_GOOD);
        assert_int_equal(health("reloading", "reload", 0), BATON_HEALTH_GOOD);
        assert_int_equal(health("activating", "auto-restart", 0), BATON_HEALTH_DEGRADED);
        assert_int_equal(health("deactivating", "stop", 0), BATON_HEALTH_DEGRADED);
        assert_int_equal(health("inactive", "dead", 7), BATON_HEALTH_DEGRADED); /* a restart is in the queue */
        assert_int_equal(health("a-state-of-2030", "", 0), BATON_HEALTH_DEGRADED);
        assert_int_equal(health("inactive", "dead", 0), BATON_HEALTH_BAD);
        assert_int_equal(health("failed", "failed", 0), BATON_HEALTH_BAD);
}

/* ---- budgets ---- */

static void test_budget_comes_from_the_unit_within_limits(void **state)
{
        (void)state;
        struct unit_facts f = service();
        f.timeout_stop_us = 250000;
        assert_int_equal(unit__rules_own_stop_ms(&f), 1000);
        f.stop_commands = 2;
        assert_int_equal(unit__rules_own_stop_ms(&f), 1500);
        f.timeout_abort_us = 1000000;
        assert_int_equal(unit__rules_own_stop_ms(&f), 6000);
        f.timeout_stop_us = UINT64_MAX;
        assert_true(unit__rules_own_stop_ms(&f) == UINT64_MAX);

        assert_int_equal(unit__rules_stop_ms(1500, 1), 1500);
        assert_int_equal(unit__rules_stop_ms(0, 1), 420);
        assert_int_equal(unit__rules_stop_ms(0, 5), 500);
        assert_int_equal(unit__rules_stop_ms(UINT64_MAX, 1), 5000);
        assert_int_equal(unit__rules_kill_share_ms(500), 250);
        assert_int_equal(unit__rules_kill_share_ms(60000), 5000);
}

/* ---- control groups ---- */

static char dir[64];

static int setup(void **state)
{
        (void)state;
        (void)snprintf(dir, sizeof dir, "/tmp/baton-cgroup-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

static int teardown(void **state)
{
        (void)state;
        return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
        char full[512];
        (void)snprintf(full, sizeof full, "%s%s", dir, path);
        for (char *at = full + strlen(dir) + 1; (at = strchr(at, '/')); *at++ = '/') {
                *at = '\0';
                (void)mkdir(full, 0755); /* exists, mostly */
        }
        FILE *f = fopen(full, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void test_hierarchies_are_told_apart(void **state)
{
        (void)state;
        struct unit_cgroups c;
        assert_int_equal(unit__cgroups_find(dir, &c), -ENOENT);
        assert_int_equal(unit__cgroup_populated(&c, "/a.service"), -EOPNOTSUPP); /* not: empty */
        put("/systemd/cgroup.procs", "");
        assert_int_equal(unit__cgroups_find(dir, &c), 0);
        assert_false(c.unified);
        put("/cgroup.controllers", "");
        assert_int_equal(unit__cgroups_find(dir, &c), 0);
        assert_true(c.unified);
}

static void test_unified_group_says_whether_it_is_populated(void **state)
{
        (void)state;
        struct unit_cgroups c;
        put("/cgroup.controllers", "");
        assert_int_equal(unit__cgroups_find(dir, &c), 0);
        assert_int_equal(unit__cgroup_populated(&c, "/a.service"), 0); /* gone */
        put("/a.service/cgroup.events", "populated 1\nfrozen 0\n");
        assert_int_equal(unit__cgroup_populated(&c, "/a.service"), 1);
        put("/a.service/cgroup.events", "frozen 0\npopulated 0\n");
        assert_int_equal(unit__cgroup_populated(&c, "/a.service"), 0);
        put("/a.service/cgroup.events", "");
        assert_int_equal(unit__cgroup_populated(&c, "/a.service"), -EBADMSG);
}

static void test_named_hierarchy_is_searched_and_killed_by_process(void **state)
{
        (void)state;
        struct unit_cgroups c;
        char text[32];
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)alarm(20); /* not for ever when the test fails */
                (void)pause();
                _exit(0);
        }
        (void)snprintf(text, sizeof text, "%d\n", (int)child);
        put("/systemd/cgroup.procs", "");
        put("/systemd/s/a.service/cgroup.procs", "");
        put("/systemd/s/a.service/x/cgroup.procs", "");
        put("/systemd/s/a.service/x/y/cgroup.procs", "");
        assert_int_equal(unit__cgroups_find(dir, &c), 0);
        assert_int_equal(unit__cgroup_populated(&c, "/s/a.service"), 0);
        put("/systemd/s/a.service/x/y/cgroup.procs", text);
        assert_int_equal(unit__cgroup_populated(&c, "/s/a.service"), 1);
        assert_int_equal(unit__cgroup_kill(&c, "/s/a.service"), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* What is killed is the unit's own group, whatever stands in a file or comes over a bus. */
static void test_group_belongs_to_its_unit(void **state)
{
        (void)state;
        assert_true(unit__cgroup_is_of("/system.slice/web.service", "web.service"));
        assert_true(unit__cgroup_is_of("/system.slice/_cgroup.service", "cgroup.service"));
        assert_false(unit__cgroup_is_of("/", "web.service"));
        assert_false(unit__cgroup_is_of("", "web.service"));
        assert_false(unit__cgroup_is_of("/system.slice", "web.service"));
        assert_false(unit__cgroup_is_of("/system.slice/other.service", "web.service"));
        assert_false(unit__cgroup_is_of("/a/../web.service", "web.service"));
        assert_false(unit__cgroup_is_of("/system.slice/", ""));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_are_split_and_completed),
                cmocka_unit_test(test_what_is_no_unit_is_refused),
                cmocka_unit_test(test_each_reason_refuses_by_itself),
                cmocka_unit_test(test_starters_are_told_unless_they_are_managed),
                cmocka_unit_test(test_only_rest_is_bad),
                cmocka_unit_test(test_budget_comes_from_the_unit_within_limits),
                cmocka_unit_test_setup_teardown(test_hierarchies_are_told_apart, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unified_group_says_whether_it_is_populated, setup, teardown),
                cmocka_unit_test_setup_teardown(test_named_hierarchy_is_searched_and_killed_by_process, setup,
                                                teardown),
                cmocka_unit_test(test_group_belongs_to_its_unit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
