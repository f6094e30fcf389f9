/* Commands about machines with agents, groups and workers: "fleet 3", then "machine 1 …". */
#include "tests/sim/scenario/stage.h"

#include "election/base/alloc.h"
#include "tests/sim/fleet/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An ensemble of a fleet serves by then. */
#define SETTLE_MS 5000
/* How long a stop takes where nothing else is said. */
#define STOP_MS 400

static void begin_scene(struct stage *st, int nodes, uint64_t seed)
{
        struct scene *s = mem_zalloc(sizeof *s);
        stage_begin(st, nodes, 0, seed);
        s->servers = nodes;
        s->timeout_ms = 2000;
        s->w = st->w;
        st->scene = s;
        for (int sid = 1; sid <= nodes; sid++)
                world_start(s->w, sid);
}

static bool one_of(struct stage *st, const char *word, const char *const *names, size_t count, int *ret)
{
        for (size_t i = 0; word && i < count; i++)
                if (names[i] && strcmp(names[i], word) == 0) {
                        *ret = (int)i;
                        return true;
                }
        return !word || stage_fail(st, "\"%s\" is none of what can stand here", word);
}

/* Numbers that any option may give: rate=1:-100000,2:100000 */
static bool per_node(struct stage *st, const char *list, int32_t *ret, int nodes)
{
        while (list && *list) {
                char *end;
                long node = strtol(list, &end, 10);
                if (*end != ':' || node < 1 || node > nodes)
                        return stage_fail(st, "\"%s\" is no list such as 1:5,2:7", list);
                ret[node - 1] = (int32_t)strtol(end + 1, &end, 10);
                list = *end == ',' ? end + 1 : end;
                if (*end && *end != ',')
                        return stage_fail(st, "\"%s\" is no list such as 1:5,2:7", list);
        }
        return true;
}

static bool read_options(struct stage *st, char **words, size_t count, struct fleet_options *o)
{
        static const char *const policies[] = {
                [POLICY_LEADER] = "leader", [POLICY_PRIORITY] = "priority", [POLICY_STICKY] = "sticky"};
        static const char *const resorts[] = {[LAST_RESORT_LOG] = "log", [LAST_RESORT_REBOOT] = "reboot"};
        int policy = (int)o->policy, resort = (int)o->last_resort;
        int64_t seed = 1, groups = 1, workers = 1, stop = o->stop_ms, start = o->start_ms, budget = o->stop_budget_ms,
                check = 0, retries = 0, backoff = o->backoff_ms, patience = o->answer_divisor;
        const struct {
                const char *key;
                int64_t *value;
        } numbers[] = {{"seed", &seed},       {"groups", &groups},    {"workers", &workers}, {"stop", &stop},
                       {"start", &start},     {"budget", &budget},    {"check", &check},     {"retries", &retries},
                       {"backoff", &backoff}, {"patience", &patience}};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                if (!stage_option_number(st, words, count, numbers[i].key, numbers[i].value))
                        return false;
        if (!one_of(st, stage_option(words, count, "policy"), policies, sizeof policies / sizeof *policies, &policy) ||
            !one_of(st, stage_option(words, count, "last-resort"), resorts, sizeof resorts / sizeof *resorts,
                    &resort) ||
            !per_node(st, stage_option(words, count, "rate"), o->rate_ppm, o->nodes) ||
            !per_node(st, stage_option(words, count, "priority"), o->priority, o->nodes))
                return false;
        if (groups < 1 || groups > FLEET_GROUPS_MAX || workers < 1 || workers > FLEET_WORKERS_MAX)
                return stage_fail(st, "1 to %d groups, 1 to %d workers", FLEET_GROUPS_MAX, FLEET_WORKERS_MAX);
        o->seed = (uint64_t)seed;
        o->groups = (size_t)groups;
        o->workers = (size_t)workers;
        o->stop_ms = (uint32_t)stop;
        o->start_ms = (uint32_t)start;
        o->stop_budget_ms = (uint32_t)budget;
        o->check_ms = (uint32_t)check;
        o->retries = (uint32_t)retries;
        o->backoff_ms = (uint32_t)backoff;
        o->answer_divisor = (int32_t)patience;
        o->policy = (enum group_policy)policy;
        o->last_resort = (enum last_resort)resort;
        o->mortal = stage_has(words, count, "mortal");
        o->supervised = !stage_has(words, count, "unsupervised");
        return true;
}

/* fleet NODES [groups=N] [workers=N] [policy=…] [budget=MS] [start=MS] [stop=MS] [rate=N:PPM,…] [priority=N:P,…]
 * [check=MS] [patience=N] [retries=N] [backoff=MS] [last-resort=log|reboot] [mortal] [unsupervised] [seed=N]: lease 2
 * s; until the groups are active */
