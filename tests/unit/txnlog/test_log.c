/* The transaction log: bytes, segments, torn tails, damage, failing disks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <string.h>

#define RECORD_BYTES(payload) ((payload) + TXNLOG__RECORD_OVERHEAD)

static size_t record_size(int64_t zxid)
{
        struct blob *b = fixture_payload(zxid, FIXTURE_DATA_BYTES);
        size_t size = RECORD_BYTES(b->len);
        blob_unref(b);
        return size;
}

static uint32_t length_of(const struct fixture *f, const char *name)
{
        size_t len = 0;
        assert_non_null(memory_storage_bytes(f->disk, name, &len));
        return (uint32_t)len;
}

/* Opens and checks that exactly the transactions of epoch 1 up to `counter` are there. */
static void expect_upto(struct fixture *f, int64_t counter)
{
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, counter ? ZXID(1, counter) : 0);
        for (int64_t c = 1; c <= counter; c++)
                assert_true(fixture_has(f->recovered.db, ZXID(1, c)));
        assert_false(fixture_has(f->recovered.db, ZXID(1, counter + 1)));
}

/* ---- bytes ---- */

/* storage-format.md 2.1 and quorum-protocol.md appendix A: the first record of an empty ensemble, a
 * createSession with the digest of the fresh tree, as ZooKeeper 3.8.0 wrote it. */
static void test_first_record_equals_the_one_java_wrote(void **state)
{
        static const uint8_t record[] = {
                0x00, 0x00, 0x00, 0x00, 0xC0, 0xEB, 0x0A, 0x6A, 0x00, 0x00, 0x00, 0x30,       /* checksum, length */
                0x01, 0x00, 0x00, 0x14, 0xC3, 0x2D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,       /* session, cxid */
                0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01,                               /* zxid */
                0x00, 0x00, 0x01, 0xA2, 0x05, 0xEF, 0x5C, 0xF6, 0xFF, 0xFF, 0xFF, 0xF6,       /* time, type */
                0x00, 0x00, 0x27, 0x10,                                                       /* timeout */
                0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x51, 0xC6, 0xD6, 0x60, 0x42, /* digest, 'B' */
        };
        struct fixture *f = *state;
        struct effects fx;
        size_t len = 0;
        struct blob *b = blob_copy(record + 12, 48);
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, b->len, ZXID(1, 1));
        blob_unref(b);
        assert_int_equal(store_perform(f->store, &fx.list[0], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        assert_memory_equal(bytes + 16, record, sizeof record);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 1));
        assert_int_equal(f->recovered.digest_mismatches, 0);
        assert_true(session_table_find(database_sessions(f->recovered.db), 0x01000014C32D0000, NULL));
}

static void test_file_begins_with_magic_version_and_no_database_id(void **state)
{
        struct fixture *f = *state;
        static const uint8_t header[] = {'Z', 'K', 'L', 'G', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0};
        size_t len = 0;
        fixture_must_open(f);
        fixture_write(f, ZXID(1, 1), ZXID(1, 1));
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        assert_non_null(bytes);
        assert_true(len >= 4096);
        assert_memory_equal(bytes, header, sizeof header);
}

static void test_payload_is_stored_byte_for_byte(void **state)
{
        struct fixture *f = *state;
        struct blob *b = fixture_payload(ZXID(1, 1), FIXTURE_DATA_BYTES);
        size_t len = 0;
        fixture_must_open(f);
        fixture_write(f, ZXID(1, 1), ZXID(1, 1));
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        assert_memory_equal(bytes + 16 + 12, b->data, b->len);
        for (size_t i = 16 + RECORD_BYTES(b->len); i < len; i++)
                assert_int_equal(bytes[i], 0);
        blob_unref(b);
}

