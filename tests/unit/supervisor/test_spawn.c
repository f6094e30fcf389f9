/* What a child finds when it begins: descriptors, signals, user, capabilities. The children are the shell and cat. */
#include "daemon/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `script` with these descriptors, returns its output; *status gets what waitpid() says. */
static void run(const char *script, const struct identity_ids *ids, const int *fds, size_t count, char *out,
                size_t size, int *status)
{
        const char *argv[] = {"sh", "-c", script, NULL};
        int ends[2];
        char why[SPAWN_WHY_MAX] = "";
        pid_t pid = 0;
        size_t len = 0;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct spawn s = {.program = "/bin/sh", .argv = argv, .identity = ids, .fd_count = count, .output = ends[1]};
        for (size_t i = 0; i < count; i++)
                s.fds[i] = fds[i];
        if (spawn_process(&s, &pid, why) < 0)
                fail_msg("%s", why);
        (void)close(ends[1]);
        for (ssize_t n; (n = read(ends[0], out + len, size - 1 - len)) > 0;)
                len += (size_t)n;
        out[len] = '\0';
        (void)close(ends[0]);
        assert_int_equal(waitpid(pid, status, 0), pid);
}

static void test_it_has_the_given_descriptors_and_no_other(void **state)
{
        (void)state;
        char out[4096];
        int status = 0;
        int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
        int fds[2] = {spawn_text_fd("one", "first"), spawn_text_fd("two", "second")};
        assert_true(leak >= 0 && fds[0] >= 0 && fds[1] >= 0);
        /* Asked one by one: a pipe, or a glob, would be a descriptor of the shell's own. */
        run("cat <&3; echo; cat /proc/self/fd/4; echo; "
            "i=0; while [ $i -lt 1024 ]; do [ ! -e /proc/$$/fd/$i ] || printf '%s ' $i; i=$((i + 1)); done",
            NULL, fds, 2, out, sizeof out, &status);
        assert_int_equal(status, 0);
        assert_string_equal(out, "first\nsecond\n0 1 2 3 4 ");
        (void)close(leak);
        (void)close(fds[0]);
        (void)close(fds[1]);
}

static void test_descriptors_may_be_given_crosswise(void **state)
{
        (void)state;
        char out[256];
        int status = 0;
        int low = spawn_text_fd("low", "low"), high = spawn_text_fd("high", "high");
        int at3 = fcntl(high, F_DUPFD_CLOEXEC, 200), fds[3] = {low, at3, low};
        run("cat /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5", NULL, fds, 3, out, sizeof out, &status);
        assert_string_equal(out, "lowhighlow");
        (void)close(low);
        (void)close(high);
        (void)close(at3);
}

static void test_a_text_cannot_be_changed_by_who_gets_it(void **state)
{
        (void)state;
        int fd = spawn_text_fd("config", "[node]\n");
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        (void)close(fd);
}

