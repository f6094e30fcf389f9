/* batonctl ls, get, stat, set, create, sync: znodes as they are. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/question.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/walk.h"

#include "election/base/alloc.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Where `set` makes what is missing. */
#define CONFIG_ROOT "/baton/config/"

char *ctl_child_path(const char *parent, const char *name)
{
        size_t size = strlen(parent) + strlen(name) + 2;
        char *path = mem_alloc(size);
        (void)snprintf(path, size, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
        return path;
}

/* ---- ls ---- */

static void show_names(bool json, char *const *names, size_t count)
{
        json_t *all = json ? json_array() : NULL;
        for (size_t i = 0; i < count; i++)
                if (all)
                        (void)json_array_append_new(all, json_string(names[i]));
                else
                        (void)printf("%s\n", names[i]);
        if (all)
                show_json(all);
}

static int list_all(struct ctl *c, bool json, const char *path)
{
        struct walk w;
        int status = walk_read(c, path, &w);
        json_t *all = json ? json_array() : NULL;
        for (size_t i = 1; status == CTL_DONE && i < w.count; i++)
                if (all)
                        (void)json_array_append_new(all, json_string(w.nodes[i].path));
                else
                        (void)printf("%s\n", w.nodes[i].path);
        if (status == CTL_DONE) {
                if (all)
                        show_json(json_incref(all));
                status = walk_complete(&w);
        }
        json_decref(all);
        walk_done(&w);
        return status;
}

static int list(struct ctl *c, const struct ctl_options *o, const char *path, bool stat, bool watch)
{
        struct ctl_reply r;
        int status = watch ? ctl_read_watched(c, OP_GET_CHILDREN2, path, &r) : ctl_children(c, path, &r);
        if (status == CTL_DONE && r.error != ZK_OK) {
                status = ctl_refused(path, r.error);
        } else if (status == CTL_DONE && o->json && stat) {
                json_t *names = json_array();
                for (size_t i = 0; i < r.child_count; i++)
                        (void)json_array_append_new(names, json_string(r.children[i]));
                show_json(json_pack("{s:s,s:o,s:o}", "path", path, "children", names, "stat", show_stat_json(&r.stat)));
        } else if (status == CTL_DONE) {
                show_names(o->json, r.children, r.child_count);
                if (stat)
                        show_stat(&r.stat);
        }
        ctl_reply_done(&r);
        return status;
}

int cmd_ls(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "Rsw", .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE && a.has['R'] && a.has['s'])
                status = args_wrong(argv[0], "-R shows no Stats (export does)");
        if (status == CTL_DONE)
                status = question_check_watch(o, argv[0], &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = a.has['R'] ? list_all(c, o->json, a.rest[0]) : list(c, o, a.rest[0], a.has['s'], a.has['w']);
        ctl_close(c);
        return status;
}

/* ---- get, stat ---- */

static int show_node(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        if (!o->json) {
                show_value(r->data, r->size, a->has['s']);
                if (a->has['s'])
                        show_stat(&r->stat);
                return CTL_DONE;
        }
        json_t *object = json_object();
        (void)json_object_set_new(object, "path", json_string(path));
        show_put_value(object, r->data, r->size);
        (void)json_object_set_new(object, "stat", show_stat_json(&r->stat));
        show_json(object);
        return CTL_DONE;
}

int cmd_get(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {.form = {.letters = "sw", .least = 1, .most = 1, .wants = "which path?"},
                                          .ask = ctl_get,
                                          .watched = OP_GET_DATA,
                                          .show = show_node};
        return question_run(&q, o, argc, argv);
}

static int show_its_stat(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        (void)a;
        if (o->json)
                show_json(json_pack("{s:s,s:o}", "path", path, "stat", show_stat_json(&r->stat)));
        else
                show_stat(&r->stat);
        return CTL_DONE;
}

int cmd_stat(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {.form = {.letters = "w", .least = 1, .most = 1, .wants = "which path?"},
                                          .ask = ctl_exists,
                                          .watched = OP_EXISTS,
                                          .show = show_its_stat};
        return question_run(&q, o, argc, argv);
}

/* ---- set, create ---- */

/* "-" is stdin; more than a request may have is not read. The memory is the caller's to free, NULL where the value is
 * on the command line. */
static int read_value(const struct ctl_options *o, const char *text, struct jute_str *ret, char **ret_memory)
{
        *ret_memory = NULL;
        if (!text || strcmp(text, "-") != 0) {
                *ret = jute_cstr(text ? text : "");
                return CTL_DONE;
        }
        const size_t most = (size_t)o->max_buffer;
        char *data = mem_alloc(most + 1);
        size_t size = fread(data, 1, most + 1, stdin);
        if (ferror(stdin) || size > most) {
                mem_free(data);
                if (size > most)
                        (void)fprintf(stderr,
                                      "batonctl: stdin has more than a request may hold, %zu bytes; --max-buffer "
                                      "allows more, where servers take it (max_buffer, jute.maxbuffer)\n",
                                      most);
                else
                        (void)fprintf(stderr, "batonctl: stdin can't be read\n");
                return CTL_USAGE;
        }
        *ret = jute_str_of(data, size);
        *ret_memory = data;
        return CTL_DONE;
}

int ctl_make_parents(struct ctl *c, const char *path)
{
        char *copy = mem_strdup(path);
        int status = CTL_DONE;
        for (char *at = copy; status == CTL_DONE && *at && (at = strchr(at + 1, '/'));) {
                struct ctl_reply r;
                *at = '\0';
                status = ctl_create(c, &(struct client_op){.type = OP_CREATE, .path = copy, .data = jute_cstr("")}, &r);
                if (status == CTL_DONE && r.error != ZK_OK && r.error != ZK_NODE_EXISTS)
                        status = ctl_refused(copy, r.error);
                ctl_reply_done(&r);
                *at = '/';
        }
        mem_free(copy);
        return status;
}

static void show_made(const struct ctl *c, const char *path)
{
        if (ctl_options(c)->json)
                show_json(json_pack("{s:s}", "path", path));
        else
                (void)printf("%s\n", path);
}

static int create(struct ctl *c, const struct client_op *op, bool parents)
{
        struct ctl_reply r;
        int status = ctl_create(c, op, &r);
        if (status == CTL_DONE && r.error == ZK_NO_NODE && parents) {
                ctl_reply_done(&r);
                status = ctl_make_parents(c, op->path);
                if (status != CTL_DONE)
                        return status;
                status = ctl_create(c, op, &r);
        }
        if (status == CTL_DONE && r.error == ZK_NO_NODE)
                (void)fprintf(stderr, "batonctl: %s: its parent is not there (create -p makes it)\n", op->path);
        else if (status == CTL_DONE && r.error == ZK_UNIMPLEMENTED && op->type == OP_CREATE_TTL)
                (void)fprintf(stderr, "batonctl: %s: the servers make no TTL znodes (extendedTypesEnabled)\n",
                              op->path);
        else if (status == CTL_DONE && r.error != ZK_OK)
                (void)ctl_refused(op->path, r.error);
        else if (status == CTL_DONE)
                show_made(c, r.path ? r.path : op->path);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = CTL_REFUSED;
        ctl_reply_done(&r);
        return status;
}

/* Configuration is made where it is missing: who sets a value there means it to be there. */
static int set(struct ctl *c, const struct ctl_options *o, const char *path, int32_t version, bool stat,
               struct jute_str value)
{
        struct ctl_reply r;
        int status = ctl_set(c, path, value, version, &r);
        bool config = strncmp(path, CONFIG_ROOT, strlen(CONFIG_ROOT)) == 0;
        if (status == CTL_DONE && r.error == ZK_NO_NODE && config && version < 0) {
                ctl_reply_done(&r);
                status = ctl_make_parents(c, path);
                if (status == CTL_DONE)
                        status = ctl_create(c, &(struct client_op){.type = OP_CREATE, .path = path, .data = value}, &r);
                if (status == CTL_DONE && r.error == ZK_NODE_EXISTS) { /* somebody else was as quick */
                        ctl_reply_done(&r);
                        status = ctl_set(c, path, value, -1, &r);
                }
        }
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        else if (status == CTL_DONE && o->json)
                show_json(json_pack("{s:s,s:i,s:I}", "path", path, "version", r.has_stat ? r.stat.version : 0, "zxid",
                                    (json_int_t)r.zxid));
        else if (status == CTL_DONE && stat && r.has_stat)
                show_stat(&r.stat);
        ctl_reply_done(&r);
        return status;
}

int cmd_set(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "sv:", .least = 1, .most = 2, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct jute_str value;
        char *memory = NULL;
        int64_t version = -1;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'v', -1, INT32_MAX, &version);
        if (status == CTL_DONE && a.rest_count < 2)
                status = args_wrong(argv[0], "which value? (- reads it from stdin)");
        if (status == CTL_DONE)
                status = read_value(o, a.rest[1], &value, &memory);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                status = set(c, o, a.rest[0], (int32_t)version, a.has['s'], value);
                ctl_close(c);
        }
        mem_free(memory);
        return status;
}

