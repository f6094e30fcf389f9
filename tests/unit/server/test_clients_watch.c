/* Watches of a connection: how they are set, told and removed (zookeeper/client-protocol.md 7; safety W1 to W6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

/* ---- watches ---- */

static void test_watch_is_set_on_success_and_by_exists_also_on_a_missing_node(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_GET_DATA, "/a", 1);
        desk_add_path(d, 2, OP_GET_CHILDREN, "/a", 1);
        desk_put(d, k);
        assert_int_equal(watches_count(d->clients->watches), 0);
        desk_path(d, k, 3, OP_EXISTS, "/a", 1);
        assert_int_equal(watches_count(d->clients->watches), 1);
        desk_create(d, k, 4, "/a");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:-101 2:-101 3:-101 !1 /a 4:0");
        desk_free(d);
}

/* W1, 7.2: registering the same again gives one event. */
static void test_one_shot_watch_tells_once_however_often_it_was_set(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), writer = desk_open(d);
        desk_create(d, writer, 1, "/a");
        desk_commit(d, 1);
        for (int32_t i = 1; i <= 100; i++)
                desk_path(d, k, i, i % 2 ? OP_GET_DATA : OP_EXISTS, "/a", 1);
        assert_int_equal(watches_weight(d->clients->watches), WATCH_COST_BYTES + 2);
        (void)desk_take(d, k);
        desk_begin(d);
        desk_add_set(d, 2, "/a", 1);
        desk_add_set(d, 3, "/a", 1);
        desk_put(d, writer);
        desk_commit(d, 2);
        assert_string_equal(desk_take(d, k), "!3 /a");
        assert_int_equal(watches_weight(d->clients->watches), 0);
        desk_free(d);
}

/* 7.3: a deletion tells data watchers, then child watchers that were not told, then the parent's. */
static void test_deletion_tells_each_watcher_of_a_node_once(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id both = desk_open(d), child = desk_open(d), writer = desk_open(d);
        desk_create(d, writer, 1, "/a");
        desk_commit(d, 1);
        desk_begin(d);
        desk_add_path(d, 1, OP_GET_CHILDREN, "/a", 1);
        desk_add_path(d, 2, OP_GET_DATA, "/a", 1);
        desk_add_path(d, 3, OP_GET_CHILDREN, "/", 1);
        desk_put(d, both);
        desk_path(d, child, 1, OP_GET_CHILDREN2, "/a", 1);
        (void)desk_take(d, both);
        (void)desk_take(d, child);
        desk_path(d, writer, 2, OP_DELETE, "/a", -1);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, both), "!2 /a !4 /");
        assert_string_equal(desk_take(d, child), "!2 /a");
        assert_int_equal(watches_weight(d->clients->watches), 0);
        desk_free(d);
}

/* 7.5.4, trap 5: the reply that set the watch comes before its event, the event before the reply that shows
 * the change, on one connection with everything pipelined. */
static void test_event_stands_between_the_read_and_the_change(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 1, 0);
        desk_add_path(d, 2, OP_GET_DATA, "/a", 1);
        desk_add_set(d, 3, "/a", 1);
        desk_add_path(d, 4, OP_GET_DATA, "/a", 1);
        desk_add_path(d, 5, OP_DELETE, "/a", -1);
        desk_put(d, k);
        desk_commit(d, 3);
        assert_string_equal(desk_take(d, k), "1:0 2:0 !3 /a 3:0 4:0 !2 /a 5:0");
        desk_free(d);
}

static void test_watches_go_with_their_connection(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), writer = desk_open(d);
        desk_path(d, k, 1, OP_EXISTS, "/a", 1);
        int64_t session = desk_session(d, k);
        conn_id again = desk_accept(d, "10.0.0.1");
        desk_connect(d, again, session, 0);
        assert_int_equal(watches_count(d->clients->watches), 0);
        assert_int_equal(watches_weight(d->clients->watches), 0);
        desk_create(d, writer, 1, "/a");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, again), "open");
        desk_free(d);
}

/* ---- setWatches ---- */

static void put_paths(struct jute_writer *w, const char *const *paths, int32_t count)
{
        jute_put_int(w, count);
        for (int32_t i = 0; i < count; i++)
                jute_put_cstr(w, paths[i]);
}

