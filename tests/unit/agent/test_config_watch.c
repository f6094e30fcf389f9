/* The committed configuration as workers are told of it, against whole servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/agent/config_watch.h"
#include "election/base/hash.h"
#include "tests/sim/world/scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 4000

/* What was told, for comparison, and as a model of the tree. */
struct teller {
        struct scene s;
        struct patron *watcher, *writer;
        struct config_watch *w;
        bool synced;
        int64_t last_zxid;
        size_t told, logged;
        char text[4096];
        char log[1024];
};

static struct teller *of(struct patron *p)
{
        return p->ctx;
}

static uint64_t now_ms(void *ctx)
{
        return world_now(((struct teller *)ctx)->s.w);
}

static struct client *client_of(void *ctx)
{
        return ((struct teller *)ctx)->watcher->c;
}

static void note(char *text, size_t size, const struct config_change *c)
{
        size_t len = strlen(text);
        if (c->data.len < 0)
                (void)snprintf(text + len, size - len, "-%s ", c->path);
        else
                (void)snprintf(text + len, size - len, "%s=%.*s ", c->path, c->data.len, (const char *)c->data.data);
}

static void on_changed(void *ctx, const struct config_change *c)
{
        struct teller *t = ctx;
        assert_true(t->synced);
        assert_true(c->zxid >= t->last_zxid); /* several changes of one transaction have one zxid */
        t->last_zxid = c->zxid;
        t->told++;
        note(t->text, sizeof t->text, c);
}

static void on_replayed(void *ctx, const struct config_change *c)
{
        struct teller *t = ctx;
        assert_true(c->zxid >= t->last_zxid);
        t->last_zxid = c->zxid;
        note(t->text, sizeof t->text, c);
}

static void on_synced(void *ctx, int64_t zxid)
{
        struct teller *t = ctx;
        assert_false(t->synced);
        t->synced = true;
        assert_int_equal(config_watch_replay(t->w, on_replayed, t), zxid);
        assert_true(zxid >= t->last_zxid);
        t->last_zxid = zxid;
        (void)snprintf(t->text + strlen(t->text), sizeof t->text - strlen(t->text), "synced ");
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
        struct teller *t = ctx;
        (void)level;
        t->logged++;
        (void)snprintf(t->log, sizeof t->log, "%s", text);
}

static const struct config_watch_host host = {
        .now_ms = now_ms, .client = client_of, .changed = on_changed, .synced = on_synced, .log = on_log};

static void on_state(struct patron *p, enum client_state state)
{
        struct teller *t = of(p);
        if (state == CLIENT_CONNECTED || state == CLIENT_RESUMED)
                config_watch_session(t->w);
        if (state == CLIENT_EXPIRED)
                client_start(p->c, world_now(t->s.w), &p->fx);
}

static struct teller *teller_new(uint64_t seed)
{
        struct teller *t = calloc(1, sizeof *t);
        assert_non_null(t);
        scene_init(&t->s, 3, seed);
        t->w = config_watch_new(&host, t);
        t->writer = scene_add(&t->s, 0, NULL);
        assert_true(scene_connected(&t->s, t->writer, SETTLE_MS));
        return t;
}

static void watch(struct teller *t)
{
        t->watcher = scene_add(&t->s, 0, NULL);
        t->watcher->ctx = t;
        t->watcher->on_state = on_state;
        assert_true(scene_connected(&t->s, t->watcher, SETTLE_MS));
}

static void teller_free(struct teller *t)
{
        scene_done(&t->s); /* frees the client, which calls back all it had */
        config_watch_free(t->w);
        free(t);
}

static void run(struct teller *t, uint64_t ms)
{
        for (uint64_t i = 0; i < ms; i++) {
                scene_run(&t->s, 1);
                config_watch_tick(t->w);
        }
}

static const char *full(const char *path)
{
        static char text[CONFIG_PATH_MAX + 64];
        (void)snprintf(text, sizeof text, CONFIG_ROOT "%s%s", *path ? "/" : "", path);
        return text;
}

static int put(struct teller *t, const char *path, const char *value)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_set(t->writer->c, full(path), jute_cstr(value), -1, &call), 0);
        int error = scene_await(&t->s, &r);
        if (error != ZK_NO_NODE)
                return error;
        call = scene_call(&r);
        assert_int_equal(client_create(t->writer->c, full(path), jute_cstr(value), 0, NULL, &call), 0);
        return scene_await(&t->s, &r);
}

static int cut(struct teller *t, const char *path)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_delete(t->writer->c, full(path), -1, &call), 0);
        return scene_await(&t->s, &r);
}

static void make_root(struct teller *t)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_create(t->writer->c, "/baton", jute_cstr(""), 0, NULL, &call), 0);
        assert_int_equal(scene_await(&t->s, &r), ZK_OK);
        assert_int_equal(put(t, "", ""), ZK_OK);
}

