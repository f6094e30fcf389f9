/* See tree_read.h. */
#include "daemon/ctl/tree_read.h"

#include "daemon/ctl/pipeline.h"
#include "daemon/ctl/walk.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

struct reading {
        const struct tree_read *what;
        const struct walk *walk;
        struct tree_node node; /* its data has come, its ACL has not */
        bool gone;             /* it has, meanwhile */
        int status;
};

static size_t requests_each(const struct reading *r)
{
        return r->what->acl ? 2 : 1;
}

static bool is_servers_own(const struct reading *r, const char *path)
{
        static const char own[] = "/zookeeper";
        size_t len = sizeof own - 1;
        return strcmp(r->what->path, "/") == 0 && strncmp(path, own, len) == 0 && (path[len] == '/' || !path[len]);
}

static int ask(void *ctx, struct client *session, size_t index, const struct client_call *how)
{
        const struct reading *r = ctx;
        const char *path = r->walk->nodes[index / requests_each(r)].path;
        if (r->status != CTL_DONE || is_servers_own(r, path))
                return 1;
        return index % requests_each(r) ? client_get_acl(session, path, how) : client_get(session, path, how);
}

static void take_data(struct reading *r, const char *path, const struct client_result *result)
{
        tree_node_done(&r->node);
        r->node = (struct tree_node){.path = mem_strdup(path)};
        if (result->data.len >= 0) {
                r->node.size = (size_t)result->data.len;
                r->node.data = mem_alloc(r->node.size + 1);
                if (r->node.size)
                        memcpy(r->node.data, result->data.data, r->node.size);
                r->node.data[r->node.size] = '\0';
        }
        if (result->stat.ephemeral_owner)
                r->node.kind = TREE_EPHEMERAL;
}

/* Servers show digests as x to whoever may read, but not administer: written back, nobody could ever match them. */
static bool is_masked(const struct acl_list *acl)
{
        for (size_t i = 0; i < acl->count; i++) {
                const char *hash = strrchr(acl->entries[i].id, ':');
                if (strcmp(acl->entries[i].scheme, "digest") == 0 && hash && strcmp(hash, ":x") == 0)
                        return true;
        }
        return false;
}

static void take_acl(struct reading *r, const struct client_result *result)
{
        struct ctl_reply reply = {.data = NULL};
        ctl_reply_copy(result, &reply);
        r->node.acl = reply.acl;
        reply.acl = (struct acl_list){.entries = NULL};
        ctl_reply_done(&reply);
        if (!is_masked(&r->node.acl))
                return;
        (void)fprintf(stderr,
                      "batonctl: %s: its ACL is shown masked to you: --auth as somebody who may administer it, or "
                      "--no-acl\n",
                      r->node.path);
        r->status = CTL_REFUSED;
}

static void take(void *ctx, size_t index, const struct client_result *result)
{
        struct reading *r = ctx;
        size_t each = requests_each(r);
        const char *path = r->walk->nodes[index / each].path;
        bool last = index % each == each - 1;
        if (r->status != CTL_DONE)
                return;
        if (index % each == 0)
                r->gone = false;
        if (result->error == ZK_NO_NODE)
                r->gone = true;
        else if (result->error != ZK_OK)
                r->status = ctl_refused(path, result->error);
        if (r->status != CTL_DONE || r->gone)
                return;
        if (index % each == 0)
                take_data(r, path, result);
        else
                take_acl(r, result);
        if (r->status == CTL_DONE && last)
                r->status = r->what->on_node(r->what->ctx, &r->node);
}

int tree_read(struct ctl *c, const struct tree_read *what)
{
        struct walk w;
        int status = walk_read(c, what->path, &w);
        if (status == CTL_DONE && !what->one)
                status = walk_complete(&w);
        struct reading r = {.what = what, .walk = &w};
        size_t count = (what->one ? 1 : w.count) * requests_each(&r);
        if (status == CTL_DONE)
                status = pipeline_run(c, ask, take, &r, &count);
        if (status == CTL_DONE)
                status = r.status;
        tree_node_done(&r.node);
        walk_done(&w);
        return status;
}
