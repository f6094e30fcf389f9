/* Digests of leaders that are wrong about owners (election/tree/owner_claims.h). */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>

#define SESSION 0x5

/* A server under test, and a twin without digests that is one transaction ahead: it knows what there will be. */
struct pair {
        struct database *db, *twin;
        struct outcome out;
        int64_t zxid;
};

static void pair_init(struct pair *p)
{
        *p = (struct pair){.db = database_new(), .twin = database_new()};
        outcome_init(&p->out);
}

static void pair_done(struct pair *p)
{
        outcome_done(&p->out);
        database_free(p->db);
        database_free(p->twin);
}

static void body(struct jute_writer *w, int64_t zxid, const struct make *ops, size_t count)
{
        begin_txn(w, SESSION, zxid, count == 1 ? ops->type : OP_MULTI);
        if (count == 1)
                put_body(w, ops);
        else
                put_multi(w, ops, count);
}

static void ahead(struct pair *p, const struct make *ops, size_t count)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        body(&w, ++p->zxid, ops, count);
        apply(p->twin, &w, NULL);
        jute_writer_done(&w);
}

/* What a digest has more that takes `owner` for the owner of the node. */
static uint64_t more(const struct pair *p, const char *path, int64_t owner)
{
        const struct znode *n = node(p->twin, path);
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        stat.ephemeral_owner = owner;
        return (uint64_t)tree_node_digest(znode_path(n), znode_data(n), &stat) - znode_digest(n);
}

/* The same for the server, with a digest that is `wrong` by so much. */
static void follow(struct pair *p, const struct make *ops, size_t count, uint64_t wrong)
{
        struct jute_writer w;
        jute_writer_init(&w, ITEM_MAX);
        body(&w, p->zxid, ops, count);
        put_digest(&w, tree_digest(database_tree(p->twin)) + wrong);
        apply(p->db, &w, &p->out);
        jute_writer_done(&w);
}

static void assert_explained(const struct pair *p)
{
        assert_false(p->out.digest_mismatch);
        assert_false(p->out.digest_agrees);
}

static struct make container(const char *path)
{
        return (struct make){.type = OP_CREATE_CONTAINER, .path = path, .data = "x", .number = 1};
}

static struct make plain(const char *path)
{
        return (struct make){.type = OP_CREATE, .path = path, .data = "y", .number = 1};
}

static void test_a_container_claimed_as_another_kind_is_explained(void **state)
{
        (void)state;
        static const int64_t owners[] = {0, SESSION};
        for (size_t i = 0; i < 2; i++) {
                struct pair p;
                const struct make c = container("/c");
                pair_init(&p);
                ahead(&p, &c, 1);
                follow(&p, &c, 1, more(&p, "/c", owners[i]));
                assert_explained(&p);
                assert_int_equal(p.db->claims.count, 1);
                pair_done(&p);
        }
}

static void test_a_node_claimed_as_a_container_is_explained(void **state)
{
        (void)state;
        struct pair p;
        const struct make n = plain("/n");
        pair_init(&p);
        ahead(&p, &n, 1);
        follow(&p, &n, 1, more(&p, "/n", ZNODE_OWNER_CONTAINER));
        assert_explained(&p);
        pair_done(&p);
}

static void test_what_follows_carries_the_error_on_until_a_digest_agrees(void **state)
{
        (void)state;
        struct pair p;
        const struct make c = container("/c"), n = plain("/n"), child = plain("/c/k"), late = plain("/late");
        pair_init(&p);
        ahead(&p, &c, 1);
        const uint64_t before = more(&p, "/c", 0);
        follow(&p, &c, 1, before);
        assert_explained(&p);
        ahead(&p, &n, 1);
        follow(&p, &n, 1, before);
        assert_explained(&p);
        ahead(&p, &child, 1); /* it changes the container's Stat, with the wrong owner */
        assert_true(more(&p, "/c", 0) != before);
        follow(&p, &child, 1, more(&p, "/c", 0));
        assert_explained(&p);
        const struct make gone[] = {{.type = OP_DELETE, .path = "/c/k"}, {.type = OP_DELETE, .path = "/c"}};
        ahead(&p, gone, 2);
        follow(&p, gone, 2, 0);
        assert_true(p.out.digest_agrees);
        assert_int_equal(p.db->claims.count, 0);
        ahead(&p, &late, 1);
        follow(&p, &late, 1, before);
        assert_true(p.out.digest_mismatch); /* what was explained once is not for ever */
        pair_done(&p);
}

static void test_an_error_begins_anew_where_the_leader_had_applied_the_last_one(void **state)
{
        (void)state;
        struct pair p;
        const struct make c = container("/c"), d = container("/d");
        pair_init(&p);
        ahead(&p, &c, 1);
        follow(&p, &c, 1, more(&p, "/c", 0));
        assert_explained(&p);
        ahead(&p, &d, 1);
        follow(&p, &d, 1, more(&p, "/d", SESSION));
        assert_explained(&p);
        assert_int_equal(p.db->claims.count, 1);
        assert_string_equal(p.db->claims.list[0].path, "/d");
        pair_done(&p);
}

