/* The leader's expiry clock (client-protocol.md 3.2; safety: S2, S4, S6). */
#include "election/base/hash.h"
#include "election/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ((now + timeout) / tick + 1) * tick: seen live, a 4000 ms session with tick 2000 ends after 4.5 s. */
static void test_deadlines_are_rounded_up_to_the_next_tick(void **state)
{
        (void)state;
        static const struct {
                uint64_t now;
                int32_t timeout;
                uint64_t deadline;
        } cases[] = {
                {0, 4000, 6000}, {1, 4000, 6000}, {1500, 4000, 6000}, {1999, 4000, 6000}, {2000, 4000, 8000},
                {100, 1, 2000},  {1999, 1, 4000}, {5000, 0, 6000},    {5000, -7, 6000},   {6000, 0, 8000},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct session_clock *c = session_clock_new(2000);
                int64_t id = 0;
                session_clock_add(c, cases[i].now, 1, cases[i].timeout, SESSION_NO_OWNER);
                assert_int_equal(session_clock_deadline(c), cases[i].deadline);
                assert_false(session_clock_expire(c, cases[i].deadline - 1, &id));
                assert_true(session_clock_expire(c, cases[i].deadline, &id));
                assert_int_equal(id, 1);
                session_clock_free(c);
        }
}

static void test_a_touch_moves_the_deadline_but_never_back(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        session_clock_add(c, 0, 1, 1000, 5);
        assert_int_equal(session_clock_deadline(c), 1100);
        assert_true(session_clock_touch(c, 500, 1, 1000));
        assert_int_equal(session_clock_deadline(c), 1600);
        assert_true(session_clock_touch(c, 500, 1, 200));
        assert_int_equal(session_clock_deadline(c), 1600);
        assert_false(session_clock_touch(c, 500, 2, 1000));
        assert_true(session_clock_touch_again(c, 1500, 1)); /* 200, as last told */
        assert_int_equal(session_clock_deadline(c), 1800);
        assert_false(session_clock_touch_again(c, 1500, 2));
        assert_true(session_clock_close(c, 1));
        assert_false(session_clock_touch_again(c, 1500, 1));
        session_clock_free(c);
}

static void test_adding_again_times_anew_and_keeps_the_owner(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        session_clock_add(c, 0, 1, 5000, 5);
        session_clock_add(c, 0, 1, 1000, SESSION_NO_OWNER);
        assert_int_equal(session_clock_deadline(c), 1100);
        assert_int_equal(session_clock_count(c), 1);
        assert_int_equal(session_clock_check(c, 1, 6), SESSION_MOVED);
        session_clock_free(c);
}

/* safety: S2, closed is final. */
static void test_a_closing_session_takes_part_in_nothing(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        int64_t id = 0;
        session_clock_add(c, 0, 1, 1000, 5);
        assert_true(session_clock_close(c, 1));
        assert_false(session_clock_touch(c, 0, 1, 1000));
        assert_int_equal(session_clock_check(c, 1, 5), SESSION_EXPIRED);
        assert_false(session_clock_set_owner(c, 1, 6));
        assert_int_equal(session_clock_deadline(c), UINT64_MAX);
        assert_false(session_clock_expire(c, UINT64_MAX, &id));
        session_clock_add(c, 0, 1, 1000, 5);
        assert_int_equal(session_clock_check(c, 1, 5), SESSION_EXPIRED);
        assert_true(session_clock_close(c, 1));
        assert_int_equal(session_clock_count(c), 1);
        session_clock_remove(c, 1);
        session_clock_remove(c, 1);
        assert_false(session_clock_close(c, 1));
        assert_int_equal(session_clock_count(c), 0);
        session_clock_free(c);
}

static void test_an_expired_session_is_closing_and_is_told_once(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        int64_t id = 0;
        session_clock_add(c, 0, 7, 1000, 5);
        assert_true(session_clock_expire(c, 1100, &id));
        assert_int_equal(id, 7);
        assert_false(session_clock_expire(c, 1100, &id));
        assert_false(session_clock_touch(c, 1100, 7, 1000));
        session_clock_free(c);
}

/* safety: S6; a session read from a snapshot has no owner until somebody acts for it. */
static void test_the_first_server_to_act_becomes_the_owner(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        session_clock_add(c, 0, 1, 1000, SESSION_NO_OWNER);
        assert_int_equal(session_clock_check(c, 1, 3), SESSION_VALID);
        assert_int_equal(session_clock_check(c, 1, 2), SESSION_MOVED);
        assert_true(session_clock_set_owner(c, 1, 2));
        assert_int_equal(session_clock_check(c, 1, 2), SESSION_VALID);
        assert_int_equal(session_clock_check(c, 1, 3), SESSION_MOVED);
        assert_int_equal(session_clock_check(c, 9, 3), SESSION_EXPIRED);
        session_clock_free(c);
}

