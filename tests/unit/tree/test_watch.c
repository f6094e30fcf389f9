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
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a"), 4);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 6);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a/b"), 8);
        expect(w, EVENT_NODE_CREATED, "/a/b", "2 created /a/b\n4 children /a\n");
        expect(w, EVENT_NODE_CREATED, "/a/b", "");
        assert_int_equal(watches_count(w), 2);
        watches_free(w);
}

static void test_the_parent_of_a_top_level_node_is_the_slash(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/"), 2);
        expect(w, EVENT_NODE_CREATED, "/a", "2 children /\n");
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/"), 2);
        expect(w, EVENT_NODE_DELETED, "/a", "2 children /\n");
        watches_free(w);
}

/* Data watches, then the node's child watches (not again to who just heard), then the parent's. */
static void test_deletion_tells_each_connection_once_and_the_parent_last(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a/b"), 4);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a/b"), 6);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2);
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
                watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
                watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
                watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/other"), 2);
                expect(w, EVENT_NODE_DELETED, "/a", "2 deleted /a\n");
        }
        watches_free(w);
}

static void test_a_change_of_data_tells_data_watches_only(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a"), 4);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/"), 6);
        expect(w, EVENT_NODE_DATA_CHANGED, "/a", "2 changed /a\n");
        assert_int_equal(watches_count(w), 2);
        watches_free(w);
}

static void test_registering_twice_gives_one_event(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        assert_int_equal(watches_count(w), 1);
        expect(w, EVENT_NODE_CREATED, "/a", "2 created /a\n");
        watches_free(w);
}

static void test_a_closed_connection_is_told_nothing(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/"), 2);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 4);
        watches_drop(w, 2);
        watches_drop(w, 99);
        assert_int_equal(watches_count(w), 1);
        expect(w, EVENT_NODE_CREATED, "/a", "4 created /a\n");
        watches_free(w);
        watches_free(NULL);
}

/* ---- persistent and recursive watches ---- */

static void test_persistent_watches_stay(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_PERSISTENT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_CHILD, WATCH_PERSISTENT, jute_cstr("/a"), 2);
        for (int i = 0; i < 2; i++) {
                expect(w, EVENT_NODE_CREATED, "/a", "2 created /a\n");
                expect(w, EVENT_NODE_CREATED, "/a/b", "2 children /a\n");
                expect(w, EVENT_NODE_DATA_CHANGED, "/a", "2 changed /a\n");
                expect(w, EVENT_NODE_DELETED, "/a", "2 deleted /a\n");
        }
        assert_int_equal(watches_count(w), 2);
        watches_free(w);
}

static void test_recursive_watches_are_told_of_all_below_and_not_of_children(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/"), 4);
        for (int i = 0; i < 2; i++) {
                expect(w, EVENT_NODE_CREATED, "/a", "2 created /a\n4 created /a\n");
                expect(w, EVENT_NODE_CREATED, "/a/b/c", "4 created /a/b/c\n2 created /a/b/c\n");
                expect(w, EVENT_NODE_DATA_CHANGED, "/ab", "4 changed /ab\n"); /* below the root, not below /a */
                expect(w, EVENT_NODE_DATA_CHANGED, "/", "4 changed /\n");
                expect(w, EVENT_NODE_DELETED, "/a/b/c", "4 deleted /a/b/c\n2 deleted /a/b/c\n");
        }
        watches_free(w);
}

