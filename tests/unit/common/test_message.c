/* What the processes of a node say to each other, encoded and decoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/message.h"
#include "random_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct message_member room[MESSAGE_MEMBERS_MAX];

/* Bytes of their own on the heap: a sanitizer sees what is read beyond them. */
static int decode_copy(const uint8_t *bytes, size_t len, struct message *ret, uint8_t **copy)
{
        *copy = malloc(len ? len : 1);
        assert_non_null(*copy);
        memcpy(*copy, bytes, len);
        return message_decode(*copy, len, room, ret);
}

static bool name_is_fine(const struct name *n)
{
        return n->text[0] == '\0' || name_is_valid(n->text);
}

/* The promises of message_decode(), whatever came in. */
static void assert_within_ranges(const struct message *m)
{
        assert_in_range(m->type, 0, MESSAGE_MAX - 1);
        assert_in_range(m->stop, 0, STOP_MAX - 1);
        assert_in_range(m->role, 0, ROLE_COUNT - 1);
        assert_in_range(m->state, 0, WORKER_STATE_COUNT - 1);
        assert_in_range(m->health, 0, HEALTH_COUNT - 1);
        assert_in_range(m->reason, 0, REVOKE_COUNT - 1);
        assert_true(name_is_fine(&m->name) && name_is_fine(&m->group));
        assert_in_range(m->text.len, 0, MESSAGE_TEXT_MAX);
        assert_true(m->path.len >= 0);
        assert_null(memchr(m->text.data, 0, (size_t)m->text.len));
        assert_null(memchr(m->path.data, 0, (size_t)m->path.len));
        assert_int_equal(m->fd, -1);
        assert_true(m->member_count <= MESSAGE_MEMBERS_MAX);
        for (size_t i = 0; i < m->member_count; i++) {
                assert_true(name_is_fine(&m->members[i].name));
                assert_in_range(m->members[i].role, 0, ROLE_COUNT - 1);
        }
}

static void test_what_was_encoded_is_decoded(void **state)
{
        static struct random_message a;
        struct prng p = {.state = 1};
        (void)state;
        for (int i = 0; i < 4000; i++) {
                struct jute_writer w;
                struct message b;
                uint8_t *copy = NULL;
                random_message(&p, (enum message_type)(i % MESSAGE_MAX), &a);
                jute_writer_init(&w, MESSAGE_BYTES_MAX);
                message_encode(&a.m, &w);
                assert_int_equal(decode_copy(w.data, w.len, &b, &copy), 0);
                assert_within_ranges(&b);
                assert_message_equal(&a.m, &b);
                free(copy);
                jute_writer_done(&w);
        }
}

/* The identity above compares encodings; this one looks at each field once. */
static void test_every_field_arrives_where_it_belongs(void **state)
{
        struct jute_writer w;
        struct message a = message_of(MESSAGE_GRANT), b;
        (void)state;
        jute_writer_init(&w, MESSAGE_BYTES_MAX);
        memcpy(a.group.text, "web", 4);
        a.token = 7;
        a.deadline_ms = UINT64_MAX - 1;
        a.lease_ms = 2000;
        a.budget_ms = 500;
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_int_equal(b.type, MESSAGE_GRANT);
        assert_string_equal(b.group.text, "web");
        assert_int_equal(b.token, 7);
        assert_true(b.deadline_ms == UINT64_MAX - 1);
        assert_int_equal(b.lease_ms, 2000);
        assert_int_equal(b.budget_ms, 500);

        jute_writer_reset(&w);
        a = message_of(MESSAGE_CONFIG);
        a.path = jute_cstr("nginx/motd");
        a.version = 3;
        a.zxid = 0x100000002;
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_true(jute_str_is(b.path, "nginx/motd"));
        assert_int_equal(b.data.len, -1);
        assert_int_equal(b.version, 3);
        assert_true(b.zxid == 0x100000002);

        jute_writer_reset(&w);
        a = message_of(MESSAGE_STATE);
        a.state = WORKER_FAILED;
        a.token = 9;
        a.text = jute_cstr("it broke");
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_int_equal(b.state, WORKER_FAILED);
        assert_int_equal(b.token, 9);
        assert_true(jute_str_is(b.text, "it broke"));

        jute_writer_reset(&w);
        a = message_of(MESSAGE_CONFIG_DONE);
        a.number = -2;
        a.error = -103;
        a.version = 12;
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_int_equal(b.number, -2);
        assert_int_equal(b.error, -103);
        assert_int_equal(b.version, 12);
        jute_writer_done(&w);
}

static void test_a_part_of_a_message_is_refused(void **state)
{
        static struct random_message a;
        struct prng p = {.state = 2};
        (void)state;
        for (int i = 0; i < 4 * MESSAGE_MAX; i++) {
                struct jute_writer w;
                random_message(&p, (enum message_type)(i % MESSAGE_MAX), &a);
                a.m.data = jute_str_of(a.data, 20);
                jute_writer_init(&w, MESSAGE_BYTES_MAX);
                message_encode(&a.m, &w);
                for (size_t len = 0; len < w.len; len++) {
                        struct message b;
                        uint8_t *copy = NULL;
                        assert_int_equal(decode_copy(w.data, len, &b, &copy), -EPROTO);
                        free(copy);
                }
                jute_put_byte(&w, 0);
                struct message b;
                assert_int_equal(message_decode(w.data, w.len, room, &b), -EPROTO);
                jute_writer_done(&w);
        }
}

