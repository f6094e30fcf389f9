/* See child.h.
 *
 * A group is empty when kill(-group, 0) says ESRCH, or when all that is left in it are zombies. Nothing announces that,
 * so it is asked every few milliseconds while a stop waits; the program's own end comes by a pidfd. A group's number is
 * not given to anybody else while a process is in it, so a record can be trusted if either the group's leader has the
 * start time it says, or the leader is gone and the group is not. */
#include "plugins/child.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How often a stop asks whether the group is empty. */
#define EMPTY_ASK_MS 10
/* Bytes of a record, and of a line in /proc that is looked at. */
#define TEXT_BYTES 512
/* How often the keeper kills a group that does not go. */
#define KEEPER_KILLS 200

struct child {
        const struct baton_host *host;
        pid_t group, keeper;
        int end_fd, output_fd, keeper_fd;
        bool ended; /* the program itself, reaped */
        int status;
        char *record;
        char line[CHILD_LINE_MAX + 1];
        size_t line_len;
        char last[CHILD_LINE_MAX + 1];
};

extern char **environ;

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* fails for clocks that do not exist */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd); /* nothing was written that could get lost */
        *fd = -1;
}

/* ---- the record ---- */

/* When a process began, in ticks since the boot; 0: there is no such process. */
static uint64_t start_time(pid_t pid)
{
        char path[64], text[TEXT_BYTES];
        (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        ssize_t len = read(fd, text, sizeof text - 1);
        (void)close(fd);
        if (len <= 0)
                return 0;
        text[len] = '\0';
        char *at = strrchr(text, ')'); /* the name may contain anything */
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}

static int write_record(const char *path, pid_t group)
{
        char text[TEXT_BYTES];
        int len = snprintf(text, sizeof text, "%ld %" PRIu64 "\n", (long)group, start_time(group));
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        ssize_t written = write(fd, text, (size_t)len);
        int r = written == len ? 0 : written < 0 ? -errno : -EIO;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        return r;
}

/* The group of a record if it may still be ours, else 0. */
static pid_t read_record(const char *path)
{
        char text[TEXT_BYTES], *end;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        ssize_t len = read(fd, text, sizeof text - 1);
        (void)close(fd);
        if (len <= 0)
                return 0;
        text[len] = '\0';
        long group = strtol(text, &end, 10);
        uint64_t began = strtoull(end, NULL, 10), begins;
        if (group <= 1 || kill((pid_t)-group, 0) < 0)
                return 0;
        begins = start_time((pid_t)group);
        return begins == 0 || begins == began ? (pid_t)group : 0;
}

/* ---- starting ---- */

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const struct child_spec *spec, char *const *env, int input, int output, int go, int report)
{
        char byte;
        sigset_t none;
        (void)sigemptyset(&none);
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int number = 1; number < NSIG; number++)
                (void)signal(number, SIG_DFL);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* Until the record is written; end of file: the parent has given up, or is dead. */
        if (read(go, &byte, 1) != 1)
                _exit(127);
        if (dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0 &&
            chdir(spec->directory ? spec->directory : "/") == 0)
                (void)execvpe(spec->argv[0], spec->argv, env);
        int error = errno;
        (void)!write(report, &error, sizeof error);
        _exit(127);
}

static char **merged_env(char *const *more)
{
        size_t own = 0, added = 0;
        while (environ[own])
                own++;
        while (more && more[added])
                added++;
        char **env = calloc(own + added + 1, sizeof *env);
        size_t count = 0;
        for (size_t i = 0; env && i < own; i++) {
                size_t len = strcspn(environ[i], "=");
                bool replaced = false;
                for (size_t m = 0; m < added && !replaced; m++)
                        replaced = strncmp(more[m], environ[i], len) == 0 && more[m][len] == '=';
                if (!replaced)
                        env[count++] = environ[i];
        }
        for (size_t m = 0; env && m < added; m++)
                env[count++] = more[m];
        return env;
}

