/* See summary.h. */
#include "election/base/summary.h"

void summary_add(struct summary *s, uint64_t value)
{
        summary_merge(s, &(struct summary){.count = 1, .sum = value, .min = value, .max = value});
}

void summary_merge(struct summary *s, const struct summary *more)
{
        if (!more->count)
                return;
        if (!s->count || more->min < s->min)
                s->min = more->min;
        if (more->max > s->max)
                s->max = more->max;
        s->count += more->count;
        s->sum += more->sum;
}

/* ---- buckets ---- */

static unsigned top_bit(uint64_t value)
{
        unsigned bit = 0;
        while (value >>= 1)
                bit++;
        return bit;
}

static size_t bucket_of(uint64_t value)
{
        if (value < HISTOGRAM_EXACT)
                return (size_t)value;
        const unsigned bit = top_bit(value); /* at least 4 */
        if (bit >= HISTOGRAM_BITS)
                return HISTOGRAM_BUCKETS_MAX - 1;
        const size_t step = (size_t)(value >> (bit - 3)) - HISTOGRAM_STEPS;
        return HISTOGRAM_EXACT + (size_t)(bit - 4) * HISTOGRAM_STEPS + step;
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
        if (bucket < HISTOGRAM_EXACT)
                return bucket;
        const unsigned bit = 4 + (unsigned)((bucket - HISTOGRAM_EXACT) / HISTOGRAM_STEPS);
        const uint64_t step = (bucket - HISTOGRAM_EXACT) % HISTOGRAM_STEPS;
        return ((HISTOGRAM_STEPS + step + 1) << (bit - 3)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
        uint32_t *bucket = &h->buckets[bucket_of(value)];
        summary_add(&h->summary, value);
        if (*bucket < UINT32_MAX)
                (*bucket)++;
}

uint64_t histogram_quantile(const struct histogram *h, uint32_t per_mille)
{
        const struct summary *s = &h->summary;
        uint64_t total = 0, seen = 0;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS_MAX; i++)
                total += h->buckets[i];
        if (!total)
                return 0;
        const uint64_t wanted = (total * per_mille + 999) / 1000;
        size_t at = 0;
        while (at < HISTOGRAM_BUCKETS_MAX - 1 && seen + h->buckets[at] < wanted)
                seen += h->buckets[at++];
        const uint64_t end = at == HISTOGRAM_BUCKETS_MAX - 1 ? UINT64_MAX : bucket_end(at);
        return end < s->max ? end : s->max;
}
