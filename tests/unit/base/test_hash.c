/* Unit tests of hashing and of the pseudo-random stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/hash.h"

#include <stdlib.h>

/* The first outputs of splitmix64 for seed 1234567, as published with the generator. */
static void test_stream_is_splitmix64(void **state)
{
        (void)state;
        static const uint64_t want[] = {6457827717110365317U, 3203168211198807973U, 9817491932198370423U,
                                        4593380528125082431U, 16408922859458223821U};
        struct prng p = {1234567};
        for (size_t i = 0; i < sizeof want / sizeof *want; i++)
                assert_true(prng_next(&p) == want[i]);
}

static void test_same_seed_gives_the_same_stream(void **state)
{
        (void)state;
        struct prng a = {42}, b = {42}, c = {43};
        size_t different = 0;
        for (int i = 0; i < 100; i++) {
                uint64_t x = prng_next(&a);
                assert_true(x == prng_next(&b));
                different += x != prng_next(&c);
        }
        assert_int_equal(different, 100);
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return (x > y) - (x < y);
}

static void test_mixer_is_a_bijection_on_neighbours(void **state)
{
        (void)state;
        static uint64_t seen[10000];
        const size_t count = sizeof seen / sizeof *seen;
        for (size_t i = 0; i < count; i++)
                seen[i] = hash_u64(i);
        qsort(seen, count, sizeof *seen, compare);
        for (size_t i = 1; i < count; i++)
                assert_true(seen[i - 1] != seen[i]);
}

static void test_hash_depends_on_bytes_length_and_seed(void **state)
{
        (void)state;
        uint64_t h = hash_bytes("/a/b", 4, 1);
        assert_true(h == hash_bytes("/a/b...", 4, 1));
        assert_true(h != hash_bytes("/a/c", 4, 1));
        assert_true(h != hash_bytes("/a/", 3, 1));
        assert_true(h != hash_bytes("/a/b", 4, 2));
        assert_true(hash_bytes(NULL, 0, 1) != hash_bytes("", 1, 1));
}

/* As another implementation has it: CPython's, with a key of zeros. */
static void test_hash_is_siphash_1_3(void **state)
{
        (void)state;
        assert_true(hash_bytes("a", 1, 0) == 0x407448d2b89b1813U);
        assert_true(hash_bytes("/zookeeper", 10, 0) == 0x3d849e8c172dcf6fU);
        assert_true(hash_bytes("/q/n-0000000001", 15, 0) == 0x5912135b6cdd615dU);
}

/* Sequential names, the usual children of a busy parent, spread over a table's buckets. */
static void test_similar_names_spread_evenly(void **state)
{
        (void)state;
        unsigned buckets[64] = {0};
        char name[] = "/q/n-0000";
        for (int i = 0; i < 6400; i++) {
                name[5] = (char)('0' + i / 1000 % 10);
                name[6] = (char)('0' + i / 100 % 10);
                name[7] = (char)('0' + i / 10 % 10);
                name[8] = (char)('0' + i % 10);
                buckets[hash_bytes(name, sizeof name - 1, 7) % 64]++;
        }
        for (int i = 0; i < 64; i++)
                assert_in_range(buckets[i], 50, 150);
}

/* Whatever the pieces, each beginning of a string has the hash it would have by itself. */
static void test_stream_has_the_hash_of_each_beginning(void **state)
{
        (void)state;
        uint8_t text[300];
        struct prng p = {7};
        for (size_t i = 0; i < sizeof text; i++)
                text[i] = (uint8_t)prng_next(&p);
        for (int round = 0; round < 50; round++) {
                struct hash_stream h;
                hash_stream_init(&h, 5);
                assert_true(hash_stream_value(&h) == hash_bytes(text, 0, 5));
                while (h.len < sizeof text) {
                        size_t more = prng_next(&p) % 20;
                        if (more > sizeof text - h.len)
                                more = sizeof text - h.len;
                        hash_stream_add(&h, text + h.len, more);
                        assert_true(hash_stream_value(&h) == hash_bytes(text, h.len, 5));
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stream_is_splitmix64),
                cmocka_unit_test(test_same_seed_gives_the_same_stream),
                cmocka_unit_test(test_mixer_is_a_bijection_on_neighbours),
                cmocka_unit_test(test_hash_depends_on_bytes_length_and_seed),
                cmocka_unit_test(test_hash_is_siphash_1_3),
                cmocka_unit_test(test_similar_names_spread_evenly),
                cmocka_unit_test(test_stream_has_the_hash_of_each_beginning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
