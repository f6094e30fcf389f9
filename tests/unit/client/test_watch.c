/* One-shot watches: client-protocol.md 7, safety.md W1 to W6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/client/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CREATED  1
#define DELETED  2
#define DATA     3
#define CHILDREN 4

enum read { READ_GET, READ_EXISTS, READ_EXISTS_MISSING, READ_CHILDREN, READ_CHILDREN2 };

/* Answers the request sent last, as a server does for that kind of read. */
static void answer(struct script *s, enum read read, int64_t zxid)
{
        struct jute_writer w;
        struct jute_stat stat = script_stat(zxid);
        if (read == READ_EXISTS_MISSING) {
                script_reply(s, s->last_xid, zxid, ZK_NO_NODE, NULL);
                return;
        }
        jute_writer_init(&w, SIZE_MAX);
        if (read == READ_GET)
                jute_put_cstr(&w, "v");
        if (read == READ_CHILDREN || read == READ_CHILDREN2)
                jute_put_int(&w, 0);
        if (read != READ_CHILDREN)
                jute_put_stat(&w, &stat);
        script_reply(s, s->last_xid, zxid, 0, &w);
        jute_writer_done(&w);
}

static int ask(struct script *s, enum read read, const char *path, const struct client_call *call)
{
        switch (read) {
        case READ_GET:
                return client_get(s->c, path, call);
        case READ_EXISTS:
        case READ_EXISTS_MISSING:
                return client_exists(s->c, path, call);
        case READ_CHILDREN:
                return client_children(s->c, path, call);
        case READ_CHILDREN2:
                return client_children2(s->c, path, call);
        }
        return -EINVAL;
}

/* A read with a watch called `label`, answered. */
static void set_watch(struct script *s, enum read read, const char *path, const char *label)
{
        struct client_call call = script_watch(s, label);
        assert_int_equal(ask(s, read, path, &call), 0);
        script_flush(s);
        answer(s, read, 5);
        script_forget(s);
}

static void reconnect(struct script *s)
{
        script_run(s, 500);
        script_closed(s, -ECONNRESET);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
}

static void test_a_watch_is_set_by_the_answer_and_called_once(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a");
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        script_flush(s);
        script_event(s, DATA, "/a"); /* another's leftover: this one is not set yet */
        script_expect(s, "1 < 1 get /a watch\n");
        answer(s, READ_GET, 5);
        script_expect(s, "a: answered 0 zxid=0x5 data=v mzxid=0x5 watching\n");
        script_event(s, DATA, "/b");
        script_event(s, DATA, "/a");
        script_event(s, DATA, "/a");
        script_expect(s, "a: event 3 /a\n");
        script_free(s);
}

static void test_a_read_that_fails_sets_no_watch(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a");
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        assert_int_equal(client_children(s->c, "/a", &a), 0);
        assert_int_equal(client_exists(s->c, "/a", &a), 0);
        script_flush(s);
        script_forget(s);
        script_reply(s, 1, 5, ZK_NO_NODE, NULL);
        script_reply(s, 2, 5, ZK_NO_NODE, NULL);
        script_reply(s, 3, 5, ZK_NO_AUTH, NULL);
        script_expect(s, "a: answered -101 zxid=0x5\na: answered -101 zxid=0x5\na: answered -102 zxid=0x5\n");
        assert_int_equal(s->c->watch_count, 0);
        script_event(s, CREATED, "/a");
        script_expect(s, "");
        script_free(s);
}

static void test_a_read_without_an_answer_sets_no_watch(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a");
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        script_flush(s);
        script_forget(s);
        script_run(s, 500);
        script_closed(s, 0);
        script_expect(s, "suspended -104\na: unknown -4\ndial 3\n");
        assert_int_equal(s->c->watch_count, 0);
        script_free(s);
}