/* stdin is a file in memory: nobody has to feed it while the program runs. */
static int make_input(const struct child_spec *spec)
{
        if (!spec->input_size)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        int fd = memfd_create("input", MFD_CLOEXEC);
        for (size_t done = 0; fd >= 0 && done < spec->input_size;) {
                ssize_t n = write(fd, (const char *)spec->input + done, spec->input_size - done);
                if (n < 0) {
                        int error = errno;
                        (void)close(fd);
                        errno = error;
                        return -1;
                }
                done += (size_t)n;
        }
        if (fd >= 0)
                (void)lseek(fd, 0, SEEK_SET);
        return fd;
}

struct pipes {
        int input, output[2], go[2], report[2];
};

static void close_pipes(struct pipes *p)
{
        close_fd(&p->input);
        for (int i = 0; i < 2; i++) {
                close_fd(&p->output[i]);
                close_fd(&p->go[i]);
                close_fd(&p->report[i]);
        }
}

static int open_pipes(const struct child_spec *spec, struct pipes *ret)
{
        *ret = (struct pipes){-1, {-1, -1}, {-1, -1}, {-1, -1}};
        ret->input = make_input(spec);
        if (ret->input >= 0 && pipe2(ret->output, O_CLOEXEC) == 0 && pipe2(ret->go, O_CLOEXEC) == 0 &&
            pipe2(ret->report, O_CLOEXEC) == 0)
                return 0;
        int r = -errno;
        close_pipes(ret);
        return r;
}

/* ---- the keeper ---- */

/* PR_SET_PDEATHSIG reaches the program only; what it has started would outlive a worker that is killed, and where no
 * control group ends it (no systemd) nobody would come before another node starts the same. So a process beside the
 * group, which does nothing but wait for the end of a pipe that only this worker holds, kills the group then.
 * Async-signal-safe calls only. */
static _Noreturn void keep(pid_t group, int pipe_fd)
{
        const struct timespec pause = {.tv_nsec = EMPTY_ASK_MS * 1000000L};
        char byte;
        sigset_t all;
        ssize_t n;
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL); /* it ends with its worker, and by nothing else */
        (void)setsid();
        (void)prctl(PR_SET_NAME, "baton-keeper");
        if (dup2(pipe_fd, 0) < 0 || syscall(SYS_close_range, 1, ~0U, 0) < 0)
                _exit(127);
        do
                n = read(0, &byte, 1);
        while (n < 0 && errno == EINTR);
        for (int i = 0; n == 0 && i < KEEPER_KILLS && kill(-group, SIGKILL) == 0; i++)
                (void)nanosleep(&pause, NULL);
        _exit(0);
}

static int start_keeper(struct child *c, pid_t group)
{
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        c->keeper = fork();
        if (c->keeper == 0)
                keep(group, ends[0]);
        int r = c->keeper < 0 ? -errno : 0;
        (void)close(ends[0]);
        c->keeper_fd = ends[1];
        return r;
}

/* The group is this worker's own matter again. */
static void end_keeper(struct child *c)
{
        if (c->keeper > 0) {
                (void)!write(c->keeper_fd, "", 1);
                (void)kill(c->keeper, SIGKILL); /* also when somebody has stopped it */
                (void)waitpid(c->keeper, NULL, 0);
        }
        close_fd(&c->keeper_fd);
}

/* ---- starting ---- */

/* Lets the program begin, and hears whether it could. */
static int let_go(struct child *c, struct pipes *p)
{
        int error = 0;
        close_fd(&p->report[1]);
        int r = c->record ? write_record(c->record, c->group) : 0;
        if (r == 0 && write(p->go[1], "", 1) != 1)
                r = -errno;
        close_fd(&p->go[1]);
        if (r == 0 && read(p->report[0], &error, sizeof error) == (ssize_t)sizeof error)
                r = -error;
        return r;
}

