/* Truncation: back to a zxid (TRUNC), or replaced by a received snapshot (SNAP). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <string.h>

/* snapshot.0; segments (1,1)-(1,4), (1,5)-(1,8), (1,9)-(1,10). */
static int setup(void **state)
{
        (void)fixture_setup(state);
        struct fixture *f = *state;
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 4));
        assert_int_equal(fixture_roll(f), 0);
        fixture_write(f, ZXID(1, 5), ZXID(1, 8));
        assert_int_equal(fixture_roll(f), 0);
        fixture_write(f, ZXID(1, 9), ZXID(1, 10));
        return 0;
}

static void put_snapshot(struct fixture *f, const char *name, int64_t count, int64_t content, size_t cut)
{
        struct database *db = database_new();
        for (int64_t c = 1; c <= count; c++)
                fixture_apply(db, ZXID(1, c));
        struct blob *b = fixture_snapshot_bytes(db, content);
        memory_storage_put(f->disk, name, b->data, b->len - cut);
        blob_unref(b);
        database_free(db);
}

static void expect_state(const struct recovered *r, int64_t counter)
{
        assert_int_equal(r->last_zxid, ZXID(1, counter));
        assert_int_equal(database_zxid(r->db), ZXID(1, counter));
        for (int64_t c = 1; c <= counter; c++)
                assert_true(fixture_has(r->db, ZXID(1, c)));
        assert_false(fixture_has(r->db, ZXID(1, counter + 1)));
        if (r->history_count)
                assert_int_equal(r->history[r->history_count - 1].zxid, r->last_zxid);
}

static void truncate_to(struct fixture *f, int64_t counter)
{
        struct recovered r;
        if (fixture_truncate(f, ZXID(1, counter), true, &r) != 1)
                fail_msg("not truncated: %s", f->why);
        expect_state(&r, counter);
        assert_int_equal(r.accepted_epoch, 1);
        assert_int_equal(r.current_epoch, 1);
        recovered_done(&r);
        assert_int_equal(memory_storage_count(f->disk, "truncate."), 0);
}

static void test_every_logged_zxid_can_be_gone_back_to(void **state)
{
        struct fixture *f = *state;
        for (int64_t c = 10; c >= 1; c--) {
                truncate_to(f, c);
                fixture_close(f);
                memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1); /* it was durable */
                fixture_must_open(f);
                expect_state(&f->recovered, c);
                assert_false(f->recovered.torn);
        }
        assert_int_equal(memory_storage_count(f->disk, "log."), 1);
}

static void test_the_log_goes_on_after_the_cut(void **state)
{
        struct fixture *f = *state;
        truncate_to(f, 6);
        assert_int_equal(fixture_append(f, ZXID(1, 7)), 0);
        assert_int_equal(fixture_append(f, ZXID(2, 1)), 0);
        assert_int_equal(fixture_sync(f), 0);
        assert_false(memory_storage_exists(f->disk, "log.100000009"));
        assert_true(memory_storage_exists(f->disk, "log.100000007"));
        fixture_enter_epoch(f, 2);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 1));
        assert_false(fixture_has(f->recovered.db, ZXID(1, 8)));
}

static void test_unsynced_appends_take_part(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(fixture_append(f, ZXID(1, 11)), 0);
        assert_int_equal(fixture_append(f, ZXID(1, 12)), 0);
        truncate_to(f, 11);
}

/* Catalogue 30, ZOOKEEPER-1549: a snapshot with newer content would bring the cut suffix back. */
static void test_snapshots_that_hold_more_go(void **state)
{
        struct fixture *f = *state;
        put_snapshot(f, "snapshot.100000003", 3, ZXID(1, 3), 0);
        put_snapshot(f, "snapshot.100000005", 7, ZXID(1, 7), 0); /* fuzzy: its digest section says so */
        put_snapshot(f, "snapshot.100000009", 9, ZXID(1, 9), 0);
        truncate_to(f, 6);
        assert_true(memory_storage_exists(f->disk, "snapshot.100000003"));
        assert_false(memory_storage_exists(f->disk, "snapshot.100000005"));
        assert_false(memory_storage_exists(f->disk, "snapshot.100000009"));
        fixture_must_open(f);
        expect_state(&f->recovered, 6);
        assert_int_equal(f->recovered.snapshot_zxid, ZXID(1, 3));
}

/* Without a digest section nobody knows what a Java server applied while it wrote. */
static void test_snapshot_of_unknown_content_is_not_trusted(void **state)
{
        struct fixture *f = *state;
        put_snapshot(f, "snapshot.100000005", 5, ZXID(1, 5), 54);
        truncate_to(f, 6);
        assert_false(memory_storage_exists(f->disk, "snapshot.100000005"));
        assert_true(memory_storage_exists(f->disk, "snapshot.0"));
}

