/* See children.h. The table at the end names every pair; each action is one of the small functions before it. */
#include "daemon/supervisor/children.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const state_names[] = {
        [CHILD_OFF] = "off",           [CHILD_RESTING] = "resting",   [CHILD_STARTING] = "starting",
        [CHILD_RUNNING] = "running",   [CHILD_STOPPING] = "stopping", [CHILD_KILLED] = "killed",
        [CHILD_ENSURING] = "ensuring", [CHILD_WAITING] = "waiting",
};
static_assert(sizeof state_names / sizeof *state_names == CHILD_STATE_MAX, "every state has its name");

static const char *const event_names[] = {
        [CHILD_START] = "start",
        [CHILD_STOP] = "stop",
        [CHILD_RESTART] = "restart",
        [CHILD_SPAWNED] = "spawned",
        [CHILD_SPAWN_FAILED] = "spawn failed",
        [CHILD_SPAWN_BUSY] = "spawn busy",
        [CHILD_READY] = "ready",
        [CHILD_UNREADY] = "unready",
        [CHILD_HUNG] = "hung",
        [CHILD_OVERDUE] = "overdue",
        [CHILD_EXITED] = "exited",
        [CHILD_EXITED_DIRTY] = "exited dirty",
        [CHILD_TIMER] = "timer",
};
static_assert(sizeof event_names / sizeof *event_names == CHILD_EVENT_MAX, "every event has its name");

const char *child_state_name(enum child_state state)
{
        assert((unsigned)state < CHILD_STATE_MAX);
        return state_names[state];
}

const char *child_event_name(enum child_event event)
{
        assert((unsigned)event < CHILD_EVENT_MAX);
        return event_names[event];
}

uint64_t child_backoff_ms(uint32_t strikes)
{
        uint64_t rest = CHILD_BACKOFF_MS;
        if (strikes <= 1)
                return 0;
        for (uint32_t i = 2; i < strikes && rest < CHILD_BACKOFF_MAX_MS; i++)
                rest *= 2;
        return rest < CHILD_BACKOFF_MAX_MS ? rest : CHILD_BACKOFF_MAX_MS;
}

void child_init(struct child *c, const struct child_limits *limits, uint64_t now_ms)
{
        *c = (struct child){.limits = *limits, .state = CHILD_OFF, .since_ms = now_ms, .timer_ms = CHILD_NEVER};
}

bool child_has_process(const struct child *c)
{
        return c->state != CHILD_OFF && c->state != CHILD_RESTING && c->state != CHILD_WAITING;
}

/* The one place where the state changes. A timer belongs to the state that set it. */
static void set_state(struct child *c, enum child_state state, uint64_t now_ms, uint64_t timer_ms)
{
        if (state != c->state)
                c->since_ms = now_ms;
        c->state = state;
        c->timer_ms = timer_ms;
        if (!child_has_process(c))
                c->at_once = false;
}

/* ---- what actions are made of ---- */

static void begin(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->at_once = false;
        if (c->begun)
                c->restarts++;
        c->begun = true;
        out->spawn = true;
        set_state(c, CHILD_STARTING, in->now_ms, CHILD_NEVER);
}

static void ensure(struct child *c, const struct child_input *in, struct child_effects *out)
{
        out->ensure = true;
        if (c->state != CHILD_WAITING)
                c->patience_ms = in->now_ms + c->limits.ensure_ms;
        set_state(c, CHILD_ENSURING, in->now_ms, in->now_ms + c->limits.ensure_ms);
}

static void end(struct child *c, const struct child_input *in)
{
        c->overdue = false;
        set_state(c, CHILD_OFF, in->now_ms, CHILD_NEVER);
}

static void kill_it(struct child *c, const struct child_input *in, struct child_effects *out)
{
        out->kill = true;
        set_state(c, CHILD_KILLED, in->now_ms, in->now_ms + CHILD_KILL_MS);
}

static uint64_t rest_ms(const struct child *c)
{
        uint64_t rest = child_backoff_ms(c->strikes);
        if (c->overdue && c->strikes <= CHILD_OVERDUE_TRIES && rest > CHILD_BUSY_MS)
                return CHILD_BUSY_MS; /* its stop budget runs (safety.md F6) */
        return rest;
}

