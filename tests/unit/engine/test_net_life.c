/* How connections begin and end: dialling, closing, loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/net.h"
#include "tests/unit/engine/net_world.h"
#include "tests/unit/engine/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- closing ---- */

/* Sends much, letting the loop turn: it ends only if the other side takes it. */
static void push(struct world *w, int fd, size_t len)
{
        static const uint8_t zeros[64 * 1024];
        while (len > 0) {
                ssize_t n = send(fd, zeros, len < sizeof zeros ? len : sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        world_turn(w);
                } else {
                        len -= (size_t)n;
                }
        }
}

static void test_a_gentle_close_delivers_all_and_drains_what_the_other_side_still_says(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.close_timeout_ms = 2 * PATIENCE_MS; /* draining, not time, must end it */
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        net_read(w->net, 2, false);
        peer_send(fd, "unread", 6); /* would turn a plain close into a reset */
        world_send_filled(w, 2, 16 * MIB, 'x');
        w->in_effect = true;
        net_close(w->net, 2, true);
        w->in_effect = false;
        world_send_filled(w, 2, 1, 'y'); /* the name is dead */
        assert_int_equal(world_read_filled(w, fd, 16 * MIB, 'x'), 0);
        assert_int_equal(world_read_end(w, fd), 0);
        push(w, fd, 16 * MIB);
        (void)close(fd);
        world_idle(w);
        assert_string_equal(w->told, "+2 ");
        assert_int_equal(w->byte_count, 0);
        world_free(w);
}

static void test_a_gentle_close_gives_up_after_its_time(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.close_timeout_ms = 50;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 32 * MIB, 'x');
        net_close(w->net, 2, true);
        /* The backlog of clients is counted until the connection is gone. */
        while (net_client_backlog(w->net) > 0)
                world_turn(w);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

/* A thousand clients may leave in one turn: each has an answer coming. */
static void test_more_that_close_in_one_turn_than_may_linger_get_their_last_answer(void **state)
{
        enum { CLIENTS = 8, LINGERING = 2 };
        struct net_limits limits = net_limits_default;
        struct world *w;
        int fds[CLIENTS];
        (void)state;
        limits.closing_max = LINGERING;
        limits.close_timeout_ms = 2 * PATIENCE_MS;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        for (int i = 0; i < CLIENTS; i++)
                fds[i] = world_join(w, PORT_CLIENT);
        for (conn_id conn = 2; conn <= 2 * CLIENTS; conn += 2) {
                world_send_filled(w, conn, 100, 'x');
                w->in_effect = true;
                net_close(w->net, conn, true);
                w->in_effect = false;
        }
        for (int i = 0; i < CLIENTS; i++) {
                assert_int_equal(world_read_filled(w, fds[i], 100, 'x'), 0);
                assert_int_equal(world_read_end(w, fds[i]), 0);
        }
        for (int i = 0; i < CLIENTS; i++)
                (void)close(fds[i]);
        world_free(w);
}

/* Who takes nothing makes room all the same. */
static void test_beyond_those_that_may_linger_the_oldest_goes_though_it_takes_nothing(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.closing_max = 1;
        limits.close_timeout_ms = 2 * PATIENCE_MS; /* not time, but the second one must end the first */
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int stuck = world_join(w, PORT_CLIENT);
        int last = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 32 * MIB, 'x');
        net_close(w->net, 2, true);
        world_send_filled(w, 4, 3, 'y');
        net_close(w->net, 4, true);
        assert_int_equal(net_client_backlog(w->net), 3);
        assert_int_equal(world_read_filled(w, last, 3, 'y'), 0);
        assert_int_equal(world_read_end(w, last), 0);
        (void)close(stuck);
        (void)close(last);
        world_free(w);
}

static void test_a_plain_close_drops_what_is_queued(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 100, 'x');
        net_close(w->net, 2, false);
        assert_int_equal(net_client_backlog(w->net), 0);
        assert_int_equal(world_read_end(w, fd), 0);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_an_end_and_a_reset_of_the_other_side_are_told_apart(void **state)
{
        struct world *w = world_new(&net_limits_default);
        char expected[64];
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        (void)shutdown(fd, SHUT_WR);
        world_expect(w, "+2 -2=0 ");
        (void)close(fd);
        fd = world_join(w, PORT_CLIENT);
        peer_reset(fd);
        (void)snprintf(expected, sizeof expected, "+2 -2=0 +4 -4=%d ", -ECONNRESET);
        world_expect(w, expected);
        world_free(w);
}

