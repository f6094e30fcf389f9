/* The JSON of a group's znodes; what is read may come from any hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/agent/group_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD                                                                                                           \
        "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\",\"lease_ms\":2000,"                   \
        "\"budget_ms\":500,\"later\":[1]}"

static void test_what_is_written_is_read(void **state)
{
        struct holder_value v = {.node = {"n1"},
                                 .instance = "0123",
                                 .boot_id = "boot",
                                 .state = HOLDER_RELEASED,
                                 .lease_ms = 2000,
                                 .budget_ms = UINT32_MAX,
                                 .rate_ppm = 100000,
                                 .token = INT64_MAX,
                                 .reason = "\"quoted\"\n\xc3\xa4"};
        struct holder_value back;
        struct group_candidate c = {.who = {.priority = INT32_MIN, .healthy = true}, .reason = "why"}, c_back;
        (void)state;
        char *json = holder_value_write(&v);
        assert_int_equal(holder_value_read(jute_cstr(json), &back), 0);
        free(json);
        assert_string_equal(back.node.text, v.node.text);
        assert_string_equal(back.instance, v.instance);
        assert_string_equal(back.boot_id, v.boot_id);
        assert_string_equal(back.reason, v.reason);
        assert_int_equal(back.state, v.state);
        assert_true(back.lease_ms == v.lease_ms && back.budget_ms == v.budget_ms && back.rate_ppm == v.rate_ppm);
        assert_true(back.token == v.token);
        json = candidate_value_write(&c);
        assert_int_equal(candidate_value_read(jute_cstr(json), &c_back), 0);
        free(json);
        assert_int_equal(c_back.who.priority, INT32_MIN);
        assert_true(c_back.who.healthy);
        assert_string_equal(c_back.reason, "why");
}

static void test_unknown_fields_are_passed_over(void **state)
{
        struct holder_value v;
        (void)state;
        assert_int_equal(holder_value_read(jute_cstr(GOOD), &v), 0);
        assert_int_equal(v.lease_ms, 2000);
        assert_int_equal(v.token, 0);
}

static void test_broken_holders_are_told(void **state)
{
        static const char *const bad[] = {
                "",
                "{}",
                "[]",
                "null",
                "{\"node\":",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\",\"lease_ms\":0,\"budget_ms\":"
                "1}",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\",\"lease_ms\":-1,\"budget_ms\":"
                "1}",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\",\"lease_ms\":1e3,\"budget_"
                "ms\":1}",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"gone\",\"lease_ms\":1,\"budget_ms\":1}",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"active\",\"lease_ms\":4294967296,"
                "\"budget_ms\":1}",
                "{\"node\":7,\"instance\":\"i\",\"boot\":\"b\",\"state\":\"released\",\"lease_ms\":1,\"budget_ms\":1}",
                "{\"node\":\"n1\",\"boot\":\"b\",\"state\":\"released\",\"lease_ms\":1,\"budget_ms\":1}",
                "{\"node\":\"n1\",\"node\":\"n2\",\"instance\":\"i\",\"boot\":\"b\",\"state\":\"released\","
                "\"lease_ms\":1,\"budget_ms\":1}",
                "{\"node\":\"n1\",\"instance\":\"i\",\"boot\":\"0123456789012345678901234567890123456789\","
                "\"state\":\"released\",\"lease_ms\":1,\"budget_ms\":1}",
        };
        struct holder_value v;
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(holder_value_read(jute_cstr(bad[i]), &v), -EBADMSG);
        assert_int_equal(holder_value_read((struct jute_str){.data = NULL, .len = -1}, &v), -EBADMSG);
        /* Every beginning of a good one. */
        for (int32_t len = 0; len < (int32_t)strlen(GOOD); len++)
                assert_int_equal(holder_value_read((struct jute_str){(const uint8_t *)GOOD, len}, &v), -EBADMSG);
}

static void test_a_value_that_is_too_long_is_broken(void **state)
{
        struct holder_value v;
        char *text = malloc(GROUP_VALUE_BYTES_MAX + sizeof GOOD);
        (void)state;
        assert_non_null(text);
        memset(text, ' ', GROUP_VALUE_BYTES_MAX + sizeof GOOD);
        memcpy(text, GOOD, sizeof GOOD - 1);
        assert_int_equal(holder_value_read((struct jute_str){(const uint8_t *)text, GROUP_VALUE_BYTES_MAX}, &v), 0);
        assert_int_equal(holder_value_read((struct jute_str){(const uint8_t *)text, GROUP_VALUE_BYTES_MAX + 1}, &v),
                         -EBADMSG);
        free(text);
}

static void test_broken_candidates_are_not_healthy(void **state)
{
        static const char *const bad[] = {"",
                                          "{}",
                                          "[]",
                                          "{\"priority\":1}",
                                          "{\"priority\":\"1\",\"healthy\":true}",
                                          "{\"priority\":2147483648,\"healthy\":true}"};
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                struct group_candidate c = {.who = {.healthy = true}};
                assert_int_equal(candidate_value_read(jute_cstr(bad[i]), &c), -EBADMSG);
                assert_false(c.who.healthy);
                assert_true(c.reason[0] != 0);
        }
}

static void test_texts_from_elsewhere_are_made_utf8(void **state)
{
        char good[] = "gr\xc3\xbc\xc3\x9f", bad[] = "a\xff\xc3z";
        (void)state;
        value_text_clean(good);
        assert_string_equal(good, "gr\xc3\xbc\xc3\x9f");
        value_text_clean(bad);
        assert_string_equal(bad, "a??z");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_written_is_read),
                cmocka_unit_test(test_unknown_fields_are_passed_over),
                cmocka_unit_test(test_broken_holders_are_told),
                cmocka_unit_test(test_a_value_that_is_too_long_is_broken),
                cmocka_unit_test(test_broken_candidates_are_not_healthy),
                cmocka_unit_test(test_texts_from_elsewhere_are_made_utf8),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
