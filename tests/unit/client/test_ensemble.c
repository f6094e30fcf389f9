/* The client against whole servers: what it promises must hold with real elections, commits and crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/world/scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MS 5000

static const struct jute_str no_data = {.data = NULL, .len = -1};

static struct patron *connect_to(struct scene *s, int only)
{
        struct patron *p = scene_add(s, only, NULL);
        assert_true(scene_connected(s, p, SETTLE_MS));
        return p;
}

static int create(struct scene *s, struct patron *p, const char *path, const char *data, int32_t flags)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_create(p->c, path, jute_cstr(data), flags, NULL, &call), 0);
        return scene_await(s, &r);
}

static int set(struct scene *s, struct patron *p, const char *path, const char *data)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_set(p->c, path, jute_cstr(data), -1, &call), 0);
        return scene_await(s, &r);
}

static int exists(struct scene *s, struct patron *p, const char *path)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_sync(p->c, path, NULL), 0);
        assert_int_equal(client_exists(p->c, path, &call), 0);
        return scene_await(s, &r);
}

static int64_t session_of(const struct patron *p)
{
        struct client_session session;
        client_session(p->c, &session);
        return session.id;
}

/* Any running server but `sid`. */
static int other_than(const struct scene *s, int sid)
{
        int other = sid % s->servers + 1;
        while (!world_running(s->w, other))
                other = other % s->servers + 1;
        return other;
}

/* ---- requests ---- */

