/* The small world itself: that a seed decides everything, that clocks and the net do what world.h says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "tests/sim/trace.h"
#include "tests/sim/world/world_state.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MS 5000
/* What an answer needs that does not fit into TCP's first window. */
#define LONG_BYTES 60000

static struct world *start_all(int servers, uint64_t seed)
{
        struct world *w = world_new(servers, 0, seed);
        for (int sid = 1; sid <= servers; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        return w;
}

static int other_than(int a, int b)
{
        int sid = 1;
        while (sid == a || sid == b)
                sid++;
        return sid;
}

/* ---- a seed decides everything ---- */

/* Something of everything. Goes on from `w` for some seconds, `step_ms` at a time. */
static void live(struct world *w, uint64_t seed, uint64_t step_ms)
{
        struct prng prng = {.state = seed};
        for (int round = 0; round < 30; round++) {
                int sid = 1 + (int)(prng_next(&prng) % 3), other = (int)(prng_next(&prng) % 4);
                uint64_t what = prng_next(&prng) % 8, number = prng_next(&prng);
                if (what == 0 && world_running(w, sid))
                        world_crash(w, sid);
                else if (what == 1 && world_running(w, sid))
                        world_kill(w, sid);
                else if (what == 2)
                        world_cut(w, other, sid, number % 2);
                else if (what == 3 && world_running(w, sid))
                        world_pause(w, sid, (enum world_pause)(number % 4));
                else if (what == 4)
                        world_slow_link(w, sid, other, (uint32_t)(number % 30), (uint32_t)(number % 5000));
                else if (what == 5)
                        world_set_rate(w, sid, (int32_t)(number % 200000) - 100000);
                else if (what == 6)
                        world_reset(w, sid, other);
                else if (what == 7)
                        world_slow_disk(w, sid, 1 + (uint32_t)(number % 50), 0);
                for (uint64_t ms = 0; ms < 200; ms += step_ms)
                        world_run(w, step_ms);
                for (int i = 1; i <= 3; i++)
                        if (!world_running(w, i) && prng_next(&prng) % 2)
                                world_start(w, i);
        }
}

static struct trace trace_of(uint64_t seed, uint64_t step_ms, int spare_draws)
{
        struct trace t;
        trace_init(&t, NULL);
        struct world *w = world_new(3, 0, seed);
        struct world_witness witness = world_trace_witness(&t);
        world_add_witness(w, &witness);
        for (int sid = 1; sid <= 3; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        struct world_client *c = world_connect(w, world_leader(w), NULL);
        assert_non_null(c);
        for (int i = 0; i < 20; i++)
                assert_int_equal(world_create(c, "/n", "x", 2, NULL, 0), ZK_OK);
        for (int i = 0; i < spare_draws; i++)
                (void)world_draw(w);
        live(w, seed, step_ms);
        world_free(w);
        return t;
}

/* Freed and fresh memory looks different, and so do addresses. */
static void test_the_same_seed_gives_the_same_trace(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 8; seed++) {
                (void)mallopt(M_PERTURB, 0x55);
                struct trace a = trace_of(seed, 1, 0);
                void *shift = mem_alloc(12345);
                (void)mallopt(M_PERTURB, 0xaa);
                struct trace b = trace_of(seed, 1, 0);
                mem_free(shift);
                print_message("seed %u: %u lines, digest %016llx\n", (unsigned)seed, (unsigned)a.lines,
                              (unsigned long long)a.digest);
                assert_true(a.lines > 100);
                assert_true(a.digest == b.digest && a.lines == b.lines);
        }
        (void)mallopt(M_PERTURB, 0);
}

static void test_other_seeds_give_other_traces(void **state)
{
        (void)state;
        assert_true(trace_of(1, 1, 0).digest != trace_of(2, 1, 0).digest);
}

/* Where nothing happens time is skipped; that changes nothing. */
static void test_time_that_is_skipped_changes_nothing(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++)
                assert_true(trace_of(seed, 1, 0).digest == trace_of(seed, 200, 0).digest);
}

