/* One vote machine and what is done to its connections: quorum-protocol.md 1.1 to 1.3, 2.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/vote/vote_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define T0 5000

/* Server `sid` of three voters and an observer (4), hosts h1 to h4, election port 388<sid>. */
struct bench {
        struct ensemble ensemble;
        struct vote *vote;
        struct effects fx;
        uint64_t now_ms;
        conn_id accepted;
};

static void bench_start(struct bench *b, int64_t sid)
{
        memset(b, 0, sizeof *b);
        for (int64_t i = 1; i <= 4; i++) {
                struct member m = {.sid = i, .observer = i == 4, .quorum_port = 2888};
                m.election_port = (uint16_t)(3880 + i);
                (void)snprintf(m.host, sizeof m.host, "h%d", (int)i);
                assert_int_equal(ensemble_add(&b->ensemble, &m), 0);
        }
        const struct vote_config config = {.sid = sid, .ensemble = &b->ensemble, .seed = 1};
        b->vote = vote_new(&config);
        b->now_ms = T0;
        effects_init(&b->fx);
}

static void bench_done(struct bench *b)
{
        vote_free(b->vote);
        effects_done(&b->fx);
}

static void look(struct bench *b)
{
        effects_reset(&b->fx);
        vote_look(b->vote, b->now_ms, 0, 0, &b->fx);
        vote__check(b->vote);
}

static void tick(struct bench *b, uint64_t now_ms)
{
        effects_reset(&b->fx);
        b->now_ms = now_ms;
        vote_tick(b->vote, now_ms, &b->fx);
        vote__check(b->vote);
}

static conn_id accept_one(struct bench *b)
{
        effects_reset(&b->fx);
        b->accepted += 2;
        vote_conn_accepted(b->vote, b->now_ms, b->accepted, &b->fx);
        vote__check(b->vote);
        return b->accepted;
}

static bool feed(struct bench *b, conn_id conn, const void *data, size_t len)
{
        uint8_t *exact = mem_dup(data, len); /* reading beyond is noticed */
        effects_reset(&b->fx);
        bool ours = vote_conn_bytes(b->vote, b->now_ms, conn, exact, len, &b->fx);
        mem_free(exact);
        vote__check(b->vote);
        return ours;
}

static void dialled(struct bench *b, conn_id conn, int status)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_dialled(b->vote, b->now_ms, conn, status, &b->fx));
        vote__check(b->vote);
}

static void sent(struct bench *b, conn_id conn)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_sent(b->vote, b->now_ms, conn, &b->fx));
        vote__check(b->vote);
}

static void closed(struct bench *b, conn_id conn)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_closed(b->vote, b->now_ms, conn, -ECONNRESET, &b->fx));
        vote__check(b->vote);
}

static void shake_as(struct bench *b, conn_id conn, int64_t sid, const char *host, uint16_t port)
{
        struct blob *h = vote__handshake_encode(sid, host, port);
        assert_true(feed(b, conn, h->data, h->len));
        blob_unref(h);
}

static conn_id connect_as(struct bench *b, int64_t sid)
{
        conn_id conn = accept_one(b);
        shake_as(b, conn, sid, "elsewhere", 9999);
        return conn;
}

static void say(struct bench *b, conn_id conn, struct vote_notification n)
{
        struct blob *m = vote__notification_encode(&n, "version=0", 9);
        assert_true(feed(b, conn, m->data, m->len));
        blob_unref(m);
}

/* The n-th effect of a kind on a connection (0: on any) of the last step, or NULL. */
static const struct effect *find(const struct bench *b, enum effect_type type, conn_id conn, size_t n)
{
        for (size_t i = 0; i < b->fx.count; i++) {
                const struct effect *e = &b->fx.list[i];
                if (e->type == type && (conn == 0 || e->conn == conn) && n-- == 0)
                        return e;
        }
        return NULL;
}

