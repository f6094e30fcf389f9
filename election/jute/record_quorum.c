/* What servers say to each other. Source: quorum-protocol.md 3.1 and 8.1. */
#include "election/jute/record_internal.h"

#include <assert.h>

/* clang-format off */
#define FIELDS_quorum_packet(F)      F(int, type) F(long, zxid) F(str, data) F(id_vec, authinfo)
#define FIELDS_learner_info(F)       F(long, sid) F(int, protocol_version) F(long, config_version)
#define FIELDS_quorum_auth_packet(F) F(long, magic) F(int, status) F(str, token)
/* clang-format on */

JUTE_RECORD(quorum_packet)
JUTE_RECORD(learner_info)
JUTE_RECORD(quorum_auth_packet)

struct blob *jute_quorum_packet_blob(int32_t type, int64_t zxid, const void *data, size_t len)
{
        assert(len <= INT32_MAX);
        assert(data || len == 0);
        const struct jute_quorum_packet packet = {
                .type = type,
                .zxid = zxid,
                .data = {.data = data, .len = data ? (int32_t)len : -1},
                .authinfo = {.count = -1},
        };
        struct jute_writer w;
        struct blob *b = jute_writer_in_blob(&w, JUTE_QUORUM_PACKET_MIN + len);
        jute_put_quorum_packet(&w, &packet);
        assert(jute_writer_filled(&w));
        return b;
}
