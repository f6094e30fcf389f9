/* Bytes of a quorum connection into packets, however they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/zab/packet_stream.h"

#include <errno.h>
#include <string.h>

#define ITEM_MAX 1000

static void add(struct jute_writer *w, int32_t type, int64_t zxid, size_t len)
{
        uint8_t data[ITEM_MAX];
        memset(data, (int)(zxid & 0xff), sizeof data);
        struct blob *b = jute_quorum_packet_blob(type, zxid, data, len);
        jute_put_raw(w, b->data, b->len);
        blob_unref(b);
}

static void test_any_portions_give_the_same_packets(void **state)
{
        (void)state;
        struct prng p = {.state = 3};
        struct jute_writer w;
        jute_writer_init(&w, 1 << 20);
        for (int64_t i = 0; i < 50; i++)
                add(&w, QP_PROPOSAL, i, prng_next(&p) % ITEM_MAX);
        for (size_t step = 1; step < 3000; step = step * 3 / 2 + 1) {
                struct packet_stream s;
                zab__stream_init(&s);
                int64_t seen = 0;
                for (size_t at = 0; at < w.len; at += step) {
                        size_t len = w.len - at < step ? w.len - at : step;
                        uint8_t *chunk = mem_dup(w.data + at, len);
                        struct jute_quorum_packet q;
                        zab__stream_feed(&s, chunk, len);
                        while (zab__stream_next(&s, ITEM_MAX, &q) == 1) {
                                assert_int_equal(q.zxid, seen);
                                if (q.data.len > 0)
                                        assert_int_equal(q.data.data[q.data.len - 1], seen & 0xff);
                                seen++;
                        }
                        zab__stream_settle(&s);
                        mem_free(chunk);
                }
                assert_int_equal(seen, 50);
                zab__stream_done(&s);
        }
        jute_writer_done(&w);
}

static int feed_one(const void *data, size_t len)
{
        struct packet_stream s;
        struct jute_quorum_packet q;
        zab__stream_init(&s);
        zab__stream_feed(&s, data, len);
        int r = zab__stream_next(&s, ITEM_MAX, &q);
        zab__stream_settle(&s);
        zab__stream_done(&s);
        return r;
}

static void test_unmendable_packets_are_refused_at_once(void **state)
{
        (void)state;
        static const int32_t lengths[] = {-2, INT32_MIN, ITEM_MAX + 1, INT32_MAX};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                struct jute_writer w;
                jute_writer_init(&w, 64);
                jute_put_int(&w, QP_PING);
                jute_put_long(&w, 0);
                jute_put_int(&w, lengths[i]);
                assert_int_equal(feed_one(w.data, w.len), -EPROTO);
                jute_writer_done(&w);
        }
        assert_int_equal(feed_one("\0\0\0\5", 4), 0);
        assert_int_equal(feed_one("", 0), 0);
}

static void test_a_packet_that_never_ends_is_refused_in_time(void **state)
{
        (void)state;
        struct packet_stream s;
        zab__stream_init(&s);
        struct jute_writer w;
        jute_writer_init(&w, 64);
        jute_put_int(&w, QP_REQUEST);
        jute_put_long(&w, 0);
        jute_put_int(&w, -1);
        jute_put_int(&w, INT32_MAX);
        zab__stream_feed(&s, w.data, w.len);
        zab__stream_settle(&s);
        static const uint8_t zeros[4096];
        struct jute_quorum_packet q;
        int r = 0;
        size_t fed = 0;
        for (; r == 0; fed += sizeof zeros) {
                zab__stream_feed(&s, zeros, sizeof zeros);
                r = zab__stream_next(&s, ITEM_MAX, &q);
                zab__stream_settle(&s);
        }
        assert_int_equal(r, -EPROTO);
        assert_true(fed <= ITEM_MAX + STREAM_SLACK_BYTES + sizeof zeros);
        assert_true(s.capacity <= 2 * (ITEM_MAX + STREAM_SLACK_BYTES + sizeof zeros));
        zab__stream_done(&s);
        jute_writer_done(&w);
}

static void test_raw_bytes_between_packets(void **state)
{
        (void)state;
        struct packet_stream s;
        struct jute_quorum_packet q;
        const uint8_t *raw;
        struct jute_writer w;
        jute_writer_init(&w, 4096);
        add(&w, QP_SNAP, 7, 0);
        jute_put_raw(&w, "raw bytes", 9);
        add(&w, QP_NEWLEADER, 8, 3);
        zab__stream_init(&s);
        zab__stream_feed(&s, w.data, 22);
        assert_int_equal(zab__stream_next(&s, ITEM_MAX, &q), 1);
        assert_int_equal(q.type, QP_SNAP);
        zab__stream_settle(&s);
        zab__stream_feed(&s, w.data + 22, w.len - 22);
        assert_true(zab__stream_peek(&s, &raw) >= 9);
        assert_memory_equal(raw, "raw bytes", 9);
        zab__stream_skip(&s, 9);
        assert_int_equal(zab__stream_next(&s, ITEM_MAX, &q), 1);
        assert_int_equal(q.zxid, 8);
        assert_int_equal(zab__stream_next(&s, ITEM_MAX, &q), 0);
        zab__stream_settle(&s);
        zab__stream_done(&s);
        jute_writer_done(&w);
}

static void test_memory_of_a_large_packet_is_given_back(void **state)
{
        (void)state;
        struct packet_stream s;
        struct jute_quorum_packet q;
        uint8_t *data = mem_zalloc(1 << 20);
        struct blob *b = jute_quorum_packet_blob(QP_PROPOSAL, 1, data, 1 << 20);
        zab__stream_init(&s);
        zab__stream_feed(&s, b->data, b->len - 1);
        assert_int_equal(zab__stream_next(&s, 1 << 20, &q), 0);
        zab__stream_settle(&s);
        zab__stream_feed(&s, b->data + b->len - 1, 1);
        assert_int_equal(zab__stream_next(&s, 1 << 20, &q), 1);
        zab__stream_settle(&s);
        assert_int_equal(s.capacity, 0);
        zab__stream_done(&s);
        blob_unref(b);
        mem_free(data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_any_portions_give_the_same_packets),
                cmocka_unit_test(test_unmendable_packets_are_refused_at_once),
                cmocka_unit_test(test_a_packet_that_never_ends_is_refused_in_time),
                cmocka_unit_test(test_raw_bytes_between_packets),
                cmocka_unit_test(test_memory_of_a_large_packet_is_given_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
