/* Where the history ended: a log that ends earlier is a loss, one with a part missing before an epoch is refused, and
 * nothing that happens to a directory otherwise is taken for either (election/txnlog/ends.c; safety: D3, D5, S3;
 * simulator, seed 12584). */
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "../" STORE_MARK

static void power_off(struct fixture *f)
{
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
}

static void copy_text(const struct fixture *f, const char *name, char *text, size_t size)
{
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(f->disk, name, &len);
        assert_non_null(bytes);
        assert_true(len < size);
        memcpy(text, bytes, len);
        text[len] = '\0';
}

static void put_text(struct fixture *f, const char *name, const char *text)
{
        memory_storage_put(f->disk, name, text, strlen(text));
}

/* Zeros from the n-th record of a segment on (0: the first). */
static void lose_end(struct fixture *f, const char *name, size_t n)
{
        size_t len = 0, at = 16;
        const uint8_t *bytes = memory_storage_bytes(f->disk, name, &len);
        assert_non_null(bytes);
        uint8_t *copy = test_malloc(len);
        memcpy(copy, bytes, len);
        for (; n > 0; n--)
                at += ((size_t)copy[at + 10] << 8 | copy[at + 11]) + TXNLOG__RECORD_OVERHEAD;
        assert_true(at < len && copy[at + 11] != 0);
        memset(copy + at, 0, len - at);
        memory_storage_put(f->disk, name, copy, len);
        test_free(copy);
}

static void expect(struct fixture *f, int64_t last, bool lost)
{
        fixture_must_open(f);
        if (f->recovered.last_zxid != last || f->recovered.lost != lost)
                fail_msg("0x%" PRIx64 "%s, not 0x%" PRIx64 "; %s", (uint64_t)f->recovered.last_zxid,
                         f->recovered.lost ? ", lost" : "", (uint64_t)last, f->recovered.note);
}

/* Epoch 1 with five records, and currentEpoch 2 behind them; closed. */
static void make_two_epochs(struct fixture *f)
{
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        fixture_enter_epoch(f, 2);
        power_off(f);
}

/* ---- the end of all ---- */

static void test_a_lost_end_is_a_loss_once_an_epoch_vouched_for_it(void **state)
{
        struct fixture *f = *state;
        make_two_epochs(f);
        lose_end(f, "log.100000001", 4);
        expect(f, ZXID(1, 4), true);
        assert_non_null(strstr(f->recovered.note, "baton.ends says that the log reached 0x100000005, and it ends with "
                                                  "0x100000004"));
        power_off(f);
        expect(f, ZXID(1, 4), true); /* until a leader has synchronised it */
        fixture_write(f, ZXID(1, 5), ZXID(1, 5));
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT, 2), 0);
        power_off(f);
        expect(f, ZXID(1, 5), false);
}

static void test_a_lost_end_is_a_loss_once_a_start_has_found_it(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        power_off(f);
        expect(f, ZXID(1, 5), false);
        power_off(f);
        lose_end(f, "log.100000001", 2);
        expect(f, ZXID(1, 2), true);
}

static void test_a_segment_that_is_gone_is_a_loss(void **state)
{
        struct fixture *f = *state;
        make_two_epochs(f);
        memory_storage_drop(f->disk, "log.100000001");
        expect(f, 0, true);
}

static void test_a_lost_end_is_refused_where_nobody_can_help(void **state)
{
        struct fixture *f = *state;
        make_two_epochs(f);
        lose_end(f, "log.100000001", 4);
        f->config.alone = true;
        uint64_t ops = memory_storage_ops(f->disk);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_int_equal(memory_storage_ops(f->disk), ops);
        assert_non_null(strstr(f->why, "its end is lost, and there is no other voter"));
        memory_storage_drop(f->disk, MARK); /* as it says, to give it up */
        expect(f, ZXID(1, 4), false);
        power_off(f);
        expect(f, ZXID(1, 4), false);
}

