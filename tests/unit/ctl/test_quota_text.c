/* The texts of a quota (daemon/ctl/quota_text.h): client-protocol.md 6.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/quota_text.h"

#include <string.h>

static void assert_reads(const char *text, int64_t count, int64_t bytes, int64_t count_hard, int64_t bytes_hard)
{
        struct quota q;
        assert_true(quota_parse(text, strlen(text), &q));
        assert_int_equal(q.count, count);
        assert_int_equal(q.bytes, bytes);
        assert_int_equal(q.count_hard, count_hard);
        assert_int_equal(q.bytes_hard, bytes_hard);
}

static void test_what_servers_write_is_read(void **state)
{
        (void)state;
        assert_reads("count=1,bytes=5=;byteHardLimit=10;countHardLimit=3", 1, 5, 3, 10);
        assert_reads("count=1,bytes=5", 1, 5, -1, -1);
        assert_reads("count=-1,bytes=-1=;byteHardLimit=10", -1, -1, -1, 10);
        assert_reads("count=,bytes=7", -1, 7, -1, -1);
        assert_reads("", -1, -1, -1, -1);
        assert_reads("other=x;count=9223372036854775807", INT64_MAX, -1, -1, -1);
}

static void test_what_is_no_quota_is_refused(void **state)
{
        (void)state;
        static const char *const bad[] = {"count=x", "count=1x", "nonsense", "count=99999999999999999999999999",
                                          "count=9223372036854775808"};
        struct quota q;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_false(quota_parse(bad[i], strlen(bad[i]), &q));
}

static void test_it_is_written_as_servers_do(void **state)
{
        (void)state;
        char text[QUOTA_TEXT_MAX];
        quota_format(&(struct quota){1, 5, 3, 10}, text);
        assert_string_equal(text, "count=1,bytes=5=;byteHardLimit=10;countHardLimit=3");
        quota_format(&(struct quota){1, -1, -1, -1}, text);
        assert_string_equal(text, "count=1,bytes=-1");
        quota_format(&(struct quota){-1, -1, 3, -1}, text);
        assert_string_equal(text, "count=-1,bytes=-1=;countHardLimit=3");
        quota_format(&(struct quota){INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX}, text);
        assert_true(strlen(text) < QUOTA_TEXT_MAX - 1);
        assert_true(quota_is_empty(&(struct quota){-1, -1, -1, -1}));
        assert_false(quota_is_empty(&(struct quota){-1, -1, 0, -1}));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_servers_write_is_read),
                cmocka_unit_test(test_what_is_no_quota_is_refused),
                cmocka_unit_test(test_it_is_written_as_servers_do),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