static bool fleet(struct stage *st, char **words, size_t count)
{
        struct fleet_options o = fleet_options(1);
        int64_t nodes;
        if (!stage_number(st, words[1], &nodes))
                return false;
        if (nodes < 1 || nodes > FLEET_NODES_MAX)
                return stage_fail(st, "1 to %d machines", FLEET_NODES_MAX);
        o.nodes = (int)nodes;
        o.story = true;
        o.stop_ms = STOP_MS;
        if (!read_options(st, words, count, &o) || !stage_conclude(st))
                return false;
        begin_scene(st, o.nodes, o.seed);
        if (!world_serving(st->w, 0, SETTLE_MS))
                return stage_fail(st, "the ensemble does not serve");
        st->f = mem_zalloc(sizeof *st->f);
        fleet_init_in(st->f, &o, st->scene);
        fleet_watch(st->f, &st->verdict, NULL, NULL);
        for (int i = 0; i < STAGE_AWAIT_MS; i++) {
                bool all = true;
                for (size_t g = 0; g < o.groups; g++)
                        all &= fleet_active(st->f, g) != 0;
                if (all)
                        break;
                stage_step(st);
        }
        stage_forget(st);
        for (size_t g = 0; g < o.groups; g++)
                stage_say(st, STAGE_RANK_MACHINE, "%s is active on node %d", g ? "db" : "web", fleet_active(st->f, g));
        stage_say(st, STAGE_RANK_MACHINE, "%d leads", world_leader(st->w));
        return !st->failure.len;
}

bool stage_group(struct stage *st, char **words, size_t count, size_t *ret)
{
        const char *name = stage_option(words, count, "group");
        *ret = name && strcmp(name, "db") == 0;
        if (!st->f)
                return stage_fail(st, "there are no machines: the scenario should begin with \"fleet\"");
        if ((name && !*ret && strcmp(name, "web") != 0) || *ret >= st->f->o.groups)
                return stage_fail(st, "there is no group %s", name);
        return true;
}

bool stage_machine(struct stage *st, const char *word, int *ret)
{
        int64_t n;
        if (!st->f)
                return stage_fail(st, "there are no machines: the scenario should begin with \"fleet\"");
        if (!text_number(word, &n) || n < 1 || n > st->f->o.nodes)
                return stage_fail(st, "there is no machine %s", word);
        *ret = (int)n;
        return true;
}

/* ---- what befalls a machine ---- */

struct deed {
        struct stage *st;
        struct fleet *f;
        int number;
        size_t group;
        struct fleet_worker *worker;
        char **words;
        size_t count;
};

static bool argument(const struct deed *d, int64_t *ret)
{
        if (d->count < 4)
                return stage_fail(d->st, "machine %d %s wants a number", d->number, d->words[2]);
        return stage_number(d->st, d->words[3], ret);
}

static bool power_off(const struct deed *d)
{
        fleet_machine_off(d->f, d->number);
        return true;
}

static bool power_on(const struct deed *d)
{
        text_clear(&d->st->logs[d->number]);
        fleet_machine_on(d->f, d->number);
        return true;
}

static bool suspend(const struct deed *d)
{
        fleet_suspend(d->f, d->number, true);
        return true;
}

static bool wake(const struct deed *d)
{
        fleet_suspend(d->f, d->number, false);
        return true;
}

static bool vm_pause(const struct deed *d)
{
        fleet_vm_pause(d->f, d->number, true);
        return true;
}

static bool vm_resume(const struct deed *d)
{
        fleet_vm_pause(d->f, d->number, false);
        return true;
}

static bool stand(const struct deed *d)
{
        fleet_stand(d->f, d->number, true);
        return true;
}

static bool go_on(const struct deed *d)
{
        fleet_stand(d->f, d->number, false);
        return true;
}

static bool cut(const struct deed *d)
{
        fleet_cut(d->f, d->number, true);
        return true;
}

static bool mend(const struct deed *d)
{
        fleet_cut(d->f, d->number, false);
        return true;
}

static bool cut_agent(const struct deed *d)
{
        fleet_cut_agent(d->f, d->number, true);
        return true;
}

static bool mend_agent(const struct deed *d)
{
        fleet_deafen(d->f, d->number, false);
        fleet_cut_agent(d->f, d->number, false);
        return true;
}

static bool deafen(const struct deed *d)
{
        fleet_deafen(d->f, d->number, true);
        return true;
}

static bool hear(const struct deed *d)
{
        fleet_deafen(d->f, d->number, false);
        return true;
}

static bool mute(const struct deed *d)
{
        fleet_mute(d->f, d->number);
        return true;
}

static bool kill_agent(const struct deed *d)
{
        fleet_agent_kill(d->f, d->number);
        return true;
}

