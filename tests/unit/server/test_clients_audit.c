/* The audit log: an entry for each change that was tried, when its outcome is known, and for each authentication. What
 * operations are called, and what is said of them, is as in ZooKeeper 3.9.5's; that nothing forges an entry is ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/server/audit.h"
#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <string.h>

#define OPEN_ACL ((struct jute_acl){.perms = ACL_ALL, .id = {jute_cstr("world"), jute_cstr("anyone")}})

static struct desk *audited(void)
{
        struct desk *d = desk_new();
        d->config.audit = true;
        return d;
}

static void put_create(struct jute_writer *w, struct jute_str path, const struct jute_acl *acl, int32_t flags)
{
        jute_put_str(w, path);
        jute_put_str(w, jute_str_of("", 0));
        jute_put_int(w, 1);
        jute_put_acl(w, acl);
        jute_put_int(w, flags);
}

static void create_at(struct desk *d, conn_id k, struct jute_str path, int32_t opcode, int32_t flags)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        put_create(&w, path, &OPEN_ACL, flags);
        desk_begin(d);
        desk_add(d, 1, opcode, &w);
        desk_put(d, k);
        desk_commit(d, 1);
        jute_writer_done(&w);
}

static void set_acl(struct desk *d, conn_id k, const char *path, const struct jute_acl *acl, int32_t count)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        jute_put_int(&w, count);
        for (int32_t i = 0; i < count; i++)
                jute_put_acl(&w, &acl[i]);
        jute_put_int(&w, -1);
        desk_begin(d);
        desk_add(d, 1, OP_SET_ACL, &w);
        desk_put(d, k);
        desk_commit(d, 1);
        jute_writer_done(&w);
}

static void auth(struct desk *d, conn_id k, const char *scheme, const char *data)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        jute_put_cstr(&w, scheme);
        jute_put_cstr(&w, data);
        desk_begin(d);
        desk_add(d, -4, OP_AUTH, &w);
        desk_put(d, k);
        jute_writer_done(&w);
}

/* Its one entry since the last time is the client's own beginning and then `rest`. */
static void assert_entry(struct desk *d, const char *who, const char *rest)
{
        char expected[2048];
        (void)snprintf(expected, sizeof expected, "session=0x100000000000000 user=%s ip=10.0.0.1 %s\n", who, rest);
        assert_string_equal(d->audit, expected);
        d->audit[0] = 0;
}

static conn_id from_ten(struct desk *d)
{
        conn_id k = desk_accept(d, "10.0.0.1");
        desk_connect(d, k, 0, 0);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "open");
        return k;
}

static void test_nothing_is_said_unless_asked_for(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = from_ten(d);
        create_at(d, k, jute_cstr("/a"), OP_CREATE, 0);
        auth(d, k, "nope", "x");
        assert_string_equal(d->audit, "");
        desk_free(d);
}

static void test_each_change_has_its_entry(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        create_at(d, k, jute_cstr("/a"), OP_CREATE, 0);
        assert_entry(d, "10.0.0.1", "operation=create znode=/a znode_type=persistent result=success");
        create_at(d, k, jute_cstr("/s-"), OP_CREATE2, 3);
        assert_entry(d, "10.0.0.1",
                     "operation=create znode=/s-0000000001 znode_type=ephemeral_sequential result=success");
        create_at(d, k, jute_cstr("/box"), OP_CREATE_CONTAINER, 4);
        assert_entry(d, "10.0.0.1", "operation=create znode=/box znode_type=container result=success");
        create_at(d, k, jute_cstr("/a"), OP_CREATE, 1);
        assert_entry(d, "10.0.0.1", "operation=create znode=/a znode_type=ephemeral result=failure error=-110");
        create_at(d, k, jute_cstr("/odd"), OP_CREATE, 99);
        assert_entry(d, "10.0.0.1", "operation=create znode=/odd znode_type=unknown result=failure error=-8");
        desk_begin(d);
        desk_add_set(d, 1, "/a", 5);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_entry(d, "10.0.0.1", "operation=setData znode=/a result=success");
        desk_path(d, k, 1, OP_DELETE, "/a", 7);
        desk_commit(d, 1);
        assert_entry(d, "10.0.0.1", "operation=delete znode=/a result=failure error=-103");
        desk_path(d, k, 1, OP_DELETE, "/a", -1);
        desk_commit(d, 1);
        assert_entry(d, "10.0.0.1", "operation=delete znode=/a result=success");
        desk_path(d, k, 1, OP_EXISTS, "/a", 0);
        assert_string_equal(d->audit, "");
        desk_free(d);
}

