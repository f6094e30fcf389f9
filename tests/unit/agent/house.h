/* A node around a real baton-agent: this test is its supervisor, its workers and, with a client of its own, somebody
 * else at the ensemble. All on one loop; a condition is awaited, never a time. */
#ifndef BATON_TESTS_AGENT_HOUSE_H
#define BATON_TESTS_AGENT_HOUSE_H

#include "daemon/common/client_loop.h"
#include "daemon/common/ipc.h"
#include "tests/unit/agent/engines.h"

#include <stdbool.h>

#define HOUSE_WORKERS_MAX 2

/* What a worker was told. */
struct house_worker {
        struct ipc *ipc;
        bool gone;
        size_t roles, members, grants, revokes, synced, done;
        enum node_role role;
        size_t member_count;
        struct message grant, revoke, last_done; /* without texts */
        uint64_t granted_ms;                     /* when the last GRANT came */
        uint64_t longest_gap_ms;                 /* between two of them */
        char config[2048];                       /* path=value of each CONFIG, in order; "|" for SYNCED */
};

/* One agent and who lives with it. */
struct house {
        struct house_loop *loop;
        char dir[64];
        pid_t pid;
        struct ipc *control;
        bool ready, ended; /* `ended`: the control channel is closed */
        size_t readies, unreadies, pongs;
        char status[1100];
        struct house_worker workers[HOUSE_WORKERS_MAX];
        struct ipc *engine;
};

struct house_loop {
        uv_loop_t loop;
        uv_timer_t guard;
        bool late;
        struct client_loop *observer;
};

struct house_answer {
        bool done;
        int32_t error;
        struct jute_stat stat;
        char data[4096];
};

void house_loop_init(struct house_loop *l, const struct engines *e);
void house_loop_done(struct house_loop *l);
/* Runs the loop until `condition`; fails the test after half a minute. */
#define house_await(l, condition)                                                                                      \
        do {                                                                                                           \
                house_guard(l, true);                                                                                  \
                while (!(condition) && !(l)->late)                                                                     \
                        (void)uv_run(&(l)->loop, UV_RUN_ONCE);                                                         \
                house_guard(l, false);                                                                                 \
                if (!(condition))                                                                                      \
                        fail_msg("in vain: %s", #condition);                                                           \
        } while (0)
void house_guard(struct house_loop *l, bool on);
/* Lets the loop run for a time: to see that something does not happen. */
void house_run(struct house_loop *l, uint64_t ms);

/* Asks the ensemble, and waits for the answer. */
void house_get(struct house_loop *l, const char *path, struct house_answer *ret);
int32_t house_put(struct house_loop *l, const char *path, const char *value);
int32_t house_delete(struct house_loop *l, const char *path);

/* A node `name` with two plugins, "web" in group "web" and "conf" in none. `own` >= 0: the index of its own server;
 * -1: it only connects. Not started yet. */
void house_init(struct house *h, struct house_loop *l, const struct engines *e, const char *name, int own);
void house_start(struct house *h);
/* Ends the process by SIGKILL, waits for it, forgets its channels. */
void house_crash(struct house *h);
/* Waits for its end; the exit status. */
int house_wait(struct house *h);
void house_stop(struct house *h, enum stop_how how);
/* Links a worker and says HELLO. */
void house_link(struct house *h, int worker, enum worker_state state, int64_t token);
/* Links an engine, which says nothing yet (h->engine). */
void house_link_engine(struct house *h);
void house_say(struct house *h, int worker, const struct message *m);
void house_state(struct house *h, int worker, enum worker_state state, int64_t token);
void house_done(struct house *h);

#endif
