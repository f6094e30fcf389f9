/* Random requests, made into transactions twice: by a leader whose quorum lags behind at random, and by a
 * twin that applies each transaction before it looks at the next request, and foretells nothing but that
 * one. Both must make the same transactions, byte for byte, errors and digests included, and end with the
 * same tree.
 *
 * test_prep_model SEED runs that one history. */
#include "election/base/hash.h"
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a)   (sizeof(a) / sizeof *(a))
#define SEEDS      60
#define STEPS      1500
#define SESSIONS   4
#define LAG_MOST   80
#define MULTI_MOST 6
#define PATH_SIZE  96

struct pair {
        uint64_t seed;
        struct prng prng;
        struct bench *late, *twin;
        int64_t sessions[SESSIONS], last_session;
        size_t lag;
        char paths[MULTI_MOST][PATH_SIZE];
        size_t made, failed;
};

/* How often each error was met, by its code's absolute value; over all histories. */
static size_t met[128];
static uint64_t only_seed;

static uint64_t below(struct pair *p, uint64_t n)
{
        return prng_next(&p->prng) % n;
}

static bool once_in(struct pair *p, uint64_t n)
{
        return below(p, n) == 0;
}

/* ---- requests ---- */

static const char *random_path(struct pair *p, char *ret)
{
        static const char *const odd[] = {
                "/", "", "a", "/a/", "//a", "/a/..", "/a\1", "/b//", "/c/./b/a", "/zookeeper", "/zookeeper/config"};
        size_t len = 0, depth = 1 + (size_t)below(p, 3);
        if (once_in(p, 25))
                return odd[below(p, COUNT(odd))];
        if (once_in(p, 25))
                len = (size_t)snprintf(ret, PATH_SIZE, "/zookeeper/quota");
        for (size_t i = 0; i < depth; i++)
                len += (size_t)snprintf(ret + len, PATH_SIZE - len, "/%c", "abc"[below(p, 3)]);
        if (once_in(p, 4)) /* one that a sequential create may have made, or will make */
                (void)snprintf(ret + len, PATH_SIZE - len, "%010u", (unsigned)below(p, 12));
        return ret;
}

static void random_acl(struct pair *p, struct test_op *op)
{
        static const struct test_acl all[] = {{ACL_ALL, {"world", "anyone"}}};
        static const struct test_acl reading[] = {{ACL_READ, {"world", "anyone"}}, {ACL_ALL, {"digest", "ann:1="}}};
        static const struct test_acl owned[] = {{ACL_ALL, {"auth", ""}}, {ACL_READ | ACL_ADMIN, {"ip", "10.0.0.0/8"}}};
        static const struct test_acl open_twice[] = {{ACL_ALL, {"world", "anyone"}}, {ACL_ALL, {"world", "anyone"}}};
        static const struct test_acl bad[] = {{ACL_ALL, {"world", "nobody"}}};
        static const struct {
                const struct test_acl *acl;
                int32_t count;
        } lists[] = {{all, 1}, {reading, 2}, {owned, 2}, {open_twice, 2}, {bad, 1}, {all, -1}};
        size_t i = once_in(p, 5) ? (size_t)below(p, COUNT(lists)) : 0;
        op->acl = lists[i].acl;
        op->acl_count = lists[i].count;
}

static void random_ids(struct pair *p)
{
        static const struct test_id ids[] = {{"ip", "10.1.2.3"}, {"digest", "ann:1="}, {"super", ""}};
        static const int32_t counts[] = {1, 1, 1, 2, 2, 2, 3, -1};
        int32_t count = counts[below(p, COUNT(counts))];
        if (count < 0 && !once_in(p, 5))
                count = 1;
        bench_ids(p->late, ids, count);
        bench_ids(p->twin, ids, count);
}

static int32_t random_flags(struct pair *p)
{
        static const int32_t common[] = {0, 0, 0, 1, 1, 2, 3};
        return once_in(p, 12) ? (int32_t)below(p, 9) - 1 : common[below(p, COUNT(common))];
}

static int32_t random_version(struct pair *p)
{
        return once_in(p, 2) ? -1 : (int32_t)below(p, 4);
}

