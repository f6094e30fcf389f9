/* See stage.h. */
#include "tests/unit/worker/stage.h"

#include "daemon/common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Patience with a busy machine; nothing waits so long when all is well. */
#define PATIENCE_MS 20000

static void path_of(const struct stage *s, const char *name, char *ret, size_t size)
{
        (void)snprintf(ret, size, "%s/%s", s->dir, name);
}

/* ---- what it says ---- */

__attribute__((format(printf, 2, 3))) static void note(struct stage *s, const char *format, ...)
{
        size_t len = strlen(s->said);
        va_list ap;
        if (len > sizeof s->said - 4096) { /* a flood: the beginning goes */
                memmove(s->said, s->said + len / 2, len - len / 2 + 1);
                len = strlen(s->said);
        }
        va_start(ap, format);
        (void)vsnprintf(s->said + len, sizeof s->said - len - 1, format, ap);
        va_end(ap);
        len = strlen(s->said);
        memcpy(s->said + len, "\n", 2);
}

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct stage *s = ctx;
        const char *text = (const char *)m->text.data;
        int len = m->text.len > 0 ? m->text.len : 0;
        (void)ipc;
        switch (m->type) {
        case MESSAGE_HELLO:
                note(s, "hello %s 0x%" PRIx64 " budget %u", worker_state_name(m->state), (uint64_t)m->token,
                     m->budget_ms);
                break;
        case MESSAGE_STATE:
                note(s, "state %s 0x%" PRIx64 "%s%.*s", worker_state_name(m->state), (uint64_t)m->token,
                     len ? ": " : "", len, len ? text : "");
                break;
        case MESSAGE_HEALTH:
                note(s, "health %s%s%.*s", health_name(m->health), len ? ": " : "", len, len ? text : "");
                break;
        case MESSAGE_NOTE:
                note(s, "note: %.*s", len, len ? text : "");
                break;
        case MESSAGE_CONFIG_SET:
                note(s, "set %.*s = %.*s v%d number %" PRId64, m->path.len, (const char *)m->path.data, m->data.len,
                     (const char *)m->data.data, m->version, m->number);
                break;
        case MESSAGE_HOLDING:
                note(s, "holding %s 0x%" PRIx64, worker_state_name(m->state), (uint64_t)m->token);
                break;
        case MESSAGE_PONG:
                note(s, "pong %" PRId64, m->number);
                break;
        default:
                note(s, "%s", message_type_name(m->type));
                break;
        }
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct stage *s = ctx;
        (void)status;
        if (ipc == s->control) {
                s->control = NULL;
                s->gone = true;
        } else {
                s->link = NULL;
        }
        ipc_free(ipc);
}

/* ---- life ---- */

