/* Who a client is, and what that opens to it (zookeeper/client-protocol.md 4.4, 8.1). Observed on ZooKeeper 3.9.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

/* An auth packet as part of a pipeline; `data` NULL sends null. */
static void add_auth(struct desk *d, int32_t xid, const char *scheme, const char *data)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        jute_put_cstr(&w, scheme);
        jute_put_cstr(&w, data);
        desk_add(d, xid, OP_AUTH, &w);
        jute_writer_done(&w);
}

static void auth(struct desk *d, conn_id k, const char *scheme, const char *data)
{
        desk_begin(d);
        add_auth(d, -4, scheme, data);
        desk_put(d, k);
}

/* A create whose node, and what is made below it, is for one identity alone. */
static void add_create_for(struct desk *d, int32_t xid, const char *path, const char *scheme, const char *id)
{
        const struct jute_acl entry = {.perms = ACL_ALL, .id = {jute_cstr(scheme), jute_cstr(id)}};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        jute_put_str(&w, jute_str_of("", 0));
        jute_put_int(&w, 1);
        jute_put_acl(&w, &entry);
        jute_put_int(&w, 0);
        desk_add(d, xid, OP_CREATE, &w);
        jute_writer_done(&w);
}

static void make_for(struct desk *d, const char *path, const char *scheme, const char *id)
{
        conn_id k = desk_open(d);
        desk_begin(d);
        add_create_for(d, 1, path, scheme, id);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_hang_up(d, k);
}

#define USER_PASS "user:smGaoVKd/cQkjm7b88GyorAUz20="

/* The answer to whoAmI as text: "ip:127.0.0.1 digest:user". */
static const char *who(struct desk *d, conn_id k)
{
        static char text[8192];
        size_t len = 0;
        struct desk_conn *c = desk_conn(d, k);
        struct jute_reader r;
        c->out_len = 0;
        desk_bare(d, k, 77, OP_WHO_AM_I);
        jute_reader_init(&r, c->out, c->out_len, INT32_MAX);
        (void)jute_get_raw(&r, 4 + 16);
        for (int32_t i = 0, count = jute_get_int(&r); i < count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s:%.*s", i ? " " : "", id.scheme.len,
                                        (const char *)id.scheme.data, id.id.len, (const char *)id.id.data);
        }
        assert_int_equal(r.error, 0);
        assert_int_equal(jute_left(&r), 0);
        c->out_len = 0;
        return text;
}

/* ---- the answer ---- */

static void test_auth_is_answered_before_what_was_sent_before_it(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 0, 0);
        desk_add_path(d, 2, OP_GET_DATA, "/a", 0);
        add_auth(d, 9, "digest", "user:pass");
        desk_put(d, k);
        struct desk_conn *c = desk_conn(d, k);
        struct jute_reader r;
        struct jute_reply_header h;
        jute_reader_init(&r, c->out + 4, c->out_len - 4, INT32_MAX);
        jute_get_reply_header(&r, &h);
        assert_int_equal(h.xid, 9);
        assert_int_equal(h.zxid, 0);
        assert_int_equal(jute_left(&r), 0);
        assert_string_equal(desk_take(d, k), "9:0");
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0 2:0");
        desk_free(d);
}

static void test_what_is_no_scheme_here_is_refused_and_the_connection_closed(void **state)
{
        (void)state;
        static const char *const rows[][2] = {{"world", "anyone"}, {"auth", ""},   {"sasl", ""},
                                              {"x509", ""},        {"super", "x"}, {"Digest", "a"},
                                              {"", "x"},           {NULL, "x"},    {"digest", NULL}};
        struct desk *d = desk_new();
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                conn_id k = desk_open(d);
                auth(d, k, rows[i][0], rows[i][1]);
                assert_string_equal(desk_take(d, k), "-4:-115 flushed");
        }
        assert_int_equal(d->clients->stats.auth_failed, sizeof rows / sizeof *rows);
        assert_int_equal(d->clients->stats.bad_input, 0);
        desk_free(d);
}

static void test_refused_client_s_earlier_requests_are_executed(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_create(d, 2, "/held", 0, 0);
        add_auth(d, -4, "nope", "");
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "-4:-115 flushed");
        desk_commit(d, 1);
        assert_non_null(tree_find(database_tree(d->db), jute_cstr("/held")));
        desk_free(d);
}

static void test_packet_that_can_t_be_read_closes(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        for (int32_t opcode = OP_AUTH; opcode <= OP_SASL; opcode += OP_SASL - OP_AUTH) {
                conn_id k = desk_open(d);
                desk_begin(d);
                if (opcode == OP_AUTH)
                        desk_add(d, -4, OP_AUTH, &w);
                else
                        desk_add(d, 1, OP_SASL, NULL);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), "closed");
        }
        jute_writer_reset(&w);
        jute_put_cstr(&w, NULL); /* a sasl without a token, as 3.9.5 does */
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add(d, 1, OP_SASL, &w);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "closed");
        assert_int_equal(d->clients->stats.bad_input, 3);
        jute_writer_done(&w);
        desk_free(d);
}