static void test_a_multi_is_explained_by_any_of_its_creates(void **state)
{
        (void)state;
        struct pair p;
        const struct make ops[] = {container("/a"), plain("/b"), container("/c"), container("/d")};
        pair_init(&p);
        ahead(&p, ops, 4);
        follow(&p, ops, 4, more(&p, "/b", ZNODE_OWNER_CONTAINER) + more(&p, "/c", SESSION) + more(&p, "/d", 0));
        assert_explained(&p);
        assert_int_equal(p.db->claims.count, 3);
        pair_done(&p);
}

static void test_any_other_difference_is_found(void **state)
{
        (void)state;
        const struct make c = container("/c"), n = plain("/n"),
                          e = {.type = OP_CREATE, .path = "/e", .ephemeral = true, .number = 1},
                          t = {.type = OP_CREATE_TTL, .path = "/t", .number = 1, .ttl = 5};
        const struct {
                const struct make *op;
                int64_t owner;
        } wrong[] = {{&c, SESSION + 1}, {&n, SESSION}, {&e, 0}, {&t, 0}, {&t, ZNODE_OWNER_CONTAINER}};
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                struct pair p;
                pair_init(&p);
                ahead(&p, wrong[i].op, 1);
                follow(&p, wrong[i].op, 1, more(&p, wrong[i].op->path, wrong[i].owner));
                assert_true(p.out.digest_mismatch);
                assert_int_equal(p.db->claims.count, 0);
                pair_done(&p);
        }
        struct pair p;
        pair_init(&p);
        ahead(&p, &c, 1);
        const uint64_t claimed = more(&p, "/c", 0);
        follow(&p, &c, 1, claimed);
        assert_explained(&p);
        ahead(&p, &n, 1);
        follow(&p, &n, 1, claimed + 1); /* beside what is explained */
        assert_true(p.out.digest_mismatch);
        pair_done(&p);
}

static void test_what_was_applied_meanwhile_is_claimed_rightly_from_then_on(void **state)
{
        (void)state;
        struct pair p;
        const struct make c = container("/c"), d = container("/d"), in_c = plain("/c/k"), in_d = plain("/d/k"),
                          more_in_c = plain("/c/l");
        pair_init(&p);
        ahead(&p, &c, 1);
        const uint64_t c_wrong = more(&p, "/c", 0);
        follow(&p, &c, 1, c_wrong);
        ahead(&p, &d, 1);
        follow(&p, &d, 1, c_wrong + more(&p, "/d", 0));
        assert_int_equal(p.db->claims.count, 2);
        ahead(&p, &in_c, 1); /* /c was applied: its change is foretold from what it is; /d was not */
        follow(&p, &in_c, 1, c_wrong + more(&p, "/d", 0));
        assert_explained(&p);
        assert_int_equal(p.db->claims.count, 1);
        ahead(&p, &in_d, 1);
        follow(&p, &in_d, 1, c_wrong + more(&p, "/d", 0));
        assert_explained(&p);
        ahead(&p, &more_in_c, 1);
        follow(&p, &more_in_c, 1, c_wrong + more(&p, "/d", 0));
        assert_explained(&p);
        pair_done(&p);
}

static void test_what_is_tried_and_remembered_is_bounded(void **state)
{
        (void)state;
        struct pair p;
        char names[OWNER_CLAIMS_TRIED_MAX + 1][16];
        struct make ops[OWNER_CLAIMS_TRIED_MAX + 1];
        uint64_t wrong = 0;
        pair_init(&p);
        for (size_t i = 0; i < OWNER_CLAIMS_MAX + 10; i++) {
                char name[16];
                (void)snprintf(name, sizeof name, "/c%zu", i);
                const struct make c = container(name);
                ahead(&p, &c, 1);
                wrong += more(&p, name, 0);
                follow(&p, &c, 1, wrong);
                assert_explained(&p);
        }
        assert_int_equal(p.db->claims.count, OWNER_CLAIMS_MAX);
        assert_string_equal(p.db->claims.list[0].path, "/c10");
        pair_done(&p);
        pair_init(&p);
        for (size_t i = 0; i <= OWNER_CLAIMS_TRIED_MAX; i++) {
                (void)snprintf(names[i], sizeof names[i], "/m%zu", i);
                ops[i] = container(names[i]);
        }
        ahead(&p, ops, OWNER_CLAIMS_TRIED_MAX + 1);
        follow(&p, ops, OWNER_CLAIMS_TRIED_MAX + 1, more(&p, names[0], 0));
        assert_true(p.out.digest_mismatch);
        pair_done(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_container_claimed_as_another_kind_is_explained),
                cmocka_unit_test(test_a_node_claimed_as_a_container_is_explained),
                cmocka_unit_test(test_what_follows_carries_the_error_on_until_a_digest_agrees),
                cmocka_unit_test(test_an_error_begins_anew_where_the_leader_had_applied_the_last_one),
                cmocka_unit_test(test_a_multi_is_explained_by_any_of_its_creates),
                cmocka_unit_test(test_any_other_difference_is_found),
                cmocka_unit_test(test_what_was_applied_meanwhile_is_claimed_rightly_from_then_on),
                cmocka_unit_test(test_what_is_tried_and_remembered_is_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
