/* A core that does what a test tells it: it stands in for server.h behind the engine's loop. */
#ifndef BATON_TESTS_ENGINE_FAKE_CORE_H
#define BATON_TESTS_ENGINE_FAKE_CORE_H

#include "election/server/status.h"

struct server {
        void (*step)(struct server *s, const struct event *e, struct effects *fx);
        uint64_t deadline;
        uint64_t last_mono_ns; /* time never goes back */
        struct server_facts facts;
        unsigned facts_set;
        unsigned events[EVENT_MAX]; /* how many of each came */
        enum event_type first;      /* the very first */
        conn_id client;             /* the last accepted one */
        char address[64];           /* its address */
        uint64_t ticket;            /* of an append that waits */
        uint64_t tick_ms;           /* when the last tick came */
        int status;                 /* of the last disk event */
        unsigned resets;
        unsigned *tree_looks; /* counts how often its size was asked for; NULL: nothing does */
        struct server_snapshots snapshots;
};

#endif