static void test_records_longer_than_any_buffer_come_back(void **state)
{
        struct fixture *f = *state;
        struct effects fx;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        effects_init(&fx);
        for (int64_t z = ZXID(1, 1); z <= ZXID(1, 6); z++) {
                struct blob *b = fixture_payload(z, 900000);
                (void)effect_log_append(&fx, b, 0, b->len, z);
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
        expect_upto(f, 6);
}

/* ---- segments ---- */

static void test_roll_opens_a_segment_named_by_its_first_zxid(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        assert_int_equal(fixture_roll(f), 0);
        assert_int_equal(length_of(f, "log.100000001"), 16 + 3 * record_size(ZXID(1, 1)));
        fixture_write(f, ZXID(1, 4), ZXID(1, 5));
        assert_true(memory_storage_exists(f->disk, "log.100000004"));
        expect_upto(f, 5);
}

static void test_restart_never_appends_to_an_old_segment(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        fixture_must_open(f);
        assert_int_equal(length_of(f, "log.100000001"), 16 + 3 * record_size(ZXID(1, 1)));
        assert_false(f->recovered.torn);
        fixture_write(f, ZXID(1, 4), ZXID(1, 4));
        assert_true(memory_storage_exists(f->disk, "log.100000004"));
        expect_upto(f, 4);
}

/* safety: Z11. */
static void test_append_that_is_not_the_next_is_refused(void **state)
{
        struct fixture *f = *state;
        static const int64_t wrong[] = {ZXID(1, 3), ZXID(1, 2), ZXID(1, 5), ZXID(2, 0), ZXID(2, 2), ZXID(0, 9)};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                fixture_must_open(f);
                if (i == 0) {
                        fixture_enter_epoch(f, 1);
                        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
                }
                assert_int_equal(fixture_append(f, wrong[i]), -EINVAL);
                assert_int_equal(fixture_append(f, ZXID(1, 4)), -EIO);
        }
        expect_upto(f, 3);
}

/* A segment is durable with its name when store_sync() returns: safety D7, catalogue 60. */
static void test_new_segment_survives_with_its_directory_entry(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 2));
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        expect_upto(f, 2);
}

/* ---- the end of the log ---- */

/* Catalogue 57: torn at any byte, with preallocated zeros behind, or with the file ending there. */
static void test_torn_last_record_is_cut_at_any_length(void **state)
{
        struct fixture *f = *state;
        size_t len = 0, record = record_size(ZXID(1, 3));
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        fixture_close(f);
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        uint8_t *whole = test_malloc(len), *torn = test_malloc(len);
        memcpy(whole, bytes, len);
        for (size_t keep = 0; keep < record; keep++) {
                size_t end = 16 + 2 * record + keep;
                memset(torn, 0, len);
                memcpy(torn, whole, end);
                memory_storage_put(f->disk, "log.100000001", torn, keep % 2 ? len : end);
                expect_upto(f, 2);
                /* Beginning bytes of a checksum are zeros: nothing tells such a tail from padding. */
                if (keep > 4)
                        assert_true(f->recovered.torn && f->recovered.note[0]);
                assert_int_equal(length_of(f, "log.100000001"), 16 + 2 * record);
                expect_upto(f, 2);
                assert_false(f->recovered.torn);
                fixture_write(f, ZXID(1, 3), ZXID(1, 3));
                expect_upto(f, 3);
                assert_false(f->recovered.lost);
                fixture_close(f);
                memory_storage_drop(f->disk, "log.100000003");
                memory_storage_drop(f->disk, TXNLOG__ENDS); /* it knows of the third one */
        }
        test_free(whole);
        test_free(torn);
}

/* Catalogue 58, at every byte of a middle record. Nothing on disk changes by refusing. */
static void test_flipped_bit_in_a_middle_record_is_corruption(void **state)
{
        struct fixture *f = *state;
        size_t record = record_size(ZXID(1, 1));
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        uint32_t before = length_of(f, "log.100000001");
        for (size_t i = 0; i < record; i++) {
                memory_storage_flip(f->disk, "log.100000001", 16 + record + i, 0x10);
                uint64_t ops = memory_storage_ops(f->disk);
                assert_int_equal(fixture_open(f), -EUCLEAN);
                assert_non_null(strstr(f->why, "log.100000001"));
                assert_int_equal(memory_storage_ops(f->disk), ops);
                assert_int_equal(length_of(f, "log.100000001"), before);
                memory_storage_flip(f->disk, "log.100000001", 16 + record + i, 0x10);
        }
        expect_upto(f, 3);
}

