#include "tests/sim/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* All kinds of faults by name fit in. */
#define NARROWING_BYTES 1024
/* Before the command that replays a finding: what this build found another one may not. */
#ifdef BATON_SANITIZED
#define PRESET "BATON_PRESET=asan "
#else
#define PRESET ""
#endif

void totals_add(struct totals *t, const struct life_result *r)
{
        t->lives++;
        t->simulated_ms += r->simulated_ms;
        t->transactions += r->transactions;
        t->operations += r->operations;
        for (int i = 0; i < FAULT_MAX; i++)
                t->faults[i] += r->faults[i];
        for (int i = 0; i < MARK_MAX; i++) {
                t->coverage.counts[i] += r->coverage.counts[i];
                t->taken[i] += r->coverage.counts[i] > 0;
        }
}

void totals_sum(struct totals *t, const struct totals *other)
{
        t->lives += other->lives;
        t->simulated_ms += other->simulated_ms;
        t->transactions += other->transactions;
        t->operations += other->operations;
        for (int i = 0; i < FAULT_MAX; i++)
                t->faults[i] += other->faults[i];
        for (int i = 0; i < MARK_MAX; i++) {
                t->coverage.counts[i] += other->coverage.counts[i];
                t->taken[i] += other->taken[i];
        }
}

int report_holes(const struct totals *t)
{
        int holes = 0;
        for (int i = 0; i < MARK_MAX; i++)
                holes += t->coverage.counts[i] == 0;
        for (int i = 0; i < FAULT_MAX; i++)
                holes += t->faults[i] == 0;
        return holes;
}

void report_totals(const struct totals *t, bool brief)
{
        printf("\n%" PRIu64 " lives, %.1f simulated hours, %" PRIu64 " transactions committed, %" PRIu64
               " client operations\n",
               t->lives, (double)t->simulated_ms / 3600000, t->transactions, t->operations);
        if (brief)
                return;
        printf("\nfaults\n");
        for (int i = 0; i < FAULT_MAX; i++)
                printf("%10" PRIu64 "  %-16s %s\n", t->faults[i], fault_name((enum fault)i), fault_text((enum fault)i));
        printf("\npaths taken, and in how many lives\n");
        for (int i = 0; i < MARK_MAX; i++)
                printf("%10" PRIu64 " %7" PRIu64 "  %s\n", t->coverage.counts[i], t->taken[i], mark_name((enum mark)i));
        printf("\nnever taken\n");
        for (int i = 0; i < FAULT_MAX; i++)
                if (!t->faults[i])
                        printf("            fault %s\n", fault_name((enum fault)i));
        for (int i = 0; i < MARK_MAX; i++)
                if (!t->coverage.counts[i])
                        printf("            %s\n", mark_name((enum mark)i));
}

void report_finding(const struct sim_options *o, uint64_t seed, const struct verdict *v)
{
        char narrowing[NARROWING_BYTES];
        sim_options_narrowing(o, narrowing, sizeof narrowing);
        printf("\nseed %" PRIu64 " at %" PRIu64 " ms: %s: %s\n", seed, v->at_ms, v->checker, v->text);
        if (!strcmp(v->checker, "SAME")) /* one life alone differs from nothing */
                printf("  " PRESET "./dev sim --from %" PRIu64 " --seeds 1 --repeat%s   replays it\n", seed, narrowing);
        else
                printf("  " PRESET "./dev sim --seed %" PRIu64 "%s --trace   replays it\n", seed, narrowing);
}
