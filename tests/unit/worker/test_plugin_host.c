/* Modules good and bad, and what is said of them. */
#include "daemon/worker/plugin_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Loads MODULES/name.so, expecting this result and this in the sentence. */
static void expect_refused(const char *name, int error, const char *text)
{
        char why[PLUGIN_WHY_MAX] = "";
        struct plugin_module *m = NULL;
        assert_int_equal(plugin_module_load(MODULES, name, &m, why), error);
        if (!strstr(why, text))
                fail_msg("\"%s\" is not in: %s", text, why);
}

static void test_a_plugin_that_is_not_there(void **state)
{
        (void)state;
        expect_refused("nothing", -ENOENT, "/nothing.so; is its package installed?");
        expect_refused("/nowhere/at/all.so", -ENOENT, "there is no plugin /nowhere/at/all.so;");
        expect_refused("some/where", -ENOENT, "must be the name of a plugin, or an absolute path");
        expect_refused("", -ENOENT, "must be the name of a plugin, or an absolute path");
}

static void test_a_file_that_is_no_plugin(void **state)
{
        (void)state;
        expect_refused("/etc/passwd", -ELIBBAD, "plugin cannot be loaded: /etc/passwd: ");
        expect_refused("no_symbol", -ELIBBAD, "is no plugin of baton: it exports no baton_plugin_v1");
}

static void test_another_version(void **state)
{
        (void)state;
        expect_refused("wrong_abi", -EPROTO, "built for version 7 of the plugin ABI, this baton has version 1");
        expect_refused("other_version", -EPROTO, "is built for version 3 of the plugin ABI, this baton has version 1");
}

static void test_broken_descriptors(void **state)
{
        (void)state;
        expect_refused("broken_table", -EINVAL, "the default of setting depth: must be a number from 1 to 5");
        expect_refused("no_stop", -EINVAL, "activate() but no deactivate()");
}

/* Within a version descriptors grow at their end: what an older one does not have is not there, whatever lies behind.
 */
static void test_an_older_descriptor_is_shorter(void **state)
{
        (void)state;
        char why[PLUGIN_WHY_MAX] = "";
        struct plugin_module *m = NULL;
        assert_int_equal(plugin_module_load(MODULES, "short", &m, why), 0);
        assert_non_null(plugin_module_plugin(m)->open);
        assert_null(plugin_module_plugin(m)->close);
        plugin_module_free(m);
        plugin_module_free(NULL);
}

static int open_nothing(const struct baton_host *host, void **ret)
{
        (void)host;
        *ret = NULL;
        return 0;
}

static void expect_broken(struct baton_plugin p, const char *text)
{
        char why[PLUGIN_WHY_MAX] = "";
        struct plugin_module *m = NULL;
        assert_int_equal(plugin_module_of(&p, &m, why), -EINVAL);
        if (!strstr(why, text))
                fail_msg("\"%s\" is not in: %s", text, why);
}

static void test_descriptors_are_judged_before_they_are_believed(void **state)
{
        (void)state;
        const struct baton_setting twice[] = {{.name = "a"}, {.name = "a"}};
        const struct baton_setting nameless[] = {{.name = NULL}};
        const struct baton_setting typeless[] = {{.name = "a", .type = (enum baton_setting_type)9}};
        const struct baton_setting empty[] = {{.name = "a", .type = BATON_SETTING_NUMBER, .min = 2, .max = 1}};
        const struct baton_plugin good = {
                .abi = BATON_PLUGIN_ABI, .size = sizeof good, .name = "x", .open = open_nothing};
        struct baton_plugin p = good;
        p.size = 8;
        expect_broken(p, "8 bytes are too few");
        p = good;
        p.name = "Not A Name";
        expect_broken(p, "no proper name");
        p = good;
        p.open = NULL;
        expect_broken(p, "no open()");
        p = good;
        p.setting_count = 3;
        expect_broken(p, "its table of 3 settings cannot be");
        p.setting_count = SIZE_MAX;
        p.settings = twice;
        expect_broken(p, "cannot be");
        p.setting_count = 2;
        expect_broken(p, "it has setting a twice");
        p.setting_count = 1;
        p.settings = nameless;
        expect_broken(p, "a setting has no proper name");
        p.settings = typeless;
        expect_broken(p, "type 9");
        p.settings = empty;
        expect_broken(p, "allows no number at all");
}

