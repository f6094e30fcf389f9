/* Watches and the order of their events (client-protocol.md 7.2, 7.3). */
#include "election/base/hash.h"
#include "election/tree/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What was fired, as text: "<conn> <event> <path>\n"... */
struct told {
        char text[4096];
        size_t len;
};

static const char *const event_name[] = {
        [EVENT_NODE_CREATED] = "created",
        [EVENT_NODE_DELETED] = "deleted",
        [EVENT_NODE_DATA_CHANGED] = "changed",
        [EVENT_NODE_CHILDREN_CHANGED] = "children",
};

static void tell(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct told *t = ctx;
        int n = snprintf(t->text + t->len, sizeof t->text - t->len, "%llu %s %.*s\n", (unsigned long long)conn,
                         event_name[type], (int)path.len, (const char *)path.data);
        assert_true(n > 0 && (size_t)n < sizeof t->text - t->len);
        t->len += (size_t)n;
}

static void expect(struct watches *w, enum watch_event type, const char *path, const char *text)
{
        struct told t = {.len = 0};
        const struct tree_event e = {.type = type, .path = jute_cstr(path)};
        watches_fire(w, &e, tell, &t);
        assert_string_equal(t.text, text);
}

static void test_creation_tells_data_watches_then_the_parents_children_watches(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_CHILD, jute_cstr("/a"), 4);
        watches_add(w, WATCH_DATA, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 6);
        watches_add(w, WATCH_CHILD, jute_cstr("/a/b"), 8);
        expect(w, EVENT_NODE_CREATED, "/a/b", "2 created /a/b\n4 children /a\n");
        expect(w, EVENT_NODE_CREATED, "/a/b", "");
        assert_int_equal(watches_count(w), 2);
        watches_free(w);
}

static void test_the_parent_of_a_top_level_node_is_the_slash(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_CHILD, jute_cstr("/"), 2);
        expect(w, EVENT_NODE_CREATED, "/a", "2 children /\n");
        watches_add(w, WATCH_CHILD, jute_cstr("/"), 2);
        expect(w, EVENT_NODE_DELETED, "/a", "2 children /\n");
        watches_free(w);
}

/* Data watches, then the node's child watches (not again to who just heard), then the parent's. */
static void test_deletion_tells_each_connection_once_and_the_parent_last(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_CHILD, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_CHILD, jute_cstr("/a/b"), 4);
        watches_add(w, WATCH_DATA, jute_cstr("/a/b"), 6);
        watches_add(w, WATCH_DATA, jute_cstr("/a/b"), 2);
        expect(w, EVENT_NODE_DELETED, "/a/b", "6 deleted /a/b\n2 deleted /a/b\n4 deleted /a/b\n2 children /a\n");
        assert_int_equal(watches_count(w), 0);
        watches_free(w);
}

/* A suppressed duplicate is used up all the same. */
static void test_a_second_deletion_is_told_anew(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        for (int i = 0; i < 2; i++) {
                watches_add(w, WATCH_DATA, jute_cstr("/a"), 2);
                watches_add(w, WATCH_CHILD, jute_cstr("/a"), 2);
                watches_add(w, WATCH_DATA, jute_cstr("/other"), 2);
                expect(w, EVENT_NODE_DELETED, "/a", "2 deleted /a\n");
        }
        watches_free(w);
}

static void test_a_change_of_data_tells_data_watches_only(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, jute_cstr("/a"), 4);
        watches_add(w, WATCH_CHILD, jute_cstr("/"), 6);
        expect(w, EVENT_NODE_DATA_CHANGED, "/a", "2 changed /a\n");
        assert_int_equal(watches_count(w), 2);
        watches_free(w);
}

static void test_registering_twice_gives_one_event(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 2);
        assert_int_equal(watches_count(w), 1);
        expect(w, EVENT_NODE_CREATED, "/a", "2 created /a\n");
        watches_free(w);
}

static void test_a_closed_connection_is_told_nothing(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, jute_cstr("/"), 2);
        watches_add(w, WATCH_DATA, jute_cstr("/a"), 4);
        watches_drop(w, 2);
        watches_drop(w, 99);
        assert_int_equal(watches_count(w), 1);
        expect(w, EVENT_NODE_CREATED, "/a", "4 created /a\n");
        watches_free(w);
        watches_free(NULL);
}

