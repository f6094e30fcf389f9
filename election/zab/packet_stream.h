/* Input of a quorum connection: bytes in, packets out. A quorum packet has no outer length, so it is
 * decoded where it lies and an early end means: wait (quorum-protocol.md 3.1).
 *
 * Bytes just fed are borrowed and decoded in place; only what is left over is kept. What is kept of one
 * unfinished packet never exceeds item_max + STREAM_SLACK_BYTES. */
#ifndef BATON_ZAB_PACKET_STREAM_H
#define BATON_ZAB_PACKET_STREAM_H

#include "election/jute/record.h"

/* Room for what a packet holds besides its data: fixed fields and authinfo. */
#define STREAM_SLACK_BYTES (64u << 10)

struct packet_stream {
        uint8_t *kept;
        size_t at, len, capacity; /* kept bytes: [at, len) */
        const uint8_t *window;    /* borrowed bytes, when nothing is kept */
        size_t window_len;
};

void zab__stream_init(struct packet_stream *s);
void zab__stream_done(struct packet_stream *s);
/* Hands over bytes; they are borrowed until zab__stream_settle(). */
void zab__stream_feed(struct packet_stream *s, const uint8_t *data, size_t len);
/* Keeps what is left of the borrowed bytes. */
void zab__stream_settle(struct packet_stream *s);
/* Takes the next packet: 1, 0 when more bytes are needed, -EPROTO when no bytes could mend it or the
 * packet is too long. What *ret points to lives until the next feed or settle. */
int zab__stream_next(struct packet_stream *s, int32_t item_max, struct jute_quorum_packet *ret);
/* The raw bytes at hand, and taking some of them: for the snapshot stream behind SNAP. */
size_t zab__stream_peek(const struct packet_stream *s, const uint8_t **ret);
void zab__stream_skip(struct packet_stream *s, size_t len);

#endif
