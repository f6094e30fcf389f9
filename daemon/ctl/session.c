/* See ctl.h. */
#include "daemon/ctl/ctl_internal.h"

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
                size_t len = strcspn(at, ",/");
                if (add_server(c, at, len) < 0) {
                        (void)fprintf(stderr, "batonctl: --hosts wants HOST:PORT,… (at most %d), not '%s'\n",
                                      CLIENT_SERVERS_MAX, hosts);
                        return CTL_USAGE;
                }
                if (at[len] == '/')
                        c->chroot = at + len; /* as ZooKeeper's clients write it, behind the last server */
                if (at[len] != ',')
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

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct ctl *c = ctx;
        bool renewed = state == CLIENT_EXPIRED && c->renew;
        if ((state == CLIENT_EXPIRED || state == CLIENT_CLOSED) && !renewed)
                c->over = true;
        if (state == CLIENT_CLOSED && status == -EACCES)
                c->refused = true;
        if (c->hooks.on_state)
                c->hooks.on_state(c->hooks.ctx, state, why);
        else if (state == CLIENT_CONNECTED && client_is_read_only(c->session))
                (void)fprintf(stderr, "batonctl: %s:%u has no leader: what it shows may be old\n",
                              client_server(c->session)->host, (unsigned)client_server(c->session)->port);
        if (renewed)
                client_loop_start(c->client);
}

int ctl__unreachable(const struct ctl *c)
{
        const char *why = client_why(c->session);
        if (c->quiet)
                return CTL_UNREACHABLE;
        (void)fprintf(stderr, "batonctl: none of %zu server%s answered within %llu ms%s%s\n", c->server_count,
                      c->server_count == 1 ? "" : "s", (unsigned long long)c->options.wait_ms, *why ? ": " : "", why);
        return CTL_UNREACHABLE;
}

static int choose_servers(struct ctl *c)
{
        int status = c->options.hosts ? take_hosts(c, c->options.hosts) : CTL_DONE;
        return status == CTL_DONE ? take_config(c) : status;
}

/* A session outlives the request that takes longest to send: servers hear nothing of it before its last byte. */
static int32_t session_timeout(const struct ctl_options *o)
{
        int32_t usual = o->session_ms ? o->session_ms : CTL_SESSION_TIMEOUT_MS;
        uint64_t large = o->max_buffer > JUTE_MAXBUFFER_DEFAULT ? 2 * o->wait_ms : 0;
        return large > (uint64_t)usual ? (int32_t)large : usual;
}

static int make_client(struct ctl *c)
{
        uint64_t seed = 0;
        if (getrandom(&seed, sizeof seed, 0) < 0)
                seed = 0; /* the order of servers is the usual one then */
        const struct client_config config = {.servers = c->servers,
                                             .server_count = c->server_count,
                                             .session_timeout_ms = session_timeout(&c->options),
                                             .max_buffer = c->options.max_buffer,
                                             .max_reply = CTL_REPLY_MAX,
                                             .seed = seed,
                                             .chroot = c->chroot,
                                             .read_only = c->options.read_only,
                                             .on_state = on_state,
                                             .ctx = c};
        int r = client_new(&config, &c->session);
        if (r == 0)
                r = client_loop_new(&c->loop, c->session, &c->client);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->options.auth_count && r == 0; i++)
                r = client_add_auth(c->session, c->options.auths[i].scheme, jute_cstr(c->options.auths[i].data), NULL);
        return r;
}

int ctl_open(const struct ctl_options *options, struct ctl **ret)
{
        if (options->shared) { /* of the shell, which is the one to close it */
                *ret = options->shared;
                (*ret)->options = *options;
                return CTL_DONE;
        }
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
        if (!c || c->options.shared)
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

void ctl_hook(struct ctl *c, const struct ctl_hooks *hooks)
{
        c->hooks = *hooks;
}

void ctl_unshare(struct ctl *c)
{
        c->options.shared = NULL;
}

/* ---- for the shell ---- */

void ctl_keep(struct ctl *c)
{
        c->renew = true;
        ctl__start(c);
        client_loop_flush(c->client);
}

bool ctl_is_over(const struct ctl *c)
{
        return c->over;
}

int ctl_begin_anew(struct ctl *c)
{
        client_loop_free(c->client);
        c->client = NULL;
        c->started = c->over = c->refused = c->end = false;
        int r = make_client(c);
        if (r < 0) {
                (void)fprintf(stderr, "batonctl: no client: %s\n", strerror(-r));
                return CTL_UNREACHABLE;
        }
        ctl_keep(c);
        return CTL_DONE;
}

void ctl_where(const struct ctl *c, char *ret, size_t size)
{
        const struct client_server *s = client_server(c->session);
        (void)snprintf(ret, size, "%s:%u%s%s", s->host, (unsigned)s->port, c->chroot ? c->chroot : "",
                       client_is_read_only(c->session)   ? " (read-only)"
                       : client_is_connected(c->session) ? ""
                                                         : " (connecting)");
}
