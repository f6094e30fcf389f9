#include "election/base/blob.h"

#include "election/base/pool.h"

#include <assert.h>
#include <string.h>

struct blob *blob_new(size_t len)
{
        assert(len <= UINT32_MAX);
        struct blob *b = pool_alloc(sizeof *b + len);
        b->refs = 1;
        b->len = (uint32_t)len;
        return b;
}

struct blob *blob_copy(const void *data, size_t len)
{
        struct blob *b = blob_new(len);
        if (len)
                memcpy(b->data, data, len);
        return b;
}

struct blob *blob_ref(struct blob *b)
{
        assert(b->refs > 0 && b->refs < UINT32_MAX);
        b->refs++;
        return b;
}

void blob_unref(struct blob *b)
{
        if (!b)
                return;
        assert(b->refs > 0);
        if (--b->refs == 0)
                pool_free(b);
}
