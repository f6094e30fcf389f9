#include "tests/sim/life.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/history/history_check.h"
#include "tests/sim/load/load.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From the moment everything is mended until every server serves, and has gone on to for twice the sync limit: dials
 * that were under way without an answer end after VOTE_DIAL_TIMEOUT_MS, and twice where the first one met a peer that
 * had given up; then elections, of which some wait for votes that are said again after ever longer pauses, each with a
 * barrier that runs into its limit. */
#define HEAL_MS    10000
#define HEAL_TICKS 100
/* Until clients have their answers: those that found nobody try all servers in turn, up to 1.7 s each, and once more
 * where their session was over. */
#define SETTLE_MS 20000
/* Until sessions of clients that are gone have expired. */
#define EXPIRE_MS 3500
/* Among its renewals there is a quiet moment, at the end, within so much time. */
#define QUIET_MS 5000
/* So long a fleet is looked at when nothing is wrong with it. */
#define FLEET_QUIET_MS 15000
/* Where nodes are large, what a slow net carries, and how rarely snapshots are made. */
#define BULK_BYTES_PER_MS 30000
#define BULK_SNAP_COUNT   200
/* How far from true a clock may go: ρ of docs/failover.md. */
#define CLOCK_RATE_PPM 100000

/* What was last seen of a server. */
struct seen {
        uint64_t snapshots; /* written since it started */
        size_t outstanding; /* proposals, when it was last seen leading */
};

struct life {
        const struct life_plan *plan;
        struct life_result *result;
        struct trace trace;
        struct prng prng;
        struct world *world;
        struct scene scene;  /* the same world, for the fleet's clients */
        struct fleet *fleet; /* NULL: there is none */
        struct oracle *oracle;
        struct faults faults;
        struct history *history;
        struct load *load;  /* NULL: nobody asks for anything */
        uint32_t healed;    /* servers that must serve, a bit for each sid; 0 while things go wrong */
        bool serves;        /* they have */
        uint64_t steady_ms; /* since then all of them have served */
        struct seen seen[WORLD_SERVERS_MAX + 1];
};

static uint64_t draw(struct life *l, uint64_t below)
{
        return prng_next(&l->prng) % below;
}

static bool broken(const struct life *l)
{
        return verdict_broken(&l->result->verdict);
}

static bool up(const struct life *l, int sid)
{
        return l->world->nodes[sid].running;
}

static bool is_in(uint32_t set, int sid)
{
        return set >> sid & 1;
}

static bool is_healed(const struct life *l, int sid)
{
        return is_in(l->healed, sid);
}

static uint64_t heal_bound_ms(const struct life *l)
{
        return HEAL_MS + (uint64_t)HEAL_TICKS * l->plan->tick_ms;
}

static struct coverage *coverage(struct life *l)
{
        return &l->result->coverage;
}

/* ---- looking on ---- */

static void on_note(void *ctx, struct world *w, int sid, const char *text)
{
        struct life *l = ctx;
        if (strstr(text, "synchronising from leader")) {
                if (strstr(text, "DIFF"))
                        coverage_hit(coverage(l), MARK_DIFF);
                if (strstr(text, "TRUNC"))
                        coverage_hit(coverage(l), MARK_TRUNC);
                if (strstr(text, "SNAP"))
                        coverage_hit(coverage(l), MARK_SNAP);
        }
        if (strstr(text, "was torn"))
                coverage_hit(coverage(l), MARK_TORN_TAIL);
        if (strstr(text, "can't be written") && strstr(text, "snapshot"))
                coverage_hit(coverage(l), MARK_SNAPSHOT_FAILED);
        if (strstr(text, "session") && strstr(text, "expired"))
                coverage_hit(coverage(l), MARK_SESSION_EXPIRED);
        faults_noted(&l->faults, sid, text);
        if (broken(l))
                world_end(w);
}

static void on_started(void *ctx, struct world *w, int sid, const struct recovered *r)
{
        struct life *l = ctx;
        (void)w;
        faults_recovered(&l->faults, sid, r);
}

static void on_fault(void *ctx, struct world *w, const char *text)
{
        struct life *l = ctx;
        (void)w;
        faults_told(&l->faults, text);
}

