/* batonctl setquota, listquota, delquota: how many znodes and bytes there may be below one. The servers count, and hold
 * to hard limits where they are told to (enforceQuota). */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/quota_text.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/walk.h"
#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* zkCli's letters. */
static const struct {
        char letter;
        size_t offset; /* in struct quota */
} limits[] = {{'n', offsetof(struct quota, count)},
              {'b', offsetof(struct quota, bytes)},
              {'N', offsetof(struct quota, count_hard)},
              {'B', offsetof(struct quota, bytes_hard)}};
#define LIMITS (sizeof limits / sizeof *limits)

static int64_t *limit_of(struct quota *q, size_t i)
{
        return (int64_t *)(void *)((char *)q + limits[i].offset);
}

/* To be freed: the znode that holds the quota of `path`; with `name`, one of its two children. */
static char *quota_path(const char *path, const char *name)
{
        size_t size = sizeof QUOTA_ROOT + strlen(path) + strlen(name) + 2;
        char *text = mem_alloc(size);
        (void)snprintf(text, size, QUOTA_ROOT "%s%s%s", strcmp(path, "/") == 0 ? "" : path, *name ? "/" : "", name);
        return text;
}

/* What one of the two says. */
struct limits {
        struct quota quota;
        bool set;
        int32_t version;
};

static int read_quota(struct ctl *c, const char *path, const char *name, struct limits *ret)
{
        struct ctl_reply r;
        char *node = quota_path(path, name);
        int status = ctl_get(c, node, &r);
        *ret = (struct limits){.quota = {.count = -1, .bytes = -1, .count_hard = -1, .bytes_hard = -1}};
        if (status == CTL_DONE && r.error != ZK_OK && r.error != ZK_NO_NODE) {
                status = ctl_refused(node, r.error);
        } else if (status == CTL_DONE && r.error == ZK_OK) {
                ret->set = true;
                ret->version = r.stat.version;
                if (!quota_parse(r.data ? r.data : "", r.size, &ret->quota)) {
                        (void)fprintf(stderr, "batonctl: %s: holds no quota\n", node);
                        status = CTL_REFUSED;
                }
        }
        ctl_reply_done(&r);
        mem_free(node);
        return status;
}

/* ---- setquota ---- */

/* Servers count for the innermost quota only: one within another would make the outer one wrong. */
static int others_in_the_way(struct ctl *c, const char *path)
{
        struct walk w = {.nodes = NULL};
        struct ctl_reply r;
        char *copy = mem_strdup(path), *own = quota_path(path, "");
        int status = CTL_DONE;
        for (char *slash = strrchr(copy, '/'); status == CTL_DONE && slash != copy; slash = strrchr(copy, '/')) {
                struct limits above;
                *slash = '\0';
                status = read_quota(c, copy, QUOTA_LIMITS, &above);
                if (status == CTL_DONE && above.set) {
                        (void)fprintf(stderr, "batonctl: %s: %s above it has a quota\n", path, copy);
                        status = CTL_REFUSED;
                }
        }
        if (status == CTL_DONE)
                status = ctl_exists(c, own, &r);
        bool more = status == CTL_DONE && r.error == ZK_OK;
        if (status == CTL_DONE)
                ctl_reply_done(&r);
        if (more)
                status = walk_read(c, own, &w);
        for (size_t i = 0; status == CTL_DONE && i < w.count; i++) {
                char *name = strrchr(w.nodes[i].path, '/');
                if (strcmp(name + 1, QUOTA_LIMITS) != 0 || name == w.nodes[i].path + strlen(own))
                        continue;
                *name = '\0';
                (void)fprintf(stderr, "batonctl: %s: %s below it has a quota\n", path,
                              w.nodes[i].path + strlen(QUOTA_ROOT));
                status = CTL_REFUSED;
        }
        walk_done(&w);
        mem_free(copy);
        mem_free(own);
        return status;
}

