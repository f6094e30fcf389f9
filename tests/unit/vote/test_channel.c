/* One vote machine and what is done to its connections: quorum-protocol.md 1.1 to 1.3, 2.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/vote/channel_bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct vote_notification vote_for_3 = {VOTE_LOOKING, 3, 0, 1, 0, 2};

/* ---- 1.2: who keeps the connection ---- */

static void test_a_looking_server_dials_all_voters_at_their_configured_addresses(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        assert_true(bench_dial_to(&b, "h1", 3881));
        assert_true(bench_dial_to(&b, "h3", 3883));
        assert_null(bench_find(&b, EFFECT_DIAL, 0, 2)); /* neither itself nor the observer */
        bench_done(&b);
}

static void test_a_peer_with_a_smaller_sid_that_we_dial_gets_handshake_and_vote(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id conn = bench_dial_to(&b, "h1", 3881);
        bench_dialled(&b, conn, 0);
        const struct effect *h = bench_find(&b, EFFECT_SEND, conn, 0);
        struct vote_handshake shake;
        assert_int_equal(vote__handshake_decode(h->send.blob->data, h->send.blob->len, &shake), (int)h->send.blob->len);
        assert_int_equal(shake.sid, 2);
        assert_string_equal(shake.addresses[0].host, "h2");
        assert_int_equal(shake.addresses[0].port, 3882);
        assert_true(bench_heard(&b, conn, &n));
        assert_int_equal(n.leader, 2);
        assert_non_null(bench_find(&b, EFFECT_NOTIFY_SENT, conn, 0));
        assert_false(bench_is_closed(&b, conn));
        bench_done(&b);
}

static void test_a_peer_with_a_larger_sid_that_we_dial_is_left_after_the_handshake(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id conn = bench_dial_to(&b, "h3", 3883);
        bench_dialled(&b, conn, 0);
        assert_non_null(bench_find(&b, EFFECT_SEND, conn, 0));
        assert_false(bench_heard(&b, conn, &n));
        assert_true(bench_find(&b, EFFECT_CLOSE, conn, 0)->close.flush);
        conn_id back = bench_connect_as(&b, 3); /* and it dials back */
        assert_true(bench_heard(&b, back, &n));
        bench_done(&b);
}

static void test_a_larger_sids_new_connection_replaces_the_old_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id first = bench_connect_as(&b, 3);
        assert_false(bench_is_closed(&b, first));
        conn_id second = bench_connect_as(&b, 3);
        assert_true(bench_is_closed(&b, first));
        assert_false(bench_is_closed(&b, second));
        bench_say(&b, second, vote_for_3);
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        assert_false(bench_feed(&b, first, "x", 1)); /* not ours any more */
        bench_done(&b);
}

static void test_an_own_dial_in_progress_ends_when_the_larger_sid_connects(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id dial = bench_dial_to(&b, "h3", 3883);
        (void)bench_connect_as(&b, 3);
        assert_true(bench_is_closed(&b, dial));
        effects_reset(&b.fx);
        assert_false(vote_conn_dialled(b.vote, b.now_ms, dial, 0, &b.fx));
        bench_done(&b);
}

static void test_a_smaller_sid_that_dials_is_closed_and_dialled_back_at_the_address_it_gave(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = bench_connect_as(&b, 1);
        assert_true(bench_is_closed(&b, conn));
        conn_id back = bench_dial_to(&b, "elsewhere", 9999);
        assert_true(back);
        bench_dialled(&b, back, 0);
        assert_non_null(bench_find(&b, EFFECT_SEND, back, 0));
        conn_id again = bench_connect_as(&b, 1); /* it has lost the connection: ours is closed too */
        assert_true(bench_is_closed(&b, again));
        assert_true(bench_is_closed(&b, back));
        assert_true(bench_dial_to(&b, "elsewhere", 9999));
        bench_done(&b);
}

static void test_a_wildcard_address_means_the_configured_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = bench_accept_one(&b);
        bench_shake_as(&b, conn, 1, "0.0.0.0", 3881);
        assert_true(bench_dial_to(&b, "h1", 3881));
        bench_done(&b);
}