static void on_step(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx)
{
        struct life *l = ctx;
        (void)w;
        (void)e;
        faults_stepped(&l->faults, sid, fx);
}

static void look_at(struct life *l, int sid)
{
        const struct world_node *n = &l->world->nodes[sid];
        struct seen *s = &l->seen[sid];
        bool leads = n->running && zab_role(n->server->zab) == ZAB_LEADING;
        if (!leads && s->outstanding)
                coverage_hit(coverage(l), MARK_LEADER_LEFT_PROPOSALS);
        s->outstanding = leads ? zab_outstanding(n->server->zab) : 0;
        if (!n->running || !n->server->serving)
                return;
        l->faults.trouble[sid].in_snap = false;
        const struct snapshot_job *j = &n->server->job;
        coverage(l)->counts[MARK_SNAPSHOT_UNDER_LOAD] +=
                j->kind == JOB_ROUTINE && j->zxid < database_zxid(n->server->db);
        if (n->server->figures.snapshots > s->snapshots)
                coverage(l)->counts[MARK_SNAPSHOT_WRITTEN] += n->server->figures.snapshots - s->snapshots;
        s->snapshots = n->server->figures.snapshots;
        if (n->server->digest_mismatches)
                verdict_break(&l->result->verdict, world_now(l->world), "D4", "server %d counts digest mismatches",
                              sid);
}

/* ---- who serves ---- */

/* Under this leader; who has not noticed yet that it was left behind serves under another, or leads alone. */
static bool serves_under(struct life *l, int sid, int leader)
{
        const struct world_node *n = &l->world->nodes[sid];
        return n->running && n->server->serving && !n->server->stopping && zab_leader(n->server->zab) == leader;
}

static bool all_serving(struct life *l)
{
        int leader = world_leader(l->world);
        for (int sid = 1; sid <= l->world->count; sid++)
                if (is_healed(l, sid) && !serves_under(l, sid, leader))
                        return false;
        return leader != 0;
}

/* Once all of them serve, and nothing goes wrong, nobody has a reason to stop, to leave its leader or to be left. (A
 * fleet may have one: a last resort switches machines off.) */
static void look_for_leavers(struct life *l)
{
        int leader = world_leader(l->world);
        for (int sid = 1; sid <= l->world->count; sid++)
                if (is_healed(l, sid) && !serves_under(l, sid, leader))
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "server %d %s with nothing amiss", sid,
                                      up(l, sid) ? "serves no more" : "has ended");
}

/* ---- time ---- */

static void step(struct life *l, bool busy)
{
        if (l->load)
                load_step(l->load, busy);
        scene_run(&l->scene, 1);
        if (l->fleet)
                fleet_turn(l->fleet);
        for (int sid = 1; sid <= l->world->count; sid++)
                look_at(l, sid);
        if (l->serves && !l->fleet)
                look_for_leavers(l);
}

static void live_with_faults(struct life *l)
{
        uint64_t end = world_now(l->world) + l->plan->faulty_ms;
        while (world_now(l->world) < end && !broken(l)) {
                faults_turn(&l->faults);
                step(l, true);
        }
}

/* ---- the healing ---- */

static uint32_t everybody(const struct life *l)
{
        return (2u << l->world->count) - 2;
}

/* A majority of the voters, no more than needed, and any observers. Who lost its disk, or will when it starts again,
 * does not count. */
static uint32_t draw_core(struct life *l)
{
        uint32_t core = 0;
        for (int need = l->plan->voters / 2 + 1; need > 0;) {
                int sid = 1 + (int)draw(l, (uint64_t)l->plan->voters);
                need -= !is_in(core, sid) && !l->faults.trouble[sid].lost && !world_rotten(l->world, sid);
                core |= 1u << sid;
        }
        for (int i = 0; i < l->plan->observers; i++)
                if (draw(l, 2))
                        core |= 2u << (l->plan->voters + i);
        return core;
}

/* For longer than a peer that is gone can stay unnoticed. */
static bool all_serve_steadily(struct life *l)
{
        uint64_t now = world_now(l->world);
        if (!all_serving(l))
                l->steady_ms = now;
        return now >= l->steady_ms + (uint64_t)2 * l->plan->sync_limit * l->plan->tick_ms;
}

