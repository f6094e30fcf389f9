/* Watches, and waiting. See ctl.h. */
#include "daemon/ctl/ctl_internal.h"

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

static void on_signal(uv_signal_t *handle, int number)
{
        struct ctl *c = handle->data;
        (void)number;
        c->end = true;
}

static void wait_for(struct ctl *c, const bool *what)
{
        (void)uv_signal_start(&c->interrupted, on_signal, SIGINT); /* failing, the signal ends us at once: fine, too */
        (void)uv_signal_start(&c->terminated, on_signal, SIGTERM);
        while (!*what && !c->end && !c->over)
                (void)uv_run(&c->loop, UV_RUN_ONCE);
}

enum client_event ctl_wait_event(struct ctl *c)
{
        wait_for(c, &c->has_event);
        if (!c->has_event)
                return CLIENT_EVENT_NONE;
        c->has_event = false;
        return c->event;
}

void ctl_wait_end(struct ctl *c)
{
        const bool never = false;
        wait_for(c, &never);
}