int child_start(const struct child_spec *spec, struct child **ret)
{
        struct pipes p;
        int r = open_pipes(spec, &p);
        if (r < 0)
                return r;
        struct child *c = calloc(1, sizeof *c);
        char **env = merged_env(spec->env);
        if (c) {
                c->host = spec->host;
                c->end_fd = c->output_fd = c->keeper_fd = -1;
                c->record = spec->record ? strdup(spec->record) : NULL;
        }
        if (!c || !env || (spec->record && !c->record)) { /* no memory */
                free(env);
                close_pipes(&p);
                child_free(c);
                return -ENOMEM;
        }
        pid_t pid = fork();
        if (pid == 0)
                become(spec, env, p.input, p.output[1], p.go[0], p.report[1]);
        r = pid < 0 ? -errno : 0;
        free(env);
        if (pid > 0) {
                c->group = pid;
                (void)setpgid(pid, pid); /* both do it: whoever comes first */
                c->end_fd = (int)syscall(SYS_pidfd_open, pid, 0);
                r = c->end_fd < 0 ? -errno : 0;
                (void)fcntl(c->end_fd, F_SETFD, FD_CLOEXEC);
                c->output_fd = p.output[0];
                p.output[0] = -1;
                (void)fcntl(c->output_fd, F_SETFL, O_NONBLOCK);
                if (r == 0)
                        r = start_keeper(c, pid);
                if (r == 0)
                        r = let_go(c, &p);
        }
        close_pipes(&p);
        if (r < 0) {
                child_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int child_end_fd(const struct child *c)
{
        return c->end_fd;
}

int child_output_fd(const struct child *c)
{
        return c->output_fd;
}

const char *child_last_line(const struct child *c)
{
        return c->last;
}

/* ---- output ---- */

static void log_line(struct child *c)
{
        c->line[c->line_len] = '\0';
        if (c->line_len) {
                c->host->log(c->host->context, BATON_LOG_INFO, "%s", c->line);
                memcpy(c->last, c->line, c->line_len + 1);
        }
        c->line_len = 0;
}

bool child_log_output(struct child *c)
{
        char bytes[4096];
        for (int lines = 0; lines < CHILD_LINES_TURN;) {
                ssize_t len = read(c->output_fd, bytes, sizeof bytes);
                if (len < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (len == 0) {
                        log_line(c);
                        return false;
                }
                for (ssize_t i = 0; i < len; i++) {
                        if (bytes[i] != '\n')
                                c->line[c->line_len++] = bytes[i];
                        if (bytes[i] == '\n' || c->line_len == CHILD_LINE_MAX) {
                                log_line(c);
                                lines++;
                        }
                }
        }
        return true;
}

/* ---- the end ---- */

bool child_ended(struct child *c, int *ret_status)
{
        if (!c->ended && waitpid(c->group, &c->status, WNOHANG) == c->group)
                c->ended = true;
        if (c->ended)
                *ret_status = c->status;
        return c->ended;
}

int child_wait(struct child *c, uint32_t timeout_ms, int *ret_status)
{
        uint64_t end = now_ms() + timeout_ms;
        bool output = true;
        for (;;) {
                struct pollfd fds[3] = {{.fd = c->end_fd, .events = POLLIN},
                                        {.fd = c->host->cancel_fd, .events = POLLIN},
                                        {.fd = output ? c->output_fd : -1, .events = POLLIN}};
                uint64_t now = now_ms();
                int left = now >= end ? 0 : (int)(end - now);
                int r = poll(fds, 3, left);
                if (fds[2].revents)
                        output = child_log_output(c);
                if (child_ended(c, ret_status)) {
                        (void)child_log_output(c);
                        return 0;
                }
                if (r > 0 && fds[1].revents)
                        return -ECANCELED;
                if (now >= end)
                        return -ETIMEDOUT;
        }
}

/* Whether process `pid` (a name in /proc) is of the group and more than a zombie. */
static bool lives_in_group(const char *pid, pid_t group)
{
        char path[300], text[TEXT_BYTES];
        (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        close_fd(&fd);
        if (len <= 0)
                return false;
        text[len] = '\0';
        /* "pid (name) state ppid pgrp …"; the name may contain anything. */
        char *at = strrchr(text, ')'), *state = at ? at + 2 : NULL;
        char *parent = state ? strchr(state, ' ') : NULL, *its_group = parent ? strchr(parent + 1, ' ') : NULL;
        return its_group && *state != 'Z' && *state != 'X' && strtol(its_group, NULL, 10) == (long)group;
}

static bool none_seen(pid_t group)
{
        DIR *proc = opendir("/proc");
        bool found = !proc; /* without /proc nothing is known: it counts as alive */
        for (struct dirent *e; proc && !found && (e = readdir(proc));)
                found = isdigit((unsigned char)e->d_name[0]) && lives_in_group(e->d_name, group);
        if (proc)
                (void)closedir(proc);
        return !found;
}

/* The kernel counts zombies as members. They run nothing; and where the first process of a machine (a container's)
 * does not reap, they stay for ever. A look at /proc may miss one that has just been forked; none survives the signal
 * between two looks. */
static bool only_zombies(pid_t group)
{
        if (!none_seen(group))
                return false;
        (void)kill(-group, SIGKILL);
        return none_seen(group);
}

/* Those of the group that are our children, the program among them, are reaped on the way. */
static bool group_is_empty(pid_t group)
{
        bool empty = false;
        do { /* a last round for those that were found to be zombies */
                while (waitpid(-group, NULL, WNOHANG) > 0)
                        ;
                if (empty || (kill(-group, 0) < 0 && errno == ESRCH))
                        return true;
                empty = only_zombies(group);
        } while (empty);
        return false;
}

static int end_group(struct child *c, pid_t group, int signal, uint32_t gentle_ms, uint32_t total_ms)
{
        uint64_t began = now_ms();
        bool killed = gentle_ms == 0;
        int status;
        (void)kill(-group, killed ? SIGKILL : signal); /* fails for an empty group, which is what we want */
        if (!killed)
                (void)kill(-group, SIGCONT); /* who is stopped hears nothing else */
        for (;;) {
                if (c)
                        (void)child_ended(c, &status); /* before the group's reaping takes its status away */
                if (group_is_empty(group))
                        return 0;
                uint64_t past = now_ms() - began;
                if (past >= total_ms)
                        return -ETIMEDOUT;
                if (!killed && past >= gentle_ms) {
                        killed = true;
                        (void)kill(-group, SIGKILL);
                }
                struct pollfd end = {.fd = c && !c->ended ? c->end_fd : -1, .events = POLLIN};
                (void)poll(&end, 1, EMPTY_ASK_MS);
                if (c)
                        (void)child_log_output(c);
        }
}

int child_stop(struct child *c, int signal, uint32_t gentle_ms, uint32_t total_ms)
{
        int r = end_group(c, c->group, signal, gentle_ms, total_ms);
        if (r == 0 && c->record)
                (void)unlink(c->record);
        return r;
}

void child_free(struct child *c)
{
        int status;
        if (!c)
                return;
        if (c->group > 0) {
                (void)kill(-c->group, SIGKILL);
                if (!c->ended) /* it was killed, and is ours: this ends */
                        (void)waitpid(c->group, &status, 0);
                if (c->record && group_is_empty(c->group))
                        (void)unlink(c->record);
        }
        end_keeper(c);
        close_fd(&c->end_fd);
        close_fd(&c->output_fd);
        free(c->record);
        free(c);
}

int child_end_leftover(const struct baton_host *host, const char *record, int signal, uint32_t gentle_ms,
                       uint32_t total_ms)
{
        pid_t group = read_record(record);
        if (group == 0) {
                (void)unlink(record); /* there mostly is none */
                return 0;
        }
        host->log(host->context, BATON_LOG_WARNING, "process group %ld is left from before: it is ended", (long)group);
        int r = end_group(NULL, group, signal, gentle_ms, total_ms);
        if (r < 0)
                return r;
        (void)unlink(record);
        return 1;
}

const char *child_status_text(int status, char ret[64])
{
        if (WIFSIGNALED(status))
                (void)snprintf(ret, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
                (void)snprintf(ret, 64, "exit status %d", WEXITSTATUS(status));
        return ret;
}
