/* See world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- made and unmade ---- */

static int bind_socket(const char *path, int type)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        assert_true(strlen(path) < sizeof address.sun_path);
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        return fd;
}

static void write_config(struct world *w, const char *ensemble, const char *sections)
{
        FILE *f = fopen(w->config, "we");
        assert_non_null(f);
        (void)fprintf(f,
                      "[node]\nname = n1\nid = 1\ndata_dir = %s/data\nruntime_dir = %s\n[supervisor]\nlibexec_dir = "
                      "%s/libexec\nplugin_dir = %s\n[ensemble]\n%s\n%s",
                      w->dir, w->runtime, w->dir, w->dir, ensemble, sections);
        assert_int_equal(fclose(f), 0);
}

static struct world *make(const char *ensemble, const char *sections)
{
        static const char *const programs[] = {"baton-engine", "baton-agent", "baton-worker"};
        struct world *w = calloc(1, sizeof *w);
        char path[256];
        assert_non_null(w);
        (void)snprintf(w->dir, sizeof w->dir, "/tmp/baton-supervisor-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        (void)snprintf(w->config, sizeof w->config, "%s/baton.conf", w->dir);
        (void)snprintf(w->runtime, sizeof w->runtime, "%s/run", w->dir);
        (void)snprintf(w->socket, sizeof w->socket, "%s/fakes", w->dir);
        (void)snprintf(w->notify, sizeof w->notify, "%s/notify", w->dir);
        (void)snprintf(w->log, sizeof w->log, "%s/log", w->dir);
        (void)snprintf(path, sizeof path, "%s/libexec", w->dir);
        assert_int_equal(mkdir(path, 0755), 0);
        for (size_t i = 0; i < 3; i++) {
                (void)snprintf(path, sizeof path, "%s/libexec/%s", w->dir, programs[i]);
                assert_int_equal(symlink(FAKE_CHILD, path), 0);
        }
        w->listen_fd = bind_socket(w->socket, SOCK_SEQPACKET);
        assert_int_equal(listen(w->listen_fd, 64), 0);
        /* For children that run as somebody else. */
        assert_int_equal(chmod(w->dir, 0755), 0);
        assert_int_equal(chmod(w->socket, 0777), 0);
        w->notify_fd = bind_socket(w->notify, SOCK_DGRAM);
        write_config(w, ensemble, sections);
        return w;
}

#define CONNECT "connect = 127.0.0.1:1"
#define SERVER  "server.1 = 127.0.0.1:1:2:participant;127.0.0.1:3"

struct world *world_new(const char *sections)
{
        return make(CONNECT, sections);
}

struct world *world_new_with_engine(const char *sections)
{
        return make(SERVER, sections);
}

void world_configure(struct world *w, const char *sections)
{
        write_config(w, CONNECT, sections);
}

static void free_lines(struct lines *l)
{
        for (size_t i = 0; i < l->count; i++)
                free(l->list[i]);
        l->count = 0;
}

static void remove_tree(const char *dir)
{
        pid_t pid = fork();
        if (pid == 0) {
                (void)execl("/bin/rm", "rm", "-rf", dir, (char *)NULL);
                _exit(1);
        }
        (void)waitpid(pid, NULL, 0);
}

void world_free(struct world *w)
{
        if (w->batond > 0) {
                (void)kill(w->batond, SIGKILL);
                (void)waitpid(w->batond, NULL, 0);
        }
        for (size_t i = 0; i < w->actor_count; i++) {
                if (w->actors[i].fd >= 0)
                        (void)close(w->actors[i].fd); /* it ends with its test */
                free_lines(&w->actors[i].lines);
        }
        free_lines(&w->told);
        (void)close(w->listen_fd);
        (void)close(w->notify_fd);
        remove_tree(w->dir);
        free(w);
}

/* ---- listening ---- */

static void add_line(struct lines *l, const char *text, size_t len)
{
        assert_true(l->count < WORLD_LINES_MAX);
        l->list[l->count] = strndup(text, len);
        assert_non_null(l->list[l->count]);
        l->count++;
}

static void accept_one(struct world *w)
{
        int fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return;
        assert_true(w->actor_count < WORLD_ACTORS_MAX);
        w->actors[w->actor_count++] = (struct actor){.fd = fd};
}

static void read_actor(struct actor *a)
{
        char line[4096];
        ssize_t n = recv(a->fd, line, sizeof line - 1, 0);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                (void)close(a->fd);
                a->fd = -1;
                return;
        }
        line[n] = '\0';
        if (!a->greeted) {
                a->ensures = strncmp(line, "ensure ", 7) == 0;
                assert_int_equal(sscanf(line, "%*s %63s %ld", a->name, &a->pid), 2);
                a->greeted = true;
        } else {
                add_line(&a->lines, line, (size_t)n);
        }
}