/* Which kind of znode the letters ask for. */
static int create_op(const char *command, const struct args *a, struct client_op *ret)
{
        *ret = (struct client_op){.type = OP_CREATE, .path = a->rest[0]};
        ret->flags = (a->has['e'] ? CLIENT_EPHEMERAL : 0) | (a->has['s'] ? CLIENT_SEQUENTIAL : 0);
        if (a->has['c'] && (ret->flags || a->has['t']))
                return args_wrong(command, "a container is neither ephemeral nor sequential and has no TTL");
        if (a->has['t'] && a->has['e'])
                return args_wrong(command, "an ephemeral znode has no TTL");
        if (a->has['c'])
                ret->type = OP_CREATE_CONTAINER;
        if (a->has['t'])
                ret->type = OP_CREATE_TTL;
        return args_number(command, a, 't', 1, CLIENT_TTL_MAX_MS, &ret->ttl_ms);
}

static int create_with_acl(struct ctl *c, struct client_op *op, const struct acl_list *acl, bool parents)
{
        struct jute_writer w;
        struct jute_vec vec;
        jute_writer_init(&w, SIZE_MAX);
        if (acl->count) {
                vec = acl_encode(acl, &w);
                op->acl = &vec;
        }
        int status = create(c, op, parents);
        op->acl = NULL;
        jute_writer_done(&w);
        return status;
}

