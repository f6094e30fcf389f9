#include "tests/sim/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void verdict_break(struct verdict *v, uint64_t at_ms, const char *checker, const char *format, ...)
{
        if (verdict_broken(v))
                return;
        va_list args;
        va_start(args, format);
        (void)snprintf(v->checker, sizeof v->checker, "%s", checker);
        (void)vsnprintf(v->text, sizeof v->text, format, args);
        va_end(args);
        v->at_ms = at_ms;
}
