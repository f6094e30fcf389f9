/* See callback_thread.h. */
#include "daemon/worker/callback_internal.h"

#include "daemon/common/clock.h"
#include "daemon/common/events.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- texts of the plugin ---- */

/* Bytes of the UTF-8 character at `s`, or 0 when there is none. `left`: bytes that may be read. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
        size_t n = s[0] < 0x80                   ? 1
                   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                 : 0;
        if (n == 0 || n > left)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
        bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
        bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
        return overlong || surrogate || beyond ? 0 : n;
}

void callback__text(char ret[MESSAGE_TEXT_MAX], const char *text, size_t size)
{
        const unsigned char *s = (const unsigned char *)text;
        size_t len = strnlen(text, size < MESSAGE_TEXT_MAX - 1 ? size : MESSAGE_TEXT_MAX - 1);
        size_t at = 0;
        for (size_t i = 0; i < len;) {
                size_t n = utf8_length(s + i, len - i);
                if (n == 0 || s[i] < 0x20 || s[i] == 0x7f) {
                        ret[at++] = '?';
                        i++;
                } else {
                        memcpy(ret + at, s + i, n);
                        at += n;
                        i += n;
                }
        }
        ret[at] = '\0';
}

enum health callback__health(enum baton_health health)
{
        switch (health) {
        case BATON_HEALTH_UNKNOWN:
                return HEALTH_UNKNOWN;
        case BATON_HEALTH_GOOD:
                return HEALTH_GOOD;
        case BATON_HEALTH_DEGRADED:
                return HEALTH_DEGRADED;
        case BATON_HEALTH_BAD:
        default: /* what cannot be understood is not good */
                return HEALTH_BAD;
        }
}

static enum baton_role role_of(enum node_role role)
{
        switch (role) {
        case ROLE_LOOKING:
                return BATON_ROLE_LOOKING;
        case ROLE_FOLLOWING:
                return BATON_ROLE_FOLLOWING;
        case ROLE_OBSERVING:
                return BATON_ROLE_OBSERVING;
        case ROLE_LEADING:
                return BATON_ROLE_LEADING;
        case ROLE_NONE:
        default:
                return BATON_ROLE_NONE;
        }
}

/* ---- to the loop ---- */

void callback__post(struct callback_thread *t, const struct callback_event *e)
{
        uv_mutex_lock(&t->mutex);
        while (t->event_count >= CALLBACK_EVENTS_MAX)
                uv_cond_wait(&t->room, &t->mutex);
        t->events = mem_grow(t->events, &t->event_capacity, t->event_count + 1, sizeof *t->events);
        t->events[t->event_count++] = *e;
        uv_mutex_unlock(&t->mutex);
        int r = uv_async_send(&t->async);
        assert(r == 0); /* the handle lives until the thread is joined */
        (void)r;
}

/* ---- callbacks ---- */

static int call_open(struct callback_thread *t)
{
        const struct baton_plugin *p = t->setup.plugin;
        int r = p->open(&t->host, &t->instance);
        if (r != 0)
                return r;
        t->open = true;
        uv_mutex_lock(&t->mutex);
        t->instance_open = true;
        uv_mutex_unlock(&t->mutex);
        return 0;
}

static int call_close(struct callback_thread *t)
{
        if (t->setup.plugin->close)
                t->setup.plugin->close(t->instance);
        t->open = false;
        t->instance = NULL;
        t->watch_count = 0;
        t->host.wake_at(t, UINT64_MAX);
        uv_mutex_lock(&t->mutex);
        t->instance_open = false;
        uv_mutex_unlock(&t->mutex);
        return 0;
}

static int call_activate(struct callback_thread *t, const struct worker_call *c)
{
        const struct baton_grant grant = {
                .group = t->setup.section->group.text,
                .token = c->token,
                .deadline_ms = c->deadline_ms,
                .lease_ms = c->lease_ms,
                .budget_ms = c->budget_ms,
                .taken_up = c->taken_up,
        };
        /* The call may have waited for a slow ready(): what is true now counts, and the loop sees to the stop. */
        if (clock_boottime_ms() >= atomic_load(&t->deadline_ms))
                return -ETIME;
        return t->setup.plugin->activate ? t->setup.plugin->activate(t->instance, &grant) : 0;
}

