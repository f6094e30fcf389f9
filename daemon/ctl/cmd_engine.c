/* batonctl status --engine, snapshot: what this node's server says of itself, over its socket (docs/status.md). */
#include "daemon/common/json.h"
#include "daemon/common/problems.h"
#include "daemon/common/status_socket.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* An answer is far smaller. */
#define ENGINE_ANSWER_BYTES_MAX (16u << 20)
/* A snapshot of a large tree takes its time; --wait says otherwise. */
#define ENGINE_SNAPSHOT_WAIT_MS 600000

/* ---- asking ---- */

/* The socket of the node's own configuration. */
static int socket_of_node(const struct ctl_options *o, char *ret, size_t size)
{
        static struct problems problems; /* too large for a stack that should stay small */
        const char *path = o->config ? o->config : NODE_CONFIG_DEFAULT;
        struct node_config *c = NULL;
        problems_init(&problems, path);
        if (node_config_load(path, &c, &problems) < 0) {
                problems_print(&problems, stderr);
                return CTL_USAGE;
        }
        int status = CTL_DONE;
        if (!c->has_engine) {
                (void)fprintf(stderr, "batonctl: no engine runs on this node: %s connects to an ensemble elsewhere\n",
                              path);
                status = CTL_USAGE;
        } else if (status_socket_path(c->runtime_dir, ret, size) < 0) {
                (void)fprintf(stderr, "batonctl: %s is too long a directory for a socket\n", c->runtime_dir);
                status = CTL_USAGE;
        }
        node_config_free(c);
        return status;
}

static int64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads to the end. 0, -ETIMEDOUT, -EMSGSIZE, -errno. */
static int read_all(int fd, int64_t deadline_ms, char **ret, size_t *ret_len)
{
        char *text = NULL;
        size_t len = 0, capacity = 0;
        for (int r = 0;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                const int64_t left = deadline_ms - now_ms();
                text = mem_grow(text, &capacity, len + 65536, 1);
                ssize_t n = -1;
                if (left <= 0)
                        r = -ETIMEDOUT;
                else if (len > ENGINE_ANSWER_BYTES_MAX)
                        r = -EMSGSIZE;
                else if (poll(&p, 1, (int)left) < 0 || (p.revents && (n = read(fd, text + len, 65536)) < 0))
                        r = errno == EINTR ? 0 : -errno;
                if (r < 0) {
                        mem_free(text);
                        return r;
                }
                if (n > 0)
                        len += (size_t)n;
                if (n == 0)
                        break;
        }
        *ret = text;
        *ret_len = len;
        return 0;
}

static int exchange(const char *path, const char *line, uint64_t wait_ms, char **ret, size_t *ret_len)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        int r = 0;
        /* Without it connect() waits for ever where the queue of an engine that stands still is full. */
        const struct timeval patience = {.tv_sec = (time_t)(wait_ms / 1000),
                                         .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
            connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
            send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
                r = errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (r == 0)
                r = read_all(fd, now_ms() + (int64_t)wait_ms, ret, ret_len);
        (void)close(fd); /* nothing is lost */
        return r;
}

/* Says `line` and yields the object that comes back. Prints what is wrong and returns an exit status otherwise. */
static int ask(const char *path, const char *line, uint64_t wait_ms, json_t **ret)
{
        char *text = NULL;
        size_t len = 0;
        int r = exchange(path, line, wait_ms, &text, &len);
        bool dropped = r == -ECONNRESET || r == -EPIPE; /* before it has heard what we say */
        if (r < 0 && !dropped) {
                (void)fprintf(stderr, "batonctl: %s: %s%s\n", path, strerror(-r),
                              r == -ENOENT || r == -ECONNREFUSED ? "; does the engine run?" : "");
                return CTL_UNREACHABLE;
        }
        json_t *o = dropped ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        mem_free(text);
        if (!json_is_object(o)) {
                (void)fprintf(stderr,
                              "batonctl: %s: the engine closed without an answer: it has too many clients here, "
                              "or ends\n",
                              path);
                json_decref(o);
                return CTL_UNREACHABLE;
        }
        const char *error = json_value_text(o, "error", NULL);
        if (error) {
                (void)fprintf(stderr, "batonctl: %s\n", error);
                json_decref(o);
                return CTL_REFUSED;
        }
        *ret = o;
        return CTL_DONE;
}

static int ask_node(const struct ctl_options *o, const char *socket_path, const char *line, uint64_t wait_ms,
                    json_t **ret)
{
        char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
        if (socket_path && strlen(socket_path) >= sizeof path) {
                (void)fprintf(stderr, "batonctl: %s: too long a path for a socket\n", socket_path);
                return CTL_USAGE;
        }
        if (socket_path)
                (void)snprintf(path, sizeof path, "%s", socket_path);
        int status = socket_path ? CTL_DONE : socket_of_node(o, path, sizeof path);
        return status == CTL_DONE ? ask(path, line, wait_ms, ret) : status;
}

/* ---- status ---- */

static void print_json(json_t *o)
{
        (void)json_dumpf(o, stdout, JSON_INDENT(2));
        (void)putchar('\n');
}

