#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/agent/house.h"

#include "daemon/common/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS    30000
#define TIMEOUT_MS 2000
/* The observer is not what is tested: on a busy machine it keeps its connection, and its writes have an answer. */
#define OBSERVER_MS 20000

static const char *const worker_names[HOUSE_WORKERS_MAX] = {"web", "conf"};
static const char *const worker_groups[HOUSE_WORKERS_MAX] = {"web", ""};

/* ---- the loop and the observer ---- */

static void on_guard(uv_timer_t *timer)
{
        ((struct house_loop *)timer->data)->late = true;
}

static void guard(struct house_loop *l, uint64_t ms)
{
        l->late = false;
        uv_update_time(&l->loop);
        (void)uv_timer_start(&l->guard, on_guard, ms, 0);
}

void house_guard(struct house_loop *l, bool on)
{
        if (on)
                guard(l, WAIT_MS);
        else
                (void)uv_timer_stop(&l->guard);
}

void house_run(struct house_loop *l, uint64_t ms)
{
        guard(l, ms);
        while (!l->late)
                (void)uv_run(&l->loop, UV_RUN_ONCE);
}

void house_loop_init(struct house_loop *l, const struct engines *e)
{
        struct client_server servers[ENGINES_MAX];
        struct client_config config = {.servers = servers,
                                       .server_count = (size_t)e->count,
                                       .session_timeout_ms = OBSERVER_MS,
                                       .answer_divisor = 4};
        struct client *c = NULL;
        memset(l, 0, sizeof *l);
        for (int i = 0; i < e->count; i++) {
                (void)snprintf(servers[i].host, sizeof servers[i].host, "127.0.0.1");
                servers[i].port = e->list[i].client_port;
        }
        assert_int_equal(uv_loop_init(&l->loop), 0);
        assert_int_equal(uv_timer_init(&l->loop, &l->guard), 0);
        l->guard.data = l;
        assert_int_equal(client_new(&config, &c), 0);
        assert_int_equal(client_loop_new(&l->loop, c, &l->observer), 0);
        client_loop_start(l->observer);
}

void house_loop_done(struct house_loop *l)
{
        client_loop_free(l->observer);
        uv_close((uv_handle_t *)&l->guard, NULL);
        (void)uv_run(&l->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&l->loop), 0);
}

static void on_answer(void *ctx, const struct client_result *r)
{
        struct house_answer *a = ctx;
        a->done = true;
        a->error = r->error;
        a->stat = r->stat;
        (void)snprintf(a->data, sizeof a->data, "%.*s", r->data.len > 0 ? r->data.len : 0, (const char *)r->data.data);
}

static void finish(struct house_loop *l, struct house_answer *a)
{
        client_loop_flush(l->observer);
        house_await(l, a->done);
}

void house_get(struct house_loop *l, const char *path, struct house_answer *ret)
{
        const struct client_call call = {.done = on_answer, .ctx = ret};
        do { /* a read may be asked for as often as it takes */
                memset(ret, 0, sizeof *ret);
                assert_int_equal(client_sync(client_loop_client(l->observer), path, NULL), 0);
                assert_int_equal(client_get(client_loop_client(l->observer), path, &call), 0);
                finish(l, ret);
        } while (ret->error == CLIENT_ERROR_CONNECTION_LOSS);
}

int32_t house_put(struct house_loop *l, const char *path, const char *value)
{
        struct house_answer a = {.done = false};
        const struct client_call call = {.done = on_answer, .ctx = &a};
        assert_int_equal(client_set(client_loop_client(l->observer), path, jute_cstr(value), -1, &call), 0);
        finish(l, &a);
        if (a.error != ZK_NO_NODE)
                return a.error;
        a.done = false;
        assert_int_equal(client_create(client_loop_client(l->observer), path, jute_cstr(value), 0, NULL, &call), 0);
        finish(l, &a);
        return a.error;
}

int32_t house_delete(struct house_loop *l, const char *path)
{
        struct house_answer a = {.done = false};
        const struct client_call call = {.done = on_answer, .ctx = &a};
        assert_int_equal(client_delete(client_loop_client(l->observer), path, -1, &call), 0);
        finish(l, &a);
        return a.error;
}

/* ---- what the agent says ---- */

