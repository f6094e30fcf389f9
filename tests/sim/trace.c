#include "tests/sim/trace.h"

#include "election/base/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void trace_init(struct trace *t, FILE *to)
{
        *t = (struct trace){.to = to};
}

void trace_mix(struct trace *t, uint64_t number)
{
        t->digest = hash_u64(t->digest ^ number);
}

void trace_line(struct trace *t, uint64_t at_ms, const char *format, ...)
{
        char line[TRACE_LINE_BYTES];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(line, sizeof line, format, args);
        va_end(args);
        trace_mix(t, at_ms);
        for (const char *c = line; *c; c++)
                trace_mix(t, (unsigned char)*c);
        t->lines++;
        if (t->to)
                (void)fprintf(t->to, "[%" PRIu64 "] %s\n", at_ms, line);
}