/* currentEpoch says that the history was durable, so the end is written before it, and after the history. */
static void test_no_crash_around_an_epoch_looks_like_a_loss(void **state)
{
        (void)state;
        bool more = true;
        for (uint64_t k = 0; more; k++) {
                struct fixture f;
                fixture_init(&f);
                fixture_must_open(&f);
                fixture_enter_epoch(&f, 1);
                fixture_write(&f, ZXID(1, 1), ZXID(1, 3));
                assert_int_equal(fixture_epoch(&f, EPOCH_ACCEPTED, 2), 0);
                assert_int_equal(fixture_append(&f, ZXID(1, 4)), 0);
                memory_storage_die(f.disk, k / 2, k % 2);
                more = fixture_epoch(&f, EPOCH_CURRENT, 2) < 0;
                power_off(&f);
                fixture_must_open(&f);
                assert_false(f.recovered.lost);
                if (f.recovered.current_epoch == 2)
                        assert_int_equal(f.recovered.last_zxid, ZXID(1, 4));
                fixture_done(&f);
        }
}

/* ---- what follows what ---- */

static void write_session(struct fixture *f, int64_t zxid)
{
        struct jute_writer w;
        struct effects fx;
        struct database *fresh = database_new();
        jute_writer_init(&w, 256);
        jute_put_txn_header(&w, &(struct jute_txn_header){.session_id = zxid, .zxid = zxid, .type = OP_CREATE_SESSION});
        jute_put_int(&w, 1000);
        jute_put_txn_digest(&w, &(struct jute_txn_digest){.version = JUTE_DIGEST_VERSION,
                                                          .tree_digest = (int64_t)tree_digest(database_tree(fresh))});
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        database_free(fresh);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, b->len, zxid);
        blob_unref(b);
        assert_int_equal(store_perform(f->store, &fx.list[0], NULL, f->why), 0);
        assert_int_equal(fixture_sync(f), 0);
        effects_done(&fx);
}

/* Three sessions in epoch 1, one in epoch 2, in a segment of its own: the tree is the same all the time. */
static void make_sessions(struct fixture *f)
{
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        for (int64_t c = 1; c <= 3; c++)
                write_session(f, ZXID(1, c));
        fixture_must_open(f);
        fixture_enter_epoch(f, 2);
        write_session(f, ZXID(2, 1));
        power_off(f);
}

static void test_sessions_lost_before_a_later_epoch_are_refused(void **state)
{
        (void)state;
        for (size_t n = 0; n <= 3; n++) {
                struct fixture f;
                fixture_init(&f);
                make_sessions(&f);
                expect(&f, ZXID(2, 1), false);
                power_off(&f);
                if (n < 3)
                        lose_end(&f, "log.100000001", n);
                else
                        memory_storage_drop(f.disk, "log.100000001");
                assert_int_equal(fixture_open(&f), -EUCLEAN);
                assert_non_null(strstr(f.why, "log.200000001: 0x200000001 at offset 16 was written behind "
                                              "0x100000003, and the log before it ends with 0x"));
                fixture_done(&f);
        }
}

static void test_a_segment_of_zeros_before_a_later_epoch_is_refused(void **state)
{
        struct fixture *f = *state;
        static const uint8_t zeros[512];
        make_sessions(f);
        memory_storage_put(f->disk, "log.100000001", zeros, sizeof zeros);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "was written behind 0x100000003"));
}

/* It is about that very record. Where epochs were given anew, another one has its zxid. */
static void test_what_another_record_followed_is_of_no_concern(void **state)
{
        struct fixture *f = *state;
        char seams[600];
        make_sessions(f);
        copy_text(f, TXNLOG__ENDS, seams, sizeof seams);
        struct fixture g;
        fixture_init(&g);
        fixture_must_open(&g);
        fixture_enter_epoch(&g, 2);
        fixture_write(&g, ZXID(2, 1), ZXID(2, 2)); /* on nothing */
        power_off(&g);
        put_text(&g, TXNLOG__ENDS, seams);
        expect(&g, ZXID(2, 2), false);
        fixture_done(&g);
}

