/* The order of a session's requests and replies, syncs, what is refused, and what becomes of requests whose
 * connection went (zookeeper/client-protocol.md 2.6, 2.7, 3.5, 9; safety S5 to S9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

/* ---- one queue per session ---- */

static void test_replies_leave_in_the_order_of_requests(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 1, 0);
        desk_add_path(d, 2, OP_GET_DATA, "/a", 0);
        desk_add(d, -2, OP_PING, NULL);
        desk_add_create(d, 3, "/a", 1, 0);
        desk_add_path(d, 4, OP_GET_CHILDREN2, "/", 0);
        desk_add_path(d, 5, OP_DELETE, "/a", 0);
        desk_add_path(d, 6, OP_EXISTS, "/a", 0);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0 2:0 -2:0");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "3:-110 4:0");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "5:0 6:-101");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

static void test_reads_do_not_wait_for_other_sessions_writes(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id a = desk_open(d), b = desk_open(d);
        desk_create(d, a, 1, "/a");
        desk_path(d, b, 1, OP_EXISTS, "/a", 0);
        assert_string_equal(desk_take(d, b), "1:-101");
        desk_commit(d, 1);
        desk_path(d, b, 2, OP_EXISTS, "/a", 0);
        assert_string_equal(desk_take(d, b), "2:0");
        assert_string_equal(desk_take(d, a), "1:0");
        desk_free(d);
}

/* 2.6: whatever xid a client sends comes back. */
static void test_any_xid_is_echoed(void **state)
{
        (void)state;
        static const int32_t xids[] = {0, -3, INT32_MAX, INT32_MIN, 1, -8};
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        for (size_t i = 0; i < sizeof xids / sizeof *xids; i++) {
                char expect[32];
                (void)snprintf(expect, sizeof expect, "%d:0", xids[i]);
                desk_path(d, k, xids[i], OP_EXISTS, "/", 0);
                assert_string_equal(desk_take(d, k), expect);
                desk_begin(d);
                desk_add_set(d, xids[i], "/", 1);
                desk_put(d, k);
                desk_commit(d, 1);
                assert_string_equal(desk_take(d, k), expect);
        }
        desk_free(d);
}

/* Section 1: extra bytes behind a record are ignored; a body that is too short is -5, in its turn. */
static void test_trailing_bytes_are_ignored_and_missing_ones_answered(void **state)
{
        (void)state;
        /* A multi that can't be read is the leader's to refuse: it takes a zxid. */
        static const int32_t opcodes[] = {OP_CREATE, OP_DELETE,  OP_SET_DATA,     OP_SYNC,          OP_GET_DATA,
                                          OP_EXISTS, OP_GET_ACL, OP_GET_CHILDREN, OP_GET_CHILDREN2, OP_SET_WATCHES};
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, "/zookeeper");
        jute_put_bool(&w, false);
        jute_put_raw(&w, "and more", 8);
        desk_begin(d);
        desk_add(d, 1, OP_GET_DATA, &w);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "1:0");
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                jute_writer_reset(&w);
                jute_put_raw(&w, "\0", 1);
                desk_begin(d);
                desk_add_set(d, 1, "/", 1); /* so that it has to wait */
                desk_add(d, 2, opcodes[i], &w);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), "");
                desk_commit(d, 2);
                assert_string_equal(desk_take(d, k), "1:0 2:-5");
        }
        jute_writer_done(&w);
        desk_free(d);
}

/* ---- what is refused ---- */

static void test_what_is_no_request_of_a_client_is_answered_and_closed(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_CREATE_SESSION, OP_DELETE_CONTAINER, OP_CHECK, OP_ERROR, 0, 10, 99,
                                          INT32_MIN};
        struct desk *d = desk_new();
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                conn_id k = desk_open(d);
                desk_bare(d, k, 7, opcodes[i]);
                assert_string_equal(desk_take(d, k), "7:-6 flushed");
                assert_int_equal(d->first, d->end); /* nothing was proposed */
        }
        desk_free(d);
}

/* The session is being closed by the leader: nothing of it is executed, and nothing may be answered out of
 * turn (3.2). */
static void test_nothing_follows_a_request_that_was_dropped(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_create(d, k, 1, "/a");
        d->refuse = true;
        desk_begin(d);
        desk_add_create(d, 2, "/b", 1, 0);
        desk_add_path(d, 3, OP_EXISTS, "/", 0);
        desk_add(d, -2, OP_PING, NULL);
        desk_put(d, k);
        desk_path(d, k, 4, OP_EXISTS, "/", 0);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_close_session(d, desk_session(d, k));
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "closed");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

