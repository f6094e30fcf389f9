/* What the files of the fleet share. */
#ifndef BATON_TESTS_SIM_FLEET_FLEET_INTERNAL_H
#define BATON_TESTS_SIM_FLEET_FLEET_INTERNAL_H

#include "tests/sim/fleet/fleet.h"

/* ---- fleet.c ---- */

/* 0 … n-1; 0 where n is 0. */
uint32_t fleet__below(struct fleet *f, uint32_t n);
void fleet__hit(struct fleet *f, enum mark mark);
/* Nothing of this machine runs at the moment: no power, asleep, paused. */
bool fleet__is_dark(const struct fleet_node *n);
/* `w` is declared by it: it cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
#define FLEET_EACH_WORKER(n, w)                                                                                        \
        for (size_t each_ = 0; each_ < (n)->f->o.groups * (n)->f->o.workers; each_++)                                  \
                for (struct fleet_worker *w =                                                                          \
                             &(n)->groups[each_ / (n)->f->o.workers].workers[each_ % (n)->f->o.workers];               \
                     w; w = NULL)
/* NOLINTEND(bugprone-macro-parentheses) */
const char *fleet__group_name(size_t group);

/* ---- fleet_fault.c ---- */

/* What strikes have begun and is due. */
void fleet__faults_turn(struct fleet *f);

/* ---- fleet_link.c ---- */

/* Agent and worker have a link from now on; both are told, in order with what was sent before. */
void fleet__link(struct fleet_worker *w);
/* The end of this side: the other one is told. `agent_died`: else the worker has. */
void fleet__unlink(struct fleet_worker *w, bool agent_died);
void fleet__post(struct fleet_worker *w, bool to_agent, const struct message *m);
/* The first letter that is due; its message borrowed until the next call. */
bool fleet__fetch(struct fleet_worker *w, bool of_agent, enum fleet_letter_kind *ret_kind, struct message *ret);
bool fleet__waits(const struct fleet_worker *w, bool of_agent);
void fleet__queues_done(struct fleet_worker *w);

/* ---- fleet_agent.c ---- */

void fleet__agent_begin(struct fleet_node *n, bool resume);
/* SIGKILL, or its exit. */
void fleet__agent_end(struct fleet_node *n, const char *how);
void fleet__agent_turn(struct fleet_node *n);
/* The node's configuration from the options and what reloads have changed. No agent may be running. */
void fleet__configure(struct fleet_node *n);
void fleet__engine_roles(struct fleet *f);

/* ---- fleet_worker.c ---- */

/* A process begins. `helper_ms`: it is to make sure that all is stopped, in so much time; 0: a worker. */
void fleet__worker_begin(struct fleet_worker *w, uint64_t helper_ms);
/* It is killed, or has ended by itself. */
void fleet__worker_end(struct fleet_worker *w, const char *how);
/* One millisecond of its process. */
void fleet__worker_turn(struct fleet_worker *w);
void fleet__mirror(struct fleet_worker *w);

/* ---- fleet_plugin.c ---- */

/* A stop that hangs, and then hangs again in the process that is to do what the one before it could not, is promised to
 * be over in time only with a last resort that ends it. */
bool fleet__may_hang(const struct fleet_worker *w);
void fleet__plugin_call(struct fleet_worker *w, const struct worker_call *call);
void fleet__plugin_cancel(struct fleet_worker *w, bool raised);
/* False: the process has ended in it. */
bool fleet__plugin_turn(struct fleet_worker *w);
/* Its own thread has something to do or to say: the resource was started by hand, or is not what it should be. */
bool fleet__plugin_sees(const struct fleet_worker *w);
void fleet__plugin_watch(struct fleet_worker *w);
void fleet__resource_end(struct fleet_worker *w);

/* ---- fleet_batond.c ---- */

void fleet__batond_init(struct fleet_node *n);
/* All processes end. */
void fleet__batond_gone(struct fleet_node *n);
/* Whether, should batond end now, its guard can stop in time what runs. */
bool fleet__guard_has_time(const struct fleet_node *n);
void fleet__batond_turn(struct fleet_node *n);
/* A worker's process has ended: its parent is told. */
void fleet__kid_exited(struct fleet_worker *w);
void fleet__agent_exited(struct fleet_node *n);
void fleet__kid_ready(struct fleet_worker *w);
/* What stop budgets mean for how long a child is given. */
void fleet__set_limits(struct fleet_node *n);
void fleet__kid_event(struct fleet_worker *w, enum child_event event, enum stop_how how);
void fleet__agent_event(struct fleet_node *n, enum child_event event, enum stop_how how);

/* ---- fleet_reload.c ---- */

/* Goes on with a reload under way; after fleet_mend(), with those that bring back what was at first. */
void fleet__reload_turn(struct fleet_node *n);

/* ---- fleet_oracle.c ---- */

/* A start is issued. */
/* Looks on from now on. */
void fleet__oracle_init(struct fleet *f);
void fleet__see_start(struct fleet_worker *w, int64_t token);
void fleet__see_taken(struct fleet_node *n, size_t group, int64_t token);
void fleet__see_released(struct fleet_node *n, size_t group);
/* A grant is told to a worker. */
void fleet__see_grant(struct fleet_worker *w, const struct message *m);
/* A millisecond is over. */
void fleet__look(struct fleet *f);

#endif