static void test_draws_of_one_concern_do_not_shift_the_others(void **state)
{
        (void)state;
        assert_true(trace_of(3, 1, 0).digest == trace_of(3, 1, 7).digest);
}

static void test_nothing_is_skipped_before_the_next_event(void **state)
{
        (void)state;
        struct world *w = start_all(3, 5);
        world_run(w, 1);
        assert_true(world_next(w) >= world_now(w));
        assert_true(world_next(w) <= world_now(w) + 100); /* a tick of the leader */
        world_free(w);
}

/* ---- what the witnesses see ---- */

struct seen {
        int sid; /* of whom */
        uint64_t mono_ms;
        size_t back; /* events whose time went back */
        size_t closed, status[256];
        int64_t wall_ms;
        conn_id last_accepted, last_bytes;
        bool old_after_new; /* bytes of another connection than the last accepted one, after it was accepted */
};

static void on_stepped(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx)
{
        struct seen *s = ctx;
        (void)w;
        (void)fx;
        if (sid != s->sid)
                return;
        s->back += e->now.mono_ms < s->mono_ms;
        s->mono_ms = e->now.mono_ms;
        s->wall_ms = e->now.wall_ms;
        if (e->type == EVENT_CONN_CLOSED) {
                s->closed++;
                s->status[-e->status]++;
        }
        if (e->type == EVENT_CONN_ACCEPTED)
                s->last_accepted = e->conn;
        if (e->type == EVENT_CONN_BYTES && e->conn % 2 == 0 && e->conn < s->last_accepted)
                s->old_after_new = true;
}

static void look_at(struct world *w, struct seen *s, int sid)
{
        *s = (struct seen){.sid = sid};
        world_add_witness(w, &(struct world_witness){.stepped = on_stepped, .ctx = s});
}

/* ---- clocks ---- */

static void test_a_clock_goes_at_its_rate_and_never_back(void **state)
{
        (void)state;
        struct seen s;
        struct world *w = start_all(3, 6);
        look_at(w, &s, 2);
        uint64_t before = world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC);
        assert_true(before == world_now(w));
        world_set_rate(w, 2, 100000);
        world_run(w, 1000);
        assert_true(world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC) == before + 1100);
        world_set_rate(w, 2, -100000);
        world_run(w, 1000);
        assert_true(world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC) == before + 2000);
        world_set_clock(w, 2, -500, 0);
        assert_true(world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC) == before + 2000);
        world_set_clock(w, 2, 300, 0);
        assert_true(world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC) == before + 2300);
        world_run(w, 500);
        assert_int_equal(s.back, 0);
        assert_true(s.mono_ms > before + 2300);
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_kill(w, 2);
        world_set_clock(w, 2, -500, 0);
        assert_true(world_clock_ms(w, 2, WORLD_CLOCK_MONOTONIC) == world_now(w) - 500);
        world_start(w, 2);
        assert_true(world_serving(w, 0, SETTLE_MS));
        world_free(w);
}

/* The timeout is the leader's: its clock decides when a session ends. */
static void test_sessions_expire_by_the_leaders_clock(void **state)
{
        (void)state;
        uint64_t took[2];
        for (int fast = 0; fast < 2; fast++) {
                struct world *w = start_all(3, 7);
                int leader = world_leader(w);
                struct world_client *c = world_connect(w, leader, NULL), *reader = world_connect(w, leader, NULL);
                assert_int_equal(world_create(c, "/e", "", 1, NULL, 0), ZK_OK);
                world_set_rate(w, leader, fast ? 90000 : -90000);
                world_disconnect(c);
                uint64_t since = world_now(w);
                while (world_get(reader, "/e", false, NULL, 0) == ZK_OK && world_now(w) < since + 5000)
                        world_run(w, 20);
                took[fast] = world_now(w) - since;
                world_free(w);
        }
        assert_true(took[1] + 200 < took[0]);
        assert_true(took[0] < 3000);
}

