/* A multi as a file (daemon/ctl/multi_file.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/multi_file.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

static struct problems problems;

static void parse(const char *text, struct multi_file *ret)
{
        problems_init(&problems, "f");
        multi_file_parse(text, strlen(text), ret, &problems);
}

static void assert_problem(const char *text, int line, const char *what)
{
        struct multi_file m;
        parse(text, &m);
        assert_int_equal(problems.count, 1);
        assert_int_equal(problems.list[0].line, line);
        if (!strstr(problems.list[0].text, what))
                fail_msg("'%s' is not in '%s'", what, problems.list[0].text);
        multi_file_done(&m);
}

static void test_every_operation_is_read(void **state)
{
        (void)state;
        struct multi_file m;
        parse("# c\n\ncreate -e -s /a v world:anyone:r\ncreate -c /b\ncreate -t 5 -s /c \"\"\ncreate -b /d AAE=\n"
              "set -v 3 /a x\nset /a ''\ndelete /b\ndelete -v 0 /b\ncheck /a\ncheck -v 1 /a",
              &m);
        assert_int_equal(problems.count, 0);
        assert_int_equal(m.count, 10);
        assert_int_equal(m.ops[0].type, OP_CREATE);
        assert_int_equal(m.ops[0].flags, CLIENT_EPHEMERAL | CLIENT_SEQUENTIAL);
        assert_string_equal(m.ops[0].path, "/a");
        assert_true(jute_str_is(m.ops[0].data, "v"));
        assert_int_equal(m.ops[0].acl->count, 1);
        assert_int_equal(m.ops[1].type, OP_CREATE_CONTAINER);
        assert_true(jute_str_is(m.ops[1].data, ""));
        assert_null(m.ops[1].acl);
        assert_int_equal(m.ops[2].type, OP_CREATE_TTL);
        assert_int_equal(m.ops[2].ttl_ms, 5);
        assert_int_equal(m.ops[2].flags, CLIENT_SEQUENTIAL);
        assert_int_equal(m.ops[3].data.len, 2);
        assert_memory_equal(m.ops[3].data.data, "\0\1", 2);
        assert_int_equal(m.ops[4].version, 3);
        assert_int_equal(m.ops[5].version, -1);
        assert_int_equal(m.ops[6].type, OP_DELETE);
        assert_int_equal(m.ops[7].version, 0);
        assert_int_equal(m.ops[8].type, OP_CHECK);
        assert_int_equal(multi_file_line(&m, 0), 3);
        assert_int_equal(multi_file_line(&m, 9), 12);
        multi_file_done(&m);
}

static void test_what_is_wrong_is_said_with_its_line(void **state)
{
        (void)state;
        assert_problem("frobnicate /a", 1, "no operation");
        assert_problem("\ncreate", 2, "which path");
        assert_problem("create a", 1, "no path");
        assert_problem("create \"/a\\x00b\"", 1, "no path");
        assert_problem("create -x /a", 1, "no option -x");
        assert_problem("delete -e /a", 1, "no option -e");
        assert_problem("delete -V /a", 1, "no option -V");
        assert_problem("create -T /a", 1, "no option -T");
        assert_problem("create \"-\\x00\" /a", 1, "no option -");
        assert_problem("create -t 0 /a", 1, "-t wants");
        assert_problem("create -t", 1, "-t wants");
        assert_problem("set -v -2 /a b", 1, "-v wants");
        assert_problem("create -c -e /a", 1, "container");
        assert_problem("create -t 1 -e /a", 1, "ephemeral");
        assert_problem("set /a", 1, "which value");
        assert_problem("set /a b c", 1, "too many");
        assert_problem("create -b /a x", 1, "base64");
        assert_problem("create /a b c", 1, "SCHEME:ID");
        assert_problem("create /a 'b", 1, "not closed");
        assert_problem("frob\x1b[31m /a", 1, "'frob?[31m' is no operation");
        assert_problem("create /a\x1b[31m", 1, "'/a?[31m' is no path");
        assert_problem("create /a\xc2\x9b", 1, "'/a\?\?' is no path");
        assert_problem("create /a b 'c\x7f\xc2\x80\xc3\xa9'", 1, "c?\?\?\xc3\xa9");
        assert_problem("", 0, "no operation");
        assert_problem("# only\n", 0, "no operation");
}

static void test_everything_that_is_wrong_is_said(void **state)
{
        (void)state;
        struct multi_file m;
        parse("create\ncreate /a\nset\n", &m);
        assert_int_equal(problems.count, 2);
        assert_int_equal(problems.list[1].line, 3);
        multi_file_done(&m);
}

static void test_operations_are_bounded(void **state)
{
        (void)state;
        static const char line[] = "check /a\n";
        size_t len = sizeof line - 1;
        char *text = mem_alloc((CLIENT_MULTI_OPS_MAX + 1) * len + 1);
        struct multi_file m;
        for (size_t i = 0; i <= CLIENT_MULTI_OPS_MAX; i++)
                memcpy(text + i * len, line, len + 1);
        parse(text, &m);
        assert_int_equal(m.count, CLIENT_MULTI_OPS_MAX);
        assert_int_equal(problems.count, 1);
        assert_int_equal(problems.list[0].line, CLIENT_MULTI_OPS_MAX + 1);
        multi_file_done(&m);
        mem_free(text);
}

/* ACLs are pointed to within the lines, which move while the list grows. */
static void test_acls_stay_with_their_operations(void **state)
{
        (void)state;
        enum { LINES = 100 };
        char text[LINES * 64] = "";
        size_t len = 0;
        struct multi_file m;
        for (int i = 0; i < LINES; i++)
                len += (size_t)snprintf(text + len, sizeof text - len, "create /a%d x ip:10.0.0.%d:r\n", i, i);
        parse(text, &m);
        assert_int_equal(m.count, LINES);
        for (int i = 0; i < LINES; i++) {
                struct jute_reader r = jute_vec_reader(m.ops[i].acl);
                struct jute_acl acl;
                char id[16];
                jute_get_acl(&r, &acl);
                (void)snprintf(id, sizeof id, "10.0.0.%d", i);
                assert_int_equal(r.error, 0);
                assert_true(jute_str_is(acl.id.id, id));
        }
        multi_file_done(&m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_operation_is_read),
                cmocka_unit_test(test_what_is_wrong_is_said_with_its_line),
                cmocka_unit_test(test_everything_that_is_wrong_is_said),
                cmocka_unit_test(test_operations_are_bounded),
                cmocka_unit_test(test_acls_stay_with_their_operations),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
