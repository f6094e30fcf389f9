/* Random lives of a worker against a model of the world: a plugin whose callbacks take any time, fail, hang or kill the
 * process; an agent that grants, renews, revokes and vanishes; a supervisor that begins a fresh process whenever one
 * ends. From outside it is watched that
 *
 *   - the resource is touched only under a record that says so, and "stopped" is written only when nothing runs;
 *   - it never runs beyond deadline + budget of the last grant, as long as a stop takes less than a quarter of the
 *     budget and a fresh process is there within a tenth of it (else nothing could);
 *   - activate is never called at or after the deadline, nor under another token than the newest grant's;
 *   - at the end, when everybody behaves, a grant leads to ACTIVE.
 *
 * WALK_SEED=n in the environment repeats one life, WALK_LIVES says how many. */
#include "election/base/hash.h"
#include "tests/unit/worker/desk.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Steps of one life. */
#define STEPS      400
#define LIVES      3000
#define BUDGET_MS  1000
#define LEASE_MS   600
#define QUARTER_MS (BUDGET_MS / 4)
#define RESTART_MS (BUDGET_MS / 10)
#define NEVER_MS   UINT64_MAX

struct world {
        struct desk desk;
        struct prng prng;
        uint64_t seed;
        bool calm;                    /* everybody behaves */
        bool runs;                    /* the resource, in whole or in part */
        uint64_t fence_ms;            /* until when it may */
        int64_t token;                /* the newest grant that was sent */
        int64_t issued;               /* the newest token there is */
        uint64_t deadline_ms;         /* of that grant */
        uint64_t begin_ms, return_ms; /* of the callback under way; NEVER_MS: never */
        bool begun, kills;
        uint64_t restart_ms; /* a fresh process, when there is none */
        size_t activations;
};

static uint64_t below(struct world *w, uint64_t n)
{
        return prng_next(&w->prng) % n;
}

static bool one_in(struct world *w, uint64_t n)
{
        return !w->calm && below(w, n) == 0;
}

__attribute__((format(printf, 2, 3))) static void wrong(struct world *w, const char *format, ...)
{
        char text[256];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        fail_msg("WALK_SEED=%" PRIu64 " at %" PRIu64 ": %s; lately:\n%s", w->seed, w->desk.now_ms, text, w->desk.text);
}

/* ---- watching ---- */

static void watch(struct world *w)
{
        const struct desk *d = &w->desk;
        if (w->runs && d->recorded && d->record.state == WORKER_STOPPED)
                wrong(w, "it runs, and the record says that it is stopped");
        if (w->runs && d->now_ms > w->fence_ms)
                wrong(w, "it runs beyond its deadline and budget (%" PRIu64 ")", w->fence_ms);
        if (d->core && !d->ended && worker_core_state(d->core) == WORKER_STOPPED && w->runs)
                wrong(w, "it runs, and the worker says that it is stopped");
}

/* ---- the plugin ---- */

/* How long a callback takes. A stop keeps to its quarter. */
static uint64_t duration(struct world *w, enum worker_call_kind kind)
{
        if (w->calm)
                return below(w, 10);
        if (kind == CALL_DEACTIVATE)
                return below(w, QUARTER_MS - 50);
        if (kind == CALL_OPEN)
                return below(w, 20);
        if (kind != CALL_CLOSE && one_in(w, 12))
                return NEVER_MS;
        return one_in(w, 6) ? below(w, 1200) : below(w, 60);
}

static void notice_call(struct world *w)
{
        struct desk *d = &w->desk;
        if (!d->busy || w->begin_ms != NEVER_MS || w->begun)
                return;
        uint64_t takes_ms = duration(w, d->call.kind);
        w->begin_ms = d->now_ms;
        w->return_ms = takes_ms == NEVER_MS ? NEVER_MS : d->now_ms + takes_ms;
        w->kills = d->call.kind != CALL_DEACTIVATE && d->call.kind != CALL_OPEN && one_in(w, 40);
        if (d->call.kind == CALL_ACTIVATE) {
                if (d->now_ms >= d->call.deadline_ms)
                        wrong(w, "activate after the deadline");
                if (d->call.token != w->token)
                        wrong(w, "activate with token %" PRId64 " instead of %" PRId64, d->call.token, w->token);
                if (d->record.state != WORKER_STARTING)
                        wrong(w, "activate before the record says so");
                w->activations++;
        }
}

