#include "tests/sim/hunt.h"

#include "tests/sim/plants.h"
#include "tests/sim/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

static void print_found(const struct plant_row *row, const struct run_result *r, uint64_t seeds, double took_s)
{
        const struct finding *f = &r->findings[0];
        printf("%-27s %5" PRIu64 " seeds %5" PRIu64 " lives %6.1f s  %s%s: %.*s\n", row->name, seeds, r->totals.lives,
               took_s, f->verdict.checker, is_expected(row, f->verdict.checker) ? "" : " (UNEXPECTED)",
               (int)strcspn(f->verdict.text, "\n"), f->verdict.text);
}

static void hunt_one(const struct sim_options *o, enum plant plant, struct tally *t)
{
        const struct plant_row *row = plant_row(plant);
        struct sim_options here = *o;
        struct run_result r;
        double before_s = cpu_s();
        here.plant = row->name;
        plant_set(plant);
        run_lives(&here, true, &r);
        double took_s = cpu_s() - before_s;
        t->cpu_s += took_s;
        if (!r.count) {
                printf("%-27s NOT FOUND by %" PRIu64 " seeds, %" PRIu64 " lives %6.1f s: %s\n", row->name, here.seeds,
                       r.totals.lives, took_s, row->text);
                t->lost++;
                return;
        }
        uint64_t seeds = r.findings[0].seed - o->from + 1;
        print_found(row, &r, seeds, took_s);
        if (is_expected(row, r.findings[0].verdict.checker))
                t->seeds[t->found++] = seeds;
        else
                t->lost++;
        (void)fflush(stdout);
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
                        here.seeds = plant_row((enum plant)i)->suite_seeds;
                if (here.seeds && (all || one == (enum plant)i))
                        hunt_one(&here, (enum plant)i, &t);
        }
        if (all)
                sum_up(&t);
        return t.lost == 0;
}
