#include "tests/unit/txnlog/fixture.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#define PAYLOAD_MAX  (4u << 20)
#define SNAPSHOT_MAX (64u << 20)

void fixture_init(struct fixture *f)
{
        memset(f, 0, sizeof *f);
        f->disk = memory_storage_new();
        f->config = (struct store_config){.item_max = JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT,
                                          .preallocate_bytes = 4096,
                                          .history_max = 500,
                                          .history_bytes_max = 1u << 20,
                                          .retain_snapshots = 3};
}

void fixture_close(struct fixture *f)
{
        store_free(f->store);
        f->store = NULL;
        recovered_done(&f->recovered);
}

void fixture_done(struct fixture *f)
{
        fixture_close(f);
        memory_storage_free(f->disk);
}

int fixture_setup(void **state)
{
        struct fixture *f = test_malloc(sizeof *f);
        fixture_init(f);
        *state = f;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;
        fixture_done(f);
        test_free(f);
        return 0;
}

int fixture_open(struct fixture *f)
{
        fixture_close(f);
        f->store = store_new(memory_storage_io(f->disk), &f->config);
        int r = store_recover(f->store, &f->recovered, f->why);
        if (r < 0) {
                assert_true(f->why[0] != '\0');
                fixture_close(f);
        }
        return r;
}

void fixture_must_open(struct fixture *f)
{
        int r = fixture_open(f);
        if (r < 0)
                fail_msg("recovery refused: %s", f->why);
}

/* ---- effects ---- */

static int perform(struct fixture *f, struct effects *fx, struct recovered *ret)
{
        int r = store_perform(f->store, &fx->list[0], ret, f->why);
        effects_done(fx);
        return r;
}

int fixture_append(struct fixture *f, int64_t zxid)
{
        struct effects fx;
        struct blob *b = fixture_payload(zxid, FIXTURE_DATA_BYTES);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, b->len, zxid);
        blob_unref(b);
        return perform(f, &fx, NULL);
}

int fixture_sync(struct fixture *f)
{
        return store_sync(f->store, f->why);
}

void fixture_write(struct fixture *f, int64_t from, int64_t to)
{
        for (int64_t z = from; z <= to; z++)
                if (fixture_append(f, z) < 0)
                        fail_msg("append refused: %s", f->why);
        if (fixture_sync(f) < 0)
                fail_msg("sync failed: %s", f->why);
}

int fixture_roll(struct fixture *f)
{
        struct effects fx;
        effects_init(&fx);
        (void)effect_log_roll(&fx);
        return perform(f, &fx, NULL);
}

int fixture_epoch(struct fixture *f, enum epoch_kind kind, int64_t value)
{
        struct effects fx;
        effects_init(&fx);
        (void)effect_epoch_write(&fx, kind, value);
        return perform(f, &fx, NULL);
}

int fixture_truncate(struct fixture *f, int64_t zxid, bool reload, struct recovered *ret)
{
        struct effects fx;
        effects_init(&fx);
        (void)effect_truncate(&fx, zxid, reload);
        return perform(f, &fx, ret);
}

void fixture_enter_epoch(struct fixture *f, int64_t epoch)
{
        int r = fixture_epoch(f, EPOCH_ACCEPTED, epoch);
        if (r >= 0)
                r = fixture_epoch(f, EPOCH_CURRENT_PREPARE, epoch);
        if (r >= 0)
                r = fixture_epoch(f, EPOCH_CURRENT, epoch);
        if (r < 0)
                fail_msg("epoch refused: %s", f->why);
}

/* ---- transactions ---- */

static void node_path(char path[32], int64_t zxid)
{
        (void)snprintf(path, 32, "/z%" PRIx64, (uint64_t)zxid);
}

