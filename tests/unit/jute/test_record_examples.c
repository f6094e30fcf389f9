/* The byte examples of client-protocol.md appendix A, quorum-protocol.md appendix A and
 * storage-format.md 2.1: each record written gives these bytes, and these bytes read give it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/jute/record.h"

#include <string.h>

#define EXAMPLE_MAX 256
#define ZEROS_16    "00000000000000000000000000000000"

struct example {
        uint8_t bytes[EXAMPLE_MAX];
        size_t len;
};

/* Reads hex digits, skipping what stands between them for the eye. */
static struct example hex(const char *text)
{
        struct example e = {.len = 0};
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        size_t nibbles = 0;
        for (; *text; text++) {
                const char *p = strchr(digits, *text);
                if (!p)
                        continue;
                uint8_t v = (uint8_t)((p - digits) % 16);
                assert_true(e.len < EXAMPLE_MAX);
                e.bytes[e.len] = (uint8_t)(e.bytes[e.len] << 4 | v);
                e.len += nibbles++ % 2;
        }
        assert_int_equal(nibbles % 2, 0);
        return e;
}

/* The writer's content equals the example; the writer is released. */
static void assert_wrote(struct jute_writer *w, const char *text)
{
        struct example e = hex(text);
        assert_int_equal(w->error, 0);
        assert_int_equal(w->len, e.len);
        assert_memory_equal(w->data, e.bytes, e.len);
        jute_writer_done(w);
}

static struct jute_writer writer(void)
{
        struct jute_writer w;
        jute_writer_init(&w, EXAMPLE_MAX);
        return w;
}

/* A writer with the place of the frame's length, and the end of the frame. */
static struct jute_writer frame(void)
{
        struct jute_writer w = writer();
        jute_put_int(&w, 0);
        return w;
}

static void assert_framed(struct jute_writer *w, const char *text)
{
        jute_patch_int(w, 0, (int32_t)(w->len - 4));
        assert_wrote(w, text);
}

static struct jute_reader reader(const struct example *e)
{
        struct jute_reader r;
        jute_reader_init(&r, e->bytes, e->len, EXAMPLE_MAX);
        return r;
}

/* A reader behind the frame's length, which must be right. */
static struct jute_reader frame_reader(const struct example *e)
{
        struct jute_reader r = reader(e);
        assert_int_equal(jute_get_int(&r), e->len - 4);
        return r;
}

static void assert_read_whole(const struct jute_reader *r)
{
        assert_int_equal(r->error, 0);
        assert_int_equal(jute_left(r), 0);
}

/* ---- client-protocol.md appendix A ---- */

static void test_connect_request_example(void **state)
{
        (void)state;
        static const char text[] =
                "0000002d 00000000 0000000000000000 00002710 0000000000000000 00000010 " ZEROS_16 " 00";
        static const uint8_t zeros[16];
        const struct jute_connect_request v = {
                .timeout = 10000, .passwd = {.data = zeros, .len = 16}, .has_read_only = true};
        struct jute_writer w = frame();
        jute_put_connect_request(&w, &v);
        assert_framed(&w, text);

        struct example e = hex(text);
        struct jute_reader r = frame_reader(&e);
        struct jute_connect_request got;
        jute_get_connect_request(&r, &got);
        assert_read_whole(&r);
        assert_int_equal(got.timeout, 10000);
        assert_int_equal(got.session_id, 0);
        assert_true(jute_str_equal(got.passwd, v.passwd));
        assert_true(got.has_read_only);
        assert_false(got.read_only);
}