static conn_id dial_to(const struct bench *b, const char *host, uint16_t port)
{
        for (size_t i = 0; find(b, EFFECT_DIAL, 0, i); i++) {
                const struct effect *e = find(b, EFFECT_DIAL, 0, i);
                if (strcmp(e->peer.host, host) == 0 && e->peer.port == port) {
                        assert_int_equal(e->peer.kind, PORT_ELECTION);
                        return e->conn;
                }
        }
        return 0;
}

/* The notification sent on `conn` by the last step, past a handshake. */
static bool heard(const struct bench *b, conn_id conn, struct vote_notification *ret)
{
        for (size_t i = 0; find(b, EFFECT_SEND, conn, i); i++) {
                const struct blob *m = find(b, EFFECT_SEND, conn, i)->send.blob;
                if (m->len > 4 && m->data[0] != 0xff) {
                        assert_int_equal(m->data[2] << 8 | m->data[3], (int)m->len - 4);
                        assert_int_equal(vote__notification_decode(m->data + 4, m->len - 4, ret), 0);
                        return true;
                }
        }
        return false;
}

static bool is_closed(const struct bench *b, conn_id conn)
{
        return find(b, EFFECT_CLOSE, conn, 0) != NULL;
}

static const struct vote_notification vote_for_3 = {VOTE_LOOKING, 3, 0, 1, 0, 2};

/* ---- 1.2: who keeps the connection ---- */

static void test_a_looking_server_dials_all_voters_at_their_configured_addresses(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        assert_true(dial_to(&b, "h1", 3881));
        assert_true(dial_to(&b, "h3", 3883));
        assert_null(find(&b, EFFECT_DIAL, 0, 2)); /* neither itself nor the observer */
        bench_done(&b);
}

static void test_a_peer_with_a_smaller_sid_that_we_dial_gets_handshake_and_vote(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        look(&b);
        conn_id conn = dial_to(&b, "h1", 3881);
        dialled(&b, conn, 0);
        const struct effect *h = find(&b, EFFECT_SEND, conn, 0);
        struct vote_handshake shake;
        assert_int_equal(vote__handshake_decode(h->send.blob->data, h->send.blob->len, &shake), (int)h->send.blob->len);
        assert_int_equal(shake.sid, 2);
        assert_string_equal(shake.addresses[0].host, "h2");
        assert_int_equal(shake.addresses[0].port, 3882);
        assert_true(heard(&b, conn, &n));
        assert_int_equal(n.leader, 2);
        assert_non_null(find(&b, EFFECT_NOTIFY_SENT, conn, 0));
        assert_false(is_closed(&b, conn));
        bench_done(&b);
}

static void test_a_peer_with_a_larger_sid_that_we_dial_is_left_after_the_handshake(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        look(&b);
        conn_id conn = dial_to(&b, "h3", 3883);
        dialled(&b, conn, 0);
        assert_non_null(find(&b, EFFECT_SEND, conn, 0));
        assert_false(heard(&b, conn, &n));
        assert_true(find(&b, EFFECT_CLOSE, conn, 0)->close.flush);
        conn_id back = connect_as(&b, 3); /* and it dials back */
        assert_true(heard(&b, back, &n));
        bench_done(&b);
}

static void test_a_larger_sids_new_connection_replaces_the_old_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        conn_id first = connect_as(&b, 3);
        assert_false(is_closed(&b, first));
        conn_id second = connect_as(&b, 3);
        assert_true(is_closed(&b, first));
        assert_false(is_closed(&b, second));
        say(&b, second, vote_for_3);
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        assert_false(feed(&b, first, "x", 1)); /* not ours any more */
        bench_done(&b);
}

static void test_an_own_dial_in_progress_ends_when_the_larger_sid_connects(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        conn_id dial = dial_to(&b, "h3", 3883);
        (void)connect_as(&b, 3);
        assert_true(is_closed(&b, dial));
        effects_reset(&b.fx);
        assert_false(vote_conn_dialled(b.vote, b.now_ms, dial, 0, &b.fx));
        bench_done(&b);
}