/* 7.3: one copy, however many of its watches match; the one-shot one is used up with it. */
static void test_a_connection_is_told_once_of_each_trigger(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2);
        watches_add(w, WATCH_CHILD, WATCH_PERSISTENT, jute_cstr("/a"), 2);
        assert_int_equal(watches_count(w), 5);
        expect(w, EVENT_NODE_DELETED, "/a/b", "2 deleted /a/b\n2 children /a\n");
        assert_true(watches_has(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a/b"), 2));
        assert_false(watches_has(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a/b"), 2));
        assert_false(watches_has(w, WATCH_CHILD, WATCH_ANY, jute_cstr("/a/b"), 2));
        assert_int_equal(watches_count(w), 4);
        watches_free(w);
}

static void test_kinds_are_removed_by_themselves(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        for (int mode = WATCH_ONE_SHOT; mode <= WATCH_RECURSIVE; mode *= 2)
                watches_add(w, WATCH_DATA, (enum watch_mode)mode, jute_cstr("/a"), 2);
        assert_int_equal(watches_count(w), 1);
        assert_false(watches_remove(w, WATCH_DATA, WATCH_ANY, jute_cstr("/a"), 4));
        assert_false(watches_remove(w, WATCH_CHILD, WATCH_ANY, jute_cstr("/a"), 2));
        assert_true(watches_remove(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a"), 2));
        assert_false(watches_remove(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a"), 2));
        expect(w, EVENT_NODE_CREATED, "/a/b", "");
        expect(w, EVENT_NODE_CREATED, "/a", "2 created /a\n");
        assert_true(watches_remove(w, WATCH_DATA, WATCH_ANY, jute_cstr("/a"), 2));
        assert_int_equal(watches_count(w), 0);
        assert_int_equal(watches_weight(w), 0);
        watches_free(w);
}

/* Null and empty are two paths, and no event is about either. */
static void test_a_watch_without_a_path_can_be_found_and_removed(void **state)
{
        (void)state;
        const struct jute_str null = {.data = NULL, .len = -1};
        struct watches *w = watches_new();
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, null, 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr(""), 4);
        expect(w, EVENT_NODE_CREATED, "/a", "");
        assert_true(watches_has(w, WATCH_DATA, WATCH_ANY, null, 2));
        assert_false(watches_has(w, WATCH_DATA, WATCH_ANY, jute_cstr(""), 2));
        assert_true(watches_remove(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr(""), 4));
        assert_true(watches_remove(w, WATCH_DATA, WATCH_ANY, null, 2));
        assert_int_equal(watches_count(w), 0);
        watches_free(w);
}

static void count_events(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        (void)conn;
        (void)type;
        (void)path;
        ++*(int *)ctx;
}

/* A path of 200,000 names is walked once: hashing each of its beginnings anew would take 40 GB. */
static void test_a_deep_path_costs_its_length(void **state)
{
        (void)state;
        enum { DEPTH = 200000 };
        static char path[2 * DEPTH + 1];
        struct watches *w = watches_new();
        int told = 0;
        for (size_t i = 0; i < DEPTH; i++) {
                path[2 * i] = '/';
                path[2 * i + 1] = 'a';
        }
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/a/a/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_str_of(path, sizeof path - 3), 4);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/b"), 6);
        const struct tree_event e = {.type = EVENT_NODE_DATA_CHANGED, .path = jute_str_of(path, sizeof path - 1)};
        watches_fire(w, &e, count_events, &told);
        assert_int_equal(told, 2);
        watches_free(w);
}

/* ---- figures ---- */

/* As wchs: a connection stays once it has watched data, unless it removed its last watch itself. */
static void test_summary_is_about_the_data_table(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        struct watches_summary s;
        watches_add(w, WATCH_CHILD, WATCH_ONE_SHOT, jute_cstr("/a"), 8);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_PERSISTENT, jute_cstr("/a"), 4);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), 4);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/b"), 4);
        watches_summary(w, &s);
        assert_true(s.connections == 2 && s.paths == 2 && s.watches == 3);
        expect(w, EVENT_NODE_DATA_CHANGED, "/a", "2 changed /a\n4 changed /a\n");
        watches_summary(w, &s);
        assert_true(s.connections == 2 && s.paths == 2 && s.watches == 2);
        assert_true(watches_remove(w, WATCH_DATA, WATCH_ANY, jute_cstr("/a"), 4));
        assert_true(watches_remove(w, WATCH_DATA, WATCH_ANY, jute_cstr("/b"), 4));
        watches_summary(w, &s);
        assert_true(s.connections == 1 && s.paths == 0 && s.watches == 0);
        watches_drop(w, 2);
        watches_summary(w, &s);
        assert_true(s.connections == 0);
        assert_int_equal(watches_count(w), 1);
        watches_free(w);
}

static void test_triggers_are_counted_with_whom_they_reached(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        struct watches_told told;
        watches_add(w, WATCH_DATA, WATCH_PERSISTENT, jute_cstr("/a"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/"), 2);
        watches_add(w, WATCH_DATA, WATCH_RECURSIVE, jute_cstr("/"), 4);
        expect(w, EVENT_NODE_DATA_CHANGED, "/a", "2 changed /a\n4 changed /a\n");
        watches_drop(w, 4);
        expect(w, EVENT_NODE_DATA_CHANGED, "/b", "2 changed /b\n");
        watches_told(w, EVENT_NODE_DATA_CHANGED, &told);
        assert_true(told.triggers == 2 && told.watchers == 3 && told.most == 2 && told.fewest == 1);
        watches_told(w, EVENT_NODE_CREATED, &told);
        assert_true(told.triggers == 0 && told.watchers == 0);
        watches_told_reset(w);
        watches_told(w, EVENT_NODE_DATA_CHANGED, &told);
        assert_true(told.triggers == 0 && told.most == 0);
        watches_free(w);
}

/* ---- a twin that knows no index ---- */

#define CONNS 20
#define PATHS 12
static const char *const paths[PATHS] = {"/",    "/a",     "/b",     "/a/a",   "/a/b",   "/b/a",
                                         "/b/b", "/a/a/a", "/a/a/b", "/a/b/a", "/b/a/a", "/b/b/b"};

struct twin {
        unsigned set[2][PATHS][CONNS]; /* modes */
        bool listed[CONNS];
        /* What one event must tell: [conn][is it the parent's CHILDREN_CHANGED?] */
        int told[CONNS][2];
        /* Pairs of path and connection met by watches_each(). */
        int met[PATHS][CONNS];
        conn_id conn; /* met last ... */
        size_t path;
        size_t groups;
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

static bool is_above(size_t above, size_t path)
{
        size_t len = strlen(paths[above]);
        return above != path &&
               (above == 0 || (strncmp(paths[above], paths[path], len) == 0 && paths[path][len] == '/'));
}

static void take(struct twin *t, int table, size_t path, int conn, bool is_children)
{
        if (!t->set[table][path][conn])
                return;
        t->set[table][path][conn] &= ~(unsigned)WATCH_ONE_SHOT;
        t->told[conn][is_children] = 1;
}

static void fire_both(struct watches *w, struct twin *t, enum watch_event type, size_t path)
{
        const struct tree_event e = {.type = type, .path = jute_cstr(paths[path])};
        size_t parent = path_index(paths[path], (size_t)path_parent(e.path).len);
        memset(t->told, 0, sizeof t->told);
        for (int conn = 0; conn < CONNS; conn++) {
                take(t, WATCH_DATA, path, conn, false);
                for (size_t above = 0; above < PATHS; above++)
                        if (is_above(above, path) && (t->set[WATCH_DATA][above][conn] & WATCH_RECURSIVE))
                                t->told[conn][0] = 1;
                if (type == EVENT_NODE_DELETED)
                        take(t, WATCH_CHILD, path, conn, false);
                if (type != EVENT_NODE_DATA_CHANGED)
                        take(t, WATCH_CHILD, parent, conn, true);
        }
        watches_fire(w, &e, count_told, t);
        for (int conn = 0; conn < CONNS; conn++)
                assert_true(t->told[conn][0] == 0 && t->told[conn][1] == 0);
}

static bool meet(void *ctx, conn_id conn, bool has_path, struct jute_str path)
{
        struct twin *t = ctx;
        size_t index = has_path ? path_index((const char *)path.data, (size_t)path.len) : PATHS;
        t->groups += conn != t->conn;
        t->conn = conn;
        if (has_path)
                t->met[index][conn - 1]++;
        else
                assert_true(t->listed[conn - 1]);
        return true;
}

static bool meet_paths(void *ctx, conn_id conn, bool has_path, struct jute_str path)
{
        struct twin *t = ctx;
        size_t index = path_index((const char *)path.data, (size_t)path.len);
        assert_true(has_path);
        t->groups += index != t->path;
        t->path = index;
        t->met[index][conn - 1]++;
        return true;
}

/* All of the data table and nothing else, each once, what belongs together in one run. */
static void check_each(const struct watches *w, struct twin *t)
{
        struct watches_summary s;
        watches_summary(w, &s);
        for (int order = 0; order < 2; order++) {
                memset(t->met, 0, sizeof t->met);
                t->conn = 0;
                t->path = PATHS;
                t->groups = 0;
                if (order == 0)
                        watches_each(w, WATCHES_BY_CONNECTION, meet, t);
                else
                        watches_each(w, WATCHES_BY_PATH, meet_paths, t);
                assert_int_equal(t->groups, order == 0 ? s.connections : s.paths);
                for (size_t path = 0; path < PATHS; path++)
                        for (int conn = 0; conn < CONNS; conn++)
                                assert_int_equal(t->met[path][conn], t->set[WATCH_DATA][path][conn] != 0);
        }
}

static void check_figures(const struct watches *w, struct twin *t)
{
        struct watches_summary s, want = {.connections = 0};
        size_t count = 0, weight = 0;
        for (size_t i = 0; i < 2 * PATHS; i++) {
                bool any = false;
                for (int conn = 0; conn < CONNS; conn++) {
                        bool set = t->set[i % 2][i / 2][conn] != 0;
                        any = any || set;
                        count += set;
                        weight += set ? WATCH_COST_BYTES + strlen(paths[i / 2]) : 0;
                        want.watches += set && i % 2 == WATCH_DATA;
                }
                want.paths += any && i % 2 == WATCH_DATA;
        }
        for (int conn = 0; conn < CONNS; conn++)
                want.connections += t->listed[conn];
        watches_summary(w, &s);
        assert_int_equal(watches_count(w), count);
        assert_int_equal(watches_weight(w), weight);
        assert_true(s.connections == want.connections && s.paths == want.paths && s.watches == want.watches);
}

static void remove_both(struct watches *w, struct twin *t, int table, size_t path, int conn, unsigned modes)
{
        const bool there = (t->set[table][path][conn] & modes) != 0;
        assert_true(watches_has(w, (enum watch_table)table, modes, jute_cstr(paths[path]), (conn_id)conn + 1) == there);
        assert_true(watches_remove(w, (enum watch_table)table, modes, jute_cstr(paths[path]), (conn_id)conn + 1) ==
                    there);
        t->set[table][path][conn] &= ~modes;
        if (!there || table != WATCH_DATA)
                return;
        t->listed[conn] = false;
        for (size_t i = 0; i < PATHS; i++)
                t->listed[conn] = t->listed[conn] || t->set[WATCH_DATA][i][conn];
}

static void run(uint64_t seed)
{
        struct prng p = {.state = seed};
        struct watches *w = watches_new();
        struct twin t = {.groups = 0};
        watches_seed(w, seed);
        printf("seed %llu\n", (unsigned long long)seed);
        for (int step = 0; step < 5000; step++) {
                size_t path = prng_next(&p) % PATHS;
                int conn = (int)(prng_next(&p) % CONNS), table = (int)(prng_next(&p) % 2);
                unsigned what = (unsigned)(prng_next(&p) % 20);
                if (what == 0) {
                        watches_drop(w, (conn_id)conn + 1);
                        for (size_t i = 0; i < 2 * PATHS; i++)
                                t.set[i % 2][i / 2][conn] = 0;
                        t.listed[conn] = false;
                } else if (what < 4) {
                        enum watch_event type = (enum watch_event)(EVENT_NODE_CREATED + prng_next(&p) % 3);
                        fire_both(w, &t, type, 1 + path % (PATHS - 1));
                } else if (what < 8) {
                        remove_both(w, &t, table, path, conn, 1 + (unsigned)(prng_next(&p) % WATCH_ANY));
                } else {
                        unsigned mode = 1U << prng_next(&p) % (table == WATCH_DATA ? 3 : 2);
                        watches_add(w, (enum watch_table)table, (enum watch_mode)mode, jute_cstr(paths[path]),
                                    (conn_id)conn + 1);
                        t.set[table][path][conn] |= mode;
                        t.listed[conn] = t.listed[conn] || table == WATCH_DATA;
                }
                check_figures(w, &t);
                if (step % 100 == 0)
                        check_each(w, &t);
        }
        watches_free(w);
}

static void test_it_agrees_with_a_dumb_twin(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++)
                run(seed);
}

static bool stop_at_once(void *ctx, conn_id conn, bool has_path, struct jute_str path)
{
        (void)conn;
        (void)has_path;
        (void)path;
        ++*(int *)ctx;
        return false;
}

static void test_a_walk_over_watches_ends_when_it_is_told_to(void **state)
{
        (void)state;
        struct watches *w = watches_new();
        int met = 0;
        for (conn_id conn = 1; conn <= 5; conn++)
                watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/a"), conn);
        watches_add(w, WATCH_DATA, WATCH_ONE_SHOT, jute_cstr("/b"), 1);
        watches_each(w, WATCHES_BY_PATH, stop_at_once, &met);
        assert_int_equal(met, 1);
        watches_each(w, WATCHES_BY_CONNECTION, stop_at_once, &met);
        assert_int_equal(met, 2);
        watches_free(w);
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
                cmocka_unit_test(test_persistent_watches_stay),
                cmocka_unit_test(test_recursive_watches_are_told_of_all_below_and_not_of_children),
                cmocka_unit_test(test_a_connection_is_told_once_of_each_trigger),
                cmocka_unit_test(test_kinds_are_removed_by_themselves),
                cmocka_unit_test(test_a_watch_without_a_path_can_be_found_and_removed),
                cmocka_unit_test(test_a_deep_path_costs_its_length),
                cmocka_unit_test(test_summary_is_about_the_data_table),
                cmocka_unit_test(test_triggers_are_counted_with_whom_they_reached),
                cmocka_unit_test(test_it_agrees_with_a_dumb_twin),
                cmocka_unit_test(test_a_walk_over_watches_ends_when_it_is_told_to),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
