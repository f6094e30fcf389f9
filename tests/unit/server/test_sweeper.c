/* When a container or a node with a time to live is due, how fast such nodes go, and what clocks that are set do
 * (client-protocol.md 6.2). */
#include "election/server/sweeper.h"
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define INTERVAL_MS 1000
#define YEAR_MS     (INT64_C(365) * 24 * 3600 * 1000)

struct field {
        struct bench *b;
        struct sweeper *s;
        struct sweeper_config config;
        char swept[256]; /* since the last look, in the order of deletion */
};

static struct moment now(const struct field *f)
{
        return (struct moment){.mono_ms = f->b->now_ms, .wall_ms = f->b->wall_ms + (int64_t)f->b->now_ms};
}

static void lead(struct field *f)
{
        const struct moment at = now(f);
        sweeper_free(f->s);
        f->s = sweeper_new(&f->config, &at);
}

static struct field *field_new(void)
{
        static struct field f;
        f = (struct field){.b = bench_new(),
                           .config = {.ttl = true, .check_interval_ms = INTERVAL_MS, .max_per_minute = 60 * 1000}};
        prep_allow_ttl(f.b->prep, true);
        lead(&f);
        return &f;
}

static void field_free(struct field *f)
{
        sweeper_free(f->s);
        bench_free(f->b);
}

/* The next transaction is about to be made. */
static void stamp(struct field *f)
{
        const struct moment at = {.mono_ms = f->b->now_ms + 3, .wall_ms = f->b->wall_ms + (int64_t)f->b->now_ms + 3};
        sweeper_stamp(f->s, &at, f->b->zxid + 1);
}

static void make_ttl(struct field *f, const char *path, int64_t ttl_ms)
{
        stamp(f);
        assert_int_equal(bench_create_ttl(f->b, path, ttl_ms), ZK_OK);
        bench_settle(f->b);
}

static void make_container(struct field *f, const char *path)
{
        const struct test_op op = {
                .opcode = OP_CREATE_CONTAINER, .path = jute_cstr(path), .data = STR("x"), .number = 4};
        stamp(f);
        assert_int_equal(bench_op(f->b, &op), ZK_OK);
        bench_settle(f->b);
}

static const char *sweep(struct field *f)
{
        struct jute_str path;
        f->swept[0] = '\0';
        for (;;) {
                const struct moment at = now(f);
                char text[64];
                path = sweeper_next(f->s, database_tree(f->b->db), f->b->prep, &at);
                if (path.len < 0)
                        return f->swept;
                (void)snprintf(text, sizeof text, "%.*s", (int)path.len, (const char *)path.data);
                (void)snprintf(f->swept + strlen(f->swept), sizeof f->swept - strlen(f->swept), "%s ", text);
                assert_int_equal(bench_sweep(f->b, text), ZK_OK);
                f->b->now_ms -= 3; /* what bench_request() lets go by */
        }
}

/* So long, with a step at each millisecond that is asked for. */
static const char *sweep_for(struct field *f, uint64_t ms)
{
        static char all[256];
        all[0] = '\0';
        for (uint64_t end = f->b->now_ms + ms; f->b->now_ms < end;) {
                uint64_t at = sweeper_deadline(f->s, database_tree(f->b->db));
                if (at > f->b->now_ms)
                        f->b->now_ms = at < end ? at : end;
                (void)strncat(all, sweep(f), sizeof all - strlen(all) - 1);
        }
        bench_settle(f->b);
        return all;
}

/* ---- what is due ---- */

static void test_container_is_due_once_it_was_used_and_is_empty(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_container(f, "/used");
        make_container(f, "/new");
        make_container(f, "/full");
        assert_int_equal(bench_create(f->b, "/used/a", 0), ZK_OK);
        assert_int_equal(bench_create(f->b, "/full/a", 0), ZK_OK);
        bench_settle(f->b);
        assert_string_equal(sweep_for(f, 5000), "");
        assert_int_equal(bench_delete(f->b, "/used/a"), ZK_OK);
        bench_settle(f->b);
        assert_string_equal(sweep_for(f, 5000), "/used ");
        field_free(f);
}

