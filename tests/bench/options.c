#include "tests/bench/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const workload_names[] = {
        [WORKLOAD_SET] = "set",         [WORKLOAD_CREATE] = "create", [WORKLOAD_SEQ] = "seq",
        [WORKLOAD_READ] = "read",       [WORKLOAD_MIXED] = "mixed",   [WORKLOAD_CHURN] = "churn",
        [WORKLOAD_STORM] = "storm",     [WORKLOAD_FANOUT] = "fanout", [WORKLOAD_SESSIONS] = "sessions",
        [WORKLOAD_WATCHES] = "watches", [WORKLOAD_EXPIRY] = "expiry",
};
_Static_assert(sizeof workload_names / sizeof *workload_names == WORKLOAD_MAX, "each workload has a name");

const char *workload_name(enum workload w)
{
        return workload_names[w];
}

const char *load_usage(void)
{
        return "baton-bench-load --servers 127.0.0.1:PORT[,…] --workload NAME [OPTION…]: load on ZooKeeper servers\n"
               "  --workload NAME     set, create, seq (sequential ephemerals), read, mixed, churn (connect, create "
               "an\n"
               "                      ephemeral, close), storm (sessions), fanout (watchers), expiry\n"
               "                      (sessions cut off all at once), and, held until standard input ends: "
               "sessions, watches\n"
               "  --connections N     spread over the servers (32); for storm, fanout, expiry, sessions: how many\n"
               "  --outstanding N     requests under way on each (16); for churn and storm: sessions being made at "
               "once\n"
               "  --seconds S         measured (5)      --warmup S   before that (1)\n"
               "  --operations N      measures so many instead, without a warm-up\n"
               "  --rate R            so many a second in all, each time counted from when it was due\n"
               "  --keys N            znodes that are set and read (1000); for watches: watches of each connection\n"
               "  --size BYTES        of a value (1024)\n"
               "  --writes PERCENT    of mixed (30)\n"
               "  --timeout MS        of the sessions (30000)\n"
               "  --root PATH         made, with everything below it (/bench)\n"
               "  --keep              leaves the znodes that were made\n"
               "  --canned            the servers only echo: nothing is read back\n"
               "  --pids P[,…]        of the servers, for their processor time and memory\n"
               "Prints JSON. Ends with 0, or with 1 when any reply was wrong: a figure with an error is no figure.\n";
}

struct parsing {
        struct load_options *o;
        char *why;
        size_t size;
};

static int wrong(const struct parsing *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(const struct parsing *p, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        (void)vsnprintf(p->why, p->size, format, args);
        va_end(args);
        return -EINVAL;
}

static bool whole(const char *text, size_t len, uint64_t least, uint64_t most, uint64_t *ret)
{
        char copy[24] = "", *end = NULL;
        if (len == 0 || len >= sizeof copy || text[0] < '0' || text[0] > '9')
                return false;
        memcpy(copy, text, len);
        errno = 0;
        unsigned long long value = strtoull(copy, &end, 10);
        if (errno || *end || value < least || value > most)
                return false;
        *ret = value;
        return true;
}

/* Calls `take` for each part of a list separated by commas. */
static int each(const struct parsing *p, const char *list, int (*take)(const struct parsing *, const char *, size_t))
{
        for (const char *at = list;; at++) {
                size_t len = strcspn(at, ",");
                int r = take(p, at, len);
                at += len;
                if (r < 0 || *at == '\0')
                        return r;
        }
}

static int take_server(const struct parsing *p, const char *text, size_t len)
{
        char host[INET_ADDRSTRLEN] = "";
        const char *colon = memchr(text, ':', len);
        size_t host_len = colon ? (size_t)(colon - text) : 0;
        struct sockaddr_in to = {.sin_family = AF_INET};
        uint64_t port = 0;
        if (host_len == 0 || host_len >= sizeof host)
                return wrong(p, "--servers wants ADDRESS:PORT, not '%.*s'", (int)len, text);
        memcpy(host, text, host_len);
        if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || !whole(colon + 1, len - host_len - 1, 1, 65535, &port))
                return wrong(p, "--servers wants ADDRESS:PORT, not '%.*s'", (int)len, text);
        if (p->o->servers_count == LOAD_SERVERS_MAX)
                return wrong(p, "--servers takes %d at most", LOAD_SERVERS_MAX);
        to.sin_port = htons((uint16_t)port);
        p->o->servers[p->o->servers_count++] = to;
        return 0;
}

