/* The run of transactions in memory, and the choice of a learner's sync made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/zab/history.h"
#include "election/zab/zxid.h"

#include <stdio.h>
#include <string.h>

static int64_t z(int64_t epoch, int64_t counter)
{
        return zab__zxid(epoch, counter);
}

static void push(struct history *h, int64_t zxid)
{
        zab__history_push(h, zxid, blob_copy("0123456789", 10), 0, 10);
}

static void commit_all(struct history *h)
{
        while (zab__history_tail(h) > 0)
                blob_unref(zab__history_commit(h).blob);
        zab__history_check(h);
}

static void begin(struct history *h, int64_t base)
{
        zab__history_init(h, 500, 1 << 20);
        zab__history_reset(h, base);
}

/* ---- the run ---- */

static void test_records_follow_each_other(void **state)
{
        (void)state;
        assert_true(zab__follows(z(1, 1), z(1, 2)));
        assert_true(zab__follows(z(1, 1), z(2, 1)));
        assert_true(zab__follows(z(1, 1), z(7, 1)));
        assert_true(zab__follows(z(3, 0), z(3, 1)));
        assert_true(zab__follows(0, z(1, 1)));
        assert_false(zab__follows(z(1, 1), z(1, 3)));
        assert_false(zab__follows(z(1, 1), z(1, 1)));
        assert_false(zab__follows(z(1, 2), z(1, 1)));
        assert_false(zab__follows(z(2, 1), z(1, 2)));
        assert_false(zab__follows(z(1, 1), z(2, 2)));
        assert_false(zab__follows(z(1, 1), z(2, 0)));
        assert_false(zab__follows(z(1, 0xffffffff), z(2, 0)));
}

static void test_committed_part_is_trimmed_and_the_tail_is_not(void **state)
{
        (void)state;
        struct history h;
        zab__history_init(&h, 3, 1 << 20);
        zab__history_reset(&h, z(1, 0));
        for (int64_t i = 1; i <= 10; i++)
                push(&h, z(1, i));
        zab__history_trim(&h);
        assert_int_equal(h.txns.count, 10);
        for (int i = 0; i < 5; i++)
                blob_unref(zab__history_commit(&h).blob);
        zab__history_trim(&h);
        zab__history_check(&h);
        assert_int_equal(h.committed, 3);
        assert_int_equal(zab__history_tail(&h), 5);
        assert_int_equal(h.base, z(1, 2));
        assert_int_equal(h.last_committed, z(1, 5));
        assert_int_equal(h.last, z(1, 10));
        zab__history_done(&h);
}

static void test_bytes_bound_the_committed_part_too(void **state)
{
        (void)state;
        struct history h;
        zab__history_init(&h, 500, 35);
        zab__history_reset(&h, 0);
        for (int64_t i = 1; i <= 10; i++)
                push(&h, z(1, i));
        commit_all(&h);
        zab__history_trim(&h);
        assert_int_equal(h.committed, 3);
        assert_int_equal(h.bytes, 30);
        zab__history_done(&h);
}

static void test_places_are_found(void **state)
{
        (void)state;
        struct history h;
        begin(&h, 0);
        for (int64_t i = 1; i <= 100; i++)
                push(&h, z(1, i));
        push(&h, z(3, 1));
        assert_int_equal(zab__history_after(&h, 0), 0);
        assert_int_equal(zab__history_after(&h, z(1, 1)), 1);
        assert_int_equal(zab__history_after(&h, z(1, 57)), 57);
        assert_int_equal(zab__history_after(&h, z(2, 5)), 100);
        assert_int_equal(zab__history_after(&h, z(3, 1)), 101);
        assert_int_equal(zab__history_after(&h, INT64_MAX), 101);
        zab__history_done(&h);
}

static void load(struct history *h, const int64_t *zxids, size_t n, int64_t snapshot, size_t replayed)
{
        struct recovered r = {.snapshot_zxid = snapshot, .replayed = replayed, .last_zxid = snapshot};
        r.history = mem_alloc((n + 1) * sizeof *r.history);
        r.history_count = n;
        for (size_t i = 0; i < n; i++) {
                r.history[i] = (struct store_txn){.zxid = zxids[i], .blob = blob_copy("x", 1), .len = 1};
                r.last_zxid = zxids[i];
        }
        zab__history_init(h, 500, 1 << 20);
        zab__history_load(h, &r);
        assert_null(r.history);
        zab__history_check(h);
}

static void test_base_of_what_was_recovered(void **state)
{
        (void)state;
        const int64_t inside[] = {z(2, 5), z(2, 6), z(3, 1)};
        const int64_t first[] = {z(2, 1), z(2, 2)};
        struct history h;
        load(&h, inside, 3, z(1, 1), 9);
        assert_int_equal(h.base, z(2, 4));
        assert_int_equal(h.last_committed, z(3, 1));
        zab__history_done(&h);
        load(&h, first, 2, z(1, 7), 2);
        assert_int_equal(h.base, z(1, 7));
        zab__history_done(&h);
        load(&h, first, 2, z(1, 7), 5); /* more was replayed than is here */
        assert_int_equal(h.base, HISTORY_BASE_UNKNOWN);
        zab__history_done(&h);
        load(&h, NULL, 0, z(1, 7), 0);
        assert_int_equal(h.base, z(1, 7));
        assert_int_equal(h.last, z(1, 7));
        zab__history_done(&h);
}

