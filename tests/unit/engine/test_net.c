/* Connections over loopback: the test is the core on one side (in the loop) and a plain socket on the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/net.h"
#include "election/base/alloc.h"
#include "tests/unit/engine/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (1u << 20)
/* Waiting for something that does not come ends the test after this long. */
#define PATIENCE_MS 20000

struct world {
        uv_loop_t loop;
        struct net *net;
        uv_timer_t pulse; /* the test's own side needs a turn from time to time */
        uint64_t begun_ms;
        bool echo, in_effect;
        size_t answer; /* each byte that is read is answered with this many */
        /* what was told, in order: "+2 " accepted, "!1=0 " dialled, "-2=0 " closed, "s2 " sent */
        char told[4096];
        size_t told_len;
        uint8_t *bytes; /* all that was read, of all connections */
        size_t byte_count, byte_capacity;
        conn_id client; /* the last accepted one */
        char address[64];
        uint16_t remote_port;
        enum port port;
};

static void tell(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct world *w, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int n = vsnprintf(w->told + w->told_len, sizeof w->told - w->told_len, format, ap);
        va_end(ap);
        assert_true(n > 0 && (size_t)n < sizeof w->told - w->told_len);
        w->told_len += (size_t)n;
}

static void on_bytes(struct world *w, const struct event *e)
{
        if (w->echo) {
                struct blob *b = blob_copy(e->bytes.data, e->bytes.len);
                net_send(w->net, e->conn, b);
                blob_unref(b);
                return;
        }
        for (size_t i = 0; i < e->bytes.len && w->answer > 0; i++) {
                struct blob *b = blob_new(w->answer);
                memset(b->data, e->bytes.data[i], b->len);
                net_send(w->net, e->conn, b);
                blob_unref(b);
        }
        w->bytes = mem_grow(w->bytes, &w->byte_capacity, w->byte_count + e->bytes.len, 1);
        memcpy(w->bytes + w->byte_count, e->bytes.data, e->bytes.len);
        w->byte_count += e->bytes.len;
}

static void on_event(void *ctx, struct event *e)
{
        struct world *w = ctx;
        assert_false(w->in_effect); /* the promise of net.h */
        switch (e->type) {
        case EVENT_CONN_ACCEPTED:
                w->client = e->conn;
                w->port = e->accepted.port;
                w->remote_port = e->accepted.remote_port;
                (void)snprintf(w->address, sizeof w->address, "%s", e->accepted.address);
                tell(w, "+%" PRIu64 " ", e->conn);
                break;
        case EVENT_CONN_DIALLED:
                tell(w, "!%" PRIu64 "=%d ", e->conn, e->status);
                break;
        case EVENT_CONN_CLOSED:
                tell(w, "-%" PRIu64 "=%d ", e->conn, e->status);
                break;
        case EVENT_CONN_SENT:
                tell(w, "s%" PRIu64 " ", e->conn);
                break;
        default:
                on_bytes(w, e);
                break;
        }
}

static void on_pulse(uv_timer_t *timer)
{
        struct world *w = timer->data;
        if (uv_now(&w->loop) - w->begun_ms > PATIENCE_MS)
                fail_msg("waited in vain; told so far: %s", w->told);
}

static void turn(struct world *w)
{
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        while (net_turn(w->net))
                continue;
}

/* Some turns in which nothing in particular is expected. */
static void idle(struct world *w)
{
        for (int i = 0; i < 20; i++)
                turn(w);
}

static void await(struct world *w, const char *text)
{
        while (!strstr(w->told, text))
                turn(w);
}

static void expect(struct world *w, const char *text)
{
        while (w->told_len < strlen(text))
                turn(w);
        assert_string_equal(w->told, text);
}

static void await_bytes(struct world *w, size_t count)
{
        while (w->byte_count < count)
                turn(w);
}

static struct world *world_new(const struct net_limits *limits)
{
        struct world *w = mem_zalloc(sizeof *w);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        assert_int_equal(uv_timer_init(&w->loop, &w->pulse), 0);
        w->pulse.data = w;
        w->begun_ms = uv_now(&w->loop);
        assert_int_equal(uv_timer_start(&w->pulse, on_pulse, 1, 1), 0);
        w->net = net_new(&w->loop, limits, on_event, w);
        return w;
}

static void world_free(struct world *w)
{
        uv_close((uv_handle_t *)&w->pulse, NULL);
        net_finish(w->net);
        w->in_effect = true; /* no event follows */
        assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
        net_free(w->net);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        mem_free(w->bytes);
        mem_free(w);
}

static uint16_t listen_on(struct world *w, enum port port, const char *host)
{
        char why[256] = "";
        if (net_listen(w->net, port, host, 0, why, sizeof why) < 0)
                fail_msg("%s", why);
        net_accept(w->net);
        return net_listening_on(w->net, port);
}

