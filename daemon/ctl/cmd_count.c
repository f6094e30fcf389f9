/* batonctl count, ephemerals. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/show.h"

#include <stdio.h>

int cmd_count(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "", .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct ctl_reply r;
        int status = args_read(argc, argv, &form, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = ctl_all_children_number(c, a.rest[0], &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(a.rest[0], r.error);
        else if (status == CTL_DONE && o->json)
                show_json(json_pack("{s:s,s:i}", "path", a.rest[0], "below", (int)r.number));
        else if (status == CTL_DONE)
                (void)printf("%d\n", (int)r.number);
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}

int cmd_ephemerals(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "", .least = 0, .most = 1, .wants = ""};
        struct args a;
        struct ctl *c;
        struct ctl_reply r;
        int status = args_read(argc, argv, &form, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        const char *path = a.rest_count ? a.rest[0] : "/";
        status = ctl_ephemerals(c, path, &r);
        if (status == CTL_DONE && r.error != ZK_OK) {
                status = ctl_refused(path, r.error);
        } else if (status == CTL_DONE) {
                json_t *all = json_array();
                for (size_t i = 0; i < r.child_count; i++)
                        if (o->json)
                                (void)json_array_append_new(all, json_string(r.children[i]));
                        else
                                (void)printf("%s\n", r.children[i]);
                if (o->json)
                        show_json(json_incref(all));
                json_decref(all);
        }
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}
