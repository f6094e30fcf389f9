#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/agent/session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct client_server servers[] = {{.host = "a", .port = 1}, {.host = "b", .port = 2}};
static const struct client_server reversed[] = {{.host = "b", .port = 2}, {.host = "a", .port = 1}};
static const struct client_server others[] = {{.host = "a", .port = 2}, {.host = "b", .port = 1}};
static const struct client_session session = {.id = 0x1234, .passwd = {1, 2, 3}, .last_zxid = 77};

static char dir[64];

static struct session_file file_of(const char *boot_id)
{
        struct session_file f = {.servers = session_file_servers(servers, 2)};
        (void)snprintf(f.path, sizeof f.path, "%s/agent/session", dir);
        (void)snprintf(f.boot_id, sizeof f.boot_id, "%s", boot_id);
        return f;
}

static int begin(void **state)
{
        (void)state;
        (void)snprintf(dir, sizeof dir, "/tmp/baton-session-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
        char path[128];
        const struct session_file f = file_of("");
        (void)state;
        (void)unlink(f.path);
        (void)snprintf(path, sizeof path, "%s/agent", dir);
        (void)rmdir(path);
        return rmdir(dir);
}

static void test_what_was_written_is_read_back_and_is_nobody_elses_business(void **state)
{
        (void)state;
        struct stat info;
        struct client_session s = {.id = 0};
        const struct session_file f = file_of("boot-1");
        assert_int_equal(session_file_read(&f, &s), -ENOENT);
        assert_int_equal(session_file_write(&f, &session), 0);
        assert_int_equal(session_file_write(&f, &session), 0); /* over the old one */
        assert_int_equal(stat(f.path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
        assert_int_equal(session_file_read(&f, &s), 0);
        assert_int_equal(s.id, session.id);
        assert_int_equal(s.last_zxid, session.last_zxid);
        assert_memory_equal(s.passwd, session.passwd, SESSION_PASSWD_SIZE);
        assert_int_equal(session_file_remove(&f), 0);
        assert_int_equal(session_file_remove(&f), 0);
        assert_int_equal(session_file_read(&f, &s), -ENOENT);
}

static void test_another_boot_or_other_servers_make_it_stale(void **state)
{
        (void)state;
        struct client_session s;
        struct session_file f = file_of("boot-1"), rebooted = file_of("boot-2");
        assert_int_equal(session_file_write(&f, &session), 0);
        assert_int_equal(session_file_read(&rebooted, &s), -ESTALE);
        f.servers = session_file_servers(others, 2);
        assert_int_equal(session_file_read(&f, &s), -ESTALE);
        f.servers = session_file_servers(reversed, 2);
        assert_int_equal(session_file_read(&f, &s), 0);
}

static void test_a_torn_or_foreign_file_is_none(void **state)
{
        (void)state;
        struct client_session s;
        char data[512];
        const struct session_file f = file_of("boot-1");
        assert_int_equal(session_file_write(&f, &session), 0);
        int fd = open(f.path, O_RDONLY);
        ssize_t len = read(fd, data, sizeof data);
        assert_true(len > 0);
        (void)close(fd);
        for (ssize_t i = 0; i < len; i++) { /* cut anywhere, and one bit wrong anywhere */
                assert_int_equal(truncate(f.path, i), 0);
                assert_int_equal(session_file_read(&f, &s), -EBADMSG);
                data[i] = (char)(data[i] ^ 4);
                fd = open(f.path, O_WRONLY | O_TRUNC);
                assert_int_equal(write(fd, data, (size_t)len), len);
                (void)close(fd);
                assert_int_equal(session_file_read(&f, &s), -EBADMSG);
                data[i] = (char)(data[i] ^ 4);
                fd = open(f.path, O_WRONLY | O_TRUNC);
                assert_int_equal(write(fd, data, (size_t)len), len);
                (void)close(fd);
        }
        assert_int_equal(session_file_read(&f, &s), 0);
}

static void test_a_link_in_its_place_is_not_followed(void **state)
{
        (void)state;
        struct client_session s;
        char target[128];
        struct stat info;
        const struct session_file f = file_of("boot-1");
        assert_int_equal(session_file_write(&f, &session), 0);
        assert_int_equal(unlink(f.path), 0);
        (void)snprintf(target, sizeof target, "%s/elsewhere", dir);
        assert_int_equal(symlink(target, f.path), 0);
        assert_int_equal(session_file_read(&f, &s), -ELOOP);
        assert_int_equal(session_file_write(&f, &session), 0);
        assert_int_equal(stat(target, &info), -1);
        assert_int_equal(session_file_read(&f, &s), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_was_written_is_read_back_and_is_nobody_elses_business, begin,
                                                end),
                cmocka_unit_test_setup_teardown(test_another_boot_or_other_servers_make_it_stale, begin, end),
                cmocka_unit_test_setup_teardown(test_a_torn_or_foreign_file_is_none, begin, end),
                cmocka_unit_test_setup_teardown(test_a_link_in_its_place_is_not_followed, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
