/* See worker.h. Every event goes the same way: into the core with the clock's present time, then update(): what
 * host->held() says and when the timer fires next. */
#include "daemon/worker/worker.h"

#include "daemon/common/clock.h"
#include "daemon/common/events.h"
#include "daemon/common/ipc.h"
#include "daemon/worker/callback_thread.h"
#include "election/base/alloc.h"
#include "election/client/client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* How long the last words may take to be read. */
#define LAST_WORDS_MS 200

struct worker {
        const struct worker_setup *setup;
        uv_loop_t loop;
        struct worker_core *core;
        struct callback_thread *thread;
        struct ipc *control, *link;
        char state_dir[2 * NODE_PATH_MAX];
        int timer_fd;
        uv_poll_t timer;
        uint64_t timer_ms; /* what it is set to; UINT64_MAX: nothing */
        int64_t asked;     /* number of the CONFIG_SET under way; 0: none */
        int64_t last_asked;
        bool ended;
        enum worker_exit status;
};

/* ---- the timer ---- */

static void set_timer(struct worker *w, uint64_t at_ms)
{
        struct itimerspec at = {.it_value = {0}};
        if (at_ms == w->timer_ms)
                return;
        w->timer_ms = at_ms;
        if (at_ms != UINT64_MAX) {
                at.it_value.tv_sec = (time_t)(at_ms / 1000);
                at.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
                if (at_ms == 0)
                        at.it_value.tv_nsec = 1; /* zero would disarm it */
        }
        int r = timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
        assert(r == 0); /* a valid time for a valid timer */
        (void)r;
}

static void update(struct worker *w)
{
        if (w->ended)
                return;
        callback_thread_facts(w->thread, worker_core_token(w->core), worker_core_deadline_ms(w->core));
        set_timer(w, worker_core_next_ms(w->core));
}

static void on_timer(uv_poll_t *timer, int status, int events)
{
        struct worker *w = timer->data;
        uint64_t count = 0;
        (void)status;
        (void)events;
        ssize_t r = read(w->timer_fd, &count, sizeof count);
        (void)r; /* set anew in the meantime: the core knows what is due */
        w->timer_ms = UINT64_MAX;
        worker_core_tick(w->core, clock_boottime_ms());
        update(w);
}

/* ---- what the core wants ---- */

static void on_call(void *ctx, const struct worker_call *call)
{
        struct worker *w = ctx;
        callback_thread_facts(w->thread, worker_core_token(w->core), worker_core_deadline_ms(w->core));
        callback_thread_call(w->thread, call);
}

/* What can't be sent is told by the conversation's end. */
static void on_tell_agent(void *ctx, const struct message *m)
{
        struct worker *w = ctx;
        if (w->link)
                (void)ipc_send(w->link, m);
}

static void on_tell_supervisor(void *ctx, const struct message *m)
{
        struct worker *w = ctx;
        if (w->control)
                (void)ipc_send(w->control, m);
}

static int on_record(void *ctx, const struct grant_record *r)
{
        struct worker *w = ctx;
        return w->setup->record_fd >= 0 ? grant_record_write(w->setup->record_fd, r) : 0;
}

static void on_cancel(void *ctx, bool raised)
{
        struct worker *w = ctx;
        callback_thread_cancel(w->thread, raised);
}

static void on_end(void *ctx, enum worker_exit status)
{
        struct worker *w = ctx;
        w->ended = true;
        w->status = status;
        uv_stop(&w->loop);
}

static void on_run_out(void *ctx, int64_t token)
{
        const struct worker *w = ctx;
        char field[48];
        const char *const fields[] = {field, NULL};
        (void)snprintf(field, sizeof field, "BATON_TOKEN=%" PRId64, token);
        log_event(LOG_LEVEL_WARNING, log_event_id(LOG_EVENT_DEADLINE_REACHED), fields,
                  "%s: the grant 0x%" PRIx64 " was not renewed in time: stopping", w->setup->section->name.text,
                  (uint64_t)token);
}

static void on_say(void *ctx, enum log_level level, const char *text)
{
        const struct worker *w = ctx;
        log_line(level, "%s: %s", w->setup->section->name.text, text);
}

/* ---- the plugin's thread ---- */

static void ask_agent(struct worker *w, const struct callback_event *e)
{
        struct message m = message_of(MESSAGE_CONFIG_SET);
        w->asked = ++w->last_asked;
        m.number = w->asked;
        m.path = jute_cstr(e->path);
        m.data = jute_str_of(e->data, e->size);
        m.version = e->version;
        if (w->link && ipc_send(w->link, &m) == 0)
                return;
        w->asked = 0;
        callback_thread_answer(w->thread, -EAGAIN); /* nobody to ask: nothing was written */
}

