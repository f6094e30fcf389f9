/* Read-only mode of whole servers in memory: when it begins and ends, who is let in, what is shown
 * (zookeeper/client-protocol.md 2.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 5000
/* Longer than the session timeout of the world's clients, and the tick it is rounded up to. */
#define EXPIRY_MS 2200

static struct world *start_all(int voters, int observers, bool on)
{
        struct world *w = world_new(voters, observers, 1);
        w->config.read_only_mode = on;
        for (int sid = 1; sid <= voters + observers; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        return w;
}

/* The servers `first` to `last` lose their power. */
static void crash(struct world *w, int first, int last)
{
        for (int sid = first; sid <= last; sid++)
                world_crash(w, sid);
}

static void wait_word(struct world *w, int sid, const char *isro)
{
        for (int i = 0; i < SETTLE_MS && strcmp(world_word(w, sid, "isro"), isro) != 0; i++)
                world_run(w, 1);
        assert_string_equal(world_word(w, sid, "isro"), isro);
}

/* Server 1 of three, whose others are gone, with "/a" in its tree. */
static struct world *left_alone(bool on)
{
        struct world *w = start_all(3, 0, on);
        struct world_client *c = world_connect(w, 1, NULL);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        assert_int_equal(world_create(c, "/e", "", 1, NULL, 0), ZK_OK);
        crash(w, 2, 3);
        wait_word(w, 1, "null");
        return w;
}

static void assert_shows(struct world *w, int sid, const char *path, int err)
{
        struct world_client *c = world_connect_read_only(w, sid, NULL);
        assert_non_null(c);
        assert_true(world_read_only(c));
        assert_int_equal(world_get(c, path, false, NULL, 0), err);
        world_disconnect(c);
}

static bool said(struct world *w, int sid, const char *text)
{
        return strstr(world_log(w, sid), text) != NULL;
}

/* ---- when ---- */

static uint64_t wait_of(uint32_t tick_ms)
{
        struct world *w = world_new(3, 0, 1);
        w->config.tick_ms = tick_ms;
        w->config.read_only_mode = true;
        world_start(w, 1);
        const uint64_t since_ms = world_now(w);
        while (!said(w, 1, "read-only clients are shown") && world_now(w) < since_ms + SETTLE_MS)
                world_run(w, 1);
        const uint64_t waited_ms = world_now(w) - since_ms;
        world_free(w);
        return waited_ms;
}

static void test_it_begins_after_two_seconds_or_a_tick(void **state)
{
        (void)state;
        assert_in_range(wait_of(100), SERVER_READ_ONLY_WAIT_MS, SERVER_READ_ONLY_WAIT_MS + 2);
        assert_in_range(wait_of(3000), 3000, 3002);
}

static void test_it_is_off_unless_allowed(void **state)
{
        (void)state;
        struct world *w = left_alone(false);
        world_run(w, 2 * SERVER_READ_ONLY_WAIT_MS);
        assert_string_equal(world_word(w, 1, "isro"), "null");
        assert_null(world_connect_read_only(w, 1, NULL));
        assert_null(world_connect(w, 1, NULL));
        world_free(w);
}

static void test_a_server_by_itself_has_no_need_of_it(void **state)
{
        (void)state;
        struct world *w = start_all(1, 0, true);
        world_run(w, 2 * SERVER_READ_ONLY_WAIT_MS);
        struct world_client *c = world_connect_read_only(w, 1, NULL);
        assert_false(world_read_only(c));
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        assert_string_equal(world_word(w, 1, "isro"), "rw");
        world_free(w);
}

static void test_an_observer_shows_what_it_has_too(void **state)
{
        (void)state;
        struct world *w = start_all(1, 1, true);
        struct world_client *c = world_connect(w, 1, NULL);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        world_run(w, 200);
        world_crash(w, 1);
        wait_word(w, 2, "ro");
        assert_shows(w, 2, "/a", ZK_OK);
        world_start(w, 1);
        wait_word(w, 2, "rw");
        world_free(w);
}

static void test_a_leader_ends_it(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        wait_word(w, 1, "ro");
        struct world_client *c = world_connect_read_only(w, 1, NULL);
        assert_non_null(c);
        world_start(w, 2);
        assert_true(world_serving(w, 0, SETTLE_MS));
        assert_false(world_connected(c));
        assert_true(said(w, 1, "read-only clients are shown nothing more"));
        /* Its session was nobody's but that server's. */
        assert_null(world_connect_read_only(w, 1, c));
        struct world_client *again = world_connect_read_only(w, 1, NULL);
        assert_false(world_read_only(again));
        assert_int_equal(world_set(again, "/a", "y", 0), ZK_OK);
        /* And the next time it waits as long as the first. */
        world_crash(w, 2);
        wait_word(w, 1, "null");
        world_run(w, SERVER_READ_ONLY_WAIT_MS / 2);
        assert_string_equal(world_word(w, 1, "isro"), "null");
        wait_word(w, 1, "ro");
        world_free(w);
}

static void test_a_server_stops_from_it(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        wait_word(w, 1, "ro");
        struct world_client *c = world_connect_read_only(w, 1, NULL);
        assert_non_null(c);
        world_stop(w, 1);
        world_run(w, 5);
        assert_int_equal(world_halted(w, 1), 0);
        assert_false(world_connected(c));
        world_free(w);
}

/* ---- who ---- */

static void test_only_who_asks_for_no_more_is_let_in(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        wait_word(w, 1, "ro");
        assert_null(world_connect(w, 1, NULL));
        assert_shows(w, 1, "/a", ZK_OK);
        world_free(w);
}

static void test_sessions_of_the_ensemble_stay_out(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, true);
        struct world_client *c = world_connect(w, 1, NULL);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        crash(w, 2, 3);
        wait_word(w, 1, "ro");
        assert_false(world_connected(c));
        assert_null(world_connect_read_only(w, 1, c));
        struct world_client *own = world_connect_read_only(w, 1, NULL);
        world_pretend_seen(own, INT64_C(1) << 40);
        assert_null(world_connect_read_only(w, 1, own)); /* it has seen what is not here */
        world_free(w);
}

