/* Frames in any portions, words, back-pressure, and bounds of memory (zookeeper/client-protocol.md 1, 2.1,
 * 10.1, 11; trap 28). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

#define MIB (1u << 20)

/* ---- words ---- */

static void test_word_is_known_in_any_portions_and_only_before_the_connect(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "10.0.0.1");
        for (const char *c = "ruok\n"; *c && !desk_conn(d, k)->closed; c++)
                desk_bytes(d, k, c, 1);
        assert_int_equal(desk_conn(d, k)->out_len, 4);
        assert_true(desk_conn(d, k)->closed && desk_conn(d, k)->flushed);
        clients_mute(d->clients); /* also without a quorum */
        k = desk_accept(d, "10.0.0.1");
        desk_bytes(d, k, "mntr\n", 5);
        assert_int_equal(desk_conn(d, k)->out_len, 4);
        clients_serve(d->clients, 0);
        k = desk_open(d);
        desk_bytes(d, k, "ruok", 4);
        assert_string_equal(desk_take(d, k), "closed"); /* a huge length */
        assert_int_equal(d->clients->stats.bad_input, 1);
        desk_free(d);
}

/* ---- frames ---- */

static void test_any_portions_make_the_same_conversation(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 30; seed++) {
                struct desk *d = desk_new();
                struct prng prng = {.state = seed};
                conn_id k = desk_open(d);
                desk_begin(d);
                desk_add_create(d, 1, "/a", 5000, 0);
                desk_add_path(d, 2, OP_GET_DATA, "/a", 0);
                desk_add_set(d, 3, "/a", 70000);
                desk_add(d, -2, OP_PING, NULL);
                desk_add_path(d, 4, OP_GET_CHILDREN, "/", 0);
                for (size_t at = 0; at < d->frame.len;) {
                        size_t len = 1 + prng_next(&prng) % (seed % 3 ? 20000 : 50);
                        len = len < d->frame.len - at ? len : d->frame.len - at;
                        desk_bytes(d, k, d->frame.data + at, len);
                        at += len;
                }
                desk_commit(d, SIZE_MAX);
                assert_string_equal(desk_take(d, k), "1:0 2:0 3:0 -2:0 4:0");
                assert_true(d->clients->input_bytes <= 4096); /* what a short one may keep */
                desk_free(d);
        }
}

static void test_largest_frame_is_taken_and_one_byte_more_is_not(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        const size_t overhead = 8 + 4 + 2 + 4 + 4; /* header, "/a", the data's length, version */
        desk_create(d, k, 1, "/a");
        desk_commit(d, 1);
        desk_begin(d);
        desk_add_set(d, 2, "/a", JUTE_MAXBUFFER_DEFAULT - overhead);
        assert_int_equal(d->frame.len, 4 + JUTE_MAXBUFFER_DEFAULT);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0 2:0");
        desk_begin(d);
        desk_add_set(d, 3, "/a", JUTE_MAXBUFFER_DEFAULT - overhead + 1);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "closed");
        assert_int_equal(d->clients->stats.bad_input, 1);
        desk_free(d);
}

static void test_frame_without_a_header_closes(void **state)
{
        (void)state;
        static const uint8_t frames[][12] = {{0, 0, 0, 0}, {0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7}, {0x80, 0, 0, 0}};
        struct desk *d = desk_new();
        for (size_t i = 0; i < 3; i++) {
                conn_id k = desk_open(d);
                desk_bytes(d, k, frames[i], 11);
                assert_string_equal(desk_take(d, k), "closed");
        }
        assert_int_equal(d->clients->stats.bad_input, 3);
        desk_free(d);
}

