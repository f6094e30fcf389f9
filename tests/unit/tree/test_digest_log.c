/* The ring of recent digests (zookeeper/client-protocol.md 10.2: hash). */
#include "election/tree/digest_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
        int64_t first, last;
        size_t count;
};

static void see(void *ctx, int64_t zxid, uint64_t digest)
{
        struct seen *s = ctx;
        assert_int_equal(digest, (uint64_t)zxid * 3);
        if (!s->count++)
                s->first = zxid;
        else
                assert_int_equal(zxid, s->last + DIGEST_LOG_INTERVAL);
        s->last = zxid;
}

/* Whatever its size was when it was filled: oldest first, and never more than the newest 1024. */
static void test_the_newest_are_kept_in_order(void **state)
{
        (void)state;
        static const int64_t ends[] = {0, 1, 15, 16, 17, 33, 500, 1023, 1024, 1025, 1500, 5000};
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                struct digest_log l = {.ring = NULL};
                struct seen s = {.count = 0};
                const int64_t base = INT64_C(7) << 32;
                for (int64_t n = 1; n <= ends[i]; n++)
                        digest_log_note(&l, base + n * DIGEST_LOG_INTERVAL,
                                        (uint64_t)(base + n * DIGEST_LOG_INTERVAL) * 3);
                digest_log_each(&l, see, &s);
                const int64_t kept = ends[i] < DIGEST_LOG_MAX ? ends[i] : DIGEST_LOG_MAX;
                assert_int_equal(s.count, kept);
                assert_true(!kept || s.last == base + ends[i] * DIGEST_LOG_INTERVAL);
                digest_log_done(&l);
        }
}

static void test_only_every_128th_transaction_is_noted(void **state)
{
        (void)state;
        struct digest_log l = {.ring = NULL};
        struct seen s = {.count = 0};
        for (int64_t zxid = 1; zxid < 1000; zxid++)
                digest_log_note(&l, zxid, (uint64_t)zxid * 3);
        digest_log_each(&l, see, &s);
        assert_int_equal(s.count, 7);
        assert_int_equal(s.first, 128);
        digest_log_done(&l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_newest_are_kept_in_order),
                cmocka_unit_test(test_only_every_128th_transaction_is_noted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
