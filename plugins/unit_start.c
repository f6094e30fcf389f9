/* The start of one unit: a job, and waiting until the unit is what the job was for. That the job has gone is not
 * enough, and that its end was not told is no failure. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While a job is waited for, the unit is read this often although nothing was told. */
#define LOOK_JOB_MS 1000
/* Between attempts while systemd is between two lives. */
#define AWAY_MS 20
/* What taking a start back may take. */
#define TAKE_BACK_MS 500

static bool may_start(const struct unit_set *s)
{
        return s->host->deadline(s->host->context) > unit__now_ms();
}

/* Issues the start job. */
static int issue(struct unit_set *s, struct unit *u, const struct unit_wait *w, char **ret_job)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        if (!strcmp(u->facts.active_state, "failed")) {
                struct unit_wait short_wait = unit__wait_within(w, LOOK_JOB_MS);
                (void)unit__bus_call(s->bus, &short_wait, NULL, "ResetFailedUnit", u->name,
                                     NULL); /* a limit of starts: helps or not */
        }
        if (!may_start(s)) {
                unit__say(s, BATON_LOG_INFO, "%s is not started: the grant has run out", u->name);
                return -ECANCELED;
        }
        int r = unit__bus_call(s->bus, w, &reply, "StartUnit", u->name, "replace", NULL);
        const char *job;
        if (r == 0 && sd_bus_message_read(reply, "o", &job) >= 0) {
                free(*ret_job);
                *ret_job = unit__copy(job);
        }
        if (r == -EREMOTEIO || r == -EACCES || r == -ENOENT)
                unit__say(s, BATON_LOG_ERROR, "%s can't be started: %s%s", u->name, unit__bus_why(s->bus),
                          r == -EACCES ? " (a polkit rule must allow it, see baton's documentation of the plugin unit)"
                                       : "");
        u->dirty = true;
        return r;
}

/* What the facts say of a start. 1: it runs; 0: not yet; -errno. `job`: the one issued, NULL before. */
static int judge_start(struct unit_set *s, const struct unit *u, const char *job)
{
        char why[UNIT_WHY_MAX];
        if (unit__rules_runs(&u->facts) && u->facts.job == 0)
                return 1;
        if (!job || !unit__rules_at_rest(&u->facts))
                return 0;
        bool told = u->ended_job && !strcmp(u->ended_job, job);
        (void)unit__rules_health(&u->facts, why);
        unit__say(s, BATON_LOG_ERROR, "%s%s%s%s", why, told ? " (its start job ended with \"" : "",
                  told ? u->ended_result : "", told ? "\")" : "");
        unit__tell(s, BATON_HEALTH_BAD, why);
        return -EIO;
}

/* Waits for something to change; without a change, for what is read anyway. */
static int await_change(struct unit_set *s, struct unit *u, const struct unit_wait *w)
{
        struct unit_wait one = unit__wait_within(w, LOOK_JOB_MS);
        int r = u->dirty ? 0 : unit__bus_wait(s->bus, &one);
        if (r == -ETIMEDOUT)
                u->dirty = true;
        return r == -ECANCELED ? r : 0;
}

static int start_loop(struct unit_set *s, struct unit *u, const struct unit_wait *w, char **job)
{
        for (;;) {
                int r = unit__set_ensure(s, w);
                if (r == 0 && (u->dirty || !u->known))
                        r = unit__set_read(s, u, w);
                if (r == 0)
                        r = judge_start(s, u, *job);
                if (r == 1)
                        return 0;
                if (r == 0 && !*job)
                        r = issue(s, u, w, job);
                if (r == 0)
                        r = await_change(s, u, w);
                if (r == -ENOTCONN) {
                        struct unit_wait pause = unit__wait_within(w, AWAY_MS);
                        r = unit__nap(&pause) == -ECANCELED ? -ECANCELED : 0;
                }
                if (r < 0)
                        return r;
                if (unit__now_ms() >= w->until_ms)
                        return -ETIMEDOUT;
        }
}

/* Takes back a start that nobody wants any more. What is left of it the deactivate that follows sees to. */
static void take_back(struct unit_set *s, struct unit *u)
{
        struct unit_wait w = {.until_ms = unit__now_ms() + TAKE_BACK_MS, .cancel_fd = -1};
        (void)unit__bus_call(s->bus, &w, NULL, "StopUnit", u->name, "replace",
                             NULL); /* in vain: deactivate does it again */
}

int unit__start(struct unit_set *s, struct unit *u)
{
        char *job = NULL, why[UNIT_WHY_MAX];
        struct unit_wait w = unit__within(s, s->start_timeout_ms);
        int r = 0;
        if (!unit__rules_runs(&u->facts) || u->facts.job) {
                int refused = unit__set_refuse(s, u, &w, why);
                if (refused == 1) {
                        unit__say(s, BATON_LOG_ERROR, "%s", why);
                        unit__tell(s, BATON_HEALTH_BAD, why);
                        return -EPERM;
                }
                r = start_loop(s, u, &w, &job);
        }
        if (r == -ETIMEDOUT) {
                (void)snprintf(why, sizeof why, "%s did not become active within %u ms: it is %s (%s)", u->name,
                               s->start_timeout_ms, u->facts.active_state, u->facts.sub_state);
                unit__say(s, BATON_LOG_ERROR, "%s", why);
                unit__tell(s, BATON_HEALTH_BAD, why);
        }
        if (r < 0 && job)
                take_back(s, u);
        free(job);
        u->restarts_base = u->restarts_seen = u->facts.restarts;
        return r;
}
