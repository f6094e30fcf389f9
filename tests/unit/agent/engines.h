/* Real servers as child processes: baton-engine from $BATON_ENGINE or this build, on free ports of the loopback, with a
 * directory of their own that goes with them. A server dies with the test. */
#ifndef BATON_TESTS_AGENT_ENGINES_H
#define BATON_TESTS_AGENT_ENGINES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ENGINES_MAX 3

struct engines {
        char dir[64];
        int count;
        struct {
                pid_t pid; /* 0: not running */
                uint16_t client_port, quorum_port, election_port;
        } list[ENGINES_MAX];
};

/* Starts `count` servers (index 0 is server 1) and waits until each serves clients. */
void engines_start(struct engines *e, int count);
/* The same, but nothing is started yet. */
void engines_init(struct engines *e, int count);
void engines_run(struct engines *e, int i);
/* Waits until it answers that it serves (srvr). */
void engines_await(const struct engines *e, int i);
/* Ends one by `number` and waits for its end. */
void engines_kill(struct engines *e, int i, int number);
/* SIGSTOP and SIGCONT. */
void engines_signal(const struct engines *e, int i, int number);
/* The index of the server that leads, -1 for none. */
int engines_leader(const struct engines *e);
void engines_done(struct engines *e);

/* A port of the loopback that was free just now. */
uint16_t free_port(void);

#endif
