#include "daemon/agent/links.h"

#include "daemon/common/log.h"
#include "election/base/alloc.h"

#include <string.h>
#include <unistd.h>

/* One conversation. The memory lives as long as `links`; who is at the other end changes. */
struct link {
        struct links *links;
        const char *name;
        bool engine;
        size_t worker;
        struct ipc *ipc; /* NULL: nobody */
};

struct links {
        uv_loop_t *loop;
        const struct links_host *host;
        void *ctx;
        struct link engine;
        struct link *workers;
        size_t worker_count;
};

static void gone(struct link *k)
{
        ipc_free(k->ipc);
        k->ipc = NULL;
        if (k->engine)
                k->links->host->engine_gone(k->links->ctx);
        else
                k->links->host->worker_gone(k->links->ctx, k->worker);
}

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct link *k = ctx;
        (void)ipc;
        if (m->fd >= 0)
                (void)close(m->fd); /* no descriptor is due from them */
        if (k->engine)
                k->links->host->engine_message(k->links->ctx, m);
        else
                k->links->host->worker_message(k->links->ctx, k->worker, m);
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct link *k = ctx;
        (void)ipc;
        if (status < 0)
                log_warning("link to %s%s: %s", k->engine ? "the " : "worker ", k->name, strerror(-status));
        gone(k);
}

static struct link *find(struct links *l, const char *name)
{
        for (size_t i = 0; i < l->worker_count; i++)
                if (strcmp(l->workers[i].name, name) == 0)
                        return &l->workers[i];
        return strcmp(name, l->engine.name) == 0 ? &l->engine : NULL;
}

void links_take(struct links *l, const char *name, int fd)
{
        struct link *k = find(l, name);
        if (!k) {
                log_warning("a link to %s was passed, which the configuration does not have", log_quote(name).text);
                (void)close(fd);
                return;
        }
        if (k->ipc)
                gone(k);
        int r = ipc_new(l->loop, fd, on_message, on_closed, k, &k->ipc);
        if (r < 0) {
                log_error("link to %s: %s", name, strerror(-r));
                k->ipc = NULL;
                return;
        }
        if (!k->engine)
                l->host->worker_linked(l->ctx, k->worker);
}

void links_send(struct links *l, size_t worker, const struct message *m)
{
        if (l->workers[worker].ipc)
                (void)ipc_send(l->workers[worker].ipc, m); /* if it failed, on_closed() follows */
}

void links_drop(struct links *l, size_t worker)
{
        ipc_free(l->workers[worker].ipc);
        l->workers[worker].ipc = NULL;
}

struct links *links_new(uv_loop_t *loop, const struct node_config *config, const struct links_host *host, void *ctx)
{
        struct links *l = mem_zalloc(sizeof *l);
        l->loop = loop;
        l->host = host;
        l->ctx = ctx;
        l->engine = (struct link){.links = l, .name = "engine", .engine = true};
        l->worker_count = config->plugin_count;
        l->workers = mem_zalloc(l->worker_count * sizeof *l->workers);
        for (size_t i = 0; i < l->worker_count; i++)
                l->workers[i] = (struct link){.links = l, .name = config->plugins[i].name.text, .worker = i};
        return l;
}

void links_free(struct links *l)
{
        if (!l)
                return;
        ipc_free(l->engine.ipc);
        for (size_t i = 0; i < l->worker_count; i++)
                ipc_free(l->workers[i].ipc);
        mem_free(l->workers);
        mem_free(l);
}