static void random_op(struct pair *p, char *path, bool in_multi, struct test_op *ret)
{
        static const int32_t creates[] = {OP_CREATE, OP_CREATE, OP_CREATE2, OP_CREATE_CONTAINER, OP_CREATE_TTL};
        static const struct jute_str data[] = {
                {(const uint8_t *)"x", 1}, {(const uint8_t *)"yy", 2}, {NULL, 0}, {NULL, -1}};
        uint64_t kind = below(p, 100);
        *ret = (struct test_op){.path = jute_cstr(random_path(p, path)), .data = data[below(p, COUNT(data))]};
        if (kind < 45) {
                ret->opcode = once_in(p, 8) ? creates[below(p, COUNT(creates))] : OP_CREATE;
                ret->number = random_flags(p);
                ret->ttl = once_in(p, 6) ? 0 : 7;
                if (ret->opcode == OP_CREATE_TTL && once_in(p, 2))
                        ret->number = 5 + (int32_t)below(p, 2);
                random_acl(p, ret);
        } else if (kind < 70) {
                ret->opcode = OP_DELETE;
                ret->number = random_version(p);
        } else if (kind < 92) {
                ret->opcode = OP_SET_DATA;
                ret->number = random_version(p);
        } else if (in_multi) {
                ret->opcode = once_in(p, 20) ? OP_GET_DATA : OP_CHECK;
                ret->number = random_version(p);
        } else {
                ret->opcode = OP_SET_ACL;
                ret->number = random_version(p);
                random_acl(p, ret);
        }
}

/* ---- both of them ---- */

static uint64_t sum_of_paths(const struct proposal *c, int32_t *ret_count)
{
        struct jute_reader r;
        struct jute_txn_header h;
        uint64_t sum = 0;
        jute_reader_init(&r, c->payload, c->len, BENCH_ITEM_MAX);
        jute_get_txn_header(&r, &h);
        *ret_count = jute_get_int(&r);
        for (int32_t i = 0; i < *ret_count; i++) {
                struct jute_str path = jute_get_str(&r);
                sum += hash_bytes(path.data, (size_t)path.len, 0);
        }
        assert_int_equal(jute_left(&r), JUTE_TXN_DIGEST_SIZE);
        return sum;
}

/* The paths of a closed session come in any order. */
static bool same_transaction(const struct proposal *a, const struct proposal *b)
{
        if (a->err != b->err || a->len != b->len)
                return false;
        if (a->request.opcode != OP_CLOSE_SESSION)
                return memcmp(a->payload, b->payload, a->len) == 0;
        int32_t a_count, b_count;
        return sum_of_paths(a, &a_count) == sum_of_paths(b, &b_count) && a_count == b_count &&
               memcmp(a->payload + a->len - JUTE_TXN_DIGEST_SIZE, b->payload + b->len - JUTE_TXN_DIGEST_SIZE,
                      JUTE_TXN_DIGEST_SIZE) == 0;
}

static void count_error(int err)
{
        met[err < 0 ? -err : 0]++;
}

static void count_errors(struct pair *p, size_t ops)
{
        const struct proposal *c = bench_last(p->late);
        count_error(c->err);
        for (size_t i = 0; i < ops && !c->err; i++)
                count_error(bench_multi_err(p->late, i));
}

static void compare_and_apply(struct pair *p, int step, size_t multi_ops)
{
        const struct proposal *c = bench_last(p->late);
        if (!same_transaction(c, bench_last(p->twin)))
                fail_msg("test_prep_model %llu: step %d, opcode %d: %d, but the twin %d", (unsigned long long)p->seed,
                         step, c->request.opcode, c->err, bench_last(p->twin)->err);
        count_errors(p, multi_ops);
        bench_settle(p->twin);
        prep_free(p->twin->prep);
        p->twin->prep = prep_new(p->twin->db, p->twin->clock, BENCH_ITEM_MAX, JUTE_MAXBUFFER_DEFAULT);
        prep_allow_ttl(p->twin->prep, p->seed % 4 != 0);
        if (once_in(p, 40))
                p->lag = (size_t)below(p, LAG_MOST);
        size_t outstanding = bench_outstanding(p->late);
        if (outstanding > p->lag)
                bench_apply(p->late, outstanding - p->lag);
}

static void new_session(struct pair *p, size_t slot, int step)
{
        p->sessions[slot] = ++p->last_session;
        (void)bench_create_session(p->late, p->sessions[slot], 30000);
        (void)bench_create_session(p->twin, p->sessions[slot], 30000);
        compare_and_apply(p, step, 0);
}

static void close_session(struct pair *p, int step)
{
        size_t slot = (size_t)below(p, SESSIONS);
        int64_t id = p->sessions[slot];
        (void)bench_close_session(p->late, id);
        (void)bench_close_session(p->twin, id);
        compare_and_apply(p, step, 0);
        if (!once_in(p, 4)) /* else: requests of a closed session, closed again perhaps */
                new_session(p, slot, step);
}