/* It ended without being asked: the first time in a row it comes back at once. */
static void rest_or_begin(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (c->state == CHILD_RUNNING && in->now_ms - c->since_ms >= CHILD_WELL_MS)
                c->strikes = 0;
        c->strikes += c->strikes < UINT32_MAX;
        uint64_t rest = rest_ms(c);
        if (rest == 0)
                begin(c, in, out);
        else
                set_state(c, CHILD_RESTING, in->now_ms, in->now_ms + rest);
}

static void tell_stop(struct child *c, const struct child_input *in, struct child_effects *out, enum stop_how how)
{
        uint32_t limit = how == STOP_KEEP ? c->limits.keep_ms : c->limits.release_ms;
        c->how = how;
        out->stop = true;
        out->how = how;
        set_state(c, CHILD_STOPPING, in->now_ms, in->now_ms + limit);
}

/* ---- actions ---- */

static void ignore(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)c;
        (void)in;
        (void)out;
}

static void start(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->wanted = true;
        c->strikes = 0;
        begin(c, in, out);
}

static void want(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)in;
        (void)out;
        c->wanted = true;
        c->at_once = true;
}

/* Whether something is to be stopped now that nobody follows; else it is kept for a successor. */
static bool must_stop(const struct child *c)
{
        return !c->wanted && (c->how == STOP_RELEASE || c->overdue);
}

/* Nothing runs; but what it ran may. */
static void stop_without_process(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->wanted = false;
        c->how = in->how;
        if (in->dirty && must_stop(c))
                ensure(c, in, out);
        else
                end(c, in);
}

static void stop(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->wanted = false;
        tell_stop(c, in, out, in->how);
}

/* A process that is already going: only a change of mind from KEEP to RELEASE needs another word. */
static void stop_again(struct child *c, const struct child_input *in, struct child_effects *out)
{
        bool stronger = c->how == STOP_KEEP && in->how == STOP_RELEASE;
        c->wanted = false;
        if (stronger)
                tell_stop(c, in, out, STOP_RELEASE);
}

static void unwant(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        c->wanted = false;
        c->how = in->how;
}

/* Without a process a KEEP is at its end at once: the successor sees to what is left and not overdue. */
static void unwant_waiting(struct child *c, const struct child_input *in, struct child_effects *out)
{
        unwant(c, in, out);
        if (!must_stop(c))
                end(c, in);
}

static void restart(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->at_once = true;
        c->strikes = 0;
        tell_stop(c, in, out, STOP_KEEP);
}

static void restart_now(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->strikes = 0;
        begin(c, in, out);
}

static void spawned(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        c->since_ms = in->now_ms;
}

/* It could not even be made: no immediate second try. */
static void spawn_failed(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        c->strikes += c->strikes < UINT32_MAX - 1 ? (c->strikes == 0 ? 2 : 1) : 0;
        set_state(c, CHILD_RESTING, in->now_ms, in->now_ms + rest_ms(c));
}

static void spawn_busy(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        set_state(c, CHILD_RESTING, in->now_ms, in->now_ms + CHILD_BUSY_MS);
}

static void ready(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        set_state(c, CHILD_RUNNING, in->now_ms, CHILD_NEVER);
}

static void unready(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)out;
        if (in->now_ms - c->since_ms >= CHILD_WELL_MS)
                c->strikes = 0;
        set_state(c, CHILD_STARTING, in->now_ms, CHILD_NEVER);
}

/* Not at once: what hangs may hang again. The first time, child_backoff_ms() has no rest anyhow. */
static void hung(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (c->state == CHILD_RUNNING && in->now_ms - c->since_ms >= CHILD_WELL_MS)
                c->strikes = 0;
        kill_it(c, in, out);
}

static void overdue(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->at_once = c->overdue = true;
        kill_it(c, in, out);
}

static void overdue_killed(struct child *c, const struct child_input *in, struct child_effects *out)
{
        (void)in;
        (void)out;
        c->at_once = c->overdue = true;
}

