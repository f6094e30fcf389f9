/* Stands in for baton-engine, baton-agent and baton-worker, under whichever name it was started. It does what the test
 * says over a socket ($FAKE_SOCKET) and reports there, one packet for each thing:
 *
 *   reports   hello NAME PID, stop keep|release, link NAME, linked NAME (the other end has spoken), unlinked NAME,
 *             config TEXT, ensure NAME, orphan (the supervisor's channel has ended)
 *   obeys     ready, unready, status TEXT, mute (pings are not answered), garble (writes nonsense on the channel),
 *             stubborn (a stop is only reported), config, exit N, holding STATE DEADLINE BUDGET (record and message)
 *
 * With --check it says what is wrong itself: every line of the configuration that contains "refuse". */
#include "daemon/common/clock.h"
#include "daemon/common/grant_record.h"
#include "daemon/common/ipc.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Links kept; a new one to the same name replaces the old one. */
#define LINKS_MAX 8

struct link {
        struct fake *owner;
        char name[64];
        struct ipc *ipc;
};

struct fake {
        uv_loop_t loop;
        uv_poll_t poll;
        int test_fd, control_fd, record_fd;
        struct ipc *control;
        char name[64], config[256];
        bool mute, stubborn;
        struct link links[LINKS_MAX];
};

static void report(struct fake *f, const char *what, const char *text)
{
        char line[4096];
        int len = snprintf(line, sizeof line, "%s%s%s", what, text ? " " : "", text ? text : "");
        if (send(f->test_fd, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1, MSG_NOSIGNAL) < 0)
                _exit(99);
}

static void on_link_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct link *l = ctx;
        (void)ipc;
        if (m->type == MESSAGE_HELLO)
                report(l->owner, "linked", m->name.text);
}

static void on_link_closed(void *ctx, struct ipc *ipc, int status)
{
        struct link *l = ctx;
        (void)status;
        report(l->owner, "unlinked", l->name);
        ipc_free(ipc);
        l->ipc = NULL;
}

static void take_link(struct fake *f, const struct message *m)
{
        struct link *l = NULL;
        struct message hello = message_of(MESSAGE_HELLO);
        for (size_t i = 0; i < LINKS_MAX && !l; i++)
                if (!f->links[i].ipc)
                        l = &f->links[i];
        if (!l)
                _exit(98);
        l->owner = f;
        (void)snprintf(l->name, sizeof l->name, "%s", m->name.text);
        report(f, "link", l->name);
        if (ipc_new(&f->loop, m->fd, on_link_message, on_link_closed, l, &l->ipc) < 0)
                _exit(97);
        (void)snprintf(hello.name.text, sizeof hello.name.text, "%.48s", f->name);
        (void)ipc_send(l->ipc, &hello);
}

static void on_control(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct fake *f = ctx;
        struct message pong = message_of(MESSAGE_PONG);
        switch (m->type) {
        case MESSAGE_PING:
                pong.number = m->number;
                if (!f->mute)
                        (void)ipc_send(ipc, &pong);
                break;
        case MESSAGE_STOP:
                report(f, "stop", m->stop == STOP_KEEP ? "keep" : "release");
                if (!f->stubborn)
                        _exit(0);
                break;
        case MESSAGE_LINK:
                take_link(f, m);
                break;
        default:
                _exit(96);
        }
}

static void on_control_closed(void *ctx, struct ipc *ipc, int status)
{
        struct fake *f = ctx;
        (void)ipc;
        (void)status;
        f->control = NULL;
        report(f, "orphan", NULL);
}

static void send_config(struct fake *f)
{
        char text[3000];
        FILE *in = fopen(f->config, "re");
        size_t n = in ? fread(text, 1, sizeof text - 1, in) : 0;
        text[n] = '\0';
        if (in)
                (void)fclose(in);
        report(f, "config", text);
}

static void hold(struct fake *f, const char *words)
{
        static const char *const states[] = {"opening", "stopped", "starting", "active", "stopping", "failed"};
        char state[16] = "";
        struct grant_record r = {.token = 7, .lease_ms = 2000};
        struct message m = message_of(MESSAGE_HOLDING);
        if (sscanf(words, "%15s %" SCNu64 " %" SCNu32, state, &r.deadline_ms, &r.budget_ms) != 3)
                _exit(95);
        for (size_t i = 0; i < sizeof states / sizeof *states; i++)
                if (strcmp(states[i], state) == 0)
                        r.state = (enum worker_state)i;
        clock_boot_id(r.boot_id);
        (void)snprintf(r.plugin.text, sizeof r.plugin.text, "%.48s", f->name);
        (void)snprintf(r.group.text, sizeof r.group.text, "g");
        if (grant_record_write(f->record_fd, &r) < 0)
                _exit(94);
        m.state = r.state;
        m.token = r.token;
        m.deadline_ms = r.deadline_ms;
        m.budget_ms = r.budget_ms;
        (void)ipc_send(f->control, &m);
        report(f, "held", state);
}