static void expect(struct teller *t, const char *text)
{
        assert_string_equal(t->text, text);
        t->text[0] = 0;
}

static void test_the_state_is_told_first_in_the_order_of_its_transactions_then_changes(void **state)
{
        (void)state;
        struct teller *t = teller_new(1);
        make_root(t);
        assert_int_equal(put(t, "z", "1"), ZK_OK);
        assert_int_equal(put(t, "b", "1"), ZK_OK);
        assert_int_equal(put(t, "b/c", ""), ZK_OK);
        assert_int_equal(put(t, "a", "1"), ZK_OK);
        assert_int_equal(put(t, "z", "2"), ZK_OK);
        watch(t);
        run(t, 200);
        expect(t, "b=1 b/c= a=1 z=2 synced ");
        assert_int_equal(put(t, "b/c", "3"), ZK_OK);
        assert_int_equal(put(t, "b/d", "4"), ZK_OK);
        assert_int_equal(put(t, "b/d/e", "5"), ZK_OK);
        run(t, 200);
        expect(t, "b/c=3 b/d=4 b/d/e=5 ");
        teller_free(t);
}

static void test_a_removed_znode_is_told_and_one_made_again_too(void **state)
{
        (void)state;
        struct teller *t = teller_new(2);
        watch(t);
        run(t, 200);
        expect(t, "synced "); /* and the root was made */
        assert_int_equal(put(t, "a", "1"), ZK_OK);
        assert_int_equal(put(t, "a/b", "1"), ZK_OK);
        run(t, 200);
        expect(t, "a=1 a/b=1 ");
        assert_int_equal(cut(t, "a/b"), ZK_OK);
        run(t, 200);
        assert_int_equal(cut(t, "a"), ZK_OK);
        run(t, 200);
        expect(t, "-a/b -a ");
        assert_int_equal(put(t, "a", "2"), ZK_OK);
        assert_int_equal(put(t, "a/b", "2"), ZK_OK);
        run(t, 200);
        expect(t, "a=2 a/b=2 ");
        teller_free(t);
}

/* All of it in one go, so that reads meet it halfway. */
static void test_a_root_that_is_removed_and_made_again_is_followed(void **state)
{
        (void)state;
        struct teller *t = teller_new(3);
        watch(t);
        run(t, 200);
        assert_int_equal(put(t, "a", "1"), ZK_OK);
        run(t, 200);
        expect(t, "synced a=1 ");
        const struct jute_str empty = jute_cstr("");
        const struct client_op ops[] = {
                {.type = OP_DELETE, .path = CONFIG_ROOT "/a", .version = -1},
                {.type = OP_DELETE, .path = CONFIG_ROOT, .version = -1},
                {.type = OP_CREATE, .path = CONFIG_ROOT, .data = empty},
                {.type = OP_CREATE, .path = CONFIG_ROOT "/b", .data = jute_cstr("2")},
        };
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_multi(t->writer->c, ops, 4, &call), 0);
        assert_int_equal(scene_await(&t->s, &r), ZK_OK);
        run(t, 200);
        assert_non_null(strstr(t->text, "b=2 "));
        assert_non_null(strstr(t->text, "-a "));
        t->text[0] = 0;
        assert_int_equal(cut(t, "b"), ZK_OK);
        assert_int_equal(cut(t, ""), ZK_OK);
        run(t, 200);
        expect(t, "-b ");
        assert_int_equal(put(t, "c", "3"), ZK_OK); /* the watcher has made the root again */
        run(t, 200);
        expect(t, "c=3 ");
        teller_free(t);
}

static void test_a_znode_that_changes_without_end_holds_up_nobody(void **state)
{
        (void)state;
        struct teller *t = teller_new(4);
        make_root(t);
        assert_int_equal(put(t, "busy", "0"), ZK_OK);
        watch(t);
        run(t, 200);
        for (int i = 0; i < 300; i++) { /* without waiting for anything */
                char value[16];
                (void)snprintf(value, sizeof value, "%d", i);
                assert_int_equal(client_set(t->writer->c, CONFIG_ROOT "/busy", jute_cstr(value), -1, NULL), 0);
                if (i == 50)
                        assert_int_equal(
                                client_create(t->writer->c, CONFIG_ROOT "/calm", jute_cstr("1"), 0, NULL, NULL), 0);
                run(t, 2);
                if (i == 200)
                        assert_non_null(strstr(t->text, "calm=1 "));
        }
        run(t, 200);
        assert_non_null(strstr(t->text, "busy=299 "));
        teller_free(t);
}

