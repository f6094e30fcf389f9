/* A learner's touches (client-protocol.md 3.3, quorum-protocol.md 5.3). */
#include "election/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static size_t drain(struct session_touches *t, size_t max, int64_t *ret_id_sum, int32_t *ret_timeout_sum)
{
        struct jute_writer w;
        struct jute_reader r;
        size_t count = 0;
        jute_writer_init(&w, 1 << 20);
        session_touches_drain(t, &w, max);
        jute_reader_init(&r, w.data, w.len, 0);
        for (; jute_left(&r) > 0; count++) {
                *ret_id_sum += jute_get_long(&r);
                *ret_timeout_sum += jute_get_int(&r);
        }
        assert_int_equal(r.error, 0);
        jute_writer_done(&w);
        return count;
}

static void test_each_session_is_reported_once_with_its_last_timeout(void **state)
{
        (void)state;
        struct session_touches *t = session_touches_new();
        int64_t ids = 0;
        int32_t timeouts = 0;
        session_touches_add(t, 10, 4000);
        session_touches_add(t, 20, 5000);
        session_touches_add(t, 10, 6000);
        assert_int_equal(drain(t, 100, &ids, &timeouts), 2);
        assert_int_equal(ids, 30);
        assert_int_equal(timeouts, 11000);
        assert_int_equal(drain(t, 100, &ids, &timeouts), 0);
        session_touches_free(t);
}

static void test_what_does_not_fit_stays_for_the_next_report(void **state)
{
        (void)state;
        struct session_touches *t = session_touches_new();
        int64_t ids = 0;
        int32_t timeouts = 0;
        for (int64_t id = 1; id <= 100; id++)
                session_touches_add(t, id, 1);
        assert_int_equal(drain(t, 30, &ids, &timeouts), 30);
        assert_int_equal(drain(t, 30, &ids, &timeouts), 30);
        assert_int_equal(drain(t, 50, &ids, &timeouts), 40);
        assert_int_equal(ids, 5050);
        assert_int_equal(timeouts, 100);
        session_touches_free(t);
}

static void test_a_removed_session_is_not_reported(void **state)
{
        (void)state;
        struct session_touches *t = session_touches_new();
        int64_t ids = 0;
        int32_t timeouts = 0;
        for (int64_t id = 1; id <= 5; id++)
                session_touches_add(t, id, 1);
        session_touches_remove(t, 1);
        session_touches_remove(t, 5);
        session_touches_remove(t, 77);
        assert_int_equal(drain(t, 100, &ids, &timeouts), 3);
        assert_int_equal(ids, 2 + 3 + 4);
        session_touches_add(t, 9, 1);
        session_touches_free(t);
        session_touches_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_session_is_reported_once_with_its_last_timeout),
                cmocka_unit_test(test_what_does_not_fit_stays_for_the_next_report),
                cmocka_unit_test(test_a_removed_session_is_not_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