static void test_connect_response_examples(void **state)
{
        (void)state;
        static const char text[] =
                "00000025 00000000 00002710 0100001af4350000 00000010 01000b20fa173132479dea08d30949ba 00";
        static const uint8_t zeros[16];
        struct example passwd = hex("01000b20fa173132479dea08d30949ba");
        struct jute_connect_response v = {.timeout = 10000,
                                          .session_id = 0x0100001af4350000,
                                          .passwd = jute_str_of(passwd.bytes, passwd.len),
                                          .has_read_only = true};
        struct jute_writer w = frame();
        jute_put_connect_response(&w, &v);
        assert_framed(&w, text);

        struct example e = hex(text);
        struct jute_reader r = frame_reader(&e);
        struct jute_connect_response got;
        jute_get_connect_response(&r, &got);
        assert_read_whole(&r);
        assert_true(got.session_id == v.session_id);
        assert_true(jute_str_equal(got.passwd, v.passwd));

        v = (struct jute_connect_response){.passwd = {.data = zeros, .len = 16}, .has_read_only = true};
        w = frame();
        jute_put_connect_response(&w, &v);
        assert_framed(&w, "00000025 00000000 00000000 0000000000000000 00000010 " ZEROS_16 " 00");
}

static void test_ping_example(void **state)
{
        (void)state;
        struct jute_writer w = frame();
        jute_put_request_header(&w, &(struct jute_request_header){.xid = -2, .type = OP_PING});
        assert_framed(&w, "00000008 fffffffe 0000000b");
        w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = -2, .zxid = 6, .err = 0});
        assert_framed(&w, "00000010 fffffffe 0000000000000006 00000000");
}

static struct jute_vec open_acl(struct jute_writer *w)
{
        jute_put_acl(w, &(struct jute_acl){.perms = 31, .id = {jute_cstr("world"), jute_cstr("anyone")}});
        return (struct jute_vec){.data = w->data, .size = w->len, .count = 1};
}

static void test_create_example(void **state)
{
        (void)state;
        static const char text[] = "00000032 00000001 00000001 00000002 2f61 00000001 78 00000001 0000001f 00000005 "
                                   "776f726c64 00000006 616e796f6e65 00000000";
        struct jute_writer acl = writer(), w = frame();
        const struct jute_create_request v = {
                .path = jute_cstr("/a"), .data = jute_cstr("x"), .acl = open_acl(&acl), .flags = 0};
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 1, .type = OP_CREATE});
        jute_put_create_request(&w, &v);
        assert_framed(&w, text);
        jute_writer_done(&acl);

        struct example e = hex(text);
        struct jute_reader r = frame_reader(&e);
        struct jute_request_header h;
        struct jute_create_request got;
        struct jute_acl entry;
        jute_get_request_header(&r, &h);
        jute_get_create_request(&r, &got);
        assert_read_whole(&r);
        assert_int_equal(h.xid, 1);
        assert_int_equal(h.type, OP_CREATE);
        assert_true(jute_str_is(got.path, "/a"));
        assert_true(jute_str_is(got.data, "x"));
        assert_int_equal(got.acl.count, 1);
        struct jute_reader elements = jute_vec_reader(&got.acl);
        jute_get_acl(&elements, &entry);
        assert_read_whole(&elements);
        assert_int_equal(entry.perms, 31);
        assert_true(jute_str_is(entry.id.scheme, "world"));
        assert_true(jute_str_is(entry.id.id, "anyone"));

        w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = 1, .zxid = 7});
        jute_put_path(&w, &(struct jute_path){jute_cstr("/a")});
        assert_framed(&w, "00000016 00000001 0000000000000007 00000000 00000002 2f61");
}

static void test_error_reply_example(void **state)
{
        (void)state;
        struct jute_writer w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = 2, .zxid = 8, .err = ZK_NODE_EXISTS});
        assert_framed(&w, "00000010 00000002 0000000000000008 ffffff92");
}

static void test_get_data_with_watch_example(void **state)
{
        (void)state;
        struct jute_writer w = frame();
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 1, .type = OP_GET_DATA});
        jute_put_path_watch(&w, &(struct jute_path_watch){jute_cstr("/a"), true});
        assert_framed(&w, "0000000f 00000001 00000004 00000002 2f61 01");
}

