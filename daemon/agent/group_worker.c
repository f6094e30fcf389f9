/* The conversations with the workers of the group: who is told of the grant and when, and what counts as stopped.
 *
 * A GRANT and a worker's own words can cross on the link. So a worker that was given a grant counts as active from the
 * sending on, and its STOPPED counts only when it names that grant's token, or when it has spoken of the token before:
 * then it had the GRANT when it said so. STOPPED is final: it does not run again without another GRANT. */
#include "daemon/agent/group_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what they say ---- */

static void on_hello(struct group *g, struct worker *w, const struct message *m)
{
        int64_t given = w->given;
        struct name name = w->name;
        *w = (struct worker){.name = name, .given = given, .here = true};
        w->restarted = given != 0 && m->state == WORKER_STOPPED;
        w->state = m->state;
        w->budget_ms = m->budget_ms;
        w->token = m->token;
        w->granted = w->acknowledged = m->token != 0 && m->state != WORKER_STOPPED;
        if (m->token)
                w->given = m->token;
        group__log(g, LOG_LEVEL_DEBUG, GROUP_EVENT_ACTIVE, "worker %s is here: %s, token %" PRId64, w->name.text,
                   worker_state_name(w->state), w->token);
}

static void on_state(struct group *g, struct worker *w, const struct message *m)
{
        if (w->granted) {
                /* A grant that is answered so has been over there already, and was not taken. */
                w->refused = !w->acknowledged && m->token == w->token && m->state == WORKER_STOPPED;
                if (m->token == w->token)
                        w->acknowledged = true;
                else if (!w->acknowledged || m->token != 0)
                        return; /* said before the GRANT reached it: F8 */
        }
        w->state = m->state;
        if (m->state == WORKER_STOPPED)
                w->granted = false;
        if (m->state == WORKER_FAILED && w->granted && g->grant.held && w->token == g->grant.token) {
                struct jute_str text = m->text;
                group__give_up(g, group__now(g), REVOKE_FAILED, "%s: %.*s", w->name.text, text.len < 0 ? 0 : text.len,
                               text.len < 0 ? "" : (const char *)text.data);
        }
}

void group_worker_message(struct group *g, size_t worker, const struct message *m)
{
        if (worker >= g->worker_count || g->kept)
                return;
        struct worker *w = &g->workers[worker];
        if (m->type == MESSAGE_HELLO)
                on_hello(g, w, m);
        else if (!w->here)
                return; /* a link begins with HELLO */
        else if (m->type == MESSAGE_STATE)
                on_state(g, w, m);
        else if (m->type == MESSAGE_HEALTH)
                w->health = m->health;
        else
                return;
        group__think(g);
}

void group_worker_gone(struct group *g, size_t worker)
{
        if (worker >= g->worker_count || g->kept)
                return;
        struct worker *w = &g->workers[worker];
        if (w->here)
                w->away_ms = group__now(g);
        w->here = false;
        w->state = WORKER_OPENING;
        group__think(g);
}

/* ---- what they are told ---- */

static void send_grant(struct group *g, struct worker *w)
{
        struct message m = {.type = MESSAGE_GRANT, .fd = -1};
        const struct grant *grant = &g->grant;
        m.group = g->settings.name;
        m.token = grant->token;
        m.deadline_ms = grant->deadline_ms;
        m.lease_ms = grant->lease_ms;
        m.budget_ms = grant->budget_ms;
        if (!w->granted) {
                w->granted = true;
                w->acknowledged = w->revoked = w->refused = false;
                w->token = w->given = grant->token;
                w->state = WORKER_STARTING;
        }
        w->told_ms = grant->deadline_ms;
        g->host->send(g->ctx, g, (size_t)(w - g->workers), &m);
}

static void send_revoke(struct group *g, struct worker *w, enum revoke_reason why, const char *reason)
{
        struct message m = {.type = MESSAGE_REVOKE, .fd = -1};
        m.group = g->settings.name;
        m.token = w->token;
        m.reason = why;
        m.text = jute_cstr(reason);
        w->revoked = true;
        g->host->send(g->ctx, g, (size_t)(w - g->workers), &m);
}

static bool has_present_grant(const struct group *g, const struct worker *w)
{
        return g->grant.held && w->granted && w->token == g->grant.token;
}

/* Whoever speaks of a grant that is not the present one has to stop. What the present one is, is known only after
 * `active` was read in this session; before that, its own deadline keeps the worker. */
