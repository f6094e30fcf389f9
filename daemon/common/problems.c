/* See problems.h. */
#include "daemon/common/problems.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void problems_init(struct problems *p, const char *file)
{
        assert(file);
        p->file = file;
        p->count = 0;
}

void problems_add(struct problems *p, int line, const char *format, ...)
{
        if (p->count < PROBLEMS_MAX) {
                struct problem *one = &p->list[p->count];
                va_list ap;
                one->line = line;
                va_start(ap, format);
                (void)vsnprintf(one->text, sizeof one->text, format, ap); /* a cut sentence still says where */
                va_end(ap);
        }
        p->count++;
}

static int by_line(const void *a, const void *b)
{
        const struct problem *x = a;
        const struct problem *y = b;
        return (x->line > y->line) - (x->line < y->line);
}

void problems_sort(struct problems *p)
{
        size_t kept = p->count < PROBLEMS_MAX ? p->count : PROBLEMS_MAX;
        if (kept > 1)
                qsort(p->list, kept, sizeof p->list[0], by_line);
}

int problems_text(const struct problems *p, size_t i, char *buffer, size_t size)
{
        assert(i < p->count && i < PROBLEMS_MAX);
        const struct problem *one = &p->list[i];
        if (one->line <= 0)
                return snprintf(buffer, size, "%s: %s", p->file, one->text);
        return snprintf(buffer, size, "%s:%d: %s", p->file, one->line, one->text);
}
