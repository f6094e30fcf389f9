/* What the service manager is told; a socket of ours stands in its place. What journald gets: test_log_event.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/system_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Listens on a name, '@' for an abstract one, and has $NOTIFY_SOCKET say so. */
static int listen_on(const char *name)
{
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", name);
        socklen_t len = sizeof at;
        if (name[0] == '@') {
                at.sun_path[0] = '\0';
                len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        }
        assert_int_equal(bind(fd, (const struct sockaddr *)&at, len), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
        return fd;
}

static void expect(int fd, const char *text)
{
        char got[256];
        ssize_t n = recv(fd, got, sizeof got - 1, 0);
        got[n > 0 ? n : 0] = '\0';
        assert_string_equal(got, text);
}

static void test_a_message_reaches_the_manager(void **state)
{
        char dir[] = "/tmp/baton-system-XXXXXX", path[64], name[64];
        (void)state;
        assert_non_null(mkdtemp(dir));
        (void)snprintf(path, sizeof path, "%s/notify", dir);
        int fd = listen_on(path);
        assert_int_equal(system_notify("READY=1"), 1);
        expect(fd, "READY=1");
        assert_int_equal(system_notify("STATUS=%s, epoch %d", "leading", 7), 1);
        expect(fd, "STATUS=leading, epoch 7");
        assert_int_equal(close(fd), 0);
        assert_int_equal(system_notify("READY=1"), -ECONNREFUSED);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(system_notify("READY=1"), -ENOENT);
        assert_int_equal(rmdir(dir), 0);

        (void)snprintf(name, sizeof name, "@baton-system-%d", (int)getpid());
        fd = listen_on(name);
        assert_int_equal(system_notify("STOPPING=1"), 1);
        expect(fd, "STOPPING=1");
        assert_int_equal(close(fd), 0);
}

static void test_nobody_needs_to_listen(void **state)
{
        (void)state;
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        assert_int_equal(system_notify("READY=1"), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
        assert_int_equal(system_notify("READY=1"), 0);
}

static void test_what_cannot_be_an_address_is_refused(void **state)
{
        static const char *const bad[] = {"notify", "vsock:2:1", "/", "@"};
        char longest[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(setenv("NOTIFY_SOCKET", bad[i], 1), 0);
                assert_int_equal(system_notify("READY=1"), -EINVAL);
        }
        memset(longest, 'x', sizeof longest - 1);
        longest[0] = '/';
        longest[sizeof longest - 1] = '\0';
        assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
        assert_int_equal(system_notify("READY=1"), -EINVAL);
}

static void test_a_message_that_does_not_fit_is_not_sent_in_part(void **state)
{
        char name[64], text[SYSTEM_NOTIFY_BYTES_MAX + 1];
        (void)state;
        (void)snprintf(name, sizeof name, "@baton-system-%d", (int)getpid());
        int fd = listen_on(name);
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        assert_int_equal(system_notify("%s", text), -EMSGSIZE);
        expect(fd, "");
        text[SYSTEM_NOTIFY_BYTES_MAX - 1] = '\0';
        assert_int_equal(system_notify("%s", text), 1);
        assert_int_equal(close(fd), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_message_reaches_the_manager),
                cmocka_unit_test(test_nobody_needs_to_listen),
                cmocka_unit_test(test_what_cannot_be_an_address_is_refused),
                cmocka_unit_test(test_a_message_that_does_not_fit_is_not_sent_in_part),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