/* 7.4: each entry fires at once or is registered, in the order data, exist, child, and before the reply. */
static void test_set_watches_tells_what_was_missed_and_registers_the_rest(void **state)
{
        (void)state;
        static const char *const data[] = {"/old", "/new", "/gone"}, *const exist[] = {"/old", "/none"},
                                 *const child[] = {"/old", "/gone", "/parent"};
        struct desk *d = desk_new();
        conn_id k = desk_open(d), writer = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/old", 1, 0);
        desk_add_create(d, 2, "/parent", 1, 0);
        desk_put(d, writer);
        desk_commit(d, 2);
        int64_t since = d->zxid;
        desk_begin(d);
        desk_add_create(d, 3, "/new", 1, 0);
        desk_add_create(d, 4, "/parent/x", 1, 0);
        desk_put(d, writer);
        desk_commit(d, 2);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_long(&w, since);
        put_paths(&w, data, 3);
        put_paths(&w, exist, 2);
        put_paths(&w, child, 3);
        desk_begin(d);
        desk_add(d, -8, OP_SET_WATCHES, &w);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "!3 /new !2 /gone !1 /old !2 /gone !4 /parent -8:0");
        assert_int_equal(watches_count(d->clients->watches), 3); /* data /old, /none; child /old */
        (void)desk_take(d, writer);
        desk_begin(d);
        desk_add_create(d, 5, "/none", 1, 0);
        desk_add_set(d, 6, "/old", 1);
        desk_add_create(d, 7, "/old/x", 1, 0);
        desk_put(d, writer);
        desk_commit(d, 3);
        assert_string_equal(desk_take(d, k), "!1 /none !3 /old !4 /old");
        assert_int_equal(watches_weight(d->clients->watches), 0);
        jute_writer_done(&w);
        desk_free(d);
}

/* A list of watches for setWatches2; `count` -1 is a null one. */
struct list_of_paths {
        int32_t count;
        const char *paths[3];
};

static void set_watches2(struct desk *d, conn_id k, int64_t since, const struct list_of_paths lists[5])
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_long(&w, since);
        for (size_t i = 0; i < 5; i++)
                put_paths(&w, lists[i].paths, lists[i].count);
        desk_begin(d);
        desk_add(d, -8, OP_SET_WATCHES2, &w);
        desk_put(d, k);
        jute_writer_done(&w);
}

/* 7.4: persistent watches are registered whatever happened; a node that is there or not makes no difference. */
static void test_set_watches2_registers_persistent_watches_too(void **state)
{
        (void)state;
        const struct list_of_paths lists[5] = {
                {1, {"/gone"}}, {0, {0}}, {0, {0}}, {2, {"/", "/p"}}, {1, {"/r"}},
        };
        struct desk *d = desk_new();
        conn_id k = desk_open(d), writer = desk_open(d);
        set_watches2(d, k, 0, lists);
        assert_string_equal(desk_take(d, k), "!2 /gone -8:0");
        assert_int_equal(desk_conn(d, k)->event_zxid, -1); /* of no transaction */
        assert_int_equal(watches_count(d->clients->watches), 5);
        for (int i = 0; i < 2; i++) {
                desk_create(d, writer, 1, i ? "/r" : "/p");
                desk_create(d, writer, 2, i ? "/r/x" : "/p/x");
        }
        desk_commit(d, 4);
        assert_string_equal(desk_take(d, k), "!1 /p !4 / !4 /p !1 /r !4 / !1 /r/x");
        desk_free(d);
}

/* What stands before the fault has been done (observed on 3.9.5); a watch that is not looked for may have no
 * path. */
