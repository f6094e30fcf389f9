/* baton-history-check FILE…: reads histories (README.md) and prints what in them can't be.
 * Status: 0 nothing found, 1 something, 2 a file that can't be read, or output that can't be written. */
#include "tests/sim/history/history_check.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A line is printed up to here. */
#define SHOWN_BYTES 2000

struct printing {
        struct history *h;
        const char *file;
};

static void print_entry(const struct printing *p, const struct history_entry *e)
{
        char line[SHOWN_BYTES];
        if (e)
                (void)printf("  %s:%u: %s\n", p->file, e->line, history_line(p->h, e, line, sizeof line));
}

static void print_finding(void *ctx, const struct history_finding *f)
{
        const struct printing *p = ctx;
        (void)printf("%s: %s\n", f->checker, f->text);
        print_entry(p, f->a);
        print_entry(p, f->b);
}

static int check_file(const char *name)
{
        char why[200];
        FILE *file = fopen(name, "r");
        if (!file) {
                (void)fprintf(stderr, "%s: %s\n", name, strerror(errno));
                return 2;
        }
        struct printing p = {.h = history_new(), .file = name};
        int r = history_read(p.h, file, why, sizeof why);
        (void)fclose(file);
        size_t found = 0;
        if (r == 0 && history_count(p.h) == 0) {
                (void)snprintf(why, sizeof why, "nothing was recorded: there is nothing to check");
                r = -ENODATA;
        }
        if (r < 0)
                (void)fprintf(stderr, "%s: %s\n", name, why);
        else
                found = history_check(p.h, print_finding, &p);
        if (r == 0)
                (void)printf("%s: %zu entries, %zu findings\n", name, history_count(p.h), found);
        history_free(p.h);
        return r < 0 ? 2 : found ? 1 : 0;
}

int main(int argc, char **argv)
{
        int status = 0;
        if (argc < 2) {
                (void)fprintf(stderr, "usage: baton-history-check FILE...\n");
                return 2;
        }
        for (int i = 1; i < argc; i++) {
                int r = check_file(argv[i]);
                status = r > status ? r : status;
        }
        if (fflush(stdout) != 0 || ferror(stdout)) {
                perror("baton-history-check: not all could be written");
                return 2;
        }
        return status;
}
