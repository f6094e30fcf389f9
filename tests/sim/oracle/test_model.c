/* The model against the servers' own replay, and against transactions that no leader may make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/tree/database.h"
#include "tests/sim/oracle/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSION INT64_C(0x100000000000001)
#define OTHER   INT64_C(0x200000000000001)

/* The model and a database side by side; transactions go into both. */
struct bench {
        struct model *model;
        struct database *db;
        struct jute_writer txn;
        struct jute_writer acl;
        struct jute_vec open;
        int64_t zxid;
        int outcome; /* of the last model_apply() */
        bool forked; /* a transaction went into the model alone */
};

static int set_up(void **state)
{
        struct bench *b = calloc(1, sizeof *b);
        struct jute_acl anyone = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        b->model = model_new();
        b->db = database_new();
        jute_writer_init(&b->txn, SIZE_MAX);
        jute_writer_init(&b->acl, SIZE_MAX);
        jute_put_acl(&b->acl, &anyone);
        b->open = (struct jute_vec){.data = b->acl.data, .size = b->acl.len, .count = 1};
        b->zxid = INT64_C(1) << 32;
        *state = b;
        return 0;
}

static int tear_down(void **state)
{
        struct bench *b = *state;
        model_free(b->model);
        database_free(b->db);
        jute_writer_done(&b->txn);
        jute_writer_done(&b->acl);
        free(b);
        return 0;
}

static void begin(struct bench *b, int64_t session, int32_t type)
{
        jute_writer_reset(&b->txn);
        b->zxid++;
        jute_put_txn_header(&b->txn, &(struct jute_txn_header){.session_id = session,
                                                               .zxid = b->zxid,
                                                               .time = 1700000000000 + b->zxid % 1000,
                                                               .type = type});
}

/* Both must come to the same tree where the transaction is one that a leader can have made. */
static void apply(struct bench *b)
{
        b->outcome = model_apply(b->model, b->zxid, b->txn.data, b->txn.len);
        b->forked |= b->outcome != 0;
        if (b->forked)
                return;
        assert_int_equal(database_apply(b->db, b->txn.data, b->txn.len, NULL), 0);
        assert_int_equal(model_digest(b->model), tree_digest(database_tree(b->db)));
        assert_int_equal(model_zxid(b->model), database_zxid(b->db));
}

static void caught(const struct bench *b, const char *checker)
{
        const char *id;
        const char *text = model_complaint(b->model, &id);
        assert_int_equal(b->outcome, 1);
        assert_string_equal(id, checker);
        assert_true(strlen(text) > 0);
}

static void put_create(struct bench *b, struct jute_writer *w, const char *path, bool ephemeral, int32_t count)
{
        jute_put_create_txn(w, &(struct jute_create_txn){.path = jute_cstr(path),
                                                         .data = jute_cstr("data"),
                                                         .acl = b->open,
                                                         .ephemeral = ephemeral,
                                                         .parent_cversion = count});
}

static void open_session(struct bench *b, int64_t session)
{
        begin(b, session, OP_CREATE_SESSION);
        jute_put_int(&b->txn, 4000);
        apply(b);
}

static void create(struct bench *b, int64_t session, const char *path, bool ephemeral, int32_t count)
{
        begin(b, session, OP_CREATE);
        put_create(b, &b->txn, path, ephemeral, count);
        apply(b);
}

static void remove_node(struct bench *b, const char *path)
{
        begin(b, SESSION, OP_DELETE);
        jute_put_path(&b->txn, &(struct jute_path){.path = jute_cstr(path)});
        apply(b);
}

static void put_set(struct jute_writer *w, const char *path, const char *data, int32_t version)
{
        jute_put_set_data_txn(
                w, &(struct jute_set_data_txn){.path = jute_cstr(path), .data = jute_cstr(data), .version = version});
}

static void set(struct bench *b, const char *path, int32_t version)
{
        begin(b, SESSION, OP_SET_DATA);
        put_set(&b->txn, path, "other", version);
        apply(b);
}

