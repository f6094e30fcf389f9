/* Files: the directory of a server, as the real store writes it; snapshots; configurations; small records. */
#include "tests/fuzz/seeds.h"

#include "election/tree/database.h"
#include "election/txnlog/store.h"
#include "tests/sim/world/memory_storage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SEALED 0x80

/* ---- a server's directory; names by their place in fuzz_log_recovery.c ---- */

enum {
        NAME_SNAPSHOT_0,
        NAME_LOG_1,
        NAME_ACCEPTED,
        NAME_CURRENT,
        NAME_LOG_3,
        NAME_LOG_E1,
        NAME_LOG_E2,
        NAME_SNAPSHOT_2,
        NAME_INTENT = 16,
        NAME_MARK = 20,
        NAME_ENDS = 24
};

static const struct store_config config = {
        .item_max = 64 << 10, .history_max = 100, .history_bytes_max = 1u << 20, .retain_snapshots = 3};

static void put_txn(struct jute_writer *w, int64_t zxid)
{
        char path[32];
        (void)snprintf(path, sizeof path, "/z%llx", (unsigned long long)zxid);
        jute_put_txn_header(w, &(struct jute_txn_header){.session_id = 1, .cxid = 1, .zxid = zxid, .type = OP_CREATE});
        jute_put_create_txn(w, &(struct jute_create_txn){.path = jute_cstr(path),
                                                         .data = jute_cstr("data"),
                                                         .acl = seed_acl(),
                                                         .parent_cversion = (int32_t)zxid});
}

/* One of each kind, zxids 1 to 8. */
static void put_any_txn(struct jute_writer *w, int64_t zxid)
{
        static const int32_t types[] = {OP_CREATE_SESSION, OP_CREATE, OP_CREATE_CONTAINER, OP_CREATE_TTL, OP_SET_DATA,
                                        OP_SET_ACL,        OP_MULTI,  OP_CLOSE_SESSION};
        int32_t type = types[(zxid - 1) % 8];
        const struct jute_str path = jute_cstr("/a"), data = jute_cstr("data");
        struct jute_writer *body = seed_begin();
        if (type == OP_CREATE) {
                put_txn(w, zxid);
                seed_drop(body);
                return;
        }
        jute_put_txn_header(w, &(struct jute_txn_header){.session_id = 1, .cxid = 1, .zxid = zxid, .type = type});
        switch (type) {
        case OP_CREATE_SESSION:
                jute_put_create_session_txn(w, &(struct jute_create_session_txn){.timeout = 4000});
                break;
        case OP_CREATE_CONTAINER:
                jute_put_create_container_txn(
                        w, &(struct jute_create_container_txn){path, data, seed_acl(), (int32_t)zxid});
                break;
        case OP_CREATE_TTL:
                jute_put_create_ttl_txn(
                        w, &(struct jute_create_ttl_txn){jute_cstr("/t"), data, seed_acl(), (int32_t)zxid, 100});
                break;
        case OP_SET_DATA:
                jute_put_set_data_txn(w, &(struct jute_set_data_txn){path, data, 1});
                break;
        case OP_SET_ACL:
                jute_put_set_acl_txn(w, &(struct jute_set_acl_txn){path, seed_acl(), 1});
                break;
        case OP_MULTI:
                jute_put_int(w, 2);
                jute_put_set_data_txn(body, &(struct jute_set_data_txn){path, data, 2});
                jute_put_txn_op(w, &(struct jute_txn_op){OP_SET_DATA, jute_str_of(body->data, body->len)});
                jute_writer_reset(body);
                jute_put_path(body, &(struct jute_path){jute_cstr("/t")});
                jute_put_txn_op(w, &(struct jute_txn_op){OP_DELETE, jute_str_of(body->data, body->len)});
                break;
        default:
                jute_put_close_session_txn(w, &(struct jute_close_session_txn){.paths = {.count = 0}});
                break;
        }
        seed_drop(body);
}