/* Which events concern which watches; client-protocol.md 7.3, and Java's client. */
static void test_an_event_calls_the_watches_it_concerns(void **state)
{
        (void)state;
        static const char *const called[][5] = {
                /* by event: get, exists, exists of a missing node, children, children2 */
                [CREATED] = {"1", "1", "1", "", ""},
                [DELETED] = {"2", "2", "2", "2", "2"},
                [DATA] = {"3", "3", "3", "", ""},
                [CHILDREN] = {"", "", "", "4", "4"},
        };
        for (int32_t event = CREATED; event <= CHILDREN; event++)
                for (enum read read = READ_GET; read <= READ_CHILDREN2; read++) {
                        char expected[64] = "";
                        struct script *s = script_connected();
                        set_watch(s, read, "/a", "a");
                        script_event(s, event, "/a");
                        if (called[event][read][0])
                                (void)snprintf(expected, sizeof expected, "a: event %s /a\n", called[event][read]);
                        script_expect(s, expected);
                        assert_int_equal(s->c->watch_count, expected[0] == 0);
                        script_free(s);
                }
}

static void test_all_watches_of_a_path_are_called_in_the_order_they_were_set(void **state)
{
        (void)state;
        struct script *s = script_connected();
        set_watch(s, READ_GET, "/a", "one");
        set_watch(s, READ_CHILDREN, "/a", "child");
        set_watch(s, READ_GET, "/a", "two");
        script_event(s, DATA, "/a");
        script_expect(s, "one: event 3 /a\ntwo: event 3 /a\n");
        script_event(s, DELETED, "/a");
        script_expect(s, "child: event 2 /a\n");
        script_free(s);
}

static void watch_again(struct script *s, const char *label, enum client_event event)
{
        struct client_call call = script_watch(s, label);
        if (event != CLIENT_EVENT_NONE)
                assert_int_equal(client_get(s->c, "/a", &call), 0);
}

static void test_a_watch_may_be_set_again_when_it_is_called(void **state)
{
        (void)state;
        struct script *s = script_connected();
        s->on_watch = watch_again;
        set_watch(s, READ_GET, "/a", "a");
        script_event(s, DATA, "/a");
        script_expect(s, "a: event 3 /a\n1 < 2 get /a watch\n");
        answer(s, READ_GET, 6);
        script_forget(s);
        script_event(s, DATA, "/a");
        script_expect(s, "a: event 3 /a\n1 < 3 get /a watch\n");
        script_free(s);
}

/* ---- across connections ---- */

static void test_watches_are_set_again_before_any_request_after_a_new_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        set_watch(s, READ_GET, "/data", "data");
        set_watch(s, READ_EXISTS, "/there", "there");
        set_watch(s, READ_EXISTS_MISSING, "/missing", "missing");
        set_watch(s, READ_CHILDREN2, "/data", "child");
        reconnect(s);
        script_expect(s, "resumed\n3 < setWatches zxid=0x5 data[/data /there] exist[/missing] child[/data]\n");
        /* What has changed is told before the answer. */
        script_event(s, CREATED, "/missing");
        script_reply(s, CLIENT_XID_SET_WATCHES, 9, 0, NULL);
        script_expect(s, "missing: event 1 /missing\n");
        assert_true(client_is_connected(s->c));
        /* The others are still there the next time; what was told is not. */
        reconnect(s);
        script_expect(s, "resumed\n5 < setWatches zxid=0x5 data[/data /there] exist[] child[/data]\n");
        script_free(s);
}

static void test_requests_that_waited_follow_the_watches(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call w = script_call(s, "w");
        set_watch(s, READ_GET, "/a", "a");
        script_run(s, 500);
        script_closed(s, 0);
        assert_int_equal(client_delete(s->c, "/w", -1, &w), 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s, "resumed\n3 < setWatches zxid=0x5 data[/a] exist[] child[]\n3 < 2 delete /w version=-1\n");
        script_free(s);
}

/* A transaction may concern more watches than the one told of: counting its notification as seen would make
 * setWatches skip the others. */
