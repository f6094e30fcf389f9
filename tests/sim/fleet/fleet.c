#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_PPM  100000
#define SETTLE_MS 10000

uint32_t fleet__below(struct fleet *f, uint32_t n)
{
        return n ? (uint32_t)(prng_next(&f->prng) % n) : 0;
}

uint64_t fleet_now(const struct fleet *f)
{
        return world_now(f->s.w);
}

uint64_t fleet_node_now(const struct fleet_node *n)
{
        int64_t now = (int64_t)fleet_now(n->f);
        return (uint64_t)(n->offset_ms + now + now * n->rate_ppm / 1000000);
}

struct fleet_node *fleet_node(struct fleet *f, int number)
{
        return &f->nodes[number - 1];
}

/* ---- the story ---- */

void fleet_say(struct fleet *f, const char *format, ...)
{
        char line[LOG_LINE_MAX + 64];
        va_list args;
        int len = snprintf(line, sizeof line, "[%" PRIu64 "] ", fleet_now(f));
        va_start(args, format);
        len += vsnprintf(line + len, sizeof line - (size_t)len, format, args);
        va_end(args);
        if (f->story_len + (size_t)len + 2 > FLEET_STORY_BYTES)
                f->story_len = 0; /* what is old is of no use */
        f->story_len += (size_t)snprintf(f->story + f->story_len, FLEET_STORY_BYTES - f->story_len, "%s\n", line);
}

void fleet_fail(struct fleet *f, const char *why)
{
        size_t tail = f->story_len > 12000 ? f->story_len - 12000 : 0;
        (void)fputs(f->story + tail, stderr); /* longer than what cmocka prints */
        print_error("BATON_SEED=%" PRIu64 " repeats this\n[%" PRIu64 "] %s\n", f->o.seed, fleet_now(f), why);
        fail();
        __builtin_unreachable();
}

bool fleet_told(const struct fleet *f, const char *text)
{
        return strstr(f->story, text) != NULL;
}

/* ---- the host of a group ---- */

static uint64_t host_now(void *ctx)
{
        const struct fleet_group *fg = ctx;
        return fleet_node_now(fg->node);
}

static struct client *host_client(void *ctx)
{
        const struct fleet_group *fg = ctx;
        return fg->node->agent->c;
}

static bool host_member(void *ctx, const char *name, struct group_member *ret)
{
        struct fleet_group *fg = ctx;
        struct fleet *f = fg->node->f;
        int number = strncmp(name, "node", 4) == 0 ? (int)strtol(name + 4, NULL, 10) : 0;
        if (number < 1 || number > f->o.nodes)
                return false;
        const struct fleet_node *n = fleet_node(f, number);
        *ret = (struct group_member){.role = world_leader(f->s.w) == number ? ROLE_LEADING : ROLE_FOLLOWING,
                                     .czxid = n->czxid};
        (void)snprintf(ret->instance, sizeof ret->instance, "instance-%d", f->o.copies ? 1 : number);
        (void)snprintf(ret->boot_id, sizeof ret->boot_id, "%s", n->shown_boot);
        return true;
}

static void host_send(void *ctx, struct group *g, size_t worker, const struct message *m)
{
        struct fleet_group *fg = ctx;
        (void)g;
        if (m->type == MESSAGE_GRANT && m->token > fg->node->f->token_seen)
                fg->node->f->token_seen = m->token;
        fleet__to_worker(&fg->workers[worker], m);
}

static void host_changed(void *ctx, struct group *g)
{
        struct fleet_group *fg = ctx;
        struct group_status st;
        group_status(g, &st);
        fleet_say(fg->node->f, "node %d %s: is %s, holder %s %s, token %" PRId64, fg->node->number, group_name(g),
                  group_state_name(st.state), st.holder, st.holder_state, st.token);
}

static void host_log(void *ctx, struct group *g, enum log_level level, enum group_event event, const char *text)
{
        struct fleet_group *fg = ctx;
        (void)level;
        if (event == GROUP_EVENT_TAKEN)
                fg->node->f->takes[fg->index]++;
        fleet_say(fg->node->f, "node %d %s: (%s) %s", fg->node->number, group_name(g), group_event_name(event), text);
}

static void host_ended(void *ctx, struct group *g)
{
        struct fleet_group *fg = ctx;
        fg->ended = true;
        fleet_say(fg->node->f, "node %d %s: ended", fg->node->number, group_name(g));
}

