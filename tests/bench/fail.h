/* How the programs of tests/bench end when something is wrong: a figure with an error in it is no figure. */
#ifndef BATON_TESTS_BENCH_FAIL_H
#define BATON_TESTS_BENCH_FAIL_H

/* Prints `name: ` and the message on stderr, and ends the process with status 1. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
