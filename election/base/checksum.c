/* CRC-32 by folding: the string is a polynomial over two elements, and multiplying without carries replaces 128 bits of
 * it by 128 bits that stand further on and leave the same remainder (V. Gopal and others, "Fast CRC Computation for
 * Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009; the constants are from there).
 *
 * Adler-32 is two sums modulo 65521: of the bytes, and of that sum after each byte. */
#include "election/base/checksum.h"

#include <assert.h>
#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>

/* Bytes of a vector. */
#define BLOCK 16

/* ---- CRC-32 ---- */

#define WITH_PCLMUL __attribute__((target("pclmul,sse4.1")))

static inline __m128i load(const uint8_t *at)
{
        return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Moves what `sum` stands for to where `next` stands, `by` saying how far that is. */
WITH_PCLMUL static inline __m128i fold(__m128i sum, __m128i by, __m128i next)
{
        const __m128i low = _mm_clmulepi64_si128(sum, by, 0x00);
        const __m128i high = _mm_clmulepi64_si128(sum, by, 0x11);
        return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* The remainder of 128 bits, with 32 zero bits behind them: 128 become 96, 96 become 64, and the quotient of those is
 * foretold by a product with the polynomial's inverse (Barrett). */
WITH_PCLMUL static inline uint32_t divide(__m128i sum)
{
        const __m128i low_32 = _mm_set_epi32(0, 0, 0, -1);
        const __m128i x96 = _mm_set_epi64x(0, 0x0ccaa009e), x64 = _mm_set_epi64x(0, 0x163cd6124);
        const __m128i inverse = _mm_set_epi64x(0, 0x1f7011641), polynomial = _mm_set_epi64x(0, 0x1db710641);
        sum = _mm_xor_si128(_mm_srli_si128(sum, 8), _mm_clmulepi64_si128(sum, x96, 0x00));
        sum = _mm_xor_si128(_mm_srli_si128(sum, 4), _mm_clmulepi64_si128(_mm_and_si128(sum, low_32), x64, 0x00));
        const __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(sum, low_32), inverse, 0x00);
        const __m128i multiple = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_32), polynomial, 0x00);
        return (uint32_t)_mm_extract_epi32(_mm_xor_si128(sum, multiple), 1);
}

/* Of whole blocks, one at least. Four sums run side by side while there is enough: one waits for its own product. */
WITH_PCLMUL static uint32_t crc_folded(uint32_t crc, const uint8_t *at, size_t len)
{
        /* x to the 4 * 128 + 32 and to the 4 * 128 - 32, and the same for one block: remainders, bits reversed. */
        const __m128i four_blocks = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
        const __m128i one_block = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
        const uint8_t *end = at + len;
        __m128i sum = _mm_xor_si128(load(at), _mm_cvtsi32_si128((int)~crc));
        at += BLOCK;
        if (len >= 8 * BLOCK) {
                __m128i second = load(at), third = load(at + BLOCK), fourth = load(at + 2 * BLOCK);
                for (at += 3 * BLOCK; end - at >= 4 * BLOCK; at += 4 * BLOCK) {
                        sum = fold(sum, four_blocks, load(at));
                        second = fold(second, four_blocks, load(at + BLOCK));
                        third = fold(third, four_blocks, load(at + 2 * BLOCK));
                        fourth = fold(fourth, four_blocks, load(at + 3 * BLOCK));
                }
                sum = fold(fold(fold(sum, one_block, second), one_block, third), one_block, fourth);
        }
        for (; at < end; at += BLOCK)
                sum = fold(sum, one_block, load(at));
        return ~divide(sum);
}

static size_t crc_head(uint32_t *crc, const uint8_t *data, size_t len)
{
        const size_t head = len - len % BLOCK;
        if (head == 0 || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
                return 0;
        *crc = crc_folded(*crc, data, head);
        return head;
}

/* ---- Adler-32 ---- */

#define ADLER_MODULUS 65521u
/* So many blocks can be added before the sums of 32 bits could overflow, whatever they began with. */
#define ADLER_BLOCKS_MAX 256u
static_assert(ADLER_BLOCKS_MAX * BLOCK <= 5552, "zlib's own bound");

static inline uint32_t add_lanes(__m128i v)
{
        v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(1, 0, 3, 2)));
        v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(2, 3, 0, 1)));
        return (uint32_t)_mm_cvtsi128_si32(v);
}

/* Of `blocks` blocks, at most ADLER_BLOCKS_MAX. The first byte of a block stands in 16 of its second sums, the last
 * in one; each block before it stands in all 16. */
static uint32_t adler_blocks(uint32_t adler, const uint8_t *at, size_t blocks)
{
        const __m128i zero = _mm_setzero_si128();
        const __m128i weights_low = _mm_set_epi16(9, 10, 11, 12, 13, 14, 15, 16);
        const __m128i weights_high = _mm_set_epi16(1, 2, 3, 4, 5, 6, 7, 8);
        const uint32_t a = adler & 0xffff, b = adler >> 16;
        __m128i bytes = zero, before = zero, weighted = zero;
        for (size_t i = 0; i < blocks; i++, at += BLOCK) {
                const __m128i block = load(at);
                before = _mm_add_epi32(before, bytes);
                bytes = _mm_add_epi32(bytes, _mm_sad_epu8(block, zero));
                const __m128i low = _mm_madd_epi16(_mm_unpacklo_epi8(block, zero), weights_low);
                const __m128i high = _mm_madd_epi16(_mm_unpackhi_epi8(block, zero), weights_high);
                weighted = _mm_add_epi32(weighted, _mm_add_epi32(low, high));
        }
        const uint32_t sum_a = a + add_lanes(bytes);
        const uint32_t sum_b = b + (uint32_t)blocks * BLOCK * a + BLOCK * add_lanes(before) + add_lanes(weighted);
        return sum_b % ADLER_MODULUS << 16 | sum_a % ADLER_MODULUS;
}

static size_t adler_head(uint32_t *adler, const uint8_t *data, size_t len)
{
        size_t left = len / BLOCK;
        const uint8_t *at = data;
        while (left > 0) {
                const size_t blocks = left < ADLER_BLOCKS_MAX ? left : ADLER_BLOCKS_MAX;
                *adler = adler_blocks(*adler, at, blocks);
                at += blocks * BLOCK;
                left -= blocks;
        }
        return (size_t)(at - data);
}

#else

static size_t crc_head(uint32_t *crc, const uint8_t *data, size_t len)
{
        (void)crc, (void)data, (void)len;
        return 0;
}

static size_t adler_head(uint32_t *adler, const uint8_t *data, size_t len)
{
        (void)adler, (void)data, (void)len;
        return 0;
}

#endif

/* ---- both ---- */

uint32_t checksum_crc32(uint32_t crc, const void *data, size_t len)
{
        const size_t head = crc_head(&crc, data, len);
        /* zlib takes a NULL buffer for "start anew". */
        return len > head ? (uint32_t)crc32_z(crc, (const uint8_t *)data + head, len - head) : crc;
}

uint32_t checksum_adler32(uint32_t adler, const void *data, size_t len)
{
        const size_t head = adler_head(&adler, data, len);
        return len > head ? (uint32_t)adler32_z(adler, (const uint8_t *)data + head, len - head) : adler;
}
