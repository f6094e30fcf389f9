/* batonctl config check: judges the whole configuration, what plugins say of their settings included, without starting
 * or changing anything; then prints how long a failover of each group may take (docs/failover.md). */
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "daemon/worker/plugin_host.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A commit, for the reckoning: two syncs and a round between machines of one site. */
#define COMMIT_MS 20
/* The holder renews so often within a lease; on average half of that has passed when it is lost. */
#define RENEWALS_PER_LEASE 6

/* The times of one group, in milliseconds, without the start of the resource itself. */
struct contract {
        const struct node_group *group;
        uint32_t budget_ms;
        uint64_t detection_ms;     /* nothing is heard of the holder for so long */
        uint64_t stop_ms;          /* it surely has stopped after so long more */
        uint64_t lost_expected_ms; /* from the loss of the node to the next node's start */
        uint64_t lost_worst_ms;
        uint64_t moved_worst_ms; /* an orderly stop or a switchover */
};

static void print_problem(void *ctx, const struct origin *where, const char *text)
{
        (void)ctx;
        (void)fprintf(stderr, "%s:%d: %s\n", where->file, where->line, text);
}

static uint32_t group_budget(const struct node_config *c, const struct node_group *g, const uint32_t *budgets)
{
        uint32_t budget = 0;
        if (g->stop_budget_ms)
                return g->stop_budget_ms;
        for (size_t i = 0; i < c->plugin_count; i++)
                if (strcmp(c->plugins[i].group.text, g->name.text) == 0 && budgets[i] > budget)
                        budget = budgets[i];
        return budget;
}

static struct contract reckon(const struct node_config *c, const struct node_group *g, const uint32_t *budgets)
{
        struct contract t = {.group = g, .budget_ms = group_budget(c, g, budgets)};
        uint64_t wait = lease_taker_ms(c->session_timeout_ms, t.budget_ms, c->clock_rate_ppm);
        t.detection_ms = c->session_timeout_ms;
        t.stop_ms = wait - t.detection_ms;
        t.lost_expected_ms = wait + COMMIT_MS - c->session_timeout_ms / RENEWALS_PER_LEASE / 2;
        t.lost_worst_ms = wait + COMMIT_MS;
        /* Where the lost node led, a renewal that it had just logged is seen only under the next leader, and counts
         * from then: within a session timeout, or the others have lost their own sessions. */
        if (c->has_engine)
                t.lost_worst_ms += c->session_timeout_ms;
        t.moved_worst_ms = t.budget_ms + COMMIT_MS;
        return t;
}

static void print_contracts(const struct ctl_options *o, const struct contract *list, size_t count)
{
        static const char *const heads[] = {"GROUP",    "DETECTION",       "STOP BUDGET", "NODE LOST: EXPECTED",
                                            "AT WORST", "MOVED: AT WORST", NULL};
        struct table *t = table_new(heads);
        for (size_t i = 0; i < count; i++) {
                table_row(t);
                table_cell(t, SHADE_PLAIN, "%s", list[i].group->name.text);
                table_cell(t, SHADE_PLAIN, "%" PRIu64 " ms", list[i].detection_ms);
                table_cell(t, SHADE_PLAIN, "%" PRIu32 " ms", list[i].budget_ms);
                table_cell(t, SHADE_PLAIN, "%" PRIu64 " ms", list[i].lost_expected_ms);
                table_cell(t, SHADE_PLAIN, "%" PRIu64 " ms", list[i].lost_worst_ms);
                table_cell(t, SHADE_PLAIN, "%" PRIu64 " ms", list[i].moved_worst_ms);
        }
        (void)printf("\nHow long a group may be away, until its next node begins to start it:\n\n");
        table_print(t, o->colour, stdout);
        (void)printf(
                "\nAt worst the lost node also led the ensemble, and its last renewal is seen only under the next "
                "leader.\n"
                "The start of the service comes on top, and half a second for each better candidate that does not\n"
                "take it.\n");
        table_free(t);
}

static void print_contracts_json(const struct contract *list, size_t count)
{
        json_t *all = json_array();
        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(
                        all, json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "group", list[i].group->name.text,
                                       "detection_ms", (json_int_t)list[i].detection_ms, "stop_budget_ms",
                                       (json_int_t)list[i].budget_ms, "stop_wait_ms", (json_int_t)list[i].stop_ms,
                                       "lost_expected_ms", (json_int_t)list[i].lost_expected_ms, "lost_worst_ms",
                                       (json_int_t)list[i].lost_worst_ms, "moved_worst_ms",
                                       (json_int_t)list[i].moved_worst_ms));
        (void)json_dumpf(all, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(all);
}

static int check(const struct ctl_options *o, const char *path)
{
        static struct problems problems; /* too large for a stack that should stay small */
        static struct contract contracts[NODE_GROUPS_MAX];
        static uint32_t budgets[NODE_PLUGINS_MAX];
        struct node_config *c = NULL;
        size_t found = 0;
        problems_init(&problems, path);
        if (node_config_load(path, &c, &problems) < 0) {
                problems_print(&problems, stderr);
                return CTL_USAGE;
        }
        for (size_t i = 0; i < c->plugin_count; i++) {
                struct plugin_judgement judgement = {.problems = 0};
                plugin_judge(c, &c->plugins[i], print_problem, NULL, &judgement);
                found += judgement.problems;
                budgets[i] = judgement.budget_ms;
        }
        if (!found) {
                for (size_t i = 0; i < c->group_count; i++)
                        contracts[i] = reckon(c, &c->groups[i], budgets);
                if (o->json)
                        print_contracts_json(contracts, c->group_count);
                else
                        (void)printf("%s: nothing wrong; node %s, %zu group%s, %zu plugin%s\n", path, c->node.text,
                                     c->group_count, c->group_count == 1 ? "" : "s", c->plugin_count,
                                     c->plugin_count == 1 ? "" : "s");
                if (!o->json && c->group_count)
                        print_contracts(o, contracts, c->group_count);
        }
        node_config_free(c);
        return found ? CTL_USAGE : CTL_DONE;
}

int cmd_config(const struct ctl_options *o, int argc, char **argv)
{
        if (argc != 2 || strcmp(argv[1], "check") != 0) {
                (void)fprintf(stderr, "batonctl config check [with --config FILE before it]; see batonctl --help\n");
                return CTL_USAGE;
        }
        return check(o, o->config ? o->config : NODE_CONFIG_DEFAULT);
}
