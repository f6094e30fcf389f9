#include "tests/sim/hunt.h"

#include "tests/sim/plants.h"
#include "tests/sim/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What every test run demands: a bug that so many seeds do not find means that the simulator is too kind. Nearly all
 * are found by the first few. */
#define SUITE_SEEDS 5000

struct tally {
        uint64_t seeds[PLANT_MAX]; /* until each was found */
        size_t found, lost;
        double cpu_s;
};

void hunt_list(void)
{
        for (int i = PLANT_NONE + 1; i < PLANT_MAX; i++) {
                const struct plant_row *row = plant_row((enum plant)i);
                printf("%-27s %-16s %s\n", row->name, row->checkers, row->text);
        }
}

bool hunt_is_many(const char *name)
{
        return !strcmp(name, "all") || !strcmp(name, "suite");
}

static bool is_expected(const struct plant_row *row, const char *checker)
{
        size_t len = strlen(checker);
        const char *at = row->checkers;
        while ((at = strstr(at, checker))) {
                if ((at == row->checkers || at[-1] == ' ') && (at[len] == ' ' || at[len] == 0))
                        return true;
                at += len;
        }
        return false;
}

/* Of all processes that were waited for. */
static double cpu_s(void)
{
        struct rusage u;
        (void)getrusage(RUSAGE_CHILDREN, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000000;
}

struct search {
        struct finding finding;
        uint64_t seeds, lives; /* until then */
        uint64_t others;       /* lives that something else has ended */
        bool found;
};

/* Lives one after the other. What ends one without naming a promise that this bug breaks (an assertion in its way, say)
 * is counted, and passed over. */
static struct search search(const struct sim_options *o, const struct plant_row *row)
{
        struct sim_options here = *o;
        struct search s = {.seeds = o->seeds};
        here.plant = row->name;
        while (here.seeds && !s.found) {
                struct run_result r;
                run_lives(&here, true, &r);
                s.lives += r.totals.lives;
                if (!r.count)
                        break;
                s.finding = r.findings[0];
                s.found = is_expected(row, s.finding.verdict.checker);
                s.others += !s.found;
                here.seeds -= s.finding.seed + 1 - here.from;
                here.from = s.finding.seed + 1;
        }
        if (s.found)
                s.seeds = s.finding.seed + 1 - o->from;
        return s;
}

static void print_row(const struct plant_row *row, const struct search *s, double took_s)
{
        const struct verdict *v = &s->finding.verdict;
        printf("%-27s %s%5" PRIu64 " seeds, %4" PRIu64 " lives, %5.1f s", row->name, s->found ? "" : "NOT FOUND by ",
               s->seeds, s->lives, took_s);
        if (s->others)
                printf(", after %" PRIu64 " other findings", s->others);
        if (s->found)
                printf("  %s: %.*s\n", v->checker, (int)strcspn(v->text, "\n"), v->text);
        else
                printf("  %s%s%s\n", row->text, s->others ? "; the last of the others: " : "", v->checker);
        (void)fflush(stdout);
}

static void hunt_one(const struct sim_options *o, enum plant plant, struct tally *t)
{
        const struct plant_row *row = plant_row(plant);
        double before_s = cpu_s();
        plant_set(plant);
        struct search s = search(o, row);
        double took_s = cpu_s() - before_s;
        t->cpu_s += took_s;
        print_row(row, &s, took_s);
        if (s.found)
                t->seeds[t->found++] = s.seeds;
        else
                t->lost++;
}

static int by_size(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;
        return (*x > *y) - (*x < *y);
}

static void sum_up(struct tally *t)
{
        qsort(t->seeds, t->found, sizeof *t->seeds, by_size);
        if (t->found)
                printf("%zu of %zu found, half of them within %" PRIu64 " seeds, all within %" PRIu64
                       "; %.0f s of processor time\n",
                       t->found, t->found + t->lost, t->seeds[(t->found - 1) / 2], t->seeds[t->found - 1], t->cpu_s);
}

bool hunt(const struct sim_options *o)
{
        bool suite = !strcmp(o->plant, "suite"), all = suite || !strcmp(o->plant, "all");
        enum plant one = plant_by_name(o->plant);
        struct tally t = {.found = 0};
        for (int i = PLANT_NONE + 1; i < PLANT_MAX; i++) {
                struct sim_options here = *o;
                if (suite)
                        here.seeds = SUITE_SEEDS;
                if (here.seeds && (all || one == (enum plant)i))
                        hunt_one(&here, (enum plant)i, &t);
        }
        if (all)
                sum_up(&t);
        return t.lost == 0;
}
