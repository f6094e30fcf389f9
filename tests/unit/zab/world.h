/* A small world for zab machines: virtual time, disks that lose what was not written, byte pipes that
 * cut anywhere, a host whose database is the list of what was delivered; and checkers that look on from
 * outside and abort with the seed (safety.md 1.1, 1.2, 1.6).
 *
 * Everything random comes from the seed, so a failing run repeats. */
#ifndef BATON_TEST_ZAB_WORLD_H
#define BATON_TEST_ZAB_WORLD_H

#include "election/base/hash.h"
#include "election/zab/zab.h"
#include "election/zab/zab_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_NODES_MAX 6
#define WORLD_TICK_MS   20
#define WORLD_INIT      10
#define WORLD_SYNC      5

/* One transaction as the world knows it. */
struct item {
        int64_t zxid;
        uint64_t hash;
};
struct items {
        struct item *v;
        size_t n, capacity;
};
void items_push(struct items *l, struct item i);
void items_copy(struct items *to, const struct items *from);
void items_done(struct items *l);

struct log_record {
        int64_t zxid;
        struct blob *blob; /* the payload alone */
};
struct snapshot {
        int64_t zxid;
        struct items items;
};
struct disk_op {
        enum effect_type type;
        uint64_t ticket;
        enum epoch_kind kind;
        int64_t value; /* epoch or zxid */
        bool reload;
        struct blob *blob;
};

struct disk {
        int64_t accepted, current;
        bool lost; /* as the mark says: until currentEpoch is written */
        struct log_record *log;
        size_t log_count, log_capacity;
        struct snapshot *snapshots; /* ascending */
        size_t snapshot_count, snapshot_capacity;
        /* what was asked for and not done yet, and what was done and not reported yet */
        struct disk_op *queue;
        size_t queue_count, queue_capacity;
        uint64_t done_ticket, reported_ticket;
        struct recovered reloaded;
        bool has_reloaded;
};

/* A snapshot file being written. */
enum saving { SAVING_NONE, SAVING_OWN, SAVING_RECEIVED, SAVING_ABORTED, SAVING_DONE_OWN, SAVING_DONE_RECEIVED };

struct world;

struct node {
        struct world *world;
        size_t index; /* sid - 1 */
        bool up;
        bool puppet; /* no machine: the test speaks for it */
        bool disk_stuck;
        struct zab *zab;
        struct effects fx;
        struct disk disk;
        /* the host */
        struct items db;
        bool serving;
        bool differs; /* its database says so of every transaction */
        int64_t serving_epoch;
        char ended[ZAB_REASON_MAX];
        unsigned ended_count, synced, sync_replies, revalidated, touched;
        bool revalidated_valid;
        struct items reading; /* copy a snapshot is read from */
        size_t read_at;
        bool is_reading, busy; /* busy: the test says the database can't be read now */
        uint8_t *loading;
        size_t loading_len;
        struct items received;
        bool has_received;
        enum saving saving;
        struct snapshot saving_snapshot;
        size_t drops; /* load_drop calls */
        enum zab_phase last_phase;
        enum zab_role last_role;
        unsigned forwarded, heard;
        uint64_t max_report;
};

/* Far above what the random tests come to. */
#define WORLD_OUTSTANDING_BYTES_MAX   (1u << 20)
#define WORLD_LEARNER_QUEUE_BYTES_MAX (1u << 18)

struct bytes {
        uint8_t *data;
        size_t at, len, capacity;
};
struct end {
        int node;
        conn_id conn;
        bool open, paused, eof, notify;
        struct bytes in;
};
struct pipe {
        bool dialling;
        struct end e[2]; /* 0 dialled, 1 accepted */
};

struct world {
        struct ensemble ensemble;
        size_t count;
        struct node nodes[WORLD_NODES_MAX];
        struct pipe **pipes;
        size_t pipe_count, pipe_capacity;
        uint64_t now_ms;
        uint64_t seed;
        struct prng prng;
        conn_id next_even;
        bool blocked[WORLD_NODES_MAX][WORLD_NODES_MAX];
        bool elects;       /* idle servers are told the best leader, as an election would */
        bool whole_chunks; /* bytes are delivered as they were sent */
        bool hold_reports; /* disk completions are done, not reported */
        bool hold_sent;    /* nobody's socket takes what was sent: no CONN_SENT */
        size_t history_max;
        /* Of servers that boot from now on; 0: as struct zab_config says, and ZAB_STEP_BYTES_MAX. */
        uint32_t heartbeat_ms, election_timeout_ms;
        size_t step_bytes_max;
        uint64_t next_value;
        char *story; /* the last reports, printed when a check fails */
        size_t story_len;
        /* what the checkers remember */
        struct items committed; /* the one sequence everybody delivers */
        struct items logged;    /* every record ever logged, by zxid */
        struct {
                int64_t epoch;
                int node;
        } * leaders;
        size_t leader_count, leader_capacity;
        struct {
                int64_t epoch;
                int node;
        } * promises;
        size_t promise_count, promise_capacity;
        uint64_t commits;
};