/* Catalogue 59: a reader that takes zeros for the end of the file would go on with the next segment. */
static void test_zeroed_block_in_an_earlier_segment_is_corruption(void **state)
{
        struct fixture *f = *state;
        size_t len = 0, record = record_size(ZXID(1, 1));
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 9));
        assert_int_equal(fixture_roll(f), 0);
        fixture_write(f, ZXID(1, 10), ZXID(1, 12));
        fixture_close(f);
        uint8_t *copy = test_malloc(length_of(f, "log.100000001"));
        memcpy(copy, memory_storage_bytes(f->disk, "log.100000001", &len), len);
        for (size_t count = 1; count <= 8; count++) { /* in the middle, and up to the end of the file */
                memset(copy + 16 + record, 0, count * record);
                memory_storage_put(f->disk, "log.100000001", copy, len);
                assert_int_equal(fixture_open(f), -EUCLEAN);
        }
        test_free(copy);
}

/* Catalogue 61. */
static void test_newest_segment_without_a_whole_header_is_dropped(void **state)
{
        struct fixture *f = *state;
        static const uint8_t half[40] = {'Z', 'K', 'L', 'G', 0, 0};
        static const uint8_t zeros[40];
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        fixture_close(f);
        for (size_t len = 0; len < 16; len++) {
                memory_storage_put(f->disk, "log.100000004", half, len);
                expect_upto(f, 3);
                assert_false(memory_storage_exists(f->disk, "log.100000004"));
                assert_non_null(strstr(f->recovered.note, "log.100000004"));
        }
        memory_storage_put(f->disk, "log.100000004", zeros, sizeof zeros);
        expect_upto(f, 3);
        assert_false(memory_storage_exists(f->disk, "log.100000004"));
        memory_storage_put(f->disk, "log.100000004", half, sizeof half);
        assert_int_equal(fixture_open(f), -EUCLEAN);
}

static void test_segment_with_a_header_only_goes_too(void **state)
{
        struct fixture *f = *state;
        static const uint8_t header[16] = {'Z', 'K', 'L', 'G', 0, 0, 0, 2};
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        fixture_close(f);
        memory_storage_put(f->disk, "log.100000004", header, sizeof header);
        expect_upto(f, 3);
        assert_false(memory_storage_exists(f->disk, "log.100000004"));
        fixture_write(f, ZXID(1, 4), ZXID(1, 4));
        expect_upto(f, 4);
}

static void test_unsynced_appends_may_go_but_never_leave_a_hole(void **state)
{
        struct fixture *f = *state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct fixture g;
                fixture_init(&g);
                fixture_must_open(&g);
                fixture_enter_epoch(&g, 1);
                fixture_write(&g, ZXID(1, 1), ZXID(1, 3));
                for (int64_t z = ZXID(1, 4); z <= ZXID(1, 8); z++)
                        assert_int_equal(fixture_append(&g, z), 0);
                fixture_close(&g);
                memory_storage_crash(g.disk, seed);
                fixture_must_open(&g);
                assert_true(g.recovered.last_zxid >= ZXID(1, 3) && g.recovered.last_zxid <= ZXID(1, 8));
                fixture_done(&g);
        }
        (void)f;
}

/* ---- gaps (safety: Z11) ---- */

static void test_missing_segment_is_named_by_both_zxids(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        for (int64_t c = 1; c <= 3; c++) {
                fixture_write(f, ZXID(1, c), ZXID(1, c));
                assert_int_equal(fixture_roll(f), 0);
        }
        fixture_close(f);
        memory_storage_drop(f->disk, "log.100000002");
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "0x100000001"));
        assert_non_null(strstr(f->why, "0x100000003"));
}

