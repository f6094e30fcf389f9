/* JSON objects in znodes and answers, by jansson: read within bounds, looked into with defaults, written compactly.
 *
 * A value that another program wrote may lack a key or have it of another type: the getters then yield the fallback, so
 * that what was added later needs no version. Memory that runs out ends the process, as everywhere. */
#ifndef BATON_COMMON_JSON_H
#define BATON_COMMON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a value that is read: ours are far smaller, a larger one is none of ours. */
#define JSON_VALUE_BYTES_MAX (256u << 10)

/* Reads one object and nothing behind it. Keys that stand twice are refused. Returns NULL when it is none, with a
 * sentence in `why` (may be NULL); else a reference for json_decref(). */
json_t *json_value_read(const void *data, size_t len, char *why, size_t why_size);
/* `o` may be NULL, as what could not be read. Texts live as long as `o`. */
const char *json_value_text(const json_t *o, const char *key, const char *fallback);
/* Reals are none, however whole. */
int64_t json_value_number(const json_t *o, const char *key, int64_t fallback);
bool json_value_flag(const json_t *o, const char *key, bool fallback);
/* One line without blanks, keys in the order they were set; to be freed with free(). */
char *json_value_write(const json_t *o);

#endif
