#ifndef BATON_TESTS_SIM_FLEET_FLEET_INTERNAL_H
#define BATON_TESTS_SIM_FLEET_FLEET_INTERNAL_H

#include "tests/sim/fleet/fleet.h"

/* 0 … n-1; 0 where n is 0. */
uint32_t fleet__below(struct fleet *f, uint32_t n);

void fleet__worker_init(struct fleet_worker *w);
void fleet__worker_done(struct fleet_worker *w);
/* One millisecond of its process. */
void fleet__worker_turn(struct fleet_worker *w);
void fleet__to_worker(struct fleet_worker *w, const struct message *m);
/* What it has said, and has arrived. */
bool fleet__from_worker(struct fleet_worker *w, struct fleet_letter *ret);
/* A link is made: HELLO comes. Or it ends, with all that was under way. */
void fleet__link(struct fleet_worker *w);
void fleet__unlink(struct fleet_worker *w);

#endif