/* Both znodes at once. */
static int make_quota(struct ctl *c, const char *path, const struct quota *q)
{
        char text[QUOTA_TEXT_MAX], zero[QUOTA_TEXT_MAX];
        char *of_limits = quota_path(path, QUOTA_LIMITS), *of_stats = quota_path(path, QUOTA_STATS);
        struct ctl_reply r = {.data = NULL};
        const struct quota none = {.count_hard = -1, .bytes_hard = -1};
        quota_format(q, text);
        quota_format(&none, zero);
        const struct client_op ops[] = {{.type = OP_CREATE, .path = of_limits, .data = jute_cstr(text)},
                                        {.type = OP_CREATE, .path = of_stats, .data = jute_cstr(zero)}};
        int status = ctl_make_parents(c, of_limits);
        if (status == CTL_DONE)
                status = ctl_multi(c, ops, 2, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(of_limits, r.error);
        ctl_reply_done(&r);
        mem_free(of_limits);
        mem_free(of_stats);
        return status;
}

static int change_quota(struct ctl *c, const char *path, const struct limits *l)
{
        char text[QUOTA_TEXT_MAX];
        char *node = quota_path(path, QUOTA_LIMITS);
        struct ctl_reply r;
        quota_format(&l->quota, text);
        int status = ctl_set(c, node, jute_cstr(text), l->version, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(node, r.error);
        ctl_reply_done(&r);
        mem_free(node);
        return status;
}

static int set_quota(struct ctl *c, const char *path, const struct quota *wanted)
{
        struct ctl_reply r;
        struct limits l;
        int status = ctl_exists(c, path, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        ctl_reply_done(&r);
        if (status == CTL_DONE)
                status = others_in_the_way(c, path);
        if (status == CTL_DONE)
                status = read_quota(c, path, QUOTA_LIMITS, &l);
        if (status != CTL_DONE)
                return status;
        if (!l.set)
                return make_quota(c, path, wanted);
        struct quota copy = *wanted;
        for (size_t i = 0; i < LIMITS; i++)
                if (*limit_of(&copy, i) >= 0)
                        *limit_of(&l.quota, i) = *limit_of(&copy, i);
        return change_quota(c, path, &l);
}

static int path_check(const char *command, const char *path)
{
        static const char own[] = "/zookeeper";
        size_t len = sizeof own - 1;
        if (strcmp(path, "/") == 0 || (strncmp(path, own, len) == 0 && (!path[len] || path[len] == '/')))
                return args_wrong(command, "%s has no quota: servers count neither all there is nor their own", path);
        return path[0] == '/' ? CTL_DONE : args_wrong(command, "'%s' is no path", path);
}

/* Below a root of --hosts /zookeeper/quota would be a znode as any other, made by us, of which no server knows. */
static int root_check(const struct ctl_options *o, const char *command)
{
        const char *root = o->hosts ? strchr(o->hosts, '/') : NULL;
        return !root || !root[1]
                       ? CTL_DONE
                       : args_wrong(command, "quotas are the ensemble's: --hosts without %s, and whole paths", root);
}

int cmd_setquota(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "n:b:N:B:", .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct quota wanted = {.count = -1, .bytes = -1, .count_hard = -1, .bytes_hard = -1};
        int status = args_read(argc, argv, &form, &a);
        for (size_t i = 0; i < LIMITS && status == CTL_DONE; i++)
                status = args_number(argv[0], &a, limits[i].letter, 1, INT64_MAX, limit_of(&wanted, i));
        if (status == CTL_DONE && quota_is_empty(&wanted))
                status = args_wrong(argv[0], "which limit? -n znodes, -b bytes; -N, -B hard ones");
        if (status == CTL_DONE)
                status = root_check(o, argv[0]);
        if (status == CTL_DONE)
                status = path_check(argv[0], a.rest[0]);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = set_quota(c, a.rest[0], &wanted);
        ctl_close(c);
        return status;
}

/* ---- listquota ---- */

static json_t *limit_json(int64_t value)
{
        return value < 0 ? json_null() : json_integer((json_int_t)value);
}

static void show_limits(const char *what, int64_t used, int64_t soft, int64_t hard)
{
        (void)printf("  %s: %" PRId64 " used", what, used);
        if (soft >= 0)
                (void)printf(", soft limit %" PRId64, soft);
        if (hard >= 0)
                (void)printf(", hard limit %" PRId64, hard);
        (void)printf("\n");
}

/* Appends to `all`, or prints. */
static int list_one(struct ctl *c, const char *path, bool must, json_t *all)
{
        struct limits l, used;
        int status = read_quota(c, path, QUOTA_LIMITS, &l);
        if (status == CTL_DONE)
                status = read_quota(c, path, QUOTA_STATS, &used);
        if (status != CTL_DONE)
                return status;
        if (!l.set && must)
                (void)fprintf(stderr, "batonctl: %s: has no quota\n", path);
        if (!l.set)
                return must ? CTL_REFUSED : CTL_DONE;
        if (all) {
                (void)json_array_append_new(
                        all, json_pack("{s:s,s:{s:I,s:o,s:o},s:{s:I,s:o,s:o}}", "path", path, "count", "used",
                                       (json_int_t)used.quota.count, "soft", limit_json(l.quota.count), "hard",
                                       limit_json(l.quota.count_hard), "bytes", "used", (json_int_t)used.quota.bytes,
                                       "soft", limit_json(l.quota.bytes), "hard", limit_json(l.quota.bytes_hard)));
                return CTL_DONE;
        }
        (void)printf("%s\n", path);
        show_limits("znodes", used.quota.count, l.quota.count, l.quota.count_hard);
        show_limits("bytes", used.quota.bytes, l.quota.bytes, l.quota.bytes_hard);
        return CTL_DONE;
}

static int list_all(struct ctl *c, json_t *all)
{
        static const char tail[] = "/" QUOTA_LIMITS;
        struct walk w;
        int status = walk_read(c, QUOTA_ROOT, &w);
        for (size_t i = 0; status == CTL_DONE && i < w.count; i++) {
                char *path = w.nodes[i].path;
                size_t len = strlen(path);
                if (len < sizeof QUOTA_ROOT + sizeof tail || strcmp(path + len - (sizeof tail - 1), tail) != 0)
                        continue;
                path[len - (sizeof tail - 1)] = '\0';
                status = list_one(c, path + strlen(QUOTA_ROOT), false, all);
        }
        walk_done(&w);
        return status;
}

int cmd_listquota(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "", .least = 0, .most = 1, .wants = ""};
        struct args a;
        struct ctl *c;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = root_check(o, argv[0]);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        json_t *all = o->json ? json_array() : NULL;
        status = a.rest_count ? list_one(c, a.rest[0], true, all) : list_all(c, all);
        if (status == CTL_DONE && all)
                show_json(json_incref(all));
        json_decref(all);
        ctl_close(c);
        return status;
}

/* ---- delquota ---- */

/* Both znodes go at once; then those above that only led to them. */
static int drop_quota(struct ctl *c, const char *path)
{
        char *of_limits = quota_path(path, QUOTA_LIMITS), *of_stats = quota_path(path, QUOTA_STATS);
        const struct client_op ops[] = {{.type = OP_DELETE, .path = of_limits, .version = -1},
                                        {.type = OP_DELETE, .path = of_stats, .version = -1}};
        struct ctl_reply r;
        int status = ctl_multi(c, ops, 2, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(path, r.error);
        ctl_reply_done(&r);
        for (char *slash = strrchr(of_limits, '/');
             status == CTL_DONE && (size_t)(slash - of_limits) > strlen(QUOTA_ROOT); slash = strrchr(of_limits, '/')) {
                *slash = '\0';
                status = ctl_delete(c, of_limits, -1, &r);
                bool gone = status == CTL_DONE && (r.error == ZK_OK || r.error == ZK_NO_NODE);
                ctl_reply_done(&r);
                if (!gone)
                        break; /* it leads to others too; what is empty is in nobody's way */
        }
        mem_free(of_limits);
        mem_free(of_stats);
        return status;
}

int cmd_delquota(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "nbNB", .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        struct limits l;
        bool some = false;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = root_check(o, argv[0]);
        if (status == CTL_DONE)
                status = path_check(argv[0], a.rest[0]);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = read_quota(c, a.rest[0], QUOTA_LIMITS, &l);
        if (status == CTL_DONE && !l.set) {
                (void)fprintf(stderr, "batonctl: %s: has no quota\n", a.rest[0]);
                status = CTL_REFUSED;
        }
        for (size_t i = 0; i < LIMITS; i++) {
                if (!a.has[(unsigned char)limits[i].letter])
                        continue;
                some = true;
                *limit_of(&l.quota, i) = -1;
        }
        if (status == CTL_DONE)
                status = some && !quota_is_empty(&l.quota) ? change_quota(c, a.rest[0], &l) : drop_quota(c, a.rest[0]);
        ctl_close(c);
        return status;
}