static void heal(struct life *l, uint32_t set)
{
        l->serves = false;
        l->healed = set;
        if (l->fleet)
                fleet_mend(l->fleet);
        faults_heal(&l->faults, set, l->plan->rest);
        uint64_t bound = heal_bound_ms(l), end = world_now(l->world) + bound;
        uint64_t all_came = world_now(l->world) + FAULT_LATE_MAX_MS;
        l->steady_ms = world_now(l->world);
        while (!all_serve_steadily(l) && !broken(l)) {
                if (world_now(l->world) > end)
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "not every healed server serves within %" PRIu64 " ms of the mend", bound);
                faults_restart_ended(&l->faults, set);
                step(l, true);
        }
        l->serves = true;
        trace_line(&l->trace, world_now(l->world), "*** serves again");
        /* What was late at the mend still comes: of a dial that a client gave up, what moves its session there. */
        for (int i = 0; (i < 300 || world_now(l->world) < all_came) && !broken(l); i++)
                step(l, true);
}

static void await_idle(struct life *l)
{
        uint64_t end = world_now(l->world) + SETTLE_MS;
        while (l->load && !load_idle(l->load) && !broken(l)) {
                if (world_now(l->world) > end)
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "clients are without answers after %d ms", SETTLE_MS);
                step(l, false);
        }
}

static void settle(struct life *l)
{
        await_idle(l);
        if (l->load)
                load_settle(l->load);
        /* Sessions nobody keeps alive end: the longest timeout, rounded up to a tick. */
        for (int i = 0; i < EXPIRE_MS && !broken(l); i++)
                step(l, false);
        await_idle(l);
        if (l->load)
                load_look(l->load);
        await_idle(l);
        if (l->load && !broken(l))
                load_check_settled(l->load);
        for (int i = 0; i < 300 && !broken(l); i++)
                step(l, false);
}

/* Each group is active on one node, and stays there: nothing moves, but for failback and what is still to be counted
 * against a node. */
static void settle_fleet(struct life *l)
{
        const struct fleet *f = l->fleet;
        int takes[FLEET_GROUPS_MAX] = {0}, at[FLEET_GROUPS_MAX] = {0};
        uint64_t end = world_now(l->world) + FLEET_MENDED_MS;
        for (size_t g = 0; g < f->o.groups; g++)
                while (!fleet_active(f, g) && !broken(l)) {
                        if (world_now(l->world) > end)
                                verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                              "group %zu is active nowhere, %d ms after the mend", g, FLEET_MENDED_MS);
                        step(l, false);
                }
        for (int i = 0; i < FLEET_QUIET_MS && !broken(l); i++)
                step(l, false);
        for (size_t g = 0; g < f->o.groups; g++) {
                takes[g] = f->takes[g];
                at[g] = fleet_active(f, g);
        }
        for (int i = 0; i < FLEET_QUIET_MS && !broken(l); i++)
                step(l, false);
        for (size_t g = 0; g < f->o.groups && !broken(l); g++)
                if (f->o.policy != POLICY_PRIORITY && (fleet_active(f, g) != at[g] || f->takes[g] != takes[g]))
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "group %zu moves though nothing is wrong", g);
        if (!broken(l))
                coverage_hit(coverage(l), MARK_FLEET_SETTLED);
}

static void recover(struct life *l)
{
        if (l->plan->recovery != RECOVERY_ALL) {
                heal(l, draw_core(l));
                if (!broken(l))
                        coverage_hit(coverage(l), MARK_CORE_SERVES);
        }
        if (l->plan->recovery != RECOVERY_CORE && !broken(l)) {
                heal(l, everybody(l));
                if (l->plan->recovery == RECOVERY_BOTH && !broken(l))
                        coverage_hit(coverage(l), MARK_REST_RETURNS);
        }
        if (l->fleet && !broken(l))
                settle_fleet(l);
        if (!broken(l))
                settle(l);
}

/* ---- the judgement ---- */