static const struct group_host host = {
        .now_ms = host_now,
        .client = host_client,
        .member = host_member,
        .send = host_send,
        .changed = host_changed,
        .log = host_log,
        .ended = host_ended,
};

/* ---- an agent ---- */

static void on_state(struct patron *p, enum client_state state)
{
        struct fleet_node *n = p->ctx;
        struct fleet *f = n->f;
        if (!n->agent || n->agent != p)
                return; /* it is being started or killed */
        fleet_say(f, "node %d: session %s", n->number, client_state_name(state));
        if (state == CLIENT_CONNECTED) { /* the member znode is made first */
                n->czxid = f->token_seen + 1;
                (void)snprintf(n->shown_boot, sizeof n->shown_boot, "boot-%d-%d", n->number, n->boot);
        }
        if (state == CLIENT_CONNECTED || state == CLIENT_RESUMED)
                client_session(p->c, &n->saved);
        for (size_t i = 0; i < f->o.groups; i++)
                group_session(n->groups[i].g, state);
        if (state == CLIENT_EXPIRED)
                client_start(p->c, fleet_node_now(n), &p->fx);
}

static void group_begin(struct fleet_node *n, size_t index)
{
        static const char *const names[FLEET_GROUPS_MAX] = {"web", "db"};
        struct fleet *f = n->f;
        struct fleet_group *fg = &n->groups[index];
        struct node_group settings = {.policy = f->o.policy,
                                      .priority = f->o.priority[n->number - 1],
                                      .stop_budget_ms = f->o.stop_budget_ms,
                                      .failback_ms = f->o.failback_ms,
                                      .backoff_ms = f->o.backoff_ms};
        struct name workers[FLEET_WORKERS_MAX];
        struct group_config config = {.settings = &settings,
                                      .rate_ppm = RATE_PPM,
                                      .workers = workers,
                                      .worker_count = f->o.workers,
                                      .host = &host,
                                      .ctx = fg};
        (void)snprintf(settings.name.text, sizeof settings.name.text, "%s", names[index]);
        (void)snprintf(config.node.text, sizeof config.node.text, "node%d", n->number);
        (void)snprintf(config.instance, sizeof config.instance, "instance-%d", f->o.copies ? 1 : n->number);
        (void)snprintf(config.boot_id, sizeof config.boot_id, "boot-%d-%d", n->number, n->boot);
        for (size_t i = 0; i < f->o.workers; i++)
                (void)snprintf(workers[i].text, sizeof workers[i].text, "w%zu", i);
        fg->ended = false;
        assert_int_equal(group_new(&config, &fg->g), 0);
}

void fleet_agent_start(struct fleet *f, int number, bool resume)
{
        struct fleet_node *n = fleet_node(f, number);
        assert_null(n->agent);
        fleet_say(f, "node %d: agent starts", number);
        n->paused = false;
        n->agent = scene_add_skewed(&f->s, 0, resume && n->saved.id ? &n->saved : NULL, n->offset_ms, n->rate_ppm);
        n->agent->on_state = on_state;
        n->agent->ctx = n;
        n->agent->cut = n->cut;
        for (size_t i = 0; i < f->o.groups; i++) {
                group_begin(n, i);
                for (size_t k = 0; k < f->o.workers; k++)
                        fleet__link(&n->groups[i].workers[k]);
        }
}

void fleet_agent_kill(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        struct patron *p = n->agent;
        if (!p)
                return;
        fleet_say(f, "node %d: agent killed", number);
        client_session(p->c, &n->saved);
        for (size_t i = 0; i < f->o.groups; i++) {
                group_free(n->groups[i].g);
                n->groups[i].g = NULL;
                for (size_t k = 0; k < f->o.workers; k++)
                        fleet__unlink(&n->groups[i].workers[k]);
        }
        n->agent = NULL;
        scene_kill_client(p);
}

void fleet_agent_pause(struct fleet *f, int number, bool paused)
{
        struct fleet_node *n = fleet_node(f, number);
        fleet_say(f, "node %d: agent %s", number, paused ? "stands still" : "goes on");
        n->paused = paused;
        if (n->agent)
                n->agent->stopped = paused;
}

void fleet_agent_stop(struct fleet *f, int number, enum stop_how how)
{
        struct fleet_node *n = fleet_node(f, number);
        fleet_say(f, "node %d: agent is to stop", number);
        for (size_t i = 0; i < f->o.groups; i++)
                group_stop(n->groups[i].g, how);
}

