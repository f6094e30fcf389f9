/* A store on a disk in memory, transactions to put into it, and questions about what came back. */
#ifndef BATON_TESTS_TXNLOG_FIXTURE_H
#define BATON_TESTS_TXNLOG_FIXTURE_H

#include "election/txnlog/snapfile.h"
#include "election/txnlog/store.h"
#include "tests/sim/world/memory_storage.h"

#define ZXID(epoch, counter) ((int64_t)(epoch) << 32 | (counter))

struct fixture {
        struct memory_storage *disk;
        struct store_config config;
        struct store *store;        /* NULL while closed */
        struct recovered recovered; /* what the last fixture_open() found */
        char why[STORE_WHY_MAX];
};

/* An empty disk, nothing open. */
void fixture_init(struct fixture *f);
void fixture_done(struct fixture *f);
/* The same for cmocka: the fixture is the test's state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Recovers. Returns what store_recover() returned; the store is open when that is 0. */
int fixture_open(struct fixture *f);
/* Opens and insists. */
void fixture_must_open(struct fixture *f);
/* As if the process ended: nothing is written. */
void fixture_close(struct fixture *f);

/* ---- one effect each; results of store_perform() ---- */
int fixture_append(struct fixture *f, int64_t zxid);
/* Appends zxids [from, to] and syncs; insists. */
void fixture_write(struct fixture *f, int64_t from, int64_t to);
int fixture_sync(struct fixture *f);
int fixture_roll(struct fixture *f);
int fixture_epoch(struct fixture *f, enum epoch_kind kind, int64_t value);
int fixture_truncate(struct fixture *f, int64_t zxid, bool reload, struct recovered *ret);
/* acceptedEpoch, then currentEpoch in its two steps; insists. */
void fixture_enter_epoch(struct fixture *f, int64_t epoch);

/* ---- transactions: zxid z creates the node /z<hex> with `size` bytes of data ---- */
#define FIXTURE_DATA_BYTES 40
struct blob *fixture_payload(int64_t zxid, size_t size);
/* The same with the digest of the tree after it in `db`, to which it is applied. */
struct blob *fixture_payload_digest(struct database *db, int64_t zxid);
/* Whether the transaction's node is there. */
bool fixture_has(const struct database *db, int64_t zxid);
void fixture_apply(struct database *db, int64_t zxid);

/* ---- snapshots ---- */
/* The whole file for `db`, named by `zxid`. */
struct blob *fixture_snapshot_bytes(struct database *db, int64_t zxid);
/* Through a snapstore, in chunks of `chunk_bytes`; returns the first failure. */
int fixture_snapshot(struct fixture *f, struct database *db, int64_t zxid, size_t chunk_bytes);
/* The same for one that a leader sent. */
int fixture_receive(struct fixture *f, struct database *db, int64_t zxid);
/* An independent copy by way of a snapshot. */
struct database *fixture_copy(struct database *db);

#endif
