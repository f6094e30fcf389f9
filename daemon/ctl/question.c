/* See question.h. */
#include "daemon/ctl/question.h"

int question_check_watch(const struct ctl_options *o, const char *command, const struct args *a)
{
        if (!a->has['w'] || o->shared)
                return CTL_DONE;
        return args_wrong(command, "-w is for a shell; the command watch waits for changes");
}

int question_run(const struct question *q, const struct ctl_options *o, int argc, char **argv)
{
        struct args a;
        struct ctl *c;
        struct ctl_reply r;
        int status = args_read(argc, argv, &q->form, &a);
        if (status == CTL_DONE)
                status = question_check_watch(o, argv[0], &a);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        const char *path = a.rest_count ? a.rest[0] : q->form.most ? "/" : argv[0];
        status = a.has['w'] ? ctl_read_watched(c, q->watched, path, &r) : q->ask(c, path, &r);
        if (status == CTL_DONE)
                status = r.error != ZK_OK ? ctl_refused(path, r.error) : q->show(o, path, &a, &r);
        ctl_reply_done(&r);
        ctl_close(c);
        return status;
}
