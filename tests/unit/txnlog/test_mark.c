/* The mark beside the files: when it is made, what its word is, and that no crash makes a server that lost its
 * files look whole, or a whole one look lost. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/txnlog/txnlog_internal.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <string.h>

#define MARK "../" STORE_MARK

static void expect_mark(const struct fixture *f, const char *text)
{
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(f->disk, MARK, &len);
        if (!text) {
                assert_null(bytes);
                return;
        }
        assert_non_null(bytes);
        assert_int_equal(len, strlen(text));
        assert_memory_equal(bytes, text, len);
}

static void power_off(struct fixture *f)
{
        fixture_close(f);
        memory_storage_crash_as(f->disk, MEMORY_CRASH_NOTHING, 1);
}

/* A server that has been through epoch 1, closed. */
static void make_past(struct fixture *f)
{
        fixture_must_open(f);
        fixture_enter_epoch(f, 1);
        fixture_write(f, ZXID(1, 1), ZXID(1, 5));
        power_off(f);
}

static void make_lost(struct fixture *f)
{
        make_past(f);
        memory_storage_wipe(f->disk);
}

/* ---- when it is made ---- */

static void test_first_start_leaves_none(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        assert_false(f->recovered.lost);
        power_off(f);
        expect_mark(f, NULL);
        fixture_must_open(f);
        assert_false(f->recovered.lost);
}

/* A promise is a past: nobody may give it twice. */
static void test_first_promise_makes_it_durably(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 1), 0);
        power_off(f);
        expect_mark(f, "whole\n");
        fixture_must_open(f);
        assert_false(f->recovered.lost);
}

static void test_later_epochs_leave_it_alone(void **state)
{
        struct fixture *f = *state;
        make_past(f);
        fixture_must_open(f);
        uint64_t ops = memory_storage_ops(f->disk);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 2), 0);
        assert_int_equal(memory_storage_ops(f->disk), ops + 5); /* create, write, sync, rename, sync the directory */
}

/* Ours have a header on disk before they have a name, so that zeros are damage, and nobody knows how much of it. */
static void test_newest_segment_of_zeros_is_a_loss(void **state)
{
        static const uint8_t zeros[4096];
        struct fixture *f = *state;
        make_past(f);
        memory_storage_put(f->disk, "log.100000001", zeros, sizeof zeros);
        fixture_must_open(f);
        assert_true(f->recovered.lost);
        assert_int_equal(f->recovered.last_zxid, 0);
        assert_false(memory_storage_exists(f->disk, "log.100000001"));
        power_off(f);
        expect_mark(f, "lost\n");
}

/* Where another program wrote them it may be the remains of a power loss: what it had synced is in older ones. */
static void test_segment_of_zeros_without_a_mark_is_none(void **state)
{
        static const uint8_t zeros[4096];
        struct fixture *f = *state;
        make_past(f);
        memory_storage_put(f->disk, "log.100000006", zeros, sizeof zeros);
        memory_storage_drop(f->disk, MARK);
        fixture_must_open(f);
        assert_false(f->recovered.lost);
        assert_int_equal(f->recovered.last_zxid, ZXID(1, 5));
}

static void test_segment_of_zeros_is_refused_where_nobody_can_help(void **state)
{
        static const uint8_t zeros[4096];
        struct fixture *f = *state;
        make_past(f);
        memory_storage_put(f->disk, "log.100000001", zeros, sizeof zeros);
        f->config.alone = true;
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "log.100000001 is all zeros"));
        assert_true(memory_storage_exists(f->disk, "log.100000001"));
}

/* Of another program, or a copy. */
static void test_files_without_a_mark_get_it(void **state)
{
        struct fixture *f = *state;
        make_past(f);
        memory_storage_drop(f->disk, MARK);
        fixture_must_open(f);
        assert_false(f->recovered.lost);
        power_off(f);
        expect_mark(f, "whole\n");
}

/* What we advise for damage is to move the files away: that must be safe afterwards. */
static void test_damaged_files_get_it_too(void **state)
{
        struct fixture *f = *state;
        make_past(f);
        memory_storage_drop(f->disk, MARK);
        memory_storage_drop(f->disk, "currentEpoch");
        assert_int_equal(fixture_open(f), -EUCLEAN);
        fixture_close(f);
        expect_mark(f, "whole\n");
        memory_storage_wipe(f->disk);
        fixture_must_open(f);
        assert_true(f->recovered.lost);
}

/* ---- loss ---- */

static void test_files_that_are_gone_are_a_loss(void **state)
{
        struct fixture *f = *state;
        make_lost(f);
        fixture_must_open(f);
        assert_true(f->recovered.lost);
        assert_int_equal(f->recovered.last_zxid, 0);
        assert_non_null(strstr(f->recovered.note, STORE_MARK));
        assert_non_null(strstr(f->recovered.note, "quorum"));
        power_off(f);
        expect_mark(f, "lost\n");
        fixture_must_open(f);
        assert_true(f->recovered.lost);
}

/* Java starts on an empty directory like this. */
static void test_files_that_say_nothing_are_a_loss_too(void **state)
{
        struct fixture *f = *state;
        fixture_must_open(f);
        power_off(f);
        memory_storage_put(f->disk, MARK, "whole\n", 6);
        fixture_must_open(f);
        assert_true(f->recovered.lost);
}

static void test_without_its_mark_it_is_a_first_start(void **state)
{
        struct fixture *f = *state;
        make_lost(f);
        memory_storage_drop(f->disk, MARK);
        fixture_must_open(f);
        assert_false(f->recovered.lost);
}