static void record_log(struct life *l)
{
        for (size_t i = 0; i < oracle_commits(l->oracle) && !broken(l); i++) {
                const uint8_t *txn;
                size_t len;
                int64_t zxid = oracle_commit(l->oracle, i, &txn, &len);
                if (load_record_txn(l->history, zxid, txn, len) < 0)
                        verdict_break(&l->result->verdict, world_now(l->world), "Z4",
                                      "the committed transaction 0x%" PRIx64 " can't be read", (uint64_t)zxid);
        }
}

/* What clients were told, held against each other and the final trees; and against the committed log, once that is
 * known to be what the servers have. */
static bool all_stand_together(const struct life *l)
{
        int leader = world_leader(l->world);
        int64_t end = leader ? zab_last_logged(l->world->nodes[leader].server->zab) : -1;
        for (int sid = 1; sid <= l->world->count; sid++) {
                if (!is_healed(l, sid) || !up(l, sid))
                        continue;
                const struct zab *z = l->world->nodes[sid].server->zab;
                if (zab_last_committed(z) != end || zab_last_logged(z) != end || !zab_disk_dry(z))
                        return false;
        }
        return true;
}

/* A fleet renews its leases to the last: between two renewals is a moment in which nothing is under way. */
static void await_quiet(struct life *l)
{
        for (int i = 0; i < QUIET_MS && !all_stand_together(l) && !broken(l); i++)
                step(l, false);
        if (!broken(l) && !all_stand_together(l))
                verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                              "the healed servers' logs do not come to one end within %d quiet ms", QUIET_MS);
}

static void judge(struct life *l)
{
        await_quiet(l);
        oracle_finish(l->oracle);
        if (!l->load || broken(l))
                return;
        load_finish(l->load);
        for (int sid = 1; sid <= l->world->count; sid++)
                if (is_healed(l, sid) && up(l, sid))
                        load_record_tree(l->history, l->world, sid);
        if (!history_judge(l->history, world_now(l->world), &l->result->verdict))
                return;
        record_log(l);
        if (!broken(l))
                (void)history_judge(l->history, world_now(l->world), &l->result->verdict);
}

/* ---- the beginning ---- */

static void begin_fleet(struct life *l)
{
        l->fleet = mem_zalloc(sizeof *l->fleet);
        fleet_init_in(l->fleet, &l->plan->fleet_options, &l->scene);
        fleet_watch(l->fleet, &l->result->verdict, &l->trace, coverage(l));
        l->faults.fleet = l->fleet;
}

static void begin(struct life *l)
{
        for (int sid = 1; sid <= l->world->count; sid++)
                world_start(l->world, sid);
        if (!world_serving(l->world, 0, heal_bound_ms(l))) {
                verdict_break(&l->result->verdict, world_now(l->world), "LIVE", "does not serve at the start");
                return;
        }
        uint32_t bytes_per_ms = l->plan->net_bytes_per_ms;
        if (bytes_per_ms && l->faults.bulk && l->plan->load_bent != LOAD_BULK)
                bytes_per_ms = BULK_BYTES_PER_MS;
        world_slow_net(l->world, l->plan->net_delay_ms, bytes_per_ms);
        if (l->plan->fleet)
                begin_fleet(l);
}

static void make_world(struct life *l)
{
        const struct life_plan *p = l->plan;
        l->world = world_new(p->voters, p->observers, hash_u64(p->seed ^ 0x3031d));
        l->scene = (struct scene){.w = l->world, .servers = p->voters, .timeout_ms = 2000};
        struct server_config *c = &l->world->config;
        c->snap_count = p->snap_count;
        c->commit_log_count = p->commit_log_count;
        c->tick_ms = p->tick_ms;
        c->init_limit = p->init_limit;
        c->sync_limit = p->sync_limit;
        c->heartbeat_ms = p->heartbeat_ms;
        c->election_timeout_ms = p->election_timeout_ms;
        c->step_bytes_max = p->step_bytes_max;
        c->extended_types = true;
        c->container_check_interval_ms = p->sweep_interval_ms;
        c->container_max_per_minute = p->sweeps_per_minute;
        c->read_only_mode = p->read_only;
        l->oracle = oracle_new(l->world, &l->result->verdict, coverage(l));
        faults_init(&l->faults, l->world, &p->faults, p->seed);
        l->faults.oracle = l->oracle;
        l->history = history_new();
        if (p->load)
                l->load = load_new(l->world, l->history, &l->result->verdict, p->seed);
        if (l->load)
                load_bend(l->load, p->load_bent);
        if (l->load && p->read_only)
                load_allow_read_only(l->load);
        l->faults.bulk = l->load && load_is_bulky(l->load);
        if (l->faults.bulk && c->snap_count < BULK_SNAP_COUNT)
                c->snap_count = BULK_SNAP_COUNT;
        l->faults.rate_ppm = CLOCK_RATE_PPM;
        l->faults.trace = &l->trace;
        l->faults.verdict = &l->result->verdict;
        l->faults.coverage = coverage(l);
        struct world_witness tracer = world_trace_witness(&l->trace);
        world_add_witness(l->world, &tracer);
        world_add_witness(
                l->world,
                &(struct world_witness){
                        .started = on_started, .stepped = on_step, .noted = on_note, .fault = on_fault, .ctx = l});
}

