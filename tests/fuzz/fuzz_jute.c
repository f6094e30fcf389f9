/* Every record of election/jute: the first byte chooses it, the rest are its bytes.
 *
 * What was decoded must be encodable again; that encoding must decode to the same; and it must be the bytes that were
 * read, but for what Jute leaves open: a boolean is any byte but 0, a count below -1 is an empty vector, and CreateTxn
 * has an old form without its last field. */
#include "election/jute/record.h"
#include "tests/fuzz/fuzz.h"

#define ITEM_MAX (JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT)

#define RECORDS(F)                                                                                                     \
        F(stat)                                                                                                        \
        F(stat_persisted)                                                                                              \
        F(id)                                                                                                          \
        F(acl)                                                                                                         \
        F(connect_request)                                                                                             \
        F(connect_response)                                                                                            \
        F(request_header)                                                                                              \
        F(reply_header)                                                                                                \
        F(create_request)                                                                                              \
        F(create_ttl_request)                                                                                          \
        F(path_version)                                                                                                \
        F(path_watch)                                                                                                  \
        F(set_data_request)                                                                                            \
        F(path)                                                                                                        \
        F(set_acl_request)                                                                                             \
        F(reconfig_request)                                                                                            \
        F(path_type)                                                                                                   \
        F(auth_packet)                                                                                                 \
        F(set_watches)                                                                                                 \
        F(set_watches2)                                                                                                \
        F(multi_header)                                                                                                \
        F(sasl)                                                                                                        \
        F(create2_response)                                                                                            \
        F(get_data_response)                                                                                           \
        F(get_acl_response)                                                                                            \
        F(get_children_response)                                                                                       \
        F(get_children2_response)                                                                                      \
        F(who_am_i_response)                                                                                           \
        F(error_response)                                                                                              \
        F(watcher_event)                                                                                               \
        F(txn_header)                                                                                                  \
        F(txn_digest)                                                                                                  \
        F(create_txn)                                                                                                  \
        F(create_container_txn)                                                                                        \
        F(create_ttl_txn)                                                                                              \
        F(set_data_txn)                                                                                                \
        F(set_acl_txn)                                                                                                 \
        F(create_session_txn)                                                                                          \
        F(close_session_txn)                                                                                           \
        F(multi_txn)                                                                                                   \
        F(txn_op)                                                                                                      \
        F(quorum_packet)                                                                                               \
        F(learner_info)                                                                                                \
        F(quorum_auth_packet)                                                                                          \
        F(file_header)

/* Reads one record from the window and writes it. Returns the reader's error; `ret_len`: bytes read. */
typedef int recode_fn(const uint8_t *data, size_t len, struct jute_writer *w, size_t *ret_len);

#define RECODE(record)                                                                                                 \
        static int recode_##record(const uint8_t *data, size_t len, struct jute_writer *w, size_t *ret_len)            \
        {                                                                                                              \
                struct jute_reader r;                                                                                  \
                struct jute_##record v;                                                                                \
                jute_reader_init(&r, data, len, ITEM_MAX);                                                             \
                jute_get_##record(&r, &v);                                                                             \
                if (r.error)                                                                                           \
                        return r.error;                                                                                \
                *ret_len = len - jute_left(&r);                                                                        \
                jute_put_##record(w, &v);                                                                              \
                return 0;                                                                                              \
        }
RECORDS(RECODE)

#define ENTRY(record) recode_##record,
static recode_fn *const records[] = {RECORDS(ENTRY)};

/* Whether `was` may have been written as `is`. */
static bool same_value(uint8_t was, uint8_t is)
{
        return was == is || (is == 1 && was > 1) || is == 0;
}

static void check_bytes(recode_fn *recode, const uint8_t *data, size_t len, const struct jute_writer *w)
{
        if (recode == recode_create_txn && w->len == len + 4)
                return; /* the old form, written in the new one */
        assert(w->len == len);
        for (size_t i = 0; i < len; i++)
                assert(same_value(data[i], w->data[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        recode_fn *recode = records[fuzz_byte(&in) % (sizeof records / sizeof *records)];
        struct fuzz_bytes b = fuzz_take(&in, SIZE_MAX);
        struct jute_writer first, second;
        size_t len = 0;
        jute_writer_init(&first, 2 * b.len + 64);
        jute_writer_init(&second, 2 * b.len + 64);
        if (recode(b.data, b.len, &first, &len) == 0) {
                size_t again = 0;
                assert(!first.error);
                check_bytes(recode, b.data, len, &first);
                struct fuzz_input copy = fuzz_input(first.data, first.len);
                struct fuzz_bytes exact = fuzz_take(&copy, first.len);
                int r = recode(exact.data, exact.len, &second, &again);
                assert(r == 0);
                assert(again == first.len);
                assert(second.len == first.len);
                assert(second.len == 0 || memcmp(first.data, second.data, first.len) == 0);
                mem_free(exact.data);
        }
        jute_writer_done(&first);
        jute_writer_done(&second);
        mem_free(b.data);
        return 0;
}
