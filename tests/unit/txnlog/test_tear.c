/* A torn write is cut and forgotten, damage at the end of the log is a loss: at every byte and bit of a last record,
 * and for every set of its sectors that did not reach the disk (safety: D5; catalogue 57; simulator, seed 754). */
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
#include <string.h>

#define LOG    "log.100000001"
#define MARK   "../" STORE_MARK
#define SECTOR 512

struct bench {
        struct fixture f;
        uint8_t *bytes;   /* of the segment, whole */
        size_t at, end;   /* of its last record */
        size_t size, len; /* of the file; of what is in `try` */
        uint8_t *try;
};

/* Two records, then one with so many bytes of data. (The first one's size decides where the last one begins.) */
static void bench_init(struct bench *b, size_t first, size_t last, int fill)
{
        struct effects fx;
        size_t sizes[] = {first, 40, last};
        fixture_init(&b->f);
        fixture_must_open(&b->f);
        fixture_enter_epoch(&b->f, 1);
        effects_init(&fx);
        b->end = 16;
        for (int i = 0; i < 3; i++) {
                struct blob *p = fixture_payload(ZXID(1, i + 1), sizes[i]);
                if (i == 2 && fill >= 0)
                        memset(p->data + 60, fill, last - 20); /* within the node's data */
                b->at = b->end;
                b->end += p->len + TXNLOG__RECORD_OVERHEAD;
                (void)effect_log_append(&fx, p, 0, p->len, ZXID(1, i + 1));
                blob_unref(p);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(b->f.store, &fx.list[i], NULL, b->f.why), 0);
        assert_int_equal(fixture_sync(&b->f), 0);
        effects_done(&fx);
        fixture_close(&b->f);
        const uint8_t *bytes = memory_storage_bytes(b->f.disk, LOG, &b->size);
        b->bytes = test_malloc(b->size);
        b->try = test_malloc(b->size);
        memcpy(b->bytes, bytes, b->size);
        memcpy(b->try, bytes, b->size);
        b->len = b->size;
}

static void bench_done(struct bench *b)
{
        test_free(b->bytes);
        test_free(b->try);
        fixture_done(&b->f);
}

/* Recovers from a copy of the disk with `try` in place of the segment. */
static void recover(struct bench *b, bool *ret_torn, bool *ret_lost)
{
        struct fixture g = {.disk = memory_storage_clone(b->f.disk), .config = b->f.config};
        memory_storage_put(g.disk, LOG, b->try, b->len);
        fixture_must_open(&g);
        *ret_torn = g.recovered.torn;
        *ret_lost = g.recovered.lost;
        assert_int_equal(g.recovered.last_zxid, ZXID(1, 2));
        if (g.recovered.lost) {
                assert_non_null(strstr(g.recovered.note, LOG " is damaged, not torn, at offset"));
                size_t len = 0;
                const uint8_t *mark = memory_storage_bytes(g.disk, MARK, &len);
                assert_int_equal(len, 5);
                assert_memory_equal(mark, "lost\n", 5);
        }
        fixture_done(&g);
        memcpy(b->try, b->bytes, b->size);
        b->len = b->size;
}

static void expect_torn(struct bench *b, const char *what, size_t where)
{
        bool torn, lost;
        recover(b, &torn, &lost);
        if (!torn || lost)
                fail_msg("%s %zu of the record at %zu: not taken for a tear", what, where, b->at);
}

static void expect_lost(struct bench *b, const char *what, size_t where)
{
        bool torn, lost;
        recover(b, &torn, &lost);
        if (torn || !lost)
                fail_msg("%s %zu of the record at %zu: not taken for damage", what, where, b->at);
}

/* ---- tears ---- */

static void test_a_record_that_ends_at_any_byte_is_torn(void **state)
{
        (void)state;
        for (size_t first = 300; first < 360; first += 20) {
                struct bench b;
                bench_init(&b, first, 700, -1);
                for (size_t keep = 5; keep < b.end - b.at; keep++) {
                        memset(b.try + b.at + keep, 0, b.size - b.at - keep);
                        expect_torn(&b, "byte", keep);
                        b.len = b.at + keep; /* the file ends there */
                        expect_torn(&b, "end", keep);
                }
                bench_done(&b);
        }
}