static void test_the_stop_budget(void **state)
{
        (void)state;
        struct node_plugin section = {.name = {"web"}};
        char why[PLUGIN_WHY_MAX] = "";
        uint32_t budget_ms = 0;
        assert_int_equal(plugin_stop_budget(&section, 0, &budget_ms, why, sizeof why), 0);
        assert_int_equal(budget_ms, PLUGIN_STOP_BUDGET_MS);
        assert_int_equal(plugin_stop_budget(&section, 900, &budget_ms, why, sizeof why), 0);
        assert_int_equal(budget_ms, 900);
        section.stop_budget_ms = 2000;
        assert_int_equal(plugin_stop_budget(&section, 900, &budget_ms, why, sizeof why), 0);
        assert_int_equal(budget_ms, 2000);
        assert_int_equal(plugin_stop_budget(&section, 2001, &budget_ms, why, sizeof why), -ERANGE);
        assert_string_equal(why, "[plugin web] needs 2001 ms to stop, stop_budget gives 2000 ms; raise it, or make the "
                                 "stop shorter");
}

static void note_problem(void *ctx, const struct origin *where, const char *text)
{
        char *all = ctx;
        size_t len = strlen(all);
        (void)snprintf(all + len, 1024 - len, "%s:%d: %s\n", where->file, where->line, text);
}

static void test_a_section_is_judged_as_a_whole(void **state)
{
        (void)state;
        char text[1024] = "";
        struct node_setting settings[] = {{"resource", "/r", {"a.conf", 3}},
                                          {"trace", "/t", {"a.conf", 4}},
                                          {"need", "1e3", {"b.conf", 1}},
                                          {"moods", "/m", {"b.conf", 2}}};
        struct node_config config = {.node = {"n1"}};
        struct node_plugin section = {
                .name = {"web"}, .origin = {"a.conf", 2}, .settings = settings, .setting_count = 4};
        struct plugin_judgement judgement;
        (void)snprintf(section.module, sizeof section.module, "probe");
        (void)snprintf(config.plugin_dir, sizeof config.plugin_dir, "%s", MODULES);
        plugin_judge(&config, &section, note_problem, text, &judgement);
        assert_int_equal(judgement.problems, 1);
        assert_string_equal(text, "b.conf:1: need = \"1e3\": must be a number from 0 to 60000\n");
        settings[2].value = "1000";
        settings[0].value = "r";
        text[0] = '\0';
        plugin_judge(&config, &section, note_problem, text, &judgement);
        assert_string_equal(text, "a.conf:3: resource = \"r\": must be an absolute path\n");
        settings[0].value = "/r";
        plugin_judge(&config, &section, note_problem, text, &judgement);
        assert_int_equal(judgement.problems, 0);
        assert_int_equal(judgement.budget_ms, PLUGIN_STOP_BUDGET_MS);
        /* A worker that cannot be started would cost its whole group. */
        (void)snprintf(section.identity.user, sizeof section.identity.user, "no-such-user");
        text[0] = '\0';
        plugin_judge(&config, &section, note_problem, text, &judgement);
        assert_string_equal(text, "a.conf:2: [plugin web] there is no user \"no-such-user\" on this machine; make it "
                                  "(useradd)\n");
        assert_int_equal(judgement.problems, 1);
        assert_int_equal(judgement.objections, 1);
        (void)snprintf(section.identity.user, sizeof section.identity.user, "root");
        (void)snprintf(section.identity.group, sizeof section.identity.group, "no-such-group");
        plugin_judge(&config, &section, note_problem, text, &judgement);
        assert_int_equal(judgement.objections, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_plugin_that_is_not_there),
                cmocka_unit_test(test_a_file_that_is_no_plugin),
                cmocka_unit_test(test_another_version),
                cmocka_unit_test(test_broken_descriptors),
                cmocka_unit_test(test_an_older_descriptor_is_shorter),
                cmocka_unit_test(test_descriptors_are_judged_before_they_are_believed),
                cmocka_unit_test(test_the_stop_budget),
                cmocka_unit_test(test_a_section_is_judged_as_a_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
