/* baton-agent: this node's session with the ensemble.
 *
 *   read the configuration -> resume the session, or begin one -> the loop, until the supervisor says how to end
 *
 * The loop decides nothing (agent.h does): before it waits, the agent does what is due and the client sends what was
 * asked for meanwhile. */
#include "daemon/agent/agent.h"
#include "daemon/agent/agent_log.h"
#include "daemon/agent/links.h"
#include "daemon/agent/session_file.h"
#include "daemon/common/client_loop.h"
#include "daemon/common/clock.h"
#include "daemon/common/descriptors.h"
#include "daemon/common/ipc.h"
#include "daemon/common/log.h"
#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* A server that owes an answer is left after this part of the session timeout: a lease has four fifths of it. */
#define ANSWER_DIVISOR 4
/* Rounds of work before the loop looks at its sockets again. */
#define ROUNDS_MAX 16
/* How long the last words to the supervisor may take. */
#define FAREWELL_MS 200
/* Of libuv's pool, which only resolves names. */
#define RESOLVER_THREADS "2"

enum agent_exit {
        AGENT_EXIT_CLEAN,   /* told to end */
        AGENT_EXIT_USAGE,   /* wrong usage, or no loop to be had */
        AGENT_EXIT_CONFIG,  /* the configuration is wrong */
        AGENT_EXIT_CHANNEL, /* the supervisor's channel does not work */
};

struct options {
        const char *config;
        int control_fd;
};

struct process {
        struct node_config *config;
        struct session_file file;
        bool file_failed; /* said so */
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        uv_loop_t loop;
        uv_prepare_t before_wait;
        uv_timer_t timer;
        struct ipc *control;
        struct links *links;
        struct client_loop *client;
        struct agent *agent;
};

/* ---- the command line ---- */

static void print_help(void)
{
        (void)printf(
                "Usage: baton-agent --config FILE --control-fd N\n"
                "This node's session with the ensemble: membership, groups, committed configuration. batond starts "
                "it.\n\n"
                "  --config FILE     the configuration\n"
                "  --control-fd N    the supervisor's end\n"
                "  --version         print the version\n"
                "  --help            print this\n\n"
                "The session is kept in RUNTIME_DIR/agent/session, so that a successor goes on with it.\n"
                "Exit status: 0 told to end; 1 wrong usage; 2 the configuration is wrong; 3 the channel to the\n"
                "supervisor does not work.\n");
}

static bool read_number(const char *text, int *ret)
{
        char *end = NULL;
        errno = 0;
        long n = strtol(text, &end, 10);
        if (errno || end == text || *end || n < 0 || n > INT32_MAX)
                return false;
        *ret = (int)n;
        return true;
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"control-fd", required_argument, NULL, 'f'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
                switch (c) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'f':
                        if (!read_number(optarg, &ret->control_fd)) {
                                (void)fprintf(stderr, "baton-agent: --control-fd %s: must be a descriptor's number\n",
                                              optarg);
                                return AGENT_EXIT_USAGE;
                        }
                        break;
                case 'V':
                        (void)printf("baton-agent %s\n", BATON_VERSION);
                        return AGENT_EXIT_CLEAN;
                case 'h':
                        print_help();
                        return AGENT_EXIT_CLEAN;
                default:
                        (void)fprintf(stderr, "Try baton-agent --help.\n");
                        return AGENT_EXIT_USAGE;
                }
        }
        if (ret->config && ret->control_fd >= 0 && optind == argc)
                return -1;
        (void)fprintf(stderr, "baton-agent is started by batond. Try --help.\n");
        return AGENT_EXIT_USAGE;
}

static int load(const char *path, struct node_config **ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        problems_init(&problems, path);
        int r = node_config_load(path, ret, &problems);
        if (r == 0)
                return AGENT_EXIT_CLEAN;
        problems_print(&problems, stderr);
        if (problems.count == 0)
                (void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return AGENT_EXIT_CONFIG;
}

/* ---- who this is ---- */

static size_t read_file(const char *path, char *ret, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size);
        if (fd >= 0)
                (void)close(fd);
        return n > 0 ? (size_t)n : 0;
}

/* Tells two nodes apart that were given the same name: a hash of machine and runtime directory. */
static void set_instance(struct process *p)
{
        char machine[256];
        size_t len = read_file("/etc/machine-id", machine, sizeof machine);
        if (len == 0 && gethostname(machine, sizeof machine) == 0)
                len = strnlen(machine, sizeof machine);
        uint64_t seed = hash_bytes(machine, len, 1);
        (void)snprintf(p->instance, sizeof p->instance, "%016" PRIx64,
                       hash_bytes(p->config->runtime_dir, strlen(p->config->runtime_dir), seed));
}

/* ---- the agent's host ---- */

static uint64_t host_now_ms(void *ctx)
{
        (void)ctx;
        return clock_boottime_ms();
}

static struct client *host_client(void *ctx)
{
        return client_loop_client(((struct process *)ctx)->client);
}

