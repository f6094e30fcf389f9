/* The disk threads: order, groups, failures, and who owns what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/log_writer.h"
#include "daemon/engine/snapshot_writer.h"
#include "election/base/alloc.h"
#include "tests/unit/engine/fake_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
        uv_loop_t loop;
        struct store store;
        struct snapstore snapstore;
        struct log_writer *log;
        struct snapshot_writer *snapshots;
        struct effects fx;
        char results[4096]; /* "3 5 fail6(why) 7+77 …" */
        size_t results_len;
        uint64_t last;     /* last ticket that a result covered */
        bool durable_only; /* each result must be covered by a sync */
};

static void on_result(void *ctx, struct disk_result *r)
{
        struct world *w = ctx;
        char *at = w->results + w->results_len;
        size_t room = sizeof w->results - w->results_len;
        int n;
        if (r->status < 0)
                n = snprintf(at, room, "fail%" PRIu64 "(%d %s) ", r->ticket, r->status, r->why);
        else if (r->reloaded)
                n = snprintf(at, room, "%" PRIu64 "+%" PRId64 " ", r->ticket, r->reloaded->last_zxid);
        else if (r->why[0])
                n = snprintf(at, room, "%" PRIu64 "(%s) ", r->ticket, r->why);
        else
                n = w->durable_only ? 0 : snprintf(at, room, "%" PRIu64 " ", r->ticket);
        assert_true(n >= 0 && (size_t)n < room);
        w->results_len += (size_t)n;
        assert_true(r->ticket > w->last);
        w->last = r->ticket;
        if (w->durable_only) {
                pthread_mutex_lock(&w->store.mutex);
                assert_true(w->store.synced >= r->ticket);
                pthread_mutex_unlock(&w->store.mutex);
        }
        if (r->reloaded) {
                recovered_done(r->reloaded);
                mem_free(r->reloaded);
        }
}

static int begin(void **state)
{
        struct world *w = mem_zalloc(sizeof *w);
        fake_store_init(&w->store);
        fake_store_init(&w->snapstore.noted);
        effects_init(&w->fx);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        assert_int_equal(log_writer_new(&w->loop, &w->store, on_result, w, &w->log), 0);
        assert_int_equal(snapshot_writer_new(&w->loop, &w->snapstore, on_result, w, &w->snapshots), 0);
        *state = w;
        return 0;
}

static int end(void **state)
{
        struct world *w = *state;
        fake_store_hold(&w->store, false);
        log_writer_stop(w->log);
        snapshot_writer_stop(w->snapshots);
        assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
        log_writer_free(w->log);
        snapshot_writer_free(w->snapshots);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        assert_int_equal(w->store.reloads_alive, 0);
        effects_done(&w->fx);
        fake_store_done(&w->snapstore.noted);
        fake_store_done(&w->store);
        mem_free(w);
        return 0;
}

/* Hands over what `fx` holds, as one turn. */
static void submit(struct world *w)
{
        for (size_t i = 0; i < w->fx.count; i++) {
                if (w->fx.list[i].type >= EFFECT_SNAPSHOT_BEGIN)
                        snapshot_writer_add(w->snapshots, &w->fx.list[i]);
                else
                        log_writer_add(w->log, &w->fx.list[i]);
        }
        effects_reset(&w->fx);
        log_writer_submit(w->log);
        snapshot_writer_submit(w->snapshots);
}

static void append(struct world *w, char c)
{
        char bytes[3] = {'#', c, '#'};
        struct blob *b = blob_copy(bytes, sizeof bytes);
        (void)effect_log_append(&w->fx, b, 1, 1, (int64_t)w->fx.log_ticket + 1);
        blob_unref(b);
}

