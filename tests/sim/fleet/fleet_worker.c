/* The model of a worker: what daemon/worker promises, no more. A stop takes as long as it may, a start begins when it
 * is issued, and only a verified stop is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_internal.h"

#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

static void post(struct fleet *f, struct fleet_queue *q, const struct message *m)
{
        uint64_t at = fleet_now(f) + 1 + fleet__below(f, f->o.link_ms);
        assert_true(q->count < FLEET_QUEUE_MAX);
        if (!q->letters)
                q->letters = mem_zalloc(FLEET_QUEUE_MAX * sizeof *q->letters);
        struct fleet_letter *l = &q->letters[q->count];
        /* In order. */
        if (q->count && q->letters[q->count - 1].at_ms > at)
                at = q->letters[q->count - 1].at_ms;
        q->count++;
        l->at_ms = at;
        l->m = *m;
        (void)snprintf(l->text, sizeof l->text, "%.*s", m->text.len < 0 ? 0 : m->text.len,
                       m->text.len < 0 ? "" : (const char *)m->text.data);
        l->m.text = jute_cstr("");
}

/* The first letter that is due. */
static bool fetch(struct fleet *f, struct fleet_queue *q, struct fleet_letter *ret)
{
        if (!q->count || q->letters[0].at_ms > fleet_now(f))
                return false;
        *ret = q->letters[0];
        ret->m.text = jute_cstr(ret->text);
        q->count--;
        memmove(q->letters, q->letters + 1, q->count * sizeof q->letters[0]);
        return true;
}

void fleet__to_worker(struct fleet_worker *w, const struct message *m)
{
        if (w->linked)
                post(w->node->f, &w->to_worker, m);
}

/* ---- what it says ---- */

static void tell(struct fleet_worker *w, const char *text)
{
        struct message m = {.type = MESSAGE_STATE, .fd = -1, .state = w->state};
        m.token = w->held ? w->token : w->token_ended;
        m.text = jute_cstr(text);
        if (w->linked)
                post(w->node->f, &w->to_agent, &m);
}

static void set_state(struct fleet_worker *w, enum worker_state state, const char *text)
{
        w->state = state;
        fleet_say(w->node->f, "node %d group %zu worker %zu: %s %s", w->node->number, w->group, w->index,
                  worker_state_name(state), text);
        tell(w, text);
}

void fleet__link(struct fleet_worker *w)
{
        struct fleet *f = w->node->f;
        struct message m = {.type = MESSAGE_HELLO, .fd = -1, .state = w->state};
        if (!w->alive || !w->node->agent)
                return;
        w->to_worker.count = w->to_agent.count = 0;
        w->linked = true;
        m.token = w->held ? w->token : 0;
        m.budget_ms = (uint32_t)w->budget_ms;
        post(f, &w->to_agent, &m);
}

void fleet__unlink(struct fleet_worker *w)
{
        w->linked = false;
        w->to_worker.count = w->to_agent.count = 0;
}

/* ---- what it does ---- */

static uint64_t took(struct fleet *f, uint32_t ms, uint64_t max_ms)
{
        uint64_t t = ms > max_ms ? max_ms : ms;
        /* Now and then all of it is needed. */
        if (f->o.random && fleet__below(f, 3))
                t = fleet__below(f, (uint32_t)t + 1);
        return t;
}

static void begin_stop(struct fleet_worker *w, uint64_t since_ms, const char *text)
{
        struct fleet *f = w->node->f;
        if (w->stopping)
                return;
        w->stopping = true;
        w->due_ms = since_ms + took(f, f->o.stop_ms, w->budget_ms);
        set_state(w, w->state == WORKER_FAILED ? WORKER_FAILED : WORKER_STOPPING, text);
}

static void at_rest(struct fleet_worker *w)
{
        w->running = w->stopping = false;
        if (w->held && w->token > w->token_ended)
                w->token_ended = w->token;
        w->held = false;
        set_state(w, WORKER_STOPPED, "");
}

