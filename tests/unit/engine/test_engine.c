/* The loop around a core: events in, effects out, over real sockets. The engine runs on a thread of its
 * own, as its process would; the test is its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/ipc.h"
#include "daemon/engine/engine.h"
#include "election/base/alloc.h"
#include "tests/unit/engine/fake_core.h"
#include "tests/unit/engine/fake_store.h"
#include "tests/unit/engine/peer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct world {
        struct engine_config config;
        struct server server;
        struct store store;
        struct snapstore snapstore;
        struct engine *engine;
        pthread_t thread;
        int status;
};

typedef void (*step_fn)(struct server *s, const struct event *e, struct effects *fx);

static void *run(void *arg)
{
        struct world *w = arg;
        w->status = engine_run(w->engine);
        return NULL;
}

static void prepare(struct world *w, step_fn step, bool peers)
{
        char why[256] = "";
        const struct engine_parts parts = {
                .config = &w->config, .server = &w->server, .store = &w->store, .snapstore = &w->snapstore};
        struct member m = {.sid = 1, .host = "127.0.0.1"};
        *w = (struct world){.config = {.client_host = "127.0.0.1", .peers = peers, .server = {.sid = 1}}};
        assert_int_equal(ensemble_add(&w->config.server.ensemble, &m), 0);
        w->server = (struct server){.step = step, .deadline = UINT64_MAX};
        fake_store_init(&w->store);
        fake_store_init(&w->snapstore.noted);
        if (engine_new(&parts, &w->engine, why, sizeof why) < 0)
                fail_msg("%s", why);
}

static void start(struct world *w, step_fn step)
{
        prepare(w, step, false);
        assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

/* Waits for the engine's end by itself. Returns its exit status. */
static int finish(struct world *w)
{
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        engine_free(w->engine);
        fake_store_done(&w->store);
        fake_store_done(&w->snapstore.noted);
        return w->status;
}

static int client(struct world *w)
{
        int fd = peer_connect(false, engine_listening_on(w->engine, PORT_CLIENT));
        assert_true(fd >= 0);
        return fd;
}

static int stop(struct world *w)
{
        assert_int_equal(kill(getpid(), SIGTERM), 0);
        return finish(w);
}

/* ---- cores ---- */

static void halt_on_stop(const struct event *e, struct effects *fx)
{
        if (e->type == EVENT_STOP)
                effect_halt(fx, 0, "stopped");
}

static void echo(struct server *s, const struct event *e, struct effects *fx)
{
        (void)s;
        if (e->type == EVENT_CONN_BYTES)
                effect_send(fx, e->conn, blob_copy(e->bytes.data, e->bytes.len));
        halt_on_stop(e, fx);
}

/* Appends what it reads and answers when it is durable. */
static void write_first(struct server *s, const struct event *e, struct effects *fx)
{
        if (e->type == EVENT_CONN_BYTES) {
                struct blob *b = blob_copy(e->bytes.data, e->bytes.len);
                s->ticket = effect_log_append(fx, b, 0, b->len, 1);
                blob_unref(b);
        }
        if (e->type == EVENT_DISK_DONE && e->disk.ticket == s->ticket)
                effect_send(fx, s->client, blob_copy("durable", 7));
        if (e->type == EVENT_DISK_FAILED)
                effect_halt(fx, 4, "the disk failed: %s", e->disk.why);
        halt_on_stop(e, fx);
}

static void tick_once(struct server *s, const struct event *e, struct effects *fx)
{
        if (e->type == EVENT_START) {
                s->ticket = e->now.mono_ms + 30;
                s->deadline = s->ticket;
        }
        if (e->type == EVENT_TICK && e->now.mono_ms >= s->deadline) {
                s->deadline = UINT64_MAX;
                effect_halt(fx, 0, "ticked");
        }
}

/* Says much, closes and halts, all in one step. */
static void farewell(struct server *s, const struct event *e, struct effects *fx)
{
        (void)s;
        if (e->type != EVENT_CONN_BYTES)
                return;
        struct blob *b = blob_new(1 << 20);
        memset(b->data, 'x', b->len);
        effect_send(fx, e->conn, b);
        effect_close(fx, e->conn, true);
        effect_unlisten(fx);
        effect_halt(fx, 7, "said farewell");
}