#define CONNS 20
#define PATHS 12
static const char *const paths[PATHS] = {"/",    "/a",     "/b",     "/a/a",   "/a/b",   "/b/a",
                                         "/b/b", "/a/a/a", "/a/a/b", "/a/b/a", "/b/a/a", "/b/b/b"};

struct twin {
        bool set[2][PATHS][CONNS];
        size_t count;
        /* What one event must tell: [conn][is it the parent's CHILDREN_CHANGED?] */
        int told[CONNS][2];
};

static void count_told(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct twin *t = ctx;
        (void)path;
        t->told[conn - 1][type == EVENT_NODE_CHILDREN_CHANGED]--;
}

static size_t path_index(const char *path, size_t len)
{
        for (size_t i = 0; i < PATHS; i++)
                if (strlen(paths[i]) == len && memcmp(paths[i], path, len) == 0)
                        return i;
        return 0; /* the root's other name */
}

static void take(struct twin *t, int table, size_t path, int conn, bool is_children)
{
        if (!t->set[table][path][conn])
                return;
        t->set[table][path][conn] = false;
        t->count--;
        t->told[conn][is_children] = 1;
}

static void fire_both(struct watches *w, struct twin *t, enum watch_event type, size_t path)
{
        const struct tree_event e = {.type = type, .path = jute_cstr(paths[path])};
        size_t parent = path_index(paths[path], (size_t)path_parent(e.path).len);
        memset(t->told, 0, sizeof t->told);
        for (int conn = 0; conn < CONNS; conn++) {
                take(t, WATCH_DATA, path, conn, false);
                if (type == EVENT_NODE_DELETED)
                        take(t, WATCH_CHILD, path, conn, false);
                if (type != EVENT_NODE_DATA_CHANGED)
                        take(t, WATCH_CHILD, parent, conn, true);
        }
        watches_fire(w, &e, count_told, t);
        for (int conn = 0; conn < CONNS; conn++)
                assert_true(t->told[conn][0] == 0 && t->told[conn][1] == 0);
}

static void run(uint64_t seed)
{
        struct prng p = {.state = seed};
        struct watches *w = watches_new();
        struct twin t = {.count = 0};
        printf("seed %llu\n", (unsigned long long)seed);
        for (int step = 0; step < 5000; step++) {
                size_t path = prng_next(&p) % PATHS;
                int conn = (int)(prng_next(&p) % CONNS), table = (int)(prng_next(&p) % 2);
                unsigned what = (unsigned)(prng_next(&p) % 20);
                if (what == 0) {
                        watches_drop(w, (conn_id)conn + 1);
                        for (size_t i = 0; i < 2 * PATHS; i++) {
                                t.count -= t.set[i % 2][i / 2][conn];
                                t.set[i % 2][i / 2][conn] = false;
                        }
                } else if (what < 4) {
                        enum watch_event type = (enum watch_event)(EVENT_NODE_CREATED + prng_next(&p) % 3);
                        fire_both(w, &t, type, 1 + path % (PATHS - 1));
                } else {
                        watches_add(w, (enum watch_table)table, jute_cstr(paths[path]), (conn_id)conn + 1);
                        t.count += !t.set[table][path][conn];
                        t.set[table][path][conn] = true;
                }
                assert_int_equal(watches_count(w), t.count);
        }
        watches_free(w);
}

static void test_it_agrees_with_a_dumb_twin(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++)
                run(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_creation_tells_data_watches_then_the_parents_children_watches),
                cmocka_unit_test(test_the_parent_of_a_top_level_node_is_the_slash),
                cmocka_unit_test(test_deletion_tells_each_connection_once_and_the_parent_last),
                cmocka_unit_test(test_a_second_deletion_is_told_anew),
                cmocka_unit_test(test_a_change_of_data_tells_data_watches_only),
                cmocka_unit_test(test_registering_twice_gives_one_event),
                cmocka_unit_test(test_a_closed_connection_is_told_nothing),
                cmocka_unit_test(test_it_agrees_with_a_dumb_twin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
