/* Hashing for the core's tables: deterministic for one seed, so that a simulated run replays. */
#ifndef BATON_BASE_HASH_H
#define BATON_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3, keyed by `seed`: who does not know it can't choose keys that collide. Names come from clients,
 * so their tables take a seed from outside. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

/* The same of a string that grows: the hash of each of its beginnings, for the cost of the bytes added. */
struct hash_stream {
        uint64_t v[4];
        uint64_t word; /* bytes of an unfinished word */
        size_t len;    /* bytes so far */
};
void hash_stream_init(struct hash_stream *h, uint64_t seed);
void hash_stream_add(struct hash_stream *h, const void *data, size_t len);
/* hash_bytes() of all that was added; more may be added after it. */
uint64_t hash_stream_value(const struct hash_stream *h);

/* Bijective 64-bit mixer (splitmix64's finaliser). */
uint64_t hash_u64(uint64_t x);

/* Pseudo-random stream seeded from outside (splitmix64). Not for secrets. */
struct prng {
        uint64_t state;
};
uint64_t prng_next(struct prng *p);

#endif
