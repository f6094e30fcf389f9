/* See problems.h. */
#include "daemon/common/problems.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void problems_init(struct problems *p, const char *file)
{
        assert(file);
        p->file = file;
        p->count = 0;
}

static void __attribute__((format(printf, 3, 0)))
add(struct problems *p, struct origin at, const char *format, va_list ap)
{
        if (p->count < PROBLEMS_MAX) {
                struct problem *one = &p->list[p->count];
                bool own = !at.file || strcmp(at.file, p->file) == 0;
                size_t len = own ? 0 : strlen(at.file);
                const char *shown = len > PROBLEM_FILE_MAX ? at.file + len - PROBLEM_FILE_MAX : at.file;
                (void)snprintf(one->file, sizeof one->file, "%s", own ? "" : shown);
                one->line = at.line;
                (void)vsnprintf(one->text, sizeof one->text, format, ap); /* a cut sentence still says where */
        }
        p->count++;
}

void problems_add(struct problems *p, int line, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        add(p, (struct origin){.line = line}, format, ap);
        va_end(ap);
}

void problems_add_at(struct problems *p, struct origin at, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        add(p, at, format, ap);
        va_end(ap);
}

static int by_place(const void *a, const void *b)
{
        const struct problem *x = a;
        const struct problem *y = b;
        int file = strcmp(x->file, y->file); /* "" is the list's own */
        return file != 0 ? file : (x->line > y->line) - (x->line < y->line);
}

void problems_sort(struct problems *p)
{
        size_t kept = p->count < PROBLEMS_MAX ? p->count : PROBLEMS_MAX;
        if (kept > 1)
                qsort(p->list, kept, sizeof p->list[0], by_place);
}

int problems_text(const struct problems *p, size_t i, char *buffer, size_t size)
{
        assert(i < p->count && i < PROBLEMS_MAX);
        const struct problem *one = &p->list[i];
        const char *file = one->file[0] ? one->file : p->file;
        if (one->line <= 0)
                return snprintf(buffer, size, "%s: %s", file, one->text);
        return snprintf(buffer, size, "%s:%d: %s", file, one->line, one->text);
}

struct origin_text origin_text(struct origin here, struct origin other)
{
        struct origin_text t;
        if (other.file == here.file || (here.file && other.file && strcmp(here.file, other.file) == 0))
                (void)snprintf(t.text, sizeof t.text, "line %d", other.line);
        else
                (void)snprintf(t.text, sizeof t.text, "%s:%d", other.file, other.line);
        return t;
}

void problems_print(const struct problems *p, FILE *out)
{
        size_t shown = p->count < PROBLEMS_MAX ? p->count : PROBLEMS_MAX;
        for (size_t i = 0; i < shown; i++) {
                char text[PROBLEM_TEXT_MAX + PROBLEM_FILE_MAX + 32];
                (void)problems_text(p, i, text, sizeof text);
                (void)fprintf(out, "%s\n", text);
        }
        if (shown < p->count)
                (void)fprintf(out, "%s: %zu more\n", p->file, p->count - shown);
}
