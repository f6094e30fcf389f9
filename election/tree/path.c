/* Path rules (client-protocol.md 5.2). Paths are UTF-8 bytes; what Java judges per UTF-16 unit is
 * judged here per code point: code points above U+FFFF are surrogate pairs there, hence illegal. */
#include "election/tree/tree_internal.h"

#include <assert.h>
#include <string.h>

/* Decodes one code point of up to three bytes and moves on. Returns -1 for malformed UTF-8 (Java reads
 * that as U+FFFD, an illegal character) and for four-byte sequences. */
static int32_t next_char(const uint8_t **at, const uint8_t *end)
{
        const uint8_t *p = *at;
        size_t left = (size_t)(end - p);
        if (p[0] < 0x80) {
                *at += 1;
                return p[0];
        }
        if (p[0] >= 0xC2 && p[0] < 0xE0 && left >= 2 && (p[1] & 0xC0) == 0x80) {
                *at += 2;
                return (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
        }
        if ((p[0] & 0xF0) == 0xE0 && left >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
                int32_t c = (p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
                *at += 3;
                return c >= 0x800 ? c : -1;
        }
        return -1;
}

static bool char_is_legal(int32_t c)
{
        return c > 0x1F && !(c >= 0x7F && c <= 0x9F) && !(c >= 0xD800 && c <= 0xF8FF) && c < 0xFFF0;
}

/* No empty component, none that is "." or "..". */
static bool name_is_legal(const uint8_t *name, size_t len)
{
        if (len == 0)
                return false;
        if (name[0] != '.')
                return true;
        return len > 2 || (len == 2 && name[1] != '.');
}

bool path_is_valid(struct jute_str path)
{
        if (path.len < 1 || path.data[0] != '/')
                return false;
        if (path.len == 1)
                return true;
        const uint8_t *end = path.data + path.len;
        const uint8_t *name = path.data + 1;
        for (const uint8_t *at = name; at < end;) {
                const uint8_t *start = at;
                int32_t c = next_char(&at, end);
                if (c < 0 || !char_is_legal(c))
                        return false;
                if (c == '/') {
                        if (!name_is_legal(name, (size_t)(start - name)))
                                return false;
                        name = at;
                }
        }
        return name_is_legal(name, (size_t)(end - name));
}

bool path__is_sound(struct jute_str path)
{
        if (path.len < 2 || path.data[0] != '/' || path.data[path.len - 1] == '/')
                return false;
        for (int32_t i = 1; i < path.len; i++)
                if (path.data[i] == '/' && path.data[i - 1] == '/')
                        return false;
        return true;
}

static size_t last_slash(struct jute_str path)
{
        assert(path.len > 0);
        const uint8_t *slash = memrchr(path.data, '/', (size_t)path.len);
        assert(slash);
        return (size_t)(slash - path.data);
}

struct jute_str path_parent(struct jute_str path)
{
        return jute_str_of(path.data, last_slash(path));
}

struct jute_str path_name(struct jute_str path)
{
        size_t start = last_slash(path) + 1;
        return jute_str_of(path.data + start, (size_t)path.len - start);
}
