/* baton-sim: lives of simulated ensembles, by the thousand or one of them line by line. See options.c for how it is
 * called; life.h for what a life is. */
#include "tests/sim/hunt.h"
#include "tests/sim/plants.h"
#include "tests/sim/runner.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A life has no more faults than this. */
#define SHRINK_FAULTS_MAX 8192

/* The rarest paths are taken by one life of sixty. */
#define SUITE_LIVES_MIN 500

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

/* What is in the buffer is on its way. Else it is a crash, whatever came before. */
static int said(int ending)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return ending;
        perror("baton-sim: not all could be written");
        return ending ? ending : ENDING_CRASH;
}

static int live_one(const struct sim_options *o)
{
        struct life_plan plan;
        struct life_result result;
        life_plan_for(o, o->from, &plan);
        life_live(&plan, o->trace ? stdout : NULL, &result);
        printf("seed %" PRIu64 ": %" PRIu64 " simulated ms, %" PRIu64 " transactions, digest %016" PRIx64 "\n", o->from,
               result.simulated_ms, result.transactions, result.digest);
        if (verdict_broken(&result.verdict))
                report_finding(o, o->from, &result.verdict);
        return said((int)ending_of(&result.verdict));
}

/* With its trace a crash is told after the last line of it. */
static enum ending run_one(const struct sim_options *o)
{
        struct verdict crash = {.at_ms = 0};
        plant_set(o->plant ? plant_by_name(o->plant) : PLANT_NONE);
        if (o->trace)
                (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
        int ending = run_apart(live_one, o, &crash);
        if (!verdict_broken(&crash))
                return (enum ending)ending;
        report_finding(o, o->from, &crash);
        return ending ? (enum ending)ending : ending_of(&crash);
}

static enum ending run_many(const struct sim_options *o)
{
        struct run_result r;
        run_lives(o, false, &r);
        for (uint64_t i = 0; o->digests && i < o->seeds; i++)
                printf("%" PRIu64 " %016" PRIx64 "\n", o->from + i, r.digests[i]);
        mem_free(r.digests);
        report_totals(&r.totals, o->brief);
        if (r.totals.lives < o->seeds)
                printf("\n%" PRIu64 " of %" PRIu64 " seeds were lived: %s\n", r.totals.lives, o->seeds,
                       r.count < FINDINGS_MAX ? "the time is up" : "there are as many findings as are kept");
        for (size_t i = 0; i < r.count; i++)
                report_finding(o, r.findings[i].seed, &r.findings[i].verdict);
        enum ending e = worst_of(&r);
        bool enough = o->seeds >= SUITE_LIVES_MIN;
        if (o->suite && !enough)
                printf("\nthat no path is missing is demanded of %d lives and more\n", SUITE_LIVES_MIN);
        int holes = e == ENDING_FINE && o->suite && enough ? report_holes(&r.totals) : 0;
        if (!holes)
                return e;
        printf("\n%d paths and faults are missing%s\n", holes, o->brief ? " (without --brief they are listed)" : "");
        return ENDING_HOLE;
}

/* ---- shrinking ---- */

/* What the life with these options breaks, in a process of its own: it may crash. */
static struct verdict tried(const struct sim_options *o)
{
        struct sim_options one = *o;
        struct run_result r;
        one.mode = SIM_SEEDS;
        one.seeds = one.jobs = 1;
        run_lives(&one, true, &r);
        return r.count ? r.findings[0].verdict : (struct verdict){.at_ms = 0};
}

static bool still_breaks(const struct sim_options *o, const char *checker)
{
        struct verdict v = tried(o);
        return !strcmp(v.checker, checker);
}

/* As few faults from the first one on as still break it, by halves. */
static void shrink_number(struct sim_options *least, const char *checker)
{
        struct sim_options fewer = *least;
        uint32_t enough = least->faults < SHRINK_FAULTS_MAX ? least->faults : SHRINK_FAULTS_MAX, too_few = 0;
        fewer.faults = 0;
        if (still_breaks(&fewer, checker))
                enough = 0;
        while (too_few + 1 < enough) {
                fewer.faults = too_few + (enough - too_few) / 2;
                if (still_breaks(&fewer, checker))
                        enough = fewer.faults;
                else
                        too_few = fewer.faults;
        }
        least->faults = enough;
}

/* The number of faults, then the kinds, one after the other, then what is left. It is the least only as far as this
 * goes; it is a story short enough to be read. */
static enum ending run_shrink(const struct sim_options *o)
{
        struct sim_options least = *o;
        struct life_plan plan;
        plant_set(o->plant ? plant_by_name(o->plant) : PLANT_NONE);
        struct verdict v = tried(o);
        if (!verdict_broken(&v)) {
                printf("seed %" PRIu64 " breaks nothing\n", o->from);
                return ENDING_FINE;
        }
        life_plan_for(o, o->from, &plan);
        shrink_number(&least, v.checker);
        for (int i = 0; least.faults && i < FAULT_MAX; i++) {
                struct sim_options fewer = least;
                fewer.without[i] = true;
                if (plan.faults.weights[i] && !least.without[i] && still_breaks(&fewer, v.checker))
                        least = fewer;
        }
        if (least.faults)
                shrink_number(&least, v.checker);
        v = tried(&least);
        report_finding(&least, o->from, &v);
        return ending_of(&v);
}

static enum ending run(const struct sim_options *o)
{
        if (o->mode == SIM_HELP)
                (void)fputs(sim_usage(), stdout);
        else if (o->mode == SIM_PLANTS)
                hunt_list();
        else if (o->plant && o->mode == SIM_SEEDS)
                return hunt(o) ? ENDING_FINE : ENDING_UNFOUND;
        else if (o->mode == SIM_ONE)
                return run_one(o);
        else if (o->mode == SIM_SHRINK)
                return run_shrink(o);
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
        return said((int)run(&o));
}
