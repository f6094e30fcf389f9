/* A valid record behind an invalid one is found wherever it stands, and however much looks like one: then the log is
 * refused (safety: D5). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG "log.100000001"

/* A log of epoch 1 whose records have data of these sizes, drawn from `seed`; where each of them begins. */
static void make_log(struct fixture *f, uint64_t seed, const size_t *sizes, size_t count, size_t *ret_at)
{
        struct effects fx;
        struct prng p = {.state = seed};
        size_t end = TXNLOG__HEADER_SIZE;
        fixture_init(f);
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        effects_init(&fx);
        for (size_t i = 0; i < count; i++) {
                struct blob *b = fixture_payload(ZXID(1, (int64_t)i + 1), sizes[i]);
                for (size_t k = 60; k + 40 < b->len; k++) /* within the node's data */
                        b->data[k] = (uint8_t)prng_next(&p);
                ret_at[i] = end;
                end += b->len + TXNLOG__RECORD_OVERHEAD;
                (void)effect_log_append(&fx, b, 0, b->len, ZXID(1, (int64_t)i + 1));
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
        fixture_close(f);
}

static void test_a_record_of_any_length_is_found(void **state)
{
        (void)state;
        for (size_t size = 100; size < 1000000; size += size < 700 ? 1 : size / 40) {
                struct fixture f;
                char where[64];
                size_t at[2], sizes[] = {40 + size % 7 * 100, size};
                make_log(&f, size, sizes, 2, at);
                memory_storage_flip(f.disk, LOG, at[0] + 50, 1);
                assert_int_equal(fixture_open(&f), -EUCLEAN);
                (void)snprintf(where, sizeof where, "a valid one follows at offset %zu:", at[1]);
                if (!strstr(f.why, where))
                        fail_msg("%zu bytes, at %zu: %s", size, at[1], f.why);
                memory_storage_flip(f.disk, LOG, at[1] + 90, 1); /* and where it is none, it is not */
                fixture_must_open(&f);
                assert_true(f.recovered.lost);
                fixture_done(&f);
        }
}

/* Heads of long records all over a torn one. They are judged without reading each from end to end: that took half a
 * minute. */
static void test_a_client_can_not_make_a_start_take_long(void **state)
{
        (void)state;
        static const uint8_t head[16] = {0, 0, 0, 0, 1, 2, 3, 4, 0, 7, 0, 0, TXNLOG__RECORD_END, 1, 1, 1};
        struct fixture f;
        size_t at[2], len = 0, sizes[] = {40, 1000000};
        make_log(&f, 1, sizes, 2, at);
        const uint8_t *bytes = memory_storage_bytes(f.disk, LOG, &len);
        uint8_t *copy = test_malloc(len);
        memcpy(copy, bytes, len);
        for (size_t i = at[1] + 100; i + sizeof head < at[1] + sizes[1]; i += sizeof head)
                memcpy(copy + i, head, sizeof head);
        memset(copy + at[1] + sizes[1], 0, len - at[1] - sizes[1]);
        memory_storage_put(f.disk, LOG, copy, len);
        clock_t begin = clock();
        fixture_must_open(&f);
        assert_true(clock() - begin < 5 * CLOCKS_PER_SEC); /* of the processor, of which others take nothing */
        assert_true(f.recovered.torn);
        assert_int_equal(f.recovered.last_zxid, ZXID(1, 1));
        fixture_done(&f);
        test_free(copy);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_record_of_any_length_is_found),
                cmocka_unit_test(test_a_client_can_not_make_a_start_take_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
