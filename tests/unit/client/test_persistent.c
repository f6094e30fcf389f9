/* Watches that stay, and the end of watches: client-protocol.md 7. */
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

static void answer_ok(struct script *s)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        script_reply(s, s->last_xid, 5, 0, &w);
        jute_writer_done(&w);
}

static void add(struct script *s, const char *path, enum client_watch_mode mode, const char *label)
{
        struct client_call call = script_watch(s, label);
        assert_int_equal(client_add_watch(s->c, path, mode, &call), 0);
        script_flush(s);
        answer_ok(s);
        script_forget(s);
}

static void add_one_shot(struct script *s, const char *path, const char *label)
{
        struct client_call call = script_watch(s, label);
        assert_int_equal(client_exists(s->c, path, &call), 0);
        script_flush(s);
        script_reply(s, s->last_xid, 5, ZK_NO_NODE, NULL);
        script_forget(s);
}

static void test_a_persistent_watch_is_told_everything_of_its_path(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_watch(s, "p");
        assert_int_equal(client_add_watch(s->c, "/a", CLIENT_WATCH_PERSISTENT, &call), 0);
        script_flush(s);
        answer_ok(s);
        script_expect(s, "1 < 1 addWatch /a 0\np: answered 0 zxid=0x5 watching\n");
        for (int event = CREATED; event <= CHILDREN; event++)
                script_event(s, event, "/a");
        script_event(s, DATA, "/a/b");
        script_event(s, DATA, "/");
        script_expect(s, "p: event 1 /a\np: event 2 /a\np: event 3 /a\np: event 4 /a\n");
        script_free(s);
}

static void test_a_recursive_watch_is_told_what_happens_below_but_no_children(void **state)
{
        (void)state;
        struct script *s = script_connected();
        add(s, "/a", CLIENT_WATCH_RECURSIVE, "r");
        add(s, "/", CLIENT_WATCH_RECURSIVE, "root");
        script_event(s, CREATED, "/a/b/c");
        script_expect(s, "r: event 1 /a/b/c\nroot: event 1 /a/b/c\n");
        script_event(s, CHILDREN, "/a/b");
        script_expect(s, "");
        script_event(s, DATA, "/a");
        script_expect(s, "r: event 3 /a\nroot: event 3 /a\n");
        script_event(s, DATA, "/ab");
        script_expect(s, "root: event 3 /ab\n");
        script_event(s, DATA, "/");
        script_expect(s, "root: event 3 /\n");
        script_free(s);
}

static void test_watches_of_all_kinds_on_one_path_are_told_once_each(void **state)
{
        (void)state;
        struct script *s = script_connected();
        add(s, "/a", CLIENT_WATCH_RECURSIVE, "r");
        add_one_shot(s, "/a", "once");
        add(s, "/a", CLIENT_WATCH_PERSISTENT, "p");
        script_event(s, CREATED, "/a");
        script_event(s, DELETED, "/a");
        script_expect(s, "p: event 1 /a\nonce: event 1 /a\nr: event 1 /a\np: event 2 /a\nr: event 2 /a\n");
        script_free(s);
}

static void test_all_kinds_are_set_again_on_a_new_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        add_one_shot(s, "/e", "e");
        add(s, "/p", CLIENT_WATCH_PERSISTENT, "p");
        add(s, "/r", CLIENT_WATCH_RECURSIVE, "r");
        add(s, "/p", CLIENT_WATCH_RECURSIVE, "both");
        script_run(s, 500);
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s,
                      "resumed\n3 < setWatches2 zxid=0x5 data[] exist[/e] child[] persistent[/p] recursive[/p /r]\n");
        script_reply(s, CLIENT_XID_SET_WATCHES, 5, 0, NULL);
        script_event(s, CREATED, "/r/x");
        script_expect(s, "r: event 1 /r/x\n");
        script_free(s);
}

/* In frames of at most 128 KiB of paths, those with one-shot watches only by the request that old servers know. */
static void test_many_persistent_watches_are_set_again_in_frames_of_bounded_size(void **state)
{
        (void)state;
        enum { PATHS = 200, LONG = 1000 };
        struct script *s = script_connected();
        static char path[LONG + 8];
        size_t frames = 0;
        for (int i = 0; i < PATHS; i++) {
                memset(path, 'x', LONG);
                (void)snprintf(path, sizeof path, "/%03d", i);
                path[4] = 'x';
                path[LONG] = 0;
                add(s, path, CLIENT_WATCH_PERSISTENT, "p");
        }
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        for (const char *at = s->log; (at = strstr(at, "setWatches2")); at++)
                frames++;
        script_forget(s);
        assert_int_equal(frames, 1 + PATHS * (LONG + 4) / CLIENT_SET_WATCHES_BYTES);
        script_free(s);
}

