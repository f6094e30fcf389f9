/* Recovery: which directories are accepted, what is read from them, and which are refused with what words. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_text(struct fixture *f, const char *name, const char *text)
{
        memory_storage_put(f->disk, name, text, strlen(text));
}

static void expect_text(const struct fixture *f, const char *name, const char *text)
{
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(f->disk, name, &len);
        assert_non_null(bytes);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(bytes, text, len);
}

/* A directory with snapshot.0, epochs 1 and a log of (1,1)..(1,count), closed. */
static void make_log(struct fixture *f, int64_t count)
{
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, count));
        fixture_close(f);
}

/* A database that holds (1,1)..(1,count). */
static struct database *make_database(int64_t count)
{
        struct database *db = database_new();
        for (int64_t c = 1; c <= count; c++)
                fixture_apply(db, ZXID(1, c));
        return db;
}

static void put_snapshot(struct fixture *f, int64_t count, size_t cut)
{
        char name[TXNLOG__NAME_MAX];
        struct database *db = make_database(count);
        struct blob *b = fixture_snapshot_bytes(db, ZXID(1, count));
        txnlog__snapshot_name(name, ZXID(1, count));
        memory_storage_put(f->disk, name, b->data, b->len - cut);
        blob_unref(b);
        database_free(db);
}

/* ---- an empty directory ---- */

static void test_empty_directory_becomes_a_fresh_database(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, 0);
        assert_int_equal(f->recovered.history_count, 0);
        assert_string_equal(f->recovered.note, "");
        expect_text(f, "acceptedEpoch", "0");
        expect_text(f, "currentEpoch", "0");
        assert_true(memory_storage_exists(f->disk, "snapshot.0"));
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        uint64_t ops = memory_storage_ops(f->disk);
        fixture_must_open(f);
        /* The second start finds all in place, and syncs the snapshot and the directory: it can't know who has. */
        assert_int_equal(memory_storage_ops(f->disk), ops + 2);
}

/* ---- epochs (storage-format.md 1.2, safety: Z23, Z25) ---- */

struct epoch_case {
        const char *accepted, *current, *tmp; /* NULL: no such file */
        int64_t last;                         /* what the log ends with */
        int result;
        int64_t want_accepted, want_current;
};