static void test_the_addresses_of_a_handshake_are_tried_in_turn_then_the_configured_one(void **state)
{
        (void)state;
        static const uint8_t v2[] = "\xff\xff\xff\xff\xff\xff\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0d"
                                    "a:1|[::1]:222";
        struct bench b;
        bench_start(&b, 3);
        conn_id conn = bench_accept_one(&b);
        for (size_t i = 0; i < sizeof v2 - 1; i++) /* byte by byte */
                assert_true(bench_feed(&b, conn, v2 + i, 1));
        bench_dialled(&b, bench_dial_to(&b, "a", 1), -ECONNREFUSED);
        bench_dialled(&b, bench_dial_to(&b, "::1", 222), -EHOSTUNREACH);
        conn_id last = bench_dial_to(&b, "h1", 3881);
        assert_true(last);
        bench_dialled(&b, last, -ECONNREFUSED);
        assert_null(bench_find(&b, EFFECT_DIAL, 0, 0)); /* settled or not yet looking: that was all */
        bench_done(&b);
}

static void test_the_bare_sid_of_an_old_server_works_both_ways(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        conn_id large = bench_accept_one(&b);
        assert_true(bench_feed(&b, large, "\0\0\0\0\0\0\0\3", 8));
        assert_false(bench_is_closed(&b, large));
        bench_say(&b, large, vote_for_3);
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        conn_id small = bench_accept_one(&b);
        assert_true(bench_feed(&b, small, "\0\0\0\0\0\0\0\1", 8));
        assert_true(bench_is_closed(&b, small));
        bench_done(&b);
}

static void test_our_own_sid_is_turned_away(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        conn_id conn = bench_connect_as(&b, 2);
        assert_true(bench_is_closed(&b, conn));
        assert_int_equal(vote_bad_input_count(b.vote), 1);
        bench_done(&b);
}

static void test_a_message_in_the_same_segment_as_the_handshake_is_read(void **state)
{
        (void)state;
        struct bench b;
        uint8_t both[1024];
        bench_start(&b, 2);
        bench_look(&b);
        struct blob *h = vote__handshake_encode(3, "h3", 3883);
        struct blob *m = vote__notification_encode(&vote_for_3, "version=0", 9);
        memcpy(both, h->data, h->len);
        memcpy(both + h->len, m->data, m->len);
        memcpy(both + h->len + m->len, m->data, 7); /* and the beginning of another */
        conn_id conn = bench_accept_one(&b);
        assert_true(bench_feed(&b, conn, both, h->len + m->len + 7));
        assert_int_equal(b.vote->tally.proposal.leader, 3);
        assert_true(bench_feed(&b, conn, m->data + 7, m->len - 7));
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
        bench_look(&b);
        conn_id conn = bench_connect_as(&b, 77);
        assert_false(bench_is_closed(&b, conn));
        bench_say(&b, conn, (struct vote_notification){VOTE_LOOKING, 77, 99, 40, 9, 2});
        assert_true(bench_heard(&b, conn, &n));
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
        bench_look(&b);
        conn_id conn = bench_connect_as(&b, 4); /* the observer */
        bench_say(&b, conn, (struct vote_notification){VOTE_OBSERVING, 1, 0, 1, 0, 2});
        assert_false(bench_heard(&b, conn, &n));
        const struct vote_notification ask = {VOTE_LOOKING, VOTE_NONE, VOTE_NONE, 1, VOTE_NONE, 2};
        bench_say(&b, conn, ask);
        assert_true(bench_heard(&b, conn, &n));
        bench_sent(&b, conn);
        bench_say(&b, conn, ask);
        assert_false(bench_heard(&b, conn, &n));
        b.now_ms += VOTE_INTERVAL_MIN_MS; /* its next repetition */
        bench_say(&b, conn, ask);
        assert_true(bench_heard(&b, conn, &n));
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
                conns[i] = bench_connect_as(&b, 100 + i);
        }
        b.now_ms++;
        conns[VOTE_STRANGERS_MAX] = bench_connect_as(&b, 200);
        assert_true(bench_is_closed(&b, conns[0]));
        assert_false(bench_is_closed(&b, conns[1]));
        bench_closed(&b, conns[5]); /* leaves a free place */
        (void)bench_connect_as(&b, 201);
        assert_null(bench_find(&b, EFFECT_CLOSE, 0, 0));
        bench_done(&b);
}