/* The files that the real store leaves after an epoch and some transactions. */
static void put_directory(struct jute_writer *w)
{
        static const struct {
                int at;
                const char *name;
        } files[] = {{NAME_SNAPSHOT_0, "snapshot.0"}, {NAME_LOG_E1, "log.100000001"}, {NAME_ACCEPTED, "acceptedEpoch"},
                     {NAME_CURRENT, "currentEpoch"},  {NAME_MARK, "../" STORE_MARK},  {NAME_ENDS, "baton.ends"}};
        char why[STORE_WHY_MAX];
        struct memory_storage *disk = memory_storage_new();
        struct store *s = store_new(memory_storage_io(disk), &config);
        struct recovered r = {0};
        struct effects fx;
        struct jute_writer *txn = seed_begin();
        effects_init(&fx);
        int status = store_recover(s, &r, why);
        assert(status == 0);
        recovered_done(&r);
        (void)effect_epoch_write(&fx, EPOCH_ACCEPTED, 1);
        (void)effect_epoch_write(&fx, EPOCH_CURRENT, 1);
        for (int64_t i = 1; i <= 4; i++) {
                put_txn(txn, 0x100000000 + i);
                struct blob *b = blob_copy(txn->data, txn->len);
                jute_writer_reset(txn);
                (void)effect_log_append(&fx, b, 0, b->len, 0x100000000 + i);
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++) {
                status = store_perform(s, &fx.list[i], NULL, why);
                assert(status >= 0);
        }
        status = store_sync(s, why);
        assert(status == 0);
        store_free(s);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                size_t len = 0;
                const uint8_t *bytes = memory_storage_bytes(disk, files[i].name, &len);
                assert(bytes);
                jute_put_byte(w, (uint8_t)files[i].at);
                seed_piece(w, bytes, len);
        }
        effects_done(&fx);
        memory_storage_free(disk);
        seed_drop(txn);
}

static void put_stream(struct jute_writer *w, int64_t txns)
{
        struct database *db = database_new();
        struct jute_writer *txn = seed_begin();
        for (int64_t i = 1; i <= txns; i++) {
                put_any_txn(txn, i);
                int r = database_apply(db, txn->data, txn->len, NULL);
                assert(r == 0);
                jute_writer_reset(txn);
        }
        int r = database_snapshot_begin(db);
        assert(r == 0);
        while (database_snapshot_read(db, w, 1000) > 0)
                ;
        database_snapshot_end(db);
        database_free(db);
        seed_drop(txn);
}

static void put_sealed_log(struct jute_writer *w, int at, int64_t from, int64_t to)
{
        struct jute_writer *log = seed_begin(), *txn = seed_begin();
        for (int64_t i = from; i <= to; i++) {
                put_any_txn(txn, i);
                seed_piece_of(log, txn);
        }
        jute_put_byte(w, (uint8_t)(SEALED | at));
        seed_piece_of(w, log);
        seed_drop(log);
        seed_drop(txn);
}

static void put_sealed_snapshot(struct jute_writer *w, int at, int64_t txns)
{
        struct jute_writer *file = seed_begin();
        jute_put_byte(file, 0);
        jute_put_byte(file, (uint8_t)txns);
        put_stream(file, txns);
        jute_put_byte(w, (uint8_t)(SEALED | at));
        seed_piece_of(w, file);
        seed_drop(file);
}

static void log_recovery(void)
{
        struct jute_writer *w = seed_begin();
        put_directory(w);
        seed_end(w, "log_recovery", "written");
        w = seed_begin();
        put_sealed_snapshot(w, NAME_SNAPSHOT_0, 0);
        put_sealed_log(w, NAME_LOG_1, 1, 8);
        seed_end(w, "log_recovery", "standalone");
        w = seed_begin();
        put_sealed_snapshot(w, NAME_SNAPSHOT_0, 0);
        put_sealed_snapshot(w, NAME_SNAPSHOT_2, 2);
        put_sealed_log(w, NAME_LOG_1, 1, 2);
        put_sealed_log(w, NAME_LOG_3, 3, 8);
        jute_put_byte(w, NAME_INTENT);
        seed_piece(w, "truncate 3\n", 11);
        seed_end(w, "log_recovery", "truncating");
        w = seed_begin();
        put_directory(w);
        jute_put_byte(w, SEALED | NAME_ENDS);
        seed_piece(w, "baton.ends 1\nend 1 100000009\nseam 100000001 1 0\nseam 200000001 2 100000009\n", 75);
        seed_end(w, "log_recovery", "shorter");
}