static void overdue_resting(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->overdue = true;
        begin(c, in, out);
}

static void exited(struct child *c, const struct child_input *in, struct child_effects *out)
{
        rest_or_begin(c, in, out);
}

/* After a stop or a kill. */
static void gone(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (!c->wanted)
                end(c, in);
        else if (c->at_once)
                begin(c, in, out);
        else
                rest_or_begin(c, in, out);
}

static void gone_dirty(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (must_stop(c))
                ensure(c, in, out);
        else
                gone(c, in, out);
}

static void kill_again(struct child *c, const struct child_input *in, struct child_effects *out)
{
        out->unkilled = true;
        kill_it(c, in, out);
}

static void overdue_off(struct child *c, const struct child_input *in, struct child_effects *out)
{
        c->overdue = true;
        ensure(c, in, out);
}

static void ensured(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (c->wanted)
                begin(c, in, out);
        else
                end(c, in);
}

/* A successor would begin with the same stop; without one, somebody has to know. */
static void not_ensured(struct child *c, const struct child_input *in, struct child_effects *out)
{
        out->left = !c->wanted;
        ensured(c, in, out);
}

/* Whoever has the record, a guard's helper or a worker that is just dying, stops the resource or is gone soon. */
static void ensure_later(struct child *c, const struct child_input *in, struct child_effects *out)
{
        if (in->now_ms >= c->patience_ms)
                not_ensured(c, in, out);
        else
                set_state(c, CHILD_WAITING, in->now_ms, in->now_ms + CHILD_BUSY_MS);
}

/* Stays here: the helper's end is what counts. */
static void kill_helper(struct child *c, const struct child_input *in, struct child_effects *out)
{
        out->kill = true;
        c->timer_ms = in->now_ms + CHILD_KILL_MS;
}

typedef void action_fn(struct child *c, const struct child_input *in, struct child_effects *out);