/* Random bytes, alone and behind a proper connect: nothing but those connections is disturbed. */
static void test_random_bytes_disturb_nobody_else(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        struct prng prng = {.state = 9};
        conn_id good = desk_open(d);
        for (int i = 0; i < 2000; i++) {
                conn_id k = i % 2 ? desk_open(d) : desk_accept(d, "10.0.0.2");
                uint8_t junk[600];
                size_t len = 1 + prng_next(&prng) % sizeof junk;
                for (size_t j = 0; j < len; j++)
                        junk[j] = prng_next(&prng) % 3 ? (uint8_t)(prng_next(&prng) % 16) : (uint8_t)prng_next(&prng);
                static const uint8_t plausible[4] = {0, 0, 0, 0x24}; /* a length */
                for (size_t j = 0; j + 4 <= len && prng_next(&prng) % 4; j += 40)
                        memcpy(junk + j, plausible, sizeof plausible);
                desk_bytes(d, k, junk, len);
                desk_commit(d, SIZE_MAX);
                if (!desk_conn(d, k)->closed)
                        desk_hang_up(d, k);
                if (i % 100 == 0) {
                        desk_path(d, good, 1, OP_EXISTS, "/", 0);
                        assert_string_equal(desk_take(d, good), "1:0");
                }
        }
        desk_commit(d, SIZE_MAX);
        assert_int_equal(d->clients->by_conn.count, 1);
        assert_int_equal(d->clients->stats.outstanding, 0);
        assert_int_equal(d->clients->input_bytes, 0);
        assert_int_equal(d->clients->queue_bytes, 0);
        assert_int_equal(watches_weight(d->clients->watches), 0);
        assert_int_equal(d->clients->orphans.count, 0);
        desk_free(d);
}

/* ---- back-pressure ---- */

static void test_connection_with_too_many_requests_is_not_read_until_they_are_answered(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        for (int32_t i = 1; i <= 2 * CLIENT_QUEUE_MAX + 10; i++)
                desk_add_set(d, i, "/", 1);
        desk_put(d, k);
        assert_int_equal(d->end - d->first, CLIENT_QUEUE_MAX);
        assert_false(desk_conn(d, k)->reading);
        desk_commit(d, 10);
        assert_int_equal(d->end - d->first, CLIENT_QUEUE_MAX);
        desk_commit(d, SIZE_MAX);
        assert_true(desk_conn(d, k)->reading);
        assert_int_equal(d->clients->stats.outstanding, 0);
        assert_int_equal(d->zxid - DESK_EPOCH_ZXID, 1 + 2 * CLIENT_QUEUE_MAX + 10);
        desk_free(d);
}

static void test_connection_with_too_large_requests_is_not_read_until_they_are_answered(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        for (int32_t i = 1; i <= 20 && desk_conn(d, k)->reading; i++) {
                desk_begin(d);
                desk_add_set(d, i, "/", 1000000);
                desk_put(d, k);
        }
        assert_int_equal(d->end - d->first, 9); /* the one that crosses 8 MiB included */
        desk_commit(d, 1);
        assert_true(desk_conn(d, k)->reading);
        desk_free(d);
}

