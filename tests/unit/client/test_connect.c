/* Finding a server, keeping the session, losing it: client-protocol.md 2.2 to 2.4 and 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/client/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_a_new_session_is_asked_for_and_told(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_new(script_config(3));
        assert_int_equal(client_deadline(s->c), UINT64_MAX);
        script_start(s);
        script_expect(s, "connecting\ndial 1\n");
        script_dialled(s, 0);
        script_expect(s, "1 < connect session=0x0 zxid=0x0 timeout=3000 passwd=00\n");
        assert_false(client_is_connected(s->c));
        script_handshake(s, SCRIPT_SESSION, 2400);
        script_expect(s, "connected\n");
        assert_true(client_is_connected(s->c));
        assert_int_equal(client_timeout_ms(s->c), 2400);
        client_session(s->c, &session);
        assert_int_equal(session.id, SCRIPT_SESSION);
        assert_int_equal(session.passwd[0], 0xab);
        script_start(s); /* has no effect any more */
        script_expect(s, "");
        script_free(s);
}

static void test_the_order_of_servers_follows_the_seed_and_holds_each_once(void **state)
{
        (void)state;
        enum { SERVERS = 5, SEEDS = 8 };
        char orders[SEEDS][SERVERS + 1];
        size_t different = 0;
        memset(orders, 0, sizeof orders);
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                struct client_config *config = script_config(SERVERS);
                config->seed = seed;
                struct script *s = script_new(config);
                script_start(s);
                for (int i = 0; i < SERVERS; i++) {
                        orders[seed][i] = client_server(s->c)->host[1];
                        script_dialled(s, -ECONNREFUSED);
                }
                for (int i = 0; i < SERVERS; i++)
                        assert_non_null(strchr(orders[seed], '1' + i));
                different += strcmp(orders[seed], orders[0]) != 0;
                script_free(s);
        }
        assert_true(different >= SEEDS / 2);
}

static void test_the_own_server_is_tried_first(void **state)
{
        (void)state;
        size_t different = 0;
        for (uint64_t seed = 0; seed < 8; seed++) {
                struct client_config *config = script_config(4);
                config->seed = seed;
                config->own_first = true;
                struct script *s = script_new(config);
                script_start(s);
                assert_string_equal(client_server(s->c)->host, "s1");
                script_dialled(s, -ECONNREFUSED);
                different += strcmp(client_server(s->c)->host, "s2") != 0;
                script_free(s);
        }
        assert_true(different > 0); /* the others are shuffled */
}

static void test_a_refused_dial_leads_to_the_next_server_at_once_and_a_round_in_vain_to_a_rest(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        script_start(s);
        script_dialled(s, -ECONNREFUSED);
        script_dialled(s, -ECONNREFUSED);
        script_expect(s, "connecting\ndial 1\ndial 3\ndial 5\n");
        assert_non_null(strstr(client_why(s->c), "cannot connect"));
        script_dialled(s, -ECONNREFUSED);
        script_expect(s, "");
        assert_in_range(client_deadline(s->c), s->now + CLIENT_BACKOFF_MIN_MS / 2, s->now + CLIENT_BACKOFF_MIN_MS);
        script_run(s, CLIENT_BACKOFF_MIN_MS);
        script_expect(s, "dial 7\n");
        script_free(s);
}

static void test_rests_grow_and_are_bounded(void **state)
{
        (void)state;
        uint64_t longest = 0, last = 0;
        struct script *s = script_new(script_config(1));
        script_start(s);
        for (int i = 0; i < 20; i++) {
                script_dialled(s, -ECONNREFUSED);
                last = client_deadline(s->c) - s->now;
                longest = last > longest ? last : longest;
                script_run(s, last);
                assert_int_not_equal(client_conn(s->c), 0);
        }
        assert_true(longest <= SCRIPT_TIMEOUT_MS / 4); /* less than CLIENT_BACKOFF_MAX_MS here */
        assert_true(last >= SCRIPT_TIMEOUT_MS / 8);
        script_free(s);
}