static void test_closing_session_is_not_read_for_either(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        d->closing = true;
        desk_path(d, k, 1, OP_EXISTS, "/", 0);
        desk_bare(d, k, -2, OP_PING);
        assert_string_equal(desk_take(d, k), "");
        desk_close_session(d, desk_session(d, k));
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "closed");
        desk_free(d);
}

/* Once the role has ended the database may hold what was never committed. */
static void test_muted_server_answers_nothing(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), waits = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 1, 0);
        desk_add_path(d, 2, OP_EXISTS, "/a", 1);
        desk_put(d, waits);
        clients_mute(d->clients);
        desk_path(d, k, 1, OP_EXISTS, "/", 0);
        assert_string_equal(desk_take(d, k), "");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, waits), "");
        clients_end(d->clients, &d->fx);
        desk_tick(d, 1);
        assert_string_equal(desk_take(d, k), "flushed");
        assert_string_equal(desk_take(d, waits), "flushed");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

/* 2.7, 4.3: a session that moved is never told so. */
static void test_moved_session_is_closed_without_a_reply(void **state)
{
        (void)state;
        for (int multi = 0; multi < 2; multi++) {
                struct desk *d = desk_new();
                conn_id k = desk_open(d);
                struct jute_writer w;
                jute_writer_init(&w, SIZE_MAX);
                struct jute_multi_header op = {.type = OP_DELETE, .err = -1},
                                         end = {.type = -1, .done = true, .err = -1};
                jute_put_multi_header(&w, &op);
                jute_put_cstr(&w, "/a");
                jute_put_int(&w, -1);
                jute_put_multi_header(&w, &end);
                assert_true(session_clock_set_owner(d->clock, desk_session(d, k), DESK_SID + 1));
                desk_begin(d);
                if (multi)
                        desk_add(d, 1, OP_MULTI, &w);
                else
                        desk_add_path(d, 1, OP_DELETE, "/a", -1);
                desk_put(d, k);
                desk_commit(d, 1);
                assert_string_equal(desk_take(d, k), "closed");
                assert_int_equal(d->clients->stats.outstanding, 0);
                jute_writer_done(&w);
                desk_free(d);
        }
}

/* ---- syncs ---- */

static void test_sync_is_a_barrier_in_its_session(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_path(d, 2, OP_EXISTS, "/a", 0);
        desk_add_create(d, 3, "/a", 1, 0);
        desk_add_path(d, 4, OP_SYNC, "no path", 0);
        desk_add_create(d, 5, "/b", 1, 0);
        desk_put(d, k);
        assert_int_equal(d->end, d->first);
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "1:0 2:-101");
        assert_int_equal(d->end - d->first, 1);
        assert_int_equal(d->syncs, 1);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "3:0");
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "4:0");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "5:0");
        desk_free(d);
}

/* A server alone answers a sync at once. */
static void test_pipelined_syncs_of_a_lone_server_are_all_answered(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        d->sync_at_once = true;
        desk_begin(d);
        for (int32_t i = 1; i <= 3; i++)
                desk_add_path(d, i, OP_SYNC, "/", 0);
        desk_add_create(d, 4, "/a", 1, 0);
        desk_add_path(d, 5, OP_SYNC, "/", 0);
        desk_add_path(d, 6, OP_EXISTS, "/a", 0);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "1:0 2:0 3:0");
        desk_commit(d, 1);
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "4:0 5:0 6:0");
        assert_int_equal(d->clients->asked_count, 0);
        desk_free(d);
}

/* Between a sync's answer and the end of that step no request may slip in before those held back. */
static void test_nothing_overtakes_what_a_sync_held_back(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_create(d, 2, "/a", 1, 0);
        desk_put(d, k);
        /* One step: the answer, and then more of the client's bytes. */
        struct event *e = &d->event;
        d->syncs = 0;
        clients_sync_done(d->clients, e, &d->fx);
        desk_create(d, k, 3, "/b");
        assert_int_equal(d->end - d->first, 2);
        assert_int_equal(d->queue[d->first].cxid, 2);
        assert_int_equal(d->queue[d->first + 1].cxid, 3);
        desk_commit(d, 2);
        assert_string_equal(desk_take(d, k), "1:0 2:0 3:0");
        desk_free(d);
}