static void test_null_in_set_watches_ends_it(void **state)
{
        (void)state;
        static const struct {
                struct list_of_paths lists[5];
                const char *reply;
                size_t watches;
        } cases[] = {
                {{{-1, {0}}, {1, {"/x"}}, {0, {0}}, {0, {0}}, {0, {0}}}, "-8:-5", 0},
                {{{1, {"/x"}}, {1, {"/x"}}, {-1, {0}}, {1, {"/y"}}, {0, {0}}}, "!2 /x -8:-5", 1},
                {{{0, {0}}, {3, {"/x", NULL, "/y"}}, {0, {0}}, {0, {0}}, {0, {0}}}, "-8:-5", 1},
                {{{0, {0}}, {0, {0}}, {1, {NULL}}, {0, {0}}, {1, {"/x"}}}, "-8:-5", 0},
                {{{0, {0}}, {0, {0}}, {0, {0}}, {-1, {0}}, {1, {"/x"}}}, "-8:-5", 0},
                {{{0, {0}}, {0, {0}}, {0, {0}}, {1, {NULL}}, {2, {NULL, "/x"}}}, "-8:0", 3},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct desk *d = desk_new();
                conn_id k = desk_open(d);
                set_watches2(d, k, 0, cases[i].lists);
                assert_string_equal(desk_take(d, k), cases[i].reply);
                assert_int_equal(watches_count(d->clients->watches), cases[i].watches);
                desk_free(d);
        }
}

/* ---- addWatch, checkWatches, removeWatches ---- */

enum { MODE_PERSISTENT, MODE_RECURSIVE };
enum { TYPE_CHILDREN = 1, TYPE_DATA, TYPE_ANY, TYPE_PERSISTENT, TYPE_RECURSIVE };

/* Trap 1: a code stands in the body too. */
static void test_add_watch_is_answered_with_a_body(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_path(d, k, 7, OP_ADD_WATCH, "/nowhere", MODE_PERSISTENT);
        const struct desk_conn *c = desk_conn(d, k);
        assert_int_equal(c->out_len, 4 + 16 + 4);
        assert_memory_equal(c->out + 20, "\0\0\0", 4);
        assert_string_equal(desk_take(d, k), "7:0");
        for (int32_t mode = -1; mode <= 2; mode += 3) {
                desk_path(d, k, 8, OP_ADD_WATCH, "/nowhere", mode);
                assert_int_equal(desk_conn(d, k)->out_len, 4 + 16);
                assert_string_equal(desk_take(d, k), "8:-5");
        }
        assert_int_equal(watches_count(d->clients->watches), 2); /* one in each table */
        desk_free(d);
}

static void test_persistent_watches_tell_again_and_again(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), deep = desk_open(d), writer = desk_open(d);
        desk_path(d, k, 1, OP_ADD_WATCH, "/a", MODE_PERSISTENT);
        desk_path(d, deep, 1, OP_ADD_WATCH, "/a", MODE_RECURSIVE);
        (void)desk_take(d, k);
        (void)desk_take(d, deep);
        for (int i = 0; i < 2; i++) {
                desk_begin(d);
                desk_add_create(d, 1, "/a", 1, 0);
                desk_add_create(d, 2, "/a/b", 1, 0);
                desk_add_set(d, 3, "/a/b", 1);
                desk_add_set(d, 4, "/a", 1);
                desk_add_path(d, 5, OP_DELETE, "/a/b", -1);
                desk_add_path(d, 6, OP_DELETE, "/a", -1);
                desk_put(d, writer);
                desk_commit(d, 6);
                assert_string_equal(desk_take(d, k), "!1 /a !4 /a !3 /a !4 /a !2 /a");
                assert_string_equal(desk_take(d, deep), "!1 /a !1 /a/b !3 /a/b !3 /a !2 /a/b !2 /a");
                assert_int_equal(desk_conn(d, deep)->event_zxid, d->zxid);
        }
        desk_free(d);
}

static const char *asked(struct desk *d, conn_id k, int32_t opcode, const char *path, int32_t type)
{
        desk_path(d, k, 1, opcode, path, type);
        return desk_take(d, k);
}

