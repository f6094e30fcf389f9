/* baton-agent as a process, with a supervisor and workers made of lines, at real servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/clock.h"
#include "tests/unit/agent/house.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* safety.md 2.2: what a holder has of a lease of 2 s at rho 0.1. */
#define HOLD_MS 1636

static struct engines engines;
static struct house_loop loop;
static struct house a, b;

static void begin(int servers)
{
        engines_start(&engines, servers);
        house_loop_init(&loop, &engines);
}

static void end(void)
{
        house_loop_done(&loop);
        engines_done(&engines);
}

/* Joined, with a worker that is active. */
static void make_active(struct house *h)
{
        house_start(h);
        house_link(h, 0, WORKER_STOPPED, 0);
        house_await(&loop, h->workers[0].grants > 0);
        house_state(h, 0, WORKER_STARTING, h->workers[0].grant.token);
        house_state(h, 0, WORKER_ACTIVE, h->workers[0].grant.token);
        house_await(&loop, strstr(h->status, "active: web"));
}

static void test_it_joins_says_so_and_answers_its_supervisor(void **state)
{
        (void)state;
        struct house_answer r;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        house_start(&a);
        house_await(&loop, a.ready && strstr(a.status, "member of 1"));
        house_get(&loop, "/baton/members/a", &r);
        assert_int_equal(r.error, ZK_OK);
        assert_int_not_equal(r.stat.ephemeral_owner, 0);
        assert_non_null(strstr(r.data, "\"node\":\"a\""));
        assert_non_null(strstr(r.data, "\"conf\":{\"module\":\"file\""));
        struct message ping = message_of(MESSAGE_PING);
        ping.number = 7;
        assert_int_equal(ipc_send(a.control, &ping), 0);
        house_await(&loop, a.pongs == 1);
        house_init(&b, &loop, &engines, "b", -1);
        house_start(&b);
        house_await(&loop, strstr(a.status, "member of 2") && strstr(b.status, "member of 2"));
        house_done(&a);
        house_done(&b);
        end();
}

static void test_configuration_comes_in_order_and_is_set(void **state)
{
        (void)state;
        struct house_answer r;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        house_start(&a);
        house_await(&loop, a.ready);
        do { /* the agent makes it */
                house_get(&loop, "/baton/config", &r);
        } while (r.error != ZK_OK);
        assert_int_equal(house_put(&loop, "/baton/config/z", "1"), ZK_OK);
        assert_int_equal(house_put(&loop, "/baton/config/b", "2"), ZK_OK);
        assert_int_equal(house_put(&loop, "/baton/config/b/c", "3"), ZK_OK);
        house_link(&a, 1, WORKER_STOPPED, 0);
        house_await(&loop, a.workers[1].synced == 1 && strstr(a.workers[1].config, "b/c=3"));
        assert_int_equal(house_put(&loop, "/baton/config/z", "4"), ZK_OK);
        assert_int_equal(house_put(&loop, "/baton/config/a", "5"), ZK_OK);
        assert_int_equal(house_delete(&loop, "/baton/config/b/c"), ZK_OK);
        house_await(&loop, strstr(a.workers[1].config, "-b/c"));
        const char *mark = strchr(a.workers[1].config, '|'); /* where it stands depends on when the link came */
        assert_non_null(mark);
        char told[2048];
        (void)snprintf(told, sizeof told, "%.*s%s", (int)(mark - a.workers[1].config), a.workers[1].config, mark + 2);
        assert_non_null(strstr(told, "z=1 b=2 b/c=3 "));
        assert_non_null(strstr(a.workers[1].config, "z=4 a=5 -b/c "));

        struct message set = message_of(MESSAGE_CONFIG_SET);
        set.number = 12;
        set.path = jute_cstr("x/y/z");
        set.data = jute_cstr("6");
        set.version = -1;
        house_say(&a, 1, &set);
        house_await(&loop, a.workers[1].done == 1 && strstr(a.workers[1].config, "x/y/z=6"));
        assert_int_equal(a.workers[1].last_done.number, 12);
        assert_int_equal(a.workers[1].last_done.error, ZK_OK);
        house_get(&loop, "/baton/config/x/y/z", &r);
        assert_string_equal(r.data, "6");
        set.version = 17;
        house_say(&a, 1, &set);
        house_await(&loop, a.workers[1].done == 2);
        assert_int_equal(a.workers[1].last_done.error, ZK_BAD_VERSION);
        set.path = jute_cstr("../members/a");
        house_say(&a, 1, &set);
        house_await(&loop, a.workers[1].done == 3);
        assert_int_equal(a.workers[1].last_done.error, ZK_BAD_ARGUMENTS);
        house_done(&a);
        end();
}

