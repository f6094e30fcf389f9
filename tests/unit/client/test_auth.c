/* Identities: client-protocol.md 4.4 and 8.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/client/script.h"

#include <errno.h>
#include <string.h>

static int add(struct script *s, const char *auth, const struct client_call *call)
{
        return client_add_auth(s->c, "digest", jute_cstr(auth), call);
}

static void taken(struct script *s)
{
        script_reply(s, CLIENT_XID_AUTH, 0, ZK_OK, NULL);
}

static void test_an_identity_goes_out_before_the_requests_that_wait(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call get = script_call(s, "get"), auth = script_call(s, "auth");
        assert_int_equal(client_get(s->c, "/a", &get), 0);
        assert_int_equal(add(s, "u:p", &auth), 0);
        assert_int_equal(client_deadline(s->c), 0);
        script_flush(s);
        script_expect(s, "1 < auth scheme=digest auth=u:p\n1 < 1 get /a\n");
        taken(s);
        script_expect(s, "auth: answered 0 zxid=0x0\n");
        script_reply(s, 1, 5, ZK_NO_NODE, NULL);
        script_expect(s, "get: answered -101 zxid=0x5\n");
        script_free(s);
}

/* The answer to auth may overtake those of requests: they are not of one queue. */
static void test_the_answer_may_overtake_others(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call get = script_call(s, "get"), auth = script_call(s, "auth");
        assert_int_equal(client_get(s->c, "/a", &get), 0);
        script_flush(s);
        assert_int_equal(add(s, "u:p", &auth), 0);
        script_flush(s);
        script_forget(s);
        taken(s);
        script_reply(s, 1, 5, ZK_NO_NODE, NULL);
        script_expect(s, "auth: answered 0 zxid=0x0\nget: answered -101 zxid=0x5\n");
        script_free(s);
}

static void test_identities_go_out_first_on_every_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call one = script_call(s, "one"), two = script_call(s, "two"), w = script_watch(s, "w");
        struct jute_writer body;
        struct jute_stat stat = script_stat(5);
        assert_int_equal(add(s, "one", &one), 0);
        script_flush(s);
        taken(s);
        assert_int_equal(client_exists(s->c, "/w", &w), 0);
        script_flush(s);
        jute_writer_init(&body, SIZE_MAX);
        jute_put_stat(&body, &stat);
        script_reply(s, 1, 5, 0, &body);
        jute_writer_done(&body);
        assert_int_equal(add(s, "two", &two), 0); /* never answered on this connection */
        script_flush(s);
        script_run(s, 500);
        script_closed(s, 0);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, SCRIPT_SESSION, SCRIPT_TIMEOUT_MS);
        script_expect(s, "resumed\n3 < auth scheme=digest auth=one\n3 < auth scheme=digest auth=two\n"
                         "3 < setWatches zxid=0x5 data[/w] exist[] child[]\n");
        taken(s);
        script_expect(s, ""); /* it had been told */
        taken(s);
        script_expect(s, "two: answered 0 zxid=0x0\n");
        script_free(s);
}

static void test_identities_outlive_the_session(void **state)
{
        (void)state;
        struct script *s = script_connected();
        assert_int_equal(add(s, "u:p", NULL), 0);
        script_flush(s);
        taken(s);
        script_closed(s, 0);
        script_dialled(s, 0);
        script_handshake(s, 0, 0);
        assert_int_equal(client_state(s->c), CLIENT_EXPIRED);
        assert_int_equal(add(s, "late", NULL), 0);
        script_start(s);
        script_dialled(s, 0);
        script_forget(s);
        script_handshake(s, 0x77, SCRIPT_TIMEOUT_MS);
        script_expect(s, "connected\n5 < auth scheme=digest auth=u:p\n5 < auth scheme=digest auth=late\n");
        script_free(s);
}

static void test_a_refused_identity_ends_the_client(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call auth = script_call(s, "auth"), sent = script_call(s, "sent"), next = script_call(s, "next");
        assert_int_equal(client_get(s->c, "/a", &sent), 0);
        script_flush(s);
        assert_int_equal(client_add_auth(s->c, "nonsense", jute_cstr("x"), &auth), 0);
        script_flush(s);
        assert_int_equal(client_get(s->c, "/b", &next), 0);
        script_forget(s);
        script_reply(s, CLIENT_XID_AUTH, 0, ZK_AUTH_FAILED, NULL);
        script_expect(s, "auth: answered -115 zxid=0x0\nclosed -13\nsent: unknown -4\nnext: not sent -115\nclose 1\n");
        assert_non_null(strstr(client_why(s->c), "nonsense"));
        assert_int_equal(add(s, "u:p", NULL), -ESHUTDOWN);
        assert_int_equal(client_deadline(s->c), UINT64_MAX);
        script_free(s);
}

static void test_an_answer_to_no_identity_ends_the_connection(void **state)
{
        (void)state;
        struct script *s = script_connected();
        taken(s);
        script_expect(s, "suspended -71\nclose 1\ndial 3\n");
        script_free(s);
}

static void test_what_waits_completes_with_the_client(void **state)
{
        (void)state;
        struct script *s = script_new(script_config(1));
        struct client_call auth = script_call(s, "auth");
        assert_int_equal(add(s, "u:p", &auth), 0);
        client_close(s->c, s->now, 0, &s->fx);
        script_flush(s);
        script_expect(s, "closed\nauth: not sent -116\n");
        script_free(s);
}

static void test_identities_are_bounded(void **state)
{
        (void)state;
        static char large[CLIENT_AUTH_BYTES_MAX];
        struct script *s = script_connected();
        assert_int_equal(client_add_auth(s->c, "", jute_cstr("x"), NULL), -EINVAL);
        assert_int_equal(client_add_auth(s->c, NULL, jute_cstr("x"), NULL), -EINVAL);
        assert_int_equal(client_add_auth(s->c, "digest", jute_str_of(large, sizeof large), NULL), -ENOBUFS);
        for (int i = 0; i < CLIENT_AUTHS_MAX; i++)
                assert_int_equal(add(s, "u:p", NULL), 0);
        assert_int_equal(add(s, "u:p", NULL), -ENOBUFS);
        script_free(s);
}

static void test_who_one_is_comes_as_scheme_and_user(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call who = script_call(s, "who");
        struct jute_writer w;
        const struct jute_id ids[] = {{jute_cstr("ip"), jute_cstr("127.0.0.1")}, {jute_cstr("digest"), jute_cstr("u")}};
        assert_int_equal(client_who_am_i(s->c, &who), 0);
        script_flush(s);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 2);
        jute_put_id(&w, &ids[0]);
        jute_put_id(&w, &ids[1]);
        script_reply(s, 1, 5, 0, &w);
        jute_writer_done(&w);
        script_expect(s, "1 < 1 whoAmI\nwho: answered 0 zxid=0x5 ip:127.0.0.1 digest:u\n");
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_identity_goes_out_before_the_requests_that_wait),
                cmocka_unit_test(test_the_answer_may_overtake_others),
                cmocka_unit_test(test_identities_go_out_first_on_every_connection),
                cmocka_unit_test(test_identities_outlive_the_session),
                cmocka_unit_test(test_a_refused_identity_ends_the_client),
                cmocka_unit_test(test_an_answer_to_no_identity_ends_the_connection),
                cmocka_unit_test(test_what_waits_completes_with_the_client),
                cmocka_unit_test(test_identities_are_bounded),
                cmocka_unit_test(test_who_one_is_comes_as_scheme_and_user),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
