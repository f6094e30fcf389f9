/* Texts of quotas against ZooKeeper's own StatsTrack: what 3.8.0 and 3.9.5, both alike, made of each. */
#include "fixture.h"

#include "election/tree/quota_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct vector {
        const char *text;
        const char *again;  /* as it is written back; NULL: an exception */
        int64_t numbers[4]; /* count, bytes, countHardLimit, byteHardLimit */
};

static void test_texts_are_read_and_written_as_java_does(void **state)
{
        (void)state;
        static const struct vector vectors[] = {
                {"", "count=-1,bytes=-1", {-1, -1, -1, -1}},
                {"count=1,bytes=2", "count=1,bytes=2", {1, 2, -1, -1}},
                {"count=1,bytes=2=;byteHardLimit=3;countHardLimit=4",
                 "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4",
                 {1, 2, 4, 3}},
                {",", "count=-1,bytes=-1", {-1, -1, -1, -1}},
                {"a", NULL, {0, 0, 0, 0}},
                {",a=1", NULL, {0, 0, 0, 0}},
                {"a=", NULL, {0, 0, 0, 0}},
                {"=", NULL, {0, 0, 0, 0}},
                {"=5", "count=-1,bytes=-1=;=5", {-1, -1, -1, -1}},
                {"a==5", "count=-1,bytes=-1=;a=-1", {-1, -1, -1, -1}},
                {"count==", NULL, {0, 0, 0, 0}},
                {"count==7", "count=-1,bytes=-1", {-1, -1, -1, -1}},
                {"count= 5", NULL, {0, 0, 0, 0}},
                {"count=+5", "count=5,bytes=-1", {5, -1, -1, -1}},
                {"count=-5", "count=-5,bytes=-1", {-5, -1, -1, -1}},
                {"count=-9223372036854775808", "count=-9223372036854775808,bytes=-1", {INT64_MIN, -1, -1, -1}},
                {"count=9223372036854775808", NULL, {0, 0, 0, 0}},
                {"a=1=2=x", "count=-1,bytes=-1=;a=1", {-1, -1, -1, -1}},
                {"count=1;;;,bytes=2", "count=1,bytes=2", {1, 2, -1, -1}},
                {"count=1,", "count=1,bytes=-1", {1, -1, -1, -1}},
                {"count=1 bytes=2", NULL, {0, 0, 0, 0}},
                {"x=1,count=2,A=3", "count=2,bytes=-1=;A=3;x=1", {2, -1, -1, -1}},
                {"\xd9\xa1=1", "count=-1,bytes=-1=;\xd9\xa1=1", {-1, -1, -1, -1}},
                {"count=\xd9\xa1", "count=1,bytes=-1", {1, -1, -1, -1}},
                {"=;=", NULL, {0, 0, 0, 0}},
                {"count=1,count=2", "count=2,bytes=-1", {2, -1, -1, -1}},
                {"count=-", NULL, {0, 0, 0, 0}},
                {"count=", NULL, {0, 0, 0, 0}},
                {"==", NULL, {0, 0, 0, 0}},
                {"==5", "count=-1,bytes=-1=;=-1", {-1, -1, -1, -1}},
                {"=1=", "count=-1,bytes=-1=;=1", {-1, -1, -1, -1}},
                {"==;a=1", NULL, {0, 0, 0, 0}},
                {"a=1,=,b=1", NULL, {0, 0, 0, 0}},
                {"count=\xef\xbc\x91", "count=1,bytes=-1", {1, -1, -1, -1}},
                {"count=00000000000000000000000000000000001", "count=1,bytes=-1", {1, -1, -1, -1}},
                {"countxcountHardLimit1=7=9223372036854775807",
                 "count=-1,bytes=-1=;countxcountHardLimit1=7",
                 {-1, -1, -1, -1}},
                {"byteHardLimit=38", "count=-1,bytes=-1=;byteHardLimit=38", {-1, -1, -1, 38}},
                {"countHardLimit=55", "count=-1,bytes=-1=;countHardLimit=55", {-1, -1, 55, -1}},
                {"+==\xc3\xa9"
                 "count",
                 "count=-1,bytes=-1=;+=-1",
                 {-1, -1, -1, -1}},
                {"=7", "count=-1,bytes=-1=;=7", {-1, -1, -1, -1}},
                {"bytes=-2;byteHardLimit=52;byteHardLimit=54", "count=-1,bytes=-2=;byteHardLimit=54", {-1, -2, -1, 54}},
                {"byteHardLimit=42;bytes=72", "count=-1,bytes=72=;byteHardLimit=42", {-1, 72, -1, 42}},
                {"byteHardLimit=14", "count=-1,bytes=-1=;byteHardLimit=14", {-1, -1, -1, 14}},
                {"==++countHardLimit9223372036854775807", "count=-1,bytes=-1=;=-1", {-1, -1, -1, -1}},
                {"=1", "count=-1,bytes=-1=;=1", {-1, -1, -1, -1}},
                {"=9223372036854775807", "count=-1,bytes=-1=;=9223372036854775807", {-1, -1, -1, -1}},
                {"byteHardLimit=40", "count=-1,bytes=-1=;byteHardLimit=40", {-1, -1, -1, 40}},
                {"1=-1=7byteHardLimit==", "count=-1,bytes=-1=;1=-1", {-1, -1, -1, -1}},
                {"Z9223372036854775807=71", "count=-1,bytes=-1=;Z9223372036854775807=71", {-1, -1, -1, -1}},
                {"byteHardLimit=21", "count=-1,bytes=-1=;byteHardLimit=21", {-1, -1, -1, 21}},
                {"byteHardLimit=42;bytes=23", "count=-1,bytes=23=;byteHardLimit=42", {-1, 23, -1, 42}},
                {"==-1", "count=-1,bytes=-1=;=-1", {-1, -1, -1, -1}},
                {"byteHardLimit=73;bytes=25", "count=-1,bytes=25=;byteHardLimit=73", {-1, 25, -1, 73}},
                {"count=63,countHardLimit=58;count=64", "count=64,bytes=-1=;countHardLimit=58", {64, -1, 58, -1}},
                {"byteHardLimit=10", "count=-1,bytes=-1=;byteHardLimit=10", {-1, -1, -1, 10}},
                {"bytes=45;count=-3,byteHardLimit=42;bytes=90",
                 "count=-3,bytes=90=;byteHardLimit=42",
                 {-3, 90, -1, 42}},
                {"countHardLimit=76", "count=-1,bytes=-1=;countHardLimit=76", {-1, -1, 76, -1}},
                {"7=== ;=", NULL, {0, 0, 0, 0}},
                {"\xc3\xa9 1", NULL, {0, 0, 0, 0}},
                {"9223372036854775807=x", NULL, {0, 0, 0, 0}},
                {"+=x1-1", NULL, {0, 0, 0, 0}},
                {"7", NULL, {0, 0, 0, 0}},
                {"; ,1", NULL, {0, 0, 0, 0}},
                {"Z=\xc3\xa9=+byteHardLimitx;", NULL, {0, 0, 0, 0}},
                {"1=Z9223372036854775807+7x", NULL, {0, 0, 0, 0}},
                {";;\xc3\xa9"
                 "bytes=+",
                 NULL,
                 {0, 0, 0, 0}},
                {"countHardLimit=", NULL, {0, 0, 0, 0}},
                {"byteHardLimit", NULL, {0, 0, 0, 0}},
                {",  ;=", NULL, {0, 0, 0, 0}},
                {"bytescountbytes", NULL, {0, 0, 0, 0}},
                {"=;bytes7", NULL, {0, 0, 0, 0}},
                {"1", NULL, {0, 0, 0, 0}},
        };
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
                const struct vector *v = &vectors[i];
                struct quota_text t;
                jute_writer_reset(&w);
                assert_int_equal(quota_text_read(jute_cstr(v->text), &t), v->again != NULL);
                assert_int_equal(quota_text__add(jute_cstr(v->text), 0, 0, &w), v->again != NULL);
                if (!v->again) {
                        assert_int_equal(w.len, 0);
                        continue;
                }
                assert_true(jute_str_is(jute_str_of(w.data, w.len), v->again));
                assert_int_equal(t.count, v->numbers[0]);
                assert_int_equal(t.bytes, v->numbers[1]);
                assert_int_equal(t.count_hard, v->numbers[2]);
                assert_int_equal(t.bytes_hard, v->numbers[3]);
        }
        jute_writer_done(&w);
}

static void test_null_can_not_be_read(void **state)
{
        (void)state;
        struct quota_text t;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        assert_false(quota_text_read(jute_cstr(NULL), &t));
        assert_false(quota_text__add(jute_cstr(NULL), 1, 1, &w));
        jute_writer_done(&w);
}

/* Java's long wraps. */
static void test_sums_wrap(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        assert_true(quota_text__add(jute_cstr("bytes=9223372036854775807,count=-9223372036854775808"), 1, -1, &w));
        assert_true(jute_str_is(jute_str_of(w.data, w.len), "count=9223372036854775807,bytes=-9223372036854775808"));
        jute_writer_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts_are_read_and_written_as_java_does),
                cmocka_unit_test(test_null_can_not_be_read),
                cmocka_unit_test(test_sums_wrap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
