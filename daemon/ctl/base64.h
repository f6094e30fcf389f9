/* Base64 of RFC 4648, with padding. */
#ifndef BATON_CTL_BASE64_H
#define BATON_CTL_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* To be freed with mem_free(). */
char *base64_encode(const void *data, size_t size);
/* `ret`, written on 0 only, has a NUL behind it and is to be freed with mem_free(). -EINVAL: no base64, or not in its
 * one proper form. */
int base64_decode(const char *text, size_t len, char **ret, size_t *ret_size);

#endif
