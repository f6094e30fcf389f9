/* Random lives of ensembles: first anything goes and nothing false may be decided (E1, E2, E4, checked by the
 * mesh), then a random majority is left alone and must settle on one leader within a bound (E7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vote/mesh.h"

#ifndef SEEDS
#define SEEDS 1000
#endif
#define FAULTS 40
/* Looking servers repeat themselves after 12.8 s at the latest when the faults end; once for a lookers' vote,
 * once for observers, and what Zab's double needs to give a wrong leader up. */
#define SETTLED_WITHIN_MS 40000
#define STAYS_FOR_MS      5000

static void random_fault(struct mesh *m, size_t nodes)
{
        int64_t a = 1 + (int64_t)mesh_random(m, nodes);
        int64_t b = 1 + (int64_t)mesh_random(m, nodes);
        switch (mesh_random(m, 8)) {
        case 0:
        case 1:
                if (!mesh_alive(m, a))
                        mesh_start(m, a);
                break;
        case 2:
                mesh_kill(m, a);
                break;
        case 3:
                mesh_stop(m, a);
                break;
        case 4:
                mesh_continue(m, a);
                break;
        case 5:
                if (a != b)
                        mesh_cut(m, a, b, true);
                break;
        case 6:
                if (a != b)
                        mesh_cut(m, a, b, false);
                break;
        default:
                if (a != b)
                        mesh_reset(m, a, b);
                break;
        }
}

/* Leaves a random majority of the voters, and all observers, in peace; the other voters are dead. */
static void calm(struct mesh *m, size_t voters, size_t observers, int64_t *ret_sids)
{
        size_t dead_left = (size_t)mesh_random(m, (voters - 1) / 2 + 1);
        size_t count = 0;
        for (int64_t a = 1; a <= (int64_t)(voters + observers); a++) {
                for (int64_t b = a + 1; b <= (int64_t)(voters + observers); b++)
                        mesh_cut(m, a, b, false);
        }
        for (int64_t sid = 1; sid <= (int64_t)(voters + observers); sid++) {
                bool voter = sid <= (int64_t)voters;
                if (voter && dead_left > 0 && mesh_random(m, 2)) {
                        dead_left--;
                        mesh_kill(m, sid);
                        continue;
                }
                mesh_continue(m, sid);
                if (!mesh_alive(m, sid))
                        mesh_start(m, sid);
                ret_sids[count++] = sid;
        }
        ret_sids[count] = 0;
}

static bool agree(const struct mesh *m, const int64_t *sids)
{
        int64_t leader = mesh_leader(m, sids[0]);
        if (leader == 0 || mesh_state(m, leader) != VOTE_LEADING)
                return false;
        for (; *sids; sids++) {
                if (mesh_leader(m, *sids) != leader)
                        return false;
        }
        return true;
}

static void live(uint64_t seed)
{
        struct prng p = {seed};
        const struct mesh_options o = {
                .voters = prng_next(&p) % 2 ? 3 : 5,
                .observers = prng_next(&p) % 3,
                .seed = seed,
                .latency_max_ms = (uint32_t)(prng_next(&p) % 4 ? prng_next(&p) % 8 : prng_next(&p) % 60),
        };
        struct mesh *m = mesh_new(&o);
        int64_t sids[MESH_NODES_MAX + 1];
        for (int64_t sid = 1; sid <= (int64_t)o.voters; sid++) {
                int64_t epoch = (int64_t)mesh_random(m, 3);
                mesh_set_data(m, sid, epoch, epoch << 32 | (int64_t)mesh_random(m, 3));
        }
        for (int i = 0; i < FAULTS; i++) {
                random_fault(m, o.voters + o.observers);
                mesh_run(m, mesh_random(m, 4) ? mesh_random(m, 40) : mesh_random(m, 900));
        }
        calm(m, o.voters, o.observers, sids);
        uint64_t start = mesh_now(m);
        for (;;) {
                mesh_run(m, 200);
                if (agree(m, sids)) {
                        mesh_run(m, STAYS_FOR_MS);
                        if (agree(m, sids))
                                break;
                }
                if (mesh_now(m) - start > SETTLED_WITHIN_MS)
                        mesh_fail(m, "E7: no agreement among the majority");
        }
        mesh_free(m);
}

static void test_whatever_happens_nothing_false_is_decided_and_a_majority_left_alone_settles(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                live(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whatever_happens_nothing_false_is_decided_and_a_majority_left_alone_settles),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