static void test_a_dial_without_an_answer_is_given_up(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        script_start(s);
        script_run(s, SCRIPT_TIMEOUT_MS / 3 - 1);
        script_expect(s, "connecting\ndial 1\n");
        script_run(s, 1);
        script_expect(s, "close 1\ndial 3\n");
        script_free(s);
}

/* The kernel of a stopped process accepts for it. All servers together have one session timeout. */
static void test_a_server_that_accepts_and_says_nothing_does_not_cost_the_session(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 500);
        script_closed(s, -ECONNRESET);
        script_dialled(s, 0);
        script_forget(s);
        script_run(s, SCRIPT_TIMEOUT_MS / 3 - 1);
        script_expect(s, "");
        script_run(s, 1);
        script_expect(s, "close 3\ndial 5\n");
        script_free(s);
}

/* A new session is a transaction: asking again too soon leaves one behind. */
static void test_a_new_session_is_waited_for_longer(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        script_start(s);
        script_dialled(s, 0);
        script_forget(s);
        script_run(s, SCRIPT_TIMEOUT_MS * 2 / 3 - 1);
        script_expect(s, "");
        script_run(s, 1);
        script_expect(s, "close 1\ndial 3\n");
        script_free(s);
}

static void test_a_reset_connection_moves_the_session_to_another_server_at_once(void **state)
{
        (void)state;
        struct script *s = script_connected();
        char first[CLIENT_HOST_MAX + 1];
        (void)snprintf(first, sizeof first, "%s", client_server(s->c)->host);
        script_run(s, 500);
        script_closed(s, -ECONNRESET);
        script_expect(s, "suspended -104\ndial 3\n"); /* in the same call */
        assert_string_not_equal(client_server(s->c)->host, first);
        script_dialled(s, 0);
        script_expect(s, "3 < connect session=0x1234 zxid=0x0 timeout=3000 passwd=ab\n");
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s, "resumed\n");
        script_free(s);
}

/* client-protocol.md 2.4: lastZxidSeen beyond the server's own is answered by a bare close. */
static void test_a_server_that_is_behind_is_tried_again_later(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->session = (struct client_session){.id = 7, .passwd = {0xcd}, .last_zxid = 0x500000001};
        struct script *s = script_new(config);
        script_start(s);
        script_dialled(s, 0);
        script_expect(s, "connecting\ndial 1\n1 < connect session=0x7 zxid=0x500000001 timeout=3000 passwd=cd\n");
        script_closed(s, 0);
        script_expect(s, "");
        assert_non_null(strstr(client_why(s->c), "before it took the session"));
        script_run(s, CLIENT_BACKOFF_MIN_MS);
        script_dialled(s, 0);
        script_handshake(s, 7, SCRIPT_TIMEOUT_MS);
        script_expect(s, "dial 3\n3 < connect session=0x7 zxid=0x500000001 timeout=3000 passwd=cd\nresumed\n");
        script_free(s);
}

static void test_a_connection_that_ends_soon_counts_as_a_failed_attempt(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(1));
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        script_forget(s);
        script_closed(s, -ECONNRESET);
        script_expect(s, "suspended -104\n"); /* and no dial: the only server rests */
        script_run(s, CLIENT_BACKOFF_MIN_MS);
        script_expect(s, "dial 3\n");
        script_accept(s, SCRIPT_SESSION);
        script_run(s, CLIENT_STABLE_MS);
        script_forget(s);
        script_closed(s, -ECONNRESET);
        script_expect(s, "suspended -104\ndial 5\n");
        script_free(s);
}

static void test_a_ping_goes_out_after_a_third_of_the_timeout_without_a_request(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        script_run(s, 600);
        assert_int_equal(client_get(s->c, "/a", &call), 0);
        script_flush(s);
        script_forget(s);
        script_run(s, SCRIPT_TIMEOUT_MS / 3 - 1);
        script_expect(s, "");
        script_run(s, 1);
        script_expect(s, "1 < ping\n");
        script_reply(s, CLIENT_XID_PING, 5, 0, NULL);
        script_run(s, SCRIPT_TIMEOUT_MS / 3);
        script_expect(s, "1 < ping\n");
        script_free(s);
}