/* Bytes that answer a ConnectRequest which resumes this session with its password, before the connection is closed:
 * none, or those that call it expired. */
static size_t answer_to_resume(struct world *w, int sid, int64_t session)
{
        uint8_t passwd[SESSION_PASSWD_SIZE], bytes[64];
        struct world_wire *wire = world_wire_open(w, sid);
        struct jute_writer frame;
        size_t len = 0;
        assert_non_null(wire);
        session_passwd(session, passwd);
        jute_writer_init(&frame, SIZE_MAX);
        jute_put_int(&frame, 0);
        jute_put_connect_request(&frame, &(struct jute_connect_request){.timeout = 2000,
                                                                        .session_id = session,
                                                                        .passwd = jute_str_of(passwd, sizeof passwd),
                                                                        .read_only = true,
                                                                        .has_read_only = true});
        jute_patch_int(&frame, 0, (int32_t)frame.len - 4);
        world_wire_send(wire, frame.data, frame.len);
        jute_writer_done(&frame);
        for (int i = 0; i < SETTLE_MS && !world_wire_ended(wire); i++) {
                world_run(w, 1);
                len += world_wire_take(wire, bytes, sizeof bytes);
        }
        assert_true(world_wire_ended(wire));
        world_wire_close(wire);
        return len;
}

/* It was made where there is a leader, and its client has been told nothing since: it lives, for all this server knows.
 */
static void test_a_session_made_elsewhere_is_not_called_expired(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, true);
        for (int sid = 2; sid <= 3; sid++) {
                world_cut(w, 1, sid, true);
                world_cut(w, sid, 1, true);
        }
        wait_word(w, 1, "ro");
        assert_true(world_serving(w, 2, SETTLE_MS));
        struct world_client *c = world_connect(w, 2, NULL);
        assert_int_equal(answer_to_resume(w, 1, world_session(c)), 0);
        assert_non_null(world_connect(w, 2, c));
        /* Its own, of which it knows that it is over. */
        struct world_client *local = world_connect_read_only(w, 1, NULL);
        world_run(w, EXPIRY_MS);
        assert_false(world_connected(local));
        assert_int_not_equal(answer_to_resume(w, 1, world_session(local)), 0);
        world_free(w);
}

static void test_a_local_session_is_resumed_closed_and_expires(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        wait_word(w, 1, "ro");
        struct world_client *first = world_connect_read_only(w, 1, NULL);
        struct world_client *second = world_connect_read_only(w, 1, first);
        assert_non_null(second);
        assert_int_equal(world_session(second), world_session(first));
        assert_false(world_connected(first));
        assert_non_null(strstr(world_word(w, 1, "mntr"), "zk_local_sessions\t1\n"));
        /* Closed: nobody resumes it. */
        assert_int_equal(world_reply(second, world_send(second, OP_CLOSE_SESSION, NULL), NULL, NULL), ZK_OK);
        world_run(w, 5);
        assert_false(world_connected(second));
        assert_null(world_connect_read_only(w, 1, second));
        /* Silent: its connection goes with it. */
        struct world_client *third = world_connect_read_only(w, 1, NULL);
        world_run(w, EXPIRY_MS);
        assert_false(world_connected(third));
        assert_null(world_connect_read_only(w, 1, third));
        assert_non_null(strstr(world_word(w, 1, "mntr"), "zk_local_sessions\t0\n"));
        /* Heard of: it stays. */
        struct world_client *fourth = world_connect_read_only(w, 1, NULL);
        for (int i = 0; i < 4; i++) {
                world_run(w, EXPIRY_MS / 2);
                assert_int_equal(world_get(fourth, "/a", false, NULL, 0), ZK_OK);
        }
        world_free(w);
}

