/* Unit tests of the quorum rule: quorum-protocol.md 7.2, majority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/ensemble.h"
#include "election/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SIDS 255

static uint64_t seed;

static struct ensemble ensemble_of(const int64_t *voters, size_t voter_count, const int64_t *observers, size_t count)
{
        struct ensemble e = {.count = 0};
        for (size_t i = 0; i < voter_count + count; i++) {
                struct member m = {.sid = i < voter_count ? voters[i] : observers[i - voter_count],
                                   .observer = i >= voter_count};
                assert_int_equal(ensemble_add(&e, &m), 0);
        }
        return e;
}

static struct member_set set_of(const struct ensemble *e, const int64_t *sids, size_t count)
{
        struct member_set s = {0};
        for (size_t i = 0; i < count; i++)
                member_set_add(&s, e, sids[i]);
        return s;
}

static void test_set_remembers_members_only(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of((int64_t[]){2, 4, 255}, 3, (int64_t[]){3}, 1);
        struct member_set s = {0};
        member_set_add(&s, &e, 4);
        member_set_add(&s, &e, 4);
        member_set_add(&s, &e, 5);
        member_set_add(&s, &e, -1);
        assert_true(member_set_has(&s, &e, 4));
        assert_false(member_set_has(&s, &e, 3));
        assert_false(member_set_has(&s, &e, 5));
        assert_false(member_set_has(&s, &e, -1));
        member_set_remove(&s, &e, 5);
        assert_true(member_set_has(&s, &e, 4));
        member_set_remove(&s, &e, 4);
        member_set_remove(&s, &e, 4);
        assert_false(member_set_has(&s, &e, 4));
        assert_true(s.bits == 0);
}

static void test_half_of_the_voters_is_no_quorum(void **state)
{
        (void)state;
        static const int64_t sids[] = {1, 2, 3, 4, 5, 6, 7};
        for (size_t voters = 1; voters <= 7; voters++) {
                struct ensemble e = ensemble_of(sids, voters, NULL, 0);
                for (size_t present = 0; present <= voters; present++) {
                        struct member_set s = set_of(&e, sids, present);
                        assert_int_equal(ensemble_is_quorum(&e, &s), present >= voters / 2 + 1);
                }
        }
}

/* safety.md Z16 */
static void test_observers_never_count(void **state)
{
        (void)state;
        static const int64_t all[] = {1, 2, 3, 11, 12, 13};
        struct ensemble e = ensemble_of(all, 3, all + 3, 3);
        struct member_set observers_and_one = set_of(&e, all + 2, 4);
        struct member_set two = set_of(&e, all, 2);
        assert_false(ensemble_is_quorum(&e, &observers_and_one));
        assert_true(ensemble_is_quorum(&e, &two));
}

static void test_nobody_is_no_quorum_even_of_nobody(void **state)
{
        (void)state;
        struct ensemble none = {.count = 0};
        struct ensemble observers = ensemble_of(NULL, 0, (int64_t[]){1, 2}, 2);
        struct member_set empty = {0}, both = set_of(&observers, (int64_t[]){1, 2}, 2);
        assert_false(ensemble_is_quorum(&none, &empty));
        assert_false(ensemble_is_quorum(&observers, &both));
}

static void test_bits_beyond_the_members_do_not_count(void **state)
{
        (void)state;
        struct ensemble e = ensemble_of((int64_t[]){1, 2, 3}, 3, NULL, 0);
        struct member_set s = {UINT64_MAX << 3};
        assert_false(ensemble_is_quorum(&e, &s));
}

/* The twin: strikes one absent voter off for every present one; a quorum has somebody left over. */
static bool twin_is_quorum(const bool voter[SIDS + 1], const bool present[SIDS + 1])
{
        int left_over = 0;
        for (int sid = 0; sid <= SIDS; sid++)
                if (voter[sid])
                        left_over += present[sid] ? 1 : -1;
        return left_over > 0;
}

struct trial {
        struct ensemble e;
        bool voter[SIDS + 1], present[SIDS + 1];
        struct member_set set, rest; /* those present, and all the others */
};

static void draw(struct trial *t, struct prng *p)
{
        *t = (struct trial){.e.count = 0};
        for (uint64_t n = prng_next(p) % (ENSEMBLE_MEMBERS_MAX + 1); n; n--) {
                struct member m = {.sid = (int64_t)(1 + prng_next(p) % SIDS), .observer = prng_next(p) % 4 == 0};
                if (ensemble_add(&t->e, &m) == 0)
                        t->voter[m.sid] = !m.observer;
        }
        uint64_t chance = prng_next(p) % 101;
        for (int sid = 0; sid <= SIDS; sid++) {
                t->present[sid] = prng_next(p) % 100 < chance;
                member_set_add(t->present[sid] ? &t->set : &t->rest, &t->e, sid);
        }
}

static void test_rule_agrees_with_a_dumb_twin(void **state)
{
        (void)state;
        struct prng p = {seed};
        static struct trial t;
        size_t quorums = 0;
        for (int i = 0; i < 20000; i++) {
                draw(&t, &p);
                bool quorum = ensemble_is_quorum(&t.e, &t.set);
                if (quorum != twin_is_quorum(t.voter, t.present))
                        fail_msg("trial %d, seed %" PRIu64, i, seed);
                quorums += quorum;
                /* Two quorums always meet: those who are not in one are none. */
                assert_false(quorum && ensemble_is_quorum(&t.e, &t.rest));
                struct member_set all = {t.set.bits | t.rest.bits};
                assert_int_equal(ensemble_is_quorum(&t.e, &all), ensemble_voters(&t.e) > 0);
                for (int sid = 0; sid <= SIDS; sid++)
                        assert_int_equal(member_set_has(&t.set, &t.e, sid), t.present[sid] && ensemble_find(&t.e, sid));
        }
        assert_in_range(quorums, 2000, 18000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_set_remembers_members_only),
                cmocka_unit_test(test_half_of_the_voters_is_no_quorum),
                cmocka_unit_test(test_observers_never_count),
                cmocka_unit_test(test_nobody_is_no_quorum_even_of_nobody),
                cmocka_unit_test(test_bits_beyond_the_members_do_not_count),
                cmocka_unit_test(test_rule_agrees_with_a_dumb_twin),
        };
        const char *given = getenv("BATON_SEED");
        seed = given ? strtoull(given, NULL, 0) : 20260101;
        printf("repeat with BATON_SEED=%" PRIu64 "\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
