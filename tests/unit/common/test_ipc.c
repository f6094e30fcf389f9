/* Conversations over real socketpairs on a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/ipc.h"
#include "random_message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A deadlock ends the test with a sentence instead of the runner's patience. */
#define PATIENCE_MS 20000
#define GOT_MAX     4096

/* One end and what it was told. */
struct end {
        struct ipc *ipc;
        size_t count, wanted;
        enum message_type types[GOT_MAX];
        int64_t numbers[GOT_MAX];
        int fds[GOT_MAX];
        bool closed;
        int status;
        bool free_in_message, free_in_closed, echo;
        const struct message *expected; /* compared with the next one */
};

struct world {
        uv_loop_t loop;
        uv_timer_t patience;
        struct end a, b;
        int raw; /* the other end of `a`, where b is no ipc; -1 */
};

static void on_patience(uv_timer_t *t)
{
        (void)t;
        fail_msg("nothing happened for %d ms", PATIENCE_MS);
}

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct end *e = ctx;
        assert_ptr_equal(ipc, e->ipc);
        assert_false(e->closed);
        assert_true(e->count < GOT_MAX);
        if (e->expected)
                assert_message_equal(e->expected, m);
        e->types[e->count] = m->type;
        e->numbers[e->count] = m->number;
        e->fds[e->count] = m->fd;
        e->count++;
        if (e->echo) {
                struct message answer = message_of(MESSAGE_PONG);
                answer.number = m->number;
                (void)ipc_send(ipc, &answer); /* may be over already */
        }
        if (e->free_in_message) {
                ipc_free(ipc);
                e->ipc = NULL;
        }
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct end *e = ctx;
        assert_ptr_equal(ipc, e->ipc);
        assert_false(e->closed);
        e->closed = true;
        e->status = status;
        if (e->free_in_closed) {
                ipc_free(ipc);
                e->ipc = NULL;
        }
}

/* Both ends are conversations, or (`raw`) one of them the test's own. */
static struct world *world_new(bool raw)
{
        struct world *w = calloc(1, sizeof *w);
        int fds[2];
        assert_non_null(w);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        assert_int_equal(uv_timer_init(&w->loop, &w->patience), 0);
        assert_int_equal(uv_timer_start(&w->patience, on_patience, PATIENCE_MS, 0), 0);
        assert_int_equal(ipc_pair(fds), 0);
        assert_int_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(fds[1], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(ipc_new(&w->loop, fds[0], on_message, on_closed, &w->a, &w->a.ipc), 0);
        w->raw = raw ? fds[1] : -1;
        if (!raw)
                assert_int_equal(ipc_new(&w->loop, fds[1], on_message, on_closed, &w->b, &w->b.ipc), 0);
        return w;
}

static void world_free(struct world *w)
{
        if (w->raw >= 0)
                assert_int_equal(close(w->raw), 0);
        ipc_free(w->a.ipc);
        ipc_free(w->b.ipc);
        uv_close((uv_handle_t *)&w->patience, NULL);
        assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&w->loop), 0);
        free(w);
}

#define RUN_UNTIL(w, condition)                                                                                        \
        do {                                                                                                           \
                while (!(condition))                                                                                   \
                        (void)uv_run(&(w)->loop, UV_RUN_ONCE);                                                         \
        } while (0)

static int send_number(struct end *e, enum message_type type, int64_t number)
{
        struct message m = message_of(type);
        m.number = number;
        return ipc_send(e->ipc, &m);
}

static void test_messages_arrive_whole_and_in_order(void **state)
{
        struct world *w = world_new(false);
        (void)state;
        w->b.echo = true;
        for (int i = 0; i < 1000; i++)
                assert_int_equal(send_number(&w->a, MESSAGE_PING, i), 0);
        RUN_UNTIL(w, w->a.count == 1000);
        for (int i = 0; i < 1000; i++) {
                assert_int_equal(w->b.types[i], MESSAGE_PING);
                assert_int_equal(w->b.numbers[i], i);
                assert_int_equal(w->a.types[i], MESSAGE_PONG);
                assert_int_equal(w->a.numbers[i], i);
        }
        world_free(w);
}