static void test_removed_watches_are_told_before_the_answer(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call rm = script_call(s, "rm");
        add(s, "/a", CLIENT_WATCH_RECURSIVE, "r");
        add(s, "/a", CLIENT_WATCH_PERSISTENT, "p");
        add_one_shot(s, "/a", "once");
        assert_int_equal(client_remove_watches(s->c, "/a", CLIENT_WATCHES_PERSISTENT, &rm), 0);
        script_flush(s);
        script_reply(s, s->last_xid, 6, 0, NULL);
        script_expect(s, "1 < 4 removeWatches /a 4\np: event -2 /a\nrm: answered 0 zxid=0x6\n");
        assert_int_equal(client_remove_watches(s->c, "/a", CLIENT_WATCHES_ANY, &rm), 0);
        script_flush(s);
        script_reply(s, s->last_xid, 6, 0, NULL);
        script_expect(s, "1 < 5 removeWatches /a 3\nonce: event -2 /a\nr: event -2 /a\nrm: answered 0 zxid=0x6\n");
        assert_int_equal(s->c->watch_count, 0);
        assert_int_equal(s->c->watch_bytes, 0);
        script_event(s, DATA, "/a");
        script_expect(s, "");
        script_free(s);
}

static void test_watches_stay_when_the_server_refuses_or_says_nothing(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call rm = script_call(s, "rm");
        add(s, "/a", CLIENT_WATCH_PERSISTENT, "p");
        assert_int_equal(client_remove_watches(s->c, "/a", CLIENT_WATCHES_DATA, &rm), 0);
        script_flush(s);
        script_reply(s, s->last_xid, 6, ZK_NO_WATCHER, NULL);
        assert_int_equal(client_check_watches(s->c, "/a", CLIENT_WATCHES_ANY, &rm), 0);
        script_flush(s);
        script_reply(s, s->last_xid, 6, 0, NULL);
        assert_int_equal(client_remove_watches(s->c, "/a", CLIENT_WATCHES_ANY, &rm), 0);
        script_flush(s);
        script_closed(s, 0);
        script_expect(s, "1 < 2 removeWatches /a 2\nrm: answered -121 zxid=0x6\n1 < 3 checkWatches /a 3\n"
                         "rm: answered 0 zxid=0x6\n1 < 4 removeWatches /a 3\nsuspended -104\nrm: unknown -4\ndial 3\n");
        assert_int_equal(s->c->watch_count, 1);
        script_free(s);
}

static void test_the_end_of_the_session_is_told_to_watches_that_stay(void **state)
{
        (void)state;
        struct script *s = script_connected();
        add(s, "/p", CLIENT_WATCH_PERSISTENT, "p");
        add(s, "/r", CLIENT_WATCH_RECURSIVE, "r");
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0, 0);
        script_expect(s, "expired\np: event -1 /p\nr: event -1 /r\nclose 3\n");
        assert_int_equal(s->c->recursive_count, 0);
        script_free(s);
}

static void test_events_of_watches_that_stay_go_without_the_chroot(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->chroot = "/c";
        struct script *s = script_new(config);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        add(s, "/", CLIENT_WATCH_RECURSIVE, "r");
        script_event(s, CREATED, "/c/a/b");
        script_event(s, DATA, "/c");
        script_event(s, DATA, "/cc");
        script_expect(s, "r: event 1 /a/b\nr: event 3 /\n");
        script_free(s);
}

static void test_an_answer_without_its_number_ends_the_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_watch(s, "p");
        assert_int_equal(client_add_watch(s->c, "/a", CLIENT_WATCH_PERSISTENT, &call), 0);
        script_flush(s);
        script_forget(s);
        script_reply(s, 1, 5, 0, NULL);
        script_expect(s, "suspended -71\np: unknown -4\nclose 1\ndial 3\n");
        assert_int_equal(s->c->watch_count, 0);
        script_free(s);
}

static void test_requests_about_watches_that_cannot_be_are_refused(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a"), watch = script_watch(s, "w");
        assert_int_equal(client_add_watch(s->c, "/a", CLIENT_WATCH_PERSISTENT, &call), -EINVAL);
        assert_int_equal(client_add_watch(s->c, "/a", CLIENT_WATCH_PERSISTENT, NULL), -EINVAL);
        assert_int_equal(client_add_watch(s->c, "/a", (enum client_watch_mode)2, &watch), -EINVAL);
        assert_int_equal(client_add_watch(s->c, "a", CLIENT_WATCH_RECURSIVE, &watch), -EINVAL);
        assert_int_equal(client_remove_watches(s->c, "/a", (enum client_watch_type)0, &call), -EINVAL);
        assert_int_equal(client_check_watches(s->c, "/a", (enum client_watch_type)6, &call), -EINVAL);
        script_expect(s, "");
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_persistent_watch_is_told_everything_of_its_path),
                cmocka_unit_test(test_a_recursive_watch_is_told_what_happens_below_but_no_children),
                cmocka_unit_test(test_watches_of_all_kinds_on_one_path_are_told_once_each),
                cmocka_unit_test(test_all_kinds_are_set_again_on_a_new_connection),
                cmocka_unit_test(test_many_persistent_watches_are_set_again_in_frames_of_bounded_size),
                cmocka_unit_test(test_removed_watches_are_told_before_the_answer),
                cmocka_unit_test(test_watches_stay_when_the_server_refuses_or_says_nothing),
                cmocka_unit_test(test_the_end_of_the_session_is_told_to_watches_that_stay),
                cmocka_unit_test(test_events_of_watches_that_stay_go_without_the_chroot),
                cmocka_unit_test(test_an_answer_without_its_number_ends_the_connection),
                cmocka_unit_test(test_requests_about_watches_that_cannot_be_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
