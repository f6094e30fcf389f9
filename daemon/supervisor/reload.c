/* A new configuration: read, judged, and taken or refused; what runs is touched only when all of it is right.
 *
 *   SIGHUP -> load -> baton-worker --check (a plugin's code runs there, never here) -> removed workers stop
 *          -> the rest becomes what the file says (family.c) -> READY
 *
 * Another SIGHUP meanwhile is remembered: the file is read again afterwards. */
#include "daemon/supervisor/supervisor_internal.h"

#include "daemon/common/events.h"
#include "daemon/common/log.h"
#include "daemon/supervisor/spawn.h"
#include "daemon/worker/worker_core.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- loading ---- */

struct node_config *config_load(const char *path)
{
        static struct problems problems; /* too large for a stack that should stay small */
        struct node_config *config = NULL;
        problems_init(&problems, path);
        if (node_config_load(path, &config, &problems) == 0)
                return config;
        size_t shown = problems.count < PROBLEMS_MAX ? problems.count : PROBLEMS_MAX;
        for (size_t i = 0; i < shown; i++) {
                char text[PROBLEM_TEXT_MAX + NODE_PATH_MAX + 32];
                (void)problems_text(&problems, i, text, sizeof text);
                log_error("%s", text);
        }
        if (shown < problems.count)
                log_error("%s: %zu more", path, problems.count - shown);
        return NULL;
}

/* ---- the check of the plugins' settings ---- */

static void say_output(struct check *c)
{
        c->output[c->output_len] = '\0';
        for (char *at = c->output, *end; *at; at = end) {
                end = at + strcspn(at, "\n");
                if (*end)
                        *end++ = '\0';
                if (*at)
                        log_error("%s", at);
        }
}

static void finish_check(struct supervisor *s)
{
        struct check *c = &s->check;
        enum check_verdict verdict = CHECK_BAD;
        if (c->pid != 0 || c->pipe_open || !c->running)
                return;
        c->running = false;
        (void)uv_timer_stop(&c->timer);
        if (!c->timed_out && WIFEXITED(c->status))
                verdict = WEXITSTATUS(c->status) == 0                       ? CHECK_GOOD
                          : WEXITSTATUS(c->status) == WORKER_EXIT_OBJECTION ? CHECK_OBJECTED
                                                                            : CHECK_BAD;
        if (verdict != CHECK_GOOD)
                say_output(c);
        if (c->timed_out)
                log_error("%s: a plugin did not judge its settings within %d ms", s->config_path, CHECK_MS);
        else if (!WIFEXITED(c->status))
                log_error("%s: the check of the plugins' settings was ended by signal %d", s->config_path,
                          WTERMSIG(c->status));
        c->done(s, verdict);
}

static void on_pipe_closed(uv_handle_t *h)
{
        struct supervisor *s = h->data;
        s->check.pipe_open = false;
        finish_check(s);
}

static void give_buffer(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
        struct check *c = &((struct supervisor *)h->data)->check;
        (void)suggested;
        /* What is beyond is read over the last byte: the child must not stand still. */
        size_t room = CHECK_OUTPUT_MAX - 1 - c->output_len;
        if (room == 0) {
                c->output_len--;
                room = 1;
        }
        *ret = uv_buf_init(c->output + c->output_len, (unsigned)room);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
        struct supervisor *s = stream->data;
        (void)buffer;
        if (n > 0)
                s->check.output_len += (size_t)n;
        else if (n < 0)
                uv_close((uv_handle_t *)stream, on_pipe_closed);
}

static void on_check_timeout(uv_timer_t *t)
{
        struct supervisor *s = t->data;
        s->check.timed_out = true;
        if (s->check.pid > 0)
                (void)kill(s->check.pid, SIGKILL);
}

void check_ended(struct supervisor *s, int wait_status)
{
        s->check.pid = 0;
        s->check.status = wait_status;
        finish_check(s);
}

/* As the agent's user, if it has one, who may read the configuration besides: the code of plugins needs no more. */
static int check_identity(const struct node_config *c, struct identity_ids *ret, char why[IDENTITY_WHY_MAX])
{
        struct identity who = c->agent;
        if (who.user[0])
                (void)snprintf(who.capabilities, sizeof who.capabilities, "CAP_DAC_READ_SEARCH");
        return identity_resolve(&who, ret, why);
}

