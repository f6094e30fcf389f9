/* Requests, each waited for. See ctl.h. */
#include "daemon/ctl/ctl_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_done(void *ctx, const struct client_result *r)
{
        struct call *call = ctx;
        if (!call->ret) {
                mem_free(call);
                return;
        }
        call->done = true;
        call->outcome = r->outcome;
        call->size_bytes = r->size_bytes;
        ctl_reply_copy(r, call->ret);
}

void ctl__start(struct ctl *c)
{
        if (!c->started)
                client_loop_start(c->client);
        c->started = true;
}

struct client_call ctl__begin(struct ctl *c, struct ctl_reply *ret, struct call **call)
{
        *ret = (struct ctl_reply){.data = NULL};
        *call = mem_zalloc(sizeof **call);
        (*call)->ret = ret;
        ctl__start(c);
        return (struct client_call){.done = on_done, .ctx = *call};
}

int ctl__not_made(const struct ctl *c, int status)
{
        const char *text = status == -EINVAL      ? "that is no path (absolute, without empty parts, '.' or '..')"
                           : status == -ESHUTDOWN ? "the session is over"
                                                  : strerror(-status);
        if (!c->quiet && status == -EMSGSIZE)
                (void)fprintf(stderr,
                              "batonctl: that is longer than a request may be, %d bytes; --max-buffer allows more, "
                              "where servers take it (max_buffer, jute.maxbuffer)\n",
                              c->options.max_buffer);
        else if (!c->quiet)
                (void)fprintf(stderr, "batonctl: %s\n", text);
        return status == -ESHUTDOWN ? CTL_UNREACHABLE : CTL_USAGE;
}

int ctl__not_answered(const struct ctl *c, enum client_outcome outcome, size_t size_bytes)
{
        if (c->quiet)
                return CTL_UNREACHABLE;
        if (c->refused) {
                (void)fprintf(stderr, "batonctl: %s\n", client_why(c->session));
                return CTL_REFUSED;
        }
        const char *why = client_why(c->session);
        (void)fprintf(stderr, "batonctl: %s%s%s\n", why, *why ? ": " : "",
                      outcome == CLIENT_UNKNOWN
                              ? "the connection ended before the answer: it may have been carried out or not"
                              : "the session ended before it could be sent");
        /* A server tells nobody that this was its reason. */
        if (outcome == CLIENT_UNKNOWN && size_bytes > JUTE_MAXBUFFER_DEFAULT)
                (void)fprintf(stderr,
                              "batonctl: the request had %zu bytes: a server whose max_buffer (jute.maxbuffer) is less "
                              "ends the connection, and does nothing\n",
                              size_bytes);
        return CTL_UNREACHABLE;
}

static void on_time(uv_timer_t *timer)
{
        struct ctl *c = timer->data;
        c->late = true;
}

int ctl__await(struct ctl *c, const bool *done)
{
        c->late = false;
        uv_update_time(&c->loop);
        (void)uv_timer_start(&c->timer, on_time, c->options.wait_ms, 0); /* fails for closed timers only */
        client_loop_flush(c->client);
        while (!*done && !c->late && !c->end)
                (void)uv_run(&c->loop, UV_RUN_ONCE); /* the timer keeps it from waiting for ever */
        (void)uv_timer_stop(&c->timer);
        if (*done)
                return CTL_DONE;
        if (!c->end)
                return ctl__unreachable(c);
        if (!c->options.shared) /* the shell says it itself */
                (void)fprintf(stderr, "batonctl: interrupted: what was under way may have been carried out or not\n");
        return CTL_REFUSED;
}

int ctl__finish(struct ctl *c, struct call *call, int status)
{
        if (status < 0) {
                mem_free(call);
                return ctl__not_made(c, status);
        }
        status = ctl__await(c, &call->done);
        if (status != CTL_DONE) {
                call->ret = NULL; /* on_done() frees it */
                return status;
        }
        enum client_outcome outcome = call->outcome;
        size_t size_bytes = call->size_bytes;
        mem_free(call);
        if (outcome != CLIENT_ANSWERED)
                return ctl__not_answered(c, outcome, size_bytes);
        const struct client_server *s = client_server(c->session);
        (void)snprintf(c->server, sizeof c->server, "%s:%u", s->host, (unsigned)s->port);
        return CTL_DONE;
}

int ctl_get(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_get(c->session, path, &how));
}

int ctl_children(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_children2(c->session, path, &how));
}

int ctl_exists(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_exists(c->session, path, &how));
}

static int create(struct client *session, const struct client_op *op, const struct client_call *how)
{
        switch (op->type) {
        case OP_CREATE_CONTAINER:
                return client_create_container(session, op->path, op->data, op->acl, how);
        case OP_CREATE_TTL:
                return client_create_ttl(session, op->path, op->data, op->flags, op->ttl_ms, op->acl, how);
        default:
                return client_create(session, op->path, op->data, op->flags, op->acl, how);
        }
}

int ctl_create(struct ctl *c, const struct client_op *op, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, create(c->session, op, &how));
}

int ctl_set(struct ctl *c, const char *path, struct jute_str data, int32_t version, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_set(c->session, path, data, version, &how));
}

int ctl_delete(struct ctl *c, const char *path, int32_t version, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_delete(c->session, path, version, &how));
}

int ctl_children_for_completion(struct ctl *c, const char *path, uint64_t wait_ms, struct ctl_reply *ret)
{
        uint64_t usual = c->options.wait_ms;
        c->quiet = true;
        c->options.wait_ms = wait_ms;
        int status = ctl_children(c, path, ret);
        c->options.wait_ms = usual;
        c->quiet = false;
        return status == CTL_DONE && ret->error != ZK_OK ? CTL_REFUSED : status;
}

int ctl_get_acl(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_get_acl(c->session, path, &how));
}

int ctl_set_acl(struct ctl *c, const char *path, const struct acl_list *acl, int32_t version, struct ctl_reply *ret)
{
        struct call *call;
        struct jute_writer w;
        const struct client_call how = ctl__begin(c, ret, &call);
        jute_writer_init(&w, SIZE_MAX);
        const struct jute_vec vec = acl_encode(acl, &w);
        int r = client_set_acl(c->session, path, &vec, version, &how);
        jute_writer_done(&w);
        return ctl__finish(c, call, r);
}

int ctl_sync(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_sync(c->session, path, &how));
}

int ctl_ephemerals(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_ephemerals(c->session, path, &how));
}

int ctl_all_children_number(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_all_children_number(c->session, path, &how));
}

int ctl_who_am_i(struct ctl *c, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_who_am_i(c->session, &how));
}

int ctl_add_auth(struct ctl *c, const char *scheme, const char *data)
{
        struct call *call;
        struct ctl_reply r;
        const struct client_call how = ctl__begin(c, &r, &call);
        int status = ctl__finish(c, call, client_add_auth(c->session, scheme, jute_cstr(data), &how));
        if (status == CTL_DONE && r.error != ZK_OK) {
                (void)fprintf(stderr, "batonctl: %s\n", client_why(c->session));
                status = CTL_REFUSED;
        }
        ctl_reply_done(&r);
        return status;
}

int ctl_multi(struct ctl *c, const struct client_op *ops, size_t count, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = ctl__begin(c, ret, &call);
        return ctl__finish(c, call, client_multi(c->session, ops, count, &how));
}
