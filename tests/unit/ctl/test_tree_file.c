/* A subtree as JSON (daemon/ctl/tree_file.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/tree_file.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "{\"format\":\"baton-tree\",\"version\":1,\"root\":\"/a\",\"nodes\":["

static int parse(const char *text, struct tree *ret, char *why, size_t why_size)
{
        json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        int r = tree_from_json(value, ret, why, why_size);
        json_decref(value);
        return r;
}

static void test_every_field_is_read(void **state)
{
        (void)state;
        struct tree t;
        char why[200];
        assert_int_equal(parse(HEAD "{\"path\":\"/a\",\"data\":null,\"note\":\"x\"},"
                                    "{\"path\":\"/a/b\",\"data\":\"v\\u0000w\",\"kind\":\"ttl\",\"ttl_ms\":7},"
                                    "{\"path\":\"/a/b/c\",\"data_base64\":\"AAE=\",\"kind\":\"container\","
                                    "\"acl\":[{\"scheme\":\"ip\",\"id\":\"::1\",\"perms\":\"rw\"}]},"
                                    "{\"path\":\"/a/e\",\"data\":\"\",\"kind\":\"ephemeral\"}],\"more\":1}",
                               &t, why, sizeof why),
                         0);
        assert_int_equal(t.count, 4);
        assert_null(t.nodes[0].data);
        assert_int_equal(t.nodes[1].size, 3);
        assert_memory_equal(t.nodes[1].data, "v\0w", 4);
        assert_int_equal(t.nodes[1].kind, TREE_TTL);
        assert_int_equal(t.nodes[1].ttl_ms, 7);
        assert_int_equal(t.nodes[2].kind, TREE_CONTAINER);
        assert_int_equal(t.nodes[2].size, 2);
        assert_int_equal(t.nodes[2].acl.count, 1);
        assert_int_equal(t.nodes[3].kind, TREE_EPHEMERAL);
        assert_string_equal(t.nodes[3].data, "");
        tree_done(&t);
}

static void test_what_is_written_is_read_again(void **state)
{
        (void)state;
        struct tree t, again;
        char why[200], *text = NULL;
        size_t size = 0;
        assert_int_equal(parse(HEAD "{\"path\":\"/a\",\"data\":\"sch\u00f6n\\n\"},"
                                    "{\"path\":\"/a/b\",\"data_base64\":\"/wA=\",\"kind\":\"ttl\",\"ttl_ms\":7,"
                                    "\"acl\":[{\"scheme\":\"x\",\"id\":\"a,b\",\"perms\":64}]},"
                                    "{\"path\":\"/a/c\",\"data\":null}]}",
                               &t, why, sizeof why),
                         0);
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        tree_write_begin(out, "/a");
        for (size_t i = 0; i < t.count; i++)
                assert_true(tree_write_node(out, &t.nodes[i], i == 0));
        tree_write_end(out);
        assert_int_equal(fclose(out), 0);
        assert_int_equal(parse(text, &again, why, sizeof why), 0);
        assert_int_equal(again.count, t.count);
        for (size_t i = 0; i < t.count; i++) {
                assert_string_equal(again.nodes[i].path, t.nodes[i].path);
                assert_int_equal(again.nodes[i].size, t.nodes[i].size);
                assert_int_equal(!again.nodes[i].data, !t.nodes[i].data);
                if (t.nodes[i].data)
                        assert_memory_equal(again.nodes[i].data, t.nodes[i].data, t.nodes[i].size);
                assert_true(acl_equal(&again.nodes[i].acl, &t.nodes[i].acl));
                assert_int_equal(again.nodes[i].kind, t.nodes[i].kind);
                assert_int_equal(again.nodes[i].ttl_ms, t.nodes[i].ttl_ms);
        }
        free(text);
        tree_done(&t);
        tree_done(&again);
}

static void assert_bad(const char *text, const char *what)
{
        struct tree t;
        char why[300] = "";
        assert_int_equal(parse(text, &t, why, sizeof why), -EINVAL);
        if (!strstr(why, what))
                fail_msg("'%s' is not in '%s'", what, why);
        tree_done(&t);
}

static void test_what_is_no_tree_is_said(void **state)
{
        (void)state;
        assert_bad("[]", "format");
        assert_bad("{\"format\":\"x\"}", "format");
        assert_bad("{\"format\":\"baton-tree\",\"version\":2}", "version");
        assert_bad("{\"format\":\"baton-tree\",\"version\":1}", "root");
        assert_bad(HEAD "]}", "nodes");
        assert_bad(HEAD "3]}", "path");
        assert_bad(HEAD "{}]}", "path");
        assert_bad(HEAD "{\"path\":\"/a\\u0000\",\"data\":null}]}", "path");
        assert_bad(HEAD "{\"path\":\"/a\\u001b[31m\",\"data\":null}]}", "control characters");
        assert_bad(HEAD "{\"path\":\"/a\\u009b31m\",\"data\":null}]}", "control characters");
        assert_bad(HEAD "{\"path\":\"/a\\u007f\",\"data\":null}]}", "control characters");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\",\"kind\":\"o\\u001bd\"}]}", "kind");
        assert_bad(HEAD "{\"path\":\"/a\"}]}", "data");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":1}]}", "data");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\",\"data_base64\":\"\"}]}", "not one of");
        assert_bad(HEAD "{\"path\":\"/a\",\"data_base64\":\"?\"}]}", "base64");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\",\"kind\":\"odd\"}]}", "kind");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\",\"kind\":\"ttl\"}]}", "ttl_ms");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\",\"acl\":[]}]}", "acl");
        assert_bad(HEAD "{\"path\":\"/b\",\"data\":\"\"}]}", "not the root");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/a\",\"data\":\"\"}]}", "twice");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/b\",\"data\":\"\"}]}", "after its parent");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/a/b/c\",\"data\":\"\"}]}", "after its parent");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/ab\",\"data\":\"\"}]}", "after its parent");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/a//b\",\"data\":\"\"}]}", "path");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/a/..\",\"data\":\"\"}]}", "path");
        assert_bad(HEAD "{\"path\":\"/a\",\"data\":\"\"},{\"path\":\"/a/b/\",\"data\":\"\"}]}", "path");
}

static void test_the_root_may_be_that_of_all(void **state)
{
        (void)state;
        struct tree t;
        char why[200];
        assert_int_equal(parse("{\"format\":\"baton-tree\",\"version\":1,\"root\":\"/\",\"nodes\":["
                               "{\"path\":\"/\",\"data\":\"\"},{\"path\":\"/a\",\"data\":\"\"}]}",
                               &t, why, sizeof why),
                         0);
        assert_int_equal(t.count, 2);
        tree_done(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_field_is_read),
                cmocka_unit_test(test_what_is_written_is_read_again),
                cmocka_unit_test(test_what_is_no_tree_is_said),
                cmocka_unit_test(test_the_root_may_be_that_of_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
