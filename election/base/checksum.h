/* The two checksums of ZooKeeper's formats: CRC-32 in the data digest, Adler-32 in logs and snapshots. Each byte of a
 * write goes through them several times: libdeflate computes them 16 bytes or more at a time, where zlib takes three to
 * four instructions for each byte. Both are continued: they take the sum so far, which begins as CHECKSUM_CRC32 or
 * CHECKSUM_ADLER32. */
#ifndef BATON_BASE_CHECKSUM_H
#define BATON_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of nothing at all. */
#define CHECKSUM_CRC32   0u
#define CHECKSUM_ADLER32 1u

/* `data` may be NULL when `len` is 0. */
uint32_t checksum_crc32(uint32_t crc, const void *data, size_t len);
uint32_t checksum_adler32(uint32_t adler, const void *data, size_t len);

#endif
