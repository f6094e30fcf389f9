/* Lines of a shell on a terminal: edited, remembered, completed. While a person types, the session is kept and what is
 * to be told meanwhile is shown above the line. */
#ifndef BATON_CTL_SHELL_EDIT_H
#define BATON_CTL_SHELL_EDIT_H

#include "daemon/ctl/ctl.h"

/* Lines that are remembered. */
#define SHELL_HISTORY_MAX 1000
/* How long the servers may take to complete a path: a key is not to hang. */
#define SHELL_COMPLETE_MS 1000
/* Possible completions that are shown. */
#define SHELL_MATCHES_MAX 100

enum shell_line {
        SHELL_LINE,    /* a line is there */
        SHELL_DISCARD, /* ^C: it is thrown away */
        SHELL_END,     /* ^D, or told to end */
};

struct shell_edit;

/* NULL: this terminal can't be used so. */
struct shell_edit *shell_edit_new(struct ctl *c);
void shell_edit_free(struct shell_edit *e);
/* The line, without its end, lives until the next call. */
enum shell_line shell_edit_read(struct shell_edit *e, const char **ret);
/* Remembers a line, also for the next shell; not one that may hold a password. */
void shell_edit_remember(struct shell_edit *e, const char *line);
void shell_edit_show_history(struct shell_edit *e);
/* Around anything that is printed while a line may be under way. */
void shell_edit_pause(struct shell_edit *e);
void shell_edit_go_on(struct shell_edit *e);

#endif
