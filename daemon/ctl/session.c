/* See ctl.h. */
#include "daemon/ctl/ctl.h"

#include "daemon/common/client_loop.h"
#include "daemon/common/settings.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The end of a session is waited for so long. */
#define FAREWELL_MS 500

/* One request under way. It outlives the wait for it: the client completes it at the latest when it is freed. */
struct call {
        struct ctl_reply *ret; /* NULL: nobody waits any more */
        bool done;
        enum client_outcome outcome;
};

struct ctl {
        struct ctl_options options;
        struct node_config *config;
        struct client_server *servers;
        size_t server_count;
        uv_loop_t loop;
        uv_timer_t timer;
        uv_signal_t interrupted, terminated;
        struct client_loop *client;
        struct client *session;
        bool late; /* the request's time is over */
        bool end;  /* a signal said so */
        bool started;
        bool over; /* the session is */
        bool data_watched, children_watched;
        enum client_event event;
        bool has_event;
        char server[CLIENT_HOST_MAX + 16];
};

/* ---- the servers ---- */

static int add_server(struct ctl *c, const char *text, size_t len)
{
        char copy[CLIENT_HOST_MAX + 16];
        int64_t port = 0;
        if (len == 0 || len >= sizeof copy || c->server_count >= CLIENT_SERVERS_MAX)
                return -EINVAL;
        memcpy(copy, text, len);
        copy[len] = '\0';
        char *host = copy, *colon = strrchr(copy, ':');
        if (!colon || colon == copy || settings_number(colon + 1, 1, UINT16_MAX, &port) < 0)
                return -EINVAL;
        *colon = '\0';
        if (*host == '[' && colon[-1] == ']') {
                host++;
                colon[-1] = '\0';
        }
        if (!*host || strlen(host) > CLIENT_HOST_MAX)
                return -EINVAL;
        struct client_server *s = &c->servers[c->server_count++];
        memcpy(s->host, host, strlen(host) + 1);
        s->port = (uint16_t)port;
        return 0;
}

static int take_hosts(struct ctl *c, const char *hosts)
{
        for (const char *at = hosts;;) {
                size_t len = strcspn(at, ",");
                if (add_server(c, at, len) < 0) {
                        (void)fprintf(stderr, "batonctl: --hosts wants HOST:PORT,… (at most %d), not '%s'\n",
                                      CLIENT_SERVERS_MAX, hosts);
                        return CTL_USAGE;
                }
                if (!at[len])
                        return CTL_DONE;
                at += len + 1;
        }
}

static int take_config(struct ctl *c)
{
        static struct problems problems; /* too large for a stack that should stay small */
        const char *path = c->options.config ? c->options.config : NODE_CONFIG_DEFAULT;
        if (c->options.hosts && !c->options.config && access(path, R_OK) < 0)
                return CTL_DONE;
        problems_init(&problems, path);
        if (node_config_load(path, &c->config, &problems) < 0) {
                problems_print(&problems, stderr);
                if (!c->options.config && !c->options.hosts)
                        (void)fprintf(stderr,
                                      "batonctl: --hosts HOST:PORT,… names the servers without a configuration\n");
                return CTL_USAGE;
        }
        for (size_t i = 0; i < c->config->server_count && !c->options.hosts; i++) {
                struct client_server *s = &c->servers[c->server_count++];
                (void)snprintf(s->host, sizeof s->host, "%s", c->config->servers[i].host);
                s->port = c->config->servers[i].port;
        }
        return CTL_DONE;
}

/* ---- the loop ---- */

static void on_time(uv_timer_t *timer)
{
        struct ctl *c = timer->data;
        c->late = true;
}

static void on_signal(uv_signal_t *handle, int number)
{
        struct ctl *c = handle->data;
        (void)number;
        c->end = true;
}

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct ctl *c = ctx;
        (void)status;
        (void)why;
        if (state == CLIENT_EXPIRED || state == CLIENT_CLOSED)
                c->over = true;
}

static int unreachable(const struct ctl *c)
{
        const char *why = client_why(c->session);
        (void)fprintf(stderr, "batonctl: none of %zu server%s answered within %llu ms%s%s\n", c->server_count,
                      c->server_count == 1 ? "" : "s", (unsigned long long)c->options.wait_ms, *why ? ": " : "", why);
        return CTL_UNREACHABLE;
}

static int choose_servers(struct ctl *c)
{
        int status = c->options.hosts ? take_hosts(c, c->options.hosts) : CTL_DONE;
        return status == CTL_DONE ? take_config(c) : status;
}

static int make_client(struct ctl *c)
{
        uint64_t seed = 0;
        if (getrandom(&seed, sizeof seed, 0) < 0)
                seed = 0; /* the order of servers is the usual one then */
        const struct client_config config = {.servers = c->servers,
                                             .server_count = c->server_count,
                                             .session_timeout_ms = CTL_SESSION_TIMEOUT_MS,
                                             .seed = seed,
                                             .on_state = on_state,
                                             .ctx = c};
        int r = client_new(&config, &c->session);
        return r < 0 ? r : client_loop_new(&c->loop, c->session, &c->client);
}