/* Where the record begins in its sector is played through: its head is in one sector or in two. */
static void test_a_record_that_lacks_any_of_its_sectors_is_torn(void **state)
{
        (void)state;
        size_t splits = 0;
        size_t part = 0;
        for (size_t first = 200; first<200 + SECTOR; first += part> 20 ? 7 : 1) {
                struct bench b;
                bench_init(&b, first, 1500, -1);
                size_t from = b.at / SECTOR, count = (b.end - 1) / SECTOR - from + 1;
                assert_true(count <= 5);
                part = (from + 1) * SECTOR - b.at;
                splits += part < TXNLOG__RECORD_HEAD;
                for (unsigned set = 1; set < 1u << count; set++) {
                        if (set == 1 && part <= 4)
                                continue; /* those are zeros in any record: nothing is missing */
                        for (size_t i = 0; i < count; i++)
                                for (size_t k = 0; set >> i & 1 && k < SECTOR; k++)
                                        if ((from + i) * SECTOR + k >= b.at)
                                                b.try[(from + i) * SECTOR + k] = 0;
                        bool torn, lost;
                        recover(&b, &torn, &lost);
                        if (lost) /* where all of it is missing it looks like padding */
                                fail_msg("sectors %x of the record at %zu are missing: no loss", set, b.at);
                        assert_true(torn || (set | 1) == (1u << count) - 1);
                }
                bench_done(&b);
        }
        assert_int_equal(splits, TXNLOG__RECORD_HEAD - 1);
}

/* ---- damage ---- */

static void test_any_bit_of_a_last_record_is_damage(void **state)
{
        (void)state;
        for (size_t first = 330; first < 400; first += 13) {
                struct bench b;
                bench_init(&b, first, first % 2 ? 60 : 600, -1);
                for (size_t i = b.at; i < b.end; i++)
                        for (int bit = 0; bit < 8; bit++) {
                                b.try[i] ^= (uint8_t)(1 << bit);
                                expect_lost(&b, "bit of byte", i - b.at);
                        }
                /* Also where the segment was left and its file ends there. */
                for (size_t i = b.at; i < b.end; i++) {
                        b.try[i] ^= 0x04;
                        b.len = b.end;
                        expect_lost(&b, "bit before the end of the file, byte", i - b.at);
                }
                bench_done(&b);
        }
}

/* A sector of zeros in it is its own. */
static void test_any_bit_of_a_record_with_zeros_in_it_is_damage(void **state)
{
        (void)state;
        struct bench b;
        bench_init(&b, 40, 2500, 0);
        for (size_t i = b.at; i < b.end; i++) {
                b.try[i] ^= 0x20;
                expect_lost(&b, "bit of byte", i - b.at);
        }
        bench_done(&b);
}

static void test_a_length_that_is_any_other_is_damage(void **state)
{
        (void)state;
        struct bench b;
        bench_init(&b, 40, 600, -1);
        size_t len = b.end - b.at - TXNLOG__RECORD_OVERHEAD;
        for (uint32_t other = 0; other < 70000; other += other < 1000 ? 1 : 997) {
                if (other == len)
                        continue;
                for (int i = 0; i < 4; i++)
                        b.try[b.at + 8 + (size_t)i] = (uint8_t)(other >> 8 * (3 - i));
                expect_lost(&b, "length", other);
        }
        bench_done(&b);
}

static void test_a_sector_of_garbage_is_damage(void **state)
{
        (void)state;
        struct prng p = {.state = 7};
        for (size_t first = 100; first < 100 + SECTOR; first += 11) {
                struct bench b;
                bench_init(&b, first, 1500, -1);
                for (size_t s = b.at / SECTOR; s <= (b.end - 1) / SECTOR; s++) {
                        for (size_t k = s * SECTOR; k < (s + 1) * SECTOR; k++)
                                if (k >= b.at)
                                        b.try[k] = (uint8_t)prng_next(&p);
                        expect_lost(&b, "sector", s);
                }
                bench_done(&b);
        }
}

/* The head of an older record, whose length reaches beyond this one: its zxid tells. */
static void test_a_sector_of_another_record_is_damage(void **state)
{
        (void)state;
        struct bench b;
        bench_init(&b, 2000, 60, -1);
        memcpy(b.try + b.at, b.bytes + 16, 60);
        memset(b.try + b.at + 60, 0, b.size - b.at - 60);
        expect_lost(&b, "an older head at byte", 0);
        bench_done(&b);
}

/* ---- what becomes of it ---- */

static void test_a_damaged_first_record_is_a_loss_and_its_segment_goes(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        fixture_must_open(&f);
        fixture_enter_epoch(&f, 1);
        fixture_write(&f, ZXID(1, 1), ZXID(1, 1));
        fixture_close(&f);
        memory_storage_flip(f.disk, LOG, 70, 1);
        fixture_must_open(&f);
        assert_true(f.recovered.lost);
        assert_int_equal(f.recovered.last_zxid, 0);
        assert_false(memory_storage_exists(f.disk, LOG));
        /* And stays one, until a leader has synchronised the server. */
        fixture_must_open(&f);
        assert_true(f.recovered.lost);
        fixture_write(&f, ZXID(1, 1), ZXID(1, 1));
        fixture_must_open(&f);
        assert_true(f.recovered.lost);
        assert_int_equal(fixture_epoch(&f, EPOCH_CURRENT, 1), 0);
        fixture_must_open(&f);
        assert_false(f.recovered.lost);
        fixture_done(&f);
}

