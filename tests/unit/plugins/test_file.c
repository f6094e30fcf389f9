/* The plugin `file`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plugins/mock_host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
        struct mock_host *m;
        char dir[64], path[128], command[200];
};

static struct scene *begin(void)
{
        struct scene *s = calloc(1, sizeof *s);
        assert_non_null(s);
        (void)snprintf(s->dir, sizeof s->dir, "/tmp/baton-file-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        (void)snprintf(s->path, sizeof s->path, "%s/motd", s->dir);
        (void)snprintf(s->command, sizeof s->command, "sh -c 'echo reloaded $BATON_FILE; echo x >> %s/count'", s->dir);
        s->m = mock_host_load(PLUGIN_DIR "/file.so");
        mock_host_names(s->m, NULL, NULL, "");
        mock_host_set(s->m, "config", "nginx/motd");
        mock_host_set(s->m, "path", s->path);
        mock_host_set(s->m, "command", s->command);
        return s;
}

static void finish(struct scene *s)
{
        char command[128];
        static const char *const names[] = {"motd", "count", NULL};
        mock_host_free(s->m);
        for (size_t i = 0; names[i]; i++) {
                (void)snprintf(command, sizeof command, "%s/%s", s->dir, names[i]);
                (void)unlink(command);
        }
        assert_int_equal(rmdir(s->dir), 0); /* nothing was left beside the file */
        free(s);
}

/* NUL-terminated; "" when it is not there. */
static const char *content(const char *path)
{
        static char text[256];
        memset(text, 0, sizeof text);
        FILE *f = fopen(path, "re");
        if (f) {
                text[fread(text, 1, sizeof text - 1, f)] = '\0';
                (void)fclose(f);
        }
        return text;
}

static size_t reloads(const struct scene *s)
{
        char path[128];
        (void)snprintf(path, sizeof path, "%s/count", s->dir);
        return strlen(content(path)) / 2;
}

static void test_the_last_value_at_the_start_is_written_once(void **state)
{
        (void)state;
        struct scene *s = begin();
        struct stat st;
        mock_host_set(s->m, "mode", "0640");
        assert_int_equal(mock_host_judge(s->m), 0);
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_text(s->m, "other", "no");
        mock_host_config_text(s->m, "nginx/motd", "hello");
        assert_int_equal(access(s->path, F_OK), -1);
        mock_host_config_synced(s->m);
        assert_string_equal(content(s->path), "hello");
        assert_int_equal(stat(s->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(reloads(s), 1);
        finish(s);
}

static void test_only_a_changed_content_reloads(void **state)
{
        (void)state;
        struct scene *s = begin();
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_synced(s->m);
        mock_host_config_text(s->m, "nginx/motd", "one");
        mock_host_config_text(s->m, "nginx/motd", "one");
        mock_host_config_text(s->m, "nginx/other", "two");
        assert_int_equal(reloads(s), 1);
        mock_host_config_text(s->m, "nginx/motd", "two");
        assert_int_equal(reloads(s), 2);
        assert_string_equal(content(s->path), "two");
        mock_host_close(s->m); /* as a restart: what is on disk is current */
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_text(s->m, "nginx/motd", "two");
        mock_host_config_synced(s->m);
        assert_int_equal(reloads(s), 2);
        finish(s);
}

static void test_a_removed_value_leaves_the_file_unless_told_otherwise(void **state)
{
        (void)state;
        for (int removes = 0; removes < 2; removes++) {
                struct scene *s = begin();
                mock_host_set(s->m, "remove", removes ? "yes" : "no");
                assert_int_equal(mock_host_open(s->m), 0);
                mock_host_config_synced(s->m);
                mock_host_config_text(s->m, "nginx/motd", "one");
                mock_host_config(s->m, "nginx/motd", NULL, 0);
                assert_int_equal(access(s->path, F_OK), removes ? -1 : 0);
                assert_int_equal(reloads(s), removes ? 2 : 1);
                finish(s);
        }
}

/* The reload that a crash or a failing command has left out is made up for. */
static void test_a_reload_that_is_due_is_not_forgotten(void **state)
{
        (void)state;
        struct scene *s = begin();
        mock_host_set(s->m, "command", "false");
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_synced(s->m);
        mock_host_config_text(s->m, "nginx/motd", "one");
        assert_true(mock_host_logged(s->m, "false: exit status 1; again in 5 s"));
        assert_true(mock_host_wake(s->m) != UINT64_MAX);
        assert_int_equal(mock_host_health(s->m), BATON_HEALTH_DEGRADED);
        mock_host_close(s->m);
        mock_host_set(s->m, "command", s->command);
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_text(s->m, "nginx/motd", "one");
        mock_host_config_synced(s->m);
        assert_int_equal(reloads(s), 1);
        assert_true(mock_host_wake(s->m) == UINT64_MAX);
        finish(s);
}

static void test_a_directory_that_is_not_there_is_told_and_tried_again(void **state)
{
        (void)state;
        struct scene *s = begin();
        char path[160];
        (void)snprintf(path, sizeof path, "%s/none/motd", s->dir);
        mock_host_set(s->m, "path", path);
        assert_int_equal(mock_host_open(s->m), 0);
        mock_host_config_synced(s->m);
        mock_host_config_text(s->m, "nginx/motd", "one");
        assert_true(mock_host_logged(s->m, "can't be written: No such file or directory"));
        assert_true(mock_host_wake(s->m) != UINT64_MAX);
        assert_int_equal(reloads(s), 0);
        finish(s);
}

static void test_faults_in_settings_are_told(void **state)
{
        (void)state;
        struct scene *s = begin();
        mock_host_set(s->m, "path", "relative");
        mock_host_set(s->m, "config", "/baton/config/x");
        mock_host_set(s->m, "mode", "rw");
        mock_host_set(s->m, "owner", "nobody-of-this-name");
        mock_host_names(s->m, NULL, NULL, "web");
        assert_int_equal(mock_host_judge(s->m), 5);
        finish(s);
}

static void test_the_value_s_path_is_plain(void **state)
{
        static const struct {
                const char *config;
                size_t problems;
        } cases[] = {{"a", 0},    {"nginx/motd", 0}, {"...", 0},    {".a/b..", 0}, {"/a", 1},  {"a/", 1},
                     {"a//b", 1}, {"..", 1},         {"a/../b", 1}, {"./a", 1},    {"a/..", 1}};
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct scene *s = begin();
                mock_host_set(s->m, "config", cases[i].config);
                assert_int_equal(mock_host_judge(s->m), cases[i].problems);
                finish(s);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_last_value_at_the_start_is_written_once),
                cmocka_unit_test(test_only_a_changed_content_reloads),
                cmocka_unit_test(test_a_removed_value_leaves_the_file_unless_told_otherwise),
                cmocka_unit_test(test_a_reload_that_is_due_is_not_forgotten),
                cmocka_unit_test(test_a_directory_that_is_not_there_is_told_and_tried_again),
                cmocka_unit_test(test_the_value_s_path_is_plain),
                cmocka_unit_test(test_faults_in_settings_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
