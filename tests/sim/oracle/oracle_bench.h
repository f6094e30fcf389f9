/* An ensemble that exists only as what the oracle is told of it: three voters (1, 2, 3) and an observer (4). Tests play
 * a lawful history and break one rule in it. */
#ifndef BATON_TESTS_SIM_ORACLE_ORACLE_BENCH_H
#define BATON_TESTS_SIM_ORACLE_ORACLE_BENCH_H

#include "tests/sim/oracle/oracle_internal.h"

#define BENCH_VOTERS   3
#define BENCH_OBSERVER 4

struct bench {
        struct ensemble ensemble;
        struct verdict verdict;
        struct coverage coverage;
        struct oracle *o;
        uint64_t tickets[BENCH_OBSERVER + 1]; /* last given, by sid */
        conn_id conns[BENCH_OBSERVER + 1];    /* of the follower's latest connection to a leader */
        conn_id next_conn;
};

int bench_set_up(void **state);
int bench_tear_down(void **state);
/* The verdict names this promise / nothing is broken. */
void bench_caught(const struct bench *b, const char *checker);
void bench_clean(const struct bench *b);

struct oracle_server *bench_server(struct bench *b, int sid);
int64_t bench_zxid(int64_t epoch, int64_t counter);

/* A record that changes nothing, its bytes decided by `code`; not durable yet. */
void bench_append(struct bench *b, int sid, int64_t zxid, int32_t code);
/* All that was asked of its disk is done. */
void bench_sync(struct bench *b, int sid);
/* The same with what is durable at once. */
void bench_log(struct bench *b, int sid, int64_t zxid);
void bench_epoch(struct bench *b, int sid, enum oracle_ask_kind kind, int64_t value);

/* A new connection of `follower` to `leader`. */
void bench_connect(struct bench *b, int follower, int leader);
/* One packet on the follower's latest connection. */
void bench_from_follower(struct bench *b, int follower, int32_t type, int64_t zxid, const void *data, size_t len);
void bench_from_leader(struct bench *b, int follower, int32_t type, int64_t zxid);
/* ACKEPOCH that says `current`, -1: it must not count. */
void bench_ack_epoch(struct bench *b, int follower, int32_t current, int64_t zxid);

/* Elected: its log and epoch are what it is judged by. */
void bench_candidate(struct bench *b, int sid, int64_t epoch);
/* It leads no more. */
void bench_depose(struct bench *b, int sid);
/* From the connection to the promise, on both disks. */
void bench_promise(struct bench *b, int follower, int leader, int64_t epoch);
/* DIFF without records, NEWLEADER, currentEpoch, ACK. */
void bench_join(struct bench *b, int follower, int64_t epoch);
/* All of that with one follower, and established. */
void bench_lead(struct bench *b, int leader, int follower, int64_t epoch);
/* Proposed, on both disks, acknowledged, committed. */
void bench_commit(struct bench *b, int leader, int follower, int64_t zxid);

#endif
