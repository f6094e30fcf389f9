/* What the files of batond's loop share.
 *
 *   supervisor.c   begin, signals, order of the end
 *   kid.c          one child: process, channel, pings, deadline
 *   family.c       all of them: links, status, making them what a plan says
 *   reload.c       a new configuration: read, checked, taken or refused */
#ifndef BATON_SUPERVISOR_SUPERVISOR_INTERNAL_H
#define BATON_SUPERVISOR_SUPERVISOR_INTERNAL_H

#include "daemon/common/ipc.h"
#include "daemon/common/problems.h"
#include "daemon/supervisor/children.h"
#include "daemon/supervisor/grants.h"
#include "daemon/supervisor/identity.h"
#include "daemon/supervisor/notify.h"
#include "daemon/supervisor/plan.h"
#include "daemon/supervisor/runtime.h"

#include <uv.h>

/* How long a check of the configuration's plugins may take, in ms. */
#define CHECK_MS 15000
/* What such a check may say, in bytes; the rest is left out. */
#define CHECK_OUTPUT_MAX 32768

struct supervisor;

struct kid {
        struct supervisor *owner;
        enum kid_kind kind;
        struct name name;
        char *config;
        struct identity identity;
        struct identity_known known; /* from the first start on */
        uint32_t missed_max, missed_start_max;
        struct child child;
        bool removed; /* it is not in the configuration any more: goes when it is off */

        pid_t pid;       /* 0: none */
        bool helper;     /* the process is the one that stops what was left */
        int record_fd;   /* the helper's lock; -1 */
        struct ipc *ipc; /* NULL: none, or over */
        bool answered;   /* it has answered a ping in this life */
        int64_t ping, pong;
        uint32_t missed;
        uint64_t started_ms;
        char last_exit[64];
        char status[MESSAGE_TEXT_MAX + 1];
        enum node_role role; /* engine */
        struct grant_watch grant;
};

enum end_phase { END_NONE, END_AGENT, END_WORKERS, END_ENGINE, END_ALL, END_DONE };

enum check_verdict {
        CHECK_GOOD,
        CHECK_OBJECTED, /* sound, but a plugin objects to the state of this machine */
        CHECK_BAD,
};

struct check {
        pid_t pid;
        bool running, timed_out;
        uv_pipe_t pipe;
        uv_timer_t timer;
        bool pipe_open;
        int status; /* as waitpid() says; -1: still running */
        char output[CHECK_OUTPUT_MAX];
        size_t output_len;
        void (*done)(struct supervisor *s, enum check_verdict verdict);
};

struct supervisor {
        uv_loop_t loop;
        const char *config_path;
        struct node_config *config;
        char boot_id[37];
        int lock_fd, charge_fd, timer_fd;
        struct kid **kids; /* engine, agent, workers */
        size_t kid_count, kid_capacity;
        uv_signal_t sig_term, sig_int, sig_hup, sig_usr2, sig_child;
        uv_poll_t alarm;   /* timer_fd: CLOCK_BOOTTIME, so that a machine that slept finds its deadlines passed */
        uv_timer_t ticker; /* pings */
        uv_prepare_t prepare;
        struct notify notify;
        struct check check;
        struct node_config *candidate; /* of a reload, while it is checked or until removed workers have stopped */
        bool reload_again, reloading, begun, dirty_status;
        enum end_phase phase;
        enum stop_how how;
        int exit_status;
};

/* ---- kid.c ---- */

struct kid *kid_new(struct supervisor *s, const struct planned *p);
/* Its process must be gone. */
void kid_free(struct kid *k);
/* Gives it another configuration, for its next process. */
void kid_configure(struct kid *k, const struct planned *p);
/* Gives the event and does what it asks for. */
void kid_event(struct kid *k, enum child_event event, enum stop_how how);
/* Its process has ended, as waitpid() says. */
void kid_ended(struct kid *k, int wait_status);
/* One ping period is over. */
void kid_tick(struct kid *k);
/* Whether what is due has been done; the next instant otherwise. */
void kid_alarm(struct kid *k, uint64_t now_ms);
uint64_t kid_next_ms(const struct kid *k);
bool kid_is_well(const struct kid *k);
/* How soon systemd has to end a node that stands still, for what this worker holds; UINT64_MAX: it holds nothing. */
uint64_t kid_watchdog_ms(const struct kid *k);
/* Whether it can be sent a link. */
bool kid_listens(const struct kid *k);
/* Whether the resource of this worker may be running, by its record. */
bool kid_is_dirty(struct kid *k);

/* ---- family.c ---- */

struct kid *family_find(struct supervisor *s, const char *name);
/* `k` is new: connects it with those it talks to. */
void family_link(struct supervisor *s, struct kid *k);
/* The agent has said that the node is a member, or that it is not. */
void family_status(struct supervisor *s);
/* Makes the children what `config` says. Takes it. */
void family_become(struct supervisor *s, struct node_config *config);
/* Removes what is removed and off. Returns whether none of them is left. */
bool family_sweep(struct supervisor *s);
void family_start(struct supervisor *s);
/* Resources that workers of an earlier configuration left running. */
void family_adopt_left(struct supervisor *s);
void family_write_status(struct supervisor *s);

/* ---- reload.c ---- */

/* Reads and judges; problems go to the log. NULL: it is wrong. */
struct node_config *config_load(const char *path);
/* Runs baton-worker --check; `done` is called from the loop. */
void check_start(struct supervisor *s, const struct node_config *config,
                 void (*done)(struct supervisor *, enum check_verdict));
void check_ended(struct supervisor *s, int wait_status);
void reload_begin(struct supervisor *s);
/* Goes on with a reload that waits for removed workers. */
void reload_continue(struct supervisor *s);

/* ---- supervisor.c ---- */

/* Begins to end. */
void supervisor_end(struct supervisor *s, enum stop_how how);

#endif
