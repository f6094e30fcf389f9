/* Text as Java sees it. What the tables say was printed by a JVM (17): new String(bytes, UTF_8) and hashCode(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/jute/text.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define R        "\xef\xbf\xbd" /* U+FFFD */

struct row {
        const char *bytes, *text;
};

static void assert_repaired(const char *bytes, size_t len, const char *text)
{
        struct jute_writer w;
        uint8_t *exact = mem_dup(bytes, len); /* so that reading beyond is noticed */
        jute_writer_init(&w, SIZE_MAX);
        text_put_repaired(&w, jute_str_of(exact, len));
        if (w.len != strlen(text) || (w.len && memcmp(w.data, text, w.len) != 0))
                fail_msg("%zu bytes instead of %zu of %s", w.len, strlen(text), text);
        jute_writer_done(&w);
        mem_free(exact);
}

static void test_malformed_parts_become_as_many_replacements_as_java_makes(void **state)
{
        (void)state;
        static const struct row rows[] = {
                {"", ""},
                {"plain", "plain"},
                {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
                {R, R},
                {"\xff", R},
                {"\x80", R},
                {"\xc3", R},
                {"\xc3\x28", R "("},
                {"\xe2\x82", R},
                {"\xe2\x28", R "("},
                {"\xe2\x82\x28", R "("},
                {"\xe0\x80", R R},
                {"\xe0\xa0", R},
                {"\xe0\x80\x80", R R R},
                {"\xed\xa0\x80", R}, /* a surrogate */
                {"\xed\xb0\x80", R},
                {"\xed\xa0", R},
                {"\xf0", R},
                {"\xf0\x41", R "A"},
                {"\xf0\x9f", R},
                {"\xf0\x9f\x98", R},
                {"\xf0\x80\x80\x80", R R R R},
                {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
                {"\xf4\x90", R R},
                {"\xf4\x90\x80\x80", R R R R},
                {"\xf5\x80\x80\x80", R R R R},
                {"\xc0\x80", R R},
                {"\xc1\xbf", R R},
                {"a\xffz\xff", "a" R "z" R},
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_repaired(rows[i].bytes, strlen(rows[i].bytes), rows[i].text);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        text_put_repaired(&w, jute_str_of("a\0b", 3)); /* NUL is a character like any other */
        text_put_repaired(&w, (struct jute_str){.len = -1});
        assert_int_equal(w.len, 3);
        jute_writer_done(&w);
}

static void test_hash_is_that_of_java(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                uint32_t hash;
        } rows[] = {
                {"", 0},
                {"a", 0x61},
                {"ip", 0xd27},
                {"digest", 0xb09c9dc4},
                {"127.0.0.1", 0x59c3b57d},
                {"\xc3\xa9", 0xe9},
                {"\xf0\x9f\x98\x80", 0x1b0d63},
        };
        for (size_t i = 0; i < COUNT(rows); i++)
                if (text_java_hash(jute_cstr(rows[i].text)) != rows[i].hash)
                        fail_msg("%s: %08x", rows[i].text, (unsigned)text_java_hash(jute_cstr(rows[i].text)));
        assert_int_equal(text_java_hash((struct jute_str){.len = -1}), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_malformed_parts_become_as_many_replacements_as_java_makes),
                cmocka_unit_test(test_hash_is_that_of_java),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