static bool pause_agent(const struct deed *d)
{
        fleet_agent_pause(d->f, d->number, true);
        return true;
}

static bool resume_agent(const struct deed *d)
{
        fleet_agent_pause(d->f, d->number, false);
        return true;
}

static bool kill_batond(const struct deed *d)
{
        fleet_batond_kill(d->f, d->number);
        return true;
}

static bool stop_batond(const struct deed *d)
{
        fleet_batond_stop(d->f, d->number, STOP_RELEASE);
        return true;
}

static bool restart_batond(const struct deed *d)
{
        fleet_batond_stop(d->f, d->number, STOP_KEEP);
        return true;
}

static bool start_batond(const struct deed *d)
{
        fleet_batond_start(d->f, d->number);
        return true;
}

/* kill-worker [worker=N] [link=MS]: the fresh one has no link to the agent before */
static bool kill_worker(const struct deed *d)
{
        int64_t link = 0;
        if (!stage_option_number(d->st, d->words, d->count, "link", &link))
                return false;
        fleet_worker_kill(d->f, d->number, d->group, d->worker->index, (uint64_t)link);
        return true;
}

static bool pause_worker(const struct deed *d)
{
        fleet_worker_stand(d->f, d->number, d->group, d->worker->index, true);
        return true;
}

static bool resume_worker(const struct deed *d)
{
        fleet_worker_stand(d->f, d->number, d->group, d->worker->index, false);
        return true;
}

static bool operator_start(const struct deed *d)
{
        fleet_operator_start(d->f, d->number, d->group, d->worker->index);
        return true;
}

static bool operator_stop(const struct deed *d)
{
        fleet_operator_stop(d->f, d->number, d->group, d->worker->index);
        return true;
}

static bool fail_starts(const struct deed *d)
{
        int64_t n;
        if (!argument(d, &n))
                return false;
        d->worker->failures = (uint32_t)n;
        return true;
}

static bool fail_stops(const struct deed *d)
{
        int64_t n;
        if (!argument(d, &n))
                return false;
        d->worker->stop_fails = (uint32_t)n;
        return true;
}

/* stuck MS: so long nothing ends its processes */
static bool stuck(const struct deed *d)
{
        int64_t ms;
        if (!argument(d, &ms))
                return false;
        d->worker->resource.stuck_ms = fleet_now(d->f) + (uint64_t)ms;
        return true;
}

static bool resource_dies(const struct deed *d)
{
        d->worker->resource.works = false;
        return true;
}

static bool full_record(const struct deed *d)
{
        d->worker->record_full = true;
        return true;
}

static bool free_record(const struct deed *d)
{
        d->worker->record_full = false;
        return true;
}

static bool rate(const struct deed *d)
{
        int64_t ppm;
        if (!argument(d, &ppm))
                return false;
        fleet_set_rate(d->f, d->number, (int32_t)ppm);
        return true;
}

static bool step_wall(const struct deed *d)
{
        int64_t ms;
        if (!argument(d, &ms))
                return false;
        world_step_wall(d->st->w, d->number, ms);
        return true;
}

/* slip CALLBACK hang|deaf|crash|twice: the next one of that kind */
static bool slip(const struct deed *d)
{
        static const char *const slips[] = {[FLEET_SLIP_NONE] = "none",
                                            [FLEET_SLIP_HANG] = "hang",
                                            [FLEET_SLIP_DEAF] = "deaf",
                                            [FLEET_SLIP_CRASH] = "crash",
                                            [FLEET_SLIP_TWICE] = "twice"};
        int how = 0;
        if (d->count < 5)
                return stage_fail(d->st, "machine %d slip CALLBACK HOW", d->number);
        if (!one_of(d->st, d->words[4], slips, sizeof slips / sizeof *slips, &how))
                return false;
        for (int kind = 0; kind < CALL_KIND_COUNT; kind++)
                if (strcmp(worker_call_name((enum worker_call_kind)kind), d->words[3]) == 0) {
                        d->worker->slip_kind = (enum worker_call_kind)kind;
                        d->worker->slip = (enum fleet_slip)how;
                        return true;
                }
        return stage_fail(d->st, "there is no callback %s", d->words[3]);
}

/* reload lease=MS | budget=MS | remove | add */
static bool reload(const struct deed *d)
{
        int64_t value = 0;
        enum fleet_change change = stage_has(d->words, d->count, "remove")     ? FLEET_CHANGE_REMOVE
                                   : stage_has(d->words, d->count, "add")      ? FLEET_CHANGE_ADD
                                   : stage_option(d->words, d->count, "lease") ? FLEET_CHANGE_LEASE
                                                                               : FLEET_CHANGE_BUDGET;
        if (!stage_option_number(d->st, d->words, d->count, change == FLEET_CHANGE_LEASE ? "lease" : "budget", &value))
                return false;
        if (change == FLEET_CHANGE_REMOVE || change == FLEET_CHANGE_ADD)
                value = (int64_t)d->group;
        fleet_reload(d->f, d->number, change, (uint32_t)value);
        return true;
}