static void read_notify(struct world *w)
{
        char text[4096];
        ssize_t n = recv(w->notify_fd, text, sizeof text - 1, 0);
        if (n <= 0)
                return;
        text[n] = '\0';
        for (char *at = text; *at;) {
                size_t len = strcspn(at, "\n");
                /* There are many of these; what is not awaited would fill the list. */
                if (strncmp(at, "WATCHDOG=", 9) != 0 || !world_was_told(w, "WATCHDOG="))
                        add_line(&w->told, at, len);
                at += len + (at[len] == '\n');
        }
}

/* Takes in what has come; waits for at most `wait_ms` if nothing has. */
static void listen_once(struct world *w, int wait_ms)
{
        struct pollfd fds[WORLD_ACTORS_MAX + 2] = {{.fd = w->listen_fd, .events = POLLIN},
                                                   {.fd = w->notify_fd, .events = POLLIN}};
        size_t count = w->actor_count;
        for (size_t i = 0; i < count; i++)
                fds[i + 2] = (struct pollfd){.fd = w->actors[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)count + 2, wait_ms) <= 0)
                return;
        if (fds[0].revents)
                accept_one(w);
        if (fds[1].revents)
                read_notify(w);
        for (size_t i = 0; i < count; i++)
                if (fds[i + 2].revents)
                        read_actor(&w->actors[i]);
}

static void print_log(struct world *w)
{
        char line[1024];
        FILE *f = fopen(w->log, "re");
        while (f && fgets(line, sizeof line, f))
                print_message("| %s", line);
        if (f)
                (void)fclose(f);
}

static void wait_more(struct world *w, uint64_t end_ms, const char *what, const char *who)
{
        if (now_ms() >= end_ms) {
                print_log(w);
                fail_msg("waited in vain for \"%s\" of %s", what, who);
        }
        listen_once(w, 20);
}

/* ---- batond ---- */

static pid_t fork_batond(struct world *w, const char *option, uint64_t watchdog_ms)
{
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        char usec[32];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        int log = open(w->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        (void)dup2(log, STDERR_FILENO);
        (void)dup2(log, STDOUT_FILENO);
        (void)setenv("FAKE_SOCKET", w->socket, 1);
        (void)setenv("NOTIFY_SOCKET", w->notify, 1);
        (void)unsetenv("INVOCATION_ID");
        (void)unsetenv("WATCHDOG_PID");
        (void)snprintf(usec, sizeof usec, "%" PRIu64, watchdog_ms * 1000);
        if (watchdog_ms > 0)
                (void)setenv("WATCHDOG_USEC", usec, 1);
        if (option && strncmp(option, "--guard", 7) == 0)
                (void)execl(BATOND, "batond", option, "--runtime-dir", w->runtime, (char *)NULL);
        (void)execl(BATOND, "batond", "--config", w->config, option, (char *)NULL);
        _exit(127);
}

void world_start(struct world *w, uint64_t watchdog_ms)
{
        assert_int_equal(w->batond, 0);
        w->batond = fork_batond(w, NULL, watchdog_ms);
}

void world_start_guard(struct world *w)
{
        assert_int_equal(w->batond, 0);
        w->batond = fork_batond(w, "--guard", 0);
}

int world_run(struct world *w, const char *option)
{
        int status = 0;
        pid_t pid = fork_batond(w, option, 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

void world_signal(struct world *w, int number)
{
        assert_int_equal(kill(w->batond, number), 0);
}

static int await_status(struct world *w)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        int status = 0;
        while (waitpid(w->batond, &status, WNOHANG) == 0)
                wait_more(w, end_ms, "end", "batond");
        w->batond = 0;
        return status;
}

int world_await_end(struct world *w)
{
        int status = await_status(w);
        if (!WIFEXITED(status)) {
                print_log(w);
                fail_msg("batond was ended by signal %d", WTERMSIG(status));
        }
        if (WEXITSTATUS(status) == 1) /* no test expects it; sanitizers end so */
                print_log(w);
        return WEXITSTATUS(status);
}

void world_await_killed(struct world *w, int number)
{
        int status = await_status(w);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == number);
}

/* ---- children ---- */

static struct actor *await_actor(struct world *w, const char *name, bool ensures)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        for (;;) {
                for (size_t i = 0; i < w->actor_count; i++) {
                        struct actor *a = &w->actors[i];
                        if (a->greeted && !a->claimed && a->ensures == ensures && strcmp(a->name, name) == 0) {
                                a->claimed = true;
                                return a;
                        }
                }
                wait_more(w, end_ms, ensures ? "ensure" : "hello", name);
        }
}