/* Connects and waits until it is accepted. */
static int join(struct world *w, enum port port)
{
        size_t told = w->told_len;
        int fd = peer_connect(false, net_listening_on(w->net, port));
        assert_true(fd >= 0);
        while (w->told_len == told)
                turn(w);
        return fd;
}

static void send_filled(struct world *w, conn_id conn, size_t len, int c)
{
        struct blob *b = blob_new(len);
        memset(b->data, c, len);
        w->in_effect = true;
        net_send(w->net, conn, b);
        w->in_effect = false;
        blob_unref(b);
}

/* Reads until `len` bytes have come, letting the loop turn. Returns how many bytes differ from `c`. */
static size_t read_filled(struct world *w, int fd, size_t len, int c)
{
        static uint8_t buffer[256 * 1024];
        size_t wrong = 0;
        while (len > 0) {
                long n = peer_read_some(fd, buffer, len < sizeof buffer ? len : sizeof buffer);
                if (n == -EAGAIN) {
                        turn(w);
                        continue;
                }
                assert_true(n > 0);
                for (long i = 0; i < n; i++)
                        wrong += buffer[i] != c;
                len -= (size_t)n;
        }
        return wrong;
}

/* Waits for the end of the stream. Returns 0, or the error that ended it. */
static long read_end(struct world *w, int fd)
{
        char byte;
        long n;
        while ((n = peer_read_some(fd, &byte, 1)) == -EAGAIN)
                turn(w);
        return n;
}

/* ---- accepting ---- */

static void test_accepted_connections_have_even_names_and_numeric_addresses(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)listen_on(w, PORT_QUORUM, "127.0.0.1");
        int a = join(w, PORT_QUORUM);
        int b = join(w, PORT_QUORUM);
        struct sockaddr_in local;
        socklen_t len = sizeof local;
        assert_int_equal(getsockname(b, (struct sockaddr *)&local, &len), 0);
        assert_string_equal(w->told, "+2 +4 ");
        assert_string_equal(w->address, "127.0.0.1");
        assert_int_equal(w->remote_port, ntohs(local.sin_port));
        assert_int_equal(w->port, PORT_QUORUM);
        (void)close(a);
        expect(w, "+2 +4 -2=0 ");
        assert_int_equal(net_connections(w->net), 1);
        (void)close(b);
        expect(w, "+2 +4 -2=0 -4=0 ");
        world_free(w);
}

static void test_a_wildcard_serves_both_families(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        uint16_t port = listen_on(w, PORT_CLIENT, "0.0.0.0");
        int a = peer_connect(false, port);
        assert_true(a >= 0);
        expect(w, "+2 ");
        assert_string_equal(w->address, "127.0.0.1");
        int b = peer_connect(true, port);
        assert_true(b >= 0);
        expect(w, "+2 +4 ");
        assert_string_equal(w->address, "::1");
        (void)close(a);
        (void)close(b);
        world_free(w);
}

static void test_a_name_and_an_ipv6_address_can_be_listened_on(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)listen_on(w, PORT_CLIENT, "localhost");
        uint16_t port = listen_on(w, PORT_ELECTION, "::1");
        int fd = peer_connect(true, port);
        assert_true(fd >= 0);
        expect(w, "+2 ");
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
        uint16_t port = listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        net_unlisten(w->net);
        assert_int_equal(peer_connect(false, port), -ECONNREFUSED);
        w->echo = true;
        peer_send(fd, "x", 1); /* what is connected stays */
        assert_int_equal(read_filled(w, fd, 1, 'x'), 0);
        (void)close(fd);
        world_free(w);
}

