/* How answers to four-letter words are written: see words.h. */
#include "election/server/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Longest single piece of text. */
#define WORD_LINE_MAX 1024

void words__put(struct jute_writer *w, const char *format, ...)
{
        char line[WORD_LINE_MAX];
        va_list ap;
        va_start(ap, format);
        int len = vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        if (len > 0)
                jute_put_raw(w, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

void words__average(struct jute_writer *w, uint64_t sum, uint64_t count, uint64_t divisor)
{
        const double average = count ? (double)sum / (double)count / (double)divisor : 0;
        char text[64];
        int len = snprintf(text, sizeof text, "%.4f", average);
        while (len > 1 && text[len - 1] == '0' && text[len - 2] != '.')
                len--;
        jute_put_raw(w, text, (size_t)len);
}

bool words__full(const struct jute_writer *w)
{
        return w->len >= SERVER_WORD_BYTES_MAX;
}

/* ---- dates ---- */

#define MS_PER_DAY INT64_C(86400000)
/* Days from 0000-03-01 to 1970-01-01, a Thursday. Years are counted from March here, so that a leap day is the last
 * one of its year. */
#define EPOCH_DAYS      719468
#define DAYS_PER_ERA    146097 /* 400 years */
#define EPOCH_WEEKDAY   4
#define MONTHS_TO_MARCH 2

struct date {
        int64_t year;
        int month, day; /* from 0, from 1 */
};

static struct date date_of(int64_t days_since_epoch)
{
        const int64_t days = days_since_epoch + EPOCH_DAYS;
        const int64_t era = days / DAYS_PER_ERA;
        const int64_t of_era = days % DAYS_PER_ERA;
        const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        const int64_t month = (5 * of_year + 2) / 153; /* from March */
        const int64_t calendar = (month + MONTHS_TO_MARCH) % 12;
        return (struct date){.year = era * 400 + year + (calendar < MONTHS_TO_MARCH),
                             .month = (int)calendar,
                             .day = (int)(of_year - (153 * month + 2) / 5 + 1)};
}

void words__date(char ret[WORDS_DATE_MAX], int64_t wall_ms)
{
        static const char weekdays[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const int64_t ms = wall_ms > 0 ? wall_ms : 0; /* a clock before 1970 is not set */
        const int64_t days = ms / MS_PER_DAY;
        const int seconds = (int)(ms % MS_PER_DAY / 1000);
        const struct date d = date_of(days);
        (void)snprintf(ret, WORDS_DATE_MAX, "%s %s %02d %02d:%02d:%02d UTC %" PRId64,
                       weekdays[(days + EPOCH_WEEKDAY) % 7], months[d.month], d.day, seconds / 3600, seconds / 60 % 60,
                       seconds % 60, d.year);
}
