/* See walk.h. */
#include "daemon/ctl/walk.h"

#include "daemon/ctl/pipeline.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct walk *w, char *path)
{
        w->nodes = mem_grow(w->nodes, &w->capacity, w->count + 1, sizeof *w->nodes);
        w->nodes[w->count++] = (struct walk_node){.path = path};
}

static int ask(void *ctx, struct client *session, size_t index, const struct client_call *how)
{
        const struct walk *w = ctx;
        return client_children2(session, w->nodes[index].path, how);
}

static char *child_of(const char *parent, struct jute_str name)
{
        size_t len = strcmp(parent, "/") == 0 ? 0 : strlen(parent);
        char *path = mem_alloc(len + (size_t)name.len + 2);
        memcpy(path, parent, len);
        path[len] = '/';
        memcpy(path + len + 1, name.data, (size_t)name.len);
        path[len + 1 + (size_t)name.len] = '\0';
        return path;
}

static void take(void *ctx, size_t index, const struct client_result *r)
{
        struct walk *w = ctx;
        struct jute_reader names = jute_vec_reader(&r->children);
        w->nodes[index].error = r->error;
        if (r->error != ZK_OK)
                return;
        w->nodes[index].stat = r->stat;
        for (int32_t i = 0; i < r->children.count; i++) {
                struct jute_str name = jute_get_str(&names);
                if (w->count >= WALK_ZNODES_MAX)
                        w->too_many = true;
                else if (name.len > 0)
                        add(w, child_of(w->nodes[index].path, name));
        }
}

/* A slash before any other byte: what is below a znode comes right behind it. */
static int by_path(const void *a, const void *b)
{
        const unsigned char *x = (const unsigned char *)((const struct walk_node *)a)->path;
        const unsigned char *y = (const unsigned char *)((const struct walk_node *)b)->path;
        while (*x && *x == *y)
                x++, y++;
        int at = !*x ? 0 : *x == '/' ? 1 : *x + 1;
        int other = !*y ? 0 : *y == '/' ? 1 : *y + 1;
        return at - other;
}

static void leave_out_gone(struct walk *w)
{
        size_t kept = 0;
        for (size_t i = 0; i < w->count; i++) {
                if (w->nodes[i].error == ZK_NO_NODE)
                        mem_free(w->nodes[i].path);
                else
                        w->nodes[kept++] = w->nodes[i];
        }
        w->count = kept;
}

int walk_read(struct ctl *c, const char *path, struct walk *ret)
{
        *ret = (struct walk){.nodes = NULL};
        add(ret, mem_strdup(path));
        int status = pipeline_run(c, ask, take, ret, &ret->count);
        if (status != CTL_DONE)
                return status;
        if (ret->nodes[0].error != ZK_OK)
                return ctl_refused(path, ret->nodes[0].error);
        if (ret->too_many) {
                (void)fprintf(stderr, "batonctl: %s: more than %d znodes are below it: take it in parts\n", path,
                              WALK_ZNODES_MAX);
                return CTL_REFUSED;
        }
        leave_out_gone(ret);
        qsort(ret->nodes, ret->count, sizeof *ret->nodes, by_path);
        return CTL_DONE;
}

void walk_done(struct walk *w)
{
        for (size_t i = 0; i < w->count; i++)
                mem_free(w->nodes[i].path);
        mem_free(w->nodes);
        *w = (struct walk){.nodes = NULL};
}

int walk_complete(const struct walk *w)
{
        for (size_t i = 0; i < w->count; i++)
                if (w->nodes[i].error != ZK_OK)
                        return ctl_refused(w->nodes[i].path, w->nodes[i].error);
        return CTL_DONE;
}