/* 7.3: all kinds side by side, each removed by itself. */
static void test_kinds_are_found_and_removed_one_by_one(void **state)
{
        (void)state;
        static const int32_t removals[] = {TYPE_PERSISTENT, TYPE_DATA, TYPE_RECURSIVE, TYPE_CHILDREN};
        struct desk *d = desk_new();
        conn_id k = desk_open(d), other = desk_open(d);
        desk_create(d, k, 1, "/a");
        desk_commit(d, 1);
        desk_path(d, k, 1, OP_GET_DATA, "/a", 1);
        desk_path(d, k, 2, OP_GET_CHILDREN, "/a", 1);
        desk_path(d, k, 3, OP_ADD_WATCH, "/a", MODE_PERSISTENT);
        desk_path(d, k, 4, OP_ADD_WATCH, "/a", MODE_RECURSIVE);
        (void)desk_take(d, k);
        assert_int_equal(watches_count(d->clients->watches), 2);
        for (size_t i = 0; i < 4; i++) {
                assert_string_equal(asked(d, k, OP_CHECK_WATCHES, "/a", TYPE_ANY), "1:0");
                assert_string_equal(asked(d, other, OP_REMOVE_WATCHES, "/a", removals[i]), "1:-121");
                assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, "/b", removals[i]), "1:-121");
                for (size_t j = 0; j < 4; j++)
                        assert_string_equal(asked(d, k, OP_CHECK_WATCHES, "/a", removals[j]), j < i ? "1:-121" : "1:0");
                assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, "/a", removals[i]), "1:0");
                assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, "/a", removals[i]), "1:-121");
        }
        assert_string_equal(asked(d, k, OP_CHECK_WATCHES, "/a", TYPE_ANY), "1:-121");
        assert_int_equal(watches_count(d->clients->watches), 0);
        assert_int_equal(watches_weight(d->clients->watches), 0);
        desk_path(d, k, 1, OP_GET_DATA, "/a", 1);
        desk_path(d, k, 2, OP_ADD_WATCH, "/a", MODE_PERSISTENT);
        (void)desk_take(d, k);
        assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, "/a", TYPE_ANY), "1:0");
        assert_int_equal(watches_count(d->clients->watches), 0);
        desk_free(d);
}

/* Unknown types, and bodies that end too soon: -5, whatever is watched. A path of null or none is like any other. */
static void test_odd_requests_about_watches(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_CHECK_WATCHES, OP_REMOVE_WATCHES, OP_ADD_WATCH};
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, "/a");
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                assert_string_equal(asked(d, k, opcodes[i], "/a", i == 2 ? 2 : 0), "1:-5");
                assert_string_equal(asked(d, k, opcodes[i], "/a", 6), "1:-5");
                desk_begin(d);
                desk_add(d, 1, opcodes[i], NULL);
                desk_add(d, 2, opcodes[i], &w);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), "1:-5 2:-5");
        }
        jute_writer_done(&w);
        assert_string_equal(asked(d, k, OP_ADD_WATCH, "", MODE_RECURSIVE), "1:0");
        assert_string_equal(asked(d, k, OP_CHECK_WATCHES, NULL, TYPE_RECURSIVE), "1:-121");
        assert_string_equal(asked(d, k, OP_ADD_WATCH, NULL, MODE_PERSISTENT), "1:0");
        assert_string_equal(asked(d, k, OP_CHECK_WATCHES, NULL, TYPE_PERSISTENT), "1:0");
        assert_string_equal(asked(d, k, OP_CHECK_WATCHES, "", TYPE_PERSISTENT), "1:-121");
        desk_create(d, k, 2, "/a");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "2:0");
        assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, NULL, TYPE_ANY), "1:0");
        assert_string_equal(asked(d, k, OP_REMOVE_WATCHES, "", TYPE_ANY), "1:0");
        assert_int_equal(watches_count(d->clients->watches), 0);
        desk_free(d);
}

/* They queue like reads: behind the writes before them, so that a write's own event is not missed. */
static void test_requests_about_watches_keep_their_place(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 1, 0);
        desk_add_path(d, 2, OP_ADD_WATCH, "/a", MODE_PERSISTENT);
        desk_add_set(d, 3, "/a", 1);
        desk_add_path(d, 4, OP_REMOVE_WATCHES, "/a", TYPE_PERSISTENT);
        desk_add_set(d, 5, "/a", 1);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "");
        desk_commit(d, 3);
        assert_string_equal(desk_take(d, k), "1:0 2:0 !3 /a 3:0 4:0 5:0");
        desk_free(d);
}

/* ---- who may be told (7.3, last point) ---- */