bool fleet_agent_ended(struct fleet *f, int number)
{
        for (size_t i = 0; i < f->o.groups; i++)
                if (!fleet_node(f, number)->groups[i].ended)
                        return false;
        return true;
}

/* ---- the machine ---- */

void fleet_cut_agent(struct fleet *f, int number, bool cut)
{
        struct fleet_node *n = fleet_node(f, number);
        fleet_say(f, "node %d: the agent's cable is %s", number, cut ? "cut" : "mended");
        n->cut = cut;
        if (n->agent) {
                n->agent->mute = false;
                scene_cut(n->agent, cut);
        }
}

void fleet_cut(struct fleet *f, int number, bool cut)
{
        for (int other = 1; other <= f->o.nodes; other++)
                if (other != number) {
                        world_cut(f->s.w, number, other, cut);
                        world_cut(f->s.w, other, number, cut);
                }
        fleet_cut_agent(f, number, cut);
}

void fleet_deafen(struct fleet *f, int number, bool deaf)
{
        struct fleet_node *n = fleet_node(f, number);
        fleet_say(f, "node %d: the agent hears %s", number, deaf ? "nothing" : "again");
        if (n->agent)
                n->agent->deaf = deaf;
}

void fleet_mute(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->agent)
                n->agent->mute = true;
}

void fleet_machine_off(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->off)
                return;
        fleet_say(f, "node %d: power lost", number);
        n->off = true;
        fleet_agent_kill(f, number);
        if (world_running(f->s.w, number))
                world_crash(f->s.w, number);
        for (size_t i = 0; i < f->o.groups; i++)
                for (size_t k = 0; k < f->o.workers; k++) {
                        struct fleet_worker *w = &n->groups[i].workers[k];
                        w->alive = w->running = w->held = false;
                }
}

void fleet_machine_on(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (!n->off)
                return;
        fleet_say(f, "node %d: boots", number);
        n->off = false;
        n->boot++;
        n->saved = (struct client_session){.id = 0};
        if (!world_running(f->s.w, number))
                world_start(f->s.w, number);
        for (size_t i = 0; i < f->o.groups; i++)
                for (size_t k = 0; k < f->o.workers; k++) {
                        n->groups[i].workers[k].token_ended = 0;
                        fleet__worker_init(&n->groups[i].workers[k]);
                }
        fleet_agent_start(f, number, false);
}

/* ---- time ---- */

static bool runs(const struct fleet *f, const struct fleet_node *n, size_t group)
{
        for (size_t k = 0; k < f->o.workers; k++)
                if (n->groups[group].workers[k].running)
                        return true;
        return false;
}

int fleet_running(const struct fleet *f, size_t group)
{
        for (int i = 0; i < f->o.nodes; i++)
                if (runs(f, &f->nodes[i], group))
                        return i + 1;
        return 0;
}

static bool is_active(const struct fleet *f, const struct fleet_node *n, size_t group)
{
        for (size_t k = 0; k < f->o.workers; k++)
                if (n->groups[group].workers[k].state != WORKER_ACTIVE || !n->groups[group].workers[k].alive)
                        return false;
        return true;
}

int fleet_active(const struct fleet *f, size_t group)
{
        for (int i = 0; i < f->o.nodes; i++)
                if (is_active(f, &f->nodes[i], group))
                        return i + 1;
        return 0;
}

/* F1. */
static void look(struct fleet *f)
{
        for (size_t group = 0; group < f->o.groups; group++) {
                int count = 0;
                for (int i = 0; i < f->o.nodes; i++)
                        count += runs(f, &f->nodes[i], group);
                if (count > 1)
                        fleet_fail(f, "F1: two nodes run one group");
                f->down_ms[group] += count == 0;
        }
}

static void node_turn(struct fleet_node *n)
{
        struct fleet *f = n->f;
        struct fleet_letter l;
        for (size_t i = 0; i < f->o.groups && !n->off; i++)
                for (size_t k = 0; k < f->o.workers; k++)
                        fleet__worker_turn(&n->groups[i].workers[k]);
        if (!n->agent || n->paused)
                return;
        for (size_t i = 0; i < f->o.groups; i++) {
                struct fleet_group *fg = &n->groups[i];
                for (size_t k = 0; k < f->o.workers; k++)
                        while (fleet__from_worker(&fg->workers[k], &l))
                                group_worker_message(fg->g, k, &l.m);
                if (group_deadline(fg->g) <= fleet_node_now(n))
                        group_tick(fg->g);
        }
}

