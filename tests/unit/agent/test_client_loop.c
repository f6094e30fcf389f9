/* A client on a libuv loop: against real servers, and against sockets that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/client_loop.h"
#include "daemon/common/clock.h"
#include "election/base/alloc.h"
#include "tests/unit/agent/engines.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS    20000
#define TIMEOUT_MS 2000

struct fixture {
        uv_loop_t loop;
        uv_timer_t guard;
        bool late;
        struct client_loop *l;
        char states[256];
        enum client_state state;
        int status;
        size_t answered, failed;
        struct client_result last;
};

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct fixture *f = ctx;
        size_t len = strlen(f->states);
        (void)why;
        f->state = state;
        f->status = status;
        (void)snprintf(f->states + len, sizeof f->states - len, "%s ", client_state_name(state));
}

static void on_done(void *ctx, const struct client_result *r)
{
        struct fixture *f = ctx;
        f->last = *r;
        f->answered += r->outcome == CLIENT_ANSWERED;
        f->failed += r->outcome != CLIENT_ANSWERED;
}

static void on_guard(uv_timer_t *timer)
{
        ((struct fixture *)timer->data)->late = true;
}

static void begin_session(struct fixture *f, const struct client_server *servers, size_t count, int32_t timeout_ms)
{
        struct client *c = NULL;
        struct client_config config = {.servers = servers,
                                       .server_count = count,
                                       .session_timeout_ms = timeout_ms,
                                       .on_state = on_state,
                                       .ctx = f};
        memset(f, 0, sizeof *f);
        assert_int_equal(uv_loop_init(&f->loop), 0);
        assert_int_equal(uv_timer_init(&f->loop, &f->guard), 0);
        f->guard.data = f;
        assert_int_equal(client_new(&config, &c), 0);
        assert_int_equal(client_loop_new(&f->loop, c, &f->l), 0);
        client_loop_start(f->l);
}

static void begin(struct fixture *f, const struct client_server *servers, size_t count)
{
        begin_session(f, servers, count, TIMEOUT_MS);
}

static struct client_server server(const char *host, uint16_t port)
{
        struct client_server s = {.port = port};
        (void)snprintf(s.host, sizeof s.host, "%s", host);
        return s;
}

static void end(struct fixture *f)
{
        client_loop_free(f->l);
        uv_close((uv_handle_t *)&f->guard, NULL);
        assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&f->loop), 0);
}

#define await(f, condition)                                                                                            \
        do {                                                                                                           \
                (f)->late = false;                                                                                     \
                (void)uv_timer_start(&(f)->guard, on_guard, WAIT_MS, 0);                                               \
                while (!(condition) && !(f)->late)                                                                     \
                        (void)uv_run(&(f)->loop, UV_RUN_ONCE);                                                         \
                (void)uv_timer_stop(&(f)->guard);                                                                      \
                if (!(condition))                                                                                      \
                        fail_msg("in vain: %s (%s)", #condition, (f)->states);                                         \
        } while (0)

static bool connected(const struct fixture *f)
{
        return client_is_connected(client_loop_client(f->l));
}

static struct client_call call_of(struct fixture *f)
{
        return (struct client_call){.done = on_done, .ctx = f};
}

static void test_a_session_is_opened_used_and_closed(void **state)
{
        (void)state;
        static struct fixture f;
        struct engines e;
        engines_start(&e, 1);
        const struct client_server s = server("127.0.0.1", e.list[0].client_port);
        begin(&f, &s, 1);
        await(&f, connected(&f));
        const struct client_call call = call_of(&f);
        uint64_t before = clock_boottime_ms();
        assert_int_equal(client_create(client_loop_client(f.l), "/a", jute_cstr("x"), CLIENT_EPHEMERAL, NULL, &call),
                         0);
        client_loop_flush(f.l);
        await(&f, f.answered == 1);
        assert_int_equal(f.last.error, ZK_OK);
        assert_in_range(f.last.sent_ms, before, clock_boottime_ms());
        client_loop_close(f.l, 1000);
        await(&f, f.state == CLIENT_CLOSED);
        assert_int_equal(f.status, 0);
        end(&f);
        engines_done(&e);
}

/* The socket's buffers hold less: writes are cut and carried on, replies come in pieces. */
static void test_megabytes_go_out_and_come_back_whole(void **state)
{
        (void)state;
        enum { NODES = 40, BYTES = 300000 };
        static struct fixture f;
        struct engines e;
        char path[32];
        engines_start(&e, 1);
        const struct client_server s = server("127.0.0.1", e.list[0].client_port);
        begin_session(&f, &s, 1, WAIT_MS); /* how fast it is does not matter */
        await(&f, connected(&f));
        const struct client_call call = call_of(&f);
        uint8_t *data = mem_alloc(BYTES);
        memset(data, 'x', BYTES);
        for (int i = 0; i < NODES; i++) {
                (void)snprintf(path, sizeof path, "/n%d", i);
                data[i] = (uint8_t)i;
                assert_int_equal(client_create(client_loop_client(f.l), path, jute_str_of(data, BYTES), 0, NULL, &call),
                                 0);
        }
        client_loop_flush(f.l);
        for (int i = 0; i < NODES; i++) {
                (void)snprintf(path, sizeof path, "/n%d", i);
                assert_int_equal(client_get(client_loop_client(f.l), path, &call), 0);
        }
        client_loop_flush(f.l);
        await(&f, f.answered == NODES * 2);
        assert_int_equal(f.last.error, ZK_OK);
        assert_int_equal(f.last.stat.data_length, BYTES);
        assert_int_equal(f.failed, 0);
        mem_free(data);
        end(&f);
        engines_done(&e);
}

