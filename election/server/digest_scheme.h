/* Scheme digest: who somebody is that knows a password (zookeeper/client-protocol.md 8.1).
 *
 * An identity is `user:` and the base64 of the hash of `user:password`. The hash is libcrypto's; no other part of the
 * core touches it. It computes only: it is told to read no configuration file, and asks for no randomness. */
#ifndef BATON_SERVER_DIGEST_SCHEME_H
#define BATON_SERVER_DIGEST_SCHEME_H

#include "election/jute/jute.h"

#include <stdbool.h>

struct digest_scheme;

/* `algorithm` as libcrypto names it ("SHA256", "SHA3-512"), borrowed; "" is SHA1, ZooKeeper's default. Nothing is
 * asked of the library before the first identity: what it needs to begin is more than an idle server has. */
struct digest_scheme *digest_scheme_new(const char *algorithm);
/* Takes NULL. */
void digest_scheme_free(struct digest_scheme *d);
/* Appends the identity (without a length) that belongs to the data of an auth packet. Bytes that are no UTF-8 are
 * hashed as Java reads them. Data without a ':' is a user with that name and that password.
 * Returns false when this libcrypto has no such algorithm: nobody can be authenticated then. */
bool digest_scheme_identify(struct digest_scheme *d, struct jute_str data, struct jute_writer *w);

#endif
