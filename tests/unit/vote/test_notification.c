/* The bytes of the election channel: quorum-protocol.md 1.1, 2.1 and appendix A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/vote/handshake.h"
#include "election/vote/notification.h"

#include <errno.h>
#include <string.h>

#define CONFIG                                                                                                         \
        "server.1=127.0.0.1:28811:38811:participant\nserver.2=127.0.0.1:28812:38812:participant\n"                     \
        "server.3=127.0.0.1:28813:38813:participant\nversion=0"

static const uint8_t seen_head[] = {
        0, 0, 0, 0xb6,             /* 182 bytes */
        0, 0, 0, 0,                /* LOOKING */
        0, 0, 0, 0,    0, 0, 0, 2, /* leader */
        0, 0, 0, 0,    0, 0, 0, 0, /* zxid */
        0, 0, 0, 0,    0, 0, 0, 1, /* electionEpoch */
        0, 0, 0, 0,    0, 0, 0, 0, /* peerEpoch */
        0, 0, 0, 2,                /* version */
        0, 0, 0, 0x8a,             /* config length */
};

static void test_a_notification_has_the_bytes_that_zookeeper_was_seen_to_send(void **state)
{
        (void)state;
        const struct vote_notification n = {.state = VOTE_LOOKING, .leader = 2, .round = 1};
        struct blob *b = vote__notification_encode(&n, CONFIG, strlen(CONFIG));
        assert_int_equal(strlen(CONFIG), 138);
        assert_int_equal(b->len, 4 + 182);
        assert_memory_equal(b->data, seen_head, sizeof seen_head);
        assert_memory_equal(b->data + sizeof seen_head, CONFIG, strlen(CONFIG));
        blob_unref(b);
}

static void test_decoding_what_was_encoded_gives_it_back(void **state)
{
        (void)state;
        const struct vote_notification n = {
                .state = VOTE_OBSERVING,
                .leader = VOTE_NONE,
                .zxid = VOTE_NONE,
                .round = VOTE_ROUND_MAX,
                .epoch = -1,
                .version = VOTE_NOTIFICATION_VERSION,
        };
        struct vote_notification got;
        struct blob *b = vote__notification_encode(&n, "version=0", 9);
        assert_int_equal(vote__notification_decode(b->data + 4, b->len - 4, &got), 0);
        assert_int_equal(got.state, n.state);
        assert_true(got.leader == n.leader && got.zxid == n.zxid && got.round == n.round && got.epoch == n.epoch);
        assert_int_equal(got.version, n.version);
        blob_unref(b);
}

/* A payload: state 1, leader 3, zxid 0x500000007, round 9, epoch 6, then version and configuration length. */
static size_t payload(uint8_t *to, size_t size, uint32_t version, uint32_t config_len)
{
        uint8_t bytes[44] = {[3] = 1, [11] = 3, [15] = 5, [19] = 7, [27] = 9, [35] = 6};
        for (int i = 0; i < 4; i++) {
                bytes[36 + i] = (uint8_t)(version >> (24 - 8 * i));
                bytes[40 + i] = (uint8_t)(config_len >> (24 - 8 * i));
        }
        memset(to, 'x', size);
        memcpy(to, bytes, size < sizeof bytes ? size : sizeof bytes);
        return size;
}

/* Decodes from memory of exactly that size, so that reading beyond is noticed. */
static int decode(const uint8_t *data, size_t len, struct vote_notification *ret)
{
        uint8_t *exact = mem_dup(data, len);
        int r = vote__notification_decode(exact, len, ret);
        mem_free(exact);
        return r;
}

static void test_the_two_old_sizes_are_read_as_they_were_meant(void **state)
{
        (void)state;
        uint8_t p[64];
        struct vote_notification n;
        assert_int_equal(decode(p, payload(p, 28, 0, 0), &n), 0);
        assert_int_equal(n.state, VOTE_FOLLOWING);
        assert_int_equal(n.leader, 3);
        assert_true(n.zxid == 0x500000007);
        assert_int_equal(n.round, 9);
        assert_int_equal(n.epoch, 5); /* of the zxid */
        assert_int_equal(n.version, 0);

        assert_int_equal(decode(p, payload(p, 40, 1, 0), &n), 0);
        assert_int_equal(n.epoch, 6);
        assert_int_equal(n.version, 0); /* forced */
}