struct actor *world_await_child(struct world *w, const char *name)
{
        return await_actor(w, name, false);
}

struct actor *world_await_helper(struct world *w, const char *name)
{
        return await_actor(w, name, true);
}

static char *take_line(struct lines *l, const char *text, bool prefix)
{
        for (size_t i = 0; i < l->count; i++) {
                if (prefix ? strncmp(l->list[i], text, strlen(text)) != 0 : strcmp(l->list[i], text) != 0)
                        continue;
                char *found = l->list[i];
                for (size_t j = 0; j < i; j++)
                        free(l->list[j]);
                memmove(l->list, l->list + i + 1, (l->count - i - 1) * sizeof *l->list);
                l->count -= i + 1;
                return found;
        }
        return NULL;
}

void world_await(struct world *w, struct actor *a, const char *line)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        char *found;
        while (!(found = take_line(&a->lines, line, false)))
                wait_more(w, end_ms, line, a->name);
        free(found);
}

void world_await_gone(struct world *w, struct actor *a)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        while (a->fd >= 0)
                wait_more(w, end_ms, "the end", a->name);
}

void world_tell(struct actor *a, const char *line)
{
        if (send(a->fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
                fail_msg("%s cannot be told \"%s\": %s", a->name, line, strerror(errno));
}

bool world_has(const struct actor *a, const char *line)
{
        for (size_t i = 0; i < a->lines.count; i++)
                if (strcmp(a->lines.list[i], line) == 0)
                        return true;
        return false;
}

char *world_ask_config(struct world *w, struct actor *a)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        world_tell(a, "config");
        for (;;) {
                for (size_t i = 0; i < a->lines.count; i++)
                        if (strncmp(a->lines.list[i], "config ", 7) == 0) {
                                char *found = a->lines.list[i];
                                a->lines.count--;
                                memmove(a->lines.list + i, a->lines.list + i + 1,
                                        (a->lines.count - i) * sizeof *a->lines.list);
                                return found;
                        }
                wait_more(w, end_ms, "config", a->name);
        }
}

char *world_await_told(struct world *w, const char *prefix)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        char *found;
        while (!(found = take_line(&w->told, prefix, true)))
                wait_more(w, end_ms, prefix, "what systemd is told");
        return found;
}

void world_told(struct world *w, const char *prefix)
{
        free(world_await_told(w, prefix));
}

bool world_was_told(struct world *w, const char *prefix)
{
        for (size_t i = 0; i < w->told.count; i++)
                if (strncmp(w->told.list[i], prefix, strlen(prefix)) == 0)
                        return true;
        return false;
}

static bool file_has(const char *path, const char *text)
{
        static char content[1 << 16];
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(content, 1, sizeof content - 1, f) : 0;
        content[n] = '\0';
        if (f)
                (void)fclose(f);
        return strstr(content, text) != NULL;
}

void world_await_log(struct world *w, const char *text)
{
        uint64_t end_ms = now_ms() + WORLD_PATIENCE_MS;
        while (!file_has(w->log, text))
                wait_more(w, end_ms, text, "the log");
}

bool world_status_has(struct world *w, const char *text)
{
        char path[256];
        (void)snprintf(path, sizeof path, "%s/status.json", w->runtime);
        return file_has(path, text);
}