static int errno_of(int32_t error)
{
        switch (error) {
        case ZK_OK:
                return 0;
        case ZK_BAD_VERSION:
        case ZK_NODE_EXISTS:
        case ZK_NO_NODE: /* removed, or created, by somebody else meanwhile */
                return -ESTALE;
        case ZK_NO_AUTH:
        case ZK_INVALID_ACL:
                return -EACCES;
        case ZK_QUOTA_EXCEEDED:
                return -EDQUOT;
        case ZK_BAD_ARGUMENTS:
        case ZK_MARSHALLING_ERROR:
                return -EINVAL;
        case CLIENT_ERROR_CLOSING:
                return -ECANCELED;
        default:
                return -EAGAIN;
        }
}

static void on_config_done(struct worker *w, const struct message *m)
{
        if (m->number != w->asked || w->asked == 0)
                return; /* it was not waited for */
        w->asked = 0;
        callback_thread_answer(w->thread, errno_of(m->error));
}

static void on_callback(void *ctx, const struct callback_event *e)
{
        struct worker *w = ctx;
        uint64_t now_ms = clock_boottime_ms();
        const struct worker_result result = {.status = e->status, .health = e->health, .text = e->text};
        if (w->ended)
                return;
        switch (e->kind) {
        case CALLBACK_BEGUN:
                worker_core_begun(w->core, now_ms, e->id);
                break;
        case CALLBACK_FINISHED:
                worker_core_finished(w->core, now_ms, e->id, &result);
                break;
        case CALLBACK_REPORT:
                worker_core_report(w->core, now_ms, e->health, e->text);
                break;
        case CALLBACK_PUBLISH:
                worker_core_publish(w->core, now_ms, e->text);
                break;
        case CALLBACK_NEED_BUDGET:
                if (w->setup->control_fd >= 0) /* else the caller's word counts: it stops now, in the time there is */
                        worker_core_need_budget(w->core, now_ms, e->budget_ms);
                break;
        case CALLBACK_CONFIG_SET:
        default:
                ask_agent(w, e);
                break;
        }
        update(w);
}

/* ---- the agent's link ---- */

static void drop_link(struct worker *w)
{
        ipc_free(w->link);
        w->link = NULL;
        if (w->asked != 0)
                callback_thread_answer(w->thread, -EAGAIN); /* it may have been written */
        w->asked = 0;
        worker_core_link(w->core, clock_boottime_ms(), false);
}

static void on_link_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct worker *w = ctx;
        if (w->ended || ipc != w->link)
                return;
        if (m->type == MESSAGE_CONFIG_DONE) {
                on_config_done(w, m);
        } else if (worker_core_agent(w->core, clock_boottime_ms(), m) == -EPROTO) {
                log_error("%s: the agent sends %s, which is not for a worker", w->setup->section->name.text,
                          message_type_name(m->type));
                drop_link(w);
        }
        update(w);
}

static void on_link_closed(void *ctx, struct ipc *ipc, int status)
{
        struct worker *w = ctx;
        if (ipc != w->link)
                return;
        if (status < 0)
                log_warning("%s: the conversation with the agent has failed: %s", w->setup->section->name.text,
                            strerror(-status));
        drop_link(w);
        update(w);
}

static void take_link(struct worker *w, int fd)
{
        if (w->link)
                drop_link(w);
        int r = ipc_new(&w->loop, fd, on_link_message, on_link_closed, w, &w->link);
        if (r < 0) {
                w->link = NULL;
                log_error("%s: no conversation with the agent: %s", w->setup->section->name.text, uv_strerror(r));
                return;
        }
        worker_core_link(w->core, clock_boottime_ms(), true);
}

/* ---- the supervisor ---- */

static void on_control_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct worker *w = ctx;
        struct message pong = message_of(MESSAGE_PONG);
        switch (m->type) {
        case MESSAGE_PING:
                pong.number = m->number;
                (void)ipc_send(ipc, &pong); /* a broken conversation tells itself */
                break;
        case MESSAGE_STOP:
                if (!w->ended)
                        worker_core_stop(w->core, clock_boottime_ms(), m->stop);
                break;
        case MESSAGE_LINK:
                if (w->ended)
                        (void)close(m->fd); /* nobody waits for it any more */
                else
                        take_link(w, m->fd);
                break;
        default:
                log_error("%s: the supervisor sends %s, which is not for a worker", w->setup->section->name.text,
                          message_type_name(m->type));
                break;
        }
        update(w);
}

static void on_control_closed(void *ctx, struct ipc *ipc, int status)
{
        struct worker *w = ctx;
        (void)status;
        ipc_free(ipc);
        w->control = NULL;
        if (w->ended)
                return;
        log_warning("%s: the supervisor is gone; everything is left as it is", w->setup->section->name.text);
        worker_core_control_lost(w->core, clock_boottime_ms());
        update(w);
}

/* ---- life ---- */

/* runtime_dir/plugins/<instance>. The supervisor has made it, owned by this worker's user, where it is not ours to
 * make. */