/* Names are resolved, and all their addresses tried: localhost may be ::1 first, where nobody listens. */
static void test_a_name_leads_to_the_address_that_answers(void **state)
{
        (void)state;
        static struct fixture f;
        struct engines e;
        engines_start(&e, 1);
        const struct client_server s = server("localhost", e.list[0].client_port);
        begin(&f, &s, 1);
        await(&f, connected(&f));
        end(&f);
        engines_done(&e);
}

static void test_a_server_that_is_killed_is_left_for_another(void **state)
{
        (void)state;
        static struct fixture f;
        struct engines e;
        struct client_server s[3];
        engines_start(&e, 3);
        for (int i = 0; i < 3; i++)
                s[i] = server("127.0.0.1", e.list[i].client_port);
        begin(&f, s, 3);
        await(&f, connected(&f));
        uint16_t port = client_server(client_loop_client(f.l))->port;
        for (int i = 0; i < 3; i++)
                if (e.list[i].client_port == port)
                        engines_kill(&e, i, SIGKILL);
        await(&f, f.state == CLIENT_RESUMED);
        assert_int_not_equal(client_server(client_loop_client(f.l))->port, port);
        assert_string_equal(f.states, "connecting connected suspended resumed ");
        end(&f);
        engines_done(&e);
}

static void test_nobody_listens_and_no_such_name_are_told_and_tried_again(void **state)
{
        (void)state;
        static struct fixture f;
        struct client_server s[2];
        struct client *c = NULL;
        char name[71];
        memset(name, 'a', 70); /* no resolver takes a label that long */
        name[70] = 0;
        s[0] = server(name, 1);
        s[1] = server("127.0.0.1", free_port());
        begin(&f, s, 2);
        c = client_loop_client(f.l);
        await(&f, strstr(client_why(c), "aaa: cannot connect") || strstr(client_why(c), "aaa:1: cannot connect"));
        await(&f, strstr(client_why(c), "Connection refused"));
        await(&f, strstr(client_why(c), "aaa:1: cannot connect"));
        assert_string_equal(f.states, "connecting ");
        end(&f);
}