static void test_a_crash_costs_neither_session_nor_grant(void **state)
{
        (void)state;
        struct house_answer before, after;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        make_active(&a);
        int64_t token = a.workers[0].grant.token;
        house_get(&loop, "/baton/members/a", &before);
        for (int i = 0; i < 3; i++) {
                house_crash(&a);
                house_start(&a);
                house_link(&a, 0, WORKER_ACTIVE, token);
                house_await(&loop, a.ready && a.workers[0].grants > 1);
                assert_int_equal(a.workers[0].grant.token, token);
        }
        assert_int_equal(a.workers[0].revokes, 0);
        house_get(&loop, "/baton/members/a", &after);
        assert_int_equal(after.stat.ephemeral_owner, before.stat.ephemeral_owner);
        assert_int_equal(after.stat.czxid, before.stat.czxid);
        house_done(&a);
        end();
}

/* A follower: what the loss of a leader costs is the ensemble's own matter. */
static int a_follower(void)
{
        return (engines_leader(&engines) + 1) % engines.count;
}

static void test_its_server_may_be_killed_while_it_holds_a_group(void **state)
{
        (void)state;
        struct house_answer before, after;
        begin(3);
        int own = a_follower();
        house_init(&a, &loop, &engines, "a", own);
        make_active(&a);
        house_get(&loop, "/baton/members/a", &before);
        engines_kill(&engines, own, SIGKILL);
        size_t grants = a.workers[0].grants;
        house_await(&loop, a.workers[0].grants >= grants + 5);
        assert_true(a.workers[0].longest_gap_ms < HOLD_MS / 2);
        assert_int_equal(a.workers[0].revokes, 0);
        house_get(&loop, "/baton/members/a", &after);
        assert_int_equal(after.stat.ephemeral_owner, before.stat.ephemeral_owner);
        assert_int_equal(a.unreadies, 0);
        house_done(&a);
        end();
}

static void test_its_server_may_hang_while_it_holds_a_group(void **state)
{
        (void)state;
        begin(3);
        int own = a_follower();
        house_init(&a, &loop, &engines, "a", own);
        make_active(&a);
        engines_signal(&engines, own, SIGSTOP);
        size_t grants = a.workers[0].grants;
        house_await(&loop, a.workers[0].grants >= grants + 5);
        assert_true(a.workers[0].longest_gap_ms < HOLD_MS);
        assert_int_equal(a.workers[0].revokes, 0);
        house_done(&a);
        end();
}

static void test_an_orderly_end_stops_releases_and_leaves_nothing(void **state)
{
        (void)state;
        char path[128];
        struct house_answer r;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        make_active(&a);
        (void)snprintf(path, sizeof path, "%s/run/agent/session", a.dir);
        assert_int_equal(access(path, F_OK), 0);
        house_stop(&a, STOP_RELEASE);
        house_await(&loop, a.workers[0].revokes == 1);
        assert_int_equal(a.workers[0].revoke.reason, REVOKE_ENDING);
        house_get(&loop, "/baton/members/a", &r);
        assert_int_equal(r.error, ZK_OK); /* not before the resource has stopped */
        house_state(&a, 0, WORKER_STOPPED, a.workers[0].grant.token);
        assert_int_equal(house_wait(&a), 0);
        assert_int_equal(access(path, F_OK), -1);
        house_get(&loop, "/baton/members/a", &r);
        assert_int_equal(r.error, ZK_NO_NODE);
        house_get(&loop, "/baton/groups/web/holder", &r);
        assert_non_null(strstr(r.data, "\"released\""));
        house_done(&a);
        end();
}

static void kept(void)
{
        struct house_answer r;
        assert_int_equal(house_wait(&a), 0);
        house_get(&loop, "/baton/members/a", &r);
        assert_int_equal(r.error, ZK_OK);
        house_get(&loop, "/baton/groups/web/holder", &r);
        assert_non_null(strstr(r.data, "\"active\""));
}

static void test_an_end_that_keeps_leaves_everything_to_a_successor(void **state)
{
        (void)state;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        make_active(&a);
        int64_t token = a.workers[0].grant.token;
        house_stop(&a, STOP_KEEP);
        kept();
        house_start(&a);
        house_link(&a, 0, WORKER_ACTIVE, token);
        house_await(&loop, a.ready && a.workers[0].grants > 0);
        assert_int_equal(a.workers[0].grant.token, token);
        /* A supervisor that is gone means the same. */
        ipc_free(a.control);
        a.control = NULL;
        a.ended = true;
        kept();
        house_done(&a);
        end();
}

