/* Disks of the small world that fail, hang and rot, and the atlas of what may be spoiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MS 6000

static struct world *start_all(int servers, uint64_t seed)
{
        struct world *w = world_new(servers, 0, seed);
        for (int sid = 1; sid <= servers; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        return w;
}

static int other_than(int a, int b)
{
        int sid = 1;
        while (sid == a || sid == b)
                sid++;
        return sid;
}

/* ---- failures ---- */

static void test_each_failing_write_ends_the_server_and_it_comes_back(void **state)
{
        (void)state;
        static const enum memory_op ops[] = {MEMORY_OP_WRITE, MEMORY_OP_SYNC};
        static const int errors[] = {-EIO, -ENOSPC, -EROFS};
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
                for (size_t k = 0; k < sizeof errors / sizeof *errors; k++) {
                        struct world *w = start_all(3, 1 + i);
                        int leader = world_leader(w), victim = other_than(leader, 0);
                        struct world_client *c = world_connect(w, leader, NULL);
                        world_fail_disk(w, victim, ops[i], 0, 1, errors[k]);
                        assert_int_equal(world_create(c, "/a", "", 0, NULL, 0), ZK_OK);
                        world_run(w, 200);
                        assert_false(world_running(w, victim));
                        assert_int_equal(world_halted(w, victim), SERVER_STATUS_DISK);
                        world_start(w, victim);
                        assert_true(world_serving(w, 0, SETTLE_MS));
                        world_free(w);
                }
}

static void test_a_read_that_fails_refuses_the_start_and_not_for_ever(void **state)
{
        (void)state;
        struct world *w = start_all(3, 2);
        world_crash(w, 1);
        assert_null(world_refused(w, 1));
        world_fail_disk(w, 1, MEMORY_OP_READ, 0, UINT64_MAX, -EIO);
        world_start(w, 1);
        assert_false(world_running(w, 1));
        assert_non_null(world_refused(w, 1));
        assert_int_equal(world_halted(w, 1), WORLD_STATUS_REFUSED);
        world_live(w, 1);
        world_start(w, 1);
        assert_null(world_refused(w, 1));
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_free(w);
}

static void test_a_disk_that_hangs_acknowledges_nothing(void **state)
{
        (void)state;
        struct world *w = start_all(3, 3);
        int leader = world_leader(w), a = other_than(leader, 0), b = other_than(leader, a);
        struct world_client *c = world_connect(w, leader, NULL);
        world_hang_disk(w, a, true);
        assert_int_equal(world_create(c, "/a", "", 0, NULL, 0), ZK_OK); /* the others are a quorum */
        world_hang_disk(w, b, true);
        int32_t xid = world_send(c, OP_CREATE, NULL); /* a malformed one commits nothing */
        (void)xid;
        world_run(w, 50);
        c = world_connect(w, leader, NULL); /* a session is a transaction too */
        assert_null(c);
        world_hang_disk(w, a, false);
        world_hang_disk(w, b, false);
        assert_true(world_serving(w, 0, SETTLE_MS));
        assert_non_null(world_connect(w, world_leader(w), NULL));
        world_free(w);
}

static void test_space_comes_back(void **state)
{
        (void)state;
        struct world *w = start_all(3, 4);
        int leader = world_leader(w), victim = other_than(leader, 0);
        struct world_client *c = world_connect(w, leader, NULL);
        char data[4001];
        memset(data, 'x', sizeof data - 1);
        data[sizeof data - 1] = 0;
        world_fill_disk(w, victim, true);
        assert_int_equal(world_create(c, "/a", data, 0, NULL, 0), ZK_OK);
        assert_int_equal(world_create(c, "/b", data, 0, NULL, 0), ZK_OK);
        world_run(w, 200);
        assert_int_equal(world_halted(w, victim), SERVER_STATUS_DISK);
        world_fill_disk(w, victim, false);
        world_start(w, victim);
        assert_true(world_serving(w, 0, SETTLE_MS));
        char *mine = world_dump(w, victim), *theirs = world_dump(w, world_leader(w));
        assert_string_equal(mine, theirs);
        mem_free(mine);
        mem_free(theirs);
        world_free(w);
}

/* ---- rot ---- */

static void write_some(struct world *w, size_t count)
{
        struct world_client *c = world_connect(w, world_leader(w), NULL);
        assert_non_null(c);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(world_create(c, "/n", "x", 2, NULL, 0), ZK_OK);
        world_disconnect(c);
        world_run(w, 100); /* everybody has it on the disk */
}

