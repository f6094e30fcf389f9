/* Watches, and waiting. See ctl.h. */
#include "daemon/ctl/ctl_internal.h"

#include "election/base/alloc.h"

static void note_event(struct ctl *c, enum client_event event)
{
        if (!c->has_event) /* the first of those that come together: what is read next shows them all */
                c->event = event;
        c->has_event = true;
}

static void on_data_watch(void *ctx, enum client_event event, const char *path)
{
        struct ctl *c = ctx;
        (void)path;
        c->data_watched = false;
        note_event(c, event);
}

static void on_children_watch(void *ctx, enum client_event event, const char *path)
{
        struct ctl *c = ctx;
        (void)path;
        c->children_watched = false;
        note_event(c, event);
}

int ctl_watch(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        struct ctl_reply children;
        struct client_call how = ctl__begin(c, ret, &call);
        how.watch = c->data_watched ? NULL : on_data_watch;
        how.watch_ctx = c;
        int status = ctl__finish(c, call, client_get(c->session, path, &how));
        if (status != CTL_DONE || ret->error != ZK_OK)
                return status;
        c->data_watched = true;
        how = ctl__begin(c, &children, &call);
        how.watch = c->children_watched ? NULL : on_children_watch;
        how.watch_ctx = c;
        status = ctl__finish(c, call, client_children2(c->session, path, &how));
        if (status == CTL_DONE && children.error == ZK_OK) {
                c->children_watched = true;
                ret->children = children.children;
                ret->child_count = children.child_count;
                children.children = NULL;
                children.child_count = 0;
        }
        ctl_reply_done(&children);
        return status;
}

/* ---- watches that stay, and any that the shell sets ---- */

static void on_event(void *ctx, enum client_event event, const char *path)
{
        struct ctl *c = ctx;
        if (c->hooks.on_event)
                c->hooks.on_event(c->hooks.ctx, event, path);
}

int ctl_add_watch(struct ctl *c, const char *path, enum client_watch_mode mode, struct ctl_reply *ret)
{
        struct call *call;
        struct client_call how = ctl__begin(c, ret, &call);
        how.watch = on_event;
        how.watch_ctx = c;
        return ctl__finish(c, call, client_add_watch(c->session, path, mode, &how));
}

int ctl_remove_watches(struct ctl *c, const char *path, enum client_watch_type type, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_remove_watches(c->session, path, type, &how));
}

int ctl_read_watched(struct ctl *c, enum opcode op, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        struct client_call how = ctl__begin(c, ret, &call);
        how.watch = on_event;
        how.watch_ctx = c;
        int r = op == OP_GET_DATA ? client_get(c->session, path, &how)
                : op == OP_EXISTS ? client_exists(c->session, path, &how)
                                  : client_children2(c->session, path, &how);
        return ctl__finish(c, call, r);
}

/* ---- waiting ---- */

static void on_signal(uv_signal_t *handle, int number)
{
        struct ctl *c = handle->data;
        c->signal = number;
        c->end = true;
}

static void on_timeout(uv_timer_t *timer)
{
        struct ctl *c = timer->data;
        c->late = true;
}

void ctl_heed_signals(struct ctl *c)
{
        (void)uv_signal_start(&c->interrupted, on_signal, SIGINT); /* failing, the signal ends us at once: fine, too */
        (void)uv_signal_start(&c->terminated, on_signal, SIGTERM);
}

int ctl_told(struct ctl *c)
{
        int number = c->signal;
        c->signal = 0;
        c->end = false;
        return number;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        bool *readable = poll->data;
        (void)status; /* whoever reads sees it too */
        (void)events;
        *readable = true;
}

static void on_poll_closed(uv_handle_t *handle)
{
        mem_free(handle);
}

int ctl_wait_readable(struct ctl *c, int fd)
{
        bool readable = false;
        uv_poll_t *poll = mem_zalloc(sizeof *poll);
        ctl_heed_signals(c);
        int r = uv_poll_init(&c->loop, poll, fd);
        if (r < 0) {
                mem_free(poll);
                return r;
        }
        poll->data = &readable;
        r = uv_poll_start(poll, UV_READABLE, on_readable);
        while (r == 0 && !readable && !c->end)
                (void)uv_run(&c->loop, UV_RUN_ONCE);
        (void)uv_poll_stop(poll); /* cannot fail */
        uv_close((uv_handle_t *)poll, on_poll_closed);
        (void)uv_run(&c->loop, UV_RUN_NOWAIT); /* to be done with it before the next one */
        return r < 0 ? r : readable;
}

enum ctl_wait ctl_wait(struct ctl *c, const bool *what, uint64_t timeout_ms)
{
        ctl_heed_signals(c);
        c->late = false;
        uv_update_time(&c->loop);
        if (timeout_ms)
                (void)uv_timer_start(&c->timer, on_timeout, timeout_ms, 0); /* fails for closed timers only */
        while (!*what && !c->end && !c->over && !c->late)
                (void)uv_run(&c->loop, UV_RUN_ONCE);
        (void)uv_timer_stop(&c->timer);
        if (*what)
                return CTL_WAIT_DONE;
        return c->end ? CTL_WAIT_TOLD : c->over ? CTL_WAIT_OVER : CTL_WAIT_LATE;
}

enum client_event ctl_wait_event(struct ctl *c)
{
        if (ctl_wait(c, &c->has_event, 0) != CTL_WAIT_DONE)
                return CLIENT_EVENT_NONE;
        c->has_event = false;
        return c->event;
}

void ctl_wait_end(struct ctl *c)
{
        const bool never = false;
        (void)ctl_wait(c, &never, 0); /* whatever ended it */
}
