/* Path rules (client-protocol.md 5.2). */
#include "election/tree/tree_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_valid_paths_are_taken(void **state)
{
        (void)state;
        static const char *const paths[] = {
                "/",
                "/a",
                "/a/b",
                "/...",
                "/a/.../b",
                "/.a",
                "/..a",
                "/a.",
                "/a..",
                "/ ",
                "/a b",
                "/~",
                "/\xC2\xA0",     /* U+00A0 */
                "/\xED\x9F\xBF", /* U+D7FF */
                "/\xEF\xA4\x80", /* U+F900 */
                "/\xEF\xBF\xAF", /* U+FFEF */
                "/\xC3\xA9/\xE4\xB8\xAD",
        };
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
                if (!path_is_valid(jute_cstr(paths[i])))
                        fail_msg("refused: %s", paths[i]);
}

static void test_invalid_paths_are_refused(void **state)
{
        (void)state;
        static const char *const paths[] = {
                "",
                "a",
                "a/b",
                "/a/",
                "//",
                "//a",
                "/a//b",
                "/.",
                "/..",
                "/./a",
                "/../a",
                "/a/.",
                "/a/..",
                "/a/./b",
                "/a/../b",
                "/\x01",
                "/\x1F",
                "/\x7F",
                "/a\nb",
                "/\xC2\x80",
                "/\xC2\x9F",         /* U+0080, U+009F */
                "/\xED\xA0\x80",     /* U+D800 */
                "/\xED\xBF\xBF",     /* U+DFFF */
                "/\xEE\x80\x80",     /* U+E000 */
                "/\xEF\xA3\xBF",     /* U+F8FF */
                "/\xEF\xBF\xB0",     /* U+FFF0 */
                "/\xEF\xBF\xBD",     /* U+FFFD */
                "/\xEF\xBF\xBF",     /* U+FFFF */
                "/\xF0\x9F\x98\x80", /* U+1F600 */
                "/\x80",
                "/\xC0\xAF",
                "/\xC1\xBF",
                "/\xE0\x80\xAF",
                "/\xE0\x9F\xBF", /* malformed, overlong */
                "/\xC3",
                "/\xE4\xB8",
                "/\xE4",
                "/\xFF",
                "/\xC3(",
                "/\xE4\xB8(",
        };
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
                if (path_is_valid(jute_cstr(paths[i])))
                        fail_msg("taken: %s", paths[i]);
        assert_false(path_is_valid(jute_cstr(NULL)));
        assert_false(path_is_valid(jute_str_of("/a\0b", 4)));
}

static void test_a_path_is_split_at_its_last_slash(void **state)
{
        (void)state;
        assert_true(jute_str_is(path_parent(jute_cstr("/a/b/c")), "/a/b"));
        assert_true(jute_str_is(path_name(jute_cstr("/a/b/c")), "c"));
        assert_true(jute_str_is(path_parent(jute_cstr("/a")), ""));
        assert_true(jute_str_is(path_name(jute_cstr("/a")), "a"));
        assert_true(jute_str_is(path_parent(jute_cstr("/")), ""));
        assert_true(jute_str_is(path_name(jute_cstr("/")), ""));
        assert_true(jute_str_is(path_parent(jute_cstr("/a/")), "/a"));
        assert_true(jute_str_is(path_parent(jute_cstr("a/b")), "a"));
}

static void test_sound_paths_are_those_that_can_stand_in_the_tree(void **state)
{
        (void)state;
        assert_true(path__is_sound(jute_cstr("/a")));
        assert_true(path__is_sound(jute_cstr("/a/./b\x01")));
        assert_false(path__is_sound(jute_cstr("")));
        assert_false(path__is_sound(jute_cstr("/")));
        assert_false(path__is_sound(jute_cstr("a/b")));
        assert_false(path__is_sound(jute_cstr("/a/")));
        assert_false(path__is_sound(jute_cstr("//a")));
        assert_false(path__is_sound(jute_cstr("/a//b")));
        assert_false(path__is_sound(jute_cstr(NULL)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_valid_paths_are_taken),
                cmocka_unit_test(test_invalid_paths_are_refused),
                cmocka_unit_test(test_a_path_is_split_at_its_last_slash),
                cmocka_unit_test(test_sound_paths_are_those_that_can_stand_in_the_tree),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
