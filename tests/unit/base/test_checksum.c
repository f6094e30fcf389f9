/* Checksums must be zlib's, of every length, at every alignment, in however many pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/checksum.h"
#include "election/base/hash.h"

#include <string.h>
#include <zlib.h>

#define LARGE (1u << 20)

static void fill(uint8_t *at, size_t len, uint64_t seed)
{
        struct prng p = {seed};
        for (size_t i = 0; i < len; i++)
                at[i] = (uint8_t)prng_next(&p);
}

/* The check values that the algorithms are published with. */
static void test_published_values(void **state)
{
        (void)state;
        assert_int_equal(checksum_crc32(CHECKSUM_CRC32, "123456789", 9), 0xcbf43926);
        assert_int_equal(checksum_adler32(CHECKSUM_ADLER32, "Wikipedia", 9), 0x11e60398);
}

static void test_nothing_changes_nothing(void **state)
{
        (void)state;
        assert_int_equal(checksum_crc32(0x12345678, NULL, 0), 0x12345678);
        assert_int_equal(checksum_adler32(0x12345678, NULL, 0), 0x12345678);
        assert_int_equal(crc32(0, NULL, 0), CHECKSUM_CRC32);
        assert_int_equal(adler32(0, NULL, 0), CHECKSUM_ADLER32);
}

static void test_every_length_and_alignment_is_as_zlib_says(void **state)
{
        uint8_t data[16 + 700];
        (void)state;
        fill(data, sizeof data, 1);
        for (size_t offset = 0; offset < 16; offset++)
                for (size_t len = 0; len <= 700; len++) {
                        const uint32_t crc = (uint32_t)(len * 2654435761u); /* of what came before */
                        const uint32_t adler = (uint32_t)(len * 7919 % 65521) << 16 | (uint32_t)(len * 31 % 65521);
                        assert_int_equal(checksum_crc32(crc, data + offset, len), crc32_z(crc, data + offset, len));
                        assert_int_equal(checksum_adler32(adler, data + offset, len),
                                         adler32_z(adler, data + offset, len));
                }
}

static void check_large(const uint8_t *data)
{
        const uint32_t crc = (uint32_t)crc32_z(0, data, LARGE), adler = (uint32_t)adler32_z(1, data, LARGE);
        uint32_t crc_so_far = CHECKSUM_CRC32, adler_so_far = CHECKSUM_ADLER32;
        struct prng p = {7};
        assert_int_equal(checksum_crc32(CHECKSUM_CRC32, data, LARGE), crc);
        assert_int_equal(checksum_adler32(CHECKSUM_ADLER32, data, LARGE), adler);
        for (size_t at = 0, len; at < LARGE; at += len) {
                len = (size_t)prng_next(&p) % 20000;
                len = len < LARGE - at ? len : LARGE - at;
                crc_so_far = checksum_crc32(crc_so_far, data + at, len);
                adler_so_far = checksum_adler32(adler_so_far, data + at, len);
        }
        assert_int_equal(crc_so_far, crc);
        assert_int_equal(adler_so_far, adler);
}

/* All bytes 255 make the largest sums that Adler-32 has to hold. */
static void test_large_data_whole_and_in_pieces(void **state)
{
        uint8_t *data = mem_alloc(LARGE);
        (void)state;
        fill(data, LARGE, 3);
        check_large(data);
        memset(data, 0xff, LARGE);
        check_large(data);
        mem_free(data);
}

/* The largest sum to begin with, and the largest bytes. */
static void test_the_largest_sums_do_not_overflow(void **state)
{
        uint8_t *data = mem_alloc(LARGE);
        const uint32_t highest = 65520u << 16 | 65520u;
        (void)state;
        memset(data, 0xff, LARGE);
        for (size_t len = 1; len <= LARGE; len = 2 * len + 1)
                assert_int_equal(checksum_adler32(highest, data, len), adler32_z(highest, data, len));
        mem_free(data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published_values),
                cmocka_unit_test(test_nothing_changes_nothing),
                cmocka_unit_test(test_every_length_and_alignment_is_as_zlib_says),
                cmocka_unit_test(test_large_data_whole_and_in_pieces),
                cmocka_unit_test(test_the_largest_sums_do_not_overflow),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
