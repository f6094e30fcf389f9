/* batonctl ls, get, set, create, delete, watch: znodes as they are. */
#include "daemon/ctl/ctl.h"

#include "daemon/common/settings.h"
#include "election/base/alloc.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of a value that `set` and `create` read from stdin. */
#define VALUE_BYTES_MAX (1u << 20)
/* Levels that -R goes down. */
#define DEPTH_MAX 64
/* Where `set` makes what is missing. */
#define CONFIG_ROOT "/baton/config/"

/* What the commands of this file understand; each takes what its line in main.c says. */
struct arguments {
        bool recursive, ephemeral, sequential, parents, stat;
        int64_t version; /* -1: any */
        int64_t count;   /* events of `watch`; 0: no end */
        const char *path, *value;
};

static int wrong(const char *command, const char *what)
{
        (void)fprintf(stderr, "batonctl %s: %s; see batonctl --help\n", command, what);
        return CTL_USAGE;
}

/* `letters` as for getopt(); `values` is how many arguments may follow the path. */
static int read_arguments(int argc, char **argv, const char *letters, int values, struct arguments *ret)
{
        *ret = (struct arguments){.version = -1};
        optind = 0; /* the GNU way to begin anew */
        for (int letter; (letter = getopt(argc, argv, letters)) != -1;) {
                switch (letter) {
                case 'R':
                        ret->recursive = true;
                        break;
                case 'e':
                        ret->ephemeral = true;
                        break;
                case 's':
                        ret->sequential = ret->stat = true; /* -s of create, and of get */
                        break;
                case 'p':
                        ret->parents = true;
                        break;
                case 'v':
                        if (settings_number(optarg, -1, INT32_MAX, &ret->version) < 0)
                                return wrong(argv[0], "-v wants a version");
                        break;
                case 'n':
                        if (settings_number(optarg, 1, INT32_MAX, &ret->count) < 0)
                                return wrong(argv[0], "-n wants a number of events");
                        break;
                default:
                        return CTL_USAGE; /* getopt has said why */
                }
        }
        if (optind >= argc)
                return wrong(argv[0], "which path?");
        ret->path = argv[optind++];
        if (optind < argc && values > 0)
                ret->value = argv[optind++];
        return optind == argc ? CTL_DONE : wrong(argv[0], "too many arguments");
}

/* A child's path, to be freed. */
static char *child_path(const char *parent, const char *name)
{
        size_t size = strlen(parent) + strlen(name) + 2;
        char *path = mem_alloc(size);
        (void)snprintf(path, size, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
        return path;
}

static void print_json(json_t *value)
{
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)putchar('\n');
        json_decref(value);
}

/* As JSON: text where it is text, else its bytes as Latin-1 would have them, marked. */
static void put_value(json_t *object, const char *data, size_t size)
{
        json_t *text = data ? json_stringn(data, size) : json_null();
        if (text) {
                (void)json_object_set_new(object, "value", text);
                return;
        }
        static const char digits[] = "0123456789abcdef";
        char *hex = mem_alloc(2 * size + 1);
        for (size_t i = 0; data && i < size; i++) {
                hex[2 * i] = digits[(unsigned char)data[i] >> 4];
                hex[2 * i + 1] = digits[(unsigned char)data[i] & 15];
        }
        hex[2 * size] = '\0';
        (void)json_object_set_new(object, "value_hex", json_string(hex));
        mem_free(hex);
}

static json_t *stat_json(const struct jute_stat *s)
{
        return json_pack("{s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:I,s:i,s:i,s:I}", "czxid", (json_int_t)s->czxid, "mzxid",
                         (json_int_t)s->mzxid, "ctime", (json_int_t)s->ctime, "mtime", (json_int_t)s->mtime, "version",
                         s->version, "cversion", s->cversion, "aversion", s->aversion, "ephemeral_owner",
                         (json_int_t)s->ephemeral_owner, "data_length", s->data_length, "num_children", s->num_children,
                         "pzxid", (json_int_t)s->pzxid);
}

static void print_stat(const struct jute_stat *s)
{
        (void)printf("czxid 0x%" PRIx64 "\nmzxid 0x%" PRIx64 "\npzxid 0x%" PRIx64 "\n", (uint64_t)s->czxid,
                     (uint64_t)s->mzxid, (uint64_t)s->pzxid);
        (void)printf("version %d\ncversion %d\naversion %d\n", (int)s->version, (int)s->cversion, (int)s->aversion);
        (void)printf("ctime %" PRId64 "\nmtime %" PRId64 "\nephemeral_owner 0x%" PRIx64 "\n", s->ctime, s->mtime,
                     (uint64_t)s->ephemeral_owner);
        (void)printf("data_length %d\nnum_children %d\n", (int)s->data_length, (int)s->num_children);
}

/* Byte for byte; a line's end is added where a person reads, or something follows. */
static void print_value(const char *data, size_t size, bool more)
{
        if (data)
                (void)fwrite(data, 1, size, stdout);
        if (data && size && data[size - 1] != '\n' && (more || isatty(STDOUT_FILENO)))
                (void)putchar('\n');
}

