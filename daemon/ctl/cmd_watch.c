/* batonctl watch, removewatches: a znode, and again whenever it changes; or events as they come. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/show.h"

#include "election/base/alloc.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
        case CLIENT_EVENT_REMOVED:
                return "unwatched";
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
                show_data(r->data, r->size);
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
                /* What nobody can read any more is not watched: ctl_run() says so. */
                if (gone || status != CTL_DONE || (count && told >= count) || ferror(stdout))
                        return status;
                enum client_event what = ctl_wait_event(c);
                if (what == CLIENT_EVENT_NONE)
                        return CTL_DONE;
                event = event_name(what);
        }
}

void ctl_show_event(bool json, enum client_event event, const char *path)
{
        if (json) {
                show_json(json_pack("{s:s,s:s}", "event", event_name(event), "path", path));
        } else {
                char *line = show_line(path, strlen(path));
                (void)printf("%s %s\n", event_name(event), line);
                mem_free(line);
        }
        (void)fflush(stdout);
}

/* ---- a stream of events ---- */

struct stream {
        bool json, done;
        int64_t seen, count; /* count 0: no end */
        enum client_state state;
};

static void on_event(void *ctx, enum client_event event, const char *path)
{
        struct stream *s = ctx;
        if (s->done || event < 0)
                return;
        ctl_show_event(s->json, event, path);
        s->done = (s->count && ++s->seen >= s->count) || ferror(stdout);
}

/* What changes while there is no connection is told to no watch that stays: whoever reads the stream must know. */
static void on_state(void *ctx, enum client_state state, const char *why)
{
        struct stream *s = ctx;
        if (state == CLIENT_SUSPENDED)
                (void)fprintf(stderr, "batonctl: %s: events are missed until the connection is back\n", why);
        if (state == CLIENT_RESUMED && s->json)
                show_json(json_pack("{s:s}", "event", "resumed"));
        else if (state == CLIENT_RESUMED)
                (void)printf("resumed\n");
        (void)fflush(stdout);
}

static int stream(struct ctl *c, const struct ctl_options *o, const char *path, enum client_watch_mode mode,
                  struct stream *s, uint64_t timeout_ms)
{
        struct ctl_reply r;
        const struct ctl_hooks hooks = {.on_state = on_state, .on_event = on_event, .ctx = s}, none = {.ctx = NULL};
        ctl_hook(c, &hooks);
        int status = ctl_add_watch(c, path, mode, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        ctl_reply_done(&r);
        if (status == CTL_DONE && !s->done) {
                if (o->json)
                        show_json(json_pack("{s:s,s:s}", "event", "watching", "path", path));
                else
                        (void)printf("watching %s\n", path);
                (void)fflush(stdout);
                switch (ctl_wait(c, &s->done, timeout_ms)) {
                case CTL_WAIT_DONE:
                case CTL_WAIT_TOLD:
                        break;
                case CTL_WAIT_OVER:
                        (void)fprintf(stderr, "batonctl: the session has ended, and the watch with it\n");
                        status = CTL_UNREACHABLE;
                        break;
                case CTL_WAIT_LATE:
                        status = s->count ? CTL_REFUSED : CTL_DONE; /* fewer events than were asked for */
                        break;
                }
        }
        ctl_hook(c, &none);
        return status;
}

/* In the shell, whose hooks show the events between its prompts. */
static int add(struct ctl *c, const char *path, enum client_watch_mode mode)
{
        struct ctl_reply r;
        int status = ctl_add_watch(c, path, mode, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        ctl_reply_done(&r);
        return status;
}

/* zkCli's words for the modes. */
static int mode_of(const char *command, struct args *a)
{
        const char *mode = a->option['m'];
        if (!a->has['m'])
                return CTL_DONE;
        a->has['p'] = strcasecmp(mode, "PERSISTENT") == 0;
        a->has['r'] = strcasecmp(mode, "PERSISTENT_RECURSIVE") == 0;
        return a->has['p'] || a->has['r'] ? CTL_DONE
                                          : args_wrong(command, "-m wants PERSISTENT or PERSISTENT_RECURSIVE");
}

int cmd_watch(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {
                {"persistent", 'p'}, {"recursive", 'r'}, {"count", 'n'}, {"timeout", 't'}, {NULL, 0}};
        static const struct args_form form = {
                .letters = "prn:t:m:", .names = names, .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct stream s = {.json = o->json};
        int64_t timeout_ms = 0;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = mode_of(argv[0], &a);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'n', 1, INT32_MAX, &s.count);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 't', 1, INT32_MAX, &timeout_ms);
        bool stays = status == CTL_DONE && (a.has['p'] || a.has['r'] || o->shared);
        if (status == CTL_DONE && o->shared && (a.has['n'] || a.has['t']))
                status = args_wrong(argv[0], "in a shell a watch stays until removewatches");
        else if (status == CTL_DONE && !stays && a.has['t'])
                status = args_wrong(argv[0], "--timeout goes with --persistent or --recursive");
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        enum client_watch_mode mode = a.has['r'] ? CLIENT_WATCH_RECURSIVE : CLIENT_WATCH_PERSISTENT;
        status = o->shared ? add(c, a.rest[0], mode)
                 : stays   ? stream(c, o, a.rest[0], mode, &s, (uint64_t)timeout_ms)
                           : watch(c, o, a.rest[0], s.count);
        ctl_close(c);
        return status;
}

/* ---- removewatches ---- */

int cmd_removewatches(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "cdapr", .least = 1, .most = 1, .wants = "which path?"};
        static const struct {
                char letter;
                enum client_watch_type type;
        } types[] = {{'c', CLIENT_WATCHES_CHILDREN},
                     {'d', CLIENT_WATCHES_DATA},
                     {'p', CLIENT_WATCHES_PERSISTENT},
                     {'r', CLIENT_WATCHES_RECURSIVE}};
        enum client_watch_type type = CLIENT_WATCHES_ANY;
        struct args a;
        struct ctl *c;
        struct ctl_reply r;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE && !o->shared)
                status = args_wrong(argv[0], "only a shell has watches to remove");
        for (size_t i = 0; status == CTL_DONE && i < sizeof types / sizeof *types; i++)
                if (a.has[(unsigned char)types[i].letter])
                        type = types[i].type;
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = ctl_remove_watches(c, a.rest[0], type, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(a.rest[0], r.error);
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}
