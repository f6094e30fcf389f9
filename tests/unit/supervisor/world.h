/* batond with children that do what the test says (fake_child.c), and a systemd that only listens. Everything is
 * awaited; a test whose event never comes ends with a sentence after WORLD_PATIENCE_MS. */
#ifndef BATON_TESTS_SUPERVISOR_WORLD_H
#define BATON_TESTS_SUPERVISOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How long an event may take, in ms: a busy machine and sanitizers included. */
#define WORLD_PATIENCE_MS 30000
/* Children that ever were, in one test. */
#define WORLD_ACTORS_MAX 64
/* Reports of one child, or of systemd's, that nobody has awaited yet. */
#define WORLD_LINES_MAX 256

struct lines {
        char *list[WORLD_LINES_MAX];
        size_t count;
};

struct actor {
        int fd; /* -1: ended */
        char name[64];
        long pid;
        bool greeted, ensures, claimed;
        struct lines lines;
};

struct world {
        char dir[64], config[128], runtime[128], socket[128], notify[128], log[128];
        int listen_fd, notify_fd;
        pid_t batond;
        struct actor actors[WORLD_ACTORS_MAX];
        size_t actor_count;
        struct lines told; /* to systemd: one line each */
};

/* `sections` is appended to [node], [supervisor] and connect = …, so there is no engine; world_new_with_engine(): one.
 */
struct world *world_new(const char *sections);
struct world *world_new_with_engine(const char *sections);
/* Ends what still runs, and removes everything. */
void world_free(struct world *w);

/* Writes another configuration, for a reload or the next start. */
void world_configure(struct world *w, const char *sections);
/* Starts batond. With WATCHDOG_USEC of `watchdog_ms`, if that is not 0. */
void world_start(struct world *w, uint64_t watchdog_ms);
/* Starts the guard of this runtime directory in batond's place. */
void world_start_guard(struct world *w);
/* Runs batond with one option more, to its end; returns its exit status. */
int world_run(struct world *w, const char *option);
void world_signal(struct world *w, int number);
/* Its exit status; a signal fails the test, unless it is the `number` expected. */
int world_await_end(struct world *w);
void world_await_killed(struct world *w, int number);

/* The next child of this name. */
struct actor *world_await_child(struct world *w, const char *name);
/* The next helper that makes sure this plugin is stopped. */
struct actor *world_await_helper(struct world *w, const char *name);
/* Until the child reports this line; earlier others are dropped. */
void world_await(struct world *w, struct actor *a, const char *line);
/* Until its process is gone. */
void world_await_gone(struct world *w, struct actor *a);
void world_tell(struct actor *a, const char *line);
/* Whether it has reported this line, not awaited yet. */
bool world_has(const struct actor *a, const char *line);
/* The configuration it has got, to be freed; drops nothing. Whatever batond sent it before has been reported by then.
 */
char *world_ask_config(struct world *w, struct actor *a);
/* Until systemd was told a line that begins so; earlier others are dropped. Returns the line, to be freed. */
char *world_await_told(struct world *w, const char *prefix);
void world_told(struct world *w, const char *prefix);
/* Whether a line that begins so waits to be awaited. */
bool world_was_told(struct world *w, const char *prefix);
/* Until the log has this text. */
void world_await_log(struct world *w, const char *text);
/* Whether status.json has this text. */
bool world_status_has(struct world *w, const char *text);

#endif
