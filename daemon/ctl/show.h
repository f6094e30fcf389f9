/* Znodes shown: values, Stats, JSON. */
#ifndef BATON_CTL_SHOW_H
#define BATON_CTL_SHOW_H

#include "election/jute/record.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* One line on stdout; takes the value. */
void show_json(json_t *value);
/* Adds a value to an object: as "value" where it is text (null for null data), else its bytes as "value_hex". */
void show_put_value(json_t *object, const char *data, size_t size);
json_t *show_stat_json(const struct jute_stat *s);
void show_stat(const struct jute_stat *s);
/* Byte for byte; but on a terminal control characters become ?: whoever writes a znode has no say over the terminal of
 * who reads it. */
void show_data(const char *data, size_t size);
/* The same; a line's end is added where a person reads, or `more` follows. */
void show_value(const char *data, size_t size, bool more);
/* Foreign text on one line: control characters as ?, so that none reaches the terminal. To be freed with mem_free(). */
char *show_line(const char *data, size_t size);

#endif
