/* Whole servers in memory that lose their disk, or whose tree goes another way than their leader's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 5000

static struct world *start_all(int voters, int observers, uint64_t seed)
{
        struct world *w = world_new(voters, observers, seed);
        for (int sid = 1; sid <= voters + observers; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        return w;
}

static void assert_equal_trees(struct world *w, int servers)
{
        char *first = world_dump(w, 1);
        for (int sid = 2; sid <= servers; sid++) {
                char *text = world_dump(w, sid);
                assert_string_equal(first, text);
                free(text);
        }
        free(first);
}

static void write_many(struct world *w, int sid, const char *prefix, int count)
{
        struct world_client *c = world_connect(w, sid, NULL);
        assert_non_null(c);
        for (int i = 0; i < count; i++) {
                char path[64];
                (void)snprintf(path, sizeof path, "/%s%d", prefix, i);
                assert_int_equal(world_create(c, path, "some data", 0, NULL, 0), ZK_OK);
        }
        world_disconnect(c);
}

static void assert_has(struct world *w, int sid, const char *path)
{
        struct world_client *c = world_connect(w, sid, NULL);
        assert_non_null(c);
        assert_int_equal(world_get(c, path, false, NULL, 0), ZK_OK);
        world_disconnect(c);
}

static size_t said(const struct world *w, int sid, const char *text)
{
        size_t count = 0;
        for (const char *at = world_log(w, sid); (at = strstr(at, text)) != NULL; at++)
                count++;
        return count;
}

/* Servers 1 and 2 acknowledge, 3 is away; all stop. */
static struct world *with_a_stale_server(uint64_t seed)
{
        struct world *w = start_all(3, 0, seed);
        write_many(w, 1, "before", 3);
        world_stop(w, 3);
        assert_true(world_serving(w, 0, SETTLE_MS));
        write_many(w, 1, "acked", 50);
        world_stop(w, 1);
        world_stop(w, 2);
        return w;
}

/* ---- a lost disk ---- */

/* A server with an unexplained empty disk does not vote until it is synchronised (safety: E5). */
static void test_lost_and_stale_servers_make_no_quorum(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct world *w = with_a_stale_server(seed);
                world_wipe(w, 2);
                world_start(w, 2);
                world_start(w, 3);
                assert_false(world_serving(w, 2, SETTLE_MS));
                assert_int_equal(world_leader(w), 0);
                assert_int_not_equal(said(w, 2, "without a vote"), 0);
                world_start(w, 1);
                assert_true(world_serving(w, 0, SETTLE_MS));
                assert_int_not_equal(world_leader(w), 2);
                world_run(w, 300);
                for (int sid = 1; sid <= 3; sid++)
                        assert_has(w, sid, "/acked49");
                assert_equal_trees(w, 3);
                assert_int_equal(said(w, 2, "this server counts"), 1);
                /* From now on it does: with it, and without the one that knew. */
                world_crash(w, 1);
                assert_true(world_serving(w, 0, SETTLE_MS));
                assert_has(w, 3, "/acked49");
                world_free(w);
        }
}

/* It asks ever more seldom, and those who elect without it tell nobody: it asks anew when it hears them (safety: E7).
 */
static void test_a_lost_server_that_has_long_looked_is_soon_with_a_new_leader(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct world *w = start_all(3, 0, seed);
                write_many(w, 1, "n", 5);
                for (int sid = 1; sid <= 3; sid++)
                        world_stop(w, sid);
                world_wipe(w, 3);
                world_start(w, 3);
                world_run(w, 40000);
                world_start(w, 1);
                world_start(w, 2);
                assert_true(world_serving(w, 1, SETTLE_MS));
                assert_true(world_serving(w, 3, 1500));
                world_free(w);
        }
}

/* The reason for all this: what happens where the loss can't be known. */
static void test_without_its_mark_a_loss_is_not_known(void **state)
{
        (void)state;
        struct world *w = with_a_stale_server(1);
        world_wipe(w, 2);
        world_remove_mark(w, 2);
        world_start(w, 2);
        world_start(w, 3);
        assert_true(world_serving(w, 2, SETTLE_MS));
        world_free(w);
}

