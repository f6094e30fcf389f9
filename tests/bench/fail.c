#include "tests/bench/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bench_fail(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "%s: ", program_invocation_short_name);
        (void)vfprintf(stderr, format, args);
        (void)fputc('\n', stderr);
        va_end(args);
        exit(1);
}
