/* batonctl shell: the commands at a prompt, in one session. What its watches see is shown between the prompts. */
#include "daemon/ctl/shell_edit.h"

#include "daemon/ctl/args.h"
#include "daemon/ctl/line_words.h"
#include "daemon/ctl/show.h"
#include "election/base/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Session timeout of a shell: people pause, and machines sleep. */
#define SHELL_SESSION_MS 30000

struct shell {
        struct ctl_options options;
        struct ctl *c;
        struct shell_edit *edit; /* NULL: no terminal, lines come from a file or a pipe */
        bool end;
        int status; /* of the last command */
};

/* ---- what is told meanwhile ---- */

static void pause_line(struct shell *s)
{
        if (s->edit)
                shell_edit_pause(s->edit);
}

static void go_on(struct shell *s)
{
        (void)fflush(stdout);
        if (s->edit)
                shell_edit_go_on(s->edit);
}

static void on_event(void *ctx, enum client_event event, const char *path)
{
        struct shell *s = ctx;
        pause_line(s);
        if (!s->options.json)
                (void)fputs("watch: ", stdout);
        ctl_show_event(s->options.json, event, path);
        go_on(s);
}

static void on_state(void *ctx, enum client_state state, const char *why)
{
        struct shell *s = ctx;
        pause_line(s);
        switch (state) {
        case CLIENT_SUSPENDED:
                (void)printf("connection lost: %s\n", why);
                break;
        case CLIENT_RESUMED:
                (void)printf(
                        "connected again, the same session; what changed meanwhile is told to one-shot watches only\n");
                break;
        case CLIENT_EXPIRED:
                (void)printf(
                        "the session has expired: its ephemeral znodes and watches are gone; a new one is begun\n");
                break;
        case CLIENT_CONNECTED:
        case CLIENT_CONNECTING:
        case CLIENT_CLOSED: /* the command that did it says why */
        case CLIENT_IDLE:
        case CLIENT_STATE_MAX:
                break;
        }
        go_on(s); /* the prompt says more */
}

/* ---- commands ---- */

/* The shell's own. False: it is none of them. */
static bool run_own(struct shell *s, const struct line_words *w)
{
        const char *name = w->words[0];
        char get[] = "get", path[] = "/zookeeper/config", *config[] = {get, path, NULL};
        if (strcasecmp(name, "quit") == 0 || strcasecmp(name, "exit") == 0 || strcasecmp(name, "bye") == 0) {
                s->end = true;
        } else if (strcasecmp(name, "help") == 0 || strcmp(name, "?") == 0) {
                ctl_print_help();
        } else if (strcasecmp(name, "version") == 0) {
                (void)printf("batonctl %s\n", BATON_VERSION);
        } else if (strcasecmp(name, "history") == 0) {
                if (s->edit)
                        shell_edit_show_history(s->edit);
        } else if (strcasecmp(name, "shell") == 0) {
                s->status = args_wrong(name, "this is one");
        } else if (strcasecmp(name, "config") == 0 &&
                   w->count == 1) { /* zkCli's, not ours, which has a word behind it */
                s->status = ctl_run(&s->options, 2, config);
        } else {
                return false;
        }
        return true;
}

static void run_words(struct shell *s, const struct line_words *w)
{
        for (size_t i = 0; i < w->count; i++) {
                if (strlen(w->words[i]) == w->sizes[i])
                        continue;
                s->status = args_wrong(w->words[0], "a word with a NUL in it is for multi only");
                return;
        }
        s->status = CTL_DONE;
        if (!run_own(s, w))
                s->status = ctl_run(&s->options, (int)w->count, w->words);
        int told = ctl_told(s->c);
        if (told == SIGINT)
                (void)fprintf(stderr, "batonctl: interrupted: what was asked for may have been carried out or not\n");
        s->end |= told != 0 && told != SIGINT;
        if (ctl_is_over(s->c) && !s->end) {
                (void)fprintf(stderr,
                              "batonctl: the session is over; a new one is begun, without what was added to it\n");
                s->end = ctl_begin_anew(s->c) != CTL_DONE;
        }
        clearerr(stdin); /* a value that was typed ended with ^D, the shell does not */
        (void)fflush(stdout);
}

static void run_line(struct shell *s, const char *line)
{
        struct line_words w;
        char why[200];
        if (line_words_split(line, strlen(line), &w, why, sizeof why) < 0) {
                (void)fprintf(stderr, "batonctl: %s\n", why);
                s->status = CTL_USAGE;
        } else if (w.count) {
                run_words(s, &w);
        }
        line_words_done(&w);
}

/* ---- lines ---- */

static void read_terminal(struct shell *s)
{
        const char *line;
        while (!s->end) {
                switch (shell_edit_read(s->edit, &line)) {
                case SHELL_LINE:
                        shell_edit_remember(s->edit, line);
                        run_line(s, line);
                        break;
                case SHELL_DISCARD:
                        break;
                case SHELL_END:
                        s->end = true;
                        break;
                }
        }
        s->status = CTL_DONE; /* a person has seen what failed */
}

/* From a file or a pipe. While a line is waited for nothing else goes on: whoever writes them slowly, more than
 * SHELL_SESSION_MS apart, gets a new session. */
static void read_file(struct shell *s)
{
        char *line = NULL;
        size_t size = 0;
        while (!s->end) {
                ssize_t len = getline(&line, &size, stdin);
                if (len < 0)
                        break;
                line[strcspn(line, "\n")] = '\0';
                run_line(s, line);
        }
        free(line);
}

int cmd_shell(const struct ctl_options *o, int argc, char **argv)
{
        static const struct args_form form = {.letters = "", .least = 0, .most = 0, .wants = ""};
        struct args a;
        struct shell s = {.options = *o};
        int status = args_read(argc, argv, &form, &a);
        s.options.session_ms = SHELL_SESSION_MS;
        if (status != CTL_DONE || (status = ctl_open(&s.options, &s.c)) != CTL_DONE)
                return status;
        const struct ctl_hooks hooks = {.on_state = on_state, .on_event = on_event, .ctx = &s}, none = {.ctx = NULL};
        s.options.shared = s.c;
        if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
                s.edit = shell_edit_new(s.c);
        ctl_hook(s.c, &hooks);
        ctl_keep(s.c);
        if (s.edit)
                read_terminal(&s);
        else
                read_file(&s);
        ctl_hook(s.c, &none);
        shell_edit_free(s.edit);
        ctl_unshare(s.c);
        ctl_close(s.c);
        return s.status;
}
