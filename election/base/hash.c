#include "election/base/hash.h"

uint64_t hash_u64(uint64_t x)
{
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ULL;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebULL;
        x ^= x >> 31;
        return x;
}

static inline uint64_t rotate(uint64_t x, int bits)
{
        return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

/* Little-endian, `len` of 8 bytes; the rest is zero. */
static inline uint64_t word_at(const uint8_t *p, size_t len)
{
        uint64_t x = 0;
        for (size_t i = 0; i < len; i++)
                x |= (uint64_t)p[i] << (8 * i);
        return x;
}

static void sip_begin(uint64_t v[4], uint64_t seed)
{
        const uint64_t key[2] = {seed, hash_u64(seed)};
        v[0] = key[0] ^ 0x736f6d6570736575ULL;
        v[1] = key[1] ^ 0x646f72616e646f6dULL;
        v[2] = key[0] ^ 0x6c7967656e657261ULL;
        v[3] = key[1] ^ 0x7465646279746573ULL;
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
}

static uint64_t sip_end(uint64_t v[4], uint64_t last)
{
        sip_word(v, last);
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one round per word and three at the
 * end. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
        const uint8_t *p = data;
        uint64_t v[4];
        sip_begin(v, seed);
        uint64_t last = (uint64_t)len << 56;
        for (; len >= 8; len -= 8, p += 8)
                sip_word(v, word_at(p, 8));
        return sip_end(v, last | word_at(p, len));
}

void hash_stream_init(struct hash_stream *h, uint64_t seed)
{
        sip_begin(h->v, seed);
        h->word = 0;
        h->len = 0;
}

void hash_stream_add(struct hash_stream *h, const void *data, size_t len)
{
        const uint8_t *p = data;
        for (size_t i = 0; i < len; i++) {
                h->word |= (uint64_t)p[i] << (8 * (h->len % 8));
                if (++h->len % 8)
                        continue;
                sip_word(h->v, h->word);
                h->word = 0;
        }
}

uint64_t hash_stream_value(const struct hash_stream *h)
{
        uint64_t v[4] = {h->v[0], h->v[1], h->v[2], h->v[3]};
        return sip_end(v, (uint64_t)h->len << 56 | h->word);
}

uint64_t prng_next(struct prng *p)
{
        p->state += 0x9e3779b97f4a7c15ULL;
        return hash_u64(p->state);
}
