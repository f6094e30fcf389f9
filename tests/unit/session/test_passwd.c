/* Session ids and passwords (client-protocol.md 2.5, 3.1). */
#include "election/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct vector {
        int64_t id;
        uint8_t passwd[SESSION_PASSWD_SIZE];
};

/* client-protocol.md 2.5: made by a JVM. */
static const struct vector vectors[] = {
        {0x1, {0x05, 0x4c, 0xc7, 0x4a, 0x37, 0x32, 0x7d, 0xb2, 0x15, 0xe7, 0x02, 0xe2, 0x0c, 0x73, 0xf0, 0x05}},
        {0x0100000000000000,
         {0xf2, 0x2a, 0xcd, 0x4a, 0x97, 0xe6, 0x9d, 0x6d, 0x20, 0xa4, 0x9b, 0xb6, 0x38, 0xea, 0xdb, 0x38}},
        {0x100001af4350000,
         {0x01, 0x00, 0x0b, 0x20, 0xfa, 0x17, 0x31, 0x32, 0x47, 0x9d, 0xea, 0x08, 0xd3, 0x09, 0x49, 0xba}},
        {0x10001234abcd0000,
         {0x29, 0xc1, 0x63, 0xde, 0x02, 0x46, 0x65, 0xbc, 0xaf, 0x66, 0xdd, 0x21, 0x1b, 0x3b, 0x7c, 0x56}},
};

static void test_passwords_are_those_of_a_java_server(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
                uint8_t passwd[SESSION_PASSWD_SIZE];
                session_passwd(vectors[i].id, passwd);
                assert_memory_equal(passwd, vectors[i].passwd, sizeof passwd);
                assert_true(session_passwd_ok(vectors[i].id, jute_str_of(passwd, sizeof passwd)));
        }
}

static void test_a_password_with_one_wrong_bit_is_refused(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < SESSION_PASSWD_SIZE * 8; bit++) {
                uint8_t passwd[SESSION_PASSWD_SIZE];
                session_passwd(42, passwd);
                passwd[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_false(session_passwd_ok(42, jute_str_of(passwd, sizeof passwd)));
        }
}

static void test_id_zero_and_other_lengths_never_match(void **state)
{
        (void)state;
        uint8_t passwd[SESSION_PASSWD_SIZE + 1] = {0};
        session_passwd(0, passwd);
        assert_false(session_passwd_ok(0, jute_str_of(passwd, SESSION_PASSWD_SIZE)));
        session_passwd(7, passwd);
        assert_true(session_passwd_ok(7, jute_str_of(passwd, SESSION_PASSWD_SIZE)));
        assert_false(session_passwd_ok(7, jute_str_of(passwd, SESSION_PASSWD_SIZE - 1)));
        assert_false(session_passwd_ok(7, jute_str_of(passwd, SESSION_PASSWD_SIZE + 1)));
        assert_false(session_passwd_ok(7, jute_str_of(passwd, 0)));
        assert_false(session_passwd_ok(7, jute_cstr(NULL)));
}

static void test_first_id_is_made_of_server_id_and_clock(void **state)
{
        (void)state;
        assert_int_equal(session_first_id(1, 0x1af435), 0x0100001af4350000);
        assert_int_equal(session_first_id(3, 0xABFFFFFFFFFF), 0x03FFFFFFFFFF0000);
        assert_int_equal(session_first_id(255, 1), (int64_t)0xFF00000000010000);
}

/* 0x8000000000000000 as an owner marks a container. */
static void test_first_id_is_never_the_mark_of_containers(void **state)
{
        (void)state;
        assert_int_equal(session_first_id(128, 0), INT64_MIN + 1);
        assert_int_equal(session_first_id(128, UINT64_C(1) << 40), INT64_MIN + 1);
        assert_int_equal(session_first_id(128, 1), INT64_MIN + 0x10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_passwords_are_those_of_a_java_server),
                cmocka_unit_test(test_a_password_with_one_wrong_bit_is_refused),
                cmocka_unit_test(test_id_zero_and_other_lengths_never_match),
                cmocka_unit_test(test_first_id_is_made_of_server_id_and_clock),
                cmocka_unit_test(test_first_id_is_never_the_mark_of_containers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
