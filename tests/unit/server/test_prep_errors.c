/* Which error a request gets, and which of two that it deserves (client-protocol.md 5.2, 5.3). Every table
 * is gone through twice: with the nodes it speaks of applied, and with them still on their way. */
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define CLOSED   INT64_C(0x100000000000077)
#define UNKNOWN  INT64_C(0x100000000000078)

/* Whose request it is. */
enum who {
        OURS,
        OF_CLOSED, /* a session being closed */
        OF_UNKNOWN,
        OF_STRANGER, /* through a server that does not own the session */
        WITHOUT_IDS, /* the identities are missing */
};

struct row {
        struct test_op op;
        int err;
        enum who who;
};

static const struct test_acl any[] = {{ACL_ALL, {"world", "anyone"}}};
static const struct test_acl nobody[] = {{0, {"world", "anyone"}}};
static const struct test_acl all_but_read[] = {{ACL_ALL & ~ACL_READ, {"world", "anyone"}}};
static const struct test_acl all_but_write[] = {{ACL_ALL & ~ACL_WRITE, {"world", "anyone"}}};
static const struct test_acl all_but_create[] = {{ACL_ALL & ~ACL_CREATE, {"world", "anyone"}}};
static const struct test_acl all_but_delete[] = {{ACL_ALL & ~ACL_DELETE, {"world", "anyone"}}};
static const struct test_acl all_but_admin[] = {{ACL_ALL & ~ACL_ADMIN, {"world", "anyone"}}};
static const struct test_acl unknown_scheme[] = {{ACL_ALL, {"kerberos", "bob"}}};
#define NULL_ACL  .acl = any, .acl_count = -1
#define EMPTY_ACL .acl = any, .acl_count = 0
#define BAD_ACL   .acl = unknown_scheme, .acl_count = 1
#define CREATE(p)                                                                                                      \
        {                                                                                                              \
                .opcode = OP_CREATE, .path = STR(p), .data = STR("x")                                                  \
        }
#define CREATE_AS(p, ...)                                                                                              \
        {                                                                                                              \
                .opcode = OP_CREATE, .path = STR(p), .data = STR("x"), __VA_ARGS__                                     \
        }
#define DELETE(p) DELETE_AT(p, -1)
#define DELETE_AT(p, v)                                                                                                \
        {                                                                                                              \
                .opcode = OP_DELETE, .path = STR(p), .number = (v)                                                     \
        }

static void make(struct bench *b, const char *path, int32_t opcode, int32_t flags, const struct test_acl *acl)
{
        const struct test_op op = {.opcode = opcode,
                                   .path = jute_cstr(path),
                                   .data = STR("x"),
                                   .number = flags,
                                   .acl = acl,
                                   .acl_count = 1};
        assert_int_equal(bench_op(b, &op), ZK_OK);
}

/* The nodes that the tables speak of. */
static struct bench *furnished(void)
{
        struct bench *b = bench_new();
        bench_ids(b, &(struct test_id){"super", ""}, 1);
        make(b, "/a", OP_CREATE, 0, any);
        make(b, "/a/kid", OP_CREATE, 0, any);
        make(b, "/eph", OP_CREATE, 1, any);
        make(b, "/box", OP_CREATE_CONTAINER, 4, any);
        make(b, "/twice", OP_CREATE, 0, any);
        assert_int_equal(bench_set(b, "/twice", "1", 0), ZK_OK);
        assert_int_equal(bench_set(b, "/twice", "2", 1), ZK_OK);
        make(b, "/nobody", OP_CREATE, 0, nobody);
        make(b, "/unreadable", OP_CREATE, 0, all_but_read);
        make(b, "/unwritable", OP_CREATE, 0, all_but_write);
        make(b, "/childless", OP_CREATE, 0, all_but_create);
        make(b, "/lasting", OP_CREATE, 0, all_but_delete);
        make(b, "/lasting/kid", OP_CREATE, 0, any);
        make(b, "/settled", OP_CREATE, 0, all_but_admin);
        assert_int_equal(bench_create_session(b, CLOSED, 10000), ZK_OK);
        assert_int_equal(bench_close_session(b, CLOSED), ZK_OK);
        bench_ids(b, &(struct test_id){"ip", "127.0.0.1"}, 1);
        return b;
}