static void test_sasl_gets_nothing_to_go_on_with(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_str(&w, jute_str_of("", 0));
        desk_begin(d);
        desk_add(d, 12, OP_SASL, &w);
        desk_put(d, k);
        const struct desk_conn *c = desk_conn(d, k);
        static const uint8_t expected[] = {0, 0, 0, 20, 0, 0, 0, 12, 0,    0,    0,    0,
                                           0, 0, 0, 0,  0, 0, 0, 0,  0xff, 0xff, 0xff, 0xff};
        assert_int_equal(c->out_len, sizeof expected);
        assert_memory_equal(c->out, expected, sizeof expected);
        assert_string_equal(desk_take(d, k), "12:0");
        jute_writer_done(&w);
        desk_free(d);
}

/* ---- identities ---- */

static void test_identities_add_up_in_the_order_of_java_s_set(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_accept(d, "127.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open");
        assert_string_equal(who(d, k), "ip:127.0.0.1");
        static const char *const users[] = {"u:p", "a:1", "b:2", "c:3", "a:1", "u:p"};
        for (size_t i = 0; i < sizeof users / sizeof *users; i++)
                auth(d, k, "digest", users[i]);
        auth(d, k, "ip", "whatever");
        assert_string_equal(who(d, k), "digest:a digest:b ip:127.0.0.1 digest:c digest:u");
        for (int n = 1; n <= 12; n++) {
                char user[32];
                (void)snprintf(user, sizeof user, "user%d:%d", n, n);
                k = n == 1 ? desk_accept(d, "127.0.0.1") : k;
                if (n == 1) {
                        desk_connect(d, k, 0, 0);
                        desk_commit(d, 1);
                }
                auth(d, k, "digest", user);
                if (n == 3)
                        assert_string_equal(who(d, k), "digest:user3 ip:127.0.0.1 digest:user1 digest:user2");
        }
        assert_string_equal(who(d, k),
                            "digest:user11 digest:user10 digest:user3 digest:user12 digest:user7 ip:127.0.0.1 "
                            "digest:user2 digest:user6 digest:user4 digest:user8 digest:user5 digest:user1 "
                            "digest:user9");
        desk_free(d);
}

static void test_so_many_identities_and_no_more(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        char user[CLIENT_IDENTITIES_BYTES_MAX + 1];
        for (int n = 1; n < CLIENT_IDENTITIES_MAX; n++) {
                (void)snprintf(user, sizeof user, "user%d:%d", n, n);
                auth(d, k, "digest", user);
                assert_string_equal(desk_take(d, k), "-4:0");
        }
        auth(d, k, "digest", user); /* known already */
        assert_string_equal(desk_take(d, k), "-4:0");
        auth(d, k, "digest", "one:more");
        assert_string_equal(desk_take(d, k), "-4:-115 flushed");

        k = desk_open(d);
        memset(user, 'x', sizeof user);
        user[CLIENT_IDENTITIES_BYTES_MAX - 200] = 0;
        auth(d, k, "digest", user);
        assert_string_equal(desk_take(d, k), "-4:0");
        auth(d, k, "digest", "one:more");
        assert_string_equal(desk_take(d, k), "-4:0");
        memset(user, 'y', 120);
        user[120] = 0;
        auth(d, k, "digest", user);
        assert_string_equal(desk_take(d, k), "-4:-115 flushed");
        desk_free(d);
}

static void test_super_user_is_super_besides(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        (void)snprintf(d->config.super_digest, sizeof d->config.super_digest, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
        make_for(d, "/closed", "digest", "nobody:x");
        conn_id k = desk_open(d);
        auth(d, k, "digest", "super:admin2");
        desk_path(d, k, 1, OP_GET_DATA, "/closed", 0);
        assert_string_equal(desk_take(d, k), "-4:0 1:-102");
        auth(d, k, "digest", "super:admin");
        desk_path(d, k, 2, OP_GET_DATA, "/closed", 0);
        assert_string_equal(desk_take(d, k), "-4:0 2:0");
        assert_non_null(strstr(who(d, k), "super:"));
        desk_free(d);
}

static void test_scheme_digest_may_be_off(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        d->config.acl.digest_off = true;
        conn_id k = desk_open(d);
        auth(d, k, "digest", "user:pass");
        assert_string_equal(desk_take(d, k), "-4:-115 flushed");
        desk_free(d);
}

/* ---- which request sees which ---- */

static void test_request_is_judged_by_the_identities_when_it_was_read(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        make_for(d, "/mine", "digest", USER_PASS);
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/slow", 0, 0);
        desk_add_path(d, 2, OP_GET_DATA, "/mine", 0); /* waits for 1 */
        add_auth(d, -4, "digest", "user:pass");
        desk_add_path(d, 3, OP_GET_DATA, "/mine", 0);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "-4:0 1:0 2:-102 3:0");
        desk_free(d);
}