/* A Java server does not cut a torn tail: it goes on in a new segment with the same zxid. */
static void torn_then_continued(struct fixture *f, int64_t next)
{
        static const uint8_t torn[30] = {0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 90, 7, 7, 7};
        uint8_t file[4096] = {0};
        size_t len = 0;
        fixture_must_open(f);
        fixture_enter_epoch(f, 2);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        assert_int_equal(fixture_roll(f), 0);
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        memcpy(file, bytes, len);
        memcpy(file + len, torn, sizeof torn);
        struct database *db = database_new();
        for (int64_t c = 1; c <= 3; c++)
                fixture_apply(db, ZXID(1, c));
        if (next) {
                struct effects fx;
                struct blob *b = fixture_payload_digest(db, next);
                effects_init(&fx);
                (void)effect_log_append(&fx, b, 0, b->len, next);
                assert_int_equal(store_perform(f->store, &fx.list[0], NULL, f->why), 0);
                assert_int_equal(fixture_sync(f), 0);
                effects_done(&fx);
                blob_unref(b);
        }
        database_free(db);
        fixture_close(f);
        memory_storage_put(f->disk, "log.100000001", file, sizeof file);
}

static void test_torn_end_that_java_left_is_accepted_when_the_log_goes_on_with_the_next_zxid(void **state)
{
        struct fixture *f = *state;
        torn_then_continued(f, ZXID(1, 4));
        expect_upto(f, 4);
}

static void test_torn_end_that_java_left_is_accepted_when_a_digest_proves_that_nothing_is_missing(void **state)
{
        struct fixture *f = *state;
        torn_then_continued(f, ZXID(2, 1));
        memory_storage_drop(f->disk, TXNLOG__ENDS); /* which Java does not write */
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 1));
        assert_int_equal(f->recovered.digest_mismatches, 0);
}

static void test_torn_end_of_an_earlier_segment_is_corruption_when_nothing_proves_otherwise(void **state)
{
        struct fixture *f = *state;
        torn_then_continued(f, 0);
        fixture_must_open(f);                     /* the last segment: a torn tail */
        fixture_write(f, ZXID(2, 1), ZXID(2, 1)); /* without a digest */
        fixture_close(f);
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        uint8_t *copy = test_malloc(len + 20);
        memcpy(copy, bytes, len);
        memset(copy + len, 0xee, 20);
        memory_storage_put(f->disk, "log.100000001", copy, len + 20);
        test_free(copy);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "log.100000001"));
}

static void test_unknown_transaction_with_a_good_checksum_is_refused(void **state)
{
        struct fixture *f = *state;
        struct jute_writer w;
        struct jute_txn_header h = {.zxid = ZXID(1, 1), .type = 77};
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_close(f);
        jute_writer_init(&w, 1000);
        txnlog__header_put(&w);
        struct jute_writer p;
        jute_writer_init(&p, 100);
        jute_put_txn_header(&p, &h);
        txnlog__record_put(&w, p.data, (uint32_t)p.len);
        memory_storage_put(f->disk, "log.100000001", w.data, w.len);
        jute_writer_done(&p);
        jute_writer_done(&w);
        assert_int_equal(fixture_open(f), -EUCLEAN);
}

/* ---- failing disks ---- */

/* Catalogue 63: the second sync "succeeds", and must not be believed. */
static void test_failed_sync_ends_the_log_for_good(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        assert_int_equal(fixture_append(f, ZXID(1, 4)), 0);
        memory_storage_fail(f->disk, MEMORY_OP_SYNC, 0, 1, -EIO);
        assert_int_equal(fixture_sync(f), -EIO);
        assert_int_equal(fixture_sync(f), -EIO);
        assert_int_equal(fixture_append(f, ZXID(1, 5)), -EIO);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 2), -EIO);
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_ALL, 1);
        expect_upto(f, 3);
        assert_int_equal(f->recovered.accepted_epoch, 1);
}

/* The process alone starts again and reads from the page cache what never got to the disk: what it promises from then
 * on must be there after a power loss. Safety: D6, D1; tests/sim/scenario/63. */