static int ask(struct bench *b, const struct row *row)
{
        const struct test_id ip = {"ip", "127.0.0.1"};
        b->session = row->who == OF_CLOSED ? CLOSED : row->who == OF_UNKNOWN ? UNKNOWN : BENCH_SESSION;
        b->sid = row->who == OF_STRANGER ? BENCH_OTHER_SID : BENCH_SID;
        bench_ids(b, &ip, row->who == WITHOUT_IDS ? -1 : 1);
        int err = bench_op(b, &row->op);
        b->session = BENCH_SESSION;
        b->sid = BENCH_SID;
        bench_ids(b, &ip, 1);
        return err;
}

/* The only way to ask for a check. */
static int ask_in_multi(struct bench *b, const struct test_op *op)
{
        assert_int_equal(bench_multi(b, op, 1), ZK_OK);
        return bench_multi_err(b, 0);
}

static void go_through(const struct row *rows, size_t count)
{
        for (int lag = 0; lag < 2; lag++) {
                struct bench *b = furnished();
                if (!lag)
                        bench_settle(b);
                for (size_t i = 0; i < count; i++) {
                        int err = rows[i].op.opcode == OP_CHECK ? ask_in_multi(b, &rows[i].op) : ask(b, &rows[i]);
                        if (err != rows[i].err)
                                fail_msg("row %zu (%.*s), lag %d: %d instead of %d", i, (int)rows[i].op.path.len,
                                         (const char *)rows[i].op.path.data, lag, err, rows[i].err);
                        if (!lag)
                                bench_settle(b);
                }
                bench_settle(b);
                bench_free(b);
        }
}