static void test_a_new_session_tells_only_what_differs(void **state)
{
        (void)state;
        struct teller *t = teller_new(5);
        make_root(t);
        assert_int_equal(put(t, "a", "1"), ZK_OK);
        assert_int_equal(put(t, "b", "1"), ZK_OK);
        assert_int_equal(put(t, "c", "1"), ZK_OK);
        watch(t);
        run(t, 200);
        expect(t, "a=1 b=1 c=1 synced ");
        t->watcher->stopped = true;
        run(t, 5000);
        assert_int_equal(cut(t, "a"), ZK_OK);
        assert_int_equal(put(t, "b", "2"), ZK_OK);
        assert_int_equal(put(t, "d", "1"), ZK_OK);
        t->watcher->stopped = false;
        run(t, 3000);
        assert_int_equal(t->watcher->expired, 1);
        expect(t, "b=2 d=1 -a "); /* nobody can say when a went */
        assert_int_equal(put(t, "c", "2"), ZK_OK);
        run(t, 200);
        expect(t, "c=2 ");
        teller_free(t);
}

static void test_who_comes_later_is_told_all_in_order(void **state)
{
        (void)state;
        struct teller *t = teller_new(6);
        watch(t);
        run(t, 200);
        assert_int_equal(put(t, "a", "1"), ZK_OK);
        assert_int_equal(put(t, "b", "1"), ZK_OK);
        assert_int_equal(put(t, "a", "2"), ZK_OK);
        run(t, 200);
        t->text[0] = 0;
        t->last_zxid = 0;
        (void)config_watch_replay(t->w, on_replayed, t);
        expect(t, "b=1 a=2 ");
        teller_free(t);
}

static void test_what_is_too_deep_is_left_out_and_said_so(void **state)
{
        (void)state;
        char path[64] = "a";
        struct teller *t = teller_new(7);
        make_root(t);
        for (int i = 0; i <= CONFIG_DEPTH_MAX; i++) {
                assert_int_equal(put(t, path, ""), ZK_OK);
                (void)snprintf(path + strlen(path), sizeof path - strlen(path), "/a");
        }
        watch(t);
        run(t, 500);
        assert_non_null(strstr(t->log, "more than 16 levels"));
        assert_int_equal(t->logged, 1);
        assert_true(t->synced);
        teller_free(t);
}

static void make_many(struct teller *t, int from, int to)
{
        static struct client_op ops[512];
        static char paths[512][48];
        for (int i = from; i < to;) {
                size_t count = 0;
                struct scene_reply r;
                struct client_call call = scene_call(&r);
                for (; i < to && count < 512; i++, count++) {
                        (void)snprintf(paths[count], sizeof paths[0], CONFIG_ROOT "/n%05d", i);
                        ops[count] =
                                (struct client_op){.type = OP_CREATE, .path = paths[count], .data = jute_cstr("x")};
                }
                assert_int_equal(client_multi(t->writer->c, ops, count, &call), 0);
                assert_int_equal(scene_await(&t->s, &r), ZK_OK);
        }
}

static void mark(void *ctx, const struct config_change *c)
{
        bool *there = ctx;
        there[strtol(c->path + 1, NULL, 10)] = true;
}

static void test_what_is_too_many_is_left_out_until_there_is_room(void **state)
{
        (void)state;
        static bool there[CONFIG_NODES_MAX + 1];
        char missing[16], expected[64];
        int i = 0;
        struct teller *t = teller_new(8);
        make_root(t);
        make_many(t, 0, CONFIG_NODES_MAX + 1);
        watch(t);
        run(t, 1000);
        assert_true(t->synced);
        assert_non_null(strstr(t->log, "more than 16384"));
        (void)config_watch_replay(t->w, mark, there);
        while (there[i])
                i++; /* past the end, were none missing */
        (void)snprintf(missing, sizeof missing, "n%05d", i);
        t->text[0] = 0;
        assert_int_equal(put(t, i ? "n00000" : "n00001", "y"), ZK_OK);
        assert_int_equal(put(t, missing, "y"), ZK_OK);
        run(t, 200);
        expect(t, i ? "n00000=y " : "n00001=y ");
        assert_int_equal(cut(t, i ? "n00000" : "n00001"), ZK_OK);
        run(t, 200);
        (void)snprintf(expected, sizeof expected, "%s=y ", missing);
        assert_non_null(strstr(t->text, expected));
        teller_free(t);
}

static void test_paths_are_judged(void **state)
{
        (void)state;
        const char *why;
        static const char *const good[] = {"a", "a/b", "...", "a b", "\xc3\xa4", "a/.b"};
        static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "a/..", "a\nb", "a/./b"};
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                assert_int_equal(config_path_check(good[i], strlen(good[i]), &why), 0);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(config_path_check(bad[i], strlen(bad[i]), &why), -EINVAL);
}

/* ---- anything at any time ---- */

#define NAMES 12

static void name_of(char *ret, size_t size, unsigned i)
{
        static const char *const parents[] = {"", "a/", "b/"};
        (void)snprintf(ret, size, "%s%c", parents[i % 3], 'c' + (int)(i / 3));
}

