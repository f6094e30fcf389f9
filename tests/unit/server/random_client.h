/* A client of a random run: pipelines requests drawn by chance, loses its connections, resumes its session
 * elsewhere, and holds every answer against what must be true of it. Never waits: random_client_step() once
 * per millisecond. */
#ifndef BATON_TESTS_SERVER_RANDOM_CLIENT_H
#define BATON_TESTS_SERVER_RANDOM_CLIENT_H

#include "tests/sim/world/world.h"
#include "tests/unit/server/random_chronicle.h"

/* Kinds of requests, and of trouble a client makes; see random_client.c. */
#define RANDOM_ACTIONS 17
/* Data of a bulk node: few of them are more than one portion of a snapshot. */
#define RANDOM_BULK_NODES 8
#define RANDOM_BULK_BYTES 150000

/* How the clients of one run behave; drawn per seed. */
struct random_habits {
        uint32_t pause_ms; /* about so long between two requests */
        uint32_t depth;    /* requests at once, at most RANDOM_DEPTH_MAX */
        uint32_t weights[RANDOM_ACTIONS];
        bool restores_watches; /* setWatches after a new connection, else they are forgotten */
        bool keeps_ghosts;     /* writes on the connection it has left, too */
};
#define RANDOM_DEPTH_MAX 16

/* What happened, over all clients and runs. */
struct random_tally {
        uint64_t moved, expired, events, restored, ghosts, acked, unknown;
};

struct random_client;

struct random_client *random_client_new(struct world *w, struct chronicle *chronicle,
                                        const struct random_habits *habits, struct random_tally *tally, uint64_t seed);
void random_client_free(struct random_client *a);
/* `busy`: new requests and new trouble; else it only finishes, keeps its session and stays connected. */
void random_client_step(struct random_client *a, bool busy);
/* Connected, and nothing outstanding. */
bool random_client_idle(const struct random_client *a);
/* Reads everything it watches, and all hot nodes, after a sync. */
void random_client_look(struct random_client *a);

#endif
