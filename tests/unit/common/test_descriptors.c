/* What a program that was started without stdin, stdout or stderr does about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/descriptors.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_null_device(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* In a child: closes those in `mask`; exits with 0 if they are on the null device afterwards and what is
 * opened next is none of the three. */
static void child(unsigned mask)
{
        for (int fd = 0; fd < 3; fd++) {
                if (mask & 1u << fd)
                        (void)close(fd);
        }
        bool wrong = descriptors_open_standard() < 0;
        wrong |= open("/", O_RDONLY | O_CLOEXEC) < 3;
        for (int fd = 0; fd < 3; fd++) {
                if (mask & 1u << fd)
                        wrong |= !is_null_device(fd);
        }
        _exit(wrong);
}

static void test_closed_standard_descriptors_are_opened_on_the_null_device(void **state)
{
        (void)state;
        for (unsigned mask = 0; mask < 8; mask++) {
                int status = -1;
                pid_t pid = fork();
                if (pid == 0)
                        child(mask);
                assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
}

static void test_none_is_left_over(void **state)
{
        (void)state;
        int before = dup(0);
        assert_int_equal(descriptors_open_standard(), 0);
        int after = dup(0);
        assert_int_equal(after, before + 1);
        (void)close(before);
        (void)close(after);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_closed_standard_descriptors_are_opened_on_the_null_device),
                cmocka_unit_test(test_none_is_left_over),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