static void host_start(void *ctx)
{
        client_loop_start(((struct process *)ctx)->client);
}

static void host_close(void *ctx, uint64_t wait_ms)
{
        client_loop_close(((struct process *)ctx)->client, wait_ms);
}

static void host_control(void *ctx, const struct message *m)
{
        struct process *p = ctx;
        if (p->control)
                (void)ipc_send(p->control, m); /* if it failed, on_control_closed() follows */
}

static void host_send(void *ctx, size_t worker, const struct message *m)
{
        links_send(((struct process *)ctx)->links, worker, m);
}

static void host_drop(void *ctx, size_t worker)
{
        links_drop(((struct process *)ctx)->links, worker);
}

static void host_save(void *ctx, const struct client_session *session)
{
        struct process *p = ctx;
        int r = session ? session_file_write(&p->file, session) : session_file_remove(&p->file);
        if (r < 0 && !p->file_failed)
                log_warning("%s: %s: should this agent crash, its session is lost, and with it what the node holds",
                            p->file.path, strerror(-r));
        p->file_failed = r < 0;
}

static void host_log(void *ctx, const struct agent_line *line)
{
        (void)ctx;
        agent_log_write(line);
}

static void host_ended(void *ctx)
{
        uv_stop(&((struct process *)ctx)->loop);
}

static const struct agent_host agent_host = {.now_ms = host_now_ms,
                                             .client = host_client,
                                             .start = host_start,
                                             .close = host_close,
                                             .control = host_control,
                                             .send = host_send,
                                             .drop = host_drop,
                                             .save = host_save,
                                             .log = host_log,
                                             .ended = host_ended};

/* ---- events ---- */

static void on_client_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct process *p = ctx;
        (void)status; /* `why` says it in words */
        if (p->agent)
                agent_client_state(p->agent, state, why);
}

static void on_worker_linked(void *ctx, size_t worker)
{
        agent_worker_linked(((struct process *)ctx)->agent, worker);
}

static void on_worker_message(void *ctx, size_t worker, const struct message *m)
{
        agent_worker_message(((struct process *)ctx)->agent, worker, m);
}

static void on_worker_gone(void *ctx, size_t worker)
{
        agent_worker_gone(((struct process *)ctx)->agent, worker);
}

static void on_engine_message(void *ctx, const struct message *m)
{
        struct process *p = ctx;
        if (m->type == MESSAGE_ROLE)
                agent_engine_role(p->agent, m->role, m->text);
        else
                log_warning("the engine says %s, which means nothing here", message_type_name(m->type));
}

static void on_engine_gone(void *ctx)
{
        agent_engine_gone(((struct process *)ctx)->agent);
}

static const struct links_host links_host = {.worker_linked = on_worker_linked,
                                             .worker_message = on_worker_message,
                                             .worker_gone = on_worker_gone,
                                             .engine_message = on_engine_message,
                                             .engine_gone = on_engine_gone};

static void on_control(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct process *p = ctx;
        switch (m->type) {
        case MESSAGE_PING: {
                struct message pong = message_of(MESSAGE_PONG);
                pong.number = m->number;
                (void)ipc_send(ipc, &pong); /* if it failed, on_control_closed() follows */
                break;
        }
        case MESSAGE_LINK:
                links_take(p->links, m->name.text, m->fd);
                break;
        case MESSAGE_STOP:
                agent_stop(p->agent, m->stop);
                break;
        default:
                log_warning("the supervisor says %s, which means nothing here", message_type_name(m->type));
        }
}

/* Without a supervisor nobody would start us again, nor stop what overruns: a successor goes on. */
static void on_control_closed(void *ctx, struct ipc *ipc, int status)
{
        struct process *p = ctx;
        log_warning("the supervisor is gone%s%s; leaving everything as it is", status ? ": " : "",
                    status ? strerror(-status) : "");
        ipc_free(ipc);
        p->control = NULL;
        agent_stop(p->agent, STOP_KEEP);
}

static void on_timer(uv_timer_t *timer)
{
        (void)timer; /* it ends the waiting; before_wait() does the work */
}

static void before_wait(uv_prepare_t *prepare)
{
        struct process *p = prepare->data;
        uint64_t now = 0, at = 0;
        for (int i = 0; i < ROUNDS_MAX && at <= now; i++) {
                agent_turn(p->agent);
                client_loop_flush(p->client);
                now = clock_boottime_ms();
                at = agent_deadline(p->agent);
        }
        if (at == UINT64_MAX) {
                (void)uv_timer_stop(&p->timer); /* never fails */
                return;
        }
        uv_update_time(&p->loop); /* a timer counts from the loop's own idea of now */
        (void)uv_timer_start(&p->timer, on_timer, at > now ? at - now : 0, 0); /* fails without a callback only */
}

/* ---- the steps ---- */

