/* batonctl count, ephemerals. */
#include "daemon/ctl/question.h"
#include "daemon/ctl/show.h"

#include <stdio.h>

static int show_count(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        (void)a;
        if (o->json)
                show_json(json_pack("{s:s,s:i}", "path", path, "below", (int)r->number));
        else
                (void)printf("%d\n", (int)r->number);
        return CTL_DONE;
}

int cmd_count(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {.form = {.letters = "", .least = 1, .most = 1, .wants = "which path?"},
                                          .ask = ctl_all_children_number,
                                          .show = show_count};
        return question_run(&q, o, argc, argv);
}

static int show_paths(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r)
{
        (void)path;
        (void)a;
        json_t *all = json_array();
        for (size_t i = 0; i < r->child_count; i++)
                if (o->json)
                        (void)json_array_append_new(all, json_string(r->children[i]));
                else
                        (void)printf("%s\n", r->children[i]);
        if (o->json)
                show_json(json_incref(all));
        json_decref(all);
        return CTL_DONE;
}

int cmd_ephemerals(const struct ctl_options *o, int argc, char **argv)
{
        static const struct question q = {
                .form = {.letters = "", .least = 0, .most = 1, .wants = ""}, .ask = ctl_ephemerals, .show = show_paths};
        return question_run(&q, o, argc, argv);
}
