/* A small world for whole servers: cores joined by byte streams, each with a disk in memory behind the
 * production store, and raw clients; all on one virtual clock. What happens is decided by the seed. */
#ifndef BATON_TESTS_SIM_WORLD_H
#define BATON_TESTS_SIM_WORLD_H

#include "election/base/list.h"
#include "election/jute/record.h"
#include "election/server/server.h"
#include "tests/sim/world/memory_storage.h"

#include <stdbool.h>

#define WORLD_SERVERS_MAX 7
#define WORLD_CLIENT_PORT 2181
/* world_halted() of a server whose files were refused: ENGINE_EXIT_DATA of daemon/engine/engine.h. */
#define WORLD_STATUS_REFUSED 3

struct world;
struct world_client;
struct trace;

/* How a server came to its end. */
enum world_end {
        WORLD_END_HALT,  /* by itself: world_halted() says with what status */
        WORLD_END_KILL,  /* the process; what it had written and not synced is still there */
        WORLD_END_CRASH, /* power */
        WORLD_END_MAX,
};

/* What is drawn from streams of their own, lest one fault that is off shift the others. */
enum world_draw {
        WORLD_DRAW_WORK, /* what a test or a driver decides */
        WORLD_DRAW_NET,
        WORLD_DRAW_DISK,
        WORLD_DRAW_CRASH,
        WORLD_DRAW_CLOCK,
        WORLD_DRAW_MAX,
};

/* Ways of standing still. */
enum world_pause {
        WORLD_PAUSE_NONE,
        WORLD_PAUSE_PROCESS, /* SIGSTOP: clocks go on, the system takes connections and bytes */
        WORLD_PAUSE_SUSPEND, /* the machine: CLOCK_MONOTONIC stands, the others go on; the network hears nothing of it
                              */
        WORLD_PAUSE_VM,      /* the virtual machine: all its clocks stand */
};

enum world_clock {
        WORLD_CLOCK_MONOTONIC,
        WORLD_CLOCK_BOOTTIME,
        WORLD_CLOCK_WALL, /* Unix time */
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
        /* Recovery refused its files, and the server does not run. */
        void (*refused)(void *ctx, struct world *w, int sid, const char *why);
        /* Something was done to the world: a line that says what and to whom. */
        void (*fault)(void *ctx, struct world *w, const char *text);
        /* A millisecond is over. With `lazy` those may be left out in which nothing happened. */
        void (*turned)(void *ctx, struct world *w);
        bool lazy;
        void *ctx;
};
#define WORLD_WITNESSES_MAX 12

/* `voters` participants and then `observers`, sids from 1; nobody runs yet. Tick 100 ms, limits 10 and 5. */
struct world *world_new(int voters, int observers, uint64_t seed);
void world_free(struct world *w);
/* Snapshots after about this many transactions; to be set before the start. */
void world_set_snap_count(struct world *w, uint32_t count);

/* Servers go by sid. The machine gets power, where it has none. When recovery refuses the files the server stays
 * down, as baton-engine does: world_refused() says why, world_halted() is 3. */
void world_start(struct world *w, int sid);
/* Power loss: what was not synced is gone. Nobody is told: whoever is connected notices by the silence, or when the
 * machine has power again and hears of a connection that it knows nothing of. */
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
/* Why recovery has refused the files at the last start, NULL when it has not. */
const char *world_refused(const struct world *w, int sid);
/* Lines reported by a server since its start, one after the other. */
const char *world_log(const struct world *w, int sid);
/* server_tree_bytes() of a server that runs. */
uint64_t world_tree_bytes(const struct world *w, int sid);

/* They are asked in the order in which they came. `witness` is copied. */
void world_add_witness(struct world *w, const struct world_witness *witness);

/* Writes a line of everything that is not frequent, faults included; bytes and ticks go into the digest. `t` must
 * outlive the world. */
struct world_witness world_trace_witness(struct trace *t);