static void lose_process(struct world *w)
{
        desk_crash(&w->desk);
        w->begin_ms = NEVER_MS;
        w->begun = false;
        w->restart_ms = w->desk.now_ms + (w->calm ? 0 : below(w, RESTART_MS - 20));
}

static void begin_call(struct world *w)
{
        if (w->desk.call.kind == CALL_ACTIVATE)
                w->runs = true;
        desk_begin(&w->desk, w->desk.call.kind);
        w->begun = true;
}

static void return_call(struct world *w)
{
        struct desk *d = &w->desk;
        struct worker_result result = {.health = HEALTH_GOOD};
        bool fails = one_in(w, 10) && d->call.kind != CALL_OPEN && d->call.kind != CALL_DEACTIVATE;
        if (w->kills) {
                lose_process(w);
                return;
        }
        result.status = fails ? -EIO : 0;
        if (one_in(w, 15))
                result.health = HEALTH_BAD;
        /* A stop fails only when there is time for another one. */
        if (d->call.kind == CALL_DEACTIVATE && w->runs && d->now_ms + RESTART_MS + 2 * QUARTER_MS < w->fence_ms &&
            one_in(w, 4))
                result.status = -EBUSY;
        if (d->call.kind == CALL_DEACTIVATE && result.status == 0)
                w->runs = false;
        d->busy = false;
        w->begun = false;
        w->begin_ms = NEVER_MS;
        worker_core_finished(d->core, d->now_ms, d->call.id, &result);
}

/* ---- time ---- */