static void test_a_notification_does_not_move_what_was_seen(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct jute_writer w;
        struct jute_watcher_event e = {.type = DATA, .state = 3, .path = jute_cstr("/a")};
        set_watch(s, READ_GET, "/a", "a");
        set_watch(s, READ_GET, "/b", "b");
        jute_writer_init(&w, SIZE_MAX);
        jute_put_watcher_event(&w, &e);
        script_reply(s, CLIENT_XID_NOTIFICATION, 77, 0, &w); /* as 3.9 does */
        jute_writer_done(&w);
        reconnect(s);
        script_expect(s, "resumed\n3 < setWatches zxid=0x5 data[/b] exist[] child[]\n");
        script_free(s);
}

/* Resumes without looking at what is sent: it stays in s->fx. */
static void reconnect_unseen(struct script *s)
{
        static const uint8_t passwd[16];
        struct jute_connect_response r = {.timeout = 1000, .session_id = SCRIPT_SESSION, .passwd = {passwd, 16}};
        struct jute_writer w;
        script_run(s, 500);
        script_closed(s, 0);
        script_dialled(s, 0);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 36);
        jute_put_connect_response(&w, &r);
        client_conn_bytes(s->c, s->now, client_conn(s->c), w.data, w.len, &s->fx);
        jute_writer_done(&w);
}

static void test_many_watches_are_set_again_in_frames_of_bounded_size(void **state)
{
        (void)state;
        enum { PATHS = 40, PATH_LEN = 10000 };
        struct script *s = script_connected();
        char *path = mem_alloc(PATH_LEN + 1);
        int32_t paths = 0;
        memset(path, 'x', PATH_LEN);
        path[0] = '/';
        path[PATH_LEN] = 0;
        s->quiet = true;
        for (int i = 0; i < PATHS; i++) {
                path[1] = (char)('A' + i);
                set_watch(s, i % 2 ? READ_GET : READ_CHILDREN, path, "w");
        }
        reconnect_unseen(s);
        assert_int_equal(s->fx.count, PATHS / (CLIENT_SET_WATCHES_BYTES / (PATH_LEN + 4)) + 1);
        for (size_t i = 0; i < s->fx.count; i++) {
                const struct blob *b = s->fx.list[i].send.blob;
                struct jute_reader frame;
                struct jute_set_watches q;
                assert_true(b->len <= CLIENT_SET_WATCHES_BYTES + 64);
                jute_reader_init(&frame, b->data + 12, b->len - 12, INT32_MAX);
                jute_get_set_watches(&frame, &q);
                assert_int_equal(frame.error, 0);
                assert_int_equal(q.relative_zxid, 5);
                paths += q.data.count + q.child.count;
        }
        assert_int_equal(paths, PATHS);
        mem_free(path);
        script_free(s);
}

static void test_a_server_that_refuses_to_set_watches_is_left(void **state)
{
        (void)state;
        struct script *s = script_connected();
        set_watch(s, READ_GET, "/a", "a");
        reconnect(s);
        script_run(s, 500);
        script_forget(s);
        script_reply(s, CLIENT_XID_SET_WATCHES, 9, ZK_MARSHALLING_ERROR, NULL);
        script_expect(s, "suspended -71\nclose 3\ndial 5\n");
        assert_int_equal(s->c->watch_count, 1);
        script_free(s);
}

static void test_a_new_session_has_no_watches_to_set(void **state)
{
        (void)state;
        struct script *s = script_connected();
        set_watch(s, READ_GET, "/a", "a");
        set_watch(s, READ_CHILDREN, "/b", "b");
        script_run(s, 500);
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0);
        script_expect(s, "expired\na: event -1 /a\nb: event -1 /b\nclose 3\n");
        assert_int_equal(s->c->watch_count, 0);
        script_start(s);
        script_accept(s, 99);
        script_expect(s, "connecting\ndial 5\n5 < connect session=0x0 zxid=0x5 timeout=3000 passwd=00\nconnected\n");
        script_free(s);
}

/* ---- limits, oddities ---- */