static void test_what_a_failed_sync_left_is_written_again(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        assert_int_equal(fixture_append(f, ZXID(1, 4)), 0);
        memory_storage_fail(f->disk, MEMORY_OP_SYNC, 0, 1, -EIO);
        assert_int_equal(fixture_sync(f), -EIO);
        expect_upto(f, 4);
        fixture_enter_epoch(f, 2);
        fixture_write(f, ZXID(2, 1), ZXID(2, 2));
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 2));
        assert_int_equal(f->recovered.history_count, 6);
        assert_true(fixture_has(f->recovered.db, ZXID(1, 4)));
}

/* Catalogue 64. */
static void test_full_disk_stops_the_log_and_loses_nothing_synced(void **state)
{
        struct fixture *f = *state;
        int64_t z = ZXID(1, 1), synced = 0;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        memory_storage_limit(f->disk, 6000);
        for (; z < ZXID(1, 1000); z++) {
                if (fixture_append(f, z) < 0 || fixture_sync(f) < 0)
                        break;
                synced = z;
        }
        assert_true(synced >= ZXID(1, 20) && synced < ZXID(1, 999));
        assert_non_null(strstr(f->why, "No space left"));
        fixture_close(f);
        memory_storage_limit(f->disk, UINT64_MAX);
        fixture_must_open(f);
        assert_true(f->recovered.last_zxid >= synced);
        z = f->recovered.last_zxid + 1;
        fixture_write(f, z, z);
        expect_upto(f, z & 0xffffffff);
}

/* Too little room for a step of preallocation is room enough for records. */
static void test_preallocation_makes_do_with_less(void **state)
{
        struct fixture *f = *state;
        f->config.preallocate_bytes = 1u << 20;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        memory_storage_limit(f->disk, 40000);
        fixture_write(f, ZXID(1, 1), ZXID(1, 100));
        expect_upto(f, 100);
}

static void test_read_error_is_no_end_of_the_log(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        memory_storage_spoil(f->disk, "log.100000001", -EIO);
        assert_int_equal(fixture_open(f), -EIO);
        memory_storage_spoil(f->disk, "log.100000001", 0);
        expect_upto(f, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_first_record_equals_the_one_java_wrote),
                TEST(test_file_begins_with_magic_version_and_no_database_id),
                TEST(test_payload_is_stored_byte_for_byte),
                TEST(test_records_longer_than_any_buffer_come_back),
                TEST(test_roll_opens_a_segment_named_by_its_first_zxid),
                TEST(test_restart_never_appends_to_an_old_segment),
                TEST(test_append_that_is_not_the_next_is_refused),
                TEST(test_new_segment_survives_with_its_directory_entry),
                TEST(test_torn_last_record_is_cut_at_any_length),
                TEST(test_flipped_bit_in_a_middle_record_is_corruption),
                TEST(test_zeroed_block_in_an_earlier_segment_is_corruption),
                TEST(test_newest_segment_without_a_whole_header_is_dropped),
                TEST(test_segment_with_a_header_only_goes_too),
                TEST(test_unsynced_appends_may_go_but_never_leave_a_hole),
                TEST(test_missing_segment_is_named_by_both_zxids),
                TEST(test_torn_end_that_java_left_is_accepted_when_the_log_goes_on_with_the_next_zxid),
                TEST(test_torn_end_that_java_left_is_accepted_when_a_digest_proves_that_nothing_is_missing),
                TEST(test_torn_end_of_an_earlier_segment_is_corruption_when_nothing_proves_otherwise),
                TEST(test_unknown_transaction_with_a_good_checksum_is_refused),
                TEST(test_failed_sync_ends_the_log_for_good),
                TEST(test_what_a_failed_sync_left_is_written_again),
                TEST(test_full_disk_stops_the_log_and_loses_nothing_synced),
                TEST(test_preallocation_makes_do_with_less),
                TEST(test_read_error_is_no_end_of_the_log),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
