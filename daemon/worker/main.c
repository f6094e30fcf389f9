/* baton-worker: one plugin instance.
 *
 *   run              read the configuration -> load the plugin -> judge its settings -> worker_run() -> exit status
 *   --check          the same up to the judgement, for every plugin section, each in a process of its own
 *   --ensure-stopped open and one stop, within a time, with nobody else there: what the guard calls
 *
 * Exit statuses are those of enum worker_exit. */
#include "daemon/common/descriptors.h"
#include "daemon/common/log.h"
#include "daemon/worker/plugin_host.h"
#include "daemon/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* The longest time --budget may give, in ms. */
#define BUDGET_MS_MAX 3600000

enum mode { MODE_RUN, MODE_CHECK, MODE_ENSURE_STOPPED };

struct options {
        enum mode mode;
        const char *config, *plugin;
        int control_fd, record_fd;
        uint32_t budget_ms;
};

/* ---- the command line ---- */

static void print_help(void)
{
        (void)printf(
                "Usage: baton-worker --config FILE --plugin NAME --control-fd N --record-fd N\n"
                "       baton-worker --config FILE --check\n"
                "       baton-worker --config FILE --plugin NAME --ensure-stopped --budget MS [--record-fd N]\n"
                "Runs one plugin instance; batond starts it.\n\n"
                "  --config FILE      the configuration\n"
                "  --plugin NAME      the instance: its section is [plugin NAME]\n"
                "  --control-fd N     the supervisor's end\n"
                "  --record-fd N      the grant record\n"
                "  --check            judge every plugin section, touch nothing\n"
                "  --ensure-stopped   stop the resource, whoever has left it running, and end\n"
                "  --budget MS        how long that may take\n"
                "  --version          print the version\n"
                "  --help             print this\n\n"
                "Exit status: 0 told to end, nothing wrong, or surely stopped; 1 wrong usage; 2 the configuration is\n"
                "wrong; 3 the plugin could not be opened; 4 a callback did not return; 5 the stop failed; 6 a channel\n"
                "failed.\n");
}

static int read_number(const char *name, const char *text, long max, long *ret)
{
        char *end = NULL;
        errno = 0;
        *ret = strtol(text, &end, 10);
        if (errno == 0 && end != text && !*end && *ret >= 0 && *ret <= max)
                return 0;
        (void)fprintf(stderr, "baton-worker: --%s %s: must be a number from 0 to %ld\n", name, text, max);
        return -EINVAL;
}

/* Returns -1 to go on, or an exit status. */
static int read_option(int c, struct options *o)
{
        long n = 0;
        switch (c) {
        case 'c':
                o->config = optarg;
                return -1;
        case 'p':
                o->plugin = optarg;
                return -1;
        case 'f':
        case 'r':
                if (read_number(c == 'f' ? "control-fd" : "record-fd", optarg, INT32_MAX, &n) < 0)
                        return WORKER_EXIT_USAGE;
                *(c == 'f' ? &o->control_fd : &o->record_fd) = (int)n;
                return -1;
        case 'n':
                o->mode = MODE_CHECK;
                return -1;
        case 's':
                o->mode = MODE_ENSURE_STOPPED;
                return -1;
        case 'b':
                if (read_number("budget", optarg, BUDGET_MS_MAX, &n) < 0)
                        return WORKER_EXIT_USAGE;
                o->budget_ms = (uint32_t)n;
                return -1;
        case 'V':
                (void)printf("baton-worker %s\n", BATON_VERSION);
                return WORKER_EXIT_CLEAN;
        case 'h':
                print_help();
                return WORKER_EXIT_CLEAN;
        default:
                (void)fprintf(stderr, "Try baton-worker --help.\n");
                return WORKER_EXIT_USAGE;
        }
}

static bool is_complete(const struct options *o)
{
        if (!o->config)
                return false;
        switch (o->mode) {
        case MODE_CHECK:
                return true;
        case MODE_ENSURE_STOPPED:
                return o->plugin && o->budget_ms > 0;
        case MODE_RUN:
        default:
                return o->plugin && o->control_fd >= 0 && o->record_fd >= 0;
        }
}

static int read_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"plugin", required_argument, NULL, 'p'},
                {"control-fd", required_argument, NULL, 'f'},
                {"record-fd", required_argument, NULL, 'r'},
                {"check", no_argument, NULL, 'n'},
                {"ensure-stopped", no_argument, NULL, 's'},
                {"budget", required_argument, NULL, 'b'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
                int status = read_option(c, ret);
                if (status >= 0)
                        return status;
        }
        if (is_complete(ret) && optind == argc)
                return -1;
        (void)fprintf(stderr, "baton-worker is started by batond. Try --help.\n");
        return WORKER_EXIT_USAGE;
}

/* ---- the configuration ---- */