static void test_a_smaller_sid_that_dials_is_closed_and_dialled_back_at_the_address_it_gave(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = connect_as(&b, 1);
        assert_true(is_closed(&b, conn));
        conn_id back = dial_to(&b, "elsewhere", 9999);
        assert_true(back);
        dialled(&b, back, 0);
        assert_non_null(find(&b, EFFECT_SEND, back, 0));
        conn_id again = connect_as(&b, 1); /* it has lost the connection: ours is closed too */
        assert_true(is_closed(&b, again));
        assert_true(is_closed(&b, back));
        assert_true(dial_to(&b, "elsewhere", 9999));
        bench_done(&b);
}

static void test_a_wildcard_address_means_the_configured_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = accept_one(&b);
        shake_as(&b, conn, 1, "0.0.0.0", 3881);
        assert_true(dial_to(&b, "h1", 3881));
        bench_done(&b);
}

static void test_the_addresses_of_a_handshake_are_tried_in_turn_then_the_configured_one(void **state)
{
        (void)state;
        static const uint8_t v2[] = "\xff\xff\xff\xff\xff\xff\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0d"
                                    "a:1|[::1]:222";
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = accept_one(&b);
        for (size_t i = 0; i < sizeof v2 - 1; i++) /* byte by byte */
                assert_true(feed(&b, conn, v2 + i, 1));
        dialled(&b, dial_to(&b, "a", 1), -ECONNREFUSED);
        dialled(&b, dial_to(&b, "::1", 222), -EHOSTUNREACH);
        conn_id last = dial_to(&b, "h1", 3881);
        assert_true(last);
        dialled(&b, last, -ECONNREFUSED);
        assert_null(find(&b, EFFECT_DIAL, 0, 0)); /* settled or not yet looking: that was all */
        bench_done(&b);
}

static void test_the_bare_sid_of_an_old_server_works_both_ways(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        conn_id large = accept_one(&b);
        assert_true(feed(&b, large, "\0\0\0\0\0\0\0\3", 8));
        assert_false(is_closed(&b, large));
        say(&b, large, vote_for_3);
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        conn_id small = accept_one(&b);
        assert_true(feed(&b, small, "\0\0\0\0\0\0\0\1", 8));
        assert_true(is_closed(&b, small));
        bench_done(&b);
}

static void test_our_own_sid_is_turned_away(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        conn_id conn = connect_as(&b, 2);
        assert_true(is_closed(&b, conn));
        assert_int_equal(vote_bad_input_count(b.vote), 1);
        bench_done(&b);
}

static void test_a_message_in_the_same_segment_as_the_handshake_is_read(void **state)
{
        (void)state;
        struct bench b;
        uint8_t both[1024];
        bench_start(&b, 2);
        look(&b);
        struct blob *h = vote__handshake_encode(3, "h3", 3883);
        struct blob *m = vote__notification_encode(&vote_for_3, "version=0", 9);
        memcpy(both, h->data, h->len);
        memcpy(both + h->len, m->data, m->len);
        memcpy(both + h->len + m->len, m->data, 7); /* and the beginning of another */
        conn_id conn = accept_one(&b);
        assert_true(feed(&b, conn, both, h->len + m->len + 7));
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        assert_true(feed(&b, conn, m->data + 7, m->len - 7));
        assert_int_equal(vote_bad_input_count(b.vote), 0);
        blob_unref(h);
        blob_unref(m);
        bench_done(&b);
}

/* ---- strangers ---- */

static void test_a_stranger_is_accepted_and_answered_but_not_counted(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        look(&b);
        conn_id conn = connect_as(&b, 77);
        assert_false(is_closed(&b, conn));
        say(&b, conn, (struct vote_notification){VOTE_LOOKING, 77, 99, 40, 9, 2});
        assert_true(heard(&b, conn, &n));
        assert_int_equal(n.state, VOTE_LOOKING);
        assert_int_equal(n.leader, 2);
        assert_int_equal(b.vote->tally.round, 1);
        bench_done(&b);
}

