/* Reads and their checks (zookeeper/client-protocol.md 4.2, 5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/hash.h"
#include "tests/unit/server/clients_desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_null_path(struct desk *d, int32_t xid, int32_t opcode)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, NULL);
        jute_put_bool(&w, true);
        desk_add(d, xid, opcode, &w);
        jute_writer_done(&w);
}

/* ---- answers and errors ---- */

/* 5.2, 5.4: reads validate nothing; a bad path is just not found, a null one is -5. */
static void test_reads_of_odd_paths(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_EXISTS,       OP_GET_DATA,      OP_GET_ACL,
                                          OP_GET_CHILDREN, OP_GET_CHILDREN2, OP_GET_ALL_CHILDREN_NUMBER};
        static const char *const missing[] = {"/a/", "a", "//", "/..", "/zookeeper/"};
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                for (size_t j = 0; j < sizeof missing / sizeof *missing; j++) {
                        desk_path(d, k, 1, opcodes[i], missing[j], 1);
                        assert_string_equal(desk_take(d, k), "1:-101");
                }
                desk_path(d, k, 2, opcodes[i], "", 0);
                assert_string_equal(desk_take(d, k), "2:0"); /* the root's other name */
                desk_begin(d);
                put_null_path(d, 3, opcodes[i]);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), "3:-5");
        }
        desk_free(d);
}

/* 5.4: exists alone looks for a NUL. */
static void test_nul_in_a_path(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_str(&w, jute_str_of("/\0", 2));
        jute_put_bool(&w, true);
        desk_begin(d);
        desk_add(d, 1, OP_EXISTS, &w);
        desk_add(d, 2, OP_GET_DATA, &w);
        desk_put(d, k);
        assert_string_equal(desk_take(d, k), "1:-8 2:-101");
        assert_int_equal(watches_weight(d->clients->watches), 0);
        jute_writer_done(&w);
        desk_free(d);
}

static void test_sync_echoes_any_path(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        d->sync_at_once = true;
        desk_path(d, k, 1, OP_SYNC, "no path", 0);
        const struct desk_conn *c = desk_conn(d, k);
        assert_int_equal(c->out_len, 4 + 16 + 4 + 7);
        assert_memory_equal(c->out + 24, "no path", 7);
        desk_free(d);
}

/* A node of a snapshot that lacks its ACL: -5 as from a Java server, and nothing is shown or watched. */
static void test_node_whose_acl_is_missing_is_shown_to_nobody(void **state)
{
        (void)state;
        static const int32_t opcodes[] = {OP_EXISTS,       OP_GET_DATA,      OP_GET_ACL,
                                          OP_GET_CHILDREN, OP_GET_CHILDREN2, OP_GET_ALL_CHILDREN_NUMBER};
        struct jute_writer w;
        size_t used;
        const struct jute_stat_persisted stat = {.czxid = 1, .mzxid = 1, .pzxid = 1};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0); /* sessions */
        jute_put_int(&w, 0); /* ACL lists */
        static const struct {
                const char *path;
                int64_t acl;
        } nodes[] = {{"", -1}, {"/a", 7}};
        for (size_t i = 0; i < 2; i++) {
                jute_put_cstr(&w, nodes[i].path);
                jute_put_cstr(&w, "secret");
                jute_put_long(&w, nodes[i].acl);
                jute_put_stat_persisted(&w, &stat);
        }
        jute_put_cstr(&w, "/");
        struct database_loader *l = database_loader_new(INT32_MAX);
        assert_int_equal(database_loader_feed(l, w.data, w.len, &used), 1);
        struct desk *d = desk_new_on(database_loader_take(l, 1));
        database_loader_free(l);
        jute_writer_done(&w);
        conn_id k = desk_open(d);
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
                desk_path(d, k, 1, opcodes[i], "/a", 1);
                assert_string_equal(desk_take(d, k), "1:-5");
        }
        assert_int_equal(watches_weight(d->clients->watches), 0);
        desk_free(d);
}

/* ---- multiRead ---- */

static void add_multi_read(struct desk *d, int32_t xid, int32_t opcode, const char *path, size_t count)
{
        const struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        const struct jute_multi_header h = {.type = opcode, .err = -1};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        for (size_t i = 0; i < count; i++) {
                jute_put_multi_header(&w, &h);
                jute_put_cstr(&w, path);
                jute_put_bool(&w, true);
        }
        jute_put_multi_header(&w, &end);
        desk_add(d, xid, OP_MULTI_READ, &w);
        jute_writer_done(&w);
}

