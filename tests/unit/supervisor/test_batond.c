/* batond as a process, with children that do what the test says: starts, links, restarts, hangs, the end. */
#include "world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WEB "[group g]\n[plugin web]\nmodule = fake\ngroup = g\n"
#define DB  "[plugin db]\nmodule = fake\ngroup = g\n"

static void test_children_are_connected_and_readiness_is_the_agent_s(void **state)
{
        (void)state;
        struct world *w = world_new_with_engine(WEB DB);
        world_start(w, 0);
        struct actor *engine = world_await_child(w, "engine"), *agent = world_await_child(w, "agent");
        struct actor *web = world_await_child(w, "web"), *db = world_await_child(w, "db");
        /* Each end hears the other through the descriptor it was given. */
        world_await(w, engine, "linked agent");
        world_await(w, web, "linked agent");
        world_await(w, db, "linked agent");
        world_told(w, "STATUS=starting; waiting for a quorum");
        world_tell(engine, "ready");
        world_tell(web, "ready");
        assert_false(world_was_told(w, "READY=1"));
        world_tell(agent, "ready");
        world_told(w, "READY=1");
        world_tell(agent, "status leader of 3, active: web");
        world_told(w, "STATUS=leader of 3, active: web");
        world_signal(w, SIGTERM);
        world_told(w, "STOPPING=1");
        assert_int_equal(world_await_end(w), 0);
        assert_false(world_was_told(w, "WATCHDOG")); /* nobody asked for it */
        assert_true(world_status_has(w, "\"state\": \"stopping\""));
        world_free(w);
}

