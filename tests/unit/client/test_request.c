/* Requests and their answers: client-protocol.md 2.6 and 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/client/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct jute_str no_data = {.data = NULL, .len = -1};

/* Room for any body. */
static struct jute_writer body_new(void)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        return w;
}

static void put_stat(struct jute_writer *w, int64_t mzxid)
{
        struct jute_stat stat = script_stat(mzxid);
        jute_put_stat(w, &stat);
}

/* Answers with `body` and ends it. */
static void reply_with(struct script *s, int32_t xid, int64_t zxid, struct jute_writer *body)
{
        script_reply(s, xid, zxid, 0, body);
        jute_writer_done(body);
}

/* ---- every operation ---- */

static void test_writes_are_sent_and_their_answers_understood(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        struct jute_writer w;

        assert_int_equal(client_create(s->c, "/n", jute_cstr("v"), CLIENT_EPHEMERAL, NULL, &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "/n");
        reply_with(s, 1, 5, &w);
        script_expect(s, "1 < 1 create /n flags=1 acls=1 data=v\na: answered 0 zxid=0x5 path=/n\n");

        assert_int_equal(client_create2(s->c, "/n-", no_data, CLIENT_SEQUENTIAL, NULL, &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "/n-0000000001");
        put_stat(&w, 6);
        reply_with(s, 2, 6, &w);
        script_expect(s, "1 < 2 create2 /n- flags=2 acls=1\n"
                         "a: answered 0 zxid=0x6 path=/n-0000000001 mzxid=0x6\n");

        assert_int_equal(client_delete(s->c, "/n", 4, &call), 0);
        script_flush(s);
        script_reply(s, 3, 7, 0, NULL);
        script_expect(s, "1 < 3 delete /n version=4\na: answered 0 zxid=0x7\n");

        assert_int_equal(client_set(s->c, "/n", jute_cstr("w"), -1, &call), 0);
        script_flush(s);
        w = body_new();
        put_stat(&w, 9);
        reply_with(s, 4, 9, &w);
        script_expect(s, "1 < 4 set /n version=-1 data=w\na: answered 0 zxid=0x9 mzxid=0x9\n");
        script_free(s);
}

static void test_reads_are_sent_and_their_answers_understood(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        struct jute_acl acl = {.perms = 1, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        struct jute_writer w;

        assert_int_equal(client_exists(s->c, "/n", &call), 0);
        script_flush(s);
        w = body_new();
        put_stat(&w, 8);
        reply_with(s, 1, 8, &w);
        script_expect(s, "1 < 1 exists /n\na: answered 0 zxid=0x8 mzxid=0x8\n");

        assert_int_equal(client_get(s->c, "/n", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "value");
        put_stat(&w, 8);
        reply_with(s, 2, 8, &w);
        script_expect(s, "1 < 2 get /n\na: answered 0 zxid=0x8 data=value mzxid=0x8\n");

        assert_int_equal(client_children(s->c, "/", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_int(&w, 2);
        jute_put_cstr(&w, "x");
        jute_put_cstr(&w, "y");
        reply_with(s, 3, 9, &w);
        script_expect(s, "1 < 3 children /\na: answered 0 zxid=0x9 children[x y]\n");

        assert_int_equal(client_children2(s->c, "/", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_int(&w, 0);
        put_stat(&w, 9);
        reply_with(s, 4, 9, &w);
        script_expect(s, "1 < 4 children2 /\na: answered 0 zxid=0x9 children[] mzxid=0x9\n");

        assert_int_equal(client_sync(s->c, "/", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "/");
        reply_with(s, 5, 9, &w);
        script_expect(s, "1 < 5 sync /\na: answered 0 zxid=0x9 path=/\n");

        assert_int_equal(client_get_acl(s->c, "/n", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_int(&w, 1);
        jute_put_acl(&w, &acl);
        put_stat(&w, 9);
        reply_with(s, 6, 9, &w);
        script_expect(s, "1 < 6 getACL /n\na: answered 0 zxid=0x9 acls=1 mzxid=0x9\n");
        script_free(s);
}

static void test_an_error_is_an_answer_without_a_body(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        assert_int_equal(client_get(s->c, "/n", &call), 0);
        assert_int_equal(client_multi(s->c, &(struct client_op){.type = OP_CHECK, .path = "/n"}, 1, &call), 0);
        script_flush(s);
        script_forget(s);
        script_reply(s, 1, 5, ZK_NO_NODE, NULL);
        script_reply(s, 2, 5, ZK_MARSHALLING_ERROR, NULL);
        script_expect(s, "a: answered -101 zxid=0x5\na: answered -5 zxid=0x5\n");
        script_free(s);
}

static void put_multi_header(struct jute_writer *w, int32_t type, bool done, int32_t err)
{
        struct jute_multi_header h = {.type = type, .done = done, .err = err};
        jute_put_multi_header(w, &h);
}

static int send_multi(struct script *s)
{
        const struct client_op ops[] = {
                {.type = OP_CHECK, .path = "/m", .version = 2},
                {.type = OP_CREATE, .path = "/a", .data = jute_cstr("x"), .flags = CLIENT_EPHEMERAL},
                {.type = OP_CREATE2, .path = "/b", .data = no_data},
                {.type = OP_SET_DATA, .path = "/c", .data = jute_cstr("y"), .version = -1},
                {.type = OP_DELETE, .path = "/d", .version = 1},
        };
        struct client_call call = script_call(s, "m");
        int r = client_multi(s->c, ops, 5, &call);
        script_flush(s);
        return r;
}

static void test_a_multi_succeeds_as_a_whole(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct jute_writer w = body_new();
        assert_int_equal(send_multi(s), 0);
        script_expect(s, "1 < 1 multi (check /m version=2) (create /a flags=1 acls=1 data=x) (create2 /b flags=0 "
                         "acls=1) (set /c version=-1 data=y) (delete /d version=1)\n");
        put_multi_header(&w, OP_CHECK, false, 0);
        put_multi_header(&w, OP_CREATE, false, 0);
        jute_put_cstr(&w, "/a");
        put_multi_header(&w, OP_CREATE2, false, 0);
        jute_put_cstr(&w, "/b");
        put_stat(&w, 5);
        put_multi_header(&w, OP_SET_DATA, false, 0);
        put_stat(&w, 6);
        put_multi_header(&w, OP_DELETE, false, 0);
        put_multi_header(&w, -1, true, -1);
        reply_with(s, 1, 6, &w);
        script_expect(s, "m: answered 0 zxid=0x6 (0) (0 path=/a) (0 path=/b mzxid=0x5) (0 mzxid=0x6) (0)\n");
        script_free(s);
}

/* As ZooKeeper 3.8.0 answers. */
static void test_a_create2_in_a_multi_may_be_answered_as_create(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct jute_writer w = body_new();
        const struct client_op op = {.type = OP_CREATE2, .path = "/b", .data = no_data};
        struct client_call call = script_call(s, "m");
        assert_int_equal(client_multi(s->c, &op, 1, &call), 0);
        script_flush(s);
        script_forget(s);
        put_multi_header(&w, OP_CREATE, false, 0);
        jute_put_cstr(&w, "/b");
        put_multi_header(&w, -1, true, -1);
        reply_with(s, 1, 6, &w);
        script_expect(s, "m: answered 0 zxid=0x6 (0 path=/b)\n");
        script_free(s);
}

/* client-protocol.md 4.3: the header of a failed multi says 0. */
static void test_a_failed_multi_says_which_operation_was_at_fault(void **state)
{
        (void)state;
        static const int32_t errors[] = {0, ZK_NODE_EXISTS, ZK_RUNTIME_INCONSISTENCY, ZK_RUNTIME_INCONSISTENCY,
                                         ZK_RUNTIME_INCONSISTENCY};
        struct script *s = script_connected();
        struct jute_writer w = body_new();
        assert_int_equal(send_multi(s), 0);
        script_forget(s);
        for (size_t i = 0; i < 5; i++) {
                put_multi_header(&w, -1, false, errors[i]);
                jute_put_int(&w, errors[i]);
        }
        put_multi_header(&w, -1, true, -1);
        reply_with(s, 1, 6, &w);
        script_expect(s, "m: answered -110 zxid=0x6 (0) (-110) (-2) (-2) (-2)\n");
        script_free(s);
}

static void test_a_multi_answered_with_other_operations_ends_the_connection(void **state)
{
        (void)state;
        static const struct {
                int count;
                int32_t type;
        } answers[] = {{4, OP_CHECK}, {6, OP_CHECK}, {5, OP_DELETE}};
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
                struct script *s = script_connected();
                struct jute_writer w = body_new();
                assert_int_equal(send_multi(s), 0);
                script_run(s, 500);
                script_forget(s);
                for (int k = 0; k < answers[i].count; k++)
                        put_multi_header(&w, answers[i].type, false, 0);
                put_multi_header(&w, -1, true, -1);
                reply_with(s, 1, 6, &w);
                script_expect(s, "suspended -71\nm: unknown -4\nclose 1\ndial 3\n");
                script_free(s);
        }
}

/* ---- order and outcome ---- */

static void test_answers_come_in_the_order_of_requests(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a"), b = script_call(s, "b"), c = script_call(s, "c");
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        assert_int_equal(client_delete(s->c, "/b", -1, &b), 0);
        assert_int_equal(client_deadline(s->c), 0); /* wants to be flushed */
        script_flush(s);
        assert_int_equal(client_delete(s->c, "/c", -1, &c), 0);
        script_flush(s);
        script_expect(s, "1 < 1 delete /a version=-1\n1 < 2 delete /b version=-1\n1 < 3 delete /c version=-1\n");
        script_reply(s, 1, 5, 0, NULL);
        script_reply(s, CLIENT_XID_PING, 0, 0, NULL);
        script_reply(s, 2, 6, ZK_NO_NODE, NULL);
        script_reply(s, 3, 7, 0, NULL);
        script_expect(s, "a: answered 0 zxid=0x5\nb: answered -101 zxid=0x6\nc: answered 0 zxid=0x7\n");
        script_free(s);
}

static void test_an_answer_out_of_order_ends_the_connection(void **state)
{
        (void)state;
        static const int32_t wrong[] = {2, 3, -4};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                struct script *s = script_connected();
                struct client_call a = script_call(s, "a"), b = script_call(s, "b");
                assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
                assert_int_equal(client_delete(s->c, "/b", -1, &b), 0);
                script_flush(s);
                script_run(s, 500);
                script_forget(s);
                script_reply(s, wrong[i], 5, 0, NULL);
                script_expect(s, "suspended -71\na: unknown -4\nb: unknown -4\nclose 1\ndial 3\n");
                script_free(s);
        }
}

static void test_an_answer_that_nobody_asked_for_ends_the_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        script_run(s, 500);
        script_reply(s, 1, 5, 0, NULL);
        script_expect(s, "suspended -71\nclose 1\ndial 3\n");
        script_free(s);
}

static void test_a_malformed_answer_leaves_the_outcome_unknown_and_is_not_seen(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_connected();
        struct client_call a = script_watch(s, "a");
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        script_flush(s);
        script_run(s, 500);
        script_forget(s);
        script_reply(s, 1, 5, 0, NULL); /* no data, no Stat */
        script_expect(s, "suspended -71\na: unknown -4\nclose 1\ndial 3\n");
        client_session(s->c, &session);
        assert_int_equal(session.last_zxid, 0);
        script_free(s);
}

/* client-protocol.md 9, safety.md S5: nothing that may have been carried out is sent again. */
static void test_what_was_sent_is_unknown_when_the_connection_ends_and_what_was_not_waits(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call sent = script_call(s, "sent"), waits = script_call(s, "waits");
        assert_int_equal(client_delete(s->c, "/a", -1, &sent), 0);
        script_flush(s);
        script_run(s, 500);
        assert_int_equal(client_delete(s->c, "/b", -1, &waits), 0);
        script_forget(s);
        script_closed(s, -ECONNRESET);
        script_expect(s, "suspended -104\nsent: unknown -4\ndial 3\n");
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s, "resumed\n3 < 2 delete /b version=-1\n");
        script_free(s);
}

static void test_a_request_may_refuse_to_wait_for_a_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a"), b = script_call(s, "b");
        a.at_once = true;
        script_run(s, 500);
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        assert_int_equal(client_get(s->c, "/b", &b), 0);
        script_forget(s);
        script_closed(s, 0); /* before anything was flushed */
        script_expect(s, "suspended -104\na: not sent -9\ndial 3\n");
        assert_int_equal(client_get(s->c, "/a", &a), -ENOTCONN);
        script_accept(s, SCRIPT_SESSION);
        script_expect(s, "3 < connect session=0x1234 zxid=0x0 timeout=3000 passwd=ab\nresumed\n3 < 1 get /b\n");
        script_free(s);
}

static void test_requests_made_before_the_start_are_sent_when_connected(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(3));
        struct client_call a = script_call(s, "a");
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        script_expect(s, "connecting\ndial 1\n1 < connect session=0x0 zxid=0x0 timeout=3000 passwd=00\nconnected\n"
                         "1 < 1 get /a\n");
        script_free(s);
}

static void test_the_end_of_the_client_completes_everything(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call sent = script_call(s, "sent"), waits = script_call(s, "waits"), w = script_watch(s, "w");
        assert_int_equal(client_exists(s->c, "/w", &w), 0);
        assert_int_equal(client_delete(s->c, "/a", -1, &sent), 0);
        script_flush(s);
        script_reply(s, 1, 5, ZK_NO_NODE, NULL);
        assert_int_equal(client_delete(s->c, "/b", -1, &waits), 0);
        script_forget(s);
        client_free(s->c);
        s->c = NULL;
        script_expect(s, "w: event -1 /w\nsent: unknown -4\nwaits: not sent -116\n");
        script_free(s);
}

/* ---- for leases ---- */

static uint64_t told_sent_ms;
static conn_id told_conn;

static void keep_sent(struct script *s, const char *label, const struct client_result *r)
{
        (void)s;
        (void)label;
        told_sent_ms = r->sent_ms;
        told_conn = r->conn;
}

/* safety.md 2.2 rules 2 and 6: the deadline counts from the send, however late it was and however late the reply. */
static void test_an_answer_tells_when_and_where_its_request_was_sent(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        s->on_done = keep_sent;
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        s->now = 1700; /* asked for long before */
        script_flush(s);
        s->now = 2500;
        script_reply(s, 1, 5, 0, NULL);
        assert_int_equal(told_sent_ms, 1700);
        assert_int_equal(told_conn, 1);
        assert_int_equal(client_conn(s->c), 1);

        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        client_free(s->c);
        s->c = NULL;
        assert_int_equal(told_sent_ms, 0); /* never sent */
        assert_int_equal(told_conn, 0);
        script_free(s);
}

static void ask_again(struct script *s, const char *label, const struct client_result *r)
{
        struct client_call next = script_call(s, "next");
        if (strcmp(label, "a") == 0 && r->outcome == CLIENT_ANSWERED)
                assert_int_equal(client_delete(s->c, "/next", -1, &next), 0);
}

static void test_a_request_made_in_a_completion_goes_out_with_the_same_event(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        s->on_done = ask_again;
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        script_flush(s);
        script_forget(s);
        script_reply(s, 1, 5, 0, NULL);
        script_expect(s, "a: answered 0 zxid=0x5\n1 < 2 delete /next version=-1\n");
        script_free(s);
}

static void test_the_session_remembers_the_highest_zxid_of_replies_only(void **state)
{
        (void)state;
        struct client_session session;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        for (int i = 0; i < 3; i++)
                assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        script_flush(s);
        script_reply(s, 1, 7, ZK_NO_NODE, NULL); /* a failed write has its transaction too */
        script_reply(s, 2, 5, 0, NULL);
        script_reply(s, 3, -1, ZK_UNIMPLEMENTED, NULL);
        script_reply(s, CLIENT_XID_PING, 9, 0, NULL);
        client_session(s->c, &session);
        assert_int_equal(session.last_zxid, 7);
        script_free(s);
}

/* ---- xids ---- */

static void test_after_the_last_xid_comes_one(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        s->c->next_xid = INT32_MAX;
        for (int i = 0; i < 2; i++)
                assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        script_flush(s);
        script_expect(s, "1 < 2147483647 delete /a version=-1\n1 < 1 delete /a version=-1\n");
        script_reply(s, INT32_MAX, 5, 0, NULL);
        script_reply(s, 1, 6, 0, NULL);
        script_expect(s, "a: answered 0 zxid=0x5\na: answered 0 zxid=0x6\n");
        script_free(s);
}

/* ---- limits ---- */

static void test_requests_beyond_the_window_wait_for_answers(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        s->quiet = true;
        for (int i = 0; i < CLIENT_IN_FLIGHT_MAX + 10; i++)
                assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        script_flush(s);
        assert_int_equal(s->sent, CLIENT_IN_FLIGHT_MAX);
        assert_int_not_equal(client_deadline(s->c), 0); /* nothing can be flushed */
        script_reply(s, 1, 5, 0, NULL);
        assert_int_equal(s->sent, CLIENT_IN_FLIGHT_MAX + 1);
        script_free(s);
}

static void test_requests_beyond_the_limit_are_refused(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        s->quiet = true;
        for (int i = 0; i < CLIENT_REQUESTS_MAX; i++)
                assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        assert_int_equal(client_delete(s->c, "/a", -1, &a), -ENOBUFS);
        script_flush(s);
        assert_int_equal(client_delete(s->c, "/a", -1, &a), -ENOBUFS); /* those in flight count */
        script_reply(s, 1, 5, 0, NULL);
        assert_int_equal(client_delete(s->c, "/a", -1, &a), 0);
        assert_int_equal(client_delete(s->c, "/a", -1, &a), -ENOBUFS);
        script_closed(s, 0);
        assert_int_equal(s->answered, 1);
        assert_int_equal(s->unknown, CLIENT_IN_FLIGHT_MAX);
        client_free(s->c);
        s->c = NULL;
        assert_int_equal(s->not_sent, CLIENT_REQUESTS_MAX - CLIENT_IN_FLIGHT_MAX);
        script_free(s);
}

static void test_bytes_in_the_queue_and_in_flight_are_bounded(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        size_t size = 1000000, accepted = 0;
        uint8_t *data = mem_zalloc(size);
        s->quiet = true;
        while (client_set(s->c, "/a", jute_str_of(data, size), -1, &a) == 0)
                accepted++;
        assert_int_equal(client_set(s->c, "/a", jute_str_of(data, size), -1, &a), -ENOBUFS);
        assert_in_range(accepted * size, CLIENT_WAITING_BYTES_MAX - 2 * size, CLIENT_WAITING_BYTES_MAX);
        script_flush(s);
        assert_int_equal(s->sent, CLIENT_IN_FLIGHT_BYTES_MAX / size);
        mem_free(data);
        script_free(s);
}

static void test_a_request_longer_than_the_server_takes_is_refused(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->max_buffer = 100;
        struct script *s = script_new(config);
        struct client_call a = script_call(s, "a");
        uint8_t data[100] = {0};
        /* header 8, path 4 + 2, data 4 + n, version 4 */
        assert_int_equal(client_set(s->c, "/a", jute_str_of(data, 78), -1, &a), 0);
        assert_int_equal(client_set(s->c, "/a", jute_str_of(data, 79), -1, &a), -EMSGSIZE);
        script_free(s);
}

static void is_of_a_hundred_bytes(struct script *s, const char *label, const struct client_result *r)
{
        (void)s;
        assert_string_equal(label, "a");
        assert_int_equal(r->size_bytes, 100);
}

static void test_a_result_says_how_long_the_request_was(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        uint8_t data[78] = {0};
        s->on_done = is_of_a_hundred_bytes;
        assert_int_equal(client_set(s->c, "/a", jute_str_of(data, 78), -1, &a), 0);
        script_flush(s);
        script_closed(s, -ECONNRESET);
        assert_int_equal(s->unknown, 1);
        s->on_done = NULL;
        script_free(s);
}

static void test_a_reply_beyond_any_limit_ends_the_connection_before_it_is_read(void **state)
{
        (void)state;
        static const uint32_t lengths[] = {2 * JUTE_MAXBUFFER_DEFAULT + 1, 0x7fffffff, 0x80000000, 0xffffffff};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                struct script *s = script_connected();
                uint32_t n = lengths[i];
                const uint8_t header[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
                script_run(s, 500);
                script_bytes(s, header, 3);
                script_bytes(s, header + 3, 1);
                script_expect(s, "suspended -71\nclose 1\ndial 3\n");
                assert_non_null(strstr(client_why(s->c), "2097150 are taken at most"));
                script_free(s);
        }
}

static void test_how_long_a_reply_may_be_is_the_users_choice(void **state)
{
        (void)state;
        static const struct {
                int32_t max;
                uint8_t header[4];
                bool taken;
        } rows[] = {{100, {0, 0, 0, 101}, false},
                    {100, {0, 0, 0, 100}, true},
                    {256 << 20, {16, 0, 0, 0}, true},
                    {256 << 20, {16, 0, 0, 1}, false},
                    {INT32_MAX, {0x80, 0, 0, 0}, false}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct client_config *config = script_config(3);
                config->max_reply = rows[i].max;
                struct script *s = script_connected_with(config);
                script_run(s, 500);
                script_bytes(s, rows[i].header, sizeof rows[i].header);
                script_expect(s, rows[i].taken ? "" : "suspended -71\nclose 1\ndial 3\n");
                script_free(s);
        }
}

static void test_the_longest_reply_is_read(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        struct jute_writer w = body_new();
        size_t size = 2 * JUTE_MAXBUFFER_DEFAULT - 16 - 4 - 68; /* header, length, Stat */
        uint8_t *data = mem_zalloc(size);
        s->quiet = true;
        assert_int_equal(client_get(s->c, "/a", &a), 0);
        script_flush(s);
        jute_put_str(&w, jute_str_of(data, size));
        put_stat(&w, 5);
        reply_with(s, 1, 5, &w);
        assert_int_equal(s->answered, 1);
        mem_free(data);
        script_free(s);
}

static void test_bytes_may_come_in_any_portions(void **state)
{
        (void)state;
        for (size_t portion = 1; portion <= 130; portion++) {
                struct script *s = script_connected();
                struct client_call a = script_call(s, "a"), b = script_call(s, "b");
                struct jute_writer w = body_new();
                struct jute_reply_header first = {.xid = 1, .zxid = 5}, second = {.xid = 2, .zxid = 6};
                assert_int_equal(client_get(s->c, "/a", &a), 0);
                assert_int_equal(client_delete(s->c, "/b", -1, &b), 0);
                script_flush(s);
                script_forget(s);
                jute_put_int(&w, 16 + 4 + 3 + 68);
                jute_put_reply_header(&w, &first);
                jute_put_cstr(&w, "abc");
                put_stat(&w, 5);
                jute_put_int(&w, 16);
                jute_put_reply_header(&w, &second);
                for (size_t at = 0; at < w.len; at += portion)
                        script_bytes(s, w.data + at, portion < w.len - at ? portion : w.len - at);
                script_expect(s, "a: answered 0 zxid=0x5 data=abc mzxid=0x5\nb: answered 0 zxid=0x6\n");
                jute_writer_done(&w);
                script_free(s);
        }
}

/* ---- arguments ---- */

static void test_bad_arguments_are_refused_and_nothing_is_called(void **state)
{
        (void)state;
        static const char *const bad[] = {"", "a", "/a/", "//", "/a//b", "/.", "/a/..", "/../a", NULL};
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        struct client_op op = {.type = OP_GET_DATA, .path = "/a"};
        char *lengthy = mem_alloc(CLIENT_PATH_MAX + 2);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(client_get(s->c, bad[i], &a), -EINVAL);
        assert_int_equal(client_create(s->c, "/a", no_data, 4, NULL, &a), -EINVAL);
        assert_int_equal(client_create(s->c, "/a/", no_data, CLIENT_PERSISTENT, NULL, &a), -EINVAL);
        assert_int_equal(client_multi(s->c, &op, 1, &a), -EINVAL);
        assert_int_equal(client_multi(s->c, &op, 0, &a), -EINVAL);
        assert_int_equal(client_multi(s->c, &op, CLIENT_MULTI_OPS_MAX + 1, &a), -EINVAL);
        op = (struct client_op){.type = OP_CREATE, .path = "/a", .flags = 8};
        assert_int_equal(client_multi(s->c, &op, 1, &a), -EINVAL);
        memset(lengthy, 'x', CLIENT_PATH_MAX + 1);
        lengthy[0] = '/';
        lengthy[CLIENT_PATH_MAX + 1] = 0;
        assert_int_equal(client_get(s->c, lengthy, &a), -EMSGSIZE);
        lengthy[CLIENT_PATH_MAX] = 0;
        assert_int_equal(client_exists(s->c, lengthy, &a), 0);
        mem_free(lengthy);
        /* A sequential name may be its number alone; "..." is a name like any other. */
        assert_int_equal(client_create(s->c, "/a/", no_data, CLIENT_SEQUENTIAL, NULL, &a), 0);
        assert_int_equal(client_get(s->c, "/a/...", NULL), 0);
        script_free(s);
}

static void test_an_acl_is_sent_as_given(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call a = script_call(s, "a");
        struct jute_writer w = body_new();
        struct jute_acl one = {.perms = 1, .id = {.scheme = jute_cstr("digest"), .id = jute_cstr("u:x")}};
        jute_put_acl(&w, &one);
        jute_put_acl(&w, &one);
        struct jute_vec acl = {.data = w.data, .size = w.len, .count = 2};
        assert_int_equal(client_create(s->c, "/a", no_data, 0, &acl, &a), 0);
        script_flush(s);
        script_expect(s, "1 < 1 create /a flags=0 acls=2\n");
        jute_writer_done(&w);
        script_free(s);
}

/* client-protocol.md 4.2: the server always sees full paths. */
static void test_a_chroot_is_added_and_taken_away(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->chroot = "/app";
        struct script *s = script_new(config);
        struct client_call a = script_call(s, "a");
        struct jute_writer w = body_new();
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        script_forget(s);
        assert_int_equal(client_create(s->c, "/n", no_data, 0, NULL, &a), 0);
        assert_int_equal(client_sync(s->c, "/", &a), 0);
        assert_int_equal(
                client_multi(s->c, &(struct client_op){.type = OP_CREATE, .path = "/n", .data = no_data}, 1, &a), 0);
        script_flush(s);
        script_expect(s, "1 < 1 create /app/n flags=0 acls=1\n1 < 2 sync /app\n"
                         "1 < 3 multi (create /app/n flags=0 acls=1)\n");
        jute_put_cstr(&w, "/app/n");
        reply_with(s, 1, 5, &w);
        w = body_new();
        jute_put_cstr(&w, "/app");
        reply_with(s, 2, 5, &w);
        w = body_new();
        put_multi_header(&w, OP_CREATE, false, 0);
        jute_put_cstr(&w, "/app/n");
        put_multi_header(&w, -1, true, -1);
        reply_with(s, 3, 6, &w);
        script_expect(s, "a: answered 0 zxid=0x5 path=/n\na: answered 0 zxid=0x5 path=/\n"
                         "a: answered 0 zxid=0x6 (0 path=/n)\n");
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_writes_are_sent_and_their_answers_understood),
                cmocka_unit_test(test_reads_are_sent_and_their_answers_understood),
                cmocka_unit_test(test_an_error_is_an_answer_without_a_body),
                cmocka_unit_test(test_a_multi_succeeds_as_a_whole),
                cmocka_unit_test(test_a_create2_in_a_multi_may_be_answered_as_create),
                cmocka_unit_test(test_a_failed_multi_says_which_operation_was_at_fault),
                cmocka_unit_test(test_a_multi_answered_with_other_operations_ends_the_connection),
                cmocka_unit_test(test_answers_come_in_the_order_of_requests),
                cmocka_unit_test(test_an_answer_out_of_order_ends_the_connection),
                cmocka_unit_test(test_an_answer_that_nobody_asked_for_ends_the_connection),
                cmocka_unit_test(test_a_malformed_answer_leaves_the_outcome_unknown_and_is_not_seen),
                cmocka_unit_test(test_what_was_sent_is_unknown_when_the_connection_ends_and_what_was_not_waits),
                cmocka_unit_test(test_a_request_may_refuse_to_wait_for_a_connection),
                cmocka_unit_test(test_requests_made_before_the_start_are_sent_when_connected),
                cmocka_unit_test(test_the_end_of_the_client_completes_everything),
                cmocka_unit_test(test_an_answer_tells_when_and_where_its_request_was_sent),
                cmocka_unit_test(test_a_request_made_in_a_completion_goes_out_with_the_same_event),
                cmocka_unit_test(test_the_session_remembers_the_highest_zxid_of_replies_only),
                cmocka_unit_test(test_after_the_last_xid_comes_one),
                cmocka_unit_test(test_requests_beyond_the_window_wait_for_answers),
                cmocka_unit_test(test_requests_beyond_the_limit_are_refused),
                cmocka_unit_test(test_bytes_in_the_queue_and_in_flight_are_bounded),
                cmocka_unit_test(test_a_request_longer_than_the_server_takes_is_refused),
                cmocka_unit_test(test_a_result_says_how_long_the_request_was),
                cmocka_unit_test(test_a_reply_beyond_any_limit_ends_the_connection_before_it_is_read),
                cmocka_unit_test(test_how_long_a_reply_may_be_is_the_users_choice),
                cmocka_unit_test(test_the_longest_reply_is_read),
                cmocka_unit_test(test_bytes_may_come_in_any_portions),
                cmocka_unit_test(test_bad_arguments_are_refused_and_nothing_is_called),
                cmocka_unit_test(test_an_acl_is_sent_as_given),
                cmocka_unit_test(test_a_chroot_is_added_and_taken_away),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