/* A request of a few kilobytes must not make an answer of gigabytes: past the limit it fails as a whole. */
static void test_multi_read_is_bounded_by_its_answer(void **state)
{
        (void)state;
        enum { DATA = 1000000, RESULT = 9 + 4 + DATA + 68, FIT = CLIENT_MULTI_READ_BYTES_MAX / RESULT };
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", DATA, 0);
        desk_put(d, k);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
        static const struct {
                size_t count;
                const char *answer;
        } cases[] = {{FIT, "2:0"}, {FIT + 1, "2:-5"}, {20000, "2:-5"}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                desk_begin(d);
                add_multi_read(d, 2, OP_GET_DATA, "/a", cases[i].count);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), cases[i].answer);
                if (desk_conn(d, k)->notify)
                        desk_sent(d, k);
        }
        assert_int_equal(watches_count(d->clients->watches), 0);
        desk_free(d);
}

/* A short answer may take a look at a long list for each of its results. */
static void test_multi_read_is_bounded_by_the_lists_it_looks_at(void **state)
{
        enum { ENTRY = 4 + 4 + 2 + 4 + 8, LIST = ACL_ENTRIES_MAX * ENTRY, FIT = CLIENT_MULTI_READ_BYTES_MAX / LIST };
        struct jute_writer w;
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, "/a");
        jute_put_cstr(&w, "x");
        jute_put_int(&w, ACL_ENTRIES_MAX);
        for (int i = 0; i < ACL_ENTRIES_MAX; i++) {
                char address[16];
                (void)snprintf(address, sizeof address, "9.9.%d.%d", 1 + i / 100 % 9, 10 + i % 90);
                const struct jute_acl entry = {.perms = 1 + 2 * i,
                                               .id = {.scheme = jute_cstr("ip"), .id = jute_cstr(address)}};
                jute_put_acl(&w, &entry);
        }
        jute_put_int(&w, 0);
        desk_begin(d);
        desk_add(d, 1, OP_CREATE, &w);
        desk_put(d, k);
        jute_writer_done(&w);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0");
        for (size_t i = 0; i < 2; i++) {
                desk_begin(d);
                add_multi_read(d, 2, OP_GET_DATA, "/a", i ? FIT + 1 : FIT - 10);
                desk_put(d, k);
                assert_string_equal(desk_take(d, k), i ? "2:-5" : "2:0");
                assert_true(desk_conn(d, k)->notify); /* so much is work enough for once */
                desk_sent(d, k);
        }
        desk_free(d);
}

/* It goes through all of them for a prefix that none has. */
static void test_get_ephemerals_counts_what_it_looks_at(void **state)
{
        enum { NODES = 600, TIMES = 4000 };
        char path[16];
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        for (int i = 0; i < NODES; i++) {
                (void)snprintf(path, sizeof path, "/%d", i);
                desk_add_create(d, 1, path, 1, 1);
        }
        desk_put(d, k);
        desk_commit(d, NODES);
        (void)desk_take(d, k);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, "/none");
        desk_begin(d);
        for (int i = 0; i < TIMES; i++)
                desk_add(d, 2, OP_GET_EPHEMERALS, &w);
        desk_put(d, k);
        jute_writer_done(&w);
        assert_true(desk_conn(d, k)->notify);
        const uint64_t answered = d->clients->stats.sent;
        desk_sent(d, k);
        assert_true(d->clients->stats.sent > answered); /* the rest */
        desk_free(d);
}

/* What waits weighs what its answer would take, and no more than an answer may. */
static void test_waiting_multi_read_weighs_its_answer(void **state)
{
        (void)state;
        struct desk *d = desk_new();
        conn_id k = desk_open(d);
        desk_begin(d);
        desk_add_create(d, 1, "/a", 100000, 0);
        desk_put(d, k);
        desk_commit(d, 1);
        desk_create(d, k, 2, "/b"); /* unanswered: what follows waits */
        size_t before = d->clients->queue_bytes;
        desk_begin(d);
        add_multi_read(d, 3, OP_GET_DATA, "/a", 20);
        desk_put(d, k);
        size_t one = d->clients->queue_bytes - before;
        assert_true(one >= 20 * 100000 && one < 21 * 100000);
        desk_begin(d);
        add_multi_read(d, 4, OP_GET_DATA, "/a", 10000);
        desk_put(d, k);
        assert_true(d->clients->queue_bytes - before - one >= CLIENT_MULTI_READ_BYTES_MAX);
        assert_true(d->clients->queue_bytes - before - one < CLIENT_MULTI_READ_BYTES_MAX + (1u << 20));
        assert_false(desk_conn(d, k)->reading);
        desk_commit(d, 1);
        assert_string_equal(desk_take(d, k), "1:0 2:0 3:0 4:-5");
        desk_free(d);
}

