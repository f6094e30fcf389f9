/* The stop: ask, then kill, then look, and never believe what was not seen.
 *
 * Of a budget of B, the last half (at most KILL_SHARE_MAX_MS of it) is kept for SIGKILL. Before that the units are
 * asked to stop one after the other, in reverse order, each after the next one's stop is verified. From then on all are
 * asked and killed at once, every KILL_EVERY_MS anew: after one command of the unit was killed systemd may start the
 * next one (ExecStopPost). Where systemd does not do it, the kernel is told to kill the control group that was seen
 * last. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Between two rounds of SIGKILL. */
#define KILL_EVERY_MS 100
/* What one call may take before, at most. */
#define CALL_MAX_MS 1000
/* What one call may take while killing, before the kernel is told instead. */
#define KILL_CALL_MS 100
/* How long to wait for a signal before all is looked at again. */
#define LOOK_MS 250
/* The same, while processes are left although the unit is at rest: no signal tells of their end. */
#define LINGER_MS 10
/* A job that was asked for and has gone while the unit still runs is asked for again after this. */
#define ASK_AGAIN_MS 500
/* Kept at the end for saying what went wrong. */
#define LAST_WORD_MS 20

struct stop {
        struct unit_set *set;
        uint64_t kill_at_ms, end_ms, next_kill_ms, asked_ms[UNIT_UNITS_MAX];
        bool killing, deaf; /* deaf: systemd has not answered in this round */
        bool said_killed;
        bool lingers; /* something was at rest with processes left */
};

static struct unit_wait wait_until(const struct stop *t, uint64_t until_ms)
{
        return (struct unit_wait){.until_ms = until_ms < t->end_ms ? until_ms : t->end_ms, .cancel_fd = -1};
}

/* One call: it must leave time for another way to systemd, and for SIGKILL. */
static struct unit_wait call_wait(const struct stop *t)
{
        uint64_t now = unit__now_ms(), share = t->killing || t->kill_at_ms <= now ? 0 : (t->kill_at_ms - now) / 2;
        return wait_until(t, now + (share < KILL_CALL_MS ? KILL_CALL_MS : share > CALL_MAX_MS ? CALL_MAX_MS : share));
}

/* A call has failed. Where systemd is away, or not to be heard, nothing else is asked in this round. */
static void note_failure(struct stop *t, int r)
{
        if (r == -ETIMEDOUT)
                unit__bus_distrust(t->set->bus);
        t->deaf |= r == -ETIMEDOUT || r == -ENOTCONN;
}

static bool populated(struct unit_set *s, const struct unit *u)
{
        if (!u->cgroup[0])
                return false;
        int r = unit__cgroup_populated(&s->cgroups, u->cgroup);
        return r != 0; /* what can't be told counts as alive */
}

/* Reads the unit and sees whether it has stopped. */
static bool verify(struct stop *t, struct unit *u)
{
        if (t->deaf || !unit__bus_ready(t->set->bus))
                return false;
        struct unit_wait w = call_wait(t);
        int r = u->dirty || !u->known || unit__rules_at_rest(&u->facts) ? unit__set_read(t->set, u, &w) : 0;
        if (r < 0) {
                note_failure(t, r);
                return false;
        }
        if (!unit__rules_at_rest(&u->facts))
                return false;
        bool left = populated(t->set, u);
        t->lingers |= left;
        return !left;
}

/* Asks for the stop, once, and again when it came to nothing. */
static void ask(struct stop *t, size_t i)
{
        struct unit *u = &t->set->units[i];
        uint64_t now = unit__now_ms();
        if (t->deaf || !unit__bus_ready(t->set->bus) || (u->known && unit__rules_at_rest(&u->facts)))
                return;
        bool idle = u->known && u->facts.job == 0 && strcmp(u->facts.active_state, "deactivating") != 0;
        if (t->asked_ms[i] && !(idle && now >= t->asked_ms[i] + ASK_AGAIN_MS))
                return;
        struct unit_wait w = call_wait(t);
        int r = unit__bus_call(t->set->bus, &w, NULL, "StopUnit", u->name, "replace", NULL);
        note_failure(t, r);
        if (r == 0 || r == -ENOENT) {
                t->asked_ms[i] = now;
        } else if (!t->deaf && !t->asked_ms[i]) {
                t->asked_ms[i] = now;
                unit__say(t->set, BATON_LOG_WARNING, "%s: systemd does not take the stop: %s%s", u->name,
                          unit__bus_why(t->set->bus),
                          r == -EACCES ? " (a polkit rule must allow it, see baton's documentation of the plugin unit)"
                                       : "");
        }
        u->dirty = true;
}