static void test_malformed_payloads_are_refused(void **state)
{
        (void)state;
        uint8_t p[64];
        struct vote_notification n;
        for (size_t len = 0; len < 28; len++)
                assert_int_equal(decode(p, payload(p, len, 2, 0), &n), -EPROTO);
        assert_int_equal(decode(p, payload(p, 36, 2, 0), &n), -EPROTO); /* 3.4.0 to 3.4.5 */
        assert_int_equal(decode(p, payload(p, 43, 2, 0), &n), -EPROTO);
        assert_int_equal(decode(p, payload(p, 50, 2, 7), &n), -EPROTO);          /* shorter than it says */
        assert_int_equal(decode(p, payload(p, 50, 2, 0x80000000), &n), -EPROTO); /* negative */
        assert_int_equal(decode(p, payload(p, 50, 2, 51), &n), -EPROTO);
        assert_int_equal(decode(p, payload(p, 50, 2, 6), &n), 0);
        assert_int_equal(decode(p, payload(p, 64, 2, 6), &n), 0);  /* trailing bytes */
        assert_int_equal(decode(p, payload(p, 44, 2, 0), &n), 0);  /* an empty text does us no harm */
        assert_int_equal(decode(p, payload(p, 41, 1, 99), &n), 0); /* version 1 has no configuration */
        payload(p, 44, 2, 0);
        p[3] = 4;
        assert_int_equal(decode(p, 44, &n), -EPROTO); /* no such state */
        p[0] = 0xff;
        assert_int_equal(decode(p, 44, &n), -EPROTO);
}

/* A limit on rounds would shut those out whom a faulty message has brought to it. Java's overflow turns negative. */
static void test_every_round_is_read(void **state)
{
        (void)state;
        uint8_t p[44];
        struct vote_notification n;
        payload(p, sizeof p, 2, 0);
        memset(p + 20, 0xff, 8);
        assert_int_equal(decode(p, sizeof p, &n), 0);
        assert_true(n.round == -1);
        p[20] = 0x7f;
        assert_int_equal(decode(p, sizeof p, &n), 0);
        assert_true(n.round == VOTE_ROUND_MAX);
}

static void test_any_configuration_text_is_survived(void **state)
{
        (void)state;
        struct prng prng = {7};
        uint8_t p[300];
        struct vote_notification n;
        for (int i = 0; i < 20000; i++) {
                size_t len = 44 + prng_next(&prng) % 256;
                payload(p, len, 2, (uint32_t)(len - 44));
                for (size_t k = 44; k < len; k++)
                        p[k] = (uint8_t)prng_next(&prng);
                assert_int_equal(decode(p, len, &n), 0);
                for (size_t k = 0; k < len; k++) /* and random bytes altogether */
                        p[k] = (uint8_t)prng_next(&prng);
                (void)decode(p, prng_next(&prng) % len, &n);
        }
}

/* ---- handshake ---- */

static void test_the_handshake_has_the_bytes_that_zookeeper_was_seen_to_send(void **state)
{
        (void)state;
        static const uint8_t want[] = "\xff\xff\xff\xff\xff\xff\x00\x00"
                                      "\x00\x00\x00\x00\x00\x00\x00\x01"
                                      "\x00\x00\x00\x0f"
                                      "127.0.0.1:38811";
        struct blob *b = vote__handshake_encode(1, "127.0.0.1", 38811);
        assert_int_equal(b->len, sizeof want - 1);
        assert_memory_equal(b->data, want, sizeof want - 1);
        blob_unref(b);
}

static void test_an_ipv6_address_goes_in_brackets_and_comes_out_without(void **state)
{
        (void)state;
        struct vote_handshake h;
        struct blob *b = vote__handshake_encode(250, "fe80::1", 3888);
        assert_memory_equal(b->data + 20, "[fe80::1]:3888", 14);
        assert_int_equal(vote__handshake_decode(b->data, b->len, &h), (int)b->len);
        assert_int_equal(h.sid, 250);
        assert_int_equal(h.address_count, 1);
        assert_string_equal(h.addresses[0].host, "fe80::1");
        assert_int_equal(h.addresses[0].port, 3888);
        blob_unref(b);
}

/* A handshake of the given version and text. */
static int shake(int64_t version, int64_t sid, const char *text, struct vote_handshake *ret)
{
        size_t n = strlen(text), len = 20 + n;
        uint8_t *p = mem_alloc(len);
        for (int i = 0; i < 8; i++) {
                p[i] = (uint8_t)((uint64_t)version >> (56 - 8 * i));
                p[8 + i] = (uint8_t)((uint64_t)sid >> (56 - 8 * i));
        }
        for (int i = 0; i < 4; i++)
                p[16 + i] = (uint8_t)(n >> (24 - 8 * i));
        memcpy(p + 20, text, n); // NOLINT(bugprone-not-null-terminated-result): bytes, not a string
        int r = vote__handshake_decode(p, len, ret);
        for (size_t k = 0; r > 0 && k < len; k++) /* any part of it is a wait for more */
                assert_int_equal(vote__handshake_decode(p, k, ret), 0);
        if (r > 0)
                assert_int_equal(vote__handshake_decode(p, len, ret), r);
        mem_free(p);
        return r > 0 && (size_t)r == len ? 1 : r;
}

