/* Lives of small ensembles under a few faults, with the load's clients: what they were told is judged with the
 * committed log and without it. Here the checker meets the real product; the simulator's driver has far more faults.
 * BATON_SEED=n repeats one life and leaves its history in the file BATON_HISTORY names; BATON_SEEDS=n runs so many. */
#include "tests/sim/load/load.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "tests/sim/history/history_check.h"
#include "tests/sim/oracle/oracle.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#ifdef BATON_SANITIZED
#define SEEDS_DEFAULT 8
#else
#define SEEDS_DEFAULT 40
#endif
#define LIFE_MS   12000
#define HEAL_MS   20000
#define SETTLE_MS 20000

struct life {
        uint64_t seed;
        struct prng prng;
        struct world *world;
        struct verdict verdict, looker; /* what the oracle finds is no matter here: it knows the log */
        struct history *history;
        struct oracle *oracle;
        struct load *load;
        int servers, voters;
        uint32_t fault_pause_ms;
        uint64_t down_until[WORLD_SERVERS_MAX + 1], frozen_until[WORLD_SERVERS_MAX + 1];
};

static struct load_tally tally;
static uint64_t entries, check_us, check_facts_us, lives_us;

static uint64_t draw(struct life *l, uint64_t below)
{
        return prng_next(&l->prng) % below;
}