static void test_damage_is_refused_where_nobody_can_help(void **state)
{
        (void)state;
        struct bench b;
        bench_init(&b, 40, 40, -1);
        memory_storage_flip(b.f.disk, LOG, b.at + 50, 1);
        b.f.config.alone = true;
        uint64_t ops = memory_storage_ops(b.f.disk);
        assert_int_equal(fixture_open(&b.f), -EUCLEAN);
        assert_int_equal(memory_storage_ops(b.f.disk), ops);
        assert_non_null(strstr(b.f.why, "it is damaged, and there is no other voter"));
        assert_non_null(strstr(b.f.why, "truncate -s"));
        memory_storage_put(b.f.disk, LOG, b.bytes, b.at); /* what it says is done */
        memory_storage_drop(b.f.disk, MARK);
        fixture_must_open(&b.f);
        assert_false(b.f.recovered.lost);
        assert_int_equal(b.f.recovered.last_zxid, ZXID(1, 2));
        bench_done(&b);
}

/* Java's files are judged alike: its server would not even start on these. */
static void test_damage_in_files_without_a_mark_is_a_loss(void **state)
{
        (void)state;
        struct bench b;
        bench_init(&b, 40, 40, -1);
        memory_storage_drop(b.f.disk, MARK);
        memory_storage_drop(b.f.disk, TXNLOG__ENDS);
        b.try[b.at + 50] ^= 1;
        expect_lost(&b, "byte", 50);
        bench_done(&b);
}

/* Where damage stands before a later epoch, an equal tree does not show that no session is missing. */
static void test_a_damaged_end_before_an_epoch_is_refused_whatever_the_digest_says(void **state)
{
        (void)state;
        struct bench b;
        struct effects fx;
        bench_init(&b, 40, 40, -1);
        struct database *db = database_new();
        for (int64_t c = 1; c <= 2; c++) {
                struct blob *p = fixture_payload(ZXID(1, c), 40);
                assert_int_equal(database_apply(db, p->data, p->len, NULL), 0);
                blob_unref(p);
        }
        fixture_must_open(&b.f);
        fixture_enter_epoch(&b.f, 2);
        struct blob *p = fixture_payload_digest(db, ZXID(2, 1));
        effects_init(&fx);
        (void)effect_log_append(&fx, p, 0, p->len, ZXID(2, 1));
        assert_int_equal(store_perform(b.f.store, &fx.list[0], NULL, b.f.why), 0);
        assert_int_equal(fixture_sync(&b.f), 0);
        fixture_close(&b.f);
        memory_storage_drop(b.f.disk, TXNLOG__ENDS); /* as Java leaves it, padding and all */
        memset(b.try + b.end - 20, 0, 20);
        memory_storage_put(b.f.disk, LOG, b.try, b.size);
        fixture_must_open(&b.f); /* torn, and the digest fits */
        assert_int_equal(b.f.recovered.last_zxid, ZXID(2, 1));
        fixture_close(&b.f);
        memory_storage_drop(b.f.disk, TXNLOG__ENDS);
        memcpy(b.try, b.bytes, b.size);
        b.try[b.end - 20] ^= 1;
        memory_storage_put(b.f.disk, LOG, b.try, b.size);
        assert_int_equal(fixture_open(&b.f), -EUCLEAN);
        database_free(db);
        effects_done(&fx);
        blob_unref(p);
        bench_done(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_record_that_ends_at_any_byte_is_torn),
                cmocka_unit_test(test_a_record_that_lacks_any_of_its_sectors_is_torn),
                cmocka_unit_test(test_any_bit_of_a_last_record_is_damage),
                cmocka_unit_test(test_any_bit_of_a_record_with_zeros_in_it_is_damage),
                cmocka_unit_test(test_a_length_that_is_any_other_is_damage),
                cmocka_unit_test(test_a_sector_of_garbage_is_damage),
                cmocka_unit_test(test_a_sector_of_another_record_is_damage),
                cmocka_unit_test(test_a_damaged_first_record_is_a_loss_and_its_segment_goes),
                cmocka_unit_test(test_damage_is_refused_where_nobody_can_help),
                cmocka_unit_test(test_damage_in_files_without_a_mark_is_a_loss),
                cmocka_unit_test(test_a_damaged_end_before_an_epoch_is_refused_whatever_the_digest_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