static void on_grant(struct fleet_worker *w, const struct message *m)
{
        struct fleet *f = w->node->f;
        uint64_t now = fleet_node_now(w->node);
        if (w->held && m->token == w->token) {
                if (!w->stopping && m->deadline_ms > w->deadline_ms)
                        w->deadline_ms = m->deadline_ms;
                return;
        }
        if (w->held || w->state != WORKER_STOPPED || m->token <= w->token_ended || now >= m->deadline_ms) {
                tell(w, "not taken");
                return;
        }
        if (m->token < f->token_max[w->group])
                fleet_fail(f, "F3: a token that is not greater than one before");
        f->token_max[w->group] = m->token;
        w->held = w->running = true;
        w->token = m->token;
        w->deadline_ms = m->deadline_ms;
        w->budget_ms = m->budget_ms;
        w->due_ms = now + took(f, f->o.start_ms, UINT32_MAX);
        w->starts++;
        set_state(w, WORKER_STARTING, "");
}

static void on_revoke(struct fleet_worker *w, const struct message *m)
{
        uint64_t now = fleet_node_now(w->node);
        if (!w->held && m->token > w->token_ended)
                w->token_ended = m->token;
        if (w->held && m->token >= w->token)
                begin_stop(w, now < w->deadline_ms ? now : w->deadline_ms, "revoked");
        else
                tell(w, "");
}

static void work(struct fleet_worker *w)
{
        uint64_t now = fleet_node_now(w->node);
        if (w->held && !w->stopping && now >= w->deadline_ms)
                begin_stop(w, w->deadline_ms, "its grant has run out");
        if (w->stopping && now >= w->due_ms) {
                at_rest(w);
        } else if (!w->stopping && w->state == WORKER_STARTING && now >= w->due_ms) {
                if (w->failures) {
                        w->failures--;
                        set_state(w, WORKER_FAILED, "activate failed");
                        begin_stop(w, now, "");
                } else {
                        set_state(w, WORKER_ACTIVE, "");
                }
        }
}

/* A fresh process: a grant that still holds is taken up, else its first act is a stop. */
static void born(struct fleet_worker *w)
{
        uint64_t now = fleet_node_now(w->node);
        w->alive = true;
        w->stopping = false;
        if (w->held && now < w->deadline_ms && w->running) {
                w->state = WORKER_STARTING;
                w->due_ms = now + 10;
        } else {
                w->held = false;
                w->stopping = true;
                w->state = WORKER_OPENING;
                w->due_ms = now + (w->running ? 20 : 0);
        }
        fleet__link(w);
}

void fleet__worker_init(struct fleet_worker *w)
{
        w->budget_ms = w->node->f->o.stop_budget_ms ? w->node->f->o.stop_budget_ms : 1000;
        w->running = w->held = false;
        w->to_agent.count = w->to_worker.count = 0;
        born(w);
}

void fleet_worker_kill(struct fleet *f, int number, size_t group, size_t worker, uint64_t ms)
{
        struct fleet_worker *w = &fleet_node(f, number)->groups[group].workers[worker];
        if (!w->alive)
                return;
        fleet_say(f, "node %d group %zu worker %zu: killed", number, group, worker);
        w->alive = false;
        w->fence_ms = w->deadline_ms + w->budget_ms;
        if (w->stopping && w->due_ms < w->fence_ms)
                w->fence_ms = w->due_ms;
        w->restart_ms = fleet_now(f) + ms;
        fleet__unlink(w);
        if (w->node->agent)
                group_worker_gone(w->node->groups[group].g, worker);
}

void fleet__worker_done(struct fleet_worker *w)
{
        mem_free(w->to_worker.letters);
        mem_free(w->to_agent.letters);
        w->to_worker = w->to_agent = (struct fleet_queue){.count = 0};
}

void fleet__worker_turn(struct fleet_worker *w)
{
        struct fleet *f = w->node->f;
        struct fleet_letter l;
        if (!w->alive) {
                if (w->running && fleet_node_now(w->node) >= w->fence_ms)
                        w->running = w->held = false; /* the supervisor's part */
                if (fleet_now(f) >= w->restart_ms)
                        born(w);
                return;
        }
        while (fetch(f, &w->to_worker, &l)) {
                if (l.m.type == MESSAGE_GRANT)
                        on_grant(w, &l.m);
                else
                        on_revoke(w, &l.m);
        }
        work(w);
}

bool fleet__from_worker(struct fleet_worker *w, struct fleet_letter *ret)
{
        return fetch(w->node->f, &w->to_agent, ret);
}