static void test_a_lost_connection_that_was_closed_meanwhile_is_not_told(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_bytes = MIB;
        w = world_new(&limits);
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 32 * MIB, 'x'); /* fails at once, to be told at the end of the turn */
        net_close(w->net, 2, false);
        world_idle(w);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_the_end_lets_closing_connections_flush(void **state)
{
        struct world *w = world_new(&net_limits_default);
        char back[6] = "";
        (void)state;
        (void)world_listen_on(w, PORT_CLIENT, "127.0.0.1");
        int gentle = world_join(w, PORT_CLIENT);
        int open = world_join(w, PORT_CLIENT);
        world_send_filled(w, 2, 5, 'x');
        net_close(w->net, 2, true);
        world_free(w);
        peer_read(gentle, back, 5);
        assert_string_equal(back, "xxxxx");
        peer_read_end(gentle);
        peer_read_end(open);
        (void)close(gentle);
        (void)close(open);
}

/* ---- dialling ---- */

static void dial(struct world *w, conn_id conn, const char *host, uint16_t port)
{
        w->in_effect = true;
        net_dial(w->net, conn, PORT_QUORUM, host, port);
        w->in_effect = false;
}

static void test_a_dialled_connection_carries_bytes_both_ways(void **state)
{
        static const char *const hosts[] = {"127.0.0.1", "::1", "localhost"};
        (void)state;
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
                struct world *w = world_new(&net_limits_default);
                uint16_t port = 0;
                int listener = peer_listen(i == 1, 5, &port);
                dial(w, 1, hosts[i], port);
                world_expect(w, "!1=0 ");
                int fd = accept(listener, NULL, NULL);
                assert_true(fd >= 0);
                world_send_filled(w, 1, 3, 'x');
                assert_int_equal(world_read_filled(w, fd, 3, 'x'), 0);
                peer_send(fd, "abc", 3);
                world_await_bytes(w, 3);
                (void)close(fd);
                world_expect(w, "!1=0 -1=0 ");
                (void)close(listener);
                world_free(w);
        }
}

/* Elections rest on it: refused means that the machine answers and no server is there. */
static void test_a_refused_connection_is_told_as_refused(void **state)
{
        static const char *const hosts[] = {"127.0.0.1", "::1", "localhost"};
        char expected[64];
        (void)state;
        (void)snprintf(expected, sizeof expected, "!1=%d ", -ECONNREFUSED);
        for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
                struct world *w = world_new(&net_limits_default);
                dial(w, 1, hosts[i], peer_unused_port(i == 1));
                world_expect(w, expected);
                assert_int_equal(net_connections(w->net), 0);
                world_free(w);
        }
}

static void test_an_address_without_a_route_is_told(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        dial(w, 1, "255.255.255.255", 9);
        world_await(w, "!1=-");
        world_free(w);
}

static void test_a_name_that_does_not_exist_is_told(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.dial_timeout_ms = 300; /* a resolver may take longer to say so */
        w = world_new(&limits);
        dial(w, 1, "no-such-host.invalid", 9);
        dial(w, 3, "no such host", 9);
        world_await(w, "!1=-");
        world_await(w, "!3=-");
        world_free(w);
}

static void test_a_silent_address_is_given_up(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        uint16_t port = 0;
        char expected[64];
        (void)state;
        limits.dial_timeout_ms = 50;
        w = world_new(&limits);
        int listener = peer_listen(false, 0, &port);
        int filler = peer_connect(false, port); /* the backlog is full: the kernel answers no more */
        assert_true(filler >= 0);
        dial(w, 1, "127.0.0.1", port);
        (void)snprintf(expected, sizeof expected, "!1=%d ", -ETIMEDOUT);
        world_expect(w, expected);
        (void)close(filler);
        (void)close(listener);
        world_free(w);
}

