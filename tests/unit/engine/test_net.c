/* Connections over loopback: accepting, bytes both ways, back-pressure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/net.h"
#include "election/base/alloc.h"
#include "tests/unit/engine/net_world.h"
#include "tests/unit/engine/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- accepting ---- */

static void test_accepted_connections_have_even_names_and_numeric_addresses(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        int a = world_join(w, PORT_QUORUM);
        int b = world_join(w, PORT_QUORUM);
        struct sockaddr_in local;
        socklen_t len = sizeof local;
        assert_int_equal(getsockname(b, (struct sockaddr *)&local, &len), 0);
        assert_string_equal(w->told, "+2 +4 ");
        assert_string_equal(w->address, "127.0.0.1");
        assert_int_equal(w->remote_port, ntohs(local.sin_port));
        assert_int_equal(w->port, PORT_QUORUM);
        (void)close(a);
        world_expect(w, "+2 +4 -2=0 ");
        assert_int_equal(net_connections(w->net), 1);
        (void)close(b);
        world_expect(w, "+2 +4 -2=0 -4=0 ");
        world_free(w);
}

static void test_a_wildcard_serves_both_families(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        uint16_t port = world_listen_on(w, PORT_CLIENT, "0.0.0.0");
        int a = peer_connect(false, port);
        assert_true(a >= 0);
        world_expect(w, "+2 ");
        assert_string_equal(w->address, "127.0.0.1");
        int b = peer_connect(true, port);
        assert_true(b >= 0);
        world_expect(w, "+2 +4 ");
        assert_string_equal(w->address, "::1");
        (void)close(a);
        (void)close(b);
        world_free(w);
}

static void test_a_name_and_an_ipv6_address_can_be_listened_on(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "localhost");
        uint16_t port = world_listen_on(w, PORT_ELECTION, "::1");
        int fd = peer_connect(true, port);
        assert_true(fd >= 0);
        world_expect(w, "+2 ");
        assert_int_equal(w->port, PORT_ELECTION);
        (void)close(fd);
        world_free(w);
}

static void test_addresses_that_cannot_be_had_are_refused_with_the_reason(void **state)
{
        struct world *w = world_new(&net_limits_default);
        char why[256] = "";
        uint16_t taken = 0;
        (void)state;
        int fd = peer_listen(true, 1, &taken);
        assert_int_equal(net_listen(w->net, PORT_CLIENT, "::1", taken, why, sizeof why), -EADDRINUSE);
        char expected[256];
        (void)snprintf(expected, sizeof expected,
                       "the client port [::1]:%u cannot be opened: another program listens there", (unsigned)taken);
        assert_string_equal(why, expected);
        assert_int_equal(net_listen(w->net, PORT_QUORUM, "192.0.2.1", 0, why, sizeof why), -EADDRNOTAVAIL);
        assert_string_equal(why, "the quorum port 192.0.2.1:0 cannot be opened: that is no address of this machine");
        assert_int_equal(net_listen(w->net, PORT_QUORUM, "no such host", 0, why, sizeof why), -EHOSTUNREACH);
        (void)close(fd);
        world_free(w);
}

static void test_closed_listeners_refuse(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        uint16_t port = world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        net_unlisten(w->net);
        assert_int_equal(peer_connect(false, port), -ECONNREFUSED);
        w->echo = true;
        peer_send(fd, "x", 1); /* what is connected stays */
        assert_int_equal(world_read_filled(w, fd, 1, 'x'), 0);
        (void)close(fd);
        world_free(w);
}