static void put_acl(struct jute_writer *w, int32_t perms, const char *scheme, const char *id)
{
        const struct jute_acl entry = {.perms = perms, .id = {.scheme = jute_cstr(scheme), .id = jute_cstr(id)}};
        jute_put_int(w, 1);
        jute_put_acl(w, &entry);
}

/* A node that `reader` (an address) alone may read, everybody may do all else with. */
static void add_private(struct desk *d, int32_t xid, const char *path, const char *reader)
{
        const struct jute_acl all = {.perms = 30, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        const struct jute_acl one = {.perms = 1, .id = {.scheme = jute_cstr("ip"), .id = jute_cstr(reader)}};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        jute_put_cstr(&w, "x");
        jute_put_int(&w, 2);
        jute_put_acl(&w, &all);
        jute_put_acl(&w, &one);
        jute_put_int(&w, 0);
        desk_add(d, xid, OP_CREATE, &w);
        jute_writer_done(&w);
}

static conn_id open_at(struct desk *d, const char *address)
{
        conn_id k = desk_accept(d, address);
        desk_connect(d, k, 0, 0);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open");
        return k;
}

static void test_events_are_for_those_who_may_read(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id may = open_at(d, "10.0.0.7"), not = open_at(d, "10.0.0.8"), writer = open_at(d, "10.0.0.9");
        for (int i = 0; i < 2; i++) {
                conn_id k = i ? not : may;
                desk_path(d, k, 1, OP_ADD_WATCH, "/open", MODE_PERSISTENT);
                desk_path(d, k, 2, OP_ADD_WATCH, "/open/private", MODE_PERSISTENT);
                desk_path(d, k, 3, OP_EXISTS, "/open/private", 1);
                (void)desk_take(d, k);
        }
        desk_begin(d);
        desk_add_create(d, 1, "/open", 1, 0);
        add_private(d, 2, "/open/private", "10.0.0.7");
        desk_add_set(d, 3, "/open/private", 1);
        desk_add_create(d, 4, "/open/private/c", 1, 0);
        desk_add_path(d, 5, OP_DELETE, "/open/private/c", -1);
        desk_add_path(d, 6, OP_DELETE, "/open/private", -1); /* the last node with this list */
        desk_put(d, writer);
        desk_commit(d, 6);
        assert_string_equal(desk_take(d, writer), "1:0 2:0 3:0 4:0 5:0 6:0");
        assert_string_equal(desk_take(d, may), "!1 /open !1 /open/private !4 /open !3 /open/private !4 /open/private "
                                               "!4 /open/private !2 /open/private !4 /open");
        assert_string_equal(desk_take(d, not ), "!1 /open !4 /open !4 /open");
        assert_int_equal(watches_count(d->clients->watches), 8); /* the one-shot ones are used up, told or not */
        desk_free(d);
}

static void put_op(struct jute_writer *w, int32_t opcode)
{
        const struct jute_multi_header h = {.type = opcode, .done = opcode == -1, .err = -1};
        jute_put_multi_header(w, &h);
}

/* Each event by the list as it was at that operation, also one that the same transaction has replaced since. */
static void test_lists_count_as_they_were_at_the_event(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = open_at(d, "10.0.0.8"), writer = open_at(d, "10.0.0.9");
        desk_begin(d);
        add_private(d, 1, "/a", "10.0.0.9");
        desk_add_path(d, 2, OP_ADD_WATCH, "/a", MODE_RECURSIVE);
        desk_put(d, writer);
        desk_commit(d, 1);
        desk_path(d, k, 1, OP_ADD_WATCH, "/a", MODE_RECURSIVE);
        (void)desk_take(d, k);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        put_op(&w, OP_DELETE); /* its list goes with it */
        jute_put_cstr(&w, "/a");
        jute_put_int(&w, -1);
        put_op(&w, OP_CREATE);
        jute_put_cstr(&w, "/a");
        jute_put_cstr(&w, "x");
        put_acl(&w, 31, "world", "anyone");
        jute_put_int(&w, 0);
        put_op(&w, -1);
        desk_begin(d);
        desk_add(d, 3, OP_MULTI, &w);
        desk_put(d, writer);
        jute_writer_done(&w);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, writer), "1:0 2:0 !2 /a !1 /a 3:0");
        assert_string_equal(desk_take(d, k), "!1 /a");
        desk_free(d);
}