static void test_epoch_files_are_judged_beside_the_last_zxid(void **state)
{
        (void)state;
        static const struct epoch_case cases[] = {
                {"1", "1", NULL, ZXID(1, 2), 0, 1, 1},
                {"1\n", " 1 ", NULL, ZXID(1, 2), 0, 1, 1},
                {"7", "5", NULL, ZXID(1, 2), 0, 7, 5},
                {"4294967295", "0", NULL, 0, 0, 4294967295, 0},
                /* Crash between the synced history and currentEpoch: Z25. */
                {"1", "0", NULL, ZXID(1, 2), 0, 1, 0},
                {"1", "0", "1", ZXID(1, 2), 0, 1, 1},
                {"2", "0", "2", ZXID(1, 2), 0, 2, 0},
                {"1", "0", "", ZXID(1, 2), 0, 1, 0},
                {"2", "1", "2", ZXID(1, 2), 0, 2, 1},
                /* No crash explains these. */
                {"0", "0", NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"1", "2", NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"x", "1", NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"", "1", NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"-1", "0", NULL, 0, -EUCLEAN, 0, 0},
                {"4294967296", "0", NULL, 0, -EUCLEAN, 0, 0},
                /* A promise is not guessed. */
                {NULL, "1", NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"1", NULL, NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {NULL, NULL, NULL, ZXID(1, 2), -EUCLEAN, 0, 0},
                {"3", NULL, NULL, 0, -EUCLEAN, 0, 0},
                {NULL, "3", NULL, 0, -EUCLEAN, 0, 0},
                /* A standalone Java server keeps no epochs. */
                {NULL, NULL, NULL, ZXID(0, 3), 0, 0, 0},
                {"0", NULL, NULL, ZXID(0, 3), 0, 0, 0},
                {NULL, "0", NULL, 0, 0, 0, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct epoch_case *c = &cases[i];
                struct fixture f;
                fixture_init(&f);
                fixture_must_open(&f);
                if (c->last)
                        fixture_write(&f, c->last >> 32 << 32 | 1, c->last);
                fixture_close(&f);
                memory_storage_drop(f.disk, "acceptedEpoch");
                memory_storage_drop(f.disk, "currentEpoch");
                if (c->accepted)
                        put_text(&f, "acceptedEpoch", c->accepted);
                if (c->current)
                        put_text(&f, "currentEpoch", c->current);
                if (c->tmp)
                        put_text(&f, "currentEpoch.tmp", c->tmp);
                int r = fixture_open(&f);
                if (r != c->result)
                        fail_msg("case %zu: got %d (%s)", i, r, f.why);
                /* Decided once: what a loss of power gives back of it must not count at the next start. */
                if (r == 0 && memory_storage_exists(f.disk, "currentEpoch.tmp"))
                        fail_msg("case %zu: a prepared epoch is left over", i);
                for (int again = 0; r == 0 && again < 2; again++) {
                        assert_int_equal(f.recovered.accepted_epoch, c->want_accepted);
                        assert_int_equal(f.recovered.current_epoch, c->want_current);
                        assert_int_equal(f.recovered.last_zxid, c->last);
                        fixture_close(&f);
                        memory_storage_crash_as(f.disk, MEMORY_CRASH_NOTHING, 1);
                        fixture_must_open(&f);
                }
                fixture_done(&f);
        }
}

static void test_epochs_without_any_history_mean_that_it_was_lost(void **state)
{
        struct fixture *f = *state;
        put_text(f, "acceptedEpoch", "4");
        put_text(f, "currentEpoch", "4");
        assert_int_equal(fixture_open(f), -EUCLEAN);
        put_text(f, "currentEpoch", "0"); /* accepted, never entered: nothing to lose */
        fixture_must_open(f);
        assert_int_equal(f->recovered.accepted_epoch, 4);
}

static void test_epochs_never_go_back(void **state)
{
        struct fixture *f = *state;
        static const struct {
                enum epoch_kind kind;
                int64_t value;
        } wrong[] = {{EPOCH_ACCEPTED, 2},           {EPOCH_CURRENT, 1},         {EPOCH_CURRENT, 4},
                     {EPOCH_ACCEPTED, 0x100000000}, {EPOCH_CURRENT_PREPARE, 4}, {EPOCH_CURRENT_PREPARE, 1}};
        fixture_must_open(f);
        fixture_enter_epoch(f, 2);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 3), 0);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                fixture_must_open(f);
                assert_int_equal(fixture_epoch(f, wrong[i].kind, wrong[i].value), -EINVAL);
        }
        fixture_must_open(f);
        assert_int_equal(f->recovered.accepted_epoch, 3);
        assert_int_equal(f->recovered.current_epoch, 2);
}

static void test_epoch_writes_are_durable_on_return(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 5), 0);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT_PREPARE, 5), 0);
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        expect_text(f, "acceptedEpoch", "5");
        expect_text(f, "currentEpoch", "0");
        expect_text(f, "currentEpoch.tmp", "5");
        fixture_must_open(f);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT_PREPARE, 5), 0);
        assert_int_equal(fixture_append(f, ZXID(5, 1)), 0);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT, 5), 0); /* syncs the log first: safety Z24 */
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        expect_text(f, "currentEpoch", "5");
        assert_false(memory_storage_exists(f->disk, "currentEpoch.tmp"));
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(5, 1));
}

/* ---- snapshots ---- */

static void test_newest_snapshot_is_the_start_and_the_log_goes_on_from_it(void **state)
{
        struct fixture *f = *state;
        make_log(f, 9);
        put_snapshot(f, 4, 0);
        put_snapshot(f, 7, 0);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 7));
        assert_int_equal(f->recovered.replayed, 2);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 9));
        assert_int_equal(f->recovered.history_count, 2);
        assert_int_equal(f->recovered.digest_mismatches, 0);
        for (int64_t c = 1; c <= 9; c++)
                assert_true(fixture_has(f->recovered.db, ZXID(1, c)));
}

/* Catalogue 62, first half: nothing is lost as long as the log reaches what the bad one held. */
static void test_damaged_snapshot_is_passed_over_when_the_log_makes_up_for_it(void **state)
{
        struct fixture *f = *state;
        make_log(f, 9);
        put_snapshot(f, 4, 0);
        put_snapshot(f, 9, 0);
        memory_storage_flip(f->disk, "snapshot.100000009", 60, 1);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 4));
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 9));
        assert_non_null(strstr(f->recovered.note, "snapshot.100000009"));
}