static void test_notification_example(void **state)
{
        (void)state;
        static const char text[] = "0000001e ffffffff ffffffffffffffff 00000000 00000003 00000003 00000002 2f61";
        struct jute_writer w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = -1, .zxid = -1});
        jute_put_watcher_event(&w, &(struct jute_watcher_event){.type = 3, .state = 3, .path = jute_cstr("/a")});
        assert_framed(&w, text);
}

static void put_multi_end(struct jute_writer *w)
{
        jute_put_multi_header(w, &(struct jute_multi_header){.type = -1, .done = true, .err = -1});
}

static void test_multi_examples(void **state)
{
        (void)state;
        struct jute_writer w = frame();
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 2, .type = OP_MULTI});
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_DELETE, .err = -1});
        jute_put_path_version(&w, &(struct jute_path_version){jute_cstr("/a"), -1});
        put_multi_end(&w);
        assert_framed(&w, "00000024 00000002 0000000e 00000002 00 ffffffff 00000002 2f61 ffffffff "
                          "ffffffff 01 ffffffff");
        w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = 2, .zxid = 9});
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_DELETE});
        put_multi_end(&w);
        assert_framed(&w, "00000022 00000002 0000000000000009 00000000 00000002 00 00000000 ffffffff 01 ffffffff");
        w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = 2, .zxid = 9});
        jute_put_multi_header(&w, &(struct jute_multi_header){.type = OP_ERROR, .err = ZK_NO_NODE});
        jute_put_error_response(&w, &(struct jute_error_response){ZK_NO_NODE});
        put_multi_end(&w);
        assert_framed(&w, "00000026 00000002 0000000000000009 00000000 ffffffff 00 ffffff9b ffffff9b "
                          "ffffffff 01 ffffffff");
}

static void test_add_watch_reply_example(void **state)
{
        (void)state;
        struct jute_writer w = frame();
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = 3, .zxid = 9});
        jute_put_error_response(&w, &(struct jute_error_response){ZK_OK});
        assert_framed(&w, "00000014 00000003 0000000000000009 00000000 00000000");
}

/* ---- quorum-protocol.md appendix A ---- */

/* A packet of `type`, `zxid` and, unless NULL, the data written in `data` is `text`, both ways. */
static void assert_packet(int32_t type, int64_t zxid, const struct jute_writer *data, const char *text)
{
        struct example e = hex(text);
        struct blob *b = jute_quorum_packet_blob(type, zxid, data ? data->data : NULL, data ? data->len : 0);
        assert_int_equal(b->len, e.len);
        assert_memory_equal(b->data, e.bytes, e.len);
        blob_unref(b);

        struct jute_reader r = reader(&e);
        struct jute_quorum_packet got;
        jute_get_quorum_packet(&r, &got);
        assert_read_whole(&r);
        assert_int_equal(got.type, type);
        assert_true(got.zxid == zxid);
        assert_int_equal(got.data.len, data ? (int32_t)data->len : -1);
        assert_int_equal(got.authinfo.count, -1);
        struct jute_writer w = writer();
        jute_put_quorum_packet(&w, &got);
        assert_wrote(&w, text);
}

static void test_packets_without_data(void **state)
{
        (void)state;
        assert_packet(QP_DIFF, 0, NULL, "0000000D 0000000000000000 FFFFFFFF FFFFFFFF");
        assert_packet(QP_ACK, 0x100000000, NULL, "00000003 0000000100000000 FFFFFFFF FFFFFFFF");
        assert_packet(QP_UPTODATE, -1, NULL, "0000000C FFFFFFFFFFFFFFFF FFFFFFFF FFFFFFFF");
}

