/* baton-sim: lives of simulated ensembles, by the thousand or one of them line by line. See options.c for how it is
 * called; life.h for what a life is. */
#include "tests/sim/hunt.h"
#include "tests/sim/plants.h"
#include "tests/sim/runner.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum ending {
        ENDING_FINE = 0,
        ENDING_BROKEN = 1,
        ENDING_USAGE = 2,
        ENDING_CRASH = 3,
        ENDING_STUCK = 4,
        ENDING_HOLE = 5,
        ENDING_UNFOUND = 6,
        ENDING_DIFFERS = 7,
};

static enum ending ending_of(const struct verdict *v)
{
        if (!verdict_broken(v))
                return ENDING_FINE;
        if (!strcmp(v->checker, "CRASH") || !strcmp(v->checker, "HANG"))
                return ENDING_CRASH;
        if (!strcmp(v->checker, "LIVE"))
                return ENDING_STUCK;
        if (!strcmp(v->checker, "SAME"))
                return ENDING_DIFFERS;
        return ENDING_BROKEN;
}

/* The gravest: a broken promise before a crash before a standstill. */
static enum ending worst_of(const struct run_result *r)
{
        enum ending worst = ENDING_FINE;
        for (size_t i = 0; i < r->count; i++) {
                enum ending e = ending_of(&r->findings[i].verdict);
                if (e != ENDING_FINE && (worst == ENDING_FINE || e < worst))
                        worst = e;
        }
        return worst;
}

static enum ending run_one(const struct sim_options *o)
{
        struct life_plan plan;
        struct life_result result;
        plant_set(o->plant ? plant_by_name(o->plant) : PLANT_NONE);
        life_plan_for(o, o->from, &plan);
        life_live(&plan, o->trace ? stdout : NULL, &result);
        printf("seed %" PRIu64 ": %" PRIu64 " simulated ms, %" PRIu64 " transactions, digest %016" PRIx64 "\n", o->from,
               result.simulated_ms, result.transactions, result.digest);
        if (verdict_broken(&result.verdict))
                report_finding(o, o->from, &result.verdict);
        return ending_of(&result.verdict);
}

static enum ending run_many(const struct sim_options *o)
{
        struct run_result r;
        run_lives(o, false, &r);
        for (uint64_t i = 0; o->digests && i < o->seeds; i++)
                printf("%" PRIu64 " %016" PRIx64 "\n", o->from + i, r.digests[i]);
        mem_free(r.digests);
        report_totals(&r.totals);
        for (size_t i = 0; i < r.count; i++)
                report_finding(o, r.findings[i].seed, &r.findings[i].verdict);
        enum ending e = worst_of(&r);
        if (e == ENDING_FINE && o->suite && report_holes(&r.totals))
                return ENDING_HOLE;
        return e;
}

static enum ending run(const struct sim_options *o)
{
        if (o->mode == SIM_HELP)
                (void)fputs(sim_usage(), stdout);
        else if (o->mode == SIM_PLANTS)
                hunt_list();
        else if (o->plant && o->mode != SIM_ONE)
                return hunt(o) ? ENDING_FINE : ENDING_UNFOUND;
        else if (o->mode == SIM_ONE)
                return run_one(o);
        else
                return run_many(o);
        return ENDING_FINE;
}

int main(int argc, char **argv)
{
        struct sim_options o;
        char why[256];
        if (sim_options_parse(argc, argv, &o, why, sizeof why) < 0) {
                (void)fprintf(stderr, "baton-sim: %s\n", why);
                return ENDING_USAGE;
        }
        return (int)run(&o);
}