static void test_nodes_are_made_changed_and_deleted(void **state)
{
        (void)state;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 1);
        struct patron *p = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/a", "one", CLIENT_PERSISTENT), ZK_OK);
        assert_int_equal(create(&s, p, "/a", "one", CLIENT_PERSISTENT), ZK_NODE_EXISTS);

        struct client_call call = scene_call(&r);
        assert_int_equal(client_create2(p->c, "/a/n-", no_data, CLIENT_SEQUENTIAL | CLIENT_EPHEMERAL, NULL, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_string_equal(r.text, "/a/n-0000000000");
        assert_true(r.stat.ephemeral_owner == session_of(p));
        assert_true(r.stat.czxid == r.zxid);

        call = scene_call(&r);
        assert_int_equal(client_set(p->c, "/a", jute_cstr("two"), 0, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_int_equal(r.stat.version, 1);

        call = scene_call(&r);
        assert_int_equal(client_set(p->c, "/a", jute_cstr("three"), 0, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_BAD_VERSION);

        call = scene_call(&r);
        assert_int_equal(client_delete(p->c, "/a", -1, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_NOT_EMPTY);
        scene_done(&s);
}

static void test_nodes_are_read(void **state)
{
        (void)state;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 8);
        struct patron *p = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/a", "one", CLIENT_PERSISTENT), ZK_OK);
        assert_int_equal(create(&s, p, "/a/b", "", CLIENT_PERSISTENT), ZK_OK);

        struct client_call call = scene_call(&r);
        assert_int_equal(client_get(p->c, "/a", &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_string_equal(r.text, "one");
        assert_int_equal(r.stat.num_children, 1);

        call = scene_call(&r);
        assert_int_equal(client_children(p->c, "/a", &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_int_equal(r.children, 1);

        call = scene_call(&r);
        assert_int_equal(client_children2(p->c, "/a", &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_int_equal(r.children, 1);
        assert_int_equal(r.stat.data_length, 3);

        call = scene_call(&r);
        assert_int_equal(client_get_acl(p->c, "/a", &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_int_equal(r.acls, 1);

        call = scene_call(&r);
        assert_int_equal(client_sync(p->c, "/a", &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_string_equal(r.text, "/a");
        scene_done(&s);
}

static void test_a_multi_is_carried_out_as_a_whole_or_not(void **state)
{
        (void)state;
        const struct client_op good[] = {
                {.type = OP_CREATE, .path = "/m", .data = jute_cstr("x")},
                {.type = OP_CREATE2, .path = "/m/e", .data = jute_cstr("y"), .flags = CLIENT_EPHEMERAL},
                {.type = OP_SET_DATA, .path = "/m", .data = jute_cstr("z"), .version = 0},
                {.type = OP_CHECK, .path = "/m", .version = 1},
        };
        const struct client_op bad[] = {
                {.type = OP_DELETE, .path = "/m/e", .version = -1},
                {.type = OP_CHECK, .path = "/m", .version = 7},
                {.type = OP_DELETE, .path = "/m", .version = -1},
        };
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 2);
        struct patron *p = connect_to(&s, 0);
        struct client_call call = scene_call(&r);
        assert_int_equal(client_multi(p->c, good, 4, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        assert_int_equal(r.ops, 4);
        call = scene_call(&r);
        assert_int_equal(client_multi(p->c, bad, 3, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_BAD_VERSION);
        assert_int_equal(r.ops, 3);
        assert_int_equal(exists(&s, p, "/m/e"), ZK_OK);
        scene_done(&s);
}

/* ---- watches ---- */

struct seen_events {
        char text[256];
};

static void on_event(void *ctx, enum client_event event, const char *path)
{
        struct seen_events *seen = ctx;
        size_t len = strlen(seen->text);
        (void)snprintf(seen->text + len, sizeof seen->text - len, "%d %s\n", event, path);
}

typedef int read_fn(struct client *c, const char *path, const struct client_call *call);

static void watch(struct scene *s, struct patron *p, read_fn *read, const char *path, struct seen_events *seen,
                  int error)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        call.watch = on_event;
        call.watch_ctx = seen;
        assert_int_equal(read(p->c, path, &call), 0);
        assert_int_equal(scene_await(s, &r), error);
}

/* safety.md W5; the nodes change while the client has no server. */
static void watches_survive(uint64_t seed)
{
        struct scene s;
        struct seen_events data = {""}, child = {""}, missing = {""}, quiet = {""}, gone = {""};
        scene_init(&s, 3, seed);
        struct patron *p = connect_to(&s, 0);
        struct patron *writer = connect_to(&s, other_than(&s, scene_server(p)));
        assert_int_equal(create(&s, writer, "/d", "1", 0), ZK_OK);
        assert_int_equal(create(&s, writer, "/p", "1", 0), ZK_OK);
        assert_int_equal(create(&s, writer, "/q", "1", 0), ZK_OK);
        assert_int_equal(create(&s, writer, "/g", "1", 0), ZK_OK);
        assert_int_equal(exists(&s, p, "/g"), ZK_OK);
        watch(&s, p, client_get, "/d", &data, ZK_OK);
        watch(&s, p, client_children, "/p", &child, ZK_OK);
        watch(&s, p, client_exists, "/m", &missing, ZK_NO_NODE);
        watch(&s, p, client_get, "/q", &quiet, ZK_OK);
        watch(&s, p, client_exists, "/g", &gone, ZK_OK);
        world_set_loud_crashes(s.w, true); /* what else would tell the writer that there is no leader? */
        world_crash(s.w, scene_server(p));
        p->stopped = true; /* it notices only when all has happened */
        assert_true(scene_connected(&s, writer, SETTLE_MS));
        assert_int_equal(set(&s, writer, "/d", "2"), ZK_OK);
        assert_int_equal(create(&s, writer, "/p/c", "", 0), ZK_OK);
        assert_int_equal(create(&s, writer, "/m", "", 0), ZK_OK);
        assert_int_equal(client_delete(writer->c, "/g", -1, NULL), 0);
        assert_int_equal(exists(&s, writer, "/g"), ZK_NO_NODE);
        p->stopped = false;
        scene_run(&s, 1);
        assert_true(scene_connected(&s, p, SETTLE_MS));
        scene_run(&s, 200);
        assert_string_equal(data.text, "3 /d\n");
        assert_string_equal(child.text, "4 /p\n");
        assert_string_equal(missing.text, "1 /m\n");
        assert_string_equal(gone.text, "2 /g\n");
        assert_string_equal(quiet.text, "");
        assert_int_equal(set(&s, writer, "/q", "2"), ZK_OK);
        scene_run(&s, 200);
        assert_string_equal(quiet.text, "3 /q\n");
        assert_string_equal(p->states, "connecting connected suspended resumed ");
        scene_done(&s);
}

static void test_watches_survive_the_crash_of_their_server(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++)
                watches_survive(seed);
}

/* ---- sessions ---- */

static void test_a_session_and_its_nodes_outlive_the_leader(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct scene s;
                scene_init(&s, 3, seed);
                struct patron *p = connect_to(&s, 0);
                int64_t session = session_of(p);
                assert_int_equal(create(&s, p, "/e", "", CLIENT_EPHEMERAL), ZK_OK);
                world_crash(s.w, world_leader(s.w));
                scene_run(&s, 3 * (uint64_t)client_timeout_ms(p->c));
                assert_true(client_is_connected(p->c));
                assert_true(session_of(p) == session);
                assert_int_equal(exists(&s, p, "/e"), ZK_OK);
                assert_int_equal(p->expired, 0);
                scene_done(&s);
        }
}

/* The others serve on when a follower crashes, so the client is elsewhere within one heartbeat. */
static void test_a_client_of_a_crashed_follower_is_elsewhere_within_a_heartbeat(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct scene s;
                scene_init(&s, 3, seed);
                struct patron *p = connect_to(&s, 0);
                for (int i = 0; i < 20 && scene_server(p) == world_leader(s.w); i++) {
                        scene_run(&s, CLIENT_STABLE_MS);
                        world_reset(s.w, scene_server(p), 0);
                        scene_run(&s, 5);
                        assert_true(scene_connected(&s, p, SETTLE_MS));
                }
                assert_int_not_equal(scene_server(p), world_leader(s.w));
                scene_run(&s, CLIENT_STABLE_MS);
                world_crash(s.w, scene_server(p));
                uint64_t crashed = world_now(s.w);
                scene_run(&s, 2);
                assert_true(scene_connected(&s, p, SETTLE_MS));
                assert_in_range(world_now(s.w) - crashed, 0, (uint64_t)client_timeout_ms(p->c) / 3);
                scene_done(&s);
        }
}

static void test_an_expired_session_is_told(void **state)
{
        (void)state;
        struct scene s;
        scene_init(&s, 3, 4);
        struct patron *p = connect_to(&s, 0), *other = connect_to(&s, 0);
        int64_t session = session_of(p);
        assert_int_equal(create(&s, p, "/e", "", CLIENT_EPHEMERAL), ZK_OK);
        p->stopped = true; /* for longer than its session lives */
        scene_run(&s, 2 * (uint64_t)client_timeout_ms(p->c));
        assert_int_equal(exists(&s, other, "/e"), ZK_NO_NODE);
        p->stopped = false;
        scene_run(&s, 1000);
        assert_string_equal(p->states, "connecting connected suspended expired ");
        client_start(p->c, world_now(s.w), &p->fx);
        scene_run(&s, 1);
        assert_true(scene_connected(&s, p, SETTLE_MS));
        assert_true(session_of(p) != session);
        scene_done(&s);
}

static void test_a_saved_session_is_resumed_by_the_next_process(void **state)
{
        (void)state;
        struct scene s;
        struct client_session saved;
        scene_init(&s, 3, 5);
        struct patron *p = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/e", "", CLIENT_EPHEMERAL), ZK_OK);
        client_session(p->c, &saved);
        scene_kill_client(p);
        scene_run(&s, 200);
        struct patron *next = scene_add(&s, 0, &saved);
        assert_true(scene_connected(&s, next, SETTLE_MS));
        assert_string_equal(next->states, "connecting resumed ");
        assert_true(session_of(next) == saved.id);
        scene_run(&s, 3 * (uint64_t)client_timeout_ms(next->c));
        assert_int_equal(exists(&s, next, "/e"), ZK_OK);
        /* A wrong password is as good as none. */
        saved.passwd[0] ^= 1;
        struct patron *thief = scene_add(&s, 0, &saved);
        scene_run(&s, 500);
        assert_string_equal(thief->states, "connecting expired ");
        scene_done(&s);
}

static void test_a_closed_session_takes_its_nodes_along_at_once(void **state)
{
        (void)state;
        struct scene s;
        scene_init(&s, 3, 6);
        struct patron *p = connect_to(&s, 0), *other = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/e", "", CLIENT_EPHEMERAL), ZK_OK);
        client_close(p->c, world_now(s.w), 1000, &p->fx);
        scene_run(&s, 100);
        assert_int_equal(client_state(p->c), CLIENT_CLOSED);
        assert_int_equal(session_of(p), 0);
        assert_int_equal(exists(&s, other, "/e"), ZK_NO_NODE);
        scene_done(&s);
}

static void test_a_hanging_server_is_left_and_the_session_kept(void **state)
{
        (void)state;
        struct scene s;
        scene_init(&s, 3, 7);
        struct patron *p = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/e", "", CLIENT_EPHEMERAL), ZK_OK);
        int sid = scene_server(p);
        world_freeze(s.w, sid, true);
        scene_run(&s, (uint64_t)client_timeout_ms(p->c) * 2);
        assert_true(client_is_connected(p->c));
        assert_int_not_equal(scene_server(p), sid);
        assert_int_equal(exists(&s, p, "/e"), ZK_OK);
        assert_int_equal(p->expired, 0);
        scene_done(&s);
}

/* safety.md 2.2: a holder has L(1-rho)/(1+rho) from the sending of its last confirmed renewal, 1636 ms of 2 s. */
static void test_a_frozen_server_costs_a_renewing_holder_no_lease(void **state)
{
        (void)state;
        enum { RENEW_MS = 2000 / 6, HOLD_MS = 1636 };
        struct scene s;
        struct scene_reply r = {.done = true};
        uint64_t sent = 0, longest = 0, good;
        scene_init(&s, 3, 5);
        s.answer_divisor = 4;
        struct patron *p = connect_to(&s, 0);
        assert_int_equal(create(&s, p, "/lease", "", CLIENT_PERSISTENT), ZK_OK);
        while (scene_server(p) == world_leader(s.w)) { /* a frozen leader is the ensemble's own matter */
                p = connect_to(&s, 0);
        }
        int frozen = scene_server(p);
        good = world_now(s.w);
        for (int ms = 0; ms < 6000; ms++) {
                struct client_call call;
                if (ms == 1000)
                        world_freeze(s.w, frozen, true);
                if (r.done && r.outcome == CLIENT_ANSWERED && r.error == ZK_OK && sent > good)
                        good = sent;
                if (r.done && world_now(s.w) >= sent + (r.outcome == CLIENT_ANSWERED ? RENEW_MS : 0)) {
                        call = scene_call(&r);
                        sent = world_now(s.w);
                        assert_int_equal(client_set(p->c, "/lease", jute_cstr(""), -1, &call), 0);
                }
                scene_run(&s, 1);
                longest = world_now(s.w) - good > longest ? world_now(s.w) - good : longest;
        }
        assert_int_not_equal(scene_server(p), frozen);
        assert_true(longest > RENEW_MS);
        assert_true(longest < HOLD_MS * 3 / 4);
        scene_done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nodes_are_made_changed_and_deleted),
                cmocka_unit_test(test_nodes_are_read),
                cmocka_unit_test(test_a_multi_is_carried_out_as_a_whole_or_not),
                cmocka_unit_test(test_watches_survive_the_crash_of_their_server),
                cmocka_unit_test(test_a_session_and_its_nodes_outlive_the_leader),
                cmocka_unit_test(test_a_client_of_a_crashed_follower_is_elsewhere_within_a_heartbeat),
                cmocka_unit_test(test_an_expired_session_is_told),
                cmocka_unit_test(test_a_saved_session_is_resumed_by_the_next_process),
                cmocka_unit_test(test_a_closed_session_takes_its_nodes_along_at_once),
                cmocka_unit_test(test_a_hanging_server_is_left_and_the_session_kept),
                cmocka_unit_test(test_a_frozen_server_costs_a_renewing_holder_no_lease),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