static void test_patience_with_a_container_that_is_never_used(void **state)
{
        (void)state;
        struct field *f = field_new();
        f->config.max_never_used_ms = 20000;
        lead(f);
        make_container(f, "/c");
        assert_string_equal(sweep_for(f, 20000), "");
        assert_string_equal(sweep_for(f, 2 * INTERVAL_MS), "/c ");
        field_free(f);
}

/* Later than its time, no later than one interval after it. */
static void test_ttl_counts_from_the_last_write(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_ttl(f, "/t", 10000);
        assert_string_equal(sweep_for(f, 9000), "");
        stamp(f);
        assert_int_equal(bench_set(f->b, "/t", "y", -1), ZK_OK);
        bench_settle(f->b);
        assert_string_equal(sweep_for(f, 9999), "");
        assert_string_equal(sweep_for(f, INTERVAL_MS + 2), "/t ");
        field_free(f);
}

static void test_nothing_goes_while_ttl_is_off_but_containers(void **state)
{
        (void)state;
        struct field *f = field_new();
        f->config.ttl = false;
        lead(f);
        make_ttl(f, "/t", 1);
        make_container(f, "/c");
        assert_int_equal(bench_create(f->b, "/c/a", 0), ZK_OK);
        assert_int_equal(bench_delete(f->b, "/c/a"), ZK_OK);
        bench_settle(f->b);
        assert_string_equal(sweep_for(f, 5000), "/c ");
        field_free(f);
}

/* Proposed and not applied: a child, a write, a deletion. */
static void test_what_is_on_its_way_counts(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_ttl(f, "/child", 1);
        make_ttl(f, "/written", 3000);
        make_ttl(f, "/deleted", 1);
        make_container(f, "/c");
        assert_int_equal(bench_create(f->b, "/c/a", 0), ZK_OK);
        assert_int_equal(bench_delete(f->b, "/c/a"), ZK_OK);
        bench_settle(f->b);
        f->b->now_ms += 5000;
        assert_int_equal(bench_create(f->b, "/child/a", 0), ZK_OK);
        assert_int_equal(bench_set(f->b, "/written", "y", -1), ZK_OK);
        assert_int_equal(bench_delete(f->b, "/deleted"), ZK_OK);
        assert_int_equal(bench_create(f->b, "/c/b", 0), ZK_OK);
        assert_string_equal(sweep(f), "");
        bench_settle(f->b);
        assert_string_equal(sweep_for(f, 10000), "/written ");
        field_free(f);
}

/* ---- how many ---- */

static void make_many(struct field *f, int count)
{
        for (int i = 0; i < count; i++) {
                char path[32];
                (void)snprintf(path, sizeof path, "/t%d", i);
                make_ttl(f, path, 1);
        }
}

static size_t left(const struct field *f)
{
        return tree_special_count(database_tree(f->b->db));
}

static void test_deletions_are_spread(void **state)
{
        (void)state;
        struct field *f = field_new();
        f->config.max_per_minute = 600; /* ten a second */
        lead(f);
        make_many(f, 100);
        (void)sweep_for(f, INTERVAL_MS);
        size_t begun = left(f);
        assert_in_range(begun, 94, 99);
        (void)sweep_for(f, 5000);
        assert_in_range(left(f), begun - 51, begun - 49);
        /* A leader that stood still does not make up for it. */
        f->b->now_ms += 60000;
        (void)sweep(f);
        bench_settle(f->b);
        assert_in_range(left(f), begun - 53, begun - 50);
        (void)sweep_for(f, 20000);
        assert_int_equal(left(f), 0);
        field_free(f);
}

/* A great many are looked at some at a time; what goes meanwhile is missed by none. */
static void test_great_many_are_looked_at_in_turns(void **state)
{
        (void)state;
        enum { MANY = 3 * SWEEPER_LOOK_MAX };
        struct field *f = field_new();
        for (int i = 0; i < MANY; i++) {
                char path[32];
                (void)snprintf(path, sizeof path, "/t%d", i);
                make_ttl(f, path, i % SWEEPER_LOOK_MAX == 0 ? 1 : YEAR_MS);
        }
        lead(f);
        f->b->now_ms += INTERVAL_MS;
        assert_string_equal(sweep(f), "/t2048 ");
        bench_settle(f->b);
        assert_int_equal(sweeper_deadline(f->s, database_tree(f->b->db)), f->b->now_ms + 1);
        assert_string_equal(sweep_for(f, 20), "/t1024 /t0 ");
        field_free(f);
}