static uint64_t real_us(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int down_count(const struct life *l)
{
        int n = 0;
        for (int sid = 1; sid <= l->voters; sid++)
                n += l->down_until[sid] || l->frozen_until[sid];
        return n;
}

static void make_trouble(struct life *l)
{
        uint64_t now = world_now(l->world);
        int sid = 1 + (int)draw(l, (uint64_t)l->servers);
        uint64_t ms = 20 + draw(l, 1500), kind = draw(l, 6);
        if (l->down_until[sid] || l->frozen_until[sid] || !world_running(l->world, sid))
                return;
        if (kind < 3 && down_count(l) < l->voters) {
                if (kind == 0)
                        world_crash(l->world, sid);
                else
                        world_kill(l->world, sid);
                l->down_until[sid] = now + ms;
        } else if (kind == 3) {
                world_freeze(l->world, sid, true);
                l->frozen_until[sid] = now + ms;
        } else {
                world_reset(l->world, sid, (int)draw(l, (uint64_t)l->servers + 1));
        }
}

static void mend(struct life *l, bool all)
{
        uint64_t now = world_now(l->world);
        for (int sid = 1; sid <= l->servers; sid++) {
                if (l->frozen_until[sid] && (all || now >= l->frozen_until[sid])) {
                        world_freeze(l->world, sid, false);
                        l->frozen_until[sid] = 0;
                }
                if (!world_running(l->world, sid) && (all || now >= l->down_until[sid])) {
                        world_start(l->world, sid);
                        l->down_until[sid] = 0;
                }
        }
}

static void step(struct life *l, bool busy)
{
        load_step(l->load, busy);
        world_run(l->world, 1);
}

static void await_idle(struct life *l)
{
        uint64_t end = world_now(l->world) + SETTLE_MS;
        while (!load_idle(l->load) && !verdict_broken(&l->verdict)) {
                if (world_now(l->world) > end)
                        verdict_break(&l->verdict, world_now(l->world), "LIVE", "clients are without answers");
                mend(l, true);
                step(l, false);
        }
}

static void live(struct life *l)
{
        for (int sid = 1; sid <= l->servers; sid++)
                world_start(l->world, sid);
        if (!world_serving(l->world, 0, HEAL_MS))
                verdict_break(&l->verdict, world_now(l->world), "LIVE", "does not serve at the start");
        for (int i = 0; i < LIFE_MS && !verdict_broken(&l->verdict); i++) {
                if (!draw(l, l->fault_pause_ms))
                        make_trouble(l);
                mend(l, false);
                step(l, true);
        }
        for (int i = 0; i < 2000 && !verdict_broken(&l->verdict); i++) {
                mend(l, true);
                step(l, true);
        }
        await_idle(l);
        load_settle(l->load);
        /* Sessions nobody keeps end. */
        for (int i = 0; i < 4000 && !verdict_broken(&l->verdict); i++)
                step(l, false);
        await_idle(l);
        load_look(l->load);
        await_idle(l);
        if (!verdict_broken(&l->verdict))
                load_check_settled(l->load);
        if (!verdict_broken(&l->verdict) && !world_serving(l->world, 0, HEAL_MS))
                verdict_break(&l->verdict, world_now(l->world), "LIVE", "does not serve at the end");
        for (int i = 0; i < 300 && !verdict_broken(&l->verdict); i++) /* the last writes reach all */
                step(l, false);
        load_finish(l->load);
        for (int sid = 1; sid <= l->servers; sid++)
                if (world_running(l->world, sid))
                        load_record_tree(l->history, l->world, sid);
}

static void write_history(const struct life *l)
{
        const char *name = getenv("BATON_HISTORY");
        FILE *to = name ? fopen(name, "w") : NULL;
        if (!to)
                return;
        history_write(l->history, to);
        (void)fclose(to);
}

static bool judge(struct life *l)
{
        uint64_t begin = real_us();
        bool ok = history_judge(l->history, world_now(l->world), &l->verdict);
        check_facts_us += real_us() - begin;
        for (size_t i = 0; i < oracle_commits(l->oracle); i++) {
                const uint8_t *txn;
                size_t len;
                int64_t zxid = oracle_commit(l->oracle, i, &txn, &len);
                assert_int_equal(load_record_txn(l->history, zxid, txn, len), 0);
        }
        begin = real_us();
        ok &= history_judge(l->history, world_now(l->world), &l->verdict);
        check_us += real_us() - begin;
        entries += history_count(l->history);
        return ok;
}

static void add_tally(const struct load_tally *t)
{
        const uint64_t *from = (const uint64_t *)t;
        uint64_t *to = (uint64_t *)&tally;
        for (size_t i = 0; i < sizeof *t / sizeof *from; i++)
                to[i] += from[i];
}

/* Of the history as text. */
static uint64_t digest_of(const struct history *h)
{
        char *text = NULL;
        size_t size = 0;
        FILE *to = open_memstream(&text, &size);
        assert_non_null(to);
        history_write(h, to);
        (void)fclose(to);
        uint64_t digest = hash_bytes(text, size, 0);
        free(text);
        return digest;
}

/* What is written can be read, by whoever is strict, and is the same. */
static void check_text(const struct history *h)
{
        char *text = NULL, why[200] = "";
        size_t size = 0;
        FILE *to = open_memstream(&text, &size);
        assert_non_null(to);
        history_write(h, to);
        (void)fclose(to);
        FILE *from = fmemopen(text, size, "r");
        assert_non_null(from);
        struct history *again = history_new();
        int r = history_read(again, from, why, sizeof why);
        (void)fclose(from);
        if (r < 0)
                fail_msg("%s", why);
        assert_true(digest_of(again) == hash_bytes(text, size, 0));
        history_free(again);
        free(text);
}

static bool run_seed(uint64_t seed, uint64_t *ret_digest)
{
        static const uint32_t pauses[] = {200, 600, 2000, 100000}, delays[] = {0, 0, 3, 15, 50};
        struct life l = {.seed = seed, .prng = {.state = hash_u64(seed)}};
        l.voters = draw(&l, 3) ? 3 : 5;
        l.servers = l.voters + (int)draw(&l, 2);
        l.fault_pause_ms = pauses[draw(&l, 4)];
        l.world = world_new(l.voters, l.servers - l.voters, seed);
        uint32_t delay_ms = delays[draw(&l, 5)];
        world_slow_net(l.world, delay_ms, draw(&l, 3) ? 0 : 4000);
        world_set_snap_count(l.world, 20 + (uint32_t)draw(&l, 300));
        l.oracle = oracle_new(l.world, &l.looker, NULL);
        oracle_set_image_period(l.oracle, 0);
        l.history = history_new();
        l.load = load_new(l.world, l.history, &l.verdict, seed);
        uint64_t begin = real_us();
        live(&l);
        lives_us += real_us() - begin;
        bool ok = judge(&l) && !verdict_broken(&l.verdict);
        write_history(&l);
        check_text(l.history);
        if (ret_digest)
                *ret_digest = digest_of(l.history);
        add_tally(load_tally(l.load));
        if (!ok)
                (void)fprintf(stderr, "seed %" PRIu64 " [%" PRIu64 "] %s: %s\n", seed, l.verdict.at_ms,
                              l.verdict.checker, l.verdict.text);
        load_free(l.load);
        history_free(l.history);
        world_free(l.world);
        oracle_free(l.oracle);
        return ok;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_what_clients_are_told_is_true(void **state)
{
        (void)state;
        uint64_t bad = 0, first = number_from("BATON_SEED", number_from("BATON_SEED_FIRST", 1));
        uint64_t count = getenv("BATON_SEED") ? 1 : number_from("BATON_SEEDS", SEEDS_DEFAULT);
        for (uint64_t seed = first; seed < first + count; seed++)
                bad += !run_seed(seed, NULL);
        print_message("asked %" PRIu64 " acked %" PRIu64 " refused %" PRIu64 " unknown %" PRIu64 " reads %" PRIu64
                      " events %" PRIu64 " syncs %" PRIu64 "\n",
                      tally.asked, tally.acked, tally.refused, tally.unknown, tally.reads, tally.events, tally.syncs);
        print_message("sessions %" PRIu64 " resumed %" PRIu64 " moved %" PRIu64 " expired %" PRIu64 " closed %" PRIu64
                      " abandoned %" PRIu64 " wrong passwords %" PRIu64 " restored %" PRIu64 " ghosts %" PRIu64
                      " sleeps %" PRIu64 "\n",
                      tally.sessions, tally.resumed, tally.moved, tally.expired, tally.closed, tally.abandoned,
                      tally.refused_passwords, tally.watches_restored, tally.ghosts, tally.sleeps);
        print_message("authenticated %" PRIu64 " refused to %" PRIu64 ", requests refused for want of a right %" PRIu64
                      "\n",
                      tally.auths, tally.refused_auths, tally.no_auths);
        print_message("per life: %" PRIu64 " entries, life %" PRIu64 " us, judged without the log in %" PRIu64
                      " us, with it in %" PRIu64 " us\n",
                      entries / count, lives_us / count, check_facts_us / count, check_us / count);
        assert_int_equal(bad, 0);
        if (count < SEEDS_DEFAULT)
                return;
        assert_true(tally.moved && tally.expired && tally.closed && tally.abandoned && tally.refused_passwords);
        assert_true(tally.auths && tally.refused_auths && tally.no_auths);
        assert_true(tally.watches_restored && tally.ghosts && tally.events && tally.syncs && tally.broken_multis);
        assert_true(tally.persistent_events && tally.recursive_events && tally.watches_removed);
        assert_true(tally.watches_found && tally.numbers && tally.ephemerals && tally.identities);
}

/* The number is the same in every build: whoever doubts it compares them. */
static void test_one_seed_is_one_history(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 2; seed++) {
                uint64_t first, second;
                assert_true(run_seed(seed, &first));
                assert_true(run_seed(seed, &second));
                print_message("seed %" PRIu64 ": %016" PRIx64 "\n", seed, first);
                assert_int_equal(first, second);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_seed_is_one_history),
                cmocka_unit_test(test_what_clients_are_told_is_true),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