static void make_state_dir(struct worker *w)
{
        const char *dir = w->setup->config->runtime_dir;
        (void)snprintf(w->state_dir, sizeof w->state_dir, "%s/plugins", dir);
        (void)mkdir(w->state_dir, 0755); /* the next one says whether it is there */
        (void)snprintf(w->state_dir, sizeof w->state_dir, "%s/plugins/%s", dir, w->setup->section->name.text);
        if (mkdir(w->state_dir, 0700) < 0 && errno != EEXIST)
                log_warning("%s: no state directory %s: %s", w->setup->section->name.text, w->state_dir,
                            strerror(errno));
}

static int start_timer(struct worker *w)
{
        w->timer_ms = UINT64_MAX;
        w->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (w->timer_fd < 0)
                return -errno;
        int r = uv_poll_init(&w->loop, &w->timer, w->timer_fd);
        if (r < 0)
                return r;
        w->timer.data = w;
        return uv_poll_start(&w->timer, UV_READABLE, on_timer);
}

static int start_thread(struct worker *w)
{
        const struct callback_setup setup = {
                .plugin = w->setup->plugin,
                .settings = w->setup->settings,
                .section = w->setup->section,
                .node = w->setup->config->node.text,
                .state_dir = w->state_dir,
                .loop = &w->loop,
                .on_event = on_callback,
                .ctx = w,
        };
        return callback_thread_new(&setup, &w->thread);
}

static int start(struct worker *w)
{
        int r = uv_loop_init(&w->loop);
        if (r == 0)
                r = start_timer(w);
        if (r == 0)
                r = start_thread(w);
        if (r == 0 && w->setup->control_fd >= 0)
                r = ipc_new(&w->loop, w->setup->control_fd, on_control_message, on_control_closed, w, &w->control);
        return r;
}

/* What there was before: a record that can't be read is as good as none, since then the resource is stopped first. */
static const struct grant_record *read_record(const struct worker *w, struct grant_record *ret)
{
        if (w->setup->record_fd < 0)
                return NULL;
        int r = grant_record_read(w->setup->record_fd, ret);
        if (r < 0 && r != -ENOENT)
                log_warning("%s: the grant record cannot be read (%s): stopping first", w->setup->section->name.text,
                            strerror(-r));
        return r == 0 ? ret : NULL;
}

static void begin(struct worker *w)
{
        const struct worker_io io = {
                .call = on_call,
                .tell_agent = on_tell_agent,
                .tell_supervisor = on_tell_supervisor,
                .record = on_record,
                .cancel = on_cancel,
                .end = on_end,
                .say = on_say,
                .run_out = on_run_out,
                .ctx = w,
        };
        struct grant_record found;
        char boot_id[37];
        clock_boot_id(boot_id);
        w->core = worker_core_new(w->setup->section, boot_id, w->setup->plugin->check != NULL, &io);
        worker_core_start(w->core, clock_boottime_ms(), read_record(w, &found));
        if (w->setup->control_fd < 0)
                worker_core_stop(w->core, clock_boottime_ms(), STOP_RELEASE);
        update(w);
}

static void on_walk(uv_handle_t *handle, void *arg)
{
        (void)arg;
        if (!uv_is_closing(handle))
                uv_close(handle, NULL);
}

/* Undoes everything; possible only when nothing of the plugin runs. */
static void finish(struct worker *w)
{
        callback_thread_free(w->thread);
        ipc_free(w->link);
        ipc_free(w->control);
        uv_close((uv_handle_t *)&w->timer, NULL);
        (void)uv_run(&w->loop, UV_RUN_DEFAULT); /* until all handles are closed */
        uv_walk(&w->loop, on_walk, NULL);
        (void)uv_run(&w->loop, UV_RUN_DEFAULT);
        int r = uv_loop_close(&w->loop);
        assert(r == 0);
        (void)r;
        (void)close(w->timer_fd); /* nothing to be lost */
        worker_core_free(w->core);
}

enum worker_exit worker_run(const struct worker_setup *setup)
{
        static struct worker
                w; /* the thread may outlive this function's caller's patience, and then the process ends */
        w = (struct worker){.setup = setup};
        make_state_dir(&w);
        int r = start(&w);
        if (r < 0) {
                log_error("%s: cannot start: %s", setup->section->name.text, uv_strerror(r));
                return WORKER_EXIT_USAGE;
        }
        begin(&w);
        while (!w.ended)
                (void)uv_run(&w.loop, UV_RUN_DEFAULT); /* returns when it is stopped: handles are open until then */
        if (w.link)
                ipc_flush(w.link, LAST_WORDS_MS);
        if (w.control)
                ipc_flush(w.control, LAST_WORDS_MS);
        if (!callback_thread_at_rest(w.thread))
                _exit((int)w.status);
        finish(&w);
        return w.status;
}
