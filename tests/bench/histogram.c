#include "tests/bench/histogram.h"

#include <assert.h>
#include <string.h>

#define SUB ((size_t)1 << HISTOGRAM_SUB_BITS)

void histogram_init(struct histogram *h)
{
        memset(h, 0, sizeof *h);
}

/* Below 2 * SUB a value is its own bucket; above, `shift` low bits are dropped so that SUB to 2 * SUB - 1 remain. */
size_t histogram_bucket(uint64_t value)
{
        if (value > HISTOGRAM_VALUE_MAX)
                value = HISTOGRAM_VALUE_MAX;
        if (value < SUB)
                return (size_t)value;
        unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
        return shift * SUB + (size_t)(value >> shift);
}

uint64_t histogram_bucket_end(size_t bucket)
{
        assert(bucket < HISTOGRAM_BUCKETS);
        if (bucket < 2 * SUB)
                return bucket;
        size_t shift = bucket / SUB - 1;
        return ((bucket % SUB + SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
        h->min = h->count == 0 || value < h->min ? value : h->min;
        h->max = value > h->max ? value : h->max;
        h->count++;
        h->sum += (double)value;
        h->counts[histogram_bucket(value)]++;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
        assert(part >= 0 && part <= 1);
        double wanted = part * (double)h->count;
        uint64_t seen = 0;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += h->counts[i];
                if (seen == 0 || (double)seen < wanted)
                        continue;
                uint64_t end = histogram_bucket_end(i);
                return end > h->max || i == HISTOGRAM_BUCKETS - 1 ? h->max : end;
        }
        return h->max;
}

double histogram_mean(const struct histogram *h)
{
        return h->count ? h->sum / (double)h->count : 0;
}
