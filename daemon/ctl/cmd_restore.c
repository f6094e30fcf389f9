/* batonctl restore: a snapshot into an empty data directory, without any server. */
#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/restore.h"
#include "daemon/ctl/show.h"

#include <inttypes.h>
#include <stdio.h>

/* The directory and the id are this node's, unless both are given. */
static int from_config(const struct ctl_options *o, struct restore *how, struct node_config **ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        const char *path = o->config ? o->config : NODE_CONFIG_DEFAULT;
        if (how->data_dir && how->id)
                return CTL_DONE;
        problems_init(&problems, path);
        if (node_config_load(path, ret, &problems) < 0) {
                problems_print(&problems, stderr);
                (void)fprintf(stderr, "batonctl: --data-dir and --id name the directory without a configuration\n");
                return CTL_USAGE;
        }
        if (!how->data_dir)
                how->data_dir = (*ret)->data_dir;
        if (!how->id)
                how->id = (*ret)->id;
        if (how->id && *how->data_dir)
                return CTL_DONE;
        (void)fprintf(stderr, "batonctl: %s: no server runs here: --data-dir and --id say which one is meant\n", path);
        return CTL_USAGE;
}

static void show(const struct ctl_options *o, const struct restore *how, const struct restored *r)
{
        if (o->json) {
                show_json(json_pack("{s:s,s:I,s:I,s:I,s:I,s:b}", "data_dir", how->data_dir, "zxid", (json_int_t)r->zxid,
                                    "znodes", (json_int_t)r->znodes, "sessions", (json_int_t)r->sessions, "logs",
                                    (json_int_t)r->logs, "exact", (int)r->exact));
                return;
        }
        (void)printf("%s: server %" PRId64 " starts at zxid 0x%" PRIx64 " with %zu znodes, %zu sessions\n",
                     how->data_dir, how->id, (uint64_t)r->zxid, r->znodes, r->sessions);
        (void)printf("Restore the same on every voting server before the first of them starts: one that is empty may\n"
                     "else be elected with another empty one, and what is restored here is then overwritten.\n");
}

int cmd_restore(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_name names[] = {{"data-dir", 'd'}, {"id", 'i'}, {"fuzzy", 'f'}, {NULL, 0}};
        static const struct args_form form = {.letters = "d:i:f",
                                              .names = names,
                                              .least = 1,
                                              .most = 1,
                                              .wants = "which snapshot, or which directory with one?"};
        struct args a;
        struct restore how = {.from = NULL};
        struct restored restored;
        struct node_config *config = NULL;
        int status = args_read(argc, argv, &form, &a);
        if (status == CTL_DONE)
                status = args_number(argv[0], &a, 'i', 1, 255, &how.id);
        how.data_dir = a.option['d'];
        how.fuzzy = a.has['f'];
        if (status == CTL_DONE)
                status = from_config(o, &how, &config);
        if (status == CTL_DONE) {
                how.from = a.rest[0];
                status = restore_run(&how, &restored);
        }
        if (status == CTL_DONE)
                show(o, &how, &restored);
        node_config_free(config);
        return status;
}