void check_start(struct supervisor *s, const struct node_config *config,
                 void (*done)(struct supervisor *, enum check_verdict))
{
        struct check *c = &s->check;
        struct identity_ids ids;
        char program[NODE_PATH_MAX + 32], why[SPAWN_WHY_MAX] = "";
        int ends[2] = {-1, -1};
        assert(!c->running);
        c->done = done;
        c->timed_out = false;
        c->output_len = 0;
        if (config->plugin_count == 0) {
                done(s, CHECK_GOOD);
                return;
        }
        (void)snprintf(program, sizeof program, "%s/%s", config->libexec_dir, kid_program(KID_WORKER));
        const char *argv[] = {kid_program(KID_WORKER), "--check", "--config", s->config_path, NULL};
        int r = pipe2(ends, O_CLOEXEC) < 0 ? -errno : check_identity(config, &ids, why);
        if (r == 0) {
                const struct spawn spawn = {.program = program, .argv = argv, .identity = &ids, .output = ends[1]};
                r = spawn_process(&spawn, &c->pid, why);
        }
        if (ends[1] >= 0)
                (void)close(ends[1]);
        if (r < 0) {
                if (ends[0] >= 0)
                        (void)close(ends[0]);
                log_error("the settings of plugins cannot be checked: %s", why[0] ? why : strerror(-r));
                done(s, CHECK_BAD);
                return;
        }
        c->running = true;
        c->pipe_open = true;
        c->pipe.data = c->timer.data = s;
        if (uv_pipe_init(&s->loop, &c->pipe, 0) < 0 || uv_pipe_open(&c->pipe, ends[0]) < 0 ||
            uv_read_start((uv_stream_t *)&c->pipe, give_buffer, on_output) < 0)
                abort(); /* a fresh pipe of our own cannot be refused for any reason but memory */
        (void)uv_timer_start(&c->timer, on_check_timeout, CHECK_MS, 0);
}

/* ---- reloading ---- */

static void finish_reload(struct supervisor *s, bool taken)
{
        s->reloading = false;
        if (taken)
                log_event(LOG_LEVEL_INFO, log_event_id(LOG_EVENT_RELOADED), NULL,
                          "%s: the new configuration is in force", s->config_path);
        else
                log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_RELOAD_REFUSED), NULL,
                          "%s: refused; what runs stays as it is", s->config_path);
        family_status(s);
        notify_reloaded(&s->notify);
        if (s->reload_again) {
                s->reload_again = false;
                reload_begin(s);
        }
}

/* What only a start can change. */
static bool can_become(const struct node_config *now, const struct node_config *next)
{
        bool same = strcmp(now->runtime_dir, next->runtime_dir) == 0;
        if (!same)
                log_error("%s: runtime_dir has changed: restart batond for it", next->path);
        return same;
}

/* A worker that is in the configuration no more stops its resource before the agent learns of it. */
static void remove_missing(struct supervisor *s)
{
        struct plan *p = plan_new(s->candidate);
        for (size_t i = 0; i < s->kid_count; i++) {
                struct kid *k = s->kids[i];
                if (k->removed || plan_find(p, k->name.text))
                        continue;
                log_info("%s is not in the configuration any more: it is stopped", k->name.text);
                k->removed = true;
                kid_event(k, CHILD_STOP, STOP_RELEASE);
        }
        plan_free(p);
}

void reload_continue(struct supervisor *s)
{
        struct node_config *next = s->candidate;
        bool all_gone = family_sweep(s);
        if (!s->candidate || s->check.running || !s->reloading || s->phase != END_NONE || !all_gone)
                return;
        s->candidate = NULL;
        family_become(s, next);
        finish_reload(s, true);
}

static void checked(struct supervisor *s, enum check_verdict verdict)
{
        if (s->phase != END_NONE)
                return;
        if (verdict != CHECK_GOOD || !can_become(s->config, s->candidate)) {
                node_config_free(s->candidate);
                s->candidate = NULL;
                finish_reload(s, false);
                return;
        }
        remove_missing(s);
        reload_continue(s);
}

void reload_begin(struct supervisor *s)
{
        if (s->reloading || !s->begun) {
                s->reload_again = s->begun;
                return;
        }
        s->reloading = true;
        notify_reloading(&s->notify);
        log_info("%s is read again", s->config_path);
        s->candidate = config_load(s->config_path);
        if (!s->candidate)
                finish_reload(s, false);
        else
                check_start(s, s->candidate, checked);
}