uint64_t world_now(const struct world *w);
/* A number from the world's seed, for what a test decides: WORLD_DRAW_WORK. */
uint64_t world_draw(struct world *w);
void world_run(struct world *w, uint64_t ms);
/* Who looks on has seen enough: what else might happen at this instant, perhaps without an end, does not. */
void world_end(struct world *w);
/* The next instant at which anything happens by itself, while nothing is done to the world; UINT64_MAX: never. A driver
 * may run up to there at once. */
uint64_t world_next(const struct world *w);
/* The sid of the serving leader that most of the running servers serve under, 0 if there is none. */
int world_leader(struct world *w);
/* Runs until `sid` (0: every running server that is not frozen) serves, and there is a leader they serve
 * under; false after max_ms. */
bool world_serving(struct world *w, int sid, uint64_t max_ms);
/* What a four-letter word says, valid until the next call. */
const char *world_word(struct world *w, int sid, const char *word);
/* A text of every znode with Stat and every session, the same for equal databases. Caller frees. */
char *world_dump(struct world *w, int sid);

/* ---- clocks (world_time.c) ---- */
/* From now on the server's clocks go at (1 + rate_ppm / 10^6) of the world's time. */
void world_set_rate(struct world *w, int sid, int32_t rate_ppm);
/* And its monotonic clock shows the world's time + offset_ms, unless the server runs and that would set it back. */
void world_set_clock(struct world *w, int sid, int64_t offset_ms, int32_t rate_ppm);
/* Somebody sets its wall clock, both ways; the others don't notice. */
void world_step_wall(struct world *w, int sid, int64_t by_ms);
/* It stands still, or goes on; its connections stay up. world_freeze() is WORLD_PAUSE_PROCESS. */
void world_pause(struct world *w, int sid, enum world_pause how);
/* What its clocks show. */
uint64_t world_clock_ms(const struct world *w, int sid, enum world_clock clock);

/* ---- servers (world_faults.c) ---- */
/* The process dies, the machine does not: what was written and not synced is still there, and its system closes its
 * connections. */
void world_kill(struct world *w, int sid);
/* Asks for a clean stop and does not wait for it. */
void world_stop_begin(struct world *w, int sid);
/* The machine of a server that does not run gets power, or loses it: with power dials are refused, without they get
 * no answer. A crash switches it off, world_start() on. */
void world_boot(struct world *w, int sid, bool power);
/* Off (so at first): a crash tells nobody. On: its connections are reset, and dials refused. */
void world_set_loud_crashes(struct world *w, bool loud);

/* ---- the net; 0 stands for the clients ---- */
/* Nothing gets from one to the other, dials among it; nobody is told. The way back soon stalls too, for want of
 * acknowledgements. Off: all that waited goes on. */
void world_cut(struct world *w, int from, int to, bool cut);
/* Dials from one to the other get no answer; what is connected goes on. */
void world_blackhole(struct world *w, int from, int to, bool on);
/* Dials take up to so long. */
void world_slow_dials(struct world *w, int from, int to, uint32_t ms);
/* Resets every connection between the two. What was under way arrives in part. */
void world_reset(struct world *w, int a, int b);
/* What servers send takes up to `delay_ms`, and no more than so many bytes of a stream arrive in a millisecond;
 * 0: at once, all. */
void world_slow_net(struct world *w, uint32_t delay_ms, uint32_t bytes_per_ms);
/* The same for one way between two, instead of what holds for all; 0: as for all. */
void world_slow_link(struct world *w, int from, int to, uint32_t delay_ms, uint32_t bytes_per_ms);
/* What the connections carry that the two have now is late by up to `ms`, until they end: those made later overtake
 * them. 0: it is late no more; what is under way comes when it was to. */
void world_age(struct world *w, int a, int b, uint32_t ms);
/* Bytes a socket takes before anything arrives (0: none), and the backlogs behind it at which a server drops a
 * connection (-ENOBUFS): at first those of server.h. */
