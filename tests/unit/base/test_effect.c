/* Unit tests of the list of effects: order, tickets, names, ownership (the leak checker looks on). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/effect.h"

#include <string.h>

static void test_effects_stand_in_the_order_they_were_asked_for(void **state)
{
        (void)state;
        struct effects fx;
        effects_init(&fx);
        conn_id conn = effect_dial(&fx, PORT_QUORUM, "host", 2888);
        effect_send(&fx, conn, blob_copy("x", 1));
        effect_read(&fx, conn, false);
        effect_read(&fx, conn, true);
        effect_notify_sent(&fx, conn);
        effect_close(&fx, conn, true);
        effect_unlisten(&fx);
        static const enum effect_type want[] = {EFFECT_DIAL,        EFFECT_SEND,  EFFECT_READ_STOP, EFFECT_READ_START,
                                                EFFECT_NOTIFY_SENT, EFFECT_CLOSE, EFFECT_UNLISTEN};
        assert_int_equal(fx.count, sizeof want / sizeof *want);
        for (size_t i = 0; i < fx.count; i++) {
                assert_int_equal(fx.list[i].type, want[i]);
                assert_int_equal(fx.list[i].conn, want[i] == EFFECT_UNLISTEN ? 0 : conn);
        }
        assert_string_equal(fx.list[0].peer.host, "host");
        assert_int_equal(fx.list[0].peer.port, 2888);
        assert_int_equal(fx.list[0].peer.kind, PORT_QUORUM);
        assert_true(fx.list[5].close.flush);
        effects_done(&fx);
}

static void test_dialled_connections_have_odd_names_never_reused(void **state)
{
        (void)state;
        struct effects fx;
        effects_init(&fx);
        assert_int_equal(effect_dial(&fx, PORT_ELECTION, "a", 1), 1);
        assert_int_equal(effect_dial(&fx, PORT_ELECTION, "a", 1), 3);
        effects_reset(&fx);
        assert_int_equal(fx.count, 0);
        assert_int_equal(effect_dial(&fx, PORT_ELECTION, "a", 1), 5);
        effects_done(&fx);
}

static void test_log_and_snapshot_tickets_grow_apart_and_outlive_a_reset(void **state)
{
        (void)state;
        struct effects fx;
        struct blob *b = blob_copy("0123456789", 10);
        effects_init(&fx);
        assert_int_equal(effect_log_append(&fx, b, 2, 8, 77), 1);
        assert_int_equal(effect_snapshot_begin(&fx, 5), 1);
        assert_int_equal(effect_log_roll(&fx), 2);
        assert_int_equal(effect_snapshot_chunk(&fx, blob_ref(b)), 2);
        effects_reset(&fx);
        assert_int_equal(effect_epoch_write(&fx, EPOCH_CURRENT, 9), 3);
        assert_int_equal(effect_truncate(&fx, 4, true), 4);
        assert_int_equal(effect_snapshot_end(&fx, 5, false), 3);
        assert_int_equal(effect_snapshot_abort(&fx), 4);
        assert_int_equal(fx.log_ticket, 4);
        assert_int_equal(fx.snapshot_ticket, 4);
        assert_int_equal(fx.list[0].epoch.kind, EPOCH_CURRENT);
        assert_int_equal(fx.list[0].epoch.value, 9);
        assert_int_equal(fx.list[1].truncate.zxid, 4);
        assert_true(fx.list[1].truncate.reload);
        effects_done(&fx);
        assert_int_equal(b->refs, 1);
        blob_unref(b);
}

static void test_append_holds_a_reference_of_its_own_until_reset(void **state)
{
        (void)state;
        struct effects fx;
        struct blob *b = blob_copy("payload", 7);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, 7, 1);
        assert_int_equal(b->refs, 2);
        effect_send(&fx, 2, blob_ref(b));
        assert_int_equal(b->refs, 3);
        effects_reset(&fx);
        assert_int_equal(b->refs, 1);
        blob_unref(b);
        effects_done(&fx);
}

static void test_texts_are_copied_and_cut(void **state)
{
        (void)state;
        char text[EFFECT_TEXT_MAX * 2];
        struct effects fx;
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        effects_init(&fx);
        effect_report(&fx, REPORT_WARNING, "server %d: %s", 3, text);
        effect_role(&fx, "%s -> %s", "looking", "leading");
        effect_halt(&fx, 1, "disk full");
        text[0] = '\0';
        assert_int_equal(fx.list[0].report.level, REPORT_WARNING);
        assert_int_equal(strlen(fx.list[0].report.text), EFFECT_TEXT_MAX - 1);
        assert_memory_equal(fx.list[0].report.text, "server 3: xxx", 13);
        assert_string_equal(fx.list[1].role.text, "looking -> leading");
        assert_int_equal(fx.list[2].halt.status, 1);
        assert_string_equal(fx.list[2].halt.text, "disk full");
        effects_done(&fx);
}

static void test_many_effects_in_one_step_keep_their_contents(void **state)
{
        (void)state;
        struct effects fx;
        effects_init(&fx);
        for (uint32_t i = 0; i < 1000; i++)
                effect_send(&fx, 2 * (conn_id)i + 2, blob_copy(&i, sizeof i));
        for (uint32_t i = 0; i < 1000; i++) {
                assert_int_equal(fx.list[i].conn, 2 * i + 2);
                assert_memory_equal(fx.list[i].send.blob->data, &i, sizeof i);
        }
        effects_done(&fx);
        effects_done(&fx);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_effects_stand_in_the_order_they_were_asked_for),
                cmocka_unit_test(test_dialled_connections_have_odd_names_never_reused),
                cmocka_unit_test(test_log_and_snapshot_tickets_grow_apart_and_outlive_a_reset),
                cmocka_unit_test(test_append_holds_a_reference_of_its_own_until_reset),
                cmocka_unit_test(test_texts_are_copied_and_cut),
                cmocka_unit_test(test_many_effects_in_one_step_keep_their_contents),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