static void test_random_messages_arrive_as_they_were(void **state)
{
        static struct random_message one;
        struct prng p = {.state = 5};
        struct world *w = world_new(false);
        (void)state;
        for (size_t i = 0; i < 400; i++) {
                random_message(&p, (enum message_type)(i % MESSAGE_MAX), &one);
                one.m.fd = message_has_fd(one.m.type) ? STDERR_FILENO : -1;
                w->b.expected = &one.m;
                assert_int_equal(ipc_send(w->a.ipc, &one.m), 0);
                RUN_UNTIL(w, w->b.count == i + 1);
                assert_int_equal(w->b.fds[i] >= 0, message_has_fd(one.m.type));
                if (w->b.fds[i] >= 0)
                        assert_int_equal(close(w->b.fds[i]), 0);
        }
        world_free(w);
}

static int file_with(const char *text)
{
        char name[] = "/tmp/test_ipc_XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
        return fd;
}

/* The kernel's buffer is full long before all of this is sent; every descriptor still comes with its own message. */
static void test_descriptors_keep_their_messages_under_back_pressure(void **state)
{
        enum { ROUNDS = 60, VALUE_BYTES = 100000 };
        static uint8_t value[VALUE_BYTES];
        struct world *w = world_new(false);
        (void)state;
        for (int i = 0; i < ROUNDS; i++) {
                char text[16];
                (void)snprintf(text, sizeof text, "file %02d", i);
                struct message big = message_of(MESSAGE_CONFIG), link = message_of(MESSAGE_LINK);
                big.data = jute_str_of(value, sizeof value);
                big.path = jute_cstr("x");
                link.fd = file_with(text);
                memcpy(link.name.text, "agent", 6);
                assert_int_equal(ipc_send(w->a.ipc, &big), 0);
                assert_int_equal(ipc_send(w->a.ipc, &link), 0);
                assert_int_equal(close(link.fd), 0); /* the conversation has its own */
        }
        RUN_UNTIL(w, w->b.count == 2 * ROUNDS);
        for (int i = 0; i < ROUNDS; i++) {
                char text[16], got[16] = "";
                int fd = w->b.fds[2 * i + 1];
                (void)snprintf(text, sizeof text, "file %02d", i);
                assert_int_equal(w->b.types[2 * i], MESSAGE_CONFIG);
                assert_int_equal(w->b.types[2 * i + 1], MESSAGE_LINK);
                assert_int_equal(w->b.fds[2 * i], -1);
                assert_true(fd >= 0);
                assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
                assert_int_equal(pread(fd, got, sizeof got, 0), strlen(text));
                assert_string_equal(got, text);
                assert_int_equal(close(fd), 0);
        }
        world_free(w);
}

static void test_a_peer_that_reads_nothing_is_given_up(void **state)
{
        static uint8_t value[1 << 20];
        struct world *w = world_new(true);
        struct message m = message_of(MESSAGE_CONFIG);
        int r = 0;
        size_t sent = 0;
        (void)state;
        m.data = jute_str_of(value, sizeof value);
        while (r == 0 && sent < 100) {
                r = ipc_send(w->a.ipc, &m);
                sent += r == 0;
        }
        assert_int_equal(r, -ENOBUFS);
        assert_in_range(sent, 30, 33);
        assert_false(w->a.closed); /* never inside ipc_send() */
        assert_int_equal(ipc_send(w->a.ipc, &m), -EPIPE);
        RUN_UNTIL(w, w->a.closed);
        assert_int_equal(w->a.status, -ENOBUFS);
        world_free(w);
}

static void test_a_message_that_is_too_long_is_not_sent(void **state)
{
        struct world *w = world_new(true);
        struct message m = message_of(MESSAGE_CONFIG);
        uint8_t *value = calloc(1, MESSAGE_BYTES_MAX);
        (void)state;
        assert_non_null(value);
        m.data = jute_str_of(value, MESSAGE_BYTES_MAX);
        assert_int_equal(ipc_send(w->a.ipc, &m), -EMSGSIZE);
        assert_false(w->a.closed);
        RUN_UNTIL(w, w->a.closed);
        assert_int_equal(w->a.status, -EMSGSIZE);
        free(value);
        world_free(w);
}

static void say_raw(struct world *w, const void *bytes, size_t len)
{
        assert_int_equal(send(w->raw, bytes, len, MSG_NOSIGNAL), len);
}

