/* Requests over all connections of the load, until so many are done or a time is over. */
#ifndef BATON_TESTS_BENCH_PUMP_H
#define BATON_TESTS_BENCH_PUMP_H

#include "tests/bench/load.h"

struct pump {
        enum do_op op, other; /* `other` for `other_percent` of all */
        uint32_t other_percent;
        uint32_t keys;       /* keys are 0 to keys - 1 */
        bool at_random;      /* else in turn */
        uint64_t operations; /* 0: by time */
        double seconds, warmup_seconds, rate;
        bool measured;        /* goes into the load's latency and marks */
        uint32_t outstanding; /* on each connection; 0: as the options say */
        uint32_t connections; /* the first so many; 0: all */

        /* The pump's own. */
        uint64_t issued, done, begins_ns, measures_ns, ends_ns, last_ns;
        uint32_t next_conn;
        bool over;
};

/* Runs it, until each reply is there. Without a rate each connection has as many requests under way as it has room
 * for. With one, requests are due at even distances, go to the connections in turn, and what cannot be sent in time is
 * sent later: its time counts from when it was due. It may be run again: each time begins anew. */
void pump_run(struct load *l, struct pump *p);

#endif