static void obey(struct fake *f, const char *line)
{
        struct message m = message_of(MESSAGE_READY);
        if (strcmp(line, "mute") == 0)
                f->mute = true;
        else if (strcmp(line, "stubborn") == 0)
                f->stubborn = true;
        else if (strcmp(line, "config") == 0)
                send_config(f);
        else if (strncmp(line, "exit ", 5) == 0)
                _exit((int)strtol(line + 5, NULL, 10));
        else if (strncmp(line, "holding ", 8) == 0)
                hold(f, line + 8);
        else if (strcmp(line, "garble") == 0) {
                if (write(f->control_fd, "\xff\xff\xff\xff", 4) != 4)
                        _exit(93);
        } else {
                if (strcmp(line, "unready") == 0)
                        m.type = MESSAGE_UNREADY;
                else if (strncmp(line, "status ", 7) == 0) {
                        m.type = MESSAGE_STATUS;
                        m.text = jute_cstr(line + 7);
                } else if (strcmp(line, "ready") != 0)
                        _exit(92);
                (void)ipc_send(f->control, &m);
        }
}

static void on_test(uv_poll_t *p, int status, int events)
{
        struct fake *f = p->data;
        char line[4096];
        ssize_t n = recv(f->test_fd, line, sizeof line - 1, 0);
        (void)status;
        (void)events;
        if (n <= 0)
                _exit(0); /* the test is over */
        line[n] = '\0';
        obey(f, line);
}

/* Each bad line as FILE:LINE, the way plugins' judgements are told. */
static int check(const char *path)
{
        char line[1024];
        int number = 0, bad = 0;
        FILE *in = fopen(path, "re");
        if (!in)
                return 2;
        while (fgets(line, sizeof line, in)) {
                number++;
                if (strstr(line, "refuse")) {
                        (void)printf("%s:%d: the plugin refuses this\n", path, number);
                        bad = 2;
                }
                if (strstr(line, "never_ends"))
                        (void)pause();
        }
        (void)fclose(in);
        return bad;
}

static int connect_test(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = getenv("FAKE_SOCKET");
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (!path || fd < 0)
                return -1;
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : fd;
}

/* An engine's status socket is made for it: it has only to accept. */
static void require_listening(int fd)
{
        int listening = 0;
        socklen_t size = sizeof listening;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
                _exit(9);
}

int main(int argc, char **argv)
{
        static struct fake f = {.control_fd = -1, .record_fd = -1};
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"plugin", required_argument, NULL, 'p'},
                {"control-fd", required_argument, NULL, 'f'},
                {"record-fd", required_argument, NULL, 'r'},
                {"status-fd", required_argument, NULL, 'S'},
                {"check", no_argument, NULL, 'n'},
                {"ensure-stopped", no_argument, NULL, 's'},
                {"budget", required_argument, NULL, 'b'},
                {NULL, 0, NULL, 0},
        };
        bool ensure = false, checking = false;
        char text[128];
        const char *program = strrchr(argv[0], '-');
        (void)snprintf(f.name, sizeof f.name, "%s", program ? program + 1 : argv[0]);
        for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                if (c == 'c')
                        (void)snprintf(f.config, sizeof f.config, "%s", optarg);
                else if (c == 'p')
                        (void)snprintf(f.name, sizeof f.name, "%s", optarg);
                else if (c == 'f')
                        f.control_fd = (int)strtol(optarg, NULL, 10);
                else if (c == 'r')
                        f.record_fd = (int)strtol(optarg, NULL, 10);
                else if (c == 'S')
                        require_listening((int)strtol(optarg, NULL, 10));
                else if (c == 'n')
                        checking = true;
                else if (c == 's')
                        ensure = true;
                else if (c != 'b')
                        return 91;
        }
        if (checking)
                return check(f.config);
        f.test_fd = connect_test();
        if (f.test_fd < 0 || uv_loop_init(&f.loop) < 0)
                return 90;
        (void)snprintf(text, sizeof text, "%s %ld", f.name, (long)getpid());
        report(&f, ensure ? "ensure" : "hello", text);
        if (!ensure && ipc_new(&f.loop, f.control_fd, on_control, on_control_closed, &f, &f.control) < 0)
                return 89;
        f.poll.data = &f;
        if (uv_poll_init(&f.loop, &f.poll, f.test_fd) < 0 || uv_poll_start(&f.poll, UV_READABLE, on_test) < 0)
                return 88;
        return uv_run(&f.loop, UV_RUN_DEFAULT);
}
