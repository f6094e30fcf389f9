/* A raw client of a scenario: frames in and out, one connection at a time, nothing done by itself but pings. */
#ifndef BATON_TESTS_SIM_SCENARIO_CLIENT_H
#define BATON_TESTS_SIM_SCENARIO_CLIENT_H

#include "tests/sim/scenario/stage.h"

/* Requests under way. */
#define ACTOR_REQUESTS_MAX 8192
/* Watches it keeps track of. */
#define ACTOR_WATCHES_MAX 32
/* Longest text about a request, and its path. */
#define ACTOR_LABEL_BYTES 256
#define ACTOR_PATH_BYTES  128
/* Operations in one multi. */
#define ACTOR_OPS_MAX 8

/* In the order of setWatches2; the last two stay when they have told of something. */
enum watch_kind {
        WATCHES_DATA,
        WATCHES_EXIST,
        WATCHES_CHILD,
        WATCHES_PERSISTENT,
        WATCHES_RECURSIVE,
        WATCHES_KIND_MAX,
};

struct actor_watch {
        enum watch_kind kind;
        char path[ACTOR_PATH_BYTES];
        int64_t mzxid; /* of the node when it was set, for data */
};

/* One change that a request asks for. */
struct actor_op {
        int32_t type;
        bool ephemeral, sequential;
        char path[ACTOR_PATH_BYTES];
};

struct actor_request {
        int32_t xid, type;
        char label[ACTOR_LABEL_BYTES];
        struct actor_op ops[ACTOR_OPS_MAX]; /* one where it is no multi */
        size_t op_count;
        bool watch, one_of_many;
        enum watch_kind added; /* by addWatch */
};

/* What somebody was told has been done. */
struct actor_done {
        char path[ACTOR_PATH_BYTES];
        bool gone;
        int64_t zxid;
};

struct actor {
        struct stage *st;
        char name[STAGE_NAME_BYTES];
        int rank;
        struct world_wire *wire;
        bool connecting, connected;
        bool quiet;     /* no pings */
        bool cut, deaf; /* nothing passes; what servers send waits */
        struct text in, held;
        int sid;
        int64_t session, seen;
        int32_t timeout_ms, next_xid;
        uint8_t passwd[16];
        uint64_t sent_ms;
        struct actor_request *requests; /* under way, oldest first */
        size_t count, capacity;
        struct actor_watch watches[ACTOR_WATCHES_MAX];
        size_t watch_count;
        struct actor_done *done;
        size_t done_count, done_capacity;
        char outcome[ACTOR_LABEL_BYTES]; /* of the last one that ended: "ok", an error's name, data, "lost" */
        size_t many_ok, many_other;
};

const char *actor_error_name(int32_t error);
/* Begins a connection with what it knows of its session. */
void actor_connect(struct actor *a, int sid);
/* Ends it; requests under way are lost. `why` for the transcript. */
void actor_drop(struct actor *a, const char *why);
/* Sends a frame. */
void actor_send(struct actor *a, const struct jute_writer *w);
/* client_reply.c: takes what has come. */
void actor_take(struct actor *a);

#endif
