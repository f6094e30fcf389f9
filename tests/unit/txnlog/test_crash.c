/* A crash at every operation on the disk, with what a disk may make of it; and what must be there afterwards.
 *
 * A script of all that a store does runs until the machine dies before, or right after, the k-th operation.
 * Then recovery must find (safety: D1, D3, Z23, D7, D8)
 *   - every synced transaction, and of the unsynced ones a beginning in their order, nothing else;
 *   - during a truncation the old state or the new one, whole;
 *   - epochs that never went back, nor ahead of what was asked for;
 * and go on from there, also when it is itself interrupted at any operation. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define LINE_MAX_COUNT 64

struct line {
        int64_t zxid[LINE_MAX_COUNT];
        size_t count;
};

struct play {
        struct fixture f;
        struct database *shadow; /* what has been appended, applied */
        struct line line;        /* everything handed to the log */
        size_t synced;           /* of it, reported durable */
        struct line other;       /* the state that a truncation leads to, while one is under way */
        bool leading_to_other;
        int64_t accepted, accepted_max, current, current_max;
};

/* ---- the script's words; each is false when the machine died ---- */

static bool died(const struct play *p, int r)
{
        if (r >= 0)
                return false;
        if (!memory_storage_dead(p->f.disk))
                fail_msg("failed while the machine was well: %s", p->f.why);
        return true;
}

static bool start(struct play *p)
{
        return !died(p, fixture_open(&p->f));
}

static bool append(struct play *p, int64_t zxid)
{
        p->line.zxid[p->line.count++] = zxid;
        if (died(p, fixture_append(&p->f, zxid)))
                return false;
        fixture_apply(p->shadow, zxid);
        return true;
}

static bool synced(struct play *p, int r)
{
        if (died(p, r))
                return false;
        p->synced = p->line.count;
        return true;
}

static bool run(struct play *p, int64_t from, int64_t to)
{
        for (int64_t z = from; z <= to; z++)
                if (!append(p, z))
                        return false;
        return synced(p, fixture_sync(&p->f));
}

static bool accept(struct play *p, int64_t epoch)
{
        p->accepted_max = epoch;
        if (!synced(p, fixture_epoch(&p->f, EPOCH_ACCEPTED, epoch)))
                return false;
        p->accepted = epoch;
        return true;
}

static bool prepare(struct play *p, int64_t epoch)
{
        p->current_max = epoch;
        return synced(p, fixture_epoch(&p->f, EPOCH_CURRENT_PREPARE, epoch));
}

static bool enter(struct play *p, int64_t epoch)
{
        p->current_max = epoch;
        if (!synced(p, fixture_epoch(&p->f, EPOCH_CURRENT, epoch)))
                return false;
        p->current = epoch;
        return true;
}

static bool snapshot(struct play *p)
{
        return !died(p, fixture_snapshot(&p->f, p->shadow, database_zxid(p->shadow), 200));
}

static void become_other(struct play *p, struct database *db)
{
        database_free(p->shadow);
        p->shadow = db;
        p->line = p->other;
        p->synced = p->line.count;
        p->leading_to_other = false;
}

static bool cut_back(struct play *p, int64_t zxid)
{
        struct recovered r;
        p->other = p->line;
        while (p->other.count > 0 && p->other.zxid[p->other.count - 1] > zxid)
                p->other.count--;
        p->leading_to_other = true;
        int done = fixture_truncate(&p->f, zxid, true, &r);
        if (died(p, done))
                return false;
        assert_int_equal(done, 1);
        become_other(p, r.db);
        r.db = NULL;
        recovered_done(&r);
        return true;
}

/* A SNAP sync to a line that shares only its first two transactions with ours. */
static bool replace(struct play *p, int64_t last)
{
        struct database *db = database_new();
        p->other = (struct line){.count = 0};
        p->other.zxid[p->other.count++] = ZXID(1, 1);
        p->other.zxid[p->other.count++] = ZXID(1, 2);
        for (int64_t z = last >> 32 << 32 | 1; z <= last; z++)
                p->other.zxid[p->other.count++] = z;
        for (size_t i = 0; i < p->other.count; i++)
                fixture_apply(db, p->other.zxid[i]);
        p->leading_to_other = true;
        if (died(p, fixture_snapshot(&p->f, db, last, 200)) || died(p, fixture_truncate(&p->f, last, false, NULL))) {
                database_free(db);
                return false;
        }
        become_other(p, db);
        return true;
}

/* ---- the script ---- */