static void after_event(struct world *w)
{
        struct desk *d = &w->desk;
        if (d->core && !d->ended)
                worker_core_verify(d->core);
        if (d->core && d->ended)
                lose_process(w);
        notice_call(w);
        watch(w);
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* The next thing that happens by itself, up to `until_ms`. */
static bool happen(struct world *w, uint64_t until_ms)
{
        struct desk *d = &w->desk;
        uint64_t next_ms = until_ms;
        if (!d->core) {
                if (w->restart_ms > until_ms)
                        return false;
                if (d->now_ms < w->restart_ms)
                        d->now_ms = w->restart_ms;
                watch(w);
                desk_start(d);
                after_event(w);
                return true;
        }
        uint64_t tick_ms = worker_core_next_ms(d->core);
        uint64_t call_ms = !d->busy ? NEVER_MS : w->begun ? w->return_ms : w->begin_ms;
        /* A callback that is not hopeless obeys the cancel. */
        if (d->busy && w->begun && d->cancelled && w->return_ms != NEVER_MS)
                call_ms = least(call_ms, d->now_ms + 1);
        next_ms = least(tick_ms, call_ms);
        if (next_ms > until_ms)
                return false;
        if (next_ms > d->now_ms)
                d->now_ms = next_ms;
        watch(w);
        if (call_ms <= tick_ms) {
                if (w->begun)
                        return_call(w);
                else
                        begin_call(w);
        } else {
                worker_core_tick(d->core, d->now_ms);
        }
        after_event(w);
        return true;
}

static void sleep_for(struct world *w, uint64_t ms)
{
        uint64_t until_ms = w->desk.now_ms + ms;
        size_t steps = 0;
        while (happen(w, until_ms))
                if (++steps > 100000)
                        wrong(w, "time stands still");
        w->desk.now_ms = until_ms;
        watch(w);
}

/* ---- the agent ---- */

/* What is sent is believed only when it is in the record: that is what the fence is of. */
static void grant(struct world *w, bool renewal)
{
        struct desk *d = &w->desk;
        uint64_t deadline_ms = d->now_ms + LEASE_MS - (w->calm ? 0 : below(w, 200));
        if (!d->core || d->ended)
                return;
        if (!renewal) {
                /* The ensemble gives a new one only when the old one has surely ended. */
                if (w->runs || d->now_ms < w->fence_ms)
                        return;
                w->token = ++w->issued;
                w->deadline_ms = 0;
        }
        if (w->token == 0 || (renewal && d->now_ms >= w->deadline_ms))
                return; /* it has run out, and is not renewed */
        if (deadline_ms > w->deadline_ms)
                w->deadline_ms = deadline_ms;
        w->fence_ms = w->deadline_ms + BUDGET_MS;
        desk_grant(d, w->token, deadline_ms);
        after_event(w);
}

static void disturb(struct world *w)
{
        struct desk *d = &w->desk;
        if (!d->core || d->ended)
                return;
        switch (below(w, 9)) {
        case 0:
                desk_revoke(d, w->issued, (enum revoke_reason)below(w, REVOKE_COUNT));
                break;
        case 1:
                desk_revoke(d, w->issued - 1, REVOKE_LOST);
                break;
        case 2:
                worker_core_link(d->core, d->now_ms, false);
                worker_core_link(d->core, d->now_ms, true);
                break;
        case 3:
                worker_core_report(d->core, d->now_ms, (enum health)below(w, HEALTH_COUNT), "so");
                break;
        case 4:
                worker_core_stop(d->core, d->now_ms, below(w, 2) ? STOP_KEEP : STOP_RELEASE);
                break;
        case 5:
                desk_grant(d, w->issued - 2, d->now_ms + 10000); /* from the past */
                break;
        case 6: {
                struct message m = message_of(MESSAGE_ROLE);
                m.role = (enum node_role)below(w, ROLE_COUNT);
                (void)worker_core_agent(d->core, d->now_ms, &m);
                break;
        }
        case 7:
                lose_process(w); /* killed */
                break;
        default:
                d->record_error = d->record_error ? 0 : -ENOSPC;
                break;
        }
        after_event(w);
}

/* ---- a life ---- */

static void live(struct world *w, uint64_t seed)
{
        *w = (struct world){.seed = seed, .prng = {.state = seed}, .begin_ms = NEVER_MS};
        desk_init(&w->desk);
        w->desk.section.stop_budget_ms = BUDGET_MS;
        w->desk.section.retries = (uint32_t)below(w, 3);
        desk_start(&w->desk);
        after_event(w);
        for (int i = 0; i < STEPS; i++) {
                sleep_for(w, below(w, 120));
                if (below(w, 3) > 0)
                        grant(w, below(w, 8) > 0);
                if (below(w, 12) == 0)
                        disturb(w);
                if (strlen(w->desk.text) > sizeof w->desk.text / 2)
                        desk_forget(&w->desk);
        }
        /* Everybody behaves: it comes to rest, and a new grant leads to active. */
        w->calm = true;
        w->desk.record_error = 0;
        sleep_for(w, 20000);
        if (w->desk.core && w->desk.core->ending != ENDING_NO) {
                lose_process(w);
                sleep_for(w, 5000);
        }
        if (w->runs)
                wrong(w, "it still runs");
        w->desk.section.check_interval_ms = 0;
        grant(w, false);
        sleep_for(w, 100);
        if (!w->runs || worker_core_state(w->desk.core) != WORKER_ACTIVE)
                wrong(w, "a grant came to nothing");
        desk_done(&w->desk);
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
        const char *text = getenv(name);
        return text ? strtoull(text, NULL, 10) : fallback;
}

static void test_random_lives(void **state)
{
        (void)state;
        static struct world w;
        uint64_t only = from_environment("WALK_SEED", 0);
        uint64_t lives = from_environment("WALK_LIVES", LIVES);
        size_t activations = 0;
        for (uint64_t seed = only ? only : 1; seed <= (only ? only : lives); seed++) {
                live(&w, seed);
                activations += w.activations;
        }
        assert_true(activations > (only ? 0 : lives * 5)); /* the walk gets somewhere */
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