static void test_without_descriptors_the_port_rests_and_goes_on(void **state)
{
        struct world *w = world_new(&net_limits_default);
        struct rlimit before, none;
        (void)state;
        uint16_t port = listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = peer_connect(false, port);
        assert_true(fd >= 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = (rlim_t)fd; /* all below are in use */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        idle(w);
        assert_string_equal(w->told, "");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        expect(w, "+2 ");
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        for (size_t i = 0; i < sizeof sent; i++)
                sent[i] = (char)((i * 131) >> 4);
        while (got < sizeof back) {
                if (given < sizeof sent) {
                        peer_send(fd, sent + given, LEN);
                        given += LEN;
                }
                turn(w);
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
        (void)listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = join(w, PORT_QUORUM);
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
                        turn(w);
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
        (void)listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = join(w, PORT_QUORUM);
        w->in_effect = true;
        net_notify_sent(w->net, 2); /* nothing is queued: at the end of this turn */
        w->in_effect = false;
        expect(w, "+2 s2 ");
        send_filled(w, 2, 32 * MIB, 'a'); /* more than a socket takes */
        net_notify_sent(w->net, 2);
        send_filled(w, 2, 10, 'b');
        idle(w);
        assert_string_equal(w->told, "+2 s2 ");
        assert_int_equal(read_filled(w, fd, 32 * MIB, 'a'), 0);
        assert_int_equal(read_filled(w, fd, 10, 'b'), 0);
        expect(w, "+2 s2 s2 ");
        (void)close(fd);
        world_free(w);
}

static void test_a_stopped_connection_is_not_read_until_it_is_started(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        net_read(w->net, 2, false);
        peer_send(fd, "quiet", 5);
        idle(w);
        assert_int_equal(w->byte_count, 0);
        net_read(w->net, 2, true);
        await_bytes(w, 5);
        assert_memory_equal(w->bytes, "quiet", 5);
        (void)close(fd);
        world_free(w);
}

static void test_a_held_port_is_not_read_and_the_others_are(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)listen_on(w, PORT_QUORUM, "127.0.0.1");
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int peer = join(w, PORT_QUORUM);
        int client = join(w, PORT_CLIENT);
        net_hold(w->net, PORT_QUORUM, true);
        int late = join(w, PORT_QUORUM);
        peer_send(peer, "p", 1);
        peer_send(late, "l", 1);
        peer_send(client, "c", 1);
        idle(w);
        assert_int_equal(w->byte_count, 1);
        assert_int_equal(w->bytes[0], 'c');
        net_hold(w->net, PORT_QUORUM, false);
        await_bytes(w, 3);
        (void)close(peer);
        (void)close(late);
        (void)close(client);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        for (int i = 0; i < 64; i++)
                send_filled(w, 2, MIB, 'x');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 -2=%d ", -ENOBUFS);
        expect(w, expected);
        assert_int_equal(net_client_backlog(w->net), 0);
        assert_int_equal(net_connections(w->net), 0);
        send_filled(w, 2, 1, 'x'); /* a dead name */
        net_notify_sent(w->net, 2);
        idle(w);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        for (int i = 0; i < 4; i++)
                send_filled(w, 2, 30000, 'x');
        assert_int_equal(read_filled(w, fd, 120000, 'x'), 0);
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
        (void)listen_on(w, PORT_QUORUM, "127.0.0.1");
        int fd = join(w, PORT_QUORUM);
        for (int i = 0; i < 32; i++)
                send_filled(w, 2, MIB, 'x');
        idle(w);
        assert_string_equal(w->told, "+2 ");
        for (int i = 0; i < 64; i++)
                send_filled(w, 2, MIB, 'x');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 -2=%d ", -ENOBUFS);
        expect(w, expected);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int small = join(w, PORT_CLIENT);
        int large = join(w, PORT_CLIENT);
        for (int i = 0; i < 32; i++)
                send_filled(w, 4, MIB, 'l');
        for (int i = 0; i < 18; i++)
                send_filled(w, 2, MIB, 's');
        char expected[32];
        (void)snprintf(expected, sizeof expected, "+2 +4 -4=%d ", -ENOBUFS);
        expect(w, expected);
        assert_int_equal(read_filled(w, small, 18 * MIB, 's'), 0);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        send_filled(w, 2, 32 * MIB, 'x');
        peer_send(fd, "?", 1);
        idle(w);
        assert_int_equal(w->byte_count, 0);
        assert_int_equal(read_filled(w, fd, 32 * MIB, 'x'), 0);
        await_bytes(w, 1);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        char questions[8000];
        memset(questions, 'q', sizeof questions);
        peer_send(fd, questions, sizeof questions);
        assert_int_equal(read_filled(w, fd, sizeof questions * w->answer, 'q'), 0);
        assert_string_equal(w->told, "+2 ");
        assert_int_equal(w->byte_count, sizeof questions);
        (void)close(fd);
        expect(w, "+2 -2=0 ");
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        for (size_t i = 0; i < sizeof sent; i++)
                sent[i] = (char)(i % 251);
        peer_send(fd, sent, sizeof sent);
        await_bytes(w, 1);
        size_t before = w->byte_count;
        assert_true(before < sizeof sent);
        net_read(w->net, 2, false);
        static uint8_t sink[MIB];
        for (int quiet = 0; quiet < 20; quiet++) { /* all answers leave, yet no more is taken in */
                while (peer_read_some(fd, sink, sizeof sink) > 0)
                        quiet = 0;
                turn(w);
        }
        assert_int_equal(w->byte_count, before);
        w->answer = 0;
        net_read(w->net, 2, true);
        await_bytes(w, sizeof sent);
        assert_memory_equal(w->bytes, sent, sizeof sent);
        (void)close(fd);
        world_free(w);
}

/* ---- closing ---- */

/* Sends much, letting the loop turn: it ends only if the other side takes it. */
static void push(struct world *w, int fd, size_t len)
{
        static const uint8_t zeros[64 * 1024];
        while (len > 0) {
                ssize_t n = send(fd, zeros, len < sizeof zeros ? len : sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        turn(w);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        net_read(w->net, 2, false);
        peer_send(fd, "unread", 6); /* would turn a plain close into a reset */
        send_filled(w, 2, 16 * MIB, 'x');
        w->in_effect = true;
        net_close(w->net, 2, true);
        w->in_effect = false;
        send_filled(w, 2, 1, 'y'); /* the name is dead */
        assert_int_equal(read_filled(w, fd, 16 * MIB, 'x'), 0);
        assert_int_equal(read_end(w, fd), 0);
        push(w, fd, 16 * MIB);
        (void)close(fd);
        idle(w);
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
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        send_filled(w, 2, 32 * MIB, 'x');
        net_close(w->net, 2, true);
        /* The backlog of clients is counted until the connection is gone. */
        while (net_client_backlog(w->net) > 0)
                turn(w);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_a_plain_close_drops_what_is_queued(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        send_filled(w, 2, 100, 'x');
        net_close(w->net, 2, false);
        assert_int_equal(net_client_backlog(w->net), 0);
        assert_int_equal(read_end(w, fd), 0);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_an_end_and_a_reset_of_the_other_side_are_told_apart(void **state)
{
        struct world *w = world_new(&net_limits_default);
        char expected[64];
        (void)state;
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        (void)shutdown(fd, SHUT_WR);
        expect(w, "+2 -2=0 ");
        (void)close(fd);
        fd = join(w, PORT_CLIENT);
        peer_reset(fd);
        (void)snprintf(expected, sizeof expected, "+2 -2=0 +4 -4=%d ", -ECONNRESET);
        expect(w, expected);
        world_free(w);
}

static void test_a_lost_connection_that_was_closed_meanwhile_is_not_told(void **state)
{
        struct net_limits limits = net_limits_default;
        struct world *w;
        (void)state;
        limits.client_backlog_bytes = MIB;
        w = world_new(&limits);
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int fd = join(w, PORT_CLIENT);
        send_filled(w, 2, 32 * MIB, 'x'); /* fails at once, to be told at the end of the turn */
        net_close(w->net, 2, false);
        idle(w);
        assert_string_equal(w->told, "+2 ");
        (void)close(fd);
        world_free(w);
}

static void test_the_end_lets_closing_connections_flush(void **state)
{
        struct world *w = world_new(&net_limits_default);
        char back[6] = "";
        (void)state;
        (void)listen_on(w, PORT_CLIENT, "127.0.0.1");
        int gentle = join(w, PORT_CLIENT);
        int open = join(w, PORT_CLIENT);
        send_filled(w, 2, 5, 'x');
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
                expect(w, "!1=0 ");
                int fd = accept(listener, NULL, NULL);
                assert_true(fd >= 0);
                send_filled(w, 1, 3, 'x');
                assert_int_equal(read_filled(w, fd, 3, 'x'), 0);
                peer_send(fd, "abc", 3);
                await_bytes(w, 3);
                (void)close(fd);
                expect(w, "!1=0 -1=0 ");
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
                expect(w, expected);
                assert_int_equal(net_connections(w->net), 0);
                world_free(w);
        }
}

static void test_an_address_without_a_route_is_told(void **state)
{
        struct world *w = world_new(&net_limits_default);
        (void)state;
        dial(w, 1, "255.255.255.255", 9);
        await(w, "!1=-");
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
        await(w, "!1=-");
        await(w, "!3=-");
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
        expect(w, expected);
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
        idle(w);
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
        send_filled(w, 1, 4, 'q');
        net_notify_sent(w->net, 1);
        expect(w, "!1=0 s1 ");
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(read_filled(w, fd, 4, 'q'), 0);
        (void)close(fd);
        (void)close(listener);
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
                cmocka_unit_test(test_a_client_that_does_not_read_is_dropped_at_its_limit),
                cmocka_unit_test(test_a_burst_that_the_socket_takes_is_no_backlog),
                cmocka_unit_test(test_a_server_has_a_limit_of_its_own),
                cmocka_unit_test(test_of_all_clients_the_one_with_the_largest_backlog_goes_first),
                cmocka_unit_test(test_a_client_that_takes_no_answers_gets_no_questions_in),
                cmocka_unit_test(test_a_client_that_reads_may_ask_for_more_than_its_limit),
                cmocka_unit_test(test_a_stop_in_the_middle_of_a_read_keeps_the_rest),
                cmocka_unit_test(test_a_gentle_close_delivers_all_and_drains_what_the_other_side_still_says),
                cmocka_unit_test(test_a_gentle_close_gives_up_after_its_time),
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
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