static bool script(struct play *p)
{
        return start(p) && accept(p, 1) && prepare(p, 1) && enter(p, 1) && run(p, ZXID(1, 1), ZXID(1, 3)) &&
               append(p, ZXID(1, 4)) && append(p, ZXID(1, 5)) && synced(p, fixture_sync(&p->f)) && snapshot(p) &&
               append(p, ZXID(1, 6)) && synced(p, fixture_roll(&p->f)) && run(p, ZXID(1, 7), ZXID(1, 8)) &&
               run(p, ZXID(1, 9), ZXID(1, 9)) && start(p) && run(p, ZXID(1, 10), ZXID(1, 11)) &&
               synced(p, fixture_roll(&p->f)) && run(p, ZXID(1, 12), ZXID(1, 13)) && cut_back(p, ZXID(1, 10)) &&
               run(p, ZXID(1, 11), ZXID(1, 11)) && accept(p, 2) && prepare(p, 2) && run(p, ZXID(2, 1), ZXID(2, 3)) &&
               enter(p, 2) && snapshot(p) && synced(p, fixture_roll(&p->f)) && run(p, ZXID(2, 4), ZXID(2, 12)) &&
               snapshot(p) && run(p, ZXID(2, 13), ZXID(2, 14)) && cut_back(p, ZXID(2, 3)) && append(p, ZXID(2, 4)) &&
               append(p, ZXID(2, 5)) && accept(p, 3) && prepare(p, 3) && replace(p, ZXID(3, 4)) && enter(p, 3) &&
               run(p, ZXID(3, 5), ZXID(3, 6)) && snapshot(p) && run(p, ZXID(3, 7), ZXID(3, 7));
}

static void play_init(struct play *p)
{
        memset(p, 0, sizeof *p);
        fixture_init(&p->f);
        p->f.config.preallocate_bytes = 700; /* grows often */
        p->shadow = database_new();
}

static void play_done(struct play *p)
{
        database_free(p->shadow);
        fixture_done(&p->f);
}

/* ---- what must be there ---- */

static bool holds(const struct database *db, const struct line *line, size_t count, int64_t last)
{
        struct database *fresh = database_new();
        size_t nodes = tree_count(database_tree(db)) - tree_count(database_tree(fresh));
        database_free(fresh);
        if (nodes != count || last != (count ? line->zxid[count - 1] : 0))
                return false;
        for (size_t i = 0; i < count; i++)
                if (!fixture_has(db, line->zxid[i]))
                        return false;
        return true;
}

static bool acceptable(const struct play *p, const struct recovered *r)
{
        for (size_t n = p->synced; n <= p->line.count; n++)
                if (holds(r->db, &p->line, n, r->last_zxid))
                        return true;
        return p->leading_to_other && holds(r->db, &p->other, p->other.count, r->last_zxid);
}

static void check(const struct play *p, const struct fixture *g, const char *what, uint64_t k)
{
        const struct recovered *r = &g->recovered;
        if (!acceptable(p, r))
                fail_msg("%s %" PRIu64 ": recovered 0x%" PRIx64 ", synced %zu of %zu, note: %s", what, k,
                         (uint64_t)r->last_zxid, p->synced, p->line.count, r->note);
        if (r->accepted_epoch < p->accepted || r->accepted_epoch > p->accepted_max || r->current_epoch < p->current ||
            r->current_epoch > p->current_max || r->current_epoch > r->accepted_epoch)
                fail_msg("%s %" PRIu64 ": epochs %" PRId64 " and %" PRId64, what, k, r->accepted_epoch,
                         r->current_epoch);
        assert_int_equal(r->digest_mismatches, 0);
        assert_false(r->lost); /* no crash of ours looks like a loss */
        assert_int_equal(memory_storage_count(g->disk, "tmp."), 0);
        assert_int_equal(memory_storage_count(g->disk, "truncate."), 0);
}

/* It goes on: a transaction more, and the same again after a restart. */
static void check_goes_on(struct fixture *g, const char *what, uint64_t k)
{
        int64_t next = g->recovered.last_zxid + 1;
        size_t nodes = tree_count(database_tree(g->recovered.db));
        if (fixture_append(g, next) < 0 || fixture_sync(g) < 0)
                fail_msg("%s %" PRIu64 ": can't go on: %s", what, k, g->why);
        fixture_close(g);
        memory_storage_crash_as(g->disk, MEMORY_CRASH_NOTHING, k);
        /* A first transaction of epoch 0 is one of a standalone server; otherwise epochs explain it. */
        fixture_must_open(g);
        assert_int_equal(g->recovered.last_zxid, next);
        assert_int_equal(tree_count(database_tree(g->recovered.db)), nodes + 1);
}

