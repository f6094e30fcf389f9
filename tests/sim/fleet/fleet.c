#include "tests/sim/fleet/fleet_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How often the agents hear of their engines' roles. */
#define ROLES_MS 20

uint32_t fleet__below(struct fleet *f, uint32_t n)
{
        return n ? (uint32_t)(prng_next(&f->prng) % n) : 0;
}

void fleet__hit(struct fleet *f, enum mark mark)
{
        if (f->coverage)
                coverage_hit(f->coverage, mark);
}

const char *fleet__group_name(size_t group)
{
        static const char *const names[FLEET_GROUPS_MAX] = {"web", "db"};
        return names[group];
}

uint64_t fleet_now(const struct fleet *f)
{
        return world_now(f->s->w);
}

struct fleet_node *fleet_node(struct fleet *f, int number)
{
        return &f->nodes[number - 1];
}

/* ---- what is told ---- */

void fleet_say(struct fleet *f, const char *format, ...)
{
        char line[LOG_LINE_MAX];
        va_list args;
        if (!f->story && !f->trace)
                return;
        va_start(args, format);
        (void)vsnprintf(line, sizeof line, format, args); /* cut */
        va_end(args);
        if (f->trace)
                trace_line(f->trace, fleet_now(f), "%s", line);
        if (!f->story)
                return;
        if (f->story_len + sizeof line + 64 > FLEET_STORY_BYTES)
                f->story_len = 0; /* what is old is of no use */
        f->story_len += (size_t)snprintf(f->story + f->story_len, FLEET_STORY_BYTES - f->story_len,
                                         "[%" PRIu64 "] %s\n", fleet_now(f), line);
}

bool fleet_told(const struct fleet *f, const char *text)
{
        return strstr(f->story, text) != NULL;
}

void fleet_break(struct fleet *f, const char *checker, const char *format, ...)
{
        char text[VERDICT_TEXT_BYTES];
        va_list args;
        bool was_broken = verdict_broken(f->verdict);
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args); /* cut */
        va_end(args);
        verdict_break(f->verdict, fleet_now(f), checker, "%s", text);
        if (was_broken)
                return;
        fleet_say(f, "%s is broken: %s", checker, text);
        if (f->broken)
                f->broken(f);
}

/* ---- the machine ---- */

void fleet_machine_off(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (n->off)
                return;
        fleet_say(f, "node %d: power lost", number);
        fleet_suspend(f, number, false);
        fleet_vm_pause(f, number, false);
        n->guard = false;
        FLEET_EACH_WORKER(n, w)
        {
                w->recorded = w->record_full = false;
                w->guarded = false;
        }
        fleet__batond_gone(n);
        FLEET_EACH_WORKER(n, w)
        {
                fleet__worker_end(w, "is gone");
                fleet__resource_end(w);
                w->resource = (struct fleet_resource){.ended_ms = w->resource.ended_ms};
                fleet__mirror(w);
        }
        n->batond_ms = n->reboot_ms = n->uncovered_ms = 0;
        n->off = true;
        n->reloads = false;
        if (world_running(f->s->w, number)) {
                world_freeze(f->s->w, number, false);
                world_crash(f->s->w, number);
        }
}

void fleet_machine_on(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (!n->off)
                return;
        fleet_say(f, "node %d: boots", number);
        n->off = false;
        n->reboot_ms = 0;
        n->boot++;
        n->saved = (struct client_session){.id = 0};
        fleet_batond_start(f, number);
}

/* ---- its processes ---- */

void fleet_agent_start(struct fleet *f, int number, bool resume)
{
        struct fleet_node *n = fleet_node(f, number);
        assert(!f->o.supervised);
        fleet__agent_begin(n, resume);
}

void fleet_agent_kill(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        if (!n->agent)
                return;
        fleet__agent_end(n, "killed");
        if (f->o.supervised)
                n->agent_kill_told = true;
}

void fleet_agent_pause(struct fleet *f, int number, bool paused)
{
        struct fleet_node *n = fleet_node(f, number);
        if (!n->agent)
                return;
        fleet_say(f, "node %d: agent %s", number, paused ? "stands still" : "goes on");
        n->paused = paused;
        n->agent->stopped = paused || n->all_stands || fleet__is_dark(n);
}

void fleet_agent_stop(struct fleet *f, int number, enum stop_how how)
{
        struct fleet_node *n = fleet_node(f, number);
        fleet_say(f, "node %d: agent is to stop", number);
        if (n->brain)
                agent_stop(n->brain, how);
}

bool fleet_agent_ended(struct fleet *f, int number)
{
        return fleet_node(f, number)->agent_ended;
}

void fleet_worker_kill(struct fleet *f, int number, size_t group, size_t worker, uint64_t ms)
{
        struct fleet_worker *w = &fleet_node(f, number)->groups[group].workers[worker];
        if (!w->core || w->helper || fleet__is_dark(w->node))
                return;
        fleet__worker_end(w, "killed");
        w->status = WORKER_EXIT_HUNG;
        w->link_ms = fleet_now(f) + ms;
        w->kill_told = true;
}

void fleet_worker_stand(struct fleet *f, int number, size_t group, size_t worker, bool stands)
{
        struct fleet_worker *w = &fleet_node(f, number)->groups[group].workers[worker];
        if (!w->core || w->stands == stands)
                return;
        fleet_say(f, "node %d %s: %s", number, w->section.name.text, stands ? "stands still" : "goes on");
        w->stands = stands;
}

