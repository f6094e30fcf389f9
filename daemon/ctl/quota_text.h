/* What ZooKeeper writes into the two znodes of a quota: limits, and what is used.
 *
 *     count=10,bytes=1000                                     soft limits, or what is used
 *     count=10,bytes=-1=;byteHardLimit=2000;countHardLimit=20 hard limits too
 *
 * -1 is no limit. The = before the first semicolon lets servers before 3.7, which know no hard limits, read the rest.
 */
#ifndef BATON_CTL_QUOTA_TEXT_H
#define BATON_CTL_QUOTA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a quota's znodes are, and what they are called. */
#define QUOTA_ROOT   "/zookeeper/quota"
#define QUOTA_LIMITS "zookeeper_limits"
#define QUOTA_STATS  "zookeeper_stats"
/* Bytes of such a text, with its NUL. */
#define QUOTA_TEXT_MAX 160

struct quota {
        int64_t count, bytes;           /* -1: none */
        int64_t count_hard, bytes_hard; /* -1: none */
};

/* What is missing is -1; other keys are passed over, as ZooKeeper does. False: a value is no number. Pure. */
bool quota_parse(const char *text, size_t len, struct quota *ret);
void quota_format(const struct quota *q, char ret[QUOTA_TEXT_MAX]);
/* No limit at all. */
bool quota_is_empty(const struct quota *q);

#endif