static void test_sync_of_a_connection_that_went_does_not_answer_another(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id gone = desk_open(d), k = desk_open(d);
        desk_path(d, gone, 1, OP_SYNC, "/", 0);
        desk_path(d, k, 1, OP_SYNC, "/", 0);
        desk_hang_up(d, gone);
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "");
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_free(d);
}

static void test_sync_that_is_refused_ends_the_session_here(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        d->refuse = true;
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_path(d, 2, OP_EXISTS, "/", 0);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "");
        assert_int_equal(d->clients->asked_count, 0);
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

static void test_held_back_requests_may_be_refused_too(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_create(d, 2, "/a", 1, 0);
        desk_add_path(d, 3, OP_EXISTS, "/", 0);
        desk_add_create(d, 4, "/b", 1, 0);
        desk_put(d, k);
        d->refuse = true;
        desk_sync_done(d);
        assert_string_equal(desk_take(d, k), "1:0");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

/* ---- the end of a session ---- */

/* 3.5, trap 5: the events of its own ephemerals, the reply, the end; nothing after it. */
/* As a ping, whatever xid it came with: observed on 3.9.5. */
static void test_ping_is_answered_as_one(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add(d, 7, OP_PING, NULL);
        desk_add(d, -2, OP_PING, NULL);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "-2:0 -2:0");
        desk_free(d);
}

static void test_close_session_is_answered_and_ends_the_connection(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/e", 1, 1);
        desk_add_path(d, 2, OP_EXISTS, "/e", 1);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0 2:0");
        desk_begin(d);
        desk_add_set(d, 3, "/", 1);
        desk_add(d, 4, OP_CLOSE_SESSION, NULL);
        desk_add_create(d, 5, "/late", 1, 0);
        desk_add(d, 6, OP_PING, NULL);
        desk_put(d, k);
        desk_create(d, k, 7, "/later");
        assert_int_equal(d->end - d->first, 2);
        desk_commit(d, 2);
        assert_string_equal(desk_take(d, k), "3:0 !2 /e 4:0 flushed");
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

static void test_expired_session_is_cut_off_whatever_it_waits_for(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), ending = desk_open(d), synced = desk_open(d);
        desk_close_session(d, desk_session(d, k));
        desk_close_session(d, desk_session(d, ending));
        desk_close_session(d, desk_session(d, synced));
        desk_create(d, k, 1, "/a"); /* -112 by then */
        desk_bare(d, ending, 2, OP_CLOSE_SESSION);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add(d, 2, OP_CLOSE_SESSION, NULL);
        desk_put(d, synced);
        desk_commit(d, 3);
        assert_string_equal(desk_take(d, k), "closed");
        assert_string_equal(desk_take(d, ending), "closed");
        assert_string_equal(desk_take(d, synced), "closed");
        desk_sync_done(d);
        desk_commit(d, SIZE_MAX);
        assert_int_equal(d->clients->stats.outstanding, 0);
        desk_free(d);
}

/* 3.2: a write that a follower forwarded for a session that is closing comes back as -112. */
static void test_forwarded_write_of_a_closing_session_is_answered(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id k = desk_open(d);
        desk_close_session(d, desk_session(d, k));
        desk_create(d, k, 1, "/a");
        struct desk_txn close = d->queue[d->first];
        d->queue[d->first] = d->queue[d->first + 1]; /* the error overtakes: another leader's order */
        d->queue[d->first + 1] = close;
        desk_commit(d, 2);
        assert_string_equal(desk_take(d, k), "1:-112 closed");
        desk_free(d);
}

/* ---- requests whose connection went ---- */

/* Trap 16: they are executed all the same, also those that a sync held back. */
static void test_requests_of_a_lost_connection_are_executed(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d), other = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 1, 0);
        desk_add_path(d, 2, OP_SYNC, "/", 0);
        desk_add_create(d, 3, "/b", 1, 0);
        desk_add_path(d, 4, OP_EXISTS, "/b", 0);
        desk_add(d, 5, OP_CLOSE_SESSION, NULL);
        desk_put(d, k);
        int64_t session = desk_session(d, k);
        desk_hang_up(d, k);
        desk_commit(d, SIZE_MAX);
        assert_false(session_table_find(database_sessions(d->db), session, NULL));
        desk_path(d, other, 1, OP_EXISTS, "/b", 0);
        assert_string_equal(desk_take(d, other), "1:0");
        assert_int_equal(d->clients->stats.outstanding, 0);
        assert_int_equal(d->clients->orphans.count, 0);
        desk_free(d);
}

