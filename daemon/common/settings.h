/* Settings as a table: name, type, range, default, help; one place from which values are read, checked
 * and explained. Programs and plugins describe theirs with it. */
#ifndef BATON_COMMON_SETTINGS_H
#define BATON_COMMON_SETTINGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum setting_type {
        SETTING_NUMBER, /* int64_t: decimal, min..max */
        SETTING_BOOL,   /* bool: yes, no, true, false, on, off, 1, 0 */
        SETTING_TEXT,   /* char[size]: not empty, printable, shorter than size */
        SETTING_TYPE_MAX,
};

struct setting {
        const char *section, *key;
        enum setting_type type;
        size_t offset;        /* of its field in the struct that settings_set() fills */
        size_t size;          /* of that field in bytes, with the NUL */
        int64_t min, max;     /* numbers only */
        const char *fallback; /* the value when none is given, as text; NULL: none, or a computed one */
        const char *help;     /* one line; says the unit */
};

/* A table's field: SETTING_FIELD(struct values, tick_time) stands for .offset and .size. */
#define SETTING_FIELD(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* NULL when the table has no such key. `section` and `key` compare exactly. */
const struct setting *settings_find(const struct setting *table, size_t count, const char *section, const char *key);
/* Reads `value` into `values`. Returns 0, or -EINVAL with what is wrong in `why` ("must be …"), nothing
 * changed then. Pure. */
int settings_set(const struct setting *s, const char *value, void *values, char *why, size_t why_size);
/* Fills in every fallback. A fallback that is out of range is our own mistake. */
void settings_fallbacks(const struct setting *table, size_t count, void *values);
/* Prints the table for a person. */
void settings_help(const struct setting *table, size_t count, FILE *out);

/* Reads a decimal integer within min..max, digits with at most a leading minus and nothing else.
 * Returns 0, -EINVAL (no number) or -ERANGE. Pure. */
int settings_number(const char *text, int64_t min, int64_t max, int64_t *ret);

#endif
