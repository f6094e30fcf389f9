/* Scheme digest: who somebody is that knows a password (zookeeper/client-protocol.md 8.1).
 *
 * An identity is `user:` and the base64 of the hash of `user:password`. The hash is nettle's; no other part of the core
 * touches it. It only computes. */
#ifndef BATON_SERVER_DIGEST_SCHEME_H
#define BATON_SERVER_DIGEST_SCHEME_H

#include "election/jute/jute.h"

#include <stdbool.h>

/* Appends the identity (without a length) that belongs to the data of an auth packet. Bytes that are no UTF-8 are
 * hashed as Java reads them. Data without a ':' is a user with that name and that password. Returns false, and appends
 * nothing, when the algorithm is not known: by the name that Java gives it, in any case ("SHA-1", "sha-512/256"); "" is
 * SHA-1, ZooKeeper's default. */
bool digest_scheme_identify(const char *algorithm, struct jute_str data, struct jute_writer *w);

#endif
