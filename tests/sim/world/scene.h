/* Clients of the whole servers in tests/sim/world/world.h: carries out a client's effects on the world's byte
 * streams, and tells it what comes. */
#ifndef BATON_TESTS_SIM_WORLD_SCENE_H
#define BATON_TESTS_SIM_WORLD_SCENE_H

#include "election/client/client.h"
#include "tests/sim/world/world.h"

#define SCENE_PATRONS_MAX 64

/* One client and its way into the world. */
struct patron {
        struct client *c;
        struct effects fx;
        conn_id conn;            /* 0: no connection, and none being made */
        struct world_wire *wire; /* NULL with a conn: the dial under way is refused, or goes into the void */
        bool dialled;            /* told */
        bool stopped;            /* the process stands still: nothing is taken or told */
        bool cut;                /* nothing gets through between it and the servers; nobody is told. See scene_cut() */
        bool deaf;               /* what servers send waits, what it sends goes out: their answers come late */
        bool mute;               /* the other way round: what it sends waits, and is lost with the connection */
        struct jute_writer held; /* what it sent on this connection since */
        /* Its clock: offset_ms + (1 + rate_ppm / 10^6) of the world's time. To be set before it is started. */
        int64_t offset_ms;
        int32_t rate_ppm;
        char states[512]; /* names of the states told, one after the other; long runs are cut */
        size_t expired;
        void (*on_state)(struct patron *p, enum client_state state); /* may be NULL */
        void *ctx;
};

struct scene {
        struct world *w;
        int servers;
        struct patron patrons[SCENE_PATRONS_MAX];
        size_t count;
        int32_t timeout_ms;
        int32_t answer_divisor; /* of clients added from now on */
};

/* `servers` voters, started and serving. */
void scene_init(struct scene *s, int servers, uint64_t seed);
void scene_done(struct scene *s);
/* Another client of all servers, or of `only` one (0: all); started. `session` NULL: a new one. */
struct patron *scene_add(struct scene *s, int only, const struct client_session *session);
/* As scene_add(), with a clock of its own. */
struct patron *scene_add_skewed(struct scene *s, int only, const struct client_session *session, int64_t offset_ms,
                                int32_t rate_ppm);
/* Time by its clock. */
uint64_t scene_patron_now(const struct scene *s, const struct patron *p);
/* Cuts its cable, or mends it: then what both sides sent on a connection that still stands arrives. */
void scene_cut(struct patron *p, bool cut);
/* The process dies: its connection closes, nothing is said. Its callbacks run (client_free). */
void scene_kill_client(struct patron *p);
void scene_run(struct scene *s, uint64_t ms);
/* Runs until the client is connected, false after max_ms. */
bool scene_connected(struct scene *s, struct patron *p, uint64_t max_ms);
/* The sid of the server the client is at, 0 for none. */
int scene_server(const struct patron *p);

/* What a request was answered. */
struct scene_reply {
        bool done;
        enum client_outcome outcome;
        int32_t error;
        int64_t zxid;
        struct jute_stat stat;
        int32_t children, acls;
        size_t ops;
        char text[256]; /* the data, or the path of a create or sync */
};
/* A call that fills `ret`. */
struct client_call scene_call(struct scene_reply *ret);
/* Runs until it is there: the server's code; -ETIME after 10 s, -EIO for another outcome. */
int scene_await(struct scene *s, const struct scene_reply *r);

#endif