/* ---- the crashes ---- */

static void open_image(const struct play *p, struct fixture *g, enum memory_crash how, uint64_t seed)
{
        memset(g, 0, sizeof *g);
        g->config = p->f.config;
        g->disk = memory_storage_clone(p->f.disk);
        memory_storage_crash_as(g->disk, how, seed);
}

static void check_header(void *ctx, const char *name)
{
        const struct memory_storage *d = ctx;
        size_t len = 0;
        const uint8_t *bytes = memory_storage_bytes(d, name, &len);
        if (strncmp(name, "log.", 4) == 0 && (len < 16 || memcmp(bytes, "ZKLG", 4) != 0))
                fail_msg("%s has no header: ZooKeeper 3.8 would not start (storage-format.md 2.2)", name);
}

/* Recovers one image. A disk that writes the sectors of one unsynced group in any order may leave a hole with
 * valid records behind it: that can't be told from damage, and is refused (safety: D5). */
static bool recover_image(const struct play *p, enum memory_crash how, uint64_t seed, uint64_t k)
{
        struct fixture g;
        open_image(p, &g, how, seed);
        const struct storage *io = memory_storage_io(g.disk);
        assert_int_equal(io->list(io->ctx, check_header, g.disk), 0);
        int r = fixture_open(&g);
        bool refused = r == -EUCLEAN && how == MEMORY_CRASH_SCATTER && p->synced < p->line.count;
        if (r < 0 && !refused)
                fail_msg("operation %" PRIu64 ", crash %d, seed %" PRIu64 ": %s", k, (int)how, seed, g.why);
        if (r == 0) {
                check(p, &g, "operation", k);
                check_goes_on(&g, "operation", k);
        }
        fixture_done(&g);
        return !refused;
}

/* The machine dies again, at every operation of the recovery. */
static void recover_twice(const struct play *p, enum memory_crash how, uint64_t seed, uint64_t k)
{
        for (uint64_t j = 0;; j++) {
                struct fixture g;
                open_image(p, &g, how, seed);
                memory_storage_die(g.disk, j, j % 2);
                int r = fixture_open(&g);
                if (r == 0) {
                        fixture_done(&g);
                        return;
                }
                if (!memory_storage_dead(g.disk))
                        fail_msg("operation %" PRIu64 ", then %" PRIu64 ": %s", k, j, g.why);
                memory_storage_crash(g.disk, seed + j);
                fixture_must_open(&g);
                check(p, &g, "twice, operation", k);
                fixture_done(&g);
        }
}

/* The process dies and the machine lives on: what the next one finds, synced or not, it votes with. */
static void open_killed(const struct play *p, struct fixture *g)
{
        memset(g, 0, sizeof *g);
        g->config = p->f.config;
        g->disk = memory_storage_clone(p->f.disk);
        memory_storage_revive(g->disk);
}

static void recover_then_lose_power(const struct play *p, uint64_t k)
{
        struct fixture g;
        open_killed(p, &g);
        fixture_must_open(&g);
        check(p, &g, "killed at operation", k);
        int64_t last = g.recovered.last_zxid, accepted = g.recovered.accepted_epoch,
                current = g.recovered.current_epoch;
        fixture_close(&g);
        memory_storage_crash_as(g.disk, MEMORY_CRASH_NOTHING, k);
        fixture_must_open(&g);
        if (g.recovered.last_zxid != last || g.recovered.accepted_epoch != accepted ||
            g.recovered.current_epoch != current)
                fail_msg("killed at operation %" PRIu64 ": 0x%" PRIx64 ", epochs %" PRId64 " and %" PRId64
                         " were found, and after a power loss 0x%" PRIx64 ", %" PRId64 " and %" PRId64,
                         k, (uint64_t)last, accepted, current, (uint64_t)g.recovered.last_zxid,
                         g.recovered.accepted_epoch, g.recovered.current_epoch);
        fixture_done(&g);
}