static void close_session(struct bench *b, int64_t session, const char *path)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        if (path)
                jute_put_cstr(&w, path);
        begin(b, session, OP_CLOSE_SESSION);
        jute_put_close_session_txn(&b->txn, &(struct jute_close_session_txn){
                                                    .paths = {.data = w.data, .size = w.len, .count = path ? 1 : 0}});
        apply(b);
        jute_writer_done(&w);
}

/* Two operations in one. */
static void multi(struct bench *b, const struct jute_writer *first, const struct jute_writer *second, int32_t type)
{
        begin(b, SESSION, OP_MULTI);
        jute_put_int(&b->txn, 2);
        jute_put_int(&b->txn, OP_CREATE);
        jute_put_str(&b->txn, jute_str_of(first->data, first->len));
        jute_put_int(&b->txn, type);
        jute_put_str(&b->txn, jute_str_of(second->data, second->len));
        apply(b);
}

/* ---- the same tree ---- */

static void test_fresh_trees_are_alike(void **state)
{
        struct bench *b = *state;
        assert_int_equal(model_digest(b->model), tree_digest(database_tree(b->db)));
        assert_int_equal(model_count(b->model), 4);
        assert_ptr_equal(model_find(b->model, "/"), model_find(b->model, ""));
}

static void test_stat_follows_what_happens_to_a_node(void **state)
{
        struct bench *b = *state;
        struct jute_stat mine, theirs;
        open_session(b, SESSION);
        create(b, SESSION, "/a", false, 1);
        create(b, SESSION, "/a/x", false, 1);
        create(b, SESSION, "/a-b", false, 2);
        create(b, SESSION, "/a/y", true, 2);
        set(b, "/a", 1);
        set(b, "/a", 2);
        remove_node(b, "/a/x");
        static const char *const paths[] = {"/", "/a", "/a-b", "/a/y"};
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
                memset(&mine, 0, sizeof mine);
                memset(&theirs, 0, sizeof theirs);
                model_stat(model_find(b->model, paths[i]), &mine);
                znode_stat(tree_find(database_tree(b->db), jute_cstr(paths[i])), &theirs);
                assert_memory_equal(&mine, &theirs, sizeof mine);
        }
        assert_null(model_find(b->model, "/a/x"));
}

static void note_child(void *ctx, const struct model_node *child)
{
        char *names = ctx;
        strncat(names, child->path, 64);
        strncat(names, " ", 2);
}

/* "/a-b" stands between "/a" and "/a/x" where bytes alone decide. */
static void test_children_are_those_right_below(void **state)
{
        struct bench *b = *state;
        char names[256] = "";
        open_session(b, SESSION);
        create(b, SESSION, "/a", false, 1);
        create(b, SESSION, "/a-b", false, 2);
        create(b, SESSION, "/a/x", false, 1);
        create(b, SESSION, "/a/x/deep", false, 1);
        create(b, SESSION, "/a/w", false, 2);
        assert_int_equal(model_children(b->model, model_find(b->model, "/a"), note_child, names), 2);
        assert_string_equal(names, "/a/w /a/x ");
        assert_int_equal(model_children(b->model, model_find(b->model, "/"), NULL, NULL), 3);
}

static void test_closed_session_leaves_no_ephemeral(void **state)
{
        struct bench *b = *state;
        open_session(b, SESSION);
        open_session(b, OTHER);
        create(b, SESSION, "/mine", true, 1);
        create(b, SESSION, "/rest", true, 2); /* the list may stop short */
        create(b, OTHER, "/theirs", true, 3);
        close_session(b, SESSION, "/mine");
        assert_int_equal(b->outcome, 0);
        assert_null(model_find(b->model, "/rest"));
        assert_non_null(model_find(b->model, "/theirs"));
        assert_false(model_session(b->model, SESSION, NULL));
        assert_true(model_session(b->model, OTHER, NULL));
        assert_int_equal(model_session_count(b->model), 1);
}

