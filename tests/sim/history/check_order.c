/* Zxids of writes against each other and against real time: no two writes have one, and who asked after another was
 * answered comes later (safety Z7, Z9, Z10, 3.6 b). */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>

static int by_zxid(const void *ctx, uint32_t a, uint32_t b)
{
        const int64_t *zxid = ctx;
        return zxid[a] < zxid[b] ? -1 : zxid[a] > zxid[b];
}

static void check_real_time(struct check *c, uint32_t i)
{
        int64_t zxid = c->zxid[i], shown = c->shown[i];
        if (zxid > shown)
                return;
        check__find(c, zxid >> 32 == shown >> 32 ? "Z7" : "Z9", c->shown_by[i], i,
                    "0x%" PRIx64 " had been shown to a client before this was asked, and it became 0x%" PRIx64,
                    (uint64_t)shown, (uint64_t)zxid);
}

void check__order(struct check *c)
{
        uint32_t *writes = mem_alloc((c->count + 1) * sizeof *writes);
        size_t n = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (c->entries[i].kind == HISTORY_OP && c->zxid[i])
                        writes[n++] = i;
        check__sort(writes, n, c->zxid, by_zxid);
        for (size_t i = 0; i < n; i++) {
                check_real_time(c, writes[i]);
                if (i && c->zxid[writes[i]] == c->zxid[writes[i - 1]])
                        check__find(c, "Z10", writes[i - 1], writes[i], "two writes are of zxid 0x%" PRIx64,
                                    (uint64_t)c->zxid[writes[i]]);
        }
        mem_free(writes);
}
