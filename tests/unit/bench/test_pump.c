/* Requests over a connection to a process that answers each with a header and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/pump.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A frame that the echo reads: far more than a request here has. */
#define FRAME_MAX 4096

static bool read_whole(int fd, uint8_t *to, size_t size)
{
        for (size_t at = 0; at < size;) {
                ssize_t n = read(fd, to + at, size - at);
                if (n <= 0)
                        return false;
                at += (size_t)n;
        }
        return true;
}

/* Whether the process keeps its answer to a request until a ping comes. */
static bool keeps_answers;

/* The greeting's answer has a session; every other one the request's xid, and no error. */
static void echo(int listener)
{
        static const uint8_t ping[4] = {0xff, 0xff, 0xff, 0xfe};
        uint8_t kept[4] = {0};
        int fd = accept(listener, NULL, NULL);
        uint8_t head[4], frame[FRAME_MAX];
        for (bool greeted = false; read_whole(fd, head, sizeof head); greeted = true) {
                size_t len = (size_t)head[2] << 8 | head[3];
                uint8_t answer[41] = {[3] = 37, [11] = 100, [19] = 7, [23] = 16};
                if (len > sizeof frame || !read_whole(fd, frame, len))
                        break;
                size_t size = sizeof answer;
                if (greeted) {
                        size = 20;
                        memset(answer, 0, size);
                        answer[3] = 16;
                        memcpy(answer + 4, frame, 4);
                        if (keeps_answers && memcmp(frame, ping, sizeof ping) != 0) {
                                memcpy(kept, frame, sizeof kept);
                                continue;
                        }
                        if (keeps_answers)
                                memcpy(answer + 4, kept, sizeof kept);
                }
                if (write(fd, answer, size) != (ssize_t)size)
                        break;
        }
        _exit(0);
}

static struct load l;
static struct load_options options = {.connections = 1,
                                      .outstanding = 4,
                                      .keys = 1,
                                      .value_bytes = 16,
                                      .timeout_ms = 10000,
                                      .root = "/b",
                                      .canned = true};
static pid_t child;

static int connected(void **state)
{
        (void)state;
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (const struct sockaddr *)&at, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                echo(listener);
        (void)close(listener);
        options.servers[0] = at;
        options.servers_count = 1;
        load_init(&l, &options);
        load_open_all(&l, 1);
        return 0;
}

static int connected_to_one_that_keeps_answers(void **state)
{
        keeps_answers = true;
        options.timeout_ms = 30;
        return connected(state);
}

static int over(void **state)
{
        (void)state;
        load_done(&l);
        keeps_answers = false;
        options.timeout_ms = 10000;
        int status = 0;
        return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

/* Workloads keep a pump and run it before and after what they measure: the second time must send as much as the first.
 */
static void test_a_pump_that_is_run_again_sends_again(void **state)
{
        (void)state;
        struct pump p = {.op = DO_SYNC_ROOT, .keys = 1, .operations = 10};
        int32_t before = l.conns[0].xid;
        pump_run(&l, &p);
        assert_int_equal(p.done, 10);
        assert_int_equal(l.conns[0].xid, before + 10);
        pump_run(&l, &p);
        assert_int_equal(p.done, 10);
        assert_int_equal(l.conns[0].xid, before + 20);
        assert_int_equal(l.conns[0].count, 0);
}

static void test_only_what_is_measured_counts(void **state)
{
        (void)state;
        struct pump p = {.op = DO_SYNC_ROOT, .keys = 1, .operations = 7};
        histogram_init(&l.latency);
        pump_run(&l, &p);
        assert_int_equal(l.measured, 0);
        assert_int_equal(l.latency.count, 0);
        p.measured = true;
        pump_run(&l, &p);
        assert_int_equal(l.measured, 7);
        assert_int_equal(l.latency.count, 7);
        assert_true(l.to.at_ns > l.from.at_ns);
}

/* As ZooKeeper 3.8.0 now and then does with an only client's only request. */
static void test_an_answer_that_does_not_come_is_pinged_for(void **state)
{
        (void)state;
        struct pump p = {.op = DO_SYNC_ROOT, .keys = 1, .operations = 1, .outstanding = 1};
        pump_run(&l, &p);
        assert_int_equal(p.done, 1);
        assert_int_equal(l.stalls, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_pump_that_is_run_again_sends_again, connected, over),
                cmocka_unit_test_setup_teardown(test_only_what_is_measured_counts, connected, over),
                cmocka_unit_test_setup_teardown(test_an_answer_that_does_not_come_is_pinged_for,
                                                connected_to_one_that_keeps_answers, over),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
