/* The status socket: several clients, slow ones, one that waits. The clients are on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/status_socket.h"
#include "daemon/engine/status.h"
#include "daemon/engine/status_json.h"
#include "election/base/alloc.h"
#include "tests/unit/engine/fake_core.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A test that waits for what never comes ends with a sentence. */
#define PATIENCE_MS 20000

struct desk {
        uv_loop_t loop;
        uv_timer_t patience;
        struct status *status;
        char dir[64], path[96];
        unsigned asked;
        size_t answer_len; /* what an answer is filled up to */
        bool hold;         /* a snapshot is not answered at once */
};

static void on_patience(uv_timer_t *t)
{
        (void)t;
        fail_msg("nothing more happens");
}

static char *on_ask(void *ctx, const struct status_request *r)
{
        struct desk *d = ctx;
        d->asked++;
        if (r->command == STATUS_SNAPSHOT && d->hold)
                return NULL;
        size_t len = d->answer_len ? d->answer_len : 2;
        char *text = malloc(len + 1);
        assert_non_null(text);
        memset(text, 'x', len);
        text[len] = '\0';
        return text;
}

static struct desk *desk_new(uint32_t client_ms)
{
        struct desk *d = mem_zalloc(sizeof *d);
        (void)snprintf(d->dir, sizeof d->dir, "/tmp/baton-status-XXXXXX");
        assert_non_null(mkdtemp(d->dir));
        assert_int_equal(status_socket_path(d->dir, d->path, sizeof d->path), 0);
        assert_int_equal(uv_loop_init(&d->loop), 0);
        assert_int_equal(uv_timer_init(&d->loop, &d->patience), 0);
        assert_int_equal(uv_timer_start(&d->patience, on_patience, PATIENCE_MS, 0), 0);
        int fd = status_socket_listen(d->dir, (uid_t)-1, (gid_t)-1);
        assert_true(fd >= 0);
        const struct status_host host = {.ctx = d, .ask = on_ask, .client_ms = client_ms};
        assert_int_equal(status_new(&d->loop, fd, &host, &d->status), 0);
        return d;
}

static void desk_free(struct desk *d)
{
        status_close(d->status);
        uv_close((uv_handle_t *)&d->patience, NULL);
        assert_int_equal(uv_run(&d->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&d->loop), 0);
        assert_int_equal(unlink(d->path), 0);
        assert_int_equal(rmdir(d->dir), 0);
        mem_free(d);
}

static int dial(const struct desk *d)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", d->path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        return fd;
}