static void on_control(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct house *h = ctx;
        (void)ipc;
        switch (m->type) {
        case MESSAGE_READY:
                assert_false(h->ready);
                h->ready = true;
                h->readies++;
                break;
        case MESSAGE_UNREADY:
                assert_true(h->ready);
                h->ready = false;
                h->unreadies++;
                break;
        case MESSAGE_STATUS:
                (void)snprintf(h->status, sizeof h->status, "%.*s", m->text.len, (const char *)m->text.data);
                break;
        case MESSAGE_PONG:
                h->pongs++;
                break;
        default:
                fail_msg("the agent says %s to its supervisor", message_type_name(m->type));
        }
}

static void on_control_closed(void *ctx, struct ipc *ipc, int status)
{
        struct house *h = ctx;
        (void)status;
        ipc_free(ipc);
        h->control = NULL;
        h->ended = true;
}

static void note_config(struct house_worker *w, const struct message *m)
{
        size_t len = strlen(w->config);
        if (m->type == MESSAGE_CONFIG_SYNCED)
                (void)snprintf(w->config + len, sizeof w->config - len, "| ");
        else if (m->data.len < 0)
                (void)snprintf(w->config + len, sizeof w->config - len, "-%.*s ", m->path.len,
                               (const char *)m->path.data);
        else
                (void)snprintf(w->config + len, sizeof w->config - len, "%.*s=%.*s ", m->path.len,
                               (const char *)m->path.data, m->data.len, (const char *)m->data.data);
}

static void note_grant(struct house_worker *w, const struct message *m)
{
        uint64_t now = clock_boottime_ms();
        if (w->grants > 0 && now - w->granted_ms > w->longest_gap_ms)
                w->longest_gap_ms = now - w->granted_ms;
        w->granted_ms = now;
        w->grants++;
        w->grant = *m;
}

static void on_worker(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct house_worker *w = ctx;
        (void)ipc;
        switch (m->type) {
        case MESSAGE_ROLE:
                w->roles++;
                w->role = m->role;
                break;
        case MESSAGE_MEMBERS:
                w->members++;
                w->member_count = m->member_count;
                break;
        case MESSAGE_CONFIG:
        case MESSAGE_CONFIG_SYNCED:
                note_config(w, m);
                w->synced += m->type == MESSAGE_CONFIG_SYNCED;
                break;
        case MESSAGE_CONFIG_DONE:
                w->done++;
                w->last_done = *m;
                break;
        case MESSAGE_GRANT:
                note_grant(w, m);
                break;
        case MESSAGE_REVOKE:
                w->revokes++;
                w->revoke = *m;
                break;
        default:
                fail_msg("the agent says %s to a worker", message_type_name(m->type));
        }
}

static void on_worker_closed(void *ctx, struct ipc *ipc, int status)
{
        struct house_worker *w = ctx;
        (void)status;
        ipc_free(ipc);
        w->ipc = NULL;
        w->gone = true;
}

/* ---- its life ---- */

static void write_config(const struct house *h, const struct engines *e, const char *name, int own)
{
        char path[128];
        (void)snprintf(path, sizeof path, "%s/agent.conf", h->dir);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        (void)fprintf(f, "[node]\nname = %s\ndata_dir = %s/data\nruntime_dir = %s/run\n", name, h->dir, h->dir);
        if (own >= 0)
                (void)fprintf(f,
                              "id = %d\n[ensemble]\ntick_time = 200\nmin_session_timeout = 400\n"
                              "max_session_timeout = 40000\n",
                              own + 1);
        else
                (void)fprintf(f, "[ensemble]\nconnect = ");
        for (int i = 0; i < e->count; i++) {
                if (own >= 0)
                        (void)fprintf(f, "server.%d = 127.0.0.1:%d:%d:participant;127.0.0.1:%d\n", i + 1,
                                      e->list[i].quorum_port, e->list[i].election_port, e->list[i].client_port);
                else
                        (void)fprintf(f, "%s127.0.0.1:%d", i ? "," : "", e->list[i].client_port);
        }
        (void)fprintf(f,
                      "\n[agent]\nsession_timeout = %d\n[group web]\npolicy = sticky\nstop_budget = 500\n"
                      "[plugin web]\nmodule = process\ngroup = web\n[plugin conf]\nmodule = file\n",
                      TIMEOUT_MS);
        assert_int_equal(fclose(f), 0);
        (void)snprintf(path, sizeof path, "%s/run", h->dir);
        assert_int_equal(mkdir(path, 0700), 0);
}