void world_set_buffers(struct world *w, size_t socket_bytes, size_t peer_backlog_bytes, size_t client_backlog_bytes);

/* ---- disks ---- */
/* A group of log effects, and each snapshot effect, takes up to so long; 0: as usual. */
void world_slow_disk(struct world *w, int sid, uint32_t log_ms, uint32_t snapshot_ms);
/* What is to be written or synced waits until it is off. */
void world_hang_disk(struct world *w, int sid, bool hangs);
/* After `skip` more operations of this kind the next `times` fail with `error` (memory_storage.h), recovery's
 * included. world_live() calls it off, and so does a crash. */
void world_fail_disk(struct world *w, int sid, enum memory_op op, uint64_t skip, uint64_t times, int error);
/* The next so many effects of snapshot files fail with -ENOSPC. */
void world_fail_snapshots(struct world *w, int sid, uint32_t count);
/* The power fails (or the process dies) after `skip` more operations of the disk, recovery's included: before
 * the next one, or right after it. */
void world_die(struct world *w, int sid, uint64_t skip, bool after, bool power);
/* The same after `effects` more effects of its core, in the midst of a step: what follows is not sent, nor given to the
 * disk, nor said. */
void world_die_in_step(struct world *w, int sid, uint64_t effects, bool power);
/* What was to come of these comes no more, nor what was to fail. */
void world_live(struct world *w, int sid);
/* In a file of this kind a bit of a durable byte flips, or a sector becomes zero, garbage or a copy of another, or, of
 * a log, all sectors to its end become zero, where the server must notice that (world_node.rot_zxid then says from
 * which record on); of an epoch, and of baton.ends, a bit, so that it is no number, or not as written, any more.
 * Returns false, and does nothing, when there is no such file or world_may_lose() says no. */
enum world_file {
        WORLD_FILE_LOG,
        WORLD_FILE_SNAPSHOT,
        WORLD_FILE_EPOCH,
        WORLD_FILE_MAX,
};
bool world_rot(struct world *w, int sid, enum world_file file, uint64_t seed);
/* Something of it has rotted and is still there: it may refuse to start (and is then to be wiped), or halt by what it
 * reads. */
bool world_rotten(const struct world *w, int sid);
/* A majority of the voters has intact copies, on its disks, of all that was ever applied, not counting this one. Ask
 * before files of a server are wiped that were not refused. */
bool world_may_lose(const struct world *w, int sid);
/* The files of a server that does not run are gone; what stands beside them is not (its mark). The remedy for files
 * that were refused: it counts again when a leader has synchronised it. */
void world_wipe(struct world *w, int sid);
/* Without its mark the server can't know that it lost anything. */
void world_remove_mark(struct world *w, int sid);
/* A node appears in the tree of this running server only. */
void world_spoil_tree(struct world *w, int sid);

/* ---- clients ---- */
/* Connects to `sid` and runs until the session is open, or refused (NULL). `resume` continues another
 * client's session with its password. */
struct world_client *world_connect(struct world *w, int sid, const struct world_client *resume);
/* The same, saying that a server without a leader will do. */
struct world_client *world_connect_read_only(struct world *w, int sid, const struct world_client *resume);
/* Whether the server said that it is one. */
bool world_read_only(const struct world_client *c);
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
/* A connection to the client port of `sid`, NULL when it is refused at once. Where a link is cut or slow or the server
 * stands still the dial is under way; a dial that fails later is refused, and the wire ended. world_wire_close() ends
 * it. */
struct world_wire *world_wire_open(struct world *w, int sid);
bool world_wire_dialled(const struct world_wire *wire);
bool world_wire_refused(const struct world_wire *wire);
/* As world_wire_close(), and the server is told nothing: the client's machine has lost its power. */
void world_wire_vanish(struct world_wire *wire);
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