static int load(const char *path, struct node_config **ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        problems_init(&problems, path);
        int r = node_config_load(path, ret, &problems);
        if (r == 0)
                return WORKER_EXIT_CLEAN;
        problems_print(&problems, stderr);
        if (problems.count == 0)
                (void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return WORKER_EXIT_CONFIG;
}

static void print_problem(void *ctx, const struct origin *where, const char *text)
{
        FILE *out = ctx;
        if (where->line > 0)
                (void)fprintf(out, "%s:%d: %s\n", where->file, where->line, text);
        else
                (void)fprintf(out, "%s: %s\n", where->file, text);
}

/* ---- --check ---- */

static int check(const struct node_config *config)
{
        size_t problems = 0, objections = 0;
        for (size_t i = 0; i < config->plugin_count; i++) {
                struct plugin_judgement judgement;
                plugin_judge(config, &config->plugins[i], print_problem, stdout, &judgement);
                problems += judgement.problems;
                objections += judgement.objections;
        }
        if (problems == 0)
                (void)printf("%s: nothing wrong with its plugins\n", config->path);
        if (problems == 0)
                return WORKER_EXIT_CLEAN;
        return problems == objections ? WORKER_EXIT_OBJECTION : WORKER_EXIT_CONFIG;
}

/* ---- running ---- */

static int run(const struct node_config *config, const struct node_plugin *section, const struct options *o)
{
        char why[PLUGIN_WHY_MAX] = "";
        struct plugin_module *module = NULL;
        struct plugin_settings *settings = NULL;
        if (plugin_module_load(config->plugin_dir, section->module, &module, why) < 0) {
                print_problem(stderr, &section->origin, why);
                return WORKER_EXIT_CONFIG;
        }
        log_standing("BATON_NODE", config->node.text);
        log_standing("BATON_PLUGIN", section->name.text);
        log_standing("BATON_GROUP", section->group.text[0] ? section->group.text : NULL);
        struct worker_setup setup = {
                .config = config,
                .section = section,
                .plugin = plugin_module_plugin(module),
                .control_fd = o->control_fd,
                .record_fd = o->record_fd,
        };
        size_t faults = plugin_settings_new(setup.plugin, section, print_problem, stderr, &settings);
        setup.settings = settings;
        /* A stop is tried even with settings that are not as they should be: they are the ones it was started with.
         * What the plugin's check_settings() would say is not asked: a unit that must not be enabled but is may be
         * running just therefore, and only an opened plugin can stop it. */
        int status = o->mode == MODE_ENSURE_STOPPED || faults == 0 ? WORKER_EXIT_CLEAN : WORKER_EXIT_CONFIG;
        if (status == WORKER_EXIT_CLEAN)
                status = (int)worker_run(&setup);
        plugin_settings_free(settings);
        plugin_module_free(module);
        return status;
}

/* The section with nothing but the stop in it, in the time that is left; SIGALRM ends what does not keep to it. */
static int ensure_stopped(const struct node_config *config, const struct node_plugin *section, const struct options *o)
{
        const struct itimerval limit = {.it_value = {.tv_sec = (time_t)(o->budget_ms / 1000),
                                                     .tv_usec = (suseconds_t)(o->budget_ms % 1000) * 1000}};
        struct node_plugin brief = *section;
        brief.stop_budget_ms = o->budget_ms;
        brief.check_interval_ms = 0;
        if (setitimer(ITIMER_REAL, &limit, NULL) < 0)
                return WORKER_EXIT_USAGE;
        return run(config, &brief, o);
}

static void ignore(int number)
{
        (void)number;
}

/* Whoever stops the node tells the supervisor, which tells us how. Handlers that do nothing instead of SIG_IGN, since a
 * program that the plugin starts would inherit that. */
static void obey_nobody_else(const struct options *o)
{
        const struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
        const int ours[] = {SIGTERM, SIGINT, SIGHUP};
        (void)sigaction(SIGPIPE, &action, NULL); /* a write to a closed channel returns EPIPE */
        for (size_t i = 0; o->mode == MODE_RUN && i < sizeof ours / sizeof *ours; i++)
                (void)sigaction(ours[i], &action, NULL); /* these fail for impossible signals only */
        if (o->record_fd >= 0)
                (void)fcntl(o->record_fd, F_SETFD, FD_CLOEXEC); /* one that is not open shows when it is read */
}

int main(int argc, char **argv)
{
        struct options options = {.mode = MODE_RUN, .control_fd = -1, .record_fd = -1};
        struct node_config *config = NULL;
        if (descriptors_open_standard() < 0)
                return WORKER_EXIT_USAGE; /* and nowhere to say why */
        int status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        log_open("baton-worker", LOG_LEVEL_INFO);
        obey_nobody_else(&options);
        status = load(options.config, &config);
        if (status != WORKER_EXIT_CLEAN)
                return status;
        const struct node_plugin *section = options.plugin ? node_config_plugin(config, options.plugin) : NULL;
        if (options.mode == MODE_CHECK) {
                status = check(config);
        } else if (!section) {
                (void)fprintf(stderr, "%s: there is no section [plugin %s]\n", options.config, options.plugin);
                status = WORKER_EXIT_CONFIG;
        } else if (options.mode == MODE_ENSURE_STOPPED) {
                status = ensure_stopped(config, section, &options);
        } else {
                status = run(config, section, &options);
        }
        node_config_free(config);
        return status;
}