static void test_a_server_silent_for_two_thirds_of_the_timeout_is_left(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, SCRIPT_TIMEOUT_MS * 2 / 3 - 1);
        script_expect(s, "1 < ping\n");
        script_run(s, 1);
        script_expect(s, "suspended -110\nclose 1\ndial 3\n");
        script_free(s);
}

static void test_any_byte_breaks_the_silence(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 1900);
        script_bytes(s, "\0\0", 2); /* the beginning of a frame */
        script_forget(s);
        script_run(s, 1900);
        assert_true(client_is_connected(s->c));
        script_run(s, 100);
        assert_false(client_is_connected(s->c));
        script_free(s);
}

/* A renewal that stays out must not cost the lease: the owner asks for less patience. */
static void test_a_server_that_owes_an_answer_and_is_silent_is_left_sooner_on_request(void **state)
{
        (void)state;
        struct client_config *config = script_config(3);
        config->answer_divisor = 4;
        struct script *s = script_new(config);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        script_run(s, 500); /* nothing is owed: nothing happens */
        struct client_call a = script_call(s, "a");
        assert_int_equal(client_set(s->c, "/a", jute_cstr("1"), -1, &a), 0);
        script_run(s, 0);
        script_forget(s);
        script_run(s, SCRIPT_TIMEOUT_MS / 4 - 1); /* counted from the sending */
        script_expect(s, "");
        script_bytes(s, "\0\0", 2);
        script_run(s, SCRIPT_TIMEOUT_MS / 4 - 1); /* and from the last byte */
        assert_true(client_is_connected(s->c));
        script_forget(s);
        script_run(s, 1);
        assert_false(client_is_connected(s->c));
        assert_int_equal(s->unknown, 1);
        script_free(s);
}

static void test_what_was_answered_is_owed_no_more(void **state)
{
        (void)state;
        struct client_config *config = script_config(3);
        config->answer_divisor = 4;
        struct script *s = script_new(config);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        struct client_call a = script_call(s, "a");
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        script_run(s, 0);
        script_reply(s, s->last_xid, 5, 0, NULL);
        assert_int_equal(s->answered, 1);
        script_run(s, SCRIPT_TIMEOUT_MS * 2 / 3 - 1);
        assert_true(client_is_connected(s->c));
        script_run(s, 1);
        assert_false(client_is_connected(s->c));
        script_free(s);
}

static void test_a_patience_out_of_range_is_refused(void **state)
{
        (void)state;
        struct client *c = NULL;
        struct client_config *config = script_config(1);
        config->answer_divisor = CLIENT_ANSWER_DIVISOR_MAX + 1;
        assert_int_equal(client_new(config, &c), -EINVAL);
        config->answer_divisor = -1;
        assert_int_equal(client_new(config, &c), -EINVAL);
        assert_null(c);
}

static void test_an_expired_session_is_told_once_and_ends_all_there_was(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a"), b = script_call(s, "b");
        assert_int_equal(client_exists(s->c, "/a", &a), 0);
        script_flush(s);
        script_reply(s, 1, 9, ZK_NO_NODE, NULL);
        script_run(s, 500);
        script_closed(s, 0);
        assert_int_equal(client_get(s->c, "/b", &b), 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0);
        script_expect(s, "expired\na: event -1 /a\nb: not sent -112\nclose 3\n");
        assert_int_equal(client_get(s->c, "/b", &b), -ESHUTDOWN);
        script_run(s, 100000);
        script_expect(s, "");
        client_session(s->c, &session);
        assert_int_equal(session.id, 0);
        /* Begun anew: another session, and still no server behind what was seen. */
        script_start(s);
        script_dialled(s, 0);
        script_handshake(s, 99, SCRIPT_TIMEOUT_MS);
        script_expect(s, "connecting\ndial 5\n5 < connect session=0x0 zxid=0x9 timeout=3000 passwd=00\nconnected\n");
        script_free(s);
}

static void start_again(struct script *s, enum client_state state)
{
        if (state == CLIENT_EXPIRED)
                client_start(s->c, s->now, &s->fx);
}

