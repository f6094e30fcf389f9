/* batonctl: asks the ensemble and changes configuration; every question is a ZooKeeper client's. */
#include "daemon/common/descriptors.h"
#include "daemon/common/settings.h"
#include "daemon/ctl/ctl.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of a line of --auth-file, with its end. */
#define AUTH_LINE_MAX 1026

/* ---- identities ---- */

static int add_auth(struct ctl_options *o, const char *text)
{
        const char *colon = strchr(text, ':');
        if (!colon || colon == text) {
                (void)fprintf(stderr, "batonctl: an identity is SCHEME:DATA, such as digest:user:password\n");
                return CTL_USAGE;
        }
        if (o->auth_count == CTL_AUTHS_MAX) {
                (void)fprintf(stderr, "batonctl: more than %d identities\n", CTL_AUTHS_MAX);
                return CTL_USAGE;
        }
        struct ctl_auth *a = &o->auths[o->auth_count++];
        a->scheme = mem_strdup(text);
        a->scheme[colon - text] = '\0';
        a->data = mem_strdup(colon + 1);
        return CTL_DONE;
}

/* One identity a line: what stands on a command line can be read by anybody on this machine. */
static int read_auth_file(struct ctl_options *o, const char *path)
{
        char line[AUTH_LINE_MAX];
        int status = CTL_DONE;
        FILE *f = fopen(path, "re");
        if (!f) {
                (void)fprintf(stderr, "batonctl: %s: %s\n", path, strerror(errno));
                return CTL_USAGE;
        }
        while (status == CTL_DONE && fgets(line, sizeof line, f)) {
                size_t len = strcspn(line, "\n");
                if (!line[len] && len == sizeof line - 1) {
                        (void)fprintf(stderr, "batonctl: %s: a line is longer than %d bytes\n", path,
                                      AUTH_LINE_MAX - 2);
                        status = CTL_USAGE;
                        break;
                }
                line[len] = '\0';
                if (*line && *line != '#')
                        status = add_auth(o, line);
        }
        /* Half of the identities would only be found out by what is refused, or by what is not. */
        if (status == CTL_DONE && ferror(f)) {
                (void)fprintf(stderr, "batonctl: %s: %s\n", path, strerror(errno));
                status = CTL_USAGE;
        }
        explicit_bzero(line, sizeof line);
        (void)fclose(f);
        return status;
}

static void auths_done(struct ctl_options *o)
{
        for (size_t i = 0; i < o->auth_count; i++) {
                explicit_bzero(o->auths[i].data, strlen(o->auths[i].data));
                mem_free(o->auths[i].scheme);
                mem_free(o->auths[i].data);
        }
        o->auth_count = 0;
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, struct ctl_options *ret)
{
        static const struct option known[] = {
                {"config", required_argument, NULL, 'c'},
                {"hosts", required_argument, NULL, 'H'},
                {"json", no_argument, NULL, 'j'},
                {"auth", required_argument, NULL, 'a'},
                {"auth-file", required_argument, NULL, 'A'},
                {"wait", required_argument, NULL, 'w'},
                {"max-buffer", required_argument, NULL, 'b'},
                {"read-only", no_argument, NULL, 'r'},
                {"version", no_argument, NULL, 'V'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        int64_t wait_ms, max_buffer;
        int status;
        for (int letter; (letter = getopt_long(argc, argv, "+hr", known, NULL)) != -1;) {
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
                case 'a':
                case 'A':
                        status = letter == 'a' ? add_auth(ret, optarg) : read_auth_file(ret, optarg);
                        if (status != CTL_DONE)
                                return status;
                        break;
                case 'w':
                        if (settings_number(optarg, 1, 3600000, &wait_ms) < 0) {
                                (void)fprintf(stderr, "batonctl: --wait wants milliseconds, 1 to 3600000\n");
                                return CTL_USAGE;
                        }
                        ret->wait_ms = (uint64_t)wait_ms;
                        break;
                case 'b':
                        if (settings_number(optarg, CTL_MAX_BUFFER_MIN, CTL_MAX_BUFFER_MAX, &max_buffer) < 0) {
                                (void)fprintf(stderr, "batonctl: --max-buffer wants bytes, %d to %d\n",
                                              CTL_MAX_BUFFER_MIN, CTL_MAX_BUFFER_MAX);
                                return CTL_USAGE;
                        }
                        ret->max_buffer = (int32_t)max_buffer;
                        break;
                case 'r':
                        ret->read_only = true;
                        break;
                case 'V':
                        (void)printf("batonctl %s\n", BATON_VERSION);
                        return CTL_DONE;
                case 'h':
                        ctl_print_help();
                        return CTL_DONE;
                default:
                        (void)fprintf(stderr, "Try batonctl --help.\n");
                        return CTL_USAGE;
                }
        }
        return -1;
}

int main(int argc, char **argv)
{
        struct ctl_options options = {.wait_ms = CTL_WAIT_MS_DEFAULT, .max_buffer = JUTE_MAXBUFFER_DEFAULT};
        if (descriptors_open_standard() < 0)
                return CTL_USAGE;       /* and nowhere to say why */
        (void)signal(SIGPIPE, SIG_IGN); /* a server that is gone is an error, not an end */
        options.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        int status = read_options(argc, argv, &options);
        if (status >= 0) {
                auths_done(&options);
                return status;
        }
        argc -= optind;
        argv += optind;
        char shell[] = "shell", *alone[] = {shell, NULL};
        if (argc == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
                argc = 1;
                argv = alone;
        }
        if (argc == 0) {
                ctl_print_help();
                auths_done(&options);
                return CTL_USAGE;
        }
        status = ctl_run(&options, argc, argv);
        auths_done(&options);
        return status;
}