static void test_an_ensemble_that_is_not_there_yet_is_waited_for(void **state)
{
        (void)state;
        char log[4096], path[128], wanted[64];
        engines_init(&engines, 1);
        house_loop_init(&loop, &engines);
        house_init(&a, &loop, &engines, "a", -1);
        house_start(&a);
        (void)snprintf(wanted, sizeof wanted, "connecting: 127.0.0.1:%d", engines.list[0].client_port);
        house_await(&loop, strstr(a.status, wanted));
        house_link_engine(&a);
        struct message role = message_of(MESSAGE_ROLE);
        role.role = ROLE_LOOKING;
        role.text = jute_cstr("one of three votes");
        assert_int_equal(ipc_send(a.engine, &role), 0);
        house_await(&loop, strstr(a.status, "no quorum: one of three votes"));
        house_run(&loop, 3500); /* longer than its patience */
        assert_false(a.ready);
        (void)snprintf(path, sizeof path, "%s/agent.log", a.dir);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        log[fread(log, 1, sizeof log - 1, f)] = 0;
        (void)fclose(f);
        (void)snprintf(wanted, sizeof wanted, "tried 127.0.0.1:%d (the last: ", engines.list[0].client_port);
        assert_non_null(strstr(log, wanted));
        engines_run(&engines, 0);
        house_await(&loop, a.ready);
        house_done(&a);
        end();
}

static void test_a_name_that_is_taken_keeps_it_out_until_it_is_free(void **state)
{
        (void)state;
        begin(1);
        house_init(&a, &loop, &engines, "same", -1);
        house_init(&b, &loop, &engines, "same", -1);
        house_start(&a);
        house_await(&loop, a.ready);
        house_start(&b);
        house_await(&loop, strstr(b.status, "no member: the name same is taken by another node"));
        assert_int_equal(b.readies, 0);
        house_stop(&a, STOP_RELEASE);
        assert_int_equal(house_wait(&a), 0);
        house_await(&loop, b.ready);
        house_done(&a);
        house_done(&b);
        end();
}

static void test_a_worker_that_talks_nonsense_loses_its_link_and_nothing_else(void **state)
{
        (void)state;
        begin(1);
        house_init(&a, &loop, &engines, "a", -1);
        make_active(&a);
        const struct message nonsense[] = {message_of(MESSAGE_GRANT), message_of(MESSAGE_PING)};
        for (size_t i = 0; i < 2; i++) {
                house_link(&a, 1, WORKER_STOPPED, 0);
                house_await(&loop, a.workers[1].roles == 1);
                house_say(&a, 1, &nonsense[i]);
                house_await(&loop, a.workers[1].gone);
        }
        size_t grants = a.workers[0].grants;
        house_await(&loop, a.workers[0].grants > grants);
        assert_int_equal(a.workers[0].revokes, 0);
        house_done(&a);
        end();
}

/* The engine's role reaches workers, status and the others. */
static void test_the_role_of_the_server_is_passed_on(void **state)
{
        (void)state;
        struct house_answer r;
        struct message role = message_of(MESSAGE_ROLE);
        begin(1);
        house_init(&a, &loop, &engines, "a", 0);
        house_start(&a);
        house_link(&a, 1, WORKER_STOPPED, 0);
        house_link_engine(&a);
        role.role = ROLE_LEADING;
        assert_int_equal(ipc_send(a.engine, &role), 0);
        house_await(&loop, a.workers[1].role == ROLE_LEADING && strstr(a.status, "leader of 1"));
        do {
                house_get(&loop, "/baton/members/a", &r);
        } while (!strstr(r.data, "\"role\":\"leading\""));
        assert_non_null(strstr(r.data, "\"addresses\":[\"127.0.0.1:"));
        ipc_free(a.engine);
        a.engine = NULL;
        house_await(&loop, a.workers[1].role == ROLE_NONE && strstr(a.status, "member of 1"));
        house_done(&a);
        end();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_joins_says_so_and_answers_its_supervisor),
                cmocka_unit_test(test_configuration_comes_in_order_and_is_set),
                cmocka_unit_test(test_a_crash_costs_neither_session_nor_grant),
                cmocka_unit_test(test_its_server_may_be_killed_while_it_holds_a_group),
                cmocka_unit_test(test_its_server_may_hang_while_it_holds_a_group),
                cmocka_unit_test(test_an_orderly_end_stops_releases_and_leaves_nothing),
                cmocka_unit_test(test_an_end_that_keeps_leaves_everything_to_a_successor),
                cmocka_unit_test(test_an_ensemble_that_is_not_there_yet_is_waited_for),
                cmocka_unit_test(test_a_name_that_is_taken_keeps_it_out_until_it_is_free),
                cmocka_unit_test(test_a_worker_that_talks_nonsense_loses_its_link_and_nothing_else),
                cmocka_unit_test(test_the_role_of_the_server_is_passed_on),
        };
        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