static int call_deactivate(struct callback_thread *t, const struct worker_call *c)
{
        uint64_t now_ms = clock_boottime_ms();
        uint64_t budget_ms = c->until_ms > now_ms ? c->until_ms - now_ms : 1;
        if (!t->setup.plugin->deactivate)
                return 0;
        return t->setup.plugin->deactivate(t->instance, c->reason,
                                           budget_ms < UINT32_MAX ? (uint32_t)budget_ms : UINT32_MAX);
}

static int call_check(struct callback_thread *t, struct callback_event *result)
{
        enum baton_health health = BATON_HEALTH_UNKNOWN;
        char why[MESSAGE_TEXT_MAX] = "";
        int r = t->setup.plugin->check ? t->setup.plugin->check(t->instance, &health, why, sizeof why) : 0;
        callback__text(result->text, why, sizeof why);
        result->health = callback__health(health);
        return r;
}

static int call_members(struct callback_thread *t, const struct worker_call *c)
{
        if (!t->setup.plugin->members_changed)
                return 0;
        struct baton_member *members = mem_alloc(c->member_count * sizeof *members);
        for (size_t i = 0; i < c->member_count; i++)
                members[i] = (struct baton_member){.name = c->members[i].name.text,
                                                   .role = role_of(c->members[i].role),
                                                   .here = c->members[i].here};
        t->setup.plugin->members_changed(t->instance, members, c->member_count);
        mem_free(members);
        return 0;
}

/* Of changes only: what there is at the beginning is no event. */
static void say_delivered(const struct callback_thread *t, const struct worker_call *c)
{
        char path[32 + CALLBACK_PATH_BYTES_MAX];
        char zxid[40];
        const char *const fields[] = {path, zxid, NULL};
        (void)snprintf(path, sizeof path, "BATON_PATH=%s", c->path);
        (void)snprintf(zxid, sizeof zxid, "BATON_ZXID=%" PRIx64, (uint64_t)c->zxid);
        log_event(LOG_LEVEL_INFO, log_event_id(LOG_EVENT_CONFIG_DELIVERED), fields, "%s: told of %s%s, zxid 0x%" PRIx64,
                  t->setup.section->name.text, log_quote(c->path).text, c->data ? "" : " (removed)", (uint64_t)c->zxid);
}

static int call_config(struct callback_thread *t, const struct worker_call *c)
{
        const struct baton_config config = {
                .path = c->path, .data = c->data, .size = c->size, .version = c->version, .zxid = c->zxid};
        if (!config_cache_put(t->cache, c->path, c->data, c->size, c->version, c->zxid, c->generation) ||
            !t->setup.plugin->config_changed)
                return 0;
        t->setup.plugin->config_changed(t->instance, &config);
        if (t->synced)
                say_delivered(t, c);
        return 0;
}

static void on_gone(void *ctx, const char *path, int64_t zxid)
{
        struct callback_thread *t = ctx;
        const struct baton_config config = {.path = path, .version = -1, .zxid = zxid};
        if (t->setup.plugin->config_changed)
                t->setup.plugin->config_changed(t->instance, &config);
}

static int call_config_synced(struct callback_thread *t, const struct worker_call *c)
{
        config_cache_synced(t->cache, c->zxid, c->generation, on_gone, t);
        if (!t->synced && t->setup.plugin->config_synced)
                t->setup.plugin->config_synced(t->instance);
        t->synced = true;
        return 0;
}

static int run(struct callback_thread *t, const struct worker_call *c, struct callback_event *result)
{
        switch (c->kind) {
        case CALL_OPEN:
                return call_open(t);
        case CALL_ACTIVATE:
                return call_activate(t, c);
        case CALL_DEACTIVATE:
                return call_deactivate(t, c);
        case CALL_CHECK:
                return call_check(t, result);
        case CALL_ROLE:
                if (t->setup.plugin->role_changed)
                        t->setup.plugin->role_changed(t->instance, role_of(c->role));
                return 0;
        case CALL_MEMBERS:
                return call_members(t, c);
        case CALL_CONFIG:
                return call_config(t, c);
        case CALL_CONFIG_SYNCED:
                return call_config_synced(t, c);
        case CALL_CLOSE:
                return call_close(t);
        case CALL_KIND_COUNT:
        default:
                return -EINVAL;
        }
}