static void test_so_is_what_a_sync_held_back(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        make_for(d, "/mine", "digest", USER_PASS);
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_path(d, 1, OP_SYNC, "/", 0);
        desk_add_create(d, 2, "/mine/before", 0, 0);
        add_auth(d, -4, "digest", "user:pass");
        desk_add_create(d, 3, "/mine/after", 0, 0);
        desk_put(d, k);
        desk_sync_done(d);
        desk_commit(d, 2);
        assert_string_equal(desk_take(d, k), "-4:0 1:0 2:-102 3:0");
        desk_free(d);
}

/* 2.4: a resumed session starts with no identities but its new address. */
static void test_identities_end_with_the_connection(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        make_for(d, "/mine", "digest", USER_PASS);
        conn_id k = desk_open(d);
        int64_t session = desk_session(d, k);
        auth(d, k, "digest", "user:pass");
        desk_path(d, k, 1, OP_GET_DATA, "/mine", 0);
        assert_string_equal(desk_take(d, k), "-4:0 1:0");
        conn_id next = desk_accept(d, "127.0.0.2");
        desk_connect(d, next, session, 0);
        desk_path(d, next, 1, OP_GET_DATA, "/mine", 0);
        assert_string_equal(desk_take(d, next), "open 1:-102");
        assert_string_equal(who(d, next), "ip:127.0.0.2");
        desk_free(d);
}

static void test_address_opens_what_is_for_its_network(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        make_for(d, "/lan", "ip", "fd00:1::/32");
        static const char *const from[][2] = {{"fd00:1::5", "open 1:0"}, {"fd00:2::5", "open 1:-102"}};
        for (size_t i = 0; i < 2; i++) {
                conn_id k = desk_accept(d, from[i][0]);
                desk_connect(d, k, 0, 0);
                desk_commit(d, 1);
                desk_path(d, k, 1, OP_GET_DATA, "/lan", 0);
                assert_string_equal(desk_take(d, k), from[i][1]);
        }
        desk_free(d);
}

/* ---- authentication demanded of all ---- */

static void test_where_a_scheme_is_demanded_nothing_else_comes_first(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        (void)snprintf(d->config.enforced_schemes[0], sizeof d->config.enforced_schemes[0], "digest");
        d->config.enforced_scheme_count = 1;
        static const int32_t opcodes[] = {OP_PING, OP_CLOSE_SESSION, OP_WHO_AM_I, 12345};
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                conn_id k = desk_open(d);
                desk_bare(d, k, 5, opcodes[i]);
                struct desk_conn *c = desk_conn(d, k);
                assert_int_equal(c->out_len, 20);
                assert_memory_equal(c->out + 8, "\0\0\0\0\0\0\0\0", 8);
                assert_string_equal(desk_take(d, k), "5:-124 flushed");
        }
        conn_id k = desk_open(d);
        auth(d, k, "ip", "");
        auth(d, k, "digest", "user:pass");
        desk_path(d, k, 1, OP_GET_DATA, "/", 0);
        assert_string_equal(desk_take(d, k), "-4:0 -4:0 1:0");
        (void)snprintf(d->config.enforced_schemes[1], sizeof d->config.enforced_schemes[1], "ip");
        d->config.enforced_scheme_count = 2;
        k = desk_open(d);
        desk_path(d, k, 1, OP_GET_DATA, "/", 0);
        assert_string_equal(desk_take(d, k), "1:0");
        desk_free(d);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_auth_is_answered_before_what_was_sent_before_it),
                cmocka_unit_test(test_what_is_no_scheme_here_is_refused_and_the_connection_closed),
                cmocka_unit_test(test_refused_client_s_earlier_requests_are_executed),
                cmocka_unit_test(test_packet_that_can_t_be_read_closes),
                cmocka_unit_test(test_sasl_gets_nothing_to_go_on_with),
                cmocka_unit_test(test_identities_add_up_in_the_order_of_java_s_set),
                cmocka_unit_test(test_so_many_identities_and_no_more),
                cmocka_unit_test(test_super_user_is_super_besides),
                cmocka_unit_test(test_scheme_digest_may_be_off),
                cmocka_unit_test(test_request_is_judged_by_the_identities_when_it_was_read),
                cmocka_unit_test(test_so_is_what_a_sync_held_back),
                cmocka_unit_test(test_identities_end_with_the_connection),
                cmocka_unit_test(test_address_opens_what_is_for_its_network),
                cmocka_unit_test(test_where_a_scheme_is_demanded_nothing_else_comes_first),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
