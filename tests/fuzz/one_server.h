/* One whole server (election/server over the production store on a disk in memory); the fuzzer is the rest of the
 * world: its clients, its peers, its clock. Nothing happens by chance. The disk is fast and never fails; what is sent
 * is in the socket at once.
 *
 * Whatever the world says, this must hold, and is asserted: nothing is asked of a connection that is gone, reading is
 * stopped and started in turns, no end of work is reached without time passing; and at the end the tree is sound, and
 * what is on the disk is recovered from. */
#ifndef BATON_TESTS_FUZZ_ONE_SERVER_H
#define BATON_TESTS_FUZZ_ONE_SERVER_H

#include "election/server/server_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/world/memory_storage.h"

/* The ensemble's ports, the same for each member; hosts are 10.0.0.<sid>. */
#define ONE_CLIENT_PORT   2181
#define ONE_QUORUM_PORT   2888
#define ONE_ELECTION_PORT 3888
/* Whose password is "super:admin". */
#define ONE_SUPER_DIGEST "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
/* Connections in one input, dials not counted that were refused. */
#define ONE_CONNS 64

struct one_conn {
        conn_id conn;
        enum port port;
        int64_t peer; /* sid at the other end of a dialled one, else 0 */
        bool dialled, open, reading, notify;
        bool ended;    /* by the server */
        uint8_t *held; /* said while the server did not read */
        size_t held_len, held_capacity;
        uint8_t *out; /* sent by the server, not taken yet */
        size_t out_len, out_capacity;
};

struct one_server {
        struct memory_storage *disk;
        struct store *store;
        struct snapstore *snapstore;
        struct server *server;
        struct effects fx, log_queue, snapshot_queue;
        uint64_t now_ms;
        int halted; /* exit status, -1 while it runs */
        struct one_conn conns[ONE_CONNS];
        size_t conn_count;
        conn_id accepted;
        conn_id dials[ONE_CONNS]; /* not answered */
        size_t dial_count;
        /* Whether peers can be dialled; else they refuse. */
        bool peers_accept;
};

/* Server `sid` of so many voters, on an empty disk, started. */
struct one_server *one_server_new(int64_t sid, int voters, bool peers_accept);
/* Asserts what has to hold at the end, and frees it. */
void one_server_end(struct one_server *s);

/* A connection to one of its ports; NULL when there are too many. */
struct one_conn *one_server_accept(struct one_server *s, enum port port);
/* The last open connection that it dialled to this peer, NULL if there is none. */
struct one_conn *one_server_dialled(struct one_server *s, int64_t peer, enum port port);
/* Says something, unless the connection has ended. The server gets it when it reads. */
void one_server_say(struct one_server *s, struct one_conn *c, const void *data, size_t len);
/* The same for a whole message; takes the reference. */
void one_server_say_blob(struct one_server *s, struct one_conn *c, struct blob *b);
void one_server_hang_up(struct one_server *s, struct one_conn *c, int status);
/* Lets time pass, all deadlines on the way. */
void one_server_pass(struct one_server *s, uint64_t ms);
void one_server_stop(struct one_server *s);
/* Forgets the first `len` bytes of what was sent. */
void one_conn_taken(struct one_conn *c, size_t len);

#endif
