/* A small world for whole servers: cores joined by byte streams, each with a disk in memory behind the
 * production store, and raw clients; all on one virtual clock. What happens is decided by the seed. */
#ifndef BATON_TESTS_SIM_WORLD_H
#define BATON_TESTS_SIM_WORLD_H

#include "election/base/list.h"
#include "election/jute/record.h"
#include "election/server/server.h"

#include <stdbool.h>

#define WORLD_SERVERS_MAX 7
#define WORLD_CLIENT_PORT 2181

struct world;
struct world_client;

/* How a server came to its end. */
enum world_end {
        WORLD_END_HALT,  /* by itself: world_halted() says with what status */
        WORLD_END_KILL,  /* the process; what it had written and not synced is still there */
        WORLD_END_CRASH, /* power */
        WORLD_END_MAX,
};

/* Somebody who looks on: a checker, the trace, counters. All functions may be NULL; none may change the world. */
struct world_witness {
        /* Recovery is done, the server is made and has not seen an event yet; then EVENT_START is the first. `r`:
         * without what the server has taken over (its database and history). */
        void (*started)(void *ctx, struct world *w, int sid, const struct recovered *r);
        /* A server has handled an event; none of the effects has been carried out yet. */
        void (*stepped)(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx);
        /* Its database is still there; what it had been asked to write may be lost. */
        void (*ended)(void *ctx, struct world *w, int sid, enum world_end how);
        /* Up to this ticket everything is durable at this server; told before the server hears of it. */
        void (*durable)(void *ctx, struct world *w, int sid, uint64_t ticket);
        /* A line a server reported. */
        void (*noted)(void *ctx, struct world *w, int sid, const char *text);
        /* A millisecond is over. */
        void (*turned)(void *ctx, struct world *w);
        void *ctx;
};
#define WORLD_WITNESSES_MAX 12

/* `voters` participants and then `observers`, sids from 1; nobody runs yet. Tick 100 ms, limits 10 and 5. */
struct world *world_new(int voters, int observers, uint64_t seed);
void world_free(struct world *w);
/* Snapshots after about this many transactions; to be set before the start. */
void world_set_snap_count(struct world *w, uint32_t count);

/* Servers go by sid. One whose store refuses what is on its disk has halted with status 3, and its log says why. */
void world_start(struct world *w, int sid);
/* Power loss: what was not synced is gone. */
void world_crash(struct world *w, int sid);
/* Clean stop; runs until the server has halted. */
void world_stop(struct world *w, int sid);
/* The process stands still; its connections stay up. */
void world_freeze(struct world *w, int sid, bool frozen);
/* The disk takes nothing more (-ENOSPC) from now on. */
void world_fill_disk(struct world *w, int sid, bool full);
bool world_running(const struct world *w, int sid);
/* Exit status of the last halt, -1 while running or after a crash. */
int world_halted(const struct world *w, int sid);
/* Lines reported by a server since its start, one after the other. */
const char *world_log(const struct world *w, int sid);

/* They are asked in the order in which they came. `witness` is copied. */
void world_add_witness(struct world *w, const struct world_witness *witness);

uint64_t world_now(const struct world *w);
/* A number from the world's seed, for what a test decides. */
uint64_t world_draw(struct world *w);
void world_run(struct world *w, uint64_t ms);
/* The sid of the serving leader that most of the running servers serve under, 0 if there is none. */
int world_leader(struct world *w);
/* Runs until `sid` (0: every running server that is not frozen) serves, and there is a leader they serve
 * under; false after max_ms. */
bool world_serving(struct world *w, int sid, uint64_t max_ms);
/* What a four-letter word says, valid until the next call. */
const char *world_word(struct world *w, int sid, const char *word);
/* A text of every znode with Stat and every session, the same for equal databases. Caller frees. */
char *world_dump(struct world *w, int sid);

/* ---- faults (world_faults.c) ---- */
/* The process dies, the machine does not: what was written and not synced is still there. */
void world_kill(struct world *w, int sid);
/* Asks for a clean stop and does not wait for it. */
void world_stop_begin(struct world *w, int sid);
/* Nothing gets from one server to the other, dials among it; nobody is told. Off: all that waited goes on. */
void world_cut(struct world *w, int from, int to, bool cut);
/* Resets every connection between the two; 0 stands for the clients. What was under way arrives in part. */
void world_reset(struct world *w, int a, int b);
/* A group of log effects, and each snapshot effect, takes up to so long; 0: as usual. */
void world_slow_disk(struct world *w, int sid, uint32_t log_ms, uint32_t snapshot_ms);
/* The next so many effects of snapshot files fail with -ENOSPC. */
void world_fail_snapshots(struct world *w, int sid, uint32_t count);
/* The power fails (or the process dies) after `skip` more operations of the disk, recovery's included: before
 * the next one, or right after it. */
