/* Scheme digest (client-protocol.md 8.1). Most identities were made by ZooKeeper 3.9.5, those of
 * the rarer hashes by Python. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/server/digest_scheme.h"

#include <string.h>

static void assert_identity(const char *algorithm, const char *data, size_t len, const char *identity)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        assert_true(digest_scheme_identify(algorithm, jute_str_of(data, len), &w));
        jute_put_byte(&w, 0);
        assert_string_equal((const char *)w.data, identity);
        jute_writer_done(&w);
}

static void test_identity_is_user_and_hash_of_both(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                {"", "super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="},
                {"", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"sha1", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"SHA-256", "user:pass", "user:70yRTFkWmLJo2zxkFj6v2nIJpjDyNuvw7r8EVGDfcjo="},
                {"sha-512/256", "user:pass", "user:htaDe+W52JZuBc/SaAa/Dg0Gkh4PRC+urDUOsga/86s="},
                {"SHA3-256", "user:pass", "user:MKfo05p7nYw1Yb/bzA4GEyZLUt02iFpxN0ASiDBnsjw="},
                {"SHA", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"SHA-1", "user:pass", "user:smGaoVKd/cQkjm7b88GyorAUz20="},
                {"SHA-224", "user:pass", "user:PkKzWnuMzJ0rpktz4O5hvSZFw/3yZFIfOizv2Q=="},
                {"SHA-384", "user:pass", "user:HCMIuQnSVR4Ge6EqefZYDR5jDoZgKCFDqLIj+NFPNcMCWoRCnlIHxYGRib8lxoES"},
                {"SHA-512", "user:pass",
                 "user:byB8hNs+LzOYofjeMGiIfR/jKrcms8i5ls17owJgMPc/97CxZ1nTVHmKawnszYHC8bu9VMh6GIu6lFZ1BXBL3Q=="},
                {"SHA-512/224", "user:pass", "user:L1glB9gK73x7aeL8CvbDYSbBR0KA0VVYa4N+Qg=="},
                {"SHA3-224", "user:pass", "user:V0DUUIgATD5glpGlu3E/zUW5JQct3OS4WSPfcA=="},
                {"SHA3-384", "user:pass", "user:tJjZMH1SIBQQtXUh+Rc24S0RVOcCO9mLplyYFS9vdFluhH2azpF4eDdC1BnT7QVl"},
                {"SHA3-512", "user:pass",
                 "user:FWUrHsnpIuI/wA7/wScJDJ8ZlRBU2B3y7nG9wKifhaEpJvvEuDgXE5mhpNHdcvZzjwkNue7X1em4rs5s2IiDdw=="},
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
        struct jute_writer odd, repaired;
        jute_writer_init(&odd, SIZE_MAX);
        jute_writer_init(&repaired, SIZE_MAX);
        assert_true(digest_scheme_identify("", jute_str_of("u\0\xff:\xff", 5), &odd));
        assert_true(digest_scheme_identify("", jute_str_of("u\0\xef\xbf\xbd:\xef\xbf\xbd", 9), &repaired));
        assert_int_equal(odd.len, repaired.len);
        assert_memory_equal(odd.data, repaired.data, odd.len);
        jute_writer_done(&odd);
        jute_writer_done(&repaired);
}

static void test_unknown_algorithm_identifies_nobody(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        assert_false(digest_scheme_identify("nonesuch", jute_cstr("user:pass"), &w));
        assert_int_equal(w.len, 0);
        jute_writer_done(&w);
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