/* SIGKILL to all of the unit, by systemd if it answers, and by ourselves if not. */
static void kill_unit(struct stop *t, struct unit *u)
{
        struct unit_set *s = t->set;
        int r = -ENOTCONN;
        bool alive = populated(s, u);
        if (!t->deaf && unit__bus_ready(s->bus)) {
                struct unit_wait w = call_wait(t);
                r = unit__bus_kill(s->bus, &w, u->name, SIGKILL);
                note_failure(t, r);
        }
        u->dirty = true;
        if (alive && r < 0) {
                int k = unit__cgroup_kill(&s->cgroups, u->cgroup);
                if (k < 0 && !t->said_killed)
                        unit__say(s, BATON_LOG_WARNING, "%s: its control group %s can't be killed: %s", u->name,
                                  u->cgroup, strerror(-k));
        }
        if (alive && !t->said_killed)
                unit__say(s, BATON_LOG_WARNING, "%s has not stopped in time: killing it%s", u->name,
                          r < 0 ? " without systemd, which does not answer or does not do it" : "");
}

static void kill_round(struct stop *t)
{
        if (unit__now_ms() < t->next_kill_ms)
                return;
        for (size_t i = t->set->count; i-- > 0;)
                if (!t->set->units[i].stopped)
                        kill_unit(t, &t->set->units[i]);
        t->said_killed = true;
        t->next_kill_ms = unit__now_ms() + KILL_EVERY_MS;
}

/* One look at all, from the last to the first. Returns whether all have stopped. */
static bool look(struct stop *t)
{
        bool all = true;
        t->lingers = false;
        for (size_t i = t->set->count; i-- > 0;) {
                struct unit *u = &t->set->units[i];
                u->stopped = verify(t, u);
                if (u->stopped)
                        continue;
                all = false;
                ask(t, i);
                if (!t->killing)
                        break; /* those before it have their turn later */
        }
        if (!all && t->killing)
                kill_round(t);
        return all;
}

/* Until something has changed, or it is time for the next thing. */
static void rest(struct stop *t)
{
        uint64_t now = unit__now_ms(), until = now + (t->lingers ? LINGER_MS : LOOK_MS);
        uint64_t next = t->killing ? t->next_kill_ms : t->kill_at_ms;
        struct unit_wait w = wait_until(t, until < next ? until : next);
        if (unit__bus_ready(t->set->bus) && !t->deaf) {
                int r = unit__bus_wait(t->set->bus, &w);
                if (r == -ETIMEDOUT)
                        for (size_t i = 0; i < t->set->count; i++)
                                t->set->units[i].dirty = true;
                return;
        }
        /* Systemd or the bus is away. Being connected again takes what is left of this while. */
        w = wait_until(t, t->killing ? now + KILL_EVERY_MS : next);
        if (t->deaf && unit__bus_ready(t->set->bus)) {
                struct unit_wait pause = unit__wait_within(&w, LINGER_MS);
                (void)unit__nap(&pause);
        }
        if (unit__set_ensure(t->set, &w) == 0)
                t->deaf = false;
}

static int give_up(struct stop *t)
{
        for (size_t i = t->set->count; i-- > 0;) {
                const struct unit *u = &t->set->units[i];
                if (u->stopped)
                        continue;
                unit__say(t->set, BATON_LOG_ERROR, "%s has not surely stopped within the budget: %s%s", u->name,
                          t->deaf || !u->known ? "systemd does not answer" : u->facts.active_state,
                          populated(t->set, u) ? ", and processes of it are left in its control group" : "");
        }
        return -ETIMEDOUT;
}

int unit__stop(struct unit_set *s, uint32_t budget_ms)
{
        uint64_t now = unit__now_ms();
        uint32_t last = budget_ms > 10 * LAST_WORD_MS ? LAST_WORD_MS : 0;
        struct stop t = {.set = s,
                         .kill_at_ms = now + budget_ms - unit__rules_kill_share_ms(budget_ms),
                         .end_ms = now + budget_ms - last};
        s->mode = UNIT_UNSURE;
        for (size_t i = 0; i < s->count; i++) {
                s->units[i].dirty = true;
                s->units[i].stopped = false;
        }
        do {
                if (!t.killing && unit__now_ms() >= t.kill_at_ms)
                        t.killing = true;
                if (!unit__bus_ready(s->bus) && !t.killing) {
                        struct unit_wait w = call_wait(&t);
                        (void)unit__set_ensure(s, &w); /* what is known counts, not whether this worked */
                }
                if (look(&t))
                        return 0;
                rest(&t);
        } while (unit__now_ms() < t.end_ms);
        return give_up(&t);
}
