/* A series of records that is in the log twice: ZooKeeper's follower logs a synchronisation, which is then broken off,
 * and is sent it once more without a restart in between (safety: Z11, D5). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define LOG    "log.100000001"
#define HEADER 16u

/* Six records of one size in epoch 1. */
static size_t make_log(struct fixture *f)
{
        size_t len = 0;
        fixture_init(f);
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 6));
        fixture_close(f);
        const uint8_t *bytes = memory_storage_bytes(f->disk, LOG, &len);
        return ((size_t)bytes[HEADER + 10] << 8 | bytes[HEADER + 11]) + TXNLOG__RECORD_OVERHEAD;
}

/* Puts the records [from, to], of `each` bytes, in once more behind the `behind`th one. With `other`, the last of them
 * is another transaction of that zxid. */
static void repeat(struct fixture *f, size_t each, size_t from, size_t to, size_t behind, bool other)
{
        size_t len = 0, head = HEADER + behind * each, again = (to - from + 1) * each;
        const uint8_t *bytes = memory_storage_bytes(f->disk, LOG, &len);
        assert_true(len >= head);
        uint8_t *copy = test_malloc(len + again);
        memcpy(copy, bytes, head);
        memcpy(copy + head, bytes + HEADER + (from - 1) * each, again);
        memcpy(copy + head + again, bytes + head, len - head);
        if (other) {
                uint8_t *record = copy + head + again - each, *payload = record + TXNLOG__RECORD_HEAD;
                payload[8] ^= 1; /* the cxid */
                uint32_t sum = txnlog__record_sum(payload, (uint32_t)(each - TXNLOG__RECORD_OVERHEAD));
                for (int i = 0; i < 4; i++)
                        record[7 - i] = (uint8_t)(sum >> 8 * i);
        }
        memory_storage_put(f->disk, LOG, copy, len + again);
        test_free(copy);
}

static void put_snapshot(struct fixture *f, int64_t last)
{
        char name[TXNLOG__NAME_MAX];
        struct database *db = database_new();
        for (int64_t c = 1; c <= last; c++)
                fixture_apply(db, ZXID(1, c));
        struct blob *b = fixture_snapshot_bytes(db, ZXID(1, last));
        txnlog__snapshot_name(name, ZXID(1, last));
        memory_storage_put(f->disk, name, b->data, b->len);
        blob_unref(b);
        database_free(db);
}

static void expect(struct fixture *f, int64_t last, size_t replayed)
{
        fixture_must_open(f);
        if (f->recovered.last_zxid != last || f->recovered.replayed != replayed || f->recovered.lost)
                fail_msg("0x%" PRIx64 ", %zu replayed%s", (uint64_t)f->recovered.last_zxid, f->recovered.replayed,
                         f->recovered.lost ? ", lost" : "");
        for (int64_t z = ZXID(1, 1); z <= last; z++)
                assert_true(fixture_has(f->recovered.db, z));
}

/* It is as if it were there once: to read, to write behind, to cut within. */
static void check_goes_on(struct fixture *f, size_t replayed)
{
        expect(f, ZXID(1, 6), replayed);
        fixture_write(f, ZXID(1, 7), ZXID(1, 7));
        expect(f, ZXID(1, 7), replayed + 1);
        for (int64_t z = ZXID(1, 5); z >= ZXID(1, 4); z--) {
                struct recovered r = {0};
                assert_int_equal(fixture_truncate(f, z, true, &r), 1);
                assert_int_equal(r.last_zxid, z);
                recovered_done(&r);
                expect(f, z, replayed - (size_t)(ZXID(1, 6) - z));
        }
        fixture_write(f, ZXID(1, 5), ZXID(1, 6));
        expect(f, ZXID(1, 6), replayed);
        fixture_done(f);
}

static void test_a_series_that_is_there_twice_is_passed_over(void **state)
{
        struct fixture f;
        (void)state;
        size_t each = make_log(&f);
        repeat(&f, each, 3, 5, 5, false); /* and goes on behind it */
        check_goes_on(&f, 6);
        each = make_log(&f);
        repeat(&f, each, 3, 6, 6, false); /* and ends */
        check_goes_on(&f, 6);
        each = make_log(&f);
        repeat(&f, each, 6, 6, 6, false);
        check_goes_on(&f, 6);
        each = make_log(&f);
        repeat(&f, each, 3, 5, 5, false);
        repeat(&f, each, 3, 5, 5, false); /* a third time */
        check_goes_on(&f, 6);
}

static void test_a_series_of_which_a_snapshot_holds_a_part_is_passed_over(void **state)
{
        struct fixture f;
        (void)state;
        size_t each = make_log(&f);
        put_snapshot(&f, 3);
        repeat(&f, each, 2, 5, 5, false);
        check_goes_on(&f, 3);
}

static void expect_refused(struct fixture *f)
{
        uint64_t ops = memory_storage_ops(f->disk);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_int_equal(memory_storage_ops(f->disk), ops);
        fixture_done(f);
}

/* Stale blocks of a disk may look alike, in the place of what is lost. */
static void test_a_part_of_what_was_there_is_refused(void **state)
{
        struct fixture f;
        (void)state;
        size_t each = make_log(&f);
        repeat(&f, each, 3, 4, 5, false); /* up to the fourth of five */
        expect_refused(&f);
        each = make_log(&f);
        repeat(&f, each, 3, 5, 6, false); /* at the end */
        expect_refused(&f);
        each = make_log(&f);
        repeat(&f, each, 5, 5, 5, false);
        repeat(&f, each, 3, 3, 5, false); /* the third, then the fifth */
        expect_refused(&f);
}

static void test_another_transaction_of_the_same_zxid_is_refused(void **state)
{
        struct fixture f;
        (void)state;
        size_t each = make_log(&f);
        repeat(&f, each, 3, 5, 5, true);
        expect_refused(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_series_that_is_there_twice_is_passed_over),
                cmocka_unit_test(test_a_series_of_which_a_snapshot_holds_a_part_is_passed_over),
                cmocka_unit_test(test_a_part_of_what_was_there_is_refused),
                cmocka_unit_test(test_another_transaction_of_the_same_zxid_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
