/* baton-engine: one server of a Zab ensemble.
 *
 *   read the configuration -> lock the data directory -> recover -> open the ports -> run -> exit status
 *
 * Each step has its own exit status (engine.h) and undoes what came before it. */
#include "daemon/common/descriptors.h"
#include "daemon/common/log.h"
#include "daemon/common/settings.h"
#include "daemon/common/status_socket.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/engine_config.h"
#include "daemon/engine/storage_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* Descriptors that are not for clients: log, snapshots, peers, pipes of the loop. */
#define DESCRIPTORS_RESERVED 128
/* Of libuv's pool, which only resolves names. */
#define RESOLVER_THREADS "2"
/* Free memory at the heap's top beyond this goes back to the system. */
#define TRIM_BYTES (1 << 20)

struct options {
        const char *config;
        int control_fd; /* -1: nobody supervises it */
        int status_fd;  /* -1: it makes the status socket itself */
        bool check;
};

/* Everything that was made, in the order of making. */
struct node {
        struct engine_config config;
        struct storage_posix *storage;
        struct store *store;
        struct snapstore *snapstore;
        struct server *server;
        struct engine *engine;
        uint64_t recovery_ms, recovered_txns;
};

/* ---- the command line ---- */

static void print_help(void)
{
        (void)printf("Usage: baton-engine --config FILE [--check] [--control-fd N]\n"
                     "One server of a Zab ensemble, as ZooKeeper's clients and servers know it.\n\n"
                     "  --config FILE   the configuration (sections [node] and [ensemble])\n"
                     "  --check         judge the configuration, touch nothing else\n"
                     "  --control-fd N  one end of a socketpair with batond, which started it; when that closes, it\n"
                     "                  ends\n"
                     "  --status-fd N   the listening socket of the status call, made by batond\n"
                     "  --version       print the version\n"
                     "  --help          print this\n\n"
                     "SIGTERM and SIGINT end it cleanly. Exit status: 0 clean stop, 1 ended at once or wrong usage,\n"
                     "2 configuration wrong, 3 data directory refused, 4 disk failed, 5 a port cannot be opened.\n");
        engine_config_help(stdout);
}

/* Nothing has been opened yet: a descriptor that is open was given to us. */
static int read_descriptor(const char *option, const char *text, int *ret)
{
        int64_t fd = -1;
        if (settings_number(text, STDERR_FILENO + 1, INT32_MAX, &fd) == 0 && fcntl((int)fd, F_GETFD) >= 0) {
                *ret = (int)fd;
                return 0;
        }
        (void)fprintf(stderr, "baton-engine: --%s %s: no such descriptor was given to it\n", option,
                      log_quote(text).text);
        return -EBADF;
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"check", no_argument, NULL, 'n'},
                {"control-fd", required_argument, NULL, 'f'},
                {"status-fd", required_argument, NULL, 's'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        for (int c; (c = getopt_long(argc, argv, "c:h", known, NULL)) != -1;) {
                switch (c) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'n':
                        ret->check = true;
                        break;
                case 'f':
                        if (read_descriptor("control-fd", optarg, &ret->control_fd) < 0)
                                return ENGINE_EXIT_AT_ONCE;
                        break;
                case 's':
                        if (read_descriptor("status-fd", optarg, &ret->status_fd) < 0)
                                return ENGINE_EXIT_AT_ONCE;
                        break;
                case 'V':
                        (void)printf("baton-engine %s\n", BATON_VERSION);
                        return ENGINE_EXIT_CLEAN;
                case 'h':
                        print_help();
                        return ENGINE_EXIT_CLEAN;
                default:
                        (void)fprintf(stderr, "Try baton-engine --help.\n");
                        return ENGINE_EXIT_AT_ONCE;
                }
        }
        if (ret->config && optind == argc)
                return -1;
        (void)fprintf(stderr, "baton-engine needs --config FILE and nothing else. Try --help.\n");
        return ENGINE_EXIT_AT_ONCE;
}

