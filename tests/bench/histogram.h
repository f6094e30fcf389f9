/* Times, counted in buckets whose width grows with the value: 128 buckets for each doubling, so that what is read back
 * is never too low, and too high by less than 1 %. A fixed size, no allocation, one addition for each value.
 *
 * Nothing is made up for what was left out: whoever measures at a fixed rate counts each time from the moment at which
 * the operation was due, and coordinated omission does not come up. */
#ifndef BATON_TESTS_BENCH_HISTOGRAM_H
#define BATON_TESTS_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
/* Some 18 minutes in nanoseconds. What is longer counts as this long, but for the maximum. */
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << 40) - 1)
#define HISTOGRAM_BUCKETS   ((size_t)(40 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
        uint64_t count, min, max; /* min and max are exact, and 0 while there is no value */
        double sum;
        uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
/* The smallest value that at least `part` (0 to 1) of all values do not exceed, as its bucket's upper end, never above
 * max. 0 of an empty histogram. */
uint64_t histogram_at(const struct histogram *h, double part);
double histogram_mean(const struct histogram *h);

/* For tests: the bucket of a value, and the highest value that a bucket counts. */
size_t histogram_bucket(uint64_t value);
uint64_t histogram_bucket_end(size_t bucket);

#endif
