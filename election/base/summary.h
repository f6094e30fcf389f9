/* Figures of what happens again and again (latencies, sizes): how many, their sum, least and greatest, and, with a
 * struct histogram, about which value how many of them stay below. Of fixed size, whatever is added. */
#ifndef BATON_BASE_SUMMARY_H
#define BATON_BASE_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one. */
struct summary {
        uint64_t count, sum, min, max;
};

void summary_add(struct summary *s, uint64_t value);
/* Adds all that `more` has seen. */
void summary_merge(struct summary *s, const struct summary *more);

/* Values below this have a bucket each; above, each power of two has HISTOGRAM_STEPS buckets, so that a quantile is
 * at most an eighth above the truth. The last bucket takes all from 2^HISTOGRAM_BITS on. */
#define HISTOGRAM_EXACT 16
#define HISTOGRAM_STEPS 8
#define HISTOGRAM_BITS  32
/* Buckets of a histogram, 4 bytes each. */
#define HISTOGRAM_BUCKETS_MAX (HISTOGRAM_EXACT + (HISTOGRAM_BITS - 4) * HISTOGRAM_STEPS)

/* All zero is an empty one. */
struct histogram {
        struct summary summary;
        uint32_t buckets[HISTOGRAM_BUCKETS_MAX];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value that `per_mille` of a thousand do not exceed, or a little more; 0 of an empty one. */
uint64_t histogram_quantile(const struct histogram *h, uint32_t per_mille);

#endif