/* The power fails at every operation of that recovery. */
static void lose_power_in_recovery(const struct play *p, uint64_t k)
{
        for (uint64_t j = 0;; j++) {
                struct fixture g;
                open_killed(p, &g);
                memory_storage_die(g.disk, j, j % 2);
                int r = fixture_open(&g);
                if (r == 0) {
                        fixture_done(&g);
                        return;
                }
                if (!memory_storage_dead(g.disk))
                        fail_msg("killed at operation %" PRIu64 ", then %" PRIu64 ": %s", k, j, g.why);
                memory_storage_crash_as(g.disk, j % 3 ? MEMORY_CRASH_NOTHING : MEMORY_CRASH_PREFIX, k + j);
                fixture_must_open(&g);
                check(p, &g, "killed, and then without power, operation", k);
                fixture_done(&g);
        }
}

/* Plays until the k-th operation. False when the script ended before. */
static bool play_until(struct play *p, uint64_t k, bool after)
{
        play_init(p);
        memory_storage_die(p->f.disk, k, after);
        bool ended = script(p);
        fixture_close(&p->f);
        return !ended;
}

static void test_crash_at_any_operation_recovers_to_what_was_synced(void **state)
{
        (void)state;
        size_t images = 0, refused = 0;
        uint64_t k = 0;
        for (bool more = true; more; k++) {
                for (int after = 0; after < 2; after++) {
                        struct play p;
                        more = play_until(&p, k, after);
                        (void)recover_image(&p, MEMORY_CRASH_NOTHING, k, k);
                        (void)recover_image(&p, MEMORY_CRASH_ALL, k, k);
                        for (uint64_t seed = 1; seed <= 3; seed++) {
                                (void)recover_image(&p, MEMORY_CRASH_PREFIX, seed * 1000 + k, k);
                                images++;
                                refused += !recover_image(&p, MEMORY_CRASH_SCATTER, seed * 1000 + k, k);
                        }
                        play_done(&p);
                }
        }
        assert_true(k > 150); /* the script did its work */
        assert_true(refused * 20 < images);
}

/* Safety D1, Z20: a vote, a promise, or the answer to NEWLEADER, given with what a killed process has left must hold.
 */
static void test_what_a_restart_has_found_no_power_loss_takes_back(void **state)
{
        (void)state;
        uint64_t k = 0;
        for (bool more = true; more; k++)
                for (int after = 0; after < 2; after++) {
                        struct play p;
                        more = play_until(&p, k, after);
                        recover_then_lose_power(&p, k);
                        lose_power_in_recovery(&p, k);
                        play_done(&p);
                }
        assert_true(k > 150);
}

static void test_crash_during_recovery_changes_nothing_about_its_result(void **state)
{
        (void)state;
        uint64_t k = 0;
        for (bool more = true; more; k++) {
                struct play p;
                more = play_until(&p, k, true);
                recover_twice(&p, MEMORY_CRASH_PREFIX, k, k);
                recover_twice(&p, MEMORY_CRASH_ALL, k, k);
                play_done(&p);
        }
}

/* ---- the same script on a disk that fails once: the store says so, stops, and a restart mends it ---- */

static void fail_at(uint64_t k, int error)
{
        struct play p;
        play_init(&p);
        uint64_t before = memory_storage_ops(p.f.disk);
        memory_storage_fail(p.f.disk, MEMORY_OP_ANY, k, 1, error);
        /* Words judge a failure by a dead machine: let the store's own refusal be the death. */
        bool open = fixture_open(&p.f) == 0;
        if (open) {
                int r = 0;
                for (int64_t z = ZXID(0, 1); z <= ZXID(0, 30) && r >= 0; z++) {
                        p.line.zxid[p.line.count++] = z;
                        r = fixture_append(&p.f, z);
                        if (r >= 0 && z % 10 == 0)
                                r = fixture_roll(&p.f);
                        if (r >= 0)
                                r = fixture_sync(&p.f);
                        if (r >= 0)
                                p.synced = p.line.count;
                        else
                                assert_true(fixture_sync(&p.f) == -EIO);
                }
        }
        assert_true(memory_storage_ops(p.f.disk) > before);
        fixture_close(&p.f);
        memory_storage_crash(p.f.disk, k);
        fixture_must_open(&p.f);
        check(&p, &p.f, "failing operation", k);
        play_done(&p);
}

static void test_one_failing_operation_loses_nothing_acknowledged(void **state)
{
        (void)state;
        for (uint64_t k = 0; k < 120; k++) {
                fail_at(k, -EIO);
                fail_at(k, -ENOSPC);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crash_at_any_operation_recovers_to_what_was_synced),
                cmocka_unit_test(test_what_a_restart_has_found_no_power_loss_takes_back),
                cmocka_unit_test(test_crash_during_recovery_changes_nothing_about_its_result),
                cmocka_unit_test(test_one_failing_operation_loses_nothing_acknowledged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