static void test_every_flipped_bit_is_harmless(void **state)
{
        static struct random_message a;
        struct prng p = {.state = 3};
        size_t taken = 0, refused = 0;
        (void)state;
        for (int i = 0; i < 4 * MESSAGE_MAX; i++) {
                struct jute_writer w;
                random_message(&p, (enum message_type)(i % MESSAGE_MAX), &a);
                a.m.data = jute_str_of(a.data, 20);
                jute_writer_init(&w, MESSAGE_BYTES_MAX);
                message_encode(&a.m, &w);
                for (size_t bit = 0; bit < 8 * w.len; bit++) {
                        struct message b;
                        uint8_t *copy = NULL;
                        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                        int r = decode_copy(w.data, w.len, &b, &copy);
                        assert_true(r == 0 || r == -EPROTO);
                        if (r == 0)
                                assert_within_ranges(&b);
                        taken += r == 0;
                        refused += r != 0;
                        free(copy);
                        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                }
                jute_writer_done(&w);
        }
        assert_true(taken > 0 && refused > 0);
}

static void test_noise_is_harmless(void **state)
{
        struct prng p = {.state = 4};
        (void)state;
        for (int i = 0; i < 20000; i++) {
                uint8_t bytes[64];
                struct message b;
                uint8_t *copy = NULL;
                for (size_t k = 0; k < sizeof bytes; k++)
                        bytes[k] = prng_next(&p) % 3 ? 0 : (uint8_t)prng_next(&p);
                bytes[0] = bytes[1] = bytes[2] = 0;
                int r = decode_copy(bytes, prng_next(&p) % (sizeof bytes + 1), &b, &copy);
                assert_true(r == 0 || r == -EPROTO);
                if (r == 0)
                        assert_within_ranges(&b);
                free(copy);
        }
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
        char text[MESSAGE_TEXT_MAX + 4];
        struct message a = message_of(MESSAGE_STATUS), b;
        struct jute_writer w;
        (void)state;
        jute_writer_init(&w, MESSAGE_BYTES_MAX);
        memset(text, 'x', sizeof text);
        text[MESSAGE_TEXT_MAX - 1] = '\xc3'; /* an ä across the limit */
        text[MESSAGE_TEXT_MAX] = '\xa4';
        a.text = jute_str_of(text, sizeof text);
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_int_equal(b.text.len, MESSAGE_TEXT_MAX - 1);
        a.text = jute_str_of("a\0b", 3);
        jute_writer_reset(&w);
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_true(jute_str_is(b.text, "a"));
        a = message_of(MESSAGE_CONFIG);
        a.path = jute_str_of("x/y\0z", 5);
        jute_writer_reset(&w);
        message_encode(&a, &w);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_true(jute_str_is(b.path, "x/y"));
        jute_writer_done(&w);
}

static void test_a_value_as_large_as_znodes_get_fits(void **state)
{
        struct message a = message_of(MESSAGE_CONFIG), b;
        struct jute_writer w;
        (void)state;
        uint8_t *value = calloc(1, JUTE_MAXBUFFER_DEFAULT);
        assert_non_null(value);
        a.path = jute_cstr("big");
        a.data = jute_str_of(value, JUTE_MAXBUFFER_DEFAULT);
        jute_writer_init(&w, MESSAGE_BYTES_MAX);
        message_encode(&a, &w);
        assert_int_equal(w.error, 0);
        assert_int_equal(message_decode(w.data, w.len, room, &b), 0);
        assert_int_equal(b.data.len, JUTE_MAXBUFFER_DEFAULT);
        jute_writer_done(&w);
        free(value);
}

static void test_everything_has_a_name(void **state)
{
        (void)state;
        for (int i = 0; i < MESSAGE_MAX; i++)
                assert_true(strlen(message_type_name((enum message_type)i)) > 0);
        for (int i = 0; i < ROLE_COUNT; i++)
                assert_true(strlen(node_role_name((enum node_role)i)) > 0);
        for (int i = 0; i < WORKER_STATE_COUNT; i++)
                assert_true(strlen(worker_state_name((enum worker_state)i)) > 0);
        for (int i = 0; i < HEALTH_COUNT; i++)
                assert_true(strlen(health_name((enum health)i)) > 0);
        for (int i = 0; i < REVOKE_COUNT; i++)
                assert_true(strlen(revoke_reason_name((enum revoke_reason)i)) > 0);
        for (int i = 0; i < MESSAGE_MAX; i++)
                assert_int_equal(message_has_fd((enum message_type)i), i == MESSAGE_LINK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_encoded_is_decoded),
                cmocka_unit_test(test_every_field_arrives_where_it_belongs),
                cmocka_unit_test(test_a_part_of_a_message_is_refused),
                cmocka_unit_test(test_every_flipped_bit_is_harmless),
                cmocka_unit_test(test_noise_is_harmless),
                cmocka_unit_test(test_a_long_text_is_cut_between_characters),
                cmocka_unit_test(test_a_value_as_large_as_znodes_get_fits),
                cmocka_unit_test(test_everything_has_a_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
