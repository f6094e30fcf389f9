/* Scheme digest (client-protocol.md 8.1). The identities were made by ZooKeeper 3.9.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/server/digest_scheme.h"

#include <string.h>

static void assert_identity(const char *algorithm, const char *data, size_t len, const char *identity)
{
        struct digest_scheme *d = digest_scheme_new(algorithm);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (int i = 0; i < 2; i++) { /* the hash is fetched once */
                jute_writer_reset(&w);
                assert_true(digest_scheme_identify(d, jute_str_of(data, len), &w));
        }
        jute_put_byte(&w, 0);
        assert_string_equal((const char *)w.data, identity);
        jute_writer_done(&w);
        digest_scheme_free(d);
}

static void test_identity_is_user_and_hash_of_both(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                {"", "super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="},
                {"", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"SHA1", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"SHA256", "user:pass", "user:70yRTFkWmLJo2zxkFj6v2nIJpjDyNuvw7r8EVGDfcjo="},
                {"SHA512-256", "user:pass", "user:htaDe+W52JZuBc/SaAa/Dg0Gkh4PRC+urDUOsga/86s="},
                {"SHA3-256", "user:pass", "user:MKfo05p7nYw1Yb/bzA4GEyZLUt02iFpxN0ASiDBnsjw="},
                {"MD5", "user:pass", "user:IaOShYhKJo1kWOP96wi+rA=="},
                {"", "", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="},       /* nobody, no password */
                {"", "a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="}, /* a password with a colon */
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                assert_identity(rows[i][0], rows[i][1], strlen(rows[i][1]), rows[i][2]);
}

static void test_bytes_that_are_no_text_are_hashed_as_java_reads_them(void **state)
{
        (void)state;
        struct digest_scheme *d = digest_scheme_new("");
        struct jute_writer odd, repaired;
        jute_writer_init(&odd, SIZE_MAX);
        jute_writer_init(&repaired, SIZE_MAX);
        assert_true(digest_scheme_identify(d, jute_str_of("u\0\xff:\xff", 5), &odd));
        assert_true(digest_scheme_identify(d, jute_str_of("u\0\xef\xbf\xbd:\xef\xbf\xbd", 9), &repaired));
        assert_int_equal(odd.len, repaired.len);
        assert_memory_equal(odd.data, repaired.data, odd.len);
        jute_writer_done(&odd);
        jute_writer_done(&repaired);
        digest_scheme_free(d);
}

static void test_unknown_algorithm_identifies_nobody(void **state)
{
        (void)state;
        struct digest_scheme *d = digest_scheme_new("NONESUCH");
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        assert_false(digest_scheme_identify(d, jute_cstr("user:pass"), &w));
        assert_int_equal(w.len, 0);
        jute_writer_done(&w);
        digest_scheme_free(d);
        digest_scheme_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_identity_is_user_and_hash_of_both),
                cmocka_unit_test(test_bytes_that_are_no_text_are_hashed_as_java_reads_them),
                cmocka_unit_test(test_unknown_algorithm_identifies_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