static const struct {
        const char *name;
        bool (*fn)(const struct deed *d);
} deeds[] = {
        {"power-off", power_off},
        {"power-on", power_on},
        {"suspend", suspend},
        {"wake", wake},
        {"vm-pause", vm_pause},
        {"vm-resume", vm_resume},
        {"stand", stand},
        {"go-on", go_on},
        {"cut", cut},
        {"mend", mend},
        {"cut-agent", cut_agent},
        {"mend-agent", mend_agent},
        {"deafen", deafen},
        {"hear", hear},
        {"mute", mute},
        {"kill-agent", kill_agent},
        {"pause-agent", pause_agent},
        {"resume-agent", resume_agent},
        {"kill-batond", kill_batond},
        {"stop-batond", stop_batond},
        {"restart-batond", restart_batond},
        {"start-batond", start_batond},
        {"kill-worker", kill_worker},
        {"pause-worker", pause_worker},
        {"resume-worker", resume_worker},
        {"operator-start", operator_start},
        {"operator-stop", operator_stop},
        {"fail-starts", fail_starts},
        {"fail-stops", fail_stops},
        {"stuck", stuck},
        {"resource-dies", resource_dies},
        {"full-record", full_record},
        {"free-record", free_record},
        {"rate", rate},
        {"step-wall", step_wall},
        {"slip", slip},
        {"reload", reload},
};

/* machine N DEED [group=NAME] [worker=N] */
static bool machine(struct stage *st, char **words, size_t count)
{
        struct deed d = {.st = st, .f = st->f, .words = words, .count = count};
        int64_t worker = 0;
        if (!stage_machine(st, words[1], &d.number) || !stage_group(st, words, count, &d.group) ||
            !stage_option_number(st, words, count, "worker", &worker))
                return false;
        if (worker < 0 || (size_t)worker >= st->f->o.workers)
                return stage_fail(st, "there is no worker %" PRId64, worker);
        d.worker = &fleet_node(st->f, d.number)->groups[d.group].workers[worker];
        for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
                if (strcmp(deeds[i].name, words[2]) == 0)
                        return deeds[i].fn(&d);
        return stage_fail(st, "nothing called %s befalls a machine", words[2]);
}

/* note-token [group=NAME]: for "expect token grown" */
static bool note_token(struct stage *st, char **words, size_t count)
{
        size_t group;
        if (!stage_group(st, words, count, &group))
                return false;
        st->token = st->f->truth[group].token_max;
        return true;
}

const struct stage_command stage_fleet_commands[] = {
        {"fleet", 2, fleet}, {"machine", 3, machine}, {"note-token", 1, note_token}, {NULL, 0, NULL}};

/* ---- what it says ---- */

/* Which server an agent has tried, and when. */
static bool is_dull(const char *line)
{
        static const char *const parts[] = {": 10.0.0.",     ": connected to ", "this node's server",
                                            " has left",     " has joined",     "no server of the ensemble",
                                            ": the session", ": session "};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                if (strstr(line, parts[i]))
                        return true;
        return false;
}

void stage_fleet_turn(struct stage *st)
{
        struct fleet *f = st->f;
        if (f->story_len < st->story_read)
                st->story_read = 0;
        for (const char *at = f->story + st->story_read; *at;) {
                size_t len = strcspn(at, "\n");
                const char *text = strstr(at, "] ");
                char line[512], tidy[512];
                (void)snprintf(line, sizeof line, "%.*s", (int)(len - (size_t)(text + 2 - at)), text + 2);
                stage_tidy(st, line, tidy, sizeof tidy);
                int node = strncmp(tidy, "node ", 5) == 0 ? (int)strtol(tidy + 5, NULL, 10) : 0;
                text_add(&st->story, "%s\n", tidy);
                if (st->shows_all || !is_dull(tidy))
                        stage_say(st, STAGE_RANK_MACHINE + node, "%s", tidy);
                at += len + (at[len] == '\n');
        }
        st->story_read = f->story_len;
}

void stage_fleet_free(struct stage *st)
{
        if (st->f)
                fleet_done(st->f);
        mem_free(st->f);
        st->f = NULL;
        text_clear(&st->story);
        st->story_read = 0;
}

void stage_scene_free(struct stage *st)
{
        if (!st->scene)
                return;
        scene_done(st->scene); /* and the world */
        mem_free(st->scene);
        st->scene = NULL;
        st->w = NULL;
}