static void test_what_nobody_can_read_ends_the_conversation(void **state)
{
        static const struct {
                uint8_t bytes[12];
                size_t len;
        } cases[] = {
                {{0x00, 0x20, 0x00, 0x01}, 4},                         /* longer than any message */
                {{0xff, 0xff, 0xff, 0xff}, 4},                         /* negative */
                {{0, 0, 0, 0}, 4},                                     /* no type */
                {{0, 0, 0, 4, 0, 0, 0x10, 0}, 8},                      /* no such type */
                {{0, 0, 0, 4, 0, 0, 0, MESSAGE_PING}, 8},              /* a part of one */
                {{0, 0, 0, 8, 0, 0, 0, MESSAGE_LINK, 0, 0, 0, 0}, 12}, /* the descriptor is missing */
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct world *w = world_new(true);
                say_raw(w, cases[i].bytes, cases[i].len);
                RUN_UNTIL(w, w->a.closed);
                assert_int_equal(w->a.status, -EPROTO);
                assert_int_equal(w->a.count, 0);
                world_free(w);
        }
}

/* Sends bytes with `count` descriptors, as no ipc does. */
static void say_with_descriptors(struct world *w, const void *bytes, size_t len, size_t count)
{
        char control[CMSG_SPACE(64 * sizeof(int))] = {0};
        struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
        struct msghdr h = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = CMSG_SPACE(count * sizeof(int))};
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (size_t i = 0; i < count; i++) {
                int fd = STDERR_FILENO;
                memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
        }
        assert_int_equal(sendmsg(w->raw, &h, MSG_NOSIGNAL), len);
}

static size_t open_descriptors(void)
{
        size_t n = 0;
        struct stat st;
        for (int fd = 0; fd < 256; fd++)
                n += fstat(fd, &st) == 0;
        return n;
}

static void test_descriptors_that_nobody_asked_for_end_it_and_are_closed(void **state)
{
        static const uint8_t ready[] = {0, 0, 0, 4, 0, 0, 0, MESSAGE_READY};
        static const size_t counts[] = {1, IPC_DESCRIPTORS_MAX, IPC_DESCRIPTORS_MAX + 1, 60};
        size_t before = open_descriptors();
        (void)state;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                struct world *w = world_new(true);
                say_with_descriptors(w, ready, sizeof ready, counts[i]);
                RUN_UNTIL(w, w->a.closed);
                assert_int_equal(w->a.status, -EPROTO);
                world_free(w);
                assert_int_equal(open_descriptors(), before);
        }
}

static void test_frames_come_together_from_single_bytes(void **state)
{
        static const uint8_t ping[] = {0, 0, 0, 12, 0, 0, 0, MESSAGE_PING, 0, 0, 0, 0, 0, 0, 1, 2};
        struct world *w = world_new(true);
        (void)state;
        for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < sizeof ping; i++) {
                        assert_int_equal(w->a.count, round);
                        say_raw(w, &ping[i], 1);
                        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
                }
                RUN_UNTIL(w, w->a.count == (size_t)round + 1);
                assert_int_equal(w->a.numbers[round], 0x102);
        }
        world_free(w);
}

static void test_the_last_words_of_a_peer_are_heard(void **state)
{
        static const uint8_t ready[] = {0, 0, 0, 4, 0, 0, 0, MESSAGE_READY};
        (void)state;
        for (int unread = 0; unread < 2; unread++) {
                struct world *w = world_new(true);
                say_raw(w, ready, sizeof ready);
                if (unread) /* it closes without having read all: the kernel tells that as an error */
                        assert_int_equal(send_number(&w->a, MESSAGE_PING, 1), 0);
                assert_int_equal(close(w->raw), 0);
                w->raw = -1;
                assert_int_equal(send_number(&w->a, MESSAGE_PING, 2), -EPIPE);
                assert_false(w->a.closed);
                RUN_UNTIL(w, w->a.closed);
                assert_int_equal(w->a.count, 1);
                assert_int_equal(w->a.types[0], MESSAGE_READY);
                assert_int_equal(w->a.status, 0);
                world_free(w);
        }
}