static void snapshot(void)
{
        struct jute_writer *w = seed_begin(), *stream = seed_begin();
        jute_put_byte(w, 16);
        put_stream(stream, 7);
        seed_piece_of(w, stream);
        for (int64_t i = 1; i <= 8; i++) {
                put_any_txn(stream, i);
                seed_piece_of(w, stream);
        }
        seed_end(w, "snapshot", "all");
        seed_drop(stream);
}

/* ---- configurations ---- */

static void put_project_file(struct jute_writer *w, const char *name)
{
        char path[512], text[32768];
        (void)snprintf(path, sizeof path, "%s/conf.d/%s", BATON_SOURCE_DIR, name);
        FILE *f = fopen(path, "re");
        assert(f);
        size_t len = fread(text, 1, sizeof text, f);
        (void)fclose(f); /* nothing was written */
        seed_piece(w, text, len);
}

static void config_files(void)
{
        static const char *const examples[] = {"cron.conf.example", "nginx.conf.example", "postgresql.conf.example",
                                               "three-servers.conf.example"};
        static const char whole[] =
                "[node]\nname=n1\nid=1\ndata_dir=/var/lib/baton\nruntime_dir=/run/baton\n[ensemble]\ntick_time=100\n"
                "server.1=10.0.0.1:2888:3888:participant;10.0.0.1:2181\nserver.2=10.0.0.2:2888:3888;2181\n"
                "server.3=10.0.0.3:2888:3888:observer\n[supervisor]\nlast_resort=reboot\n[engine]\nuser=baton\n"
                "[agent]\nuser=baton\ngroup=baton\nsession_timeout=1000\nclock_rate_bound=0.05\n";
        static const char groups[] =
                "[group g]\npolicy=priority\npriority=-3\nmembers=n1, n2\nstop_budget=2000\nfailback_delay=5\n"
                "[plugin web]\nmodule=unit\ngroup=g\nunits=nginx.service\ncheck_interval=1000\n"
                "user=root:adm\ncapabilities=CAP_NET_ADMIN CAP_KILL\nfree text = a;b : c\n";
        static const char elsewhere[] = "[node]\nname=n1\n[ensemble]\nconnect=a:2181,[::1]:2182\n";
        for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
                struct jute_writer *w = seed_begin();
                put_project_file(w, "baton.conf");
                put_project_file(w, examples[i]);
                seed_piece(w, "", 0);
                seed_end(w, "config", examples[i]);
        }
        struct jute_writer *w = seed_begin();
        seed_piece(w, whole, sizeof whole - 1);
        seed_piece(w, groups, sizeof groups - 1);
        seed_piece(w, "[plugin p]\nmodule=/x.so\n", 24);
        seed_end(w, "config", "whole");
        w = seed_begin();
        seed_piece(w, elsewhere, sizeof elsewhere - 1);
        seed_piece(w, groups, sizeof groups - 1);
        seed_end(w, "config", "elsewhere");
}

/* ---- records: written by the fuzzer itself ---- */

static void records(void)
{
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 0);
        jute_put_byte(w, 36);
        jute_put_raw(w, "11111111-2222-3333-4444-555555555555", 36);
        jute_put_byte(w, 3);
        jute_put_raw(w, "web", 3);
        jute_put_byte(w, 1);
        jute_put_raw(w, "g", 1);
        jute_put_byte(w, 3);
        jute_put_long(w, 0x100000001);
        jute_put_long(w, 5000);
        seed_u16(w, 2000);
        seed_u16(w, 5000);
        seed_end(w, "records", "grant");
        w = seed_begin();
        jute_put_byte(w, 1);
        jute_put_long(w, 0x1234);
        jute_put_long(w, 0x100000001);
        jute_put_raw(w, "0123456789abcdef", 16);
        seed_end(w, "records", "session");
}

void seeds_files(void)
{
        log_recovery();
        snapshot();
        config_files();
        records();
}