/* Each row mends the fault that the row before was refused for. */
static void test_create_is_checked_in_order(void **state)
{
        (void)state;
        const struct row rows[] = {
                {CREATE_AS("nopath", .number = 7, NULL_ACL), ZK_BAD_ARGUMENTS, OF_UNKNOWN},
                {CREATE_AS("nopath", .number = -1, NULL_ACL), ZK_BAD_ARGUMENTS, OF_UNKNOWN},
                {CREATE_AS("nopath", .number = 5, NULL_ACL), ZK_UNIMPLEMENTED, OF_UNKNOWN},
                {CREATE_AS("nopath", .number = 6, NULL_ACL), ZK_UNIMPLEMENTED, OF_UNKNOWN},
                {CREATE_AS("nopath", NULL_ACL), ZK_SESSION_EXPIRED, OF_UNKNOWN},
                {CREATE_AS("nopath", NULL_ACL), ZK_SESSION_EXPIRED, OF_CLOSED},
                {CREATE_AS("nopath", NULL_ACL), ZK_SESSION_MOVED, OF_STRANGER},
                {CREATE_AS("nopath", .number = 1, NULL_ACL), ZK_SESSION_EXPIRED, OF_UNKNOWN},
                {CREATE_AS("nopath", NULL_ACL), ZK_BAD_ARGUMENTS, OURS},
                {CREATE_AS("/gone/n\0l", NULL_ACL), ZK_BAD_ARGUMENTS, OURS},
                {CREATE_AS("/gone/\1", NULL_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {CREATE_AS("/gone/\1", EMPTY_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {CREATE_AS("/gone/\1", BAD_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {CREATE("/gone/\1"), ZK_NO_NODE, WITHOUT_IDS},
                {CREATE("/childless/\1"), ZK_MARSHALLING_ERROR, WITHOUT_IDS},
                {CREATE("/childless/\1"), ZK_NO_AUTH, OURS},
                {CREATE("/eph/\1"), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/eph/n"), ZK_NO_CHILDREN_FOR_EPHEMERALS, OURS},
                {CREATE_AS("/eph/n", .number = 2), ZK_NO_CHILDREN_FOR_EPHEMERALS, OURS},
                {CREATE("/a/kid"), ZK_NODE_EXISTS, OURS},
                {CREATE("/a/new"), ZK_OK, OURS},
                {CREATE("/a/new"), ZK_NODE_EXISTS, OURS},
                {CREATE("/box/new"), ZK_OK, OURS}, /* containers may have children */
        };
        go_through(rows, COUNT(rows));
}

/* "Results worth a test" of client-protocol.md 5.3, and the like. */
static void test_odd_names_are_judged_as_zookeeper_judges_them(void **state)
{
        (void)state;
        const struct row rows[] = {
                {CREATE("/"), ZK_NODE_EXISTS, OURS},
                {CREATE(""), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("a/b"), ZK_NO_NODE, OURS},
                {CREATE("/a/"), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/nope/"), ZK_NO_NODE, OURS},
                {CREATE("//a"), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/a/../b"), ZK_NO_NODE, OURS},
                {CREATE("/a/.."), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/a/."), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/a/..."), ZK_OK, OURS},
                {CREATE("/a/\x7f"), ZK_BAD_ARGUMENTS, OURS},
                {CREATE("/a/\xff"), ZK_BAD_ARGUMENTS, OURS},             /* no UTF-8 */
                {CREATE("/a/\xf0\x9f\x98\x80"), ZK_BAD_ARGUMENTS, OURS}, /* above U+FFFF */
                {CREATE("/a/\xc3\xa4"), ZK_OK, OURS},
                {CREATE("/zookeeper/config/x"), ZK_NO_AUTH, OURS},
                {CREATE("/zookeeper/quota/x"), ZK_OK, OURS},
                {{.opcode = OP_CREATE, .path = STR_NULL, .data = STR("x")}, ZK_MARSHALLING_ERROR, OURS},
                {DELETE("/"), ZK_BAD_ARGUMENTS, OURS},
                {DELETE("/zookeeper"), ZK_BAD_ARGUMENTS, OURS},
                {DELETE("/zookeeper/quota"), ZK_BAD_ARGUMENTS, OURS},
                {DELETE("/zookeeper/config"), ZK_BAD_ARGUMENTS, OURS},
                {DELETE(""), ZK_BAD_ARGUMENTS, OURS},
                {DELETE("a"), ZK_BAD_ARGUMENTS, OURS},
                {DELETE("a/b"), ZK_NO_NODE, OURS},
                {DELETE("/a/"), ZK_NO_NODE, OURS},
                {DELETE("//"), ZK_NO_NODE, OURS},
                {DELETE("/a/.."), ZK_NO_NODE, OURS},
                {{.opcode = OP_DELETE, .path = STR_NULL}, ZK_MARSHALLING_ERROR, OURS},
                {{.opcode = OP_SET_DATA, .path = STR_NULL}, ZK_BAD_ARGUMENTS, OURS},
                {{.opcode = OP_SET_ACL, .path = STR_NULL}, ZK_BAD_ARGUMENTS, OURS},
        };
        go_through(rows, COUNT(rows));
}

static void test_the_opcode_decides_what_a_create_makes(void **state)
{
        (void)state;
#define MADE_BY(op, ...)                                                                                               \
        {                                                                                                              \
                .opcode = op, .data = STR("x"), __VA_ARGS__                                                            \
        }
        const struct row rows[] = {
                {MADE_BY(OP_CREATE2, .path = STR("/c2")), ZK_OK, OURS},
                {MADE_BY(OP_CREATE_CONTAINER, .path = STR("/c0"), .number = 0), ZK_OK, OURS},
                {MADE_BY(OP_CREATE_CONTAINER, .path = STR("/c1"), .number = 1), ZK_OK, OURS},
                {MADE_BY(OP_CREATE_CONTAINER, .path = STR("/c5"), .number = 5), ZK_UNIMPLEMENTED, OURS},
                {MADE_BY(OP_CREATE_CONTAINER, .path = STR("/c7"), .number = 7), ZK_BAD_ARGUMENTS, OURS},
                {MADE_BY(OP_CREATE_TTL, .path = STR("/t"), .number = 5, .ttl = 1000), ZK_UNIMPLEMENTED, OURS},
                {MADE_BY(OP_CREATE_TTL, .path = STR("/t"), .number = 6, .ttl = 0), ZK_UNIMPLEMENTED, OURS},
                {MADE_BY(OP_CREATE_TTL, .path = STR("/t"), .number = 0, .ttl = 1000), ZK_BAD_ARGUMENTS, OURS},
                {MADE_BY(OP_CREATE_TTL, .path = STR("/t"), .number = 0, .ttl = -1), ZK_BAD_ARGUMENTS, OURS},
                {MADE_BY(OP_CREATE_TTL, .path = STR("/t"), .number = 8, .ttl = 5), ZK_BAD_ARGUMENTS, OURS},
                {MADE_BY(OP_CREATE, .path = STR("/p4"), .number = 4), ZK_OK, OURS},
                {MADE_BY(OP_CREATE, .path = STR("/p4/kid")), ZK_OK, OURS},
                {MADE_BY(OP_CREATE, .path = STR("/c1/kid")), ZK_OK, OURS},
        };
#undef MADE_BY
        go_through(rows, COUNT(rows));

        struct bench *b = furnished();
        make(b, "/c1", OP_CREATE_CONTAINER, 1, any);
        make(b, "/p4", OP_CREATE, 4, any);
        bench_settle(b);
        struct jute_stat_persisted stat;
        znode_stat_persisted(bench_find(b, "/c1"), &stat);
        assert_int_equal(stat.ephemeral_owner, ZNODE_OWNER_CONTAINER);
        znode_stat_persisted(bench_find(b, "/p4"), &stat);
        assert_int_equal(stat.ephemeral_owner, 0);
        bench_free(b);
}

static void test_delete_is_checked_in_order(void **state)
{
        (void)state;
        const struct row rows[] = {
                {DELETE_AT("/", 7), ZK_SESSION_EXPIRED, OF_UNKNOWN},
                {DELETE_AT("/", 7), ZK_SESSION_EXPIRED, OF_CLOSED},
                {DELETE_AT("/", 7), ZK_SESSION_MOVED, OF_STRANGER},
                {DELETE_AT("/", 7), ZK_BAD_ARGUMENTS, WITHOUT_IDS},
                {DELETE_AT("/gone/x", 7), ZK_NO_NODE, WITHOUT_IDS},
                {DELETE_AT("/lasting/gone", 7), ZK_MARSHALLING_ERROR, WITHOUT_IDS},
                {DELETE_AT("/lasting/gone", 7), ZK_NO_AUTH, OURS},
                {DELETE_AT("/lasting/kid", 7), ZK_NO_AUTH, OURS},
                {DELETE_AT("/a/gone", 7), ZK_NO_NODE, OURS},
                {{.opcode = OP_DELETE, .path = STR("/a"), .number = 7}, ZK_BAD_VERSION, OURS},
                {DELETE("/a"), ZK_NOT_EMPTY, OURS},
                {{.opcode = OP_DELETE, .path = STR("/a"), .number = 0}, ZK_NOT_EMPTY, OURS},
                {{.opcode = OP_DELETE, .path = STR("/twice"), .number = 1}, ZK_BAD_VERSION, OURS},
                {{.opcode = OP_DELETE, .path = STR("/twice"), .number = 2}, ZK_OK, OURS},
                {DELETE("/twice"), ZK_NO_NODE, OURS},
                {DELETE("/nobody"), ZK_OK, OURS}, /* its own ACL has no say */
                {DELETE("/a/kid"), ZK_OK, OURS},
                {DELETE("/a"), ZK_OK, OURS},
                {DELETE("/eph"), ZK_OK, OURS},
                {DELETE("/box"), ZK_OK, OURS},
        };
        go_through(rows, COUNT(rows));
}

static void test_set_data_is_checked_in_order(void **state)
{
        (void)state;
#define SET(p, v)                                                                                                      \
        {                                                                                                              \
                .opcode = OP_SET_DATA, .path = STR(p), .data = STR("y"), .number = (v)                                 \
        }
        const struct row rows[] = {
                {SET("bad", 7), ZK_SESSION_EXPIRED, OF_UNKNOWN},
                {SET("bad", 7), ZK_SESSION_EXPIRED, OF_CLOSED},
                {SET("bad", 7), ZK_SESSION_MOVED, OF_STRANGER},
                {SET("bad", 7), ZK_BAD_ARGUMENTS, WITHOUT_IDS},
                {SET("/gone/", 7), ZK_BAD_ARGUMENTS, WITHOUT_IDS},
                {SET("/gone", 7), ZK_NO_NODE, WITHOUT_IDS},
                {SET("/unwritable", 7), ZK_MARSHALLING_ERROR, WITHOUT_IDS},
                {SET("/unwritable", 7), ZK_NO_AUTH, OURS},
                {SET("/zookeeper/config", 7), ZK_NO_AUTH, OURS},
                {SET("/twice", 7), ZK_BAD_VERSION, OURS},
                {SET("/twice", 1), ZK_BAD_VERSION, OURS},
                {SET("/twice", 2), ZK_OK, OURS},
                {SET("/twice", 2), ZK_BAD_VERSION, OURS},
                {SET("/twice", 3), ZK_OK, OURS},
                {SET("/twice", -1), ZK_OK, OURS},
                {SET("/", -1), ZK_OK, OURS},
                {SET("/", 1), ZK_OK, OURS},
                {SET("/zookeeper", 0), ZK_OK, OURS},
                {SET("/unreadable", 0), ZK_OK, OURS},
        };
#undef SET
        go_through(rows, COUNT(rows));
}

static void test_set_acl_is_checked_in_order(void **state)
{
        (void)state;
#define SET(p, v, ...)                                                                                                 \
        {                                                                                                              \
                .opcode = OP_SET_ACL, .path = STR(p), .number = v, __VA_ARGS__                                         \
        }
        const struct row rows[] = {
                {SET("bad", 7, NULL_ACL), ZK_SESSION_EXPIRED, OF_UNKNOWN},
                {SET("bad", 7, NULL_ACL), ZK_SESSION_EXPIRED, OF_CLOSED},
                {SET("bad", 7, NULL_ACL), ZK_SESSION_MOVED, OF_STRANGER},
                {SET("bad", 7, NULL_ACL), ZK_BAD_ARGUMENTS, OURS},
                {SET("/gone", 7, NULL_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {SET("/gone", 7, EMPTY_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {SET("/gone", 7, BAD_ACL), ZK_INVALID_ACL, WITHOUT_IDS},
                {SET("/gone", 7, .acl = any, .acl_count = 1), ZK_NO_NODE, WITHOUT_IDS},
                {SET("/settled", 7, .acl = any, .acl_count = 1), ZK_MARSHALLING_ERROR, WITHOUT_IDS},
                {SET("/settled", 7, .acl = any, .acl_count = 1), ZK_NO_AUTH, OURS},
                {SET("/twice", 2, .acl = any, .acl_count = 1), ZK_BAD_VERSION, OURS}, /* aversion counts */
                {SET("/twice", 0, .acl = any, .acl_count = 1), ZK_OK, OURS},
                {SET("/twice", 0, .acl = any, .acl_count = 1), ZK_BAD_VERSION, OURS},
                {SET("/twice", 1, .acl = all_but_admin, .acl_count = 1), ZK_OK, OURS},
                {SET("/twice", 2, .acl = any, .acl_count = 1), ZK_NO_AUTH, OURS}, /* in force at once */
                {SET("/", -1, .acl = any, .acl_count = 1), ZK_OK, OURS},
        };
#undef SET
        go_through(rows, COUNT(rows));
}

static void test_check_is_checked_in_order(void **state)
{
        (void)state;
#define CHECK(p, v)                                                                                                    \
        {                                                                                                              \
                .opcode = OP_CHECK, .path = STR(p), .number = (v)                                                      \
        }
        const struct row rows[] = {
                {CHECK("bad", 7), ZK_BAD_ARGUMENTS, OURS},   {CHECK("/gone", 7), ZK_NO_NODE, OURS},
                {CHECK("/unreadable", 7), ZK_NO_AUTH, OURS}, {CHECK("/twice", 7), ZK_BAD_VERSION, OURS},
                {CHECK("/twice", 2), ZK_OK, OURS},           {CHECK("/twice", -1), ZK_OK, OURS},
        };
#undef CHECK
        go_through(rows, COUNT(rows));

        struct bench *b = furnished();
        const struct test_op check = {.opcode = OP_CHECK, .path = STR("bad")};
        b->session = CLOSED;
        assert_int_equal(ask_in_multi(b, &check), ZK_SESSION_EXPIRED);
        b->session = BENCH_SESSION;
        b->sid = BENCH_OTHER_SID;
        assert_int_equal(ask_in_multi(b, &check), ZK_SESSION_MOVED);
        bench_settle(b);
        bench_free(b);
}

static void put_snapshot_node(struct jute_writer *w, const char *path, int64_t acl_key)
{
        const struct jute_stat_persisted stat = {.czxid = 0};
        jute_put_cstr(w, path);
        jute_put_cstr(w, "");
        jute_put_long(w, acl_key);
        jute_put_stat_persisted(w, &stat);
}

/* A snapshot's ACL map may lack a node's key: then every access to the node fails (storage-format.md 4.2). */
static void test_a_node_without_its_acl_cannot_be_judged(void **state)
{
        (void)state;
        struct jute_writer w;
        struct database_loader *l = database_loader_new(BENCH_ITEM_MAX);
        size_t consumed;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_long(&w, 0); /* no sessions, no ACL rows */
        put_snapshot_node(&w, "", ACL_KEY_OPEN);
        put_snapshot_node(&w, "/x", 7);
        jute_put_cstr(&w, "/");
        assert_int_equal(database_loader_feed(l, w.data, w.len, &consumed), 1);
        struct bench *b = bench_new_on(database_loader_take(l, 0));
        database_loader_free(l);
        jute_writer_done(&w);

        assert_int_equal(bench_set(b, "/x", "y", -1), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_create(b, "/x/y", 0), ZK_MARSHALLING_ERROR);
        assert_int_equal(bench_delete(b, "/x"), ZK_OK); /* the parent's ACL counts */
        assert_int_equal(bench_create(b, "/x", 0), ZK_OK);
        assert_int_equal(bench_create(b, "/x/y", 0), ZK_OK);
        bench_settle(b);
        bench_free(b);
}

static void test_reconfiguration_is_off(void **state)
{
        (void)state;
        struct bench *b = bench_new();
        jute_writer_reset(&b->body);
        b->session = UNKNOWN; /* comes before the session is looked at (section 12) */
        assert_int_equal(bench_request(b, OP_RECONFIG, STR_NULL), ZK_RECONFIG_DISABLED);
        bench_settle(b);
        bench_free(b);
}

/* A multi gets it by a transaction, so that it is forwarded. */
static void test_what_cannot_be_decoded_gets_a_marshalling_error(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_CREATE,     OP_CREATE2, OP_CREATE_CONTAINER,
                                          OP_CREATE_TTL, OP_DELETE,  OP_SET_DATA,
                                          OP_SET_ACL,    OP_MULTI,   OP_CREATE_SESSION};
        struct bench *b = bench_new();
        for (size_t i = 0; i < COUNT(opcodes); i++) {
                const struct jute_str bodies[] = {STR_NULL, STR(""), STR("\0\0"), STR("\0\0\1\0/a"),
                                                  STR("\xff\xff\xff\xfe/a")};
                for (size_t k = 0; k < COUNT(bodies); k++) {
                        if (opcodes[i] == OP_CREATE_SESSION && bodies[k].len >= 4)
                                continue;
                        assert_true(prep_body_ok(opcodes[i], bodies[k], BENCH_ITEM_MAX) == (opcodes[i] == OP_MULTI));
                        assert_int_equal(bench_request(b, opcodes[i], bodies[k]), ZK_MARSHALLING_ERROR);
                }
        }
        assert_false(prep_body_ok(OP_RECONFIG, STR("\0"), BENCH_ITEM_MAX));
        assert_true(prep_body_ok(OP_CLOSE_SESSION, STR_NULL, BENCH_ITEM_MAX));
        bench_settle(b);
        bench_free(b);
}

/* Every shortening of a good body is refused, the whole is taken; bytes behind it do not matter. */
static void test_a_body_is_taken_whole_or_not_at_all(void **state)
{
        (void)state;
        const struct test_op ops[] = {
                CREATE("/n"),
                {.opcode = OP_CREATE_TTL, .path = STR("/n"), .data = STR("x"), .number = 5, .ttl = 9},
                DELETE("/n"),
                {.opcode = OP_SET_DATA, .path = STR("/n"), .data = STR("x")},
                {.opcode = OP_SET_ACL, .path = STR("/n")},
        };
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (size_t i = 0; i < COUNT(ops); i++) {
                jute_writer_reset(&w);
                put_op(&w, &ops[i]);
                for (size_t len = 0; len < w.len; len++)
                        assert_false(prep_body_ok(ops[i].opcode, jute_str_of(w.data, len), BENCH_ITEM_MAX));
                assert_true(prep_body_ok(ops[i].opcode, jute_str_of(w.data, w.len), BENCH_ITEM_MAX));
                jute_put_int(&w, 0);
                assert_true(prep_body_ok(ops[i].opcode, jute_str_of(w.data, w.len), BENCH_ITEM_MAX));
        }
        jute_writer_done(&w);
}

static void test_only_writes_and_sessions_become_transactions(void **state)
{
        (void)state;
        static const int32_t made[] = {OP_CREATE,         OP_CREATE2,       OP_CREATE_CONTAINER, OP_CREATE_TTL,
                                       OP_DELETE,         OP_SET_DATA,      OP_SET_ACL,          OP_MULTI,
                                       OP_CREATE_SESSION, OP_CLOSE_SESSION, OP_RECONFIG,         OP_DELETE_CONTAINER};
        for (int32_t opcode = -20; opcode < 200; opcode++) {
                bool expected = false;
                for (size_t i = 0; i < COUNT(made); i++)
                        expected = expected || made[i] == opcode;
                if (prep_handles(opcode) != expected) /* a check on its own: no */
                        fail_msg("opcode %d", opcode);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create_is_checked_in_order),
                cmocka_unit_test(test_odd_names_are_judged_as_zookeeper_judges_them),
                cmocka_unit_test(test_the_opcode_decides_what_a_create_makes),
                cmocka_unit_test(test_delete_is_checked_in_order),
                cmocka_unit_test(test_set_data_is_checked_in_order),
                cmocka_unit_test(test_set_acl_is_checked_in_order),
                cmocka_unit_test(test_check_is_checked_in_order),
                cmocka_unit_test(test_a_node_without_its_acl_cannot_be_judged),
                cmocka_unit_test(test_reconfiguration_is_off),
                cmocka_unit_test(test_what_cannot_be_decoded_gets_a_marshalling_error),
                cmocka_unit_test(test_a_body_is_taken_whole_or_not_at_all),
                cmocka_unit_test(test_only_writes_and_sessions_become_transactions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
