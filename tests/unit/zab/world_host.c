/* The host of a machine: its database is the list of transactions it was given. */
#include "tests/unit/zab/world.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

/* Items of a snapshot handed out at a time, so that a snapshot takes several portions. */
enum { READ_ITEMS = 3, ITEM_SIZE = 16 };

static void host_deliver(void *ctx, const struct store_txn *txn, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        struct item i = item_of(txn->blob->data + txn->offset, txn->len, txn->zxid);
        if (n->db.n > 0 && n->db.v[n->db.n - 1].zxid >= i.zxid)
                world_fail(n->world, "deliver: 0x%llx after 0x%llx on %zu", (unsigned long long)i.zxid,
                           (unsigned long long)n->db.v[n->db.n - 1].zxid, n->index + 1);
        check_deliver(n, &i);
        items_push(&n->db, i);
        if (n->differs && !zab_fuzzy(n->zab))
                zab_distrust(n->zab);
}

static void host_serving(void *ctx, int64_t epoch, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        n->serving = true;
        n->serving_epoch = epoch;
        check_serving(n, epoch);
}

static void host_ended(void *ctx, const char *reason, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        n->serving = false;
        n->ended_count++;
        check_ended(n, reason);
        size_t len = strlen(reason);
        if (len >= sizeof n->ended)
                len = sizeof n->ended - 1;
        memcpy(n->ended, reason, len);
        n->ended[len] = '\0';
}

/* A forwarded request becomes a transaction with the body as its contents. */
static void host_request(void *ctx, int64_t from_sid, int64_t session, int32_t cxid, int32_t opcode,
                         struct jute_str body, struct jute_vec authinfo, struct effects *fx)
{
        struct node *n = ctx;
        (void)from_sid;
        (void)authinfo;
        n->forwarded++;
        int64_t zxid = zab_next_zxid(n->zab, n->world->now_ms, fx);
        if (zxid == 0)
                return;
        struct jute_writer w;
        jute_writer_init(&w, 1 << 17);
        jute_put_txn_header(
                &w, &(struct jute_txn_header){.session_id = session, .cxid = cxid, .zxid = zxid, .type = opcode});
        if (body.len > 0)
                jute_put_raw(&w, body.data, (size_t)body.len);
        jute_put_long(&w, (int64_t)++n->world->next_value);
        zab_propose(n->zab, n->world->now_ms, w.data, w.len, fx);
        jute_writer_done(&w);
}

static void host_synced(void *ctx, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        n->synced++;
}

static bool host_readable(void *ctx, const uint8_t *payload, size_t len)
{
        (void)ctx;
        struct jute_reader r;
        struct jute_txn_header h;
        jute_reader_init(&r, payload, len, (int32_t)len);
        jute_get_txn_header(&r, &h);
        return r.error == 0 && h.type != UNREADABLE;
}

static void host_sync_reply(void *ctx, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        n->sync_replies++;
}

static bool host_revalidate(void *ctx, int64_t from_sid, int64_t session, int32_t timeout_ms)
{
        (void)ctx;
        (void)from_sid;
        return session % 2 == 1 && timeout_ms > 0;
}

static void host_touch(void *ctx, int64_t session, int32_t timeout_ms)
{
        struct node *n = ctx;
        if (session > 0 && timeout_ms == 100)
                n->touched++;
}

static void host_heard(void *ctx, int64_t session)
{
        struct node *n = ctx;
        n->heard += session == 77;
}

static int host_snapshot_begin(void *ctx, int64_t *ret_zxid)
{
        struct node *n = ctx;
        if (n->busy || n->is_reading)
                return -EBUSY;
        items_copy(&n->reading, &n->db);
        n->read_at = 0;
        n->is_reading = true;
        *ret_zxid = zab_last_committed(n->zab);
        if (n->serving && zab__zxid(n->serving_epoch, 0) > *ret_zxid)
                *ret_zxid = zab__zxid(n->serving_epoch, 0);
        return 0;
}

static int host_snapshot_read(void *ctx, struct jute_writer *w, size_t max_bytes)
{
        struct node *n = ctx;
        (void)max_bytes;
        if (n->read_at == 0)
                jute_put_int(w, (int32_t)n->reading.n);
        for (int i = 0; i < READ_ITEMS && n->read_at < n->reading.n; i++) {
                const struct item *it = &n->reading.v[n->read_at++];
                jute_put_long(w, it->zxid);
                jute_put_long(w, (int64_t)it->hash);
        }
        return n->read_at < n->reading.n;
}

static void host_snapshot_end(void *ctx)
{
        struct node *n = ctx;
        n->is_reading = false;
        items_done(&n->reading);
}

