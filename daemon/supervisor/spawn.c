/* See spawn.h. posix_spawn() knows neither capabilities nor death signals, uv_spawn() neither these nor close_range().
 * Between fork and exec only async-signal-safe calls are made: the supervisor has one thread, but libraries may have
 * had others. */
#include "daemon/supervisor/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors are moved up here first, so that none is overwritten before it has reached its place. */
#define HIGH_FD 64

/* What the child says through the pipe when it does not get to exec. */
struct failure {
        int error;
        char step[64];
};

static _Noreturn void fail(int pipe_fd, const char *step, int error)
{
        struct failure f = {.error = error};
        size_t len = strnlen(step, sizeof f.step - 1);
        memcpy(f.step, step, len);
        ssize_t r = write(pipe_fd, &f, sizeof f);
        (void)r; /* without it the parent says that the child died at once */
        _exit(127);
}

static int reset_signals(void)
{
        sigset_t none;
        for (int n = 1; n < NSIG; n++) {
                if (n == SIGKILL || n == SIGSTOP)
                        continue;
                (void)signal(n, SIG_DFL); /* some numbers are the C library's own */
        }
        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* dup2() onto itself would leave close-on-exec set; from HIGH_FD on, source and target never are the same. */
static int place(const struct spawn *s, int *pipe_fd)
{
        int high[SPAWN_FDS_MAX], output = STDERR_FILENO;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int r = fcntl(*pipe_fd, F_DUPFD_CLOEXEC, HIGH_FD);
        if (null < 0 || r < 0)
                return -errno;
        *pipe_fd = r;
        if (s->output >= 0)
                output = s->output;
        output = fcntl(output, F_DUPFD_CLOEXEC, HIGH_FD);
        if (output < 0)
                return -errno;
        for (size_t i = 0; i < s->fd_count; i++) {
                high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
                if (high[i] < 0)
                        return -errno;
        }
        if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
                return -errno;
        for (size_t i = 0; i < s->fd_count; i++)
                if (dup2(high[i], 3 + (int)i) < 0)
                        return -errno;
        /* All others go with the exec, whoever opened them. */
        if (syscall(SYS_close_range, 3 + (unsigned)s->fd_count, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
                return -errno;
        return 0;
}

static _Noreturn void be_child(const struct spawn *s, int pipe_fd, pid_t parent)
{
        const char *step = NULL;
        int r = reset_signals();
        if (r < 0)
                fail(pipe_fd, "resetting signals", -r);
        r = place(s, &pipe_fd);
        if (r < 0)
                fail(pipe_fd, "placing descriptors", -r);
        if (s->identity) {
                r = identity_take_on(s->identity, &step);
                if (r < 0)
                        fail(pipe_fd, step, -r);
        }
        /* A session of its own: what a terminal sends to its foreground is for the supervisor, which ends the others in
         * their order. */
        (void)setsid();
        /* After the change of user, which clears it. The parent may have died just before. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                fail(pipe_fd, "tying it to its parent", errno);
        if (getppid() != parent)
                _exit(127);
        (void)umask(022);
        (void)execv(s->program, (char *const *)s->argv);
        fail(pipe_fd, "executing", errno);
}

static int await_exec(int fd, pid_t pid, const struct spawn *s, char why[SPAWN_WHY_MAX])
{
        struct failure f = {.error = 0};
        ssize_t n;
        do
                n = read(fd, &f, sizeof f);
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return 0;
        (void)waitpid(pid, NULL, 0);
        if (n != (ssize_t)sizeof f)
                return -EIO;
        f.step[sizeof f.step - 1] = '\0';
        (void)snprintf(why, SPAWN_WHY_MAX, "%s: %s: %s", s->program, f.step, strerror(f.error));
        return -f.error;
}

int spawn_process(const struct spawn *s, pid_t *ret, char why[SPAWN_WHY_MAX])
{
        int ends[2];
        pid_t parent = getpid();
        assert(s->fd_count <= SPAWN_FDS_MAX);
        if (pipe2(ends, O_CLOEXEC) < 0) {
                int error = errno;
                (void)snprintf(why, SPAWN_WHY_MAX, "%s: no pipe: %s", s->program, strerror(error));
                return -error;
        }
        pid_t pid = fork();
        if (pid == 0)
                be_child(s, ends[1], parent);
        int r = pid < 0 ? -errno : 0;
        (void)close(ends[1]);
        if (r < 0)
                (void)snprintf(why, SPAWN_WHY_MAX, "%s: no process: %s", s->program, strerror(-r));
        else
                r = await_exec(ends[0], pid, s, why);
        (void)close(ends[0]);
        if (r == 0)
                *ret = pid;
        return r;
}

int spawn_text_fd(const char *name, const char *text)
{
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        size_t len = strlen(text), done = 0;
        while (done < len) {
                ssize_t n = write(fd, text + done, len - done);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        goto failed;
                done += (size_t)n;
        }
        /* Read again through /proc/self/fd by another user: the mode counts, the seals keep it as it is. */
        if (fchmod(fd, 0444) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                goto failed;
        return fd;
failed:;
        int error = errno;
        (void)close(fd);
        return -error;
}