/* Runs the call that waits, if there is one. Returns whether there was. */
static bool run_waiting(struct callback_thread *t, bool *ret_ending)
{
        uv_mutex_lock(&t->mutex);
        const struct worker_call *c = t->call;
        t->call = NULL;
        *ret_ending = t->ending;
        uv_mutex_unlock(&t->mutex);
        if (!c)
                return false;
        const struct callback_event begun = {.kind = CALLBACK_BEGUN, .id = c->id};
        struct callback_event result = {.kind = CALLBACK_FINISHED, .id = c->id};
        callback__post(t, &begun);
        result.status = run(t, c, &result);
        if (result.status > 0) {
                log_error("%s: mistake of plugin %s: %s returned %d; results are 0 or -errno",
                          t->setup.section->name.text, t->setup.plugin->name, worker_call_name(c->kind), result.status);
                result.status = -EPROTO;
        }
        callback__post(t, &result);
        return true;
}

/* ---- between callbacks ---- */

static bool is_watched(const struct callback_thread *t, int fd)
{
        for (size_t i = 0; i < t->watch_count; i++)
                if (t->watches[i].fd == fd)
                        return true;
        return false;
}

/* Whether the loop wants something: then what is left of a poll can wait. */
static bool is_wanted(struct callback_thread *t)
{
        uv_mutex_lock(&t->mutex);
        bool wanted = t->call || t->ending;
        uv_mutex_unlock(&t->mutex);
        return wanted;
}

static void tell_ready(struct callback_thread *t, const struct pollfd *polled, size_t count)
{
        for (size_t i = 0; i < count && !is_wanted(t); i++) {
                if (!polled[i].revents || !is_watched(t, polled[i].fd))
                        continue;
                if (polled[i].revents & POLLNVAL) {
                        log_error("%s: mistake of plugin %s: it has closed descriptor %d, which it watches",
                                  t->setup.section->name.text, t->setup.plugin->name, polled[i].fd);
                        (void)t->host.watch(t, polled[i].fd, 0); /* it is watched */
                        continue;
                }
                t->setup.plugin->ready(t->instance, polled[i].fd);
        }
}

static void drain(int fd)
{
        uint64_t count = 0;
        ssize_t r = read(fd, &count, sizeof count);
        (void)r; /* nothing there: somebody was faster, which is as good */
}

/* Waits for the loop, the plugin's descriptors or its wake-up. */
static void wait_ready(struct callback_thread *t)
{
        struct pollfd polled[CALLBACK_WATCHES_MAX + 2];
        size_t count = t->open ? t->watch_count : 0;
        polled[0] = (struct pollfd){.fd = t->wake_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = t->timer_fd, .events = POLLIN};
        memcpy(polled + 2, t->watches, count * sizeof polled[0]);
        int r = poll(polled, (nfds_t)count + 2, -1);
        if (r < 0)
                return; /* EINTR; the next turn polls again */
        if (polled[0].revents)
                drain(t->wake_fd);
        if (polled[1].revents && !is_wanted(t)) {
                drain(t->timer_fd);
                if (t->wake_set && t->open) {
                        t->wake_set = false;
                        t->setup.plugin->ready(t->instance, -1);
                }
        }
        tell_ready(t, polled + 2, count);
}

static void thread_main(void *arg)
{
        struct callback_thread *t = arg;
        bool ending = false;
        (void)pthread_setname_np(pthread_self(), "plugin"); /* only shown */
        for (;;) {
                if (run_waiting(t, &ending))
                        continue;
                if (ending)
                        return;
                wait_ready(t);
        }
}

/* ---- the loop ---- */

static void wake(struct callback_thread *t)
{
        const uint64_t one = 1;
        ssize_t r = write(t->wake_fd, &one, sizeof one);
        (void)r; /* full: it is awake */
}

