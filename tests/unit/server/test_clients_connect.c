/* Connecting: new and resumed sessions, refusals, places, time (zookeeper/client-protocol.md 2, 3, 11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

/* 2.3, appendix A: the whole response, byte by byte. */
static void test_connect_response_is_that_of_the_reference(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_commit(d, 1);
        static const uint8_t head[] = {0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x27, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16};
        const struct desk_conn *c = desk_conn(d, k);
        uint8_t passwd[SESSION_PASSWD_SIZE];
        session_passwd(DESK_FIRST_SESSION, passwd);
        assert_int_equal(c->out_len, 41);
        assert_memory_equal(c->out, head, sizeof head);
        assert_memory_equal(c->out + sizeof head, passwd, sizeof passwd);
        assert_int_equal(c->out[40], 0);
        desk_free(d);
}

static void connect_raw(struct desk *d, conn_id k, int32_t timeout_ms, bool with_read_only)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, with_read_only ? 45 : 44);
        jute_put_int(&w, 99); /* any version is taken */
        jute_put_long(&w, 0);
        jute_put_int(&w, timeout_ms);
        jute_put_long(&w, 0);
        jute_put_int(&w, 16);
        jute_put_raw(&w, "0123456789abcdef", 16); /* of no meaning for a new session */
        if (with_read_only)
                jute_put_bool(&w, false);
        desk_bytes(d, k, w.data, w.len);
        jute_writer_done(&w);
}

/* 2.2, 2.3: a client of up to 3.4 sends no read-only byte and gets none. */
static void test_old_client_gets_no_read_only_byte(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        connect_raw(d, k, 10000, false);
        desk_commit(d, 1);
        assert_int_equal(desk_conn(d, k)->out_len, 40);
        assert_int_equal(desk_conn(d, k)->out[3], 36);
        desk_free(d);
}

/* 2.4.5 */
static void test_timeout_is_held_within_its_limits(void **state)
{
        (void)state;
        static const struct {
                int32_t wanted, granted;
        } cases[] = {{-1, 2000}, {0, 2000}, {1999, 2000}, {2001, 2001}, {40001, 40000}, {INT32_MAX, 40000}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct desk *d = desk_new();
                conn_id k = desk_accept(d, "10.0.0.1");
                connect_raw(d, k, cases[i].wanted, true);
                desk_commit(d, 1);
                struct jute_reader r;
                jute_reader_init(&r, desk_conn(d, k)->out, desk_conn(d, k)->out_len, INT32_MAX);
                (void)jute_get_long(&r);
                assert_int_equal(jute_get_int(&r), cases[i].granted);
                desk_free(d);
        }
}

static void test_connect_request_that_cannot_be_read_closes(void **state)
{
        (void)state;
        static const uint8_t shorter[] = {0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        static const uint8_t empty[] = {0, 0, 0, 0};
        static const uint8_t negative[] = {0xff, 0xff, 0xff, 0xff};
        static const uint8_t oversized[] = {0, 0x10, 0, 0};
        static const struct {
                const uint8_t *data;
                size_t len;
        } cases[] = {
                {shorter, sizeof shorter}, {empty, 4}, {negative, 4}, {oversized, 4}, {(const uint8_t *)"abcd", 4}};
        struct desk *d = desk_new();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                conn_id k = desk_accept(d, "10.0.0.1");
                desk_bytes(d, k, cases[i].data, cases[i].len);
                assert_string_equal(desk_take(d, k), "closed");
                assert_int_equal(d->clients->stats.bad_input, i + 1);
        }
        desk_free(d);
}

/* 2.4.4, safety S7; 2.4.1 */
static void test_client_that_has_seen_more_is_closed_without_a_reply(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, DESK_EPOCH_ZXID + 1);
        assert_string_equal(desk_take(d, k), "closed");
        k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, DESK_EPOCH_ZXID);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open");
        clients_mute(d->clients);
        k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        assert_string_equal(desk_take(d, k), "closed");
        assert_int_equal(d->clients->stats.not_serving, 1);
        desk_free(d);
}

