#include "daemon/agent/config_set.h"

#include "daemon/agent/config_watch.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct job {
        struct config_sets *sets;
        struct client *client;
        struct config_set_from from;
        struct blob *data; /* NULL: a null value */
        int32_t version;
        unsigned tries;
        char path[sizeof CONFIG_ROOT + CONFIG_PATH_MAX + 2];
};

static void make(struct job *j);
static void set(struct job *j);

static void finish(struct job *j, int32_t error, int32_t version)
{
        struct config_sets *sets = j->sets;
        struct config_set_from from = j->from;
        sets->count--;
        blob_unref(j->data);
        mem_free(j);
        sets->done(sets->ctx, &from, error, version);
}

static struct jute_str data_of(const struct job *j)
{
        return j->data ? jute_str_of(j->data->data, j->data->len) : (struct jute_str){.data = NULL, .len = -1};
}

/* What a request that could not even be made is answered. */
static int32_t error_of(int r)
{
        switch (r) {
        case -ENOTCONN:
                return CLIENT_ERROR_NOT_CONNECTED;
        case -ESHUTDOWN:
                return CLIENT_ERROR_CLOSING;
        case -ENOBUFS:
                return ZK_THROTTLED_OP;
        default:
                return ZK_BAD_ARGUMENTS;
        }
}

static void on_set(void *ctx, const struct client_result *r)
{
        struct job *j = ctx;
        if (r->error == ZK_NO_NODE && j->version == -1 && j->tries < CONFIG_SET_TRIES_MAX)
                make(j);
        else
                finish(j, r->error, r->has_stat ? r->stat.version : 0);
}

static void set(struct job *j)
{
        const struct client_call call = {.done = on_set, .ctx = j, .at_once = true};
        int r = client_set(j->client, j->path, data_of(j), j->version, &call);
        if (r < 0)
                finish(j, error_of(r), 0);
}

/* All above it; those that are there already do no harm. */
static void make_parents(struct job *j)
{
        const struct client_call quiet = {.at_once = true};
        const struct jute_str nothing = {.data = NULL, .len = -1};
        for (char *slash = strchr(j->path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void)client_create(j->client, j->path, nothing, CLIENT_PERSISTENT, NULL, &quiet); /* shows in make() */
                *slash = '/';
        }
}

static void on_made(void *ctx, const struct client_result *r)
{
        struct job *j = ctx;
        bool again = j->tries < CONFIG_SET_TRIES_MAX;
        if (r->error == ZK_NODE_EXISTS && again) {
                set(j);
        } else if (r->error == ZK_NO_NODE && again) {
                make_parents(j);
                make(j);
        } else {
                finish(j, r->error, 0);
        }
}

static void make(struct job *j)
{
        const struct client_call call = {.done = on_made, .ctx = j, .at_once = true};
        j->tries++;
        int r = client_create(j->client, j->path, data_of(j), CLIENT_PERSISTENT, NULL, &call);
        if (r < 0)
                finish(j, error_of(r), 0);
}

void config_set(struct config_sets *sets, struct client *c, const struct config_set_from *from, struct jute_str path,
                struct jute_str data, int32_t version)
{
        const char *why;
        if (path.len <= 0 || version < -1 || config_path_check((const char *)path.data, (size_t)path.len, &why) < 0) {
                sets->done(sets->ctx, from, ZK_BAD_ARGUMENTS, 0);
                return;
        }
        if (sets->count >= CONFIG_SETS_MAX) {
                sets->done(sets->ctx, from, ZK_THROTTLED_OP, 0);
                return;
        }
        struct job *j = mem_zalloc(sizeof *j);
        sets->count++;
        j->sets = sets;
        j->client = c;
        j->from = *from;
        j->version = version;
        j->data = data.len < 0 ? NULL : blob_copy(data.data, (size_t)data.len);
        (void)snprintf(j->path, sizeof j->path, CONFIG_ROOT "/%.*s", path.len, (const char *)path.data);
        set(j);
}
