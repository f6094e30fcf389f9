/* The first bytes on a dialled election connection (quorum-protocol.md 1.1). Internal to the room. */
#ifndef BATON_VOTE_HANDSHAKE_H
#define BATON_VOTE_HANDSHAKE_H

#include "election/base/blob.h"
#include "election/base/ensemble.h"

/* Longest address text; a longer one is refused. */
#define VOTE_HANDSHAKE_TEXT_MAX 2048
#define VOTE_HANDSHAKE_MAX      (20 + VOTE_HANDSHAKE_TEXT_MAX)
/* Addresses of one peer that are remembered; further ones are ignored. */
#define VOTE_ADDRESSES_MAX 8

struct vote_address {
        char host[ENSEMBLE_HOST_MAX + 1]; /* without brackets */
        uint16_t port;
};

struct vote_handshake {
        int64_t sid;
        /* Where to dial back, wildcards left out; none: at the configured address. */
        struct vote_address addresses[VOTE_ADDRESSES_MAX];
        size_t address_count;
};

/* Form V1, the one every release since 3.5 understands: own sid and own election address, in one blob
 * because the receiver reads the text with a single read. One reference. */
struct blob *vote__handshake_encode(int64_t sid, const char *host, uint16_t port);

/* Reads V1, V2 (several addresses) or the bare sid of 3.4 from the start of a connection.
 * Returns the number of bytes it took, 0 if more are needed (never beyond VOTE_HANDSHAKE_MAX), -EPROTO. */
int vote__handshake_decode(const uint8_t *data, size_t len, struct vote_handshake *ret);

#endif