static void put_create(struct jute_writer *w, int64_t zxid, size_t size)
{
        char path[32];
        uint8_t *data = mem_zalloc(size);
        /* world:anyone with all permissions */
        static const uint8_t open_acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                           'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};
        struct jute_txn_header h = {
                .session_id = 0x100000001, .cxid = 1, .zxid = zxid, .time = 1000, .type = OP_CREATE};
        node_path(path, zxid);
        memset(data, (int)(zxid & 0xff), size);
        struct jute_create_txn t = {.path = jute_cstr(path),
                                    .data = jute_str_of(data, size),
                                    .acl = {.data = open_acl, .size = sizeof open_acl, .count = 1},
                                    /* any that rises, so that a repeated create changes nothing */
                                    .parent_cversion = (int32_t)((zxid >> 32) * 100000 + (zxid & 0xffffffff))};
        jute_put_txn_header(w, &h);
        jute_put_create_txn(w, &t);
        mem_free(data);
}

struct blob *fixture_payload(int64_t zxid, size_t size)
{
        struct jute_writer w;
        jute_writer_init(&w, PAYLOAD_MAX);
        put_create(&w, zxid, size);
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        assert(b);
        return b;
}

struct blob *fixture_payload_digest(struct database *db, int64_t zxid)
{
        struct jute_writer w;
        fixture_apply(db, zxid);
        struct jute_txn_digest d = {.version = JUTE_DIGEST_VERSION,
                                    .tree_digest = (int64_t)tree_digest(database_tree(db))};
        jute_writer_init(&w, PAYLOAD_MAX);
        put_create(&w, zxid, FIXTURE_DATA_BYTES);
        jute_put_txn_digest(&w, &d);
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        assert(b);
        return b;
}

bool fixture_has(const struct database *db, int64_t zxid)
{
        char path[32];
        node_path(path, zxid);
        return tree_find(database_tree(db), jute_cstr(path)) != NULL;
}

void fixture_apply(struct database *db, int64_t zxid)
{
        struct blob *b = fixture_payload(zxid, FIXTURE_DATA_BYTES);
        assert_int_equal(database_apply(db, b->data, b->len, NULL), 0);
        blob_unref(b);
}

/* ---- snapshots ---- */

struct blob *fixture_snapshot_bytes(struct database *db, int64_t zxid)
{
        struct jute_writer w;
        struct snapfile_writer seals;
        jute_writer_init(&w, SNAPSHOT_MAX);
        assert_int_equal(database_snapshot_begin(db), 0);
        snapfile_begin(&seals, &w);
        size_t offset = w.len;
        while (database_snapshot_read(db, &w, 1000) > 0)
                ;
        snapfile_note(&seals, &w, offset);
        snapfile_end(&seals, &w, zxid, database_snapshot_digest(db));
        database_snapshot_end(db);
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        assert(b);
        return b;
}

static int write_snapshot(struct fixture *f, struct database *db, int64_t zxid, size_t chunk_bytes, bool received)
{
        struct effects fx;
        struct blob *all = fixture_snapshot_bytes(db, zxid);
        struct snapstore *s = snapstore_new(memory_storage_io(f->disk), &f->config);
        int r = 0;
        effects_init(&fx);
        (void)effect_snapshot_begin(&fx, zxid);
        for (size_t at = 0; at < all->len; at += chunk_bytes)
                (void)effect_snapshot_chunk(
                        &fx, blob_copy(all->data + at, all->len - at < chunk_bytes ? all->len - at : chunk_bytes));
        (void)effect_snapshot_end(&fx, zxid, received);
        for (size_t i = 0; i < fx.count && r >= 0; i++)
                r = snapstore_perform(s, &fx.list[i], f->why);
        snapstore_free(s);
        effects_done(&fx);
        blob_unref(all);
        return r;
}

int fixture_snapshot(struct fixture *f, struct database *db, int64_t zxid, size_t chunk_bytes)
{
        return write_snapshot(f, db, zxid, chunk_bytes, false);
}

int fixture_receive(struct fixture *f, struct database *db, int64_t zxid)
{
        return write_snapshot(f, db, zxid, 100, true);
}

struct database *fixture_copy(struct database *db)
{
        struct blob *b = fixture_snapshot_bytes(db, database_zxid(db));
        struct database_loader *l = database_loader_new(PAYLOAD_MAX);
        size_t consumed = 0;
        assert_int_equal(database_loader_feed(l, b->data + 16, b->len - 16, &consumed), 1);
        struct database *copy = database_loader_take(l, database_zxid(db));
        database_loader_free(l);
        blob_unref(b);
        return copy;
}
