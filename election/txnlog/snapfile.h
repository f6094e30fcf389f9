/* The snapshot file around the stream of database.h: header before it; Adler-32 seal, digest section
 * and second seal, last-zxid section and third seal after it (storage-format.md 4.1). Written by the
 * core into SNAPSHOT_CHUNK effects, so that the writer thread only appends bytes. */
#ifndef BATON_TXNLOG_SNAPFILE_H
#define BATON_TXNLOG_SNAPFILE_H

#include "election/jute/jute.h"

struct snapfile_writer {
        uint32_t adler; /* of every byte so far */
};

/* Writes the file header and starts the checksum. */
void snapfile_begin(struct snapfile_writer *f, struct jute_writer *w);
/* Takes note of stream bytes already in `w` from `offset` on. */
void snapfile_note(struct snapfile_writer *f, const struct jute_writer *w, size_t offset);
/* Writes seals, digest section and last-zxid section. */
void snapfile_end(struct snapfile_writer *f, struct jute_writer *w, int64_t zxid, uint64_t digest);

#endif