static void test_a_smaller_stranger_is_dialled_back_and_forgotten_when_that_fails(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        (void)bench_connect_as(&b, 0);
        conn_id back = bench_dial_to(&b, "elsewhere", 9999);
        bench_dialled(&b, back, -ECONNREFUSED);
        assert_null(bench_find(&b, EFFECT_DIAL, 0, 0));
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
        bench_look(&b);
        conn_id three = bench_connect_as(&b, 3);
        assert_true(bench_heard(&b, three, &n));
        assert_int_equal(n.leader, 1);
        conn_id two = bench_connect_as(&b, 2);
        bench_say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 0, 1, 0, 2});
        assert_false(bench_heard(&b, three, &n)); /* waits */
        bench_say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 5, 1, 0, 2});
        assert_false(bench_heard(&b, three, &n)); /* replaces it */
        bench_sent(&b, three);
        assert_true(bench_heard(&b, three, &n));
        assert_int_equal(n.leader, 2);
        assert_int_equal(n.zxid, 5);
        bench_sent(&b, three);
        assert_false(bench_heard(&b, three, &n));
        bench_done(&b);
}

static void test_the_last_message_is_said_again_on_a_new_connection(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        bench_look(&b);
        for (int i = 0; i < 3; i++) {
                conn_id conn = bench_connect_as(&b, 3);
                assert_true(bench_heard(&b, conn, &n));
                assert_int_equal(n.leader, 1);
                bench_closed(&b, conn);
        }
        bench_done(&b);
}

static void test_a_settled_server_tells_new_connections_where_it_stands(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        bench_look(&b);
        conn_id three = bench_connect_as(&b, 3), two = bench_connect_as(&b, 2);
        bench_say(&b, three, vote_for_3);
        bench_say(&b, two, vote_for_3);
        int64_t leader;
        enum vote_state s;
        assert_int_equal(vote_decided(b.vote, &leader, &s), 1);
        assert_int_equal(leader, 3);
        assert_int_equal(s, VOTE_FOLLOWING);
        vote_set_epoch(b.vote, 8);
        two = bench_connect_as(&b, 2);
        assert_true(bench_heard(&b, two, &n));
        assert_int_equal(n.state, VOTE_FOLLOWING);
        assert_int_equal(n.leader, 3);
        assert_int_equal(n.epoch, 8);
        bench_sent(&b, two);
        bench_say(&b, two, (struct vote_notification){VOTE_LOOKING, 2, 0, 9, 0, 2}); /* 2.4: a late looker */
        assert_true(bench_heard(&b, two, &n));
        assert_int_equal(n.round, 1);
        bench_sent(&b, two);
        bench_say(&b, two, (struct vote_notification){VOTE_FOLLOWING, 2, 0, 9, 0, 2});
        assert_false(bench_heard(&b, two, &n)); /* dropped */
        bench_done(&b);
}

static void test_a_looking_voter_of_an_older_round_is_told_ours(void **state)
{
        (void)state;
        struct bench b;
        struct vote_notification n;
        bench_start(&b, 1);
        bench_look(&b);
        bench_look(&b);
        conn_id three = bench_connect_as(&b, 3);
        bench_sent(&b, three);
        bench_say(&b, three, vote_for_3); /* round 1; we are in 2 */
        assert_true(bench_heard(&b, three, &n));
        assert_int_equal(n.round, 2);
        assert_int_equal(n.leader, 1);
        bench_done(&b);
}

static void test_what_came_before_the_first_round_is_counted_in_it(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 1);
        conn_id three = bench_connect_as(&b, 3), two = bench_connect_as(&b, 2);
        bench_say(&b, three, vote_for_3);
        bench_say(&b, two, vote_for_3);
        bench_look(&b);
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
        bench_look(&b);
        conn_id one = bench_dial_to(&b, "h1", 3881);
        bench_dialled(&b, one, 0);
        bench_sent(&b, one);
        bench_say(&b, one, (struct vote_notification){VOTE_FOLLOWING, 3, 0, 1, 0, 2}); /* so it dropped our vote */
        assert_false(bench_heard(&b, one, &n));
        bench_say(&b, one, (struct vote_notification){VOTE_LOOKING, 1, 0, 1, 0, 2}); /* worse than ours */
        assert_true(bench_heard(&b, one, &n));
        assert_int_equal(n.leader, 2);
        bench_sent(&b, one);
        bench_say(&b, one, (struct vote_notification){VOTE_LOOKING, 1, 0, 1, 0, 2});
        assert_false(bench_heard(&b, one, &n));
        bench_done(&b);
}