/* A leader's clients are shown (epoch, 0) before its first transaction: a follower of that epoch is not
 * behind them. */
static void test_client_that_has_seen_the_epoch_begin_is_taken_by_a_follower(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        clients_serve(d->clients, DESK_EPOCH_ZXID + (INT64_C(1) << 32));
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0x77, DESK_EPOCH_ZXID + (INT64_C(1) << 32));
        desk_revalidated(d, 0x77, true);
        assert_string_equal(desk_take(d, k), "open");
        desk_bare(d, k, -2, OP_PING);
        assert_string_equal(desk_take(d, k), "-2:0");
        assert_true(desk_conn(d, k)->zxid == DESK_EPOCH_ZXID + (INT64_C(1) << 32));
        desk_free(d);
}

/* 2.3: what follows a ConnectRequest is kept and handled afterwards. */
static void test_requests_behind_the_connect_wait_for_it(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_begin(d);
        desk_add_path(d, 1, OP_EXISTS, "/", 0);
        desk_add_create(d, 2, "/a", 1, 0);
        desk_add_path(d, 3, OP_EXISTS, "/a", 0);
        desk_put(d, k);
        assert_false(desk_conn(d, k)->reading);
        assert_string_equal(desk_take(d, k), "");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open 1:0");
        assert_true(desk_conn(d, k)->reading);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "2:0 3:0");
        desk_free(d);
}

static void test_session_whose_connection_went_before_it_was_made_is_left_to_expire(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_hang_up(d, k);
        desk_commit(d, 1);
        assert_true(session_table_find(database_sessions(d->db), DESK_FIRST_SESSION, NULL));
        int64_t expired = 0;
        assert_true(session_clock_expire(d->clock, d->now_ms + 60000, &expired));
        assert_true(expired == DESK_FIRST_SESSION);
        desk_free(d);
}

static void test_session_that_is_not_made_closes_its_connection(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id k = desk_accept(d, "10.0.0.1");
        d->refuse = true;
        desk_connect(d, k, 0, 0);
        assert_string_equal(desk_take(d, k), "closed");
        d->refuse = false;
        k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_lose(d); /* the leader makes an error of it instead */
        desk_foreign_error(d, DESK_FIRST_SESSION + 1, 0, ZK_MARSHALLING_ERROR);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "closed");
        desk_free(d);
}

/* Whoever guesses the next session id can resume it: its password is a function of it. */
static void test_guessed_session_id_is_not_given_out(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id guess = desk_accept(d, "10.0.0.1");
        desk_connect(d, guess, DESK_FIRST_SESSION, 0);
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open");
        assert_true(desk_session(d, k) == DESK_FIRST_SESSION + 1);
        desk_revalidated(d, DESK_FIRST_SESSION, false);
        assert_string_equal(desk_take(d, guess), "refused flushed");
        desk_free(d);
}

/* Safety S1: an earlier start of this server may have had a clock that was ahead. */
static void test_session_id_that_lives_is_not_given_out(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 10000);
        desk_foreign(d, DESK_FIRST_SESSION, 0, OP_CREATE_SESSION, &w);
        desk_commit(d, 1);
        jute_writer_done(&w);
        conn_id k = desk_open(d);
        assert_true(desk_session(d, k) == DESK_FIRST_SESSION + 1);
        desk_free(d);
}

/* ---- resuming ---- */

/* 2.4.7: the old connection goes first, whatever the password. */
static void test_resumed_session_closes_its_older_connection(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id old = desk_open(d), k = desk_accept(d, "10.0.0.2");
        desk_connect(d, k, desk_session(d, old), 0);
        assert_string_equal(desk_take(d, old), "closed");
        assert_string_equal(desk_take(d, k), "open");
        conn_id wrong = desk_accept(d, "10.0.0.3");
        int64_t session = desk_session(d, k);
        uint8_t frame[49] = {0, 0, 0, 45};
        frame[3 + 4 + 8 + 4] = 1; /* some timeout */
        for (int i = 0; i < 8; i++)
                frame[20 + i] = (uint8_t)((uint64_t)session >> (56 - 8 * i));
        frame[31] = 16;
        desk_bytes(d, wrong, frame, sizeof frame);
        assert_string_equal(desk_take(d, k), "closed");
        assert_string_equal(desk_take(d, wrong), "refused flushed");
        desk_free(d);
}