static void test_failed_multi_changes_nothing(void **state)
{
        struct bench *b = *state;
        struct jute_writer first, second;
        jute_writer_init(&first, SIZE_MAX);
        jute_writer_init(&second, SIZE_MAX);
        open_session(b, SESSION);
        put_create(b, &first, "/a", false, 1);
        jute_put_int(&second, ZK_BAD_VERSION);
        multi(b, &first, &second, OP_ERROR);
        assert_int_equal(b->outcome, 0);
        assert_null(model_find(b->model, "/a"));
        jute_writer_reset(&second);
        put_set(&second, "/a", "new", 1);
        multi(b, &first, &second, OP_SET_DATA);
        assert_int_equal(b->outcome, 0);
        assert_memory_equal(model_find(b->model, "/a")->data, "new", 3);
        jute_writer_done(&first);
        jute_writer_done(&second);
}

/* ---- what no leader may make ---- */

static void test_wrong_counters_are_caught(void **state)
{
        struct bench *b = *state;
        open_session(b, SESSION);
        create(b, SESSION, "/a", false, 2);
        caught(b, "S11");
        set(b, "/a", 3);
        caught(b, "S11");
}

static void test_operations_on_another_state_are_caught(void **state)
{
        struct bench *b = *state;
        open_session(b, SESSION);
        create(b, SESSION, "/none/x", false, 1);
        caught(b, "S10");
        create(b, SESSION, "/a", false, 1);
        create(b, SESSION, "/a", false, 2);
        caught(b, "S10");
        remove_node(b, "/b");
        caught(b, "S10");
        create(b, SESSION, "/a/x", false, 1);
        remove_node(b, "/a");
        caught(b, "S10");
}

static void test_check_of_another_version_is_caught(void **state)
{
        struct bench *b = *state;
        struct jute_writer first, second;
        jute_writer_init(&first, SIZE_MAX);
        jute_writer_init(&second, SIZE_MAX);
        open_session(b, SESSION);
        put_create(b, &first, "/a", false, 1);
        jute_put_path_version(&second, &(struct jute_path_version){.path = jute_cstr("/a"), .version = 5});
        multi(b, &first, &second, OP_CHECK);
        caught(b, "S10");
        jute_writer_done(&first);
        jute_writer_done(&second);
}

static void test_sessions_have_one_life(void **state)
{
        struct bench *b = *state;
        create(b, SESSION, "/a", false, 1);
        caught(b, "S2");
        open_session(b, SESSION);
        open_session(b, SESSION);
        caught(b, "S1");
        close_session(b, SESSION, NULL);
        open_session(b, SESSION);
        caught(b, "S1");
        close_session(b, SESSION, NULL);
        set(b, "/a", 1);
        caught(b, "S2");
}

static void test_ephemeral_of_a_closed_session_is_caught(void **state)
{
        struct bench *b = *state;
        create(b, SESSION, "/a", true, 1);
        caught(b, "S2");
        open_session(b, OTHER);
        create(b, OTHER, "/theirs", true, 2);
        close_session(b, SESSION, "/theirs");
        caught(b, "S3");
}

static void test_wrong_digest_is_caught(void **state)
{
        struct bench *b = *state;
        begin(b, SESSION, OP_CREATE_SESSION);
        jute_put_int(&b->txn, 4000);
        jute_put_txn_digest(&b->txn, &(struct jute_txn_digest){.version = 2, .tree_digest = 1});
        apply(b);
        caught(b, "D4");
}

/* ---- the leader's own deletions ---- */

static void create_special(struct bench *b, const char *path, int64_t ttl_ms, int32_t count)
{
        begin(b, SESSION, ttl_ms ? OP_CREATE_TTL : OP_CREATE_CONTAINER);
        jute_put_cstr(&b->txn, path);
        jute_put_cstr(&b->txn, "data");
        jute_put_vec(&b->txn, b->open);
        jute_put_int(&b->txn, count);
        if (ttl_ms)
                jute_put_long(&b->txn, ttl_ms);
        apply(b);
}