static void test_a_wall_clock_is_set_both_ways_by_itself(void **state)
{
        (void)state;
        struct seen s;
        struct world *w = start_all(3, 8);
        look_at(w, &s, 1);
        uint64_t mono = world_clock_ms(w, 1, WORLD_CLOCK_MONOTONIC), wall = world_clock_ms(w, 1, WORLD_CLOCK_WALL);
        world_step_wall(w, 1, -3600000);
        assert_true(world_clock_ms(w, 1, WORLD_CLOCK_WALL) == wall - 3600000);
        world_run(w, 300);
        assert_true(s.wall_ms < (int64_t)wall);
        world_step_wall(w, 1, 7200000);
        world_run(w, 300);
        assert_true(s.wall_ms > (int64_t)wall + 3600000);
        assert_true(world_clock_ms(w, 1, WORLD_CLOCK_MONOTONIC) == mono + 600);
        world_free(w);
}

static void test_each_pause_stops_its_clocks(void **state)
{
        (void)state;
        static const struct {
                enum world_pause how;
                uint64_t mono, boot, wall;
        } cases[] = {
                {WORLD_PAUSE_PROCESS, 700, 700, 700},
                {WORLD_PAUSE_SUSPEND, 0, 700, 700},
                {WORLD_PAUSE_VM, 0, 0, 0},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct seen s;
                struct world *w = start_all(3, 9);
                uint64_t mono = world_clock_ms(w, 1, WORLD_CLOCK_MONOTONIC);
                uint64_t boot = world_clock_ms(w, 1, WORLD_CLOCK_BOOTTIME),
                         wall = world_clock_ms(w, 1, WORLD_CLOCK_WALL);
                world_pause(w, 1, cases[i].how);
                look_at(w, &s, 1);
                world_run(w, 700);
                assert_true(s.mono_ms == 0); /* it has done nothing */
                assert_true(world_clock_ms(w, 1, WORLD_CLOCK_MONOTONIC) == mono + cases[i].mono);
                assert_true(world_clock_ms(w, 1, WORLD_CLOCK_BOOTTIME) == boot + cases[i].boot);
                assert_true(world_clock_ms(w, 1, WORLD_CLOCK_WALL) == wall + cases[i].wall);
                world_pause(w, 1, WORLD_PAUSE_NONE);
                world_run(w, 100);
                assert_true(world_clock_ms(w, 1, WORLD_CLOCK_MONOTONIC) == mono + cases[i].mono + 100);
                assert_true(world_clock_ms(w, 1, WORLD_CLOCK_BOOTTIME) == boot + cases[i].boot + 100);
                assert_true(world_serving(w, 0, SETTLE_MS));
                world_free(w);
        }
}

/* ---- connections ---- */

/* Half-open: nobody says anything; the next thing sent is answered once somebody is there to answer. */
static void test_a_power_loss_is_heard_of_only_by_whoever_speaks(void **state)
{
        (void)state;
        struct world *w = start_all(3, 10);
        int sid = other_than(world_leader(w), 0);
        struct world_client *mute = world_connect(w, sid, NULL), *other = world_connect(w, sid, NULL);
        world_crash(w, sid);
        world_run(w, 2000);
        assert_true(world_connected(mute));
        assert_true(world_connected(other));
        (void)world_send(other, OP_PING, NULL);
        world_run(w, 2000);
        assert_true(world_connected(other));
        world_start(w, sid);
        world_run(w, 1000);
        assert_false(world_connected(other));
        assert_true(world_connected(mute));
        world_free(w);
}

static void test_peers_notice_a_power_loss_by_the_silence(void **state)
{
        (void)state;
        struct seen s;
        struct world *w = start_all(3, 11);
        int leader = world_leader(w), lost = other_than(leader, 0), third = other_than(leader, lost);
        look_at(w, &s, third);
        world_crash(w, lost);
        world_run(w, 2500);
        assert_int_equal(s.closed, 0); /* the election's connection hangs in the air */
        world_run(w, 6000);
        assert_int_equal(s.status[ETIMEDOUT], 1);
        world_free(w);
}