static void test_unknown_session_is_refused_with_zeros(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0x4711, 0);
        static const uint8_t reply[41] = {0, 0, 0, 37, [23] = 16};
        assert_int_equal(desk_conn(d, k)->out_len, sizeof reply);
        assert_memory_equal(desk_conn(d, k)->out, reply, sizeof reply);
        assert_string_equal(desk_take(d, k), "refused flushed");
        desk_free(d);
}

static void test_leaders_answer_finds_the_connection_that_asked(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id first = desk_accept(d, "10.0.0.1"), second = desk_accept(d, "10.0.0.1");
        desk_connect(d, first, 0x77, 0);
        desk_connect(d, second, 0x77, 0);
        assert_string_equal(desk_take(d, first), "closed");
        desk_revalidated(d, 0x77, true); /* the first one's */
        assert_string_equal(desk_take(d, second), "");
        desk_revalidated(d, 0x77, false);
        assert_string_equal(desk_take(d, second), "refused flushed");
        desk_free(d);
}

static void test_leaders_answer_for_a_connection_that_went_is_forgotten(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id gone = desk_accept(d, "10.0.0.1"), other = desk_accept(d, "10.0.0.1");
        desk_connect(d, gone, 0x77, 0);
        desk_connect(d, other, 0x78, 0);
        desk_hang_up(d, gone);
        desk_revalidated(d, 0x77, true);
        assert_string_equal(desk_take(d, other), "");
        desk_revalidated(d, 0x78, true);
        assert_string_equal(desk_take(d, other), "open");
        assert_int_equal(d->clients->asked_count, 0);
        /* An answer to nothing. */
        d->resumes = 1;
        desk_revalidated(d, 0x79, true);
        desk_free(d);
}

/* Trap 30: the session's end is applied here while the leader's answer is on its way. */
static void test_session_that_ends_while_it_is_asked_about_is_refused_not_cut_off(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0x77, 0);
        desk_close_session(d, 0x77);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "");
        desk_revalidated(d, 0x77, false);
        assert_string_equal(desk_take(d, k), "refused flushed");
        desk_free(d);
}

/* "Expired" would make the client give up its session; it only has to go elsewhere. */
static void test_session_nobody_can_tell_of_is_not_called_expired(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->no_leader = true;
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0x77, 0);
        assert_string_equal(desk_take(d, k), "closed");
        desk_free(d);
}

static void test_questions_to_the_leader_are_bounded(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        d->clients->asked_count = CLIENTS_ASKED_MAX - 1;
        conn_id a = desk_accept(d, "10.0.0.1"), b = desk_accept(d, "10.0.0.1");
        desk_connect(d, a, 0x77, 0);
        desk_connect(d, b, 0x78, 0);
        assert_string_equal(desk_take(d, a), "");
        assert_string_equal(desk_take(d, b), "closed");
        desk_free(d);
}

/* ---- places and time ---- */

static void test_places_are_counted_by_address_and_in_total(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->config.max_client_cnxns = 2;
        d->config.max_cnxns = 3;
        conn_id a = desk_accept(d, "10.0.0.1");
        (void)desk_accept(d, "10.0.0.1");
        assert_string_equal(desk_take(d, desk_accept(d, "10.0.0.1")), "closed");
        conn_id c = desk_accept(d, "fe80::1");
        assert_string_equal(desk_take(d, c), "");
        assert_string_equal(desk_take(d, desk_accept(d, "10.0.0.2")), "closed");
        assert_int_equal(d->clients->stats.rejected, 2);
        desk_hang_up(d, a);
        assert_string_equal(desk_take(d, desk_accept(d, "10.0.0.1")), "");
        assert_int_equal(clients__address_count(d->clients, "10.0.0.1"), 2);
        desk_hang_up(d, c);
        assert_int_equal(clients__address_count(d->clients, "fe80::1"), 0);
        desk_free(d);
}