/* A process that is killed while it writes. */
static void test_half_a_frame_at_the_end_is_just_the_end(void **state)
{
        struct world *w = world_new(true);
        (void)state;
        say_raw(w, "\0\0\0\4\0", 5);
        assert_int_equal(close(w->raw), 0);
        w->raw = -1;
        RUN_UNTIL(w, w->a.closed);
        assert_int_equal(w->a.status, 0);
        assert_int_equal(w->a.count, 0);
        world_free(w);
}

static void test_it_may_be_freed_in_its_callbacks(void **state)
{
        (void)state;
        struct world *w = world_new(false);
        w->b.free_in_message = true;
        w->a.free_in_closed = true;
        for (int i = 0; i < 5; i++)
                assert_int_equal(send_number(&w->a, MESSAGE_PING, i), 0);
        RUN_UNTIL(w, w->a.closed);
        assert_int_equal(w->b.count, 1); /* nothing more is told */
        assert_int_equal(w->a.status, 0);
        assert_null(w->a.ipc);
        assert_null(w->b.ipc);
        world_free(w);

        w = world_new(true);
        w->a.free_in_closed = true;
        struct message big = message_of(MESSAGE_CONFIG);
        uint8_t *value = calloc(1, MESSAGE_BYTES_MAX);
        assert_non_null(value);
        big.data = jute_str_of(value, MESSAGE_BYTES_MAX);
        assert_int_equal(ipc_send(w->a.ipc, &big), -EMSGSIZE);
        RUN_UNTIL(w, w->a.closed);
        world_free(w);

        w = world_new(true); /* freed while the end is about to be told: nothing is */
        assert_int_equal(ipc_send(w->a.ipc, &big), -EMSGSIZE);
        ipc_free(w->a.ipc);
        w->a.ipc = NULL;
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        assert_false(w->a.closed);
        free(value);
        world_free(w);
}

static void test_flush_sends_the_last_word(void **state)
{
        static uint8_t value[300000]; /* fits into two buffers of the kernel, not into one */
        struct world *w = world_new(true);
        struct message m = message_of(MESSAGE_CONFIG);
        uint8_t buffer[65536];
        ssize_t n = 0;
        size_t total = 0;
        (void)state;
        m.data = jute_str_of(value, sizeof value);
        assert_int_equal(ipc_send(w->a.ipc, &m), 0);
        ipc_flush(w->a.ipc, 1); /* nobody reads: it gives up waiting */
        while ((n = recv(w->raw, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
                total += (size_t)n;
        ipc_flush(w->a.ipc, PATIENCE_MS);
        ipc_free(w->a.ipc);
        w->a.ipc = NULL;
        while ((n = recv(w->raw, buffer, sizeof buffer, 0)) > 0)
                total += (size_t)n;
        assert_int_equal(total, 4 + 4 + 4 + 4 + sizeof value + 4 + 8);
        world_free(w);
}

static void test_what_is_no_socket_is_refused(void **state)
{
        uv_loop_t loop;
        struct end e = {.count = 0};
        (void)state;
        assert_int_equal(uv_loop_init(&loop), 0);
        size_t before = open_descriptors();
        assert_int_equal(ipc_new(&loop, -1, on_message, on_closed, &e, &e.ipc), -EBADF);
        assert_int_equal(ipc_new(&loop, file_with("x"), on_message, on_closed, &e, &e.ipc), -EPERM);
        assert_int_equal(open_descriptors(), before); /* taken, and closed */
        ipc_free(NULL);
        assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages_arrive_whole_and_in_order),
                cmocka_unit_test(test_random_messages_arrive_as_they_were),
                cmocka_unit_test(test_descriptors_keep_their_messages_under_back_pressure),
                cmocka_unit_test(test_a_peer_that_reads_nothing_is_given_up),
                cmocka_unit_test(test_a_message_that_is_too_long_is_not_sent),
                cmocka_unit_test(test_what_nobody_can_read_ends_the_conversation),
                cmocka_unit_test(test_descriptors_that_nobody_asked_for_end_it_and_are_closed),
                cmocka_unit_test(test_frames_come_together_from_single_bytes),
                cmocka_unit_test(test_the_last_words_of_a_peer_are_heard),
                cmocka_unit_test(test_half_a_frame_at_the_end_is_just_the_end),
                cmocka_unit_test(test_it_may_be_freed_in_its_callbacks),
                cmocka_unit_test(test_flush_sends_the_last_word),
                cmocka_unit_test(test_what_is_no_socket_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