/* ---- the choice (quorum-protocol.md 3.4) ---- */

struct expectation {
        int64_t peer;
        enum sync_kind kind;
        int64_t zxid;
        size_t from;
};

static void expect(const struct history *h, int64_t epoch, const struct expectation *e, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct sync_choice c = zab__choose_sync(h, e[i].peer, epoch);
                if (c.kind != e[i].kind || c.zxid != e[i].zxid || c.from != e[i].from)
                        fail_msg("case %zu, peer 0x%llx: kind %d, zxid 0x%llx, from %zu", i,
                                 (unsigned long long)e[i].peer, (int)c.kind, (unsigned long long)c.zxid, c.from);
        }
}

/* (1,3) (1,4) (1,5) | (3,1) (3,2), then proposals (3,3) (3,4). */
static void history_of_two_epochs(struct history *h)
{
        begin(h, z(1, 2));
        push(h, z(1, 3));
        push(h, z(1, 4));
        push(h, z(1, 5));
        push(h, z(3, 1));
        push(h, z(3, 2));
        commit_all(h);
        push(h, z(3, 3));
        push(h, z(3, 4));
}

static void test_table_of_sync_choices(void **state)
{
        (void)state;
        struct history h;
        history_of_two_epochs(&h);
        const struct expectation e[] = {
                {z(3, 2), SYNC_DIFF, z(3, 2), 5},                                    /* rule 2: equal */
                {z(3, 1), SYNC_DIFF, z(3, 2), 4},                                    /* rule 4a: in the history */
                {z(1, 3), SYNC_DIFF, z(3, 2), 1},  {z(1, 2), SYNC_DIFF, z(3, 2), 0}, /* right before the history */
                {z(3, 0), SYNC_DIFF, z(3, 2), 3},  /* the beginning of an epoch in it */
                {z(2, 0), SYNC_DIFF, z(3, 2), 3},  /* or of one between its epochs */
                {z(3, 3), SYNC_TRUNC, z(3, 2), 5}, /* rule 3: a proposal of ours, not committed */
                {z(3, 9), SYNC_TRUNC, z(3, 2), 5}, {z(1, 9), SYNC_TRUNC, z(1, 5), 3}, /* rule 4b: another way within
                                                                                         epoch 1 */
                {z(2, 4), SYNC_SNAP, z(3, 2), 5}, /* rule 4c, catalogue 33: no TRUNC across epochs */
                {z(4, 1), SYNC_SNAP, z(3, 2), 5},  {z(4, 0), SYNC_SNAP, z(3, 2), 5}, /* rule 6 */
                {z(1, 1), SYNC_SNAP, z(3, 2), 5},                                    /* before the history */
                {z(1, 0), SYNC_SNAP, z(3, 2), 5},  {0, SYNC_SNAP, z(3, 2), 5},        {-1, SYNC_SNAP, z(3, 2), 5},
        };
        expect(&h, 0, e, sizeof e / sizeof *e);
        zab__history_done(&h);
}

static void test_empty_histories(void **state)
{
        (void)state;
        struct history h;
        begin(&h, 0);
        const struct expectation fresh[] = {
                {0, SYNC_DIFF, 0, 0}, {-1, SYNC_SNAP, 0, 0}, {z(1, 1), SYNC_SNAP, 0, 0}, {z(1, 0), SYNC_SNAP, 0, 0}};
        expect(&h, 0, fresh, 4);
        zab__history_reset(&h, z(4, 0));
        const struct expectation snapped[] = {
                {z(4, 0), SYNC_DIFF, z(4, 0), 0},
                {z(4, 2), SYNC_SNAP, z(4, 0), 0}, /* (4,0) is no record to cut back to */
                {z(3, 9), SYNC_SNAP, z(4, 0), 0},
                {0, SYNC_SNAP, z(4, 0), 0},
        };
        expect(&h, 0, snapped, 4);
        zab__history_done(&h);
}

/* 0 also stands for a log that a TRUNC could not cut: never a DIFF, though the history begins there. */
static void test_zero_is_never_a_base_for_diff(void **state)
{
        (void)state;
        struct history h;
        begin(&h, 0);
        push(&h, z(1, 1));
        commit_all(&h);
        const struct expectation e[] = {{0, SYNC_SNAP, z(1, 1), 1}};
        expect(&h, 0, e, 1);
        zab__history_done(&h);
}

static void test_beginning_of_the_own_epoch_is_where_we_stand(void **state)
{
        (void)state;
        struct history h;
        begin(&h, z(2, 7));
        const struct expectation established[] = {{z(5, 0), SYNC_DIFF, z(2, 7), 0}};
        const struct expectation before[] = {{z(5, 0), SYNC_SNAP, z(2, 7), 0}};
        expect(&h, 5, established, 1);
        expect(&h, 0, before, 1);
        expect(&h, 6, before, 1);
        zab__history_done(&h);
}