#define SESSIONS 200

struct twin {
        uint64_t deadline; /* 0: unknown; UINT64_MAX: closing */
};

static uint64_t earliest(const struct twin *twins)
{
        uint64_t first = UINT64_MAX;
        for (int i = 0; i < SESSIONS; i++)
                if (twins[i].deadline && twins[i].deadline < first)
                        first = twins[i].deadline;
        return first;
}

static void expire_all(struct session_clock *c, struct twin *twins, uint64_t now)
{
        int64_t id;
        uint64_t before = 0;
        while (session_clock_expire(c, now, &id)) {
                assert_true(twins[id].deadline <= now && twins[id].deadline >= before);
                before = twins[id].deadline;
                twins[id].deadline = UINT64_MAX;
        }
        assert_true(earliest(twins) > now);
}

static void run(uint64_t seed)
{
        struct prng p = {.state = seed};
        struct twin twins[SESSIONS];
        struct session_clock *c = session_clock_new(50);
        uint64_t now = 0;
        printf("seed %llu\n", (unsigned long long)seed);
        memset(twins, 0, sizeof twins);
        for (int step = 0; step < 20000; step++) {
                int64_t id = (int64_t)(prng_next(&p) % SESSIONS);
                struct twin *t = &twins[id];
                int32_t timeout = (int32_t)(prng_next(&p) % 3000);
                uint64_t deadline = ((now + (uint64_t)timeout) / 50 + 1) * 50;
                bool open = t->deadline && t->deadline != UINT64_MAX;
                switch (prng_next(&p) % 8) {
                case 0:
                        session_clock_add(c, now, id, timeout, 1);
                        if (t->deadline != UINT64_MAX)
                                t->deadline = deadline;
                        break;
                case 1:
                        session_clock_remove(c, id);
                        t->deadline = 0;
                        break;
                case 2:
                        assert_int_equal(session_clock_close(c, id), t->deadline != 0);
                        if (t->deadline)
                                t->deadline = UINT64_MAX;
                        break;
                case 3:
                        now += prng_next(&p) % 200;
                        expire_all(c, twins, now);
                        break;
                default:
                        assert_int_equal(session_clock_touch(c, now, id, timeout), open);
                        if (open && deadline > t->deadline)
                                t->deadline = deadline;
                        break;
                }
                assert_int_equal(session_clock_deadline(c), earliest(twins));
        }
        session_clock_free(c);
}

struct shown {
        char text[256];
        size_t len, sessions_max;
};

static bool show_bucket(void *ctx, uint64_t deadline_ms, size_t sessions)
{
        struct shown *s = ctx;
        s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, " %u@%u:", (unsigned)sessions,
                                   (unsigned)deadline_ms);
        return true;
}

static bool show_session(void *ctx, int64_t id)
{
        struct shown *s = ctx;
        s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, " %d", (int)id);
        return --s->sessions_max > 0;
}

/* What `dump` lists: those that can expire, the earliest first. */
static void test_sessions_are_shown_by_deadline(void **state)
{
        (void)state;
        struct session_clock *c = session_clock_new(100);
        for (int64_t id = 1; id <= 5; id++)
                session_clock_add(c, 0, id, id % 2 ? 900 : 300, SESSION_NO_OWNER);
        assert_true(session_clock_close(c, 3));
        struct shown all = {.sessions_max = 100}, some = {.sessions_max = 3};
        session_clock_show(c, &(struct session_clock_visitor){show_bucket, show_session, &all});
        assert_string_equal(all.text, " 2@400: 2 4 2@1000: 1 5");
        session_clock_show(c, &(struct session_clock_visitor){show_bucket, show_session, &some});
        assert_string_equal(some.text, " 2@400: 2 4 2@1000: 1");
        assert_int_equal(session_clock_buckets(c), 2);
        session_clock_free(c);
}

static void test_it_agrees_with_a_dumb_twin(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++)
                run(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_deadlines_are_rounded_up_to_the_next_tick),
                cmocka_unit_test(test_a_touch_moves_the_deadline_but_never_back),
                cmocka_unit_test(test_adding_again_times_anew_and_keeps_the_owner),
                cmocka_unit_test(test_a_closing_session_takes_part_in_nothing),
                cmocka_unit_test(test_an_expired_session_is_closing_and_is_told_once),
                cmocka_unit_test(test_the_first_server_to_act_becomes_the_owner),
                cmocka_unit_test(test_sessions_are_shown_by_deadline),
                cmocka_unit_test(test_it_agrees_with_a_dumb_twin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