static void test_each_child_gets_its_part_of_the_configuration(void **state)
{
        (void)state;
        struct world *w = world_new(WEB DB "text = only mine\n");
        world_start(w, 0);
        char *db = world_ask_config(w, world_await_child(w, "db")),
             *web = world_ask_config(w, world_await_child(w, "web"));
        assert_non_null(strstr(db, "text=only mine"));
        assert_non_null(strstr(web, "[plugin web]"));
        assert_null(strstr(web, "only mine"));
        free(db);
        free(web);
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_crashed_child_comes_back_at_once_and_is_connected_anew(void **state)
{
        (void)state;
        struct world *w = world_new(WEB DB);
        world_start(w, 0);
        struct actor *agent = world_await_child(w, "agent"), *web = world_await_child(w, "web"),
                     *db = world_await_child(w, "db");
        world_await(w, web, "linked agent");
        world_await(w, db, "linked agent");
        world_tell(agent, "exit 1");
        agent = world_await_child(w, "agent");
        world_await(w, web, "unlinked agent");
        world_await(w, web, "linked agent");
        world_await(w, db, "linked agent");
        world_await(w, agent, "linked db");
        world_await_log(w, "agent ended with status 1: restarted at once");
        world_tell(web, "exit 3");
        web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_await(w, agent, "linked web");
        /* Again and again: then it rests. */
        world_tell(web, "exit 3");
        world_await_log(w, "web ended with status 3, 2 times in a row: restarted in 250 ms");
        web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        assert_true(world_status_has(w, "\"last_exit\": \"status 3\""));
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_child_that_hangs_is_killed_and_replaced(void **state)
{
        (void)state;
        struct world *w = world_new("[agent]\nsession_timeout = 1000\n" WEB);
        world_start(w, 0);
        struct actor *agent = world_await_child(w, "agent"), *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        assert_int_equal(kill((pid_t)agent->pid, SIGSTOP), 0);
        world_await_gone(w, agent);
        agent = world_await_child(w, "agent");
        world_await(w, agent, "linked web");
        world_await_log(w, "is killed: it has not answered for");
        /* One that answers nothing but lives on is no better. */
        world_tell(agent, "mute");
        world_await_gone(w, agent);
        agent = world_await_child(w, "agent");
        world_await(w, agent, "linked web");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_child_that_talks_nonsense_is_replaced(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        world_start(w, 0);
        struct actor *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_tell(web, "garble");
        world_await_gone(w, web);
        web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_await_log(w, "what it sends makes no sense");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_the_watchdog_is_fed_while_all_answer(void **state)
{
        (void)state;
        struct world *w = world_new("[agent]\nsession_timeout = 1000\n" WEB);
        world_start(w, 1000);
        struct actor *agent = world_await_child(w, "agent");
        world_await(w, agent, "linked web");
        world_tell(agent, "ready");
        for (int i = 0; i < 4; i++)
                world_told(w, "WATCHDOG=1");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

/* The agent revokes its workers and releases the groups, which needs both of the others. */
static void test_the_end_has_an_order(void **state)
{
        (void)state;
        struct world *w = world_new_with_engine(WEB);
        world_start(w, 0);
        struct actor *engine = world_await_child(w, "engine"), *agent = world_await_child(w, "agent"),
                     *web = world_await_child(w, "web");
        world_await(w, engine, "linked agent");
        world_await(w, web, "linked agent");
        world_tell(agent, "stubborn");
        world_tell(web, "stubborn");
        world_signal(w, SIGTERM);
        world_await(w, agent, "stop release");
        /* A question and its answer: what was sent to it before would have come before. */
        free(world_ask_config(w, web));
        assert_false(world_has(web, "stop release"));
        world_tell(agent, "exit 0");
        world_await(w, web, "stop release");
        free(world_ask_config(w, engine));
        assert_false(world_has(engine, "stop release"));
        world_tell(web, "exit 0");
        world_await(w, engine, "stop release");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_sigusr2_leaves_everything_to_a_successor(void **state)
{
        (void)state;
        struct world *w = world_new_with_engine(WEB);
        world_start(w, 0);
        struct actor *engine = world_await_child(w, "engine"), *agent = world_await_child(w, "agent"),
                     *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_await(w, engine, "linked agent");
        world_signal(w, SIGUSR2);
        world_await(w, agent, "stop keep");
        world_await(w, web, "stop keep");
        world_await(w, engine, "stop keep");
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_child_that_ignores_the_end_is_killed(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        world_start(w, 0);
        struct actor *agent = world_await_child(w, "agent"), *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_tell(agent, "stubborn");
        world_tell(web, "stubborn");
        world_await(w, agent, "linked web");
        world_signal(w, SIGUSR2);
        world_await_gone(w, agent);
        world_await_gone(w, web);
        assert_int_equal(world_await_end(w), 0);
        world_await_log(w, "is killed: it does not end");
        world_free(w);
}

/* Nobody of an earlier life is left to hold a lock, or to answer. */
static void test_no_child_survives_its_supervisor(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        world_start(w, 0);
        struct actor *agent = world_await_child(w, "agent"), *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        assert_int_equal(kill((pid_t)web->pid, SIGSTOP), 0);
        world_signal(w, SIGKILL);
        world_await_killed(w, SIGKILL);
        world_await_gone(w, agent);
        world_await_gone(w, web);
        world_start(w, 0);
        web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_one_runtime_directory_is_one_batond(void **state)
{
        (void)state;
        struct world *w = world_new(WEB);
        world_start(w, 0);
        struct actor *web = world_await_child(w, "web");
        world_await(w, web, "linked agent");
        assert_int_equal(world_run(w, NULL), 3);
        world_await_log(w, "another batond has it");
        world_signal(w, SIGTERM);
        assert_int_equal(world_await_end(w), 0);
        world_free(w);
}

static void test_a_wrong_configuration_starts_nothing(void **state)
{
        (void)state;
        struct world *w = world_new(WEB "nonsense here\n");
        assert_int_equal(world_run(w, NULL), 2);
        world_await_log(w, "baton.conf:15");
        world_configure(w, WEB "text = refuse\n");
        assert_int_equal(world_run(w, NULL), 2);
        world_await_log(w, "baton.conf:15: the plugin refuses this");
        assert_int_equal(world_run(w, "--check"), 2);
        world_configure(w, WEB "text = fine\n");
        assert_int_equal(world_run(w, "--check"), 0);
        assert_int_equal(w->actor_count, 0);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_children_are_connected_and_readiness_is_the_agent_s),
                cmocka_unit_test(test_each_child_gets_its_part_of_the_configuration),
                cmocka_unit_test(test_a_crashed_child_comes_back_at_once_and_is_connected_anew),
                cmocka_unit_test(test_a_child_that_hangs_is_killed_and_replaced),
                cmocka_unit_test(test_a_child_that_talks_nonsense_is_replaced),
                cmocka_unit_test(test_the_watchdog_is_fed_while_all_answer),
                cmocka_unit_test(test_the_end_has_an_order),
                cmocka_unit_test(test_sigusr2_leaves_everything_to_a_successor),
                cmocka_unit_test(test_a_child_that_ignores_the_end_is_killed),
                cmocka_unit_test(test_no_child_survives_its_supervisor),
                cmocka_unit_test(test_one_runtime_directory_is_one_batond),
                cmocka_unit_test(test_a_wrong_configuration_starts_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