static void test_an_attempt_that_is_closed_meanwhile_is_not_told(void **state)
{
        struct world *w = world_new(&net_limits_default);
        uint16_t port = 0;
        (void)state;
        int listener = peer_listen(false, 5, &port);
        dial(w, 1, "127.0.0.1", port);
        dial(w, 3, "localhost", port);
        dial(w, 5, "127.0.0.1", peer_unused_port(false));
        net_close(w->net, 1, false);
        net_close(w->net, 3, true);
        net_close(w->net, 5, false);
        world_idle(w);
        assert_string_equal(w->told, "");
        assert_int_equal(net_connections(w->net), 0);
        (void)close(listener);
        world_free(w);
}

static void test_what_is_queued_while_dialling_goes_out_first(void **state)
{
        struct world *w = world_new(&net_limits_default);
        uint16_t port = 0;
        (void)state;
        int listener = peer_listen(false, 5, &port);
        dial(w, 1, "localhost", port);
        world_send_filled(w, 1, 4, 'q');
        net_notify_sent(w->net, 1);
        world_expect(w, "!1=0 s1 ");
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(world_read_filled(w, fd, 4, 'q'), 0);
        (void)close(fd);
        (void)close(listener);
        world_free(w);
}

/* ---- silence ---- */

/* The descriptor of this process whose connection ends at `port` on the other side; -1 for none. */
static int socket_to(uint16_t port)
{
        for (int fd = 3; fd < 256; fd++) {
                struct sockaddr_in a = {0};
                socklen_t len = sizeof a;
                if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 && a.sin_family == AF_INET &&
                    ntohs(a.sin_port) == port)
                        return fd;
        }
        return -1;
}

static int tcp_option(int fd, int name)
{
        int value = -1;
        socklen_t len = sizeof value;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, name, &value, &len), 0);
        return value;
}

/* A cut without a reset must not leave the channel to TCP's own patience, which doubles for minutes. */
static void test_an_election_connection_is_given_up_after_silence_and_a_quorum_connection_is_not(void **state)
{
        (void)state;
        for (int i = 0; i < 2; i++) {
                struct world *w = world_new(&net_limits_default);
                uint16_t port = 0;
                int listener = peer_listen(false, 5, &port);
                w->in_effect = true;
                net_dial(w->net, 1, i == 0 ? PORT_ELECTION : PORT_QUORUM, "127.0.0.1", port);
                w->in_effect = false;
                world_expect(w, "!1=0 ");
                int fd = socket_to(port), probed = -1;
                socklen_t len = sizeof probed;
                assert_true(fd >= 0);
                assert_int_equal(tcp_option(fd, TCP_USER_TIMEOUT), i == 0 ? NET_ELECTION_SILENCE_MS : 0);
                assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &probed, &len), 0);
                assert_int_equal(probed, i == 0);
                if (i == 0)
                        assert_int_equal(tcp_option(fd, TCP_KEEPIDLE), NET_ELECTION_SILENCE_MS / 1000);
                (void)close(listener);
                world_free(w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_gentle_close_delivers_all_and_drains_what_the_other_side_still_says),
                cmocka_unit_test(test_a_gentle_close_gives_up_after_its_time),
                cmocka_unit_test(test_more_that_close_in_one_turn_than_may_linger_get_their_last_answer),
                cmocka_unit_test(test_beyond_those_that_may_linger_the_oldest_goes_though_it_takes_nothing),
                cmocka_unit_test(test_a_plain_close_drops_what_is_queued),
                cmocka_unit_test(test_an_end_and_a_reset_of_the_other_side_are_told_apart),
                cmocka_unit_test(test_a_lost_connection_that_was_closed_meanwhile_is_not_told),
                cmocka_unit_test(test_the_end_lets_closing_connections_flush),
                cmocka_unit_test(test_a_dialled_connection_carries_bytes_both_ways),
                cmocka_unit_test(test_a_refused_connection_is_told_as_refused),
                cmocka_unit_test(test_an_address_without_a_route_is_told),
                cmocka_unit_test(test_a_name_that_does_not_exist_is_told),
                cmocka_unit_test(test_a_silent_address_is_given_up),
                cmocka_unit_test(test_an_attempt_that_is_closed_meanwhile_is_not_told),
                cmocka_unit_test(test_what_is_queued_while_dialling_goes_out_first),
                cmocka_unit_test(test_an_election_connection_is_given_up_after_silence_and_a_quorum_connection_is_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
