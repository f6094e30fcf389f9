/* See acl_text.h. */
#include "daemon/ctl/acl_text.h"

#include "daemon/common/settings.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* In the order in which they are written. */
static const struct {
        char letter;
        int32_t bit;
} letters[] = {{'c', 4}, {'d', 8}, {'r', 1}, {'w', 2}, {'a', 16}};
#define LETTERS   (sizeof letters / sizeof *letters)
#define PERMS_ALL 31

static int bad(char *why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int bad(char *why, size_t why_size, const char *format, ...)
{
        va_list list;
        va_start(list, format);
        (void)vsnprintf(why, why_size, format, list); /* cut where it is too long */
        va_end(list);
        return -EINVAL;
}

/* ---- the list ---- */

void acl_done(struct acl_list *a)
{
        for (size_t i = 0; i < a->count; i++) {
                mem_free(a->entries[i].scheme);
                mem_free(a->entries[i].id);
        }
        mem_free(a->entries);
        *a = (struct acl_list){.entries = NULL};
}

static char *copy_str(struct jute_str s)
{
        size_t len = s.len > 0 ? (size_t)s.len : 0;
        char *copy = mem_alloc(len + 1);
        if (len)
                memcpy(copy, s.data, len);
        copy[len] = '\0';
        return copy;
}

void acl_add(struct acl_list *a, int32_t perms, struct jute_str scheme, struct jute_str id)
{
        size_t capacity = a->count;
        a->entries = mem_grow(a->entries, &capacity, a->count + 1, sizeof *a->entries);
        a->entries[a->count++] = (struct acl_entry){.perms = perms, .scheme = copy_str(scheme), .id = copy_str(id)};
}

bool acl_is_open(const struct acl_list *a)
{
        return a->count == 1 && a->entries->perms == PERMS_ALL && strcmp(a->entries->scheme, "world") == 0 &&
               strcmp(a->entries->id, "anyone") == 0;
}

bool acl_equal(const struct acl_list *a, const struct acl_list *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (a->entries[i].perms != b->entries[i].perms ||
                    strcmp(a->entries[i].scheme, b->entries[i].scheme) != 0 ||
                    strcmp(a->entries[i].id, b->entries[i].id) != 0)
                        return false;
        return true;
}

struct jute_vec acl_encode(const struct acl_list *a, struct jute_writer *w)
{
        size_t begin = w->len;
        for (size_t i = 0; i < a->count; i++) {
                const struct jute_acl one = {
                        .perms = a->entries[i].perms,
                        .id = {.scheme = jute_cstr(a->entries[i].scheme), .id = jute_cstr(a->entries[i].id)}};
                jute_put_acl(w, &one);
        }
        return (struct jute_vec){.data = w->data + begin, .size = w->len - begin, .count = (int32_t)a->count};
}

/* ---- permissions ---- */

static int perms_parse(const char *text, int32_t *ret)
{
        int64_t number;
        *ret = 0;
        if (settings_number(text, INT32_MIN, INT32_MAX, &number) == 0) {
                *ret = (int32_t)number;
                return 0;
        }
        for (const char *at = text; *at; at++) {
                size_t i = 0;
                while (i < LETTERS && letters[i].letter != *at)
                        i++;
                if (i == LETTERS)
                        return -EINVAL;
                *ret |= letters[i].bit;
        }
        return *text ? 0 : -EINVAL;
}

/* "12345678901" is the longest. */
static void perms_text(int32_t perms, char ret[16])
{
        size_t len = 0;
        if (perms & ~PERMS_ALL || perms == 0) {
                (void)snprintf(ret, 16, "%d", (int)perms);
                return;
        }
        for (size_t i = 0; i < LETTERS; i++)
                if (perms & letters[i].bit)
                        ret[len++] = letters[i].letter;
        ret[len] = '\0';
}

/* ---- text ---- */

/* The entry that begins at `text`, without its escapes; `ret_end` is behind it. */
static char *take_entry(const char *text, const char **ret_end)
{
        char *entry = mem_alloc(strlen(text) + 1);
        size_t len = 0;
        while (*text && *text != ',') {
                if (*text == '\\' && (text[1] == ',' || text[1] == '\\'))
                        text++;
                entry[len++] = *text++;
        }
        entry[len] = '\0';
        *ret_end = text;
        return entry;
}

static int entry_parse(char *entry, struct acl_list *ret, char *why, size_t why_size)
{
        char *first = strchr(entry, ':'), *last = strrchr(entry, ':');
        int32_t perms;
        if (!first || first == last || first == entry)
                return bad(why, why_size, "'%s' is no SCHEME:ID:PERMISSIONS, such as world:anyone:cdrwa", entry);
        if (perms_parse(last + 1, &perms) < 0)
                return bad(why, why_size, "'%s' are no permissions: letters of cdrwa", last + 1);
        acl_add(ret, perms, jute_str_of(entry, (size_t)(first - entry)),
                jute_str_of(first + 1, (size_t)(last - first - 1)));
        return 0;
}

int acl_parse(const char *text, struct acl_list *ret, char *why, size_t why_size)
{
        *ret = (struct acl_list){.entries = NULL};
        for (;;) {
                char *entry = take_entry(text, &text);
                int r = ret->count < ACL_ENTRIES_MAX
                                ? entry_parse(entry, ret, why, why_size)
                                : bad(why, why_size, "an ACL has at most %d entries here", ACL_ENTRIES_MAX);
                mem_free(entry);
                if (r < 0 || !*text)
                        return r;
                text++;
        }
}

char *acl_text(const struct acl_list *a)
{
        char perms[16];
        size_t size = 1, len = 0;
        for (size_t i = 0; i < a->count; i++)
                size += strlen(a->entries[i].scheme) + 2 * strlen(a->entries[i].id) + sizeof perms + 3;
        char *text = mem_alloc(size);
        text[0] = '\0';
        for (size_t i = 0; i < a->count; i++) {
                perms_text(a->entries[i].perms, perms);
                len += (size_t)snprintf(text + len, size - len, "%s%s:", i ? "," : "", a->entries[i].scheme);
                for (const char *at = a->entries[i].id; *at; at++) {
                        if (*at == ',' || *at == '\\')
                                text[len++] = '\\';
                        text[len++] = *at;
                }
                len += (size_t)snprintf(text + len, size - len, ":%s", perms);
        }
        return text;
}

/* ---- JSON ---- */

json_t *acl_json(const struct acl_list *a)
{
        json_t *all = json_array();
        for (size_t i = 0; i < a->count; i++) {
                char perms[16];
                int32_t bits = a->entries[i].perms;
                perms_text(bits, perms);
                json_t *shown = bits & ~PERMS_ALL || bits == 0 ? json_integer(bits) : json_string(perms);
                json_t *entry = json_pack("{s:s,s:s,s:o}", "scheme", a->entries[i].scheme, "id", a->entries[i].id,
                                          "perms", shown);
                if (!entry) {
                        json_decref(all);
                        return NULL;
                }
                (void)json_array_append_new(all, entry);
        }
        return all;
}

int acl_from_json(const json_t *value, struct acl_list *ret, char *why, size_t why_size)
{
        *ret = (struct acl_list){.entries = NULL};
        if (!json_is_array(value) || json_array_size(value) < 1 || json_array_size(value) > ACL_ENTRIES_MAX)
                return bad(why, why_size, "\"acl\" is a list of 1 to %d entries", ACL_ENTRIES_MAX);
        for (size_t i = 0; i < json_array_size(value); i++) {
                const json_t *entry = json_array_get(value, i);
                const json_t *perms = json_object_get(entry, "perms");
                const char *scheme = json_string_value(json_object_get(entry, "scheme"));
                const char *id = json_string_value(json_object_get(entry, "id"));
                int32_t bits = 0;
                bool ok = scheme && *scheme && id;
                if (json_is_integer(perms) && json_integer_value(perms) >= INT32_MIN &&
                    json_integer_value(perms) <= INT32_MAX)
                        bits = (int32_t)json_integer_value(perms);
                else
                        ok = ok && json_is_string(perms) && perms_parse(json_string_value(perms), &bits) == 0;
                if (!ok)
                        return bad(why, why_size,
                                   "entry %zu of \"acl\" has no \"scheme\", \"id\" and \"perms\" (letters of cdrwa)",
                                   i + 1);
                acl_add(ret, bits, jute_cstr(scheme), jute_cstr(id));
        }
        return 0;
}
