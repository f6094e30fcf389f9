/* The command line of baton-bench-load. */
#ifndef BATON_TESTS_BENCH_OPTIONS_H
#define BATON_TESTS_BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Servers that connections are spread over, and whose processor time is read. */
#define LOAD_SERVERS_MAX 9
/* Connections at once; each is a descriptor here and one in a server. */
#define LOAD_CONNECTIONS_MAX 19000
/* Requests under way on one connection. */
#define LOAD_OUTSTANDING_MAX 65536
/* Keys that sets and reads go to. */
#define LOAD_KEYS_MAX 10000000
/* Bytes of a value: what a server takes by default (jute.maxbuffer), less the rest of the request. */
#define LOAD_VALUE_BYTES_MAX 1000000

enum workload {
        WORKLOAD_SET,      /* setData on `keys` znodes */
        WORKLOAD_CREATE,   /* znodes, each of its own name */
        WORKLOAD_SEQ,      /* sequential ephemerals */
        WORKLOAD_READ,     /* getData */
        WORKLOAD_MIXED,    /* getData, and setData for `write_percent` of all */
        WORKLOAD_CHURN,    /* connect, create an ephemeral, close the session */
        WORKLOAD_STORM,    /* `connections` sessions as fast as they come */
        WORKLOAD_FANOUT,   /* one write, all connections watch */
        WORKLOAD_EXPIRY,   /* `connections` sessions, cut off all at once */
        WORKLOAD_SESSIONS, /* holds `connections` sessions */
        WORKLOAD_WATCHES,  /* holds `connections` sessions, each with `keys` watches */
        WORKLOAD_MAX,
};

struct load_options {
        enum workload workload;
        struct sockaddr_in servers[LOAD_SERVERS_MAX];
        int32_t pids[LOAD_SERVERS_MAX]; /* of the servers */
        uint32_t servers_count, pids_count;
        uint32_t connections, outstanding, keys, value_bytes, write_percent;
        uint32_t timeout_ms; /* of the sessions */
        uint64_t operations; /* so many instead of for a time; 0: for a time */
        double seconds, warmup_seconds;
        double rate;      /* operations per second, all connections together; 0: as fast as they come */
        const char *root; /* the znode that everything is below; it is made */
        bool keep;        /* leaves the znodes that were made */
        bool canned;      /* the servers only echo: nothing is read back */
};

/* 0, or -EINVAL with one line in `why`. */
int load_options_parse(int argc, char **argv, struct load_options *ret, char *why, size_t size);
const char *load_usage(void);
const char *workload_name(enum workload w);

#endif