static void test_discovery_packets(void **state)
{
        (void)state;
        struct jute_writer w = writer();
        jute_put_learner_info(&w, &(struct jute_learner_info){.sid = 1, .protocol_version = 0x10000});
        assert_packet(QP_FOLLOWERINFO, 0, &w,
                      "0000000B 0000000000000000 00000014 0000000000000001 00010000 0000000000000000 FFFFFFFF");
        jute_writer_reset(&w);
        jute_put_int(&w, 0x10000);
        assert_packet(QP_LEADERINFO, 0x100000000, &w, "00000011 0000000100000000 00000004 00010000 FFFFFFFF");
        jute_writer_reset(&w);
        jute_put_int(&w, 0);
        assert_packet(QP_ACKEPOCH, 0, &w, "00000012 0000000000000000 00000004 00000000 FFFFFFFF");
        jute_writer_done(&w);
}

static void test_session_packets(void **state)
{
        (void)state;
        const int64_t session = 0x01000014C32D0000;
        struct jute_writer w = writer();
        jute_put_long(&w, session);
        jute_put_int(&w, 10000);
        assert_packet(QP_PING, 0x10000000C, &w,
                      "00000005 000000010000000C 0000000C 01000014C32D0000 00002710 FFFFFFFF");
        jute_writer_reset(&w);
        jute_put_long(&w, session);
        jute_put_int(&w, 0);
        jute_put_int(&w, OP_CREATE_SESSION);
        jute_put_int(&w, 10000);
        assert_packet(QP_REQUEST, -1, &w,
                      "00000001 FFFFFFFFFFFFFFFF 00000014 01000014C32D0000 00000000 FFFFFFF6 00002710 FFFFFFFF");
        jute_writer_reset(&w);
        jute_put_long(&w, session);
        jute_put_bool(&w, true);
        assert_packet(QP_REVALIDATE, -1, &w, "00000006 FFFFFFFFFFFFFFFF 00000009 01000014C32D0000 01 FFFFFFFF");
        jute_writer_done(&w);
}

static void test_commit_and_activate_packet(void **state)
{
        (void)state;
        struct jute_writer w = writer();
        jute_put_long(&w, 3);
        assert_packet(QP_COMMIT_AND_ACTIVATE, 0x100000009, &w,
                      "00000009 0000000100000009 00000008 0000000000000003 FFFFFFFF");
        jute_writer_done(&w);
}

static void test_create_session_proposal_data(void **state)
{
        (void)state;
        static const char text[] = "01000014C32D0000 00000000 0000000100000001 000001A205EF5CF6 FFFFFFF6 | 00002710 | "
                                   "00000002 0000000051C6D660";
        struct jute_writer w = writer();
        jute_put_txn_header(&w, &(struct jute_txn_header){.session_id = 0x01000014C32D0000,
                                                          .zxid = 0x100000001,
                                                          .time = 0x1A205EF5CF6,
                                                          .type = OP_CREATE_SESSION});
        jute_put_create_session_txn(&w, &(struct jute_create_session_txn){10000});
        jute_put_txn_digest(&w, &(struct jute_txn_digest){JUTE_DIGEST_VERSION, 0x51C6D660});
        assert_int_equal(w.len, 48); /* the first record of an empty ensemble: storage-format.md 2.1 */
        assert_wrote(&w, text);

        struct example e = hex(text);
        struct jute_reader r = reader(&e);
        struct jute_txn_header h;
        struct jute_create_session_txn body;
        struct jute_txn_digest digest;
        jute_get_txn_header(&r, &h);
        jute_get_create_session_txn(&r, &body);
        jute_get_txn_digest(&r, &digest);
        assert_read_whole(&r);
        assert_true(h.zxid == 0x100000001);
        assert_int_equal(h.type, OP_CREATE_SESSION);
        assert_int_equal(body.timeout, 10000);
        assert_true(digest.tree_digest == 0x51C6D660);
}

static void test_failed_create_proposal_data(void **state)
{
        (void)state;
        struct jute_writer w = writer();
        jute_put_txn_header(&w, &(struct jute_txn_header){.type = OP_ERROR});
        jute_put_error_response(&w, &(struct jute_error_response){ZK_NODE_EXISTS});
        assert_wrote(&w, "0000000000000000 00000000 0000000000000000 0000000000000000 FFFFFFFF FFFFFF92");
}

