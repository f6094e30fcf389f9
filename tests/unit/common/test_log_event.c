/* Lines with fields, as journald gets them: a socket of ours stands where journald's would, in a mount namespace of
 * this process alone. And the table of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/events.h"
#include "daemon/common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int journal = -1; /* -1: the namespace can't be had here */
static int lines = -1;   /* what stderr would have shown */

/* Puts the socket in its place, and a pipe where JOURNAL_STREAM says that stderr leads. */
static int open_journal(void **state)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
        int pipes[2];
        struct stat st;
        char stream[64];
        (void)state;
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", "/run", "tmpfs", 0, NULL) < 0) {
                print_message("no mount namespace: %s\n", strerror(errno));
                return 0;
        }
        journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(mkdir("/run/systemd", 0755), 0);
        assert_int_equal(mkdir("/run/systemd/journal", 0755), 0);
        assert_int_equal(bind(journal, (const struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
        lines = pipes[0];
        assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        return 0;
}

/* The next datagram's lines, sorted out of libsystemd's way: it adds none of its own to sendv. */
static const char *received(int fd)
{
        static char text[4096];
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        return text;
}

static void test_fields_reach_the_journal(void **state)
{
        struct log_fields gathered = {.count = 0};
        (void)state;
        log_field(&gathered, "BATON_GROUP", "%s", "web");
        log_field(&gathered, "BATON_TOKEN", "%d", 7);
        const char *const *fields = gathered.list;
        if (journal < 0)
                skip();
        log_open("baton-agent", LOG_LEVEL_INFO);
        log_standing("BATON_NODE", "n0");
        log_standing("BATON_PLUGIN", "p");
        log_standing("BATON_NODE", "n1");
        log_standing("BATON_PLUGIN", NULL);
        log_standing("BATON_NOTHING", NULL);
        log_event(LOG_LEVEL_WARNING, log_event_id(LOG_EVENT_GROUP_LOST), fields, "web is %s\n", "lost");
        char expected[512];
        (void)snprintf(expected, sizeof expected,
                       "MESSAGE=web is lost?\nPRIORITY=4\nSYSLOG_IDENTIFIER=baton-agent\nMESSAGE_ID=%s\nBATON_NODE=n1\n"
                       "BATON_GROUP=web\nBATON_TOKEN=7\n",
                       log_event_id(LOG_EVENT_GROUP_LOST));
        assert_string_equal(received(journal), expected);
        log_info("plain, but on n1");
        assert_string_equal(received(journal),
                            "MESSAGE=plain, but on n1\nPRIORITY=6\nSYSLOG_IDENTIFIER=baton-agent\nBATON_NODE=n1\n");
        log_event(LOG_LEVEL_DEBUG, NULL, fields, "below the least level");
        assert_string_equal(received(journal), "");
        assert_string_equal(received(lines), "");
        log_standing("BATON_NODE", NULL);
        log_info("a plain line");
        assert_string_equal(received(journal), "");
        assert_string_equal(received(lines), "<6>a plain line\n");
}

static void test_repeated_events_are_held_back_too(void **state)
{
        (void)state;
        if (journal < 0)
                skip();
        log_open("x", LOG_LEVEL_INFO);
        for (int i = 0; i < 2 * LOG_BURST; i++)
                log_event(LOG_LEVEL_INFO, log_event_id(LOG_EVENT_CHILD_DIED), NULL, "again");
        int count = 0;
        while (received(journal)[0])
                count++;
        assert_int_equal(count, LOG_BURST);
}

static void test_without_journald_the_line_goes_to_stderr(void **state)
{
        (void)state;
        if (journal < 0)
                skip();
        log_open("x", LOG_LEVEL_INFO);
        assert_int_equal(close(journal), 0); /* somebody else's path now: nobody listens */
        assert_int_equal(unlink("/run/systemd/journal/socket"), 0);
        log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_CHILD_KILLED), NULL, "nobody listens");
        assert_string_equal(received(lines), "<3>nobody listens\n");
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_open("x", LOG_LEVEL_INFO);
        log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_CHILD_KILLED), NULL, "on a terminal");
        assert_string_equal(received(lines), "x: error: on a terminal\n");
}

static void test_fields_are_cut_to_their_room(void **state)
{
        static struct log_fields f;
        char text[2 * LOG_FIELD_BYTES_MAX];
        (void)state;
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        for (size_t i = 0; i < LOG_FIELDS_MAX; i++) {
                log_field(&f, "KEY", "%s", text);
                assert_int_equal(f.count, i + 1);
                assert_null(f.list[i + 1]);
                assert_int_equal(strlen(f.list[i]), LOG_FIELD_BYTES_MAX - 1);
                assert_int_equal(strncmp(f.list[i], "KEY=xxx", 7), 0);
        }
}

static void test_every_event_has_a_number_of_its_own(void **state)
{
        (void)state;
        for (int i = 0; i < LOG_EVENT_COUNT; i++) {
                const char *id = log_event_id((enum log_event_kind)i);
                assert_int_equal(strlen(id), 32);
                assert_int_equal(strspn(id, "0123456789abcdef"), 32);
                assert_true(strlen(log_event_what((enum log_event_kind)i)) > 0);
                assert_true(strlen(log_event_fields((enum log_event_kind)i)) > 0);
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(id, log_event_id((enum log_event_kind)k));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_event_has_a_number_of_its_own),
                cmocka_unit_test(test_fields_are_cut_to_their_room),
                cmocka_unit_test(test_fields_reach_the_journal),
                cmocka_unit_test(test_repeated_events_are_held_back_too),
                cmocka_unit_test(test_without_journald_the_line_goes_to_stderr),
        };
        return cmocka_run_group_tests(tests, open_journal, NULL);
}