/* A restart, or a promise, does not make it forget. */
static void test_loss_is_remembered_across_starts(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct world *w = with_a_stale_server(seed);
                world_wipe(w, 2);
                for (int i = 0; i < 3; i++) {
                        world_start(w, 2);
                        if (!world_running(w, 3))
                                world_start(w, 3);
                        assert_false(world_serving(w, 2, 1000));
                        world_crash(w, 2);
                }
                world_free(w);
        }
}

/* It is synchronised by servers whose power it shares: at whatever moment it fails, the stale server gets no
 * quorum with it before it really has everything. */
static void test_crashes_while_it_is_synchronised(void **state)
{
        (void)state;
        int whole = 0, lost = 0;
        for (uint64_t at = 0; at < 60; at++) {
                struct world *w = start_all(5, 0, at + 1);
                write_many(w, 1, "before", 3);
                world_stop(w, 4);
                world_stop(w, 5);
                assert_true(world_serving(w, 0, SETTLE_MS));
                write_many(w, 1, "acked", 20);
                world_crash(w, 3);
                world_wipe(w, 3);
                /* Without it there are two. */
                world_start(w, 4);
                assert_true(world_serving(w, 0, SETTLE_MS));
                write_many(w, 1, "more", 5);
                world_die(w, 3, at, at % 2, at % 3);
                world_start(w, 3);
                for (int i = 0; i < 2000 && world_running(w, 3) && !world_serving(w, 3, 1); i++)
                        ;
                bool died = !world_running(w, 3);
                world_live(w, 3);
                for (int sid = 1; sid <= 4; sid++)
                        if (world_running(w, sid))
                                world_crash(w, sid);
                /* One that knows all, the stale one, and the lost one. */
                world_start(w, 3);
                world_start(w, 5);
                world_start(w, 1 + (int)(at % 2));
                bool serves = world_serving(w, 3, 2000);
                whole += serves;
                lost += !serves;
                assert_true(died || serves);
                if (serves)
                        assert_has(w, 5, "/more4");
                for (int sid = 1; sid <= 5; sid++)
                        if (!world_running(w, sid))
                                world_start(w, sid);
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_run(w, 300);
                assert_has(w, 3, "/more4");
                assert_equal_trees(w, 5);
                world_free(w);
        }
        assert_true(whole > 5 && lost > 5);
}

/* A whole ensemble that lost its disks waits for a person, who removes the marks. */
static void test_ensemble_that_lost_everything_begins_anew_by_hand(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, 7);
        write_many(w, 1, "gone", 3);
        for (int sid = 1; sid <= 3; sid++) {
                world_crash(w, sid);
                world_wipe(w, sid);
        }
        for (int sid = 1; sid <= 3; sid++)
                world_start(w, sid);
        assert_false(world_serving(w, 1, SETTLE_MS));
        assert_int_not_equal(said(w, 1, "removing baton.history"), 0);
        for (int sid = 1; sid <= 3; sid++) {
                world_crash(w, sid);
                world_remove_mark(w, sid);
                world_start(w, sid);
        }
        assert_true(world_serving(w, 0, SETTLE_MS));
        write_many(w, 1, "new", 3);
        world_free(w);
}

static void test_lost_observer_is_synchronised_and_marked(void **state)
{
        (void)state;
        struct world *w = start_all(3, 1, 8);
        write_many(w, 1, "n", 5);
        world_crash(w, 4);
        world_wipe(w, 4);
        world_start(w, 4);
        assert_true(world_serving(w, 4, SETTLE_MS));
        assert_int_equal(said(w, 4, "this server counts"), 1);
        assert_has(w, 4, "/n4");
        world_free(w);
}

/* ---- a tree that differs ---- */

