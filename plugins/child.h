/* A program that a plugin runs: a child in a process group of its own, what it prints in the log, line by line.
 *
 * The group is what counts as running: the program and all it has started that did not leave the group. It dies with
 * the worker, however that ends: PR_SET_PDEATHSIG reaches the program itself, and a process beside the group, its
 * keeper, kills the rest. What outlives even that is found again by the record, a small file that names the group, and
 * ended by child_end_leftover().
 *
 * All waits have an end, and those for a program also end with the host's cancel_fd. Callback thread only. */
#ifndef BATON_PLUGINS_CHILD_H
#define BATON_PLUGINS_CHILD_H

#include "plugins/baton/plugin.h"

/* Bytes of a line in the log; longer ones are broken. */
#define CHILD_LINE_MAX 900
/* Lines logged in one go; the rest waits for the next. */
#define CHILD_LINES_TURN 64

struct child;

struct child_spec {
        const struct baton_host *host;
        char *const *argv;     /* argv[0] is looked for in PATH */
        char *const *env;      /* "NAME=value", beside those of this process; NULL: none */
        const char *directory; /* NULL: / */
        const void *input;     /* stdin; NULL: empty */
        size_t input_size;
        const char *record; /* path; NULL: none is written */
};

/* Returns 0 when the program has been executed, else -errno (also what execve() said). */
int child_start(const struct child_spec *spec, struct child **ret);
/* Readable when the program has ended; when there is something to be read by child_log_output(). For host->watch(). */
int child_end_fd(const struct child *c);
int child_output_fd(const struct child *c);
/* Logs whole lines. False: the output has ended, nothing more will come. */
bool child_log_output(struct child *c);
/* The last line that was logged; "" before. */
const char *child_last_line(const struct child *c);
/* Whether the program itself has ended; *ret_status as of waitpid(). */
bool child_ended(struct child *c, int *ret_status);
/* Waits for that, logging its output. 0; -ETIMEDOUT; -ECANCELED (cancel_fd). */
int child_wait(struct child *c, uint32_t timeout_ms, int *ret_status);
/* Sends `signal`, waits up to `gentle_ms` for the group to be empty, then SIGKILL, up to `total_ms` from the beginning.
 * Returns 0 when no process of the group is left; -ETIMEDOUT. */
int child_stop(struct child *c, int signal, uint32_t gentle_ms, uint32_t total_ms);
/* Kills what is left of the group without waiting, removes the record where nothing is left. Takes NULL. */
void child_free(struct child *c);

/* Ends what a former process of this instance has left, as its record says: `signal`, then SIGKILL, as child_stop().
 * Returns 1 when there was something, 0 when not, -ETIMEDOUT, -errno. */
int child_end_leftover(const struct baton_host *host, const char *record, int signal, uint32_t gentle_ms,
                       uint32_t total_ms);
/* "exit status 3", "signal 9 (Killed)". */
const char *child_status_text(int status, char ret[64]);

#endif
