/* See settings.h. */
#include "daemon/common/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const struct setting *settings_find(const struct setting *table, size_t count, const char *section, const char *key)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(table[i].section, section) == 0 && strcmp(table[i].key, key) == 0)
                        return &table[i];
        return NULL;
}

int settings_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
        const char *digits = *text == '-' ? text + 1 : text;
        if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
                return -EINVAL;
        errno = 0;
        long long n = strtoll(text, NULL, 10);
        if (errno == ERANGE || n < min || n > max)
                return -ERANGE;
        *ret = n;
        return 0;
}

static int set_number(const struct setting *s, const char *value, void *field, char *why, size_t why_size)
{
        int64_t n = 0;
        if (settings_number(value, s->min, s->max, &n) < 0) {
                (void)snprintf(why, why_size, "must be a number from %" PRId64 " to %" PRId64, s->min, s->max);
                return -EINVAL;
        }
        memcpy(field, &n, sizeof n);
        return 0;
}

static int set_bool(const char *value, void *field, char *why, size_t why_size)
{
        static const struct {
                const char *word;
                bool value;
        } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                     {"on", true},  {"off", false}, {"1", true},    {"0", false}};
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                if (strcmp(value, words[i].word) == 0) {
                        memcpy(field, &words[i].value, sizeof words[i].value);
                        return 0;
                }
        }
        (void)snprintf(why, why_size, "must be yes or no");
        return -EINVAL;
}

static int set_text(const struct setting *s, const char *value, char *field, char *why, size_t why_size)
{
        size_t len = strlen(value);
        if (len == 0) {
                (void)snprintf(why, why_size, "must not be empty");
                return -EINVAL;
        }
        if (len >= s->size) {
                (void)snprintf(why, why_size, "must not be longer than %zu bytes", s->size - 1);
                return -EINVAL;
        }
        for (size_t i = 0; i < len; i++) {
                if (iscntrl((unsigned char)value[i])) {
                        (void)snprintf(why, why_size, "must not contain control characters");
                        return -EINVAL;
                }
        }
        memcpy(field, value, len + 1);
        return 0;
}

int settings_set(const struct setting *s, const char *value, void *values, char *why, size_t why_size)
{
        char *field = (char *)values + s->offset;
        switch (s->type) {
        case SETTING_NUMBER:
                assert(s->size == sizeof(int64_t));
                return set_number(s, value, field, why, why_size);
        case SETTING_BOOL:
                assert(s->size == sizeof(bool));
                return set_bool(value, field, why, why_size);
        case SETTING_TEXT:
                return set_text(s, value, field, why, why_size);
        case SETTING_TYPE_MAX:
                break;
        }
        assert(s->type < SETTING_TYPE_MAX);
        return -EINVAL;
}

void settings_fallbacks(const struct setting *table, size_t count, void *values)
{
        for (size_t i = 0; i < count; i++) {
                char why[128];
                if (!table[i].fallback)
                        continue;
                int r = settings_set(&table[i], table[i].fallback, values, why, sizeof why);
                assert(r == 0);
                (void)r; /* judged by the assertion */
        }
}

void settings_help(const struct setting *table, size_t count, FILE *out)
{
        const char *section = "";
        for (size_t i = 0; i < count; i++) {
                const struct setting *s = &table[i];
                if (strcmp(section, s->section) != 0)
                        (void)fprintf(out, "\n[%s]\n", s->section);
                section = s->section;
                (void)fprintf(out, "  %-24s %s", s->key, s->help);
                if (s->type == SETTING_NUMBER)
                        (void)fprintf(out, "; %" PRId64 "..%" PRId64, s->min, s->max);
                if (s->fallback)
                        (void)fprintf(out, "; default %s", s->fallback);
                (void)fputc('\n', out);
        }
}