/* What `text` was told to be in the end. */
static void play(const char *text, char model[NAMES][16])
{
        for (unsigned i = 0; i < NAMES; i++) {
                char name[16];
                const char *last = NULL;
                name_of(name, sizeof name, i);
                for (const char *at = text; *at;) {
                        size_t len = strcspn(at, " ");
                        size_t n = strlen(name);
                        if ((*at == '-' && len == n + 1 && strncmp(at + 1, name, n) == 0) ||
                            (len > n && at[n] == '=' && strncmp(at, name, n) == 0))
                                last = at;
                        at += len + (at[len] == ' ');
                }
                model[i][0] = 0;
                if (last && *last != '-')
                        (void)snprintf(model[i], 16, "%.*s", (int)strcspn(strchr(last, '=') + 1, " "),
                                       strchr(last, '=') + 1);
        }
}

static void trouble(struct teller *t, struct prng *prng)
{
        int sid = scene_server(t->watcher);
        switch (prng_next(prng) % 8) {
        case 0: /* its server crashes */
                if (sid && world_running(t->s.w, sid)) {
                        world_stop(t->s.w, sid);
                        run(t, 300);
                        world_start(t->s.w, sid);
                }
                break;
        case 1: /* the session is lost */
                t->watcher->stopped = true;
                run(t, 4500);
                t->watcher->stopped = false;
                break;
        default:
                run(t, prng_next(prng) % 30);
        }
}

static void random_life(uint64_t seed)
{
        struct prng prng = {.state = seed};
        char truth[NAMES][16] = {{0}}, model[NAMES][16];
        struct teller *t = teller_new(seed);
        make_root(t);
        assert_int_equal(put(t, "a", ""), ZK_OK);
        assert_int_equal(put(t, "b", ""), ZK_OK);
        watch(t);
        for (int i = 0; i < 60; i++) {
                unsigned k = (unsigned)(prng_next(&prng) % NAMES);
                char name[16], path[64], value[16];
                name_of(name, sizeof name, k);
                (void)snprintf(path, sizeof path, "%s", full(name));
                (void)snprintf(value, sizeof value, "%d", i);
                /* The writer's own connection may break: it is asked for the truth in the end. */
                if (prng_next(&prng) % 3 == 0) {
                        (void)client_delete(t->writer->c, path, -1, NULL);
                } else {
                        (void)client_create(t->writer->c, path, jute_cstr(value), 0, NULL, NULL);
                        (void)client_set(t->writer->c, path, jute_cstr(value), -1, NULL);
                }
                if (prng_next(&prng) % 3)
                        trouble(t, &prng);
        }
        run(t, SETTLE_MS);
        if (client_state(t->writer->c) == CLIENT_EXPIRED)
                client_start(t->writer->c, world_now(t->s.w), &t->writer->fx);
        run(t, SETTLE_MS);
        for (unsigned i = 0; i < NAMES; i++) {
                struct scene_reply r;
                char name[16];
                struct client_call call = scene_call(&r);
                name_of(name, sizeof name, i);
                assert_int_equal(client_get(t->writer->c, full(name), &call), 0);
                if (scene_await(&t->s, &r) == ZK_OK)
                        (void)snprintf(truth[i], sizeof truth[i], "%s", r.text);
        }
        assert_int_equal(t->logged, 0); /* nothing was taken in late: the order is that of the transactions */
        play(t->text, model);
        for (unsigned i = 0; i < NAMES; i++)
                assert_string_equal(model[i], truth[i]);
        t->text[0] = 0;
        t->last_zxid = 0;
        (void)config_watch_replay(t->w, on_replayed, t);
        play(t->text, model);
        for (unsigned i = 0; i < NAMES; i++)
                assert_string_equal(model[i], truth[i]);
        teller_free(t);
}

static void test_whatever_happens_all_is_told_in_order_and_ends_as_it_is(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                print_message("seed %d\n", (int)seed);
                random_life(seed);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_state_is_told_first_in_the_order_of_its_transactions_then_changes),
                cmocka_unit_test(test_a_removed_znode_is_told_and_one_made_again_too),
                cmocka_unit_test(test_a_root_that_is_removed_and_made_again_is_followed),
                cmocka_unit_test(test_a_znode_that_changes_without_end_holds_up_nobody),
                cmocka_unit_test(test_a_new_session_tells_only_what_differs),
                cmocka_unit_test(test_who_comes_later_is_told_all_in_order),
                cmocka_unit_test(test_what_is_too_deep_is_left_out_and_said_so),
                cmocka_unit_test(test_what_is_too_many_is_left_out_until_there_is_room),
                cmocka_unit_test(test_paths_are_judged),
                cmocka_unit_test(test_whatever_happens_all_is_told_in_order_and_ends_as_it_is),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
