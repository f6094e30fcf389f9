#include "election/base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p)
{
        if (!p)
                abort();
        return p;
}

void *mem_alloc(size_t size_bytes)
{
        return check(malloc(size_bytes ? size_bytes : 1));
}

void *mem_zalloc(size_t size_bytes)
{
        return check(calloc(1, size_bytes ? size_bytes : 1));
}

void *mem_realloc(void *p, size_t size_bytes)
{
        return check(realloc(p, size_bytes ? size_bytes : 1));
}

void *mem_dup(const void *p, size_t size_bytes)
{
        void *copy = mem_alloc(size_bytes);
        if (size_bytes)
                memcpy(copy, p, size_bytes);
        return copy;
}

char *mem_strdup(const char *s)
{
        return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
        free(p);
}

void *mem_grow(void *array, size_t *capacity, size_t want, size_t size_bytes)
{
        size_t grown = *capacity ? *capacity : 8;
        if (want <= *capacity && array)
                return array;
        while (grown < want) {
                if (grown > SIZE_MAX / 2)
                        abort();
                grown *= 2;
        }
        if (grown > SIZE_MAX / size_bytes)
                abort();
        *capacity = grown;
        return mem_realloc(array, grown * size_bytes);
}
