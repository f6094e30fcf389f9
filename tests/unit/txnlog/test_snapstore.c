/* Snapshot files: how they come to be, and what goes when a new one is there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <string.h>

static int setup(void **state)
{
        (void)fixture_setup(state);
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        return 0;
}

/* Writes `count` transactions after those in `db`, rolls, and snapshots them all. */
static int round_of(struct fixture *f, struct database *db, int64_t count)
{
        int64_t z = database_zxid(db) ? database_zxid(db) : ZXID(1, 0);
        for (int64_t c = 1; c <= count; c++)
                fixture_apply(db, z + c);
        fixture_write(f, z + 1, z + count);
        assert_int_equal(fixture_roll(f), 0);
        return fixture_snapshot(f, db, z + count, 64);
}

static void test_file_is_what_the_chunks_were(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        size_t len = 0;
        fixture_apply(db, ZXID(1, 1));
        struct blob *b = fixture_snapshot_bytes(db, ZXID(1, 1));
        assert_int_equal(fixture_snapshot(f, db, ZXID(1, 1), 7), 0);
        const uint8_t *bytes = memory_storage_bytes(f->disk, "snapshot.100000001", &len);
        assert_int_equal(len, b->len);
        assert_memory_equal(bytes, b->data, len);
        static const uint8_t header[16] = {'Z',  'K',  'S',  'N',  0,    0,    0,    2,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
        assert_memory_equal(bytes, header, sizeof header);
        blob_unref(b);
        database_free(db);
}

static void test_snapshot_is_durable_when_reported(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        assert_int_equal(round_of(f, db, 3), 0);
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 3));
        database_free(db);
}

static void test_what_does_not_match_its_seals_gets_no_name(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        struct effects fx;
        struct snapstore *s = snapstore_new(memory_storage_io(f->disk), &f->config);
        struct blob *b = fixture_snapshot_bytes(db, 5);
        b->data[50] ^= 1;
        effects_init(&fx);
        (void)effect_snapshot_begin(&fx, 5);
        (void)effect_snapshot_chunk(&fx, b);
        (void)effect_snapshot_end(&fx, 5, false);
        assert_int_equal(snapstore_perform(s, &fx.list[0], f->why), 0);
        assert_int_equal(snapstore_perform(s, &fx.list[1], f->why), 0);
        assert_int_equal(snapstore_perform(s, &fx.list[2], f->why), -EBADMSG);
        assert_int_equal(snapstore_perform(s, &fx.list[1], f->why), -EBADMSG);
        assert_int_equal(memory_storage_count(f->disk, "snapshot."), 1);
        assert_int_equal(memory_storage_count(f->disk, "tmp."), 0);
        effects_done(&fx);
        snapstore_free(s);
        database_free(db);
}

static void test_abort_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        struct effects fx;
        struct snapstore *s = snapstore_new(memory_storage_io(f->disk), &f->config);
        effects_init(&fx);
        (void)effect_snapshot_begin(&fx, 5);
        (void)effect_snapshot_chunk(&fx, blob_copy("ZKSN", 4));
        (void)effect_snapshot_abort(&fx);
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(snapstore_perform(s, &fx.list[i], f->why), 0);
        assert_int_equal(memory_storage_count(f->disk, "tmp."), 0);
        assert_int_equal(snapstore_perform(s, &fx.list[2], f->why), 0); /* again does no harm */
        assert_true(snapstore_perform(s, &fx.list[1], f->why) < 0);
        effects_done(&fx);
        snapstore_free(s);
}

/* Catalogue 64, second half. */
static void test_full_disk_leaves_the_older_snapshots(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        assert_int_equal(round_of(f, db, 3), 0);
        fixture_write(f, ZXID(1, 4), ZXID(1, 5));
        fixture_apply(db, ZXID(1, 4));
        fixture_apply(db, ZXID(1, 5));
        static const enum memory_op ops[] = {MEMORY_OP_CREATE, MEMORY_OP_WRITE, MEMORY_OP_SYNC, MEMORY_OP_RENAME};
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
                memory_storage_fail(f->disk, ops[i], 0, 1, -ENOSPC);
                assert_int_equal(fixture_snapshot(f, db, ZXID(1, 5), 64), -ENOSPC);
                assert_int_equal(memory_storage_count(f->disk, "tmp."), 0);
                assert_int_equal(memory_storage_count(f->disk, "snapshot."), 2);
        }
        assert_int_equal(fixture_snapshot(f, db, ZXID(1, 5), 64), 0);
        fixture_must_open(f);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 5));
        database_free(db);
}

/* ---- retention (storage-format.md 6, safety: D9) ---- */

static void test_three_snapshots_stay_with_the_logs_they_need(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        for (int i = 0; i < 6; i++)
                assert_int_equal(round_of(f, db, 10), 0);
        /* Kept: 40, 50, 60. The log that holds 31-40 is the newest one named <= 40. */
        assert_int_equal(memory_storage_count(f->disk, "snapshot."), 3);
        assert_true(memory_storage_exists(f->disk, "snapshot.100000028"));
        assert_true(memory_storage_exists(f->disk, "log.10000001f"));
        assert_false(memory_storage_exists(f->disk, "log.100000015"));
        assert_int_equal(memory_storage_count(f->disk, "log."), 3);
        fixture_close(f);
        memory_storage_drop(f->disk, "snapshot.10000003c");
        memory_storage_drop(f->disk, "snapshot.100000032");
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 60));
        assert_int_equal(f->recovered.replayed, 20);
        database_free(db);
}