static void test_a_new_session_may_be_begun_where_the_old_ones_end_is_told(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call b = script_call(s, "b");
        s->on_state = start_again;
        script_run(s, 500);
        script_closed(s, 0);
        assert_int_equal(client_get(s->c, "/b", &b), 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0);
        script_expect(s, "expired\nconnecting\nb: not sent -112\nclose 3\ndial 5\n");
        script_free(s);
}

/* client-protocol.md 2.4: an answer with another id must not be adopted. */
static void test_an_answer_with_another_session_means_expired(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 500);
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION + 1, SCRIPT_TIMEOUT_MS);
        script_expect(s, "expired\nclose 3\n");
        script_free(s);
}

static void test_a_refused_new_session_is_asked_for_elsewhere(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        script_start(s);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0);
        script_expect(s, "close 1\ndial 3\n");
        script_free(s);
}

static void say_read_only(struct script *s, int64_t session)
{
        static const uint8_t passwd[16];
        struct jute_writer w;
        const struct jute_connect_response r = {.timeout = 1000,
                                                .session_id = session,
                                                .passwd = {passwd, 16},
                                                .has_read_only = true,
                                                .read_only = true};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_connect_response(&w, &r);
        script_frame(s, &w);
        jute_writer_done(&w);
}

/* Its session is that server's own: another one says that it has expired. */
static void test_a_read_only_server_will_do_where_it_was_said_so(void **state)
{
        (void)state;
        struct client_config *config = script_config(3);
        config->read_only = true;
        struct script *s = script_new(config);
        script_start(s);
        script_dialled(s, 0);
        script_expect(s, "connecting\ndial 1\n1 < connect session=0x0 zxid=0x0 timeout=3000 passwd=00 read-only\n");
        assert_false(client_is_read_only(s->c));
        say_read_only(s, 5);
        script_expect(s, "connected\n");
        assert_true(client_is_read_only(s->c));
        script_closed(s, 0);
        assert_false(client_is_read_only(s->c));
        script_forget(s);
        script_dialled(s, 0);
        script_handshake(s, 0, 0);
        script_forget(s);
        script_start(s);
        script_dialled(s, 0);
        script_handshake(s, SCRIPT_SESSION, 2400);
        assert_true(client_is_connected(s->c));
        assert_false(client_is_read_only(s->c));
        script_free(s);
}

static void test_a_malformed_or_read_only_answer_sends_it_elsewhere(void **state)
{
        (void)state;
        static const uint8_t passwd[16];
        const struct jute_connect_response bad[] = {
                {.timeout = 1000, .session_id = 5, .passwd = {passwd, 15}},
                {.timeout = 1000, .session_id = 5, .passwd = {NULL, -1}},
                {.timeout = 1000, .session_id = 5, .passwd = {passwd, 16}, .has_read_only = true, .read_only = true},
        };
        for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
                struct script *s = script_new(script_config(3));
                struct jute_writer w;
                jute_writer_init(&w, SIZE_MAX);
                if (i < sizeof bad / sizeof *bad)
                        jute_put_connect_response(&w, &bad[i]);
                else
                        jute_put_int(&w, 0); /* cut short */
                script_start(s);
                script_dialled(s, 0);
                script_forget(s);
                script_frame(s, &w);
                script_expect(s, "close 1\ndial 3\n");
                jute_writer_done(&w);
                script_free(s);
        }
}

static void test_the_answer_of_an_old_server_without_its_last_byte_is_understood(void **state)
{
        (void)state;
        static const uint8_t passwd[16];
        struct script *s = script_new(script_config(1));
        struct jute_writer w;
        struct jute_connect_response r = {.timeout = 1000, .session_id = 5, .passwd = {passwd, 16}};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_connect_response(&w, &r);
        assert_int_equal(w.len, 36);
        script_start(s);
        script_dialled(s, 0);
        script_forget(s);
        script_frame(s, &w);
        script_expect(s, "connected\n");
        jute_writer_done(&w);
        script_free(s);
}