/* ---- bad input ---- */

static void expect_bad(struct bench *b, conn_id conn, const void *data, size_t len)
{
        uint64_t before = vote_bad_input_count(b->vote);
        assert_true(bench_feed(b, conn, data, len));
        assert_true(bench_is_closed(b, conn));
        assert_int_equal(vote_bad_input_count(b->vote), before + 1);
}

static void test_what_is_no_handshake_closes_the_connection(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        expect_bad(&b, bench_accept_one(&b), "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
        expect_bad(&b, bench_accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\0\0", 20);
        expect_bad(&b, bench_accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\x08\x01", 20);
        expect_bad(&b, bench_accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\xff\xff\xff\xff", 20);
        expect_bad(&b, bench_accept_one(&b), "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\3\0\0\0\2zz", 22);
        expect_bad(&b, bench_accept_one(&b), "\x7f\xff\xff\xff\xff\xff\xff\xff", 8);
        bench_done(&b);
}

static void test_lengths_out_of_range_and_malformed_payloads_close_the_connection(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        expect_bad(&b, bench_connect_as(&b, 3), "\0\0\0\0", 4);
        expect_bad(&b, bench_connect_as(&b, 3), "\xff\xff\xff\xff", 4);
        expect_bad(&b, bench_connect_as(&b, 3), "\0\x08\0\1", 4);
        expect_bad(&b, bench_connect_as(&b, 3), "\0\0\0\2zz", 6);
        expect_bad(&b, bench_connect_as(&b, 99), "\0\0\0\2zz", 6);
        bench_done(&b);
}

static void test_the_longest_message_is_taken(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        bench_look(&b);
        size_t text_len = VOTE_FRAME_MAX - VOTE_NOTIFICATION_SIZE_FIXED;
        char *text = mem_zalloc(text_len);
        struct blob *m = vote__notification_encode(&vote_for_3, text, text_len);
        conn_id conn = bench_connect_as(&b, 3);
        for (size_t at = 0; at < m->len; at += 60000)
                assert_true(bench_feed(&b, conn, m->data + at, m->len - at < 60000 ? m->len - at : 60000));
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
        conn_id half = bench_accept_one(&b);
        assert_true(bench_feed(&b, half, "\xff\xff\xff", 3));
        bench_tick(&b, T0 + VOTE_HANDSHAKE_TIMEOUT_MS - 1);
        assert_false(bench_is_closed(&b, half));
        bench_tick(&b, T0 + VOTE_HANDSHAKE_TIMEOUT_MS);
        assert_true(bench_is_closed(&b, half));
        conn_id conn = bench_connect_as(&b, 99);
        assert_true(bench_feed(&b, conn, "\0\0\0", 3));
        uint64_t due = vote_deadline(b.vote);
        assert_int_equal(due, b.now_ms + VOTE_FRAME_TIMEOUT_MS);
        bench_tick(&b, due);
        assert_true(bench_is_closed(&b, conn));
        assert_int_equal(vote_bad_input_count(b.vote), 2);
        bench_done(&b);
}

static void test_unnamed_connections_are_limited_and_the_oldest_makes_room(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        for (int i = 0; i < VOTE_ANONYMOUS_MAX; i++) {
                (void)bench_accept_one(&b);
                assert_null(bench_find(&b, EFFECT_CLOSE, 0, 0));
        }
        (void)bench_accept_one(&b);
        assert_true(bench_is_closed(&b, 2));
        bench_closed(&b, 4);
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
                bench_look(&b);
                for (int i = 0; i < 120; i++) {
                        uint8_t junk[200];
                        size_t len = 1 + prng_next(&prng) % sizeof junk, k = prng_next(&prng) % 8;
                        for (size_t c = 0; c < len; c++)
                                junk[c] = (uint8_t)(prng_next(&prng) % 3 ? prng_next(&prng) : 0);
                        if (open[k] == 0)
                                open[k] = prng_next(&prng) % 2 ? bench_connect_as(&b, (int64_t)(prng_next(&prng) % 6))
                                                               : bench_accept_one(&b);
                        else if (!bench_feed(&b, open[k], junk, len) || bench_is_closed(&b, open[k]))
                                open[k] = 0;
                        if (prng_next(&prng) % 10 == 0)
                                bench_tick(&b, b.now_ms + prng_next(&prng) % 2000);
                }
                bench_done(&b);
        }
}

/* ---- redialling, and being away ---- */

static void test_a_refused_voter_is_dialled_again_at_growing_intervals(void **state)
{
        (void)state;
        struct bench b;
        static const uint64_t want[] = {5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000};
        bench_start(&b, 3);
        bench_look(&b);
        conn_id one = bench_dial_to(&b, "h1", 3881);
        for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
                bench_dialled(&b, one, -ECONNREFUSED);
                assert_int_equal(b.vote->channel.peers[0].redial_at_ms - b.now_ms, want[i]);
                bench_tick(&b, b.now_ms + want[i] - 1);
                assert_false(bench_dial_to(&b, "h1", 3881));
                bench_tick(&b, b.now_ms + 1);
                one = bench_dial_to(&b, "h1", 3881);
                assert_true(one);
        }
        bench_done(&b);
}

static void test_a_dial_without_an_answer_is_given_up(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        bench_look(&b);
        conn_id one = bench_dial_to(&b, "h1", 3881);
        bench_tick(&b, T0 + VOTE_DIAL_TIMEOUT_MS - 1);
        assert_false(bench_is_closed(&b, one));
        bench_tick(&b, T0 + VOTE_DIAL_TIMEOUT_MS);
        assert_true(bench_is_closed(&b, one));
        effects_reset(&b.fx);
        assert_false(vote_conn_dialled(b.vote, b.now_ms, one, 0, &b.fx));
        bench_done(&b);
}

static void test_the_hint_dials_a_peer_that_is_not_connected_and_only_such_a_one(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 2);
        conn_id conn = bench_connect_as(&b, 3);
        effects_reset(&b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        assert_int_equal(b.fx.count, 0);
        bench_closed(&b, conn);
        effects_reset(&b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 3, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 77, &b.fx);
        vote_peer_lost(b.vote, b.now_ms, 2, &b.fx);
        assert_true(bench_dial_to(&b, "h3", 3883));
        assert_int_equal(b.fx.count, 1);
        bench_done(&b);
}

static void test_a_peer_that_closes_at_once_every_time_is_not_dialled_in_a_loop(void **state)
{
        (void)state;
        struct bench b;
        bench_start(&b, 3);
        bench_look(&b);
        conn_id one = bench_dial_to(&b, "h1", 3881);
        unsigned dials = 0;
        while (b.now_ms < T0 + 60000) {
                bench_dialled(&b, one, 0);
                bench_closed(&b, one);
                one = bench_dial_to(&b, "h1", 3881);
                while (!one) {
                        bench_tick(&b, vote_deadline(b.vote));
                        one = bench_dial_to(&b, "h1", 3881);
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
        bench_look(&b);
        conn_id one = bench_dial_to(&b, "h1", 3881), two = bench_dial_to(&b, "h2", 3882);
        bench_dialled(&b, one, 0);
        bench_dialled(&b, two, 0);
        bench_say(&b, one, vote_for_3);
        bench_say(&b, two, vote_for_3);
        assert_true(vote_deadline(b.vote) == UINT64_MAX); /* settled */
        b.now_ms += 2 * VOTE_STABLE_MS;
        bench_closed(&b, two);
        unsigned tries = 0;
        for (two = bench_dial_to(&b, "h2", 3882); two; two = bench_dial_to(&b, "h2", 3882)) {
                bench_dialled(&b, two, -EHOSTUNREACH);
                tries++;
                if (vote_deadline(b.vote) != UINT64_MAX)
                        bench_tick(&b, vote_deadline(b.vote));
        }
        assert_int_equal(tries, VOTE_MEND_TRIES);
        bench_closed(&b, one);
        bench_dialled(&b, bench_dial_to(&b, "h1", 3881), -ECONNREFUSED); /* dead: it will come by itself */
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
                cmocka_unit_test(test_the_hint_dials_a_peer_that_is_not_connected_and_only_such_a_one),
                cmocka_unit_test(test_a_peer_that_closes_at_once_every_time_is_not_dialled_in_a_loop),
                cmocka_unit_test(test_the_larger_sid_mends_a_lost_connection_between_elections_a_few_times),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