static void expect_unreachable(struct fixture *f, int64_t zxid)
{
        struct recovered r;
        uint64_t ops = memory_storage_ops(f->disk);
        assert_int_equal(fixture_truncate(f, zxid, true, &r), 0);
        assert_null(r.db);
        assert_true(f->why[0] != '\0');
        assert_int_equal(memory_storage_ops(f->disk), ops);
}

static void test_what_cannot_be_reached_changes_nothing(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f); /* so that no segment is open: leaving it would count as a change */
        expect_unreachable(f, ZXID(1, 11));
        expect_unreachable(f, ZXID(2, 1));
        expect_unreachable(f, ZXID(2, 0));
        put_snapshot(f, "snapshot.100000005", 5, ZXID(1, 5), 0);
        memory_storage_drop(f->disk, "snapshot.0");
        expect_unreachable(f, ZXID(1, 4));
        memory_storage_flip(f->disk, "log.100000005", 30, 1);
        expect_unreachable(f, ZXID(1, 7)); /* damage on the way there */
        memory_storage_flip(f->disk, "log.100000005", 30, 1);
        fixture_write(f, ZXID(1, 11), ZXID(1, 12));
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 12));
}

static void test_a_snapshot_alone_can_be_the_place(void **state)
{
        struct fixture *f = *state;
        put_snapshot(f, "snapshot.100000005", 5, ZXID(1, 5), 0);
        truncate_to(f, 5);
        fixture_must_open(f);
        expect_state(&f->recovered, 5);
        assert_int_equal(f->recovered.replayed, 0);
}

/* ---- replaced by a snapshot ---- */

/* A line of its own: (1,1), (1,2), (2,1) … (2,count). */
static struct database *other_line(int64_t count)
{
        struct database *db = database_new();
        fixture_apply(db, ZXID(1, 1));
        fixture_apply(db, ZXID(1, 2));
        for (int64_t c = 1; c <= count; c++)
                fixture_apply(db, ZXID(2, c));
        return db;
}

/* Catalogue 35: the old tail must never be replayed again, under whatever snapshot. */
static void test_received_snapshot_replaces_log_and_snapshots(void **state)
{
        struct fixture *f = *state;
        struct database *db = other_line(3);
        put_snapshot(f, "snapshot.100000009", 9, ZXID(1, 9), 0);
        fixture_enter_epoch(f, 2);
        assert_int_equal(fixture_snapshot(f, db, ZXID(2, 3), 100), 0);
        assert_int_equal(fixture_truncate(f, ZXID(2, 3), false, NULL), 0);
        assert_int_equal(memory_storage_count(f->disk, "log."), 0);
        assert_int_equal(memory_storage_count(f->disk, "snapshot."), 1);
        fixture_write(f, ZXID(2, 4), ZXID(2, 5));
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
        fixture_must_open(f);
        assert_int_equal(f->recovered.last_zxid, ZXID(2, 5));
        assert_true(fixture_has(f->recovered.db, ZXID(2, 1)));
        assert_false(fixture_has(f->recovered.db, ZXID(1, 3)));
        fixture_close(f);
        memory_storage_flip(f->disk, "snapshot.200000003", 60, 1);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        database_free(db);
}

/* The leader may be behind what this server has logged. */
static void test_received_snapshot_may_lie_below_the_old_log(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        for (int64_t c = 1; c <= 5; c++)
                fixture_apply(db, ZXID(1, c));
        put_snapshot(f, "snapshot.100000008", 8, ZXID(1, 8), 0);
        assert_int_equal(fixture_snapshot(f, db, ZXID(1, 5), 100), 0);
        assert_int_equal(fixture_truncate(f, ZXID(1, 5), false, NULL), 0);
        fixture_must_open(f);
        expect_state(&f->recovered, 5);
        fixture_write(f, ZXID(1, 6), ZXID(1, 6));
        fixture_must_open(f);
        expect_state(&f->recovered, 6);
        database_free(db);
}

static void test_nothing_is_given_up_for_a_snapshot_that_is_not_there(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(fixture_truncate(f, ZXID(1, 5), false, NULL), -EUCLEAN);
        assert_int_equal(fixture_append(f, ZXID(1, 11)), -EIO);
        fixture_must_open(f);
        expect_state(&f->recovered, 10);
        put_snapshot(f, "snapshot.100000005", 5, ZXID(1, 5), 0);
        memory_storage_flip(f->disk, "snapshot.100000005", 60, 1);
        assert_int_equal(fixture_truncate(f, ZXID(1, 5), false, NULL), -EUCLEAN);
        fixture_must_open(f);
        expect_state(&f->recovered, 10);
}