static void test_one_that_is_no_voter_is_not_answered_the_same_at_once_nor_when_it_has_settled(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        look(&b);
        conn_id conn = connect_as(&b, 4); /* the observer */
        say(&b, conn, (struct vote_notification){VOTE_OBSERVING, 1, 0, 1, 0, 2});
        assert_false(heard(&b, conn, &n));
        const struct vote_notification ask = {VOTE_LOOKING, VOTE_NONE, VOTE_NONE, 1, VOTE_NONE, 2};
        say(&b, conn, ask);
        assert_true(heard(&b, conn, &n));
        sent(&b, conn);
        say(&b, conn, ask);
        assert_false(heard(&b, conn, &n));
        b.now_ms += VOTE_INTERVAL_MIN_MS; /* its next repetition */
        say(&b, conn, ask);
        assert_true(heard(&b, conn, &n));
        bench_done(&b);
}

static void test_strangers_are_limited_and_the_oldest_makes_room(void **state)
{
        (void)state;
        struct bench b;
        conn_id conns[VOTE_STRANGERS_MAX + 1];
        bench_start(&b, 2);
        for (int64_t i = 0; i < VOTE_STRANGERS_MAX; i++) {
                b.now_ms++;
                conns[i] = connect_as(&b, 100 + i);
        }
        b.now_ms++;
        conns[VOTE_STRANGERS_MAX] = connect_as(&b, 200);
        assert_true(is_closed(&b, conns[0]));
        assert_false(is_closed(&b, conns[1]));
        closed(&b, conns[5]); /* leaves a free place */
        (void)connect_as(&b, 201);
        assert_null(find(&b, EFFECT_CLOSE, 0, 0));
        bench_done(&b);
}

static void test_a_smaller_stranger_is_dialled_back_and_forgotten_when_that_fails(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        (void)connect_as(&b, 0);
        conn_id back = dial_to(&b, "elsewhere", 9999);
        dialled(&b, back, -ECONNREFUSED);
        assert_null(find(&b, EFFECT_DIAL, 0, 0));
        assert_true(vote_deadline(b.vote) == UINT64_MAX);
        bench_done(&b);
}

/* ---- 1.3: messages ---- */

static void test_one_message_is_in_flight_and_the_newest_waits(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        look(&b);
        conn_id three = connect_as(&b, 3);
        assert_true(heard(&b, three, &n));
        assert_int_equal(n.leader, 1);
        conn_id two = connect_as(&b, 2);
        say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 0, 1, 0, 2});
        assert_false(heard(&b, three, &n)); /* waits */
        say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 5, 1, 0, 2});
        assert_false(heard(&b, three, &n)); /* replaces it */
        sent(&b, three);
        assert_true(heard(&b, three, &n));
        assert_int_equal(n.leader, 2);
        assert_int_equal(n.zxid, 5);
        sent(&b, three);
        assert_false(heard(&b, three, &n));
        bench_done(&b);
}

static void test_the_last_message_is_said_again_on_a_new_connection(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        look(&b);
        for (int i = 0; i < 3; i++) {
                conn_id conn = connect_as(&b, 3);
                assert_true(heard(&b, conn, &n));
                assert_int_equal(n.leader, 1);
                closed(&b, conn);
        }
        bench_done(&b);
}