static void count_load(struct life *l)
{
        const struct load_tally *t = load_tally(l->load);
        uint64_t *marks = coverage(l)->counts;
        marks[MARK_SESSION_MOVED] += t->moved;
        marks[MARK_SESSION_MOVED_MEANWHILE] += t->moved_meanwhile;
        marks[MARK_SESSION_GONE] += t->expired;
        marks[MARK_WATCH_FIRED] += t->events;
        marks[MARK_WATCHES_RESTORED] += t->watches_restored;
        marks[MARK_WATCH_PERSISTENT] += t->persistent_events;
        marks[MARK_WATCH_RECURSIVE] += t->recursive_events;
        marks[MARK_WATCH_REMOVED] += t->watches_removed;
        marks[MARK_LEFT_CONNECTION_SPOKE] += t->ghosts;
        marks[MARK_UNKNOWN_OUTCOME] += t->unknown;
        marks[MARK_MULTI_ROLLED_BACK] += t->broken_multis;
        marks[MARK_WRONG_PASSWORD] += t->refused_passwords;
        marks[MARK_MULTI_READ] += t->multi_reads;
        marks[MARK_WATCH_FOUND] += t->watches_found;
        marks[MARK_DESCENDANTS] += t->numbers;
        marks[MARK_EPHEMERALS_LISTED] += t->ephemerals;
        marks[MARK_IDENTITIES_TOLD] += t->identities;
        marks[MARK_READ_ONLY_SHOWN] += t->read_only_reads;
        marks[MARK_READ_ONLY_REFUSED] += t->read_only_refused;
        marks[MARK_READ_ONLY_OVER] += t->read_only_over;
        l->result->operations = t->asked;
        trace_line(&l->trace, world_now(l->world),
                   "%" PRIu64 " requests, %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64 " without an answer",
                   t->asked, t->acked, t->refused, t->unknown);
}

static void count(struct life *l)
{
        struct life_result *r = l->result;
        if (l->load)
                count_load(l);
        r->simulated_ms = world_now(l->world);
        r->transactions = oracle_commits(l->oracle);
        r->fault_turns = l->faults.turns;
        memcpy(r->faults, l->faults.counts, sizeof r->faults);
        if (verdict_broken(&r->verdict))
                trace_line(&l->trace, r->verdict.at_ms, "%s is broken: %s", r->verdict.checker, r->verdict.text);
        r->digest = l->trace.digest;
}

void life_live(const struct life_plan *plan, FILE *trace, struct life_result *ret)
{
        struct life *l = mem_zalloc(sizeof *l);
        *ret = (struct life_result){.digest = 0};
        l->plan = plan;
        l->result = ret;
        l->prng.state = hash_u64(plan->seed ^ 0x11fe);
        trace_init(&l->trace, trace);
        life_plan_say(plan, &l->trace);
        make_world(l);
        begin(l);
        if (!broken(l))
                live_with_faults(l);
        if (!broken(l))
                recover(l);
        if (!broken(l))
                judge(l);
        count(l);
        load_free(l->load);
        if (l->fleet)
                fleet_done(l->fleet);
        mem_free(l->fleet);
        scene_done(&l->scene); /* the world with it */
        oracle_free(l->oracle);
        history_free(l->history);
        mem_free(l);
}