static int take_pid(const struct parsing *p, const char *text, size_t len)
{
        uint64_t pid = 0;
        if (!whole(text, len, 1, INT32_MAX, &pid))
                return wrong(p, "--pids wants numbers, not '%.*s'", (int)len, text);
        if (p->o->pids_count == LOAD_SERVERS_MAX)
                return wrong(p, "--pids takes %d at most", LOAD_SERVERS_MAX);
        p->o->pids[p->o->pids_count++] = (int32_t)pid;
        return 0;
}

static int set_workload(const struct parsing *p, const char *value)
{
        for (size_t i = 0; i < WORKLOAD_MAX; i++) {
                if (strcmp(value, workload_names[i]) == 0) {
                        p->o->workload = (enum workload)i;
                        return 0;
                }
        }
        return wrong(p, "no workload '%s'", value);
}

static int set_root(const struct parsing *p, const char *value)
{
        if (value[0] != '/' || value[1] == '\0' || strchr(value + 1, '/') || strlen(value) > 32)
                return wrong(p, "--root wants one level such as /bench, not '%s'", value);
        p->o->root = value;
        return 0;
}

/* Numbers: their names, bounds and places. */
struct number {
        const char *name;
        uint64_t least, most;
        size_t at;
};
#define AT(field) offsetof(struct load_options, field)
static const struct number numbers[] = {
        {"--connections", 1, LOAD_CONNECTIONS_MAX, AT(connections)},
        {"--outstanding", 1, LOAD_OUTSTANDING_MAX, AT(outstanding)},
        {"--keys", 1, LOAD_KEYS_MAX, AT(keys)},
        {"--size", 16, LOAD_VALUE_BYTES_MAX, AT(value_bytes)},
        {"--writes", 0, 100, AT(write_percent)},
        {"--timeout", 100, INT32_MAX, AT(timeout_ms)},
};
static const struct number fractions[] = {
        {"--seconds", 0, 86400, AT(seconds)},
        {"--warmup", 0, 3600, AT(warmup_seconds)},
        {"--rate", 0, 100000000, AT(rate)},
};

static int set_number(const struct parsing *p, const char *option, const char *value)
{
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
                const struct number *n = &numbers[i];
                uint64_t v = 0;
                if (strcmp(option, n->name) != 0)
                        continue;
                if (!whole(value, strlen(value), n->least, n->most, &v))
                        return wrong(p, "%s wants a number from %llu to %llu, not '%s'", option,
                                     (unsigned long long)n->least, (unsigned long long)n->most, value);
                *(uint32_t *)((char *)p->o + n->at) = (uint32_t)v;
                return 0;
        }
        for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
                const struct number *n = &fractions[i];
                if (strcmp(option, n->name) != 0)
                        continue;
                char *end = NULL;
                double v = strtod(value, &end);
                if (end == value || *end || !isfinite(v) || v < (double)n->least || v > (double)n->most)
                        return wrong(p, "%s wants a number up to %llu, not '%s'", option, (unsigned long long)n->most,
                                     value);
                *(double *)((char *)p->o + n->at) = v;
                return 0;
        }
        return wrong(p, "no such option: %s", option);
}

static int set_value(const struct parsing *p, const char *option, const char *value)
{
        if (strcmp(option, "--servers") == 0)
                return each(p, value, take_server);
        if (strcmp(option, "--pids") == 0)
                return each(p, value, take_pid);
        if (strcmp(option, "--workload") == 0)
                return set_workload(p, value);
        if (strcmp(option, "--root") == 0)
                return set_root(p, value);
        if (strcmp(option, "--operations") == 0)
                return whole(value, strlen(value), 1, UINT32_MAX, &p->o->operations)
                               ? 0
                               : wrong(p, "--operations wants a number, not '%s'", value);
        return set_number(p, option, value);
}

int load_options_parse(int argc, char **argv, struct load_options *ret, char *why, size_t size)
{
        struct parsing p = {.o = ret, .why = why, .size = size};
        bool chosen = false;
        *ret = (struct load_options){.connections = 32,
                                     .outstanding = 16,
                                     .keys = 1000,
                                     .value_bytes = 1024,
                                     .write_percent = 30,
                                     .timeout_ms = 30000,
                                     .seconds = 5,
                                     .warmup_seconds = 1,
                                     .root = "/bench"};
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--keep") == 0) {
                        ret->keep = true;
                        continue;
                }
                if (strcmp(argv[i], "--canned") == 0) {
                        ret->canned = true;
                        continue;
                }
                if (i + 1 == argc)
                        return wrong(&p, "no such option, or one without its value: %s", argv[i]);
                int r = set_value(&p, argv[i], argv[i + 1]);
                if (r < 0)
                        return r;
                chosen = chosen || strcmp(argv[i], "--workload") == 0;
                i++;
        }
        if (ret->servers_count == 0 || !chosen)
                return wrong(&p, "--servers and --workload are needed");
        return 0;
}
