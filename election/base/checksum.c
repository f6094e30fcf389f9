/* See checksum.h. */
#include "election/base/checksum.h"

#include <libdeflate.h>

/* libdeflate takes a null pointer for the wish to begin anew. */
uint32_t checksum_crc32(uint32_t crc, const void *data, size_t len)
{
        return len == 0 ? crc : libdeflate_crc32(crc, data, len);
}

uint32_t checksum_adler32(uint32_t adler, const void *data, size_t len)
{
        return len == 0 ? adler : libdeflate_adler32(adler, data, len);
}
