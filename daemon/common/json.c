/* See json.h. */
#include "daemon/common/json.h"

#include <stdio.h>
#include <stdlib.h>

json_t *json_value_read(const void *data, size_t len, char *why, size_t why_size)
{
        json_error_t error = {.text = ""};
        json_t *o = NULL;
        if (len > JSON_VALUE_BYTES_MAX) {
                (void)snprintf(why, why ? why_size : 0, "longer than %u bytes", JSON_VALUE_BYTES_MAX);
                return NULL;
        }
        if (len > 0)
                o = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
        if (json_is_object(o))
                return o;
        (void)snprintf(why, why ? why_size : 0, "no JSON object%s%s", error.text[0] ? ": " : "", error.text);
        json_decref(o);
        return NULL;
}

const char *json_value_text(const json_t *o, const char *key, const char *fallback)
{
        const char *text = json_string_value(json_object_get(o, key));
        return text ? text : fallback;
}

int64_t json_value_number(const json_t *o, const char *key, int64_t fallback)
{
        const json_t *v = json_object_get(o, key);
        return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_value_flag(const json_t *o, const char *key, bool fallback)
{
        const json_t *v = json_object_get(o, key);
        return json_is_boolean(v) ? json_is_true(v) : fallback;
}

char *json_value_write(const json_t *o)
{
        char *text = json_dumps(o, JSON_COMPACT);
        if (!text)
                abort(); /* no memory: election/base/alloc.h */
        return text;
}