/* What a SNAP sync leaves when its snapshot rots: the older state is no substitute. */
static void test_damaged_snapshot_beyond_the_log_is_refused(void **state)
{
        struct fixture *f = *state;
        make_log(f, 6);
        put_snapshot(f, 4, 0);
        put_snapshot(f, 9, 0);
        memory_storage_flip(f->disk, "snapshot.100000009", 60, 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "snapshot.100000009"));
        assert_non_null(strstr(f->why, "0x100000006"));
}

/* Java writes straight to the final name: a crash leaves such a file, and nothing of it was promised. */
static void test_incomplete_snapshot_is_passed_over(void **state)
{
        struct fixture *f = *state;
        make_log(f, 6);
        put_snapshot(f, 7, 20);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, 0);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 6));
}

static void test_every_flipped_byte_of_a_snapshot_is_noticed(void **state)
{
        struct fixture *f = *state;
        size_t len = 0;
        make_log(f, 2);
        put_snapshot(f, 2, 0);
        memory_storage_drop(f->disk, "snapshot.0");
        (void)memory_storage_bytes(f->disk, "snapshot.100000002", &len);
        for (size_t i = 0; i < len; i++) {
                /* Version and dbid count too: they are under the seal. */
                memory_storage_flip(f->disk, "snapshot.100000002", i, 0x40);
                assert_int_equal(fixture_open(f), -EUCLEAN);
                memory_storage_flip(f->disk, "snapshot.100000002", i, 0x40);
        }
        fixture_must_open(f);
}

/* Catalogue 62, second half. */
static void test_log_without_a_snapshot_is_refused(void **state)
{
        struct fixture *f = *state;
        make_log(f, 6);
        memory_storage_drop(f->disk, "snapshot.0");
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_false(memory_storage_exists(f->disk, "snapshot.0"));
}

static void test_all_snapshots_damaged_is_refused(void **state)
{
        struct fixture *f = *state;
        make_log(f, 6);
        memory_storage_flip(f->disk, "snapshot.0", 60, 1);
        put_snapshot(f, 3, 0);
        memory_storage_flip(f->disk, "snapshot.100000003", 60, 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "snapshot.100000003"));
}

static void test_older_logs_purged_under_a_damaged_snapshot_is_refused(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        assert_int_equal(fixture_roll(f), 0);
        fixture_write(f, ZXID(1, 6), ZXID(1, 8));
        fixture_close(f);
        put_snapshot(f, 5, 0);
        memory_storage_flip(f->disk, "snapshot.100000005", 60, 1);
        memory_storage_drop(f->disk, "log.100000001");
        assert_int_equal(fixture_open(f), -EUCLEAN);
}

/* storage-format.md 4.1: what stands behind seal 1 is told by its length. */
static void test_all_four_section_forms_are_read(void **state)
{
        struct fixture *f = *state;
        struct database *db = make_database(5);
        struct blob *b = fixture_snapshot_bytes(db, ZXID(1, 5));
        size_t body = b->len - 54 - 13;
        make_log(f, 5);
        memory_storage_drop(f->disk, "snapshot.0");

        memory_storage_put(f->disk, "snapshot.100000005", b->data, b->len); /* 3.9 */
        fixture_must_open(f);
        memory_storage_put(f->disk, "snapshot.100000005", b->data, b->len - 21); /* 3.8 */
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 5));
        memory_storage_put(f->disk, "snapshot.100000005", b->data, b->len - 54); /* 3.5 */
        fixture_must_open(f);

        struct jute_writer w; /* 3.9 with digests off */
        struct snapfile_writer seals;
        jute_writer_init(&w, b->len + 100);
        jute_put_raw(&w, b->data, body + 13);
        snapfile_begin(&seals, &w);
        w.len = body + 13; /* the header only started the checksum */
        seals.adler = 1;
        snapfile_note(&seals, &w, 0);
        size_t at = w.len;
        jute_put_long(&w, ZXID(1, 5));
        snapfile_note(&seals, &w, at);
        jute_put_long(&w, (int64_t)seals.adler);
        jute_put_cstr(&w, "/");
        memory_storage_put(f->disk, "snapshot.100000005", w.data, w.len);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 5));

        memory_storage_put(f->disk, "snapshot.100000005", b->data, b->len - 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        jute_writer_done(&w);
        blob_unref(b);
        database_free(db);
}

