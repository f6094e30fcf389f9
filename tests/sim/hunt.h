/* Whether the simulator is as unkind as it should be: bugs are planted one after the other, and each must be found. */
#ifndef BATON_TESTS_SIM_HUNT_H
#define BATON_TESTS_SIM_HUNT_H

#include "tests/sim/options.h"

/* What can be planted, a line each. */
void hunt_list(void);
/* Whether --plant NAME means more than one: "all", or "suite": those that every test run must find.
 */
bool hunt_is_many(const char *name);
/* Lives with o->plant, up to the first seed that finds it, and a table. False when one is not found, or is found by
 * something that does not name what it breaks. */
bool hunt(const struct sim_options *o);

#endif