/* ZooKeeper shows the hash, which somebody could go and guess a password for. */
static void test_lists_are_shown_without_hashes(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        create_at(d, k, jute_cstr("/a"), OP_CREATE, 0);
        d->audit[0] = 0;
        const struct jute_acl acl[] = {
                OPEN_ACL,
                {.perms = ACL_READ | ACL_WRITE, .id = {jute_cstr("digest"), jute_cstr("bob:h4sh=")}},
                {.perms = 0, .id = {jute_cstr("ip"), jute_cstr("10.0.0.0/8")}}};
        set_acl(d, k, "/a", acl, 3);
        assert_entry(d, "10.0.0.1",
                     "operation=setAcl znode=/a acl=world:anyone:cdrwa,digest:bob:rw,ip:10.0.0.0/8: result=success");
        const struct jute_acl bad = {.perms = ACL_READ, .id = {jute_cstr("f\no"), jute_cstr("a,b c")}};
        set_acl(d, k, "/a", &bad, 1);
        assert_entry(d, "10.0.0.1", "operation=setAcl znode=/a acl=f\\x0ao:a\\x2cb\\x20c:r result=failure error=-114");
        desk_free(d);
}

static void test_users_are_those_of_the_request(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        auth(d, k, "digest", "ann:1");
        assert_entry(d, "ann,10.0.0.1", "operation=auth scheme=digest result=success");
        desk_create(d, k, 1, "/before");
        auth(d, k, "digest", "b,b:2");
        assert_non_null(strstr(d->audit, "b\\x2cb"));
        d->audit[0] = 0;
        desk_commit(d, 1);
        assert_entry(d, "ann,10.0.0.1", "operation=create znode=/before znode_type=persistent result=success");
        desk_free(d);
}

static void test_refused_authentication_is_told(void **state)
{
        (void)state;
        struct desk *d = audited();
        auth(d, from_ten(d), "no pe\n", "x");
        assert_entry(d, "10.0.0.1", "operation=auth scheme=no\\x20pe\\x0a result=failure error=-115");
        desk_free(d);
        d = audited();
        (void)snprintf(d->config.enforced_schemes[0], sizeof d->config.enforced_schemes[0], "digest");
        d->config.enforced_scheme_count = 1;
        desk_bare(d, from_ten(d), 1, OP_PING);
        assert_entry(d, "10.0.0.1", "operation=auth result=failure error=-124");
        desk_free(d);
}

static void put_multi(struct jute_writer *w, int32_t type)
{
        const struct jute_multi_header h = {.type = type, .done = type < 0, .err = -1};
        jute_put_multi_header(w, &h);
}

static void multi(struct desk *d, conn_id k, int32_t version)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        put_multi(&w, OP_CREATE);
        put_create(&w, jute_cstr("/m"), &OPEN_ACL, 0);
        put_multi(&w, OP_CHECK);
        jute_put_cstr(&w, "/m");
        jute_put_int(&w, 0);
        put_multi(&w, OP_SET_DATA);
        jute_put_cstr(&w, "/m");
        jute_put_cstr(&w, "x");
        jute_put_int(&w, version);
        put_multi(&w, OP_DELETE);
        jute_put_cstr(&w, "/m");
        jute_put_int(&w, -1);
        put_multi(&w, -1);
        desk_begin(d);
        desk_add(d, 1, OP_MULTI, &w);
        desk_put(d, k);
        desk_commit(d, 1);
        jute_writer_done(&w);
}

static void test_multi_has_an_entry_for_each_change_or_one_for_its_failure(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        multi(d, k, 0);
#define BEGIN "session=0x100000000000000 user=10.0.0.1 ip=10.0.0.1 "
        assert_string_equal(d->audit, BEGIN "operation=create znode=/m znode_type=persistent result=success\n" BEGIN
                                            "operation=setData znode=/m result=success\n" BEGIN
                                            "operation=delete znode=/m result=success\n");
        d->audit[0] = 0;
        multi(d, k, 5);
        assert_entry(d, "10.0.0.1", "operation=multiOperation znode=/m result=failure error=-103");
        desk_free(d);
}

/* A multi of `count` changes that went well, as clients.c would tell of it. */
static void tell_multi(struct desk *d, size_t count, struct effects *fx)
{
        const struct jute_str a = jute_cstr("/a");
        struct outcome o = {.header = {.session_id = 0x77, .type = OP_MULTI}, .op_count = count};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        o.ops = mem_zalloc(count * sizeof *o.ops);
        for (size_t i = 0; i < count; i++) {
                put_multi(&w, OP_DELETE);
                jute_put_str(&w, a);
                jute_put_int(&w, -1);
                o.ops[i] = (struct outcome_op){.type = OP_DELETE, .path = a};
        }
        put_multi(&w, -1);
        struct client_request *q = mem_zalloc(sizeof *q + w.len);
        q->opcode = OP_MULTI;
        q->ids = blob_new(sizeof(int32_t)); /* none: their number */
        memset(q->ids->data, 0, q->ids->len);
        q->body_len = w.len;
        memcpy(q->body, w.data, w.len);
        audit_write(d->clients, q, &o, fx);
        blob_unref(q->ids);
        mem_free(q);
        mem_free(o.ops);
        jute_writer_done(&w);
}

