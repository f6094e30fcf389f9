/* How answers to four-letter words are written. */
#include "election/server/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Dates of GNU date -u: the ends of months and years, leap days, centuries with and without one. */
static void test_dates_are_those_of_the_calendar(void **state)
{
        (void)state;
        static const struct {
                int64_t seconds;
                const char *text;
        } cases[] = {
                {0, "Thu Jan 01 00:00:00 UTC 1970"},          {-5, "Thu Jan 01 00:00:00 UTC 1970"},
                {951782399, "Mon Feb 28 23:59:59 UTC 2000"},  {951782400, "Tue Feb 29 00:00:00 UTC 2000"},
                {951868800, "Wed Mar 01 00:00:00 UTC 2000"},  {1796000998, "Mon Nov 30 01:09:58 UTC 2026"},
                {1798761599, "Thu Dec 31 23:59:59 UTC 2026"}, {1798761600, "Fri Jan 01 00:00:00 UTC 2027"},
                {4107542399, "Sun Feb 28 23:59:59 UTC 2100"}, {4107542400, "Mon Mar 01 00:00:00 UTC 2100"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char date[WORDS_DATE_MAX];
                words__date(date, cases[i].seconds * 1000 + 999);
                assert_string_equal(date, cases[i].text);
        }
}

/* As java.lang.Double prints them, to four places. */
static void test_averages_have_one_to_four_decimals(void **state)
{
        (void)state;
        static const struct {
                uint64_t sum, count, divisor;
                const char *text;
        } cases[] = {
                {0, 0, 1000, "0.0"}, {7000, 7, 1000, "1.0"}, {1, 3, 1, "0.3333"},
                {3, 2, 1, "1.5"},    {8, 15, 1, "0.5333"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct jute_writer w;
                jute_writer_init(&w, 64);
                words__average(&w, cases[i].sum, cases[i].count, cases[i].divisor);
                assert_int_equal(w.len, strlen(cases[i].text));
                assert_memory_equal(w.data, cases[i].text, w.len);
                jute_writer_done(&w);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates_are_those_of_the_calendar),
                cmocka_unit_test(test_averages_have_one_to_four_decimals),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