static void print_server(const json_t *o)
{
        const json_t *monitor = json_object_get(o, "monitor");
        char age[32];
        (void)printf("server     %" PRId64 " (%s), %s, version %s, up %s\n", json_value_number(o, "id", 0),
                     json_value_text(o, "node", "?"), json_value_text(o, "mode", "?"),
                     json_value_text(o, "version", "?"), text_age(json_value_number(o, "uptime_ms", 0) / 1000, age));
        (void)printf("role       %s - %s, %s", json_value_text(o, "role", "?"), json_value_text(o, "phase", "?"),
                     json_value_flag(o, "serving", false) ? "serving" : "not serving");
        if (json_is_integer(json_object_get(o, "leader")))
                (void)printf(", leader %" PRId64, json_value_number(o, "leader", 0));
        (void)printf(", epoch %" PRId64 "\n", json_value_number(o, "epoch", 0));
        (void)printf("zxid       %s, logged %s, committed %s\n", json_value_text(o, "zxid", "?"),
                     json_value_text(o, "last_logged", "?"), json_value_text(o, "last_committed", "?"));
        (void)printf("data       %" PRId64 " znodes, %" PRId64 " bytes, %" PRId64 " sessions, %" PRId64
                     " ephemerals, %" PRId64 " watches\n",
                     json_value_number(monitor, "znode_count", 0),
                     json_value_number(monitor, "approximate_data_size", 0),
                     json_value_number(monitor, "global_sessions", 0),
                     json_value_number(monitor, "ephemerals_count", 0), json_value_number(monitor, "watch_count", 0));
        (void)printf("clients    %" PRId64 " connections, %" PRId64 " requests outstanding\n",
                     json_value_number(monitor, "num_alive_connections", 0),
                     json_value_number(monitor, "outstanding_requests", 0));
}

/* Latencies in milliseconds. */
static void print_latencies(const json_t *o, bool colour)
{
        static const char *const heads[] = {"LATENCY MS", "COUNT", "AVG", "P50", "P99", "MAX", NULL};
        static const struct {
                const char *key, *name;
        } rows[] = {{"readlatency", "reads"},
                    {"updatelatency", "writes"},
                    {"fsynctime", "disk syncs"},
                    {"quorum_ack_latency", "quorum"},
                    {"propagation_latency", "propagation"}};
        struct table *t = table_new(heads);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const json_t *s = json_object_get(json_object_get(o, "monitor"), rows[i].key);
                if (json_value_number(s, "cnt", 0) == 0)
                        continue;
                table_row(t);
                table_cell(t, SHADE_PLAIN, "%s", rows[i].name);
                table_cell(t, SHADE_PLAIN, "%" PRId64, json_value_number(s, "cnt", 0));
                table_cell(t, SHADE_PLAIN, "%.3f", json_real_value(json_object_get(s, "avg")));
                table_cell(t, SHADE_PLAIN, json_object_get(s, "p50") ? "%" PRId64 : "-",
                           json_value_number(s, "p50", 0));
                table_cell(t, SHADE_PLAIN, json_object_get(s, "p99") ? "%" PRId64 : "-",
                           json_value_number(s, "p99", 0));
                table_cell(t, SHADE_PLAIN, "%" PRId64, json_value_number(s, "max", 0));
        }
        (void)putchar('\n');
        table_print(t, colour, stdout);
        table_free(t);
}

static void print_learners(const json_t *o, bool colour)
{
        static const char *const heads[] = {"LEARNER", "ADDRESS", "ROLE", "STATE", "SINCE", "BY", "ACKED", "LAG", NULL};
        const json_t *list = json_object_get(o, "learners");
        if (json_array_size(list) == 0)
                return;
        struct table *t = table_new(heads);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *l = json_array_get(list, i);
                const bool active = strcmp(json_value_text(l, "state", ""), "active") == 0;
                const bool known = json_is_integer(json_object_get(l, "lag"));
                char age[32];
                table_row(t);
                table_cell(t, SHADE_PLAIN, "%" PRId64, json_value_number(l, "id", 0));
                table_cell(t, SHADE_PLAIN, "%s", json_value_text(l, "address", "-"));
                table_cell(t, SHADE_PLAIN, "%s", json_value_text(l, "role", "?"));
                table_cell(t, active ? SHADE_GOOD : SHADE_WARNING, "%s", json_value_text(l, "state", "?"));
                table_cell(t, SHADE_PLAIN, "%s", text_age(json_value_number(l, "since_ms", 0) / 1000, age));
                table_cell(t, SHADE_PLAIN, "%s", json_value_text(l, "synchronised_by", "?"));
                table_cell(t, SHADE_PLAIN, "%s", json_value_text(l, "acked_zxid", "-"));
                table_cell(t, SHADE_PLAIN, known ? "%" PRId64 : "-", json_value_number(l, "lag", 0));
        }
        (void)putchar('\n');
        table_print(t, colour, stdout);
        table_free(t);
}

int ctl_engine_status(const struct ctl_options *o, const char *socket_path)
{
        json_t *answer = NULL;
        int status = ask_node(o, socket_path, "status\n", o->wait_ms, &answer);
        if (status != CTL_DONE)
                return status;
        if (o->json) {
                print_json(answer);
        } else {
                print_server(answer);
                print_latencies(answer, o->colour);
                print_learners(answer, o->colour);
        }
        json_decref(answer);
        return CTL_DONE;
}

/* ---- snapshot ---- */

int cmd_snapshot(const struct ctl_options *o, int argc, char **argv)
{
        json_t *answer = NULL;
        if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
                (void)fprintf(stderr, "batonctl snapshot takes a SOCKET, or nothing; see batonctl --help\n");
                return CTL_USAGE;
        }
        const uint64_t wait_ms = o->wait_ms == CTL_WAIT_MS_DEFAULT ? ENGINE_SNAPSHOT_WAIT_MS : o->wait_ms;
        int status = ask_node(o, argc == 2 ? argv[1] : NULL, "snapshot\n", wait_ms, &answer);
        if (status != CTL_DONE)
                return status;
        if (o->json)
                print_json(answer);
        else
                (void)printf("%s: all up to %s\n", json_value_text(answer, "file", "?"),
                             json_value_text(answer, "zxid", "?"));
        json_decref(answer);
        return CTL_DONE;
}