/* gzip of the bytes, by stored blocks: header, blocks, CRC-32 and length. */
static void put_gzip(struct fixture *f, const char *name, const struct blob *b, size_t cut)
{
        struct jute_writer w;
        static const uint8_t header[10] = {0x1f, 0x8b, 8};
        uint32_t crc = 0xffffffff;
        jute_writer_init(&w, b->len + 1000);
        jute_put_raw(&w, header, sizeof header);
        for (size_t at = 0; at < b->len; at += 300) {
                size_t n = b->len - at < 300 ? b->len - at : 300;
                jute_put_byte(&w, at + n == b->len);
                jute_put_byte(&w, (uint8_t)n);
                jute_put_byte(&w, (uint8_t)(n >> 8));
                jute_put_byte(&w, (uint8_t)~n);
                jute_put_byte(&w, (uint8_t)(~n >> 8));
                jute_put_raw(&w, b->data + at, n);
        }
        for (size_t i = 0; i < b->len; i++) {
                crc ^= b->data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        crc = ~crc;
        for (unsigned i = 0; i < 4; i++)
                jute_put_byte(&w, (uint8_t)(crc >> 8 * i));
        for (unsigned i = 0; i < 4; i++)
                jute_put_byte(&w, (uint8_t)(b->len >> 8 * i));
        assert_int_equal(w.error, 0);
        memory_storage_put(f->disk, name, w.data, w.len - cut);
        jute_writer_done(&w);
}

static void test_gzip_snapshot_is_read(void **state)
{
        struct fixture *f = *state;
        struct database *db = make_database(5);
        struct blob *b = fixture_snapshot_bytes(db, ZXID(1, 5));
        make_log(f, 6);
        put_gzip(f, "snapshot.100000005.gz", b, 0);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 5));
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 6));
        put_gzip(f, "snapshot.100000005.gz", b, 30);
        fixture_must_open(f); /* damaged, but the log reaches further */
        assert_int_equal(f->recovered.snapshot_zxid, 0);
        blob_unref(b);
        database_free(db);
}

static void test_snappy_snapshot_is_refused_by_name(void **state)
{
        struct fixture *f = *state;
        make_log(f, 6);
        put_text(f, "snapshot.100000005.snappy", "\x82SNAPPY");
        assert_int_equal(fixture_open(f), -ENOTSUP);
        assert_non_null(strstr(f->why, "snapshot.100000005.snappy"));
}

/* After a SNAP sync the log begins behind a gap that the snapshot covers: storage-format.md 2.3. */
static void test_gap_below_the_snapshot_is_no_gap(void **state)
{
        struct fixture *f = *state;
        make_log(f, 3);
        put_snapshot(f, 8, 0);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 8));
        fixture_write(f, ZXID(1, 9), ZXID(1, 10));
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 10));
        assert_int_equal(f->recovered.replayed, 2);
}

/* An append may leave a gap only where a snapshot stands at its rim. */
static void test_append_over_a_gap_needs_its_snapshot(void **state)
{
        struct fixture *f = *state;
        make_log(f, 3);
        fixture_must_open(f);
        put_snapshot(f, 8, 0);
        assert_int_equal(fixture_append(f, ZXID(1, 9)), 0);
        assert_int_equal(fixture_sync(f), 0);
        assert_true(memory_storage_exists(f->disk, "log.100000009"));
        assert_int_equal(fixture_append(f, ZXID(1, 11)), -EINVAL);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 9));
}

static void test_snapshot_of_a_new_epoch_is_followed_by_its_first_transaction(void **state)
{
        struct fixture *f = *state;
        struct database *db = make_database(3);
        make_log(f, 3);
        fixture_must_open(f);
        fixture_enter_epoch(f, 2);
        assert_int_equal(fixture_snapshot(f, db, ZXID(2, 0), 100), 0);
        fixture_write(f, ZXID(2, 1), ZXID(2, 2));
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(2, 0));
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 2));
        database_free(db);
}

/* ---- history ---- */