static void test_a_loud_crash_resets(void **state)
{
        (void)state;
        struct world *w = start_all(3, 12);
        struct world_client *c = world_connect(w, 1, NULL);
        world_set_loud_crashes(w, true);
        world_crash(w, 1);
        world_run(w, 5);
        assert_false(world_connected(c));
        world_free(w);
}

static void test_dials_into_a_black_hole_time_out_or_get_through_late(void **state)
{
        (void)state;
        struct world *w = start_all(3, 13);
        world_blackhole(w, 0, 1, true);
        struct world_wire *lost = world_wire_open(w, 1);
        assert_non_null(lost);
        world_run(w, 4900);
        assert_false(world_wire_dialled(lost) || world_wire_refused(lost));
        struct world_wire *late = world_wire_open(w, 1);
        world_run(w, 200);
        assert_true(world_wire_refused(lost) && world_wire_ended(lost));
        assert_false(world_wire_dialled(late));
        world_blackhole(w, 0, 1, false);
        world_run(w, 1);
        assert_true(world_wire_dialled(late));
        world_wire_close(late);
        world_wire_close(lost);
        world_free(w);
}

static void test_a_machine_without_power_refuses_no_dial(void **state)
{
        (void)state;
        struct world *w = start_all(3, 14);
        world_crash(w, 1);
        struct world_wire *wire = world_wire_open(w, 1);
        assert_non_null(wire);
        world_run(w, 100);
        assert_false(world_wire_dialled(wire) || world_wire_refused(wire));
        world_boot(w, 1, true); /* and nobody listens */
        world_run(w, 1);
        assert_true(world_wire_refused(wire));
        assert_null(world_wire_open(w, 1));
        world_wire_close(wire);
        world_free(w);
}

static void test_slow_dials_take_their_time(void **state)
{
        (void)state;
        struct world *w = start_all(3, 15);
        size_t slow = 0;
        world_slow_dials(w, 0, 2, 300);
        for (int i = 0; i < 10; i++) {
                struct world_wire *wire = world_wire_open(w, 2);
                uint64_t since = world_now(w);
                while (!world_wire_dialled(wire) && world_now(w) < since + 400)
                        world_run(w, 1);
                assert_true(world_now(w) - since <= 301);
                slow += world_now(w) - since > 50;
                world_wire_close(wire);
        }
        assert_true(slow > 3);
        world_free(w);
}

static void fill(struct world_client *c, const char *path, size_t bytes)
{
        char *data = mem_zalloc(bytes + 1);
        memset(data, 'x', bytes);
        assert_int_equal(world_create(c, path, data, 0, NULL, 0), ZK_OK);
        mem_free(data);
}

/* Scenario 42's cousin: who takes nothing is dropped by the leader, and comes back. */
static void test_a_peer_that_takes_nothing_is_dropped_at_the_backlog(void **state)
{
        (void)state;
        struct seen s;
        struct world *w = start_all(3, 16);
        int leader = world_leader(w), stopped = other_than(leader, 0);
        struct world_client *c = world_connect(w, leader, NULL);
        look_at(w, &s, leader);
        world_set_buffers(w, 4096, 100000, SERVER_CLIENT_BACKLOG_BYTES);
        world_freeze(w, stopped, true);
        fill(c, "/a", LONG_BYTES);
        assert_int_equal(s.status[ENOBUFS], 0);
        fill(c, "/b", LONG_BYTES);
        world_run(w, 1);
        assert_int_equal(s.status[ENOBUFS], 1);
        world_freeze(w, stopped, false);
        world_run(w, 1000); /* until it has noticed */
        assert_true(world_serving(w, 0, SETTLE_MS));
        char *mine = world_dump(w, stopped), *theirs = world_dump(w, world_leader(w));
        assert_string_equal(mine, theirs);
        mem_free(mine);
        mem_free(theirs);
        world_free(w);
}