static void test_the_atlas_keeps_a_majority_of_copies(void **state)
{
        (void)state;
        struct world *w = start_all(3, 5);
        write_some(w, 5);
        assert_true(world_may_lose(w, 1) && world_may_lose(w, 2) && world_may_lose(w, 3));
        assert_true(world_rot(w, 1, WORLD_FILE_LOG, 1));
        assert_true(world_rotten(w, 1));
        assert_true(world_may_lose(w, 1)); /* it is lost already */
        assert_false(world_may_lose(w, 2));
        assert_false(world_rot(w, 2, WORLD_FILE_LOG, 2));
        assert_false(world_rotten(w, 2));
        world_kill(w, 1);
        world_wipe(w, 1);
        assert_false(world_rotten(w, 1));
        assert_false(world_may_lose(w, 2)); /* its disk holds nothing yet */
        world_start(w, 1);
        assert_true(world_serving(w, 0, SETTLE_MS));
        write_some(w, 2);
        assert_true(world_may_lose(w, 2));
        world_free(w);
}

static void test_the_atlas_counts_what_lags_as_no_copy(void **state)
{
        (void)state;
        struct world *w = start_all(3, 6);
        int leader = world_leader(w), behind = other_than(leader, 0), third = other_than(leader, behind);
        world_hang_disk(w, behind, true);
        write_some(w, 3);
        assert_false(world_may_lose(w, leader));
        assert_false(world_may_lose(w, third));
        assert_true(world_may_lose(w, behind));
        world_hang_disk(w, behind, false);
        world_run(w, 100);
        assert_true(world_may_lose(w, leader));
        world_free(w);
}

static void test_a_new_epoch_without_a_transaction_is_no_reason_to_refuse(void **state)
{
        (void)state;
        struct world *w = start_all(3, 8);
        write_some(w, 3);
        world_run(w, 3000); /* the session expires, too */
        int leader = world_leader(w);
        world_kill(w, leader);
        world_run(w, 1000);
        world_start(w, leader);
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_run(w, 100);
        assert_true(world_rot(w, 1, WORLD_FILE_LOG, 1));
        world_free(w);
}

static void test_five_servers_may_lose_two(void **state)
{
        (void)state;
        struct world *w = start_all(5, 7);
        write_some(w, 3);
        assert_true(world_rot(w, 4, WORLD_FILE_EPOCH, 1));
        assert_true(world_rot(w, 2, WORLD_FILE_LOG, 2));
        assert_false(world_rot(w, 1, WORLD_FILE_LOG, 3));
        world_free(w);
}

/* What has rotted is refused, or is of no consequence; the remedy brings the server back, and nothing is lost. */
static void test_rot_is_found_or_harmless_and_can_be_remedied(void **state)
{
        (void)state;
        size_t refused[WORLD_FILE_MAX] = {0}, spoiled[WORLD_FILE_MAX] = {0};
        for (uint64_t seed = 1; seed <= 120; seed++) {
                enum world_file file = (enum world_file)(seed % WORLD_FILE_MAX);
                struct world *w = world_new(3, 0, seed);
                world_set_snap_count(w, 8);
                for (int sid = 1; sid <= 3; sid++)
                        world_start(w, sid);
                assert_true(world_serving(w, 0, SETTLE_MS));
                write_some(w, 12);
                int victim = 1 + (int)(seed / 3 % 3);
                if (!world_rot(w, victim, file, seed)) {
                        world_free(w);
                        continue;
                }
                spoiled[file]++;
                write_some(w, 2);
                if (seed % 2)
                        world_kill(w, victim);
                else
                        world_crash(w, victim);
                world_start(w, victim);
                if (world_refused(w, victim)) {
                        refused[file]++;
                        assert_int_equal(world_halted(w, victim), WORLD_STATUS_REFUSED);
                        world_wipe(w, victim);
                        world_start(w, victim);
                        assert_null(world_refused(w, victim));
                }
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_run(w, 200);
                char *mine = world_dump(w, victim), *theirs = world_dump(w, other_than(victim, 0));
                assert_string_equal(mine, theirs);
                mem_free(mine);
                mem_free(theirs);
                world_free(w);
        }
        for (int file = 0; file < WORLD_FILE_MAX; file++) {
                print_message("file %d: %zu spoiled, %zu refused\n", file, spoiled[file], refused[file]);
                assert_true(spoiled[file] > 5);
        }
        assert_true(refused[WORLD_FILE_LOG] > 0);
        assert_true(refused[WORLD_FILE_EPOCH] > 0);
}