/* ---- what ---- */

static void test_what_needs_the_ensemble_is_refused(void **state)
{
        (void)state;
        static const int32_t refused[] = {OP_CREATE, OP_CREATE2,  OP_CREATE_CONTAINER, OP_CREATE_TTL,
                                          OP_DELETE, OP_SET_DATA, OP_DELETE_CONTAINER, OP_SET_ACL,
                                          OP_MULTI,  OP_SYNC,     OP_RECONFIG};
        struct world *w = left_alone(true);
        wait_word(w, 1, "ro");
        struct world_client *c = world_connect_read_only(w, 1, NULL);
        char *before = world_dump(w, 1);
        const int64_t zxid = database_zxid(w->nodes[1].server->db);
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                int64_t shown = 0;
                const int32_t xid = world_send(c, refused[i], NULL); /* whatever they say */
                assert_int_equal(world_reply(c, xid, &shown, NULL), ZK_NOT_READ_ONLY);
                assert_int_equal(shown, zxid);
        }
        assert_int_equal(world_create(c, "/b", "x", 0, NULL, 0), ZK_NOT_READ_ONLY);
        assert_int_equal(world_set(c, "/a", "y", 0), ZK_NOT_READ_ONLY);
        assert_int_equal(world_get(c, "/a", true, NULL, 0), ZK_OK); /* it is connected still */
        char *after = world_dump(w, 1);
        assert_string_equal(before, after);
        free(before);
        free(after);
        /* What nobody may send ends the connection, as elsewhere. */
        assert_int_equal(world_reply(c, world_send(c, OP_CREATE_SESSION, NULL), NULL, NULL), ZK_UNIMPLEMENTED);
        world_run(w, 5);
        assert_false(world_connected(c));
        world_free(w);
}

/* Its own last logged state, as ZooKeeper's has it: nobody committed the end of it, and nobody may. */
static void test_what_was_logged_is_shown_and_may_go_again(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, true);
        const int leader = world_leader(w);
        struct world_client *c = world_connect(w, leader, NULL);
        assert_int_equal(world_create(c, "/committed", "x", 0, NULL, 0), ZK_OK);
        world_run(w, 200);
        for (int sid = 1; sid <= 3; sid++)
                if (sid != leader)
                        world_crash(w, sid);
        assert_int_equal(world_create(c, "/logged", "y", 0, NULL, 0), -EPIPE);
        wait_word(w, leader, "ro");
        assert_shows(w, leader, "/committed", ZK_OK);
        assert_shows(w, leader, "/logged", ZK_OK);
        world_crash(w, leader); /* and it is the same after a start */
        world_start(w, leader);
        wait_word(w, leader, "ro");
        assert_shows(w, leader, "/logged", ZK_OK);
        /* The others go on without it. */
        world_crash(w, leader);
        for (int sid = 1; sid <= 3; sid++)
                if (sid != leader)
                        world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_start(w, leader);
        assert_true(world_serving(w, 0, SETTLE_MS));
        c = world_connect(w, leader, NULL);
        assert_int_equal(world_get(c, "/logged", false, NULL, 0), ZK_NO_NODE);
        assert_int_equal(world_get(c, "/committed", false, NULL, 0), ZK_OK);
        world_free(w);
}

/* What is left of a lost disk would tell of nodes that were never deleted that they are not there. */
static void test_a_server_that_lost_its_disk_shows_nothing(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        world_crash(w, 1);
        world_wipe(w, 1);
        world_start(w, 1);
        world_run(w, 2 * SERVER_READ_ONLY_WAIT_MS);
        assert_true(said(w, 1, "without a vote"));
        assert_string_equal(world_word(w, 1, "isro"), "null");
        assert_null(world_connect_read_only(w, 1, NULL));
        world_free(w);
}

/* Three servers with some nodes in their trees; the victim, a follower, has one more since a moment ago. */
static struct world *with_a_spoilt_tree(int *ret_leader, int *ret_victim)
{
        struct world *w = start_all(3, 0, true);
        *ret_leader = world_leader(w);
        *ret_victim = *ret_leader % 3 + 1;
        struct world_client *c = world_connect(w, *ret_leader, NULL);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        world_run(w, 200);
        world_spoil_tree(w, *ret_victim);
        return w;
}