struct world *world_new(size_t voters, size_t observers, uint64_t seed);
/* With other settings of the history. */
struct world *world_new_history(size_t voters, size_t observers, uint64_t seed, size_t history_max);
void world_free(struct world *w);
uint64_t world_random(struct world *w, uint64_t below);
/* Aborts, with seed and story. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Servers are named by sid, from 1. */
struct node *world_node(struct world *w, int64_t sid);
void world_boot(struct world *w, int64_t sid);
/* Loses what the disk has not done; `steps` of the queue still get done first. */
void world_crash(struct world *w, int64_t sid, size_t steps);
void world_lead(struct world *w, int64_t sid);
void world_follow(struct world *w, int64_t sid, int64_t leader);
void world_leave(struct world *w, int64_t sid);
void world_stop(struct world *w, int64_t sid);
/* Lets this server lead and all others that are idle follow it. */
void world_form(struct world *w, int64_t leader);
bool world_propose(struct world *w, int64_t sid);
void world_proposals(struct world *w, int64_t sid, size_t n);
void world_sync(struct world *w, int64_t sid);
void world_block(struct world *w, int64_t a, int64_t b, bool blocked);
/* Breaks the connections between two. */
void world_cut(struct world *w, int64_t a, int64_t b);
void world_snapshot(struct world *w, int64_t sid);
/* Forgets all but the newest snapshot file. */
void world_purge(struct world *w, int64_t sid);

/* Carries out what is possible without time passing. Random order, from the seed. */
void world_settle(struct world *w);
/* Carries out one random thing; false when nothing is possible without time passing. */
bool world_step(struct world *w);
/* Lets time pass (settling all the way). */
void world_run(struct world *w, uint64_t ms);
/* Lets only the next deadline come. */
void world_skip(struct world *w);
/* Does one step of a server's disk queue and reports it. */
bool world_disk_step(struct world *w, int64_t sid);
void world_disk_report(struct world *w, int64_t sid);
bool world_all_serve(struct world *w);
void world_assert_equal(struct world *w);

/* ---- internals shared by the world's files ---- */
void node_flush(struct node *n);
void disk_take(struct node *n, const struct effect *e);
bool disk_perform(struct node *n);
bool disk_can_report(const struct node *n);
void disk_report(struct node *n);
void disk_recover(const struct node *n, int64_t limit, struct recovered *r, struct items *db);
void disk_done(struct disk *d);
bool disk_saving_step(struct node *n);
struct item item_of(const uint8_t *payload, size_t len, int64_t zxid);
const struct zab_host *world_host(void);
void check_node(struct node *n);
void check_send(struct node *n, conn_id conn, const struct blob *b);
void check_deliver(struct node *n, const struct item *i);
void check_serving(struct node *n, int64_t epoch);
void check_ended(struct node *n, const char *reason);
void check_append(struct node *n, const struct item *i);
void pipes_dial(struct node *n, const struct effect *e);
void pipes_send(struct node *n, conn_id conn, const struct blob *b);
void pipes_close(struct node *n, conn_id conn, bool flush);
void pipes_read(struct node *n, conn_id conn, bool start);
void pipes_notify(struct node *n, conn_id conn);
void pipes_crash(struct node *n);
bool pipes_step(struct world *w);

/* ---- puppets: the test speaks for a server ---- */
/* The type of a transaction that no host can read. */
enum { UNREADABLE = 4711 };
/* Takes the machine away: from now on the test speaks for this server. */
void world_make_puppet(struct world *w, int64_t sid);
/* A world in which server 1 is a machine and all others are puppets; that machine, and the bad input that it counted.
 */
struct world *world_of_puppets(size_t voters, size_t observers);
struct zab *world_machine(struct world *w);
uint64_t world_bad_input(struct world *w);
/* A zxid as tests write it. */
static inline int64_t z(int64_t epoch, int64_t counter)
{
        return zab__zxid(epoch, counter);
}
/* Dials a machine; returns a handle for the other calls. */
struct pipe *puppet_dial(struct world *w, int64_t target);
/* The connection a machine dialled to the puppet; NULL when there is none. */
struct pipe *puppet_accept(struct world *w, int64_t puppet);
void puppet_send(struct world *w, struct pipe *p, int32_t type, int64_t zxid, const void *data, size_t len);
void puppet_raw(struct world *w, struct pipe *p, const void *data, size_t len);
/* The next packet that came; false when there is none. Contents live until the next call. */
bool puppet_next(struct world *w, struct pipe *p, struct jute_quorum_packet *ret);
/* Fails unless the next packet is of this type; returns its zxid. PINGs are skipped. */
int64_t puppet_expect(struct world *w, struct pipe *p, int32_t type);
bool puppet_closed(const struct pipe *p);
/* FOLLOWERINFO / OBSERVERINFO. */
void puppet_hello(struct world *w, struct pipe *p, int32_t type, int64_t sid, int64_t accepted);
void puppet_ack_epoch(struct world *w, struct pipe *p, int64_t zxid, int32_t epoch);
/* A transaction's bytes; returns their length. */
size_t puppet_txn(int64_t zxid, uint64_t value, uint8_t buffer[64]);
/* PROPOSAL (or INFORM) of a made-up transaction; ACK, COMMIT and the like with nothing but a zxid. */
void puppet_propose(struct world *w, struct pipe *p, int32_t type, int64_t zxid);
void puppet_plain(struct world *w, struct pipe *p, int32_t type, int64_t zxid);
/* Fails unless nothing but PINGs has come. */
void puppet_expect_nothing(struct world *w, struct pipe *p);
/* A follower's way to UPTODATE at a machine that leads; `zxid` and `epoch` are its ACKEPOCH. */
struct pipe *puppet_join(struct world *w, int64_t target, int64_t sid, int64_t accepted, int64_t zxid, int32_t epoch);
/* Raw bytes waiting at the puppet's end. */
size_t puppet_peek(const struct pipe *p, const uint8_t **ret);
void puppet_skip(struct pipe *p, size_t len);

#endif