static void test_without_such_nodes_it_never_wakes(void **state)
{
        (void)state;
        struct field *f = field_new();
        const struct tree *tree = database_tree(f->b->db);
        assert_true(sweeper_deadline(f->s, tree) == UINT64_MAX);
        f->b->now_ms += 100500;
        make_ttl(f, "/t", 1);
        assert_true(sweeper_deadline(f->s, tree) <= f->b->now_ms);
        f->b->now_ms += 10;
        assert_string_equal(sweep(f), "/t ");
        bench_settle(f->b);
        assert_true(sweeper_deadline(f->s, tree) == UINT64_MAX);
        field_free(f);
}

/* ---- clocks ---- */

static void test_clock_set_forward_takes_nothing_early(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_ttl(f, "/before", 10000);
        f->b->wall_ms += YEAR_MS;
        assert_string_equal(sweep_for(f, 8000), "");
        make_ttl(f, "/after", 10000);
        assert_string_equal(sweep_for(f, 4000), "/before ");
        assert_string_equal(sweep_for(f, 5000), "");
        assert_string_equal(sweep_for(f, 3000), "/after ");
        field_free(f);
}

/* As with ZooKeeper: what was written by the clock that was ahead waits for the other one. */
static void test_clock_set_back_lets_nodes_live_longer(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_ttl(f, "/before", 10000);
        f->b->wall_ms -= 30000;
        make_ttl(f, "/after", 10000);
        assert_string_equal(sweep_for(f, 9900), "");
        assert_string_equal(sweep_for(f, 25000), "/after ");
        assert_string_equal(sweep_for(f, 8000), "/before ");
        field_free(f);
}

static void test_new_leader_takes_its_clock_for_right(void **state)
{
        (void)state;
        struct field *f = field_new();
        make_ttl(f, "/t", 10000);
        f->b->now_ms += 6000;
        lead(f);
        assert_string_equal(sweep_for(f, 3900), "");
        assert_string_equal(sweep_for(f, 2000), "/t ");
        field_free(f);
}

/* More steps than are remembered: the earliest nodes are still safe from any of them. */
static void test_clock_that_is_set_again_and_again(void **state)
{
        (void)state;
        struct field *f = field_new();
        char path[32], all[64];
        for (int i = 0; i < 2 * SWEEPER_STEPS_MAX; i++) {
                (void)snprintf(path, sizeof path, "/t%d", i);
                make_ttl(f, path, 100000);
                f->b->wall_ms += 60000;
        }
        assert_string_equal(sweep_for(f, 99000), "");
        /* Those whose step is known go in time, */
        (void)snprintf(path, sizeof path, "/t%d ", 2 * SWEEPER_STEPS_MAX - 1);
        (void)snprintf(all, sizeof all, "%s", sweep_for(f, 3000));
        assert_non_null(strstr(all, path));
        /* ... the others later. */
        (void)sweep_for(f, (uint64_t)2 * SWEEPER_STEPS_MAX * 60000);
        assert_int_equal(left(f), 0);
        field_free(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_container_is_due_once_it_was_used_and_is_empty),
                cmocka_unit_test(test_patience_with_a_container_that_is_never_used),
                cmocka_unit_test(test_ttl_counts_from_the_last_write),
                cmocka_unit_test(test_nothing_goes_while_ttl_is_off_but_containers),
                cmocka_unit_test(test_what_is_on_its_way_counts),
                cmocka_unit_test(test_deletions_are_spread),
                cmocka_unit_test(test_great_many_are_looked_at_in_turns),
                cmocka_unit_test(test_without_such_nodes_it_never_wakes),
                cmocka_unit_test(test_clock_set_forward_takes_nothing_early),
                cmocka_unit_test(test_clock_set_back_lets_nodes_live_longer),
                cmocka_unit_test(test_new_leader_takes_its_clock_for_right),
                cmocka_unit_test(test_clock_that_is_set_again_and_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
