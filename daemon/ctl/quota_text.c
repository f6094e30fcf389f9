/* See quota_text.h. */
#include "daemon/ctl/quota_text.h"

#include "daemon/common/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "count=-9223372036854775808" and the like. */
#define VALUE_MAX 24

static int64_t *field_of(struct quota *q, const char *key, size_t len)
{
        const struct {
                const char *name;
                int64_t *field;
        } fields[] = {{"count", &q->count},
                      {"bytes", &q->bytes},
                      {"countHardLimit", &q->count_hard},
                      {"byteHardLimit", &q->bytes_hard}};
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                if (strlen(fields[i].name) == len && memcmp(fields[i].name, key, len) == 0)
                        return fields[i].field;
        return NULL;
}

/* key=value, maybe with another = behind it. */
static bool pair_parse(const char *at, const char *end, struct quota *q)
{
        char value[VALUE_MAX];
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals)
                return at == end;
        int64_t *field = field_of(q, at, (size_t)(equals - at));
        const char *begin = equals + 1, *stop = memchr(begin, '=', (size_t)(end - begin));
        size_t len = (size_t)((stop ? stop : end) - begin);
        if (!field || len == 0)
                return true;
        if (len >= sizeof value)
                return false;
        memcpy(value, begin, len);
        value[len] = '\0';
        return settings_number(value, INT64_MIN, INT64_MAX, field) == 0;
}

bool quota_parse(const char *text, size_t len, struct quota *ret)
{
        bool ok = true;
        *ret = (struct quota){.count = -1, .bytes = -1, .count_hard = -1, .bytes_hard = -1};
        for (const char *at = text, *end = text + len; ok && at < end;) {
                const char *stop = at;
                while (stop < end && *stop != ',' && *stop != ';')
                        stop++;
                ok = pair_parse(at, stop, ret);
                at = stop + 1;
        }
        return ok;
}

void quota_format(const struct quota *q, char ret[QUOTA_TEXT_MAX])
{
        int len = snprintf(ret, QUOTA_TEXT_MAX, "count=%" PRId64 ",bytes=%" PRId64, q->count, q->bytes);
        if (q->bytes_hard >= 0 || q->count_hard >= 0)
                len += snprintf(ret + len, QUOTA_TEXT_MAX - (size_t)len, "=");
        if (q->bytes_hard >= 0)
                len += snprintf(ret + len, QUOTA_TEXT_MAX - (size_t)len, ";byteHardLimit=%" PRId64, q->bytes_hard);
        if (q->count_hard >= 0)
                (void)snprintf(ret + len, QUOTA_TEXT_MAX - (size_t)len, ";countHardLimit=%" PRId64, q->count_hard);
}

bool quota_is_empty(const struct quota *q)
{
        return q->count < 0 && q->bytes < 0 && q->count_hard < 0 && q->bytes_hard < 0;
}