/* A get of `path` that the server has answered and the client has not seen. */
static struct world_client *unread_answer(struct world *w, int sid)
{
        struct world_client *c = world_connect(w, sid, NULL);
        struct jute_writer body;
        struct jute_path_watch q = {.path = jute_cstr("/long")};
        fill(c, "/long", LONG_BYTES);
        world_slow_link(w, sid, 0, 100, 0);
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_watch(&body, &q);
        (void)world_send(c, OP_GET_DATA, &body);
        jute_writer_done(&body);
        while (c->stream->end[0].in.len < LONG_BYTES)
                world_run(w, 1);
        return c;
}

static void test_a_way_that_is_cut_stalls_the_way_back(void **state)
{
        (void)state;
        struct world *w = start_all(1, 17);
        struct world_client *c = unread_answer(w, 1);
        world_cut(w, 0, 1, true);
        size_t before = c->in.len;
        world_run(w, 1000);
        assert_in_range(c->in.len, before + 1, before + 14600);
        world_cut(w, 0, 1, false);
        world_run(w, 2000);
        assert_true(c->in.len > LONG_BYTES);
        world_free(w);
}

static void test_a_reset_lets_any_beginning_arrive(void **state)
{
        (void)state;
        size_t least = SIZE_MAX, most = 0;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world *w = start_all(1, seed);
                struct world_client *c = unread_answer(w, 1);
                world_reset(w, 0, 1);
                world_run(w, 2000);
                assert_false(world_connected(c));
                least = c->in.len < least ? c->in.len : least;
                most = c->in.len > most ? c->in.len : most;
                world_free(w);
        }
        assert_true(least < LONG_BYTES / 3);
        assert_in_range(most, 2 * LONG_BYTES / 3, LONG_BYTES + 500);
}

static void test_an_old_connection_speaks_after_the_new_one(void **state)
{
        (void)state;
        static const uint8_t word[4] = {'r', 'u', 'o', 'k'};
        size_t late = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct seen s;
                struct world *w = start_all(1, seed);
                look_at(w, &s, 1);
                struct world_wire *old = world_wire_open(w, 1);
                world_run(w, 5);
                world_age(w, 0, 1, 300);
                world_wire_send(old, word, sizeof word);
                world_wire_close(old);
                struct world_wire *new = world_wire_open(w, 1);
                world_wire_send(new, word, sizeof word);
                char answer[8] = "";
                world_run(w, 1);
                assert_int_equal(world_wire_take(new, answer, 4), 4);
                assert_string_equal(answer, "imok");
                world_run(w, 400);
                late += s.old_after_new;
                world_wire_close(new);
                world_free(w);
        }
        assert_true(late > 2);
}

/* What is said once the lateness is over comes at once; what had been said before, when it would have. */
static void test_a_late_connection_can_be_mended(void **state)
{
        (void)state;
        static const uint8_t word[4] = {'r', 'u', 'o', 'k'};
        size_t late = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct world *w = start_all(1, seed);
                struct world_wire *before = world_wire_open(w, 1), *after = world_wire_open(w, 1);
                char answer[8] = "";
                world_run(w, 5);
                world_age(w, 0, 1, 300);
                world_wire_send(before, word, sizeof word);
                world_run(w, 1);
                world_age(w, 0, 1, 0);
                world_wire_send(after, word, sizeof word);
                world_run(w, 1);
                assert_int_equal(world_wire_take(after, answer, 4), 4);
                assert_string_equal(answer, "imok");
                late += world_wire_take(before, answer, 4) == 0;
                world_run(w, 300);
                (void)world_wire_take(before, answer, 4);
                assert_string_equal(answer, "imok");
                world_wire_close(before);
                world_wire_close(after);
                world_free(w);
        }
        assert_true(late > 2);
}

/* However far the step has come: what was acknowledged before is there, and it serves again. */
static void test_a_death_between_two_effects(void **state)
{
        (void)state;
        for (uint64_t effects = 0; effects < 12; effects++)
                for (int power = 0; power < 2; power++) {
                        struct world *w = start_all(3, effects + 1);
                        int leader = world_leader(w);
                        world_die_in_step(w, leader, effects, power != 0);
                        for (int i = 0; i < 5000 && world_running(w, leader); i++)
                                world_run(w, 1);
                        assert_false(world_running(w, leader));
                        world_start(w, leader);
                        world_run(w, 1000);
                        assert_true(world_running(w, leader));
                        assert_true(world_serving(w, 0, 20000));
                        world_free(w);
                }
}

