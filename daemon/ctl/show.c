/* See show.h. */
#include "daemon/ctl/show.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void show_json(json_t *value)
{
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)putchar('\n');
        json_decref(value);
}

void show_put_value(json_t *object, const char *data, size_t size)
{
        json_t *text = data ? json_stringn(data, size) : json_null();
        if (text) {
                (void)json_object_set_new(object, "value", text);
                return;
        }
        static const char digits[] = "0123456789abcdef";
        char *hex = mem_alloc(2 * size + 1);
        for (size_t i = 0; data && i < size; i++) {
                hex[2 * i] = digits[(unsigned char)data[i] >> 4];
                hex[2 * i + 1] = digits[(unsigned char)data[i] & 15];
        }
        hex[2 * size] = '\0';
        (void)json_object_set_new(object, "value_hex", json_string(hex));
        mem_free(hex);
}

json_t *show_stat_json(const struct jute_stat *s)
{
        return json_pack("{s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:I,s:i,s:i,s:I}", "czxid", (json_int_t)s->czxid, "mzxid",
                         (json_int_t)s->mzxid, "ctime", (json_int_t)s->ctime, "mtime", (json_int_t)s->mtime, "version",
                         s->version, "cversion", s->cversion, "aversion", s->aversion, "ephemeral_owner",
                         (json_int_t)s->ephemeral_owner, "data_length", s->data_length, "num_children", s->num_children,
                         "pzxid", (json_int_t)s->pzxid);
}

void show_stat(const struct jute_stat *s)
{
        (void)printf("czxid 0x%" PRIx64 "\nmzxid 0x%" PRIx64 "\npzxid 0x%" PRIx64 "\n", (uint64_t)s->czxid,
                     (uint64_t)s->mzxid, (uint64_t)s->pzxid);
        (void)printf("version %d\ncversion %d\naversion %d\n", (int)s->version, (int)s->cversion, (int)s->aversion);
        (void)printf("ctime %" PRId64 "\nmtime %" PRId64 "\nephemeral_owner 0x%" PRIx64 "\n", s->ctime, s->mtime,
                     (uint64_t)s->ephemeral_owner);
        (void)printf("data_length %d\nnum_children %d\n", (int)s->data_length, (int)s->num_children);
}

/* Bytes of the control character at `at`, 0 where there is none: ESC and its like, also those of Latin 1, which are two
 * bytes in UTF-8. */
static size_t control_size(const unsigned char *at, size_t left)
{
        if (*at == '\r')
                return left < 2 || at[1] != '\n';
        if (*at == 0xc2 && left > 1 && at[1] >= 0x80 && at[1] < 0xa0)
                return 2;
        return (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f;
}

void show_data(const char *data, size_t size)
{
        if (data && !isatty(STDOUT_FILENO)) {
                (void)fwrite(data, 1, size, stdout);
                return;
        }
        for (size_t i = 0; data && i < size;) {
                size_t control = control_size((const unsigned char *)data + i, size - i);
                (void)putchar(control ? '?' : (unsigned char)data[i]);
                i += control ? control : 1;
        }
}

void show_value(const char *data, size_t size, bool more)
{
        show_data(data, size);
        if (data && size && data[size - 1] != '\n' && (more || isatty(STDOUT_FILENO)))
                (void)putchar('\n');
}

char *show_line(const char *data, size_t size)
{
        char *text = mem_alloc(size + 1);
        for (size_t i = 0; i < size; i++)
                text[i] = (unsigned char)data[i] < 0x20 || data[i] == 0x7f ? '?' : data[i];
        text[size] = '\0';
        return text;
}
