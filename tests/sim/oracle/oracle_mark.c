/* Rare paths, as servers tell of them themselves. */
#include "tests/sim/oracle/oracle_internal.h"

#include "tests/sim/world/world_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Two pieces of a line that a server reports, and what it is a sign of; the first that fits counts. */
static const struct {
        const char *text, *also;
        enum mark mark;
} signs[] = {
        {"left the ensemble", "above this one", MARK_LEFT_PROMISES},
        {"left the ensemble", "was silent for too long", MARK_LEFT_SILENCE},
        {"left the ensemble", "can't be reached", MARK_LEFT_CONNECTION},
        {"left the ensemble", "no quorum of synchronised followers", MARK_LEFT_QUORUM},
        {"left the ensemble", "no quorum of voters connected", MARK_LEFT_BARRIER_E},
        {"left the ensemble", "no quorum promised", MARK_LEFT_BARRIER_A},
        {"left the ensemble", "no quorum can promise", MARK_LEFT_BARRIER_A},
        {"left the ensemble", "no quorum was synchronised", MARK_LEFT_BARRIER_N},
        {"left the ensemble", "the log was not written", MARK_LEFT_SLOW_DISK},
        {"left the ensemble", "connection", MARK_LEFT_CONNECTION},
};

/* A learner that leaves its role because its leader has left something out: no leader of ours may (Z14). One that is
 * played by hand may do as it likes. */
static void check_flow(struct oracle *o, const struct world *w, int sid, const char *text)
{
        int64_t leader = 0;
        bool gap = strstr(text, " sent 0x") && strstr(text, " after 0x");
        bool unknown = strstr(text, "which is not the oldest proposal");
        if ((!gap && !unknown) || sscanf(text, "left the ensemble: leader %" SCNd64, &leader) != 1)
                return;
        if (leader > 0 && leader <= w->count && !w->nodes[leader].played)
                ORACLE_BREAK(o, "Z14", "server %d %s", sid, text);
}

void oracle__noted(void *ctx, struct world *w, int sid, const char *text)
{
        struct oracle *o = ctx;
        check_flow(o, w, sid, text);
        for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
                if (strstr(text, signs[i].text) && strstr(text, signs[i].also)) {
                        oracle__mark(o, signs[i].mark);
                        return;
                }
}