/* ---- all of it together ---- */

#define ROUNDS 40

struct story {
        struct world *w;
        struct prng prng;
        char acked[ROUNDS][32];
        size_t count, rotten, refused;
};

static uint64_t draw(struct story *s, uint64_t below)
{
        return prng_next(&s->prng) % below;
}

/* Those that are down, mostly; what is refused is remedied. */
static void start_some(struct story *s, bool all)
{
        for (int sid = 1; sid <= s->w->count; sid++) {
                if (world_running(s->w, sid) || (!all && draw(s, 4) == 0))
                        continue;
                world_start(s->w, sid);
                if (!world_refused(s->w, sid))
                        continue;
                s->refused++;
                world_wipe(s->w, sid);
                world_start(s->w, sid);
                assert_null(world_refused(s->w, sid));
        }
}

static void round_of(struct story *s)
{
        struct world *w = s->w;
        int sid = 1 + (int)draw(s, (uint64_t)w->count);
        int leader = world_leader(w);
        struct world_client *c = leader ? world_connect(w, leader, NULL) : NULL;
        if (c && world_create(c, "/n", "x", 2, s->acked[s->count], sizeof s->acked[0]) == ZK_OK)
                s->count++;
        if (c)
                world_disconnect(c);
        world_run(w, draw(s, 300));
        enum world_file file = (enum world_file)draw(s, WORLD_FILE_MAX);
        s->rotten += world_rot(w, sid, file, draw(s, UINT64_MAX));
        sid = draw(s, 2) ? sid : 1 + (int)draw(s, (uint64_t)w->count);
        uint64_t how = draw(s, 4);
        if (how < 2 && world_running(w, sid)) {
                if (how)
                        world_crash(w, sid);
                else
                        world_kill(w, sid);
        }
        world_run(w, draw(s, 1000));
        start_some(s, false);
        (void)world_serving(w, 0, 1500);
}

/* safety.md 3.3: nothing acknowledged is lost while a majority of intact copies is left. */
static void test_what_the_atlas_allows_loses_nothing(void **state)
{
        (void)state;
        size_t acked = 0, rotten = 0, refused = 0;
        for (uint64_t seed = 1; seed <= 25; seed++) {
                struct story *s = mem_zalloc(sizeof *s);
                s->prng.state = seed;
                s->w = world_new(seed % 3 ? 3 : 5, 0, seed);
                world_set_snap_count(s->w, 6);
                start_some(s, true);
                assert_true(world_serving(s->w, 0, SETTLE_MS));
                for (int i = 0; i < ROUNDS; i++)
                        round_of(s);
                start_some(s, true);
                assert_true(world_serving(s->w, 0, SETTLE_MS));
                world_run(s->w, 300);
                char *tree = world_dump(s->w, world_leader(s->w));
                for (size_t i = 0; i < s->count; i++) {
                        char line[48];
                        (void)snprintf(line, sizeof line, "\n%s c=", s->acked[i]);
                        if (!strstr(tree, line))
                                fail_msg("seed %u: %s was acknowledged and is lost", (unsigned)seed, s->acked[i]);
                }
                mem_free(tree);
                acked += s->count;
                rotten += s->rotten;
                refused += s->refused;
                world_free(s->w);
                mem_free(s);
        }
        print_message("%zu acknowledged, %zu spoiled, %zu refused\n", acked, rotten, refused);
        assert_true(acked > 300 && rotten > 50 && refused > 20);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_failing_write_ends_the_server_and_it_comes_back),
                cmocka_unit_test(test_a_read_that_fails_refuses_the_start_and_not_for_ever),
                cmocka_unit_test(test_a_disk_that_hangs_acknowledges_nothing),
                cmocka_unit_test(test_space_comes_back),
                cmocka_unit_test(test_the_atlas_keeps_a_majority_of_copies),
                cmocka_unit_test(test_the_atlas_counts_what_lags_as_no_copy),
                cmocka_unit_test(test_a_new_epoch_without_a_transaction_is_no_reason_to_refuse),
                cmocka_unit_test(test_five_servers_may_lose_two),
                cmocka_unit_test(test_rot_is_found_or_harmless_and_can_be_remedied),
                cmocka_unit_test(test_what_the_atlas_allows_loses_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
