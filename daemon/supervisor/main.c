/* batond: the supervisor of a node. Reads options and does one of four things; each is in a file of its own. */
#include "daemon/common/descriptors.h"
#include "daemon/common/log.h"
#include "daemon/common/node_config.h"
#include "daemon/supervisor/guard.h"
#include "daemon/supervisor/supervisor.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_DEFAULT "/etc/baton/baton.conf"

enum deed { DEED_RUN, DEED_CHECK, DEED_GUARD, DEED_GUARD_ARM };

struct options {
        const char *config, *runtime_dir;
        enum deed deed;
};

static void print_help(void)
{
        (void)printf(
                "Usage: batond [--config FILE] [--check]\n"
                "       batond --guard|--guard-arm [--runtime-dir DIR]\n"
                "One node: starts baton-engine, baton-agent and a baton-worker for each plugin, and watches them.\n\n"
                "  --config FILE      the configuration; conf.d/*.conf beside it is read too (" CONFIG_DEFAULT ")\n"
                "  --check            judge the configuration, plugins' settings included; touch nothing else\n"
                "  --guard            stop what a dead batond held, at its deadline, unless it is taken up again\n"
                "  --guard-arm        start such a guard as a unit of its own, if anything is held (ExecStopPost)\n"
                "  --runtime-dir DIR  where grant records are ($RUNTIME_DIRECTORY, or /run/baton)\n"
                "  --version          print the version\n"
                "  --help             print this\n\n"
                "Signals: SIGTERM and SIGINT stop the services and release their groups, unless systemd restarts the\n"
                "unit: then services stay as they are. SIGUSR2 ends and leaves services as they are, for a successor.\n"
                "SIGHUP reads the configuration again and changes what has changed.\n\n"
                "Exit status: 0 clean end, 1 wrong usage or nothing to run with, 2 configuration wrong, 3 runtime\n"
                "directory refused (another batond has it), 4 ended and some resource could not be stopped.\n"
                "Of --guard and --guard-arm: 0, or 1 when something could not be stopped.\n\n");
        node_config_help(stdout);
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"check", no_argument, NULL, 'n'},
                {"guard", no_argument, NULL, 'g'},
                {"guard-arm", no_argument, NULL, 'a'},
                {"runtime-dir", required_argument, NULL, 'r'},
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
                        ret->deed = DEED_CHECK;
                        break;
                case 'g':
                        ret->deed = DEED_GUARD;
                        break;
                case 'a':
                        ret->deed = DEED_GUARD_ARM;
                        break;
                case 'r':
                        ret->runtime_dir = optarg;
                        break;
                case 'V':
                        (void)printf("batond %s\n", BATON_VERSION);
                        return SUPERVISOR_EXIT_CLEAN;
                case 'h':
                        print_help();
                        return SUPERVISOR_EXIT_CLEAN;
                default:
                        (void)fprintf(stderr, "Try batond --help.\n");
                        return SUPERVISOR_EXIT_AT_ONCE;
                }
        }
        if (optind == argc)
                return -1;
        (void)fprintf(stderr, "batond takes options only, not %s. Try --help.\n", argv[optind]);
        return SUPERVISOR_EXIT_AT_ONCE;
}

/* The guard must not need a configuration that can be read: it may be what has killed batond. */
static const char *runtime_dir(const struct options *o)
{
        const char *of_unit = getenv("RUNTIME_DIRECTORY");
        if (o->runtime_dir)
                return o->runtime_dir;
        return of_unit && of_unit[0] == '/' ? of_unit : "/run/baton";
}

int main(int argc, char **argv)
{
        struct options options = {.config = CONFIG_DEFAULT};
        if (descriptors_open_standard() < 0)
                return SUPERVISOR_EXIT_AT_ONCE; /* and nowhere to say why */
        int status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        (void)signal(SIGPIPE, SIG_IGN); /* a write to a closed conversation returns EPIPE */
        switch (options.deed) {
        case DEED_GUARD:
                log_open("baton-guard", LOG_LEVEL_INFO);
                return guard_run(runtime_dir(&options));
        case DEED_GUARD_ARM:
                log_open("baton-guard", LOG_LEVEL_INFO);
                return guard_arm(runtime_dir(&options));
        case DEED_CHECK:
                log_open("batond", LOG_LEVEL_INFO);
                status = supervisor_check(options.config);
                if (status == SUPERVISOR_EXIT_CLEAN)
                        (void)printf("%s: nothing wrong\n", options.config);
                return status;
        default:
                log_open("batond", LOG_LEVEL_INFO);
                return supervisor_run(options.config);
        }
}
