#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/agent/engines.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A server that does not serve by then never will. */
#define SERVE_MS 30000
#define ASK_MS   20

uint16_t free_port(void)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
        (void)close(fd);
        return ntohs(a.sin_port);
}

static void write_config(const struct engines *e, int i)
{
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%d.conf", e->dir, i + 1);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        (void)fprintf(f,
                      "[node]\nname = n%d\nid = %d\ndata_dir = %s/%d\n"
                      "[ensemble]\ntick_time = 200\ninit_limit = 25\nsync_limit = 10\nmin_session_timeout = 400\n"
                      "max_session_timeout = 40000\npreallocate_kb = 0\n",
                      i + 1, i + 1, e->dir, i + 1);
        for (int k = 0; k < e->count; k++)
                (void)fprintf(f, "server.%d = 127.0.0.1:%d:%d:participant;127.0.0.1:%d\n", k + 1,
                              e->list[k].quorum_port, e->list[k].election_port, e->list[k].client_port);
        assert_int_equal(fclose(f), 0);
}

void engines_init(struct engines *e, int count)
{
        *e = (struct engines){.count = count};
        (void)snprintf(e->dir, sizeof e->dir, "/tmp/baton-engines-XXXXXX");
        assert_non_null(mkdtemp(e->dir));
        for (int i = 0; i < count; i++) {
                e->list[i].client_port = free_port();
                e->list[i].quorum_port = free_port();
                e->list[i].election_port = free_port();
        }
        for (int i = 0; i < count; i++)
                write_config(e, i);
}

static const char *program(void)
{
        const char *path = getenv("BATON_ENGINE");
        return path && *path ? path : BATON_ENGINE_PATH;
}

void engines_run(struct engines *e, int i)
{
        char config[128], log[128];
        (void)snprintf(config, sizeof config, "%s/%d.conf", e->dir, i + 1);
        (void)snprintf(log, sizeof log, "%s/%d.log", e->dir, i + 1);
        assert_int_equal(e->list[i].pid, 0);
        pid_t parent = getpid(), pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (fd < 0 || dup2(fd, 2) < 0 || getppid() != parent)
                        _exit(126);
                (void)execl(program(), "baton-engine", "--config", config, (char *)NULL);
                _exit(127);
        }
        e->list[i].pid = pid;
}

/* A four-letter word's answer; "" where nobody answers. */
static void ask(const struct engines *e, int i, char *ret, size_t size)
{
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(e->list[i].client_port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const struct timeval limit = {.tv_sec = 1};
        size_t len = 0;
        ssize_t n = 0;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && send(fd, "srvr", 4, MSG_NOSIGNAL) == 4)
                while (len + 1 < size && (n = recv(fd, ret + len, size - 1 - len, 0)) > 0)
                        len += (size_t)n;
        ret[len] = 0;
        (void)close(fd);
}

void engines_await(const struct engines *e, int i)
{
        char text[1024];
        for (int ms = 0; ms < SERVE_MS; ms += ASK_MS) {
                ask(e, i, text, sizeof text);
                if (strstr(text, "Mode: "))
                        return;
                assert_int_equal(waitpid(e->list[i].pid, NULL, WNOHANG), 0);
                (void)poll(NULL, 0, ASK_MS); /* nothing tells it but asking again */
        }
        fail_msg("server %d does not serve", i + 1);
}

int engines_leader(const struct engines *e)
{
        char text[1024];
        for (int i = 0; i < e->count; i++) {
                if (e->list[i].pid)
                        ask(e, i, text, sizeof text);
                if (e->list[i].pid && (strstr(text, "Mode: leader") || strstr(text, "Mode: standalone")))
                        return i;
        }
        return -1;
}

void engines_start(struct engines *e, int count)
{
        engines_init(e, count);
        for (int i = 0; i < count; i++)
                engines_run(e, i);
        for (int i = 0; i < count; i++)
                engines_await(e, i);
}

void engines_signal(const struct engines *e, int i, int number)
{
        assert_true(e->list[i].pid > 0);
        assert_int_equal(kill(e->list[i].pid, number), 0);
}

void engines_kill(struct engines *e, int i, int number)
{
        if (!e->list[i].pid)
                return;
        engines_signal(e, i, number);
        assert_int_equal(waitpid(e->list[i].pid, NULL, 0), e->list[i].pid);
        e->list[i].pid = 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
        (void)info;
        (void)kind;
        (void)where;
        return remove(path);
}

void engines_done(struct engines *e)
{
        for (int i = 0; i < e->count; i++)
                engines_kill(e, i, SIGKILL);
        (void)nftw(e->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* what is left is in /tmp */
}