void world_die(struct world *w, int sid, uint64_t skip, bool after, bool power);
/* The files of a server that does not run are gone; what stands beside them is not (its mark). */
void world_wipe(struct world *w, int sid);
/* Without its mark the server can't know that it lost anything. */
void world_remove_mark(struct world *w, int sid);
/* A node appears in the tree of this running server only. */
void world_spoil_tree(struct world *w, int sid);
/* What was to come of that comes no more. */
void world_live(struct world *w, int sid);
/* What servers send takes up to `delay_ms`, and no more than so many bytes of a stream arrive in a millisecond;
 * 0: at once, all. */
void world_slow_net(struct world *w, uint32_t delay_ms, uint32_t bytes_per_ms);

/* ---- clients ---- */
/* Connects to `sid` and runs until the session is open, or refused (NULL). `resume` continues another
 * client's session with its password. */
struct world_client *world_connect(struct world *w, int sid, const struct world_client *resume);
/* What the client says of itself when it resumes: a password that is wrong, a later zxid than it saw. */
void world_spoil_password(struct world_client *c);
void world_pretend_seen(struct world_client *c, int64_t zxid);
void world_disconnect(struct world_client *c);
int64_t world_session(const struct world_client *c);
int32_t world_timeout(const struct world_client *c);
bool world_connected(const struct world_client *c);
/* Sends a raw frame (header made here); returns the xid. */
int32_t world_send(struct world_client *c, int32_t opcode, const struct jute_writer *body);
/* Runs until the reply to `xid` is there: its error, or -EPIPE when the connection ended first, -ETIME. The
 * body is in `ret` (borrowed, until the next call for this client). */
int world_reply(struct world_client *c, int32_t xid, int64_t *ret_zxid, struct jute_reader *ret);
/* Whole operations: send and await. */
int world_create(struct world_client *c, const char *path, const char *data, int32_t flags, char *ret_path,
                 size_t size);
int world_set(struct world_client *c, const char *path, const char *data, int32_t version);
int world_delete(struct world_client *c, const char *path, int32_t version);
/* Data as text into `ret`; the watch is one-shot. */
int world_get(struct world_client *c, const char *path, bool watch, char *ret, size_t size);
int world_sync(struct world_client *c);
/* The next notification, as "type path"; "" if none has come. */
const char *world_event(struct world_client *c);

/* ---- packets that wait (world_gate.c) ---- */
/* Any packet. */
#define WORLD_PACKET_ANY (-1)
/* On quorum connections nothing from the first packet of this type on gets from one server to the other; 0: all that
 * waited goes on. Behind a SNAP packets are not told apart, and all of them pass. */
void world_hold(struct world *w, int from, int to, int32_t packet);
/* One waits now. */
bool world_held(const struct world *w, int from, int to);

/* ---- wires: connections of clients that are not the world's own; bytes, nothing more ---- */
struct world_wire;
/* A connection to the client port of `sid`, NULL when it is refused. world_wire_close() ends it. */
struct world_wire *world_wire_open(struct world *w, int sid);
void world_wire_close(struct world_wire *wire);
/* What is sent on a connection that the server has ended or a reset has swallowed is lost. */
void world_wire_send(struct world_wire *wire, const void *data, size_t len);
/* What has come and was not taken yet: copied, at most `size` bytes of it. Returns how many. */
size_t world_wire_take(struct world_wire *wire, void *ret, size_t size);
/* The server has ended it; what came before can still be taken. */
bool world_wire_ended(const struct world_wire *wire);
/* The sid at the other end, 0 once the connection has ended. */
int world_wire_server(const struct world_wire *wire);

/* ---- servers played by hand (world_peer.c) ---- */
/* Server `sid`, which does not run, takes dials from now on. */
void world_play(struct world *w, int sid, bool played);
/* A connection of it to a port of `to`, NULL when it is refused; or the oldest one that was dialled to a port of it and
 * not taken yet, and by whom (0: it has ended already). Both are ended by world_wire_close(). */
struct world_wire *world_peer_dial(struct world *w, int from, int to, enum port port);
struct world_wire *world_peer_accept(struct world *w, int sid, enum port port, int *ret_from);

#endif
