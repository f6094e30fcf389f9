/* batonctl export, import, cp: subtrees as JSON, and copies. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/control_text.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/tree_apply.h"
#include "daemon/ctl/tree_file.h"
#include "daemon/ctl/tree_read.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- export ---- */

struct writing {
        FILE *out;
        size_t count;
};

static int write_node(void *ctx, struct tree_node *node)
{
        struct writing *w = ctx;
        if (!tree_write_node(w->out, node, w->count == 0)) {
                (void)fprintf(stderr, "batonctl: %s: an id of its ACL is no text (UTF-8)\n", node->path);
                return CTL_REFUSED;
        }
        w->count++;
        if (!ferror(w->out))
                return CTL_DONE;
        (void)fprintf(stderr, "batonctl: the output can't be written: %s\n", strerror(errno));
        return CTL_REFUSED;
}

static int export_to(struct ctl *c, struct tree_read *what, FILE *out)
{
        struct writing w = {.out = out};
        what->on_node = write_node;
        what->ctx = &w;
        tree_write_begin(out, what->path);
        int status = tree_read(c, what);
        if (status == CTL_DONE)
                tree_write_end(out);
        else
                (void)fprintf(stderr, "batonctl: the export is incomplete\n");
        return status;
}

/* Nobody else's to read, as values may be secrets, and not through a link that somebody has put there. What is there is
 * left of an export that was killed. */
static FILE *open_part(const char *part)
{
        (void)unlink(part); /* failing, the next says so */
        int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
        if (!out && fd >= 0)
                (void)close(fd); /* nothing was written */
        return out;
}

/* Beside the file, and then in its place: a half of it is never there. */
static int export_to_file(struct ctl *c, struct tree_read *what, const char *path)
{
        struct stat st;
        if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a /dev/null must not become a file */
                (void)fprintf(stderr,
                              "batonctl: %s is no regular file, and would be replaced: without -o the export "
                              "goes to standard output\n",
                              path);
                return CTL_REFUSED;
        }
        size_t size = strlen(path) + sizeof ".part";
        char *part = mem_alloc(size);
        (void)snprintf(part, size, "%s.part", path);
        FILE *out = open_part(part);
        int status = CTL_REFUSED;
        if (!out) {
                (void)fprintf(stderr, "batonctl: %s: %s\n", part, strerror(errno));
                mem_free(part);
                return CTL_REFUSED;
        }
        status = export_to(c, what, out);
        bool flushed = fflush(out) == 0 && fsync(fileno(out)) == 0;
        bool closed = fclose(out) == 0;
        if (status == CTL_DONE && (!flushed || !closed || rename(part, path) < 0)) {
                (void)fprintf(stderr, "batonctl: %s: %s\n", path, strerror(errno));
                status = CTL_REFUSED;
        }
        if (status != CTL_DONE)
                (void)unlink(part);
        mem_free(part);
        return status;
}