/* Some clients count from 1 again after they have reconnected. */
static void test_outcome_of_a_lost_connections_write_is_not_anothers(void **state)
{
        (void)state;
        for (int learner = 0; learner < 2; learner++) {
                struct desk *d = desk_new();
                conn_id old = desk_open(d), k = desk_accept(d, "10.0.0.1");
                d->learner = learner;
                int64_t session = desk_session(d, old);
                desk_create(d, old, 1, "/old");
                if (learner)
                        desk_hang_up(d, old);
                desk_connect(d, k, session, 0);
                if (learner)
                        desk_revalidated(d, session, true);
                assert_string_equal(desk_take(d, k), "open");
                desk_path(d, k, 1, OP_DELETE, "/missing", -1);
                desk_commit(d, 1);
                assert_string_equal(desk_take(d, k), "");
                desk_commit(d, 1);
                assert_string_equal(desk_take(d, k), "1:-101");
                assert_int_equal(d->clients->orphans.count, 0);
                desk_free(d);
        }
}

/* A leader knows its own proposals by their zxid: what the session asked for elsewhere is none of them. */
static void test_leader_tells_its_own_outcomes_from_those_of_other_servers(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_foreign_error(d, desk_session(d, k), 1, ZK_SESSION_MOVED);
        desk_create(d, k, 1, "/a");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_free(d);
}

static void test_end_of_the_role_forgets_what_was_asked(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->learner = true;
        conn_id lost = desk_open(d), k = desk_open(d), resuming = desk_accept(d, "10.0.0.1");
        int64_t session = desk_session(d, lost);
        desk_create(d, lost, 1, "/a");
        desk_hang_up(d, lost);
        desk_path(d, k, 1, OP_SYNC, "/", 0);
        desk_connect(d, resuming, session, 0);
        clients_end(d->clients, &d->fx);
        desk_tick(d, 1);
        assert_string_equal(desk_take(d, resuming), "flushed");
        assert_int_equal(d->clients->asked_count, 0);
        assert_int_equal(d->clients->orphans.count, 0);
        assert_int_equal(d->clients->stats.outstanding, 0);
        assert_int_equal(d->clients->queue_bytes, 0);
        desk_free(d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replies_leave_in_the_order_of_requests),
                cmocka_unit_test(test_reads_do_not_wait_for_other_sessions_writes),
                cmocka_unit_test(test_any_xid_is_echoed),
                cmocka_unit_test(test_trailing_bytes_are_ignored_and_missing_ones_answered),
                cmocka_unit_test(test_what_is_no_request_of_a_client_is_answered_and_closed),
                cmocka_unit_test(test_nothing_follows_a_request_that_was_dropped),
                cmocka_unit_test(test_closing_session_is_not_read_for_either),
                cmocka_unit_test(test_muted_server_answers_nothing),
                cmocka_unit_test(test_moved_session_is_closed_without_a_reply),
                cmocka_unit_test(test_sync_is_a_barrier_in_its_session),
                cmocka_unit_test(test_pipelined_syncs_of_a_lone_server_are_all_answered),
                cmocka_unit_test(test_nothing_overtakes_what_a_sync_held_back),
                cmocka_unit_test(test_sync_of_a_connection_that_went_does_not_answer_another),
                cmocka_unit_test(test_sync_that_is_refused_ends_the_session_here),
                cmocka_unit_test(test_held_back_requests_may_be_refused_too),
                cmocka_unit_test(test_ping_is_answered_as_one),
                cmocka_unit_test(test_close_session_is_answered_and_ends_the_connection),
                cmocka_unit_test(test_expired_session_is_cut_off_whatever_it_waits_for),
                cmocka_unit_test(test_forwarded_write_of_a_closing_session_is_answered),
                cmocka_unit_test(test_requests_of_a_lost_connection_are_executed),
                cmocka_unit_test(test_outcome_of_a_lost_connections_write_is_not_anothers),
                cmocka_unit_test(test_leader_tells_its_own_outcomes_from_those_of_other_servers),
                cmocka_unit_test(test_end_of_the_role_forgets_what_was_asked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
