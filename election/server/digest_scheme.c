/* See digest_scheme.h. */
#include "election/server/digest_scheme.h"

#include "election/base/alloc.h"
#include "election/jute/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

struct digest_scheme {
        const char *algorithm;
        EVP_MD *md; /* NULL before the first use */
};

struct digest_scheme *digest_scheme_new(const char *algorithm)
{
        struct digest_scheme *d = mem_zalloc(sizeof *d);
        d->algorithm = algorithm[0] ? algorithm : "SHA1";
        return d;
}

void digest_scheme_free(struct digest_scheme *d)
{
        if (!d)
                return;
        EVP_MD_free(d->md);
        mem_free(d);
}

/* The first call decides for the whole process what the library begins with, whoever makes it. */
static bool scheme_ready(struct digest_scheme *d)
{
        if (!d->md && OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
                d->md = EVP_MD_fetch(NULL, d->algorithm, NULL);
        return d->md != NULL;
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

bool digest_scheme_identify(struct digest_scheme *d, struct jute_str data, struct jute_writer *w)
{
        uint8_t hash[EVP_MAX_MD_SIZE];
        unsigned hash_len = 0;
        struct jute_writer text;
        jute_writer_init(&text, SIZE_MAX);
        text_put_repaired(&text, data);
        bool ok = scheme_ready(d) && EVP_Digest(text.data, text.len, hash, &hash_len, d->md, NULL);
        if (ok) {
                const uint8_t *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
                jute_put_raw(w, text.data, colon ? (size_t)(colon - text.data) : text.len);
                jute_put_raw(w, ":", 1);
                put_base64(w, hash, hash_len);
        }
        if (text.len)
                OPENSSL_cleanse(text.data, text.len); /* a password */
        jute_writer_done(&text);
        return ok;
}