static action_fn *const actions[CHILD_STATE_MAX][CHILD_EVENT_MAX] = {
        [CHILD_OFF] = {[CHILD_START] = start,
                       [CHILD_STOP] = stop_without_process,
                       [CHILD_RESTART] = ignore,
                       [CHILD_SPAWNED] = ignore,
                       [CHILD_SPAWN_FAILED] = ignore,
                       [CHILD_SPAWN_BUSY] = ignore,
                       [CHILD_READY] = ignore,
                       [CHILD_UNREADY] = ignore,
                       [CHILD_HUNG] = ignore,
                       [CHILD_OVERDUE] = overdue_off,
                       [CHILD_EXITED] = ignore,
                       [CHILD_EXITED_DIRTY] = ignore,
                       [CHILD_TIMER] = ignore},
        [CHILD_RESTING] = {[CHILD_START] = ignore,
                           [CHILD_STOP] = stop_without_process,
                           [CHILD_RESTART] = restart_now,
                           [CHILD_SPAWNED] = ignore,
                           [CHILD_SPAWN_FAILED] = ignore,
                           [CHILD_SPAWN_BUSY] = ignore,
                           [CHILD_READY] = ignore,
                           [CHILD_UNREADY] = ignore,
                           [CHILD_HUNG] = ignore,
                           [CHILD_OVERDUE] = overdue_resting,
                           [CHILD_EXITED] = ignore,
                           [CHILD_EXITED_DIRTY] = ignore,
                           [CHILD_TIMER] = begin},
        [CHILD_STARTING] = {[CHILD_START] = ignore,
                            [CHILD_STOP] = stop,
                            [CHILD_RESTART] = restart,
                            [CHILD_SPAWNED] = spawned,
                            [CHILD_SPAWN_FAILED] = spawn_failed,
                            [CHILD_SPAWN_BUSY] = spawn_busy,
                            [CHILD_READY] = ready,
                            [CHILD_UNREADY] = ignore,
                            [CHILD_HUNG] = hung,
                            [CHILD_OVERDUE] = overdue,
                            [CHILD_EXITED] = exited,
                            [CHILD_EXITED_DIRTY] = exited,
                            [CHILD_TIMER] = ignore},
        [CHILD_RUNNING] = {[CHILD_START] = ignore,
                           [CHILD_STOP] = stop,
                           [CHILD_RESTART] = restart,
                           [CHILD_SPAWNED] = ignore,
                           [CHILD_SPAWN_FAILED] = ignore,
                           [CHILD_SPAWN_BUSY] = ignore,
                           [CHILD_READY] = ignore,
                           [CHILD_UNREADY] = unready,
                           [CHILD_HUNG] = hung,
                           [CHILD_OVERDUE] = overdue,
                           [CHILD_EXITED] = exited,
                           [CHILD_EXITED_DIRTY] = exited,
                           [CHILD_TIMER] = ignore},
        [CHILD_STOPPING] = {[CHILD_START] = want,
                            [CHILD_STOP] = stop_again,
                            [CHILD_RESTART] = ignore,
                            [CHILD_SPAWNED] = ignore,
                            [CHILD_SPAWN_FAILED] = ignore,
                            [CHILD_SPAWN_BUSY] = ignore,
                            [CHILD_READY] = ignore,
                            [CHILD_UNREADY] = ignore,
                            [CHILD_HUNG] = kill_it,
                            [CHILD_OVERDUE] = overdue,
                            [CHILD_EXITED] = gone,
                            [CHILD_EXITED_DIRTY] = gone_dirty,
                            [CHILD_TIMER] = kill_it},
        [CHILD_KILLED] = {[CHILD_START] = want,
                          [CHILD_STOP] = unwant,
                          [CHILD_RESTART] = ignore,
                          [CHILD_SPAWNED] = ignore,
                          [CHILD_SPAWN_FAILED] = ignore,
                          [CHILD_SPAWN_BUSY] = ignore,
                          [CHILD_READY] = ignore,
                          [CHILD_UNREADY] = ignore,
                          [CHILD_HUNG] = ignore,
                          [CHILD_OVERDUE] = overdue_killed,
                          [CHILD_EXITED] = gone,
                          [CHILD_EXITED_DIRTY] = gone_dirty,
                          [CHILD_TIMER] = kill_again},
        [CHILD_ENSURING] = {[CHILD_START] = want,
                            [CHILD_STOP] = unwant,
                            [CHILD_RESTART] = ignore,
                            [CHILD_SPAWNED] = ignore,
                            [CHILD_SPAWN_FAILED] = not_ensured,
                            [CHILD_SPAWN_BUSY] = ensure_later,
                            [CHILD_READY] = ignore,
                            [CHILD_UNREADY] = ignore,
                            [CHILD_HUNG] = ignore,
                            [CHILD_OVERDUE] = ignore,
                            [CHILD_EXITED] = ensured,
                            [CHILD_EXITED_DIRTY] = not_ensured,
                            [CHILD_TIMER] = kill_helper},
        [CHILD_WAITING] = {[CHILD_START] = want,
                           [CHILD_STOP] = unwant_waiting,
                           [CHILD_RESTART] = ignore,
                           [CHILD_SPAWNED] = ignore,
                           [CHILD_SPAWN_FAILED] = ignore,
                           [CHILD_SPAWN_BUSY] = ignore,
                           [CHILD_READY] = ignore,
                           [CHILD_UNREADY] = ignore,
                           [CHILD_HUNG] = ignore,
                           [CHILD_OVERDUE] = ignore,
                           [CHILD_EXITED] = ignore,
                           [CHILD_EXITED_DIRTY] = ignore,
                           [CHILD_TIMER] = ensure},
};

struct child_effects child_step(struct child *c, const struct child_input *in)
{
        struct child_effects out = {.how = STOP_KEEP};
        assert((unsigned)c->state < CHILD_STATE_MAX && (unsigned)in->event < CHILD_EVENT_MAX);
        action_fn *action = actions[c->state][in->event];
        assert(action);
        if (in->event == CHILD_READY || in->event == CHILD_EXITED)
                c->overdue = false; /* it has stopped, or was taken up: the record says so */
        action(c, in, &out);
        assert(!(out.spawn && out.ensure));
        return out;
}