int cmd_export(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {{"no-acl", 'A'}, {NULL, 0}};
        static const struct args_form form = {
                .letters = "Ao:", .names = names, .least = 1, .most = 1, .wants = "which path?"};
        struct args a;
        struct ctl *c;
        int status = args_read(argc, argv, &form, &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        struct tree_read what = {.path = a.rest[0], .acl = !a.has['A']};
        status = a.has['o'] ? export_to_file(c, &what, a.option['o']) : export_to(c, &what, stdout);
        ctl_close(c);
        return status;
}

/* ---- import ---- */

static int wrong_file(const char *name, const char *what)
{
        (void)fprintf(stderr, "batonctl: %s: %s\n", name, what);
        return CTL_USAGE;
}

/* What is read, and how much of it: standard input tells no size beforehand. */
struct reading {
        FILE *in;
        size_t left;
        bool too_large;
};

static size_t read_piece(void *buffer, size_t size, void *ctx)
{
        struct reading *r = ctx;
        size_t n = fread(buffer, 1, size, r->in);
        r->too_large |= n > r->left;
        r->left -= n < r->left ? n : r->left;
        return r->too_large || ferror(r->in) ? (size_t)-1 : n;
}

static int read_tree(const char *name, struct tree *ret)
{
        char why[400];
        json_error_t error;
        bool is_stdin = strcmp(name, "-") == 0;
        struct reading r = {.in = is_stdin ? stdin : fopen(name, "re"), .left = TREE_FILE_BYTES_MAX};
        *ret = (struct tree){.nodes = NULL};
        if (!r.in)
                return wrong_file(name, strerror(errno));
        json_t *value = json_load_callback(read_piece, &r, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        bool unread = ferror(r.in);
        if (!is_stdin)
                (void)fclose(r.in); /* only read */
        if (!value) {
                (void)snprintf(why, sizeof why, "no JSON: line %d: %s", error.line, error.text);
                control_text_mask(why);
                return wrong_file(name, r.too_large ? "is larger than 256 MiB: export in parts"
                                        : unread    ? "can't be read"
                                                    : why);
        }
        int bad = tree_from_json(value, ret, why, sizeof why);
        json_decref(value);
        return bad < 0 ? wrong_file(name, why) : CTL_DONE;
}

int cmd_import(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {{"replace", 'r'}, {"dry-run", 'd'}, {"parents", 'p'}, {NULL, 0}};
        static const struct args_form form = {
                .letters = "rdp", .names = names, .least = 1, .most = 2, .wants = "which file? (- is stdin)"};
        struct args a;
        struct ctl *c;
        struct tree t = {.nodes = NULL};
        struct tree_applied applied;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE && a.rest_count > 1 && a.rest[1][0] != '/')
                status = args_wrong(argv[0], "'%s' is no path", a.rest[1]);
        if (status == CTL_DONE)
                status = read_tree(a.rest[0], &t);
        if (status == CTL_DONE && a.rest_count > 1)
                tree_move(&t, a.rest[1]);
        if (status == CTL_DONE)
                status = ctl_open(o, &c);
        if (status == CTL_DONE) {
                const struct tree_apply how = {.replace = a.has['r'], .parents = a.has['p'], .dry = a.has['d']};
                status = tree_apply(c, &t, &how, &applied);
                if (status == CTL_DONE)
                        tree_show_applied(o, t.nodes[0].path, how.dry, &applied);
                ctl_close(c);
        }
        tree_done(&t);
        return status;
}

/* ---- cp ---- */

/* Bytes of what is copied: it is in memory as a whole. */
#define COPY_BYTES_MAX (256u << 20)

struct gathering {
        struct tree tree;
        size_t bytes;
};

static int gather(void *ctx, struct tree_node *node)
{
        struct gathering *g = ctx;
        g->bytes += node->size + strlen(node->path);
        if (g->bytes > COPY_BYTES_MAX) {
                (void)fprintf(stderr, "batonctl: more than 256 MiB are not copied at once: take it in parts\n");
                return CTL_REFUSED;
        }
        tree_add(&g->tree, node);
        *node = (struct tree_node){.path = NULL};
        return CTL_DONE;
}

static bool is_below(const char *path, const char *root)
{
        size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
        return strncmp(path, root, len) == 0 && (path[len] == '/' || !path[len]);
}

static int copy(struct ctl *c, const struct ctl_options *o, struct tree_read *what, const char *to,
                const struct tree_apply *how)
{
        struct gathering g = {.bytes = 0};
        struct tree_applied applied;
        struct ctl_reply r;
        int status = ctl_exists(c, to, &r);
        if (status == CTL_DONE && r.error != ZK_NO_NODE)
                status = ctl_refused(to, r.error == ZK_OK ? (int32_t)ZK_NODE_EXISTS : r.error);
        ctl_reply_done(&r);
        what->on_node = gather;
        what->ctx = &g;
        if (status == CTL_DONE)
                status = tree_read(c, what);
        if (status == CTL_DONE && !g.tree.count)
                status = ctl_refused(what->path, ZK_NO_NODE);
        if (status == CTL_DONE) {
                g.tree.nodes[0].kind = TREE_PERSISTENT; /* what is asked for by name is copied, whatever it is */
                tree_move(&g.tree, to);
                status = tree_apply(c, &g.tree, how, &applied);
        }
        if (status == CTL_DONE)
                tree_show_applied(o, to, how->dry, &applied);
        what->ctx = NULL;
        tree_done(&g.tree);
        return status;
}

int cmd_cp(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {
                {"no-acl", 'A'}, {"dry-run", 'd'}, {"parents", 'p'}, {"recursive", 'r'}, {NULL, 0}};
        static const struct args_form form = {
                .letters = "AdpRr", .names = names, .least = 2, .most = 2, .wants = "from which path to which?"};
        struct args a;
        struct ctl *c;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE && is_below(a.rest[1], a.rest[0]))
                status = args_wrong(argv[0], "%s is not copied into itself", a.rest[0]);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        struct tree_read what = {.path = a.rest[0], .acl = !a.has['A'], .one = !a.has['r'] && !a.has['R']};
        const struct tree_apply how = {.parents = a.has['p'], .dry = a.has['d']};
        status = copy(c, o, &what, a.rest[1], &how);
        ctl_close(c);
        return status;
}