static void test_connection_that_does_not_connect_is_closed(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id open = desk_open(d), silent = desk_accept(d, "10.0.0.1");
        desk_bytes(d, silent, "\0\0\0\x2d\0\0", 6); /* the beginning of a ConnectRequest */
        assert_true(clients_deadline(d->clients) == d->now_ms + SERVER_CONNECT_TIMEOUT_MS);
        desk_tick(d, SERVER_CONNECT_TIMEOUT_MS - 1);
        assert_string_equal(desk_take(d, silent), "");
        desk_tick(d, 1);
        assert_string_equal(desk_take(d, silent), "closed");
        assert_string_equal(desk_take(d, open), "");
        assert_int_equal(d->clients->stats.sessionless_expired, 1);
        desk_free(d);
}

/* Section 11: after the connect the idle limit is the session's timeout, in steps of 10 s. */
static void test_connection_that_falls_silent_is_closed_though_its_session_lives(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id silent = desk_open(d), alive = desk_open(d);
        for (int i = 0; i < 5; i++) {
                desk_tick(d, CLIENTS_IDLE_CHECK_MS / 2);
                desk_bare(d, alive, -2, OP_PING);
                if (i < 3)
                        assert_string_equal(desk_take(d, silent), "");
        }
        assert_string_equal(desk_take(d, silent), "closed");
        assert_string_equal(desk_take(d, alive), "-2:0 -2:0 -2:0 -2:0 -2:0");
        assert_int_equal(d->clients->stats.dropped_idle, 1);
        desk_free(d);
}

/* What the process could not hear while it stood still is not held against the clients. */
static void test_clients_are_heard_before_they_are_called_silent(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_tick(d, 3600000);
        assert_string_equal(desk_take(d, k), "");
        desk_bare(d, k, -2, OP_PING);
        desk_tick(d, CLIENTS_IDLE_CHECK_MS);
        assert_string_equal(desk_take(d, k), "-2:0");
        desk_free(d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connect_response_is_that_of_the_reference),
                cmocka_unit_test(test_old_client_gets_no_read_only_byte),
                cmocka_unit_test(test_timeout_is_held_within_its_limits),
                cmocka_unit_test(test_connect_request_that_cannot_be_read_closes),
                cmocka_unit_test(test_client_that_has_seen_more_is_closed_without_a_reply),
                cmocka_unit_test(test_client_that_has_seen_the_epoch_begin_is_taken_by_a_follower),
                cmocka_unit_test(test_requests_behind_the_connect_wait_for_it),
                cmocka_unit_test(test_session_whose_connection_went_before_it_was_made_is_left_to_expire),
                cmocka_unit_test(test_session_that_is_not_made_closes_its_connection),
                cmocka_unit_test(test_guessed_session_id_is_not_given_out),
                cmocka_unit_test(test_session_id_that_lives_is_not_given_out),
                cmocka_unit_test(test_resumed_session_closes_its_older_connection),
                cmocka_unit_test(test_unknown_session_is_refused_with_zeros),
                cmocka_unit_test(test_leaders_answer_finds_the_connection_that_asked),
                cmocka_unit_test(test_leaders_answer_for_a_connection_that_went_is_forgotten),
                cmocka_unit_test(test_session_that_ends_while_it_is_asked_about_is_refused_not_cut_off),
                cmocka_unit_test(test_session_nobody_can_tell_of_is_not_called_expired),
                cmocka_unit_test(test_questions_to_the_leader_are_bounded),
                cmocka_unit_test(test_places_are_counted_by_address_and_in_total),
                cmocka_unit_test(test_connection_that_does_not_connect_is_closed),
                cmocka_unit_test(test_connection_that_falls_silent_is_closed_though_its_session_lives),
                cmocka_unit_test(test_clients_are_heard_before_they_are_called_silent),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
