#include "election/vote/notification.h"

#include "election/jute/jute.h"

#include <assert.h>
#include <errno.h>

struct blob *vote__notification_encode(const struct vote_notification *n, const char *config, size_t config_len)
{
        assert(config_len > 0 && config_len <= VOTE_FRAME_MAX - VOTE_NOTIFICATION_SIZE_FIXED);
        struct jute_writer w;
        jute_writer_init(&w, VOTE_FRAME_MAX + sizeof(int32_t));
        jute_put_int(&w, (int32_t)(VOTE_NOTIFICATION_SIZE_FIXED + config_len));
        jute_put_int(&w, (int32_t)n->state);
        jute_put_long(&w, n->leader);
        jute_put_long(&w, n->zxid);
        jute_put_long(&w, n->round);
        jute_put_long(&w, n->epoch);
        jute_put_int(&w, VOTE_NOTIFICATION_VERSION);
        jute_put_str(&w, jute_str_of(config, config_len));
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        assert(b);
        return b;
}

/* What stands behind peerEpoch in everything but the two old sizes. */
static int32_t read_version(struct jute_reader *r, size_t len)
{
        int32_t version = jute_get_int(r);
        if (version <= 1)
                return version;
        int32_t config_len = jute_get_int(r);
        if (config_len < 0 || (size_t)config_len > len)
                jute_fail(r);
        else
                (void)jute_get_raw(r, (size_t)config_len); /* bytes behind it are ignored, as Java does */
        return version;
}

int vote__notification_decode(const uint8_t *data, size_t len, struct vote_notification *ret)
{
        struct jute_reader r;
        jute_reader_init(&r, data, len, VOTE_FRAME_MAX);
        int32_t state = jute_get_int(&r);
        int64_t leader = jute_get_long(&r);
        int64_t zxid = jute_get_long(&r);
        int64_t round = jute_get_long(&r);
        int64_t epoch = (int64_t)((uint64_t)zxid >> 32);
        int32_t version = 0;
        if (len != VOTE_NOTIFICATION_SIZE_33)
                epoch = jute_get_long(&r);
        if (len != VOTE_NOTIFICATION_SIZE_33 && len != VOTE_NOTIFICATION_SIZE_34)
                version = read_version(&r, len);
        if (r.error || state < VOTE_LOOKING || state > VOTE_OBSERVING)
                return -EPROTO;
        *ret = (struct vote_notification){
                .state = (enum vote_state)state,
                .leader = leader,
                .zxid = zxid,
                .round = round,
                .epoch = epoch,
                .version = version,
        };
        return 0;
}
