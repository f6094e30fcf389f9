/* Lines that a shell must not remember (daemon/ctl/secret_line.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/ctl/secret_line.h"

static void assert_all(bool secret, const char *const *lines, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (secret_line(lines[i]) != secret)
                        fail_msg("%s: %s", secret ? "would be remembered" : "would be forgotten", lines[i]);
}

static void test_an_identity_is_a_secret_however_it_is_written(void **state)
{
        (void)state;
        static const char *const lines[] = {
                "addauth sasl me:pass",
                "  \t addauth sasl me:pass",
                "ADDAUTH sasl me:pass",
                "\"addauth\" sasl me:pass",
                "'addauth' sasl me:pass",
                "add\"auth\" sasl me:pass",
                "a'dd'auth sasl me:pass",
                "\\addauth sasl me:pass",
                "a\\d\\d\\a\\u\\t\\h sasl me:pass",
                "\"\\x61dd\"auth sasl me:pass",
                "''addauth sasl me:pass",
                "\"\" addauth sasl me:pass",
                "\vaddauth sasl me:pass",
                "\u00a0addauth sasl me:pass", /* a blank that is none */
                "addauth\u00a0sasl\u00a0me:pass",
                "# addauth sasl me:pass",
                "addauth sasl \"me:pass",
                "\"addauth sasl me:pass",
                "a'ddauth sasl me:pass",
                "\"\\x61ddauth sasl me:pass",
                "batonctl --auth x:me:pass ls /",
                "batonctl --au\"th\" x:me:pass ls /",
                "adauth digest me:pass",
                "adauth di\"ge\"st me:pass",
                "setacl /a auth:me:pass:cdrwa",
                "setacl /a world:anyone:r,'auth':me:pass:cdrwa",
                "setacl /a digest:me:smGaoVKd/cQkjm7b88GyorAUz20=:cdrwa",
                "set /app/Password secret",
        };
        assert_all(true, lines, sizeof lines / sizeof *lines);
}

static void test_other_lines_are_remembered(void **state)
{
        (void)state;
        static const char *const lines[] = {
                "",
                "   ",
                "# nothing",
                "ls /",
                "get \"/a b\"",
                "set /e \"x", /* to be mended */
                "create /a '' auth::cdrwa",
                "setacl /a world:anyone:cdrwa,auth::r",
                "create /authors/author-1",
                "whoami",
                "help",
        };
        assert_all(false, lines, sizeof lines / sizeof *lines);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_identity_is_a_secret_however_it_is_written),
                cmocka_unit_test(test_other_lines_are_remembered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