static void test_links_differ(void **state)
{
        (void)state;
        struct world *w = start_all(3, 19);
        char answer[8] = "";
        struct world_wire *slow = world_wire_open(w, 1), *swift = world_wire_open(w, 2);
        world_slow_link(w, 1, 0, 0, 1); /* a byte a millisecond */
        world_wire_send(slow, "ruok", 4);
        world_wire_send(swift, "ruok", 4);
        world_run(w, 2);
        assert_int_equal(world_wire_take(swift, answer, 8), 4);
        assert_in_range(world_wire_take(slow, answer, 8), 1, 2);
        world_run(w, 10);
        assert_in_range(world_wire_take(slow, answer, 8), 2, 3);
        world_wire_close(slow);
        world_wire_close(swift);
        world_free(w);
}

static void test_a_client_without_power_leaves_its_session_to_expire(void **state)
{
        (void)state;
        struct seen s;
        struct world *w = start_all(1, 20);
        struct world_wire *wire = world_wire_open(w, 1);
        world_run(w, 5);
        look_at(w, &s, 1);
        world_wire_vanish(wire);
        world_run(w, 1000);
        assert_int_equal(s.closed, 0);
        world_free(w);
}

static void test_cut_clients_reach_nobody(void **state)
{
        (void)state;
        struct world *w = start_all(3, 21);
        for (int sid = 1; sid <= 3; sid++)
                world_cut(w, 0, sid, true);
        struct world_wire *wire = world_wire_open(w, 1);
        world_run(w, 1000);
        assert_false(world_wire_dialled(wire));
        assert_true(world_leader(w) != 0); /* peers have ways of their own */
        world_cut(w, 0, 1, false);
        world_run(w, 1);
        assert_true(world_wire_dialled(wire));
        world_wire_close(wire);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_same_seed_gives_the_same_trace),
                cmocka_unit_test(test_other_seeds_give_other_traces),
                cmocka_unit_test(test_time_that_is_skipped_changes_nothing),
                cmocka_unit_test(test_draws_of_one_concern_do_not_shift_the_others),
                cmocka_unit_test(test_nothing_is_skipped_before_the_next_event),
                cmocka_unit_test(test_a_clock_goes_at_its_rate_and_never_back),
                cmocka_unit_test(test_sessions_expire_by_the_leaders_clock),
                cmocka_unit_test(test_a_wall_clock_is_set_both_ways_by_itself),
                cmocka_unit_test(test_each_pause_stops_its_clocks),
                cmocka_unit_test(test_a_power_loss_is_heard_of_only_by_whoever_speaks),
                cmocka_unit_test(test_peers_notice_a_power_loss_by_the_silence),
                cmocka_unit_test(test_a_loud_crash_resets),
                cmocka_unit_test(test_dials_into_a_black_hole_time_out_or_get_through_late),
                cmocka_unit_test(test_a_machine_without_power_refuses_no_dial),
                cmocka_unit_test(test_slow_dials_take_their_time),
                cmocka_unit_test(test_a_peer_that_takes_nothing_is_dropped_at_the_backlog),
                cmocka_unit_test(test_a_way_that_is_cut_stalls_the_way_back),
                cmocka_unit_test(test_a_reset_lets_any_beginning_arrive),
                cmocka_unit_test(test_an_old_connection_speaks_after_the_new_one),
                cmocka_unit_test(test_a_late_connection_can_be_mended),
                cmocka_unit_test(test_a_death_between_two_effects),
                cmocka_unit_test(test_links_differ),
                cmocka_unit_test(test_a_client_without_power_leaves_its_session_to_expire),
                cmocka_unit_test(test_cut_clients_reach_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