static void test_tree_that_differs_is_replaced(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct world *w = start_all(3, 1, seed);
                int leader = world_leader(w), victim = seed % 3 == 0 ? 4 : leader % 3 + 1;
                write_many(w, leader, "n", 5);
                world_run(w, 50);
                struct world_client *c = world_connect(w, victim, NULL);
                world_spoil_tree(w, victim);
                write_many(w, leader, "m", 1);
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_run(w, 300);
                assert_false(world_connected(c));
                assert_int_equal(world_leader(w), leader);
                assert_int_equal(said(w, victim, "digest differs"), 1);
                assert_int_equal(said(w, victim, "by SNAP"), 1);
                assert_equal_trees(w, 4);
                world_free(w);
        }
}

/* The leader needs it, and keeps it: no other server is there. */
static void test_tree_that_differs_costs_no_quorum(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = start_all(3, 0, seed);
                int leader = world_leader(w), victim = leader % 3 + 1, third = 6 - leader - victim;
                world_crash(w, third);
                write_many(w, leader, "n", 5);
                world_spoil_tree(w, victim);
                write_many(w, leader, "m", 1);
                assert_true(world_serving(w, 0, SETTLE_MS));
                assert_int_equal(world_leader(w), leader);
                write_many(w, victim, "k", 3);
                world_start(w, third);
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_run(w, 300);
                assert_equal_trees(w, 3);
                world_free(w);
        }
}

/* Its leader goes before it could help: the next one does, and this server is not it. */
static void test_server_that_distrusts_its_tree_does_not_lead(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = start_all(3, 0, seed);
                int leader = world_leader(w), victim = leader % 3 + 1, third = 6 - leader - victim;
                write_many(w, leader, "n", 5);
                world_run(w, 100);
                world_spoil_tree(w, victim);
                write_many(w, third, "m", 1);
                while (!said(w, victim, "digest differs"))
                        world_run(w, 1);
                world_crash(w, leader);
                assert_true(world_serving(w, 0, SETTLE_MS));
                assert_int_equal(world_leader(w), third);
                world_start(w, leader);
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_run(w, 300);
                assert_equal_trees(w, 3);
                assert_has(w, victim, "/m0");
                world_free(w);
        }
}

/* Snapshots that do not help are not asked for without end. */
static void test_tree_that_always_differs_ends_the_server(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, 3);
        int leader = world_leader(w), victim = leader % 3 + 1;
        struct world_client *c = world_connect(w, leader, NULL);
        int rounds = 0;
        world_run(w, 50);
        for (; world_running(w, victim) && rounds < 20; rounds++) {
                char path[16];
                assert_true(world_serving(w, victim, SETTLE_MS));
                world_spoil_tree(w, victim);
                (void)snprintf(path, sizeof path, "/r%d", rounds);
                assert_int_equal(world_create(c, path, "", 0, NULL, 0), ZK_OK);
                world_run(w, 50);
        }
        assert_int_equal(rounds, 6);
        assert_int_equal(world_halted(w, victim), 3);
        assert_int_not_equal(said(w, victim, "again and again"), 0);
        assert_true(world_serving(w, leader, SETTLE_MS));
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lost_and_stale_servers_make_no_quorum),
                cmocka_unit_test(test_a_lost_server_that_has_long_looked_is_soon_with_a_new_leader),
                cmocka_unit_test(test_without_its_mark_a_loss_is_not_known),
                cmocka_unit_test(test_loss_is_remembered_across_starts),
                cmocka_unit_test(test_crashes_while_it_is_synchronised),
                cmocka_unit_test(test_ensemble_that_lost_everything_begins_anew_by_hand),
                cmocka_unit_test(test_lost_observer_is_synchronised_and_marked),
                cmocka_unit_test(test_tree_that_differs_is_replaced),
                cmocka_unit_test(test_tree_that_differs_costs_no_quorum),
                cmocka_unit_test(test_server_that_distrusts_its_tree_does_not_lead),
                cmocka_unit_test(test_tree_that_always_differs_ends_the_server),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