static void test_history_is_the_newest_run_within_its_limits(void **state)
{
        struct fixture *f = *state;
        f->config.history_max = 7;
        make_log(f, 5000);
        fixture_must_open(f);
        assert_int_equal(f->recovered.history_count, 7);
        for (size_t i = 0; i < 7; i++) {
                const struct store_txn *t = &f->recovered.history[i];
                struct blob *b = fixture_payload(ZXID(1, 4994 + (int64_t)i), FIXTURE_DATA_BYTES);
                assert_int_equal(t->zxid, ZXID(1, 4994 + (int64_t)i));
                assert_int_equal(t->len, b->len);
                assert_memory_equal(t->blob->data + t->offset, b->data, b->len);
                blob_unref(b);
        }
        f->config.history_bytes_max = 3 * f->recovered.history[0].len + 10;
        fixture_must_open(f);
        assert_int_equal(f->recovered.history_count, 3);
        assert_int_equal(f->recovered.history[2].zxid, ZXID(1, 5000));
        f->config.history_max = 0;
        fixture_must_open(f);
        assert_int_equal(f->recovered.history_count, 0);
}

/* ---- digests (safety: D4) ---- */

static void test_wrong_digest_is_counted_and_said(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        struct effects fx;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        effects_init(&fx);
        for (int64_t c = 1; c <= 3; c++) {
                struct blob *b = fixture_payload_digest(db, ZXID(1, c));
                if (c == 2)
                        b->data[b->len - 1] ^= 1;
                (void)effect_log_append(&fx, b, 0, b->len, ZXID(1, c));
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        fixture_must_open(f);
        assert_int_equal(f->recovered.digest_mismatches, 1);
        assert_non_null(strstr(f->recovered.note, "digest"));
        effects_done(&fx);
        database_free(db);
}

/* Appends (epoch, from) to (epoch, last), with digests, in a segment of their own. */
static void write_digests(struct fixture *f, struct database *db, int64_t epoch, int64_t from, int64_t last)
{
        struct effects fx;
        effects_init(&fx);
        assert_int_equal(fixture_roll(f), 0);
        for (int64_t c = from; c <= last; c++) {
                struct blob *b = fixture_payload_digest(db, ZXID(epoch, c));
                (void)effect_log_append(&fx, b, 0, b->len, ZXID(epoch, c));
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
}

/* Zeros over the last record of a segment, as a lost sector leaves them. */
static void zero_last_record(struct fixture *f, const char *name)
{
        size_t len;
        const uint8_t *data = memory_storage_bytes(f->disk, name, &len);
        uint8_t *copy = test_malloc(len);
        memcpy(copy, data, len);
        size_t last = 0;
        for (size_t at = 16; at + 12 < len && (copy[at + 10] || copy[at + 11]);
             at += 12 + ((size_t)copy[at + 10] << 8 | copy[at + 11]) + 1)
                last = at;
        assert_true(last > 16);
        memset(copy + last, 0, len - last);
        memory_storage_put(f->disk, name, copy, len);
        test_free(copy);
}

/* Zeros at the end of a segment look like padding, and the first zxid of a later epoch follows anything: only the
 * digest shows that transactions are missing. Safety: D5, Z11; tests/sim/scenario/59. */
static void test_a_lost_end_before_a_later_epoch_is_refused(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        write_digests(f, db, 1, 1, 4);
        fixture_enter_epoch(f, 2);
        write_digests(f, db, 2, 1, 2);
        database_free(db);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 2));
        assert_int_equal(f->recovered.digest_mismatches, 0);
        fixture_close(f);
        zero_last_record(f, "log.100000001");
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "0x200000001 at offset 16 was written behind 0x100000004"));
        memory_storage_drop(f->disk, TXNLOG__ENDS); /* as Java leaves it */
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "transactions behind 0x100000003 are missing"));
        memory_storage_drop(f->disk, "log.100000001");
        assert_int_equal(fixture_open(f), -EUCLEAN);
}

