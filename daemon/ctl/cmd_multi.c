/* batonctl multi: operations of a file, all or nothing. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/multi_file.h"
#include "daemon/ctl/show.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *op_name(enum opcode type)
{
        switch (type) {
        case OP_SET_DATA:
                return "set";
        case OP_DELETE:
                return "delete";
        case OP_CHECK:
                return "check";
        default:
                return "create";
        }
}

/* To be freed; NULL, the reason printed. */
static char *read_file(const struct ctl_options *o, const char *name, size_t *ret_size)
{
        bool is_stdin = strcmp(name, "-") == 0;
        FILE *in = is_stdin ? stdin : fopen(name, "re");
        if (!in) {
                (void)fprintf(stderr, "batonctl: %s: %s\n", name, strerror(errno));
                return NULL;
        }
        const size_t most = (size_t)o->max_buffer * MULTI_FILE_BYTES_RATIO;
        char *text = mem_alloc(most + 1);
        *ret_size = fread(text, 1, most + 1, in);
        const char *wrong = ferror(in)         ? strerror(errno)
                            : *ret_size > most ? "is larger than any request that --max-buffer allows"
                                               : NULL;
        if (!is_stdin)
                (void)fclose(in);
        if (!wrong)
                return text;
        (void)fprintf(stderr, "batonctl: %s: %s\n", name, wrong);
        mem_free(text);
        return NULL;
}

static void show_done(const struct ctl_options *o, const struct multi_file *m, const struct ctl_reply *r)
{
        json_t *all = json_array();
        for (size_t i = 0; i < m->count; i++) {
                const char *path = i < r->op_count && r->ops[i].path ? r->ops[i].path : m->ops[i].path;
                const char *name = op_name(m->ops[i].type);
                if (o->json)
                        (void)json_array_append_new(all, json_pack("{s:s,s:s}", "operation", name, "path", path));
                else
                        (void)printf("%s %s\n", name, path);
        }
        if (o->json)
                show_json(json_pack("{s:I,s:O}", "zxid", (json_int_t)r->zxid, "operations", all));
        json_decref(all);
}

static int show_failed(const char *name, const struct multi_file *m, const struct ctl_reply *r)
{
        bool told = false;
        for (size_t i = 0; i < r->op_count; i++) {
                const char *text = ctl_error_text(r->ops[i].error);
                if (r->ops[i].error == ZK_OK || r->ops[i].error == ZK_RUNTIME_INCONSISTENCY)
                        continue;
                (void)fprintf(stderr, "%s:%d: %s %s: %s (error %d)\n", name, multi_file_line(m, i),
                              op_name(m->ops[i].type), m->ops[i].path, text ? text : "refused", (int)r->ops[i].error);
                told = true;
        }
        if (!told)
                (void)ctl_refused(name, r->error);
        (void)fprintf(stderr, "batonctl: nothing was changed\n");
        return CTL_REFUSED;
}

static int carry_out(const struct ctl_options *o, const char *name, const struct multi_file *m)
{
        struct ctl *c;
        struct ctl_reply r;
        bool ephemerals = false;
        int status = ctl_open(o, &c);
        if (status != CTL_DONE)
                return status;
        status = ctl_multi(c, m->ops, m->count, &r);
        if (status == CTL_DONE && r.error != ZK_OK)
                status = show_failed(name, m, &r);
        else if (status == CTL_DONE)
                show_done(o, m, &r);
        for (size_t i = 0; i < m->count; i++)
                ephemerals |= m->ops[i].flags & CLIENT_EPHEMERAL;
        (void)fflush(stdout);
        if (status == CTL_DONE && ephemerals && !o->shared)
                ctl_wait_end(c); /* they live as long as we do */
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}

int cmd_multi(const struct ctl_options *o, int argc, char **argv)
{
        static struct problems problems; /* too large for a stack that should stay small */
        static const struct args_form form = {
                .letters = "", .least = 1, .most = 1, .wants = "which file? (- is stdin)"};
        struct args a;
        struct multi_file m;
        size_t size;
        int status = args_read(argc, argv, &form, &a);
        if (status != CTL_DONE)
                return status;
        const char *name = strcmp(a.rest[0], "-") == 0 ? "stdin" : a.rest[0];
        char *text = read_file(o, a.rest[0], &size);
        if (!text)
                return CTL_USAGE;
        problems_init(&problems, name);
        multi_file_parse(text, size, &m, &problems);
        if (problems.count) {
                problems_print(&problems, stderr);
                status = CTL_USAGE;
        } else {
                status = carry_out(o, name, &m);
        }
        multi_file_done(&m);
        mem_free(text);
        return status;
}
