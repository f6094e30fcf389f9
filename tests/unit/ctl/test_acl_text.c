/* ACLs as text and JSON (daemon/ctl/acl_text.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/acl_text.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void assert_reads_as(const char *text, const char *written)
{
        struct acl_list a, b;
        char why[200] = "";
        assert_int_equal(acl_parse(text, &a, why, sizeof why), 0);
        char *again = acl_text(&a);
        assert_string_equal(again, written);
        json_t *json = acl_json(&a);
        assert_int_equal(acl_from_json(json, &b, why, sizeof why), 0);
        assert_true(acl_equal(&a, &b));
        json_decref(json);
        mem_free(again);
        acl_done(&a);
        acl_done(&b);
}

static void test_what_is_read_is_written_in_one_way(void **state)
{
        (void)state;
        assert_reads_as("world:anyone:cdrwa", "world:anyone:cdrwa");
        assert_reads_as("world:anyone:awrdc", "world:anyone:cdrwa");
        assert_reads_as("auth::r", "auth::r");
        assert_reads_as("digest:u:aGFzaA==:w,ip:fe80::1/10:ra", "digest:u:aGFzaA==:w,ip:fe80::1/10:ra");
        assert_reads_as("x509:CN=a\\,O=b:r", "x509:CN=a\\,O=b:r");
        assert_reads_as("x:a\\\\b:r", "x:a\\\\b:r");
        assert_reads_as("world:anyone:31", "world:anyone:cdrwa");
        assert_reads_as("world:anyone:0", "world:anyone:0");
        assert_reads_as("world:anyone:255", "world:anyone:255");
        assert_reads_as("world:anyone:-1", "world:anyone:-1");
}

static void test_the_parts_are_where_they_belong(void **state)
{
        (void)state;
        struct acl_list a;
        char why[200];
        assert_int_equal(acl_parse("digest:user:hash:rw,x509:CN=a\\,O=b:a", &a, why, sizeof why), 0);
        assert_int_equal(a.count, 2);
        assert_string_equal(a.entries[0].scheme, "digest");
        assert_string_equal(a.entries[0].id, "user:hash");
        assert_int_equal(a.entries[0].perms, 3);
        assert_string_equal(a.entries[1].id, "CN=a,O=b");
        assert_int_equal(a.entries[1].perms, 16);
        assert_false(acl_is_open(&a));
        acl_done(&a);
        assert_int_equal(acl_parse("world:anyone:cdrwa", &a, why, sizeof why), 0);
        assert_true(acl_is_open(&a));
        acl_done(&a);
}

static void test_what_is_no_acl_is_said(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",      ",",      "world", "world:anyone", "world:anyone:",   ":a:r",
                "a:b:x", "a:b:rx", "a::",   "a:b:r,",       "a:b:99999999999", "a:b:r,,a:b:r"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct acl_list a;
                char why[200] = "";
                assert_int_equal(acl_parse(bad[i], &a, why, sizeof why), -EINVAL);
                assert_true(why[0]);
                acl_done(&a);
        }
}

static void test_json_that_is_no_acl_is_said(void **state)
{
        (void)state;
        static const char *const bad[] = {"{}",
                                          "[]",
                                          "3",
                                          "[3]",
                                          "[{}]",
                                          "[{\"scheme\":\"a\",\"id\":\"b\"}]",
                                          "[{\"scheme\":\"\",\"id\":\"b\",\"perms\":\"r\"}]",
                                          "[{\"scheme\":\"a\",\"id\":3,\"perms\":\"r\"}]",
                                          "[{\"scheme\":\"a\",\"id\":\"b\",\"perms\":\"q\"}]",
                                          "[{\"scheme\":\"a\",\"id\":\"b\",\"perms\":99999999999}]",
                                          "[{\"scheme\":\"a\",\"id\":\"b\",\"perms\":1.5}]"};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct acl_list a;
                char why[200] = "";
                json_t *value = json_loads(bad[i], JSON_DECODE_ANY, NULL);
                assert_non_null(value);
                assert_int_equal(acl_from_json(value, &a, why, sizeof why), -EINVAL);
                assert_true(why[0]);
                acl_done(&a);
                json_decref(value);
        }
}

static void test_entries_are_bounded(void **state)
{
        (void)state;
        char *text = mem_alloc((ACL_ENTRIES_MAX + 1) * 6 + 1), why[200];
        struct acl_list a;
        for (size_t i = 0; i <= ACL_ENTRIES_MAX; i++)
                memcpy(text + i * 6, "a:b:r,", 7);
        text[ACL_ENTRIES_MAX * 6 - 1] = '\0';
        assert_int_equal(acl_parse(text, &a, why, sizeof why), 0);
        assert_int_equal(a.count, ACL_ENTRIES_MAX);
        acl_done(&a);
        text[ACL_ENTRIES_MAX * 6 - 1] = ',';
        text[(ACL_ENTRIES_MAX + 1) * 6 - 1] = '\0';
        assert_int_equal(acl_parse(text, &a, why, sizeof why), -EINVAL);
        acl_done(&a);
        mem_free(text);
}

static void test_the_wires_form_is_that_of_the_list(void **state)
{
        (void)state;
        struct acl_list a;
        struct jute_writer w;
        char why[200];
        assert_int_equal(acl_parse("world:anyone:r,ip:1.2.3.4:w", &a, why, sizeof why), 0);
        jute_writer_init(&w, SIZE_MAX);
        struct jute_vec vec = acl_encode(&a, &w);
        struct jute_reader r = jute_vec_reader(&vec);
        struct jute_acl one;
        assert_int_equal(vec.count, 2);
        jute_get_acl(&r, &one);
        jute_get_acl(&r, &one);
        assert_int_equal(r.error, 0);
        assert_int_equal(jute_left(&r), 0);
        assert_int_equal(one.perms, 2);
        assert_true(jute_str_is(one.id.id, "1.2.3.4"));
        jute_writer_done(&w);
        acl_done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read_is_written_in_one_way),
                cmocka_unit_test(test_the_parts_are_where_they_belong),
                cmocka_unit_test(test_what_is_no_acl_is_said),
                cmocka_unit_test(test_json_that_is_no_acl_is_said),
                cmocka_unit_test(test_entries_are_bounded),
                cmocka_unit_test(test_the_wires_form_is_that_of_the_list),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
