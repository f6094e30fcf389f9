/* What an engine and its supervisor say to each other. The test is the supervisor, on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/ipc.h"
#include "daemon/engine/control.h"
#include "election/zab/zab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A test that waits for what never comes ends with a sentence. */
#define PATIENCE_MS 20000

/* One conversation as its other end hears it: "ready; role leading (leading, epoch 3); …". */
struct ear {
        struct ipc *ipc;
        char heard[1024];
        size_t count;
        bool closed;
};

struct world {
        uv_loop_t loop;
        uv_timer_t patience;
        struct control *control;
        struct ear supervisor;
        char stopped[64];
        unsigned stops;
};

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct ear *e = ctx;
        size_t len = strlen(e->heard);
        (void)ipc;
        if (m->type == MESSAGE_ROLE)
                (void)snprintf(e->heard + len, sizeof e->heard - len, "role %s (%.*s); ", node_role_name(m->role),
                               (int)m->text.len, (const char *)m->text.data);
        else if (m->type == MESSAGE_PONG)
                (void)snprintf(e->heard + len, sizeof e->heard - len, "pong %d; ", (int)m->number);
        else
                (void)snprintf(e->heard + len, sizeof e->heard - len, "%s; ", message_type_name(m->type));
        e->count++;
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct ear *e = ctx;
        assert_int_equal(status, 0);
        e->closed = true;
        ipc_free(ipc);
        e->ipc = NULL;
}

static void on_stop(void *ctx, const char *why)
{
        struct world *w = ctx;
        (void)snprintf(w->stopped, sizeof w->stopped, "%s", why);
        w->stops++;
}

static void on_patience(uv_timer_t *t)
{
        (void)t;
        fail_msg("nothing happened for %d ms", PATIENCE_MS);
}

static void ear_open(struct world *w, struct ear *e, int fd)
{
        *e = (struct ear){.count = 0};
        assert_int_equal(ipc_new(&w->loop, fd, on_message, on_closed, e, &e->ipc), 0);
}

static struct world *world_new(void)
{
        struct world *w = calloc(1, sizeof *w);
        int fds[2];
        assert_non_null(w);
        assert_int_equal(uv_loop_init(&w->loop), 0);
        assert_int_equal(uv_timer_init(&w->loop, &w->patience), 0);
        assert_int_equal(uv_timer_start(&w->patience, on_patience, PATIENCE_MS, 0), 0);
        assert_int_equal(ipc_pair(fds), 0);
        assert_int_equal(control_new(&w->loop, fds[0], on_stop, w, &w->control), 0);
        ear_open(w, &w->supervisor, fds[1]);
        return w;
}