static void snapshot_on_bytes(struct server *s, const struct event *e, struct effects *fx)
{
        if (e->type == EVENT_CONN_BYTES) {
                (void)effect_snapshot_begin(fx, 5);
                (void)effect_snapshot_chunk(fx, blob_copy("x", 1));
                s->ticket = effect_snapshot_end(fx, 5, false);
        }
        if (e->type == EVENT_SNAPSHOT_DONE && e->disk.ticket == s->ticket)
                effect_send(fx, s->client, blob_copy("kept", 4));
        halt_on_stop(e, fx);
}

/* Cuts the log and tells which state came back with it. */
static void truncate_on_bytes(struct server *s, const struct event *e, struct effects *fx)
{
        if (e->type == EVENT_CONN_BYTES)
                s->ticket = effect_truncate(fx, 5, true);
        if (e->type == EVENT_DISK_DONE && e->disk.ticket == s->ticket)
                effect_send(fx, s->client, blob_copy(e->disk.reloaded ? "yes" : "no!", 3));
        halt_on_stop(e, fx);
}

/* ---- the tests ---- */

static void test_the_first_event_is_start_and_sigterm_asks_for_the_end(void **state)
{
        struct world w;
        char back[5];
        (void)state;
        start(&w, echo);
        int fd = client(&w);
        peer_send(fd, "hello", 5);
        peer_read(fd, back, 5);
        assert_memory_equal(back, "hello", 5);
        assert_int_equal(stop(&w), 0);
        assert_int_equal(w.server.first, EVENT_START);
        assert_int_equal(w.server.events[EVENT_START], 1);
        assert_int_equal(w.server.events[EVENT_STOP], 1);
        assert_int_equal(w.server.client, 2);
        assert_string_equal(w.server.address, "127.0.0.1");
        assert_int_equal(peer_read_some(fd, back, 5), 0);
        (void)close(fd);
}

static void test_an_answer_that_waits_for_the_disk_comes_after_it(void **state)
{
        struct world w;
        char back[7];
        (void)state;
        start(&w, write_first);
        fake_store_hold(&w.store, true);
        int fd = client(&w);
        peer_send(fd, "w", 1);
        fake_store_await_sync(&w.store);
        assert_int_equal(peer_read_some(fd, back, 7), -EAGAIN);
        fake_store_hold(&w.store, false);
        peer_read(fd, back, 7);
        assert_memory_equal(back, "durable", 7);
        (void)close(fd);
        assert_int_equal(stop(&w), 0);
}

static void test_a_failed_disk_reaches_the_core_and_its_status_becomes_the_exit_status(void **state)
{
        struct world w;
        (void)state;
        prepare(&w, write_first, false);
        w.store.fail_sync = -EIO;
        assert_int_equal(pthread_create(&w.thread, NULL, run, &w), 0);
        int fd = client(&w);
        peer_send(fd, "w", 1);
        assert_int_equal(finish(&w), ENGINE_EXIT_DISK);
        assert_int_equal(w.server.status, -EIO);
        assert_int_equal(w.server.events[EVENT_DISK_FAILED], 1);
        (void)close(fd);
}

static void test_a_tick_comes_at_the_deadline_not_before(void **state)
{
        struct world w;
        (void)state;
        start(&w, tick_once);
        assert_int_equal(finish(&w), 0);
        assert_true(w.server.tick_ms >= w.server.ticket);
        assert_int_equal(w.server.events[EVENT_TICK], 1);
}

static void test_each_turn_looks_for_memory_to_give_back(void **state)
{
        unsigned looks = 0;
        struct world w;
        (void)state;
        prepare(&w, tick_once, false);
        w.server.tree_looks = &looks;
        assert_int_equal(pthread_create(&w.thread, NULL, run, &w), 0);
        assert_int_equal(finish(&w), 0);
        assert_true(looks > 1);
}

static void test_what_was_to_be_flushed_is_flushed_before_the_end(void **state)
{
        static char all[1 << 20];
        struct world w;
        (void)state;
        start(&w, farewell);
        uint16_t port = engine_listening_on(w.engine, PORT_CLIENT);
        int fd = client(&w);
        peer_send(fd, "x", 1);
        peer_read(fd, all, sizeof all);
        for (size_t i = 0; i < sizeof all; i++)
                assert_int_equal(all[i], 'x');
        peer_read_end(fd);
        (void)close(fd);
        assert_int_equal(finish(&w), 7);
        assert_int_equal(peer_connect(false, port), -ECONNREFUSED);
}

static void test_snapshot_effects_are_carried_out_and_reported(void **state)
{
        struct world w;
        char back[4];
        (void)state;
        start(&w, snapshot_on_bytes);
        int fd = client(&w);
        peer_send(fd, "s", 1);
        peer_read(fd, back, 4);
        assert_memory_equal(back, "kept", 4);
        (void)close(fd);
        assert_int_equal(stop(&w), 0);
        assert_string_equal(w.snapstore.noted.journal, "B1 C2x E3 ");
}