/* ---- its cables ---- */

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
        for (int other = 1; other <= f->s->servers; other++)
                if (other != number) {
                        world_cut(f->s->w, number, other, cut);
                        world_cut(f->s->w, other, number, cut);
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

/* ---- who runs it ---- */

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
                if (n->groups[group].workers[k].state != WORKER_ACTIVE || !n->groups[group].workers[k].core)
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

/* ---- time ---- */

static void node_turn(struct fleet_node *n)
{
        fleet__batond_turn(n);
        if (fleet__is_dark(n))
                return;
        FLEET_EACH_WORKER(n, w)
        if (!n->all_stands || w->guarded)
                fleet__worker_turn(w);
        if (!n->all_stands)
                fleet__agent_turn(n);
}

void fleet_turn(struct fleet *f)
{
        if (fleet_now(f) % ROLES_MS == 0)
                fleet__engine_roles(f);
        fleet__faults_turn(f);
        for (int i = 0; i < f->o.nodes; i++)
                node_turn(&f->nodes[i]);
        fleet__look(f);
}

void fleet_run(struct fleet *f, uint64_t ms)
{
        for (uint64_t t = 0; t < ms && !verdict_broken(f->verdict); t++) {
                scene_run(f->s, 1);
                fleet_turn(f);
        }
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
                                      .link_ms = 3,
                                      .last_resort = LAST_RESORT_LOG};
}

static uint32_t draw(struct prng *p, uint32_t n)
{
        return (uint32_t)(prng_next(p) % n);
}

struct fleet_options fleet_draw_options(uint64_t seed, int nodes)
{
        static const int32_t rates[] = {-100000, 100000, 0};
        struct prng p = {.state = seed * 31 + 7};
        struct fleet_options o = fleet_options(seed);
        o.nodes = nodes;
        o.supervised = true;
        o.groups = 1 + draw(&p, FLEET_GROUPS_MAX);
        o.workers = 1 + draw(&p, FLEET_WORKERS_MAX);
        o.policy = (enum group_policy)draw(&p, POLICY_COUNT);
        o.stop_budget_ms = 200 + draw(&p, 3000);
        o.backoff_ms = 1000;
        o.random = draw(&p, 2);
        o.answer_divisor = draw(&p, 2) ? 4 : 0;
        o.start_ms = draw(&p, 1500);
        o.link_ms = 1 + draw(&p, 30);
        o.check_ms = draw(&p, 2) ? 200 + draw(&p, 2000) : 0;
        o.retries = draw(&p, 3);
        o.mortal = draw(&p, 3) == 0;
        o.last_resort = draw(&p, 2) ? LAST_RESORT_REBOOT : LAST_RESORT_LOG;
        for (int i = 0; i < nodes; i++) {
                o.rate_ppm[i] = rates[draw(&p, 3)];
                o.priority[i] = (int32_t)draw(&p, 3);
        }
        return o;
}

static void node_begin(struct fleet *f, int number)
{
        struct fleet_node *n = fleet_node(f, number);
        *n = (struct fleet_node){.f = f,
                                 .number = number,
                                 .rate_ppm = f->o.rate_ppm[number - 1],
                                 .offset_ms = 1000000 * number,
                                 .lease_ms = (uint32_t)f->s->timeout_ms,
                                 .stop_budget_ms = f->o.stop_budget_ms,
                                 .last_resort = f->o.last_resort};
        for (size_t g = 0; g < f->o.groups; g++) {
                n->groups[g].node = n;
                n->groups[g].index = g;
                n->groups[g].configured = true;
                for (size_t k = 0; k < f->o.workers; k++) {
                        struct fleet_worker *w = &n->groups[g].workers[k];
                        w->node = n;
                        w->group = g;
                        w->index = k;
                }
        }
        world_set_rate(f->s->w, number, n->rate_ppm);
        fleet__batond_init(n);
        if (!f->o.supervised) { /* a test may look at it at once */
                n->agent_spawn_ms = 0;
                fleet__agent_begin(n, false);
        }
}

void fleet_init_in(struct fleet *f, const struct fleet_options *o, struct scene *s)
{
        memset(f, 0, sizeof *f); /* a compound literal may stand on the stack once more, for which it is too large */
        f->o = *o;
        f->s = s;
        f->verdict = &f->own_verdict;
        if (o->story)
                f->story = mem_zalloc(FLEET_STORY_BYTES);
        f->prng.state = o->seed;
        f->fault_prng.state = o->seed ^ 0x666c656574ull;
        fleet__oracle_init(f);
        f->admin = scene_add(f->s, 0, NULL);
        for (int i = 1; i <= o->nodes; i++)
                node_begin(f, i);
}

void fleet_init(struct fleet *f, const struct fleet_options *o)
{
        struct scene *s = mem_zalloc(sizeof *s);
        scene_init(s, o->nodes, o->seed);
        fleet_init_in(f, o, s);
        f->own = s;
}

void fleet_watch(struct fleet *f, struct verdict *verdict, struct trace *trace, struct coverage *coverage)
{
        f->verdict = verdict ? verdict : &f->own_verdict;
        f->trace = trace;
        f->coverage = coverage;
}

void fleet_done(struct fleet *f)
{
        for (int i = 0; i < f->o.nodes; i++) {
                struct fleet_node *n = &f->nodes[i];
                fleet__agent_end(n, "ends");
                FLEET_EACH_WORKER(n, w)
                {
                        fleet__worker_end(w, "ends");
                        fleet__queues_done(w);
                }
        }
        if (f->own)
                scene_done(f->own);
        mem_free(f->own);
        mem_free(f->story);
}
