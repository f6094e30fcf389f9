/* Fleets in unit tests (cmocka): what the oracle finds ends the test, with the story told before. */
#ifndef BATON_TESTS_SIM_FLEET_FLEET_TEST_H
#define BATON_TESTS_SIM_FLEET_FLEET_TEST_H

#include "tests/sim/fleet/fleet.h"

/* As fleet_init(), with a story. */
void fleet_test_init(struct fleet *f, const struct fleet_options *o);
/* Ends the test with the story. */
void fleet_fail(struct fleet *f, const char *why) __attribute__((noreturn));

#endif