int ctl_open(const struct ctl_options *options, struct ctl **ret)
{
        struct ctl *c = mem_zalloc(sizeof *c);
        c->options = *options;
        c->servers = mem_zalloc(CLIENT_SERVERS_MAX * sizeof *c->servers);
        int status = choose_servers(c);
        int r = status == CTL_DONE ? uv_loop_init(&c->loop) : 0;
        if (status != CTL_DONE || r < 0) {
                if (r < 0)
                        (void)fprintf(stderr, "batonctl: no event loop: %s\n", strerror(-r));
                node_config_free(c->config);
                mem_free(c->servers);
                mem_free(c);
                *ret = NULL;
                return r < 0 ? CTL_UNREACHABLE : status;
        }
        (void)uv_timer_init(&c->loop, &c->timer); /* the timer's cannot fail; the signals' fail when they are started */
        (void)uv_signal_init(&c->loop, &c->interrupted);
        (void)uv_signal_init(&c->loop, &c->terminated);
        c->timer.data = c->interrupted.data = c->terminated.data = c;
        *ret = c;
        r = make_client(c);
        if (r == 0)
                return CTL_DONE;
        (void)fprintf(stderr, "batonctl: no client: %s\n", strerror(-r));
        ctl_close(c);
        *ret = NULL;
        return CTL_UNREACHABLE;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
        (void)arg;
        if (!uv_is_closing(handle))
                uv_close(handle, NULL);
}

void ctl_close(struct ctl *c)
{
        if (!c)
                return;
        if (c->started && !c->over && client_is_connected(c->session)) {
                client_loop_close(c->client, FAREWELL_MS);
                while (!c->over && uv_run(&c->loop, UV_RUN_ONCE))
                        ;
        }
        client_loop_free(c->client);
        uv_walk(&c->loop, close_handle, NULL);
        (void)uv_run(&c->loop, UV_RUN_DEFAULT); /* the last callbacks of what is being closed */
        (void)uv_loop_close(&c->loop);
        node_config_free(c->config);
        mem_free(c->servers);
        mem_free(c);
}

const struct ctl_options *ctl_options(const struct ctl *c)
{
        return &c->options;
}

const struct node_config *ctl_config(const struct ctl *c)
{
        return c->config;
}

const char *ctl_server(const struct ctl *c)
{
        return c->server;
}

/* ---- requests ---- */

static void on_done(void *ctx, const struct client_result *r)
{
        struct call *call = ctx;
        if (!call->ret) {
                mem_free(call);
                return;
        }
        call->done = true;
        call->outcome = r->outcome;
        ctl_reply_copy(r, call->ret);
}

static struct client_call begin(struct ctl *c, struct ctl_reply *ret, struct call **call)
{
        *ret = (struct ctl_reply){.data = NULL};
        *call = mem_zalloc(sizeof **call);
        (*call)->ret = ret;
        if (!c->started)
                client_loop_start(c->client);
        c->started = true;
        c->late = false;
        uv_update_time(&c->loop);
        (void)uv_timer_start(&c->timer, on_time, c->options.wait_ms, 0); /* fails for closed timers only */
        return (struct client_call){.done = on_done, .ctx = *call};
}

static int not_made(struct call *call, int status)
{
        const char *text = status == -EINVAL     ? "that is no path (absolute, without empty parts, '.' or '..')"
                           : status == -EMSGSIZE ? "that value is larger than a znode may be"
                                                 : strerror(-status);
        mem_free(call);
        (void)fprintf(stderr, "batonctl: %s\n", text);
        return CTL_USAGE;
}

/* `status` is what the request's function returned. */
static int finish(struct ctl *c, struct call *call, int status)
{
        if (status < 0)
                return not_made(call, status);
        client_loop_flush(c->client);
        while (!call->done && !c->late && !c->end)
                (void)uv_run(&c->loop, UV_RUN_ONCE); /* the timer keeps it from waiting for ever */
        (void)uv_timer_stop(&c->timer);
        if (!call->done) {
                call->ret = NULL; /* on_done() frees it */
                return c->end ? CTL_REFUSED : unreachable(c);
        }
        enum client_outcome outcome = call->outcome;
        mem_free(call);
        if (outcome == CLIENT_ANSWERED) {
                const struct client_server *s = client_server(c->session);
                (void)snprintf(c->server, sizeof c->server, "%s:%u", s->host, (unsigned)s->port);
                return CTL_DONE;
        }
        (void)fprintf(stderr, "batonctl: %s\n",
                      outcome == CLIENT_UNKNOWN
                              ? "the connection ended before the answer: it may have been carried out or not"
                              : "the session ended before it could be sent");
        return CTL_UNREACHABLE;
}

int ctl_get(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = begin(c, ret, &call);
        return finish(c, call, client_get(c->session, path, &how));
}

int ctl_children(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = begin(c, ret, &call);
        return finish(c, call, client_children2(c->session, path, &how));
}

int ctl_create(struct ctl *c, const char *path, struct jute_str data, int32_t flags, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = begin(c, ret, &call);
        return finish(c, call, client_create(c->session, path, data, flags, NULL, &how));
}

int ctl_set(struct ctl *c, const char *path, struct jute_str data, int32_t version, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = begin(c, ret, &call);
        return finish(c, call, client_set(c->session, path, data, version, &how));
}

int ctl_delete(struct ctl *c, const char *path, int32_t version, struct ctl_reply *ret)
{
        struct call *call;
        const struct client_call how = begin(c, ret, &call);
        return finish(c, call, client_delete(c->session, path, version, &how));
}

/* ---- watches ---- */

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
        struct client_call how = begin(c, ret, &call);
        how.watch = c->data_watched ? NULL : on_data_watch;
        how.watch_ctx = c;
        int status = finish(c, call, client_get(c->session, path, &how));
        if (status != CTL_DONE || ret->error != ZK_OK)
                return status;
        c->data_watched = true;
        how = begin(c, &children, &call);
        how.watch = c->children_watched ? NULL : on_children_watch;
        how.watch_ctx = c;
        status = finish(c, call, client_children2(c->session, path, &how));
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
