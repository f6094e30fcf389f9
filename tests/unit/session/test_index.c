/* The table of links against a dumb twin. */
#include "election/base/hash.h"
#include "election/session/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define THINGS 3000

struct thing {
        struct index_link link;
        bool in;
};

static struct thing things[THINGS];

static struct thing *find(const struct index *ix, size_t key, uint64_t hash)
{
        for (struct index_link *l = index_first(ix, hash); l; l = index_next(l))
                if (INDEX_ENTRY(l, struct thing, link) == &things[key])
                        return &things[key];
        return NULL;
}

static void count_one(void *ctx, struct index_link *l)
{
        assert_true(INDEX_ENTRY(l, struct thing, link)->in);
        ++*(size_t *)ctx;
}

/* `spread` small makes many equal hashes. */
static void run(uint64_t seed, uint64_t spread)
{
        struct prng p = {.state = seed};
        struct index ix;
        size_t inside = 0;
        index_init(&ix);
        printf("seed %llu spread %llu\n", (unsigned long long)seed, (unsigned long long)spread);
        for (size_t i = 0; i < THINGS; i++)
                things[i].in = false;
        for (int step = 0; step < 60000; step++) {
                /* In turns mostly filling and mostly emptying. */
                bool filling = step / 10000 % 2 == 0;
                size_t key = prng_next(&p) % THINGS;
                uint64_t hash = hash_u64(key % spread + 1);
                bool put = prng_next(&p) % 10 < (filling ? 8u : 2u);
                assert_int_equal(find(&ix, key, hash) != NULL, things[key].in);
                if (put == things[key].in)
                        continue;
                if (put)
                        index_insert(&ix, &things[key].link, hash);
                else
                        index_remove(&ix, &things[key].link);
                things[key].in = put;
                inside = put ? inside + 1 : inside - 1;
                assert_int_equal(ix.count, inside);
        }
        size_t seen = 0;
        index_each(&ix, count_one, &seen);
        assert_int_equal(seen, inside);
        for (size_t i = 0; i < THINGS; i++)
                assert_int_equal(find(&ix, i, hash_u64(i % spread + 1)) != NULL, things[i].in);
        index_done(&ix);
}

static void test_it_holds_what_a_plain_array_holds(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++)
                run(seed, UINT64_MAX);
}

static void test_equal_hashes_are_kept_apart(void **state)
{
        (void)state;
        run(6, 40);
}

static void test_an_empty_table_takes_no_memory_and_finds_nothing(void **state)
{
        (void)state;
        struct index ix;
        index_init(&ix);
        assert_null(ix.slots);
        assert_null(index_first(&ix, 7));
        index_done(&ix);
}

static void test_an_emptied_table_gives_its_memory_back(void **state)
{
        (void)state;
        struct index ix;
        index_init(&ix);
        for (size_t i = 0; i < THINGS; i++)
                index_insert(&ix, &things[i].link, hash_u64(i));
        size_t full = ix.capacity;
        for (size_t i = 0; i < THINGS; i++)
                index_remove(&ix, &things[i].link);
        assert_true(full >= THINGS);
        assert_true(ix.capacity <= 32);
        index_done(&ix);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_holds_what_a_plain_array_holds),
                cmocka_unit_test(test_equal_hashes_are_kept_apart),
                cmocka_unit_test(test_an_empty_table_takes_no_memory_and_finds_nothing),
                cmocka_unit_test(test_an_emptied_table_gives_its_memory_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
