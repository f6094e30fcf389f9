/* See control_text.h. */
#include "daemon/ctl/control_text.h"

#include <stddef.h>

/* Bytes of the control character at `at`, 0 where there is none. The end of the text is none. */
static size_t control_size(const char *at)
{
        const unsigned char *c = (const unsigned char *)at;
        if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
                return 2;
        return (c[0] && c[0] < 0x20) || c[0] == 0x7f;
}

bool control_text_has(const char *text)
{
        while (*text && !control_size(text))
                text++;
        return *text;
}

void control_text_mask(char *text)
{
        for (; *text; text++)
                for (size_t n = control_size(text); n > 0; n--)
                        text[n - 1] = '?';
}
