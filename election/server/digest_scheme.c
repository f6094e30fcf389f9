/* See digest_scheme.h. */
#include "election/server/digest_scheme.h"

#include "election/jute/text.h"

#include <assert.h>
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <string.h>
#include <strings.h>

static const struct {
        const char *java;
        const struct nettle_hash *hash;
} algorithms[] = {
        {"", &nettle_sha1},
        {"SHA", &nettle_sha1},
        {"SHA1", &nettle_sha1},
        {"SHA-1", &nettle_sha1},
        {"SHA-224", &nettle_sha224},
        {"SHA-256", &nettle_sha256},
        {"SHA-384", &nettle_sha384},
        {"SHA-512", &nettle_sha512},
        {"SHA-512/224", &nettle_sha512_224},
        {"SHA-512/256", &nettle_sha512_256},
        {"SHA3-224", &nettle_sha3_224},
        {"SHA3-256", &nettle_sha3_256},
        {"SHA3-384", &nettle_sha3_384},
        {"SHA3-512", &nettle_sha3_512},
        {"MD5", &nettle_md5},
};

static const struct nettle_hash *find(const char *algorithm)
{
        for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
                if (strcasecmp(algorithms[i].java, algorithm) == 0)
                        return algorithms[i].hash;
        return NULL;
}

static void put_base64(struct jute_writer *w, const uint8_t *data, size_t len)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (size_t at = 0; at < len; at += 3) {
                size_t n = len - at < 3 ? len - at : 3;
                uint32_t v = (uint32_t)data[at] << 16;
                v |= n > 1 ? (uint32_t)data[at + 1] << 8 : 0;
                v |= n > 2 ? data[at + 2] : 0;
                char four[4] = {letters[v >> 18], letters[v >> 12 & 63], letters[v >> 6 & 63], letters[v & 63]};
                memset(four + 1 + n, '=', 3 - n);
                jute_put_raw(w, four, sizeof four);
        }
}

/* Of each of them. */
union context {
        struct md5_ctx md5;
        struct sha1_ctx sha1;
        struct sha256_ctx sha256; /* and SHA-224 */
        struct sha512_ctx sha512; /* and its kin */
        struct sha3_224_ctx sha3; /* the largest of the four */
};

static void hash_of(const struct nettle_hash *h, const struct jute_writer *text, uint8_t ret[SHA512_DIGEST_SIZE])
{
        union context context;
        assert(h->context_size <= sizeof context && h->digest_size <= SHA512_DIGEST_SIZE);
        h->init(&context);
        h->update(&context, text->len, text->data);
        h->digest(&context, h->digest_size, ret);
        explicit_bzero(&context, sizeof context);
}

bool digest_scheme_identify(const char *algorithm, struct jute_str data, struct jute_writer *w)
{
        const struct nettle_hash *h = find(algorithm);
        if (!h)
                return false;
        struct jute_writer text;
        jute_writer_init(&text, SIZE_MAX);
        text_put_repaired(&text, data);
        uint8_t hash[SHA512_DIGEST_SIZE];
        hash_of(h, &text, hash);
        const uint8_t *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
        jute_put_raw(w, text.data, colon ? (size_t)(colon - text.data) : text.len);
        jute_put_raw(w, ":", 1);
        put_base64(w, hash, h->digest_size);
        if (text.len)
                explicit_bzero(text.data, text.len); /* a password */
        jute_writer_done(&text);
        return true;
}
