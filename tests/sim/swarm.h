/* What a seed decides before a life begins: the ensemble, its limits, who uses it, which faults there are and how
 * hard they strike. Never all at once (Groce et al., swarm testing): what is left out lets the rest go further. */
#ifndef BATON_TESTS_SIM_SWARM_H
#define BATON_TESTS_SIM_SWARM_H

#include "tests/sim/faults.h"
#include "tests/sim/load/load.h"

#include <stdbool.h>

/* Which servers are healed at the end of the faults. */
enum recovery {
        RECOVERY_ALL,  /* every one */
        RECOVERY_CORE, /* a majority; the rest stays lost */
        RECOVERY_BOTH, /* a majority, and when that has served, the rest */
};

struct life_plan {
        uint64_t seed;
        int voters, observers;
        uint32_t snap_count, commit_log_count, tick_ms, init_limit, sync_limit;
        uint32_t heartbeat_ms, election_timeout_ms, step_bytes_max; /* as struct server_config */
        uint32_t net_delay_ms, net_bytes_per_ms;
        uint32_t sweep_interval_ms, sweeps_per_minute; /* of containers and nodes with a time to live */
        struct fault_plan faults;
        uint64_t faulty_ms; /* so long things go wrong */
        bool read_only;     /* servers without a leader show what they have */
        bool load;          /* clients ask for all sorts of things; what and how often is drawn by themselves */
        enum load_bent load_bent;
        bool fleet; /* the first machines have agents, groups and workers */
        struct fleet_options fleet_options;
        enum recovery recovery;
        enum heal rest;
};

void life_plan_draw(struct life_plan *p, uint64_t seed);
/* The plan as lines of the trace. */
void life_plan_say(const struct life_plan *p, struct trace *t);

#endif