static void test_failed_multi_transaction_body(void **state)
{
        (void)state;
        static const char text[] = "00000003 00000002 00000006 00000002 2f61 FFFFFFFF 00000004 FFFFFF99 "
                                   "FFFFFFFF 00000004 FFFFFFFE";
        struct jute_writer path = writer(), ops = writer(), w = writer();
        struct example bad = hex("FFFFFF99"), skipped = hex("FFFFFFFE");
        jute_put_path(&path, &(struct jute_path){jute_cstr("/a")});
        jute_put_txn_op(&ops, &(struct jute_txn_op){OP_DELETE, jute_str_of(path.data, path.len)});
        jute_put_txn_op(&ops, &(struct jute_txn_op){OP_ERROR, jute_str_of(bad.bytes, bad.len)});
        jute_put_txn_op(&ops, &(struct jute_txn_op){OP_ERROR, jute_str_of(skipped.bytes, skipped.len)});
        jute_put_multi_txn(&w, &(struct jute_multi_txn){{.data = ops.data, .size = ops.len, .count = 3}});
        assert_wrote(&w, text);
        jute_writer_done(&path);
        jute_writer_done(&ops);

        struct example e = hex(text);
        struct jute_reader r = reader(&e);
        struct jute_multi_txn got;
        struct jute_txn_op op;
        jute_get_multi_txn(&r, &got);
        assert_read_whole(&r);
        assert_int_equal(got.ops.count, 3);
        struct jute_reader elements = jute_vec_reader(&got.ops);
        jute_get_txn_op(&elements, &op);
        assert_int_equal(op.type, OP_DELETE);
        jute_get_txn_op(&elements, &op);
        jute_get_txn_op(&elements, &op);
        assert_read_whole(&elements);
        assert_int_equal(op.type, OP_ERROR);
        assert_int_equal(op.body.len, 4);
}

/* ---- storage-format.md 2.1 and 4.1 ---- */

static void test_file_headers(void **state)
{
        (void)state;
        struct jute_writer w = writer();
        jute_put_file_header(&w, &(struct jute_file_header){.magic = 0x5A4B4C47, .version = 2, .dbid = 0});
        assert_wrote(&w, "5A4B4C47 00000002 0000000000000000");
        w = writer();
        jute_put_file_header(&w, &(struct jute_file_header){.magic = 0x5A4B534E, .version = 2, .dbid = -1});
        assert_wrote(&w, "5A4B534E 00000002 FFFFFFFFFFFFFFFF");
}

/* quorum-protocol.md 8.1: the dialler's first SASL packet with an empty token. */
static void test_sasl_first_packet(void **state)
{
        (void)state;
        struct jute_writer w = writer();
        jute_put_quorum_auth_packet(
                &w, &(struct jute_quorum_auth_packet){.magic = 0x5F2435013501EDCC, .token = jute_cstr("")});
        assert_wrote(&w, "5F2435013501EDCC 00000000 00000000");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connect_request_example),
                cmocka_unit_test(test_connect_response_examples),
                cmocka_unit_test(test_ping_example),
                cmocka_unit_test(test_create_example),
                cmocka_unit_test(test_error_reply_example),
                cmocka_unit_test(test_get_data_with_watch_example),
                cmocka_unit_test(test_notification_example),
                cmocka_unit_test(test_multi_examples),
                cmocka_unit_test(test_add_watch_reply_example),
                cmocka_unit_test(test_packets_without_data),
                cmocka_unit_test(test_discovery_packets),
                cmocka_unit_test(test_session_packets),
                cmocka_unit_test(test_commit_and_activate_packet),
                cmocka_unit_test(test_create_session_proposal_data),
                cmocka_unit_test(test_failed_create_proposal_data),
                cmocka_unit_test(test_failed_multi_transaction_body),
                cmocka_unit_test(test_file_headers),
                cmocka_unit_test(test_sasl_first_packet),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
