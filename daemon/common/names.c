/* See names.h. */
#include "daemon/common/names.h"

#include <stddef.h>

/* Not isalnum(): a locale has no say in what a file may be called. */
static bool is_alphanumeric(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *text)
{
        size_t len = 0;
        if (!is_alphanumeric(text[0]))
                return false;
        for (; text[len]; len++)
                if (len >= NAME_BYTES_MAX ||
                    (!is_alphanumeric(text[len]) && text[len] != '-' && text[len] != '_' && text[len] != '.'))
                        return false;
        return true;
}