/* ---- at random ---- */

static void random_request(struct desk *d, struct prng *prng, int32_t xid)
{
        static const char *const paths[] = {"/a", "/b", "/a/x", "/a/y", "/"};
        const char *path = paths[prng_next(prng) % 5];
        switch (prng_next(prng) % 10) {
        case 0:
                desk_add_create(d, xid, path, 1, prng_next(prng) % 4 == 0);
                break;
        case 1:
                desk_add_path(d, xid, OP_DELETE, path, -1);
                break;
        case 2:
                desk_add_set(d, xid, path, 1);
                break;
        case 3:
                desk_add_path(d, xid, OP_GET_DATA, path, (int)(prng_next(prng) % 2));
                break;
        case 4:
                desk_add_path(d, xid, OP_EXISTS, path, 1);
                break;
        case 5:
                desk_add_path(d, xid, OP_GET_CHILDREN, path, 1);
                break;
        case 6:
                desk_add_path(d, xid, OP_SYNC, path, 0);
                break;
        case 7:
                desk_add_path(d, xid, OP_ADD_WATCH, path, (int)(prng_next(prng) % 3));
                break;
        case 8:
                desk_add_path(d, xid, OP_REMOVE_WATCHES, path, (int)(prng_next(prng) % 7));
                break;
        default:
                desk_add(d, xid, OP_WHO_AM_I, NULL);
                break;
        }
}

/* The xids of the replies in `text`, events aside, go on from *xid one by one. */
static void assert_in_order(const char *text, int32_t *xid)
{
        for (const char *at = text; at && *at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL) {
                char *end;
                long value = strtol(at, &end, 10);
                if (*at == '!' || *at == '/' || *end != ':')
                        continue;
                assert_int_equal(value, *xid + 1);
                (*xid)++;
        }
}

/* Whatever happens in whatever order: every request is answered, in order; nothing is left on an account. */
static void test_random_conversations_keep_order_and_leave_nothing_behind(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct prng prng = {.state = seed};
                struct desk *d = desk_new();
                conn_id k[4];
                int32_t asked[4] = {0}, answered[4] = {0};
                for (size_t i = 0; i < 4; i++)
                        k[i] = desk_open(d);
                d->learner = seed % 2;
                d->sync_at_once = seed % 3 == 0;
                for (int step = 0; step < 400; step++) {
                        size_t i = prng_next(&prng) % 4;
                        desk_begin(d);
                        for (uint64_t n = 1 + prng_next(&prng) % 5; n > 0; n--)
                                random_request(d, &prng, ++asked[i]);
                        desk_put(d, k[i]);
                        if (prng_next(&prng) % 2)
                                desk_commit(d, 1 + prng_next(&prng) % 4);
                        if (d->first == d->end && d->syncs)
                                desk_sync_done(d);
                        assert_in_order(desk_take(d, k[i]), &answered[i]);
                }
                while (d->first < d->end || d->syncs) {
                        desk_commit(d, SIZE_MAX);
                        while (d->first == d->end && d->syncs)
                                desk_sync_done(d);
                }
                for (size_t i = 0; i < 4; i++) {
                        assert_in_order(desk_take(d, k[i]), &answered[i]);
                        assert_int_equal(answered[i], asked[i]);
                        assert_true(desk_conn(d, k[i])->reading);
                        desk_hang_up(d, k[i]);
                }
                assert_int_equal(d->clients->stats.outstanding, 0);
                assert_int_equal(d->clients->queue_bytes, 0);
                assert_int_equal(watches_weight(d->clients->watches), 0);
                assert_int_equal(watches_count(d->clients->watches), 0);
                desk_free(d);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_of_odd_paths),
                cmocka_unit_test(test_nul_in_a_path),
                cmocka_unit_test(test_sync_echoes_any_path),
                cmocka_unit_test(test_node_whose_acl_is_missing_is_shown_to_nobody),
                cmocka_unit_test(test_multi_read_is_bounded_by_its_answer),
                cmocka_unit_test(test_multi_read_is_bounded_by_the_lists_it_looks_at),
                cmocka_unit_test(test_get_ephemerals_counts_what_it_looks_at),
                cmocka_unit_test(test_waiting_multi_read_weighs_its_answer),
                cmocka_unit_test(test_random_conversations_keep_order_and_leave_nothing_behind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