static void test_watches_beyond_the_limit_are_refused(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a"), plain = script_call(s, "plain");
        s->c->watch_count = CLIENT_WATCHES_MAX - 1; /* as if all but one had been set */
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        assert_int_equal(client_get(s->c, "/a", &a), -ENOBUFS);
        assert_int_equal(client_get(s->c, "/a", &plain), 0);
        s->c->watch_count -= CLIENT_WATCHES_MAX - 1;
        script_flush(s);
        script_reply(s, 1, 5, ZK_NO_NODE, NULL); /* no watch: its place is free again */
        assert_int_equal(s->c->watch_count, 0);
        s->c->watch_bytes = CLIENT_WATCHED_BYTES_MAX - 1;
        assert_int_equal(client_get(s->c, "/a", &a), -ENOBUFS);
        s->c->watch_bytes = 0;
        script_free(s);
}

static void test_watches_and_events_go_without_the_chroot(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->chroot = "/app";
        struct script *s = script_new(config);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        set_watch(s, READ_GET, "/a", "a");
        set_watch(s, READ_CHILDREN, "/", "root");
        reconnect(s);
        script_expect(s, "resumed\n3 < setWatches zxid=0x5 data[/app/a] exist[] child[/app]\n");
        script_event(s, DATA, "/a");
        script_event(s, CHILDREN, "/");
        script_expect(s, "");
        script_event(s, DATA, "/app/a");
        script_event(s, CHILDREN, "/app");
        script_expect(s, "a: event 3 /a\nroot: event 4 /\n");
        script_free(s);
}

static void test_a_notification_that_means_nothing_ends_the_connection(void **state)
{
        (void)state;
        static const int32_t types[] = {-1, 0, 5, 7};
        for (size_t i = 0; i <= sizeof types / sizeof *types; i++) {
                struct script *s = script_connected();
                script_run(s, 500);
                if (i < sizeof types / sizeof *types)
                        script_event(s, types[i], "/a");
                else
                        script_reply(s, CLIENT_XID_NOTIFICATION, -1, 0, NULL); /* empty */
                script_expect(s, "suspended -71\nclose 1\ndial 3\n");
                script_free(s);
        }
}

static void test_many_paths_are_kept_apart(void **state)
{
        (void)state;
        enum { PATHS = 1000 };
        struct script *s = script_connected();
        char path[32], expected[64];
        for (int i = 0; i < PATHS; i++) {
                (void)snprintf(path, sizeof path, "/n%d", i);
                set_watch(s, i % 2 ? READ_GET : READ_CHILDREN, path, "w");
        }
        for (int i = PATHS - 1; i >= 0; i--) {
                (void)snprintf(path, sizeof path, "/n%d", i);
                (void)snprintf(expected, sizeof expected, "w: event 2 /n%d\n", i);
                script_event(s, DELETED, path);
                script_expect(s, expected);
        }
        assert_int_equal(s->c->watch_count, 0);
        assert_int_equal(s->c->watch_bytes, 0);
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_watch_is_set_by_the_answer_and_called_once),
                cmocka_unit_test(test_a_read_that_fails_sets_no_watch),
                cmocka_unit_test(test_a_read_without_an_answer_sets_no_watch),
                cmocka_unit_test(test_an_event_calls_the_watches_it_concerns),
                cmocka_unit_test(test_all_watches_of_a_path_are_called_in_the_order_they_were_set),
                cmocka_unit_test(test_a_watch_may_be_set_again_when_it_is_called),
                cmocka_unit_test(test_watches_are_set_again_before_any_request_after_a_new_connection),
                cmocka_unit_test(test_requests_that_waited_follow_the_watches),
                cmocka_unit_test(test_a_notification_does_not_move_what_was_seen),
                cmocka_unit_test(test_many_watches_are_set_again_in_frames_of_bounded_size),
                cmocka_unit_test(test_a_server_that_refuses_to_set_watches_is_left),
                cmocka_unit_test(test_a_new_session_has_no_watches_to_set),
                cmocka_unit_test(test_watches_beyond_the_limit_are_refused),
                cmocka_unit_test(test_watches_and_events_go_without_the_chroot),
                cmocka_unit_test(test_a_notification_that_means_nothing_ends_the_connection),
                cmocka_unit_test(test_many_paths_are_kept_apart),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
