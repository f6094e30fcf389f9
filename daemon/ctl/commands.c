/* The table of commands, and what a person is told of it. See ctl.h. */
#include "daemon/ctl/ctl.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct command {
        const char *name;
        int (*run)(const struct ctl_options *o, int argc, char **argv);
        const char *arguments, *help;
};

static const struct command commands[] = {
        {"status", cmd_status, "[--engine [SOCKET]]",
         "members, leader and groups at a glance; --engine: what this node's server knows of itself"},
        {"members", cmd_members, "", "the nodes that are alive"},
        {"groups", cmd_groups, "", "which node has which group, and why"},
        {"plugins", cmd_plugins, "[MODULE]", "plugin instances on all nodes; of a MODULE the settings it knows"},
        {"check", cmd_check, "[-n MEMBERS]", "one line for a monitoring system; exit status 0, 1, 2 or 3"},
        {"config", cmd_config, "check", "judge the configuration, print the failover times it promises"},
        {"shell", cmd_shell, "", "these commands at a prompt, in one session; also batonctl alone, on a terminal"},
        {"ls", cmd_ls, "[-R] [-s] [-w] PATH", "children of a znode; -R all below it, -s its Stat too"},
        {"get", cmd_get, "[-s] [-w] PATH", "value of a znode; -s its Stat too, -w and a watch"},
        {"stat", cmd_stat, "[-w] PATH", "Stat of a znode"},
        {"set", cmd_set, "[-s] [-v VERSION] PATH VALUE", "write a value (- reads stdin); makes it below /baton/config"},
        {"create", cmd_create, "[-e] [-s] [-c] [-t MS] [-p] PATH [VALUE [ACL]]",
         "make a znode: -e ephemeral (until interrupted), -s sequential, -c container, -t TTL, -p parents too"},
        {"delete", cmd_delete, "[-R] [-v VERSION] [--dry-run] PATH", "remove a znode; -R with all below it"},
        {"rm", cmd_rm, "[-r] [-v VERSION] [--dry-run] PATH", "remove a znode; -r with all below it"},
        {"cp", cmd_cp, "[-r] [-p] [--no-acl] [--dry-run] FROM TO", "copy a znode to a new path; -r with all below it"},
        {"multi", cmd_multi, "FILE", "operations, one a line, all or nothing; - is stdin"},
        {"export", cmd_export, "[-o FILE] [--no-acl] PATH", "a znode and all below it as JSON"},
        {"import", cmd_import, "[-p] [--replace] [--dry-run] FILE [PATH]",
         "make what an export holds, at PATH instead of where it was; --replace overwrites what differs"},
        {"snapshot", cmd_snapshot, "[SOCKET]", "have this node's server write a snapshot file now"},
        {"restore", cmd_restore, "[--data-dir DIR] [--id N] [--fuzzy] FROM",
         "put a snapshot, or a copy of a data directory, into an empty one; its server must not run"},
        {"watch", cmd_watch, "[-p] [-r] [-n EVENTS] [-t MS] [-m MODE] PATH",
         "print a znode whenever it changes; --persistent its events, --recursive those of all below it; "
         "--count, --timeout end that"},
        {"removewatches", cmd_removewatches, "[-c] [-d] [-a] [-p] [-r] PATH", "end a shell's watches on a znode"},
        {"getacl", cmd_getacl, "[-s] PATH", "who may do what with a znode"},
        {"setacl", cmd_setacl, "[-R] [-s] [-v VERSION] PATH ACL",
         "change that: SCHEME:ID:cdrwa,…; -R of all below it too"},
        {"addauth", cmd_addauth, "SCHEME DATA", "be somebody from now on, in a shell; elsewhere: --auth"},
        {"whoami", cmd_whoami, "", "whom the servers take us for"},
        {"setquota", cmd_setquota, "[-n COUNT] [-b BYTES] [-N COUNT] [-B BYTES] PATH",
         "limit what is below a znode: -n, -b soft, -N, -B hard"},
        {"listquota", cmd_listquota, "[PATH]", "that, and what is used; without PATH: all quotas"},
        {"delquota", cmd_delquota, "[-n] [-b] [-N] [-B] PATH", "no limit any more; some letters: not these"},
        {"count", cmd_count, "PATH", "how many znodes are below"},
        {"ephemerals", cmd_ephemerals, "[PATH]", "the session's own ephemeral znodes, below PATH"},
        {"sync", cmd_sync, "PATH", "wait until the server has all that is committed now"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

/* zkCli's names, where they are others. */
static const struct {
        const char *name, *stands_for;
        const char *option; /* that goes with it; NULL: none */
} aliases[] = {
        {"addWatch", "watch", "-r"},
        {"deleteall", "rm", "-r"},
        {"getAllChildrenNumber", "count", NULL},
        {"getEphemerals", "ephemerals", NULL},
};
#define ALIASES (sizeof aliases / sizeof *aliases)

void ctl_print_help(void)
{
        (void)printf("Usage: batonctl [OPTION…] COMMAND [ARGUMENT…]\n\nCommands:\n");
        for (size_t i = 0; i < COMMANDS; i++)
                (void)printf("  %-13s %-28s%s%s\n", commands[i].name, commands[i].arguments,
                             strlen(commands[i].arguments) > 28 ? "\n                " : " ", commands[i].help);
        (void)printf("\nOptions:\n"
                     "  --config FILE        this node's configuration (default " NODE_CONFIG_DEFAULT ")\n"
                     "  --hosts HOST:PORT,…  servers to ask (a /PATH behind the last: the root of all others); "
                     "default: those\n"
                     "                       of the configuration\n"
                     "  --auth SCHEME:DATA   an identity, such as digest:user:password; may be repeated\n"
                     "  --auth-file FILE     identities, one a line: nobody else sees them there\n"
                     "  --json               for programs: JSON on stdout\n"
                     "  --wait MS            how long each request may take (default %d)\n"
                     "  --max-buffer BYTES   longest request (default %d), where servers have a larger jute.maxbuffer\n"
                     "  --read-only, -r      a server without a leader will do; what it shows may be old\n"
                     "  --version, --help\n"
                     "\nExit status: 0 done; 1 refused by the ensemble, or not there; 2 wrong usage or configuration;\n"
                     "3 no server answered. Of check: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
                     "Colour is used on a terminal only, and not when NO_COLOR is set.\n",
                     CTL_WAIT_MS_DEFAULT, JUTE_MAXBUFFER_DEFAULT);
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

/* Names are compared without regard to case, as people remember zkCli's differently. `ret_option` is what else an alias
 * stands for. */
static const struct command *find(const char *name, const char **ret_option)
{
        *ret_option = NULL;
        for (size_t i = 0; i < ALIASES; i++) {
                if (strcasecmp(aliases[i].name, name) != 0)
                        continue;
                name = aliases[i].stands_for;
                *ret_option = aliases[i].option;
                break;
        }
        for (size_t i = 0; i < COMMANDS; i++)
                if (strcasecmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

const char *ctl_command_name(size_t index)
{
        if (index < COMMANDS)
                return commands[index].name;
        return index - COMMANDS < ALIASES ? aliases[index - COMMANDS].name : NULL;
}

int ctl_run(const struct ctl_options *o, int argc, char **argv)
{
        struct ctl_options mine = *o;
        const char *option;
        const struct command *command = find(argv[0], &option);
        if (!command) {
                (void)fprintf(stderr, "batonctl: no such command: %s; see batonctl --help\n", argv[0]);
                return CTL_USAGE;
        }
        char **own = mem_alloc(((size_t)argc + 2) * sizeof *own); /* getopt() turns them round */
        int count = 0;
        own[count++] = argv[0];
        if (option)
                own[count++] = (char *)(uintptr_t)option; /* read only, in spite of argv's type */
        for (int i = 1; i < argc; i++)
                own[count++] = argv[i];
        own[count] = NULL;
        count = take_json(count, own, &mine.json);
        int status = command->run(&mine, count, own);
        mem_free(own);
        if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_DONE) {
                status = CTL_REFUSED; /* whoever reads a half of it should know */
                if (errno != EPIPE)   /* who has closed a pipe knows */
                        (void)fprintf(stderr, "batonctl: the output can't be written: %s\n", strerror(errno));
        }
        return status;
}