static void say(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Runs the loop until the connection ends; returns how many bytes came, `text` the first of them. */
static size_t hear(struct desk *d, int fd, char *text, size_t size)
{
        size_t len = 0;
        char part[65536];
        for (;;) {
                (void)uv_run(&d->loop, UV_RUN_NOWAIT);
                ssize_t n = read(fd, part, sizeof part);
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        break;
                if (n < 0) {
                        assert_int_equal(errno, EAGAIN);
                        continue;
                }
                for (ssize_t i = 0; i < n; i++, len++)
                        if (len + 1 < size)
                                text[len] = part[i];
        }
        if (size)
                text[len < size ? len : size - 1] = '\0';
        (void)close(fd);
        return len;
}

static void pass(struct desk *d)
{
        for (int i = 0; i < 20; i++)
                (void)uv_run(&d->loop, UV_RUN_NOWAIT);
}

static void test_a_line_is_answered_in_whatever_pieces_it_comes(void **state)
{
        (void)state;
        struct desk *d = desk_new(STATUS_CLIENT_MS);
        char text[256];
        int fd = dial(d);
        for (const char *c = "status\r\n"; *c; c++) {
                say(fd, (char[]){*c, '\0'});
                pass(d);
        }
        assert_int_equal(hear(d, fd, text, sizeof text), 2);
        assert_string_equal(text, "xx");
        fd = dial(d);
        say(fd, "status");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(hear(d, fd, text, sizeof text), 2);
        assert_int_equal(d->asked, 2);
        fd = dial(d);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_int_equal(hear(d, fd, text, sizeof text), 0);
        fd = dial(d);
        memset(text, 'y', 200);
        text[200] = '\0';
        say(fd, text);
        assert_true(hear(d, fd, text, sizeof text) > 10);
        assert_non_null(strstr(text, "127 bytes"));
        assert_int_equal(d->asked, 2);
        desk_free(d);
}

static void test_a_long_answer_waits_for_a_slow_reader_and_stops_nobody(void **state)
{
        (void)state;
        struct desk *d = desk_new(STATUS_CLIENT_MS);
        d->answer_len = 4u << 20;
        int slow = dial(d), quick;
        say(slow, "status\n");
        pass(d);
        d->answer_len = 2;
        for (int i = 0; i < 50; i++) {
                quick = dial(d);
                say(quick, "status\n");
                assert_int_equal(hear(d, quick, NULL, 0), 2);
        }
        assert_int_equal(hear(d, slow, NULL, 0), 4u << 20);
        desk_free(d);
}

static void test_who_says_nothing_or_reads_nothing_is_closed_in_time(void **state)
{
        (void)state;
        struct desk *d = desk_new(50);
        int silent = dial(d);
        assert_int_equal(hear(d, silent, NULL, 0), 0);
        d->answer_len = 16u << 20;
        int deaf = dial(d);
        say(deaf, "status\n");
        pass(d);
        int other = dial(d); /* begins later, ends later */
        assert_int_equal(hear(d, other, NULL, 0), 0);
        assert_true(hear(d, deaf, NULL, 0) < 16u << 20);
        desk_free(d);
}

static void test_too_many_are_closed_and_places_come_back(void **state)
{
        (void)state;
        struct desk *d = desk_new(STATUS_CLIENT_MS);
        int fds[STATUS_CLIENTS_MAX];
        for (size_t i = 0; i < STATUS_CLIENTS_MAX; i++)
                fds[i] = dial(d);
        pass(d);
        int more = dial(d);
        assert_int_equal(hear(d, more, NULL, 0), 0);
        (void)close(fds[0]);
        pass(d);
        more = dial(d);
        say(more, "reset\n");
        assert_int_equal(hear(d, more, NULL, 0), 2);
        for (size_t i = 1; i < STATUS_CLIENTS_MAX; i++)
                (void)close(fds[i]);
        desk_free(d);
}

static void test_one_may_wait_for_a_snapshot(void **state)
{
        (void)state;
        struct desk *d = desk_new(50);
        char text[256];
        d->hold = true;
        int first = dial(d), second;
        say(first, "snapshot\n");
        while (!status_waits(d->status))
                (void)uv_run(&d->loop, UV_RUN_NOWAIT);
        second = dial(d);
        say(second, "snapshot\n");
        assert_true(hear(d, second, text, sizeof text) > 0);
        assert_non_null(strstr(text, "asked for a snapshot already"));
        int silent = dial(d); /* time goes by, which does not concern the one that waits */
        assert_int_equal(hear(d, silent, NULL, 0), 0);
        assert_true(status_waits(d->status));
        char *answer = strdup("done");
        status_answer(d->status, answer);
        assert_int_equal(hear(d, first, text, sizeof text), 4);
        assert_string_equal(text, "done");
        status_answer(d->status, strdup("nobody"));
        first = dial(d); /* the next may; it goes before its answer comes */
        say(first, "snapshot\n");
        while (!status_waits(d->status))
                (void)uv_run(&d->loop, UV_RUN_NOWAIT);
        status_close(d->status);
        (void)close(first);
        uv_close((uv_handle_t *)&d->patience, NULL);
        assert_int_equal(uv_run(&d->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&d->loop), 0);
        assert_int_equal(unlink(d->path), 0);
        assert_int_equal(rmdir(d->dir), 0);
        mem_free(d);
}

/* ---- the socket file ---- */

static void test_a_socket_is_taken_over_only_from_the_dead(void **state)
{
        (void)state;
        char dir[64] = "/tmp/baton-status-XXXXXX", path[96], file[128];
        struct stat st;
        assert_non_null(mkdtemp(dir));
        assert_int_equal(status_socket_path(dir, path, sizeof path), 0);
        int fd = status_socket_listen(dir, getuid(), getgid());
        assert_true(fd >= 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_int_equal(status_socket_listen(dir, (uid_t)-1, (gid_t)-1), -EADDRINUSE);
        /* Alive, but standing still: its queue is full now, and that is no death. */
        int asking[STATUS_SOCKET_BACKLOG + 2];
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
                asking[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                assert_true(asking[i] >= 0);
                (void)connect(asking[i], (const struct sockaddr *)&address, sizeof address);
        }
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(status_socket_listen(dir, (uid_t)-1, (gid_t)-1), -EADDRINUSE);
        for (size_t i = 0; i < sizeof asking / sizeof *asking; i++)
                (void)close(asking[i]);
        (void)close(fd);
        fd = status_socket_listen(dir, (uid_t)-1, (gid_t)-1);
        assert_true(fd >= 0);
        (void)close(fd);
        assert_int_equal(unlink(path), 0);
        FILE *f = fopen(path, "we"); /* somebody's file */
        assert_non_null(f);
        (void)fclose(f);
        assert_int_equal(status_socket_listen(dir, (uid_t)-1, (gid_t)-1), -EEXIST);
        assert_int_equal(unlink(path), 0);
        (void)snprintf(file, sizeof file, "%s/none", dir);
        assert_int_equal(status_socket_listen(file, (uid_t)-1, (gid_t)-1), -ENOENT);
        memset(file, 'd', 120);
        file[0] = '/';
        file[120] = '\0';
        assert_int_equal(status_socket_listen(file, (uid_t)-1, (gid_t)-1), -ENAMETOOLONG);
        assert_int_equal(rmdir(dir), 0);
}

/* ---- answers ---- */

static json_t *read_back(char *text)
{
        size_t len = strlen(text);
        assert_true(len && text[len - 1] == '\n' && !memchr(text, '\n', len - 1));
        json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(o));
        free(text);
        return o;
}

static void test_answers_are_objects_with_all_there_is(void **state)
{
        (void)state;
        struct server core = {.facts_set = 7};
        struct server_config config = {.name = "caf\xe9", .sid = 3, .version = "3.9.5-x"};
        struct server_facts facts = {.open_files = 9};
        struct moment now = {.mono_ms = 5000};
        json_t *o = read_back(status_json(&core, &config, &facts, &now));
        assert_true(json_is_null(json_object_get(o, "node"))); /* no UTF-8 */
        json_t *m = json_object_get(o, "monitor");
        assert_int_equal(json_integer_value(json_object_get(m, "facts_set")), 7);
        assert_true(json_real_value(json_object_get(m, "avg_latency")) == 1.5);
        json_t *f = json_object_get(m, "fsynctime");
        assert_true(json_real_value(json_object_get(f, "avg")) == 1.5);
        assert_int_equal(json_integer_value(json_object_get(f, "max")), 2);
        assert_null(json_object_get(f, "p50"));
        assert_int_equal(json_integer_value(json_object_get(json_object_get(m, "readlatency"), "p999")), 0);
        json_t *l = json_array_get(json_object_get(o, "learners"), 0);
        assert_int_equal(json_integer_value(json_object_get(l, "lag")), 2);
        assert_string_equal(json_string_value(json_object_get(l, "acked_zxid")), "0x500000005");
        assert_string_equal(json_string_value(json_object_get(l, "synchronised_by")), "DIFF");
        assert_true(json_is_null(json_object_get(l, "address"))); /* no such member */
        json_decref(o);
}

static void test_pages_follow_each_other(void **state)
{
        (void)state;
        struct server core = {.facts_set = 0};
        struct status_request r = {.command = STATUS_CONNECTIONS, .count = 4};
        json_int_t next = 0;
        for (int page = 0; page < 3; page++) {
                json_t *o = read_back(status_json_connections(&core, &r));
                const size_t count = json_array_size(json_object_get(o, "connections"));
                assert_int_equal(count, page < 2 ? 4 : 2);
                assert_int_equal(json_is_null(json_object_get(o, "next")), page == 2);
                next = json_integer_value(json_object_get(o, "next"));
                assert_int_equal(next, page < 2 ? 8 * (page + 1) : 0);
                r.after = (uint64_t)next;
                json_decref(o);
        }
}

static void test_a_snapshot_is_told_with_its_file_or_why_not(void **state)
{
        (void)state;
        struct server_snapshots s = {.zxid = 0x123};
        json_t *o = read_back(status_json_snapshot(&s, "/data"));
        assert_string_equal(json_string_value(json_object_get(o, "file")), "/data/version-2/snapshot.123");
        json_decref(o);
        for (int i = 0; i < 2; i++) {
                s.status = i ? -ECANCELED : -EIO;
                o = read_back(status_json_snapshot(&s, "/data"));
                assert_non_null(json_object_get(o, "error"));
                assert_null(json_object_get(o, "file"));
                json_decref(o);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line_is_answered_in_whatever_pieces_it_comes),
                cmocka_unit_test(test_a_long_answer_waits_for_a_slow_reader_and_stops_nobody),
                cmocka_unit_test(test_who_says_nothing_or_reads_nothing_is_closed_in_time),
                cmocka_unit_test(test_too_many_are_closed_and_places_come_back),
                cmocka_unit_test(test_one_may_wait_for_a_snapshot),
                cmocka_unit_test(test_a_socket_is_taken_over_only_from_the_dead),
                cmocka_unit_test(test_answers_are_objects_with_all_there_is),
                cmocka_unit_test(test_pages_follow_each_other),
                cmocka_unit_test(test_a_snapshot_is_told_with_its_file_or_why_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
