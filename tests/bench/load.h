/* The load generator: one loop, many connections, and what every workload shares.
 *
 * A workload is a sequence of phases on the same connections: make the znodes, load, read back. A phase says which
 * request is next and when it is over (pump.h). Workloads that are about connections themselves have files of their
 * own (storm.c, fanout.c, expiry.c, hold.c). */
#ifndef BATON_TESTS_BENCH_LOAD_H
#define BATON_TESTS_BENCH_LOAD_H

#include "tests/bench/conn.h"
#include "tests/bench/histogram.h"
#include "tests/bench/options.h"

#include <jansson.h>

/* Directories that created znodes are spread over, so that no parent has too many. */
#define LOAD_DIRECTORIES_MAX 1000

enum do_op {
        DO_SET_KEY,    /* setData of a key's znode */
        DO_READ_KEY,   /* getData of it */
        DO_VERIFY_KEY, /* the same; the value must be the last one acknowledged */
        DO_WATCH_KEY,  /* the same, with a watch */
        DO_MAKE_KEY,   /* creates it */
        DO_DELETE_KEY,
        DO_MAKE_ROOT,
        DO_DELETE_ROOT,
        DO_MAKE_DIR, /* key is the directory's number */
        DO_DELETE_DIR,
        DO_STAT_DIR,    /* exists: what it has is added up */
        DO_CREATE_NODE, /* key is the znode's number */
        DO_READ_NODE,
        DO_DELETE_NODE,
        DO_CREATE_SEQ,
        DO_DELETE_SEQ,   /* key is the how manieth of this run */
        DO_CREATE_OWN,   /* an ephemeral of a churning session, named by key */
        DO_WATCH_ABSENT, /* exists with a watch, on a znode that is not there */
        DO_SYNC_ROOT,
        DO_CLOSE,
        DO_MAX,
};

/* What is known of a key's znode: enough to say what a read must yield. */
struct load_key {
        int64_t zxid;   /* of the last write acknowledged */
        uint64_t stamp; /* in that write's value */
        uint32_t sets;  /* acknowledged */
};

/* A server's processor time and memory, as /proc says. */
struct load_server_use {
        double cpu_seconds;
        uint64_t rss_bytes;
};

struct load_mark {
        uint64_t at_ns;
        double own_cpu_seconds;
        struct load_server_use servers[LOAD_SERVERS_MAX];
};

struct load {
        const struct load_options *o;
        int epoll;
        struct conn *conns;
        struct conn **dirty; /* those with something to write */
        uint32_t dirty_count, ready;
        struct load_key *keys;
        uint8_t *value;  /* a value to be sent: stamp, key, then what fill says */
        uint64_t stamps; /* given out */
        uint64_t random;
        int32_t granted_ms; /* the sessions' timeout: all ask for the same */
        uint64_t pinged_ns; /* when all were pinged last */
        uint64_t stalls;    /* times that an awaited answer had to be pinged for */
        uint64_t made;      /* znodes that this run created */
        uint32_t *seqs;     /* the numbers that servers gave, by key */
        size_t seqs_size;
        int64_t dir_children, dir_changes; /* added up by DO_STAT_DIR */
        struct load_mark from, to;         /* of the measured time */
        uint64_t measured;                 /* operations in it */
        double measured_seconds;           /* if that is less than between the marks; else 0 */
        struct histogram latency;
        json_t *verified; /* what was read back */

        /* What the workload under way wants to hear; set before load_turn(). */
        void *context;
        void (*on_ready)(struct load *l, struct conn *c);
        void (*on_reply)(struct load *l, struct conn *c, const struct conn_request *what);
        void (*on_event)(struct load *l, struct conn *c, const struct jute_watcher_event *event);
};

uint64_t now_ns(void);

void load_init(struct load *l, const struct load_options *o);
void load_done(struct load *l);
/* Begins to connect one of l->conns to its server. */
void load_open(struct load *l, struct conn *c);
/* Closes it. */
void load_drop(struct load *l, struct conn *c);
/* Connections being opened at once, where that is not measured: below the backlog of 50 that Java listens with. */
#define LOAD_OPENING 32
/* Opens all connections, `at_once` at a time; each takes the time until its session is granted into l->latency. */
void load_open_all(struct load *l, uint32_t at_once);
/* Notes that there is something to write: it leaves at the end of this turn. */
void load_touch(struct load *l, struct conn *c);
/* One turn: waits for what comes, at most until `until_ns`, handles it and writes. */
void load_turn(struct load *l, uint64_t until_ns);
/* Called by all that wait for replies, in each turn. Pings, as a client that waits does, when nothing came for
 * load_ping_ns(), and counts that in l->stalls; ends the run when nothing came for too long. */
void load_check_progress(struct load *l, uint64_t since_ns, const char *what);
/* A ping on each connection that has a session; returns how many these are. */
uint32_t load_ping_all(struct load *l);
/* How soon a client pings that has nothing else to say: a third of the timeout, as ZooKeeper's do. */
uint64_t load_ping_ns(const struct load *l);

/* Marks the beginning and the end of the measured time. */
void load_mark(const struct load *l, struct load_mark *ret);

/* ---- requests.c: what goes out and what must come back ---- */
void request_put(struct load *l, struct conn *c, enum do_op op, uint32_t key, uint64_t began_ns);
/* Checks a reply; any error, and any field that is not as it must be, ends the run. */
void request_check(struct load *l, struct conn *c, const struct conn_request *what,
                   const struct jute_reply_header *head, struct jute_reader *body);
/* So many directories are used. */
uint32_t request_directories(const struct load *l);

/* ---- workloads ---- */
void requests_run(struct load *l); /* set, create, seq, read, mixed */
void churn_run(struct load *l);
void storm_run(struct load *l);
void fanout_run(struct load *l);
void expiry_run(struct load *l);
void hold_run(struct load *l);

/* The result as one JSON object; the caller releases it. */
json_t *report_of(const struct load *l);
json_t *report_histogram(const struct histogram *h); /* in microseconds */

#endif
