/* One record of a log file and the file's header (storage-format.md 2.1):
 *
 *   long Adler-32 of the payload, int length, payload, 'B'
 *
 * Neither length nor 'B' is under the checksum, so both are judged strictly. */
#include "election/base/checksum.h"
#include "election/txnlog/txnlog_internal.h"

#include <assert.h>

#define MAGIC   0x5a4b4c47 /* "ZKLG" */
#define VERSION 2

uint32_t txnlog__record_sum(const uint8_t *payload, uint32_t len)
{
        return checksum_adler32(CHECKSUM_ADLER32, payload, len);
}

void txnlog__header_put(struct jute_writer *w)
{
        struct jute_file_header h = {.magic = MAGIC, .version = VERSION, .dbid = 0};
        jute_put_file_header(w, &h);
}

bool txnlog__header_ok(const uint8_t header[TXNLOG__HEADER_SIZE])
{
        struct jute_reader r;
        struct jute_file_header h;
        jute_reader_init(&r, header, TXNLOG__HEADER_SIZE, 0);
        jute_get_file_header(&r, &h);
        return r.error == 0 && h.magic == MAGIC && h.version == VERSION;
}

void txnlog__record_put(struct jute_writer *w, const uint8_t *payload, uint32_t len)
{
        assert(len >= JUTE_TXN_HEADER_SIZE && len <= INT32_MAX);
        jute_put_long(w, (int64_t)txnlog__record_sum(payload, len));
        jute_put_int(w, (int32_t)len);
        jute_put_raw(w, payload, len);
        jute_put_byte(w, TXNLOG__RECORD_END);
}

int32_t txnlog__record_len(const uint8_t head[TXNLOG__RECORD_HEAD], int32_t item_max)
{
        struct jute_reader r;
        jute_reader_init(&r, head, TXNLOG__RECORD_HEAD, 0);
        int64_t sum = jute_get_long(&r);
        int32_t len = jute_get_int(&r);
        if (sum < 0 || sum > UINT32_MAX || len < JUTE_TXN_HEADER_SIZE || len > item_max)
                return -1;
        return len;
}

bool txnlog__record_get(const uint8_t *bytes, uint32_t len, struct txnlog__record *ret)
{
        struct jute_reader r;
        struct jute_txn_header h;
        jute_reader_init(&r, bytes, (size_t)len + TXNLOG__RECORD_OVERHEAD, 0);
        int64_t sum = jute_get_long(&r);
        (void)jute_get_int(&r); /* the length, judged by the caller */
        const uint8_t *payload = jute_get_raw(&r, len);
        if (jute_get_byte(&r) != TXNLOG__RECORD_END || r.error || sum != (int64_t)txnlog__record_sum(payload, len))
                return false;
        jute_reader_init(&r, payload, len, 0);
        jute_get_txn_header(&r, &h);
        ret->payload = payload;
        ret->len = len;
        ret->zxid = h.zxid;
        return r.error == 0;
}