static void test_version_2_carries_several_addresses_and_wildcards_are_dropped(void **state)
{
        (void)state;
        struct vote_handshake h;
        assert_int_equal(shake(-65535, 3, "a:1|[::1]:2|0.0.0.0:3|[0:0:0:0:0:0:0:0]:4|b.example:65535", &h), 1);
        assert_int_equal(h.address_count, 3);
        assert_string_equal(h.addresses[0].host, "a");
        assert_string_equal(h.addresses[1].host, "::1");
        assert_string_equal(h.addresses[2].host, "b.example");
        assert_int_equal(h.addresses[2].port, 65535);
        assert_int_equal(shake(-65536, 3, "0.0.0.0:3888", &h), 1);
        assert_int_equal(h.address_count, 0);
        assert_int_equal(shake(-65535, 3, "a:1|a:2|a:3|a:4|a:5|a:6|a:7|a:8|a:9", &h), 1);
        assert_int_equal(h.address_count, VOTE_ADDRESSES_MAX);
}

static void test_the_bare_sid_of_old_servers_is_taken(void **state)
{
        (void)state;
        struct vote_handshake h;
        static const uint8_t bare[] = {0, 0, 0, 0, 0, 0, 0, 5, 0xee};
        assert_int_equal(vote__handshake_decode(bare, sizeof bare, &h), 8);
        assert_int_equal(h.sid, 5);
        assert_int_equal(h.address_count, 0);
        assert_int_equal(vote__handshake_decode(bare, 7, &h), 0);
}

static void test_other_handshakes_are_refused(void **state)
{
        (void)state;
        struct vote_handshake h;
        char text[2100];
        assert_int_equal(shake(-1, 3, "a:1", &h), -EPROTO);
        assert_int_equal(shake(-65537, 3, "a:1", &h), -EPROTO);
        assert_int_equal(shake(INT64_MAX, 3, "a:1", &h), -EPROTO); /* the anonymous observer */
        assert_int_equal(shake(-65536, INT64_MAX, "a:1", &h), -EPROTO);
        assert_int_equal(shake(-65536, -3, "a:1", &h), -EPROTO);
        assert_int_equal(shake(-65536, 3, "", &h), -EPROTO);
        static const char *const bad[] = {"a",    ":1",    "a:",       "a:0",   "a:65536",
                                          "a:1|", "|a:1",  "a:1||b:1", "::1:5", "[::1]",
                                          "a:1 ", "a b:1", "[]:1",     "a:-1",  "a:99999999999"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                bool trailing_bar = strcmp(bad[i], "a:1|") == 0; /* as Java's split: nothing follows it */
                assert_int_equal(shake(-65536, 3, bad[i], &h), trailing_bar ? 1 : -EPROTO);
        }
        memset(text, 'a', sizeof text);
        memcpy(text + VOTE_HANDSHAKE_TEXT_MAX - 1, ":1", 3);
        assert_int_equal(shake(-65536, 3, text, &h), -EPROTO); /* one byte too long */
        memcpy(text + ENSEMBLE_HOST_MAX, ":1", 3);
        assert_int_equal(shake(-65536, 3, text, &h), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_notification_has_the_bytes_that_zookeeper_was_seen_to_send),
                cmocka_unit_test(test_decoding_what_was_encoded_gives_it_back),
                cmocka_unit_test(test_the_two_old_sizes_are_read_as_they_were_meant),
                cmocka_unit_test(test_malformed_payloads_are_refused),
                cmocka_unit_test(test_every_round_is_read),
                cmocka_unit_test(test_any_configuration_text_is_survived),
                cmocka_unit_test(test_the_handshake_has_the_bytes_that_zookeeper_was_seen_to_send),
                cmocka_unit_test(test_an_ipv6_address_goes_in_brackets_and_comes_out_without),
                cmocka_unit_test(test_version_2_carries_several_addresses_and_wildcards_are_dropped),
                cmocka_unit_test(test_the_bare_sid_of_old_servers_is_taken),
                cmocka_unit_test(test_other_handshakes_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