/* The old log ends in an epoch above the snapshot's zxid: a transaction of another history, which must not
 * be replayed on top of it, whenever the power fails (safety: Z3). */
static void test_received_snapshot_and_old_log_are_never_mixed(void **state)
{
        struct fixture *f = *state;
        struct database *db = database_new();
        for (int64_t c = 1; c <= 12; c++)
                fixture_apply(db, ZXID(1, c));
        fixture_enter_epoch(f, 2);
        fixture_write(f, ZXID(2, 1), ZXID(2, 1));
        fixture_close(f);
        struct memory_storage *before = memory_storage_clone(f->disk);
        uint64_t first = memory_storage_ops(f->disk);
        assert_int_equal(fixture_receive(f, db, ZXID(1, 12)), 0);
        uint64_t count = memory_storage_ops(f->disk) - first;
        memory_storage_free(f->disk);
        int old = 0, new = 0;
        for (uint64_t skip = 0; skip <= 2 * count + 1; skip++) {
                f->disk = memory_storage_clone(before);
                memory_storage_die(f->disk, skip / 2, skip % 2);
                (void)fixture_receive(f, db, ZXID(1, 12));
                memory_storage_crash(f->disk, skip);
                fixture_must_open(f);
                bool has_old = f->recovered.last_zxid == ZXID(2, 1), has_new = f->recovered.last_zxid == ZXID(1, 12);
                assert_true(has_old || has_new);
                assert_int_equal(fixture_has(f->recovered.db, ZXID(1, 12)), has_new);
                assert_int_equal(fixture_has(f->recovered.db, ZXID(2, 1)), has_old);
                old += has_old;
                new += has_new;
                fixture_close(f);
                memory_storage_free(f->disk);
        }
        assert_true(old > 0 && new > 0);
        f->disk = before;
        fixture_must_open(f);
        database_free(db);
}

/* ---- the intent ---- */

static void test_begun_truncation_is_finished_at_the_next_start(void **state)
{
        struct fixture *f = *state;
        fixture_close(f);
        memory_storage_put(f->disk, "truncate.pending", "truncate 100000006\n", 19);
        fixture_must_open(f);
        expect_state(&f->recovered, 6);
        assert_int_equal(memory_storage_count(f->disk, "truncate."), 0);
}

static void test_unreadable_intent_is_refused(void **state)
{
        struct fixture *f = *state;
        static const char *const texts[] = {"",
                                            "truncate\n",
                                            "truncate 1",
                                            "truncate 1x\n",
                                            "cut 1\n",
                                            "replace 8000000000000000\n",
                                            "truncate 12345678901234567\n"};
        fixture_close(f);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                memory_storage_put(f->disk, "truncate.pending", texts[i], strlen(texts[i]));
                assert_int_equal(fixture_open(f), -EUCLEAN);
        }
        memory_storage_drop(f->disk, "truncate.pending");
        fixture_must_open(f);
        expect_state(&f->recovered, 10);
}

static void test_failing_truncation_ends_the_log(void **state)
{
        struct fixture *f = *state;
        struct recovered r;
        memory_storage_fail(f->disk, MEMORY_OP_REMOVE, 0, 1, -EIO);
        assert_int_equal(fixture_truncate(f, ZXID(1, 6), true, &r), -EIO);
        assert_null(r.db);
        assert_int_equal(fixture_append(f, ZXID(1, 7)), -EIO);
        fixture_must_open(f); /* the intent was written: the new state */
        expect_state(&f->recovered, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_every_logged_zxid_can_be_gone_back_to),
                TEST(test_the_log_goes_on_after_the_cut),
                TEST(test_unsynced_appends_take_part),
                TEST(test_snapshots_that_hold_more_go),
                TEST(test_snapshot_of_unknown_content_is_not_trusted),
                TEST(test_what_cannot_be_reached_changes_nothing),
                TEST(test_a_snapshot_alone_can_be_the_place),
                TEST(test_received_snapshot_replaces_log_and_snapshots),
                TEST(test_received_snapshot_may_lie_below_the_old_log),
                TEST(test_nothing_is_given_up_for_a_snapshot_that_is_not_there),
                TEST(test_received_snapshot_and_old_log_are_never_mixed),
                TEST(test_begun_truncation_is_finished_at_the_next_start),
                TEST(test_unreadable_intent_is_refused),
                TEST(test_failing_truncation_ends_the_log),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