/* The next transaction tells the victim of it; the snapshot that it asks for then does not come. */
static void notice(struct world *w, int leader, int victim)
{
        world_hold(w, leader, victim, QP_SNAP);
        assert_non_null(world_connect(w, leader, NULL));
        for (int i = 0; i < SETTLE_MS && !said(w, victim, "digest differs"); i++)
                world_run(w, 1);
        assert_true(said(w, victim, "digest differs"));
}

static void crash_others(struct world *w, int victim)
{
        for (int sid = 1; sid <= 3; sid++)
                if (sid != victim)
                        world_crash(w, sid);
}

static void assert_shows_nothing(struct world *w, int sid)
{
        world_run(w, 2 * SERVER_READ_ONLY_WAIT_MS);
        assert_string_equal(world_word(w, sid, "isro"), "null");
        assert_null(world_connect_read_only(w, sid, NULL));
}

/* Its leader goes before a snapshot comes. */
static void test_a_tree_that_differs_is_not_shown(void **state)
{
        (void)state;
        int leader, victim;
        struct world *w = with_a_spoilt_tree(&leader, &victim);
        notice(w, leader, victim);
        crash_others(w, victim);
        assert_shows_nothing(w, victim);
        world_free(w);
}

/* Nor where only recovery notices: what is on its disk is no better. Until a leader's snapshot has replaced it. */
static void test_a_tree_that_differs_from_its_log_is_not_shown(void **state)
{
        (void)state;
        int leader, victim;
        struct world *w = with_a_spoilt_tree(&leader, &victim);
        world__event(&w->nodes[victim], &(struct event){.type = EVENT_SNAPSHOT_WANTED});
        world_run(w, 300);
        notice(w, leader, victim);
        crash_others(w, victim);
        world_crash(w, victim);
        world_hold(w, leader, victim, 0);
        world_start(w, victim);
        assert_true(said(w, victim, "do not agree with their digests"));
        assert_shows_nothing(w, victim);
        for (int sid = 1; sid <= 3; sid++)
                if (sid != victim)
                        world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        /* It may have been found out only now, by the next transaction. */
        struct world_client *c = world_connect(w, world_leader(w), NULL);
        assert_int_equal(world_create(c, "/c", "z", 0, NULL, 0), ZK_OK);
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_run(w, 300);
        crash_others(w, victim);
        wait_word(w, victim, "ro");
        assert_shows(w, victim, "/c", ZK_OK);
        assert_shows(w, victim, "/spoiled", ZK_NO_NODE);
        world_free(w);
}

static void test_words(void **state)
{
        (void)state;
        struct world *w = left_alone(true);
        w->nodes[1].server->config.word_count = 0; /* none is allowed but srvr and this */
        wait_word(w, 1, "ro");
        w->nodes[1].server->config.word_count = 1;
        const char *text = world_word(w, 1, "srvr");
        assert_non_null(strstr(text, " UTC\nREAD-ONLY mode; serving only read-only clients\nLatency "));
        assert_non_null(strstr(text, "\nMode: read-only\n"));
        text = world_word(w, 1, "stat");
        assert_non_null(strstr(text, "\nREAD-ONLY mode; serving only read-only clients\nClients:\n"));
        text = world_word(w, 1, "mntr");
        assert_non_null(strstr(text, "zk_server_state\tread-only\n"));
        assert_null(strstr(text, "zk_peer_state"));
        assert_null(strstr(text, "zk_quorum_size"));
        assert_null(strstr(world_word(w, 1, "conf"), "membership"));
        text = world_word(w, 1, "dump");
        assert_non_null(strstr(text, "SessionTracker dump:\nLocal Session Sets (0)/(0):\nGlobal Sessions(1):\n"));
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_begins_after_two_seconds_or_a_tick),
                cmocka_unit_test(test_it_is_off_unless_allowed),
                cmocka_unit_test(test_a_server_by_itself_has_no_need_of_it),
                cmocka_unit_test(test_an_observer_shows_what_it_has_too),
                cmocka_unit_test(test_a_leader_ends_it),
                cmocka_unit_test(test_a_server_stops_from_it),
                cmocka_unit_test(test_only_who_asks_for_no_more_is_let_in),
                cmocka_unit_test(test_sessions_of_the_ensemble_stay_out),
                cmocka_unit_test(test_a_session_made_elsewhere_is_not_called_expired),
                cmocka_unit_test(test_a_local_session_is_resumed_closed_and_expires),
                cmocka_unit_test(test_what_needs_the_ensemble_is_refused),
                cmocka_unit_test(test_what_was_logged_is_shown_and_may_go_again),
                cmocka_unit_test(test_a_server_that_lost_its_disk_shows_nothing),
                cmocka_unit_test(test_a_tree_that_differs_is_not_shown),
                cmocka_unit_test(test_a_tree_that_differs_from_its_log_is_not_shown),
                cmocka_unit_test(test_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