/* ---- limits ---- */

static void watch_missing(struct desk *d, conn_id k, size_t from, size_t count, size_t path_len)
{
        char path[1024];
        memset(path, 'x', sizeof path);
        desk_begin(d);
        for (size_t i = from; i < from + count; i++) {
                (void)snprintf(path, sizeof path, "/%zu-", i);
                path[strlen(path)] = 'x';
                path[path_len] = 0;
                desk_add_path(d, 1, OP_EXISTS, path, 1);
                path[path_len] = 'x';
        }
        desk_put(d, k);
        desk_conn(d, k)->out_len = 0; /* of no interest */
        if (desk_conn(d, k)->notify)
                desk_sent(d, k);
}

static void test_connection_with_too_many_watches_is_closed(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), other = desk_open(d);
        desk_path(d, other, 1, OP_EXISTS, "/mine", 1);
        const size_t fit = CLIENT_WATCH_BYTES_MAX / (WATCH_COST_BYTES + 1000);
        for (size_t at = 0; at < fit - fit % 500; at += 500)
                watch_missing(d, k, at, 500, 1000);
        assert_false(desk_conn(d, k)->closed);
        watch_missing(d, k, fit, 600, 1000);
        assert_true(desk_conn(d, k)->closed);
        assert_int_equal(d->clients->stats.dropped_watches, 1);
        assert_int_equal(watches_weight(d->clients->watches), WATCH_COST_BYTES + 5);
        assert_int_equal(watches_count(d->clients->watches), 1);
        desk_free(d);
}

/* One transaction tells everybody at once: who is told most is closed when that is too much, the others are not. */
static void test_events_of_one_step_are_bounded_and_the_greediest_pays(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id greedy = desk_open(d), modest = desk_open(d), writer = desk_open(d);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        desk_path(d, greedy, 1, OP_ADD_WATCH, "/", MODE_RECURSIVE);
        desk_path(d, modest, 1, OP_ADD_WATCH, "/49", MODE_RECURSIVE); /* the last of all */
        (void)desk_take(d, modest);
        for (int i = 0; i < 100; i++) {
                char path[16];
                (void)snprintf(path, sizeof path, "/%d%s", i / 2, i % 2 ? "/x" : "");
                put_op(&w, OP_CREATE);
                jute_put_cstr(&w, path);
                jute_put_cstr(&w, "x");
                put_acl(&w, 31, "world", "anyone");
                jute_put_int(&w, 0);
        }
        put_op(&w, -1);
        desk_begin(d);
        desk_add(d, 1, OP_MULTI, &w);
        desk_put(d, writer);
        jute_writer_done(&w);
        d->clients->step_bytes_max = 3000;
        desk_commit(d, 1);
        assert_true(desk_conn(d, greedy)->closed);
        assert_int_equal(d->clients->stats.dropped_slow, 1);
        assert_false(desk_conn(d, modest)->closed);
        assert_string_equal(desk_take(d, writer), "1:0");
        assert_string_equal(desk_take(d, modest), "!1 /49 !1 /49/x");
        desk_free(d);
}

static void set_in_turns(struct desk *d, conn_id writer, const char *one, const char *other)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (int i = 0; i < 200; i++) {
                put_op(&w, OP_SET_DATA);
                jute_put_cstr(&w, i % 2 ? one : other);
                jute_put_cstr(&w, "y");
                jute_put_int(&w, -1);
        }
        put_op(&w, -1);
        desk_begin(d);
        desk_add(d, 3, OP_MULTI, &w);
        desk_put(d, writer);
        jute_writer_done(&w);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, writer), "3:0");
}

