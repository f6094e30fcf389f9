/* The transactions in memory: a contiguous run ending at the last logged one. The front part is
 * committed (delivered to the database) and kept for DIFF; the rest, the tail, waits for its commit.
 *
 * Invariants: each record follows the one before it (safety: Z11), the first one follows `base`; zxids
 * in (base, last] that leaders ever used are all here. */
#ifndef BATON_ZAB_HISTORY_H
#define BATON_ZAB_HISTORY_H

#include "election/txnlog/store.h"
#include "election/zab/ring.h"

/* `base` when nobody knows which zxid stood before the first record. */
#define HISTORY_BASE_UNKNOWN (-1)

struct history {
        struct ring txns;  /* struct store_txn, each with a reference on its blob */
        size_t committed;  /* how many of them, from the front */
        size_t bytes;      /* payload bytes of all */
        size_t tail_bytes; /* of those not committed */
        int64_t base;      /* zxid right before the first record, or HISTORY_BASE_UNKNOWN */
        int64_t last;      /* zxid of the last record; of the snapshot underneath when empty */
        int64_t last_committed;
        size_t max, bytes_max; /* what of the committed part is kept; the tail always is */
};

void zab__history_init(struct history *h, size_t max, size_t bytes_max);
void zab__history_done(struct history *h);
/* Takes over what recovery found (r's array is emptied); all of it counts as committed. */
void zab__history_load(struct history *h, struct recovered *r);
/* Empties it: the database stands at `zxid` and nothing is known of how it came there. */
void zab__history_reset(struct history *h, int64_t zxid);
/* Appends to the tail; takes the caller's reference on `blob`. */
void zab__history_push(struct history *h, int64_t zxid, struct blob *blob, uint32_t offset, uint32_t len);
/* Counts the first of the tail as committed and yields it with a reference for the caller, who may
 * let go of older ones with zab__history_trim(). */
struct store_txn zab__history_commit(struct history *h);
void zab__history_trim(struct history *h);
const struct store_txn *zab__history_at(const struct history *h, size_t i);
/* How many records have a zxid <= `zxid`: the place of the first one behind it. */
size_t zab__history_after(const struct history *h, int64_t zxid);
/* Records not committed yet. */
size_t zab__history_tail(const struct history *h);
/* The invariants; for tests and assertions at doors. */
void zab__history_check(const struct history *h);

/* ---- which way a learner is brought up to date (quorum-protocol.md 3.4) ---- */
enum sync_kind { SYNC_DIFF, SYNC_TRUNC, SYNC_SNAP };
struct sync_choice {
        enum sync_kind kind;
        int64_t zxid; /* of the DIFF, TRUNC or SNAP packet */
        size_t from;  /* DIFF, TRUNC: place of the first committed record to send */
};
/* For a learner whose log ends at `peer_zxid`. `epoch` is the leader's once it is established, else 0.
 * Pure. Stricter than Java where Java relies on the learner's log holding a zxid that it may not hold:
 * TRUNC only to a record of the learner's own last epoch, else SNAP. */
struct sync_choice zab__choose_sync(const struct history *h, int64_t peer_zxid, int64_t epoch);

#endif
