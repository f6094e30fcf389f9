/* What happened, as lines of text and as one number: the same seed must give the same lines, byte for byte, in every
 * build. Nothing here may come from an address, a hash order or the real clock.
 *
 * A line: "[<ms>] <who> <what>". Every line goes into the digest, and to the file only when there is one, so that a run
 * without --trace can be compared with one that has it. */
#ifndef BATON_TESTS_SIM_TRACE_H
#define BATON_TESTS_SIM_TRACE_H

#include <stdint.h>
#include <stdio.h>

#define TRACE_LINE_BYTES 1024

struct trace {
        FILE *to; /* NULL: the digest alone */
        uint64_t digest, lines;
};

void trace_init(struct trace *t, FILE *to);
/* Longer lines are cut. */
void trace_line(struct trace *t, uint64_t at_ms, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Goes into the digest only: frequent and dull (bytes delivered, ticks). */
void trace_mix(struct trace *t, uint64_t number);

#endif