static void test_a_reloaded_state_is_shown_to_the_core_and_freed(void **state)
{
        struct world w;
        char back[3];
        (void)state;
        start(&w, truncate_on_bytes);
        int fd = client(&w);
        peer_send(fd, "t", 1);
        peer_read(fd, back, 3);
        assert_memory_equal(back, "yes", 3);
        (void)close(fd);
        assert_int_equal(stop(&w), 0);
        assert_int_equal(w.store.reloads_alive, 0);
}

static void test_facts_are_fresh_when_a_word_may_be_coming(void **state)
{
        struct world w;
        char back[4];
        (void)state;
        start(&w, echo);
        int fd = client(&w);
        peer_send(fd, "mntr", 4);
        peer_read(fd, back, 4);
        (void)close(fd);
        assert_int_equal(stop(&w), 0);
        assert_true(w.server.facts_set >= 1);
        assert_true(w.server.facts.open_files > 3);
        assert_true(w.server.facts.max_files >= w.server.facts.open_files);
}

static void test_a_member_listens_on_all_three_ports(void **state)
{
        struct world w;
        (void)state;
        prepare(&w, echo, true);
        for (int port = 0; port < PORT_MAX; port++)
                assert_int_not_equal(engine_listening_on(w.engine, (enum port)port), 0);
        engine_free(w.engine);
        fake_store_done(&w.store);
        fake_store_done(&w.snapstore.noted);
}

static void test_a_port_that_is_taken_is_refused_with_a_sentence(void **state)
{
        struct world w;
        char why[256] = "";
        struct engine *second = NULL;
        (void)state;
        prepare(&w, echo, false);
        const struct engine_parts parts = {
                .config = &w.config, .server = &w.server, .store = &w.store, .snapstore = &w.snapstore};
        w.config.client_port = engine_listening_on(w.engine, PORT_CLIENT);
        assert_int_equal(engine_new(&parts, &second, why, sizeof why), -EADDRINUSE);
        assert_non_null(strstr(why, "the client port 127.0.0.1:"));
        assert_non_null(strstr(why, "another program listens there"));
        engine_free(second);
        engine_free(w.engine);
        fake_store_done(&w.store);
        fake_store_done(&w.snapstore.noted);
}

/* The end that nobody asked for with a signal: by a word, or by silence. */
static void test_a_supervised_engine_ends_with_its_supervisor(void **state)
{
        static const uint8_t words[][12] = {{0, 0, 0, 8, 0, 0, 0, MESSAGE_STOP, 0, 0, 0, STOP_KEEP}};
        (void)state;
        for (int silent = 0; silent < 2; silent++) {
                struct world w;
                int fds[2];
                prepare(&w, echo, false);
                assert_int_equal(ipc_pair(fds), 0);
                assert_int_equal(engine_control(w.engine, fds[0]), 0);
                assert_int_equal(pthread_create(&w.thread, NULL, run, &w), 0);
                if (!silent)
                        assert_int_equal(write(fds[1], words[0], sizeof words[0]), sizeof words[0]);
                if (silent)
                        assert_int_equal(close(fds[1]), 0);
                assert_int_equal(finish(&w), 0);
                assert_int_equal(w.server.events[EVENT_STOP], 1);
                if (!silent)
                        assert_int_equal(close(fds[1]), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_first_event_is_start_and_sigterm_asks_for_the_end),
                cmocka_unit_test(test_an_answer_that_waits_for_the_disk_comes_after_it),
                cmocka_unit_test(test_a_failed_disk_reaches_the_core_and_its_status_becomes_the_exit_status),
                cmocka_unit_test(test_a_tick_comes_at_the_deadline_not_before),
                cmocka_unit_test(test_each_turn_looks_for_memory_to_give_back),
                cmocka_unit_test(test_what_was_to_be_flushed_is_flushed_before_the_end),
                cmocka_unit_test(test_snapshot_effects_are_carried_out_and_reported),
                cmocka_unit_test(test_a_reloaded_state_is_shown_to_the_core_and_freed),
                cmocka_unit_test(test_facts_are_fresh_when_a_word_may_be_coming),
                cmocka_unit_test(test_a_member_listens_on_all_three_ports),
                cmocka_unit_test(test_a_port_that_is_taken_is_refused_with_a_sentence),
                cmocka_unit_test(test_a_supervised_engine_ends_with_its_supervisor),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