static void revoke_strangers(struct group *g)
{
        bool known = g->grant.held || (g->seen && g->fresh);
        if (!known && !g->ending)
                return;
        for (size_t i = 0; i < g->worker_count; i++) {
                struct worker *w = &g->workers[i];
                if (w->here && w->granted && !w->revoked && !has_present_grant(g, w))
                        send_revoke(g, w, known ? REVOKE_LOST : REVOKE_ENDING,
                                    known ? "its grant is not the present one" : "this node stops");
        }
}

/* To all that have it and are to keep it. */
static void pass_on_renewal(struct group *g)
{
        for (size_t i = 0; i < g->worker_count; i++) {
                struct worker *w = &g->workers[i];
                if (w->here && has_present_grant(g, w) && !w->revoked && w->told_ms < g->grant.deadline_ms)
                        send_grant(g, w);
        }
}

/* One after the other, in the order of sections. */
static void grant_all(struct group *g)
{
        bool all_active = true;
        for (size_t i = 0; i < g->worker_count; i++) {
                struct worker *w = &g->workers[i];
                if (all_active && w->here && w->state == WORKER_STOPPED && !w->granted)
                        send_grant(g, w);
                all_active = all_active && w->here && w->state == WORKER_ACTIVE && has_present_grant(g, w);
        }
}

/* In reverse order; all at once when the grant is gone, for then all of them have to be quick. */
static void revoke_all(struct group *g)
{
        for (size_t i = g->worker_count; i > 0; i--) {
                struct worker *w = &g->workers[i - 1];
                if (w->here && w->granted && !w->revoked)
                        send_revoke(g, w, g->grant.why, g->grant.reason);
                bool stopped = w->here && w->state == WORKER_STOPPED && !w->granted;
                if (!stopped && !g->grant.lost)
                        return;
        }
}

/* A worker that had the grant and has it no more, or is away for long: the group cannot be kept as it is. */
static void look_after(struct group *g, uint64_t now_ms)
{
        for (size_t i = 0; i < g->worker_count && !g->grant.stopping; i++) {
                const struct worker *w = &g->workers[i];
                if (!w->here) {
                        if (now_ms >= w->away_ms + GROUP_WORKER_AWAY_MS)
                                group__give_up(g, now_ms, REVOKE_FAILED, "worker %s does not come back", w->name.text);
                        else
                                group__wake(g, w->away_ms + GROUP_WORKER_AWAY_MS);
                } else if (w->given == g->grant.token && !w->granted && w->state == WORKER_STOPPED) {
                        /* Its deadline passed, for no renewal reached it in time; or its process was lost, and the
                         * grant with it. The others may depend on it: all begin anew, with another grant. */
                        if (w->refused || (w->told_ms <= now_ms && !w->restarted))
                                group__lose(g, now_ms, "worker %s was not told of a renewal in time", w->name.text);
                        else
                                group__give_up(g, now_ms, REVOKE_FAILED, "worker %s has stopped by itself",
                                               w->name.text);
                }
        }
}

void group__workers_due(struct group *g, uint64_t now_ms)
{
        struct grant *grant = &g->grant;
        revoke_strangers(g);
        if (!grant->held)
                return;
        if (!grant->stopping)
                look_after(g, now_ms);
        if (grant->stopping)
                revoke_all(g);
        if (grant->lost || grant->deadline_ms <= now_ms)
                return;
        pass_on_renewal(g);
        if (!grant->stopping)
                grant_all(g);
        if (!grant->active_ms && group__workers_active(g)) {
                grant->active_ms = now_ms;
                group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_ACTIVE, "active, token %" PRId64, grant->token);
        }
}

/* ---- what counts ---- */

bool group__workers_stopped(const struct group *g)
{
        for (size_t i = 0; i < g->worker_count; i++) {
                const struct worker *w = &g->workers[i];
                if (!w->here || w->state != WORKER_STOPPED || w->granted)
                        return false;
        }
        return true;
}

bool group__workers_active(const struct group *g)
{
        for (size_t i = 0; i < g->worker_count; i++)
                if (!g->workers[i].here || g->workers[i].state != WORKER_ACTIVE ||
                    !has_present_grant(g, &g->workers[i]))
                        return false;
        return true;
}

bool group__workers_ready(const struct group *g)
{
        for (size_t i = 0; i < g->worker_count; i++) {
                const struct worker *w = &g->workers[i];
                if (!w->here || (!has_present_grant(g, w) && (w->state != WORKER_STOPPED || w->granted)))
                        return false;
        }
        return true;
}

enum worker_state group_worker_state(const struct group *g, size_t worker)
{
        return worker < g->worker_count ? g->workers[worker].state : WORKER_OPENING;
}