static int make_client(struct process *p)
{
        struct client *c = NULL;
        struct client_server servers[NODE_CONNECT_MAX];
        struct client_config config = {.servers = servers,
                                       .server_count = p->config->server_count,
                                       .own_first = p->config->has_engine,
                                       .session_timeout_ms = (int32_t)p->config->session_timeout_ms,
                                       .answer_divisor = ANSWER_DIVISOR,
                                       .on_state = on_client_state,
                                       .ctx = p};
        for (size_t i = 0; i < config.server_count && i < NODE_CONNECT_MAX; i++) {
                memcpy(servers[i].host, p->config->servers[i].host, sizeof servers[i].host);
                servers[i].port = p->config->servers[i].port;
        }
        if (getrandom(&config.seed, sizeof config.seed, 0) != (ssize_t)sizeof config.seed)
                log_warning("no randomness from the system: the servers are tried in the same order each time");
        p->file.servers = session_file_servers(servers, config.server_count);
        int r = session_file_read(&p->file, &config.session);
        if (r < 0 && r != -ENOENT && r != -ESTALE)
                log_warning("%s: %s: beginning a new session", p->file.path, strerror(-r));
        r = client_new(&config, &c);
        if (r == 0)
                r = client_loop_new(&p->loop, c, &p->client);
        if (r < 0 && c)
                client_free(c);
        if (r < 0)
                log_error("no client of the ensemble: %s", strerror(-r));
        return r;
}

static void make_agent(struct process *p)
{
        struct agent_config config = {.config = p->config,
                                      .version = BATON_VERSION,
                                      .started = (int64_t)time(NULL),
                                      .host = &agent_host,
                                      .ctx = p};
        memcpy(config.instance, p->instance, sizeof config.instance);
        memcpy(config.boot_id, p->file.boot_id, sizeof config.boot_id);
        p->agent = agent_new(&config);
}

static int begin(struct process *p, int control_fd)
{
        int r = uv_loop_init(&p->loop);
        if (r < 0) {
                log_error("no event loop: %s", strerror(-r));
                return AGENT_EXIT_USAGE;
        }
        (void)uv_timer_init(&p->loop, &p->timer); /* these two never fail */
        (void)uv_prepare_init(&p->loop, &p->before_wait);
        p->before_wait.data = p;
        (void)snprintf(p->file.path, sizeof p->file.path, "%s/agent/session", p->config->runtime_dir);
        clock_boot_id(p->file.boot_id);
        set_instance(p);
        p->links = links_new(&p->loop, p->config, &links_host, p);
        if (make_client(p) < 0)
                return AGENT_EXIT_USAGE;
        make_agent(p);
        r = ipc_new(&p->loop, control_fd, on_control, on_control_closed, p, &p->control);
        if (r < 0) {
                log_error("--control-fd %d: %s", control_fd, strerror(-r));
                p->control = NULL;
                return AGENT_EXIT_CHANNEL;
        }
        return AGENT_EXIT_CLEAN;
}

static void run(struct process *p)
{
        client_loop_start(p->client);
        (void)uv_prepare_start(&p->before_wait, before_wait); /* fails without a callback only */
        (void)uv_run(&p->loop, UV_RUN_DEFAULT);               /* until host_ended() */
        if (p->control)
                ipc_flush(p->control, FAREWELL_MS);
}

static void undo(struct process *p)
{
        ipc_free(p->control);
        client_loop_free(p->client); /* the session, if it was not closed, is left to a successor */
        agent_free(p->agent);
        links_free(p->links);
        uv_close((uv_handle_t *)&p->before_wait, NULL);
        uv_close((uv_handle_t *)&p->timer, NULL);
        for (int i = 0; i < ROUNDS_MAX && uv_loop_alive(&p->loop); i++)
                (void)uv_run(&p->loop, UV_RUN_NOWAIT);
        (void)uv_loop_close(&p->loop); /* busy: a resolver that hangs; the process ends all the same */
        node_config_free(p->config);
}

static void ignore(int number)
{
        (void)number;
}

/* Whoever stops the node tells the supervisor, which tells us how. */
static void obey_nobody_else(void)
{
        const struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
        const int ours[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
                (void)sigaction(ours[i], &action, NULL); /* these fail for impossible signals only */
}

int main(int argc, char **argv)
{
        static struct process process; /* too large for a stack that should stay small */
        struct options options = {.control_fd = -1};
        if (descriptors_open_standard() < 0)
                return AGENT_EXIT_USAGE; /* and nowhere to say why */
        int status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        log_open("baton-agent", LOG_LEVEL_INFO);
        obey_nobody_else();
        (void)setenv("UV_THREADPOOL_SIZE", RESOLVER_THREADS, 0); /* too little memory to set it shows elsewhere */
        status = load(options.config, &process.config);
        if (status != AGENT_EXIT_CLEAN)
                return status;
        log_standing("BATON_NODE", process.config->node.text);
        status = begin(&process, options.control_fd);
        if (status != AGENT_EXIT_CLEAN)
                return status; /* the process ends with all it has */
        run(&process);
        undo(&process);
        return status;
}
