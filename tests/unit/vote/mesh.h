/* An ensemble of vote machines in memory: virtual clock, FIFO byte pipes that deliver in random portions,
 * dials that are answered, refused or swallowed, processes that are killed, stopped and started again.
 * One seed replays one life. After every step the machines' own rules and E1, E2 of safety.md are checked.
 *
 * In the place of Zab stands a double: a server whose leader dies looks again; one whose leader does not
 * lead within MESH_INIT_LIMIT_MS gives up; a leader with a quorum behind it enters a new epoch. */
#ifndef BATON_TESTS_VOTE_MESH_H
#define BATON_TESTS_VOTE_MESH_H

#include "election/vote/vote.h"

#define MESH_NODES_MAX     7
#define MESH_INIT_LIMIT_MS 1000

struct mesh_options {
        size_t voters, observers; /* sids 1.. in this order */
        uint64_t seed;
        uint32_t latency_max_ms; /* of a delivery: 0 .. this */
};

struct mesh;

struct mesh *mesh_new(const struct mesh_options *options);
void mesh_free(struct mesh *m);

uint64_t mesh_now(const struct mesh *m);
/* A number below `below`, from the mesh's own stream. */
uint64_t mesh_random(struct mesh *m, uint64_t below);

/* What the server has on its disk; -1 for a database that may be lost. */
void mesh_set_data(struct mesh *m, int64_t sid, int64_t epoch, int64_t zxid);
void mesh_start(struct mesh *m, int64_t sid);
/* SIGKILL: connections are reset, dials refused. */
void mesh_kill(struct mesh *m, int64_t sid);
/* SIGSTOP and SIGCONT: the kernel goes on accepting and buffering. */
void mesh_stop(struct mesh *m, int64_t sid);
void mesh_continue(struct mesh *m, int64_t sid);
/* A link that swallows everything, in both directions, until it is mended. */
void mesh_cut(struct mesh *m, int64_t a, int64_t b, bool cut);
/* Resets the connections between two servers, in the middle of whatever is under way. */
void mesh_reset(struct mesh *m, int64_t a, int64_t b);
/* The server's Zab has lost its leader. */
void mesh_lose(struct mesh *m, int64_t sid);

/* Runs for `ms` of virtual time. */
void mesh_run(struct mesh *m, uint64_t ms);
/* Runs until every server that is alive, not stopped, and in `sids` (0-terminated) has decided; fails
 * the test after `ms_max`. Returns the virtual ms it took. */
uint64_t mesh_run_until_decided(struct mesh *m, const int64_t *sids, uint64_t ms_max);

bool mesh_alive(const struct mesh *m, int64_t sid);
bool mesh_stopped(const struct mesh *m, int64_t sid);
/* The leader the server has decided for, 0 while it looks. */
int64_t mesh_leader(const struct mesh *m, int64_t sid);
enum vote_state mesh_state(const struct mesh *m, int64_t sid);
struct vote *mesh_vote(struct mesh *m, int64_t sid);
/* Elections this server has entered since it was started. */
unsigned mesh_looks(const struct mesh *m, int64_t sid);
/* Bytes delivered, and dials made, by all together so far. */
uint64_t mesh_bytes(const struct mesh *m);
uint64_t mesh_dials(const struct mesh *m);

/* Ends the test with a message, the seed, and the last things that happened. */
void mesh_fail(const struct mesh *m, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