static void await(struct world *w, uint64_t ticket)
{
        while (w->last < ticket)
                (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void expect_journal(struct store *s, const char *journal)
{
        char *found = fake_store_journal(s);
        assert_string_equal(found, journal);
        mem_free(found);
}

static void test_one_turn_is_one_group_with_one_sync(void **state)
{
        struct world *w = *state;
        append(w, 'x');
        append(w, 'y');
        append(w, 'z');
        submit(w);
        await(w, 3);
        expect_journal(&w->store, "a1x a2y a3z s ");
        assert_string_equal(w->results, "3 ");
}

static void test_what_arrives_during_a_sync_forms_the_next_group(void **state)
{
        struct world *w = *state;
        fake_store_hold(&w->store, true);
        append(w, 'x');
        submit(w);
        fake_store_await_sync(&w->store);
        for (int i = 0; i < 5; i++) {
                append(w, 'y');
                submit(w);
        }
        assert_int_equal(log_writer_bytes(w->log), 6);
        fake_store_hold(&w->store, false);
        await(w, 6);
        expect_journal(&w->store, "a1x s a2y a3y a4y a5y a6y s ");
        assert_int_equal(log_writer_bytes(w->log), 0);
}

static void test_nothing_is_reported_before_its_sync(void **state)
{
        struct world *w = *state;
        fake_store_hold(&w->store, true);
        append(w, 'x');
        submit(w);
        fake_store_await_sync(&w->store);
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        assert_string_equal(w->results, "");
        fake_store_hold(&w->store, false);
        await(w, 1);
        assert_string_equal(w->results, "1 ");
}

static void test_epochs_and_truncations_are_reported_where_they_stand(void **state)
{
        struct world *w = *state;
        append(w, 'x');
        (void)effect_epoch_write(&w->fx, EPOCH_ACCEPTED, 3);
        append(w, 'y');
        (void)effect_log_roll(&w->fx);
        (void)effect_truncate(&w->fx, 1, true);
        append(w, 'z');
        submit(w);
        await(w, 6);
        expect_journal(&w->store, "a1x e2 a3y r4 t5 a6z s ");
        /* 2 may have been merged into nothing: a truncation with a state stands alone. */
        assert_non_null(strstr(w->results, "5+77 "));
        assert_non_null(strstr(w->results, "6 "));
}

static void test_a_truncation_that_reaches_nothing_still_makes_the_rest_durable(void **state)
{
        struct world *w = *state;
        w->store.reach = false;
        append(w, 'x');
        (void)effect_truncate(&w->fx, 1, true);
        submit(w);
        await(w, 2);
        expect_journal(&w->store, "a1x t2 s ");
        assert_string_equal(w->results, "2 ");
}

static void test_a_failed_append_is_told_once_and_nothing_follows(void **state)
{
        struct world *w = *state;
        w->store.fail_ticket = 2;
        append(w, 'x');
        append(w, 'y');
        append(w, 'z');
        submit(w);
        await(w, 2);
        append(w, 'u');
        submit(w);
        log_writer_stop(w->log);
        expect_journal(&w->store, "a1x a2y ");
        assert_string_equal(w->results, "fail2(-5 effect 2 fails) ");
        /* end() stops a second writer only */
        assert_int_equal(uv_run(&w->loop, UV_RUN_NOWAIT) >= 0, 1);
        log_writer_free(w->log);
        w->log = NULL;
}

static void test_a_failed_sync_is_told_once_and_nothing_follows(void **state)
{
        struct world *w = *state;
        w->store.fail_sync = -ENOSPC;
        append(w, 'x');
        submit(w);
        await(w, 1);
        w->store.fail_sync = 0;
        append(w, 'y');
        (void)effect_epoch_write(&w->fx, EPOCH_CURRENT, 1);
        submit(w);
        log_writer_stop(w->log);
        expect_journal(&w->store, "a1x s ");
        assert_string_equal(w->results, "fail1(-28 the sync fails) ");
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        log_writer_free(w->log);
        w->log = NULL;
}

static void test_stopping_finishes_what_was_handed_over(void **state)
{
        struct world *w = *state;
        fake_store_hold(&w->store, true);
        append(w, 'x');
        submit(w);
        fake_store_await_sync(&w->store);
        append(w, 'y');
        (void)effect_truncate(&w->fx, 1, true); /* its result is dropped and freed: end() counts */
        submit(w);
        fake_store_hold(&w->store, false);
        log_writer_stop(w->log);
        expect_journal(&w->store, "a1x s a2y t3 ");
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        log_writer_free(w->log);
        w->log = NULL;
}

/* Blobs are dropped and made on the loop while the thread reads others; each result is covered by a sync. */
static void test_thousands_of_appends_keep_their_order_and_their_promise(void **state)
{
        enum { COUNT = 5000 };
        struct world *w = *state;
        w->durable_only = true;
        for (int i = 0; i < COUNT; i++) {
                append(w, (char)('a' + i % 26));
                if (i % 7 == 0)
                        submit(w);
                if (i % 50 == 0)
                        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        }
        submit(w);
        await(w, COUNT);
        char *journal = fake_store_journal(&w->store);
        uint64_t expected = 1;
        for (char *at = journal; *at; at = strchr(at, ' ') + 1) {
                if (*at == 's')
                        continue;
                char *rest = NULL;
                assert_int_equal(strtoull(at + 1, &rest, 10), expected);
                assert_int_equal(*rest, 'a' + (int)(expected - 1) % 26);
                expected++;
        }
        assert_int_equal(expected, COUNT + 1);
        assert_true(w->store.syncs <= (COUNT + 6) / 7 + 1);
        mem_free(journal);
}

static void chunk(struct world *w, char c)
{
        (void)effect_snapshot_chunk(&w->fx, blob_copy(&c, 1));
}

static void test_snapshots_are_written_portion_by_portion(void **state)
{
        struct world *w = *state;
        (void)effect_snapshot_begin(&w->fx, 9);
        chunk(w, 'x');
        submit(w);
        await(w, 2);
        chunk(w, 'y');
        (void)effect_snapshot_end(&w->fx, 9, false);
        submit(w);
        await(w, 4);
        expect_journal(&w->snapstore.noted, "B1 C2x C3y E4 ");
}

static void test_a_failed_snapshot_is_told_once_and_the_next_one_begins_afresh(void **state)
{
        struct world *w = *state;
        w->snapstore.noted.fail_ticket = 2;
        (void)effect_snapshot_begin(&w->fx, 9);
        chunk(w, 'x');
        chunk(w, 'y');
        (void)effect_snapshot_abort(&w->fx);
        (void)effect_snapshot_begin(&w->fx, 10);
        (void)effect_snapshot_end(&w->fx, 10, false);
        submit(w);
        await(w, 6);
        expect_journal(&w->snapstore.noted, "B1 C2x A4 B5 E6 ");
        assert_non_null(strstr(w->results, "fail2(-5 effect 2 fails) "));
        assert_null(strstr(w->results, "fail3"));
}

/* Old files that could not be removed: no failure, but somebody must be told. */
static void test_what_went_wrong_beside_a_success_is_told(void **state)
{
        struct world *w = *state;
        w->snapstore.noted.warn_ticket = 3;
        (void)effect_snapshot_begin(&w->fx, 9);
        chunk(w, 'x');
        (void)effect_snapshot_end(&w->fx, 9, false);
        (void)effect_snapshot_begin(&w->fx, 10);
        submit(w);
        await(w, 4);
        assert_non_null(strstr(w->results, "3(effect 3 warns) "));
        expect_journal(&w->snapstore.noted, "B1 C2x E3 B4 ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_went_wrong_beside_a_success_is_told, begin, end),
                cmocka_unit_test_setup_teardown(test_one_turn_is_one_group_with_one_sync, begin, end),
                cmocka_unit_test_setup_teardown(test_what_arrives_during_a_sync_forms_the_next_group, begin, end),
                cmocka_unit_test_setup_teardown(test_nothing_is_reported_before_its_sync, begin, end),
                cmocka_unit_test_setup_teardown(test_epochs_and_truncations_are_reported_where_they_stand, begin, end),
                cmocka_unit_test_setup_teardown(test_a_truncation_that_reaches_nothing_still_makes_the_rest_durable,
                                                begin, end),
                cmocka_unit_test_setup_teardown(test_a_failed_append_is_told_once_and_nothing_follows, begin, end),
                cmocka_unit_test_setup_teardown(test_a_failed_sync_is_told_once_and_nothing_follows, begin, end),
                cmocka_unit_test_setup_teardown(test_stopping_finishes_what_was_handed_over, begin, end),
                cmocka_unit_test_setup_teardown(test_thousands_of_appends_keep_their_order_and_their_promise, begin,
                                                end),
                cmocka_unit_test_setup_teardown(test_snapshots_are_written_portion_by_portion, begin, end),
                cmocka_unit_test_setup_teardown(test_a_failed_snapshot_is_told_once_and_the_next_one_begins_afresh,
                                                begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
