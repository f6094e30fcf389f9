/* Containers, TTL znodes, ACLs, multiRead and the two counts: client-protocol.md 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/client/script.h"

#include <errno.h>

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

static void reply_with(struct script *s, int32_t xid, int64_t zxid, struct jute_writer *body)
{
        script_reply(s, xid, zxid, 0, body);
        jute_writer_done(body);
}

static void test_containers_and_ttl_znodes_are_made_with_their_own_requests(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        struct jute_writer w;

        assert_int_equal(client_create_container(s->c, "/c", jute_cstr("v"), NULL, &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "/c");
        put_stat(&w, 5);
        reply_with(s, 1, 5, &w);
        script_expect(s, "1 < 1 createContainer /c flags=4 acls=1 data=v\na: answered 0 zxid=0x5 path=/c mzxid=0x5\n");

        assert_int_equal(client_create_ttl(s->c, "/t-", jute_cstr("v"), CLIENT_SEQUENTIAL, 1500, NULL, &call), 0);
        assert_int_equal(client_create_ttl(s->c, "/t", jute_cstr(""), 0, CLIENT_TTL_MAX_MS, NULL, &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_cstr(&w, "/t-0000000000");
        put_stat(&w, 6);
        reply_with(s, 2, 6, &w);
        script_reply(s, 3, 7, ZK_UNIMPLEMENTED, NULL);
        script_expect(s, "1 < 2 createTTL /t- flags=6 acls=1 ttl=1500 data=v\n"
                         "1 < 3 createTTL /t flags=5 acls=1 ttl=1099511627775 data=\n"
                         "a: answered 0 zxid=0x6 path=/t-0000000000 mzxid=0x6\na: answered -6 zxid=0x7\n");

        assert_int_equal(client_create_ttl(s->c, "/t", jute_cstr(""), 0, 0, NULL, &call), -EINVAL);
        assert_int_equal(client_create_ttl(s->c, "/t", jute_cstr(""), 0, CLIENT_TTL_MAX_MS + 1, NULL, &call), -EINVAL);
        assert_int_equal(client_create_ttl(s->c, "/t", jute_cstr(""), CLIENT_EPHEMERAL, 1, NULL, &call), -EINVAL);
        script_free(s);
}

static void test_an_acl_is_set_with_its_version(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        struct jute_acl one = {.perms = 1, .id = {.scheme = jute_cstr("auth"), .id = jute_cstr("")}};
        struct jute_writer acl = body_new(), w;
        jute_put_acl(&acl, &one);
        jute_put_acl(&acl, &one);
        const struct jute_vec vec = {.data = acl.data, .size = acl.len, .count = 2};
        assert_int_equal(client_set_acl(s->c, "/n", &vec, 3, &call), 0);
        script_flush(s);
        w = body_new();
        put_stat(&w, 5);
        reply_with(s, 1, 5, &w);
        script_expect(s, "1 < 1 setACL /n version=3 acls=2\na: answered 0 zxid=0x5 mzxid=0x5\n");
        jute_writer_done(&acl);
        script_free(s);
}

static void test_counts_and_ephemerals_are_read(void **state)
{
        (void)state;
        struct script *s = script_connected();
        struct client_call call = script_call(s, "a");
        struct jute_writer w;
        assert_int_equal(client_all_children_number(s->c, "/n", &call), 0);
        assert_int_equal(client_ephemerals(s->c, "/n", &call), 0);
        script_flush(s);
        w = body_new();
        jute_put_int(&w, 7);
        reply_with(s, 1, 5, &w);
        w = body_new();
        jute_put_int(&w, 2);
        jute_put_cstr(&w, "/n/a");
        jute_put_cstr(&w, "/nn");
        reply_with(s, 2, 5, &w);
        script_expect(s, "1 < 1 getAllChildrenNumber /n\n1 < 2 getEphemerals /n\n"
                         "a: answered 0 zxid=0x5 number=7\na: answered 0 zxid=0x5 children[/n/a /nn]\n");
        script_free(s);
}

static void test_ephemerals_go_without_the_chroot(void **state)
{
        (void)state;
        struct client_config *config = script_config(1);
        config->chroot = "/c";
        struct script *s = script_new(config);
        struct client_call call = script_call(s, "a");
        struct jute_writer w;
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        script_forget(s);
        assert_int_equal(client_ephemerals(s->c, "/", &call), 0);
        assert_int_equal(client_ephemerals(s->c, "/x", &call), 0);
        script_flush(s);
        script_expect(s, "1 < 1 getEphemerals /c/\n1 < 2 getEphemerals /c/x\n");
        w = body_new();
        jute_put_int(&w, 2);
        jute_put_cstr(&w, "/c/a");
        jute_put_cstr(&w, "/c/b/c");
        reply_with(s, 1, 5, &w);
        script_expect(s, "a: answered 0 zxid=0x5 children[/a /b/c]\n");
        script_free(s);
}

static void test_a_multi_makes_containers_and_ttl_znodes(void **state)
{
        (void)state;
        const struct client_op ops[] = {
                {.type = OP_CREATE_CONTAINER, .path = "/c", .data = jute_cstr("v")},
                {.type = OP_CREATE_TTL, .path = "/t", .data = jute_cstr("w"), .ttl_ms = 9},
        };
        struct script *s = script_connected();
        struct client_call call = script_call(s, "m");
        struct jute_writer w = body_new();
        struct client_op bad = ops[1];
        assert_int_equal(client_multi(s->c, ops, 2, &call), 0);
        script_flush(s);
        for (int i = 0; i < 2; i++) {
                jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_CREATE2});
                jute_put_cstr(&w, ops[i].path);
                put_stat(&w, 5);
        }
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = -1, .done = true, .err = -1});
        reply_with(s, 1, 5, &w);
        script_expect(s, "1 < 1 multi (createContainer /c flags=4 acls=1 data=v)"
                         " (createTTL /t flags=5 acls=1 ttl=9 data=w)\n"
                         "m: answered 0 zxid=0x5 (0 path=/c mzxid=0x5) (0 path=/t mzxid=0x5)\n");
        bad.ttl_ms = 0;
        assert_int_equal(client_multi(s->c, &bad, 1, &call), -EINVAL);
        script_free(s);
}

static void test_reads_of_a_multi_fail_one_by_one(void **state)
{
        (void)state;
        const struct client_op ops[] = {
                {.type = OP_GET_DATA, .path = "/a"},
                {.type = OP_GET_DATA, .path = "/none"},
                {.type = OP_GET_CHILDREN, .path = "/a"},
        };
        const struct client_op write = {.type = OP_DELETE, .path = "/a"};
        struct script *s = script_connected();
        struct client_call call = script_call(s, "m");
        struct jute_writer w = body_new();
        assert_int_equal(client_multi_read(s->c, ops, 3, &call), 0);
        script_flush(s);
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_GET_DATA});
        jute_put_cstr(&w, "v");
        put_stat(&w, 5);
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_ERROR, .err = ZK_NO_NODE});
        jute_put_int(&w, ZK_NO_NODE);
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_GET_CHILDREN});
        jute_put_int(&w, 1);
        jute_put_cstr(&w, "x");
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = -1, .done = true, .err = -1});
        reply_with(s, 1, 5, &w);
        script_expect(s, "1 < 1 multiRead (get /a) (get /none) (children /a)\n"
                         "m: answered 0 zxid=0x5 (0 data=v mzxid=0x5) (-101) (0 children[x])\n");
        assert_int_equal(client_multi_read(s->c, &write, 1, &call), -EINVAL);
        assert_int_equal(client_multi(s->c, ops, 1, &call), -EINVAL);
        script_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_containers_and_ttl_znodes_are_made_with_their_own_requests),
                cmocka_unit_test(test_an_acl_is_set_with_its_version),
                cmocka_unit_test(test_counts_and_ephemerals_are_read),
                cmocka_unit_test(test_ephemerals_go_without_the_chroot),
                cmocka_unit_test(test_a_multi_makes_containers_and_ttl_znodes),
                cmocka_unit_test(test_reads_of_a_multi_fail_one_by_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
