#include "daemon/agent/group_internal.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>

static struct group_call *call_new(struct group *g)
{
        struct group_call *call = mem_zalloc(sizeof *call);
        call->g = g;
        list_push(&g->calls, &call->link);
        return call;
}

static void call_free(struct group_call *call)
{
        if (!call)
                return;
        list_remove(&call->link);
        mem_free(call);
}

static void on_done(void *ctx, const struct client_result *r)
{
        struct group_call *call = ctx;
        struct group *g = call->g;
        if (call->watch && !r->watching)
                call_free(call->watch);
        if (g && !g->kept) {
                call->done(g, call, r);
                group__think(g);
        }
        call_free(call);
}

static void on_event(void *ctx, enum client_event event, const char *path)
{
        struct group_call *call = ctx;
        struct group *g = call->g;
        (void)path;
        if (g && !g->kept) {
                call->event(g, call, event);
                group__think(g);
        }
        call_free(call);
}

struct client_call group__call(struct group *g, group_done_fn *done, group_event_fn *event, uint64_t serial,
                               const char *node)
{
        struct group_call *call = call_new(g);
        call->done = done;
        call->serial = serial;
        (void)snprintf(call->node.text, sizeof call->node.text, "%s", node);
        struct client_call ret = {.done = on_done, .ctx = call, .at_once = true};
        if (event) {
                call->watch = call_new(g);
                call->watch->event = event;
                call->watch->serial = serial;
                call->watch->node = call->node;
                ret.watch = on_event;
                ret.watch_ctx = call->watch;
        }
        return ret;
}

int group__asked(struct group *g, const struct client_call *call, int r)
{
        struct group_call *c = call->ctx;
        if (r == 0)
                return 0;
        call_free(c->watch);
        call_free(c);
        /* Not connected, or the session is over: group_session() says when to go on. */
        if (r != -ENOTCONN && r != -ESHUTDOWN)
                group__trouble(g, "a request", r);
        return r;
}

void group__trouble(struct group *g, const char *what, int32_t error)
{
        uint64_t rest = GROUP_RETRY_MIN_MS;
        for (uint32_t i = 0; i < g->troubles && rest < GROUP_RETRY_MAX_MS; i++)
                rest *= 2;
        if (rest > GROUP_RETRY_MAX_MS)
                rest = GROUP_RETRY_MAX_MS;
        g->troubles++;
        g->retry_ms = group__now(g) + rest;
        group__log(g, LOG_LEVEL_WARNING, GROUP_EVENT_TROUBLE, "%s was refused (%d), again in %llu ms", what, (int)error,
                   (unsigned long long)rest);
}

/* ---- parents ---- */

static void on_parent(struct group *g, struct group_call *call, const struct client_result *r)
{
        (void)call;
        if (r->outcome == CLIENT_ANSWERED && r->error != ZK_OK && r->error != ZK_NODE_EXISTS && r->error != ZK_NO_NODE)
                group__trouble(g, "making the group's znodes", r->error);
}

void group__make_parents(struct group *g)
{
        const char *const paths[] = {"/baton", "/baton/groups", g->path, g->candidates_path};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
                struct client_call call = group__call(g, on_parent, NULL, 0, "");
                if (group__asked(g, &call,
                                 client_create(g->host->client(g->ctx), paths[i], jute_cstr(""), CLIENT_PERSISTENT,
                                               NULL, &call)) < 0)
                        return;
        }
}
