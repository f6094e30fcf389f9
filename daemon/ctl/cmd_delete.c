/* batonctl delete, rm: znodes removed, with all below them if that is asked for. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/pipeline.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/walk.h"

#include <stdio.h>
#include <string.h>

/* From below upwards: a session's requests are carried out in order, so children go before their parents. */
struct removal {
        const struct walk *walk;
        size_t done;   /* removed, or gone by somebody else's hand */
        size_t failed; /* the first: its index from below, plus 1 */
        int32_t error;
};

static const char *path_from_below(const struct removal *m, size_t index)
{
        return m->walk->nodes[m->walk->count - 1 - index].path;
}

static int ask(void *ctx, struct client *session, size_t index, const struct client_call *how)
{
        const struct removal *m = ctx;
        return m->failed ? 1 : client_delete(session, path_from_below(m, index), -1, how);
}

static void take(void *ctx, size_t index, const struct client_result *r)
{
        struct removal *m = ctx;
        bool gone = r->error == ZK_OK || r->error == ZK_NO_NODE;
        m->done += gone;
        if (gone || m->failed)
                return;
        m->failed = index + 1;
        m->error = r->error;
}

/* What the servers need, or refuse to lose. */
static bool is_sacred(const char *path)
{
        return strcmp(path, "/") == 0 || strcmp(path, "/zookeeper") == 0 || strcmp(path, "/zookeeper/quota") == 0 ||
               strcmp(path, "/zookeeper/config") == 0;
}

static void show_plan(bool json, const struct walk *w)
{
        json_t *all = json ? json_array() : NULL;
        for (size_t i = w->count; i-- > 0;)
                if (all)
                        (void)json_array_append_new(all, json_string(w->nodes[i].path));
                else
                        (void)printf("would remove %s\n", w->nodes[i].path);
        if (all)
                show_json(json_pack("{s:o}", "would_delete", all));
}

static int remove_all(struct ctl *c, const struct ctl_options *o, const char *path, bool dry)
{
        struct walk w;
        int status = walk_read(c, path, &w);
        if (status == CTL_DONE)
                status = walk_complete(&w);
        struct removal m = {.walk = &w};
        bool begun = status == CTL_DONE && !dry;
        if (status == CTL_DONE && dry)
                show_plan(o->json, &w);
        if (begun)
                ctl_heed_signals(c);
        if (begun)
                status = pipeline_run(c, ask, take, &m, &w.count);
        if (m.failed && m.error == ZK_NOT_EMPTY) {
                (void)fprintf(stderr, "batonctl: %s: somebody has made a child meanwhile\n",
                              path_from_below(&m, m.failed - 1));
                status = CTL_REFUSED;
        } else if (m.failed) {
                status = ctl_refused(path_from_below(&m, m.failed - 1), m.error);
        }
        if (begun && status != CTL_DONE)
                (void)fprintf(stderr, "batonctl: %zu of %zu znodes are removed, the others are still there\n", m.done,
                              w.count);
        else if (begun && o->json)
                show_json(json_pack("{s:s,s:I}", "deleted", path, "znodes", (json_int_t)m.done));
        walk_done(&w);
        return status;
}

static int remove_one(struct ctl *c, const struct ctl_options *o, const char *path, int32_t version, bool dry)
{
        struct ctl_reply r;
        int status = dry ? ctl_exists(c, path, &r) : ctl_delete(c, path, version, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        else if (status == CTL_DONE && dry && r.stat.num_children)
                status = ctl_refused(path, ZK_NOT_EMPTY);
        else if (status == CTL_DONE && dry && o->json)
                show_json(json_pack("{s:[s]}", "would_delete", path));
        else if (status == CTL_DONE && dry)
                (void)printf("would remove %s\n", path);
        else if (status == CTL_DONE && o->json)
                show_json(json_pack("{s:s}", "deleted", path));
        ctl_reply_done(&r);
        return status;
}

/* `-R` of delete, `-r` of rm. */
static int remove_command(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {{"dry-run", 'd'}, {"recursive", 'r'}, {NULL, 0}};
        static const struct args_form form = {
                .letters = "Rrdv:", .names = names, .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        int64_t version = -1;
        int status = args_read(argc, argv, &form, &a);
        bool all = status == CTL_DONE && (a.has['R'] || a.has['r']);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'v', -1, INT32_MAX, &version);
        if (status == CTL_DONE && all && version >= 0)
                status = args_wrong(argv[0], "-v is of one znode, and others would go before it is looked at");
        if (status == CTL_DONE && is_sacred(a.rest[0]))
                status = args_wrong(argv[0], "%s is not removed: the servers' own znodes are below it, or it is one",
                                    a.rest[0]);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = all ? remove_all(c, o, a.rest[0], a.has['d'])
                     : remove_one(c, o, a.rest[0], (int32_t)version, a.has['d']);
        ctl_close(c);
        return status;
}

int cmd_delete(const struct ctl_options *o, int argc, char **argv)
{
        return remove_command(o, argc, argv);
}

int cmd_rm(const struct ctl_options *o, int argc, char **argv)
{
        return remove_command(o, argc, argv);
}
