/* batonctl watch: a znode, and again whenever it changes. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static const char *event_name(enum client_event event)
{
        switch (event) {
        case CLIENT_EVENT_CREATED:
                return "created";
        case CLIENT_EVENT_DELETED:
                return "deleted";
        case CLIENT_EVENT_DATA:
                return "changed";
        case CLIENT_EVENT_CHILDREN:
                return "children";
        default:
                return "ended";
        }
}

static void show_state(const struct ctl_options *o, const char *event, const char *path, const struct ctl_reply *r)
{
        if (o->json) {
                json_t *object = json_object(), *children = json_array();
                (void)json_object_set_new(object, "event", json_string(event));
                (void)json_object_set_new(object, "path", json_string(path));
                (void)json_object_set_new(object, "zxid", json_integer((json_int_t)r->zxid));
                show_put_value(object, r->data, r->size);
                for (size_t i = 0; i < r->child_count; i++)
                        (void)json_array_append_new(children, json_string(r->children[i]));
                (void)json_object_set_new(object, "children", children);
                show_json(object);
        } else {
                (void)printf("%s %s version %d, %zu children: ", event, path, (int)r->stat.version, r->child_count);
                (void)fwrite(r->data ? r->data : "", 1, r->size, stdout);
                (void)putchar('\n');
        }
        (void)fflush(stdout);
}

static int watch(struct ctl *c, const struct ctl_options *o, const char *path, int64_t count)
{
        const char *event = "is";
        for (int64_t told = 0;; told++) {
                struct ctl_reply r;
                int status = ctl_watch(c, path, &r);
                bool gone = status == CTL_DONE && r.error == ZK_NO_NODE && told > 0;
                if (gone)
                        show_state(o, "deleted", path, &r);
                else if (status == CTL_DONE && r.error != ZK_OK)
                        status = ctl_refused(path, r.error);
                else if (status == CTL_DONE)
                        show_state(o, event, path, &r);
                ctl_reply_done(&r);
                if (gone || status != CTL_DONE || (count && told >= count))
                        return status;
                enum client_event what = ctl_wait_event(c);
                if (what == CLIENT_EVENT_NONE)
                        return CTL_DONE;
                event = event_name(what);
        }
}

int cmd_watch(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "n:", .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        int64_t count = 0;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'n', 1, INT32_MAX, &count);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = watch(c, o, a.rest[0], count);
        ctl_close(c);
        return status;
}