static void test_signals_are_as_after_boot(void **state)
{
        (void)state;
        char out[256];
        int status = 0;
        sigset_t all, before;
        sigfillset(&all);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)sigprocmask(SIG_SETMASK, &all, &before);
        run("grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL, NULL, 0, out, sizeof out, &status);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void test_what_cannot_be_executed_is_an_error_with_its_step(void **state)
{
        (void)state;
        const char *argv[] = {"nothing", NULL};
        char why[SPAWN_WHY_MAX] = "";
        pid_t pid = 0;
        const struct spawn s = {.program = "/nonexistent/nothing", .argv = argv, .output = -1};
        assert_int_equal(spawn_process(&s, &pid, why), -ENOENT);
        assert_non_null(strstr(why, "/nonexistent/nothing: executing: No such file"));
}

static void test_users_and_capabilities_are_taken_on(void **state)
{
        (void)state;
        struct identity_ids ids;
        char why[IDENTITY_WHY_MAX] = "", out[1024];
        int status = 0;
        if (geteuid() != 0)
                skip(); /* only root can become somebody else */
        const struct identity names = {.user = "nobody", .capabilities = "cap_net_raw"};
        assert_int_equal(identity_resolve(&names, &ids, why), 0);
        run("id -un; grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status", &ids, NULL, 0, out, sizeof out,
            &status);
        assert_string_equal(out, "nobody\nCapEff:\t0000000000002000\nCapBnd:\t0000000000002000\n"
                                 "CapAmb:\t0000000000002000\nNoNewPrivs:\t1\n");
}

static void test_a_plain_user_has_no_capability(void **state)
{
        (void)state;
        struct identity_ids ids;
        char why[IDENTITY_WHY_MAX] = "", out[1024];
        int status = 0;
        if (geteuid() != 0)
                skip();
        const struct identity names = {.user = "nobody"};
        assert_int_equal(identity_resolve(&names, &ids, why), 0);
        run("grep -E '^(Groups|CapPrm|CapBnd)' /proc/self/status", &ids, NULL, 0, out, sizeof out, &status);
        assert_non_null(strstr(out, "CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\n"));
        assert_null(strstr(out, "Groups:\t0"));
}

static void test_names_that_are_nobody_s_are_refused(void **state)
{
        (void)state;
        struct identity_ids ids;
        char why[IDENTITY_WHY_MAX] = "";
        assert_int_equal(identity_resolve(&(struct identity){.user = "no-such-user"}, &ids, why), -EINVAL);
        assert_non_null(strstr(why, "no user \"no-such-user\""));
        assert_int_equal(identity_resolve(&(struct identity){.group = "no-such-group"}, &ids, why), -EINVAL);
        assert_non_null(strstr(why, "no group \"no-such-group\""));
        assert_int_equal(identity_resolve(&(struct identity){.capabilities = "CAP_NET_RAW CAP_EVERYTHING"}, &ids, why),
                         -EINVAL);
        assert_non_null(strstr(why, "CAP_EVERYTHING"));
        assert_int_equal(identity_capability("CAP_CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
}

/* No process of a dead supervisor is left. */
static void test_a_child_dies_with_its_parent(void **state)
{
        (void)state;
        int ends[2];
        char byte = 0;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t parent = fork();
        assert_true(parent >= 0);
        if (parent == 0) {
                const char *argv[] = {"sh", "-c", "kill -STOP $$", NULL};
                const struct spawn s = {
                        .program = "/bin/sh", .argv = argv, .fds = {ends[1]}, .fd_count = 1, .output = -1};
                char why[SPAWN_WHY_MAX];
                pid_t pid = 0;
                int status = 0;
                if (spawn_process(&s, &pid, why) < 0 || waitpid(pid, &status, WUNTRACED) != pid)
                        _exit(1);
                _exit(WIFSTOPPED(status) ? 0 : 1);
        }
        int status = 0;
        (void)close(ends[1]);
        assert_int_equal(waitpid(parent, &status, 0), parent);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], &byte, 1), 0); /* the stopped grandchild had the other end */
        (void)close(ends[0]);
}

/* A name service may hang: what was found once is not asked for again, and others are. */
static void test_names_are_looked_up_once(void **state)
{
        (void)state;
        char why[IDENTITY_WHY_MAX] = "";
        const struct identity_ids *ids = NULL;
        const struct identity gone = {.user = "no-such-user"};
        struct identity_known k = {.known = true, .names = gone, .ids = {.uid = 4711}};
        assert_int_equal(identity_find(&k, &gone, &ids, why), 0);
        assert_int_equal(ids->uid, 4711);
        assert_int_equal(identity_find(&k, &(struct identity){.capabilities = "CAP_NET_RAW"}, &ids, why), 0);
        assert_int_equal(ids->uid, geteuid());
        /* What could not be found is looked for again. */
        for (int i = 0; i < 2; i++) {
                assert_int_equal(identity_find(&k, &gone, &ids, why), -EINVAL);
                assert_non_null(strstr(why, "no-such-user"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_has_the_given_descriptors_and_no_other),
                cmocka_unit_test(test_descriptors_may_be_given_crosswise),
                cmocka_unit_test(test_a_text_cannot_be_changed_by_who_gets_it),
                cmocka_unit_test(test_signals_are_as_after_boot),
                cmocka_unit_test(test_what_cannot_be_executed_is_an_error_with_its_step),
                cmocka_unit_test(test_users_and_capabilities_are_taken_on),
                cmocka_unit_test(test_a_plain_user_has_no_capability),
                cmocka_unit_test(test_names_that_are_nobody_s_are_refused),
                cmocka_unit_test(test_names_are_looked_up_once),
                cmocka_unit_test(test_a_child_dies_with_its_parent),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
