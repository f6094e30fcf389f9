/* The payload of the election channel: one server's vote (quorum-protocol.md 2.1).
 * Internal to the room. */
#ifndef BATON_VOTE_NOTIFICATION_H
#define BATON_VOTE_NOTIFICATION_H

#include "election/base/blob.h"
#include "election/vote/vote.h"

/* What 3.5 and later write. */
#define VOTE_NOTIFICATION_VERSION 2
/* Payload sizes: before 3.4, 3.4.6 to 3.4.14, and the fixed part of everything later. */
#define VOTE_NOTIFICATION_SIZE_33    28
#define VOTE_NOTIFICATION_SIZE_34    40
#define VOTE_NOTIFICATION_SIZE_FIXED 44
/* The logical clock stops here. Nobody gets so far by counting, but one faulty message makes it everybody's
 * round: any limit that others could be asked to count beyond would keep them apart for ever. */
#define VOTE_ROUND_MAX INT64_MAX
/* Stands for "none" in an observer's vote: Java's Long.MIN_VALUE. */
#define VOTE_NONE INT64_MIN

struct vote_notification {
        enum vote_state state; /* of the sender */
        int64_t leader;        /* voted for */
        int64_t zxid;          /* of that vote */
        int64_t round;         /* electionEpoch: the sender's logical clock */
        int64_t epoch;         /* peerEpoch: currentEpoch of the server voted for */
        int32_t version;       /* 0 for the two old sizes */
};

/* The notification with its length prefix, ready to send; one reference. `config` is the sender's
 * configuration text, which must be valid and not empty: a Java receiver can die of another one. */
struct blob *vote__notification_encode(const struct vote_notification *n, const char *config, size_t config_len);

/* Reads a payload (without length prefix). The configuration text is skipped, whatever it says: this
 * server's configuration is its own. Returns 0, or -EPROTO for what ZooKeeper drops as malformed. */
int vote__notification_decode(const uint8_t *data, size_t len, struct vote_notification *ret);

#endif