static void multi(struct pair *p, int step)
{
        struct test_op ops[MULTI_MOST];
        size_t count = (size_t)below(p, MULTI_MOST + 1);
        for (size_t i = 0; i < count; i++)
                random_op(p, p->paths[i], true, &ops[i]);
        (void)bench_multi(p->late, ops, count);
        (void)bench_multi(p->twin, ops, count);
        compare_and_apply(p, step, count);
}

static void single(struct pair *p, int step)
{
        struct test_op op;
        random_op(p, p->paths[0], false, &op);
        (void)bench_op(p->late, &op);
        (void)bench_op(p->twin, &op);
        compare_and_apply(p, step, 0);
}

/* By the leader itself, of any node. */
static void sweep(struct pair *p, int step)
{
        char path[PATH_SIZE];
        (void)random_path(p, path);
        (void)bench_sweep(p->late, path);
        (void)bench_sweep(p->twin, path);
        compare_and_apply(p, step, 0);
}

static void step_once(struct pair *p, int step)
{
        uint64_t kind = below(p, 100);
        int64_t session = p->sessions[below(p, SESSIONS)];
        int64_t sid = once_in(p, 60) ? BENCH_OTHER_SID : BENCH_SID;
        random_ids(p);
        p->late->session = p->twin->session = session;
        p->late->sid = p->twin->sid = kind < 3 ? BENCH_SID : sid;
        if (kind < 3)
                close_session(p, step);
        else if (kind < 25)
                multi(p, step);
        else if (kind < 29)
                sweep(p, step);
        else
                single(p, step);
}

/* ---- the same tree ---- */

static void snapshot(struct database *db, struct jute_writer *w)
{
        jute_writer_init(w, SIZE_MAX);
        assert_int_equal(database_snapshot_begin(db), 0);
        while (database_snapshot_read(db, w, 1 << 20) > 0)
                ;
        database_snapshot_end(db);
}

static void assert_same_state(struct pair *p)
{
        struct jute_writer a, b;
        bench_settle(p->late);
        snapshot(p->late->db, &a);
        snapshot(p->twin->db, &b);
        if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
                fail_msg("test_prep_model %llu: the trees differ", (unsigned long long)p->seed);
        jute_writer_done(&a);
        jute_writer_done(&b);
}

static void history(uint64_t seed)
{
        struct pair p = {.seed = seed, .prng = {seed}, .late = bench_new(), .twin = bench_new(), .last_session = 1000};
        prep_allow_ttl(p.late->prep, seed % 4 != 0);
        prep_allow_ttl(p.twin->prep, seed % 4 != 0);
        for (size_t i = 0; i < SESSIONS; i++)
                new_session(&p, i, -1);
        p.lag = (size_t)below(&p, LAG_MOST);
        for (int step = 0; step < STEPS; step++) {
                step_once(&p, step);
                if (once_in(&p, 500))
                        assert_same_state(&p);
        }
        assert_same_state(&p);
        bench_free(p.late);
        bench_free(p.twin);
}

static void test_a_lagging_quorum_changes_nothing(void **state)
{
        (void)state;
        static const int expected[] = {ZK_OK,
                                       ZK_RUNTIME_INCONSISTENCY,
                                       ZK_MARSHALLING_ERROR,
                                       ZK_UNIMPLEMENTED,
                                       ZK_BAD_ARGUMENTS,
                                       ZK_NO_NODE,
                                       ZK_NO_AUTH,
                                       ZK_BAD_VERSION,
                                       ZK_NO_CHILDREN_FOR_EPHEMERALS,
                                       ZK_NODE_EXISTS,
                                       ZK_NOT_EMPTY,
                                       ZK_SESSION_EXPIRED,
                                       ZK_INVALID_ACL,
                                       ZK_SESSION_MOVED};
        if (only_seed) {
                history(only_seed);
                return;
        }
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                history(seed);
        /* The histories went everywhere, and more than half of what was asked for was done. */
        size_t all = 0;
        for (size_t i = 0; i < COUNT(met); i++)
                all += met[i];
        for (size_t i = 0; i < COUNT(expected); i++)
                if (met[-expected[i]] < SEEDS)
                        fail_msg("error %d was met %zu times only", expected[i], met[-expected[i]]);
        assert_true(met[0] > all / 4);
}

int main(int argc, char **argv)
{
        only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_lagging_quorum_changes_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
