/* What the mend is to be: nothing that a fault has done lasts beyond it. A life that goes on under one would be judged
 * by bounds that hold for a sound world only. */
#include "tests/sim/faults.h"
#include "tests/sim/swarm.h"
#include "tests/sim/world/world_state.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

/* So long things go wrong in each small life. */
#define FAULTY_MS 3000

struct scenery {
        struct world *world;
        struct faults faults;
        struct verdict verdict;
        struct trace trace;
        struct coverage coverage;
};

/* An ensemble in which only this kind of fault happens, and often. */
static void begin(struct scenery *s, enum fault fault, uint64_t seed)
{
        struct fault_plan plan = {.pause_ms = 100, .most = UINT32_MAX};
        *s = (struct scenery){.world = world_new(3, 0, seed)};
        trace_init(&s->trace, NULL);
        struct oracle *oracle = oracle_new(s->world, &s->verdict, &s->coverage);
        for (int sid = 1; sid <= 3; sid++)
                world_start(s->world, sid);
        assert_true(world_serving(s->world, 0, 10000));
        plan.weights[fault] = 1;
        faults_init(&s->faults, s->world, &plan, seed);
        s->faults.oracle = oracle;
        s->faults.trace = &s->trace;
        s->faults.verdict = &s->verdict;
        s->faults.coverage = &s->coverage;
        s->faults.rate_ppm = 100000;
}

static void end(struct scenery *s)
{
        assert_false(verdict_broken(&s->verdict));
        world_free(s->world);
        oracle_free(s->faults.oracle);
}

/* Who was about to end does, and begins again. */
static void heal(struct scenery *s)
{
        faults_heal(&s->faults, 0xe, HEAL_CUT);
        for (int i = 0; i < 500; i++) {
                faults_restart_ended(&s->faults, 0xe);
                world_run(s->world, 1);
        }
        faults_restart_ended(&s->faults, 0xe);
}

static void assert_sound(const struct world *w)
{
        assert_int_equal(w->net_delay_ms, 0);
        for (int from = 0; from <= w->count; from++)
                for (int to = 0; to <= w->count; to++) {
                        const struct world_link *l = &w->links[from][to];
                        assert_false(l->cut || l->blackhole || l->hold);
                        assert_int_equal(l->delay_ms + l->bytes_per_ms + l->dial_ms, 0);
                }
        for (int sid = 1; sid <= w->count; sid++) {
                const struct world_node *n = &w->nodes[sid];
                assert_true(n->running);
                assert_false(n->frozen || n->off || n->disk_hangs);
                assert_int_equal(n->log_ms + n->snapshot_ms, 0);
        }
        for (const struct list *at = w->streams.next; at != &w->streams; at = at->next)
                assert_int_equal(LIST_ENTRY(at, const struct world_stream, link)->late_ms, 0);
}

/* Of seeds 4539 and 4436, and of all that did not serve in time, connections were late by a second for ever. */
static void test_nothing_that_went_wrong_outlives_the_mend(void **state)
{
        (void)state;
        for (int fault = 0; fault < FAULT_FLEET; fault++)
                for (uint64_t seed = 1; seed <= 3; seed++) {
                        struct scenery s;
                        begin(&s, (enum fault)fault, seed);
                        for (int i = 0; i < FAULTY_MS; i++) {
                                faults_turn(&s.faults);
                                world_run(s.world, 1);
                        }
                        heal(&s);
                        assert_sound(s.world);
                        end(&s);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_that_went_wrong_outlives_the_mend),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