static void test_a_settled_server_tells_new_connections_where_it_stands(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        look(&b);
        conn_id three = connect_as(&b, 3), two = connect_as(&b, 2);
        say(&b, three, vote_for_3);
        say(&b, two, vote_for_3);
        int64_t leader;
        enum vote_state s;
        assert_int_equal(vote_decided(b.vote, &leader, &s), 1);
        assert_int_equal(leader, 3);
        assert_int_equal(s, VOTE_FOLLOWING);
        vote_set_epoch(b.vote, 8);
        two = connect_as(&b, 2);
        assert_true(heard(&b, two, &n));
        assert_int_equal(n.state, VOTE_FOLLOWING);
        assert_int_equal(n.leader, 3);
        assert_int_equal(n.epoch, 8);
        sent(&b, two);
        say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 0, 9, 0, 2}); /* 2.4: a late looker */
        assert_true(heard(&b, two, &n));
        assert_int_equal(n.round, 1);
        sent(&b, two);
        say(&b, two, (struct vote_notification){VOTE_FOLLOWING, 2, 0, 9, 0, 2});
        assert_false(heard(&b, two, &n)); /* dropped */
        bench_done(&b);
}

static void test_a_looking_voter_of_an_older_round_is_told_ours(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        look(&b);
        look(&b);
        conn_id three = connect_as(&b, 3);
        sent(&b, three);
        say(&b, three, vote_for_3); /* round 1; we are in 2 */
        assert_true(heard(&b, three, &n));
        assert_int_equal(n.round, 2);
        assert_int_equal(n.leader, 1);
        bench_done(&b);
}

static void test_what_came_before_the_first_round_is_counted_in_it(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 1);
        conn_id three = connect_as(&b, 3), two = connect_as(&b, 2);
        say(&b, three, vote_for_3);
        say(&b, two, vote_for_3);
        look(&b);
        int64_t leader;
        enum vote_state s;
        assert_int_equal(vote_decided(b.vote, &leader, &s), 1);
        assert_int_equal(leader, 3);
        bench_done(&b);
}

static void test_a_voter_that_begins_to_look_is_told_what_it_has_missed(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n = {0};
        bench_start(&b, 2);
        look(&b);
        conn_id one = dial_to(&b, "h1", 3881);
        dialled(&b, one, 0);
        sent(&b, one);
        say(&b, one, (struct vote_notification){VOTE_FOLLOWING, 3, 0, 1, 0, 2}); /* so it dropped our vote */
        assert_false(heard(&b, one, &n));
        say(&b, one, (struct vote_notification){VOTE_LOOKING, 1, 0, 1, 0, 2}); /* worse than ours */
        assert_true(heard(&b, one, &n));
        assert_int_equal(n.leader, 2);
        sent(&b, one);
        say(&b, one, (struct vote_notification){VOTE_LOOKING, 1, 0, 1, 0, 2});
        assert_false(heard(&b, one, &n));
        bench_done(&b);
}

/* ---- bad input ---- */

static void expect_bad(struct bench *b, conn_id conn, const void *data, size_t len)
{
        uint64_t before = vote_bad_input_count(b->vote);
        assert_true(feed(b, conn, data, len));
        assert_true(is_closed(b, conn));
        assert_int_equal(vote_bad_input_count(b->vote), before + 1);
}