static void write_session(struct fixture *f, struct database *db, int64_t zxid)
{
        struct jute_writer w;
        struct effects fx;
        jute_writer_init(&w, 256);
        jute_put_txn_header(&w, &(struct jute_txn_header){.session_id = 7, .zxid = zxid, .type = OP_CREATE_SESSION});
        jute_put_int(&w, 1000);
        jute_put_txn_digest(&w, &(struct jute_txn_digest){.version = JUTE_DIGEST_VERSION,
                                                          .tree_digest = (int64_t)tree_digest(database_tree(db))});
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, b->len, zxid);
        blob_unref(b);
        assert_int_equal(store_perform(f->store, &fx.list[0], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
}

/* The digest is that of the tree, and says nothing of sessions. What is damaged in a segment that was left whole was no
 * torn write. Safety: D5, S3; simulator, seed 300493. */
static void test_a_session_lost_before_a_later_epoch_is_refused(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        size_t len;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        write_digests(f, db, 1, 1, 4);
        write_session(f, db, ZXID(1, 5));
        fixture_enter_epoch(f, 2);
        write_digests(f, db, 2, 1, 2);
        database_free(db);
        fixture_must_open(f);
        assert_int_equal(session_table_count(database_sessions(f->recovered.db)), 1);
        fixture_close(f);
        assert_non_null(memory_storage_bytes(f->disk, "log.100000001", &len));
        memory_storage_flip(f->disk, "log.100000001", len - 8, 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "no torn write"));
}

/* The first transaction of an epoch may be one that failed. It has no digest, so the next one's tells. */
static void test_a_lost_end_is_refused_where_the_epoch_begins_with_a_failure(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        struct jute_writer w;
        struct effects fx;
        struct jute_txn_header h = {.zxid = ZXID(2, 1), .type = OP_ERROR};
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        write_digests(f, db, 1, 1, 4);
        fixture_enter_epoch(f, 2);
        assert_int_equal(fixture_roll(f), 0);
        jute_writer_init(&w, 100);
        jute_put_txn_header(&w, &h);
        jute_put_int(&w, ZK_NO_NODE);
        struct blob *failed = jute_writer_blob(&w);
        jute_writer_done(&w);
        effects_init(&fx);
        (void)effect_log_append(&fx, failed, 0, failed->len, ZXID(2, 1));
        assert_int_equal(store_perform(f->store, &fx.list[0], NULL, f->why), 0);
        effects_done(&fx);
        blob_unref(failed);
        write_digests(f, db, 2, 2, 3); /* in a segment of their own: the question stays open until there */
        database_free(db);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 3));
        assert_int_equal(f->recovered.digest_mismatches, 0);
        fixture_close(f);
        zero_last_record(f, "log.100000001");
        memory_storage_drop(f->disk, TXNLOG__ENDS); /* as Java leaves it */
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "log.200000001: 0x200000001 at offset 16 begins an epoch"));
        assert_non_null(strstr(f->why, "transactions behind 0x100000003 are missing"));
}

/* A log without digests until then (ZooKeeper 3.5, or its switch): nothing says that the tree was ever the writer's, so
 * that one that differs is counted and said, and no loss. */
static void test_the_first_digest_of_all_proves_no_loss(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        fixture_close(f);
        struct blob *b = fixture_snapshot_bytes(db, 0);
        memory_storage_put(f->disk, "snapshot.0", b->data, b->len - 33 - 21); /* neither digest nor last zxid */
        blob_unref(b);
        fixture_must_open(f);
        fixture_enter_epoch(f, 2);
        write_digests(f, db, 2, 1, 2); /* of a tree that lacks epoch 1 */
        database_free(db);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 2));
        assert_int_equal(f->recovered.digest_mismatches, 2);
}

/* A Java snapshot is fuzzy: named F, its digest is that of E > F. Until E nothing is compared. */
static void test_digests_of_a_fuzzy_snapshot_are_compared_from_its_end_on(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new(), *later = database_new();
        struct effects fx;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        effects_init(&fx);
        for (int64_t c = 1; c <= 8; c++) {
                struct blob *b = fixture_payload_digest(db, ZXID(1, c));
                (void)effect_log_append(&fx, b, 0, b->len, ZXID(1, c));
                blob_unref(b);
                if (c <= 6)
                        fixture_apply(later, ZXID(1, c));
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        fixture_close(f);
        struct blob *b = fixture_snapshot_bytes(later, ZXID(1, 6));
        memory_storage_put(f->disk, "snapshot.100000003", b->data, b->len);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 3));
        assert_int_equal(f->recovered.replayed, 5);
        assert_int_equal(f->recovered.digest_mismatches, 0);
        assert_true(tree_digest(database_tree(f->recovered.db)) == tree_digest(database_tree(db)));
        blob_unref(b);
        effects_done(&fx);
        database_free(db);
        database_free(later);
}

/* Records that are passed over count too: a segment named after a later one than it holds would be met again by what
 * is written next, or written over. */