static void test_what_is_said_of_a_former_connection_is_ignored(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 500);
        script_closed(s, 0);
        script_forget(s);
        client_conn_closed(s->c, s->now, 1, -ECONNRESET, &s->fx);
        client_conn_bytes(s->c, s->now, 1, (const uint8_t *)"\377\377\377\377", 4, &s->fx);
        client_conn_dialled(s->c, s->now, 1, -ECONNREFUSED, &s->fx);
        client_conn_dialled(s->c, s->now, 0, 0, &s->fx);
        assert_int_equal(s->fx.count, 0);
        assert_int_equal(client_conn(s->c), 3);
        script_free(s);
}

static void test_a_config_that_cannot_be_is_refused(void **state)
{
        (void)state;
        struct client *c;
        struct client_server good = {.host = "h", .port = 1}, no_port = {.host = "h"}, no_host = {.port = 1};
        const struct client_config bad[] = {
                {.servers = &good, .server_count = 0, .session_timeout_ms = 1},
                {.servers = &good, .server_count = CLIENT_SERVERS_MAX + 1, .session_timeout_ms = 1},
                {.servers = &good, .server_count = 1, .session_timeout_ms = 0},
                {.servers = &good, .server_count = 1, .session_timeout_ms = 1, .max_buffer = -1},
                {.servers = &good, .server_count = 1, .session_timeout_ms = 1, .max_reply = -1},
                {.servers = &good, .server_count = 1, .session_timeout_ms = 1, .chroot = "app"},
                {.servers = &good, .server_count = 1, .session_timeout_ms = 1, .chroot = "/app/"},
                {.servers = &no_port, .server_count = 1, .session_timeout_ms = 1},
                {.servers = &no_host, .server_count = 1, .session_timeout_ms = 1},
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(client_new(&bad[i], &c), -EINVAL);
}

static void test_every_state_has_a_name(void **state)
{
        (void)state;
        for (enum client_state s = CLIENT_IDLE; s < CLIENT_STATE_MAX; s++)
                assert_true(client_state_name(s) && client_state_name(s)[0]);
}

/* ---- closing ---- */

static void test_closing_sends_what_waits_then_ends_the_session(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        client_close(s->c, s->now, 1000, &s->fx);
        assert_int_equal(client_delete(s->c, "/a", -1, &a), -ESHUTDOWN);
        script_flush(s);
        script_expect(s, "1 < 1 delete /a version=-1\n1 < 2 closeSession\n");
        script_reply(s, 1, 5, 0, NULL);
        script_expect(s, "a: answered 0 zxid=0x5\n");
        script_reply(s, 2, 6, 0, NULL);
        script_expect(s, "closed\nclose 1\n");
        client_session(s->c, &session);
        assert_int_equal(session.id, 0);
        script_start(s);
        script_run(s, 10000);
        script_expect(s, "");
        script_free(s);
}

static void test_closing_goes_on_at_another_server(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 500);
        client_close(s->c, s->now, 5000, &s->fx);
        script_flush(s);
        script_closed(s, -ECONNRESET);
        script_accept(s, SCRIPT_SESSION);
        script_expect(s, "1 < 1 closeSession\nsuspended -104\ndial 3\n"
                         "3 < connect session=0x1234 zxid=0x0 timeout=3000 passwd=ab\nresumed\n3 < 2 closeSession\n");
        script_closed(s, 0);
        script_run(s, 100);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0); /* the first one had got through */
        script_expect(s, "closed\nclose 5\n");
        script_free(s);
}

static void test_closing_is_given_up_in_time(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_connected();
        struct client_call b = script_call(s, "b");
        script_run(s, 500);
        script_closed(s, -ECONNRESET);
        script_forget(s);
        assert_int_equal(client_get(s->c, "/b", &b), 0);
        client_close(s->c, s->now, 300, &s->fx);
        script_run(s, 299);
        script_expect(s, "");
        script_run(s, 1);
        script_expect(s, "closed -110\nb: not sent -116\nclose 3\n");
        client_session(s->c, &session);
        assert_int_equal(session.id, SCRIPT_SESSION); /* lives until its timeout */
        script_free(s);
}