void fleet_run(struct fleet *f, uint64_t ms)
{
        for (uint64_t t = 0; t < ms; t++) {
                scene_run(&f->s, 1);
                for (int i = 0; i < f->o.nodes; i++)
                        node_turn(&f->nodes[i]);
                look(f);
        }
}

int fleet_await_active(struct fleet *f, size_t group, int but, uint64_t max_ms)
{
        for (uint64_t t = 0; t < max_ms; t++) {
                int n = fleet_active(f, group);
                if (n && n != but)
                        return n;
                fleet_run(f, 1);
        }
        fleet_fail(f, "no other node has the group active in time");
}

uint64_t fleet_await_down(struct fleet *f, size_t group, uint64_t max_ms)
{
        uint64_t t = 0;
        for (; fleet_running(f, group); t++) {
                if (t == max_ms)
                        fleet_fail(f, "the group still runs somewhere");
                fleet_run(f, 1);
        }
        return t;
}

struct group_status fleet_status(struct fleet *f, int number, size_t group)
{
        struct group_status st;
        group_status(fleet_node(f, number)->groups[group].g, &st);
        return st;
}

/* ---- the administrator ---- */

static int await(struct fleet *f, const struct scene_reply *r)
{
        for (int i = 0; i < SETTLE_MS && !r->done; i++)
                fleet_run(f, 1);
        if (!r->done)
                return -ETIME;
        return r->outcome == CLIENT_ANSWERED ? r->error : -EIO;
}

int fleet_set(struct fleet *f, const char *path, const char *data)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_set(f->admin->c, path, jute_cstr(data), -1, &call), 0);
        return await(f, &r);
}

int fleet_create(struct fleet *f, const char *path, const char *data)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_create(f->admin->c, path, jute_cstr(data), CLIENT_PERSISTENT, NULL, &call), 0);
        return await(f, &r);
}

int fleet_delete(struct fleet *f, const char *path)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_delete(f->admin->c, path, -1, &call), 0);
        return await(f, &r);
}

int fleet_get(struct fleet *f, const char *path, struct scene_reply *ret)
{
        struct client_call call = scene_call(ret);
        assert_int_equal(client_get(f->admin->c, path, &call), 0);
        return await(f, ret);
}

/* ---- life ---- */

struct fleet_options fleet_options(uint64_t seed)
{
        return (struct fleet_options){.nodes = 3,
                                      .seed = seed,
                                      .groups = 1,
                                      .workers = 1,
                                      .policy = POLICY_STICKY,
                                      .stop_budget_ms = 1000,
                                      .backoff_ms = 5000,
                                      .failback_ms = 3000,
                                      .start_ms = 100,
                                      .stop_ms = UINT32_MAX,
                                      .answer_divisor = 4,
                                      .link_ms = 3};
}

void fleet_init(struct fleet *f, const struct fleet_options *o)
{
        memset(f, 0, sizeof *f); /* a compound literal may stand on the stack once more, for which it is too large */
        f->o = *o;
        f->story = mem_zalloc(FLEET_STORY_BYTES);
        f->prng.state = o->seed;
        scene_init(&f->s, o->nodes, o->seed);
        f->s.answer_divisor = o->answer_divisor;
        f->admin = scene_add(&f->s, 0, NULL);
        for (int i = 0; i < o->nodes; i++) {
                struct fleet_node *n = &f->nodes[i];
                *n = (struct fleet_node){.f = f, .number = i + 1, .rate_ppm = o->rate_ppm[i], .czxid = 1};
                n->offset_ms = 1000000 * (i + 1);
                for (size_t g = 0; g < o->groups; g++) {
                        n->groups[g].node = n;
                        n->groups[g].index = g;
                        for (size_t k = 0; k < o->workers; k++) {
                                struct fleet_worker *w = &n->groups[g].workers[k];
                                w->node = n;
                                w->group = g;
                                w->index = k;
                                fleet__worker_init(w);
                        }
                }
                fleet_agent_start(f, i + 1, false);
        }
}

void fleet_done(struct fleet *f)
{
        for (int i = 0; i < f->o.nodes; i++)
                fleet_agent_kill(f, i + 1);
        for (int i = 0; i < f->o.nodes; i++)
                for (size_t g = 0; g < FLEET_GROUPS_MAX; g++)
                        for (size_t k = 0; k < FLEET_WORKERS_MAX; k++)
                                fleet__worker_done(&f->nodes[i].groups[g].workers[k]);
        scene_done(&f->s);
        mem_free(f->story);
}
