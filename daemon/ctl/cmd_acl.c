/* batonctl getacl, setacl, addauth, whoami: who may do what, and who one is. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/pipeline.h"
#include "daemon/ctl/question.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/walk.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

/* ---- getacl ---- */

static int show_acl(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        if (!o->json) {
                char *text = acl_text(&r->acl);
                char *line = show_line(text, strlen(text));
                (void)printf("%s\n", line);
                mem_free(line);
                mem_free(text);
                if (a->has['s'])
                        show_stat(&r->stat);
                return CTL_DONE;
        }
        json_t *acl = acl_json(&r->acl);
        if (!acl) {
                (void)fprintf(stderr, "batonctl: %s: an id of its ACL is no text (UTF-8)\n", path);
                return CTL_REFUSED;
        }
        show_json(json_pack("{s:s,s:o,s:o}", "path", path, "acl", acl, "stat", show_stat_json(&r->stat)));
        return CTL_DONE;
}

int cmd_getacl(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {.form = {.letters = "s", .least = 1, .most = 1, .wants = "which path?"},
                                          .ask = ctl_get_acl,
                                          .show = show_acl};
        return question_run(&q, o, argc, argv);
}

/* ---- setacl ---- */

static int set_one(struct ctl *c, const struct ctl_options *o, const char *path, const struct acl_list *acl,
                   int32_t version, bool stat)
{
        struct ctl_reply r;
        int status = ctl_set_acl(c, path, acl, version, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        else if (status == CTL_DONE && o->json)
                show_json(json_pack("{s:s,s:i,s:I}", "path", path, "aversion", (int)r.stat.aversion, "zxid",
                                    (json_int_t)r.zxid));
        else if (status == CTL_DONE && stat)
                show_stat(&r.stat);
        ctl_reply_done(&r);
        return status;
}

/* From below upwards, so that a permission we take from ourselves does not stand in the way of the rest. */
struct setting {
        const struct walk *walk;
        struct jute_vec acl;
        size_t done, gone;
        size_t failed; /* the first: its index from below, plus 1 */
        int32_t error;
};

static const char *path_from_below(const struct setting *s, size_t index)
{
        return s->walk->nodes[s->walk->count - 1 - index].path;
}

static int ask(void *ctx, struct client *session, size_t index, const struct client_call *how)
{
        const struct setting *s = ctx;
        return s->failed ? 1 : client_set_acl(session, path_from_below(s, index), &s->acl, -1, how);
}

static void take(void *ctx, size_t index, const struct client_result *r)
{
        struct setting *s = ctx;
        s->done += r->error == ZK_OK;
        s->gone += r->error == ZK_NO_NODE;
        if (r->error == ZK_OK || r->error == ZK_NO_NODE || s->failed)
                return;
        s->failed = index + 1;
        s->error = r->error;
}

static int set_all(struct ctl *c, const struct ctl_options *o, const char *path, const struct acl_list *acl)
{
        struct walk w;
        struct jute_writer writer;
        int status = walk_read(c, path, &w);
        if (status == CTL_DONE)
                status = walk_complete(&w);
        jute_writer_init(&writer, SIZE_MAX);
        struct setting s = {.walk = &w, .acl = acl_encode(acl, &writer)};
        bool begun = status == CTL_DONE;
        if (begun)
                ctl_heed_signals(c);
        if (begun)
                status = pipeline_run(c, ask, take, &s, &w.count);
        if (s.failed)
                status = ctl_refused(path_from_below(&s, s.failed - 1), s.error);
        if (begun && status != CTL_DONE)
                (void)fprintf(stderr, "batonctl: %zu of %zu znodes have the new ACL, the others have not\n", s.done,
                              w.count);
        else if (begun && o->json)
                show_json(json_pack("{s:s,s:I}", "path", path, "znodes", (json_int_t)s.done));
        else if (begun)
                (void)printf("%zu znode%s\n", s.done, s.done == 1 ? "" : "s");
        jute_writer_done(&writer);
        walk_done(&w);
        return status;
}

int cmd_setacl(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {
                .letters = "Rsv:", .least = 2, .most = 2, .wants = "which path, and which ACL?"};
        struct args a;
        struct ctl *c;
        struct acl_list acl = {.entries = NULL};
        int64_t version = -1;
        char why[200];
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'v', -1, INT32_MAX, &version);
        if (status == CTL_DONE && a.has['R'] && version >= 0)
                status = args_wrong(argv[0], "-v is of one znode, -R sets many");
        if (status == CTL_DONE && acl_parse(a.rest[1], &acl, why, sizeof why) < 0)
                status = args_wrong(argv[0], "%s", why);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                status = a.has['R'] ? set_all(c, o, a.rest[0], &acl)
                                    : set_one(c, o, a.rest[0], &acl, (int32_t)version, a.has['s']);
                ctl_close(c);
        }
        acl_done(&acl);
        return status;
}

/* ---- addauth, whoami ---- */

int cmd_addauth(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {
                .letters = "", .least = 1, .most = 2, .wants = "which scheme, and what does it know you by?"};
        struct args a;
        struct ctl *c;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE && !o->shared)
                status = args_wrong(argv[0], "it would end with this command; give --auth SCHEME:DATA to another one");
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = ctl_add_auth(c, a.rest[0], a.rest_count > 1 ? a.rest[1] : "");
        ctl_close(c);
        return status;
}

static int ask_who(struct ctl *c, const char *path, struct ctl_reply *ret)
{
        (void)path;
        return ctl_who_am_i(c, ret);
}

static int show_who(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        (void)path;
        (void)a;
        json_t *all = json_array();
        for (size_t i = 0; i < r->acl.count; i++) {
                const struct acl_entry *e = &r->acl.entries[i];
                char *user = show_line(e->id, strlen(e->id));
                if (o->json)
                        (void)json_array_append_new(all, json_pack("{s:s,s:s}", "scheme", e->scheme, "user", e->id));
                else
                        (void)printf("%s:%s\n", e->scheme, user);
                mem_free(user);
        }
        if (o->json)
                show_json(json_incref(all));
        json_decref(all);
        return CTL_DONE;
}

int cmd_whoami(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {
                .form = {.letters = "", .least = 0, .most = 0, .wants = ""}, .ask = ask_who, .show = show_who};
        return question_run(&q, o, argc, argv);
}
