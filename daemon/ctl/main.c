/* batonctl: asks the ensemble and changes configuration; every question is a ZooKeeper client's. */
#include "daemon/common/descriptors.h"
#include "daemon/common/settings.h"
#include "daemon/ctl/ctl.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
        const char *name;
        int (*run)(const struct ctl_options *o, int argc, char **argv);
        const char *arguments, *help;
} commands[] = {
        {"status", cmd_status, "", "members, leader and groups at a glance"},
        {"members", cmd_members, "", "the nodes that are alive"},
        {"groups", cmd_groups, "", "which node has which group, and why"},
        {"plugins", cmd_plugins, "[MODULE]", "plugin instances on all nodes; of a MODULE the settings it knows"},
        {"check", cmd_check, "[-n MEMBERS]", "one line for a monitoring system; exit status 0, 1, 2 or 3"},
        {"config", cmd_config, "check", "judge the configuration, print the failover times it promises"},
        {"ls", cmd_ls, "[-R] PATH", "children of a znode; -R all below it"},
        {"get", cmd_get, "[-s] PATH", "value of a znode; -s its Stat too"},
        {"set", cmd_set, "[-v VERSION] PATH VALUE", "write a value (- reads stdin); makes it below /baton/config"},
        {"create", cmd_create, "[-e] [-s] [-p] PATH [VALUE]",
         "make a znode: -e ephemeral (until interrupted), -s sequential, -p parents too"},
        {"delete", cmd_delete, "[-R] [-v VERSION] PATH", "remove a znode; -R with all below it"},
        {"watch", cmd_watch, "[-n EVENTS] PATH", "print a znode whenever it changes"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void)
{
        (void)printf("Usage: batonctl [OPTION…] COMMAND [ARGUMENT…]\n\nCommands:\n");
        for (size_t i = 0; i < COMMANDS; i++)
                (void)printf("  %-8s %-28s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
        (void)printf("\nOptions:\n"
                     "  --config FILE        this node's configuration (default " NODE_CONFIG_DEFAULT ")\n"
                     "  --hosts HOST:PORT,…  servers to ask; default: those of the configuration\n"
                     "  --json               for programs: JSON on stdout\n"
                     "  --wait MS            how long each request may take (default %d)\n"
                     "  --version, --help\n"
                     "\nExit status: 0 done; 1 refused by the ensemble, or not there; 2 wrong usage or configuration;\n"
                     "3 no server answered. Of check: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
                     "Colour is used on a terminal only, and not when NO_COLOR is set.\n",
                     CTL_WAIT_MS_DEFAULT);
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct ctl_options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"hosts", required_argument, NULL, 'H'},
                {"json", no_argument, NULL, 'j'},
                {"wait", required_argument, NULL, 'w'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        int64_t wait_ms;
        for (int letter; (letter = getopt_long(argc, argv, "+h", known, NULL)) != -1;) {
                switch (letter) {
                case 'c':
                        ret->config = optarg;
                        break;
                case 'H':
                        ret->hosts = optarg;
                        break;
                case 'j':
                        ret->json = true;
                        break;
                case 'w':
                        if (settings_number(optarg, 1, 3600000, &wait_ms) < 0) {
                                (void)fprintf(stderr, "batonctl: --wait wants milliseconds, 1 to 3600000\n");
                                return CTL_USAGE;
                        }
                        ret->wait_ms = (uint64_t)wait_ms;
                        break;
                case 'V':
                        (void)printf("batonctl %s\n", BATON_VERSION);
                        return CTL_DONE;
                case 'h':
                        print_help();
                        return CTL_DONE;
                default:
                        (void)fprintf(stderr, "Try batonctl --help.\n");
                        return CTL_USAGE;
                }
        }
        return -1;
}

/* --json may stand behind the command, where people write it. */
static int take_json(int argc, char **argv, bool *ret_json)
{
        int kept = 0;
        bool options = true;
        for (int i = 0; i < argc; i++) {
                if (options && i > 0 && strcmp(argv[i], "--json") == 0) {
                        *ret_json = true;
                        continue;
                }
                options = options && strcmp(argv[i], "--") != 0;
                argv[kept++] = argv[i];
        }
        argv[kept] = NULL;
        return kept;
}

int main(int argc, char **argv)
{
        struct ctl_options options = {.wait_ms = CTL_WAIT_MS_DEFAULT};
        if (descriptors_open_standard() < 0)
                return CTL_USAGE;       /* and nowhere to say why */
        (void)signal(SIGPIPE, SIG_IGN); /* a server that is gone is an error, not an end */
        options.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        int status = read_options(argc, argv, &options);
        if (status >= 0)
                return status;
        argc -= optind;
        argv += optind;
        argc = take_json(argc, argv, &options.json);
        if (argc == 0) {
                print_help();
                return CTL_USAGE;
        }
        for (size_t i = 0; i < COMMANDS; i++) {
                if (strcmp(commands[i].name, argv[0]) != 0)
                        continue;
                status = commands[i].run(&options, argc, argv);
                if (fflush(stdout) != 0 && status == CTL_DONE)
                        status = CTL_REFUSED; /* whoever reads a half of it should know */
                return status;
        }
        (void)fprintf(stderr, "batonctl: no such command: %s; see batonctl --help\n", argv[0]);
        return CTL_USAGE;
}