/* globalOutstandingLimit: who has nothing unanswered may always ask. */
static void test_limit_for_all_lets_everybody_ask_one_thing(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->config.outstanding_limit = 5;
        conn_id a = desk_open(d), b = desk_open(d);
        desk_begin(d);
        for (int32_t i = 1; i <= 20; i++)
                desk_add_set(d, i, "/", 1);
        desk_put(d, a);
        assert_int_equal(d->end - d->first, 5);
        desk_begin(d);
        desk_add_set(d, 1, "/", 1);
        desk_add_set(d, 2, "/", 1);
        desk_put(d, b);
        assert_int_equal(d->end - d->first, 6);
        assert_false(desk_conn(d, a)->reading || desk_conn(d, b)->reading);
        desk_commit(d, SIZE_MAX);
        assert_true(desk_conn(d, a)->reading && desk_conn(d, b)->reading);
        assert_string_equal(desk_take(d, b), "1:0 2:0");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

/* Bytes of proposals outstanding: past the limit only who has nothing unanswered is read from, past twice as
 * much nobody; and all of it is answered in the end. */
static void test_bytes_of_unanswered_writes_of_all_are_bounded(void **state)
{
        (void)state;
        enum { CLIENTS = 160 };
        const size_t size = 1000000;
        struct desk *d = desk_new();
        d->config.max_client_cnxns = 0;
        static conn_id k[CLIENTS];
        size_t first_refusal = 0;
        for (size_t i = 0; i < CLIENTS; i++)
                k[i] = desk_open(d);
        for (int32_t xid = 1; xid <= 2; xid++)
                for (size_t i = 0; i < CLIENTS; i++) {
                        desk_begin(d);
                        desk_add_set(d, xid, "/", size);
                        desk_put(d, k[i]);
                        if (!desk_conn(d, k[i])->reading && !first_refusal)
                                first_refusal = i + 1;
                        assert_true(d->clients->queue_bytes < 2 * CLIENTS_QUEUE_BYTES_MAX + size + 1000);
                }
        assert_in_range(first_refusal, CLIENTS_QUEUE_BYTES_MAX / size, CLIENTS_QUEUE_BYTES_MAX / size + 1);
        assert_in_range(d->end - d->first, 2 * CLIENTS_QUEUE_BYTES_MAX / size, 2 * CLIENTS_QUEUE_BYTES_MAX / size + 1);
        desk_commit(d, SIZE_MAX);
        for (size_t i = 0; i < CLIENTS; i++)
                assert_string_equal(desk_take(d, k[i]), "1:0 2:0");
        assert_int_equal(d->clients->queue_bytes, 0);
        desk_free(d);
}

/* Writes left behind by connections that came and went count too: zab takes no more. */
static void test_orphans_count_against_the_limit_of_the_ensemble(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id gone = desk_open(d), k = desk_open(d);
        desk_create(d, gone, 1, "/a");
        desk_hang_up(d, gone);
        assert_int_equal(d->clients->stats.outstanding, 1);
        d->clients->stats.outstanding = CLIENTS_OUTSTANDING_MAX;
        desk_create(d, k, 1, "/b");
        assert_int_equal(d->end - d->first, 1);
        assert_false(desk_conn(d, k)->reading);
        desk_commit(d, 1);
        assert_int_equal(d->end - d->first, 1);
        d->clients->stats.outstanding = 1;
        desk_commit(d, 1);
        assert_true(desk_conn(d, k)->reading);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_free(d);
}

static void fill(struct desk *d, conn_id k, const char *path, size_t bytes)
{
        desk_begin(d);
        desk_add_create(d, 1, path, bytes, 0);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
}

/* Trap 28: small questions with large answers. */
static void test_client_is_not_asked_for_more_until_it_has_its_answers(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), other = desk_open(d);
        fill(d, k, "/big", 1000000);
        desk_begin(d);
        for (int32_t i = 1; i <= 100; i++)
                desk_add_path(d, i, OP_GET_DATA, "/big", 0);
        desk_put(d, k);
        struct desk_conn *c = desk_conn(d, k);
        size_t rounds = 0;
        for (; !c->reading; rounds++) {
                assert_true(c->out_len < 2 * CLIENT_WINDOW_BYTES);
                (void)desk_take(d, k);
                desk_sent(d, k);
        }
        assert_int_equal(rounds, 100 / 5);
        desk_path(d, other, 1, OP_GET_DATA, "/big", 0);
        assert_string_equal(desk_take(d, other), "1:0");
        desk_free(d);
}

static size_t all_sent(struct desk *d, const conn_id *k, size_t count)
{
        size_t sum = 0;
        for (size_t i = 0; i < count; i++)
                sum += desk_conn(d, k[i])->sent;
        return sum;
}

/* Many that were not read go on in the same step: what all of them are sent in it is bounded, the rest follows
 * in the next ones. */
static void test_answers_of_one_step_to_all_are_bounded(void **state)
{
        (void)state;
        enum { CLIENTS = 40 };
        struct desk *d = desk_new();
        d->config.max_client_cnxns = 0;
        conn_id writer = desk_open(d), k[CLIENTS];
        fill(d, writer, "/big", 1000000);
        for (size_t i = 0; i < CLIENTS; i++)
                k[i] = desk_open(d);
        desk_create(d, writer, 2, "/a");
        d->clients->stats.outstanding = CLIENTS_OUTSTANDING_MAX;
        for (size_t i = 0; i < CLIENTS; i++) {
                desk_begin(d);
                for (int32_t xid = 1; xid <= 4; xid++)
                        desk_add_path(d, xid, OP_GET_DATA, "/big", 0);
                desk_put(d, k[i]);
                assert_false(desk_conn(d, k[i])->reading);
        }
        d->clients->stats.outstanding = 1;
        size_t before = all_sent(d, k, CLIENTS), steps = 0, sent = 0;
        desk_commit(d, 1);
        for (;; desk_tick(d, 0)) {
                size_t now = all_sent(d, k, CLIENTS);
                assert_in_range(now - before, 1, CLIENTS_TURN_BYTES_MAX + MIB);
                sent += now - before;
                before = now;
                steps++;
                if (clients_deadline(d->clients) > d->now_ms)
                        break;
        }
        assert_int_equal(steps, sent / CLIENTS_TURN_BYTES_MAX + 1);
        for (size_t i = 0; i < CLIENTS; i++) {
                assert_true(desk_conn(d, k[i])->reading);
                assert_string_equal(desk_take(d, k[i]), "1:0 2:0 3:0 4:0");
        }
        desk_free(d);
}

