/* SIGHUP: all of the new configuration or nothing, and only what has changed is touched. */
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

#define WEB  "[group g]\n[plugin web]\nmodule = fake\ngroup = g\n"
#define DB   "[plugin db]\nmodule = fake\ngroup = g\n"
#define MAIL "[plugin mail]\nmodule = fake\ngroup = g\n"

struct node {
        struct world *w;
        struct actor *agent, *web, *db;
};

/* A member with two workers. */
static struct node node(void)
{
        struct node n = {.w = world_new(WEB DB)};
        world_start(n.w, 0);
        n.agent = world_await_child(n.w, "agent");
        n.web = world_await_child(n.w, "web");
        n.db = world_await_child(n.w, "db");
        world_await(n.w, n.web, "linked agent");
        world_await(n.w, n.db, "linked agent");
        world_tell(n.agent, "ready");
        world_told(n.w, "READY=1");
        return n;
}

static void finish(struct node *n)
{
        world_signal(n->w, SIGTERM);
        assert_int_equal(world_await_end(n->w), 0);
        world_free(n->w);
}

/* Sends SIGHUP and waits until systemd has been told that it is over (sd_notify(3): RELOADING, then READY). */
static void reload(struct node *n)
{
        world_signal(n->w, SIGHUP);
        world_told(n->w, "RELOADING=1");
        world_told(n->w, "MONOTONIC_USEC=");
        world_told(n->w, "READY=1");
}

static bool was_stopped(struct node *n, struct actor *a)
{
        free(world_ask_config(n->w, a));
        return world_has(a, "stop keep") || world_has(a, "stop release");
}

static void test_a_broken_file_is_refused_with_its_line(void **state)
{
        (void)state;
        struct node n = node();
        world_configure(n.w, WEB DB "check_interval = soon\n");
        reload(&n);
        world_await_log(n.w, "baton.conf:18: ");
        world_await_log(n.w, "refused; what runs stays as it is");
        assert_false(was_stopped(&n, n.agent) || was_stopped(&n, n.web) || was_stopped(&n, n.db));
        finish(&n);
}

static void test_what_a_plugin_refuses_is_refused(void **state)
{
        (void)state;
        struct node n = node();
        world_configure(n.w, WEB DB "text = refuse\n");
        reload(&n);
        world_await_log(n.w, "baton.conf:18: the plugin refuses this");
        assert_false(was_stopped(&n, n.agent) || was_stopped(&n, n.web) || was_stopped(&n, n.db));
        finish(&n);
}

static void test_another_runtime_directory_needs_a_restart(void **state)
{
        (void)state;
        struct node n = node();
        char elsewhere[sizeof n.w->runtime];
        memcpy(elsewhere, n.w->runtime, sizeof elsewhere);
        n.w->runtime[strlen(n.w->runtime) - 1] = 'x';
        world_configure(n.w, WEB DB);
        memcpy(n.w->runtime, elsewhere, sizeof elsewhere);
        reload(&n);
        world_await_log(n.w, "runtime_dir has changed: restart batond");
        assert_false(was_stopped(&n, n.web));
        finish(&n);
}

static void test_nothing_changed_touches_nothing(void **state)
{
        (void)state;
        struct node n = node();
        reload(&n);
        world_await_log(n.w, "the new configuration is in force");
        assert_false(was_stopped(&n, n.agent) || was_stopped(&n, n.web) || was_stopped(&n, n.db));
        finish(&n);
}

static void test_only_the_changed_worker_is_started_anew(void **state)
{
        (void)state;
        struct node n = node();
        world_configure(n.w, WEB DB "text = new\n");
        reload(&n);
        world_await(n.w, n.db, "stop keep");
        n.db = world_await_child(n.w, "db");
        char *config = world_ask_config(n.w, n.db);
        assert_non_null(strstr(config, "text=new"));
        free(config);
        world_await(n.w, n.db, "linked agent");
        assert_false(was_stopped(&n, n.agent) || was_stopped(&n, n.web));
        finish(&n);
}

static void test_a_new_worker_is_started_and_the_agent_learns_of_it(void **state)
{
        (void)state;
        struct node n = node();
        world_configure(n.w, WEB DB MAIL);
        reload(&n);
        world_await(n.w, n.agent, "stop keep");
        n.agent = world_await_child(n.w, "agent");
        struct actor *mail = world_await_child(n.w, "mail");
        world_await(n.w, mail, "linked agent");
        world_await(n.w, n.web, "linked agent");
        assert_false(was_stopped(&n, n.web) || was_stopped(&n, n.db));
        finish(&n);
}

/* Its resource stops before the agent is told that there is no such worker (safety.md scenario 86). */
static void test_a_removed_worker_stops_before_the_agent_learns_of_it(void **state)
{
        (void)state;
        struct node n = node();
        world_tell(n.db, "stubborn");
        free(world_ask_config(n.w, n.db));
        world_configure(n.w, WEB);
        world_signal(n.w, SIGHUP);
        world_await(n.w, n.db, "stop release");
        assert_false(was_stopped(&n, n.agent));
        /* Another SIGHUP meanwhile is not lost. */
        world_signal(n.w, SIGHUP);
        world_tell(n.db, "exit 0");
        world_await(n.w, n.agent, "stop keep");
        n.agent = world_await_child(n.w, "agent");
        world_await(n.w, n.web, "linked agent");
        world_await(n.w, n.agent, "linked web");
        for (int i = 0; i < 2; i++) {
                world_told(n.w, "RELOADING=1");
                world_told(n.w, "READY=1");
        }
        assert_false(world_status_has(n.w, "\"db\""));
        assert_false(was_stopped(&n, n.web));
        finish(&n);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_broken_file_is_refused_with_its_line),
                cmocka_unit_test(test_what_a_plugin_refuses_is_refused),
                cmocka_unit_test(test_another_runtime_directory_needs_a_restart),
                cmocka_unit_test(test_nothing_changed_touches_nothing),
                cmocka_unit_test(test_only_the_changed_worker_is_started_anew),
                cmocka_unit_test(test_a_new_worker_is_started_and_the_agent_learns_of_it),
                cmocka_unit_test(test_a_removed_worker_stops_before_the_agent_learns_of_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