static void test_promises_and_history_alone_do_not_end_it(void **state)
{
        struct fixture *f = *state;
        make_lost(f);
        fixture_must_open(f);
        assert_int_equal(fixture_epoch(f, EPOCH_ACCEPTED, 2), 0);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT_PREPARE, 2), 0);
        fixture_write(f, ZXID(2, 1), ZXID(2, 3));
        power_off(f);
        fixture_must_open(f); /* and takes the prepared epoch for the current one */
        assert_int_equal(f->recovered.current_epoch, 2);
        assert_true(f->recovered.lost);
        assert_int_equal(fixture_epoch(f, EPOCH_CURRENT, 2), 0);
        power_off(f);
        expect_mark(f, "whole\n");
        fixture_must_open(f);
        assert_false(f->recovered.lost);
}

static void test_alone_it_refuses_and_changes_nothing(void **state)
{
        struct fixture *f = *state;
        make_lost(f);
        f->config.alone = true;
        uint64_t ops = memory_storage_ops(f->disk);
        assert_int_equal(fixture_open(f), -EUCLEAN);
        assert_non_null(strstr(f->why, "remove " STORE_MARK));
        assert_int_equal(memory_storage_ops(f->disk), ops);
        fixture_close(f);
        memory_storage_drop(f->disk, MARK);
        fixture_must_open(f);
        assert_false(f->recovered.lost);
}

/* As a person writes it who knows better. */
static void test_word_may_come_without_its_newline(void **state)
{
        struct fixture *f = *state;
        memory_storage_put(f->disk, MARK, "lost", 4);
        fixture_must_open(f);
        assert_true(f->recovered.lost);
}

static void test_other_words_are_refused(void **state)
{
        struct fixture *f = *state;
        static const char *const words[] = {"", "who", "wholes\n", "lost\nlost\n", "\n"};
        make_past(f);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                memory_storage_put(f->disk, MARK, words[i], strlen(words[i]));
                assert_int_equal(fixture_open(f), -EUCLEAN);
                assert_non_null(strstr(f->why, STORE_MARK));
                fixture_close(f);
        }
}

static void test_mark_that_cannot_be_written_stops_the_start(void **state)
{
        struct fixture *f = *state;
        make_lost(f);
        memory_storage_fail(f->disk, MEMORY_OP_SYNC, 0, 1, -EIO);
        assert_int_equal(fixture_open(f), -EIO);
        assert_false(memory_storage_exists(f->disk, "acceptedEpoch"));
}

/* ---- crashes ---- */

/* Epoch 2 by a leader's DIFF. Returns whether it came to its end. */
static bool resync(struct fixture *f)
{
        return fixture_open(f) == 0 && fixture_epoch(f, EPOCH_ACCEPTED, 2) == 0 &&
               fixture_epoch(f, EPOCH_CURRENT_PREPARE, 2) == 0 && fixture_append(f, ZXID(2, 1)) == 0 &&
               fixture_append(f, ZXID(2, 2)) == 0 && fixture_epoch(f, EPOCH_CURRENT, 2) == 0;
}

/* Whatever step the power fails at: lost, until all of it is there. */
static void test_no_crash_makes_a_lost_server_whole(void **state)
{
        (void)state;
        size_t died = 0, whole = 0;
        bool finished = false;
        for (uint64_t at = 0; !finished; at++)
                for (unsigned how = 0; how < 2 * MEMORY_CRASH_MAX; how++) {
                        struct fixture f;
                        fixture_init(&f);
                        make_lost(&f);
                        memory_storage_die(f.disk, at, how % 2);
                        finished = resync(&f);
                        died += !finished;
                        fixture_close(&f);
                        memory_storage_crash_as(f.disk, (enum memory_crash)(how / 2), at);
                        fixture_must_open(&f);
                        if (!f.recovered.lost) {
                                assert_int_equal(f.recovered.last_zxid, ZXID(2, 2));
                                assert_int_equal(f.recovered.current_epoch, 2);
                                whole++;
                        }
                        assert_true(!finished || !f.recovered.lost);
                        fixture_done(&f);
                }
        assert_true(died > 100 && whole > 8);
}

/* And a server that starts for the first time is never taken for one that lost something. */
static void test_no_crash_makes_a_new_server_lost(void **state)
{
        (void)state;
        bool finished = false;
        for (uint64_t at = 0; !finished; at++)
                for (unsigned how = 0; how < 2 * MEMORY_CRASH_MAX; how++) {
                        struct fixture f;
                        fixture_init(&f);
                        memory_storage_die(f.disk, at, how % 2);
                        finished = resync(&f);
                        fixture_close(&f);
                        memory_storage_crash_as(f.disk, (enum memory_crash)(how / 2), at);
                        fixture_must_open(&f);
                        assert_false(f.recovered.lost);
                        fixture_done(&f);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_first_start_leaves_none, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_first_promise_makes_it_durably, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_later_epochs_leave_it_alone, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_newest_segment_of_zeros_is_a_loss, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_segment_of_zeros_without_a_mark_is_none, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_segment_of_zeros_is_refused_where_nobody_can_help, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_files_without_a_mark_get_it, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_damaged_files_get_it_too, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_files_that_are_gone_are_a_loss, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_files_that_say_nothing_are_a_loss_too, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_without_its_mark_it_is_a_first_start, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_promises_and_history_alone_do_not_end_it, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_alone_it_refuses_and_changes_nothing, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_word_may_come_without_its_newline, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(test_other_words_are_refused, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_mark_that_cannot_be_written_stops_the_start, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test(test_no_crash_makes_a_lost_server_whole),
                cmocka_unit_test(test_no_crash_makes_a_new_server_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