/* Who is told nothing costs a look at the list each time, where lists take turns. */
static void test_looks_at_lists_in_one_step_are_bounded_too(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id not = open_at(d, "10.0.0.8"), writer = open_at(d, "10.0.0.9");
        desk_begin(d);
        add_private(d, 1, "/a", "10.0.0.9");
        add_private(d, 2, "/b", "10.0.0.10");
        desk_put(d, writer);
        desk_commit(d, 2);
        (void)desk_take(d, writer);
        desk_path(d, not, 1, OP_ADD_WATCH, "/", MODE_RECURSIVE);
        (void)desk_take(d, not );
        d->clients->step_bytes_max = 400;
        set_in_turns(d, writer, "/a", "/a");
        assert_false(desk_conn(d, not )->closed);
        assert_string_equal(desk_take(d, not ), "");
        set_in_turns(d, writer, "/a", "/b");
        assert_true(desk_conn(d, not )->closed);
        assert_int_equal(d->clients->stats.dropped_slow, 1);
        desk_free(d);
}

/* Persistent watches weigh like others, and no more when they are removed or have told. */
static void test_persistent_watches_count_against_the_limit(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_path(d, k, 1, OP_ADD_WATCH, "/a", MODE_PERSISTENT);
        assert_int_equal(watches_weight(d->clients->watches), 2 * (WATCH_COST_BYTES + 2));
        desk_path(d, k, 2, OP_ADD_WATCH, "/a", MODE_RECURSIVE);
        desk_path(d, k, 3, OP_EXISTS, "/a", 1);
        assert_int_equal(watches_weight(d->clients->watches), 2 * (WATCH_COST_BYTES + 2));
        desk_create(d, k, 4, "/a");
        desk_commit(d, 1);
        assert_int_equal(watches_weight(d->clients->watches), 2 * (WATCH_COST_BYTES + 2));
        d->clients->watch_bytes_max = 2 * (WATCH_COST_BYTES + 2);
        (void)desk_take(d, k);
        desk_path(d, k, 5, OP_ADD_WATCH, "/b", MODE_RECURSIVE);
        assert_true(desk_conn(d, k)->closed);
        assert_int_equal(watches_weight(d->clients->watches), 0);
        assert_int_equal(watches_count(d->clients->watches), 0);
        desk_free(d);
}

/* Past the limit for all it is the one with most that goes, not the one that asks. */
static void test_watches_of_all_are_bounded_and_the_largest_pays(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id large = desk_open(d), small = desk_open(d);
        watch_missing(d, large, 0, 500, 1000);
        d->clients->watch_bytes_max = 500 * (WATCH_COST_BYTES + 1000);
        watch_missing(d, small, 1000, 2, 100);
        assert_true(desk_conn(d, large)->closed);
        assert_false(desk_conn(d, small)->closed);
        assert_int_equal(d->clients->stats.dropped_watches, 1);
        assert_int_equal(watches_weight(d->clients->watches), 2 * (WATCH_COST_BYTES + 100));
        desk_free(d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_watch_is_set_on_success_and_by_exists_also_on_a_missing_node),
                cmocka_unit_test(test_one_shot_watch_tells_once_however_often_it_was_set),
                cmocka_unit_test(test_deletion_tells_each_watcher_of_a_node_once),
                cmocka_unit_test(test_event_stands_between_the_read_and_the_change),
                cmocka_unit_test(test_watches_go_with_their_connection),
                cmocka_unit_test(test_set_watches_tells_what_was_missed_and_registers_the_rest),
                cmocka_unit_test(test_set_watches2_registers_persistent_watches_too),
                cmocka_unit_test(test_null_in_set_watches_ends_it),
                cmocka_unit_test(test_add_watch_is_answered_with_a_body),
                cmocka_unit_test(test_persistent_watches_tell_again_and_again),
                cmocka_unit_test(test_kinds_are_found_and_removed_one_by_one),
                cmocka_unit_test(test_odd_requests_about_watches),
                cmocka_unit_test(test_requests_about_watches_keep_their_place),
                cmocka_unit_test(test_events_are_for_those_who_may_read),
                cmocka_unit_test(test_lists_count_as_they_were_at_the_event),
                cmocka_unit_test(test_connection_with_too_many_watches_is_closed),
                cmocka_unit_test(test_events_of_one_step_are_bounded_and_the_greediest_pays),
                cmocka_unit_test(test_looks_at_lists_in_one_step_are_bounded_too),
                cmocka_unit_test(test_persistent_watches_count_against_the_limit),
                cmocka_unit_test(test_watches_of_all_are_bounded_and_the_largest_pays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
