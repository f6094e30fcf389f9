/* Commands that ask the ensemble one question about one path, and show the answer. */
#ifndef BATON_CTL_QUESTION_H
#define BATON_CTL_QUESTION_H

#include "daemon/ctl/args.h"
#include "daemon/ctl/ctl.h"

struct question {
        struct args_form form;
        /* The request; the path is the first argument, "/" where there is none, the command's name where it takes none.
         */
        int (*ask)(struct ctl *c, const char *path, struct ctl_reply *ret);
        enum opcode watched; /* the read that -w makes of it, for a shell: letter w is in the form then. Else 0 */
        /* Shows what was answered without an error; returns an exit status. */
        int (*show)(const struct ctl_options *o, const char *path, const struct args *a, const struct ctl_reply *r);
};

/* All of the command. Returns an exit status, the reason printed. */
int question_run(const struct question *q, const struct ctl_options *o, int argc, char **argv);
/* Refuses -w outside of a shell: a watch lives as long as its session. */
int question_check_watch(const struct ctl_options *o, const char *command, const struct args *a);

#endif
