/* What is news to a plugin, over one link and over the next. */
#include "daemon/worker/config_cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config_cache *cache;
static char gone[256];

static int setup(void **state)
{
        (void)state;
        cache = config_cache_new();
        gone[0] = '\0';
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        config_cache_free(cache);
        return 0;
}

static bool put(const char *path, const char *value, int64_t zxid, uint64_t generation)
{
        return config_cache_put(cache, path, value, value ? strlen(value) : 0, (int32_t)zxid, zxid, generation);
}

static void on_gone(void *ctx, const char *path, int64_t zxid)
{
        size_t len = strlen(gone);
        (void)ctx;
        (void)snprintf(gone + len, sizeof gone - len, "%s@%d ", path, (int)zxid);
}

static void synced(int64_t zxid, uint64_t generation)
{
        config_cache_synced(cache, zxid, generation, on_gone, NULL);
}

static void expect(const char *path, const char *value)
{
        const void *data = NULL;
        size_t size = 0;
        int32_t version = 0;
        int r = config_cache_get(cache, path, &data, &size, &version);
        if (!value) {
                assert_int_equal(r, -ENOENT);
                return;
        }
        assert_int_equal(r, 0);
        assert_int_equal(size, strlen(value));
        assert_memory_equal(data, value, size);
}

static void test_the_first_state_may_come_in_any_order(void **state)
{
        (void)state;
        assert_true(put("b", "2", 20, 1));
        assert_true(put("a", "1", 10, 1));
        synced(25, 1);
        assert_true(put("a", "3", 30, 1));
        assert_true(put("b", NULL, 31, 1));
        assert_false(put("b", NULL, 31, 1));
        expect("a", "3");
        expect("b", NULL);
        assert_string_equal(gone, "");
}

static void test_a_new_link_tells_only_what_has_changed(void **state)
{
        (void)state;
        (void)put("a", "1", 10, 1);
        (void)put("b", "2", 11, 1);
        (void)put("c", "3", 12, 1);
        synced(12, 1);
        assert_false(put("a", "1", 10, 2));
        assert_true(put("c", "4", 14, 2));
        synced(15, 2);
        assert_string_equal(gone, "b@15 ");
        expect("b", NULL);
        assert_int_equal(config_cache_count(cache), 2);
        synced(15, 2);
        assert_string_equal(gone, "b@15 ");
}

/* The new agent's server lags behind: what it does not know yet is not gone, what it still has is not back. */
static void test_an_older_state_counts_for_nothing(void **state)
{
        (void)state;
        (void)put("a", "1", 10, 1);
        synced(12, 1);
        (void)put("new", "x", 20, 1);
        (void)put("a", NULL, 21, 1);
        assert_false(put("a", "1", 10, 2));
        synced(12, 2);
        assert_string_equal(gone, "");
        expect("new", "x");
        expect("a", NULL);
        assert_false(put("new", "x", 20, 2));
        assert_true(put("a", "2", 22, 2));
}

static void test_a_link_lost_before_it_was_complete(void **state)
{
        (void)state;
        assert_true(put("z", "1", 90, 1));
        assert_false(put("z", "1", 90, 2));
        assert_true(put("a", "1", 10, 2)); /* not told yet, although older */
        synced(95, 2);
        assert_string_equal(gone, "");
}

static void test_too_much_is_told_and_not_kept(void **state)
{
        (void)state;
        enum { SIZE = 1 << 20 };
        char *big = calloc(1, SIZE);
        char path[32];
        const void *data = NULL;
        size_t size = 0;
        int32_t version = 0;
        assert_non_null(big);
        for (int i = 0; i < 65; i++) {
                (void)snprintf(path, sizeof path, "big/%d", i);
                assert_true(config_cache_put(cache, path, big, SIZE, 0, i + 1, 1));
        }
        assert_int_equal(config_cache_get(cache, "big/63", &data, &size, &version), 0);
        assert_int_equal(config_cache_get(cache, "big/64", &data, &size, &version), -ENOBUFS);
        assert_true(put("big/0", NULL, 100, 1));
        assert_true(config_cache_put(cache, "big/64", big, SIZE, 1, 101, 1));
        assert_int_equal(config_cache_get(cache, "big/64", &data, &size, &version), 0);
        free(big);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_the_first_state_may_come_in_any_order), CASE(test_a_new_link_tells_only_what_has_changed),
                CASE(test_an_older_state_counts_for_nothing),     CASE(test_a_link_lost_before_it_was_complete),
                CASE(test_too_much_is_told_and_not_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
