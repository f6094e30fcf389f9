/* What systemd's watchdog is told, at a socket in systemd's place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "daemon/supervisor/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct ear {
        char dir[32], path[64];
        int fd;
};

static int setup(void **state)
{
        struct ear *e = test_calloc(1, sizeof *e);
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        (void)snprintf(e->dir, sizeof e->dir, "/tmp/baton-notify-XXXXXX");
        assert_non_null(mkdtemp(e->dir));
        (void)snprintf(e->path, sizeof e->path, "%s/notify", e->dir);
        (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", e->path);
        e->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(e->fd >= 0);
        assert_int_equal(bind(e->fd, (const struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", e->path, 1), 0);
        assert_int_equal(setenv("WATCHDOG_USEC", "5000000", 1), 0);
        assert_int_equal(unsetenv("WATCHDOG_PID"), 0);
        *state = e;
        return 0;
}

static int teardown(void **state)
{
        struct ear *e = *state;
        (void)close(e->fd);
        (void)unlink(e->path);
        (void)rmdir(e->dir);
        (void)unsetenv("NOTIFY_SOCKET");
        (void)unsetenv("WATCHDOG_USEC");
        test_free(e);
        return 0;
}

/* Exactly one message waits, and this is it; NULL: none. */
static void expect(const struct ear *e, const char *text)
{
        char got[256];
        ssize_t n = recv(e->fd, got, sizeof got - 1, 0);
        got[n > 0 ? n : 0] = '\0';
        assert_string_equal(got, text ? text : "");
        if (text)
                assert_true(recv(e->fd, got, sizeof got - 1, 0) < 0);
}

static void test_a_time_is_told_when_it_changes_and_is_no_longer_than_the_unit_s(void **state)
{
        const struct ear *e = *state;
        struct notify n;
        notify_init(&n);
        notify_watchdog_limit(&n, UINT64_MAX, true);
        expect(e, NULL);
        notify_watchdog_limit(&n, 1000, true);
        expect(e, "WATCHDOG_USEC=1000000");
        notify_watchdog_limit(&n, 1000, true);
        expect(e, NULL);
        notify_watchdog_limit(&n, UINT64_MAX, true);
        expect(e, "WATCHDOG_USEC=5000000");
}

/* It would keep alive what is to be ended: one child cannot be killed, another one's grant is renewed again and again.
 */
static void test_no_longer_time_is_told_while_a_child_is_not_well(void **state)
{
        const struct ear *e = *state;
        struct notify n;
        notify_init(&n);
        notify_watchdog_limit(&n, 1000, true);
        expect(e, "WATCHDOG_USEC=1000000");
        notify_watchdog_limit(&n, 1250, false);
        expect(e, NULL);
        notify_watchdog_limit(&n, 750, false);
        expect(e, "WATCHDOG_USEC=750000");
        notify_watchdog_limit(&n, UINT64_MAX, false);
        expect(e, NULL);
        notify_watchdog_limit(&n, UINT64_MAX, true);
        expect(e, "WATCHDOG_USEC=5000000");
}

static void test_without_a_watchdog_nothing_is_told(void **state)
{
        const struct ear *e = *state;
        struct notify n;
        assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
        notify_init(&n);
        notify_watchdog_limit(&n, 750, true);
        notify_watchdog(&n, 100000);
        expect(e, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_time_is_told_when_it_changes_and_is_no_longer_than_the_unit_s),
                TEST(test_no_longer_time_is_told_while_a_child_is_not_well),
                TEST(test_without_a_watchdog_nothing_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