static void host_revalidated(void *ctx, int64_t session, bool valid, struct effects *fx)
{
        struct node *n = ctx;
        (void)session;
        (void)fx;
        n->revalidated++;
        n->revalidated_valid = valid;
}

static void host_touches(void *ctx, struct jute_writer *w)
{
        struct node *n = ctx;
        jute_put_long(w, (int64_t)n->index + 1);
        jute_put_int(w, 100);
}

/* ---- receiving a snapshot ---- */

static void loading_clear(struct node *n)
{
        mem_free(n->loading);
        n->loading = NULL;
        n->loading_len = 0;
}

static void host_load_begin(void *ctx)
{
        struct node *n = ctx;
        loading_clear(n);
        n->loading = mem_alloc(1);
        n->has_received = false;
}

static int64_t be(const uint8_t *p, size_t len)
{
        uint64_t v = 0;
        for (size_t i = 0; i < len; i++)
                v = v << 8 | p[i];
        return (int64_t)v;
}

static int host_load_feed(void *ctx, const uint8_t *data, size_t len, size_t *ret_consumed)
{
        struct node *n = ctx;
        size_t want = 4;
        *ret_consumed = 0;
        while (true) {
                if (n->loading_len >= 4) {
                        int64_t count = be(n->loading, 4);
                        if (count < 0 || count > 100000)
                                return -EPROTO;
                        want = 4 + (size_t)count * ITEM_SIZE;
                }
                size_t take = want - n->loading_len < len ? want - n->loading_len : len;
                n->loading = mem_realloc(n->loading, n->loading_len + take + 1);
                memcpy(n->loading + n->loading_len, data, take);
                n->loading_len += take;
                data += take;
                len -= take;
                *ret_consumed += take;
                if (n->loading_len < want || (want == 4 && be(n->loading, 4) != 0 && len == 0))
                        return 0;
                if (n->loading_len == 4 + (size_t)be(n->loading, 4) * ITEM_SIZE)
                        return 1;
        }
}

static void host_load_save(void *ctx, int64_t zxid, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        items_done(&n->received);
        for (size_t at = 4; at < n->loading_len; at += ITEM_SIZE)
                items_push(&n->received,
                           (struct item){.zxid = be(n->loading + at, 8), .hash = (uint64_t)be(n->loading + at + 8, 8)});
        loading_clear(n);
        n->has_received = true;
        n->saving = SAVING_RECEIVED;
        n->saving_snapshot.zxid = zxid;
        items_copy(&n->saving_snapshot.items, &n->received);
}

static void host_load_adopt(void *ctx, int64_t zxid)
{
        struct node *n = ctx;
        if (!n->has_received || n->saving_snapshot.zxid != zxid)
                world_fail(n->world, "adopt of nothing on %zu", n->index + 1);
        items_done(&n->db);
        n->db = n->received;
        memset(&n->received, 0, sizeof n->received);
        n->has_received = false;
}

static void host_load_drop(void *ctx, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        if (n->saving == SAVING_RECEIVED || n->saving == SAVING_DONE_RECEIVED)
                world_fail(n->world, "a snapshot being saved was dropped on %zu", n->index + 1);
        n->drops++;
        loading_clear(n);
}

static void host_reloaded(void *ctx, struct recovered *r)
{
        struct node *n = ctx;
        struct items *db = (struct items *)(void *)r->db;
        items_done(&n->db);
        n->db = *db;
        mem_free(db);
        r->db = NULL;
}

static bool host_snapshot_writing(void *ctx, struct effects *fx)
{
        struct node *n = ctx;
        (void)fx;
        if (n->saving == SAVING_OWN)
                n->saving = SAVING_ABORTED;
        return n->saving != SAVING_NONE;
}

const struct zab_host *world_host(void)
{
        static const struct zab_host host = {
                .deliver = host_deliver,
                .serving = host_serving,
                .ended = host_ended,
                .request = host_request,
                .synced = host_synced,
                .revalidate = host_revalidate,
                .touch = host_touch,
                .heard = host_heard,
                .snapshot_begin = host_snapshot_begin,
                .snapshot_read = host_snapshot_read,
                .snapshot_end = host_snapshot_end,
                .readable = host_readable,
                .sync_reply = host_sync_reply,
                .revalidated = host_revalidated,
                .touches = host_touches,
                .load_begin = host_load_begin,
                .load_feed = host_load_feed,
                .load_save = host_load_save,
                .load_adopt = host_load_adopt,
                .load_drop = host_load_drop,
                .reloaded = host_reloaded,
                .snapshot_writing = host_snapshot_writing,
        };
        return &host;
}