void house_init(struct house *h, struct house_loop *l, const struct engines *e, const char *name, int own)
{
        memset(h, 0, sizeof *h);
        h->loop = l;
        (void)snprintf(h->dir, sizeof h->dir, "%s/node-XXXXXX", e->dir); /* goes with the servers' */
        assert_non_null(mkdtemp(h->dir));
        write_config(h, e, name, own);
}

void house_start(struct house *h)
{
        char config[128], log[128], number[16];
        int pair[2];
        (void)snprintf(config, sizeof config, "%s/agent.conf", h->dir);
        (void)snprintf(log, sizeof log, "%s/agent.log", h->dir);
        assert_int_equal(ipc_pair(pair), 0);
        pid_t parent = getpid(), pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)snprintf(number, sizeof number, "%d", pair[1]);
                if (fd < 0 || dup2(fd, 2) < 0 || fcntl(pair[1], F_SETFD, 0) < 0 || getppid() != parent)
                        _exit(126);
                (void)execl(BATON_AGENT_PATH, "baton-agent", "--config", config, "--control-fd", number, (char *)NULL);
                _exit(127);
        }
        h->pid = pid;
        h->ready = h->ended = false;
        h->status[0] = 0;
        (void)close(pair[1]);
        assert_int_equal(ipc_new(&h->loop->loop, pair[0], on_control, on_control_closed, h, &h->control), 0);
}

static void forget(struct house *h)
{
        ipc_free(h->control);
        h->control = NULL;
        ipc_free(h->engine);
        h->engine = NULL;
        for (int i = 0; i < HOUSE_WORKERS_MAX; i++) {
                ipc_free(h->workers[i].ipc);
                h->workers[i].ipc = NULL;
        }
}

void house_crash(struct house *h)
{
        if (!h->pid)
                return;
        assert_int_equal(kill(h->pid, SIGKILL), 0);
        assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
        h->pid = 0;
        forget(h);
}

int house_wait(struct house *h)
{
        int status = 0;
        house_await(h->loop, h->ended);
        assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
        h->pid = 0;
        forget(h);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

void house_stop(struct house *h, enum stop_how how)
{
        struct message m = message_of(MESSAGE_STOP);
        m.stop = how;
        assert_int_equal(ipc_send(h->control, &m), 0);
}

void house_say(struct house *h, int worker, const struct message *m)
{
        assert_int_equal(ipc_send(h->workers[worker].ipc, m), 0);
}

/* Passes the agent its end of a new pair; returns ours. */
static int pass(struct house *h, const char *name)
{
        struct message link = message_of(MESSAGE_LINK);
        int pair[2];
        assert_int_equal(ipc_pair(pair), 0);
        (void)snprintf(link.name.text, sizeof link.name.text, "%s", name);
        link.fd = pair[1];
        assert_int_equal(ipc_send(h->control, &link), 0);
        (void)close(pair[1]);
        return pair[0];
}

static void on_engine(void *ctx, struct ipc *ipc, const struct message *m)
{
        (void)ctx;
        (void)ipc;
        fail_msg("the agent says %s to the engine", message_type_name(m->type));
}

static void on_engine_closed(void *ctx, struct ipc *ipc, int status)
{
        struct house *h = ctx;
        (void)status;
        ipc_free(ipc);
        h->engine = NULL;
}

void house_link_engine(struct house *h)
{
        assert_int_equal(ipc_new(&h->loop->loop, pass(h, "engine"), on_engine, on_engine_closed, h, &h->engine), 0);
}

void house_link(struct house *h, int worker, enum worker_state state, int64_t token)
{
        struct house_worker *w = &h->workers[worker];
        struct message hello = message_of(MESSAGE_HELLO);
        ipc_free(w->ipc);
        memset(w, 0, sizeof *w);
        int fd = pass(h, worker_names[worker]);
        assert_int_equal(ipc_new(&h->loop->loop, fd, on_worker, on_worker_closed, w, &w->ipc), 0);
        (void)snprintf(hello.name.text, sizeof hello.name.text, "%s", worker_names[worker]);
        (void)snprintf(hello.group.text, sizeof hello.group.text, "%s", worker_groups[worker]);
        hello.state = state;
        hello.token = token;
        hello.budget_ms = 500;
        house_say(h, worker, &hello);
}

void house_state(struct house *h, int worker, enum worker_state state, int64_t token)
{
        struct message m = message_of(MESSAGE_STATE);
        m.state = state;
        m.token = token;
        house_say(h, worker, &m);
}

void house_done(struct house *h)
{
        house_crash(h);
        forget(h);
}