/* begin() lets one millisecond go by. */
static void sweep(struct bench *b, int64_t session, const char *path)
{
        begin(b, session, OP_DELETE_CONTAINER);
        jute_put_cstr(&b->txn, path);
        apply(b);
}

static void test_sweeps_of_what_may_go(void **state)
{
        struct bench *b = *state;
        int64_t czxid;
        open_session(b, SESSION);
        create_special(b, "/t", 2, 1);
        create_special(b, "/c", 0, 2);
        assert_int_equal(model_swept(b->model, NULL), MODEL_NO_SWEEP);
        create(b, SESSION, "/c/a", false, 1);
        remove_node(b, "/c/a");
        sweep(b, 0, "/t");
        assert_int_equal(b->outcome, 0);
        assert_int_equal(model_swept(b->model, &czxid), MODEL_TTL_SWEPT);
        assert_int_equal(czxid, (INT64_C(1) << 32) + 2);
        sweep(b, 0, "/c");
        assert_int_equal(b->outcome, 0);
        assert_int_equal(model_swept(b->model, NULL), MODEL_CONTAINER_SWEPT);
}

static void test_sweep_of_what_may_not_go_is_caught(void **state)
{
        struct bench *b = *state;
        open_session(b, SESSION);
        create(b, SESSION, "/plain", false, 1);
        create(b, SESSION, "/ephemeral", true, 2);
        create_special(b, "/new", 0, 3);
        create_special(b, "/used", 0, 4);
        create(b, SESSION, "/used/a", false, 1);
        sweep(b, 0, "/used");
        caught(b, "S10"); /* it has a child */
        sweep(b, 0, "/plain");
        caught(b, "S12");
        sweep(b, 0, "/ephemeral");
        caught(b, "S12");
        sweep(b, 0, "/new");
        caught(b, "S12");
        create_special(b, "/t", 3, 5);
        set(b, "/t", 1);
        sweep(b, 0, "/none");
        sweep(b, 0, "/t"); /* two after the write */
        caught(b, "S12");
        create_special(b, "/u", 1, 6);
        create_special(b, "/v", 1, 7);
        sweep(b, SESSION, "/u");
        caught(b, "S12");
}

static void test_bytes_that_are_no_transaction_are_refused(void **state)
{
        struct bench *b = *state;
        open_session(b, SESSION);
        begin(b, SESSION, OP_SET_DATA);
        assert_int_equal(model_apply(b->model, b->zxid, b->txn.data, b->txn.len), -EPROTO);
        assert_int_equal(model_apply(b->model, b->zxid, b->txn.data, 7), -EPROTO);
        begin(b, SESSION, OP_ERROR);
        jute_put_int(&b->txn, ZK_NO_NODE);
        assert_int_equal(model_apply(b->model, b->zxid + 1, b->txn.data, b->txn.len), -EPROTO);
        assert_int_equal(model_apply(b->model, b->zxid, b->txn.data, b->txn.len), 0);
}

int main(void)
{
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                BENCHED(test_fresh_trees_are_alike),
                BENCHED(test_stat_follows_what_happens_to_a_node),
                BENCHED(test_children_are_those_right_below),
                BENCHED(test_closed_session_leaves_no_ephemeral),
                BENCHED(test_failed_multi_changes_nothing),
                BENCHED(test_wrong_counters_are_caught),
                BENCHED(test_operations_on_another_state_are_caught),
                BENCHED(test_check_of_another_version_is_caught),
                BENCHED(test_sessions_have_one_life),
                BENCHED(test_ephemeral_of_a_closed_session_is_caught),
                BENCHED(test_wrong_digest_is_caught),
                BENCHED(test_sweeps_of_what_may_go),
                BENCHED(test_sweep_of_what_may_not_go_is_caught),
                BENCHED(test_bytes_that_are_no_transaction_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