static void test_what_is_no_handshake_closes_the_connection(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        expect_bad(&b, accept_one(&b), "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
        expect_bad(&b, accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\0\0", 20);
        expect_bad(&b, accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\x08\x01", 20);
        expect_bad(&b, accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\xff\xff\xff\xff", 20);
        expect_bad(&b, accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\0\2zz", 22);
        expect_bad(&b, accept_one(&b), "\x7f\xff\xff\xff\xff\xff\xff\xff", 8);
        bench_done(&b);
}

static void test_lengths_out_of_range_and_malformed_payloads_close_the_connection(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        expect_bad(&b, connect_as(&b, 3), "\0\0\0\0", 4);
        expect_bad(&b, connect_as(&b, 3), "\xff\xff\xff\xff", 4);
        expect_bad(&b, connect_as(&b, 3), "\0\x08\0\1", 4);
        expect_bad(&b, connect_as(&b, 3), "\0\0\0\2zz", 6);
        expect_bad(&b, connect_as(&b, 99), "\0\0\0\2zz", 6);
        bench_done(&b);
}

static void test_the_longest_message_is_taken(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        size_t text_len = VOTE_FRAME_MAX - VOTE_NOTIFICATION_SIZE_FIXED;
        char *text = mem_zalloc(text_len);
        struct blob *m = vote__notification_encode(&vote_for_3, text, text_len);
        conn_id conn = connect_as(&b, 3);
        for (size_t at = 0; at < m->len; at += 60000)
                assert_true(feed(&b, conn, m->data + at, m->len - at < 60000 ? m->len - at : 60000));
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        assert_int_equal(vote_bad_input_count(b.vote), 0);
        blob_unref(m);
        mem_free(text);
        bench_done(&b);
}

static void test_half_a_handshake_or_message_then_silence_closes_the_connection(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        conn_id half = accept_one(&b);
        assert_true(feed(&b, half, "\xff\xff\xff", 3));
        tick(&b, T0 + VOTE_HANDSHAKE_TIMEOUT_MS - 1);
        assert_false(is_closed(&b, half));
        tick(&b, T0 + VOTE_HANDSHAKE_TIMEOUT_MS);
        assert_true(is_closed(&b, half));
        conn_id conn = connect_as(&b, 99);
        assert_true(feed(&b, conn, "\0\0\0", 3));
        uint64_t due = vote_deadline(b.vote);
        assert_int_equal(due, b.now_ms + VOTE_FRAME_TIMEOUT_MS);
        tick(&b, due);
        assert_true(is_closed(&b, conn));
        assert_int_equal(vote_bad_input_count(b.vote), 2);
        bench_done(&b);
}

static void test_unnamed_connections_are_limited_and_the_oldest_makes_room(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        for (int i = 0; i < VOTE_ANONYMOUS_MAX; i++) {
                (void)accept_one(&b);
                assert_null(find(&b, EFFECT_CLOSE, 0, 0));
        }
        (void)accept_one(&b);
        assert_true(is_closed(&b, 2));
        closed(&b, 4);
        effects_reset(&b.fx);
        assert_false(vote_conn_closed(b.vote, b.now_ms, 4, 0, &b.fx));
        bench_done(&b);
}

static void test_random_bytes_do_no_harm(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct prng prng = {seed};
                struct bench b;
                conn_id open[8] = {0};
                bench_start(&b, 2);
                look(&b);
                for (int i = 0; i < 120; i++) {
                        uint8_t junk[200];
                        size_t len = 1 + prng_next(&prng) % sizeof junk, k = prng_next(&prng) % 8;
                        for (size_t c = 0; c < len; c++)
                                junk[c] = (uint8_t)(prng_next(&prng) % 3 ? prng_next(&prng) : 0);
                        if (open[k] == 0)
                                open[k] = prng_next(&prng) % 2 ? connect_as(&b, (int64_t)(prng_next(&prng) % 6))
                                                               : accept_one(&b);
                        else if (!feed(&b, open[k], junk, len) || is_closed(&b, open[k]))
                                open[k] = 0;
                        if (prng_next(&prng) % 10 == 0)
                                tick(&b, b.now_ms + prng_next(&prng) % 2000);
                }
                bench_done(&b);
        }
}

/* ---- redialling, and being away ---- */

static void test_a_refused_voter_is_dialled_again_at_growing_intervals(void **state)
{
        (void)state;
        struct bench b;
        static const uint64_t want[] = {25, 50, 100, 200, 400, 800, 1000, 1000};
        bench_start(&b, 3);
        look(&b);
        conn_id one = dial_to(&b, "h1", 3881);
        for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
                dialled(&b, one, -ECONNREFUSED);
                assert_int_equal(b.vote->channel.peers[0].redial_at_ms - b.now_ms, want[i]);
                tick(&b, b.now_ms + want[i] - 1);
                assert_false(dial_to(&b, "h1", 3881));
                tick(&b, b.now_ms + 1);
                one = dial_to(&b, "h1", 3881);
                assert_true(one);
        }
        bench_done(&b);
}

static void test_a_dial_without_an_answer_is_given_up(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        look(&b);
        conn_id one = dial_to(&b, "h1", 3881);
        tick(&b, T0 + VOTE_DIAL_TIMEOUT_MS - 1);
        assert_false(is_closed(&b, one));
        tick(&b, T0 + VOTE_DIAL_TIMEOUT_MS);
        assert_true(is_closed(&b, one));
        effects_reset(&b.fx);
        assert_false(vote_conn_dialled(b.vote, b.now_ms, one, 0, &b.fx));
        bench_done(&b);
}

static bool away(const struct bench *b, int64_t sid)
{
        return member_set_has(&b->vote->tally.away, &b->ensemble, sid);
}

static void test_away_is_reset_then_refused_and_nothing_less(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        dialled(&b, dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_false(away(&b, 3)); /* never was connected */
        conn_id conn = connect_as(&b, 3);
        b.now_ms += 2 * VOTE_STABLE_MS;
        closed(&b, conn);
        assert_false(away(&b, 3)); /* not refused yet */
        conn_id dial = dial_to(&b, "h3", 3883);
        assert_true(dial); /* at once */
        dialled(&b, dial, -ECONNREFUSED);
        assert_true(away(&b, 3));
        look(&b);
        assert_false(away(&b, 3)); /* each election asks anew */
        dialled(&b, dial_to(&b, "h3", 3883), -EHOSTUNREACH);
        assert_false(away(&b, 3));
        tick(&b, b.now_ms + VOTE_REDIAL_MIN_MS);
        dialled(&b, dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_true(away(&b, 3));
        (void)connect_as(&b, 3);
        assert_false(away(&b, 3));
        bench_done(&b);
}

static void test_a_dial_that_gets_through_ends_being_away(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        look(&b);
        conn_id conn = connect_as(&b, 3);
        b.now_ms += 2 * VOTE_STABLE_MS;
        closed(&b, conn);
        dialled(&b, dial_to(&b, "h3", 3883), -ECONNREFUSED);
        assert_true(away(&b, 3));
        tick(&b, b.now_ms + VOTE_REDIAL_MIN_MS);
        dialled(&b, dial_to(&b, "h3", 3883), 0);
        assert_false(away(&b, 3));
        bench_done(&b);
}

static void test_the_hint_dials_a_peer_that_is_not_connected_and_only_such_a_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        conn_id conn = connect_as(&b, 3);
        effects_reset(&b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        assert_int_equal(b.fx.count, 0);
        closed(&b, conn);
        effects_reset(&b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 77, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 2, &b.fx);
        assert_true(dial_to(&b, "h3", 3883));
        assert_int_equal(b.fx.count, 1);
        bench_done(&b);
}

static void test_a_peer_that_closes_at_once_every_time_is_not_dialled_in_a_loop(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        look(&b);
        conn_id one = dial_to(&b, "h1", 3881);
        unsigned dials = 0;
        while (b.now_ms < T0 + 60000) {
                dialled(&b, one, 0);
                closed(&b, one);
                one = dial_to(&b, "h1", 3881);
                while (!one) {
                        tick(&b, vote_deadline(b.vote));
                        one = dial_to(&b, "h1", 3881);
                }
                dials++;
        }
        assert_true(dials < 70);
        bench_done(&b);
}

static void test_the_larger_sid_mends_a_lost_connection_between_elections_a_few_times(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        look(&b);
        conn_id one = dial_to(&b, "h1", 3881), two = dial_to(&b, "h2", 3882);
        dialled(&b, one, 0);
        dialled(&b, two, 0);
        say(&b, one, vote_for_3);
        say(&b, two, vote_for_3);
        assert_true(vote_deadline(b.vote) == UINT64_MAX); /* settled */
        b.now_ms += 2 * VOTE_STABLE_MS;
        closed(&b, two);
        unsigned tries = 0;
        for (two = dial_to(&b, "h2", 3882); two; two = dial_to(&b, "h2", 3882)) {
                dialled(&b, two, -EHOSTUNREACH);
                tries++;
                if (vote_deadline(b.vote) != UINT64_MAX)
                        tick(&b, vote_deadline(b.vote));
        }
        assert_int_equal(tries, VOTE_MEND_TRIES);
        closed(&b, one);
        dialled(&b, dial_to(&b, "h1", 3881), -ECONNREFUSED); /* dead: it will come by itself */
        assert_true(vote_deadline(b.vote) == UINT64_MAX);
        bench_done(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_looking_server_dials_all_voters_at_their_configured_addresses),
                cmocka_unit_test(test_a_peer_with_a_smaller_sid_that_we_dial_gets_handshake_and_vote),
                cmocka_unit_test(test_a_peer_with_a_larger_sid_that_we_dial_is_left_after_the_handshake),
                cmocka_unit_test(test_a_larger_sids_new_connection_replaces_the_old_one),
                cmocka_unit_test(test_an_own_dial_in_progress_ends_when_the_larger_sid_connects),
                cmocka_unit_test(test_a_smaller_sid_that_dials_is_closed_and_dialled_back_at_the_address_it_gave),
                cmocka_unit_test(test_a_wildcard_address_means_the_configured_one),
                cmocka_unit_test(test_the_addresses_of_a_handshake_are_tried_in_turn_then_the_configured_one),
                cmocka_unit_test(test_the_bare_sid_of_an_old_server_works_both_ways),
                cmocka_unit_test(test_our_own_sid_is_turned_away),
                cmocka_unit_test(test_a_message_in_the_same_segment_as_the_handshake_is_read),
                cmocka_unit_test(test_a_stranger_is_accepted_and_answered_but_not_counted),
                cmocka_unit_test(test_one_that_is_no_voter_is_not_answered_the_same_at_once_nor_when_it_has_settled),
                cmocka_unit_test(test_strangers_are_limited_and_the_oldest_makes_room),
                cmocka_unit_test(test_a_smaller_stranger_is_dialled_back_and_forgotten_when_that_fails),
                cmocka_unit_test(test_one_message_is_in_flight_and_the_newest_waits),
                cmocka_unit_test(test_the_last_message_is_said_again_on_a_new_connection),
                cmocka_unit_test(test_a_settled_server_tells_new_connections_where_it_stands),
                cmocka_unit_test(test_a_looking_voter_of_an_older_round_is_told_ours),
                cmocka_unit_test(test_what_came_before_the_first_round_is_counted_in_it),
                cmocka_unit_test(test_a_voter_that_begins_to_look_is_told_what_it_has_missed),
                cmocka_unit_test(test_what_is_no_handshake_closes_the_connection),
                cmocka_unit_test(test_lengths_out_of_range_and_malformed_payloads_close_the_connection),
                cmocka_unit_test(test_the_longest_message_is_taken),
                cmocka_unit_test(test_half_a_handshake_or_message_then_silence_closes_the_connection),
                cmocka_unit_test(test_unnamed_connections_are_limited_and_the_oldest_makes_room),
                cmocka_unit_test(test_random_bytes_do_no_harm),
                cmocka_unit_test(test_a_refused_voter_is_dialled_again_at_growing_intervals),
                cmocka_unit_test(test_a_dial_without_an_answer_is_given_up),
                cmocka_unit_test(test_away_is_reset_then_refused_and_nothing_less),
                cmocka_unit_test(test_a_dial_that_gets_through_ends_being_away),
                cmocka_unit_test(test_the_hint_dials_a_peer_that_is_not_connected_and_only_such_a_one),
                cmocka_unit_test(test_a_peer_that_closes_at_once_every_time_is_not_dialled_in_a_loop),
                cmocka_unit_test(test_the_larger_sid_mends_a_lost_connection_between_elections_a_few_times),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
