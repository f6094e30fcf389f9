/* Which digest the tree had after every 128th transaction: what `hash` shows, so that two servers can be compared
 * over their recent past (zookeeper/client-protocol.md 10.2). The newest ones are kept, in bounded memory. */
#ifndef BATON_TREE_DIGEST_LOG_H
#define BATON_TREE_DIGEST_LOG_H

#include <stddef.h>
#include <stdint.h>

/* Digests kept, and transactions from one to the next: ZooKeeper's DIGEST_LOG_LIMIT and DIGEST_LOG_INTERVAL. */
#define DIGEST_LOG_MAX      1024
#define DIGEST_LOG_INTERVAL 128

struct digest_log {
        struct digest_log_entry *ring; /* NULL before the first */
        size_t capacity, next, count;
};

/* Takes a zeroed one. */
void digest_log_done(struct digest_log *l);
/* After each transaction; keeps those whose zxid is a multiple of the interval. */
void digest_log_note(struct digest_log *l, int64_t zxid, uint64_t digest);
/* Calls `fn` for each, the oldest first. */
void digest_log_each(const struct digest_log *l, void (*fn)(void *ctx, int64_t zxid, uint64_t digest), void *ctx);

#endif