static void world_free(struct world *w)
{
        control_free(w->control);
        ipc_free(w->supervisor.ipc);
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

static void say(struct world *w, enum message_type type, int64_t number)
{
        struct message m = message_of(type);
        m.number = number;
        assert_int_equal(ipc_send(w->supervisor.ipc, &m), 0);
}

/* Hands the engine a link; the test listens at the other end. */
static void link_to(struct world *w, const char *name, struct ear *ret)
{
        struct message m = message_of(MESSAGE_LINK);
        int fds[2];
        assert_int_equal(ipc_pair(fds), 0);
        memcpy(m.name.text, name, strlen(name) + 1);
        m.fd = fds[0];
        assert_int_equal(ipc_send(w->supervisor.ipc, &m), 0);
        assert_int_equal(close(fds[0]), 0);
        ear_open(w, ret, fds[1]);
}

static void test_a_ping_is_answered_with_its_number(void **state)
{
        struct world *w = world_new();
        (void)state;
        say(w, MESSAGE_PING, 7);
        say(w, MESSAGE_GRANT, 0); /* not for an engine: passed over */
        say(w, MESSAGE_PING, 8);
        RUN_UNTIL(w, w->supervisor.count == 2);
        assert_string_equal(w->supervisor.heard, "pong 7; pong 8; ");
        world_free(w);
}

static void test_whoever_has_a_link_hears_of_the_role_now_and_later(void **state)
{
        struct world *w = world_new();
        struct ear early, late;
        (void)state;
        link_to(w, "agent", &early);
        RUN_UNTIL(w, early.count == 1);
        assert_string_equal(early.heard, "role none (); ");
        control_role(w->control, "looking");
        control_role(w->control, "leading, epoch 3");
        RUN_UNTIL(w, early.count == 3);
        assert_string_equal(early.heard, "role none (); role looking (looking); role leading (leading, epoch 3); ");
        link_to(w, "agent", &late);
        RUN_UNTIL(w, late.count == 1);
        assert_string_equal(late.heard, "role leading (leading, epoch 3); ");
        RUN_UNTIL(w, w->supervisor.count == 3);
        assert_string_equal(w->supervisor.heard, "role looking (looking); role leading (leading, epoch 3); ready; ");
        control_role(w->control, "following, epoch 4");
        control_role(w->control, "looking");
        control_role(w->control, "observing, epoch 5");
        RUN_UNTIL(w, w->supervisor.count == 8 && late.count == 4 && early.count == 6);
        assert_string_equal(w->supervisor.heard,
                            "role looking (looking); role leading (leading, epoch 3); ready; "
                            "role following (following, epoch 4); role looking (looking); unready; "
                            "role observing (observing, epoch 5); ready; ");
        ipc_free(early.ipc);
        ipc_free(late.ipc);
        world_free(w);
}

/* An agent that dies leaves its link; the next one gets its own. */
static void test_a_link_that_closes_is_forgotten(void **state)
{
        struct world *w = world_new();
        struct ear ears[CONTROL_LINKS_MAX + 2];
        (void)state;
        for (int i = 0; i < 3 * CONTROL_LINKS_MAX; i++) {
                link_to(w, "agent", &ears[0]);
                RUN_UNTIL(w, ears[0].count == 1);
                ipc_free(ears[0].ipc);
                control_role(w->control, "looking");
        }
        for (int i = 0; i < CONTROL_LINKS_MAX + 2; i++) { /* nobody closes these: the oldest make room */
                link_to(w, "agent", &ears[i]);
                RUN_UNTIL(w, ears[i].count == 1);
        }
        RUN_UNTIL(w, ears[0].closed && ears[1].closed);
        control_role(w->control, "leading, epoch 1");
        for (int i = 2; i < CONTROL_LINKS_MAX + 2; i++) {
                RUN_UNTIL(w, ears[i].count == 2);
                assert_false(ears[i].closed);
                ipc_free(ears[i].ipc);
        }
        world_free(w);
}

static void test_it_stops_once_when_told_to(void **state)
{
        struct world *w = world_new();
        (void)state;
        say(w, MESSAGE_STOP, 0);
        say(w, MESSAGE_STOP, 0);
        say(w, MESSAGE_PING, 1);
        RUN_UNTIL(w, w->supervisor.count == 1);
        assert_int_equal(w->stops, 1);
        assert_string_equal(w->stopped, "the supervisor asks for it");
        world_free(w);
}

static void test_it_stops_when_the_supervisor_is_gone(void **state)
{
        struct world *w = world_new();
        struct ear agent;
        (void)state;
        link_to(w, "agent", &agent);
        RUN_UNTIL(w, agent.count == 1);
        ipc_free(w->supervisor.ipc);
        w->supervisor.ipc = NULL;
        RUN_UNTIL(w, w->stops > 0);
        assert_string_equal(w->stopped, "the supervisor is gone");
        control_role(w->control, "leading, epoch 1"); /* the end may take a while: the agent still hears */
        RUN_UNTIL(w, agent.count == 2);
        ipc_free(agent.ipc);
        assert_int_equal(w->stops, 1);
        world_free(w);
}

static void test_what_is_no_conversation_is_refused(void **state)
{
        uv_loop_t loop;
        struct control *c = NULL;
        (void)state;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(control_new(&loop, open("/dev/null", O_RDWR | O_CLOEXEC), on_stop, NULL, &c), -EPERM);
        assert_null(c);
        control_free(NULL);
        assert_int_equal(uv_loop_close(&loop), 0);
}

/* EFFECT_ROLE says the role in zab's words; the messages have the same. */
static void test_the_words_are_those_of_the_core(void **state)
{
        (void)state;
        assert_string_equal(zab_role_name(ZAB_LEADING), node_role_name(ROLE_LEADING));
        assert_string_equal(zab_role_name(ZAB_FOLLOWING), node_role_name(ROLE_FOLLOWING));
        assert_string_equal(zab_role_name(ZAB_OBSERVING), node_role_name(ROLE_OBSERVING));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_ping_is_answered_with_its_number),
                cmocka_unit_test(test_whoever_has_a_link_hears_of_the_role_now_and_later),
                cmocka_unit_test(test_a_link_that_closes_is_forgotten),
                cmocka_unit_test(test_it_stops_once_when_told_to),
                cmocka_unit_test(test_it_stops_when_the_supervisor_is_gone),
                cmocka_unit_test(test_what_is_no_conversation_is_refused),
                cmocka_unit_test(test_the_words_are_those_of_the_core),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