static void test_unknown_base_admits_nothing_before_the_first_record(void **state)
{
        (void)state;
        const int64_t records[] = {z(2, 1), z(2, 2)};
        struct history h;
        load(&h, records, 2, z(1, 7), 5);
        const struct expectation e[] = {
                {z(1, 7), SYNC_SNAP, z(2, 2), 2}, {z(2, 0), SYNC_SNAP, z(2, 2), 2}, {z(2, 1), SYNC_DIFF, z(2, 2), 1}};
        expect(&h, 0, e, 3);
        zab__history_done(&h);
}

/* ---- a dumb twin: try it out on every log the learner may have ---- */

struct logs {
        int64_t v[64];
        size_t n;
};

static bool has(const struct logs *l, int64_t zxid)
{
        for (size_t i = 0; i < l->n; i++)
                if (l->v[i] == zxid)
                        return true;
        return false;
}

/* The leader's whole log, of which its history is the end; and the log of a learner that went along with
 * it for a while and then may have gone on alone in its last epoch. */
static void make_logs(struct prng *p, struct logs *leader, struct logs *learner)
{
        int64_t epoch = 1;
        int64_t counter = 0;
        memset(leader, 0, sizeof *leader);
        memset(learner, 0, sizeof *learner);
        size_t n = prng_next(p) % 12;
        for (size_t i = 0; i < n; i++) {
                if (prng_next(p) % 4 == 0) {
                        epoch += 1 + (int64_t)(prng_next(p) % 2);
                        counter = 0;
                }
                leader->v[leader->n++] = z(epoch, ++counter);
        }
        size_t common = prng_next(p) % (leader->n + 1);
        memcpy(learner->v, leader->v, common * sizeof *leader->v);
        learner->n = common;
        int64_t last = common ? learner->v[common - 1] : 0;
        bool same_next = common < leader->n && leader->v[common] == last + 1;
        size_t alone = prng_next(p) % 4;
        if (alone == 0)
                return;
        /* One leader per epoch: what it does alone in an epoch is what the leader would have there. */
        int64_t own = zab__epoch(last) + 1;
        for (size_t i = 0; i < leader->n; i++)
                if (zab__epoch(leader->v[i]) == own)
                        own++;
        bool stay = !same_next && common > 0;
        for (size_t i = 1; i <= alone; i++)
                learner->v[learner->n++] = stay ? last + (int64_t)i : z(own, (int64_t)i);
}

/* The learner's log after the sync must be the leader's; a TRUNC must name a record the learner has. */
static void check_choice(const struct logs *leader, const struct logs *learner, const struct history *h)
{
        int64_t peer = learner->n ? learner->v[learner->n - 1] : 0;
        struct sync_choice c = zab__choose_sync(h, peer, 0);
        if (c.kind == SYNC_SNAP)
                return;
        struct logs after = *learner;
        if (c.kind == SYNC_TRUNC) {
                assert_true(has(learner, c.zxid));
                while (after.n > 0 && after.v[after.n - 1] > c.zxid)
                        after.n--;
        }
        for (size_t i = c.from; i < h->committed; i++)
                after.v[after.n++] = zab__history_at(h, i)->zxid;
        assert_int_equal(after.n, leader->n);
        assert_memory_equal(after.v, leader->v, leader->n * sizeof *leader->v);
}

static void test_no_choice_makes_a_hole_or_a_fork(void **state)
{
        (void)state;
        struct prng p = {.state = 42};
        size_t diffs = 0;
        for (int round = 0; round < 50000; round++) {
                struct logs leader, learner;
                make_logs(&p, &leader, &learner);
                size_t known = prng_next(&p) % (leader.n + 1); /* the history begins after so many */
                struct history h;
                begin(&h, known ? leader.v[known - 1] : 0);
                for (size_t i = known; i < leader.n; i++)
                        push(&h, leader.v[i]);
                commit_all(&h);
                check_choice(&leader, &learner, &h);
                diffs += zab__choose_sync(&h, learner.n ? learner.v[learner.n - 1] : 0, 0).kind != SYNC_SNAP;
                zab__history_done(&h);
        }
        assert_true(diffs > 10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_records_follow_each_other),
                cmocka_unit_test(test_committed_part_is_trimmed_and_the_tail_is_not),
                cmocka_unit_test(test_bytes_bound_the_committed_part_too),
                cmocka_unit_test(test_places_are_found),
                cmocka_unit_test(test_base_of_what_was_recovered),
                cmocka_unit_test(test_table_of_sync_choices),
                cmocka_unit_test(test_empty_histories),
                cmocka_unit_test(test_zero_is_never_a_base_for_diff),
                cmocka_unit_test(test_beginning_of_the_own_epoch_is_where_we_stand),
                cmocka_unit_test(test_unknown_base_admits_nothing_before_the_first_record),
                cmocka_unit_test(test_no_choice_makes_a_hole_or_a_fork),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