static void on_listening(uv_stream_t *s, int status)
{
        (void)s;
        (void)status; /* the kernel has accepted; nobody ever reads */
}

/* A stopped process: the kernel goes on accepting for it. */
static void test_a_server_that_says_nothing_is_given_up(void **state)
{
        (void)state;
        static struct fixture f;
        uv_tcp_t mute;
        struct sockaddr_in a;
        int len = sizeof a;
        struct client_server s = server("127.0.0.1", 1);
        assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &a), 0);
        uv_loop_t other;
        assert_int_equal(uv_loop_init(&other), 0); /* never run while it listens */
        assert_int_equal(uv_tcp_init(&other, &mute), 0);
        assert_int_equal(uv_tcp_bind(&mute, (const struct sockaddr *)&a, 0), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&mute, 8, on_listening), 0);
        assert_int_equal(uv_tcp_getsockname(&mute, (struct sockaddr *)&a, &len), 0);
        s.port = ntohs(a.sin_port);
        begin(&f, &s, 1);
        uint64_t before = clock_boottime_ms();
        await(&f, strstr(client_why(client_loop_client(f.l)), "timed out"));
        assert_true(clock_boottime_ms() - before >= TIMEOUT_MS / 2);
        end(&f);
        uv_close((uv_handle_t *)&mute, NULL);
        (void)uv_run(&other, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&other), 0);
}

/* client_close() without waiting: the farewell is on its way although the client is done. */
static void test_a_farewell_without_waiting_ends_the_session_too(void **state)
{
        (void)state;
        static struct fixture f, watcher;
        struct engines e;
        engines_start(&e, 1);
        const struct client_server s = server("127.0.0.1", e.list[0].client_port);
        begin(&f, &s, 1);
        await(&f, connected(&f));
        struct client_call call = call_of(&f);
        assert_int_equal(client_create(client_loop_client(f.l), "/a", jute_cstr(""), CLIENT_EPHEMERAL, NULL, &call), 0);
        client_loop_flush(f.l);
        await(&f, f.answered == 1);
        client_loop_close(f.l, 0);
        assert_int_equal(f.state, CLIENT_CLOSED);
        end(&f);
        begin(&watcher, &s, 1);
        call = call_of(&watcher);
        uint64_t before = clock_boottime_ms();
        do { /* the two sessions may meet at the server in either order */
                size_t n = watcher.answered;
                assert_int_equal(client_exists(client_loop_client(watcher.l), "/a", &call), 0);
                client_loop_flush(watcher.l);
                await(&watcher, watcher.answered == n + 1);
        } while (watcher.last.error != ZK_NO_NODE && clock_boottime_ms() < before + TIMEOUT_MS / 2);
        assert_int_equal(watcher.last.error, ZK_NO_NODE);
        end(&watcher);
        engines_done(&e);
}

static void test_what_is_open_completes_when_it_is_freed(void **state)
{
        (void)state;
        static struct fixture f;
        const struct client_server s = server("127.0.0.1", free_port());
        begin(&f, &s, 1);
        const struct client_call call = call_of(&f);
        assert_int_equal(client_get(client_loop_client(f.l), "/", &call), 0);
        client_loop_flush(f.l);
        end(&f);
        assert_int_equal(f.failed, 1);
        client_loop_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_session_is_opened_used_and_closed),
                cmocka_unit_test(test_megabytes_go_out_and_come_back_whole),
                cmocka_unit_test(test_a_name_leads_to_the_address_that_answers),
                cmocka_unit_test(test_a_server_that_is_killed_is_left_for_another),
                cmocka_unit_test(test_nobody_listens_and_no_such_name_are_told_and_tried_again),
                cmocka_unit_test(test_a_server_that_says_nothing_is_given_up),
                cmocka_unit_test(test_a_farewell_without_waiting_ends_the_session_too),
                cmocka_unit_test(test_what_is_open_completes_when_it_is_freed),
        };
        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