static void test_closing_without_waiting_says_farewell(void **state)
{
        (void)state;
        struct script *s = script_connected();
        client_close(s->c, s->now, 0, &s->fx);
        assert_int_equal(s->fx.count, 2);
        assert_true(s->fx.list[1].close.flush);
        script_flush(s);
        script_expect(s, "closed -110\n1 < 1 closeSession\nclose 1\n");
        script_free(s);
}

static void test_closing_before_there_is_a_session_is_done_at_once(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        client_close(s->c, s->now, 1000, &s->fx);
        script_expect(s, "closed\n");
        script_free(s);
        s = script_new(script_config(3));
        script_start(s);
        client_close(s->c, s->now, 1000, &s->fx);
        script_flush(s);
        script_expect(s, "connecting\ndial 1\nclosed\nclose 1\n");
        script_free(s);
}

static void close_when_connected(struct script *s, enum client_state state)
{
        if (state == CLIENT_CONNECTED)
                client_close(s->c, s->now, 1000, &s->fx);
}

static void test_closing_in_a_callback_is_carried_out_when_the_event_ends(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        s->on_state = close_when_connected;
        script_start(s);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s, "connected\n1 < 1 closeSession\n");
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_new_session_is_asked_for_and_told),
                cmocka_unit_test(test_the_order_of_servers_follows_the_seed_and_holds_each_once),
                cmocka_unit_test(test_the_own_server_is_tried_first),
                cmocka_unit_test(test_a_refused_dial_leads_to_the_next_server_at_once_and_a_round_in_vain_to_a_rest),
                cmocka_unit_test(test_rests_grow_and_are_bounded),
                cmocka_unit_test(test_a_dial_without_an_answer_is_given_up),
                cmocka_unit_test(test_a_server_that_accepts_and_says_nothing_does_not_cost_the_session),
                cmocka_unit_test(test_a_new_session_is_waited_for_longer),
                cmocka_unit_test(test_a_reset_connection_moves_the_session_to_another_server_at_once),
                cmocka_unit_test(test_a_server_that_is_behind_is_tried_again_later),
                cmocka_unit_test(test_a_connection_that_ends_soon_counts_as_a_failed_attempt),
                cmocka_unit_test(test_a_ping_goes_out_after_a_third_of_the_timeout_without_a_request),
                cmocka_unit_test(test_a_server_silent_for_two_thirds_of_the_timeout_is_left),
                cmocka_unit_test(test_any_byte_breaks_the_silence),
                cmocka_unit_test(test_a_server_that_owes_an_answer_and_is_silent_is_left_sooner_on_request),
                cmocka_unit_test(test_what_was_answered_is_owed_no_more),
                cmocka_unit_test(test_a_patience_out_of_range_is_refused),
                cmocka_unit_test(test_an_expired_session_is_told_once_and_ends_all_there_was),
                cmocka_unit_test(test_a_new_session_may_be_begun_where_the_old_ones_end_is_told),
                cmocka_unit_test(test_an_answer_with_another_session_means_expired),
                cmocka_unit_test(test_a_refused_new_session_is_asked_for_elsewhere),
                cmocka_unit_test(test_a_read_only_server_will_do_where_it_was_said_so),
                cmocka_unit_test(test_a_malformed_or_read_only_answer_sends_it_elsewhere),
                cmocka_unit_test(test_the_answer_of_an_old_server_without_its_last_byte_is_understood),
                cmocka_unit_test(test_what_is_said_of_a_former_connection_is_ignored),
                cmocka_unit_test(test_a_config_that_cannot_be_is_refused),
                cmocka_unit_test(test_every_state_has_a_name),
                cmocka_unit_test(test_closing_sends_what_waits_then_ends_the_session),
                cmocka_unit_test(test_closing_goes_on_at_another_server),
                cmocka_unit_test(test_closing_is_given_up_in_time),
                cmocka_unit_test(test_closing_without_waiting_says_farewell),
                cmocka_unit_test(test_closing_before_there_is_a_session_is_done_at_once),
                cmocka_unit_test(test_closing_in_a_callback_is_carried_out_when_the_event_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