static void test_without_descriptors_the_port_rests_and_goes_on(void **state)
{
        struct world *w = world_new(&net_limits_default);
        struct rlimit before, none;
        (void)state;
        uint16_t port = world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = peer_connect(false, port);
        assert_true(fd >= 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = (rlim_t)fd; /* all below are in use */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        world_idle(w);
        assert_string_equal(w->told, "");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        world_expect(w, "+2 ");
        (void)close(fd);
        world_free(w);
}

/* ---- bytes ---- */

static void test_thousands_of_frames_come_back_in_order(void **state)
{
        enum { FRAMES = 5000, LEN = 12 };
        static char sent[FRAMES * LEN], back[FRAMES * LEN];
        struct world *w = world_new(&net_limits_default);
        size_t got = 0, given = 0;
        (void)state;
        w->echo = true;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        for (size_t i = 0; i < sizeof sent; i++)
                sent[i] = (char)((i * 131) >> 4);
        while (got < sizeof back) {
                if (given < sizeof sent) {
                        peer_send(fd, sent + given, LEN);
                        given += LEN;
                }
                world_turn(w);
                long n = peer_read_some(fd, back + got, sizeof back - got);
                got += n > 0 ? (size_t)n : 0;
        }
        assert_memory_equal(sent, back, sizeof sent);
        (void)close(fd);
        world_free(w);
}

/* Small blobs are copied together, large ones are not; partial writes begin inside either. */
static void test_blobs_of_all_sizes_arrive_whole_and_in_order(void **state)
{
        struct world *w = world_new(&net_limits_default);
        size_t total = 0;
        uint32_t x = 1;
        (void)state;
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = world_join(w, PORT_QUORUM);
        for (int i = 0; i < 3000; i++) {
                x = x * 1664525 + 1013904223;
                size_t len = i % 50 == 0 ? (x >> 8) % 500000 : (x >> 8) % 700;
                struct blob *b = blob_new(len);
                for (size_t k = 0; k < len; k++)
                        b->data[k] = (uint8_t)((total + k) * 131 >> 3);
                net_send(w->net, 2, b);
                blob_unref(b);
                total += len;
        }
        static uint8_t buffer[100000];
        for (size_t at = 0; at < total;) {
                long n = peer_read_some(fd, buffer, sizeof buffer);
                if (n == -EAGAIN) {
                        world_turn(w);
                        continue;
                }
                assert_true(n > 0);
                for (long k = 0; k < n; k++, at++)
                        if (buffer[k] != (uint8_t)(at * 131 >> 3))
                                fail_msg("byte %zu of %zu is wrong", at, total);
        }
        (void)close(fd);
        world_free(w);
}

static void test_sent_is_told_when_all_before_it_is_in_the_socket(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = world_join(w, PORT_QUORUM);
        w->in_effect = true;
        net_notify_sent(w->net, 2); /* nothing is queued: at the end of this turn */
        w->in_effect = false;
        world_expect(w, "+2 s2 ");
        world_send_filled(w, 2, 32 * MIB, 'a'); /* more than a socket takes */
        net_notify_sent(w->net, 2);
        world_send_filled(w, 2, 10, 'b');
        world_idle(w);
        assert_string_equal(w->told, "+2 s2 ");
        assert_int_equal(world_read_filled(w, fd, 32 * MIB, 'a'), 0);
        assert_int_equal(world_read_filled(w, fd, 10, 'b'), 0);
        world_expect(w, "+2 s2 s2 ");
        (void)close(fd);
        world_free(w);
}

static void test_a_stopped_connection_is_not_read_until_it_is_started(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        net_read(w->net, 2, false);
        peer_send(fd, "quiet", 5);
        world_idle(w);
        assert_int_equal(w->byte_count, 0);
        net_read(w->net, 2, true);
        world_await_bytes(w, 5);
        assert_memory_equal(w->bytes, "quiet", 5);
        (void)close(fd);
        world_free(w);
}

static void test_a_held_port_is_not_read_and_the_others_are(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int peer = world_join(w, PORT_QUORUM);
        int client = world_join(w, PORT_CLIENT);
        net_hold(w->net, PORT_QUORUM, true);
        int late = world_join(w, PORT_QUORUM);
        peer_send(peer, "p", 1);
        peer_send(late, "l", 1);
        peer_send(client, "c", 1);
        world_idle(w);
        assert_int_equal(w->byte_count, 1);
        assert_int_equal(w->bytes[0], 'c');
        net_hold(w->net, PORT_QUORUM, false);
        world_await_bytes(w, 3);
        (void)close(peer);
        (void)close(late);
        (void)close(client);
        world_free(w);
}

/* ---- turns ---- */

/* As the engine turns: what was left behind, then what has come. Returns as many bytes as were taken in. */
static size_t bytes_of_a_turn(struct world *w)
{
        size_t before = w->byte_count;
        (void)net_turn(w->net);
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        (void)net_turn(w->net);
        return w->byte_count - before;
}

/* Each portion of clients, and of servers, is all that its turn has time for. */
static struct world *world_of_short_turns(void)
{
        struct net_limits limits = net_limits_default;
        limits.turn_ns = 1;
        return world_new(&limits);
}

static size_t count_of(const struct world *w, char c)
{
        size_t n = 0;
        for (size_t i = 0; i < w->byte_count; i++)
                n += w->bytes[i] == (uint8_t)c;
        return n;
}

/* Whatever all clients have sent: a turn leaves what it has no time for to the next, and nothing is lost. */
static void test_a_turn_without_time_takes_nothing_more_in(void **state)
{
        enum { CLIENTS = 5, EACH = 5 * NET_PORTION_BYTES };
        struct world *w = world_of_short_turns();
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fds[CLIENTS];
        char sent[EACH];
        for (int i = 0; i < CLIENTS; i++)
                fds[i] = world_join(w, PORT_CLIENT);
        for (int i = 0; i < CLIENTS; i++) {
                memset(sent, 'a' + i, sizeof sent);
                peer_send(fds[i], sent, sizeof sent);
        }
        size_t turns = 0;
        while (w->byte_count < (size_t)CLIENTS * EACH) {
                size_t n = bytes_of_a_turn(w);
                assert_true(n <= (size_t)2 * NET_PORTION_BYTES); /* one that was left, and one that has come */
                turns += n > 0;
        }
        assert_true(turns >= (size_t)CLIENTS * 2);
        for (int i = 0; i < CLIENTS; i++) {
                assert_int_equal(count_of(w, (char)('a' + i)), EACH);
                (void)close(fds[i]);
        }
        world_free(w);
}

static void keep_full(int fd, char c)
{
        static char much[64 << 10];
        memset(much, c, sizeof much);
        while (send(fd, much, sizeof much, MSG_DONTWAIT) > 0)
                continue;
}

/* epoll tells of those first that it told of before. */
static void test_whoever_never_runs_dry_keeps_nobody_waiting(void **state)
{
        (void)state;
        for (int port = PORT_QUORUM; port <= PORT_CLIENT; port++) {
                struct world *w = world_of_short_turns();
                (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
                if (port != PORT_CLIENT)
                        (void)world_listen_on(w, (enum port)port, "127.0.0.1");
                int busy[2] = {world_join(w, (enum port)port), world_join(w, (enum port)port)};
                int quiet = world_join(w, PORT_CLIENT);
                peer_send(quiet, "q", 1);
                int turns = 0;
                for (; count_of(w, 'q') == 0; turns++) {
                        w->byte_count = 0;
                        keep_full(busy[0], 'b');
                        keep_full(busy[1], 'b');
                        (void)bytes_of_a_turn(w);
                        assert_true(turns < 10);
                }
                (void)close(busy[0]);
                (void)close(busy[1]);
                (void)close(quiet);
                world_free(w);
        }
}

static void test_servers_are_heard_in_each_turn(void **state)
{
        struct world *w = world_of_short_turns();
        (void)state;
        (void)world_listen_on(w, PORT_ELECTION, "127.0.0.1");
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int client = world_join(w, PORT_CLIENT), busy = world_join(w, PORT_QUORUM);
        int peer = world_join(w, PORT_QUORUM), voter = world_join(w, PORT_ELECTION);
        for (int i = 0; i < 50; i++) {
                w->byte_count = 0;
                keep_full(client, 'c');
                keep_full(busy, 'b');
                peer_send(peer, "p", 1);
                peer_send(voter, "v", 1);
                (void)bytes_of_a_turn(w);
                assert_int_equal(count_of(w, 'p'), 1);
                assert_int_equal(count_of(w, 'v'), 1);
        }
        (void)close(client);
        (void)close(busy);
        (void)close(peer);
        (void)close(voter);
        world_free(w);
}

/* ---- back-pressure ---- */

static void test_a_client_that_does_not_read_is_dropped_at_its_limit(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_bytes = 8 * MIB;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        for (int i = 0; i < 64; i++)
                world_send_filled(w, 2, MIB, 'x');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 -2=%d ", -ENOBUFS);
        world_expect(w, expected);
        assert_int_equal(net_client_backlog(w->net), 0);
        assert_int_equal(net_connections(w->net), 0);
        world_send_filled(w, 2, 1, 'x'); /* a dead name */
        net_notify_sent(w->net, 2);
        world_idle(w);
        assert_string_equal(w->told, expected);
        (void)close(fd);
        world_free(w);
}

/* What one turn produces for a client that reads is no backlog. */
static void test_a_burst_that_the_socket_takes_is_no_backlog(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_bytes = 64 * 1024;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        for (int i = 0; i < 4; i++)
                world_send_filled(w, 2, 30000, 'x');
        assert_int_equal(world_read_filled(w, fd, 120000, 'x'), 0);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_a_server_has_a_limit_of_its_own(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_bytes = MIB;
        limits.peer_backlog_bytes = 64 * MIB;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = world_join(w, PORT_QUORUM);
        for (int i = 0; i < 32; i++)
                world_send_filled(w, 2, MIB, 'x');
        world_idle(w);
        assert_string_equal(w->told, "+2 ");
        for (int i = 0; i < 64; i++)
                world_send_filled(w, 2, MIB, 'x');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 -2=%d ", -ENOBUFS);
        world_expect(w, expected);
        (void)close(fd);
        world_free(w);
}

static void test_of_all_clients_the_one_with_the_largest_backlog_goes_first(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_total_bytes = 48 * MIB;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int small = world_join(w, PORT_CLIENT);
        int large = world_join(w, PORT_CLIENT);
        for (int i = 0; i < 32; i++)
                world_send_filled(w, 4, MIB, 'l');
        for (int i = 0; i < 18; i++)
                world_send_filled(w, 2, MIB, 's');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 +4 -4=%d ", -ENOBUFS);
        world_expect(w, expected);
        assert_int_equal(world_read_filled(w, small, 18 * MIB, 's'), 0);
        (void)close(small);
        (void)close(large);
        world_free(w);
}

static void test_a_client_that_takes_no_answers_gets_no_questions_in(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_read_pause_bytes = MIB;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 32 * MIB, 'x');
        peer_send(fd, "?", 1);
        world_idle(w);
        assert_int_equal(w->byte_count, 0);
        assert_int_equal(world_read_filled(w, fd, 32 * MIB, 'x'), 0);
        world_await_bytes(w, 1);
        (void)close(fd);
        world_free(w);
}

/* Many small questions with large answers, all in one read: they are taken in as the answers leave. */
static void test_a_client_that_reads_may_ask_for_more_than_its_limit(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_read_pause_bytes = MIB;
        limits.client_backlog_bytes = 12 * MIB;
        w = world_new(&limits);
        w->answer = 8192;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        char questions[8000];
        memset(questions, 'q', sizeof questions);
        peer_send(fd, questions, sizeof questions);
        assert_int_equal(world_read_filled(w, fd, sizeof questions * w->answer, 'q'), 0);
        assert_string_equal(w->told, "+2 ");
        assert_int_equal(w->byte_count, sizeof questions);
        (void)close(fd);
        world_expect(w, "+2 -2=0 ");
        world_free(w);
}

/* What was read before the stop but not handed over waits, and keeps its place. */
static void test_a_stop_in_the_middle_of_a_read_keeps_the_rest(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        char sent[5000];
        (void)state;
        limits.client_read_pause_bytes = MIB;
        w = world_new(&limits);
        w->answer = 8192;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        for (size_t i = 0; i < sizeof sent; i++)
                sent[i] = (char)(i % 251);
        peer_send(fd, sent, sizeof sent);
        world_await_bytes(w, 1);
        size_t before = w->byte_count;
        assert_true(before < sizeof sent);
        net_read(w->net, 2, false);
        static uint8_t sink[MIB];
        for (int quiet = 0; quiet < 20; quiet++) { /* all answers leave, yet no more is taken in */
                while (peer_read_some(fd, sink, sizeof sink) > 0)
                        quiet = 0;
                world_turn(w);
        }
        assert_int_equal(w->byte_count, before);
        w->answer = 0;
        net_read(w->net, 2, true);
        world_await_bytes(w, sizeof sent);
        assert_memory_equal(w->bytes, sent, sizeof sent);
        (void)close(fd);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted_connections_have_even_names_and_numeric_addresses),
                cmocka_unit_test(test_a_wildcard_serves_both_families),
                cmocka_unit_test(test_a_name_and_an_ipv6_address_can_be_listened_on),
                cmocka_unit_test(test_addresses_that_cannot_be_had_are_refused_with_the_reason),
                cmocka_unit_test(test_closed_listeners_refuse),
                cmocka_unit_test(test_without_descriptors_the_port_rests_and_goes_on),
                cmocka_unit_test(test_thousands_of_frames_come_back_in_order),
                cmocka_unit_test(test_blobs_of_all_sizes_arrive_whole_and_in_order),
                cmocka_unit_test(test_sent_is_told_when_all_before_it_is_in_the_socket),
                cmocka_unit_test(test_a_stopped_connection_is_not_read_until_it_is_started),
                cmocka_unit_test(test_a_held_port_is_not_read_and_the_others_are),
                cmocka_unit_test(test_a_turn_without_time_takes_nothing_more_in),
                cmocka_unit_test(test_whoever_never_runs_dry_keeps_nobody_waiting),
                cmocka_unit_test(test_servers_are_heard_in_each_turn),
                cmocka_unit_test(test_a_client_that_does_not_read_is_dropped_at_its_limit),
                cmocka_unit_test(test_a_burst_that_the_socket_takes_is_no_backlog),
                cmocka_unit_test(test_a_server_has_a_limit_of_its_own),
                cmocka_unit_test(test_of_all_clients_the_one_with_the_largest_backlog_goes_first),
                cmocka_unit_test(test_a_client_that_takes_no_answers_gets_no_questions_in),
                cmocka_unit_test(test_a_client_that_reads_may_ask_for_more_than_its_limit),
                cmocka_unit_test(test_a_stop_in_the_middle_of_a_read_keeps_the_rest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