static void on_async(uv_async_t *async)
{
        struct callback_thread *t = async->data;
        uv_mutex_lock(&t->mutex);
        struct callback_event *events = t->events;
        size_t count = t->event_count;
        t->events = NULL;
        t->event_count = 0;
        t->event_capacity = 0;
        for (size_t i = 0; i < count; i++)
                if (events[i].kind == CALLBACK_FINISHED)
                        t->busy = false;
        uv_cond_signal(&t->room);
        uv_mutex_unlock(&t->mutex);
        for (size_t i = 0; i < count; i++) {
                t->setup.on_event(t->setup.ctx, &events[i]);
                mem_free(events[i].path);
                mem_free(events[i].data);
        }
        mem_free(events);
}

static int open_descriptors(struct callback_thread *t)
{
        t->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        t->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        return t->cancel_fd < 0 || t->wake_fd < 0 || t->timer_fd < 0 ? -errno : 0;
}

static void close_descriptors(struct callback_thread *t)
{
        int fds[] = {t->cancel_fd, t->wake_fd, t->timer_fd};
        for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
                if (fds[i] >= 0)
                        (void)close(fds[i]); /* nothing to be lost */
}

static void on_async_closed(uv_handle_t *handle)
{
        struct callback_thread *t = handle->data;
        close_descriptors(t);
        config_cache_free(t->cache);
        for (size_t i = 0; i < t->event_count; i++) {
                mem_free(t->events[i].path);
                mem_free(t->events[i].data);
        }
        mem_free(t->events);
        uv_cond_destroy(&t->answer);
        uv_cond_destroy(&t->room);
        uv_mutex_destroy(&t->mutex);
        mem_free(t);
}

int callback_thread_new(const struct callback_setup *setup, struct callback_thread **ret)
{
        struct callback_thread *t = mem_zalloc(sizeof *t);
        t->setup = *setup;
        int r = open_descriptors(t);
        if (r == 0)
                r = uv_async_init(setup->loop, &t->async, on_async);
        if (r < 0) {
                close_descriptors(t);
                mem_free(t);
                return r;
        }
        t->async.data = t;
        t->cache = config_cache_new();
        callback__table(t);
        if (uv_mutex_init(&t->mutex) < 0 || uv_cond_init(&t->room) < 0 || uv_cond_init(&t->answer) < 0)
                abort(); /* as with memory */
        r = uv_thread_create(&t->thread, thread_main, t);
        if (r < 0) {
                uv_close((uv_handle_t *)&t->async, on_async_closed);
                return r;
        }
        *ret = t;
        return 0;
}

void callback_thread_free(struct callback_thread *t)
{
        if (!t)
                return;
        uv_mutex_lock(&t->mutex);
        t->ending = true;
        uv_mutex_unlock(&t->mutex);
        wake(t);
        int r = uv_thread_join(&t->thread);
        assert(r == 0);
        (void)r;
        uv_close((uv_handle_t *)&t->async, on_async_closed);
}

void callback_thread_call(struct callback_thread *t, const struct worker_call *call)
{
        uv_mutex_lock(&t->mutex);
        assert(!t->call);
        t->call = call;
        t->busy = true;
        uv_mutex_unlock(&t->mutex);
        wake(t);
}

void callback_thread_facts(struct callback_thread *t, int64_t token, uint64_t deadline_ms)
{
        atomic_store(&t->deadline_ms, deadline_ms);
        atomic_store(&t->token, token);
}

void callback_thread_cancel(struct callback_thread *t, bool raised)
{
        const uint64_t one = 1;
        if (raised == t->cancelled)
                return;
        t->cancelled = raised;
        if (!raised) {
                drain(t->cancel_fd);
                return;
        }
        ssize_t r = write(t->cancel_fd, &one, sizeof one);
        assert(r == (ssize_t)sizeof one); /* it was empty */
        (void)r;
        callback_thread_answer(t, -EAGAIN);
}

void callback_thread_answer(struct callback_thread *t, int status)
{
        uv_mutex_lock(&t->mutex);
        if (t->asking && !t->answered) {
                t->answered = true;
                t->answer_status = status;
                uv_cond_signal(&t->answer);
        }
        uv_mutex_unlock(&t->mutex);
}

bool callback_thread_at_rest(struct callback_thread *t)
{
        uv_mutex_lock(&t->mutex);
        bool at_rest = !t->busy && !t->call && !t->instance_open;
        uv_mutex_unlock(&t->mutex);
        return at_rest;
}