/* The loop writes entries one by one, and everybody waits meanwhile. */
static void test_of_a_very_large_multi_the_rest_is_a_number(void **state)
{
        (void)state;
        struct desk *d = audited();
        struct effects fx;
        effects_init(&fx);
        tell_multi(d, AUDIT_OPERATIONS_MAX, &fx);
        assert_int_equal(fx.count, AUDIT_OPERATIONS_MAX);
        assert_string_equal(fx.list[AUDIT_OPERATIONS_MAX - 1].audit.text,
                            "session=0x77 user= ip= operation=delete znode=/a result=success");
        effects_reset(&fx);
        tell_multi(d, AUDIT_OPERATIONS_MAX + 7, &fx);
        assert_int_equal(fx.count, AUDIT_OPERATIONS_MAX + 1);
        assert_string_equal(fx.list[AUDIT_OPERATIONS_MAX].audit.text,
                            "session=0x77 user= ip= operation=multiOperation more=7 result=success");
        effects_done(&fx);
        desk_free(d);
}

/* What a path holds, and how long it is, is its sender's business. */
static void test_no_path_can_forge_an_entry(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        create_at(d, k, jute_cstr("/x result=success\nsession=0x0 \\ \x7f\xc3\xa9"), OP_CREATE, 0);
        assert_entry(d, "10.0.0.1",
                     "operation=create znode=/x\\x20result=success\\x0asession=0x0\\x20\\x5c\\x20\\x7f\\xc3\\xa9 "
                     "znode_type=persistent result=failure error=-8");
        char path[2000], expected[2000];
        memset(path, 'a', sizeof path);
        path[0] = '/';
        create_at(d, k, jute_str_of(path, sizeof path), OP_CREATE, 0);
        (void)snprintf(expected, sizeof expected, "operation=create znode=%.*s... znode_type=persistent result=success",
                       AUDIT_ZNODE_MAX, path);
        assert_entry(d, "10.0.0.1", expected);
        desk_free(d);
}

/* The client is gone, its write is carried out all the same. */
static void test_write_of_a_lost_connection_has_its_entry(void **state)
{
        (void)state;
        struct desk *d = audited();
        conn_id k = from_ten(d);
        desk_create(d, k, 1, "/late");
        desk_hang_up(d, k);
        assert_string_equal(d->audit, "");
        desk_commit(d, 1);
        assert_entry(d, "10.0.0.1", "operation=create znode=/late znode_type=persistent result=success");
        desk_free(d);
}

/* Those of a session that came to an end: the leader tells, and of very many their number. */
static void test_end_of_a_session_tells_its_ephemerals(void **state)
{
        (void)state;
        struct tree_event *events = mem_zalloc((AUDIT_EPHEMERALS_MAX + 5) * sizeof *events);
        struct effects fx;
        struct outcome o = {.header = {.session_id = 0x77, .type = OP_CLOSE_SESSION}, .events = events};
        effects_init(&fx);
        for (size_t i = 0; i < AUDIT_EPHEMERALS_MAX + 5; i++)
                events[i] = (struct tree_event){.type = EVENT_NODE_DELETED, .path = jute_cstr("/e f")};
        o.event_count = 1;
        audit_session_end(&o, &fx);
        assert_int_equal(fx.count, 1);
        assert_string_equal(fx.list[0].audit.text,
                            "session=0x77 operation=ephemeralZNodeDeletionOnSessionCloseOrExpire znode=/e\\x20f "
                            "result=success");
        effects_reset(&fx);
        o.event_count = AUDIT_EPHEMERALS_MAX + 5;
        audit_session_end(&o, &fx);
        assert_int_equal(fx.count, AUDIT_EPHEMERALS_MAX + 1);
        assert_string_equal(
                fx.list[AUDIT_EPHEMERALS_MAX].audit.text,
                "session=0x77 operation=ephemeralZNodeDeletionOnSessionCloseOrExpire more=5 result=success");
        effects_done(&fx);
        mem_free(events);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_said_unless_asked_for),
                cmocka_unit_test(test_each_change_has_its_entry),
                cmocka_unit_test(test_lists_are_shown_without_hashes),
                cmocka_unit_test(test_users_are_those_of_the_request),
                cmocka_unit_test(test_refused_authentication_is_told),
                cmocka_unit_test(test_multi_has_an_entry_for_each_change_or_one_for_its_failure),
                cmocka_unit_test(test_of_a_very_large_multi_the_rest_is_a_number),
                cmocka_unit_test(test_no_path_can_forge_an_entry),
                cmocka_unit_test(test_write_of_a_lost_connection_has_its_entry),
                cmocka_unit_test(test_end_of_a_session_tells_its_ephemerals),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