int cmd_create(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "espct:", .least = 1, .most = 3, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct client_op op;
        struct acl_list acl = {.entries = NULL};
        char *memory = NULL, why[200];
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = create_op(argv[0], &a, &op);
        if (status == CTL_DONE && a.rest_count > 2 && acl_parse(a.rest[2], &acl, why, sizeof why) < 0)
                status = args_wrong(argv[0], "%s", why);
        if (status == CTL_DONE)
                status = read_value(o, a.rest_count > 1 ? a.rest[1] : NULL, &op.data, &memory);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                status = create_with_acl(c, &op, &acl, a.has['p']);
                (void)fflush(stdout);
                if (status == CTL_DONE && a.has['e'] && !o->shared)
                        ctl_wait_end(c); /* it lives as long as we do */
                ctl_close(c);
        }
        acl_done(&acl);
        mem_free(memory);
        return status;
}

/* ---- sync ---- */

static int show_synced(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        (void)a;
        if (o->json)
                show_json(json_pack("{s:s,s:I}", "path", path, "zxid", (json_int_t)r->zxid));
        return CTL_DONE;
}

int cmd_sync(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {.form = {.letters = "", .least = 1, .most = 1, .wants = "which path?"},
                                          .ask = ctl_sync,
                                          .show = show_synced};
        return question_run(&q, o, argc, argv);
}