void stage_init(struct stage *s)
{
        char path[128];
        *s = (struct stage){.group = true, .budget_ms = 5000, .check_timeout_ms = 5000, .pid = -1};
        (void)snprintf(s->dir, sizeof s->dir, "/tmp/baton-worker-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        assert_int_equal(uv_loop_init(&s->loop), 0);
        path_of(s, "record", path, sizeof path);
        s->record_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(s->record_fd >= 0);
}

static void write_file(const struct stage *s, const char *name, const char *text)
{
        char path[128];
        path_of(s, name, path, sizeof path);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void write_config(const struct stage *s)
{
        char text[4096];
        (void)snprintf(text, sizeof text,
                       "[node]\nname = n1\nruntime_dir = %s\n"
                       "[ensemble]\nconnect = 127.0.0.1:2181\n"
                       "%s"
                       "[plugin shop]\nmodule = " PROBE "\n%s"
                       "resource = %s/resource\ntrace = %s/trace\nmoods = %s/moods\n"
                       "check_interval = 50\ncheck_timeout = %u\nactivate_timeout = 1000\nretry_delay = 10\n%s",
                       s->dir, s->group ? "[group web]\n" : "", s->group ? "group = web\n" : "", s->dir, s->dir, s->dir,
                       s->check_timeout_ms, s->settings);
        write_file(s, "baton.conf", text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

void stage_done(struct stage *s)
{
        if (s->pid > 0)
                stage_kill(s, SIGKILL);
        if (s->pid > 0)
                (void)stage_await_end(s);
        ipc_free(s->link);
        ipc_free(s->control);
        (void)uv_run(&s->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&s->loop), 0);
        (void)close(s->record_fd);
        (void)nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* a leftover in /tmp is no failure */
}

void stage_start(struct stage *s)
{
        int pair[2];
        char config[128], control[16], record[16];
        write_config(s);
        path_of(s, "baton.conf", config, sizeof config);
        assert_int_equal(ipc_pair(pair), 0);
        assert_true(s->pid < 0);
        s->gone = false;
        s->pid = fork();
        assert_true(s->pid >= 0);
        if (s->pid == 0) {
                /* Without close-on-exec, as the supervisor passes them. */
                (void)snprintf(control, sizeof control, "%d", dup(pair[1]));
                (void)snprintf(record, sizeof record, "%d", dup(s->record_fd));
                (void)execl(WORKER, WORKER, "--config", config, "--plugin", "shop", "--control-fd", control,
                            "--record-fd", record, (char *)NULL);
                _exit(127);
        }
        (void)close(pair[1]); /* the worker's */
        assert_int_equal(ipc_new(&s->loop, pair[0], on_message, on_closed, s, &s->control), 0);
        stage_link(s);
}

void stage_cut(struct stage *s)
{
        ipc_free(s->link);
        s->link = NULL;
}

void stage_link(struct stage *s)
{
        int pair[2];
        struct message m = message_of(MESSAGE_LINK);
        stage_cut(s);
        assert_int_equal(ipc_pair(pair), 0);
        m.name = (struct name){"agent"};
        m.fd = pair[1];
        assert_int_equal(ipc_send(s->control, &m), 0);
        (void)close(pair[1]); /* the worker's now */
        assert_int_equal(ipc_new(&s->loop, pair[0], on_message, on_closed, s, &s->link), 0);
}

void stage_kill(struct stage *s, int signal)
{
        assert_true(s->pid > 0);
        assert_int_equal(kill(s->pid, signal), 0);
}

/* ---- waiting ---- */

/* One turn of the loop, or a few milliseconds. */
static void turn(struct stage *s)
{
        struct pollfd p = {.fd = uv_backend_fd(&s->loop), .events = POLLIN};
        (void)poll(&p, 1, 5);
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

typedef bool truth_fn(struct stage *s, const char *line);

static void await(struct stage *s, truth_fn *truth, const char *line)
{
        uint64_t until_ms = clock_boottime_ms() + PATIENCE_MS;
        while (!truth(s, line)) {
                if (clock_boottime_ms() >= until_ms)
                        fail_msg("never: %s\nbut:\n%s", line, s->said);
                turn(s);
        }
}

/* A whole line of `text`. */
static const char *find_line(const char *text, const char *line)
{
        size_t len = strlen(line);
        for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
                if ((at == text || at[-1] == '\n') && at[len] == '\n')
                        return at;
        return NULL;
}

static bool has_said(struct stage *s, const char *line)
{
        return stage_said(s, line);
}

static bool is_gone(struct stage *s, const char *line)
{
        (void)line;
        return s->gone;
}

bool stage_said(const struct stage *s, const char *line)
{
        return find_line(s->said, line) != NULL;
}

void stage_await(struct stage *s, const char *line)
{
        await(s, has_said, line);
}

void stage_forget(struct stage *s)
{
        s->said[0] = '\0';
}

int stage_await_end(struct stage *s)
{
        int status = 0;
        if (s->control)
                await(s, is_gone, "its end");
        assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
        s->pid = -1;
        stage_cut(s);
        return status;
}

int stage_run(struct stage *s, const char *const *arguments, char *out, size_t out_size)
{
        int pair[2];
        int status = 0;
        const char *argv[16] = {WORKER};
        size_t at = 0;
        for (size_t i = 0; arguments[i] && i < 14; i++)
                argv[i + 1] = arguments[i];
        write_config(s);
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (chdir(s->dir) < 0 || dup2(pair[1], STDOUT_FILENO) < 0 || dup2(pair[1], STDERR_FILENO) < 0)
                        _exit(127);
                (void)execv(WORKER, (char **)(uintptr_t)argv);
                _exit(127);
        }
        (void)close(pair[1]); /* the child's */
        for (ssize_t n = 0; at + 1 < out_size && (n = read(pair[0], out + at, out_size - 1 - at)) > 0;)
                at += (size_t)n;
        out[at] = '\0';
        (void)close(pair[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the probe ---- */

static void read_trace(const struct stage *s, char *ret, size_t size)
{
        char path[128];
        path_of(s, "trace", path, sizeof path);
        ssize_t n = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                n = read(fd, ret, size - 1);
                (void)close(fd);
        }
        ret[n > 0 ? n : 0] = '\0';
}

bool stage_traced(struct stage *s, const char *line)
{
        static char text[1 << 16];
        read_trace(s, text, sizeof text);
        return find_line(text, line) != NULL;
}

size_t stage_trace_count(struct stage *s, const char *line)
{
        static char text[1 << 16];
        size_t count = 0;
        read_trace(s, text, sizeof text);
        for (const char *at = text; (at = find_line(at, line)) != NULL; at++)
                count++;
        return count;
}

void stage_await_trace(struct stage *s, const char *line)
{
        await(s, stage_traced, line);
}

void stage_mood(struct stage *s, const char *moods)
{
        char from[128], to[128];
        write_file(s, "moods.new", moods);
        path_of(s, "moods.new", from, sizeof from);
        path_of(s, "moods", to, sizeof to);
        assert_int_equal(rename(from, to), 0);
}

bool stage_runs(struct stage *s)
{
        char path[128];
        path_of(s, "resource", path, sizeof path);
        return access(path, F_OK) == 0;
}

struct grant_record stage_record(struct stage *s)
{
        struct grant_record r = {.state = WORKER_OPENING};
        assert_int_equal(grant_record_read(s->record_fd, &r), 0);
        return r;
}

/* ---- from supervisor and agent ---- */

void stage_stop(struct stage *s, enum stop_how how)
{
        struct message m = message_of(MESSAGE_STOP);
        m.stop = how;
        assert_int_equal(ipc_send(s->control, &m), 0);
}

void stage_ping(struct stage *s, int64_t number)
{
        struct message m = message_of(MESSAGE_PING);
        m.number = number;
        assert_int_equal(ipc_send(s->control, &m), 0);
}

void stage_tell(struct stage *s, const struct message *m)
{
        assert_non_null(s->link);
        assert_int_equal(ipc_send(s->link, m), 0);
}

void stage_grant(struct stage *s, int64_t token, uint32_t for_ms)
{
        struct message m = message_of(MESSAGE_GRANT);
        m.group = (struct name){"web"};
        m.token = token;
        m.deadline_ms = clock_boottime_ms() + for_ms;
        m.lease_ms = 2 * for_ms;
        m.budget_ms = s->budget_ms;
        stage_tell(s, &m);
}

void stage_revoke(struct stage *s, int64_t token, enum revoke_reason reason)
{
        struct message m = message_of(MESSAGE_REVOKE);
        m.group = (struct name){"web"};
        m.token = token;
        m.reason = reason;
        stage_tell(s, &m);
}

void stage_config(struct stage *s, const char *path, const char *value, int32_t version, int64_t zxid)
{
        struct message m = message_of(MESSAGE_CONFIG);
        m.path = jute_cstr(path);
        m.data = jute_cstr(value);
        m.version = version;
        m.zxid = zxid;
        stage_tell(s, &m);
}