/* Falling back to a snapshot whose log is gone could skip an epoch's transactions unnoticed. */
static void test_no_crash_leaves_an_older_snapshot_without_its_log(void **state)
{
        (void)state;
        bool dead = true;
        for (uint64_t k = 0; dead; k++) {
                struct fixture f;
                struct database *db = database_new();
                fixture_init(&f);
                fixture_must_open(&f);
                fixture_enter_epoch(&f, 1);
                /* Nothing could be removed for a while, so that much goes at once. */
                memory_storage_fail(f.disk, MEMORY_OP_REMOVE, 0, UINT64_MAX, -EACCES);
                for (int i = 0; i < 6; i++)
                        assert_int_equal(round_of(&f, db, 2), 0);
                memory_storage_fail(f.disk, MEMORY_OP_REMOVE, 0, 0, -EACCES);
                memory_storage_die(f.disk, k, true);
                (void)fixture_snapshot(&f, db, ZXID(1, 12), 1u << 20);
                dead = memory_storage_dead(f.disk);
                fixture_close(&f);
                for (uint64_t seed = 0; seed < 20; seed++) {
                        struct memory_storage *image = memory_storage_clone(f.disk);
                        memory_storage_crash_as(image, MEMORY_CRASH_SCATTER, seed);
                        if (memory_storage_exists(image, "snapshot.100000002"))
                                assert_true(memory_storage_exists(image, "log.100000003"));
                        memory_storage_free(image);
                }
                fixture_done(&f);
                database_free(db);
        }
}

static void test_damaged_snapshots_do_not_count_as_kept(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        for (int i = 0; i < 2; i++)
                assert_int_equal(round_of(f, db, 10), 0);
        memory_storage_flip(f->disk, "snapshot.10000000a", 60, 1);
        memory_storage_flip(f->disk, "snapshot.100000014", 60, 1);
        assert_int_equal(round_of(f, db, 10), 0);
        assert_true(memory_storage_exists(f->disk, "snapshot.0")); /* one of two good ones */
        assert_true(memory_storage_exists(f->disk, "log.100000001"));
        assert_int_equal(round_of(f, db, 10), 0);
        assert_true(memory_storage_exists(f->disk, "snapshot.0"));
        assert_int_equal(round_of(f, db, 10), 0); /* the third good one above it */
        assert_false(memory_storage_exists(f->disk, "snapshot.0"));
        assert_false(memory_storage_exists(f->disk, "snapshot.100000014"));
        assert_int_equal(memory_storage_count(f->disk, "snapshot."), 3);
        database_free(db);
}

static void test_failing_removal_does_not_undo_the_snapshot(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        for (int i = 0; i < 2; i++)
                assert_int_equal(round_of(f, db, 10), 0);
        memory_storage_fail(f->disk, MEMORY_OP_REMOVE, 0, 1, -EIO);
        assert_int_equal(round_of(f, db, 10), 0);
        assert_non_null(strstr(f->why, "snapshot.0"));
        assert_int_equal(memory_storage_count(f->disk, "snapshot."), 4);
        database_free(db);
}

/* A name below what the content's digest speaks of is that of a snapshot written while transactions went on. */
static void test_a_snapshot_of_no_moment_is_told_from_an_exact_one(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        struct snapshot_report r;
        const struct storage *io = memory_storage_io(f->disk);
        assert_int_equal(round_of(f, db, 5), 0);
        const char *name = "snapshot.100000005";
        assert_int_equal(snapshot_inspect(io, &f->config, name, ZXID(1, 5), false, &r, f->why), 0);
        assert_true(r.exact);
        assert_false(r.fuzzy);
        assert_int_equal(r.reaches_zxid, ZXID(1, 5));
        assert_int_equal(r.znodes, tree_count(database_tree(db)));
        assert_int_equal(r.sessions, session_table_count(database_sessions(db)));
        assert_int_equal(snapshot_inspect(io, &f->config, name, ZXID(1, 3), false, &r, f->why), 0);
        assert_false(r.exact);
        assert_true(r.fuzzy);
        assert_int_equal(r.reaches_zxid, ZXID(1, 5));
        assert_int_equal(snapshot_inspect(io, &f->config, "snapshot.1", 1, false, &r, f->why), -ENOENT);
        assert_non_null(strstr(f->why, "snapshot.1 "));
        database_free(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_file_is_what_the_chunks_were),
                TEST(test_snapshot_is_durable_when_reported),
                TEST(test_a_snapshot_of_no_moment_is_told_from_an_exact_one),
                TEST(test_what_does_not_match_its_seals_gets_no_name),
                TEST(test_abort_leaves_nothing),
                TEST(test_full_disk_leaves_the_older_snapshots),
                TEST(test_three_snapshots_stay_with_the_logs_they_need),
                TEST(test_no_crash_leaves_an_older_snapshot_without_its_log),
                TEST(test_damaged_snapshots_do_not_count_as_kept),
                TEST(test_failing_removal_does_not_undo_the_snapshot),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