static void test_the_newest_seams_are_kept(void **state)
{
        struct fixture *f = *state;
        char text[8192];
        for (int64_t e = 1; e <= TXNLOG__SEAMS_MAX + 10; e++) {
                fixture_must_open(f);
                fixture_enter_epoch(f, e);
                fixture_write(f, ZXID(e, 1), ZXID(e, 2));
        }
        power_off(f);
        copy_text(f, TXNLOG__ENDS, text, sizeof text);
        size_t count = 0;
        for (const char *at = text; (at = strstr(at, "\nseam ")); at++)
                count++;
        assert_int_equal(count, TXNLOG__SEAMS_MAX);
        assert_null(strstr(text, "\nseam a00000001 "));
        assert_non_null(strstr(text, "\nseam b00000001 "));
        expect(f, ZXID(TXNLOG__SEAMS_MAX + 10, 2), false);
        power_off(f);
        lose_end(f, "log.4900000001", 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
}

/* ---- no false alarms ---- */

static void test_what_was_cut_is_not_missing(void **state)
{
        (void)state;
        bool more = true;
        for (uint64_t k = 0; more; k++) {
                struct fixture f;
                struct recovered r = {0};
                fixture_init(&f);
                make_two_epochs(&f);
                fixture_must_open(&f);
                memory_storage_die(f.disk, k / 2, k % 2);
                more = fixture_truncate(&f, ZXID(1, 2), true, &r) < 0;
                recovered_done(&r);
                power_off(&f);
                fixture_must_open(&f);
                assert_false(f.recovered.lost);
                assert_true(f.recovered.last_zxid == ZXID(1, 2) || (more && f.recovered.last_zxid == ZXID(1, 5)));
                fixture_done(&f);
        }
}

/* A snapshot that the leader sent, of less than there was. */
static void test_what_was_replaced_is_not_missing(void **state)
{
        (void)state;
        bool more = true;
        for (uint64_t k = 0; more; k++) {
                struct fixture f;
                struct database *db = database_new();
                fixture_init(&f);
                make_two_epochs(&f);
                fixture_must_open(&f);
                fixture_apply(db, ZXID(1, 1));
                memory_storage_die(f.disk, k / 2, k % 2);
                more = fixture_receive(&f, db, ZXID(1, 1)) < 0 || fixture_truncate(&f, ZXID(1, 1), false, NULL) < 0;
                database_free(db);
                power_off(&f);
                fixture_must_open(&f);
                assert_false(f.recovered.lost);
                assert_true(f.recovered.last_zxid == ZXID(1, 1) || (more && f.recovered.last_zxid == ZXID(1, 5)));
                fixture_done(&f);
        }
}

/* ZooKeeper's server was here: a leader of epoch 3 had it cut its log back. */
static void test_what_java_has_cut_is_not_missing(void **state)
{
        struct fixture *f = *state;
        size_t len = 0;
        make_two_epochs(f);
        lose_end(f, "log.100000001", 3);
        uint8_t *copy = test_malloc(4096);
        memcpy(copy, memory_storage_bytes(f->disk, "log.100000001", &len), 1000);
        memory_storage_put(f->disk, "log.100000001", copy, 16 + 3 * (size_t)(copy[27] + TXNLOG__RECORD_OVERHEAD));
        test_free(copy);
        put_text(f, "acceptedEpoch", "3");
        put_text(f, "currentEpoch", "3");
        expect(f, ZXID(1, 3), false);
        fixture_write(f, ZXID(3, 1), ZXID(3, 2));
        power_off(f);
        expect(f, ZXID(3, 2), false);
}

/* Retention, ours or Java's, and a start from a snapshot. */
static void test_segments_that_a_snapshot_holds_are_not_missing(void **state)
{
        struct fixture *f = *state;
        make_sessions(f);
        fixture_must_open(f);
        assert_int_equal(fixture_snapshot(f, f->recovered.db, ZXID(2, 1), 100), 0);
        power_off(f);
        memory_storage_drop(f->disk, "snapshot.0");
        memory_storage_drop(f->disk, "log.100000001");
        expect(f, ZXID(2, 1), false);
        memory_storage_drop(f->disk, "log.200000001");
        expect(f, ZXID(2, 1), false);
}

static void test_older_files_beside_it_are_found_out(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 3));
        power_off(f);
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(f->disk, "log.100000001", &len);
        uint8_t *copy = test_malloc(len);
        memcpy(copy, bytes, len);
        fixture_must_open(f);
        fixture_write(f, ZXID(1, 4), ZXID(1, 5));
        fixture_enter_epoch(f, 2);
        power_off(f);
        memory_storage_drop(f->disk, "log.100000004");
        memory_storage_put(f->disk, "log.100000001", copy, len);
        put_text(f, "acceptedEpoch", "1");
        put_text(f, "currentEpoch", "1");
        test_free(copy);
        expect(f, ZXID(1, 3), true);
        power_off(f);
        memory_storage_drop(f->disk, MARK); /* a person gives the rest up */
        expect(f, ZXID(1, 3), false);
        fixture_enter_epoch(f, 2);
        fixture_write(f, ZXID(2, 1), ZXID(2, 1));
        power_off(f);
        expect(f, ZXID(2, 1), false);
}