/* What waits behind a write is answered in one go: it must not be more than was foreseen. */
static void test_waiting_reads_weigh_what_their_answers_will(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        fill(d, k, "/big", 1000000);
        desk_begin(d);
        desk_add_set(d, 2, "/", 1);
        for (int32_t i = 3; i <= 100; i++)
                desk_add_path(d, i, OP_GET_DATA, "/big", 0);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_true(desk_conn(d, k)->out_len < 16 * MIB);
        while (!desk_conn(d, k)->reading) {
                assert_false(desk_conn(d, k)->closed);
                (void)desk_take(d, k);
                desk_sent(d, k);
        }
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

/* The node grew after the reads were taken: who gets more in one step than any client may leave unread is
 * dropped, before it is all made. */
static void test_more_than_a_client_may_leave_unread_drops_it(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        fill(d, k, "/big", 1);
        desk_begin(d);
        desk_add_set(d, 2, "/big", 1000000);
        for (int32_t i = 3; i < CLIENT_QUEUE_MAX; i++)
                desk_add_path(d, i, OP_GET_DATA, "/big", 0);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_true(desk_conn(d, k)->closed);
        assert_false(desk_conn(d, k)->flushed);
        assert_true(desk_conn(d, k)->out_len < SERVER_CLIENT_BACKLOG_BYTES + 2 * MIB);
        assert_int_equal(d->clients->stats.dropped_slow, 1);
        assert_int_equal(d->clients->stats.outstanding, 0);
        assert_true(d->clients->scratch.capacity <= MIB);
        desk_free(d);
}

/* ---- memory ---- */

static void test_unfinished_frames_of_all_are_bounded_and_the_largest_pays(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->config.max_client_cnxns = 0;
        conn_id small = desk_open(d);
        desk_bytes(d, small, "\0\0\0\x30half", 8);
        uint8_t *half = mem_zalloc(MIB - 100);
        half[1] = 0x0f; /* a frame of nearly 1 MiB */
        half[2] = 0xff;
        half[3] = 0xf0;
        size_t fit = CLIENTS_INPUT_BYTES_MAX / (MIB - 100);
        for (size_t i = 0; i < fit + 20; i++)
                desk_bytes(d, desk_open(d), half, MIB - 100);
        assert_int_equal(d->clients->stats.dropped_input, 20);
        assert_true(d->clients->input_bytes <= CLIENTS_INPUT_BYTES_MAX);
        assert_string_equal(desk_take(d, small), "");
        mem_free(half);
        desk_free(d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_word_is_known_in_any_portions_and_only_before_the_connect),
                cmocka_unit_test(test_any_portions_make_the_same_conversation),
                cmocka_unit_test(test_largest_frame_is_taken_and_one_byte_more_is_not),
                cmocka_unit_test(test_frame_without_a_header_closes),
                cmocka_unit_test(test_random_bytes_disturb_nobody_else),
                cmocka_unit_test(test_connection_with_too_many_requests_is_not_read_until_they_are_answered),
                cmocka_unit_test(test_connection_with_too_large_requests_is_not_read_until_they_are_answered),
                cmocka_unit_test(test_limit_for_all_lets_everybody_ask_one_thing),
                cmocka_unit_test(test_bytes_of_unanswered_writes_of_all_are_bounded),
                cmocka_unit_test(test_answers_of_one_step_to_all_are_bounded),
                cmocka_unit_test(test_orphans_count_against_the_limit_of_the_ensemble),
                cmocka_unit_test(test_client_is_not_asked_for_more_until_it_has_its_answers),
                cmocka_unit_test(test_waiting_reads_weigh_what_their_answers_will),
                cmocka_unit_test(test_more_than_a_client_may_leave_unread_drops_it),
                cmocka_unit_test(test_unfinished_frames_of_all_are_bounded_and_the_largest_pays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
