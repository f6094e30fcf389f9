/* See base64.h. */
#include "daemon/ctl/base64.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t size)
{
        const uint8_t *in = data;
        char *text = mem_alloc((size + 2) / 3 * 4 + 1), *out = text;
        for (size_t i = 0; i < size; i += 3) {
                size_t have = size - i < 3 ? size - i : 3;
                uint32_t three = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                                 (have > 2 ? (uint32_t)in[i + 2] : 0);
                *out++ = alphabet[three >> 18 & 63];
                *out++ = alphabet[three >> 12 & 63];
                *out++ = have > 1 ? alphabet[three >> 6 & 63] : '=';
                *out++ = have > 2 ? alphabet[three & 63] : '=';
        }
        *out = '\0';
        return text;
}

/* -1 for what is no digit. */
static int digit(char c)
{
        const char *at = c ? strchr(alphabet, c) : NULL;
        return at ? (int)(at - alphabet) : -1;
}

/* Four characters to `ret`. Returns how many bytes they are; -1: none, or bits are set that no byte has. */
static int quartet(const char *in, uint8_t ret[3])
{
        int pad = in[3] == '=' ? in[2] == '=' ? 2 : 1 : 0;
        uint32_t bits = 0;
        for (int i = 0; i < 4; i++) {
                int d = i >= 4 - pad ? 0 : digit(in[i]);
                if (d < 0)
                        return -1;
                bits = bits << 6 | (uint32_t)d;
        }
        ret[0] = (uint8_t)(bits >> 16);
        ret[1] = (uint8_t)(bits >> 8);
        ret[2] = (uint8_t)bits;
        if ((pad == 1 && ret[2]) || (pad == 2 && (ret[1] || ret[2])))
                return -1;
        return 3 - pad;
}

int base64_decode(const char *text, size_t len, char **ret, size_t *ret_size)
{
        if (len % 4)
                return -EINVAL;
        char *data = mem_alloc(len / 4 * 3 + 1);
        size_t size = 0;
        for (size_t i = 0; i < len; i += 4) {
                uint8_t three[3];
                int n = quartet(text + i, three);
                if (n < 0 || (n < 3 && i + 4 < len)) {
                        mem_free(data);
                        return -EINVAL;
                }
                memcpy(data + size, three, (size_t)n);
                size += (size_t)n;
        }
        data[size] = '\0';
        *ret = data;
        *ret_size = size;
        return 0;
}