/* ---- the process ---- */

/* As many descriptors as we may have; clients get what is left. */
static void raise_descriptors(struct server_config *config)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        if (limit.rlim_cur < limit.rlim_max) {
                rlim_t before = limit.rlim_cur;
                limit.rlim_cur = limit.rlim_max;
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                        limit.rlim_cur = before;
        }
        uint64_t left = limit.rlim_cur > DESCRIPTORS_RESERVED ? limit.rlim_cur - DESCRIPTORS_RESERVED : 1;
        if (left >= config->max_cnxns)
                return;
        log_warning("only %" PRIu64 " client connections instead of %" PRIu32 ": the limit of descriptors is %" PRIu64,
                    left, config->max_cnxns, (uint64_t)limit.rlim_cur);
        config->max_cnxns = (uint32_t)left;
}

/* Memory is freed by the thread that took it or by the loop: one arena serves all, and the two disk
 * threads take little. */
static void tune_process(void)
{
        (void)mallopt(M_ARENA_MAX, 1);
        (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
        (void)setenv("UV_THREADPOOL_SIZE", RESOLVER_THREADS, 0); /* too little memory to set it shows elsewhere */
        (void)signal(SIGPIPE, SIG_IGN);                          /* a write to a closed connection returns EPIPE */
}

/* Recovery may take long, and nothing has been promised to anybody before the loop runs: whoever stops the
 * server then is obeyed at once, and that is a clean end. The loop has handlers of its own. */
static void end_at_start(int number)
{
        (void)number;
        _exit(ENGINE_EXIT_CLEAN);
}

static void obey_early_signals(void)
{
        const struct sigaction action = {.sa_handler = end_at_start};
        (void)sigaction(SIGTERM, &action, NULL); /* these fail for impossible signals only */
        (void)sigaction(SIGINT, &action, NULL);
}

static uint64_t random_seed(void)
{
        uint64_t seed = 0;
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
                log_warning("no randomness from the system: timing jitter and hash tables will be the same each time");
        return seed;
}

/* ---- the steps ---- */

static int load(const char *path, struct engine_config *ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        problems_init(&problems, path);
        if (engine_config_load(path, ret, &problems) == 0)
                return ENGINE_EXIT_CLEAN;
        problems_print(&problems, stderr);
        return ENGINE_EXIT_CONFIG;
}

static struct store_config store_settings(const struct engine_config *c)
{
        struct member_set self = {0};
        member_set_add(&self, &c->server.ensemble, c->server.sid);
        return (struct store_config){
                .item_max = server_item_max(&c->server),
                .preallocate_bytes = c->preallocate_bytes,
                .history_max = c->server.commit_log_count,
                .history_bytes_max = SERVER_COMMIT_LOG_BYTES,
                .retain_snapshots = c->retain_snapshots,
                .alone = ensemble_is_quorum(&c->server.ensemble, &self),
                .hash_seed = c->server.seed,
        };
}

static void say_recovered(const struct recovered *r, const char *data_dir)
{
        log_info("%s: snapshot 0x%" PRIx64 " and %zu transactions from the log; last zxid 0x%" PRIx64
                 ", epochs %" PRId64 " accepted, %" PRId64 " current",
                 data_dir, (uint64_t)r->snapshot_zxid, r->replayed, (uint64_t)r->last_zxid, r->accepted_epoch,
                 r->current_epoch);
        if (r->note[0])
                log_warning("%s", r->note);
        if (r->digest_mismatches)
                log_warning("%zu transactions led to another tree than their writer had: the digests differ",
                            r->digest_mismatches);
}

/* From the locked directory to the core. */
static int recover(struct node *n)
{
        char why[STORE_WHY_MAX] = "";
        struct recovered recovered = {0};
        const struct store_config settings = store_settings(&n->config);
        if (storage_posix_open(n->config.data_dir, n->config.server.sid, &n->storage, why) < 0) {
                log_error("%s", why);
                return ENGINE_EXIT_DATA;
        }
        const uint64_t since_ns = uv_hrtime();
        n->store = store_new(storage_posix_io(n->storage), &settings);
        n->snapstore = snapstore_new(storage_posix_io(n->storage), &settings);
        if (store_recover(n->store, &recovered, why) < 0) {
                log_error("%s: %s", n->config.data_dir, why);
                recovered_done(&recovered);
                return ENGINE_EXIT_DATA;
        }
        say_recovered(&recovered, n->config.data_dir);
        n->recovery_ms = (uv_hrtime() - since_ns) / 1000000;
        n->recovered_txns = recovered.replayed;
        n->server = server_new(&n->config.server, &recovered);
        recovered_done(&recovered);
        (void)malloc_trim(0); /* recovery needs more than what it leaves */
        return ENGINE_EXIT_CLEAN;
}

/* The server is worth more than what it says of itself: without the socket it runs all the same. */
static void offer_status(struct node *n, int status_fd)
{
        const char *dir = n->config.runtime_dir;
        if (status_fd < 0 && !dir[0])
                return;
        int fd = status_fd >= 0 ? status_fd : status_socket_listen(dir, (uid_t)-1, (gid_t)-1);
        int r = fd < 0 ? fd : engine_status(n->engine, fd);
        if (r < 0)
                log_warning("no status call in %s: %s", dir[0] ? dir : "the socket given", strerror(-r));
}

static int run(struct node *n, int control_fd, int status_fd)
{
        char why[512];
        const struct engine_parts parts = {.config = &n->config,
                                           .server = n->server,
                                           .store = n->store,
                                           .snapstore = n->snapstore,
                                           .storage = n->storage,
                                           .recovery_ms = n->recovery_ms,
                                           .recovered_txns = n->recovered_txns};
        if (engine_new(&parts, &n->engine, why, sizeof why) < 0) {
                log_error("%s", why);
                return ENGINE_EXIT_LISTEN;
        }
        int r = control_fd >= 0 ? engine_control(n->engine, control_fd) : 0;
        if (r < 0) {
                log_error("descriptor %d can't be spoken over with the supervisor: %s", control_fd, strerror(-r));
                return ENGINE_EXIT_AT_ONCE;
        }
        offer_status(n, status_fd);
        log_info("server %" PRId64 " of %zu, for clients on %s port %u", n->config.server.sid,
                 n->config.server.ensemble.count, n->config.client_host, (unsigned)n->config.client_port);
        return engine_run(n->engine);
}

static void undo(struct node *n)
{
        engine_free(n->engine);
        server_free(n->server);
        snapstore_free(n->snapstore);
        store_free(n->store);
        storage_posix_close(n->storage);
}

int main(int argc, char **argv)
{
        static struct node node; /* too large for a stack that should stay small */
        struct options options = {.control_fd = -1, .status_fd = -1};
        if (descriptors_open_standard() < 0)
                return ENGINE_EXIT_AT_ONCE; /* and nowhere to say why */
        int status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        log_open("baton-engine", LOG_LEVEL_INFO);
        tune_process();
        obey_early_signals();
        status = load(options.config, &node.config);
        if (status != ENGINE_EXIT_CLEAN)
                return status;
        if (options.check) {
                (void)printf("%s: nothing wrong\n", options.config);
                return ENGINE_EXIT_CLEAN;
        }
        log_standing("BATON_NODE", node.config.server.name[0] ? node.config.server.name : NULL);
        raise_descriptors(&node.config.server);
        node.config.server.seed = random_seed();
        status = recover(&node);
        if (status == ENGINE_EXIT_CLEAN)
                status = run(&node, options.control_fd, options.status_fd);
        undo(&node);
        return status;
}