/* ---- ls ---- */

static int list(struct ctl *c, const char *path, bool recursive, int depth, json_t *all)
{
        struct ctl_reply r;
        int status = ctl_children(c, path, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = depth && r.error == ZK_NO_NODE ? CTL_DONE : ctl_refused(path, r.error);
        for (size_t i = 0; status == CTL_DONE && i < r.child_count; i++) {
                char *child = child_path(path, r.children[i]);
                const char *shown = recursive ? child : r.children[i];
                if (all)
                        (void)json_array_append_new(all, json_string(shown));
                else
                        (void)printf("%s\n", shown);
                if (recursive && depth < DEPTH_MAX)
                        status = list(c, child, true, depth + 1, all);
                mem_free(child);
        }
        ctl_reply_done(&r);
        return status;
}

int cmd_ls(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        int status = read_arguments(argc, argv, "R", 0, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        json_t *all = o->json ? json_array() : NULL;
        status = list(c, a.path, a.recursive, 0, all);
        if (status == CTL_DONE && all)
                print_json(json_incref(all));
        json_decref(all);
        ctl_close(c);
        return status;
}

/* ---- get ---- */

static void show_node(const struct ctl_options *o, const char *path, const struct ctl_reply *r, bool stat)
{
        if (!o->json) {
                print_value(r->data, r->size, stat);
                if (stat)
                        print_stat(&r->stat);
                return;
        }
        json_t *object = json_object();
        (void)json_object_set_new(object, "path", json_string(path));
        put_value(object, r->data, r->size);
        (void)json_object_set_new(object, "stat", stat_json(&r->stat));
        print_json(object);
}

int cmd_get(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        struct ctl_reply r;
        int status = read_arguments(argc, argv, "s", 0, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = ctl_get(c, a.path, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(a.path, r.error);
        else if (status == CTL_DONE)
                show_node(o, a.path, &r, a.stat);
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}

/* ---- set, create ---- */

/* "-" is stdin. The memory is the caller's to free, NULL where the value is on the command line. */
static int read_value(const char *text, struct jute_str *ret, char **ret_memory)
{
        *ret_memory = NULL;
        if (!text || strcmp(text, "-") != 0) {
                *ret = jute_cstr(text ? text : "");
                return CTL_DONE;
        }
        char *data = mem_alloc(VALUE_BYTES_MAX + 1);
        size_t size = fread(data, 1, VALUE_BYTES_MAX + 1, stdin);
        if (ferror(stdin) || size > VALUE_BYTES_MAX) {
                mem_free(data);
                (void)fprintf(stderr, "batonctl: %s\n",
                              size > VALUE_BYTES_MAX ? "stdin has more than a znode may hold (1 MiB)"
                                                     : "stdin can't be read");
                return CTL_USAGE;
        }
        *ret = jute_str_of(data, size);
        *ret_memory = data;
        return CTL_DONE;
}

/* Makes the parents of a path, as far as they are missing. */
static int make_parents(struct ctl *c, const char *path)
{
        char *copy = mem_strdup(path);
        int status = CTL_DONE;
        for (char *at = copy; status == CTL_DONE && *at && (at = strchr(at + 1, '/'));) {
                struct ctl_reply r;
                *at = '\0';
                status = ctl_create(c, copy, jute_cstr(""), CLIENT_PERSISTENT, &r);
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
                print_json(json_pack("{s:s}", "path", path));
        else
                (void)printf("%s\n", path);
}

static int create(struct ctl *c, const char *path, struct jute_str value, int32_t flags, bool parents)
{
        struct ctl_reply r;
        int status = ctl_create(c, path, value, flags, &r);
        if (status == CTL_DONE && r.error == ZK_NO_NODE && parents) {
                ctl_reply_done(&r);
                status = make_parents(c, path);
                if (status != CTL_DONE)
                        return status;
                status = ctl_create(c, path, value, flags, &r);
        }
        if (status == CTL_DONE && r.error == ZK_NO_NODE)
                (void)fprintf(stderr, "batonctl: %s: its parent is not there (create -p makes it)\n", path);
        else if (status == CTL_DONE && r.error != ZK_OK)
                (void)ctl_refused(path, r.error);
        else if (status == CTL_DONE)
                show_made(c, r.path ? r.path : path);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = CTL_REFUSED;
        ctl_reply_done(&r);
        return status;
}

/* Configuration is made where it is missing: who sets a value there means it to be there. */
static int set(struct ctl *c, const struct ctl_options *o, const struct arguments *a, struct jute_str value)
{
        struct ctl_reply r;
        int status = ctl_set(c, a->path, value, (int32_t)a->version, &r);
        bool config = strncmp(a->path, CONFIG_ROOT, strlen(CONFIG_ROOT)) == 0;
        if (status == CTL_DONE && r.error == ZK_NO_NODE && config && a->version < 0) {
                ctl_reply_done(&r);
                status = make_parents(c, a->path);
                if (status == CTL_DONE)
                        status = ctl_create(c, a->path, value, CLIENT_PERSISTENT, &r);
                if (status == CTL_DONE && r.error == ZK_NODE_EXISTS) { /* somebody else was as quick */
                        ctl_reply_done(&r);
                        status = ctl_set(c, a->path, value, -1, &r);
                }
        }
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(a->path, r.error);
        else if (status == CTL_DONE && o->json)
                print_json(json_pack("{s:s,s:i,s:I}", "path", a->path, "version", r.has_stat ? r.stat.version : 0,
                                     "zxid", (json_int_t)r.zxid));
        ctl_reply_done(&r);
        return status;
}

int cmd_set(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        struct jute_str value;
        char *memory = NULL;
        int status = read_arguments(argc, argv, "v:", 1, &a);
        if (status == CTL_DONE && !a.value)
                status = wrong(argv[0], "which value? (- reads it from stdin)");
        if (status == CTL_DONE)
                status = read_value(a.value, &value, &memory);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                status = set(c, o, &a, value);
                ctl_close(c);
        }
        mem_free(memory);
        return status;
}

int cmd_create(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        struct jute_str value;
        char *memory = NULL;
        int status = read_arguments(argc, argv, "esp", 1, &a);
        if (status == CTL_DONE)
                status = read_value(a.value, &value, &memory);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                int32_t flags = (a.ephemeral ? CLIENT_EPHEMERAL : 0) | (a.sequential ? CLIENT_SEQUENTIAL : 0);
                status = create(c, a.path, value, flags, a.parents);
                (void)fflush(stdout);
                if (status == CTL_DONE && a.ephemeral)
                        ctl_wait_end(c); /* it lives as long as we do */
                ctl_close(c);
        }
        mem_free(memory);
        return status;
}

/* ---- delete ---- */

static int delete_below(struct ctl *c, const char *path, int depth);

static int delete_one(struct ctl *c, const char *path, int32_t version, bool recursive, int depth)
{
        struct ctl_reply r;
        int status = recursive ? delete_below(c, path, depth) : CTL_DONE;
        if (status != CTL_DONE)
                return status;
        status = ctl_delete(c, path, version, &r);
        if (status == CTL_DONE && r.error != ZK_OK && !(depth && r.error == ZK_NO_NODE))
                status = ctl_refused(path, r.error);
        ctl_reply_done(&r);
        return status;
}

static int delete_below(struct ctl *c, const char *path, int depth)
{
        struct ctl_reply r;
        int status = ctl_children(c, path, &r);
        if (status == CTL_DONE && r.error != ZK_OK && r.error != ZK_NO_NODE)
                status = ctl_refused(path, r.error);
        for (size_t i = 0; status == CTL_DONE && i < r.child_count && depth < DEPTH_MAX; i++) {
                char *child = child_path(path, r.children[i]);
                status = delete_one(c, child, -1, true, depth + 1);
                mem_free(child);
        }
        ctl_reply_done(&r);
        return status;
}

int cmd_delete(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        int status = read_arguments(argc, argv, "Rv:", 0, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = delete_one(c, a.path, (int32_t)a.version, a.recursive, 0);
        if (status == CTL_DONE && o->json)
                print_json(json_pack("{s:s}", "deleted", a.path));
        ctl_close(c);
        return status;
}

/* ---- watch ---- */

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
                put_value(object, r->data, r->size);
                for (size_t i = 0; i < r->child_count; i++)
                        (void)json_array_append_new(children, json_string(r->children[i]));
                (void)json_object_set_new(object, "children", children);
                print_json(object);
        } else {
                (void)printf("%s %s version %d, %zu children: ", event, path, (int)r->stat.version, r->child_count);
                (void)fwrite(r->data ? r->data : "", 1, r->size, stdout);
                (void)putchar('\n');
        }
        (void)fflush(stdout);
}

static int watch(struct ctl *c, const struct ctl_options *o, const struct arguments *a)
{
        const char *event = "is";
        for (int64_t told = 0;; told++) {
                struct ctl_reply r;
                int status = ctl_watch(c, a->path, &r);
                bool gone = status == CTL_DONE && r.error == ZK_NO_NODE && told > 0;
                if (gone)
                        show_state(o, "deleted", a->path, &r);
                else if (status == CTL_DONE && r.error != ZK_OK)
                        status = ctl_refused(a->path, r.error);
                else if (status == CTL_DONE)
                        show_state(o, event, a->path, &r);
                ctl_reply_done(&r);
                if (gone || status != CTL_DONE || (a->count && told >= a->count))
                        return status;
                enum client_event what = ctl_wait_event(c);
                if (what == CLIENT_EVENT_NONE)
                        return CTL_DONE;
                event = event_name(what);
        }
}

int cmd_watch(const struct ctl_options *o, int argc, char **argv)
{
        struct arguments a;
        struct ctl *c;
        int status = read_arguments(argc, argv, "n:", 0, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = watch(c, o, &a);
        ctl_close(c);
        return status;
}