static void test_files_from_elsewhere_take_theirs_along(void **state)
{
        struct fixture *f = *state;
        char text[600];
        make_two_epochs(f);
        copy_text(f, TXNLOG__ENDS, text, sizeof text);
        struct fixture g;
        fixture_init(&g);
        fixture_must_open(&g);
        fixture_enter_epoch(&g, 7);
        fixture_write(&g, ZXID(7, 1), ZXID(7, 1));
        power_off(&g);
        put_text(&g, TXNLOG__ENDS, text); /* of a server that was behind */
        expect(&g, ZXID(7, 1), false);
        fixture_done(&g);
}

/* ---- the file itself ---- */

static void test_a_file_that_is_not_as_written_says_nothing(void **state)
{
        (void)state;
        char text[600];
        struct fixture f;
        fixture_init(&f);
        make_sessions(&f);
        copy_text(&f, TXNLOG__ENDS, text, sizeof text);
        assert_int_equal(strncmp(text, "baton.ends 1\nend 2 100000003\nseam 100000001 ", 43), 0);
        size_t len = strlen(text);
        for (size_t i = 0; i < 2 * len; i++) {
                struct fixture g = {.disk = memory_storage_clone(f.disk), .config = f.config};
                if (i < len)
                        memory_storage_flip(g.disk, TXNLOG__ENDS, i, 0x11);
                else
                        memory_storage_put(g.disk, TXNLOG__ENDS, text, i - len);
                lose_end(&g, "log.100000001", 1);
                expect(&g, ZXID(2, 1), false); /* as a log without it is read */
                assert_non_null(strstr(g.recovered.note, "baton.ends is not as it was written"));
                power_off(&g);
                expect(&g, ZXID(2, 1), false);
                assert_null(strstr(g.recovered.note, "baton.ends"));
                fixture_done(&g);
        }
        fixture_done(&f);
}

static void test_without_the_file_it_is_made(void **state)
{
        struct fixture *f = *state;
        make_two_epochs(f);
        memory_storage_drop(f->disk, TXNLOG__ENDS);
        expect(f, ZXID(1, 5), false);
        power_off(f);
        lose_end(f, "log.100000001", 4);
        expect(f, ZXID(1, 4), true);
}

static void test_an_error_of_the_disk_is_no_missing_file(void **state)
{
        struct fixture *f = *state;
        make_two_epochs(f);
        memory_storage_spoil(f->disk, TXNLOG__ENDS, -EIO);
        assert_int_equal(fixture_open(f), -EIO);
        assert_non_null(strstr(f->why, "baton.ends can't be read"));
        memory_storage_spoil(f->disk, TXNLOG__ENDS, 0);
        expect(f, ZXID(1, 5), false);
}