static void test_a_segment_with_records_older_than_its_name_is_refused(void **state)
{
        struct fixture *f = *state;
        size_t len = 0;
        make_log(f, 4);
        struct database *db = make_database(4);
        assert_int_equal(fixture_snapshot(f, db, ZXID(1, 4), 100), 0);
        database_free(db);
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        uint8_t *copy = test_malloc(len);
        memcpy(copy, bytes, len);
        memory_storage_put(f->disk, "log.100000005", copy, len);
        test_free(copy);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "log.100000005: at offset 16 stands 0x100000001, which is older than its name"));
        memory_storage_drop(f->disk, "log.100000005");
        fixture_must_open(f);
}

/* ---- leftovers ---- */

/* A segment without a header holds nothing and goes. The one before it is then the last, also where a snapshot holds
 * all that stands there: its damage is refused at once and not by the start after this one. */
static void test_a_segment_that_holds_nothing_hides_no_damage(void **state)
{
        struct fixture *f = *state;
        make_log(f, 8);
        struct database *db = make_database(8);
        assert_int_equal(fixture_snapshot(f, db, ZXID(1, 8), 100), 0);
        database_free(db);
        put_text(f, "log.100000009", "");
        memory_storage_flip(f->disk, "log.100000001", 100, 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_true(memory_storage_exists(f->disk, "log.100000009"));
        memory_storage_flip(f->disk, "log.100000001", 100, 1);
        fixture_must_open(f);
        assert_false(memory_storage_exists(f->disk, "log.100000009"));
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 8));
}

static void test_temporary_files_are_removed(void **state)
{
        struct fixture *f = *state;
        make_log(f, 3);
        put_text(f, "tmp.log", "ZK");
        put_text(f, "tmp.snapshot", "ZKSN");
        put_text(f, "acceptedEpoch.tmp", "9");
        put_text(f, "truncate.pending.tmp", "trunc");
        put_text(f, "log.100000001.bak", "not ours");
        fixture_must_open(f);
        assert_int_equal(memory_storage_count(f->disk, "tmp."), 0);
        assert_int_equal(memory_storage_count(f->disk, "truncate."), 0);
        assert_false(memory_storage_exists(f->disk, "acceptedEpoch.tmp"));
        assert_true(memory_storage_exists(f->disk, "log.100000001.bak"));
        assert_int_equal(f->recovered.accepted_epoch, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_empty_directory_becomes_a_fresh_database),
                TEST(test_epoch_files_are_judged_beside_the_last_zxid),
                TEST(test_epochs_without_any_history_mean_that_it_was_lost),
                TEST(test_epochs_never_go_back),
                TEST(test_epoch_writes_are_durable_on_return),
                TEST(test_newest_snapshot_is_the_start_and_the_log_goes_on_from_it),
                TEST(test_damaged_snapshot_is_passed_over_when_the_log_makes_up_for_it),
                TEST(test_damaged_snapshot_beyond_the_log_is_refused),
                TEST(test_incomplete_snapshot_is_passed_over),
                TEST(test_every_flipped_byte_of_a_snapshot_is_noticed),
                TEST(test_log_without_a_snapshot_is_refused),
                TEST(test_all_snapshots_damaged_is_refused),
                TEST(test_older_logs_purged_under_a_damaged_snapshot_is_refused),
                TEST(test_all_four_section_forms_are_read),
                TEST(test_gzip_snapshot_is_read),
                TEST(test_snappy_snapshot_is_refused_by_name),
                TEST(test_gap_below_the_snapshot_is_no_gap),
                TEST(test_append_over_a_gap_needs_its_snapshot),
                TEST(test_snapshot_of_a_new_epoch_is_followed_by_its_first_transaction),
                TEST(test_history_is_the_newest_run_within_its_limits),
                TEST(test_wrong_digest_is_counted_and_said),
                TEST(test_a_lost_end_before_a_later_epoch_is_refused),
                TEST(test_a_session_lost_before_a_later_epoch_is_refused),
                TEST(test_a_lost_end_is_refused_where_the_epoch_begins_with_a_failure),
                TEST(test_the_first_digest_of_all_proves_no_loss),
                TEST(test_digests_of_a_fuzzy_snapshot_are_compared_from_its_end_on),
                TEST(test_a_segment_with_records_older_than_its_name_is_refused),
                TEST(test_a_segment_that_holds_nothing_hides_no_damage),
                TEST(test_temporary_files_are_removed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
