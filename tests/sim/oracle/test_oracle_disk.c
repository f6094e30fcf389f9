/* The oracle beside real servers: what is done to their disks and trees behind their backs must be named, and nothing
 * else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/oracle/oracle_internal.h"
#include "tests/sim/world/world_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS 3
#define WRITES  40

struct scene {
        struct verdict verdict;
        struct coverage coverage;
        struct world *w;
        struct oracle *o;
};

/* Three servers that have committed something. */
static int set_up(void **state)
{
        struct scene *s = calloc(1, sizeof *s);
        char path[32];
        s->w = world_new(SERVERS, 0, 11);
        world_set_snap_count(s->w, 15);
        s->o = oracle_new(s->w, &s->verdict, &s->coverage);
        oracle_set_image_period(s->o, 5);
        for (int sid = 1; sid <= SERVERS; sid++)
                world_start(s->w, sid);
        assert_true(world_serving(s->w, 0, 6000));
        struct world_client *c = world_connect(s->w, 1, NULL);
        for (int i = 0; i < WRITES; i++) {
                (void)snprintf(path, sizeof path, "/n%d", i);
                assert_int_equal(world_create(c, path, "x", 0, NULL, 0), ZK_OK);
        }
        world_disconnect(c);
        world_run(s->w, 300);
        *state = s;
        return 0;
}

static int tear_down(void **state)
{
        struct scene *s = *state;
        world_free(s->w);
        oracle_free(s->o);
        free(s);
        return 0;
}

static void clean(const struct scene *s)
{
        if (verdict_broken(&s->verdict))
                fail_msg("%s: %s", s->verdict.checker, s->verdict.text);
}

static int follower(struct scene *s)
{
        int leader = world_leader(s->w);
        return leader == 1 ? 2 : 1;
}

static void write_one(struct scene *s, int at, const char *path)
{
        struct world_client *c = world_connect(s->w, at, NULL);
        (void)world_create(c, path, "x", 0, NULL, 0);
        world_disconnect(c);
        world_run(s->w, 100);
}

static void test_lawful_life_is_left_alone(void **state)
{
        struct scene *s = *state;
        int leader = world_leader(s->w);
        world_crash(s->w, leader);
        assert_true(world_serving(s->w, 0, 10000));
        write_one(s, leader == 1 ? 2 : 1, "/later");
        world_start(s->w, leader);
        assert_true(world_serving(s->w, 0, 10000));
        world_run(s->w, 300);
        oracle_finish(s->o);
        clean(s);
        assert_true(s->o->images > 1);
        assert_true(oracle_commits(s->o) > WRITES);
        assert_non_null(model_find(oracle_model(s->o), "/later"));
}

static void test_tree_changed_in_secret(void **state)
{
        struct scene *s = *state;
        world_spoil_tree(s->w, follower(s));
        oracle_finish(s->o);
        assert_string_equal(s->verdict.checker, "S11"); /* the root has one child more */
}

static void test_tree_changed_in_secret_shows_with_the_next_transaction(void **state)
{
        struct scene *s = *state;
        int leader = world_leader(s->w); /* its own tree is the measure for the others */
        world_spoil_tree(s->w, leader);
        oracle_set_image_period(s->o, 0); /* where all is compared, a node's Stat tells */
        write_one(s, follower(s), "/next");
        assert_string_equal(s->verdict.checker, "D4");
}

/* A disk that was replaced by an empty one, and no mark to tell (scenario 5). */
static void test_disk_emptied_in_secret(void **state)
{
        struct scene *s = *state;
        int sid = follower(s);
        world_crash(s->w, sid);
        world_wipe(s->w, sid);
        world_remove_mark(s->w, sid);
        world_start(s->w, sid);
        assert_string_equal(s->verdict.checker, "D3");
}

/* With its mark the server knows, and does not count. */
static void test_disk_emptied_with_its_mark_is_excused(void **state)
{
        struct scene *s = *state;
        int sid = follower(s);
        world_crash(s->w, sid);
        world_wipe(s->w, sid);
        world_start(s->w, sid);
        assert_true(world_serving(s->w, 0, 10000));
        world_run(s->w, 300);
        oracle_finish(s->o);
        clean(s);
        assert_true(s->coverage.counts[MARK_DISK_LOST] > 0);
}

/* Nothing has crashed yet: only the copies show it. */
static void test_image_that_does_not_recover(void **state)
{
        struct scene *s = *state;
        int sid = follower(s);
        world_crash(s->w, sid);
        oracle__test_images(s->o);
        clean(s);
        memory_storage_flip(s->w->nodes[sid].disk, "acceptedEpoch", 0, 1);
        oracle__test_images(s->o);
        assert_string_equal(s->verdict.checker, "D3");
}

static void test_damage_that_was_announced_is_excused(void **state)
{
        struct scene *s = *state;
        int sid = follower(s);
        world_crash(s->w, sid);
        memory_storage_flip(s->w->nodes[sid].disk, "acceptedEpoch", 0, 1);
        oracle_disk_damaged(s->o, sid);
        oracle__test_images(s->o);
        clean(s);
}

int main(void)
{
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                BENCHED(test_lawful_life_is_left_alone),
                BENCHED(test_tree_changed_in_secret),
                BENCHED(test_tree_changed_in_secret_shows_with_the_next_transaction),
                BENCHED(test_disk_emptied_in_secret),
                BENCHED(test_disk_emptied_with_its_mark_is_excused),
                BENCHED(test_image_that_does_not_recover),
                BENCHED(test_damage_that_was_announced_is_excused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