/* A start needs no room. Safety: D6; simulator, seed 202. */
static void test_a_full_disk_is_no_reason_not_to_start(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        power_off(f);
        memory_storage_limit(f->disk, 1);
        expect(f, ZXID(1, 5), false);
        assert_non_null(strstr(f->recovered.note, "baton.ends can't be written"));
        power_off(f);
        memory_storage_limit(f->disk, UINT64_MAX);
        expect(f, ZXID(1, 5), false);
        assert_string_equal(f->recovered.note, "");
        assert_int_equal(memory_storage_count(f->disk, "baton.ends"), 1);
}

/* A new leader's first write waits for all of it: currentEpoch, prepared before, and a segment of a new epoch. Two
 * files more are written, and synced, but the directory not once more. */
static void test_a_failover_waits_for_two_syncs_more(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        assert_int_equal(fixture_roll(f), 0);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 2), 0);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT_PREPARE, 2), 0);
        memory_storage_fail(f->disk, MEMORY_OP_SYNC, 4, 1, -EIO); /* both, the segment's header, the record */
        memory_storage_fail(f->disk, MEMORY_OP_SYNC_DIR, 2, 1, -EIO);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT, 2), 0);
        fixture_write(f, ZXID(2, 1), ZXID(2, 1));
        power_off(f);
        char text[600];
        copy_text(f, TXNLOG__ENDS, text, sizeof text);
        assert_non_null(strstr(text, "\nend 2 100000005\n"));
        assert_non_null(strstr(text, "\nseam 200000001 "));
}

/* What was read may be in the page cache only: Java syncs neither its snapshots nor, at once, a segment it has left. */
static void test_all_that_a_start_has_read_is_durable(void **state)
{
        struct fixture *f = *state;
        make_sessions(f);
        const struct storage *io = memory_storage_io(f->disk);
        static const char *const names[] = {"log.100000001", "snapshot.0"};
        for (size_t i = 0; i < 2; i++) {
                struct storage_file *file;
                size_t len = 0;
                const uint8_t *bytes = memory_storage_bytes(f->disk, names[i], &len);
                uint8_t *copy = test_malloc(len);
                memcpy(copy, bytes, len);
                memory_storage_drop(f->disk, names[i]);
                assert_int_equal(io->create(io->ctx, names[i], &file), 0);
                assert_int_equal(io->write_at(file, 0, copy, len), 0);
                io->close(file);
                test_free(copy);
        }
        expect(f, ZXID(2, 1), false);
        power_off(f);
        expect(f, ZXID(2, 1), false);
        assert_int_equal(session_table_count(database_sessions(f->recovered.db)), 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_lost_end_is_a_loss_once_an_epoch_vouched_for_it),
                TEST(test_a_lost_end_is_a_loss_once_a_start_has_found_it),
                TEST(test_a_segment_that_is_gone_is_a_loss),
                TEST(test_a_lost_end_is_refused_where_nobody_can_help),
                TEST(test_no_crash_around_an_epoch_looks_like_a_loss),
                TEST(test_sessions_lost_before_a_later_epoch_are_refused),
                TEST(test_a_segment_of_zeros_before_a_later_epoch_is_refused),
                TEST(test_what_another_record_followed_is_of_no_concern),
                TEST(test_the_newest_seams_are_kept),
                TEST(test_what_was_cut_is_not_missing),
                TEST(test_what_was_replaced_is_not_missing),
                TEST(test_what_java_has_cut_is_not_missing),
                TEST(test_segments_that_a_snapshot_holds_are_not_missing),
                TEST(test_older_files_beside_it_are_found_out),
                TEST(test_files_from_elsewhere_take_theirs_along),
                TEST(test_a_file_that_is_not_as_written_says_nothing),
                TEST(test_without_the_file_it_is_made),
                TEST(test_an_error_of_the_disk_is_no_missing_file),
                TEST(test_a_full_disk_is_no_reason_not_to_start),
                TEST(test_a_failover_waits_for_two_syncs_more),
                TEST(test_all_that_a_start_has_read_is_durable),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
