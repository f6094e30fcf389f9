/* Fuzzers that must fail. A fuzzer that has died (no coverage, a sanitizer left out, assertions compiled away, a runner
 * that overlooks a failure) finds nothing, and nothing tells that from sound code. So one bug of each kind is planted
 * here, behind a few comparisons that only a fuzzer which sees its way gets through: CANARY_OVERFLOW for
 * AddressSanitizer, CANARY_LEAK for LeakSanitizer, CANARY_OVERRUN for UndefinedBehaviorSanitizer, CANARY_ASSERT for
 * assertions. ./dev test fuzz fails unless each of them is found. */
#include "election/jute/jute.h"
#include "tests/fuzz/fuzz.h"

#include <limits.h>

#define MAGIC 0x62

/* A vector of bytes, counted by one byte; nobody checks the count. */
static unsigned sum_of(struct jute_reader *r)
{
        unsigned sum = 0;
        int count = jute_get_byte(r);
        const uint8_t *at = r->at;
        for (int i = 0; i < count; i++)
                sum += at[i];
        return sum;
}

static void planted(struct jute_reader *r)
{
#if defined(CANARY_OVERFLOW)
        volatile unsigned sum = sum_of(r);
        (void)sum;
#elif defined(CANARY_OVERRUN)
        volatile int n = INT_MAX - 100;
        for (int i = jute_get_byte(r); i > 0; i--)
                n = n + 1;
        (void)sum_of;
#elif defined(CANARY_LEAK)
        void *volatile lost = mem_alloc(1 + (size_t)jute_get_byte(r));
        lost = NULL;
        (void)lost;
        (void)sum_of;
#elif defined(CANARY_ASSERT)
        assert(jute_get_byte(r) < 200);
        (void)sum_of;
#else
#error "say which canary"
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct fuzz_bytes b = fuzz_take(&in, SIZE_MAX);
        struct jute_reader r;
        jute_reader_init(&r, b.data, b.len, 1024);
        if (jute_get_byte(&r) == MAGIC && jute_get_byte(&r) == MAGIC + 1 && jute_get_byte(&r) == MAGIC + 2)
                planted(&r);
        mem_free(b.data);
        return 0;
}
