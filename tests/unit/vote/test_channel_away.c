/* When a peer counts as away: its connection was lost, and dialling it again is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vote/channel_bench.h"

#include <errno.h>

static void test_away_is_reset_then_refused_and_nothing_less(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        bench_dialled(&b, bench_dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_false(bench_away(&b, 3)); /* never was connected */
        conn_id conn = bench_connect_as(&b, 3);
        b.now_ms += 2 * VOTE_STABLE_MS;
        bench_closed(&b, conn);
        assert_false(bench_away(&b, 3)); /* not refused yet */
        conn_id dial = bench_dial_to(&b, "h3", 3883);
        assert_true(dial); /* at once */
        bench_dialled(&b, dial, -ECONNREFUSED);
        assert_true(bench_away(&b, 3));
        bench_look(&b);
        assert_false(bench_away(&b, 3)); /* each election asks anew */
        bench_dialled(&b, bench_dial_to(&b, "h3", 3883), -EHOSTUNREACH);
        assert_false(bench_away(&b, 3));
        bench_tick(&b, b.now_ms + VOTE_REDIAL_MIN_MS);
        bench_dialled(&b, bench_dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_true(bench_away(&b, 3));
        (void)bench_connect_as(&b, 3);
        assert_false(bench_away(&b, 3));
        bench_done(&b);
}

/* Its sockets are closed one after the other: the listening one may accept a last call. It is not called again
 * for that, only knocked at, until it refuses. */
static void test_a_dying_peer_that_accepts_a_last_call_is_found_away_soon(void **state)
{
        (void)state;
        for (size_t accepts = 1; accepts <= VOTE_PROBES; accepts++) {
                struct bench b;
                bench_start(&b, 2);
                bench_look(&b);
                conn_id conn = bench_connect_as(&b, 3);
                b.now_ms += 2 * VOTE_STABLE_MS;
                bench_closed(&b, conn);
                uint64_t began = b.now_ms;
                conn_id dial = bench_dial_to(&b, "h3", 3883);
                for (size_t i = 0; i < accepts; i++) {
                        bench_dialled(&b, dial, 0);
                        assert_true((bench_find(&b, EFFECT_SEND, dial, 0) != NULL) == (i == 0));
                        assert_true(bench_is_closed(&b, dial));
                        assert_false(bench_away(&b, 3));
                        bench_tick(&b, b.now_ms + ((uint64_t)VOTE_PROBE_WAIT_MS << i));
                        dial = bench_dial_to(&b, "h3", 3883);
                        assert_true(dial);
                }
                bench_dialled(&b, dial, -ECONNREFUSED);
                assert_true(bench_away(&b, 3));
                assert_true(b.now_ms - began < VOTE_FINALIZE_MS);
                bench_done(&b);
        }
}

/* One that goes on accepting is alive and busy: it is called again when it had time to dial back. */
static void test_a_living_peer_is_knocked_at_a_few_times_only(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id conn = bench_connect_as(&b, 3);
        b.now_ms += 2 * VOTE_STABLE_MS;
        bench_closed(&b, conn);
        uint64_t began = b.now_ms;
        conn_id dial = bench_dial_to(&b, "h3", 3883);
        for (size_t i = 0; i <= VOTE_PROBES; i++) {
                bench_dialled(&b, dial, 0);
                for (dial = 0; !dial && b.now_ms < began + 60000;) {
                        bench_tick(&b, vote_deadline(b.vote));
                        dial = bench_dial_to(&b, "h3", 3883);
                }
        }
        assert_int_equal(b.now_ms - began, VOTE_CALLBACK_WAIT_MIN_MS);
        bench_dialled(&b, dial, 0);
        assert_non_null(bench_find(&b, EFFECT_SEND, dial, 0));
        (void)bench_connect_as(&b, 3);
        bench_done(&b);
}

static void test_a_dial_that_gets_through_ends_being_away(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id conn = bench_connect_as(&b, 3);
        b.now_ms += 2 * VOTE_STABLE_MS;
        bench_closed(&b, conn);
        bench_dialled(&b, bench_dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_true(bench_away(&b, 3));
        bench_tick(&b, b.now_ms + VOTE_REDIAL_MIN_MS);
        bench_dialled(&b, bench_dial_to(&b, "h3", 3883), 0);
        assert_false(bench_away(&b, 3));
        bench_done(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_away_is_reset_then_refused_and_nothing_less),
                cmocka_unit_test(test_a_dying_peer_that_accepts_a_last_call_is_found_away_soon),
                cmocka_unit_test(test_a_living_peer_is_knocked_at_a_few_times_only),
                cmocka_unit_test(test_a_dial_that_gets_through_ends_being_away),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
