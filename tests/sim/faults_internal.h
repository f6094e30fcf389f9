/* What the files of the faults share. */
#ifndef BATON_TESTS_SIM_FAULTS_INTERNAL_H
#define BATON_TESTS_SIM_FAULTS_INTERNAL_H

#include "tests/sim/faults.h"

/* ---- faults.c ---- */

/* From the stream of the fault that strikes; from that of what comes of it later. */
uint64_t faults__draw(struct faults *f, uint64_t below);
uint64_t faults__draw_mending(struct faults *f, uint64_t below);
uint64_t faults__now(const struct faults *f);
/* Its machine is in the fleet's hands: off, asleep or without batond, so that its server is not to be touched. */
bool faults__is_elsewhere(const struct faults *f, int sid);
struct trouble *faults__trouble(struct faults *f, int sid);
bool faults__up(const struct faults *f, int sid);
/* It loses its power, or its process is killed; and starts again after so long. */
void faults__take_down(struct faults *f, int sid, bool power, uint64_t away_ms);
/* One way between two, for so long. */
void faults__cut(struct faults *f, int from, int to, uint64_t for_ms);
void faults__stand_still(struct faults *f, int sid, enum world_pause how, uint64_t for_ms);
/* The instant has come: once. */
bool faults__due(const struct faults *f, uint64_t *at);

/* ---- faults_plot.c: faults that take several steps, or wait for their moment ---- */

void faults__in_sync(struct faults *f, int sid);
void faults__in_work(struct faults *f, int sid);
void faults__tail(struct faults *f, int sid);
void faults__pause(struct faults *f, int sid);
void faults__deaf(struct faults *f, int sid);
void faults__outage(struct faults *f, int sid);
void faults__rivals(struct faults *f, int sid);
void faults__comeback(struct faults *f, int sid);
/* Once a millisecond: the next steps of those that have begun. */
void faults__plot(struct faults *f);
/* What waits for its moment does so no more. */
void faults__plot_end(struct faults *f);

#endif
